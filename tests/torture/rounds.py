"""One round: a copy of a prepared project, some kills, a repeat, and a comparison.

What is compared is everything that a clean run leaves: marts, raw rows,
history with its order, evaluations, what routes were told, the outbox, and the
messages that really arrived. Left out are only moments of the clock; in their
place it is told whether they lie before or after the preparation.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from connectors.sandbox import slack_api
from connectors.tables import ALL
from flows.demo import write_config
from tests.e2e.morning import (
    KOERS,
    Project,
    SandboxProcess,
    copy_of,
    read_mail,
    replace_once,
)
from tests.torture.preloaded import Ended, Runner

PREPARED_DAY = date(2026, 11, 18)
DAY = date(2026, 11, 20)
SINCE = date(2026, 11, 4)
CLIENT = "tulp-en-thee"
SHOP = f"""\
name: Tulp & Thee
timezone: Europe/Amsterdam
currency: EUR
locale: en
since: {SINCE}
sources:
  google_ads: {{customer_ids: [333-333-3333]}}
  ga4: {{property_ids: ["322222222"]}}
  search_console: {{sites: ["https://www.tulpenthee.example/"], since: 2026-11-14}}
notify: [team, growth, bot]
targets:
  - id: spend
    specific: Weekly ad spend stays within the budget
    kpi: cost
    where: {{source: google_ads}}
    goal: {{between: [2000 EUR, 4500 EUR]}}
    period: {{rolling: 7d}}
    agreed: {{owner: tom@noorderlicht.example, on: 2026-09-24}}
    plan: [{{do: Check the budgets, owner: tom@noorderlicht.example, due: 2026-12-31}}]
"""
RUN = ("run", "--direct", "--as-of", str(DAY))
# the same steps as tasks of Prefect, with a server of its own
THROUGH_PREFECT = ("run", "--as-of", str(DAY))
BACKFILL = (
    "backfill", "--direct", "--as-of", str(DAY), "--from", "2026-10-01", "--to", str(DAY),
)  # fmt: skip
REBUILD = ("rebuild",)
BACKUP = ("backup",)
# what a daily run does with old landing files in the end, here with all of them
FOLD = ("fold",)
IMPORT_SECONDS = 2.0
REPEATED = re.compile(r"\(may be a repeat\) ?")


def prepare(sandbox: SandboxProcess, runner: Runner, directory: Path) -> Project:
    """A small project two days before the run, so that there is much to restate and to tell."""
    directory.mkdir(parents=True)
    project = Project(directory)
    write_config(directory, sandbox.endpoints)
    for path in (project.config / "clients").glob("*.yaml"):
        path.unlink()
    project.client_file(CLIENT).write_text(SHOP)
    bot = sandbox.endpoints["slack_bot"]
    # one that may read the channel would find there what another round sent
    (directory / "secrets" / "slack_bot").write_text(slack_api.TOKEN_WITHOUT_FILES)
    replace_once(
        project.config / "koers.yaml",
        "\nroutes:\n",
        "\nroutes:\n  bot: {slack: {token: file:secrets/slack_bot, "
        f"channel: {bot['channel']}, endpoint: '{bot['endpoint']}'}}}}\n",
    )
    sandbox.set_as_of(PREPARED_DAY)
    first = ("run", "--direct", "--no-notify", "--as-of", str(PREPARED_DAY))
    ended = runner.run([*first, "--config", str(project.config)], directory / "koers.log")
    assert ended.code == 0, (directory / "koers.log").read_text()
    sandbox.set_as_of(DAY)
    return project


# --- what a run leaves ------------------------------------------------------------------------


# moments; and what tells the run or the folder apart
CLOCK = ("loaded_at", "first_loaded_at", "last_loaded_at", "observed_at", "superseded_at")
OPS = {
    "evaluations": ("known_at", "run_id"),
    "alert_state": ("told_at",),
}
State = dict[str, list[tuple[Any, ...]]]


def state_of(project: Project, prepared_at: datetime | None) -> State:
    """Everything that counts in a warehouse, by name, in a fixed order."""
    cut = f"timestamp '{prepared_at}'" if prepared_at else "timestamp '1970-01-01'"
    found: State = {}
    with duckdb.connect(str(project.warehouse), read_only=True) as connection:
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_tables() "
            "where schema_name in ('staging', 'intermediate', 'marts', 'kpis') union all "
            "select schema_name, view_name from duckdb_views() "
            "where schema_name in ('staging', 'intermediate', 'marts', 'kpis') order by all"
        ).fetchall():
            found[f"{schema}.{table}"] = _rows(connection, f"{schema}.{table}", CLOCK)
        for of in ALL:
            columns = ", ".join(column.name for column in of.columns)
            found[f"raw.{of.name}"] = connection.execute(
                f"select client, {columns}, loaded_at > {cut} from raw.{of.name} order by all"
            ).fetchall()
            found[f"history.{of.name}"] = connection.execute(
                f"select client, {columns}, observed_at > {cut}, superseded_at > {cut}, "
                f"row_number() over (partition by client, {', '.join(of.key)} "
                "order by superseded_at, observed_at), observed_at < superseded_at "
                f"from history.{of.name} order by all"
            ).fetchall()
        for name, left_out in OPS.items():
            found[f"ops.{name}"] = _rows(connection, f"ops.{name}", left_out)
        found["ops.outbox"] = connection.execute(
            "select message_key, client, route, channel, state, as_of from ops.outbox order by all"
        ).fetchall()
        found["ops.accounts"] = connection.execute(
            "select client, source, account_id, status, problem from ops.accounts order by all"
        ).fetchall()
        # a slice that was read twice is told twice; the days that are in are the same
        found["days in the ledger"] = connection.execute(
            "select distinct client, table_name, account_id, as_of, outcome, "
            "unnest(generate_series(window_start, window_end, interval 1 day))::date "
            "from ops.loads order by all"
        ).fetchall()
    found["reports"] = [
        (page.name, page.read_text().rstrip().endswith("</html>"))
        for page in sorted((project.directory / "report").rglob("*.html"))
    ]
    return found


def _rows(connection: Any, table: str, left_out: Sequence[str]) -> list[tuple[Any, ...]]:
    names = ", ".join(f"'{name}'" for name in left_out)
    rows: list[tuple[Any, ...]] = connection.execute(
        f"select columns(c -> c not in ({names})) from {table} order by all"
    ).fetchall()
    return rows


def differences(state: State, expected: State) -> list[str]:
    """In words, where two states differ."""
    found = []
    for name in sorted({*state, *expected}):
        ours, theirs = Counter(state.get(name, [])), Counter(expected.get(name, []))
        if ours != theirs:
            more, less = ours - theirs, theirs - ours
            example = next(iter(more or less))
            found.append(f"{name}: {sum(more.values())} rows too many, {sum(less.values())} "
                         f"missing, such as {example}")  # fmt: skip
    return found


def left_behind(project: Project) -> list[str]:
    """Files that only a run under way should have."""
    return sorted(
        str(path.relative_to(project.directory))
        for path in project.directory.rglob(".*")
        if path.is_file() and path.suffix in (".partial", ".rebuilt", ".tmp")
    )


# --- what arrived -----------------------------------------------------------------------------


@dataclass
class Inbox:
    """The messages that the sandbox caught since the last look."""

    sandbox: SandboxProcess
    slack_seen: int = 0
    mails_seen: set[Path] = field(default_factory=set)

    def new(self, project: Project) -> tuple[Counter[str], int]:
        """What arrived, without the folder and the word that it may be a repeat; and how often
        that word was there."""
        received = self.sandbox.slack()[self.slack_seen :]
        self.slack_seen += len(received)
        # a bot's pictures and the top of its thread are not worth a repeat
        posts = [one for one in received if one.get("method") in (None, "chat.postMessage")]
        texts = [f"{one.get('method', 'webhook')} {one['text']}" for one in posts]
        for path in self.sandbox.mails():
            if path not in self.mails_seen:
                self.mails_seen.add(path)
                mail = read_mail(path)
                texts.append(f"mail {mail['To']} {mail['Message-ID']}: {mail['Subject']}")
        labelled = sum(bool(REPEATED.search(text)) for text in texts)
        plain = (REPEATED.sub("", text).replace(str(project.directory), "…") for text in texts)
        return Counter(plain), labelled


# --- one round --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kill:
    """When a process dies: at a named point, or so many seconds after its start."""

    point: str = ""
    times: int = 1
    after: float = 0.0

    @property
    def name(self) -> str:
        return self.point or "any instant"


@dataclass
class Tally:
    """What came of all kills of one kind."""

    kills: int = 0
    too_late: int = 0
    duplicates: int = 0


@dataclass
class Torture:
    """Rounds against one sandbox and one prepared project."""

    sandbox: SandboxProcess
    runner: Runner
    prepared: Project
    directory: Path
    random: random.Random = field(default_factory=random.Random)
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    rounds: int = 0
    different: int = 0
    # whether processes are started anew, with all their imports
    real: bool = False
    real_kills: int = 0
    last: str = ""

    def __post_init__(self) -> None:
        ((self.prepared_at,),) = self.prepared.rows("select max(committed_at) from ops.loads")
        self.inbox = Inbox(self.sandbox)
        self.inbox.new(self.prepared)
        self.expected: dict[str, tuple[State, Counter[str], int, float]] = {}

    def undisturbed(self, command: Sequence[str]) -> tuple[State, Counter[str], int, float]:
        """What a command leaves that nobody kills; run once."""
        name = command[0]
        if name not in self.expected:
            project = self._copy(f"undisturbed-{name}")
            ended = self._koers(project, command)
            messages, labelled = self.inbox.new(project)
            assert labelled == 0
            state = state_of(project, self.prepared_at)
            self.expected[name] = (state, messages, ended.code, ended.seconds)
        return self.expected[name]

    def round(self, command: Sequence[str], kills: Sequence[Kill]) -> list[str]:
        """Kill a command so often, repeat it, and compare; returns the differences in words."""
        expected, messages, code, _seconds = self.undisturbed(command)
        self.rounds += 1
        project = self._copy(f"round-{self.rounds}")
        name = "run by Prefect" if command == THROUGH_PREFECT else command[0]
        tallies = [self.tallies.setdefault((name, kill.name), Tally()) for kill in kills]
        killed = 0
        for kill, tally in zip(kills, tallies, strict=True):
            ended = self._koers(project, command, kill)
            if ended.code == -signal.SIGKILL:
                tally.kills += 1
                killed += 1
            else:
                tally.too_late += 1
        self.real_kills += killed if self.real or command == THROUGH_PREFECT else 0
        repeat = self._koers(project, command)
        told, labelled = self.inbox.new(project)
        twice = sum((told - messages).values())
        tallies[-1].duplicates += twice
        problems = differences(state_of(project, self.prepared_at), expected)
        problems += [f"left behind: {name}" for name in left_behind(project)]
        if repeat.code != code:
            problems.append(f"exit code {repeat.code}, not {code}")
        problems += [f"never arrived: {text[:80]}" for text in messages - told]
        problems += [f"nobody knows: {text[:80]}" for text in told if text not in messages]
        if twice > min(killed, labelled):
            problems.append(f"{twice} messages twice, {labelled} labelled, after {killed} kills")
        if command in (FOLD, BACKUP):
            problems += self._way_back(project, command)
        self.last = f"{name}: {', '.join(map(_told, kills))}"
        if problems:
            self.different += 1
            log = (project.directory / "koers.log").read_text().splitlines()[-30:]
            where = f"round {self.rounds}, {self.last}"
            self.problems += [f"{where}: {problem}" for problem in problems]
            self.problems += [f"    {line}" for line in log]
        else:
            shutil.rmtree(project.directory)
        return problems

    def _way_back(self, project: Project, command: Sequence[str]) -> list[str]:
        """What was folded makes the same warehouse anew; what was backed up puts it back."""
        before = state_of(project, self.prepared_at)
        back: tuple[str, ...] = REBUILD
        if command == BACKUP:
            (*_, newest) = sorted((project.warehouse.parent / "backups").glob("*.duckdb"))
            project.warehouse.unlink()
            back = ("restore", str(newest))
        ended = self._koers(project, back)
        problems = [] if ended.code == 0 else [f"koers {back[0]} ended with {ended.code}"]
        told = differences(state_of(project, self.prepared_at), before)
        return problems + [f"after koers {back[0]}: {problem}" for problem in told]

    def random_kill(self, command: Sequence[str]) -> Kill:
        _, _, _, seconds = self.undisturbed(command)
        return Kill(after=self.random.uniform(0.05, seconds))

    def _copy(self, name: str) -> Project:
        return copy_of(self.prepared, self.directory / name)

    def _koers(self, project: Project, command: Sequence[str], kill: Kill | None = None) -> Ended:
        log = project.directory / "koers.log"
        told = {"KOERS_KILL_AT": f"{kill.point}:{kill.times}"} if kill and kill.point else {}
        asked = [*command, "--config", str(project.config)]
        if command == THROUGH_PREFECT or (self.real and command != FOLD):
            return self._started_anew(asked, log, kill, told)
        pid = self.runner.start(asked, log, **told)
        if kill and not kill.point:
            time.sleep(kill.after)
            _kill_child(pid)
        return self.runner.ended()

    def _started_anew(
        self, asked: Sequence[str], log: Path, kill: Kill | None, told: dict[str, str]
    ) -> Ended:
        started = time.monotonic()
        with (
            log.open("a") as out,
            subprocess.Popen(
                [*KOERS, *asked],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, "PREFECT_HOME": str(log.parent / "prefect"), **told},
            ) as process,
        ):
            if kill and not kill.point:
                # importing takes a while, in which there is nothing to disturb
                time.sleep(kill.after + IMPORT_SECONDS)
                process.kill()
        return Ended(process.returncode, time.monotonic() - started, 0)


def _kill_child(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _told(kill: Kill) -> str:
    return f"{kill.point}:{kill.times}" if kill.point else f"after {kill.after:.2f} s"
