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
from connectors.ga4 import REPORTS, Report, whole_periods
from connectors.registry import open_connector
from connectors.sandbox.ga4_report import check_names, metrics_for
from connectors.sandbox.search_console_server import appearances
from connectors.sandbox.server import Ports, Sandbox

PROPERTY, SITE = "322222222", "https://www.tulpenthee.example/"
AS_OF = date(2026, 11, 20)
WINDOW = DateWindow(date(2026, 11, 1), date(2026, 11, 9))
GA4_SUMS = ("sessions", "engaged_sessions", "key_events", "transactions", "purchase_revenue")
ON_REQUEST = {
    source: [table for table in tables.tables_of(source) if table.optional]
    for source in ("ga4", "search_console")
}

# the others count events, items or users
OF_SESSIONS = [t for t in ON_REQUEST["ga4"] if "sessions" in t.schema.names]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    served = Sandbox(tmp_path_factory.mktemp("sites"), AS_OF, ports=Ports.free())
    served.start()
    yield served
    served.stop()


def read(sandbox: Sandbox, table: Table, window: DateWindow = WINDOW) -> list[dict[str, Any]]:
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
        batches = list(connector.fetch(table, account, window).batches)
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


def held_by_ga4(sandbox: Sandbox) -> list[dict[str, Any]]:
    """What the world itself holds of these days."""
    facts = sandbox.world.ga4_facts(PROPERTY, AS_OF).to_pylist()
    days = [row for row in facts if row["date_day"] in WINDOW]
    events = [name for name in days[0] if name.startswith("key_event__")]
    for row in days:
        row["key_events"] = sum(row[name] for name in events)
    return days


@pytest.mark.parametrize("table", OF_SESSIONS, ids=lambda t: t.grain)
def test_sessions_and_what_came_of_them_add_up_to_the_world(sandbox: Sandbox, table: Table) -> None:
    rows, facts = read(sandbox, table), held_by_ga4(sandbox)
    for measure in GA4_SUMS:
        found, held = sums(rows, measure, "date_day"), sums(facts, measure, "date_day")
        assert found == pytest.approx(held), measure
    assert len({row[table.key[-1]] for row in rows}) > 1


def test_users_of_the_rows_are_more_than_there_were(sandbox: Sandbox) -> None:
    by_device = sums(read(sandbox, tables.GA4_DEVICE_DAY), "total_users", "date_day")
    by_country = sums(read(sandbox, tables.GA4_COUNTRY_DAY), "total_users", "date_day")
    # two ways to add up the same people give two numbers: neither is how many there were
    assert by_device != by_country


def test_events_are_counted_as_sessions_orders_and_key_events_are(sandbox: Sandbox) -> None:
    rows, facts = read(sandbox, tables.GA4_EVENT_DAY), held_by_ga4(sandbox)
    for event, measure in (
        ("session_start", "sessions"),
        ("first_visit", "new_users"),
        ("purchase", "transactions"),
        ("newsletter_signup", "key_event__newsletter_signup"),
    ):
        found = sums((r for r in rows if r["event_name"] == event), "event_count", "date_day")
        assert found == sums(facts, measure, "date_day"), event
    # of all events only those of the property count as key events
    assert sums(rows, "key_events", "date_day") == sums(facts, "key_events", "date_day")
    assert {row["event_name"] for row in rows if row["key_events"]} == {
        "purchase",
        "newsletter_signup",
    }
    value = sums(rows, "event_value", "date_day")
    assert value == pytest.approx(sums(facts, "purchase_revenue", "date_day"))


def test_items_are_what_the_orders_consist_of(sandbox: Sandbox) -> None:
    rows, facts = read(sandbox, tables.GA4_ITEM_DAY), held_by_ga4(sandbox)
    revenue = sums(rows, "item_revenue", "date_day")
    assert revenue == pytest.approx(sums(facts, "purchase_revenue", "date_day"))
    assert sums(rows, "items_purchased", "date_day") == sums(facts, "transactions", "date_day")
    assert {row["item_id"] for row in rows} == {"fg-1001", "fg-1002", "fg-1003", "fg-1004"}
    for row in rows:
        assert row["items_viewed"] >= row["items_added_to_cart"] >= 0
    assert {row["currency_code"] for row in rows} == {"EUR"}


@pytest.mark.parametrize(
    ("table", "window", "periods"),
    [
        # a week is told of on its Sunday, with its days before the window
        (
            tables.GA4_USERS_WEEK,
            DateWindow(date(2026, 11, 4), date(2026, 11, 15)),
            [(date(2026, 11, 2), date(2026, 11, 8)), (date(2026, 11, 9), date(2026, 11, 15))],
        ),
        (
            tables.GA4_USERS_MONTH,
            DateWindow(date(2026, 10, 31), date(2026, 11, 19)),
            [(date(2026, 10, 1), date(2026, 10, 31))],
        ),
        # nothing ends in it, so nothing is asked for
        (tables.GA4_USERS_WEEK, DateWindow(date(2026, 11, 16), date(2026, 11, 19)), []),
        (tables.GA4_USERS_MONTH, DateWindow(date(2026, 11, 1), date(2026, 11, 19)), []),
    ],
    ids=lambda one: getattr(one, "grain", ""),
)
def test_users_of_a_period_are_counted_over_the_whole_of_it_and_only_once_it_is_over(
    sandbox: Sandbox, table: Table, window: DateWindow, periods: list[tuple[date, date]]
) -> None:
    rows = read(sandbox, table, window)
    assert [(row["period_start"], row["date_day"]) for row in rows] == periods
    facts = sandbox.world.ga4_facts(PROPERTY, AS_OF).to_pylist()
    for row in rows:
        held = [r for r in facts if row["period_start"] <= r["date_day"] <= row["date_day"]]
        # nobody is new twice; who came on two days is one person
        assert row["new_users"] == sum(r["new_users"] for r in held)
        whole = DateWindow(row["period_start"], row["date_day"])
        days = read(sandbox, tables.GA4_EVENT_DAY, whole)
        of_days = sum(r["total_users"] for r in days if r["event_name"] == "session_start")
        assert row["active_users"] < row["total_users"] < of_days


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
    [
        ("eventName", "sessions"),
        ("itemId", "eventCount"),
        ("itemName", "totalUsers"),
        ("isKeyEvent", "purchaseRevenue"),
    ],
)
def test_fields_of_scopes_that_do_not_go_together_make_no_report(
    dimension: str, metric: str
) -> None:
    with pytest.raises(ValueError, match=f"does not give {metric} by {dimension}"):
        Report((("x", dimension),), (("y", metric),))


def test_no_model_ever_adds_users_up() -> None:
    sql = Path(__file__).parents[2] / "sql"
    for path in sorted(sql.rglob("*.sql")):
        users = r"(?i)\b(sum|avg)\s*\(\s*[\w.]*(total|active)_users"
        assert not re.search(users, path.read_text()), path


def test_no_model_ever_adds_the_value_of_ads_to_the_revenue_of_the_site() -> None:
    sql = Path(__file__).parents[2] / "sql"
    ours, theirs = r"[\w.]*(conversions_value|ads_value)\w*", r"[\w.]*revenue\w*"
    for path in sorted(sql.rglob("*.sql")):
        text = path.read_text()
        assert not re.search(rf"(?i){ours}\s*\+\s*{theirs}", text), path
        assert not re.search(rf"(?i){theirs}\s*\+\s*{ours}", text), path


def test_ga4s_weeks_and_months_have_their_own_first_and_last_days() -> None:
    days = DateWindow(date(2026, 12, 27), date(2027, 2, 28))
    weeks, months = (whole_periods(days, period) for period in ("week", "month"))
    assert [str(week) for week in weeks[:2]] == ["2026-12-21..2026-12-27", "2026-12-28..2027-01-03"]
    assert weeks[-1].end == days.end
    assert [str(month) for month in months] == [
        "2026-12-01..2026-12-31",
        "2027-01-01..2027-01-31",
        "2027-02-01..2027-02-28",
    ]


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


def test_search_appearances_are_told_by_day_and_are_a_part_of_the_site(sandbox: Sandbox) -> None:
    rows = read(sandbox, tables.GSC_SEARCH_APPEARANCE_DAY)
    assert {row["search_appearance"] for row in rows} == {"PRODUCT_SNIPPETS", "REVIEW_SNIPPET"}
    facts = sandbox.world.search_facts(SITE, AS_OF)
    looks = appearances(facts)
    held = [
        row | {"search_appearance": look}
        for row, look in zip(facts.to_pylist(), looks.to_pylist(), strict=True)
        if row["date_day"] in WINDOW
    ]
    special = [row for row in held if row["search_appearance"] is not None]
    by = ("date_day", "search_appearance")
    assert sums(rows, "clicks", *by) == sums(special, "clicks", *by)
    assert 0 < sum(row["clicks"] for row in rows) < sum(row["clicks"] for row in held)


@pytest.mark.parametrize("table", [tables.GSC_DISCOVER_DAY, tables.GSC_NEWS_DAY], ids=str)
def test_a_site_that_is_in_neither_discover_nor_news_has_no_rows(
    sandbox: Sandbox, table: Table
) -> None:
    assert read(sandbox, table) == []
