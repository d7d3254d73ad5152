"""What a report is made from: plain values, gathered once per client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from flows.kpis import Kpi
from flows.settings import Client, Target
from flows.targets.evaluation import Evaluation, Series


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


@dataclass(frozen=True)
class TargetView:
    """One target with everything a reader wants to see of it."""

    target: Target
    kpi: Kpi
    total: Evaluation
    segments: tuple[Evaluation, ...]
    series: Series  # of the total, from well before the period
    segment_series: tuple[Series, ...] = ()
    history: tuple[tuple[date, str], ...] = ()  # (as_of, status) of the total, oldest first


@dataclass(frozen=True)
class ClientView:
    client: Client
    as_of: date
    generated_at: datetime
    targets: tuple[TargetView, ...]
    sources: tuple[SourceState, ...]
    checks: tuple[str, ...] = ()  # failing data checks, in words
