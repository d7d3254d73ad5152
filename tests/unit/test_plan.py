"""Which slices a run reads, from the accounts, the ledger and the configuration."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connectors.base import Account, DateWindow, Slice
from connectors.tables import (
    ADS_CAMPAIGN_DAY,
    ADS_CHANGE_EVENT,
    ADS_CONVERSION_ACTION,
    ALL,
    GSC_SITE_DAY,
)
from flows.landing import now
from flows.plan import Found, estimates, plan_backfill, plan_run, restatement_days
from flows.project import Project
from flows.settings import Client, ClientSource, Source
from flows.warehouse import LoadResult, Warehouse, record_load

AS_OF = date(2026, 11, 20)
YESTERDAY = AS_OF - timedelta(days=1)
KNOWN, NEW = Account("google_ads", "1"), Account("google_ads", "2")


@pytest.fixture
def project(tmp_path: Path) -> Any:
    """A client whose first day is 1 July, with nothing loaded."""
    client = Client(
        slug="shop",
        name="Shop",
        since=date(2026, 7, 1),
        sources={"google_ads": ClientSource(discover=True), "search_console": ClientSource()},
    )
    made = SimpleNamespace(
        client=lambda slug: client,
        settings=SimpleNamespace(sources={}),
        tables=ALL,
        warehouse=Warehouse(tmp_path / "koers.duckdb", tmp_path / "landing"),
    )
    made.tables_of = partial(Project.tables_of, made)
    return made


def read_whole(project: Any, account: Account, as_of: date = AS_OF) -> None:
    """Write into the ledger that every day of an account is in."""
    window = DateWindow(date(2026, 7, 1), YESTERDAY)
    piece = Slice("shop", ADS_CAMPAIGN_DAY, account, window, as_of)
    with project.warehouse.open() as connection:
        record_load(connection, LoadResult(piece, "loaded"), started_at=now(), finished_at=now())


def days_of(slices: list[Slice], account: Account) -> list[date]:
    return sorted(
        day
        for piece in slices
        if piece.table == ADS_CAMPAIGN_DAY and piece.account == account
        for day in piece.window.days
    )


def test_an_account_that_is_new_under_a_manager_gets_all_its_days(project: Any) -> None:
    read_whole(project, KNOWN)

    slices = plan_run(project, [Found("shop", "google_ads", (KNOWN, NEW))], AS_OF)

    assert days_of(slices, KNOWN)[0] == AS_OF - timedelta(days=30)
    assert days_of(slices, NEW)[0] == date(2026, 7, 1)
    assert days_of(slices, NEW)[-1] == YESTERDAY


def test_an_account_that_is_not_enabled_is_not_asked(project: Any) -> None:
    closed = Account("google_ads", "3", status="not_enabled")

    assert plan_run(project, [Found("shop", "google_ads", (closed,))], AS_OF) == []


@pytest.mark.parametrize(
    ("longest_window", "configured", "days"),
    [
        (None, None, 30),  # nothing is known of the account yet
        (60, None, 60),
        (1, None, 7),  # invalid clicks are taken out for some days all the same
        (60, 45, 45),  # what is configured is the bound
        (30, 45, 30),
    ],
)
def test_a_run_goes_back_as_far_as_the_accounts_own_conversion_windows(
    project: Any, longest_window: int | None, configured: int | None, days: int
) -> None:
    project.settings.sources["google_ads"] = Source(restatement_days=configured)

    assert restatement_days(project, "google_ads", longest_window) == days


def test_the_windows_come_from_the_accounts_own_conversion_actions(project: Any) -> None:
    read_whole(project, KNOWN)
    with project.warehouse.open() as connection:
        connection.execute(
            f"insert into raw.{ADS_CONVERSION_ACTION.name} "
            "(client, account_id, conversion_action_id, status, click_through_window_days) "
            "values ('shop', '1', 'a', 'ENABLED', 14), ('shop', '1', 'b', 'REMOVED', 90)"
        )

    slices = plan_run(project, [Found("shop", "google_ads", (KNOWN,))], AS_OF)

    assert days_of(slices, KNOWN)[0] == AS_OF - timedelta(days=14)


def test_days_that_search_console_no_longer_has_are_not_asked_for(
    project: Any, caplog: pytest.LogCaptureFixture
) -> None:
    site = Found("shop", "search_console", (Account("search_console", "sc-domain:shop.nl"),))
    window = DateWindow(date(2025, 1, 1), date(2025, 12, 31))

    slices = plan_backfill(project, [site], AS_OF, window)

    oldest = min(piece.window.start for piece in slices if piece.table == GSC_SITE_DAY)
    assert oldest == AS_OF - timedelta(days=GSC_SITE_DAY.retention_days or 0)
    assert "older than the API keeps" in caplog.text


def test_a_run_asks_for_changes_as_far_back_as_google_tells_and_says_nothing_of_the_rest(
    project: Any, caplog: pytest.LogCaptureFixture
) -> None:
    project.client("shop").sources["google_ads"] = ClientSource(tables=("change_event",))

    slices = plan_run(project, [Found("shop", "google_ads", (NEW,))], AS_OF)

    (changes,) = (piece for piece in slices if piece.table == ADS_CHANGE_EVENT)
    assert changes.window == DateWindow(AS_OF - timedelta(days=29), YESTERDAY)
    assert "older than the API keeps" not in caplog.text


def test_an_estimate_counts_a_request_for_each_slice_and_two_a_day_for_search_rows(
    project: Any,
) -> None:
    found = [
        Found("shop", "google_ads", (NEW,)),
        Found("shop", "search_console", (Account("search_console", "sc-domain:shop.nl"),)),
    ]
    window = DateWindow(date(2026, 10, 1), date(2026, 10, 10))

    ads, search = estimates(plan_backfill(project, found, AS_OF, window))

    # four daily tables and two that describe the present; site totals are one request
    assert (ads.source, ads.requests) == ("google_ads", 6)
    assert (search.source, search.requests) == ("search_console", 1 + 2 * 10 + 2 * 10)


def test_a_table_on_request_is_read_for_a_client_that_lists_it_alone(project: Any) -> None:
    found = [Found("shop", "google_ads", (NEW,))]
    before = {piece.table.grain for piece in plan_run(project, found, AS_OF)}
    asks = (
        project.client("shop")
        .sources["google_ads"]
        .model_copy(update={"tables": ("default", "hour_day")})
    )
    client = project.client("shop")
    project.client = lambda _: client.model_copy(update={"sources": {"google_ads": asks}})

    assert {p.table.grain for p in plan_run(project, found, AS_OF)} - before == {"hour_day"}
    window = DateWindow(AS_OF - timedelta(days=40), YESTERDAY)
    backfilled = plan_backfill(project, found, AS_OF, window)
    assert {p.table.grain for p in backfilled} - before == {"hour_day"}


def test_the_default_daily_run_makes_as_many_requests_as_ever(project: Any) -> None:
    slices = plan_run(project, [Found("shop", "google_ads", (NEW,))], AS_OF)
    # 142 days since 1 July: one request for what describes the present (two tables) and what
    # takes a year (two), two for what takes a quarter (two)
    assert len(slices) == 2 + 2 + 2 * 2
