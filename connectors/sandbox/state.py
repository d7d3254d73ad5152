"""What every server of one sandbox shares: which day it is, and who called."""

from __future__ import annotations

import threading
from collections import deque
from datetime import date
from typing import Any


class Clock:
    """The simulated day. Data is what was known in the early morning of ``as_of``.

    ``today`` is the same day under the name that relative dates use.
    """

    def __init__(self, as_of: date) -> None:
        self._as_of = as_of

    @property
    def as_of(self) -> date:
        return self._as_of

    @as_of.setter
    def as_of(self, day: date) -> None:
        self._as_of = day

    @property
    def today(self) -> date:
        return self._as_of


class CallLog:
    """The calls that came in, oldest first; the last 10,000 are kept.

    One call is ``{"n", "source", "method", "account_id", "status", "detail"}``;
    ``status`` is the HTTP status, gRPC code name or SMTP code of the answer.
    No credential is ever part of it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: deque[dict[str, Any]] = deque(maxlen=10_000)
        self._count = 0

    def add(
        self, source: str, method: str, account_id: str | None, status: str | int, **detail: Any
    ) -> None:
        with self._lock:
            self._count += 1
            self._calls.append(
                {
                    "n": self._count,
                    "source": source,
                    "method": method,
                    "account_id": account_id,
                    "status": status,
                    "detail": detail,
                }
            )

    def since(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the calls numbered above ``after``."""
        with self._lock:
            return [call for call in self._calls if call["n"] > after]
