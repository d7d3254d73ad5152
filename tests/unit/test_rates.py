"""Which exchange rates a run loads, and what it does when the ECB cannot be reached."""

from __future__ import annotations

import io
import logging
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Account, DateWindow
from flows import readings
from flows.models import build, load_models, run_checks
from flows.project import Project, open_project
from flows.rates import SHARED, refresh_rates
from flows.steps import evaluate_targets, write_reports
from flows.warehouse import record_accounts
from tests.contract.servers import HttpAnswer, HttpCall, http_server
from tests.unit.config_folder import write

NOWHERE = "http://127.0.0.1:9"  # discard: nobody listens
DAY = date(2026, 11, 20)
KOERS = """\
version: 1
sources:
  google_ads: {{client_id: koers, client_secret: env:SECRET, refresh_token: env:TOKEN}}
  ecb: {{{ecb}}}
"""
SHOP = """\
name: Shop
since: 2026-11-09
sources:
  google_ads: {customer_ids: [111-111-1111, 222-222-2222]}
"""
EUROS = Account("google_ads", "1111111111", currency_code="EUR")
POUNDS = Account("google_ads", "2222222222", currency_code="GBP")


def rates(*days: str) -> bytes:
    """0.8 pounds for a euro on each of these days, in the ECB's own form."""
    text = "Date,GBP,\n" + "".join(f"{day},0.8,\n" for day in reversed(days))
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("eurofxref-hist.csv", text)
    return whole.getvalue()


@contextmanager
def agency(tmp_path: Path, ecb: str, *accounts: Account) -> Iterator[Project]:
    """A project whose one client, in euros, has these accounts."""
    with open_project(write(tmp_path, KOERS.format(ecb=ecb), shop=SHOP)) as project:
        with project.warehouse.open() as connection:
            record_accounts(connection, "shop", accounts)
        yield project


@contextmanager
def served(body: bytes) -> Iterator[tuple[str, list[HttpCall]]]:
    with http_server(lambda _: HttpAnswer(body)) as (url, calls):
        yield f'endpoint: "{url}"', calls


def ask(project: Project, query: str) -> list[tuple[Any, ...]]:
    with project.warehouse.open() as connection:
        return connection.execute(query).fetchall()


STORED = (
    "select client, account_id, date_day, currency_code, rate from raw.ecb__rate_day order by 3"
)
LEDGER = "select window_start, window_end, outcome from ops.loads order by finished_at, 1"


def test_rates_are_stored_once_for_the_agency_from_a_week_before_the_first_day(
    tmp_path: Path,
) -> None:
    told = rates("2026-10-30", "2026-11-02", "2026-11-18", "2026-11-19", "2026-11-20")
    with served(told) as (ecb, calls), agency(tmp_path, ecb, EUROS, POUNDS) as project:
        refresh_rates(project, DAY)
        # 2 November is a week before the client's 9th; the 20th is today
        assert ask(project, STORED) == [
            (SHARED, "eurofxref", date(2026, 11, day), "GBP", 0.8) for day in (2, 18, 19)
        ]
        assert ask(project, LEDGER) == [(date(2026, 11, 2), date(2026, 11, 19), "loaded")]
        assert len(calls) == 1


def test_the_next_day_reads_the_latest_week_again(tmp_path: Path) -> None:
    told = rates("2026-11-18", "2026-11-19")
    with served(told) as (ecb, _), agency(tmp_path, ecb, EUROS, POUNDS) as project:
        refresh_rates(project, DAY)
        refresh_rates(project, date(2026, 11, 21))
        assert ask(project, LEDGER)[1] == (date(2026, 11, 14), date(2026, 11, 20), "loaded")


def test_a_backfill_brings_the_rates_of_its_own_days(tmp_path: Path) -> None:
    told = rates("2026-03-31", "2026-04-01")
    with served(told) as (ecb, _), agency(tmp_path, ecb, EUROS, POUNDS) as project:
        refresh_rates(project, DAY, DateWindow(date(2026, 4, 1), date(2026, 4, 30)))
        assert [row[2] for row in ask(project, STORED)] == [date(2026, 3, 31), date(2026, 4, 1)]


def test_nobody_is_asked_where_every_account_counts_in_its_clients_currency(
    tmp_path: Path,
) -> None:
    with served(rates("2026-11-19")) as (ecb, calls), agency(tmp_path, ecb, EUROS) as project:
        assert refresh_rates(project, DAY) == []
        assert (calls, ask(project, LEDGER)) == ([], [])


def test_the_rates_of_an_agency_in_another_currency_are_asked_for(tmp_path: Path) -> None:
    with served(rates("2026-11-18", "2026-11-19")) as (ecb, calls):
        config = write(tmp_path, KOERS.format(ecb=ecb) + "currency: GBP\n", shop=SHOP)
        with open_project(config) as project:
            with project.warehouse.open() as connection:
                record_accounts(connection, "shop", [EUROS])
            refresh_rates(project, DAY)
            assert [row[2].day for row in ask(project, STORED)] == [18, 19]
    assert len(calls) == 1


def test_without_the_ecb_the_package_is_used_and_it_is_said_how_far_it_goes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "koers")
    shop = SHOP.replace("2026-11-09", "2026-10-20")
    config = write(tmp_path, KOERS.format(ecb=f'endpoint: "{NOWHERE}"'), shop=shop)
    with open_project(config) as project:
        with project.warehouse.open() as connection:
            record_accounts(connection, "shop", [EUROS, POUNDS])

        outcomes = {result.outcome for result in refresh_rates(project, DAY)}

        assert outcomes == {"failed", "loaded"}
        # the ECB's own rate of Friday 30 October, the last day of the package
        pounds = "where currency_code = 'GBP' order by date_day desc limit 1"
        assert ask(project, f"select date_day, rate from raw.ecb__rate_day {pounds}") == [
            (date(2026, 10, 30), 0.8338)
        ]
        assert "exchange rates go up to 2026-10-30" in caplog.text
        assert "stay apart from 2026-11-07 on" in caplog.text
        # what the package does not know is asked again as soon as the ECB is there
        assert (date(2026, 10, 13), date(2026, 10, 30), "loaded") in ask(project, LEDGER)


def test_what_the_ecb_told_before_is_never_replaced_from_the_package(tmp_path: Path) -> None:
    shop = SHOP.replace("2026-11-09", "2026-10-26")
    with served(rates("2026-10-27", "2026-10-28")) as (ecb, _):
        config = write(tmp_path, KOERS.format(ecb=ecb), shop=shop)
        with open_project(config) as project:
            with project.warehouse.open() as connection:
                record_accounts(connection, "shop", [EUROS, POUNDS])
            refresh_rates(project, date(2026, 10, 29))
    config = write(tmp_path, KOERS.format(ecb=f'endpoint: "{NOWHERE}"'), shop=shop)
    with open_project(config) as project:
        refresh_rates(project, date(2026, 10, 30))
        # the 29th alone was lacking: the ECB's own rate of it
        pounds = "select date_day, rate from raw.ecb__rate_day where currency_code = 'GBP'"
        assert ask(project, f"{pounds} order by 1") == [
            (date(2026, 10, 27), 0.8),
            (date(2026, 10, 28), 0.8),
            (date(2026, 10, 29), 0.83578),
        ]


def test_with_refresh_off_nobody_is_asked(tmp_path: Path) -> None:
    since = SHOP.replace("2026-11-09", "2026-10-26")
    with served(rates("2026-10-30")) as (ecb, calls):
        config = write(tmp_path, KOERS.format(ecb=f"refresh: false, {ecb}"), shop=since)
        with open_project(config) as project:
            with project.warehouse.open() as connection:
                record_accounts(connection, "shop", [EUROS, POUNDS])
            assert {result.outcome for result in refresh_rates(project, DAY)} == {"loaded"}
        assert calls == []


# --- what the models and the judgement make of it ---------------------------------------------


def advertise(
    project: Project, *rows: tuple[str, str, date, float, float], client: str = "shop"
) -> None:
    """Cost and value of one campaign of an account on a day, in the account's currency."""
    with project.warehouse.open() as connection:
        readings.write_clients(connection, project.settings.clients)
        for account, currency, day, cost, value in rows:
            connection.execute(
                "insert into raw.google_ads__campaign_day (client, account_id, date_day, "
                "campaign_id, device, network, channel_type, currency_code, cost_micros, "
                "conversions_value, loaded_at) "
                "values (?, ?, ?, '11', 'MOBILE', 'SEARCH', 'SEARCH', ?, ?, ?, now())",
                [client, account, day, currency, cost * 1e6, value],
            )
        build(connection, load_models(project.sql))


MONDAY, LONG_AFTER = date(2026, 11, 9), date(2026, 11, 19)
BOTH = (
    (EUROS.account_id, "EUR", MONDAY, 100.0, 400.0),
    (POUNDS.account_id, "GBP", MONDAY, 80.0, 160.0),
)


@pytest.mark.parametrize(
    ("where", "since", "currencies", "sums"),
    [
        # £80 and £160 at 0.8 pounds for a euro are €100 and €200
        ({}, MONDAY, ("EUR",), (600.0, 200.0)),
        ({"account_id": ("1111111111", "2222222222")}, MONDAY, ("EUR",), (600.0, 200.0)),
        # an account's own figures stay as the account has them
        ({"account_id": ("2222222222",)}, MONDAY, ("GBP",), (160.0, 80.0)),
        ({"account_id": ("1111111111",)}, MONDAY, ("EUR",), (400.0, 100.0)),
    ],
)
def test_a_scope_in_several_currencies_is_judged_in_the_clients(
    tmp_path: Path,
    where: dict[str, tuple[str, ...]],
    since: date,
    currencies: tuple[str, ...],
    sums: tuple[float, float],
) -> None:
    with (
        served(rates("2026-11-06")) as (ecb, _),
        agency(tmp_path, ecb, EUROS, POUNDS) as project,
    ):
        refresh_rates(project, DAY)
        advertise(project, *BOTH)
        with project.warehouse.open() as connection:
            cubes = readings.read_kpi(connection, ["shop"], project.kpis["roas"], MONDAY, MONDAY)
            cube = cubes["shop", "roas"]

    found = cube.in_one_currency(where, since=since).series(where, since=since)

    assert found.currencies == currencies
    assert found.converted_from == (("GBP",) if sums == (600.0, 200.0) else ())
    assert found.denominator is not None
    assert (found.numerator.tolist(), found.denominator.tolist()) == ([sums[0]], [sums[1]])


def test_a_day_without_a_rate_leaves_the_currencies_apart_and_a_check_says_so(
    tmp_path: Path,
) -> None:
    # the 19th is thirteen days after the last rate
    late = (POUNDS.account_id, "GBP", LONG_AFTER, 80.0, 160.0)
    with (
        served(rates("2026-11-06")) as (ecb, _),
        agency(tmp_path, ecb, EUROS, POUNDS) as project,
    ):
        refresh_rates(project, DAY)
        advertise(project, *BOTH, late)
        with project.warehouse.open() as connection:
            cubes = readings.read_kpi(
                connection, ["shop"], project.kpis["cost"], MONDAY, LONG_AFTER
            )
            failed = [check for check in run_checks(connection, project.sql) if not check.passed]

    cube = cubes["shop", "cost"]
    assert cube.in_one_currency({}, since=MONDAY).series({}, since=MONDAY).currencies == (
        "EUR",
        "GBP",
    )
    (said,) = (check for check in failed if check.name == "every_amount_has_a_rate")
    assert (said.severity, said.by_client) == ("warn", (("shop", 1),))
    assert said.examples[0]["last_day"] == "2026-11-19"
    assert said.examples[0]["days_without_a_rate"] == "1"


def test_an_amount_asked_in_the_clients_currency_is_told_in_it(tmp_path: Path) -> None:
    only = {"account_id": (POUNDS.account_id,)}
    with (
        served(rates("2026-11-06")) as (ecb, _),
        agency(tmp_path, ecb, EUROS, POUNDS) as project,
    ):
        refresh_rates(project, DAY)
        advertise(project, *BOTH)
        with project.warehouse.open() as connection:
            cubes = readings.read_kpi(connection, ["shop"], project.kpis["cpc"], MONDAY, MONDAY)

    found = cubes["shop", "cpc"].in_one_currency(only, since=MONDAY, asked="EUR").series(only)

    assert (found.currencies, found.numerator.tolist()) == (("EUR",), [100.0])


GOALS = """\
targets:
  - id: all-roas
    specific: A ROAS of 2 on everything
    kpi: roas
    goal: {at_least: 2}
    period: 2026-11
    agreed: {owner: sanne@example.nl}
    plan: [{do: Look, owner: sanne@example.nl, due: 2026-11-30}]
  - id: uk-roas
    specific: A ROAS of 2 in the United Kingdom
    kpi: roas
    where: {account_id: "2222222222"}
    goal: {at_least: 2}
    period: 2026-11
    agreed: {owner: sanne@example.nl}
    plan: [{do: Look, owner: sanne@example.nl, due: 2026-11-30}]
"""


def test_a_verdict_and_the_report_say_what_was_converted(tmp_path: Path) -> None:
    with served(rates("2026-11-06")) as (ecb, _):
        config = write(tmp_path, KOERS.format(ecb=ecb), shop="locale: en\n" + SHOP + GOALS)
        with open_project(config) as project:
            with project.warehouse.open() as connection:
                record_accounts(connection, "shop", [EUROS, POUNDS])
            refresh_rates(project, DAY)
            advertise(project, *BOTH)
            with project.warehouse.open() as connection:
                connection.execute(
                    "insert into ops.loads (client, source, table_name, account_id, window_start, "
                    "window_end, outcome, finished_at, as_of) "
                    "select 'shop', 'google_ads', 'google_ads__campaign_day', account_id, "
                    "date '2026-11-01', date '2026-11-09', 'loaded', now(), date '2026-11-10' "
                    "from ops.accounts"
                )

            everything, uk = evaluate_targets(project, ["shop"], date(2026, 11, 10), False)
            (page,) = (
                path
                for path in write_reports(project, ["shop"], date(2026, 11, 10))
                if path.name == "shop.html"
            )

    assert (everything.currency_code, everything.details["converted_from"]) == ("EUR", "GBP")
    # €400 and €200 for €100 and €100
    assert (everything.numerator, everything.denominator) == (600.0, 200.0)
    assert (uk.currency_code, uk.numerator, uk.denominator) == ("GBP", 160.0, 80.0)
    assert "converted_from" not in uk.details
    assert page.read_text().count("Amounts in GBP were converted into EUR") == 1
