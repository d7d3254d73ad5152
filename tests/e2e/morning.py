"""A sandbox process, a configuration that points to it, and the `koers` command on it."""

from __future__ import annotations

import email
import email.policy
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import date
from email.message import EmailMessage
from io import StringIO
from pathlib import Path
from typing import Any

import duckdb
import requests

from connectors.sandbox.world import World
from flows.cli import main
from flows.demo import sandbox_process, write_config

DEMO_DAY = date(2026, 11, 20)
FIRST_DAY = date(2026, 9, 15)
FIRST_SEARCH_DAY = date(2026, 11, 1)
CLIENTS = ("fietsgoed", "tulp-en-thee")
WORLD = World()

Rows = list[tuple[Any, ...]]


# --- the sandbox ------------------------------------------------------------------------------


@dataclass(frozen=True)
class SandboxProcess:
    """The vendors' APIs in a process of their own, and what they caught."""

    directory: Path
    endpoints: dict[str, Any]

    def _control(self, method: str, path: str, said: Any = None) -> dict[str, Any]:
        answer = requests.request(
            method, f"{self.endpoints['control']}{path}", json=said, timeout=30
        )
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told

    def set_as_of(self, day: date) -> None:
        self._control("POST", "/as-of", {"as_of": str(day)})

    def plan(self, *faults: dict[str, Any]) -> None:
        self._control("POST", "/faults", list(faults))

    def faults(self) -> list[dict[str, Any]]:
        """The faults that have not happened yet."""
        waiting: list[dict[str, Any]] = self._control("GET", "")["faults"]
        return waiting

    def calm(self) -> None:
        """No fault is planned any more; calls that were stalled end."""
        self._control("DELETE", "/faults")

    def calls(self, after: int = 0) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._control("GET", f"/calls?after={after}")["calls"]
        return found

    def count(self) -> int:
        """The number of the last call."""
        return max((call["n"] for call in self.calls()), default=0)

    def slack(self) -> list[dict[str, Any]]:
        """Every Slack message so far."""
        inbox = self.directory / "sent" / "slack.jsonl"
        if not inbox.exists():
            return []
        return [json.loads(line) for line in inbox.read_text().splitlines()]

    def mails(self) -> list[Path]:
        return sorted((self.directory / "sent" / "mail").glob("*.eml"))


@contextmanager
def running_sandbox(directory: Path) -> Iterator[SandboxProcess]:
    directory.mkdir(parents=True)
    with sandbox_process(directory, DEMO_DAY, free_ports=True) as endpoints:
        yield SandboxProcess(directory, endpoints)


# --- a project --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """What a `koers` process said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        """The one JSON document on stdout; raises when there is anything else."""
        document: dict[str, Any] = json.loads(self.out)
        return document


@dataclass(frozen=True)
class Project:
    """One folder with a configuration, a warehouse and reports."""

    directory: Path

    @property
    def config(self) -> Path:
        return self.directory / "config"

    @property
    def warehouse(self) -> Path:
        return self.directory / "data" / "koers.duckdb"

    def report(self, client: str) -> str:
        return (self.directory / "report" / f"{client}.html").read_text()

    def rows(self, query: str, values: Sequence[Any] = ()) -> Rows:
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.execute(query, list(values)).fetchall()

    def client_file(self, client: str) -> Path:
        return self.config / "clients" / f"{client}.yaml"

    def start(self, command: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start `koers` as people do; end it with `ended`."""
        return start(command, "--config", str(self.config), *arguments, **environment)

    def koers(self, command: str, *arguments: str, **environment: str) -> Ran:
        """Run `koers` as people do: in a process of its own."""
        return koers(command, "--config", str(self.config), *arguments, **environment)

    def here(self, command: str, *arguments: str) -> Ran:
        """The same in this process: without the seconds that imports take. Asks for JSON."""
        out = StringIO()
        with redirect_stdout(out):
            code = main([command, "--config", str(self.config), "--json", "--quiet", *arguments])
        return Ran(code, out.getvalue(), "")


# a busy machine needs its time; nothing here takes a minute by itself
LONGEST_SECONDS = 240
KOERS = (sys.executable, "-m", "flows.cli")


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*KOERS, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a process that hangs says where, see `ended`
        env={**os.environ, "PYTHONFAULTHANDLER": "1", **environment},
    )


def ended(process: subprocess.Popen[str]) -> Ran:
    """Wait until a process has ended; one that hangs fails the test with its stacks."""
    try:
        out, err = process.communicate(timeout=LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        _, err = process.communicate()
        raise AssertionError(f"{process.args} hung\n{err}") from None
    return Ran(process.returncode, out, err)


def koers(*arguments: str, **environment: str) -> Ran:
    return ended(start(*arguments, **environment))


def new_project(sandbox: SandboxProcess, directory: Path) -> Project:
    """The demo's configuration, with fewer days."""
    directory.mkdir(parents=True)
    project = Project(directory)
    write_config(directory, sandbox.endpoints)
    for client in CLIENTS:
        path = project.client_file(client)
        text, of_client = re.subn(r"(?m)^since: .*$", f"since: {FIRST_DAY}", path.read_text())
        text, of_search = re.subn(
            r"(?m)^(  search_console: \{sites: [^,}]*).*$",
            rf"\1, since: {FIRST_SEARCH_DAY}}}",
            text,
        )
        assert (of_client, of_search) == (1, 1), f"{path} is not as these tests know it"
        path.write_text(text)
    return project


def copy_of(project: Project, directory: Path) -> Project:
    shutil.copytree(project.directory, directory)
    return Project(directory)


def replace_once(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path} has {old!r} {text.count(old)} times"
    path.write_text(text.replace(old, new))


def read_mail(path: Path) -> EmailMessage:
    return email.message_from_bytes(path.read_bytes(), policy=email.policy.default)


# --- the whole warehouse ----------------------------------------------------------------------


def contents(
    project: Project, *schemas: str, without: Sequence[str] = ()
) -> dict[str, tuple[int, int]]:
    """How many rows each table of these schemas has, and the sum of the rows' hashes."""
    left_out = ", ".join(f"'{name}'" for name in without) or "''"
    places = ", ".join("?" for _ in schemas)
    with duckdb.connect(str(project.warehouse), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            f"where schema_name in ({places}) order by all",
            list(schemas),
        ).fetchall()
        found = {}
        for (table,) in tables:
            row = f"select columns(c -> c not in ({left_out})) from {table}"
            found[table] = connection.execute(
                f"select count(*), coalesce(sum(hash(told)), 0) from ({row}) as told"
            ).fetchall()[0]
    return found
