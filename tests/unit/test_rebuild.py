"""The warehouse made anew from its landing files; old files folded into snapshots."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from connectors.base import SlackMessage
from connectors.tables import GSC_SITE_DAY
from flows import folding
from flows.alerts.outbox import Outgoing, enqueue
from flows.backup import back_up
from flows.database_file import WarehouseError
from flows.folding import fold_landing
from flows.intake import take_in
from flows.landing import landing_files
from flows.project import Project, open_project
from flows.readings import store_evaluations
from flows.rebuild import rebuild
from flows.starter import write_starter
from flows.steps import build_models
from flows.targets.evaluation import Evaluation
from flows.warehouse import LoadResult, Warehouse, record_load
from tests.unit.small_landing import (
    MORNING,
    TABLES,
    everything,
    load,
    read,
    site_day,
    three_mornings,
)

DAY = date(2026, 11, 20)
LATER = MORNING + timedelta(days=400)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """The starter's configuration, with a warehouse that was filled on three mornings."""
    write_starter(tmp_path / "config", DAY)
    with open_project(tmp_path / "config", 0.3) as opened:
        small = replace(opened, sql=two_models(opened.sql, tmp_path / "sql"))
        three_mornings(small.warehouse)
        build_models(small)
        yield small


def two_models(sql: Path, folder: Path) -> Path:
    """Enough models to see that they are built."""
    for name in ("staging/stg_search_console__site_day", "marts/organic_search_day"):
        for kind in ("sql", "yaml"):
            copy = folder / f"{name}.{kind}"
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(sql / f"{name}.{kind}", copy)
    return folder


@pytest.fixture
def warehouse(project: Project) -> Warehouse:
    return project.warehouse


def say_something(warehouse: Warehouse) -> None:
    """A verdict and a message: what no platform can tell again."""
    verdict = Evaluation(
        client="example", target_id="t", segment="", segment_label="", as_of=DAY,
        known_at=MORNING, value=1.0, goal=2.0, status="off_track", reason="",
    )  # fmt: skip
    message = Outgoing("key", "example", "team", "slack", SlackMessage("hello", []), DAY)
    with warehouse.open() as connection:
        store_evaluations(connection, [verdict], "run")
        enqueue(connection, [message], datetime.fromisoformat("2026-11-20T06:00:00+00:00"))
        connection.execute(
            "insert into ops.alert_state (client, route, target_id, segment, status, as_of, "
            "told_at) values ('example', 'team', 't', '', 'off_track', ?, ?)",
            [DAY, MORNING],
        )


SAID = ("ops.evaluations", "ops.outbox", "ops.alert_state")


def break_main_file(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[0:4096] = os.urandom(4096)
    path.write_bytes(whole)


def test_a_rebuilt_warehouse_is_the_same_with_its_history_marts_and_verdicts(
    project: Project, warehouse: Warehouse
) -> None:
    say_something(warehouse)
    before = everything(warehouse)
    assert len(before["history.search_console__site_day"]) == 3
    assert len(before["marts.organic_search_day"]) == 2

    told = rebuild(project)

    assert everything(warehouse) == before
    assert (told.exit_code, told.files, told.loads, told.kept) == (0, 4, 4, None)
    assert not list(warehouse.path.parent.glob(".*"))


def test_a_rebuild_needs_no_old_warehouse(project: Project, warehouse: Warehouse) -> None:
    tables = (*TABLES, "marts.organic_search_day")
    before = everything(warehouse, *tables)
    warehouse.path.unlink()

    told = rebuild(project)

    assert everything(warehouse, *tables) == before
    # what the landing cannot tell is said to be lost
    assert told.exit_code == 1
    assert len(told.lost) == 1 and "verdicts, messages" in told.lost[0]
    accounts = everything(warehouse, "ops.accounts")["ops.accounts"]
    assert [row[:7] for row in accounts] == [
        ("example", "search_console", "sc-domain:shop.example", "The shop", "EUR",
         "Europe/Amsterdam", "enabled")
    ]  # fmt: skip


def test_verdicts_come_from_the_newest_backup_when_the_warehouse_is_damaged(
    project: Project, warehouse: Warehouse
) -> None:
    say_something(warehouse)
    back_up(warehouse)
    before = everything(warehouse, *TABLES, *SAID)
    break_main_file(warehouse.path)

    told = rebuild(project)

    assert everything(warehouse, *TABLES, *SAID) == before
    assert told.exit_code == 1
    assert any("since the backup" in lost for lost in told.lost)
    assert told.kept is not None and told.kept.exists()


def test_verdicts_come_from_a_backup_that_an_older_koers_made(
    project: Project, warehouse: Warehouse
) -> None:
    say_something(warehouse)
    backup = back_up(warehouse).path
    with duckdb.connect(str(backup)) as connection:  # as version 2 had it
        connection.execute(
            "alter table ops.evaluations rename column adjusted_value to settled_value"
        )
        connection.execute("drop table ops.target_versions")
        connection.execute("delete from ops.version")
        connection.execute("insert into ops.version values (2, now()::timestamp)")
    before = everything(warehouse, *SAID)
    break_main_file(warehouse.path)

    told = rebuild(project)

    assert told.carried_from == backup
    assert everything(warehouse, *SAID) == before


def test_what_was_landed_and_never_committed_is_no_part_of_a_rebuild(
    project: Project, warehouse: Warehouse
) -> None:
    read(warehouse, [site_day(1, 99)], 5)
    before = everything(warehouse)

    rebuild(project)

    assert everything(warehouse) == before
    with warehouse.open() as connection:  # it is the next run's
        assert [one.rows for one in take_in(connection, warehouse.landing).loads] == [1]


def test_loads_that_failed_or_were_refused_stay_in_the_ledger(
    project: Project, warehouse: Warehouse
) -> None:
    refused = read(warehouse, [site_day(1, 5), site_day(1, 6)], 5)
    (result,) = load(warehouse, refused)
    assert result.outcome == "refused"
    with warehouse.open() as connection:
        record_load(
            connection,
            LoadResult(refused.slice, "failed", error="no answer"),
            started_at=MORNING,
            finished_at=MORNING,
        )
    before = everything(warehouse)

    assert rebuild(project).exit_code == 0

    assert everything(warehouse) == before


def test_a_torn_landing_file_is_named_and_its_days_are_read_again(
    project: Project, warehouse: Warehouse
) -> None:
    torn = min(landing_files(warehouse.landing))
    torn.write_bytes(torn.read_bytes()[:100])
    before = everything(warehouse)

    told = rebuild(project)

    assert told.exit_code == 1
    assert [str(torn) in skipped for skipped in told.skipped] == [True]
    assert len(told.lost) == 1 and "a run reads the days again" in told.lost[0]
    # the others are in, the ledger no longer knows the lost one, and what was is kept
    after = everything(warehouse)
    assert len(after["ops.loads"]) == len(before["ops.loads"]) - 1
    assert told.kept is not None
    assert everything(replace(warehouse, path=told.kept)) == before


def test_without_a_landing_nothing_is_touched(project: Project, warehouse: Warehouse) -> None:
    before = everything(warehouse)
    for path in list(landing_files(warehouse.landing)):
        path.unlink()

    with pytest.raises(WarehouseError, match="to make a warehouse from"):
        rebuild(project)

    assert everything(warehouse) == before


def test_a_file_of_an_older_koers_may_lack_a_column(project: Project, warehouse: Warehouse) -> None:
    narrow = replace(GSC_SITE_DAY, columns=GSC_SITE_DAY.columns[:-1])
    row = {name: value for name, value in site_day(1, 4).items() if name != "is_provisional"}
    read(warehouse, [row], -1, table=narrow)
    warehouse.path.unlink()

    told = rebuild(project)

    assert not told.skipped
    with warehouse.open() as connection:
        assert connection.execute(
            "select clicks, is_provisional from history.search_console__site_day "
            "order by observed_at limit 1"
        ).fetchall() == [(4, None)]


# --- folding ----------------------------------------------------------------------------------


def files(warehouse: Warehouse) -> list[str]:
    return sorted(path.name for path in warehouse.landing.rglob("*.parquet"))


def test_old_files_become_one_snapshot_and_a_rebuild_gives_the_same(
    project: Project, warehouse: Warehouse
) -> None:
    before = everything(warehouse)

    (folded,) = fold_landing(warehouse, 30, moment=LATER, at_once=2)

    assert files(warehouse) == [folded.snapshot.name]
    assert folded.files == 4
    assert rebuild(project).exit_code == 0
    assert everything(warehouse) == before
    warehouse.path.unlink()
    rebuild(project)
    assert everything(warehouse, *TABLES) == {name: before[name] for name in TABLES}


def test_newer_files_go_on_from_the_snapshot_and_are_folded_in_turn(
    project: Project, warehouse: Warehouse
) -> None:
    fold_landing(warehouse, 30, moment=MORNING + timedelta(days=31, hours=1), at_once=2)
    # the third morning and the empty slice are younger than thirty days
    assert [name.startswith("snapshot_") for name in files(warehouse)] == [False, False, True]
    load(warehouse, read(warehouse, [site_day(1, 8), site_day(3, 1)], 3))
    before = everything(warehouse, *TABLES, "ops.loads")
    rebuild(project)
    assert everything(warehouse, *TABLES, "ops.loads") == before

    (folded,) = fold_landing(warehouse, 30, moment=LATER, at_once=2)

    assert files(warehouse) == [folded.snapshot.name]
    rebuild(project)
    assert everything(warehouse, *TABLES, "ops.loads") == before


def test_a_warehouse_put_back_to_before_a_fold_catches_up(
    project: Project, warehouse: Warehouse
) -> None:
    old = back_up(warehouse).path
    load(warehouse, read(warehouse, [site_day(1, 8)], 3), read(warehouse, [site_day(2, 1)], 4))
    before = everything(warehouse, *TABLES)
    fold_landing(warehouse, 30, moment=LATER, at_once=2)
    warehouse.path.write_bytes(old.read_bytes())

    with warehouse.open() as connection:
        taken = take_in(connection, warehouse.landing)

    assert len(taken.snapshots) == 1
    assert everything(warehouse, *TABLES) == before


def test_few_files_young_files_and_files_that_wait_are_left_alone(warehouse: Warehouse) -> None:
    before = files(warehouse)
    assert fold_landing(warehouse, 30, moment=LATER) == []
    assert fold_landing(warehouse, 30, moment=MORNING, at_once=2) == []
    read(warehouse, [site_day(1, 99)], 1)  # landed, not committed
    assert fold_landing(warehouse, 30, moment=LATER, at_once=2) == []
    assert len(files(warehouse)) == len(before) + 1


def test_a_damaged_file_is_never_folded_away(warehouse: Warehouse) -> None:
    torn = min(landing_files(warehouse.landing))
    torn.write_bytes(torn.read_bytes()[:100])
    before = files(warehouse)

    assert fold_landing(warehouse, 30, moment=LATER, at_once=2) == []

    assert files(warehouse) == before


@pytest.mark.parametrize("removed", [0, 2])
def test_a_kill_while_old_files_are_removed_changes_nothing(
    project: Project, warehouse: Warehouse, removed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(warehouse)

    def killed(paths: list[Path]) -> None:
        if not paths:
            return
        for path in paths[:removed]:
            path.unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(folding, "_remove", killed)
    with pytest.raises(KeyboardInterrupt):
        fold_landing(warehouse, 30, moment=LATER, at_once=2)
    monkeypatch.undo()
    assert len(files(warehouse)) == 4 - removed + 1

    rebuild(project)
    assert everything(warehouse) == before
    fold_landing(warehouse, 30, moment=LATER, at_once=1)
    assert [name.startswith("snapshot_") for name in files(warehouse)] == [True]
    rebuild(project)
    assert everything(warehouse) == before


def test_a_snapshot_that_is_damaged_is_named(project: Project, warehouse: Warehouse) -> None:
    (folded,) = fold_landing(warehouse, 30, moment=LATER, at_once=2)
    folded.snapshot.write_bytes(folded.snapshot.read_bytes()[:-50])
    load(warehouse, read(warehouse, [site_day(1, 8)], 3))

    told = rebuild(project)

    assert told.exit_code == 1
    assert any(str(folded.snapshot) in skipped for skipped in told.skipped)
    assert len(told.lost) == 4
    assert told.kept is not None and told.kept.exists()


REBUILD = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from flows import rebuild as module
from flows.project import open_project

at, config, sql = sys.argv[1:]
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
real = getattr(module, at)
def die_after(*args, **kwargs):
    real(*args, **kwargs)
    die()
setattr(module, at, die_after)
with open_project(Path(config)) as project:
    module.rebuild(replace(project, sql=Path(sql)))
"""


@pytest.mark.parametrize("at", ["take_in", "build", "swap_in"])
def test_a_rebuild_may_be_killed_anywhere(project: Project, warehouse: Warehouse, at: str) -> None:
    say_something(warehouse)
    before = everything(warehouse)

    killed = subprocess.run(
        [sys.executable, "-c", REBUILD, at, str(project.config_dir), str(project.sql)]
    )

    assert killed.returncode == -signal.SIGKILL
    assert everything(warehouse) == before
    assert rebuild(project).exit_code == 0
    assert everything(warehouse) == before
