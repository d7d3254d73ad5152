"""What an evaluation takes in and what it says: plain values, no database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from math import inf, isnan, nan
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

Status = Literal[
    "not_started",
    "too_early",
    "insufficient_data",
    "no_data",
    "stale",
    "on_track",
    "at_risk",
    "off_track",
    "achieved",
    "missed",
    "provisional",
]


@dataclass(frozen=True)
class DaySums:
    """One day of a KPI within a target's scope, summed over everything but the segment.

    ``denominator`` is None for a KPI that is a sum. ``numerator`` None means
    that the source said nothing of it.
    """

    date_day: date
    numerator: float | None
    denominator: float | None


@dataclass(frozen=True, eq=False)
class Series:
    """The daily sums of a target's scope, or of one segment of it.

    ``segment`` is '' for the total. Every array has one entry for each calendar
    day from ``first_day`` on, without gaps; NaN where there is no row or where
    the source said nothing, and ``has_row`` tells the two apart. ``denominator``
    is None for a sum. ``currencies`` are all those that occur: more than one
    cannot be summed. ``converted_from`` are those that were converted into the one
    that is left. ``completeness`` is the share of the side that arrives late
    (conversions) that is in already, above 0 up to 1, and ``completeness_error``
    the standard error of its logarithm; None when nothing arrives late or
    nothing is known of how late.
    """

    segment: str
    label: str
    first_day: date
    numerator: FloatArray
    denominator: FloatArray | None
    has_row: BoolArray
    currencies: tuple[str, ...] = ()
    completeness: FloatArray | None = None
    completeness_error: FloatArray | None = None
    converted_from: tuple[str, ...] = ()

    @classmethod
    def of_days(
        cls,
        segment: str,
        label: str,
        days: Sequence[DaySums],
        currencies: tuple[str, ...] = (),
    ) -> Series:
        """The same from one row a day, in any order; no rows give an empty series."""
        first = min((day.date_day for day in days), default=date(2000, 1, 1))
        n = max(((day.date_day - first).days + 1 for day in days), default=0)
        numerator, denominator = np.full(n, nan), np.full(n, nan)
        has_row = np.zeros(n, dtype=np.bool_)
        for day in days:
            i = (day.date_day - first).days
            numerator[i], denominator[i] = _stored(day.numerator), _stored(day.denominator)
            has_row[i] = True
        is_sum = all(day.denominator is None for day in days)
        return cls(
            segment, label, first, numerator, None if is_sum else denominator, has_row, currencies
        )

    def __len__(self) -> int:
        return len(self.numerator)

    @property
    def last_day(self) -> date:
        """The last day of the arrays; the day before ``first_day`` when they are empty."""
        return self.first_day + timedelta(days=len(self) - 1)

    @property
    def days(self) -> tuple[DaySums, ...]:
        """The days that have a row, in order."""
        tops = self.numerator.tolist()
        bottoms = [nan] * len(self) if self.denominator is None else self.denominator.tolist()
        return tuple(
            DaySums(
                self.first_day + timedelta(days=int(i)),
                None if isnan(tops[i]) else tops[i],
                None if isnan(bottoms[i]) else bottoms[i],
            )
            for i in np.flatnonzero(self.has_row)
        )

    def place(self, first: date, last: date) -> slice:
        """Where ``first``..``last``, both included, lie in the arrays; empty outside them."""
        start = min(max((first - self.first_day).days, 0), len(self))
        stop = min(max((last - self.first_day).days + 1, start), len(self))
        return slice(start, stop)

    def since(self, first: date) -> Series:
        """The same without the days before ``first``, in arrays of its own."""
        kept = self.place(first, self.last_day)

        def cut(values: FloatArray | None) -> FloatArray | None:
            return None if values is None else values[kept].copy()

        return replace(
            self,
            first_day=self.day_at(kept.start),
            numerator=self.numerator[kept].copy(),
            denominator=cut(self.denominator),
            has_row=self.has_row[kept].copy(),
            completeness=cut(self.completeness),
            completeness_error=cut(self.completeness_error),
        )

    def day_at(self, index: int) -> date:
        return self.first_day + timedelta(days=index)

    def known(self, is_sum: bool) -> BoolArray:
        """Which days the source told of: of a ratio both sides."""
        told: BoolArray = ~np.isnan(self.numerator)
        if is_sum:
            return told
        if self.denominator is None:
            return np.zeros(len(self), dtype=np.bool_)
        return told & ~np.isnan(self.denominator)


def _stored(value: float | None) -> float:
    """Unknown is NaN; what is no number but was told as one stays visible as infinite."""
    if value is None:
        return nan
    return inf if isnan(value) else float(value)


@dataclass(frozen=True)
class AccountProblem:
    """Why an account could not be read; ``said`` is the error in the log's own words."""

    account: str
    source: str
    said: str

    def __str__(self) -> str:
        return f"{self.account} ({self.source}): {self.said}"


@dataclass(frozen=True)
class Freshness:
    """Where the data stands that a target rests on.

    ``through`` is the last day for which every account in scope has been loaded
    (None: never); ``expected_through`` the day it should have come to by now;
    ``missing_days`` days before ``through`` that were not loaded, or that came
    in empty although their neighbours did not. ``problems`` says per account
    what failed. ``since`` is the first day that was ever loaded for
    every account in scope (None: not known): days of a target before it are
    missing, not zero. ``read_as_of`` is the last day as of which every account in
    scope was read (None: not known): figures do not settle while nobody reads them.
    """

    through: date | None
    expected_through: date
    missing_days: tuple[date, ...] = ()
    problems: tuple[AccountProblem, ...] = ()
    since: date | None = None
    read_as_of: date | None = None


@dataclass(frozen=True)
class Evaluation:
    """One target (or one segment of it) judged as of one day.

    ``value`` is Σnumerator / Σdenominator (or Σnumerator) over
    ``measured_from``..``measured_through``, both included. ``expected`` is what
    the goal asks for by now: the level, the point on the path from–to, or the
    pro-rata part of a sum. ``adjusted_value`` accounts for conversions that are
    still arriving, of which ``completeness`` is in: the status rests on it for
    restated KPIs. ``value_low``..``value_high`` is the 80% interval of the value
    now, ``projected_low``..``projected_high`` that of ``projected``, the value at
    the deadline; ``probability`` that the goal is reached by then. ``required``
    is what the days that are left have to come to: their ratio, or the sum of
    one of them. All of these are None where there is too little to say it.
    ``reason`` is a key of flows/report/words.py and ``details`` the figures it
    needs, so that it can be said in the reader's language. ``target_version``
    names the wording of the goal that was judged.
    """

    client: str
    target_id: str
    segment: str
    segment_label: str
    as_of: date
    known_at: datetime
    status: Status
    reason: str
    goal: float | None
    value: float | None = None
    expected: float | None = None
    adjusted_value: float | None = None
    completeness: float | None = None
    value_low: float | None = None
    value_high: float | None = None
    projected: float | None = None
    projected_low: float | None = None
    projected_high: float | None = None
    required: float | None = None
    numerator: float | None = None
    denominator: float | None = None
    currency_code: str | None = None
    period_start: date | None = None
    period_end: date | None = None  # exclusive
    measured_from: date | None = None
    measured_through: date | None = None
    days_missing: int = 0
    probability: float | None = None
    target_version: str = ""
    details: dict[str, str | int | float] = field(default_factory=dict)
