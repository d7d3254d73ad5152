"""A loaded configuration with everything the steps of a run need from it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from zoneinfo import ZoneInfo

from connectors.base import AccountSelection, Connection, Connector, Table
from connectors.registry import open_connector
from connectors.reports import PREFIX
from connectors.tables import ALL, is_wanted
from flows.kpis import Kpi, load_kpis, sql_dir
from flows.reports import report_problems, report_tables
from flows.retries import CircuitBreaker
from flows.settings import Client, ConfigError, Settings, Source, load_settings
from flows.warehouse import Warehouse

DEFAULT_LOCK_WAIT_SECONDS = 20.0


@dataclass(frozen=True)
class Project:
    """One agency's configuration, warehouse and connectors; opened once a run."""

    config_dir: Path
    settings: Settings
    kpis: dict[str, Kpi]
    sql: Path
    warehouse: Warehouse
    connectors: Connectors = field(default_factory=lambda: Connectors())
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)

    def client(self, slug: str) -> Client:
        return next(client for client in self.settings.clients if client.slug == slug)

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table that this configuration knows: those of Koers, then the user's own."""
        return self.warehouse.tables

    def tables_of(self, client: str, source: str) -> list[Table]:
        """The tables that a client reads of a source: the default ones and those it lists."""
        told = self.client(client).sources[source]
        return [
            table
            for table in self.tables
            if table.source == source
            and (
                is_wanted(table, told.tables)
                if table.asks is None
                else table.grain.removeprefix(PREFIX) in told.reports
            )
        ]

    def connector(self, client: Client, source: str) -> Connector:
        """The client's connector to a source; made once, shared between threads."""
        return self.connectors.get(source, self._connection(client, source))

    def _connection(self, client: Client, source: str) -> Connection:
        """How to reach a source for a client. Raises ConfigError when a secret is not there."""
        configured = self.settings.sources.get(source) or Source()
        values = configured.connection()
        manager = client.sources[source].login_customer_id
        return Connection(**values | ({"login_customer_id": manager} if manager else {}))


def selection_of(client: Client, source: str) -> AccountSelection:
    """Which accounts of a source belong to a client."""
    told = client.sources[source]
    return AccountSelection(told.ids, told.discover, told.login_customer_id)


class Connectors:
    """Open connectors by connection, so that clients with the same login share one."""

    def __init__(self, opened: Callable[[str, Connection], Connector] = open_connector) -> None:
        self._open = opened
        self._lock = threading.Lock()
        self._known: dict[tuple[str, Connection], Connector] = {}

    def get(self, source: str, connection: Connection) -> Connector:
        with self._lock:
            key = (source, connection)
            if key not in self._known:
                self._known[key] = self._open(source, connection)
            return self._known[key]

    def close(self) -> None:
        with self._lock:
            for connector in self._known.values():
                connector.close()
            self._known.clear()


def all_tables(settings: Settings) -> tuple[Table, ...]:
    """Every table that a configuration knows: those of Koers, then the user's own."""
    return (*ALL, *report_tables(settings.reports.values()))


@contextmanager
def open_project(
    config_dir: Path, lock_wait_seconds: float = DEFAULT_LOCK_WAIT_SECONDS
) -> Iterator[Project]:
    """Read the configuration; connectors are closed in the end. Raises ConfigError."""
    sql = sql_dir()
    kpis = load_kpis(sql)
    settings = load_settings(config_dir, kpis, report_problems)
    if settings.sql is not None:
        kpis |= load_kpis(settings.sql, needs_any=False)
    tables = all_tables(settings)
    warehouse = Warehouse(settings.warehouse, settings.landing, lock_wait_seconds, tables)
    project = Project(config_dir, settings, kpis, sql, warehouse)
    try:
        yield project
    finally:
        project.connectors.close()


def chosen_clients(project: Project, slugs: Sequence[str] | None) -> list[str]:
    """The clients asked for, or all. Raises ConfigError for one that does not exist."""
    known = [client.slug for client in project.settings.clients]
    for slug in slugs or ():
        if slug not in known:
            near = get_close_matches(slug, known, 1)
            meant = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise ConfigError(f"{project.config_dir}: there is no client {slug!r}; {meant}")
    return [slug for slug in known if not slugs or slug in slugs]


def today_of(project: Project) -> date:
    """Today on the clock of the schedule."""
    return datetime.now(ZoneInfo(project.settings.schedule.timezone)).date()
