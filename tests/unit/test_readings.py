"""From the warehouse to arrays: what is read of a KPI, and what was said of targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import duckdb
import numpy as np
import pytest

from flows import readings
from flows.kpis import Kpi
from flows.readings import (
    earlier_verdicts,
    last_evaluations,
    read_kpi,
    status_histories,
    store_evaluations,
)
from flows.targets.evaluation import Evaluation
from flows.targets.status import Earlier
from flows.warehouse import OPS_DDL

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
    assert (found.first_day, found.last_day) == (OCT, END)
    assert not found.has_row.any()


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


# --- what was said ----------------------------------------------------------------------------

SAID = Evaluation(
    client="shop",
    target_id="roas",
    segment="",
    segment_label="",
    as_of=date(2026, 11, 20),
    known_at=datetime(2026, 11, 20, 6, tzinfo=UTC).replace(tzinfo=None),
    status="on_track",
    reason="on_level",
    goal=4,  # a whole number, as it may stand in a file
    value=4.2,
    numerator=0.1 + 0.2,
    probability=0.81,
    days_missing=1,
    details={"candidate": "at_risk", "candidate_days": 1, "low": 3.5},
)


@pytest.fixture
def ledger() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("create schema ops")
        connection.execute(OPS_DDL)
        yield connection


def test_an_evaluation_comes_back_as_it_was_stored(ledger: duckdb.DuckDBPyConnection) -> None:
    assert store_evaluations(ledger, [SAID], "a-run") == 1
    assert last_evaluations(ledger, ["shop"]) == [SAID]
    assert ledger.execute("select run_id from ops.evaluations").fetchall() == [("a-run",)]


def test_the_same_said_again_is_stored_once(ledger: duckdb.DuckDBPyConnection) -> None:
    store_evaluations(ledger, [SAID], "first")
    # the last digit of a sum of floats is noise, and when it was said does not matter
    again = replace(SAID, known_at=SAID.known_at + timedelta(hours=1), numerator=0.3)
    assert SAID.numerator != again.numerator
    assert store_evaluations(ledger, [again], "second") == 0


def test_another_word_on_the_same_day_is_added_and_nothing_is_removed(
    ledger: duckdb.DuckDBPyConnection,
) -> None:
    other = replace(SAID, segment="7001")
    store_evaluations(ledger, [SAID, other], "first")
    moved = replace(SAID, value=4.3, known_at=SAID.known_at + timedelta(hours=1))
    assert store_evaluations(ledger, [moved, other], "second") == 1
    # and back again: what counts is the last word, not whether it was ever said
    back = replace(SAID, known_at=SAID.known_at + timedelta(hours=2))
    assert store_evaluations(ledger, [back, other], "third") == 1
    values = ledger.execute(
        "select value from ops.evaluations where segment = '' order by known_at"
    ).fetchall()
    assert values == [(4.2,), (4.3,), (4.2,)]


def test_the_last_words_are_those_of_each_clients_latest_day_and_no_older_one_is_read(
    ledger: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [SAID.as_of - timedelta(days=n) for n in range(30)]
    other = replace(SAID, client="bakery", as_of=days[3])  # judged for the last time three days ago
    gone = replace(SAID, client="gone")
    corrected = replace(SAID, value=4.3, known_at=SAID.known_at + timedelta(hours=1))
    store_evaluations(ledger, [replace(SAID, as_of=day) for day in days] + [other, gone], "first")
    store_evaluations(ledger, [corrected], "second")
    read: list[str] = []
    monkeypatch.setattr(readings.json, "loads", lambda text: read.append(text) or SAID.details)

    assert last_evaluations(ledger, ["shop", "bakery"]) == [other, corrected]
    assert len(read) == 2
    assert last_evaluations(ledger, ["shop", "bakery"], days[3]) == [
        other,
        replace(SAID, as_of=days[3]),
    ]


def test_storing_nothing_stores_nothing(ledger: duckdb.DuckDBPyConnection) -> None:
    assert store_evaluations(ledger, [], "a-run") == 0


def test_histories_have_the_days_on_which_the_last_word_on_a_total_became_another(
    ledger: duckdb.DuckDBPyConnection,
) -> None:
    yesterday = SAID.as_of - timedelta(days=1)
    corrected = SAID.known_at + timedelta(hours=1)
    store_evaluations(
        ledger,
        [
            replace(SAID, as_of=yesterday, status="at_risk"),
            replace(SAID, as_of=yesterday - timedelta(days=1)),
            replace(SAID, as_of=yesterday - timedelta(days=4)),
            replace(SAID, as_of=yesterday, segment="7001", status="missed"),
            SAID,
        ],
        "first",
    )
    late = replace(SAID, as_of=yesterday, status="off_track", known_at=corrected)
    store_evaluations(ledger, [late], "second")
    assert status_histories(ledger, ["shop", "other"], SAID.as_of) == {
        ("shop", "roas"): (
            (yesterday - timedelta(days=4), "on_track"),
            (yesterday, "off_track"),
        )
    }


def test_the_verdict_before_is_the_last_word_of_the_last_day_before(
    ledger: duckdb.DuckDBPyConnection,
) -> None:
    def days_ago(days: int, hour: int, **told: object) -> Evaluation:
        day = SAID.as_of - timedelta(days=days)
        at = datetime(2026, 11, 20, hour, tzinfo=UTC).replace(tzinfo=None) - timedelta(days=days)
        return replace(SAID, as_of=day, known_at=at, **told)  # type: ignore[arg-type]

    before = [
        days_ago(3, 6, status="at_risk"),
        days_ago(1, 6, status="missed"),
        days_ago(1, 9),
        days_ago(2, 6, segment="7001", status="off_track", details={}),
        days_ago(20, 6, segment="7002"),  # nobody remembers that
    ]
    store_evaluations(ledger, [before[0], before[1], *before[3:]], "first")
    store_evaluations(ledger, [before[2]], "second")
    store_evaluations(ledger, [replace(SAID, status="achieved")], "today")
    yesterday = SAID.as_of - timedelta(days=1)
    assert earlier_verdicts(ledger, ["shop", "other"], SAID.as_of) == {
        ("shop", "roas"): {
            "": Earlier(yesterday, "on_track", "at_risk", 1),
            "7001": Earlier(yesterday - timedelta(days=1), "off_track"),
        }
    }
    # as it was known at eight that morning, before the correction
    eight = datetime(2026, 11, 19, 8, tzinfo=UTC)
    known_then = earlier_verdicts(ledger, ["shop"], SAID.as_of, eight)
    assert known_then["shop", "roas"][""].status == "missed"
    assert earlier_verdicts(ledger, ["other"], SAID.as_of) == {}
