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

from flows import readings
from flows.goal_versions import record_versions
from flows.project import Project
from flows.targets.evaluation import Evaluation
from flows.views import read_for, verdicts_of, views_of
from flows.warehouse import transaction
from flows.windows import days_between

log = logging.getLogger("koers")

# What is read and asked once serves them all, and a run can get in between two groups.
CLIENTS_AT_A_TIME = 10


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

    One transaction for every `CLIENTS_AT_A_TIME`; between two the warehouse is
    free. The figures are those of now, of which each day has the age at which it
    was last read. Every day follows the verdict of the day before it.
    """
    run_id = uuid.uuid4().hex
    moment = datetime.now(UTC)
    verdicts = stored = 0
    of_last_day: list[Evaluation] = []
    for start in range(0, len(clients), CLIENTS_AT_A_TIME):
        group = clients[start : start + CLIENTS_AT_A_TIME]
        judged: list[Evaluation] = []
        with project.warehouse.open() as connection, transaction(connection):
            for judged in _mornings(project, connection, group, first, last):
                stored += readings.store_evaluations(connection, judged, run_id)
                verdicts += len(judged)
            record_versions(connection, map(project.client, group), moment)
        of_last_day += judged
        log.info("%s: judged %s..%s", ", ".join(group), first, last)
    return Hindsight(first, last, (last - first).days + 1, verdicts, stored, tuple(of_last_day))


def _mornings(
    project: Project,
    connection: duckdb.DuckDBPyConnection,
    clients: Sequence[str],
    first: date,
    last: date,
) -> Iterator[list[Evaluation]]:
    read = read_for(project, connection, clients, first, last)
    for day in days_between(first, last):
        yield verdicts_of(views_of(project, connection, clients, day, read, explained=False))
