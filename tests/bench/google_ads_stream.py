"""Rows per CPU second from a Google Ads stream over TLS, ours against proto-plus.

Run: ``.venv/bin/python -m tests.bench.google_ads_stream [rows]``. The server is a
process of its own, so that only the reading side is counted; trust the ratios.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from multiprocessing.connection import Connection as Pipe
from typing import Any

import duckdb
import pyarrow as pa
from google.ads.googleads.v26.services.services.google_ads_service import GoogleAdsServiceClient
from google.ads.googleads.v26.services.services.google_ads_service.transports.grpc import (
    GoogleAdsServiceGrpcTransport,
)
from google.ads.googleads.v26.services.types.google_ads_service import (
    SearchGoogleAdsStreamResponse,
)

from connectors.base import Account, DateWindow
from connectors.google_ads import GoogleAds
from connectors.google_ads_queries import QUERIES
from connectors.tables import ADS_CAMPAIGN_DAY
from tests.contract.case import connect
from tests.contract.servers import GrpcAnswer, HttpAnswer, certificate, grpc_server, http_server

CHUNK = 10_000
ACCOUNT = Account("google_ads", "1234567890")
WINDOW = DateWindow(date(2026, 1, 1), date(2026, 1, 31))
TABLE = ADS_CAMPAIGN_DAY
QUERY = QUERIES[TABLE]


def chunk() -> bytes:
    """10,000 rows as one message: 400 campaigns, 25 days."""
    response = SearchGoogleAdsStreamResponse.pb()(request_id="Rq-bench")
    for number in range(CHUNK):
        row = response.results.add()
        campaign, day = number % 400, number // 400
        row.customer.resource_name = "customers/1234567890"
        row.customer.id = 1234567890
        row.customer.currency_code = "EUR"
        row.campaign.resource_name = f"customers/1234567890/campaigns/{21_000_000_000 + campaign}"
        row.campaign.id = 21_000_000_000 + campaign
        row.campaign.name = f"Search – fietsen en accessoires {campaign}"
        row.campaign.status = 2
        row.campaign.advertising_channel_type = 2
        row.segments.date = f"2026-01-{day + 1:02}"
        row.segments.device = 2 + number % 3
        row.segments.ad_network_type = 2
        row.metrics.impressions = number * 7
        row.metrics.clicks = number % 100
        row.metrics.cost_micros = number * 12_345
        row.metrics.conversions = number / 3
        row.metrics.conversions_value = number * 1.5
        row.metrics.conversions_by_conversion_date = number / 4
        row.metrics.conversions_value_by_conversion_date = number * 1.25
    raw: bytes = response.SerializeToString()
    return raw


def serve(pipe: Pipe, chunks: int) -> None:
    reply = GrpcAnswer((chunk(),) * chunks)
    token = HttpAnswer(json.dumps({"access_token": "token", "expires_in": 3599}).encode())
    with http_server(lambda call: token) as (url, _), grpc_server(lambda call: reply) as (to, _):
        pipe.send((f"{url}/token", to, certificate().ca_file))
        pipe.recv()


def ours(connector: GoogleAds) -> Iterator[pa.RecordBatch]:
    return connector.fetch(TABLE, ACCOUNT, WINDOW).batches


def proto_plus(connector: GoogleAds) -> Iterator[pa.RecordBatch]:
    """The usual way: the client's stream, attribute access, lists, Arrow."""
    transport = GoogleAdsServiceGrpcTransport(channel=connector._channel)
    service = GoogleAdsServiceClient(transport=transport)
    stream = service.search_stream(
        customer_id=ACCOUNT.account_id, query=QUERY.gaql(WINDOW), timeout=600
    )
    for response in stream:
        columns: dict[str, list[Any]] = {name: [] for name in TABLE.schema.names}
        for row in response.results:
            columns["account_id"].append(str(row.customer.id))
            columns["date_day"].append(date.fromisoformat(row.segments.date))
            columns["campaign_id"].append(str(row.campaign.id))
            columns["campaign_name"].append(row.campaign.name)
            columns["campaign_status"].append(row.campaign.status.name)
            columns["channel_type"].append(row.campaign.advertising_channel_type.name)
            columns["device"].append(row.segments.device.name)
            columns["network"].append(row.segments.ad_network_type.name)
            columns["currency_code"].append(row.customer.currency_code)
            for name in (
                "impressions",
                "clicks",
                "cost_micros",
                "conversions",
                "conversions_value",
                "conversions_by_conversion_date",
                "conversions_value_by_conversion_date",
            ):
                columns[name].append(getattr(row.metrics, name))
        yield pa.RecordBatch.from_pydict(columns, schema=TABLE.schema)


def to_arrow(batches: Iterator[pa.RecordBatch]) -> int:
    rows: int = pa.Table.from_batches(batches, TABLE.schema).num_rows
    return rows


def to_duckdb(batches: Iterator[pa.RecordBatch]) -> int:
    reader = pa.RecordBatchReader.from_batches(TABLE.schema, batches)
    with duckdb.connect() as connection:
        connection.register("reader", reader)
        connection.execute("create table loaded as select * from reader")
        ((rows,),) = connection.execute("select count(*) from loaded").fetchall()
    return int(rows)


def main(rows: int = 200_000) -> None:
    chunks = max(rows // CHUNK, 1)
    here, there = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there, chunks))
    server.start()
    token_uri, endpoint, ca_file = here.recv()
    connector = GoogleAds(connect(token_uri, endpoint, ca_file=ca_file, timeout_seconds=600))
    ways: list[tuple[str, Callable[[GoogleAds], Iterator[pa.RecordBatch]], Any]] = [
        ("ours, to Arrow", ours, to_arrow),
        ("ours, to DuckDB", ours, to_duckdb),
        ("proto-plus, to Arrow", proto_plus, to_arrow),
        ("proto-plus, to DuckDB", proto_plus, to_duckdb),
    ]
    with closing(connector):
        next(ours(connector))  # connect, and build the decoder
        for name, way, end in ways:
            wall, cpu = time.perf_counter(), time.process_time()
            read = end(way(connector))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            assert read == chunks * CHUNK
            print(f"{name:24}{read / cpu:12,.0f} rows/CPU s {cpu:8.2f} CPU s {wall:8.2f} s")
    here.send("done")
    server.join()


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
