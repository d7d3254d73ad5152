"""Which form a digest takes for webhook, bot, mail and fallback, and what is drawn for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest

from connectors.base import MailMessage, SlackMessage
from flows.alerts.digest import DataNews, Digest, DigestItem, Kind
from flows.alerts.news import rendered
from flows.report import charts
from flows.report.digest_charts import draw_charts
from flows.report.slack_blocks import render_slack, render_slack_bot
from flows.settings import Route, SecretRef, SlackBot
from flows.targets.evaluation import Status
from tests.golden import sample
from tests.unit.test_report_messages import many

HOOK = SecretRef(kind="env", name="HOOK")
BOT = SlackBot(token=SecretRef(kind="env", name="BOT"), channel="C0GROWTH")
MAIL = ("lead@example.nl",)


def on(digest: Digest, /, *others: Route, **route: Any) -> Digest:
    """The digest for a route of that kind, among others."""
    own = Route(name=digest.route, **route)
    routes = {one.name: one for one in (own, *others)}
    targets = tuple(item.view.target for item in sample.digest("nl", is_first=True).changed)
    told = {"routes": routes, "targets": targets}
    return replace(digest, client=digest.client.model_copy(update=told))


def for_bot(digest: Digest) -> SlackMessage:
    return render_slack_bot(on(digest, slack=BOT), {})


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The goals whose charts are drawn, in order."""
    found: list[str] = []
    draw = charts.chart_png

    def noted(view: Any, *told: Any) -> bytes | None:
        found.append(view.target.id)
        return draw(view, *told)

    monkeypatch.setattr(charts, "chart_png", noted)
    return found


# --- what is drawn ----------------------------------------------------------------------------


def test_nothing_is_drawn_for_a_webhook_nor_for_its_fallback(drawn: list[str]) -> None:
    lead = Route(name="lead", email=MAIL)
    (message,) = rendered(on(sample.digest("nl"), lead, slack=HOOK, fallback="lead"))
    assert message.message == render_slack(sample.digest("nl"))
    (mail,) = message.alternates
    assert isinstance(mail, MailMessage)
    assert "Een ROAS van minstens 4" in mail.text and "<table" in mail.html
    assert (mail.pictures, drawn) == ((), [])


def test_a_chart_is_drawn_once_for_mail_bot_and_fallback(drawn: list[str]) -> None:
    digest = replace(sample.digest("nl"), changed=sample.digest("nl").changed[:1])
    slack, mail = rendered(on(digest, slack=BOT, email=MAIL))
    assert drawn == ["shopping-roas-q4"]
    assert isinstance(slack.message, SlackMessage) and isinstance(mail.message, MailMessage)
    (picture,) = slack.message.pictures
    assert [png for _, png in mail.message.pictures] == [picture.png]
    lead = Route(name="lead", email=MAIL)
    (slack,) = rendered(on(digest, lead, slack=BOT, fallback="lead"))
    (alternate,) = slack.alternates
    assert isinstance(alternate, MailMessage)
    assert [png for _, png in alternate.pictures] == [picture.png]
    assert drawn == ["shopping-roas-q4"] * 2


def test_a_picture_says_in_words_what_it_shows(drawn: list[str]) -> None:
    digest = on(sample.digest("en"), slack=BOT)
    message = render_slack_bot(digest, draw_charts(digest))
    assert [one.name for one in message.pictures] == ["shopping-roas-q4.png", "google-ads-ctr.png"]
    roas = message.pictures[0]
    assert roas.title == "Een ROAS van minstens 4 op alle Google Shopping-campagnes"
    assert "It ends at 3.6; agreed is at least 4." in roas.alt
    assert message.legend.split("\n")[1] == (
        "*De CTR van onze Google Ads-zoekcampagnes verhogen*: ━ over 28 days · "
        ":large_blue_square: expected, with its 80% range · ┄ path agreed"
    )


def test_eight_pictures_are_enough(drawn: list[str]) -> None:
    digest = on(many(12), slack=BOT)
    assert len(render_slack_bot(digest, draw_charts(digest)).pictures) == len(drawn) == 8


# --- a fallback -------------------------------------------------------------------------------


def test_only_what_the_route_lacks_is_rendered_for_its_fallback() -> None:
    both = Route(name="lead", slack=HOOK, email=MAIL)
    digest = sample.digest("nl")
    (slack,) = rendered(on(digest, both, slack=HOOK, fallback="lead"))
    assert [type(one) for one in slack.alternates] == [MailMessage]
    (mail,) = rendered(on(digest, both, email=MAIL, fallback="lead"))
    assert [type(one) for one in mail.alternates] == [SlackMessage]
    same = Route(name="lead", slack=BOT)
    (slack,) = rendered(on(digest, same, slack=HOOK, fallback="lead"))
    assert slack.alternates == ()
    (alone,) = rendered(on(digest, slack=HOOK))
    assert alone.alternates == ()


# --- the thread -------------------------------------------------------------------------------


def test_the_messages_of_a_month_are_one_thread_and_a_summary_stands_by_itself() -> None:
    digest = sample.digest("nl")
    assert for_bot(digest).thread == "2026-11"
    assert for_bot(replace(digest, as_of=digest.as_of.replace(month=12))).thread == "2026-12"
    weekly = on(replace(digest, cadence="weekly"), slack=BOT, digest="weekly")
    message = render_slack_bot(weekly, {})
    assert (message.thread, message.head_note, message.to_channel) == ("", "", False)


def test_a_bots_blocks_are_those_of_a_webhook() -> None:
    assert for_bot(sample.digest("nl")).blocks == render_slack(sample.digest("nl")).blocks


@pytest.mark.parametrize(
    ("kind", "was", "status", "is_shown"),
    [
        ("off_track", "on_track", "off_track", True),
        ("missed", "off_track", "missed", True),
        ("achieved", "on_track", "achieved", True),
        ("recovered", "off_track", "on_track", True),
        ("at_risk", "on_track", "at_risk", True),
        ("back", "off_track", "off_track", True),
        ("escalated", None, "off_track", True),
        ("new", None, "off_track", True),
        ("judged", "too_early", "at_risk", True),
        ("edited", "on_track", "off_track", True),
        ("again", "off_track", "off_track", False),
        ("edited", "off_track", "off_track", False),
        ("new", None, "on_track", False),
        ("judged", "too_early", "on_track", False),
        ("closed", "too_early", "insufficient_data", False),
        ("provisional", "on_track", "provisional", False),
    ],
)
def test_news_that_matters_is_shown_in_the_channel_and_the_rest_in_the_thread_alone(
    kind: Kind, was: Status | None, status: Status, is_shown: bool
) -> None:
    view = sample.roas_view()
    total = replace(view.total, status=status)
    item = DigestItem(replace(view, total=total), total, was, kind)
    assert for_bot(replace(sample.digest("nl"), changed=(item,))).to_channel is is_shown


def test_data_that_stopped_is_shown_in_the_channel() -> None:
    digest = sample.digest("nl")
    data = DataNews("stale", digest.sources[0], ("google-ads-ctr",))
    assert for_bot(replace(digest, changed=(), data=(data,))).to_channel


@pytest.mark.parametrize(
    ("locale", "told"),
    [
        (
            "nl",
            "*Stand van 20 november 2026:* 3 van de 6 doelen liggen op koers. Uit koers: ‘Een ROAS "
            "van minstens 4 op alle Google Shopping-campagnes’ en ‘Elke maand hoogstens 38 euro "
            "per nieuwe klant’. Geen data: ‘De organische CTR vasthouden "
            '&lt;script&gt;alert("koers")&lt;/script&gt;’. Hieronder staat het eerste bericht '
            "van deze maand; wat daarna kwam, staat in de thread.",
        ),
        (
            "en",
            "*As of 20 November 2026:* 3 of 6 goals are on course. Off track: ‘Een ROAS van "
            "minstens 4 op alle Google Shopping-campagnes’ and ‘Elke maand hoogstens 38 euro per "
            "nieuwe klant’. No data: ‘De organische CTR vasthouden "
            '&lt;script&gt;alert("koers")&lt;/script&gt;’. Below is the first message of this '
            "month; what came after it is in the thread.",
        ),
    ],
)
def test_the_top_of_the_thread_says_in_a_line_where_things_stand(
    locale: Literal["nl", "en"], told: str
) -> None:
    assert for_bot(sample.digest(locale)).head_note.replace("\N{NO-BREAK SPACE}", " ") == told


def test_of_many_goals_off_track_the_top_of_the_thread_names_three() -> None:
    digest = many(5)
    items = tuple(
        replace(one, view=replace(one.view, target=one.view.target.model_copy(update={"id": name})))
        for one, name in zip(digest.changed, "abcde", strict=True)
    )
    note = for_bot(replace(digest, changed=items)).head_note
    assert note.count("‘Een doel’") == 3
    assert "‘Een doel’, ‘Een doel’, ‘Een doel’ en 2 andere." in note


def test_who_hears_of_data_alone_reads_that_on_top() -> None:
    digest = sample.digest("en")
    data = DataNews("stale", digest.sources[0], ("google-ads-ctr",))
    note = for_bot(replace(digest, changed=(), unchanged=(), data=(data,))).head_note
    assert "is not coming in. Until it does, one goal is not judged" in note
