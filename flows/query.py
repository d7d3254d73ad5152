"""`koers query`: one SQL statement that only reads, on the published copy of the warehouse.

It keeps nobody waiting and changes nothing: the copy is opened read-only,
without access to files or extensions, and the configuration is locked.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from flows.database_file import of_the_disk
from flows.exports import require_published
from flows.project import Project
from flows.summary import as_table, shortened
from flows.table_files import in_place, tidy, without_formula

FileFormat = Literal["csv", "json", "parquet"]
# what a person reads at a terminal, and how much of a long text
SCREEN_ROWS = 100
SCREEN_SIGNS = 60
_ROWS_AT_A_TIME = 50_000

_READING = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "python_enable_replacements": "false",  # a name in SQL is never a variable of ours
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}

Row = tuple[Any, ...]


class QueryError(Exception):
    """The statement cannot be run as it is; the text says why, and where in it."""


@dataclass(frozen=True)
class Answer:
    """The columns of an answer, and its rows as they come; they can be read once."""

    columns: tuple[str, ...]
    types: tuple[str, ...]  # as DuckDB calls them
    reader: pa.RecordBatchReader

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in pieces. Raises QueryError for what fails on the way."""
        while True:
            try:
                with _interrupted():
                    batch = self.reader.read_next_batch()
            except StopIteration:
                return
            except (duckdb.Error, OSError, pa.ArrowException) as error:
                raise QueryError(_said(error)) from error
            yield batch

    def rows(self) -> Iterator[Row]:
        for batch in self.batches():
            yield from zip(*(array.to_pylist() for array in batch.columns), strict=True)


@contextmanager
def answering(project: Project, sql: str) -> Iterator[Answer]:
    """The answer to one statement, while the block runs.

    Raises QueryError for a statement that is wrong, that does more than read,
    or that is not one; NothingPublishedError before anything was published.
    """
    require_published(project)
    statement = _only_statement(sql)
    published = project.warehouse.published
    connection = duckdb.connect(str(published), read_only=True, config=_CONFIG)
    try:
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        try:
            with _interrupted():
                asked = connection.execute(statement)
            described = connection.description or []
            reader = asked.to_arrow_reader(_ROWS_AT_A_TIME)
        except duckdb.Error as error:
            full = of_the_disk(error, published.parent)
            raise full or QueryError(_said(error)) from error
        names = _each_once([str(column[0]) for column in described])
        yield Answer(tuple(names), tuple(str(column[1]) for column in described), reader)
    finally:
        connection.close()


@contextmanager
def _interrupted() -> Iterator[None]:
    """Raise KeyboardInterrupt for what DuckDB makes of it while it is busy."""
    try:
        yield
    except (RuntimeError, duckdb.InterruptException) as error:
        if "interrupt" in str(error).lower():
            raise KeyboardInterrupt from error
        raise


def _only_statement(sql: str) -> str:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(_said(error)) from error
    if not statements:
        raise QueryError('there is no statement; for example "select * from kpis.ctr limit 10"')
    kinds = [statement.type for statement in statements]
    if len(kinds) > 1 and "pivot" in sql.lower():
        raise QueryError("one statement at a time; a PIVOT says its columns: on x in ('a', 'b')")
    if len(kinds) > 1:
        raise QueryError(f"one statement at a time; there are {len(kinds)}")
    if kinds[0] not in _READING:
        raise QueryError(
            f"{kinds[0].name} is not possible: only statements that read (select, from, with, "
            "describe, summarize, show, explain) are run, and nothing can be changed"
        )
    told: str = statements[0].query
    return told


def _said(error: BaseException) -> str:
    """DuckDB's words for a mistake: what it is, and the line with a sign below the place."""
    return str(error).strip() or type(error).__name__


def _each_once(names: list[str]) -> list[str]:
    """A name that occurs again gets a number: `ctr`, `ctr_2`."""
    taken: set[str] = set()
    told = []
    for name in names:
        free, count = name, 1
        while free in taken:
            count += 1
            free = f"{name}_{count}"
        taken.add(free)
        told.append(free)
    return told


# --- saying it --------------------------------------------------------------------------------


def in_table(answer: Answer, limit: int | None, *, is_screen: bool) -> str:
    """Columns of text, with how many rows more there are when ``limit`` leaves some out."""
    rows = answer.rows()
    if answer.columns == ("explain_key", "explain_value"):
        return "\n".join(str(value) for _, value in rows)
    shown = [tuple(map(plain, row)) for row in islice(rows, limit)]
    left_out = sum(1 for _ in rows)
    if is_screen:
        shown = [tuple(_on_screen(cell) for cell in row) for row in shown]
    told = as_table(answer.columns, shown)
    if left_out:
        return f"{told}\n… and {left_out:,} rows more (--limit {len(shown) + left_out})"
    return told


def _on_screen(cell: Any) -> Any:
    return shortened(tidy(cell), SCREEN_SIGNS) if isinstance(cell, str) else cell


def as_document(answer: Answer, limit: int | None) -> dict[str, Any]:
    """Columns with their types, the rows as objects, and how many ``limit`` left out."""
    rows = answer.rows()
    shown = [dict(zip(answer.columns, map(plain, row), strict=True)) for row in islice(rows, limit)]
    columns = [
        {"name": name, "type": kind}
        for name, kind in zip(answer.columns, answer.types, strict=True)
    ]
    return {"columns": columns, "rows": shown, "rows_left_out": sum(1 for _ in rows)}


def as_csv(answer: Answer, limit: int | None) -> Iterator[str]:
    """The lines of a CSV, the heading first; no text in it is a formula or moves the terminal."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")

    def line(cells: Iterator[Any]) -> str:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow(list(cells))
        return buffer.getvalue()

    yield line(_csv_cell(name) for name in answer.columns)
    for row in islice(answer.rows(), limit):
        yield line(_csv_cell(cell) for cell in row)


def _csv_cell(cell: Any) -> Any:
    told = plain(cell)
    if isinstance(told, bool):
        return "true" if told else "false"
    if isinstance(told, list | dict):
        told = json.dumps(told, ensure_ascii=False)
    return without_formula(tidy(told)) if isinstance(told, str) else told


def plain(value: Any) -> Any:
    """A value as JSON knows it: days and moments as ISO, what is no number as nothing."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date | time):  # a moment is a date too
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, pa.MonthDayNano):
        return _interval(value)
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    return value


def _interval(value: Any) -> str:
    months, days, nanoseconds = value
    parts = [f"{months} months"] * bool(months) + [f"{days} days"] * bool(days)
    clock = timedelta(microseconds=nanoseconds // 1000)
    return " ".join([*parts, str(clock)] if clock or not parts else parts)


# --- as a file --------------------------------------------------------------------------------


def write_answer(
    answer: Answer,
    path: Path,
    form: FileFormat,
    limit: int | None,
    said: Callable[[dict[str, Any]], str],
) -> int:
    """Write an answer to a file, which is there whole or not at all; returns its rows.

    ``said`` makes a JSON document a text. Raises QueryError for an answer that
    the format has no type for.
    """
    with in_place([path]) as (partial,):
        if form == "parquet":
            return _write_parquet(answer, partial, limit)
        with partial.open("w", encoding="utf-8", newline="") as file:
            if form == "json":
                document = as_document(answer, limit)
                file.write(said(document) + "\n")
                return len(document["rows"])
            lines = 0
            for line in as_csv(answer, limit):
                file.write(line)
                lines += 1
    return lines - 1


def _write_parquet(answer: Answer, path: Path, limit: int | None) -> int:
    """The rows as they are: exact types, exact texts."""
    names = list(answer.columns)
    fields = zip(answer.reader.schema, names, strict=True)
    schema = pa.schema([field.with_name(name) for field, name in fields])
    count = 0
    try:
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in answer.batches():
                kept = batch if limit is None else batch.slice(0, limit - count)
                writer.write_batch(kept.rename_columns(names))
                count += kept.num_rows
    except pa.ArrowNotImplementedError as error:
        raise QueryError(f"Parquet cannot hold this answer: {error}") from error
    return count
