"""Backups that are whole, restores that are tried, and our own tables brought up to date."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from flows import migrations
from flows.backup import back_up, backups, restore
from flows.database_file import WarehouseError, stamped
from flows.intake import take_in
from flows.migrations import VERSION, Migration
from flows.warehouse import Warehouse, WarehouseBusyError, connect
from tests.unit.small_landing import (
    TABLES,
    everything,
    load,
    read,
    site_day,
    three_mornings,
)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = Warehouse(tmp_path / "koers.duckdb", tmp_path / "landing", lock_wait_seconds=0.3)
    three_mornings(made)
    return made


def damage(path: Path) -> None:
    """What a failing disk does: the beginning is there, the rest is noise."""
    whole = bytearray(path.read_bytes())
    for block in range(12_288, len(whole), 65_536):
        whole[block : block + 4096] = os.urandom(4096)
    path.write_bytes(whole)


def test_a_backup_is_one_file_that_holds_everything(warehouse: Warehouse) -> None:
    before = everything(warehouse)

    told = back_up(warehouse)

    assert told.path.parent == warehouse.path.parent / "backups"
    assert told.contents.rows == len(before["raw.search_console__site_day"])
    assert [path.name for path in told.path.parent.iterdir()] == [told.path.name]
    assert everything(replace(warehouse, path=told.path)) == before


def test_only_so_many_dated_backups_stay_and_one_with_a_name_of_its_own(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    mine = back_up(warehouse, tmp_path / "elsewhere" / "before-the-move.duckdb").path
    made = [back_up(warehouse, keep=2).path for _ in range(4)]

    assert backups(warehouse.path) == made[2:]
    assert mine.exists()


def test_there_is_nothing_to_back_up_before_the_first_run(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="there is no warehouse"):
        back_up(Warehouse(tmp_path / "none.duckdb", tmp_path / "landing"))


def test_a_backup_waits_for_a_run_that_writes(warehouse: Warehouse) -> None:
    with warehouse.open(), pytest.raises(WarehouseBusyError):
        back_up(warehouse)


def test_a_damaged_database_is_restored_and_catches_up_from_the_landing(
    warehouse: Warehouse,
) -> None:
    backup = back_up(warehouse).path
    load(warehouse, read(warehouse, [site_day(1, 8), site_day(2, 7)], 3))
    before = everything(warehouse, *TABLES)
    damage(warehouse.path)
    broken = warehouse.path.read_bytes()
    with pytest.raises((WarehouseError, duckdb.Error)):
        everything(warehouse)

    told = restore(warehouse, backup)

    assert told.kept is not None
    assert told.kept.read_bytes() == broken
    assert told.newer_files == 1
    assert "the next run takes them in" in told.in_words()
    with warehouse.open() as connection:
        take_in(connection, warehouse.landing)
    assert everything(warehouse, *TABLES) == before


def test_a_backup_that_is_damaged_is_not_put_in_place_of_anything(warehouse: Warehouse) -> None:
    backup = back_up(warehouse).path
    damage(backup)
    before = everything(warehouse)

    with pytest.raises(WarehouseError, match=r"damaged|cannot be opened"):
        restore(warehouse, backup)

    assert everything(warehouse) == before
    assert not list(warehouse.path.parent.glob("*replaced*"))
    assert not list(warehouse.path.parent.glob(".*"))


@pytest.mark.parametrize("what", ["text", "another database", "newer", "missing", "itself"])
def test_what_is_no_backup_of_koers_is_refused(
    warehouse: Warehouse, tmp_path: Path, what: str
) -> None:
    file = tmp_path / "x.duckdb"
    if what == "text":
        file.write_text("no database at all")
    if what == "another database":
        with duckdb.connect(str(file)) as other:
            other.execute("create table t as select 1 as a")
    if what == "newer":
        back_up(warehouse, file)
        with duckdb.connect(str(file)) as newer:
            newer.execute("update ops.version set version = 999")
    if what == "itself":
        file = warehouse.path
    before = everything(warehouse)

    told = {
        "text": "cannot be opened",
        "another database": "is no warehouse of Koers",
        "newer": "newer Koers",
        "missing": "there is no file",
        "itself": "is the warehouse itself",
    }
    with pytest.raises(WarehouseError, match=told[what]):
        restore(warehouse, file)
    assert everything(warehouse) == before


# --- our own tables ---------------------------------------------------------------------------

# as the first Koers made it
VERSION_1 = """
create schema ops;
create table ops.version (version integer, since timestamp);
insert into ops.version values (1, '2026-11-01');
create table ops.loads (
    load_id varchar, client varchar, source varchar, table_name varchar, account_id varchar,
    window_start date, window_end date, rows bigint, outcome varchar, request_id varchar,
    error varchar, metadata json, started_at timestamp, finished_at timestamp,
    committed_at timestamp, rows_changed bigint, rows_superseded bigint, landing_file varchar
);
insert into ops.loads (load_id, client, rows, outcome, landing_file) values
    ('random', 'shop', 3, 'loaded', '2026-11-01_2026-11-03_0123456789ab.parquet'),
    ('other', 'shop', 0, 'failed', null);
create table ops.evaluations (
    client varchar, target_id varchar, segment varchar, segment_label varchar, as_of date,
    known_at timestamp, value double, goal double, status varchar, probability double,
    reason varchar, details json, expected double, settled_value double, numerator double,
    denominator double, currency_code varchar, period_start date, period_end date,
    measured_from date, measured_through date, days_missing bigint, run_id varchar
);
insert into ops.evaluations (client, target_id, as_of, value, settled_value) values
    ('shop', 'roas', '2026-11-20', 3.9, 4.1);
"""


def make_version_1(path: Path) -> None:
    with duckdb.connect(str(path)) as first:
        first.execute(VERSION_1)


def test_a_warehouse_of_version_1_is_brought_up_to_date_with_a_copy_of_how_it_was(
    tmp_path: Path,
) -> None:
    path = tmp_path / "old.duckdb"
    make_version_1(path)

    with Warehouse(path, tmp_path / "landing").open() as connection:
        assert connection.execute(
            "select load_id, rows, as_of from ops.loads order by all"
        ).fetchall() == [("0123456789ab", 3, None), ("other", 0, None)]
        assert connection.execute(
            "select target_id, value, adjusted_value, projected from ops.evaluations"
        ).fetchall() == [("roas", 3.9, 4.1, None)]
        assert connection.execute("select version from ops.version order by 1").fetchall() == [
            (number,) for number in range(1, VERSION + 1)
        ]

    (copy,) = tmp_path.glob("old.duckdb.version-1-*")
    with duckdb.connect(str(copy), read_only=True) as as_it_was:
        assert as_it_was.execute("select load_id from ops.loads order by 1").fetchall() == [
            ("other",), ("random",),
        ]  # fmt: skip


def test_a_migrated_warehouse_has_the_tables_of_a_new_one(tmp_path: Path) -> None:
    make_version_1(tmp_path / "old.duckdb")

    def columns(name: str) -> set[tuple[str, ...]]:
        with Warehouse(tmp_path / name, tmp_path / "landing").open() as connection:
            return set(
                connection.execute(
                    "select schema_name, table_name, column_name, data_type from duckdb_columns()"
                ).fetchall()
            )

    assert columns("old.duckdb") == columns("new.duckdb")


def test_an_up_to_date_warehouse_is_not_copied(warehouse: Warehouse) -> None:
    with warehouse.open():
        pass
    assert not list(warehouse.path.parent.glob("*version-*"))


def test_a_step_that_fails_leaves_the_version_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.duckdb"
    make_version_1(path)
    steps = (
        *migrations.MIGRATIONS,
        Migration(99, "a mistake", ("create table ops.half (a int)", "select * from nowhere")),
    )
    monkeypatch.setattr("flows.warehouse.pending", lambda found: migrations.pending(found, steps))

    with pytest.raises(duckdb.Error, match="nowhere"), Warehouse(path, tmp_path).open():
        pass

    connection = connect(path)
    assert migrations.version_of(connection) == VERSION
    assert connection.execute(
        "select count(*) from duckdb_tables() where table_name = 'half'"
    ).fetchall() == [(0,)]
    connection.close()


def test_every_step_has_the_next_number() -> None:
    assert [step.version for step in migrations.MIGRATIONS] == list(range(2, VERSION + 1))


def test_a_name_for_what_is_set_aside_is_never_taken_twice(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        path = stamped(tmp_path / "x", "damaged")
        path.touch()
        names.append(path)
    assert len(set(names)) == 3


def test_what_a_kill_left_of_a_backup_goes_with_the_next(warehouse: Warehouse) -> None:
    folder = back_up(warehouse).path.parent
    (folder / ".koers-20261101T000000000000.duckdb.partial").write_bytes(b"half")

    back_up(warehouse)

    assert not list(folder.glob(".*"))
