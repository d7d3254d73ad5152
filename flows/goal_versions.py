"""Which wordings of a goal were judged since when: `ops.target_versions`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from flows.report.model import GoalChange
from flows.settings import Client, Goal, Period
from flows.targets.versions import (
    TargetVersion,
    changes_between,
    definition_of,
    version_of_definition,
    versions_in_order,
)

# what a change of is shown as it was and as it is; other keys are only named
_SHOWN = ("goal", "period")


def record_versions(
    connection: duckdb.DuckDBPyConnection, clients: Iterable[Client], moment: datetime
) -> int:
    """Keep what each target now judges, where it is not what it last judged; returns how many.

    The caller holds the transaction, that of the evaluations. ``moment`` is in
    UTC. Nothing here is ever changed or removed.
    """
    last = _last_versions(connection)
    fresh: list[tuple[str, str, str, str]] = []
    for client in clients:
        for target in client.targets:
            definition = definition_of(target)
            version = version_of_definition(definition)
            if last.get((client.slug, target.id)) == version:
                continue
            told = json.dumps(definition, sort_keys=True, ensure_ascii=False)
            fresh.append((client.slug, target.id, version, told))
    if fresh:
        names = ("client", "target_id", "target_version", "definition")
        columns = dict(zip(names, map(list, zip(*fresh, strict=True)), strict=True))
        connection.register("fresh", pa.table(columns))
        connection.execute(
            "insert into ops.target_versions "
            "(client, target_id, target_version, definition, seen_at) "
            "select client, target_id, target_version, definition, ? from fresh",
            [moment if moment.tzinfo is None else _plain(moment)],
        )
        connection.unregister("fresh")
    return len(fresh)


def goal_versions(
    connection: duckdb.DuckDBPyConnection, clients: Sequence[str]
) -> dict[tuple[str, str], tuple[TargetVersion, ...]]:
    """By (client, target id) its versions, oldest first, each with what it changed."""
    seen: dict[tuple[str, str], list[tuple[str, datetime, Mapping[str, Any]]]] = {}
    for client, target_id, version, definition, seen_at in connection.execute(
        "select client, target_id, target_version, definition, seen_at from ops.target_versions"
    ).fetchall():
        if client in clients:
            row = (version, seen_at, json.loads(definition))
            seen.setdefault((client, target_id), []).append(row)
    return {key: versions_in_order(rows) for key, rows in sorted(seen.items())}


def goal_changes(
    connection: duckdb.DuckDBPyConnection, clients: Sequence[Client]
) -> dict[tuple[str, str], tuple[GoalChange, ...]]:
    """By (client, target id) every edit that moved what is judged, oldest first.

    A target that was never edited is not among them.
    """
    zones = {client.slug: ZoneInfo(client.timezone) for client in clients}
    judged = _first_days(connection)
    found: dict[tuple[str, str], tuple[GoalChange, ...]] = {}
    for (client, target_id), versions in goal_versions(connection, tuple(zones)).items():
        changes = []
        for before, after in pairwise(versions):
            local = after.since.replace(tzinfo=UTC).astimezone(zones[client]).date()
            on = judged.get((client, target_id, after.version, after.since), local)
            changes.append(_change(on, before, after))
        if changes:
            found[client, target_id] = tuple(changes)
    return found


def _change(on: date, before: TargetVersion, after: TargetVersion) -> GoalChange:
    changed = {
        change.field.partition(".")[0]
        for change in changes_between(before.definition, after.definition)
    }
    goal, period = "goal" in changed, "period" in changed
    return GoalChange(
        on=on,
        was=_goal(before.definition) if goal else None,
        now=_goal(after.definition) if goal else None,
        was_period=_period(before.definition) if period else None,
        now_period=_period(after.definition) if period else None,
        others=tuple(sorted(changed - set(_SHOWN))),
    )


def _goal(definition: Mapping[str, Any]) -> Goal:
    told = dict(definition["goal"])
    if "from" in told:
        told["from_"] = told.pop("from")
    return Goal.model_validate(told)


def _period(definition: Mapping[str, Any]) -> Period:
    return Period.model_validate(definition["period"])


def _last_versions(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], str]:
    return {
        (client, target_id): version
        for client, target_id, version in connection.execute(
            "select client, target_id, max_by(target_version, seen_at) from ops.target_versions "
            "group by all"
        ).fetchall()
    }


def _first_days(
    connection: duckdb.DuckDBPyConnection,
) -> dict[tuple[str, str, str, datetime], date]:
    """The day as of which a version was judged first, by its key and since when it is there.

    When a range of past days was judged in one go, the change is of its last day.
    """
    return {
        (client, target_id, version, seen_at): as_of
        for client, target_id, version, seen_at, as_of in connection.execute(
            """
            with versions as (
                select *, lag(seen_at) over (
                    partition by client, target_id order by seen_at
                ) as before
                from ops.target_versions
            ),
            verdicts as (
                select distinct client, target_id, target_version, as_of, known_at
                from ops.evaluations
                where segment = ''
            )
            select
                v.client, v.target_id, v.target_version, v.seen_at,
                arg_min(e.as_of, row(e.known_at, date '2000-01-01' - e.as_of))
            from versions as v
            inner join verdicts as e
                on v.client = e.client and v.target_id = e.target_id
                and v.target_version = e.target_version
                and (v.before is null or e.known_at > v.before)
            group by all
            """
        ).fetchall()
    }


def _plain(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
