"""Where a period will end: value, 80% interval, odds, and what the remaining days must bring.

The method is one for every KPI. A day has an *exposure*: its denominator, or for
a sum what its weekday and holidays make of a day. The rate of the latest weeks,
Σnumerator / Σ(exposure × completeness), goes on over the remaining exposure. How
wrong that has been is measured, not assumed: the same forecast is made at every
past day, and the errors over as many days ahead give the spread, with Student's
t because they are few. Nothing loops over days or origins: sums over any window
are differences of one running total.

Sources of the figures: facts, targets and alerts, §3; `make calibrate` measures
them again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date
from math import exp, inf, isclose, isfinite, log, log1p, sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
Method = Literal["rolling", "drift", "known"]
Season = Literal["last_year", "unknown", "none"]

# Less history than four weeks holds no weekday pattern and no past errors.
LEAST_DAYS = 28
# Older days teach nothing more about how far this year's forecasts go wrong.
HISTORY_DAYS = 1100
# What the rate now rests on: short enough to follow the level, long enough to be calm.
LEVEL_DAYS_OF_SUM = 28
LEVEL_DAYS_OF_RATIO = 56
# Fewer past errors than this do not measure a spread: then a shorter look ahead is measured.
LEAST_ORIGINS = 20
# Half a year shows the weekday pattern of now.
WEEKDAY_DAYS = 182
# A holiday's own factor needs to have been seen a few times.
LEAST_HOLIDAYS = 3
# 52 weeks: the same weekday a year ago.
YEAR_DAYS = 364
# Last year's days are averaged over so many, so that a peak may move by a few days.
SEASON_SMOOTHING = 9
# The season of another year comes some days sooner or later, and this much higher or lower.
SEASON_SHIFT = 5
SEASON_HEIGHT = 0.18
# Nothing is foreseen better than within half a percent, however regular it was.
LEAST_SPREAD = 0.005
# One window without anything (a pause, a broken tag) may not decide the spread alone.
LARGEST_ERROR = 3.0
# Few degrees of freedom mean wide tails, but fewer than three have no variance at all.
LEAST_FREEDOM = 3.0
# How much the slope of a plan still to come varies, as a share of the planned slope.
SLOPE_VARIATION = 0.7
# A line that falls is not drawn below this part of where it is now.
LEAST_OF_LEVEL = 0.25
# Odds of a goal from–to are overconfident at both ends, so they are never shown beyond this.
ENDPOINT_ODDS = (0.05, 0.95)
COVERAGE = 0.8
EQUAL = 1e-9


@dataclass(frozen=True)
class Ramp:
    """The plan of a goal from–to: from ``level_from`` on the eve of ``start`` to ``level_to``."""

    start: date
    level_from: float
    level_to: float


@dataclass(frozen=True, eq=False)
class Projection:
    """What a period comes to when things go on as they did, and how far off that may be.

    ``value``, ``low`` and ``high`` are the KPI's value at the deadline and its 80%
    interval. ``probability`` is that of ending within the limits that were
    passed (None without limits). ``required`` is what the remaining days must
    come to so that the limit is just met: a ratio over them, or for a sum the
    plain average a day; 0 when nothing more is needed, None without one limit
    to reach, without remaining days, or when it can no longer be reached.
    ``required_total`` is that of a sum altogether and ``day_shares`` how the
    weekdays (and the season) divide it over ``remaining_days``, adding up to 1.
    ``origins`` counts the past forecasts that the spread was measured on.
    ``season`` is `unknown` where a fourth quarter lies ahead and no last year
    tells what it does.
    """

    value: float
    low: float
    high: float
    probability: float | None
    required: float | None
    required_total: float | None
    remaining_days: int
    day_shares: FloatArray
    method: Method
    origins: int
    season: Season
    # the distribution itself: numerator = known + remaining · T⁻¹(centre + spread · t)
    known: float
    remaining: float
    total: float
    centre: float
    spread: float
    freedom: float
    is_rate: bool
    is_endpoint: bool

    def chance(self, low: float | None, high: float | None) -> float:
        """Probability that the period ends within ``low``..``high``, both included."""
        if self.remaining <= 0:
            odds = float(_is_within(self.value, low, high))
        else:
            under_high = 1.0 if high is None else self._chance_up_to(high)
            under_low = 0.0 if low is None else self._chance_up_to(low)
            odds = min(max(under_high - under_low, 0.0), 1.0)
        if self.is_endpoint:
            odds = min(max(odds, ENDPOINT_ODDS[0]), ENDPOINT_ODDS[1])
        return odds

    def quantile(self, share: float) -> float:
        """The value that the period stays under with this probability."""
        if self.remaining <= 0:
            return self.value
        moved = self.centre + self.spread * float(stdtrit(self.freedom, share))
        return (self.known + self.remaining * _back(moved, self.is_rate)) / self.total

    def _chance_up_to(self, limit: float) -> float:
        rate = (limit * self.total - self.known) / self.remaining
        if rate <= 0:
            return 0.0
        if self.is_rate and rate >= 1:
            return 1.0
        at = (_there(rate, self.is_rate) - self.centre) / self.spread
        return float(stdtr(self.freedom, at))


def project(
    first_day: date,
    numerator: FloatArray,
    denominator: FloatArray | None,
    *,
    start: date,
    end: date,
    low: float | None = None,
    high: float | None = None,
    ramp: Ramp | None = None,
    is_rate: bool = False,
    completeness: FloatArray | None = None,
    completeness_error: FloatArray | None = None,
    holidays: Collection[date] = (),
) -> Projection | None:
    """Project what the days of ``[start, end)`` will come to.

    Arrays have one entry a calendar day from ``first_day``, up to the last day
    that is in; NaN is a day of which nothing is known, 0 a day on which nothing
    happened. Days outside the period teach the pattern; from ``end`` on they
    are not looked at. ``start`` is the first day of what the value is measured
    over at the deadline: for a trailing window the first of the last W days,
    which may still lie ahead. ``low`` and ``high`` are the goal's limits, both
    good. With a ``ramp`` the drift since its start counts too, and the odds are
    those of an endpoint. ``is_rate`` says that the ratio lies between 0 and 1.
    ``completeness`` is the share of the numerator that is in (NaN: too young to
    tell, so the day is projected), ``completeness_error`` the standard error of
    its logarithm.

    None when there are fewer than 28 known days since the first with anything,
    when nothing happened lately, or when a figure is not finite: nothing is
    made up.
    """
    if end <= start:
        return None
    series = _Daily.of(
        first_day, numerator, denominator, completeness, completeness_error, end, holidays
    )
    if series is None:
        return None
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return _project(series, start, end, low, high, ramp, is_rate and denominator is not None)


@dataclass(frozen=True, eq=False)
class _Daily:
    """The usable days, first and last both known. Unknown days are 0 in every array.

    ``volume`` is the denominator (the numerator for a sum), ``weight`` what a
    weekday and a holiday make of it, also for the days ahead.
    """

    first: int  # ordinal of the first day
    known: BoolArray
    numerator: FloatArray
    denominator: FloatArray | None
    share: FloatArray | None  # completeness
    error: FloatArray | None
    weight: FloatArray  # of the known days and, after them, of those ahead

    @property
    def n(self) -> int:
        return self.known.size

    @classmethod
    def of(
        cls,
        first_day: date,
        numerator: FloatArray,
        denominator: FloatArray | None,
        share: FloatArray | None,
        error: FloatArray | None,
        end: date,
        holidays: Collection[date],
    ) -> _Daily | None:
        size = min(numerator.size, (end - first_day).days)
        if size < LEAST_DAYS:
            return None
        window = slice(max(size - HISTORY_DAYS, 0), size)
        num = numerator[window]
        known = ~np.isnan(num)
        active = known & (num != 0)
        den = None
        if denominator is not None:
            den = denominator[window]
            known &= ~np.isnan(den)
            active = known & ((num != 0) | (den != 0))
        at = np.flatnonzero(active)
        if at.size == 0:
            return None
        begin = int(at[0])
        stop = known.size - int(np.argmax(known[::-1]))
        cut = slice(begin, stop)
        known = known[cut]
        if int(known.sum()) < LEAST_DAYS:
            return None
        num = np.where(known, num[cut], 0.0)
        den = None if den is None else np.where(known, den[cut], 0.0)
        if not np.isfinite(num).all() or (den is not None and not np.isfinite(den).all()):
            return None
        if den is not None and (den < 0).any():
            return None
        in_ = None if share is None else share[window][cut]
        if in_ is not None:
            # of a day too young to tell nothing is known but its exposure
            num = np.where(np.isfinite(in_), num, 0.0)
            in_ = np.clip(np.where(np.isfinite(in_), in_, 0.0), 0.0, 1.0)
        err = None
        if in_ is not None and error is not None:
            err = error[window][cut]
            err = np.where(np.isfinite(err) & (in_ < 1), err, 0.0)
        first = first_day.toordinal() + window.start + begin
        ahead = end.toordinal() - first
        volume = num if den is None else den
        complete = in_ if den is None else None
        weight = _weights(first, ahead, volume, known, complete, holidays)
        return cls(first, known, num, den, in_, err, weight)


def _project(
    series: _Daily,
    start: date,
    end: date,
    low: float | None,
    high: float | None,
    ramp: Ramp | None,
    is_rate: bool,
) -> Projection | None:
    n, known, is_sum = series.n, series.known, series.denominator is None
    begin = max(start.toordinal() - series.first, 0)
    inside = slice(min(begin, n), n)
    ahead = slice(max(begin, n), max(end.toordinal() - series.first, n))
    days_ahead, gap = ahead.stop - ahead.start, ahead.start - n
    share = np.ones(n) if series.share is None else series.share
    weight = np.where(known, series.weight[:n], 0.0)

    # the exposure of the days ahead, and of those that are unknown or still coming in
    if series.denominator is None:
        of_volume = _Running.of(series.numerator, weight * share)
        exposure, a_day = weight, 1.0
    else:
        of_volume = _Running.of(series.denominator, weight)
        exposure, a_day = series.denominator, of_volume.level(LEVEL_DAYS_OF_SUM)
    season, shape, shape_spread = _season(
        series, of_volume, ahead, gap, use_shape=not (is_sum and ramp is not None)
    )
    weights_ahead = series.weight[ahead] * shape
    exposure_ahead = a_day * float(weights_ahead.sum())
    exposure_unknown = a_day * float(np.where(known, 0.0, series.weight[:n])[inside].sum())
    exposure_young = float((exposure * (1 - share))[inside].sum())
    remaining = exposure_ahead + exposure_unknown + exposure_young
    counted = float(series.numerator[inside].sum())
    so_far = float(exposure[inside].sum())
    total = 1.0 if is_sum else so_far + exposure_ahead + exposure_unknown
    if not (0 < total < inf and 0 <= remaining < inf):
        return None

    # the rate that goes on, and how wrong that has been
    running = _Running.of(series.numerator, exposure * share)
    if remaining <= 0:
        outlook: _Outlook | None = _Outlook(0.0, 0.0, LEAST_FREEDOM, 0)
    elif ramp is not None and _can_be(ramp.level_from, is_rate) and _can_be(ramp.level_to, is_rate):
        outlook = _drifting(series, running, ramp, ahead, is_rate)
    else:
        skip_season = is_sum and season == "last_year"
        outlook = _going_on(series, running, ahead, is_rate, skip_season)
    if outlook is None:
        return None
    spread = sqrt(outlook.spread**2 + (shape_spread**2 if is_sum else 0.0))
    if series.error is not None and remaining > 0:
        spread = sqrt(spread**2 + _learning(series, exposure * share, inside, remaining) ** 2)
    spread = max(spread, LEAST_SPREAD)

    rate = _back(outlook.centre, is_rate)
    value = (counted + remaining * rate) / total
    completed = counted + (exposure_young + exposure_unknown) * rate
    required = _required(low, high, value, total, completed, exposure_ahead)
    answer = Projection(
        value=value,
        low=value,
        high=value,
        probability=None,
        required=None,
        required_total=None,
        remaining_days=days_ahead,
        day_shares=_shares(weights_ahead),
        method="known" if remaining <= 0 else "rolling" if ramp is None else "drift",
        origins=outlook.origins,
        season=season,
        known=counted,
        remaining=remaining,
        total=total,
        centre=outlook.centre,
        spread=spread,
        freedom=outlook.freedom,
        is_rate=is_rate,
        is_endpoint=ramp is not None,
    )
    bottom, top = answer.quantile((1 - COVERAGE) / 2), answer.quantile((1 + COVERAGE) / 2)
    if not (isfinite(value) and isfinite(bottom) and isfinite(top)):
        return None
    total_required = None
    if required is not None and is_sum:
        total_required = required * exposure_ahead
        required = total_required / days_ahead
    limited = low is not None or high is not None
    return replace(
        answer,
        low=bottom,
        high=top,
        probability=answer.chance(low, high) if limited else None,
        required=required,
        required_total=total_required,
    )


def _going_on(
    series: _Daily, running: _Running, ahead: slice, is_rate: bool, skip_season: bool
) -> _Outlook | None:
    """The rate of the latest weeks goes on; its spread is that of the same forecast in the past."""
    level_days = LEVEL_DAYS_OF_SUM if series.denominator is None else LEVEL_DAYS_OF_RATIO
    level_days = min(level_days, series.n // 2)
    rate = running.level(level_days)
    if not _can_be(rate, is_rate):
        return None
    days = ahead.stop - ahead.start
    gap, reach = (ahead.start - series.n, days) if days else (0, 7)
    skip = _same_season(series, ahead, level_days) if skip_season else None
    errors, scale, freedom = _errors(running, level_days, gap, reach, is_rate, skip=skip)
    if errors.size == 0:
        return None
    spread = scale * sqrt(float(np.square(errors).mean()))
    return _Outlook(_there(rate, is_rate), spread, freedom, errors.size)


def _learning(series: _Daily, exposure: FloatArray, inside: slice, remaining: float) -> float:
    """Standard error, in logs of the remaining numerator, that completeness adds.

    The days of one lag curve err together, so their errors add up.
    """
    assert series.error is not None
    wrong = exposure * series.error
    recent = slice(max(series.n - LEVEL_DAYS_OF_SUM, 0), series.n)
    of_rate = float(wrong[recent].sum()) / max(float(exposure[recent].sum()), 1e-300)
    relative = float(wrong[inside].sum()) / remaining + of_rate
    return sqrt(log1p(relative**2))  # of a log-normal with this relative deviation


def _shares(weights: FloatArray) -> FloatArray:
    whole = float(weights.sum())
    if weights.size == 0 or not whole > 0:
        return np.full(weights.size, 1 / max(weights.size, 1))
    return np.asarray(weights / whole)


@dataclass(frozen=True)
class _Outlook:
    """The transformed rate of the days ahead: where, how far off, on how many errors."""

    centre: float
    spread: float
    freedom: float
    origins: int


@dataclass(frozen=True, eq=False)
class _Running:
    """Running totals of numerator and exposure: any window is a difference of two entries."""

    numerator: FloatArray  # n + 1 entries, the first 0
    exposure: FloatArray

    @classmethod
    def of(cls, numerator: FloatArray, exposure: FloatArray) -> _Running:
        return cls(_totals(numerator), _totals(exposure))

    @property
    def n(self) -> int:
        return self.numerator.size - 1

    def between(self, begin: IntArray, stop: IntArray) -> FloatArray:
        """Σnumerator / Σexposure of [begin, stop), cut off at both ends of the series."""
        begin, stop = np.clip(begin, 0, self.n), np.clip(stop, 0, self.n)
        return np.asarray(
            (self.numerator[stop] - self.numerator[begin])
            / (self.exposure[stop] - self.exposure[begin])
        )

    def level(self, days: int, last: int | None = None) -> float:
        """Σnumerator / Σexposure of the ``days`` before index ``last``; NaN without exposure."""
        stop = self.n if last is None else last
        begin = max(stop - days, 0)
        exposure = float(self.exposure[stop] - self.exposure[begin])
        if stop <= begin or exposure <= 0:
            return float("nan")
        return float(self.numerator[stop] - self.numerator[begin]) / exposure


def _errors(
    running: _Running,
    level_days: int,
    gap: int,
    days: int,
    is_rate: bool,
    *,
    until: int | None = None,
    skip: BoolArray | None = None,
) -> tuple[FloatArray, float, float]:
    """Past errors T(actual) − T(level), what to multiply them by, and the degrees of freedom.

    The level is that of ``level_days`` before an origin, the actual that of the
    ``days`` that begin ``gap`` days after it. When the history is too short for
    LEAST_ORIGINS, a shorter way ahead is measured and grows with √days, as the
    error of a wandering level does. ``until`` leaves out what ends later,
    ``skip`` (by origin) what the forecast already knows of.
    """
    n = running.n if until is None else until
    reach = gap + days
    short = min(reach, max(n - level_days - LEAST_ORIGINS + 1, 7))
    scale = 1.0
    if short < reach:
        scale = sqrt(reach / short)
        gap = min(gap * short // reach, short - 1)
        days = short - gap
    origins = n - level_days - short + 1
    if origins < 1:
        return np.zeros(0), scale, LEAST_FREEDOM
    y, e = running.numerator, running.exposure
    level = (y[level_days : level_days + origins] - y[:origins]) / (
        e[level_days : level_days + origins] - e[:origins]
    )
    begin = level_days + gap
    actual = (y[begin + days : begin + days + origins] - y[begin : begin + origins]) / (
        e[begin + days : begin + days + origins] - e[begin : begin + origins]
    )
    error = _transform(actual, is_rate) - _transform(level, is_rate)
    usable = (level > 0) & ~np.isnan(error)
    if skip is not None:
        kept = usable & ~skip[level_days : level_days + origins]
        # better an error that knows of the season than too few errors
        usable = kept if int(kept.sum()) >= LEAST_ORIGINS else usable
    error = np.clip(error[usable], -LARGEST_ERROR, LARGEST_ERROR)
    return error, scale, max(LEAST_FREEDOM, (error.size + short - 1) / short)


def _season(
    series: _Daily, running: _Running, ahead: slice, gap: int, use_shape: bool
) -> tuple[Season, FloatArray, float]:
    """What last year says of the days ahead: factor per day, and its uncertainty in logs.

    Last year's change from the same four weeks to the same days is partly its
    own chance: as much as forecasts go wrong anyway. It is shrunk by that, so
    that a year without a season has no shape.
    """
    days = ahead.stop - ahead.start
    plain = np.ones(days)
    n = series.n
    years = [
        back
        for back in range(YEAR_DAYS, n, YEAR_DAYS)
        if n - back >= LEVEL_DAYS_OF_SUM and ahead.stop - back + SEASON_SMOOTHING // 2 <= n
    ]
    if days == 0:
        return "none", plain, 0.0
    if not years:
        months = {date.fromordinal(series.first + at).month for at in (ahead.start, ahead.stop - 1)}
        is_q4 = days > 270 or any(month >= 10 for month in months)
        return "unknown" if is_q4 else "none", plain, 0.0
    if not use_shape:
        return "none", plain, 0.0
    weights = series.weight[ahead]
    whole = float(weights.sum())
    # one row a shift: as it was, and with the season some days earlier and later
    shifts = np.array([0, -SEASON_SHIFT, SEASON_SHIFT])[:, None]
    half = SEASON_SMOOTHING // 2
    logs, counted = np.zeros((3, days)), 0
    for back in years:  # at most three
        at = np.arange(ahead.start, ahead.stop)[None, :] - back + shifts
        last = n - back + shifts[:, 0]
        level = running.between(last - LEVEL_DAYS_OF_SUM, last)
        smooth = running.between(at - half, at + half + 1)
        change = np.maximum(smooth / level[:, None], exp(-LARGEST_ERROR))
        if not (np.isfinite(change).all() and (level > 0).all()):
            continue
        logs += np.log(change)
        counted += 1
    skip = _same_season(series, ahead, LEVEL_DAYS_OF_SUM)
    errors, scale, _ = _errors(running, LEVEL_DAYS_OF_SUM, gap, days, False, skip=skip)
    if counted == 0 or whole <= 0 or errors.size == 0:
        return "none", plain, 0.0
    logs /= counted
    changes = np.log(np.exp(logs) @ weights / whole)
    seen = float(changes[0]) ** 2
    chance = float(np.square(errors).mean()) * scale**2 / counted
    part = max(seen - chance, 0.0) / seen if seen > 0 else 0.0
    # what it was by chance, another date, another height
    variance = part * chance
    variance += part**2 * float(np.square(changes[1:] - changes[0]).mean())
    variance += part**2 * SEASON_HEIGHT**2 * seen * (1 + 1 / counted)
    return "last_year", np.exp(part * logs[0]), sqrt(variance)


def _same_season(series: _Daily, ahead: slice, level_days: int) -> BoolArray:
    """Origins in whose windows lies the season that the forecast takes from last year."""
    skip = np.zeros(series.n + 1, dtype=np.bool_)
    width = level_days + ahead.stop - series.n
    for back in range(YEAR_DAYS, series.n + width, YEAR_DAYS):
        middle = series.n - back
        skip[max(middle - width, 0) : max(middle + width, 0)] = True
    return skip


def _drifting(
    series: _Daily, running: _Running, ramp: Ramp, ahead: slice, is_rate: bool
) -> _Outlook | None:
    """The rate of the days ahead when part of the drift since the start goes on.

    Level now + shrunk slope × weeks, in a straight line as goals are drawn: what
    would be straight in logits overshoots them. The slope is that from the eight
    weeks before the start to the latest four, shrunk by τ²/(τ²+v), τ being the
    planned slope and v what such a difference varies by anyway (in logits, logs).
    """
    n = series.n
    begun = ramp.start.toordinal() - series.first
    recent = min(LEVEL_DAYS_OF_SUM, n // 2)
    level = running.level(recent)
    if not _can_be(level, is_rate):
        return None
    days = ahead.stop - ahead.start
    # plans are drawn so that the last window averages to the goal
    middle_of_last = (ahead.stop - 1 - begun) - (days - 1) / 2 if days else ahead.stop - begun
    planned = (_there(ramp.level_to, is_rate) - _there(ramp.level_from, is_rate)) / max(
        middle_of_last / 7, 1.0
    )
    weeks_behind = _mean_age(n - recent, n, begun) / 7
    weeks_ahead = _mean_age(ahead.start, ahead.stop, begun) / 7 - weeks_behind if days else 0.0
    gap = ahead.start - n
    before = begun if begun - recent - (gap + days) >= LEAST_ORIGINS else None
    gap, reach = (gap, days) if days else (0, 7)
    errors, scale, freedom = _errors(running, recent, gap, reach, is_rate, until=before)
    if errors.size == 0:
        return None
    variance = float(np.square(errors).mean()) * scale**2
    slope, slope_variance = 0.0, planned**2
    if weeks_behind > 0:
        base_end = min(begun, n - recent)
        base = running.level(LEVEL_DAYS_OF_RATIO, base_end) if base_end > 0 else float("nan")
        if not _can_be(base, is_rate):
            # a sum's `from` is of a window, not of a unit of exposure
            base = ramp.level_from if series.denominator is not None else level
        apart, apart_scale, _ = _errors(
            running,
            min(LEVEL_DAYS_OF_RATIO, n // 2),
            max(n - recent - base_end, 0),
            recent,
            is_rate,
            until=before,
        )
        if apart.size:
            noise = float(np.square(apart).mean()) * apart_scale**2 / weeks_behind**2
            trust = planned**2 / (planned**2 + noise) if planned else 0.0
            slope = trust * (level - base) / weeks_behind
            slope_variance = trust * noise
    variance += weeks_ahead**2 * (slope_variance + (SLOPE_VARIATION * planned) ** 2)
    # a falling line never comes to nothing, and a rate never to all
    ahead_of_now = max(level + slope * weeks_ahead, level * LEAST_OF_LEVEL)
    if is_rate:
        ahead_of_now = min(ahead_of_now, 1 - (1 - level) * LEAST_OF_LEVEL)
    return _Outlook(_there(ahead_of_now, is_rate), sqrt(variance), freedom, errors.size)


def _mean_age(begin: int, stop: int, since: int) -> float:
    """Mean of max(day − since, 0) over the days [begin, stop)."""
    first = max(begin, since)
    if stop <= first:
        return 0.0
    return (first + stop - 1 - 2 * since) / 2 * (stop - first) / (stop - begin)


def _weights(
    first: int,
    size: int,
    volume: FloatArray,
    known: BoolArray,
    share: FloatArray | None,
    holidays: Collection[date],
) -> FloatArray:
    """What a day brings, 1 being the mean day: by weekday, and by a factor of holidays.

    ``size`` days from the ordinal ``first``; the known ones teach it. Holidays
    are no weekdays: they have a factor of their own, once three were seen.
    """
    n = known.size
    # 1 January of year 1, ordinal 1, was a Monday
    weekday = (first - 1 + np.arange(max(size, n))) % 7
    is_holiday = np.zeros(weekday.size, dtype=np.bool_)
    for day in holidays:
        at = day.toordinal() - first
        if 0 <= at < weekday.size:
            is_holiday[at] = True
    exposure = known.astype(np.float64) if share is None else np.where(known, share, 0.0)
    weight = _weekday_factors(volume, exposure, known & ~is_holiday[:n], weekday[:n])[weekday]
    past = np.flatnonzero(is_holiday[:n] & known)
    if past.size >= LEAST_HOLIDAYS:
        plain = ~is_holiday[:n]
        totals = _totals(volume * plain)
        exposed = _totals(exposure * plain * weight[:n])
        begin, stop = np.maximum(past - 14, 0), np.minimum(past + 15, n)
        with np.errstate(divide="ignore", invalid="ignore"):
            level = (totals[stop] - totals[begin]) / (exposed[stop] - exposed[begin])
        expected = level * weight[past] * exposure[past]
        usable = np.isfinite(expected) & (expected > 0)
        if int(usable.sum()) >= LEAST_HOLIDAYS:
            ratio = float(volume[past[usable]].sum()) / float(expected[usable].sum())
            seen = int(usable.sum())
            # as if one more had been an ordinary day
            weight = np.where(
                is_holiday, weight * max((seen * ratio + 1) / (seen + 1), 0.0), weight
            )
    return np.asarray(weight)


def _weekday_factors(
    volume: FloatArray, exposure: FloatArray, usable: BoolArray, weekday: npt.NDArray[np.int64]
) -> FloatArray:
    """Seven factors with mean 1, shrunk to 1 by as much as chance alone makes weekdays differ."""
    n = volume.size
    window = slice(max(n - WEEKDAY_DAYS, 0), n)
    y, e, ok, which = volume[window], exposure[window], usable[window], weekday[window]
    totals, exposed = _totals(np.where(ok, y, 0.0)), _totals(np.where(ok, e, 0.0))
    # a whole week around each day, every weekday once
    level = (totals[7:] - totals[:-7]) / np.maximum(exposed[7:] - exposed[:-7], 1e-12)
    middle = slice(3, y.size - 3)
    y, e, which = y[middle], e[middle], which[middle]
    good = ok[middle] & (level > 0) & (e > 0)
    ratio = np.where(good, y / np.where(good, level * e, 1.0), 0.0)
    seen = np.bincount(which, weights=good, minlength=7)
    if (seen < 2).any():
        return np.ones(7)
    mean = np.bincount(which, weights=ratio, minlength=7) / seen
    spread = np.bincount(which, weights=ratio**2, minlength=7) / seen - mean**2
    centre = float(mean.mean())
    between = float(np.square(mean - centre).sum()) / 6
    noise = float((np.maximum(spread, 0.0) / np.maximum(seen - 1, 1)).mean())
    if not centre > 0 or not between > 0:
        return np.ones(7)
    trust = max(1 - noise / between, 0.0)
    return np.asarray(np.maximum(1 + trust * (mean / centre - 1), 0.0))


def _required(
    low: float | None,
    high: float | None,
    value: float,
    total: float,
    completed: float,
    ahead: float,
) -> float | None:
    """Rate that the exposure ahead must have for the total to come to the limit."""
    if ahead <= 0:
        return None
    limit = low if high is None else high if low is None else None
    if limit is None and low is not None and high is not None:
        limit = low if value < low else high if value > high else None
    if limit is None:
        return None
    needed = (limit * total - completed) / ahead
    if needed < 0:
        return 0.0 if limit == low else None  # made already, or beyond saving
    return needed if isfinite(needed) else None


def _is_within(value: float, low: float | None, high: float | None) -> bool:
    above = low is None or value >= low or isclose(value, low, rel_tol=EQUAL)
    below = high is None or value <= high or isclose(value, high, rel_tol=EQUAL)
    return above and below


def _totals(values: FloatArray) -> FloatArray:
    totals = np.zeros(values.size + 1)
    np.cumsum(values, out=totals[1:])
    return totals


def _transform(values: FloatArray, is_rate: bool) -> FloatArray:
    if is_rate:
        return np.asarray(np.log(values / (1 - values)))
    return np.asarray(np.log(values))


def _can_be(value: float, is_rate: bool) -> bool:
    """Whether a level has a logarithm (a logit): not zero, and no rate of 100%."""
    return isfinite(value) and value > 0 and (value < 1 or not is_rate)


def _there(value: float, is_rate: bool) -> float:
    return log(value / (1 - value)) if is_rate else log(value)


def _back(value: float, is_rate: bool) -> float:
    bounded = min(max(value, -700.0), 700.0)
    return 1 / (1 + exp(-bounded)) if is_rate else exp(bounded)
