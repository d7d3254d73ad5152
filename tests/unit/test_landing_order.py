"""Times come from the landing; what a killed run had landed is taken in by the next."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from connectors.tables import GSC_SITE_DAY
from flows.intake import take_in
from flows.landing import LandingError, landing_files, read_description, read_landed, verify
from flows.warehouse import Warehouse
from tests.unit.small_landing import MORNING, TABLES, everything, load, read, site_day

ONE = timedelta(days=1)
TICK = timedelta(microseconds=1)
VERSIONS = (
    "select date_day, clicks, observed_at, superseded_at from history.search_console__site_day "
    "order by all"
)
NOW = "select clicks, loaded_at from raw.search_console__site_day order by all"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "koers.duckdb", tmp_path / "landing", lock_wait_seconds=0.3)


def test_a_version_lasts_from_when_it_was_read_until_another_was_read(
    warehouse: Warehouse,
) -> None:
    load(warehouse, read(warehouse, [site_day(1, 5)], 0))
    load(warehouse, read(warehouse, [site_day(1, 6)], 1))

    with warehouse.open() as connection:
        assert connection.execute(NOW).fetchall() == [(6, MORNING + ONE)]
        assert [row[1:] for row in connection.execute(VERSIONS).fetchall()] == [
            (5, MORNING, MORNING + ONE)
        ]


def test_what_is_committed_later_counts_as_read_later_also_when_the_clock_jumps_back(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    load(warehouse, read(warehouse, [site_day(1, 5)], 30))
    late = read(warehouse, [site_day(1, 6)], 0)
    load(warehouse, late)

    moment = MORNING + 30 * ONE + TICK
    with warehouse.open() as connection:
        assert connection.execute(NOW).fetchall() == [(6, moment)]
    # the file says so by its name, for whoever makes the warehouse anew
    assert not late.path.exists()
    assert max(read_landed(path).finished_at for path in landing_files(warehouse.landing)) == moment
    assert "the clock of this machine was changed" in caplog.text


def test_other_days_of_the_same_account_keep_their_own_moment(warehouse: Warehouse) -> None:
    load(warehouse, read(warehouse, [site_day(1, 5)], 1, days=(1, 3)))
    load(warehouse, read(warehouse, [site_day(4, 6)], 0, days=(4, 6)))

    with warehouse.open() as connection:
        assert connection.execute(NOW).fetchall() == [(5, MORNING + ONE), (6, MORNING)]


def test_a_slice_that_was_landed_and_not_committed_is_taken_in_once(warehouse: Warehouse) -> None:
    load(warehouse, read(warehouse, [site_day(1, 5)], 0))
    waiting = read(warehouse, [site_day(1, 6), site_day(2, 7)], 1)

    with warehouse.open() as connection:
        taken = take_in(connection, warehouse.landing)
        again = take_in(connection, warehouse.landing)

    assert [(one.outcome, one.rows) for one in taken.loads] == [("loaded", 2)]
    assert again.loads == ()
    before = everything(warehouse)
    # the run that read it comes to it after all: nothing happens twice
    (result,) = load(warehouse, waiting)
    assert (result.outcome, result.rows, result.rows_superseded) == ("loaded", 2, 1)
    assert everything(warehouse) == before


def test_waiting_slices_are_taken_in_in_the_order_in_which_they_were_read(
    warehouse: Warehouse,
) -> None:
    read(warehouse, [site_day(1, 6)], 1)
    read(warehouse, [site_day(1, 7)], 2)
    read(warehouse, [site_day(1, 5)], 0)

    with warehouse.open() as connection:
        take_in(connection, warehouse.landing)

        assert connection.execute(NOW).fetchall() == [(7, MORNING + 2 * ONE)]
        assert [row[1] for row in connection.execute(VERSIONS).fetchall()] == [5, 6]


def test_a_database_that_is_gone_comes_back_from_the_landing(warehouse: Warehouse) -> None:
    load(warehouse, read(warehouse, [site_day(1, 5)], 0))
    load(warehouse, read(warehouse, [site_day(1, 6)], 1))
    before = everything(warehouse, *TABLES)
    warehouse.path.unlink()

    with warehouse.open() as connection:
        take_in(connection, warehouse.landing)

    assert everything(warehouse, *TABLES) == before


def test_a_slice_that_another_run_moved_is_found_by_its_load(warehouse: Warehouse) -> None:
    one = read(warehouse, [site_day(1, 5)], 0)
    one.path.rename(one.path.with_name(one.path.name.replace("20261110T", "20261111T")))

    (result,) = load(warehouse, one)

    assert result.outcome == "loaded"
    with warehouse.open() as connection:
        assert connection.execute(NOW).fetchall() == [(5, MORNING + ONE)]


def test_a_file_says_all_that_the_warehouse_needs_of_its_slice(warehouse: Warehouse) -> None:
    one = read(warehouse, [site_day(1, 5)], 0)

    assert read_landed(one.path) == one
    told = read_description(one.path)
    assert told["account"] == {
        "name": "The shop",
        "currency_code": "EUR",
        "time_zone": "Europe/Amsterdam",
        "status": "enabled",
    }
    assert (told["source"], told["table"]) == ("search_console", "search_console__site_day")
    assert (told["as_of"], told["metadata"]) == ("2026-11-10", {"note": "é"})


def test_one_landing_file_is_one_load(warehouse: Warehouse) -> None:
    one = read(warehouse, [site_day(1, 5)], 0)
    load(warehouse, one)

    with warehouse.open() as connection:
        assert connection.execute(
            "select load_id, landing_file, finished_at, as_of from ops.loads"
        ).fetchall() == [(one.load_id, one.path.name, MORNING, MORNING.date())]


@pytest.mark.parametrize("damage", ["torn", "flipped", "emptied"])
def test_a_damaged_file_is_named_set_aside_and_holds_nobody_up(
    warehouse: Warehouse, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    bad = read(warehouse, [site_day(day, day * 7919) for day in range(1, 30)], 0, days=(1, 30))
    read(warehouse, [site_day(1, 6)], 1)
    whole = bytearray(bad.path.read_bytes())
    if damage == "flipped":
        whole[40] ^= 0x55
    bad.path.write_bytes({"torn": whole[:-300], "flipped": whole, "emptied": b""}[damage])

    with warehouse.open() as connection:
        taken = take_in(connection, warehouse.landing)
        assert connection.execute(NOW).fetchall() == [(6, MORNING + ONE)]

    assert len(taken.skipped) == 1 and str(bad.path) in taken.skipped[0]
    assert str(bad.path) in caplog.text
    assert not bad.path.exists()
    assert bad.path.with_name(f"{bad.path.name}.damaged").exists()


def test_a_flipped_bit_in_a_page_does_not_pass(warehouse: Warehouse) -> None:
    one = read(warehouse, [site_day(day, day * 7919) for day in range(1, 30)], 0, days=(1, 30))
    verify(one.path)
    whole = bytearray(one.path.read_bytes())
    whole[40] ^= 0x01
    one.path.write_bytes(whole)

    with pytest.raises(LandingError, match="cannot be read"):
        verify(one.path)


# --- columns that come and go ------------------------------------------------------------------


def with_column(name: str, kind: pa.DataType) -> pa.Schema:
    return GSC_SITE_DAY.schema.append(pa.field(name, kind))


def test_a_new_column_is_taken_along_with_a_warning(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    load(warehouse, read(warehouse, [site_day(1, 5)], 0))
    wider = with_column("surface", pa.string())
    load(warehouse, read(warehouse, [site_day(1, 5) | {"surface": "web"}], 1, schema=wider))
    # and it may stay away again
    load(warehouse, read(warehouse, [site_day(1, 5)], 2))

    assert "a new column surface, which is taken along" in caplog.text
    with warehouse.open() as connection:
        assert connection.execute(
            "select clicks, surface, loaded_at from raw.search_console__site_day"
        ).fetchall() == [(5, None, MORNING + 2 * ONE)]
        assert connection.execute(
            "select surface, superseded_at from history.search_console__site_day order by 2"
        ).fetchall() == [(None, MORNING + ONE), ("web", MORNING + 2 * ONE)]


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (GSC_SITE_DAY.schema.remove(2), "the column clicks is missing"),
        (
            GSC_SITE_DAY.schema.set(2, pa.field("clicks", pa.string())),
            "the column clicks is string, expected bigint",
        ),
        (with_column("superseded_at", pa.int64()), "'superseded_at' \\(int64\\) cannot be taken"),
        (with_column("parts", pa.list_(pa.int64())), "'parts'"),
    ],
)
def test_a_missing_or_retyped_column_refuses_the_slice_and_nothing_else(
    warehouse: Warehouse, schema: pa.Schema, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    load(warehouse, read(warehouse, [site_day(1, 5)], 0))
    row = {name: value for name, value in site_day(1, 6).items() if name in schema.names}
    if schema.field(2).type == pa.string():
        row["clicks"] = "six"

    (result,) = load(warehouse, read(warehouse, [row], 1, schema=schema))

    assert result.outcome == "refused"
    assert re.search(told, result.error)
    with warehouse.open() as connection:
        assert connection.execute(NOW).fetchall() == [(5, MORNING)]
        assert connection.execute("select count(*) from ops.loads").fetchall() == [(2,)]


def test_a_column_that_is_missing_is_missing_also_after_a_kill(warehouse: Warehouse) -> None:
    row = {name: value for name, value in site_day(1, 6).items() if name != "is_provisional"}
    read(warehouse, [row], 1, schema=GSC_SITE_DAY.schema.remove(5))

    with warehouse.open() as connection:
        (result,) = take_in(connection, warehouse.landing).loads

    assert result.outcome == "refused"
    assert "the column is_provisional is missing" in result.error
