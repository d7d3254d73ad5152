"""What the command line says of runs, targets and the state of things."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from flows import coverage
from flows.pipeline import RunReport
from flows.project import Project
from flows.report import formats
from flows.targets.evaluation import Evaluation

SYMBOLS = {
    "achieved": "★",
    "on_track": "●",
    "at_risk": "◐",
    "off_track": "○",
    "missed": "✗",
    "provisional": "…",
}


def as_table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Columns of plain text, as wide as their longest value."""
    lines = [[str(cell) for cell in headings]]
    # a campaign's name may hold a line break, and a row is a line
    lines += [
        ["–" if cell is None else str(cell).replace("\n", " ") for cell in row] for row in rows
    ]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def target_rows(
    evaluations: Iterable[Evaluation],
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Headings and rows: one line a target, its segments indented below.

    ``adjusted`` accounts for the conversions that are still arriving; where there
    is one, the status rests on it. ``due now`` is what the goal asks for by now,
    ``ends at`` and ``odds`` where it is going and the chance of making it.
    """
    headings = (
        "", "client", "target", "status", "value", "adjusted", "due now", "goal", "ends at",
        "odds", "as of",
    )  # fmt: skip
    rows = []
    for e in evaluations:
        name = f"  {formats.name(e.segment_label, 40)}" if e.segment else e.target_id
        rows.append(
            (
                SYMBOLS.get(e.status, "?"),
                e.client,
                name,
                e.status,
                _figure(e.value),
                _figure(e.adjusted_value),
                _figure(e.expected),
                _figure(e.goal),
                _figure(e.projected),
                _odds(e.probability),
                e.as_of,
            )
        )
    return headings, rows


def shortened(text: str, most: int = 40) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _figure(value: float | None) -> str | None:
    if value is None:
        return None
    return f"{value:,.4f}" if abs(value) < 10 else f"{value:,.2f}"


def _odds(probability: float | None) -> str | None:
    """In tens: the percent is not known better than that."""
    if probability is None:
        return None
    if probability < 0.1:
        return "<10%"
    return ">90%" if probability > 0.9 else f"~{round(probability * 10) * 10}%"


def evaluations_as_dicts(evaluations: Iterable[Evaluation]) -> list[dict[str, Any]]:
    return [asdict(e) for e in evaluations]


def run_as_dict(report: RunReport) -> dict[str, Any]:
    return {
        "state": report.state,
        "exit_code": report.exit_code,
        "as_of": report.as_of,
        "accounts": [
            {
                "client": one.client,
                "source": one.source,
                "account": account.account_id,
                "status": account.status,
                "problem": str(account.problem) if account.problem else None,
            }
            for one in report.found
            for account in one.accounts
        ],
        "loads": [
            {
                "client": load.slice.client,
                "table": load.slice.table.name,
                "account": load.slice.account.account_id,
                "from": load.slice.window.start,
                "to": load.slice.window.end,
                "outcome": load.outcome,
                "rows": load.rows,
                "changed": load.rows_changed,
                "superseded": load.rows_superseded,
                "error": load.error or None,
            }
            for load in report.loads
        ],
        "coverage": [
            asdict(one) | {"complete": one.is_complete, "why": one.why or None}
            for one in report.coverage
        ],
        "checks_failed": [
            {"check": check.name, "says": check.sentence, "rows": check.violations}
            for check in report.checks
            if not check.passed
        ],
        "targets": evaluations_as_dicts(report.evaluations),
        "reports": [str(path) for path in report.reports],
        "messages": [delivery.as_dict() for delivery in report.deliveries],
    }


def run_in_words(report: RunReport) -> str:
    """The closing lines of a run: what went where, and what did not."""
    done = [load for load in report.loads if load.outcome in ("loaded", "empty")]
    rows = sum(load.rows for load in done)
    changed = sum(load.rows_changed for load in done)
    lines = [f"{report.state}: {len(done)} slices, {rows:,} rows read, {changed:,} new or changed"]
    if report.coverage:
        lines.append(coverage.in_words(report.coverage))
    seen: set[str] = set()
    for error in report.errors:
        if str(error) not in seen:
            seen.add(str(error))
            lines.append(f"failed: {error}")
    lines += [
        f"refused: {load.error}"
        for load in report.failed_loads
        if load.error and load.error not in seen
    ]
    lines += [f"missing: {one}: {one.why}" for one in report.missing if one.why == coverage.SILENCE]
    lines += [f"check {check}" for check in report.failed_checks]
    lines += [f"report: {path}" for path in report.reports]
    lines += [delivery.in_words() for delivery in report.deliveries]
    return "\n".join(lines)


@dataclass(frozen=True)
class ProjectStatus:
    """Where the data of each account stands, and what waits to be sent."""

    warehouse: str
    sources: tuple[dict[str, Any], ...]
    outbox: dict[str, int]
    queue: tuple[dict[str, Any], ...] = ()  # what waits, and what was given up lately

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def in_words(self) -> str:
        waiting = ", ".join(f"{count} {state}" for state, count in self.outbox.items())
        return f"warehouse: {self.warehouse}\nmessages: {waiting or 'none'}"


def project_status(project: Project, clients: Sequence[str], today: date) -> ProjectStatus:
    from flows import readings
    from flows.alerts.outbox import queue

    rows: list[dict[str, Any]] = []
    with project.warehouse.read() as connection:
        for slug in clients:
            for state in readings.source_states(connection, project.client(slug), today):
                rows.append(
                    {
                        "client": slug,
                        "source": state.source,
                        "account": f"{state.account_id} {state.account_name}",
                        "through": state.through,
                        "expected": state.expected_through,
                        "missing": len(state.missing_days) or None,
                        "problem": state.problem,
                    }
                )
        outbox = dict(
            connection.execute(
                "select state, count(*) from ops.outbox group by state order by state"
            ).fetchall()
        )
        waiting = queue(connection, datetime.now(UTC), clients)
    return ProjectStatus(
        str(project.warehouse.path), tuple(rows), outbox, tuple(asdict(one) for one in waiting)
    )
