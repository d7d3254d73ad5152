"""The overview of the agency: every client, and above all what wants attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flows.report import formats, outlook, page, words
from flows.report.ad_figure import AdFigure, AdTotal, AgencyFigures
from flows.report.dress import Dress
from flows.report.formats import Language
from flows.report.model import ClientView, TargetView
from flows.report.page import Badge, Count

# More than a reader takes in at once; each client's page has all of its own.
MOST_GOALS = 30


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
class AdRow:
    """What ads cost and brought in: of a client, or of all of them."""

    name: str
    link: str
    platform: str
    cost: str
    value: str
    roas: str
    notes: list[str]
    is_total: bool = False


@dataclass(frozen=True)
class LateRow:
    client: str
    source: str
    account: str
    status: Badge
    notes: list[str]


def render_overview(
    views: Sequence[ClientView],
    agency: AgencyFigures,
    language: Language,
    dress: Dress,
    zone: str,
) -> str:
    """One self-contained page over all clients, in the agency's language and currency.

    It links to the pages of the clients, which are beside it. ``zone`` is the
    time zone of the moment in its footer. At least one view.
    """
    ordered = sorted(views, key=lambda view: (view.client.name.casefold(), view.client.slug))
    troubled = [
        (view, one)
        for view in ordered
        for one in view.targets
        if words.TONE[one.total.status] in words.TROUBLED
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
        ads=_ads(ordered, agency, language),
        ads_lead=_ads_lead(agency, language),
        ads_apart=_ads_apart(ordered, agency, language),
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


def _ads(views: Sequence[ClientView], agency: AgencyFigures, language: Language) -> list[AdRow]:
    """A row for each client and platform, then the totals that there are."""
    platforms = {one.source for one in agency.figures}
    rows = []
    for view in views:
        for one in agency.figures:
            if one.client == view.client.slug:
                rows.append(_ad_row(view, one, agency, language, len(platforms) > 1))
    names = {view.client.slug: formats.name(view.client.name) for view in views}
    rows += [_total_row(one, names, agency, language) for one in agency.totals()]
    return rows


def _ad_row(
    view: ClientView, one: AdFigure, agency: AgencyFigures, language: Language, tells: bool
) -> AdRow:
    kpi, into = agency.kpi, agency.currency or ""
    notes = []
    if not one.has_data:
        notes.append(words.say("why_no_data", language))
    for foreign, days in (one.without_rate or {}).items():
        when = formats.day_ranges(days, language)
        notes.append(words.say("ads_no_rate", language, foreign=foreign, currency=into, days=when))
    if one.converted_from:
        foreign = words.listing(list(one.converted_from), language)
        notes.append(words.say("figure_converted", language, foreign=foreign, currency=into))
    if one.share_in is not None and one.share_in < 0.995 and kpi is not None:
        share = formats.percentage(one.share_in, language, digits=0)
        late = kpi.numerator.get(language, "")
        notes.append(words.say("figure_share", language, share=share, late=late))
    if one.missing:
        notes.append(words.say("figure_missing", language, n=one.missing))
    if one.absent and one.has_data:  # else all that there is to say is said
        accounts = words.listing([page.account_name(state) for state in one.absent], language)
        notes.append(words.say("ads_absent", language, accounts=accounts))
    return AdRow(
        name=formats.name(view.client.name),
        link=f"{view.client.slug}.html",
        platform=words.source(one.source) if tells else "",
        cost=formats.quantity(one.cost, "money", language, one.currency_code),
        value=formats.quantity(one.value, "money", language, one.currency_code),
        roas=formats.quantity(one.roas, "ratio", language, None),
        notes=[words.capital(note.rstrip(".")) + "." for note in notes],
    )


def _total_row(
    total: AdTotal, names: dict[str, str], agency: AgencyFigures, language: Language
) -> AdRow:
    notes = []
    if total.without:
        left_out = words.listing([names[slug] for slug in total.without], language)
        notes.append(words.say("ads_without", language, clients=left_out))
    return AdRow(
        name=words.say("ads_total", language),
        link="",
        platform=words.source(total.source) if len({o.source for o in agency.figures}) > 1 else "",
        cost=formats.quantity(total.cost, "money", language, agency.currency),
        value=formats.quantity(total.value, "money", language, agency.currency),
        roas=formats.quantity(total.roas, "ratio", language, None),
        notes=notes,
        is_total=True,
    )


def _ads_lead(agency: AgencyFigures, language: Language) -> str:
    """Which days, in which currency, and by which rates."""
    if agency.first is None or agency.last is None:
        return ""
    days = formats.span(agency.first, agency.last, language)
    told = [words.say("ads_lead", language, days=days)]
    if agency.currency is not None:
        told[0] = words.say("ads_lead_in", language, days=days, currency=agency.currency)
    if any(one.converted_from for one in agency.figures):
        told.append(words.say("ads_rates", language))
    told.append(words.say("ads_platform", language))
    return " ".join(told)


def _ads_apart(views: Sequence[ClientView], agency: AgencyFigures, language: Language) -> str:
    """Why nothing is added up over clients where something might be expected."""
    if len({one.client for one in agency.figures if one.has_data}) < 2:
        return ""
    if agency.currency is None:
        found = sorted({view.client.currency for view in views})
        told = words.listing(found, language)
        return words.say("ads_no_currency", language, currencies=told)
    lacking = {one.client for one in agency.unconverted}
    if not lacking:
        return ""
    names = [formats.name(v.client.name) for v in views if v.client.slug in lacking]
    return words.say(
        "ads_no_total",
        language,
        clients=words.listing(names, language),
        currency=agency.currency,
    )


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
