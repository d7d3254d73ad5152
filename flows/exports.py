"""`koers export`: the targets as they were last judged and the figures of every KPI, as files.

All of it comes from the published copy of the warehouse, so that nobody who
writes is kept waiting.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from flows.kpis import Kpi, Unit
from flows.landing import now
from flows.project import Project
from flows.readings import OF_CLIENTS, ROWS_AT_A_TIME, last_evaluations
from flows.report import words
from flows.settings import Client, ConfigError, Step, Target
from flows.table_files import (
    MOST_SHEET_ROWS,
    Column,
    Format,
    Kind,
    Table,
    in_place,
    tidy,
    write_csv,
    write_parquet,
    write_workbook,
)
from flows.targets.evaluation import Evaluation

# how a value of each unit is called in the files: no percentages, no cents
UNITS: dict[Unit, Kind] = {
    "rate": "fraction",
    "ratio": "ratio",
    "money": "amount",
    "count": "count",
}
WORKBOOK = "koers.xlsx"
# A sheet adds up over these: people read campaigns, and a year of one account is 70,000 rows with
# them, which takes Excel long to open. CSV and Parquet have them all.
NOT_IN_SHEETS = ("device", "network")

_TARGET_COLUMNS: tuple[tuple[Kind, str], ...] = (
    ("text", "client client_name target_id segment segment_name specific kpi kpi_name unit"),
    ("text", "currency_code"),
    ("day", "as_of"),
    ("text", "status status_said reason goal_said"),
    ("number", "goal goal_low goal_high value adjusted_value expected_by_now gap"),
    ("fraction", "odds_fraction completeness_fraction"),
    ("number", "value_low_80 value_high_80 projected projected_low_80 projected_high_80"),
    ("number", "required"),
    ("text", "period_said"),
    ("day", "period_first_day period_last_day measured_first_day measured_last_day"),
    ("count", "days_missing"),
    ("ratio", "numerator denominator"),
    ("text", "owner agreed_by"),
    ("day", "agreed_on"),
    ("text", "next_step next_step_owner"),
    ("day", "next_step_due"),
    ("count", "next_step_days_overdue steps_done steps_total"),
    ("moment", "known_at_utc"),
    ("text", "target_version"),
)
TARGET_COLUMNS = tuple(
    Column(name, kind) for kind, names in _TARGET_COLUMNS for name in names.split()
)


class NothingPublishedError(ConfigError):
    """There is no published copy of the warehouse yet."""


@dataclass(frozen=True)
class Exported:
    """The files that were written, and what did not fit."""

    files: tuple[tuple[Path, dict[str, int]], ...]  # each with the rows of its tables
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "files": [{"path": str(path), "rows": rows} for path, rows in self.files],
            "notes": list(self.notes),
        }

    def in_words(self) -> str:
        told = []
        for path, rows in self.files:
            count = sum(rows.values())
            sheets = f" in {len(rows)} sheets" if len(rows) > 1 else ""
            told.append(f"wrote {path}: {count:,} row{'' if count == 1 else 's'}{sheets}")
        return "\n".join([*told, *self.notes])


def export(
    project: Project,
    clients: Sequence[str],
    folder: Path,
    form: Format,
    *,
    as_of: date | None = None,
    first_day: date | None = None,
    kpis: Sequence[str] = (),
    with_bom: bool = False,
) -> Exported:
    """Write the targets and the KPIs of some clients; all files take their places together.

    With ``as_of`` the verdicts of that morning and the days before it, without
    it the last ones and every day; days before ``first_day`` are left out.
    ``kpis`` are all of them when it is empty.
    Raises ConfigError for a KPI that does not exist, NothingPublishedError, and
    DiskFullError or DiskFailedError.
    """
    require_published(project)
    chosen = [project.kpis[name] for name in _chosen_kpis(project, kpis)]
    notes = []
    with project.warehouse.read() as connection:
        tables = [target_table(project, last_evaluations(connection, clients, as_of))]
        for kpi in chosen:
            if not _is_built(connection, kpi):
                notes.append(f"there is no kpis.{kpi.name} yet: `koers build` makes it")
                continue
            days = Days(first_day or date.min, as_of or date.max)
            left_out = NOT_IN_SHEETS if form == "xlsx" else ()
            if form == "xlsx":
                days, told = _days_that_fit(connection, kpi, clients, days)
                notes += told
            tables.append(kpi_table(connection, kpi, clients, days, left_out))
        written = _write(tables, folder, form, with_bom)
    return Exported(tuple(written), tuple(notes))


def _write(
    tables: Sequence[Table], folder: Path, form: Format, with_bom: bool
) -> list[tuple[Path, dict[str, int]]]:
    if form == "xlsx":
        with in_place([folder / WORKBOOK]) as (path,):
            return [(folder / WORKBOOK, write_workbook(path, tables, now()))]
    paths = [folder / f"{table.name}.{form}" for table in tables]
    rows = []
    with in_place(paths) as partials:
        for table, path in zip(tables, partials, strict=True):
            if form == "parquet":
                rows.append({table.name: write_parquet(path, table)})
                continue
            with path.open("wb") as file:
                rows.append({table.name: write_csv(file, table, with_bom=with_bom)})
    return list(zip(paths, rows, strict=True))


def require_published(project: Project) -> None:
    """Raise NothingPublishedError when there is no copy for readers yet."""
    if not project.warehouse.published.exists():
        raise NothingPublishedError(
            f"there is no {project.warehouse.published} yet: `koers run` or `koers build` "
            "publishes what it made"
        )


def _chosen_kpis(project: Project, names: Sequence[str]) -> list[str]:
    for name in names:
        if name not in project.kpis:
            near = get_close_matches(name, project.kpis, 1)
            there = ", ".join(project.kpis)
            meant = f"did you mean {near[0]!r}?" if near else f"there are: {there}"
            raise ConfigError(f"there is no KPI {name!r}; {meant}")
    return [name for name in project.kpis if not names or name in names]


# --- the targets ------------------------------------------------------------------------------


def target_table(project: Project, evaluations: Iterable[Evaluation]) -> Table:
    """One row a target and one a segment of it (``segment`` is '' for the total)."""
    rows = [target_row(project, e) for e in evaluations]
    columns = {
        column.name: pa.array([row.get(column.name) for row in rows], column.arrow)
        for column in TARGET_COLUMNS
    }
    batch = pa.record_batch(columns)
    return Table("targets", TARGET_COLUMNS, lambda: [batch])


def target_row(project: Project, e: Evaluation) -> dict[str, Any]:
    """What is known of a verdict, by column; of a target no longer configured the verdict alone.

    ``gap`` is the value that the status rests on minus what is asked for by now.
    """
    client = next((c for c in project.settings.clients if c.slug == e.client), None)
    target = next((t for t in client.targets if t.id == e.target_id), None) if client else None
    judged, due = words.judged(e), words.due(e)
    row: dict[str, Any] = {
        "client": e.client,
        "target_id": e.target_id,
        "segment": e.segment,
        "segment_name": e.segment_label,
        "currency_code": e.currency_code,
        "as_of": e.as_of,
        "status": e.status,
        "reason": e.reason,
        "goal": e.goal,
        "value": e.value,
        "adjusted_value": e.adjusted_value,
        "expected_by_now": e.expected,
        "gap": None if judged is None or due is None else judged - due,
        "odds_fraction": e.probability,
        "completeness_fraction": e.completeness,
        "value_low_80": e.value_low,
        "value_high_80": e.value_high,
        "projected": e.projected,
        "projected_low_80": e.projected_low,
        "projected_high_80": e.projected_high,
        "required": e.required,
        "period_first_day": e.period_start,
        "period_last_day": e.period_end and e.period_end - timedelta(days=1),
        "measured_first_day": e.measured_from,
        "measured_last_day": e.measured_through,
        "days_missing": e.days_missing,
        "numerator": e.numerator,
        "denominator": e.denominator,
        "known_at_utc": e.known_at,
        "target_version": e.target_version,
    }
    if client is not None:
        row["client_name"] = client.name
    if client is not None and target is not None:
        row |= _agreed(project.kpis[target.kpi], client, target, e)
    return {name: tidy(told) if isinstance(told, str) else told for name, told in row.items()}


def _agreed(kpi: Kpi, client: Client, target: Target, e: Evaluation) -> dict[str, Any]:
    """What was agreed on, from the configuration, in the client's language."""
    language = client.locale
    currency = e.currency_code or target.goal.currency or client.currency
    low, high = target.goal.bounds
    step = next_step(target)
    overdue = (e.as_of - step.due).days if step and step.due else 0
    return {
        "specific": target.specific,
        "kpi": kpi.name,
        "kpi_name": words.kpi_label(kpi, language),
        "unit": UNITS[kpi.unit],
        "currency_code": currency if kpi.unit == "money" else e.currency_code,
        "status_said": words.status(e.status, language),
        "goal_said": words.goal(target.goal, kpi, language, currency),
        "goal_low": low,
        "goal_high": high,
        "period_said": words.period(target, e, language),
        "owner": target.agreed.owner,
        "agreed_by": ", ".join(target.agreed.by) or None,
        "agreed_on": target.agreed.on,
        "next_step": step and step.do,
        "next_step_owner": step and step.owner,
        "next_step_due": step and step.due,
        "next_step_days_overdue": max(overdue, 0) if step and step.due else None,
        "steps_done": sum(one.done is not None for one in target.plan),
        "steps_total": len(target.plan),
    }


def next_step(target: Target) -> Step | None:
    """The open step that is due first; one without a date comes last."""
    todo = [step for step in target.plan if step.done is None]
    return min(todo, key=lambda step: (step.due is None, step.due or date.max), default=None)


# --- the KPIs ---------------------------------------------------------------------------------


def kpi_columns(kpi: Kpi, left_out: Sequence[str] = ()) -> tuple[Column, ...]:
    """Client, day, dimensions, currency, both sides (of a ratio) and the value, with their units.

    `numerator_clicks`, `denominator_impressions`, `ctr_fraction`; a sum has its
    value alone: `clicks_count`. An amount is in the currency of its row.
    """
    value = Column(f"{kpi.name}_{UNITS[kpi.unit]}", UNITS[kpi.unit])
    if value.kind == "count":  # conversions are shared among clicks: counts with fractions
        value = Column(value.name, "number")
    sides = () if kpi.is_sum else (_side("numerator", kpi), _side("denominator", kpi))
    return (
        Column("client", "text"),
        Column("date_day", "day"),
        *(Column(name, "text") for name in kpi.dimensions if name not in left_out),
        *((Column("currency_code", "text"),) if kpi.has_currency else ()),
        *sides,
        value,
    )


def _side(side: str, kpi: Kpi) -> Column:
    said = kpi.numerator if side == "numerator" else kpi.denominator or {}
    what = re.sub(r"[^a-z0-9]+", "_", said.get("en", "").lower()).strip("_")
    return Column(f"{side}_{what}" if what else side, "number")


@dataclass(frozen=True)
class Days:
    """From ``first``, included, to ``end``, not included."""

    first: date
    end: date


def kpi_table(
    connection: duckdb.DuckDBPyConnection,
    kpi: Kpi,
    clients: Sequence[str],
    days: Days,
    left_out: Sequence[str] = (),
) -> Table:
    """A row for every day and combination of a KPI's dimensions, oldest first.

    Adds up over the dimensions that are ``left_out``: a side of which part is
    not known is not known.
    """
    columns = kpi_columns(kpi, left_out)
    keys = [f'"{name}"::varchar as "{name}"' for name in kpi.dimensions if name not in left_out]
    keys += ["currency_code::varchar as currency_code"] if kpi.has_currency else []
    sides = ("numerator",) if kpi.is_sum else ("numerator", "denominator")
    summed = ", ".join(f"if(count({s}) = count(*), sum({s})::double, null) as {s}" for s in sides)
    # divided once, after adding up; what cannot be divided is not known
    value = "" if kpi.is_sum else ", numerator / nullif(denominator, 0)"
    sql = (
        f"select *{value} from (select {', '.join(['client', 'date_day', *keys])}, {summed} "
        f"from kpis.{kpi.name} where {_WITHIN} group by all) "
        f"order by {', '.join(str(i + 1) for i in (1, 0, *range(2, len(keys) + 2)))}"
    )

    def batches() -> Iterator[pa.RecordBatch]:
        asked = connection.execute(sql, [",".join(clients), days.first, days.end])
        for batch in asked.to_arrow_reader(ROWS_AT_A_TIME):
            yield batch.rename_columns([column.name for column in columns])

    return Table(f"kpi_{kpi.name}", columns, batches)


# wants the clients, the first day and the one after the last
_WITHIN = f"{OF_CLIENTS} and date_day >= ? and date_day < ?"


def _days_that_fit(
    connection: duckdb.DuckDBPyConnection,
    kpi: Kpi,
    clients: Sequence[str],
    days: Days,
    most_rows: int = MOST_SHEET_ROWS,
) -> tuple[Days, list[str]]:
    """The latest days whose rows fit in a sheet however few are added up, and what does not."""
    counts = connection.execute(
        f"select date_day, count(*) from kpis.{kpi.name} where {_WITHIN} "
        "group by all order by date_day desc",
        [",".join(clients), days.first, days.end],
    ).fetchall()
    rows, first = 0, days.end
    for day, count in counts:
        if rows + count > most_rows:
            break
        rows, first = rows + count, day
    left_out = sum(count for _, count in counts) - rows
    if not left_out:
        return days, []
    return Days(first, days.end), [
        f"kpi_{kpi.name}: a sheet takes {most_rows:,} rows: it begins on {first}, and "
        f"{left_out:,} rows of earlier days are left out (--format csv or parquet has them)"
    ]


def _is_built(connection: duckdb.DuckDBPyConnection, kpi: Kpi) -> bool:
    found = connection.execute(
        "select count(*) from information_schema.tables "
        "where table_schema = 'kpis' and table_name = ?",
        [kpi.name],
    ).fetchall()
    return bool(found[0][0])
