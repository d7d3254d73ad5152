"""The report of one client with fifty targets: how large it is and how long making it takes.

Run: ``.venv/bin/python -m tests.bench.report_size [targets]``. Makes a warehouse of three years
of daily data first, judges a quarter of mornings so that there is a history to show, and
then times what a morning's run does: read, judge, explain, draw and write.
``--profile`` tells where the time goes, ``--keep DIR`` keeps the pages and the warehouse.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import re
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from flows import readings
from flows.kpis import load_kpis, sql_dir
from flows.project import Project
from flows.report_files import read_views, write_pages
from flows.settings import Settings
from flows.targets.evaluation import Evaluation
from flows.views import verdicts_of, views_of
from flows.warehouse import Warehouse
from tests.bench.many_targets import AS_OF, add_targets, make_warehouse

# Mornings of which the verdicts are stored before the one that is timed.
MORNINGS = 12


def project_of(folder: Path, targets: int) -> Project:
    """A warehouse of one client with so many targets, made when it is not there yet."""
    path = folder / "report.duckdb"
    if not path.exists():
        make_warehouse(path, 1)
    kpis = load_kpis(sql_dir())
    warehouse = Warehouse(path, folder / "landing")
    with warehouse.open() as connection:
        clients = add_targets(connection, kpis, 1, targets)
    settings = Settings(
        config_dir=folder,
        root=folder,
        warehouse=path,
        landing=folder / "landing",
        report_dir=folder / "report",
        clients=clients,
    )
    return Project(folder, settings, kpis, sql_dir(), warehouse)


def judge_before(project: Project, mornings: int) -> None:
    """Store what was said on mornings over the last quarter, a week apart."""
    slugs = [client.slug for client in project.settings.clients]
    for week in range(mornings, 0, -1):
        with project.warehouse.open() as connection:
            views = views_of(
                project, connection, slugs, AS_OF - timedelta(days=7 * week), explained=False
            )
            told: Sequence[Evaluation] = verdicts_of(views)
            readings.store_evaluations(connection, told, f"week-{week}")


def write(project: Project) -> tuple[Path, float, float]:
    """The client's page, the seconds that reading and judging took, and those that writing took.

    Seconds of the processors: they are the same on a machine that is busy otherwise.
    """
    started = time.process_time()
    with project.warehouse.open() as connection:
        slugs = [client.slug for client in project.settings.clients]
        views, figures, agency = read_views(project, connection, slugs, AS_OF)
    read = time.process_time()
    page = write_pages(project, views, figures, agency)[0]
    return page, read - started, time.process_time() - read


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("targets", type=int, nargs="?", default=50)
    asked.add_argument("--keep", type=Path)
    asked.add_argument("--profile", action="store_true")
    told = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="koers-bench-") as scratch:
        folder = (told.keep or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        project = project_of(folder, told.targets)
        judge_before(project, MORNINGS)
        for attempt in ("first", "again"):
            profiler = cProfile.Profile()
            if told.profile and attempt == "again":
                profiler.enable()
            began = time.perf_counter()
            page, reading, writing = write(project)
            wall = time.perf_counter() - began
            profiler.disable()
            print(
                f"{attempt}: {page.stat().st_size:,} bytes; {reading:.1f} CPU s to read and judge, "
                f"{writing:.1f} CPU s to draw and write; {wall:.1f} s in all"
            )
        html = page.read_text(encoding="utf-8")
        drawn = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
        print(f"{len(drawn)} drawings of {sum(map(len, drawn)):,} characters")
        if told.profile:
            pstats.Stats(profiler).sort_stats("cumulative").print_stats(40)


if __name__ == "__main__":
    main()
