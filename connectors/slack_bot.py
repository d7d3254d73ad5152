"""Messages to Slack by a bot: threads, edits and pictures besides what a webhook can.

A bot can also see what became of a message whose answer was lost: each carries
a key as metadata, and an app that may read the channel (``channels:history``,
``groups:history`` in a private one) looks for it before it posts again.

Sources: https://docs.slack.dev/reference/methods/chat.postMessage (errors too),
https://docs.slack.dev/messaging/message-metadata, https://docs.slack.dev/messaging/working-with-files,
https://docs.slack.dev/apis/web-api/rate-limits
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request

from pydantic import SecretStr
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse, WebClient

from connectors.base import Sent, SlackMessage
from connectors.slack import (
    MAX_ANSWER_BYTES,
    classify,
    first_words,
    from_failure,
    opener_of,
    retry_after,
    silent,
    what_is_wrong_with,
)

ENDPOINT = "https://slack.com/api/"
MAX_BLOCKS = 50

_log = logging.getLogger(__name__)

# What Slack says of the blocks or the length: plain words are worth more than nothing.
_PLAIN = frozenset(
    {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"}
)
# What it says of the message that this would be a reply to.
_NO_THREAD = frozenset(
    {"thread_not_found", "message_not_found", "cannot_reply_to_message", "thread_locked",
     "invalid_thread_ts"}
)  # fmt: skip
# What it says of the key: a token of the old kind cannot send metadata.
_NO_METADATA = frozenset(
    {"metadata_must_be_sent_from_app", "invalid_metadata_format", "invalid_metadata_schema",
     "metadata_too_large"}
)  # fmt: skip
_LATER = frozenset(
    {"ratelimited", "rate_limited", "message_limit_exceeded", "request_timeout",
     "team_added_to_org"}
)  # fmt: skip
# "It's possible some aspect of the operation succeeded before the error was raised."
_UNKNOWN = frozenset({"fatal_error", "internal_error", "service_unavailable", "rollup_error"})
_NEW_TOKEN = "the app needs a new bot token"  # noqa: S105 - a hint
_HINTS = {
    "channel_not_found": "no such channel, or a private one that the bot was not invited to",
    "not_in_channel": "invite the bot to the channel: /invite and its name",
    "is_archived": "the channel is archived",
    "missing_scope": "the app lacks a scope; chat:write is needed",
    **dict.fromkeys(
        ("invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"),
        _NEW_TOKEN,
    ),
}


_EVENT = "koers_message"
# Their clock and ours differ; and a busy channel is read back this far, no further.
_CLOCKS = timedelta(hours=1)
_PAGE, _MOST_PAGES = 200, 10


@dataclass(frozen=True)
class Bot:
    """A bot's token and the id of the channel it posts in."""

    token: SecretStr
    channel: str
    endpoint: str = ENDPOINT
    timeout_seconds: float = 20.0


@dataclass(frozen=True)
class Head:
    """The message that began a thread, as it was sent."""

    ts: str
    message: SlackMessage


def post_to_slack(
    bot: Bot,
    message: SlackMessage,
    head: Head | None = None,
    key: str = "",
    perhaps_since: datetime | None = None,
) -> Sent:
    """Post one message, under ``head`` when there is one; what may be there already is ``unknown``.

    ``perhaps_since``: it may have been posted with this ``key`` after that time.
    It is looked for, and not posted again where it is seen.

    ``receipt`` has Slack's ``channel`` and ``ts``, the message's ``thread`` and,
    of a reply, ``thread_ts``; ``plain`` when Slack refused the blocks. A head
    that is gone makes it a message by itself. Pictures and the head's note
    come after it and are not worth a repeat: that one of them failed is only
    logged. The token is in no error text.
    """
    problem = what_is_wrong_with(bot.endpoint, "the endpoint")
    token = bot.token.get_secret_value()
    if not problem and not (token.isascii() and token.isprintable() and " " not in token):
        problem = "the bot token is not one"
    if problem:
        return Sent("failed", problem)
    client = _Client(bot)
    if key and perhaps_since is not None:
        found = _find(client, bot.channel, key, perhaps_since, head)
        if found is not None:
            return _found(client, bot, message, head, found)
    said: dict[str, Any] = {
        "channel": bot.channel,
        "text": message.text,
        "blocks": list(message.blocks),
        # a link to the report is for reading, not for a preview
        "unfurl_links": False,
        "unfurl_media": False,
    }
    if key:
        said["metadata"] = {"event_type": _EVENT, "event_payload": {"key": key}}
    if head is not None:
        said |= {"thread_ts": head.ts, "reply_broadcast": message.to_channel}
    answer, note = client.ask(client.chat_postMessage, said), ""
    if answer.error in _NO_METADATA and key:
        del said["metadata"]
        answer = client.ask(client.chat_postMessage, said)
    if answer.error in _NO_THREAD and head is not None:
        head = None
        del said["thread_ts"], said["reply_broadcast"]
        answer = client.ask(client.chat_postMessage, said)
    if answer.error in _PLAIN and message.blocks:
        note = f"sent as plain text: {answer.error}"
        _log.warning("slack refused the blocks (%s); sending plain text", answer.error)
        del said["blocks"]
        answer = client.ask(client.chat_postMessage, said)
    if answer.sent.state != "sent":
        return answer.sent
    receipt = {"channel": answer.text("channel") or bot.channel, "ts": answer.text("ts")}
    if message.thread:
        receipt["thread"] = message.thread
    if head is not None:
        receipt["thread_ts"] = head.ts
    if note:
        receipt["plain"] = "yes"
    if receipt["ts"]:
        _upload(client, message, receipt)
        if head is not None:
            _annotate(client, head, message, receipt["channel"])
    return Sent("sent", note, receipt=receipt)


def _find(
    client: _Client, channel: str, key: str, since: datetime, head: Head | None
) -> Mapping[str, Any] | None:
    """The message with this key as Slack has it; None when it is not there or cannot be seen."""
    asked: dict[str, Any] = {
        "channel": channel,
        "oldest": f"{(since - _CLOCKS).timestamp():.6f}",
        "limit": _PAGE,
        "include_all_metadata": True,
    }
    places: list[tuple[Callable[..., SlackResponse], dict[str, Any]]] = [
        (client.conversations_history, asked)
    ]
    if head is not None:
        places.append((client.conversations_replies, asked | {"ts": head.ts}))
    for method, said in places:
        for _ in range(_MOST_PAGES):
            answer = client.ask(method, said)
            if answer.sent.state != "sent":
                _log.info("slack does not show what is in the channel: %s", answer.sent.error)
                break
            for one in answer.told.get("messages") or ():
                metadata = one.get("metadata") or {}
                if (metadata.get("event_payload") or {}).get("key") == key and one.get("ts"):
                    found: Mapping[str, Any] = one
                    return found
            cursor = (answer.told.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                break
            said = said | {"cursor": cursor}
    return None


def _found(
    client: _Client, bot: Bot, message: SlackMessage, head: Head | None, found: Mapping[str, Any]
) -> Sent:
    """As if the answer had come: what is there is not posted again, nor are its pictures."""
    receipt = {"channel": bot.channel, "ts": str(found["ts"])}
    if message.thread:
        receipt["thread"] = message.thread
    over = str(found.get("thread_ts") or "")
    if over and over != receipt["ts"]:  # a head that has replies names itself
        receipt["thread_ts"] = over
    if message.blocks and not found.get("blocks"):
        receipt["plain"] = "yes"
    if head is not None and receipt.get("thread_ts") == head.ts:
        _annotate(client, head, message, bot.channel)
    return Sent("sent", "Slack had it already", receipt=receipt)


def _upload(client: _Client, message: SlackMessage, receipt: Mapping[str, str]) -> None:
    """Put the pictures in the message's thread; an app without files:write goes without them."""
    files: list[dict[str, str | None]] = []
    for picture in message.pictures:
        place = client.ask(
            client.files_getUploadURLExternal,
            {
                "filename": picture.name,
                "length": len(picture.png),
                "alt_txt": picture.alt[:1_000],
            },
        )
        if place.sent.state == "sent":
            place = _Answer(client.put(place.text("upload_url"), picture.png), place.told)
        if place.sent.state != "sent":
            _log.info("slack took no picture: %s", place.sent.error)
            return
        files.append({"id": place.text("file_id"), "title": picture.title[:250] or picture.name})
    if not files:
        return
    thread_ts = receipt.get("thread_ts") or receipt["ts"]
    done = client.ask(
        client.files_completeUploadExternal,
        {
            "files": files,
            "channel_id": receipt["channel"],
            "thread_ts": thread_ts,
            "initial_comment": message.legend or None,
        },
    )
    if done.sent.state != "sent":
        _log.info("slack took no picture: %s", done.sent.error)


def _annotate(client: _Client, head: Head, message: SlackMessage, channel: str) -> None:
    """Say at the top of the thread where things stand now; what it said stays."""
    if not message.head_note or not head.message.blocks:
        return
    note = {
        "type": "context",
        "elements": [{"type": "mrkdwn", "text": message.head_note, "verbatim": True}],
    }
    before = [*head.message.blocks]
    at = 1 if before[0].get("type") == "header" else 0
    blocks = [*before[:at], note, *before[at:]][:MAX_BLOCKS]
    edited = client.ask(
        client.chat_update,
        {"channel": channel, "ts": head.ts, "text": head.message.text, "blocks": blocks},
    )
    if edited.sent.state != "sent":
        _log.info("slack left the head of the thread as it was: %s", edited.sent.error)


@dataclass(frozen=True)
class _Answer:
    """What a call came to: for the message, and as Slack said it."""

    sent: Sent
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def error(self) -> str:
        return "" if self.sent.state == "sent" else self.text("error")

    def text(self, key: str) -> str:
        value = self.told.get(key)
        return value if isinstance(value, str) else ""


class _Client(WebClient):
    """The SDK's client, which by itself would follow a redirect and take the token there."""

    def __init__(self, bot: Bot) -> None:
        super().__init__(
            token=bot.token.get_secret_value(),
            base_url=bot.endpoint if bot.endpoint.endswith("/") else f"{bot.endpoint}/",
            timeout=bot.timeout_seconds,  # type: ignore[arg-type]  # for a socket, which takes it
            ssl=ssl.create_default_context() if bot.endpoint.startswith("https:") else None,
            logger=silent,
            retry_handlers=[],  # our outbox tries again; the SDK's default repeats after a reset
        )

    def ask(self, method: Callable[..., SlackResponse], said: Mapping[str, Any]) -> _Answer:
        """Call a method; every way in which that can end is a state."""
        try:
            told = method(**said).data
            return _Answer(Sent("sent"), told if isinstance(told, dict) else {})
        except SlackApiError as error:
            return _refused(error.response)
        except HTTPError as error:
            return _Answer(classify(error.code, "", dict(error.headers.items())))
        except URLError as error:
            return _Answer(from_failure(error.reason))
        except (OSError, HTTPException, ValueError) as error:
            return _Answer(from_failure(error))
        except (AttributeError, SlackClientError):  # JSON that is no object, as the SDK says it
            return _Answer(Sent("unknown", "answered without Slack's ok"))

    def put(self, url: str, data: bytes) -> Sent:
        """Hand in a file at the address that Slack gave for it."""
        if problem := what_is_wrong_with(url, "the address to upload to"):
            return Sent("failed", problem)
        request = Request(url, data=data, method="POST")  # noqa: S310 - checked just above
        request.add_header("Content-Type", "application/octet-stream")
        try:
            with opener_of(url, self.ssl).open(request, timeout=self.timeout) as reply:
                reply.read(MAX_ANSWER_BYTES)
                return Sent("sent")
        except HTTPError as error:
            return Sent("failed", str(error.code))
        except (OSError, HTTPException, ValueError) as error:
            return from_failure(error)

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        with opener_of(url, self.ssl).open(req, timeout=self.timeout) as reply:
            body = reply.read(MAX_ANSWER_BYTES).decode("utf-8", errors="replace")
            return {"status": reply.status, "headers": reply.headers, "body": body}


def _refused(answer: SlackResponse) -> _Answer:
    """What Slack's ``ok: false``, or an answer that is none of its own, means."""
    told = answer.data if isinstance(answer.data, dict) else {}
    status, headers = int(answer.status_code), dict(answer.headers)
    error = told.get("error")
    # the SDK puts a sentence where a proxy's page was not JSON
    code = error if isinstance(error, str) and error.replace("_", "").isalnum() else ""
    if status == 200 and code:
        said = first_words(code)
        if code == "missing_scope" and isinstance(told.get("needed"), str):
            said += f": the app lacks {first_words(told['needed'])}"
        elif code in _HINTS:
            said += f": {_HINTS[code]}"
        if code in _LATER:
            return _Answer(Sent("retry", said, retry_after(headers)), told)
        return _Answer(Sent("unknown" if code in _UNKNOWN else "failed", said), told)
    return _Answer(classify(status, code, headers), told)
