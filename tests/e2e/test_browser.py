"""What a browser makes of the report: nothing runs, nothing is asked for, and everybody can use it.

With a Chromium on the machine (or at KOERS_CHROMIUM) it is opened there, and axe-core looks at
it. Without one the same is asserted of the page as it is written, so that nothing goes unseen.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest

from flows.report.dress import Dress
from flows.report.mail_message import render_mail
from flows.report.model import TargetView
from flows.report.overview import render_overview
from flows.report.page import render_report
from flows.targets.evaluation import Series
from tests.e2e import chromium
from tests.e2e.chromium import Browser, Seen
from tests.golden import sample
from tests.unit.hostile_names import CORPUS, EVIL_HOST, MARKUP, hostile

pytestmark = pytest.mark.e2e

AXE = Path(__file__).parents[1] / "vendor" / "axe-core" / "axe.min.js"
LOOKS: tuple[tuple[int, Literal["light", "dark"]], ...] = (
    (390, "light"), (390, "dark"), (1280, "light"), (1280, "dark"),
)  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser | None]:
    """A Chromium, or None where there is none: then pages are judged as they are written."""
    if chromium.binary() is None:
        warnings.warn("there is no Chromium: pages are judged as they are written", stacklevel=1)
        yield None
        return
    with chromium.running(tmp_path_factory.mktemp("chromium")) as started:
        yield started


class Written(HTMLParser):
    """A page as it is written: its elements in order, with their attributes.

    What stands in an element that is hidden from those who listen is hidden as well.
    """

    _EMPTY = frozenset({"meta", "link", "img", "br", "hr", "input", "base", "col", "wbr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._open: list[tuple[str, bool]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if any(is_hidden for _, is_hidden in self._open):
            told["aria-hidden"] = "true"
        self.elements.append((tag, told))
        if tag not in self._EMPTY:
            self._open.append((tag, told.get("aria-hidden") == "true"))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        places = [i for i, (name, _) in enumerate(self._open) if name == tag]
        if places:
            del self._open[places[-1] :]

    def named(self, *tags: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


# --- pages ------------------------------------------------------------------------------------


def report_of_the_corpus() -> str:
    """One report with every hostile name in it; those with markup also in charts and causes."""
    targets: list[TargetView] = []
    sources = []
    for i, (called, text) in enumerate(CORPUS.items()):
        view = hostile(text, "nl").view
        ctr, roas, _ = view.targets
        sources.append(view.sources[i % len(view.sources)])
        empty = Series.of_days("", "", ())
        told = roas if called in MARKUP else replace(ctr, series=empty)
        target = told.target.model_copy(update={"id": f"goal-{i}"})
        targets.append(replace(told, target=target, total=replace(told.total, target_id=target.id)))
    whole = sample.client_view("nl")
    name = " ".join(MARKUP.values())
    return render_report(
        replace(
            whole,
            client=whole.client.model_copy(update={"name": name}),
            targets=tuple(targets),
            sources=tuple(sources),
            checks=tuple(CORPUS.values()),
        )
    )


@pytest.fixture(scope="module")
def corpus_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "report.html"
    path.write_text(report_of_the_corpus(), encoding="utf-8")
    return path


def assert_written_harmless(html: str, *, links: str = "#") -> None:
    """No script, no frame, no handler, no address of somebody else; the policy forbids the rest."""
    page = Written(html)
    assert not page.named("script", "iframe", "object", "embed", "form", "base", "link", "applet")
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "src", "xlink:href", "srcset", "action", "poster", "background"):
            assert attributes.get(name, links).startswith((links, "cid:"))
        assert "url(" not in attributes.get("style", "")
    assert not re.search(
        r"@import|url\((?!#)", "".join(re.findall(r"(?s)<style>.*?</style>", html))
    )


def assert_did_nothing(browser: Browser, seen: Seen) -> None:
    assert (seen.requests, seen.dialogs, seen.said) == ([], [], [])
    assert browser.value("typeof window.hacked") == "undefined"
    assert browser.value("document.scripts.length") == 0
    assert EVIL_HOST not in browser.value("location.href")


# --- harmless ---------------------------------------------------------------------------------


def test_nothing_in_a_report_full_of_hostile_names_runs_or_asks_for_anything(
    browser: Browser | None, corpus_page: Path
) -> None:
    html = corpus_page.read_text(encoding="utf-8")
    assert EVIL_HOST in html, "the names are there"
    assert_written_harmless(html)
    (policy,) = [m["content"] for m in Written(html).named("meta") if "http-equiv" in m]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("default-src") == "'none'"
    assert rules.pop("img-src") == "data:"
    assert re.fullmatch(r"'unsafe-inline'|('sha256-[\w+/=]+' ?)+", rules.pop("style-src"))
    assert set(rules.values()) <= {"'none'"}
    if browser is not None:
        assert_did_nothing(browser, browser.open(corpus_page))


@pytest.mark.parametrize("called", MARKUP)
def test_nothing_in_a_mail_runs_or_asks_for_anything(
    called: str, browser: Browser | None, tmp_path: Path
) -> None:
    path = tmp_path / "mail.html"
    path.write_text(render_mail(hostile(MARKUP[called], "nl").changed).html, encoding="utf-8")
    assert_written_harmless(path.read_text(encoding="utf-8"), links="https://koers.example/")
    if browser is not None:
        seen = browser.open(path)
        assert not [url for url in seen.requests if not url.startswith("cid:")]
        assert browser.value("typeof window.hacked") == "undefined"


def test_a_name_however_long_does_not_widen_the_page(
    browser: Browser | None, corpus_page: Path
) -> None:
    if browser is None:  # what is longer than a line may break anywhere
        assert "overflow-wrap: anywhere" in corpus_page.read_text(encoding="utf-8")
        return
    for width in (390, 1280):
        browser.look(width, "light")
        browser.open(corpus_page)
        assert browser.value("document.documentElement.scrollWidth") <= width


def test_the_checks_themselves_see_a_page_that_does_something(
    browser: Browser | None, tmp_path: Path
) -> None:
    path = tmp_path / "evil.html"
    path.write_text(MARKUP["script"] + MARKUP["picture"], encoding="utf-8")
    with pytest.raises(AssertionError):
        assert_written_harmless(path.read_text(encoding="utf-8"))
    if browser is None:
        return
    seen = browser.open(path)
    assert f"http://{EVIL_HOST}/pixel.png" in seen.requests
    assert "1" in seen.dialogs  # alert(1)
    assert browser.value("window.hacked") == 1


# --- for everybody ----------------------------------------------------------------------------


DRESS = Dress(name=MARKUP["end of a title"], color="#0b57d0", accent="#7a1fa2")


def page_called(which: str) -> str:
    """A page in the colours of an agency, or in ours."""
    dutch, english = sample.client_view("nl"), sample.client_view("en")
    hostile_view = hostile(MARKUP["picture"], "en").view
    match which:
        case "nl":
            return render_report(dutch)
        case "hostile":
            return render_report(hostile_view, (), DRESS)
        case "empty":
            return render_report(replace(dutch, targets=(), sources=(), checks=()))
        case "overview":
            views = [dutch, hostile_view]
            agency = sample.agency_figures(*views)
            return render_overview(views, agency, "nl", DRESS, "Europe/Amsterdam")
    return render_report(english)


def serious(found: list[dict[str, Any]]) -> list[str]:
    """The rules that are broken so that somebody cannot use the page, and where."""
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:160]} {node['failureSummary'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"][:3]
    ]


@pytest.mark.parametrize("which", ["nl", "en", "hostile", "empty", "overview"])
def test_nobody_is_kept_out_of_a_page_and_it_does_nothing_else(
    which: str, browser: Browser | None, tmp_path: Path
) -> None:
    html = page_called(which)
    assert_usable_as_written(html)
    if browser is None:
        return
    path = tmp_path / "report.html"
    path.write_text(html, encoding="utf-8")
    for width, scheme in LOOKS:
        browser.look(width, scheme)
        assert_did_nothing(browser, browser.open(path))
        assert browser.value("document.documentElement.scrollWidth") <= width
        browser.value(AXE.read_text(encoding="utf-8") + "; 0")
        told = browser.value("axe.run(document, {resultTypes: ['violations']})")
        assert told["passes"] or told["incomplete"] is not None
        assert serious(told["violations"]) == [], (width, scheme)


def test_axe_sees_a_page_that_keeps_people_out(browser: Browser | None, tmp_path: Path) -> None:
    html = '<html><body><img src="data:,"><p style="color:#ccc;background:#fff">grey</p></body>'
    with pytest.raises(AssertionError):
        assert_usable_as_written(html)
    if browser is None:
        return
    path = tmp_path / "bad.html"
    path.write_text(html, encoding="utf-8")
    browser.open(path)
    browser.value(AXE.read_text(encoding="utf-8") + "; 0")
    told = browser.value("axe.run(document, {resultTypes: ['violations']})")
    assert {"image-alt", "color-contrast", "html-has-lang"} <= {v["id"] for v in told["violations"]}


def assert_usable_as_written(html: str) -> None:
    """What can be told without drawing the page: language, title, names, headings, labels."""
    page = Written(html)
    (root,) = page.named("html")
    assert root.get("lang") in ("nl", "en")
    assert re.search(r"<title>[^<]+</title>", html)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for name in ("aria-labelledby", "aria-describedby"):
        for _, attributes in page.elements:
            assert set(attributes.get(name, "").split()) <= set(ids)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(later <= before + 1 for before, later in pairwise(levels))
    assert all("alt" in attributes for attributes in page.named("img"))
    for drawing in page.named("svg"):
        is_named = drawing.get("role") == "img" and (
            "aria-labelledby" in drawing or "aria-label" in drawing
        )
        assert is_named or drawing.get("aria-hidden") == "true", drawing
    assert all("scope" in attributes for attributes in page.named("th"))
    for link in page.named("a"):
        assert link["href"].removeprefix("#") in ids or not link["href"].startswith("#")
    viewport = [m["content"] for m in page.named("meta") if m.get("name") == "viewport"]
    assert viewport and "user-scalable=no" not in viewport[0] and "maximum" not in viewport[0]
