"""The Slack sender against an HTTP server on 127.0.0.1 that answers as Slack does."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.base import Sent, SlackMessage
from connectors.sandbox.certificate import ensure_certificate
from connectors.slack import send_slack

SECRET = "T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
MESSAGE = SlackMessage("CTR is at risk", [{"type": "divider"}])


class Webhook:
    """Answers the n-th request with the n-th answer, the last one from then on."""

    def __init__(self) -> None:
        self.answers: list[tuple[int | str, str, dict[str, str]]] = [(200, "ok", {})]
        self.received: list[tuple[str, dict[str, Any]]] = []
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.received.append((self.path, json.loads(body)))
                n = min(len(webhook.received), len(webhook.answers)) - 1
                status, text, headers = webhook.answers[n]
                if status == "silence":
                    webhook.released.wait(10)
                    return
                if status == "hang up":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(int(status))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def do_GET(self) -> None:
                webhook.received.append((self.path, {}))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: Any) -> None:
                pass

        self.released = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/{SECRET}"

    def send(self, message: SlackMessage = MESSAGE, timeout: float = 5) -> Sent:
        return send_slack(SecretStr(self.url), message, timeout)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    served = Webhook()
    thread = threading.Thread(target=served.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield served
    served.released.set()
    served.server.shutdown()
    served.server.server_close()


def test_slack_gets_the_blocks_and_the_text_that_notifications_show(webhook: Webhook) -> None:
    assert webhook.send() == Sent("sent")
    assert webhook.received == [
        (f"/services/{SECRET}", {"text": "CTR is at risk", "blocks": [{"type": "divider"}]})
    ]


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (403, "action_prohibited", "failed"),
        (403, "invalid_token", "failed"),
        (404, "no_service", "failed"),
        (404, "channel_not_found", "failed"),
        (410, "channel_is_archived", "failed"),
        (500, "rollup_error", "unknown"),
        (502, "bad gateway", "unknown"),
        (503, "", "unknown"),
        (200, "<html>log in to the network</html>", "unknown"),
    ],
)
def test_an_answer_is_known_by_its_status_and_code(
    webhook: Webhook, status: int, body: str, state: str
) -> None:
    webhook.answers = [(status, body, {})]
    sent = webhook.send()
    assert sent.state == state
    assert str(status) in sent.error
    assert len(webhook.received) == 1


@pytest.mark.parametrize(
    ("header", "seconds"), [("30", 30.0), ("0", 0.0), ("nonsense", None), ("nan", None)]
)
def test_too_many_messages_wait_as_long_as_slack_asks(
    webhook: Webhook, header: str, seconds: float | None
) -> None:
    webhook.answers = [(429, "rate_limited", {"Retry-After": header})]
    sent = webhook.send()
    assert (sent.state, sent.retry_after_seconds) == ("retry", seconds)
    assert len(webhook.received) == 1


@pytest.mark.parametrize("code", ["invalid_blocks", "invalid_payload", "msg_blocks_too_long"])
def test_refused_blocks_are_sent_once_more_as_plain_text(webhook: Webhook, code: str) -> None:
    webhook.answers = [(400, code, {}), (200, "ok", {})]
    sent = webhook.send()
    assert sent == Sent("sent", f"sent as plain text: 400 {code}")
    assert [body for _, body in webhook.received] == [
        {"text": "CTR is at risk", "blocks": [{"type": "divider"}]},
        {"text": "CTR is at risk"},
    ]


def test_plain_text_that_is_refused_too_is_refused_for_good(webhook: Webhook) -> None:
    webhook.answers = [(400, "invalid_payload", {})]
    assert webhook.send() == Sent("failed", "400 invalid_payload")
    assert len(webhook.received) == 2


def test_a_redirect_is_not_followed(webhook: Webhook) -> None:
    for status in (301, 302, 303, 307, 308):
        webhook.received.clear()
        webhook.answers = [(status, "", {"Location": "/elsewhere"})]
        assert webhook.send().state == "failed"
        assert len(webhook.received) == 1


def test_no_answer_in_time_is_unknown_and_not_repeated(webhook: Webhook) -> None:
    webhook.answers = [("silence", "", {})]
    assert webhook.send(timeout=0.2) == Sent("unknown", "no answer in time")
    assert len(webhook.received) == 1


def test_a_connection_that_breaks_off_is_unknown_and_not_repeated(webhook: Webhook) -> None:
    webhook.answers = [("hang up", "", {})]
    sent = webhook.send()
    assert sent.state == "unknown"
    assert "broke off" in sent.error
    assert len(webhook.received) == 1


def test_an_address_where_nobody_answers_is_tried_again_later() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/services/{SECRET}"
        assert send_slack(SecretStr(url), MESSAGE, 5).state == "retry"


@pytest.mark.parametrize(
    "url",
    [
        f"http://hooks.example/services/{SECRET}",
        f"http://127.0.0.1.evil.example/{SECRET}",
        f"http://127.0.0.1@evil.example/{SECRET}",
        f"ftp://127.0.0.1/{SECRET}",
        f"file:///{SECRET}",
        f"https://hooks.example/{SECRET}\r\nHost: evil.example",
        f"http://[oops/{SECRET}",
        "",
    ],
)
def test_only_https_or_this_machine_gets_a_message(url: str) -> None:
    sent = send_slack(SecretStr(url), MESSAGE, 1)
    assert sent.state == "failed"
    assert SECRET not in sent.error


def test_over_https_an_unknown_certificate_gets_no_message(
    webhook: Webhook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = ensure_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert_file, certificate.key_file)
    webhook.server.socket = context.wrap_socket(webhook.server.socket, server_side=True)
    webhook.url = webhook.url.replace("http:", "https:")
    sent = webhook.send()
    assert sent.state == "retry"
    assert "certificate is not trusted" in sent.error
    assert webhook.received == []
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.ca_file))
    assert webhook.send() == Sent("sent")


def test_a_proxy_is_not_asked_for_this_machine(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert webhook.send() == Sent("sent")


def test_the_address_is_in_no_error_and_no_log(
    webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = []
    for status in (404, 500, "hang up"):
        webhook.answers = [(status, "", {})]
        webhook.received.clear()
        told.append(repr(webhook.send()))
    webhook.answers = [("silence", "", {})]
    told.append(repr(webhook.send(timeout=0.1)))
    assert SECRET not in "".join(told)
    assert SECRET not in caplog.text
