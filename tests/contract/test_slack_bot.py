"""The Slack bot against the sandbox's Web API on 127.0.0.1, over real sockets."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from connectors import slack_bot
from connectors.base import Sent, SlackMessage, SlackPicture
from connectors.channel_checks import try_slack_bot
from connectors.sandbox import slack_api
from connectors.sandbox.faults import Fault
from connectors.sandbox.server import Ports, Sandbox
from connectors.slack_bot import Bot, Head, post_to_slack

TITLE = {"type": "header", "text": {"type": "plain_text", "text": "Fietsgoed"}}
MESSAGE = SlackMessage("CTR is at risk", [TITLE, {"type": "divider"}], thread="2026-W47")
REPLY = replace(MESSAGE, text="CTR is off track", to_channel=True, head_note="*1* off track")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(2_000)
CTR = SlackPicture("ctr.png", PNG, "The CTR of search", "CTR from 3% to 4.7%")
ROAS = SlackPicture("roas.png", PNG + b"x", "ROAS", "ROAS at 3.6")


class Workspace:
    """The sandbox, and a bot in it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.before = len(sandbox.calls.since())
        told = sandbox.endpoints["slack_bot"]
        self.bot = Bot(SecretStr(told["token"]), told["channel"], told["endpoint"], 5)

    def post(self, message: SlackMessage = MESSAGE, head: Head | None = None, **bot: Any) -> Sent:
        return post_to_slack(replace(self.bot, **bot), message, head)

    def post_again(self, key: str, **more: Any) -> Sent:
        """Post what was perhaps posted in the last minute."""
        since = datetime.now(UTC) - timedelta(minutes=1)
        told = {"message": MESSAGE, "head": None, "bot": self.bot, **more}
        return post_to_slack(**told, key=key, perhaps_since=since)

    def head(self, message: SlackMessage = MESSAGE) -> Head:
        return Head(self.post(message).receipt["ts"], message)

    def fail(self, kind: Any, method: str = "chat.postMessage", **more: Any) -> None:
        self.sandbox.faults.add(Fault(kind, "slack", method=method, **more))

    def received(self) -> list[dict[str, Any]]:
        inbox = self.sandbox.sent_dir / "slack.jsonl"
        lines = inbox.read_text().splitlines() if inbox.exists() else []
        return [json.loads(line) for line in lines]

    def asked(self) -> list[str]:
        return [call["method"] for call in self.sandbox.calls.since(self.before)]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    started = Sandbox(tmp_path_factory.mktemp("slack"), ports=Ports.free())
    started.start(wait_for_google_ads=False)
    yield started
    started.stop()


@pytest.fixture
def slack(sandbox: Sandbox) -> Iterator[Workspace]:
    (sandbox.sent_dir / "slack.jsonl").unlink(missing_ok=True)
    yield Workspace(sandbox)
    sandbox.faults.clear()


def test_a_message_is_posted_with_its_blocks_and_slacks_name_for_it_comes_back(
    slack: Workspace,
) -> None:
    sent = slack.post()
    (found,) = slack.received()
    assert sent == Sent(
        "sent",
        receipt={"channel": slack_api.CHANNEL, "ts": found["ts"], "thread": "2026-W47"},
    )
    assert (found["text"], found["blocks"]) == ("CTR is at risk", [TITLE, {"type": "divider"}])
    assert "thread_ts" not in found


def test_a_reply_hangs_under_the_head_which_then_says_where_things_stand(slack: Workspace) -> None:
    head = slack.head()
    sent = slack.post(REPLY, head)
    _, reply, edit = slack.received()
    assert sent.receipt["thread_ts"] == head.ts
    assert (reply["thread_ts"], reply["reply_broadcast"]) == (head.ts, True)
    assert (edit["method"], edit["ts"], edit["text"]) == ("chat.update", head.ts, "CTR is at risk")
    # what it said is still there, below its title and the note
    assert [block["type"] for block in edit["blocks"]] == ["header", "context", "divider"]
    assert edit["blocks"][1]["elements"][0]["text"] == "*1* off track"


def test_a_reply_without_worse_news_stays_in_the_thread(slack: Workspace) -> None:
    slack.post(replace(REPLY, to_channel=False), slack.head())
    assert "reply_broadcast" not in slack.received()[1]


def test_a_head_that_somebody_removed_makes_the_reply_a_message_by_itself(
    slack: Workspace,
) -> None:
    sent = slack.post(REPLY, Head("1700000000.000001", MESSAGE))
    (found,) = slack.received()
    assert sent.state == "sent"
    assert "thread_ts" not in sent.receipt and "thread_ts" not in found


def test_a_head_that_cannot_be_edited_is_no_reason_to_repeat_the_reply(slack: Workspace) -> None:
    head = slack.head()
    slack.fail("refusal", "chat.update", reason="edit_window_closed")
    assert slack.post(REPLY, head).state == "sent"
    assert len(slack.received()) == 2


@pytest.mark.parametrize("kind", ["internal", "cut", "reset"])
def test_a_message_whose_answer_was_lost_is_seen_in_the_channel_and_not_posted_again(
    slack: Workspace, kind: str
) -> None:
    slack.fail(kind, after_messages=1)
    assert post_to_slack(slack.bot, MESSAGE, key="k1").state == "unknown"
    (there,) = slack.received()
    post_to_slack(slack.bot, MESSAGE, key="k2")

    sent = slack.post_again("k1")

    assert sent == Sent(
        "sent",
        "Slack had it already",
        receipt={"channel": slack_api.CHANNEL, "ts": there["ts"], "thread": "2026-W47"},
    )
    assert len(slack.received()) == 2


def test_a_reply_whose_answer_was_lost_is_seen_in_its_thread_and_the_head_is_told(
    slack: Workspace,
) -> None:
    head = slack.head()
    quiet = replace(REPLY, to_channel=False)
    slack.fail("internal", after_messages=1)
    assert post_to_slack(slack.bot, quiet, head, "k").state == "unknown"

    sent = slack.post_again("k", message=quiet, head=head)

    _, reply, edit = slack.received()
    assert (sent.receipt["ts"], sent.receipt["thread_ts"]) == (reply["ts"], head.ts)
    assert (edit["method"], edit["ts"]) == ("chat.update", head.ts)


def test_a_message_that_is_not_in_the_channel_is_posted(slack: Workspace) -> None:
    slack.fail("internal")
    assert post_to_slack(slack.bot, MESSAGE, key="k").state == "unknown"
    assert slack.post_again("k").error == ""
    assert len(slack.received()) == 1


def test_a_channel_full_of_other_messages_is_read_page_by_page(
    slack: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack_bot, "_PAGE", 2)
    first = post_to_slack(slack.bot, MESSAGE, key="k")
    for n in range(5):
        post_to_slack(slack.bot, MESSAGE, key=f"k{n}")
    assert slack.post_again("k").receipt["ts"] == first.receipt["ts"]


@pytest.mark.parametrize("kind", ["internal", "cut", "quota"])
def test_an_app_that_may_not_read_the_channel_posts_again(slack: Workspace, kind: str) -> None:
    post_to_slack(slack.bot, MESSAGE, key="k")
    blind = replace(slack.bot, token=SecretStr(slack_api.TOKEN_WITHOUT_FILES))
    assert slack.post_again("k", bot=blind).error == ""
    slack.fail(kind, "conversations.history")
    assert slack.post_again("k").error == ""
    assert len(slack.received()) == 3


def test_a_token_that_cannot_send_a_key_sends_the_words(slack: Workspace) -> None:
    slack.fail("refusal", reason="metadata_must_be_sent_from_app")
    assert post_to_slack(slack.bot, MESSAGE, key="k").state == "sent"
    (found,) = slack.received()
    assert "metadata" not in found


def test_charts_come_into_the_thread_with_their_alt_texts(slack: Workspace) -> None:
    sent = slack.post(replace(MESSAGE, pictures=(CTR, ROAS), legend="━ so far"))
    _, files = slack.received()
    assert files["thread_ts"] == sent.receipt["ts"]
    assert files["text"] == "━ so far"
    assert [(file["title"], file["alt_txt"]) for file in files["files"]] == [
        ("The CTR of search", "CTR from 3% to 4.7%"),
        ("ROAS", "ROAS at 3.6"),
    ]


def test_an_app_that_may_not_upload_sends_the_words_alone(slack: Workspace) -> None:
    words_alone = SecretStr(slack_api.TOKEN_WITHOUT_FILES)
    message = replace(MESSAGE, pictures=(CTR,))
    sent = slack.post(message, token=words_alone)
    assert (sent.state, sent.error) == ("sent", "")
    assert [one["method"] for one in slack.received()] == ["chat.postMessage"]


@pytest.mark.parametrize("kind", ["internal", "cut", "reset", "quota"])
@pytest.mark.parametrize(
    "method", ["files.getUploadURLExternal", "upload", "files.completeUploadExternal"]
)
def test_a_picture_that_does_not_arrive_is_no_reason_to_repeat_the_message(
    slack: Workspace, method: str, kind: str
) -> None:
    slack.fail(kind, method)
    assert slack.post(replace(MESSAGE, pictures=(CTR,))).state == "sent"
    assert [one["method"] for one in slack.received()] == ["chat.postMessage"]


@pytest.mark.parametrize(
    ("error", "state"),
    [
        ("channel_not_found", "failed"),
        ("not_in_channel", "failed"),
        ("is_archived", "failed"),
        ("invalid_auth", "failed"),
        ("token_revoked", "failed"),
        ("missing_scope", "failed"),
        ("restricted_action", "failed"),
        ("something_new", "failed"),
        ("ratelimited", "retry"),
        ("request_timeout", "retry"),
        ("fatal_error", "unknown"),
        ("internal_error", "unknown"),
        ("service_unavailable", "unknown"),
    ],
)
def test_an_error_of_slacks_is_for_good_for_later_or_leaves_us_in_doubt(
    slack: Workspace, error: str, state: str
) -> None:
    slack.fail("refusal", reason=error)
    sent = slack.post()
    assert sent.state == state
    assert sent.error.startswith(error)
    assert slack.asked() == ["chat.postMessage"]


def test_the_sandboxs_own_refusals_say_what_to_do(slack: Workspace) -> None:
    told = {
        slack.post(channel=slack_api.CHANNEL_NOT_JOINED).error,
        slack.post(channel=slack_api.CHANNEL_ARCHIVED).error,
        slack.post(channel="C0NOWHERE").error,
        slack.post(token=SecretStr("xoxb-other")).error,
    }
    assert told == {
        "not_in_channel: invite the bot to the channel: /invite and its name",
        "is_archived: the channel is archived",
        "channel_not_found: no such channel, or a private one that the bot was not invited to",
        "invalid_auth: the app needs a new bot token",
    }
    assert slack.received() == []


def test_too_many_messages_wait_as_long_as_slack_asks(slack: Workspace) -> None:
    slack.fail("quota", retry_delay_seconds=30)
    sent = slack.post()
    assert (sent.state, sent.retry_after_seconds) == ("retry", 30.0)
    assert slack.received() == []


@pytest.mark.parametrize("error", ["invalid_blocks", "msg_blocks_too_long", "msg_too_long"])
def test_refused_blocks_are_sent_once_more_as_plain_text(slack: Workspace, error: str) -> None:
    slack.fail("refusal", reason=error)
    sent = slack.post()
    (found,) = slack.received()
    assert (sent.state, sent.error) == ("sent", f"sent as plain text: {error}")
    assert sent.receipt["plain"] == "yes"
    assert (found["text"], "blocks" in found) == ("CTR is at risk", False)


def test_blocks_that_slack_would_not_take_are_sent_as_plain_text(slack: Workspace) -> None:
    assert slack.post(replace(MESSAGE, blocks=[{"type": "divider"}] * 51)).state == "sent"
    assert "blocks" not in slack.received()[0]


@pytest.mark.parametrize("kind", ["internal", "unavailable", "cut", "reset"])
@pytest.mark.parametrize("arrived", [0, 1])
def test_an_answer_that_leaves_us_in_doubt_is_unknown_and_not_repeated(
    slack: Workspace, kind: str, arrived: int
) -> None:
    slack.fail(kind, after_messages=arrived)
    assert slack.post().state == "unknown"
    assert slack.asked() == ["chat.postMessage"]
    assert len(slack.received()) == arrived


def test_no_answer_in_time_is_unknown(slack: Workspace) -> None:
    slack.fail("stall", after_messages=1)
    assert slack.post(timeout_seconds=0.3) == Sent("unknown", "no answer in time")
    assert len(slack.received()) == 1


@pytest.mark.parametrize("body", ["html", None])
def test_a_page_instead_of_an_answer_is_unknown(slack: Workspace, body: str | None) -> None:
    slack.fail("bad_body", reason=body)
    assert slack.post().state == "unknown"


@pytest.mark.parametrize(("status", "state"), [(302, "failed"), (404, "failed"), (502, "unknown")])
def test_an_answer_that_is_not_slacks_is_known_by_its_status(
    slack: Workspace, status: int, state: str
) -> None:
    slack.fail("answer", status=status, reason="<html>proxy</html>")
    sent = slack.post()
    assert sent.state == state
    assert str(status) in sent.error


def test_an_endpoint_where_nobody_answers_is_tried_again_later(slack: Workspace) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}/api/"
        assert slack.post(endpoint=endpoint).state == "retry"


@pytest.mark.parametrize(
    ("token", "endpoint"),
    [
        ("xoxb-secret", "http://slack.example/api/"),
        ("xoxb-secret", "http://127.0.0.1@evil.example/"),
        ("xoxb-secret\r\nHost: evil.example", "http://127.0.0.1:9/api/"),
        ("xoxb secret", "http://127.0.0.1:9/api/"),
    ],
)
def test_a_token_goes_to_https_or_this_machine_alone_and_is_told_to_nobody(
    slack: Workspace, token: str, endpoint: str
) -> None:
    sent = slack.post(token=SecretStr(token), endpoint=endpoint)
    assert sent.state == "failed"
    assert "secret" not in sent.error and "evil" not in sent.error


def test_the_token_is_in_no_error_and_no_log(
    slack: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = []
    for kind in ("internal", "cut", "reset", "token_expired", "bad_body"):
        slack.fail(kind)
        told.append(repr(slack.post()))
    assert slack_api.TOKEN not in "".join(told) + caplog.text


def test_a_check_says_what_a_bot_cannot_do_for_want_of_a_scope(slack: Workspace) -> None:
    fine = try_slack_bot(slack.bot.token, slack.bot.endpoint)
    words_alone = SecretStr(slack_api.TOKEN_WITHOUT_FILES)
    lacking = try_slack_bot(words_alone, slack.bot.endpoint)
    assert fine.is_fine and "without" not in fine.told
    assert lacking.is_fine
    assert "without files:write it sends no charts; without channels:history it" in lacking.told
