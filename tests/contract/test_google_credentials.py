"""Tokens: what the endpoint says decides between AuthError and TransientError."""

from __future__ import annotations

import json
import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.credentials import Credentials
from google.auth.transport.requests import Request
from pydantic import SecretStr

from connectors.base import AuthError, Connection, SourceError, TransientError
from connectors.google_credentials import (
    check_url,
    grpc_channel,
    make_credentials,
    refresh_first,
    retry_after,
)

SECRETS = ("top-secret-client", "top-secret-refresh")


@contextmanager
def token_endpoint(
    status: int, body: str, headers: dict[str, str] | None = None
) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token", asked
    finally:
        server.shutdown()
        server.server_close()


def user(token_uri: str) -> Connection:
    return Connection(
        client_id="id.apps.example",
        client_secret=SecretStr(SECRETS[0]),
        refresh_token=SecretStr(SECRETS[1]),
        token_uri=token_uri,
    )


GOOD = json.dumps({"access_token": "ya29.x", "expires_in": 3600})


def test_a_valid_token_is_fetched_once_and_again_only_when_forced() -> None:
    with token_endpoint(200, GOOD) as (uri, asked):
        credentials = make_credentials(user(uri), ["scope"])
        refresh_first(credentials)
        refresh_first(credentials)
        assert len(asked) == 1
        assert "grant_type=refresh_token" in asked[0]
        assert "scope=" not in asked[0]
        refresh_first(credentials, force=True)
        assert len(asked) == 2


def test_threads_that_need_a_token_together_fetch_one() -> None:
    with token_endpoint(200, GOOD) as (uri, asked):
        credentials = make_credentials(user(uri), ["scope"])
        threads = [threading.Thread(target=refresh_first, args=(credentials,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(asked) == 1


def test_a_service_account_signs_for_the_configured_token_uri_and_asks_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []
    look_up = socket.getaddrinfo

    def noted(host: str, *args: Any, **kwargs: Any) -> Any:
        looked_up.append(host)
        return look_up("127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", noted)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    key_file = tmp_path / "key.json"
    key_file.write_text(
        json.dumps(
            {
                "type": "service_account",
                "client_email": "koers@project.example",
                "private_key": key.decode(),
                "token_uri": "https://nowhere.invalid/token",
            }
        )
    )
    with token_endpoint(200, GOOD) as (uri, asked):
        connection = Connection(json_key_file_path=key_file, token_uri=uri)
        credentials = make_credentials(connection, ["https://scope.example"])
        refresh_first(credentials)
        assert "jwt-bearer" in asked[0]
        assert credentials.token == "ya29.x"
        before = set(threading.enumerate())
        credentials.before_request(Request(), "POST", "https://127.0.0.1:9/x", {})
        for thread in set(threading.enumerate()) - before:
            thread.join(5)
    assert set(looked_up) == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("reason", "hint"),
    [("invalid_grant", "sign in again"), ("invalid_client", "check client_id")],
)
def test_a_refused_credential_is_an_auth_error_without_the_secret(reason: str, hint: str) -> None:
    echo = json.dumps({"error": reason, "error_description": f"bad {SECRETS[1]}"})
    with token_endpoint(400, echo) as (uri, _), pytest.raises(AuthError) as told:
        refresh_first(make_credentials(user(uri), []))
    assert told.value.reason == reason
    assert told.value.scope == "source"
    assert hint in str(told.value)
    shown = "".join(traceback.format_exception(told.value))
    assert not any(secret in shown for secret in SECRETS)


@pytest.mark.parametrize(
    ("status", "body"),
    [(503, "busy"), (429, "{}"), (200, "<html>login</html>"), (200, "{}"), (200, '{"acc')],
)
def test_an_endpoint_that_may_answer_later_is_asked_once_and_is_transient(
    status: int, body: str
) -> None:
    with token_endpoint(status, body, {"Retry-After": "7"}) as (uri, asked):
        with pytest.raises(TransientError) as told:
            refresh_first(make_credentials(user(uri), []))
        assert len(asked) == 1
    assert told.value.retry_after_seconds == (7.0 if status != 200 else None)


def test_an_unreachable_endpoint_is_transient() -> None:
    with token_endpoint(200, GOOD) as (uri, _):
        pass
    with pytest.raises(TransientError, match="could not be reached"):
        refresh_first(make_credentials(user(uri), []))


def test_missing_credentials_are_named() -> None:
    with pytest.raises(AuthError, match="client_secret, refresh_token not set"):
        make_credentials(Connection(client_id="x"), [])


def test_a_broken_key_file_is_an_auth_error_that_does_not_quote_it(tmp_path: Path) -> None:
    broken = tmp_path / "key.json"
    broken.write_text('{"private_key": "-----BEGIN sekrit')
    with pytest.raises(AuthError) as told:
        make_credentials(Connection(json_key_file_path=broken), [])
    assert "sekrit" not in str(told.value)
    with pytest.raises(AuthError, match="cannot be read"):
        make_credentials(Connection(json_key_file_path=tmp_path / "none.json"), [])


def test_a_call_is_signed_in_the_callers_thread_so_that_closing_never_waits_for_another() -> None:
    signed_in: list[threading.Thread] = []

    class Token(Credentials):
        def apply(self, headers: dict[str, str], token: str | None = None) -> None:
            signed_in.append(threading.current_thread())
            headers["authorization"] = "Bearer x"

        def refresh(self, request: Any) -> None:
            raise AssertionError("refreshing is not the channel's business")

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        channel = grpc_channel(Token(), f"127.0.0.1:{closed.getsockname()[1]}", None, [])
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary("/koers.Test/One")(b"", timeout=5)
        with pytest.raises(grpc.RpcError):
            list(channel.unary_stream("/koers.Test/Many")(b"", timeout=5))
        channel.close()

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert signed_in == [threading.current_thread()] * 2


def test_plain_http_is_for_this_machine_only() -> None:
    assert check_url("http://127.0.0.1:8080/", "endpoint") == "http://127.0.0.1:8080"
    assert check_url("http://localhost:8080", "endpoint") == "http://localhost:8080"
    assert check_url("https://api.example/x", "endpoint") == "https://api.example/x"
    for wrong in ("http://api.example", "http://127.0.0.1.evil.example", "127.0.0.1:80", "ftp://x"):
        with pytest.raises(SourceError) as told:
            check_url(wrong, "endpoint")
        assert told.value.scope == "source"


def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert retry_after("90") == 90
    assert retry_after("Fri, 20 Nov 2026 12:01:30 GMT", noon) == 90
    assert retry_after("Fri, 20 Nov 2026 11:00:00 GMT", noon) == 0
    assert retry_after("soon") is None
    assert retry_after("nan") is None
    assert retry_after(None) is None
