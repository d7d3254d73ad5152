"""The order of a run, told once; an engine says how each step is executed.

`flows/tasks.py` executes the steps as Prefect tasks, ``DirectEngine`` executes
the very same steps in this process.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import stamina

from connectors.base import AccessError, AuthError, DateWindow, Slice, SourceError
from flows import delivery, plan, steps
from flows.delivery import Delivery
from flows.landing import Landed, now
from flows.models import CheckResult
from flows.plan import Found
from flows.project import Project
from flows.retries import ATTEMPTS, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, wait_or_give_up
from flows.settings import ConfigError
from flows.steps import Failed
from flows.targets.evaluation import Evaluation
from flows.warehouse import LoadResult

log = logging.getLogger("koers")

# Requests under way at once: well within every vendor's quota, and enough to keep two cores busy.
FETCHERS = 8
# Slices between two commits: what an interrupted run has to fetch once more at most.
SLICES_PER_COMMIT = 64

Step = Callable[..., Any]


class Engine(Protocol):
    """How steps are executed. Every step takes the project first."""

    def call(self, step: Step, *args: Any) -> Any: ...

    def map(self, step: Step, items: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run a step for each item, side by side; an item that fails gives its exception."""
        ...


class DirectEngine:
    """The steps in this process, in threads, without Prefect."""

    def __init__(self, project: Project) -> None:
        self.project = project

    def call(self, step: Step, *args: Any) -> Any:
        return step(self.project, *args)

    def map(self, step: Step, items: Sequence[tuple[Any, ...]]) -> list[Any]:
        patient = stamina.retry(
            on=wait_or_give_up,
            attempts=ATTEMPTS,
            wait_initial=FIRST_WAIT_SECONDS,
            wait_max=LONGEST_WAIT_SECONDS,
            timeout=None,
        )(step)

        def attempt(item: tuple[Any, ...]) -> Any:
            try:
                return patient(self.project, *item)
            except Exception as error:
                return error

        with ThreadPoolExecutor(max_workers=FETCHERS) as pool:
            return list(pool.map(attempt, items))


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

    @property
    def loaded(self) -> bool:
        return any(load.outcome in ("loaded", "empty") for load in self.loads)

    @property
    def failed_loads(self) -> tuple[LoadResult, ...]:
        return tuple(load for load in self.loads if load.outcome in ("failed", "refused"))

    @property
    def failed_checks(self) -> tuple[CheckResult, ...]:
        return tuple(c for c in self.checks if not c.passed and c.severity == "error")

    @property
    def undelivered(self) -> tuple[Delivery, ...]:
        return tuple(delivery for delivery in self.deliveries if delivery.state != "sent")

    @property
    def exit_code(self) -> int:
        """0 all well, 1 in part, 3 nothing for want of access, 5 nothing for another reason."""
        if not self.errors and not self.failed_loads:
            return 1 if self.failed_checks or self.undelivered else 0
        if self.loaded:
            return 1
        refused = any(isinstance(error, AuthError | AccessError) for error in self.errors)
        return 3 if refused else 5

    @property
    def state(self) -> str:
        return {0: "completed", 1: "completed in part"}.get(self.exit_code, "failed")


# --- runs -------------------------------------------------------------------------------------


def run_daily(
    project: Project, engine: Engine, clients: Sequence[str], as_of: date, notify: bool = True
) -> RunReport:
    """Load what can still change and what is missing, build, judge, report and send."""
    found, errors = _find(project, engine, clients)
    pieces = engine.call(plan.plan_run, found, as_of)
    loads, more_errors = _load(engine, found, pieces, as_of)
    built = engine.call(steps.build_models)
    evaluations = engine.call(steps.evaluate_targets, tuple(clients), as_of, notify)
    reports = engine.call(steps.write_reports, tuple(clients), as_of)
    deliveries = engine.call(delivery.send_messages) if notify else ()
    return RunReport(
        as_of=as_of,
        found=tuple(found),
        loads=tuple(loads),
        errors=(*errors, *more_errors),
        checks=tuple(built.checks),
        evaluations=tuple(evaluations),
        reports=tuple(reports),
        deliveries=tuple(deliveries),
    )


def run_backfill(
    project: Project,
    engine: Engine,
    clients: Sequence[str],
    as_of: date,
    window: DateWindow,
    sources: Sequence[str] = (),
    evaluate: bool = False,
    notify: bool = False,
) -> RunReport:
    """Load the days of ``window``, build once; judge and send only when asked."""
    found, errors = _find(project, engine, clients, sources)
    pieces = engine.call(plan.plan_backfill, found, as_of, window)
    loads, more_errors = _load(engine, found, pieces, as_of)
    built = engine.call(steps.build_models)
    evaluations: Sequence[Evaluation] = ()
    if evaluate or notify:
        evaluations = engine.call(steps.evaluate_targets, tuple(clients), as_of, notify)
    deliveries = engine.call(delivery.send_messages) if notify else ()
    return RunReport(
        as_of=as_of,
        found=tuple(found),
        loads=tuple(loads),
        errors=(*errors, *more_errors),
        checks=tuple(built.checks),
        evaluations=tuple(evaluations),
        deliveries=tuple(deliveries),
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


def _load(
    engine: Engine, found: Sequence[Found], pieces: Sequence[Slice], as_of: date
) -> tuple[list[LoadResult], list[SourceError]]:
    """Fetch side by side, commit in order; stop an account or a source that cannot go on."""
    refusing = [
        steps.account_failure(one.client, account, as_of)
        for one in found
        for account in one.accounts
        if account.status == "refused"
    ]
    loads: list[LoadResult] = engine.call(steps.commit_slices, refusing) if refusing else []
    errors: list[SourceError] = []
    stopped: set[tuple[str, ...]] = set()
    for chunk in _chunks(pieces):
        todo = [p for p in chunk if not _is_stopped(p, stopped)]
        started_at = now()
        arrived: list[Landed | Failed] = []
        for piece, answer in zip(
            todo, engine.map(steps.fetch_slice, [(p,) for p in todo]), strict=True
        ):
            if isinstance(answer, Exception):
                error = as_source_error(answer)
                log.error("%s: %s", piece, error)
                errors.append(error)
                stopped |= _stops(piece, error)
                arrived.append(Failed(piece, error, started_at, now()))
            else:
                arrived.append(answer)
        if arrived:
            loads += engine.call(steps.commit_slices, arrived)
    return loads, errors


def _stops(piece: Slice, error: SourceError) -> set[tuple[str, ...]]:
    if error.scope == "source":
        return {(piece.client, piece.table.source)}
    if error.scope == "account":
        return {(piece.client, piece.table.source, piece.account.account_id)}
    return set()


def _is_stopped(piece: Slice, stopped: set[tuple[str, ...]]) -> bool:
    source = (piece.client, piece.table.source)
    return source in stopped or (*source, piece.account.account_id) in stopped


def _chunks(pieces: Sequence[Slice]) -> Iterator[Sequence[Slice]]:
    """One small slice of each account first, then the others by their days, oldest first.

    An account that refuses is so asked once, and an interrupted run leaves no
    holes behind it.
    """
    ordered = sorted(pieces, key=lambda p: (p.window, p.table.name, p.client, p.account.account_id))
    first: dict[tuple[str, str, str], Slice] = {}
    for piece in sorted(ordered, key=lambda p: (p.table.is_daily, p.window)):
        first.setdefault((piece.client, piece.table.source, piece.account.account_id), piece)
    asked_first = set(map(id, first.values()))
    yield from _split(list(first.values()))
    yield from _split([piece for piece in ordered if id(piece) not in asked_first])


def _split(pieces: Sequence[Slice]) -> Iterator[Sequence[Slice]]:
    for start in range(0, len(pieces), SLICES_PER_COMMIT):
        yield pieces[start : start + SLICES_PER_COMMIT]


def as_source_error(error: Exception) -> SourceError:
    """What went wrong as a SourceError, whatever it was, so that the other sources go on."""
    if isinstance(error, SourceError):
        return error
    if isinstance(error, ConfigError):  # a secret that is not there stops its source alone
        return SourceError(str(error))
    log.error("unexpected %s", type(error).__name__, exc_info=error)
    wrapped = SourceError(f"unexpected {type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
