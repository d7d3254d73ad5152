"""Messages to send, written in the transaction of the evaluation that causes them.

A webhook has no idempotency key, so exactly once is impossible: a message is
sent at least once, and repeated at most once for every crash or time-out, then
labelled as a possible repeat. The caller owns begin and commit, and commits
after every change of state::

    begin; enqueue(...); commit
    for message in due(connection, now):
        begin; mark_sending(connection, message.key, now); commit
        sent = send(...)                        # without the warehouse's lock
        begin; mark(connection, message.key, sent, now); commit

Times are aware; they are stored as UTC without a zone.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from connectors.base import MailMessage, Sent, SlackMessage
from flows.processes import is_gone, this_process

if TYPE_CHECKING:
    import duckdb

OUTBOX_DDL = """
create table if not exists ops.outbox (
    message_key varchar, client varchar, route varchar, channel varchar, state varchar,
    attempts integer, unknowns integer, last_error varchar, payload varchar, as_of date,
    created_at timestamp, next_attempt_at timestamp, sent_at timestamp, claimed_by varchar
);
create table if not exists ops.alert_state (
    client varchar, route varchar, target_id varchar, segment varchar, status varchar,
    as_of date, told_at timestamp
);
"""

Message = SlackMessage | MailMessage
State = Literal["pending", "sending", "sent", "unknown", "failed"]

# Growing waits; a run comes by once a day, so the later ones matter to `serve` alone.
WAITS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 240, 720))
MAX_ATTEMPTS = 8
# An answer that stayed away may still have been a delivery: asked once more, never again.
MAX_UNKNOWNS = 2
# Longer than any send takes. Who claimed a message and has not answered by then, crashed.
LEASE = timedelta(minutes=10)

_REPEAT = {
    "en": "May be a repeat: it is not certain that this message arrived before.",
    "nl": "Mogelijk een herhaling: het is niet zeker dat dit bericht al was aangekomen.",
}
_REPEAT_SUBJECT = {"en": "(may be a repeat)", "nl": "(mogelijk een herhaling)"}
SLACK_MAX_BLOCKS = 50


@dataclass(frozen=True)
class Outgoing:
    """One rendered message to one route over one channel.

    ``key`` is the digest's and the channel's (see `message_key`). ``only`` names
    the recipients still to be served when others already were; empty is all.
    ``may_be_repeat`` says that it was perhaps delivered before: ``message`` is
    labelled so.
    """

    key: str
    client: str
    route: str
    channel: Literal["slack", "email"]
    message: Message
    as_of: date
    locale: Literal["nl", "en"] = "en"
    attempts: int = 0
    may_be_repeat: bool = False
    only: tuple[str, ...] = ()


def message_key(digest_key: str, channel: str) -> str:
    return f"{digest_key}-{channel}"


def enqueue(
    connection: duckdb.DuckDBPyConnection, messages: Sequence[Outgoing], now: datetime
) -> int:
    """Add messages to send; one whose key is there already is left as it is. Returns how many."""
    added = 0
    for message in messages:
        known = connection.execute(
            "select count(*) from ops.outbox where message_key = ?", [message.key]
        ).fetchone()
        if known != (0,):
            continue
        connection.execute(
            "insert into ops.outbox values (?, ?, ?, ?, 'pending', 0, 0, null, ?, ?, ?, ?, null, "
            "null)",
            [
                message.key,
                message.client,
                message.route,
                message.channel,
                to_json(message.message, message.locale, message.only),
                message.as_of,
                _stored(now),
                _stored(now),
            ],
        )
        added += 1
    return added


def due(
    connection: duckdb.DuckDBPyConnection,
    now: datetime,
    clients: Sequence[str] = (),
    *,
    ignore_waits: bool = False,
) -> list[Outgoing]:
    """Messages to send now, oldest first; of these clients only when any are named.

    Also those whose sender died, at once when it was a process of this machine
    and otherwise when its lease is over. ``ignore_waits`` is for a person who
    asks for another try.
    """
    rows = connection.execute(
        "select message_key, client, route, channel, state, attempts, unknowns, payload, as_of, "
        "next_attempt_at, claimed_by from ops.outbox "
        "where state in ('pending', 'sending', 'unknown') order by created_at, message_key"
    ).fetchall()
    found = []
    for key, client, route, channel, state, attempts, unknowns, payload, as_of, at, owner in rows:
        if clients and client not in clients:
            continue
        is_time = at is not None and at <= _stored(now)
        if state == "sending":
            is_due = attempts < MAX_ATTEMPTS and (is_time or _is_dead(owner, key))
        elif state == "unknown":
            is_due = unknowns < MAX_UNKNOWNS and (is_time or ignore_waits)
        else:
            is_due = is_time or ignore_waits
        if not is_due:
            continue
        message, locale, only = from_json(payload)
        # what was once perhaps delivered stays a possible repeat, also after a plain refusal
        may_be_repeat = state == "sending" or unknowns > 0
        if may_be_repeat:
            message = as_possible_repeat(message, locale)
        found.append(
            Outgoing(
                key, client, route, channel, message, as_of, locale, attempts, may_be_repeat, only
            )
        )
    return found


def mark_sending(connection: duckdb.DuckDBPyConnection, key: str, now: datetime) -> None:
    """Say that this process is about to send; commit before sending."""
    _in_flight.add(key)
    connection.execute(
        # a sender that died in between perhaps delivered: that is an unknown answer too
        "update ops.outbox set unknowns = case when state = 'sending' then greatest(unknowns, 1) "
        "else unknowns end, state = 'sending', attempts = attempts + 1, claimed_by = ?, "
        "next_attempt_at = ? where message_key = ?",
        [this_process(), _stored(now + LEASE), key],
    )


def mark(connection: duckdb.DuckDBPyConnection, key: str, sent: Sent, now: datetime) -> State:
    """Write down how the channel answered; returns the message's new state.

    ``retry`` goes back to pending with a growing wait, or the channel's own
    when that is longer, and fails after 8 attempts. ``unknown`` is tried once
    more. ``failed`` is for good. Once nothing more will be tried, the text is
    kept and the pictures go.
    """
    row = connection.execute(
        "select attempts, unknowns, payload from ops.outbox where message_key = ?", [key]
    ).fetchone()
    if row is None:
        raise KeyError(f"no message {key} in the outbox")
    _in_flight.discard(key)
    attempts, unknowns, payload = row
    wait = WAITS[min(max(attempts, 1), len(WAITS)) - 1]
    if sent.retry_after_seconds is not None:
        wait = max(wait, timedelta(seconds=sent.retry_after_seconds))
    state: State
    next_at: datetime | None = now + wait
    error = sent.error
    if sent.state == "retry" and attempts < MAX_ATTEMPTS:
        state = "pending"
        if sent.refused:  # the others have it
            message, locale, _ = from_json(payload)
            payload = to_json(message, locale, sent.refused)
    elif sent.state == "retry":
        state, next_at, error = "failed", None, f"gave up after {attempts} attempts: {error}"
    elif sent.state == "unknown":
        state, unknowns = "unknown", unknowns + 1
        next_at = next_at if unknowns < MAX_UNKNOWNS else None
    else:
        state, next_at = sent.state, None
    if next_at is None:
        payload = _without_pictures(payload)
    connection.execute(
        "update ops.outbox set state = ?, unknowns = ?, last_error = ?, payload = ?, "
        "next_attempt_at = ?, sent_at = ?, claimed_by = null where message_key = ?",
        [
            state,
            unknowns,
            error or None,
            payload,
            None if next_at is None else _stored(next_at),
            _stored(now) if state == "sent" else None,
            key,
        ],
    )
    return state


# --- messages as JSON -------------------------------------------------------------------------


def to_json(message: Message, locale: str = "en", only: Sequence[str] = ()) -> str:
    """A rendered message as JSON text; pictures are base64."""
    told: dict[str, Any] = {"locale": locale, "only": list(only)}
    if isinstance(message, SlackMessage):
        told |= {"channel": "slack", "text": message.text, "blocks": list(message.blocks)}
    else:
        told |= {
            "channel": "email",
            "subject": message.subject,
            "text": message.text,
            "html": message.html,
            "pictures": [
                [name, base64.b64encode(picture).decode("ascii")]
                for name, picture in message.pictures
            ],
            "language": message.language,
            "sent_at": message.sent_at.isoformat() if message.sent_at else None,
        }
    return json.dumps(told, ensure_ascii=False)


def from_json(payload: str) -> tuple[Message, Literal["nl", "en"], tuple[str, ...]]:
    """The message, its language, and the recipients still to be served (empty: all)."""
    told = json.loads(payload)
    message: Message
    if told["channel"] == "slack":
        message = SlackMessage(text=told["text"], blocks=told["blocks"])
    else:
        message = MailMessage(
            subject=told["subject"],
            text=told["text"],
            html=told["html"],
            pictures=tuple((name, base64.b64decode(data)) for name, data in told["pictures"]),
            language=told["language"],
            sent_at=datetime.fromisoformat(told["sent_at"]) if told["sent_at"] else None,
        )
    return message, told["locale"], tuple(told["only"])


def _without_pictures(payload: str) -> str:
    """What was said is kept; charts, hundreds of kB a mail, are in the report as well."""
    message, locale, only = from_json(payload)
    if not isinstance(message, MailMessage):
        return payload
    return to_json(replace(message, pictures=()), locale, only)


def as_possible_repeat(message: Message, locale: Literal["nl", "en"]) -> Message:
    """The same message, saying that it may have arrived before."""
    words = _REPEAT[locale]
    if isinstance(message, MailMessage):
        return replace(
            message,
            subject=f"{_REPEAT_SUBJECT[locale]} {message.subject}",
            text=f"{words}\n\n{message.text}",
        )
    note = {"type": "context", "elements": [{"type": "plain_text", "text": words}]}
    blocks = [note, *message.blocks][:SLACK_MAX_BLOCKS] if message.blocks else []
    return SlackMessage(text=f"{_REPEAT_SUBJECT[locale]} {message.text}", blocks=blocks)


# --- who is sending ---------------------------------------------------------------------------

# claimed by a thread of this very process
_in_flight: set[str] = set()


def _is_dead(owner: str | None, key: str) -> bool:
    """True when a process of this machine claimed the message and is gone."""
    if owner == this_process():  # a container that starts again has the same number
        return key not in _in_flight
    return owner is not None and is_gone(owner)


def _stored(at: datetime) -> datetime:
    """UTC without a zone, as timestamps are stored."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at.astimezone(UTC).replace(tzinfo=None)
