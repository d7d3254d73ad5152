"""A deadline for a whole request over HTTP, however slowly its answer drips in.

A socket's timeout bounds each single wait: an answer of one byte a second never
strikes it. Here every read gets what is left of the whole as its timeout, in
the connections of requests and of httplib2, which are both those of
http.client, and in mail through `bounded_reader`. No thread watches; where the
deadline strikes, the socket is closed. What is not bounded is the name look-up,
which is the system's own. gRPC's ``timeout=`` is one for the whole call by itself.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httplib2
from requests.adapters import HTTPAdapter, PoolManager

from connectors.base import DEADLINE_EXCEEDED, TransientError

# each address of a host is tried for so long at most; then it is out of reach, not slow
CONNECT_SECONDS = 20.0

_until: ContextVar[float | None] = ContextVar("until", default=None)


class DeadlineExceededError(TimeoutError):
    """The whole request took too long."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Let no request in this block take longer than ``seconds``, from connecting to its last byte.

    Raises DeadlineExceededError in place of whatever the library says of it.
    """
    until = time.monotonic() + seconds
    mark = _until.set(until)
    try:
        yield
    except (OSError, http.client.HTTPException) as e:  # those of requests are OSErrors
        if time.monotonic() < until:
            raise
        raise DeadlineExceededError(f"no whole answer within {seconds:g} seconds") from e
    finally:
        _until.reset(mark)


def overdue(error: BaseException, whom: str, **told: Any) -> TransientError | None:
    """Return what to raise where ``error`` is a deadline that struck; None where it is not."""
    if not isinstance(error, DeadlineExceededError):
        return None
    return TransientError(f"{whom} gave {error}", reason=DEADLINE_EXCEEDED, **told)


def _seconds_left() -> float | None:
    until = _until.get()
    if until is None:
        return None
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class _Reading(io.RawIOBase):
    """A socket's bytes until the deadline; the socket is closed when it strikes.

    ``longest`` bounds a single wait in seconds as well.
    """

    def __init__(
        self, raw: io.RawIOBase, sock: socket.socket, longest: float | None = None
    ) -> None:
        self._raw = raw
        self._sock = sock
        self._longest = longest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        try:
            left = _seconds_left()
            if left is not None:
                self._sock.settimeout(left if self._longest is None else min(left, self._longest))
            read: int | None = self._raw.readinto(buffer)
        except TimeoutError:
            self._raw.close()
            self._sock.close()
            raise
        return read

    def close(self) -> None:
        self._raw.close()
        super().close()


def bounded_reader(sock: socket.socket, longest: float) -> io.BufferedReader:
    """A file of what a socket receives, for protocols that are no HTTP.

    No wait takes longer than ``longest`` seconds, nor all of them than `deadline` allows.
    """
    return io.BufferedReader(_Reading(sock.makefile("rb", buffering=0), sock, longest))


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **named: Any) -> None:
        super().__init__(sock, *args, **named)
        fp: Any = self.fp
        self.fp = io.BufferedReader(_Reading(fp.detach(), sock))


class _Bounded:
    """What is added to a connection of http.client."""

    response_class: Any = _Answer
    timeout: Any

    def connect(self) -> None:
        left = _seconds_left()
        if left is not None:
            self.timeout = min(left, CONNECT_SECONDS)
        super().connect()  # type: ignore[misc]


# --- requests ---------------------------------------------------------------------------------


def _bounded(pool: Any) -> Any:
    """A pool whose connections are bounded, made from the one that requests would use."""
    connection = type("_Connection", (_Bounded, pool.ConnectionCls), {})
    return type("_Pool", (pool,), {"ConnectionCls": connection})


_POOLS = {scheme: _bounded(pool) for scheme, pool in PoolManager().pool_classes_by_scheme.items()}


class BoundedAdapter(HTTPAdapter):
    """Sends requests of a session so that `deadline` bounds them."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


# --- httplib2 ---------------------------------------------------------------------------------


class _Httplib2Http(_Bounded, httplib2.HTTPConnectionWithTimeout):  # type: ignore[misc]
    pass


class _Httplib2Https(_Bounded, httplib2.HTTPSConnectionWithTimeout):  # type: ignore[misc]
    pass


class BoundedHttp(httplib2.Http):  # type: ignore[misc]
    """An httplib2.Http whose requests `deadline` bounds."""

    def request(self, uri: str, *args: Any, connection_type: Any = None, **named: Any) -> Any:
        kind: Callable[..., Any] = _Httplib2Https if uri.startswith("https:") else _Httplib2Http
        return super().request(uri, *args, connection_type=connection_type or kind, **named)
