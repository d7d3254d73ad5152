"""The cells of one KPI, and what is added up of them."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.targets.cube import KpiCube, add_rows

OCT = date(2026, 10, 1)
NAN = float("nan")

# three campaigns over four days; the second is a shopping campaign on two devices
CELLS = (
    {"channel_type": "SEARCH", "campaign_id": "1", "campaign_name": "Brand", "device": "MOBILE"},
    {"channel_type": "SHOPPING", "campaign_id": "2", "campaign_name": "Feed", "device": "MOBILE"},
    {"channel_type": "SHOPPING", "campaign_id": "2", "campaign_name": "Feed", "device": "DESKTOP"},
    {"channel_type": "SHOPPING", "campaign_id": "3", "campaign_name": "Sale", "device": "MOBILE"},
)
CLICKS = [[1, 2, 3, 4], [10, 20, 30, 40], [100, 0, 300, 400], [5, 5, 0, 0]]
SHOWN = [[10, 10, 10, 10], [50, 50, 50, 50], [500, 0, 500, 500], [9, 9, 0, 0]]
ROWS = [[1, 1, 1, 1], [1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 0]]


def cube(**changed: object) -> KpiCube:
    told = {
        "cells": CELLS,
        "numerator": np.array(CLICKS, dtype=float),
        "denominator": np.array(SHOWN, dtype=float),
        "has_row": np.array(ROWS, dtype=bool),
        **changed,
    }
    return KpiCube.of_cells("fietsgoed", "ctr", OCT, **told)  # type: ignore[arg-type]


def test_a_scope_is_the_sum_of_its_cells_a_day() -> None:
    found = cube().series({"channel_type": ("SHOPPING",)})
    assert found.first_day == OCT
    assert found.numerator.tolist() == [115, 25, 330, 440]
    assert found.denominator is not None
    assert found.denominator.tolist() == [559, 59, 550, 550]
    assert found.has_row.all()


def test_conditions_are_all_to_be_met_and_the_values_of_one_are_alternatives() -> None:
    both = cube().series({"campaign_id": ("2", "3"), "device": ("MOBILE",)})
    assert both.numerator.tolist() == [15, 25, 30, 40]


def test_without_conditions_everything_counts() -> None:
    assert cube().series({}).numerator.tolist() == [116, 27, 333, 444]


def test_a_scope_that_matches_nothing_has_no_rows() -> None:
    found = cube().series({"device": ("TABLET",)})
    assert not found.has_row.any()
    assert np.isnan(found.numerator).all()
    assert found.days == ()


def test_a_day_without_a_row_is_no_row_and_not_zero() -> None:
    found = cube().series({"campaign_id": ("3",)})
    assert found.has_row.tolist() == [True, True, False, False]
    assert [row.date_day for row in found.days] == [OCT, OCT + timedelta(days=1)]
    assert np.isnan(found.numerator[2:]).all()


def test_a_day_of_which_part_is_unknown_is_unknown_but_has_a_row() -> None:
    clicks = np.array(CLICKS, dtype=float)
    clicks[1, 2] = NAN
    found = cube(numerator=clicks).series({"channel_type": ("SHOPPING",)})
    assert np.isnan(found.numerator).tolist() == [False, False, True, False]
    assert found.denominator is not None
    assert found.denominator[2] == 550  # the other side was told
    assert found.has_row.all()


def test_segments_are_in_the_order_of_their_keys_and_have_the_latest_name() -> None:
    cells = ({**CELLS[1], "campaign_name": "Old name"}, {**CELLS[1], "campaign_name": "New name"})
    renamed = cube(
        cells=(*cells, CELLS[0]),
        numerator=np.array([[1, 1, 0, 0], [0, 0, 2, 2], [7, 7, 7, 7]], dtype=float),
        denominator=np.full((3, 4), 10.0),
        has_row=np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1]], dtype=bool),
    )
    first, second = renamed.segments({}, "campaign_id")
    assert (first.segment, first.label) == ("1", "Brand")
    assert (second.segment, second.label) == ("2", "New name")
    assert second.numerator.tolist() == [1, 1, 2, 2]
    assert renamed.labels == {"1": "Brand", "2": "New name"}


def test_segments_stay_within_the_scope() -> None:
    found = cube().segments({"channel_type": ("SHOPPING",)}, "device")
    assert [one.segment for one in found] == ["DESKTOP", "MOBILE"]
    assert found[0].numerator[0] == 100
    assert found[1].numerator.tolist() == [15, 25, 30, 40]


def test_a_segment_without_a_name_is_not_the_total() -> None:
    cells = ({"device": None}, {"device": ""}, {"device": "MOBILE"})
    nameless = cube(
        cells=cells,
        numerator=np.array([[1.0], [2.0], [4.0]]),
        denominator=None,
        has_row=None,
    )
    assert [(one.segment, one.numerator[0]) for one in nameless.segments({}, "device")] == [
        ("(unknown)", 3.0),
        ("MOBILE", 4.0),
    ]


def test_a_cell_without_a_text_meets_no_condition() -> None:
    nameless = cube(
        cells=({"device": None}, {"device": "MOBILE"}),
        numerator=np.array([[1.0], [2.0]]),
        denominator=None,
        has_row=None,
    )
    assert nameless.mask({"device": ("MOBILE", "")}).tolist() == [False, True]


def test_segments_that_ended_before_the_day_asked_for_are_left_out() -> None:
    since = OCT + timedelta(days=2)
    found = cube().segments({}, "campaign_id", since=since)
    assert [one.segment for one in found] == ["1", "2"]
    # the total keeps what they did
    assert cube().series({}, since=since).numerator[0] == 116


def test_a_currency_of_long_ago_is_neither_added_nor_named() -> None:
    moved = cube(
        cells=({"account_id": "1"}, {"account_id": "1"}),
        numerator=np.array([[100.0, 100, 0, 0], [0, 0, 90, 90]]),
        denominator=None,
        has_row=np.array([[1, 1, 0, 0], [0, 0, 1, 1]], dtype=bool),
        currencies=("USD", "EUR"),
    )
    since = OCT + timedelta(days=2)
    now = moved.series({}, since=since)
    assert now.currencies == ("EUR",)
    assert now.has_row.tolist() == [False, False, True, True]
    assert moved.series({}).currencies == ("EUR", "USD")
    assert moved.segments({}, "account_id", since=since)[0].currencies == ("EUR",)


def test_an_unknown_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match="ctr has no dimension 'colour'"):
        cube().series({"colour": ("red",)})


def test_a_matrix_has_a_row_a_part_with_zero_where_there_was_nothing() -> None:
    found = cube().matrix({"channel_type": ("SHOPPING",)}, "campaign_id")
    assert (found.parts, found.labels) == (("2", "3"), ("Feed", "Sale"))
    assert found.numerator.tolist() == [[110, 20, 330, 440], [5, 5, 0, 0]]
    assert found.denominator is not None
    assert found.denominator.tolist() == [[550, 50, 550, 550], [9, 9, 0, 0]]


def test_a_matrix_of_other_days_has_nothing_outside_the_cube() -> None:
    found = cube().matrix(
        {"campaign_id": ("1",)}, "device", OCT - timedelta(days=2), OCT + timedelta(days=1)
    )
    assert found.numerator.tolist() == [[0, 0, 1, 2]]
    later = cube().matrix(
        {"campaign_id": ("1",)}, "device", OCT + timedelta(days=3), OCT + timedelta(days=5)
    )
    assert later.numerator.tolist() == [[4, 0, 0]]
    gone = cube().matrix({}, "device", OCT - timedelta(days=9), OCT - timedelta(days=8))
    assert gone.numerator.tolist() == [[0, 0], [0, 0]]
    assert cube().matrix({"device": ("TV",)}, "device").numerator.shape == (0, 4)


# --- from rows --------------------------------------------------------------------------------


def of_rows(rows: list[tuple[int, int, float | None]]) -> KpiCube:
    """From (cell, day, value) of two cells and three days; None is a row that says nothing."""
    places = np.array([cell * 3 + day for cell, day, _ in rows], dtype=np.int64)
    sums, has_row = np.zeros(6), np.zeros(6, dtype=bool)
    has_row[places] = True
    add_rows(
        sums,
        places,
        np.array([NAN if value is None else value for _, _, value in rows]),
        np.array([value is None for _, _, value in rows], dtype=bool),
    )
    return cube(
        cells=({"device": "MOBILE"}, {"device": "DESKTOP"}),
        numerator=sums.reshape(2, 3),
        denominator=None,
        has_row=has_row.reshape(2, 3),
    )


def test_rows_of_the_same_cell_and_day_are_added_up_and_one_that_says_nothing_wins() -> None:
    found = of_rows([(0, 0, 1), (0, 0, 2), (0, 2, 5), (1, 1, 7), (1, 1, None)])
    assert found.numerator[0].tolist() == [3, 0, 5]
    assert np.isnan(found.numerator[1]).tolist() == [False, True, False]
    assert found.has_row.tolist() == [[True, False, True], [False, True, False]]


@pytest.mark.parametrize("value", [NAN, float("inf"), float("-inf")])
def test_what_is_no_number_stays_visible_as_infinite(value: float) -> None:
    found = of_rows([(0, 0, value), (1, 0, 5), (1, 1, 5)]).series({})
    assert found.numerator[0] == float("inf")
    assert found.numerator[1] == 5


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.integers(0, 2),
            st.one_of(st.none(), st.floats(0, 1e6, allow_nan=False)),
        ),
        min_size=1,
        max_size=30,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_the_rows_changes_nothing(
    rows: list[tuple[int, int, float | None]], random: Random
) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    one, other = of_rows(rows), of_rows(shuffled)
    np.testing.assert_allclose(one.numerator, other.numerator, rtol=1e-13)  # NaN is NaN here
    assert np.array_equal(one.has_row, other.has_row)


@given(
    st.lists(st.floats(0, 1e6), min_size=4, max_size=4),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_splitting_a_cell_in_two_changes_no_sum(values: list[float], shares: list[float]) -> None:
    whole = cube(cells=CELLS[:1], numerator=np.array([values]), denominator=None, has_row=None)
    left = [value * share for value, share in zip(values, shares, strict=True)]
    right = [value - part for value, part in zip(values, left, strict=True)]
    split = cube(
        cells=(CELLS[0], {**CELLS[0], "device": "DESKTOP"}),
        numerator=np.array([left, right]),
        denominator=None,
        has_row=None,
    )
    np.testing.assert_allclose(
        split.series({}).numerator, whole.series({}).numerator, rtol=1e-12, atol=1e-9
    )


def test_the_days_of_a_morning_are_a_part_of_those_that_were_read() -> None:
    part = cube().between(date(2026, 9, 1), OCT + timedelta(days=1))
    assert (part.first_day, part.last_day) == (OCT, OCT + timedelta(days=1))
    assert part.series({}).numerator.tolist() == [116, 27]

    later = cube().between(OCT + timedelta(days=2), date(2027, 1, 1))
    assert later.first_day == OCT + timedelta(days=2)
    assert later.series({}).numerator.tolist() == [333, 444]
    # campaign 3 has no row on these days
    assert [one.segment for one in later.segments({}, "campaign_id", since=OCT)] == ["1", "2"]

    assert cube().between(date(2026, 9, 1), date(2026, 9, 30)).days == 0
    assert cube().between(date(2027, 1, 1), date(2027, 1, 2)).days == 0
