"""`koers snooze`: nothing is told of a target before a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from flows.alerts.state import load_snoozes, snooze
from flows.project import Project
from flows.settings import ConfigError, Mute
from flows.warehouse import transaction


@dataclass(frozen=True)
class Snoozed:
    """A target that is silent, or is told of again."""

    client: str
    target_id: str
    until: date | None  # the first day on which it is told of again; None: at once
    because: str
    in_file: date | None = None  # the configuration mutes it until this day as well

    def as_dict(self) -> dict[str, Any]:
        return {
            "client": self.client,
            "target": self.target_id,
            "until": self.until,
            "because": self.because or None,
            "muted_in_file_until": self.in_file,
        }

    def in_words(self) -> str:
        name = f"{self.client} {self.target_id}"
        if self.until is None:
            told = f"{name}: told of again from the next run on"
        else:
            because = f" ({self.because})" if self.because else ""
            told = f"{name}: nothing is told before {self.until}{because}; what changes until then"
            told += " is told on that day, and verdicts and report go on as ever"
        if self.in_file is not None and (self.until is None or self.in_file > self.until):
            told += f"; its file mutes it until {self.in_file}"
        return told


def snooze_target(
    project: Project,
    clients: Sequence[str],
    target_id: str,
    until: date | None,
    because: str,
    today: date,
) -> Snoozed:
    """Keep a snooze of the one target of that id, or end it when ``until`` is None.

    Raises ConfigError when several clients have such a target, when the day is
    not after today, or when there is no snooze to end.
    """
    if len(clients) > 1:
        raise ConfigError(
            f'several clients have a target "{target_id}"; say which one with --client: '
            f"{', '.join(clients)}"
        )
    (slug,) = clients
    if until is not None and until <= today:
        raise ConfigError(f"--until {until} is not after {today}; use --end to end a snooze")
    target = next(t for t in project.client(slug).targets if t.id == target_id)
    moment = datetime.now(UTC)
    with project.warehouse.open() as connection, transaction(connection):
        holding = load_snoozes(connection, [slug]).get((slug, target_id))
        if until is None and (holding is None or holding.until <= today):
            raise ConfigError(f"{slug} {target_id} is not snoozed")
        snooze(connection, slug, target_id, Mute(until=until or today, because=because), moment)
    in_file = target.mute.until if target.mute and target.mute.until > today else None
    return Snoozed(slug, target_id, until, because, in_file)
