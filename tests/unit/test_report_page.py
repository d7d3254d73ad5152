"""The report: complete, harmless whatever the names, and in place in one move."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from flows.report import page
from flows.report.model import ClientView, TargetView
from flows.report.page import render_report, worst_first, write_report
from flows.settings import Step
from flows.targets.evaluation import Evaluation, Series
from tests.golden import sample
from tests.golden.sample import AS_OF, EVIL, FORMULA, LONG


class Elements(HTMLParser):
    """What a browser would see: tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._is_style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._is_style = tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._is_style:
            self.text += data

    def named(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for found, attributes in self.tags if found == tag)


@pytest.fixture(scope="module")
def report() -> str:
    return render_report(sample.client_view("nl"))


def only(view: TargetView, **changes: object) -> ClientView:
    return replace(sample.client_view("nl"), targets=(view,), **changes)  # type: ignore[arg-type]


def test_the_page_runs_nothing_and_asks_nothing_of_the_outside(report: str) -> None:
    seen = Elements(report)
    assert not {"script", "iframe", "object", "embed", "form", "link", "base", "img"} & {
        tag for tag, _ in seen.tags
    }
    policy = [m["content"] for m in seen.named("meta") if m.get("http-equiv")]
    (sheet,) = re.findall(r"<style>(.*?)</style>", report, re.DOTALL)
    own = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    assert policy == [
        f"default-src 'none'; style-src 'sha256-{own}'; img-src data:; base-uri 'none';"
        " form-action 'none'"
    ]
    assert not [tag for tag, attributes in seen.tags if "style" in attributes], "not allowed by it"
    for _, attributes in seen.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "src", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    assert not re.search(r"@import|url\((?!#)", report)


def test_hostile_names_are_shown_as_they_are_written(report: str) -> None:
    seen = Elements(report)
    assert EVIL in seen.text
    assert FORMULA in seen.text
    assert "<!channel> *Sale* & more 🚲" in seen.text
    assert "\u202e" not in report


def test_a_name_of_ten_thousand_signs_is_cut(report: str) -> None:
    assert len(LONG) > 10_000
    assert "zeer lange naam" in report
    assert "zeer lange naam " * 8 not in report


def test_every_id_occurs_once_and_every_link_leads_somewhere(report: str) -> None:
    seen = Elements(report)
    ids = [a["id"] for _, a in seen.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for link in seen.named("a"):
        assert (link["href"] or "")[1:] in ids


def test_every_target_is_told_with_its_status_in_word_and_symbol(report: str) -> None:
    text = Elements(report).text
    for view in sample.client_view("nl").targets:
        assert view.target.specific in text
    for told in ("Op koers", "Uit koers", "Geen data", "✓", "✕", "?"):
        assert told in text


def test_the_guilty_segment_comes_first_and_is_named_in_the_verdict(report: str) -> None:
    assert worst_first(sample.roas_view())[0].segment == "7001"
    assert "Shopping – E-bikes weegt het zwaarst: 2,8, bij 52% van de kosten." in report


def test_a_heavy_failure_comes_before_a_light_one_that_is_further_off() -> None:
    """1.0 short on a cost of 500 outweighs 3.0 short on a cost of 10."""
    view = sample.roas_view()
    base = replace(view.segments[0], status="off_track", expected=4.0, details={})
    light = replace(base, segment="light", adjusted_value=None, value=1.0, denominator=10.0)
    heavy = replace(base, segment="heavy", adjusted_value=None, value=3.0, denominator=500.0)
    fine = replace(base, segment="fine", status="on_track", value=5.0, denominator=9000.0)
    ordered = worst_first(replace(view, segments=(fine, light, heavy)))
    assert [one.segment for one in ordered] == ["heavy", "light", "fine"]


def test_the_ten_worst_segments_are_listed_and_the_rest_is_counted() -> None:
    view = sample.roas_view()
    segments: list[Evaluation] = []
    for i in range(14):
        status = "off_track" if i < 3 else "on_track"
        segments.append(
            replace(
                view.segments[0],
                segment=str(i),
                segment_label=f"Campagne nummer {i:02}",
                status=status,  # type: ignore[arg-type]
                denominator=1000.0 - i,
            )
        )
    text = Elements(render_report(only(replace(view, segments=tuple(segments))))).text
    assert len(set(re.findall(r"Campagne nummer \d\d", text))) == 10
    assert "En nog 4 campagnes: 4 op koers" in text


def test_an_overdue_step_is_marked_and_a_done_one_is_not() -> None:
    view = sample.ctr_view()
    plan = (
        Step(do="Laat", owner="tom@example.nl", due=date(2026, 11, 18)),
        Step(do="Vandaag", owner="tom@example.nl", due=AS_OF),
        Step(do="Klaar", owner="tom@example.nl", due=date(2026, 11, 1), done=date(2026, 11, 9)),
    )
    html = render_report(only(replace(view, target=view.target.model_copy(update={"plan": plan}))))
    assert html.count('<li class="overdue">') == 1
    assert "2 dagen te laat" in html.replace("\xa0", " ")
    assert "Gedaan op 9 november 2026" in html.replace("\xa0", " ")


def test_sources_say_what_is_late_missing_and_refused(report: str) -> None:
    text = Elements(report).text.replace("\xa0", " ")
    assert "3 dagen achter" in text
    assert "19–25 oktober 2026" in text
    assert "Niet te lezen" in text or "niet te lezen" in text
    assert "Het quotum bij Google was op (RESOURCE_EXHAUSTED)" in text


def test_a_client_without_targets_or_sources_has_a_report() -> None:
    bare = replace(sample.client_view("en"), targets=(), sources=(), checks=())
    text = Elements(render_report(bare)).text
    assert "No goals have been agreed yet." in text
    assert "No data source is connected yet." in text


def test_a_target_without_any_figure_shows_a_dash_and_no_zero() -> None:
    view = sample.no_data_view()
    bare = replace(view, series=Series.of_days("", "", ()))
    text = Elements(render_report(only(bare, sources=()))).text
    assert "Geen data" in text
    assert "0,0%" not in text


def test_the_history_is_told_as_stretches_of_days(report: str) -> None:
    text = Elements(report).text.replace("\xa0", " ")
    assert "sinds 26 oktober 2026" in text
    assert "9–25 oktober 2026" in text


def test_the_page_is_replaced_in_one_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "fietsgoed.html"
    write_report(path, "<p>een</p>")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(page.os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(path, "<p>twee</p>")
    assert path.read_text() == "<p>een</p>"
    assert [p.name for p in path.parent.iterdir()] == ["fietsgoed.html"]


def test_causes_are_sentences_with_one_table_of_what_each_campaign_did(report: str) -> None:
    """4.65 → 3.64; e-bikes: ½(0.52 + 0.523)(2.77 − 4.66) + 0.003 × (3.715 − 4.145) = −0.99."""
    text = Elements(report).text.replace("\xa0", " ")
    assert "Waardoor het komt" in text
    assert "Shopping – E-bikes kost 0,99 punt ROAS" in text
    assert report.count('<table class="effects">') == 1
    view = sample.roas_view()
    twice = render_report(only(replace(view, causes=view.causes * 2)))
    assert twice.count('<table class="effects">') == 1, "the comparisons after it are sentences"
    assert twice.count('class="opening"') == 2


def test_nothing_that_may_be_chance_is_put_in_a_table_of_causes() -> None:
    view = sample.roas_view()
    first = view.causes[0]
    chance = replace(first, effects=tuple(replace(e, is_claimed=False) for e in first.effects))
    html = render_report(only(replace(view, causes=(chance,))))
    assert '<table class="effects">' not in html
    assert "Geen enkele campagne springt eruit" in html


def test_a_view_without_causes_findings_or_edits_has_no_empty_boxes() -> None:
    html = render_report(only(sample.cac_view()))
    assert 'class="causes"' not in html
    assert 'class="quiet"' not in html


def test_an_edited_goal_and_what_the_data_says_of_it_are_shown(report: str) -> None:
    text = Elements(report).text.replace("\xa0", " ")
    assert "19 oktober 2026: het doel was ‘van 3% naar 6%’ en werd ‘van 3% naar 5%’." in text
    assert "is dit doel ambitieus" in text


def test_the_table_of_goals_has_the_odds_of_each(report: str) -> None:
    table = report[report.index('<table class="goals') : report.index("<article")]
    told = Elements(table).text.replace("\xa0", " ")
    assert told.count("kans minder dan 10%") == 2
    assert "kans ongeveer 70%" in told
    assert "kans ongeveer 60%" in told


def test_the_report_explains_only_what_it_shows(report: str) -> None:
    assert "Hoe je dit leest" in report
    bare = replace(sample.cost_view(), history=())
    assert "Hoe je dit leest" not in render_report(only(bare))
