"""Which wording of a goal was judged: an edited target keeps its earlier versions.

A version names what decides the verdict: the KPI, its scope, the goal, the
period and how it is measured. The owner, the plan, the routes and the sentence
may change without moving the goal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from flows.settings import Target

# 48 bits: among the few versions of one target the same name never comes twice.
VERSION_DIGITS = 12
# The figure of a goal by its kind, as the configuration spells it.
_SPELLED = {"from_": "from"}

Plain = str | float | int | bool | None


@dataclass(frozen=True)
class Change:
    """One field of a definition that became another; None where there was or is none.

    ``field`` is spelled as in the file where there is such a key, ``goal.to`` or
    ``where.channel_type``; ``period.start`` and ``period.end`` are days, the end
    excluded.
    """

    field: str
    before: Plain
    after: Plain


@dataclass(frozen=True)
class TargetVersion:
    """A definition of a target, since when it was judged (UTC), and what it changed."""

    version: str
    since: datetime
    definition: Mapping[str, Any]
    changes: tuple[Change, ...] = ()


def definition_of(target: Target) -> dict[str, Any]:
    """What is judged, as plain JSON values; what is not said is left out.

    So a field that a later Koers adds leaves the versions of today as they are,
    and 2026-Q4 is the same as its two dates.
    """
    period = target.period.model_dump(mode="json", exclude_none=True, exclude={"said"})
    goal = target.goal.model_dump(mode="json", exclude_defaults=True) | {"kind": target.goal.kind}
    if target.goal.between is not None:
        goal["between"] = sorted(target.goal.between)
    told: dict[str, Any] = {
        "kpi": target.kpi,
        "where": {name: sorted(set(values)) for name, values in sorted(target.where.items())},
        "for_each": target.for_each,
        "goal": {_SPELLED.get(name, name): value for name, value in goal.items()},
        "period": period,
        "measure": target.measure.model_dump(mode="json", exclude_defaults=True),
    }
    return {name: value for name, value in told.items() if value not in (None, {})}


def version_of(target: Target) -> str:
    """A short name of what is judged: equal for equal definitions, however they are written."""
    return version_of_definition(definition_of(target))


def version_of_definition(definition: Mapping[str, Any]) -> str:
    canonical = json.dumps(definition, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(canonical.encode()).hexdigest()[:VERSION_DIGITS]


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """The plain fields in which two definitions differ, in the order of their names."""
    old, new = dict(_flat(before)), dict(_flat(after))
    return tuple(
        Change(name, old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    )


def versions_in_order(
    seen: Sequence[tuple[str, datetime, Mapping[str, Any]]],
) -> tuple[TargetVersion, ...]:
    """Versions oldest first, from (version, seen at, definition) in any order.

    A goal that went back to an earlier wording is there again, since it did.
    """
    told: list[TargetVersion] = []
    for version, since, definition in sorted(seen, key=lambda one: one[1]):
        if told and told[-1].version == version:
            continue
        changes = changes_between(told[-1].definition, definition) if told else ()
        told.append(TargetVersion(version, since, definition, changes))
    return tuple(told)


def _flat(definition: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Plain]]:
    for name, value in definition.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        elif isinstance(value, list):
            yield f"{before}{name}", ", ".join(_said(item) for item in value)
        else:
            yield f"{before}{name}", value


def _said(item: Any) -> str:
    return ": ".join(map(str, item)) if isinstance(item, list) else str(item)
