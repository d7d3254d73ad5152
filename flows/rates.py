"""Exchange rates: the ECB's, once for the whole agency, and never a reason for a run to fail.

They are landed and stored like any slice, under a client of their own that no
file can be called. Where the ECB cannot be reached, the days that are not
stored yet come out of the package, up to the last day that it has; then it is
said up to which day there are rates.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, timedelta

import duckdb

from connectors.base import AccountSelection, Connection, DateWindow, Slice, SourceError
from connectors.ecb import SERIES, Ecb, EmbeddedRates
from connectors.tables import ECB_RATE_DAY
from flows import readings
from flows.landing import Landed, land, now
from flows.plan import FIRST_RUN_DAYS
from flows.project import Project
from flows.settings import ConfigError, Source
from flows.steps import Failed, commit_slices
from flows.warehouse import LoadResult
from flows.windows import ONE_DAY, days_to_load, windows_of

log = logging.getLogger("koers")

# A client's own name has no underscore, so that none can be called so.
SHARED = "_agency"
# A rate is never restated; read again is what may not have been published yet when it was read,
# over the longest stretch of holidays.
RESTATEMENT_DAYS = 7


def refresh_rates(
    project: Project, as_of: date, window: DateWindow | None = None
) -> list[LoadResult]:
    """Load the rates of the days before ``as_of`` that are needed and not stored yet.

    Nothing where every account counts in its client's currency and in the
    agency's. The days are those of the clients that need rates, and those of a
    backfill's ``window``. Asks once and briefly; what the ECB does not give is
    taken from the package, and a failure is noted in the ledger and told, not raised.
    """
    with project.warehouse.open() as connection:
        first = _first_day(project, connection, as_of)
        if first is None:
            return []
        read = readings.read_as_of(connection, SHARED).get(
            (ECB_RATE_DAY.name, SERIES.account_id), {}
        )
    if window is not None:
        first = min(first, window.start)
    # a Monday's amounts want Friday's rate
    days = days_to_load(as_of, first - timedelta(days=RESTATEMENT_DAYS), RESTATEMENT_DAYS, read)
    pieces = [
        Slice(SHARED, ECB_RATE_DAY, SERIES, one, as_of)
        for one in windows_of(days, ECB_RATE_DAY.max_days)
    ]
    configured = project.settings.sources.get("ecb") or Source()
    arrived: list[Landed | Failed] = []
    if configured.refresh:
        arrived = _asked(project, configured, pieces)
    if not any(isinstance(one, Landed) for one in arrived):
        arrived += _from_the_package(project, pieces, [day for day in days if day not in read])
    results = commit_slices(project, arrived) if arrived else []
    _tell(project, as_of)
    return results


def _first_day(project: Project, connection: duckdb.DuckDBPyConnection, as_of: date) -> date | None:
    """The first day on which a client may have an amount in another currency; None: no client."""
    found: list[date] = []
    agency = project.settings.agency_currency
    own = {client.slug: client for client in project.settings.clients}
    for slug, currency in connection.execute(
        "select distinct client, currency_code from ops.accounts where currency_code is not null"
    ).fetchall():
        if slug in own and {currency, own[slug].currency, agency or currency} != {currency}:
            begins = [source.since or own[slug].since for source in own[slug].sources.values()]
            usual = as_of - timedelta(days=FIRST_RUN_DAYS)
            found += [since or usual for since in begins]
    return min(found, default=None)


def _asked(project: Project, configured: Source, pieces: Sequence[Slice]) -> list[Landed | Failed]:
    """All slices from the ECB, or one failure for all of them."""
    if not pieces:
        return []
    started_at = now()
    landed: list[Landed | Failed] = []
    connector: Ecb | None = None
    try:
        connector = Ecb(Connection(**configured.connection()))
        (series,) = connector.accounts(AccountSelection())
        for piece in pieces:
            reply = connector.fetch(piece.table, series, piece.window)
            one = land(piece, reply, project.warehouse.landing, started_at)
            log.info("%s: %s rows", piece, f"{one.rows:,}")
            landed.append(one)
    except (SourceError, ConfigError) as error:
        told = error if isinstance(error, SourceError) else SourceError(str(error))
        log.warning("exchange rates: %s", told)
        return [*landed, Failed(pieces[len(landed)], told, started_at, now())]
    finally:
        if connector is not None:
            connector.close()
    return landed


def _from_the_package(
    project: Project, pieces: Sequence[Slice], lacking: Sequence[date]
) -> list[Landed | Failed]:
    """The days that are not stored at all, as far as the package goes.

    What it does not know stays lacking, so that the next run asks the ECB for it.
    """
    rates = EmbeddedRates()
    found: list[Landed | Failed] = []
    known = [day for day in lacking if day <= rates.last_day]
    for window in windows_of(known, ECB_RATE_DAY.max_days):
        piece = Slice(SHARED, ECB_RATE_DAY, SERIES, window, pieces[0].as_of)
        reply, started_at = rates.fetch(piece.table, piece.account, window), now()
        try:
            found.append(land(piece, reply, project.warehouse.landing, started_at))
        except SourceError as error:  # the disk: the run goes on and says so by itself
            found.append(Failed(piece, error, started_at, now()))
    return found


def _tell(project: Project, as_of: date) -> None:
    """Say up to which day there are rates where that is not yesterday or the days before it."""
    with project.warehouse.open() as connection:
        ((last,),) = connection.execute(
            f"select max(date_day) from raw.{ECB_RATE_DAY.name}"  # noqa: S608 (our own table)
        ).fetchall()
    if last is None:
        log.warning("there are no exchange rates: amounts in several currencies stay apart")
    elif last < as_of - ONE_DAY - timedelta(days=RESTATEMENT_DAYS):
        log.warning(
            "exchange rates go up to %s: amounts in several currencies stay apart from %s on",
            last, last + timedelta(days=RESTATEMENT_DAYS + 1),
        )  # fmt: skip
