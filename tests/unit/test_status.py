"""From odds to a status: bands that are sticky, changes that have to last."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from flows.settings import Tuning
from flows.targets.evaluation import Status
from flows.targets.status import Earlier, Verdict, confirmed, status_by_odds

DAY = date(2026, 11, 20)
TUNING = Tuning()


def day_before(status: Status, candidate: Status | None = None, days: int = 0) -> Earlier:
    return Earlier(DAY - timedelta(days=1), status, candidate, days)


@pytest.mark.parametrize(
    ("odds", "status"),
    [(0.7, "on_track"), (0.69, "at_risk"), (0.3, "at_risk"), (0.29, "off_track")],
)
def test_the_bounds_belong_to_the_better_status(odds: float, status: Status) -> None:
    assert status_by_odds(odds, TUNING) == status


@pytest.mark.parametrize(
    ("odds", "before", "status"),
    [
        (0.61, "on_track", "on_track"),
        (0.59, "on_track", "at_risk"),
        (0.39, "off_track", "off_track"),
        (0.41, "off_track", "at_risk"),
        (0.61, "at_risk", "at_risk"),
        (0.1, "on_track", "off_track"),
        (0.9, "off_track", "on_track"),
    ],
)
def test_a_status_is_left_a_step_beyond_where_it_is_entered(
    odds: float, before: Status, status: Status
) -> None:
    assert status_by_odds(odds, TUNING, before) == status


def test_bands_of_the_users_own_may_touch() -> None:
    touching = Tuning(on_track_from=0.5, off_track_below=0.5)
    assert status_by_odds(0.5, touching) == "on_track"
    assert status_by_odds(0.49, touching) == "off_track"
    assert status_by_odds(0.49, touching, "on_track") == "off_track"


def test_a_change_counts_on_the_second_day_that_sees_it() -> None:
    first = confirmed("off_track", day_before("on_track"), DAY, TUNING)
    assert first == Verdict("on_track", "off_track", 1)
    second = confirmed("off_track", day_before("on_track", "off_track", 1), DAY, TUNING)
    assert second == Verdict("off_track")


def test_a_change_of_mind_starts_counting_anew() -> None:
    seen = confirmed("off_track", day_before("on_track", "at_risk", 1), DAY, TUNING)
    assert seen == Verdict("on_track", "off_track", 1)
    assert confirmed("on_track", day_before("on_track", "at_risk", 1), DAY, TUNING) == Verdict(
        "on_track"
    )


def test_one_day_is_enough_when_that_is_asked_for() -> None:
    assert confirmed("off_track", day_before("on_track"), DAY, Tuning(confirm_days=1)) == Verdict(
        "off_track"
    )


@pytest.mark.parametrize("status", ["too_early", "no_data", "stale", "insufficient_data"])
def test_the_first_verdict_after_none_counts_at_once(status: Status) -> None:
    assert confirmed("off_track", day_before(status), DAY, TUNING) == Verdict("off_track")


def test_a_verdict_of_weeks_ago_is_forgotten() -> None:
    old = Earlier(DAY - timedelta(days=15), "on_track")
    assert confirmed("off_track", old, DAY, TUNING) == Verdict("off_track")
    assert confirmed("off_track", None, DAY, TUNING) == Verdict("off_track")


@pytest.mark.parametrize("first", [0.58, 0.72])
def test_odds_that_swing_daily_about_a_bound_never_change_the_status(first: float) -> None:
    earlier, told = None, []
    for n in range(60):
        day = DAY + timedelta(days=n)
        odds = first if n % 2 == 0 else 1.3 - first
        seen = status_by_odds(odds, TUNING, earlier.status if earlier else None)
        verdict = confirmed(seen, earlier, day, TUNING)
        told.append(verdict.status)
        earlier = Earlier(day, verdict.status, verdict.candidate, verdict.candidate_days)
    assert set(told) == {"on_track" if first > 0.7 else "at_risk"}
