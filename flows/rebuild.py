"""`koers rebuild`: the warehouse made anew from the landing files alone.

The new file is made beside the old one and put in its place at one instant. What
is not in the landing (verdicts, messages, what routes were told, accounts) comes
from the old file, from the newest backup when that cannot be read, or is said to
be lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from connectors.base import Account
from flows import readings
from flows.backup import newest_backup
from flows.database_file import (
    WarehouseError,
    require_space,
    stamped,
    swap_in,
    telling_of_the_disk,
    write_ahead_log,
)
from flows.folding import landing_to_ourselves
from flows.intake import TakenIn, newest_snapshots, read_loads, store_loads, take_in
from flows.landing import LandingError, landing_files, moment_of, read_description
from flows.migrations import VERSION, version_of
from flows.models import build, load_models, run_checks
from flows.project import Project
from flows.warehouse import (
    Warehouse,
    confine,
    connect,
    prepare,
    record_accounts,
    transaction,
    usable,
)

log = logging.getLogger("koers")

# what was said and to whom (no platform can tell it again), and which accounts refuse
CARRIED = ("evaluations", "target_versions", "outbox", "alert_state", "snoozes", "accounts")

# columns that a migration gave another name
RENAMED = {"settled_value": "adjusted_value"}
_OPS_TABLES = (
    "select table_name from duckdb_tables() where schema_name = 'ops' "
    "and database_name = current_database()"
)

_LONG_AGO = datetime(1970, 1, 1)  # noqa: DTZ001 (UTC, as all our timestamps)


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild found, and what it could not bring back."""

    loads: int
    rows: int
    versions: int
    files: int
    snapshots: int
    carried_from: Path | None
    skipped: tuple[str, ...]
    lost: tuple[str, ...]
    kept: Path | None

    @property
    def exit_code(self) -> int:
        return 1 if self.skipped or self.lost else 0

    def as_dict(self) -> dict[str, Any]:
        return {
            "loads": self.loads,
            "rows": self.rows,
            "versions": self.versions,
            "files": self.files,
            "snapshots": self.snapshots,
            "carried_from": self.carried_from,
            "skipped": list(self.skipped),
            "lost": list(self.lost),
            "replaced_kept_as": self.kept,
        }

    def in_words(self) -> str:
        lines = [f"skipped: {told}" for told in self.skipped]
        lines += [f"lost: {told}" for told in self.lost]
        lines.append(
            f"made anew from {self.files} files and {self.snapshots} snapshots: {self.loads} "
            f"loads, {self.rows:,} rows and {self.versions:,} older versions"
        )
        if self.kept:
            lines.append(f"what was there before is kept as {self.kept}")
        return "\n".join(lines)


@dataclass(frozen=True)
class _Old:
    """What a readable older database knows that the landing does not."""

    path: Path
    carried: dict[str, pa.Table]
    loads: list[dict[str, Any]]


def rebuild(project: Project) -> Rebuilt:
    """Make the warehouse anew and swap it in. Raises WarehouseError when nothing can be done."""
    warehouse = project.warehouse
    made = warehouse.path.with_name(f".{warehouse.path.name}.rebuilt")
    with warehouse.locked() as deadline, landing_to_ourselves(warehouse.landing):
        if not _has_any(warehouse.landing):
            raise WarehouseError(
                f"there is nothing in {warehouse.landing} to make a warehouse from; nothing was "
                "changed"
            )
        _remove(made)
        _require_space(warehouse)
        current, problem = _read_old(warehouse.path, lambda path: usable(path, deadline))
        lost = [problem] if problem else []
        old = current
        if old is None:
            backup = newest_backup(warehouse.path)
            old, problem = _read_old(backup, connect) if backup else (None, "")
            lost += [problem] if problem else []
            lost.append(_verdicts_lost(old))
        try:
            with telling_of_the_disk(made.parent):
                taken = _make(project, made, current, old)
            missing = _missing_loads(current, made)
            lost += missing
            counts = _counts(made)
            is_whole = current is not None and not taken.skipped and not missing
            kept = None if is_whole else _kept_name(warehouse.path)
            swap_in(made, warehouse.path, kept)
        finally:
            _remove(made)
    warehouse.publish()
    return Rebuilt(
        **counts,
        files=len(taken.loads),
        snapshots=len(taken.snapshots),
        carried_from=old.path if old else None,
        skipped=taken.skipped,
        lost=tuple(lost),
        kept=kept,
    )


def _make(project: Project, made: Path, current: _Old | None, old: _Old | None) -> TakenIn:
    """Fill a new database file and close it, whole."""
    warehouse = project.warehouse
    connection = connect(made)
    try:
        confine(connection, warehouse.landing)
        prepare(connection)
        # what was landed and never committed is for the next run to take in
        only = _committed(current) if current else None
        taken = take_in(connection, warehouse.landing, only=only)
        if current:
            _keep_ledger(connection, current)
        if old:
            _carry(connection, old)
        else:
            _remember_accounts(connection, warehouse.landing)
        prepare(connection, project.tables)  # what is configured and not in the landing yet
        models = load_models(project.sql, project.tables, project.settings.sql)
        readings.write_clients(connection, project.settings.clients)
        build(connection, models)
        own = project.settings.sql
        checks = run_checks(connection, project.sql, models, project.tables, own)
        readings.write_checks(connection, checks)
        for check in checks:
            if not check.passed:
                log.warning("check %s", check)
        connection.execute("checkpoint")
    finally:
        connection.close()
    return taken


# --- what the landing does not tell -----------------------------------------------------------


def _read_old(
    path: Path, opened: Callable[[Path], duckdb.DuckDBPyConnection]
) -> tuple[_Old | None, str]:
    """What an older database holds, or why it cannot be read; it is closed whole afterwards."""
    if not path.exists():
        return None, ""
    try:
        connection = opened(path)
    except WarehouseError as error:
        return None, str(error).splitlines()[0]
    try:
        version = version_of(connection)
        if version is None:
            return None, f"{path} is no warehouse of Koers"
        if version > VERSION:
            raise WarehouseError(f"{path} was made by a newer Koers; install that one")
        tables = {name for (name,) in connection.execute(_OPS_TABLES).fetchall()}
        carried = {name: _all_of(connection, name) for name in CARRIED if name in tables}
        loads = read_loads(connection)
        connection.execute("checkpoint")
    except duckdb.Error as error:
        return None, f"{path} cannot be read: {str(error).splitlines()[0]}"
    finally:
        connection.close()
    return _Old(path, carried, loads), ""


def _all_of(connection: duckdb.DuckDBPyConnection, name: str) -> pa.Table:
    """A table of ours with the column names of today: a backup is not brought up to date."""
    rows = connection.execute(f"select * from ops.{name}").to_arrow_table()  # noqa: S608
    return rows.rename_columns([RENAMED.get(column, column) for column in rows.column_names])


def _committed(old: _Old) -> set[str]:
    return {row["load_id"] for row in old.loads if row["outcome"] in ("loaded", "empty")}


def _keep_ledger(connection: duckdb.DuckDBPyConnection, current: _Old) -> None:
    """The ledger as it was, but for loads of which the landing has nothing left."""
    there = {load for (load,) in connection.execute("select load_id from ops.loads").fetchall()}
    with transaction(connection):
        connection.execute("delete from ops.loads")
        store_loads(
            connection,
            (
                row
                for row in current.loads
                if row["outcome"] not in ("loaded", "empty") or row["load_id"] in there
            ),
        )


def _missing_loads(current: _Old | None, made: Path) -> list[str]:
    """Loads that the old ledger knows and the landing has no usable file of."""
    if current is None:
        return []
    connection = connect(made)
    try:
        there = {load for (load,) in connection.execute("select load_id from ops.loads").fetchall()}
        connection.execute("checkpoint")
    finally:
        connection.close()
    return [
        f"{row['table_name']} {row['account_id']} {row['window_start']}..{row['window_end']}, read "
        f"at {row['finished_at']}: the landing has no usable file of it; a run reads the days again"
        for row in current.loads
        if row["load_id"] not in there
    ]


def _carry(connection: duckdb.DuckDBPyConnection, old: _Old) -> None:
    """What was said before, by column name: an older database may have fewer columns."""
    for name, rows in old.carried.items():
        with transaction(connection):
            connection.execute(f"delete from ops.{name}")  # noqa: S608 (our own names)
            connection.register("carried", rows)
            connection.execute(f"insert into ops.{name} by name select * from carried")  # noqa: S608
            connection.unregister("carried")


def _remember_accounts(connection: duckdb.DuckDBPyConnection, landing: Path) -> None:
    """The accounts that the landing knows, for when no older database tells of them."""
    newest: dict[Path, tuple[datetime, Path]] = {}
    for path in [*newest_snapshots(landing), *landing_files(landing)]:
        with suppress(LandingError):  # named already
            newest[path.parent] = max(newest.get(path.parent, (_LONG_AGO, path)),
                                      (moment_of(path), path))  # fmt: skip
    known: dict[tuple[str, str, str], Account] = {}
    for _, path in sorted(newest.values()):
        with suppress(LandingError):
            told = read_description(path)
            source = told["table"].split("__")[0]
            known[told["client"], source, told["account_id"]] = Account(
                source, told["account_id"], **(told.get("account") or {})
            )
    for (client, _, _), account in known.items():
        record_accounts(connection, client, [account])


def _verdicts_lost(old: _Old | None) -> str:
    if old is None:
        return (
            "verdicts, messages and what routes were told: there is neither a readable warehouse "
            "nor a backup; the next run judges afresh and sends a digest of every target"
        )
    return f"verdicts and messages since the backup {old.path}"


# --- files ------------------------------------------------------------------------------------


def _has_any(landing: Path) -> bool:
    return next(landing_files(landing), None) is not None or bool(newest_snapshots(landing))


def _require_space(warehouse: Warehouse) -> None:
    """The new file lies beside the old one for a while, with its log."""
    sizes = [path.stat().st_size for path in landing_files(warehouse.landing)]
    sizes += [path.stat().st_size for path in newest_snapshots(warehouse.landing)]
    before = warehouse.path.stat().st_size if warehouse.exists else 0
    require_space(warehouse.path.parent, 2 * max(sum(sizes), before), "make the warehouse anew")


def _kept_name(path: Path) -> Path | None:
    is_there = path.exists() or write_ahead_log(path).exists()
    return stamped(path, "replaced") if is_there else None


def _remove(made: Path) -> None:
    for path in (made, write_ahead_log(made)):
        path.unlink(missing_ok=True)


def _counts(made: Path) -> dict[str, int]:
    connection = connect(made)
    try:
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() "
            "where schema_name in ('raw', 'history')"
        ).fetchall()
        rows = {"raw": 0, "history": 0}
        for schema, table in tables:
            rows[schema] += connection.execute(
                f"select count(*) from {schema}.{table}"  # noqa: S608 (names from the catalogue)
            ).fetchall()[0][0]
        loads = connection.execute(
            "select count(*) from ops.loads where outcome in ('loaded', 'empty')"
        ).fetchall()[0][0]
        connection.execute("checkpoint")
    finally:
        connection.close()
    return {"loads": loads, "rows": rows["raw"], "versions": rows["history"]}
