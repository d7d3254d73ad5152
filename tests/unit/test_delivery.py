"""What cannot be sent goes to a fallback, once; against the sandbox's Slack and mail server."""

from __future__ import annotations

import email
import email.policy
import json
import socket
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from connectors import slack as slack_webhook
from connectors import slack_bot, smtp
from connectors.base import MailMessage, SlackMessage, SlackPicture
from connectors.sandbox.faults import Fault
from connectors.sandbox.server import Ports, Sandbox
from connectors.slack import send_slack
from connectors.slack_bot import Bot
from connectors.smtp import SmtpServer
from flows.alerts import outbox
from flows.alerts.outbox import Outgoing
from flows.delivery import preview_messages, send_messages, send_test
from flows.project import Project, open_project
from flows.settings import ConfigError
from flows.warehouse import transaction
from tests.unit.config_folder import target, write

DAY = date(2026, 11, 20)
TITLE = {"type": "header", "text": {"type": "plain_text", "text": "Shop"}}
SLACK = SlackMessage("CTR &amp; more", [TITLE], thread="2026-W47", head_note="*1* off track")
MAIL = MailMessage("CTR", "CTR is off track\n", "<html><body><p>CTR</p></body></html>")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    started = Sandbox(tmp_path_factory.mktemp("vendors"), ports=Ports.free())
    started.start(wait_for_google_ads=False)
    yield started
    started.stop()


@pytest.fixture
def project(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    for path in (*(sandbox.sent_dir / "mail").glob("*.eml"), sandbox.sent_dir / "slack.jsonl"):
        path.unlink(missing_ok=True)
    bot = sandbox.endpoints["slack_bot"]
    for name in ("SECRET", "TOKEN"):
        monkeypatch.setenv(name, "of no use here")
    monkeypatch.setenv("HOOK", sandbox.endpoints["slack"])
    monkeypatch.setenv("BOT", bot["token"])
    koers = (
        "version: 1\nwarehouse: k.duckdb\nfallback: lead\n"
        "sources: {google_ads: {client_id: a, client_secret: env:SECRET, refresh_token: env:TOKEN}}"
        "\nroutes:\n"
        "  growth: {slack: env:HOOK, locale: en}\n"
        "  lead: {email: [lead@example.nl], fallback: ops}\n"
        "  ops: {slack: env:HOOK, fallback: growth}\n"
        "  board: {email: [sanne@example.nl, tom@example.nl, eva@example.nl]}\n"
        f"  bot: {{slack: {{token: env:BOT, channel: {bot['channel']}, "
        f"endpoint: '{bot['endpoint']}'}}}}\n"
        f"smtp: {{host: 127.0.0.1, port: {sandbox.endpoints['smtp']['port']}, "
        "from: koers@example.nl}\n"
    )
    with open_project(write(tmp_path, koers, shop="notify: growth\n" + target()), 5) as opened:
        yield opened
    sandbox.faults.clear()


def put(project: Project, key: str, route: str, **more: Any) -> None:
    told: dict[str, Any] = {
        "channel": "slack", "message": SLACK, "locale": "en", "as_of": DAY, **more,
    }  # fmt: skip
    with project.warehouse.open() as connection, transaction(connection):
        one = Outgoing(key, "shop", route, **told)
        outbox.enqueue(connection, [one], datetime.now(UTC))


def slack(sandbox: Sandbox) -> list[dict[str, Any]]:
    inbox = sandbox.sent_dir / "slack.jsonl"
    return [json.loads(line) for line in inbox.read_text().splitlines()] if inbox.exists() else []


def mails(sandbox: Sandbox) -> list[Any]:
    paths = sorted((sandbox.sent_dir / "mail").glob("*.eml"))
    return [email.message_from_bytes(p.read_bytes(), policy=email.policy.default) for p in paths]


def test_what_slack_refuses_for_good_goes_by_mail_and_says_why(
    project: Project, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault("answer", "slack", status=404, reason="no_service"))
    put(project, "k", "growth", alternates=(MAIL,))

    told = send_messages(project)

    assert [(one.route, one.channel, one.state, one.handed_to) for one in told] == [
        ("growth", "slack", "failed", "lead"),
        ("lead", "email", "sent", ""),
    ]
    (mail,) = mails(sandbox)
    why = "Meant for the route “growth”, which did not take it (404 no_service)."
    text, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text.get_content().splitlines()[0] == why
    assert why in page.get_content() and "<p>CTR</p>" in page.get_content()
    assert (mail["Subject"], mail["To"]) == ("CTR", "lead@example.nl")
    assert send_messages(project) == []
    with project.warehouse.open() as connection:
        (waiting,) = outbox.queue(connection, datetime.now(UTC))
    assert (waiting.route, waiting.state, waiting.handed_to) == ("growth", "failed", "lead")


def test_a_fallback_that_fails_too_hands_nothing_over(project: Project, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("answer", "slack", status=404, reason="no_service"))
    sandbox.faults.add(Fault("permission", "smtp", method="RCPT"))
    put(project, "k", "growth")

    told = send_messages(project)

    # the route lead has a fallback of its own, which is for its own messages
    assert [(one.route, one.state, one.handed_to) for one in told] == [
        ("growth", "failed", "lead"),
        ("lead", "failed", ""),
    ]
    assert slack(sandbox) == [] and mails(sandbox) == []


def test_two_answers_that_stay_away_go_to_the_fallback_as_a_doubt(
    project: Project, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault("internal", "slack", times=2, after_messages=1))
    put(project, "k", "growth")

    assert [one.state for one in send_messages(project)] == ["unknown"]
    assert mails(sandbox) == []
    told = send_messages(project, again=True)

    assert [(one.state, one.handed_to) for one in told] == [("unknown", "lead"), ("sent", "")]
    (mail,) = mails(sandbox)
    assert "it is not certain that it arrived there" in mail.as_string().replace("=\n", "").replace(
        "=E2=80=9C", "“"
    ).replace("=E2=80=9D", "”")
    assert len(slack(sandbox)) == 2


def test_what_eight_senders_died_of_goes_to_the_fallback_once_as_a_doubt(
    project: Project, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(project, "k", "growth", alternates=(MAIL,))
    for _ in range(8):
        with project.warehouse.open() as connection, transaction(connection):
            (one,) = outbox.due(connection, datetime.now(UTC))
            assert outbox.mark_sending(connection, one, datetime.now(UTC))
        monkeypatch.setattr(outbox, "_in_flight", set())  # its process ended

    assert [one.route for one in preview_messages(project)] == ["lead"]
    told = send_messages(project)

    assert [(one.route, one.state, one.handed_to) for one in told] == [
        ("growth", "unknown", "lead"),
        ("lead", "sent", ""),
    ]
    (mail,) = mails(sandbox)
    text = mail.get_body(("plain",)).get_content()
    assert "it is not certain that it arrived there" in text
    assert send_messages(project) == send_messages(project, again=True) == []
    with project.warehouse.open() as connection:
        (waiting,) = outbox.queue(connection, datetime.now(UTC))
    assert (waiting.state, waiting.is_over, waiting.handed_to) == ("unknown", True, "lead")
    assert waiting.error.startswith("gave up after 8 attempts")


# --- how Slack may answer, through the whole way ----------------------------------------------

REPEAT = "May be a repeat: it is not certain that this message arrived before."
EITHER = pytest.mark.parametrize("route", ["growth", "bot"])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits twenty seconds for an answer that does not come."""
    monkeypatch.setattr(slack_webhook, "send_slack", partial(send_slack, timeout_seconds=0.3))
    monkeypatch.setattr(slack_bot, "Bot", partial(Bot, timeout_seconds=0.3))


def waits(project: Project) -> list[outbox.Waiting]:
    with project.warehouse.open() as connection:
        return outbox.queue(connection, datetime.now(UTC))


@EITHER
def test_what_slack_limits_waits_as_long_as_it_asks_and_is_then_sent_once(
    project: Project, sandbox: Sandbox, route: str
) -> None:
    sandbox.faults.add(Fault("quota", "slack", retry_delay_seconds=3_600))
    put(project, "k", route)

    assert [one.state for one in send_messages(project)] == ["pending"]
    assert send_messages(project) == []
    (waiting,) = waits(project)
    assert waiting.next_attempt_at is not None
    wait = waiting.next_attempt_at.replace(tzinfo=UTC) - datetime.now(UTC)
    assert timedelta(minutes=59) < wait <= timedelta(hours=1)
    with project.warehouse.open() as connection, transaction(connection):  # the hour goes by
        connection.execute("update ops.outbox set next_attempt_at = created_at")
    assert [one.state for one in send_messages(project)] == ["sent"]

    (found,) = slack(sandbox)
    assert found["blocks"] == [TITLE]
    assert waits(project) == mails(sandbox) == []


@EITHER
def test_a_message_is_sent_once_somebody_answers_at_the_address(
    project: Project, sandbox: Sandbox, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(project, "k", route)
    with socket.socket() as taken, monkeypatch.context() as away:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        port = taken.getsockname()[1]
        away.setenv("HOOK", f"http://127.0.0.1:{port}/services/T0/B0/X")
        elsewhere = partial(Bot, endpoint=f"http://127.0.0.1:{port}/api/")
        away.setattr(slack_bot, "Bot", lambda token, channel, _: elsewhere(token, channel))
        (told,) = send_messages(project)
    assert (told.state, told.error) == ("pending", "nobody answers at the address")
    assert [one.state for one in send_messages(project, again=True)] == ["sent"]
    assert [one["blocks"] for one in slack(sandbox)] == [[TITLE]]


@pytest.mark.parametrize("kind", ["stall", "internal", "cut", "reset"])
@pytest.mark.parametrize("arrived", [0, 1])
@EITHER
def test_an_answer_that_stays_away_is_asked_for_once_more_and_no_third_time(
    project: Project, sandbox: Sandbox, impatient: None, route: str, arrived: int, kind: Any
) -> None:
    method = "chat.postMessage" if route == "bot" else "webhook"
    sandbox.faults.add(Fault(kind, "slack", method=method, after_messages=arrived))
    # the workspace remembers those of other tests
    put(project, f"{route}-{kind}-{arrived}", route)

    assert [one.state for one in send_messages(project)] == ["unknown"]
    assert len(slack(sandbox)) == arrived
    assert [one.state for one in send_messages(project, again=True)] == ["sent"]

    found = slack(sandbox)
    labels = [REPEAT in json.dumps(one["blocks"]) for one in found]
    if route == "bot" and arrived:  # a bot sees that it is there
        assert labels == [False]
    else:
        assert labels == [False] * arrived + [True]
    assert send_messages(project, again=True) == waits(project) == mails(sandbox) == []


@pytest.mark.parametrize(
    ("route", "kind", "reason", "told"),
    [
        ("growth", "answer", "channel_is_archived", "404 channel_is_archived"),
        ("growth", "permission", None, "403 action_prohibited"),
        ("bot", "refusal", "is_archived", "is_archived: the channel is archived"),
        ("bot", "token_expired", None, "token_revoked: the app needs a new bot token"),
    ],
)
def test_a_refusal_for_good_goes_to_the_fallback_as_it_was_rendered_for_it(
    project: Project, sandbox: Sandbox, route: str, kind: Any, reason: str | None, told: str
) -> None:
    sandbox.faults.add(Fault(kind, "slack", reason=reason))
    put(project, "k", route, alternates=(MAIL,))

    assert [(one.state, one.handed_to) for one in send_messages(project)] == [
        ("failed", "lead"),
        ("sent", ""),
    ]
    (mail,) = mails(sandbox)
    text = mail.get_body(("plain",)).get_content()
    assert f"Meant for the route “{route}”, which did not take it ({told})." in text
    assert "CTR is off track" in text
    assert send_messages(project, again=True) == slack(sandbox) == []


# --- mail -------------------------------------------------------------------------------------


def to_board(project: Project) -> None:
    put(project, "k", "board", channel="email", message=MAIL)


def recipients(sandbox: Sandbox) -> list[list[str]]:
    """Whom each mail that arrived was handed in for, in their order."""
    found = [
        one["detail"]
        for one in sandbox.calls.since(0)
        if (one["source"], one["method"]) == SMTP_DATA
    ]
    return [one["recipients"] for one in found if one["kept"]]


SMTP_DATA = ("smtp", "DATA")


def test_only_who_was_put_off_gets_the_mail_later_and_who_is_lost_is_told_of(
    project: Project, sandbox: Sandbox
) -> None:
    before = len(recipients(sandbox))
    sandbox.faults.add(
        Fault("quota", "smtp", "tom@example.nl", "RCPT"),
        Fault("permission", "smtp", "eva@example.nl", "RCPT", times=0),
    )
    to_board(project)

    assert [one.state for one in send_messages(project)] == ["pending"]
    assert [one.state for one in send_messages(project, again=True)] == ["sent"]

    assert recipients(sandbox)[before:] == [["sanne@example.nl"], ["tom@example.nl"]]
    (shown,) = waits(project)
    assert (shown.state, shown.error) == ("sent", "1 recipient was refused for good")
    assert send_messages(project, again=True) == slack(sandbox) == []


def test_a_server_that_takes_one_recipient_at_a_time_is_served_in_one_turn(
    project: Project, sandbox: Sandbox
) -> None:
    before = len(recipients(sandbox))
    for who in ("tom@example.nl", "eva@example.nl", "eva@example.nl"):
        sandbox.faults.add(Fault("quota", "smtp", who, "RCPT", status=452))
    to_board(project)

    assert [(one.state, one.error) for one in send_messages(project)] == [("sent", "")]
    assert recipients(sandbox)[before:] == [
        ["sanne@example.nl"], ["tom@example.nl"], ["eva@example.nl"],
    ]  # fmt: skip
    assert waits(project) == []


@pytest.mark.parametrize("arrived", [0, 1])
@pytest.mark.parametrize("kind", ["stall", "cut"])
def test_a_mail_without_an_answer_is_handed_in_once_more_and_says_so(
    project: Project,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    kind: Any,
    arrived: int,
) -> None:
    monkeypatch.setattr(smtp, "SmtpServer", partial(SmtpServer, timeout_seconds=0.3))
    sandbox.faults.add(Fault(kind, "smtp", method="DATA", after_messages=arrived))
    to_board(project)

    assert [one.state for one in send_messages(project)] == ["unknown"]
    assert [one.state for one in send_messages(project, again=True)] == ["sent"]

    found = mails(sandbox)
    assert ["(may be a repeat)" in one["Subject"] for one in found] == [False] * arrived + [True]
    # a mail program knows the two as one
    assert len({one["Message-ID"] for one in found}) == 1
    assert send_messages(project, again=True) == waits(project) == []


def test_a_mail_that_everybody_refuses_for_good_goes_to_the_fallback(
    project: Project, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault("permission", "smtp", method="RCPT", times=3))
    to_board(project)

    told = send_messages(project)

    assert [(one.route, one.state, one.handed_to) for one in told] == [
        ("board", "failed", "lead"), ("lead", "sent", ""),
    ]  # fmt: skip
    (mail,) = mails(sandbox)
    why = "which did not take it (every recipient was refused (550))."
    assert why in mail.get_body(("plain",)).get_content()


# --- threads ----------------------------------------------------------------------------------


def digest_of(day: int, **more: Any) -> SlackMessage:
    told = {"thread": "2026-11", "head_note": f"as of {day}", **more}
    return SlackMessage(f"CTR on {day}", [TITLE], **told)


def posted(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [one for one in slack(sandbox) if one["method"] == "chat.postMessage"]


def test_a_message_that_was_put_off_does_not_say_last_where_things_stand(
    project: Project, sandbox: Sandbox
) -> None:
    put(project, "a", "bot", message=digest_of(18), as_of=date(2026, 11, 18))
    send_messages(project)
    sandbox.faults.add(Fault("quota", "slack"))
    put(project, "b", "bot", message=digest_of(19), as_of=date(2026, 11, 19))
    assert [one.state for one in send_messages(project)] == ["pending"]
    put(project, "c", "bot", message=digest_of(20))
    assert [one.state for one in send_messages(project)] == ["sent"]
    assert [one.state for one in send_messages(project, again=True)] == ["sent"]

    head, *replies = posted(sandbox)
    assert [one["text"] for one in replies] == ["CTR on 20", "CTR on 19"]
    assert {one["thread_ts"] for one in replies} == {head["ts"]}
    (edit,) = [one for one in slack(sandbox) if one["method"] == "chat.update"]
    assert "as of 20" in json.dumps(edit["blocks"])


def test_looking_first_shows_the_thread_its_top_and_the_pictures(
    project: Project, sandbox: Sandbox
) -> None:
    picture = SlackPicture("ctr.png", b"PNG", "The CTR", "It ends at 3.1%.")
    put(project, "a", "bot", message=digest_of(19, pictures=(picture,)))
    put(project, "b", "bot", message=digest_of(20, to_channel=True))
    put(project, "c", "bot", message=digest_of(21))
    put(project, "d", "growth", message=digest_of(22, pictures=(picture,)))

    seen = preview_messages(project)

    assert [one.to[1:] for one in seen] == [
        ("a new message",),
        ("in the thread and in the channel",),
        ("in the thread alone",),
        (),
    ]
    assert "[picture] The CTR: It ends at 3.1%." in seen[0].words
    assert seen[0].payload["pictures"] == [
        {"name": "ctr.png", "title": "The CTR", "alt": "It ends at 3.1%."}
    ]
    assert seen[1].words.endswith("[on top of the thread] as of 20")
    # a webhook can do nothing with any of it
    assert set(seen[3].payload) == {"text", "blocks"}
    assert slack(sandbox) == []


def test_a_weeks_messages_of_a_bot_are_one_thread_and_another_weeks_another(
    project: Project, sandbox: Sandbox
) -> None:
    for key, thread in (("a", "2026-W47"), ("b", "2026-W47"), ("c", "2026-W48")):
        message = SlackMessage("CTR", [TITLE], thread=thread, head_note="now")
        put(project, key, "bot", message=message)
        assert [one.state for one in send_messages(project)] == ["sent"]

    posted = [one for one in slack(sandbox) if one["method"] == "chat.postMessage"]
    edited = [one["ts"] for one in slack(sandbox) if one["method"] == "chat.update"]
    assert [one.get("thread_ts") for one in posted] == [None, posted[0]["ts"], None]
    assert edited == [posted[0]["ts"]]


def test_looking_first_sends_and_marks_nothing(project: Project, sandbox: Sandbox) -> None:
    put(project, "k", "growth")

    (seen,) = preview_messages(project)

    assert (seen.route, seen.to, seen.words) == ("growth", ("env:HOOK",), "Shop")
    assert seen.payload == {"text": "CTR &amp; more", "blocks": [TITLE]}
    assert slack(sandbox) == []
    assert [one.state for one in send_messages(project)] == ["sent"]
    assert slack(sandbox)[0]["blocks"] == seen.payload["blocks"]


def test_a_test_message_says_so_and_leaves_the_outbox_alone(
    project: Project, sandbox: Sandbox
) -> None:
    told = send_test(project, "lead", ["shop"])

    assert [(one.route, one.channel, one.state) for one in told] == [("lead", "email", "sent")]
    (mail,) = mails(sandbox)
    assert mail["Subject"] == "Koers: proef van de route “lead”"
    with project.warehouse.open() as connection:
        assert connection.execute("select count(*) from ops.outbox").fetchall() == [(0,)]
    with pytest.raises(ConfigError, match='did you mean "growth"'):
        send_test(project, "growht", ["shop"])
    with pytest.raises(ConfigError, match=r'no route "nope"; expected .*growth'):
        send_test(project, "nope", ["shop"])
