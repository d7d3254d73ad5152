"""PDF and PNG by the browser on this machine: found, asked rightly, and never half done."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from flows import browser
from flows.browser import BrowserError, find_browser, print_pdf, take_picture
from flows.report.page import render_report
from tests.golden import sample

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in is a script with a #!")

# Notes its arguments, lays out every page 1,234 high and writes what it is asked for.
_STAND_IN = """#!{python}
import pathlib, sys
here = pathlib.Path(__file__).parent
with (here / "asked.txt").open("a") as file:
    file.write("\\n".join(sys.argv[1:]) + "\\n\\n")
page = pathlib.Path(sys.argv[-1].removeprefix("file://"))
for one in sys.argv[1:]:
    option, _, value = one.partition("=")
    if option == "--dump-dom":
        (here / "copy.html").write_text(page.read_text())
        print('<html lang="nl" data-height="1234">')
    if option in ("--print-to-pdf", "--screenshot"):
        pathlib.Path(value).write_text(option)
"""


def stand_in(folder: Path, text: str = _STAND_IN) -> Path:
    path = folder / "chromium"
    path.write_text(text.replace("{python}", sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "report" / "fietsgoed.html"
    path.parent.mkdir()
    path.write_text(render_report(sample.client_view("nl")), encoding="utf-8")
    return path


def test_a_pdf_is_put_beside_the_page_in_one_move(tmp_path: Path, page: Path) -> None:
    made = print_pdf(stand_in(tmp_path), page)
    assert made == page.with_suffix(".pdf")
    assert made.read_text() == "--print-to-pdf"
    assert sorted(path.name for path in page.parent.iterdir()) == [
        "fietsgoed.html", "fietsgoed.pdf",
    ]  # fmt: skip
    asked = (tmp_path / "asked.txt").read_text().splitlines()
    assert "--no-pdf-header-footer" in asked
    assert "--host-resolver-rules=MAP * ~NOTFOUND" in asked, "nothing is asked of any network"


def test_a_picture_is_as_high_as_the_page(tmp_path: Path, page: Path) -> None:
    take_picture(stand_in(tmp_path), page)
    assert "--window-size=1280,1234" in (tmp_path / "asked.txt").read_text().splitlines()
    assert sorted(path.name for path in page.parent.iterdir()) == [
        "fietsgoed.html", "fietsgoed.png",
    ]  # fmt: skip


def test_the_copy_that_is_measured_may_run_that_one_script(tmp_path: Path, page: Path) -> None:
    take_picture(stand_in(tmp_path), page)
    copy = (tmp_path / "copy.html").read_text()
    assert copy.count("script-src") == 1
    assert copy.count("<script>") == 1
    assert "script-src" not in page.read_text()


def test_a_browser_that_fails_leaves_the_old_pdf(tmp_path: Path, page: Path) -> None:
    page.with_suffix(".pdf").write_text("old")
    broken = stand_in(tmp_path, "#!{python}\nimport sys\nsys.exit('no display')\n")
    with pytest.raises(BrowserError, match="no display"):
        print_pdf(broken, page)
    silent = stand_in(tmp_path, "#!{python}\n")
    with pytest.raises(BrowserError, match=r"made no fietsgoed\.pdf"):
        print_pdf(silent, page)
    assert page.with_suffix(".pdf").read_text() == "old"
    assert len(list(page.parent.iterdir())) == 2


def test_a_browser_that_hangs_is_ended(
    tmp_path: Path, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "TIMEOUT_SECONDS", 0.5)
    hanging = stand_in(tmp_path, "#!{python}\nimport signal\nsignal.pause()\n")
    with pytest.raises(BrowserError, match="did not finish"):
        print_pdf(hanging, page)


def test_the_browser_is_the_one_that_is_named(tmp_path: Path) -> None:
    own = stand_in(tmp_path)
    assert find_browser({"KOERS_BROWSER": str(own)}) == own
    with pytest.raises(BrowserError, match="there is no such program"):
        find_browser({"KOERS_BROWSER": str(tmp_path / "none")})


def test_without_a_browser_it_is_said_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(browser, "_PLACES", {})
    with pytest.raises(BrowserError, match="Chrome, Chromium or Edge"):
        find_browser({})


def test_a_real_browser_makes_a_pdf_of_several_pages(page: Path) -> None:
    try:
        real = find_browser()
    except BrowserError:
        pytest.skip("no browser on this machine")
    data = print_pdf(real, page).read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert data.count(b"/Type /Page\n") >= 4, "a page or so for each goal"
    png = take_picture(real, page).read_bytes()
    assert int.from_bytes(png[16:20], "big") == browser.PNG_WIDTH
    assert int.from_bytes(png[20:24], "big") > 3_000, "the whole page, not the first screen"
