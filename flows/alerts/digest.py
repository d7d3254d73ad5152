"""What a digest says and to whom: one per client, route and run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from flows.report.model import SourceState, TargetView
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
