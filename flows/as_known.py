"""The warehouse as it was known at a moment: what was, or would have been, said then.

Nothing that was loaded is ever forgotten: what a later read replaced is in
`history`, and the ledger tells when each slice was committed. A scratch
database takes over every version of the rows that matter, `raw.*`,
`history.*` and `ops.*` become views of it as of a moment that can be moved, and
the ordinary models and the ordinary judgement run on top. Nothing is stored.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from connectors.registry import SOURCES
from flows import readings
from flows.models import SqlModel, build, load_models
from flows.project import Project
from flows.rates import SHARED
from flows.targets.evaluation import Evaluation
from flows.views import verdicts_of, views_of
from flows.warehouse import confine, connect, prepare

# What a load that was committed at another time than it was read is known from. A ledger that
# was made anew from the landing alone has the moments of that, all after the file came to be.
_KNOWN_FROM = """
    case
        when finished_at < born.since and coalesce(committed_at, finished_at) >= born.since
            then finished_at
        else coalesce(committed_at, finished_at)
    end
"""
# Everything was loaded after this, and nothing is known of what comes later.
_NEVER = datetime(1970, 1, 1)  # noqa: DTZ001 (UTC, as all our timestamps)


# --- which moment is meant --------------------------------------------------------------------


@dataclass(frozen=True)
class Moment:
    """A moment (UTC, without zone as in the warehouse) and in words why this one."""

    at: datetime
    why: str


def moment_of_text(text: str) -> datetime | date:
    """A day, or a moment in UTC when no zone is told. Raises ValueError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        at = datetime.fromisoformat(text)
    return (at if at.tzinfo is None else at.astimezone(UTC)).replace(tzinfo=None)


def moment_meant(
    connection: duckdb.DuckDBPyConnection,
    clients: Sequence[str],
    asked: datetime | date,
    zone: ZoneInfo,
) -> Moment:
    """A day means the end of that morning's run, or where there was none the end of the day.

    ``zone`` is that of the schedule: where the day ends.
    """
    if isinstance(asked, datetime):
        return Moment(asked, "as asked")
    mornings = mornings_of(connection, clients)
    if asked in mornings:
        return Moment(mornings[asked], f"the end of the run as of {asked}")
    return Moment(_end_of(asked, zone), f"the end of {asked}: no run was as of that day")


def _end_of(asked: datetime | date, zone: ZoneInfo) -> datetime:
    if isinstance(asked, datetime):
        return asked
    midnight = datetime.combine(asked + timedelta(days=1), time(), zone)
    return midnight.astimezone(UTC).replace(tzinfo=None)


def day_of(project: Project, asked: datetime | date) -> date:
    """The day of a moment, on the clock of the schedule."""
    if not isinstance(asked, datetime):
        return asked
    zone = ZoneInfo(project.settings.schedule.timezone)
    return asked.replace(tzinfo=UTC).astimezone(zone).date()


def mornings_of(
    connection: duckdb.DuckDBPyConnection, clients: Sequence[str]
) -> dict[date, datetime]:
    """By day as of which something was read: when the last of it was in.

    What was read as of a day once more after a later day had begun is not what
    was known on that morning.
    """
    rows = connection.execute(
        f"""
        with born as (select min(since) as since from ops.version),
        runs as (
            -- before version 2 the day itself was not kept
            select coalesce(as_of, finished_at::date) as as_of, {_KNOWN_FROM} as known_from
            from ops.loads, born
            where client in ({_places(clients)})
        ),
        days as (select as_of, min(known_from) as begun from runs group by all),
        bounds as (
            select as_of, min(begun) over (
                order by as_of rows between 1 following and unbounded following
            ) as next_begun
            from days
        )
        select runs.as_of, max(runs.known_from)
        from runs inner join bounds on runs.as_of = bounds.as_of
        where bounds.next_begun is null or runs.known_from < bounds.next_begun
        group by all order by all
        """,
        list(clients),
    ).fetchall()
    return dict(rows)


# --- what was said then -----------------------------------------------------------------------


@dataclass(frozen=True)
class SaidThen:
    """What was, or would have been, said of each target as of a day, knowing what was known."""

    as_of: date
    moment: Moment
    evaluations: tuple[Evaluation, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"as_of": self.as_of, "known_at": self.moment.at, "why": self.moment.why}

    def in_words(self) -> str:
        told = self.moment.at.isoformat(sep=" ", timespec="seconds")
        return f"as of {self.as_of}, with what was known at {told} UTC ({self.moment.why})"


def said_then(
    project: Project, clients: Sequence[str], as_of: date, asked: datetime | date
) -> SaidThen:
    """Judge the targets as of a day with what was known at a moment, by today's configuration.

    The verdicts that were stored by then count as the earlier ones. Nothing is
    stored and nobody waits for it but for the time that copying takes.
    """
    zone = ZoneInfo(project.settings.schedule.timezone)
    with source_of(project, _end_of(asked, zone)) as connection:
        moment = moment_meant(connection, clients, asked, zone)
        past = Past.of(project, connection, clients, kpis_of(project, clients), moment.at)
    with past:
        past.move_to(moment.at)
        past.recall(moment.at)
        judged = past.judged(as_of)
    return SaidThen(as_of, moment, tuple(replace(e, known_at=moment.at) for e in judged))


def kpis_of(project: Project, clients: Sequence[str]) -> frozenset[str]:
    """The names of the KPIs that these clients have goals for."""
    return frozenset(t.kpi for slug in clients for t in project.client(slug).targets)


@contextmanager
def source_of(project: Project, until: datetime) -> Iterator[duckdb.DuckDBPyConnection]:
    """Where all that was known up to a moment can be read: in the copy for readers if it is new
    enough, so that no run has to wait, else in the warehouse itself."""
    published = project.warehouse.published
    made = datetime.fromtimestamp(published.stat().st_mtime, UTC) if published.exists() else None
    reads_copy = made is not None and until < made.replace(tzinfo=None)
    with project.warehouse.read() if reads_copy else project.warehouse.open() as connection:
        yield connection


# --- the scratch database ---------------------------------------------------------------------


class Past:
    """A scratch database with every version of what some clients' verdicts rest on.

    It is empty of verdicts until `recall`, and shows nothing until `move_to`.
    """

    def __init__(
        self, project: Project, clients: Sequence[str], models: Sequence[SqlModel]
    ) -> None:
        self.project = project
        self.clients = tuple(clients)
        self.models = tuple(models)
        self._directory = tempfile.TemporaryDirectory(prefix="koers-")
        folder = self._directory.name.replace("'", "''")
        try:
            self.connection = connect(Path(":memory:"))
            self.connection.execute(f"set temp_directory = '{folder}'")
            confine(self.connection, Path(self._directory.name))
            prepare(self.connection, project.tables)
        except BaseException:
            self._directory.cleanup()
            raise

    def __enter__(self) -> Past:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.connection.close()
        self._directory.cleanup()

    @classmethod
    def of(
        cls,
        project: Project,
        source: duckdb.DuckDBPyConnection,
        clients: Sequence[str],
        kpis: Collection[str],
        until: datetime,
    ) -> Past:
        """Take over from ``source`` what was known up to ``until``; it is not needed afterwards.

        Every day of the tables that the KPIs rest on: what a campaign is called, or since when
        an account has data, depends on all of them.
        """
        # with what amounts in several currencies are converted by
        wanted = {f"kpis.{name}" for name in kpis} | {"intermediate.int_currency__client_day"}
        models = load_models(project.sql, project.tables, project.settings.sql)
        models = upstream(models, wanted)
        past = cls(project, clients, models)
        try:
            past._take_over(source, _tables(project, clients, kpis, models), until)
        except BaseException:
            past.close()
            raise
        return past

    def move_to(self, moment: datetime) -> None:
        """Let the database be what it was at a moment, and build the models on it."""
        self.connection.execute("update past.moment set instant = ?", [moment])
        build(self.connection, self.models)

    def recall(self, moment: datetime) -> None:
        """Let the verdicts count that were stored by a moment, and no others."""
        self.connection.execute("delete from ops.evaluations")
        self.connection.execute(
            "insert into ops.evaluations by name select * from past.evaluations "
            "where known_at <= ?",
            [moment],
        )

    def judged(self, as_of: date) -> list[Evaluation]:
        """Judge every target of the clients as of a day."""
        views = views_of(self.project, self.connection, self.clients, as_of, explained=False)
        return verdicts_of(views)

    # --- filling it -------------------------------------------------------------------------

    def _take_over(
        self, source: duckdb.DuckDBPyConnection, tables: Collection[str], until: datetime
    ) -> None:
        self.connection.execute("create schema past")
        self.connection.execute(
            "create table past.moment as select ?::timestamp as instant", [_NEVER]
        )
        readings.write_clients(self.connection, map(self.project.client, self.clients))
        owners = _places(self.clients)
        self._copy(
            "loads",
            source,
            f"select l.*, {_KNOWN_FROM} as known_from from ops.loads as l, "
            "(select min(since) as since from ops.version) as born "
            f"where client in ({owners})",
            self.clients,
        )
        self.connection.execute("drop table ops.loads")
        self.connection.execute(
            "create view ops.loads as select * exclude (known_from) from past.loads "
            "where known_from <= (select instant from past.moment)"
        )
        self._copy(
            "accounts", source, f"select * from ops.accounts where client in ({owners})",
            self.clients,
        )  # fmt: skip
        self.connection.execute("drop table ops.accounts")
        self.connection.execute(_ACCOUNTS)
        self._copy(
            "evaluations", source,
            f"select * from ops.evaluations where client in ({owners}) and known_at <= ?",
            [*self.clients, until],
        )  # fmt: skip
        for name in sorted(tables):
            self._take_over_table(source, name, until)

    def _take_over_table(
        self, source: duckdb.DuckDBPyConnection, name: str, until: datetime
    ) -> None:
        clients = (*self.clients, SHARED)
        owners = _places(clients)
        # the row that a slice brought was there once the slice was committed
        self._copy(
            name,
            source,
            f"""
            with born as (select min(since) as since from ops.version),
            moments as (
                select client, account_id, finished_at, max({_KNOWN_FROM}) as known_from
                from ops.loads, born
                where table_name = '{name}' and client in ({owners})
                group by all
            ),
            versions as (
                select *, null::timestamp as observed_at, null::timestamp as superseded_at
                from raw.{name} where client in ({owners})
                union all by name
                select * from history.{name} where client in ({owners})
            )
            select
                versions.*,
                coalesce(came.known_from, versions.loaded_at) as known_from,
                coalesce(went.known_from, versions.superseded_at) as known_until
            from versions
            left join moments as came
                on versions.client = came.client and versions.account_id = came.account_id
                and versions.loaded_at = came.finished_at
            left join moments as went
                on versions.client = went.client and versions.account_id = went.account_id
                and versions.superseded_at = went.finished_at
            where coalesce(came.known_from, versions.loaded_at) <= ?
            """,
            [*clients, *clients, *clients, until],
        )
        ours = "known_from, known_until"
        moment = "(select instant from past.moment)"
        for schema in ("raw", "history"):
            self.connection.execute(f"drop table {schema}.{name}")
        self.connection.execute(
            f"create view raw.{name} as select * exclude ({ours}, observed_at, superseded_at) "
            f"from past.{name} where known_from <= {moment} "
            f"and (known_until is null or known_until > {moment})"
        )
        self.connection.execute(
            f"create view history.{name} as select * exclude ({ours}) "
            f"from past.{name} where known_until <= {moment}"
        )

    def _copy(
        self,
        name: str,
        source: duckdb.DuckDBPyConnection,
        query: str,
        values: Sequence[Any],
    ) -> None:
        """Make past.``name`` of what a query gives elsewhere; rows stream, they are never held."""
        rows = source.execute(query, list(values)).to_arrow_reader()
        self.connection.register("arriving", rows)
        self.connection.execute(f"create table past.{name} as select * from arriving")
        self.connection.unregister("arriving")


# Which accounts were there, by the ledger: `ops.accounts` keeps the latest word alone. What an
# account refused is in the ledger as the failure of its last slice.
_ACCOUNTS = """
create view ops.accounts as
with moment as (select instant from past.moment),
last as (
    select client, source, account_id, max_by(outcome, known_from) as outcome
    from past.loads, moment
    where known_from <= instant
    group by all
)
select
    a.client, a.source, a.account_id, a.account_name, a.currency_code, a.time_zone,
    case
        when a.seen_at <= instant then a.status
        when last.outcome = 'skipped' then 'not_enabled'
        else 'enabled'
    end as status,
    case when a.seen_at <= instant then a.problem end as problem,
    a.first_seen_at,
    least(a.seen_at, instant) as seen_at
from past.accounts as a
cross join moment
left join last
    on a.client = last.client and a.source = last.source and a.account_id = last.account_id
where a.first_seen_at <= instant or last.outcome is not null
"""


def upstream(models: Sequence[SqlModel], wanted: Collection[str]) -> tuple[SqlModel, ...]:
    """The models that the wanted ones rest on, themselves included, in the order to build them."""
    by_name = {model.name: model for model in models}
    needed: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in needed:
            needed.add(name)
            waiting.extend(by_name[name].reads)
    return tuple(model for model in models if model.name in needed)


def _tables(
    project: Project, clients: Sequence[str], kpis: Collection[str], models: Sequence[SqlModel]
) -> set[str]:
    """The raw tables that these KPIs, their freshness and their completeness are read from."""
    known = {table.name: table for table in project.tables}
    named = {read.removeprefix("raw.") for m in models for read in m.reads if read[:4] == "raw."}
    for name in kpis:
        kpi = project.kpis[name]
        named |= {kpi.late.table} if kpi.late else set()
    sources = {source for slug in clients for source in project.client(slug).sources}
    named |= {SOURCES[source].daily_table for source in sources}
    # what is not a fact of a day is small, and so are the lags that completeness starts from
    named |= {
        name
        for name, table in known.items()
        if table.source in sources and (not table.is_daily or "lag" in name)
    }
    return named & known.keys()


def _places(values: Sequence[object]) -> str:
    return ", ".join("?" for _ in values)
