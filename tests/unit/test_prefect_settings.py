"""Where Prefect keeps its own things when the usual place cannot be used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flows import prefect_settings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """An environment of the test's own, with a home that can be written."""
    mine = {"HOME": str(tmp_path)}
    monkeypatch.setattr(os, "environ", mine)
    return mine


def test_prefect_keeps_its_things_where_it_does_by_itself(environment: dict[str, str]) -> None:
    prefect_settings.apply()
    assert "PREFECT_HOME" not in environment


def test_a_home_that_is_not_there_is_made(environment: dict[str, str], tmp_path: Path) -> None:
    environment["HOME"] = str(tmp_path / "not" / "there")
    prefect_settings.apply()
    assert "PREFECT_HOME" not in environment
    assert (tmp_path / "not" / "there" / ".prefect").is_dir()


def test_a_home_that_cannot_be_written_stops_no_run(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    environment["HOME"] = str(tmp_path / "file")
    prefect_settings.apply()
    chosen = Path(environment["PREFECT_HOME"])
    assert list(chosen.iterdir()) == []
    prefect_settings.apply()
    assert Path(environment["PREFECT_HOME"]) == chosen
    chosen.rmdir()
