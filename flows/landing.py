"""The landing: one immutable Parquet file for each slice that was fetched.

A file is written under a temporary name, synced and renamed, so that a file
that is there is whole. What is known of the slice travels in its metadata.
"""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq

from connectors.base import Reply, Slice

# raised when the columns or the meaning of a landing file change
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Landed:
    """A slice on disk, not yet in the warehouse."""

    slice: Slice
    path: Path
    rows: int
    announced_rows: int | None
    request_ids: tuple[str, ...]
    metadata: dict[str, Any]
    started_at: datetime
    finished_at: datetime


def land(piece: Slice, reply: Reply, folder: Path, started_at: datetime) -> Landed:
    """Write a reply to its file while it streams; at most one batch is in memory.

    Raises whatever reading the reply raises; nothing is left behind then.
    """
    directory = (
        folder / piece.table.source / piece.table.grain / piece.client
        / quote(piece.account.account_id, safe="")
    )  # fmt: skip
    directory.mkdir(parents=True, exist_ok=True)
    name = f"{piece.window.start}_{piece.window.end}_{uuid.uuid4().hex[:12]}.parquet"
    path, partial = directory / name, directory / f".{name}.partial"
    rows = 0
    try:
        with pq.ParquetWriter(partial, piece.table.schema, compression="zstd") as writer:
            for batch in reply.batches:
                writer.write_batch(batch)
                rows += batch.num_rows
            finished_at = now()
            writer.add_key_value_metadata(
                {"koers": _described(piece, reply, rows, started_at, finished_at)}
            )
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.rename(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return Landed(
        slice=piece,
        path=path,
        rows=rows,
        announced_rows=reply.announced_rows,
        request_ids=tuple(reply.request_ids),
        metadata=dict(reply.metadata),
        started_at=started_at,
        finished_at=finished_at,
    )


def _described(
    piece: Slice, reply: Reply, rows: int, started_at: datetime, finished_at: datetime
) -> str:
    return json.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "client": piece.client,
            "table": piece.table.name,
            "account_id": piece.account.account_id,
            "window": [str(piece.window.start), str(piece.window.end)],
            "rows": rows,
            "announced_rows": reply.announced_rows,
            "request_ids": reply.request_ids,
            "metadata": reply.metadata,
            "started_at": started_at.isoformat(),
            "finished_at": finished_at.isoformat(),
        }
    )


def read_description(path: Path) -> dict[str, Any]:
    """What a landing file says of itself."""
    told = pq.read_metadata(path).metadata or {}
    described: dict[str, Any] = json.loads(told[b"koers"])
    return described


def now() -> datetime:
    """The present moment in UTC, without a zone, as all our timestamps are stored."""
    return datetime.now(UTC).replace(tzinfo=None)
