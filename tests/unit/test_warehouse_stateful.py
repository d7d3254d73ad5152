"""Any order of runs, backfills, restatements and failures, against a model that only remembers.

The model keeps, per table, account and day, what was read each time. All that
the warehouse should hold follows from that: the last reading is in ``raw``, what
no longer holds is in ``history``, and the ledger tells of every reading.

``KOERS_LONG=20`` tells twenty longer stories over all tables, each time others.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest
import stamina
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from connectors.base import (
    AccessError,
    Account,
    AccountSelection,
    AuthError,
    Connection,
    Connector,
    DateWindow,
    Reply,
    Table,
    TransientError,
)
from connectors.tables import ALL
from flows import landing, plan, readings, rebuild, steps
from flows.folding import fold_landing
from flows.pipeline import DirectEngine, RunReport, run_backfill, run_daily
from flows.project import Connectors, Project, open_project

LONG = int(os.environ.get("KOERS_LONG", "0"))
CLIENT = "shop"
TODAY = date(2026, 11, 20)
SINCE = TODAY - timedelta(days=8)
RESTATED = 3
ONE_DAY = timedelta(days=1)
ACCOUNTS = {
    "1111111111": "google_ads",
    "sc-domain:a.example": "search_console",
    "https://b.example/": "search_console",
}
SOURCES = tuple(sorted(set(ACCOUNTS.values())))
KEYS = ("a", "b 🚲")
# one of each kind: the present, sums of a day, and days with several rows
TABLES = ("google_ads__account", "google_ads__campaign_day",
          "search_console__site_day", "search_console__query_day")  # fmt: skip
FAULTS = (
    "refuses when listed", "refuses", "revoked", "quota", "cut",
    "twice", "too few", "another day",
)  # fmt: skip
USELESS = ("twice", "too few", "another day")

CONFIG = {
    "koers.yaml": f"""\
version: 1
warehouse: data/koers.duckdb
landing: landing
sources:
  google_ads: {{json_key_file_path: key.json, restatement_days: {RESTATED}}}
  search_console: {{restatement_days: {RESTATED}}}
""",
    f"clients/{CLIENT}.yaml": f"""\
name: Shop
since: {SINCE}
sources:
  google_ads: {{customer_ids: ["1111111111"]}}
  search_console: {{sites: ["sc-domain:a.example", "https://b.example/"]}}
""",
}


def tables_of(source: str) -> tuple[Table, ...]:
    return tuple(t for t in ALL if t.source == source and (LONG or t.name in TABLES))


Row = tuple[Any, ...]
# a day of a table of an account; the day is None for a table that describes the present
Place = tuple[str, str, date | None]


Answer = tuple[Table, str, DateWindow, dict[Place, Counter[Row]], bool]


# --- the platforms ----------------------------------------------------------------------------


class Platform:
    """What the vendors know now, how they fail, and what they were asked."""

    def __init__(self) -> None:
        self.values: dict[tuple[Place, str], int] = {}
        self.faults: dict[str, str] = {}
        self.asked: list[tuple[str, str, DateWindow]] = []
        # what was answered to the end, and whether it may be used
        self.answered: list[Answer] = []

    def known(self, place: Place, table: Table) -> list[dict[str, Any]]:
        return [
            _row(table, place, key, value)
            for (where, key), value in self.values.items()
            if where == place
        ]

    def connector(self, source: str, _: Connection) -> Connector:
        return FakeConnector(source, self)


def _row(table: Table, place: Place, key: str, value: int) -> dict[str, Any]:
    """A row with something of the value in every column that is not of its key."""
    by_type: dict[pa.DataType, Any] = {
        pa.string(): f"name {value}",
        pa.int64(): value,
        pa.float64(): value / 2,
        pa.bool_(): value % 2 == 0,
    }
    row = {c.name: key if c.name in table.key else by_type.get(c.type) for c in table.columns}
    row["account_id"] = place[1]
    if place[2] is not None:
        row["date_day"] = place[2]
    return row


class FakeConnector:
    """One vendor that answers from the platform's values, as its faults let it."""

    def __init__(self, source: str, platform: Platform) -> None:
        self.source = source
        self.tables = tables_of(source)
        self.platform = platform

    def accounts(self, selection: AccountSelection) -> list[Account]:
        return [self._account(account) for account in selection.ids]

    def _account(self, account: str) -> Account:
        if self.platform.faults.get(account) == "refuses when listed":
            problem = AccessError("no permission")
            return Account(self.source, account, status="refused", problem=problem)
        return Account(self.source, account, currency_code="EUR")

    def check(self, table: Table, account: Account) -> None: ...

    def fetch(self, table: Table, account: Account, window: DateWindow) -> Reply:
        platform, name = self.platform, account.account_id
        platform.asked.append((table.name, name, window))
        fault = platform.faults.get(name)
        if fault == "refuses":
            raise AccessError("no permission any more")
        if fault == "revoked":
            raise AuthError("the token was revoked")
        if fault == "quota":
            raise TransientError("no quota left", retry_after_seconds=3600.0)
        places = _places(table, name, window)
        by_place = {place: platform.known(place, table) for place in places}
        rows = [row for of_place in by_place.values() for row in of_place]
        if fault == "twice":
            rows += [dict(row) for row in rows[:1]] or [{**_some(table, places[0])}] * 2
        if fault == "another day" and table.is_daily:
            rows.append(_some(table, (table.name, name, window.end + ONE_DAY)))
        announced = len(rows) + 1 if fault == "too few" else None
        usable = fault not in USELESS or (fault == "another day" and not table.is_daily)

        def stream() -> Iterator[pa.RecordBatch]:
            for row in rows:
                yield pa.RecordBatch.from_pylist([row], schema=table.schema)
            if fault == "cut" and len(window.days) > 2:
                raise TransientError("the stream broke off")
            told = {p: Counter(_as_row(table, row) for row in r) for p, r in by_place.items()}
            platform.answered.append((table, name, window, told, usable))

        return Reply(stream(), request_ids=["r-1"], announced_rows=announced)

    def close(self) -> None:
        pass


def _key(table: Table, key: str) -> str:
    """The row that a key means: a table without dimensions has one row a day."""
    return key if set(table.key) - {"account_id", "date_day"} else KEYS[0]


def _some(table: Table, place: Place) -> dict[str, Any]:
    return _row(table, place, KEYS[0], 1)


def _as_row(table: Table, row: dict[str, Any]) -> Row:
    return tuple(row[column.name] for column in table.columns)


def _places(table: Table, account: str, window: DateWindow) -> list[Place]:
    return [(table.name, account, day) for day in (window.days if table.is_daily else (None,))]


class Killed(BaseException):
    """Nothing after this is done, as after SIGKILL."""


class LoadingOnly(DirectEngine):
    """The real steps up to the ledger; what is built from there has tests of its own.

    ``commits`` is how often it commits before it is killed.
    """

    def __init__(self, project: Project, platform: Platform, commits: int | None = None) -> None:
        super().__init__(project)
        self.platform = platform
        self.commits = commits
        # how many of the answers are in the warehouse
        self.committed = 0

    def call(self, step: Any, *args: Any) -> Any:
        if step is steps.build_models:
            return steps.Built(None, ())  # type: ignore[arg-type]
        if step in (steps.evaluate_targets, steps.write_reports, steps.publish):
            return []
        if step is not steps.commit_slices:
            return super().call(step, *args)
        if self.commits == 0:
            raise Killed
        self.commits = None if self.commits is None else self.commits - 1
        results = super().call(step, *args)
        self.committed = len(self.platform.answered)
        return results


# --- the model --------------------------------------------------------------------------------


Version = tuple[Row, int, int | None]


def versions_of(read: Sequence[Counter[Row]]) -> Counter[Version]:
    """Each row with the reading that brought it and the one that ended it (None: it holds)."""
    found: Counter[Version] = Counter()
    since: dict[Row, int] = {}
    for moment, rows in enumerate(read):
        for row in [row for row in since if row not in rows]:
            found[row, since.pop(row), moment] += 1
        for row in rows:
            since.setdefault(row, moment)
    found.update((row, start, None) for row, start in since.items())
    return found


class Days(RuleBasedStateMachine):
    """What may happen to an agency in some weeks."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.platform = Platform()
        self.today = TODAY
        self.clock_offset = timedelta(0)
        self.read: dict[Place, list[Counter[Row]]] = {}
        self.read_as_of: dict[Place, date] = {}
        # landed by runs that were killed before they committed it
        self.waiting: list[tuple[date, Answer]] = []

    @initialize(values=st.lists(st.integers(0, 3), min_size=8, max_size=8))
    def start(self, values: list[int]) -> None:
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        for name, text in CONFIG.items():
            path = folder / "config" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        opened = self.stack.enter_context(open_project(folder / "config"))
        self.project = Project(
            opened.config_dir,
            opened.settings,
            opened.kpis,
            opened.sql,
            opened.warehouse,
            Connectors(self.platform.connector),
        )
        real_now = landing.now
        self.stack.enter_context(
            patch.object(landing, "now", lambda: real_now() + self.clock_offset)
        )
        self.stack.enter_context(
            patch.object(Project, "tables_of", lambda _, __, source: tables_of(source))
        )
        # what is built from the rows has tests of its own
        self.stack.enter_context(patch.object(rebuild, "build"))
        self.stack.enter_context(patch.object(rebuild, "run_checks", return_value=[]))
        self.stack.callback(stamina.set_testing, False)
        stamina.set_testing(True)
        for account, source in ACCOUNTS.items():
            for table in tables_of(source):
                for n, value in enumerate(values):
                    day = SINCE + n * ONE_DAY if table.is_daily else None
                    self.platform.values[(table.name, account, day), KEYS[0]] = value

    def teardown(self) -> None:
        self.stack.close()

    # --- what happens outside ---------------------------------------------------------------

    @rule(days=st.integers(1, 5), value=st.integers(0, 3))
    def days_pass(self, days: int, value: int) -> None:
        for _ in range(days):
            for account, source in ACCOUNTS.items():
                for table in tables_of(source):
                    day = self.today if table.is_daily else None
                    self.platform.values[(table.name, account, day), _key(table, KEYS[1])] = value
            self.today += ONE_DAY

    @rule(
        account=st.sampled_from(sorted(ACCOUNTS)),
        table=st.integers(0, 4),
        days_ago=st.integers(1, 10),
        key=st.sampled_from(KEYS),
        value=st.none() | st.integers(0, 3),
    )
    def a_platform_restates(
        self, account: str, table: int, days_ago: int, key: str, value: int | None
    ) -> None:
        """A row comes, changes, vanishes or returns."""
        tables = tables_of(ACCOUNTS[account])
        of = tables[table % len(tables)]
        day = self.today - days_ago * ONE_DAY if of.is_daily else None
        where = ((of.name, account, day), _key(of, key))
        if value is None:
            self.platform.values.pop(where, None)
        else:
            self.platform.values[where] = value

    @rule(account=st.sampled_from(sorted(ACCOUNTS)), fault=st.sampled_from(FAULTS))
    def an_account_fails(self, account: str, fault: str) -> None:
        self.platform.faults[account] = fault

    @precondition(lambda self: self.platform.faults)
    @rule()
    def all_accounts_come_back(self) -> None:
        self.platform.faults.clear()

    @rule(minutes=st.sampled_from((-90, 30)))
    def the_clock_jumps(self, minutes: int) -> None:
        self.clock_offset += timedelta(minutes=minutes)

    # --- what Koers does --------------------------------------------------------------------

    @rule(late=st.sampled_from((0, 0, 0, 2)))
    def daily_run(self, late: int) -> None:
        as_of = self.today - late * ONE_DAY
        self._take_in()
        expected = {
            account: {
                (table.name, account, day)
                for table in tables_of(source)
                for day in self._days_of_a_run(table, account, as_of)
            }
            for account, source in ACCOUNTS.items()
        }
        engine = self._start_run()
        report = run_daily(self.project, engine, [CLIENT], as_of, notify=False)
        asked = self._asked()
        for account, places in expected.items():
            if self._is_well(account):
                assert {p for p in asked if p[1] == account} == places
            else:
                assert {p for p in asked if p[1] == account} <= places
        self._check(report, as_of)

    def _days_of_a_run(self, table: Table, account: str, as_of: date) -> Sequence[date | None]:
        """What can still change, what was never read, and what was last read too young."""
        if not table.is_daily:
            return [None]
        days = [SINCE + n * ONE_DAY for n in range((as_of - SINCE).days)]
        return [
            day
            for day in days
            if day >= as_of - RESTATED * ONE_DAY or not self._is_done(table, account, day, as_of)
        ]

    def _is_done(self, table: Table, account: str, day: date, as_of: date) -> bool:
        read = self.read_as_of.get((table.name, account, day))
        return read is not None and read >= min(as_of, day + RESTATED * ONE_DAY)

    @rule(days_ago=st.integers(1, 16), length=st.integers(1, 12), force=st.booleans())
    def backfill(self, days_ago: int, length: int, force: bool) -> None:
        start = self.today - days_ago * ONE_DAY
        window = DateWindow(start, start + (length - 1) * ONE_DAY)
        self._take_in()
        expected = {
            (table.name, account, day)
            for account, source in ACCOUNTS.items()
            for table in tables_of(source)
            if table.is_daily and self._is_well(account)
            for day in window.days
            if day < self.today and (force or not self._is_done(table, account, day, self.today))
        }
        engine = self._start_run()
        report = run_backfill(self.project, engine, [CLIENT], self.today, window, force=force)
        asked = {p for p in self._asked() if p[2] is not None and self._is_well(p[1])}
        assert asked == expected
        self._check(report, self.today)
        if not self.platform.faults and not force:
            again = plan.plan_backfill(self.project, report.found, self.today, window)
            assert again == []  # the same backfill once more has nothing to do

    @rule(commits=st.integers(0, 2))
    def a_daily_run_is_killed(self, commits: int) -> None:
        """Between the landing and a commit: what is landed waits for the next run."""
        self._take_in()
        engine = self._start_run(commits)
        with suppress(Killed):
            run_daily(self.project, engine, [CLIENT], self.today, notify=False)
        for n, answer in enumerate(self.platform.answered):
            if n < engine.committed:
                self._remember(answer, self.today)
            else:
                self.waiting.append((self.today, answer))
        self._compare(self.today)

    @precondition(lambda self: any(self.read.values()))
    @rule(fold=st.booleans())
    def the_warehouse_is_made_anew(self, fold: bool) -> None:
        """From the landing alone, also when its old files were folded."""
        if fold:
            later = landing.now() + timedelta(days=3650)
            fold_landing(self.project.warehouse, 0, moment=later, at_once=2)
        made = rebuild.rebuild(self.project)
        assert (made.skipped, made.lost, made.exit_code) == ((), (), 0)
        self._compare(self.today)

    @precondition(lambda self: any(self.read.values()))
    @rule(data=st.data())
    def somebody_asks_what_was_known_then(self, data: st.DataObject) -> None:
        """At any moment in the past: of every day the reading that was the last one then."""
        with self.project.warehouse.open() as connection:
            moments = connection.execute(
                "select distinct finished_at from ops.loads "
                "where outcome in ('loaded', 'empty') order by all"
            ).fetchall()
            (then,) = data.draw(st.sampled_from(moments))
            for account, source in ACCOUNTS.items():
                for table in tables_of(source):
                    columns = ", ".join(column.name for column in table.columns)
                    known = connection.execute(
                        f"select {columns} from raw.{table.name} "
                        "where account_id = ? and loaded_at <= ? "
                        f"union all select {columns} from history.{table.name} "
                        "where account_id = ? and observed_at <= ? and superseded_at > ?",
                        [account, then, account, then, then],
                    ).fetchall()
                    expected: Counter[Row] = Counter()
                    for place, times in self._times(connection, table, account).items():
                        read = zip(times, self.read[place], strict=True)
                        past = [rows for at, rows in read if at <= then]
                        expected += past[-1] if past else Counter()
                    assert Counter(known) == expected

    # --- what must hold ---------------------------------------------------------------------

    def _is_well(self, account: str) -> bool:
        """Nothing is wrong with the account, and nothing that stops its source."""
        source = ACCOUNTS[account]
        return not any(ACCOUNTS[a] == source for a in self.platform.faults)

    def _start_run(self, commits: int | None = None) -> LoadingOnly:
        self.platform.asked.clear()
        self.platform.answered.clear()
        return LoadingOnly(self.project, self.platform, commits)

    def _take_in(self) -> None:
        """What every run does first with what a killed one landed."""
        for as_of, answer in self.waiting:
            self._remember(answer, as_of)
        self.waiting.clear()

    def _remember(self, answer: Answer, as_of: date) -> None:
        table, account, window, told, usable = answer
        for place in _places(table, account, window) if usable else ():
            self.read.setdefault(place, []).append(told[place])
            self.read_as_of[place] = max(as_of, self.read_as_of.get(place, as_of))

    def _asked(self) -> set[Place]:
        tables = {table.name: table for s in SOURCES for table in tables_of(s)}
        return {
            place
            for table, account, window in self.platform.asked
            for place in _places(tables[table], account, window)
        }

    def _check(self, report: RunReport, as_of: date) -> None:
        """Take note of what was read in a run, and compare all that is stored with it."""
        read: list[Place] = []
        for answer in self.platform.answered:
            self._remember(answer, as_of)
            table, account, window, _, usable = answer
            read += _places(table, account, window) if usable else ()
        assert len(set(read)) == len(read), "a day was read twice in one run"
        self._check_outcome(report, set(read))
        self._compare(as_of)

    def _compare(self, as_of: date) -> None:
        with self.project.warehouse.open() as connection:
            for account, source in ACCOUNTS.items():
                for table in tables_of(source):
                    self._check_stored(connection, table, account)
            self._check_ledger(connection, as_of)

    def _check_outcome(self, report: RunReport, read: set[Place]) -> None:
        missed = self._asked() - read
        told = {load.slice.account.account_id for load in report.failed_loads}
        assert {place[1] for place in missed} <= told
        listed = {a for a, fault in self.platform.faults.items() if fault == "refuses when listed"}
        assert listed <= told
        # missing data is never shown as success, and success never as failure
        assert (report.exit_code != 0) == bool(missed or listed)

    def _times(self, connection: Any, table: Table, account: str) -> dict[Place, list[datetime]]:
        """When each place was read, as the ledger tells it."""
        times: dict[Place, list[datetime]] = {}
        for start, end, moment in connection.execute(
            "select window_start, window_end, finished_at from ops.loads where account_id = ? "
            "and table_name = ? and outcome in ('loaded', 'empty') order by finished_at",
            [account, table.name],
        ).fetchall():
            for place in _places(table, account, DateWindow(start, end)):
                times.setdefault(place, []).append(moment)
        return times

    def _check_stored(self, connection: Any, table: Table, account: str) -> None:
        times = self._times(connection, table, account)
        mine = {p: read for p, read in self.read.items() if p[:2] == (table.name, account)}
        assert {p: len(t) for p, t in times.items()} == {p: len(r) for p, r in mine.items()}
        assert all(len(set(moments)) == len(moments) for moments in times.values())

        columns = ", ".join(column.name for column in table.columns)
        stored: dict[Place, Counter[Version]] = {}
        for place in ("raw", "history"):
            ended = "superseded_at" if place == "history" else "null"
            for *row, observed, superseded in connection.execute(
                f"select {columns}, loaded_at, {ended} from {place}.{table.name} "
                "where account_id = ?",
                [account],
            ).fetchall():
                day = row[table.schema.get_field_index("date_day")] if table.is_daily else None
                where = (table.name, account, day)
                moments = times[where]
                until = moments.index(superseded) if superseded else None
                version = (tuple(row), moments.index(observed), until)
                stored.setdefault(where, Counter())[version] += 1
        expected = {p: v for p, v in ((p, versions_of(r)) for p, r in mine.items()) if v}
        assert stored == expected

    def _check_ledger(self, connection: Any, as_of: date) -> None:
        """Where the ledger says that there is data, there is; where it does not, there is not."""
        ledger = readings.read_as_of(connection, CLIENT)
        daily = {p: day for p, day in self.read_as_of.items() if p[2] is not None}
        told = {
            (table.name, account, day): at
            for account, source in ACCOUNTS.items()
            for table in tables_of(source)
            if table.is_daily
            for day, at in ledger.get((table.name, account), {}).items()
        }
        assert told == daily
        (client,) = self.project.settings.clients
        for state in readings.source_states(connection, client, as_of):
            table = {"google_ads": "google_ads__campaign_day"}.get(
                state.source, "search_console__site_day"
            )
            days = {
                day
                for (name, account, day), read in self.read.items()
                if (name, account) == (table, state.account_id)
                and day is not None
                and day < as_of
                and (read[-1] or state.source == "google_ads")
            }
            assert state.through == max(days, default=None)
            assert state.since == min(days, default=None)
            holes = (max(days) - min(days)).days + 1 - len(days) if days else 0
            assert len(state.missing_days) == holes


TestDays = pytest.mark.filterwarnings("ignore")(Days.TestCase)
TestDays.settings = settings(
    max_examples=LONG or 3,
    stateful_step_count=30 if LONG else 8,
    deadline=None,
    derandomize=not LONG,
    # a failing story is short enough to read; shrinking it would take minutes
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def test_some_weeks_of_an_agency_with_everything_that_may_happen() -> None:
    """One story through every rule, the same each time; hypothesis tells others."""
    shop, site = "1111111111", "sc-domain:a.example"
    weeks = Days()
    weeks.start([1, 2, 0, 3, 1, 2, 3, 1])
    try:
        weeks.daily_run(late=0)
        weeks.a_platform_restates(shop, table=1, days_ago=2, key=KEYS[1], value=3)
        weeks.a_platform_restates(site, table=0, days_ago=1, key=KEYS[0], value=None)
        weeks.an_account_fails(shop, "cut")
        weeks.days_pass(days=4, value=2)
        weeks.daily_run(late=0)
        weeks.an_account_fails(site, "another day")
        weeks.backfill(days_ago=16, length=12, force=False)
        weeks.all_accounts_come_back()
        weeks.a_daily_run_is_killed(commits=1)
        weeks.the_clock_jumps(minutes=-90)
        weeks.a_platform_restates(site, table=0, days_ago=5, key=KEYS[0], value=1)
        weeks.the_warehouse_is_made_anew(fold=True)
        weeks.backfill(days_ago=16, length=16, force=True)
        weeks.an_account_fails(site, "revoked")
        weeks.daily_run(late=2)
    finally:
        weeks.teardown()
