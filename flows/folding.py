"""Keeping the landing small: old slices folded into one snapshot of what they came to.

A snapshot holds the rows that counted after the last slice that it stands for,
every older version with its times, and the ledger's rows of those slices: what
a rebuild needs. It is whole before the first old file is removed, so that a kill
leaves both, and the next fold cleans up.
"""

from __future__ import annotations

import fcntl
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from flows.database_file import of_the_disk, require_space
from flows.intake import (
    commit_landed,
    load_snapshot,
    newest_snapshots,
    read_loads,
    read_snapshot,
)
from flows.killpoints import reach
from flows.landing import (
    SCHEMA_VERSION,
    LandingError,
    described_table,
    landing_files,
    load_id_of,
    moment_of,
    now,
    read_landed,
    sync,
    verify,
)
from flows.warehouse import Warehouse, confine, prepare

log = logging.getLogger("koers")

# a month of daily runs: below that a snapshot would be written anew for too little
FOLD_AT_ONCE = 30


@dataclass(frozen=True)
class Folded:
    """One table of one account: how many files became which snapshot."""

    snapshot: Path
    files: int
    bytes_before: int
    bytes_after: int


@contextmanager
def landing_to_ourselves(landing: Path, wait: bool = True) -> Iterator[bool]:
    """Keep others from folding while the block runs; False when somebody else does and no wait."""
    landing.mkdir(parents=True, exist_ok=True)
    with (landing / ".folding.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def fold_landing(
    warehouse: Warehouse,
    retention_days: int,
    *,
    moment: datetime | None = None,
    at_once: int = FOLD_AT_ONCE,
) -> list[Folded]:
    """Fold what is older than ``retention_days``, where there is enough of it to be worth it.

    The warehouse is only asked, for as long as it takes to read its ledger.
    """
    before = (moment or now()) - timedelta(days=retention_days)
    with landing_to_ourselves(warehouse.landing, wait=False) as ours:
        if not ours or not warehouse.exists:
            return []
        _remove(list(warehouse.landing.rglob(".snapshot_*.partial")))  # left by a kill
        crowded = {
            directory: files
            for directory, files in _old_files(warehouse.landing, before).items()
            if len(files) >= at_once
        }
        if not crowded:
            return []
        with warehouse.open() as connection:
            ledger = {row["load_id"]: row for row in read_loads(connection)}
        folded = []
        for directory, files in sorted(crowded.items()):
            try:
                done = _fold(warehouse.landing, directory, files, ledger)
            except (LandingError, OSError) as problem:
                if not isinstance(problem, LandingError) and not of_the_disk(problem, directory):
                    raise
                log.warning("%s stays as it is: %s", directory, problem)
                continue
            if done:
                folded.append(done)
        return folded


def _old_files(landing: Path, before: datetime) -> dict[Path, list[Path]]:
    """By folder the files whose slice was read before a moment, in the order that counts."""
    found: dict[Path, list[tuple[datetime, Path]]] = {}
    for path in landing_files(landing):
        if load_id_of(path) is None:
            continue
        try:
            read_at = moment_of(path)
        except LandingError:
            continue  # a rebuild names it; here it is in nobody's way
        if read_at < before:
            found.setdefault(path.parent, []).append((read_at, path))
    return {directory: [path for _, path in sorted(files)] for directory, files in found.items()}


def _fold(
    landing: Path, directory: Path, files: Sequence[Path], ledger: dict[str, dict[str, Any]]
) -> Folded | None:
    loads = {path: load_id_of(path) or "" for path in files}
    if not all(load_id in ledger for load_id in loads.values()):
        return None  # a run has to take in what is not in the warehouse yet
    earlier = [path for path in newest_snapshots(landing) if path.parent == directory]
    stood_for = [row for path in earlier for row in read_snapshot(path)["loads"]]
    done = {row["load_id"] for row in stood_for}
    fresh = [path for path in files if loads[path] not in done]
    if not fresh:  # a kill came between a snapshot and the removal of what it stands for
        _remove(files)
        return None
    counting = [p for p in fresh if ledger[loads[p]]["outcome"] in ("loaded", "empty")]
    require_space(directory, sum(path.stat().st_size for path in [*files, *earlier]), "fold")
    connection = duckdb.connect(":memory:")
    try:
        confine(connection, landing)
        prepare(connection)
        if earlier:
            verify(earlier[0])
            load_snapshot(connection, earlier[0])
        landed = None
        for path in counting:
            verify(path)
            landed = read_landed(path)
            result = commit_landed(connection, landed)
            if result.outcome not in ("loaded", "empty"):
                raise LandingError(f"{path} is no longer accepted: {result.error}")
        if landed is None:
            _remove(fresh)
            return None
        piece = landed.slice
        told = {
            "kind": "snapshot",
            "schema_version": SCHEMA_VERSION,
            "client": piece.client,
            "table": piece.table.name,
            **described_table(piece.table),
            "account_id": piece.account.account_id,
            "account": {
                "name": piece.account.name,
                "currency_code": piece.account.currency_code,
                "time_zone": piece.account.time_zone,
                "status": piece.account.status,
            },
            "loads": [*stood_for, *(ledger[loads[path]] for path in fresh)],
        }
        # named after the last slice that it stands for
        snapshot = directory / f"snapshot_{landed.path.name.split('_', 2)[2]}"
        _write(connection, piece.table.name, told, snapshot)
    finally:
        connection.close()
    reach("folded")
    before = sum(path.stat().st_size for path in [*files, *earlier])
    _remove([*files, *(path for path in earlier if path != snapshot)])
    return Folded(snapshot, len(files), before, snapshot.stat().st_size)


def _write(
    connection: duckdb.DuckDBPyConnection, table: str, told: dict[str, Any], path: Path
) -> None:
    columns = [
        f'"{name}"'
        for (name,) in connection.execute(
            "select column_name from duckdb_columns() where schema_name = 'raw' and table_name = ? "
            "and column_name <> 'loaded_at' order by column_index",
            [table],
        ).fetchall()
    ]
    listed = ", ".join(columns)
    rows: pa.RecordBatchReader = connection.execute(
        f"select {listed}, loaded_at, null::timestamp as superseded_at from raw.{table} "  # noqa: S608
        f"union all by name select {listed}, loaded_at, superseded_at from history.{table} "
        "order by all"
    ).to_arrow_reader()
    partial = path.with_name(f".{path.name}.partial")
    try:
        with pq.ParquetWriter(
            partial, rows.schema, compression="zstd", write_page_checksum=True
        ) as writer:
            for batch in rows:
                writer.write_batch(batch)
            writer.add_key_value_metadata({"koers": json.dumps(told)})
        verify(partial)
        sync(partial)
        partial.rename(path)
        sync(path.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _remove(files: Sequence[Path]) -> None:
    for path in files:
        path.unlink(missing_ok=True)
        reach("removing")
