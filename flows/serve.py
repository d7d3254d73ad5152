"""`koers serve`: the daily schedule and the backfill deployment, without any further set-up."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from prefect import serve
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from flows.backfill import backfill
from flows.daily import daily
from flows.project import open_project


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
    # called without a loop, to_deployment gives the deployment itself
    serve(*(cast(RunnerDeployment, deployment) for deployment in deployments), limit=1)
