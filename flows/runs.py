"""Runs as the command line starts them: as Prefect flows, or directly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from connectors.base import DateWindow
from flows import plan, prefect_server, prefect_settings
from flows.pipeline import (
    BACKFILL_PATIENCE_SECONDS,
    DAILY_PATIENCE_SECONDS,
    DirectEngine,
    RunReport,
    run_backfill,
    run_daily,
)
from flows.project import chosen_clients, open_project, today_of


def daily_run(
    config: Path,
    *,
    clients: Sequence[str] | None = None,
    as_of: date | None = None,
    notify: bool = True,
    quota_wait: float | None = None,
    direct: bool = False,
    lock_wait: float = 20.0,
) -> RunReport:
    """The daily run, with the same result either way."""
    patience = DAILY_PATIENCE_SECONDS if quota_wait is None else quota_wait
    with open_project(config, lock_wait) as project:
        chosen = chosen_clients(project, clients)
        if direct:
            day = as_of or today_of(project)
            return run_daily(project, DirectEngine(project), chosen, day, notify, patience)
    prefect_settings.apply()
    prefect_server.ensure()
    from flows.daily import daily
    from flows.tasks import in_this_process

    with in_this_process():
        state = daily(
            config=str(config.resolve()),
            clients=chosen,
            as_of=as_of,
            notify=notify,
            lock_wait_seconds=lock_wait,
            return_state=True,
        )
    return _outcome(state)


def backfill_run(
    config: Path,
    from_day: date,
    to_day: date,
    *,
    clients: Sequence[str] | None = None,
    sources: Sequence[str] | None = None,
    as_of: date | None = None,
    evaluate: bool = False,
    notify: bool = False,
    force: bool = False,
    quota_wait: float | None = None,
    direct: bool = False,
    lock_wait: float = 20.0,
) -> RunReport:
    """A backfill of ``from_day`` to ``to_day``, both included."""
    patience = BACKFILL_PATIENCE_SECONDS if quota_wait is None else quota_wait
    with open_project(config, lock_wait) as project:
        chosen = chosen_clients(project, clients)
        only = plan.chosen_sources(sources)
        if direct:
            return run_backfill(
                project,
                DirectEngine(project),
                chosen,
                as_of or today_of(project),
                DateWindow(from_day, to_day),
                only,
                evaluate,
                notify,
                force,
                patience,
            )
    prefect_settings.apply()
    prefect_server.ensure()
    from flows.backfill import backfill
    from flows.tasks import in_this_process

    with in_this_process():
        state = backfill(
            from_day=from_day,
            to_day=to_day,
            config=str(config.resolve()),
            clients=chosen,
            sources=list(only),
            as_of=as_of,
            evaluate=evaluate,
            notify=notify,
            force=force,
            quota_wait_seconds=patience,
            lock_wait_seconds=lock_wait,
            return_state=True,
        )
    return _outcome(state)


@dataclass(frozen=True)
class BackfillPlan:
    """What a backfill would read, by table and account, and what that costs."""

    rows: tuple[dict[str, Any], ...]
    estimates: tuple[plan.Estimate, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"slices": list(self.rows), "requests": [asdict(e) for e in self.estimates]}


def backfill_plan(
    config: Path,
    from_day: date,
    to_day: date,
    *,
    clients: Sequence[str] | None = None,
    sources: Sequence[str] | None = None,
    as_of: date | None = None,
    force: bool = False,
    lock_wait: float = 20.0,
) -> BackfillPlan:
    """What a backfill would read; nobody is asked anything.

    Accounts are those that are listed in the configuration or known from
    earlier runs.
    """
    with open_project(config, lock_wait) as project:
        only = plan.chosen_sources(sources)
        known = plan.known_accounts(project, chosen_clients(project, clients), only)
        day = as_of or today_of(project)
        pieces = plan.plan_backfill(project, known, day, DateWindow(from_day, to_day), force)
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for piece in pieces:
        key = (piece.client, piece.table.name, piece.account.account_id)
        row = rows.setdefault(
            key,
            dict(zip(("client", "table", "account"), key, strict=True))
            | {"slices": 0, "requests": 0, "from": piece.window.start, "to": piece.window.end},
        )
        row["slices"] += 1
        row["requests"] += plan.requests_of(piece)
        row["from"] = min(row["from"], piece.window.start)
        row["to"] = max(row["to"], piece.window.end)
    return BackfillPlan(tuple(rows.values()), tuple(plan.estimates(pieces)))


def _outcome(state: Any) -> RunReport:
    """What a flow came to, whatever Prefect calls its state. Raises what stopped it."""
    from flows.tasks import RunFailedError

    outcome = state.result(raise_on_failure=False)
    if isinstance(outcome, RunFailedError):
        return outcome.report
    if isinstance(outcome, BaseException):
        raise outcome
    if not isinstance(outcome, RunReport):
        raise RuntimeError(f"the flow ended as {state.name}: {state.message}")
    return outcome
