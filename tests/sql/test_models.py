"""Every case folder: the given rows go in, the models are built, the expected rows come out."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from flows.models import SqlModel, build, load_models, run_checks
from tests.sql.cases import SQL, case_folders, insert, read, rows_of, shared_empty


@cache
def models() -> tuple[SqlModel, ...]:
    return load_models(SQL)


@pytest.mark.parametrize("folder", case_folders(), ids=lambda f: f"{f.parent.name}-{f.name}")
def test_the_expected_rows_come_out(folder: Path) -> None:
    connection = shared_empty()
    insert(connection, read(folder / "given.yaml"))
    build(connection, models())

    found, expected = rows_of(connection, folder.parent.name, read(folder / "expected.yaml"))

    assert found == expected
    # whatever goes in, the marts add up to it
    broken = [
        str(check)
        for check in run_checks(connection, SQL, models())
        if check.severity == "error" and not check.passed
    ]
    assert broken == []


def test_every_mart_and_every_kpi_has_a_case() -> None:
    with_a_case = {folder.parent.name for folder in case_folders()}
    without = {m.name for m in models() if m.layer in ("marts", "kpis")} - with_a_case
    assert without == set()


def test_every_case_is_of_a_model() -> None:
    assert {folder.parent.name for folder in case_folders()} <= {m.name for m in models()}
