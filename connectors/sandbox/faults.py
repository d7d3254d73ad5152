"""Faults that can be asked of the sandbox, call by call.

A server asks `Faults.take` at the start of every call. What it gets back it
plays as its vendor would: the same status, the same error body, the same
headers. What each kind looks like:

==================  ==========================================================
kind                Google Ads and GA4 gRPC / Google REST / Slack / SMTP
==================  ==========================================================
``quota``           RESOURCE_EXHAUSTED / 429 / 429 with Retry-After / 451
``internal``        INTERNAL / 500 / 500 / 451
``unavailable``     UNAVAILABLE / 503 / 503 / 421
``stall``           the answer never ends (headers or the first messages may come)
``cut``             stream or body breaks off halfway; SMTP: the line drops
``token_expired``   UNAUTHENTICATED / 401; at ``oauth``: ``invalid_grant``
``permission``      PERMISSION_DENIED / 403 / 403 ``action_prohibited`` / 550
``bad_body``        truncated JSON, or HTML with status 200 when ``reason`` is ``html``
``answer``          the HTTP ``status`` and body ``reason``, or the SMTP reply, as given
==================  ==========================================================
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

Kind = Literal[
    "quota",
    "internal",
    "unavailable",
    "stall",
    "cut",
    "token_expired",
    "permission",
    "bad_body",
    "answer",
]
FaultSource = Literal["google_ads", "ga4", "search_console", "oauth", "slack", "smtp"]

KINDS: tuple[str, ...] = get_args(Kind)
SOURCES: tuple[str, ...] = get_args(FaultSource)


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, ``times`` times, for the calls that match.

    ``account_id`` and ``method`` narrow it down; None matches every call.
    Methods are named as the vendor names them: ``SearchStream``, ``Search``,
    ``RunReport``, ``CheckCompatibility``, ``GetMetadata``, ``sites.list``,
    ``searchanalytics.query``, ``token``, ``webhook``, ``AUTH``, ``RCPT``, ``DATA``.
    For SMTP the account is the recipient's address, for Slack the webhook path.
    ``times=0`` lasts until `Faults.clear`. ``retry_delay_seconds`` is what the
    answer tells the client to wait. A stream sends ``after_messages`` whole
    messages before it fails; with one or more, Slack and SMTP keep the message
    before they fail (the answer that leaves the sender in doubt). ``status``
    and ``reason`` replace the usual HTTP status (or SMTP code) and the vendor's
    reason code.
    """

    kind: Kind
    source: FaultSource
    account_id: str | None = None
    method: str | None = None
    times: int = 1
    retry_delay_seconds: float | None = None
    after_messages: int = 0
    status: int | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f'kind "{self.kind}" is not one of {", ".join(KINDS)}')
        if self.source not in SOURCES:
            raise ValueError(f'source "{self.source}" is not one of {", ".join(SOURCES)}')
        if self.times < 0:
            raise ValueError(f"times is {self.times}; expected 0 (until cleared) or more")

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Fault:
        """Read one from a control request; raises ValueError for unknown or missing keys."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(said) - known):
            raise ValueError(f"unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
        if missing := sorted({"kind", "source"} - set(said)):
            raise ValueError(f"{missing[0]} is missing")
        return cls(**said)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def matches(self, source: str, method: str, account_id: str | None) -> bool:
        return (
            self.source == source
            and self.method in (None, method)
            and self.account_id in (None, account_id)
        )


class Faults:
    """The faults that are still to happen, in the order they were asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []
        self._released = threading.Event()

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._waiting.extend(faults)

    def take(self, source: str, method: str, account_id: str | None = None) -> Fault | None:
        """Return the first fault that matches this call and count it as played."""
        with self._lock:
            for at, fault in enumerate(self._waiting):
                if not fault.matches(source, method, account_id):
                    continue
                if fault.times == 1:
                    del self._waiting[at]
                elif fault.times > 1:
                    self._waiting[at] = replace(fault, times=fault.times - 1)
                return fault
        return None

    def waiting(self) -> tuple[Fault, ...]:
        with self._lock:
            return tuple(self._waiting)

    def clear(self) -> None:
        """Forget all faults; calls that were stalled end."""
        with self._lock:
            self._waiting.clear()
            stalled, self._released = self._released, threading.Event()
        stalled.set()

    def stall(self, seconds: float = 3600.0) -> bool:
        """Hold the calling thread until `clear` is called or ``seconds`` have passed.

        True when it was released by `clear`.
        """
        with self._lock:
            released = self._released
        return released.wait(seconds)
