"""The order of a run, told once; an engine says how each step is executed.

`flows/tasks.py` executes the steps as Prefect tasks, ``DirectEngine`` executes
the very same steps in this process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from connectors.base import AccessError, AuthError, DateWindow, SourceError
from flows import delivery, plan, rates, steps
from flows.coverage import AccountCoverage, coverage_of
from flows.delivery import Delivery
from flows.loading import Engine, Loading, as_source_error
from flows.models import CheckResult
from flows.plan import Found
from flows.project import Project
from flows.retries import (
    ATTEMPTS,
    FIRST_WAIT_SECONDS,
    LONGEST_WAIT_SECONDS,
    is_overdue,
    wait_or_give_up,
)
from flows.settings import ConfigError
from flows.targets.evaluation import Evaluation
from flows.warehouse import LoadResult

log = logging.getLogger("koers")

# Requests under way at once: well within every vendor's quota, and enough to keep two cores busy.
FETCHERS = 8
# How long a run waits for a quota when all else is in: people read the morning's report, and
# nobody waits for a backfill.
DAILY_PATIENCE_SECONDS = 900.0
BACKFILL_PATIENCE_SECONDS = 26 * 3600.0

Step = Callable[..., Any]


class DirectEngine:
    """The steps in this process, in threads, without Prefect."""

    def __init__(self, project: Project) -> None:
        self.project = project
        # stamina's own line says that something is tried again, but not what
        set_on_retry_hooks([_say_retry])

    def call(self, step: Step, *args: Any) -> Any:
        return step(self.project, *args)

    def map(self, step: Step, items: Sequence[tuple[Any, ...]]) -> list[Any]:
        def attempt(item: tuple[Any, ...]) -> Any:
            began = time.monotonic()
            patient = stamina.retry(
                on=lambda error: wait_or_give_up(error, time.monotonic() - began),
                attempts=ATTEMPTS,
                wait_initial=FIRST_WAIT_SECONDS,
                wait_max=LONGEST_WAIT_SECONDS,
                timeout=None,
            )(step)
            try:
                return patient(self.project, *item)
            except Exception as error:
                return error

        with ThreadPoolExecutor(max_workers=FETCHERS) as pool:
            return list(pool.map(attempt, items))


def _say_retry(details: RetryDetails) -> None:
    what = " ".join(str(part) for part in details.args[1:])
    log.warning("%s: %s; again in %.0f s", what, details.caused_by, details.wait_for)


# --- what a run comes to ----------------------------------------------------------------------


@dataclass(frozen=True)
class RunReport:
    """What a run did, for the exit code, Prefect's final state and the closing lines."""

    as_of: date
    found: tuple[Found, ...] = ()
    loads: tuple[LoadResult, ...] = ()
    errors: tuple[SourceError, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    reports: tuple[Path, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    coverage: tuple[AccountCoverage, ...] = ()

    @property
    def loaded(self) -> bool:
        return any(load.outcome in ("loaded", "empty") for load in self.loads)

    @property
    def failed_loads(self) -> tuple[LoadResult, ...]:
        return tuple(load for load in self.loads if load.outcome in ("failed", "refused"))

    @property
    def missing(self) -> tuple[AccountCoverage, ...]:
        """The accounts of which not every day that was to be read is in."""
        return tuple(one for one in self.coverage if not one.is_complete)

    @property
    def failed_checks(self) -> tuple[CheckResult, ...]:
        return tuple(c for c in self.checks if not c.passed and c.severity == "error")

    @property
    def undelivered(self) -> tuple[Delivery, ...]:
        return tuple(delivery for delivery in self.deliveries if delivery.state != "sent")

    @property
    def exit_code(self) -> int:
        """0 all well, 1 in part, 3 nothing for want of access, 5 nothing for another reason."""
        if not self.errors and not self.failed_loads and not self.missing:
            return 1 if self.failed_checks or self.undelivered else 0
        # an account of which everything was in before the run is loaded too
        if self.loaded or any(one.is_complete for one in self.coverage):
            return 1
        refused = any(isinstance(error, AuthError | AccessError) for error in self.errors)
        return 3 if refused else 5

    @property
    def state(self) -> str:
        return {0: "completed", 1: "completed in part"}.get(self.exit_code, "failed")


# --- runs -------------------------------------------------------------------------------------


def run_daily(
    project: Project,
    engine: Engine,
    clients: Sequence[str],
    as_of: date,
    notify: bool = True,
    patience_seconds: float = DAILY_PATIENCE_SECONDS,
) -> RunReport:
    """Load what can still change and what is missing, build, judge, report and send."""
    # first, so that a warehouse that cannot be used is told of before anybody is asked
    engine.call(steps.take_in_landed)
    found, errors = _find(project, engine, clients)
    pieces = engine.call(plan.plan_run, found, as_of)
    loading = Loading(engine, patience_seconds)
    loading.refuse(found, as_of)
    loading.load(pieces)
    engine.call(rates.refresh_rates, as_of)
    built = engine.call(steps.build_models)
    evaluations = engine.call(steps.evaluate_targets, tuple(clients), as_of, notify)
    reports = engine.call(steps.write_reports, tuple(clients), as_of)
    deliveries = engine.call(delivery.send_messages) if notify else ()
    engine.call(steps.publish)
    engine.call(steps.fold_landing)
    return RunReport(
        as_of=as_of,
        found=tuple(found),
        loads=tuple(loading.loads),
        errors=(*errors, *loading.errors),
        checks=tuple(built.checks),
        evaluations=tuple(evaluations),
        reports=tuple(reports),
        deliveries=tuple(deliveries),
        coverage=coverage_of(
            found, pieces, loading.loads, loading.announced, _yesterdays(project, found, as_of)
        ),
    )


def _yesterdays(
    project: Project, found: Sequence[Found], as_of: date
) -> dict[tuple[str, str], date | None]:
    """By client and source the day that every morning has to bring: yesterday, once it counts."""
    yesterday = as_of - timedelta(days=1)
    expected: dict[tuple[str, str], date | None] = {}
    for one in found:
        client = project.client(one.client)
        since = client.sources[one.source].since or client.since
        begun = since is None or since <= yesterday
        # without restatement a second run of the same morning has nothing to read
        repeated = plan.restatement_days(project, one.source) > 0
        expected[one.client, one.source] = yesterday if begun and repeated else None
    return expected


def run_backfill(
    project: Project,
    engine: Engine,
    clients: Sequence[str],
    as_of: date,
    window: DateWindow,
    sources: Sequence[str] = (),
    evaluate: bool = False,
    notify: bool = False,
    force: bool = False,
    patience_seconds: float = BACKFILL_PATIENCE_SECONDS,
) -> RunReport:
    """Load the days of ``window`` that are not done yet (all when ``force``), build once.

    Judges and sends only when asked.
    """
    engine.call(steps.take_in_landed)
    found, errors = _find(project, engine, clients, sources)
    pieces = engine.call(plan.plan_backfill, found, as_of, window, force)
    loading = Loading(engine, patience_seconds)
    loading.refuse(found, as_of)
    loading.load(pieces)
    engine.call(rates.refresh_rates, as_of, window)
    built = engine.call(steps.build_models)
    evaluations: Sequence[Evaluation] = ()
    if evaluate or notify:
        evaluations = engine.call(steps.evaluate_targets, tuple(clients), as_of, notify)
    deliveries = engine.call(delivery.send_messages) if notify else ()
    engine.call(steps.publish)
    return RunReport(
        as_of=as_of,
        found=tuple(found),
        loads=tuple(loading.loads),
        errors=(*errors, *loading.errors),
        checks=tuple(built.checks),
        evaluations=tuple(evaluations),
        deliveries=tuple(deliveries),
        coverage=coverage_of(found, pieces, loading.loads, loading.announced, {}),
    )


def _find(
    project: Project, engine: Engine, clients: Sequence[str], sources: Sequence[str] = ()
) -> tuple[list[Found], list[SourceError]]:
    """The accounts of each client and source; those of a source that fails all refuse.

    Raises ConfigError when no source can be asked at all for want of a secret.
    """
    pairs = [
        (slug, source)
        for slug in clients
        for source in project.client(slug).sources
        if not sources or source in sources
    ]
    found: list[Found] = []
    errors: list[SourceError] = []
    answers = engine.map(steps.find_accounts, pairs)
    late = [i for i, answer in enumerate(answers) if is_overdue(answer)]
    for i, answer in zip(
        late, engine.map(steps.find_accounts, [pairs[i] for i in late]), strict=True
    ):
        answers[i] = answer  # a list has no smaller parts: it is asked for once more
    if pairs and all(isinstance(answer, ConfigError) for answer in answers):
        raise ConfigError("\n".join(dict.fromkeys(str(answer) for answer in answers)))
    for (client, source), answer in zip(pairs, answers, strict=True):
        if isinstance(answer, Exception):
            error = as_source_error(answer)
            log.error("%s, all accounts of %s: %s", source, client, error)
            errors.append(error)
            answer = engine.call(plan.accounts_in_trouble, client, source, error)
        else:
            errors += [a.problem for a in answer.accounts if a.problem is not None]
        found.append(answer)
    engine.call(steps.remember_accounts, found)
    return found, errors
