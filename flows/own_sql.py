"""What is wrong with a user's own SQL, told before a run would stumble over it."""

from __future__ import annotations

import re
from pathlib import Path

from flows.kpis import sql_dir
from flows.models import ModelError, load_checks, load_models
from flows.project import all_tables
from flows.settings import Settings
from flows.yaml_loader import Finding

_TOLD = re.compile(r"(?P<file>.+?\.(?:sql|yaml))(?::(?P<line>\d+))?: (?P<problem>.+)")


def own_sql_findings(settings: Settings, folder: Path) -> list[Finding]:
    """Read the models and checks of the user's folder, without a database."""
    tables = all_tables(settings)
    try:
        models = load_models(sql_dir(), tables, folder)
        load_checks(folder, models, tables)
    except ModelError as error:
        return [_finding(line, folder) for line in str(error).splitlines()]
    return []


def _finding(told: str, folder: Path) -> Finding:
    match = _TOLD.match(told)
    if match is None:
        return Finding(str(folder), 1, "sql", told)
    return Finding(match["file"], int(match["line"] or 1), "sql", match["problem"])
