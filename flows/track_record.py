"""`koers calibrate`: how far the odds may be trusted on the account's own history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from math import sqrt
from typing import Any

from flows import readings
from flows.holiday_days import holiday_days
from flows.kpis import Kpi
from flows.plan import restatement_days
from flows.project import Project
from flows.settings import Client, Target
from flows.summary import as_table, shortened
from flows.targets.calibration import (
    HISTORY_BEFORE,
    PERIOD_DAYS,
    Forecast,
    Outcome,
    Score,
    Z,
    replay,
    score,
)
from flows.targets.measured import Days, days_of
from flows.targets.periods import ONE_DAY, period_of
from flows.views import read_for

# Shorter periods say more about noise than about the method.
SHORTEST_PERIOD_DAYS = 28
# The forecasts of one period come true together: fewer periods than this are an anecdote.
FEW_PERIODS = 8
# What 80% intervals ought to hold, and how far off by less than which nobody minds.
OUGHT_TO_HOLD, NEAR_ENOUGH = 0.8, 0.05


@dataclass(frozen=True)
class Scope:
    """One KPI within one scope, of the targets that are judged on it."""

    client: str
    kpi: str
    where: dict[str, tuple[str, ...]]
    targets: tuple[str, ...]
    days: int  # of history, without those that are still changing
    period_days: int
    needed_days: int  # for the first period
    score: Score | None

    @property
    def scope(self) -> str:
        told = ", ".join(f"{name} {'/'.join(values)}" for name, values in self.where.items())
        return told or "everything"


@dataclass(frozen=True)
class TrackRecord:
    """What the projections of the past came to, per scope and all together."""

    as_of: date
    scopes: tuple[Scope, ...]
    overall: Score | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "as_of": self.as_of,
            "scopes": [asdict(one) | {"verdict": verdict_on(one.score)} for one in self.scopes],
            "overall": None if self.overall is None else asdict(self.overall),
            "verdict": verdict_on(self.overall),
        }

    def in_words(self) -> str:
        headings = ("client", "kpi", "scope", "days", "periods", "80% holds", "Brier", "naive",
                    "gain (95%)", "verdict")  # fmt: skip
        rows = []
        for one in self.scopes:
            told = one.score
            verdict = verdict_on(told)
            if told is None:
                lacking = max(one.needed_days - one.days, 0)
                verdict = f"too little history: {lacking} more days" if lacking else verdict
            rows.append((one.client, one.kpi, shortened(one.scope), one.days, *_figures(told),
                         verdict))  # fmt: skip
        lines = [as_table(headings, rows)] if rows else ["there is no target to calibrate for"]
        if self.overall is not None:
            covered, brier, naive = (
                self.overall.coverage, self.overall.brier, self.overall.naive_brier,
            )  # fmt: skip
            lines += [
                "",
                f"all together: {self.overall.forecasts} forecasts in {self.overall.periods} "
                f"periods; {covered:.0%} of the outcomes lay inside their 80% interval; Brier "
                f"score {brier:.3f}, naive pacing {naive:.3f} (lower is better): "
                f"{verdict_on(self.overall)}",
            ]
            lines += [
                f"  odds {one.low:.0%}–{one.high:.0%}: said {one.said:.0%}, came true "
                f"{one.came:.0%} of {one.count}"
                for one in self.overall.bins
            ]
        return "\n".join(lines)


def verdict_on(told: Score | None) -> str:
    """What a score allows to be said; a handful of periods allows nothing."""
    if told is None:
        return "too little history"
    if told.periods < FEW_PERIODS:
        return f"{told.periods} periods are too few to tell"
    # as far as this many periods can tell (95%)
    chance = Z * sqrt(OUGHT_TO_HOLD * (1 - OUGHT_TO_HOLD) / told.periods)
    slack = max(chance, NEAR_ENOUGH)
    if told.coverage < OUGHT_TO_HOLD - slack:
        width = "intervals too narrow"
    elif told.coverage > OUGHT_TO_HOLD + slack:
        width = "intervals too wide"
    else:
        width = "intervals not clearly too narrow or too wide"
    if told.gain_low > 0:
        return f"{width}, odds better than naive pacing"
    if told.gain_high < 0:
        return f"{width}, odds worse than naive pacing"
    return f"{width}, odds not clearly better than naive pacing"


def _figures(told: Score | None) -> tuple[Any, ...]:
    if told is None:
        return (0, None, None, None, None)
    gain = f"{told.gain:+.3f}"
    if told.periods > 1:
        gain += f" ({told.gain_low:+.3f} to {told.gain_high:+.3f})"
    return (
        told.periods,
        f"{told.coverage:.0%}",
        f"{told.brier:.3f}",
        f"{told.naive_brier:.3f}",
        gain,
    )


# --- the replay -------------------------------------------------------------------------------


def track_record(project: Project, clients: Sequence[str], as_of: date) -> TrackRecord:
    """Replay projections over the whole history of every KPI and scope that has a target."""
    scopes: list[Scope] = []
    forecasts: list[Forecast] = []
    outcomes: list[Outcome] = []
    for slug in clients:
        client = project.client(slug)
        with project.warehouse.read() as connection:
            read = read_for(project, connection, [slug], as_of, as_of)
            states = readings.source_states(connection, client, as_of)
        for same in _by_scope(client.targets):
            target, kpi = same[0], project.kpis[same[0].kpi]
            series = read.cubes[slug, kpi.name].series(target.where)
            freshness = readings.freshness_of(target, kpi, states, as_of)
            through = freshness.through or as_of - ONE_DAY
            settled = min(through, as_of - timedelta(days=_unsettled_days(project, kpi)))
            days = days_of(series, kpi, freshness, settled, adjust=False)
            period_days = _period_days(target, as_of)
            name = f"{slug} {kpi.name} {sorted(target.where.items())}"
            said, came = _replayed(days, kpi, client, name, period_days)
            forecasts += said
            outcomes += came
            scopes.append(
                Scope(
                    client=slug,
                    kpi=kpi.name,
                    where=target.where,
                    targets=tuple(one.id for one in same),
                    days=0 if days is None else len(days.numerator),
                    period_days=period_days,
                    needed_days=HISTORY_BEFORE + period_days,
                    score=score(said, came),
                )
            )
    return TrackRecord(as_of, tuple(scopes), score(forecasts, outcomes))


def _by_scope(targets: Sequence[Target]) -> list[list[Target]]:
    found: dict[tuple[str, str], list[Target]] = {}
    for target in targets:
        found.setdefault((target.kpi, repr(sorted(target.where.items()))), []).append(target)
    return list(found.values())


def _unsettled_days(project: Project, kpi: Kpi) -> int:
    """How many of the last days are still changing: they would be taken for a bad outcome."""
    if not kpi.is_restated:
        return 1
    return max(restatement_days(project, source) for source in kpi.sources)


def _period_days(target: Target, as_of: date) -> int:
    """As long as the target's own period, so that the odds are those that it is given."""
    start, end = period_of(target.period, as_of)
    return min(max((end - start).days, SHORTEST_PERIOD_DAYS), PERIOD_DAYS)


def _replayed(
    days: Days | None, kpi: Kpi, client: Client, name: str, period_days: int
) -> tuple[list[Forecast], list[Outcome]]:
    if days is None or not len(days.numerator):
        return [], []
    last = days.first_day + timedelta(days=len(days.numerator) + period_days)
    return replay(
        days.first_day,
        days.numerator,
        days.denominator,
        name=name,
        period_days=period_days,
        lower_is_better=kpi.better == "lower",
        is_rate=kpi.unit == "rate",
        holidays=holiday_days(client.holidays, days.first_day, last),
    )
