"""Which days a target is about: half-open local days ``[start, end)``."""

from __future__ import annotations

from datetime import date, timedelta

from flows.settings import Period

ONE_DAY = timedelta(days=1)


def period_of(period: Period, as_of: date) -> tuple[date, date]:
    """The period to judge as of a day: first day, and the day after the last.

    A repeating period is judged over the occurrence that holds yesterday, the
    last day that can be counted: on 1 November a monthly target still tells how
    October ended. Before the first occurrence it is the first one, after the
    last one the last. A rolling period is the n days before ``as_of``.
    """
    if period.rolling_days is not None:
        return as_of - timedelta(days=period.rolling_days), as_of
    if period.every is None:
        if period.start is None or period.end is None:
            raise ValueError(f"period {period.said!r} has no start or no end")
        return period.start, period.end
    day = as_of - ONE_DAY
    if period.start is not None:
        day = max(day, period.start)
    if period.end is not None:
        day = min(day, period.end - ONE_DAY)
    start, end = _unit_holding(day, period.every)
    # the first and the last occurrence may be cut short by the target's own dates
    if period.start is not None:
        start = max(start, period.start)
    if period.end is not None:
        end = min(end, period.end)
    return start, end


def _unit_holding(day: date, every: str) -> tuple[date, date]:
    if every == "week":  # ISO weeks start on Monday
        start = day - timedelta(days=day.weekday())
        return start, start + timedelta(days=7)
    months = {"month": 1, "quarter": 3, "year": 12}[every]
    first_month = (day.month - 1) // months * months + 1
    start = day.replace(month=first_month, day=1)
    end_month = first_month + months
    end = date(day.year + (end_month > 12), (end_month - 1) % 12 + 1, 1)
    return start, end
