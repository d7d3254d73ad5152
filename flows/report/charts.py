"""One chart per target: Vega-Lite, drawn by vl-convert to a static SVG (or PNG for mail).

The picture carries no script and no outside reference; names in it are escaped
by Vega. Colours are the ones of ``ROLES``; the page maps each of them to its
own light or dark shade with a CSS rule on the attribute, mail keeps the light
ones. Source of the palette: Okabe & Ito, https://jfly.uni-koeln.de/color/.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np

from flows.kpis import Kpi
from flows.report import formats, outlook, words
from flows.report.formats import Language
from flows.report.model import SourceState, TargetView
from flows.targets.completeness import completed
from flows.targets.evaluation import DaySums, Evaluation, Series
from flows.targets.judge import ENOUGH_DAYS
from flows.targets.path import cumulative_values, path_points, share_of_sum, trailing_values
from flows.targets.periods import ONE_DAY

# By role; every value occurs once, so that a CSS rule can find it in the SVG.
ROLES = {
    "ink": "#26323a",
    "muted": "#5c6a73",
    "grid": "#e3e8eb",
    "axis": "#b9c3c9",
    "line": "#0072b2",
    "context": "#5b93b9",
    "goal": "#d55e00",
    "band": "#009e73",
    "fan": "#56b4e9",
    "missing": "#cc79a7",
    "paper": "#fffffe",
}
# Liberation Sans is inside vl-convert and has Arial's measures, so text is as wide as planned
# wherever the picture is shown.
FONT = "Arial, Helvetica, 'Liberation Sans', sans-serif"

_SVG = "http://www.w3.org/2000/svg"
# The version whose schema the specification below follows; vl-convert ships several.
_VEGA_LITE = "6.1"

Size = Literal["wide", "narrow", "mail"]
_SIZES: dict[Size, tuple[int, int]] = {"wide": (700, 310), "narrow": (340, 220), "mail": (560, 220)}
# How much of the past stands before the period, so that a reader sees where it came from.
_CONTEXT_DAYS = (28, 62)
# The range of a projection takes up to this many times the height of all else.
_MOST_FAN = 1.5
# From here on a day counts as in: what follows does not show in a line.
_ALL_IN = 0.97
# Two whole weeks: a week of a small account is mostly noise.
_TRAILING_DAYS = 14


@dataclass(frozen=True)
class Point:
    """One day of a drawn line; ``run`` numbers the unbroken pieces."""

    day: date
    value: float
    run: int
    is_young: bool = False


@dataclass(frozen=True)
class FanPoint:
    """Where the value is expected to be on a day, with its 80% range."""

    day: date
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ChartData:
    """What is drawn, worked out from sums; every list is in order of days."""

    kind: Literal["cumulative", "trailing", "period"]
    start: date  # of the period; what is before it is context
    first: date
    last: date
    main: tuple[Point, ...]
    context: tuple[Point, ...]
    paths: tuple[
        tuple[tuple[date, float], ...], ...
    ]  # the goal as a line; a sum between two has two
    band: tuple[float, float] | None
    missing: tuple[tuple[date, date], ...]  # both ends included
    window_days: int
    fan: tuple[FanPoint, ...] = ()  # from the last day that was judged to the deadline
    is_learned: bool = False  # the young days are drawn as they will be


def chart_data(view: TargetView, as_of: date, sources: Sequence[SourceState]) -> ChartData | None:
    """What the chart of a target shows; None when there is nothing to draw.

    A sum is added up over its period beside the pace that it is judged by. A ratio with a
    measuring window is drawn over that window, day by day. Any other ratio is
    drawn from the start of its period, with its last fourteen days behind it.
    """
    evaluation, kpi, target = view.total, view.kpi, view.target
    if not view.series.has_row.any():
        return None
    rows = np.flatnonzero(view.series.has_row)
    last_known = min(view.series.day_at(int(rows[-1])), as_of - ONE_DAY)
    earliest = view.series.day_at(int(rows[0]))
    rolling = target.period.rolling_days
    start, end = evaluation.period_start, evaluation.period_end
    if rolling or start is None or end is None:
        start, end = last_known - timedelta(days=83), last_known + ONE_DAY
    # of the very days that are drawn
    shape = view.shape if view.shape is not None and len(view.shape) == (end - start).days else None
    last = end - ONE_DAY
    drawn_to = min(last, last_known)
    if drawn_to < earliest:
        return None
    missing = _missing_days(view, sources)
    young_from = _young_from(evaluation, view.series)
    series = arrived(view.series, evaluation, kpi)
    told_window = evaluation.details.get("window_days")
    window = rolling or (int(told_window) if isinstance(told_window, int | float) else None)
    goal = target.goal
    kind: Literal["cumulative", "trailing", "period"]
    context: tuple[Point, ...] = ()
    if kpi.is_sum and not window:
        kind, first = "cumulative", start
        totals = cumulative_values(series, start, drawn_to + ONE_DAY)
        main = _points(totals, missing, young_from if words.rests_on_learned(evaluation) else None)
    else:
        before = 0 if rolling else max(_CONTEXT_DAYS[0], min(_CONTEXT_DAYS[1], (end - start).days))
        first = max(start - timedelta(days=before), earliest)
        days = window or _TRAILING_DAYS
        # windows that the first day of data cuts short would start with noise
        whole_from = min(earliest + timedelta(days=days - 1), drawn_to)
        trailing = _points(
            (
                (day, value)
                for day, value in trailing_values(series, days, kpi)
                if max(first, whole_from) <= day <= drawn_to
            ),
            missing,
            young_from,
        )
        if window:
            kind, main = "trailing", trailing
        else:
            kind, context = "period", trailing
            # the first days are noise that nothing is said of either
            steady = min(
                start + timedelta(days=min(ENOUGH_DAYS, (end - start).days // 3)), drawn_to
            )
            to_date = _to_date(series, start, drawn_to)
            main = _points((p for p in to_date if p[0] >= steady), missing, young_from)
    if not main and not context:
        return None
    path: tuple[tuple[date, float], ...]
    if rolling:
        level = next((v for v in (goal.at_least, goal.at_most, goal.maintain) if v), None)
        path = ((start, level), (last, level)) if level is not None else ()
    else:
        path = tuple(path_points(target, start, end, kpi, shape))
    paths: tuple[tuple[tuple[date, float], ...], ...] = (path,) if path else ()
    band = None
    low, high = evaluation.details.get("low"), evaluation.details.get("high")
    is_band = isinstance(low, int | float) and isinstance(high, int | float)
    if is_band and kind == "cumulative":
        days_of_period = [start + timedelta(days=i) for i in range((end - start).days)]
        paths = tuple(
            tuple(
                (day, float(top or 0.0) * share_of_sum(target, start, end, day, shape))
                for day in days_of_period
            )
            for top in (low, high)
        )
    elif is_band:
        band = (float(low or 0.0), float(high or 0.0))
    return ChartData(
        kind=kind,
        start=start,
        first=first,
        last=last,
        main=main,
        context=context,
        paths=paths,
        band=band,
        missing=tuple(_runs(d for d in missing if first <= d <= drawn_to)),
        window_days=window or _TRAILING_DAYS,
        fan=_fan(kind, main or context, evaluation, start, last) if not rolling else (),
        is_learned=words.rests_on_learned(evaluation),
    )


def _fan(
    kind: str, line: Sequence[Point], evaluation: Evaluation, start: date, deadline: date
) -> tuple[FanPoint, ...]:
    """From the value of the last judged day to the projection at the deadline.

    A sum grows evenly, and its range with it. A ratio since the start moves as
    the days ahead outweigh those that were; a trailing window goes straight
    there, and its range opens as that of a level that wanders (a square root).
    """
    ends = (evaluation.projected, evaluation.projected_low, evaluation.projected_high)
    from_ = next((p for p in reversed(line) if not p.is_young), line[-1])
    if words.rests_on_learned(evaluation):
        from_ = line[-1]
    value, low, high = ends
    ahead = (deadline - from_.day).days
    if value is None or low is None or high is None or ahead < 1:
        return ()
    if not all(math.isfinite(one) for one in (value, low, high)):
        return ()
    behind = max((from_.day - start).days + 1, 1)
    points = []
    for k in range(ahead + 1):
        middle = k / ahead
        if kind == "period":  # the weight of what is ahead, of evenly busy days
            middle = (k / (behind + k)) / (ahead / (behind + ahead))
        spread = math.sqrt(k / ahead) if kind == "trailing" else middle
        at = from_.value + (value - from_.value) * middle
        points.append(
            FanPoint(
                from_.day + timedelta(days=k),
                at,
                at - (value - low) * spread,
                at + (high - value) * spread,
            )
        )
    return tuple(points)


def chart_svg(
    view: TargetView,
    as_of: date,
    sources: Sequence[SourceState],
    language: Language,
    *,
    size: Literal["wide", "narrow"] = "wide",
    scope: str = "chart",
) -> str | None:
    """The chart as an ``<svg>`` element with a title and a description.

    ``scope`` makes its ids unique on a page. None when there is nothing to draw.
    """
    data = chart_data(view, as_of, sources)
    return None if data is None else charts_svg([Wanted(view, data, size, scope)], language)[0]


@dataclass(frozen=True)
class Wanted:
    """A chart to draw with others; see `charts_svg`."""

    view: TargetView
    data: ChartData
    size: Literal["wide", "narrow"]
    scope: str


def charts_svg(wanted: Sequence[Wanted], language: Language) -> list[str]:
    """The charts as `chart_svg` makes each, all of a currency drawn at once: a third of the time.

    What is left of a chart is as wide as its widest figure.
    """
    drawn = [""] * len(wanted)
    by_currency: dict[str | None, list[int]] = {}
    for i, one in enumerate(wanted):
        by_currency.setdefault(one.view.total.currency_code, []).append(i)
    for currency, places in by_currency.items():
        specs = []
        for i in places:
            one = wanted[i]
            spec = _spec(one.data, one.view, language, one.size)
            specs.append({"layer": spec["layer"], **_plot(spec, one, language)})
        for i, spec, body in zip(places, specs, draw_apart(specs, language, currency), strict=True):
            one = wanted[i]
            width, height = _SIZES[one.size]
            left = width - spec["width"] - _EDGES[0]
            box = f"{-left} {-_EDGES[1]} {width} {height}"
            drawn[i] = _named(
                _scoped(body, one.scope),
                box,
                title=words.kpi_label(one.view.kpi, language),
                description=describe(one.data, one.view, language),
                scope=one.scope,
            )
    return drawn


# Right of the plot, above it and below it, in pixels; what is left of it has the figures.
_EDGES = (6, 10, 24)
# Of Arial at 12 pixels a figure is this wide.
_FIGURE_WIDTH = 6.7


def _plot(spec: dict[str, Any], one: Wanted, language: Language) -> dict[str, Any]:
    """Width and height of what is drawn inside the axes."""
    domain = next(
        layer["encoding"]["y"]["scale"]["domain"]
        for layer in spec["layer"]
        if "y" in layer.get("encoding", {})
    )
    kpi, currency = one.view.kpi, one.view.total.currency_code
    longest = max(len(formats.quantity(end, kpi.unit, language, currency)) for end in domain)
    width, height = _SIZES[one.size]
    left = round(12 + longest * _FIGURE_WIDTH)
    return {"width": width - left - _EDGES[0], "height": height - _EDGES[1] - _EDGES[2]}


def draw_apart(
    specs: Sequence[dict[str, Any]],
    language: Language,
    currency: str | None,
    axis: dict[str, Any] | None = None,
) -> list[str]:
    """Draw the specifications as one, and take the drawings apart.

    Vega takes longer to start than to draw. Each comes without an ``<svg>`` round it, with
    the corner of its plot as its origin; each has a width and a height.
    """
    if not specs:
        return []
    together = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "vconcat": list(specs),
        "config": config(axis),
    }
    root = ElementTree.fromstring(draw(together, language, currency))  # noqa: S314 (Vega's own)
    clips = {one.get("id"): one for one in root.iter(f"{{{_SVG}}}clipPath")}
    told = []
    for i in range(len(specs)):
        group = root.find(f".//{{{_SVG}}}g[@class='mark-group role-scope concat_{i}_group']/*")
        assert group is not None, "Vega names its groups otherwise"
        group.attrib.pop("transform", None)
        body = ElementTree.tostring(group, encoding="unicode")
        used = dict.fromkeys(re.findall(r"url\(#([^)]+)\)", body))
        defs = "".join(ElementTree.tostring(clips[one], encoding="unicode") for one in used)
        body += f"<defs>{defs}</defs>" if defs else ""
        told.append(tidy(re.sub(r"(</?)ns0:", r"\1", re.sub(r' xmlns(:ns0)?="[^"]*"', "", body))))
    return told


def chart_png(
    view: TargetView, as_of: date, sources: Sequence[SourceState], language: Language
) -> bytes | None:
    """The chart for mail, twice as fine as it is shown."""
    data = chart_data(view, as_of, sources)
    if data is None:
        return None
    import vl_convert

    svg = draw(_spec(data, view, language, "mail"), language, view.total.currency_code)
    drawn: bytes = vl_convert.svg_to_png(svg, scale=2)
    return drawn


def png_width() -> int:
    return _SIZES["mail"][0]


def describe(data: ChartData, view: TargetView, language: Language) -> str:
    """The chart in one sentence, for who cannot see it."""
    line = data.main or data.context
    currency = view.total.currency_code
    told = words.say(
        "chart_described",
        language,
        kpi=words.kpi_label(view.kpi, language),
        first=formats.day(line[0].day, language),
        last=formats.day(line[-1].day, language),
        value=formats.quantity(line[-1].value, view.kpi.unit, language, currency),
        goal=words.goal(view.target.goal, view.kpi, language, currency),
    )
    value, low, high = outlook.projected(view.total, view.target, view.kpi, language, currency)
    if data.fan and low:
        day = formats.day(data.fan[-1].day, language)
        told += " " + words.say(
            "chart_fan_described", language, day=day, value=value, low=low, high=high
        )
    return told


def legend(data: ChartData, view: TargetView, language: Language) -> list[tuple[str, str]]:
    """(role, words) of everything the chart shows, in order of weight."""
    told: list[tuple[str, str]] = []
    trailing = words.say("legend_trailing", language, n=data.window_days)
    if data.main:
        main = {
            "cumulative": words.say("legend_cumulative", language),
            "period": words.say("legend_period", language),
            "trailing": trailing,
        }[data.kind]
        told.append(("line", main))
    if any(p.is_young for p in (*data.main, *data.context)):
        is_learned = words.rests_on_learned(view.total)
        key = "legend_adjusted" if is_learned else "legend_young"
        told.append(("young", words.say(key, language)))
    if data.fan:
        told.append(("fan", words.say("legend_fan", language)))
    if data.context:
        told.append(("context", trailing))
    if data.band:
        told.append(("band", words.say("legend_band", language)))
    elif data.paths:
        key = {"cumulative": "legend_pace"}.get(data.kind, "legend_goal")
        if view.target.goal.kind == "from_to" and data.kind != "cumulative":
            key = "legend_path"
        told.append(("goal", words.say(key, language)))
    if data.missing:
        told.append(("missing", words.say("legend_missing", language)))
    return told


# --- sums over days ---------------------------------------------------------------------------


def _to_date(series: Series, start: date, end: date) -> Iterator[tuple[date, float]]:
    top = bottom = 0.0
    for one in series.days:
        if start <= one.date_day <= end and _is_whole(one):
            top += one.numerator or 0.0
            bottom += one.denominator or 0.0
            if bottom > 0:
                yield one.date_day, top / bottom


def _is_whole(one: DaySums) -> bool:
    """A ratio's day counts only when both of its halves are known."""
    return one.numerator is not None and one.denominator is not None


def _points(
    pairs: Iterable[tuple[date, float]], missing: frozenset[date], young_from: date | None
) -> tuple[Point, ...]:
    """Number the unbroken pieces: a line never bridges a missing day."""
    drawn: list[Point] = []
    run = 0
    for day, value in pairs:
        if day in missing or not math.isfinite(value):
            continue
        if drawn and any(
            drawn[-1].day + timedelta(days=i) in missing
            for i in range(1, (day - drawn[-1].day).days)
        ):
            run += 1
        drawn.append(Point(day, value, run, young_from is not None and day >= young_from))
    return tuple(drawn)


def _missing_days(view: TargetView, sources: Sequence[SourceState]) -> frozenset[date]:
    wanted = set(view.target.where.get("account_id", ()))
    only = set(view.target.where.get("source", ())) or set(view.kpi.sources)
    return frozenset(
        day
        for state in sources
        if state.source in only and (not wanted or state.account_id in wanted)
        for day in state.missing_days
    )


def arrived(series: Series, evaluation: Evaluation, kpi: Kpi) -> Series:
    """The days as they will be once everything is in, where that is what the verdict rests on.

    Of a ratio the other side counts as far as the late side is in, so that Σ
    over any days is the adjusted value; days too young to be used are unknown.
    """
    share = series.completeness
    if share is None or kpi.late is None or not words.rests_on_learned(evaluation):
        return series
    unknown = ~np.isfinite(share)
    if kpi.is_sum or series.denominator is None:
        return replace(series, numerator=completed(series.numerator, share))
    counted = np.where(unknown, np.nan, share)
    if kpi.late.side == "numerator":
        return replace(series, denominator=series.denominator * counted)
    return replace(series, numerator=series.numerator * counted)


def _young_from(evaluation: Evaluation, series: Series) -> date | None:
    """The first day whose conversions are still arriving."""
    if words.rests_on_learned(evaluation) and series.completeness is not None:
        young = np.flatnonzero(~(series.completeness >= _ALL_IN))
        return series.day_at(int(young[0])) if young.size else None
    settled = evaluation.details.get("settled_through")
    if not isinstance(settled, str) or evaluation.status in ("achieved", "missed"):
        return None
    return date.fromisoformat(settled) + ONE_DAY


def _runs(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    run: list[date] = []
    for day in sorted(days):
        if run and day - run[-1] > timedelta(days=1):
            yield run[0], run[-1]
            run = []
        run.append(day)
    if run:
        yield run[0], run[-1]


# --- the picture ------------------------------------------------------------------------------


def _spec(data: ChartData, view: TargetView, language: Language, size: Size) -> dict[str, Any]:
    width, height = _SIZES[size]
    unit = view.kpi.unit
    # room on both sides of what is drawn, and zero at the foot of a sum
    drawn = [p.value for p in (*data.main, *data.context)] + [
        v for path in data.paths for _, v in path
    ]
    drawn += list(data.band or ())
    drawn += [p.value for p in data.fan]
    low, high = min(drawn), max(drawn)
    if data.fan:
        # a range that is far wider than all that happened runs off the edge instead of
        # pressing the line flat
        reach = _MOST_FAN * ((high - low) or abs(high) or 1.0)
        low = max(min([low, *(p.low for p in data.fan)]), low - reach)
        high = min(max([high, *(p.high for p in data.fan)]), high + reach)
    pad = (high - low) * 0.12 or abs(high) * 0.1 or 1.0
    domain = [0.0 if data.kind == "cumulative" or low - pad < 0 <= low else low - pad, high + pad]
    stamp_last = (data.last + ONE_DAY).isoformat()
    # where the line runs to the edge, the figure at its end needs room behind it
    span = data.last - data.first
    room = max(
        data.last + ONE_DAY, _labelled(data).day + span * (0.28 if size == "narrow" else 0.16)
    )
    x = {
        "field": "d",
        "type": "temporal",
        "scale": {"type": "utc", "domain": [data.first.isoformat(), room.isoformat()]},
        "axis": {
            "title": None,
            "tickCount": 3 if size == "narrow" else 6,
            "labelExpr": "utcFormat(datum.value, '%-d %b')",
            "grid": False,
            "labelFlush": True,
            "labelBound": False,
        },
    }
    scale = {"domain": domain, "nice": False, "zero": False}
    y = {
        "field": "v",
        "type": "quantitative",
        "scale": scale,
        "axis": {
            "title": None,
            "tickCount": 4,
            "format": axis_format(unit, domain),
            "domain": False,
            "ticks": False,
            "labelPadding": 6,
        },
    }
    layers: list[dict[str, Any]] = []
    if data.missing:
        layers.append(
            {
                "data": {
                    "values": [
                        {"d": a.isoformat(), "e": (b + timedelta(days=1)).isoformat()}
                        for a, b in data.missing
                    ]
                },
                "mark": {"type": "rect", "color": ROLES["missing"], "opacity": 0.16},
                "encoding": {"x": x, "x2": {"field": "e"}},
            }
        )
    if data.band:
        a, b = data.band
        layers.append(
            {
                "data": {
                    "values": [
                        {"d": data.first.isoformat(), "e": stamp_last, "v": a, "w": b},
                    ]
                },
                "mark": {"type": "rect", "color": ROLES["band"], "opacity": 0.14},
                "encoding": {"x": x, "x2": {"field": "e"}, "y": y, "y2": {"field": "w"}},
            }
        )
    if data.first < data.start:
        layers.append(
            {
                "data": {"values": [{"d": data.start.isoformat()}]},
                "mark": {"type": "rule", "color": ROLES["axis"], "strokeWidth": 1},
                "encoding": {"x": x},
            }
        )
    for path in () if data.band else data.paths:
        layers.append(
            {
                "data": {"values": [{"d": d.isoformat(), "v": v} for d, v in path]},
                "mark": {
                    "type": "line",
                    "color": ROLES["goal"],
                    "strokeWidth": 1.75,
                    "strokeDash": [2, 3],
                    "strokeCap": "round",
                },
                "encoding": {"x": x, "y": y},
            }
        )
    if data.fan:
        layers.extend(_fan_layers(data.fan, x, y))
    if data.context:
        layers.extend(_line(data.context, x, y, ROLES["context"], 1.5))
    if data.main:
        layers.extend(_line(data.main, x, y, ROLES["line"], 2.75))
    end = _labelled(data)
    has_tail = end.day < (data.main or data.context)[-1].day
    told = words.value(view.total, view.kpi, language, None)
    if told == formats.NOTHING:
        told = formats.quantity(end.value, unit, language, view.total.currency_code)
    layers.append(
        {
            "data": {"values": [{"d": end.day.isoformat(), "v": end.value, "t": told}]},
            "layer": [
                {
                    "mark": {
                        "type": "point",
                        "filled": True,
                        "size": 56,
                        "color": ROLES["line"],
                        "stroke": ROLES["paper"],
                        "strokeWidth": 1.5,
                        "opacity": 1,
                    }
                },
                *(
                    {
                        "mark": {
                            "type": "text",
                            "align": "center" if has_tail else "left",
                            "dx": 0 if has_tail else 9,
                            "dy": -17 if has_tail else 0,
                            "fontSize": 14,
                            "fontWeight": "bold",
                            **colors,
                        },
                        "encoding": {"text": {"field": "t", "type": "nominal"}},
                    }
                    for colors in (
                        # first a rim in the colour of the paper, so that lines do not cross it
                        {"color": ROLES["paper"], "stroke": ROLES["paper"], "strokeWidth": 4},
                        {"color": ROLES["ink"]},
                    )
                ),
            ],
            "encoding": {"x": x, "y": y},
        }
    )
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": width,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": {"left": 8, "right": 6, "top": 8, "bottom": 2},
        "background": ROLES["paper"] if size == "mail" else None,
        "layer": layers,
        "config": config(),
    }


def config(axis: dict[str, Any] | None = None) -> dict[str, Any]:
    """What all charts have in common; ``axis`` overrides what theirs look like."""
    return {
        "aria": False,
        "font": FONT,
        "view": {"stroke": None},
        "axis": {
            "labelColor": ROLES["muted"],
            "labelFontSize": 12,
            "gridColor": ROLES["grid"],
            "domainColor": ROLES["axis"],
            "tickColor": ROLES["axis"],
            "tickSize": 4,
            **(axis or {}),
        },
    }


def _fan_layers(
    fan: Sequence[FanPoint], x: dict[str, Any], y: dict[str, Any]
) -> list[dict[str, Any]]:
    """The range as an area with an edge, so that it also shows without colour, and its middle."""
    values = [{"d": p.day.isoformat(), "v": p.low, "w": p.high, "m": p.value} for p in fan]
    middle = y | {"field": "m"}
    return [
        {
            "data": {"values": values},
            "mark": {
                "type": "area",
                "color": ROLES["fan"],
                "opacity": 0.22,
                "line": False,
                "clip": True,
            },
            "encoding": {"x": x, "y": y, "y2": {"field": "w"}},
        },
        *(
            {
                "data": {"values": values},
                "mark": {
                    "type": "line",
                    "color": ROLES["fan"],
                    "strokeWidth": 1,
                    "opacity": 0.9,
                    "clip": True,
                },
                "encoding": {"x": x, "y": y | {"field": edge}},
            }
            for edge in ("v", "w")
        ),
        {
            "data": {"values": values},
            "mark": {
                "type": "line",
                "color": ROLES["line"],
                "strokeWidth": 1.25,
                "opacity": 0.9,
            },
            "encoding": {"x": x, "y": middle},
        },
    ]


def _labelled(data: ChartData) -> Point:
    """The point that carries the figure: the last one that the verdict rests on."""
    line = data.main or data.context
    if data.is_learned:
        return line[-1]
    return next((point for point in reversed(line) if not point.is_young), line[-1])


def _line(
    points: Sequence[Point], x: dict[str, Any], y: dict[str, Any], color: str, width: float
) -> Iterator[dict[str, Any]]:
    """A solid line for what is settled and a dashed one for what may still change."""
    pieces: dict[tuple[int, bool], list[Point]] = {}
    before: Point | None = None
    for point in points:
        piece = pieces.setdefault((point.run, point.is_young), [])
        if not piece and before and before.run == point.run:
            piece.append(before)  # the dashed part starts where the solid one ends
        piece.append(point)
        before = point
    for is_young in (False, True):
        values = [
            {"d": p.day.isoformat(), "v": p.value, "r": f"{run}"}
            for (run, young), piece in pieces.items()
            if young is is_young
            for p in piece
        ]
        if values:
            mark = {
                "type": "line",
                "color": color,
                "strokeWidth": width,
                "strokeJoin": "round",
                "strokeCap": "butt" if is_young else "round",
            }
            if is_young:
                mark |= {"strokeDash": [5, 4], "opacity": 0.85}
            yield {
                "data": {"values": values},
                "mark": mark,
                "encoding": {"x": x, "y": y, "detail": {"field": "r", "type": "nominal"}},
            }


def axis_format(unit: str, domain: list[float]) -> str:
    spread = domain[1] - domain[0]
    if unit == "rate":
        return ".0%" if spread > 0.08 else ".1%" if spread > 0.004 else ".2%"
    digits = 0 if spread > 4 else 1 if spread > 0.4 else 2
    return f"$,.{digits}f" if unit == "money" else f",.{digits}f"


def draw(spec: dict[str, Any], language: Language, currency: str | None) -> str:
    """The specification as SVG, as Vega makes it."""
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(
        spec,
        vl_version=_VEGA_LITE,
        allowed_base_urls=[],  # nothing in a chart may fetch anything
        format_locale=_number_locale(language, currency),
        time_format_locale="nl-NL" if language == "nl" else "en-GB",
    )
    return drawn


def _number_locale(language: Language, currency: str | None) -> dict[str, Any]:
    """d3's way to write numbers. Source: https://d3js.org/d3-format#formatLocale"""
    symbol = formats.currency_symbol(currency, language) if currency else ""
    if symbol and (language == "nl" or symbol[-1:].isalpha()):
        symbol += formats.NBSP
    return {
        "decimal": "," if language == "nl" else ".",
        "thousands": "." if language == "nl" else ",",
        "grouping": [3],
        "currency": [symbol, ""],
    }


def _scoped(svg: str, scope: str) -> str:
    """Number the ids anew under ``scope``, so that charts can share a page and come out alike."""
    found: dict[str, str] = {}
    for old in re.findall(r'\bid="([^"]+)"', svg):
        found.setdefault(old, f"{scope}-{len(found)}")
    for old, new in found.items():
        svg = svg.replace(f'id="{old}"', f'id="{new}"')
        svg = svg.replace(f"url(#{old})", f"url(#{new})").replace(f'"#{old}"', f'"#{new}"')
    return svg


def _named(body: str, box: str, *, title: str, description: str, scope: str) -> str:
    """Name the picture; what is inside is hidden from a screen reader, the words say it all."""
    _, _, width, height = box.split()
    return (
        f'<svg xmlns="{_SVG}" viewBox="{box}" width="{width}" height="{height}"'
        f' font-family="{FONT}" fill="none" stroke-miterlimit="10" role="img"'
        f' aria-labelledby="{scope}-title {scope}-desc">'
        f'<title id="{scope}-title">{html.escape(title)}</title>'
        f'<desc id="{scope}-desc">{html.escape(description)}</desc>{body}</svg>'
    )


def tidy(body: str) -> str:
    """What Vega drew without what nobody sees: a third of its size.

    Vega names its parts for assistive technology although aria is off, paints
    empty grounds, and places everything to a thousandth of a pixel.
    """
    body = re.sub(r' (?:role|aria-[a-z]+|class|pointer-events)="[^"]*"', "", body)
    body = re.sub(r' (?:opacity|fill-opacity|stroke-width)="1"', _unless_needed, body)
    body = re.sub(r'<path[^>]* d=""[^>]*/>', "", body)
    body = re.sub(r'<path d="M0(?:\.5)?,0(?:\.5)?h[\d.]+v[\d.]+h-?[\d.]+Z" ?/>', "", body)
    body = re.sub(r' (?:d|transform)="[^"]*"', _rounded, body)
    body = body.replace(f' font-family="{FONT}"', "")  # of the whole picture, said once
    while (less := re.sub(r'<g(?: transform="[^"]*")?>\s*</g>', "", body)) != body:
        body = less
    return body


def _unless_needed(found: re.Match[str]) -> str:
    return "" if "opacity" in found.group() else found.group()


def _rounded(found: re.Match[str]) -> str:
    """Tenths of a pixel are as fine as anybody can see."""
    return re.sub(
        r"-?\d+\.\d\d+", lambda n: f"{float(n.group()):.1f}".removesuffix(".0"), found.group()
    )
