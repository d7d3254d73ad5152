"""What every route was last told of every target: the difference is the next digest."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from flows.alerts.digest import TOLD_OF_SEGMENTS
from flows.report.model import ClientView
from flows.targets.evaluation import Status

if TYPE_CHECKING:
    import duckdb


def load_told(
    connection: duckdb.DuckDBPyConnection, client: str, route: str
) -> dict[tuple[str, str], Status]:
    """Per (target id, segment) the status that this route was last told."""
    rows = connection.execute(
        "select target_id, segment, status from ops.alert_state where client = ? and route = ?",
        [client, route],
    ).fetchall()
    return {(target_id, segment): status for target_id, segment, status in rows}


def told_through(connection: duckdb.DuckDBPyConnection, client: str, route: str) -> date | None:
    """The newest day that this route was told of; an older day is history, not news."""
    row = connection.execute(
        "select max(as_of) from ops.alert_state where client = ? and route = ?", [client, route]
    ).fetchone()
    found: date | None = row[0] if row else None
    return found


def record_told(
    connection: duckdb.DuckDBPyConnection,
    view: ClientView,
    route: str,
    routed: Collection[str],
    now: datetime,
) -> None:
    """Write down that the route knows where each of its targets and segments stands.

    In the transaction that puts the digest in the outbox, and also when there
    was no digest. A segment that cannot be judged for the moment stays what the
    route was told. Targets that no longer exist are forgotten, so that one that
    comes back is news again.
    """
    client = view.client.slug
    at = now.astimezone(UTC).replace(tzinfo=None)
    current: Mapping[tuple[str, str], Status] = {
        (evaluation.target_id, evaluation.segment): evaluation.status
        for one in view.targets
        if one.target.id in routed
        for evaluation in (one.total, *one.segments)
        if not evaluation.segment or evaluation.status in TOLD_OF_SEGMENTS
    }
    targets = {target_id for target_id, _ in current}
    before = load_told(connection, client, route)
    fresh = {key: status for key, status in current.items() if before.get(key) != status}
    gone = [key for key in before if key[0] not in targets]
    for target_id, segment in (*fresh, *gone):
        connection.execute(
            "delete from ops.alert_state where client = ? and route = ? and target_id = ? "
            "and segment = ?",
            [client, route, target_id, segment],
        )
    if fresh:
        connection.executemany(
            "insert into ops.alert_state values (?, ?, ?, ?, ?, ?, ?)",
            [
                [client, route, target_id, segment, status, view.as_of, at]
                for (target_id, segment), status in fresh.items()
            ],
        )
    connection.execute(
        "update ops.alert_state set as_of = ? where client = ? and route = ? and as_of < ?",
        [view.as_of, client, route, view.as_of],
    )
