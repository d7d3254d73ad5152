"""Why a goal is in a message, in words: still off track, once more, escalated, edited, over."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Literal

import pytest

from flows.alerts.digest import DataNews, Digest, DigestItem, Kind
from flows.report import digest_lines
from flows.report.model import GoalChange
from flows.report.slack_blocks import render_slack
from flows.settings import Goal, Period
from flows.targets.evaluation import Status
from tests.golden import sample

DAY = sample.AS_OF
WEEK_AGO = DAY - timedelta(days=7)


def an_item(kind: Kind, was: Status | None = "off_track", **more: Any) -> DigestItem:
    view = sample.roas_view()
    total = replace(view.total, status=more.pop("status", "off_track"))
    return DigestItem(replace(view, total=total), total, was, kind, **more)


def about(*items: DigestItem, locale: Literal["nl", "en"] = "nl", **more: Any) -> Digest:
    return replace(sample.digest(locale), changed=items, unchanged=(), **more)


def change(item: DigestItem, locale: Literal["nl", "en"] = "nl") -> str:
    return digest_lines.line(item, about(item, locale=locale)).change


def test_a_repeat_says_for_how_long_nothing_changed() -> None:
    item = an_item("again", since=WEEK_AGO)
    day = digest_lines.formats.day(WEEK_AGO, "nl", year=False)
    assert change(item) == f"al 7 dagen onveranderd, sinds {day}"
    assert change(item, "en").startswith("unchanged for 7 days, since ")
    told = about(item)
    assert digest_lines.greeting(told) == "Eén doel is nog steeds uit koers."
    assert "nog steeds uit koers – " in digest_lines.subject(told)
    # one goal says nothing of all goals
    assert digest_lines.summary(told) == ""


def test_what_is_off_track_once_more_says_when_it_was_told_before() -> None:
    item = an_item("back", since=DAY - timedelta(days=2), told_on=WEEK_AGO)
    told = change(item, "en")
    assert told.startswith("once more, since ")
    assert digest_lines.formats.day(WEEK_AGO, "en", year=False) in told


def test_an_escalation_says_since_when_others_know() -> None:
    item = an_item("escalated", None, since=WEEK_AGO, told_on=WEEK_AGO)
    assert change(item).startswith("al 7 dagen; voor het eerst gemeld op ")
    assert "wie eraan werkt weet dat al een tijd" in digest_lines.greeting(about(item))


@pytest.mark.parametrize("status", ["on_track", "at_risk", "off_track"])
def test_a_first_verdict_is_not_told_as_a_change(status: Status) -> None:
    assert change(an_item("judged", "too_early", status=status), "en") == "the first verdict"
    assert change(an_item("judged", "no_data", status=status)) == "het eerste oordeel"


def test_a_goal_that_moved_is_told_from_what_to_what() -> None:
    edit = GoalChange(
        WEEK_AGO, Goal(kind="at_least", at_least=4.5), Goal(kind="at_least", at_least=4)
    )
    item = an_item("edited")
    item = replace(item, view=replace(item.view, goal_changes=(edit,)))
    line = digest_lines.line(item, about(item))
    assert line.change == "het doel is bijgesteld"
    assert "‘minstens 4,5’ en werd ‘minstens 4’" in line.reason
    assert digest_lines.greeting(about(item)) == "Eén doel is bijgesteld."


def test_a_month_that_ended_is_named_and_asks_for_no_next_step() -> None:
    item = an_item("missed", "off_track", status="missed")
    months = Period(every="month", end=date(2027, 1, 1))
    target = item.view.target.model_copy(update={"period": months})
    ended = replace(item.evaluation, period_start=date(2026, 10, 1), period_end=date(2026, 11, 1))
    item = replace(item, view=replace(item.view, target=target, total=ended), evaluation=ended)
    line = digest_lines.line(item, about(item))
    assert line.title.endswith(" – oktober\xa02026")
    assert (line.step, line.step_flag) == ("", "")
    assert digest_lines.subject(about(item)).endswith(" – oktober 2026")
    assert digest_lines.line(an_item("off_track"), about(item)).step


def test_a_message_of_changes_and_repeats_counts_them_apart() -> None:
    told = about(an_item("off_track", "on_track"), an_item("again", since=WEEK_AGO), locale="en")
    assert digest_lines.greeting(told) == "One goal changed status. Another is still off track."


def test_data_that_stopped_or_came_back_is_the_news_itself() -> None:
    account = replace(sample.sources()[0], account_name="Fietsgoed NL", missing_days=())
    goal = sample.roas_view().target
    client = sample.client("nl").model_copy(update={"targets": (goal,)})
    stale = about(client=client, data=(DataNews("stale", account, (goal.id,), "stale"),))
    greeting = digest_lines.greeting(stale)
    assert greeting.startswith("De data van Google Ads Fietsgoed NL komt niet binnen.")
    assert f"over één doel: ‘{goal.specific}’" in greeting
    assert "geen data van Google Ads Fietsgoed NL" in digest_lines.subject(stale)
    assert "Er zijn nog geen doelen" not in str(render_slack(stale).blocks)
    back = about(client=client, data=(DataNews("recovered", account, (goal.id,)),))
    assert digest_lines.greeting(back) == "De data van Google Ads Fietsgoed NL is er weer."
    holed = replace(account, missing_days=(WEEK_AGO,))
    enough = about(client=client, data=(DataNews("recovered", holed, (goal.id,)),), locale="en")
    assert digest_lines.greeting(enough).endswith("some days stay missing.")
    nobody = about(
        client=client, data=(DataNews("stale", None, (goal.id,), "nothing_matches"),), locale="en"
    )
    assert digest_lines.greeting(nobody) == f"There is no data to judge ‘{goal.specific}’ by."
