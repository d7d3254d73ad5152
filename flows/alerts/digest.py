"""What one message says: a digest per client, route and run, as plain values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from flows.report.model import ClientView, SourceState, TargetView
from flows.settings import Client
from flows.targets.evaluation import Evaluation, Status

# Why a goal is in a message. `new`: this route never heard of it. `judged`: the first verdict.
# `again`: still off track, and told a while ago. `back`: off track once more, after it was told
# and was better in between. `escalated`: told to somebody else, and nothing changed. `edited`:
# the goal moved. `closed`: over for long and never judged. `changed`: in a summary, another status.
Kind = Literal[
    "new", "judged", "off_track", "at_risk", "missed", "achieved", "provisional", "recovered",
    "edited", "again", "back", "escalated", "closed", "changed",
]  # fmt: skip
Cadence = Literal["daily", "weekly", "monthly"]


@dataclass(frozen=True)
class DigestItem:
    """A target's total (or one segment of it) and the status this route was last told.

    ``was`` is None when the route has never been told of it. ``since`` is the
    first day of the status that it has now (None: not known), ``told_on`` when
    the route was last told of it; of an escalation, when the others first were.
    Of an earlier occurrence of a repeating target, ``view`` is cut down to that
    occurrence.
    """

    view: TargetView
    evaluation: Evaluation
    was: Status | None
    kind: Kind = "changed"
    since: date | None = None
    told_on: date | None = None


@dataclass(frozen=True)
class DataNews:
    """Data that stopped coming, or came back: what it holds up is frozen and not told of.

    ``account`` is None where no account is to blame, such as a filter that
    nothing matches any more. ``target_ids`` is what it holds up, or held up.
    """

    kind: Literal["stale", "recovered"]
    account: SourceState | None
    target_ids: tuple[str, ...]
    reason: str = ""  # a key of flows/report/words.py


@dataclass(frozen=True)
class Digest:
    """Everything one message needs; ``key`` is stable over repeats of the same run.

    A ``cadence`` other than daily is a summary: all targets, and in ``changed``
    those whose status became another one after ``last_on``, the day of the last.
    ``to_data_owner`` says that it goes to somebody who hears of data alone.
    """

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
    cadence: Cadence = "daily"
    last_on: date | None = None
    data: tuple[DataNews, ...] = ()


def key_of(
    view: ClientView,
    route: str,
    changed: Sequence[DigestItem],
    data: Sequence[DataNews] = (),
    cadence: Cadence = "daily",
) -> str:
    """The same news of the same day to the same route has the same key, whatever the run."""
    news = sorted(
        [
            item.evaluation.target_id,
            item.evaluation.segment,
            item.was or "",
            item.evaluation.status,
            item.kind,
            str(item.evaluation.period_start if item.view.target.period.every else ""),
        ]
        for item in changed
    )
    told = sorted(
        [one.kind, one.account.account_id if one.account else "", *one.target_ids] for one in data
    )
    said = json.dumps([view.client.slug, route, view.as_of.isoformat(), news, told, cadence])
    return hashlib.sha256(said.encode()).hexdigest()[:32]
