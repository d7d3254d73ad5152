"""The folder of reports: the clients' pages, the overview, and dated copies of each page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import duckdb

from flows.agency_figures import agency_figures
from flows.killpoints import reach
from flows.kpi_figures import kpi_figures, shown_kpis
from flows.project import Project
from flows.report.ad_figure import AgencyFigures
from flows.report.dress import dress_of
from flows.report.kpi_figure import KpiFigure
from flows.report.model import ClientView
from flows.report.overview import render_overview
from flows.report.page import render_report, write_report
from flows.views import arrivals_of, views_of

OVERVIEW = "index.html"
_DATED = re.compile(r"(\d{4}-\d{2}-\d{2})\.html")


def read_views(
    project: Project, connection: duckdb.DuckDBPyConnection, clients: Sequence[str], as_of: date
) -> tuple[list[ClientView], dict[str, tuple[KpiFigure, ...]], AgencyFigures]:
    """What the pages are made from: every client for the overview, explained those asked for.

    Beside the views the figures of the clients asked for, and those of the overview.
    """
    every = [client.slug for client in project.settings.clients]
    asked = set(clients)
    views = views_of(
        project, connection, every, as_of, explained=lambda total: total.client in asked
    )
    arriving = arrivals_of(project, connection, shown_kpis(project), as_of)
    return (
        views,
        kpi_figures(project, connection, clients, as_of, arriving),
        agency_figures(project, connection, views, as_of, arriving),
    )


def write_pages(
    project: Project,
    views: Sequence[ClientView],
    figures: dict[str, tuple[KpiFigure, ...]],
    agency: AgencyFigures,
) -> list[Path]:
    """Write the page of each client that has ``figures``, its dated copy, and the overview.

    Gives the clients' pages in the order of the views, then the overview. A
    reader sees the old page or the new one, whole.
    """
    settings = project.settings
    dress = dress_of(settings.brand)
    written = []
    for view in views:
        slug = view.client.slug
        if slug not in figures:
            continue
        html = render_report(view, figures[slug], dress)
        path = settings.report_dir / f"{slug}.html"
        write_report(path, html)
        archive = settings.report_dir / "archive" / slug
        keep_copy(archive, html, view.as_of, settings.report_keep_days)
        written.append(path)
        reach("reporting")
    overview = settings.report_dir / OVERVIEW
    zone = settings.schedule.timezone
    write_report(overview, render_overview(views, agency, settings.locale, dress, zone))
    return [*written, overview]


def keep_copy(folder: Path, html: str, as_of: date, keep_days: int) -> None:
    """Put a dated copy into a folder, and remove those that are older than ``keep_days``.

    A file that is called otherwise is somebody's own: it stays.
    """
    write_report(folder / f"{as_of}.html", html)
    oldest = as_of - timedelta(days=keep_days)
    for path in folder.iterdir():
        dated = _DATED.fullmatch(path.name)
        if dated and dated[1] < oldest.isoformat():
            path.unlink(missing_ok=True)
