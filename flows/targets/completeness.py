"""How much of a young day is in: learned from what earlier days came to, read by read.

Conversions are counted on the day of the click and keep arriving for weeks, so
that the last days of a window look worse than they are. How much is in at which
age is learned by chain ladder from the snapshots of every read, with the
platform's own lag buckets as the prior; ratios are then Σ late / Σ (other × c).
Ages count from the day itself to the day as of which it was read: a daily run
as of D reads yesterday at age 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

Side = Literal["numerator", "denominator"]
LearnedFrom = Literal["history", "lag_buckets", "both"]

# Dividing by less multiplies noise twentyfold: such a day says next to nothing yet.
FLOOR = 0.05
# A share known to a factor of 1.5 either way (one standard error) is not known.
WORST_ERROR = 0.4
# Which share of a day's weight may lack a curve before the day itself is unknown.
LACKING_SHARE = 0.2
# The normal quantile of a two-sided 80% interval.
Z80 = 1.2815515655446004
# Four whole weeks: every weekday counts equally.
LEVEL_DAYS = 28

# How far lag buckets may be off as a description of what is read, as part of ln(share):
# clicks are not spread evenly over the day, reports lag by hours, the shape within the
# first day is a guess.
_BUCKETS_ERROR = 0.3
# Steps of which nothing is known lose a tenth of their growth each day.
_TAIL = 0.9
# How much the size of an increment counts as a first guess of its noise.
_GUESS_WEIGHT = 2.0
# Moments of a day at which its clicks are taken to be, for the mean over them.
_SLICES = 24
# Imputing what days came to between two reads that are apart settles within a few rounds.
_ROUNDS = 8


# --- what is learned from ---------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Reads:
    """What the days of one account came to, one element a read, in any order.

    ``day`` is a day's number (`date.toordinal`), ``age`` how many days later it
    was read, ``value`` what it came to then. A read that changed nothing is a
    read as well; where nobody read there is no element.
    """

    day: IntArray
    age: IntArray
    value: FloatArray

    def ages_of(self, first_day: date, days: int) -> IntArray:
        """The age at which each day was last read; −1 for one that is not among the reads."""
        ages = np.full(days, -1, np.int64)
        at = self.day - first_day.toordinal()
        inside = (at >= 0) & (at < days)
        np.maximum.at(ages, at[inside], self.age[inside])
        return ages


@dataclass(frozen=True, eq=False)
class LagBuckets:
    """How long after the click conversions came, as the platform itself tells it.

    One element for each bucket of the days that were read at ``age``: ``amount``
    came at least ``lower`` and less than ``upper`` days after the click. ``grain``
    is what one conversion is worth in the same unit: 1 for conversions.
    """

    age: IntArray
    lower: FloatArray
    upper: FloatArray
    amount: FloatArray
    grain: float = 1.0


@dataclass(frozen=True, eq=False)
class LagCurve:
    """The share of a day's final value that is in, by age.

    ``share[a]`` is that at age ``a`` days: NaN for ages younger than any that
    was learned (0 always), never falling, 1 at the last, from which nothing
    arrives any more. ``error`` is the standard error of ln(share).
    ``snapshots`` counts the runs it was learned from; 0 for lag buckets alone.
    """

    share: FloatArray
    error: FloatArray
    snapshots: int
    learned_from: LearnedFrom

    @property
    def final_age(self) -> int:
        return len(self.share) - 1

    @property
    def youngest(self) -> int:
        """The first age of which something is known."""
        return 1 + int(np.flatnonzero(np.isfinite(self.share[1:]))[0])

    def at(self, ages: IntArray) -> tuple[FloatArray, FloatArray]:
        """Share and error per age; NaN for ages of which nothing is known, −1 among them."""
        place = np.clip(ages, 0, self.final_age)
        known = ages >= 0
        return (
            np.where(known, self.share[place], np.nan),
            np.where(known, self.error[place], np.nan),
        )


def learn(reads: Reads, final_age: int, prior: LagCurve | None = None) -> LagCurve | None:
    """Learn the curve of one account from what its days came to at each read.

    ``final_age`` is the age at which a day is left alone: there the share is 1.
    Gives the prior where no day was read twice, and None without one.
    """
    pairs = _pairs(reads, final_age) if final_age > 0 else None
    if pairs is None:
        return prior
    steps = _steps(pairs, final_age, prior)
    if steps is None:
        return prior
    share, variance = steps
    if prior is not None and prior.final_age == final_age:
        share, variance = _blended(share, variance, prior)
    elif not np.isfinite(share).any():
        return None
    curve, error = _chained(*_with_tail(share, variance))
    return LagCurve(
        share=curve,
        error=error,
        snapshots=len(np.unique(pairs.day + pairs.later)),
        learned_from="history" if prior is None else "both",
    )


def curve_of_buckets(buckets: LagBuckets, final_age: int) -> LagCurve | None:
    """The curve that the platform's own lag buckets imply; None when they are empty.

    A bucket counts on days old enough for it to be whole, so that young days
    tell of short lags before any day is old enough to tell of the long ones.
    """
    edges, arrived, sampling = _arrived(buckets, final_age)
    if len(edges) < 2 or final_age < 1:
        return None
    # the mean over the clicks of a day, spread evenly over it, of what has come since
    within = (np.arange(_SLICES) + 0.5) / _SLICES
    elapsed = np.arange(1, final_age + 1)[:, None] - within[None, :]
    share = _arrived_by(elapsed, edges, arrived).mean(axis=1)
    if not share[-1] > 0:
        return None
    share = np.concatenate([[0.0], np.minimum(np.maximum.accumulate(share / share[-1]), 1.0)])
    with np.errstate(divide="ignore"):
        noise = np.interp(np.arange(final_age + 1), edges, sampling)
        error = np.sqrt((_BUCKETS_ERROR * np.log(share)) ** 2 + noise)
    error[0], error[-1] = np.inf, 0.0
    return LagCurve(share, np.maximum.accumulate(error[::-1])[::-1], 0, "lag_buckets")


# --- for a series -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Part:
    """One account of a masked sum, one element a day.

    ``weight`` is what the account is expected to bring (see `of`). ``ages`` is
    at which age each day was last read. Without a ``curve`` nothing is known of
    how late the account's days are, but that they are whole from ``final_age`` on.
    """

    curve: LagCurve | None
    ages: IntArray
    weight: FloatArray
    final_age: int | None = None

    @classmethod
    def of(
        cls,
        curve: LagCurve | None,
        ages: IntArray,
        arriving: FloatArray,
        other: FloatArray | None,
        final_age: int | None = None,
    ) -> Part:
        """An account's part, weighed by what it is expected to bring on each day.

        ``arriving`` is the side that arrives late; ``other`` the one that does not,
        which counts at the account's own ratio (ROAS, for cost), or None for a
        sum, whose level counts. An account that spends and never sells thus has
        no part in how much of the sales is in.
        """
        unweighed = cls(curve, ages, arriving, final_age)
        share, _ = unweighed.at_ages()
        if curve is None:
            share = np.ones(len(ages))
        if other is None:
            return replace(unweighed, weight=_trailing_level(arriving, share))
        there = np.isfinite(arriving) & np.isfinite(other) & (share >= FLOOR)
        spent = float((other[there] * share[there]).sum())
        ratio = max(float(arriving[there].sum()), 0.0) / spent if spent > 0 else 0.0
        return replace(unweighed, weight=other * ratio)

    def at_ages(self) -> tuple[FloatArray, FloatArray]:
        """Share and error per day."""
        if self.curve is not None:
            return self.curve.at(self.ages)
        whole = np.full(len(self.ages), False)
        if self.final_age is not None:
            whole = self.ages >= self.final_age
        return np.where(whole, 1.0, np.nan), np.where(whole, 0.0, np.nan)


def series_completeness(parts: Sequence[Part]) -> tuple[FloatArray, FloatArray]:
    """The completeness per day of a sum over accounts, and the standard error of its ln.

    NaN on days too young to tell (see `LagCurve`), below `FLOOR`, or known too
    badly (`WORST_ERROR`): they are to be left out of what is measured.
    """
    if not parts:
        return np.empty(0), np.empty(0)
    weights = np.array([part.weight for part in parts], np.float64)
    weights = np.where(np.isfinite(weights), np.maximum(weights, 0.0), 0.0)
    # a day on which nobody weighs anything takes the plain mean of what is known
    plain = np.array([[float(part.curve is not None)] for part in parts])
    weights = np.where(weights.sum(axis=0) > 0, weights, plain)
    told = [part.at_ages() for part in parts]
    shares, errors = np.array([share for share, _ in told]), np.array([error for _, error in told])
    known = np.isfinite(shares) & np.isfinite(errors)
    used = np.where(known, weights, 0.0)
    inside = used * np.where(known, shares, 0.0)
    # accounts err independently
    spread = np.sqrt(((inside * np.where(known, errors, 0.0)) ** 2).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        completeness = inside.sum(axis=0) / used.sum(axis=0)
        deviation = spread / inside.sum(axis=0)
        enough = used.sum(axis=0) >= (1 - LACKING_SHARE) * weights.sum(axis=0)
        enough &= (completeness >= FLOOR) & (deviation <= WORST_ERROR)
    return np.where(enough, completeness, np.nan), np.where(enough, deviation, np.nan)


# --- applied ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Adjusted:
    """A measured value as it will be once everything has arrived.

    ``value`` is None where there is nothing to divide by. ``share_in`` is the
    share of the late side that is in over the days used (NaN without any),
    ``error`` the standard error of ln(value) that the curve alone brings.
    ``left_out`` days have figures of which too little is in to be used.
    """

    value: float | None
    share_in: float
    error: float
    used: int
    left_out: int


def adjusted_ratio(
    numerator: FloatArray,
    denominator: FloatArray,
    completeness: FloatArray,
    error: FloatArray,
    late: Side = "numerator",
) -> Adjusted:
    """ΣN / Σ(D·c) where the numerator arrives late, Σ(N·c) / ΣD where the denominator does.

    One element a day; NaN where there are no figures.
    """
    there = np.isfinite(numerator) & np.isfinite(denominator)
    told = there & np.isfinite(completeness)
    left_out = int((there & ~told).sum())
    n, d, c = numerator[told], denominator[told], completeness[told]
    arriving, other = (n, d) if late == "numerator" else (d, n)
    in_by_now, whole = float((other * c).sum()), float(other.sum())
    over, under = float(arriving.sum()), in_by_now
    if late == "denominator":
        over, under = under, over
    return Adjusted(
        value=over / under if under != 0 and np.isfinite(over / under) else None,
        share_in=in_by_now / whole if whole > 0 else float("nan"),
        error=_sum_error(other * c, error[told]),
        used=int(told.sum()),
        left_out=left_out,
    )


def completed(
    values: FloatArray, completeness: FloatArray, level: FloatArray | None = None
) -> FloatArray:
    """Daily sums as they will be: what is in, and the rest of the level that is expected.

    N + (1 − c)·level; N / c would multiply the noise of the youngest days.
    NaN stays NaN, and so are days that are left out (completeness NaN). The
    level is that of the `LEVEL_DAYS` days up to each, where none is given.
    """
    expected = _trailing_level(values, completeness) if level is None else level
    missing = np.where(np.isfinite(completeness), 1.0 - completeness, np.nan)
    # a day that is wholly in needs no level
    whole: FloatArray = values + np.where(missing == 0, 0.0, missing * expected)
    return whole


def adjusted_sum(
    values: FloatArray,
    completeness: FloatArray,
    error: FloatArray,
    level: FloatArray | None = None,
) -> Adjusted:
    """The sum of `completed`, over the days that have figures and are not left out."""
    whole = completed(values, completeness, level)
    told = np.isfinite(whole)
    there = np.isfinite(values)
    total = float(whole[told].sum())
    in_by_now = float(values[told].sum())
    # what is expected of a day is a level divided by the same shares: it errs along with them
    errs = _sum_error((whole - values)[told], error[told])
    waiting = total - in_by_now
    return Adjusted(
        value=total if told.any() else None,
        share_in=in_by_now / total if total > 0 else float("nan"),
        error=errs * abs(waiting) / abs(total) if total != 0 else 0.0,
        used=int(told.sum()),
        left_out=int((there & ~told).sum()),
    )


def widened(value: float, low: float, high: float, error: float) -> tuple[float, float]:
    """An 80% interval around a positive value with the curve's own error added, in logs."""
    if not (value > 0 and 0 < low <= value <= high):
        return low, high
    below = np.hypot(np.log(value / low), Z80 * error)
    above = np.hypot(np.log(high / value), Z80 * error)
    return float(value * np.exp(-below)), float(value * np.exp(above))


# --- the chain ladder -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Two reads of a day, one after the other: ages and values at both."""

    day: IntArray
    earlier: IntArray
    later: IntArray
    before: FloatArray
    after: FloatArray


def _pairs(reads: Reads, final_age: int) -> _Pairs | None:
    """Neighbouring reads of the same day; reads past ``final_age`` tell what it came to."""
    usable = (reads.age >= 0) & np.isfinite(reads.value)
    # a correction below zero is no share of anything
    day, value = reads.day[usable], np.maximum(reads.value[usable], 0.0)
    true_age = reads.age[usable]
    order = np.lexsort((true_age, day))
    day, true_age, value = day[order], true_age[order], value[order]
    age = np.minimum(true_age, final_age)
    # of several reads at one age the last counts
    last = np.append((day[1:] != day[:-1]) | (age[1:] != age[:-1]), True)[: len(day)]
    day, age, value = day[last], age[last], value[last]
    same = day[1:] == day[:-1]
    if not same.any():
        return None
    return _Pairs(day[1:][same], age[:-1][same], age[1:][same], value[:-1][same], value[1:][same])


def _steps(
    pairs: _Pairs, final_age: int, prior: LagCurve | None
) -> tuple[FloatArray, FloatArray] | None:
    """Per age a the share V(a)/V(a+1) and its variance; NaN where nothing was seen.

    Where nobody read for some days, the values between are imputed along the
    curve, and the curve learned again from them.
    """
    span = pairs.later - pairs.earlier
    row = np.repeat(np.arange(len(span)), span)
    offset = np.arange(len(row)) - np.repeat(np.cumsum(span) - span, span)
    age = pairs.earlier[row] + offset
    growth = pairs.after - pairs.before
    # whole conversions come in one step: the days between bring no evidence of their own
    evidence = 1.0 / span[row]
    seen = np.bincount(age, minlength=final_age)[:final_age] > 0

    # the common shape of such curves, for the first round only
    curve: FloatArray = 1.0 - 0.5 * _TAIL ** np.arange(final_age + 1, dtype=np.float64)
    if prior is not None and prior.final_age == final_age:
        curve = prior.share
    share = np.ones(final_age)
    early = late = np.zeros(len(row))
    for _ in range(_ROUNDS if (span > 1).any() else 1):
        start, end = curve[pairs.earlier], curve[pairs.later]
        reach = np.maximum(end - start, 1e-9)
        early = pairs.before[row] + growth[row] * np.clip(
            (curve[age] - start[row]) / reach[row], 0.0, 1.0
        )
        late = pairs.before[row] + growth[row] * np.clip(
            (curve[age + 1] - start[row]) / reach[row], 0.0, 1.0
        )
        late = np.where(offset == span[row] - 1, pairs.after[row], late)
        young = np.bincount(age, early, final_age)
        old = np.bincount(age, late, final_age)
        share = np.where(old > 0, young / np.where(old > 0, old, 1.0), np.nan)
        chain = np.where(np.isfinite(share), np.minimum(share, 1.0), 1.0)
        curve = np.append(np.cumprod(chain[::-1])[::-1], 1.0)
        # a curve without any growth leaves no place to impute it
        curve = np.maximum.accumulate(curve + 1e-9 * np.arange(final_age + 1))
    old = np.bincount(age, late, final_age)
    known = seen & (old > 0)
    if not known.any():
        return None

    # each day's values split like a binomial in units of `grain`
    rest = (1.0 - np.clip(np.where(known, share, 1.0), 0.0, 1.0)) * old
    residual = early - np.where(known, share, 1.0)[age] * late
    spread = np.where(known, np.clip(share, 0.0, 1.0) * (1.0 - np.clip(share, 0.0, 1.0)), 0.0)
    expected = float((evidence * spread[age] * late).sum())
    counted = np.bincount(age, evidence, final_age)
    freedom = float(np.maximum(counted - 1.0, 0.0)[known].sum())
    increments = np.abs(late - early)
    arrived = float(increments.sum())
    guess = float((increments**2).sum() / arrived) if arrived > 0 else float(old.max())
    found = float((evidence * residual**2).sum() / expected) if expected > 0 else 0.0
    grain = (freedom * found + _GUESS_WEIGHT * guess) / (freedom + _GUESS_WEIGHT)

    # where nothing came, half an arrival might have, somewhere along the curve
    pseudo = grain / (2.0 * max(int(known.sum()), 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        late_part = np.maximum((rest + pseudo) / (old + pseudo), 0.0)
        if prior is not None and prior.final_age == final_age:
            # few arrivals by chance would look well known, and weigh more than many by chance
            expected_part = 1.0 - prior.share[:-1] / prior.share[1:]
            late_part = np.where(expected_part > 0, expected_part, late_part)
        weight = old * np.where(counted > 0, np.bincount(age, evidence * late, final_age) / old, 0)
        variance = grain * late_part * np.maximum(1.0 - late_part, 0.05) / weight
    return np.where(known, share, np.nan), np.where(known, variance, np.nan)


def _blended(
    share: FloatArray, variance: FloatArray, prior: LagCurve
) -> tuple[FloatArray, FloatArray]:
    """Steps weighted with those of the prior by how well each is known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = prior.share[:-1] / prior.share[1:]
        squared = np.where(np.isfinite(prior.error), prior.error, np.nan) ** 2
        steps_variance = steps**2 * np.maximum(squared[:-1] - squared[1:], 1e-10)
        ours = np.where(np.isfinite(share) & (variance > 0), 1.0 / variance, 0.0)
        theirs = np.where(np.isfinite(steps) & np.isfinite(steps_variance), 1 / steps_variance, 0)
        total = ours + theirs
        mixed = (
            np.where(ours > 0, share, 0.0) * ours + np.where(theirs > 0, steps, 0.0) * theirs
        ) / total
        variance = 1.0 / total
    return np.where(total > 0, mixed, np.nan), np.where(total > 0, variance, np.nan)


def _with_tail(share: FloatArray, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Steps after the youngest known one, with what was never seen in between or after filled in.

    A gap between known steps takes their middle; after the last the growth
    fades, and its whole size is its standard error.
    """
    known = np.flatnonzero(np.isfinite(share))
    ages = np.arange(len(share))
    filled = np.interp(ages, known, share[known])
    noise = np.interp(ages, known, variance[known])
    after = ages > known[-1]
    recent = float(np.mean(1.0 - np.minimum(share[known[-3:]], 1.0)))
    fading = recent * _TAIL ** (ages - known[-1])
    filled = np.where(after, 1.0 - fading, filled)
    noise = np.where(after, fading**2, noise)
    before = ages < known[0]
    return np.where(before, np.nan, filled), np.where(before, np.nan, noise)


def _chained(share: FloatArray, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Multiply the steps up to the age at which everything is in; never falling, at most 1."""
    known = np.isfinite(share)
    chain = np.append(np.cumprod(np.where(known, share, 1.0)[::-1])[::-1], 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(known, variance / share**2, 0.0)
    error = np.sqrt(np.append(np.cumsum(each[::-1])[::-1], 0.0))
    first = int(np.flatnonzero(known)[0])
    curve = np.full(len(chain), np.nan)
    curve[first:] = np.minimum(_rising(chain[first:]), 1.0)
    curve[-1] = 1.0
    error[:first] = np.nan
    # at age 0 a day has not been
    curve[0], error[0] = 0.0, np.inf
    return curve, error


def _rising(values: FloatArray) -> FloatArray:
    """The nearest curve that never falls: neighbours that do are replaced by their mean."""
    levels: list[tuple[float, int]] = []
    for value in values.tolist():
        level, width = value, 1
        while levels and levels[-1][0] > level:
            other, count = levels.pop()
            level, width = (other * count + level * width) / (count + width), count + width
        levels.append((level, width))
    return np.repeat([level for level, _ in levels], [width for _, width in levels])


def _arrived(buckets: LagBuckets, final_age: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The edges of the buckets, the share that came before each, and the variance of its ln."""
    inside = (buckets.lower < final_age) & np.isfinite(buckets.amount)
    age, lower = buckets.age[inside], buckets.lower[inside]
    amount = np.maximum(buckets.amount[inside], 0.0)
    starts = np.unique(lower)
    if not amount.sum() > 0:
        return np.zeros(1), np.zeros(1), np.zeros(1)
    place = np.searchsorted(starts, lower)
    ends = np.zeros(len(starts))
    ends[place] = buckets.upper[inside]
    steps, variance = np.ones(len(starts)), np.zeros(len(starts))
    for at in range(1, len(starts)):
        # the last click of a day has had a day less than the first
        whole = age > ends[at]
        if not whole.any():
            whole = age > (starts[at] + ends[at]) / 2  # the better half of it
        upto = float(amount[whole & (place <= at)].sum())
        before = float(amount[whole & (place < at)].sum())
        if before > 0:
            steps[at] = before / upto
            variance[at] = (1 - steps[at]) / steps[at] * buckets.grain / upto
    chain = np.cumprod(steps[::-1])[::-1]
    noise = np.cumsum(variance[::-1])[::-1]
    return (
        np.concatenate([[0.0], ends]),
        np.concatenate([[0.0], np.append(chain[1:], 1.0)]),
        np.concatenate([[noise[0]], np.append(noise[1:], 0.0)]),
    )


def _arrived_by(elapsed: FloatArray, edges: FloatArray, arrived: FloatArray) -> FloatArray:
    """The share that has come within so many days of the click.

    Straight between the edges of the buckets; within the first one most comes
    within the hour, so there the cumulative hazard is a power of the time that
    fits the first two edges.
    """
    straight: FloatArray = np.interp(elapsed, edges, arrived)
    first, hazard = edges[1], -np.log(np.maximum(1.0 - arrived[1:3], 1e-12))
    if len(hazard) < 2 or not 0 < hazard[0] < hazard[1]:
        return straight
    power = np.clip(np.log(hazard[1] / hazard[0]) / np.log(edges[2] / first), 0.05, 1.0)
    curved = 1.0 - np.exp(-hazard[0] * (np.maximum(elapsed, 0.0) / first) ** power)
    return np.where(elapsed < first, curved, straight)


# --- sums -------------------------------------------------------------------------------------


def _sum_error(weights: FloatArray, error: FloatArray) -> float:
    """The standard error of ln Σ weight, where the days share one curve.

    What ages a < b have in common is the error of b, the older: a chain goes on
    through it. Independent days would hide that the curve is wrong for all.
    """
    total = float(weights.sum())
    if not total > 0:
        return 0.0
    variance = np.where(np.isfinite(error), error, 0.0) ** 2
    order = np.argsort(-variance)  # the youngest first
    heavy, variance = weights[order], variance[order]
    younger = np.cumsum(heavy) - heavy
    return float(np.sqrt((heavy * variance * (heavy + 2.0 * younger)).sum()) / total)


def _trailing_level(values: FloatArray, completeness: FloatArray) -> FloatArray:
    """What a whole day comes to: Σ in / Σ share over the `LEVEL_DAYS` days up to each."""
    told = np.isfinite(values) & np.isfinite(completeness)
    over = np.cumsum(np.where(told, values, 0.0))
    under = np.cumsum(np.where(told, completeness, 0.0))
    over[LEVEL_DAYS:] -= over[:-LEVEL_DAYS].copy()
    under[LEVEL_DAYS:] -= under[:-LEVEL_DAYS].copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(under > 0, over / under, np.nan)
