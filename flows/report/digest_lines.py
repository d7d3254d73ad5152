"""What a digest says of a goal, in words; Slack and mail only lay it out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from flows.alerts.digest import Digest, DigestItem
from flows.report import formats, outlook, words
from flows.report.formats import Language
from flows.report.page import (
    Badge,
    account_name,
    cause_sentences,
    gap,
    gap_size,
    guilty_sentence,
    headline,
    next_step,
    outlook_sentences,
    segment_name,
    source_status,
    step_flag,
)

# The opening, three causes, and what the others did together.
_MOST_CAUSES = 5
_WORSE_BEFORE = {"off_track", "missed", "at_risk", "no_data", "stale"}


@dataclass(frozen=True)
class Line:
    """One goal, or one segment of it; nothing in it is escaped yet."""

    title: str
    status: str
    symbol: str
    word: str
    tone: str
    change: str  # "was on track, new, recovered"
    since: str  # "since 24 October", of a status that has not changed
    reason: str
    figures: str  # value, goal, expectation, gap: for a row that has no sentences
    basis: str  # which days, how much data
    ahead: str  # what it takes from here, the odds, where it will end
    causes: tuple[str, ...]  # what moved it, the opening first
    pending: str  # what the status is about to become
    data: str  # how much of the figure is still to arrive
    step: str
    step_flag: str
    is_overdue: bool


@dataclass(frozen=True)
class AccountLine:
    source: str
    name: str
    status: Badge
    problem: str


def ordered(items: tuple[DigestItem, ...]) -> list[DigestItem]:
    """What wants attention first; among equals the order of the configuration."""
    return sorted(items, key=lambda item: words.URGENCY[item.evaluation.status])


def line(item: DigestItem, digest: Digest) -> Line:
    language = digest.locale
    view, told = item.view, item.evaluation
    target, kpi = view.target, view.kpi
    currency = told.currency_code or target.goal.currency or digest.client.currency
    title = formats.name(target.specific, 140)
    is_total = told.segment == ""
    if not is_total:
        title = f"{title} – {segment_name(told)}"
    reason = words.reason(told, target, kpi, language, currency)
    if is_total and (guilty := guilty_sentence(view, language)):
        reason += f" {guilty}"
    causes: tuple[str, ...] = ()
    if is_total and words.TONE[told.status] in ("bad", "warn"):
        causes = tuple(cause_sentences(view, language, currency)[:_MOST_CAUSES])
    step, flag, is_overdue = "", "", False
    if (todo := next_step(view)) is not None and is_total:
        state, flag = step_flag(todo, digest.as_of, language)
        is_overdue = state == "overdue"
        when = (
            words.say("due", language, day=formats.day(todo.due, language))
            if todo.due
            else words.say("no_due", language)
        )
        do = formats.name(todo.do, 160)
        step = words.say("next_step", language, do=do)
        step += f" ({words.person(todo.owner)}, {when})"
    return Line(
        title=title,
        status=told.status,
        symbol=words.SYMBOL[told.status],
        word=words.status(told.status, language),
        tone=words.TONE[told.status],
        change=_change(item, digest),
        since=_unchanged_since(item, digest),
        reason=reason,
        figures=_figures(item, language, currency),
        basis=_basis(item, language, currency),
        ahead=" ".join(outlook_sentences(view, told, language, currency)),
        causes=causes,
        pending=outlook.pending(told, target, language),
        data=outlook.completeness(told, kpi, language, currency),
        step=step,
        step_flag=flag,
        is_overdue=is_overdue,
    )


def _figures(item: DigestItem, language: Language, currency: str | None) -> str:
    view, told = item.view, item.evaluation
    target, kpi = view.target, view.kpi
    if words.judged(told) is None:
        return ""
    figures = [
        words.say(
            "line_value",
            language,
            value=words.value(told, kpi, language, currency),
            goal=words.goal(target.goal, kpi, language, currency),
        )
    ]
    if words.due(told) not in (None, told.goal):
        expected = words.expected(told, kpi, language, currency)
        figures.append(words.say("line_expected", language, expected=expected))
    if gap(view, told) > 0 and words.TONE[told.status] in ("bad", "warn"):
        figures.append(
            words.say("line_gap", language, gap=gap_size(view, told, language, currency))
        )
    if odds := outlook.odds_short(told, target, language):
        figures.append(odds)
    return " · ".join(figures)


def _basis(item: DigestItem, language: Language, currency: str | None) -> str:
    """Over which days and from how much; with the value where the reason does not tell it."""
    view, told = item.view, item.evaluation
    parts = []
    if words.judged(told) is not None:
        if told.reason.startswith("segments_"):
            value = words.value(told, view.kpi, language, currency)
            parts.append(words.say("all_together", language, value=value))
        parts.append(words.measured(view.target, told, language))
        series = view.series if told.segment == "" else None
        if volume := words.volume(view.target, told, view.kpi, language, series):
            parts.append(words.say("line_volume", language, volume=volume))
    return " · ".join(part for part in parts if part)


def greeting(digest: Digest) -> str:
    """What this message is, in one or two sentences."""
    client = formats.name(digest.client.name)
    if digest.is_first:
        return words.say("hello_first", digest.locale, client=client)
    if not digest.changed:
        return words.say("hello_unchanged", digest.locale)
    return words.say("hello_changed", digest.locale, n=len(digest.changed))


def summary(digest: Digest) -> str:
    """How many goals are on course; the totals only."""
    totals = {item.view.target.id: item.view.total for item in (*digest.changed, *digest.unchanged)}
    return headline(list(totals.values()), digest.locale)


def subject(digest: Digest) -> str:
    """The subject of a mail and the first line of a notification; one line."""
    language, client = digest.locale, formats.name(digest.client.name)
    day = formats.day(digest.as_of, language)
    items = ordered(digest.changed)
    if digest.is_first:
        told = words.say("subject_first", language, client=client, n=len(items), day=day)
    elif not items:
        told = words.say("subject_unchanged", language, client=client, day=day)
    elif len(items) == 1:
        one = items[0]
        told = words.say(
            "subject_one",
            language,
            client=client,
            target=formats.name(one.view.target.specific, 70),
            status=words.status(one.evaluation.status, language),
        )
    else:
        counted: dict[str, int] = {}
        for item in items:
            status = item.evaluation.status
            counted[status] = counted.get(status, 0) + 1
        parts = [f"{n} {words.status(status, language)}" for status, n in counted.items()]
        told = words.say("subject_more", language, client=client, told=", ".join(parts))
    return formats.name(told, 140)


def troubled_accounts(digest: Digest) -> list[AccountLine]:
    """The accounts whose data is late, failed or has holes."""
    found = []
    for state in digest.sources:
        status = source_status(state, digest.locale)
        if status.tone != "good":
            problem = formats.problem_text(state.problem) if state.problem else ""
            if state.missing_days and not state.problem:
                problem = formats.day_ranges(state.missing_days, digest.locale)
            found.append(
                AccountLine(words.source(state.source), account_name(state, 60), status, problem)
            )
    return found


def data_line(digest: Digest) -> str:
    """Through which day all data is in; empty when some of it is not."""
    through = [state.through for state in digest.sources if state.through is not None]
    if not through or troubled_accounts(digest):
        return ""
    return words.say("data_fine", digest.locale, day=formats.day(min(through), digest.locale))


def season_line(digest: Digest) -> str:
    """That the season is not counted in, where odds are told that it could change."""
    for item in (*digest.changed, *digest.unchanged):
        told = item.evaluation
        if outlook.has_odds(told, item.view.target) and told.details.get("season") == "unknown":
            return words.say("season_unknown_all", digest.locale)
    return ""


def web_link(digest: Digest) -> str:
    """The report's address when it is one that a reader can follow; else empty."""
    link = digest.report_link or ""
    return link if link.startswith(("https://", "http://")) else ""


def _change(item: DigestItem, digest: Digest) -> str:
    language = digest.locale
    if digest.is_first:
        return ""
    if item.was is None:
        return words.say("is_new", language)
    if item.was == item.evaluation.status:
        return ""
    told = words.status(item.was, language)
    since = _since(item, item.was)
    was = words.say("was", language, status=told)
    if since is not None:
        day = formats.day(since, language, year=since.year != digest.as_of.year)
        was = words.say("was_since", language, status=told, day=day)
    if words.TONE[item.evaluation.status] == "good" and item.was in _WORSE_BEFORE:
        return f"{words.say('recovered', language)}, {was}"
    return was


def _unchanged_since(item: DigestItem, digest: Digest) -> str:
    if digest.is_first or item.was != item.evaluation.status:
        return ""
    since = _since(item, item.was)
    if since is None:
        return ""
    day = formats.day(since, digest.locale, year=since.year != digest.as_of.year)
    return words.say("since", digest.locale, day=day)


def _since(item: DigestItem, status: str) -> date | None:
    """When the last stretch of this status began; None of a segment, or when it is not known."""
    if item.evaluation.segment != "":
        return None
    first: date | None = None
    before = ""
    for day, one in sorted(item.view.history):
        if one == status and before != status:
            first = day
        before = one
    return first
