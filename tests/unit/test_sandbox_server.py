from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import grpc
import pytest

from connectors.sandbox.server import Sandbox, _LateHandlers, describe


@dataclass
class Details:
    method: str
    invocation_metadata: tuple[Any, ...] = ()


def echo(request: bytes, context: Any) -> bytes:
    return request


def add_echo(server: Any) -> None:
    handler = grpc.unary_unary_rpc_method_handler(echo)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("vendor.ads.Echo", {"Say": handler}),)
    )


def test_calls_wait_for_handlers_that_come_late() -> None:
    imported = threading.Event()

    def add_later(server: Any) -> None:
        imported.wait()
        add_echo(server)

    late = _LateHandlers("vendor.ads.", add_later)
    found: list[Any] = []
    asking = threading.Thread(
        target=lambda: found.append(late.service(Details("/vendor.ads.Echo/Say")))
    )
    asking.start()

    assert late.service(Details("/vendor.mail.Echo/Say")) is None  # another vendor's, at once
    assert found == []
    imported.set()
    asking.join()
    assert found[0].unary_unary is echo
    assert late.service(Details("/vendor.ads.Echo/Shout")) is None


def test_handlers_that_cannot_be_made_say_why() -> None:
    def fail(server: Any) -> None:
        raise ImportError("no module named ads")

    late = _LateHandlers("vendor.ads.", fail)

    with pytest.raises(RuntimeError, match="cannot be served") as told:
        late.service(Details("/vendor.ads.Echo/Say"))
    assert isinstance(told.value.__cause__, ImportError)


@pytest.mark.parametrize("day", [date(2025, 7, 1), date(2027, 3, 2)])
def test_a_day_outside_the_world_is_refused(tmp_path: Path, day: date) -> None:
    with pytest.raises(ValueError, match=r"2025-07-01\.\.2027-03-01"):
        Sandbox(tmp_path, day)


def test_the_endpoints_are_told_to_people_with_what_a_client_needs() -> None:
    told = describe(
        {
            "google_ads": "127.0.0.1:8470",
            "ga4_grpc": "127.0.0.1:8470",
            "ga4_rest": "http://127.0.0.1:8471",
            "search_console": "http://127.0.0.1:8471",
            "ecb": "http://127.0.0.1:8471",
            "auth_uri": "http://127.0.0.1:8471/auth",
            "token_uri": "http://127.0.0.1:8471/token",
            "client_secrets_file": "/s/client-secrets.json",
            "slack": "http://127.0.0.1:8471/services/T/B/x",
            "smtp": {"host": "127.0.0.1", "port": 8472},
            "control": "http://127.0.0.1:8471/control",
            "ca_file": "/s/ca.pem",
            "sent_dir": "/s/sent",
            "as_of": "2026-11-20",
            "credentials": {
                "client_id": "the-client",
                "client_secret": "the-secret",
                "refresh_token": "the-token",
                "json_key_file_path": "/s/service-account.json",
            },
        }
    )

    for value in ("2026-11-20", "127.0.0.1:8472", "/s/ca.pem", "the-token", "/s/sent"):
        assert value in told
