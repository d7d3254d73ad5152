"""What is worth another try, after how long, and when to leave a source in peace.

A step has ``ATTEMPTS`` attempts, and none of them begins later than
``BUDGET_SECONDS`` after the first: with the last one's own deadline that is the
longest that a step can take. A request whose deadline struck is not repeated as
it was: `loading.py` reads it in smaller parts, or once more when all else is
in. So that many slices cannot each run into their deadline, a `CircuitBreaker`
stops an account and then its source.
"""

from __future__ import annotations

import random
import threading
from collections import Counter

from connectors.base import DEADLINE_EXCEEDED, Slice, SourceError, TransientError

# A morning's run should end within the hour in which people read it.
ATTEMPTS = 5
BUDGET_SECONDS = 300.0
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 120.0
# so that those who were told the same delay do not all come back at once
JITTER = 0.1
# Deadlines in a row, without an answer in between. A slice of a month, its halves and its
# quarters are seven: smaller parts than that do not help.
STRIKES_OF_ACCOUNT = 8
STRIKES_OF_SOURCE = 16


def is_overdue(error: object) -> bool:
    """Whether the deadline of a whole request struck."""
    return isinstance(error, TransientError) and error.reason == DEADLINE_EXCEEDED


def worth_retrying(error: BaseException, elapsed_seconds: float = 0.0) -> bool:
    """True for what may pass by itself within the time that we are ready to wait.

    ``elapsed_seconds`` is how long ago the first attempt began.
    """
    if not isinstance(error, TransientError) or is_overdue(error):
        return False
    told = error.retry_after_seconds or 0.0
    return told <= LONGEST_WAIT_SECONDS and elapsed_seconds + told <= BUDGET_SECONDS


def told_wait(error: BaseException) -> float | None:
    """The vendor's own delay with some jitter on top; None where it gave none."""
    told = error.retry_after_seconds if isinstance(error, TransientError) else None
    return None if told is None else told * (1 + random.uniform(0, JITTER))  # noqa: S311


def wait_or_give_up(error: BaseException, elapsed_seconds: float = 0.0) -> bool | float:
    """For stamina: the vendor's own delay where it gave one, else its backoff; False to give up."""
    if not worth_retrying(error, elapsed_seconds):
        return False
    told = told_wait(error)
    return True if told is None else told


class CircuitBreaker:
    """Counts the deadlines that struck in a row; shared by all threads of a run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._strikes: Counter[tuple[str, ...]] = Counter()

    def check(self, piece: Slice) -> None:
        """Raise the TransientError that stops an account or a source which is never in time."""
        source, account = _keys(piece)
        with self._lock:
            strikes = self._strikes[source], self._strikes[account]
        if strikes[0] >= STRIKES_OF_SOURCE:
            raise TransientError(
                f"{piece.table.source} did not answer in time {strikes[0]} times in a row",
                reason=DEADLINE_EXCEEDED,
                scope="source",
                hint="not asked again in this run; the next one goes on where this one was",
            )
        if strikes[1] >= STRIKES_OF_ACCOUNT:
            raise TransientError(
                f"{piece.table.source} {piece.account.account_id} did not answer in time "
                f"{strikes[1]} times in a row",
                reason=DEADLINE_EXCEEDED,
                scope="account",
                hint="not asked again in this run; the next one goes on where this one was",
            )

    def answered(self, piece: Slice) -> None:
        with self._lock:
            for key in _keys(piece):
                self._strikes.pop(key, None)

    def failed(self, piece: Slice, error: SourceError) -> None:
        if not is_overdue(error):
            return
        # a token endpoint that is late is late for every account
        strikes = STRIKES_OF_SOURCE // 2 if error.scope == "source" else 1
        with self._lock:
            for key in _keys(piece):
                self._strikes[key] += strikes


def _keys(piece: Slice) -> tuple[tuple[str, ...], tuple[str, ...]]:
    source = (piece.client, piece.table.source)
    return source, (*source, piece.account.account_id)
