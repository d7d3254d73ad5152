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

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import fsum, isfinite
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from flows.kpis import Kpi
from flows.settings import Target
from flows.targets.completeness import completed
from flows.targets.cube import UNNAMED, KpiCube
from flows.targets.evaluation import BoolArray, FloatArray, Series
from flows.targets.intervals import benjamini_hochberg
from flows.targets.path import DEFAULT_WINDOW_DAYS, default_window_days, window_start
from flows.targets.periods import ONE_DAY

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
# 52 weeks back every weekday falls on itself.
YEAR_DAYS = 364
# What a KPI is split along, the most telling first: a campaign is what somebody can change.
DIMENSIONS = (
    "campaign_id",
    "channel_group",
    "channel_type",
    "device",
    "network",
    "account_id",
    "source",
)
# Another dimension is told instead of campaigns only when its first part explains twice as much
# as the first campaign does, and a quarter more than its mere size would let it.
CLEARLY_MORE = 2.0
BEYOND_SIZE = 1.25
# One level deeper is worth telling when one part there makes up most of it.
MOSTLY = 0.6
# The weeks before a stretch tell the level that late days of a sum are completed with.
LEVEL_DAYS = 56


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
    false_claims: float = FALSE_CLAIMS,
) -> Explanation | None:
    """Split the change from ``before`` to ``after`` into what each part did to it.

    Row i of both stretches belongs to ``parts[i]``. ``direction`` is the sign
    of the gap (-1: too low), 0 for that of the change itself. Of the claims at
    most ``false_claims`` are chance. Parts with nothing on either side are left
    out. None when one of the values does not
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
    claimed[tested] = benjamini_hochberg(p_values[tested], false_claims)
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
    effects.sort(key=lambda e: (e.total * sign <= 0, -abs(e.total), e.part))
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


# --- which days -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """Two stretches of days that may be compared, both ends included."""

    compared: Compared
    before: Days
    after: Days


def comparisons(target: Target, period: Days, last: date, since: date) -> tuple[Comparison, ...]:
    """What a target's value up to ``last`` can be compared with, the one to tell first in front.

    ``period`` is half-open; ``last`` is the last day that was judged, a settled
    one where conversions arrive late and nothing is known of how late;
    ``since`` the first day that is known of the whole scope. First come the
    days so far against those before the period, then the last week against the
    week before, then the days so far against last year's. What has no data to
    compare with is left out.
    """
    found = (
        _so_far(target, period, last, since),
        _week(last, since),
        _last_year(target, period, last, since),
    )
    kept: list[Comparison] = []
    for one in found:
        if one is not None and (one.before, one.after) not in [(k.before, k.after) for k in kept]:
            kept.append(one)
    return tuple(kept)


def _so_far(target: Target, period: Days, last: date, since: date) -> Comparison | None:
    """The measured days of the period against as many of the same weekdays before it.

    A goal from–to starts from a baseline: there it is the measuring window that
    ends on the eve of the period. Where the data begins too late for that, as
    many whole weeks as there are, against the whole weeks of the period.
    """
    after = _measured(target, period, last)
    if after is None:
        return None
    start, n = period[0], _length(after)
    eve = (after[0] if target.period.rolling_days is not None else start) - ONE_DAY
    if target.goal.kind == "from_to":
        window = default_window_days(target, *period) or DEFAULT_WINDOW_DAYS
        before = (eve - timedelta(days=window - 1), eve)
        if n == window and window % WEEK == 0 and before[0] >= since:
            return Comparison("baseline", before, after)
    else:
        # so many whole weeks back that the last of the days falls on the eve or before it
        back = timedelta(days=-(-(after[1] - eve).days // WEEK) * WEEK)
        before = (after[0] - back, after[1] - back)
        if before[0] >= since:
            return Comparison("baseline", before, after)
    # not equally long: whole weeks on both sides, so that weekdays weigh the same
    weeks_before = ((eve - max(before[0], since)).days + 1) // WEEK
    weeks_after = n // WEEK
    if weeks_before < 1 or weeks_after < 1:
        return None
    return Comparison(
        "baseline",
        (eve - timedelta(days=weeks_before * WEEK - 1), eve),
        (after[1] - timedelta(days=weeks_after * WEEK - 1), after[1]),
    )


def _week(last: date, since: date) -> Comparison | None:
    first = last - timedelta(days=WEEK - 1)
    before = (first - timedelta(days=WEEK), first - ONE_DAY)
    return Comparison("week", before, (first, last)) if before[0] >= since else None


def _last_year(target: Target, period: Days, last: date, since: date) -> Comparison | None:
    after = _measured(target, period, last)
    if after is None:
        return None
    back = timedelta(days=YEAR_DAYS)
    before = (after[0] - back, after[1] - back)
    return Comparison("last_year", before, after) if before[0] >= since else None


def _measured(target: Target, period: Days, last: date) -> Days | None:
    """The days that the value is measured over, but none from before the period."""
    start, end = period
    last = min(last, end - ONE_DAY)
    if target.period.rolling_days is not None:  # the window moves along with the last day
        return last - timedelta(days=target.period.rolling_days - 1), last
    first = max(window_start(target, start, end, last), start)
    return (first, last) if first <= last else None


def _length(days: Days) -> int:
    return (days[1] - days[0]).days + 1


def gap_direction(target: Target, value: float | None) -> int:
    """The sign of a gap: -1 where too low is wrong, 1 where too high is."""
    goal = target.goal
    if goal.kind == "at_least":
        return -1
    if goal.kind == "at_most":
        return 1
    if goal.kind == "from_to":
        return -1 if (goal.to or 0.0) >= (goal.from_ or 0.0) else 1
    middle = sum(goal.between) / 2 if goal.between is not None else goal.maintain
    return 1 if value is not None and middle is not None and value > middle else -1


# --- of a target ----------------------------------------------------------------------------


def explanations(
    cube: KpiCube,
    target: Target,
    kpi: Kpi,
    period: Days,
    last: date,
    since: date,
    *,
    segment: str = "",
    series: Series | None = None,
    missing_days: Collection[date] = (),
    direction: int = 0,
) -> tuple[Explanation, ...]:
    """Why a target's value changed, by every comparison there is, the one to tell first in front.

    The days so far come first; the last week does when something in it stands
    out from chance and nothing does in the days so far. See `comparisons` and
    `explain_target` for the parameters.
    """
    found = [
        explain_target(
            cube,
            target,
            kpi,
            one.before,
            one.after,
            segment=segment,
            series=series,
            missing_days=missing_days,
            direction=direction,
            compared=one.compared,
        )
        for one in comparisons(target, period, last, since)
    ]
    told = [one for one in found if one is not None]
    told.sort(key=lambda one: (one.compared == "last_year", not one.claimed))
    return tuple(told)


def explain_target(
    cube: KpiCube,
    target: Target,
    kpi: Kpi,
    before: Days,
    after: Days,
    dimension: str | None = None,
    *,
    segment: str = "",
    series: Series | None = None,
    missing_days: Collection[date] = (),
    direction: int = 0,
    compared: Compared = "baseline",
) -> Explanation | None:
    """Why a target's value (or that of one segment of it) changed between two stretches.

    Along ``dimension``, or along the one that says most. ``series`` is that of
    the same scope: its completeness accounts for what is still arriving, as in
    the value that is judged (not where the target wants raw figures).
    ``missing_days`` are known not to be in. None when
    there is nothing to compare, when the scope is in several currencies, and
    when no dimension has two parts.
    """
    where = dict(target.where)
    if segment:
        if target.for_each is None or segment == UNNAMED:
            return None
        where[_column(target.for_each)] = (segment,)
    if target.measure.completeness == "raw":
        series = None
    scope = _Scope(cube, kpi, where, before, after, series, frozenset(missing_days), compared)
    if scope.has_mixed_currencies:
        return None
    if dimension is not None:
        return scope.explained(dimension, direction)
    best = scope.best(direction)
    return None if best is None else scope.deepened(best)


def _column(for_each: str) -> str:
    return "campaign_id" if for_each == "campaign" else for_each


@dataclass(frozen=True)
class _Scope:
    cube: KpiCube
    kpi: Kpi
    where: Mapping[str, Sequence[str]]
    before: Days
    after: Days
    series: Series | None
    missing_days: frozenset[date]
    compared: Compared

    @property
    def has_mixed_currencies(self) -> bool:
        cube = self.cube
        if cube.currency is None:
            return False
        days = np.zeros(cube.days, dtype=np.bool_)
        for first, last in (self.before, self.after):
            begin, end = ((day - cube.first_day).days for day in (first, last))
            days[max(begin, 0) : max(end + 1, 0)] = True
        seen = cube.mask(self.where) & cube.has_row[:, days].any(axis=1)
        names = (cube.currency.names[code] for code in np.unique(cube.currency.codes[seen]))
        return len([name for name in names if name]) > 1

    def explained(
        self, dimension: str, direction: int, *, least: int = 1, false_claims: float = FALSE_CLAIMS
    ) -> Explanation | None:
        """Along one dimension; None with fewer than ``least`` parts that had anything."""
        parts, labels, before = self.stretch(dimension, self.before)
        if len(parts) < least:
            return None
        # the same cells on both sides, so the same parts in the same order
        found = explain(
            dimension,
            parts,
            labels,
            before,
            self.stretch(dimension, self.after)[2],
            direction=direction,
            compared=self.compared,
            false_claims=false_claims,
        )
        return None if found is None or len(found.effects) < least else found

    def stretch(
        self, dimension: str, days: Days
    ) -> tuple[tuple[str, ...], tuple[str, ...], Stretch]:
        """Keys and names of the parts, and their days with what is late accounted for."""
        first, last = days
        share = self.share_in(first, last)
        lead = LEVEL_DAYS if self.kpi.is_sum and (share < 1).any() else 0
        begun = first - timedelta(days=lead)
        found = self.cube.matrix(self.where, dimension, begun, last)
        numerator, denominator = found.numerator, found.denominator
        if denominator is None:
            if lead:
                share = self.share_in(begun, last)
                numerator = np.array([completed(row, share) for row in numerator])
                numerator = numerator.reshape(len(found.parts), -1)[:, lead:]
        elif self.kpi.late is not None and self.kpi.late.side == "denominator":
            numerator = numerator * share
        else:
            denominator = denominator * share
        numerator = numerator + np.where(np.isnan(share[-_length(days) :]), np.nan, 0.0)
        for day in self.missing_days:
            if first <= day <= last:
                numerator[:, (day - first).days] = np.nan
        return found.parts, found.labels, Stretch(first, numerator, denominator)

    def share_in(self, first: date, last: date) -> FloatArray:
        """How much of each day is in: 1 where nothing is late, NaN where it is too little."""
        share = np.ones((last - first).days + 1)
        if self.series is not None and self.series.completeness is not None:
            place = self.series.place(first, last)
            begin = (self.series.day_at(place.start) - first).days
            known = self.series.completeness[place]
            # a day without activity has nothing that could be late
            known = np.where(self.series.has_row[place], known, 1.0)
            share[begin : begin + len(known)] = known
        return share

    def best(self, direction: int) -> Explanation | None:
        """Along the dimension that says most: campaigns, unless another is clearly better."""
        best: Explanation | None = None
        usable = self.dimensions
        for dimension in usable:
            # looking in more places finds more by chance: the others share what one may claim
            found = self.explained(
                dimension,
                direction,
                least=2,
                false_claims=FALSE_CLAIMS / (1 if best is None else len(usable) - 1),
            )
            if found is not None and (best is None or _says_more(found, best)):
                best = found
        return best

    @property
    def dimensions(self) -> tuple[str, ...]:
        there = set(self.kpi.dimensions) & set(self.cube.columns)
        return tuple(d for d in DIMENSIONS if d in there and len(self.cube.columns[d].names) > 1)

    def deepened(self, whole: Explanation) -> Explanation:
        """With what explains the first part's own change, where one thing in it mostly does."""
        first = whole.effects[0]
        is_own = abs(first.rate) >= abs(first.mix) and not (first.is_new or first.is_vanished)
        if not first.is_claimed or not is_own or first.part == UNNAMED:
            return whole
        part = replace(self, where={**self.where, whole.dimension: (first.part,)})
        usable = part.dimensions
        for dimension in usable:
            found = part.explained(
                dimension,
                1 if first.rate > 0 else -1,
                least=2,
                false_claims=FALSE_CLAIMS / len(usable),
            )
            if found is not None and _leads(found, MOSTLY):
                return replace(whole, inside=found)
        return whole


def _towards(found: Explanation) -> float:
    """All that moved in the direction of the gap."""
    return fsum(abs(e.total) for e in found.effects if e.total * found.direction > 0)


def _leads(found: Explanation, least: float) -> bool:
    """Whether the first effect is claimed, makes up enough, and more than its size alone would."""
    first, towards = found.effects[0], _towards(found)
    if not first.is_claimed or first.total * found.direction <= 0 or towards <= 0:
        return False
    share = abs(first.total) / towards
    size = (first.weight_before + first.weight_after) / 2
    return share >= least and share >= BEYOND_SIZE * size


def _says_more(found: Explanation, best: Explanation) -> bool:
    leading = best.effects[0]
    held = abs(leading.total) if leading.is_claimed else 0.0
    if leading.total * best.direction <= 0:
        held = 0.0
    return _leads(found, MOSTLY) and abs(found.effects[0].total) >= CLEARLY_MORE * held


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


def _or_none(value: np.float64) -> float | None:
    return float(value) if isfinite(value) else None
