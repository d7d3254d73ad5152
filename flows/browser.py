"""A page as PDF or PNG, by the Chrome, Chromium or Edge that is on this machine.

The page is printed as the browser shows it, so that paper and screen never
differ. No network is used: the page needs none, and the browser is given none.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

# Where somebody says which browser to use.
VARIABLE = "KOERS_BROWSER"
_NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "microsoft-edge-stable",
    "brave-browser",
    "chrome",
    "msedge",
)
_PLACES = {
    "darwin": (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    ),
    "win32": (
        r"C:\Program Files\Google\Chrome\Application\chrome.exe",
        r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
        r"C:\Program Files\Microsoft\Edge\Application\msedge.exe",
    ),
}
# A page of two megabytes takes a slow machine half a minute.
TIMEOUT_SECONDS = 120.0
PNG_WIDTH = 1280
# Chromium paints no picture that is higher: what is below is cut off.
MOST_PNG_HEIGHT = 16_000
_MEASURE = "document.documentElement.dataset.height=document.documentElement.scrollHeight"


class BrowserError(RuntimeError):
    """There is no browser, or it did not make what it was asked for."""


def find_browser(environment: Mapping[str, str] | None = None) -> Path:
    """The browser that ``KOERS_BROWSER`` names, else the first that is found.

    Raises BrowserError when there is none.
    """
    told = (os.environ if environment is None else environment).get(VARIABLE, "").strip()
    if told:
        found = shutil.which(told)
        if found is None:
            raise BrowserError(f"{VARIABLE} is {told}, and there is no such program")
        return Path(found)
    for name in (*_NAMES, *_PLACES.get(sys.platform, ())):
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    raise BrowserError(
        "a PDF or PNG is made by Chrome, Chromium or Edge, and none was found; install one, or "
        f"name it in {VARIABLE}. The page itself needs none: every browser prints it to PDF"
    )


def print_pdf(browser: Path, page: Path) -> Path:
    """The page as A4, beside it; a reader of the PDF sees the old one or the new one, whole."""
    asked = ["--no-pdf-header-footer", "--generate-pdf-document-outline"]
    return _made(browser, page, page.with_suffix(".pdf"), "--print-to-pdf", asked)


def take_picture(browser: Path, page: Path) -> Path:
    """The whole page as a PNG beside it, as wide as a screen."""
    height = min(_height(browser, page), MOST_PNG_HEIGHT)
    asked = ["--hide-scrollbars", f"--window-size={PNG_WIDTH},{height}"]
    return _made(browser, page, page.with_suffix(".png"), "--screenshot", asked)


def _made(browser: Path, page: Path, made: Path, option: str, asked: Sequence[str]) -> Path:
    # beside what it becomes: on the same disk, and where a browser in a box may write
    temporary = made.with_name(f"{made.stem}-{uuid.uuid4().hex}{made.suffix}")
    try:
        told = _run(browser, [*asked, f"{option}={temporary.resolve()}", page.resolve().as_uri()])
        if not temporary.exists() or not temporary.stat().st_size:
            raise BrowserError(f"{browser.name} made no {made.name}: {told or 'it said nothing'}")
        temporary.replace(made)
    finally:
        temporary.unlink(missing_ok=True)
    return made


def _height(browser: Path, page: Path) -> int:
    """How high the page is at the width of a picture, as the browser lays it out.

    Only a script can tell. It runs in a copy, whose policy allows that one script.
    """
    digest = base64.b64encode(hashlib.sha256(_MEASURE.encode()).digest()).decode("ascii")
    html = page.read_text(encoding="utf-8")
    policy = f"default-src 'none'; script-src 'sha256-{digest}';"
    html = re.sub(r"default-src ('|&#39;)none\1;", lambda _: policy, html, count=1)
    html = html.replace("</body>", f"<script>{_MEASURE}</script></body>")
    copy = page.with_name(f"{page.stem}-{uuid.uuid4().hex}.html")
    try:
        copy.write_text(html, encoding="utf-8")
        size = f"--window-size={PNG_WIDTH},1000"
        told = _run(browser, ["--hide-scrollbars", size, "--dump-dom", copy.resolve().as_uri()])
    finally:
        copy.unlink(missing_ok=True)
    found = re.search(r'<html[^>]* data-height="(\d+)"', told)
    if found is None:
        raise BrowserError(f"{browser.name} did not tell how high {page.name} is")
    return int(found[1])


def _run(browser: Path, asked: Sequence[str]) -> str:
    """What the browser says, on either stream. Raises BrowserError when it fails or hangs."""
    with tempfile.TemporaryDirectory(prefix="koers-browser-", ignore_cleanup_errors=True) as home:
        command = [
            str(browser),
            "--headless",
            "--disable-gpu",
            "--no-first-run",
            "--no-default-browser-check",
            "--disable-extensions",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={home}",
            # as root a browser starts without its sandbox or not at all; the page is our own
            # and runs no script
            *(["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []),
            *asked,
        ]
        process = subprocess.Popen(  # noqa: S603 (a browser that was found or named, our options)
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            out, errors = process.communicate(timeout=TIMEOUT_SECONDS)
        except BaseException as stopped:
            _end(process)
            if isinstance(stopped, subprocess.TimeoutExpired):
                said = f"{browser.name} did not finish in {TIMEOUT_SECONDS:.0f} seconds"
                raise BrowserError(said) from None
            raise
    told = out.decode("utf-8", "replace")
    if process.returncode:
        last = errors.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise BrowserError(f"{browser.name} failed ({process.returncode}): {last[0][:300]}")
    return told


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the browser with the processes that it started."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.communicate()
