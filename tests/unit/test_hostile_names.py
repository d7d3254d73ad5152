"""A corpus of hostile names through every output: they are shown, and do nothing else."""

from __future__ import annotations

import csv
import email
import email.policy
import io
import json
import logging
import re
import unicodedata
from dataclasses import replace
from email.message import EmailMessage
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.base import MailMessage, SlackMessage
from connectors.smtp import compose
from flows.alerts.digest import Digest
from flows.cli import PlainFormatter, _as_json, printable
from flows.exports import target_table
from flows.project import Project
from flows.report import formats
from flows.report.digest_charts import DigestChart
from flows.report.dress import Dress
from flows.report.mail_message import render_mail
from flows.report.model import ClientView, TargetView
from flows.report.overview import render_overview
from flows.report.page import render_report
from flows.report.slack_blocks import render_slack_bot
from flows.settings import Route, Settings
from flows.summary import as_table, target_rows
from flows.table_files import (
    Column,
    Table,
    tidy,
    without_formula,
    write_csv,
    write_parquet,
    write_workbook,
)
from flows.targets.evaluation import Series
from flows.views import verdicts_of
from flows.warehouse import Warehouse
from tests.golden import sample
from tests.unit.hostile_names import CONTROLS, CORPUS, MARKUP, Hostile, hostile
from tests.unit.sheets import read_workbook

Language = Literal["nl", "en"]
HARMLESS = "Zomeractie"
every_name = pytest.mark.parametrize("called", CORPUS)
# what a reader must never get: it moves the terminal, turns text round or hides in it
SEEN = re.compile(r"[\u200c\u200d\n]")


@cache
def named(called: str) -> Hostile:
    return hostile(CORPUS[called], "nl" if len(called) % 2 else "en")


@cache
def harmless(language: Language) -> Hostile:
    return hostile(HARMLESS, language)


def twin_of(one: Hostile) -> Hostile:
    return harmless(one.view.client.locale)


def shown(text: str, limit: int = 60) -> str:
    """The beginning of a name as a reader sees it."""
    return formats.name(text, 1_000)[:limit].rstrip()


def invisible_in(text: str) -> set[str]:
    """Control, direction and format signs, halves of pairs and unassigned ones; not line ends."""
    return {
        ascii(sign)
        for sign in SEEN.sub("", text)
        if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    }


class Structure(HTMLParser):
    """Tags with the names of their attributes, addresses, and the text that a browser shows."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.addresses: set[str] = set()
        self.text = ""
        self._is_style = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_style = tag == "style"
        if tag not in _STROKES:
            self.tags.append((tag, tuple(name for name, _ in attrs)))
        for name, value in attrs:
            if name in ("href", "src", "xlink:href", "action", "background"):
                self.addresses.add(value or "")

    def handle_data(self, data: str) -> None:
        if not self._is_style:
            self.text += data


# how many strokes a chart has may depend on the width of a text
_STROKES = {"path", "line", "text", "tspan", "g", "rect", "circle", "clippath", "defs"}


def wordless(text: str) -> str:
    return " ".join(text.replace(formats.NBSP, " ").split())


# --- the report page --------------------------------------------------------------------------


def without_series(digest: Digest) -> Digest:
    """The same without pictures, which hold no names and take half a second each."""

    def bare(item: sample.DigestItem) -> sample.DigestItem:
        return replace(item, view=_undrawn(item.view))

    return replace(
        digest,
        changed=tuple(map(bare, digest.changed)),
        unchanged=tuple(map(bare, digest.unchanged)),
    )


def _undrawn(view: TargetView) -> TargetView:
    return replace(view, series=Series.of_days("", "", ()), segment_series=())


@cache
def page_of(called: str, is_drawn: bool) -> str:
    return _page(named(called).view, is_drawn)


@cache
def harmless_page(language: Language, is_drawn: bool) -> str:
    return _page(harmless(language).view, is_drawn)


def _page(view: ClientView, is_drawn: bool) -> str:
    if not is_drawn:
        view = replace(view, targets=tuple(map(_undrawn, view.targets)))
    return render_report(view, (), Dress(name=view.client.name))


_OURS = re.compile(r"(fietsgoed\.html)?#[\w-]+|fietsgoed\.html")


@every_name
def test_the_overview_of_all_clients_shows_a_name_and_is_built_as_with_any_other(
    called: str,
) -> None:
    one = named(called)
    language = one.view.client.locale

    def overview(view: ClientView) -> str:
        name = view.client.name
        agency = sample.agency_figures(view, view)
        return render_overview([view, view], agency, language, Dress(name=name), "Europe/Amsterdam")

    html = overview(one.view)
    told, twin = Structure(html), Structure(overview(harmless(language).view))
    if formats.name(one.text) != formats.NOTHING:
        assert told.tags == twin.tags
    assert told.addresses == twin.addresses
    assert all(_OURS.fullmatch(address) for address in told.addresses)
    assert shown(one.text, 30) in wordless(told.text)
    assert invisible_in(html) == set()
    assert len(html) < 150_000


@every_name
def test_the_report_shows_a_name_and_is_built_as_with_any_other(called: str) -> None:
    one = named(called)
    # a drawing has titles and descriptions: those that may break XML are drawn
    is_drawn = called in MARKUP | CONTROLS
    html = page_of(called, is_drawn)
    told = Structure(html)
    twin = Structure(harmless_page(one.view.client.locale, is_drawn))
    if formats.name(one.text) == formats.NOTHING:  # a note without words is left out
        assert set(told.tags) <= set(twin.tags)
    else:
        assert told.tags == twin.tags
    assert all(address.startswith("#") for address in told.addresses)
    assert not {"script", "iframe", "img", "object", "form", "link", "base"} & {
        tag for tag, _ in told.tags
    }
    assert not [name for _, names in told.tags for name in names if name.startswith("on")]
    assert shown(one.text, 30) in wordless(told.text)
    assert invisible_in(html) == set()
    assert "Content-Security-Policy" in html
    html.encode()
    drawings = re.findall(r"<svg\b.*?</svg>", html, flags=re.DOTALL)
    assert drawings or not is_drawn
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)  # raises for what is not well-formed
        assert not [e for e in root.iter() if e.tag.rpartition("}")[2].lower() == "script"]


@pytest.mark.parametrize("called", [c for c, text in CORPUS.items() if len(text) > 5_000])
def test_the_report_does_not_grow_with_a_name(called: str) -> None:
    usual = harmless_page(named(called).view.client.locale, False)
    assert len(page_of(called, False).encode()) < len(usual.encode()) + 150_000


# --- Slack ------------------------------------------------------------------------------------


@cache
def slack_of(called: str, is_first: bool) -> SlackMessage:
    return by_bot(named(called), is_first)


def by_bot(one: Hostile, is_first: bool) -> SlackMessage:
    """With the texts of a thread's top and of the pictures."""
    digest = one.first if is_first else one.changed
    routes = {digest.route: Route(name=digest.route)}
    digest = replace(digest, client=digest.client.model_copy(update={"routes": routes}))
    legend = (("line", "over 28 days"),)
    charts = {n: DigestChart(b"a picture", "", legend) for n in range(len(digest.changed))}
    return render_slack_bot(digest, charts)


def mrkdwn_of(message: SlackMessage) -> list[str]:
    """Every text that Slack reads formatting in."""
    found = [message.text, message.head_note, message.legend]

    def walk(node: object) -> None:
        if isinstance(node, dict):
            if node.get("type") == "mrkdwn":
                assert node.get("verbatim") is True
                found.append(node["text"])
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(list(message.blocks))
    return found


def formatting_of(texts: list[str]) -> dict[str, int]:
    """How often each sign that Slack may read as formatting occurs."""
    text = "\n".join(texts)
    signs = {sign: text.count(sign) for sign in "*~`"}
    signs["_"] = len(re.findall(r"(?<!\w)_|_(?!\w)", text))
    signs["> at a line's start"] = len(re.findall(r"(?m)^&gt;", text))
    return signs


@every_name
@pytest.mark.parametrize("is_first", [True, False])
def test_slack_gets_a_name_without_mention_link_or_formatting(called: str, is_first: bool) -> None:
    one = named(called)
    message = slack_of(called, is_first)
    twin = by_bot(twin_of(one), is_first)
    texts = mrkdwn_of(message)
    for text in texts:
        pointed = re.findall(r"<[^>]*>?", text)
        assert all(p.startswith("<https://koers.example/report/") for p in pointed), pointed
        assert not re.search(r"&(?!amp;|lt;|gt;)", text)
        assert invisible_in(text) == set()
    codes = set(re.findall(r":[\w+'-]*[^\W\d][\w+'-]*:", "\n".join(texts)))
    known = set(re.findall(r":[a-z_]+:", "\n".join(mrkdwn_of(twin))))
    assert codes <= known
    if len(one.text) < 200:  # a longer one leaves less room for the others
        assert formatting_of(texts) == formatting_of(mrkdwn_of(twin))
        assert [block["type"] for block in message.blocks] == [b["type"] for b in twin.blocks]


@every_name
@pytest.mark.parametrize("is_first", [True, False])
def test_a_slack_message_is_valid_json_within_the_limits(called: str, is_first: bool) -> None:
    message = slack_of(called, is_first)
    blocks = list(message.blocks)
    sent = json.dumps({"text": message.text, "blocks": blocks}, allow_nan=False).encode()
    assert json.loads(sent)["blocks"] == blocks
    json.dumps(blocks, ensure_ascii=False).encode()  # no half of a pair
    assert len(blocks) <= 50
    assert len(json.dumps(blocks, ensure_ascii=False)) < 13_000
    for block in blocks:
        text = block.get("text", {}).get("text", "x")
        assert 1 <= len(text) <= (150 if block["type"] == "header" else 3_000)
    assert invisible_in(str([b["text"]["text"] for b in blocks if "text" in b])) == set()
    assert invisible_in(str([picture.title for picture in message.pictures])) == set()
    assert len(message.head_note) <= 2_000 and len(message.legend) <= 3_000


# --- mail -------------------------------------------------------------------------------------


@cache
def mail_of(called: str) -> MailMessage:
    return render_mail(without_series(named(called).changed))


@every_name
def test_a_mail_has_the_headers_of_any_other_and_a_subject_of_one_line(called: str) -> None:
    one = named(called)
    sent = [
        compose("Koers <koers@example.nl>", message, ["tom@example.nl"], "key").as_bytes()
        for message in (mail_of(called), render_mail(without_series(twin_of(one).changed)))
    ]
    mails = [email.message_from_bytes(raw, policy=email.policy.default) for raw in sent]
    assert [m.keys() for m in mails[:1]] == [m.keys() for m in mails[1:]]
    assert mails[0]["Bcc"] is None
    assert mails[0]["To"] == "tom@example.nl"
    assert len(mails[0]["Subject"]) <= 200
    assert invisible_in(mails[0]["Subject"]) == set()
    assert shown(one.text, 30) in mails[0]["Subject"].replace("= ?", "=?")
    assert max(map(len, sent[0].split(b"\r\n"))) < 998
    assert [p.get_content_type() for p in mails[0].walk()] == [
        p.get_content_type() for p in mails[1].walk()
    ]


@every_name
def test_a_mail_in_html_is_built_as_any_other(called: str) -> None:
    one = named(called)
    message = mail_of(called)
    told = Structure(message.html)
    twin = Structure(render_mail(without_series(twin_of(one).changed)).html)
    if one.text:  # an account without any problem has no line for it
        assert told.tags == twin.tags
    assert told.addresses == twin.addresses
    assert shown(one.text, 30) in wordless(told.text)
    assert invisible_in(message.html) == set()
    assert len(message.html) <= 102_000


@every_name
def test_a_mail_in_text_shows_the_name_and_no_sign_that_moves_a_terminal(called: str) -> None:
    one = named(called)
    text = mail_of(called).text
    assert shown(one.text, 20) in wordless(text)
    assert invisible_in(text) == set()
    assert len(text) < 30_000


# --- files ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported() -> Table:
    """The verdicts of every client of the corpus, and one row a name as a campaign has it."""
    views = [named(called).view for called in CORPUS]
    clients = [
        view.client.model_copy(
            update={"slug": f"client-{i}", "targets": tuple(t.target for t in view.targets)}
        )
        for i, view in enumerate(views)
    ]
    root = Path("/nowhere")
    settings = Settings(
        config_dir=root,
        root=root,
        warehouse=root,
        landing=root,
        report_dir=root,
        clients=tuple(clients),
    )
    kpis = {kpi.name: kpi for kpi in (sample.CTR, sample.ROAS, sample.ORGANIC_CTR)}
    project = Project(root, settings, kpis, root, Warehouse(root, root))
    evaluations = [
        replace(e, client=f"client-{i}")
        for i, view in enumerate(views)
        for e in verdicts_of([view])
    ]
    return target_table(project, evaluations)


def assert_cells_are_harmless(cells: list[str]) -> None:
    assert cells
    for cell in cells:
        assert invisible_in(cell) == set()
        assert "\n" not in cell
        assert len(cell) <= 1_001


def test_no_cell_of_a_csv_is_a_formula_or_moves_the_terminal(exported: Table) -> None:
    file = io.BytesIO()
    count = write_csv(file, exported)
    rows = list(csv.DictReader(io.StringIO(file.getvalue().decode(), newline="")))
    assert len(rows) == count == 7 * len(CORPUS)
    texts = [column.name for column in exported.columns if column.kind == "text"]
    cells = [row[name] for row in rows for name in texts]
    assert_cells_are_harmless(cells)
    assert not [cell for cell in cells if cell.lstrip()[:1] in tuple("=+-@＝＋－＠")]
    told = {row["specific"] for row in rows}
    assert {without_formula(tidy(text)) for text in CORPUS.values()} == told


def test_no_cell_of_a_workbook_is_a_formula(exported: Table, tmp_path: Path) -> None:
    write_workbook(tmp_path / "a.xlsx", [exported], sample.KNOWN_AT.replace(tzinfo=None))
    sheet = read_workbook(tmp_path / "a.xlsx")["targets"]
    assert not sheet.formulas and not sheet.links
    assert_cells_are_harmless([cell.text for row in sheet.cells for cell in row])
    at = sheet.texts[0].index("specific")
    assert {row[at].kind for row in sheet.cells[1:]} <= {"text", "number"}
    told = {row[at] for row in sheet.texts[1:]}
    plain = {tidy(text) for name, text in CORPUS.items() if name != "cell escape"}
    assert plain <= told
    # what looks like an escape of Excel is escaped itself
    assert "_x005F_x003D_1+1 _x005F_x0000_" in told


def test_parquet_has_the_names_without_what_cannot_be_seen(exported: Table, tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", exported)
    told = pq.read_table(tmp_path / "a.parquet").column("specific").to_pylist()
    assert_cells_are_harmless(told)
    assert {tidy(text) for text in CORPUS.values()} == set(told)


def test_a_batch_of_names_is_cleaned_whatever_is_in_it() -> None:
    texts = [text for text in CORPUS.values() if text.isascii() or "\ud83d" not in text]
    batch = pa.record_batch({"specific": pa.array([*texts, None])})
    table = Table("x", (Column("specific", "text"),), lambda: [batch])
    (tidied,) = table.tidied()
    assert tidied.column(0).to_pylist() == [*map(tidy, texts), None]


# --- the terminal -----------------------------------------------------------------------------


@every_name
def test_a_table_on_a_terminal_keeps_a_name_on_its_row(called: str) -> None:
    one = named(called)
    headings, rows = target_rows(verdicts_of([one.view]))
    told = printable(as_table(headings, rows))
    assert len(told.split("\n")) == 1 + len(rows)
    assert invisible_in(told) == set()
    assert max(map(len, told.split("\n"))) < 300
    if one.text.strip():
        assert shown(one.text, 20) in told


@every_name
def test_a_log_line_and_a_document_do_not_move_the_terminal(called: str) -> None:
    text = CORPUS[called]
    record = logging.LogRecord("koers", logging.ERROR, "", 0, "account %s failed", (text,), None)
    assert invisible_in(PlainFormatter().format(record)) == set()
    document = _as_json({"name": text})
    assert invisible_in(document) == set()
    assert json.loads(document) == {"name": text}
    document.encode()


@every_name
def test_an_error_text_is_short_and_of_one_line(called: str) -> None:
    told = formats.problem_text(f"{CORPUS[called]}: not allowed. Ask (PERMISSION_DENIED) [r1]")
    assert len(told) <= 180
    assert invisible_in(told) == set()
    assert "\n" not in told


def test_the_corpus_is_hostile_and_its_twin_is_not() -> None:
    """A check of the checks: each of them catches what it is for."""
    assert invisible_in("a\u202eb\x1b\ud83d") == {"'\\u202e'", "'\\x1b'", "'\\ud83d'"}
    assert invisible_in(HARMLESS + " 👩\u200d🔧\n") == set()
    evil = CORPUS["script"]
    assert Structure(f"<p>{evil}</p>").tags != Structure(f"<p>{HARMLESS}</p>").tags
    assert formatting_of(["*a*"]) != formatting_of(["a"])
    mail = EmailMessage()
    with pytest.raises(ValueError, match="linefeed"):
        mail["Subject"] = CORPUS["header"]
