"""The sandbox's world tells the story that the demo's targets are about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from google.ads.googleads.v26.enums.types.conversion_lag_bucket import ConversionLagBucketEnum

from connectors.sandbox.world import World
from connectors.sandbox.world_lag import BUCKETS, lag_buckets

DEMO_DAY = date(2026, 11, 20)
YESTERDAY = date(2026, 11, 19)
LONG_AFTER = date(2027, 3, 1)  # every conversion has arrived
NL, UK, TULP = "1111111111", "2222222222", "3333333333"
BICYCLES, FLOWERS = "311111111", "322222222"
BICYCLE_SITE = "sc-domain:fietsgoed.example"
CELL = ("date_day", "campaign_id", "device", "network")


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def between(facts: pa.Table, first: date, last: date) -> pa.Table:
    day = facts["date_day"]
    return facts.filter(pc.and_(pc.greater_equal(day, first), pc.less_equal(day, last)))


def only(facts: pa.Table, **where: object) -> pa.Table:
    for column, value in where.items():
        facts = facts.filter(pc.equal(facts[column], value))
    return facts


def total(facts: pa.Table, column: str) -> float:
    return float(pc.sum(facts[column]).as_py() or 0)


def ctr(facts: pa.Table) -> float:
    return total(facts, "clicks") / total(facts, "impressions")


def roas(facts: pa.Table) -> float:
    return total(facts, "conversions_value") / (total(facts, "cost_micros") / 1e6)


def by(facts: pa.Table, column: str, measure: Callable[[pa.Table], float]) -> dict[Any, float]:
    return {
        value: measure(only(facts, **{column: value}))
        for value in sorted(facts[column].unique().to_pylist())
    }


def cells(facts: pa.Table) -> set[tuple[Any, ...]]:
    return set(zip(*(facts[c].to_pylist() for c in CELL), strict=True))


# --- one world ------------------------------------------------------------------------------------


def test_the_same_seed_and_day_give_the_same_tables_whatever_was_asked_before() -> None:
    first, second = World(seed=7), World(seed=7)
    second.ga4_facts(FLOWERS, date(2026, 1, 5))
    second.ads_facts(NL, LONG_AFTER)
    assert first.ads_facts(NL, DEMO_DAY).equals(second.ads_facts(NL, DEMO_DAY))
    assert first.ga4_facts(BICYCLES, DEMO_DAY).equals(second.ga4_facts(BICYCLES, DEMO_DAY))
    assert first.search_facts(BICYCLE_SITE, DEMO_DAY).equals(
        second.search_facts(BICYCLE_SITE, DEMO_DAY)
    )


def test_another_seed_gives_other_figures(world: World) -> None:
    assert not World(seed=7).ads_facts(UK, DEMO_DAY).equals(world.ads_facts(UK, DEMO_DAY))


def test_the_world_is_small_enough_for_a_demo(world: World) -> None:
    rows = sum(world.ads_facts(a, DEMO_DAY).num_rows for a in (NL, UK, TULP))
    assert 50_000 < rows < 200_000


def test_an_unknown_account_is_an_error_and_one_that_cannot_be_read_has_no_facts(
    world: World,
) -> None:
    with pytest.raises(KeyError):
        world.ads_facts("9999999999", DEMO_DAY)
    for closed in ("1000000001", "4444444444", "5555555555"):
        assert world.ads_facts(closed, DEMO_DAY).num_rows == 0


def test_the_accounts_hang_together_as_the_demo_expects(world: World) -> None:
    accounts = {a.customer_id: a for a in world.ad_accounts}
    assert accounts["1000000002"].manager_id == "1000000001"
    assert {a for a, one in accounts.items() if one.manager_id == "1000000002"} == {
        NL,
        UK,
        "4444444444",
        "5555555555",
    }
    assert accounts["5555555555"].status == "CANCELED"
    assert (accounts[UK].currency_code, accounts[UK].time_zone) == ("GBP", "Europe/London")
    assert [a for a, one in accounts.items() if one.refuses] == ["4444444444"]


# --- the story ------------------------------------------------------------------------------------


def test_the_search_ctr_is_3_percent_until_october_and_5_percent_in_december(world: World) -> None:
    search = only(world.ads_facts(NL, LONG_AFTER), channel_type="SEARCH")
    for month in (7, 8, 9):
        start = date(2026, month, 1)
        assert ctr(between(search, start, start + timedelta(days=29))) == pytest.approx(
            0.030, abs=0.001
        )
    assert ctr(between(search, date(2026, 12, 4), date(2026, 12, 31))) > 0.0500


def test_the_search_ctr_is_a_little_ahead_of_the_straight_line_on_the_demo_day(
    world: World,
) -> None:
    search = only(world.ads_facts(NL, DEMO_DAY), channel_type="SEARCH")
    # 3% to 5% over 92 days; the middle of the 28 days that end on 19 November is day 36
    straight = 0.03 + 0.02 * 36 / 92
    assert 1.02 < ctr(between(search, date(2026, 10, 23), YESTERDAY)) / straight < 1.12


def test_uk_search_follows_the_same_path_and_has_no_shopping(world: World) -> None:
    facts = world.ads_facts(UK, LONG_AFTER)
    search = only(facts, channel_type="SEARCH")
    assert ctr(between(search, date(2026, 7, 1), date(2026, 9, 30))) == pytest.approx(
        0.03, abs=0.001
    )
    assert "SHOPPING" not in facts["channel_type"].unique().to_pylist()


def test_every_shopping_campaign_earned_more_than_4_times_its_cost_before_12_october(
    world: World,
) -> None:
    shopping = only(world.ads_facts(NL, LONG_AFTER), channel_type="SHOPPING")
    for first, last in (
        (date(2026, 7, 1), date(2026, 9, 30)),
        (date(2026, 10, 1), date(2026, 10, 11)),
    ):
        found = by(between(shopping, first, last), "campaign_name", roas)
        assert len(found) == 4
        assert all(4.2 <= value <= 5.2 for value in found.values()), found


def test_shopping_falls_below_4_in_the_fourth_quarter_because_of_one_campaign(world: World) -> None:
    for as_of in (DEMO_DAY, LONG_AFTER):
        quarter = between(
            only(world.ads_facts(NL, as_of), channel_type="SHOPPING"), date(2026, 10, 1), YESTERDAY
        )
        assert roas(quarter) < 3.9
        found = by(quarter, "campaign_name", roas)
        guilty = found.pop("Shopping – E-bikes")
        assert guilty < 3.0
        assert all(value > (4.2 if as_of == LONG_AFTER else 4.0) for value in found.values()), found
        cost = by(quarter, "campaign_name", lambda t: total(t, "cost_micros"))
        assert cost["Shopping – E-bikes"] / sum(cost.values()) > 0.5


def test_a_new_customer_of_tulp_and_thee_costs_about_45_euro_since_october(world: World) -> None:
    ads, ga4 = world.ads_facts(TULP, DEMO_DAY), world.ga4_facts(FLOWERS, DEMO_DAY)

    def cac(first: date, last: date) -> float:
        new = total(between(ga4, first, last), "first_time_purchasers")
        return total(between(ads, first, last), "cost_micros") / 1e6 / new

    assert cac(date(2026, 8, 1), date(2026, 8, 31)) < 37
    # the cost of the lost week has no customers beside it
    assert 43 < cac(date(2026, 10, 1), date(2026, 10, 31)) < 49
    assert 43 < cac(date(2026, 11, 1), YESTERDAY) < 48


def test_organic_sessions_are_on_course_for_60_000_in_the_quarter(world: World) -> None:
    organic = only(world.ga4_facts(BICYCLES, LONG_AFTER), channel_group="Organic Search")
    quarter = total(between(organic, date(2026, 10, 1), date(2026, 12, 31)), "sessions")
    assert 61_000 < quarter < 70_000
    seen = only(world.ga4_facts(BICYCLES, DEMO_DAY), channel_group="Organic Search")
    so_far = total(between(seen, date(2026, 10, 1), YESTERDAY), "sessions")
    assert so_far > 60_000 * 50 / 92
    year_before = total(between(organic, date(2025, 10, 1), date(2025, 12, 31)), "sessions")
    assert quarter / year_before > 1.2


def test_in_the_lost_week_ga4_has_no_rows_and_google_ads_no_conversions(world: World) -> None:
    first, last = date(2026, 10, 19), date(2026, 10, 25)
    assert between(world.ga4_facts(FLOWERS, DEMO_DAY), first, last).num_rows == 0
    ads = between(world.ads_facts(TULP, LONG_AFTER), first, last)
    assert total(ads, "clicks") > 1000
    for metric in ("conversions", "conversions_by_conversion_date", "all_conversions"):
        assert total(ads, metric) == 0
    for day in (first - timedelta(days=1), last + timedelta(days=1)):
        assert between(world.ga4_facts(FLOWERS, DEMO_DAY), day, day).num_rows > 5
        assert total(between(world.ads_facts(TULP, LONG_AFTER), day, day), "conversions") > 5


def test_a_campaign_has_one_name_for_all_its_days_and_another_after_it_was_renamed(
    world: World,
) -> None:
    def names(as_of: date) -> list[str]:
        facts = only(world.ads_facts(NL, as_of), campaign_id=20000006)
        return list(facts["campaign_name"].unique().to_pylist())

    assert names(date(2026, 11, 9)) == ["Search – Kinderfietsen"]
    assert names(date(2026, 11, 10)) == ["Search – Kinderfietsen & loopfietsen"]


def test_a_removed_campaign_keeps_its_days(world: World) -> None:
    facts = only(world.ads_facts(NL, DEMO_DAY), campaign_id=20000007)
    assert facts["campaign_status"].unique().to_pylist() == ["REMOVED"]
    shown = facts.filter(pc.greater(facts["impressions"], 0))
    assert pc.max(shown["date_day"]).as_py() == date(2026, 8, 30)
    assert total(facts, "cost_micros") > 0
    # orders that follow its last clicks are dated after it was removed
    assert pc.max(facts["date_day"]).as_py() > date(2026, 8, 31)
    before = only(world.ads_facts(NL, date(2026, 8, 30)), campaign_id=20000007)
    assert before["campaign_status"].unique().to_pylist() == ["ENABLED"]


def test_a_campaign_that_has_not_begun_is_not_listed(world: World) -> None:
    name = "Search – Black Friday 2026"
    assert name not in world.ads_campaigns(NL, date(2026, 11, 15))["campaign_name"].to_pylist()
    assert name in world.ads_campaigns(NL, date(2026, 11, 16))["campaign_name"].to_pylist()


def test_names_hold_what_a_report_must_escape(world: World) -> None:
    names = " ".join(world.ads_campaigns(NL, DEMO_DAY)["campaign_name"].to_pylist())
    for hostile in (
        "🚲",
        '"',
        '<script>alert("koers")</script>',
        '=HYPERLINK("https://evil.example"',
    ):
        assert hostile in names


# --- what changes with the day it is seen on ------------------------------------------------------


def test_invalid_clicks_are_taken_off_after_three_days_and_rows_vanish(world: World) -> None:
    day = date(2026, 11, 12)
    shown = [
        cells(between(world.ads_facts(NL, day + timedelta(days=n)), day, day)) for n in (1, 2, 3, 4)
    ]
    assert shown[0] <= shown[1]
    vanished = shown[1] - shown[2]
    assert vanished
    assert not shown[2] - shown[3]
    before = between(world.ads_facts(NL, day + timedelta(days=2)), day, day)
    after = between(world.ads_facts(NL, day + timedelta(days=3)), day, day)
    assert total(before, "clicks") > total(after, "clicks")
    assert total(before, "cost_micros") > total(after, "cost_micros")


def test_rows_vanish_all_through_the_world(world: World) -> None:
    seen, later = (world.ads_facts(NL, DEMO_DAY + timedelta(days=n)) for n in (0, 4))
    gone = cells(between(seen, date(2025, 7, 1), YESTERDAY)) - cells(later)
    assert {row[0] for row in gone} <= {date(2026, 11, 18), YESTERDAY}
    assert gone


def test_a_days_conversions_grow_for_thirty_days_and_then_stay(world: World) -> None:
    day = date(2026, 9, 15)
    found = [
        total(between(world.ads_facts(NL, day + timedelta(days=n)), day, day), "conversions")
        for n in (1, 4, 10, 31, 60)
    ]
    assert found == sorted(found)
    assert found[0] < found[1] < found[2]
    assert found[0] > 0.4 * found[3]
    assert found[3] == found[4]


def test_days_older_than_a_month_never_change_but_for_names(world: World) -> None:
    one, next_day = (
        between(world.ads_facts(TULP, as_of), date(2025, 7, 1), date(2026, 10, 19))
        for as_of in (DEMO_DAY, DEMO_DAY + timedelta(days=1))
    )
    assert one.equals(next_day)


def test_the_day_itself_is_partial_and_later_days_have_no_rows(world: World) -> None:
    facts = world.ads_facts(NL, DEMO_DAY)
    assert pc.max(facts["date_day"]).as_py() == DEMO_DAY
    partial = total(only(facts, date_day=DEMO_DAY), "impressions")
    whole = total(
        only(world.ads_facts(NL, DEMO_DAY + timedelta(days=1)), date_day=DEMO_DAY), "impressions"
    )
    assert 0.2 < partial / whole < 0.6
    assert pc.max(world.ga4_facts(BICYCLES, DEMO_DAY)["date_day"]).as_py() == DEMO_DAY


def test_ga4_purchases_of_the_last_two_days_are_incomplete(world: World) -> None:
    for age, most in ((1, 0.95), (2, 1.0), (3, 1.0)):
        day = DEMO_DAY - timedelta(days=age)
        now = total(only(world.ga4_facts(BICYCLES, DEMO_DAY), date_day=day), "transactions")
        later = total(only(world.ga4_facts(BICYCLES, LONG_AFTER), date_day=day), "transactions")
        assert now == later if age == 3 else now <= most * later
        assert now > 0.5 * later


def test_search_console_is_two_or_three_days_late_and_provisional_days_grow(world: World) -> None:
    for n in range(7):
        as_of = DEMO_DAY + timedelta(days=n)
        final = world.search_facts(BICYCLE_SITE, as_of, final=True)
        assert as_of - pc.max(final["date_day"]).as_py() in (timedelta(days=2), timedelta(days=3))
        assert not pc.any(final["is_provisional"]).as_py()
    everything = world.search_facts(BICYCLE_SITE, DEMO_DAY, final=False)
    assert pc.max(everything["date_day"]).as_py() == YESTERDAY
    young = only(everything, is_provisional=True)
    assert sorted(young["date_day"].unique().to_pylist()) == [date(2026, 11, 18), YESTERDAY]
    settled = world.search_facts(BICYCLE_SITE, LONG_AFTER)
    assert total(only(young, date_day=YESTERDAY), "clicks") < total(
        only(settled, date_day=YESTERDAY), "clicks"
    )


# --- the sources agree with one another -----------------------------------------------------------


def test_the_conversion_actions_add_up_to_the_campaign_exactly(world: World) -> None:
    for customer_id in (NL, UK, TULP):
        facts = world.ads_facts(customer_id, DEMO_DAY)
        actions = world.ads_conversion_facts(customer_id, DEMO_DAY)
        for metric in (
            "conversions",
            "conversions_value",
            "conversions_by_conversion_date",
            "conversions_value_by_conversion_date",
            "all_conversions",
            "all_conversions_by_conversion_date",
        ):
            assert total(actions, metric) == total(facts, metric) > 0
        counted = by(actions, "conversion_action_name", lambda t: total(t, "conversions"))
        assert counted["In winkelwagen"] == 0
        assert counted["Aankoop"] > counted["Nieuwsbrief"] > 0


def test_the_lag_buckets_add_up_to_the_account_exactly(world: World) -> None:
    for customer_id in (NL, UK, TULP):
        facts = world.ads_facts(customer_id, DEMO_DAY)
        lags = world.ads_lag_facts(customer_id, DEMO_DAY)
        for metric in ("conversions", "conversions_value", "all_conversions"):
            assert total(lags, metric) == total(facts, metric) > 0


def test_the_buckets_are_those_of_the_api() -> None:
    # the first two are UNSPECIFIED and UNKNOWN
    assert tuple(ConversionLagBucketEnum.ConversionLagBucket.__members__)[2:] == BUCKETS
    # an hour as the fraction .75 is a click at .75 × 9973 = 7479.75: at .75 of its own day
    lags = lag_buckets(np.array([0, 1, 2, 14, 29]), np.full(5, 0.75))
    assert [BUCKETS[at] for at in lags] == [
        "LESS_THAN_ONE_DAY",
        "ONE_TO_TWO_DAYS",
        "TWO_TO_THREE_DAYS",
        "FOURTEEN_TO_TWENTY_ONE_DAYS",
        "TWENTY_ONE_TO_THIRTY_DAYS",
    ]


def test_both_datings_of_conversions_hold_the_same_conversions(world: World) -> None:
    facts = world.ads_facts(NL, DEMO_DAY)
    assert total(facts, "conversions") == total(facts, "conversions_by_conversion_date")


def test_the_windows_of_the_conversion_actions_are_30_and_7_days(world: World) -> None:
    actions = world.ads_conversion_actions(NL)
    windows = actions["click_through_lookback_window_days"].to_pylist()
    assert windows == [30, 7, 30]
    assert actions["primary_for_goal"].to_pylist() == [True, True, False]


def test_ga4_has_nine_sessions_for_ten_clicks_on_ads(world: World) -> None:
    clicks = sum(total(world.ads_facts(a, DEMO_DAY), "clicks") for a in (NL, UK))
    paid = only(world.ga4_facts(BICYCLES, DEMO_DAY), medium="cpc")
    assert total(paid, "sessions") / clicks == pytest.approx(0.9, abs=0.01)


def test_ga4_knows_more_purchases_than_google_ads_claims(world: World) -> None:
    for prop, customers in ((BICYCLES, (NL, UK)), (FLOWERS, (TULP,))):
        ga4 = world.ga4_facts(prop, DEMO_DAY)
        bought = sum(
            total(
                only(world.ads_conversion_facts(c, DEMO_DAY), conversion_action_name="Aankoop"),
                "conversions",
            )
            for c in customers
        )
        assert bought < total(only(ga4, medium="cpc"), "transactions") < total(ga4, "transactions")


def test_organic_google_sessions_follow_search_consoles_clicks(world: World) -> None:
    first, last = date(2026, 1, 1), date(2026, 10, 31)
    google = only(world.ga4_facts(BICYCLES, DEMO_DAY), medium="organic", source="google")
    clicks = total(between(world.search_facts(BICYCLE_SITE, DEMO_DAY), first, last), "clicks")
    assert total(between(google, first, last), "sessions") / clicks == pytest.approx(0.97, abs=0.02)


def test_ga4_rows_are_unique_and_no_row_has_more_orders_than_sessions(world: World) -> None:
    for prop in (BICYCLES, FLOWERS):
        facts = world.ga4_facts(prop, DEMO_DAY)
        grain = ["date_day", "channel_group", "source", "medium", "campaign_name"]
        assert facts.group_by(grain).aggregate([]).num_rows == facts.num_rows
        assert pc.all(pc.less_equal(facts["transactions"], facts["sessions"])).as_py()
        assert pc.all(pc.less_equal(facts["first_time_purchasers"], facts["transactions"])).as_py()
        assert facts["key_event__purchase"].equals(facts["transactions"])


def test_newsletters_are_campaigns_with_medium_email(world: World) -> None:
    mails = only(world.ga4_facts(BICYCLES, DEMO_DAY), medium="email")
    assert mails["channel_group"].unique().to_pylist() == ["Email"]
    assert "2026-w46-nieuwsbrief" in mails["campaign_name"].unique().to_pylist()


def test_search_rows_withhold_rare_queries_and_are_unique(world: World) -> None:
    facts = world.search_facts(BICYCLE_SITE, DEMO_DAY)
    withheld = total(facts.filter(pc.is_null(facts["query"])), "clicks") / total(facts, "clicks")
    assert 0.1 < withheld < 0.5
    grain = ["date_day", "query", "page", "device"]
    assert facts.group_by(grain).aggregate([]).num_rows == facts.num_rows
    assert pc.all(pc.less_equal(facts["clicks"], facts["impressions"])).as_py()
    assert pc.all(pc.greater_equal(facts["position_sum"], facts["impressions"])).as_py()


def test_the_truth_holds_every_accounts_totals_per_day(world: World) -> None:
    truth = world.truth(DEMO_DAY)
    day = date(2026, 10, 1)
    for source, account_id, metric, facts in (
        ("google_ads", UK, "cost_micros", world.ads_facts(UK, DEMO_DAY)),
        ("ga4", FLOWERS, "sessions", world.ga4_facts(FLOWERS, DEMO_DAY)),
        ("search_console", BICYCLE_SITE, "clicks", world.search_facts(BICYCLE_SITE, DEMO_DAY)),
    ):
        row = only(truth, source=source, account_id=account_id, metric=metric, date_day=day)
        assert row["value"].to_pylist() == [total(only(facts, date_day=day), metric)]
    assert set(truth["account_id"].unique().to_pylist()) == {
        NL,
        UK,
        TULP,
        BICYCLES,
        FLOWERS,
        BICYCLE_SITE,
        "https://www.tulpenthee.example/",
    }
