"""`koers backup` and `koers restore`: whole copies of the warehouse, and the way back.

The database is closed first, so that one file holds everything: without its log
a DuckDB file that is in use may lack whole tables.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from flows.database_file import (
    WarehouseError,
    copy_whole,
    in_mb,
    stamped,
    swap_in,
    write_ahead_log,
)
from flows.landing import landing_files, load_id_of, now
from flows.migrations import VERSION, version_of
from flows.warehouse import Warehouse, connect, usable

log = logging.getLogger("koers")

KEPT = 7


@dataclass(frozen=True)
class Contents:
    """What a database holds, as far as people would miss it."""

    rows: int
    loads: int
    evaluations: int
    through: date | None
    written_at: datetime | None


@dataclass(frozen=True)
class BackedUp:
    path: Path
    bytes: int
    contents: Contents
    removed: tuple[Path, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "backup": self.path,
            "bytes": self.bytes,
            "rows": self.contents.rows,
            "evaluations": self.contents.evaluations,
            "through": self.contents.through,
            "removed": [str(path) for path in self.removed],
        }

    def in_words(self) -> str:
        lines = [f"removed {path}" for path in self.removed]
        lines.append(
            f"wrote {self.path}: {in_mb(self.bytes)}, {self.contents.rows:,} rows, data through "
            f"{self.contents.through}"
        )
        return "\n".join(lines)


@dataclass(frozen=True)
class Restored:
    path: Path
    contents: Contents
    kept: Path | None
    newer_files: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "restored": self.path,
            "rows": self.contents.rows,
            "evaluations": self.contents.evaluations,
            "through": self.contents.through,
            "replaced_kept_as": self.kept,
            "landing_files_to_take_in": self.newer_files,
        }

    def in_words(self) -> str:
        lines = [
            f"restored {self.path}: {self.contents.rows:,} rows, data through "
            f"{self.contents.through}"
        ]
        if self.kept:
            lines.append(f"what was there before is kept as {self.kept}")
        if self.newer_files:
            lines.append(
                f"the landing holds {self.newer_files} files that were read since; the next run "
                "takes them in"
            )
        return "\n".join(lines)


def backup_folder(database: Path) -> Path:
    """Where backups go unless told otherwise: beside the database."""
    return database.parent / "backups"


def backups(database: Path) -> list[Path]:
    """The dated backups of a database, oldest first."""
    name = re.compile(rf"{re.escape(database.stem)}-\d{{8}}T\d{{12}}\.duckdb\Z")
    folder = backup_folder(database)
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if name.match(path.name))


def newest_backup(database: Path) -> Path | None:
    return next(reversed(backups(database)), None)


def back_up(warehouse: Warehouse, to: Path | None = None, keep: int = KEPT) -> BackedUp:
    """Copy the warehouse to one file and read the copy; of the dated ones ``keep`` stay.

    Raises WarehouseError when there is nothing to copy or the copy is not what
    it should be, DiskFullError when there is no room.
    """
    if not warehouse.exists:
        raise WarehouseError(f"there is no warehouse at {warehouse.path} yet")
    path = to or _dated(warehouse.path)
    if path.is_dir():
        path = path / _dated(warehouse.path).name
    if path.resolve() == warehouse.path.resolve():
        raise WarehouseError(f"{path} is the warehouse itself; name another file")
    with warehouse.locked() as deadline:
        connection = usable(warehouse.path, deadline)
        try:
            connection.execute("checkpoint")
        finally:
            connection.close()
        for abandoned in path.parent.glob(f".{warehouse.path.stem}-*.partial"):
            abandoned.unlink()  # left by a kill: the lock says that nobody writes it
        copy_whole(warehouse.path, path)
    try:
        contents = examine(path)
    except WarehouseError:
        path.unlink()
        raise
    removed = [] if to else backups(warehouse.path)[: -max(keep, 1)]
    for old in removed:
        old.unlink()
    return BackedUp(path, path.stat().st_size, contents, tuple(removed))


def restore(warehouse: Warehouse, backup: Path) -> Restored:
    """Put a backup in the place of the warehouse, which is kept under another name.

    The copy is read from beginning to end first. Raises WarehouseError, and
    nothing has changed then, when it cannot be opened or is not a warehouse
    that this Koers can use.
    """
    if not backup.is_file():
        raise WarehouseError(f"there is no file {backup}")
    if backup.resolve() == warehouse.path.resolve():
        raise WarehouseError(f"{backup} is the warehouse itself; name a backup")
    made = warehouse.path.with_name(f".{warehouse.path.name}.restored")
    with warehouse.locked() as deadline:
        _close(warehouse.path, deadline)
        if write_ahead_log(backup).exists():
            raise WarehouseError(
                f"{backup} is in use or not whole: {write_ahead_log(backup)} is there"
            )
        made.unlink(missing_ok=True)
        try:
            copy_whole(backup, made)
            contents = examine(made)
            kept = stamped(warehouse.path, "replaced") if warehouse.exists else None
            if kept is None and write_ahead_log(warehouse.path).exists():
                kept = stamped(warehouse.path, "replaced")
            swap_in(made, warehouse.path, kept)
        finally:
            made.unlink(missing_ok=True)
            write_ahead_log(made).unlink(missing_ok=True)
    newer = _not_in(warehouse)
    warehouse.publish()
    return Restored(backup, contents, kept, newer)


def examine(path: Path) -> Contents:
    """Read a database from beginning to end. Raises WarehouseError when it is not whole."""
    connection = connect(path)
    try:
        version = version_of(connection)
        if version is None:
            raise WarehouseError(f"{path} is no warehouse of Koers")
        if version > VERSION:
            raise WarehouseError(f"{path} was made by a newer Koers; install that one")
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() order by all"
        ).fetchall()
        for schema, table in tables:  # every block is read, and its checksum compared
            connection.execute(
                f'select bit_xor(hash(t)) from "{schema}"."{table}" as t'  # noqa: S608
            ).fetchall()
        rows = sum(
            connection.execute(f'select count(*) from raw."{table}"').fetchall()[0][0]  # noqa: S608
            for schema, table in tables
            if schema == "raw"
        )
        loads, through, written = connection.execute(
            "select count(*), max(window_end), max(committed_at) from ops.loads "
            "where outcome in ('loaded', 'empty')"
        ).fetchall()[0]
        judged = connection.execute("select count(*) from ops.evaluations").fetchall()[0][0]
        connection.execute("checkpoint")
    except duckdb.Error as error:
        raise WarehouseError(
            f"{path} is damaged: {str(error).splitlines()[0]}; nothing was changed"
        ) from error
    finally:
        connection.close()
    return Contents(rows, loads, judged, through, written)


def _dated(database: Path) -> Path:
    return backup_folder(database) / f"{database.stem}-{now():%Y%m%dT%H%M%S%f}.duckdb"


def _close(path: Path, deadline: float) -> None:
    """Close what is there, whole, so that it can be kept. Raises WarehouseBusyError.

    One that cannot be opened is why people restore.
    """
    if not path.exists():
        return
    try:
        connection = connect(path, deadline)
    except WarehouseError:
        return
    try:
        connection.execute("checkpoint")
    except duckdb.Error:
        log.warning("%s cannot be closed properly; its log is kept with it", path)
    finally:
        connection.close()


def _not_in(warehouse: Warehouse) -> int:
    with warehouse.open() as connection:
        known = {load for (load,) in connection.execute("select load_id from ops.loads").fetchall()}
    return sum(load_id_of(path) not in known for path in landing_files(warehouse.landing))
