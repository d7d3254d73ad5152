"""Google Ads, GA4 and Search Console on 127.0.0.1 that answer with as many rows as asked for.

A process of its own, so that only the reading side is counted. How many rows there are is told
by the account: customer 1000200000 and property 200000 have 200,000 rows; a site has 50,000
queries a day.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from google.ads.googleads.v26.services.types.google_ads_service import SearchGoogleAdsStreamRequest
from google.analytics.data_v1beta.types import RunReportRequest

from connectors.base import Connection
from tests.bench import wire
from tests.contract.case import connect
from tests.contract.servers import (
    GrpcAnswer,
    GrpcCall,
    HttpAnswer,
    HttpCall,
    certificate,
    grpc_server,
    http_server,
)


@dataclass(frozen=True)
class Vendors:
    """Where the servers are: ``grpc`` is ``host:port``, ``http`` a URL."""

    grpc: str
    http: str
    ca_file: str

    def connection(self, source: str) -> Connection:
        endpoint = self.http if source == "search_console" else self.grpc
        return connect(
            f"{self.http}/token", endpoint, ca_file=Path(self.ca_file), timeout_seconds=600
        )

    def __str__(self) -> str:
        return json.dumps(asdict(self))


def _answer_grpc(call: GrpcCall) -> GrpcAnswer:
    if call.method.endswith("/SearchStream"):
        customer = int(SearchGoogleAdsStreamRequest.deserialize(call.request).customer_id)
        blocks = wire.blocks(customer - wire.CUSTOMER)
        return GrpcAnswer(wire.ads_message(customer, block) for block in blocks)
    asked = RunReportRequest.deserialize(call.request)
    rows = int(asked.property.partition("/")[2])
    return GrpcAnswer((wire.ga4_page(rows, asked.offset, asked.limit),))


def _answer_http(call: HttpCall) -> HttpAnswer:
    if call.path == "/token":
        return HttpAnswer(json.dumps({"access_token": "token", "expires_in": 3599}).encode())
    asked = call.json
    day = date.fromisoformat(asked["startDate"])
    return HttpAnswer(wire.gsc_page(day, asked["startRow"], asked["rowLimit"]))


def _serve(pipe: Pipe) -> None:
    with http_server(_answer_http) as (http, _), grpc_server(_answer_grpc) as (grpc, _):
        pipe.send(Vendors(grpc, http, str(certificate().ca_file)))
        pipe.recv()


@contextmanager
def vendors() -> Iterator[Vendors]:
    """The servers in a process of their own while the block runs."""
    spawned = multiprocessing.get_context("spawn")
    here, there = spawned.Pipe()
    server = spawned.Process(target=_serve, args=(there,), daemon=True)
    server.start()
    there.close()  # so that waiting for a server that did not start ends
    try:
        yield here.recv()
    finally:
        here.send("done")
        server.join()
