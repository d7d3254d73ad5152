"""Digests: what a route has not been told yet. The outbox: every message sent, few repeated."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pytest

from connectors.base import MailMessage, Sent, SlackMessage
from flows.alerts import outbox
from flows.alerts.digest import build_digest, routed_targets
from flows.alerts.outbox import (
    OUTBOX_DDL,
    Outgoing,
    due,
    enqueue,
    from_json,
    mark,
    mark_sending,
    to_json,
)
from flows.alerts.state import load_told, record_told, told_through
from flows.kpis import Kpi
from flows.report.model import ClientView, TargetView
from flows.settings import Agreed, Client, Goal, Period, Target
from flows.steps import is_news
from flows.targets.evaluation import Evaluation, Series, Status

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
DAY = date(2026, 11, 20)
KPI = Kpi("ctr", "rate", "higher", False, False, (), (), False, {}, {}, {}, None)


def a_target(name: str, notify: tuple[str, ...] = ()) -> Target:
    return Target(
        id=name,
        specific="Do better",
        kpi="ctr",
        goal=Goal(kind="at_least", at_least=0.05),
        period=Period(start=date(2026, 10, 1), end=date(2027, 1, 1)),
        agreed=Agreed(owner="sanne@example.nl"),
        notify=notify,
    )


def said(target_id: str, status: Status, segment: str, as_of: date) -> Evaluation:
    return Evaluation(
        client="fietsgoed",
        target_id=target_id,
        segment=segment,
        segment_label=segment,
        as_of=as_of,
        known_at=NOW,
        status=status,
        reason="on_level",
        goal=0.05,
    )


def view_of(
    totals: dict[str, Status],
    segments: dict[str, dict[str, Status]] | None = None,
    as_of: date = DAY,
) -> ClientView:
    views = tuple(
        TargetView(
            target=a_target(name),
            kpi=KPI,
            total=said(name, status, "", as_of),
            segments=tuple(
                said(name, found, segment, as_of)
                for segment, found in (segments or {}).get(name, {}).items()
            ),
            series=Series.of_days("", "", ()),
        )
        for name, status in totals.items()
    )
    client = Client(slug="fietsgoed", name="Fietsgoed", targets=tuple(v.target for v in views))
    return ClientView(client, as_of, NOW, views, ())


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("create schema ops")
        opened.execute(OUTBOX_DDL)
        yield opened


# --- which route hears what -------------------------------------------------------------------


def test_a_target_goes_to_its_own_routes_and_else_to_those_of_the_client() -> None:
    client = Client(
        slug="fietsgoed",
        name="Fietsgoed",
        notify=("growth",),
        targets=(a_target("ctr", ("lead", "board")), a_target("roas"), a_target("cac", ("lead",))),
    )
    assert routed_targets(client) == {
        "growth": {"roas"},
        "lead": {"ctr", "cac"},
        "board": {"ctr"},
    }


def test_causes_are_worked_out_only_for_what_some_route_will_hear_of() -> None:
    def total(name: str, status: Status) -> Evaluation:
        return said(name, status, "", DAY)

    known: dict[tuple[str, str], Status] = {("ctr", ""): "on_track"}
    told_of = is_news(
        [
            ("fietsgoed", "growth", frozenset({"ctr", "roas"}), known),
            ("fietsgoed", "lead", frozenset({"ctr"}), known),
        ]
    )
    assert not told_of(total("ctr", "on_track"))  # both know
    assert told_of(total("ctr", "at_risk"))
    assert told_of(total("roas", "on_track"))  # growth never heard of it
    assert not told_of(total("cac", "missed"))  # goes to nobody
    assert not is_news([])(total("ctr", "at_risk"))  # a run that tells nobody anything


def test_the_first_digest_names_every_routed_target() -> None:
    view = view_of({"ctr": "on_track", "roas": "off_track", "secret": "missed"})
    digest = build_digest(view, "growth", "nl", {}, {"ctr", "roas"})
    assert digest is not None
    assert digest.is_first
    assert [item.evaluation.target_id for item in digest.changed] == ["ctr", "roas"]
    assert {item.was for item in digest.changed} == {None}
    assert digest.unchanged == ()


def test_nothing_changed_is_no_digest() -> None:
    view = view_of({"ctr": "on_track"}, {"ctr": {"1": "off_track"}})
    told: dict[tuple[str, str], Status] = {("ctr", ""): "on_track", ("ctr", "1"): "off_track"}
    assert build_digest(view, "growth", "nl", told, {"ctr"}) is None
    assert build_digest(view, "growth", "nl", {}, set()) is None


def test_a_change_is_told_with_what_it_was() -> None:
    view = view_of({"ctr": "at_risk", "roas": "off_track"})
    told: dict[tuple[str, str], Status] = {("ctr", ""): "on_track", ("roas", ""): "off_track"}
    digest = build_digest(view, "growth", "en", told, {"ctr", "roas"})
    assert digest is not None
    assert not digest.is_first
    assert [(i.evaluation.target_id, i.was) for i in digest.changed] == [("ctr", "on_track")]
    assert [i.evaluation.target_id for i in digest.unchanged] == ["roas"]


def test_a_campaign_is_named_when_it_starts_or_stops_failing_and_not_for_less() -> None:
    now: dict[str, Status] = {
        "falls": "off_track",
        "recovers": "on_track",
        "wavers": "at_risk",
        "new": "on_track",
        "new and bad": "off_track",
        "unknown": "stale",
    }
    told: dict[tuple[str, str], Status] = {
        ("roas", ""): "off_track",
        ("roas", "falls"): "on_track",
        ("roas", "recovers"): "off_track",
        ("roas", "wavers"): "on_track",
        ("roas", "unknown"): "off_track",
    }
    digest = build_digest(
        view_of({"roas": "off_track"}, {"roas": now}), "growth", "en", told, {"roas"}
    )
    assert digest is not None
    assert {i.evaluation.segment: i.was for i in digest.changed} == {
        "falls": "on_track",
        "recovers": "off_track",
        "new and bad": None,
    }


def test_the_key_is_the_same_for_the_same_news_and_another_for_other_news() -> None:
    def key(route: str = "growth", as_of: date = DAY, **totals: Status) -> str:
        told: dict[tuple[str, str], Status] = {("ctr", ""): "on_track"}
        digest = build_digest(view_of(totals, as_of=as_of), route, "nl", told, set(totals))
        assert digest is not None
        return digest.key

    same = key(ctr="at_risk", roas="missed")
    assert same == key(roas="missed", ctr="at_risk")
    others = {
        key(ctr="off_track", roas="missed"),
        key(ctr="at_risk"),
        key(route="lead", ctr="at_risk", roas="missed"),
        key(as_of=date(2026, 11, 21), ctr="at_risk", roas="missed"),
    }
    assert len(others) == 4
    assert same not in others


# --- what a route was told --------------------------------------------------------------------


def test_what_was_told_is_known_the_next_time(connection: duckdb.DuckDBPyConnection) -> None:
    view = view_of({"ctr": "on_track", "roas": "off_track"}, {"roas": {"1": "off_track"}})
    record_told(connection, view, "growth", {"roas"}, NOW)
    told = load_told(connection, "fietsgoed", "growth")
    assert told == {("roas", ""): "off_track", ("roas", "1"): "off_track"}
    assert build_digest(view, "growth", "nl", told, {"roas"}) is None
    assert load_told(connection, "fietsgoed", "lead") == {}
    assert told_through(connection, "fietsgoed", "growth") == DAY
    assert told_through(connection, "fietsgoed", "lead") is None


def test_told_states_are_replaced_and_frozen_while_a_campaign_cannot_be_judged(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    first = view_of({"roas": "off_track", "old": "missed"}, {"roas": {"1": "off_track"}})
    record_told(connection, first, "growth", {"roas", "old"}, NOW)
    later = view_of({"roas": "stale"}, {"roas": {"1": "stale"}}, as_of=date(2026, 11, 21))
    record_told(connection, later, "growth", {"roas"}, NOW)
    assert load_told(connection, "fietsgoed", "growth") == {
        ("roas", ""): "stale",
        ("roas", "1"): "off_track",
    }
    rows = connection.execute("select count(*), min(as_of) from ops.alert_state").fetchone()
    assert rows == (2, date(2026, 11, 21))


# --- the outbox -------------------------------------------------------------------------------

SLACK = SlackMessage("CTR <b>", [{"type": "header", "text": {"type": "plain_text", "text": "☃"}}])
MAIL = MailMessage("CTR", "plain", "<p>html</p>", (("chart", b"\x89PNG\x00"),), "nl", sent_at=NOW)


def message(key: str = "k", **more: Any) -> Outgoing:
    told: dict[str, Any] = {"channel": "slack", "message": SLACK, "locale": "nl", **more}
    return Outgoing(key, "fietsgoed", "growth", as_of=DAY, **told)


def state_of(connection: duckdb.DuckDBPyConnection, key: str = "k") -> Any:
    return connection.execute(
        "select state, attempts, last_error from ops.outbox where message_key = ?", [key]
    ).fetchone()


def attempt(
    connection: duckdb.DuckDBPyConnection, answer: Sent, now: datetime, key: str = "k"
) -> None:
    mark_sending(connection, key, now)
    mark(connection, key, answer, now)


@pytest.mark.parametrize("what", [SLACK, MAIL])
def test_a_message_comes_back_from_json_as_it_went(what: Any) -> None:
    assert from_json(to_json(what, "nl", ["a@example.nl"])) == (what, "nl", ("a@example.nl",))


def test_the_same_key_is_put_in_once(connection: duckdb.DuckDBPyConnection) -> None:
    assert enqueue(connection, [message("a"), message("b")], NOW) == 2
    assert enqueue(connection, [message("a"), message("c")], NOW + timedelta(days=1)) == 1
    assert [found.key for found in due(connection, NOW)] == ["a", "b"]


def test_a_sent_message_is_not_due_again(connection: duckdb.DuckDBPyConnection) -> None:
    enqueue(connection, [message()], NOW)
    (found,) = due(connection, NOW)
    assert (found.message, found.may_be_repeat, found.as_of) == (SLACK, False, DAY)
    attempt(connection, Sent("sent"), NOW)
    assert due(connection, NOW + timedelta(days=9), ignore_waits=True) == []
    assert state_of(connection) == ("sent", 1, None)
    assert enqueue(connection, [message()], NOW) == 0
    sent_at = connection.execute("select sent_at from ops.outbox").fetchone()
    assert sent_at == (NOW.replace(tzinfo=None),)


def test_only_the_asked_clients_are_due(connection: duckdb.DuckDBPyConnection) -> None:
    enqueue(connection, [message()], NOW)
    assert due(connection, NOW, ["tulp-en-thee"]) == []
    assert len(due(connection, NOW, ["fietsgoed"])) == 1


def test_waits_grow_and_the_channels_own_wait_is_kept(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    enqueue(connection, [message()], NOW)
    attempt(connection, Sent("retry", "429", retry_after_seconds=300), NOW)
    assert due(connection, NOW + timedelta(seconds=299)) == []
    assert [found.key for found in due(connection, NOW, ignore_waits=True)] == ["k"]
    later = NOW + timedelta(seconds=300)
    (found,) = due(connection, later)
    assert (found.attempts, found.may_be_repeat) == (1, False)
    attempt(connection, Sent("retry", "refused"), later)  # the second wait is five minutes
    assert due(connection, later + timedelta(minutes=4)) == []
    assert len(due(connection, later + timedelta(minutes=5))) == 1


def test_after_eight_attempts_it_gives_up(connection: duckdb.DuckDBPyConnection) -> None:
    enqueue(connection, [message()], NOW)
    for n in range(8):
        at = NOW + timedelta(days=n)
        assert len(due(connection, at)) == 1
        attempt(connection, Sent("retry", "connection refused"), at)
    assert due(connection, NOW + timedelta(days=99), ignore_waits=True) == []
    assert state_of(connection) == ("failed", 8, "gave up after 8 attempts: connection refused")


def test_a_refusal_for_good_is_not_tried_again(connection: duckdb.DuckDBPyConnection) -> None:
    enqueue(connection, [message()], NOW)
    attempt(connection, Sent("failed", "404 no_service"), NOW)
    assert due(connection, NOW + timedelta(days=1), ignore_waits=True) == []
    assert state_of(connection) == ("failed", 1, "404 no_service")


@pytest.mark.parametrize("what", [SLACK, MAIL])
def test_an_unknown_delivery_is_repeated_once_and_says_so(
    connection: duckdb.DuckDBPyConnection, what: Any
) -> None:
    channel = "slack" if what is SLACK else "email"
    enqueue(connection, [message(message=what, channel=channel)], NOW)
    attempt(connection, Sent("unknown", "time-out"), NOW)
    assert state_of(connection)[0] == "unknown"
    assert due(connection, NOW) == []
    tomorrow = NOW + timedelta(days=1)
    (found,) = due(connection, tomorrow)
    assert found.may_be_repeat
    assert "Mogelijk een herhaling" in str(found.message)
    attempt(connection, Sent("unknown", "time-out"), tomorrow)
    assert due(connection, tomorrow + timedelta(days=9), ignore_waits=True) == []
    assert state_of(connection) == ("unknown", 2, "time-out")


def test_a_possible_repeat_stays_one_after_a_plain_refusal(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    enqueue(connection, [message()], NOW)
    attempt(connection, Sent("unknown", "time-out"), NOW)
    attempt(connection, Sent("retry", "429"), NOW + timedelta(hours=1))
    (found,) = due(connection, NOW + timedelta(days=1))
    assert found.may_be_repeat


def test_a_labelled_message_keeps_within_slacks_fifty_blocks(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    many = SlackMessage("CTR", [{"type": "divider"}] * 50)
    labelled = outbox.as_possible_repeat(many, "en")
    assert isinstance(labelled, SlackMessage)
    assert len(labelled.blocks) == 50
    assert labelled.blocks[0]["type"] == "context"


def test_recipients_that_were_put_off_are_the_only_ones_next_time(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    enqueue(connection, [message(message=MAIL, channel="email")], NOW)
    attempt(connection, Sent("retry", "1 of 2", refused=("b@example.nl",)), NOW)
    (found,) = due(connection, NOW + timedelta(days=1))
    assert found.only == ("b@example.nl",)
    assert found.message == MAIL


def claimed_by(connection: duckdb.DuckDBPyConnection, owner: str) -> None:
    connection.execute("update ops.outbox set claimed_by = ?", [owner])


def test_what_this_process_is_sending_is_not_sent_twice(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    enqueue(connection, [message("in flight")], NOW)
    mark_sending(connection, "in flight", NOW)
    assert due(connection, NOW, ignore_waits=True) == []
    mark(connection, "in flight", Sent("sent"), NOW)


def test_a_message_of_a_sender_that_died_is_due_at_once_as_a_possible_repeat(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    enqueue(connection, [message()], NOW)
    mark_sending(connection, "k", NOW)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    claimed_by(connection, f"{socket.gethostname()}:{ended.pid}")
    (found,) = due(connection, NOW)
    assert found.may_be_repeat
    attempt(connection, Sent("sent"), NOW)
    assert due(connection, NOW) == []


def test_a_container_that_starts_again_under_the_same_number_takes_its_message_up(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(connection, [message()], NOW)
    mark_sending(connection, "k", NOW)
    monkeypatch.setattr(outbox, "_in_flight", set())  # as after a start
    (found,) = due(connection, NOW)
    assert found.may_be_repeat


def test_what_was_said_is_kept_and_the_pictures_go_once_it_is_sent(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    enqueue(connection, [message(message=MAIL, channel="email")], NOW)
    attempt(connection, Sent("retry", "451"), NOW)
    (found,) = due(connection, NOW + timedelta(days=1))
    assert found.message == MAIL
    attempt(connection, Sent("sent"), NOW + timedelta(days=1))
    ((payload,),) = connection.execute("select payload from ops.outbox").fetchall()
    assert from_json(payload)[0] == replace(MAIL, pictures=())


def test_a_message_of_a_living_or_distant_sender_waits_for_its_lease(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    enqueue(connection, [message()], NOW)
    mark_sending(connection, "k", NOW)
    for owner in (f"{socket.gethostname()}:{os.getppid()}", "elsewhere:1"):
        claimed_by(connection, owner)
        assert due(connection, NOW + timedelta(minutes=9)) == []
        assert len(due(connection, NOW + timedelta(minutes=10))) == 1


def test_a_rolled_back_evaluation_leaves_no_message(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    connection.execute("begin")
    enqueue(connection, [message()], NOW)
    connection.execute("rollback")
    assert due(connection, NOW) == []
