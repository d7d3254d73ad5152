from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.sandbox.faults import Fault
from connectors.sandbox.slack_webhook import answer_of, is_webhook, read_message


def verdict(**message: Any) -> str:
    return read_message(json.dumps(message).encode(), "application/json")[1]


def section(length: int) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": "x" * length}}


def header(length: int) -> dict[str, Any]:
    return {"type": "header", "text": {"type": "plain_text", "text": "x" * length}}


def test_a_message_within_all_limits_is_fine() -> None:
    context = {"type": "context", "elements": [{"type": "mrkdwn", "text": "stand: 20 november"}]}
    blocks = [header(150), section(3000), {"type": "divider"}, context]

    assert verdict(text="Koers", blocks=blocks) == ""
    assert verdict(text="no blocks at all") == ""
    assert verdict(text="x", blocks=[{"type": "divider"}] * 50) == ""


@pytest.mark.parametrize(
    "block",
    [
        header(151),
        section(3001),
        section(0),
        {"type": "section"},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11},
        {"type": "header", "text": {"type": "mrkdwn", "text": "x"}},
        {"type": "context", "elements": []},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11},
        {"type": "image", "image_url": "https://koers.example/a.png"},
        {"type": "input"},
        {"type": "sectoin", "text": {"type": "mrkdwn", "text": "x"}},
        {"type": "divider", "block_id": "x" * 256},
        "text",
    ],
)
def test_a_block_outside_a_limit_is_invalid(block: Any) -> None:
    assert verdict(text="Koers", blocks=[block]) == "invalid_blocks"


def test_fifty_one_blocks_or_two_with_one_id_are_invalid() -> None:
    assert verdict(text="x", blocks=[{"type": "divider"}] * 51) == "invalid_blocks"
    twice = [{"type": "divider", "block_id": "a"}] * 2
    assert verdict(text="x", blocks=twice) == "invalid_blocks"


def test_nothing_to_show_and_no_json_are_named() -> None:
    assert verdict(blocks=[]) == "no_text"
    assert read_message(b"{", "application/json")[1] == "invalid_payload"
    assert read_message(b"[]", "application/json")[1] == "invalid_payload"


def test_a_form_with_a_payload_is_read_like_json() -> None:
    form = b"payload=%7B%22text%22%3A%22hallo%22%7D"

    assert read_message(form, "application/x-www-form-urlencoded") == ({"text": "hallo"}, "")


def test_faults_get_slacks_own_answers() -> None:
    assert answer_of(Fault("quota", "slack", retry_delay_seconds=3)) == (
        429,
        "rate_limited",
        {"Retry-After": "3"},
    )
    gone = Fault("answer", "slack", status=410, reason="channel_is_archived")
    assert answer_of(gone) == (410, "channel_is_archived", {})
    assert answer_of(Fault("answer", "slack")) == (404, "no_service", {})
    assert answer_of(Fault("stall", "slack")) is None


def test_only_paths_like_slacks_are_webhooks() -> None:
    assert is_webhook("/services/T0SANDBOX/B0SANDBOX/koers")
    assert not is_webhook("/services/T0SANDBOX/koers")
    assert not is_webhook("/services/B0SANDBOX/T0SANDBOX/koers")
