"""Scoring the odds by hand, replaying a past, and the bench of `make calibrate` in short."""

from collections.abc import Callable
from datetime import date, timedelta
from math import isnan, sqrt

import numpy as np
import pytest

from flows.targets.calibration import Forecast, Outcome, replay, score
from flows.targets.projection import project
from tests.bench.calibrate import (
    PROJECTIONS,
    UNKNOWN_SEASON,
    Daily,
    measure_interval,
    measure_lateness,
    measure_projection,
)

FIRST = date(2025, 1, 6)
# Seconds instead of minutes, so bounds are wider; the seed is not that of the bench.
SEED = 7


def forecast(period: str, probability: float, naive: float, low: float = 0.0) -> Forecast:
    return Forecast(period, low, 10.0, probability, naive)


def test_a_score_is_what_it_says() -> None:
    found = score(
        [
            forecast("a", 0.8, 1.0),
            forecast("a", 0.6, 1.0, low=6.0),
            forecast("b", 0.2, 1.0),
            forecast("b", 0.9, 0.0),
        ],
        [Outcome(5, True), Outcome(5, True), Outcome(5, False), Outcome(11, True)],
    )
    assert found is not None
    # the second interval begins above 5 and the last ends below 11
    assert found.coverage == 0.5
    # (.04 + .16 + .04 + .01) / 4 and (0 + 0 + 1 + 1) / 4
    assert (found.brier, found.naive_brier) == pytest.approx((0.0625, 0.5))
    assert found.gain == pytest.approx(0.4375)
    # by period the differences from the mean add up to ∓1.075: √(2 · 1.075² · 2/1) / 4
    error = sqrt(2 * 1.075**2 * 2) / 4
    assert (found.gain_low, found.gain_high) == pytest.approx(
        (0.4375 - 1.96 * error, 0.4375 + 1.96 * error)
    )
    assert (found.forecasts, found.periods) == (4, 2)
    assert [(b.low, b.count, b.said, b.came) for b in found.bins] == [
        (0.1, 1, 0.2, 0.0),
        (0.5, 1, 0.6, 1.0),
        (0.7, 1, 0.8, 1.0),
        (0.9, 1, 0.9, 1.0),
    ]


def test_nothing_is_scored_of_nothing_and_one_period_has_no_error() -> None:
    assert score([], []) is None
    with pytest.raises(ValueError, match="1 forecasts and 0 outcomes"):
        score([forecast("a", 0.5, 1.0)], [])
    alone = score([forecast("a", 0.5, 1.0)], [Outcome(5, True)])
    assert alone is not None and isnan(alone.gain_low)


def test_a_replay_says_what_was_said_then() -> None:
    daily = np.random.default_rng(2).poisson(100, 300).astype(np.float64)
    said, came = replay(FIRST, daily, checkpoints=(0.5,), goal_factors=(1.0, 1.02))
    # 300 days hold quarters from day 118 and 209; before the first lie 112 days at least
    assert len(said) == len(came) == 4
    begin, stop = 209, 300
    goal = daily[begin - 56 : begin].mean() * 91 * 1.02
    then = project(
        FIRST,
        daily[: begin + 46],  # half of 91, rounded to even
        None,
        start=FIRST + timedelta(begin),
        end=FIRST + timedelta(stop),
        low=goal,
    )
    assert then is not None
    assert (said[1].low, said[1].high, said[1].probability) == (
        then.low,
        then.high,
        then.probability,
    )
    assert came[1] == Outcome(daily[begin:stop].sum(), bool(daily[begin:stop].sum() >= goal))
    assert said[1].naive == float(daily[begin : begin + 46].mean() * 91 >= goal)
    assert said[0].period == said[1].period != said[2].period


def test_a_replay_looks_at_nothing_that_came_later() -> None:
    daily = np.random.default_rng(3).poisson(100, 300).astype(np.float64)
    other = daily.copy()
    other[280:] *= 9
    before, _ = replay(FIRST, daily, checkpoints=(0.5,))
    after, came = replay(FIRST, other, checkpoints=(0.5,))
    assert before == after
    assert came[0].is_met


def test_a_lower_is_better_replay_asks_to_stay_below() -> None:
    cost = np.random.default_rng(4).poisson(1000, 300).astype(np.float64)
    customers = np.random.default_rng(5).poisson(20, 300).astype(np.float64)
    high, high_came = replay(FIRST, cost, customers, goal_factors=(1.0,))
    low, low_came = replay(FIRST, cost, customers, goal_factors=(1.0,), lower_is_better=True)
    assert [a.probability + b.probability for a, b in zip(high, low, strict=True)] == pytest.approx(
        [1.0] * len(high)
    )
    assert [a.is_met for a in high_came] == [not a.is_met for a in low_came]


def test_a_period_with_a_day_of_which_nothing_is_known_has_no_outcome() -> None:
    daily = np.random.default_rng(6).poisson(100, 300).astype(np.float64)
    daily[250] = np.nan
    said, _ = replay(FIRST, daily, checkpoints=(0.5,), goal_factors=(1.0,))
    assert len(said) == 1
    assert replay(FIRST, daily[:150]) == ([], [])


@pytest.mark.parametrize("kind", PROJECTIONS)
def test_four_in_five_intervals_hold_and_the_odds_beat_naive_pacing(kind: str) -> None:
    found = measure_projection(kind, SEED, 30)
    assert 0.70 <= found.coverage <= 0.90
    assert found.brier < found.naive_brier


def test_a_first_peak_cannot_be_foreseen_so_the_season_is_called_unknown() -> None:
    assert measure_projection(UNKNOWN_SEASON, SEED, 10).coverage < 0.6


@pytest.mark.parametrize("kind", ["rate", "ratio"])
def test_four_in_five_intervals_of_the_value_now_hold(kind: str) -> None:
    assert 0.72 <= measure_interval(kind, SEED, 300) <= 0.89


@pytest.mark.parametrize(("lag", "most"), [("e-commerce", 0.10), ("lead generation", 0.15)])
def test_learned_completeness_takes_the_bias_out_of_a_trailing_roas(lag: str, most: float) -> None:
    late = measure_lateness(lag, SEED, 3)
    assert abs(late["learned"].bias) < 0.02
    assert late["learned"].false_below <= most
    assert late["raw"].bias < -0.05


@pytest.mark.parametrize(
    "worse",
    [
        lambda said: said.probability**0.2,  # always hopeful
        lambda said: 0.5,  # knows nothing
    ],
)
def test_worse_odds_score_worse(worse: Callable[[Forecast], float]) -> None:
    random = np.random.default_rng(SEED)
    daily = Daily(
        FIRST, random.poisson(100 * np.exp(np.cumsum(random.normal(0, 0.02, 1096)))) + 0.0
    )
    said, came = replay(FIRST, daily.numerator)
    other = [Forecast(f.period, f.low, f.high, worse(f), f.naive) for f in said]
    ours, theirs = score(said, came), score(other, came)
    assert ours is not None and theirs is not None
    assert ours.brier < theirs.brier
