"""How well the odds turned out: coverage, Brier score, and a series' own past replayed.

`score` compares forecasts with what came of them. `replay` makes the forecasts
that would have been made in the past of a series, so that a team can see how
far the odds may be trusted on its own account. No clock and no randomness.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from math import isfinite, nan, sqrt

import numpy as np
import numpy.typing as npt

from flows.targets.projection import LEAST_DAYS, project

FloatArray = npt.NDArray[np.float64]

# A quarter, judged after a fifth, two fifths, three fifths and four fifths of it.
PERIOD_DAYS = 91
CHECKPOINTS = (0.2, 0.4, 0.6, 0.8)
# Goals about the level of the eight weeks before: easy, even and hard ones.
GOAL_FACTORS = (0.9, 0.97, 1.03, 1.1)
BASE_DAYS = 56
# A forecast made without two months before it would judge the method by its emergency form.
HISTORY_BEFORE = 2 * BASE_DAYS
BIN_EDGES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
# 95% two-sided
Z = 1.96


@dataclass(frozen=True)
class Forecast:
    """What was said of a period on its way. ``period`` tells which: forecasts of one
    period (and of its several goals) come true or not together."""

    period: str
    low: float
    high: float
    probability: float
    naive: float  # 1 when pacing pro rata says that the goal is met, else 0


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    value: float
    is_met: bool


@dataclass(frozen=True)
class Bin:
    """Forecasts with about the same odds: their mean, and how often the goal was met."""

    low: float
    high: float
    count: int
    said: float
    came: float


@dataclass(frozen=True)
class Score:
    """``coverage`` is the share of outcomes inside the 80% interval. Brier scores are mean
    squared errors of the odds: lower is better, .25 is a coin. ``gain`` is the naive score
    minus ours, with its 95% interval; periods, not forecasts, are what is independent."""

    forecasts: int
    periods: int
    coverage: float
    brier: float
    naive_brier: float
    gain: float
    gain_low: float
    gain_high: float
    bins: tuple[Bin, ...]


def score(forecasts: Sequence[Forecast], outcomes: Sequence[Outcome]) -> Score | None:
    """Compare each forecast with its outcome, in the same order; None without any.

    Raises ValueError when there are not as many outcomes as forecasts.
    """
    if len(forecasts) != len(outcomes):
        raise ValueError(f"{len(forecasts)} forecasts and {len(outcomes)} outcomes")
    if not forecasts:
        return None
    said = np.array([forecast.probability for forecast in forecasts])
    naive = np.array([forecast.naive for forecast in forecasts])
    met = np.array([float(outcome.is_met) for outcome in outcomes])
    value = np.array([outcome.value for outcome in outcomes])
    low = np.array([forecast.low for forecast in forecasts])
    high = np.array([forecast.high for forecast in forecasts])
    difference = (naive - met) ** 2 - (said - met) ** 2
    names, which = np.unique([forecast.period for forecast in forecasts], return_inverse=True)
    gain, error = _clustered(difference, which, names.size)
    return Score(
        forecasts=len(forecasts),
        periods=names.size,
        coverage=float(((low <= value) & (value <= high)).mean()),
        brier=float(((said - met) ** 2).mean()),
        naive_brier=float(((naive - met) ** 2).mean()),
        gain=gain,
        gain_low=gain - Z * error,
        gain_high=gain + Z * error,
        bins=_bins(said, met),
    )


def replay(
    first_day: date,
    numerator: FloatArray,
    denominator: FloatArray | None = None,
    *,
    name: str = "",
    period_days: int = PERIOD_DAYS,
    checkpoints: Sequence[float] = CHECKPOINTS,
    goal_factors: Sequence[float] = GOAL_FACTORS,
    lower_is_better: bool = False,
    is_rate: bool = False,
    holidays: Collection[date] = (),
) -> tuple[list[Forecast], list[Outcome]]:
    """Forecasts that would have been made in a series' past, with what came of them.

    The past is cut into periods of ``period_days``, the last ending with the
    arrays, none overlapping. In each a goal is put at ``goal_factors`` times the
    level of the eight weeks before it, and the period is projected at
    ``checkpoints`` (shares of it) from the days before only. Arrays as for
    `project`; whole days only: leave out days that are still arriving.
    ``name`` sets the periods of several series apart. Periods with unknown days
    have no outcome, so they are left out.
    """
    forecasts: list[Forecast] = []
    outcomes: list[Outcome] = []
    size = numerator.size
    for number in range(size // period_days):
        stop = size - number * period_days
        begin = stop - period_days
        if begin < max(HISTORY_BEFORE, LEAST_DAYS):
            break
        base = _level(numerator, denominator, begin - BASE_DAYS, begin)
        actual = _level(numerator, denominator, begin, stop)
        if not (isfinite(base) and isfinite(actual) and base > 0):
            continue
        if denominator is None:
            base, actual = base * period_days, actual * period_days
        start, end = first_day + timedelta(begin), first_day + timedelta(stop)
        for share in checkpoints:
            now = begin + max(round(share * period_days), 1)
            projected = project(
                first_day,
                numerator[:now],
                None if denominator is None else denominator[:now],
                start=start,
                end=end,
                is_rate=is_rate,
                holidays=holidays,
            )
            if projected is None:
                continue
            pace = _level(numerator, denominator, begin, now)
            pace = pace * period_days if denominator is None else pace
            for factor in goal_factors:
                goal = base * factor
                limits = (None, goal) if lower_is_better else (goal, None)
                forecasts.append(
                    Forecast(
                        period=f"{name} {start}",
                        low=projected.low,
                        high=projected.high,
                        probability=projected.chance(*limits),
                        naive=float(_meets(pace, goal, lower_is_better)),
                    )
                )
                outcomes.append(Outcome(actual, _meets(actual, goal, lower_is_better)))
    return forecasts, outcomes


def _meets(value: float, goal: float, lower_is_better: bool) -> bool:
    return value <= goal if lower_is_better else value >= goal


def _level(numerator: FloatArray, denominator: FloatArray | None, begin: int, stop: int) -> float:
    """Σnumerator / Σdenominator, or the mean day of a sum; NaN when a day is unknown."""
    top = float(numerator[begin:stop].sum())
    if denominator is None:
        return top / (stop - begin)
    bottom = float(denominator[begin:stop].sum())
    return top / bottom if bottom > 0 else nan


def _clustered(values: FloatArray, which: npt.NDArray[np.intp], groups: int) -> tuple[float, float]:
    """Mean, and its standard error when the values of one group stand or fall together."""
    mean = float(values.mean())
    if groups < 2:
        return mean, nan
    sums = np.bincount(which, weights=values - mean, minlength=groups)
    variance = float(np.square(sums).sum()) * groups / (groups - 1) / values.size**2
    return mean, sqrt(variance)


def _bins(said: FloatArray, met: FloatArray) -> tuple[Bin, ...]:
    bins = []
    for low, high in pairwise(BIN_EDGES):
        inside = (said >= low) & ((said < high) | (high == BIN_EDGES[-1]))
        if inside.any():
            bins.append(
                Bin(
                    low,
                    high,
                    int(inside.sum()),
                    float(said[inside].mean()),
                    float(met[inside].mean()),
                )
            )
    return tuple(bins)
