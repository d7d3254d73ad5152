"""Drives a headless Chromium over a pipe, in its own protocol; no driver and no package needed.

Source: https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

BINARIES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
LONGEST_SECONDS = 120

_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # tests run as root in containers; what is loaded is our own page
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--remote-debugging-pipe",
)


def binary() -> str | None:
    """The Chromium of this machine: KOERS_CHROMIUM, or one on the path; None when there is none."""
    told = os.environ.get("KOERS_CHROMIUM")
    return told or next((found for name in BINARIES if (found := shutil.which(name))), None)


@dataclass
class Seen:
    """What a page did while it was open, besides showing itself."""

    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # on the console, with what the policy stopped
    dialogs: list[str] = field(default_factory=list)


class Browser:
    """One Chromium and one page at a time."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._out = to_browser
        self._in = from_browser
        self._waiting = b""
        self._events: list[dict[str, Any]] = []
        self._last_id = 0
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session: str | None = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask something and wait for the answer. Raises RuntimeError when Chromium refuses."""
        self._last_id += 1
        asked: dict[str, Any] = {"id": self._last_id, "method": method, "params": parameters}
        if session := getattr(self, "_session", None):
            asked["sessionId"] = session
        rest = memoryview(json.dumps(asked).encode() + b"\0")
        while rest:
            rest = rest[os.write(self._out, rest) :]
        deadline = time.monotonic() + LONGEST_SECONDS
        while True:
            told = self._next(deadline)
            if told.get("id") == self._last_id:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']}")
                result: dict[str, Any] = told["result"]
                return result
            self._events.append(told)

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._waiting:
            ready, _, _ = select.select([self._in], [], [], max(deadline - time.monotonic(), 0))
            piece = os.read(self._in, 1 << 16) if ready else b""
            if not piece:
                raise RuntimeError("Chromium does not answer")
            self._waiting += piece
        first, _, self._waiting = self._waiting.partition(b"\0")
        told: dict[str, Any] = json.loads(first)
        return told

    def look(self, width: int, scheme: Literal["light", "dark"]) -> None:
        """How wide the window is, in CSS pixels, and whether the reader likes it dark."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def open(self, path: Path) -> Seen:
        """Open a file and wait until it is loaded, and a moment longer for what it starts late."""
        self._events.clear()
        address = path.resolve().as_uri()
        self.call("Page.navigate", url=address)
        deadline = time.monotonic() + LONGEST_SECONDS
        while not any(e.get("method") == "Page.loadEventFired" for e in self._events):
            told = self._next(deadline)
            self._events.append(told)
            if told.get("method") == "Page.javascriptDialogOpening":
                self.call("Page.handleJavaScriptDialog", accept=True)
        # two frames and every task that was put off until then
        self.value("new Promise(r => requestAnimationFrame(() => requestAnimationFrame("
                   "() => setTimeout(r, 0))))")  # fmt: skip
        return self._seen(address)

    def _seen(self, address: str) -> Seen:
        seen = Seen()
        for event in self._events:
            told = event.get("params", {})
            match event.get("method"):
                case "Network.requestWillBeSent":
                    url = told["request"]["url"]
                    if url != address and not url.startswith("data:"):
                        seen.requests.append(url)
                case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                    seen.said.append(json.dumps(told)[:500])
                case "Log.entryAdded":
                    seen.said.append(told["entry"]["text"])
                case "Page.javascriptDialogOpening":
                    seen.dialogs.append(told["message"])
        return seen

    def value(self, expression: str) -> Any:
        """What an expression is worth in the page; a promise is waited for."""
        told = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in told:
            raise RuntimeError(str(told["exceptionDetails"])[:1_000])
        return told["result"].get("value")


@contextmanager
def running(profile: Path) -> Iterator[Browser]:
    """A Chromium of its own, ended with the block. Raises RuntimeError when it does not start."""
    chromium = binary()
    if chromium is None:
        raise RuntimeError("there is no Chromium on this machine")
    its_in, to_browser = os.pipe()
    from_browser, its_out = os.pipe()
    process = subprocess.Popen(
        # it reads descriptor 3 and writes 4
        ["bash", "-c", f'exec "$@" 3<&{its_in} 4>&{its_out}', "bash", chromium, *_OPTIONS,
         f"--user-data-dir={profile}", "about:blank"],
        pass_fds=(its_in, its_out),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(its_in)
    os.close(its_out)
    try:
        browser = Browser(to_browser, from_browser)
        yield browser
    finally:
        os.close(to_browser)  # Chromium ends with its pipe
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(from_browser)
