"""What was known at a moment: rows, loads and accounts as they were, and the verdict of then."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.base import Account, SourceError
from flows.as_known import (
    Past,
    moment_meant,
    moment_of_text,
    mornings_of,
    said_then,
    source_of,
    upstream,
)
from flows.hindsight import judge_past
from flows.kpis import load_kpis, sql_dir
from flows.landing import now
from flows.models import SqlModel, build, load_models
from flows.project import Project
from flows.readings import last_evaluations
from flows.settings import Agreed, Client, ClientSource, Goal, Period, Settings, Target
from flows.steps import account_failure, commit_slices, evaluate_targets
from flows.warehouse import Warehouse, record_accounts
from tests.unit.small_landing import CLIENT, MORNING, SITE, load, read, site_day

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NOVEMBER = Period(start=date(2026, 11, 1), end=date(2026, 12, 1), said="2026-11")
ACCOUNT = Account("search_console", SITE, "The shop", "EUR", "Europe/Amsterdam")
RAW = "raw.search_console__site_day"
HISTORY = "history.search_console__site_day"


@pytest.fixture(scope="module")
def kpis() -> dict[str, Any]:
    return load_kpis(sql_dir())


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test does, no scratch database is left behind."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield
    assert not list(folder.iterdir())


def project_in(folder: Path, kpis: dict[str, Any]) -> Project:
    target = Target(
        id="organic-clicks",
        specific="More clicks",
        kpi="organic_clicks",
        goal=Goal(kind="at_least", at_least=300.0),
        period=NOVEMBER,
        agreed=Agreed(owner="eva@example.nl"),
    )
    client = Client(
        slug=CLIENT,
        name="Example",
        sources={"search_console": ClientSource(ids=(SITE,))},
        targets=(target,),
    )
    settings = Settings(
        config_dir=folder, root=folder, warehouse=folder / "koers.duckdb",
        landing=folder / "landing", report_dir=folder, clients=(client,),
    )  # fmt: skip
    warehouse = Warehouse(settings.warehouse, settings.landing, 0.3)
    return Project(folder, settings, kpis, sql_dir(), warehouse)


def begun(project: Project) -> Project:
    with project.warehouse.open() as connection:  # it is older than what these tests read
        connection.execute("update ops.version set since = '2020-01-01'")
    return project


@pytest.fixture
def project(tmp_path: Path, kpis: dict[str, Any], request: pytest.FixtureRequest) -> Project:
    """An empty warehouse, or a copy of the one after `three_mornings` for who asks for those."""
    found = project_in(tmp_path, kpis)
    if "three_mornings" not in request.fixturenames:
        return begun(found)
    lived: Lived = request.getfixturevalue("lived")
    shutil.copytree(lived.project.config_dir, tmp_path, dirs_exist_ok=True)
    return found


@lru_cache
def few_models(sql: Path) -> tuple[SqlModel, ...]:
    """Those that the one KPI rests on."""
    return upstream(load_models(sql), {"kpis.organic_clicks"})


@dataclass(frozen=True)
class Lived:
    """A project after some mornings, and by morning when its last slice was in."""

    project: Project
    ended: dict[date, datetime]


@pytest.fixture(scope="module")
def lived(kpis: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """Ten days read on three mornings, the second of which restates; each is judged.

    Never change it: `project` is a copy.
    """
    project = begun(project_in(tmp_path_factory.mktemp("lived"), kpis))
    ended = {}
    with project.warehouse.open() as connection:
        record_accounts(connection, CLIENT, [ACCOUNT])
    for day, clicks in ((0, 10), (1, 12), (2, 12)):
        last = 9 + day
        rows = [site_day(n, clicks) for n in range(1, last + 1)]
        load(project.warehouse, read(project.warehouse, rows, day, days=(1, last)))
        ended[date(2026, 11, 10 + day)] = now()
        with project.warehouse.open() as connection:
            build(connection, few_models(project.sql))
        evaluate_targets(project, [CLIENT], date(2026, 11, 10 + day), False)
    return Lived(project, ended)


@pytest.fixture
def three_mornings(lived: Lived) -> dict[date, datetime]:
    """By morning when its last slice was in; see `lived`."""
    return lived.ended


def past_of(project: Project) -> Past:
    with source_of(project, now()) as connection:
        return Past.of(project, connection, [CLIENT], {"organic_clicks"}, now())


def told(evaluation: Any) -> dict[str, Any]:
    """What an evaluation says, but for when."""
    return {name: value for name, value in asdict(evaluation).items() if name != "known_at"}


# --- rows -------------------------------------------------------------------------------------


def test_rows_are_those_that_were_current_at_the_moment(
    project: Project, three_mornings: dict[date, datetime]
) -> None:
    first, second, third = three_mornings.values()
    seen = []
    with past_of(project) as past:
        for moment in (first - timedelta(days=1), first, second, third):
            past.move_to(moment)
            seen.append(
                past.connection.execute(
                    f"select (select struct_pack(n := count(*), clicks := sum(clicks)) from {RAW}),"
                    f" (select count(*) from {HISTORY}), (select count(*) from ops.loads), "
                    "(select sum(numerator)::bigint from kpis.organic_clicks)"
                ).fetchall()[0]
            )
    # nothing; nine days of 10; ten of 12 that replaced nine; eleven of 12, of which one is new
    assert seen == [
        ({"n": 0, "clicks": None}, 0, 0, None),
        ({"n": 9, "clicks": 90}, 0, 1, 90),
        ({"n": 10, "clicks": 120}, 9, 2, 120),
        ({"n": 11, "clicks": 132}, 9, 3, 132),
    ]


def test_a_slice_is_known_from_its_commit_not_from_when_it_was_read(project: Project) -> None:
    load(project.warehouse, read(project.warehouse, [site_day(1, 5)], 0, days=(1, 1)))
    # a run that was killed read this, the next one took it in
    late = read(project.warehouse, [site_day(1, 6)], 1, days=(1, 1))
    between = now()
    load(project.warehouse, late)

    with past_of(project) as past:
        past.move_to(between)
        assert past.connection.execute(f"select clicks from {RAW}").fetchall() == [(5,)]
        assert past.connection.execute(f"select count(*) from {HISTORY}").fetchall() == [(0,)]
        past.move_to(now())
        assert past.connection.execute(f"select clicks from {RAW}").fetchall() == [(6,)]
        assert past.connection.execute(f"select clicks from {HISTORY}").fetchall() == [(5,)]


def test_a_ledger_that_was_made_anew_counts_from_when_the_slices_were_read(
    project: Project,
) -> None:
    # all of it was read on 10 and 11 November, before this file came to be
    for day, clicks in ((0, 5), (1, 6)):
        load(project.warehouse, read(project.warehouse, [site_day(1, clicks)], day, days=(1, 1)))
    with project.warehouse.open() as connection:
        connection.execute("update ops.version set since = '2027-01-01'")
        connection.execute("update ops.loads set committed_at = '2027-01-01 00:00:10'")
    with past_of(project) as past:
        past.move_to(MORNING + timedelta(hours=1))
        assert past.connection.execute(f"select clicks from {RAW}").fetchall() == [(5,)]
        past.move_to(MORNING + timedelta(days=1, hours=1))
        assert past.connection.execute(f"select clicks from {RAW}").fetchall() == [(6,)]


def test_an_account_was_what_the_ledger_tells_of_it(project: Project) -> None:
    gone = replace(ACCOUNT, status="not_enabled")
    refusing = replace(
        ACCOUNT, status="refused", problem=SourceError("no permission", scope="account")
    )
    moments = [now()]
    for account in (ACCOUNT, gone, refusing, ACCOUNT):
        with project.warehouse.open() as connection:
            record_accounts(connection, CLIENT, [account])
        if account is ACCOUNT:
            load(project.warehouse,
                 read(project.warehouse, [site_day(1, 5)], len(moments), days=(1, 1)))  # fmt: skip
        else:
            commit_slices(project, [account_failure(CLIENT, account, date(2026, 11, 12))])
        moments.append(now())

    seen = []
    with past_of(project) as past:
        for moment in moments:
            past.connection.execute("update past.moment set instant = ?", [moment])
            seen.append(past.connection.execute("select status from ops.accounts").fetchall())
        states = past.connection.execute(
            "select outcome, error from ops.loads order by finished_at"
        ).fetchall()
    # who refuses is there, and what it said is what failed last
    assert seen == [[], [("enabled",)], [("not_enabled",)], [("enabled",)], [("enabled",)]]
    assert ("refused", "no permission") in states


# --- verdicts ---------------------------------------------------------------------------------


def test_the_verdict_of_a_morning_comes_out_again_in_every_column(
    project: Project, three_mornings: dict[date, datetime]
) -> None:
    with project.warehouse.open() as connection:
        before = connection.execute("select count(*) from ops.evaluations").fetchall()
    for morning in three_mornings:
        again = said_then(project, [CLIENT], morning, morning)
        with project.warehouse.read() as connection:
            stored = last_evaluations(connection, [CLIENT], morning)
        assert [told(e) for e in again.evaluations] == [told(e) for e in stored]
        assert again.evaluations[0].known_at == again.moment.at
    assert [said_then(project, [CLIENT], date(2026, 11, 12), m).evaluations[0].value
            for m in three_mornings.values()] == [90.0, 120.0, 132.0]  # fmt: skip
    with project.warehouse.open() as connection:
        assert connection.execute("select count(*) from ops.evaluations").fetchall() == before


def test_before_anything_was_known_there_is_no_verdict(
    project: Project, three_mornings: dict[date, datetime]
) -> None:
    (one,) = said_then(project, [CLIENT], date(2026, 11, 12), datetime(2026, 1, 1)).evaluations  # noqa: DTZ001
    assert (one.status, one.reason, one.value) == ("no_data", "nothing_loaded", None)


# --- which moment -----------------------------------------------------------------------------


def test_a_moment_is_a_day_or_a_time_in_utc() -> None:
    assert moment_of_text("2026-10-03") == date(2026, 10, 3)
    assert moment_of_text("2026-10-03T06:30") == datetime(2026, 10, 3, 6, 30)  # noqa: DTZ001
    assert moment_of_text("2026-10-03 08:30:15+02:00") == datetime(2026, 10, 3, 6, 30, 15)  # noqa: DTZ001
    with pytest.raises(ValueError, match="yesterday"):
        moment_of_text("yesterday")


def test_a_day_means_the_end_of_its_run_and_without_one_the_end_of_the_day(
    project: Project, three_mornings: dict[date, datetime]
) -> None:
    with project.warehouse.open() as connection:
        mornings = mornings_of(connection, [CLIENT])
        first, second = list(three_mornings)[:2]
        assert list(mornings) == list(three_mornings)
        assert mornings[first] <= three_mornings[first] < mornings[second]
        meant = moment_meant(connection, [CLIENT], first, AMSTERDAM)
        assert (meant.at, meant.why) == (mornings[first], f"the end of the run as of {first}")
        # 5 October ends at 22:00 UTC in summer time
        other = moment_meant(connection, [CLIENT], date(2026, 10, 5), AMSTERDAM)
        assert other.at == datetime(2026, 10, 5, 22)  # noqa: DTZ001
        assert "no run" in other.why


def test_a_morning_that_is_read_again_later_is_still_that_morning(
    project: Project, three_mornings: dict[date, datetime]
) -> None:
    first = next(iter(three_mornings))
    with project.warehouse.open() as connection:
        before = mornings_of(connection, [CLIENT])
        connection.execute(  # a run as of the first morning, after the third
            "insert into ops.loads by name select * replace (? as as_of, 'again' as load_id, "
            "?::timestamp as finished_at, ?::timestamp as committed_at) from ops.loads limit 1",
            [first, now(), now()],
        )
        assert mornings_of(connection, [CLIENT]) == before


def test_a_load_of_before_days_were_kept_is_of_the_day_on_which_it_was_read(
    project: Project,
) -> None:
    load(project.warehouse, read(project.warehouse, [site_day(1, 5)], 0, days=(1, 1)))
    with project.warehouse.open() as connection:
        connection.execute("update ops.loads set as_of = null")
        assert list(mornings_of(connection, [CLIENT])) == [MORNING.date()]


# --- the past judged anew ---------------------------------------------------------------------


def test_past_mornings_are_judged_with_what_is_known_now_and_nobody_is_told(
    project: Project, three_mornings: dict[date, datetime]
) -> None:
    told_before = [("ops.outbox", 0), ("ops.alert_state", 0)]
    done = judge_past(project, [CLIENT], date(2026, 11, 8), date(2026, 11, 10))

    assert (done.days, done.verdicts, done.stored) == (3, 3, 3)
    with project.warehouse.open() as connection:
        rows = connection.execute(
            "select as_of, max_by(value, known_at) from ops.evaluations group by all order by all"
        ).fetchall()
        told_now = [
            (name, connection.execute(f"select count(*) from {name}").fetchall()[0][0])
            for name, _ in told_before
        ]
    # the first morning said 90; it is now known that its nine days had 12 clicks each
    assert rows == [
        (date(2026, 11, 8), 84.0), (date(2026, 11, 9), 96.0), (date(2026, 11, 10), 108.0),
        (date(2026, 11, 11), 120.0), (date(2026, 11, 12), 132.0),
    ]  # fmt: skip
    assert told_now == told_before
    assert judge_past(project, [CLIENT], date(2026, 11, 8), date(2026, 11, 10)).stored == 0


def test_a_morning_judged_in_a_range_says_what_it_says_alone(
    project: Project, three_mornings: dict[date, datetime]
) -> None:
    range_ = judge_past(project, [CLIENT], date(2026, 11, 1), date(2026, 11, 12)).evaluations
    (alone,) = evaluate_targets(project, [CLIENT], date(2026, 11, 12), False)
    assert [told(e) for e in range_] == [told(alone)]
