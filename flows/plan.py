"""Which slices a run reads: from the accounts, the ledger and the days asked for."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import ceil

from connectors.base import Account, DateWindow, Slice, SourceError, Table
from connectors.registry import SOURCES
from flows import readings
from flows.project import Project
from flows.settings import ConfigError
from flows.windows import days_to_backfill, days_to_load, windows_of, within_retention

log = logging.getLogger("koers")

# without `since` in a client's file, its first run goes back this far
FIRST_RUN_DAYS = 90
# what Google allows at most for a click-through window
LONGEST_RESTATEMENT_DAYS = 90
# invalid clicks are taken out for some days, whatever the conversion windows are
SHORTEST_RESTATEMENT_DAYS = 7


@dataclass(frozen=True)
class Found:
    """The accounts of one client at one source."""

    client: str
    source: str
    accounts: tuple[Account, ...]


def plan_run(project: Project, found: Sequence[Found], as_of: date) -> list[Slice]:
    """The slices of a daily run: what can still change, and what is missing before it."""
    slices: list[Slice] = []
    with project.warehouse.open() as connection:
        ledgers = {one.client: readings.read_as_of(connection, one.client) for one in found}
        windows = readings.conversion_windows(connection)
    for one in found:
        client = project.client(one.client)
        since = client.sources[one.source].since or client.since
        since = since or as_of - timedelta(days=FIRST_RUN_DAYS)
        for account in _enabled(one):
            restated = restatement_days(project, one.source, windows.get(account.account_id))
            for table in project.tables_of(one.client, one.source):
                read = ledgers[one.client].get((table.name, account.account_id), {})
                # what the API keeps for a month only is not missing before it, every day anew
                days, _ = within_retention(
                    days_to_load(as_of, since, restated, read), as_of, table.retention_days
                )
                slices += _slices(one.client, table, account, days, as_of)
    return slices


def plan_backfill(
    project: Project,
    found: Sequence[Found],
    as_of: date,
    window: DateWindow,
    force: bool = False,
) -> list[Slice]:
    """The slices of a backfill: the days of ``window`` that are not done yet, or all of them."""
    slices: list[Slice] = []
    ledgers: dict[str, dict[tuple[str, str], dict[date, date]]] = {}
    windows: dict[str, int] = {}
    if project.warehouse.exists:
        with project.warehouse.open() as connection:
            ledgers = {one.client: readings.read_as_of(connection, one.client) for one in found}
            windows = readings.conversion_windows(connection)
    for one in found:
        ledger = ledgers.get(one.client, {})
        for account in _enabled(one):
            restated = restatement_days(project, one.source, windows.get(account.account_id))
            for table in project.tables_of(one.client, one.source):
                read = ledger.get((table.name, account.account_id), {})
                # what describes the present is read once a day, whatever the days asked for
                asked = window if table.is_daily else _yesterday(as_of)
                days = days_to_backfill(asked, as_of, restated, read, force)
                slices += _slices(one.client, table, account, days, as_of)
    return slices


def _enabled(found: Found) -> Iterable[Account]:
    return (account for account in found.accounts if account.status == "enabled")


def _slices(
    client: str, table: Table, account: Account, days: list[date], as_of: date
) -> list[Slice]:
    if not days:
        return []
    if not table.is_daily:
        return [Slice(client, table, account, _yesterday(as_of), as_of)]
    asked, too_old = within_retention(days, as_of, table.retention_days)
    if too_old:
        log.warning(
            "%s %s: %d days before %s are older than the API keeps; what is stored of them stays",
            table.name, account.account_id, len(too_old), max(too_old) + timedelta(days=1),
        )  # fmt: skip
    return [Slice(client, table, account, w, as_of) for w in windows_of(asked, table.max_days)]


def _yesterday(as_of: date) -> DateWindow:
    return DateWindow(as_of - timedelta(days=1), as_of - timedelta(days=1))


def restatement_days(project: Project, source: str, longest_window: int | None = None) -> int:
    """How many days back a run reads again.

    ``longest_window`` is the longest click-through conversion window among the
    account's own conversion actions: a click can convert for so long. What the
    configuration says is the upper bound.
    """
    configured = project.settings.sources.get(source)
    bound = configured.restatement_days if configured else None
    if longest_window is None:
        return bound if bound is not None else SOURCES[source].restatement_days
    window = max(longest_window, SHORTEST_RESTATEMENT_DAYS)
    return min(window, LONGEST_RESTATEMENT_DAYS if bound is None else bound)


# --- what a plan costs ------------------------------------------------------------------------


@dataclass(frozen=True)
class Estimate:
    """The requests that a plan takes of one source, beside the vendor's known quota."""

    source: str
    slices: int
    requests: int
    accounts: int
    daily_requests: int
    quota: str

    @property
    def days(self) -> int:
        """Days of quota that the busiest account needs, were all accounts alike."""
        return ceil(self.requests / max(1, self.accounts) / self.daily_requests)


def estimates(slices: Sequence[Slice]) -> list[Estimate]:
    """Requests per source. Pages of very large slices are not known before they are read."""
    found: list[Estimate] = []
    for source in dict.fromkeys(piece.table.source for piece in slices):
        of_source = [piece for piece in slices if piece.table.source == source]
        known = SOURCES[source]
        # Google Ads counts per project, the others per property or site
        accounts = 1 if source == "google_ads" else len({p.account.account_id for p in of_source})
        found.append(
            Estimate(
                source=source,
                slices=len(of_source),
                requests=sum(requests_of(piece) for piece in of_source),
                accounts=accounts,
                daily_requests=known.daily_requests,
                quota=known.quota,
            )
        )
    return found


def requests_of(piece: Slice) -> int:
    return max(1, piece.table.requests_per_day * len(piece.window.days))


# --- accounts that cannot be asked ------------------------------------------------------------


def known_accounts(
    project: Project, clients: Sequence[str], sources: Sequence[str] = ()
) -> list[Found]:
    """Accounts that are listed or were seen before, without asking anybody."""
    seen: dict[tuple[str, str], dict[str, Account]] = {}
    for slug in clients:
        for source, told in project.client(slug).sources.items():
            if not sources or source in sources:
                seen[slug, source] = {i: Account(source, i) for i in told.ids}
    if project.warehouse.exists:
        with project.warehouse.open() as connection:
            for slug, source, account, status in connection.execute(
                "select client, source, account_id, status from ops.accounts"
            ).fetchall():
                if (slug, source) in seen:
                    seen[slug, source][account] = Account(source, account, status=status)
    return [Found(slug, source, tuple(a.values())) for (slug, source), a in seen.items()]


def accounts_in_trouble(project: Project, client: str, source: str, error: SourceError) -> Found:
    """All known accounts of a source that could not be asked, each with that problem."""
    (known,) = known_accounts(project, [client], [source])
    return Found(
        client,
        source,
        tuple(
            replace(account, status="refused", problem=error)
            for account in known.accounts
            if account.status != "not_enabled"
        ),
    )


def chosen_sources(sources: Sequence[str] | None) -> tuple[str, ...]:
    """The sources asked for. Raises ConfigError for one that Koers does not know."""
    for source in sources or ():
        if source not in SOURCES:
            raise ConfigError(f"there is no source {source!r}; there are: {', '.join(SOURCES)}")
    return tuple(sources or ())
