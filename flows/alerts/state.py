"""What every route was last told, and who asked for silence: tables beside the outbox."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from flows.alerts.machine import Known, State, Subject, ordered
from flows.settings import Mute

if TYPE_CHECKING:
    import duckdb

_STORED = pa.schema(
    [
        ("target_id", pa.string()),
        ("segment", pa.string()),
        ("occurrence", pa.date32()),
        ("status", pa.string()),
        ("said_on", pa.date32()),
        ("trouble_on", pa.date32()),
        ("target_version", pa.string()),
    ]
)


@dataclass(frozen=True)
class RouteState:
    """What a route knows of a client, and the newest morning that it was told of."""

    state: State = field(default_factory=dict)
    last_on: date | None = None


def load_states(
    connection: duckdb.DuckDBPyConnection, clients: Collection[str]
) -> dict[tuple[str, str], RouteState]:
    """By client and route what was told; a route that was never told anything is not there."""
    found: dict[tuple[str, str], dict[Subject, Known]] = {}
    newest: dict[tuple[str, str], date] = {}
    for (
        client,
        route,
        target_id,
        segment,
        occurrence,
        status,
        said,
        trouble,
        version,
        day,
    ) in connection.execute(
        "select client, route, target_id, segment, occurrence, status, said_on, trouble_on, "
        "target_version, as_of from ops.alert_state order by all"
    ).fetchall():
        if client not in clients:
            continue
        newest[client, route] = max(newest.get((client, route), day), day)
        if target_id or segment:  # else the row that only says until when the route knows
            known = Known(status, said or day, trouble, version or "")
            found.setdefault((client, route), {})[Subject(target_id, segment, occurrence)] = known
    return {key: RouteState(found.get(key, {}), day) for key, day in newest.items()}


def save_state(
    connection: duckdb.DuckDBPyConnection,
    client: str,
    route: str,
    state: State,
    as_of: date,
    now: datetime,
) -> None:
    """Write down what a route knows after a morning, also when there was no message.

    In the transaction that puts the messages in the outbox. What is no longer in
    the state is forgotten, so that a target which comes back is news again.
    """
    connection.execute(
        "delete from ops.alert_state where client = ? and route = ?", [client, route]
    )
    rows: list[tuple[Subject, Known]] = ordered(state)
    columns = {
        "target_id": [subject.target_id for subject, _ in rows],
        "segment": [subject.segment for subject, _ in rows],
        "occurrence": [subject.occurrence for subject, _ in rows],
        "status": [known.status for _, known in rows],
        "said_on": [known.said_on for _, known in rows],
        "trouble_on": [known.trouble_on for _, known in rows],
        "target_version": [known.version for _, known in rows],
    }
    if not rows:  # until when it knows is remembered without any subject too
        columns = {name: ["" if name in ("target_id", "segment") else None] for name in columns}
    names = ", ".join(_STORED.names)
    connection.register("told", pa.table(columns, schema=_STORED))
    connection.execute(
        f"insert into ops.alert_state (client, route, as_of, told_at, {names}) "  # noqa: S608 (ours)
        f"select ?, ?, ?, ?, {names} from told",
        [client, route, as_of, now.astimezone(UTC).replace(tzinfo=None)],
    )
    connection.unregister("told")


# --- snoozes ----------------------------------------------------------------------------------


def snooze(
    connection: duckdb.DuckDBPyConnection,
    client: str,
    target_id: str,
    mute: Mute,
    now: datetime,
) -> None:
    """Tell nothing of a target before a day. The last word counts; nothing is ever removed."""
    connection.execute(
        "insert into ops.snoozes values (?, ?, ?, ?, ?)",
        [client, target_id, mute.until, mute.because, now.astimezone(UTC).replace(tzinfo=None)],
    )


def load_snoozes(
    connection: duckdb.DuckDBPyConnection, clients: Collection[str]
) -> Mapping[tuple[str, str], Mute]:
    """By client and target id the last snooze, also one that is over."""
    return {
        (client, target_id): Mute(until=until, because=because or "")
        for client, target_id, until, because in connection.execute(
            "select client, target_id, max_by(until, made_at), max_by(because, made_at) "
            "from ops.snoozes group by all"
        ).fetchall()
        if client in clients
    }
