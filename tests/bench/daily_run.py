"""What a morning costs: `koers run` for twenty ad accounts over thirty days, all default tables.

Run: ``make bench``, or ``.venv-bench/bin/python -m tests.bench.daily_run``. The accounts are the
sandbox's large ones, with the four properties and four sites that go with them; the sandbox is a
process of its own. Four mornings each, in turns, with ``--direct``, with a Prefect server that
stays as under `koers serve`, and with one that the run starts for itself, all in folders of their
own: the first loads the month, the others read it again. CPU seconds are those of `koers` and of
Prefect's server.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from flows import prefect_server, prefect_settings
from tests.bench.measure import cpu_seconds_of, machine
from tests.e2e.morning import DEMO_DAY, KOERS, Project
from tests.torture.long_backfill import MANAGER, large_sandbox, new_project

MORNINGS = 4
DAYS = 30
FIRST_DAY = DEMO_DAY - timedelta(days=MORNINGS - 1)
NUMBERS = range(1, 5)
CLIENT = f"""\
name: Scale
timezone: Europe/Amsterdam
currency: EUR
locale: en
since: {{since}}
sources:
  google_ads: {{{{login_customer_id: "{MANAGER}", discover: true}}}}
  ga4: {{{{property_ids: {json.dumps([f"36000000{n}" for n in NUMBERS])}}}}}
  search_console: {{{{sites: {json.dumps([f"https://www.schaal-{n}.example/" for n in NUMBERS])}}}}}
targets:
  - id: google-ads-ctr
    specific: Keep the CTR of our search campaigns
    kpi: ctr
    where: {{{{source: google_ads, channel_type: SEARCH}}}}
    goal: {{{{at_least: 3%}}}}
    period: {{{{rolling: 7d}}}}
    agreed: {{{{owner: sanne@example.nl, by: [tom@example.nl], on: 2026-09-24}}}}
    realistic: {{{{because: it has been there all year}}}}
    plan: [{{{{do: Rewrite the ads that fall behind, owner: tom@example.nl, due: 2026-12-15}}}}]
"""
# the goals: a minute in all, of which Prefect a third at most
MOST_SECONDS = 60.0
MOST_OF_PREFECT = 1 / 3
IMPORTS = {
    "an empty Python": "pass",
    "the command line (`koers --help`)": "import flows.cli",
    "all that a run needs, without Prefect": "import flows.pipeline, flows.report_files",
    "the same with Prefect": "import flows.daily, flows.report_files",
}


@dataclass(frozen=True)
class Morning:
    """What one run took, its children included."""

    cpu: float
    wall: float
    peak_mb: float


class Way:
    """One way to run, in a folder of its own, and what its mornings took."""

    def __init__(
        self,
        name: str,
        project: Project,
        *how: str,
        environment: Mapping[str, str] = os.environ,
        beside: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.name = name
        self.project = project
        self.how = how
        self.environment = environment
        self.beside = beside
        self.took: list[Morning] = []
        # as many days as are read again each morning, so that all runs read about as much
        since = FIRST_DAY - timedelta(days=DAYS)
        for path in (project.config / "clients").glob("*.yaml"):
            path.unlink()
        project.client_file("scale").write_text(CLIENT.format(since=since))

    def run(self, day: date) -> None:
        command = [
            *KOERS, "run", "--quiet", "--config", str(self.project.config),
            "--as-of", str(day), *self.how,
        ]  # fmt: skip
        home = {"PREFECT_HOME": str(self.project.directory / "prefect")}
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        helped = self.beside()
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**home, **self.environment},
        )
        wall = time.perf_counter() - started
        helped = self.beside() - helped
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: exit {done.returncode}")
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        # the memory is that of the largest child so far
        self.took.append(Morning(cpu + helped, wall, after.ru_maxrss / 1024))

    def loaded(self) -> tuple[Any, ...]:
        """Slices, rows, tables and accounts of all mornings."""
        (told,) = self.project.rows(
            "select count(*), sum(rows), count(distinct table_name), count(distinct account_id) "
            "from ops.loads where source <> 'ecb'"
        )
        return told


@contextmanager
def server_that_stays(home: Path) -> Iterator[tuple[Mapping[str, str], Callable[[], float]]]:
    """A Prefect server as `koers serve` has it: the environment to use it, and its CPU so far."""
    usual = dict(os.environ)
    os.environ["PREFECT_HOME"] = str(home)
    prefect_settings.apply(**prefect_settings.SERVING)
    prefect_server.ensure(services=True)
    served = dict(os.environ)
    os.environ.clear()
    os.environ.update(usual)
    try:
        with urllib.request.urlopen(f"{served['PREFECT_API_URL']}/health", timeout=120):
            pid = prefect_server._servers[0].pid
        yield served, lambda: cpu_seconds_of(pid)
    finally:
        prefect_server.stop()


def show_imports() -> None:
    print("\nimports (second time, byte code compiled)")
    for what, code in IMPORTS.items():
        for _ in range(2):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-c", code], check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"  {what:42}{cpu:>7.2f} CPU s")


def main() -> None:
    argparse.ArgumentParser(prog="python -m tests.bench.daily_run").parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="koers-bench-") as scratch:
        folder = Path(scratch)
        with (
            large_sandbox(folder / "sandbox") as sandbox,
            server_that_stays(folder / "home") as (served, taken),
        ):
            direct, *with_prefect = ways = (
                Way("without Prefect (--direct)", new_project(sandbox, folder / "1"), "--direct"),
                Way(
                    "with the Prefect server of koers serve",
                    new_project(sandbox, folder / "2"),
                    environment=served,
                    beside=taken,
                ),
                Way("with a Prefect server of its own", new_project(sandbox, folder / "3")),
            )
            for number in range(MORNINGS):
                day = FIRST_DAY + timedelta(days=number)
                sandbox.set_as_of(day)
                for way in ways:  # in turns: what else the machine does is shared out
                    way.run(day)
        loaded = [way.loaded() for way in ways]
    if len(set(loaded)) > 1:
        raise SystemExit(f"not all loaded the same: {loaded}")
    slices, rows, tables, accounts = loaded[0]
    print(
        f"\ndaily run: {accounts} accounts, {tables} tables, {DAYS} days; "
        f"{slices // MORNINGS} slices, {rows // MORNINGS:,} rows a morning"
    )
    mornings = ("the first, new month", *("all again" for _ in range(MORNINGS - 1)))
    print(f"  {'CPU s (of which Prefect), wall s':40}" + "".join(f"{m:>24}" for m in mornings))
    for way in ways:
        told = []
        for without, with_ in zip(direct.took, way.took, strict=True):
            share = f" ({1 - without.cpu / with_.cpu:.0%})" if way in with_prefect else ""
            told.append(f"{with_.cpu:.1f}{share}, {with_.wall:.1f}")
        print(f"  {way.name:40}" + "".join(f"{one:>24}" for one in told))
    print(f"  peak memory {max(one.peak_mb for way in ways for one in way.took):.0f} MB")
    print(f"  the goal: at most {MOST_SECONDS:g} CPU s, of which Prefect {MOST_OF_PREFECT:.0%}")
    show_imports()


if __name__ == "__main__":
    main()
