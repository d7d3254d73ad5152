"""`koers check`: try every connection and account, and say what to do about each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any, Literal

from connectors.base import Account, DateWindow, SourceError
from connectors.tables import tables_of
from flows import steps
from flows.project import Project, today_of
from flows.settings import ConfigError

Outcome = Literal["fine", "skipped", "failed"]
MARKS = {"fine": "✓", "skipped": "–", "failed": "✗"}


@dataclass(frozen=True)
class Checked:
    """How one account of one client answered."""

    client: str
    source: str
    account: str
    outcome: Outcome
    told: str

    @property
    def mark(self) -> str:
        return MARKS[self.outcome]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def check_connections(
    project: Project, clients: Sequence[str], as_of: date | None = None
) -> list[Checked]:
    """Ask each source for each client's accounts and each account for something small.

    Nothing is stored. Raises ConfigError when no source can be asked at all.
    """
    rows: list[Checked] = []
    lacking: list[str] = []
    for slug in clients:
        for source in project.client(slug).sources:
            try:
                rows += _check(project, slug, source, as_of or today_of(project))
            except ConfigError as error:
                rows.append(Checked(slug, source, "all", "failed", str(error)))
                lacking.append(str(error))
    if lacking and len(lacking) == len(rows):
        raise ConfigError("\n".join(dict.fromkeys(lacking)))
    return rows


def _check(project: Project, slug: str, source: str, as_of: date) -> list[Checked]:
    try:
        found = steps.find_accounts(project, slug, source)
    except SourceError as error:
        return [Checked(slug, source, "all", "failed", str(error))]
    if not found.accounts:
        return [Checked(slug, source, "none", "failed", "no account found; list its id")]
    rows = []
    for account in found.accounts:
        name = f"{account.account_id} {account.name}".strip()
        if account.status == "enabled":
            refused = _ask(project, slug, account, as_of)
            told = ", ".join(part for part in (account.currency_code, account.time_zone) if part)
            outcome: Outcome = "failed" if refused else "fine"
            rows.append(Checked(slug, source, name, outcome, refused or told))
        elif account.status == "not_enabled":
            rows.append(Checked(slug, source, name, "skipped", "the account is not enabled"))
        else:
            rows.append(Checked(slug, source, name, "failed", str(account.problem)))
    return rows


def _ask(project: Project, slug: str, account: Account, as_of: date) -> str:
    """Read the smallest table of an account; returns what it says when it refuses.

    A manager lists accounts that the user may not read.
    """
    smallest = min(tables_of(account.source), key=lambda table: (table.is_daily, table.max_days))
    yesterday = as_of - timedelta(days=1)
    connector = project.connector(project.client(slug), account.source)
    try:
        reply = connector.fetch(smallest, account, DateWindow(yesterday, yesterday))
        for _ in reply.batches:
            pass
    except SourceError as error:
        return str(error)
    return ""
