"""One writer at a time: who has to wait says for whom, and nobody waits for the network."""

from __future__ import annotations

import os
import time
from pathlib import Path

import duckdb
import pytest

from flows import prefect_server
from flows.warehouse import Warehouse
from tests.e2e.morning import DEMO_DAY, LONGEST_SECONDS, Project, SandboxProcess, ended

pytestmark = pytest.mark.e2e

AS_OF = ("--as-of", str(DEMO_DAY), "--direct")


def test_a_database_that_another_program_has_open_exits_4_before_anybody_is_asked(
    project: Project, vendors: SandboxProcess
) -> None:
    asked = vendors.count()

    with duckdb.connect(str(project.warehouse)):
        ran = project.koers("run", *AS_OF, "--client", "tulp-en-thee", "--lock-wait", "0")

    assert ran.code == 4
    assert f"process {os.getpid()}" in ran.err
    assert "koers.duckdb is in use" in ran.err
    assert ran.out == ""
    assert vendors.count() == asked


def test_a_warehouse_that_koers_itself_is_writing_exits_4_with_its_process_id(
    project: Project,
) -> None:
    with Warehouse(project.warehouse, project.directory / "landing").open():
        ran = project.koers("build", KOERS_LOCK_WAIT="0")
        reader = project.here("targets", "--lock-wait", "0")

    assert ran.code == 4
    assert f"in use by Koers, process {os.getpid()}" in ran.err
    assert reader.code == 0  # who only reads waits for nobody


def test_a_run_that_waits_for_a_vendor_keeps_nobody_from_the_warehouse(
    project: Project, vendors: SandboxProcess
) -> None:
    vendors.plan({"kind": "stall", "source": "search_console", "method": "searchanalytics.query"})
    run = project.start(
        "backfill", *AS_OF, "--client", "tulp-en-thee", "--source", "search_console",
        "--force", "--from", "2026-11-16", "--to", "2026-11-16", "--json",
    )  # fmt: skip
    deadline = time.monotonic() + LONGEST_SECONDS
    while vendors.faults() and run.poll() is None and time.monotonic() < deadline:
        pass  # each look is a request; once the fault is played, the run hangs on its answer

    meanwhile = project.here("evaluate", *AS_OF[:2], "--lock-wait", "0")
    was_waiting = run.poll() is None
    vendors.calm()
    ran = ended(run)

    assert was_waiting
    assert (meanwhile.code, len(meanwhile.told["targets"]) > 8) == (0, True)
    assert ran.code == 0  # the answer that broke off was asked for once more
    assert {load["outcome"] for load in ran.told["loads"]} == {"loaded"}


def test_a_second_serve_on_the_same_prefect_home_exits_4_and_names_the_first(
    empty_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "prefect"
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(home))

    with prefect_server.alone_at_home():
        ran = empty_project.koers("serve")

    assert ran.code == 4
    assert f"`koers serve` is running already, process {os.getpid()}" in ran.err
    assert not list(home.glob("prefect.db*"))  # it started no server
    with prefect_server.alone_at_home():  # what ended keeps nobody out
        pass
