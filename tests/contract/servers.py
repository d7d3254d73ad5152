"""Small real servers on 127.0.0.1 that play recorded replies over the vendors' own wire.

They know nothing of any vendor: a case gives a function that answers a call
with recorded bytes. TLS uses a certificate made once per test run.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


# --- TLS --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for 127.0.0.1 and localhost; ``ca_file`` is what to trust."""

    key: bytes
    chain: bytes
    ca_file: Path


@cache
def certificate() -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "recorded replies")])
    now = datetime.now(UTC)
    chain = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [
                    x509.DNSName("localhost"),
                    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                ]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    ca_file = Path(tempfile.mkdtemp(prefix="koers-contract-")) / "ca.pem"
    ca_file.write_bytes(chain)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Certificate(secret, chain, ca_file)


# --- gRPC -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class GrpcCall:
    """One call as it came: ``method`` is the full path, ``request`` the serialized message."""

    method: str
    request: bytes
    metadata: Mapping[str, str | bytes]


@dataclass(frozen=True)
class GrpcAnswer:
    """Serialized messages, then a status. A unary method answers with one message.

    An iterator of messages is for a single call.
    ``trailers`` is the trailing metadata (names in ``-bin`` take bytes).
    ``cut`` breaks the connection after the messages instead of ending the call.
    """

    messages: Iterable[bytes] = ()
    status: grpc.StatusCode = grpc.StatusCode.OK
    details: str = ""
    trailers: tuple[tuple[str, str | bytes], ...] = ()
    cut: bool = False


@contextmanager
def grpc_server(
    answer: Callable[[GrpcCall], GrpcAnswer],
) -> Iterator[tuple[str, list[GrpcCall]]]:
    """Serve over TLS; yields ``host:port`` and the list that every call is written to."""
    calls: list[GrpcCall] = []
    server = grpc.server(
        ThreadPoolExecutor(max_workers=8),
        options=[("grpc.so_reuseport", 0), ("grpc.max_send_message_length", -1)],
    )

    def handle(method: str, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        metadata: dict[str, str | bytes] = {}
        for key, value in context.invocation_metadata():
            # a header that comes twice is one header, as HTTP has it
            metadata[key] = f"{metadata[key]}, {value}" if key in metadata else value
        call = GrpcCall(method, request, metadata)
        calls.append(call)
        told = answer(call)
        yield from told.messages
        if told.cut:
            server.stop(None)  # all calls are dropped where they are
            return
        context.set_trailing_metadata(told.trailers)
        if told.status is not grpc.StatusCode.OK:
            context.abort(told.status, told.details)

    class EveryMethod(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            method = details.method
            # on the wire a unary answer is a stream of one message
            return grpc.unary_stream_rpc_method_handler(
                lambda request, context: handle(method, request, context)
            )

    server.add_generic_rpc_handlers((EveryMethod(),))
    tls = certificate()
    port = server.add_secure_port(
        "127.0.0.1:0", grpc.ssl_server_credentials([(tls.key, tls.chain)])
    )
    server.start()
    try:
        yield f"127.0.0.1:{port}", calls
    finally:
        server.stop(None).wait()


# --- HTTP -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class HttpCall:
    """One request as it came; ``path`` holds the query string."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class HttpAnswer:
    """``cut`` announces the whole body, sends the first half and drops the connection."""

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


@contextmanager
def http_server(
    answer: Callable[[HttpCall], HttpAnswer],
) -> Iterator[tuple[str, list[HttpCall]]]:
    """Serve plain http; yields the base URL and the list that every call is written to."""
    calls: list[HttpCall] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            call = HttpCall(self.command, self.path, dict(self.headers.items()), body)
            calls.append(call)
            told = answer(call)
            self.send_response(told.status)
            for name, value in {"Content-Type": "application/json", **told.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told.body)))
            self.end_headers()
            self.wfile.write(told.body[: len(told.body) // 2] if told.cut else told.body)
            self.close_connection = told.cut or self.close_connection

        do_POST = do_GET

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", calls
    finally:
        server.shutdown()
        server.server_close()


# --- a line that drops, or drips --------------------------------------------------------------
@contextmanager
def dropping_line(endpoint: str, after_bytes: int) -> Iterator[str]:
    """Forward to ``endpoint`` and drop each connection after so many bytes of answer."""
    host, port = endpoint.split(":")
    listening = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, to: socket.socket, left: int | None) -> None:
        with suppress(OSError):
            while left is None or left > 0:
                data = source.recv(65536 if left is None else min(left, 65536))
                if not data:
                    break
                to.sendall(data)
                left = None if left is None else left - len(data)
        for end in (source, to):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                server = socket.create_connection((host, int(port)))
                threading.Thread(target=pump, args=(client, server, None), daemon=True).start()
                threading.Thread(
                    target=pump, args=(server, client, after_bytes), daemon=True
                ).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


@contextmanager
def dripping_line(endpoint: str, after_bytes: int) -> Iterator[tuple[str, threading.Event]]:
    """Forward to ``endpoint``; after so many bytes of answer a byte a time, 50 a second.

    Yields the address and what is set once the client has hung up.
    """
    host, port = endpoint.split(":")
    listening = socket.create_server(("127.0.0.1", 0))
    over, hung_up = threading.Event(), threading.Event()
    ends: list[socket.socket] = []

    def forward(source: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                to.sendall(data)

    def drip(source: socket.socket, to: socket.socket) -> None:
        left = after_bytes
        with suppress(OSError):
            while data := source.recv(min(left, 65536) or 1):
                try:
                    to.sendall(data)
                except OSError:
                    hung_up.set()
                    return
                left = max(0, left - len(data))
                if not left and over.wait(0.02):
                    return

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                server = socket.create_connection((host, int(port)))
                ends.extend((client, server))
                threading.Thread(target=forward, args=(client, server), daemon=True).start()
                threading.Thread(target=drip, args=(server, client), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}", hung_up
    finally:
        over.set()
        for end in (listening, *ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
