"""One target as of one day: the value, what the goal asks for, the odds, and the status.

No data is an answer of its own: nothing late, missing, too little or not
finite is ever a success or a failure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from math import ceil, isclose, isfinite
from typing import Literal

from flows.kpis import Kpi
from flows.settings import Goal, Target
from flows.targets.evaluation import Evaluation, FloatArray, Freshness, Series, Status
from flows.targets.intervals import (
    Interval,
    Kind,
    benjamini_hochberg,
    chance_of_no_worse,
    days_until,
    dispersion,
    minimum_of_rate,
    value_interval,
)
from flows.targets.measured import Days, Measured, days_of, measure
from flows.targets.path import (
    default_window_days,
    pace_shape,
    path_level,
    share_of_sum,
    window_start,
)
from flows.targets.periods import ONE_DAY, period_of
from flows.targets.projection import Projection, Ramp, project
from flows.targets.status import Earlier, Verdict, confirmed, is_remembered, status_by_odds
from flows.targets.versions import version_of

# Within 5% of what is asked for, on the wrong side, is near; beyond is off.
NEAR = 0.05
# A whole week has every weekday once; a short period is judged after a third of it.
ENOUGH_DAYS = 7
# While nothing is known of how late conversions come, leaving out the days younger than a
# week brings false alarms from 35% down to 8% (facts: targets and alerts, §3).
SETTLED_AFTER_DAYS = 7
# More than one day in five without data and nothing is said of the target.
MISSING_SHARE = 0.2
# Sums of decimals that became binary fractions: equal is equal, so that bounds are inclusive.
EQUAL = 1e-9
# Of the segments that an alert calls failing, one in ten at most is a false discovery.
FALSE_DISCOVERIES = 0.1

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
Standing = Literal["on", "near", "off"]


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
    earlier: Mapping[str, Earlier] | None = None,
    holidays: Collection[date] = (),
) -> list[Evaluation]:
    """Judge a target as of a day: the total ('') first, then every segment of `for_each`.

    Only days before ``as_of`` and up to ``freshness.through`` count. Segments
    without a single row in the measured days are left out. With `for_each` the
    total row carries the value of the whole scope and the worst status of its
    segments. The status of a restated KPI rests on the value that accounts for
    what is still arriving, and is final ``restatement_days`` after the period.
    ``earlier`` holds by segment the last verdict before ``as_of``, so that a
    status changes only when the change lasts.
    """
    period = period_of(target.period, as_of)
    version = version_of(target)
    judge = _Judge(
        target,
        kpi,
        client_slug,
        period,
        freshness,
        as_of,
        known_at,
        restatement_days,
        version,
        _of_this_goal(earlier or {}, version),
        holidays,
        # segments go by the whole: of a small one last year is mostly chance
        None if target.period.rolling_days else pace_shape(target, kpi, total, *period),
    )
    if target.for_each is None:
        return [judge.one(total)]
    found = [series for series in segments if judge.has_rows(series)]
    parts = [judge.one(series) for series in found]
    claimed = judge.claimed(found, parts)
    parts = [
        replace(part, details={**part.details, "claimed": int(claim)})
        if part.status in ("off_track", "at_risk")
        else part
        for part, claim in zip(parts, claimed, strict=True)
    ]
    parts.sort(key=lambda part: (part.segment_label, part.segment))
    # the verdict of the day before is that of all segments together, not of the whole scope
    whole = replace(judge, earlier={}).one(total)
    return [judge.combined(whole, parts), *parts]


def _of_this_goal(earlier: Mapping[str, Earlier], version: str) -> dict[str, Earlier]:
    """Without the verdicts on another wording: a goal that was edited is judged afresh."""
    return {segment: one for segment, one in earlier.items() if one.target_version in ("", version)}


@dataclass(frozen=True)
class _Reading:
    """Everything that is worked out of one series before the verdict."""

    raw: Measured
    judged: Measured
    interval: Interval | None = None
    projection: Projection | None = None


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
    version: str = ""
    earlier: Mapping[str, Earlier] = field(default_factory=dict)
    holidays: Collection[date] = ()
    shape: FloatArray | None = None  # how the days of the period weigh; None: all the same

    # --- what is measured ---------------------------------------------------------------

    @property
    def is_rolling(self) -> bool:
        return self.target.period.rolling_days is not None

    @property
    def is_over(self) -> bool:
        return not self.is_rolling and self.as_of >= self.period[1]

    @property
    def adjusts(self) -> bool:
        """Whether what is still arriving is accounted for."""
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

    @property
    def kind(self) -> Kind:
        if self.kpi.is_sum:
            return "sum"
        return "rate" if self.kpi.unit == "rate" else "ratio"

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

    def measure(self, series: Series, last: date, *, adjust: bool = False) -> Measured:
        first, _ = self.bounds(last)
        return measure(series, self.kpi, self.freshness, first, last, adjust=adjust)

    def read(self, series: Series) -> _Reading:
        """The plain value, and the value to judge by.

        That accounts for what is still arriving where it is known how late that
        comes; where it is not, it leaves the youngest days out.
        """
        raw = self.measure(series, self.measured_through, adjust=self.adjusts)
        if not self.adjusts or raw.adjusted is not None or raw.value is None:
            return _Reading(raw, raw)
        return _Reading(raw, self.measure(series, self.settled_through))

    def with_odds(self, series: Series, reading: _Reading) -> _Reading:
        """How sure the value is, and where it will be at the deadline."""
        days = self.days(series, reading)
        if days is None:
            return reading
        return replace(
            reading,
            interval=self.interval(days, reading.judged),
            projection=None if self.is_rolling or self.is_over else self.projection(days),
        )

    def days(self, series: Series, reading: _Reading) -> Days | None:
        adjust = reading.judged.adjusted is not None
        return days_of(series, self.kpi, self.freshness, reading.judged.last, adjust=adjust)

    def interval(self, days: Days, judged: Measured) -> Interval | None:
        if self.kpi.is_sum and days.completeness is None:
            return None  # what was counted is certain
        found = value_interval(
            self.kind,
            days.numerator,
            days.denominator,
            (judged.last - judged.first).days + 1,
            completeness=days.completeness,
            completeness_error=days.error,
        )
        value = judged.judged
        if found is None or value is None:
            return None
        # around the very value that is told: both complete young days, each in its own way
        return Interval(value, min(found.low, value), max(found.high, value))

    def projection(self, days: Days) -> Projection | None:
        start, end = self.period
        first = window_start(self.target, start, end, end - ONE_DAY)
        low, high = self.limits(end - ONE_DAY, at_end=True)
        goal, ramp = self.target.goal, None
        if goal.kind == "from_to" and goal.from_ is not None and goal.to is not None:
            ramp = Ramp(start, goal.from_, goal.to)
        return project(
            days.first_day,
            days.numerator,
            days.denominator,
            start=first,
            end=end,
            low=low,
            high=high,
            ramp=ramp,
            is_rate=self.kind == "rate",
            completeness=days.completeness,
            completeness_error=days.error,
            holidays=self.holidays,
        )

    # --- what the goal asks for ---------------------------------------------------------

    def part(self, last: date) -> float:
        """The part of a sum's goal that is due by ``last``; 1 for what is not a sum."""
        if not self.kpi.is_sum or self.is_rolling:
            return 1.0
        return share_of_sum(self.target, *self.period, last, self.shape)

    def expected(self, last: date) -> float | None:
        goal = self.target.goal
        if goal.kind == "from_to":
            level: float | None = path_level(self.target, *self.period, last, self.shape)
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

    def minimum(self, days: Days | None) -> float | None:
        """Denominator below which nothing is said."""
        said = self.target.measure.min_denominator
        if said is not None or self.kind != "rate":
            return said
        goal = self.target.goal
        low, high = limits_of(goal)
        levels = [level for level in (goal.from_, goal.to, low, high) if level is not None]
        if not levels:
            return None
        if days is None or days.denominator is None:
            return minimum_of_rate(min(levels))
        spread = dispersion(days.numerator, days.denominator, days.completeness)
        return minimum_of_rate(min(levels), spread)

    # --- the verdict --------------------------------------------------------------------

    def one(self, series: Series) -> Evaluation:
        start = self.period[0]
        if self.as_of < start:
            return self.say(series, "not_started", "not_started", {"start": start.isoformat()})
        reading = self.read(series)
        if self.has_strange_money(series):
            # neither the value nor its parts may be shown: they add up different currencies
            return self.say(
                series,
                "no_data",
                "mixed_currencies",
                {"currencies": ", ".join(sorted(set(series.currencies)))},
            )
        stopped = self.stopped(series, reading)
        if stopped is not None:
            return self.say(series, *stopped, reading)
        reading = self.with_odds(series, reading)
        return self.say(series, *self.verdict(series, reading), reading)

    def has_strange_money(self, series: Series) -> bool:
        if not self.kpi.has_currency:
            return False
        found, asked = set(series.currencies), self.target.goal.currency
        strange = self.kpi.unit == "money" and asked is not None and bool(found - {asked})
        return len(found) > 1 or strange

    def stopped(self, series: Series, reading: _Reading) -> tuple[Status, str, Details] | None:
        """Why nothing can be said of the target; None when something can."""
        late = self.lateness()
        if late is not None:
            return late
        raw, judged = reading.raw, self.counted(reading)
        start, end = self.period
        needed = min(ENOUGH_DAYS, ceil((end - start).days / 3))
        elapsed = (judged.last - self.bounds(judged.last)[1]).days + 1
        counted = max(min(elapsed, judged.days - judged.missing - judged.left_out), 0)
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
        if raw.value is None or judged.judged is None or not isfinite(judged.judged):
            return "no_data", "not_finite", {}
        below = self.too_little(judged, self.days(series, reading))
        if below is not None:
            return "insufficient_data", "below_minimum", below
        return None

    def counted(self, reading: _Reading) -> Measured:
        """Once the period is over every day counts; how it leans until then is said apart."""
        return reading.raw if self.is_over else reading.judged

    def verdict(self, series: Series, reading: _Reading) -> tuple[Status, str, Details]:
        if self.is_over:
            return self.final(reading.raw) if not self.is_provisional else self.leaning(reading)
        status, reason, how = self.where(reading.judged)
        earlier = self.earlier.get(series.segment)
        projection = reading.projection
        details: Details = {"standing": how}
        if projection is not None and projection.probability is not None:
            before = earlier.status if is_remembered(earlier, self.as_of) else None
            seen = status_by_odds(projection.probability, self.target.tuning, before)
            if seen == "off_track" and self.keeps_its_path(how, reading):
                seen = "at_risk"
            details["season"] = projection.season
        else:
            seen = self.by_interval(status, how, reading)
        told: Verdict = confirmed(seen, earlier, self.as_of, self.target.tuning)
        if told.candidate is not None:
            details["candidate"] = told.candidate
            details["candidate_days"] = told.candidate_days
        return told.status, reason, details

    def by_interval(self, status: Status, how: Standing, reading: _Reading) -> Status:
        """Without odds: off track is what is beyond its bound for all that the data can say."""
        if how == "on" or reading.interval is None:
            return status
        return "off_track" if self.is_beyond(reading.judged.last, reading.interval) else "at_risk"

    def keeps_its_path(self, how: Standing, reading: _Reading) -> bool:
        """Whether a goal from–to is on the path that was agreed, for all that the data can say.

        Until the path has risen by more than chance moves the value, no data can tell
        a plan that works from one that does not: the odds are then low all the same.
        """
        if self.target.goal.kind != "from_to":
            return False
        if how == "on":
            return True
        interval = reading.interval
        return interval is not None and not self.is_beyond(reading.judged.last, interval)

    def is_beyond(self, last: date, interval: Interval) -> bool:
        """Whether all of the interval lies on the wrong side of what is asked for by now."""
        low, high = self.limits(last)
        below = low is not None and interval.high < low
        above = high is not None and interval.low > high
        return below or above

    def lateness(self) -> tuple[Status, str, Details] | None:
        through, expected = self.freshness.through, self.expected_through
        problem: Details = {}
        if self.freshness.problems:
            first, *others = self.freshness.problems
            problem = {
                "problem": "; ".join(map(str, self.freshness.problems)),
                "account": first.account,
                "said": first.said,
                "others": len(others),
            }
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

    def too_little(self, judged: Measured, days: Days | None) -> Details | None:
        """What is lacking for a verdict, and in how many days it will be there at this volume."""
        minimum, least = self.minimum(days), self.target.measure.min_numerator
        window = None
        if self.is_rolling or default_window_days(self.target, *self.period) is not None:
            window = (judged.last - judged.first).days + 1
        for name, asked, found in (
            ("denominator", None if self.kpi.is_sum else minimum, judged.denominator or 0.0),
            ("numerator", least, judged.numerator or 0.0),
        ):
            if asked is None or found >= asked:
                continue
            told: Details = {name: found, "minimum": asked}
            counted = None if days is None else getattr(days, name)
            wait = None if counted is None else days_until(asked, found, counted, window)
            if wait is not None:
                told["days_needed"] = wait
            return told
        return None

    def claimed(self, segments: Sequence[Series], parts: Sequence[Evaluation]) -> list[bool]:
        """Which segments are worse than the goal beyond what many segments bring by chance.

        Benjamini–Hochberg over the segments that can be judged: of twenty
        campaigns that are all well, one always looks bad.
        """
        chances: list[float] = []
        for series, part in zip(segments, parts, strict=True):
            chance = 1.0
            if part.status in ("off_track", "at_risk", "on_track"):
                chance = self.chance_of_no_worse(series)
            chances.append(chance)
        return [bool(claim) for claim in benjamini_hochberg(chances, FALSE_DISCOVERIES)]

    def chance_of_no_worse(self, series: Series) -> float:
        reading = self.read(series)
        days, judged = self.days(series, reading), reading.judged
        if days is None or judged.judged is None:
            return 1.0
        low, high = self.limits(judged.last)
        if self.kpi.is_sum or days.denominator is None:
            # a sum is what was counted: it is behind or it is not
            return 0.0 if standing(judged.judged, low, high)[1] == "off" else 1.0
        kind: Literal["rate", "ratio"] = "rate" if self.kind == "rate" else "ratio"
        window = (judged.last - judged.first).days + 1
        chances = [
            chance_of_no_worse(
                kind,
                days.numerator,
                days.denominator,
                window,
                limit=limit,
                lower_is_better=lower,
                completeness=days.completeness,
            )
            for limit, lower in ((low, False), (high, True))
            if limit is not None
        ]
        return min(min(chances) * len(chances), 1.0) if chances else 1.0

    def combined(self, whole: Evaluation, parts: Sequence[Evaluation]) -> Evaluation:
        """The total of a target that every segment must reach.

        It is off track when its own scope is, or a segment of which that can be
        claimed; segments that only look bad make it at risk. Its odds are at
        most those of its least likely segment.
        """
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
            return replace(
                whole, status=left, reason="segments_unknown", probability=None, details={}
            )
        bad = sum(status in ("missed", "off_track") for status in judged)
        near = judged.count("at_risk")
        details: Details = {
            name: told
            for name, told in whole.details.items()
            if name not in ("candidate", "candidate_days")
        }
        details |= {
            "judged": len(judged),
            "segments": len(parts),
            "failing": bad + near,
            "off": bad,
            "near": near,
            "claimed": sum(bool(part.details.get("claimed")) for part in parts),
        }
        odds = [part.probability for part in parts if part.probability is not None]
        whole = replace(whole, probability=min(odds, default=None))
        worst = next(status for status in _WORST if status in judged)
        if worst == "provisional":
            part = next(part for part in parts if part.status == "provisional")
            details["until"] = part.details["until"]
            return replace(whole, status=worst, reason="still_arriving", details=details)
        reason = "segments_failing" if bad + near else "segments_fine"
        if worst in ("off_track", "at_risk", "on_track"):
            seen = worst
            sure = details["claimed"] or (whole.status == "off_track" and not stopped)
            if worst == "off_track" and not sure:
                seen = "at_risk"
            told = confirmed(seen, self.earlier.get(""), self.as_of, self.target.tuning)
            worst = told.status
            if told.candidate is not None:
                details["candidate"] = told.candidate
                details["candidate_days"] = told.candidate_days
        return replace(whole, status=worst, reason=reason, details=details)

    def final(self, judged: Measured) -> tuple[Status, str, Details]:
        limits = self.limits(judged.last, at_end=True)
        assert judged.value is not None
        met = standing(judged.value, *limits)[0] == "on_track"
        if judged.filled is not None and met != (
            standing(judged.filled, *limits)[0] == "on_track"
        ):  # the days that are missing would decide
            return "no_data", "too_many_missing", {"missing": judged.missing, "days": judged.days}
        return ("achieved", "goal_met", {}) if met else ("missed", "goal_missed", {})

    def leaning(self, reading: _Reading) -> tuple[Status, str, Details]:
        judged = reading.raw if reading.judged.judged is None else reading.judged
        status, _, how = self.where(judged)
        until = self.provisional_until.isoformat()
        return (
            "provisional",
            "still_arriving",
            {"until": until, "leaning": status, "standing": how},
        )

    def where(self, judged: Measured) -> tuple[Status, str, Standing]:
        """What the value alone says, the key of the reason, and where it stands."""
        assert judged.judged is not None
        status, how = standing(judged.judged, *self.limits(judged.last))
        kind = self.target.goal.kind
        if kind in ("between", "maintain"):
            reason = {"on": "in_band", "near": "near_band", "off": "out_of_band"}[how]
        else:
            reason = f"{how}_{'path' if kind == 'from_to' else self.manner}"
        return status, reason, how

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
        reading: _Reading | None = None,
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
        if series.converted_from:
            told["converted_from"] = ", ".join(series.converted_from)
        raw = reading.raw if reading is not None else None
        has_data = raw is not None and raw.last >= raw.first and self.freshness.through is not None
        known = raw if has_data else None
        if raw is not None and raw.missing:
            told.setdefault("missing", raw.missing)
            told.setdefault("days", raw.days)
        judged = reading.judged if reading is not None and has_data else None
        is_settled = judged is not None and raw is not None and judged is not raw
        if judged is not None and is_settled:
            told["settled_through"] = judged.last.isoformat()
            expected = self.expected(judged.last)
            if expected is not None:
                told["settled_expected"] = expected
        adjusted = None
        if judged is not None and self.adjusts:
            adjusted = judged.value if is_settled else judged.adjusted
        interval = reading.interval if reading is not None and has_data else None
        ahead = reading.projection if reading is not None and has_data else None
        currencies = sorted(set(series.currencies))
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
            expected=self.expected(known.last) if known else None,
            adjusted_value=adjusted,
            completeness=known.share_in if known else None,
            value_low=interval.low if interval else None,
            value_high=interval.high if interval else None,
            projected=ahead.value if ahead else None,
            projected_low=ahead.low if ahead else None,
            projected_high=ahead.high if ahead else None,
            required=ahead.required if ahead else None,
            numerator=known.numerator if known else None,
            denominator=known.denominator if known else None,
            currency_code=currencies[0] if len(currencies) == 1 and self.kpi.has_currency else None,
            period_start=start,
            period_end=end,
            measured_from=known.first if known else None,
            measured_through=known.last if known else None,
            days_missing=known.missing if known else 0,
            probability=ahead.probability if ahead else None,
            target_version=self.version,
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


def standing(value: float, low: float | None, high: float | None) -> tuple[Status, Standing]:
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
