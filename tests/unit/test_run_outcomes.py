"""How a run ends when part of it cannot be done, or nothing of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.base import Account, Reply, SlackMessage, SourceError, TransientError
from flows import checkup, delivery
from flows.alerts.outbox import Outgoing
from flows.cli import main
from flows.delivery import Delivery
from flows.loading import Loading, as_source_error
from flows.pipeline import DirectEngine, RunReport
from flows.plan import Found
from flows.project import Project, open_project
from flows.settings import ConfigError
from flows.starter import write_starter
from flows.summary import target_rows
from flows.targets.evaluation import Evaluation

DAY = date(2026, 11, 20)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The starter's configuration, none of whose secrets is there."""
    write_starter(tmp_path / "config", DAY)
    for name in ("GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET", "GOOGLE_REFRESH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "config"


@pytest.fixture
def project(config: Path) -> Iterator[Project]:
    with open_project(config) as opened:
        yield opened


@pytest.mark.parametrize(
    "command",
    [
        ["run", "--direct", "--as-of", "2026-11-20"],
        ["backfill", "--direct", "--from", "2026-11-01", "--to", "2026-11-02"],
        ["check"],
    ],
)
def test_secrets_that_are_not_there_are_a_wrong_configuration(
    command: list[str], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--config", str(config)]) == 2
    told = capsys.readouterr()
    lines = (config / "koers.yaml").read_text().splitlines()
    line = next(i for i, text in enumerate(lines, 1) if "env:GOOGLE_REFRESH_TOKEN" in text)
    assert told.out == ""
    assert f"{config / 'koers.yaml'}:{line}: env:GOOGLE_REFRESH_TOKEN: " in told.err
    assert "Traceback" not in told.err
    assert told.err.count("GOOGLE_REFRESH_TOKEN is not set") == 1


def test_a_run_that_cannot_ask_anybody_judges_nothing_and_queues_nothing(config: Path) -> None:
    assert main(["run", "--direct", "--as-of", "2026-11-20", "--config", str(config)]) == 2
    warehouse = config.parent / "data" / "koers.duckdb"
    if warehouse.exists():
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            assert connection.execute("select * from ops.evaluations").fetchall() == []
            assert connection.execute("select * from ops.outbox").fetchall() == []


def test_one_missing_secret_stops_its_source_alone() -> None:
    error = as_source_error(ConfigError("koers.yaml:3: env:TOKEN: is not set; set it"))
    assert str(error) == "koers.yaml:3: env:TOKEN: is not set; set it"


@pytest.mark.parametrize(("state", "code"), [("sent", 0), ("pending", 1), ("failed", 1)])
def test_a_message_that_did_not_leave_makes_a_run_end_in_part(state: str, code: int) -> None:
    report = RunReport(DAY, deliveries=(Delivery("shop", "growth", "slack", state),))
    assert report.exit_code == code


def test_a_message_of_a_client_that_has_left_fails_by_itself(project: Project) -> None:
    message = Outgoing("k", "gone", "growth", "slack", SlackMessage("hi", []), DAY)
    sent = delivery._send(project, message, delivery._route_of(project, "gone", "growth"))
    assert sent.state == "failed"
    assert "gone is no longer configured" in sent.error


def test_check_finds_an_account_that_is_listed_and_yet_refuses(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Connector:
        def fetch(self, table: object, account: Account, window: object) -> Reply:
            if account.account_id == "4444444444":
                raise SourceError("User doesn't have permission", scope="account")
            return Reply(iter(()))

        def check(self, table: object, account: Account) -> None: ...

    accounts = (Account("google_ads", "1111111111"), Account("google_ads", "4444444444"))
    monkeypatch.setattr(
        checkup.steps, "find_accounts", lambda _, slug, source: Found(slug, source, accounts)
    )
    monkeypatch.setattr(Project, "connector", lambda *_: Connector())
    rows = checkup.check_connections(project, ["example"])
    assert {(row.account, row.outcome) for row in rows} == {
        ("1111111111", "fine"),
        ("4444444444", "failed"),
    }


def test_an_account_that_is_not_enabled_is_in_the_ledger_and_no_failure(project: Project) -> None:
    class Engine:
        def call(self, step: Any, *args: Any) -> Any:
            return step(project, *args)

        def map(self, step: Any, items: Any) -> list[Any]:
            raise AssertionError("nobody is asked")

    closed = Account("google_ads", "5555555555", status="not_enabled")
    with project.warehouse.open():  # as a run does before it loads
        pass
    loading = Loading(Engine())
    loading.refuse([Found("example", "google_ads", (closed,))], DAY)
    assert (loading.loads, loading.errors) == ([], [])
    with project.warehouse.open() as connection:
        told = connection.execute(
            "select account_id, outcome, error, window_end from ops.loads"
        ).fetchall()
    assert told == [("5555555555", "skipped", "the account is not enabled", date(2026, 11, 19))]


def test_another_try_says_of_what_and_why(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[Any] = [TransientError("the line is busy", retry_after_seconds=0.0), "there"]

    def step(_: Project, client: str, source: str) -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    with caplog.at_level(logging.WARNING, logger="koers"):
        assert DirectEngine(project).map(step, [("shop", "ga4")]) == ["there"]
    assert caplog.messages == ["shop ga4: the line is busy; again in 0 s"]


def test_odds_are_told_in_tens() -> None:
    def told(probability: float | None) -> str | None:
        one = Evaluation(
            client="c",
            target_id="t",
            segment="",
            segment_label="",
            as_of=date(2026, 11, 20),
            known_at=datetime(2026, 11, 20, 6, tzinfo=UTC),
            status="on_track",
            reason="on_level",
            goal=4.0,
            probability=probability,
        )
        headings, (row,) = target_rows([one])
        found: str | None = dict(zip(headings, row, strict=True))["odds"]
        return found

    assert [told(p) for p in (None, 0.04, 0.12, 0.68, 0.97)] == [
        None, "<10%", "~10%", "~70%", ">90%",
    ]  # fmt: skip
