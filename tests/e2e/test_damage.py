"""Real files really damaged, real disks really full: a clear message, and a way back that works."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.tables import GSC_QUERY_DAY
from flows.cli import main
from flows.landing import landing_files
from flows.project import open_project
from flows.starter import write_starter
from flows.warehouse import Warehouse, write_ahead_log
from tests.unit.small_landing import (
    MORNING,
    TABLES,
    everything,
    load,
    read,
    site_day,
    three_mornings,
)

pytestmark = pytest.mark.e2e


@pytest.fixture
def config(tmp_path: Path) -> Path:
    write_starter(tmp_path / "config", MORNING.date())
    return tmp_path / "config"


@pytest.fixture
def warehouse(config: Path) -> Iterator[Warehouse]:
    with open_project(config, 0.3) as project:
        three_mornings(project.warehouse)
        yield project.warehouse


# commits a slice more and dies before DuckDB puts its log into the file
KILLED_AFTER_COMMIT = """
import os, signal, sys
from pathlib import Path
from flows.intake import take_in
from flows.warehouse import Warehouse

path, landing = map(Path, sys.argv[1:])
with Warehouse(path, landing).open() as connection:
    connection.execute("update ops.accounts set seen_at = now()::timestamp")
    take_in(connection, landing)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_after_commit(warehouse: Warehouse) -> Path:
    """The log of a process that committed the slices that waited and died; gives its path."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER_COMMIT, str(warehouse.path), str(warehouse.landing)]
    )
    assert done.returncode == -signal.SIGKILL
    log = write_ahead_log(warehouse.path)
    assert log.stat().st_size > 100
    return log


def next_run(warehouse: Warehouse) -> None:
    """What every run does first."""
    from flows.intake import take_in

    with warehouse.open() as connection:
        take_in(connection, warehouse.landing)


@pytest.mark.parametrize("lost", [1, 100, 1000])
def test_a_torn_log_loses_nothing_that_is_in_the_landing(warehouse: Warehouse, lost: int) -> None:
    whole = Warehouse(warehouse.path.with_name("whole.duckdb"), warehouse.landing)
    shutil.copy(warehouse.path, whole.path)
    load(whole, *(read(warehouse, [site_day(1, 10 + n)], 3 + n) for n in range(3)))
    wal = killed_after_commit(warehouse)
    wal.write_bytes(wal.read_bytes()[:-lost])

    next_run(warehouse)

    assert everything(warehouse, *TABLES) == everything(whole, *TABLES)


@pytest.mark.parametrize("how", ["a bit", "half of it", "zeroes at the end"])
def test_a_damaged_log_is_set_aside_and_the_landing_brings_back_what_was_in_it(
    warehouse: Warehouse, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    read(warehouse, [site_day(1, 10)], 3)
    wal = killed_after_commit(warehouse)
    damaged = bytearray(wal.read_bytes())
    if how == "a bit":
        damaged[-200] ^= 0x10
    elif how == "half of it":  # DuckDB takes this for a torn one and goes on with what is whole
        for place in range(40, len(damaged), 50):
            damaged[place] ^= 0xFF
    else:
        damaged[-300:] = bytes(300)
    wal.write_bytes(damaged)

    with warehouse.open() as connection:
        assert connection.execute("select count(*) from ops.loads").fetchall() == [(4,)]

    if how != "half of it":
        assert "was damaged and is set aside" in caplog.text
        (aside,) = warehouse.path.parent.glob("*.wal.damaged-*")
        assert aside.read_bytes() == damaged
    next_run(warehouse)
    with warehouse.open() as connection:
        assert connection.execute("select count(*) from ops.loads").fetchall() == [(5,)]
        assert connection.execute(
            "select clicks, loaded_at from raw.search_console__site_day where date_day = "
            "'2026-11-01'"
        ).fetchall() == [(10, MORNING + timedelta(days=3))]


@pytest.mark.parametrize("how", ["header", "emptied to text", "cut"])
def test_a_damaged_database_names_both_ways_back_and_each_works(
    warehouse: Warehouse, config: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backup", "--config", str(config)]) == 0
    (backup,) = (warehouse.path.parent / "backups").iterdir()
    before = everything(warehouse, *TABLES)
    whole = warehouse.path.read_bytes()
    broken = {
        "header": os.urandom(12_288) + whole[12_288:],
        "emptied to text": b"not a database at all, but long enough to be one" * 400,
        "cut": whole[:5000],
    }[how]
    warehouse.path.write_bytes(broken)
    capsys.readouterr()

    assert main(["status", "--config", str(config)]) == 5
    told = capsys.readouterr().err
    assert str(warehouse.path) in told
    assert "koers restore FILE" in told and "koers rebuild" in told
    assert "Traceback" not in told
    assert warehouse.path.read_bytes() == broken

    assert main(["restore", str(backup), "--config", str(config)]) == 0
    assert everything(warehouse, *TABLES) == before

    warehouse.path.write_bytes(broken)
    # the verdicts since the backup are not in the landing: said, and exit 1
    assert main(["rebuild", "--config", str(config)]) == 1
    assert "since the backup" in capsys.readouterr().out
    assert everything(warehouse, *TABLES) == before
    kept = sorted(warehouse.path.parent.glob("koers.duckdb.replaced-*"))
    assert [path.read_bytes() for path in kept] == [broken, broken]


def test_a_damaged_block_in_a_database_that_opens_is_said_and_made_anew(
    warehouse: Warehouse, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [site_day(1, n) | {"query": f"query {n}", "clicks": n * n} for n in range(3000)]
    load(warehouse, read(warehouse, rows, 0, table=GSC_QUERY_DAY))
    assert main(["build", "--config", str(config)]) == 0
    before = everything(warehouse)
    whole = bytearray(warehouse.path.read_bytes())
    place = whole.rindex(b"query 1999")  # DuckDB keeps a checksum of each of its blocks
    whole[place] ^= 0x01
    warehouse.path.write_bytes(whole)
    capsys.readouterr()

    assert main(["build", "--config", str(config)]) == 5
    told = capsys.readouterr().err
    assert "is damaged" in told and "koers rebuild" in told and "Traceback" not in told

    assert main(["rebuild", "--config", str(config)]) == 0
    assert everything(warehouse) == before


def test_a_damaged_database_keeps_its_log(warehouse: Warehouse, config: Path) -> None:
    read(warehouse, [site_day(1, 10)], 3)
    wal = killed_after_commit(warehouse)
    log = wal.read_bytes()
    warehouse.path.write_bytes(os.urandom(20_000))

    assert main(["status", "--config", str(config)]) == 5

    assert wal.read_bytes() == log
    assert not list(warehouse.path.parent.glob("*damaged*"))
    main(["rebuild", "--config", str(config)])
    (kept,) = warehouse.path.parent.glob("*.replaced-*.wal")
    assert kept.read_bytes() == log
    with warehouse.open() as connection:
        assert connection.execute("select count(*) from ops.loads").fetchall() == [(5,)]


# --- a disk that is full -----------------------------------------------------------------------

# RLIMIT_FSIZE makes a write beyond it fail, as a full disk does
LIMITED = """
import resource, signal, sys
from flows.cli import main

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.exit(main(sys.argv[2:]))
"""


def limited(limit: int, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), *command], capture_output=True, text=True
    )


@pytest.mark.parametrize("command", [["build"], ["rebuild"], ["backup"]])
def test_a_write_that_does_not_fit_is_said_and_changes_nothing(
    warehouse: Warehouse, config: Path, command: list[str]
) -> None:
    assert main(["build", "--config", str(config)]) == 0
    before = everything(warehouse)

    done = limited(100_000, *command, "--config", str(config))

    assert done.returncode == 5, done.stderr
    assert re.search("the disk is full", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert everything(warehouse) == before
    assert not list((warehouse.path.parent).glob("backups/*"))
    assert not list(warehouse.path.parent.glob(".koers*"))


LANDING = """
import resource, signal, sys
from pathlib import Path
from connectors.base import SourceError
from flows.warehouse import Warehouse
from tests.unit.small_landing import read, site_day

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    read(Warehouse(Path(sys.argv[1]), Path(sys.argv[2])), [site_day(1, 5)], 0)
except SourceError as error:
    print(error)
"""


def test_a_landing_that_does_not_fit_is_said_and_leaves_nothing(warehouse: Warehouse) -> None:
    before = sorted(warehouse.landing.rglob("*"))

    done = subprocess.run(
        [sys.executable, "-c", LANDING, str(warehouse.path), str(warehouse.landing)],
        capture_output=True,
        text=True,
    )

    assert "the disk is full" in done.stdout, done.stderr
    assert "what was loaded before is intact" in done.stdout
    assert sorted(warehouse.landing.rglob("*")) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB of its own, where the machine allows one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_commit_that_may_not_fit_is_not_started(small_disk: Path) -> None:
    from flows.database_file import DiskFullError
    from flows.intake import require_space_for

    warehouse = Warehouse(small_disk / "koers.duckdb", small_disk / "landing")
    load(warehouse, read(warehouse, [site_day(1, 5)], 0))
    before = everything(warehouse)
    waiting = read(warehouse, [site_day(1, 6)], 1)
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 2_000_000))

    with pytest.raises(DiskFullError, match=r"too little room on the disk .* nothing was changed"):
        require_space_for([waiting], small_disk)

    filler.unlink()
    assert everything(warehouse) == before
    next_run(warehouse)
    with warehouse.open() as connection:
        assert connection.execute("select clicks from raw.search_console__site_day").fetchall() == [
            (6,)
        ]


def test_a_disk_that_fills_up_all_the_same_loses_nothing(small_disk: Path) -> None:
    from flows.database_file import DiskFullError

    warehouse = Warehouse(small_disk / "koers.duckdb", small_disk / "landing")
    load(warehouse, read(warehouse, [site_day(1, 5)], 0))
    before = everything(warehouse, *TABLES)
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 600_000))

    with pytest.raises(DiskFullError, match="the disk is full"), warehouse.open() as connection:
        connection.execute("create table main.big as select random() as r from range(5000000)")

    filler.unlink()
    assert everything(warehouse, *TABLES) == before
    load(warehouse, read(warehouse, [site_day(1, 6)], 1))
    assert len(everything(warehouse, *TABLES)[TABLES[1]]) == 1


# --- a disk that fails -------------------------------------------------------------------------

# a filter of the kernel's own lets every fsync of this process fail, DuckDB's too, from here on
FAILING = """
import ctypes, errno, os, platform, struct, sys

FSYNC, FDATASYNC = {"x86_64": (74, 75)}.get(platform.machine(), (82, 83))
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000 | errno.EIO


def fail():
    told = [
        (LOAD, 0, 0, 0), (JUMP_IF_EQUAL, 2, 0, FSYNC), (JUMP_IF_EQUAL, 1, 0, FDATASYNC),
        (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, FAIL),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in told))
    program = ctypes.create_string_buffer(struct.pack("HP", len(told), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    for asked in ((38, 1, 0, 0, 0), (22, 2, ctypes.byref(program), 0, 0)):
        if libc.prctl(*asked):
            raise OSError(ctypes.get_errno(), "no filter can be set here")
    try:
        os.fsync(0)
    except OSError as error:
        assert error.errno == errno.EIO, error
"""


def failing(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", FAILING + program, *arguments], capture_output=True, text=True
    )


COMMAND = """
from flows.cli import main

fail()
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", [["build"], ["rebuild"], ["backup"]])
def test_an_error_of_fsync_is_said_and_changes_nothing(
    warehouse: Warehouse, config: Path, command: list[str]
) -> None:
    assert main(["build", "--config", str(config)]) == 0
    before = everything(warehouse)

    done = failing(COMMAND, *command, "--config", str(config))

    assert done.returncode == 5, done.stderr
    assert re.search("the disk fails: .* look at the disk and run again", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert everything(warehouse) == before
    assert not list((warehouse.path.parent).glob("backups/*"))
    assert not list(warehouse.path.parent.glob(".koers*"))
    assert main([*command, "--config", str(config)]) == 0


def test_an_error_of_fsync_when_a_log_is_read_is_no_damage_of_the_log(
    warehouse: Warehouse, config: Path
) -> None:
    read(warehouse, [site_day(1, 8)], 3)
    log = killed_after_commit(warehouse)
    held = log.read_bytes()

    done = failing(COMMAND, "build", "--config", str(config))

    assert done.returncode == 5, done.stderr
    assert "the disk fails" in done.stderr
    assert log.read_bytes() == held
    with warehouse.open() as connection:
        assert (8,) in connection.execute(
            "select clicks from raw.search_console__site_day"
        ).fetchall()


FAILING_LANDING = """
from pathlib import Path
from connectors.base import SourceError
from flows.warehouse import Warehouse
from tests.unit.small_landing import read, site_day

fail()
try:
    read(Warehouse(Path(sys.argv[1]), Path(sys.argv[2])), [site_day(1, 5)], 0)
except SourceError as error:
    print(error.scope, error)
"""


def test_a_landing_that_cannot_be_synced_is_said_and_leaves_nothing(warehouse: Warehouse) -> None:
    before = sorted(warehouse.landing.rglob("*"))

    done = failing(FAILING_LANDING, str(warehouse.path), str(warehouse.landing))

    assert done.stdout.startswith("source "), done.stderr
    assert "the disk fails" in done.stdout
    assert "what was loaded before is intact" in done.stdout
    assert sorted(warehouse.landing.rglob("*")) == before


# --- landing files -----------------------------------------------------------------------------


def test_an_unreadable_landing_file_is_named_by_a_rebuild_that_exits_1(
    warehouse: Warehouse, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torn = max(landing_files(warehouse.landing))
    torn.write_bytes(torn.read_bytes()[:-20])

    assert main(["rebuild", "--config", str(config)]) == 1

    told = capsys.readouterr().out
    assert f"skipped: {torn} cannot be read" in told
    assert torn.with_name(f"{torn.name}.damaged").exists()
    # it is said once: the next one has nothing to complain of
    assert main(["rebuild", "--config", str(config)]) == 0


# --- a power cut -------------------------------------------------------------------------------


def test_what_gets_its_name_has_been_synced_and_then_its_folder_is(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, str]] = []
    fsync, rename, renamed = os.fsync, Path.rename, Path.replace

    def synced(descriptor: int) -> None:
        done.append(("sync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        fsync(descriptor)

    def named(put: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
        def putting(self: Path, target: Path) -> Path:
            done.append(("sync first", str(self)))
            done.append(("named", str(target)))
            return put(self, target)

        return putting

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", named(rename))
    monkeypatch.setattr(Path, "replace", named(renamed))

    landed = read(warehouse, [site_day(1, 8)], 3)
    warehouse.publish()

    names = [Path(path) for what, path in done if what == "named"]
    assert names == [names[0], landed.path, warehouse.published]
    for place, (what, path) in enumerate(done):
        if what == "sync first" and path.endswith(".partial"):
            assert ("sync", path) in done[:place], f"{path} was named before it was synced"
    # a landing file's own name outlives the cut, too, before the warehouse hears of it
    assert ("sync", str(landed.path.parent)) in done[done.index(("named", str(landed.path))) :]


@pytest.mark.parametrize("lost", ["the slice's file", "the log's end", "both"])
def test_what_a_power_cut_takes_is_read_again(
    warehouse: Warehouse, config: Path, lost: str
) -> None:
    """As on a disk that kept the names and lost what was written last."""
    waiting = read(warehouse, [site_day(1, 8)], 3)
    log = killed_after_commit(warehouse)
    if lost != "the log's end":
        waiting.path.write_bytes(b"")
    if lost != "the slice's file":
        whole = log.read_bytes()
        log.write_bytes(whole[:-200] + bytes(200))

    assert main(["build", "--config", str(config)]) == 0
    next_run(warehouse)

    with warehouse.open() as connection:
        clicks = connection.execute(
            "select clicks from raw.search_console__site_day where date_day = date '2026-11-01'"
        ).fetchall()
        known = connection.execute(
            "select count(*) from ops.loads where load_id = ?", [waiting.load_id]
        ).fetchall()
    if lost == "both":  # nothing knows of it any more: its days are not done and are read again
        assert (clicks, known) == ([(6,)], [(0,)])
        assert [path.name for path in waiting.path.parent.glob("*.damaged")] == [
            f"{waiting.path.name}.damaged"
        ]
    else:  # either of the two brings it back
        assert (clicks, known) == ([(8,)], [(1,)])
