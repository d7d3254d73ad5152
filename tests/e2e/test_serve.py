"""`koers serve` as people run it: its schedule, a backfill by the API, and what Prefect keeps."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from tests.e2e.morning import (
    DEMO_DAY,
    KOERS,
    LONGEST_SECONDS,
    Project,
    SandboxProcess,
    copy_of,
    replace_once,
)

pytestmark = pytest.mark.e2e

SECRETS = ("sandbox-client-secret", "1//sandbox-refresh-token", "T0SANDBOX")
CLIENT = "fietsgoed"


@dataclass(frozen=True)
class Serving:
    """A `koers serve` with a server of its own."""

    process: subprocess.Popen[bytes]
    api: str
    home: Path

    def ask(self, path: str, **said: Any) -> Any:
        answer = _patient().post(f"{self.api}{path}", json=said, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def backfill(self, **parameters: Any) -> dict[str, Any]:
        """Start a backfill as the Prefect UI does and wait for its end."""
        deployment = self._get("/deployments/name/backfill/backfill")
        asked = {"as_of": str(DEMO_DAY), "clients": [CLIENT], "force": True, **parameters}
        run = self.ask(f"/deployments/{deployment['id']}/create_flow_run", parameters=asked)
        deadline = time.monotonic() + LONGEST_SECONDS
        while time.monotonic() < deadline:
            run = self._get(f"/flow_runs/{run['id']}")
            if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
                return dict(run)
            time.sleep(0.5)
        raise AssertionError(f"{run['name']} is still {run['state_name']}")

    def _get(self, path: str) -> Any:
        answer = _patient().get(f"{self.api}{path}", timeout=60)
        answer.raise_for_status()
        return answer.json()


def _patient() -> requests.Session:
    """Asks again while the server's database is busy, as Prefect's own client does."""
    session = requests.Session()
    again = Retry(total=8, backoff_factor=0.2, status_forcelist=[503], allowed_methods=None)
    session.mount("http://", HTTPAdapter(max_retries=again))
    return session


@pytest.fixture(scope="module")
def served(loaded: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = copy_of(loaded, tmp_path_factory.mktemp("served") / "koers")
    replace_once(project.config / "koers.yaml", '"0 6 * * *"', '"* * * * *"')
    return project


@pytest.fixture(scope="module")
def serving(
    served: Project, vendors_process: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    home = tmp_path_factory.mktemp("prefect")
    log = home / "serve.log"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    with log.open("wb") as told:
        process = subprocess.Popen(
            [*KOERS, "serve", "--config", str(served.config)],
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
            env=environment | {"PREFECT_HOME": str(home)},
        )
    try:
        yield Serving(process, f"{_address(process, log)}/api", home)
    finally:
        process.terminate()  # so that it ends its runs too
        process.wait(LONGEST_SECONDS)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"Prefect is at (http://127\.0\.0\.1:\d+)", log.read_text()):
            _wait_for_deployments(found[1])
            return found[1]
        time.sleep(0.2)
    raise AssertionError(f"koers serve did not start:\n{log.read_text()}")


def _wait_for_deployments(address: str) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        if requests.get(f"{address}/api/deployments/name/backfill/backfill", timeout=60).ok:
            return
        time.sleep(0.2)
    raise AssertionError("the backfill deployment never came")


@pytest.fixture(scope="module")
def two_backfills(
    serving: Serving, vendors_process: SandboxProcess
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two at the same time: one meets an account that refuses, the other does not.

    Neither waits longer than a second for a warehouse that is in use, while
    building the models alone takes longer: without turns one of them fails.
    """
    vendors_process.plan(
        {"kind": "permission", "source": "google_ads", "account_id": "2222222222", "times": 0},
    )
    days = {"from_day": "2026-11-02", "to_day": "2026-11-05", "lock_wait_seconds": 1.0}
    with ThreadPoolExecutor() as pool:
        first = pool.submit(serving.backfill, **days, sources=["ga4", "google_ads"], evaluate=True)
        second = pool.submit(serving.backfill, **days, sources=["search_console"])
        ended = first.result(), second.result()
    vendors_process.calm()
    return ended


def test_two_runs_at_once_take_turns_at_the_warehouse(
    two_backfills: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    mixed, clean = two_backfills
    assert clean["state_name"] == "Completed", clean["state"]["message"]
    assert mixed["state_name"] == "FailedInPart", mixed["state"]["message"]
    assert "USER_PERMISSION_DENIED" in mixed["state"]["message"]
    assert clean["name"] == "backfill 2026-11-02 to 2026-11-05"
    started = [run["start_time"] for run in two_backfills]
    ended = [run["end_time"] for run in two_backfills]
    assert max(started) < min(ended), "they did not run at the same time"


def test_a_run_leaves_its_targets_its_loads_and_a_word_on_itself(
    serving: Serving, two_backfills: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    found = serving.ask("/artifacts/filter", flow_runs={"id": {"any_": [two_backfills[0]["id"]]}})
    kept = {artifact["key"]: artifact["data"] for artifact in found}
    assert set(kept) == {"targets", "loads", "run"}
    assert "google-ads-ctr" in kept["targets"]
    assert "channel_day" in kept["loads"]
    assert kept["run"].startswith("**completed in part**")


def test_prefect_keeps_no_secret_and_refuses_an_unknown_source(
    serving: Serving, two_backfills: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    kept = b"".join(path.read_bytes() for path in serving.home.glob("prefect.db*"))
    assert b"backfill 2026-11-02 to 2026-11-05" in kept
    assert [secret for secret in SECRETS if secret.encode() in kept] == []
    with pytest.raises(requests.HTTPError, match="409"):
        serving.backfill(from_day="2026-11-02", to_day="2026-11-05", sources=["facebook"])


def test_a_scheduled_run_fires_and_serve_takes_its_server_along(serving: Serving) -> None:
    (schedule,) = serving._get("/deployments/name/daily/daily")["schedules"]
    assert schedule["schedule"]["timezone"] == "Europe/Amsterdam"
    deadline = time.monotonic() + LONGEST_SECONDS
    fired: list[Any] = []
    while not fired and time.monotonic() < deadline:
        runs = serving.ask(
            "/flow_runs/filter", deployments={"name": {"any_": ["daily"]}}, sort="START_TIME_ASC"
        )
        fired = [run for run in runs if run["auto_scheduled"] and run["start_time"]]
        time.sleep(0.5)
    assert fired, "no scheduled run started"
    serving.process.send_signal(signal.SIGTERM)
    assert serving.process.wait(timeout=LONGEST_SECONDS) is not None
    with pytest.raises(requests.ConnectionError):
        requests.get(serving.api, timeout=5)
