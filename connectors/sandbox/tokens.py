"""OAuth as Google does it: consent on loopback, refresh tokens, service accounts, expiry.

Sources: https://developers.google.com/identity/protocols/oauth2/native-app (with PKCE),
https://developers.google.com/identity/protocols/oauth2/web-server#offline,
https://developers.google.com/identity/protocols/oauth2/service-account#httprest
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import exceptions as auth_exceptions
from google.auth import jwt

# plain demo values: they open nothing but this sandbox
CLIENT_ID = "koers-sandbox.apps.example"
CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105
REFRESH_TOKEN = "1//sandbox-refresh-token"  # noqa: S105
REVOKED_REFRESH_TOKEN = "1//sandbox-revoked-token"  # noqa: S105
DEVELOPER_TOKEN = "sandbox-developer-token"  # noqa: S105
SERVICE_ACCOUNT = "koers@sandbox.example"

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# google-auth writes this audience whatever the key file's token_uri is
GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105
# what Google gives: an hour less a second
LIFETIME_SECONDS = 3599
# what a consent screen in Testing gives, seven days less a second
TESTING_SECONDS = 604_799
SCOPES = (
    "https://www.googleapis.com/auth/adwords",
    "https://www.googleapis.com/auth/analytics.readonly",
    "https://www.googleapis.com/auth/webmasters.readonly",
)
_CODE_SECONDS = 600.0

TokenState = Literal["valid", "missing", "invalid", "expired"]


class ConsentError(Exception):
    """The authorization endpoint shows an error instead of going back; the text is the page's."""


@dataclass(frozen=True)
class _Code:
    """What a code was given for; it works once and not for long."""

    redirect_uri: str
    challenge: str
    scopes: tuple[str, ...]
    is_testing: bool
    until: float


class Tokens:
    """Gives out access tokens and says whether one that comes back is good."""

    def __init__(
        self,
        service_key: rsa.RSAPrivateKey | None = None,
        lifetime_seconds: int = LIFETIME_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._service_certificate = (
            service_key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            if service_key
            else None
        )
        self.lifetime_seconds = lifetime_seconds
        self._now = now
        self._lock = threading.Lock()
        self._expiry: dict[str, float] = {}
        self._codes: dict[str, _Code] = {}

    def consent(
        self,
        asked: Mapping[str, str],
        refused: str = "",
        left_out: tuple[str, ...] = (),
        is_testing: bool = False,
    ) -> str:
        """Return where the user's browser goes back to, as if everything was ticked at once.

        ``refused`` is the error that the user, or an administrator, answers with;
        ``left_out`` are scopes that the user did not tick (their last words do).
        Raises ConsentError where Google does not go back at all.
        """
        target = asked.get("redirect_uri", "")
        parts = urlsplit(target)
        if asked.get("client_id") != CLIENT_ID:
            raise ConsentError("Error 401: invalid_client. The OAuth client was not found.")
        if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost"):
            raise ConsentError("Error 400: redirect_uri_mismatch")
        if asked.get("response_type") != "code" or not asked.get("scope"):
            raise ConsentError("Error 400: invalid_request. Missing required parameter.")
        if not asked.get("code_challenge") or asked.get("code_challenge_method") != "S256":
            raise ConsentError("Error 400: invalid_request. code_challenge_method must be S256.")
        wanted = tuple(asked["scope"].split())
        if unknown := [scope for scope in wanted if scope not in SCOPES]:
            raise ConsentError(f"Error 400: invalid_scope. {unknown[0]}")
        told = {"state": asked.get("state", "")}
        if refused:
            return f"{target}?{urlencode(told | {'error': refused})}"
        given = tuple(s for s in wanted if s.rpartition("/")[2] not in left_out)
        code = f"4/sandbox-{secrets.token_urlsafe(24)}"
        with self._lock:
            self._codes[code] = _Code(
                target, asked["code_challenge"], given, is_testing, self._now() + _CODE_SECONDS
            )
        return f"{target}?{urlencode(told | {'code': code, 'scope': ' '.join(given)})}"

    def issue(self) -> str:
        token = f"ya29.sandbox-{secrets.token_urlsafe(24)}"
        with self._lock:
            self._expiry[token] = self._now() + self.lifetime_seconds
        return token

    def check(self, authorization: str | None) -> TokenState:
        """Judge the value of an ``Authorization`` header (``Bearer …``)."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return "missing"
        with self._lock:
            expiry = self._expiry.get(token)
        if expiry is not None:
            return "valid" if self._now() < expiry else "expired"
        # GAPIC clients with a service account skip the endpoint and sign their own bearer token
        return "valid" if self._signed_by_service_account(token) else "invalid"

    def expire_all(self) -> None:
        """Every access token given out so far is refused from now on."""
        with self._lock:
            self._expiry = dict.fromkeys(self._expiry, 0.0)

    def grant(self, form: Mapping[str, str], audience: str) -> tuple[int, dict[str, Any]]:
        """Answer a request to the token endpoint: HTTP status and JSON body."""
        kind = form.get("grant_type")
        if kind == "authorization_code":
            return self._exchange(form)
        if kind == "refresh_token":
            if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
                return 401, _refusal("invalid_client", "The OAuth client was not found.")
            if form.get("refresh_token") != REFRESH_TOKEN:
                return 400, _refusal("invalid_grant", "Token has been expired or revoked.")
        elif kind == JWT_GRANT:
            audiences = [audience, GOOGLE_TOKEN_URI]
            if not self._signed_by_service_account(form.get("assertion", ""), audiences):
                return 400, _refusal("invalid_grant", "Invalid JWT Signature.")
        else:
            return 400, _refusal("unsupported_grant_type", f"Invalid grant_type: {kind}")
        return 200, self._bearer(SCOPES)

    def _exchange(self, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """A code for a refresh token: once, and for whoever asked for it."""
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return 401, _refusal("invalid_client", "The provided client secret is invalid.")
        with self._lock:
            known = self._codes.pop(form.get("code", ""), None)
        if known is None or self._now() > known.until:
            return 400, _refusal("invalid_grant", "Malformed auth code.")
        if form.get("redirect_uri") != known.redirect_uri:
            return 400, _refusal("redirect_uri_mismatch", "Bad Request")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = urlsafe_b64encode(digest).decode().rstrip("=")
        if not hmac.compare_digest(challenge, known.challenge):
            return 400, _refusal("invalid_grant", "Invalid code verifier.")
        # one and the same after each sign-in, so that it outlives the sandbox
        told = self._bearer(known.scopes) | {"refresh_token": REFRESH_TOKEN}
        if known.is_testing:
            told["refresh_token_expires_in"] = TESTING_SECONDS
        return 200, told

    def _bearer(self, scopes: tuple[str, ...]) -> dict[str, Any]:
        return {
            "access_token": self.issue(),
            "expires_in": self.lifetime_seconds,
            "scope": " ".join(scopes),
            "token_type": "Bearer",
        }

    def _signed_by_service_account(self, token: str, audience: list[str] | None = None) -> bool:
        if self._service_certificate is None:
            return False
        try:
            claims: dict[str, Any] = jwt.decode(  # type: ignore[no-untyped-call]
                token, certs=self._service_certificate, audience=audience
            )
        except (ValueError, auth_exceptions.GoogleAuthError):
            return False
        return bool(claims.get("iss") == SERVICE_ACCOUNT)


def _refusal(error: str, description: str) -> dict[str, Any]:
    return {"error": error, "error_description": description}


def load_service_key(folder: Path) -> rsa.RSAPrivateKey:
    """Read the sandbox's service account key from ``folder``, or make one there."""
    path = folder / "service-account.pem"
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if isinstance(key, rsa.RSAPrivateKey):
            return key
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path.touch(mode=0o600)
    path.write_bytes(_pem(key))
    return key


def write_service_account_file(path: Path, key: rsa.RSAPrivateKey, token_uri: str) -> None:
    """Write the JSON key file that Google's clients read (``json_key_file_path``)."""
    path.touch(mode=0o600)
    path.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "koers-sandbox",
                "private_key_id": "sandbox",
                "private_key": _pem(key).decode(),
                "client_email": SERVICE_ACCOUNT,
                "client_id": "100000000000000000001",
                "token_uri": token_uri,
                "universe_domain": "googleapis.com",
            },
            indent=2,
        )
    )


def write_client_secrets_file(path: Path, auth_uri: str, token_uri: str) -> None:
    """Write the JSON file that the Cloud console gives for a client of type Desktop app."""
    path.touch(mode=0o600)
    path.write_text(
        json.dumps(
            {
                "installed": {
                    "client_id": CLIENT_ID,
                    "project_id": "koers-sandbox",
                    "auth_uri": auth_uri,
                    "token_uri": token_uri,
                    "client_secret": CLIENT_SECRET,
                    "redirect_uris": ["http://localhost"],
                }
            },
            indent=2,
        )
    )


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
