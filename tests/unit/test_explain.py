"""Why a ratio or a sum changed: exact splits, noise, and the right culprit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from math import isfinite
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flows.kpis import load_kpis, sql_dir
from flows.settings import Agreed, Goal, Measure, Period, Target
from flows.targets.cube import Column, KpiCube
from flows.targets.evaluation import FloatArray
from flows.targets.explain import (
    Comparison,
    Effect,
    Explanation,
    Stretch,
    _known,
    _split_ratio,
    comparisons,
    explain,
    explain_target,
    explanations,
    gap_direction,
)

BEFORE, AFTER = date(2026, 9, 3), date(2026, 10, 1)  # Thursdays, four weeks apart


def constant(numerator: Sequence[float], denominator: Sequence[float] | None, first: date,
             days: int = 28) -> Stretch:  # fmt: skip
    """Every day the same."""
    wide = np.ones(days)
    return Stretch(
        first,
        np.outer(numerator, wide),
        None if denominator is None else np.outer(denominator, wide),
    )


def explained(
    n0: Sequence[float], d0: Sequence[float] | None, n1: Sequence[float], d1: Sequence[float] | None
) -> Explanation:
    parts = [f"p{i}" for i in range(len(n0))]
    found = explain(
        "campaign_id",
        parts,
        [p.upper() for p in parts],
        constant(n0, d0, BEFORE),
        constant(n1, d1, AFTER),
    )
    assert found is not None
    return found


def by_part(found: Explanation) -> dict[str, Effect]:
    return {effect.part: effect for effect in found.effects}


# --- by hand ----------------------------------------------------------------------------


def test_a_part_that_does_worse_at_the_same_weight_is_all_rate() -> None:
    # two parts of half the cost each; one falls from 4 to 2: the whole from 3 to 2
    found = explained([40, 20], [10, 10], [20, 20], [10, 10])
    assert (found.before_value, found.after_value, found.change) == (3.0, 2.0, -1.0)
    first, second = found.effects
    assert (first.part, first.rate, first.mix, first.total) == ("p0", -1.0, 0.0, -1.0)
    assert (first.before, first.after, first.share_of_change) == (4.0, 2.0, 1.0)
    assert (second.rate, second.mix, second.total) == (0.0, 0.0, 0.0)
    assert found.residual == 0.0


def test_budget_that_moves_to_a_worse_part_is_all_mix() -> None:
    # returns stay 5 and 1; the cost goes from 50/50 to 25/75: the whole from 3 to 2.
    # middle of the whole 2.5: (0.25 - 0.5) x (5 - 2.5) = -0.625 and 0.25 x (1 - 2.5) = -0.375
    found = explained([50, 10], [10, 10], [25, 15], [5, 15])
    assert found.change == -1.0
    effects = by_part(found)
    assert (effects["p0"].rate, effects["p0"].mix) == (0.0, -0.625)
    assert (effects["p1"].rate, effects["p1"].mix) == (0.0, -0.375)
    assert (effects["p1"].weight_before, effects["p1"].weight_after) == (0.5, 0.75)


def test_new_and_vanished_parts_are_pure_mix_and_named() -> None:
    # old part: 2 at weight 1/2; kept: 4; new one: 6 at weight 1/2. The whole from 3 to 5, middle 4
    found = explained([20, 40, 0], [10, 10, 0], [0, 40, 60], [0, 10, 10])
    effects = by_part(found)
    assert effects["p0"].is_vanished and not effects["p0"].is_new
    assert effects["p2"].is_new and not effects["p2"].is_vanished
    assert (effects["p0"].rate, effects["p0"].mix) == (0.0, 1.0)  # -1/2 x (2 - 4)
    assert (effects["p1"].rate, effects["p1"].mix) == (0.0, 0.0)
    assert (effects["p2"].rate, effects["p2"].mix) == (0.0, 1.0)  # 1/2 x (6 - 4)
    assert (effects["p0"].after, effects["p2"].before) == (None, None)


def test_value_that_comes_in_without_cost_counts_as_rate_and_the_split_stays_exact() -> None:
    # 10 of value without any cost, then none: the whole from 50/10 to 40/10
    found = explained([40, 10], [10, 0], [40, 0], [10, 0])
    assert found.change == -1.0
    free = by_part(found)["p1"]
    assert (free.rate, free.mix, free.before, free.after) == (-1.0, 0.0, None, None)
    assert free.is_vanished
    assert found.residual == 0.0


def test_the_parts_of_a_sum_contribute_what_they_changed() -> None:
    found = explained([100, 50], None, [70, 60], None)
    assert found.is_sum and not found.is_per_day
    assert (found.before_value, found.after_value, found.change) == (4200.0, 3640.0, -560.0)
    assert [(e.part, e.total, e.before, e.after) for e in found.effects] == [
        ("p0", -840.0, 2800.0, 1960.0),
        ("p1", 280.0, 1400.0, 1680.0),
    ]
    assert found.effects[0].share_of_change == pytest.approx(1.5)


def test_sums_over_unequal_stretches_are_compared_per_day() -> None:
    found = explain(
        "device",
        ["a"],
        ["A"],
        constant([100], None, BEFORE, 28),
        constant([90], None, AFTER, 7),
    )
    assert found is not None and found.is_per_day
    assert (found.before_value, found.after_value, found.change) == (100.0, 90.0, -10.0)


def test_a_day_that_is_unknown_of_one_part_is_left_out_of_all() -> None:
    after = constant([20, 20], [10, 10], AFTER)
    after.numerator[0, 3] = np.nan
    after.numerator[1, 3] = 1e6
    found = explain("device", ["a", "b"], ["A", "B"], constant([40, 20], [10, 10], BEFORE), after)
    assert found is not None
    assert found.after_value == 2.0


def test_the_gap_comes_first_even_when_the_whole_went_the_other_way() -> None:
    parts, labels = ["a", "b"], ["A", "B"]
    before = constant([40, 20], [10, 10], BEFORE)
    after = constant([30, 50], [10, 10], AFTER)
    up = explain("device", parts, labels, before, after)
    down = explain("device", parts, labels, before, after, direction=-1)
    assert up is not None and [e.part for e in up.effects] == ["b", "a"]
    assert down is not None and [e.part for e in down.effects] == ["a", "b"]
    assert (up.direction, down.direction) == (1, -1)


@pytest.mark.parametrize("denominator", [0.0, np.nan, np.inf])
def test_without_a_value_on_one_side_there_is_nothing_to_explain(denominator: float) -> None:
    after = constant([1.0], [denominator], AFTER)
    assert explain("device", ["a"], ["A"], constant([1.0], [1.0], BEFORE), after) is None


def test_a_ratio_that_is_too_large_for_a_number_is_not_explained() -> None:
    after = constant([1e300], [1e-300], AFTER)
    assert explain("device", ["a"], ["A"], constant([1.0], [1.0], BEFORE), after) is None


def test_parts_with_nothing_on_either_side_are_left_out() -> None:
    found = explained([40, 0], [10, 0], [20, 0], [10, 0])
    assert [e.part for e in found.effects] == ["p0"]


# --- properties -------------------------------------------------------------------------

# enough to find what is wrong; a busy machine is no failure
few = settings(max_examples=60, deadline=None)
amounts = st.one_of(st.just(0.0), st.floats(1e-3, 1e6))
rows = st.lists(st.tuples(amounts, amounts, amounts, amounts), min_size=1, max_size=12)


def built(sums: Sequence[tuple[float, ...]], seed: int, order: Sequence[int] | None = None,
          scale: tuple[float, float] = (1.0, 1.0)) -> Explanation | None:  # fmt: skip
    """Noisy days of a few parts with these daily means (N0, D0, N1, D1)."""
    rng = np.random.default_rng(seed)
    shape = (len(sums), 14)
    n0, d0, n1, d1 = (
        np.array(column)[:, None] * rng.uniform(0.5, 1.5, shape)
        for column in zip(*sums, strict=True)
    )
    picked = list(order) if order is not None else list(range(len(sums)))
    names = [f"p{i:02d}" for i in picked]
    return explain(
        "campaign_id",
        names,
        names,
        Stretch(BEFORE, n0[picked] * scale[0], d0[picked] * scale[1]),
        Stretch(AFTER, n1[picked] * scale[0], d1[picked] * scale[1]),
    )


def size_of(found: Explanation) -> float:
    return max(
        abs(found.before_value), abs(found.after_value), *(abs(e.total) for e in found.effects), 0.0
    )


@few
@given(rows, st.integers(0, 99))
def test_effects_always_add_up_to_the_change(sums: list[tuple[float, ...]], seed: int) -> None:
    found = built(sums, seed)
    assume(found is not None)
    assert found is not None
    assert sum(e.total for e in found.effects) == pytest.approx(
        found.change, abs=1e-9 * size_of(found)
    )
    for e in found.effects:
        assert e.rate + e.mix == pytest.approx(e.total, abs=1e-9 * max(abs(e.rate), abs(e.mix)))
    assert abs(found.residual) <= 1e-9 * size_of(found)


@few
@given(rows, st.integers(0, 99))
def test_nothing_is_ever_not_finite(sums: list[tuple[float, ...]], seed: int) -> None:
    found = built(sums, seed)
    assume(found is not None)
    assert found is not None
    for e in found.effects:
        told = (e.rate, e.mix, e.total, e.share_of_change, e.before, e.after, e.weight_before,
                e.weight_after, e.p_value)  # fmt: skip
        assert all(isfinite(value) for value in told if value is not None)
        assert e.p_value is None or 0 <= e.p_value <= 1


@few
@given(rows, st.integers(0, 99), st.randoms(use_true_random=False))
def test_the_order_of_the_parts_does_not_matter(
    sums: list[tuple[float, ...]], seed: int, random: object
) -> None:
    order = list(range(len(sums)))
    random.shuffle(order)  # type: ignore[attr-defined]
    one, other = built(sums, seed), built(sums, seed, order)
    assume(one is not None)
    assert one is not None and other is not None
    assert [e.part for e in one.effects] == [e.part for e in other.effects]
    assert [e.total for e in one.effects] == [e.total for e in other.effects]


@few
@given(rows, st.integers(0, 99), st.integers(0, 11))
def test_splitting_a_part_in_two_halves_splits_its_effect(
    sums: list[tuple[float, ...]], seed: int, which: int
) -> None:
    which %= len(sums)
    parts = [f"p{i}" for i in range(len(sums))]
    rng = np.random.default_rng(seed)
    n0, d0, n1, d1 = (
        np.array(column)[:, None] * rng.uniform(0.5, 1.5, (len(sums), 14))
        for column in zip(*sums, strict=True)
    )
    whole = explain("device", parts, parts, Stretch(BEFORE, n0, d0), Stretch(AFTER, n1, d1))
    assume(whole is not None and f"p{which}" in by_part(whole))
    assert whole is not None
    halves = []
    for days in (n0, d0, n1, d1):
        split = np.vstack([days, days[which] / 2])
        split[which] /= 2
        halves.append(split)
    names = [*parts, "half"]
    split = explain(
        "device", names, names, Stretch(BEFORE, *halves[:2]), Stretch(AFTER, *halves[2:])
    )
    assert split is not None
    effects, near = by_part(split), 1e-9 * size_of(whole)
    for kind in ("rate", "mix", "total"):
        together = getattr(effects[f"p{which}"], kind) + getattr(effects["half"], kind)
        assert together == pytest.approx(getattr(by_part(whole)[f"p{which}"], kind), abs=near)


@few
@given(rows, st.integers(0, 99), st.sampled_from([(1e3, 1.0), (1.0, 1e3), (1e-4, 1e-4)]))
def test_effects_scale_with_the_units(
    sums: list[tuple[float, ...]], seed: int, scale: tuple[float, float]
) -> None:
    one, other = built(sums, seed), built(sums, seed, scale=scale)
    assume(one is not None)
    assert one is not None and other is not None
    factor = scale[0] / scale[1]
    theirs = by_part(other)
    for e in one.effects:
        assert theirs[e.part].total == pytest.approx(
            e.total * factor, rel=1e-9, abs=1e-9 * size_of(one) * factor
        )


# --- noise ------------------------------------------------------------------------------


def money_of(rng: np.random.Generator, expected: FloatArray) -> FloatArray:
    """Value of orders of 80 on average: Poisson numbers, skewed amounts."""
    orders = rng.poisson(expected / 80)
    return np.where(orders > 0, rng.gamma(np.maximum(orders, 1) * 1.1, 80 / 1.1), 0.0)


def shop(rng: np.random.Generator, parts: int, days: int) -> tuple[FloatArray, FloatArray]:
    """Daily cost and expected return of campaigns of very different sizes.

    Cost has a weekly pattern and lasting noise (AR(1), .5); the returns are level.
    """
    noise = np.zeros((parts, days))
    for day in range(1, days):
        noise[:, day] = 0.5 * noise[:, day - 1] + rng.normal(0, 0.08, parts)
    week = 1 + 0.2 * np.sin(2 * np.pi * np.arange(days) / 7)
    cost = 300 * rng.lognormal(0, 1, parts)[:, None] * week * np.exp(noise)
    return cost, np.repeat(4 * rng.lognormal(0, 0.3, parts)[:, None], days, axis=1)


def of_shop(cost: FloatArray, value: FloatArray) -> Explanation:
    """The first half of the days against the second."""
    half = cost.shape[1] // 2
    names = [str(i) for i in range(len(cost))]
    found = explain(
        "campaign_id",
        names,
        names,
        Stretch(AFTER - timedelta(days=half), value[:, :half], cost[:, :half]),
        Stretch(AFTER, value[:, half:], cost[:, half:]),
    )
    assert found is not None
    return found


@pytest.mark.parametrize("days", [7, 28])
def test_where_nothing_changed_something_is_claimed_in_at_most_one_case_in_ten(days: int) -> None:
    # over other seeds: 8 to 11% (a week) and 5 to 12% (four weeks) of accounts of 20 campaigns
    rng = np.random.default_rng(11)
    wrong = 0
    for _ in range(200):
        cost, returns = shop(rng, 20, 2 * days)
        wrong += bool(of_shop(cost, money_of(rng, cost * returns)).claimed)
    assert wrong / 200 <= 0.12


def test_of_the_claims_at_most_one_in_ten_is_chance_and_most_causes_are_found() -> None:
    # three of twenty campaigns return 40% less; over other seeds: 6 to 8% false, 82 to 85% found
    rng = np.random.default_rng(12)
    false_share, found = [], 0
    for _ in range(120):
        cost, returns = shop(rng, 20, 56)
        guilty = rng.choice(20, 3, replace=False)
        returns[guilty, 28:] *= 0.6
        claimed = {int(e.part) for e in of_shop(cost, money_of(rng, cost * returns)).claimed}
        false_share.append(len(claimed - set(guilty.tolist())) / max(len(claimed), 1))
        found += len(claimed & set(guilty.tolist()))
    assert np.mean(false_share) <= 0.1
    assert found / 360 >= 0.75


def test_a_cause_that_makes_up_half_of_the_change_ranks_first_in_most_cases() -> None:
    """One of 5 to 30 campaigns changes its return or its budget, while all of them wander.

    The facts say 81% first and 96% among three; the largest own change of rate
    would name the right one in about half. Over other seeds: 80 to 83% first,
    93 to 96% among three, 50 to 58% by the largest own change.
    """
    rng = np.random.default_rng(13)
    cases = first = among_three = by_own_change = 0
    while cases < 150:
        parts = int(rng.integers(5, 31))
        cost, returns = shop(rng, parts, 56)
        cost = cost * np.exp(np.cumsum(rng.normal(0, 0.01, cost.shape), axis=1))
        returns = returns * np.exp(np.cumsum(rng.normal(0, 0.008, cost.shape), axis=1))
        guilty = int(rng.integers(parts))
        changed_cost, changed_returns = cost.copy(), returns.copy()
        if rng.random() < 0.5:
            changed_returns[guilty, 28:] *= rng.uniform(0.3, 0.75)
        else:
            changed_cost[guilty, 28:] *= rng.choice([0.3, 0.5, 2.0, 3.0])
        found = of_shop(changed_cost, money_of(rng, changed_cost * changed_returns))
        # what was put in, without the noise of the orders
        without = (cost * returns)[:, 28:].sum() / cost[:, 28:].sum()
        with_it = (changed_cost * changed_returns)[:, 28:].sum() / changed_cost[:, 28:].sum()
        injected = with_it - without
        if injected * found.change <= 0 or abs(injected) < abs(found.change) / 2:
            continue
        cases += 1
        place = [e.part for e in found.effects].index(str(guilty))
        first += place == 0
        among_three += place < 3
        largest = max(found.effects, key=lambda e: abs((e.after or 0.0) - (e.before or 0.0)))
        by_own_change += largest.part == str(guilty)
    assert first / cases >= 0.75
    assert among_three / cases >= 0.9
    assert by_own_change < first


def test_the_weekly_pattern_that_both_stretches_share_is_no_noise() -> None:
    # a quarter more on every weekday, while Sundays are twelve times Mondays
    week = np.array([1, 2, 3, 4, 5, 6, 12], dtype=float)
    rng = np.random.default_rng(1)
    days = np.tile(week, 8) * rng.uniform(0.97, 1.03, 56)
    days[28:] *= 1.25
    monday = date(2026, 8, 31)
    found = explain(
        "device",
        ["a", "b"],
        ["A", "B"],
        Stretch(monday, np.vstack([days[:28], np.full(28, 50.0)])),
        Stretch(monday + timedelta(days=28), np.vstack([days[28:], np.full(28, 50.0)])),
    )
    assert found is not None
    # t without the pattern would be about 1.2 / (3.4 x sqrt(2/28)) = 1.3
    assert [e.part for e in found.claimed] == ["a"]


def test_noise_that_lasts_for_days_is_less_evidence_than_the_same_days_by_turns() -> None:
    steady = np.full(28, 50.0)

    def p_of(days: FloatArray) -> float:
        found = explain(
            "device",
            ["a", "b"],
            ["A", "B"],
            Stretch(BEFORE, np.vstack([days, steady])),
            Stretch(AFTER, np.vstack([days * 1.1, steady])),
        )
        assert found is not None
        p = by_part(found)["a"].p_value
        assert p is not None
        return p

    # two weeks of 90 and two of 110, and the same values by turns
    spells, by_turns = np.repeat([90.0, 110.0], 14), np.tile([90.0, 110.0], 14)
    assert p_of(spells) > 10 * p_of(by_turns)


def test_what_a_day_weighs_in_the_noise_is_what_more_of_it_does_to_the_effects() -> None:
    # the derivative: one day counted 1.000001 times moves each effect by a millionth of its
    # influence over the number of days; with budget that moves, new and vanished parts
    rng = np.random.default_rng(6)
    shape = (4, 10)
    scale = np.array([1.0, 3.0, 2.0, 0.5])[:, None]
    n0, d0, n1, d1 = (rng.uniform(1, 5, shape) * factor for factor in (scale, 1, 1, scale))
    n0[2], d0[2], n1[3], d1[3] = 0, 0, 0, 0
    old, new = Stretch(BEFORE, n0, d0), Stretch(AFTER, n1, d1)
    split = _split_ratio(_known(old), _known(new))
    assert split is not None
    for day in (0, 7):
        more = np.ones(10)
        more[day] += 1e-6
        moved_old = _split_ratio(_known(Stretch(BEFORE, n0 * more, d0 * more)), _known(new))
        moved_new = _split_ratio(_known(old), _known(Stretch(AFTER, n1 * more, d1 * more)))
        assert moved_old is not None and moved_new is not None
        assert (moved_new.total - split.total) * 1e6 == pytest.approx(
            split.noise_after[:, day] / 10, abs=1e-4
        )
        # what is before counts against the effect
        assert (moved_old.total - split.total) * 1e6 == pytest.approx(
            -split.noise_before[:, day] / 10, abs=1e-4
        )


def test_too_few_days_claim_nothing() -> None:
    one = Stretch(BEFORE, np.array([[4.0], [2.0]]), np.array([[1.0], [1.0]]))
    other = Stretch(AFTER, np.array([[1.0], [2.0]]), np.array([[1.0], [1.0]]))
    found = explain("device", ["a", "b"], ["A", "B"], one, other)
    assert found is not None
    assert [e.p_value for e in found.effects] == [None, None]
    assert found.claimed == ()


# --- which days -------------------------------------------------------------------------

Q4_START, Q4_END = date(2026, 10, 1), date(2027, 1, 1)
Q4 = Period(start=Q4_START, end=Q4_END, said="2026-Q4")
LONG_AGO = date(2024, 1, 1)


def target(goal: Goal | None = None, **more: Any) -> Target:
    return Target(
        id="t",
        specific="A target",
        kpi="roas",
        goal=goal or Goal(kind="at_least", at_least=4.0),
        period=more.pop("period", Q4),
        agreed=Agreed(owner="tom@example.nl"),
        **more,
    )


def days_of(found: Sequence[Comparison], kind: str) -> tuple[tuple[date, date], tuple[date, date]]:
    one = next(c for c in found if c.compared == kind)
    return one.before, one.after


def test_the_days_so_far_are_compared_with_the_same_weekdays_before_the_period() -> None:
    # ten days so far: two weeks back, 17 to 26 September
    found = comparisons(target(), (Q4_START, Q4_END), date(2026, 10, 10), LONG_AGO)
    assert days_of(found, "baseline") == (
        (date(2026, 9, 17), date(2026, 9, 26)),
        (date(2026, 10, 1), date(2026, 10, 10)),
    )
    # four whole weeks adjoin the period
    found = comparisons(target(), (Q4_START, Q4_END), date(2026, 10, 28), LONG_AGO)
    assert days_of(found, "baseline")[0] == (date(2026, 9, 3), date(2026, 9, 30))


def test_the_last_week_is_compared_with_the_week_before_and_the_period_with_last_year() -> None:
    found = comparisons(target(), (Q4_START, Q4_END), date(2026, 10, 28), LONG_AGO)
    assert [c.compared for c in found] == ["baseline", "week", "last_year"]
    assert days_of(found, "week") == (
        (date(2026, 10, 15), date(2026, 10, 21)),
        (date(2026, 10, 22), date(2026, 10, 28)),
    )
    # 364 days back, so that weekdays fall on themselves
    assert days_of(found, "last_year")[0] == (date(2025, 10, 2), date(2025, 10, 29))


def test_a_goal_from_to_is_compared_with_its_baseline_window() -> None:
    goal = Goal(kind="from_to", from_=0.03, to=0.05)
    found = comparisons(target(goal), (Q4_START, Q4_END), date(2026, 11, 19), LONG_AGO)
    assert days_of(found, "baseline") == (
        (date(2026, 9, 3), date(2026, 9, 30)),
        (date(2026, 10, 23), date(2026, 11, 19)),
    )
    # ten days in, the window is not full: a whole week against the four
    found = comparisons(target(goal), (Q4_START, Q4_END), date(2026, 10, 10), LONG_AGO)
    assert days_of(found, "baseline") == (
        (date(2026, 9, 3), date(2026, 9, 30)),
        (date(2026, 10, 4), date(2026, 10, 10)),
    )


def test_data_that_begins_late_is_compared_by_the_whole_weeks_there_are() -> None:
    # 28 days so far, data since 10 September: 21 days, three weeks
    found = comparisons(target(), (Q4_START, Q4_END), date(2026, 10, 28), date(2026, 9, 10))
    assert days_of(found, "baseline") == (
        (date(2026, 9, 10), date(2026, 9, 30)),
        (date(2026, 10, 1), date(2026, 10, 28)),
    )
    assert [c.compared for c in found] == ["baseline", "week"]
    assert comparisons(target(), (Q4_START, Q4_END), date(2026, 10, 5), date(2026, 10, 1)) == ()


def test_a_rolling_week_is_compared_with_the_week_before_once() -> None:
    rolling = target(period=Period(rolling_days=7, said="7d"))
    last = date(2026, 11, 19)
    period = (date(2026, 11, 13), date(2026, 11, 20))
    found = comparisons(rolling, period, last, date(2026, 1, 1))
    assert [(c.compared, c.before, c.after) for c in found] == [
        ("baseline", (date(2026, 11, 6), date(2026, 11, 12)), (date(2026, 11, 13), last))
    ]


def test_before_the_period_there_is_nothing_so_far() -> None:
    found = comparisons(target(), (Q4_START, Q4_END), date(2026, 9, 30), LONG_AGO)
    assert [c.compared for c in found] == ["week"]


@few
@given(
    st.dates(date(2026, 10, 1), date(2026, 12, 31)),
    st.dates(date(2025, 1, 1), date(2026, 12, 31)),
    st.sampled_from([None, 7, 28, 60]),
    st.booleans(),
)
def test_the_two_stretches_never_overlap_nor_reach_beyond_the_data(
    last: date, since: date, window: int | None, is_path: bool
) -> None:
    goal = Goal(kind="from_to", from_=3.0, to=4.0) if is_path else None
    one = target(goal, measure=Measure(window_days=window))
    for found in comparisons(one, (Q4_START, Q4_END), last, since):
        assert since <= found.before[0] <= found.before[1] < found.after[0] <= found.after[1]
        assert found.after[1] == last
        lengths = [(b - a).days + 1 for a, b in (found.before, found.after)]
        same_weekdays = (
            lengths[0] == lengths[1] and (found.after[0] - found.before[0]).days % 7 == 0
        )
        assert same_weekdays or all(n % 7 == 0 for n in lengths)


@pytest.mark.parametrize(
    ("goal", "value", "sign"),
    [
        (Goal(kind="at_least", at_least=4.0), 3.0, -1),
        (Goal(kind="at_most", at_most=45.0), 50.0, 1),
        (Goal(kind="from_to", from_=0.03, to=0.05), 0.04, -1),
        (Goal(kind="from_to", from_=50.0, to=40.0), 45.0, 1),
        (Goal(kind="between", between=(300.0, 650.0)), 700.0, 1),
        (Goal(kind="between", between=(300.0, 650.0)), 200.0, -1),
        (Goal(kind="maintain", maintain=2.4, within=0.1), 3.0, 1),
        (Goal(kind="maintain", maintain=2.4, within=0.1), None, -1),
    ],
)
def test_the_gap_is_on_the_wrong_side_of_the_goal(
    goal: Goal, value: float | None, sign: int
) -> None:
    assert gap_direction(target(goal), value) == sign


# --- of a target ------------------------------------------------------------------------

KPIS = load_kpis(sql_dir())
DEVICES = {"MOBILE": 0.6, "DESKTOP": 0.34, "TABLET": 0.06}
BEFORE_DAYS, AFTER_DAYS = (BEFORE, date(2026, 9, 30)), (AFTER, date(2026, 10, 28))


def cube_of(
    falls: Callable[[str, str], bool], kpi: str = "roas", *, campaigns: int = 9, seed: int = 5
) -> KpiCube:
    """Nine campaigns on three devices over eight weeks; what ``falls`` halves after four."""
    rng = np.random.default_rng(seed)
    cells, value, cost = [], [], []
    for i in range(campaigns):
        for device, share in DEVICES.items():
            spent = 400 * (1 + i / 4) * share * rng.lognormal(0, 0.1, 56)
            returned = 4 * spent
            if falls(f"c{i}", device):
                returned[28:] /= 2
            cells.append(
                {
                    "source": "google_ads",
                    "channel_type": "SEARCH" if i % 2 else "SHOPPING",
                    "campaign_id": f"c{i}",
                    "campaign_name": f"Campaign {i}",
                    "device": device,
                }
            )
            value.append(returned * rng.lognormal(0, 0.15, 56))
            cost.append(spent)
    return KpiCube.of_cells(
        "shop",
        kpi,
        BEFORE,
        cells,
        np.array(value),
        None if KPIS[kpi].is_sum else np.array(cost),
        currencies=["EUR"] * len(cells),
    )


def why(cube: KpiCube, one: Target | None = None, **more: Any) -> Explanation:
    found = explain_target(cube, one or target(), KPIS[cube.kpi], BEFORE_DAYS, AFTER_DAYS, **more)
    assert found is not None
    return found


@pytest.mark.parametrize("kpi", ["roas", "revenue"])
def test_a_campaign_that_falls_everywhere_is_named_as_campaign(kpi: str) -> None:
    found = why(cube_of(lambda campaign, device: campaign == "c4", kpi))
    assert (found.dimension, found.effects[0].part) == ("campaign_id", "c4")
    assert found.effects[0].label == "Campaign 4"
    assert found.effects[0].is_claimed
    assert found.inside is None


@pytest.mark.parametrize("kpi", ["roas", "revenue"])
def test_a_device_that_falls_in_every_campaign_is_named_instead_of_campaigns(kpi: str) -> None:
    found = why(cube_of(lambda campaign, device: device == "MOBILE", kpi))
    assert (found.dimension, found.effects[0].part) == ("device", "MOBILE")
    assert found.effects[0].is_claimed


def test_a_device_that_falls_within_one_campaign_is_told_inside_it() -> None:
    found = why(cube_of(lambda campaign, device: (campaign, device) == ("c4", "MOBILE")))
    assert (found.dimension, found.effects[0].part) == ("campaign_id", "c4")
    assert found.inside is not None
    assert (found.inside.dimension, found.inside.effects[0].part) == ("device", "MOBILE")
    # 60% of the cost falls from 4 to 2: from 4 to 2.8, but for the noise
    assert found.inside.before_value == pytest.approx(4.0, rel=0.05)
    assert found.inside.after_value == pytest.approx(2.8, rel=0.05)


def test_a_dimension_that_is_asked_for_is_used_and_the_scope_is_kept_to() -> None:
    cube = cube_of(lambda campaign, device: campaign == "c4")
    found = why(cube, dimension="device")
    assert {e.part for e in found.effects} == set(DEVICES)
    found = why(cube, target(where={"campaign_id": ("c4", "c5")}))
    assert {e.part for e in found.effects} == {"c4", "c5"}


def test_a_segment_is_explained_within_itself() -> None:
    cube = cube_of(lambda campaign, device: (campaign, device) == ("c4", "MOBILE"))
    found = why(cube, target(for_each="campaign"), segment="c4")
    assert (found.dimension, found.effects[0].part) == ("device", "MOBILE")


def test_money_of_two_currencies_is_not_explained() -> None:
    cube = cube_of(lambda campaign, device: False)
    mixed = replace(cube, currency=Column.of(["EUR", "GBP"] + ["EUR"] * (cube.cells - 2)))
    assert explain_target(mixed, target(), KPIS["roas"], BEFORE_DAYS, AFTER_DAYS) is None


def test_one_part_alone_explains_nothing() -> None:
    cube = cube_of(lambda campaign, device: False)
    one = target(where={"campaign_id": ("c4",), "device": ("MOBILE",)})
    assert explain_target(cube, one, KPIS["roas"], BEFORE_DAYS, AFTER_DAYS) is None


def test_what_is_still_arriving_is_accounted_for_as_in_the_value_that_is_judged() -> None:
    cube = cube_of(lambda campaign, device: False)
    share = np.ones(56)
    share[-5:] = [0.95, 0.9, 0.8, 0.7, 0.5]
    share[-1] = np.nan  # too little is in: the day is left out
    late = replace(cube, numerator=cube.numerator * np.nan_to_num(share, nan=0.2))
    series = replace(late.series({}), completeness=share)
    found = why(late, series=series)
    told = late.series({})
    kept = slice(28, 55)
    assert told.denominator is not None
    assert found.after_value == pytest.approx(
        told.numerator[kept].sum() / (told.denominator[kept] * share[kept]).sum(), rel=1e-12
    )
    raw = why(late, target(measure=Measure(completeness="raw")), series=series).after_value
    assert raw == why(late).after_value < 0.97 * found.after_value


def test_late_conversions_below_the_line_are_completed_there() -> None:
    # cost per conversion: N x share, as the conversions are the denominator
    cube = cube_of(lambda campaign, device: False, "cost_per_conversion")
    share = np.ones(56)
    share[-2:] = 0.5
    series = replace(cube.series({}), completeness=share)
    found = why(cube, series=series)
    n, d = cube.numerator[:, 28:].sum(axis=0), cube.denominator
    assert d is not None
    assert found.after_value == pytest.approx((n * share[28:]).sum() / d[:, 28:].sum(), rel=1e-12)


def test_a_late_sum_is_completed_with_what_is_expected() -> None:
    cube = cube_of(lambda campaign, device: False, "revenue")
    share = np.ones(56)
    share[-3:] = [0.8, 0.6, 0.4]
    late = replace(cube, numerator=cube.numerator * share)
    found = why(late, series=replace(late.series({}), completeness=share))
    whole = cube.numerator[:, 28:].sum()
    assert late.numerator[:, 28:].sum() < 0.97 * whole
    assert found.after_value == pytest.approx(whole, rel=0.02)
    assert not found.is_per_day


def test_days_that_are_not_in_are_left_out_of_both_the_value_and_the_parts() -> None:
    cube = cube_of(lambda campaign, device: False, "revenue")
    gone = cube.numerator.copy()
    gone[:, 30:33] = 0.0
    missing = [AFTER + timedelta(days=2 + i) for i in range(3)]
    found = why(replace(cube, numerator=gone), missing_days=missing)
    assert found.is_per_day
    assert found.after_value == pytest.approx(gone[:, 28:].sum() / 25)


def test_the_week_is_told_first_when_something_stands_out_in_it_alone() -> None:
    # c4 loses 40% in the last week alone, after three in which everything did 5% better
    cube = cube_of(lambda campaign, device: False)
    value = cube.numerator.copy()
    for i in (12, 13, 14):
        value[i, 49:] *= 0.6
    value[:, 28:49] *= 1.05
    cube = replace(cube, numerator=value)
    found = explanations(
        cube, target(), KPIS["roas"], (Q4_START, Q4_END), date(2026, 10, 28), BEFORE, direction=-1
    )
    assert [one.compared for one in found] == ["week", "baseline"]
    assert found[0].claimed[0].part == "c4"
    assert found[1].claimed == ()
