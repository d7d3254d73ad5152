"""Google Ads: SearchStream over gRPC, with replies as the REST form of the API writes them."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import grpc
from google.ads.googleads.v26.errors.types.errors import GoogleAdsFailure
from google.ads.googleads.v26.services.types.google_ads_service import (
    SearchGoogleAdsStreamRequest,
    SearchGoogleAdsStreamResponse,
)

from connectors import tables
from connectors.base import Account, DateWindow, Table
from tests.contract.case import (
    HOSTILE_NAMES,
    REPLIES,
    Case,
    Scenario,
    Vendor,
    connect,
    token_endpoint,
)
from tests.contract.servers import GrpcAnswer, GrpcCall, grpc_server

ACCOUNT = Account("google_ads", "1234567890", "Fietsgoed NL", "EUR", "Europe/Amsterdam")
# 29 March 2026 has 23 hours in Amsterdam
WINDOW = DateWindow(date(2026, 3, 28), date(2026, 3, 30))
FAILURE = "google.ads.googleads.v26.errors.googleadsfailure-bin"


def recorded(name: str) -> Any:
    return json.loads((REPLIES / "google_ads" / f"{name}.json").read_text(encoding="utf-8"))


def messages(chunks: list[dict[str, Any]]) -> tuple[bytes, ...]:
    response = SearchGoogleAdsStreamResponse
    return tuple(response.serialize(response.from_json(json.dumps(chunk))) for chunk in chunks)


def refused(name: str, status: grpc.StatusCode) -> GrpcAnswer:
    failure = recorded(name)
    serialized = GoogleAdsFailure.serialize(GoogleAdsFailure.from_json(json.dumps(failure)))
    return GrpcAnswer(
        status=status,
        details=failure["errors"][0]["message"],
        trailers=((FAILURE, serialized), ("request-id", failure["requestId"])),
    )


def hostile(chunks: list[dict[str, Any]], resource: str, *path: str) -> list[dict[str, Any]]:
    """The first row once for each hostile name, each under an id of its own."""
    rows = []
    for number, text in enumerate(HOSTILE_NAMES):
        row = copy.deepcopy(chunks[0]["results"][0])
        around = row[resource]
        for step in path[:-1]:
            around = around.setdefault(step, {})
        around[path[-1]] = text
        if "id" in row[resource]:
            row[resource]["id"] = str(900 + number)
        if resource == "changeEvent":
            row[resource]["resourceName"] += str(number)
        rows.append(row)
    return [{"results": rows, "requestId": "Rq-hostile"}]


def windows(calls: list[GrpcCall]) -> list[DateWindow]:
    asked = []
    for call in calls:
        query = SearchGoogleAdsStreamRequest.deserialize(call.request).query
        found = re.search(r"segments\.date BETWEEN '([0-9-]+)' AND '([0-9-]+)'", query)
        found = found or re.search(
            r"change_date_time >= '([0-9-]+) 00:00:00' AND \S+ <= '([0-9-]+) 23:59:59.999999'",
            query,
        )
        if found:
            asked.append(DateWindow(*(date.fromisoformat(day) for day in found.groups())))
    return asked


def case(
    table: Table, request_id: str, hostile_field: tuple[str, ...], column: str, rows: list[Any]
) -> Case:
    @contextmanager
    def serve(scenario: Scenario) -> Iterator[Vendor]:
        chunks = recorded(table.grain)

        def answer(call: GrpcCall) -> GrpcAnswer:
            assert call.method == "/google.ads.googleads.v26.services.GoogleAdsService/SearchStream"
            assert call.metadata["x-goog-request-params"] == "customer_id=1234567890"
            assert call.metadata["login-customer-id"] == "1000000002"
            assert call.metadata["developer-token"] == "canary-developer-token"
            assert call.metadata["authorization"] == "Bearer canary-access-token"
            if scenario == "empty":
                return GrpcAnswer(messages([{"requestId": request_id}]))
            if scenario == "permission":
                return refused("permission", grpc.StatusCode.PERMISSION_DENIED)
            if scenario == "quota":
                return refused("quota", grpc.StatusCode.RESOURCE_EXHAUSTED)
            if scenario == "cut":
                return GrpcAnswer(messages(chunks[:1]), cut=True)
            if scenario == "hostile":
                return GrpcAnswer(messages(hostile(chunks, *hostile_field)))
            return GrpcAnswer(messages(chunks), trailers=(("request-id", request_id),))

        with token_endpoint(scenario) as token_uri, grpc_server(answer) as (endpoint, calls):
            connection = connect(token_uri, endpoint, login_customer_id="100-000-0002")
            yield Vendor(connection, lambda: windows(calls))

    return Case(
        table=table,
        account=ACCOUNT,
        window=WINDOW,
        serve=serve,
        rows=rows,
        hostile_column=column,
        quota_delay_seconds=37.0,
        quota_request_id="Rq-quota",
        permission_reason="USER_PERMISSION_DENIED",
        permission_request_id="Rq-denied",
        request_ids=(request_id,),
    )


def rows_of(columns: str, *rows: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [dict(zip(columns.split(), row, strict=True)) for row in rows]


CONVERSIONS = (
    "conversions conversions_value conversions_by_conversion_date "
    "conversions_value_by_conversion_date"
)
FIRST, SECOND, LAST = WINDOW.days
A = "1234567890"

# fmt: off
CAMPAIGN_DAYS = rows_of(
    "account_id date_day campaign_id campaign_name campaign_status channel_type device "
    f"network currency_code impressions clicks cost_micros {CONVERSIONS}",
    (A, FIRST, "21000000001", "Search – fietsen", "ENABLED", "SEARCH", "MOBILE",
     "SEARCH", "EUR", 10000, 500, 1000000000, 12.5, 5000.0, 11.0, 4400.25),
    (A, SECOND, "21000000001", "Search – fietsen", "ENABLED", "SEARCH", "DESKTOP",
     "SEARCH_PARTNERS", "EUR", 7, 0, 0, 0.0, 0.0, 0.0, 0.0),
    # an id beyond 2^53, and conversions that were not said: unknown, not zero
    (A, LAST, "9007199254740993", "PMax oud", "REMOVED", "PERFORMANCE_MAX",
     "CONNECTED_TV", "YOUTUBE", "EUR", 3, 1, 123457, None, None, None, None),
)
ACCOUNT_DAYS = rows_of(
    f"account_id date_day currency_code impressions clicks cost_micros {CONVERSIONS}",
    (A, FIRST, "EUR", 10000, 500, 1000000000, 12.5, 5000.0, 11.0, 4400.25),
    (A, LAST, "EUR", 3, 1, 123457, 0.0, 0.0, 0.333333, 0.0),
)
CONVERSION_ACTION_DAYS = rows_of(
    "account_id date_day campaign_id conversion_action_id conversion_action_name "
    f"conversion_action_category currency_code {CONVERSIONS}",
    # the action belongs to a manager: only its last part is the id
    (A, FIRST, "21000000001", "700000001", "Aankoop", "PURCHASE", "EUR",
     12.0, 5000.0, 10.5, 4400.25),
    (A, FIRST, "21000000001", "700000002", "Offerte", "SUBMIT_LEAD_FORM", "EUR",
     0.5, 0.0, 0.5, 0.0),
    (A, LAST, "21000000001", "700000001", "Aankoop", "PURCHASE", "EUR",
     1.0, 49.95, 1.0, 49.95),
)
CONVERSION_LAG_DAYS = rows_of(
    "account_id date_day conversion_lag_bucket currency_code conversions conversions_value",
    (A, FIRST, "LESS_THAN_ONE_DAY", "EUR", 9.5, 4000.25),
    (A, FIRST, "FOURTEEN_TO_TWENTY_ONE_DAYS", "EUR", 3.0, 999.75),
    (A, LAST, "LESS_THAN_ONE_DAY", "EUR", 1.0, 0.0),
)
CONVERSION_ACTIONS = rows_of(
    "account_id conversion_action_id conversion_action_name category status "
    "is_primary_for_goal click_through_window_days view_through_window_days",
    (A, "700000001", "Aankoop", "PURCHASE", "ENABLED", True, 30, 1),
    (A, "700000002", "Telefoontje", "PHONE_CALL_LEAD", "REMOVED", False, 60, None),
)
ACCOUNTS = rows_of(
    "account_id account_name currency_code time_zone status is_manager is_test_account",
    (A, "Fietsgoed NL", "EUR", "Europe/Amsterdam", "ENABLED", False, False),
)

# --- on request ---
CAMPAIGN = "campaign_id campaign_name channel_type"
AD_GROUP = f"{CAMPAIGN} ad_group_id ad_group_name"
RESULTS = "currency_code impressions clicks cost_micros conversions conversions_value"
DATED = "conversions_by_conversion_date conversions_value_by_conversion_date"
SEARCH = ("21000000001", "Search – fietsen", "SEARCH")
SHOPPING = ("21000000002", "Shopping", "SHOPPING")
PMAX = ("9007199254740993", "PMax oud", "PERFORMANCE_MAX")
CITY, DYNAMIC = ("3001", "Stadsfietsen"), ("3002", "Dynamisch <b>")
# what was brought: something, nothing, and conversions that were not said
SOME = ("EUR", 1000, 50, 25000001, 2.5, 199.9)
NONE = ("EUR", 7, 0, 0, 0.0, 0.0)
UNSAID = ("EUR", 3, 1, 123457, None, None)
AD_GROUP_DAYS = rows_of(
    f"account_id date_day {AD_GROUP} ad_group_status {RESULTS} {DATED}",
    (A, FIRST, *SEARCH, *CITY, "ENABLED", *SOME, 1.25, 199.9),
    (A, SECOND, *SEARCH, *DYNAMIC, "REMOVED", *NONE, 0.0, 0.0),
    (A, LAST, *SEARCH, *CITY, "ENABLED", *UNSAID, None, None),
)
RSA = "RESPONSIVE_SEARCH_AD"
AD_DAYS = rows_of(
    f"account_id date_day {AD_GROUP} ad_id ad_type ad_status ad_strength {RESULTS} {DATED}",
    (A, FIRST, *SEARCH, *CITY, "41", RSA, "ENABLED", "GOOD", *SOME, 1.25, 199.9),
    # the same ad in another ad group is another row
    (A, FIRST, *SEARCH, *DYNAMIC, "41", RSA, "PAUSED", "UNSPECIFIED", *NONE, 0.0, 0.0),
    (A, LAST, *SEARCH, *CITY, "42", "CALL_AD", "REMOVED", "POOR", *UNSAID, None, None),
)
KEYWORD_DAYS = rows_of(
    f"account_id date_day {AD_GROUP} criterion_id keyword_text keyword_match_type "
    f"keyword_status {RESULTS} {DATED}",
    (A, FIRST, *SEARCH, *CITY, "91", "fiets kopen", "EXACT", "ENABLED", *SOME, 1.25, 199.9),
    # the number of a criterion repeats in another ad group
    (A, FIRST, *SEARCH, *DYNAMIC, "91", "fiets kopen", "BROAD", "REMOVED", *NONE, 0.0, 0.0),
    (A, LAST, *SEARCH, *CITY, "92", '=1+1 "fiets"', "PHRASE", "ENABLED", *UNSAID, None, None),
)
SEARCH_TERM_DAYS = rows_of(
    f"account_id date_day {AD_GROUP} search_term search_term_status search_term_match_type "
    f"{RESULTS}",
    (A, FIRST, *SEARCH, *CITY, "fiets kopen", "ADDED", "EXACT", *SOME),
    (A, FIRST, *SEARCH, *CITY, "fiets kopen", "ADDED", "NEAR_PHRASE", *NONE),
    (A, LAST, *SHOPPING, "3003", "Alle producten", "omafiets", "NONE", "BROAD", *UNSAID),
)
CAMPAIGN_SEARCH_TERM_DAYS = rows_of(
    f"account_id date_day {CAMPAIGN} search_term {RESULTS}",
    (A, FIRST, *SEARCH, "fiets kopen", *SOME),
    (A, FIRST, *PMAX, "fiets kopen", *NONE),
    (A, LAST, *PMAX, "fiets van merk", *UNSAID),
)
PRODUCT = (
    "product_item_id product_merchant_id product_feed_label product_title product_brand "
    "product_type_l1 product_custom_label_0"
)
SHOPPING_PRODUCT_DAYS = rows_of(
    f"account_id date_day {CAMPAIGN} {PRODUCT} {RESULTS}",
    (A, FIRST, *SHOPPING, "fg-1001", "5550001", "NL", "Stadsfiets Comfort 7", "Noordster",
     "Fietsen", "hoge marge", *SOME),
    # a title that changed in the course of the day; what is not said is empty
    (A, FIRST, *SHOPPING, "fg-1001", "5550001", "NL", "Stadsfiets Comfort 8", "", "", "", *NONE),
    (A, LAST, *PMAX, "fg-1002", "5550001", "NL", "E-bike", "Noordster", "", "", *UNSAID),
)
GEOGRAPHIC_DAYS = rows_of(
    f"account_id date_day {CAMPAIGN} country_criterion_id location_type {RESULTS}",
    (A, FIRST, *SEARCH, "2528", "LOCATION_OF_PRESENCE", *SOME),
    (A, FIRST, *SEARCH, "2528", "AREA_OF_INTEREST", *NONE),
    (A, LAST, *PMAX, "2056", "LOCATION_OF_PRESENCE", *UNSAID),
)
HOUR_DAYS = rows_of(
    f"account_id date_day {CAMPAIGN} hour {RESULTS}",
    (A, FIRST, *SEARCH, 0, *SOME),  # midnight is measured, not unset
    (A, SECOND, *SEARCH, 3, *NONE),
    (A, LAST, *PMAX, 23, *UNSAID),
)
LANDING_PAGE_DAYS = rows_of(
    f"account_id date_day {CAMPAIGN} landing_page {RESULTS}",
    (A, FIRST, *SEARCH, "https://www.fietsgoed.example/", *SOME),
    (A, FIRST, *SEARCH, "https://www.fietsgoed.example/?kleur=blauw&maat=M", *NONE),
    (A, LAST, *PMAX, "", *UNSAID),
)
ALL_PRODUCTS, GIFTS = ("61", "Alle producten"), ("62", "Cadeaus & acties")
ASSET_GROUP_DAYS = rows_of(
    f"account_id date_day {CAMPAIGN} asset_group_id asset_group_name asset_group_status {RESULTS}",
    (A, FIRST, *PMAX, *ALL_PRODUCTS, "ENABLED", *SOME),
    (A, FIRST, *PMAX, *GIFTS, "PAUSED", *NONE),
    (A, LAST, *PMAX, *ALL_PRODUCTS, "ENABLED", *UNSAID),
)
PRODUCT_GROUP_DAYS = rows_of(
    f"account_id date_day {CAMPAIGN} asset_group_id asset_group_name product_group_id "
    f"product_group_type {RESULTS}",
    (A, FIRST, *PMAX, *ALL_PRODUCTS, "801", "UNIT_INCLUDED", *SOME),
    (A, FIRST, *PMAX, *GIFTS, "801", "UNIT_INCLUDED", *NONE),
    (A, LAST, *PMAX, *ALL_PRODUCTS, "802", "SUBDIVISION", *UNSAID),
)
IMPRESSION_SHARE_DAYS = rows_of(
    f"account_id date_day {CAMPAIGN} impressions search_impression_share "
    "search_top_impression_share search_budget_lost_impression_share "
    "search_rank_lost_impression_share",
    (A, FIRST, *SEARCH, 1000, 0.0999, 0.0999, 0.9001, 0.0),
    (A, SECOND, *SEARCH, 7, 0.4321, 0.25, 0.5, 0.0679),
    (A, LAST, *PMAX, 3, None, None, None, None),
)
BEGAN = "2025-07-01 00:00:00"
CAMPAIGNS = rows_of(
    "account_id campaign_id campaign_name campaign_status channel_type bidding_strategy_type "
    "target_roas maximize_value_target_roas target_cpa_micros "
    "maximize_conversions_target_cpa_micros portfolio_strategy_id portfolio_strategy_name "
    "portfolio_target_roas portfolio_target_cpa_micros "
    "start_at_local end_at_local budget_id budget_name budget_amount_micros is_shared_budget "
    "currency_code",
    (A, *SEARCH[:2], "ENABLED", "SEARCH", "TARGET_ROAS", 4.5, None, None, None, None, None, None,
     None, BEGAN, None, "71", "Budget zoeken", 50000000, True, "EUR"),
    # bids by a strategy that several campaigns share
    (A, *SHOPPING[:2], "PAUSED", "SHOPPING", "MANUAL_CPC", None, None, None, None, "81",
     "Alles op CPA", None, 12500000, BEGAN, "2026-08-30 23:59:59", "71", "Budget zoeken",
     50000000, True, "EUR"),
    (A, *PMAX[:2], "REMOVED", "PERFORMANCE_MAX", "MAXIMIZE_CONVERSION_VALUE", None, 3.25, None,
     None, None, None, None, None, BEGAN, None, "72", "Oud", 12345678, False, "EUR"),
)
AD_GROUPS = rows_of(
    "account_id campaign_id ad_group_id ad_group_name ad_group_status ad_group_type "
    "cpc_bid_micros target_cpa_micros target_roas currency_code",
    (A, SEARCH[0], *CITY, "ENABLED", "SEARCH_STANDARD", 1100000, None, None, "EUR"),
    (A, SEARCH[0], *DYNAMIC, "REMOVED", "SEARCH_DYNAMIC_ADS", None, None, None, "EUR"),
    (A, SHOPPING[0], "3003", "Alle producten", "PAUSED", "SHOPPING_PRODUCT_ADS", None, 9500000,
     3.5, "EUR"),
)
BUDGETS = rows_of(
    "account_id budget_id budget_name budget_status budget_period amount_micros "
    "total_amount_micros is_shared campaigns recommended_amount_micros currency_code",
    (A, "71", "Budget zoeken", "ENABLED", "DAILY", 50000000, None, True, 2, 75000000, "EUR"),
    (A, "72", "Oud", "REMOVED", "DAILY", 12345678, None, False, 0, None, "EUR"),
    (A, "73", "Film in december", "ENABLED", "CUSTOM_PERIOD", None, 900000000, False, 1, None,
     "EUR"),
)
BRAND, ACTION = ("5", "Merk"), ("6", "Q4-actie <b>")
CAMPAIGN_LABELS = rows_of(
    "account_id campaign_id label_id label_name",
    (A, SEARCH[0], *BRAND),
    (A, SEARCH[0], *ACTION),
    (A, PMAX[0], *BRAND),
)
AD_GROUP_LABELS = rows_of(
    "account_id campaign_id ad_group_id label_id label_name",
    (A, SEARCH[0], CITY[0], *BRAND),
    (A, SEARCH[0], DYNAMIC[0], *ACTION),
)
ALL_CONVERSIONS_DAYS = rows_of(
    "account_id date_day campaign_id conversion_action_id conversion_action_name "
    f"conversion_action_category currency_code {CONVERSIONS} all_conversions "
    "all_conversions_value all_conversions_by_conversion_date "
    "all_conversions_value_by_conversion_date",
    (A, FIRST, SEARCH[0], "700000001", "Aankoop", "PURCHASE", "EUR",
     12.0, 5000.0, 10.5, 4400.25, 12.0, 5000.0, 10.5, 4400.25),
    # what bidding does not count is no conversion, and one of all
    (A, FIRST, SEARCH[0], "700000002", "Telefoontje", "PHONE_CALL_LEAD", "EUR",
     0.0, 0.0, 0.0, 0.0, 7.5, 30.0, 8.0, 32.0),
    (A, LAST, PMAX[0], "700000001", "Aankoop", "PURCHASE", "EUR",
     1.0, 49.95, None, None, 1.0, 49.95, None, None),
)


def change(*told: Any, **changed: Any) -> dict[str, Any]:
    """A change with the values that were said; of all others nothing is known."""
    names = tables.ADS_CHANGE_EVENT.schema.names
    row = dict.fromkeys(names) | dict(zip(names, (A, *told), strict=False))
    return {**row, "currency_code": "EUR", **changed}


# a status is an enum: where its resource was changed in something else it is not said
CHANGE_EVENTS = [
    change(FIRST, "1774650600000000~0~0", "2026-03-28 00:00:00.000000", "CAMPAIGN_BUDGET", "71",
           "UPDATE", "GOOGLE_ADS_WEB_CLIENT", SEARCH[0], "", "amount_micros",
           old_budget_amount_micros=50000000, new_budget_amount_micros=75000000),
    change(FIRST, "1774692732250000~1~0", "2026-03-28 11:12:12.250000", "CAMPAIGN", SEARCH[0],
           "UPDATE", "GOOGLE_ADS_RECOMMENDATIONS_SUBSCRIPTION", SEARCH[0], "",
           "name,target_roas.target_roas,status",
           old_campaign_name="Search", new_campaign_name="Search – fietsen",
           old_campaign_status="PAUSED", new_campaign_status="ENABLED",
           old_bidding_strategy_type="UNSPECIFIED", new_bidding_strategy_type="UNSPECIFIED",
           old_target_roas=4.0, new_target_roas=4.5),
    # a keyword that was removed: there is no new one, and no field is named
    change(LAST, "1774908000500000~0~3", "2026-03-30 23:59:59.999999", "AD_GROUP_CRITERION",
           "3001~91", "REMOVE", "GOOGLE_ADS_API", SEARCH[0], CITY[0], None,
           old_keyword_status="ENABLED", old_keyword_cpc_bid_micros=900000),
]
# fmt: on

CASES = [
    case(
        tables.ADS_CAMPAIGN_DAY,
        "Rq-campaign-day",
        ("campaign", "name"),
        "campaign_name",
        CAMPAIGN_DAYS,
    ),
    case(
        tables.ADS_ACCOUNT_DAY,
        "Rq-account-day",
        ("customer", "currencyCode"),
        "currency_code",
        ACCOUNT_DAYS,
    ),
    case(
        tables.ADS_CONVERSION_ACTION_DAY,
        "Rq-conversions",
        ("segments", "conversionActionName"),
        "conversion_action_name",
        CONVERSION_ACTION_DAYS,
    ),
    case(
        tables.ADS_CONVERSION_LAG_DAY,
        "Rq-lags",
        ("customer", "currencyCode"),
        "currency_code",
        CONVERSION_LAG_DAYS,
    ),
    case(
        tables.ADS_CONVERSION_ACTION,
        "Rq-actions",
        ("conversionAction", "name"),
        "conversion_action_name",
        CONVERSION_ACTIONS,
    ),
    case(
        tables.ADS_ACCOUNT, "Rq-account", ("customer", "descriptiveName"), "account_name", ACCOUNTS
    ),
    *(
        case(table, request_id, hostile_field, column, rows)
        for table, request_id, hostile_field, column, rows in (
            (
                tables.ADS_AD_GROUP_DAY,
                "Rq-ad-group-day",
                ("adGroup", "name"),
                "ad_group_name",
                AD_GROUP_DAYS,
            ),
            (tables.ADS_AD_DAY, "Rq-ad-day", ("adGroup", "name"), "ad_group_name", AD_DAYS),
            (
                tables.ADS_KEYWORD_DAY,
                "Rq-keyword-day",
                ("adGroup", "name"),
                "ad_group_name",
                KEYWORD_DAYS,
            ),
            (
                tables.ADS_SEARCH_TERM_DAY,
                "Rq-search-term-day",
                ("searchTermView", "searchTerm"),
                "search_term",
                SEARCH_TERM_DAYS,
            ),
            (
                tables.ADS_CAMPAIGN_SEARCH_TERM_DAY,
                "Rq-campaign-search-term-day",
                ("campaignSearchTermView", "searchTerm"),
                "search_term",
                CAMPAIGN_SEARCH_TERM_DAYS,
            ),
            (
                tables.ADS_SHOPPING_PRODUCT_DAY,
                "Rq-shopping-product-day",
                ("segments", "productTitle"),
                "product_title",
                SHOPPING_PRODUCT_DAYS,
            ),
            (
                tables.ADS_GEOGRAPHIC_DAY,
                "Rq-geographic-day",
                ("campaign", "name"),
                "campaign_name",
                GEOGRAPHIC_DAYS,
            ),
            (tables.ADS_HOUR_DAY, "Rq-hour-day", ("campaign", "name"), "campaign_name", HOUR_DAYS),
            (
                tables.ADS_LANDING_PAGE_DAY,
                "Rq-landing-page-day",
                ("landingPageView", "unexpandedFinalUrl"),
                "landing_page",
                LANDING_PAGE_DAYS,
            ),
            (
                tables.ADS_ASSET_GROUP_DAY,
                "Rq-asset-group-day",
                ("assetGroup", "name"),
                "asset_group_name",
                ASSET_GROUP_DAYS,
            ),
            (
                tables.ADS_ASSET_GROUP_PRODUCT_GROUP_DAY,
                "Rq-product-group-day",
                ("assetGroup", "name"),
                "asset_group_name",
                PRODUCT_GROUP_DAYS,
            ),
            (
                tables.ADS_IMPRESSION_SHARE_DAY,
                "Rq-impression-share-day",
                ("campaign", "name"),
                "campaign_name",
                IMPRESSION_SHARE_DAYS,
            ),
            (
                tables.ADS_AD_GROUP,
                "Rq-ad-group",
                ("adGroup", "name"),
                "ad_group_name",
                AD_GROUPS,
            ),
            (tables.ADS_BUDGET, "Rq-budget", ("campaignBudget", "name"), "budget_name", BUDGETS),
            (
                tables.ADS_CAMPAIGN_LABEL,
                "Rq-campaign-label",
                ("label", "name"),
                "label_name",
                CAMPAIGN_LABELS,
            ),
            (
                tables.ADS_AD_GROUP_LABEL,
                "Rq-ad-group-label",
                ("label", "name"),
                "label_name",
                AD_GROUP_LABELS,
            ),
            (
                tables.ADS_ALL_CONVERSIONS_DAY,
                "Rq-all-conversions-day",
                ("segments", "conversionActionName"),
                "conversion_action_name",
                ALL_CONVERSIONS_DAYS,
            ),
            (
                tables.ADS_CHANGE_EVENT,
                "Rq-change-event",
                ("changeEvent", "newResource", "campaign", "name"),
                "new_campaign_name",
                CHANGE_EVENTS,
            ),
            (
                tables.ADS_CAMPAIGN,
                "Rq-campaign",
                ("campaign", "name"),
                "campaign_name",
                CAMPAIGNS,
            ),
        )
    ),
]
