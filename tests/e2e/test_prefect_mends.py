"""What a killed process leaves behind in Prefect, and what Prefect tries again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.morning import DEMO_DAY, Project, SandboxProcess

pytestmark = pytest.mark.e2e


def test_a_killed_run_is_closed_by_the_next_which_tries_again_what_failed_for_a_moment(
    project: Project, vendors: SandboxProcess, tmp_path: Path
) -> None:
    home = tmp_path / "prefect"
    run = ("run", "--as-of", str(DEMO_DAY), "--client", "tulp-en-thee")
    killed = project.koers(*run, PREFECT_HOME=str(home), KOERS_KILL_AT="building")
    assert killed.code == -9

    vendors.plan({"kind": "unavailable", "source": "ga4", "times": 1})
    repeated = project.koers(*run, PREFECT_HOME=str(home))

    assert repeated.code == 0, repeated.err
    with closing(sqlite3.connect(home / "prefect.db")) as books:
        states = books.execute("select state_type from flow_run order by start_time").fetchall()
        again = books.execute(
            "select name, run_count, state_type from task_run where run_count > 1"
        ).fetchall()
    assert states == [("CRASHED",), ("COMPLETED",)]
    assert [(count, state) for _, count, state in again] == [(2, "COMPLETED")]
    assert "ga4" in again[0][0]
