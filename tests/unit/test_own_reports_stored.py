"""Tables of a user's own in the warehouse: stored, folded, made anew, and defined otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.base import Table
from connectors.reports import Definition, table_of
from connectors.tables import ALL
from flows.folding import fold_landing
from flows.intake import take_in
from flows.warehouse import Warehouse, connect, prepare
from tests.unit.small_landing import MORNING, SITE, all_of, everything, load, read

NAME = "google_ads__report_mine"
STORED = (f"raw.{NAME}", f"history.{NAME}")
LATER = MORNING + timedelta(days=400)


def mine(select: str = "", where: str = "", resource: str = "ad_group") -> Table:
    return table_of(
        Definition(
            "mine",
            "google_ads",
            f"SELECT ad_group.cpc_bid_micros, metrics.clicks{select} FROM {resource} "
            f"WHERE segments.date BETWEEN {{start}} AND {{end}}{where}",
        )
    )


MINE = mine()


def row(day: int, clicks: int | None, **more: Any) -> dict[str, Any]:
    told = {"ad_group_resource_name": "customers/1/adGroups/2", "currency_code": "EUR"}
    told |= {"account_id": SITE, "date_day": date(2026, 11, day), "clicks": clicks}
    return told | {"ad_group_cpc_bid_micros": None} | more


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return of(Warehouse(tmp_path / "koers.duckdb", tmp_path / "landing", 0.3), MINE)


def of(warehouse: Warehouse, *tables: Table) -> Warehouse:
    """The same warehouse under another configuration."""
    return replace(warehouse, tables=(*ALL, *tables))


def two_mornings(warehouse: Warehouse) -> None:
    load(warehouse, read(warehouse, [row(1, 5), row(2, 7)], 0, table=MINE))
    load(warehouse, read(warehouse, [row(1, 6), row(2, 7)], 1, table=MINE))


def outcome(warehouse: Warehouse, table: Table, rows: Sequence[dict[str, Any]], day: int) -> str:
    (result,) = load(warehouse, read(warehouse, rows, day, table=table))
    return result.error or result.outcome


def test_a_report_has_its_table_before_anything_is_loaded(warehouse: Warehouse) -> None:
    assert everything(warehouse, *STORED) == {STORED[0]: [], STORED[1]: []}


def test_a_report_is_replaced_by_the_slice_and_keeps_its_history(warehouse: Warehouse) -> None:
    two_mornings(warehouse)
    with warehouse.open() as connection:
        found = connection.execute(f"select date_day, clicks from raw.{NAME} order by all")
        assert found.fetchall() == [(date(2026, 11, 1), 6), (date(2026, 11, 2), 7)]
        assert connection.execute(f"select clicks from history.{NAME}").fetchall() == [(5,)]


def test_what_describes_may_be_negative_and_what_counts_may_not(warehouse: Warehouse) -> None:
    rows = [row(1, 5, ad_group_cpc_bid_micros=-1)]
    assert outcome(warehouse, MINE, rows, 0) == "loaded"
    assert "a negative clicks" in outcome(warehouse, MINE, [row(1, -5)], 1)


def test_an_answer_without_any_count_is_no_answer(warehouse: Warehouse) -> None:
    assert "no figures at all" in outcome(warehouse, MINE, [row(1, None)], 0)


# --- defined otherwise ------------------------------------------------------------------------


def test_a_definition_that_was_never_loaded_may_change_as_it_likes(warehouse: Warehouse) -> None:
    everything(warehouse)
    other = mine(", segments.device")
    changed = of(warehouse, other)
    rows = [row(1, 5, device="MOBILE"), row(1, 6, device="DESKTOP")]
    assert outcome(changed, other, rows, 0) == "loaded"


def test_a_figure_that_is_added_is_unknown_on_older_days(warehouse: Warehouse) -> None:
    two_mornings(warehouse)
    other = mine(", metrics.impressions, ad_group.name")
    changed = of(warehouse, other)
    more = {"impressions": 40, "ad_group_name": "Fietsen"}
    piece = read(changed, [row(2, 7, **more)], 2, days=(2, 3), table=other)
    (result,) = load(changed, piece)
    assert result.outcome == "loaded"
    with changed.open() as connection:
        found = connection.execute(
            f"select date_day, clicks, impressions, ad_group_name from raw.{NAME} order by all"
        ).fetchall()
    assert found == [
        (date(2026, 11, 1), 6, None, None),
        (date(2026, 11, 2), 7, 40, "Fietsen"),
    ]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (mine(", segments.device"), "it splits rows by device, which those that are stored"),
        (mine(resource="campaign"), "it splits rows by campaign_resource_name"),
        (mine(where=" AND ad_group.status = 'ENABLED'"), "it asks for other rows than those that "
         "are stored (FROM ad_group)"),
        (replace(mine(), columns=mine().columns[:-1]), "it no longer asks for clicks"),
    ],
)  # fmt: skip
def test_a_definition_that_does_not_fit_is_refused_and_nothing_is_lost(
    warehouse: Warehouse, other: Table, told: str
) -> None:
    two_mornings(warehouse)
    before = everything(warehouse, *STORED)
    changed = of(warehouse, other)
    rows = [row(1, 9, device="MOBILE", campaign_resource_name="customers/1/campaigns/3")]
    columns = {column.name for column in other.columns}
    rows = [{name: value for name, value in one.items() if name in columns} for one in rows]
    error = outcome(changed, other, rows, 2)
    assert told in error
    assert error.endswith("give the report another name, or its earlier definition back; what is "
                          "stored stays as it is")  # fmt: skip
    assert everything(changed, *STORED) == before
    # with the definition of before it goes on as if nothing had been
    assert outcome(warehouse, MINE, [row(1, 9)], 3) == "loaded"


# --- from the landing alone -------------------------------------------------------------------


def made_anew(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    """What a configuration that knows no reports makes of the landing."""
    path = warehouse.path.with_name("anew.duckdb")
    connection = connect(path)
    try:
        prepare(connection)
        taken = take_in(connection, warehouse.landing)
        assert not taken.skipped
        return all_of(connection, *STORED)
    finally:
        connection.close()
        path.unlink()


def test_the_landing_alone_tells_what_a_report_was(warehouse: Warehouse) -> None:
    two_mornings(warehouse)
    assert made_anew(warehouse) == everything(warehouse, *STORED)


def test_a_report_that_changed_on_the_way_is_made_anew_as_it_was(warehouse: Warehouse) -> None:
    two_mornings(warehouse)
    other = mine(", metrics.impressions")
    changed = of(warehouse, other)
    load(changed, read(changed, [row(1, 6, impressions=9)], 2, days=(1, 1), table=other))
    load(changed, read(changed, [row(3, 2, impressions=5)], 3, days=(3, 4), table=other))
    assert made_anew(warehouse) == everything(changed, *STORED)


def test_a_report_is_folded_as_every_table(warehouse: Warehouse) -> None:
    two_mornings(warehouse)
    before = everything(warehouse, *STORED)
    (folded,) = fold_landing(warehouse, 30, moment=LATER, at_once=2)
    assert folded.files == 2
    assert made_anew(warehouse) == before
    # what is read after it counts on top of the snapshot
    assert outcome(warehouse, MINE, [row(1, 8), row(2, 7)], 401) == "loaded"
    assert made_anew(warehouse) == everything(warehouse, *STORED)


def test_a_report_that_nobody_has_any_more_stays_in_the_warehouse(warehouse: Warehouse) -> None:
    two_mornings(warehouse)
    before = everything(warehouse, *STORED)
    assert everything(of(warehouse), *STORED) == before
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        assert connection.execute(f"select count(*) from raw.{NAME}").fetchall() == [(2,)]
