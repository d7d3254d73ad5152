"""How sure a value is: expected numbers are worked out by hand in the case."""

from math import isfinite, sqrt

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.targets.intervals import (
    Kind,
    benjamini_hochberg,
    chance_of_no_worse,
    days_until,
    dispersion,
    minimum_of_rate,
    value_interval,
)

Array = npt.NDArray[np.float64]


# --- the value now ----------------------------------------------------------------------------


def test_a_rate_with_few_days_has_wilsons_interval_at_half_its_counts() -> None:
    # 30 of 1,000 over ten days: too few days to learn from, so φκ = 2 and n = 500
    said = value_interval("rate", np.full(10, 3.0), np.full(10, 100.0), 10)
    assert said is not None
    # z = 1.28155: middle (.03 + z²/1000)/(1 + z²/500), half z·√(.03·.97/500 + z²/1e6)/(1 + z²/500)
    assert (said.value, said.low, said.high) == pytest.approx((0.03, 0.021658, 0.041420), abs=1e-6)


def test_days_that_vary_more_than_chance_widen_a_rate() -> None:
    seen = np.full(84, 1000.0)
    calm = np.tile([29.0, 31, 30, 28, 32, 30, 30], 12)
    wild = np.tile([5.0, 55, 30, 10, 50, 30, 30], 12)
    narrow, wide = (value_interval("rate", clicks, seen, 28) for clicks in (calm, wild))
    assert narrow is not None and wide is not None
    assert narrow.value == wide.value == pytest.approx(0.03)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    # 12 weeks × 2·(25² + 20²) over 1000 × .03 × .97 = 29.1 a day, 83 degrees of freedom
    assert dispersion(wild, seen) == pytest.approx(12 * 2050 / 29.1 / 83)
    assert dispersion(calm, seen) == 1.0


def test_dispersion_of_too_few_events_is_not_guessed() -> None:
    assert dispersion(np.tile([0.0, 0, 1], 12), np.full(36, 50.0)) == 2.0
    assert dispersion(np.full(20, 30.0), np.full(20, 1000.0)) == 2.0


def test_good_days_in_a_row_say_less_than_as_many_apart() -> None:
    seen = np.full(84, 1000.0)
    in_a_row = value_interval("rate", np.tile([20.0] * 7 + [40.0] * 7, 6), seen, 28)
    in_turn = value_interval("rate", np.tile([20.0, 40.0], 42), seen, 28)
    assert in_a_row is not None and in_turn is not None
    assert in_a_row.high - in_a_row.low > 1.3 * (in_turn.high - in_turn.low)


def test_a_ratio_has_the_interval_of_its_days() -> None:
    # R = 4; residuals ±50; V = 4·2500·(4/3)/400²; t₃ at .9 = 1.63774
    said = value_interval("ratio", np.array([350.0, 450, 350, 450]), np.full(4, 100.0), 28)
    assert said is not None
    half = 1.63774 * sqrt(10_000 * 4 / 3 / 400**2)
    assert (said.value, said.low, said.high) == pytest.approx((4.0, 4 - half, 4 + half), abs=1e-4)


def test_young_days_count_for_what_is_in() -> None:
    cost = np.full(30, 100.0)
    value, share, error = np.full(30, 400.0), np.ones(30), np.zeros(30)
    value[::2] += 20
    value[-5:] *= 0.5
    share[-5:] = 0.5
    sure = value_interval("ratio", value, cost, 28, completeness=share, completeness_error=error)
    error[-5:] = 0.4
    unsure = value_interval("ratio", value, cost, 28, completeness=share, completeness_error=error)
    assert sure is not None and unsure is not None
    assert sure.value == pytest.approx(4.1, abs=0.02)
    assert unsure.value == sure.value
    assert unsure.high - unsure.low > 1.2 * (sure.high - sure.low)


def test_a_sum_is_known_but_for_what_is_still_to_come_in() -> None:
    counted = np.array([10.0, 10, 10, 5])
    plain = value_interval("sum", counted, None, 3)
    assert plain is not None
    assert (plain.low, plain.value, plain.high) == (25, 25, 25)
    share, error = np.array([1, 1, 1, 0.5]), np.array([0, 0, 0, 0.1])
    said = value_interval("sum", counted, None, 3, completeness=share, completeness_error=error)
    assert said is not None
    # a level of 25/2.5 a day, so 5 to come; that errs by 10·(.05 + .05·.5/2.5) = .6
    assert (said.value, said.high) == pytest.approx((30, 30 + 1.28155 * 0.6), abs=1e-4)


@pytest.mark.parametrize("kind", ["rate", "ratio", "sum"])
def test_no_days_have_no_interval(kind: Kind) -> None:
    nothing = np.full(5, np.nan)
    assert value_interval(kind, nothing, None if kind == "sum" else nothing, 5) is None
    assert value_interval("ratio", np.ones(5), np.zeros(5), 5) is None


def test_four_in_five_intervals_of_a_rate_hold_the_truth() -> None:
    random = np.random.default_rng(5)
    held = 0
    for _ in range(400):
        logit = np.log(0.03 / 0.97) + random.normal(0, 0.15, 84)
        rate = 1 / (1 + np.exp(-logit))
        clicks = random.binomial(1000, rate).astype(np.float64)
        said = value_interval("rate", clicks, np.full(84, 1000.0), 28)
        assert said is not None
        held += said.low <= (1 / (1 + np.exp(-np.log(0.03 / 0.97)))) * 1.01 <= said.high
    assert 0.74 <= held / 400 <= 0.87


# --- the least volume -------------------------------------------------------------------------


def test_the_minimum_of_a_rate_follows_the_formula_and_the_dispersion() -> None:
    assert minimum_of_rate(0.03) == 2656  # 1.2816² · 2 · .97 / (.04 · .03) = 2655.4
    assert minimum_of_rate(0.03, 1.0) == 1328
    assert minimum_of_rate(1.2) is None
    assert minimum_of_rate(0.0) is None
    assert minimum_of_rate(0.03, float("nan")) is None


def test_how_long_it_takes_follows_the_present_volume() -> None:
    # the mean of the known days is 100
    daily = np.array([np.nan, 50.0, 150.0, 100.0])
    assert days_until(1000, 300, daily) == 7
    assert days_until(1000, 350, daily) == 7  # 6.5
    assert days_until(1000, 1000, daily) == 0
    assert days_until(1000, 300, np.zeros(5)) is None
    # a window of a week never holds more than 700
    assert days_until(1000, 300, daily, window_days=7) is None
    assert days_until(1000, 300, daily, window_days=10) == 7


# --- which segments are worse -----------------------------------------------------------------


def test_a_rate_far_below_its_limit_is_hardly_chance_and_one_above_it_is() -> None:
    seen = np.full(30, 200.0)

    def p(clicks_a_day: float, **more: bool) -> float:
        clicks = np.full(30, clicks_a_day)
        return chance_of_no_worse("rate", clicks, seen, 28, limit=0.03, **more)

    assert p(2.0) < 0.001
    assert 0.4 < p(6.0) < 0.6
    assert p(9.0) > 0.99
    assert p(9.0, lower_is_better=True) < 0.001


def test_no_revenue_at_all_is_strong_evidence_only_after_many_days() -> None:
    cost = np.full(28, 100.0)
    # a t-test of −400 a day about zero: √28 and √2
    assert chance_of_no_worse("ratio", np.zeros(28), cost, 28, limit=4.0) < 1e-4
    assert chance_of_no_worse("ratio", np.zeros(2), cost[:2], 28, limit=4.0) == pytest.approx(
        0.5 - np.arctan(sqrt(2)) / np.pi
    )
    assert chance_of_no_worse("ratio", np.zeros(1), cost[:1], 28, limit=4.0) == 1.0


def test_benjamini_and_hochberg_claim_what_the_whole_row_bears() -> None:
    # ranks .02 .04 .06 .08 .1: the third passes, so everything up to it does
    p = [0.06, 0.5, 0.03, 0.05, 0.9]
    assert benjamini_hochberg(p).tolist() == [True, False, True, True, False]
    assert benjamini_hochberg([0.03, 0.5, 0.9, 0.5, 0.5]).tolist() == [False] * 5
    assert benjamini_hochberg([float("nan"), 0.001]).tolist() == [False, True]
    assert benjamini_hochberg([]).tolist() == []


def test_of_many_healthy_segments_hardly_one_is_ever_claimed() -> None:
    random = np.random.default_rng(3)
    false = 0
    for _ in range(200):
        p = []
        for _ in range(20):
            orders = random.poisson(6, 28)
            value = np.array([random.lognormal(4.1, 0.8, n).sum() for n in orders])
            p.append(chance_of_no_worse("ratio", value, np.full(28, 120.0), 28, limit=3.6))
        false += bool(benjamini_hochberg(p).any())
    # truly 6 · e^(4.1 + .32) / 120 = 4.15 against 3.6
    assert false / 200 < 0.1


values = st.one_of(st.floats(0, 1e9), st.sampled_from([0.0, float("nan"), -4.0, 1e-12]))


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.tuples(values, values, st.floats(0, 1), st.floats(0, 1)), max_size=60),
    kind=st.sampled_from(["rate", "ratio", "sum"]),
    window=st.integers(1, 60),
)
def test_no_bound_is_ever_not_finite(
    rows: list[tuple[float, float, float, float]], kind: Kind, window: int
) -> None:
    top, bottom, share, error = (
        np.array([row[i] for row in rows], dtype=np.float64) for i in range(4)
    )
    said = value_interval(
        kind,
        top,
        None if kind == "sum" else np.abs(bottom),
        window,
        completeness=share,
        completeness_error=error,
    )
    if said is not None:
        assert isfinite(said.low) and isfinite(said.high)
        assert said.low <= said.value <= said.high
    if kind != "sum":
        chance = chance_of_no_worse(kind, top, np.abs(bottom), window, limit=0.5)
        assert 0 <= chance <= 1
        assert isfinite(dispersion(top, np.abs(bottom)))


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 999), unit=st.sampled_from([1e-6, 100.0]), other=st.sampled_from([0.01, 9])
)
def test_units_do_not_matter_to_a_ratio(seed: int, unit: float, other: float) -> None:
    random = np.random.default_rng(seed)
    value, cost = random.gamma(2, 100, 40), random.gamma(9, 10, 40)
    plain = value_interval("ratio", value, cost, 28)
    scaled = value_interval("ratio", value * unit, cost * other, 28)
    assert plain is not None and scaled is not None
    assert scaled.low == pytest.approx(plain.low * unit / other)
    assert scaled.high == pytest.approx(plain.high * unit / other)
    claims = [
        chance_of_no_worse("ratio", value * u, cost * o, 28, limit=2.0 * u / o)
        for u, o in ((1.0, 1.0), (unit, other))
    ]
    assert claims[0] == pytest.approx(claims[1])
