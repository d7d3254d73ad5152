"""Four weeks of a KPI beside the four before: sums divided once, in one currency, honest."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from flows.kpi_figures import figures_of
from flows.kpis import Kpi, load_kpis, sql_dir
from flows.report.kpi_figure import KpiFigure
from flows.report.page import render_report
from flows.settings import Client, ClientSource
from flows.targets.cube import KpiCube
from tests.golden import sample
from tests.unit.test_report_page import Elements

KPIS = load_kpis(sql_dir())
LAST = date(2026, 11, 19)
DAYS = 84
FIRST = LAST - timedelta(days=DAYS - 1)
CLIENT = Client(
    slug="shop",
    name="Shop",
    sources={"google_ads": ClientSource(ids=("1",)), "ga4": ClientSource(ids=("2",))},
)


def cube(kpi: Kpi, cells: list[tuple[str | None, list[float], list[float]]]) -> KpiCube:
    """Cells of (currency, numerator a day, denominator a day), the last day of each is LAST."""
    tops, bottoms = (np.array([one[i] for one in cells], np.float64) for i in (1, 2))
    return KpiCube.of_cells(
        "shop",
        kpi.name,
        FIRST,
        [dict.fromkeys(kpi.dimensions, "x") for _ in cells],
        tops,
        None if kpi.is_sum else bottoms,
        np.ones_like(tops, dtype=np.bool_),
        [one[0] for one in cells] if kpi.has_currency else None,
    )


def days(before: float, now: float) -> list[float]:
    return [before] * (DAYS - 28) + [now] * 28


def test_a_ratio_is_divided_once_over_each_four_weeks() -> None:
    """Two cells of 10 clicks on 100 and 10 on 900 a day: 2%, no average of 10% and 1%."""
    kpi = KPIS["ctr"]
    (told,) = figures_of(
        CLIENT,
        kpi,
        cube(kpi, [(None, days(5, 10), [100.0] * DAYS), (None, [10.0] * DAYS, [900.0] * DAYS)]),
        {},
    )
    assert told.now == pytest.approx(0.02)
    assert told.before == pytest.approx(0.015)
    assert (told.first, told.last) == (date(2026, 10, 23), LAST)
    assert (told.missing, told.missing_before) == (0, 0)


def test_each_currency_is_told_apart_the_clients_own_first() -> None:
    kpi = KPIS["roas"]
    cells = cube(
        kpi,
        [
            ("GBP", days(300, 300), [100.0] * DAYS),
            ("EUR", days(200, 400), [100.0] * DAYS),
        ],
    )
    told = figures_of(CLIENT, kpi, cells, {})
    assert [(one.currency_code, one.now, one.is_apart) for one in told] == [
        ("EUR", 4.0, True),
        ("GBP", 3.0, True),
    ]


def test_days_without_data_are_counted_and_not_taken_for_zero() -> None:
    kpi = KPIS["organic_sessions"]
    sessions = days(100, 100)
    sessions[-5] = sessions[-40] = float("nan")
    (told,) = figures_of(CLIENT, kpi, cube(kpi, [(None, sessions, [])]), {})
    assert (told.missing, told.missing_before) == (1, 1)
    assert told.now == 27 * 100


def test_a_source_that_is_not_connected_is_named() -> None:
    ads_alone = CLIENT.model_copy(update={"sources": {"google_ads": ClientSource(ids=("1",))}})
    kpi = KPIS["cac"]
    (told,) = figures_of(ads_alone, kpi, cube(kpi, [("EUR", [1.0] * DAYS, [1.0] * DAYS)]), {})
    assert (told.why, told.lacks, told.now) == ("not_connected", ("ga4",), None)


def test_data_that_ended_a_month_ago_is_no_figure_of_now() -> None:
    kpi = KPIS["ctr"]
    old = [10.0] * (DAYS - 28) + [float("nan")] * 28
    (told,) = figures_of(CLIENT, kpi, cube(kpi, [(None, old, old)]), {})
    assert told.why == "no_data"


def shown(figure: KpiFigure) -> str:
    view = replace(sample.client_view("nl"), targets=())
    html = render_report(view, (figure,))
    text = Elements(html[html.index('id="figures"') : html.index('id="data"')]).text
    return " ".join(text.replace("\xa0", " ").split())


def test_the_report_says_what_a_figure_is_and_how_it_moved() -> None:
    told = shown(
        KpiFigure(
            KPIS["roas"],
            first=date(2026, 10, 23),
            last=LAST,
            now=4.15,
            before=3.92,
            currency_code="EUR",
            share_in=0.88,
        )
    )
    assert "Advertentierendement (ROAS)" in told
    assert "Wat elke euro aan advertenties oplevert" in told
    assert "tot en met 19 november 2026" in told
    assert "Van de conversiewaarde is ongeveer 88% binnen; de rest is meegerekend." in told
    assert "4,15 3,92 +0,23" in told


def test_without_some_of_its_days_a_sum_has_no_difference() -> None:
    whole = KpiFigure(KPIS["organic_sessions"], LAST, LAST, now=1900.0, before=2000.0)
    assert "1.900 2.000 −5,0%" in shown(whole)
    partly = shown(replace(whole, missing=3))
    assert "%" not in partly[partly.index("1.900") :]
    assert "3 dagen ontbreken." in partly


def test_why_there_is_no_figure_is_said() -> None:
    lacking = KpiFigure(KPIS["cac"], why="not_connected", lacks=("ga4",))
    assert "Google Analytics 4 is niet gekoppeld." in shown(lacking)
