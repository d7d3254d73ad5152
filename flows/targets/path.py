"""What a goal asks for on a day, and the lines that a report draws beside it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from math import fsum, isfinite

import numpy as np

from flows.kpis import Kpi
from flows.settings import Target
from flows.targets.evaluation import FloatArray, Series

# Four whole weeks: every weekday counts equally, and noise has mostly evened out.
DEFAULT_WINDOW_DAYS = 28
# Whole weeks, so that weekdays fall together.
LAST_YEAR = timedelta(weeks=52)
# With less of last year its shape would be mostly guessed.
KNOWN_SHARE = 0.8
# Weekdays are learned from so many weeks, of which each must have been seen this often.
PATTERN_WEEKS = 8
PATTERN_LEAST = 4


def default_window_days(target: Target, start: date, end: date) -> int | None:
    """Days that the value is measured over, when that is not the whole period so far.

    What the target says; 28 (or the whole of a shorter period) for a goal
    from–to, which is about the level at the end and not about an average;
    None otherwise. ``end`` is exclusive.
    """
    if target.measure.window_days is not None:
        return target.measure.window_days
    if target.goal.kind == "from_to":
        return min(DEFAULT_WINDOW_DAYS, (end - start).days)
    return None


def window_start(target: Target, start: date, end: date, last: date) -> date:
    """First day of the measurement whose last day is ``last``; ``end`` is exclusive.

    Only a goal from–to with a measuring window of its own reaches before the
    start of the period: there the days before are the level it started from.
    """
    window = default_window_days(target, start, end)
    if window is None:
        return start
    first = last - timedelta(days=window - 1)
    reaches_back = target.goal.kind == "from_to" and target.measure.window_days is not None
    return first if reaches_back else max(first, start)


def path_level(
    target: Target, start: date, end: date, last: date, shape: FloatArray | None = None
) -> float:
    """The value of a goal from–to that is on its way, measured up to ``last``.

    The path runs from ``from`` on the eve of the period: in a straight line, or
    for ``path: last_year`` as ``shape`` came in (a weight for each day of the
    period, see ``last_year_weights``; without it straight). It is averaged over
    the measuring window, in which days before the start count as ``from``, and
    it is so steep that the last whole window of the period averages to exactly
    ``to``. Comparing a trailing window with the path itself shows nine in ten
    ramps that later hit as behind. With ``steps`` the measured value is asked to
    be a step's value at the end of its day, and from step to step it moves as
    the averaged straight line does.
    """
    i = min((last - start).days, (end - start).days - 1)
    if target.goal.from_ is None or target.goal.to is None:
        raise ValueError("not a goal from–to")
    return target.goal.from_ if i < 0 else float(_levels(target, start, end, shape)[i])


def _levels(target: Target, start: date, end: date, shape: FloatArray | None) -> FloatArray:
    """What a goal from–to asks of the value measured up to each day of ``[start, end)``."""
    goal = target.goal
    assert goal.from_ is not None and goal.to is not None
    n = (end - start).days
    is_shaped = goal.path == "last_year" and shape is not None
    weights = _checked(shape, n) if is_shaped and shape is not None else np.ones(n)
    gone = np.concatenate(([0.0], np.cumsum(np.cumsum(weights))))  # Σ over days of the way gone
    days = np.arange(1, n + 1)
    window = default_window_days(target, start, end) or n
    counted = np.minimum(days, window)
    reaches_back = target.measure.window_days is not None
    mean = (gone[days] - gone[days - counted]) / (window if reaches_back else counted)
    way = mean / mean[-1]
    xs = [0.0, *(way[(day - start).days] for day, _ in goal.steps), 1.0]
    ys = [goal.from_, *(value for _, value in goal.steps), goal.to]
    levels: FloatArray = np.interp(way, xs, ys)
    return levels


def share_of_sum(
    target: Target, start: date, end: date, last: date, shape: FloatArray | None = None
) -> float:
    """The part of a sum's goal that is due by the end of ``last``.

    Of the whole period, in plain days or by ``shape`` (a weight for each day of
    the period: weekdays, last year); or of the measuring window when the target
    has one, in plain days. The window that reaches before the period is always
    whole.
    """
    window = default_window_days(target, start, end)
    n = (end - start).days
    counted = max((last - window_start(target, start, end, last)).days + 1, 0)
    if window is None and shape is not None:
        weights = _checked(shape, n)
        return float(weights[:counted].sum() / weights.sum())
    return counted / (window or n)


def path_points(
    target: Target,
    start: date,
    end: date,
    kpi: Kpi | None = None,
    shape: FloatArray | None = None,
) -> list[tuple[date, float]]:
    """What the goal asks for on every day of ``[start, end)``: the line in a chart.

    ``start`` and ``end`` are the period's. For a goal from–to it is the path as
    a trailing window sees it. For a sum (pass ``kpi``) it is the total due by
    the end of the day. ``shape`` is that of ``path_level`` and ``share_of_sum``.
    `between` has two lines, so it has none here.
    """
    goal = target.goal
    level = {"at_least": goal.at_least, "at_most": goal.at_most, "maintain": goal.maintain}
    days = list(_days(start, end))
    expected = level.get(goal.kind)
    levels = [] if expected is None else [expected] * len(days)
    if goal.kind == "from_to":
        levels = _levels(target, start, end, shape).tolist()
    if kpi is not None and kpi.is_sum:
        levels = [
            asked * share_of_sum(target, start, end, day, shape)
            for day, asked in zip(days, levels, strict=False)
        ]
    return list(zip(days, levels, strict=False))


def last_year_weights(series: Series, start: date, end: date, kpi: Kpi) -> FloatArray | None:
    """How much came in 52 weeks before each day of ``[start, end)``, all above or equal to 0.

    The numerator of a sum, the denominator of a ratio: how much there was to
    measure. Weekdays fall together. A day that is not known counts as the mean
    of its weekday. None without at least four fifths of last year's days, or
    when nothing came in.
    """
    first = start - LAST_YEAR
    volume = series.numerator if kpi.is_sum else series.denominator
    if volume is None:
        return None
    n = (end - start).days
    found = np.full(n, np.nan)
    # of a period longer than 52 weeks the last days would be those of the period itself
    place = series.place(first, min(first + timedelta(days=n), start) - timedelta(days=1))
    offset = max((series.first_day - first).days, 0)
    found[offset : offset + place.stop - place.start] = volume[place][: max(n - offset, 0)]
    known = np.isfinite(found) & (found >= 0)
    if known.sum() < KNOWN_SHARE * n or not found[known].sum() > 0:
        return None
    for weekday in range(min(7, n)):
        same = np.arange(weekday, n, 7)
        told = same[known[same]]
        rest = same[~known[same]]
        found[rest] = found[told].mean() if told.size else found[known].mean()
    return found


def weekday_weights(series: Series, start: date, end: date, kpi: Kpi) -> FloatArray | None:
    """What comes in on each day of ``[start, end)`` by its weekday, from the weeks before it.

    The mean of each weekday over the eight weeks that end on the eve of
    ``start``: of the numerator of a sum, the denominator of a ratio. None when a
    weekday was known fewer than four times, or when nothing came in.
    """
    volume = series.numerator if kpi.is_sum else series.denominator
    if volume is None:
        return None
    first = start - timedelta(weeks=PATTERN_WEEKS)
    place = series.place(first, start - timedelta(days=1))
    told = volume[place]
    weekdays = (np.arange(place.start, place.stop) + series.first_day.weekday()) % 7
    known = np.isfinite(told) & (told >= 0)
    times = np.bincount(weekdays[known], minlength=7)
    sums = np.bincount(weekdays[known], weights=told[known], minlength=7)
    if times.min() < PATTERN_LEAST or not sums.sum() > 0:
        return None
    weights: FloatArray = (sums / times)[(np.arange((end - start).days) + start.weekday()) % 7]
    return weights if weights.sum() > 0 else None


def pace_shape(
    target: Target, kpi: Kpi, series: Series, start: date, end: date
) -> FloatArray | None:
    """How the days of ``[start, end)`` weigh in what a goal asks for by each of them.

    By last year's days where the goal says `path: last_year` or is a sum, else a
    sum's by its weekdays. None: every day the same. ``series`` has the figures
    from well before the period; nothing from ``start`` on is looked at, so what
    was due by a day does not change afterwards.
    """
    if target.goal.path != "last_year" and not kpi.is_sum:
        return None
    shape = last_year_weights(series, start, end, kpi)
    if shape is None and kpi.is_sum:
        shape = weekday_weights(series, start, end, kpi)
    return shape


def _checked(shape: FloatArray, days: int) -> FloatArray:
    """Weights that can be divided by. Raises ValueError for any others."""
    if len(shape) != days or not np.isfinite(shape).all() or (shape < 0).any() or shape.sum() <= 0:
        raise ValueError(f"a shape needs {days} finite weights, none below 0 and not all 0")
    return shape


def trailing_values(series: Series, window_days: int, kpi: Kpi) -> list[tuple[date, float]]:
    """Σnumerator / Σdenominator (or Σnumerator) over the window that ends on each day.

    From the first day with data to the last; the first windows are shorter
    where there is nothing before. A day whose window has nothing to divide by
    is left out.
    """
    rows = np.flatnonzero(series.has_row)
    if not rows.size:
        return []
    points = []
    for i in range(int(rows[0]), int(rows[-1]) + 1):
        last = series.day_at(i)
        sums = sums_between(series, last - timedelta(days=window_days - 1), last, kpi)
        value = value_of(*sums, kpi)
        if value is not None:
            points.append((last, value))
    return points


def cumulative_values(series: Series, start: date, end: date) -> list[tuple[date, float]]:
    """Running total of the numerator over the days of ``[start, end)`` up to the last with data."""
    place = series.place(start, end - timedelta(days=1))
    part = series.numerator[place]
    told = np.flatnonzero(~np.isnan(part))
    if not told.size:
        return []
    totals = np.cumsum(np.nan_to_num(part[: told[-1] + 1], posinf=np.inf, neginf=-np.inf)).tolist()
    # days before the first of the arrays had nothing
    before = max(min((series.first_day - start).days, (end - start).days), 0)
    return [(start + timedelta(days=i), total) for i, total in enumerate([0.0] * before + totals)]


def sums_between(
    series: Series, first: date, last: date, kpi: Kpi
) -> tuple[float | None, float | None]:
    """Σnumerator and Σdenominator of the known days from ``first`` to ``last``, both included.

    The denominator is None for a sum; both are None when no day is known.
    """
    place = series.place(first, last)
    known = series.known(kpi.is_sum)[place]
    if not known.any():
        return None, None
    numerator = total_of(series.numerator[place][known])
    if kpi.is_sum or series.denominator is None:
        return numerator, None
    return numerator, total_of(series.denominator[place][known])


def value_of(numerator: float | None, denominator: float | None, kpi: Kpi) -> float | None:
    """The KPI's value, or None when it is not a finite number."""
    if numerator is None or not isfinite(numerator):
        return None
    if kpi.is_sum:
        return numerator
    if denominator is None or not isfinite(denominator) or denominator <= 0:
        return None
    value = numerator / denominator
    return value if isfinite(value) else None


def total_of(numbers: FloatArray) -> float:
    """The exact sum, the same in whatever order they come; NaN when one is not finite."""
    if not np.isfinite(numbers).all():
        return float("nan")  # poisons the value on purpose: it is no data
    try:
        return fsum(numbers.tolist())
    except OverflowError:
        return float("nan")


def _days(start: date, end: date) -> Iterator[date]:
    for i in range((end - start).days):
        yield start + timedelta(days=i)
