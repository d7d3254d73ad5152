"""The outbox: every message is sent, few are repeated."""

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

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
DAY = date(2026, 11, 20)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("create schema ops")
        opened.execute(OUTBOX_DDL)
        yield opened


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
    (found,) = [one for one in due(connection, now, ignore_waits=True) if one.key == key]
    assert mark_sending(connection, found, now)
    mark(connection, key, answer, now)


def begin(connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Claim the one message there is, and send nothing."""
    (found,) = due(connection, now)
    assert mark_sending(connection, found, now)


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


def test_a_doubt_about_some_recipients_is_not_one_about_the_others(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    enqueue(connection, [message(message=MAIL, channel="email")], NOW)
    attempt(connection, Sent("unknown", "broke off", refused=("b@example.nl",)), NOW)
    (found,) = due(connection, NOW + timedelta(days=1))
    assert (found.only, found.may_be_repeat) == (("b@example.nl",), True)


def test_who_was_refused_for_good_is_counted_when_the_others_have_it_and_shown_for_a_while(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    enqueue(connection, [message(message=MAIL, channel="email")], NOW)
    put_off = Sent("retry", "2 of 3", refused=("b@example.nl",), given_up=("c@example.nl",))
    attempt(connection, put_off, NOW)
    attempt(connection, Sent("sent"), NOW + timedelta(days=1))
    (shown,) = outbox.queue(connection, NOW + timedelta(days=2))
    assert (shown.state, shown.is_over) == ("sent", True)
    # how many, and not who: an address may be a secret
    assert shown.error == "1 recipient was refused for good"
    assert due(connection, NOW + timedelta(days=2)) == []
    assert outbox.queue(connection, NOW + timedelta(days=20)) == []


def claimed_by(connection: duckdb.DuckDBPyConnection, owner: str) -> None:
    connection.execute("update ops.outbox set claimed_by = ?", [owner])


def test_what_this_process_is_sending_is_not_sent_twice(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    enqueue(connection, [message("in flight")], NOW)
    begin(connection, NOW)
    assert due(connection, NOW, ignore_waits=True) == []
    mark(connection, "in flight", Sent("sent"), NOW)


def test_a_message_of_a_sender_that_died_is_due_at_once_as_a_possible_repeat(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    enqueue(connection, [message()], NOW)
    begin(connection, NOW)
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
    begin(connection, NOW)
    monkeypatch.setattr(outbox, "_in_flight", set())  # as after a start
    (found,) = due(connection, NOW)
    assert found.may_be_repeat


def test_two_senders_that_saw_the_same_message_do_not_both_send_it(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    enqueue(connection, [message()], NOW)
    (one,), (other,) = due(connection, NOW), due(connection, NOW)
    assert mark_sending(connection, one, NOW)
    assert not mark_sending(connection, other, NOW)
    mark(connection, "k", Sent("sent"), NOW)
    assert not mark_sending(connection, other, NOW)
    assert state_of(connection) == ("sent", 1, None)


def test_a_message_that_eight_senders_died_of_ends_in_doubt(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(connection, [message(alternates=(MAIL,))], NOW)
    for n in range(8):
        assert outbox.give_up(connection, NOW) == []
        begin(connection, NOW + timedelta(days=n))
        monkeypatch.setattr(outbox, "_in_flight", set())  # as after a start
    later = NOW + timedelta(days=9)
    assert due(connection, later) == []
    (given_up,) = outbox.give_up(connection, later)
    assert (given_up.key, given_up.route) == ("k", "growth")
    assert outbox.give_up(connection, later) == due(connection, later) == []
    state, attempts, error = state_of(connection)
    assert (state, attempts) == ("unknown", 8)
    assert error == "gave up after 8 attempts: each time Koers ended before it knew the answer"
    (shown,) = outbox.queue(connection, later)
    assert (shown.is_over, shown.error) == (True, error)
    # a person who asks for another try does not send it a ninth time
    assert outbox.try_again(connection, later) == 0
    (queued,) = outbox.hand_over(connection, "k", "lead", ["email"], later)
    assert "niet zeker" in str(queued.message)


def test_a_message_that_is_being_sent_for_the_eighth_time_is_not_given_up(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    enqueue(connection, [message()], NOW)
    for n in range(7):
        attempt(connection, Sent("retry", "429"), NOW + timedelta(days=n))
    begin(connection, NOW + timedelta(days=8))
    assert outbox.give_up(connection, NOW + timedelta(days=8)) == []


def test_what_was_perhaps_delivered_before_it_was_refused_is_handed_over_as_a_doubt(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    enqueue(connection, [message(locale="en")], NOW)
    attempt(connection, Sent("unknown", "time-out"), NOW)
    attempt(connection, Sent("failed", "410 channel_is_archived"), NOW + timedelta(days=1))
    (queued,) = outbox.hand_over(connection, "k", "lead", ["email"], NOW)
    assert "it is not certain that it arrived there" in str(queued.message)


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
    begin(connection, NOW)
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
