"""From the landing into the warehouse: what a run just read, and what one that was killed left.

A slice that is whole in the landing counts, also when the run that read it died
before it was committed, or when the warehouse was put back to an older state:
the next run takes it in. The order is that of the moments in the files' names,
and a slice that is in already is left alone, so it does not matter who does it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from flows.database_file import require_space
from flows.landing import (
    SCHEMA_VERSION,
    DamagedFileError,
    Landed,
    LandingError,
    landing_files,
    load_id_of,
    moment_of,
    read_description,
    read_landed,
    remove_unfinished,
    table_of,
    verify,
)
from flows.warehouse import (
    LoadResult,
    RefusedSliceError,
    add_tables,
    record_load,
    replace_slice,
    transaction,
)

log = logging.getLogger("koers")

# the columns of ops.loads that are days or moments: JSON has neither
_DAYS = ("window_start", "window_end", "as_of")
_MOMENTS = ("started_at", "finished_at", "committed_at")


def commit_landed(connection: duckdb.DuckDBPyConnection, landed: Landed) -> LoadResult:
    """Put a slice in its place; one that breaks a rule is refused whole, and the ledger says so."""
    try:
        return replace_slice(connection, landed)
    except (RefusedSliceError, LandingError) as error:
        log.error("%s", error)
        outcome = "refused" if isinstance(error, RefusedSliceError) else "failed"
        result = LoadResult(landed.slice, outcome, error=str(error))
        record_load(
            connection,
            result,
            started_at=landed.started_at,
            finished_at=landed.finished_at,
            metadata=landed.metadata,
            landing_file=landed.path.name,
            load_id=landed.load_id,
        )
        return result


def require_space_for(pieces: Sequence[Landed], folder: Path) -> None:
    """Raise DiskFullError before a commit that may not fit: twice the data, once in the log."""
    size = sum(_unpacked_bytes(piece.path) for piece in pieces)
    require_space(folder, 2 * size, f"store {len(pieces)} slices")


def _unpacked_bytes(path: Path) -> int:
    try:
        told = pq.read_metadata(path)
    except Exception:  # the commit itself says what is wrong with it
        return 0
    return sum(told.row_group(i).total_byte_size for i in range(told.num_row_groups))


# --- what the warehouse does not know yet -----------------------------------------------------


@dataclass(frozen=True)
class TakenIn:
    """What came of the files that were not in the warehouse."""

    loads: tuple[LoadResult, ...] = ()
    snapshots: tuple[Path, ...] = ()
    skipped: tuple[str, ...] = ()


def take_in(
    connection: duckdb.DuckDBPyConnection,
    landing: Path,
    *,
    only: Collection[str] | None = None,
) -> TakenIn:
    """Put everything in the warehouse that is whole in the landing and not in the ledger.

    ``only`` names the loads that count. Every page of a file is read first. A
    file that cannot be used is named and skipped; a damaged one is set aside
    under another name, never removed.
    """
    remove_unfinished(landing)
    known = {
        load for (load,) in connection.execute("select distinct load_id from ops.loads").fetchall()
    }
    skipped: list[str] = []
    snapshots: list[Path] = []
    for path in newest_snapshots(landing):
        if load_id_of(path) in known:
            continue
        try:
            verify(path)
            known |= load_snapshot(connection, path)
        except LandingError as error:
            skipped.append(_skip(path, error))
        else:
            snapshots.append(path)
    waiting: list[tuple[datetime, str, Path]] = []
    for path in landing_files(landing):
        load_id = load_id_of(path)
        if load_id is None or load_id in known or (only is not None and load_id not in only):
            continue
        try:
            waiting.append((moment_of(path), load_id, path))
        except LandingError as error:
            skipped.append(_skip(path, error))
    loads: list[LoadResult] = []
    for _, _, path in sorted(waiting):
        try:
            landed = read_landed(path)
            verify(path)
        except LandingError as error:
            skipped.append(_skip(path, error))
            continue
        result = commit_landed(connection, landed)
        if result.outcome == "failed":
            skipped.append(result.error)
        loads.append(result)
    return TakenIn(tuple(loads), tuple(snapshots), tuple(skipped))


def _skip(path: Path, error: LandingError) -> str:
    told = str(error)
    if isinstance(error, DamagedFileError):
        aside = path.with_name(f"{path.name}.damaged")
        path.rename(aside)
        told += f"; it is set aside as {aside.name}"
    log.error("skipped: %s", told)
    return told


# --- snapshots --------------------------------------------------------------------------------


def newest_snapshots(landing: Path) -> list[Path]:
    """The newest snapshot of each table of each account; an older one is left by a kill."""
    newest: dict[Path, Path] = {}
    for path in landing.rglob("snapshot_*.parquet"):
        if load_id_of(path) and path.name > newest.get(path.parent, Path()).name:
            newest[path.parent] = path
    return sorted(newest.values())


def read_snapshot(path: Path) -> dict[str, Any]:
    """What a snapshot says of itself. Raises LandingError when it cannot be used."""
    told = read_description(path)
    if told.get("kind") != "snapshot" or told["schema_version"] > SCHEMA_VERSION:
        raise LandingError(f"{path} is not a snapshot that this Koers can read")
    return told


def load_snapshot(connection: duckdb.DuckDBPyConnection, path: Path) -> set[str]:
    """Put a snapshot in place of all that is stored of its table and account.

    One transaction. What is newer than the snapshot is taken in again from its
    own files afterwards. Returns the loads that the snapshot stands for. Raises
    LandingError when it cannot be read; then everything stays as it was.
    """
    told = read_snapshot(path)
    table, scope = told["table"], [told["client"], told["account_id"]]
    try:
        columns = [
            name
            for name in pq.read_schema(path).names
            if name not in ("client", "loaded_at", "superseded_at")
        ]
        add_tables(connection, [table_of(told, path)])
        with transaction(connection):
            for place in ("raw", "history"):
                connection.execute(
                    f"delete from {place}.{table} where client = ? and account_id = ?",  # noqa: S608
                    scope,
                )
            connection.execute(
                "delete from ops.loads where client = ? and account_id = ? and table_name = ? "
                "and landing_file is not null",
                [*scope, table],
            )
            listed = ", ".join(f'"{name}"' for name in columns)
            connection.execute(
                f"insert into raw.{table} (client, {listed}, loaded_at) "  # noqa: S608
                f"select client, {listed}, loaded_at from read_parquet(?) "
                "where superseded_at is null",
                [str(path)],
            )
            connection.execute(
                f"insert into history.{table} "  # noqa: S608
                f"(client, {listed}, loaded_at, observed_at, superseded_at) "
                f"select client, {listed}, loaded_at, loaded_at, superseded_at "
                "from read_parquet(?) where superseded_at is not null",
                [str(path)],
            )
            store_loads(connection, told["loads"])
    except duckdb.Error as error:
        raise LandingError(f"{path} cannot be read: {error}") from error
    return {load["load_id"] for load in told["loads"]}


def read_loads(
    connection: duckdb.DuckDBPyConnection, load_ids: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """Rows of ops.loads as plain JSON values, in the order in which they were committed."""
    cursor = connection.execute("select * from ops.loads order by committed_at, finished_at")
    names = [column[0] for column in cursor.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [
        {name: str(value) if isinstance(value, date) else value for name, value in row.items()}
        for row in rows
        if load_ids is None or row["load_id"] in load_ids
    ]


def store_loads(connection: duckdb.DuckDBPyConnection, rows: Iterable[dict[str, Any]]) -> None:
    """The opposite of `read_loads`; columns that a row does not have are null."""
    for row in rows:
        values = {
            name: date.fromisoformat(value)
            if name in _DAYS and value
            else datetime.fromisoformat(value)
            if name in _MOMENTS and value
            else json.dumps(value)
            if isinstance(value, dict)
            else value
            for name, value in row.items()
        }
        names = ", ".join(values)
        marks = ", ".join("?" for _ in values)
        connection.execute(
            f"insert into ops.loads ({names}) values ({marks})",  # noqa: S608 (our own columns)
            list(values.values()),
        )
