"""What a run should have loaded, beside what it did load. Pure.

An account is complete when every day that this run was to read of its source's
daily table is in. One that is neither complete nor has an entry that says why
must never look like success.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from connectors.base import Account, Slice
from connectors.registry import SOURCES
from flows.plan import Found
from flows.warehouse import LoadResult

SILENCE = "nothing was loaded and nothing says why: please report this"


@dataclass(frozen=True)
class AccountCoverage:
    """One account of a client: days of the daily table, rows of all tables.

    ``rows_announced`` and ``rows_stored`` are of the slices whose API says how
    many rows there are; None and 0 where it never does.
    """

    client: str
    source: str
    account_id: str
    days_expected: int
    days_loaded: int
    rows_announced: int | None
    rows_stored: int
    why: str = ""

    @property
    def is_complete(self) -> bool:
        return not self.why

    def __str__(self) -> str:
        return f"{self.client} {self.source} {self.account_id}"


def coverage_of(
    found: Sequence[Found],
    planned: Sequence[Slice],
    loads: Sequence[LoadResult],
    announced: Mapping[Slice, int],
    expected_day: Mapping[tuple[str, str], date | None],
) -> tuple[AccountCoverage, ...]:
    """Each account that is enabled or refuses; those that are closed are nobody's loss.

    ``announced`` is what the API itself said of a slice. ``expected_day`` gives
    by client and source a day that has to be in whatever was planned; none for
    a backfill.
    """
    told = []
    for one in found:
        day = expected_day.get((one.client, one.source))
        for account in one.accounts:
            if account.status != "not_enabled":
                told.append(_coverage(one, account, planned, loads, announced, day))
    return tuple(told)


def _coverage(
    found: Found,
    account: Account,
    planned: Sequence[Slice],
    loads: Sequence[LoadResult],
    announced: Mapping[Slice, int],
    day: date | None,
) -> AccountCoverage:
    def is_its(piece: Slice) -> bool:
        return (piece.client, piece.table.source, piece.account.account_id) == (
            found.client, found.source, account.account_id,
        )  # fmt: skip

    daily = SOURCES[found.source].daily_table
    its = [load for load in loads if is_its(load.slice)]
    done = [load for load in its if load.outcome in ("loaded", "empty")]
    expected = {
        d for piece in planned if is_its(piece) and piece.table.name == daily
        for d in piece.window.days
    } | ({day} if day else set())  # fmt: skip
    loaded = {d for load in done if load.slice.table.name == daily for d in load.slice.window.days}
    counted = [load for load in done if load.slice in announced]
    why = ""
    if account.status == "refused" or not expected <= loaded:
        failed = next((load.error for load in its if load.error), "")
        why = failed or (str(account.problem) if account.problem else SILENCE)
    return AccountCoverage(
        found.client,
        found.source,
        account.account_id,
        days_expected=len(expected),
        days_loaded=len(expected & loaded),
        rows_announced=sum(announced[load.slice] for load in counted) if counted else None,
        rows_stored=sum(load.rows for load in counted),
        why=why,
    )


def in_words(coverage: Sequence[AccountCoverage]) -> str:
    """``accounts: 5 of 6 loaded; missing: shop google_ads 4444444444``."""
    missing = [one for one in coverage if not one.is_complete]
    told = f"accounts: {len(coverage) - len(missing)} of {len(coverage)} loaded"
    if missing:
        told += f"; missing: {', '.join(map(str, missing))}"
    return told
