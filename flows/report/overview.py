"""The overview of the agency: every client, and above all what wants attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flows.report import formats, outlook, page, words
from flows.report.dress import Dress
from flows.report.formats import Language
from flows.report.model import ClientView, TargetView
from flows.report.page import Badge, Count

# More than a reader takes in at once; each client's page has all of its own.
MOST_GOALS = 30
_TROUBLED = ("bad", "warn", "unknown")


@dataclass(frozen=True)
class GoalRow:
    """A goal that wants attention."""

    client: str
    link: str
    specific: str
    kpi: str
    status: Badge
    odds: str
    value: str
    goal: str
    step: str
    owner: str
    flag: str
    is_overdue: bool
    muted: str


@dataclass(frozen=True)
class ClientRow:
    name: str
    link: str
    headline: str
    counts: list[Count]
    data: Badge
    through: str
    overdue: str


@dataclass(frozen=True)
class LateRow:
    client: str
    source: str
    account: str
    status: Badge
    notes: list[str]


def render_overview(
    views: Sequence[ClientView], language: Language, dress: Dress, zone: str
) -> str:
    """One self-contained page over all clients, in the agency's language.

    It links to the pages of the clients, which are beside it. ``zone`` is the
    time zone of the moment in its footer. At least one view.
    """
    ordered = sorted(views, key=lambda view: (view.client.name.casefold(), view.client.slug))
    troubled = [
        (view, one)
        for view in ordered
        for one in view.targets
        if words.TONE[one.total.status] in _TROUBLED
    ]
    troubled.sort(key=lambda pair: _place(pair[1]))
    totals = [one.total for view in ordered for one in view.targets]
    more = len(troubled) - MOST_GOALS
    as_of = views[0].as_of
    return page.render(
        "overview.html.j2",
        language,
        dress,
        title=words.say("overview_title", language, day=formats.day(as_of, language)),
        as_of=words.say("as_of", language, day=formats.weekday(as_of, language)),
        headline=_headline(len(troubled), len(totals), language),
        counts=page.counts(totals, language),
        goals=[_goal(view, one, language) for view, one in troubled[:MOST_GOALS]],
        more=words.say("attention_more", language, n=more) if more > 0 else "",
        clients=[_client(view, language) for view in ordered],
        late=_late(ordered, language),
        footer=page.footer(views[0].generated_at, zone, dress, language),
    )


def _place(one: TargetView) -> tuple[int, float, str]:
    """What is worst comes first, and of those the least likely to be made."""
    odds = one.total.probability
    known = odds if odds is not None and outlook.has_odds(one.total, one.target) else 1.0
    return words.URGENCY[one.total.status], known, one.target.id


def _headline(troubled: int, total: int, language: Language) -> str:
    if not total:
        return words.say("headline_empty", language)
    if not troubled:
        return words.say("overview_fine", language, n=total)
    return words.say("overview_head", language, n=troubled, total=total)


def _goal(view: ClientView, one: TargetView, language: Language) -> GoalRow:
    total, target = one.total, one.target
    currency = total.currency_code or target.goal.currency or view.client.currency
    step = page.next_step(one)
    state, flag = page.step_flag(step, view.as_of, language) if step else ("", "")
    if step is not None and not flag and step.due is not None:
        flag = words.say("due", language, day=formats.day(step.due, language))
    return GoalRow(
        client=formats.name(view.client.name),
        link=f"{view.client.slug}.html#{page.anchor(target)}",
        specific=formats.name(target.specific, 160),
        kpi=words.kpi_label(one.kpi, language),
        status=page.badge(total.status, language),
        odds=outlook.odds_short(total, target, language),
        value=words.value(total, one.kpi, language, currency),
        goal=words.capital(words.goal(target.goal, one.kpi, language, currency)),
        step=formats.name(step.do, 120) if step else words.say("no_step", language),
        owner=words.person(step.owner) if step else "",
        flag=flag,
        is_overdue=state == "overdue",
        muted=page.muted(one, language),
    )


def _client(view: ClientView, language: Language) -> ClientRow:
    totals = [one.total for one in view.targets]
    overdue = sum(
        page.step_flag(step, view.as_of, language)[0] == "overdue"
        for one in view.targets
        for step in one.target.plan
    )
    known = [state.through for state in view.sources if state.through is not None]
    return ClientRow(
        name=formats.name(view.client.name),
        link=f"{view.client.slug}.html",
        headline=page.headline(totals, language),
        counts=page.counts(totals, language),
        data=_data(view, language),
        through=formats.short_day(max(known), language) if known else "",
        overdue=words.say("steps_overdue", language, n=overdue) if overdue else "",
    )


def _data(view: ClientView, language: Language) -> Badge:
    """How the data of a client stands: as its worst account does."""
    statuses = [page.source_status(state, language) for state in view.sources]
    if not statuses:
        return Badge(words.say("no_sources_short", language), "?", "unknown")
    worst = min(statuses, key=lambda one: ("bad", "warn", "good").index(one.tone))
    if worst.tone == "good":
        word = worst.word
    else:
        n = sum(one.tone != "good" for one in statuses)
        word = words.say("accounts_troubled", language, n=n)
    return Badge(words.capital(word), worst.symbol, worst.tone)


def _late(views: Sequence[ClientView], language: Language) -> list[LateRow]:
    rows = []
    for view in views:
        for state in view.sources:
            status = page.source_status(state, language)
            if status.tone == "good":
                continue
            notes = page.problem_notes(state, language)
            if state.missing_days:
                told = formats.day_ranges(state.missing_days, language)
                notes.append(f"{words.say('col_missing', language)}: {told}")
            if state.through is not None:
                day = formats.short_day(state.through, language)
                notes.append(words.capital(words.say("data_through", language, day=day)))
            rows.append(
                LateRow(
                    formats.name(view.client.name),
                    words.source(state.source),
                    page.account_name(state),
                    Badge(words.capital(status.word), status.symbol, status.tone),
                    notes,
                )
            )
    return rows
