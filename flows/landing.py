"""The landing: one immutable Parquet file for each slice that was fetched.

A file is written under a temporary name, synced and renamed, so that a file
that is there is whole. Everything that is known of the slice travels in its
metadata, so that the warehouse can be made anew from these files alone. The
name tells the order in which they count: the moment at which the slice was
read, which is also the time that its rows carry.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.base import Account, Column, DateWindow, Reply, Slice, SourceError, Table
from connectors.tables import ALL

# raised when the columns or the meaning of a landing file change
SCHEMA_VERSION = 2
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# the second is what a system does with a disk that fails
DISK_FAILED = (errno.EIO, errno.EROFS)

# file systems take 255 bytes, some less
LONGEST_NAME = 200

_TABLES = {table.name: table for table in ALL}
# columns that a snapshot has beside those of its table
_OF_SNAPSHOTS = ("client", "loaded_at", "superseded_at")
_NAME = re.compile(r"_(\d{8}T\d{12})Z_([0-9a-f]{12}|[0-9a-f]{32})\.parquet\Z")
# files of version 1 had no moment in their name
_OLD_NAME = re.compile(r"_([0-9a-f]{12})\.parquet\Z")
_UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.partial")
_MOMENT = "%Y%m%dT%H%M%S%f"


class LandingError(Exception):
    """A landing file cannot be used; the text names it."""


@dataclass(frozen=True)
class Recorded:
    """What a landing file remembers of what was asked for a table that a user defined."""

    condition: str


class DamagedFileError(LandingError):
    """What is in a landing file is not what was written."""


@dataclass(frozen=True)
class Landed:
    """A slice on disk, not yet in the warehouse.

    ``finished_at`` is when the slice had been read: the time of what it says.
    ``load_id`` is that of its row in ops.loads. ``declared`` are the columns
    that the Koers which read it asked for.
    """

    slice: Slice
    path: Path
    rows: int
    announced_rows: int | None
    request_ids: tuple[str, ...]
    metadata: dict[str, Any]
    started_at: datetime
    finished_at: datetime
    load_id: str
    declared: tuple[str, ...]


def land(piece: Slice, reply: Reply, folder: Path, started_at: datetime) -> Landed:
    """Write a reply to its file while it streams; at most one batch is in memory.

    Raises whatever reading the reply raises, and SourceError when the disk is
    full; nothing is left behind then.
    """
    directory = directory_of(folder, piece.client, piece.table.name, piece.account.account_id)
    directory.mkdir(parents=True, exist_ok=True)
    load_id = uuid.uuid4().hex
    partial = directory / f".{load_id}.partial"
    rows = 0
    batches = iter(reply.batches)
    # held for as long as this process writes: what nobody holds was left by a kill
    held = partial.open("wb")
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        first = next(batches, None)
        # what arrives is kept as it is: the warehouse says what of it can be used
        schema = piece.table.schema if first is None else first.schema
        with pq.ParquetWriter(
            partial, schema, compression="zstd", write_page_checksum=True
        ) as writer:
            if first is not None:
                writer.write_batch(first)
                rows = first.num_rows
            del first  # before the next is read: a batch may be a page of 250,000 rows
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
                del batch
            landed = Landed(
                slice=piece,
                path=partial,
                rows=rows,
                announced_rows=reply.announced_rows,
                request_ids=tuple(reply.request_ids),
                metadata=dict(reply.metadata) | _condition(piece.table),
                started_at=started_at,
                finished_at=now(),
                load_id=load_id,
                declared=tuple(column.name for column in piece.table.columns),
            )
            writer.add_key_value_metadata({"koers": json.dumps(describe(landed))})
        sync(partial)
        path = directory / name_of(landed)
        partial.rename(path)
        sync(directory)
    except OSError as problem:
        # never synced once more: after an error the system takes what is lost for written
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        if problem.errno in DISK_FULL:
            raise SourceError(
                f"{piece}: the disk is full, {folder} takes no more",
                hint="what was loaded before is intact; free some space and run again",
                scope="source",
            ) from problem
        if problem.errno in DISK_FAILED:
            raise SourceError(
                f"{piece}: the disk fails, {folder} cannot be written ({problem.strerror})",
                hint="what was loaded before is intact; look at the disk and run again",
                scope="source",
            ) from problem
        raise
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    finally:
        held.close()
    return replace(landed, path=path)


def remove_unfinished(folder: Path) -> None:
    """Remove what killed runs had begun to write; what another run is writing stays."""
    for path in folder.rglob(".*.partial"):
        if not _UNFINISHED.fullmatch(path.name):
            continue
        with suppress(OSError), path.open("rb") as begun:
            fcntl.flock(begun, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def directory_of(folder: Path, client: str, table_name: str, account_id: str) -> Path:
    """Where the files of one table of one account lie."""
    source, grain = table_name.split("__", 1)
    return folder / source / grain / client / _as_name(account_id)


def _as_name(account_id: str) -> str:
    """An account's id as one name on any file system: no two ids share one, whatever the case."""
    # of what is left as it is only dots mean something to a file system
    told = "".join(
        f"%{ord(sign):02X}" if "A" <= sign <= "Z" else quote(sign, safe="") for sign in account_id
    )
    if told.strip(".") and len(told) <= LONGEST_NAME:
        return told
    return f"{told[:100].strip('.')}~{hashlib.sha256(account_id.encode()).hexdigest()[:32]}"


def name_of(landed: Landed) -> str:
    window = landed.slice.window
    moment = landed.finished_at.strftime(_MOMENT)
    return f"{window.start}_{window.end}_{moment}Z_{landed.load_id}.parquet"


def describe(landed: Landed) -> dict[str, Any]:
    """What a landing file says of itself: all that the warehouse needs, as plain JSON values."""
    piece, account = landed.slice, landed.slice.account
    return {
        "schema_version": SCHEMA_VERSION,
        "load_id": landed.load_id,
        "client": piece.client,
        "source": piece.table.source,
        "table": piece.table.name,
        **described_table(piece.table),
        "account_id": account.account_id,
        "account": {
            "name": account.name,
            "currency_code": account.currency_code,
            "time_zone": account.time_zone,
            "status": account.status,
        },
        "window": [str(piece.window.start), str(piece.window.end)],
        "as_of": str(piece.as_of) if piece.as_of else None,
        "columns": list(landed.declared),
        "rows": landed.rows,
        "announced_rows": landed.announced_rows,
        "request_ids": list(landed.request_ids),
        "metadata": landed.metadata,
        "started_at": landed.started_at.isoformat(),
        "finished_at": landed.finished_at.isoformat(),
    }


def condition_of(table: Table) -> str | None:
    """What decides which rows a user's table has; None for a table of Koers' own."""
    return None if table.asks is None else str(getattr(table.asks, "condition", ""))


def _condition(table: Table) -> dict[str, str]:
    condition = condition_of(table)
    return {} if condition is None else {"condition": condition}


def described_table(table: Table) -> dict[str, Any]:
    """What a file has to say of a table that is in nobody's code, such as a user's report."""
    if table.asks is None:
        return {}
    counts = [column.name for column in table.columns if column.is_count]
    return {"report": {"key": list(table.key), "counts": counts} | _condition(table)}


def sync(path: Path) -> None:
    """Make sure that a file, or the names in a folder, outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- reading ----------------------------------------------------------------------------------


def read_description(path: Path) -> dict[str, Any]:
    """What a landing file says of itself. Raises LandingError when it cannot be read."""
    try:
        told = pq.read_metadata(path).metadata or {}
        described: dict[str, Any] = json.loads(told[b"koers"])
    except (OSError, ValueError, KeyError, pa.ArrowException) as problem:
        raise _unreadable(path, problem) from problem
    return described


def read_landed(path: Path) -> Landed:
    """A slice as it was landed. Raises LandingError when the file cannot be used."""
    described = read_description(path)
    try:
        return replace(landed_of(described, path), finished_at=moment_of(path, described))
    except (KeyError, ValueError, TypeError) as problem:
        raise LandingError(f"{path} says nothing usable of itself: {problem!r}") from problem


def landed_of(described: dict[str, Any], path: Path) -> Landed:
    """The slice that a description tells of. Raises LandingError, KeyError or ValueError."""
    if described["schema_version"] > SCHEMA_VERSION:
        raise LandingError(f"{path} was written by a newer Koers; install that one")
    table = table_of(described, path)
    account = described.get("account") or {}
    as_of = described.get("as_of")
    return Landed(
        slice=Slice(
            described["client"],
            table,
            Account(
                table.source,
                described["account_id"],
                name=account.get("name") or "",
                currency_code=account.get("currency_code"),
                time_zone=account.get("time_zone"),
                status=account.get("status") or "enabled",
            ),
            DateWindow(*(date.fromisoformat(day) for day in described["window"])),
            date.fromisoformat(as_of) if as_of else None,
        ),
        path=path,
        rows=described["rows"],
        announced_rows=described["announced_rows"],
        request_ids=tuple(described["request_ids"]),
        metadata=described["metadata"],
        started_at=datetime.fromisoformat(described["started_at"]),
        finished_at=datetime.fromisoformat(described["finished_at"]),
        load_id=described.get("load_id") or load_id_of(path) or "",
        # files of version 1 had exactly the columns that were asked for
        declared=tuple(described.get("columns") or pq.read_schema(path).names),
    )


def table_of(described: dict[str, Any], path: Path) -> Table:
    """The table that a file is of. Raises LandingError for one that nobody knows."""
    known = _TABLES.get(described["table"])
    if known is not None:
        return known
    report = described.get("report")
    if report is None:
        raise LandingError(f"{path} is of a table that Koers does not know: {described['table']}")
    source, _, grain = described["table"].partition("__")
    return Table(
        source,
        grain,
        tuple(
            Column(field.name, field.type, is_count=field.name in report["counts"])
            for field in pq.read_schema(path)
            if field.name not in _OF_SNAPSHOTS
        ),
        tuple(report["key"]),
        optional=True,
        asks=Recorded(report.get("condition", "")),
    )


def verify(path: Path) -> None:
    """Read every page of a file. Raises LandingError when one is damaged."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for _ in file.iter_batches():
                pass
    except (OSError, ValueError, pa.ArrowException) as problem:
        raise _unreadable(path, problem) from problem


def load_id_of(path: Path) -> str | None:
    """The load that a file belongs to, told by its name; None for a file that is not ours."""
    found = _NAME.search(path.name)
    if found:
        return found[2]
    old = _OLD_NAME.search(path.name)
    return old[1] if old else None


def moment_of(path: Path, described: dict[str, Any] | None = None) -> datetime:
    """When a file's slice counts as read: told by its name. Raises LandingError."""
    found = _NAME.search(path.name)
    if found:
        return datetime.strptime(found[1], _MOMENT)  # noqa: DTZ007 (UTC, as all our timestamps)
    return datetime.fromisoformat((described or read_description(path))["finished_at"])


def landing_files(folder: Path) -> Iterator[Path]:
    """All slices in the landing, in no order; what is only being written is not among them."""
    for directory, _, names in os.walk(folder):
        for name in names:
            if not name.startswith((".", "snapshot_")) and name.endswith(".parquet"):
                yield Path(directory, name)


def found_again(landed: Landed) -> Landed:
    """The slice where it lies now: another run may have given its file a later moment."""
    if landed.path.exists():
        return landed
    for path in landed.path.parent.glob(f"*_{landed.load_id}.parquet"):
        return read_landed(path)
    raise LandingError(f"{landed.path} is gone; run again to read it once more")


def put_off(landed: Landed, moment: datetime) -> Landed:
    """Let a slice count from a later moment on; its file is renamed for it."""
    moved = replace(landed, finished_at=moment)
    moved = replace(moved, path=landed.path.parent / name_of(moved))
    landed.path.rename(moved.path)
    sync(moved.path.parent)
    return moved


def _unreadable(path: Path, problem: BaseException) -> LandingError:
    """Damage where Arrow says so; where the system says it, the file may be well."""
    by_the_system = isinstance(problem, OSError) and problem.errno is not None
    kind = LandingError if by_the_system else DamagedFileError
    return kind(f"{path} cannot be read: {_first_line(problem)}")


def _first_line(problem: BaseException) -> str:
    return next(iter(str(problem).splitlines()), type(problem).__name__)


def now() -> datetime:
    """The present moment in UTC, without a zone, as all our timestamps are stored."""
    return datetime.now(UTC).replace(tzinfo=None)
