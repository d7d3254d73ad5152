"""The warehouse: one DuckDB file, one writer, a slice replaced whole or not at all."""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from connectors.base import Account, Slice, Table
from connectors.tables import ALL
from flows.alerts.outbox import OUTBOX_DDL
from flows.landing import Landed, now

# raised with every change of our own tables; a file of a newer Koers is refused
VERSION = 1
SCHEMAS = ("raw", "history", "staging", "intermediate", "marts", "kpis", "ops")
# how long between two looks at a lock that somebody else holds
LOCK_POLL_SECONDS = 0.1

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
    reason varchar, details json, expected double, settled_value double, numerator double,
    denominator double, currency_code varchar, period_start date, period_end date,
    measured_from date, measured_through date, days_missing bigint, run_id varchar
);
"""

_ARROW_TO_SQL = {
    pa.string(): "varchar",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.date32(): "date",
    pa.bool_(): "boolean",
}


class WarehouseError(Exception):
    """The warehouse cannot be used as it is; the text says what to do."""


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

    @property
    def exists(self) -> bool:
        return self.path.exists()

    @contextmanager
    def open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The only connection there is, ready for use; held while the block runs.

        Raises WarehouseBusyError when another process keeps it for longer than
        ``lock_wait_seconds``. Never wait for the network inside the block.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.landing.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + self.lock_wait_seconds
        with _file_lock(Path(f"{self.path}.lock"), deadline):
            connection = _connect(self.path, deadline)
            try:
                _confine(connection, self.landing)
                prepare(connection)
                yield connection
            finally:
                connection.close()


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


def _connect(path: Path, deadline: float) -> duckdb.DuckDBPyConnection:
    while True:
        try:
            return duckdb.connect(
                str(path),
                config={
                    # files stay readable by DuckDB 1.5 and 2.0 alike
                    "storage_compatibility_version": "v1.5.0",
                    "autoinstall_known_extensions": "false",
                    "autoload_known_extensions": "false",
                },
            )
        except duckdb.IOException as error:
            held = re.search(r"Conflicting lock is held in (.+?) \(PID (\d+)\)", str(error))
            if held is None:
                raise WarehouseError(f"{path} cannot be opened: {error}") from error
            if time.monotonic() >= deadline:
                raise WarehouseBusyError(
                    f"{path} is in use by {held[1]}, process {held[2]}; close that program "
                    "or connection, or give more time with --lock-wait SECONDS"
                ) from error
            time.sleep(LOCK_POLL_SECONDS)


def _confine(connection: duckdb.DuckDBPyConnection, landing: Path) -> None:
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


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Create what is missing of our own schemas and tables; data stays as it is."""
    known = connection.execute(
        "select count(*) from duckdb_tables() where database_name = current_database() "
        "and schema_name = 'ops' and table_name = 'version'"
    ).fetchall()[0][0]
    if known:
        found = connection.execute("select max(version) from ops.version").fetchall()[0][0]
        if found is not None and found > VERSION:
            raise WarehouseError(
                f"this warehouse was made by a newer Koers (version {found}, this one knows "
                f"{VERSION}); install that one, or point `warehouse` to another file"
            )
    connection.execute("begin")
    for schema in SCHEMAS:
        connection.execute(f"create schema if not exists {schema}")
    # 1/0 is infinite in DuckDB, and NaN >= 4 is true: an undefined ratio is null instead
    connection.execute(
        "create or replace macro main.safe_ratio(numerator, denominator) as "
        "case when denominator <> 0 then numerator / denominator end"
    )
    connection.execute(OPS_DDL)
    connection.execute(OUTBOX_DDL)
    for table in ALL:
        columns = ", ".join(f'"{c.name}" {_ARROW_TO_SQL[c.type]}' for c in table.columns)
        row = f"client varchar, {columns}, loaded_at timestamp"
        connection.execute(f"create table if not exists raw.{table.name} ({row})")
        connection.execute(
            f"create table if not exists history.{table.name} "
            f"({row}, observed_at timestamp, superseded_at timestamp)"
        )
    if not known or found is None:
        connection.execute("insert into ops.version values (?, ?)", [VERSION, now()])
    connection.execute("commit")


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
) -> None:
    piece = result.slice
    connection.execute(
        "insert into ops.loads values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            uuid.uuid4().hex,
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
    replaces too: platforms omit all-zero rows. Raises RefusedSliceError when
    the slice breaks a rule of its table; then everything stays as it was.
    """
    piece, table = landed.slice, landed.slice.table
    raw, history = f"raw.{table.name}", f"history.{table.name}"
    names = [f'"{column.name}"' for column in table.columns]
    scope, values = _scope_of(piece)
    moment = now()
    same_key = " and ".join(f"old.{c} = new.{c}" for c in table.key)
    same_row = " and ".join(f"old.{c} is not distinct from new.{c}" for c in names)

    connection.execute(
        f"create or replace temp table staged as select {', '.join(names)} from read_parquet(?)",
        [str(landed.path)],
    )
    try:
        _refuse_bad_rows(connection, landed)
        connection.execute("begin")
        try:
            connection.execute(
                f"create or replace temp table superseded as select old.* from {raw} as old "
                f"where {scope} and not exists "
                f"(select 1 from staged as new where {same_key} and {same_row})",
                values,
            )
            superseded = _count(connection, "superseded")
            if superseded:
                connection.execute(
                    f"insert into {history} "
                    "select *, loaded_at as observed_at, ? as superseded_at from superseded",
                    [moment],
                )
                connection.execute(
                    f"delete from {raw} as old where {scope} and exists "
                    f"(select 1 from superseded as new where {same_key})",
                    values,
                )
            before = connection.execute(
                f"select count(*) from {raw} as old where {scope}", values
            ).fetchall()[0][0]
            changed = landed.rows - before
            if changed:
                connection.execute(
                    f"insert into {raw} select ?, {', '.join(f'new.{c}' for c in names)}, ? "
                    "from staged as new where not exists "
                    f"(select 1 from {raw} as old where {scope} and {same_key})",
                    [piece.client, moment, *values],
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
                finished_at=landed.finished_at,
                metadata=landed.metadata,
                landing_file=str(landed.path.name),
            )
            connection.execute("commit")
        except BaseException:
            connection.execute("rollback")
            raise
    finally:
        connection.execute("drop table if exists staged")
        connection.execute("drop table if exists superseded")
    return result


def _scope_of(piece: Slice) -> tuple[str, list[Any]]:
    scope, values = (
        "old.client = ? and old.account_id = ?",
        [piece.client, piece.account.account_id],
    )
    if piece.table.is_daily:
        scope += " and old.date_day between ? and ?"
        return scope, [*values, piece.window.start, piece.window.end]
    return scope, values


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    counted: int = connection.execute(f"select count(*) from {table}").fetchall()[0][0]
    return counted


def _refuse_bad_rows(connection: duckdb.DuckDBPyConnection, landed: Landed) -> None:
    """Check a slice before anything is touched. Raises RefusedSliceError with what was found."""
    piece, table = landed.slice, landed.slice.table
    stored = _count(connection, "staged")
    if stored != landed.rows or landed.announced_rows not in (None, landed.rows):
        raise RefusedSliceError(
            f"{piece}: {stored} rows arrived, the API announced {landed.announced_rows}; "
            "the slice is incomplete, run again"
        )
    for rule, condition in _rules_of(table, piece):
        bad = connection.execute(
            f"select count(*) from staged where {condition}",
        ).fetchall()[0][0]
        if bad:
            raise RefusedSliceError(f"{piece}: {bad} of {stored} rows have {rule}; not stored")
    key = ", ".join(table.key)
    twice = connection.execute(
        f"select {key}, count(*) from staged group by {key} having count(*) > 1 limit 1"
    ).fetchall()
    if twice:
        raise RefusedSliceError(
            f"{piece}: the key ({key}) = {twice[0][:-1]} occurs {twice[0][-1]} times; not stored"
        )


def _rules_of(table: Table, piece: Slice) -> list[tuple[str, str]]:
    account = piece.account.account_id.replace("'", "''")
    rules = [(f"no {name}", f"{name} is null") for name in table.key]
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
        if column.type == pa.int64():
            rules.append((f"a negative {column.name}", f'"{column.name}" < 0'))
    return rules
