"""One sandbox: every vendor's API on 127.0.0.1, out of one seeded world."""

from __future__ import annotations

import argparse
import errno
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc

from connectors.sandbox import slack_api
from connectors.sandbox import tokens as oauth
from connectors.sandbox.certificate import ensure_certificate
from connectors.sandbox.faults import Faults
from connectors.sandbox.ga4_server import Ga4Service, add_ga4
from connectors.sandbox.mail import PASSWORD, USERNAME, MailInbox, MailServer
from connectors.sandbox.search_console_server import SearchConsoleService
from connectors.sandbox.slack_webhook import SlackInbox
from connectors.sandbox.state import CallLog, Clock
from connectors.sandbox.story import FIRST_DAY, LAST_DAY
from connectors.sandbox.tokens import Tokens
from connectors.sandbox.web import Site, WebServer
from connectors.sandbox.world import Scale, World

DEMO_DAY = date(2026, 11, 20)
SLACK_WEBHOOK_PATH = "/services/T0SANDBOX/B0SANDBOX/koers"
# in the state folder: what `--json` prints, for who comes later
ENDPOINTS_FILE = "endpoints.json"

# a call that is stalled by a fault keeps its thread
_GRPC_THREADS = 32


class SandboxError(Exception):
    """The sandbox cannot start; the text says what to do."""


@dataclass(frozen=True)
class Ports:
    """Where on 127.0.0.1 to listen; 0 takes a free port."""

    grpc: int = 8470
    http: int = 8471
    smtp: int = 8472

    @classmethod
    def free(cls) -> Ports:
        return cls(0, 0, 0)


class Sandbox:
    """Google Ads, GA4, Search Console, OAuth, Slack and SMTP for one simulated day.

    ``state_dir`` keeps the certificate and the service account between runs;
    what is sent arrives in ``sent_dir`` (default: ``sent`` under ``state_dir``)
    as ``slack.jsonl`` and ``mail/*.eml``. The ports are the usual ones unless
    given; `start` raises SandboxError when one is in use.
    """

    def __init__(
        self,
        state_dir: Path,
        as_of: date = DEMO_DAY,
        seed: int = 2026,
        ports: Ports | None = None,
        sent_dir: Path | None = None,
        world: World | None = None,
        scale: Scale = "small",
    ) -> None:
        _check_day(as_of)
        self.state_dir = state_dir
        self.sent_dir = sent_dir or state_dir / "sent"
        self.ports = ports or Ports()
        self.world = world or World(seed, scale)
        self.clock = Clock(as_of)
        self.faults = Faults()
        self.calls = CallLog()
        self.endpoints: dict[str, Any] = {}
        self._stops: list[Callable[[], object]] = []

    def set_as_of(self, day: date) -> None:
        """Move to another day; raises ValueError outside the world's days."""
        _check_day(day)
        # a quota of a day does not outlast the day
        self.faults.advance(max(0, (day - self.clock.as_of).days) * 86_400)
        self.clock.as_of = day

    def start(self, wait_for_google_ads: bool = True) -> None:
        """Start all servers.

        The messages of Google Ads take longer to import than all the rest. They
        are imported in a thread; unless told to wait, this returns before it is
        done, and the first calls to Google Ads wait instead.
        """
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self.state_dir = self.state_dir.resolve()
        self.sent_dir = self.sent_dir.resolve()
        try:
            self._start(wait_for_google_ads)
        except BaseException:
            self.stop()
            raise

    def _start(self, wait_for_google_ads: bool) -> None:
        certificate = ensure_certificate(self.state_dir)
        service_key = oauth.load_service_key(self.state_dir)
        self.tokens = Tokens(service_key)
        self.ga4 = Ga4Service(self.world, self.clock, self.tokens, self.faults, self.calls)
        self.search_console = SearchConsoleService(
            self.world, self.clock, self.tokens, self.faults, self.calls
        )

        google_ads = _LateHandlers("google.ads.googleads.", self._add_google_ads)
        grpc_port = self._start_grpc(
            google_ads, certificate.cert_file.read_bytes(), certificate.key_file.read_bytes()
        )
        if wait_for_google_ads:
            google_ads.wait()
        site = Site(
            self.clock,
            self.tokens,
            self.faults,
            self.calls,
            self.ga4,
            self.search_console,
            SlackInbox(self.sent_dir / "slack.jsonl"),
            self.set_as_of,
            self.world,
        )
        web = self._listening(self.ports.http, lambda: WebServer(self.ports.http, site))
        web.start()
        self._stops.append(web.stop)
        smtp_port = self.ports.smtp or _free_port()
        mail = MailServer(
            smtp_port, MailInbox(self.sent_dir / "mail"), self.faults, self.calls, certificate
        )
        self._listening(smtp_port, mail.start)
        self._stops.append(mail.stop)

        url = f"http://127.0.0.1:{web.port}"
        service_account_file = self.state_dir / "service-account.json"
        oauth.write_service_account_file(service_account_file, service_key, f"{url}/token")
        client_secrets_file = self.state_dir / "client-secrets.json"
        oauth.write_client_secrets_file(client_secrets_file, f"{url}/auth", f"{url}/token")
        self.endpoints = {
            "google_ads": f"127.0.0.1:{grpc_port}",
            "ga4_grpc": f"127.0.0.1:{grpc_port}",
            "ga4_rest": url,
            "search_console": url,
            "ecb": url,
            "auth_uri": f"{url}/auth",
            "token_uri": f"{url}/token",
            "ga4_admin": url,
            "client_secrets_file": str(client_secrets_file),
            "slack": url + SLACK_WEBHOOK_PATH,
            "slack_bot": {
                "endpoint": url + slack_api.API_PATH,
                "token": slack_api.TOKEN,
                "channel": slack_api.CHANNEL,
            },
            "smtp": {
                "host": "127.0.0.1",
                "port": smtp_port,
                "username": USERNAME,
                "password": PASSWORD,
            },
            "control": f"{url}/control",
            "ca_file": str(certificate.ca_file),
            "sent_dir": str(self.sent_dir),
            "as_of": self.clock.as_of.isoformat(),
            "credentials": {
                "developer_token": oauth.DEVELOPER_TOKEN,
                "client_id": oauth.CLIENT_ID,
                "client_secret": oauth.CLIENT_SECRET,
                "refresh_token": oauth.REFRESH_TOKEN,
                "json_key_file_path": str(service_account_file),
            },
        }
        site.endpoints = self.endpoints
        told = self.state_dir / ENDPOINTS_FILE
        told.touch(mode=0o600)
        told.write_text(json.dumps(self.endpoints, indent=2), encoding="utf-8")

    def _add_google_ads(self, server: Any) -> None:
        from connectors.sandbox.google_ads_server import add_google_ads

        add_google_ads(server, self.world, self.clock, self.tokens, self.faults)

    def _start_grpc(self, google_ads: _LateHandlers, certificate: bytes, key: bytes) -> int:
        server = grpc.server(
            ThreadPoolExecutor(_GRPC_THREADS, thread_name_prefix="sandbox-grpc"),
            interceptors=[_CallLogger(self.calls)],
            # two sandboxes on one port would share the calls between them
            options=[("grpc.so_reuseport", 0)],
        )
        server.add_generic_rpc_handlers((google_ads,))
        add_ga4(server, self.ga4)
        credentials = grpc.ssl_server_credentials([(key, certificate)])
        port: int = self._listening(
            self.ports.grpc,
            lambda: server.add_secure_port(f"127.0.0.1:{self.ports.grpc}", credentials),
        )
        server.start()
        self._stops.append(lambda: server.stop(0.2).wait(5))
        return port

    @staticmethod
    def _listening(port: int, listen: Callable[[], Any]) -> Any:
        """Call ``listen``; a port in use becomes a SandboxError."""
        if port:
            _refuse_busy(port)
        try:
            return listen()
        except OSError as problem:
            if problem.errno == errno.EADDRINUSE:
                raise _busy(port) from problem
            raise
        except RuntimeError as problem:  # how gRPC says it
            raise _busy(port) from problem

    def stop(self) -> None:
        """Stop all servers; calls that are stalled end."""
        self.faults.clear()
        while self._stops:
            self._stops.pop()()

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


# what happened on the last days goes on arriving after them, and periods are closed
LAST_MORNING = LAST_DAY + timedelta(days=60)


def _check_day(day: date) -> None:
    if not FIRST_DAY < day <= LAST_MORNING:
        raise ValueError(
            f"as-of {day} is not within the sandbox's days {FIRST_DAY}..{LAST_MORNING}"
        )


def _busy(port: int) -> SandboxError:
    return SandboxError(
        f"port {port} on 127.0.0.1 is in use, perhaps by another sandbox; "
        "stop that one, or take free ports with --free-ports"
    )


def _refuse_busy(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as problem:
            if problem.errno == errno.EADDRINUSE:
                raise _busy(port) from problem
            raise SandboxError(f"port {port} cannot be used: {problem.strerror}") from problem


def _free_port() -> int:
    # aiosmtpd cannot say which port it was given, so that we choose
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _LateHandlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """The handlers of one vendor, added in a thread while the server runs already."""

    def __init__(self, package: str, add: Callable[[Any], None]) -> None:
        self._package = f"/{package}"
        self._handlers: list[grpc.GenericRpcHandler] = []
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._load, args=(add,), daemon=True)
        self._thread.start()

    def _load(self, add: Callable[[Any], None]) -> None:
        try:
            add(self)
        except BaseException as problem:  # told to everybody who waits
            self._failed = problem

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """What the vendor's module takes for the server's own method."""
        self._handlers.extend(handlers)

    def wait(self) -> None:
        """Return when all are there; raises what went wrong."""
        self._thread.join()
        if self._failed:
            raise RuntimeError(f"{self._package} cannot be served") from self._failed

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        if not details.method.startswith(self._package):
            return None
        self.wait()
        found = (handler.service(details) for handler in self._handlers)
        return next((one for one in found if one is not None), None)


class _CallLogger(grpc.ServerInterceptor):  # type: ignore[misc]
    """Notes Google Ads calls; GA4 notes its own, which come by REST as well."""

    def __init__(self, calls: CallLog) -> None:
        self._calls = calls

    def intercept_service(
        self, continuation: Callable[[Any], Any], details: grpc.HandlerCallDetails
    ) -> Any:
        handler = continuation(details)
        if handler is None or ".googleads." not in details.method:
            return handler
        method = details.method.rpartition("/")[2]
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(
                self._streamed(method, handler.unary_stream),
                handler.request_deserializer,
                handler.response_serializer,
            )
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                self._single(method, handler.unary_unary),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return handler

    def _streamed(self, method: str, answer: Callable[..., Any]) -> Callable[..., Any]:
        def call(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            messages = 0
            try:
                for message in answer(request, context):
                    messages += 1
                    yield message
            finally:
                self._note(method, request, context, messages=messages)

        return call

    def _single(self, method: str, answer: Callable[..., Any]) -> Callable[..., Any]:
        def call(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                return answer(request, context)
            finally:
                self._note(method, request, context)

        return call

    def _note(
        self, method: str, request: Any, context: grpc.ServicerContext, **detail: Any
    ) -> None:
        code = context.code()
        status = code.name if isinstance(code, grpc.StatusCode) else "OK"
        query = getattr(request, "query", None)
        if query is not None:
            detail["query"] = query
        customer_id = getattr(request, "customer_id", None)
        self._calls.add("google_ads", method, customer_id, status, **detail)


# --- the process ------------------------------------------------------------------------------


def describe(endpoints: dict[str, Any]) -> str:
    """Say for a person where everything is."""
    smtp, credentials = endpoints["smtp"], endpoints["credentials"]
    rows = (
        ("Google Ads (gRPC, TLS)", endpoints["google_ads"]),
        ("GA4 (gRPC, TLS)", endpoints["ga4_grpc"]),
        ("GA4 (REST)", endpoints["ga4_rest"]),
        ("Search Console", endpoints["search_console"]),
        ("ECB exchange rates", endpoints["ecb"]),
        ("OAuth consent", endpoints["auth_uri"]),
        ("OAuth token endpoint", endpoints["token_uri"]),
        ("Slack webhook", endpoints["slack"]),
        ("SMTP", f"{smtp['host']}:{smtp['port']}"),
        ("Control", endpoints["control"]),
        ("Certificate authority", endpoints["ca_file"]),
        ("Messages arrive in", endpoints["sent_dir"]),
        ("Client id", credentials["client_id"]),
        ("Client secret", credentials["client_secret"]),
        ("Refresh token", credentials["refresh_token"]),
        ("Service account key", credentials["json_key_file_path"]),
        ("OAuth client secrets", endpoints["client_secrets_file"]),
    )
    lines = [f"The sandbox serves what was known on {endpoints['as_of']}; Ctrl-C stops it."]
    return "\n".join([*lines, *(f"  {name:<24}{value}" for name, value in rows)])


def serve(
    sandbox: Sandbox,
    as_json: bool = False,
    parent: int | None = None,
    stopped: threading.Event | None = None,
) -> int:
    """Run until SIGINT or SIGTERM, until ``parent`` has gone, or ``stopped`` is set.

    Prints the endpoints on stdout when everything is ready: for people, or as
    one line of JSON. Returns the exit code: 0, or 5 when a port is in use.
    Call it from the main thread.
    """
    stopped = stopped or threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        sandbox.start(wait_for_google_ads=False)
    except SandboxError as problem:
        sys.stderr.write(f"{problem}\n")
        return 5
    is_child = os.getppid() == parent
    try:
        told = json.dumps(sandbox.endpoints) if as_json else describe(sandbox.endpoints)
        sys.stdout.write(told + "\n")
        sys.stdout.flush()
        while not stopped.wait(0.5):
            # a parent that nobody reaps is a zombie and still answers to its id
            if parent is not None and (not _alive(parent) or (is_child and os.getppid() != parent)):
                break
    finally:
        sandbox.stop()
    return 0


def _alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m connectors.sandbox``: run the sandbox in the foreground."""
    parser = argparse.ArgumentParser(
        prog="python -m connectors.sandbox",
        description="Serve the vendors' APIs on 127.0.0.1 until interrupted.",
    )
    parser.add_argument("--as-of", type=date.fromisoformat, default=DEMO_DAY, metavar="YYYY-MM-DD")
    parser.add_argument("--state-dir", type=Path, default=Path("demo/sandbox"), metavar="DIR")
    parser.add_argument("--sent-dir", type=Path, metavar="DIR", help="default: STATE_DIR/sent")
    parser.add_argument("--seed", type=int, default=2026, help="of the world's figures")
    parser.add_argument(
        "--scale",
        choices=("small", "large"),
        default="small",
        help="large: twenty ad accounts with three years more, under manager 1000000003",
    )
    parser.add_argument("--free-ports", action="store_true", help="instead of 8470, 8471, 8472")
    parser.add_argument("--json", action="store_true", help="print the endpoints as one JSON line")
    parser.add_argument("--parent", type=int, metavar="PID", help="stop when this process has gone")
    asked = parser.parse_args(argv)
    try:
        sandbox = Sandbox(
            asked.state_dir,
            asked.as_of,
            asked.seed,
            Ports.free() if asked.free_ports else Ports(),
            asked.sent_dir,
            scale=asked.scale,
        )
    except ValueError as problem:
        parser.error(str(problem))
    return serve(sandbox, as_json=asked.json, parent=asked.parent)
