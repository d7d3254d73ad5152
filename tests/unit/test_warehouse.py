import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from connectors.base import Account, DateWindow, Reply, Slice, Table
from connectors.tables import ADS_CAMPAIGN_DAY, GSC_QUERY_DAY, GSC_SITE_DAY
from flows.database_file import write_ahead_log
from flows.landing import Landed, land, now, read_description, remove_unfinished
from flows.readings import read_as_of
from flows.warehouse import (
    RefusedSliceError,
    Warehouse,
    WarehouseBusyError,
    WarehouseError,
    memory_limit_mb,
    replace_slice,
)

SITE = "sc-domain:shop.example"
FIRST, LAST = date(2026, 11, 1), date(2026, 11, 3)
WINDOW = DateWindow(FIRST, LAST)
HOSTILE = "🚲 <script>alert('x')</script>; drop table raw.x; --"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "koers.duckdb", tmp_path / "landing", lock_wait_seconds=0.3)


def site_day(day: date, clicks: int, impressions: int = 100) -> dict[str, Any]:
    return {
        "account_id": SITE,
        "date_day": day,
        "clicks": clicks,
        "impressions": impressions,
        "position": 3.5,
        "is_provisional": False,
    }


def landed(
    warehouse: Warehouse,
    rows: Sequence[dict[str, Any]],
    table: Table = GSC_SITE_DAY,
    window: DateWindow = WINDOW,
    announced: int | None = None,
    as_of: date = date(2026, 11, 4),
) -> Landed:
    batch = pa.RecordBatch.from_pylist(list(rows), schema=table.schema)
    piece = Slice("shop", table, Account("search_console", SITE), window, as_of)
    reply = Reply(iter([batch]), request_ids=["r-1"], announced_rows=announced)
    return land(piece, reply, warehouse.landing, now())


def stored(connection: duckdb.DuckDBPyConnection, what: str) -> list[tuple[Any, ...]]:
    return connection.execute(what).fetchall()


CLICKS = "select date_day, clicks from raw.search_console__site_day order by date_day"


def test_loading_a_slice_twice_leaves_the_same_rows(warehouse: Warehouse) -> None:
    rows = [site_day(FIRST, 5), site_day(LAST, 7)]
    with warehouse.open() as connection:
        first = replace_slice(connection, landed(warehouse, rows))
        before = stored(connection, "select * from raw.search_console__site_day order by all")
        again = replace_slice(connection, landed(warehouse, rows))

        assert (first.outcome, first.rows, first.rows_changed) == ("loaded", 2, 2)
        assert (again.rows_changed, again.rows_superseded) == (0, 0)
        # untouched, with the time at which they were first loaded
        after = stored(connection, "select * from raw.search_console__site_day order by all")
        assert after == before
        assert stored(connection, "select * from history.search_console__site_day") == []


def test_a_restated_row_keeps_its_old_version_in_history(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        replace_slice(connection, landed(warehouse, [site_day(FIRST, 5), site_day(LAST, 7)]))
        result = replace_slice(
            connection, landed(warehouse, [site_day(FIRST, 5), site_day(LAST, 9)])
        )

        assert (result.rows_changed, result.rows_superseded) == (1, 1)
        assert stored(connection, CLICKS) == [(FIRST, 5), (LAST, 9)]
        old = stored(
            connection,
            "select date_day, clicks, observed_at = loaded_at, superseded_at > observed_at "
            "from history.search_console__site_day",
        )
        assert old == [(LAST, 7, True, True)]


def test_a_row_that_vanished_is_removed_and_remembered(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        replace_slice(connection, landed(warehouse, [site_day(FIRST, 5), site_day(LAST, 7)]))
        replace_slice(connection, landed(warehouse, [site_day(FIRST, 5)]))

        assert stored(connection, CLICKS) == [(FIRST, 5)]
        history = stored(connection, "select date_day from history.search_console__site_day")
        assert history == [(LAST,)]


def test_an_empty_slice_replaces_too(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        replace_slice(connection, landed(warehouse, [site_day(FIRST, 5)]))
        result = replace_slice(connection, landed(warehouse, []))

        assert result.outcome == "empty"
        assert stored(connection, CLICKS) == []


def test_days_outside_the_window_and_other_clients_stay(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        replace_slice(connection, landed(warehouse, [site_day(FIRST, 5), site_day(LAST, 7)]))
        replace_slice(connection, landed(warehouse, [], window=DateWindow(LAST, LAST)))

        assert stored(connection, CLICKS) == [(FIRST, 5)]


@pytest.mark.parametrize(
    ("rows", "announced", "told"),
    [
        ([site_day(FIRST, 5), site_day(FIRST, 6)], None, "occurs 2 times"),
        ([site_day(date(2026, 11, 4), 5)], None, "a day outside 2026-11-01..2026-11-03"),
        ([site_day(FIRST, -1)], None, "a negative clicks"),
        ([site_day(FIRST, 5) | {"position": float("nan")}], None, "a position that is no number"),
        ([site_day(FIRST, 10**18)], None, "an impossible clicks"),
        (
            [site_day(FIRST, 5) | {"clicks": None, "impressions": None, "position": None}],
            None,
            "no figures at all",
        ),
        ([site_day(FIRST, 5) | {"account_id": "other"}], None, "another account's id"),
        ([site_day(FIRST, 5)], 2, "the API announced 2"),
    ],
)
def test_a_slice_that_breaks_a_rule_is_refused_whole(
    warehouse: Warehouse, rows: list[dict[str, Any]], announced: int | None, told: str
) -> None:
    with warehouse.open() as connection:
        replace_slice(connection, landed(warehouse, [site_day(LAST, 7)]))
        with pytest.raises(RefusedSliceError, match=told):
            replace_slice(connection, landed(warehouse, rows, announced=announced))

        assert stored(connection, CLICKS) == [(LAST, 7)]
        assert stored(connection, "select count(*) from ops.loads") == [(1,)]


def test_hostile_names_come_through_as_they_are(warehouse: Warehouse) -> None:
    row = site_day(FIRST, 1) | {"query": HOSTILE}
    with warehouse.open() as connection:
        replace_slice(connection, landed(warehouse, [row], GSC_QUERY_DAY))

        assert stored(connection, "select query from raw.search_console__query_day") == [(HOSTILE,)]


def test_the_ledger_knows_which_days_were_read_as_of_when(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        replace_slice(connection, landed(warehouse, [site_day(FIRST, 5)]))
        later = DateWindow(LAST, LAST)
        replace_slice(connection, landed(warehouse, [], window=later, as_of=date(2026, 11, 9)))

        assert read_as_of(connection, "shop") == {
            ("search_console__site_day", SITE): {
                FIRST: date(2026, 11, 4),
                date(2026, 11, 2): date(2026, 11, 4),
                LAST: date(2026, 11, 9),
            }
        }
        ids = stored(connection, "select distinct request_id from ops.loads")
        assert ids == [("r-1",)]


def test_a_landing_file_says_what_is_in_it(warehouse: Warehouse) -> None:
    one = landed(warehouse, [site_day(FIRST, 5)])

    told = read_description(one.path)

    assert told["rows"] == 1
    assert told["request_ids"] == ["r-1"]
    assert told["window"] == ["2026-11-01", "2026-11-03"]


def test_a_reply_that_breaks_off_leaves_no_landing_file(warehouse: Warehouse) -> None:
    def cut() -> Any:
        yield pa.RecordBatch.from_pylist([site_day(FIRST, 5)], schema=GSC_SITE_DAY.schema)
        raise ConnectionResetError

    piece = Slice("shop", GSC_SITE_DAY, Account("search_console", SITE), DateWindow(FIRST, LAST))
    with pytest.raises(ConnectionResetError):
        land(piece, Reply(cut()), warehouse.landing, now())

    assert [p for p in warehouse.landing.rglob("*") if p.is_file()] == []


def test_one_over_nothing_is_no_ratio(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        assert stored(
            connection,
            "select safe_ratio(500, 10000), safe_ratio(5000, 1000), safe_ratio(1, 0), "
            "safe_ratio(0, 0), safe_ratio(1, null)",
        ) == [(0.05, 5.0, None, None, None)]


def test_sql_reads_no_file_but_the_landing(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        with pytest.raises(duckdb.Error, match="disabled by configuration"):
            connection.execute("select * from read_csv('/etc/passwd')")
        with pytest.raises(duckdb.Error):
            connection.execute("set enable_external_access = true")


def test_a_second_writer_is_told_who_holds_the_warehouse(warehouse: Warehouse) -> None:
    with (
        warehouse.open(),
        pytest.raises(WarehouseBusyError, match=f"process {os.getpid()}"),
        Warehouse(warehouse.path, warehouse.landing, lock_wait_seconds=0).open(),
    ):
        pass


def test_another_program_that_holds_the_file_is_named(warehouse: Warehouse) -> None:
    with warehouse.open():
        pass
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); "
            "sys.stdin.read()",
            str(warehouse.path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(WarehouseBusyError, match=f"process {holder.pid}"), warehouse.open():
            pass
    finally:
        holder.communicate("")


def test_a_lock_left_by_a_process_that_died_holds_nobody_up(warehouse: Warehouse) -> None:
    warehouse.path.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{warehouse.path}.lock").write_text(json.dumps({"pid": 1, "since": "2026-01-01"}))

    with warehouse.open() as connection:
        assert stored(connection, "select 1") == [(1,)]


def test_opening_a_warehouse_that_is_complete_writes_nothing(warehouse: Warehouse) -> None:
    """A write would be checkpointed whenever a step of a run closes the warehouse."""
    with warehouse.open():
        pass
    before = warehouse.path.read_bytes()

    with warehouse.open():
        assert not write_ahead_log(warehouse.path).exists()

    assert warehouse.path.read_bytes() == before


@pytest.mark.parametrize(
    ("lost", "there"),
    [
        ("drop table ops.snoozes", "select * from ops.snoozes"),
        (
            "drop table raw.search_console__site_day",
            "select clicks from raw.search_console__site_day",
        ),
        (
            "alter table history.search_console__site_day drop column clicks",
            "select clicks from history.search_console__site_day",
        ),
        ("drop macro main.safe_ratio", "select 1 where safe_ratio(1, 2) is null"),
        (
            "drop schema kpis",
            "select 1 from duckdb_schemas() where schema_name = 'kpis' having count(*) <> 1",
        ),
    ],
)
def test_what_is_missing_is_there_again_when_it_is_opened(
    warehouse: Warehouse, lost: str, there: str
) -> None:
    with warehouse.open() as connection:
        connection.execute(lost)

    with warehouse.open() as connection:
        assert stored(connection, there) == []


def test_a_warehouse_of_a_newer_koers_is_refused(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        connection.execute("update ops.version set version = 999")

    with pytest.raises(WarehouseError, match="newer Koers"), warehouse.open():
        pass


def test_readers_have_a_copy_of_their_own_and_wait_for_nobody(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        replace_slice(connection, landed(warehouse, [site_day(FIRST, 5)]))
    warehouse.publish()

    with warehouse.open() as writer, warehouse.read() as reader:
        replace_slice(writer, landed(warehouse, [site_day(FIRST, 9)]))
        assert stored(reader, CLICKS) == [(FIRST, 5)]
        with pytest.raises(duckdb.Error, match="read-only"):
            reader.execute("delete from raw.search_console__site_day")


def test_a_reader_keeps_its_copy_while_a_new_one_is_published(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        replace_slice(connection, landed(warehouse, [site_day(FIRST, 5)]))
    warehouse.publish()
    with warehouse.read() as reader:
        with warehouse.open() as connection:
            replace_slice(connection, landed(warehouse, [site_day(FIRST, 9)]))
        warehouse.publish()
        assert stored(reader, CLICKS) == [(FIRST, 5)]

    with warehouse.read() as reader:
        assert stored(reader, CLICKS) == [(FIRST, 9)]


def test_a_copy_that_an_older_koers_published_is_not_read(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        replace_slice(connection, landed(warehouse, [site_day(FIRST, 5)]))
    warehouse.publish()
    with duckdb.connect(str(warehouse.published)) as old:
        old.execute("update ops.version set version = 2")
        old.execute("alter table ops.evaluations drop column adjusted_value")

    with warehouse.read() as reader:  # the warehouse itself, which is of this version
        assert stored(reader, CLICKS) == [(FIRST, 5)]
        assert stored(reader, "select adjusted_value from ops.evaluations") == []


def test_what_a_killed_run_had_begun_to_write_is_removed_and_what_is_being_written_stays(
    warehouse: Warehouse,
) -> None:
    place = landed(warehouse, [site_day(FIRST, 5)]).path.parent
    left = place / f".{'0' * 32}.partial"
    left.write_bytes(b"PAR1 and no more")
    seen: list[list[str]] = []

    def slowly() -> Any:
        remove_unfinished(warehouse.landing)
        seen.append([path.name for path in place.glob(".*.partial")])
        yield pa.RecordBatch.from_pylist([site_day(FIRST, 6)], schema=GSC_SITE_DAY.schema)
        remove_unfinished(warehouse.landing)
        seen.append([path.name for path in place.glob(".*.partial")])

    piece = Slice("shop", GSC_SITE_DAY, Account("search_console", SITE), WINDOW)
    again = land(piece, Reply(slowly()), warehouse.landing, now())

    assert not left.exists()
    assert [len(names) for names in seen] == [1, 1]
    assert [path.name for path in place.iterdir() if path.name.startswith(".")] == []
    assert again.path.exists()


def test_what_a_killed_process_committed_is_published_too(warehouse: Warehouse) -> None:
    with warehouse.open():
        pass
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); "
            "c.execute(\"insert into ops.clients (client) values ('shop')\"); os._exit(9)",
            str(warehouse.path),
        ],
        check=False,
    )
    assert killed.returncode == 9
    assert Path(f"{warehouse.path}.wal").exists()

    warehouse.publish()

    with warehouse.read() as reader:
        assert stored(reader, "select client from ops.clients") == [("shop",)]


def test_memory_is_bounded_and_what_does_not_fit_goes_beside_the_database(
    warehouse: Warehouse,
) -> None:
    with warehouse.open() as connection:
        ((limit, place, threads),) = stored(
            connection,
            "select current_setting('memory_limit'), current_setting('temp_directory'), "
            "current_setting('threads')",
        )

    number, unit = limit.split()
    assert unit in ("MiB", "GiB")
    megabytes = float(number) * (1024 if unit == "GiB" else 1) * 1.048576
    assert megabytes == pytest.approx(memory_limit_mb(), rel=0.1)
    assert place == f"{warehouse.path}.tmp"
    assert 1 <= threads <= 4


def test_a_slice_of_long_names_fits_into_the_memory_that_there_is(warehouse: Warehouse) -> None:
    # 14 million characters, and all of them once more to be replaced: it goes beside the database
    rows = [
        {
            "account_id": SITE,
            "date_day": FIRST,
            "query": f"{number}-" + "fiets 🚲" * 200,
            "clicks": number,
            "impressions": 2,
            "position": 1.0,
            "is_provisional": False,
        }
        for number in range(10_000)
    ]
    more = [row | {"impressions": 3} for row in rows]

    with warehouse.open() as connection:
        replace_slice(connection, landed(warehouse, rows, GSC_QUERY_DAY))
        result = replace_slice(connection, landed(warehouse, more, GSC_QUERY_DAY))

    assert (result.rows_changed, result.rows_superseded) == (10_000, 10_000)


def test_a_slice_of_many_rows_is_replaced_within_little_memory(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    # what 64 MB are to 200,000 rows of campaigns, 128 MB are to a million
    monkeypatch.setattr("flows.warehouse.MEMORY_MB", 64)
    number = pa.array(range(200_000))
    piece = Slice("shop", ADS_CAMPAIGN_DAY, Account("google_ads", "1"), DateWindow(FIRST, FIRST))

    def read(more: int) -> Landed:
        columns = {
            field.name: pc.add(number, more).cast(field.type) for field in ADS_CAMPAIGN_DAY.schema
            if field.name not in ("account_id", "date_day", "campaign_id")
        }  # fmt: skip
        columns |= {
            "account_id": pa.repeat("1", len(number)),
            "date_day": pa.repeat(pa.scalar(FIRST), len(number)),
            "campaign_id": number.cast(pa.string()),
        }
        columns = {name: columns[name] for name in ADS_CAMPAIGN_DAY.schema.names}
        batch = pa.RecordBatch.from_pydict(columns, schema=ADS_CAMPAIGN_DAY.schema)
        return land(piece, Reply(iter([batch])), warehouse.landing, now())

    with warehouse.open() as connection:
        replace_slice(connection, read(0))
        same = replace_slice(connection, read(0))
        other = replace_slice(connection, read(1))

    assert (same.rows_changed, same.rows_superseded) == (0, 0)
    assert (other.rows_changed, other.rows_superseded) == (200_000, 200_000)
