"""GAQL is read as Google reads it, and refused with Google's codes."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from google.ads.googleads.v26.errors.types.query_error import QueryErrorEnum
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sandbox.gaql import Condition, GaqlError, Ordering, during, parse
from connectors.sandbox.google_ads_answers import Answers, oldest_daily
from connectors.sandbox.google_ads_fields import NotModelledError, find_field
from connectors.sandbox.world import World

DEMO_DAY = date(2026, 11, 20)
WORLD = World()
ACCOUNTS = {a.customer_id: a for a in WORLD.ad_accounts}
ANSWERS = Answers(WORLD)
NL, MANAGER = "1111111111", "1000000001"


CODES = {code.name for code in QueryErrorEnum.QueryError}


def answer(query: str, customer_id: str = NL) -> list[dict[str, Any]]:
    rows = ANSWERS.answer(parse(query), ACCOUNTS[customer_id], DEMO_DAY)
    return list(rows.to_pylist())


def refusal(query: str, customer_id: str = NL) -> str:
    with pytest.raises(GaqlError) as refused:
        answer(query, customer_id)
    return refused.value.code


# --- reading --------------------------------------------------------------------------------------


def test_every_clause_is_read() -> None:
    query = parse(
        """
        select campaign.id, metrics.clicks
        from campaign
        where segments.date between '2026-01-01' and "2026-01-31"
          and campaign.status not in ('REMOVED', PAUSED)
          and campaign.name like '%O\\'Neill%'
          and metrics.clicks > 10
          and campaign.final_url_suffix is null
        order by metrics.clicks desc, campaign.id
        limit 5
        parameters omit_unselected_resource_names = true
        """
    )
    assert query.select == ("campaign.id", "metrics.clicks")
    assert query.resource == "campaign"
    assert query.where == (
        Condition("segments.date", "BETWEEN", ("2026-01-01", "2026-01-31")),
        Condition("campaign.status", "NOT IN", ("REMOVED", "PAUSED")),
        Condition("campaign.name", "LIKE", ("%O'Neill%",)),
        Condition("metrics.clicks", ">", ("10",)),
        Condition("campaign.final_url_suffix", "IS NULL"),
    )
    assert query.order_by == (Ordering("metrics.clicks", True), Ordering("campaign.id"))
    assert query.limit == 5
    assert query.parameters == {"omit_unselected_resource_names": "true"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "UNEXPECTED_END_OF_QUERY"),
        ("FROM campaign", "EXPECTED_SELECT"),
        ("SELECT campaign.id", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT campaign.id WHERE campaign.id = 1", "EXPECTED_FROM"),
        ("SELECT FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT * FROM campaign", "BAD_SYMBOL"),
        ("SELECT campaign.id FROM campaign, customer", "UNEXPECTED_INPUT"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id ~ 1", "BAD_SYMBOL"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id NEAR 1", "BAD_OPERATOR"),
        (
            "SELECT campaign.id FROM campaign WHERE campaign.id = 1 OR campaign.id = 2",
            "EXPECTED_AND",
        ),
        ("SELECT campaign.id FROM campaign WHERE campaign.id IN 1", "EXPECTED_LIST"),
        (
            "SELECT campaign.id FROM campaign WHERE campaign.id IN ()",
            "PROHIBITED_EMPTY_LIST_IN_CONDITION",
        ),
        ("SELECT campaign.id FROM campaign WHERE campaign.id = (1)", "EXPECTED_SINGLE_VALUE"),
        ("SELECT campaign.id FROM campaign WHERE campaign.name = 'x", "STRING_NOT_TERMINATED"),
        ("SELECT campaign.id FROM campaign WHERE campaign.name = '\\q'", "BAD_ESCAPE_SEQUENCE"),
        ("SELECT campaign.id FROM campaign ORDER campaign.id", "EXPECTED_BY"),
        ("SELECT campaign.id FROM campaign LIMIT many", "BAD_LIMIT_VALUE"),
        ("SELECT campaign.id FROM campaign LIMIT 0", "LIMIT_VALUE_TOO_LOW"),
        ("SELECT campaign.id FROM campaign PARAMETERS fast=true", "BAD_PARAMETER_NAME"),
        ("SELECT campaign.id FROM campaign PARAMETERS include_drafts=1", "BAD_PARAMETER_VALUE"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_code(query: str, code: str) -> None:
    with pytest.raises(GaqlError) as refused:
        parse(query)
    assert refused.value.code == code


WORDS = """
SELECT FROM WHERE AND ORDER BY LIMIT PARAMETERS IN NOT BETWEEN IS NULL DURING
campaign.id metrics.clicks campaign , ( ) = >= != 5 -1 2.5 'x' "y" '\\\\' \\ ' ; é
"""


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.sampled_from(WORDS.split()), max_size=14))
def test_whatever_is_asked_is_read_or_refused(words: list[str]) -> None:
    try:
        parse(" ".join(words))
    except GaqlError as refused:
        assert refused.code in CODES


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        # Friday 20 November 2026
        ("TODAY", date(2026, 11, 20), date(2026, 11, 20)),
        ("YESTERDAY", date(2026, 11, 19), date(2026, 11, 19)),
        ("LAST_7_DAYS", date(2026, 11, 13), date(2026, 11, 19)),
        ("LAST_30_DAYS", date(2026, 10, 21), date(2026, 11, 19)),
        ("LAST_WEEK_MON_SUN", date(2026, 11, 9), date(2026, 11, 15)),
        ("LAST_WEEK_SUN_SAT", date(2026, 11, 8), date(2026, 11, 14)),
        ("LAST_BUSINESS_WEEK", date(2026, 11, 9), date(2026, 11, 13)),
        ("THIS_WEEK_MON_TODAY", date(2026, 11, 16), date(2026, 11, 20)),
        ("THIS_WEEK_SUN_TODAY", date(2026, 11, 15), date(2026, 11, 20)),
        ("THIS_MONTH", date(2026, 11, 1), date(2026, 11, 20)),
        ("LAST_MONTH", date(2026, 10, 1), date(2026, 10, 31)),
    ],
)
def test_named_ranges_are_google_ads_days(name: str, first: date, last: date) -> None:
    assert during(name, DEMO_DAY) == (first, last)


# --- fields ---------------------------------------------------------------------------------------


def test_fields_come_from_the_protos_under_their_gaql_names() -> None:
    assert find_field("campaign.nothing") is None
    assert find_field("campaign.start_date") is None  # gone since v23
    assert find_field("conversion_action.type_") is None  # the Python name is not GAQL's
    kind = find_field("conversion_action.type")
    assert kind is not None
    assert (kind.path, kind.type) == (("conversion_action", "type_"), "ENUM")
    day = find_field("segments.date")
    assert day is not None
    assert (day.category, day.type) == ("SEGMENT", "DATE")
    nested = find_field("campaign.network_settings.target_search_network")
    assert nested is not None
    assert nested.type == "BOOLEAN"


DAYS = "segments.date BETWEEN '2026-10-01' AND '2026-10-31'"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("SELECT campaign.nothing FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT metrics.video_views FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT campaign.id FROM campaigns", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE"),
        ("SELECT campaign FROM campaign", "PROHIBITED_FIELD_IN_SELECT_CLAUSE"),
        ("SELECT ad_group.id FROM campaign", "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE"),
        ("SELECT campaign.id FROM customer", "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE"),
        (
            "SELECT metrics.clicks FROM customer_client",
            "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
        ),
        (
            "SELECT segments.device FROM conversion_action",
            "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE",
        ),
        (
            f"SELECT segments.conversion_action, metrics.cost_micros FROM campaign WHERE {DAYS}",
            "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
        ),
        (
            "SELECT segments.conversion_lag_bucket, metrics.conversions, metrics.clicks "
            f"FROM customer WHERE {DAYS}",
            "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
        ),
        (
            f"SELECT segments.conversion_action_name, metrics.conversions FROM campaign "
            f"WHERE {DAYS} AND metrics.clicks > 0",
            "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
        ),
        (
            "SELECT campaign.id FROM campaign WHERE segments.device = 'MOBILE'",
            "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE",
        ),
        (
            "SELECT campaign.id FROM campaign ORDER BY metrics.clicks",
            "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE",
        ),
        ("SELECT campaign.id, segments.date FROM campaign", "EXPECTED_FILTERS_ON_DATE_RANGE"),
        (
            "SELECT campaign.id, segments.month FROM campaign WHERE segments.date >= '2026-01-01'",
            "EXPECTED_FILTERS_ON_DATE_RANGE",
        ),
        (
            "SELECT segments.date FROM campaign WHERE segments.date = '01-10-2026'",
            "INVALID_DATE_FORMAT",
        ),
        (
            "SELECT segments.date FROM campaign WHERE segments.date = '2026-02-30'",
            "INVALID_DATE_FORMAT",
        ),
        (
            "SELECT segments.date FROM campaign WHERE segments.date DURING LAST_YEAR",
            "INVALID_VALUE_WITH_DURING_OPERATOR",
        ),
        (
            "SELECT segments.date FROM campaign "
            "WHERE segments.date BETWEEN '2026-02-02' AND '2026-02-01'",
            "START_DATE_AFTER_END_DATE",
        ),
        (
            "SELECT segments.month FROM campaign WHERE segments.month = '2026-02-02'",
            "MISALIGNED_DATE_FOR_FILTER",
        ),
        (
            "SELECT campaign.id FROM campaign WHERE campaign.status = 'AWAKE'",
            "BAD_ENUM_CONSTANT",
        ),
        ("SELECT campaign.id FROM campaign WHERE campaign.id = 'x'", "BAD_NUMBER"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id = 9223372036854775808", "BAD_NUMBER"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id LIKE '1%'", "OPERATOR_FIELD_MISMATCH"),
        ("SELECT campaign.id FROM campaign WHERE campaign.status > 'A'", "OPERATOR_FIELD_MISMATCH"),
    ],
)
def test_what_the_api_refuses_is_refused_with_its_code(query: str, code: str) -> None:
    assert refusal(query) == code


MOMENT = "change_event.change_date_time"
LATELY = f"{MOMENT} >= '2026-11-01' AND {MOMENT} <= '2026-11-19'"
CHANGES = "SELECT change_event.resource_name FROM change_event WHERE"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (f"{CHANGES} {LATELY}", "LIMIT_NOT_SPECIFIED"),
        (f"{CHANGES} {LATELY} LIMIT 10001", "INVALID_LIMIT_CLAUSE"),
        (f"{CHANGES} {MOMENT} >= '2026-11-01' LIMIT 10", "CHANGE_DATE_RANGE_INFINITE"),
        (f"{CHANGES} {MOMENT} BETWEEN '2026-09-01' AND '2026-11-01' LIMIT 9", "START_DATE_TOO_OLD"),
        (
            "SELECT change_event.old_resource.campaign.name FROM change_event "
            f"WHERE {LATELY} LIMIT 9",
            "PROHIBITED_FIELD_IN_SELECT_CLAUSE",
        ),
        (
            f"SELECT metrics.clicks FROM change_event WHERE {LATELY} LIMIT 9",
            "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
        ),
    ],
)
def test_changes_are_asked_for_as_the_api_wants_it_or_refused(query: str, code: str) -> None:
    assert refusal(query) == code


def test_a_change_can_be_taken_whole_alone() -> None:
    query = f"SELECT change_event.new_resource FROM change_event WHERE {LATELY} LIMIT 10000"
    told = {name for row in answer(query) for name, value in row.items() if value is not None}
    assert "change_event.new_resource.campaign_budget.amount_micros" in told


def test_metrics_of_a_manager_are_refused() -> None:
    query = f"SELECT customer.id, metrics.clicks FROM customer WHERE {DAYS}"
    assert refusal(query, MANAGER) == "REQUESTED_METRICS_FOR_MANAGER"


def test_daily_figures_go_back_37_months_and_monthly_ones_further() -> None:
    assert oldest_daily(DEMO_DAY) == date(2023, 10, 20)
    query = "SELECT {} FROM customer WHERE {} BETWEEN '{}' AND '2023-12-01'"
    too_old = query.format("segments.date", "segments.date", "2023-10-19")
    assert refusal(too_old) == "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED"
    assert answer(query.format("segments.date", "segments.date", "2023-10-20")) == []
    assert answer(query.format("segments.month", "segments.month", "2023-01-01")) == []


def test_what_exists_but_is_not_in_this_world_is_not_made_up() -> None:
    for query in (
        "SELECT ad_group.id, metrics.clicks FROM ad_group",
        f"SELECT metrics.video_trueview_views FROM campaign WHERE {DAYS}",
        f"SELECT segments.slot, metrics.clicks FROM campaign WHERE {DAYS}",
        "SELECT gender_view.resource_name FROM gender_view",
    ):
        with pytest.raises(NotModelledError):
            answer(query)


# --- answering ------------------------------------------------------------------------------------


def test_metrics_add_up_to_the_same_totals_however_they_are_split() -> None:
    whole = answer(f"SELECT metrics.clicks, metrics.cost_micros FROM customer WHERE {DAYS}")
    assert len(whole) == 1
    for split in ("segments.date", "segments.device, segments.ad_network_type", "segments.month"):
        rows = answer(
            f"SELECT {split}, metrics.clicks, metrics.cost_micros FROM customer WHERE {DAYS}"
        )
        for metric in ("metrics.clicks", "metrics.cost_micros"):
            assert sum(row[metric] for row in rows) == whole[0][metric] > 0


def test_a_row_is_one_campaign_even_if_only_its_channel_is_selected() -> None:
    rows = answer(
        f"SELECT campaign.advertising_channel_type, metrics.clicks FROM campaign WHERE {DAYS}"
    )
    campaigns = answer("SELECT campaign.id FROM campaign")
    assert len(rows) == len(campaigns)


def test_with_segments_rows_without_any_metric_are_left_out_and_without_them_they_are_zero() -> (
    None
):
    asked = (
        "SELECT campaign.id, {} FROM campaign WHERE campaign.id = 20000007 "  # the summer sale
        "AND segments.date BETWEEN '2026-01-01' AND '2026-01-31'"
    )
    assert answer(asked.format("segments.date, metrics.clicks")) == []
    plain = asked.format("metrics.clicks")
    assert [(r["campaign.id"], r["metrics.clicks"]) for r in answer(plain)] == [(20000007, 0)]


def test_removed_campaigns_are_answered_unless_filtered_away() -> None:
    august = "segments.date DURING LAST_30_DAYS"
    query = "SELECT campaign.id, campaign.status FROM campaign"
    removed = [r["campaign.id"] for r in answer(query) if r["campaign.status"] == "REMOVED"]
    assert removed == [20000007]
    assert not [
        r
        for r in answer(f"{query} WHERE campaign.status != 'REMOVED'")
        if r["campaign.id"] in removed
    ]
    assert len(answer(f"{query} WHERE {august}")) == len(answer(query))


def test_ratios_are_divided_after_adding_up() -> None:
    row = answer(
        "SELECT metrics.clicks, metrics.impressions, metrics.ctr, metrics.average_cpc, "
        f"metrics.cost_micros FROM customer WHERE {DAYS}"
    )[0]
    assert row["metrics.ctr"] == row["metrics.clicks"] / row["metrics.impressions"]
    assert row["metrics.average_cpc"] == row["metrics.cost_micros"] / row["metrics.clicks"]
    roas = answer(f"SELECT metrics.conversions_value_per_cost FROM customer WHERE {DAYS}")
    value = answer(f"SELECT metrics.conversions_value FROM customer WHERE {DAYS}")
    assert roas[0]["metrics.conversions_value_per_cost"] == pytest.approx(
        value[0]["metrics.conversions_value"] / (row["metrics.cost_micros"] / 1e6)
    )


def test_order_and_limit_hold() -> None:
    rows = answer(
        "SELECT campaign.name, metrics.clicks FROM campaign WHERE segments.date DURING LAST_7_DAYS "
        "AND campaign.advertising_channel_type IN ('SHOPPING') AND metrics.clicks >= 1 "
        "ORDER BY metrics.clicks DESC LIMIT 3"
    )
    clicks = [row["metrics.clicks"] for row in rows]
    assert len(clicks) == 3
    assert clicks == sorted(clicks, reverse=True)


def test_names_are_matched_by_pattern_without_regard_to_case() -> None:
    rows = answer("SELECT campaign.name FROM campaign WHERE campaign.name LIKE '%SHOPPING%'")
    assert len(rows) == 4
    name = """'<script>alert("koers")</script>'"""
    exact = answer(f"SELECT campaign.id FROM campaign WHERE campaign.name = {name}")
    assert [row["campaign.id"] for row in exact] == [20000005]


def test_an_attribute_that_is_never_set_has_no_value_and_is_null() -> None:
    rows = answer("SELECT campaign.id, campaign.final_url_suffix FROM campaign LIMIT 1")
    assert "campaign.final_url_suffix" not in rows[0]
    everything = answer("SELECT campaign.id FROM campaign")
    assert (
        answer("SELECT campaign.id FROM campaign WHERE campaign.final_url_suffix IS NULL")
        == everything
    )
    assert answer("SELECT campaign.id FROM campaign WHERE campaign.final_url_suffix = 'x'") == []


def test_a_campaign_tells_when_it_runs_and_how_it_bids() -> None:
    rows = answer(
        "SELECT campaign.id, campaign.start_date_time, campaign.end_date_time, "
        "campaign.serving_status, campaign.bidding_strategy_type FROM campaign "
        "WHERE campaign.id IN (20000007, 20000011) ORDER BY campaign.id"
    )
    assert [
        tuple(
            row[f"campaign.{name}"]
            for name in (
                "start_date_time",
                "end_date_time",
                "serving_status",
                "bidding_strategy_type",
            )
        )
        for row in rows
    ] == [
        ("2026-05-15 00:00:00", "2026-08-30 23:59:59", "ENDED", "MAXIMIZE_CONVERSION_VALUE"),
        ("2025-07-01 00:00:00", None, "SERVING", "TARGET_ROAS"),
    ]
    open_ended = answer("SELECT campaign.id FROM campaign WHERE campaign.end_date_time IS NOT NULL")
    # the summer sale, the spring prospecting and Black Friday
    assert sorted(r["campaign.id"] for r in open_ended) == [20000007, 20000008, 20000033]


def test_the_hierarchy_lists_every_account_with_its_level_and_status() -> None:
    query = (
        "SELECT customer_client.id, customer_client.level, customer_client.status, "
        "customer_client.manager FROM customer_client"
    )
    found = {
        row["customer_client.id"]: (row["customer_client.level"], row["customer_client.status"])
        for row in answer(query, MANAGER)
    }
    assert found == {
        1000000001: (0, "ENABLED"),
        1000000002: (1, "ENABLED"),
        1111111111: (2, "ENABLED"),
        2222222222: (2, "ENABLED"),
        5555555555: (2, "CANCELED"),
        3333333333: (1, "ENABLED"),
        4444444444: (2, "ENABLED"),
    }
    clients = answer(
        f"{query} WHERE customer_client.manager = FALSE AND customer_client.level <= 1", MANAGER
    )
    assert [row["customer_client.id"] for row in clients] == [3333333333]


def test_resource_names_come_with_what_is_selected_unless_left_out() -> None:
    query = "SELECT campaign.id, customer.currency_code FROM campaign LIMIT 1"
    assert answer(query)[0] == {
        "campaign.resource_name": "customers/1111111111/campaigns/20000001",
        "customer.resource_name": "customers/1111111111",
        "campaign.id": 20000001,
        "customer.currency_code": "EUR",
    }
    bare = answer(f"{query} PARAMETERS omit_unselected_resource_names=true")[0]
    assert set(bare) == {"campaign.id", "customer.currency_code"}


def test_lag_buckets_split_conversions_and_tell_how_late_they_came() -> None:
    split = answer(
        "SELECT segments.date, segments.conversion_lag_bucket, metrics.conversions, "
        f"metrics.conversions_value FROM customer WHERE {DAYS}"
    )
    whole = answer(
        f"SELECT metrics.conversions, metrics.conversions_value FROM customer WHERE {DAYS}"
    )
    for metric in ("metrics.conversions", "metrics.conversions_value"):
        assert sum(row[metric] for row in split) == whole[0][metric]
    buckets: dict[str, float] = {}
    for row in split:
        name = row["segments.conversion_lag_bucket"]
        buckets[name] = buckets.get(name, 0) + row["metrics.conversions"]
    # half of the orders come on the day of the click itself; the window is 30 days
    assert buckets["LESS_THAN_ONE_DAY"] > 0.5 * whole[0]["metrics.conversions"]
    assert buckets["TWO_TO_THREE_DAYS"] > buckets["SIX_TO_SEVEN_DAYS"] > 0
    assert "THIRTY_TO_FORTY_FIVE_DAYS" not in buckets
    (only,) = answer(
        "SELECT segments.conversion_lag_bucket, metrics.conversions FROM customer "
        f"WHERE {DAYS} AND segments.conversion_lag_bucket = 'SIX_TO_SEVEN_DAYS'"
    )
    assert only["metrics.conversions"] == buckets["SIX_TO_SEVEN_DAYS"]


def test_conversion_actions_split_conversions_and_nothing_else() -> None:
    split = answer(
        "SELECT campaign.id, segments.date, segments.conversion_action_category, "
        f"metrics.conversions, metrics.conversions_value FROM campaign WHERE {DAYS}"
    )
    whole = answer(
        f"SELECT metrics.conversions, metrics.conversions_value FROM customer WHERE {DAYS}"
    )
    # credits are multiples of 1/1024, so that sums are exact in any order
    for metric in ("metrics.conversions", "metrics.conversions_value"):
        assert sum(row[metric] for row in split) == whole[0][metric]
    # a secondary action is no conversion: its rows are all zero and left out
    categories = {row["segments.conversion_action_category"] for row in split}
    assert categories == {"PURCHASE", "SUBMIT_LEAD_FORM"}
    everything = answer(
        "SELECT segments.conversion_action_category, metrics.all_conversions "
        f"FROM customer WHERE {DAYS}"
    )
    assert len(everything) == 3


def test_shares_beyond_what_google_tells_are_bounds() -> None:
    rows = answer(
        "SELECT campaign.id, metrics.search_impression_share, "
        "metrics.search_budget_lost_impression_share FROM campaign "
        f"WHERE {DAYS} AND campaign.id IN (20000002, 20000004, 20000006, 20000021) "
        "ORDER BY campaign.id"
    )
    told = [
        (
            row.get("metrics.search_impression_share"),
            row.get("metrics.search_budget_lost_impression_share"),
        )
        for row in rows
    ]
    # of each 10 auctions that 20000002 wins it loses 2 to its budget and 4 to its rank
    assert told[0] == (pytest.approx(10 / 16, abs=1e-3), pytest.approx(2 / 16, abs=1e-3))
    # 20000004: 10 won, 170 and 8 lost; 20000006: 10 won, 0 and 200 lost
    assert told[1] == (0.0999, 0.9001)
    assert told[2] == (0.0999, 0.0)
    # Performance Max tells no shares
    assert told[3] == (None, None)
