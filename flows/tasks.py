"""The steps as Prefect tasks: retries by error class, one writer at a time, artifacts.

Only small things pass between tasks: where the configuration is, which slice,
how many rows. Connections, rows and secrets stay inside the steps.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from typing import Any, cast
from uuid import UUID

from prefect import Task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType, TaskRun
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists
from prefect.runtime import flow_run, task_run
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)
from prefect.states import Completed, Crashed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.annotations import quote

from flows import coverage, delivery, plan, prefect_server, rates, steps
from flows.pipeline import FETCHERS, RunReport
from flows.processes import is_gone, this_process
from flows.project import Project
from flows.retries import ATTEMPTS, FIRST_WAIT_SECONDS, told_wait, worth_retrying

log = logging.getLogger("koers")

WAREHOUSE_LIMIT = "koers-warehouse"
# a run carries the machine and process that executes it
PROCESS_TAG = "process:"
# a killed run gives its slot back after this long
LEASE_SECONDS = 60

# A task costs Prefect 40 ms of CPU: so many items go into each that a few tasks keep all fetchers
# busy, also where some take longer than others.
MOST_TASKS = 2 * FETCHERS

RUNNER = cast(TaskRunner[Any], ThreadPoolTaskRunner(max_workers=FETCHERS))

_projects: dict[str, Project] = {}


@dataclass
class _Item:
    """What a step is called with once, and what came of it."""

    args: tuple[Any, ...]
    began: float | None = None
    answer: Any = None

    def call(self, step: Callable[..., Any], project: Project) -> None:
        self.began = self.began or time.monotonic()
        try:
            self.answer = step(project, *self.args)
        except Exception as error:
            self.answer = error

    @property
    def is_worth_retrying(self) -> bool:
        if self.began is None or not isinstance(self.answer, Exception):
            return False
        return worth_retrying(self.answer, time.monotonic() - self.began)

    def __str__(self) -> str:
        return " ".join(str(part) for part in self.args)


class _ItemsFailedError(Exception):
    """Some items of a task failed: what Prefect shows of it, and what came of each item."""

    def __init__(self, items: Sequence[_Item]) -> None:
        failed = [item for item in items if isinstance(item.answer, Exception)]
        told = "; ".join(f"{item}: {item.answer}" for item in failed)
        super().__init__(f"{len(failed)} of {len(items)} failed: {told}")
        self.answers = [item.answer for item in items]
        self.is_worth_retrying = any(item.is_worth_retrying for item in failed)


def _is_worth_retrying(_: Task[..., Any], __: TaskRun, state: State[Any]) -> bool:
    try:
        state.result()
    except _ItemsFailedError as error:
        return error.is_worth_retrying
    except Exception:
        return False
    return False


def _name_of_items() -> str:
    """`google_ads campaign_day 1234567890 2026-01-01..2026-01-07 and 3 more`, not a random name."""
    items: Sequence[_Item] = task_run.get_parameters()["items"].unwrap()
    return f"{items[0]} and {len(items) - 1} more" if items[1:] else str(items[0])


def _fetching(step: Callable[..., Any]) -> Task[..., Any]:
    """A step that waits for the network, for some items one by one.

    What failed and may pass is tried again, the others are not.
    """

    def run(config: str, items: Sequence[_Item]) -> list[Any]:
        for item in items:
            if item.began is None or item.is_worth_retrying:
                item.call(step, _projects[config])
        failed = [item for item in items if isinstance(item.answer, Exception)]
        if not failed:
            return [item.answer for item in items]
        # Prefect knows no delay by error: wait out what the vendors asked for here
        told = [told_wait(item.answer) or 0.0 for item in failed if item.is_worth_retrying]
        if any(told) and task_run.run_count < ATTEMPTS:
            time.sleep(max(told))
        raise _ItemsFailedError(items)

    return Task(
        fn=run,
        name=step.__name__,
        task_run_name=_name_of_items,
        retries=ATTEMPTS - 1,
        retry_delay_seconds=[FIRST_WAIT_SECONDS * 2**n for n in range(ATTEMPTS - 1)],
        retry_jitter_factor=0.25,
        retry_condition_fn=_is_worth_retrying,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


@contextmanager
def _the_only_writer() -> Iterator[None]:
    """Wait until no other run of the same Prefect server writes; a killed one is waited out.

    A server of our own has no other runs, and would not give back the slot of
    a killed one. The warehouse's own lock keeps out everybody else.
    """
    if prefect_server.is_own():
        yield
        return
    with concurrency(WAREHOUSE_LIMIT, strict=True, lease_duration=LEASE_SECONDS):
        yield


def _writing(step: Callable[..., Any]) -> Task[..., Any]:
    """A step on the warehouse: one at a time over all runs that share a Prefect server."""

    def run(config: str, items: tuple[Any, ...]) -> Any:
        with _the_only_writer():
            return step(_projects[config], *items)

    return _quiet_task(step, run)


def _working(step: Callable[..., Any]) -> Task[..., Any]:
    """A step that needs neither a retry nor the warehouse for itself."""

    def run(config: str, items: tuple[Any, ...]) -> Any:
        return step(_projects[config], *items)

    return _quiet_task(step, run)


def _quiet_task(step: Callable[..., Any], run: Callable[..., Any]) -> Task[..., Any]:
    return Task(
        fn=run,
        name=step.__name__,
        task_run_name=step.__name__.replace("_", " "),
        cache_policy=NO_CACHE,
        persist_result=False,
    )


TASKS: dict[Callable[..., Any], Task[..., Any]] = {
    steps.find_accounts: _fetching(steps.find_accounts),
    steps.check_report: _fetching(steps.check_report),
    steps.fetch_slice: _fetching(steps.fetch_slice),
    plan.accounts_in_trouble: _writing(plan.accounts_in_trouble),
    steps.remember_accounts: _writing(steps.remember_accounts),
    plan.plan_run: _writing(plan.plan_run),
    plan.plan_backfill: _writing(plan.plan_backfill),
    steps.commit_slices: _writing(steps.commit_slices),
    steps.conflicting_reports: _writing(steps.conflicting_reports),
    steps.take_in_landed: _writing(steps.take_in_landed),
    # asks the ECB once and briefly; takes the warehouse by itself
    rates.refresh_rates: _working(rates.refresh_rates),
    steps.build_models: _writing(steps.build_models),
    steps.evaluate_targets: _writing(steps.evaluate_targets),
    steps.write_reports: _writing(steps.write_reports),
    # asks the warehouse for a moment; the rest is work on files
    steps.fold_landing: _working(steps.fold_landing),
    steps.publish: _writing(steps.publish),
    # takes and gives back the warehouse by itself, for each message
    delivery.send_messages: _working(delivery.send_messages),
}


class PrefectEngine:
    """Runs each step as a Prefect task of the flow that is under way."""

    def __init__(self, config: str) -> None:
        self.config = config

    def call(self, step: Callable[..., Any], *args: Any) -> Any:
        return TASKS[step](self.config, args)

    def map(self, step: Callable[..., Any], items: Sequence[tuple[Any, ...]]) -> list[Any]:
        together = max(1, -(-len(items) // MOST_TASKS))
        parts = [items[at : at + together] for at in range(0, len(items), together)]
        # quoted: Prefect need not look for futures in every column of every table
        futures = [
            TASKS[step].submit(self.config, quote([_Item(args) for args in part])) for part in parts
        ]
        answers: list[Any] = []
        for part, future in zip(parts, futures, strict=True):
            told = future.result(raise_on_failure=False)
            if isinstance(told, _ItemsFailedError):
                told = told.answers
            answers += told if isinstance(told, list) else [told] * len(part)
        return answers


@contextmanager
def in_this_process() -> Iterator[None]:
    """How Prefect is set up for a run that a shell waits for."""
    # the thread that tells of a run's life keeps its end waiting for a second
    changed: dict[Any, Any] = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    if prefect_server.is_own():
        # Prefect may have been imported, and have read its settings, before the server started
        changed[PREFECT_API_URL] = os.environ["PREFECT_API_URL"]
    with temporary_settings(changed):
        yield


@contextmanager
def prefect_engine(project: Project) -> Iterator[PrefectEngine]:
    """An engine for one run; the warehouse's concurrency limit exists from here on."""
    config = str(project.config_dir)
    _projects[config] = project
    if log.level == logging.NOTSET:  # in a process that Prefect started
        log.setLevel(logging.INFO)
    try:
        if not prefect_server.is_own():
            with get_client(sync_client=True) as client:
                limit_writers(client)
        _close_runs_of_dead_processes()
        yield PrefectEngine(config)
    finally:
        _projects.pop(config, None)


def limit_writers(client: SyncPrefectClient) -> None:
    """Let one run at a time write; the limit is made where the server does not know it."""
    # of two runs that begin at once both find none, and one is the first to make it
    with suppress(ObjectAlreadyExists):
        client.upsert_global_concurrency_limit_by_name(WAREHOUSE_LIMIT, 1)


def _close_runs_of_dead_processes() -> None:
    """Mark runs as crashed whose process on this machine was killed, and say that this one is ours.

    A killed process leaves its run in Running, and nothing else would ever end it.
    """
    ours = flow_run.get_id()
    if ours is None:  # not within a flow: a test of the engine alone
        return
    running = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING]))
    )
    with get_client(sync_client=True) as client:
        for other in client.read_flow_runs(flow_run_filter=running):
            owners = [tag for tag in other.tags if tag.startswith(PROCESS_TAG)]
            if any(is_gone(owner.removeprefix(PROCESS_TAG)) for owner in owners):
                log.warning("%s was under way when its process was killed", other.name)
                message = "its process was killed; run it again to go on"
                crashed: State[Any] = Crashed(message=message)
                client.set_flow_run_state(other.id, crashed, force=True)
        mine = client.read_flow_run(UUID(ours))
        tag = f"{PROCESS_TAG}{this_process()}"
        client.update_flow_run(mine.id, tags=[*mine.tags, tag])


# --- what Prefect shows of a run --------------------------------------------------------------


class RunFailedError(Exception):
    """What Prefect raises, and logs, for a run that failed: its summary, never its numbers."""

    def __init__(self, report: RunReport) -> None:
        super().__init__(summary_of(report))
        self.report = report


def final_state(report: RunReport) -> State[Any]:
    """The flow's own last word: a failed account makes a run failed in part, not a success."""
    message = summary_of(report)
    if report.exit_code == 0:
        return Completed(message=message, data=report)
    if report.exit_code == 1:
        return Failed(name="FailedInPart", message=message, data=RunFailedError(report))
    return Failed(message=message, data=RunFailedError(report))


def summary_of(report: RunReport) -> str:
    loaded = [load for load in report.loads if load.outcome in ("loaded", "empty")]
    rows = sum(load.rows for load in loaded)
    told = f"{len(loaded)} slices with {rows:,} rows loaded, {len(report.failed_loads)} failed"
    return f"{told}; first: {report.errors[0]}" if report.errors else told


def publish_artifacts(report: RunReport, as_of: date) -> None:
    """The targets and the loads of a run as tables in the Prefect UI."""
    if report.evaluations:
        create_table_artifact(
            key="targets",
            description=f"Targets as of {as_of}",
            table=[
                {
                    "client": e.client,
                    "target": e.target_id,
                    "segment": e.segment_label,
                    "status": e.status,
                    "value": e.value,
                    "goal": e.goal,
                    "reason": e.reason,
                }
                for e in report.evaluations
            ],
        )
    by_table: dict[tuple[str, str, str], list[Any]] = {}
    for load in report.loads:
        key = (load.slice.client, load.slice.table.name, load.slice.account.account_id)
        by_table.setdefault(key, []).append(load)
    create_table_artifact(
        key="loads",
        description=f"What was loaded as of {as_of}. "
        + as_markdown_text(coverage.in_words(report.coverage)),
        table=[
            {
                "client": client,
                "table": table,
                "account": account,
                "slices": len(loads),
                "rows": sum(load.rows for load in loads),
                "changed": sum(load.rows_changed for load in loads),
                "failed": sum(load.outcome in ("failed", "refused") for load in loads),
                "error": next((load.error for load in loads if load.error), ""),
            }
            for (client, table, account), loads in sorted(by_table.items())
        ],
    )
    create_markdown_artifact(
        key="run", markdown=f"**{report.state}**: {as_markdown_text(summary_of(report))}"
    )


def as_markdown_text(text: str) -> str:
    """Text of a vendor so that Markdown shows it as it is, on one line and without effect."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(text.split()))
