"""The ways from a vendor's answer to a DuckDB file; each is run in a process of its own.

``python -m tests.bench.ways SOURCE WAY ROWS VENDORS`` ends with what it took, and with sums over
what is then in the file, which must be the same in every way; adding up is not part of it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from connectors.base import Account, Connector, DateWindow, Slice, Table
from connectors.ga4 import GA4, PAGE_ROWS
from connectors.google_ads import GoogleAds
from connectors.google_ads_queries import QUERIES
from connectors.memory import give_back
from connectors.search_console import PAGE_ROWS as GSC_PAGE_ROWS
from connectors.search_console import SearchConsole
from connectors.tables import ADS_CAMPAIGN_DAY, GA4_CAMPAIGN_DAY, GSC_QUERY_DAY
from flows.intake import commit_landed
from flows.landing import land, now
from flows.warehouse import Warehouse
from flows.windows import windows_of
from tests.bench import wire
from tests.bench.measure import tell
from tests.bench.vendors import Vendors

Page = list[tuple[Any, ...]]
# loads, and says in which file and table the rows are then
Work = Callable[[], tuple[Path, str]]


# --- what is read -----------------------------------------------------------------------------

TABLES: dict[str, Table] = {
    "google_ads": ADS_CAMPAIGN_DAY,
    "ga4": GA4_CAMPAIGN_DAY,
    "search_console": GSC_QUERY_DAY,
}
CONNECTORS: dict[str, Callable[..., Connector]] = {
    "google_ads": GoogleAds,
    "ga4": GA4,
    "search_console": SearchConsole,
}
# quarters and whole numbers, so that sums are exact in any order
SUMS = {
    "google_ads": ("impressions", "clicks", "cost_micros", "conversions", "conversions_value"),
    "ga4": ("sessions", "new_users", "key_events", "purchase_revenue"),
    "search_console": ("clicks", "impressions", "position"),
}


def account_of(source: str, rows: int) -> Account:
    if source == "google_ads":
        return Account(source, str(wire.CUSTOMER + rows))
    if source == "ga4":
        return Account(source, str(rows), currency_code="EUR")
    return Account(source, "sc-domain:fietsgoed.example")


def slices_of(source: str, rows: int) -> list[Slice]:
    """As a run has them: as many days as the table's slices hold."""
    table = TABLES[source]
    days = -(-rows // wire.GSC_ROWS_A_DAY) if source == "search_console" else wire.DAYS
    whole = DateWindow(wire.FIRST_DAY, wire.FIRST_DAY + timedelta(days=days - 1))
    return [
        Slice("bench", table, account_of(source, rows), window)
        for window in windows_of(whole.days, table.max_days)
    ]


def sums(source: str, path: Path, table: str) -> list[str]:
    """The rows, the different keys and the sums, as text: they outlive JSON exactly."""
    keys = ", ".join(f"{name}::varchar" for name in TABLES[source].key)
    added = ", ".join(f"sum({name})::double" for name in SUMS[source])
    with duckdb.connect(str(path), read_only=True) as connection:
        counted = connection.execute(
            f"select count(*), count(distinct hash({keys})), {added} from {table}"
        ).fetchall()[0]
    return [str(value) for value in counted]


# --- Koers ------------------------------------------------------------------------------------


def koers(source: str, rows: int, at: Vendors, folder: Path) -> Work:
    """As a run does it: to a landing file, then in place of what the warehouse has."""
    warehouse = Warehouse(folder / "koers.duckdb", folder / "landing")
    with warehouse.open():
        pass
    connector = CONNECTORS[source](at.connection(source))

    def work() -> tuple[Path, str]:
        for piece in slices_of(source, rows):
            reply = connector.fetch(piece.table, piece.account, piece.window)
            landed = land(piece, reply, warehouse.landing, now())
            give_back()
            with warehouse.open() as connection:
                result = commit_landed(connection, landed)
            if result.outcome != "loaded":
                raise SystemExit(result.error)
        connector.close()
        return warehouse.path, f"raw.{TABLES[source].name}"

    return work


def koers_to_table(source: str, rows: int, at: Vendors, folder: Path) -> Work:
    """The connector's batches straight into a table."""
    connector = CONNECTORS[source](at.connection(source))
    schema = TABLES[source].schema
    path = folder / "bench.duckdb"

    def batches() -> Iterator[pa.RecordBatch]:
        for piece in slices_of(source, rows):
            yield from connector.fetch(piece.table, piece.account, piece.window).batches

    def work() -> tuple[Path, str]:
        reader = pa.RecordBatchReader.from_batches(schema, batches())
        with closing(connector), duckdb.connect(str(path)) as connection:
            connection.register("reader", reader)
            connection.execute("create table loaded as select * from reader")
        return path, "loaded"

    return work


# --- the usual ways ---------------------------------------------------------------------------


def ads_pages(rows: int, at: Vendors) -> Iterator[Page]:
    """The vendor's client: a stream of messages, fields by attribute."""
    from google.ads.googleads.v26.services.services.google_ads_service import (
        GoogleAdsServiceClient,
    )
    from google.ads.googleads.v26.services.services.google_ads_service.transports.grpc import (
        GoogleAdsServiceGrpcTransport,
    )

    with closing(GoogleAds(at.connection("google_ads"))) as signed_in:
        signed_in._ready_token()
        transport = GoogleAdsServiceGrpcTransport(channel=signed_in._channel)
        (piece,) = slices_of("google_ads", rows)
        stream = GoogleAdsServiceClient(transport=transport).search_stream(
            customer_id=piece.account.account_id,
            query=QUERIES[piece.table].gaql(piece.window),
            timeout=600,
        )
        for response in stream:
            yield [
                (
                    str(row.customer.id),
                    date.fromisoformat(row.segments.date),
                    str(row.campaign.id),
                    row.campaign.name,
                    row.campaign.status.name,
                    row.campaign.advertising_channel_type.name,
                    row.segments.device.name,
                    row.segments.ad_network_type.name,
                    row.customer.currency_code,
                    row.metrics.impressions,
                    row.metrics.clicks,
                    row.metrics.cost_micros,
                    row.metrics.conversions,
                    row.metrics.conversions_value,
                    row.metrics.conversions_by_conversion_date,
                    row.metrics.conversions_value_by_conversion_date,
                )
                for row in response.results
            ]


def ga4_pages(rows: int, at: Vendors) -> Iterator[Page]:
    """The vendor's client: pages of 250,000 rows, values by attribute."""
    from google.analytics.data_v1beta import BetaAnalyticsDataClient
    from google.analytics.data_v1beta.services.beta_analytics_data.transports import (
        BetaAnalyticsDataGrpcTransport,
    )

    from connectors.ga4 import _CHANNEL_OPTIONS, REPORTS, _request
    from connectors.google_credentials import grpc_channel, make_credentials, refresh_first

    (piece,) = slices_of("ga4", rows)
    connection = at.connection("ga4")
    scopes = ["https://www.googleapis.com/auth/analytics.readonly"]
    credentials = make_credentials(connection, scopes)
    refresh_first(credentials)
    channel = grpc_channel(credentials, at.grpc, connection.ca_file, _CHANNEL_OPTIONS)
    client = BetaAnalyticsDataClient(transport=BetaAnalyticsDataGrpcTransport(channel=channel))
    property_id = piece.account.account_id
    request = _request(REPORTS[piece.table.name], property_id, piece.window, PAGE_ROWS)
    read = 0
    while read < rows:
        request.offset = read
        response = client.run_report(request, timeout=600)
        page: Page = []
        for row in response.rows:
            day, *names = [value.value for value in row.dimension_values]
            metrics = [value.value for value in row.metric_values]
            page.append(
                (
                    property_id,
                    date(int(day[:4]), int(day[4:6]), int(day[6:])),
                    response.metadata.currency_code,
                    *names,
                    int(metrics[0]),
                    int(metrics[1]),
                    int(metrics[2]),
                    int(metrics[3]),
                    float(metrics[4]),
                    int(metrics[5]),
                    float(metrics[6]),
                    int(metrics[7]),
                )
            )
        read += len(page)
        yield page


def gsc_pages(rows: int, at: Vendors) -> Iterator[Page]:
    """A loop with requests: a day at a time, pages of 25,000 rows until one is empty."""
    from urllib.parse import quote

    import requests

    site = account_of("search_console", rows).account_id
    url = f"{at.http}/webmasters/v3/sites/{quote(site, safe='')}/searchAnalytics/query"
    session = requests.Session()
    session.headers["authorization"] = "Bearer token"
    for piece in slices_of("search_console", rows):
        for day in piece.window.days:
            read = 0
            while True:
                asked = {
                    "startDate": str(day),
                    "endDate": str(day),
                    "dimensions": ["date", "query"],
                    "type": "web",
                    "dataState": "final",
                    "rowLimit": GSC_PAGE_ROWS,
                    "startRow": read,
                }
                answer = session.post(url, json=asked, timeout=600)
                answer.raise_for_status()
                found = answer.json().get("rows", [])
                if not found:
                    break
                read += len(found)
                yield [
                    (
                        site,
                        date.fromisoformat(row["keys"][0]),
                        row["keys"][1],
                        row["clicks"],
                        row["impressions"],
                        row["position"],
                        False,
                    )
                    for row in found
                ]


PAGES: dict[str, Callable[[int, Vendors], Iterator[Page]]] = {
    "google_ads": ads_pages,
    "ga4": ga4_pages,
    "search_console": gsc_pages,
}
_SQL_TYPES = {
    pa.string(): "varchar",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.date32(): "date",
    pa.bool_(): "boolean",
}


def _make_table(connection: duckdb.DuckDBPyConnection, schema: pa.Schema) -> None:
    columns = ", ".join(f"{field.name} {_SQL_TYPES[field.type]}" for field in schema)
    connection.execute(f"create table loaded ({columns})")


def lists_executemany(source: str, rows: int, at: Vendors, folder: Path) -> Work:
    schema = TABLES[source].schema
    path = folder / "bench.duckdb"

    def work() -> tuple[Path, str]:
        with duckdb.connect(str(path)) as connection:
            _make_table(connection, schema)
            insert = f"insert into loaded values ({', '.join('?' * len(schema))})"
            connection.execute("begin")
            for page in PAGES[source](rows, at):
                connection.executemany(insert, page)
            connection.execute("commit")
        return path, "loaded"

    return work


def lists_arrow(source: str, rows: int, at: Vendors, folder: Path) -> Work:
    schema = TABLES[source].schema
    path = folder / "bench.duckdb"

    def batch_of(page: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
        columns = [
            pa.array(column, field.type)
            for column, field in zip(zip(*page, strict=True), schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def work() -> tuple[Path, str]:
        reader = pa.RecordBatchReader.from_batches(schema, map(batch_of, PAGES[source](rows, at)))
        with duckdb.connect(str(path)) as connection:
            connection.register("reader", reader)
            connection.execute("create table loaded as select * from reader")
        return path, "loaded"

    return work


def dlt_duckdb(source: str, rows: int, at: Vendors, folder: Path) -> Work:
    """dlt with dictionaries, as its guides have it; it only appends and checks nothing."""
    os.environ |= {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
        "DLT_DATA_DIR": str(folder / "dlt"),
        "DO_NOT_TRACK": "1",
    }
    import dlt

    names = TABLES[source].schema.names
    path = folder / "bench.duckdb"

    def items() -> Iterator[list[dict[str, Any]]]:
        for page in PAGES[source](rows, at):
            yield [dict(zip(names, row, strict=True)) for row in page]

    def work() -> tuple[Path, str]:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=str(folder / "pipelines"),
            destination=dlt.destinations.duckdb(str(path)),
            dataset_name="raw",
        )
        pipeline.run(dlt.resource(items, name="loaded", write_disposition="append"))
        return path, "raw.loaded"

    return work


WAYS: dict[str, Callable[[str, int, Vendors, Path], Work]] = {
    "koers": koers,
    "koers-table": koers_to_table,
    "arrow": lists_arrow,
    "executemany": lists_executemany,
    "dlt": dlt_duckdb,
}


def main() -> None:
    source, way, rows, told = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="koers-bench-") as folder:
        work = WAYS[way](source, int(rows), Vendors(**json.loads(told)), Path(folder))
        tell(work, lambda loaded: sums(source, *loaded))


if __name__ == "__main__":
    main()
