"""From the reports that a user wrote in koers.yaml to tables, or to what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from connectors.base import Table
from connectors.reports import Definition, WrongReportError, table_of
from flows.settings import Report


def report_problems(report: Report) -> Sequence[tuple[str, str, str]]:
    """What is wrong with a report, without asking anybody: where in it, what, what is expected."""
    try:
        table_of(_definition(report))
    except WrongReportError as wrong:
        return [(one.place, one.problem, one.expected) for one in wrong.problems]
    return []


def report_tables(reports: Iterable[Report]) -> tuple[Table, ...]:
    """The tables of reports that `report_problems` has nothing against."""
    return tuple(table_of(_definition(report)) for report in reports)


def _definition(report: Report) -> Definition:
    return Definition(
        report.name,
        report.source,
        report.query,
        report.dimensions,
        report.metrics,
        report.filters,
        report.type,
    )
