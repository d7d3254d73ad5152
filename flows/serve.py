"""`koers serve`: the daily schedule and the backfill deployment, without any further set-up."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import cast

from prefect import serve
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.settings import PREFECT_API_URL
from prefect.states import Crashed
from prefect.types.entrypoint import EntrypointType

from flows import prefect_server
from flows.backfill import backfill
from flows.daily import daily
from flows.project import open_project
from flows.settings import ConfigError

log = logging.getLogger("koers")

# a long backfill must not keep the morning's run waiting; they take turns at the warehouse
RUNS_AT_ONCE = 2


def serve_forever(config_dir: Path, lock_wait_seconds: float) -> None:
    """Run both deployments until interrupted. Raises ConfigError when they could never run."""
    with open_project(config_dir, lock_wait_seconds) as project:
        schedule = project.settings.schedule
    shared = {"config": str(config_dir.resolve()), "lock_wait_seconds": lock_wait_seconds}
    deployments = [
        daily.to_deployment(
            name="daily",
            schedule=Cron(schedule.cron, timezone=schedule.timezone),
            parameters=shared,
            # by module, so that this folder does not come first on the import path
            entrypoint_type=EntrypointType.MODULE_PATH,
        ),
        backfill.to_deployment(
            name="backfill", parameters=shared, entrypoint_type=EntrypointType.MODULE_PATH
        ),
    ]
    address = PREFECT_API_URL.value()
    if address is None:
        raise ConfigError(
            "a Prefect profile or project file is in use but names no server; set PREFECT_API_URL"
        )
    if prefect_server.is_own():
        close_abandoned_runs()
    log.info(
        "serving daily (%s, %s) and backfill; Prefect is at %s, Ctrl-C ends it",
        schedule.cron, schedule.timezone, address.removesuffix("/api"),
    )  # fmt: skip
    # called without a loop, to_deployment gives the deployment itself
    serve(
        *(cast(RunnerDeployment, deployment) for deployment in deployments),
        limit=RUNS_AT_ONCE,
        print_starting_message=False,
    )


def close_abandoned_runs() -> None:
    """Say of the runs that were under way when an earlier `koers serve` was killed that they ended.

    Only for a server of our own, where nobody else can be running them.
    """
    under_way = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
    with get_client(sync_client=True) as client:
        abandoned = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=under_way))
            ),
            deployment_filter=DeploymentFilter(
                name=DeploymentFilterName(any_=["daily", "backfill"])
            ),
        )
        for run in abandoned:
            log.warning("%s was under way when koers was stopped", run.name)
            client.set_flow_run_state(
                run.id, Crashed(message="koers was stopped while this ran"), force=True
            )
