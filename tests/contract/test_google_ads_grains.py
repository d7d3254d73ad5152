"""What is below a campaign, read by the connector from the sandbox: it adds up to the world."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connectors import tables
from connectors.base import Account, Connection, DateWindow, SourceError, Table
from connectors.google_ads import GoogleAds
from connectors.google_ads_queries import QUERIES
from connectors.sandbox.server import Ports, Sandbox
from connectors.sandbox.world_changes import changes

TULP = "3333333333"  # with Search, Shopping, Performance Max, Display and Video
AS_OF = date(2026, 11, 20)
# up to yesterday: the last days still have the clicks that are found invalid later
WINDOW = DateWindow(date(2026, 10, 26), date(2026, 11, 19))
MEASURES = ("impressions", "clicks", "cost_micros", "conversions", "conversions_value")
Sums = dict[tuple[Any, ...], tuple[float, ...]]

ON_REQUEST = [t for t in tables.tables_of("google_ads") if t.optional]
# the others measure shares or conversions alone, or tell what is set and what was changed
ADDED_UP = [t for t in ON_REQUEST if {"clicks", "cost_micros"} <= set(t.schema.names)]


class Reader:
    def __init__(self, sandbox: Sandbox) -> None:
        told = sandbox.endpoints["credentials"]
        self.world = sandbox.world
        self.connector = GoogleAds(
            Connection(
                endpoint=sandbox.endpoints["google_ads"],
                ca_file=Path(sandbox.endpoints["ca_file"]),
                token_uri=sandbox.endpoints["token_uri"],
                developer_token=SecretStr(told["developer_token"]),
                client_id=told["client_id"],
                client_secret=SecretStr(told["client_secret"]),
                refresh_token=SecretStr(told["refresh_token"]),
                login_customer_id="1000000001",
            )
        )
        self.rows = cache(self._rows)

    def _rows(self, table: Table) -> list[dict[str, Any]]:
        reply = self.connector.fetch(table, Account("google_ads", TULP), WINDOW)
        return [row for batch in reply.batches for row in batch.to_pylist()]

    def sums(self, table: Table, *by: str, channels: tuple[str, ...] = ()) -> Sums:
        """The measures of a table added up by some columns, for all channels or some."""
        return _sums(
            (row for row in self.rows(table) if not channels or row["channel_type"] in channels),
            by,
        )

    def campaigns(self, *channels: str) -> Sums:
        """What the world itself holds per day and campaign."""
        facts = self.world.ads_facts(TULP, AS_OF).to_pylist()
        return _sums(
            (
                row | {"campaign_id": str(row["campaign_id"])}
                for row in facts
                if row["date_day"] in WINDOW and (not channels or row["channel_type"] in channels)
            ),
            ("date_day", "campaign_id"),
        )


def _sums(rows: Any, by: tuple[str, ...]) -> Sums:
    totals: dict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0.0] * len(MEASURES))
    for row in rows:
        total = totals[tuple(row[name] for name in by)]
        for at, name in enumerate(MEASURES):
            total[at] += row[name]
    # a row of nothing is no row, as Google has it
    return {key: tuple(values) for key, values in totals.items() if any(values)}


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    sandbox = Sandbox(tmp_path_factory.mktemp("grains"), AS_OF, ports=Ports.free())
    sandbox.start()
    try:
        reader = Reader(sandbox)
        yield reader
        reader.connector.close()
    finally:
        sandbox.stop()


DAY = ("date_day", "campaign_id")
WITH_AD_GROUPS = ("SEARCH", "SHOPPING", "DISPLAY", "VIDEO")


@pytest.mark.parametrize("table", ON_REQUEST, ids=lambda t: t.grain)
def test_every_table_loads_with_a_unique_key_that_is_known(read: Reader, table: Table) -> None:
    rows = read.rows(table)
    keys = {tuple(row[name] for name in table.key) for row in rows}
    assert len(keys) == len(rows) > 0
    assert not any(value is None for key in keys for value in key)
    if table.is_daily and not table.is_log:
        assert {row["date_day"] for row in rows} == set(WINDOW.days)


@pytest.mark.parametrize(
    "table",
    [tables.ADS_GEOGRAPHIC_DAY, tables.ADS_HOUR_DAY, tables.ADS_LANDING_PAGE_DAY],
    ids=lambda t: t.grain,
)
def test_places_hours_and_pages_add_up_to_their_campaign(read: Reader, table: Table) -> None:
    assert read.sums(table, *DAY) == read.campaigns()


@pytest.mark.parametrize("table", [tables.ADS_AD_GROUP_DAY, tables.ADS_AD_DAY], ids=str)
def test_ad_groups_and_ads_add_up_to_all_but_performance_max(read: Reader, table: Table) -> None:
    assert read.sums(table, *DAY) == read.campaigns(*WITH_AD_GROUPS)


def test_ads_add_up_to_their_ad_group(read: Reader) -> None:
    by = ("date_day", "ad_group_id")
    assert read.sums(tables.ADS_AD_DAY, *by) == read.sums(tables.ADS_AD_GROUP_DAY, *by)


def test_keywords_add_up_to_the_ad_groups_that_have_keywords(read: Reader) -> None:
    by = ("date_day", "ad_group_id", "ad_group_name")
    keywords = read.sums(tables.ADS_KEYWORD_DAY, *by)
    groups = read.sums(tables.ADS_AD_GROUP_DAY, *by, channels=("SEARCH",))
    without = {key: sums for key, sums in groups.items() if key[2] == "Dynamisch"}
    # Dynamic Search Ads spend and no keyword tells of it
    assert sum(sums[2] for sums in without.values()) > 0
    assert keywords == {key: sums for key, sums in groups.items() if key not in without}


def test_asset_groups_are_performance_max_and_its_products_are_a_part_of_it(read: Reader) -> None:
    assert read.sums(tables.ADS_ASSET_GROUP_DAY, *DAY) == read.campaigns("PERFORMANCE_MAX")
    with_products = read.sums(tables.ADS_ASSET_GROUP_PRODUCT_GROUP_DAY, *DAY)
    assert with_products == read.sums(
        tables.ADS_SHOPPING_PRODUCT_DAY, *DAY, channels=("PERFORMANCE_MAX",)
    )
    whole = read.campaigns("PERFORMANCE_MAX")
    assert all(with_products[key][0] < whole[key][0] for key in whole)


def test_products_add_up_to_shopping(read: Reader) -> None:
    assert read.sums(
        tables.ADS_SHOPPING_PRODUCT_DAY, *DAY, channels=("SHOPPING",)
    ) == read.campaigns("SHOPPING")


def test_search_terms_hold_the_same_in_both_views_and_performance_max_in_one(read: Reader) -> None:
    by = (*DAY, "search_term")
    both = read.sums(tables.ADS_SEARCH_TERM_DAY, *by)
    of_campaigns = tables.ADS_CAMPAIGN_SEARCH_TERM_DAY
    assert both == read.sums(of_campaigns, *by, channels=("SEARCH", "SHOPPING"))
    assert {row["channel_type"] for row in read.rows(tables.ADS_SEARCH_TERM_DAY)} == {
        "SEARCH",
        "SHOPPING",
    }
    assert "PERFORMANCE_MAX" in {row["channel_type"] for row in read.rows(of_campaigns)}


def test_withheld_search_terms_take_their_clicks_along(read: Reader) -> None:
    told = sum(s[1] for s in read.sums(tables.ADS_SEARCH_TERM_DAY, "account_id").values())
    clicked = sum(s[1] for s in read.campaigns("SEARCH", "SHOPPING").values())
    assert 0.5 * clicked < told < 0.95 * clicked


@pytest.mark.parametrize("table", ADDED_UP, ids=lambda t: t.grain)
def test_no_table_holds_more_of_a_campaign_than_the_campaign(read: Reader, table: Table) -> None:
    whole = read.campaigns()
    for key, sums in read.sums(table, *DAY).items():
        assert all(part <= of for part, of in zip(sums, whole[key], strict=True))


def test_cost_is_where_clicks_are(read: Reader) -> None:
    for row in read.rows(tables.ADS_HOUR_DAY):
        assert (row["cost_micros"] > 0) == (row["clicks"] > 0)


def test_shares_are_told_of_the_search_network_with_their_bounds(read: Reader) -> None:
    rows = read.rows(tables.ADS_IMPRESSION_SHARE_DAY)
    name = "search_impression_share"
    told = {row["channel_type"] for row in rows if row[name] is not None}
    assert told == {"SEARCH", "SHOPPING"}
    assert {row["channel_type"] for row in rows} > told
    for row in rows:
        won, to_budget, to_rank = (
            row[f"search_{what}impression_share"] for what in ("", "budget_lost_", "rank_lost_")
        )
        if won is not None and won != 0.0999 and to_budget != 0.9001 and to_rank != 0.9001:
            # what is rounded down to whole auctions is less than one of each
            assert won + to_budget + to_rank == pytest.approx(1)


def test_a_campaigns_history_can_be_kept_because_each_read_is_of_that_day(read: Reader) -> None:
    rows = {row["campaign_id"]: row for row in read.rows(tables.ADS_CAMPAIGN)}
    assert set(rows) == {
        str(one) for one in read.world.ads_campaigns(TULP, AS_OF)["campaign_id"].to_pylist()
    }
    assert {row["currency_code"] for row in rows.values()} == {"EUR"}
    assert all(row["budget_amount_micros"] > 0 for row in rows.values())
    assert {row["end_at_local"] for row in rows.values()} == {None}


# --- all conversions ------------------------------------------------------------------------------


def test_all_conversions_are_the_worlds_with_those_that_bidding_does_not_count(
    read: Reader,
) -> None:
    names = [n for n in tables.ADS_ALL_CONVERSIONS_DAY.schema.names if "conversions" in n]
    facts = read.world.ads_conversion_facts(TULP, AS_OF).to_pylist()
    held = [row for row in facts if row["date_day"] in WINDOW]
    rows = read.rows(tables.ADS_ALL_CONVERSIONS_DAY)

    def totals(found: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
        sums: dict[tuple[str, str], float] = defaultdict(float)
        for row in found:
            for name in names:
                sums[str(row["conversion_action_id"]), name] += row[name]
        return sums

    assert len(names) == 8
    assert totals(rows) == totals(held)
    # a shopping cart that was filled is no conversion, and is there
    cart = [row for row in rows if row["conversion_action_category"] == "ADD_TO_CART"]
    assert sum(row["all_conversions"] for row in cart) > 0
    assert sum(row["conversions"] for row in cart) == 0


# --- what is set ----------------------------------------------------------------------------------


def test_ad_groups_are_those_that_have_figures_and_hang_on_a_campaign(read: Reader) -> None:
    told = {row["ad_group_id"]: row for row in read.rows(tables.ADS_AD_GROUP)}
    assert {row["ad_group_id"] for row in read.rows(tables.ADS_AD_GROUP_DAY)} <= set(told)
    campaigns = {row["campaign_id"]: row for row in read.rows(tables.ADS_CAMPAIGN)}
    channels = {campaigns[row["campaign_id"]]["channel_type"] for row in told.values()}
    assert channels == {"SEARCH", "SHOPPING", "DISPLAY", "VIDEO"}
    # bids by hand are those of one ad group in each Search campaign
    assert {row["ad_group_name"] for row in told.values() if row["cpc_bid_micros"]} == {"Exact"}


def test_a_budget_is_one_row_however_many_campaigns_spend_it(read: Reader) -> None:
    budgets = {row["budget_id"]: row for row in read.rows(tables.ADS_BUDGET)}
    campaigns = read.rows(tables.ADS_CAMPAIGN)
    assert {row["budget_id"] for row in campaigns} == set(budgets)
    for one in budgets.values():
        spending = [row for row in campaigns if row["budget_id"] == one["budget_id"]]
        assert {row["budget_amount_micros"] for row in spending} == {one["amount_micros"]}
        assert one["campaigns"] == len(spending)


def test_only_shopping_has_a_target_of_its_own_and_it_is_the_one_of_that_day(read: Reader) -> None:
    rows = {row["campaign_id"]: row for row in read.rows(tables.ADS_CAMPAIGN)}
    targets = {key: row["target_roas"] for key, row in rows.items() if row["target_roas"]}
    # that of the first was set to 2.4 on 13 November
    assert targets == {"20200011": 2.4, "20200012": 4.0}
    assert {row["portfolio_strategy_id"] for row in rows.values()} == {None}


@pytest.mark.parametrize(
    ("table", "thing", "of"),
    [
        (tables.ADS_CAMPAIGN_LABEL, "campaign_id", tables.ADS_CAMPAIGN),
        (tables.ADS_AD_GROUP_LABEL, "ad_group_id", tables.ADS_AD_GROUP),
    ],
    ids=lambda one: getattr(one, "grain", one),
)
def test_labels_hang_on_what_is_there_and_some_have_none(
    read: Reader, table: Table, thing: str, of: Table
) -> None:
    labelled = [row[thing] for row in read.rows(table)]
    everything = {row[thing] for row in read.rows(of)}
    assert set(labelled) < everything
    assert {row["label_name"] for row in read.rows(table)} >= {"Merk", "Q4-actie <b>"}


# --- what was changed -----------------------------------------------------------------------------


def test_changes_are_the_worlds_with_what_was_and_what_came(read: Reader) -> None:
    rows = {row["change_event_id"]: row for row in read.rows(tables.ADS_CHANGE_EVENT)}
    held = {c.id: c for c in changes(TULP, AS_OF) if c.at.date() in WINDOW}
    assert set(rows) == set(held)
    for key, change in held.items():
        assert rows[key]["date_day"] == change.at.date()
        assert rows[key]["changed_fields"].split(",") == change.fields
    (budget,) = (row for row in rows.values() if row["resource_id"] == "20200002")
    assert (budget["operation"], budget["resource_type"]) == ("UPDATE", "CAMPAIGN_BUDGET")
    assert (budget["old_budget_amount_micros"], budget["new_budget_amount_micros"]) == (
        30_000_000,
        45_000_000,
    )
    # nothing is said of what was not changed
    assert budget["old_ad_group_cpc_bid_micros"] is None and budget["ad_group_id"] == ""
    assert {row["client_type"] for row in rows.values()} == {
        "GOOGLE_ADS_WEB_CLIENT",
        "GOOGLE_ADS_AUTOMATED_RULE",
    }
    assert not [name for name in tables.ADS_CHANGE_EVENT.schema.names if "user" in name]


@pytest.mark.parametrize("limit", [2, 4, 7])
def test_changes_beyond_the_limit_are_read_on_from_the_moment_of_the_last(
    read: Reader, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    whole = read.rows(tables.ADS_CHANGE_EVENT)
    table = tables.ADS_CHANGE_EVENT
    monkeypatch.setitem(QUERIES, table, replace(QUERIES[table], limit=limit))
    reply = read.connector.fetch(table, Account("google_ads", TULP), WINDOW)
    found = [row for batch in reply.batches for row in batch.to_pylist()]
    at_limit = reply.metadata.get("moments_at_row_limit", [])
    missing = {row["change_event_id"] for row in whole} - {row["change_event_id"] for row in found}
    # the rule changes three bids at one moment: an answer of two never holds the third
    assert bool(missing) == (limit < 3)
    assert {row["changed_at_local"] for row in whole if row["change_event_id"] in missing} <= set(
        at_limit
    )
    keys = [row["change_event_id"] for row in found]
    assert len(keys) == len(set(keys)) and len(reply.request_ids) > 3


@pytest.mark.parametrize(
    ("window", "reason"),
    [(DateWindow(date(2026, 10, 1), date(2026, 11, 19)), "START_DATE_TOO_OLD")],
)
def test_changes_of_more_than_thirty_days_ago_are_refused(
    read: Reader, window: DateWindow, reason: str
) -> None:
    reply = read.connector.fetch(tables.ADS_CHANGE_EVENT, Account("google_ads", TULP), window)
    with pytest.raises(SourceError) as refused:
        list(reply.batches)
    assert refused.value.reason == reason
    assert tables.ADS_CHANGE_EVENT.retention_days == 29  # a plan never asks for them
