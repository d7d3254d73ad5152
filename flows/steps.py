"""The steps of a run, in plain Python: no Prefect here.

`pipeline.py` says in which order they come; `tasks.py` wraps each as a Prefect
task; `--direct` calls them as they are.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from connectors.base import (
    Account,
    DateWindow,
    RefusedReportError,
    Slice,
    SourceError,
    Table,
)
from connectors.memory import give_back
from connectors.registry import SOURCES
from connectors.reports import PREFIX
from connectors.tables import tables_of
from flows import folding, intake, readings
from flows.alerts import news
from flows.database_file import WarehouseError, require_space
from flows.goal_versions import record_versions
from flows.intake import commit_landed, require_space_for
from flows.killpoints import reach
from flows.landing import Landed, land, now
from flows.models import BuildReport, CheckResult, build, load_models, run_checks
from flows.plan import Found
from flows.project import Project, selection_of
from flows.report.dress import dress_of
from flows.targets.evaluation import Evaluation
from flows.views import verdicts_of, views_of
from flows.warehouse import (
    LoadResult,
    WarehouseBusyError,
    definition_conflict,
    record_accounts,
    record_load,
    transaction,
)

log = logging.getLogger("koers")


# --- extract ----------------------------------------------------------------------------------


def find_accounts(project: Project, client: str, source: str) -> Found:
    """Ask a source which accounts a client has. Raises a SourceError of scope source."""
    who = project.client(client)
    connector = project.connector(who, source)
    accounts = connector.accounts(selection_of(who, source))
    for account in accounts:
        if account.status == "not_enabled":
            log.info("%s %s: skipped, the account is not enabled", source, account.account_id)
        if account.status == "refused":
            log.warning("%s %s: %s", source, account.account_id, account.problem)
    return Found(client, source, tuple(accounts))


def remember_accounts(project: Project, found: Sequence[Found]) -> None:
    with project.warehouse.open() as connection:
        for one in found:
            record_accounts(connection, one.client, one.accounts)


def fetch_slice(project: Project, piece: Slice) -> Landed:
    """Read one slice from its API into a landing file. Raises a SourceError."""
    started_at = now()
    connector = project.connector(project.client(piece.client), piece.table.source)
    project.breaker.check(piece)
    try:
        reply = connector.fetch(piece.table, piece.account, piece.window)
        landed = land(piece, reply, project.warehouse.landing, started_at)
    except SourceError as error:
        project.breaker.failed(piece, error)
        raise
    project.breaker.answered(piece)
    reach("landed")
    took = (landed.finished_at - landed.started_at).total_seconds()
    log.info("%s: %s rows, %.1f s", piece, f"{landed.rows:,}", took)
    return landed


def check_report(project: Project, piece: Slice) -> None:
    """Have an API judge what a user's table asks for. Raises RefusedReportError.

    What else goes wrong is told by the reading itself.
    """
    connector = project.connector(project.client(piece.client), piece.table.source)
    try:
        project.breaker.check(piece)
        connector.check(piece.table, piece.account)
    except RefusedReportError as refused:
        project.breaker.answered(piece)
        name = piece.table.grain.removeprefix(PREFIX)
        raise RefusedReportError(
            f"the report {name}: {refused.message}",
            reason=refused.reason,
            request_id=refused.request_id,
            hint=refused.hint,
        ) from refused
    except SourceError as error:
        project.breaker.failed(piece, error)
        log.debug("%s: could not be checked: %s", piece, error)
    else:
        project.breaker.answered(piece)


def conflicting_reports(project: Project, tables: Sequence[Table]) -> dict[str, str]:
    """By name the user's tables that were defined otherwise before, and how."""
    with project.warehouse.open() as connection:
        found = {table.name: definition_conflict(connection, table) for table in tables}
    return {name: problem for name, problem in found.items() if problem is not None}


@dataclass(frozen=True)
class Failed:
    """A slice that could not be fetched, with the reason for the ledger and for people."""

    slice: Slice
    error: SourceError
    started_at: datetime
    finished_at: datetime

    @property
    def outcome(self) -> str:
        """As the ledger has it: an account that is not enabled is no failure."""
        if self.slice.account.status == "not_enabled":
            return "skipped"
        return "refused" if self.error.scope == "account" else "failed"


def commit_slices(project: Project, pieces: Sequence[Landed | Failed]) -> list[LoadResult]:
    """Put what was landed in the warehouse, one transaction a slice; note what failed.

    Raises DiskFullError before anything is changed when it may not fit.
    """
    results: list[LoadResult] = []
    give_back()  # what fetching them took: it is DuckDB's turn now
    landed = [piece for piece in pieces if isinstance(piece, Landed)]
    require_space_for(landed, project.warehouse.path.parent)
    with project.warehouse.open() as connection:
        for piece in pieces:
            if isinstance(piece, Failed):
                result = LoadResult(
                    piece.slice,
                    piece.outcome,
                    error=str(piece.error),
                    request_id=piece.error.request_id,
                )
                record_load(
                    connection, result, started_at=piece.started_at, finished_at=piece.finished_at
                )
            else:
                result = commit_landed(connection, piece)
            results.append(result)
    return results


def take_in_landed(project: Project) -> None:
    """Commit what a run that was killed had read, and what a restored warehouse lacks."""
    with project.warehouse.open() as connection:
        taken = intake.take_in(connection, project.warehouse.landing)
    if taken.loads or taken.snapshots:
        log.info(
            "took in %d slices and %d snapshots that an earlier run had read",
            len(taken.loads), len(taken.snapshots),
        )  # fmt: skip


def account_failure(client: str, account: Account, as_of: date) -> Failed:
    """An account that refuses or is not enabled, as a slice of its source's daily table."""
    table = next(
        t for t in tables_of(account.source) if t.name == SOURCES[account.source].daily_table
    )
    yesterday = as_of - timedelta(days=1)
    why = "is not enabled" if account.status == "not_enabled" else "refuses"
    error = account.problem or SourceError(f"the account {why}", scope="account")
    moment = now()
    return Failed(
        Slice(client, table, account, DateWindow(yesterday, yesterday), as_of),
        error,
        moment,
        moment,
    )


# --- transform, judge, tell -------------------------------------------------------------------


@dataclass(frozen=True)
class Built:
    """The models that were built and what the checks on them found."""

    report: BuildReport
    checks: tuple[CheckResult, ...]


def build_models(project: Project) -> Built:
    """Build every SQL model in one transaction, then look for what cannot be true."""
    models = load_models(project.sql, project.tables, project.settings.sql)
    path = project.warehouse.path
    if path.exists():  # the old marts stay until the new ones are in
        require_space(path.parent, path.stat().st_size, "build the models")
    with project.warehouse.open() as connection:
        readings.write_clients(connection, project.settings.clients)
        report = build(connection, models)
        own = project.settings.sql
        checks = tuple(run_checks(connection, project.sql, models, project.tables, own))
        readings.write_checks(connection, checks)
    for check in checks:
        if not check.passed:
            log.warning("check %s", check)
    return Built(report, checks)


def evaluate_targets(
    project: Project, clients: Sequence[str], as_of: date, notify: bool
) -> list[Evaluation]:
    """Judge every target as of a day and keep the answers; queue what there is to tell.

    The evaluations, what each route has now been told and the messages in the
    outbox are one transaction. The same run once more adds nothing. A day older
    than what a route was told is history: it is judged and kept, never sent.
    """
    run_id = uuid.uuid4().hex
    moment = datetime.now(UTC)
    chosen = [project.client(slug) for slug in clients]
    with project.warehouse.open() as connection:
        with transaction(connection):  # first, so that a goal that moved is told as such
            record_versions(connection, chosen, moment)
        audience = news.audience(connection, chosen, as_of) if notify else news.nobody(as_of)
        views = views_of(
            project, connection, clients, as_of,
            explained=audience.hears_of, closing=audience.closing(),
        )  # fmt: skip
    told = audience.news(views, news.report_links(project.settings, clients))
    dress = dress_of(project.settings.brand)
    # drawing the charts of a message takes a while: nobody waits for the warehouse meanwhile
    messages = [
        message
        for one in told
        if one.digest is not None
        for message in news.rendered(one.digest, dress)
    ]
    evaluations = verdicts_of(views)
    with project.warehouse.open() as connection, transaction(connection):
        readings.store_evaluations(connection, evaluations, run_id)
        reach("evaluated")
        news.tell(connection, told, messages, moment)
    return evaluations


def write_reports(project: Project, clients: Sequence[str], as_of: date) -> list[Path]:
    """Write each client's page with its dated copy, and the overview of all clients.

    A reader sees the old page or the new one, whole. The overview comes last.
    """
    from flows.report_files import read_views, write_pages  # draws: slow to import

    with project.warehouse.open() as connection:
        views, figures, agency = read_views(project, connection, clients, as_of)
    return write_pages(project, views, figures, agency)


def fold_landing(project: Project) -> None:
    """Fold old landing files into snapshots where there are many; never in the way of a run."""
    try:
        folded = folding.fold_landing(project.warehouse, project.settings.landing_retention_days)
    except (WarehouseBusyError, WarehouseError) as problem:
        log.warning("the landing is folded another time: %s", problem)
        return
    for one in folded:
        log.info("%s: %d files folded into one", one.snapshot.parent, one.files)


def publish(project: Project) -> None:
    """Give readers the new state of things; a copy, so that they never hold up a run."""
    project.warehouse.publish()
