"""Exports and SQL on what a real run left: the same figures, and nobody is kept waiting."""

from __future__ import annotations

import csv
import hashlib
from datetime import date
from pathlib import Path

import duckdb
import pytest

from flows.warehouse import Warehouse
from tests.e2e.morning import Project
from tests.unit.sheets import read_workbook

pytestmark = pytest.mark.e2e


def test_the_targets_are_exported_as_they_were_judged(loaded: Project, tmp_path: Path) -> None:
    said = loaded.here("targets").told["targets"]
    files = {
        form: loaded.here("export", "--format", form, "--kpi", "ctr", "--out", str(tmp_path))
        for form in ("csv", "parquet", "xlsx")
    }
    assert {ran.code for ran in files.values()} == {0}
    rows = list(csv.DictReader((tmp_path / "targets.csv").open(encoding="utf-8")))
    key = ("client", "target_id", "segment")
    assert [tuple(row[k] for k in key) for row in rows] == [tuple(t[k] for k in key) for t in said]
    for row, told in zip(rows, said, strict=True):
        assert row["status"] == told["status"]
        assert (float(row["value"]) if row["value"] else None) == told["value"]
        assert row["owner"], "every goal of the demo has one"
    sheets = read_workbook(tmp_path / "koers.xlsx")
    assert list(sheets) == ["targets", "kpi_ctr"]
    assert [row[0:3] for row in sheets["targets"].texts[1:]] == [
        [row["client"], row["client_name"], row["target_id"]] for row in rows
    ]
    assert not any(sheet.formulas for sheet in sheets.values())


def test_a_kpi_adds_up_to_the_same_in_every_format(loaded: Project, tmp_path: Path) -> None:
    for form in ("csv", "parquet", "xlsx"):
        loaded.here("export", "--format", form, "--kpi", "ctr", "--out", str(tmp_path))
    ((clicks, impressions, rows),) = loaded.rows(
        "select sum(numerator)::double, sum(denominator)::double, count(*) from kpis.ctr"
    )
    told = list(csv.DictReader((tmp_path / "kpi_ctr.csv").open(encoding="utf-8")))
    assert len(told) == rows
    assert sum(float(row["numerator_clicks"]) for row in told) == clicks
    with duckdb.connect() as connection:
        assert connection.execute(
            "select sum(numerator_clicks), sum(denominator_impressions) from read_parquet(?)",
            [str(tmp_path / "kpi_ctr.parquet")],
        ).fetchall() == [(clicks, impressions)]
    sheet = read_workbook(tmp_path / "koers.xlsx")["kpi_ctr"]
    heading = sheet.texts[0]
    assert "device" not in heading, "a sheet adds up over devices and networks"
    assert len(sheet.cells) - 1 < rows
    at = heading.index("numerator_clicks")
    assert sum(float(row[at]) for row in sheet.texts[1:]) == clicks
    assert {row[heading.index("ctr_fraction")].look for row in sheet.cells[1:]} == {"0.00%"}


def test_exports_and_questions_are_answered_while_a_run_holds_the_warehouse(
    project: Project, tmp_path: Path
) -> None:
    before = hashlib.sha256(project.warehouse.read_bytes()).digest()
    with Warehouse(project.warehouse, project.directory / "landing").locked():
        made = project.here("export", "--lock-wait", "0", "--kpi", "cac", "--out", str(tmp_path))
        asked = project.here("query", "--lock-wait", "0", "select count(*) as n from kpis.cac")
    assert (made.code, asked.code) == (0, 0)
    assert asked.told["rows"][0]["n"] > 0
    assert hashlib.sha256(project.warehouse.read_bytes()).digest() == before


def test_a_question_in_sql_is_answered_by_a_process_in_every_format(
    loaded: Project, tmp_path: Path
) -> None:
    sql = "select client, count(distinct target_id) as goals from ops.evaluations group by all"
    ((of_all,),) = loaded.rows(f"select sum(goals) from ({sql})")
    table = loaded.koers("query", sql + " order by client")
    assert table.code == 0
    assert [line.split()[0] for line in table.out.splitlines()] == [
        "client", "fietsgoed", "tulp-en-thee",
    ]  # fmt: skip
    told = loaded.koers("query", "--json", sql).told
    assert sum(row["goals"] for row in told["rows"]) == of_all
    assert told["columns"][0] == {"name": "client", "type": "VARCHAR"}
    path = tmp_path / "new" / "goals.parquet"
    assert loaded.koers("query", "--out", str(path), sql).code == 0
    with duckdb.connect() as connection:
        found = connection.execute("select sum(goals) from read_parquet(?)", [str(path)])
        assert found.fetchall() == [(of_all,)]


def test_a_mistake_in_sql_is_pointed_at_and_changes_nothing(loaded: Project) -> None:
    wrong = loaded.koers("query", "select ctr from kpis.ctrr")
    assert (wrong.code, wrong.out) == (2, "")
    assert "ctrr does not exist" in wrong.err and "^" in wrong.err
    assert "Traceback" not in wrong.err
    refused = loaded.koers("query", "drop table ops.evaluations")
    assert refused.code == 2
    assert "DROP is not possible" in refused.err


def test_before_the_first_run_there_is_nothing_to_export(
    empty_project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert empty_project.here("export").code == 2
    assert "koers run" in capsys.readouterr().err
    assert not (empty_project.directory / "data" / "koers.duckdb").exists()


def test_the_past_is_exported_as_it_was_known_on_that_morning(
    loaded: Project, tmp_path: Path
) -> None:
    day = date(2026, 11, 1)
    ran = loaded.here(
        "export", "--as-of", str(day), "--from", "2026-10-30", "--kpi", "ctr", "--out",
        str(tmp_path), "--bom",
    )  # fmt: skip
    assert ran.told["files"][0]["rows"] == {"targets": 0}  # nobody judged that morning
    text = (tmp_path / "kpi_ctr.csv").read_text(encoding="utf-8")
    assert text.startswith("\ufeff")
    days = {row["date_day"] for row in csv.DictReader(text.removeprefix("\ufeff").splitlines())}
    assert days == {"2026-10-30", "2026-10-31"}
