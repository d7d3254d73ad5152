"""What a client, a Slack channel and a mailbox get to see, in both languages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest

from flows.report.digest_charts import draw_charts
from flows.report.mail_message import render_mail
from flows.report.page import render_report
from flows.report.slack_blocks import render_slack, render_slack_bot
from flows.settings import Route
from tests.golden.sample import client_view, digest

Golden = Callable[[str, str], None]
LANGUAGES: tuple[Literal["nl", "en"], ...] = ("nl", "en")


def without_drawings(html: str) -> str:
    """The page without the strokes of its charts and without its style sheet.

    Text is measured with the fonts of the machine, so that strokes may differ
    by a pixel; titles and descriptions stay.
    """
    html = re.sub(r"(<svg[^>]*>(?:<title.*?</desc>)?).*?</svg>", r"\1…</svg>", html, flags=re.S)
    html = re.sub(r'(<svg[^>]*?) width="[\d.]+" height="[\d.]+"', r"\1", html)
    html = re.sub(r'viewBox="[-\d. ]+"', 'viewBox="…"', html)
    html = re.sub(r"sha256-[\w+/=]+", "sha256-…", html)
    return re.sub(r"<style>.*?</style>", "<style>…</style>", html, flags=re.S)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_reads_as_agreed(language: Literal["nl", "en"], golden: Golden) -> None:
    golden(f"report-{language}.html", without_drawings(render_report(client_view(language))))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("is_first", [True, False])
def test_the_slack_message_reads_as_agreed(
    language: Literal["nl", "en"], is_first: bool, golden: Golden
) -> None:
    message = render_slack(digest(language, is_first=is_first))
    told = {"text": message.text, "blocks": list(message.blocks)}
    name = "first" if is_first else "changed"
    golden(f"slack-{name}-{language}.json", json.dumps(told, ensure_ascii=False, indent=2) + "\n")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_bots_thread_reads_as_agreed(language: Literal["nl", "en"], golden: Golden) -> None:
    told = digest(language)
    client = told.client.model_copy(update={"routes": {told.route: Route(name=told.route)}})
    told = replace(told, client=client)
    message = render_slack_bot(told, draw_charts(told))
    rows = [message.head_note, "", message.legend, ""]
    rows += [f"{one.name}: {one.title}\n  {one.alt}" for one in message.pictures]
    golden(f"slack-thread-{language}.txt", "\n".join(rows) + "\n")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_mail_reads_as_agreed(language: Literal["nl", "en"], golden: Golden) -> None:
    message = render_mail(digest(language, is_first=language == "en"))
    golden(f"mail-{language}.txt", f"Subject: {message.subject}\n\n{message.text}")
    golden(f"mail-{language}.html", message.html)


def test_the_same_view_gives_the_same_bytes_twice() -> None:
    view = client_view("nl")
    one = replace(view, targets=view.targets[1:2])
    assert render_report(one) == render_report(one)
    first, second = (
        render_mail(replace(digest("nl"), changed=digest("nl").changed[:1])) for _ in range(2)
    )
    assert first == second
