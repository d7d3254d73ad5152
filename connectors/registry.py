"""Which sources exist. Adding one is a module, its recorded replies and a line here."""

from __future__ import annotations

from importlib import import_module

from connectors.base import Connection, Connector, Table

SOURCES: dict[str, str] = {
    "google_ads": "connectors.google_ads:GoogleAds",
    "ga4": "connectors.ga4:GA4",
    "search_console": "connectors.search_console:SearchConsole",
}


def connector_class(source: str) -> type:
    """The connector's class; vendor clients are imported only when it is asked for."""
    module, _, name = SOURCES[source].partition(":")
    found: type = getattr(import_module(module), name)
    return found


def open_connector(source: str, connection: Connection) -> Connector:
    connector: Connector = connector_class(source)(connection)
    return connector


def all_tables() -> tuple[Table, ...]:
    """Every raw table of every source, without importing any vendor's client."""
    from connectors import tables

    return tables.ALL
