"""Tables as files for other programs: CSV, Parquet and Excel, each in place whole or not at all.

Texts come from outside (campaigns, accounts, targets): control characters and
direction marks are taken out and what is very long is cut, and no cell of a
CSV or a sheet is ever a formula.
"""

from __future__ import annotations

import math
import re
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from flows.database_file import telling_of_the_disk
from flows.landing import sync
from flows.report import formats

Format = Literal["csv", "parquet", "xlsx"]
Kind = Literal["text", "day", "moment", "count", "flag", "number", "fraction", "ratio", "amount"]

# longer than any name that a platform allows, shorter than what a cell of Excel holds (32,767)
MOST_SIGNS = 1_000
# rows below the heading: https://support.microsoft.com/office/1672b34d-7043-467e-8e27-269d656771c3
MOST_SHEET_ROWS = 1_048_575
_SHEET_NAME_LENGTH = 31

_ARROW: dict[str, pa.DataType] = {
    "text": pa.string(),
    "day": pa.date32(),
    "moment": pa.timestamp("us"),
    "count": pa.int64(),
    "flag": pa.bool_(),
}
# With what a program takes a cell for a formula; the wide ones count in East Asian settings.
# Source: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")
_AMOUNT = "#,##0.00"
_NUMBER_FORMATS = {
    "number": "#,##0.####",
    "fraction": "0.00%",
    "ratio": "0.00",
    "amount": _AMOUNT,
    "count": "#,##0",
    "day": "yyyy-mm-dd",
    "moment": "yyyy-mm-dd hh:mm",
}
_WIDTHS = {"text": 24, "day": 12, "moment": 17, "flag": 8}
_WORKBOOK = {
    "constant_memory": True,  # rows go to the disk as they come
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True)
class Column:
    """One column: its name with its unit, and what its cells are.

    ``fraction``, ``ratio`` and ``amount`` are numbers that a sheet formats as such.
    A ``number`` takes after the cells of the column called ``unit`` (fraction,
    ratio, amount or count) where its table has one, and an amount after ``currency_code``.
    """

    name: str
    kind: Kind

    @property
    def arrow(self) -> pa.DataType:
        return _ARROW.get(self.kind, pa.float64())


@dataclass(frozen=True)
class Table:
    """Rows to write, read anew each time ``batches`` is called, in the order of ``columns``."""

    name: str
    columns: tuple[Column, ...]
    batches: Callable[[], Iterable[pa.RecordBatch]]

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(column.name, column.arrow) for column in self.columns])

    def tidied(self) -> Iterator[pa.RecordBatch]:
        """The rows with every text made harmless to whoever looks at it."""
        for batch in self.batches():
            cast = batch.cast(self.schema)
            yield pa.record_batch([_tidied(array) for array in cast.columns], schema=self.schema)


def tidy(text: str) -> str:
    """One line without control characters, direction marks or invisible signs; '' stays ''."""
    return formats.name(text, MOST_SIGNS) if text else ""


def without_formula(text: str) -> str:
    """A text that no spreadsheet takes for a formula when it opens a CSV."""
    return f"'{text}" if _FORMULA.match(text.lstrip()) else text


@contextmanager
def in_place(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Files beside ``paths`` to write; all of them take their places when the block ends well.

    Raises DiskFullError or DiskFailedError for what says so.
    """
    partials = [path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial") for path in paths]
    try:
        with ExitStack() as disks:
            for folder in {path.parent for path in paths}:
                folder.mkdir(parents=True, exist_ok=True)
                disks.enter_context(telling_of_the_disk(folder))
            yield partials
            for partial in partials:
                sync(partial)
            for partial, path in zip(partials, paths, strict=True):
                partial.replace(path)
    except BaseException:
        for partial in partials:
            partial.unlink(missing_ok=True)
        raise


def write_csv(file: BinaryIO, table: Table, *, with_bom: bool = False) -> int:
    """Comma-separated UTF-8 with a decimal point; texts are quoted, numbers are not.

    Nothing (null) is an empty cell, an empty text is `""`. A text that a
    spreadsheet would take for a formula begins with an apostrophe. Excel
    reads UTF-8 only in a file that begins with a byte order mark. Returns how
    many rows it wrote, as the others do.
    """
    options = pa_csv.WriteOptions(include_header=False, quoting_style="needed")
    names = [without_formula(tidy(column.name)) for column in table.columns]
    heading = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    file.write(("\ufeff" if with_bom else "").encode() + f"{heading}\n".encode())
    count = 0
    with pa_csv.CSVWriter(file, table.schema, write_options=options) as writer:
        for batch in table.tidied():
            arrays = [_mapped(array, without_formula) for array in batch.columns]
            writer.write_batch(pa.record_batch(arrays, schema=table.schema))
            count += batch.num_rows
    return count


def write_parquet(path: Path, table: Table) -> int:
    count = 0
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for batch in table.tidied():
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def write_workbook(path: Path, tables: Sequence[Table], made_at: datetime) -> dict[str, int]:
    """One sheet a table: typed cells, a frozen heading, a filter; texts are never formulas.

    Returns how many rows each table came to. Raises ValueError for one with
    more rows than a sheet takes.
    """
    import xlsxwriter

    rows: dict[str, int] = {}
    # on the same disk: a lack of room is told of the folder that was asked for
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".koers-") as scratch:
        book = xlsxwriter.Workbook(str(path), _WORKBOOK | {"tmpdir": scratch})
        book.set_properties({"author": "Koers", "created": made_at})
        styles = _Styles(book)
        names: set[str] = set()
        for table in tables:
            sheet = book.add_worksheet(_sheet_name(table.name, names))
            rows[table.name] = _fill_sheet(sheet, table, styles)
        book.close()
    return rows


# --- parts ------------------------------------------------------------------------------------


def _tidied(array: pa.Array) -> pa.Array:
    return _mapped(array, tidy)


def _mapped(array: pa.Array, told: Callable[[str], str]) -> pa.Array:
    """Every text through a function, each distinct one once; other arrays as they are."""
    if array.type != pa.string():
        return array
    known = array.dictionary_encode()
    texts = [None if text is None else told(text) for text in known.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(known.indices)


def _sheet_name(name: str, taken: set[str]) -> str:
    told = re.sub(r"[\[\]:*?/\\']", " ", tidy(name))[:_SHEET_NAME_LENGTH] or "sheet"
    count = 1
    base = told
    while told.lower() in taken:
        count += 1
        told = f"{base[: _SHEET_NAME_LENGTH - 4]} {count}"
    taken.add(told.lower())
    return told


class _Styles:
    """The formats of a workbook, each made once."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._known: dict[str, Any] = {}
        self.heading = book.add_format(
            {"bold": True, "bottom": 1, "text_wrap": True, "valign": "top", "bg_color": "#EEF2F6"}
        )

    def of(self, kind: str, unit: str | None, currency: str | None) -> Any:
        """How a cell of a kind is written; None for one that is written as it is."""
        if kind == "number" and unit:
            kind = unit
        told = _NUMBER_FORMATS.get(kind)
        if told is None:
            return None
        if kind == "amount" and currency and _CURRENCY.fullmatch(currency):
            told = f"[${currency}] {_AMOUNT}"
        if told not in self._known:
            self._known[told] = self._book.add_format({"num_format": told})
        return self._known[told]


def _fill_sheet(sheet: Any, table: Table, styles: _Styles) -> int:
    """Write a table into an empty sheet, row by row; returns how many there were."""
    for i, column in enumerate(table.columns):
        sheet.set_column(i, i, _WIDTHS.get(column.kind, 14))
        sheet.write_string(0, i, tidy(column.name), styles.heading)
    sheet.freeze_panes(1, 0)
    names = [column.name for column in table.columns]
    unit = names.index("unit") if "unit" in names else None
    money = names.index("currency_code") if "currency_code" in names else None
    looks: dict[tuple[str | None, str | None], list[Any]] = {}  # by unit and currency
    row = 0
    for batch in table.tidied():
        if row + batch.num_rows > MOST_SHEET_ROWS:
            raise ValueError(f"a sheet takes {MOST_SHEET_ROWS:,} rows; {table.name} has more")
        cells = [array.to_pylist() for array in batch.columns]
        for values in zip(*cells, strict=True):
            row += 1
            told = (
                None if unit is None else values[unit],
                None if money is None else values[money],
            )
            if told not in looks:
                looks[told] = [styles.of(column.kind, *told) for column in table.columns]
            for i, (value, look) in enumerate(zip(values, looks[told], strict=True)):
                if value is not None:
                    _write_cell(sheet, row, i, value, look)
    if row:
        sheet.autofilter(0, 0, row, len(table.columns) - 1)
    return row


def _write_cell(sheet: Any, row: int, column: int, value: Any, style: Any) -> None:
    if isinstance(value, str):
        sheet.write_string(row, column, value)
    elif isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, date):  # a moment is one too
        sheet.write_datetime(row, column, value, style)
    elif math.isfinite(value):  # a sheet has no sign for what is not
        sheet.write_number(row, column, value, style)
