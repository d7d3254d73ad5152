"""A landing of a few small slices, each read at a moment that the test chooses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from connectors.base import Account, DateWindow, Reply, Slice, Table
from connectors.tables import GSC_SITE_DAY
from flows.intake import commit_landed
from flows.landing import Landed, land, now, put_off
from flows.warehouse import LoadResult, Warehouse

CLIENT = "example"
SITE = "sc-domain:shop.example"
FIRST = date(2026, 11, 1)
MORNING = datetime(2026, 11, 10, 6, 0)  # noqa: DTZ001 (UTC, as all our timestamps)

TABLES = ("raw.search_console__site_day", "history.search_console__site_day")


def site_day(number: int, clicks: int) -> dict[str, Any]:
    """The day ``number`` of November."""
    return {
        "account_id": SITE,
        "date_day": date(2026, 11, number),
        "clicks": clicks,
        "impressions": 100,
        "position": 3.5,
        "is_provisional": False,
    }


def read(
    warehouse: Warehouse,
    rows: Sequence[dict[str, Any]],
    day: int = 0,
    days: tuple[int, int] = (1, 3),
    table: Table = GSC_SITE_DAY,
    schema: pa.Schema | None = None,
) -> Landed:
    """Land a slice as a run on the morning ``day`` days after the first one does."""
    moment = MORNING + timedelta(days=day)
    piece = Slice(
        CLIENT,
        table,
        Account(table.source, SITE, "The shop", "EUR", "Europe/Amsterdam"),
        DateWindow(date(2026, 11, days[0]), date(2026, 11, days[1])),
        moment.date(),
    )
    batch = pa.RecordBatch.from_pylist(list(rows), schema=schema or table.schema)
    reply = Reply(iter([batch]), request_ids=["r-1"], metadata={"note": "é"})
    return put_off(land(piece, reply, warehouse.landing, now()), moment)


def load(warehouse: Warehouse, *pieces: Landed) -> list[LoadResult]:
    with warehouse.open() as connection:
        return [commit_landed(connection, piece) for piece in pieces]


def three_mornings(warehouse: Warehouse) -> None:
    """A day restated, a day that vanished, a day that came back as it was, an empty slice."""
    load(warehouse, read(warehouse, [site_day(1, 5), site_day(2, 7), site_day(3, 9)], 0))
    load(warehouse, read(warehouse, [site_day(1, 6), site_day(3, 9)], 1))
    load(warehouse, read(warehouse, [site_day(1, 6), site_day(2, 7)], 2))
    load(warehouse, read(warehouse, [], 2, days=(4, 5)))


def everything(warehouse: Warehouse, *tables: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables but those that say when something was done to this very file."""
    with warehouse.open() as connection:
        return all_of(connection, *tables)


def all_of(connection: duckdb.DuckDBPyConnection, *tables: str) -> dict[str, list[tuple[Any, ...]]]:
    names = tables or [
        f"{schema}.{table}"
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_tables() "
            "where schema_name in ('raw', 'history', 'marts', 'ops') "
            "and table_name not in ('version', 'checks') order by all"
        ).fetchall()
    ]
    return {
        name: connection.execute(f"select * from {name} order by all").fetchall() for name in names
    }
