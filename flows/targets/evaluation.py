"""What an evaluation takes in and what it says: plain values, no database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

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


@dataclass(frozen=True)
class Series:
    """The daily sums of a target's scope, or of one segment of it.

    ``segment`` is '' for the total. ``days`` has a row only for days that have
    data, in order. ``currencies`` are all those that occur: more than one
    cannot be summed.
    """

    segment: str
    label: str
    days: Sequence[DaySums]
    currencies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Freshness:
    """Where the data stands that a target rests on.

    ``through`` is the last day for which every account in scope has been loaded
    (None: never); ``expected_through`` the day it should have come to by now;
    ``missing_days`` days before ``through`` that were not loaded, or that came
    in empty although their neighbours did not. ``problems`` says per account
    what failed, for people. ``since`` is the first day that was ever loaded for
    every account in scope (None: not known): days of a target before it are
    missing, not zero. ``read_as_of`` is the last day as of which every account in
    scope was read (None: not known): figures do not settle while nobody reads them.
    """

    through: date | None
    expected_through: date
    missing_days: tuple[date, ...] = ()
    problems: tuple[str, ...] = ()
    since: date | None = None
    read_as_of: date | None = None


@dataclass(frozen=True)
class Evaluation:
    """One target (or one segment of it) judged as of one day.

    ``value`` is Σnumerator / Σdenominator (or Σnumerator) over
    ``measured_from``..``measured_through``, both included. ``expected`` is what
    the goal asks for by now: the level, the point on the path from–to, or the
    pro-rata part of a sum. ``settled_value`` leaves out the days whose
    conversions are still arriving; the status rests on it for restated KPIs.
    ``reason`` is a key of flows/report/words.py and ``details`` the figures it
    needs, so that it can be said in the reader's language. ``probability`` is
    None until there is a projection.
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
    settled_value: float | None = None
    numerator: float | None = None
    denominator: float | None = None
    currency_code: str | None = None
    period_start: date | None = None
    period_end: date | None = None  # exclusive
    measured_from: date | None = None
    measured_through: date | None = None
    days_missing: int = 0
    probability: float | None = None
    details: dict[str, str | int | float] = field(default_factory=dict)
