"""GA4 over gRPC and REST: the same recorded replies, as protobuf and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import grpc
from google.analytics.data_v1beta.types import RunReportRequest, RunReportResponse
from google.protobuf import json_format
from google.rpc import error_details_pb2  # noqa: F401 (so that details can be read from JSON)
from google.rpc.status_pb2 import Status

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
from tests.contract.servers import (
    GrpcAnswer,
    GrpcCall,
    HttpAnswer,
    HttpCall,
    grpc_server,
    http_server,
)

ACCOUNT = Account("ga4", "311111111", currency_code="EUR", time_zone="Europe/Amsterdam")
WINDOW = DateWindow(date(2026, 11, 1), date(2026, 11, 2))
METHOD = "/google.analytics.data.v1beta.BetaAnalyticsData/RunReport"

# What the API must be asked for each table: dimensions in the order of the reply, then metrics.
SESSION_METRICS = [
    "sessions",
    "engagedSessions",
    "totalUsers",
    "newUsers",
    "keyEvents",
    "transactions",
    "purchaseRevenue",
    "firstTimePurchasers",
]
ASKED = {
    "channel_day": (["date", "sessionDefaultChannelGroup"], SESSION_METRICS),
    "campaign_day": (
        ["date", "sessionSource", "sessionMedium", "sessionCampaignName"],
        SESSION_METRICS,
    ),
    "key_event_day": (["date", "sessionDefaultChannelGroup", "eventName"], ["keyEvents"]),
    "device_day": (["date", "deviceCategory"], SESSION_METRICS),
    "country_day": (["date", "country"], SESSION_METRICS),
    "landing_page_day": (["date", "landingPage"], SESSION_METRICS),
    "event_day": (["date", "eventName"], ["eventCount", "keyEvents", "totalUsers", "eventValue"]),
    "item_day": (
        ["date", "itemId", "itemName", "itemBrand", "itemCategory"],
        ["itemsViewed", "itemsAddedToCart", "itemsCheckedOut", "itemsPurchased", "itemRevenue"],
    ),
    "users_week": (["isoYearIsoWeek"], ["totalUsers", "activeUsers", "newUsers"]),
    "users_month": (["yearMonth"], ["totalUsers", "activeUsers", "newUsers"]),
    "new_vs_returning_day": (
        ["date", "newVsReturning"],
        [m for m in SESSION_METRICS if m not in ("newUsers", "firstTimePurchasers")],
    ),
}
STATUS = {
    "permission": grpc.StatusCode.PERMISSION_DENIED,
    "quota": grpc.StatusCode.RESOURCE_EXHAUSTED,
}


def recorded(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((REPLIES / "ga4" / f"{name}.json").read_text("utf-8"))
    return told


def reply(scenario: Scenario, grain: str) -> dict[str, Any]:
    if scenario in ("empty", "permission", "quota"):
        return recorded(scenario)
    told = recorded(grain)
    if scenario == "hostile":
        first = told["rows"][0]
        told["rows"] = [
            {
                "dimensionValues": [*first["dimensionValues"][:-1], {"value": name}],
                "metricValues": first["metricValues"],
            }
            for name in HOSTILE_NAMES
        ]
        told["rowCount"] = len(told["rows"])
    return told


def as_proto(told: dict[str, Any]) -> bytes:
    message = RunReportResponse.pb(RunReportResponse())
    return json_format.ParseDict(told, message).SerializeToString()


def from_json(body: bytes) -> Any:
    return json_format.Parse(body, RunReportRequest.pb(RunReportRequest()))


def checked(request: Any, grain: str) -> None:
    """Hold what was asked against what the API's documentation asks for."""
    dimensions, metrics = ASKED[grain]
    assert [d.name for d in request.dimensions] == dimensions
    assert [m.name for m in request.metrics] == metrics
    # a total order, or pages could overlap
    assert [o.dimension.dimension_name for o in request.order_bys] == dimensions
    assert 0 < request.limit <= 250_000
    assert request.return_property_quota


def grpc_failure(told: dict[str, Any], status: grpc.StatusCode) -> GrpcAnswer:
    error = told["error"]
    rich = json_format.ParseDict(
        {
            "code": status.value[0],
            "message": error["message"],
            "details": error.get("details", []),
        },
        Status(),
    )
    return GrpcAnswer(
        status=status,
        details=error["message"],
        trailers=(("grpc-status-details-bin", rich.SerializeToString()),),
    )


@contextmanager
def serve_grpc(scenario: Scenario, grain: str) -> Iterator[Vendor]:
    def answer(call: GrpcCall) -> GrpcAnswer:
        assert call.method == METHOD
        assert call.metadata["authorization"] == "Bearer canary-access-token"
        assert call.metadata["x-goog-request-params"] == "property=properties/311111111"
        checked(RunReportRequest.pb(RunReportRequest.deserialize(call.request)), grain)
        told = reply(scenario, grain)
        if scenario in STATUS:
            return grpc_failure(told, STATUS[scenario])
        if scenario == "cut":
            return GrpcAnswer(cut=True)
        return GrpcAnswer((as_proto(told),))

    with token_endpoint(scenario) as token_uri, grpc_server(answer) as (target, calls):
        yield Vendor(
            connect(token_uri, target),
            lambda: [window_of(RunReportRequest.deserialize(c.request)) for c in calls],
        )


@contextmanager
def serve_rest(scenario: Scenario, grain: str) -> Iterator[Vendor]:
    def answer(call: HttpCall) -> HttpAnswer:
        assert call.path.startswith("/v1beta/properties/311111111:runReport")
        headers = {name.lower(): value for name, value in call.headers.items()}
        assert headers["authorization"] == "Bearer canary-access-token"
        checked(from_json(call.body), grain)
        told = reply(scenario, grain)
        status = told["error"]["code"] if "error" in told else 200
        return HttpAnswer(json.dumps(told).encode(), status, cut=scenario == "cut")

    with token_endpoint(scenario) as token_uri, http_server(answer) as (url, calls):
        yield Vendor(
            connect(token_uri, url, transport="rest"),
            lambda: [window_of(from_json(c.body)) for c in calls],
        )


def window_of(request: Any) -> DateWindow:
    (asked,) = request.date_ranges
    return DateWindow(date.fromisoformat(asked.start_date), date.fromisoformat(asked.end_date))


# --- worked out by hand from the recorded replies ---------------------------------------------


def row(day: int, **values: Any) -> dict[str, Any]:
    return {"account_id": "311111111", "date_day": date(2026, 11, day), **values}


def measures(*values: float) -> dict[str, Any]:
    names = [c.name for c in tables.GA4_CHANNEL_DAY.columns[4:]]
    return {"currency_code": "EUR", **dict(zip(names, values, strict=True))}


def item(day: int, *values: Any) -> dict[str, Any]:
    names = [c.name for c in tables.GA4_ITEM_DAY.columns[2:] if c.name != "currency_code"]
    return row(day, **dict(zip(names, values, strict=True)), currency_code="EUR")


CHANNEL = "session_default_channel_group"
ROWS: dict[str, list[dict[str, Any]]] = {
    "channel_day": [
        row(1, **{CHANNEL: "(other)"}, **measures(9, 2, 9, 9, 0.0, 0, 0.0, 0)),
        row(1, **{CHANNEL: "Organic Search"}, **measures(120, 84, 101, 60, 6.0, 4, 512.35, 3)),
        row(2, **{CHANNEL: "Organic Search"}, **measures(131, 90, 112, 66, 7.5, 5, 649.9, 4)),
        row(2, **{CHANNEL: "Paid Search"}, **measures(48, 31, 45, 30, 2.0, 2, 1234567.1, 1)),
    ],
    "campaign_day": [
        row(
            1,
            session_source="google",
            session_medium="cpc",
            session_campaign_name="Shopping – E-bikes",
            **measures(33, 20, 30, 21, 1.0, 1, 2199.0, 1),
        ),
        row(
            1,
            session_source="nieuwsbrief",
            session_medium="email",
            session_campaign_name="herfst-2026",
            **measures(12, 11, 12, 0, 2.0, 1, 89.95, 0),
        ),
        row(
            2,
            session_source="(direct)",
            session_medium="(none)",
            session_campaign_name="(not set)",
            **measures(57, 30, 50, 41, 0.0, 0, 0.0, 0),
        ),
    ],
    "key_event_day": [
        row(1, **{CHANNEL: "Email"}, event_name="generate_lead", key_events=3.0),
        row(1, **{CHANNEL: "Email"}, event_name="purchase", key_events=1.0),
        row(2, **{CHANNEL: "Paid Search"}, event_name="purchase", key_events=2.5),
    ],
    **{
        grain: [
            row(1, **{column: one}, **measures(120, 84, 101, 60, 6.0, 4, 512.35, 3)),
            row(1, **{column: other}, **measures(9, 2, 9, 9, 0.0, 0, 0.0, 0)),
            row(2, **{column: one}, **measures(131, 90, 112, 66, 7.5, 5, 649.9, 4)),
        ]
        for grain, column, one, other in (
            ("device_day", "device_category", "mobile", "smart tv"),
            ("country_day", "country", "Netherlands", "(not set)"),
            ("landing_page_day", "landing_page", "/e-bikes", ""),
        )
    },
    "event_day": [
        row(
            1,
            event_name="page_view",
            event_count=1204,
            key_events=0.0,
            total_users=101,
            event_value=0.0,
        ),
        row(1, event_name="(other)", event_count=9, key_events=0.0, total_users=4, event_value=0.0),
        row(
            2,
            event_name="purchase",
            event_count=5,
            key_events=5.0,
            total_users=5,
            event_value=649.9,
        ),
    ],
    "item_day": [
        item(1, "fg-1001", "Stadsfiets Comfort 7", "Noordster", "Fietsen", 120, 14, 5, 2, 1198.5),
        item(1, "fg-1003", "Kinderfiets 20 inch", "", "(not set)", 31, 0, 0, 0, 0.0),
        # more was sent back than sold that day
        item(2, "fg-1001", "Stadsfiets Comfort 7", "Noordster", "Fietsen", 101, 9, 4, 0, -599.25),
    ],
    "new_vs_returning_day": [
        row(
            day,
            new_vs_returning=kind,
            currency_code="EUR",
            sessions=sessions,
            engaged_sessions=engaged,
            total_users=users,
            key_events=events,
            transactions=orders,
            purchase_revenue=revenue,
        )
        for day, kind, sessions, engaged, users, events, orders, revenue in (
            (1, "new", 70, 40, 65, 2.0, 1, 100.5),
            (1, "returning", 59, 46, 45, 4.0, 3, 411.85),
            # a user can be in both rows: 110 is not how many there were
            (2, "(not set)", 4, 0, 4, 0.0, 0, 0.0),
        )
    ],
}


def case(table: Table, hostile_column: str, variant: str) -> Case:
    serve: Callable[[Scenario, str], Any] = serve_rest if variant == "rest" else serve_grpc
    rows = ROWS[table.grain]
    return Case(
        table=table,
        account=ACCOUNT,
        window=WINDOW,
        serve=lambda scenario: serve(scenario, table.grain),
        rows=rows,
        hostile_column=hostile_column,
        quota_delay_seconds=95.0,
        quota_request_id="ga4-request-7",
        permission_reason="PERMISSION_DENIED",
        announced_rows=len(rows),
        variant=variant,
    )


CASES = [
    case(table, hostile_column, variant)
    for variant in ("grpc", "rest")
    for table, hostile_column in (
        (tables.GA4_CHANNEL_DAY, CHANNEL),
        (tables.GA4_CAMPAIGN_DAY, "session_campaign_name"),
        (tables.GA4_KEY_EVENT_DAY, "event_name"),
        (tables.GA4_DEVICE_DAY, "device_category"),
        (tables.GA4_COUNTRY_DAY, "country"),
        (tables.GA4_LANDING_PAGE_DAY, "landing_page"),
        (tables.GA4_NEW_VS_RETURNING_DAY, "new_vs_returning"),
        (tables.GA4_EVENT_DAY, "event_name"),
        (tables.GA4_ITEM_DAY, "item_category"),
    )
]
