"""Projecting a period to its end: expected numbers are worked out by hand in the case."""

import time
from dataclasses import fields
from datetime import date, timedelta
from math import isfinite

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.targets.projection import Projection, Ramp, project

Array = npt.NDArray[np.float64]
# a Monday
FIRST = date(2025, 1, 6)
MONDAY_TO_SUNDAY = np.array([12.0, 12, 12, 12, 12, 5, 5])


def day(index: int) -> date:
    return FIRST + timedelta(index)


def certain(projection: Projection | None) -> Projection:
    assert projection is not None
    return projection


def wandering(seed: int, days: int, mean: float = 200.0) -> Array:
    random = np.random.default_rng(seed)
    level = np.exp(np.cumsum(random.normal(0, 0.02, days)))
    return random.poisson(mean * level).astype(np.float64)


# --- sums -------------------------------------------------------------------------------------


def test_a_steady_sum_goes_on_as_it_did() -> None:
    # 20 of 50 days: 200 so far, 30 × 10 to come
    said = certain(project(FIRST, np.full(100, 10.0), None, start=day(80), end=day(130), low=600))
    assert said.value == pytest.approx(500)
    assert said.low < 500 < said.high
    assert said.probability is not None and said.probability < 0.01
    # (600 − 200) over 30 days
    assert said.required_total == pytest.approx(400)
    assert said.required == pytest.approx(400 / 30)
    assert said.method == "rolling" and said.season == "none" and said.remaining_days == 30


def test_weekdays_bring_what_weekdays_bring() -> None:
    daily = np.tile(MONDAY_TO_SUNDAY, 20)
    # a Saturday and a Sunday are left of the week: 60 so far and 10 to come
    said = certain(project(FIRST, daily[:138], None, start=day(133), end=day(140), low=80))
    assert said.value == pytest.approx(70, abs=0.3)
    # Friday to Monday: 12, 5, 5 and 12 of 34
    said = certain(project(FIRST, daily[:137], None, start=day(133), end=day(141), low=80))
    assert said.day_shares == pytest.approx(np.array([12, 5, 5, 12]) / 34, abs=0.005)
    assert said.day_shares.sum() == pytest.approx(1)


def test_days_of_which_half_is_in_are_completed() -> None:
    daily, share = np.full(100, 10.0), np.ones(100)
    daily[-4:], share[-4:] = 5.0, 0.5
    end = {"start": day(80), "end": day(100)}
    # the period is over: 16 × 10 + 4 × 5 counted, 4 × 5 still to come
    said = certain(project(FIRST, daily, None, completeness=share, low=199, **end))
    assert said.value == pytest.approx(200)
    assert said.remaining_days == 0 and said.required is None
    raw = certain(project(FIRST, daily, None, low=199, **end))
    assert (raw.value, raw.probability, raw.method) == (180, 0.0, "known")


def test_a_day_too_young_to_tell_is_projected_whole() -> None:
    daily, share = np.full(100, 10.0), np.ones(100)
    daily[-2:], share[-2:] = 1.0, np.nan
    said = certain(
        project(FIRST, daily, None, start=day(90), end=day(100), completeness=share, low=99)
    )
    assert said.value == pytest.approx(100)


def test_a_missing_day_is_filled_in_and_not_zero() -> None:
    daily = np.full(100, 10.0)
    daily[95] = np.nan
    said = certain(project(FIRST, daily, None, start=day(90), end=day(100), low=99))
    assert said.value == pytest.approx(100)


def test_what_is_reached_already_needs_nothing_more() -> None:
    args = (FIRST, np.full(100, 10.0), None)
    made = certain(project(*args, start=day(80), end=day(130), low=150))
    assert (made.probability, made.required, made.required_total) == (1.0, 0.0, 0.0)
    lost = certain(project(*args, start=day(80), end=day(130), high=150))
    assert (lost.probability, lost.required) == (0.0, None)


def test_holidays_have_a_factor_of_their_own_and_spoil_no_weekday() -> None:
    daily = np.full(140, 10.0)
    free = list(range(6, 140, 14))  # every other Sunday
    daily[free] = 2.0
    holidays = [day(i) for i in (*free, 142)]
    week = {"start": day(140), "end": day(147)}
    said = certain(project(FIRST, daily, None, holidays=holidays, **week))
    # a free day is (10 × .2 + 1) / 11 of a day, as if one more had been an ordinary one; of the
    # latest four weeks two were, and of the week ahead the Wednesday is
    free_day = 3 / 11
    level = (26 * 10 + 2 * 2) / (26 + 2 * free_day)
    assert said.value == pytest.approx(level * (6 + free_day))
    unaware = certain(project(FIRST, daily, None, **week))
    # 10 × 6 and the mean of ten Sundays of 10 and ten of 2, or a little more of chance
    assert 65.9 < unaware.value < 67.5


def test_last_years_peak_is_foreseen_and_without_a_last_year_it_says_so() -> None:
    random = np.random.default_rng(4)
    first = date(2024, 6, 3)
    days = 2 * 364
    daily = random.poisson(200, days).astype(np.float64)
    for year in (0, 1):
        peak = 364 * year + 170
        daily[peak : peak + 20] *= 3
    start = first + timedelta(364 + 150)
    end = start + timedelta(60)
    period = slice(364 + 150, 364 + 210)
    now = 364 + 160
    truth = float(daily[period].sum())  # about 60 × 200 + 20 × 400
    said = certain(project(first, daily[:now], None, start=start, end=end))
    assert said.season == "last_year"
    assert said.low < truth < said.high
    assert said.value == pytest.approx(truth, rel=0.1)
    young = certain(project(first + timedelta(300), daily[300:now], None, start=start, end=end))
    assert young.season == "unknown"  # October to December, and no year before it
    assert young.value == pytest.approx(12_000, rel=0.05)
    spring = certain(project(date(2025, 1, 6), daily[:120], None, start=day(100), end=day(150)))
    assert spring.season == "none"


# --- ratios -----------------------------------------------------------------------------------


def test_a_ratio_is_a_sum_divided_once_over_past_and_future() -> None:
    cost, value = np.full(120, 50.0), np.full(120, 200.0)
    value[100:] = 250.0  # 20 of 50 days at 5, the eight weeks behind at (36·4 + 20·5)/56
    said = certain(project(FIRST, value, cost, start=day(100), end=day(150), low=4.5))
    ahead = (36 * 4 + 20 * 5) / 56
    assert said.value == pytest.approx((20 * 5 + 30 * ahead) / 50, rel=1e-6)
    # 4.5 × 2500 − 5000 = 6250 of value over 1500 of cost
    assert said.required == pytest.approx(6250 / 1500)
    assert said.required_total is None


def test_young_days_of_a_ratio_count_for_what_is_in() -> None:
    cost, value, share = np.full(100, 50.0), np.full(100, 200.0), np.ones(100)
    value[-10:] *= 0.4
    share[-10:] = 0.4
    args = {"start": day(72), "end": day(100), "low": 4.0}
    said = certain(project(FIRST, value, cost, completeness=share, **args))
    assert said.value == pytest.approx(4.0)
    # 18 days at 4 and 10 at 1.6
    raw = certain(project(FIRST, value, cost, **args))
    assert raw.value == pytest.approx((18 * 4 + 10 * 1.6) / 28)


def test_what_is_badly_known_of_lateness_widens_the_interval() -> None:
    cost, share, error = np.full(200, 50.0), np.ones(200), np.zeros(200)
    value = wandering(1, 200)
    share[-10:] = 0.4
    value[-10:] *= 0.4
    args = {"start": day(172), "end": day(200), "low": 4.0, "completeness": share}
    sure = certain(project(FIRST, value, cost, completeness_error=error, **args))
    error[-10:] = 0.3
    unsure = certain(project(FIRST, value, cost, completeness_error=error, **args))
    assert unsure.high - unsure.low > 1.2 * (sure.high - sure.low)
    assert unsure.value == pytest.approx(sure.value)


def test_lower_is_better_is_the_other_tail() -> None:
    cost, customers = wandering(2, 200, 900.0), wandering(3, 200, 30.0)
    args = {"start": day(150), "end": day(230)}
    under = certain(project(FIRST, cost, customers, high=25.0, **args))
    over = certain(project(FIRST, cost, customers, low=25.0, **args))
    assert under.probability is not None and over.probability is not None
    assert under.probability + over.probability == pytest.approx(1)


def test_a_band_has_the_odds_between_its_edges() -> None:
    clicks, seen = wandering(5, 200, 60.0), wandering(6, 200, 2000.0)
    said = certain(project(FIRST, clicks, seen, start=day(170), end=day(230), low=0.02, high=0.04))
    assert said.probability == pytest.approx(said.chance(0.02, None) - said.chance(0.04, None))
    assert said.chance(None, None) == 1.0


# --- goals from–to ----------------------------------------------------------------------------


def ramp_of(days_in: int, works: bool) -> Projection:
    """A CTR that should go from 3% to 5% in 91 days, after so many of them."""
    seen = np.full(300 + days_in, 20_000.0)
    random = np.random.default_rng(8)
    rate = 0.03 * np.exp(random.normal(0, 0.03, seen.size))
    if works:
        rate[300:] += 0.02 * np.arange(1, days_in + 1) / 77.5
    return certain(
        project(
            FIRST,
            seen * rate,
            seen,
            start=day(391 - 28),
            end=day(391),
            low=0.05,
            ramp=Ramp(day(300), 0.03, 0.05),
            is_rate=True,
        )
    )


def test_a_drift_that_follows_the_plan_goes_on_and_a_flat_line_does_not() -> None:
    works, flat = ramp_of(45, True), ramp_of(45, False)
    assert works.method == flat.method == "drift"
    assert works.value > 0.043  # it stood at 3.8% on average over four weeks
    assert 0.029 < flat.value < 0.032
    assert works.probability is not None and flat.probability is not None
    assert works.probability > 0.3 > flat.probability


def test_odds_of_an_endpoint_stay_between_5_and_95_percent() -> None:
    assert ramp_of(45, False).probability == 0.05
    assert ramp_of(91, True).chance(0.03, None) == 0.95


def test_a_ramp_from_nothing_is_projected_without_a_drift() -> None:
    said = project(
        FIRST,
        wandering(1, 100),
        None,
        start=day(90),
        end=day(130),
        low=9000,
        ramp=Ramp(day(60), 0.0, 9000.0),
    )
    assert certain(said).value > 0


# --- nothing is made up -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "numerator",
    [
        np.full(20, 10.0),
        np.zeros(100),
        np.full(100, np.nan),
        np.where(np.arange(100) == 70, np.inf, 10.0),
        np.where(np.arange(100) < 60, 10.0, 0.0),  # stopped six weeks ago
        np.full(100, -5.0),
        np.zeros(0),
    ],
)
def test_too_little_says_nothing(numerator: Array) -> None:
    period = {"start": day(80), "end": day(130), "low": 1.0}
    assert project(FIRST, numerator, None, **period) is None
    one = np.ones(numerator.size)
    if not numerator.any() or not np.isfinite(numerator).all() or numerator.size < 28:
        assert project(FIRST, numerator, one, **period) is None


def test_three_years_are_projected_within_a_few_milliseconds() -> None:
    daily = wandering(9, 1096)
    times = []
    for _ in range(30):
        begun = time.process_time()
        project(FIRST, daily, None, start=day(1060), end=day(1150), low=1e5, high=2e5)
        times.append(time.process_time() - begun)
    assert min(times) < 0.005  # 1 ms on a quiet machine


daily_values = st.lists(
    st.one_of(
        st.integers(0, 10_000).map(float),
        st.sampled_from([0.0, float("nan"), 1e-9, 1e12, -3.0]),
    ),
    min_size=0,
    max_size=120,
)


@settings(max_examples=150, deadline=None)
@given(
    numerator=daily_values,
    ratio=st.booleans(),
    is_rate=st.booleans(),
    start=st.integers(0, 120),
    days=st.integers(1, 400),
    goal=st.floats(-10, 1e7),
    with_ramp=st.booleans(),
    seed=st.integers(0, 99),
)
def test_no_number_is_ever_not_finite(
    numerator: list[float],
    ratio: bool,
    is_rate: bool,
    start: int,
    days: int,
    goal: float,
    with_ramp: bool,
    seed: int,
) -> None:
    top = np.array(numerator, dtype=np.float64)
    random = np.random.default_rng(seed)
    bottom = random.poisson(random.choice([0.2, 50.0]), top.size).astype(np.float64)
    said = project(
        FIRST,
        top,
        bottom if ratio else None,
        start=day(start),
        end=day(start + days),
        low=goal,
        ramp=Ramp(day(start), 0.2, 0.3) if with_ramp else None,
        is_rate=is_rate,
        completeness=random.choice([1.0, 0.4, 0.01, np.nan], top.size),
        completeness_error=random.choice([0.0, 0.4, np.nan], top.size),
        holidays=[day(9), day(37), day(65), day(100)],
    )
    if said is None:
        return
    assert said.low <= said.value <= said.high
    assert said.probability is not None and 0 <= said.probability <= 1
    for field in fields(said):
        value = getattr(said, field.name)
        if isinstance(value, float):
            assert isfinite(value), field.name
    assert np.isfinite(said.day_shares).all()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 9999), ratio=st.booleans(), goals=st.tuples(*[st.floats(0.1, 3)] * 2))
def test_a_harder_goal_is_never_likelier(
    seed: int, ratio: bool, goals: tuple[float, float]
) -> None:
    top, bottom = wandering(seed, 150), wandering(seed + 1, 150)
    period = {"start": day(120), "end": day(180)}
    said = certain(project(FIRST, top, bottom if ratio else None, **period))
    easy, hard = (said.value * goal for goal in sorted(goals))
    assert said.chance(easy, None) >= said.chance(hard, None)
    assert said.chance(None, easy) <= said.chance(None, hard)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 9999),
    ratio=st.booleans(),
    ramp=st.booleans(),
    top_unit=st.sampled_from([1e-6, 0.01, 7.0, 1e6]),
    bottom_unit=st.sampled_from([1e-6, 0.5, 1e6]),
)
def test_units_do_not_matter(
    seed: int, ratio: bool, ramp: bool, top_unit: float, bottom_unit: float
) -> None:
    top, bottom = wandering(seed, 450), wandering(seed + 1, 450)

    def told(a: float, b: float) -> Projection:
        scale = a / b if ratio else a
        return certain(
            project(
                FIRST,
                top * a,
                bottom * b if ratio else None,
                start=day(430),
                end=day(480),
                low=(1.1 if ratio else 10_000) * scale,
                ramp=Ramp(day(430), 1.0 * scale, 1.2 * scale) if ramp else None,
            )
        )

    plain, scaled = told(1.0, 1.0), told(top_unit, bottom_unit)
    scale = top_unit / bottom_unit if ratio else top_unit
    assert scaled.probability == pytest.approx(plain.probability, abs=1e-6)
    for name in ("value", "low", "high"):
        assert getattr(scaled, name) == pytest.approx(getattr(plain, name) * scale, rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 9999),
    ratio=st.booleans(),
    before=st.lists(st.sampled_from([0.0, float("nan")]), max_size=60),
)
def test_days_before_anything_happened_change_nothing(
    seed: int, ratio: bool, before: list[float]
) -> None:
    top, bottom = wandering(seed, 100), wandering(seed + 1, 100)
    period = {"start": day(80), "end": day(120), "low": 1.0}
    plain = certain(project(FIRST, top, bottom if ratio else None, **period))
    more = certain(
        project(
            FIRST - timedelta(len(before)),
            np.concatenate([before, top]),
            np.concatenate([before, bottom]) if ratio else None,
            **period,
        )
    )
    assert (more.value, more.low, more.high) == pytest.approx((plain.value, plain.low, plain.high))
    assert more.probability == pytest.approx(plain.probability)
