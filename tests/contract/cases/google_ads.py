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


def hostile(chunks: list[dict[str, Any]], resource: str, name: str) -> list[dict[str, Any]]:
    """The first row once for each hostile name, each under an id of its own."""
    rows = []
    for number, text in enumerate(HOSTILE_NAMES):
        row = copy.deepcopy(chunks[0]["results"][0])
        row[resource][name] = text
        if "id" in row[resource]:
            row[resource]["id"] = str(900 + number)
        rows.append(row)
    return [{"results": rows, "requestId": "Rq-hostile"}]


def windows(calls: list[GrpcCall]) -> list[DateWindow]:
    asked = []
    for call in calls:
        query = SearchGoogleAdsStreamRequest.deserialize(call.request).query
        found = re.search(r"segments\.date BETWEEN '([0-9-]+)' AND '([0-9-]+)'", query)
        if found:
            asked.append(DateWindow(*(date.fromisoformat(day) for day in found.groups())))
    return asked


def case(
    table: Table, request_id: str, hostile_field: tuple[str, str], column: str, rows: list[Any]
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
]
