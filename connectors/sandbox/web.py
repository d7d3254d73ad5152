"""Everything of the sandbox that speaks HTTP, on one port of 127.0.0.1.

========================  ======================================================
``GET /auth``             OAuth consent: goes back to the application at once
``POST /token``           OAuth token endpoint
``/v1beta/accountSum…``   GA4 Admin API: the properties
``/v1beta/properties/…``  GA4 Data API
``/webmasters/v3/…``      Search Console API
``/stats/eurofxref/…``     the ECB's exchange rates
``POST /services/…``      Slack incoming webhooks
``/control``              what the sandbox is told: the day, faults; who called
``/control/restate``      POST a `Restatement` or several; DELETE takes them all back
``/control/clock``        POST ``advance_seconds``: quotas and the like that last end sooner;
                          ``date_header_seconds``: so far off is the Date of every answer
========================  ======================================================
"""

from __future__ import annotations

import json
import logging
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from connectors.ecb import PATH as ECB_PATH
from connectors.sandbox import ecb_file, ga4_server, poison, slack_api, slack_webhook
from connectors.sandbox.errors import ApiError, fault_error, token_error
from connectors.sandbox.faults import Fault, Faults
from connectors.sandbox.ga4_server import Ga4Service
from connectors.sandbox.restatements import Restatement
from connectors.sandbox.search_console_server import SearchConsoleError, SearchConsoleService
from connectors.sandbox.slack_webhook import SlackInbox
from connectors.sandbox.state import CallLog, Clock
from connectors.sandbox.tokens import ConsentError, Tokens
from connectors.sandbox.world import World

MAX_BODY_BYTES = 20_000_000
# in so many pieces comes an answer that is slow
_SLOW_PIECES = 20
_SITES = re.compile(r"/webmasters/v3/sites(?:/([^/]+)(/searchAnalytics/query)?)?")
_HTML = b"<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Sorry</h1></body></html>"


@dataclass
class Reply:
    """One HTTP answer; ``fault`` is played while it is sent."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=UTF-8"
    headers: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None

    @classmethod
    def json(cls, status: int, told: Any, fault: Fault | None = None) -> Reply:
        return cls(status, json.dumps(told, ensure_ascii=False).encode(), fault=fault)

    @classmethod
    def text(cls, status: int, told: str, **headers: str) -> Reply:
        return cls(status, told.encode(), "text/plain; charset=utf-8", headers)


@dataclass(frozen=True)
class Call:
    method: str
    path: str  # still quoted
    query: dict[str, list[str]]
    headers: Any
    body: bytes

    @property
    def authorization(self) -> str | None:
        value: str | None = self.headers.get("Authorization")
        return value


class Site:
    """Routes a call to its service; knows nothing of sockets."""

    def __init__(
        self,
        clock: Clock,
        tokens: Tokens,
        faults: Faults,
        calls: CallLog,
        ga4: Ga4Service,
        search_console: SearchConsoleService,
        slack: SlackInbox,
        set_as_of: Callable[[date], None],
        world: World,
    ) -> None:
        self.clock = clock
        self.tokens = tokens
        self.faults = faults
        self.calls = calls
        self.ga4 = ga4
        self.search_console = search_console
        self.slack = slack
        self.workspace = slack_api.SlackWorkspace(slack)
        self.set_as_of = set_as_of
        self.world = world
        self.endpoints: dict[str, Any] = {}
        self.date_header_seconds = 0.0

    def answer(self, call: Call) -> Reply:
        if call.path == "/auth":
            return self._consent(call)
        if call.path == "/token":
            return self._token(call)
        if call.path == "/v1beta/accountSummaries":
            return self._ga4_accounts(call)
        if call.path.startswith("/v1beta/"):
            return self._ga4(call)
        if match := _SITES.fullmatch(call.path):
            return self._search_console(call, match)
        if call.path == ECB_PATH:
            return self._exchange_rates()
        if call.path.startswith("/services/"):
            return self._slack(call)
        if call.path.startswith(slack_api.API_PATH):
            return self._slack_api(call)
        if call.path.startswith(slack_api.UPLOAD_PATH):
            return self._slack_upload(call)
        if call.path == "/control" or call.path.startswith("/control/"):
            return self._control(call)
        return Reply.json(404, {"error": {"code": 404, "message": "Not Found"}})

    # --- OAuth --------------------------------------------------------------------------------

    def _consent(self, call: Call) -> Reply:
        """Google's pages with the user's clicks left out.

        Faults of the method ``auth``: ``permission`` is a user who does not allow it
        (``reason`` another error that comes back), ``refusal`` one who unticks the
        scopes named in ``detail``, ``token_expired`` a consent screen in Testing.
        """
        asked = {name: values[0] for name, values in call.query.items()}
        fault = self.faults.take("oauth", "auth")
        kind = fault.kind if fault else None
        try:
            target = self.tokens.consent(
                asked,
                refused=(fault.reason or "access_denied") if fault and kind == "permission" else "",
                left_out=tuple((fault.detail or "").split()) if fault and kind == "refusal" else (),
                is_testing=kind == "token_expired",
            )
        except ConsentError as error:
            reply = Reply.text(400, str(error))
        else:
            reply = Reply.text(302, "", Location=target)
        self.calls.add("oauth", "auth", None, reply.status, scope=asked.get("scope"))
        return reply

    def _token(self, call: Call) -> Reply:
        if call.method != "POST":
            return Reply.json(405, {"error": "invalid_request"})
        form = dict(parse_qsl(call.body.decode("utf-8", "replace")))
        fault = self.faults.take("oauth", "token")
        if fault and (refused := _oauth_refusal(fault)):
            reply = refused
        else:
            audience = self.endpoints.get("token_uri", "")
            status, told = self.tokens.grant(form, audience)
            reply = Reply.json(status, told, fault)
        self.calls.add("oauth", "token", None, reply.status, grant_type=form.get("grant_type"))
        return reply

    # --- GA4 ----------------------------------------------------------------------------------

    def _ga4_accounts(self, call: Call) -> Reply:
        """Every property under one account per shop.

        https://developers.google.com/analytics/devguides/config/admin/v1/rest/v1beta/accountSummaries/list
        """
        fault = self.faults.take("ga4", "ListAccountSummaries")
        error = token_error(self.tokens.check(call.authorization)) or (
            fault_error(fault) if fault else None
        )
        if error:
            self.calls.add("ga4", "ListAccountSummaries", None, error.status)
            return Reply.json(error.http_status, error.to_json())
        size = min(int(call.query.get("pageSize", ["50"])[0]), 200)
        start = int(call.query.get("pageToken", ["0"])[0])
        held = self.world.ga4_properties
        summaries = [
            {
                "name": f"accountSummaries/9{one.property_id}",
                "account": f"accounts/9{one.property_id}",
                "displayName": one.name,
                "propertySummaries": [
                    {
                        "property": f"properties/{one.property_id}",
                        "displayName": f"{one.name} (GA4)",
                        "propertyType": "PROPERTY_TYPE_ORDINARY",
                        "parent": f"accounts/9{one.property_id}",
                    }
                ],
            }
            for one in held[start : start + size]
        ]
        told: dict[str, Any] = {"accountSummaries": summaries}
        if start + size < len(held):
            told["nextPageToken"] = str(start + size)
        self.calls.add("ga4", "ListAccountSummaries", None, fault.kind if fault else "OK")
        return Reply.json(200, told, fault)

    def _ga4(self, call: Call) -> Reply:
        try:
            read = ga4_server.read_rest(call.method, unquote(call.path), call.body)
            if read is None:
                return Reply(404, _HTML, "text/html; charset=UTF-8")
            response, fault = self.ga4.answer(*read, call.authorization)
        except ApiError as error:
            return Reply.json(error.http_status, error.to_json())
        numbers = "int" in call.query.get("$alt", [""])[0] or "int" in call.query.get(
            "enum-encoding", []
        )
        return Reply(200, ga4_server.write_rest(response, numbers), fault=fault)

    # --- Search Console -----------------------------------------------------------------------

    def _search_console(self, call: Call, match: re.Match[str]) -> Reply:
        site_url = unquote(match[1]) if match[1] else None
        wanted = {"sites.list": "GET", "sites.get": "GET", "searchanalytics.query": "POST"}
        method = "searchanalytics.query" if match[2] else "sites.get" if site_url else "sites.list"
        if call.method != wanted[method]:
            return Reply.json(404, {"error": {"code": 404, "message": "Not Found"}})
        try:
            told, fault = self.search_console.answer(
                method, site_url, call.body, call.authorization
            )
        except SearchConsoleError as error:
            return Reply.json(error.code, error.to_json())
        return Reply.json(200, told, fault)

    # --- ECB ----------------------------------------------------------------------------------

    def _exchange_rates(self) -> Reply:
        self.calls.add("ecb", "eurofxref-hist", None, 200)
        return Reply(200, ecb_file.packed(self.clock.as_of), "application/zip")

    # --- Slack --------------------------------------------------------------------------------

    def _slack(self, call: Call) -> Reply:
        fault = self.faults.take("slack", "webhook", call.path)
        spoilt = slack_webhook.answer_of(fault) if fault else None
        if not slack_webhook.is_webhook(call.path):
            reply = Reply.text(404, "no_service")
        elif call.method != "POST":
            reply = Reply.text(400, "invalid_payload")
        else:
            message, refusal = slack_webhook.read_message(
                call.body, call.headers.get("Content-Type", "")
            )
            reply = Reply.text(400, refusal) if refusal else Reply.text(200, "ok")
            # a fault leaves it open whether the message arrived: after_messages says that it did
            if not refusal and (fault is None or fault.after_messages):
                self.slack.keep(call.path, message)
        if spoilt:
            status, text, headers = spoilt
            reply = Reply.text(status, text, **headers)
        else:
            reply.fault = fault
        self.calls.add("slack", "webhook", call.path, fault.kind if fault else reply.status)
        return reply

    def _slack_api(self, call: Call) -> Reply:
        method = call.path.removeprefix(slack_api.API_PATH)
        channel = slack_api.channel_of(call.body, call.headers.get("Content-Type", ""))
        fault = self.faults.take("slack", method, channel)
        told: dict[str, Any] = {"ok": True}
        # a fault leaves it open whether the call was carried out: after_messages says that it was
        if fault is None or fault.after_messages or fault.kind == "slow":
            told = self.workspace.answer(
                method,
                call.body,
                call.headers.get("Content-Type", ""),
                call.authorization,
                f"http://{call.headers.get('Host')}",
            )
        spoilt = slack_api.answer_of(fault) if fault else None
        if spoilt:
            status, text, headers = spoilt
            reply = Reply(status, text.encode(), headers=headers)
        else:
            reply = Reply.json(200, told, fault)
            reply.headers |= slack_api.headers_of(call.authorization)
        outcome = fault.kind if fault else told.get("error") or reply.status
        self.calls.add("slack", method, channel, outcome)
        return reply

    def _slack_upload(self, call: Call) -> Reply:
        fault = self.faults.take("slack", "upload")
        file_id = call.path.removeprefix(slack_api.UPLOAD_PATH)
        status, text = 200, "OK"
        if fault is None or fault.after_messages or fault.kind == "slow":
            status, text = self.workspace.upload(file_id, call.body)
        spoilt = slack_api.answer_of(fault) if fault else None
        if spoilt:
            status, text, _ = spoilt
        reply = Reply.text(status, text)
        reply.fault = None if spoilt else fault
        self.calls.add("slack", "upload", None, fault.kind if fault else status)
        return reply

    # --- control ------------------------------------------------------------------------------

    def _control(self, call: Call) -> Reply:
        what = (call.method, call.path)
        try:
            if what == ("GET", "/control"):
                return Reply.json(200, self._state())
            if what == ("GET", "/control/calls"):
                after = int(call.query.get("after", ["0"])[0])
                return Reply.json(200, {"calls": self.calls.since(after)})
            if what == ("POST", "/control/as-of"):
                said = json.loads(call.body)
                self.set_as_of(date.fromisoformat(said["as_of"]))
                return Reply.json(200, self._state())
            if what == ("POST", "/control/faults"):
                said = json.loads(call.body)
                wanted = [
                    Fault.from_json(one) for one in (said if isinstance(said, list) else [said])
                ]
                self.faults.add(*wanted)
                return Reply.json(200, self._state())
            if what == ("DELETE", "/control/faults"):
                self.faults.clear()
                return Reply.json(200, self._state())
            if what == ("POST", "/control/clock"):
                said = json.loads(call.body)
                self.faults.advance(float(said.get("advance_seconds", 0)))
                self.date_header_seconds = float(said.get("date_header_seconds", 0))
                return Reply.json(200, self._state())
            if what == ("POST", "/control/restate"):
                said = json.loads(call.body)
                for one in said if isinstance(said, list) else [said]:
                    self.world.restate(Restatement.from_json(one))
                return Reply.json(200, self._state())
            if what == ("DELETE", "/control/restate"):
                self.world.forget_restatements()
                return Reply.json(200, self._state())
            if what == ("POST", "/control/expire-tokens"):
                self.tokens.expire_all()
                return Reply.json(200, self._state())
        except (ValueError, TypeError, KeyError, AttributeError) as problem:
            return Reply.json(400, {"error": f"{type(problem).__name__}: {problem}"})
        return Reply.json(404, {"error": f"{call.method} {call.path} is no control"})

    def _state(self) -> dict[str, Any]:
        return {
            "as_of": self.clock.as_of.isoformat(),
            "endpoints": self.endpoints,
            "faults": [fault.to_json() for fault in self.faults.waiting()],
            "restatements": [one.to_json() for one in self.world.restatements()],
        }


def _oauth_refusal(fault: Fault) -> Reply | None:
    usual: dict[str, tuple[int, str]] = {
        "quota": (429, "rate_limit_exceeded"),
        "internal": (500, "internal_failure"),
        "unavailable": (503, "temporarily_unavailable"),
        "token_expired": (400, "invalid_grant"),
        "permission": (403, "access_denied"),
        "refusal": (400, "invalid_grant"),
    }
    if fault.kind not in usual:
        return None
    status, error = usual[fault.kind]
    revoked = fault.kind in ("token_expired", "refusal")
    description = fault.detail or ("Token has been expired or revoked." if revoked else error)
    reply = Reply.json(
        fault.status or status,
        {"error": fault.reason or error, "error_description": description},
    )
    if fault.retry_delay_seconds is not None:
        reply.headers["Retry-After"] = f"{fault.retry_delay_seconds:g}"
    return reply


# --- sockets ----------------------------------------------------------------------------------


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: WebServer

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_DELETE = do_PUT = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """The call log is the log."""

    def version_string(self) -> str:
        return "Koers sandbox"

    def date_time_string(self, timestamp: float | None = None) -> str:
        moment = time.time() if timestamp is None else timestamp
        return super().date_time_string(moment + self.server.site.date_header_seconds)

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY_BYTES:
            self.close_connection = True
            self._send(Reply.text(413, "too large"))
            return
        body = self.rfile.read(length)
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        if host not in ("127.0.0.1", "localhost"):
            # a web page must not reach the sandbox under a name of its own
            self._send(Reply.text(403, "only 127.0.0.1 and localhost are served"))
            return
        parts = urlsplit(self.path)
        call = Call(self.command, parts.path, parse_qs(parts.query), self.headers, body)
        try:
            reply = self.server.site.answer(call)
        except Exception:  # a mistake of the sandbox must not pass for a lost connection
            logging.getLogger(__name__).exception("%s %s", call.method, call.path)
            reply = Reply.text(500, "the sandbox itself failed; see its log")
        self._send(reply)

    def _send(self, reply: Reply) -> None:
        fault = reply.fault
        if fault and fault.kind == "reset":
            # closing with nothing lingering is what sends RST
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()
            self.connection.close()
            self.close_connection = True
            return
        if fault and fault.kind == "poison":
            reply.body = poison.finish(reply.body, fault.detail or "", is_json=True)
        if fault and fault.kind == "answer":
            reply = Reply.text(fault.status or 500, fault.reason or "")
        if fault and fault.kind == "bad_body":
            if fault.reason == "html":
                reply = Reply(200, _HTML, "text/html; charset=UTF-8")
            else:
                reply.body = reply.body[: len(reply.body) // 2]
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if fault and fault.kind == "slow":
            self.end_headers()
            self._drip(reply.body, fault.pause_seconds)
            return
        if fault and fault.kind in ("stall", "cut"):
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(reply.body[: len(reply.body) // 2])
            self.wfile.flush()
            if fault.kind == "stall":
                self.server.site.faults.stall()
            self.close_connection = True
            return
        self.end_headers()
        self.wfile.write(reply.body)

    def _drip(self, body: bytes, pause_seconds: float) -> None:
        piece = max(1, -(-len(body) // _SLOW_PIECES))
        for start in range(0, len(body), piece):
            self.wfile.write(body[start : start + piece])
            self.wfile.flush()
            self.server.site.faults.stall(pause_seconds)


class WebServer(ThreadingHTTPServer):
    """Serves a `Site` on 127.0.0.1; port 0 takes a free one."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, site: Site) -> None:
        self.site = site
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and close the connections that clients keep open."""
        if self._thread.is_alive():
            self.shutdown()
        self.server_close()
        with self._lock:
            kept = list(self._open)
        for connection in kept:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # gone already

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""
