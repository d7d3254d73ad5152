"""The commented configuration that a newcomer starts from."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

from flows.literals import add
from flows.schemas import schema_files
from flows.yaml_loader import ConfigError

_HERE = Path(__file__).parent


def write_starter(directory: Path, today: date) -> list[Path]:
    """Write a configuration that validates, with its JSON Schemas, into a folder.

    Its periods lie around ``today``. Returns the paths that were written.
    Raises ConfigError, with nothing written, when any of the files exists (but
    for the schemas) or the folder cannot be written to.
    """
    files = starter_files(today)
    paths = [directory / name for name in files]
    # the schemas are generated: another copy of them is nobody's work
    for path in paths:
        if (path.exists() or path.is_symlink()) and not path.name.endswith(".schema.json"):
            raise ConfigError(f"{path} exists already; choose another folder or move it away")
    for path, text in zip(paths, files.values(), strict=True):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            mode = "w" if path.name.endswith(".schema.json") else "x"
            with path.open(mode, encoding="utf-8", newline="\n") as file:
                file.write(text)
        except OSError as e:
            raise ConfigError(f"{path} cannot be written: {e.strerror or e}") from e
    return paths


def starter_files(today: date) -> dict[str, str]:
    """The text of every file by its path within the configuration folder."""
    quarter = (today.month - 1) // 3 + 1
    quarter_end = add(date(today.year, quarter * 3 - 2, 1), 3, "month") - timedelta(days=1)
    q4_end = date(today.year, 12, 31)
    dates = {
        "today": today,
        "month_start": today.replace(day=1),
        "in_two_weeks": today + timedelta(days=14),
        "in_four_weeks": today + timedelta(days=28),
        "months_end": date((today + timedelta(days=90)).year, 12, 31),
        "q4": f"{today.year}-Q4",
        "q4_step": max(date(today.year, 10, 20), min(today + timedelta(days=14), q4_end)),
        "quarter": f"{today.year}-Q{quarter}",
        "quarter_step": min(today + timedelta(days=28), quarter_end),
    }
    example = (_HERE / "clients" / "example.yaml").read_text(encoding="utf-8")
    return {
        "koers.yaml": (_HERE / "koers.yaml").read_text(encoding="utf-8"),
        "clients/example.yaml": re.sub(r"@(\w+)@", lambda m: str(dates[m[1]]), example),
        ".env.example": (_HERE / "env.example").read_text(encoding="utf-8"),
        **schema_files(),
    }
