"""The overview: what wants attention first, every client, and where data is late."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from flows.branding import Logo
from flows.report.ad_figure import AgencyFigures
from flows.report.dress import Dress
from flows.report.mail_message import render_mail
from flows.report.model import ClientView
from flows.report.overview import MOST_GOALS, render_overview
from flows.report.page import render_report
from flows.report_files import keep_copy
from tests.golden import sample
from tests.unit.test_report_page import Elements


def clients() -> list[ClientView]:
    """Fietsgoed as in the sample, and a client called before it of which all is fine."""
    fietsgoed = sample.client_view("nl")
    calm = replace(
        sample.client_view("en"),
        client=fietsgoed.client.model_copy(update={"slug": "anker", "name": "Anker & <b>Zn</b>"}),
        targets=(sample.ctr_view(),),
        sources=(),
    )
    return [fietsgoed, calm]


def overview(views: list[ClientView], dress: Dress = Dress()) -> str:  # noqa: B008 (frozen)
    return render_overview(views, AgencyFigures(), "nl", dress, "Europe/Amsterdam")


def test_what_wants_attention_comes_first_and_names_its_next_step() -> None:
    """Of the sample two goals are off course and one is without data; four are fine."""
    html = overview(clients())
    text = Elements(html).text.replace("\xa0", " ")
    assert "3 van de 7 doelen vragen aandacht." in text
    table = html[html.index('id="attention"') : html.index('id="clients"')]
    places = [table.index(f"#goal-{one}") for one in ("shopping-roas-q4", "organic-ctr")]
    assert places == sorted(places), "off course before unknown"
    assert "google-ads-ctr" not in table
    assert "De feed naar marge splitsen" in table
    assert "31 dagen te laat" in table.replace("\xa0", " ")


def test_every_client_is_linked_in_order_of_name_and_as_it_is_written() -> None:
    html = overview(clients())
    table = html[html.index('id="clients"') :]
    assert table.index('href="anker.html"') < table.index('href="fietsgoed.html"')
    assert "Anker &amp; &lt;b&gt;Zn&lt;/b&gt;" in table


def test_late_data_is_told_with_the_client_that_it_is_of() -> None:
    html = overview(clients())
    late = Elements(html[html.index('id="data"') :]).text.replace("\xa0", " ")
    assert "3 dagen achter" in late
    assert "Fietsgoed" in late
    calm = Elements(overview([clients()[1]])).text
    assert "Alle data is binnen." in calm
    assert "Het ene doel vraagt geen aandacht." in calm


def test_a_page_of_very_many_troubles_tells_how_many_it_leaves_out() -> None:
    view = sample.client_view("nl")
    bad = next(one for one in view.targets if one.total.status == "off_track")
    many = replace(view, targets=(bad,) * (MOST_GOALS + 5))
    html = overview([many])
    assert html.count("#goal-") == MOST_GOALS
    assert "Nog 5 doelen vragen aandacht" in html


def test_the_overview_runs_nothing_and_has_no_style_in_a_tag() -> None:
    seen = Elements(overview(clients()))
    assert not {"script", "iframe", "link", "base", "img"} & {tag for tag, _ in seen.tags}
    assert not [tag for tag, attributes in seen.tags if "style" in attributes]
    ids = [attributes["id"] for _, attributes in seen.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_agencys_name_logo_and_colours_are_on_both_pages() -> None:
    logo = Logo("svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>')
    dress = Dress("Bureau <Noord>", logo, "#0a5f8a", "#b97d00")
    for html in (overview(clients(), dress), render_report(clients()[1], (), dress)):
        assert 'src="data:image/svg+xml;base64,PHN2Zy' in html
        assert 'alt="Bureau &lt;Noord&gt;"' in html
        assert "--brand: #0a5f8a" in html
        assert "Bureau &lt;Noord&gt; o" in html, "in the footer, in either language"
        assert "Koers" not in html[html.index("colophon") :]


def test_a_page_links_to_no_other(tmp_path: Path) -> None:
    """A client who gets his page hears nothing of the others."""
    assert all(
        (link["href"] or "").startswith("#")
        for link in Elements(render_report(clients()[0])).named("a")
    )


def test_dated_copies_stay_as_long_as_agreed(tmp_path: Path) -> None:
    """Thirty days before 20 November is 21 October: that one stays, the day before goes."""
    folder = tmp_path / "archive" / "fietsgoed"
    folder.mkdir(parents=True)
    for name in ("2026-10-20.html", "2026-10-21.html", "notes.html", "2026-10-01.pdf"):
        (folder / name).write_text("old")
    keep_copy(folder, "<p>new</p>", date(2026, 11, 20), 30)
    assert sorted(path.name for path in folder.iterdir()) == [
        "2026-10-01.pdf", "2026-10-21.html", "2026-11-20.html", "notes.html",
    ]  # fmt: skip
    assert (folder / "2026-11-20.html").read_text() == "<p>new</p>"


def test_a_mail_wears_the_agencys_dress_too() -> None:
    """The logo goes along as a picture, as mailboxes show no drawings."""
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="6" height="2"><path d="M0 0h6z"/></svg>'
    dress = Dress("Bureau Noord", Logo("svg", svg), "#0a5f8a")
    mail = render_mail(sample.digest("nl"), dress)
    cid, picture = mail.pictures[0]
    assert picture.startswith(b"\x89PNG")
    assert f'src="cid:{cid}"' in mail.html
    assert 'alt="Bureau Noord"' in mail.html
    assert mail.html.count("#0a5f8a") == 2, "the line on top and the button"
    assert "Verstuurd door Bureau Noord." in " ".join(mail.text.split())
    assert "Koers" not in mail.html
    plain = render_mail(sample.digest("nl"))
    assert cid not in plain.html
    assert len(plain.pictures) == len(mail.pictures) - 1
