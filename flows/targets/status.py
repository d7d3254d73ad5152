"""From odds to a status that does not flip daily: bands with hysteresis, confirmed over days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeGuard

from flows.settings import Tuning
from flows.targets.evaluation import Status

# A status is left a good step beyond the bound at which it is entered: with these bands 1.3
# changes a quarter where bare ones give 2.8 (facts: targets and alerts, §3).
STICKY = 0.1
# After a longer silence nobody remembers what was said: the next verdict stands by itself.
FORGOTTEN_AFTER_DAYS = 14

BY_ODDS: frozenset[Status] = frozenset({"on_track", "at_risk", "off_track"})


@dataclass(frozen=True)
class Earlier:
    """The last verdict on a target or segment on an earlier day.

    ``candidate`` is the status that was seen but not yet confirmed, on
    ``candidate_days`` days in a row. ``target_version`` is the wording of the
    goal that was judged.
    """

    as_of: date
    status: Status
    candidate: Status | None = None
    candidate_days: int = 0
    target_version: str = ""

    @classmethod
    def of(
        cls, as_of: date, status: Status, details: Mapping[str, Any], target_version: str = ""
    ) -> Earlier:
        """From what was stored of an evaluation."""
        days = int(details.get("candidate_days", 0))
        return cls(as_of, status, details.get("candidate"), days, target_version)


@dataclass(frozen=True)
class Verdict:
    """The status to tell, and the one that waits to be confirmed."""

    status: Status
    candidate: Status | None = None
    candidate_days: int = 0


def status_by_odds(probability: float, tuning: Tuning, before: Status | None = None) -> Status:
    """Where the odds of making it stand, seen from the status that held before.

    A status is entered at the bound and left a step of 0.1 beyond it: what is
    on track at 0.7 stays so down to 0.6.
    """
    good, bad = tuning.on_track_from, tuning.off_track_below
    if before == "on_track":
        good = max(good - STICKY, bad)
    if before == "off_track":
        bad = min(bad + STICKY, tuning.on_track_from)
    if probability >= good:
        return "on_track"
    return "off_track" if probability < bad else "at_risk"


def confirmed(seen: Status, earlier: Earlier | None, as_of: date, tuning: Tuning) -> Verdict:
    """What to tell when ``seen`` is today's status: a change counts once it lasted.

    ``confirm_days`` verdicts in a row have to see the same new status. The
    first one after a silence, or after a status that odds have no part in,
    counts at once.
    """
    if not is_remembered(earlier, as_of) or seen == earlier.status:
        return Verdict(seen)
    days = earlier.candidate_days + 1 if seen == earlier.candidate else 1
    if days >= tuning.confirm_days:
        return Verdict(seen)
    return Verdict(earlier.status, seen, days)


def is_remembered(earlier: Earlier | None, as_of: date) -> TypeGuard[Earlier]:
    """Whether an earlier verdict still counts today."""
    return (
        earlier is not None
        and earlier.status in BY_ODDS
        and (as_of - earlier.as_of).days <= FORGOTTEN_AFTER_DAYS
    )
