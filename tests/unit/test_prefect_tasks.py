"""What goes together into a Prefect task is answered, and tried again, one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from prefect.states import Failed

from connectors.base import AccessError, SourceError, TransientError
from flows import tasks
from flows.tasks import MOST_TASKS, PrefectEngine

BUSY = TransientError("the API is busy", reason="unavailable")
REFUSED = AccessError("no permission")


class Vendor:
    """A step that fails for some items, as often as it was told to; it counts how often it ran."""

    def __init__(self, failures: dict[str, list[SourceError]]) -> None:
        self.failures = failures
        self.asked: list[str] = []

    def __call__(self, _: Any, name: str) -> str:
        self.asked.append(name)
        if self.failures.get(name):
            raise self.failures[name].pop(0)
        return f"rows of {name}"


def attempt(vendor: Vendor, items: list[Any]) -> Any:
    return tasks._fetching(_named(vendor)).fn("config", items)


def _named(vendor: Vendor) -> Callable[..., Any]:
    def fetch(project: Any, name: str) -> str:
        return vendor(project, name)

    return fetch


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks._projects, "config", None)  # type: ignore[arg-type]


def items_of(*names: str) -> list[Any]:
    return [tasks._Item((name,)) for name in names]


def test_only_what_failed_for_a_moment_is_asked_again() -> None:
    vendor = Vendor({"b": [BUSY], "c": [REFUSED]})
    items = items_of("a", "b", "c")
    with pytest.raises(tasks._ItemsFailedError) as first:
        attempt(vendor, items)
    assert first.value.is_worth_retrying
    assert str(first.value) == "2 of 3 failed: b: the API is busy (unavailable); c: no permission"

    with pytest.raises(tasks._ItemsFailedError) as second:
        attempt(vendor, items)

    assert vendor.asked == ["a", "b", "c", "b"]
    assert not second.value.is_worth_retrying
    assert second.value.answers == ["rows of a", "rows of b", REFUSED]


def test_what_will_not_pass_is_not_tried_again() -> None:
    with pytest.raises(tasks._ItemsFailedError) as raised:
        attempt(Vendor({"a": [REFUSED]}), items_of("a", "b"))
    state = Failed(data=raised.value)
    assert not tasks._is_worth_retrying(None, None, state)  # type: ignore[arg-type]


def test_what_failed_long_after_its_first_attempt_is_not_tried_again() -> None:
    (item,) = items_of("a")
    item.call(Vendor({"a": [BUSY]}), None)  # type: ignore[arg-type]
    assert item.is_worth_retrying
    item.began -= 1000.0
    assert not item.is_worth_retrying


@pytest.mark.parametrize("count", [0, 1, MOST_TASKS, MOST_TASKS + 1, 64])
def test_every_item_has_its_own_answer_however_many_go_into_a_task(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted: list[int] = []

    class Done:
        def __init__(self, answer: Any) -> None:
            self.answer = answer

        def result(self, raise_on_failure: bool) -> Any:
            assert not raise_on_failure
            return self.answer

    class InPlace:
        """As Prefect's task, but at once; the fourth item of all is refused."""

        def submit(self, config: str, quoted: Any) -> Done:
            items = quoted.unwrap()
            submitted.append(len(items))
            try:
                return Done(attempt(vendor, items))
            except tasks._ItemsFailedError as error:
                return Done(error)

    vendor = Vendor({"3": [REFUSED]})
    monkeypatch.setitem(tasks.TASKS, vendor, InPlace())  # type: ignore[arg-type]

    answers = PrefectEngine("config").map(vendor, [(str(n),) for n in range(count)])

    assert answers == [REFUSED if n == 3 else f"rows of {n}" for n in range(count)]
    assert len(submitted) <= MOST_TASKS
    assert sum(submitted) == count


def test_a_task_that_could_not_even_begin_is_the_answer_of_all_its_items(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crash = RuntimeError("the task runner is gone")

    class Gone:
        def submit(self, config: str, quoted: Any) -> Gone:
            return self

        def result(self, raise_on_failure: bool) -> Any:
            return crash

    step = _named(Vendor({}))
    monkeypatch.setitem(tasks.TASKS, step, Gone())  # type: ignore[arg-type]
    assert PrefectEngine("config").map(step, [("a",), ("b",)]) == [crash, crash]
