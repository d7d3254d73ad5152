"""A goal held against what the account has done before."""

from __future__ import annotations

from datetime import date, timedelta
from math import atan, isfinite, log, nan, pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.targets.realism import Realism, judge_realism, measure_baseline, verdict_of

START = date(2026, 10, 1)

DOUBLING = [1.0, 2.0, 2.0, 4.0, 4.0]


def first_of(days: int) -> date:
    """The first day of a past that ends on the eve of the period."""
    return START - timedelta(days=days)


def tomorrow(
    values: list[float],
    low: float | None = None,
    high: float | None = None,
    *,
    denominator: list[float] | None = None,
    is_sum: bool = True,
) -> Realism:
    """A goal for the next day, judged against the day before."""
    bottom = None if is_sum else np.array(denominator or [1.0] * len(values))
    return judge_realism(
        first_of(len(values)),
        np.array(values),
        bottom,
        start=START,
        end=START + timedelta(days=1),
        low=low,
        high=high,
        window_days=1,
    )


def above(t: float) -> float:
    """The upper tail of Student's t with three degrees of freedom, from its closed form."""
    x = t / sqrt(3)
    return 0.5 - (x / (1 + x * x) + atan(x)) / pi


def test_the_growth_that_is_asked_is_held_against_that_of_the_past() -> None:
    # growth of ln 2, 0, ln 2 and 0: half its mean is a quarter of ln 2, its spread ln 2 / 2 over
    # four windows, so ln 2 / 2 * sqrt(4/3) * sqrt(5/4). Twice the base asks for ln 2.
    spread = log(2) / 2 * sqrt(5 / 3)
    found = tomorrow(DOUBLING, low=8.0)
    assert found.chance == pytest.approx(above((log(2) - log(2) / 4) / spread))
    assert found.chance == pytest.approx(0.165, abs=0.001)
    assert (found.verdict, found.base, found.windows) == ("stretch", 4.0, 4.0)
    assert found.base_from == found.base_through == date(2026, 9, 30)
    # 10% of Student's t with three degrees of freedom lies beyond 1.6377
    assert found.usual_low == pytest.approx(4 * 2 ** (0.25 - 1.6377 * sqrt(5 / 3) / 2), rel=1e-3)
    assert found.usual_high == pytest.approx(4 * 2 ** (0.25 + 1.6377 * sqrt(5 / 3) / 2), rel=1e-3)


def test_at_most_is_the_other_side_and_a_band_what_lies_between() -> None:
    at_least, at_most = tomorrow(DOUBLING, low=8.0).chance, tomorrow(DOUBLING, high=8.0).chance
    less = tomorrow(DOUBLING, high=4.0).chance
    band = tomorrow(DOUBLING, low=4.0, high=8.0).chance
    assert at_least is not None and at_most is not None and less is not None
    assert at_least + at_most == pytest.approx(1)
    assert band == pytest.approx(at_most - less)


def test_a_ratio_is_divided_once_over_each_window() -> None:
    dear = [2 * value for value in DOUBLING]
    as_sum = tomorrow(DOUBLING, low=8.0)
    as_ratio = tomorrow(dear, low=8.0, denominator=[2.0] * 5, is_sum=False)
    assert as_ratio == as_sum


def test_a_sum_is_asked_for_the_whole_period() -> None:
    # 28 days before, a period of two days: the goal of 200 is 100 a day
    rng = np.random.default_rng(5)
    values = 100 * np.exp(rng.normal(0, 0.1, 60))
    ends = START + timedelta(days=2)
    total = judge_realism(first_of(60), values, None, start=START, end=ends, low=200.0, high=None)
    daily = judge_realism(
        first_of(60), values, np.ones(60), start=START, end=ends, low=100.0, high=None
    )
    assert total.chance == pytest.approx(daily.chance)
    assert total.usual_low is not None and daily.usual_low is not None
    assert total.usual_low == pytest.approx(2 * daily.usual_low)
    # 60 days less 28 of the base and 2 of the outcome are 31 windows of two days, one after
    # another 1 + 30/2
    assert total.windows == 16


def test_days_of_the_period_itself_are_not_looked_at() -> None:
    past = np.array(DOUBLING)
    grown = np.array([*DOUBLING, 900.0, 900.0])
    judged = [
        judge_realism(
            first_of(5), values, None,
            start=START, end=START + timedelta(days=1), low=8.0, high=None, window_days=1,
        )
        for values in (past, grown)
    ]  # fmt: skip
    assert judged[0] == judged[1]


def test_a_past_that_never_moved_makes_more_without_precedent_and_the_same_comfortable() -> None:
    assert tomorrow([3.0] * 9, low=3.0).verdict == "comfortable"
    assert tomorrow([3.0] * 9, low=3.1).verdict == "without_precedent"
    assert tomorrow([3.0] * 9, high=2.9).verdict == "without_precedent"


@pytest.mark.parametrize(
    ("chance", "verdict"),
    [
        (0.5, "comfortable"),
        (0.499, "ambitious"),
        (0.2, "ambitious"),
        (0.199, "stretch"),
        (0.05, "stretch"),
        (0.049, "without_precedent"),
    ],
)
def test_a_chance_has_a_name(chance: float, verdict: str) -> None:
    assert verdict_of(chance) == verdict


def test_too_short_a_past_says_how_much_is_lacking() -> None:
    # a base of one day and three periods of one day are four days
    assert tomorrow([1.0, 2.0, 2.0, 4.0], low=8.0).verdict != "unknown"
    short = tomorrow([1.0, 2.0, 2.0], low=8.0)
    assert (short.verdict, short.chance, short.days_lacking) == ("unknown", None, 1)
    assert short.base == 2.0
    assert tomorrow([1.0], low=8.0).days_lacking == 3
    assert tomorrow([], low=8.0).days_lacking == 4
    # a base of 28 days and three quarters of 92 are 304 days
    quarter = judge_realism(
        first_of(100), np.ones(100), None,
        start=START, end=date(2027, 1, 1), low=92.0, high=None,
    )  # fmt: skip
    assert (quarter.verdict, quarter.days_lacking) == ("unknown", 204)


@pytest.mark.parametrize("values", [[0.0] * 9, [nan] * 9, [4.0] * 8 + [0.0]])
def test_without_a_value_to_start_from_nothing_is_said(values: list[float]) -> None:
    found = tomorrow(values, low=8.0)
    assert (found.verdict, found.chance, found.base) == ("unknown", None, None)


def test_after_a_gap_the_goal_starts_from_what_was_before_it() -> None:
    found = tomorrow([*DOUBLING, nan, nan], low=8.0)
    assert (found.base, found.base_through) == (4.0, START - timedelta(days=3))
    assert found.chance == tomorrow(DOUBLING, low=8.0).chance
    # longer ago than four weeks it is no start any more
    assert tomorrow([*DOUBLING, *[nan] * 29], low=8.0).base is None


def test_a_gap_in_the_past_costs_the_windows_that_it_lies_in() -> None:
    # of the growth from each day to the next the two around the gap are lost
    whole, with_gap = (
        [1.0, 2.0, 2.0, 4.0, 4.0, 4.0, 4.0, 8.0],
        [1.0, 2.0, nan, 4.0, 4.0, 4.0, 4.0, 8.0],
    )
    assert tomorrow(whole, low=8.0).windows == 7
    assert tomorrow(with_gap, low=8.0).windows == 5


def test_days_that_are_not_wholly_in_are_completed() -> None:
    values = np.array([*DOUBLING, 2.0])
    completeness = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.5])
    found = judge_realism(
        first_of(6), values, None,
        start=START, end=START + timedelta(days=1), low=8.0, high=None,
        window_days=1, completeness=completeness,
    )  # fmt: skip
    assert found.base is not None
    assert found.base > 2.0


@given(
    values=st.lists(st.floats(0, 1e9) | st.just(nan), max_size=60),
    goal=st.floats(0, 1e12),
    more=st.floats(1, 10),
    length=st.integers(1, 5),
)
def test_a_higher_goal_is_never_easier_and_every_figure_is_finite(
    values: list[float], goal: float, more: float, length: int
) -> None:
    def found(low: float) -> Realism:
        return judge_realism(
            first_of(len(values)), np.array(values), None,
            start=START, end=START + timedelta(days=length), low=low, high=None, window_days=1,
        )  # fmt: skip

    easy, hard = found(goal), found(goal * more)
    assert (easy.chance is None) == (easy.verdict == "unknown")
    if easy.chance is not None and hard.chance is not None:
        assert 0 <= hard.chance <= easy.chance + 1e-12 <= 1 + 1e-12
        assert easy.usual_low is not None and easy.usual_high is not None
        assert isfinite(easy.usual_low) and isfinite(easy.usual_high)
        assert 0 <= easy.usual_low <= easy.usual_high


def test_what_is_usual_happens_about_four_times_in_five_and_chances_keep_their_word() -> None:
    rng = np.random.default_rng(20)
    inside, chances, hits = [], [], []
    for _ in range(300):
        days, length = int(rng.choice([340, 500, 730])), int(rng.choice([30, 61, 92]))
        level = np.cumsum(
            rng.normal(rng.normal(0, 0.0006), rng.choice([0.003, 0.01]), days + length)
        )
        volume = rng.poisson(8000 * np.exp(rng.normal(0, 0.15, days + length))).astype(float)
        clicks = rng.poisson(volume * 0.03 * np.exp(level)).astype(float)
        base = clicks[days - 28 : days].sum() / volume[days - 28 : days].sum()
        goal = base * float(np.exp(rng.normal(0.05, 0.2)))
        found = judge_realism(
            first_of(days), clicks[:days], volume[:days],
            start=START, end=START + timedelta(days=length), low=goal, high=None,
        )  # fmt: skip
        outcome = clicks[days:].sum() / volume[days:].sum()
        assert found.chance is not None
        assert found.usual_low is not None and found.usual_high is not None
        inside.append(found.usual_low <= outcome <= found.usual_high)
        chances.append(found.chance)
        hits.append(outcome >= goal)
    told, came = np.array(chances), np.array(hits)
    assert 0.72 <= np.mean(inside) <= 0.88
    assert came[told < 0.05].mean() < 0.05
    assert came[told >= 0.5].mean() > 0.75
    brier, constant = np.mean((told - came) ** 2), np.var(came)
    assert brier < 0.5 * constant


# --- the baseline -----------------------------------------------------------------------------


def test_the_baseline_is_measured_over_the_window_before_the_period() -> None:
    clicks, shown = np.array([9.0, 1.0, 2.0, 3.0, 8.0]), np.array([9.0, 10.0, 20.0, 30.0, 9.0])
    found = measure_baseline(first_of(4), clicks, shown, start=START, window_days=3)
    assert found is not None
    assert (found.value, found.numerator, found.denominator) == (0.1, 6.0, 60.0)
    assert (found.first, found.last) == (date(2026, 9, 28), date(2026, 9, 30))


def test_before_the_period_begins_the_last_days_there_are_are_the_baseline() -> None:
    found = measure_baseline(
        first_of(10), np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 30.0]),
        start=START, window_days=2,
    )  # fmt: skip
    assert found is not None
    assert (found.value, found.last) == (0.1, START - timedelta(days=8))


def test_the_baseline_of_a_sum_fills_in_what_is_not_known() -> None:
    # four of five days are known: 40 over four days is 50 over five
    found = measure_baseline(
        first_of(5), np.array([10.0, 10.0, nan, 10.0, 10.0]), None, start=START, window_days=5
    )
    assert found is not None
    assert (found.value, found.numerator, found.denominator) == (50.0, 40.0, None)


@pytest.mark.parametrize(
    ("values", "denominator"),
    [([1.0, 1.0], [1.0, 1.0]), ([1.0, nan, 1.0], [1.0, 1.0, 1.0]), ([0.0] * 3, [0.0] * 3)],
)
def test_too_little_before_the_period_is_no_baseline(
    values: list[float], denominator: list[float]
) -> None:
    found = measure_baseline(
        first_of(len(values)), np.array(values), np.array(denominator), start=START, window_days=3
    )
    assert found is None
