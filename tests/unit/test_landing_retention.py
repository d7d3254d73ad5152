"""Daily runs that fold their old landing files, against runs that keep them all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.base import Account, AccountSelection, DateWindow, Reply, Slice, Table
from connectors.tables import GSC_SITE_DAY
from flows import folding, landing, loading, steps, warehouse
from flows.intake import commit_landed
from flows.landing import land, landing_files
from flows.pipeline import DirectEngine, run_daily
from flows.project import Connectors, Project, open_project
from flows.rebuild import rebuild
from tests.unit.small_landing import CLIENT, MORNING, SITE, everything

FIRST_MORNING = MORNING.date()
SINCE = FIRST_MORNING - timedelta(days=4)
# a morning lands one file; thirty that are older than the retention are worth a fold
MORNINGS = 33
CONFIG = f"""\
name: Shop
since: {SINCE}
sources:
  search_console: {{sites: ["{SITE}"]}}
targets:
  - id: clicks
    specific: Ninety clicks in November
    kpi: organic_clicks
    goal: {{at_least: 90}}
    period: 2026-11
    agreed: {{owner: sanne@shop.example, by: [anna@shop.example]}}
    plan: [{{do: Write, owner: sanne@shop.example, due: 2026-11-20}}]
"""


class Clock:
    """A clock that stands still until the next morning."""

    moment = MORNING

    def now(self) -> datetime:
        return self.moment


class Site:
    """A site whose clicks of a day are restated each morning, on some days to nothing at all."""

    tables = (GSC_SITE_DAY,)

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def accounts(self, selection: AccountSelection) -> list[Account]:
        return [Account("search_console", site, "The shop") for site in selection.ids]

    def check(self, table: Table, account: Account) -> None: ...

    def fetch(self, table: Table, account: Account, window: DateWindow) -> Reply:
        rows = [self._row(account, day) for day in window.days]
        there = [row for row in rows if row["clicks"]]
        return Reply(iter([pa.RecordBatch.from_pylist(there, schema=table.schema)]))

    def _row(self, account: Account, day: date) -> dict[str, Any]:
        age = (self.clock.moment.date() - day).days
        return {
            "account_id": account.account_id,
            "date_day": day,
            "clicks": (day.day + age // 2) % 4,
            "impressions": 100,
            "position": 3.5,
            "is_provisional": age < 3,
        }

    def close(self) -> None:
        pass


class Agency:
    """A project of its own, run on one morning after the other."""

    def __init__(self, project: Project, clock: Clock) -> None:
        self.project = project
        self.clock = clock

    def load(self, mornings: int) -> None:
        """What the runs of so many mornings land and commit."""
        site = Site(self.clock)
        with self.project.warehouse.open() as connection:
            for morning in range(mornings):
                self.clock.moment = MORNING + timedelta(days=morning)
                as_of = self.clock.moment.date()
                last_days = DateWindow(as_of - timedelta(days=4), as_of - timedelta(days=1))
                account = Account("search_console", SITE, "The shop")
                piece = Slice(CLIENT, GSC_SITE_DAY, account, last_days, as_of)
                reply = site.fetch(GSC_SITE_DAY, account, last_days)
                folder = self.project.warehouse.landing
                landed = land(piece, reply, folder, self.clock.now())
                assert commit_landed(connection, landed).outcome == "loaded"

    def run(self, morning: int) -> None:
        self.clock.moment = MORNING + timedelta(days=morning)
        engine, as_of = DirectEngine(self.project), self.clock.moment.date()
        report = run_daily(self.project, engine, [CLIENT], as_of, notify=False)
        assert report.exit_code == 0, report.errors

    @property
    def files(self) -> list[Path]:
        return sorted(landing_files(self.project.warehouse.landing))

    @property
    def snapshots(self) -> list[Path]:
        return sorted(self.project.warehouse.landing.rglob("snapshot_*.parquet"))

    def told(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that platforms said, was made of it and was judged."""
        found = everything(self.project.warehouse)
        return {
            name: rows
            for name, rows in found.items()
            if name.split(".")[0] in ("raw", "history", "marts")
        }


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (landing, loading, steps, folding, warehouse):
        monkeypatch.setattr(module, "now", clock.now)
    monkeypatch.setattr(Project, "tables_of", lambda *_: [GSC_SITE_DAY])
    return clock


@contextmanager
def agency(folder: Path, clock: Clock, retention: str) -> Iterator[Agency]:
    config = folder / "config"
    (config / "clients").mkdir(parents=True, exist_ok=True)
    (config / "clients" / f"{CLIENT}.yaml").write_text(CONFIG)
    (config / "koers.yaml").write_text(
        "version: 1\nwarehouse: data/koers.duckdb\nlanding: landing\n"
        f"report_dir: report\nlanding_retention: {retention}\n"
        "sources:\n  search_console: {json_key_file_path: key.json, restatement_days: 4}\n"
    )
    with open_project(config) as opened:
        connectors = Connectors(lambda _, __: Site(clock))
        yield Agency(replace(opened, connectors=connectors), clock)


def test_a_run_that_folds_old_files_says_the_same_as_one_that_keeps_them(
    tmp_path: Path, clock: Clock
) -> None:
    with agency(tmp_path / "keeps", clock, "90 days") as keeps:
        keeps.load(MORNINGS)
        shutil.copytree(tmp_path / "keeps", tmp_path / "folds")
        with agency(tmp_path / "folds", clock, "2 days") as folds:
            for one in (keeps, folds):
                one.run(MORNINGS)

            # of 34 files those of the last two mornings and of this one stay
            assert (len(keeps.files), len(keeps.snapshots)) == (34, 0)
            assert (len(folds.files), len(folds.snapshots)) == (3, 1)
            said = keeps.told()
            assert len(said["history.search_console__site_day"]) > 30
            assert len(said["marts.organic_search_day"]) > 20
            assert folds.told() == said
            before = everything(folds.project.warehouse)
            assert before["ops.evaluations"]

            made = rebuild(folds.project)

            assert (made.exit_code, made.skipped, made.lost) == (0, (), ())
            assert everything(folds.project.warehouse) == before
            # and the next morning goes on from there
            for one in (keeps, folds):
                one.run(MORNINGS + 1)
            assert folds.told() == keeps.told()
