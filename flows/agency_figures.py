"""What the ads of all clients cost and brought in, in one currency, read from the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from math import isfinite

import duckdb

from flows import readings
from flows.arrivals import Arrival
from flows.kpi_figures import (
    DAYS,
    LATEST_DAYS,
    WHOLE,
    arriving_of,
    first_read,
    value_between,
)
from flows.kpis import Kpi
from flows.project import Project
from flows.report.ad_figure import AdFigure, AgencyFigures
from flows.report.model import ClientView, SourceState
from flows.targets.cube import KpiCube
from flows.targets.path import sums_between
from flows.targets.periods import ONE_DAY
from flows.views import Arrivals, with_completeness
from flows.windows import days_between

# its sides are the conversion value and the cost
KPI = "roas"


def agency_figures(
    project: Project,
    connection: duckdb.DuckDBPyConnection,
    views: Sequence[ClientView],
    as_of: date,
    arriving: Arrivals,
) -> AgencyFigures:
    """The same four weeks of every client that advertises, in the agency's currency.

    They end on the last day of which any client has data. ``arriving`` is there
    for the KPI that is read.
    """
    kpi, currency = project.kpis.get(KPI), project.settings.agency_currency
    if kpi is None:
        return AgencyFigures()
    ends = [
        state.through
        for view in views
        for state in view.sources
        if state.source in kpi.sources and state.through is not None
    ]
    last = max(ends, default=None)
    if last is None or (as_of - last).days > LATEST_DAYS:
        return AgencyFigures(kpi, currency)
    first = last - timedelta(days=DAYS - 1)
    slugs = [view.client.slug for view in views]
    cubes = readings.read_kpi(connection, slugs, kpi, first_read(as_of), as_of - ONE_DAY, currency)
    found = []
    for view in views:
        slug = view.client.slug
        known = arriving_of(kpi, slug, arriving)
        for source in kpi.sources:
            if source not in view.client.sources:
                continue
            states = [state for state in view.sources if state.source == source]
            cube = cubes[slug, kpi.name]
            home = currency or view.client.currency
            found.append(figure_of(kpi, source, cube, known, states, (first, last), home))
    return AgencyFigures(kpi, currency, first, last, tuple(found))


def figure_of(
    kpi: Kpi,
    source: str,
    cube: KpiCube,
    arriving: Mapping[str, Arrival],
    states: Sequence[SourceState],
    days: tuple[date, date],
    currency: str,
) -> AdFigure:
    """The ads on one platform over some days, both included.

    ``currency`` is the one that the cube can be converted into. A day that was
    loaded and has no rows cost nothing.
    """
    first, last = days
    absent = tuple(state for state in states if state.through is None)
    loaded = [_loaded(state, first, last) for state in states if state.through is not None]
    if not any(loaded):
        return AdFigure(cube.client, source, absent=absent)
    missing = DAYS - len(set.intersection(*loaded))
    where = {"source": (source,)}
    cube = cube.between(cube.first_day, last)
    lacking = cube.days_without_rate(where, first)
    one = cube.in_one_currency(where, since=first)
    series = one.series(where, since=first)
    series = with_completeness(
        series, one, kpi, WHOLE.model_copy(update={"where": where}), arriving
    )
    code = series.currencies[0] if series.currencies else currency
    if len(series.currencies) > 1:
        return AdFigure(cube.client, source, without_rate=lacking, missing=missing, absent=absent)
    value, cost = sums_between(series, first, last, kpi)
    if cost is None or value is None:  # no row: nothing was advertised
        cost = value = 0.0
    if not isfinite(cost) or not isfinite(value):
        return AdFigure(cube.client, source, missing=missing, absent=absent)
    # what is still to arrive is told of the ratio: the value follows it, so that they agree
    ratio, share_in = value_between(series, first, last, kpi)
    return AdFigure(
        cube.client,
        source,
        code,
        cost,
        value if ratio is None else ratio * cost,
        share_in,
        series.converted_from,
        lacking,
        missing,
        absent,
    )


def _loaded(state: SourceState, first: date, last: date) -> set[date]:
    """The days of an account that are in."""
    if state.since is None or state.through is None:
        return set()
    inside = days_between(max(first, state.since), min(last, state.through))
    return set(inside) - set(state.missing_days)
