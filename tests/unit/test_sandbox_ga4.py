from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from connectors.sandbox import ga4_server
from connectors.sandbox.errors import ApiError
from connectors.sandbox.faults import Fault
from connectors.sandbox.ga4_report import read_day
from connectors.sandbox.ga4_server import Ga4Service, Quota
from tests.unit.sandbox_small_world import small_ga4

BOTH_DAYS = [{"startDate": "2026-11-01", "endDate": "2026-11-02"}]


def ask(service: Ga4Service, property_id: str = "311111111", **said: Any) -> Any:
    """Ask for a report as REST clients write it; the answer is the response message."""
    import json

    said.setdefault("dateRanges", BOTH_DAYS)
    for kind in ("dimensions", "metrics"):
        said[kind] = [{"name": name} for name in said.get(kind, [])]
    path = f"/v1beta/properties/{property_id}:runReport"
    read = ga4_server.read_rest("POST", path, json.dumps(said).encode())
    assert read is not None
    return service.answer(*read, f"Bearer {service.tokens.issue()}")[0]


def rows(response: Any) -> list[tuple[str, ...]]:
    return [
        (*(v.value for v in row.dimension_values), *(v.value for v in row.metric_values))
        for row in response.rows
    ]


def refusal(service: Ga4Service, **said: Any) -> ApiError:
    with pytest.raises(ApiError) as refused:
        ask(service, **said)
    return refused.value


def test_a_report_adds_up_the_rows_of_each_day_and_channel() -> None:
    answer = ask(
        small_ga4(),
        dimensions=["date", "sessionDefaultChannelGroup"],
        metrics=["sessions", "purchaseRevenue", "keyEvents"],
        orderBys=[{"dimension": {"dimensionName": "date"}}],
    )

    assert rows(answer) == [
        ("20261101", "Organic Search", "100", "400.5", "6"),
        ("20261101", "Paid Search", "80", "150.25", "4"),
        ("20261102", "Email", "20", "210", "3"),
        ("20261102", "Organic Search", "110", "500", "8"),
    ]
    assert answer.row_count == 4
    assert (answer.metadata.currency_code, answer.metadata.time_zone) == ("EUR", "Europe/Amsterdam")


def test_users_of_several_world_rows_are_fewer_than_their_sum() -> None:
    by_campaign = ask(
        small_ga4(), dimensions=["date", "sessionCampaignName"], metrics=["totalUsers"]
    )
    by_channel = ask(
        small_ga4(),
        dimensions=["sessionDefaultChannelGroup"],
        metrics=["totalUsers", "newUsers"],
        dateRanges=[{"startDate": "2026-11-01", "endDate": "2026-11-01"}],
    )
    in_all = ask(small_ga4(), metrics=["totalUsers"])

    # a single world row is answered as it is
    assert ("20261101", "Campagne A", "45") in rows(by_campaign)
    # 45 + 82% of the other 25 = 65.5; new users do add up: 20 + 10
    assert rows(by_channel)[1] == ("Paid Search", "65", "30")
    # 90 + 82% of (80 + 45 + 25 + 18) = 227.76
    assert rows(in_all) == [("227",)]


def test_key_events_are_counted_by_name_and_by_event() -> None:
    by_metric = ask(small_ga4(), metrics=["keyEvents:purchase", "keyEvents:newsletter_signup"])
    by_event = ask(
        small_ga4(),
        dimensions=["date", "eventName"],
        metrics=["keyEvents"],
        dimensionFilter={"filter": {"fieldName": "isKeyEvent", "stringFilter": {"value": "true"}}},
        orderBys=[{"dimension": {"dimensionName": "date"}}],
    )

    assert rows(by_metric) == [("15", "6")]
    assert rows(by_event) == [
        ("20261101", "newsletter_signup", "3"),
        ("20261101", "purchase", "7"),
        ("20261102", "newsletter_signup", "3"),
        ("20261102", "purchase", "8"),
    ]


@pytest.mark.parametrize(
    ("said", "campaigns"),
    [
        ({"stringFilter": {"value": "campagne a"}}, ["Campagne A"]),
        ({"stringFilter": {"value": "campagne a", "caseSensitive": True}}, []),
        (
            {"stringFilter": {"matchType": "BEGINS_WITH", "value": "Campagne"}},
            ["Campagne A", "Campagne B"],
        ),
        (
            {"stringFilter": {"matchType": "ENDS_WITH", "value": '"deal"'}},
            ['november "deal"'],
        ),
        ({"stringFilter": {"matchType": "CONTAINS", "value": "ORGANIC"}}, ["(organic)"]),
        (
            {"stringFilter": {"matchType": "FULL_REGEXP", "value": "campagne ."}},
            ["Campagne A", "Campagne B"],
        ),
        ({"stringFilter": {"matchType": "PARTIAL_REGEXP", "value": "gne b"}}, ["Campagne B"]),
        ({"inListFilter": {"values": ["campagne B", "(organic)"]}}, ["(organic)", "Campagne B"]),
    ],
)
def test_dimension_filters_choose_as_the_api_does(
    said: dict[str, Any], campaigns: list[str]
) -> None:
    answer = ask(
        small_ga4(),
        dimensions=["sessionCampaignName"],
        metrics=["sessions"],
        dimensionFilter={"filter": {"fieldName": "sessionCampaignName", **said}},
    )

    assert sorted(row[0] for row in rows(answer)) == sorted(campaigns)


def test_filters_join_by_and_or_and_not() -> None:
    def medium(name: str) -> dict[str, Any]:
        return {"filter": {"fieldName": "sessionMedium", "stringFilter": {"value": name}}}

    before = {"operation": "LESS_THAN", "value": {"int64Value": "20261102"}}
    day = {"filter": {"fieldName": "date", "numericFilter": before}}
    asked = {
        "andGroup": {
            "expressions": [
                {"orGroup": {"expressions": [medium("cpc"), medium("email")]}},
                {"notExpression": day},
            ]
        }
    }
    answer = ask(
        small_ga4(), dimensions=["sessionMedium"], metrics=["sessions"], dimensionFilter=asked
    )

    assert rows(answer) == [("email", "20")]


def test_metric_filters_look_at_the_answered_sums() -> None:
    between = {"fromValue": {"int64Value": "80"}, "toValue": {"int64Value": "100"}}
    answer = ask(
        small_ga4(),
        dimensions=["date", "sessionDefaultChannelGroup"],
        metrics=["sessions"],
        metricFilter={"filter": {"fieldName": "sessions", "betweenFilter": between}},
    )

    assert rows(answer) == [
        ("20261101", "Organic Search", "100"),
        ("20261101", "Paid Search", "80"),
    ]


def test_pages_hold_every_row_once_and_row_count_says_how_many_there_are() -> None:
    service = small_ga4()
    asked: dict[str, Any] = {
        "dimensions": ["date", "sessionCampaignName"],
        "metrics": ["sessions"],
        "orderBys": [{"metric": {"metricName": "sessions"}, "desc": True}],
    }
    pages = [ask(service, **asked, limit="2", offset=str(offset)) for offset in (0, 2, 4, 6)]

    assert [page.row_count for page in pages] == [5, 5, 5, 5]
    assert [row[-1] for page in pages for row in rows(page)] == ["110", "100", "50", "30", "20"]
    assert rows(pages[3]) == []


def test_rows_without_anything_are_left_out_unless_they_are_asked_for() -> None:
    asked: dict[str, Any] = {
        "dimensions": ["sessionDefaultChannelGroup"],
        "metrics": ["firstTimePurchasers"],
    }

    assert rows(ask(small_ga4(), **asked)) == [("Organic Search", "5"), ("Paid Search", "2")]
    assert rows(ask(small_ga4(), **asked, keepEmptyRows=True))[2] == ("Email", "0")


def test_several_date_ranges_add_a_date_range_column() -> None:
    answer = ask(
        small_ga4(),
        metrics=["sessions"],
        dateRanges=[
            {"startDate": "2daysAgo", "endDate": "2daysAgo", "name": "first"},
            {"startDate": "yesterday", "endDate": "yesterday"},
        ],
        metricAggregations=["TOTAL"],
    )

    assert [header.name for header in answer.dimension_headers] == ["dateRange"]
    assert rows(answer) == [("first", "180"), ("date_range_1", "130")]
    assert [row.metric_values[0].value for row in answer.totals] == ["180", "130"]


def test_relative_days_count_from_the_simulated_today() -> None:
    today = date(2026, 11, 3)

    assert read_day("today", today) == today
    assert read_day("yesterday", today) == date(2026, 11, 2)
    assert read_day("30daysAgo", today) == date(2026, 10, 4)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"metrics": ["sesions"]}, "Field sesions is not a valid metric"),
        ({"dimensions": ["channel"], "metrics": ["sessions"]}, "channel is not a valid dimension"),
        ({"dimensions": ["itemName"], "metrics": ["sessions"]}, "Please remove itemName"),
        ({"dimensions": ["eventName"], "metrics": ["sessions"]}, "Please remove sessions"),
        ({"dimensions": ["deviceModel"], "metrics": ["sessions"]}, "holds no figures"),
        ({"metrics": ["sessions", "sessions"]}, "duplicate"),
        ({"metrics": ["sessions"], "dateRanges": []}, "date range"),
        (
            {
                "metrics": ["sessions"],
                "dateRanges": [{"startDate": "2026-02-30", "endDate": "today"}],
            },
            "Invalid date: 2026-02-30",
        ),
        (
            {
                "metrics": ["sessions"],
                "dateRanges": [{"startDate": "today", "endDate": "yesterday"}],
            },
            "is after",
        ),
        (
            {
                "metrics": ["sessions"],
                "orderBys": [{"metric": {"metricName": "newUsers"}}],
            },
            "not among the request's metrics",
        ),
        ({"metrics": [f"keyEvents:e{n}" for n in range(11)]}, "limited to 10 metrics"),
        ({"metrics": ["sessions"], "limmit": 5}, "limmit"),
        ({"metrics": ["sessions"], "limit": "-1"}, "must not be negative"),
    ],
)
def test_what_the_api_refuses_is_refused(said: dict[str, Any], told: str) -> None:
    refused = refusal(small_ga4(), **said)

    assert (refused.status, refused.http_status) == ("INVALID_ARGUMENT", 400)
    assert told in refused.message


def test_an_unknown_property_is_a_permission_and_a_bad_number_an_argument() -> None:
    assert refusal(small_ga4(), property_id="999", metrics=["sessions"]).status == (
        "PERMISSION_DENIED"
    )
    assert refusal(small_ga4(), property_id="UA-1", metrics=["sessions"]).status == (
        "INVALID_ARGUMENT"
    )


def test_a_call_without_a_good_token_gets_nothing() -> None:
    service = small_ga4()
    read = ga4_server.read_rest("POST", "/v1beta/properties/311111111:runReport", b"{}")
    assert read is not None
    token = service.tokens.issue()
    service.tokens.expire_all()

    reasons = []
    for authorization in (None, "Bearer made-up", f"Bearer {token}"):
        with pytest.raises(ApiError) as refused:
            service.answer(*read, authorization)
        assert refused.value.http_status == 401
        reasons.append(refused.value.reason)
    assert reasons == [
        "CREDENTIALS_MISSING",
        "ACCESS_TOKEN_TYPE_UNSUPPORTED",
        "ACCESS_TOKEN_EXPIRED",
    ]


def test_the_quota_goes_down_with_every_report() -> None:
    service = small_ga4()
    asked: dict[str, Any] = {"metrics": ["sessions"], "returnPropertyQuota": True}

    first, second = (ask(service, **asked).property_quota.tokens_per_hour for _ in range(2))

    assert first.consumed > 0
    assert first.remaining == 40_000 - first.consumed
    assert second.remaining == first.remaining - second.consumed


def test_an_empty_quota_refuses_until_the_next_hour() -> None:
    now = 1_000_000.0
    quota = Quota(now=lambda: now)
    quota.charge("311111111", 14_000)

    with pytest.raises(ApiError) as refused:
        quota.enter("311111111")
    assert refused.value.status == "RESOURCE_EXHAUSTED"
    quota.enter("322222222")  # the other property has its own

    now += 3_600
    quota.enter("311111111")


def test_more_than_ten_requests_at_once_are_too_many() -> None:
    quota = Quota()
    for _ in range(10):
        quota.enter("311111111")

    with pytest.raises(ApiError, match="RESOURCE_EXHAUSTED"):
        quota.enter("311111111")

    quota.leave("311111111")
    quota.enter("311111111")


def test_a_long_range_is_sampled_and_users_by_campaign_are_thresholded() -> None:
    long = [{"startDate": "2026-01-01", "endDate": "2026-11-02"}]
    sampled = ask(small_ga4(), metrics=["sessions"], dateRanges=long)
    plain = ask(small_ga4(), metrics=["sessions"])
    asked: dict[str, Any] = {"dimensions": ["sessionCampaignName"], "metrics": ["totalUsers"]}
    thresholded = ask(small_ga4(), property_id="322222222", **asked)

    assert [s.samples_read_count for s in sampled.metadata.sampling_metadatas] == [10_000_000]
    assert not plain.metadata.sampling_metadatas
    assert thresholded.metadata.subject_to_thresholding
    assert not ask(small_ga4(), **asked).metadata.subject_to_thresholding


def test_a_fault_is_answered_as_google_does() -> None:
    service = small_ga4()
    service.faults.add(Fault("quota", "ga4", account_id="311111111", retry_delay_seconds=7))

    refused = refusal(service, metrics=["sessions"])

    assert refused.to_json()["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert refused.to_json()["error"]["details"][-1] == {
        "@type": "type.googleapis.com/google.rpc.RetryInfo",
        "retryDelay": "7s",
    }
    assert rows(ask(service, metrics=["sessions"])) == [("310",)]
    assert [call["status"] for call in service.calls.since()] == ["RESOURCE_EXHAUSTED", "OK"]
