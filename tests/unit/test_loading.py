"""What a run does when slices fail: who is stopped, what is read in parts, what waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

from connectors.base import (
    AccessError,
    Account,
    AuthError,
    DateWindow,
    Slice,
    SourceError,
    TransientError,
)
from connectors.tables import ADS_ACCOUNT_DAY, ADS_CAMPAIGN_DAY, GA4_CHANNEL_DAY, GSC_SITE_DAY
from flows import steps
from flows.loading import Loading
from flows.steps import Failed
from flows.warehouse import LoadResult

AS_OF = date(2026, 11, 20)


def piece(
    account: str = "1", first: int = 1, days: int = 1, table: Any = ADS_CAMPAIGN_DAY
) -> Slice:
    start = date(2026, 10, 1) + timedelta(days=first - 1)
    window = DateWindow(start, start + timedelta(days=days - 1))
    return Slice("shop", table, Account(table.source, account), window, AS_OF)


class Clock:
    """A clock that only moves when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waited: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds


class Platform:
    """An engine whose platform answers as told, and remembers what it was asked."""

    def __init__(self, answer: Callable[[Slice], Exception | None]) -> None:
        self.answer = answer
        self.asked: list[Slice] = []
        self.clock = Clock()

    def map(self, step: Any, items: Sequence[tuple[Any, ...]]) -> list[Any]:
        assert step is steps.fetch_slice
        answers: list[Any] = []
        for (one,) in items:
            self.asked.append(one)
            answers.append(self.answer(one) or one)
        return answers

    def call(self, step: Any, *args: Any) -> Any:
        assert step is steps.commit_slices
        return [
            LoadResult(one.slice, "failed", error=str(one.error))
            if isinstance(one, Failed)
            else LoadResult(one, "loaded", rows=1)
            for one in args[0]
        ]

    def load(self, *pieces: Slice, patience: float = 0.0) -> Loading:
        loading = Loading(self, patience, pause=self.clock.pause, clock=self.clock)
        loading.load(pieces)
        return loading


def loaded_days(loading: Loading) -> list[date]:
    return sorted(
        day for load in loading.loads if load.outcome == "loaded" for day in load.slice.window.days
    )


def test_an_account_that_refuses_is_asked_once_and_the_others_go_on() -> None:
    def answer(one: Slice) -> Exception | None:
        return AccessError("no permission") if one.account.account_id == "2" else None

    platform = Platform(answer)
    loading = platform.load(*(piece(a, first) for a in ("1", "2") for first in range(1, 6)))

    assert [p.account.account_id for p in platform.asked].count("2") == 1
    assert len(loaded_days(loading)) == 5
    assert [str(error) for error in loading.errors] == ["no permission"]


def test_a_revoked_token_stops_its_source_and_no_other() -> None:
    def answer(one: Slice) -> Exception | None:
        return AuthError("revoked") if one.table.source == "google_ads" else None

    platform = Platform(answer)
    loading = platform.load(
        *(piece("1", first) for first in range(1, 5)),
        *(piece("9", first, table=GA4_CHANNEL_DAY) for first in range(1, 5)),
    )

    assert [p.table.source for p in platform.asked].count("google_ads") == 1
    assert len(loaded_days(loading)) == 4


def test_a_stream_that_breaks_off_is_read_in_smaller_parts_without_losing_a_day() -> None:
    def answer(one: Slice) -> Exception | None:
        return TransientError("the stream broke off") if len(one.window.days) > 4 else None

    platform = Platform(answer)
    loading = platform.load(piece("1", table=ADS_ACCOUNT_DAY), piece("1", 2, 16))

    assert loaded_days(loading) == [date(2026, 10, 1) + timedelta(days=i) for i in range(17)]
    assert loading.errors == []
    assert max(len(load.slice.window.days) for load in loading.loads) == 4


def test_a_day_that_always_breaks_off_fails_alone() -> None:
    bad = date(2026, 10, 5)

    def answer(one: Slice) -> Exception | None:
        return TransientError("the stream broke off") if bad in one.window else None

    loading = Platform(answer).load(piece("1", table=ADS_ACCOUNT_DAY), piece("1", 2, 8))

    assert bad not in loaded_days(loading)
    assert len(loaded_days(loading)) == 8
    assert [load.slice.window for load in loading.loads if load.outcome == "failed"] == [
        DateWindow(bad, bad)
    ]


def test_a_source_that_does_not_answer_at_all_is_not_asked_for_ever() -> None:
    platform = Platform(
        lambda one: TransientError("down") if one.table.source == "search_console" else None
    )
    loading = platform.load(
        *(piece("s", first, 1, GSC_SITE_DAY) for first in range(1, 200)),
        piece("1", 1),
    )

    # the first alone, then one batch; after that it is left in peace
    assert [p.table.source for p in platform.asked].count("search_console") <= 65
    assert len(loaded_days(loading)) == 1


def test_a_quota_is_waited_for_once_all_else_is_in() -> None:
    spent = [True]

    def answer(one: Slice) -> Exception | None:
        if one.account.account_id == "q" and spent[0]:
            return TransientError("quota", retry_after_seconds=3600.0, scope="account")
        return None

    platform = Platform(answer)

    def refill(seconds: float) -> None:
        assert len([p for p in platform.asked if p.account.account_id == "1"]) == 9
        Clock.pause(platform.clock, seconds)
        spent[0] = False

    loading = Loading(platform, 7200.0, pause=refill, clock=platform.clock)
    loading.load([piece(a, first) for a in ("1", "q") for first in range(1, 10)])

    assert platform.clock.waited == [3600.0]
    assert len(loaded_days(loading)) == 18
    assert loading.errors == []


def test_a_quota_beyond_the_runs_patience_fails_its_account_only() -> None:
    def answer(one: Slice) -> Exception | None:
        if one.account.account_id == "q":
            return TransientError("quota", retry_after_seconds=3600.0, scope="account")
        return None

    platform = Platform(answer)
    loading = platform.load(
        *(piece(a, first) for a in ("1", "q") for first in range(1, 10)), patience=60.0
    )

    assert platform.clock.waited == []
    assert [p.account.account_id for p in platform.asked].count("q") == 1
    assert len(loaded_days(loading)) == 9


def test_patience_is_for_the_run_as_a_whole() -> None:
    platform = Platform(
        lambda one: TransientError("quota", retry_after_seconds=600.0, scope="account")
    )
    loading = platform.load(piece("q"), patience=1000.0)

    assert platform.clock.waited == [600.0]
    assert [type(error) for error in loading.errors] == [TransientError]


def test_an_error_nobody_expected_stops_only_its_slice() -> None:
    def answer(one: Slice) -> Exception | None:
        return KeyError("bug") if one.window.start.day == 2 else None

    loading = Platform(answer).load(*(piece("1", first) for first in range(1, 4)))

    assert len(loaded_days(loading)) == 2
    assert [type(error) for error in loading.errors] == [SourceError]
    assert "unexpected KeyError" in str(loading.errors[0])
