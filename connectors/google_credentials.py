"""Google's OAuth for every Google source: credentials, refreshed before they are used.

google-auth's own gRPC channel reports a revoked token as 503 "Getting metadata
from plugin failed", which invites endless retries. So each call is preceded by
:func:`refresh_first`, which tells apart what can be retried.

Source: https://developers.google.com/identity/protocols/oauth2
"""

from __future__ import annotations

import json
import ssl
import threading
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

import grpc
import requests
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2.credentials import Credentials as UserCredentials
from google.oauth2.service_account import Credentials as ServiceAccountCredentials
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from connectors.base import DEADLINE_EXCEEDED, AuthError, Connection, SourceError, TransientError
from connectors.deadlines import BoundedAdapter, DeadlineExceededError, deadline

GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 (an address)
TOKEN_TIMEOUT_SECONDS = 30.0
# google-auth is only partly typed
_from_key: Callable[..., Credentials] = ServiceAccountCredentials.from_service_account_info
_LOOPBACK = ("127.0.0.1", "localhost")

# What the token endpoint says (RFC 6749 §5.2 and Google's own) and what to do about it.
_HINTS = {
    "invalid_grant": (
        "the refresh token was revoked or expired (a consent screen in Testing lets it live for "
        "7 days), or this machine's clock is wrong: sign in again and replace refresh_token"
    ),
    "invalid_rapt": "the organisation ends Google sessions after some hours: its administrator "
    "must trust this OAuth client, then sign in again",
    "invalid_client": "check client_id and client_secret",
    "unauthorized_client": "the refresh token belongs to another OAuth client: check client_id",
    "deleted_client": "the OAuth client was deleted: make a new one and sign in again",
    "invalid_scope": "sign in again and allow the access that is asked for",
    "admin_policy_enforced": "the Google Workspace administrator must allow this OAuth client",
}


class _TokenSession(requests.Session):
    """Bounds every request as a whole and passes over google-auth's own retries.

    google-auth sleeps and repeats on 5xx and 429; here an answer that may be
    better later is raised at once, so that one place decides about retries.
    """

    def __init__(self, timeout_seconds: float) -> None:
        super().__init__()
        self.timeout_seconds = timeout_seconds
        self.headers["Connection"] = "close"  # the next token is an hour away
        self.mount("https://", BoundedAdapter())
        self.mount("http://", BoundedAdapter())

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = self.timeout_seconds
        self.trust_env = not is_loopback(url)  # this machine is never reached through a proxy
        try:
            with deadline(self.timeout_seconds):
                response = super().request(method, url, *args, **kwargs)
        except DeadlineExceededError as e:
            raise _Busy(str(e), None, DEADLINE_EXCEEDED) from e
        status = response.status_code
        if status == 429 or status == 408 or status >= 500:
            raise _Busy(f"HTTP {status}", retry_after(response.headers.get("Retry-After")))
        if status == 200:
            try:
                told = response.json()
            except ValueError as e:
                raise _Busy("an answer that is not JSON", None) from e
            if not isinstance(told, dict) or not told.get("access_token"):
                raise _Busy("an answer without an access token", None)
        return response


class _Busy(TransportError):
    def __init__(
        self, what: str, wait: float | None, reason: str = "token_endpoint_unavailable"
    ) -> None:
        super().__init__(what, retryable=True)  # type: ignore[no-untyped-call]
        self.what = what
        self.retry_after_seconds = wait
        self.reason = reason


class _LocalServiceAccount(ServiceAccountCredentials):
    """A service account whose tokens come from elsewhere than Google, and stay there.

    google-auth looks up each service account's regional access boundary at
    iamcredentials.googleapis.com, in a thread of its own and with the token.
    """

    def _is_regional_access_boundary_lookup_required(self) -> bool:
        return False


class _TrustingAdapter(BoundedAdapter):
    """Trusts a private certificate authority beside the public ones."""

    def __init__(self, ca_file: Path) -> None:
        self.context = ssl_context(ca_file)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self.context, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self.context, **kwargs)


# The session and lock of each credential; both go when the credential goes.
_requests: WeakKeyDictionary[Credentials, tuple[Request, threading.Lock]] = WeakKeyDictionary()
_requests_lock = threading.Lock()


def make_credentials(connection: Connection, scopes: Sequence[str]) -> Credentials:
    """Return credentials for a refresh token or a service account; no network is used.

    ``scopes`` are asked for with a service account. With a refresh token they
    are not: it carries those that the user allowed, and asking for others than
    these fails even where the API would answer.

    Raises AuthError where the credential is missing or unreadable, SourceError
    where ``token_uri`` is plain http to another machine.
    """
    if connection.token_uri is not None:
        check_url(connection.token_uri, "token_uri")
    if connection.json_key_file_path is not None:
        credentials = _service_account(connection, connection.json_key_file_path, scopes)
    else:
        credentials = _user(connection)
    session = token_session(connection.ca_file, connection.timeout_seconds)
    _requests[credentials] = (Request(session=session), threading.Lock())
    return credentials


def _user(connection: Connection) -> Credentials:
    wanted = {
        "client_id": connection.client_id,
        "client_secret": connection.client_secret,
        "refresh_token": connection.refresh_token,
    }
    missing = [name for name, value in wanted.items() if not _revealed(value)]
    if missing:
        raise AuthError(
            f"no credential for Google: {', '.join(missing)} not set",
            reason="missing_credential",
            hint="set client_id, client_secret and refresh_token, or json_key_file_path",
        )
    return UserCredentials(  # type: ignore[no-untyped-call]
        token=None,
        refresh_token=_revealed(connection.refresh_token),
        client_id=connection.client_id,
        client_secret=_revealed(connection.client_secret),
        token_uri=connection.token_uri or GOOGLE_TOKEN_URI,
    )


def _service_account(connection: Connection, key_file: Path, scopes: Sequence[str]) -> Credentials:
    try:
        info = json.loads(key_file.read_text(encoding="utf-8"))
        make = _from_key
        if connection.token_uri is not None:
            info["token_uri"] = connection.token_uri
            make = _LocalServiceAccount.from_service_account_info
        return make(info, scopes=list(scopes))
    except OSError as e:
        raise AuthError(
            f"the key file {key_file} cannot be read: {e.strerror}",
            reason="unreadable_key_file",
            hint="check json_key_file_path",
        ) from e
    except (ValueError, TypeError, GoogleAuthError):
        # the parser's own message can quote the key, so it is not passed on
        raise AuthError(
            f"{key_file} is not the key file of a service account",
            reason="malformed_key_file",
            hint="download the JSON key again, whole",
        ) from None


def refresh_first(credentials: Credentials, *, force: bool = False) -> None:
    """Make sure that the access token is valid before a call; one thread refreshes at a time.

    ``force`` fetches a new one although the old one looks valid: what to do
    once when the API itself calls it expired.

    Raises AuthError when the token endpoint refuses for good, TransientError
    when it could not be reached or may answer later.
    """
    request, lock = _request_of(credentials)
    with lock:
        if credentials.valid and not force:
            return
        try:
            credentials.refresh(request)  # type: ignore[no-untyped-call]
        except GoogleAuthError as e:
            raise auth_problem(e) from harmless(e, credentials)


def auth_problem(error: GoogleAuthError) -> SourceError:
    """Say what a failed refresh means: AuthError, or TransientError where a retry may help."""
    if isinstance(error, _Busy):
        return TransientError(
            f"Google's token endpoint gave {error.what}",
            reason=error.reason,
            retry_after_seconds=error.retry_after_seconds,
            scope="source",
        )
    if isinstance(error, TransportError):
        cause = error.args[0] if error.args else error
        return distrusted(error, "Google's token endpoint") or TransientError(
            f"Google's token endpoint could not be reached: {type(cause).__name__}",
            reason="token_endpoint_unreachable",
            hint="check the network, token_uri and ca_file",
            scope="source",
        )
    # RefreshError's second argument is the endpoint's answer; its text may quote anything else
    told = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], dict) else {}
    reason = str(told.get("error") or "")
    if "invalid_rapt" in str(told.get("error_description") or ""):
        reason = "invalid_rapt"  # the organisation ends sessions; the token itself is as it was
    if not reason.replace("_", "").isalpha() or len(reason) > 60:
        reason = "refresh_failed"
    if isinstance(error, RefreshError) and error.retryable:
        return TransientError(
            "Google's token endpoint could not answer now", reason=reason, scope="source"
        )
    return AuthError(
        "Google refuses the credential",
        reason=reason,
        hint=_HINTS.get(reason, "sign in again, or check the key file"),
    )


def token_session(
    ca_file: Path | None, timeout_seconds: float = TOKEN_TIMEOUT_SECONDS
) -> requests.Session:
    """Return the HTTP session that tokens are fetched with; a token is a matter of seconds."""
    session = _TokenSession(min(timeout_seconds, TOKEN_TIMEOUT_SECONDS))
    if ca_file is not None:
        session.mount("https://", _TrustingAdapter(ca_file))
    return session


@cache  # the public authorities take 40 ms to read
def ssl_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a verifying TLS context that trusts ``ca_file`` beside the public authorities."""
    context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=str(ca_file))
        except OSError as e:  # SSLError, when it is no certificate, is one too
            raise SourceError(
                f"the certificate file {ca_file} cannot be used: {type(e).__name__}",
                reason="unusable_ca_file",
                hint="check ca_file",
                scope="source",
            ) from e
    return context


def authorities_with(ca_file: Path) -> bytes:
    """Return the public certificate authorities and ``ca_file`` in one PEM, after a look at it."""
    ssl_context(ca_file)
    return Path(DEFAULT_CA_BUNDLE_PATH).read_bytes() + b"\n" + ca_file.read_bytes()


def check_url(url: str, name: str) -> str:
    """Return ``url`` without a closing slash; plain http is for this machine only.

    Raises SourceError of scope ``source``, without what a URL could hold of a secret.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return url.rstrip("/")
    if parts.scheme == "http" and is_loopback(url):
        return url.rstrip("/")
    raise SourceError(
        f"{name} must be an https URL; plain http is for 127.0.0.1 and localhost only",
        reason="insecure_endpoint" if parts.scheme == "http" else "malformed_endpoint",
        hint=f"correct {name}",
        scope="source",
    )


def is_loopback(url: str) -> bool:
    """Whether ``url`` is on this machine, by its address or by the name localhost."""
    return urlsplit(url).hostname in _LOOPBACK


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds that a Retry-After header asks for, None where it says nothing usable.

    The header is a number of seconds or an HTTP date (RFC 9110 §10.2.3).
    """
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            until = parsedate_to_datetime(header)
        except ValueError:
            return None
        if until.tzinfo is None:
            until = until.replace(tzinfo=UTC)
        seconds = (until - (now or datetime.now(UTC))).total_seconds()
    return max(seconds, 0.0) if isfinite(seconds) else None


def seconds_to_midnight(now: datetime) -> float:
    """Return how long it is to midnight in California, when Google's daily quotas return."""
    pacific = ZoneInfo("America/Los_Angeles")
    tomorrow = now.astimezone(pacific).date() + timedelta(days=1)
    midnight = datetime.combine(tomorrow, datetime.min.time(), pacific)
    return (midnight.astimezone(UTC) - now.astimezone(UTC)).total_seconds()


def plain_text(text: str, credentials: Credentials | None = None) -> str:
    """Return a vendor's words as one short line in which no secret of ``credentials`` stands."""
    for secret in _secrets(credentials):
        text = text.replace(secret, "***")
    line = " ".join(text.split())
    if "<html" in line[:200].lower() or line[:9].lower() == "<!doctype":
        return "an HTML page, not an answer of the API"
    return line if len(line) <= 300 else line[:299] + "…"


def distrusted(error: Exception, whom: str) -> SourceError | None:
    """Return what to raise when ``error`` is an untrusted certificate: no retry will help."""
    if "CERTIFICATE_VERIFY_FAILED" not in str(error):
        return None
    return SourceError(
        f"the certificate of {whom} is not trusted",
        reason="certificate_not_trusted",
        hint="check endpoint, and ca_file where a private authority signed the certificate",
        scope="source",
    )


def harmless(error: Exception, credentials: Credentials) -> Exception | None:
    """Return ``error`` as a cause to chain from, None when its traceback would show a secret."""
    told = "".join(traceback.format_exception(error))
    return None if any(secret in told for secret in _secrets(credentials)) else error


def _secrets(credentials: Credentials | None) -> list[str]:
    held = (getattr(credentials, n, None) for n in ("token", "refresh_token", "client_secret"))
    return [secret for secret in held if isinstance(secret, str) and secret]


def who(credentials: Credentials) -> str:
    """Say who has to be given access: the service account's address, or the signed-in user."""
    address = getattr(credentials, "service_account_email", None)
    return f"the service account {address}" if address else "the Google user who signed in"


def authorized_session(
    credentials: Credentials, url: str, ca_file: Path | None
) -> AuthorizedSession:
    """Return a session that signs requests but leaves 401 to the caller, not refreshing itself.

    `connectors.deadlines.deadline` bounds its requests.
    """
    request, _ = _request_of(credentials)
    session = AuthorizedSession(  # type: ignore[no-untyped-call]
        credentials, refresh_status_codes=(), auth_request=request
    )
    session.trust_env = not is_loopback(url)
    session.mount("http://", BoundedAdapter())
    session.mount("https://", BoundedAdapter() if ca_file is None else _TrustingAdapter(ca_file))
    return session


def grpc_channel(
    credentials: Credentials, target: str, ca_file: Path | None, options: Sequence[tuple[str, Any]]
) -> Any:
    """Return a TLS channel to ``host:port`` that signs each call with ``credentials``.

    It does not refresh them: see `refresh_first`. ``ca_file`` is trusted beside
    the public authorities. A loopback target is never reached through a proxy.
    Raises SourceError on a malformed target.
    """
    if "://" in target or "/" in target or not target:
        raise SourceError(
            "the endpoint of a gRPC service is host:port, without a scheme",
            reason="malformed_endpoint",
            hint="correct endpoint, or set transport: rest",
            scope="source",
        )
    authorities = authorities_with(ca_file) if ca_file is not None else None
    if target.rpartition(":")[0] in _LOOPBACK:
        options = [*options, ("grpc.enable_http_proxy", 0)]
    tls = grpc.ssl_channel_credentials(root_certificates=authorities)
    channel = grpc.secure_channel(target, tls, options=list(options))
    return grpc.intercept_channel(channel, _Signing(credentials))


class _Signing(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[misc]
    grpc.UnaryStreamClientInterceptor,  # type: ignore[misc]
):
    """Adds the access token to each call, in the caller's own thread.

    gRPC's call credentials (`secure_authorized_channel`) run Python in gRPC's
    threads, where closing the channel can wait for them for ever, with the GIL
    held: https://github.com/grpc/grpc/pull/42247
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def _signed(self, details: Any) -> Any:
        headers: dict[str, str] = {}
        self._credentials.apply(headers)  # type: ignore[no-untyped-call]
        return _CallDetails(
            details.method,
            details.timeout,
            [*(details.metadata or ()), *headers.items()],
            details.credentials,
            details.wait_for_ready,
            details.compression,
        )

    def intercept_unary_unary(self, go_on: Any, details: Any, request: Any) -> Any:
        return go_on(self._signed(details), request)

    def intercept_unary_stream(self, go_on: Any, details: Any, request: Any) -> Any:
        return go_on(self._signed(details), request)


class _CallDetails(NamedTuple):
    """A call's ``grpc.ClientCallDetails``, which has no constructor of its own."""

    method: str
    timeout: float | None
    metadata: list[tuple[str, str]]
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


def _request_of(credentials: Credentials) -> tuple[Request, threading.Lock]:
    with _requests_lock:
        if credentials not in _requests:
            _requests[credentials] = (Request(session=token_session(None)), threading.Lock())
        return _requests[credentials]


def _revealed(value: Any) -> str | None:
    if value is None:
        return None
    revealed: str = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    return revealed
