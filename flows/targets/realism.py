"""How realistic a goal is, by what the account itself has done before.

For every day of the past: by how much did the value grow from the weeks before
it to what a goal of this length would have been judged on? The growth that the
goal asks for is held against those (Student's t, because past windows overlap
and are few), around half the mean growth of the past: in simulations trends go
on for about half (facts: targets and alerts, §3). "Below the best ever" is no
measure: it scored worse than saying the same for every goal.

Arrays hold one entry a calendar day from ``first_day`` on; NaN is a day of
which nothing is known, 0 a day on which nothing happened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import ceil, exp, isfinite, log, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from flows.targets.completeness import completed
from flows.targets.evaluation import BoolArray, FloatArray

Verdict = Literal["comfortable", "ambitious", "stretch", "without_precedent", "unknown"]

# From which chance on a goal is called so, and what is below the last.
VERDICTS: tuple[tuple[float, Verdict], ...] = (
    (0.5, "comfortable"),
    (0.2, "ambitious"),
    (0.05, "stretch"),
)
# What a goal starts from is measured over four whole weeks: every weekday counts equally.
BASE_DAYS = 28
# Windows that do not overlap. Of fewer nobody can say how much they differ.
LEAST_WINDOWS = 3
# A window of which more is unknown says nothing.
KNOWN_SHARE = 0.8
# A `from` further from what was measured is told.
BASELINE_TOLERANCE = 0.1


@dataclass(frozen=True)
class Realism:
    """A goal held against the account's own past.

    ``chance`` is that of growing as asked, by that past alone. ``base`` was
    measured over ``base_from``..``base_through``, both included: of a sum per
    day. ``usual_low``..``usual_high`` is what 80% of such periods come to
    from there, in the unit of the goal. ``windows`` is how many periods the
    past holds, as if they did not overlap. ``unknown`` has ``days_lacking``:
    how many days of figures more it takes; 0 where more days would not help.
    """

    verdict: Verdict
    chance: float | None = None
    base: float | None = None
    base_from: date | None = None
    base_through: date | None = None
    usual_low: float | None = None
    usual_high: float | None = None
    windows: float = 0.0
    days_lacking: int = 0


@dataclass(frozen=True)
class Baseline:
    """The value before a period, over ``first``..``last``, both included."""

    value: float
    first: date
    last: date
    numerator: float
    denominator: float | None


def judge_realism(
    first_day: date,
    numerator: FloatArray,
    denominator: FloatArray | None,
    *,
    start: date,
    end: date,
    low: float | None,
    high: float | None,
    window_days: int | None = None,
    completeness: FloatArray | None = None,
) -> Realism:
    """How likely a value between ``low`` and ``high`` is by the past before ``start``.

    ``low`` and ``high`` are the goal's limits, both good, None: no limit. The
    value is judged over ``[start, end)``, or over its last ``window_days``. Days
    from ``start`` on are not looked at; when the arrays end before it, the past
    is what there is. Without a denominator it is a sum, and ``low`` and ``high``
    are totals of what it is judged over. ``completeness`` is the share of the
    numerator that is in.
    """
    days = _Days.of(first_day, numerator, denominator, completeness, start)
    length = (end - start).days
    judged = min(window_days or length, length)
    base_days = window_days or BASE_DAYS
    needed = base_days + LEAST_WINDOWS * length
    if len(days) < base_days:
        return Realism("unknown", days_lacking=needed - len(days))
    last = len(days)
    # where too many of the last days are missing, what was before them
    bases = days.values(np.arange(last, max(last - BASE_DAYS, base_days) - 1, -1), base_days)
    back = int(np.argmax(np.isfinite(bases)))
    base = float(bases[back])
    if not isfinite(base) or base <= 0:
        return Realism("unknown")
    ends = np.arange(base_days, last - length + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.log(days.values(ends + length, judged) / days.values(ends, base_days))
    growth = growth[np.isfinite(growth)]
    # one more than the stretches that lie end to end between the first and the last
    windows = 1 + (len(growth) - 1) / length if len(growth) else 0.0
    past = Realism(
        "unknown",
        base=base,
        base_from=days.first_day + timedelta(days=last - back - base_days),
        base_through=days.first_day + timedelta(days=last - back - 1),
        windows=windows,
    )
    if windows < LEAST_WINDOWS:
        lacking = ceil((LEAST_WINDOWS - windows) * length) if len(growth) else needed - last
        return replace(past, days_lacking=max(lacking, 0))
    freedom = windows - 1
    centre = float(growth.mean()) / 2
    # overlapping windows are alike: the spread of so few comes out too small
    spread = float(growth.std()) * sqrt(windows / freedom) * sqrt(1 + 1 / windows)
    spread = max(spread, 1e-9)  # a past that never moved
    each = judged if days.is_sum else 1

    def up_to(limit: float | None) -> float:
        if limit is None:
            return 1.0
        if limit <= 0:
            return 0.0
        return float(stdtr(freedom, (log(limit / each / base) - centre) / spread))

    chance = max(up_to(high) - (0.0 if low is None else up_to(low)), 0.0)
    reach = spread * float(stdtrit(freedom, 0.9))
    return replace(
        past,
        verdict=verdict_of(chance),
        chance=chance,
        usual_low=base * each * _grown(centre - reach),
        usual_high=base * each * _grown(centre + reach),
    )


def _grown(by: float) -> float:
    return exp(min(by, 50.0))  # beyond any figure, and still one


def verdict_of(chance: float) -> Verdict:
    """What a chance is called."""
    return next((name for least, name in VERDICTS if chance >= least), "without_precedent")


def measure_baseline(
    first_day: date,
    numerator: FloatArray,
    denominator: FloatArray | None,
    *,
    start: date,
    window_days: int,
    completeness: FloatArray | None = None,
) -> Baseline | None:
    """The value over the ``window_days`` before ``start``, or the last there are.

    None when less than four fifths of them are known or there is nothing to
    divide by. A sum is that of the whole window, unknown days filled in.
    """
    days = _Days.of(first_day, numerator, denominator, completeness, start)
    last = len(days)
    if last < window_days:
        return None
    value = float(days.values(np.array([last]), window_days)[0])
    if not isfinite(value):
        return None
    place = slice(last - window_days, last)
    known = days.known[place]
    return Baseline(
        value=value * window_days if days.is_sum else value,
        first=days.first_day + timedelta(days=last - window_days),
        last=days.first_day + timedelta(days=last - 1),
        numerator=float(days.numerator[place][known].sum()),
        denominator=None if days.is_sum else float(days.denominator[place][known].sum()),
    )


@dataclass(frozen=True, eq=False)
class _Days:
    """The days before a period, from the first that is known; denominators are 1 for a sum."""

    first_day: date
    numerator: FloatArray
    denominator: FloatArray
    known: BoolArray
    is_sum: bool
    totals: tuple[FloatArray, FloatArray, FloatArray]  # up to each day: both sides, known days

    @classmethod
    def of(
        cls,
        first_day: date,
        numerator: FloatArray,
        denominator: FloatArray | None,
        completeness: FloatArray | None,
        start: date,
    ) -> _Days:
        top = numerator if completeness is None else completed(numerator, completeness)
        bottom = np.ones(len(top)) if denominator is None else denominator
        n = min(max((start - first_day).days, 0), len(top))
        top, bottom = top[:n], bottom[:n]
        known = np.isfinite(top) & np.isfinite(bottom)
        begin = int(np.argmax(known)) if known.any() else n
        top, bottom, known = top[begin:], bottom[begin:], known[begin:]
        sums = [
            np.concatenate(([0.0], np.cumsum(np.where(known, part, 0.0))))
            for part in (top, bottom, np.ones(len(top)))
        ]
        return cls(
            first_day + timedelta(days=begin),
            top,
            bottom,
            known,
            denominator is None,
            (sums[0], sums[1], sums[2]),
        )

    def __len__(self) -> int:
        return len(self.numerator)

    def values(self, ends: NDArray[np.int_], days: int) -> FloatArray:
        """Ratio, or mean of a known day, over the ``days`` before each of ``ends``.

        NaN where too little is known or there is nothing to divide by.
        """
        top, bottom, known = (total[ends] - total[ends - days] for total in self.totals)
        usable = (known >= KNOWN_SHARE * days) & (bottom > 0)
        found: FloatArray = np.where(usable, top / np.where(usable, bottom, 1.0), np.nan)
        return found
