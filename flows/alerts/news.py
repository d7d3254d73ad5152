"""From the views of a run to messages: who is told what, and what they know after it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

import duckdb

from connectors.base import MailMessage, SlackMessage
from flows.alerts import outbox
from flows.alerts.digest import Digest
from flows.alerts.machine import (
    Advance,
    Hearing,
    State,
    Subject,
    advance,
    hearings,
    is_due,
    is_quiet,
    news_of,
    told_trouble,
)
from flows.alerts.state import RouteState, load_states, save_state
from flows.holiday_days import holiday_days
from flows.report.dress import Dress
from flows.report.model import ClientView
from flows.settings import Channel, Client, Route, Settings
from flows.targets.evaluation import Evaluation

if TYPE_CHECKING:
    from flows.report.digest_charts import DigestCharts


@dataclass(frozen=True)
class Listener:
    """A route on a morning on which it can be told something."""

    client: Client
    hearing: Hearing
    known: RouteState

    @property
    def is_summary(self) -> bool:
        return self.hearing.route.digest != "daily"


@dataclass(frozen=True)
class News:
    """What one route is told on a morning, and what it knows afterwards."""

    client: str
    route: str
    as_of: date
    digest: Digest | None
    state: State


@dataclass(frozen=True)
class Audience:
    """All that were told anything before this morning, and who can be told something now."""

    as_of: date
    states: Mapping[tuple[str, str], RouteState]
    listeners: tuple[Listener, ...]
    holidays: Mapping[str, frozenset[date]]  # by client, of this day alone

    def closing(self) -> dict[tuple[str, str], frozenset[date]]:
        """By client and target the occurrences that ran when a route was told of them.

        That one of them ended well or not is told once that is final.
        """
        found: dict[tuple[str, str], set[date]] = {}
        for one in self.listeners:
            for subject in one.known.state:
                if subject.occurrence is not None and not subject.segment:
                    key = (one.client.slug, subject.target_id)
                    found.setdefault(key, set()).add(subject.occurrence)
        return {key: frozenset(days) for key, days in found.items()}

    def hears_of(self, total: Evaluation) -> bool:
        """Whether some route will be told of a total, so that it has to be explained."""
        return any(one.client.slug == total.client and _hears(one, total) for one in self.listeners)

    def news(self, views: Iterable[ClientView], report_links: Mapping[str, str]) -> list[News]:
        """Per client and route what is told; escalations come after what they rest on."""
        of_client = {view.client.slug: view for view in views}
        told: list[News] = []
        now = {key: known.state for key, known in self.states.items()}
        for one in sorted(self.listeners, key=lambda one: bool(one.hearing.escalated)):
            slug, name = one.client.slug, one.hearing.route.name
            found = self._advance(one, of_client[slug], now, report_links.get(slug))
            if found is None:
                continue
            now[slug, name] = found.state
            if found.digest is not None or RouteState(found.state, self.as_of) != one.known:
                told.append(News(slug, name, self.as_of, found.digest, found.state))
        return sorted(told, key=lambda one: (one.client, one.route))

    def _advance(
        self,
        one: Listener,
        view: ClientView,
        now: Mapping[tuple[str, str], State],
        report_link: str | None,
    ) -> Advance | None:
        slug, hearing = one.client.slug, one.hearing
        if hearing.escalated:
            states = {name: state for (client, name), state in now.items() if client == slug}
            trouble = told_trouble(states, one.client)
            first = {target_id: trouble.get(target_id) for target_id in hearing.escalated}
            hearing = replace(hearing, escalated=first)
        holidays = self.holidays.get(slug, frozenset())
        return advance(view, hearing, one.known.state, one.known.last_on, holidays, report_link)


def audience(
    connection: duckdb.DuckDBPyConnection, clients: Sequence[Client], as_of: date
) -> Audience:
    """Who is told something as of a day; nobody who was told of a later one."""
    states = load_states(connection, [client.slug for client in clients])
    holidays = {
        client.slug: holiday_days(client.holidays, as_of, as_of)
        for client in clients
        if any("holidays" in route.quiet for route in client.routes.values())
    }
    listeners = []
    for client in clients:
        for name, hearing in hearings(client).items():
            known = states.get((client.slug, name), RouteState())
            if known.last_on is not None and as_of < known.last_on:
                continue
            free = holidays.get(client.slug, frozenset())
            if is_quiet(hearing.route, as_of, free):
                continue
            if is_due(hearing.route.digest, known.last_on, as_of):
                listeners.append(Listener(client, hearing, known))
    return Audience(as_of, states, tuple(listeners), holidays)


def nobody(as_of: date) -> Audience:
    """For a run that tells nobody anything."""
    return Audience(as_of, {}, (), {})


def _hears(one: Listener, total: Evaluation) -> bool:
    if total.target_id in one.hearing.escalated:
        return total.status not in ("on_track", "at_risk")
    if total.target_id not in one.hearing.targets:
        return False
    target = next(t for t in one.client.targets if t.id == total.target_id)
    occurrence = total.period_start if target.period.every else None
    known = one.known.state.get(Subject(target.id, "", occurrence))
    if known is None or one.is_summary:
        return True
    return news_of(total, target, one.hearing, known, one.is_summary) is not None


# --- messages ---------------------------------------------------------------------------------


def rendered(
    digest: Digest,
    dress: Dress = Dress(),  # noqa: B008 (frozen)
) -> list[outbox.Outgoing]:
    """A digest as a message for each channel that its route has; a mail in the agency's dress.

    What only a fallback has is rendered beside it. Charts are drawn for who can
    show them, a mail and a bot, and not for a fallback that is seldom needed: it
    has those that were drawn anyway.
    """
    from flows.report.digest_charts import draw_charts

    routes = digest.client.routes
    route = routes[digest.route]
    charts = draw_charts(digest) if route.email or route.bot else {}
    fallback = routes.get(route.fallback or "")
    alternates = tuple(
        _message(digest, fallback, of, dress, charts)
        for of in (fallback.channels if fallback else ())
        if fallback and of not in route.channels
    )
    return [
        outbox.Outgoing(
            outbox.message_key(digest.key, channel),
            digest.client.slug,
            digest.route,
            channel,
            _message(digest, route, channel, dress, charts),
            digest.as_of,
            digest.locale,
            alternates=alternates,
        )
        for channel in route.channels
    ]


def _message(
    digest: Digest, to: Route, channel: Channel, dress: Dress, charts: DigestCharts
) -> SlackMessage | MailMessage:
    """What a digest says over one channel of a route."""
    if channel == "email":
        from flows.report.mail_message import render_mail

        # the footer is about the route that the reader is on, also as a fallback
        return render_mail(replace(digest, route=to.name), dress, charts)
    from flows.report.slack_blocks import render_slack, render_slack_bot

    return render_slack_bot(digest, charts) if to.bot else render_slack(digest)


def tell(
    connection: duckdb.DuckDBPyConnection,
    news: Collection[News],
    messages: Sequence[outbox.Outgoing],
    now: datetime,
) -> None:
    """Put the messages in the outbox and write down what each route knows.

    The caller holds the transaction, that of the evaluations.
    """
    outbox.enqueue(connection, messages, now)
    for one in news:
        save_state(connection, one.client, one.route, one.state, one.as_of, now)


def report_links(settings: Settings, clients: Iterable[str]) -> dict[str, str]:
    """By client where its report is: on the web when it is served there, else on the disk."""
    folder = settings.report_url or str(settings.report_dir)
    return {slug: f"{folder}/{slug}.html" for slug in clients}
