"""Fetch slices side by side, commit them in order, and stop what cannot go on.

An account or a source that refuses is stopped at once and the others go on. A
slice whose stream breaks off is read again in smaller parts. What a quota
postpones waits until everything else is in.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Protocol

from connectors.base import (
    AccessError,
    AuthError,
    DateWindow,
    RefusedReportError,
    Slice,
    SourceError,
    TransientError,
)
from connectors.registry import SOURCES
from connectors.reports import PREFIX
from flows import steps
from flows.landing import Landed, now
from flows.plan import Found
from flows.retries import is_overdue
from flows.settings import ConfigError
from flows.steps import Failed
from flows.warehouse import NEW_NAME, LoadResult

log = logging.getLogger("koers")

# Slices between two commits: what an interrupted run has to fetch once more at most.
SLICES_PER_COMMIT = 64
# A source of which nothing answers is not asked for ever.
FAILURES_WITHOUT_SUCCESS = 4


class Engine(Protocol):
    """How steps are executed. Every step takes the project first."""

    def call(self, step: Callable[..., Any], *args: Any) -> Any: ...

    def map(self, step: Callable[..., Any], items: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run a step for each item, side by side; an item that fails gives its exception."""
        ...


@dataclass
class Loading:
    """One run's loading: what is still to do, what waits, what was stopped, what came of it.

    ``patience_seconds`` is how long the run waits for a quota when nothing else
    is left to do. ``pause`` waits; tests give their own.
    """

    engine: Engine
    patience_seconds: float = 0.0
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    loads: list[LoadResult] = field(default_factory=list)
    errors: list[SourceError] = field(default_factory=list)
    announced: dict[Slice, int] = field(default_factory=dict)  # rows, where the API says so
    _stopped: set[tuple[str, ...]] = field(default_factory=set)
    _postponed: list[tuple[float, Slice, SourceError]] = field(default_factory=list)
    _held: dict[tuple[str, ...], tuple[float, SourceError]] = field(default_factory=dict)
    _failures: dict[tuple[str, str], int] = field(default_factory=dict)
    _again: set[Slice] = field(default_factory=set)

    def refuse(self, found: Sequence[Found], as_of: date) -> None:
        """Write the accounts that are not asked, skipped or refusing, into the ledger."""
        not_asked = [
            steps.account_failure(one.client, account, as_of)
            for one in found
            for account in one.accounts
            if account.status != "enabled"
        ]
        if not_asked:
            noted = self.engine.call(steps.commit_slices, not_asked)
            self.loads += [load for load in noted if load.outcome != "skipped"]

    def load(self, pieces: Sequence[Slice]) -> None:
        """Load the slices; what failed is in ``errors`` and in the ledger."""
        todo = deque(_batches(self._readable(pieces)))
        while todo or self._postponed:
            if not todo:
                todo.append(self._wait_for_quota())
                continue
            smaller = self._load_batch(todo.popleft())
            if smaller:
                todo.append(smaller)

    # --- what users defined ------------------------------------------------------------------

    def _readable(self, pieces: Sequence[Slice]) -> list[Slice]:
        """The slices but those of reports that cannot be read: each fails by itself, told once.

        Before anything is read the API is asked about each, per account where accounts
        have fields of their own.
        """
        of_reports = [piece for piece in pieces if piece.table.asks is not None]
        if not of_reports:
            return list(pieces)
        tables = {piece.table.name: piece.table for piece in of_reports}
        conflicts = self.engine.call(steps.conflicting_reports, list(tables.values()))
        refused: dict[tuple[str, ...], SourceError] = {}
        ask: dict[tuple[str, ...], Slice] = {}
        for piece in of_reports:
            if piece.table.name in conflicts:
                name = piece.table.grain.removeprefix(PREFIX)
                told = f"the report {name}: {conflicts[piece.table.name]}"
                refused[_judged_as(piece)] = RefusedReportError(told, hint=NEW_NAME)
            else:
                ask.setdefault(_judged_as(piece), piece)
        answers = self.engine.map(steps.check_report, [(piece,) for piece in ask.values()])
        for key, answer in zip(ask, answers, strict=True):
            if isinstance(answer, RefusedReportError):
                refused[key] = answer
        self._give_up(of_reports, refused)
        return [p for p in pieces if p.table.asks is None or _judged_as(p) not in refused]

    def _give_up(
        self, pieces: Sequence[Slice], refused: Mapping[tuple[str, ...], SourceError]
    ) -> None:
        """Note one failure for each report and account, of the last days it would have read."""
        moment = now()
        last: dict[tuple[str, ...], Slice] = {}
        for piece in sorted(pieces, key=lambda p: p.window):
            if _judged_as(piece) in refused:
                last[(piece.table.name, *_account_of(piece))] = piece
        failed = [Failed(p, refused[_judged_as(p)], moment, moment) for p in last.values()]
        for key, error in refused.items():
            log.error("%s: %s", " ".join(part for part in key if part), error)
            self.errors.append(error)
        if failed:
            self.loads += self.engine.call(steps.commit_slices, failed)

    # --- one batch --------------------------------------------------------------------------

    def _load_batch(self, batch: Sequence[Slice]) -> list[Slice]:
        """Fetch and commit a batch; returns the smaller parts of what broke off."""
        asked = [piece for piece in batch if self._may_be_asked(piece)]
        started_at = now()
        arrived: list[Landed | Failed] = []
        smaller: list[Slice] = []
        answers = self.engine.map(steps.fetch_slice, [(piece,) for piece in asked])
        for piece, answer in zip(asked, answers, strict=True):
            if not isinstance(answer, Exception):
                self._failures[_source_of(piece)] = -1  # it does answer
                rows = getattr(answer, "announced_rows", None)
                if rows is not None:
                    self.announced[piece] = rows
                arrived.append(answer)
                continue
            error = as_source_error(answer)
            if self._is_postponed(piece, error):
                continue
            parts = self._parts_of(piece, error)
            if parts:
                log.warning("%s: %s; reading it in smaller parts", piece, error)
                smaller += parts
                continue
            if self._may_come_again(piece, error):
                log.warning("%s: %s; asking once more when the others are in", piece, error)
                smaller.append(piece)
                continue
            log.error("%s: %s", piece, error)
            self.errors.append(error)
            self._stop(piece, error)
            arrived.append(Failed(piece, error, started_at, now()))
        if arrived:
            self.loads += self.engine.call(steps.commit_slices, arrived)
        return smaller

    def _may_be_asked(self, piece: Slice) -> bool:
        """False for what was stopped; what a quota holds is put aside."""
        if {_source_of(piece), _account_of(piece)} & self._stopped:
            return False
        for key in (_source_of(piece), _account_of(piece)):
            if key in self._held:
                ready_at, error = self._held[key]
                self._postponed.append((ready_at, piece, error))
                return False
        return True

    def _stop(self, piece: Slice, error: SourceError) -> None:
        if piece.table.asks is not None and _is_its_own(error):
            return  # others do not suffer from what a user asked for
        if error.scope == "source":
            self._stopped.add(_source_of(piece))
        elif error.scope == "account":
            self._stopped.add(_account_of(piece))
        elif isinstance(error, TransientError):
            self._count_failure(piece)

    def _count_failure(self, piece: Slice) -> int:
        """How often a source failed that has not answered once in this run; stops it in the end."""
        key = _source_of(piece)
        failures = self._failures.get(key, 0)
        if failures < 0:
            return 0
        self._failures[key] = failures + 1
        if failures + 1 >= FAILURES_WITHOUT_SUCCESS:
            log.error("%s of %s does not answer at all; not asked again in this run", *key[::-1])
            self._stopped.add(key)
        return failures + 1

    # --- smaller parts ----------------------------------------------------------------------

    def _parts_of(self, piece: Slice, error: SourceError) -> list[Slice]:
        """Two halves of a slice that broke off, unless its source does not answer at all."""
        days = piece.window.days
        breaks = isinstance(error, TransientError) and error.retry_after_seconds is None
        if not breaks or error.scope != "slice" or len(days) < 2 or not piece.table.is_daily:
            return []
        if self._failures.get(_source_of(piece), 0) >= 0:
            return []  # nothing of this source has come through: smaller parts would not either
        middle = len(days) // 2
        return [
            replace(piece, window=DateWindow(days[0], days[middle - 1])),
            replace(piece, window=DateWindow(days[middle], days[-1])),
        ]

    def _may_come_again(self, piece: Slice, error: SourceError) -> bool:
        """True once for a slice whose deadline struck and that has no smaller parts."""
        if not is_overdue(error) or error.scope != "slice" or piece in self._again:
            return False
        self._again.add(piece)
        return True

    # --- quotas -----------------------------------------------------------------------------

    def _is_postponed(self, piece: Slice, error: SourceError) -> bool:
        """Put a slice aside whose quota comes back within this run's patience."""
        wait = error.retry_after_seconds if isinstance(error, TransientError) else None
        if not wait or wait > self.patience_seconds:
            return False
        ready_at = self.clock() + wait
        log.warning("%s: %s; the others go on, this waits for %.0f s", piece, error, wait)
        key = _source_of(piece) if error.scope == "source" else _account_of(piece)
        self._held[key] = (ready_at, error)
        self._postponed.append((ready_at, piece, error))
        return True

    def _wait_for_quota(self) -> list[Slice]:
        """Wait for the first quota to come back; gives the slices that may be asked then."""
        first = min(ready_at for ready_at, _, _ in self._postponed)
        wait = first - self.clock()
        if wait > 0:
            self.patience_seconds -= wait
            self.pause(wait)
        ready = [piece for ready_at, piece, _ in self._postponed if ready_at <= first]
        self._postponed = [one for one in self._postponed if one[0] > first]
        self._held = {key: held for key, held in self._held.items() if held[0] > first}
        return ready


def _source_of(piece: Slice) -> tuple[str, str]:
    return (piece.client, piece.table.source)


def _account_of(piece: Slice) -> tuple[str, str, str]:
    return (piece.client, piece.table.source, piece.account.account_id)


def _judged_as(piece: Slice) -> tuple[str, ...]:
    """What a report is judged for: one account where accounts have fields of their own."""
    account = piece.account.account_id if SOURCES[piece.table.source].own_fields else ""
    return (piece.client, piece.table.source, piece.table.grain, account)


def _is_its_own(error: SourceError) -> bool:
    return not isinstance(error, AuthError | AccessError | TransientError)


def _batches(pieces: Sequence[Slice]) -> Iterator[list[Slice]]:
    """One small slice of each account first, then the others by their days, oldest first.

    An account that refuses is so asked once, and an interrupted run leaves no
    holes behind it.
    """
    ordered = sorted(pieces, key=lambda p: (p.window, p.table.name, p.client, p.account.account_id))
    first: dict[tuple[str, ...], Slice] = {}
    for piece in sorted(ordered, key=lambda p: (p.table.is_daily, p.window)):
        first.setdefault(_account_of(piece), piece)
    asked_first = set(map(id, first.values()))
    rest = [piece for piece in ordered if id(piece) not in asked_first]
    for part in (list(first.values()), rest):
        for start in range(0, len(part), SLICES_PER_COMMIT):
            yield part[start : start + SLICES_PER_COMMIT]


def as_source_error(error: Exception) -> SourceError:
    """What went wrong as a SourceError, whatever it was, so that the other sources go on."""
    if isinstance(error, SourceError):
        return error
    if isinstance(error, ConfigError):  # a secret that is not there stops its source alone
        return SourceError(str(error))
    log.error("unexpected %s", type(error).__name__, exc_info=error)
    wrapped = SourceError(f"unexpected {type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
