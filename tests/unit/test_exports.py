"""Tables as files: the same rows in CSV, Parquet and Excel, and no text that does anything."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows import table_files
from flows.cli import main
from flows.exports import (
    TARGET_COLUMNS,
    Days,
    NothingPublishedError,
    _days_that_fit,
    export,
    kpi_columns,
    kpi_table,
    target_row,
)
from flows.migrations import VERSION
from flows.project import Project
from flows.query import (
    Answer,
    QueryError,
    answering,
    as_csv,
    as_document,
    in_table,
    plain,
    write_answer,
)
from flows.readings import store_evaluations
from flows.settings import ConfigError, Settings
from flows.table_files import (
    Column,
    Table,
    in_place,
    tidy,
    without_formula,
    write_csv,
    write_workbook,
)
from flows.warehouse import OPS_DDL, Warehouse
from tests.golden import sample
from tests.unit.sheets import read_workbook

MADE = datetime(2026, 11, 20, 6, 0)  # noqa: DTZ001 (as the warehouse stores them: in UTC)
THINGS = (
    Column("name", "text"),
    Column("date_day", "day"),
    Column("at_utc", "moment"),
    Column("n", "count"),
    Column("is_late", "flag"),
    Column("ctr_fraction", "fraction"),
    Column("cost_amount", "amount"),
    Column("currency_code", "text"),
)


def table(*rows: tuple[Any, ...]) -> Table:
    schema = pa.schema([(column.name, column.arrow) for column in THINGS])
    cells = list(zip(*rows, strict=True)) if rows else [()] * len(THINGS)
    batch = pa.record_batch(
        [pa.array(list(told), field.type) for told, field in zip(cells, schema, strict=True)],
        schema=schema,
    )
    return Table("things", THINGS, lambda: [batch])


ROW = ("Merk", date(2026, 11, 19), MADE, 3, True, 0.047, -1234.5, "EUR")


def csv_of(told: Table, **how: bool) -> str:
    file = io.BytesIO()
    write_csv(file, told, **how)
    return file.getvalue().decode()


# --- the files --------------------------------------------------------------------------------


def test_a_csv_has_quoted_texts_plain_numbers_and_a_decimal_point() -> None:
    assert csv_of(table(ROW, (None,) * len(THINGS))).splitlines() == [
        '"name","date_day","at_utc","n","is_late","ctr_fraction","cost_amount","currency_code"',
        '"Merk",2026-11-19,2026-11-20 06:00:00.000000,3,true,0.047,-1234.5,"EUR"',
        ",,,,,,,",
    ]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠"])
def test_a_text_that_begins_like_a_formula_gets_an_apostrophe_and_a_number_does_not(
    sign: str,
) -> None:
    row = (f'{sign}cmd|"/c calc"!A1', *ROW[1:])
    told = list(csv.reader(io.StringIO(csv_of(table(row)))))
    assert told[1][0] == f'\'{sign}cmd|"/c calc"!A1'
    assert told[1][6] == "-1234.5"


@pytest.mark.parametrize("before", ["\t", "\r", "\n", " ", "\u200b", "\ufeff", "\x00"])
def test_a_formula_does_not_hide_behind_a_blank(before: str) -> None:
    told = csv_of(table((f"{before}=1+1", *ROW[1:])))
    assert told.splitlines()[1].startswith('"\'=1+1",')


def test_what_has_a_formula_sign_inside_stays_as_it_is() -> None:
    assert without_formula("Merk = sterk") == "Merk = sterk"
    assert without_formula("") == ""


def test_a_byte_order_mark_comes_only_when_asked_for() -> None:
    assert csv_of(table(ROW), with_bom=True).startswith('\ufeff"name"')
    assert csv_of(table(ROW)).startswith('"name"')


def test_an_empty_text_and_nothing_are_told_apart() -> None:
    first, second = csv_of(table(("", *ROW[1:]), (None, *ROW[1:]))).splitlines()[1:]
    assert first.startswith('"",')
    assert second.startswith(",2026")


def test_a_workbook_has_typed_cells_a_frozen_heading_and_no_formula(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    formula = ('=HYPERLINK("https://evil.example","klik")', *ROW[1:])
    counts = write_workbook(path, [table(ROW, formula)], MADE)
    assert counts == {"things": 2}
    sheet = read_workbook(path)["things"]
    assert sheet.is_frozen_below_the_heading
    assert not sheet.formulas and not sheet.links
    assert sheet.texts[0] == [column.name for column in THINGS]
    merk, evil = sheet.cells[1], sheet.cells[2]
    # 19 November 2026 is day 46,345 since 1899-12-30
    assert [cell.kind for cell in merk] == ["text", "number", "number", "number", "flag",
                                            "number", "number", "text"]  # fmt: skip
    assert merk[1].text == "46345"
    assert (merk[1].look, merk[5].look, merk[6].look) == (
        "yyyy-mm-dd", "0.00%", "[$EUR] #,##0.00",
    )  # fmt: skip
    assert (evil[0].kind, evil[0].text) == ("text", formula[0])


def test_an_amount_is_in_the_currency_of_its_row(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    odd = (*ROW[:-1], 'X"]0')
    write_workbook(path, [table(ROW, (*ROW[:-1], "GBP"), odd)], MADE)
    looks = [row[6].look for row in read_workbook(path)["things"].cells[1:]]
    assert looks == ["[$EUR] #,##0.00", "[$GBP] #,##0.00", "#,##0.00"]


def test_a_sheet_leaves_empty_what_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    rows = [(*ROW[:5], value, *ROW[6:]) for value in (float("nan"), float("inf"), None)]
    write_workbook(path, [table(*rows)], MADE)
    sheet = read_workbook(path)["things"]
    assert [[cell.text for cell in row].count("") for row in sheet.cells[1:]] == [1, 1, 1]


def test_names_of_sheets_are_those_that_excel_takes(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    name = "a/very*long[name]of:a?KPI that goes on"
    write_workbook(path, [replace(table(ROW), name=name)] * 3, MADE)
    names = list(read_workbook(path))
    assert names[0] == "a very long name of a KPI that "
    assert len({one.lower() for one in names}) == 3
    assert all(len(one) <= 31 for one in names)


def test_files_take_their_places_together_or_not_at_all(tmp_path: Path) -> None:
    one, other = tmp_path / "new" / "a.csv", tmp_path / "new" / "b.csv"
    with in_place([one, other]) as (first, second):
        first.write_text("old")
        second.write_text("old")

    def half_way() -> None:
        with in_place([one, other]) as (first, _):
            first.write_text("new")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        half_way()
    assert [path.read_text() for path in sorted((tmp_path / "new").iterdir())] == ["old", "old"]


def test_a_text_is_bounded_and_an_empty_one_stays_empty() -> None:
    assert len(tidy("x" * 40_000)) == table_files.MOST_SIGNS
    assert tidy("") == ""


# --- what is exported -------------------------------------------------------------------------

DAY = date(2026, 11, 18)
SHOP = ("google_ads", "1", "SHOPPING", "7", "=Merk")
KPI_ROWS = [
    # client, day, dimensions, currency, conversion value, cost
    ("fietsgoed", DAY, *SHOP, "EUR", 30.0, 10.0),
    ("fietsgoed", DAY, *SHOP[:3], "8", "Leeg", "EUR", 5.0, 0.0),
    ("fietsgoed", date(2026, 11, 19), *SHOP, "EUR", None, 10.0),
    ("fietsgoed", date(2026, 11, 19), *SHOP, "EUR", 7.0, 2.0),
    ("ander", DAY, *SHOP, "EUR", 1.0, 1.0),
]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One client with one KPI, judged on 20 November, and published."""
    kpis = {kpi.name: kpi for kpi in (sample.ROAS, sample.CTR)}
    view = sample.roas_view()
    client = sample.client("nl").model_copy(update={"targets": (view.target,)})
    warehouse = Warehouse(tmp_path / "data" / "koers.duckdb", tmp_path / "landing", 0.0)
    warehouse.path.parent.mkdir()
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("create schema ops; create schema kpis")
        connection.execute(OPS_DDL)
        connection.execute("insert into ops.version values (?, ?)", [VERSION, MADE])
        connection.execute(
            "create table kpis.roas (client varchar, date_day date, source varchar, "
            "account_id varchar, channel_type varchar, campaign_id varchar, "
            "campaign_name varchar, currency_code varchar, numerator double, denominator double)"
        )
        for row in KPI_ROWS:
            connection.execute(f"insert into kpis.roas values ({','.join('?' * len(row))})", row)
        store_evaluations(connection, [view.total, *view.segments], "run")
    warehouse.publish()
    settings = Settings(
        config_dir=tmp_path / "config",
        root=tmp_path,
        warehouse=warehouse.path,
        landing=warehouse.landing,
        report_dir=tmp_path / "report",
        clients=(client,),
    )
    return Project(tmp_path / "config", settings, kpis, tmp_path, warehouse)


def test_a_verdict_is_exported_with_what_was_agreed_and_the_step_that_is_due(
    project: Project,
) -> None:
    """3.6416 where 4 is asked for is 0.3584 short; the step of 20 October is 31 days late."""
    row = target_row(project, sample.roas_view().total)
    assert set(row) == {column.name for column in TARGET_COLUMNS}
    assert row["gap"] == pytest.approx(-0.3584)
    assert (row["unit"], row["goal_low"], row["goal_high"]) == ("ratio", 4, None)
    assert (row["next_step"], row["next_step_days_overdue"]) == ("De feed naar marge splitsen", 31)
    assert (row["steps_done"], row["steps_total"]) == (0, 2)
    assert (row["period_first_day"], row["period_last_day"]) == (
        date(2026, 10, 1), date(2026, 12, 31),
    )  # fmt: skip
    assert (row["status_said"], row["goal_said"]) == ("uit koers", "minstens 4")


def test_a_verdict_on_a_target_that_is_no_longer_configured_is_told_alone(
    project: Project,
) -> None:
    gone = replace(sample.roas_view().total, target_id="gone")
    row = target_row(project, gone)
    assert (row["target_id"], row["status"]) == ("gone", "off_track")
    assert "owner" not in row


def test_the_three_formats_have_the_same_rows(project: Project, tmp_path: Path) -> None:
    for form in ("csv", "parquet", "xlsx"):
        export(project, ["fietsgoed"], tmp_path / "out", form, kpis=["roas"])  # type: ignore[arg-type]
    told = list(csv.DictReader((tmp_path / "out" / "targets.csv").open()))
    assert [row["segment"] for row in told] == ["", "7001", "7002", "7003", "7004"]
    assert told[3]["segment_name"] == f"'{sample.FORMULA}"
    parquet = pq.read_table(tmp_path / "out" / "targets.parquet").to_pylist()
    assert [row["segment"] for row in parquet] == ["", "7001", "7002", "7003", "7004"]
    assert parquet[3]["segment_name"] == sample.FORMULA
    assert [float(row["value"]) for row in told] == [row["value"] for row in parquet]
    sheet = read_workbook(tmp_path / "out" / "koers.xlsx")["targets"]
    at = sheet.texts[0].index("segment_name")
    assert [row[at].text for row in sheet.cells[1:]] == [row["segment_name"] for row in parquet]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "targets.csv", "kpi_roas.csv", "targets.parquet", "kpi_roas.parquet", "koers.xlsx",
    }  # fmt: skip


def test_a_kpi_is_exported_as_sums_and_their_ratio_and_the_unknown_is_empty(
    project: Project, tmp_path: Path
) -> None:
    """30/10 = 3; 5/0 is no value; a day of which a part is not known has no sum and no ratio."""
    export(project, ["fietsgoed"], tmp_path / "out", "csv", kpis=["roas"])
    rows = list(csv.reader((tmp_path / "out" / "kpi_roas.csv").open()))
    assert rows[0] == [column.name for column in kpi_columns(sample.ROAS)]
    assert rows[0][-3:] == ["numerator_conversion_value", "denominator_cost", "roas_ratio"]
    assert [row[1] for row in rows[1:]] == ["2026-11-18", "2026-11-18", "2026-11-19"]
    assert [row[-3:] for row in rows[1:]] == [["30", "10", "3"], ["5", "0", ""], ["", "12", ""]]
    assert rows[1][6] == "'=Merk"


def test_days_of_and_after_the_morning_and_those_before_the_first_are_left_out(
    project: Project, tmp_path: Path
) -> None:
    export(project, ["fietsgoed"], tmp_path, "csv", as_of=date(2026, 11, 19), kpis=["roas"])
    assert len((tmp_path / "kpi_roas.csv").read_text().splitlines()) == 3
    assert (tmp_path / "targets.csv").read_text().count("\n") == 1  # nothing was judged then
    export(project, ["fietsgoed"], tmp_path, "csv", first_day=date(2026, 11, 19), kpis=["roas"])
    assert len((tmp_path / "kpi_roas.csv").read_text().splitlines()) == 2


def test_a_sum_has_its_value_alone() -> None:
    assert [column.name for column in kpi_columns(sample.COST)][-2:] == [
        "currency_code",
        "cost_amount",
    ]


def test_dimensions_that_are_left_out_are_added_up(project: Project) -> None:
    """On the 18th both campaigns: (30 + 5) / (10 + 0) = 3.5."""
    days = Days(date.min, date.max)
    with project.warehouse.read() as connection:
        told = kpi_table(
            connection, sample.ROAS, ["fietsgoed"], days, ("campaign_id", "campaign_name")
        )
        rows = pa.Table.from_batches(told.tidied()).to_pylist()
    assert rows[0]["roas_ratio"] == 3.5
    assert "campaign_id" not in rows[0]
    assert rows[1]["roas_ratio"] is None


def test_the_latest_days_are_kept_when_a_sheet_is_too_small(project: Project) -> None:
    """Two rows on each of both days: three rows hold only the later one."""
    with project.warehouse.read() as connection:
        days, told = _days_that_fit(
            connection, sample.ROAS, ["fietsgoed"], Days(date.min, date.max), 3
        )
        assert days.first == date(2026, 11, 19)
        assert "2 rows of earlier days are left out" in told[0]
        same = Days(date.min, date.max)
        assert _days_that_fit(connection, sample.ROAS, ["fietsgoed"], same, 4) == (same, [])


def test_a_kpi_that_was_never_built_is_told_and_one_that_does_not_exist_is_an_error(
    project: Project, tmp_path: Path
) -> None:
    told = export(project, ["fietsgoed"], tmp_path, "csv")
    assert told.notes == ("there is no kpis.ctr yet: `koers build` makes it",)
    with pytest.raises(ConfigError, match="did you mean 'roas'"):
        export(project, ["fietsgoed"], tmp_path, "csv", kpis=["roass"])


def test_before_anything_is_published_there_is_nothing_to_export_or_ask(
    project: Project, tmp_path: Path
) -> None:
    project.warehouse.published.unlink()
    with pytest.raises(NothingPublishedError, match="koers run"):
        export(project, ["fietsgoed"], tmp_path, "csv")
    with pytest.raises(NothingPublishedError), answering(project, "select 1"):
        pass


def test_who_writes_keeps_nobody_waiting_who_exports_or_asks(
    project: Project, tmp_path: Path
) -> None:
    with project.warehouse.open():  # the one connection that writes
        export(project, ["fietsgoed"], tmp_path / "out", "csv", kpis=["roas"])
        with answering(project, "select count(*) from kpis.roas") as answer:
            assert list(answer.rows()) == [(5,)]


# --- asking in SQL ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("", "there is no statement"),
        ("-- nothing", "there is no statement"),
        ("selec 1", "syntax error"),
        ("select nope from kpis.roas", "nope"),
        ("select 1; select 2", "one statement at a time; there are 2"),
        ("pivot kpis.roas on source using sum(numerator)", "on x in ('a', 'b')"),
        ("delete from kpis.roas", "DELETE is not possible"),
        ("create table kpis.x as select 1", "CREATE is not possible"),
        ("create temp table x as select 1", "CREATE is not possible"),
        ("attach 'x.duckdb'", "ATTACH is not possible"),
        ("copy (select 1) to 'x.csv'", "COPY is not possible"),
        ("install httpfs", "LOAD is not possible"),
        ("set threads = 1", "SET is not possible"),
        ("checkpoint", "is not possible"),
        ("explain analyze delete from kpis.roas", "read-only"),
        ("select * from read_text('/etc/hostname')", "disabled by configuration"),
        ("select * from '/etc/hostname'", "does not exist"),
        ("select * from glob('/*')", "disabled by configuration"),
        ("select * from project", "does not exist"),  # a variable of the program
        ("select 'a'::int from kpis.roas", "Could not convert"),
        ("select if(i = 3000000, 'a', '1')::int from range(4000000) t(i)", "Could not convert"),
    ],
)
def test_a_statement_that_is_wrong_or_does_more_than_read_is_refused(
    sql: str, told: str, project: Project
) -> None:
    before = hashlib.sha256(project.warehouse.published.read_bytes()).digest()
    with pytest.raises(QueryError, match=told.replace("(", r"\(").replace(")", r"\)")):  # noqa: SIM117
        with answering(project, sql) as answer:
            list(answer.rows())
    assert hashlib.sha256(project.warehouse.published.read_bytes()).digest() == before


@pytest.mark.parametrize(
    "sql",
    ["from kpis.roas", "describe kpis.roas", "summarize kpis.roas", "show all tables",
     "with a as (select 1) from a", "values (1)"],
)  # fmt: skip
def test_every_way_to_read_is_possible(sql: str, project: Project) -> None:
    with answering(project, sql) as answer:
        assert list(answer.rows())


def test_a_table_says_how_many_rows_it_leaves_out(project: Project) -> None:
    with answering(project, "select i from range(7) t(i) order by i") as answer:
        told = in_table(answer, 2, is_screen=True)
    assert told.splitlines() == ["i", "0", "1", "… and 5 rows more (--limit 7)"]


def test_a_plan_is_shown_as_it_is_drawn(project: Project) -> None:
    with answering(project, "explain select 1") as answer:
        assert "PROJECTION" in in_table(answer, None, is_screen=True).splitlines()[1]


def test_an_answer_is_one_document_of_valid_json(project: Project) -> None:
    sql = (
        "select 1.50::decimal(5, 2) as cost, 2::hugeint as n, 'nan'::double as no, [1, null] as l,"
        " {'a': date '2026-11-20'} as s, interval '1 day' as i, 7 as n, '\\x01'::blob as b"
    )
    with answering(project, sql) as answer:
        told = as_document(answer, None)
    assert json.loads(json.dumps(told, allow_nan=False))["rows"] == [
        {"cost": 1.5, "n": 2, "no": None, "l": [1, None], "s": {"a": "2026-11-20"},
         "i": "1 days", "n_2": 7, "b": "01"}
    ]  # fmt: skip
    assert told["columns"][0] == {"name": "cost", "type": "DECIMAL(5,2)"}
    assert told["rows_left_out"] == 0


def test_an_answer_as_csv_is_safe_too(project: Project) -> None:
    sql = 'select campaign_name as "=name", -1.5 as n, null as x, true as t from kpis.roas limit 1'
    with answering(project, sql) as answer:
        assert "".join(as_csv(answer, None)) == "'=name,n,x,t\n'=Merk,-1.5,,true\n"


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.parquet"])
def test_an_answer_is_written_as_a_file_up_to_the_limit(
    name: str, project: Project, tmp_path: Path
) -> None:
    with answering(project, "select i, i as i from range(9) t(i) order by i") as answer:
        form: Any = name.partition(".")[2]
        assert write_answer(answer, tmp_path / name, form, 4, json.dumps) == 4
    if form == "parquet":
        assert pq.read_table(tmp_path / name).to_pylist()[3] == {"i": 3, "i_2": 3}
    elif form == "json":
        assert json.loads((tmp_path / name).read_text())["rows_left_out"] == 5
    else:
        assert (tmp_path / name).read_text() == "i,i_2\n0,0\n1,1\n2,2\n3,3\n"


def test_what_is_no_number_is_nothing() -> None:
    assert [plain(x) for x in (float("inf"), float("-inf"), float("nan"), 0.0)] == [
        None, None, None, 0.0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["query", "select 1", "--format", "parquet"], "--out FILE"),
        (["query", "select 1", "--out", "answer.txt"], ".csv, .json or .parquet"),
    ],
)
def test_a_file_that_no_format_fits_is_wrong_usage(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert told in capsys.readouterr().err


def test_a_question_that_takes_too_long_is_interrupted_as_any_command_is() -> None:
    class Busy:
        def read_next_batch(self) -> pa.RecordBatch:
            raise RuntimeError("Query interrupted")  # what DuckDB makes of Ctrl-C

    with pytest.raises(KeyboardInterrupt):
        list(Answer(("a",), ("INTEGER",), Busy()).rows())
