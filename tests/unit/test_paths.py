"""What a goal asks for on the days before its deadline."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from math import nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.settings import Agreed, Goal, Measure, Period, Target
from flows.targets.evaluation import DaySums, Series
from flows.targets.path import (
    last_year_weights,
    pace_shape,
    path_level,
    path_points,
    share_of_sum,
    weekday_weights,
)
from tests.unit.test_targets import CTR, SESSIONS, judge

START = date(2026, 10, 1)


def day(number: int) -> date:
    """The first day of the period is 1."""
    return START + timedelta(days=number - 1)


def target(window: int | None = None, **goal: Any) -> Target:
    kind = next((k for k in ("at_least", "at_most", "between") if k in goal), "from_to")
    return Target(
        id="a-target",
        specific="Do better",
        kpi="any",
        goal=Goal(kind=kind, **goal),
        period=Period(start=START, end=day(5)),
        measure=Measure(window_days=window),
        agreed=Agreed(owner="sanne@example.nl"),
    )


def levels(a_target: Target, shape: list[float] | None = None, days: int = 4) -> list[float]:
    weights = None if shape is None else np.array(shape)
    return [path_level(a_target, START, day(days + 1), day(i), weights) for i in range(1, days + 1)]


def test_a_straight_path_is_averaged_over_the_trailing_window() -> None:
    # windows of two days: the mean day is 0.5, 1.5, 2.5 and 3.5, so a seventh of the way,
    # three, five and seven sevenths
    assert levels(target(window=2, from_=10.0, to=24.0)) == pytest.approx([12, 16, 20, 24])
    assert levels(target(window=2, from_=24.0, to=10.0)) == pytest.approx([22, 18, 14, 10])


def test_without_a_window_of_its_own_the_path_is_averaged_over_the_period_so_far() -> None:
    # the mean day is 1, 1.5, 2 and 2.5
    assert levels(target(from_=0.0, to=10.0)) == pytest.approx([4, 6, 8, 10])


def test_the_eve_of_the_period_asks_what_it_starts_from_and_its_end_the_goal() -> None:
    ramp = target(window=2, from_=10.0, to=24.0)
    assert path_level(ramp, START, day(5), day(0)) == 10.0
    assert path_level(ramp, START, day(5), day(400)) == pytest.approx(24.0)
    with pytest.raises(ValueError, match="not a goal"):
        path_level(target(at_least=4.0), START, day(5), START)


def test_on_the_day_of_a_step_its_value_is_asked_and_between_steps_it_is_straight() -> None:
    # the second day is three sevenths of the way: a third of that is gone on the first day,
    # and the third day is half the way from there to the end
    up = target(window=2, from_=10.0, to=24.0, path="steps", steps=((day(2), 11.0),))
    assert levels(up) == pytest.approx([10 + 1 / 3, 11, 17.5, 24])
    down = target(window=2, from_=24.0, to=10.0, path="steps", steps=((day(2), 23.0),))
    assert levels(down) == pytest.approx([24 - 1 / 3, 23, 16.5, 10])


def test_a_level_that_is_held_between_two_steps_asks_for_no_more_meanwhile() -> None:
    held = target(
        window=2, from_=10.0, to=24.0, path="steps", steps=((day(1), 15.0), (day(3), 15.0))
    )
    assert levels(held) == pytest.approx([15, 15, 15, 24])


def test_a_path_in_last_years_shape_goes_as_last_year_came_in() -> None:
    # gone after each day: half, half, half, all; over two days: a quarter, half, half and three
    # quarters, of which the last is the goal
    shaped = target(window=2, from_=10.0, to=40.0, path="last_year")
    assert levels(shaped, [1, 0, 0, 1]) == pytest.approx([20, 30, 30, 40])


def test_without_last_year_its_path_is_straight_and_a_straight_one_has_no_shape() -> None:
    straight = levels(target(window=2, from_=10.0, to=24.0))
    assert levels(target(window=2, from_=10.0, to=24.0, path="last_year")) == straight
    assert levels(target(window=2, from_=10.0, to=24.0), [1, 0, 0, 1]) == straight


def test_a_sum_is_due_as_its_shape_comes_in() -> None:
    sessions, weights = target(at_least=800.0), np.array([1.0, 1.0, 2.0, 4.0])
    due = [share_of_sum(sessions, START, day(5), day(i), weights) for i in range(5)]
    assert due == pytest.approx([0, 0.125, 0.25, 0.5, 1])
    points = path_points(sessions, START, day(5), SESSIONS, weights)
    assert points == [(day(1), 100), (day(2), 200), (day(3), 400), (day(4), 800)]


def test_a_sum_without_a_shape_is_due_in_plain_days() -> None:
    points = path_points(target(at_least=800.0), START, day(5), SESSIONS)
    assert points == [(day(1), 200), (day(2), 400), (day(3), 600), (day(4), 800)]


def test_a_band_has_no_line_of_its_own() -> None:
    assert path_points(target(between=(1.0, 2.0)), START, day(5), SESSIONS) == []


@pytest.mark.parametrize("shape", [[1, 1, 1], [0, 0, 0, 0], [1, -1, 1, 1], [1, nan, 1, 1]])
def test_weights_that_cannot_be_divided_by_are_refused(shape: list[float]) -> None:
    with pytest.raises(ValueError, match="4 finite weights"):
        levels(target(from_=1.0, to=2.0, path="last_year"), shape)
    with pytest.raises(ValueError, match="4 finite weights"):
        share_of_sum(target(at_least=4.0), START, day(5), START, np.array(shape, dtype=float))


@given(
    n=st.integers(1, 120),
    window=st.none() | st.integers(1, 60),
    start=st.floats(0, 100),
    by=st.floats(-50, 50),
    data=st.data(),
)
def test_every_path_goes_one_way_and_ends_at_the_goal(
    n: int, window: int | None, start: float, by: float, data: st.DataObject
) -> None:
    shape = data.draw(
        st.none() | st.lists(st.floats(0, 10), min_size=n, max_size=n).filter(lambda w: sum(w) > 0)
    )
    a_target = target(window=window, from_=start, to=start + by, path="last_year")
    found = levels(a_target, shape, n)
    steps = np.diff([start, *found]) * (1 if by >= 0 else -1)
    assert (steps >= -1e-9).all()
    assert found[-1] == pytest.approx(start + by)


# --- last year --------------------------------------------------------------------------------


def a_year_before(values: list[float], denominator: list[float] | None = None) -> Series:
    """Days that end where the four days of the period were 52 weeks ago."""
    return Series(
        "",
        "",
        START - timedelta(weeks=52),
        np.array(values),
        None if denominator is None else np.array(denominator),
        np.isfinite(np.array(values)),
    )


def test_last_years_weights_fall_on_the_same_weekdays() -> None:
    found = last_year_weights(a_year_before([4, 3, 2, 1, 9]), START, day(5), SESSIONS)
    assert found is not None
    assert found.tolist() == [4, 3, 2, 1]
    # Thursday 1 October 2026 and Thursday 2 October 2025
    assert (START - timedelta(weeks=52)).weekday() == START.weekday() == 3


def test_of_a_ratio_it_is_what_is_divided_by() -> None:
    found = last_year_weights(a_year_before([1, 1, 1, 1], [4, 3, 2, 1]), START, day(5), CTR)
    assert found is not None
    assert found.tolist() == [4, 3, 2, 1]


def test_a_day_of_last_year_that_is_not_known_counts_as_the_mean_of_its_weekday() -> None:
    values = [float(i) for i in range(14)]
    values[8] = nan
    found = last_year_weights(a_year_before(values), START, day(15), SESSIONS)
    assert found is not None
    assert found[8] == 1.0  # the only other day of its weekday
    assert found[9] == 9.0


@pytest.mark.parametrize("values", [[4, 3, 2], [nan, 3, 2, 1], [0, 0, 0, 0], []])
def test_too_little_of_last_year_has_no_shape(values: list[float]) -> None:
    assert last_year_weights(a_year_before(values), START, day(5), SESSIONS) is None


def test_a_series_that_begins_within_last_years_days_is_put_on_its_own_days() -> None:
    young = a_year_before([5.0] * 9)
    later = replace(young, first_day=young.first_day + timedelta(days=1))
    found = last_year_weights(later, START, day(11), SESSIONS)
    assert found is not None
    assert found.tolist() == [5.0] * 10  # the first day is filled in
    # one week of ten days is less than four fifths
    assert last_year_weights(a_year_before([5.0] * 7), START, day(11), SESSIONS) is None


def test_days_of_the_period_itself_are_no_last_year() -> None:
    # a period of 366 days after 364 of a year: its last two count as the mean of their weekday
    a_year = a_year_before([1.0] * 364 + [99.0] * 60)
    found = last_year_weights(a_year, START, day(367), SESSIONS)
    assert found is not None
    assert found.tolist() == [1.0] * 366


# --- weekdays ---------------------------------------------------------------------------------


def weeks_before(values: list[float], weeks: int = 8) -> Series:
    """The same week, from Thursday on, ``weeks`` times up to the eve of the period."""
    days = np.array(values * weeks)
    return Series(
        "", "", START - timedelta(weeks=weeks), days, None, np.ones(len(days), dtype=np.bool_)
    )


def test_a_day_weighs_what_its_weekday_brought_in_the_weeks_before() -> None:
    # the period begins on a Thursday too
    week = [4.0, 5.0, 0.0, 0.0, 1.0, 2.0, 3.0]
    found = weekday_weights(weeks_before(week), START, day(11), SESSIONS)
    assert found is not None
    assert found.tolist() == [*week, 4.0, 5.0, 0.0]


def test_of_uneven_weeks_it_is_the_mean_of_what_is_known() -> None:
    rising = weeks_before([1.0] * 7, weeks=4).numerator.tolist() + [3.0] * 28
    rising[-7] = nan
    known = replace(weeks_before([0.0] * 7), numerator=np.array(rising))
    found = weekday_weights(known, START, day(3), SESSIONS)
    assert found is not None
    # four times 1 and, on the Thursday of the last week unknown, three times 3: 13 over 7
    assert found.tolist() == [pytest.approx(13 / 7), 2.0]


def test_a_weekday_seen_three_times_is_not_learned() -> None:
    assert weekday_weights(weeks_before([1.0] * 7, weeks=4), START, day(8), SESSIONS) is not None
    assert weekday_weights(weeks_before([1.0] * 7, weeks=3), START, day(8), SESSIONS) is None
    assert weekday_weights(weeks_before([0.0] * 7), START, day(8), SESSIONS) is None


def test_a_sum_goes_by_last_year_or_else_by_its_weekdays_and_a_ratio_when_told_to() -> None:
    a_sum, week = target(at_least=800.0), [4.0, 5.0, 0.0, 0.0, 1.0, 2.0, 3.0]
    by_weekday = pace_shape(a_sum, SESSIONS, weeks_before(week), START, day(5))
    assert by_weekday is not None
    assert by_weekday.tolist() == [4.0, 5.0, 0.0, 0.0]
    by_year = pace_shape(a_sum, SESSIONS, a_year_before([4, 3, 2, 1]), START, day(5))
    assert by_year is not None
    assert by_year.tolist() == [4, 3, 2, 1]
    last_year = a_year_before([1, 1, 1, 1], [4, 3, 2, 1])
    straight, shaped = target(from_=1.0, to=2.0), target(from_=1.0, to=2.0, path="last_year")
    assert pace_shape(straight, CTR, last_year, START, day(5)) is None
    told = pace_shape(shaped, CTR, last_year, START, day(5))
    assert told is not None
    assert told.tolist() == [4, 3, 2, 1]


# --- in the verdict ---------------------------------------------------------------------------


def test_a_sum_that_comes_in_late_every_year_is_on_pace_while_it_does() -> None:
    # four weeks; last year a quarter came in during the first two
    start, end = date(2026, 11, 1), date(2026, 11, 29)
    period = Period(start=start, end=end)
    a_target = target(at_least=800.0).model_copy(update={"period": period})
    past, now = [10.0] * 14 + [30.0] * 14, [15.0] * 14
    rows = [
        DaySums(first + timedelta(days=i), value, None)
        for first, values in ((start - timedelta(weeks=52), past), (start, now))
        for i, value in enumerate(values)
    ]
    told = judge(a_target, SESSIONS, rows, date(2026, 11, 15))[0]
    assert (told.value, told.expected, told.reason) == (210.0, pytest.approx(200.0), "on_pace")
    alone = judge(a_target, SESSIONS, rows[28:], date(2026, 11, 15))[0]
    assert (alone.expected, alone.reason) == (400.0, "off_pace")


def test_the_verdict_follows_the_steps_of_a_goal() -> None:
    end = date(2026, 10, 29)
    steps = ((date(2026, 10, 14), 0.031),)
    goal = Goal(kind="from_to", from_=0.03, to=0.05, path="steps", steps=steps)
    a_target = target(window=7, from_=0.03, to=0.05).model_copy(
        update={"goal": goal, "period": Period(start=START, end=end)}
    )
    rows = [DaySums(START + timedelta(days=i - 7), 3_100.0, 100_000.0) for i in range(21)]
    told = judge(a_target, CTR, rows, date(2026, 10, 15))[0]
    assert (told.expected, told.reason) == (pytest.approx(0.031), "on_path")
    straight = target(window=7, from_=0.03, to=0.05).model_copy(
        update={"period": Period(start=START, end=end)}
    )
    assert judge(straight, CTR, rows, date(2026, 10, 15))[0].reason == "off_path"
