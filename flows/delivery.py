"""Send what waits in the outbox."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connectors.base import Sent, SlackMessage
from flows.alerts import outbox
from flows.killpoints import reach
from flows.project import Project
from flows.settings import ConfigError, SecretRef, Smtp
from flows.warehouse import transaction

if TYPE_CHECKING:
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

    def as_dict(self) -> dict[str, str]:
        return asdict(self)

    def in_words(self) -> str:
        told = f"message to {self.route} ({self.channel}) for {self.client}: {self.state}"
        return f"{told}, {self.error}" if self.error else told


def send_messages(project: Project, clients: Sequence[str] = ()) -> list[Delivery]:
    """Send what waits in the outbox; each message is marked before and after by itself.

    The warehouse is free while a message is on its way.
    """
    with project.warehouse.open() as connection:
        waiting = outbox.due(connection, datetime.now(UTC), clients)
    deliveries = []
    for message in waiting:
        with project.warehouse.open() as connection, transaction(connection):
            outbox.mark_sending(connection, message.key, datetime.now(UTC))
        reach("sending")
        sent = _send(project, message)
        reach("sent")
        with project.warehouse.open() as connection, transaction(connection):
            state = outbox.mark(connection, message.key, sent, datetime.now(UTC))
        deliveries.append(
            Delivery(message.client, message.route, message.channel, state, sent.error)
        )
        log.info("%s", deliveries[-1].in_words())
    return deliveries


def _send(project: Project, message: outbox.Outgoing) -> Sent:
    from connectors.slack import send_slack
    from connectors.smtp import send_mail

    clients = {client.slug: client for client in project.settings.clients}
    if message.client not in clients:
        return Sent("failed", f"the client {message.client} is no longer configured")
    route = clients[message.client].routes.get(message.route)
    if route is None:
        return Sent("failed", f"the route {message.route} is no longer configured")
    try:
        if isinstance(message.message, SlackMessage):
            if not isinstance(route.slack, SecretRef):
                return Sent("failed", f"the route {message.route} has no Slack webhook any more")
            return send_slack(route.slack.resolve(), message.message)
        if project.settings.smtp is None:
            return Sent("retry", "koers.yaml has no smtp: say which mail server to use")
        recipients = message.only or route.email
        return send_mail(
            _mail_server(project.settings.smtp), message.message, recipients, message.key
        )
    except ConfigError as error:  # a secret that is not there today may be there tomorrow
        return Sent("retry", str(error))


def _mail_server(smtp: Smtp) -> SmtpServer:
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
