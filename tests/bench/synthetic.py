"""Seeded daily series with a known truth, for measuring how good the odds are.

The shapes of the facts: a weekday pattern, a level that wanders, days that lean
on the day before, rare shocks; rates whose logit wanders; order values with a
heavy tail; a fourth-quarter peak; plans that move a rate from one level to
another; conversions that keep arriving.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Generator = np.random.Generator

# 1 January 2024 was a Monday
FIRST = date(2024, 1, 1)

# Share of the value that is in at the first reading, how fast the rest comes, and the days
# after which nothing does: raw 28-day ROAS is then 7% and 27% too low, as in the facts.
LAGS = {
    "e-commerce": (0.55, 0.253, 30),
    "lead generation": (0.11, 0.122, 60),
}


@dataclass(frozen=True, eq=False)
class Daily:
    """Daily sums; ``denominator`` is None for a volume."""

    first_day: date
    numerator: FloatArray
    denominator: FloatArray | None = None

    def day(self, index: int) -> date:
        return self.first_day + timedelta(days=index)


def volume(
    random: Generator, days: int, *, mean: float | None = None, peak: FloatArray | None = None
) -> FloatArray:
    """Daily volumes: weekday pattern × wandering level × AR(1) noise × rare shocks, as counts."""
    mean = float(np.exp(random.uniform(np.log(60), np.log(6000)))) if mean is None else mean
    weekday = np.exp(random.normal(0, 0.15, 7))
    weekday[5:] *= np.exp(random.normal(-0.2, 0.2))
    drift = random.uniform(0.004, 0.018)
    level = np.cumsum(random.normal(0, drift, days))
    noise = _ar1(random, days, random.uniform(0.2, 0.6), random.uniform(0.05, 0.15))
    shocks = np.zeros(days)
    for at in np.flatnonzero(random.random(days) < 1 / 120):
        shocks[at : at + int(random.integers(1, 5))] += random.normal(0, 0.5)
    expected = mean * (weekday / weekday.mean())[np.arange(days) % 7]
    expected *= np.exp(level - level.mean() + noise + shocks)
    if peak is not None:
        expected *= peak
    return random.poisson(expected).astype(np.float64)


def rate_series(random: Generator, days: int, *, level: float | None = None) -> Daily:
    """Events among trials (CVR, CTR): the logit wanders, days vary more than chance."""
    trials = volume(random, days, mean=float(np.exp(random.uniform(np.log(300), np.log(5000)))))
    at = float(np.exp(random.uniform(np.log(0.01), np.log(0.08)))) if level is None else level
    logit = np.log(at / (1 - at)) + np.cumsum(random.normal(0, random.uniform(0.003, 0.012), days))
    logit += _ar1(random, days, random.uniform(0.1, 0.5), random.uniform(0.03, 0.12))
    events = random.binomial(trials.astype(np.int64), 1 / (1 + np.exp(-logit)))
    return Daily(FIRST, events.astype(np.float64), trials)


def roas_series(
    random: Generator, days: int, *, orders_a_day: float | None = None, drift: float | None = None
) -> Daily:
    """Order value over cost: log-normal orders, some of them very large."""
    orders_a_day = (
        float(np.exp(random.uniform(np.log(4), np.log(60))))
        if orders_a_day is None
        else orders_a_day
    )
    clicks = volume(random, days, mean=orders_a_day / 0.03)
    drift = random.uniform(0.003, 0.012) if drift is None else drift
    rate = 0.03 * np.exp(np.cumsum(random.normal(0, drift, days)))
    orders = random.binomial(clicks.astype(np.int64), np.minimum(rate, 0.5))
    spread = random.uniform(0.6, 1.1)
    values = np.exp(random.normal(np.log(80) - spread**2 / 2, spread, int(orders.sum())))
    value = np.zeros(days)
    np.add.at(value, np.repeat(np.arange(days), orders), values)
    cost_per_click = 0.6 * np.exp(_ar1(random, days, 0.5, 0.08))
    return Daily(FIRST, value, clicks * cost_per_click)


def q4_peak(random: Generator, days: int) -> FloatArray:
    """Factor per day: every year a peak in late November, its height and date (±5 days) its own."""
    factor = np.ones(days)
    height = random.uniform(0.4, 1.0)
    for year in range(FIRST.year, FIRST.year + days // 365 + 2):
        middle = (date(year, 11, 27) - FIRST).days + random.integers(-5, 6)
        tall = height * random.uniform(0.8, 1.2)
        factor *= 1 + tall * np.exp(-0.5 * ((np.arange(days) - middle) / 14) ** 2)
    return factor


def ramp_series(
    random: Generator, *, history: int, period: int, level_from: float, level_to: float
) -> Daily:
    """A rate that a plan moves: slope and its changes vary, some plans do nothing."""
    days = history + period
    trials = volume(random, days, mean=float(np.exp(random.uniform(np.log(800), np.log(8000)))))
    start, end = _logit(level_from), _logit(level_to)
    planned = (end - start) / (period - 14)
    # the plan works more or less, or not at all; evenly, or in steps that nobody foresaw
    success = 0.0 if random.random() < 0.15 else float(random.normal(1.0, 0.4))
    if random.random() < 0.5:
        pace = random.normal(success, 0.5, period // 14 + 1)
        move = np.repeat(pace, 14)[:period] * planned
    else:
        steps = int(random.integers(1, 5))
        move = np.zeros(period)
        sizes = random.dirichlet(np.full(steps, 3.0)) * success * (end - start)
        np.add.at(move, random.integers(0, period - 14, steps), sizes)
    slopes = np.concatenate([np.zeros(history), move])
    logit = start + np.cumsum(slopes) + np.cumsum(random.normal(0, 0.004, days))
    logit += _ar1(random, days, 0.3, 0.06)
    events = random.binomial(trials.astype(np.int64), 1 / (1 + np.exp(-logit)))
    return Daily(FIRST, events.astype(np.float64), trials)


@dataclass(frozen=True, eq=False)
class Arriving:
    """Order value by day and age: ``in_at[d, a]`` is what day d came to when read a days later.

    Age 0 is the day itself, of which nothing is read; from the last age on all is in.
    """

    cost: FloatArray
    in_at: FloatArray

    @property
    def final_age(self) -> int:
        return self.in_at.shape[1] - 1

    @property
    def truth(self) -> FloatArray:
        return self.in_at[:, -1]


def share_in(kind: str) -> FloatArray:
    """Share of a day's value that is in at age 1, 2, ... until all is."""
    at_once, speed, whole = LAGS[kind]
    curve = 1 - (1 - at_once) * np.exp(-speed * np.arange(whole))
    return np.append(curve, 1.0)


def arriving(random: Generator, kind: str, days: int, *, orders_a_day: float) -> Arriving:
    """ROAS around 4.4 whose orders each come in after a lag of their own."""
    clicks = volume(random, days, mean=orders_a_day / 0.03)
    level = np.cumsum(random.normal(0, 0.006, days))
    rate = 0.03 * np.exp(level - level.mean())
    orders = random.binomial(clicks.astype(np.int64), np.minimum(rate, 0.5))
    spread = 0.8
    values = np.exp(random.normal(np.log(80) - spread**2 / 2, spread, int(orders.sum())))
    curve = share_in(kind)
    age = 1 + np.searchsorted(curve, random.random(values.size), side="left")
    in_at = np.zeros((days, curve.size + 1))
    np.add.at(in_at, (np.repeat(np.arange(days), orders), age), values)
    return Arriving(clicks * (0.03 * 80 / 4.4), np.cumsum(in_at, axis=1))


def _ar1(random: Generator, days: int, rho: float, deviation: float) -> FloatArray:
    shocks = random.normal(0, deviation * np.sqrt(1 - rho**2), days)
    shocks[0] = random.normal(0, deviation)
    for i in range(1, days):
        shocks[i] += rho * shocks[i - 1]
    return shocks


def _logit(share: float) -> float:
    return float(np.log(share / (1 - share)))
