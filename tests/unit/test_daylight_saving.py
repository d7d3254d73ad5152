"""Days of 23 and 25 hours are days like any other; clocks in the database are UTC."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path

import pytest

import flows.project
from connectors.base import Account, Slice
from flows.plan import Found, plan_run
from flows.project import Project, open_project, today_of
from flows.report.formats import moment
from flows.starter import write_starter
from flows.steps import build_models
from tests.unit.small_landing import SITE, load, read, site_day

# in the Netherlands: 23 hours, 25 hours
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    write_starter(tmp_path / "config", date(2026, 11, 20))
    with open_project(tmp_path / "config", 0.3) as opened:
        yield opened


def planned(project: Project, as_of: date) -> list[Slice]:
    found = Found("example", "search_console", (Account("search_console", SITE),))
    return [p for p in plan_run(project, [found], as_of) if p.table.grain == "site_day"]


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
@pytest.mark.parametrize("later", [0, 1, 2])
def test_every_day_around_the_change_is_read_once_and_never_today(
    project: Project, day: date, later: int
) -> None:
    as_of = day + timedelta(days=later)

    days = [one for piece in planned(project, as_of) for one in piece.window.days]

    assert days == sorted(set(days))
    assert days[-1] == as_of - timedelta(days=1)
    assert len(days) == (days[-1] - days[0]).days + 1
    assert (day in days) == (later > 0)


def test_a_long_day_is_one_row_of_a_mart(project: Project) -> None:
    rows = [site_day(1, n) | {"date_day": AUTUMN + timedelta(days=n)} for n in (-1, 0, 1)]
    piece = read(project.warehouse, [], 0).slice
    window = replace(piece.window, start=rows[0]["date_day"], end=rows[2]["date_day"])
    landed = read(project.warehouse, [row | {"clicks": 5} for row in rows], 1)
    load(project.warehouse, replace(landed, slice=replace(piece, window=window)))
    build_models(project)

    with project.warehouse.open() as connection:
        assert connection.execute(
            "select date_day, clicks from marts.organic_search_day order by 1"
        ).fetchall() == [(row["date_day"], 5) for row in rows]


@pytest.mark.parametrize(
    ("instant", "today"),
    [
        ("2026-03-28T22:59:59", date(2026, 3, 28)),
        ("2026-03-28T23:00:00", SPRING),  # midnight, still an hour from UTC
        ("2026-03-29T21:59:59", SPRING),
        ("2026-03-29T22:00:00", date(2026, 3, 30)),  # midnight, two hours from UTC by now
        ("2026-10-24T22:00:00", AUTUMN),
        ("2026-10-25T00:30:00", AUTUMN),  # half past two for the first time
        ("2026-10-25T01:30:00", AUTUMN),  # and for the second
        ("2026-10-25T22:59:59", AUTUMN),
        ("2026-10-25T23:00:00", date(2026, 10, 26)),
    ],
)
def test_today_is_the_schedules_own_day(
    project: Project, instant: str, today: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromisoformat(instant).replace(tzinfo=UTC).astimezone(tz)

    monkeypatch.setattr(flows.project, "datetime", Clock)

    assert today_of(project) == today


def test_a_moment_is_told_on_the_readers_clock_wherever_the_machine_thinks_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored = datetime(2026, 10, 25, 0, 30)  # noqa: DTZ001 (UTC, as all our timestamps)
    try:
        for machine in ("UTC", "Europe/Amsterdam", "America/New_York"):
            monkeypatch.setenv("TZ", machine)
            time.tzset()
            assert moment(stored, "Europe/Amsterdam", "en").endswith(", 02:30")
    finally:
        monkeypatch.undo()
        time.tzset()
