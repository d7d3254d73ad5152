"""Cases of the SQL models: `tests/sql/<schema.model>/<case>/{given,expected}.yaml`.

`given.yaml` maps tables to rows; a column that is left out is null, and
`loaded_at` is noon of the last day. `expected.yaml` lists the model's rows, in
any order and with any of its columns; or it is a mapping of `query` and `rows`.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from flows.warehouse import prepare
from flows.yaml_loader import load_yaml

HERE = Path(__file__).parent
SQL = HERE.parent.parent / "sql"
LOADED_AT = "2026-11-20 12:00:00"


def case_folders() -> list[Path]:
    return sorted(path.parent for path in HERE.glob("*/*/given.yaml"))


def read(path: Path) -> Any:
    document = load_yaml(path)
    assert document.root is not None and not document.findings, document.findings
    return document.root.plain()


def open_empty() -> duckdb.DuckDBPyConnection:
    """A warehouse in memory, as confined as the real one."""
    connection = duckdb.connect(config={"enable_external_access": "false"})
    prepare(connection)
    return connection


@cache
def _shared() -> duckdb.DuckDBPyConnection:
    return open_empty()


def shared_empty() -> duckdb.DuckDBPyConnection:
    """One warehouse for many tests, emptied of its rows; every build makes its models anew."""
    connection = _shared()
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables() "
        "where schema_name in ('raw', 'history', 'ops') "
        "and estimated_size > 0"
    ).fetchall()
    for schema, table in tables:
        connection.execute(f"delete from {schema}.{table}")
    return connection


def insert(connection: duckdb.DuckDBPyConnection, given: dict[str, list[dict[str, Any]]]) -> None:
    for table, rows in given.items():
        for row in rows:
            told = ({"loaded_at": LOADED_AT} if table.startswith("raw.") else {}) | row
            places = ", ".join("?" for _ in told)
            connection.execute(
                f"insert into {table} ({', '.join(told)}) values ({places})", list(told.values())
            )


def rows_of(
    connection: duckdb.DuckDBPyConnection, model: str, expected: Any
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(found, expected) rows in the same order and the same types."""
    if isinstance(expected, dict):
        query, rows = expected["query"], expected["rows"]
    else:
        rows = expected
        columns = ", ".join(rows[0]) if rows else "*"
        query = f"select {columns} from {model}"
    result = connection.execute(query)
    names = [column[0] for column in result.description or []]
    found = [
        {name: plain(value) for name, value in zip(names, row, strict=True)}
        for row in result.fetchall()
    ]
    wanted = [{name: plain(value) for name, value in row.items()} for row in rows]
    return sorted(found, key=_order), sorted(wanted, key=_order)


def _order(row: dict[str, Any]) -> str:
    # 5 and 5.000000 are equal but are not written the same
    return str([v.normalize() if isinstance(v, Decimal) else v for v in row.values()])


def plain(value: Any) -> Any:
    """Numbers compare by value and exactly: 0.3 is 0.3, not 0.30000000000000004."""
    if isinstance(value, bool) or value is None:
        return value
    return Decimal(str(value)) if isinstance(value, int | float | Decimal) else str(value)
