"""`make long-backfill`: many months of twenty accounts, killed five times; what that takes.

    python -m tests.torture.long_backfill [--months 6 18 36] [--kills 5] [--seed N]

Loads the last months of the sandbox's twenty large accounts: each length once
undisturbed, for its memory, and the longest once more with kills. Every process
is a real `koers backfill --direct`. Exits 1 when a slice was asked for more than
twice, when the rows differ, or when the longest takes more memory than the shortest.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from flows.demo import write_config
from flows.warehouse import memory_limit_mb
from tests.e2e.morning import DEMO_DAY, KOERS, Project, SandboxProcess

MANAGER = "1000000003"
CLIENT = "scale"
MONTH_DAYS = 1095 / 36
SHOP = f"""\
name: Scale
timezone: Europe/Amsterdam
currency: EUR
locale: en
since: {{since}}
sources:
  google_ads: {{{{login_customer_id: "{MANAGER}", discover: true}}}}
targets: []
"""
# What the longest backfill may take more than the shortest one, which does not fill DuckDB's
# bound. Measured: 14% undisturbed, 20% for the run that goes on after five kills.
GROWTH = 1.25
# Python, the vendors' clients and what eight requests hold, beside DuckDB
PROCESS_MB = 384


@dataclass(frozen=True)
class Took:
    """What one process took."""

    code: int
    seconds: float
    cpu_seconds: float
    peak_mb: float


@contextmanager
def large_sandbox(directory: Path) -> Iterator[SandboxProcess]:
    directory.mkdir(parents=True)
    command = [
        sys.executable, "-m", "connectors.sandbox", "--json", "--free-ports", "--scale", "large",
        "--as-of", str(DEMO_DAY), "--parent", str(os.getpid()),
        "--state-dir", str(directory / "sandbox"), "--sent-dir", str(directory / "sent"),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield SandboxProcess(directory, json.loads(process.stdout.readline()))
        finally:
            process.terminate()


def new_project(sandbox: SandboxProcess, directory: Path) -> Project:
    directory.mkdir()
    project = Project(directory)
    write_config(directory, sandbox.endpoints)
    for path in (project.config / "clients").glob("*.yaml"):
        path.unlink()
    project.client_file(CLIENT).write_text(SHOP.format(since=DEMO_DAY - timedelta(days=1100)))
    return project


def backfill(project: Project, start: date, stop_at_files: int | None = None) -> Took:
    """Run a backfill; SIGKILL it once so many files lie in the landing."""
    last = DEMO_DAY - timedelta(days=1)
    asked = [
        "backfill", "--direct", "--as-of", str(DEMO_DAY), "--from", str(start), "--to", str(last),
        "--config", str(project.config),
    ]  # fmt: skip
    started = time.monotonic()
    with (project.directory / "koers.log").open("a") as log:
        process = subprocess.Popen(
            [*KOERS, *asked], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    while stop_at_files is not None:
        # not reaped yet, so that the number is still that process's own
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            break
        if files_landed(project) >= stop_at_files:
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.05)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Took(
        process.returncode,
        time.monotonic() - started,
        used.ru_utime + used.ru_stime,
        used.ru_maxrss / 1024,
    )


def files_landed(project: Project) -> int:
    landed = (project.directory / "landing").rglob("*.parquet")
    return sum(not path.name.startswith(".") for path in landed)


def asked_of(sandbox: SandboxProcess, after: int) -> Counter[str]:
    """How often the rows of each slice were asked for."""
    return Counter(
        f"{call['account_id']} {call['detail']['query']}"
        for call in sandbox.calls(after)
        if re.search(r"segments\.date", call["detail"].get("query", ""))
    )


def rows_of(project: Project) -> dict[str, tuple[int, int]]:
    """Per raw and history table how many rows there are, and a sum over all they hold."""
    tables = project.rows(
        "select schema_name || '.' || table_name from duckdb_tables() "
        "where schema_name in ('raw', 'history', 'marts') order by all"
    )
    found = {}
    for (table,) in tables:
        ((count, total),) = project.rows(
            f"select count(*), coalesce(sum(hash(columns_)), 0) from (select columns(c -> c not in "
            "('loaded_at', 'observed_at', 'superseded_at', 'first_loaded_at', 'last_loaded_at')) "
            f"from {table}) as columns_"
        )
        found[table] = (count, int(total))
    return found


def _killed(
    sandbox: SandboxProcess,
    directory: Path,
    chance: random.Random,
    kills: int,
    start: date,
    clean: Counter[str],
    rows: dict[str, tuple[int, int]],
) -> tuple[list[str], float]:
    """The same days once more, killed so often.

    Returns what is wrong, in words, and the most memory that any of its runs took.
    """
    problems: list[str] = []
    files = clean.total()
    killed = new_project(sandbox, directory / "killed")
    before = sandbox.count()
    peak = 0.0
    for n in range(kills):
        at = round(files * (n + chance.random()) / kills)
        took = backfill(killed, start, stop_at_files=at)
        peak = max(peak, took.peak_mb)
        print(f"    killed at {at} of {files} files: exit {took.code}, {took.seconds:.0f} s, "
              f"peak {took.peak_mb:.0f} MB", flush=True)  # fmt: skip
        if took.code != -signal.SIGKILL:
            problems.append(f"kill {n + 1} came too late")
    took = backfill(killed, start)
    again = asked_of(sandbox, before)
    twice = sum(count > 1 for count in again.values())
    print(
        f"the longest, killed {kills} times: exit {took.code}, of "
        f"{len(again)} slices {twice} were asked for again, none more than "
        f"{max(again.values())} times; the last run took {took.seconds:.0f} s, "
        f"peak {took.peak_mb:.0f} MB",
        flush=True,
    )
    if set(again) != set(clean) or max(again.values()) > 2:
        problems.append("the slices that were asked for differ, or one was asked for thrice")
    if took.code or rows_of(killed) != rows:
        problems.append("the rows differ from those of the undisturbed backfill")
    return problems, max(peak, took.peak_mb)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.long_backfill")
    parser.add_argument("--months", type=int, nargs="+", default=[6, 18, 36])
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    asked = parser.parse_args(arguments)
    chance = random.Random(asked.seed)
    print(f"seed {asked.seed}", flush=True)
    directory = Path(tempfile.mkdtemp(prefix="koers-long-"))
    problems: list[str] = []
    peaks: dict[int, float] = {}
    with large_sandbox(directory / "sandbox") as sandbox:
        for months in asked.months:
            start = DEMO_DAY - timedelta(days=round(months * MONTH_DAYS))
            before = sandbox.count()
            project = new_project(sandbox, directory / f"{months}-months")
            took = backfill(project, start)
            clean = asked_of(sandbox, before)
            peaks[months] = took.peak_mb
            rows = rows_of(project)
            loaded = sum(count for name, (count, _) in rows.items() if name.startswith("raw."))
            print(
                f"{months:3} months undisturbed: exit {took.code}, {clean.total()} slices of days, "
                f"{loaded:,} rows, {took.seconds:.0f} s ({took.cpu_seconds:.0f} s of CPU), "
                f"peak {took.peak_mb:.0f} MB",
                flush=True,
            )
            if took.code or max(clean.values()) > 1:
                problems.append(f"{months} months: exit {took.code}, see {project.directory}")
        most = max(peaks.values())
        if asked.kills:
            wrong, peak = _killed(sandbox, directory, chance, asked.kills, start, clean, rows)
            problems += wrong
            most = max(most, peak)
    bound = memory_limit_mb() + PROCESS_MB
    if most > bound:
        problems.append(f"a backfill took more than the {bound} MB that any length may take")
    if most > GROWTH * peaks[asked.months[0]]:
        problems.append(f"memory grows with the length: {peaks}, at most {most}")
    least = f"{peaks[asked.months[0]]:.0f} MB for {asked.months[0]} months"
    print(f"peak memory: {least}, {most:.0f} MB at most, {most / peaks[asked.months[0]] - 1:+.0%}")
    for problem in problems:
        print(problem)
    if problems:
        print(f"the folders are in {directory}")
    else:
        shutil.rmtree(directory)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
