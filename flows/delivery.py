"""Send what waits in the outbox, show it beforehand, and try a route."""

from __future__ import annotations

import html
import logging
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connectors.base import MailMessage, Sent, SlackMessage
from flows.alerts import outbox
from flows.killpoints import reach
from flows.project import Project
from flows.settings import Channel, ConfigError, Route, SecretRef, Smtp
from flows.warehouse import transaction

if TYPE_CHECKING:
    import duckdb

    from connectors.smtp import SmtpServer

log = logging.getLogger("koers")


@dataclass(frozen=True)
class Delivery:
    """How one message fared. The address is not told: it may be a secret."""

    client: str
    route: str
    channel: str
    state: str
    error: str = ""
    handed_to: str = ""  # the fallback route that gets it instead

    def as_dict(self) -> dict[str, str]:
        return asdict(self)

    def in_words(self) -> str:
        told = f"message to {self.route} ({self.channel}) for {self.client}: {self.state}"
        told += f", {self.error}" if self.error else ""
        return f"{told}; it goes to {self.handed_to} instead" if self.handed_to else told


def send_messages(
    project: Project, clients: Sequence[str] = (), *, again: bool = False
) -> list[Delivery]:
    """Send what waits in the outbox; each message is marked before and after by itself.

    What cannot be sent goes to its route's fallback, in the same turn. The
    warehouse is free while a message is on its way. ``again``: also what still
    has to wait its turn, and what was given up lately (see outbox.try_again).
    """
    deliveries = []
    with project.warehouse.open() as connection:
        now = datetime.now(UTC)
        with transaction(connection):
            if again:
                outbox.try_again(connection, now, clients)
            for message, handed in _give_up(project, connection, now, clients):
                deliveries.append(_delivery(message, "unknown", outbox.DIED, handed))
        waiting = deque(outbox.due(connection, now, clients))
    while waiting:
        message = waiting.popleft()
        route = _route_of(project, message.client, message.route)
        with project.warehouse.open() as connection, transaction(connection):
            is_ours = outbox.mark_sending(connection, message, datetime.now(UTC))
            head = _head(connection, message, route)
        if not is_ours:  # another process sends it
            continue
        reach("sending")
        sent = _send(project, message, route, head)
        reach("sent")
        with project.warehouse.open() as connection, transaction(connection):
            now = datetime.now(UTC)
            state = outbox.mark(connection, message.key, sent, now)
            handed = _hand_over(project, connection, message, now)
            reach("marked")
        waiting.extend(handed)
        deliveries.append(_delivery(message, state, sent.error, handed))
    return deliveries


def _give_up(
    project: Project,
    connection: duckdb.DuckDBPyConnection,
    now: datetime,
    clients: Sequence[str],
) -> list[tuple[outbox.Outgoing, list[outbox.Outgoing]]]:
    """The messages that their senders died of too often, and what goes to a fallback instead."""
    given_up = outbox.give_up(connection, now, clients)
    return [(one, _hand_over(project, connection, one, now)) for one in given_up]


def _hand_over(
    project: Project,
    connection: duckdb.DuckDBPyConnection,
    message: outbox.Outgoing,
    now: datetime,
) -> list[outbox.Outgoing]:
    """Queue for the route's fallback what will not be tried any more."""
    route = _route_of(project, message.client, message.route)
    if not isinstance(route, Route) or route.fallback is None:
        return []
    to = _route_of(project, message.client, route.fallback)
    if not isinstance(to, Route):
        return []
    return outbox.hand_over(connection, message.key, to.name, to.channels, now)


def _delivery(
    message: outbox.Outgoing, state: str, error: str, handed: Sequence[outbox.Outgoing]
) -> Delivery:
    handed_to = handed[0].route if handed else ""
    told = Delivery(message.client, message.route, message.channel, state, error, handed_to)
    log.info("%s", told.in_words())
    return told


def _route_of(project: Project, client: str, name: str) -> Route | str:
    """The route, or in words what became of it."""
    found = next((one for one in project.settings.clients if one.slug == client), None)
    if found is None:
        return f"the client {client} is no longer configured"
    return found.routes.get(name) or f"the route {name} is no longer configured"


def _head(
    connection: duckdb.DuckDBPyConnection, message: outbox.Outgoing, route: Route | str
) -> outbox.ThreadHead | None:
    if isinstance(route, str) or route.bot is None:
        return None
    return outbox.thread_head(connection, message, route.bot.channel)


def _send(
    project: Project,
    message: outbox.Outgoing,
    route: Route | str,
    head: outbox.ThreadHead | None = None,
) -> Sent:
    if isinstance(route, str):
        return Sent("failed", route)
    if message.channel not in route.channels:
        return Sent("failed", f"the route {route.name} has no {message.channel} any more")
    try:
        if isinstance(message.message, SlackMessage):
            return _to_slack(route, message, message.message, head)
        if project.settings.smtp is None:
            return Sent("retry", "koers.yaml has no smtp: say which mail server to use")
        from connectors.smtp import send_mail

        recipients = message.only or route.email
        return send_mail(
            mail_server(project.settings.smtp), message.message, recipients, message.key
        )
    except ConfigError as error:  # a secret that is not there today may be there tomorrow
        return Sent("retry", str(error))


def _to_slack(
    route: Route, message: outbox.Outgoing, said: SlackMessage, head: outbox.ThreadHead | None
) -> Sent:
    if route.bot is not None:
        from connectors.slack_bot import ENDPOINT, Bot, Head, post_to_slack

        bot = Bot(route.bot.token.resolve(), route.bot.channel, route.bot.endpoint or ENDPOINT)
        return post_to_slack(
            bot,
            _without_old_note(said, head),
            Head(head.ts, head.message) if head else None,
            message.key,
            message.queued_at if message.may_be_repeat else None,
        )
    from connectors.slack import send_slack

    assert isinstance(route.slack, SecretRef)
    return send_slack(route.slack.resolve(), said)


def _without_old_note(message: SlackMessage, head: outbox.ThreadHead | None) -> SlackMessage:
    """Where things stand is told by what came later, if that went first."""
    return replace(message, head_note="") if head is not None and head.is_ahead else message


def mail_server(smtp: Smtp) -> SmtpServer:
    """The mail server with its secrets looked up. Raises ConfigError for one that is not there."""
    from connectors.smtp import SmtpServer

    user = smtp.username
    return SmtpServer(
        host=smtp.host,
        port=smtp.port,
        sender=smtp.from_,
        username=user.get_secret_value() if isinstance(user, SecretRef) else user,
        password=smtp.password.resolve() if smtp.password else None,
        starttls=smtp.starttls,
        ca_file=smtp.ca_file,
    )


# --- looking before sending -------------------------------------------------------------------


@dataclass(frozen=True)
class Preview:
    """A message as it would be sent now. ``to`` names no secret."""

    client: str
    route: str
    channel: str
    to: tuple[str, ...]
    may_be_repeat: bool
    words: str
    payload: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def in_words(self) -> str:
        again = ", perhaps once more" if self.may_be_repeat else ""
        to = ", ".join(self.to)
        head = f"--- to {self.route} ({self.channel}: {to}) for {self.client}{again}"
        return f"{head}\n{self.words.rstrip()}\n"


def preview_messages(
    project: Project, clients: Sequence[str] = (), *, again: bool = False
) -> list[Preview]:
    """What `send_messages` would send now; nothing is sent and nothing is marked."""
    previews = []
    begun: set[tuple[str, str, str]] = set()  # threads that a message before it will have begun
    with project.warehouse.open() as connection:
        now = datetime.now(UTC)
        connection.execute("begin")
        try:
            if again:
                outbox.try_again(connection, now, clients)
            _give_up(project, connection, now, clients)
            for message in outbox.due(connection, now, clients):
                route = _route_of(project, message.client, message.route)
                head, is_reply = _head(connection, message, route), False
                if isinstance(message.message, SlackMessage):
                    said = _without_old_note(message.message, head)
                    message = replace(message, message=said)
                    place = (message.client, message.route, said.thread)
                    is_reply = head is not None or place in begun
                    begun |= {place} if said.thread else set()
                previews.append(_preview(message, route, is_reply=is_reply))
        finally:
            connection.execute("rollback")
    return previews


def _preview(message: outbox.Outgoing, route: Route | str, *, is_reply: bool) -> Preview:
    to: tuple[str, ...]
    payload: dict[str, Any]
    if isinstance(route, str):
        to = (f"nobody, {route}",)
    elif message.channel == "email":
        to = message.only or route.email
    elif route.bot is not None:
        where = "a new message"
        if is_reply and isinstance(message.message, SlackMessage):
            shown = message.message.to_channel
            where = "in the thread and in the channel" if shown else "in the thread alone"
        to = (route.bot.channel, where)
    else:
        to = (str(route.slack),)
    said = message.message
    is_bot = not isinstance(route, str) and route.bot is not None
    if isinstance(said, SlackMessage):
        payload = {"text": said.text, "blocks": list(said.blocks)}
        words = _words_of(said)
        if is_bot and is_reply:
            payload |= {"reply_broadcast": said.to_channel, "head_note": said.head_note}
            if said.head_note:
                words += f"\n\n[on top of the thread] {html.unescape(said.head_note)}"
        if is_bot and said.pictures:
            payload["pictures"] = [
                {"name": one.name, "title": one.title, "alt": one.alt} for one in said.pictures
            ]
            payload["legend"] = said.legend
            words += "".join(f"\n\n[picture] {one.title}: {one.alt}" for one in said.pictures)
    else:
        payload = {"subject": said.subject, "text": said.text, "html": said.html}
        words = f"{said.subject}\n\n{said.text}"
        if said.pictures:
            payload["pictures"] = [name for name, _ in said.pictures]
    return Preview(
        message.client, message.route, message.channel, to, message.may_be_repeat, words, payload
    )


def _words_of(message: SlackMessage) -> str:
    """The text of the blocks, as a reader sees it but for bold and links."""
    rows = []
    for block in message.blocks:
        texts = [block.get("text"), *block.get("fields", ()), *block.get("elements", ())]
        rows += [text["text"] for text in texts if isinstance(text, dict) and "text" in text]
    return html.unescape("\n\n".join(rows) if rows else message.text)


# --- trying a route ---------------------------------------------------------------------------

_TEST = {
    "en": (
        "Koers: test of the route “{route}”",
        "This is a test. Messages about {client} over the route “{route}” arrive here. "
        "It says nothing about any goal, and you need not do anything.",
    ),
    "nl": (
        "Koers: proef van de route “{route}”",
        "Dit is een proef. Berichten over {client} via de route “{route}” komen hier aan. "
        "Het zegt niets over een doel, en je hoeft niets te doen.",
    ),
}


def send_test(project: Project, route_name: str, clients: Sequence[str]) -> list[Delivery]:
    """Send a message that says it is a test over a route, once for each place it leads to.

    The outbox and what the route was told stay as they are. Raises ConfigError
    when none of these clients has such a route.
    """
    chosen = [client for client in project.settings.clients if client.slug in clients]
    deliveries = []
    seen: list[Route] = []
    for client in chosen:
        route = client.routes.get(route_name)
        if route is None or route in seen:  # a shared route leads to one place
            continue
        seen.append(route)
        locale = route.locale or client.locale
        subject, text = (
            told.format(route=route_name, client=client.name) for told in _TEST[locale]
        )
        for channel in route.channels:
            message = outbox.Outgoing(
                f"test-{uuid.uuid4().hex}",
                client.slug,
                route_name,
                channel,
                _test_message(channel, subject, text, locale, route.unsubscribe or ""),
                datetime.now(UTC).date(),
                locale,
            )
            sent = _send(project, message, route)
            deliveries.append(Delivery(client.slug, route_name, channel, sent.state, sent.error))
    if not seen:
        from flows.literals import suggest

        known = sorted({name for client in chosen for name in client.routes})
        nothing = "" if known else "there are no routes; add them to koers.yaml"
        hint = suggest(route_name, known, nothing)
        raise ConfigError(f'there is no route "{route_name}"; {hint}')
    return deliveries


def _test_message(
    channel: Channel, subject: str, text: str, locale: str, unsubscribe: str
) -> SlackMessage | MailMessage:
    if channel == "slack":
        heading = {"type": "plain_text", "text": subject[:150]}
        body = {"type": "plain_text", "text": text[:3_000]}
        blocks = [{"type": "header", "text": heading}, {"type": "section", "text": body}]
        return SlackMessage(html.escape(subject, quote=False), blocks)
    page = (
        f'<!DOCTYPE html><html lang="{locale}"><body style="font-family:sans-serif">'
        f"<p>{html.escape(text)}</p></body></html>"
    )
    return MailMessage(subject, f"{text}\n", page, language=locale, unsubscribe=unsubscribe)
