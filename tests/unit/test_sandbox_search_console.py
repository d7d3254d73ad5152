from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.sandbox.faults import Fault
from connectors.sandbox.search_console_server import SearchConsoleError, SearchConsoleService
from tests.unit.sandbox_small_world import SITE, small_search_console

FIRST_DAY = {"startDate": "2026-11-01", "endDate": "2026-11-01"}


def ask(
    service: SearchConsoleService | None = None, site: str = SITE, **said: Any
) -> dict[str, Any]:
    service = service or small_search_console()
    body = json.dumps({**FIRST_DAY, **said}).encode()
    bearer = f"Bearer {service.tokens.issue()}"
    return service.answer("searchanalytics.query", site, body, bearer)[0]


def numbers(answer: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (*row.get("keys", ()), row["clicks"], row["impressions"], row["position"])
        for row in answer.get("rows", [])
    ]


def refusal(service: SearchConsoleService | None = None, **said: Any) -> SearchConsoleError:
    with pytest.raises(SearchConsoleError) as refused:
        ask(service, **said)
    return refused.value


def test_totals_count_every_search_also_those_whose_query_is_withheld() -> None:
    answer = ask(dimensions=["date"])

    # clicks 10 + 1 + 5 + 2, impressions 100 + 60 + 40 + 20, (200 + 480 + 40 + 100) / 220
    assert numbers(answer) == [("2026-11-01", 18, 220, 820 / 220)]
    assert answer["rows"][0]["ctr"] == 18 / 220
    assert answer["responseAggregationType"] == "byProperty"
    assert "keys" not in ask()["rows"][0]


def test_rows_by_query_withhold_rare_queries_and_come_by_clicks() -> None:
    answer = ask(dimensions=["query"])

    assert numbers(answer) == [("thee", 11, 160, 680 / 160), ("Tulpen", 5, 40, 1.0)]


def test_a_filter_on_query_withholds_rare_queries_from_totals_too() -> None:
    groups = [{"filters": [{"dimension": "query", "operator": "notEquals", "expression": "x"}]}]

    assert numbers(ask(dimensionFilterGroups=groups)) == [(16, 200, 720 / 200)]


def test_by_page_there_are_more_impressions_than_by_property() -> None:
    answer = ask(dimensions=["page"])

    # 5% more, in whole impressions: 100 + 5 and 60 + 40 + 20 + 6; clicks and position stay
    assert numbers(answer) == [(SITE + "thee/", 10, 105, 2.0), (SITE, 8, 126, 620 / 120)]
    assert answer["responseAggregationType"] == "byPage"
    assert numbers(ask(dimensions=["date"], aggregationType="byPage"))[0][2] == 231


@pytest.mark.parametrize(
    ("operator", "expression", "clicks"),
    [
        ("equals", "tulpen", 5),
        ("notEquals", "TULPEN", 11),
        ("contains", "hE", 11),
        ("notContains", "hE", 5),
        ("includingRegex", "^th", 11),
        ("EXCLUDING_REGEX", "^th", 5),
    ],
)
def test_filters_compare_without_regard_to_case(
    operator: str, expression: str, clicks: int
) -> None:
    one = {"dimension": "QUERY", "operator": operator, "expression": expression}

    answer = ask(dimensionFilterGroups=[{"groupType": "and", "filters": [one]}])

    assert numbers(answer)[0][0] == clicks


def test_provisional_days_come_with_all_alone_and_are_named_when_grouped_by_date() -> None:
    both = {"startDate": "2026-11-01", "endDate": "2026-11-02", "dimensions": ["date"]}

    assert [row[0] for row in numbers(ask(**both))] == ["2026-11-01"]
    every = ask(**both, dataState="all")
    assert [row[0] for row in numbers(every)] == ["2026-11-01", "2026-11-02"]
    assert every["metadata"] == {"firstIncompleteDate": "2026-11-02"}
    assert "metadata" not in ask(**{**both, "dimensions": ["query"]}, dataState="all")
    assert "metadata" not in ask(dimensions=["date"], dataState="all")


def test_pages_of_rows_end_with_an_empty_one() -> None:
    asked: dict[str, Any] = {"dimensions": ["query", "device", "page"], "rowLimit": 2}

    pages = [numbers(ask(**asked, startRow=start)) for start in (0, 2, 4)]

    assert [len(page) for page in pages] == [2, 1, 0]
    assert [row[3] for page in pages for row in page] == [10, 5, 1]


def test_a_day_has_no_more_rows_than_its_cap_and_keeps_those_with_most_clicks() -> None:
    service = small_search_console(rows_per_day=1)

    answer = ask(
        service, startDate="2026-11-01", endDate="2026-11-02", dimensions=["date", "query"],
        dataState="all",
    )  # fmt: skip

    assert [row[:3] for row in numbers(answer)] == [
        ("2026-11-01", "thee", 11),
        ("2026-11-02", "thee", 4),
    ]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"dimensions": ["page"], "aggregationType": "byProperty"}, "byProperty"),
        (
            {
                "aggregationType": "BY_PROPERTY",
                "dimensionFilterGroups": [{"filters": [{"dimension": "page", "expression": "x"}]}],
            },
            "byProperty",
        ),
        ({"rowLimit": 25_001}, "between 1 and 25000"),
        ({"rowLimit": 0}, "between 1 and 25000"),
        ({"startRow": -1}, "non-negative"),
        ({"startDate": "2026-11-02"}, "before or equal"),
        ({"startDate": "01-11-2026"}, "YYYY-MM-DD"),
        ({"startDate": "2025-07-02"}, "16 months"),  # today is 2026-11-03
        ({"dimensions": ["hour"]}, "hourly_all"),
        ({"dimensions": ["searchAppearance", "page"]}, "together"),
        (
            {"dimensions": ["searchAppearance"], "aggregationType": "byProperty"},
            "search appearances",
        ),
        ({"dimensions": ["keyword"]}, "keyword"),
        ({"dimension": ["date"]}, 'Unknown name "dimension"'),
        ({"rowLimit": "many"}, "rowLimit"),
    ],
)
def test_what_the_api_refuses_is_a_400(said: dict[str, Any], told: str) -> None:
    refused = refusal(**said)

    assert refused.code == 400
    assert told in refused.message


def test_sixteen_months_ago_to_the_day_is_still_there() -> None:
    assert numbers(ask(startDate="2025-07-03"))[0][0] == 18


def test_three_kinds_of_403_differ_by_reason() -> None:
    service = small_search_console()
    service.faults.add(
        Fault("quota", "search_console"),
        Fault("permission", "search_console", reason="insufficientPermissions"),
    )

    told = [refusal(service), refusal(service), refusal(service, site="https://other.example/")]

    assert [(error.code, error.reason) for error in told] == [
        (403, "quotaExceeded"),
        (403, "insufficientPermissions"),
        (403, "forbidden"),
    ]
    assert told[0].to_json()["error"]["errors"][0]["domain"] == "usageLimits"


def test_a_quota_fault_with_status_429_is_a_rate_limit() -> None:
    service = small_search_console()
    service.faults.add(Fault("quota", "search_console", status=429))

    refused = refusal(service)

    assert (refused.code, refused.reason) == (429, "rateLimitExceeded")


def test_a_call_without_a_good_token_gets_nothing() -> None:
    service = small_search_console()

    for authorization in (None, "Bearer made-up"):
        with pytest.raises(SearchConsoleError) as refused:
            service.answer("sites.list", None, b"", authorization)
        assert refused.value.code == 401


def test_the_list_of_sites_says_what_the_user_may() -> None:
    service = small_search_console()

    answer, _ = service.answer("sites.list", None, b"", f"Bearer {service.tokens.issue()}")

    assert answer == {"siteEntry": [{"siteUrl": SITE, "permissionLevel": "siteFullUser"}]}
