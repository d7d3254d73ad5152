"""Messages to send, written in the transaction of the evaluation that causes them.

A webhook has no idempotency key, so exactly once is impossible: a message is
sent at least once, and repeated at most once for every crash or time-out, then
labelled as a possible repeat. The caller owns begin and commit, and commits
after every change of state::

    begin; enqueue(...); commit
    for message in due(connection, now):
        begin; mark_sending(connection, message, now); commit   # unless somebody else did
        sent = send(...)                        # without the warehouse's lock
        begin; mark(connection, message.key, sent, now)
        hand_over(connection, message.key, ..., now); commit

What is refused for good, has twice stayed without an answer, or was given up
because its senders died, is handed over to the fallback of its route: once,
never from there to another.

Times are aware; they are stored as UTC without a zone.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from connectors.base import MailMessage, Sent, SlackMessage, SlackPicture
from flows.processes import is_gone, this_process

if TYPE_CHECKING:
    import duckdb

OUTBOX_DDL = """
create table if not exists ops.outbox (
    message_key varchar, client varchar, route varchar, channel varchar, state varchar,
    attempts integer, unknowns integer, last_error varchar, payload varchar, as_of date,
    created_at timestamp, next_attempt_at timestamp, sent_at timestamp, claimed_by varchar,
    receipt varchar, fallback_of varchar
);
create table if not exists ops.alert_state (
    client varchar, route varchar, target_id varchar, segment varchar, status varchar,
    as_of date, told_at timestamp, occurrence date, said_on date, trouble_on date,
    target_version varchar
);
create table if not exists ops.snoozes (
    client varchar, target_id varchar, until date, because varchar, made_at timestamp
);
"""

Message = SlackMessage | MailMessage
State = Literal["pending", "sending", "sent", "unknown", "failed"]

# Growing waits; a run comes by once a day, so the later ones matter to `serve` alone.
WAITS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 240, 720))
MAX_ATTEMPTS = 8
DIED = f"gave up after {MAX_ATTEMPTS} attempts: each time Koers ended before it knew the answer"
# An answer that stayed away may still have been a delivery: asked once more, never again.
MAX_UNKNOWNS = 2
# Longer than any send takes. Who claimed a message and has not answered by then, crashed.
LEASE = timedelta(minutes=10)

# So long `koers status` shows what was given up, and can a person have it tried again.
SHOWN_FOR = timedelta(days=14)
# No thread goes on for longer.
LONGEST_THREAD = timedelta(days=31)

_REPEAT = {
    "en": "May be a repeat: it is not certain that this message arrived before.",
    "nl": "Mogelijk een herhaling: het is niet zeker dat dit bericht al was aangekomen.",
}
_INSTEAD = {
    "en": "Meant for the route “{route}”, which did not take it{error}.",
    "nl": "Bedoeld voor de route “{route}”, maar die nam het bericht niet aan{error}.",
}
_DOUBTED = {
    "en": "Meant for the route “{route}”; it is not certain that it arrived there{error}.",
    "nl": "Bedoeld voor de route “{route}”; het is niet zeker dat het daar is aangekomen{error}.",
}
_REPEAT_SUBJECT = {"en": "(may be a repeat)", "nl": "(mogelijk een herhaling)"}
SLACK_MAX_BLOCKS = 50
_MOST_NOTE = 2_000
# Slack shows 40,000 characters of a text; what is longer than this nobody reads there.
_MOST_TEXT = 10_000


@dataclass(frozen=True)
class Outgoing:
    """One rendered message to one route over one channel.

    ``key`` is the digest's and the channel's (see `message_key`). ``only`` names
    the recipients still to be served when others already were; empty is all.
    ``may_be_repeat`` says that it was perhaps delivered before: ``message`` is
    labelled so; ``queued_at`` is when it was put in the outbox. ``alternates``
    say the same over other channels, for a fallback that has those;
    ``fallback_of`` is the key of the message that this one is sent in place of.
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
    alternates: tuple[Message, ...] = ()
    fallback_of: str | None = None
    queued_at: datetime | None = None


@dataclass(frozen=True)
class Waiting:
    """One message that was not sent, or not to everybody, as `koers status` shows it.

    ``is_over``: nothing more will be tried. ``handed_to`` is the fallback route
    that got it. Times are UTC.
    """

    client: str
    route: str
    channel: str
    state: State
    attempts: int
    as_of: date
    next_attempt_at: datetime | None
    error: str
    is_over: bool
    handed_to: str | None
    fallback_of: str | None  # the route that it was meant for


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
            "insert into ops.outbox (message_key, client, route, channel, state, attempts, "
            "unknowns, payload, as_of, created_at, next_attempt_at, fallback_of) "
            "values (?, ?, ?, ?, 'pending', 0, 0, ?, ?, ?, ?, ?)",
            [
                message.key,
                message.client,
                message.route,
                message.channel,
                to_json(message.message, message.locale, message.only, message.alternates),
                message.as_of,
                _stored(now),
                _stored(now),
                message.fallback_of,
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
    found = []
    for row in _rows(connection, "state in ('pending', 'sending', 'unknown')", clients):
        is_time = row.at is not None and row.at <= _stored(now)
        if row.state == "sending":
            is_due = row.attempts < MAX_ATTEMPTS and (is_time or _is_dead(row.owner, row.key))
        elif row.state == "unknown":
            is_due = row.unknowns < MAX_UNKNOWNS and (is_time or ignore_waits)
        else:
            is_due = is_time or ignore_waits
        if is_due:
            found.append(row.outgoing())
    return found


def give_up(
    connection: duckdb.DuckDBPyConnection, now: datetime, clients: Sequence[str] = ()
) -> list[Outgoing]:
    """End what died with its sender eight times; returns those messages, to hand over.

    Each of those senders perhaps delivered it, so that how it ended is unknown.
    """
    ended = [
        row
        for row in _rows(connection, "state = 'sending'", clients)
        if row.attempts >= MAX_ATTEMPTS
        and ((row.at is not None and row.at <= _stored(now)) or _is_dead(row.owner, row.key))
    ]
    for row in ended:
        connection.execute(
            "update ops.outbox set state = 'unknown', unknowns = ?, last_error = ?, "
            "next_attempt_at = null, claimed_by = null where message_key = ?",
            [MAX_UNKNOWNS, DIED, row.key],
        )
    return [row.outgoing() for row in ended]


@dataclass(frozen=True)
class _Row:
    """A message as it is stored."""

    key: str
    client: str
    route: str
    channel: Literal["slack", "email"]
    state: State
    attempts: int
    unknowns: int
    payload: str
    as_of: date
    at: datetime | None  # when it may be tried; while it is being sent, when that took too long
    owner: str | None
    fallback_of: str | None
    created_at: datetime

    def outgoing(self) -> Outgoing:
        message, locale, only = from_json(self.payload)
        # what was once perhaps delivered stays a possible repeat, also after a plain refusal
        may_be_repeat = self.state == "sending" or self.unknowns > 0
        return Outgoing(
            self.key,
            self.client,
            self.route,
            self.channel,
            as_possible_repeat(message, locale) if may_be_repeat else message,
            self.as_of,
            locale,
            self.attempts,
            may_be_repeat,
            only,
            fallback_of=self.fallback_of,
            queued_at=self.created_at.replace(tzinfo=UTC),
        )


def _rows(
    connection: duckdb.DuckDBPyConnection, which: str, clients: Sequence[str]
) -> Iterator[_Row]:
    """The stored messages of which that is true, of these clients when any are named."""
    for row in connection.execute(
        "select message_key, client, route, channel, state, attempts, unknowns, payload, as_of, "
        f"next_attempt_at, claimed_by, fallback_of, created_at from ops.outbox where {which} "
        "order by created_at, message_key"
    ).fetchall():
        if not clients or row[1] in clients:
            yield _Row(*row)


def mark_sending(connection: duckdb.DuckDBPyConnection, message: Outgoing, now: datetime) -> bool:
    """Say that this process is about to send; commit before sending.

    False, and nothing is changed, when another process took it up since it was
    found to be due.
    """
    claimed = connection.execute(
        # a sender that died in between perhaps delivered: that is an unknown answer too
        "update ops.outbox set unknowns = case when state = 'sending' then greatest(unknowns, 1) "
        "else unknowns end, state = 'sending', attempts = attempts + 1, claimed_by = ?, "
        "next_attempt_at = ? where message_key = ? and attempts = ? and "
        "state in ('pending', 'sending', 'unknown') returning message_key",
        [this_process(), _stored(now + LEASE), message.key, message.attempts],
    ).fetchone()
    if claimed is not None:
        _in_flight.add(message.key)
    return claimed is not None


def mark(connection: duckdb.DuckDBPyConnection, key: str, sent: Sent, now: datetime) -> State:
    """Write down how the channel answered; returns the message's new state.

    ``retry`` goes back to pending with a growing wait, or the channel's own
    when that is longer, and fails after 8 attempts. ``unknown`` is tried once
    more. ``failed`` is for good. Once it is sent, the text is kept and the
    pictures go.
    """
    row = connection.execute(
        "select attempts, unknowns, payload, receipt from ops.outbox where message_key = ?", [key]
    ).fetchone()
    if row is None:
        raise KeyError(f"no message {key} in the outbox")
    _in_flight.discard(key)
    attempts, unknowns, payload, said = row
    receipt: dict[str, Any] = json.loads(said) if said else {}
    receipt |= sent.receipt
    lost = list(sent.refused if sent.state == "sent" else sent.given_up)
    if lost:  # those whom no mail reaches; the others have it
        receipt["refused"] = [*receipt.get("refused", ()), *lost]
    wait = WAITS[min(max(attempts, 1), len(WAITS)) - 1]
    if sent.retry_after_seconds is not None:
        wait = max(wait, timedelta(seconds=sent.retry_after_seconds))
    state: State
    next_at: datetime | None = now + wait
    error = sent.error
    if sent.state in ("retry", "unknown") and sent.refused:  # the others have it
        payload = _dumped(json.loads(payload) | {"only": list(sent.refused)})
    if sent.state == "retry" and attempts < MAX_ATTEMPTS:
        state = "pending"
    elif sent.state == "retry":
        state, next_at, error = "failed", None, f"gave up after {attempts} attempts: {error}"
    elif sent.state == "unknown":
        state, unknowns = "unknown", unknowns + 1
        next_at = next_at if unknowns < MAX_UNKNOWNS else None
    else:
        state, next_at = sent.state, None
    if state == "sent":
        payload = _without_pictures(payload)
        if n := len(receipt.get("refused", ())):
            error = f"{n} recipient{'s were' if n > 1 else ' was'} refused for good"
    connection.execute(
        "update ops.outbox set state = ?, unknowns = ?, last_error = ?, payload = ?, "
        "next_attempt_at = ?, sent_at = ?, receipt = ?, claimed_by = null where message_key = ?",
        [
            state,
            unknowns,
            error or None,
            payload,
            None if next_at is None else _stored(next_at),
            _stored(now) if state == "sent" else None,
            _dumped(receipt) if receipt else None,
            key,
        ],
    )
    return state


def hand_over(
    connection: duckdb.DuckDBPyConnection,
    key: str,
    route: str,
    channels: Sequence[Literal["slack", "email"]],
    now: datetime,
) -> list[Outgoing]:
    """Queue for a fallback route what will not be tried any more; returns what was queued.

    Empty for what was sent, will be tried again, or was itself a fallback's.
    It says which route failed and why, and goes over each of ``channels``.
    """
    row = connection.execute(
        "select client, route, state, unknowns, last_error, payload, as_of, fallback_of "
        "from ops.outbox where message_key = ?",
        [key],
    ).fetchone()
    if row is None:
        return []
    client, failed, state, unknowns, error, payload, as_of, fallback_of = row
    is_over = state == "failed" or (state == "unknown" and unknowns >= MAX_UNKNOWNS)
    if fallback_of is not None or not is_over:
        return []
    message, locale, _ = from_json(payload)
    known = {channel_of(one): _by_itself(one) for one in (*_alternates(payload), message)}
    # refused now, it may still have arrived the time before
    said = _DOUBTED if unknowns > 0 else _INSTEAD
    reason = said[locale].format(route=failed, error=f" ({error})" if error else "")
    queued = [
        Outgoing(
            message_key(f"{key}-for-{route}", to),
            client,
            route,
            to,
            labelled(known[to] if to in known else _in_plain(message, to), reason),
            as_of,
            locale,
            fallback_of=key,
        )
        for to in channels
    ]
    enqueue(connection, queued, now)
    connection.execute(
        "update ops.outbox set payload = ? where message_key = ?", [_without_pictures(payload), key]
    )
    return queued


def try_again(
    connection: duckdb.DuckDBPyConnection, now: datetime, clients: Sequence[str] = ()
) -> int:
    """Make due what waits its turn or was given up in the last 14 days; returns how many.

    For a person who mended what was wrong. What a fallback route got stays
    where it is, and what may have arrived twice already is not sent a third time.
    """
    rows = connection.execute(
        "select message_key, client from ops.outbox as o where created_at >= ? and "
        "(state = 'pending' or (state = 'unknown' and unknowns < ?) or (state = 'failed' and "
        "not exists (from ops.outbox as f where f.fallback_of = o.message_key)))",
        [_stored(now - SHOWN_FOR), MAX_UNKNOWNS],
    ).fetchall()
    keys = [key for key, client in rows if not clients or client in clients]
    for key in keys:
        connection.execute(
            "update ops.outbox set next_attempt_at = ?, "
            "attempts = case when state = 'failed' then 0 else attempts end, "
            "state = case when state = 'failed' then 'pending' else state end "
            "where message_key = ?",
            [_stored(now), key],
        )
    return len(keys)


def queue(
    connection: duckdb.DuckDBPyConnection, now: datetime, clients: Sequence[str] = ()
) -> list[Waiting]:
    """What waits, and for 14 days what was given up or did not reach everybody, oldest first."""
    rows = connection.execute(
        "select o.client, o.route, o.channel, o.state, o.attempts, o.as_of, o.next_attempt_at, "
        "coalesce(o.last_error, ''), o.unknowns, "
        "(select any_value(f.route) from ops.outbox as f where f.fallback_of = o.message_key), "
        "(select any_value(m.route) from ops.outbox as m where m.message_key = o.fallback_of), "
        "o.created_at from ops.outbox as o "
        "where o.state <> 'sent' or o.receipt like '%\"refused\"%' "
        "order by o.created_at, o.message_key"
    ).fetchall()
    found = []
    for client, route, channel, state, attempts, as_of, at, error, unknowns, to, of, made in rows:
        is_over = state in ("sent", "failed") or (state == "unknown" and unknowns >= MAX_UNKNOWNS)
        if (clients and client not in clients) or (is_over and made < _stored(now - SHOWN_FOR)):
            continue
        found.append(
            Waiting(
                client,
                route,
                channel,
                state,
                attempts,
                as_of,
                None if is_over else at,
                error,
                is_over,
                to,
                of,
            )
        )
    return found


@dataclass(frozen=True)
class ThreadHead:
    """The message that began a thread: Slack's ``ts`` of it, and what it said.

    Of one whose blocks Slack refused, there are no blocks. ``is_ahead``: what came
    later than the message in question was sent already.
    """

    ts: str
    message: SlackMessage
    is_ahead: bool


def thread_head(
    connection: duckdb.DuckDBPyConnection, message: Outgoing, slack_channel: str
) -> ThreadHead | None:
    """The head of a message's thread in this channel; None when the message is to begin it."""
    if not isinstance(message.message, SlackMessage) or not message.message.thread:
        return None
    is_ahead = False
    for receipt, payload, as_of in connection.execute(
        "select receipt, payload, as_of from ops.outbox where client = ? and route = ? and "
        "channel = 'slack' and state = 'sent' and receipt is not null and as_of >= ? "
        "and message_key <> ? order by sent_at desc",
        [message.client, message.route, message.as_of - LONGEST_THREAD, message.key],
    ).fetchall():
        told = json.loads(receipt)
        if told.get("thread") != message.message.thread or told.get("channel") != slack_channel:
            continue
        is_ahead = is_ahead or as_of > message.as_of
        if told.get("ts") and "thread_ts" not in told:
            head, _, _ = from_json(payload)
            assert isinstance(head, SlackMessage)
            said = replace(head, blocks=[]) if told.get("plain") else head
            return ThreadHead(told["ts"], said, is_ahead)
    return None


# --- messages as JSON -------------------------------------------------------------------------


def to_json(
    message: Message,
    locale: str = "en",
    only: Sequence[str] = (),
    alternates: Sequence[Message] = (),
) -> str:
    """A rendered message as JSON text; pictures are base64."""
    told: dict[str, Any] = {"locale": locale, "only": list(only), **_as_plain_values(message)}
    if alternates:
        told["alternates"] = [_as_plain_values(one) for one in alternates]
    return _dumped(told)


def from_json(payload: str) -> tuple[Message, Literal["nl", "en"], tuple[str, ...]]:
    """The message, its language, and the recipients still to be served (empty: all)."""
    told = json.loads(payload)
    return _from_plain_values(told), told["locale"], tuple(told["only"])


def _alternates(payload: str) -> list[Message]:
    return [_from_plain_values(told) for told in json.loads(payload).get("alternates", ())]


def channel_of(message: Message) -> Literal["slack", "email"]:
    return "slack" if isinstance(message, SlackMessage) else "email"


def _as_plain_values(message: Message) -> dict[str, Any]:
    if isinstance(message, SlackMessage):
        return {
            "channel": "slack",
            "text": message.text,
            "blocks": list(message.blocks),
            "thread": message.thread,
            "to_channel": message.to_channel,
            "head_note": message.head_note,
            "pictures": [
                [one.name, base64.b64encode(one.png).decode("ascii"), one.title, one.alt]
                for one in message.pictures
            ],
            "legend": message.legend,
        }
    return {
        "channel": "email",
        "subject": message.subject,
        "text": message.text,
        "html": message.html,
        "pictures": [
            [name, base64.b64encode(picture).decode("ascii")] for name, picture in message.pictures
        ],
        "language": message.language,
        "sent_at": message.sent_at.isoformat() if message.sent_at else None,
        "unsubscribe": message.unsubscribe,
    }


def _from_plain_values(told: dict[str, Any]) -> Message:
    # what an older Koers queued lacks the newer keys
    if told["channel"] == "slack":
        return SlackMessage(
            text=told["text"],
            blocks=told["blocks"],
            thread=told.get("thread", ""),
            to_channel=told.get("to_channel", False),
            head_note=told.get("head_note", ""),
            pictures=tuple(
                SlackPicture(name, base64.b64decode(data), title, alt)
                for name, data, title, alt in told.get("pictures", ())
            ),
            legend=told.get("legend", ""),
        )
    return MailMessage(
        subject=told["subject"],
        text=told["text"],
        html=told["html"],
        pictures=tuple((name, base64.b64decode(data)) for name, data in told["pictures"]),
        language=told["language"],
        sent_at=datetime.fromisoformat(told["sent_at"]) if told["sent_at"] else None,
        unsubscribe=told.get("unsubscribe", ""),
    )


def _dumped(told: dict[str, Any]) -> str:
    return json.dumps(told, ensure_ascii=False)


def _without_pictures(payload: str) -> str:
    """What was said is kept; charts, hundreds of kB a mail, are in the report as well."""
    told = json.loads(payload)
    told.pop("alternates", None)
    return _dumped(told | {"pictures": []})


def as_possible_repeat(message: Message, locale: Literal["nl", "en"]) -> Message:
    """The same message, saying that it may have arrived before."""
    return labelled(message, _REPEAT[locale], _REPEAT_SUBJECT[locale])


def labelled(message: Message, words: str, subject: str = "") -> Message:
    """The same message with a sentence about it on top, and ``subject`` before its subject."""
    before = f"{subject} " if subject else ""
    if isinstance(message, MailMessage):
        note = f'<p style="margin:0;padding:12px 16px;background:#fff4d6;color:#4a3b00;\
font-family:sans-serif;font-size:14px">{html.escape(words)}</p>'
        return replace(
            message,
            subject=f"{before}{message.subject}",
            text=f"{words}\n\n{message.text}",
            html=re.sub(r"(<body[^>]*>|\A(?!.*<body))", lambda found: found[0] + note,
                        message.html, count=1, flags=re.IGNORECASE | re.DOTALL),
        )  # fmt: skip
    told: dict[str, Any] = {"type": "plain_text", "text": words[:_MOST_NOTE]}
    blocks = [{"type": "context", "elements": [told]}, *message.blocks][:SLACK_MAX_BLOCKS]
    harmless = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return replace(
        message,
        text=f"{subject or harmless} {message.text}",
        blocks=blocks if message.blocks else [],
    )


def _by_itself(message: Message) -> Message:
    """Not in a thread: that is of the route that it was meant for."""
    if isinstance(message, SlackMessage):
        return replace(message, thread="", to_channel=False, head_note="")
    return message


def _in_plain(message: Message, channel: Literal["slack", "email"]) -> Message:
    """What one channel was to say, over another that nothing was rendered for."""
    if isinstance(message, SlackMessage) and channel == "email":
        text = html.unescape(message.text)
        page = f"<pre>{html.escape(text)}</pre>"
        return MailMessage(text.partition("\n")[0][:140], text, page)
    if isinstance(message, MailMessage) and channel == "slack":
        text = f"{message.subject}\n\n{message.text}"
        harmless = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return SlackMessage(harmless[:_MOST_TEXT], [])
    return message


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
