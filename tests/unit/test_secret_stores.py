from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows import secret_stores
from flows.settings import ConfigError, SecretRef

HELD = "1//held-by-prefect"


class _Prefect(BaseHTTPRequestHandler):
    """One Secret block, as Prefect's API gives it to who knows the key."""

    def do_GET(self) -> None:
        status, told = 200, {"data": {"value": HELD}}
        if self.headers.get("Authorization") != "Bearer pnu_key":
            status, told = 401, {}
        elif not self.path.startswith("/api/block_types/slug/secret/block_documents/name/google?"):
            status, told = 404, {}
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def prefect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Prefect)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_API_KEY", "pnu_key")
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    yield f"http://127.0.0.1:{server.server_address[1]}/api"
    server.shutdown()
    thread.join()
    server.server_close()


def block(name: str = "google") -> SecretRef:
    return SecretRef(kind="prefect", name=name, file="koers.yaml", line=7)


def test_a_secret_block_is_read_over_prefects_api(
    prefect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", prefect)

    assert block().get_secret_value() == HELD
    assert HELD not in repr(block())


def test_the_active_profile_says_where_prefect_is(prefect: str, tmp_path: Path) -> None:
    (tmp_path / "profiles.toml").write_text(
        f'active = "work"\n[profiles.work]\nPREFECT_API_URL = "{prefect}"\n'
    )

    assert block().get_secret_value() == HELD


@pytest.mark.parametrize(
    ("environment", "name", "said"),
    [
        ({}, "google", "Prefect is not configured here: there is no PREFECT_API_URL"),
        ({"PREFECT_API_URL": "?"}, "other", "Prefect has no Secret block other"),
        (
            {"PREFECT_API_URL": "?", "PREFECT_API_KEY": "wrong"},
            "google",
            "Prefect does not let anyone in to read the block google",
        ),
        ({"PREFECT_API_URL": "http://127.0.0.1:9/api"}, "google", "cannot be reached"),
    ],
)
def test_a_block_that_cannot_be_read_is_told_with_its_line(
    prefect: str,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    name: str,
    said: str,
) -> None:
    for key, value in environment.items():
        monkeypatch.setenv(key, prefect if value == "?" else value)
    with pytest.raises(ConfigError, match=r"koers\.yaml:7: prefect:") as told:
        block(name).resolve()

    assert said in str(told.value)


def test_the_keyring_is_asked_only_when_a_secret_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: dict[tuple[str, str], str] = {}
    monkeypatch.setitem(
        sys.modules,
        "keyring",
        SimpleNamespace(
            get_password=lambda service, name: kept.get((service, name)),
            set_password=lambda service, name, value: kept.update({(service, name): value}),
        ),
    )
    wanted = SecretRef(kind="keyring", name="google-refresh-token")
    with pytest.raises(ConfigError, match="the keyring has no google-refresh-token of koers"):
        wanted.resolve()

    secret_stores.to_keyring("google-refresh-token", "1//x")

    assert wanted.get_secret_value() == "1//x"
    assert kept == {("koers", "google-refresh-token"): "1//x"}


def test_without_the_package_the_keyring_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)

    with pytest.raises(ConfigError, match="pip install keyring, or write file:PATH"):
        SecretRef(kind="keyring", name="x").resolve()
