"""From the warehouse to arrays: what is read of a KPI, and what was said of targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import duckdb
import numpy as np
import pytest

from flows.kpis import Kpi
from flows.readings import read_kpi

OCT = date(2026, 10, 1)
END = date(2026, 10, 4)

ROAS = Kpi(
    name="roas",
    unit="ratio",
    better="higher",
    is_sum=False,
    has_currency=True,
    dimensions=("source", "campaign_id", "campaign_name", "device"),
    sources=("google_ads",),
    late=None,
    label={},
    explained={},
    numerator={},
    denominator={},
)

ROWS = """
('shop', '2026-10-01', 'google_ads', '1', 'Brand', 'MOBILE', 'EUR', 10, 1.10),
('shop', '2026-10-02', 'google_ads', '1', 'Brand', 'MOBILE', 'EUR', 20, 2.20),
('shop', '2026-10-04', 'google_ads', '1', 'Brand', 'MOBILE', 'EUR', null, 4.40),
('shop', '2026-10-02', 'google_ads', '2', 'Feed', null, 'EUR', 5, 0.05),
('other', '2026-10-01', 'google_ads', '1', 'Brand', 'MOBILE', 'USD', 700, 7),
('other', '2026-10-05', 'google_ads', '1', 'Brand', 'MOBILE', 'USD', 900, 9),
('shop', '2026-09-30', 'google_ads', '1', 'Brand', 'MOBILE', 'EUR', 900, 9)
"""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("create schema kpis")
        connection.execute(
            "create table kpis.roas (client varchar, date_day date, source varchar, "
            "campaign_id varchar, campaign_name varchar, device varchar, currency_code varchar, "
            "numerator double, denominator decimal(18, 6))"
        )
        connection.execute(f"insert into kpis.roas values {ROWS}")
        yield connection


def test_every_combination_is_a_cell_and_every_day_a_column(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    cube = read_kpi(connection, ["shop", "other"], ROAS, OCT, END)["shop", "roas"]
    assert (cube.first_day, cube.last_day, cube.cells) == (OCT, END, 2)
    assert cube.columns["campaign_id"].texts() == ("1", "2")
    assert cube.columns["device"].texts() == ("MOBILE", None)
    np.testing.assert_array_equal(cube.numerator, [[10, 20, 0, np.nan], [0, 5, 0, 0]])
    np.testing.assert_array_equal(cube.denominator, [[1.1, 2.2, 0, 4.4], [0, 0.05, 0, 0]])
    assert cube.has_row.tolist() == [[True, True, False, True], [False, True, False, False]]


def test_clients_do_not_see_one_another(connection: duckdb.DuckDBPyConnection) -> None:
    found = read_kpi(connection, ["shop", "other"], ROAS, OCT, END)
    other = found["other", "roas"].series({})
    assert other.numerator[0] == 700
    assert other.currencies == ("USD",)
    alone = read_kpi(connection, ["other"], ROAS, OCT, END)
    assert list(alone) == [("other", "roas")]


def test_a_client_of_which_nothing_is_known_has_no_rows(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    cube = read_kpi(connection, ["shop", "new"], ROAS, OCT, END)["new", "roas"]
    found = cube.series({"source": ("google_ads",)})
    assert not found.has_row.any()
    assert cube.segments({}, "campaign_id") == []


def test_an_empty_kpi_has_every_day_that_was_asked_for_and_no_row(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    connection.execute("delete from kpis.roas")
    found = read_kpi(connection, ["shop"], ROAS, OCT, END)["shop", "roas"].series({})
    assert (found.first_day, found.last_day, found.has_row.any()) == (OCT, END, False)


def test_days_begin_with_the_first_that_is_known(connection: duckdb.DuckDBPyConnection) -> None:
    cube = read_kpi(connection, ["shop"], ROAS, OCT - timedelta(days=900), END)["shop", "roas"]
    assert (cube.first_day, cube.last_day) == (OCT - timedelta(days=1), END)


def test_a_sum_has_no_denominator(connection: duckdb.DuckDBPyConnection) -> None:
    cube = read_kpi(connection, ["shop"], replace(ROAS, is_sum=True), OCT, END)["shop", "roas"]
    assert cube.denominator is None
    assert cube.series({}).numerator.tolist()[:2] == [10, 25]


def test_rows_that_fall_on_one_cell_and_day_are_added_up(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    coarse = replace(ROAS, dimensions=("source",))
    found = read_kpi(connection, ["shop"], coarse, OCT, END)["shop", "roas"]
    assert found.cells == 1
    assert found.numerator[0, :2].tolist() == [10, 25]
    assert found.denominator is not None
    assert found.denominator[0, 1] == pytest.approx(2.25)
