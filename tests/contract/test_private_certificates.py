"""A private authority is trusted through ca_file, by every way to Google; without it nothing is."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from connectors import tables
from connectors.base import Connector, SourceError, Table, TransientError
from connectors.google_credentials import authorities_with
from connectors.registry import open_connector
from connectors.search_console import SearchConsole
from tests.contract.case import ACCESS_TOKEN, connect, token_endpoint
from tests.contract.cases import ga4, search_console
from tests.contract.servers import GrpcAnswer, certificate, grpc_server

REST = [
    ("ga4", tables.GA4_CHANNEL_DAY, ga4),
    ("search_console", tables.GSC_SITE_DAY, search_console),
]


@pytest.fixture
def https(tmp_path: Path) -> Iterator[str]:
    """One TLS server for the token endpoint, GA4 and Search Console."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            told: dict[str, Any] = {"access_token": ACCESS_TOKEN, "expires_in": 3600}
            if ":runReport" in self.path:
                told = ga4.recorded("channel_day")
            elif "searchAnalytics" in self.path:
                told = search_console.recorded("site_day")["2026-11-01"]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *args: Any) -> None:
            pass

    key_file = tmp_path / "key.pem"
    key_file.write_bytes(certificate().key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate().ca_file, key_file)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *args: None  # type: ignore[method-assign]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def count(connector: Connector, table: Table, module: Any) -> int:
    reply = connector.fetch(table, module.ACCOUNT, module.WINDOW)
    return sum(batch.num_rows for batch in reply.batches)


@pytest.mark.parametrize(("source", "table", "module"), REST)
def test_an_endpoint_with_a_private_certificate_is_read_with_ca_file(
    https: str, source: str, table: Table, module: Any
) -> None:
    connector = open_connector(source, connect(f"{https}/token", https, transport="rest"))
    assert count(connector, table, module) == len(module.ROWS[table.grain])
    connector.close()


@pytest.mark.parametrize("token_too", [True, False])
@pytest.mark.parametrize(("source", "table", "module"), REST)
def test_without_ca_file_it_is_refused_for_good(
    https: str, source: str, table: Table, module: Any, token_too: bool
) -> None:
    with token_endpoint("rows") as plain:
        token_uri = f"{https}/token" if token_too else plain
        connector = open_connector(
            source, connect(token_uri, https, transport="rest", ca_file=None)
        )
        with pytest.raises(SourceError) as told:
            count(connector, table, module)
        connector.close()
    assert (told.value.reason, told.value.scope) == ("certificate_not_trusted", "source")
    assert not isinstance(told.value, TransientError)
    assert "ca_file" in told.value.hint


def test_grpc_without_ca_file_is_refused_for_good() -> None:
    with token_endpoint("rows") as token_uri, grpc_server(lambda call: GrpcAnswer()) as (target, _):
        connector = open_connector("ga4", connect(token_uri, target, ca_file=None))
        with pytest.raises(SourceError) as told:
            count(connector, tables.GA4_CHANNEL_DAY, ga4)
        connector.close()
    assert (told.value.reason, told.value.scope) == ("certificate_not_trusted", "source")


def test_the_public_authorities_stay_trusted_beside_ca_file() -> None:
    """ca_file is often inherited by a source that talks to Google itself."""
    public = Path(DEFAULT_CA_BUNDLE_PATH).read_bytes()
    private = certificate().ca_file.read_bytes()
    assert authorities_with(certificate().ca_file) == public + b"\n" + private
    connector = SearchConsole(connect("https://127.0.0.1:1", "https://127.0.0.1:1"))
    assert Path(connector._authorities.name).read_bytes() == public + b"\n" + private
    connector.close()


def test_a_ca_file_that_is_none_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")
    for source in ("ga4", "search_console"):
        endpoint = "127.0.0.1:1" if source == "ga4" else "https://127.0.0.1:1"
        with pytest.raises(SourceError, match=r"ca\.pem") as told:
            open_connector(source, connect("https://127.0.0.1:1", endpoint, ca_file=broken))
        assert told.value.scope == "source"
