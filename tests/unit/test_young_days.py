"""A target's series with how much of each day is in, over the accounts that it adds up."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from flows.arrivals import Arrival
from flows.kpis import Kpi, Late
from flows.settings import Target
from flows.targets.completeness import LagCurve, Reads
from flows.targets.cube import KpiCube
from flows.targets.evaluation import Series
from flows.views import with_completeness

FIRST = date(2026, 11, 1)
NAN = float("nan")


def arrival(*share: float, brought: float = 1.0) -> Arrival:
    """An account whose four days, the first to the fourth of November, were read on the fifth."""
    curve = LagCurve(np.array([0.0, *share]), np.array([np.inf, *[0.1] * len(share)]), 9, "both")
    day = FIRST.toordinal() + np.arange(4)
    reads = Reads(day, np.array([4, 3, 2, 1]), np.full(4, brought))
    return Arrival(curve if share else None, reads, FIRST, final_age=3)


def kpi(side: str | None, is_sum: bool = False) -> Kpi:
    late = Late(cast(Any, side), "google_ads__campaign_day", "conversions") if side else None
    return cast(Kpi, SimpleNamespace(late=late, is_sum=is_sum))


def target(for_each: str | None = None, **where: tuple[str, ...]) -> Target:
    return cast(Target, SimpleNamespace(where=where, for_each=for_each))


def cube(numerator: list[list[float]], denominator: list[list[float]] | None) -> KpiCube:
    """Accounts a and b, one campaign each, over four days."""
    cells = [
        {"account_id": name, "campaign_id": name.upper(), "campaign_name": name} for name in "ab"
    ]
    return KpiCube.of_cells(
        "shop",
        "kpi",
        FIRST,
        cells=cells,
        numerator=np.array(numerator),
        denominator=None if denominator is None else np.array(denominator),
        has_row=np.ones((2, 4), dtype=bool),
    )


ARRIVING = {"a": arrival(0.5, 0.8, 1.0), "b": arrival(1.0, 1.0, 1.0)}
COST = [[10.0, 10, 10, 10], [10.0, 10, 10, 10]]


def completeness(series: Series) -> list[float]:
    assert series.completeness is not None
    return cast(list[float], series.completeness.tolist())


def test_accounts_count_by_what_they_are_expected_to_sell() -> None:
    # a sells 4 a day in the end, b 2, for as much cost
    cells = cube([[40.0, 40, 32, 20], [20.0, 20, 20, 20]], COST)
    found = with_completeness(cells.series({}), cells, kpi("numerator"), target(), ARRIVING)
    assert completeness(found) == pytest.approx([1, 1, (2 * 0.8 + 1) / 3, (2 * 0.5 + 1) / 3])
    assert found.completeness_error is not None
    assert found.completeness_error[3] == pytest.approx(np.hypot(0.1 * 1.0, 0.1 * 1.0) / 2)


def test_where_the_denominator_is_late_it_is_the_one_that_weighs() -> None:
    cells = cube(COST, [[40.0, 40, 32, 20], [20.0, 20, 20, 20]])
    found = with_completeness(cells.series({}), cells, kpi("denominator"), target(), ARRIVING)
    assert completeness(found) == pytest.approx([1, 1, (2 * 0.8 + 1) / 3, (2 * 0.5 + 1) / 3])


def test_an_account_that_never_sells_does_not_count() -> None:
    cells = cube([[40.0, 40, 32, 20], [0.0, 0, 0, 0]], COST)
    arriving = {"a": ARRIVING["a"], "b": arrival()}
    found = with_completeness(cells.series({}), cells, kpi("numerator"), target(), arriving)
    assert completeness(found) == pytest.approx([1, 1, 0.8, 0.5])


def test_a_segment_and_a_scope_have_the_accounts_that_are_in_them() -> None:
    cells = cube([[40.0, 40, 32, 20], [20.0, 20, 20, 20]], COST)
    segments = {one.segment: one for one in cells.segments({}, "campaign_id")}
    of_a = with_completeness(
        segments["A"], cells, kpi("numerator"), target("campaign_id"), ARRIVING
    )
    assert completeness(of_a) == pytest.approx([1, 1, 0.8, 0.5])
    only_b = target(account_id=("b",))
    of_b = with_completeness(
        cells.series({"account_id": ("b",)}), cells, kpi("numerator"), only_b, ARRIVING
    )
    assert completeness(of_b) == pytest.approx([1, 1, 1, 1])


def test_a_sum_weighs_by_its_level() -> None:
    cells = cube([[30.0, 30, 24, 15], [30.0, 30, 30, 30]], None)
    found = with_completeness(
        cells.series({}), cells, kpi("numerator", is_sum=True), target(), ARRIVING
    )
    assert completeness(found) == pytest.approx([1, 1, 0.9, 0.75])


def test_what_is_never_late_or_not_known_yet_stays_as_it_is() -> None:
    cells = cube([[40.0, 40, 32, 20], [20.0, 20, 20, 20]], COST)
    series = cells.series({})
    assert with_completeness(series, cells, kpi(None), target(), ARRIVING) is series
    unknown = {"a": arrival(), "b": arrival()}
    assert with_completeness(series, cells, kpi("numerator"), target(), unknown) is series
    assert with_completeness(series, cells, kpi("numerator"), target(), {}) is series


def test_an_account_not_known_yet_has_whole_days_once_they_are_old() -> None:
    cells = cube([[40.0, 40, 32, 20], [20.0, 20, 20, 20]], COST)
    arriving = {"a": ARRIVING["a"], "b": arrival()}
    found = with_completeness(cells.series({}), cells, kpi("numerator"), target(), arriving)
    # a third of what sells is of unknown age on the youngest two days
    assert completeness(found) == pytest.approx([1, 1, NAN, NAN], nan_ok=True)
