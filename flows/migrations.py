"""How our own tables came to be what they are: one numbered step for every change.

A step is applied once, in a transaction of its own, to a warehouse that an
older Koers made. Never change a step that was released: add one. The tables in
`warehouse.py` are always those of the last step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb


@dataclass(frozen=True)
class Migration:
    """From the version before it to ``version``."""

    version: int
    sentence: str
    statements: tuple[str, ...]


MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        2,
        "a load has the id of its landing file, and knows as of when it was read",
        (
            "alter table ops.loads add column if not exists as_of date",
            r"update ops.loads set load_id = regexp_extract(landing_file, '_([0-9a-f]{12})\.', 1) "
            r"where regexp_matches(landing_file, '_[0-9a-f]{12}\.parquet$')",
        ),
    ),
    Migration(
        3,
        "a verdict tells what is still arriving, the odds and which wording of the goal it is of",
        (
            "alter table ops.evaluations rename column settled_value to adjusted_value",
            *(
                f"alter table ops.evaluations add column if not exists {name} {kind}"
                for name, kind in (
                    ("completeness", "double"),
                    ("value_low", "double"),
                    ("value_high", "double"),
                    ("projected", "double"),
                    ("projected_low", "double"),
                    ("projected_high", "double"),
                    ("required", "double"),
                    ("target_version", "varchar"),
                )
            ),
            "create table if not exists ops.target_versions (client varchar, target_id varchar, "
            "target_version varchar, definition json, seen_at timestamp)",
        ),
    ),
    Migration(
        4,
        "a route knows since when it was told of a trouble, and a target can be snoozed",
        (
            *(
                f"alter table if exists ops.alert_state add column if not exists {name} {kind}"
                for name, kind in (
                    ("occurrence", "date"),
                    ("said_on", "date"),
                    ("trouble_on", "date"),
                    ("target_version", "varchar"),
                )
            ),
            # how the channel knows a message that arrived, and what a fallback is in place of
            "alter table if exists ops.outbox add column if not exists receipt varchar",
            "alter table if exists ops.outbox add column if not exists fallback_of varchar",
            "create table if not exists ops.snoozes (client varchar, target_id varchar, "
            "until date, because varchar, made_at timestamp)",
        ),
    ),
)
VERSION = MIGRATIONS[-1].version


def version_of(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The version of the warehouse that is open; None for an empty file."""
    try:
        asked = connection.execute("select max(version) from ops.version")
    except duckdb.CatalogException:
        return None
    found: int | None = asked.fetchall()[0][0]
    return found


def pending(found: int | None, steps: Sequence[Migration] = MIGRATIONS) -> list[Migration]:
    """The steps that a warehouse of version ``found`` still needs."""
    return [step for step in steps if found is not None and step.version > found]
