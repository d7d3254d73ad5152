"""Senders killed at every instant of sending: by webhook, by bot, and to a fallback.

Every round is `koers notify` in processes that die by SIGKILL, against the
sandbox's Slack and mail server on 127.0.0.1.
"""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.base import MailMessage, SlackMessage
from connectors.sandbox import slack_api
from connectors.sandbox.faults import Fault
from connectors.sandbox.server import Ports, Sandbox
from flows.alerts import outbox
from flows.project import open_project
from flows.warehouse import transaction
from tests.e2e.morning import read_mail
from tests.torture.preloaded import Ended, Runner
from tests.unit.config_folder import target, write

pytestmark = pytest.mark.e2e

DAYS = (18, 19, 20)
TITLE = {"type": "header", "text": {"type": "plain_text", "text": "Shop"}}
REPEAT = "May be a repeat"
# at each of them while the head of the thread is sent
HEADS = ["sending:1", "sent:1", "marked:1"]
# and a reply to it
REPLIES = ["sending:2", "sent:2", "marked:2"]


@dataclass
class Shop:
    """A configuration with every kind of route, and its messages of three days to one of them."""

    sandbox: Sandbox
    runner: Runner
    directory: Path

    @property
    def config(self) -> Path:
        return self.directory / "config"

    def queue(self, route: str) -> None:
        with open_project(self.config, 5) as project, project.warehouse.open() as connection:
            for day in DAYS:
                one = outbox.Outgoing(
                    # the workspace remembers other rounds
                    f"{self.directory}-{day}",
                    "shop",
                    route,
                    "slack",
                    SlackMessage(f"CTR on {day}", [TITLE], "2026-11", True, f"as of {day}"),
                    date(2026, 11, day),
                    alternates=(MailMessage(f"CTR on {day}", "CTR\n", "<html><p>CTR</p></html>"),),
                )
                with transaction(connection):
                    outbox.enqueue(connection, [one], datetime.now(UTC))

    def notify(self, kill: str = "") -> Ended:
        told = {"HOOK": self.sandbox.endpoints["slack"], "SECRET": "x", "TOKEN": "x"}
        told |= {"BOT": slack_api.TOKEN, "BLIND": slack_api.TOKEN_WITHOUT_FILES}
        asked = ["notify", "--config", str(self.config)]
        log = self.directory / "koers.log"
        return self.runner.run(asked, log, **told, KOERS_KILL_AT=kill)

    def until_done(self, *kills: str) -> None:
        """One process for each kill, and one that nobody kills."""
        assert [self.notify(kill).code for kill in kills] == [-signal.SIGKILL] * len(kills)
        assert self.notify().code in (0, 1)

    def states(self) -> list[tuple[Any, ...]]:
        with open_project(self.config, 5) as project, project.warehouse.open() as connection:
            return connection.execute(
                "select route, state, fallback_of is not null from ops.outbox "
                "order by created_at, message_key"
            ).fetchall()

    def posts(self) -> list[dict[str, Any]]:
        inbox = self.sandbox.sent_dir / "slack.jsonl"
        lines = inbox.read_text().splitlines() if inbox.exists() else []
        found = [json.loads(line) for line in lines]
        return [one for one in found if one.get("method") in (None, "chat.postMessage")]

    def mails(self) -> list[Any]:
        return [read_mail(p) for p in sorted((self.sandbox.sent_dir / "mail").glob("*.eml"))]


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner() as started:
        yield started


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    started = Sandbox(tmp_path_factory.mktemp("vendors"), ports=Ports.free())
    started.start(wait_for_google_ads=False)
    yield started
    started.stop()


@pytest.fixture
def shop(
    sandbox: Sandbox, runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    for path in (*(sandbox.sent_dir / "mail").glob("*.eml"), sandbox.sent_dir / "slack.jsonl"):
        path.unlink(missing_ok=True)
    bot = sandbox.endpoints["slack_bot"]
    place = f"channel: {bot['channel']}, endpoint: '{bot['endpoint']}'"
    for name in ("SECRET", "TOKEN", "HOOK", "BOT", "BLIND"):
        monkeypatch.setenv(name, "of no use here")
    koers = (
        "version: 1\nwarehouse: k.duckdb\nfallback: lead\n"
        "sources: {google_ads: {client_id: a, client_secret: env:SECRET, refresh_token: env:TOKEN}}"
        "\nroutes:\n"
        "  webhook: {slack: env:HOOK, locale: en}\n"
        f"  bot: {{slack: {{token: env:BOT, {place}}}, locale: en}}\n"
        f"  blind: {{slack: {{token: env:BLIND, {place}}}, locale: en}}\n"
        "  lead: {email: [lead@example.nl]}\n"
        f"smtp: {{host: 127.0.0.1, port: {sandbox.endpoints['smtp']['port']}, "
        "from: koers@example.nl}\n"
    )
    write(tmp_path, koers, shop="notify: webhook\n" + target())
    yield Shop(sandbox, runner, tmp_path)
    sandbox.faults.clear()


def texts_of(posts: list[dict[str, Any]]) -> Counter[str]:
    return Counter(one["text"].replace("(may be a repeat) ", "") for one in posts)


@pytest.mark.parametrize("kill", HEADS)
def test_no_message_of_a_webhook_is_lost_and_one_is_repeated_for_a_kill_at_most(
    shop: Shop, kill: str
) -> None:
    shop.queue("webhook")
    shop.until_done(kill)
    posts = shop.posts()
    texts = texts_of(posts)
    labelled = sum(REPEAT in json.dumps(one["blocks"]) for one in posts)
    assert set(texts) == {f"CTR on {day}" for day in DAYS}
    assert texts.total() - len(texts) == (0 if kill.startswith("sending") else 1)
    assert labelled == 1
    assert shop.states() == [("webhook", "sent", False)] * 3


@pytest.mark.parametrize("kill", [*HEADS, *REPLIES])
def test_a_bot_that_may_read_its_channel_repeats_nothing_and_begins_one_thread(
    shop: Shop, kill: str
) -> None:
    shop.queue("bot")
    shop.until_done(kill)
    head, *replies = shop.posts()
    assert texts_of([head, *replies]) == Counter(f"CTR on {day}" for day in DAYS)
    assert "thread_ts" not in head
    assert [one["thread_ts"] for one in replies] == [head["ts"]] * 2
    assert shop.states() == [("bot", "sent", False)] * 3


@pytest.mark.parametrize("kill", [*HEADS, "sent:2"])
def test_a_bot_that_may_not_goes_on_under_the_repeat_of_a_head_that_it_lost(
    shop: Shop, kill: str
) -> None:
    shop.queue("blind")
    shop.until_done(kill)
    posts = shop.posts()
    texts = texts_of(posts)
    assert set(texts) == {f"CTR on {day}" for day in DAYS}
    assert texts.total() - len(texts) == (0 if kill.startswith("sending") else 1)
    heads = [one for one in posts if "thread_ts" not in one]
    assert {one["thread_ts"] for one in posts if "thread_ts" in one} == {heads[-1]["ts"]}
    # the head that was lost stays without replies, and its repeat says what it is
    assert len(heads) == (2 if kill in ("sent:1", "marked:1") else 1)
    assert all(REPEAT in json.dumps(one["blocks"]) for one in heads[1:])


def test_a_head_that_five_senders_died_of_is_there_once(shop: Shop) -> None:
    shop.queue("bot")
    shop.until_done("sending:1", "sent:1", "sent:1", "marked:1", "sent:2")
    assert texts_of(shop.posts()) == Counter(f"CTR on {day}" for day in DAYS)
    assert len([one for one in shop.posts() if "thread_ts" not in one]) == 1


# the fourth that is sent is the first mail to the fallback
@pytest.mark.parametrize(
    ("route", "kill"),
    [("webhook", kill) for kill in (*HEADS, "sending:4", "sent:4", "marked:4")]
    + [("bot", "marked:1"), ("bot", "sent:4")],
)
def test_a_fallback_is_handed_every_message_exactly_once(shop: Shop, route: str, kill: str) -> None:
    kind: Any = "refusal" if route == "bot" else "answer"
    refusal = Fault(kind, "slack", times=0, reason="is_archived")
    shop.sandbox.faults.add(refusal)
    shop.queue(route)
    shop.until_done(kill)

    handed = [state for state in shop.states() if state[2]]
    assert handed == [("lead", "sent", True)] * 3
    assert [state[:2] for state in shop.states() if not state[2]] == [(route, "failed")] * 3
    mails = shop.mails()
    told = Counter(mail["Subject"].replace("(may be a repeat) ", "") for mail in mails)
    assert set(told) == {f"CTR on {day}" for day in DAYS}
    twice = kill in ("sent:4", "marked:4")
    assert told.total() == (4 if twice else 3)
    assert len({mail["Message-ID"] for mail in mails}) == 3
    assert sum("may be a repeat" in mail["Subject"] for mail in mails) == kill.endswith(":4")
    # a kill leaves it open whether Slack had it; the fallback's reader is told so
    doubted = {
        mail["Subject"]
        for mail in mails
        if "not certain that it arrived there" in mail.get_body(("plain",)).get_content()
    }
    assert doubted == ({"CTR on 18"} if kill.endswith(":1") else set())
    assert shop.notify().code == 0 and len(shop.mails()) == len(mails)


def test_what_eight_senders_died_of_is_handed_over_once(shop: Shop) -> None:
    shop.queue("webhook")
    shop.until_done(*["sent:1"] * 8)
    assert shop.states()[0] == ("webhook", "unknown", False)
    assert [state for state in shop.states() if state[2]] == [("lead", "sent", True)]
    (mail,) = shop.mails()
    assert "not certain that it arrived there" in mail.get_body(("plain",)).get_content()
    # once for each kill, labelled, and no more
    assert texts_of(shop.posts()) == Counter({"CTR on 18": 8, "CTR on 19": 1, "CTR on 20": 1})
