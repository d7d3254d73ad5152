"""How many requests a run has under way at a time, in both engines."""

from __future__ import annotations

import threading
from typing import Any

from connectors.sandbox.ga4_server import CONCURRENT_REQUESTS
from flows.pipeline import FETCHERS, DirectEngine
from flows.tasks import MOST_TASKS, RUNNER

WAIT = 30.0


def test_one_ga4_property_bears_all_that_is_under_way() -> None:
    """https://developers.google.com/analytics/devguides/reporting/data/v1/quotas"""
    assert FETCHERS <= CONCURRENT_REQUESTS


def test_prefect_runs_as_many_tasks_at_a_time_and_has_more_waiting() -> None:
    runner: Any = RUNNER
    assert runner._max_workers == FETCHERS < MOST_TASKS


def test_so_many_requests_are_under_way_and_never_more() -> None:
    all_there = threading.Barrier(FETCHERS)
    lock = threading.Lock()
    now = most = 0

    def step(project: Any, n: int) -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        all_there.wait(WAIT)  # fails unless so many are here at once
        with lock:
            now -= 1
        return n

    engine = DirectEngine(None)  # type: ignore[arg-type]
    assert engine.map(step, [(n,) for n in range(3 * FETCHERS)]) == list(range(3 * FETCHERS))
    assert most == FETCHERS
