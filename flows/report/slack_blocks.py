"""A digest as a Slack message: Block Kit within its limits.

Limits (https://docs.slack.dev/reference/block-kit/blocks): 50 blocks, 3,000
characters in a section, 150 in a header. `msg_blocks_too_long` came near
13,000 characters in all, so this stays under 10,000.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from connectors.base import SlackMessage, SlackPicture
from flows.alerts.digest import Digest, DigestItem
from flows.report import digest_lines, formats, words
from flows.report.digest_charts import DigestCharts
from flows.report.digest_lines import Line

_MOST_BLOCKS = 50
_MOST_CHARACTERS = 10_000
_SECTION = 3_000
_HEADER = 150
_MOST_ACCOUNTS = 8
# Room kept for what closes a message: what was left out, the data, the link.
_CLOSING = 3_000

_EMOJI = {
    "not_started": ":white_circle:",
    "too_early": ":hourglass_flowing_sand:",
    "insufficient_data": ":hourglass_flowing_sand:",
    "no_data": ":grey_question:",
    "stale": ":grey_question:",
    "on_track": ":white_check_mark:",
    "at_risk": ":warning:",
    "off_track": ":x:",
    "achieved": ":trophy:",
    "missed": ":x:",
    "provisional": ":hourglass_flowing_sand:",
}


def render_slack(digest: Digest) -> SlackMessage:
    """Blocks and the plain text of the notification; what does not fit is counted."""
    language = digest.locale
    client = formats.name(digest.client.name)
    title = f"{client} · {formats.day(digest.as_of, language)}"
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(title, _HEADER)}},
        _section(f"{escape(digest_lines.greeting(digest))} {escape(digest_lines.summary(digest))}"),
    ]
    closing = _closing(digest)
    changed = [digest_lines.line(i, digest) for i in digest_lines.ordered(digest.changed)]
    shown, left_out = _goals(blocks, changed)
    blocks += shown
    unchanged = [digest_lines.line(i, digest) for i in digest_lines.ordered(digest.unchanged)]
    if unchanged:
        rows = [f"*{escape(words.say('others', language))}*"]
        for told in unchanged:
            row = _row(told)
            block = _section("\n".join([*rows, row]))
            if (
                left_out
                or len("\n".join([*rows, row])) > _SECTION
                or not _fits([*blocks, {"type": "divider"}, block])
            ):
                left_out += 1
            else:
                rows.append(row)
        if len(rows) > 1:
            blocks += [{"type": "divider"}, _section("\n".join(rows))]
    if left_out:
        blocks.append(_context(escape(words.say("left_out", language, n=left_out))))
    return SlackMessage(text=_fallback(digest, changed), blocks=[*blocks, *closing])


def render_slack_bot(digest: Digest, charts: DigestCharts) -> SlackMessage:
    """The same for a bot, with pictures and its place in the month's thread.

    The first message of a month begins a thread for the client and the route,
    and says on top where things stand now; the others are replies to it. What
    went well or wrong since is shown in the channel too; that something is
    still as it was, or is quietly on course, is not. A weekly or monthly
    summary tells all goals anew and stands by itself.
    """
    message = render_slack(digest)
    items = digest_lines.ordered(digest.changed)
    pictures, legend = [], []
    for place, chart in charts.items():
        target = items[place].view.target
        title = formats.name(target.specific, 140)
        pictures.append(SlackPicture(f"{target.id}.png", chart.png, title, chart.alt))
        keys = " · ".join(f"{_SIGNS[role]} {escape(told)}" for role, told in chart.legend)
        legend.append(f"*{escape(title)}*: {keys}")
    message = replace(message, pictures=tuple(pictures), legend=_cut("\n".join(legend), _SECTION))
    if digest.client.routes[digest.route].digest != "daily":
        return message
    return replace(
        message,
        thread=f"{digest.as_of:%Y-%m}",
        to_channel=bool(digest.data) or any(map(_matters, digest.changed)),
        head_note=_note(digest),
    )


def _note(digest: Digest) -> str:
    language = digest.locale
    day = words.say("as_of", language, day=formats.day(digest.as_of, language))
    standing = _cut(escape(digest_lines.standing(digest)), 1_500)
    return f"*{escape(day)}:* {standing} {escape(words.say('thread_since', language))}"


# What a chart's colours and dashes mean; colour alone never tells two lines apart.
_SIGNS = {
    "line": "━",
    "young": "╍",
    "context": "─",
    "goal": "┄",
    "band": ":large_green_square:",
    "fan": ":large_blue_square:",
    "missing": ":large_purple_square:",
}
_IN_CHANNEL = frozenset(
    {"off_track", "at_risk", "missed", "achieved", "recovered", "back", "escalated"}
)


def _matters(item: DigestItem) -> bool:
    """Whether an item is worth the attention of everybody in the channel."""
    told = item.evaluation
    is_worse = told.status != item.was and words.TONE[told.status] in ("bad", "warn")
    return item.kind in _IN_CHANNEL or is_worse


def escape(text: str) -> str:
    """Text of somebody else for mrkdwn: no mention, no link, no formatting.

    Slack asks for & < > to be escaped and has no escape for its formatting
    signs, so those that would start or end a format become look-alikes.
    Source: https://docs.slack.dev/messaging/formatting-message-text#escaping
    """
    for sign, harmless in (("*", "∗"), ("~", "∼"), ("`", "ˋ")):
        text = text.replace(sign, harmless)
    text = re.sub(r"(?<!\w)_|_(?!\w)", "＿", text)
    # `:x:` would be a sign of ours, and > at the start of a line a quotation
    text = re.sub(r":(?=[\w+'-]*[^\W\d][\w+'-]*:)", "∶", text)
    text = re.sub(r"(?m)^(\s*)>", r"\1›", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _goals(before: list[dict[str, Any]], changed: list[Line]) -> tuple[list[dict[str, Any]], int]:
    """A section per goal, and how many did not fit.

    When there is no room for everything, first what goes well is told in
    short, then everything, and only then goals are left out.
    """
    calm = ("good", "waiting")
    for brief_tones in ((), calm, (*calm, "warn", "bad", "unknown")):
        sections = [_section(_goal(told, is_brief=told.tone in brief_tones)) for told in changed]
        if _fits([*before, *sections]):
            return sections, 0
    fitting = 0
    while _fits([*before, *sections[: fitting + 1]]):
        fitting += 1
    return sections[:fitting], len(sections) - fitting


def _goal(told: Line, *, is_brief: bool = False) -> str:
    change = f" ({escape(told.change)})" if told.change else ""
    lines = [
        f"{_EMOJI[told.status]} *{escape(told.title)}*",
        f"*{escape(words.capital(told.word))}*{change} · {escape(told.reason)}",
    ]
    if not is_brief:
        lines.append(escape(words.capital(told.basis)))
    lines.append(escape(told.ahead))
    if not is_brief:
        lines += [
            escape(cause if i == 0 else f"•{formats.NBSP}{cause}")
            for i, cause in enumerate(told.causes)
        ]
    if told.step:
        flag = f" – *{escape(told.step_flag)}*" if told.step_flag else ""
        lines.append(f"→ {escape(told.step)}{flag}")
    if not is_brief and told.data:
        lines.append(escape(told.data))
    return _cut("\n".join(line for line in lines if line), _SECTION)


def _row(told: Line) -> str:
    figures = f" · {escape(told.figures)}" if told.figures else ""
    word = f"{told.word} {told.since}".strip()
    pending = f" – {escape(told.pending)}" if told.pending else ""
    step = f"\n→ {escape(told.row_step)}" if told.row_step else ""
    return f"{_EMOJI[told.status]} {escape(told.title)}: {escape(word)}{figures}{pending}{step}"


def _closing(digest: Digest) -> list[dict[str, Any]]:
    language = digest.locale
    blocks: list[dict[str, Any]] = []
    troubled = digest_lines.troubled_accounts(digest)
    if troubled:
        rows = [f"*{escape(words.say('data_problems', language))}*"]
        for one in troubled[:_MOST_ACCOUNTS]:
            row = f"{one.status.symbol} {one.source} · {one.name}: {one.status.word}{one.aside}"
            rows.append(escape(row))
        if len(troubled) > _MOST_ACCOUNTS:
            n = len(troubled) - _MOST_ACCOUNTS
            rows.append(escape(words.say("left_out_sources", language, n=n)))
        blocks += [{"type": "divider"}, _section(_cut("\n".join(rows), _CLOSING - 600))]
    notes = [escape(digest_lines.data_line(digest)), escape(digest_lines.season_line(digest))]
    if link := digest_lines.web_link(digest):
        told = escape(words.say("open_report", language))
        notes.append(f"<{quote(link, safe=_SAFE)}|{told}>")
    elif digest.report_link:
        notes.append(escape(words.say("report_at", language, link=digest.report_link)))
    if any(notes):
        blocks.append(_context(" · ".join(note for note in notes if note)))
    return blocks


# what may stand in an address; & < > and | would end or change a Slack link
_SAFE = ":/?#[]@!$'()*+,;=%-._~"


def _fallback(digest: Digest, changed: list[Line]) -> str:
    """What a notification, or a client without blocks, shows."""
    rows = [digest_lines.subject(digest)]
    rows += [f"{told.symbol} {told.title}: {told.word}. {told.reason}" for told in changed]
    if digest.report_link:
        rows.append(words.say("report_at", digest.locale, link=digest.report_link))
    return _cut("\n".join(escape(row) for row in rows), _SECTION)


def _section(text: str) -> dict[str, Any]:
    # verbatim: a name that looks like an address does not become a link
    return {
        "type": "section",
        "text": {"type": "mrkdwn", "text": _cut(text, _SECTION), "verbatim": True},
    }


def _context(text: str) -> dict[str, Any]:
    return {
        "type": "context",
        "elements": [{"type": "mrkdwn", "text": _cut(text, 2_000), "verbatim": True}],
    }


def _fits(blocks: list[dict[str, Any]]) -> bool:
    size = len(json.dumps(blocks, ensure_ascii=False))
    return len(blocks) <= _MOST_BLOCKS - 6 and size <= _MOST_CHARACTERS - _CLOSING


def _cut(text: str, limit: int) -> str:
    """Cut at a line or a word, never inside an escaped sign."""
    if len(text) <= limit:
        return text
    kept = text[: limit - 2]
    kept = re.sub(r"&[a-z]{0,3}$", "", kept)
    for mark in ("\n", " "):
        if mark in kept[-200:]:
            kept = kept[: kept.rindex(mark)]
            break
    return kept + " …"
