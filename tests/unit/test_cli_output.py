"""What a command prints reaches any terminal, pipe and locale, and no exit code depends on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli import main, make_parser
from flows.summary import as_table

BROKEN = """name: Fiëtsgoed ✓
timezone: Europe/Amsterdam
currency: EUR
locale: nl
targets:
  - id: één
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose findings have signs that ASCII lacks."""
    folder = tmp_path / "config"
    (folder / "clients").mkdir(parents=True)
    (folder / "koers.yaml").write_text("version: 1\n")
    (folder / "clients" / "shop.yaml").write_text(BROKEN, encoding="utf-8")
    return folder


def koers(*arguments: str, shell: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, its output buffered as in a shell."""
    words = [sys.executable, "-m", "flows.cli", *arguments]
    known = {k: v for k, v in os.environ.items() if k not in ("PYTHONUNBUFFERED", "KOERS_CONFIG")}
    return subprocess.run(
        ["bash", "-c", f'"$@" {shell}', "bash", *words] if shell else words,
        env=known | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_ascii_terminal_gets_a_question_mark_for_what_it_lacks(config: Path) -> None:
    done = koers("validate", "--config", str(config), PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert "shop.yaml:6: " in done.stdout
    assert "Traceback" not in done.stderr


def test_json_is_whole_on_an_ascii_terminal(config: Path) -> None:
    done = koers("validate", "--config", str(config), "--json", PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert "één" in str(json.loads(done.stdout))


def test_a_reader_that_has_gone_changes_no_exit_code(config: Path) -> None:
    gone = koers("validate", "--config", str(config), shell='| true; exit "${PIPESTATUS[0]}"')
    assert (gone.returncode, gone.stderr) == (2, "")
    gone = koers("--help", shell='| true; exit "${PIPESTATUS[0]}"')
    assert (gone.returncode, gone.stderr) == (0, "")


def test_a_closed_stdout_changes_no_exit_code(config: Path) -> None:
    closed = koers("validate", "--config", str(config), shell=">&-")
    assert (closed.returncode, closed.stderr) == (2, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk as Linux plays it")
def test_a_full_disk_is_told_as_unexpected(config: Path) -> None:
    full = koers("validate", "--config", str(config), shell="> /dev/full")
    assert full.returncode == 5
    assert "No space left" in full.stderr
    assert "Traceback" not in full.stderr


@pytest.mark.parametrize("told", ["soon", "-3", "nan", ""])
def test_a_lock_wait_that_is_no_number_is_wrong_usage(
    told: str, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KOERS_LOCK_WAIT", told)
    with pytest.raises(SystemExit) as stopped:
        main(["status", "--config", str(config)])
    assert stopped.value.code == 2
    assert "KOERS_LOCK_WAIT" in capsys.readouterr().err


def test_a_name_with_a_line_break_stays_on_its_row() -> None:
    assert as_table(("a", "b"), [("new\nline", None)]).splitlines() == [
        "a         b",
        "new line  –",
    ]


@pytest.mark.parametrize(
    "command", ["check", "build", "evaluate", "targets", "report", "notify", "status", "run"]
)
def test_every_command_on_a_project_takes_the_common_options(command: str) -> None:
    asked = make_parser().parse_args(
        [command, "--config", "c", "--client", "a", "--client", "b", "--as-of", "2026-11-20",
         "--direct", "--json", "--quiet", "--lock-wait", "1.5"]
    )  # fmt: skip
    assert (asked.client, asked.lock_wait, asked.json) == (["a", "b"], 1.5, True)
