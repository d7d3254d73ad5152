"""What is tried again and what is not, and that no slow death takes a day."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Any

import pytest
import stamina

from connectors.base import (
    DEADLINE_EXCEEDED,
    Account,
    AuthError,
    DateWindow,
    Slice,
    TransientError,
)
from connectors.tables import ADS_ACCOUNT, ADS_CAMPAIGN_DAY, GA4_CHANNEL_DAY
from flows.pipeline import DirectEngine
from flows.retries import (
    BUDGET_SECONDS,
    JITTER,
    LONGEST_WAIT_SECONDS,
    STRIKES_OF_ACCOUNT,
    STRIKES_OF_SOURCE,
    CircuitBreaker,
    told_wait,
    wait_or_give_up,
    worth_retrying,
)
from tests.unit.test_loading import Platform, loaded_days, piece

LATE = TransientError("no whole answer within 300 seconds", reason=DEADLINE_EXCEEDED)


def quota(seconds: float) -> TransientError:
    return TransientError("quota", retry_after_seconds=seconds, scope="account")


@pytest.mark.parametrize(
    ("error", "elapsed", "worth"),
    [
        (TransientError("cut off"), 0.0, True),
        (TransientError("cut off"), BUDGET_SECONDS, True),
        (TransientError("cut off"), BUDGET_SECONDS + 1, False),
        (quota(0.0), 0.0, True),
        (quota(LONGEST_WAIT_SECONDS), 0.0, True),
        (quota(LONGEST_WAIT_SECONDS + 1), 0.0, False),
        # the attempt after the wait would begin too late
        (quota(100.0), BUDGET_SECONDS - 99, False),
        (LATE, 0.0, False),
        (AuthError("revoked"), 0.0, False),
        (KeyError("bug"), 0.0, False),
    ],
)
def test_only_what_may_pass_within_the_budget_is_tried_again(
    error: Exception, elapsed: float, worth: bool
) -> None:
    assert worth_retrying(error, elapsed) is worth
    assert (wait_or_give_up(error, elapsed) is not False) is worth


def test_the_vendors_delay_is_kept_to_with_a_little_more() -> None:
    waits = {told_wait(quota(50.0)) or 0.0 for _ in range(50)}
    assert min(waits) >= 50.0
    assert max(waits) <= 50.0 * (1 + JITTER)
    assert len(waits) > 10  # eight threads do not come back in the same instant
    assert told_wait(quota(0.0)) == 0.0
    assert told_wait(TransientError("cut off")) is None


def test_the_direct_engine_asks_five_times_at_most_and_a_late_one_once() -> None:
    asked: list[str] = []

    def step(_: Any, what: str) -> str:
        asked.append(what)
        if what == "late":
            raise LATE
        if what == "cut" or len(asked) < 3:
            raise TransientError("cut off")
        return what

    engine = DirectEngine(project=None)  # type: ignore[arg-type]
    with stamina.set_testing(True, attempts=5):  # without the waits
        assert engine.map(step, [("late",)]) == [LATE]
        assert asked == ["late"]
        asked.clear()
        assert engine.map(step, [("good",)]) == ["good"]
        assert asked == ["good"] * 3
        asked.clear()
        (failed,) = engine.map(step, [("cut",)])
    assert str(failed) == "cut off"
    assert asked == ["cut"] * 5


# --- slow deaths ------------------------------------------------------------------------------


class SlowPlatform(Platform):
    """A platform of which some requests run into their deadline; counts the real requests."""

    def __init__(self, is_late: Any) -> None:
        self.breaker, self.late_requests = CircuitBreaker(), 0

        def answer(one: Slice) -> Exception | None:
            try:
                self.breaker.check(one)
            except TransientError as stopped:
                return stopped
            if is_late(one):
                self.late_requests += 1
                self.breaker.failed(one, LATE)
                return LATE
            self.breaker.answered(one)
            return None

        super().__init__(answer)


def months(account: str, count: int = 36) -> list[Slice]:
    return [piece(account, 1 + 31 * i, 31) for i in range(count)]


def test_a_slice_that_is_late_is_read_in_parts_at_once() -> None:
    platform = SlowPlatform(lambda one: len(one.window.days) > 8)
    loading = platform.load(piece("1", 1), piece("1", 2, 31))

    assert loaded_days(loading) == [date(2026, 10, 1) + timedelta(days=i) for i in range(32)]
    assert loading.errors == []
    assert platform.late_requests == 3  # the month and its halves, each once


def test_an_account_that_is_always_late_costs_eight_deadlines_and_no_other_account() -> None:
    platform = SlowPlatform(lambda one: one.account.account_id == "slow")
    loading = platform.load(
        *months("slow"), *(piece(str(n), 1 + d) for n in range(9) for d in (0, 1))
    )

    assert platform.late_requests <= STRIKES_OF_ACCOUNT
    assert len(loaded_days(loading)) == 18
    assert {error.reason for error in loading.errors} == {DEADLINE_EXCEEDED}
    assert any(error.scope == "account" for error in loading.errors)


def test_a_source_that_is_always_late_costs_sixteen_deadlines_for_twenty_accounts() -> None:
    platform = SlowPlatform(lambda one: one.table.source == "google_ads")
    loading = platform.load(
        *(one for n in range(20) for one in months(f"a{n}")),
        *(piece("9", first, table=GA4_CHANNEL_DAY) for first in range(1, 5)),
    )
    assert platform.late_requests <= STRIKES_OF_SOURCE
    assert len(loaded_days(loading)) == 4


def test_one_stalled_answer_of_what_has_no_parts_is_asked_for_once_more() -> None:
    stalled = [True]

    def is_late(one: Slice) -> bool:
        return not one.table.is_daily and stalled.pop() if stalled else False

    platform = SlowPlatform(is_late)
    present = piece("1", table=ADS_ACCOUNT)
    loading = platform.load(present, piece("1", 1), piece("1", 2))

    assert loading.errors == []
    assert platform.asked.count(present) == 2
    assert len(loading.loads) == 3


def test_what_is_late_twice_has_failed() -> None:
    platform = SlowPlatform(lambda one: one.window.start.day == 2)
    loading = platform.load(piece("1", 1), piece("1", 2))

    assert platform.late_requests == 2
    assert loading.errors == [LATE]


def test_a_token_endpoint_that_is_late_twice_stops_its_source() -> None:
    breaker = CircuitBreaker()
    late = TransientError("late", reason=DEADLINE_EXCEEDED, scope="source")
    breaker.failed(piece("1"), late)
    breaker.check(piece("2"))
    breaker.failed(piece("2"), late)
    with pytest.raises(TransientError) as told:
        breaker.check(piece("3"))
    assert told.value.scope == "source"
    breaker.check(piece("9", table=GA4_CHANNEL_DAY))


def test_an_answer_in_between_begins_the_count_again() -> None:
    breaker, one = CircuitBreaker(), piece("1")
    for _ in range(3):
        for _ in range(STRIKES_OF_ACCOUNT - 1):
            breaker.failed(one, LATE)
        breaker.answered(one)
    breaker.failed(one, TransientError("cut off"))  # not a deadline
    breaker.check(one)


def test_threads_share_one_count() -> None:
    breaker, one = CircuitBreaker(), piece("1")
    threads = [threading.Thread(target=breaker.failed, args=(one, LATE)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(TransientError):
        breaker.check(one)


def test_the_table_and_window_of_a_slice_do_not_matter_to_its_account() -> None:
    breaker = CircuitBreaker()
    window = DateWindow(date(2026, 1, 1), date(2026, 1, 2))
    for _ in range(STRIKES_OF_ACCOUNT):
        breaker.failed(Slice("shop", ADS_CAMPAIGN_DAY, Account("google_ads", "1"), window), LATE)
    with pytest.raises(TransientError) as told:
        breaker.check(piece("1", table=ADS_ACCOUNT))
    assert told.value.scope == "account"
