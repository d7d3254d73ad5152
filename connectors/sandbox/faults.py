"""Faults that can be asked of the sandbox, call by call.

A server asks `Faults.take` at the start of every call. What it gets back it
plays as its vendor would: the same status, the same error body, the same
headers. What each kind looks like:

==================  ==========================================================
kind                Google Ads and GA4 gRPC / Google REST / Slack / SMTP
==================  ==========================================================
``quota``           RESOURCE_EXHAUSTED / 429 / 429 with Retry-After / 451;
                    ``detail`` says which: ``hour``, ``day``, ``concurrent``,
                    ``minute`` (the Cloud project's), for Search Console ``qps``
                    or ``load``; with ``account_id`` it is that account's own
``internal``        INTERNAL / 500 / 500 / 451
``unavailable``     UNAVAILABLE / 503 / 503 / 421
``stall``           the answer never ends (headers or the first messages may come)
``slow``            all of the answer, in up to 20 pieces ``pause_seconds`` apart:
                    no single wait is long (GA4's one gRPC message: one long wait)
``cut``             stream or body breaks off halfway; SMTP: the line drops
``reset``           HTTP: the connection is reset before any answer (RST); gRPC: UNAVAILABLE
``token_expired``   UNAUTHENTICATED / 401; at ``oauth``: ``invalid_grant``
``permission``      PERMISSION_DENIED / 403 / 403 ``action_prohibited`` / 550
``bad_body``        truncated JSON, or HTML with status 200 when ``reason`` is ``html``
``answer``          the HTTP ``status`` and body ``reason``, or the SMTP reply, as given
``refusal``         the vendor's error structure with ``reason``, ``status`` and ``detail``
                    (the text): see below
``poison``          a right answer with one thing wrong in it: ``detail`` says what,
                    see `connectors.sandbox.poison`
==================  ==========================================================

A ``refusal`` of Google Ads has one of its error codes as ``reason``: sunset
version ``UNSUPPORTED_VERSION`` (``UNIMPLEMENTED`` once it is gone), unknown field
``UNRECOGNIZED_FIELD``, ``OAUTH_TOKEN_REVOKED``, ``CUSTOMER_NOT_ENABLED`` and so on;
one that several errors share is written ``query_error.BAD_VALUE``. Those of GA4 and
Search Console have an HTTP ``status`` (400 unless given) and a ``reason``:
``SERVICE_DISABLED``, ``accessNotConfigured``; 501 or 404 for a version that is gone.
Slack's Web API refuses with 200 and ``reason`` as its ``error``: ``is_archived``.

A refresh token that is revoked for everybody: ``token_expired`` at ``oauth`` with
``times=0``, and the access tokens expired by ``POST /control/expire-tokens``.
No answer at all (connection refused) is a port on which nobody listens.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from connectors.sandbox.poison import POISONS, SOURCES_WITH_POISON

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
    "slow",
    "reset",
    "refusal",
    "poison",
]
FaultSource = Literal["google_ads", "ga4", "search_console", "oauth", "slack", "smtp"]

KINDS: tuple[str, ...] = get_args(Kind)
SOURCES: tuple[str, ...] = get_args(FaultSource)
_QUOTA_DETAILS = ("minute", "hour", "day", "concurrent", "qps", "load")
# GA4 and Search Console only say in words when a quota returns
_TELL_HOW_LONG = ("google_ads", "slack", "oauth")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, ``times`` times, for the calls that match.

    ``account_id`` and ``method`` narrow it down; None matches every call.
    Methods are named as the vendor names them: ``SearchStream``, ``Search``,
    ``RunReport``, ``CheckCompatibility``, ``GetMetadata``, ``sites.list``,
    ``searchanalytics.query``, ``token``, ``webhook``, ``chat.postMessage`` and Slack's
    other methods, ``upload``, ``AUTH``, ``RCPT``, ``DATA``. For SMTP the account is the
    recipient's address, for Slack the webhook path or the channel.
    ``times=0`` lasts until `Faults.clear`. ``retry_delay_seconds`` is what the
    answer tells the client to wait. A stream sends ``after_messages`` whole
    messages before it fails; with one or more, Slack and SMTP keep the message
    before they fail (the answer that leaves the sender in doubt). ``status``
    and ``reason`` replace the usual HTTP status (or SMTP code) and the vendor's
    reason code.

    ``lasts_seconds`` makes it last that long instead of ``times`` calls, by the
    sandbox's own clock, which `Faults.advance` moves on. A quota says how long
    that still is where its vendor says so and ``retry_delay_seconds`` is not set.
    ``asks`` is a text that the request has to hold: a part of the GAQL query, of
    GA4's report request as JSON, or of Search Console's body. A poison without
    it waits for an answer about days, with rows, that it can spoil.
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
    detail: str | None = None
    asks: str | None = None
    lasts_seconds: float | None = None
    pause_seconds: float = 0.1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f'kind "{self.kind}" is not one of {", ".join(KINDS)}')
        if self.source not in SOURCES:
            raise ValueError(f'source "{self.source}" is not one of {", ".join(SOURCES)}')
        if self.times < 0:
            raise ValueError(f"times is {self.times}; expected 0 (until cleared) or more")
        if self.kind == "quota" and self.detail not in (None, *_QUOTA_DETAILS):
            raise ValueError(f'quota "{self.detail}" is not one of {", ".join(_QUOTA_DETAILS)}')
        if self.kind in ("slow", "reset", "refusal") and self.source == "smtp":
            raise ValueError(f"{self.kind} is not for smtp; use stall, cut or answer")
        if self.kind == "poison":
            if self.source not in SOURCES_WITH_POISON:
                raise ValueError(f"{self.source} has no poison")
            if self.detail not in POISONS:
                raise ValueError(f'poison "{self.detail}" is not one of {", ".join(POISONS)}')

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

    def matches(self, source: str, method: str, account_id: str | None, request: str = "") -> bool:
        return (
            self.source == source
            and self.method in (None, method)
            and self.account_id in (None, account_id)
            and (self.asks is None or self.asks in request)
        )


class Faults:
    """The faults that are still to happen, in the order they were asked for."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._now = now
        self._advanced = 0.0
        self._waiting: list[tuple[Fault, float | None]] = []  # with the moment it ends
        self._released = threading.Event()

    def add(self, *faults: Fault) -> None:
        with self._lock:
            for fault in faults:
                lasts = fault.lasts_seconds
                self._waiting.append((fault, None if lasts is None else self._clock() + lasts))

    def advance(self, seconds: float) -> None:
        """Let time pass at once for the faults that last a while."""
        with self._lock:
            self._advanced += seconds

    def take(
        self, source: str, method: str, account_id: str | None = None, request: str = ""
    ) -> Fault | None:
        """Return the first fault that matches this call and count it as played.

        Poison is not among them: see `take_poison`.
        """
        return self._take(
            lambda fault: (
                fault.kind != "poison" and fault.matches(source, method, account_id, request)
            )
        )

    def take_poison(
        self,
        source: str,
        method: str,
        account_id: str | None,
        request: str,
        fits: Callable[[Fault], bool],
    ) -> Fault | None:
        """Return the first poison for this answer that ``fits`` says it can spoil."""
        return self._take(
            lambda fault: (
                fault.kind == "poison"
                and fault.matches(source, method, account_id, request)
                and fits(fault)
            )
        )

    def _take(self, wanted: Callable[[Fault], bool]) -> Fault | None:
        with self._lock:
            now = self._clock()
            self._waiting = [(f, end) for f, end in self._waiting if end is None or now < end]
            for at, (fault, end) in enumerate(self._waiting):
                if not wanted(fault):
                    continue
                if end is not None:
                    if fault.retry_delay_seconds is None and fault.source in _TELL_HOW_LONG:
                        return replace(fault, retry_delay_seconds=end - now)
                elif fault.times == 1:
                    del self._waiting[at]
                elif fault.times > 1:
                    self._waiting[at] = (replace(fault, times=fault.times - 1), None)
                return fault
        return None

    def _clock(self) -> float:
        return self._now() + self._advanced

    def waiting(self) -> tuple[Fault, ...]:
        with self._lock:
            now = self._clock()
            return tuple(fault for fault, end in self._waiting if end is None or now < end)

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
