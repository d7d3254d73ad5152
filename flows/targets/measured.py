"""What a series comes to over some days, and the arrays that its odds are worked out from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from math import isfinite

import numpy as np

from flows.kpis import Kpi
from flows.targets.completeness import adjusted_ratio, adjusted_sum, completed
from flows.targets.evaluation import FloatArray, Freshness, Series
from flows.targets.path import sums_between, value_of


@dataclass(frozen=True)
class Measured:
    """A measurement over ``first``..``last``, both included.

    ``adjusted`` accounts for what is still arriving, of which ``share_in`` is in;
    None where nothing arrives late or nothing is known of how late.
    ``left_out`` days are too young to count in it. ``filled`` is a sum with its
    missing days filled in pro rata.
    """

    first: date
    last: date
    days: int  # that could have had data: from the first day that has any
    missing: int
    numerator: float | None
    denominator: float | None
    value: float | None
    adjusted: float | None
    share_in: float | None
    left_out: int
    filled: float | None

    @property
    def judged(self) -> float | None:
        """The value that a verdict rests on."""
        if self.filled is not None:
            return self.filled
        return self.value if self.adjusted is None else self.adjusted


@dataclass(frozen=True, eq=False)
class Days:
    """Every calendar day that counts, for `intervals` and `projection`.

    One entry a day from ``first_day`` on: NaN is a day of which nothing is
    known, 0 a day on which nothing happened. ``completeness`` is always that of
    the numerator: where the denominator arrives late it has been completed.
    """

    first_day: date
    numerator: FloatArray
    denominator: FloatArray | None
    completeness: FloatArray | None
    error: FloatArray | None


def measure(
    series: Series, kpi: Kpi, freshness: Freshness, first: date, last: date, *, adjust: bool
) -> Measured:
    """What the series comes to over ``first``..``last``, both included.

    A day without a row had no activity, unless it is known not to be in; days
    before the first row of a young campaign or account are not its days.
    """
    numerator, denominator = sums_between(series, first, last, kpi)
    value = value_of(numerator, denominator, kpi)
    place = series.place(first, last)
    rows = series.has_row[place]
    unknown = _unknown(series, kpi, freshness, first, last)
    begun = min(unknown, default=first)
    if rows.any():
        first_row = series.day_at(place.start + int(np.argmax(rows)))
        begun = min(begun, first_row) if unknown else first_row
    days = max((last - begun).days + 1, 0)
    adjusted = share_in = None
    left_out = 0
    if adjust and series.completeness is not None and value is not None:
        adjusted, share_in, left_out = _adjusted(series, kpi, place)
    filled = None
    gaps = len(unknown) + (left_out if adjusted is not None else 0)
    if kpi.is_sum and value is not None and gaps < days:
        # days too young to complete are filled in like days that are missing
        counted = value if adjusted is None else adjusted
        filled = counted * days / (days - gaps)
    return Measured(
        first=first,
        last=last,
        days=days,
        missing=len(unknown),
        numerator=numerator,
        denominator=denominator,
        value=value,
        adjusted=adjusted,
        share_in=share_in,
        left_out=left_out,
        filled=filled,
    )


def _unknown(series: Series, kpi: Kpi, freshness: Freshness, first: date, last: date) -> set[date]:
    place = series.place(first, last)
    mute = np.flatnonzero(series.has_row[place] & ~series.known(kpi.is_sum)[place])
    unknown = {series.day_at(place.start + int(i)) for i in mute}
    unknown |= {day for day in freshness.missing_days if first <= day <= last}
    since = freshness.since or first
    return unknown | {first + timedelta(days=i) for i in range((min(since, last) - first).days)}


def _adjusted(series: Series, kpi: Kpi, place: slice) -> tuple[float | None, float | None, int]:
    """Value, share that is in, and the days left out, with what is still arriving."""
    assert series.completeness is not None
    share = series.completeness[place]
    error = np.zeros(len(share))
    if series.completeness_error is not None:
        error = np.nan_to_num(series.completeness_error[place])
    top = series.numerator[place]
    if kpi.is_sum or series.denominator is None:
        # the level of a day is that of the weeks before it, also those before the window
        whole = completed(series.numerator, series.completeness)[place]
        level = np.where(share < 1, (whole - top) / np.where(share < 1, 1 - share, 1.0), 0.0)
        told = adjusted_sum(top, share, error, level)
    else:
        side = kpi.late.side if kpi.late is not None else "numerator"
        told = adjusted_ratio(top, series.denominator[place], share, error, side)
    if told.value is None or not isfinite(told.value) or told.used == 0:
        return None, None, 0
    return told.value, told.share_in if isfinite(told.share_in) else None, told.left_out


def days_of(
    series: Series, kpi: Kpi, freshness: Freshness, through: date, *, adjust: bool
) -> Days | None:
    """The days up to ``through`` from the first with a row; None without any."""
    rows = np.flatnonzero(series.has_row[series.place(series.first_day, through)])
    if not rows.size:
        return None
    first = series.day_at(int(rows[0]))
    if freshness.since is not None and freshness.since > first:
        first = freshness.since  # before it some account is not in
    n = (through - first).days + 1
    if n <= 0:
        return None
    known = series.known(kpi.is_sum)
    quiet = ~series.has_row

    def laid_out(values: FloatArray) -> FloatArray:
        out = np.zeros(n)  # after the last row nothing happened
        place = series.place(first, through)
        part = np.where(quiet[place], 0.0, np.where(known[place], values[place], np.nan))
        out[: len(part)] = part
        for day in freshness.missing_days:
            if first <= day <= through:
                out[(day - first).days] = np.nan
        return out

    numerator = laid_out(series.numerator)
    denominator = None
    if not kpi.is_sum and series.denominator is not None:
        denominator = laid_out(series.denominator)
    share = error = None
    if adjust and series.completeness is not None:
        share, error = np.ones(n), np.zeros(n)
        place = series.place(first, through)
        share[: place.stop - place.start] = series.completeness[place]
        if series.completeness_error is not None:
            error[: place.stop - place.start] = np.nan_to_num(series.completeness_error[place])
        if kpi.late is not None and kpi.late.side == "denominator" and denominator is not None:
            denominator, share = completed(denominator, share), np.ones(n)
            numerator = np.where(np.isnan(denominator), np.nan, numerator)
    return Days(first, numerator, denominator, share, error)
