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
    return period.occurrence(as_of - ONE_DAY)
