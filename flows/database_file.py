"""The database as a file: room on the disk, whole copies, and what is damaged set aside."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import duckdb

from flows.killpoints import reach
from flows.landing import DISK_FAILED, DISK_FULL, now, sync

# what DuckDB needs beside the data itself: a few row groups and its log
SPARE_BYTES = 16 * 1024 * 1024

_FULL = re.compile(
    r"no space left|disk quota|file too large|out of disk|failed to offload|"
    r"max_temp_directory_size",
    re.IGNORECASE,
)
# the first is DuckDB's own word for it, and the last what a system does with a disk that fails
_FAILED = re.compile(r"fsync failed|input/output error|read-only file system", re.IGNORECASE)


class WarehouseError(Exception):
    """The warehouse cannot be used as it is; the text says what to do."""


class DiskFullError(WarehouseError):
    """There is no room; nothing that was there before has changed."""


class DiskFailedError(WarehouseError):
    """The disk itself takes nothing; what was written before is as it was."""


def require_space(folder: Path, needed_bytes: int, purpose: str) -> None:
    """Raise DiskFullError when less than ``needed_bytes`` and some spare are free in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + SPARE_BYTES:
        raise DiskFullError(
            f"too little room on the disk to {purpose}: {in_mb(free)} free in {folder}, "
            f"{in_mb(needed_bytes + SPARE_BYTES)} needed; nothing was changed: free some space "
            "and run again"
        )


def is_damaged(error: BaseException) -> bool:
    """True where DuckDB finds that a block of its file is not what it wrote."""
    return "corrupt database file" in str(error).lower()


def is_disk_full(error: BaseException) -> bool:
    """Whether an error of DuckDB or of the system says that there is no room left."""
    if isinstance(error, OSError):
        return error.errno in DISK_FULL
    return bool(_FULL.search(str(error)))


def is_disk_failed(error: BaseException) -> bool:
    """Whether an error of DuckDB or of the system says that the disk cannot be written to."""
    if isinstance(error, OSError):
        return error.errno in DISK_FAILED
    return bool(_FAILED.search(str(error)))


def of_the_disk(error: BaseException, place: Path) -> WarehouseError | None:
    """What an error says of the disk that holds ``place``, as an error of ours; None: nothing."""
    told = next(iter(str(error).splitlines()), type(error).__name__)
    if is_disk_full(error):
        return DiskFullError(
            f"the disk is full: {place} takes no more ({told}); what was "
            "there before is intact, free some space and run again"
        )
    if is_disk_failed(error):
        return DiskFailedError(
            f"the disk fails: {place} cannot be written ({told}); what was "
            "there before is intact, look at the disk and run again"
        )
    return None


@contextmanager
def telling_of_the_disk(place: Path) -> Iterator[None]:
    """Raise DiskFullError or DiskFailedError for whatever in the block says one or the other."""
    try:
        yield
    except (OSError, duckdb.Error) as error:
        problem = of_the_disk(error, place)
        if problem is None:
            raise
        raise problem from error


def in_mb(size: int) -> str:
    return f"{size / 1024 / 1024:,.1f} MB"


def write_ahead_log(database: Path) -> Path:
    """What DuckDB has committed and not yet put in the database file itself."""
    return Path(f"{database}.wal")


def stamped(path: Path, word: str, moment: datetime | None = None) -> Path:
    """A name beside ``path`` that nothing has yet: koers.duckdb.damaged-20261123T060112."""
    told = f"{path}.{word}-{moment or now():%Y%m%dT%H%M%S}"
    free, count = Path(told), 1
    while free.exists():
        count += 1
        free = Path(f"{told}-{count}")
    return free


def copy_whole(database: Path, to: Path) -> None:
    """Copy a closed database; ``to`` is there whole or not at all.

    Raises DiskFullError, and WarehouseError when the database still has a log.
    """
    if write_ahead_log(database).exists():
        raise WarehouseError(f"{database} is not closed: {write_ahead_log(database)} holds changes")
    to.parent.mkdir(parents=True, exist_ok=True)
    require_space(to.parent, database.stat().st_size, f"copy {database.name}")
    partial = to.with_name(f".{to.name}.partial")
    try:
        with telling_of_the_disk(to.parent):
            shutil.copyfile(database, partial)
            sync(partial)
        reach("copying")
        partial.replace(to)
        sync(to.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def swap_in(made: Path, database: Path, keep_as: Path | None) -> None:
    """Put a closed, whole database in the place of another, at one instant.

    ``keep_as`` keeps what was there, its log with it. Without one the old
    database must be closed: a log is never left beside a file that is not its own.
    """
    sync(made)
    log = write_ahead_log(database)
    if keep_as is not None and database.exists():
        try:
            keep_as.hardlink_to(database)
        except OSError:  # not every file system has links
            shutil.copyfile(database, keep_as)
    if log.exists():
        if keep_as is None:
            raise WarehouseError(f"{database} is not closed: {log} holds changes")
        log.rename(write_ahead_log(keep_as))
    reach("swapping")
    made.replace(database)
    sync(database.parent)
