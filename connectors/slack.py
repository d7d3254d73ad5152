"""Messages to Slack by incoming webhook; `connectors.slack_bot` has what a bot can do.

Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/
"""

from __future__ import annotations

import errno
import logging
import math
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from pydantic import SecretStr
from slack_sdk.webhook import WebhookClient, WebhookResponse

from connectors.base import Sent, SlackMessage

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# an answer of Slack is a word or two; a proxy's error page is not worth reading
MAX_ANSWER_BYTES = 64_000

_UNREACHED = (errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)

# the SDK logs the address, which is the secret, at debug and error level
silent = logging.Logger("connectors.slack.sdk", level=logging.CRITICAL + 1)
silent.addHandler(logging.NullHandler())
_log = logging.getLogger(__name__)


def send_slack(
    webhook_url: SecretStr, message: SlackMessage, timeout_seconds: float = 20.0
) -> Sent:
    """Send one message; what may have been delivered is ``unknown``, never tried again here.

    Blocks that Slack refuses are left out at once and the plain text is sent
    in their place; ``error`` then says so. Only https, but for 127.0.0.1;
    redirects are refused. The address is in no error text.
    """
    url = webhook_url.get_secret_value()
    problem = what_is_wrong_with(url, "the webhook")
    if problem:
        return Sent("failed", problem)
    answer = _post(url, {"text": message.text, "blocks": list(message.blocks)}, timeout_seconds)
    if not isinstance(answer, WebhookResponse):
        return answer
    if message.blocks and answer.status_code in (400, 413):
        # surely not delivered; a plain message is worth more than none
        refusal = _said(answer)
        _log.warning("slack refused the blocks (%s); sending plain text", refusal)
        answer = _post(url, {"text": message.text}, timeout_seconds)
        if not isinstance(answer, WebhookResponse):
            return answer
        sent = classify(answer.status_code, answer.body or "", answer.headers)
        return Sent("sent", f"sent as plain text: {refusal}") if sent.state == "sent" else sent
    return classify(answer.status_code, answer.body or "", answer.headers)


def classify(status: int, body: str, headers: Mapping[str, Any]) -> Sent:
    """What an HTTP answer of Slack means for the message."""
    said = f"{status} {first_words(body)}".strip()
    if status == 200 and body.strip() == "ok":
        return Sent("sent")
    if 200 <= status < 300:
        return Sent("unknown", f"answered without Slack's ok: {said}")
    if status == 429:
        return Sent("retry", said, retry_after_seconds=retry_after(headers))
    if status == 408 or status >= 500:
        return Sent("unknown", said, retry_after_seconds=retry_after(headers))
    return Sent("failed", said)


class _Webhook(WebhookClient):
    """The SDK's client, which by itself would follow a redirect and send a GET there."""

    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        with opener_of(url, self.ssl).open(req, timeout=self.timeout) as reply:
            body = reply.read(MAX_ANSWER_BYTES).decode("utf-8", errors="replace")
            return WebhookResponse(
                url=url, status_code=reply.status, body=body, headers=dict(reply.headers.items())
            )


def opener_of(url: str, context: ssl.SSLContext | None) -> OpenerDirector:
    """Opens an address without following it elsewhere; this machine without a proxy."""
    proxies = ProxyHandler({}) if urlsplit(url).hostname in LOOPBACK else ProxyHandler()
    return build_opener(proxies, _NoRedirect(), HTTPSHandler(context=context))


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _post(url: str, body: dict[str, Any], timeout_seconds: float) -> WebhookResponse | Sent:
    client = _Webhook(
        url,
        timeout=timeout_seconds,  # type: ignore[arg-type]  # passed on to a socket, which takes it
        ssl=ssl.create_default_context() if url.startswith("https:") else None,
        logger=silent,
        retry_handlers=[],  # our outbox tries again; the SDK's default repeats after a reset
    )
    try:
        return client.send_dict(body)
    except HTTPError as error:  # the SDK handles these; one with an unreadable body comes here
        return classify(error.code, "", dict(error.headers.items()))
    except URLError as error:
        return from_failure(error.reason)
    except (OSError, HTTPException, ValueError) as error:
        return from_failure(error)


def from_failure(error: object) -> Sent:
    """No answer came: surely not delivered, or perhaps."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Sent("retry", f"the certificate is not trusted: {error.verify_message}")
    if isinstance(error, socket.gaierror):
        return Sent("retry", "the host is not known")
    if isinstance(error, OSError) and error.errno in _UNREACHED:
        return Sent("retry", "nobody answers at the address")
    if isinstance(error, TimeoutError):
        return Sent("unknown", "no answer in time")
    # never the error's own words: they may hold the address
    return Sent("unknown", f"the connection broke off ({type(error).__name__})")


def what_is_wrong_with(url: str, what: str) -> str:
    """In words; empty for an address that messages and tokens may go to."""
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return f"{what} is not a URL"
    if url != url.strip() or any(c.isspace() or ord(c) < 32 for c in url) or not host:
        return f"{what} is not a URL"
    if parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK):
        return ""
    return f"{what} must be an https URL; plain http is for 127.0.0.1 only"


def retry_after(headers: Mapping[str, Any]) -> float | None:
    """Seconds, from seconds or from a date; None when there is no sense in it."""
    said = next((str(v) for k, v in headers.items() if k.lower() == "retry-after"), "").strip()
    if not said:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            at = parsedate_to_datetime(said)
        except ValueError:
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = (at - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), 86_400.0) if math.isfinite(seconds) else None


def _said(answer: WebhookResponse) -> str:
    return f"{answer.status_code} {first_words(answer.body or '')}".strip()


def first_words(body: str) -> str:
    """Slack's answer is a code such as `invalid_blocks`; of anything longer only the beginning."""
    return " ".join("".join(c if c.isprintable() else " " for c in body[:200]).split())[:100]
