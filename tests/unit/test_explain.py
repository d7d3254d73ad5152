"""Why a ratio or a sum changed: exact splits, noise, and the right culprit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from math import isfinite

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flows.targets.explain import (
    Effect,
    Explanation,
    Stretch,
    explain,
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
