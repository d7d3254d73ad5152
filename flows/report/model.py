"""What a report is made from: plain values, gathered once per client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from flows.kpis import Kpi
from flows.settings import Client, Goal, Mute, Period, Target
from flows.targets.evaluation import Evaluation, FloatArray, Series

if TYPE_CHECKING:  # it computes with scipy, which is slow to import
    from flows.targets.explain import Explanation


@dataclass(frozen=True)
class Covered:
    """The part of an account's ``measure`` that a table (by its grain) holds, of four weeks."""

    grain: str
    measure: str
    share: float


@dataclass(frozen=True)
class SourceState:
    """Where the data of one account stands."""

    source: str
    account_id: str
    account_name: str
    currency_code: str | None
    through: date | None
    expected_through: date
    last_loaded_at: datetime | None
    missing_days: tuple[date, ...] = ()
    problem: str | None = None  # the last error, when the last load failed or was refused
    notes: tuple[str, ...] = ()  # sampling, thresholding, provisional days, …
    since: date | None = None  # the first day that is in
    read_as_of: date | None = None  # the last day as of which it was read
    covered: tuple[Covered, ...] = ()  # what part of the account the finer tables hold


@dataclass(frozen=True)
class Noticed:
    """What the goal held against its data shows: how realistic it is, what does not fit.

    ``code`` is one of flows/data_findings.py, said in words by
    flows/report/words.py (FINDING) with the figures of ``details``: values in
    the unit of the KPI, shares as fractions, days as ISO dates.
    """

    code: str
    details: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True)
class GoalChange:
    """A goal that was edited while it ran.

    ``on`` is the first day that was judged by the new wording. ``was`` and
    ``now`` are the goal, ``was_period`` and ``now_period`` the period, each
    None where it stayed the same; ``others`` names what else changed, by its
    key in the configuration (`where`, `measure`, …).
    """

    on: date
    was: Goal | None = None
    now: Goal | None = None
    was_period: Period | None = None
    now_period: Period | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class TargetView:
    """One target with everything a reader wants to see of it."""

    target: Target
    kpi: Kpi
    total: Evaluation
    segments: tuple[Evaluation, ...]
    series: Series  # of the total, from well before the period
    segment_series: tuple[Series, ...] = ()
    history: tuple[tuple[date, str], ...] = ()  # (as_of, status) where the total's changed
    causes: tuple[Explanation, ...] = ()  # what moved the value, the one to tell first
    findings: tuple[Noticed, ...] = ()
    goal_changes: tuple[GoalChange, ...] = ()  # oldest first
    muted: Mute | None = None  # nothing is told of it for now
    # of a repeating target earlier occurrences, those that were asked for, as they stand now
    closing: tuple[Evaluation, ...] = ()
    # how the days of the period weigh (flows.targets.path.pace_shape), for the line in a chart
    shape: FloatArray | None = None


@dataclass(frozen=True)
class ClientView:
    client: Client
    as_of: date
    generated_at: datetime
    targets: tuple[TargetView, ...]
    sources: tuple[SourceState, ...]
    checks: tuple[str, ...] = ()  # failing data checks, in words
    findings: tuple[Noticed, ...] = ()  # that belong to no target
