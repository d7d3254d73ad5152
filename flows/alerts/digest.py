"""What a digest says and to whom: one per client, route and run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from flows.report.model import ClientView, SourceState, TargetView
from flows.settings import Client
from flows.targets.evaluation import Evaluation, Status


@dataclass(frozen=True)
class DigestItem:
    """A target's total (or one segment of it) and the status this route was last told.

    ``was`` is None when the route has never been told of it.
    """

    view: TargetView
    evaluation: Evaluation
    was: Status | None


@dataclass(frozen=True)
class Digest:
    """Everything one message needs; ``key`` is stable over repeats of the same run."""

    key: str
    client: Client
    route: str
    locale: Literal["nl", "en"]
    as_of: date
    is_first: bool
    changed: tuple[DigestItem, ...]
    unchanged: tuple[DigestItem, ...]
    sources: tuple[SourceState, ...]
    report_link: str | None = None


# Segments are many: a message names one only when it starts or stops failing. What cannot
# be judged for the moment is neither: it stays what the route was last told.
_FAILING: frozenset[Status] = frozenset({"off_track", "missed"})
TOLD_OF_SEGMENTS: frozenset[Status] = _FAILING | {"on_track", "at_risk", "achieved"}


def routed_targets(client: Client) -> dict[str, frozenset[str]]:
    """Route name → ids of the targets that it is told of: the target's `notify`, else the client's.

    Routes that nothing goes to are left out.
    """
    routed: dict[str, set[str]] = {}
    for target in client.targets:
        for route in client.notified(target):
            routed.setdefault(route, set()).add(target.id)
    return {route: frozenset(ids) for route, ids in routed.items()}


def build_digest(
    view: ClientView,
    route: str,
    locale: Literal["nl", "en"],
    told: Mapping[tuple[str, str], Status],
    routed: Collection[str],
    report_link: str | None = None,
) -> Digest | None:
    """What a route has not been told yet, or None when nothing changed.

    ``told`` holds per (target id, segment) the status that this route was last
    told; ``routed`` the ids of the targets that go to it. A route that was
    never told anything hears of every target. Later it hears of targets whose
    status changed, and of segments that began or stopped failing.
    """
    views = [one for one in view.targets if one.target.id in routed]
    changed: list[DigestItem] = []
    unchanged: list[DigestItem] = []
    for one in views:
        was = told.get((one.target.id, ""))
        item = DigestItem(one, one.total, was)
        (unchanged if was == one.total.status else changed).append(item)
        if was is None:  # the whole target is news: its segments are in the report
            continue
        for segment in one.segments:
            before = told.get((one.target.id, segment.segment))
            if segment.status in TOLD_OF_SEGMENTS and (
                (segment.status in _FAILING) != (before in _FAILING)
            ):
                changed.append(DigestItem(one, segment, before))
    if not changed:
        return None
    return Digest(
        key=_key(view, route, changed),
        client=view.client,
        route=route,
        locale=locale,
        as_of=view.as_of,
        is_first=not any(target_id in routed for target_id, _ in told),
        changed=tuple(changed),
        unchanged=tuple(unchanged),
        sources=view.sources,
        report_link=report_link,
    )


def _key(view: ClientView, route: str, changed: Sequence[DigestItem]) -> str:
    """The same news of the same day to the same route has the same key, whatever the run."""
    news = sorted(
        [item.evaluation.target_id, item.evaluation.segment, item.was or "", item.evaluation.status]
        for item in changed
    )
    said = json.dumps([view.client.slug, route, view.as_of.isoformat(), news])
    return hashlib.sha256(said.encode()).hexdigest()[:32]
