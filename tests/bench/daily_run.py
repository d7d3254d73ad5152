"""What a morning costs: `koers run` for twenty ad accounts over thirty days, all default tables.

Run: ``make bench``, or ``.venv-bench/bin/python -m tests.bench.daily_run``. The accounts are the
sandbox's large ones, with the four properties and four sites that go with them; the sandbox is a
process of its own. Three mornings with Prefect and three with ``--direct``, each in a folder of
its own: the first loads the month, the others read it again. CPU seconds are those of `koers` and
everything it starts, Prefect's server too.
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
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from tests.bench.measure import machine
from tests.e2e.morning import DEMO_DAY, KOERS, Project, SandboxProcess
from tests.torture.long_backfill import MANAGER, large_sandbox, new_project

MORNINGS = 3
DAYS = 30
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


def run(project: Project, day: date, *how: str) -> Morning:
    command = [
        *KOERS, "run", "--quiet", "--config", str(project.config), "--as-of", str(day), *how
    ]  # fmt: skip
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"PREFECT_HOME": str(project.directory / "prefect")}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}")
    return Morning(
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        time.perf_counter() - started,
        after.ru_maxrss / 1024,  # of the largest child so far
    )


def mornings(sandbox: SandboxProcess, folder: Path, *how: str) -> tuple[list[Morning], object]:
    """The runs of some mornings, and what was loaded in all of them."""
    project = new_project(sandbox, folder)
    first = DEMO_DAY - timedelta(days=MORNINGS - 1)
    # as many days as are read again each morning, so that all runs read about as much
    since = first - timedelta(days=DAYS)
    for path in (project.config / "clients").glob("*.yaml"):
        path.unlink()
    project.client_file("scale").write_text(CLIENT.format(since=since))
    took = []
    for number in range(MORNINGS):
        day = first + timedelta(days=number)
        sandbox.set_as_of(day)
        took.append(run(project, day, *how))
    loaded = project.rows(
        "select count(*), sum(rows), count(distinct table_name), count(distinct account_id) "
        "from ops.loads where source <> 'ecb'"
    )
    return took, loaded[0]


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
        with large_sandbox(folder / "sandbox") as sandbox:
            direct, loaded = mornings(sandbox, folder / "direct", "--direct")
            prefect, same = mornings(sandbox, folder / "prefect")
    if loaded != same:
        raise SystemExit(f"direct loaded {loaded}, with Prefect {same}")
    slices, rows, tables, accounts = same
    print(
        f"\ndaily run: {accounts} accounts, {tables} tables, {DAYS} days; "
        f"{slices // MORNINGS} slices, {rows // MORNINGS:,} rows a morning"
    )
    print(f"  {'':22}{'direct':>10}{'Prefect':>10}{'of which Prefect':>18}{'wall s':>8}{'MB':>6}")
    for number, (without, with_) in enumerate(zip(direct, prefect, strict=True)):
        name = "the first, new month" if not number else "a morning, all again"
        share = 1 - without.cpu / with_.cpu
        print(
            f"  {name:22}{without.cpu:>8.1f} s{with_.cpu:>8.1f} s{share:>18.0%}"
            f"{with_.wall:>8.1f}{with_.peak_mb:>6.0f}"
        )
    print(f"  the goal: at most {MOST_SECONDS:g} CPU s, of which Prefect {MOST_OF_PREFECT:.0%}")
    show_imports()


if __name__ == "__main__":
    main()
