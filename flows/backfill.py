"""A backfill as a Prefect flow: the daily path with other days, and silent unless asked."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

from prefect import State, flow
from pydantic import Field

from connectors.base import DateWindow
from connectors.registry import SOURCES
from flows.pipeline import BACKFILL_PATIENCE_SECONDS, run_backfill
from flows.project import chosen_clients, open_project, today_of
from flows.tasks import RUNNER, final_state, prefect_engine, publish_artifacts

# the Prefect UI offers these and its server refuses another one
SourceName = Annotated[str, Field(json_schema_extra={"enum": list(SOURCES)})]


@flow(
    name="backfill",
    flow_run_name="backfill {from_day} to {to_day}",
    task_runner=RUNNER,
    validate_parameters=True,
)
def backfill(
    from_day: date,
    to_day: date,
    config: str = "config",
    clients: list[str] | None = None,
    sources: list[SourceName] | None = None,
    as_of: date | None = None,
    evaluate: bool = False,
    notify: bool = False,
    force: bool = False,
    quota_wait_seconds: float = BACKFILL_PATIENCE_SECONDS,
    lock_wait_seconds: float = 20.0,
) -> State[Any]:
    """Read the days from ``from_day`` to ``to_day`` again, both included, and build the models.

    Args:
        from_day: the first day to load.
        to_day: the last day to load.
        config: the folder with koers.yaml and clients/.
        clients: only these clients, by the name of their file; all when empty.
        sources: only these sources; all when empty.
        as_of: the day that counts as today; today when empty.
        evaluate: whether the targets are judged afterwards.
        notify: whether messages are sent afterwards.
        force: read days again that are in already and no longer change.
        quota_wait_seconds: how long to wait for quotas in all, once the rest is in.
        lock_wait_seconds: how long to wait for a warehouse that is in use.
    """
    with (
        open_project(Path(config), lock_wait_seconds) as project,
        prefect_engine(project) as engine,
    ):
        day = as_of or today_of(project)
        report = run_backfill(
            project,
            engine,
            chosen_clients(project, clients),
            day,
            DateWindow(from_day, to_day),
            sources or (),
            evaluate,
            notify,
            force,
            quota_wait_seconds,
        )
        publish_artifacts(report, day)
        return final_state(report)
