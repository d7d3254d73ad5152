"""What a route is told of a morning: what changed, what lasts, and never the same thing twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import cast

import duckdb
import pytest

from flows.alerts.digest import Digest
from flows.alerts.machine import (
    Hearing,
    Known,
    State,
    Subject,
    advance,
    hearings,
    is_due,
    mute_of,
    told_trouble,
)
from flows.alerts.outbox import OUTBOX_DDL
from flows.alerts.state import RouteState, load_snoozes, load_states, save_state, snooze
from flows.kpis import Kpi
from flows.report.model import ClientView, SourceState, TargetView
from flows.settings import Agreed, Client, Escalation, Goal, Mute, Period, Route, Target
from flows.targets.evaluation import Evaluation, Series, Status

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
DAY = date(2026, 11, 2)  # a Monday
KPI = Kpi("ctr", "rate", "higher", False, False, (), ("google_ads",), False, {}, {}, {}, None)
QUARTER = Period(start=date(2026, 10, 1), end=date(2027, 1, 1))
MONTHS = Period(every="month", end=date(2027, 1, 1))


def a_target(name: str = "ctr", **more: object) -> Target:
    told: dict[str, object] = {
        "id": name,
        "specific": "Do better",
        "kpi": "ctr",
        "goal": Goal(kind="at_least", at_least=0.05),
        "period": QUARTER,
        "agreed": Agreed(owner="sanne@example.nl"),
        **more,
    }
    return Target.model_validate(told)


def said(
    target: Target, status: Status, as_of: date, segment: str = "", **more: object
) -> Evaluation:
    start, end = target.period.occurrence(as_of - timedelta(days=1))
    found = Evaluation(
        client="fietsgoed", target_id=target.id, segment=segment, segment_label=segment,
        as_of=as_of, known_at=NOW, status=status, reason="on_level", goal=0.05,
        period_start=start, period_end=end, target_version="v1",
    )  # fmt: skip
    return replace(found, **more)  # type: ignore[arg-type]


def an_account(through: date, as_of: date, problem: str | None = None) -> SourceState:
    expected = as_of - timedelta(days=1)
    return SourceState("google_ads", "111", "Shop", "EUR", through, expected, None, problem=problem)


@dataclass
class Story:
    """Mornings in a row of one route and one target, as the route lives through them."""

    target: Target = field(default_factory=a_target)
    route: Route = field(default_factory=lambda: Route(name="team"))
    has_data: bool = False
    holidays: frozenset[date] = frozenset()
    state: State = field(default_factory=dict)
    last_on: date | None = None
    as_of: date = DAY - timedelta(days=1)
    history: list[tuple[date, str]] = field(default_factory=list)

    def view(
        self,
        status: Status,
        segments: Mapping[str, Status] | None = None,
        muted: Mute | None = None,
        sources: Sequence[SourceState] = (),
        closing: Sequence[Evaluation] = (),
        **more: object,
    ) -> ClientView:
        parts = tuple(
            said(
                self.target, one, self.as_of, name,
                details={"claimed": int(not name.startswith("perhaps"))},
            )
            for name, one in (segments or {}).items()
        )  # fmt: skip
        view = TargetView(
            self.target, KPI, said(self.target, status, self.as_of, **more), parts,
            Series.of_days("", "", ()), history=tuple(self.history), muted=muted,
            closing=tuple(closing),
        )  # fmt: skip
        client = Client(
            slug="fietsgoed", name="Fietsgoed", targets=(self.target,),
            routes={self.route.name: self.route}, notify=(self.route.name,),
        )  # fmt: skip
        return ClientView(client, self.as_of, NOW, (view,), tuple(sources))

    def morning(
        self,
        status: Status,
        segments: Mapping[str, Status] | None = None,
        *,
        escalated: date | None = None,
        muted: Mute | None = None,
        sources: Sequence[SourceState] = (),
        closing: Sequence[Evaluation] = (),
        **more: object,
    ) -> Digest | None:
        """The next morning; gives what the route was told."""
        self.as_of += timedelta(days=1)
        view = self.view(status, segments, muted, sources, closing, **more)
        own = frozenset({self.target.id})
        hearing = (
            Hearing(self.route, escalated={self.target.id: escalated})
            if self.is_escalation
            else Hearing(self.route, own, has_data=self.has_data)
        )
        told = advance(view, hearing, self.state, self.last_on, self.holidays)
        if not self.history or self.history[-1][1] != status:
            self.history.append((self.as_of, status))
        if told is None:
            return None
        self.state, self.last_on = told.state, self.as_of
        # the same morning once more tells nothing
        again = advance(view, hearing, self.state, self.last_on, self.holidays)
        assert again is None or again.digest is None
        return told.digest

    is_escalation: bool = False

    def kinds(self, *statuses: Status) -> list[str]:
        """Of each next morning the kind of news, '' for none."""
        return [_kinds(self.morning(status)) for status in statuses]


def _kinds(digest: Digest | None) -> str:
    return "" if digest is None else " ".join(item.kind for item in digest.changed)


# --- what is news -----------------------------------------------------------------------------


def test_the_first_message_tells_of_every_target_and_the_next_of_what_matters() -> None:
    story = Story()
    first = story.morning("too_early")
    assert first is not None
    assert first.is_first
    assert [(i.kind, i.was) for i in first.changed] == [("new", None)]
    assert story.kinds("too_early", "on_track", "on_track", "at_risk", "on_track") == [
        "", "judged", "", "", "",
    ]  # fmt: skip
    assert story.kinds("off_track", "off_track", "at_risk", "on_track") == [
        "off_track", "", "", "recovered",
    ]  # fmt: skip
    assert story.kinds("provisional", "provisional", "achieved", "achieved") == [
        "", "", "achieved", "",
    ]  # fmt: skip


def test_a_change_is_told_with_what_it_was_and_since_when_it_is() -> None:
    story = Story()
    story.kinds("on_track", "at_risk")
    told = story.morning("off_track")
    assert told is not None
    assert not told.is_first
    (item,) = told.changed
    # that it was at risk in between was never told
    assert (item.was, item.since, item.told_on) == ("on_track", story.as_of, DAY)
    for _ in range(6):
        assert story.morning("off_track") is None
    again = story.morning("off_track")
    assert again is not None
    (item,) = again.changed
    assert (item.kind, item.since) == ("again", DAY + timedelta(days=2))


def test_who_asks_for_at_risk_hears_of_it_and_that_it_passed() -> None:
    asked = Story(target=a_target(tell=("at_risk", "off_track", "recovered")))
    assert asked.kinds("on_track", "at_risk", "at_risk", "on_track", "at_risk", "off_track") == [
        "new", "at_risk", "", "recovered", "at_risk", "off_track",
    ]  # fmt: skip
    by_route = Story(route=Route(name="team", only=("at_risk",)))
    assert by_route.kinds("on_track", "at_risk", "off_track", "at_risk") == ["", "at_risk", "", ""]
    # what both say: neither alone may add
    both = Story(a_target(tell=("off_track", "missed")), Route(name="lead", only=("missed",)))
    assert both.kinds("on_track", "off_track", "missed") == ["", "", "missed"]


def test_what_stays_off_track_is_told_again_after_the_interval_and_never_sooner() -> None:
    story = Story()
    weekly = story.kinds(*["off_track"] * 22)
    assert [day for day, kind in enumerate(weekly) if kind] == [0, 7, 14, 21]
    assert weekly[7] == "again"
    fortnightly = Story(route=Route(name="team", repeat_every_days=14)).kinds(*["off_track"] * 22)
    assert [day for day, kind in enumerate(fortnightly) if kind] == [0, 14]
    # missed is over: nobody needs to hear it twice
    assert Story().kinds(*["missed"] * 9) == ["new", *[""] * 8]


def test_off_track_once_more_within_the_interval_waits_for_it() -> None:
    wavering: list[Status] = ["on_track", "off_track", "at_risk", "off_track"]
    story = Story()
    assert story.kinds(*wavering) == ["new", "off_track", "", ""]
    # told on the second morning, so once more on the ninth, and said to be back
    assert story.kinds(*["off_track"] * 5) == ["", "", "", "", "back"]


def test_without_data_the_verdict_is_frozen_and_nothing_of_the_goal_is_told() -> None:
    story = Story()
    assert story.kinds("on_track", "off_track", "stale", "no_data", "off_track") == [
        "new", "off_track", "", "", "",
    ]  # fmt: skip
    assert story.kinds("stale", "on_track") == ["", "recovered"]
    # the days without data do not end the spell
    told = Story()
    told.kinds("on_track", "off_track", "stale", "off_track")
    for _ in range(4):
        assert told.morning("off_track") is None
    again = told.morning("off_track")  # seven mornings after it was told
    assert again is not None
    assert (again.changed[0].kind, again.changed[0].since) == ("again", DAY + timedelta(days=1))


def test_a_goal_that_was_edited_is_told_as_such_and_once() -> None:
    story = Story()
    story.kinds("on_track", "off_track")
    edited = story.morning("on_track", target_version="v2")
    assert edited is not None
    assert [(i.kind, i.was) for i in edited.changed] == [("edited", "off_track")]
    assert story.morning("on_track", target_version="v2") is None
    # an edit is told while data is late too; what was said of the goal stays
    late = story.morning("stale", target_version="v3")
    assert _kinds(late) == "edited"
    assert story.state[Subject("ctr")].status == "on_track"


def test_a_period_without_any_verdict_is_closed_once() -> None:
    story = Story(as_of=date(2027, 1, 31))
    assert story.kinds("insufficient_data")[0] == "new"
    # 45 days after 1 January is 15 February, the fourteenth morning from the 2nd on
    assert story.kinds(*["insufficient_data"] * 20) == [*[""] * 13, "closed", *[""] * 6]


def test_a_day_before_what_was_told_is_history() -> None:
    story = Story()
    story.kinds("on_track", "on_track")
    story.as_of = DAY - timedelta(days=9)
    assert story.morning("off_track") is None
    assert story.last_on == DAY + timedelta(days=1)


# --- segments ---------------------------------------------------------------------------------


def test_a_campaign_is_named_when_it_fails_beyond_chance_and_when_it_recovered() -> None:
    story = Story()
    story.morning("on_track", {"bikes": "on_track", "parts": "on_track"})
    told = story.morning("at_risk", {"bikes": "off_track", "perhaps parts": "off_track"})
    assert told is not None
    assert [(i.evaluation.segment, i.kind) for i in told.changed] == [("bikes", "off_track")]
    # not judged, or only better, is not recovered
    for status in ("insufficient_data", "at_risk", "off_track"):
        assert story.morning("at_risk", {"bikes": status}) is None
    assert story.morning("at_risk", {"parts": "on_track"}) is None  # it has no rows
    told = story.morning("on_track", {"bikes": "on_track"})
    assert told is not None
    assert [(i.evaluation.segment, i.kind) for i in told.changed] == [("bikes", "recovered")]
    assert set(story.state) == {Subject("ctr")}


def test_a_total_that_is_told_speaks_for_its_campaigns() -> None:
    story = Story()
    story.morning("on_track", {"bikes": "on_track"})
    told = story.morning("off_track", {"bikes": "off_track"})
    assert told is not None
    assert [i.evaluation.segment for i in told.changed] == [""]
    assert story.morning("off_track", {"bikes": "off_track"}) is None
    told = story.morning("off_track", {"bikes": "off_track", "parts": "off_track"})
    assert told is not None
    assert [i.evaluation.segment for i in told.changed] == ["parts"]
    # over: the campaigns are part of how it ended
    told = story.morning("missed", {"bikes": "missed", "parts": "achieved"})
    assert told is not None
    assert [i.evaluation.segment for i in told.changed] == [""]
    assert set(story.state) == {Subject("ctr")}


def test_a_campaign_waits_for_a_total_that_is_about_to_follow_it() -> None:
    story, bikes = Story(), {"bikes": cast(Status, "off_track")}
    story.morning("on_track", {"bikes": "on_track"})
    assert story.morning("on_track", bikes, details={"candidate": "off_track"}) is None
    told = story.morning("off_track", bikes)
    assert told is not None
    assert [i.evaluation.segment for i in told.changed] == [""]
    better: Mapping[str, Status] = {"bikes": "on_track"}
    assert story.morning("off_track", better, details={"candidate": "on_track"}) is None
    told = story.morning("on_track", better)
    assert told is not None
    assert [i.evaluation.segment for i in told.changed] == [""]
    assert set(story.state) == {Subject("ctr")}
    # the total thought better of it: the campaign is news by itself
    assert story.morning("on_track", bikes, details={"candidate": "off_track"}) is None
    told = story.morning("on_track", bikes)
    assert told is not None
    assert [i.evaluation.segment for i in told.changed] == ["bikes"]


# --- mutes, quiet days, summaries -------------------------------------------------------------


def test_a_muted_target_is_silent_and_what_changed_is_told_once_at_the_end() -> None:
    story, mute = Story(), Mute(until=DAY + timedelta(days=4))
    story.kinds("on_track")
    for status in ("off_track", "at_risk", "off_track"):
        assert story.morning(status, muted=mute) is None
    told = story.morning("off_track")
    assert told is not None
    assert [(i.kind, i.was) for i in told.changed] == [("off_track", "on_track")]
    assert story.morning("off_track") is None


def test_a_mute_that_nothing_changed_under_ends_in_silence() -> None:
    story, mute = Story(), Mute(until=DAY + timedelta(days=3))
    story.kinds("on_track")
    assert story.morning("off_track", muted=mute) is None
    assert story.morning("on_track", muted=mute) is None
    assert story.morning("on_track") is None


def test_the_longest_mute_holds_until_its_day() -> None:
    own, asked = Mute(until=DAY + timedelta(days=1)), Mute(until=DAY + timedelta(days=3))
    target = a_target(mute=own)
    assert mute_of(target, asked, DAY) == asked
    assert mute_of(target, None, DAY) == own
    assert mute_of(target, None, own.until) is None
    assert mute_of(a_target(), None, DAY) is None


def test_on_quiet_days_nothing_is_told_and_the_next_day_tells_what_happened() -> None:
    route = Route(name="team", quiet=("sat", "sun", "holidays"))
    story = Story(route=route, holidays=frozenset({DAY + timedelta(days=7)}))
    assert story.kinds("on_track", "on_track", "on_track", "on_track", "on_track") == [
        "new", "", "", "", "",
    ]  # fmt: skip
    # Saturday, Sunday, a holiday on Monday, Tuesday
    assert story.kinds("off_track", "off_track", "off_track", "off_track") == [
        "", "", "", "off_track",
    ]  # fmt: skip
    # what came and went at the weekend was not seen by anybody
    story.kinds("on_track", "on_track", "on_track")
    assert story.as_of.strftime("%a") == "Fri"
    assert story.kinds("off_track", "off_track", "on_track") == ["", "", ""]


def test_a_weekly_summary_comes_on_monday_with_all_targets_also_when_nothing_changed() -> None:
    story = Story(route=Route(name="board", digest="weekly"))
    first = story.morning("on_track")
    assert first is not None
    assert (first.is_first, first.cadence) == (True, "daily")
    for status in ("off_track", "off_track", "at_risk", "at_risk", "at_risk", "at_risk"):
        assert story.morning(status) is None
    summary = story.morning("at_risk")
    assert summary is not None
    assert (summary.cadence, summary.as_of, summary.last_on) == ("weekly", date(2026, 11, 9), DAY)
    # at risk is in a summary for who did not ask for messages of it
    assert [(i.kind, i.was) for i in summary.changed] == [("at_risk", "on_track")]
    for _ in range(6):
        assert story.morning("at_risk") is None
    calm = story.morning("at_risk")
    assert calm is not None
    assert (calm.changed, [i.was for i in calm.unchanged]) == ((), ["at_risk"])


def test_summaries_come_on_the_first_day_that_can_be() -> None:
    monday, sunday = DAY, DAY - timedelta(days=1)
    assert is_due("weekly", None, sunday)
    assert not is_due("weekly", monday, monday + timedelta(days=6))
    assert is_due("weekly", monday, monday + timedelta(days=7))
    assert is_due("weekly", monday, monday + timedelta(days=9))  # the machine was off
    assert is_due("monthly", date(2026, 10, 31), date(2026, 11, 1))
    assert is_due("monthly", date(2026, 10, 1), date(2026, 11, 3))
    assert not is_due("monthly", date(2026, 11, 1), date(2026, 11, 30))
    assert is_due("daily", monday, monday)


# --- escalation -------------------------------------------------------------------------------


def test_what_stays_off_track_is_escalated_once_and_again_after_its_own_interval() -> None:
    target = a_target(escalate=Escalation(to="lead", after_days=3), repeat_every_days=5)
    lead = Story(target, Route(name="lead"), is_escalation=True)
    told_on = DAY + timedelta(days=1)
    assert lead.morning("on_track", escalated=None) is None
    kinds = [_kinds(lead.morning("off_track", escalated=told_on)) for _ in range(10)]
    # told to others on the second morning: three days later, and five after that
    assert kinds == ["", "", "", "escalated", "", "", "", "", "again", ""]
    assert _kinds(lead.morning("at_risk", escalated=None)) == ""
    assert _kinds(lead.morning("on_track", escalated=None)) == "recovered"
    assert lead.state == {}
    assert lead.morning("on_track", escalated=None) is None


def test_an_escalation_says_when_the_others_were_told_and_is_no_welcome() -> None:
    target = a_target(escalate=Escalation(to="lead", after_days=1))
    lead = Story(target, Route(name="lead"), is_escalation=True)
    told = lead.morning("off_track", escalated=DAY - timedelta(days=4))
    assert told is not None
    assert not told.is_first
    assert (told.changed[0].was, told.changed[0].told_on) == (None, DAY - timedelta(days=4))


def test_trouble_counts_from_when_it_was_told_and_ends_when_it_gets_better() -> None:
    story = Story()
    client = story.view("on_track").client

    def trouble() -> dict[str, date]:
        return told_trouble({"team": story.state}, client)

    story.kinds("on_track", "off_track", "off_track")
    assert trouble() == {"ctr": DAY + timedelta(days=1)}
    story.kinds("stale")
    assert trouble() == {"ctr": DAY + timedelta(days=1)}
    story.kinds("at_risk", "off_track")
    assert trouble() == {}  # it is off track once more, and nobody was told that yet
    assert story.kinds(*["off_track"] * 3)[-1] == "back"
    assert trouble() == {"ctr": story.as_of}


# --- data -------------------------------------------------------------------------------------


def test_an_account_that_is_late_is_told_once_and_that_it_is_back_once() -> None:
    story = Story(has_data=True)
    late = DAY - timedelta(days=3)

    def morning(status: Status, through: date | None = None) -> Digest | None:
        day = story.as_of + timedelta(days=1)
        account = an_account(through or day - timedelta(days=1), day)
        return story.morning(status, sources=[account], reason="stale")

    morning("on_track")
    told = morning("stale", late)
    assert told is not None
    assert told.changed == ()
    (news,) = told.data
    assert (news.kind, news.target_ids) == ("stale", ("ctr",))
    assert news.account is not None
    assert morning("stale", late) is None
    back = morning("off_track")
    assert back is not None
    assert [(one.kind, one.target_ids) for one in back.data] == [("recovered", ("ctr",))]
    assert _kinds(back) == "off_track"
    assert morning("off_track") is None


def test_one_account_that_holds_up_several_targets_is_one_piece_of_news() -> None:
    targets = (a_target("ctr"), a_target("roas"))
    account = an_account(DAY - timedelta(days=4), DAY)
    views = tuple(
        TargetView(
            one, KPI, said(one, "stale", DAY, reason="stale"), (), Series.of_days("", "", ())
        )
        for one in targets
    )
    owner = Route(name="data")
    client = Client(
        slug="fietsgoed", name="Fietsgoed", targets=targets, notify=("team",),
        notify_data=("data",), routes={"team": Route(name="team"), "data": owner},
    )  # fmt: skip
    view = ClientView(client, DAY, NOW, views, (account,))
    by_route = hearings(client)
    told = advance(view, by_route["data"], {}, None)
    assert told is not None
    assert told.digest is not None
    assert (told.digest.is_first, told.digest.changed) == (False, ())
    assert [one.target_ids for one in told.digest.data] == [("ctr", "roas")]
    team = advance(view, by_route["team"], {}, None)
    assert team is not None
    assert team.digest is not None
    assert team.digest.data == ()
    # an account that is still late while nothing rests on it has not recovered
    calm = replace(view, targets=tuple(replace(v, total=said(v.target, "missed", DAY))
                                       for v in views))  # fmt: skip
    later = advance(calm, by_route["data"], told.state, DAY)
    assert later is not None
    assert later.digest is None
    assert later.state == told.state


# --- targets that repeat ----------------------------------------------------------------------


def test_how_a_month_ended_is_told_once_when_it_is_final() -> None:
    story = Story(a_target(period=MONTHS), as_of=date(2026, 10, 29))
    october = Subject("ctr", "", date(2026, 10, 1))
    november = Subject("ctr", "", date(2026, 11, 1))
    assert story.kinds("off_track", "off_track") == ["new", ""]
    assert story.kinds("provisional") == [""]  # 1 November
    ended = said(story.target, "provisional", date(2026, 11, 1))
    assert story.morning("too_early", closing=[ended]) is None
    assert set(story.state) == {october, november}
    assert _kinds(story.morning("on_track", closing=[ended])) == "judged"
    final = story.morning("on_track", closing=[replace(ended, status="missed")])
    assert final is not None
    (item,) = final.changed
    assert (item.kind, item.was, item.view.total.status) == ("missed", "off_track", "missed")
    # the month that runs is beside it
    assert [i.evaluation.period_start for i in final.unchanged] == [date(2026, 11, 1)]
    assert set(story.state) == {november}
    assert story.morning("on_track", closing=[replace(ended, status="missed")]) is None


def test_a_month_that_the_route_never_heard_of_does_not_end_for_it() -> None:
    story = Story(a_target(period=MONTHS))
    ended = said(story.target, "achieved", date(2026, 11, 1))
    told = story.morning("too_early", closing=[ended])
    assert told is not None
    assert [i.evaluation.period_start for i in told.changed] == [date(2026, 11, 1)]


def test_trouble_of_a_month_that_is_over_escalates_nothing() -> None:
    target = a_target(period=MONTHS)
    story = Story(target)
    told = Known("off_track", date(2026, 10, 20), date(2026, 10, 20), "v1")
    fresh = Known("too_early", date(2026, 11, 2), None, "v1")
    state = {
        Subject("ctr", "", date(2026, 10, 1)): told,
        Subject("ctr", "", date(2026, 11, 1)): fresh,
    }
    assert told_trouble({"team": state}, story.view("too_early").client) == {}


# --- who hears what ---------------------------------------------------------------------------


def test_targets_go_to_their_own_routes_and_else_to_those_of_the_client() -> None:
    lead = Escalation(to="lead", after_days=7)
    client = Client(
        slug="fietsgoed", name="Fietsgoed", notify=("growth",),
        targets=(
            a_target("ctr", notify=("lead", "board"), escalate=lead),
            a_target("roas", escalate=lead),
            a_target("cac", notify=("tom",)),
        ),
        routes={
            "growth": Route(name="growth"),
            "lead": Route(name="lead"),
            "board": Route(name="board"),
            "tom": Route(name="tom", owners=("tom@example.nl",)),
        },
    )  # fmt: skip
    found = hearings(client)
    assert {name: set(one.targets) for name, one in found.items()} == {
        "growth": {"roas"},
        "lead": {"ctr"},
        "board": {"ctr"},
    }
    # who hears of it at once needs no escalation; tom owns nothing
    assert {name: set(one.escalated) for name, one in found.items() if one.escalated} == {
        "lead": {"roas"}
    }
    assert all(one.has_data for one in found.values())


# --- what is kept -----------------------------------------------------------------------------


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("create schema ops")
        opened.execute(OUTBOX_DDL)
        yield opened


def test_what_a_route_knows_comes_back_as_it_was_kept(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    state = {
        Subject("cac", "", date(2026, 11, 1)): Known("off_track", DAY, DAY, "v1"),
        Subject("roas", "bikes"): Known("off_track", DAY),
        Subject("", "google_ads/111"): Known("stale", DAY, DAY),
    }
    save_state(connection, "fietsgoed", "team", state, DAY, NOW)
    save_state(connection, "fietsgoed", "calm", {}, DAY, NOW)
    save_state(connection, "tulp", "team", state, DAY, NOW)
    assert load_states(connection, ["fietsgoed"]) == {
        ("fietsgoed", "team"): RouteState(state, DAY),
        ("fietsgoed", "calm"): RouteState({}, DAY),
    }
    fewer = {Subject("roas", "bikes"): Known("off_track", DAY)}
    save_state(connection, "fietsgoed", "team", fewer, DAY + timedelta(days=1), NOW)
    assert load_states(connection, ["fietsgoed"])["fietsgoed", "team"] == RouteState(
        fewer, DAY + timedelta(days=1)
    )


def test_what_an_older_koers_told_is_known(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "insert into ops.alert_state (client, route, target_id, segment, status, as_of, told_at) "
        "values ('fietsgoed', 'team', 'ctr', '', 'off_track', ?, ?)",
        [DAY, NOW.replace(tzinfo=None)],
    )
    found = load_states(connection, ["fietsgoed"])["fietsgoed", "team"]
    story = Story(a_target(period=MONTHS), state=found.state, last_on=found.last_on, as_of=DAY)
    assert story.kinds("off_track", "on_track") == ["", "recovered"]


def test_the_last_snooze_counts(connection: duckdb.DuckDBPyConnection) -> None:
    first = Mute(until=DAY, because="the shop is being rebuilt")
    snooze(connection, "fietsgoed", "ctr", first, NOW)
    assert load_snoozes(connection, ["fietsgoed"]) == {("fietsgoed", "ctr"): first}
    later = Mute(until=DAY + timedelta(days=9))
    snooze(connection, "fietsgoed", "ctr", later, NOW + timedelta(hours=1))
    assert load_snoozes(connection, ["fietsgoed"]) == {("fietsgoed", "ctr"): later}
    assert load_snoozes(connection, ["tulp"]) == {}
