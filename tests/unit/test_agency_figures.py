"""The overview adds up what clients spent in one currency, or says why it does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from connectors.base import Account
from flows.project import Project, open_project
from flows.rates import refresh_rates
from flows.report.ad_figure import AdFigure, AdTotal, AgencyFigures
from flows.report.dress import Dress
from flows.report.overview import render_overview
from flows.report_files import read_views, write_pages
from flows.warehouse import record_accounts
from tests.golden import sample
from tests.unit.config_folder import write
from tests.unit.test_rates import KOERS, SHOP, advertise, rates, served
from tests.unit.test_report_page import Elements

AS_OF = date(2026, 11, 20)
MONDAY, YESTERDAY = date(2026, 11, 9), date(2026, 11, 19)
EUROS = Account("google_ads", "1111111111", currency_code="EUR")
POUNDS = Account("google_ads", "2222222222", currency_code="GBP")
STORE = Account("google_ads", "3333333333", currency_code="GBP")
# £0.8 is a euro: in pounds the shop spent 80 + 80 and earned 320 + 160
OF_SHOP = (
    (EUROS.account_id, "EUR", MONDAY, 100.0, 400.0),
    (POUNDS.account_id, "GBP", MONDAY, 80.0, 160.0),
)
OF_STORE = (STORE.account_id, "GBP", MONDAY, 40.0, 40.0)
CLIENT = (
    "name: {name}\ncurrency: {currency}\nsources:\n  google_ads: {{customer_ids: [{account}]}}\n"
)


@contextmanager
def two_clients(
    tmp_path: Path,
    said: str,
    *more: tuple[str, str, date, float, float],
    loaded: str = "all",
    rated: tuple[str, ...] = ("2026-11-06", "2026-11-13"),
) -> Iterator[Project]:
    """A shop in euros with an account in pounds besides, and a store in pounds.

    ``said`` stands in koers.yaml, ``more`` is spent by the shop. ``loaded`` is of
    whom the days from October on are in.
    """
    store = CLIENT.format(name="The Store", currency="GBP", account="333-333-3333")
    with served(rates(*rated)) as (ecb, _):
        config = write(tmp_path, KOERS.format(ecb=ecb) + said, shop=SHOP, store=store)
        with open_project(config) as project:
            with project.warehouse.open() as connection:
                record_accounts(connection, "shop", [EUROS, POUNDS])
                record_accounts(connection, "store", [STORE])
                connection.execute(
                    "insert into ops.loads (client, source, table_name, account_id, window_start, "
                    "window_end, outcome, finished_at, as_of) "
                    "select client, 'google_ads', 'google_ads__campaign_day', account_id, "
                    "date '2026-10-01', date '2026-11-19', 'loaded', now(), date '2026-11-20' "
                    "from ops.accounts where ? in (client, 'all')",
                    [loaded],
                )
            refresh_rates(project, AS_OF)
            advertise(project, *OF_SHOP, *more)
            if loaded != "shop":
                advertise(project, OF_STORE, client="store")
            yield project


def figures(project: Project) -> AgencyFigures:
    with project.warehouse.open() as connection:
        return read_views(project, connection, [], AS_OF)[2]


def shown(project: Project) -> str:
    """The text of the overview from its figures on, in English."""
    with project.warehouse.open() as connection:
        read = read_views(project, connection, ["shop", "store"], AS_OF)
    page = write_pages(project, *read)[-1].read_text()
    text = Elements(page[page.index('id="ads"') : page.index('id="data"')]).text
    return " ".join(text.replace("\xa0", " ").split())


def test_the_overview_adds_all_clients_up_in_the_agencys_currency(tmp_path: Path) -> None:
    with two_clients(tmp_path, "currency: GBP\nlocale: en\n") as project:
        told, text = figures(project), shown(project)

    shop, store = told.figures
    assert (shop.cost, shop.value, shop.roas) == (160.0, 480.0, 3.0)
    assert (shop.currency_code, shop.converted_from) == ("GBP", ("EUR",))
    assert (store.cost, store.value, store.converted_from) == (40.0, 40.0, ())
    assert told.totals() == (AdTotal("google_ads", 200.0, 520.0),)
    assert (told.first, told.last) == (date(2026, 10, 23), YESTERDAY)
    assert "Total £200 £520 2.6" in text
    assert "in GBP" in text
    assert "EUR converted into GBP at each day's rate." in text
    assert "European Central Bank’s rate of each day" in text
    assert "no total" not in text


def test_a_day_without_a_rate_leaves_a_client_unconverted_and_no_total(tmp_path: Path) -> None:
    """The last rate is of 6 November: it holds until the 13th, and the 19th has none."""
    late = (EUROS.account_id, "EUR", YESTERDAY, 10.0, 10.0)
    with two_clients(
        tmp_path, "currency: GBP\nlocale: en\n", late, rated=("2026-11-06",)
    ) as project:
        told, text = figures(project), shown(project)

    shop, store = told.figures
    assert shop.without_rate == {"EUR": (YESTERDAY,)}
    assert (shop.cost, shop.value) == (None, None), "in two currencies nothing can be added up"
    assert (store.cost, store.currency_code) == (40.0, "GBP")
    assert told.totals() == ()
    assert "There is no total: what Shop spent cannot be converted into GBP" in text
    assert "Not converted: there is no rate from EUR to GBP for 19 November 2026." in text
    assert "Total" not in text


def test_without_a_currency_that_all_share_each_client_keeps_its_own(tmp_path: Path) -> None:
    with two_clients(tmp_path, "locale: en\n") as project:
        told, text = figures(project), shown(project)

    shop, store = told.figures
    # €100 and £80 for €100
    assert (shop.currency_code, shop.cost, shop.value) == ("EUR", 200.0, 600.0)
    assert (store.currency_code, store.cost) == ("GBP", 40.0)
    assert told.totals() == ()
    assert "There is no total: the clients count in EUR and GBP." in text
    assert "`currency`" in text
    assert "each client in its own currency" in text


def test_a_client_of_which_nothing_is_in_is_left_out_of_the_total_by_name(tmp_path: Path) -> None:
    with two_clients(tmp_path, "currency: GBP\nlocale: en\n", loaded="shop") as project:
        told, text = figures(project), shown(project)

    assert told.totals() == (AdTotal("google_ads", 160.0, 480.0, without=("store",)),)
    assert "There is no data of the last four weeks." in text
    assert "Total £160 £480 3.0 Without The Store." in text


def test_days_that_are_not_in_are_counted_and_days_without_ads_are_zero(tmp_path: Path) -> None:
    with two_clients(tmp_path, "currency: GBP\nlocale: en\n") as project:
        with project.warehouse.open() as connection:
            connection.execute(
                "update ops.loads set window_end = date '2026-11-17' where client = 'store'"
            )
        shop, store = figures(project).figures

    assert (shop.missing, store.missing) == (0, 2)
    assert store.cost == 40.0


def test_what_two_platforms_attribute_is_never_added_up() -> None:
    one = AdFigure("shop", "google_ads", "EUR", 100.0, 400.0)
    other = AdFigure("store", "google_ads", "EUR", 100.0, 200.0)
    agency = AgencyFigures(
        sample.ROAS,
        "EUR",
        MONDAY,
        YESTERDAY,
        (
            one,
            replace(one, source="microsoft_ads", cost=50.0, value=150.0),
            other,
            replace(other, source="microsoft_ads", cost=50.0, value=50.0),
        ),
    )
    assert agency.totals() == (
        AdTotal("google_ads", 200.0, 600.0),
        AdTotal("microsoft_ads", 100.0, 200.0),
    )
    view = sample.client_view("en")
    views = [
        replace(view, client=view.client.model_copy(update={"slug": slug, "name": slug}))
        for slug in ("shop", "store")
    ]
    html = render_overview(views, agency, "en", Dress(), "Europe/Amsterdam")
    text = Elements(html[html.index('id="ads"') : html.index('id="data"')]).text
    told = " ".join(text.replace("\xa0", " ").split())
    assert "Google AdsTotal €200 €600 3.0" in told
    assert "€800" not in told
    assert "€300" not in told


@pytest.mark.parametrize("clients", [0, 1])
def test_of_one_client_or_none_there_is_nothing_to_add_up(clients: int) -> None:
    one = AdFigure("shop", "google_ads", "EUR", 100.0, 400.0)
    agency = AgencyFigures(sample.ROAS, "EUR", MONDAY, YESTERDAY, (one,) * clients)
    assert agency.totals() == ()
    html = render_overview([sample.client_view("en")], agency, "en", Dress(), "Europe/Amsterdam")
    assert "no total" not in html
