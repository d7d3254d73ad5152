from __future__ import annotations

import threading

import pytest

from connectors.sandbox.faults import Fault, Faults


def test_a_fault_is_played_as_often_as_asked_and_then_gone() -> None:
    faults = Faults()
    faults.add(Fault("quota", "ga4", times=2))

    taken = [faults.take("ga4", "RunReport", "311111111") for _ in range(3)]

    assert [fault.kind if fault else None for fault in taken] == ["quota", "quota", None]


def test_a_fault_waits_for_the_call_that_it_names() -> None:
    faults = Faults()
    faults.add(Fault("internal", "google_ads", account_id="1111111111", method="SearchStream"))

    assert faults.take("google_ads", "Search", "1111111111") is None
    assert faults.take("google_ads", "SearchStream", "2222222222") is None
    assert faults.take("ga4", "SearchStream", "1111111111") is None
    assert faults.take("google_ads", "SearchStream", "1111111111") is not None


def test_times_zero_lasts_until_cleared() -> None:
    faults = Faults()
    faults.add(Fault("unavailable", "slack", times=0))

    assert all(faults.take("slack", "webhook") for _ in range(5))
    faults.clear()
    assert faults.take("slack", "webhook") is None


def test_threads_never_share_one_fault() -> None:
    faults = Faults()
    faults.add(Fault("internal", "ga4", times=50))
    taken: list[Fault | None] = []

    def take_many() -> None:
        taken.extend(faults.take("ga4", "RunReport") for _ in range(25))

    threads = [threading.Thread(target=take_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(fault is not None for fault in taken) == 50


def test_clearing_releases_a_stalled_call() -> None:
    faults = Faults()
    entered = threading.Event()

    def stalled() -> None:
        entered.set()
        faults.stall()

    thread = threading.Thread(target=stalled)
    thread.start()
    entered.wait()
    while thread.is_alive():  # the thread may not have reached its wait at the first clear
        faults.clear()
        thread.join(0.01)


def test_a_fault_from_json_names_what_is_wrong_with_it() -> None:
    assert Fault.from_json({"kind": "cut", "source": "ga4"}) == Fault("cut", "ga4")
    with pytest.raises(ValueError, match="unknown key 'acount_id'"):
        Fault.from_json({"kind": "cut", "source": "ga4", "acount_id": "1"})
    with pytest.raises(ValueError, match="source is missing"):
        Fault.from_json({"kind": "cut"})
    with pytest.raises(ValueError, match='kind "explode" is not one of'):
        Fault.from_json({"kind": "explode", "source": "ga4"})


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def test_a_fault_that_lasts_ends_with_its_time_not_with_its_calls() -> None:
    clock = Clock()
    faults = Faults(clock)
    faults.add(Fault("quota", "google_ads", "1111111111", lasts_seconds=3_600))

    assert faults.take("google_ads", "SearchStream", "2222222222") is None
    first = faults.take("google_ads", "SearchStream", "1111111111")
    clock.at = 600
    second = faults.take("google_ads", "SearchStream", "1111111111")
    assert [f.retry_delay_seconds if f else None for f in (first, second)] == [3_600, 3_000]
    faults.advance(3_000)
    assert faults.take("google_ads", "SearchStream", "1111111111") is None
    assert faults.waiting() == ()


def test_where_the_vendor_names_no_wait_a_lasting_quota_names_none() -> None:
    faults = Faults(Clock())
    faults.add(Fault("quota", "ga4", lasts_seconds=3_600))

    taken = faults.take("ga4", "RunReport", "311111111")

    assert taken is not None
    assert taken.retry_delay_seconds is None


def test_a_fault_can_wait_for_a_request_with_a_certain_text() -> None:
    faults = Faults()
    faults.add(Fault("internal", "google_ads", asks="FROM customer_client"))

    assert faults.take("google_ads", "SearchStream", "1", "SELECT a FROM campaign") is None
    assert faults.take("google_ads", "SearchStream", "1", "SELECT a FROM customer_client")


def test_poison_waits_for_an_answer_that_it_can_spoil() -> None:
    faults = Faults()
    poison = Fault("poison", "ga4", detail="nan")
    faults.add(poison)

    assert faults.take("ga4", "RunReport", "1") is None
    assert faults.take_poison("ga4", "RunReport", "1", "", lambda fault: False) is None
    assert faults.take_poison("ga4", "RunReport", "1", "", lambda fault: True) == poison
    assert faults.waiting() == ()


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"kind": "poison", "source": "ga4", "detail": "arsenic"}, 'poison "arsenic" is not one'),
        ({"kind": "poison", "source": "slack", "detail": "nan"}, "slack has no poison"),
        ({"kind": "slow", "source": "smtp"}, "slow is not for smtp"),
    ],
)
def test_a_fault_that_cannot_be_played_is_refused(told: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fault.from_json(told)
