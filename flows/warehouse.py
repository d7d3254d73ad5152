"""The warehouse: one DuckDB file, one writer, a slice replaced whole or not at all."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.base import Account, Slice, Table
from connectors.tables import ALL
from flows.alerts.outbox import OUTBOX_DDL
from flows.database_file import (
    DiskFailedError,
    DiskFullError,
    copy_whole,
    is_damaged,
    is_disk_full,
    of_the_disk,
    stamped,
    telling_of_the_disk,
    write_ahead_log,
)
from flows.database_file import WarehouseError as WarehouseError
from flows.killpoints import reach
from flows.landing import (
    Landed,
    LandingError,
    Recorded,
    condition_of,
    found_again,
    now,
    put_off,
    sync,
)
from flows.migrations import VERSION, Migration, pending, version_of

log = logging.getLogger("koers")

SCHEMAS = ("raw", "history", "staging", "intermediate", "marts", "kpis", "ops")
# how long between two looks at a lock that somebody else holds
LOCK_POLL_SECONDS = 0.1
# Measured: enough for a slice of 25,000 rows with names of 2,000 characters, and for the models
# of 19 million rows.
MEMORY_MB = 128
# each thread wants memory of its own
MOST_THREADS = 4

OPS_DDL = """
create table if not exists ops.version (version integer, since timestamp);
create table if not exists ops.clients (
    client varchar, name varchar, timezone varchar, currency varchar, locale varchar,
    conversion varchar
);
create table if not exists ops.accounts (
    client varchar, source varchar, account_id varchar, account_name varchar,
    currency_code varchar, time_zone varchar, status varchar, problem varchar,
    first_seen_at timestamp, seen_at timestamp
);
create table if not exists ops.loads (
    load_id varchar, client varchar, source varchar, table_name varchar, account_id varchar,
    window_start date, window_end date, rows bigint, outcome varchar, request_id varchar,
    error varchar, metadata json, started_at timestamp, finished_at timestamp,
    committed_at timestamp, rows_changed bigint, rows_superseded bigint, landing_file varchar,
    as_of date
);
create table if not exists ops.checks (
    name varchar, severity varchar, sentence varchar, client varchar, violations bigint,
    checked_at timestamp
);
create table if not exists ops.evaluations (
    client varchar, target_id varchar, segment varchar, segment_label varchar, as_of date,
    known_at timestamp, value double, goal double, status varchar, probability double,
    reason varchar, details json, expected double, adjusted_value double, numerator double,
    denominator double, currency_code varchar, period_start date, period_end date,
    measured_from date, measured_through date, days_missing bigint, run_id varchar,
    completeness double, value_low double, value_high double, projected double,
    projected_low double, projected_high double, required double, target_version varchar
);
create table if not exists ops.target_versions (
    client varchar, target_id varchar, target_version varchar, definition json, seen_at timestamp
);
"""

# a name before its type, as DuckDB writes a table's statement
_COLUMN = re.compile(r'"?(\w+)"? [A-Z]')
_OPS_TABLE = re.compile(r"create table if not exists ops\.(\w+)")

WAYS_BACK = (
    "`koers rebuild` makes the warehouse anew from the landing, `koers restore FILE` puts a "
    "backup in its place (docs/recovery.md)"
)
NEW_NAME = (
    "give the report another name, or its earlier definition back; what is stored stays as it is"
)
# a moment further from the clock than this is worth a word: the clock was set back
CLOCK_SLACK = timedelta(minutes=5)

_OUR_COLUMNS = ("client", "loaded_at", "observed_at", "superseded_at")
_ARROW_TO_SQL = {
    pa.string(): "varchar",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.date32(): "date",
    pa.bool_(): "boolean",
}


class WarehouseBusyError(Exception):
    """Somebody else holds the warehouse; the text names the process."""


class RefusedSliceError(Exception):
    """A slice breaks a rule of its table; nothing of it was stored."""


# --- opening ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Warehouse:
    """Where the warehouse is and how long to wait for it.

    ``landing`` is the only folder that SQL may read from: external access is
    off and the configuration locked in every connection.
    """

    path: Path
    landing: Path
    lock_wait_seconds: float = 20.0
    tables: tuple[Table, ...] = ALL  # those that are there, empty or not, in every connection

    @property
    def exists(self) -> bool:
        return self.path.exists()

    @property
    def published(self) -> Path:
        """The copy for readers: replaced whole after each run, never written to."""
        return self.path.with_name(f"{self.path.stem}.published.duckdb")

    def publish(self) -> None:
        """Put a copy of the database where readers find it; they see the old one or the new one.

        Readers that have the old copy open keep it until they close it.
        """
        partial = self.published.with_name(f".{self.published.name}.partial")
        with self.locked() as deadline:
            if not self.exists:
                return
            if write_ahead_log(self.path).exists():  # a killed run left what it committed there
                with telling_of_the_disk(self.path.parent):
                    connection = usable(self.path, deadline)
                    connection.execute("checkpoint")
                    connection.close()
            try:
                with telling_of_the_disk(self.path.parent):
                    shutil.copyfile(self.path, partial)
                    sync(partial)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
            reach("publishing")
            partial.replace(self.published)

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that only reads and keeps nobody waiting: that of the published copy.

        Before anything was published it is the warehouse itself, and so it is while the
        copy is that of an older Koers.
        """
        if self.published.exists():
            connection = duckdb.connect(str(self.published), read_only=True)
            try:
                if version_of(connection) == VERSION:
                    confine(connection, self.landing)
                    yield connection
                    return
            finally:
                connection.close()
        with self.open() as connection:
            yield connection

    @contextmanager
    def open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The only connection there is, ready for use; held while the block runs.

        Raises WarehouseBusyError when another process keeps it for longer than
        ``lock_wait_seconds``, DiskFullError when there is no room left, and
        WarehouseError when the file cannot be used. Never wait for the network
        inside the block.
        """
        with self.locked() as deadline:
            connection = usable(self.path, deadline)
            try:
                with telling_of_the_disk(self.path.parent):
                    confine(connection, self.landing)
                    prepare(connection, self.tables)
                    yield connection
            except duckdb.Error as error:
                if is_damaged(error):
                    raise WarehouseError(
                        f"{self.path} is damaged: {_one_line(error)}\n{WAYS_BACK}"
                    ) from error
                raise
            finally:
                with suppress(duckdb.Error):  # what was committed is in its log
                    connection.close()

    @contextmanager
    def locked(self) -> Iterator[float]:
        """The warehouse's files for ourselves while the block runs; gives the deadline."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.landing.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + self.lock_wait_seconds
        with _file_lock(Path(f"{self.path}.lock"), deadline):
            yield deadline


@contextmanager
def _file_lock(path: Path, deadline: float) -> Iterator[None]:
    """An advisory lock that ends with its process, so that it cannot be left behind stale."""
    with path.open("a+") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise WarehouseBusyError(_holder(path)) from None
                time.sleep(LOCK_POLL_SECONDS)
        lock.truncate(0)
        lock.write(json.dumps({"pid": os.getpid(), "since": now().isoformat(timespec="seconds")}))
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)
            fcntl.flock(lock, fcntl.LOCK_UN)


def _holder(lock: Path) -> str:
    try:
        told = json.loads(lock.read_text())
        who = f"process {told['pid']} since {told['since']} UTC"
    except (ValueError, KeyError, OSError):
        who = "another process"
    return (
        f"{str(lock).removesuffix('.lock')} is in use by Koers, {who}; "
        "wait for it to end, or give more time with --lock-wait SECONDS"
    )


def usable(path: Path, deadline: float) -> duckdb.DuckDBPyConnection:
    """A connection to a warehouse of this version; an older one is brought up to date."""
    try:
        connection = connect(path, deadline)
    except (DiskFullError, DiskFailedError):  # the log is as good as it was
        raise
    except WarehouseError as refused:
        connection = _without_its_log(path, deadline, refused)
    try:
        steps = pending(version_of(connection))
        if steps:
            # nothing is changed before there is a copy of how it was
            connection.execute("checkpoint")
            connection.close()
            copy = stamped(path, f"version-{steps[0].version - 1}")
            copy_whole(path, copy)
            log.warning("brought %s up to version %d; before it was %s", path, VERSION, copy)
            connection = connect(path, deadline)
            migrate(connection, steps)
    except BaseException:
        connection.close()
        raise
    return connection


def _without_its_log(
    path: Path, deadline: float, refused: WarehouseError
) -> duckdb.DuckDBPyConnection:
    """Open a database whose log is damaged, with the log set aside; never delete anything.

    Raises WarehouseError with the ways back when it is the database itself that is damaged.
    """
    wal = write_ahead_log(path)
    ways_back = f"{refused}\nNothing was changed. {WAYS_BACK}"
    if not (wal.exists() and path.exists()):
        raise WarehouseError(ways_back) from refused
    aside = stamped(wal, "damaged")
    wal.rename(aside)
    try:
        connection = connect(path, deadline)
    except WarehouseError:
        wal_again = write_ahead_log(path)
        if not wal_again.exists():  # it was not to blame: everything is as it was found
            aside.rename(wal_again)
        raise WarehouseError(ways_back) from refused
    log.error(
        "%s was damaged and is set aside as %s: what was written last is not in the warehouse. "
        "Slices among it are taken in again from the landing or read again by the next run; "
        "verdicts and messages among it are lost, so a message may be sent once more",
        wal,
        aside,
    )
    return connection


def connect(path: Path, deadline: float = 0.0) -> duckdb.DuckDBPyConnection:
    """Open a database file as it is. Raises WarehouseError when it cannot be opened."""
    while True:
        try:
            return duckdb.connect(
                str(path),
                config={
                    # files stay readable by DuckDB 1.5 and 2.0 alike
                    "storage_compatibility_version": "v1.5.0",
                    "autoinstall_known_extensions": "false",
                    "autoload_known_extensions": "false",
                    # what does not fit goes to koers.duckdb.tmp: years take no more than months
                    "memory_limit": f"{memory_limit_mb()}MB",
                    "threads": str(min(os.cpu_count() or 1, MOST_THREADS)),
                },
            )
        except duckdb.Error as error:
            held = re.search(r"Conflicting lock is held in (.+?) \(PID (\d+)\)", str(error))
            if held is None:
                damaged = WarehouseError(f"{path} cannot be opened: {_one_line(error)}")
                raise of_the_disk(error, path.parent) or damaged from error
            if time.monotonic() >= deadline:
                raise WarehouseBusyError(
                    f"{path} is in use by {held[1]}, process {held[2]}; close that program "
                    "or connection, or give more time with --lock-wait SECONDS"
                ) from error
            time.sleep(LOCK_POLL_SECONDS)


def memory_limit_mb() -> int:
    """What DuckDB may take of the memory, besides a little for each query that is under way.

    More would only be a cache that fills up with the length of what is stored: building the
    models of three years of twenty accounts takes no longer with this than with four times as much.
    """
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2
    return min(MEMORY_MB, there * 3 // 4)


def _one_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def confine(connection: duckdb.DuckDBPyConnection, landing: Path) -> None:
    """Let SQL read the landing and no other file, for as long as the connection lives."""
    folder = str(landing.resolve()).replace("'", "''")
    connection.execute(f"set allowed_directories = ['{folder}/']")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All of the block, or nothing of it."""
    connection.execute("begin")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        with suppress(duckdb.Error):  # the first error is the one to tell
            connection.execute("rollback")
        raise


def migrate(connection: duckdb.DuckDBPyConnection, steps: Sequence[Migration]) -> None:
    """Apply what is pending, one transaction a step: a kill leaves a version, never a half one."""
    for step in steps:
        with transaction(connection):
            for statement in step.statements:
                connection.execute(statement)
            connection.execute("insert into ops.version values (?, ?)", [step.version, now()])
        log.info("version %d: %s", step.version, step.sentence)


def prepare(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table] = ALL) -> None:
    """Create what is missing of our own schemas and tables; data stays as it is.

    Where nothing is missing nothing is written: every step of a run opens the
    warehouse, and a write would be checkpointed whenever one closes it.
    """
    found = version_of(connection)
    if found is not None and found > VERSION:
        raise WarehouseError(
            f"this warehouse was made by a newer Koers (version {found}, this one knows "
            f"{VERSION}); install that one, or point `warehouse` to another file"
        )
    missing = _missing(connection, tables)
    if found is not None and not missing:
        return
    with transaction(connection):
        for statement in missing:
            connection.execute(statement)
        if found is None:
            connection.execute("insert into ops.version values (?, ?)", [VERSION, now()])


def _missing(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> list[str]:
    """The statements that create what is not there yet, in the order to run them."""
    schemas = {
        schema
        for (schema,) in connection.execute(
            "select schema_name from duckdb_schemas() where database_name = current_database()"
        ).fetchall()
    }
    # duckdb_columns() would tell, but binds every view of the models for it: 14 ms a time
    stored = {
        (schema, table): set(_COLUMN.findall(sql))
        for schema, table, sql in connection.execute(
            "select schema_name, table_name, sql from duckdb_tables() "
            "where database_name = current_database()"
        ).fetchall()
    }
    found = [f"create schema {name}" for name in SCHEMAS if name not in schemas]
    if not _has_macro(connection):
        # 1/0 is infinite in DuckDB, and NaN >= 4 is true: an undefined ratio is null instead.
        # Another definition takes a migration.
        found.append(
            "create macro main.safe_ratio(numerator, denominator) as "
            "case when denominator <> 0 then numerator / denominator end"
        )
    for ddl in (OPS_DDL, OUTBOX_DDL):
        if not all(("ops", name) in stored for name in _OPS_TABLE.findall(ddl)):
            found.append(ddl)
    for table in tables:
        if table.asks is not None:  # what somebody defines may differ from what is stored
            continue
        kinds = {column.name: _ARROW_TO_SQL[column.type] for column in table.columns}
        places = [place for place in ("raw", "history") if (place, table.name) in stored]
        if len(places) < 2:
            found += _creating(table, kinds)
        # columns that a newer Koers declares
        found += [
            f'alter table {place}.{table.name} add column if not exists "{name}" {kind}'
            for place in places
            for name, kind in kinds.items()
            if name not in stored[place, table.name]
        ]
    if own := [table for table in tables if table.asks is not None]:
        found += _table_changes(connection, own)
    return found


def _has_macro(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether ratios can be divided; listing DuckDB's functions takes fifty times as long."""
    try:
        connection.execute("select main.safe_ratio(1, 0)")
    except duckdb.CatalogException:
        return False
    return True


def add_tables(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> None:
    """Create the raw and history tables that are missing, and the columns that they lack."""
    for statement in _table_changes(connection, tables):
        connection.execute(statement)


def _table_changes(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> list[str]:
    """The statements after which the stored tables hold what is declared, in their order."""
    stored: dict[str, dict[str, str]] = {}
    for name, column, kind in connection.execute(
        "select table_name, column_name, lower(data_type) from duckdb_columns() "
        "where schema_name = 'raw' and database_name = current_database()"
    ).fetchall():
        stored.setdefault(name, {})[column] = kind
    found: list[str] = []
    for table in tables:
        there = stored.get(table.name, {})
        declared = {column.name: _ARROW_TO_SQL[column.type] for column in table.columns}
        if there and _differs(table, there) is not None and not _holds_any(connection, table):
            # as an earlier definition had it: nothing is lost
            found += [f"drop table {place}.{table.name}" for place in ("raw", "history")]
            there = {}
        if not there:
            found += _creating(table, declared)
        elif _differs(table, there) is None:  # columns that a newer Koers or definition declares
            found += [
                f'alter table {place}.{table.name} add column "{name}" {declared[name]}'
                for name in declared.keys() - there.keys()
                for place in ("raw", "history")
            ]
    return found


def _creating(table: Table, kinds: Mapping[str, str]) -> list[str]:
    """The statements for a table and its history."""
    columns = ", ".join(f'"{name}" {kind}' for name, kind in kinds.items())
    row = f"client varchar, {columns}, loaded_at timestamp"
    versions = "observed_at timestamp, superseded_at timestamp"
    return [
        f"create table if not exists raw.{table.name} ({row})",
        f"create table if not exists history.{table.name} ({row}, {versions})",
    ]


def _holds_any(connection: duckdb.DuckDBPyConnection, table: Table) -> bool:
    return any(
        connection.execute(f"select 1 from {place}.{table.name} limit 1").fetchall()
        for place in ("raw", "history")
    )


def _differs(table: Table, stored: Mapping[str, str]) -> str | None:
    """Why a user's definition cannot go on with what is stored; None when it can.

    ``stored`` are the SQL types by column. Columns may be added, but for those of the key.
    """
    if table.asks is None:
        return None
    ours = {name for name in stored if name in _OUR_COLUMNS}
    declared = {column.name: _ARROW_TO_SQL[column.type] for column in table.columns}
    if gone := sorted(stored.keys() - ours - declared.keys()):
        return f"it no longer asks for {', '.join(gone)}"
    if added := [name for name in table.key if name not in stored]:
        return f"it splits rows by {', '.join(added)}, which those that are stored are not"
    if other := sorted(name for name in declared.keys() & stored if declared[name] != stored[name]):
        return f"{', '.join(other)} is of another type than what is stored"
    return None


def definition_conflict(connection: duckdb.DuckDBPyConnection, table: Table) -> str | None:
    """Why a table that a user defined otherwise than before cannot go on; None when it can."""
    if table.asks is None or not _holds_any(connection, table):
        return None
    problem = _differs(table, _columns_of(connection, table))
    if problem is None:
        earlier = [
            condition
            for (condition,) in connection.execute(
                "select distinct metadata ->> 'condition' from ops.loads "
                "where table_name = ? and outcome in ('loaded', 'empty') order by all",
                [table.name],
            ).fetchall()
            if condition is not None and condition != condition_of(table)
        ]
        if earlier:
            before = earlier[0] or "no condition"
            problem = f"it asks for other rows than those that are stored ({before})"
    return problem


# --- the ledger -------------------------------------------------------------------------------


@dataclass(frozen=True)
class LoadResult:
    """How one slice ended; it is also its row in ops.loads."""

    slice: Slice
    outcome: str  # loaded, empty, refused, failed, skipped
    rows: int = 0
    rows_changed: int = 0
    rows_superseded: int = 0
    error: str = ""
    request_id: str = ""


def record_load(
    connection: duckdb.DuckDBPyConnection,
    result: LoadResult,
    *,
    started_at: datetime,
    finished_at: datetime,
    metadata: dict[str, Any] | None = None,
    landing_file: str | None = None,
    load_id: str | None = None,
) -> None:
    piece = result.slice
    connection.execute(
        "insert into ops.loads values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            load_id or uuid.uuid4().hex,
            piece.client,
            piece.table.source,
            piece.table.name,
            piece.account.account_id,
            piece.window.start,
            piece.window.end,
            result.rows,
            result.outcome,
            result.request_id or None,
            result.error or None,
            json.dumps(metadata) if metadata else None,
            started_at,
            finished_at,
            now(),
            result.rows_changed,
            result.rows_superseded,
            landing_file,
            piece.as_of,
        ],
    )


def record_accounts(
    connection: duckdb.DuckDBPyConnection, client: str, accounts: Sequence[Account]
) -> None:
    """Remember which accounts a client has, and what is wrong with those that refuse."""
    moment = now()
    connection.execute("begin")
    for account in accounts:
        key = [client, account.source, account.account_id]
        before = connection.execute(
            "select account_name, currency_code, time_zone, first_seen_at from ops.accounts "
            "where client = ? and source = ? and account_id = ?",
            key,
        ).fetchall()
        name, currency, zone, first_seen = before[0] if before else (None, None, None, moment)
        connection.execute(
            "delete from ops.accounts where client = ? and source = ? and account_id = ?", key
        )
        connection.execute(
            "insert into ops.accounts values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                *key,
                account.name or name or account.account_id,
                account.currency_code or currency,
                account.time_zone or zone,
                account.status,
                str(account.problem) if account.problem else None,
                first_seen,
                moment,
            ],
        )
    connection.execute("commit")


# --- replacing a slice ------------------------------------------------------------------------


def replace_slice(connection: duckdb.DuckDBPyConnection, landed: Landed) -> LoadResult:
    """Put a landed slice in place of what is stored of it, in one transaction.

    Rows that are the same stay untouched, with the time they were first loaded.
    Rows that changed or vanished move to ``history``. A slice without rows
    replaces too: platforms omit all-zero rows. All times are those of the slice
    itself, so that the same files give the same warehouse. One that is in
    already is left alone. Raises RefusedSliceError when the slice breaks a rule of
    its table, and LandingError when its file cannot be read; then everything
    stays as it was.
    """
    known = _known_load(connection, landed)
    if known is not None:
        return known
    landed = _in_order(connection, found_again(landed))
    piece, table = landed.slice, landed.slice.table
    if table.asks is not None:  # perhaps of a report that the configuration no longer has
        add_tables(connection, [table])
        problem = definition_conflict(connection, table)
        # what is in the landing was in order when it was read
        if problem is not None and not isinstance(table.asks, Recorded):
            raise RefusedSliceError(f"{piece}: {problem}; not stored; {NEW_NAME}")
    raw, history = f"raw.{table.name}", f"history.{table.name}"
    stored = _data_columns(connection, table)
    added, lacking = _drift(landed, stored)
    names = [f'"{name}"' for name in (*stored, *added)]
    scope, values = _scope_of(piece)
    moment = landed.finished_at
    columns = ", ".join(names)
    arriving = ", ".join(
        f'null::{stored[name]} as "{name}"' if name in lacking else f'"{name}"'
        for name in (*stored, *added)
    )

    # a view: a slice may be larger than what the database may take of the memory
    connection.execute(
        f"create or replace temp view staged as select {arriving} "
        f"from read_parquet({_text(str(landed.path))})"
    )
    try:
        _refuse_bad_rows(connection, landed, columns)
        with transaction(connection):
            for name, kind in added.items():
                log.warning("%s has a new column %s, which is taken along", piece, name)
                for place in (raw, history):
                    connection.execute(f'alter table {place} add column "{name}" {kind}')
            before = _count(connection, f"{raw} as old where {scope}", values)
            superseded = _supersede(connection, piece, columns, moment) if before else 0
            kept = before - superseded
            changed = landed.rows - kept
            if changed:
                but_known = ""
                if kept:
                    but_known = (
                        f"anti join (select hash({columns}) as row_hash from {raw} as old "
                        f"where {scope}) as kept on kept.row_hash = hash({columns})"
                    )
                connection.execute(
                    f"insert into {raw} (client, {columns}, loaded_at) "
                    f"select ?, {columns}, ? from staged {but_known}",
                    [piece.client, moment, *(values if kept else ())],
                )
            result = LoadResult(
                slice=piece,
                outcome="loaded" if landed.rows else "empty",
                rows=landed.rows,
                rows_changed=changed,
                rows_superseded=superseded,
                request_id=", ".join(landed.request_ids),
            )
            record_load(
                connection,
                result,
                started_at=landed.started_at,
                finished_at=moment,
                metadata=landed.metadata,
                landing_file=landed.path.name,
                load_id=landed.load_id,
            )
            reach("before commit")
        reach("committed")
    finally:
        connection.execute("drop view if exists staged")
    return result


def _supersede(
    connection: duckdb.DuckDBPyConnection, piece: Slice, columns: str, moment: datetime
) -> int:
    """Move the stored rows that are not in ``staged`` as they are to history; gives how many.

    Rows are told apart by their hash: comparing every column of a large slice takes more memory
    than there is. Two versions of a row share one once in 2^64.
    """
    raw, history = f"raw.{piece.table.name}", f"history.{piece.table.name}"
    scope, values = _scope_of(piece)
    connection.execute(
        f"create or replace temp table superseded as select old.rowid as id from {raw} as old "
        f"anti join (select hash({columns}) as row_hash from staged) as new "
        f"on new.row_hash = hash({columns}) where {scope}",
        values,
    )
    superseded = _count(connection, "superseded")
    if superseded:
        gone = f"from {raw} where rowid in (select id from superseded)"
        connection.execute(
            f"insert into {history} "
            f"(client, {columns}, loaded_at, observed_at, superseded_at) "
            f"select client, {columns}, loaded_at, loaded_at, ? {gone}",
            [moment],
        )
        connection.execute(f"delete {gone}")
        reach("deleted")
    connection.execute("drop table superseded")
    return superseded


def _known_load(connection: duckdb.DuckDBPyConnection, landed: Landed) -> LoadResult | None:
    """What came of a slice that is in the ledger already."""
    rows = connection.execute(
        "select outcome, rows, rows_changed, rows_superseded, coalesce(error, ''), "
        "coalesce(request_id, '') from ops.loads where load_id = ?",
        [landed.load_id],
    ).fetchall()
    return LoadResult(landed.slice, *rows[0]) if rows else None


def _in_order(connection: duckdb.DuckDBPyConnection, landed: Landed) -> Landed:
    """The slice with a moment after that of all it replaces, whatever the clock says.

    Its file is renamed before anything is committed: the order of the files is
    that of the commits.
    """
    piece = landed.slice
    overlap, values = "", [piece.client, piece.table.name, piece.account.account_id]
    if piece.table.is_daily:
        overlap = "and window_start <= ? and window_end >= ?"
        values += [str(piece.window.end), str(piece.window.start)]
    last: datetime | None = connection.execute(
        "select max(finished_at) from ops.loads where client = ? and table_name = ? "
        f"and account_id = ? and outcome in ('loaded', 'empty') {overlap}",
        values,
    ).fetchall()[0][0]
    if last is None or landed.finished_at > last:
        return landed
    if last - landed.finished_at > CLOCK_SLACK:
        log.warning(
            "%s was read at %s, before what is stored of it (%s): the clock of this machine was "
            "changed, or an old file was put back; it counts as read after it",
            piece, landed.finished_at, last,
        )  # fmt: skip
    return put_off(landed, last + timedelta(microseconds=1))


def _data_columns(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, str]:
    """The columns that hold what a platform said, with their SQL types, in order."""
    return {
        name: kind
        for name, kind in _columns_of(connection, table).items()
        if name not in ("client", "loaded_at")
    }


def _columns_of(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, str]:
    return dict(
        connection.execute(
            "select column_name, lower(data_type) from duckdb_columns() where schema_name = 'raw' "
            "and database_name = current_database() and table_name = ? order by column_index",
            [table.name],
        ).fetchall()
    )


def _drift(landed: Landed, stored: dict[str, str]) -> tuple[dict[str, str], set[str]]:
    """Compare a file's columns with the table's: what is new, and what it does not have.

    A column that nobody asked for when the slice was read is unknown in it.
    Raises RefusedSliceError for one that is missing or of another type.
    """
    piece, table = landed.slice, landed.slice.table
    try:
        arrived = {field.name: field.type for field in pq.read_schema(landed.path)}
    except (OSError, ValueError, pa.ArrowException) as error:
        raise LandingError(f"{landed.path} cannot be read: {_one_line(error)}") from error
    missing = [
        column.name
        for column in table.columns
        if column.name not in arrived and column.name in (*landed.declared, *table.key)
    ]
    if missing:
        raise RefusedSliceError(
            f"{piece}: the column {', '.join(missing)} is missing; not stored. "
            "The API or its client has changed: look for a newer Koers"
        )
    added: dict[str, str] = {}
    for name, arrow in arrived.items():
        kind = _ARROW_TO_SQL.get(arrow)
        if name in stored and kind != stored[name]:
            raise RefusedSliceError(
                f"{piece}: the column {name} is {arrow}, expected {stored[name]}; not stored. "
                "The API or its client has changed: look for a newer Koers"
            )
        if name not in stored:
            if kind is None or not name.isidentifier() or name in _OUR_COLUMNS:
                raise RefusedSliceError(
                    f"{piece}: the new column {name!r} ({arrow}) cannot be taken along; not stored"
                )
            added[name] = kind
    return added, stored.keys() - arrived.keys()


def _scope_of(piece: Slice) -> tuple[str, list[Any]]:
    scope, values = (
        "old.client = ? and old.account_id = ?",
        [piece.client, piece.account.account_id],
    )
    if piece.table.is_daily:
        scope += " and old.date_day between ? and ?"
        return scope, [*values, piece.window.start, piece.window.end]
    return scope, values


def _count(connection: duckdb.DuckDBPyConnection, rows: str, values: Sequence[Any] = ()) -> int:
    counted: int = connection.execute(f"select count(*) from {rows}", values).fetchall()[0][0]
    return counted


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _refuse_bad_rows(connection: duckdb.DuckDBPyConnection, landed: Landed, columns: str) -> None:
    """Check a slice, in one scan of all its ``columns``, before anything is touched.

    Raises RefusedSliceError with what was found, and LandingError where the file cannot be read.
    """
    piece, table = landed.slice, landed.slice.table
    rules = _rules_of(table, piece)
    key = ", ".join(f'"{name}"' for name in table.key)
    # as many hashes as rows prove that the key is unique; fewer are looked at exactly
    counts = ["count(*)", f"count(distinct hash({key}))", f"bit_xor(hash({columns}))"]
    counts += [f"count(*) filter (where {condition})" for _, condition in rules]
    try:
        stored, keys, _, *bad = connection.execute(
            f"select {', '.join(counts)} from staged"
        ).fetchall()[0]
    except duckdb.Error as error:
        if is_disk_full(error):
            raise
        raise LandingError(f"{landed.path} cannot be read: {_one_line(error)}") from error
    if stored != landed.rows or landed.announced_rows not in (None, landed.rows):
        raise RefusedSliceError(
            f"{piece}: {stored} rows arrived, the API announced {landed.announced_rows}; "
            "the slice is incomplete, run again"
        )
    for (rule, _), found in zip(rules, bad, strict=True):
        if found:
            raise RefusedSliceError(f"{piece}: {found} of {stored} rows have {rule}; not stored")
    if keys == stored:
        return
    twice = connection.execute(
        f"select {key}, count(*) from staged group by {key} having count(*) > 1 limit 1"
    ).fetchall()
    if twice:
        raise RefusedSliceError(
            f"{piece}: the key ({', '.join(table.key)}) = {twice[0][:-1]} occurs "
            f"{twice[0][-1]} times; not stored"
        )


# In micros that is 100 billion a row and day: more than any currency is advertised with.
_IMPOSSIBLE = 1e17


def _rules_of(table: Table, piece: Slice) -> list[tuple[str, str]]:
    account = piece.account.account_id.replace("'", "''")
    rules = [(f"no {name}", f'"{name}" is null') for name in table.key]
    rules.append(("another account's id", f"account_id <> '{account}'"))
    if table.is_daily:
        rules.append(
            (
                f"a day outside {piece.window}",
                f"date_day not between date '{piece.window.start}' and date '{piece.window.end}'",
            )
        )
    for column in table.columns:
        if column.type == pa.float64():
            rules.append((f"a {column.name} that is no number", f'not isfinite("{column.name}")'))
        if column.type == pa.int64() and column.is_count:
            rules.append((f"a negative {column.name}", f'"{column.name}" < 0'))
        if column.type in (pa.float64(), pa.int64()):
            impossible = f'abs("{column.name}"::double) >= {_IMPOSSIBLE}'
            rules.append((f"an impossible {column.name}", impossible))
    measures = [
        f'"{c.name}"'
        for c in table.columns
        if c.type in (pa.float64(), pa.int64()) and c.is_count and c.name not in table.key
    ]
    if table.is_daily and measures and not table.is_log:
        # totals would come out too low, and look complete
        rules.append(("no figures at all", " and ".join(f"{name} is null" for name in measures)))
    return rules
