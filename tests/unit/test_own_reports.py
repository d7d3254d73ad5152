"""Tables of a user's own: what a definition becomes, and what is wrong with one."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import DateWindow, Table
from connectors.gaql import GaqlError, read_gaql
from connectors.google_ads_queries import QUERIES
from connectors.google_ads_reports import Asked, AskedQuery
from connectors.reports import Definition, WrongReportError, table_of
from connectors.sandbox.gaql import parse
from flows.reports import report_problems
from flows.settings import load_settings, validate
from tests.unit.config_folder import CATALOGUE, KOERS, write

DAYS = "segments.date BETWEEN {start} AND {end}"
WINDOW = DateWindow(date(2026, 11, 1), date(2026, 11, 3))


def ads(query: str, name: str = "mine") -> Table:
    return table_of(Definition(name, "google_ads", query))


def asked(table: Table) -> str:
    assert isinstance(table.asks, Asked)
    return AskedQuery.of(table.asks).gaql(WINDOW)


def problems(source: str = "google_ads", query: str = "", **more: Any) -> list[str]:
    """What is wrong with a definition, as `place: problem; expected`."""
    with pytest.raises(WrongReportError) as told:
        table_of(Definition("mine", source, query, **more))
    return [f"{one.place}: {one.problem}; {one.expected}" for one in told.value.problems]


# --- Google Ads -------------------------------------------------------------------------------


def test_a_query_becomes_a_table_with_the_types_of_the_protos() -> None:
    table = ads(
        "SELECT campaign.id, campaign.name, ad_group.cpc_bid_micros, segments.hour, "
        f"segments.week, metrics.clicks, metrics.ctr FROM ad_group WHERE {DAYS}"
    )
    assert table.name == "google_ads__report_mine"
    assert {c.name: c.type for c in table.columns} == {
        "account_id": pa.string(),
        "date_day": pa.date32(),
        "currency_code": pa.string(),
        "ad_group_resource_name": pa.string(),
        "campaign_resource_name": pa.string(),
        "campaign_id": pa.string(),
        "campaign_name": pa.string(),
        "ad_group_cpc_bid_micros": pa.int64(),
        "hour": pa.int64(),
        "week": pa.date32(),
        "clicks": pa.int64(),
        "ctr": pa.float64(),
    }
    assert table.is_daily and table.optional and table.retention_days == 1110
    # a row is a resource by segment; attributes may be null or change their name
    assert table.key == (
        "account_id", "date_day", "ad_group_resource_name", "campaign_resource_name",
        "hour", "week",
    )  # fmt: skip
    assert {c.name for c in table.columns if c.is_count} == {"clicks"}


def test_the_query_that_is_sent_has_the_days_and_what_tells_rows_apart() -> None:
    table = ads(
        "select ad_group_ad.ad.type, metrics.impressions\nfrom ad_group_ad\n"
        "where segments.date >= '{start}' and segments.date <= '{end}' "
        "and campaign.name like 'Black \\'Friday%' order by metrics.impressions desc"
    )
    assert asked(table) == (
        "SELECT customer.id, segments.date, ad_group_ad.resource_name, ad_group_ad.ad.type, "
        "metrics.impressions FROM ad_group_ad "
        "WHERE segments.date BETWEEN '2026-11-01' AND '2026-11-03' "
        "AND campaign.name like 'Black \\'Friday%'"
    )


def test_a_query_without_days_is_a_table_of_the_present() -> None:
    table = ads("SELECT label.name, label.status FROM label")
    assert not table.is_daily
    assert table.retention_days is None
    assert asked(table) == (
        "SELECT customer.id, label.resource_name, label.name, label.status FROM label"
    )


def test_of_the_account_itself_the_account_is_key_enough() -> None:
    table = ads(f"SELECT customer.id, segments.device, metrics.clicks FROM customer WHERE {DAYS}")
    assert table.key == ("account_id", "date_day", "device")


def test_what_is_the_same_for_every_account_is_asked_without_one() -> None:
    table = ads("SELECT geo_target_constant.name FROM geo_target_constant")
    assert table.key == ("account_id", "geo_target_constant_resource_name")
    assert asked(table) == (
        "SELECT geo_target_constant.resource_name, geo_target_constant.name "
        "FROM geo_target_constant"
    )


def test_names_that_meet_are_told_apart() -> None:
    table = ads(
        f"SELECT segments.campaign, campaign.name, segments.date, metrics.clicks, "
        f"campaign.resource_name FROM campaign WHERE {DAYS}"
    )
    assert len({c.name for c in table.columns}) == len(table.columns) == 6


@pytest.mark.parametrize(
    "query",
    # what is read from moment to moment cannot be read by day
    [query for query in QUERIES.values() if "LIMIT" not in query.gaql(WINDOW)],
    ids=lambda q: q.resource,
)
def test_koers_own_queries_can_be_written_as_reports(query: Any) -> None:
    text = query.gaql(WINDOW).replace(f"'{WINDOW.start}'", "{start}")
    table = ads(text.replace(f"'{WINDOW.end}'", "{end}"))
    sent = parse(asked(table))
    assert set(sent.select) >= set(parse(query.gaql(WINDOW)).select)
    assert sent.resource == query.resource


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (
            f"SELECT metrics.clics FROM campaign WHERE {DAYS}",
            'query: there is no field "metrics.clics" in Google Ads v26; '
            'did you mean "metrics.clicks"',
        ),
        (
            "SELECT campaign.name FROM campagn",
            'query: there is no resource "campagn"; did you mean "campaign"',
        ),
        (
            "SELECT cmpaign.name FROM campaign",
            'query: there is no resource "cmpaign", so no cmpaign.name; did you mean "campaign"',
        ),
        (
            "SELECT campaign.name FROM campaign WHERE campaign.statsu = 'ENABLED'",
            'query: there is no field "campaign.statsu" in Google Ads v26; did you mean '
            '"campaign.status"',
        ),
        (
            "SELECT ad_group_ad.ad.responsive_search_ad.headlines FROM ad_group_ad",
            "query: ad_group_ad.ad.responsive_search_ad.headlines is a list of groups of fields; "
            "leave it out",
        ),
        (
            "SELECT campaign.network_settings FROM campaign",
            "query: campaign.network_settings is a group of fields; name those of it, such as "
            "campaign.network_settings.target_",
        ),
        (
            "SELECT segments.date, metrics.clicks FROM campaign",
            "query: selects segments.date without saying for which days; add WHERE segments.date "
            "BETWEEN {start} AND {end}, which Koers fills in",
        ),
        (
            "SELECT metrics.clicks FROM campaign WHERE segments.date DURING LAST_7_DAYS",
            "query: has days of its own: segments.date DURING LAST_7_DAYS; expected WHERE "
            "segments.date BETWEEN {start} AND {end}, which Koers fills in",
        ),
        (
            "SELECT metrics.clicks FROM campaign WHERE segments.month = '2026-11-01'",
            "query: has days of its own: segments.month = '2026-11-01'; expected",
        ),
        (
            "SELECT metrics.clicks FROM campaign WHERE campaign.name = {start}",
            "query: {start} and {end} are compared with campaign.name; expected",
        ),
        (
            "SELECT metrics.clicks FROM campaign WHERE segments.date >= {day}",
            'query: "{day}" is unknown; Koers fills in {start} and {end}',
        ),
        (
            f"SELECT metrics.clicks FROM campaign WHERE {DAYS} LIMIT 10",
            "query: has a LIMIT, which would cut every request off at another place; leave it out",
        ),
        (
            f"SELECT metrics.clicks FROM campaign WHERE {DAYS} PARAMETERS include_drafts=true",
            "query: has PARAMETERS, which change what the answer means; leave them out",
        ),
        ("SELECT campaign.id FROM campaign; SELECT 1", 'query: has ";" where none belongs;'),
        ("SELECT campaign.id FROM campaign -- all", 'query: has "-" where none belongs;'),
        ("SELECT campaign.id FROM campaign, ad_group", "query: FROM names more than one resource;"),
        ("SELECT campaign.id campaign.name FROM campaign", "query: SELECT is no list of fields;"),
        ("DELETE FROM campaign", "query: does not begin with SELECT;"),
        ("SELECT campaign.id WHERE campaign.id = 1", "query: has no FROM;"),
        (
            f"SELECT click_view.gclid, metrics.clicks FROM click_view WHERE {DAYS}",
            "query: click_view is about single people or clicks; Koers pulls nothing that",
        ),
        (
            "SELECT change_event.user_email FROM change_event",
            "query: change_event.user_email is about single people or clicks; Koers pulls",
        ),
    ],
)
def test_what_is_wrong_with_a_query_is_told_with_what_was_meant(query: str, told: str) -> None:
    (found,) = problems(query=query)
    assert found.startswith(told)


def test_all_that_is_wrong_with_a_query_is_told_at_once() -> None:
    query = f"SELECT metrics.clics, metrics.imprssions FROM campaign WHERE {DAYS}"
    assert len(problems(query=query)) == 2


@given(st.text(alphabet="SELCTFROMWHEAND abc.,'\"{}()=<>!-;\n", max_size=60))
def test_no_text_breaks_the_reader_of_queries(text: str) -> None:
    for query in (text, f"SELECT campaign.id FROM campaign WHERE {text}"):
        try:
            read = read_gaql(query)
        except GaqlError as e:
            assert e.problem
        else:
            assert read.select and "{" not in " ".join(read.conditions)


# --- GA4 and Search Console -------------------------------------------------------------------


def test_ga4_names_become_columns_and_counts_are_whole() -> None:
    table = table_of(
        Definition(
            "pages",
            "ga4",
            dimensions=("pageTitle", "customEvent:Plan-type", "date"),
            metrics=("screenPageViews", "purchaseRevenue", "keyEvents:purchase"),
        )
    )
    assert [(c.name, c.type) for c in table.columns] == [
        ("account_id", pa.string()),
        ("date_day", pa.date32()),
        ("page_title", pa.string()),
        ("custom_event_plan_type", pa.string()),
        ("screen_page_views", pa.int64()),
        ("purchase_revenue", pa.float64()),
        ("key_events_purchase", pa.float64()),
        ("currency_code", pa.string()),
    ]
    assert table.key == ("account_id", "date_day", "page_title", "custom_event_plan_type")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"dimensions": ("customUser:crm_id",)}, "dimensions[0]: customUser:crm_id is about"),
        (
            {"dimensions": ("country", "customEvent:clientId")},
            "dimensions[1]: customEvent:clientId",
        ),
        ({"dimensions": ("userId",)}, "dimensions[0]: userId is about single people"),
        ({"dimensions": ("nthDay",)}, "dimensions[0]: nthDay depends on which days a request has"),
        ({"dimensions": ("page title",)}, 'dimensions[0]: "page title" is no name of GA4'),
        ({"dimensions": ("country", "country")}, "dimensions[1]: country is there twice"),
        ({"dimensions": tuple("abcdefghi")}, "dimensions: are more than GA4 gives at once: 9"),
        ({"metrics": ()}, "metrics: is empty"),
        ({"metrics": tuple("abcdefghijk")}, "metrics: are more than GA4 gives at once: 10"),
    ],
)
def test_what_no_property_gives_is_refused_without_asking(more: Any, told: str) -> None:
    (found,) = problems("ga4", **{"metrics": ("sessions",), **more})
    assert found.startswith(told)


def test_accounts_and_orders_of_ga4_are_not_people() -> None:
    names = (
        "googleAdsCustomerId", "transactionId", "sessionCampaignId", "signedInWithUserId",
        "customEvent:email_opened", "customEvent:vip", "itemListName",
    )  # fmt: skip
    table_of(Definition("mine", "ga4", dimensions=names, metrics=("sessions",)))


def test_search_console_gives_pages_by_page_and_the_rest_by_property() -> None:
    by_page = table_of(Definition("a", "search_console", dimensions=("date", "page", "device")))
    assert by_page.key == ("account_id", "date_day", "page", "device")
    assert by_page.requests_per_day == 2
    aggregations = {
        table_of(Definition("a", "search_console", **more)).asks.aggregation  # type: ignore[attr-defined]
        for more in (
            {"dimensions": ("page",)},
            {"dimensions": ("country",), "filters": (("page", ("https://a.example/",)),)},
        )
    }
    assert aggregations == {"byPage"}
    plain = table_of(Definition("a", "search_console", dimensions=("country",)))
    assert plain.asks.aggregation == "byProperty"  # type: ignore[attr-defined]
    discover = table_of(Definition("a", "search_console", type="discover"))
    assert discover.asks.aggregation == "auto"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            {"dimensions": ("qery",)},
            'dimensions[0]: there is no dimension "qery" in Search Console; did you mean "query"?',
        ),
        ({"dimensions": ("page", "searchAppearance")}, "dimensions[1]: Google tells search"),
        ({"dimensions": ("hour",)}, "dimensions[0]: hours are told for the last days alone"),
        ({"type": "vidoe"}, 'type: "vidoe" is unknown; did you mean "video"?'),
        ({"filters": (("date", ("2026-11-01",)),)}, "filter.date: cannot be filtered on"),
        ({"filters": (("device", ("MOBILE", "TABLET")),)}, "filter.device: Search Console com"),
    ],
)
def test_what_search_console_does_not_give_is_told(more: Any, told: str) -> None:
    (found,) = problems("search_console", **more)
    assert found.startswith(told)


# --- in the configuration ---------------------------------------------------------------------

CLIENT = """
name: Shop
sources:
  google_ads: {customer_ids: [123-456-7890], reports: mine}
  ga4: {property_ids: [1], reports: [pages]}
"""
REPORTS = """
reports:
  mine:
    source: google_ads
    query: SELECT metrics.clicks FROM campaign WHERE segments.date BETWEEN {start} AND {end}
  pages: {source: ga4, dimensions: [pageTitle], metrics: sessions, filter: {country: [Belgium]}}
"""


def findings(tmp_path: Path, reports: str, client: str = CLIENT) -> list[str]:
    config = write(tmp_path, KOERS + reports, shop=client)
    found = validate(config, CATALOGUE, report_problems)
    return [str(f).replace(f"{config}/", "") for f in found if f.severity == "error"]


def test_reports_of_koers_yaml_are_read_and_asked_for_by_clients(tmp_path: Path) -> None:
    config = write(tmp_path, KOERS + REPORTS, shop=CLIENT)
    settings = load_settings(config, CATALOGUE, report_problems)
    assert settings.reports["pages"].filters == (("country", ("Belgium",)),)
    assert settings.clients[0].sources["google_ads"].reports == ("mine",)


def test_a_wrong_field_is_told_with_its_file_and_line(tmp_path: Path) -> None:
    at = next(n for n, line in enumerate((KOERS + REPORTS).splitlines(), 1) if "query:" in line)
    assert findings(tmp_path, REPORTS.replace("metrics.clicks", "metrics.clics")) == [
        f'koers.yaml:{at}: reports.mine.query: there is no field "metrics.clics" in Google Ads '
        'v26; did you mean "metrics.clicks"?'
    ]
    (told,) = findings(tmp_path, REPORTS.replace("[pageTitle]", "[pageTitle, userId]"))
    at = next(n for n, line in enumerate((KOERS + REPORTS).splitlines(), 1) if "pages:" in line)
    assert told.startswith(f"koers.yaml:{at}: reports.pages.dimensions[1]: userId is about single")


@pytest.mark.parametrize(
    ("reports", "told"),
    [
        (
            REPORTS.replace("  mine:", "  My-Report:"),
            "reports.My-Report: cannot be the name of a table; expected lower-case letters, digits "
            "and underscores, at most 40, such as my_report",
        ),
        (
            REPORTS.replace("source: ga4", "source: ga5"),
            'reports.pages.source: unknown source "ga5"; did you mean "ga4"?',
        ),
        (REPORTS.replace("source: ga4, ", ""), "reports.pages.source: is missing"),
        (REPORTS.replace("metrics: sessions, ", ""), "reports.pages.metrics: is missing"),
        (
            REPORTS.replace("metrics: sessions", "metric: sessions, metrics: x"),
            'reports.pages.metric: unknown key "metric"',
        ),
        ("\nsql: nowhere" + REPORTS, "sql: "),
    ],
)
def test_what_is_wrong_with_a_report_is_told(tmp_path: Path, reports: str, told: str) -> None:
    found = findings(tmp_path, reports)
    assert any(told in one for one in found), found


def test_a_client_asks_for_reports_that_there_are_and_of_that_source(tmp_path: Path) -> None:
    assert findings(tmp_path, REPORTS, CLIENT.replace("[pages]", "[pagse]")) == [
        'clients/shop.yaml:5: sources.ga4.reports[0]: no report "pagse"; did you mean "pages"?'
    ]
    assert findings(tmp_path, REPORTS, CLIENT.replace("[pages]", "[mine]")) == [
        'clients/shop.yaml:5: sources.ga4.reports[0]: the report "mine" is of google_ads; list it '
        "there"
    ]
