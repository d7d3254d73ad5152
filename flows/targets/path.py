"""What a goal asks for on a day, and the lines that a report draws beside it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from math import ceil, fsum, isfinite

import numpy as np

from flows.kpis import Kpi
from flows.settings import Target
from flows.targets.evaluation import FloatArray, Series

# Four whole weeks: every weekday counts equally, and noise has mostly evened out.
DEFAULT_WINDOW_DAYS = 28


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


def path_level(target: Target, start: date, end: date, last: date) -> float:
    """The value of a goal from–to that is on its way, measured up to ``last``.

    The straight line from ``from`` on the eve of the period, averaged over the
    measuring window: days before the start count as ``from``, and the line is
    so steep that the last whole window of the period averages to exactly
    ``to`` (it ends at day n − (W−1)/2). Comparing a trailing window with the
    line itself shows nine in ten ramps that later hit as behind.
    """
    goal = target.goal
    if goal.from_ is None or goal.to is None:
        raise ValueError("not a goal from–to")
    at_end = _mean_day(target, start, end, end - timedelta(days=1))
    share = _mean_day(target, start, end, last) / at_end
    return goal.from_ + (goal.to - goal.from_) * min(share, 1.0)


def _mean_day(target: Target, start: date, end: date, last: date) -> float:
    """Mean number of the days in the window up to ``last``: 1 is the first of the period,
    and every day before it is 0."""
    first = (window_start(target, start, end, last) - start).days + 1
    final = (last - start).days + 1
    if final < 1:
        return 0.0
    counted_from = max(first, 1)
    return (counted_from + final) * (final - counted_from + 1) / 2 / (final - first + 1)


def share_of_sum(target: Target, start: date, end: date, last: date) -> float:
    """The part of a sum's goal that is due by the end of ``last``, in plain days.

    Of the whole period, or of the measuring window when the target has one;
    the window that reaches before the period is always whole.
    """
    whole = default_window_days(target, start, end) or (end - start).days
    counted = (last - window_start(target, start, end, last)).days + 1
    return max(counted, 0) / whole


def path_points(
    target: Target, start: date, end: date, kpi: Kpi | None = None
) -> list[tuple[date, float]]:
    """What the goal asks for on every day of ``[start, end)``: the line in a chart.

    ``start`` and ``end`` are the period's. For a goal from–to it is the path as
    a trailing window sees it. For a sum (pass ``kpi``) it is the total due by
    the end of the day. `between` has two lines, so it has none here.
    """
    goal = target.goal
    level = {"at_least": goal.at_least, "at_most": goal.at_most, "maintain": goal.maintain}
    points: list[tuple[date, float]] = []
    for day in _days(start, end):
        expected = level.get(goal.kind)
        if goal.kind == "from_to":
            expected = path_level(target, start, end, day)
        if expected is not None:
            part = share_of_sum(target, start, end, day) if kpi and kpi.is_sum else 1.0
            points.append((day, expected * part))
    return points


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


def minimum_of_rate(level: float) -> float | None:
    """Denominator below which a rate of this height says too little to be judged.

    z²·φ·g(1−g)/(δg)²: a difference of δ = 20% of the rate is seen with one-sided
    90% certainty (z = 1.2816) when counts vary twice as much as chance (φ = 2).
    A CTR of 3% needs 2,656 impressions. None where the formula says nothing.
    """
    if not 0 < level < 1:
        return None
    z, phi, delta = 1.2816, 2.0, 0.2
    return float(ceil(z**2 * phi * (1 - level) / (delta**2 * level)))


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
