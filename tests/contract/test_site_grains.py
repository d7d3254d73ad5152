"""GA4's and Search Console's tables on request, read from the sandbox: they add up to the world."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connectors import tables
from connectors.base import Account, Connection, DateWindow, Table
from connectors.ga4 import REPORTS, Report
from connectors.registry import open_connector
from connectors.sandbox.ga4_report import check_names, metrics_for
from connectors.sandbox.server import Ports, Sandbox

PROPERTY, SITE = "322222222", "https://www.tulpenthee.example/"
AS_OF = date(2026, 11, 20)
WINDOW = DateWindow(date(2026, 11, 1), date(2026, 11, 9))
GA4_SUMS = ("sessions", "engaged_sessions", "key_events", "transactions", "purchase_revenue")
ON_REQUEST = {
    source: [table for table in tables.tables_of(source) if table.optional]
    for source in ("ga4", "search_console")
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    served = Sandbox(tmp_path_factory.mktemp("sites"), AS_OF, ports=Ports.free())
    served.start()
    yield served
    served.stop()


def read(sandbox: Sandbox, table: Table) -> list[dict[str, Any]]:
    told = sandbox.endpoints["credentials"]
    connection = Connection(
        endpoint=sandbox.endpoints["ga4_grpc" if table.source == "ga4" else "search_console"],
        ca_file=Path(sandbox.endpoints["ca_file"]),
        token_uri=sandbox.endpoints["token_uri"],
        client_id=told["client_id"],
        client_secret=SecretStr(told["client_secret"]),
        refresh_token=SecretStr(told["refresh_token"]),
    )
    connector = open_connector(table.source, connection)
    account = Account(table.source, PROPERTY if table.source == "ga4" else SITE)
    try:
        batches = list(connector.fetch(table, account, WINDOW).batches)
    finally:
        connector.close()
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert len({tuple(row[name] for name in table.key) for row in rows}) == len(rows)
    return rows


def sums(rows: Any, measure: str, *by: str) -> dict[tuple[Any, ...], float]:
    totals: Counter[tuple[Any, ...]] = Counter()
    for row in rows:
        totals[tuple(row[name] for name in by)] += row[measure]
    return {key: value for key, value in totals.items() if value}


# --- GA4 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ON_REQUEST["ga4"], ids=lambda t: t.grain)
def test_sessions_and_what_came_of_them_add_up_to_the_world(sandbox: Sandbox, table: Table) -> None:
    rows = read(sandbox, table)
    facts = [
        row
        for row in sandbox.world.ga4_facts(PROPERTY, AS_OF).to_pylist()
        if row["date_day"] in WINDOW
    ]
    events = [name for name in facts[0] if name.startswith("key_event__")]
    for row in facts:
        row["key_events"] = sum(row[name] for name in events)
    for measure in GA4_SUMS:
        found, held = sums(rows, measure, "date_day"), sums(facts, measure, "date_day")
        assert found == pytest.approx(held), measure
    assert len({row[table.key[-1]] for row in rows}) > 1


def test_users_of_the_rows_are_more_than_there_were(sandbox: Sandbox) -> None:
    by_device = sums(read(sandbox, tables.GA4_DEVICE_DAY), "total_users", "date_day")
    by_country = sums(read(sandbox, tables.GA4_COUNTRY_DAY), "total_users", "date_day")
    # two ways to add up the same people give two numbers: neither is how many there were
    assert by_device != by_country


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_asks_for_fields_that_go_together(name: str) -> None:
    report = REPORTS[name]
    check_names(
        [dimension for _, dimension in report.dimensions],
        [metric for _, metric in report.metrics],
        metrics_for(()),
    )


@pytest.mark.parametrize(
    ("dimension", "metric"),
    [("eventName", "sessions"), ("itemName", "totalUsers"), ("isKeyEvent", "purchaseRevenue")],
)
def test_fields_of_scopes_that_do_not_go_together_make_no_report(
    dimension: str, metric: str
) -> None:
    with pytest.raises(ValueError, match=f"does not give {metric} by {dimension}"):
        Report((("x", dimension),), (("y", metric),))


def test_no_model_ever_adds_users_up() -> None:
    sql = Path(__file__).parents[2] / "sql"
    for path in sorted(sql.rglob("*.sql")):
        assert not re.search(r"(?i)\b(sum|avg)\s*\(\s*[\w.]*total_users", path.read_text()), path


# --- Search Console -------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [tables.GSC_DEVICE_DAY, tables.GSC_COUNTRY_DAY], ids=str)
def test_devices_and_countries_add_up_to_the_site(sandbox: Sandbox, table: Table) -> None:
    rows = read(sandbox, table)
    facts = sandbox.world.search_facts(SITE, AS_OF).to_pylist()
    days = [row for row in facts if row["date_day"] in WINDOW]
    for measure in ("clicks", "impressions"):
        assert sums(rows, measure, "date_day") == sums(days, measure, "date_day")
    assert len({row[table.key[-1]] for row in rows}) == 3


def test_pages_by_query_hold_what_is_not_withheld(sandbox: Sandbox) -> None:
    by = ("date_day", "page", "query")
    facts = sandbox.world.search_facts(SITE, AS_OF).to_pylist()
    told = [row for row in facts if row["date_day"] in WINDOW and row["query"] is not None]
    rows = read(sandbox, tables.GSC_PAGE_QUERY_DAY)
    assert sums(rows, "clicks", *by) == sums(told, "clicks", *by)
    withheld = [row for row in facts if row["date_day"] in WINDOW and row["query"] is None]
    assert sum(row["clicks"] for row in withheld) > 0


@pytest.mark.parametrize("table", [tables.GSC_DISCOVER_DAY, tables.GSC_NEWS_DAY], ids=str)
def test_a_site_that_is_in_neither_discover_nor_news_has_no_rows(
    sandbox: Sandbox, table: Table
) -> None:
    assert read(sandbox, table) == []
