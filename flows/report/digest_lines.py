"""What a digest says of a goal, in words; Slack and mail only lay it out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

from flows.alerts.digest import DataNews, Digest, DigestItem
from flows.report import formats, outlook, problems, words
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
    target_changes,
)
from flows.targets.periods import ONE_DAY

# The opening, three causes, and what the others did together.
_MOST_CAUSES = 5
_OVER = {"achieved", "missed"}
_NO_VERDICT = {"not_started", "too_early", "insufficient_data", "no_data", "stale"}
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
    row_step: str  # for a row, in a summary: told every day it would be nagging


@dataclass(frozen=True)
class AccountLine:
    source: str
    name: str
    status: Badge
    problem: str

    @property
    def aside(self) -> str:
        """The problem behind the status: in brackets, unless it has some of its own."""
        if not self.problem:
            return ""
        return f" – {self.problem}" if "(" in self.problem else f" ({self.problem})"


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
    elif (ended := _ended(item, digest)) is not None:
        title = f"{title} – {ended}"
    reason = words.reason(told, target, kpi, language, currency)
    if item.kind == "edited" and (edits := target_changes(view, language, currency)):
        reason = f"{edits[-1]} {reason}"
    if is_total and (guilty := guilty_sentence(view, language)):
        reason += f" {guilty}"
    causes: tuple[str, ...] = ()
    if is_total and words.TONE[told.status] in ("bad", "warn"):
        causes = tuple(cause_sentences(view, language, currency)[:_MOST_CAUSES])
    step, flag, is_overdue = "", "", False
    is_over = told.status in _OVER or item.kind == "closed"
    if (todo := next_step(view)) is not None and is_total and not is_over:
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
        row_step=_row_step(step, flag, told.status, digest),
    )


def _row_step(step: str, flag: str, status: str, digest: Digest) -> str:
    if digest.cadence == "daily" or words.TONE[status] not in words.TROUBLED:
        return ""
    return f"{step} – {flag}" if step and flag else step


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
    told = [*_counted(digest), _of_data(digest, "hello")]
    if not any(told) or (digest.cadence != "daily" and not digest.changed):
        told = [_say_since("hello_unchanged", digest), *told]
    if (days := summed_up(digest)) is not None:
        span = formats.span(*days, digest.locale)
        if digest.cadence == "weekly":
            span = f"{_period(digest)} ({span})"
        told.insert(0, words.say("hello_summary", digest.locale, period=span))
    return " ".join(sentence for sentence in told if sentence)


def summed_up(digest: Digest) -> tuple[date, date] | None:
    """The week or month that a summary is about, its first and last day: the last whole one."""
    if digest.cadence == "daily":
        return None
    if digest.cadence == "weekly":
        monday = digest.as_of - timedelta(days=digest.as_of.weekday())
        return monday - timedelta(days=7), monday - ONE_DAY
    last = digest.as_of.replace(day=1) - ONE_DAY
    return last.replace(day=1), last


def _period(digest: Digest) -> str:
    """`week 47`, `October 2026`; empty of a daily digest."""
    days = summed_up(digest)
    if days is None:
        return ""
    if digest.cadence == "weekly":
        return words.say("week", digest.locale, n=days[0].isocalendar().week)
    return formats.month(days[0], digest.locale)


def _say_since(key: str, digest: Digest, **values: object) -> str:
    """A sentence that counts changes; of a summary since when."""
    if digest.cadence == "daily" or digest.last_on is None:
        return words.say(key, digest.locale, **values)
    return words.say(f"{key}_since", digest.locale, day=_short(digest, digest.last_on), **values)


# which sentence of the greeting counts an item; the rest changed status
_COUNTED = {
    "again": "still", "back": "still", "escalated": "escalated", "edited": "edited",
    "closed": "closed",
}  # fmt: skip


def _counted(digest: Digest) -> list[str]:
    counts: dict[str, int] = {}
    for item in digest.changed:
        key = _COUNTED.get(item.kind, "changed")
        counts[key] = counts.get(key, 0) + 1
    if "changed" in counts and "still" in counts:
        counts["also_still"] = counts.pop("still")
    order = ("changed", "edited", "closed", "escalated", "still", "also_still")
    return [
        _say_since("hello_changed", digest, n=counts[key])
        if key == "changed"
        else words.say(f"hello_{key}", digest.locale, n=counts[key])
        for key in order
        if key in counts
    ]


# what stopped before what came back
_DATA_KEYS = ("stale", "holes", "no_scope", "data_back", "data_enough", "scope_back")


def _data_key(one: DataNews) -> str:
    if one.account is None:
        return "no_scope" if one.kind == "stale" else "scope_back"
    if one.kind == "stale":
        return "holes" if one.reason == "too_many_missing" else "stale"
    return "data_enough" if one.account.missing_days else "data_back"


def _of_data(digest: Digest, where: str) -> str:
    """Which data stopped or came back, as a part of the greeting or of the subject."""
    if digest.is_first:
        return ""
    goals = {t.id: formats.name(t.specific, 70) for t in digest.client.targets}
    told = []
    by_key: dict[str, list[DataNews]] = {}
    for one in digest.data:
        by_key.setdefault(_data_key(one), []).append(one)
    for key in _DATA_KEYS:
        found = by_key.get(key, [])
        accounts = [
            f"{words.source(one.account.source)} {account_name(one.account, 60)}"
            for one in found
            if one.account is not None
        ]
        held = list(dict.fromkeys(f"‘{goals[i]}’" for one in found for i in one.target_ids))
        if found:
            told.append(
                words.say(
                    f"{where}_{key}",
                    digest.locale,
                    client=formats.name(digest.client.name),
                    accounts=words.listing(accounts, digest.locale),
                    goals=words.listing(held, digest.locale),
                    n=len(held),
                )
            )
    return told[0] if told and where == "subject" else " ".join(told)


def summary(digest: Digest) -> str:
    """How many goals are on course; the totals only."""
    totals = {item.view.target.id: item.view.total for item in (*digest.changed, *digest.unchanged)}
    is_partial = not digest.unchanged and all(item.kind in _COUNTED for item in digest.changed)
    if is_partial and not digest.is_first:
        return ""  # somebody who hears of one goal, or of data alone
    return headline(list(totals.values()), digest.locale)


_MOST_NAMED = 3


def standing(digest: Digest) -> str:
    """Where all goals stand now, in one line: how many are on course, and which are not.

    For who hears of one goal or of data alone, the news itself.
    """
    language = digest.locale
    told = [summary(digest)]
    if not told[0]:
        return greeting(digest)
    views = {item.view.target.id: item.view for item in (*digest.changed, *digest.unchanged)}
    by_status: dict[str, list[str]] = {}
    for view in sorted(views.values(), key=lambda one: words.URGENCY[one.total.status]):
        status = view.total.status
        if words.TONE[status] in words.TROUBLED:
            name = formats.name(view.target.specific, 70)
            by_status.setdefault(words.status(status, language), []).append(f"‘{name}’")
    for word, names in by_status.items():
        rest = len(names) - _MOST_NAMED
        if rest > 0:
            names[_MOST_NAMED:] = [words.say("and_others", language, n=rest)]
        told.append(f"{words.capital(word)}: {words.listing(names, language)}.")
    return " ".join(told)


_SUBJECTS = {
    "again": "subject_still", "back": "subject_still", "escalated": "subject_still",
    "closed": "subject_closed", "edited": "subject_edited",
}  # fmt: skip


def subject(digest: Digest) -> str:
    """The subject of a mail and the first line of a notification; one line."""
    language, client = digest.locale, formats.name(digest.client.name)
    day = formats.day(digest.as_of, language)
    items = ordered(digest.changed)
    if digest.is_first:
        told = words.say("subject_first", language, client=client, n=len(items), day=day)
    elif digest.cadence != "daily":
        key = "subject_summary" if items or digest.data else "subject_summary_unchanged"
        told = words.say(
            key, language, client=client, period=_period(digest), told=_standing_counted(digest)
        )
    elif not items:
        told = _of_data(digest, "subject")
        told = told or words.say("subject_unchanged", language, client=client, day=day)
    elif len(items) == 1:
        one = items[0]
        name = formats.name(one.view.target.specific, 70)
        if (ended := _ended(one, digest)) is not None:
            name = f"{name} – {ended}"
        if one.evaluation.segment:
            name = f"{name} – {segment_name(one.evaluation)}"
        key = _SUBJECTS.get(one.kind, "subject_one")
        status = words.status(one.evaluation.status, language)
        told = words.say(key, language, client=client, target=name, status=status)
    else:
        counted: dict[str, int] = {}
        for item in items:
            status = item.evaluation.status
            counted[status] = counted.get(status, 0) + 1
        parts = [f"{n} {words.status(status, language)}" for status, n in counted.items()]
        told = words.say("subject_more", language, client=client, told=", ".join(parts))
    return formats.name(told, 140)


def _standing_counted(digest: Digest) -> str:
    """How many goals stand where, the worst first: `1 off course, 3 on course`."""
    totals = {item.view.target.id: item.view.total for item in (*digest.changed, *digest.unchanged)}
    tones = [words.TONE[total.status] for total in totals.values()]
    return ", ".join(
        f"{tones.count(tone)} {words.say(f'count_{tone}', digest.locale)}"
        for tone in ("bad", "warn", "unknown", "waiting", "good")
        if tone in tones
    )


def troubled_accounts(digest: Digest) -> list[AccountLine]:
    """The accounts whose data is late, failed or has holes."""
    found = []
    for state in digest.sources:
        status = source_status(state, digest.locale)
        if status.tone != "good":
            problem = problems.in_words(state.problem, digest.locale) if state.problem else ""
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
    """What became of it since it was told of, for the brackets behind the status."""
    language, day = digest.locale, partial(_short, digest)
    if digest.is_first:
        return ""
    n = (digest.as_of - item.since).days if item.since else 0
    if item.kind == "again" and item.since:
        return words.say("still_for", language, n=n, day=day(item.since))
    if item.kind == "back" and item.since and item.told_on:
        since, told_on = day(item.since), day(item.told_on)
        return words.say("off_once_more", language, day=since, told=told_on)
    if item.kind == "escalated" and item.told_on:
        return words.say("escalated", language, n=n, told=day(item.told_on))
    if item.kind == "closed":
        return words.say("closed_unjudged", language)
    was = _was(item, digest)
    if item.kind == "edited":
        edited = words.say("goal_edited", language)
        return f"{edited}, {was}" if was else edited
    if item.was is None:
        # a campaign that begins to fail is not new, its failing is
        return words.say("is_new", language) if item.evaluation.segment == "" else ""
    if item.was in _NO_VERDICT and item.evaluation.status not in _NO_VERDICT:
        is_final = item.evaluation.status in (*_OVER, "provisional")
        return "" if is_final else words.say("first_verdict", language)
    if was and words.TONE[item.evaluation.status] == "good" and item.was in _WORSE_BEFORE:
        return f"{words.say('recovered', language)}, {was}"
    return was


def _was(item: DigestItem, digest: Digest) -> str:
    language = digest.locale
    if item.was is None or item.was == item.evaluation.status:
        return ""
    told = words.status_before(item.was, language)
    since = _since(item, item.was)
    if since is None:
        return words.say("was", language, status=told)
    return words.say("was_since", language, status=told, day=_short(digest, since))


def _short(digest: Digest, day: date) -> str:
    return formats.day(day, digest.locale, year=day.year != digest.as_of.year)


def _ended(item: DigestItem, digest: Digest) -> str | None:
    """Which month (week, …) of a repeating goal it is, once that is over."""
    told = item.evaluation
    if item.view.target.period.every is None or told.period_start is None:
        return None
    if told.period_end is None or digest.as_of < told.period_end:
        return None
    return formats.span(told.period_start, told.period_end - ONE_DAY, digest.locale)


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
