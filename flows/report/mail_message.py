"""A digest as a mail: text worth reading, and HTML with pictures that mail programs show.

Gmail and Outlook drop SVG, data URIs, style sheets and most of CSS: so tables,
styles written into the elements, and PNG by content id.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from functools import partial

from connectors.base import MailMessage
from flows.alerts.digest import Digest, DigestItem
from flows.report import charts, digest_lines, formats, words
from flows.report.digest_charts import DigestChart, DigestCharts, draw_charts
from flows.report.digest_lines import Line
from flows.report.dress import MAIL_LOGO_HEIGHT, Dress
from flows.report.page import environment, say_capital

# Gmail clips what is longer than 102 kB.
_MOST_HTML = 100_000
_MOST_GOALS = 25
_MOST_OTHERS = 40
_MOST_ACCOUNTS = 20

_LOGO = "logo@koers"
_BUTTON = "#005a8d"

# Colour and sign of what a chart shows, for the line of words below it.
_KEYS = {
    "line": (charts.ROLES["line"], "━"),
    "young": (charts.ROLES["line"], "╍"),
    "context": (charts.ROLES["context"], "─"),
    "goal": (charts.ROLES["goal"], "┄"),
    "band": ("#b9e4d8", "■"),
    "fan": ("#b8dff5", "■"),
    "missing": ("#eec9dd", "■"),
}


@dataclass(frozen=True)
class Goal:
    line: Line
    word: str
    figures: str
    basis: str
    cid: str
    alt: str
    legend: list[tuple[str, str, str]]  # (colour, sign, words)


def render_mail(
    digest: Digest,
    dress: Dress = Dress(),  # noqa: B008 (frozen)
    drawn: DigestCharts | None = None,
) -> MailMessage:
    """Subject, text and HTML in the route's language; the same digest gives the same mail.

    ``drawn`` are its charts where they were drawn already; None draws them.
    """
    drawn = draw_charts(digest) if drawn is None else drawn
    items = digest_lines.ordered(digest.changed)
    goals: list[Goal] = []
    pictures: list[tuple[str, bytes]] = []
    for place, item in enumerate(items[:_MOST_GOALS]):
        chart = drawn.get(place)
        goal = _goal(item, digest, chart, len(pictures) + 1)
        goals.append(goal)
        if chart is not None:
            pictures.append((goal.cid, chart.png))
    others = [_goal(item, digest) for item in digest_lines.ordered(digest.unchanged)[:_MOST_OTHERS]]
    left_out = max(len(items) - _MOST_GOALS, 0) + max(len(digest.unchanged) - _MOST_OTHERS, 0)
    html = _html(digest, dress, goals, others, left_out)
    while len(html) > _MOST_HTML and (goals or others):
        # the least urgent of the longest list goes first; the report has them all
        fewer = others if len(others) > len(goals) else goals
        cut = max(len(fewer) // 8, 1)
        del fewer[-cut:]
        left_out += cut
        html = _html(digest, dress, goals, others, left_out)
    shown = {goal.cid for goal in goals} | {_LOGO}
    if logo := dress.logo_png():
        pictures.insert(0, (_LOGO, logo))
    return MailMessage(
        subject=digest_lines.subject(digest),
        text=_text(digest, dress, goals, others, left_out),
        html=html,
        pictures=tuple(picture for picture in pictures if picture[0] in shown),
        language=digest.locale,
        unsubscribe=_unsubscribe(digest),
    )


def _html(
    digest: Digest, dress: Dress, goals: list[Goal], others: list[Goal], left_out: int
) -> str:
    import css_inline

    language = digest.locale
    troubled = digest_lines.troubled_accounts(digest)
    hidden = len(troubled) - _MOST_ACCOUNTS
    link = digest_lines.web_link(digest)
    html = (
        environment()
        .get_template("mail.html.j2")
        .render(
            language=language,
            say=partial(say_capital, language),
            subject=digest_lines.subject(digest),
            client=formats.name(digest.client.name),
            as_of=words.say("as_of", language, day=formats.weekday(digest.as_of, language)),
            greeting=digest_lines.greeting(digest),
            summary=digest_lines.summary(digest),
            link=link,
            place=""
            if link or not digest.report_link
            else words.say("report_at", language, link=digest.report_link),
            goals=goals,
            others=others,
            left_out=words.say("left_out", language, n=left_out) if left_out else "",
            troubled=troubled[:_MOST_ACCOUNTS],
            troubled_more=words.say("left_out_sources", language, n=hidden) if hidden > 0 else "",
            data_line=digest_lines.data_line(digest),
            season_line=digest_lines.season_line(digest),
            width=charts.png_width(),
            footer=_footer(digest, dress),
            unsubscribe=_unsubscribe(digest),
            unsubscribe_told=_where(_unsubscribe(digest)),
            brand=formats.name(dress.name, 60) if dress.name else "",
            logo=_LOGO if dress.logo else "",
            logo_height=MAIL_LOGO_HEIGHT,
            color=dress.color or dress.accent or "",
            button=dress.color or _BUTTON,
        )
    )
    inlined: str = css_inline.CSSInliner(
        load_remote_stylesheets=False, keep_style_tags=False
    ).inline(html)
    return inlined


def _goal(
    item: DigestItem, digest: Digest, chart: DigestChart | None = None, number: int = 0
) -> Goal:
    """A goal with its picture, the ``number``-th of the mail, where it has one."""
    line = digest_lines.line(item, digest)
    safe_id = re.sub(r"[^a-z0-9-]", "-", item.view.target.id.lower())[:60]
    return Goal(
        line=line,
        word=words.capital(line.word),
        figures=words.capital(line.figures),
        basis=words.capital(line.basis),
        cid=f"{safe_id}-{number}@koers" if chart else "",
        alt=chart.alt if chart else "",
        legend=[(*_KEYS[role], told) for role, told in chart.legend] if chart else [],
    )


def _text(
    digest: Digest, dress: Dress, goals: list[Goal], others: list[Goal], left_out: int
) -> str:
    language = digest.locale
    as_of = words.say("as_of", language, day=formats.weekday(digest.as_of, language))
    parts = [
        f"{formats.name(digest.client.name)} – {as_of}",
        _wrap(f"{digest_lines.greeting(digest)} {digest_lines.summary(digest)}"),
    ]
    for goal in goals:
        line = goal.line
        change = f" ({line.change})" if line.change else ""
        rows = [
            _wrap(f"{line.symbol} {line.word.upper()}{change}"),
            _wrap(line.title, "  "),
            _wrap(line.reason, "  "),
            _wrap(goal.basis, "  "),
            _wrap(line.ahead, "  "),
            *(
                _wrap(told if i == 0 else f"- {told}", "  ", "  " if i == 0 else "    ")
                for i, told in enumerate(line.causes)
            ),
        ]
        if line.step:
            flag = f" – {line.step_flag.upper() if line.is_overdue else line.step_flag}"
            rows.append(_wrap(f"→ {line.step}{flag if line.step_flag else ''}", "  ", "    "))
        if line.data:
            rows.append(_wrap(line.data, "  "))
        parts.append("\n".join(row for row in rows if row.strip()))
    if others:
        rows = [words.say("others", language)]
        for other in others:
            line = other.line
            word = f"{line.word} {line.since}".strip()
            rows.append(_wrap(f"{line.symbol} {line.title}: {word}", "  "))
            rows += [_wrap(told, "    ") for told in (line.figures, line.pending) if told]
            if line.row_step:
                rows.append(_wrap(f"→ {line.row_step}", "    ", "      "))
        parts.append("\n".join(rows))
    if left_out:
        parts.append(words.say("left_out", language, n=left_out))
    troubled = digest_lines.troubled_accounts(digest)
    if troubled:
        rows = [words.say("data_problems", language)]
        for one in troubled[:_MOST_ACCOUNTS]:
            rows.append(
                _wrap(
                    f"{one.status.symbol} {one.source}, {one.name}: {one.status.word}{one.aside}",
                    "  ",
                )
            )
        if len(troubled) > _MOST_ACCOUNTS:
            n = len(troubled) - _MOST_ACCOUNTS
            rows.append("  " + words.say("left_out_sources", language, n=n))
        parts.append("\n".join(rows))
    elif told := digest_lines.data_line(digest):
        parts.append(told)
    if season := digest_lines.season_line(digest):
        parts.append(_wrap(season))
    if digest.report_link:
        parts.append(words.say("report_at", language, link=digest.report_link))
    parts.append("-- \n" + _wrap(_footer(digest, dress)))
    if stop := _unsubscribe(digest):
        parts[-1] += "\n" + _wrap(f"{words.say('no_more_mail', language)} {_where(stop)}")
    return "\n\n".join(parts) + "\n"


def _footer(digest: Digest, dress: Dress) -> str:
    return words.say(
        "mail_footer_brand" if dress.name else "mail_footer",
        digest.locale,
        brand=formats.name(dress.name, 60),
        route=formats.name(digest.route, 60),
        client=formats.name(digest.client.name),
    )


def _unsubscribe(digest: Digest) -> str:
    """Where a reader asks for no more of these; empty when the route names no place."""
    route = digest.client.routes.get(digest.route)
    return (route.unsubscribe or "") if route else ""


def _where(unsubscribe: str) -> str:
    """The place as people read it: a mail address without what a mail program wants of it."""
    if not unsubscribe.startswith("mailto:"):
        return unsubscribe
    return unsubscribe.removeprefix("mailto:").partition("?")[0]


def _wrap(text: str, indent: str = "", hanging: str | None = None) -> str:
    """Lines of at most 76 characters; a no-break space never breaks, an address is left whole."""
    return textwrap.fill(
        text,
        76,
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
