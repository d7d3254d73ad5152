"""The small pictures of a report: a bullet graph for each goal, a line for each segment.

Vega takes longer to start than to draw them, so that all of a kind are drawn at
once, one below the other, and then taken apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from flows.kpis import Kpi
from flows.report import charts
from flows.report.charts import FONT, ROLES
from flows.report.formats import Language
from flows.targets.evaluation import Series
from flows.targets.path import trailing_values

_TRAILING_DAYS = 14


@dataclass(frozen=True)
class Bullet:
    """A value held against what was agreed; everything in the unit of the KPI.

    ``low`` and ``high`` is the range agreed, ``due`` what is asked by now where
    that is not the goal itself, ``ends`` the range in which it is expected to end.
    """

    value: float
    goal: float | None
    due: float | None = None
    band: tuple[float, float] | None = None
    ends: tuple[float, float] | None = None
    unit: str = "ratio"
    currency: str | None = None


@dataclass(frozen=True)
class Line:
    """A segment's line, the days still young left out; None where it has too few points."""

    points: tuple[tuple[date, float], ...]
    is_bad: bool = False


# The room round what is drawn, for the figures at the axes: left, top, right, bottom.
_ROOM_BULLET = (4, 4, 4, 22)
_ROOM_LINE = (34, 6, 8, 18)
_BULLET = (252, 26)
_LINE = (178, 58)


def bullets(wanted: Sequence[Bullet | None], language: Language) -> list[str | None]:
    """A picture for each, as an ``<svg>`` that a screen reader passes by; the words say it all."""
    drawn: list[str | None] = [None] * len(wanted)
    by_currency: dict[str | None, list[int]] = {}
    for i, one in enumerate(wanted):
        if one is not None and _is_drawable(one):
            by_currency.setdefault(one.currency, []).append(i)
    for currency, places in by_currency.items():
        specs = [_bullet(one) for i in places if (one := wanted[i]) is not None]
        for i, picture in zip(places, _many(specs, _ROOM_BULLET, language, currency), strict=True):
            drawn[i] = picture
    return drawn


def lines(
    series: Sequence[Series],
    kpi: Kpi,
    start: date,
    end: date,
    goal: float | None,
    language: Language,
    currency: str | None,
) -> dict[str, str]:
    """The segments over ``start``..``end``, fourteen days at a time, by segment.

    All on one scale with the goal, so that they can be compared and noise looks
    like noise. A segment with fewer than two points has no picture.
    """
    found = {
        one.segment: points
        for one in series
        if len(
            points := [
                (day, value)
                for day, value in trailing_values(one, _TRAILING_DAYS, kpi)
                if start <= day <= end and math.isfinite(value)
            ]
        )
        > 1
    }
    if not found:
        return {}
    heights = [value for points in found.values() for _, value in points]
    heights += [goal] if goal is not None else []
    low, high = min(heights), max(heights)
    pad = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    domain = [0.0 if low >= 0 > low - pad else low - pad, high + pad]
    specs = [_line(points, start, end, domain, goal, kpi.unit) for points in found.values()]
    return dict(zip(found, _many(specs, _ROOM_LINE, language, currency), strict=True))


def _is_drawable(one: Bullet) -> bool:
    """A bar begins at zero: what is below it has no bar."""
    known = [one.value, one.goal, one.due, *(one.band or ()), *(one.ends or ())]
    told = [value for value in known if value is not None]
    return all(math.isfinite(value) and value >= 0 for value in told) and max(told) > 0


def _bullet(one: Bullet) -> dict[str, Any]:
    width, height = _BULLET
    marks = [one.value, one.goal or 0.0, one.due or 0.0, *(one.band or ()), one.value * 1.05]
    top = max(marks)
    # a range that is far wider than all else runs off the edge
    top = min(max([top, *(one.ends or ())]), 1.6 * top) * 1.04
    scale = {"domain": [0.0, top], "nice": False}
    x = {
        "field": "a",
        "type": "quantitative",
        "scale": scale,
        "axis": {
            "title": None,
            "tickCount": 3,
            "format": charts.axis_format(one.unit, [0.0, top]),
            "grid": False,
            "labelFlush": True,
            "labelBound": False,
            "domain": False,
        },
    }

    def bar(a: float, b: float, role: str, thick: float, opacity: float = 1.0) -> dict[str, Any]:
        return {
            "data": {"values": [{"a": a, "b": b, "y": height / 2}]},
            "mark": {
                "type": "bar",
                "color": ROLES[role],
                "height": thick,
                "opacity": opacity,
            },
            "encoding": {"x": x, "x2": {"field": "b"}, "y": {"value": height / 2}},
        }

    def tick(at: float, role: str, thick: float, tall: float) -> dict[str, Any]:
        return {
            "data": {"values": [{"a": at}]},
            "mark": {
                "type": "tick",
                "color": ROLES[role],
                "thickness": thick,
                "size": tall,
                "orient": "vertical",
                "opacity": 1,
            },
            "encoding": {"x": x, "y": {"value": height / 2}},
        }

    layers = [bar(0.0, top, "grid", height)]
    if one.band is not None:
        layers.append(bar(*one.band, "band", height, 0.3))
    if one.ends is not None:
        low, high = one.ends
        layers.append(bar(min(low, top), min(high, top), "fan", height, 0.4))
    layers.append(bar(0.0, one.value, "line", height * 0.36))
    if one.due is not None:
        layers.append(tick(one.due, "ink", 1.5, height * 0.62))
    if one.goal is not None and one.band is None:
        layers.append(tick(one.goal, "goal", 3.5, height))
    return {"width": width, "height": height, "layer": layers}


def _line(
    points: Sequence[tuple[date, float]],
    start: date,
    end: date,
    domain: list[float],
    goal: float | None,
    unit: str,
) -> dict[str, Any]:
    width, height = _LINE
    x = {
        "field": "d",
        "type": "temporal",
        "scale": {"type": "utc", "domain": [start.isoformat(), end.isoformat()]},
        "axis": {
            "title": None,
            "values": [start.isoformat(), end.isoformat()],
            "labelExpr": "utcFormat(datum.value, '%-d %b')",
            "grid": False,
            "labelFlush": True,
            "labelBound": False,
            "labelPadding": 3,
            "ticks": False,
        },
    }
    y = {
        "field": "v",
        "type": "quantitative",
        "scale": {"domain": domain, "nice": False, "zero": False},
        "axis": {
            "title": None,
            "tickCount": 2,
            "format": charts.axis_format(unit, domain),
            "domain": False,
            "ticks": False,
            "labelPadding": 5,
        },
    }
    layers: list[dict[str, Any]] = []
    if goal is not None:
        ends = [{"d": day.isoformat(), "v": goal} for day in (start, end)]
        layers.append(
            {
                "data": {"values": ends},
                "mark": {
                    "type": "line",
                    "color": ROLES["goal"],
                    "strokeWidth": 1.5,
                    "strokeDash": [2, 3],
                },
                "encoding": {"x": x, "y": y},
            }
        )
    values = [{"d": day.isoformat(), "v": value} for day, value in points]
    for data, mark in (
        (values, {"type": "line", "strokeWidth": 1.75, "strokeJoin": "round"}),
        (values[-1:], {"type": "point", "filled": True, "size": 26, "opacity": 1}),
    ):
        layers.append(
            {
                "data": {"values": data},
                "mark": {**mark, "color": ROLES["line"]},
                "encoding": {"x": x, "y": y},
            }
        )
    return {"width": width, "height": height, "layer": layers}


def _many(
    specs: Sequence[dict[str, Any]],
    room: tuple[int, int, int, int],
    language: Language,
    currency: str | None,
) -> list[str]:
    """The specifications as pictures, with room round each for the figures at its axes."""
    left, top, right, bottom = room
    told = []
    drawn = charts.draw_apart(specs, language, currency, axis={"labelFontSize": 11})
    for spec, body in zip(specs, drawn, strict=True):
        width, height = spec["width"] + left + right, spec["height"] + top + bottom
        told.append(
            f'<svg viewBox="{-left} {-top} {width} {height}" width="{width}" height="{height}"'
            f' font-family="{FONT}" fill="none" stroke-miterlimit="10" aria-hidden="true">'
            f"{body}</svg>"
        )
    return told
