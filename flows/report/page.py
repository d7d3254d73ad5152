"""The report of a client: one HTML page that needs nothing from outside and runs no script."""

from __future__ import annotations

import base64
import hashlib
import os
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache, partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from markupsafe import Markup

from flows.report import charts, formats, outlook, problems, small_charts, words
from flows.report.dress import Dress
from flows.report.formats import Language
from flows.report.kpi_figure import KpiFigure
from flows.report.model import ClientView, GoalChange, Noticed, SourceState, TargetView
from flows.settings import Step, Target
from flows.targets.evaluation import Evaluation, Series

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"
WORST_SEGMENTS = 10
_HISTORY_RUNS = 6


@dataclass(frozen=True)
class Badge:
    word: str
    symbol: str
    tone: str


@dataclass(frozen=True)
class Count:
    """How many goals have a tone; ``left`` and ``width`` place its part of a bar, in percent."""

    tone: str
    symbol: str
    n: int
    word: str
    left: float
    width: float


@dataclass(frozen=True)
class Fact:
    term: str
    text: str
    small: str = ""
    big: bool = False
    key: str = ""  # what stands for it in the bullet graph


@dataclass(frozen=True)
class SegmentRow:
    name: str
    status: Badge
    odds: str
    value: str
    share: str
    bar: float | None
    trend: str | None
    reason: str


@dataclass(frozen=True)
class StepRow:
    do: str
    owner: str
    when: str
    flag: str
    state: str
    symbol: str


@dataclass(frozen=True)
class Spell:
    """A stretch of days with one status."""

    status: Badge
    when: str


@dataclass(frozen=True)
class StripPart:
    """Days with one status: SVG path data of a box a day, and what to say of them."""

    tone: str
    path: str
    told: str


@dataclass(frozen=True)
class Strip:
    """The statuses day by day; ``days`` is how wide it is."""

    days: int
    parts: list[StripPart]
    first: str
    last: str


@dataclass(frozen=True)
class FigureRow:
    """A KPI of the client as a whole."""

    name: str
    explained: str
    now: str
    before: str
    change: str
    notes: list[str]


@dataclass(frozen=True)
class CauseLine:
    """One part in the table of causes; ``left`` and ``width`` place its bar, in percent."""

    name: str
    how: str
    effect: str
    own: str
    weight: str
    left: float
    width: float
    tone: str
    is_claimed: bool


@dataclass(frozen=True)
class CauseBlock:
    """One split of a change; ``lines`` are what it says in sentences."""

    opening: str
    lines: list[str]
    part: str
    table: str
    weight: str
    rows: list[CauseLine]
    has_own: bool
    note: str


@dataclass(frozen=True)
class TargetBlock:
    anchor: str
    id: str
    specific: str
    kpi: str
    status: Badge
    reason: str
    guilty: str
    ahead: str
    odds: str
    turning: str  # what the status is about to become
    value: str
    goal: str
    expected: str
    period: str
    owner: str
    chart_wide: str | None
    chart_narrow: str | None
    legend: list[tuple[str, str]]
    bullet: str | None
    facts: list[Fact]
    terms: list[Fact]
    segments_title: str
    segment_word: str
    segments: list[SegmentRow]
    segments_more: str
    marks: list[float]
    causes_title: str
    causes: list[CauseBlock]
    findings: list[str]
    changes: list[str]
    steps: list[StepRow]
    history: list[Spell]
    strip: Strip | None
    muted: str
    notes: list[str]


@dataclass(frozen=True)
class SourceRow:
    source: str
    account: str
    id: str
    status: Badge
    through: str
    expected: str
    missing: str
    notes: list[str]
    loaded: str


def render_report(
    view: ClientView,
    figures: Sequence[KpiFigure] = (),
    dress: Dress = Dress(),  # noqa: B008 (frozen)
) -> str:
    """One self-contained page in the client's language.

    The same view gives the same bytes. Names from outside are cleaned, cut and
    escaped; a content security policy forbids scripts and requests besides.
    It links nowhere: a client who gets it hears nothing of the others.
    """
    language = view.client.locale
    client = formats.name(view.client.name)
    # most figures end on the same day, which is then said once
    ends = Counter(one.last for one in figures if one.last is not None)
    through = max(ends, key=lambda day: (ends[day], day), default=None)
    drawn = small_charts.bullets([_bullet(one, language) for one in view.targets], language)
    pictures = _pictures(view, language)
    return render(
        "report.html.j2",
        language,
        dress,
        title=words.say(
            "report_title", language, client=client, day=formats.day(view.as_of, language)
        ),
        client=client,
        as_of=words.say("as_of", language, day=formats.weekday(view.as_of, language)),
        data_through=data_through(view.sources, language),
        headline=headline([one.total for one in view.targets], language),
        counts=counts([one.total for one in view.targets], language),
        targets=[
            _target(one, view, language, bullet, picture)
            for one, bullet, picture in zip(view.targets, drawn, pictures, strict=True)
        ],
        figures=[_figure_row(one, through, language) for one in figures],
        figures_lead=words.say(
            "figures_lead",
            language,
            through=f" {words.say('figure_through', language, day=formats.day(through, language))}"
            if through
            else "",
        ),
        sources=[_source(state, view, language) for state in view.sources],
        checks=[formats.sentence_text(check) for check in view.checks],
        findings=_findings(view.findings, None, language, view.client.currency),
        reading=_reading(view, language),
        footer=footer(view.generated_at, view.client.timezone, dress, language),
    )


def render(template: str, language: Language, dress: Dress, **values: object) -> str:
    """A page of ours: its style sheet, and a policy that allows that sheet and nothing else."""
    css = _css() + Markup(dress.css)  # noqa: S704 (colours that were checked)
    digest = base64.b64encode(hashlib.sha256(css.encode("utf-8")).digest()).decode("ascii")
    return (
        environment()
        .get_template(template)
        .render(
            language=language,
            say=partial(say_capital, language),
            css=css,
            policy=f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:;"
            " base-uri 'none'; form-action 'none'",
            brand=formats.name(dress.name, 60) if dress.name else "",
            logo=Markup(dress.logo_uri),  # noqa: S704 (base64)
            is_dressed=bool(dress.css),
            **values,
        )
    )


def footer(moment: datetime, zone: str, dress: Dress, language: Language) -> str:
    return words.say(
        "footer_brand" if dress.name else "footer",
        language,
        brand=formats.name(dress.name, 60),
        moment=formats.moment(moment, zone, language),
        zone=zone,
    )


def write_report(path: Path, html: str) -> None:
    """Put the page in place in one move: a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # beside the page, so that it is on the same disk; opened anew, so that the umask counts
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as file:
            file.write(html)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


# --- what mail and Slack say too --------------------------------------------------------------


def headline(evaluations: list[Evaluation], language: Language) -> str:
    """How many goals are on course, in one sentence."""
    total = len(evaluations)
    good = sum(words.TONE[one.status] == "good" for one in evaluations)
    if total == 0:
        return words.say("headline_empty", language)
    if good == 0:
        return words.say("headline_none", language)
    if good == total:
        return words.say("headline_all", language, n=total)
    return words.say("headline_some", language, n=good, total=total)


def data_through(sources: tuple[SourceState, ...], language: Language) -> str:
    """Through which day there is data, and how many accounts are behind."""
    known = [state.through for state in sources if state.through is not None]
    if not known:
        return ""
    told = words.say("data_through", language, day=formats.day(max(known), language))
    behind = sum(is_behind(state) for state in sources)
    return f"{told}; {words.say('accounts_behind', language, n=behind)}" if behind else told


def is_behind(state: SourceState) -> bool:
    return state.through is None or state.through < state.expected_through


def source_status(state: SourceState, language: Language) -> Badge:
    """Where an account stands, the worst first."""
    if state.through is None:
        key = "failed" if state.problem else "never_loaded"
        return Badge(words.say(key, language), "✕", "bad")
    days = (state.expected_through - state.through).days
    if days > 0:
        return Badge(words.say("behind", language, n=days), "▲", "warn")
    if state.problem:
        return Badge(words.say("failed", language), "✕", "bad")
    if state.missing_days:
        n = len(state.missing_days)
        return Badge(words.say("days_missing", language, n=n), "▲", "warn")
    return Badge(words.say("up_to_date", language), "✓", "good")


def problem_notes(state: SourceState, language: Language) -> list[str]:
    """Why an account could not be read; empty where it could."""
    if not state.problem:
        return []
    return [words.capital(problems.in_words(state.problem, language))]


def account_name(state: SourceState, limit: int = formats.NAME_LIMIT) -> str:
    return formats.name(state.account_name or state.account_id, limit)


def worst_first(view: TargetView) -> list[Evaluation]:
    """The segments of a target: what needs attention first, the heaviest of those at the top.

    The weight of a segment is how far it is off times how much of the total it
    is, so that a small campaign does not hide the guilty one.
    """

    def place(one: Evaluation) -> tuple[int, float, str, str]:
        failing = words.TONE[one.status] in ("bad", "warn")
        return (
            words.URGENCY[one.status],
            -gap(view, one) * (one.denominator or 1.0) if failing else -(one.denominator or 0.0),
            one.segment_label,
            one.segment,
        )

    return sorted(view.segments, key=place)


def gap(view: TargetView, evaluation: Evaluation) -> float:
    """How far the judged value is on the wrong side of what was asked; 0 when it is not."""
    goal = view.target.goal
    value = words.filled_sum(evaluation, view.kpi) or words.judged(evaluation)
    if value is None:
        return 0.0
    low, high = evaluation.details.get("low"), evaluation.details.get("high")
    if isinstance(low, int | float) and isinstance(high, int | float):
        return max(low - value, value - high, 0.0)
    asked = words.due(evaluation)
    if asked is None:
        return 0.0
    falls = goal.kind == "at_most" or (
        goal.kind == "from_to" and (goal.to or 0.0) < (goal.from_ or 0.0)
    )
    return max(value - asked if falls else asked - value, 0.0)


def guilty_sentence(view: TargetView, language: Language) -> str:
    """Which segment weighs heaviest in a failure; empty when none fails."""
    ordered = worst_first(view)
    if not ordered or words.TONE[ordered[0].status] not in ("bad", "warn"):
        return ""
    worst = ordered[0]
    told = {
        "name": segment_name(worst),
        "value": words.value(worst, view.kpi, language, None),
    }
    share = _share(view, worst, language)
    if share is None or view.kpi.denominator is None:
        return words.say("guilty_plain", language, **told)
    return words.say(
        "guilty",
        language,
        share=share,
        volume=view.kpi.denominator.get(language, ""),
        **told,
    )


def outlook_sentences(
    view: TargetView, evaluation: Evaluation, language: Language, currency: str | None
) -> list[str]:
    """Gap, what it takes from here, odds and where it ends, and what is about to change.

    With `for_each` it is about the segment that weighs heaviest, or when all
    are fine about the one with the least odds: the goal is made by all of them
    or by none.
    """
    about, is_there = evaluation, False
    uncertain = ""
    if evaluation.segment == "" and evaluation.reason.startswith("segments_"):
        ordered = worst_first(view)
        if not ordered:
            return []
        if guilty_sentence(view, language):
            about, is_there = ordered[0], True
        else:
            known = [one for one in view.segments if outlook.has_odds(one, view.target)]
            least = min(known, key=lambda one: one.probability or 0.0, default=None)
            if least is not None:
                uncertain = outlook.least_certain(least, segment_name(least), language)
            told = [uncertain, outlook.pending(evaluation, view.target, language)]
            return [sentence for sentence in told if sentence]
    target, kpi = view.target, view.kpi
    told = []
    if gap(view, about) > 0 and words.TONE[about.status] in ("bad", "warn"):
        told.append(
            words.say(
                "gap_is",
                language,
                gap=gap_size(view, about, language, currency),
                there=words.say("there", language) if is_there else "",
            )
        )
    # named once, in the first sentence; the others go on about it
    need = outlook.needed(about, target, kpi, language, currency, there=is_there and not told)
    is_named = bool(told or need)
    told += [
        outlook.maybe_chance(evaluation, language),
        need,
        outlook.odds_sentence(about, target, kpi, language, there=is_there and not is_named),
        outlook.ending(about, target, kpi, language, currency),
        outlook.pending(evaluation, target, language),
    ]
    return [sentence for sentence in told if sentence]


def gap_size(
    view: TargetView, evaluation: Evaluation, language: Language, currency: str | None
) -> str:
    """How far off, in the unit of the KPI; a difference of percentages is told in points.

    It is the difference of the two values as they are shown.
    """
    short = gap(view, evaluation)
    if not view.kpi.is_sum and (shown := _gap_as_shown(view, evaluation, language, currency)):
        return shown
    if view.kpi.unit == "rate":
        digits = 1 if short >= 0.0005 else 2
        points = formats.number(short * 100, language, digits=digits)
        return f"{points}{formats.NBSP}{words.say('points', language)}"
    if view.kpi.is_sum and short >= 100:
        short = float(f"{short:.3g}")
    return formats.quantity(short, view.kpi.unit, language, evaluation.currency_code or currency)


def _gap_as_shown(
    view: TargetView, evaluation: Evaluation, language: Language, currency: str | None
) -> str:
    """The gap between the digits that a reader sees; empty where those are equal."""
    kpi, band = view.kpi, _band(evaluation)
    value, asked = words.judged(evaluation), words.due(evaluation)
    if value is None:
        return ""
    if band is not None:
        asked = band[0] if value < band[0] else band[1]
    if asked is None:
        return ""
    told = (
        words.value(evaluation, kpi, language, currency),
        formats.quantity(asked, kpi.unit, language, currency, is_goal=True)
        if asked == evaluation.goal or band is not None
        else words.expected(evaluation, kpi, language, currency),
    )
    digits = max(formats.decimals(one, language) for one in told)
    money = evaluation.currency_code or currency
    size = formats.gap(value, asked, kpi.unit, language, money, digits=digits)
    points = f"{formats.NBSP}{words.say('points', language)}" if kpi.unit == "rate" else ""
    return f"{size}{points}" if size else ""


def cause_sentences(view: TargetView, language: Language, currency: str | None) -> list[str]:
    """What moved the value, in sentences; the first says by how much. Empty when not known."""
    if not view.causes:
        return []
    from flows.report import causes  # it computes with scipy, which is slow to import

    first = view.causes[0]
    return [
        causes.opening(first, view.kpi, language, currency),
        *causes.sentences(first, view.kpi, language, currency),
    ]


def segment_name(evaluation: Evaluation, limit: int = formats.NAME_LIMIT) -> str:
    return formats.name(evaluation.segment_label or evaluation.segment, limit)


def step_flag(step: Step, as_of: date, language: Language) -> tuple[str, str]:
    """(state, words) of a step: done, overdue, today, soon or open."""
    if step.done is not None:
        return "done", words.say("done_on", language, day=formats.day(step.done, language))
    if step.due is None:
        return "open", ""
    days = (step.due - as_of).days
    if days < 0:
        return "overdue", words.say("overdue", language, n=-days)
    if days == 0:
        return "today", words.say("due_today", language)
    return ("soon", words.say("due_in", language, n=days)) if days <= 14 else ("open", "")


def next_step(view: TargetView) -> Step | None:
    """The open step that is due first; one without a date comes last."""
    todo = [step for step in view.target.plan if step.done is None]
    return min(todo, key=lambda step: (step.due is None, step.due or date.max), default=None)


# --- the parts of the page --------------------------------------------------------------------


def _target(
    one: TargetView,
    view: ClientView,
    language: Language,
    bullet: str | None,
    picture: _Picture,
) -> TargetBlock:
    target, kpi, total = one.target, one.kpi, one.total
    currency = total.currency_code or target.goal.currency or view.client.currency
    id_ = anchor(target)
    goal = words.capital(words.goal(target.goal, kpi, language, currency))
    value = words.value(total, kpi, language, currency)
    expected = words.expected(total, kpi, language, currency)
    period = words.capital(words.period(target, total, language))
    data = picture.data
    ordered = worst_first(one)
    shown, rest = ordered[:WORST_SEGMENTS], ordered[WORST_SEGMENTS:]
    top = max([*(words.judged(s) or 0.0 for s in shown), *_levels(one)], default=0.0) * 1.04
    trends = _trends(one, shown, view.as_of, language, currency)
    return TargetBlock(
        anchor=id_,
        id=formats.name(target.id, 60),
        specific=formats.name(target.specific, 160),
        kpi=words.kpi_label(kpi, language),
        status=_badge(total, language),
        reason=words.reason(total, target, kpi, language, currency),
        guilty=guilty_sentence(one, language),
        ahead=" ".join(outlook_sentences(one, total, language, currency)),
        odds=outlook.odds_short(total, target, language),
        turning=outlook.turning(total, target, language),
        value=value,
        goal=goal,
        expected=expected,
        period=period,
        owner=words.person(target.agreed.owner),
        chart_wide=picture.wide,
        chart_narrow=picture.narrow,
        legend=charts.legend(data, one, language) if data else [],
        bullet=None if bullet is None else Markup(bullet),  # noqa: S704 (figures alone)
        facts=_facts(one, language, value, goal, expected, bullet is not None),
        terms=_terms(one, view, language, period),
        segments_title=words.say(
            "segments", language, segment=words.segment_word(target, language, n=1)
        ),
        segment_word=words.capital(words.segment_word(target, language, n=1)),
        segments=[_segment(one, s, top, trends.get(s.segment), language, currency) for s in shown],
        segments_more=_more(one, rest, language),
        marks=[round(100 * level / top, 2) for level in _levels(one) if top > 0],
        causes_title=words.say(
            "causes_good" if words.TONE[total.status] == "good" else "causes", language
        ),
        causes=_causes(one, language, currency),
        findings=_findings(one.findings, one, language, currency),
        changes=target_changes(one, language, currency),
        steps=[_step(step, view.as_of, language) for step in target.plan],
        history=_spells(one.history, view.as_of, language),
        strip=_strip(one, view.as_of, language),
        muted=muted(one, language),
        notes=_notes(one, language, currency),
    )


def anchor(target: Target) -> str:
    """The id of a target's card, for links to it."""
    return f"goal-{formats.name(target.id, 60).replace(' ', '-')}"


def _facts(
    one: TargetView,
    language: Language,
    value: str,
    goal: str,
    expected: str,
    has_bullet: bool,
) -> list[Fact]:
    """The figures beside the chart; with a bullet graph they are its legend too."""
    target, total = one.target, one.total

    def key(name: str) -> str:
        return name if has_bullet else ""

    told = [
        Fact(
            words.say("col_value", language),
            value,
            words.measured(target, total, language),
            big=True,
        ),
        Fact(
            words.say("col_goal", language),
            goal,
            key=key("band" if _band(total) is not None else "goal"),
        ),
    ]
    if chance := _chance(one, language):
        told[0] = replace(told[0], small=" · ".join(s for s in (told[0].small, chance) if s))
    is_level = words.due(total) == total.goal  # then it only repeats what was agreed
    if words.due(total) is not None and not is_level:
        told.append(Fact(words.say("col_expected", language), expected, key=key("due")))
    # of a goal for each segment the odds are those of its segments
    if outlook.has_odds(total, target) and not total.reason.startswith("segments_"):
        odds = total.probability or 0.0
        told.append(
            Fact(
                words.say("col_odds", language),
                words.capital(outlook.odds_size(odds, language)),
                outlook.odds_word(odds, language),
            )
        )
    end, low, high = outlook.projected(total, target, one.kpi, language, None)
    if end:
        between = words.say("between_values", language, low=low, high=high) if low else ""
        told.append(
            Fact(words.say("col_end", language), end, between, key=key("fan") if low else "")
        )
    return told


def _band(total: Evaluation) -> tuple[float, float] | None:
    low, high = total.details.get("low"), total.details.get("high")
    if isinstance(low, int | float) and isinstance(high, int | float):
        return float(low), float(high)
    return None


def _bullet(one: TargetView, language: Language) -> small_charts.Bullet | None:
    """The value against what was agreed; None without a value or without anything to hold it to."""
    total, kpi = one.total, one.kpi
    value, due = words.judged(total), words.due(total)
    band, ends = _band(total), None
    if outlook.projected(total, one.target, kpi, language, None)[1]:
        ends = (total.projected_low or 0.0, total.projected_high or 0.0)
    goal = total.goal if total.goal is not None else due
    if value is None or (goal is None and band is None):
        return None
    return small_charts.Bullet(
        value=value,
        goal=goal,
        due=due if due != goal else None,
        band=band,
        ends=ends,
        unit=kpi.unit,
        currency=total.currency_code,
    )


def muted(one: TargetView, language: Language) -> str:
    """That nothing is sent of a target for now, until when and why."""
    if one.muted is None:
        return ""
    last = one.muted.until - timedelta(days=1)
    told = words.say("muted", language, day=formats.day(last, language))
    because = formats.sentence_text(one.muted.because, 200) if one.muted.because else ""
    return f"{told}: {because.rstrip('.')}." if because else f"{told}."


def _figure_row(figure: KpiFigure, through: date | None, language: Language) -> FigureRow:
    """A KPI over the whole of a client, in figures that subtract as they are shown."""
    kpi, money = figure.kpi, figure.currency_code
    name = words.kpi_label(kpi, language)
    notes = []
    if figure.why:
        sources = words.listing([words.source(one) for one in figure.lacks], language)
        notes.append(words.say(f"why_{figure.why}", language, sources=sources))
    if figure.last is not None and figure.last != through:
        notes.append(words.say("figure_through", language, day=formats.day(figure.last, language)))
    if figure.share_in is not None and figure.share_in < 0.995 and kpi.late is not None:
        noun = kpi.numerator if kpi.late.side == "numerator" else kpi.denominator or {}
        share = formats.percentage(figure.share_in, language, digits=0)
        notes.append(words.say("figure_share", language, share=share, late=noun.get(language, "")))
    elif kpi.is_restated and figure.now is not None and figure.share_in is None:
        notes.append(words.say("figure_restated", language))
    if figure.converted_from:
        foreign = words.listing(list(figure.converted_from), language)
        notes.append(words.say("figure_converted", language, foreign=foreign, currency=money or ""))
    if figure.missing:
        notes.append(words.say("figure_missing", language, n=figure.missing))
    if figure.missing_before:
        notes.append(words.say("figure_missing_before", language, n=figure.missing_before))
    now, before, change = _compared(figure, language)
    return FigureRow(
        name=words.say("figure_apart", language, kpi=name, currency=money)
        if figure.is_apart
        else name,
        explained=kpi.explained.get(language) or kpi.explained.get("en", ""),
        now=now,
        before=before,
        change=change,
        notes=[words.capital(note.rstrip(".")) + "." for note in notes],
    )


def _compared(figure: KpiFigure, language: Language) -> tuple[str, str, str]:
    """Now, before and the difference; the last is that of the first two as they are shown."""
    kpi, money, now, before = figure.kpi, figure.currency_code, figure.now, figure.before
    if now is None or before is None:
        now_told, before_told = (
            formats.quantity(one, kpi.unit, language, money) for one in (now, before)
        )
        return now_told, before_told, ""
    if kpi.is_sum:
        now_told, before_told = (
            formats.quantity(one, kpi.unit, language, money) for one in (now, before)
        )
        # without some of the days the difference would be that of the days
        if figure.missing or figure.missing_before:
            return now_told, before_told, ""
        if before == 0:
            return now_told, before_told, words.say("newly" if now else "same", language)
        share = now / before - 1
        told = formats.percentage(abs(share), language, digits=0 if abs(share) >= 0.1 else 1)
        return now_told, before_told, _signed(share, told, language)
    shown = formats.pair(before, now, kpi.unit, language, money)
    points = f"{formats.NBSP}{words.say('points', language)}" if kpi.unit == "rate" else ""
    return shown.after, shown.before, _signed(shown.change, shown.size + points, language)


def _signed(change: float, told: str, language: Language) -> str:
    if not any(sign in "123456789" for sign in told):
        return words.say("same", language)
    return f"{'+' if change > 0 else '−'}{told}"


def _terms(one: TargetView, view: ClientView, language: Language, period: str) -> list[Fact]:
    """What belongs to the agreement, below the chart."""
    target, total = one.target, one.total
    agreed = target.agreed
    told = []
    left = ""
    if total.period_end is not None and not target.period.rolling_days:
        days = (total.period_end - view.as_of).days
        key = "deadline_left" if days > 0 else "deadline_over"
        left = words.say(key, language, n=days)
    told.append(Fact(words.say("col_period", language), period, left))
    built = words.built_from(target, total, one.kpi, language, one.series)
    if built:
        told.append(
            Fact(
                words.say("built_from", language),
                built,
                outlook.late_share(total, one.kpi, language),
            )
        )
    names = words.listing([words.person(who) for who in agreed.by], language)
    sealed = ""
    if names and agreed.on:
        sealed = words.say(
            "agreed_by_on", language, names=names, day=formats.day(agreed.on, language)
        )
    elif names:
        sealed = words.say("agreed_by", language, names=names)
    elif agreed.on:
        sealed = words.say("agreed_on", language, day=formats.day(agreed.on, language))
    told.append(Fact(words.say("col_owner", language), words.person(agreed.owner), sealed))
    return told


def _segment(
    view: TargetView,
    segment: Evaluation,
    top: float,
    trend: str | None,
    language: Language,
    currency: str | None,
) -> SegmentRow:
    value = words.judged(segment)
    share = _share(view, segment, language)
    noun = (view.kpi.denominator or {}).get(language, "")
    return SegmentRow(
        name=segment_name(segment),
        status=_badge(segment, language),
        odds=outlook.odds_short(segment, view.target, language),
        value=words.value(segment, view.kpi, language, currency),
        share=words.say("share", language, share=share, volume=noun) if share and noun else "",
        bar=round(100 * max(value, 0.0) / top, 2) if value is not None and top > 0 else None,
        trend=trend,
        reason=words.reason(segment, view.target, view.kpi, language, currency),
    )


def _trends(
    view: TargetView,
    shown: list[Evaluation],
    as_of: date,
    language: Language,
    currency: str | None,
) -> dict[str, str]:
    """Three months of the segments shown, without the days that are still young.

    Conversions that have yet to arrive would make every line dive at its end.
    """
    window = words.judged_window(view.target, view.total)
    levels = _levels(view)
    if not shown or window is None:
        return {}
    wanted = {one.segment: one for one in shown}
    drawn = small_charts.lines(
        [
            charts.arrived(series, wanted[series.segment], view.kpi)
            for series in view.segment_series
            if series.segment in wanted
        ],
        view.kpi,
        as_of - timedelta(days=90),
        window[1],
        levels[0] if levels and not view.kpi.is_sum else None,
        language,
        currency,
    )
    return {segment: Markup(one) for segment, one in drawn.items()}  # noqa: S704 (figures alone)


def _chance(one: TargetView, language: Language) -> str:
    """Between what the value lies when chance is taken into account."""
    total = one.total
    low, high, value = total.value_low, total.value_high, words.judged(total)
    if low is None or high is None or value is None or not isfinite(low + high):
        return ""
    a, b = (
        formats.value_apart_from(bound, (value, other), one.kpi, language, total.currency_code)
        for bound, other in ((low, high), (high, low))
    )
    return words.say("value_range", language, low=a, high=b)


def _causes(view: TargetView, language: Language, currency: str | None) -> list[CauseBlock]:
    """Every split of the change, the one to tell first at the top and with its table.

    A table in which nothing stands out from chance would only invite to see causes in it.
    """
    if not view.causes:
        return []
    from flows.report import causes  # it computes with scipy, which is slow to import

    told: list[CauseBlock] = []
    for split in view.causes:
        money = view.total.currency_code or currency
        rows = causes.rows(split, view.kpi, language, money)
        lines = causes.sentences(split, view.kpi, language, money)
        if not lines and len(rows) < 2:
            continue
        if told or not any(row.is_claimed for row in rows):
            rows = []
        low = min((row.size for row in rows), default=0.0)
        low, high = min(low, 0.0), max((row.size for row in rows), default=0.0)
        span = max(high, 0.0) - low or 1.0
        noun = (view.kpi.denominator or {}).get(language, "")
        one, _ = words.SEGMENT.get(split.dimension, words.SEGMENT[""])[language]
        told.append(
            CauseBlock(
                opening=causes.opening(split, view.kpi, language, money),
                lines=lines,
                part=words.capital(one),
                table=words.say(
                    "effects_by_neuter" if causes.is_neuter(split.dimension) else "effects_by",
                    language,
                    segment=one,
                ),
                weight=words.capital(
                    words.say("col_weight", language, volume=noun)
                    if noun
                    else words.say("col_part", language)
                ),
                rows=[
                    CauseLine(
                        name=row.name,
                        how=row.how_told if row.is_claimed else "",
                        effect=row.effect,
                        own=_moved(row.before, row.after),
                        weight=_moved(row.weight_before, row.weight_after),
                        left=round(100 * (min(row.size, 0.0) - low) / span, 2),
                        width=round(100 * abs(row.size) / span, 2),
                        tone="good" if row.helps else "bad",
                        is_claimed=row.is_claimed,
                    )
                    for row in rows
                ],
                has_own=any(row.before or row.after for row in rows),
                note=words.say("not_claimed", language)
                if any(not row.is_claimed and row.how != "rest" for row in rows)
                else "",
            )
        )
    return told


def _moved(before: str, after: str) -> str:
    if not before and not after:
        return ""
    return f"{before or formats.NOTHING} → {after or formats.NOTHING}"


def _findings(
    findings: tuple[Noticed, ...], view: TargetView | None, language: Language, currency: str | None
) -> list[str]:
    told = [words.finding(one, view, language, currency) for one in findings]
    return [sentence for sentence in told if sentence]


def target_changes(view: TargetView, language: Language, currency: str | None) -> list[str]:
    """How the goal was edited while it ran, oldest first."""
    return [
        sentence
        for change in view.goal_changes
        for sentence in _changed(change, view, language, currency)
    ]


def _changed(
    change: GoalChange, view: TargetView, language: Language, currency: str | None
) -> list[str]:
    """What an edit made of the goal, a sentence for each thing that changed."""
    day = words.capital(formats.day(change.on, language))
    told = []
    if change.was is not None and change.now is not None:
        was, now = (
            words.goal(goal, view.kpi, language, currency) for goal in (change.was, change.now)
        )
        if was != now:
            told.append(words.say("goal_changed", language, day=day, was=was, now=now))
        else:
            told.append(
                words.say(
                    "other_changed", language, day=day, told=words.say("changed_path", language)
                )
            )
    if change.was_period is not None and change.now_period is not None:
        was, now = (
            words.period_told(period, language) for period in (change.was_period, change.now_period)
        )
        told.append(words.say("period_changed", language, day=day, was=was, now=now))
    others = [words.changed_key(key, language) for key in change.others]
    if others:
        told.append(
            words.say("other_changed", language, day=day, told=words.listing(others, language))
        )
    return told


def _more(view: TargetView, rest: list[Evaluation], language: Language) -> str:
    """How many segments are not listed, and how those stand."""
    if not rest:
        return ""
    counted: dict[str, int] = {}
    for one in rest:
        counted[one.status] = counted.get(one.status, 0) + 1
    told = ", ".join(f"{n} {words.status(status, language)}" for status, n in counted.items())
    return words.capital(
        words.say(
            "segments_more",
            language,
            n=len(rest),
            segment=words.segment_word(view.target, language, n=1),
            segments=words.segment_word(view.target, language),
            told=told,
        )
    )


def _levels(view: TargetView) -> list[float]:
    """What the bars of segments are held against."""
    low, high = view.total.details.get("low"), view.total.details.get("high")
    if isinstance(low, int | float) and isinstance(high, int | float):
        return [float(low), float(high)]
    asked = words.due(view.total)
    return [asked] if asked is not None and asked > 0 else []


def _share(view: TargetView, segment: Evaluation, language: Language) -> str | None:
    """A segment's part of the total denominator, as a whole percentage."""
    amounts = [
        words.denominator(view.target, one, view.kpi, _series_of(view, one)) or 0.0
        for one in view.segments
    ]
    whole = sum(amounts)
    own = words.denominator(view.target, segment, view.kpi, _series_of(view, segment))
    if not whole or own is None:
        return None
    part = own / whole
    return (
        f"<{formats.percentage(0.01, language, digits=0)}"
        if 0 < part < 0.01
        else (formats.percentage(part, language, digits=0))
    )


def _series_of(view: TargetView, segment: Evaluation) -> Series | None:
    return next((s for s in view.segment_series if s.segment == segment.segment), None)


def _step(step: Step, as_of: date, language: Language) -> StepRow:
    state, flag = step_flag(step, as_of, language)
    when = (
        words.say("due", language, day=formats.day(step.due, language))
        if step.due
        else words.say("no_due", language)
    )
    if state == "done":
        when, flag = words.capital(flag), ""
    return StepRow(
        do=formats.name(step.do, 200),
        owner=words.person(step.owner),
        when=words.capital(when),
        flag=flag,
        state=state,
        symbol={"done": "✓", "overdue": "!"}.get(state, "○"),
    )


def _spells(history: tuple[tuple[date, str], ...], as_of: date, language: Language) -> list[Spell]:
    """The statuses of late as stretches of days, the present one first."""
    runs: list[tuple[date, str]] = []
    for day, status in sorted(history):
        if day <= as_of and status in words.STATUS and (not runs or runs[-1][1] != status):
            runs.append((day, status))
    told = []
    for i, (day, status) in enumerate(runs):
        if i + 1 < len(runs):
            when = formats.span(day, max(runs[i + 1][0] - timedelta(days=1), day), language)
        else:
            when = words.say("since", language, day=formats.day(day, language))
        told.append(Spell(badge(status, language), when))
    return told[-_HISTORY_RUNS:][::-1]


# How far back the statuses are shown: a quarter in whole weeks.
_STRIP_DAYS = 91
# A share of the height for each tone, so that colour is never the only difference.
_STRIP_HEIGHTS = {"good": 20, "warn": 14, "bad": 9, "waiting": 4, "unknown": 4}


def _strip(one: TargetView, as_of: date, language: Language) -> Strip | None:
    """A box a day, as high as the day was good; None when there is less than a week."""
    runs = [
        (day, status)
        for day, status in sorted(one.history)
        if day <= as_of and status in words.STATUS
    ]
    if not runs:
        return None
    first = max(runs[0][0], as_of - timedelta(days=_STRIP_DAYS - 1))
    days = (as_of - first).days + 1
    if days < 7:
        return None
    parts = []
    for i, (day, status) in enumerate(runs):
        start = max(day, first)
        end = runs[i + 1][0] - timedelta(days=1) if i + 1 < len(runs) else as_of
        if end < first or end < start:
            continue
        tone = words.TONE[status]
        height = _STRIP_HEIGHTS[tone]
        boxes = "".join(
            f"M{10 * n} {20 - height}h8v{height}h-8z"
            for n in range((start - first).days, (end - first).days + 1)
        )
        told = words.say(
            "strip_day",
            language,
            status=words.capital(words.status(status, language)),
            when=formats.span(start, end, language),
        )
        parts.append(StripPart(tone, boxes, told))
    return Strip(
        days, parts, formats.short_day(first, language), formats.short_day(as_of, language)
    )


def _notes(one: TargetView, language: Language, currency: str | None) -> list[str]:
    kpi, total = one.kpi, one.total
    told = [kpi.explained.get(language) or kpi.explained.get("en", "")]
    if adjusted := outlook.completeness(total, kpi, language, currency):
        told.append(adjusted)
    elif kpi.is_restated and total.status not in ("achieved", "missed", "not_started"):
        told.append(words.say("restated_note", language))
    if foreign := total.details.get("converted_from"):
        told.append(
            words.say(
                "converted_note", language, currencies=foreign, currency=total.currency_code or ""
            )
        )
    if total.days_missing:
        told.append(words.say("missing_note", language, n=total.days_missing))
    if outlook.has_odds(total, one.target) and (season := outlook.season(total, language)):
        told.append(season)
    if one.target.realistic_because:
        because = formats.sentence_text(one.target.realistic_because).rstrip(".")
        told.append(words.say("why_realistic", language, because=because) + ".")
    return [note for note in told if note]


def _reading(view: ClientView, language: Language) -> list[str]:
    """How odds, ranges and young days are to be read, of those that the page shows."""
    told = []
    every = [e for one in view.targets for e in (one.total, *one.segments)]
    if any(outlook.has_odds(one.total, one.target) for one in view.targets):
        told.append(words.say("reading_odds", language))
    if any(e.projected_low is not None for e in every):
        told.append(words.say("reading_range", language))
    if any(words.rests_on_learned(e) for e in every):
        told.append(words.say("reading_young", language))
    return told


def counts(evaluations: list[Evaluation], language: Language) -> list[Count]:
    """How many goals there are of each tone, and where each begins on a bar of 100."""
    symbols = {"good": "✓", "warn": "▲", "bad": "✕", "unknown": "?", "waiting": "◔"}
    told: list[Count] = []
    left = 0.0
    for tone, symbol in symbols.items():
        n = sum(words.TONE[one.status] == tone for one in evaluations)
        if n:
            width = 100 * n / len(evaluations)
            word = words.say(f"count_{tone}", language)
            told.append(Count(tone, symbol, n, word, round(left, 2), round(width, 2)))
            left += width
    return told


def _source(state: SourceState, view: ClientView, language: Language) -> SourceRow:
    status = source_status(state, language)
    notes = problem_notes(state, language)
    notes += [words.capital(formats.name(words.note(note, language), 240)) for note in state.notes]
    notes += words.coverage(state.covered, language)
    loaded = ""
    if state.last_loaded_at is not None:
        moment = formats.moment(state.last_loaded_at, view.client.timezone, language)
        loaded = words.capital(words.say("loaded_at", language, moment=moment))
    return SourceRow(
        source=words.source(state.source),
        account=account_name(state),
        id=formats.name(state.account_id)
        if state.account_name not in ("", state.account_id)
        else "",
        status=replace(status, word=words.capital(status.word)),
        through=formats.short_day(state.through, language)
        if state.through
        else words.say("never_loaded", language),
        expected=formats.short_day(state.expected_through, language),
        missing=formats.day_ranges(state.missing_days, language)
        if state.missing_days
        else words.say("none", language),
        notes=[note for note in notes if note != formats.NOTHING],
        loaded=loaded,
    )


def _badge(evaluation: Evaluation, language: Language) -> Badge:
    return badge(evaluation.status, language)


def badge(status: str, language: Language) -> Badge:
    return Badge(
        words.capital(words.status(status, language)), words.SYMBOL[status], words.TONE[status]
    )


def say_capital(language: Language, key: str, n: int | None = None) -> str:
    return words.capital(words.say(key, language, **({} if n is None else {"n": n})))


@dataclass(frozen=True)
class _Picture:
    """The chart of a target, for a screen and for a phone; None when there is nothing to draw."""

    data: charts.ChartData | None = None
    wide: Markup | None = None
    narrow: Markup | None = None


def _pictures(view: ClientView, language: Language) -> list[_Picture]:
    """The charts of all targets, drawn at once."""
    every = [charts.chart_data(one, view.as_of, view.sources) for one in view.targets]
    sizes: tuple[Literal["wide", "narrow"], ...] = ("wide", "narrow")
    wanted = [
        charts.Wanted(one, data, size, f"{anchor(one.target)}-{size}")
        for one, data in zip(view.targets, every, strict=True)
        if data is not None
        for size in sizes
    ]
    # drawn by Vega, which escapes what it writes; checked by the tests with hostile names
    drawn = iter([Markup(svg) for svg in charts.charts_svg(wanted, language)])  # noqa: S704
    return [
        _Picture() if data is None else _Picture(data, next(drawn), next(drawn)) for data in every
    ]


@cache
def _css() -> Markup:
    """The style sheet, with a rule per colour of the charts."""
    rules = []
    for role, color in charts.ROLES.items():
        shade = {"paper": "card"}.get(role, role)
        for attribute in ("fill", "stroke"):
            rules.append(f'.chart [{attribute}="{color}"] {{ {attribute}: var(--{shade}); }}')
    text = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    return Markup(text.replace("/* roles */", "\n".join(rules)))  # noqa: S704


@cache
def environment() -> Environment:
    """Jinja2 with autoescape on for every template, whatever its name."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
