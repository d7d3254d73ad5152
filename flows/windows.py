"""Which days to load, and in which slices. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from connectors.base import DateWindow

ONE_DAY = timedelta(days=1)


def days_between(start: date, end: date) -> list[date]:
    """All days from ``start`` to ``end``, both included; none when end is before start."""
    return [start + timedelta(days=i) for i in range((end - start).days + 1)]


def days_covered(windows: Iterable[DateWindow]) -> set[date]:
    return {day for window in windows for day in window.days}


def days_to_load(
    as_of: date, since: date, restatement_days: int, loaded: Iterable[DateWindow]
) -> list[date]:
    """The days that a run as of ``as_of`` reads: what may have changed, and what is missing.

    ``as_of`` itself is never among them: it is not over. The last
    ``restatement_days`` days are always read again; days from ``since`` on that
    were never loaded are read as well.
    """
    last = as_of - ONE_DAY
    restated_from = as_of - timedelta(days=restatement_days)
    known = days_covered(loaded)
    return [day for day in days_between(since, last) if day >= restated_from or day not in known]


def windows_of(days: Iterable[date], max_days: int) -> list[DateWindow]:
    """Join neighbouring days into windows of at most ``max_days`` days, in order."""
    windows: list[DateWindow] = []
    start = end = None
    for day in sorted(set(days)):
        if start and end and day - end == ONE_DAY and (day - start).days < max_days:
            end = day
            continue
        if start and end:
            windows.append(DateWindow(start, end))
        start = end = day
    if start and end:
        windows.append(DateWindow(start, end))
    return windows


def within_retention(
    days: Iterable[date], as_of: date, retention_days: int | None
) -> tuple[list[date], list[date]]:
    """Split days into those the API still answers for and those it no longer does."""
    wanted = sorted(set(days))
    if retention_days is None:
        return wanted, []
    oldest = as_of - timedelta(days=retention_days)
    return [d for d in wanted if d >= oldest], [d for d in wanted if d < oldest]
