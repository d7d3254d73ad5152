"""How much of a young day is in, and what is made of it."""

from __future__ import annotations

from datetime import date
from math import exp, inf, log, nan

import numpy as np
import pytest

from flows.targets.completeness import (
    FLOOR,
    Z80,
    FloatArray,
    IntArray,
    LagBuckets,
    LagCurve,
    Part,
    Reads,
    adjusted_ratio,
    adjusted_sum,
    completed,
    curve_of_buckets,
    learn,
    series_completeness,
    widened,
)


def reads(*told: tuple[int, int, float]) -> Reads:
    """Reads as (day, age, value)."""
    day, age, value = zip(*told, strict=True)
    return Reads(np.array(day), np.array(age), np.array(value, np.float64))


def curve(*share: float, error: float = 0.1) -> LagCurve:
    """A curve from age 0 on, with the same error at every age but the last."""
    errors = np.array([inf, *[error] * (len(share) - 2), 0.0])
    return LagCurve(np.array(share), errors, 10, "history")


def known(learned: LagCurve | None) -> LagCurve:
    assert learned is not None
    return learned


# --- learning -------------------------------------------------------------------------------------


def test_the_steps_between_two_ages_are_sums_over_days_divided_once() -> None:
    learned = known(
        learn(reads((1, 1, 10), (1, 2, 15), (1, 3, 20), (2, 1, 30), (2, 2, 35)), final_age=3)
    )
    # at age 2 (10 + 30) of 15 + 35 were in at age 1, at age 3 15 of 20 at age 2
    assert learned.share == pytest.approx([0.0, 0.8 * 0.75, 0.75, 1.0])
    assert (learned.learned_from, learned.youngest, learned.final_age) == ("history", 1, 3)
    # the runs as of day 3 (twice) and day 4 read something again
    assert learned.snapshots == 2


def test_days_without_anything_and_corrections_do_not_break_the_curve() -> None:
    told = [(day, age, 0.0) for day in (1, 2) for age in (1, 2, 3)]
    told += [(3, 1, 50.0), (3, 2, 110.0), (3, 3, 100.0)]
    learned = known(learn(reads(*told), final_age=3))
    # a tenth too much was taken back: the curve does not fall, and ends at 1
    assert learned.share == pytest.approx([0.0, 0.5, 1.0, 1.0])
    assert learn(reads(*told[:6]), final_age=3) is None  # nothing ever came


def test_four_days_off_lose_nothing_of_what_arrived_meanwhile() -> None:
    learned = known(learn(reads((1, 1, 10), (1, 6, 20), (2, 1, 30), (2, 6, 60)), final_age=6))
    assert learned.share[1] == pytest.approx(0.5)
    assert (np.diff(learned.share[1:]) >= 0).all()
    # a day that was read in between tells where in the gap most of it came: at once
    told = reads((1, 1, 10), (1, 6, 20), *[(d, a, 5.0 + 5 * (a > 1)) for d in (3, 4) for a in R6])
    learned = known(learn(told, final_age=6))
    assert learned.share[1] == pytest.approx(0.5)
    assert learned.share[2] == pytest.approx(1.0, abs=0.02)


R6 = range(1, 7)


def test_a_read_that_changed_nothing_says_that_nothing_came() -> None:
    learned = known(learn(reads((1, 1, 10), (1, 2, 10), (1, 3, 20)), final_age=3))
    assert learned.share == pytest.approx([0.0, 0.5, 0.5, 1.0])


def test_days_never_seen_young_teach_nothing_about_young_ages() -> None:
    learned = known(learn(reads((1, 10, 90), (1, 11, 96), (1, 12, 100)), final_age=12))
    assert learned.youngest == 10
    assert np.isnan(learned.share[1:10]).all()
    assert learned.share[10:] == pytest.approx([0.9, 0.96, 1.0])
    share, error = learned.at(np.array([1, 10, 400, -1]))
    assert share == pytest.approx([nan, 0.9, 1.0, nan], nan_ok=True)
    assert np.isnan(error[[0, 3]]).all() and error[2] == 0


def test_reads_long_after_the_last_age_tell_what_a_day_came_to() -> None:
    learned = known(learn(reads((1, 1, 10), (1, 2, 16), (1, 200, 20)), final_age=3))
    assert learned.share == pytest.approx([0.0, 0.5, 0.8, 1.0])


def test_without_a_second_read_there_is_the_prior_or_nothing() -> None:
    once = reads((1, 1, 10), (2, 1, 20))
    prior = curve(0, 0.5, 0.8, 1)
    assert learn(once, 3) is None
    assert learn(once, 3, prior) is prior


def test_little_seen_stays_near_the_prior_and_much_leaves_it() -> None:
    prior = LagCurve(np.array([0, 0.5, 0.8, 1]), np.array([inf, 0.2, 0.1, 0.0]), 0, "lag_buckets")

    def seen(days: int) -> LagCurve:
        rng = np.random.default_rng(5)
        # 30 and 60 of a hundred conversions come by age 1 and 2, one by one
        split = rng.multinomial(100, [0.3, 0.3, 0.4], days).cumsum(axis=1)
        told = [(d, a + 1, float(split[d, a])) for d in range(days) for a in range(3)]
        return known(learn(reads(*told), 3, prior))

    little, much = seen(1), seen(60)
    assert little.learned_from == much.learned_from == "both"
    assert abs(little.share[1] - 0.5) < abs(little.share[1] - 0.3)
    assert much.share == pytest.approx([0, 0.3, 0.6, 1], abs=0.01)
    assert much.error[1] < little.error[1] < 0.2
    assert much.error[1] >= much.error[2] > 0 == much.error[3]


def test_the_order_of_the_reads_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    told = arriving(rng, "e-commerce", days=60).reads(first_run=40, runs=12)
    order = rng.permutation(len(told.day))
    shuffled = Reads(told.day[order], told.age[order], told.value[order])
    one, other = known(learn(told, 30)), known(learn(shuffled, 30))
    assert np.array_equal(one.share, other.share) and np.array_equal(one.error, other.error)


@pytest.mark.parametrize("seed", range(20))
def test_a_curve_never_falls_ends_at_one_and_is_known_worse_the_younger(seed: int) -> None:
    rng = np.random.default_rng(seed)
    day, age = rng.integers(0, 40, 300), rng.integers(1, 40, 300)
    value = rng.exponential(50, 300) * (rng.random(300) < 0.7) - 5
    value[rng.random(300) < 0.05] = nan
    learned = known(learn(Reads(day, age, value), 30))
    share = learned.share[learned.youngest :]
    assert (np.diff(share) >= 0).all() and share[-1] == 1 and (share >= 0).all()
    assert (np.diff(learned.error[max(learned.youngest, 1) :]) <= 0).all()


# --- lag buckets ----------------------------------------------------------------------------------


def test_buckets_count_on_days_old_enough_for_them_to_be_whole() -> None:
    buckets = LagBuckets(
        age=np.array([100, 100, 100, 2, 2]),
        lower=np.array([0.0, 1, 2, 0, 1]),
        upper=np.array([1.0, 2, 3, 1, 2]),
        amount=np.array([50.0, 30, 20, 700, 100]),  # day 2 had one day, not two, for its last click
    )
    learned = known(curve_of_buckets(buckets, 3))
    # half within a day, eight tenths within two; a day of age 2 has clicks 1 to 2 days old:
    # (.5 + .8) / 2 of all, where one of age 3 has (.8 + 1) / 2
    assert learned.share[2:] == pytest.approx([0.65 / 0.9, 1.0])
    # within the first day most comes early: more than half of the straight line's
    assert 0.25 / 0.9 < learned.share[1] < 0.5 / 0.9
    assert (learned.learned_from, learned.snapshots) == ("lag_buckets", 0)
    assert learned.error[1] > learned.error[2] > learned.error[3] == 0


def test_young_days_tell_of_short_lags_before_any_is_old() -> None:
    buckets = LagBuckets(
        age=np.array([3, 3, 8, 8, 8]),
        lower=np.array([0.0, 1, 0, 1, 2]),
        upper=np.array([1.0, 2, 1, 2, 3]),
        amount=np.array([60.0, 40, 20, 30, 50]),
    )
    learned = known(curve_of_buckets(buckets, 3))
    # of what came within two days (60 + 20) of 150 came within one; of all 50 of 100 within two:
    # .2667 and .5, so a day of age 2 has .3833 where one of age 3 has .75
    assert learned.share[2] == pytest.approx((0.8 / 3 + 0.5) / 2 / 0.75)


def test_where_days_are_never_read_again_there_is_no_curve() -> None:
    one = np.ones(1)
    assert curve_of_buckets(LagBuckets(np.array([9]), 0 * one, one, one), 0) is None
    assert learn(reads((1, 1, 10), (1, 2, 15)), final_age=0) is None
    assert learn(reads((1, 1, 10), (1, 2, 15)), final_age=1) is None


def test_no_conversions_make_no_curve_of_buckets() -> None:
    empty = np.array([], np.float64)
    assert curve_of_buckets(LagBuckets(np.array([], np.int64), empty, empty, empty), 30) is None
    zero = LagBuckets(np.array([50]), np.array([0.0]), np.array([1.0]), np.array([0.0]))
    assert curve_of_buckets(zero, 30) is None


# --- for a series ---------------------------------------------------------------------------------


def test_accounts_count_by_their_weight() -> None:
    slow, fast = curve(0, 0.5, 1, error=0.1), curve(0, 1, 1, error=0)
    parts = [
        Part(slow, np.array([1, 1, 2]), np.array([30.0, 0, 30])),
        Part(fast, np.array([1, 1, 2]), np.array([10.0, 10, 10])),
    ]
    share, error = series_completeness(parts)
    assert share == pytest.approx([(30 * 0.5 + 10) / 40, 1.0, 1.0])
    # only the slow one errs: a tenth of 15 in 25
    assert error == pytest.approx([0.1 * 15 / 25, 0.0, 0.0])


def test_an_account_of_which_nothing_is_known_leaves_out_days_that_are_mostly_its_own() -> None:
    parts = [
        Part(curve(0, 0.5, 1), np.array([1, 1]), np.array([90.0, 70])),
        Part(None, np.array([1, 1]), np.array([10.0, 30])),
    ]
    share, _ = series_completeness(parts)
    assert share == pytest.approx([0.5, nan], nan_ok=True)
    assert all(np.isnan(values).all() for values in series_completeness(parts[1:]))
    assert [len(values) for values in series_completeness([])] == [0, 0]


def test_days_of_such_an_account_are_whole_once_they_are_left_alone() -> None:
    parts = [
        Part(curve(0, 0.5, 1), np.array([1, 30]), np.ones(2)),
        Part(None, np.array([1, 30]), np.ones(2), final_age=30),
    ]
    assert series_completeness(parts)[0] == pytest.approx([nan, 1.0], nan_ok=True)


def test_an_account_weighs_what_it_is_expected_to_bring() -> None:
    half, ages, cost = curve(0, 0.5, 1), np.array([2, 1, 1]), np.array([100.0, 50, nan])
    sells = Part.of(half, ages, np.array([400.0, 100, 9]), cost)
    spends = Part.of(None, ages, np.zeros(3), cost)
    # 500 on 100 and half of 50 of cost; what never sells weighs nothing
    assert sells.weight == pytest.approx([400.0, 200, nan], nan_ok=True)
    assert spends.weight[:2].tolist() == [0, 0]
    assert Part.of(half, ages, np.ones(3), np.zeros(3)).weight.tolist() == [0, 0, 0]
    # the third day has no weight at all: what is known of the others counts
    assert series_completeness([sells, spends])[0] == pytest.approx([1.0, 0.5, 0.5])
    # a sum weighs by its level: 400, then 500 on a day and a half
    of_sum = Part.of(half, ages, np.array([400.0, 100, nan]), None)
    assert of_sum.weight == pytest.approx([400, 500 / 1.5, 500 / 1.5])


def test_a_mixed_ratio_is_right_when_every_account_weighs_what_it_brings() -> None:
    cost = [np.full(28, 100.0), np.full(28, 100.0)]
    final = [8.0 * cost[0], 2.0 * cost[1]]
    curves = [curve(0, *np.linspace(0.4, 1, 28)), curve(0, *np.ones(28))]
    ages = np.arange(28, 0, -1)
    value = [f * c.at(ages)[0] for f, c in zip(final, curves, strict=True)]
    of_accounts = list(zip(curves, value, cost, strict=True))

    def told(parts: list[Part]) -> float:
        share, error = series_completeness(parts)
        found = adjusted_ratio(value[0] + value[1], cost[0] + cost[1], share, error).value
        assert found is not None
        return found

    # 8 and 2 on as much cost are 5 in the end; by cost alone the slow account, which sells
    # the most, would count for too little
    assert told([Part.of(c, ages, v, d) for c, v, d in of_accounts]) == pytest.approx(5.0)
    assert told([Part(c, ages, d) for c, _, d in of_accounts]) < 4.8


def test_days_too_young_too_empty_or_too_badly_known_are_left_out() -> None:
    weight = np.ones(3)
    ages = np.array([1, 2, 3])
    too_little, _ = series_completeness([Part(curve(0, FLOOR - 0.01, 0.5, 1), ages, weight)])
    assert too_little == pytest.approx([nan, 0.5, 1], nan_ok=True)
    young, _ = series_completeness([Part(curve(0, nan, 0.5, 1), ages, weight)])
    assert young == pytest.approx([nan, 0.5, 1], nan_ok=True)
    badly, _ = series_completeness([Part(curve(0, 0.3, 0.5, 1, error=1.5), ages, weight)])
    assert badly == pytest.approx([nan, nan, 1], nan_ok=True)


def test_a_day_without_weight_has_the_plain_mean() -> None:
    parts = [
        Part(curve(0, 0.4, 1), np.array([1, 1]), np.array([0.0, 5])),
        Part(curve(0, 0.6, 1), np.array([1, 1]), np.array([nan, 5])),
    ]
    assert series_completeness(parts)[0] == pytest.approx([0.5, 0.5])


def test_splitting_an_account_in_two_changes_no_completeness() -> None:
    ages, weight = np.array([1, 2, 3]), np.array([5.0, 6, 7])
    one = Part(curve(0, 0.3, 0.7, 1), ages, weight)
    halves = [Part(one.curve, ages, weight * 0.25), Part(one.curve, ages, weight * 0.75)]
    assert series_completeness(halves)[0] == pytest.approx(series_completeness([one])[0])


def test_ages_are_those_of_the_last_read() -> None:
    first = date(2026, 11, 1).toordinal()
    told = reads((first, 1, 5), (first, 4, 6), (first + 2, 2, 7), (first - 9, 30, 8))
    assert told.ages_of(date(2026, 11, 1), 4).tolist() == [4, -1, 2, -1]


# --- applied --------------------------------------------------------------------------------------


def test_a_late_numerator_is_divided_by_what_was_spent_on_what_is_in() -> None:
    value, cost = np.array([400.0, 200, nan, 7]), np.array([100.0, 100, 100, 2])
    share, error = np.array([1.0, 0.5, 0.4, nan]), np.array([0.0, 0.06, 0.1, nan])
    told = adjusted_ratio(value, cost, share, error)
    # 600 of value on 100 + 50; without a figure, or left out, a day is in neither sum
    assert told.value == pytest.approx(4.0)
    assert told.share_in == pytest.approx(150 / 200)
    assert told.error == pytest.approx(0.06 * 50 / 150)
    assert (told.used, told.left_out) == (2, 1)


def test_a_late_denominator_is_met_by_the_cost_of_what_is_in() -> None:
    cost, customers = np.array([100.0, 100]), np.array([4.0, 2])
    told = adjusted_ratio(cost, customers, np.array([1.0, 0.5]), np.zeros(2), "denominator")
    # 150 of cost brought 6 customers so far, where 200 / 6 would be 33.3
    assert told.value == pytest.approx(25.0)
    assert told.share_in == pytest.approx(0.75)


def test_young_days_that_share_a_curve_err_together() -> None:
    value = cost = np.array([10.0, 10])
    told = adjusted_ratio(value, cost, np.array([0.5, 1.0]), np.array([0.2, 0.1]))
    # the error of the older day is in both: (5² × .04 + 10² × .01 + 2 × 5 × 10 × .01) / 15²
    assert told.error == pytest.approx((3.0**0.5) / 15)


def test_nothing_to_divide_by_is_no_value() -> None:
    zero = np.zeros(2)
    assert adjusted_ratio(np.ones(2), zero, np.ones(2), zero).value is None
    told = adjusted_ratio(np.ones(2), np.ones(2), np.full(2, nan), zero)
    assert told.value is None and np.isnan(told.share_in) and (told.used, told.left_out) == (0, 2)


def test_a_sum_is_completed_with_the_level_and_not_blown_up() -> None:
    values, share = np.array([100.0, 100, 6, 0]), np.array([1.0, 1, 0.1, 0.06])
    told = adjusted_sum(values, share, np.zeros(4), level=np.full(4, 100.0))
    # 6 / .1 would be 60, and 0 / .06 nothing at all
    assert completed(values, share, np.full(4, 100.0)) == pytest.approx([100, 100, 96, 94])
    assert told.value == pytest.approx(390.0)
    assert told.share_in == pytest.approx(206 / 390)


def test_without_a_level_it_is_that_of_the_days_so_far() -> None:
    values, share = np.array([100.0, 100, 50, nan, 3]), np.array([1.0, 1, 0.5, 1, nan])
    # 250 on two and a half days' worth
    assert completed(values, share) == pytest.approx([100, 100, 100, nan, nan], nan_ok=True)
    told = adjusted_sum(values, share, np.array([0, 0, 0.2, 0, 0]))
    assert told.value == pytest.approx(300.0)
    assert told.error == pytest.approx(0.2 * 50 / 300)
    assert (told.used, told.left_out) == (3, 1)


def test_the_interval_widens_by_the_error_of_the_curve() -> None:
    low, high = widened(4.0, 3.5, 4.6, 0.0)
    assert (low, high) == pytest.approx((3.5, 4.6))
    low, high = widened(4.0, 4.0, 4.0 * exp(0.3), 0.4 / Z80)
    assert log(4.0 / low) == pytest.approx(0.4)
    assert log(high / 4.0) == pytest.approx(0.5)  # 3-4-5
    assert widened(0.0, 0.0, 1.0, 0.2) == (0.0, 1.0)


# --- both shops of the facts ----------------------------------------------------------------------

# visible on day 0, mean days until the rest, the last age, orders a day
LAGS = {"e-commerce": (0.55, 5.0, 30, 40.0), "lead generation": (0.11, 14.0, 60, 40.0)}


class Arriving:
    """Seeded days of a shop with a ROAS around 4: what each came to by each age."""

    def __init__(self, rng: np.random.Generator, lag: str, days: int) -> None:
        at_once, mean, self.final_age, orders = LAGS[lag]
        weekday = 1 + 0.2 * np.sin(np.arange(days) * 2 * np.pi / 7)
        day = np.repeat(np.arange(days), rng.poisson(orders * weekday))
        later = 2 + rng.exponential(mean, len(day)).astype(np.int64)
        age = np.where(rng.random(len(day)) < at_once, 1, np.minimum(later, self.final_age))
        self.by_age = np.zeros((days, self.final_age + 1))
        np.add.at(self.by_age, (day, age), 80 * rng.lognormal(-0.32, 0.8, len(day)))
        self.by_age = self.by_age.cumsum(axis=1)
        self.cost = orders * weekday * 20 * rng.lognormal(0, 0.05, days)

    def reads(self, first_run: int, runs: int) -> Reads:
        """Daily runs from a day on, none at weekends; each reads up to the last age."""
        told = [
            (run - age, age, self.by_age[run - age, age])
            for run in range(first_run, first_run + runs)
            if run % 7 not in (5, 6)
            for age in range(1, min(self.final_age, run) + 1)
        ]
        return reads(*told)

    def known_on(self, as_of: int, days: int = 28) -> tuple[IntArray, FloatArray, FloatArray]:
        """Ages, value and cost of the days before a day, as they are then."""
        day = np.arange(as_of - days, as_of, dtype=np.int64)
        ages = as_of - day
        return ages, self.by_age[day, np.minimum(ages, self.final_age)], self.cost[day]


def arriving(rng: np.random.Generator, lag: str, days: int = 180) -> Arriving:
    return Arriving(rng, lag, days)


@pytest.mark.parametrize(("lag", "raw_bias"), [("e-commerce", -0.05), ("lead generation", -0.25)])
def test_the_bias_of_a_trailing_roas_is_within_one_percent(lag: str, raw_bias: float) -> None:
    as_of, raw, adjusted, off = 119, [], [], []
    for seed in range(60):
        shop = arriving(np.random.default_rng(seed), lag)
        learned = known(learn(shop.reads(as_of - 45, 46), shop.final_age))
        ages, value, cost = shop.known_on(as_of)
        share, error = series_completeness([Part(learned, ages, cost)])
        told = adjusted_ratio(value, cost, share, error)
        truth = shop.by_age[as_of - 28 : as_of, -1].sum() / cost.sum()
        assert told.value is not None
        raw.append(value.sum() / cost.sum() / truth - 1)
        adjusted.append(told.value / truth - 1)
        off.append(abs(told.share_in / (1 + raw[-1]) - 1))

    assert np.mean(raw) < raw_bias
    assert abs(np.mean(adjusted)) < 0.01
    assert np.mean(off) < 0.06


def test_the_error_of_a_curve_is_what_it_says() -> None:
    at_once, _, final_age, _ = LAGS["e-commerce"]
    off = []
    for seed in range(150):
        shop = arriving(np.random.default_rng(seed), "e-commerce", days=80)
        learned = known(learn(shop.reads(60, 18), final_age))
        off.append(log(learned.share[1] / at_once) / learned.error[1])
    # within ±1.28 standard errors eight times in ten
    assert 0.7 < np.mean(np.abs(off) < Z80) < 0.9
