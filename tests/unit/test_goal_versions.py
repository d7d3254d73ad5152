"""A goal that is edited keeps its earlier versions, so that moved goalposts are visible."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pytest

from flows.goal_versions import goal_changes, goal_versions, record_versions
from flows.readings import store_evaluations
from flows.report.model import GoalChange
from flows.settings import Agreed, Client, Goal, Measure, Period, Step, Target, Tuning
from flows.targets.evaluation import Evaluation
from flows.targets.versions import (
    Change,
    changes_between,
    definition_of,
    version_of,
    version_of_definition,
    versions_in_order,
)
from flows.warehouse import prepare, transaction

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


# --- kept in the warehouse --------------------------------------------------------------------


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as fresh:
        prepare(fresh)
        yield fresh


def client(*targets: Target) -> Client:
    return Client(slug="fietsgoed", name="Fietsgoed", timezone="Europe/Amsterdam", targets=targets)


def judge(
    connection: duckdb.DuckDBPyConnection, one: Target, as_of: date, moment: datetime
) -> None:
    """What a run keeps of a target: a verdict and what was judged."""
    verdict = Evaluation(
        client="fietsgoed", target_id=one.id, segment="", segment_label="", as_of=as_of,
        known_at=moment.replace(tzinfo=None), status="on_track", reason="", goal=None,
        target_version=version_of(one),
    )  # fmt: skip
    with transaction(connection):
        store_evaluations(connection, [verdict], "run")
        record_versions(connection, [client(one)], moment)


def test_an_edited_goal_is_told_with_the_day_that_it_was_judged_by_first(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    four, lower = target(), target(goal=Goal(kind="at_least", at_least=3.5))
    judge(connection, four, date(2026, 10, 1), OCTOBER)
    judge(connection, four, date(2026, 10, 2), OCTOBER.replace(day=2))
    judge(connection, lower, date(2026, 11, 1), NOVEMBER)
    judge(connection, lower, date(2026, 11, 2), NOVEMBER.replace(day=2))

    key = ("fietsgoed", four.id)
    versions = goal_versions(connection, ["fietsgoed"])[key]
    assert [(v.version, v.since.replace(tzinfo=UTC)) for v in versions] == [
        (version_of(four), OCTOBER), (version_of(lower), NOVEMBER),
    ]  # fmt: skip
    assert goal_changes(connection, [client(lower)]) == {
        key: (GoalChange(on=date(2026, 11, 1), was=four.goal, now=lower.goal),)
    }


def test_every_kind_of_edit_is_told_in_its_own_place(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    longer = Period(start=date(2026, 10, 1), end=date(2027, 2, 1))
    path = Goal(kind="from_to", from_=3.0, to=4.0, steps=((date(2026, 11, 1), 3.2),))
    judge(connection, target(goal=path), date(2026, 10, 1), OCTOBER)
    edited = target(
        goal=path, period=longer, where={"source": ("google_ads",)}, measure=Measure(window_days=7)
    )
    judge(connection, edited, date(2026, 11, 1), NOVEMBER)
    judge(connection, target(period=longer), date(2026, 12, 1), DECEMBER)

    first, second = goal_changes(connection, [client(edited)])["fietsgoed", edited.id]

    # how a period is written is no part of what is judged
    was = Q4.model_copy(update={"said": ""})
    assert (first.was, first.was_period, first.now_period) == (None, was, longer)
    assert first.others == ("measure", "where")
    assert (second.was, second.now) == (path, Goal(kind="at_least", at_least=4.0))


def test_a_goal_that_stays_is_kept_once_and_tells_of_no_change(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    judge(connection, target(), date(2026, 10, 1), OCTOBER)
    reworded = target(specific="Four euros back for every euro")
    with transaction(connection):
        assert record_versions(connection, [client(reworded)], NOVEMBER) == 0
    assert connection.execute("select count(*) from ops.target_versions").fetchall() == [(1,)]
    assert goal_changes(connection, [client(reworded)]) == {}


def test_past_days_judged_in_one_go_date_the_change_at_the_last_of_them(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    lower = target(goal=Goal(kind="at_least", at_least=3.5))
    judge(connection, target(), date(2026, 10, 31), OCTOBER)
    for day in (3, 1, 2):
        judge(connection, lower, date(2026, 10, day), NOVEMBER)
    (change,) = goal_changes(connection, [client(lower)])["fietsgoed", lower.id]
    assert change.on == date(2026, 10, 3)


def test_a_version_without_a_verdict_is_dated_in_the_clients_own_zone(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    late = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)  # 00:30 on 1 November in Amsterdam
    lower = target(goal=Goal(kind="at_least", at_least=3.5))
    with transaction(connection):
        record_versions(connection, [client(target())], OCTOBER)
        record_versions(connection, [client(lower)], late)
    (change,) = goal_changes(connection, [client(lower)])["fietsgoed", lower.id]
    assert change.on == date(2026, 11, 1)
