"""The sandbox's large scale: twenty accounts, three years, nothing kept."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from connectors.sandbox import many_accounts
from connectors.sandbox.gaql import GaqlError, parse
from connectors.sandbox.google_ads_answers import Answers, oldest_daily
from connectors.sandbox.restatements import Restatement
from connectors.sandbox.world import World

DEMO_DAY = date(2026, 11, 20)
ONE, NL = "6000000001", "1111111111"
CELL = ("date_day", "campaign_id", "device", "network")
MEASURES = (
    "conversions",
    "conversions_value",
    "conversions_by_conversion_date",
    "conversions_value_by_conversion_date",
    "all_conversions",
    "all_conversions_value",
    "all_conversions_by_conversion_date",
    "all_conversions_value_by_conversion_date",
)


@pytest.fixture(scope="module")
def world() -> World:
    return World(scale="large")


def days(facts: pa.Table, first: date, last: date) -> pa.Table:
    day = facts["date_day"]
    return facts.filter(pc.and_(pc.greater_equal(day, first), pc.less_equal(day, last)))


def total(facts: pa.Table, column: str) -> float:
    return float(pc.sum(facts[column]).as_py() or 0)


def cells(facts: pa.Table) -> set[tuple[object, ...]]:
    return set(zip(*(facts[c].to_pylist() for c in CELL), strict=True))


def test_there_are_twenty_accounts_under_one_manager_in_several_currencies(world: World) -> None:
    under = [a for a in world.ad_accounts if a.manager_id == "1000000003"]

    assert [a.customer_id for a in under] == [str(6_000_000_000 + n) for n in range(1, 21)]
    assert len({a.currency_code for a in under}) >= 5
    assert [a.customer_id for a in World().ad_accounts if a.manager_id == "1000000003"] == []


def test_each_day_of_three_years_has_many_rows(world: World) -> None:
    facts = world.ads_facts(ONE, DEMO_DAY)
    per_day = facts.group_by("date_day").aggregate([([], "count_all")])["count_all"]

    assert pc.min(facts["date_day"]).as_py() == date(2023, 11, 1)
    assert pc.max(facts["date_day"]).as_py() == DEMO_DAY  # in part
    assert len(per_day) == (DEMO_DAY - date(2023, 11, 1)).days + 1
    assert 80 <= pc.mean(per_day).as_py() <= 300
    assert len(cells(facts)) == facts.num_rows


def test_a_window_is_the_same_however_it_is_asked(world: World) -> None:
    first, last = date(2025, 2, 10), date(2025, 3, 5)
    whole = days(World(scale="large").ads_facts(ONE, DEMO_DAY), first, last)

    assert days(world.ads_facts_between(ONE, DEMO_DAY, first, last), first, last).equals(whole)
    assert not days(World(7, "large").ads_facts(ONE, DEMO_DAY), first, last).equals(whole)


def test_conversions_by_action_add_up_to_those_of_all(world: World) -> None:
    facts, by_action = world.ads_facts(ONE, DEMO_DAY), world.ads_conversion_facts(ONE, DEMO_DAY)

    for measure in MEASURES:
        assert total(by_action, measure) == total(facts, measure) > 0


def test_conversions_by_lag_add_up_to_those_of_all(world: World) -> None:
    facts = world.ads_facts(ONE, DEMO_DAY)
    by_lag = world.ads_lag_facts(ONE, DEMO_DAY)

    assert total(by_lag, "conversions") == total(facts, "conversions") > 0
    assert len(set(by_lag["conversion_lag_bucket"].to_pylist())) == 16  # those up to 30 days


def test_by_click_and_by_order_the_same_conversions_are_counted(world: World) -> None:
    # orders after the last day are in the one and not in the other: 29 days at most
    facts = world.ads_facts(ONE, date(2026, 12, 31))
    by_order = total(facts, "all_conversions_by_conversion_date")

    assert by_order == total(facts, "all_conversions")


def test_orders_arrive_late_and_a_month_later_nothing_more_comes(world: World) -> None:
    first, last = date(2026, 10, 1), date(2026, 10, 19)

    def seen(as_of: date) -> float:
        return total(
            days(world.ads_facts_between(ONE, as_of, first, last), first, last), "conversions"
        )

    young, grown, settled = (seen(last + timedelta(days=n)) for n in (1, 10, 30))
    assert young < grown < settled
    assert seen(last + timedelta(days=60)) == settled


def test_rows_of_invalid_clicks_vanish_after_three_days(world: World) -> None:
    day = date(2026, 11, 10)

    def seen(as_of: date) -> set[tuple[object, ...]]:
        return cells(days(world.ads_facts_between(ONE, as_of, day, day), day, day))

    before, after = seen(day + timedelta(days=2)), seen(day + timedelta(days=3))
    assert before - after


def test_the_truth_of_an_account_is_the_sum_of_its_rows(world: World) -> None:
    truth = world.truth(DEMO_DAY, ONE)

    assert truth["account_id"].unique().to_pylist() == [ONE]
    cost = truth.filter(pc.equal(truth["metric"], "cost_micros"))
    assert pc.sum(cost["value"]).as_py() == total(world.ads_facts(ONE, DEMO_DAY), "cost_micros")


def test_the_small_world_is_part_of_the_large_one(world: World) -> None:
    assert world.ads_facts(NL, DEMO_DAY).equals(World().ads_facts(NL, DEMO_DAY))


def test_sites_and_properties_of_the_large_world_have_figures(world: World) -> None:
    prop, site = many_accounts.PROPERTIES[0], many_accounts.SITES[0]

    assert total(world.ga4_facts(prop.property_id, DEMO_DAY), "sessions") > 0
    assert total(world.search_facts(site.site_url, DEMO_DAY), "clicks") > 0


def test_days_before_37_months_are_refused(world: World) -> None:
    account = next(a for a in world.ad_accounts if a.customer_id == ONE)
    oldest = oldest_daily(date(2026, 12, 31))
    assert oldest > date(2023, 11, 1)

    def ask(first: date) -> pa.Table:
        query = parse(
            "SELECT campaign.id, segments.date, metrics.clicks FROM campaign "
            f"WHERE segments.date BETWEEN '{first}' AND '{first + timedelta(days=5)}'"
        )
        return Answers(world).answer(query, account, date(2026, 12, 31))

    assert ask(oldest).num_rows
    with pytest.raises(GaqlError, match="daily and weekly figures start on"):
        ask(oldest - timedelta(days=1))


def test_a_day_of_the_large_world_can_be_restated() -> None:
    world, day = World(scale="large"), date(2026, 10, 5)
    before = days(world.ads_facts(ONE, DEMO_DAY), day, day)
    world.restate(Restatement("google_ads", ONE, day, factor=2.0))

    after = days(world.ads_facts_between(ONE, DEMO_DAY, day, day), day, day)
    assert total(after, "cost_micros") == 2 * total(before, "cost_micros")
