"""Slack and mail: within their limits, harmless, and worth reading."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from connectors.base import MailMessage
from flows.alerts.digest import Digest, DigestItem
from flows.report.mail_message import render_mail
from flows.report.slack_blocks import escape, render_slack
from flows.settings import Route
from flows.targets.evaluation import Evaluation, Status
from tests.golden import sample
from tests.golden.sample import EVIL, LONG
from tests.unit.test_report_page import Elements


def many(n: int, specific: str = "Een doel", *, changed: bool = True) -> Digest:
    base = sample.digest("nl")
    view = sample.roas_view()
    target = view.target.model_copy(update={"specific": specific})
    items = tuple(DigestItem(replace(view, target=target), view.total, None) for _ in range(n))
    empty: tuple[DigestItem, ...] = ()
    return replace(base, changed=items if changed else empty, unchanged=empty if changed else items)


def segment_item(was: Status | None) -> DigestItem:
    view = sample.roas_view()
    guilty: Evaluation = next(s for s in view.segments if s.segment == "7001")
    return DigestItem(view, guilty, was)


def with_route(digest: Digest, **said: Any) -> Digest:
    route = Route(name=digest.route, email=("lead@example.nl",), **said)
    client = digest.client.model_copy(update={"routes": {digest.route: route}})
    return replace(digest, client=client)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("mailto:stop@example.nl?subject=stop", "Geen berichten meer? stop@example.nl"),
        ("https://example.nl/stop", "Geen berichten meer? https://example.nl/stop"),
    ],
)
def test_a_mail_says_where_to_ask_for_no_more_of_them(said: str, told: str) -> None:
    mail = render_mail(with_route(sample.digest("nl"), unsubscribe=said))
    assert mail.unsubscribe == said
    assert mail.text.rstrip().endswith(told)
    assert f'href="{said}"' in mail.html
    plain = render_mail(with_route(sample.digest("nl")))
    assert plain.unsubscribe == ""
    assert "Geen berichten meer" not in plain.text + plain.html


@pytest.mark.parametrize("n", [1, 8, 60])
@pytest.mark.parametrize("changed", [True, False])
@pytest.mark.parametrize("specific", ["Kort", LONG, "&<>" * 4000])
def test_a_slack_message_stays_within_the_limits(n: int, changed: bool, specific: str) -> None:
    message = render_slack(many(n, specific, changed=changed))
    assert len(message.blocks) <= 50
    assert len(json.dumps(message.blocks, ensure_ascii=False)) <= 10_000
    assert 0 < len(message.text) <= 3_000
    for block in message.blocks:
        if block["type"] == "header":
            assert len(block["text"]["text"]) <= 150
        if block["type"] == "section":
            assert 0 < len(block["text"]["text"]) <= 3_000


def test_what_does_not_fit_in_slack_is_counted() -> None:
    message = render_slack(many(60))
    shown = sum(":x: *" in b.get("text", {}).get("text", "") for b in message.blocks)
    told = json.dumps(message.blocks, ensure_ascii=False)
    assert 0 < shown < 60
    assert f"Nog {60 - shown} doelen staan in het rapport." in told


def test_a_name_can_neither_mention_nor_link_nor_format_in_slack() -> None:
    assert escape("<!channel> & *vet* ~door~ `code`") == (
        "&lt;!channel&gt; &amp; ∗vet∗ ∼door∼ ˋcodeˋ"
    )
    assert escape("brand_nl_search _schuin_") == "brand_nl_search ＿schuin＿"
    message = render_slack(many(2, f"<!channel> {EVIL} <https://evil.example|klik>"))
    told = message.text + json.dumps(message.blocks)
    assert not re.search(r"<(!|@|#|script|https://evil)", told)


def test_addresses_in_names_do_not_become_links_in_slack() -> None:
    for block in render_slack(sample.digest("nl")).blocks:
        for text in [block["text"]] if "text" in block else block.get("elements", []):
            assert text["type"] == "plain_text" or text["verbatim"] is True


def test_the_link_to_the_report_cannot_be_broken_out_of() -> None:
    digest = replace(sample.digest("en"), report_link="https://x.example/a|b>c<!here>&d=1")
    told = json.dumps(render_slack(digest).blocks)
    assert "<https://x.example/a%7Cb%3Ec%3C!here%3E%26d=1|Open the report>" in told


def test_a_report_on_disk_is_told_as_a_place() -> None:
    place = "/srv/koers/report/fietsgoed.html"
    digest = replace(sample.digest("nl"), report_link=place, changed=())
    mail = render_mail(digest)
    assert "Het rapport: /srv/koers/report/fietsgoed.html" in mail.text
    assert "Open het rapport" not in mail.html
    assert "/srv/koers/report/fietsgoed.html" in json.dumps(render_slack(digest).blocks)


def test_a_script_address_never_becomes_a_link() -> None:
    digest = replace(sample.digest("en"), report_link="javascript:alert(1)", changed=())
    assert 'href="javascript' not in render_mail(digest).html


def test_the_first_digest_says_so_and_lists_every_target() -> None:
    digest = sample.digest("en", is_first=True)
    mail, slack = render_mail(digest), render_slack(digest)
    told = json.dumps(slack.blocks, ensure_ascii=False)
    for text in (mail.text, told):
        assert "This is the first message about Fietsgoed." in text.replace("\n", " ")
    assert told.count("*Off track*") + told.count("*On track*") + told.count("*No data*") == 6


@pytest.fixture(scope="module")
def mail() -> MailMessage:
    return render_mail(sample.digest("nl"))


def test_a_change_names_the_status_before_it(mail: MailMessage) -> None:
    told = mail.text
    told = told.replace("\xa0", " ")
    assert "UIT KOERS (was op koers sinds 9 oktober)" in told
    assert "OP KOERS (hersteld, was in gevaar sinds 9 oktober)" in told


def test_what_has_not_changed_says_since_when(mail: MailMessage) -> None:
    told = " ".join(mail.text.replace("\xa0", " ").split())
    assert "hoogstens 38 euro per nieuwe klant: uit koers sinds 14 november" in told


def test_a_segment_is_told_by_its_own_name_and_value() -> None:
    digest = replace(sample.digest("nl"), changed=(segment_item("on_track"),), unchanged=())
    mail = render_mail(digest)
    assert "Shopping-campagnes – Shopping – E-bikes" in " ".join(mail.text.split())
    assert "ROAS staat op 2,8, waar minstens 4 is afgesproken." in mail.text
    assert mail.pictures == (), "the chart is of the total"


def test_the_mail_is_html_that_mail_programs_keep(mail: MailMessage) -> None:
    seen = Elements(mail.html)
    tags = {tag for tag, _ in seen.tags}
    assert not tags & {"script", "svg", "style", "link", "form"}
    assert "data:" not in mail.html
    cids = [(img["src"] or "") for img in seen.named("img")]
    assert cids == [f"cid:{cid}" for cid, _ in mail.pictures]
    assert len(cids) == len(set(cids)) == 2
    assert all(img["alt"] for img in seen.named("img"))
    assert EVIL in seen.text
    assert len(mail.html) < 102_000, "Gmail clips what is longer"


def test_a_hundred_goals_still_fit_in_a_mail() -> None:
    message = render_mail(many(100, LONG))
    told = message.text.replace("\xa0", " ")
    shown = told.count("UIT KOERS")
    assert len(message.html) < 102_000
    assert len(message.pictures) == 8
    assert 15 <= shown <= 25
    assert f"{100 - shown} doelen staan in het rapport" in told


def test_a_subject_is_one_short_line() -> None:
    for specific in ("Kort\r\nBcc: evil@example.nl", LONG):
        subject = render_mail(many(1, specific)).subject
        assert "\n" not in subject
        assert "\r" not in subject
        assert len(subject) <= 140


def test_troubled_data_is_told_and_healthy_data_in_one_line(mail: MailMessage) -> None:
    assert "Data die aandacht vraagt" in mail.text
    digest = sample.digest("nl")
    healthy = replace(digest, sources=digest.sources[:1], changed=())
    told = render_mail(healthy).text.replace("\xa0", " ")
    assert "Alle data is binnen, tot en met 19 november 2026." in told


def test_a_message_says_things_in_the_order_that_readers_need_them(mail: MailMessage) -> None:
    told = " ".join(mail.text.replace("\xa0", " ").split())
    order = [
        "UIT KOERS (was op koers sinds 9 oktober)",
        "1 van de 4 campagnes haalt het doel niet",
        "uit € 40.231 kosten",
        "Het verschil is daar 1,2.",
        "moeten samen op een ROAS van minstens 5,5 uitkomen",
        "De kans om het te halen is minder dan 10%",
        "De eindstand ligt vermoedelijk tussen 2,3 en 2,8",
        "Shopping – E-bikes kost 0,99 punt ROAS",
        "Volgende stap: De feed naar marge splitsen",
        "31 DAGEN TE LAAT",
        "is ongeveer 94% binnen",
    ]
    places = [told.find(part) for part in order]
    assert -1 not in places, order[places.index(-1)]
    assert places == sorted(places)
    slack = render_slack(sample.digest("nl")).blocks[2]["text"]["text"].replace("\xa0", " ")
    first = slack.find("Het verschil is daar 1,2.")
    assert 0 < first < slack.find("kost 0,99 punt") < slack.find("Volgende stap")


def test_a_row_that_did_not_change_says_what_it_is_about_to_become(mail: MailMessage) -> None:
    told = " ".join(mail.text.replace("\xa0", " ").split())
    assert "kans ongeveer 60% Nog één dag zo en het wordt ‘in gevaar’." in told


def test_when_slack_has_no_room_for_all_what_goes_well_is_told_in_short() -> None:
    """Ten goals in full are more than 10,000 characters; in short the nine good ones fit."""
    base = sample.digest("nl")
    good = DigestItem(sample.ctr_view(), sample.ctr_view().total, "at_risk")
    bad = DigestItem(sample.roas_view(), sample.roas_view().total, "on_track")
    few = render_slack(replace(base, changed=(bad, good), unchanged=()))
    many_good = render_slack(replace(base, changed=(bad,) + (good,) * 9, unchanged=()))
    told = json.dumps(many_good.blocks, ensure_ascii=False)
    assert "uit 307.160 vertoningen" in json.dumps(few.blocks, ensure_ascii=False).replace(
        "\xa0", " "
    )
    assert "307.160" not in told
    assert "uit € 40.231 kosten" in told.replace("\xa0", " "), "what is wrong is told in full"
    assert told.count(":white_check_mark: *") == 9


# --- summaries --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cadence", "as_of", "language", "subject", "hello"),
    [
        ("weekly", date(2026, 11, 23), "nl", "Fietsgoed, week 47: ",
         "De samenvatting van week 47 (16–22 november 2026)."),
        # a Monday without messages: it is still about the week that is over
        ("weekly", date(2026, 11, 25), "en", "Fietsgoed, week 47: ",
         "The summary of week 47 (16–22 November 2026)."),
        ("weekly", date(2027, 1, 4), "nl", "Fietsgoed, week 53: ",
         "De samenvatting van week 53 (28 december 2026 – 3 januari 2027)."),
        ("monthly", date(2026, 12, 1), "nl", "Fietsgoed, november 2026: ",
         "De samenvatting van november 2026."),
        ("monthly", date(2027, 1, 4), "en", "Fietsgoed, December 2026: ",
         "The summary of December 2026."),
    ],
)  # fmt: skip
def test_a_summary_is_of_the_last_whole_week_or_month(
    cadence: Any, as_of: date, language: Any, subject: str, hello: str
) -> None:
    base = replace(sample.digest(language), is_first=False)
    told = replace(base, cadence=cadence, as_of=as_of, last_on=as_of - timedelta(days=9))
    mail, slack = render_mail(told), render_slack(told)
    assert mail.subject.replace("\xa0", " ").startswith(subject)
    assert slack.text.replace("\xa0", " ").startswith(subject)
    said = " ".join(mail.text.replace("\xa0", " ").split())
    assert hello in said


def test_a_summarys_subject_counts_all_goals_with_the_worst_first() -> None:
    digest = replace(
        sample.digest("en"), cadence="weekly", is_first=False, last_on=date(2026, 11, 12)
    )
    n = len({item.view.target.id for item in (*digest.changed, *digest.unchanged)})
    told = render_mail(digest).subject.partition(": ")[2]
    counts = [int(part.split()[0]) for part in told.split(", ")]
    assert sum(counts) == n
    assert told.startswith(f"{counts[0]} off course")


def test_a_summary_without_news_says_so_and_since_when() -> None:
    base = replace(sample.digest("en"), is_first=False, changed=(), data=())
    told = replace(base, cadence="weekly", last_on=date(2026, 11, 16), as_of=date(2026, 11, 23))
    mail = render_mail(told)
    assert "week 47: nothing has changed – " in mail.subject.replace("\xa0", " ")
    assert "No goal changed status since 16 November." in " ".join(mail.text.split())


def test_a_summary_says_what_is_next_for_goals_that_stay_off_course_and_a_daily_mail_does_not() -> (
    None
):
    base = sample.digest("en")
    shopping = base.changed[0]  # off track, with a step that is overdue
    quiet = replace(base, is_first=False, changed=(), data=(), unchanged=(shopping,))
    daily, weekly = render_mail(quiet), render_mail(replace(quiet, cadence="weekly"))
    step = "→ Next step: "
    assert step not in daily.text
    assert step in weekly.text
    assert "overdue" in weekly.text.partition(step)[2].partition("\n\n")[0]
    assert "Next step: " in weekly.html
    assert "Next step: " not in daily.html
    said = json.dumps(render_slack(replace(quiet, cadence="weekly")).blocks, ensure_ascii=False)
    assert step in said
    on_course = replace(quiet, cadence="weekly", unchanged=(base.changed[2],))
    assert step not in render_mail(on_course).text
