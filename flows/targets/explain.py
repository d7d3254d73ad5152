"""Why a KPI changed between two stretches of days: which part did it, and how.

A ratio ΣN/ΣD changes because parts (campaigns, devices, …) do better or worse
(rate) and because the denominator moves between parts that always were better
or worse (mix). With w a part's share of ΣD, r its own ratio and R the whole:

    rate = ½(w₁+w₀)(r₁−r₀)        mix = (w₁−w₀)(½(r₁+r₀) − ½(R₁+R₀))

These add up to R₁−R₀ exactly, without a rest that belongs to nobody
(Kitagawa 1955; Das Gupta's midpoint form). A sum changes by what its parts add.

Which parts really differ from the noise of their own days is tested, and with
many parts the false discoveries among the claims are held down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import fsum, isfinite
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Days = tuple[date, date]  # first and last, both included
Compared = Literal["baseline", "week", "last_year"]

# Of what is claimed at most one in ten is chance (Benjamini-Hochberg). Of 20 campaigns that
# are all fine, a plain test of each accuses one on nearly every other day, this on one in 20.
FALSE_CLAIMS = 0.1
# Days that follow one another resemble one another; beyond three days hardly anything is left.
LAGS = 3
# A rest or an effect below this part of the whole is rounding, not a cause.
NOTHING = 1e-9
WEEK = 7


@dataclass(frozen=True, eq=False)
class Stretch:
    """The daily sums of each part over one stretch of days.

    ``numerator`` and ``denominator`` are parts × days, one column a calendar
    day from ``first_day``; 0 where a part had nothing, NaN where it is not
    known. A day that is unknown of one part is left out of all.
    ``denominator`` is None for a KPI that is a sum.
    """

    first_day: date
    numerator: FloatArray
    denominator: FloatArray | None = None

    @property
    def days(self) -> int:
        return int(self.numerator.shape[1])

    @property
    def last_day(self) -> date:
        return self.first_day + timedelta(days=self.days - 1)


@dataclass(frozen=True)
class Effect:
    """What one part did to the change of the whole.

    ``rate``, ``mix`` and ``total`` are in the unit of the KPI and ``total`` is
    their sum; a sum has no mix. ``before`` and ``after`` are the part's own
    ratio (None where it has no denominator) or its sum. The weights are its
    share of the denominator, or of the sum (0 where the whole is 0).
    ``share_of_change`` can be negative, or more than 1; None when the whole
    did not change. ``p_value`` is the chance of an effect this large were
    there nothing but the noise of the days, None when there are too few days
    to say. Only what ``is_claimed`` may be told as a cause.
    """

    part: str
    label: str
    rate: float
    mix: float
    total: float
    share_of_change: float | None
    before: float | None
    after: float | None
    weight_before: float
    weight_after: float
    is_new: bool = False
    is_vanished: bool = False
    p_value: float | None = None
    is_claimed: bool = False


@dataclass(frozen=True)
class Explanation:
    """The change of a KPI between two stretches of days, split along one dimension.

    ``effects`` add up to ``change`` but for ``residual``, which is rounding.
    Those in the direction of the gap come first, the largest first; then those
    that worked against it. With ``is_per_day`` the values of a sum are per day,
    as the stretches are not equally long. ``direction`` is the sign of the gap
    that is explained. ``compared`` says what ``before`` is:
    the days before the period (``baseline``), the week before (``week``) or the
    same days of last year (``last_year``). ``inside`` goes one level deeper:
    what within the first effect's part explains its own change.
    """

    dimension: str
    is_sum: bool
    is_per_day: bool
    before_days: Days
    after_days: Days
    before_value: float
    after_value: float
    change: float
    effects: tuple[Effect, ...]
    residual: float
    direction: int = -1
    compared: Compared = "baseline"
    inside: Explanation | None = None

    @property
    def claimed(self) -> tuple[Effect, ...]:
        return tuple(effect for effect in self.effects if effect.is_claimed)


def explain(
    dimension: str,
    parts: Sequence[str],
    labels: Sequence[str],
    before: Stretch,
    after: Stretch,
    *,
    direction: int = 0,
    compared: Compared = "baseline",
) -> Explanation | None:
    """Split the change from ``before`` to ``after`` into what each part did to it.

    Row i of both stretches belongs to ``parts[i]``. ``direction`` is the sign
    of the gap (-1: too low), 0 for that of the change itself. Parts with
    nothing on either side are left out. None when one of the values does not
    exist: no known days, nothing to divide by, or nothing finite.

    What a part has in its numerator without a denominator (value that came in
    without cost) counts as rate; a part that is new or gone is pure mix.
    """
    old, new = _known(before), _known(after)
    if not old.days or not new.days:
        return None
    with np.errstate(all="ignore"):  # what overflows is told apart below
        found = _split_sum(old, new) if before.denominator is None else _split_ratio(old, new)
        if found is None:
            return None
        p_values = _p_values(found)
    told = np.concatenate([found.rate, found.total, [found.before_value, found.after_value]])
    if not np.isfinite(told).all():
        return None
    is_active = found.was_there | found.is_there
    claimed = np.zeros(len(parts), dtype=np.bool_)
    tested = is_active & np.isfinite(p_values)
    claimed[tested] = discoveries(p_values[tested])
    change = found.after_value - found.before_value
    size = max(abs(found.before_value), abs(found.after_value))
    effects = [
        Effect(
            part=parts[i],
            label=labels[i],
            rate=float(found.rate[i]),
            mix=float(found.total[i] - found.rate[i]),
            total=float(found.total[i]),
            share_of_change=(
                float(found.total[i] / change) if abs(change) > NOTHING * size else None
            ),
            before=_or_none(found.before[i]),
            after=_or_none(found.after[i]),
            weight_before=float(found.weight_before[i]),
            weight_after=float(found.weight_after[i]),
            is_new=bool(found.is_there[i] and not found.was_there[i]),
            is_vanished=bool(found.was_there[i] and not found.is_there[i]),
            p_value=_or_none(p_values[i]),
            is_claimed=bool(claimed[i]),
        )
        for i in np.flatnonzero(is_active).tolist()
    ]
    sign = direction or (1 if change >= 0 else -1)
    effects.sort(key=lambda e: (e.total * sign < 0, -abs(e.total), e.part))
    return Explanation(
        dimension=dimension,
        is_sum=before.denominator is None,
        is_per_day=found.is_per_day,
        before_days=(before.first_day, before.last_day),
        after_days=(after.first_day, after.last_day),
        before_value=found.before_value,
        after_value=found.after_value,
        change=change,
        effects=tuple(effects),
        residual=change - fsum(effect.total for effect in effects),
        direction=1 if sign > 0 else -1,
        compared=compared,
    )


# --- the split ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Side:
    """The days of one stretch that are known of every part; a sum's denominator is 0."""

    numerator: FloatArray  # parts × days
    denominator: FloatArray
    weekday: npt.NDArray[np.int64]  # of each day

    @property
    def days(self) -> int:
        return int(self.weekday.size)


@dataclass(frozen=True, eq=False)
class _Split:
    """Arrays of one figure a part, and what each day says about the effects' noise.

    ``noise_before`` and ``noise_after`` are parts × days; an effect is
    as uncertain as the difference of their two means over the days.
    """

    before_value: float
    after_value: float
    is_per_day: bool
    rate: FloatArray
    total: FloatArray
    before: FloatArray  # NaN where the part has no value of its own
    after: FloatArray
    weight_before: FloatArray
    weight_after: FloatArray
    was_there: BoolArray
    is_there: BoolArray
    noise_before: FloatArray
    noise_after: FloatArray
    weekday_before: npt.NDArray[np.int64]
    weekday_after: npt.NDArray[np.int64]


def _known(stretch: Stretch) -> _Side:
    numerator = np.asarray(stretch.numerator, dtype=np.float64)
    denominator = (
        np.zeros_like(numerator)
        if stretch.denominator is None
        else np.asarray(stretch.denominator, dtype=np.float64)
    )
    known = (np.isfinite(numerator) & np.isfinite(denominator)).all(axis=0)
    weekday = (stretch.first_day.weekday() + np.arange(stretch.days)) % WEEK
    return _Side(numerator[:, known], denominator[:, known], weekday[known])


def _split_ratio(old: _Side, new: _Side) -> _Split | None:
    n0, d0 = old.numerator.sum(axis=1), old.denominator.sum(axis=1)
    n1, d1 = new.numerator.sum(axis=1), new.denominator.sum(axis=1)
    # exact sums: the same whole in whatever order the parts come
    all_n0, all_d0, all_n1, all_d1 = fsum(n0), fsum(d0), fsum(n1), fsum(d1)
    if all_d0 <= 0 or all_d1 <= 0:
        return None
    r0, r1 = all_n0 / all_d0, all_n1 / all_d1
    middle = (r0 + r1) / 2
    w0, w1 = d0 / all_d0, d1 / all_d1
    own0 = np.divide(n0, d0, out=np.full_like(n0, np.nan), where=d0 > 0)
    own1 = np.divide(n1, d1, out=np.full_like(n1, np.nan), where=d1 > 0)
    both = (d0 > 0) & (d1 > 0)
    # where one side has no ratio, what there was without any denominator (value of clicks that
    # cost nothing) is rate, and all that the denominator brought or took is mix
    bare0, bare1 = np.where(d0 > 0, 0.0, n0 / all_d0), np.where(d1 > 0, 0.0, n1 / all_d1)
    rate = np.where(both, (w1 + w0) / 2 * (own1 - own0), bare1 - bare0)
    # rate + mix written out: the parts of a small change do not drown in its large halves
    total = n1 / all_d1 - n0 / all_d0 - (w1 - w0) * middle
    return _Split(
        before_value=r0,
        after_value=r1,
        is_per_day=False,
        rate=rate,
        total=total,
        before=own0,
        after=own1,
        weight_before=w0,
        weight_after=w1,
        was_there=_has_any(old),
        is_there=_has_any(new),
        # the derivative of rate + mix by each day's sums, times those sums (delta method)
        noise_before=_influence(old, n0 / all_d0, w0, w0 - w1, r0, middle, all_d0),
        noise_after=_influence(new, n1 / all_d1, w1, w1 - w0, r1, middle, all_d1),
        weekday_before=old.weekday,
        weekday_after=new.weekday,
    )


def _influence(
    side: _Side,
    share: FloatArray,
    weight: FloatArray,
    moved: FloatArray,
    ratio: float,
    middle: float,
    whole: float,
) -> FloatArray:
    """What each day adds to the effects, per day of the stretch and less its mean: parts × days."""
    n, d = side.numerator, side.denominator
    all_n, all_d = n.sum(axis=0), d.sum(axis=0)
    moved_middle = moved[:, None] / 2 * (all_n - ratio * all_d)
    own = (n - middle * d) - (share - weight * middle)[:, None] * all_d
    return np.asarray((own - moved_middle) * (side.days / whole))


def _split_sum(old: _Side, new: _Side) -> _Split:
    is_per_day = old.days != new.days
    before = old.numerator.sum(axis=1) / (old.days if is_per_day else 1)
    after = new.numerator.sum(axis=1) / (new.days if is_per_day else 1)
    all_before, all_after = fsum(before), fsum(after)
    scale = 1.0 if is_per_day else float(old.days)
    zero = np.zeros_like(before)
    return _Split(
        before_value=all_before,
        after_value=all_after,
        is_per_day=is_per_day,
        rate=after - before,
        total=after - before,
        before=before,
        after=after,
        weight_before=before / all_before if all_before else zero,
        weight_after=after / all_after if all_after else zero,
        was_there=_has_any(old),
        is_there=_has_any(new),
        noise_before=_centred(old.numerator) * scale,
        noise_after=_centred(new.numerator) * scale,
        weekday_before=old.weekday,
        weekday_after=new.weekday,
    )


def _has_any(side: _Side) -> BoolArray:
    there = (side.numerator != 0).any(axis=1) | (side.denominator != 0).any(axis=1)
    return np.asarray(there, dtype=np.bool_)


def _centred(days: FloatArray) -> FloatArray:
    return np.asarray(days - days.mean(axis=1, keepdims=True))


# --- noise ----------------------------------------------------------------------------------


def _p_values(split: _Split) -> FloatArray:
    """The two-sided chance of each effect were there only the noise of the days.

    NaN for all where the stretches are too short to know the noise. Noise that
    lasts for days widens it (Newey-West weights over three days); the pattern
    of the week, which both stretches share, is no noise.
    """
    effect = split.total
    before, after = split.noise_before, split.noise_after
    n0, n1 = before.shape[1], after.shape[1]
    if n0 < 2 or n1 < 2:
        return np.full_like(effect, np.nan)
    lost = 2  # the two means
    if n0 >= WEEK and n1 >= WEEK:
        before, after = _without_weekdays(split)
        lost += WEEK - 1
    squares0, squares1 = (before**2).sum(axis=1), (after**2).sum(axis=1)
    days = n0 + n1
    lagged = sum(
        (1 - lag / (LAGS + 1)) * (_lag(before, lag) + _lag(after, lag))
        for lag in range(1, LAGS + 1)
    )
    squares = squares0 + squares1
    lasting = np.divide(lagged, squares, out=np.zeros_like(squares), where=squares > 0)
    v0, v1 = squares0 / n0**2, squares1 / n1**2
    variance = (v0 + v1) * days / (days - lost) * np.maximum(1 + 2 * lasting, 1.0)
    # Welch-Satterthwaite, less what the weekdays took
    spread = v0**2 / (n0 - 1) + v1**2 / (n1 - 1)
    freedom = np.divide((v0 + v1) ** 2, spread, out=np.ones_like(spread), where=spread > 0)
    freedom = np.maximum(freedom * (days - lost) / (days - 2), 1.0)
    size = max(abs(split.before_value), abs(split.after_value))
    error = np.sqrt(variance)
    t = np.divide(np.abs(effect), error, out=np.full_like(effect, np.inf), where=error > 0)
    p = 2 * stdtr(freedom, -t)
    return np.where(np.abs(effect) <= NOTHING * size, 1.0, p)


def _without_weekdays(split: _Split) -> tuple[FloatArray, FloatArray]:
    """Both sides' noise less the mean of each weekday over the two together."""
    both = np.concatenate([split.noise_before, split.noise_after], axis=1)
    weekday = np.concatenate([split.weekday_before, split.weekday_after])
    is_on = (weekday[:, None] == np.arange(WEEK)).astype(np.float64)  # days × 7
    mean = (both @ is_on) / np.maximum(is_on.sum(axis=0), 1.0)
    rest = both - mean[:, weekday]
    n0 = split.weekday_before.size
    return _centred(rest[:, :n0]), _centred(rest[:, n0:])


def _lag(days: FloatArray, lag: int) -> FloatArray:
    return np.asarray((days[:, lag:] * days[:, :-lag]).sum(axis=1))


def discoveries(p_values: FloatArray, q: float = FALSE_CLAIMS) -> BoolArray:
    """Which of many tests may be claimed so that at most ``q`` of the claims are chance.

    Benjamini & Hochberg 1995: all up to the largest p(k) ≤ k·q/m.
    """
    m = p_values.size
    ordered = np.sort(p_values)
    fits = np.flatnonzero(ordered <= np.arange(1, m + 1) * q / m)
    limit = ordered[fits[-1]] if fits.size else -1.0
    return np.asarray(p_values <= limit)


def _or_none(value: np.float64) -> float | None:
    return float(value) if isfinite(value) else None
