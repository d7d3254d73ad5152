"""The KPIs that every client is shown, with or without a goal, read from the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

import duckdb
import numpy as np

from flows import readings
from flows.arrivals import Arrival
from flows.kpis import Kpi
from flows.project import Project
from flows.report.kpi_figure import KpiFigure
from flows.settings import Agreed, Client, Goal, Period, Target
from flows.targets.completeness import Adjusted, adjusted_ratio, adjusted_sum
from flows.targets.cube import Column, KpiCube
from flows.targets.evaluation import Series
from flows.targets.path import sums_between, value_of
from flows.targets.periods import ONE_DAY
from flows.views import Arrivals, with_completeness

SHOWN = ("ctr", "roas", "conversion_rate", "cac", "organic_sessions")
# Four weeks: as many of each weekday in both stretches.
DAYS = 28
# Data that ends longer ago says nothing of how things are now.
LATEST_DAYS = 28

# Everything of a client: a scope without limits.
WHOLE = Target(
    id="whole",
    specific="",
    kpi="",
    goal=Goal(kind="at_least", at_least=0.0),
    period=Period(),
    agreed=Agreed(owner=""),
)


def kpi_figures(
    project: Project,
    connection: duckdb.DuckDBPyConnection,
    clients: Sequence[str],
    as_of: date,
    arriving: Arrivals,
) -> dict[str, tuple[KpiFigure, ...]]:
    """By client the KPIs of `shown_kpis`, in that order; each is read once for all clients."""
    told: dict[str, list[KpiFigure]] = {slug: [] for slug in clients}
    for kpi in shown_kpis(project):
        cubes = readings.read_kpi(connection, clients, kpi, first_read(as_of), as_of - ONE_DAY)
        for slug in clients:
            known = arriving_of(kpi, slug, arriving)
            told[slug] += figures_of(project.client(slug), kpi, cubes[slug, kpi.name], known)
    return {slug: tuple(figures) for slug, figures in told.items()}


def shown_kpis(project: Project) -> list[Kpi]:
    """What the product was asked to show; those of them that the catalogue has."""
    return [project.kpis[name] for name in SHOWN if name in project.kpis]


def first_read(as_of: date) -> date:
    """The first day that any figure may rest on."""
    return as_of - timedelta(days=2 * DAYS + LATEST_DAYS)


def arriving_of(kpi: Kpi, client: str, arriving: Arrivals) -> dict[str, Arrival]:
    """By account of a client how the late side of a KPI arrives."""
    late = {} if kpi.late is None else arriving[kpi.late]
    return {account: one for (slug, account), one in late.items() if slug == client}


def figures_of(
    client: Client, kpi: Kpi, cube: KpiCube, arriving: Mapping[str, Arrival]
) -> list[KpiFigure]:
    """One KPI over everything that a client has, in its own currency.

    Where a rate is missing, one figure for each currency.
    """
    lacks = tuple(source for source in kpi.sources if source not in client.sources)
    if lacks:
        return [KpiFigure(kpi, why="not_connected", lacks=lacks)]
    of_accounts = cube.series({}).currencies
    cube = cube.in_one_currency({})
    currencies = cube.series({}).currencies
    if len(currencies) < 2:
        figure = _figure(kpi, cube, arriving)
        foreign = tuple(code for code in of_accounts if code not in currencies)
        return [replace(figure, converted_from=foreign if figure.now is not None else ())]
    # the client's own first
    ordered = sorted(currencies, key=lambda code: (code != client.currency, code))
    found = [_figure(kpi, _in_currency(cube, code), arriving) for code in ordered]
    known = [replace(one, is_apart=True) for one in found if one.now is not None]
    return known or [KpiFigure(kpi, why="mixed_currencies")]


def _in_currency(cube: KpiCube, code: str) -> KpiCube:
    """The cells of one currency."""
    assert cube.currency is not None
    kept = cube.currency.is_in([code])

    return replace(
        cube,
        columns={k: Column(c.names, c.codes[kept]) for k, c in cube.columns.items()},
        currency=Column(cube.currency.names, cube.currency.codes[kept]),
        numerator=cube.numerator[kept],
        denominator=None if cube.denominator is None else cube.denominator[kept],
        has_row=cube.has_row[kept],
        converted=None,
    )


def _figure(kpi: Kpi, cube: KpiCube, arriving: Mapping[str, Arrival]) -> KpiFigure:
    """The figure through the last day with data."""
    series = with_completeness(cube.series({}), cube, kpi, WHOLE, arriving)
    there = np.flatnonzero(series.known(kpi.is_sum))
    if not there.size or (cube.last_day - series.day_at(int(there[-1]))).days >= LATEST_DAYS:
        return KpiFigure(kpi, why="no_data")
    last = series.day_at(int(there[-1]))
    first = last - timedelta(days=DAYS - 1)
    before = first - timedelta(days=DAYS)
    now, share_in = value_between(series, first, last, kpi)
    return KpiFigure(
        kpi,
        first=first,
        last=last,
        now=now,
        before=value_between(series, before, first - ONE_DAY, kpi)[0],
        currency_code=series.currencies[0] if series.currencies else None,
        share_in=share_in,
        missing=_missing(series, first, last, kpi),
        missing_before=_missing(series, before, first - ONE_DAY, kpi),
        why="" if now is not None else "nothing_to_divide",
    )


def value_between(
    series: Series, first: date, last: date, kpi: Kpi
) -> tuple[float | None, float | None]:
    """The value with what is still to arrive, and which share of that is in, where known."""
    share, error = series.completeness, series.completeness_error
    if share is not None and error is not None and kpi.late is not None:
        place = series.place(first, last)
        adjusted: Adjusted
        if kpi.is_sum or series.denominator is None:
            adjusted = adjusted_sum(series.numerator[place], share[place], error[place])
        else:
            adjusted = adjusted_ratio(
                series.numerator[place],
                series.denominator[place],
                share[place],
                error[place],
                kpi.late.side,
            )
        if adjusted.value is not None and np.isfinite(adjusted.share_in):
            return adjusted.value, float(adjusted.share_in)
    return value_of(*sums_between(series, first, last, kpi), kpi), None


def _missing(series: Series, first: date, last: date, kpi: Kpi) -> int:
    known = int(series.known(kpi.is_sum)[series.place(first, last)].sum())
    return (last - first).days + 1 - known
