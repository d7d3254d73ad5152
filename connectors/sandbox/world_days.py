"""The world's calendar and demand, and the arrays that its parts are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.sandbox.story import (
    CTR_AFTER,
    CTR_BEFORE,
    CTR_LEVEL_FROM,
    CTR_RISES_FROM,
    FIRST_DAY,
    LAST_DAY,
    Shop,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

DAYS = (LAST_DAY - FIRST_DAY).days + 1
CALENDAR = tuple(FIRST_DAY + timedelta(days=i) for i in range(DAYS))


def day_index(day: date) -> int:
    return (day - FIRST_DAY).days


def demand(shop: Shop) -> Floats:
    """Return the shop's demand per day of the world, around 1: weekday, season and holidays."""
    weekday = {
        "bicycles": (1.00, 0.97, 0.96, 0.98, 0.97, 1.09, 1.07),
        "flowers": (0.90, 0.93, 0.97, 1.06, 1.16, 1.06, 0.90),
    }[shop]
    swing, peak = {"bicycles": (0.16, 150), "flowers": (0.05, 120)}[shop]
    factors = np.array(
        [
            weekday[day.weekday()]
            * (1 + swing * np.cos(2 * np.pi * (day.timetuple().tm_yday - peak) / 365))
            for day in CALENDAR
        ]
    )
    for year in (2025, 2026):
        for start, end, bicycles, flowers in (
            ((2, 9), (2, 14), 1.0, 1.7),  # Valentine's Day
            ((4, 27), (4, 27), 0.75, 0.9),  # King's Day
            ((5, 5), (5, 10), 1.0, 1.8),  # Mother's Day is 10 May 2026
            ((11, 23), (11, 26), 1.2, 1.05),
            ((11, 27), (11, 30), 1.65, 1.2),  # Black Friday 2026; 2025's is a day later
            ((12, 1), (12, 5), 1.2, 1.3),  # Sinterklaas
            ((12, 14), (12, 23), 1.05, 1.4),
            ((12, 24), (12, 26), 0.6, 0.7),
            ((12, 31), (12, 31), 0.7, 0.8),
            ((1, 1), (1, 1), 0.6, 0.7),
        ):
            first, last = day_index(date(year, *start)), day_index(date(year, *end))
            if last >= 0:
                factors[max(first, 0) : last + 1] *= bicycles if shop == "bicycles" else flowers
    return factors


def planned_ctr() -> Floats:
    """Return the joint Search CTR per day of the world: level, a straight rise, level."""
    first, last = day_index(CTR_RISES_FROM), day_index(CTR_LEVEL_FROM)
    return np.interp(np.arange(DAYS), [first, last], [CTR_BEFORE, CTR_AFTER])


def steps(plan: Iterable[tuple[date, float]]) -> Floats:
    """Return a value per day that holds from each date on."""
    values = np.zeros(DAYS)
    for start, value in plan:
        values[max(day_index(start), 0) :] = value
    return values


def half_months(*extra: date) -> Ints:
    """Return the number of the half month of each day; ``extra`` dates begin a period too."""
    starts = [d for d in CALENDAR if d.day in (1, 16) or d in extra]
    return np.searchsorted([day_index(d) for d in starts], np.arange(DAYS), side="right")


def quantise(values: Floats, step: float) -> Floats:
    """Round to multiples of 1/``step``, so that sums of them are exact."""
    rounded: Floats = np.round(values * step) / step
    return rounded


def seen(as_of: date) -> int:
    """Return the index of ``as_of``; past the world's end every day is complete."""
    return (as_of - FIRST_DAY).days


def texts(values: Sequence[str | None], codes: Ints) -> pa.Array:
    return pa.array(values, pa.string()).take(pa.array(codes))


def dates(days: Ints) -> pa.Array:
    offset = (FIRST_DAY - date(1970, 1, 1)).days
    return pa.array((days + offset).astype(np.int32)).cast(pa.date32())


def joined(parts: Sequence[npt.ArrayLike], kind: type = int) -> npt.NDArray[Any]:
    dtype = np.int64 if kind is int else np.float64
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype)
