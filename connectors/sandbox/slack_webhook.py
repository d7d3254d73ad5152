"""A Slack incoming webhook: checks Block Kit as Slack does and keeps what it got.

Sources: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.sandbox.faults import Fault

MAX_BLOCKS = 50
_PATH = re.compile(r"/services/T\w+/B\w+/\w+")
# those that a webhook can post: inputs are for modals, files come from Slack itself
_BLOCKS = frozenset(
    {
        "actions",
        "context",
        "divider",
        "header",
        "image",
        "markdown",
        "rich_text",
        "section",
        "table",
    }
)


def answer_of(fault: Fault) -> tuple[int, str, dict[str, str]] | None:
    """Return status, text and headers of a fault; None for those that spoil the answer."""
    if fault.kind == "quota":
        wait = 30 if fault.retry_delay_seconds is None else fault.retry_delay_seconds
        return fault.status or 429, fault.reason or "rate_limited", {"Retry-After": f"{wait:g}"}
    if fault.kind == "internal":
        return fault.status or 500, fault.reason or "internal_error", {}
    if fault.kind == "unavailable":
        return fault.status or 503, fault.reason or "service_unavailable", {}
    if fault.kind in ("permission", "token_expired"):
        usual = "action_prohibited" if fault.kind == "permission" else "invalid_token"
        return fault.status or 403, fault.reason or usual, {}
    if fault.kind in ("answer", "refusal"):
        return fault.status or 404, fault.reason or "no_service", {}
    return None


def is_webhook(path: str) -> bool:
    """Every path of the shape ``/services/T…/B…/…`` is a webhook here."""
    return _PATH.fullmatch(path) is not None


class SlackInbox:
    """Appends each accepted message as one JSON line to ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def keep(self, webhook: str, message: Mapping[str, Any]) -> None:
        received = {"received_at": datetime.now(UTC).isoformat(timespec="seconds")}
        over = {"webhook": webhook} if webhook else {}  # a bot's messages say their method
        line = json.dumps(received | over | dict(message), ensure_ascii=False)
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")


def read_message(body: bytes, content_type: str) -> tuple[dict[str, Any], str]:
    """Return the message and the reason of refusal (empty when it is fine)."""
    if content_type.startswith("application/x-www-form-urlencoded"):
        from urllib.parse import parse_qs

        body = parse_qs(body.decode("utf-8", "replace")).get("payload", [""])[0].encode()
    try:
        said = json.loads(body)
    except ValueError:
        return {}, "invalid_payload"
    if not isinstance(said, dict):
        return {}, "invalid_payload"
    return said, refusal_of(said)


def refusal_of(said: Mapping[str, Any]) -> str:
    """Why Slack would not take a message; empty when it would."""
    blocks, attachments = said.get("blocks"), said.get("attachments")
    if not said.get("text") and not blocks and not attachments:
        return "no_text"
    if "text" in said and not isinstance(said["text"], str):
        return "invalid_payload"
    if blocks is None:
        return ""
    if not isinstance(blocks, list) or len(blocks) > MAX_BLOCKS:
        return "invalid_blocks"
    if not all(isinstance(block, dict) and _fits(block) for block in blocks):
        return "invalid_blocks"
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    return "" if len(set(ids)) == len(ids) else "invalid_blocks"


def _text(said: Any, most: int, kinds: tuple[str, ...] = ("mrkdwn", "plain_text")) -> bool:
    return (
        isinstance(said, dict)
        and said.get("type") in kinds
        and isinstance(said.get("text"), str)
        and 1 <= len(said["text"]) <= most
        and not set(said) - {"type", "text", "emoji", "verbatim"}
    )


def _image(said: Mapping[str, Any]) -> bool:
    alt, url = said.get("alt_text"), said.get("image_url", "")
    return (
        isinstance(alt, str)
        and 1 <= len(alt) <= 2_000
        and ("slack_file" in said or (isinstance(url, str) and 1 <= len(url) <= 3_000))
    )


def _element(said: Any) -> bool:
    if not isinstance(said, dict):
        return False
    if said.get("type") == "button":
        return (
            _text(said.get("text"), 75, ("plain_text",))
            and len(str(said.get("url", ""))) <= 3_000
            and len(str(said.get("value", ""))) <= 2_000
        )
    return isinstance(said.get("type"), str)


def _fits(block: Mapping[str, Any]) -> bool:
    kind = block.get("type")
    if kind not in _BLOCKS or len(str(block.get("block_id", ""))) > 255:
        return False
    if kind == "header":
        return _text(block.get("text"), 150, ("plain_text",))
    if kind == "section":
        fields = block.get("fields")
        if fields is not None and not (
            isinstance(fields, list)
            and 1 <= len(fields) <= 10
            and all(_text(field, 2_000) for field in fields)
        ):
            return False
        if "text" not in block:
            return fields is not None
        return _text(block["text"], 3_000)
    if kind == "context":
        parts = block.get("elements")
        return (
            isinstance(parts, list)
            and 1 <= len(parts) <= 10
            and all(
                isinstance(part, dict)
                and (_image(part) if part.get("type") == "image" else _text(part, 3_000))
                for part in parts
            )
        )
    if kind == "image":
        return _image(block) and ("title" not in block or _text(block["title"], 2_000))
    if kind == "actions":
        parts = block.get("elements")
        return isinstance(parts, list) and 1 <= len(parts) <= 25 and all(map(_element, parts))
    if kind == "markdown":
        return isinstance(block.get("text"), str) and 1 <= len(block["text"]) <= 12_000
    if kind == "rich_text":
        return isinstance(block.get("elements"), list)
    if kind == "table":
        rows = block.get("rows")
        return (
            isinstance(rows, list)
            and 1 <= len(rows) <= 100
            and all(isinstance(row, list) and 1 <= len(row) <= 20 for row in rows)
        )
    return True
