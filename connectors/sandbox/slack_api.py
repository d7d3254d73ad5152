"""Slack's Web API, as far as a bot that posts needs it: one workspace with a few channels.

Sources: https://docs.slack.dev/reference/methods/chat.postMessage, chat.update,
conversations.history, conversations.replies, files.getUploadURLExternal and
files.completeUploadExternal
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from connectors.sandbox import slack_webhook
from connectors.sandbox.faults import Fault
from connectors.sandbox.slack_webhook import SlackInbox

# tokens and their scopes; the second app may neither upload nor read what is in a channel
TOKEN = "xoxb-sandbox-koers"  # noqa: S105
TOKEN_WITHOUT_FILES = "xoxb-sandbox-words-alone"  # noqa: S105
TOKENS = {
    TOKEN: frozenset({"chat:write", "files:write", "channels:history"}),
    TOKEN_WITHOUT_FILES: frozenset({"chat:write"}),
}
CHANNEL = "C0SANDBOX"
CHANNEL_NOT_JOINED = "C0STRANGE"
CHANNEL_ARCHIVED = "C0OLDTIMES"
MAX_TEXT = 40_000
API_PATH = "/api/"
UPLOAD_PATH = "/upload/v1/"

_SCOPES = {
    "auth.test": "",
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "conversations.history": "channels:history",
    "conversations.replies": "channels:history",
    "files.getUploadURLExternal": "files:write",
    "files.completeUploadExternal": "files:write",
}


def answer_of(fault: Fault) -> tuple[int, str, dict[str, str]] | None:
    """Return status, body and headers of a fault; None for those that spoil the answer.

    A ``refusal`` is HTTP 200 with ``reason`` as Slack's error, as nearly all of them are.
    """
    if fault.kind == "quota":
        wait = 30 if fault.retry_delay_seconds is None else fault.retry_delay_seconds
        headers = {"Retry-After": f"{wait:g}"}
        return fault.status or 429, _error(fault.reason or "ratelimited"), headers
    usual = {
        "refusal": "channel_not_found",
        "permission": "missing_scope",
        "token_expired": "token_revoked",
    }
    if fault.kind in usual:
        return fault.status or 200, _error(fault.reason or usual[fault.kind]), {}
    return slack_webhook.answer_of(fault)


def _error(code: str) -> str:
    return json.dumps({"ok": False, "error": code})


@dataclass
class _Upload:
    name: str
    length: int
    alt: str = ""
    content: bytes = b""


class SlackWorkspace:
    """Knows its messages; each that is posted or changed is a line in the inbox."""

    def __init__(self, inbox: SlackInbox) -> None:
        self.inbox = inbox
        self._messages: dict[tuple[str, str], dict[str, Any]] = {}
        self._uploads: dict[str, _Upload] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def answer(
        self, method: str, body: bytes, content_type: str, authorization: str | None, origin: str
    ) -> dict[str, Any]:
        """Slack's answer to one call; ``origin`` is where this server is, for uploads."""
        if method not in _SCOPES:
            return {"ok": False, "error": "unknown_method", "req_method": method}
        said = _arguments(body, content_type)
        token = (authorization or "").removeprefix("Bearer ") or str(said.get("token", ""))
        if not token:
            return {"ok": False, "error": "not_authed"}
        if token not in TOKENS:
            return {"ok": False, "error": "invalid_auth"}
        needed = _SCOPES[method]
        if needed and needed not in TOKENS[token]:
            provided = ",".join(sorted(TOKENS[token]))
            return {"ok": False, "error": "missing_scope", "needed": needed, "provided": provided}
        with self._lock:
            if method == "chat.postMessage":
                return self._post(said)
            if method == "chat.update":
                return self._update(said)
            if method in ("conversations.history", "conversations.replies"):
                return self._read(said, method)
            if method == "files.getUploadURLExternal":
                return self._upload_url(said, origin)
            if method == "files.completeUploadExternal":
                return self._complete(said)
        return {"ok": True, "team": "Sandbox", "user": "koers", "user_id": "U0KOERS"}

    def upload(self, file_id: str, content: bytes) -> tuple[int, str]:
        """Take in a file's bytes; status and text as files.slack.com has them."""
        with self._lock:
            upload = self._uploads.get(file_id)
            if upload is None:
                return 404, "not found"
            if len(content) != upload.length:
                return 400, "the length is not what was announced"
            upload.content = content
        return 200, f"OK - {len(content)}"

    def _post(self, said: Mapping[str, Any]) -> dict[str, Any]:
        channel = str(said.get("channel", ""))
        if error := _wrong_channel(channel):
            return {"ok": False, "error": error}
        if error := _wrong_message(said):
            return {"ok": False, "error": error}
        thread_ts = said.get("thread_ts")
        if thread_ts and (channel, thread_ts) not in self._messages:
            return {"ok": False, "error": "thread_not_found"}
        ts = f"{int(time.time())}.{next(self._numbers):06d}"
        message = {k: said[k] for k in ("text", "blocks", "thread_ts", "metadata") if said.get(k)}
        if isinstance(message.get("metadata"), str):
            message["metadata"] = json.loads(message["metadata"])
        if thread_ts and _truth(said.get("reply_broadcast")):
            message["reply_broadcast"] = True
        self._messages[channel, ts] = message
        self.inbox.keep("", {"method": "chat.postMessage", "channel": channel, "ts": ts} | message)
        return {"ok": True, "channel": channel, "ts": ts, "message": message}

    def _update(self, said: Mapping[str, Any]) -> dict[str, Any]:
        place = (str(said.get("channel", "")), str(said.get("ts", "")))
        if place not in self._messages:
            return {"ok": False, "error": "message_not_found"}
        if error := _wrong_message(said):
            return {"ok": False, "error": error}
        message = self._messages[place] | {k: said[k] for k in ("text", "blocks") if said.get(k)}
        self._messages[place] = message
        channel, ts = place
        self.inbox.keep("", {"method": "chat.update", "channel": channel, "ts": ts} | message)
        return {"ok": True, "channel": channel, "ts": ts, "text": message.get("text", "")}

    def _read(self, said: Mapping[str, Any], method: str) -> dict[str, Any]:
        """A page of a channel, the newest first, or of a thread, the oldest first."""
        channel, oldest = str(said.get("channel", "")), float(said.get("oldest") or 0)
        if error := _wrong_channel(channel):
            return {"ok": False, "error": error}
        thread = str(said.get("ts", "")) if method == "conversations.replies" else None
        if thread is not None and (channel, thread) not in self._messages:
            return {"ok": False, "error": "thread_not_found"}
        found = []
        for (where, ts), message in sorted(self._messages.items()):
            in_thread = message.get("thread_ts")
            shown = (
                (in_thread is None or message.get("reply_broadcast"))
                if thread is None
                else thread in (ts, in_thread)
            )
            if where == channel and float(ts) > oldest and shown:
                kept = dict(message)
                if not _truth(said.get("include_all_metadata")):
                    kept.pop("metadata", None)
                found.append({"type": "message", "ts": ts, **kept})
        if thread is None:
            found.reverse()
        first, limit = int(said.get("cursor") or 0), int(said.get("limit") or 100)
        more = first + limit < len(found)
        return {
            "ok": True,
            "messages": found[first : first + limit],
            "has_more": more,
            "response_metadata": {"next_cursor": str(first + limit) if more else ""},
        }

    def _upload_url(self, said: Mapping[str, Any], origin: str) -> dict[str, Any]:
        try:
            name, length = str(said["filename"]), int(said["length"])
        except (KeyError, ValueError):
            return {"ok": False, "error": "invalid_arguments"}
        file_id = f"F{next(self._numbers):08d}"
        self._uploads[file_id] = _Upload(name, length, str(said.get("alt_txt", "")))
        return {"ok": True, "upload_url": f"{origin}{UPLOAD_PATH}{file_id}", "file_id": file_id}

    def _complete(self, said: Mapping[str, Any]) -> dict[str, Any]:
        files = said.get("files")
        if isinstance(files, str):
            files = json.loads(files)
        if not isinstance(files, list) or not files:
            return {"ok": False, "error": "invalid_arguments"}
        channel, thread_ts = str(said.get("channel_id", "")), said.get("thread_ts")
        if error := _wrong_channel(channel):
            return {"ok": False, "error": error}
        told = []
        for file in files:
            upload = self._uploads.get(str(file.get("id")))
            if upload is None or not upload.content:
                return {"ok": False, "error": "file_not_found"}
            title = file.get("title") or upload.name
            told.append({"id": file["id"], "title": title, "alt_txt": upload.alt})
        self.inbox.keep(
            "",
            {
                "method": "files.completeUploadExternal",
                "channel": channel,
                "thread_ts": thread_ts,
                "text": said.get("initial_comment", ""),
                "files": told,
            },
        )
        return {"ok": True, "files": told}


def headers_of(authorization: str | None) -> dict[str, str]:
    """The headers of every answer to a token that is known."""
    scopes = TOKENS.get((authorization or "").removeprefix("Bearer "))
    return {"X-OAuth-Scopes": ",".join(sorted(scopes))} if scopes else {}


def channel_of(body: bytes, content_type: str) -> str | None:
    """The channel that a call is about, for the log and for faults."""
    said = _arguments(body, content_type)
    found = said.get("channel") or said.get("channel_id")
    return found if isinstance(found, str) else None


def _arguments(body: bytes, content_type: str) -> dict[str, Any]:
    if content_type.startswith("application/json"):
        try:
            said = json.loads(body)
        except ValueError:
            return {}
        return said if isinstance(said, dict) else {}
    return dict(parse_qsl(body.decode("utf-8", "replace")))


def _wrong_channel(channel: str) -> str:
    if channel == CHANNEL:
        return ""
    return {CHANNEL_NOT_JOINED: "not_in_channel", CHANNEL_ARCHIVED: "is_archived"}.get(
        channel, "channel_not_found"
    )


def _wrong_message(said: Mapping[str, Any]) -> str:
    message = dict(said)
    if isinstance(message.get("blocks"), str):
        message["blocks"] = json.loads(message["blocks"])
    if isinstance(message.get("text"), str) and len(message["text"]) > MAX_TEXT:
        return "msg_too_long"
    refusal = slack_webhook.refusal_of(message)
    return "invalid_arguments" if refusal == "invalid_payload" else refusal


def _truth(said: Any) -> bool:
    return said in (True, "true", "1")
