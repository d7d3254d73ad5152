"""How sure a value is: intervals, the least volume, and which segments are truly worse.

Days differ more from one another than chance alone explains, and a good day is
often followed by another. Intervals that ignore both cover 69% instead of 80%
(facts: targets and alerts, §3). Arrays hold one entry a calendar day, NaN where
a day is unknown, and end at the last measured day. ``completeness`` is the
share (0..1] of the numerator that is in, ``completeness_error`` the standard
error of its logarithm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp, inf, isfinite, log, sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, ndtri, stdtr, stdtrit

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Kind = Literal["rate", "ratio", "sum"]

# The interval that is shown: wide enough to be believed, narrow enough to be of use.
COVERAGE = 0.8
# Dispersion is learned over the window and this many days before it.
DISPERSION_DAYS = 56
# With fewer days or events than this a dispersion is itself mostly chance.
DISPERSION_LEAST_DAYS = 28
DISPERSION_LEAST_EVENTS = 20
# What counts typically vary by when they are too few to say: twice as much as chance.
DEFAULT_DISPERSION = 2.0
# Less than this is no trial at all: a day of which next to nothing is in.
LEAST_TRIALS = 1e-6
# Weekly habits make days further apart than this look alike again.
LAGS = 3
# The difference, as a share of the level, that a value must be able to show,
# and z for seeing it with one-sided 90% certainty.
DELTA = 0.2
Z_ONE_SIDED = 1.2816
# Denominators a day are averaged over the latest four whole weeks.
VOLUME_DAYS = 28


@dataclass(frozen=True)
class Interval:
    """A value with the bounds within which the true one lies four times in five."""

    value: float
    low: float
    high: float


def value_interval(
    kind: Kind,
    numerator: FloatArray,
    denominator: FloatArray | None,
    window_days: int,
    *,
    completeness: FloatArray | None = None,
    completeness_error: FloatArray | None = None,
    coverage: float = COVERAGE,
) -> Interval | None:
    """The value over the last ``window_days`` entries, completed, and its interval.

    A `rate` counts events among trials (CTR), a `ratio` divides amounts (ROAS,
    CAC), a `sum` is known but for what is still to come in. Days before the
    window teach a rate how much its days vary. None when there is no value or
    too little to tell its interval: fewer than two days with a denominator.
    """
    days = _Days.of(numerator, denominator, completeness, completeness_error)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows has no interval
        if kind == "sum":
            return _sum_interval(days.last(window_days), coverage)
        if kind == "rate":
            return _rate_interval(days, window_days, coverage)
        return _ratio_interval(days.last(window_days), coverage)


def dispersion(
    numerator: FloatArray, denominator: FloatArray, completeness: FloatArray | None = None
) -> float:
    """How much more the daily counts of a rate vary than chance: φ, at least 1.

    Pearson's χ² over its degrees of freedom, over the latest twelve weeks: over
    years a level wanders, which is no day-to-day variation. DEFAULT_DISPERSION
    when there are too few days or events to tell.
    """
    days = _Days.of(numerator, denominator, completeness, None)
    return _dispersion(days.last(DISPERSION_DAYS + VOLUME_DAYS))


def minimum_of_rate(level: float, phi: float = DEFAULT_DISPERSION) -> float | None:
    """Denominator below which a rate of this height says too little to be judged.

    z²·φ·g(1−g)/(δg)²: a difference of δ = 20% of the rate is seen with one-sided
    90% certainty (z = 1.2816) when counts vary φ times as much as chance.
    A CTR of 3% needs 2,656 impressions with φ = 2. None where the formula says nothing.
    """
    if not 0 < level < 1 or not 1 <= phi < inf:
        return None
    return float(ceil(Z_ONE_SIDED**2 * phi * (1 - level) / (DELTA**2 * level)))


def days_until(
    minimum: float, so_far: float, denominator: FloatArray, window_days: int | None = None
) -> int | None:
    """Days until the denominator comes to ``minimum`` at the volume of the last four weeks.

    0 when it is there. None when nothing comes in, or when a window that moves
    along (``window_days``) never holds so much at this volume.
    """
    if so_far >= minimum:
        return 0
    recent = denominator[-VOLUME_DAYS:]
    known = recent[np.isfinite(recent)]
    daily = float(known.mean()) if known.size else 0.0
    if daily <= 0 or not isfinite(daily):
        return None
    if window_days is not None and daily * window_days < minimum:
        return None
    return ceil((minimum - so_far) / daily)


def chance_of_no_worse(
    kind: Literal["rate", "ratio"],
    numerator: FloatArray,
    denominator: FloatArray,
    window_days: int,
    *,
    limit: float,
    lower_is_better: bool = False,
    completeness: FloatArray | None = None,
) -> float:
    """One-sided p-value of a segment being worse than ``limit`` over the window's days.

    Small when the segment is truly worse; 1 when nothing can be said. For
    `rate` the tail of the limit with the effective counts; for `ratio` a t-test
    of N − limit·D about zero, so that no numerator at all is not certainty.
    """
    days = _Days.of(numerator, denominator, completeness, None)
    window = days.last(window_days)
    exposed = float(window.exposure.sum())
    if exposed <= 0 or not isfinite(limit):
        return 1.0
    if kind == "rate":
        if not 0 < limit < 1:
            return 1.0
        trials = exposed / _inflation(days.last(window_days + DISPERSION_DAYS))
        events = min(max(window.value() or 0.0, 0.0), 1.0) * trials
        below = float(1.0 - betainc(events + 0.5, trials - events + 0.5, limit))
    else:
        residual = window.numerator - limit * window.exposure
        n, spread = residual.size, float(np.square(residual).sum())
        if n < 2 or spread <= 0:
            return 1.0
        below = float(stdtr(n - 1, float(residual.sum()) / sqrt(spread)))
    p = 1.0 - below if lower_is_better else below
    return p if isfinite(p) else 1.0


def benjamini_hochberg(p_values: Sequence[float] | FloatArray, q: float = 0.1) -> BoolArray:
    """Which of many p-values may be claimed, so that at most a share ``q`` of claims is false.

    One entry per p-value, in their order. A p-value that is not finite is never claimed.
    """
    p = np.nan_to_num(np.asarray(p_values, dtype=np.float64), nan=1.0, posinf=1.0, neginf=1.0)
    if p.size == 0:
        return np.zeros(0, dtype=np.bool_)
    ranked = np.sort(p)
    passing = np.flatnonzero(ranked <= q * np.arange(1, p.size + 1) / p.size)
    if passing.size == 0:
        return np.zeros(p.size, dtype=np.bool_)
    return np.asarray(p <= ranked[passing[-1]], dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class _Days:
    """Known days only. ``exposure`` is denominator × completeness (completeness for a sum).

    ``position`` is the day's place in the calendar, counted back from the last (0).
    """

    numerator: FloatArray
    exposure: FloatArray
    error: FloatArray
    position: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls,
        numerator: FloatArray,
        denominator: FloatArray | None,
        completeness: FloatArray | None,
        error: FloatArray | None,
    ) -> _Days:
        n = numerator.size
        exposure = np.ones(n) if denominator is None else denominator
        if completeness is not None:
            exposure = exposure * completeness
        known = np.isfinite(numerator) & np.isfinite(exposure)
        if denominator is not None:
            known &= (exposure > 0) | (numerator != 0)
        return cls(
            numerator=numerator[known],
            exposure=exposure[known],
            error=np.zeros(int(known.sum())) if error is None else np.nan_to_num(error[known]),
            position=np.arange(n - 1, -1, -1)[known],
        )

    def last(self, days: int) -> _Days:
        kept = self.position < days
        return _Days(
            self.numerator[kept], self.exposure[kept], self.error[kept], self.position[kept]
        )

    def value(self) -> float | None:
        exposed = float(self.exposure.sum())
        if exposed <= 0:
            return None
        value = float(self.numerator.sum()) / exposed
        return value if isfinite(value) else None

    def learning_error(self) -> float:
        """Standard error of ln(value) from completeness; the days of one curve err together."""
        exposed = float(self.exposure.sum())
        return float((self.exposure * self.error).sum()) / exposed if exposed > 0 else 0.0


def _pearson(days: _Days) -> FloatArray | None:
    """Residuals of the days about their common rate, in standard deviations of pure chance."""
    rate = days.value()
    events = float(days.numerator.sum())
    if rate is None or not 0 < rate < 1:
        return None
    if days.numerator.size < DISPERSION_LEAST_DAYS or events < DISPERSION_LEAST_EVENTS:
        return None
    usable = days.exposure > 0
    expected = rate * days.exposure[usable]
    return np.asarray((days.numerator[usable] - expected) / np.sqrt(expected * (1 - rate)))


def _dispersion(days: _Days) -> float:
    residuals = _pearson(days)
    if residuals is None:
        return DEFAULT_DISPERSION
    phi = float(np.square(residuals).sum()) / (residuals.size - 1)
    return max(phi, 1.0) if isfinite(phi) else DEFAULT_DISPERSION


def _inflation(days: _Days) -> float:
    """φκ: by how much the days' counts say less than as many independent trials."""
    residuals = _pearson(days)
    if residuals is None:
        return DEFAULT_DISPERSION
    centred = residuals - residuals.mean()
    total = float(np.square(centred).sum())
    kappa = 1.0
    if total > 0:
        for lag in range(1, LAGS + 1):
            rho = float((centred[lag:] * centred[:-lag]).sum()) / total
            kappa += 2 * (1 - lag / (LAGS + 1)) * rho
    return _dispersion(days) * max(kappa, 1.0)


def _rate_interval(days: _Days, window_days: int, coverage: float) -> Interval | None:
    """Wilson's interval with the effective number of trials n = ΣD/(φκ)."""
    window = days.last(window_days)
    rate = window.value()
    if rate is None or not 0 <= rate <= 1:
        return _ratio_interval(window, coverage)  # more events than trials: no rate after all
    n = float(window.exposure.sum()) / _inflation(days.last(window_days + DISPERSION_DAYS))
    if n < LEAST_TRIALS:
        return None
    z = float(ndtri((1 + coverage) / 2))
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low, high = max(middle - half, 0.0), min(middle + half, 1.0)
    learned = z * window.learning_error()
    if learned > 0 and rate > 0:
        low = rate * exp(-sqrt(log(rate / low) ** 2 + learned**2)) if low > 0 else 0.0
        high = min(rate * exp(sqrt(log(high / rate) ** 2 + learned**2)), 1.0)
    return _finite(rate, min(low, rate), max(high, rate))


def _ratio_interval(window: _Days, coverage: float) -> Interval | None:
    """The delta method: V = Σ(N−R·D)²·W/(W−1)/(ΣD)², with Student's t of W−1."""
    ratio, n = window.value(), window.numerator.size
    if ratio is None or n < 2:
        return None
    residual = window.numerator - ratio * window.exposure
    exposed, learned = float(window.exposure.sum()), ratio * window.learning_error()
    # products overflow to infinity, powers raise
    variance = float(np.square(residual).sum()) * n / (n - 1) / exposed / exposed
    variance += learned * learned
    half = float(stdtrit(n - 1, (1 + coverage) / 2)) * sqrt(variance)
    low = ratio - half
    if (window.numerator >= 0).all():
        low = max(low, 0.0)
    return _finite(ratio, low, ratio + half)


def _sum_interval(window: _Days, coverage: float) -> Interval | None:
    """What is counted and, at the window's level, what is still to come; only that is uncertain.

    N + (1−c)·ΣN/Σc: dividing each day by its share would multiply the noise of the youngest.
    """
    level = window.value()
    if level is None:
        return None
    missing = float((1 - window.exposure).sum())
    value = float(window.numerator.sum()) + level * missing
    # a share that is wrong errs in its own day and in the level of them all
    wrong = float(np.where(window.exposure < 1, window.exposure * window.error, 0.0).sum())
    error = abs(level) * wrong * (1 + missing / float(window.exposure.sum()))
    half = float(ndtri((1 + coverage) / 2)) * error
    return _finite(value, value - half, value + half)


def _finite(value: float, low: float, high: float) -> Interval | None:
    if not (isfinite(value) and isfinite(low) and isfinite(high)):
        return None
    return Interval(value, low, high)
