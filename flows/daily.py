"""The daily run as a Prefect flow."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from prefect import State, flow
from prefect.runtime import flow_run

from flows.pipeline import DAILY_PATIENCE_SECONDS, run_daily
from flows.project import chosen_clients, open_project, today_of
from flows.tasks import RUNNER, final_state, prefect_engine, publish_artifacts


def _run_name() -> str:
    as_of = flow_run.get_parameters().get("as_of")
    return f"daily as of {as_of}" if as_of else "daily"


@flow(
    name="daily",
    flow_run_name=_run_name,
    task_runner=RUNNER,
    validate_parameters=True,
)
def daily(
    config: str = "config",
    clients: list[str] | None = None,
    as_of: date | None = None,
    notify: bool = True,
    quota_wait_seconds: float = DAILY_PATIENCE_SECONDS,
    lock_wait_seconds: float = 20.0,
) -> State[Any]:
    """Load what can still change, build the models, judge the targets, report and send.

    Args:
        config: the folder with koers.yaml and clients/.
        clients: only these clients, by the name of their file; all when empty.
        as_of: the day on whose morning the run looks back; today when empty.
        notify: whether messages are sent.
        quota_wait_seconds: how long to wait for quotas in all, once the rest is in.
        lock_wait_seconds: how long to wait for a warehouse that is in use.
    """
    with (
        open_project(Path(config), lock_wait_seconds) as project,
        prefect_engine(project) as engine,
    ):
        day = as_of or today_of(project)
        chosen = chosen_clients(project, clients)
        report = run_daily(project, engine, chosen, day, notify, quota_wait_seconds)
        publish_artifacts(report, day)
        return final_state(report)
