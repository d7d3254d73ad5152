"""Secrets that are kept elsewhere: the system's keyring, Prefect's Secret blocks.

Both are asked when a secret is needed and not before; nothing of it is kept
here. Prefect is asked over its API, because importing it takes seconds.
"""

from __future__ import annotations

import os
import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

KEYRING_SERVICE = "koers"
_TIMEOUT_SECONDS = 10.0
# a server that this run has started itself may take as long as this to answer
_START_SECONDS = 120.0


class SecretStoreError(Exception):
    """The store has no such secret or cannot be asked: what is wrong, and what is expected."""

    def __init__(self, problem: str, expected: str) -> None:
        super().__init__(f"{problem}; {expected}")
        self.problem, self.expected = problem, expected


# --- the system's keyring ---------------------------------------------------------------------


def from_keyring(name: str) -> str:
    try:
        found = _keyring().get_password(KEYRING_SERVICE, name)
    except SecretStoreError:
        raise
    except Exception as e:  # each backend has errors of its own
        raise SecretStoreError(
            f"the keyring cannot be read ({type(e).__name__})", "unlock it, or write file:PATH"
        ) from None
    if not found:
        raise SecretStoreError(
            f"the keyring has no {name} of {KEYRING_SERVICE}",
            "put it there with `koers connect google --keyring`",
        )
    return str(found)


def to_keyring(name: str, secret: str) -> None:
    try:
        _keyring().set_password(KEYRING_SERVICE, name, secret)
    except SecretStoreError:
        raise
    except Exception as e:
        raise SecretStoreError(
            f"the keyring takes nothing ({type(e).__name__})",
            "there may be none on this machine: leave --keyring out",
        ) from None


def _keyring() -> Any:
    try:
        return import_module("keyring")
    except ImportError:
        raise SecretStoreError(
            "the package keyring is not installed", "pip install keyring, or write file:PATH"
        ) from None


# --- Prefect ----------------------------------------------------------------------------------


def from_prefect(name: str) -> str:
    """The value of the Secret block ``name``. Raises SecretStoreError."""
    import requests

    address, headers = _prefect_api()
    url = f"{address}/block_types/slug/secret/block_documents/name/{name}"
    is_local = bool(re.match(r"http://(127\.0\.0\.1|localhost)[:/]", address))
    with requests.Session() as session:
        session.trust_env = not is_local
        try:
            response = session.get(
                url,
                params={"include_secrets": "true"},
                headers=headers,
                timeout=_START_SECONDS if is_local else _TIMEOUT_SECONDS,
                allow_redirects=False,
            )
        except requests.RequestException as e:
            raise SecretStoreError(
                f"Prefect's API at {address} cannot be reached ({type(e).__name__})",
                "start the server, or correct PREFECT_API_URL",
            ) from None
    if response.status_code == 404:
        raise SecretStoreError(
            f"Prefect has no Secret block {name}",
            "make it in Prefect under Blocks, of type Secret",
        )
    if response.status_code in (401, 403):
        raise SecretStoreError(
            f"Prefect does not let anyone in to read the block {name}",
            "set PREFECT_API_KEY, or PREFECT_API_AUTH_STRING",
        )
    try:
        value = response.json()["data"]["value"]
    except (ValueError, KeyError, TypeError):
        raise SecretStoreError(
            f"Prefect's API at {address} gave no value for the block {name} "
            f"(HTTP {response.status_code})",
            "check PREFECT_API_URL",
        ) from None
    if not isinstance(value, str) or not value:
        raise SecretStoreError(f"the Secret block {name} holds no text", "put the secret into it")
    return value


def _prefect_api() -> tuple[str, dict[str, str]]:
    """Where Prefect's API is and how to be let in, by the environment or the active profile."""
    told = {**_prefect_profile(), **os.environ}
    address = told.get("PREFECT_API_URL", "").rstrip("/")
    if not address:
        raise SecretStoreError(
            "Prefect is not configured here: there is no PREFECT_API_URL",
            "set it to the server that has the block, or write env:NAME or file:PATH",
        )
    headers = {}
    if key := told.get("PREFECT_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    elif login := told.get("PREFECT_API_AUTH_STRING"):
        from base64 import b64encode

        headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
    return address, headers


def _prefect_profile() -> dict[str, str]:
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    path = Path(os.environ.get("PREFECT_PROFILES_PATH", home / "profiles.toml"))
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    active = os.environ.get("PREFECT_PROFILE") or told.get("active")
    profile = told.get("profiles", {}).get(active, {})
    return {str(name): str(value) for name, value in profile.items()}
