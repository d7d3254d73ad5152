"""Sign in at Google from an application on this machine: consent in a browser, back on loopback.

The address carries a PKCE challenge and a state of its own; what comes back
without that state is not listened to. google-auth-oauthlib is not used: its
local server answers one request and then ends, whoever sent it, and oauthlib
refuses a token endpoint on 127.0.0.1 unless a switch is set for the process.

Source: https://developers.google.com/identity/protocols/oauth2/native-app
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from google.auth.exceptions import TransportError
from pydantic import SecretStr

from connectors.base import AuthError, SourceError, TransientError
from connectors.google_credentials import (
    GOOGLE_TOKEN_URI,
    auth_problem,
    check_url,
    distrusted,
    plain_text,
    token_session,
)

GOOGLE_AUTH_URI = "https://accounts.google.com/o/oauth2/v2/auth"
# what is read, and how people know it
SCOPES = {
    "https://www.googleapis.com/auth/adwords": "Google Ads",
    "https://www.googleapis.com/auth/analytics.readonly": "Google Analytics",
    "https://www.googleapis.com/auth/webmasters.readonly": "Search Console",
}
# a consent screen in Testing gives 7 days; other time-bound consent is for months
TESTING_DAYS = 7

_ANSWERS = {
    "access_denied": "sign in again and allow what is asked for; with a consent screen in Testing, "
    "first add this Google user under Google Auth Platform › Audience › Test users",
    "admin_policy_enforced": "the Google Workspace administrator must allow this OAuth client",
    "org_internal": "this OAuth client is for users of its own organisation: sign in as one",
}
_EXCHANGE = {
    "invalid_client": "client_id and client_secret are not a pair: take both from the same OAuth "
    "client in the Google Cloud console",
    "redirect_uri_mismatch": "make an OAuth client of type Desktop app in the Google Cloud console",
    "invalid_grant": "the code was used already or is too old: run the command again",
}
_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Koers</title>'
    '<body style="font:16px system-ui,sans-serif;margin:4rem auto;max-width:32rem">'
    "<h1>{head}</h1><p>{text}</p></body></html>"
)


@dataclass(frozen=True)
class OAuthClient:
    """An OAuth client of type Desktop app. Its secret is not much of one, but it is kept."""

    client_id: str
    client_secret: SecretStr
    auth_uri: str = GOOGLE_AUTH_URI
    token_uri: str = GOOGLE_TOKEN_URI


@dataclass(frozen=True)
class SignedIn:
    """What the user gave. ``lives_days`` is None where Google sets no end to it."""

    refresh_token: SecretStr
    scopes: tuple[str, ...]
    lives_days: float | None = None

    @property
    def not_allowed(self) -> tuple[str, ...]:
        """What the user left unticked, in words."""
        return tuple(name for scope, name in SCOPES.items() if scope not in self.scopes)

    @property
    def is_testing(self) -> bool:
        return self.lives_days is not None and self.lives_days <= TESTING_DAYS


def read_client_secrets(path: Path) -> OAuthClient:
    """Read the JSON file that the Google Cloud console gives for an OAuth client.

    Raises AuthError, without a word of the file in it.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8-sig"))
        kind = next((kind for kind in ("installed", "web") if kind in told), "")
        values = told[kind]
        auth_uri = str(values.get("auth_uri") or GOOGLE_AUTH_URI)
        if urlsplit(auth_uri).hostname == urlsplit(GOOGLE_AUTH_URI).hostname:
            auth_uri = GOOGLE_AUTH_URI  # the file has an older path of the same
        client = OAuthClient(
            str(values["client_id"]),
            SecretStr(str(values["client_secret"])),
            auth_uri,
            str(values.get("token_uri") or GOOGLE_TOKEN_URI),
        )
    except OSError as e:
        raise AuthError(
            f"{path} cannot be read: {e.strerror}",
            reason="unreadable_client_secrets",
            hint="check --client-secrets",
        ) from e
    except (ValueError, KeyError, TypeError, AttributeError):
        raise AuthError(
            f"{path} is not the JSON file of an OAuth client",
            reason="malformed_client_secrets",
            hint="download it under Google Auth Platform › Clients, type Desktop app",
        ) from None
    if kind == "web":
        raise AuthError(
            f"{path} is of an OAuth client for a web site, which may not come back to this machine",
            reason="web_client",
            hint="make a client of type Desktop app under Google Auth Platform › Clients",
        )
    return client


class SignIn:
    """One sign-in under way: open `address` in a browser, then `wait`.

    Listens on 127.0.0.1 while the block runs; ``port`` 0 takes a free one.
    """

    def __init__(
        self, client: OAuthClient, *, ca_file: Path | None = None, port: int = 0, hint: str = ""
    ) -> None:
        check_url(client.auth_uri, "auth_uri")
        check_url(client.token_uri, "token_uri")
        self._client = client
        self._session = token_session(ca_file)
        self._state = secrets.token_urlsafe(24)
        self._verifier = secrets.token_urlsafe(64)
        self._answered = threading.Event()
        self._answer: dict[str, str] = {}
        try:
            self._server = _Listener(port, self)
        except OSError as e:
            raise SourceError(
                f"port {port} on 127.0.0.1 cannot be used: {e.strerror}",
                reason="port_in_use",
                hint="leave --port out, or choose another",
                scope="source",
            ) from e
        self.redirect_uri = f"http://127.0.0.1:{self._server.server_address[1]}/"
        digest = hashlib.sha256(self._verifier.encode()).digest()
        asked = {
            "client_id": client.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": " ".join(SCOPES),
            "state": self._state,
            "code_challenge": urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            # without these two a second sign-in brings no refresh token
            "access_type": "offline",
            "prompt": "consent",
        }
        if hint:
            asked["login_hint"] = hint
        self.address = f"{client.auth_uri}?{urlencode(asked)}"

    def __enter__(self) -> SignIn:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stop()
        self._session.close()

    def take(self, address: str) -> bool:
        """Take the address that the browser was sent to; False when it is none of this sign-in."""
        query = parse_qs(urlsplit(address.strip()).query)
        told = {name: values[0] for name, values in query.items()}
        if not hmac.compare_digest(told.get("state", "").encode(), self._state.encode()):
            return False
        if not (told.get("code") or told.get("error")):
            return False
        if not self._answered.is_set():
            self._answer = told
            self._answered.set()
        return True

    def is_answered(self, timeout_seconds: float) -> bool:
        """Whether the browser came back, now or within this time."""
        return self._answered.wait(timeout_seconds)

    def finish(self) -> SignedIn:
        """Buy the refresh token with what came back.

        Raises AuthError where the user or Google says no, TransientError where
        Google could not be reached.
        """
        error = self._answer.get("error", "")
        if error:
            reason = error if error.replace("_", "").isalpha() and len(error) < 60 else "refused"
            raise AuthError(
                "Google was not allowed to let Koers in",
                reason=reason,
                hint=_ANSWERS.get(reason, "sign in again"),
            )
        told = self._exchange(self._answer["code"])
        refresh_token = told.get("refresh_token")
        if not isinstance(refresh_token, str) or not refresh_token:
            raise AuthError(
                "Google gave no refresh token",
                reason="no_refresh_token",
                hint="withdraw Koers's access at https://myaccount.google.com/connections and "
                "sign in again",
            )
        lives = told.get("refresh_token_expires_in")
        return SignedIn(
            SecretStr(refresh_token),
            tuple(str(told.get("scope") or " ".join(SCOPES)).split()),
            lives / 86_400 if isinstance(lives, int | float) and lives > 0 else None,
        )

    def _exchange(self, code: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": self._client.client_id,
            "client_secret": self._client.client_secret.get_secret_value(),
            "redirect_uri": self.redirect_uri,
            "code_verifier": self._verifier,
        }
        try:
            response = self._session.post(self._client.token_uri, data=form)
        except TransportError as e:
            raise auth_problem(e) from None
        except requests.RequestException as e:
            # the request, which a traceback shows, holds the secret
            raise distrusted(e, "Google's token endpoint") or TransientError(
                f"Google's token endpoint could not be reached: {type(e).__name__}",
                reason="token_endpoint_unreachable",
                hint="check the network, token_uri and ca_file",
                scope="source",
            ) from None
        try:
            told = response.json()
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise TransientError(
                "Google's token endpoint gave an answer that is not JSON",
                reason="token_endpoint_unavailable",
                hint="check token_uri",
                scope="source",
            )
        if response.status_code != 200:
            reason = plain_text(str(told.get("error") or "refused"))
            raise AuthError(
                "Google does not give a token for this sign-in",
                reason=reason,
                hint=_EXCHANGE.get(reason, "run the command again"),
            )
        return told


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    timeout = 10  # a browser opens connections that it never uses

    def do_GET(self) -> None:
        if self.server.sign_in.take(self.path):
            denied = "error" in parse_qs(urlsplit(self.path).query)
            head = "Not connected" if denied else "Signed in"
            self._say(200, head, "You can close this tab and go back to the terminal.")
        else:  # a favicon, a curious page, an older tab
            self._say(404, "Nothing here", "This address only takes the end of a sign-in.")

    def _say(self, status: int, head: str, text: str) -> None:
        body = _PAGE.format(head=head, text=text).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the address has the code in it."""


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, sign_in: SignIn) -> None:
        self.sign_in = sign_in
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no news."""
