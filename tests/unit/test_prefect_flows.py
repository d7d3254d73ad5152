"""The flows as Prefect sees them: their names, parameters, deployments and final states."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.exceptions import ObjectAlreadyExists
from prefect.utilities.callables import parameter_schema
from prefect.utilities.importtools import import_object

from connectors.base import AccessError, Account, DateWindow, Slice
from connectors.registry import SOURCES
from connectors.tables import tables_of
from flows import prefect_server, prefect_settings
from flows.backfill import backfill
from flows.daily import daily
from flows.pipeline import RunReport
from flows.tasks import (
    WAREHOUSE_LIMIT,
    RunFailedError,
    as_markdown_text,
    final_state,
    limit_writers,
)
from flows.warehouse import LoadResult

DAY = date(2026, 11, 20)
REFUSED = AccessError("Google Ads 4444444444: no permission")


def load(outcome: Any) -> LoadResult:
    account = Account("google_ads", "4444444444")
    return LoadResult(
        Slice("tulp", tables_of("google_ads")[0], account, DateWindow(DAY, DAY)), outcome, rows=3
    )


def deployments() -> dict[str, dict[str, Any]]:
    told = yaml.safe_load((Path(__file__).parents[2] / "prefect.yaml").read_text())
    return {deployment["name"]: deployment for deployment in told["deployments"]}


def test_the_deployments_name_flows_that_exist() -> None:
    assert {name: import_object(d["entrypoint"]) for name, d in deployments().items()} == {
        "daily": daily,
        "backfill": backfill,
    }


def test_the_daily_deployment_runs_at_six_in_amsterdam() -> None:
    (schedule,) = deployments()["daily"]["schedules"]
    assert (schedule["cron"], schedule["timezone"]) == ("0 6 * * *", "Europe/Amsterdam")
    assert "schedules" not in deployments()["backfill"]


@pytest.mark.parametrize("flow", [daily, backfill])
def test_every_parameter_is_explained_in_the_prefect_ui(flow: Any) -> None:
    parameters = parameter_schema(flow.fn).properties
    assert [name for name, told in parameters.items() if not told.get("description")] == []


def test_a_backfill_offers_the_sources_that_exist() -> None:
    told = parameter_schema(backfill.fn).properties["sources"]
    assert told["anyOf"][0]["items"]["enum"] == list(SOURCES)


def test_a_run_in_which_all_went_well_is_completed() -> None:
    report = RunReport(DAY, loads=(load("loaded"),))
    state = final_state(report)
    assert state.is_completed()
    assert state.data is report


def test_a_refused_account_makes_a_run_failed_in_part() -> None:
    state = final_state(RunReport(DAY, loads=(load("loaded"), load("refused")), errors=(REFUSED,)))
    assert (state.name, state.is_failed()) == ("FailedInPart", True)
    assert state.message is not None
    assert state.message.startswith("1 slices with 3 rows loaded, 1 failed; first: Google Ads 444")


def test_a_run_that_loaded_nothing_is_failed_and_raises_its_summary_alone() -> None:
    report = RunReport(DAY, loads=(load("refused"),), errors=(REFUSED,))
    state = final_state(report)
    assert (state.name, state.is_failed()) == ("Failed", True)
    with pytest.raises(RunFailedError) as raised:
        state.result()
    assert str(raised.value) == state.message
    assert raised.value.report is report


def test_a_vendors_words_have_no_effect_in_markdown() -> None:
    hostile = '<script>alert("koers")</script>\n# [klik](https://evil.example)'
    assert as_markdown_text(hostile) == (
        r"\<script\>alert\(\"koers\"\)\<\/script\> \# \[klik\]\(https\:\/\/evil\.example\)"
    )


def test_a_configured_server_is_used_instead_of_one_of_our_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    prefect_server.ensure()
    assert not prefect_server.is_own()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("profiles.toml", '[profiles.work]\nPREFECT_API_URL = "https://prefect.example/api"\n'),
        ("prefect.toml", '[api]\nurl = "https://prefect.example/api"\n'),
        (".env", "PREFECT_API_URL=https://prefect.example/api\n"),
        ("pyproject.toml", '[tool.prefect.api]\nurl = "https://prefect.example/api"\n'),
    ],
)
def test_a_server_in_a_profile_or_project_file_counts_as_configured(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert not prefect_server._configured_elsewhere()
    (tmp_path / name).write_text(text)
    assert prefect_server._configured_elsewhere()


def test_telemetry_is_off_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    environment: dict[str, str] = {"PREFECT_LOGGING_LEVEL": "DEBUG"}
    monkeypatch.setattr("os.environ", environment)
    prefect_settings.apply()
    assert environment["DO_NOT_TRACK"] == "1"
    assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert environment["PREFECT_LOGGING_LEVEL"] == "DEBUG"


def test_of_two_runs_that_begin_at_once_neither_fails_for_the_limit_of_the_other() -> None:
    """Both found none: the second to make it is told that it is there by now."""

    class Raced:
        made: tuple[str, int] | None = None

        def upsert_global_concurrency_limit_by_name(self, name: str, limit: int) -> None:
            self.made = name, limit
            raise ObjectAlreadyExists(http_exc=RuntimeError("409 Conflict"))

    server = Raced()
    limit_writers(server)  # type: ignore[arg-type]
    assert server.made == (WAREHOUSE_LIMIT, 1)
