"""`koers check`: try every connection and account, and say what to do about each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from connectors.base import SourceError
from flows import steps
from flows.project import Project
from flows.settings import ConfigError

MARKS = {"fine": "✓", "skipped": "–", "failed": "✗"}


@dataclass(frozen=True)
class Checked:
    """How one account of one client answered."""

    client: str
    source: str
    account: str
    outcome: Literal["fine", "skipped", "failed"]
    told: str

    @property
    def mark(self) -> str:
        return MARKS[self.outcome]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def check_connections(project: Project, clients: Sequence[str]) -> list[Checked]:
    """Ask each source for each client's accounts; nothing is stored."""
    return [
        row
        for slug in clients
        for source in project.client(slug).sources
        for row in _check(project, slug, source)
    ]


def _check(project: Project, slug: str, source: str) -> list[Checked]:
    try:
        found = steps.find_accounts(project, slug, source)
    except (SourceError, ConfigError) as error:
        return [Checked(slug, source, "all", "failed", str(error))]
    if not found.accounts:
        return [Checked(slug, source, "none", "failed", "no account found; list its id")]
    rows = []
    for account in found.accounts:
        name = f"{account.account_id} {account.name}".strip()
        if account.status == "enabled":
            told = ", ".join(part for part in (account.currency_code, account.time_zone) if part)
            rows.append(Checked(slug, source, name, "fine", told))
        elif account.status == "not_enabled":
            rows.append(Checked(slug, source, name, "skipped", "the account is not enabled"))
        else:
            rows.append(Checked(slug, source, name, "failed", str(account.problem)))
    return rows
