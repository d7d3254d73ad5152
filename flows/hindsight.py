"""The past judged anew, with what is known now: for the days before Koers, after a backfill.

Verdicts of past days are history: no route is told and nothing is queued.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import duckdb

from flows import readings, views
from flows.goal_versions import record_versions
from flows.project import Project
from flows.targets.evaluation import Evaluation
from flows.warehouse import transaction
from flows.windows import days_between

log = logging.getLogger("koers")


@dataclass(frozen=True)
class Hindsight:
    """What was judged: of each target and segment the last day, and how many verdicts are new."""

    first: date
    last: date
    days: int
    verdicts: int
    stored: int
    evaluations: tuple[Evaluation, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "from": self.first,
            "to": self.last,
            "days": self.days,
            "verdicts": self.verdicts,
            "stored": self.stored,
        }

    def in_words(self) -> str:
        return (
            f"{self.days} mornings from {self.first} to {self.last} with what is known now: "
            f"{self.stored:,} of {self.verdicts:,} verdicts are new; nobody is told of them"
        )


def judge_past(project: Project, clients: Sequence[str], first: date, last: date) -> Hindsight:
    """Judge each morning from ``first`` to ``last``, both included, and keep the verdicts.

    One transaction a client; between two the warehouse is free. The figures are
    those of now, of which each day has the age at which it was last read. Every
    day follows the verdict of the day before it.
    """
    run_id = uuid.uuid4().hex
    moment = datetime.now(UTC)
    verdicts = stored = 0
    of_last_day: list[Evaluation] = []
    for slug in clients:
        judged: list[Evaluation] = []
        with project.warehouse.open() as connection, transaction(connection):
            for judged in _mornings(project, connection, slug, first, last):
                stored += readings.store_evaluations(connection, judged, run_id)
                verdicts += len(judged)
            record_versions(connection, [project.client(slug)], moment)
        of_last_day += judged
        log.info("%s: judged %s..%s", slug, first, last)
    return Hindsight(first, last, (last - first).days + 1, verdicts, stored, tuple(of_last_day))


def _mornings(
    project: Project, connection: duckdb.DuckDBPyConnection, slug: str, first: date, last: date
) -> Iterator[list[Evaluation]]:
    read = views.read_for(project, connection, [slug], first, last)
    for day in days_between(first, last):
        (view,) = views.views_of(project, connection, [slug], day, read, explained=False)
        yield [e for one in view.targets for e in (one.total, *one.segments)]
