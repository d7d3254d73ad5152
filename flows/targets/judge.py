"""One target as of one day: where the value is, what the goal asks for, and the status.

No data is an answer of its own: nothing late, missing, too little or not
finite is ever a success or a failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from math import ceil, isclose
from typing import Literal

import numpy as np

from flows.kpis import Kpi
from flows.settings import Goal, Target
from flows.targets.evaluation import Evaluation, Freshness, Series, Status
from flows.targets.path import (
    default_window_days,
    minimum_of_rate,
    path_level,
    share_of_sum,
    sums_between,
    value_of,
    window_start,
)
from flows.targets.periods import ONE_DAY, period_of

# Within 5% of what is asked for, on the wrong side, is at risk; beyond is off track.
NEAR = 0.05
# A whole week has every weekday once; a short period is judged after a third of it.
ENOUGH_DAYS = 7
# Leaving out the days younger than a week brings false alarms from conversions that
# are still arriving from 35% down to 8% (facts: targets and alerts, §3).
SETTLED_AFTER_DAYS = 7
# More than one day in five without data and nothing is said of the target.
MISSING_SHARE = 0.2
# Sums of decimals that became binary fractions: equal is equal, so that bounds are inclusive.
EQUAL = 1e-9

# The worst first: what the total of a `for_each` target takes from its segments.
_WORST: tuple[Status, ...] = (
    "missed",
    "off_track",
    "at_risk",
    "provisional",
    "on_track",
    "achieved",
)
_UNJUDGED: tuple[Status, ...] = ("no_data", "insufficient_data", "too_early")

Details = dict[str, str | int | float]


@dataclass(frozen=True)
class _Measured:
    """A measurement over ``first``..``last``, both included."""

    first: date
    last: date
    days: int  # that could have had data: from the first day that has any
    missing: int
    numerator: float | None
    denominator: float | None
    value: float | None
    expected: float | None
    whole_sum: float | None  # a sum with its missing days filled in pro rata


def evaluate(
    target: Target,
    kpi: Kpi,
    client_slug: str,
    total: Series,
    segments: Sequence[Series],
    freshness: Freshness,
    as_of: date,
    known_at: datetime,
    restatement_days: int,
) -> list[Evaluation]:
    """Judge a target as of a day: the total ('') first, then every segment of `for_each`.

    Only days before ``as_of`` and up to ``freshness.through`` count. Segments
    without a single row in the measured days are left out. With `for_each` the
    total row carries the value of the whole scope and the worst status of its
    segments. The status of a restated KPI rests on days at least a week old,
    and is final ``restatement_days`` after the period.
    """
    period = period_of(target.period, as_of)
    judge = _Judge(target, kpi, client_slug, period, freshness, as_of, known_at, restatement_days)
    whole = judge.one(total)
    if target.for_each is None:
        return [whole]
    parts = [judge.one(segment) for segment in segments if judge.has_rows(segment)]
    parts.sort(key=lambda part: (part.segment_label, part.segment))
    return [_combined(whole, parts), *parts]


def _combined(whole: Evaluation, parts: Sequence[Evaluation]) -> Evaluation:
    """The total of a target that every segment must reach."""
    # what stops the whole scope stops the target; only the sum over currencies is a
    # trouble of the total alone
    stopped = whole.status in ("not_started", "stale", "no_data")
    if stopped and (not parts or whole.reason != "mixed_currencies"):
        return whole
    statuses = [part.status for part in parts]
    judged = [status for status in statuses if status in _WORST]
    if not judged:
        left: Status = next((status for status in _UNJUDGED if status in statuses), "no_data")
        young = whole.status == "too_early" and left in ("too_early", "no_data")
        if young or (not parts and whole.status in _UNJUDGED):
            return whole  # what the whole lacks, its parts lack too
        return replace(whole, status=left, reason="segments_unknown")
    worst = next(status for status in _WORST if status in judged)
    bad = sum(status in ("missed", "off_track") for status in judged)
    near = judged.count("at_risk")
    details: Details = {
        **whole.details,
        "judged": len(judged),
        "segments": len(parts),
        "failing": bad + near,
        "off": bad,
        "near": near,
    }
    if worst == "provisional":
        until = next(part for part in parts if part.status == "provisional").details["until"]
        details["until"] = until
        return replace(whole, status=worst, reason="still_arriving", details=details)
    reason = "segments_failing" if bad + near else "segments_fine"
    return replace(whole, status=worst, reason=reason, details=details)


@dataclass(frozen=True)
class _Judge:
    target: Target
    kpi: Kpi
    client: str
    period: tuple[date, date]
    freshness: Freshness
    as_of: date
    known_at: datetime
    restatement_days: int

    # --- what is measured ---------------------------------------------------------------

    @property
    def is_rolling(self) -> bool:
        return self.target.period.rolling_days is not None

    @property
    def is_over(self) -> bool:
        return not self.is_rolling and self.as_of >= self.period[1]

    @property
    def rests_on_settled(self) -> bool:
        return self.kpi.is_restated and self.target.measure.completeness != "raw"

    @property
    def last_day(self) -> date:
        """The last day that counts, were the data in."""
        return min(self.as_of, self.period[1]) - ONE_DAY

    @property
    def expected_through(self) -> date:
        return min(self.freshness.expected_through, self.last_day)

    @property
    def measured_through(self) -> date:
        through = self.freshness.through
        return self.last_day if through is None else min(self.last_day, through)

    @property
    def settled_through(self) -> date:
        return min(self.measured_through, self.as_of - timedelta(days=SETTLED_AFTER_DAYS))

    def bounds(self, last: date) -> tuple[date, date]:
        """First day of the measurement up to ``last``, and first day of the period for it."""
        start, end = self.period
        if self.is_rolling:  # the window moves along, so that settled days fill it too
            n = (end - start).days
            first = last - timedelta(days=n - 1)
            return first, first
        return window_start(self.target, start, end, last), start

    def has_rows(self, series: Series) -> bool:
        first, _ = self.bounds(self.measured_through)
        return bool(series.has_row[series.place(first, self.measured_through)].any())

    def measure(self, series: Series, last: date) -> _Measured:
        first, _ = self.bounds(last)
        numerator, denominator = sums_between(series, first, last, self.kpi)
        value = value_of(numerator, denominator, self.kpi)
        # a day without a row had no activity, unless it is known not to be in; days before
        # the first row of a young campaign or account are not its days
        place = series.place(first, last)
        rows = series.has_row[place]
        mute = np.flatnonzero(rows & ~series.known(self.kpi.is_sum)[place])
        unknown = {series.day_at(place.start + int(i)) for i in mute}
        unknown |= {day for day in self.freshness.missing_days if first <= day <= last}
        since = self.freshness.since or first
        unknown |= {first + timedelta(days=i) for i in range((min(since, last) - first).days)}
        begun = min(unknown, default=first)
        if rows.any():
            first_row = series.day_at(place.start + int(np.argmax(rows)))
            begun = min(begun, first_row) if unknown else first_row
        days = max((last - begun).days + 1, 0)
        whole_sum = None
        if self.kpi.is_sum and value is not None and len(unknown) < days:
            whole_sum = value * days / (days - len(unknown))
        return _Measured(
            first=first,
            last=last,
            days=days,
            missing=len(unknown),
            numerator=numerator,
            denominator=denominator,
            value=value,
            expected=self.expected(last),
            whole_sum=whole_sum,
        )

    # --- what the goal asks for ---------------------------------------------------------

    def part(self, last: date) -> float:
        """The part of a sum's goal that is due by ``last``; 1 for what is not a sum."""
        if not self.kpi.is_sum or self.is_rolling:
            return 1.0
        return share_of_sum(self.target, *self.period, last)

    def expected(self, last: date) -> float | None:
        goal = self.target.goal
        if goal.kind == "from_to":
            level: float | None = path_level(self.target, *self.period, last)
        else:
            level = {
                "at_least": goal.at_least,
                "at_most": goal.at_most,
                "maintain": goal.maintain,
            }.get(goal.kind)
        return None if level is None else level * self.part(last)

    def limits(self, last: date, *, at_end: bool = False) -> tuple[float | None, float | None]:
        """Lowest and highest value that is good by ``last``; None where there is no limit."""
        goal = self.target.goal
        part = 1.0 if at_end else self.part(last)
        if goal.kind == "from_to":
            level = goal.to if at_end else self.expected(last)
            rises = (goal.to or 0.0) >= (goal.from_ or 0.0)
            return (level, None) if rises else (None, level)
        low, high = limits_of(goal)
        return (
            None if low is None else low * part,
            None if high is None else high * part,
        )

    def minimum(self) -> float | None:
        """Denominator below which nothing is said."""
        said = self.target.measure.min_denominator
        if said is not None or self.kpi.unit != "rate" or self.kpi.is_sum:
            return said
        goal = self.target.goal
        low, high = limits_of(goal)
        levels = [level for level in (goal.from_, goal.to, low, high) if level is not None]
        return minimum_of_rate(min(levels)) if levels else None

    # --- the verdict --------------------------------------------------------------------

    def one(self, series: Series) -> Evaluation:
        start = self.period[0]
        if self.as_of < start:
            return self.say(series, "not_started", "not_started", {"start": start.isoformat()})
        raw = self.measure(series, self.measured_through)
        settled = self.measure(series, self.settled_through) if self.kpi.is_restated else None
        if self.has_strange_money(series):
            # neither the value nor its parts may be shown: they add up different currencies
            return self.say(
                series,
                "no_data",
                "mixed_currencies",
                {"currencies": ", ".join(sorted(set(series.currencies)))},
            )
        status, reason, details = self.verdict(raw, settled)
        return self.say(series, status, reason, details, raw, settled)

    def has_strange_money(self, series: Series) -> bool:
        if not self.kpi.has_currency:
            return False
        found, asked = set(series.currencies), self.target.goal.currency
        strange = self.kpi.unit == "money" and asked is not None and bool(found - {asked})
        return len(found) > 1 or strange

    def verdict(self, raw: _Measured, settled: _Measured | None) -> tuple[Status, str, Details]:
        late = self.lateness()
        if late is not None:
            return late
        start, end = self.period
        needed = min(ENOUGH_DAYS, ceil((end - start).days / 3))
        # once the period is over every day counts; how it leans until then is said apart
        is_settled = settled is not None and self.rests_on_settled and not self.is_over
        judged = settled if settled is not None and is_settled else raw
        elapsed = (judged.last - self.bounds(judged.last)[1]).days + 1
        counted = max(min(elapsed, judged.days - judged.missing), 0)
        early: Details = {"days": counted, "needed": needed}
        if not self.is_over and elapsed < needed:
            return "too_early", "too_early", early
        if raw.missing > MISSING_SHARE * raw.days or judged.missing > MISSING_SHARE * judged.days:
            return "no_data", "too_many_missing", {"missing": raw.missing, "days": raw.days}
        if raw.numerator is None:
            return "no_data", "nothing_matches", {}
        if not self.is_over and (counted < needed or judged.numerator is None):
            # a young campaign, or none of its days is old enough
            young = 0 if judged.numerator is None else counted
            return "too_early", "too_early", {**early, "days": young}
        if raw.value is None or judged.value is None:
            return "no_data", "not_finite", {}
        below = self.too_little(judged)
        if below is not None:
            return "insufficient_data", "below_minimum", below
        if self.is_over:
            return self.final(raw) if not self.is_provisional else self.leaning(raw, settled)
        status, reason = self.where(judged)
        return status, reason, {}

    def lateness(self) -> tuple[Status, str, Details] | None:
        through, expected = self.freshness.through, self.expected_through
        problem: Details = {}
        if self.freshness.problems:
            problem = {"problem": "; ".join(self.freshness.problems)}
        if through is None:
            return "no_data", "account_failed" if problem else "nothing_loaded", problem
        if through < expected:
            stand = {"through": through.isoformat(), "expected": expected.isoformat()}
            return "stale", "account_failed" if problem else "stale", {**problem, **stand}
        return None

    @property
    def provisional_until(self) -> date:
        """The first day on which the period can be closed."""
        end = self.period[1]
        # until the last day is due, at the distance that the data now follows at
        lag = max((self.as_of - self.freshness.expected_through).days, 1)
        wait = max(lag - 1, self.restatement_days if self.kpi.is_restated else 0)
        return end + timedelta(days=wait)

    @property
    def is_provisional(self) -> bool:
        """Conversions are still arriving, or the last days are not in yet."""
        read = min(self.as_of, self.freshness.read_as_of or self.as_of)
        arriving = self.kpi.is_restated and read < self.provisional_until
        return arriving or self.measured_through < self.last_day

    def too_little(self, judged: _Measured) -> Details | None:
        minimum, least = self.minimum(), self.target.measure.min_numerator
        if minimum is not None and not self.kpi.is_sum and (judged.denominator or 0.0) < minimum:
            return {"denominator": judged.denominator or 0.0, "minimum": minimum}
        if least is not None and (judged.numerator or 0.0) < least:
            return {"numerator": judged.numerator or 0.0, "minimum": least}
        return None

    def final(self, judged: _Measured) -> tuple[Status, str, Details]:
        limits = self.limits(judged.last, at_end=True)
        assert judged.value is not None
        met = standing(judged.value, *limits)[0] == "on_track"
        if judged.whole_sum is not None and met != (
            standing(judged.whole_sum, *limits)[0] == "on_track"
        ):  # the days that are missing would decide
            return "no_data", "too_many_missing", {"missing": judged.missing, "days": judged.days}
        return ("achieved", "goal_met", {}) if met else ("missed", "goal_missed", {})

    def leaning(self, raw: _Measured, settled: _Measured | None) -> tuple[Status, str, Details]:
        has_settled = settled is not None and self.rests_on_settled and settled.value is not None
        status, _ = self.where(settled if settled is not None and has_settled else raw)
        until = self.provisional_until.isoformat()
        return "provisional", "still_arriving", {"until": until, "leaning": status}

    def where(self, judged: _Measured) -> tuple[Status, str]:
        value = judged.value if judged.whole_sum is None else judged.whole_sum
        assert value is not None
        status, how = standing(value, *self.limits(judged.last))
        kind = self.target.goal.kind
        if kind in ("between", "maintain"):
            return status, {"on": "in_band", "near": "near_band", "off": "out_of_band"}[how]
        return status, f"{how}_{'path' if kind == 'from_to' else self.manner}"

    @property
    def manner(self) -> str:
        return "pace" if self.kpi.is_sum and not self.is_rolling else "level"

    # --- the answer ---------------------------------------------------------------------

    def say(
        self,
        series: Series,
        status: Status,
        reason: str,
        details: Details,
        raw: _Measured | None = None,
        settled: _Measured | None = None,
    ) -> Evaluation:
        goal, told = self.target.goal, dict(details)
        start, end = self.period
        window = default_window_days(self.target, start, end)
        if window is not None:
            told["window_days"] = window
        low, high = limits_of(goal)
        if goal.kind in ("between", "maintain") and low is not None and high is not None:
            told["low"], told["high"] = low, high
        if goal.kind == "from_to" and goal.from_ is not None:
            told["from"] = goal.from_
        has_data = raw is not None and raw.last >= raw.first and self.freshness.through is not None
        if raw is not None and raw.missing:
            told.setdefault("missing", raw.missing)
            told.setdefault("days", raw.days)
        if settled is not None and has_data and self.rests_on_settled:
            told["settled_through"] = settled.last.isoformat()
            if settled.expected is not None:
                told["settled_expected"] = settled.expected
        currencies = sorted(set(series.currencies))
        known = raw if has_data else None
        return Evaluation(
            client=self.client,
            target_id=self.target.id,
            segment=series.segment,
            segment_label=series.label,
            as_of=self.as_of,
            known_at=self.known_at,
            status=status,
            reason=reason,
            goal=goal_level(goal),
            value=known.value if known else None,
            expected=known.expected if known else None,
            adjusted_value=settled.value if settled and known else None,
            numerator=known.numerator if known else None,
            denominator=known.denominator if known else None,
            currency_code=currencies[0] if len(currencies) == 1 and self.kpi.has_currency else None,
            period_start=start,
            period_end=end,
            measured_from=known.first if known else None,
            measured_through=known.last if known else None,
            days_missing=known.missing if known else 0,
            details=told,
        )


def goal_level(goal: Goal) -> float | None:
    """The one figure of a goal; None for `between`, which has two."""
    return {
        "at_least": goal.at_least,
        "at_most": goal.at_most,
        "from_to": goal.to,
        "maintain": goal.maintain,
        "between": None,
    }[goal.kind]


def limits_of(goal: Goal) -> tuple[float | None, float | None]:
    """Lowest and highest good value of a goal as it is written; both None for from–to."""
    if goal.kind == "between" and goal.between is not None:
        return min(goal.between), max(goal.between)
    if goal.kind == "maintain" and goal.maintain is not None:
        slack = abs(goal.maintain) * (goal.within or 0.0)
        return goal.maintain - slack, goal.maintain + slack
    return goal.at_least, goal.at_most


def standing(
    value: float, low: float | None, high: float | None
) -> tuple[Status, Literal["on", "near", "off"]]:
    """Where a value stands against its limits, both inclusive."""

    def is_at_least(bound: float) -> bool:
        return value >= bound or isclose(value, bound, rel_tol=EQUAL)

    def is_at_most(bound: float) -> bool:
        return value <= bound or isclose(value, bound, rel_tol=EQUAL)

    if (low is None or is_at_least(low)) and (high is None or is_at_most(high)):
        return "on_track", "on"
    if (low is None or is_at_least(low - NEAR * abs(low))) and (
        high is None or is_at_most(high + NEAR * abs(high))
    ):
        return "at_risk", "near"
    return "off_track", "off"
