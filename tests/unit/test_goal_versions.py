"""A goal that is edited keeps its earlier versions, so that moved goalposts are visible."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from flows.settings import Agreed, Goal, Measure, Period, Step, Target, Tuning
from flows.targets.versions import (
    Change,
    changes_between,
    definition_of,
    version_of,
    version_of_definition,
    versions_in_order,
)

Q4 = Period(start=date(2026, 10, 1), end=date(2027, 1, 1), said="2026-Q4")
OCTOBER, NOVEMBER = datetime(2026, 10, 1, 4, tzinfo=UTC), datetime(2026, 11, 1, 5, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, 5, tzinfo=UTC)


def target(**told: Any) -> Target:
    usual: dict[str, Any] = {
        "id": "shopping-roas-q4",
        "specific": "A ROAS of at least 4",
        "kpi": "roas",
        "where": {"source": ("google_ads",), "channel_type": ("SHOPPING",)},
        "goal": Goal(kind="at_least", at_least=4.0),
        "period": Q4,
        "agreed": Agreed(owner="tom@example.nl"),
    }
    return Target(**{**usual, **told})


def test_the_definition_says_what_is_judged_in_plain_values() -> None:
    assert definition_of(target(for_each="campaign_id", measure=Measure(window_days=28))) == {
        "kpi": "roas",
        "where": {"channel_type": ["SHOPPING"], "source": ["google_ads"]},
        "for_each": "campaign_id",
        "goal": {"kind": "at_least", "at_least": 4.0},
        "period": {"start": "2026-10-01", "end": "2027-01-01"},
        "measure": {"window_days": 28},
    }


def test_a_version_stays_the_same_from_one_koers_to_the_next() -> None:
    # stored in warehouses: another name would show every goal as moved
    assert version_of(target()) == "14fa74012c72"


@pytest.mark.parametrize(
    "edited",
    [
        {"kpi": "ctr"},
        {"where": {"source": ("google_ads",)}},
        {"where": {"source": ("google_ads",), "channel_type": ("SEARCH",)}},
        {"for_each": "campaign_id"},
        {"goal": Goal(kind="at_least", at_least=3.5)},
        {"goal": Goal(kind="at_most", at_most=4.0)},
        {"goal": Goal(kind="at_least", at_least=4.0, currency="EUR")},
        {"period": Period(start=date(2026, 10, 1), end=date(2026, 12, 31), said="2026-Q4")},
        {"measure": Measure(completeness="learned")},
    ],
)
def test_another_goal_is_another_version(edited: dict[str, Any]) -> None:
    assert version_of(target(**edited)) != version_of(target())


@pytest.mark.parametrize(
    "edited",
    [
        {"specific": "Four euros back for every euro"},
        {"agreed": Agreed(owner="sanne@example.nl")},
        {"plan": (Step(do="Split the feed", owner="tom@example.nl"),)},
        {"notify": ("growth",)},
        {"realistic_because": "August did"},
        {"tuning": Tuning(confirm_days=5)},
        {"file": "clients/other.yaml", "line": 7},
        {"where": {"channel_type": ("SHOPPING",), "source": ("google_ads",)}},
        {"period": Period(start=date(2026, 10, 1), end=date(2027, 1, 1), said="for 3 months")},
    ],
)
def test_another_wording_or_plan_is_the_same_version(edited: dict[str, Any]) -> None:
    assert version_of(target(**edited)) == version_of(target())


def test_values_of_a_scope_and_ends_of_a_band_come_in_any_order() -> None:
    band = Goal(kind="between", between=(300.0, 650.0))
    turned = Goal(kind="between", between=(650.0, 300.0))
    two, back = {"device": ("MOBILE", "TABLET")}, {"device": ("TABLET", "MOBILE")}
    assert version_of(target(goal=band, where=two)) == version_of(target(goal=turned, where=back))


def test_what_changed_is_told_in_plain_fields() -> None:
    before = definition_of(target())
    after = definition_of(
        target(
            where={"channel_type": ("SHOPPING", "SEARCH")},
            goal=Goal(kind="from_to", from_=3.0, to=3.5, steps=((date(2026, 11, 1), 3.2),)),
        )
    )
    assert changes_between(before, after) == (
        Change("goal.at_least", 4.0, None),
        Change("goal.from", None, 3.0),
        Change("goal.kind", "at_least", "from_to"),
        Change("goal.steps", None, "2026-11-01: 3.2"),
        Change("goal.to", None, 3.5),
        Change("where.channel_type", "SHOPPING", "SEARCH, SHOPPING"),
        Change("where.source", "google_ads", None),
    )
    assert changes_between(before, before) == ()


def test_versions_come_oldest_first_and_a_goal_that_went_back_is_there_again() -> None:
    four, lower = definition_of(target()), definition_of(
        target(goal=Goal(kind="at_least", at_least=3.5))
    )  # fmt: skip
    a, b = version_of_definition(four), version_of_definition(lower)
    told = versions_in_order([(a, DECEMBER, four), (b, NOVEMBER, lower), (a, OCTOBER, four)])
    assert [(one.version, one.since) for one in told] == [
        (a, OCTOBER), (b, NOVEMBER), (a, DECEMBER),
    ]  # fmt: skip
    assert [one.changes for one in told] == [
        (),
        (Change("goal.at_least", 4.0, 3.5),),
        (Change("goal.at_least", 3.5, 4.0),),
    ]
