"""Search Console: recorded replies by day; a next page after each is empty."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from urllib.parse import unquote, urlsplit

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
from tests.contract.servers import HttpAnswer, HttpCall, http_server

SITE = "sc-domain:fietsgoed.example"
ACCOUNT = Account("search_console", SITE, time_zone="America/Los_Angeles")
WINDOW = DateWindow(date(2026, 11, 1), date(2026, 11, 3))

ASKED = {
    "site_day": (["date"], "byProperty"),
    "query_day": (["date", "query"], "byProperty"),
    "page_day": (["date", "page"], "byPage"),
    "page_query_day": (["date", "page", "query"], "byPage"),
    "device_day": (["date", "device"], "byProperty"),
    "country_day": (["date", "country"], "byProperty"),
    # these types know no properties, and are in no table of the web's
    "discover_day": (["date"], "auto"),
    "news_day": (["date"], "auto"),
}
ENDS = (str(WINDOW.start), str(WINDOW.end))
TYPES = {"discover_day": "discover", "news_day": "googleNews"}
BY_DAY = ("query_day", "page_day", "page_query_day")  # longer ranges give fewer rows


PAGE = ["https://www.fietsgoed.example/"]


def recorded(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        (REPLIES / "search_console" / f"{name}.json").read_text("utf-8")
    )
    return told


def reply(scenario: Scenario, grain: str, asked: dict[str, Any]) -> dict[str, Any]:
    if scenario == "permission":
        return recorded("permission")
    if scenario == "quota":
        return recorded("load_quota")
    nothing = {"responseAggregationType": asked["aggregationType"]}
    if scenario == "empty" or asked["startRow"] > 0:
        return nothing
    if scenario == "hostile":
        if asked["startDate"] != str(WINDOW.start):
            return nothing
        rows = [
            {
                "keys": [asked["startDate"], *PAGE[: len(asked["dimensions"]) - 2], name],
                "clicks": 1,
                "impressions": 2,
                "position": 3,
            }
            for name in HOSTILE_NAMES
        ]
        return {"rows": rows, **nothing}
    told: dict[str, Any] = recorded(grain)[asked["startDate"]]
    return told


@contextmanager
def serve(scenario: Scenario, grain: str) -> Iterator[Vendor]:
    def answer(call: HttpCall) -> HttpAnswer:
        path = urlsplit(call.path).path
        assert unquote(path) == f"/webmasters/v3/sites/{SITE}/searchAnalytics/query"
        assert call.headers["authorization"] == "Bearer canary-access-token"
        dimensions, aggregation = ASKED[grain]
        assert call.json["dimensions"] == dimensions
        assert call.json["aggregationType"] == aggregation
        assert call.json["dataState"] == "final"
        assert 0 < call.json["rowLimit"] <= 25_000
        assert call.json["type"] == TYPES.get(grain, "web")
        if grain in BY_DAY:
            assert call.json["startDate"] == call.json["endDate"]
        else:
            assert (call.json["startDate"], call.json["endDate"]) == ENDS
        told = reply(scenario, grain, call.json)
        status = told["error"]["code"] if "error" in told else 200
        return HttpAnswer(json.dumps(told).encode(), status, cut=scenario == "cut")

    with token_endpoint(scenario) as token_uri, http_server(answer) as (url, calls):
        yield Vendor(
            connect(token_uri, url),
            lambda: [
                DateWindow(
                    date.fromisoformat(call.json["startDate"]),
                    date.fromisoformat(call.json["endDate"]),
                )
                for call in calls
            ],
        )


# --- worked out by hand from the recorded replies ---------------------------------------------


def row(
    day: int, clicks: int, impressions: int, position: float | None, **names: str
) -> dict[str, Any]:
    return {
        "account_id": SITE,
        "date_day": date(2026, 11, day),
        **names,
        "clicks": clicks,
        "impressions": impressions,
        "position": position,
        "is_provisional": False,
    }


E_BIKES = "https://www.fietsgoed.example/e-bikes/"
ROWS = {
    "site_day": [row(1, 210, 9800, 14.25), row(2, 0, 3, None), row(3, 198, 9120, 15.0)],
    "query_day": [
        row(1, 31, 800, 4.5, query="e-bike kopen"),
        row(1, 18, 20, 1.0, query="fietsgoed"),
        row(3, 29, 790, None, query="e-bike kopen"),
    ],
    "page_day": [
        row(1, 40, 1500, 6.125, page=E_BIKES),
        row(2, 1, 2, 3.0, page="https://www.fietsgoed.example/?a=1&b=é"),
        row(3, 38, 1490, 6.0, page=E_BIKES),
    ],
    "page_query_day": [
        row(1, 30, 790, 4.5, page=E_BIKES, query="e-bike kopen"),
        row(1, 1, 10, 9.0, page="https://www.fietsgoed.example/", query="e-bike kopen"),
        row(3, 29, 780, 4.25, page=E_BIKES, query="e-bike kopen"),
    ],
    "device_day": [
        row(1, 150, 7000, 13.5, device="MOBILE"),
        row(1, 60, 2800, 16.0, device="DESKTOP"),
        row(3, 198, 9120, 15.0, device="MOBILE"),
    ],
    "country_day": [
        row(1, 200, 9000, 14.0, country="nld"),
        row(2, 0, 3, None, country="zzz"),
        row(3, 198, 9120, 15.0, country="nld"),
    ],
    # Discover has no position; a day without anything has no row
    "discover_day": [row(1, 12, 900, None), row(3, 0, 45, None)],
    "news_day": [row(1, 3, 80, None), row(3, 2, 75, 4.5)],
}


def case(table: Table, hostile_column: str) -> Case:
    return Case(
        table=table,
        account=ACCOUNT,
        window=WINDOW,
        serve=lambda scenario: serve(scenario, table.grain),
        rows=ROWS[table.grain],
        hostile_column=hostile_column,
        quota_delay_seconds=900.0,  # the load quota: wait 15 minutes
        permission_reason="forbidden",
    )


CASES = [
    case(tables.GSC_QUERY_DAY, "query"),
    case(tables.GSC_PAGE_DAY, "page"),
    case(tables.GSC_PAGE_QUERY_DAY, "query"),
    case(tables.GSC_DEVICE_DAY, "device"),
    case(tables.GSC_COUNTRY_DAY, "country"),
]
