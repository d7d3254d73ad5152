"""Which days to load, and in which slices. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from connectors.base import DateWindow

ONE_DAY = timedelta(days=1)


def days_between(start: date, end: date) -> list[date]:
    """All days from ``start`` to ``end``, both included; none when end is before start."""
    return [start + timedelta(days=i) for i in range((end - start).days + 1)]


def is_done(day: date, read_as_of: date | None, as_of: date, restatement_days: int) -> bool:
    """Whether a day need not be read again.

    It was read once it had stopped changing, or as of today already.
    """
    if read_as_of is None:
        return False
    return read_as_of >= min(as_of, day + timedelta(days=restatement_days))


def days_to_load(
    as_of: date, since: date, restatement_days: int, read: Mapping[date, date]
) -> list[date]:
    """The days that a run as of ``as_of`` reads: what may have changed, and what is missing.

    ``as_of`` itself is never among them: it is not over. The last
    ``restatement_days`` days are always read again, and so are days from
    ``since`` on that were never read, or not since they stopped changing (the
    machine was off). ``read`` gives per day the last day as of which it was read.
    """
    restated_from = as_of - timedelta(days=restatement_days)
    return [
        day
        for day in days_between(since, as_of - ONE_DAY)
        if day >= restated_from or not is_done(day, read.get(day), as_of, restatement_days)
    ]


def days_to_backfill(
    window: DateWindow, as_of: date, restatement_days: int, read: Mapping[date, date], force: bool
) -> list[date]:
    """The days of a backfill: those before ``as_of`` that are not done, or all when forced."""
    return [
        day
        for day in window.days
        if day < as_of and (force or not is_done(day, read.get(day), as_of, restatement_days))
    ]


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
