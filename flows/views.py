"""Everything that is said of a client on a morning, judged afresh from the warehouse."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import duckdb
import numpy as np

from flows import arrivals, goal_versions, readings
from flows.alerts.machine import mute_of
from flows.alerts.state import load_snoozes
from flows.arrivals import Arrival
from flows.data_findings import data_findings
from flows.holiday_days import holiday_days
from flows.kpis import Kpi, Late
from flows.landing import now
from flows.plan import restatement_days
from flows.project import Project
from flows.report.model import ClientView, GoalChange, Noticed, SourceState, TargetView
from flows.settings import Client, Mute, Period, Target
from flows.targets.completeness import Part, Reads, series_completeness
from flows.targets.cube import UNNAMED, KpiCube
from flows.targets.evaluation import Evaluation, Series
from flows.targets.explain import Explanation, explanations, gap_direction
from flows.targets.judge import evaluate
from flows.targets.path import pace_shape
from flows.targets.periods import ONE_DAY, period_of
from flows.targets.status import Earlier

# a chart shows this much of what came before the period
LOOK_BACK_DAYS = 120
# what the odds are learned from: this time last year, and the year before that to compare with
HISTORY_DAYS = 3 * 366

# whether to say more of a total than the verdict
Explained = Callable[[Evaluation], bool]


Arrivals = dict[Late, dict[arrivals.Key, Arrival]]


@dataclass(frozen=True)
class Figures:
    """What was read of a stretch of mornings: the KPIs, and how late their figures arrive."""

    cubes: readings.Cubes
    arrivals: Arrivals


def views_of(
    project: Project,
    connection: duckdb.DuckDBPyConnection,
    clients: Sequence[str],
    as_of: date,
    read: Figures | None = None,
    *,
    explained: Explained | bool = True,
    closing: Mapping[tuple[str, str], Collection[date]] | None = None,
) -> list[ClientView]:
    """Everything that is said of each client on a morning, judged afresh from the warehouse.

    Each KPI is read once for all clients, and let go of before the next one. What
    was ``read`` already (see `read_for`) is not read again: that of other mornings
    too. ``explained`` says for which verdicts there is more than the verdict: causes,
    findings and edits of the goal. They take longer than judging does. ``closing``
    says by client and target of which occurrences, by their first day, it is asked
    how they ended beside the one that runs.
    """
    chosen = [project.client(slug) for slug in clients]
    run = _Run(
        project,
        as_of,
        now(),
        readings.all_source_states(connection, clients, as_of),
        readings.status_histories(connection, clients, as_of),
        readings.earlier_verdicts(connection, clients, as_of),
        goal_versions.goal_changes(connection, chosen) if explained else {},
        _holidays(chosen, as_of),
        explained if callable(explained) else lambda total: bool(explained),
        load_snoozes(connection, clients),
        closing or {},
    )
    by_kpi: dict[str, list[tuple[Client, Target]]] = {}
    for client in chosen:
        for target in client.targets:
            by_kpi.setdefault(target.kpi, []).append((client, target))
    kpis = [project.kpis[name] for name in sorted(by_kpi)]
    arriving = arrivals_of(project, connection, kpis, as_of) if read is None else read.arrivals
    judged: dict[tuple[str, str], TargetView] = {}
    for kpi, cubes in _figures(connection, by_kpi, kpis, as_of, read):
        own: dict[str, dict[str, Arrival]] = {}  # by client and account
        for (slug, account), one in ({} if kpi.late is None else arriving[kpi.late]).items():
            own.setdefault(slug, {})[account] = one
        for client, target in by_kpi[kpi.name]:
            slug = client.slug
            cube, late = cubes[slug, kpi.name], own.get(slug, {})
            judged[slug, target.id] = run.target_view(client, target, kpi, cube, late)
    return [
        ClientView(
            client=client,
            as_of=as_of,
            generated_at=run.known_at,
            targets=tuple(judged[client.slug, target.id] for target in client.targets),
            sources=run.states[client.slug],
            checks=readings.failing_checks(connection, client.slug),
        )
        for client in chosen
    ]


def _figures(
    connection: duckdb.DuckDBPyConnection,
    by_kpi: Mapping[str, Sequence[tuple[Client, Target]]],
    kpis: Sequence[Kpi],
    as_of: date,
    read: Figures | None,
) -> Iterator[tuple[Kpi, readings.Cubes]]:
    """The cubes of one KPI after the other; each is read while the one before it is judged."""

    def cubes_of(kpi: Kpi) -> readings.Cubes:
        asked = by_kpi[kpi.name]
        owners = list(dict.fromkeys(client.slug for client, _ in asked))
        first = _first_read((target for _, target in asked), as_of)
        last = as_of - ONE_DAY
        if read is None:
            return readings.read_kpi(connection, owners, kpi, first, last)
        return {
            (slug, kpi.name): read.cubes[slug, kpi.name].between(first, last) for slug in owners
        }

    # the connection is asked by this one thread alone until the last KPI is in
    with ThreadPoolExecutor(1, "figures") as reader:
        ahead = reader.submit(cubes_of, kpis[0]) if kpis else None
        for i, kpi in enumerate(kpis):
            assert ahead is not None
            cubes = ahead.result()
            ahead = reader.submit(cubes_of, kpis[i + 1]) if i + 1 < len(kpis) else None
            yield kpi, cubes


def verdicts_of(views: Iterable[ClientView]) -> list[Evaluation]:
    """Every evaluation of the views: of each target the total, then its segments."""
    return [e for view in views for one in view.targets for e in (one.total, *one.segments)]


def read_for(
    project: Project,
    connection: duckdb.DuckDBPyConnection,
    clients: Sequence[str],
    first: date,
    last: date,
) -> Figures:
    """The figures that `views_of` rests on as of each day from ``first`` to ``last``."""
    targets = [target for slug in clients for target in project.client(slug).targets]
    kpis = [project.kpis[name] for name in sorted({target.kpi for target in targets})]
    cubes = readings.read_cubes(
        connection, clients, kpis, _first_read(targets, first), last - ONE_DAY
    )
    return Figures(cubes, arrivals_of(project, connection, kpis, last))


def arrivals_of(
    project: Project, connection: duckdb.DuckDBPyConnection, kpis: Iterable[Kpi], as_of: date
) -> Arrivals:
    """How the late side of each KPI arrives, as of a morning; each table is read once."""
    windows = readings.conversion_windows(connection)

    def final_age(source: str, account: str) -> int:
        return restatement_days(project, source, windows.get(account))

    late = [kpi.late for kpi in kpis if kpi.late is not None]
    return arrivals.read_all_arrivals(connection, late, as_of, final_age)


def _first_read(targets: Iterable[Target], as_of: date) -> date:
    """The first day that judging or showing any of the targets rests on."""
    shown = [_first_shown(target, as_of) for target in targets]
    return min([*shown, as_of - timedelta(days=HISTORY_DAYS)])


def _first_shown(target: Target, as_of: date) -> date:
    """The first day that a chart of the target may show."""
    start, _ = period_of(target.period, as_of)
    return min(start, as_of) - timedelta(days=LOOK_BACK_DAYS)


def _holidays(clients: Iterable[Client], as_of: date) -> dict[str | None, frozenset[date]]:
    """By country the public holidays of all days that are learned from or projected."""
    first, last = as_of - timedelta(days=HISTORY_DAYS), as_of + timedelta(days=HISTORY_DAYS)
    return {
        country: holiday_days(country, first, last) for country in {c.holidays for c in clients}
    }


@dataclass(frozen=True)
class _Run:
    """What judging every target of a run rests on, beside the figures of its KPI."""

    project: Project
    as_of: date
    known_at: datetime
    states: dict[str, tuple[SourceState, ...]]  # by client
    histories: dict[tuple[str, str], tuple[tuple[date, str], ...]]  # by client and target
    earlier: dict[tuple[str, str], dict[str, Earlier]]  # by client and target, then segment
    changes: dict[tuple[str, str], tuple[GoalChange, ...]]  # by client and target
    holidays: dict[str | None, frozenset[date]]  # by country
    explained: Explained
    snoozes: Mapping[tuple[str, str], Mute]  # by client and target
    closing: Mapping[tuple[str, str], Collection[date]]  # by client and target: first days

    def target_view(
        self,
        client: Client,
        target: Target,
        kpi: Kpi,
        cube: KpiCube,
        arriving: Mapping[str, Arrival],
    ) -> TargetView:
        shown = _first_shown(target, self.as_of)
        cube = cube.in_one_currency(target.where, since=shown, asked=target.goal.currency)
        total = with_completeness(
            cube.series(target.where, since=shown), cube, kpi, target, arriving
        )
        segments: list[Series] = []
        if target.for_each:
            segments = [
                with_completeness(one, cube, kpi, target, arriving)
                for one in cube.segments(target.where, target.for_each, since=shown)
            ]
        freshness = readings.freshness_of(target, kpi, self.states[client.slug], self.as_of)
        restated = max(restatement_days(self.project, source) for source in kpi.sources)
        key = (client.slug, target.id)
        judged = evaluate(
            target,
            kpi,
            client.slug,
            total,
            segments,
            freshness,
            self.as_of,
            self.known_at,
            restated,
            self.earlier.get(key, {}),
            self.holidays[client.holidays],
        )
        version, running = judged[0].target_version, judged[0].period_start
        ended = [
            evaluate(
                once(target, start), kpi, client.slug, total, segments, freshness, self.as_of,
                self.known_at, restated, {}, self.holidays[client.holidays],
            )[0]
            for start in sorted(self.closing.get(key, ()))
            if running is not None and start < running
        ]  # fmt: skip
        view = TargetView(
            target=target,
            kpi=kpi,
            total=judged[0],
            segments=tuple(judged[1:]),
            series=total.since(shown),
            segment_series=tuple(one.since(shown) for one in segments),
            history=self.histories.get(key, ()),
            goal_changes=self.changes.get(key, ()),
            muted=mute_of(target, self.snoozes.get(key), self.as_of),
            closing=tuple(replace(one, target_version=version) for one in ended),
            shape=pace_shape(target, kpi, total, *period_of(target.period, self.as_of)),
        )
        if not self.explained(judged[0]):
            return view
        noticed = data_findings(client, target, kpi, cube, freshness, self.as_of, total, segments)
        return replace(
            view,
            causes=self.causes(view, cube, total, freshness.since, freshness.missing_days),
            findings=tuple(Noticed(one.code, one.details) for one in noticed),
        )

    def causes(
        self,
        view: TargetView,
        cube: KpiCube,
        total: Series,
        since: date | None,
        missing_days: Collection[date],
    ) -> tuple[Explanation, ...]:
        """Why the value changed; nothing where it cannot be told what the value is."""
        told, target = view.total, view.target
        if told.measured_through is None or told.value is None or not len(total):
            return ()
        value = told.adjusted_value if told.adjusted_value is not None else told.value
        # where nothing is known of how late figures arrive, the verdict rests on older days
        last = date.fromisoformat(str(told.details.get("settled_through", told.measured_through)))
        return explanations(
            cube,
            target,
            view.kpi,
            period_of(target.period, self.as_of),
            last,
            max(since or cube.first_day, cube.first_day),
            series=total,
            missing_days=missing_days,
            direction=gap_direction(target, value),
        )


def once(target: Target, day: date) -> Target:
    """A repeating target as if the occurrence that holds a day were all there is of it."""
    start, end = target.period.occurrence(day)
    return target.model_copy(update={"period": Period(start=start, end=end)})


# --- how complete young days are --------------------------------------------------------------

_NO_DAYS = np.array([], np.int64)
# an account that has rows, and of which no read is known
_UNREAD = Arrival(None, Reads(_NO_DAYS, _NO_DAYS, np.array([], np.float64)), date.min)


def with_completeness(
    series: Series,
    cube: KpiCube,
    kpi: Kpi,
    target: Target,
    arriving: Mapping[str, Arrival],
) -> Series:
    """The same series with how much of each day is in, over the accounts that it adds up."""
    if kpi.late is None or not len(series) or series.segment == UNNAMED:
        return series
    where = dict(target.where)
    if series.segment and target.for_each is not None:
        where[target.for_each] = (series.segment,)
    parts = []
    if "account_id" in cube.columns:
        found = cube.matrix(where, "account_id")
        other = found.denominator if kpi.late.side == "numerator" else found.numerator
        late = found.numerator if kpi.late.side == "numerator" else found.denominator
        if late is None:  # a sum has a numerator alone
            return series
        for i, account in enumerate(found.parts):
            one = arriving.get(account, _UNREAD)
            beside = None if other is None else other[i]
            parts.append(one.part(series.first_day, late[i], beside))
    else:  # the KPI does not tell the accounts apart: each counts by what it brought in
        for one in arriving.values():
            brought = float(np.nansum(np.maximum(one.reads.value, 0.0)))
            ages = one.ages(series.first_day, len(series))
            parts.append(Part(one.curve, ages, np.full(len(series), brought), one.final_age))
    if not any(part.curve is not None for part in parts):
        return series
    share, error = series_completeness(parts)
    return replace(series, completeness=share, completeness_error=error)
