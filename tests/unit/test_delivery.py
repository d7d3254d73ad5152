"""What cannot be sent goes to a fallback, once; against the sandbox's Slack and mail server."""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.base import MailMessage, SlackMessage
from connectors.sandbox.faults import Fault
from connectors.sandbox.server import Ports, Sandbox
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
        f"  bot: {{slack: {{token: env:BOT, channel: {bot['channel']}, "
        f"endpoint: '{bot['endpoint']}'}}}}\n"
        f"smtp: {{host: 127.0.0.1, port: {sandbox.endpoints['smtp']['port']}, "
        "from: koers@example.nl}\n"
    )
    with open_project(write(tmp_path, koers, shop="notify: growth\n" + target()), 5) as opened:
        yield opened
    sandbox.faults.clear()


def put(project: Project, key: str, route: str, **more: Any) -> None:
    told: dict[str, Any] = {"channel": "slack", "message": SLACK, "locale": "en", **more}
    with project.warehouse.open() as connection, transaction(connection):
        one = Outgoing(key, "shop", route, as_of=DAY, **told)
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
