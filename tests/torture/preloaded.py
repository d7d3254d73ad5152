"""`koers` without the seconds that its imports take: a process that has imported all, and forks.

Each child is a process like any other: it runs the command line's own `main`
and can be killed at any instant. Used by `Runner`; speaks JSON lines.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

MODULES = (
    "connectors.ga4",
    "connectors.google_ads",
    "connectors.search_console",
    "connectors.slack",
    "connectors.slack_bot",
    "connectors.smtp",
    "flows.backup",
    "flows.cli",
    "flows.demo",
    "flows.folding",
    "flows.rebuild",
    "flows.report.mail_message",
    "flows.report.page",
    "flows.report.slack_blocks",
    "flows.runs",
)


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code (-9 when it was killed) and what it took."""

    code: int
    seconds: float
    peak_kb: int


class Runner:
    """Starts `koers` commands, one at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.preloaded"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, arguments: list[str], log: Path, **environment: str) -> int:
        """Start a command; returns its process id. End it with `ended`."""
        assert self._process.stdin is not None
        told = {"arguments": arguments, "log": str(log), "environment": environment}
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        pid: int = self._answer()["pid"]
        return pid

    def ended(self) -> Ended:
        return Ended(**self._answer())

    def run(self, arguments: list[str], log: Path, **environment: str) -> Ended:
        self.start(arguments, log, **environment)
        return self.ended()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the preloaded process is gone"
        told: dict[str, Any] = json.loads(line)
        return told

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def main() -> None:
    import time

    for module in MODULES:
        importlib.import_module(module)
    for line in sys.stdin:
        asked = json.loads(line)
        started = time.monotonic()
        pid = os.fork()
        if pid == 0:
            _child(asked)
        _say({"pid": pid})
        _, status, used = os.wait4(pid, 0)
        _say(
            {
                "code": os.waitstatus_to_exitcode(status),
                "seconds": time.monotonic() - started,
                "peak_kb": used.ru_maxrss,
            }
        )


def _say(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _child(asked: dict[str, Any]) -> None:
    from flows.cli import main as koers

    code: Any = 70
    try:
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.update(asked["environment"])
        if asked["arguments"][0] == "fold":
            _fold(Path(asked["arguments"][-1]))
            code = 0
        else:
            code = koers(asked["arguments"])
    except SystemExit as said:
        code = said.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 70)


def _fold(config: Path) -> None:
    """Fold all there is, as a daily run does with what is older than its retention."""
    from datetime import timedelta

    from flows.folding import fold_landing
    from flows.landing import now
    from flows.project import open_project

    with open_project(config) as project:
        fold_landing(project.warehouse, 0, moment=now() + timedelta(days=1), at_once=1)


if __name__ == "__main__":
    main()
