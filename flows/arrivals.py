"""How values arrived: what each day came to at each read, from raw, history and the ledger.

Every version of a row counts from when it was read to when it was superseded,
and every read of a day tells what the day came to then, also when it changed
nothing. Everything is added up in SQL, one query a table for all accounts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import numpy as np

from connectors.google_ads_queries import LAG_BUCKETS
from connectors.tables import ADS_CONVERSION_LAG_DAY
from flows.kpis import Late
from flows.targets.completeness import (
    FloatArray,
    IntArray,
    LagBuckets,
    LagCurve,
    Part,
    Reads,
    curve_of_buckets,
    learn,
)

# Older days teach nothing: the longest conversion window, and half a year of reads before it.
# A curve is well known from that much, and follows an account that changes.
LEARNED_FROM_DAYS = 90 + 180
# A few large orders make the most of a value: it is as noisy as half as many equal ones.
_UNEQUAL = 2.0

Key = tuple[str, str]  # client, account_id
_Columns = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Arrival:
    """How one late column of one account arrives.

    ``curve`` is None when nothing is known of it yet. ``reads`` are those of the
    days from ``since`` on; older days are as complete as they become, as all are
    from ``final_age`` on.
    """

    curve: LagCurve | None
    reads: Reads
    since: date
    final_age: int = LEARNED_FROM_DAYS

    def ages(self, first_day: date, days: int) -> IntArray:
        """At which age each of ``days`` days from ``first_day`` was last read; −1 for never."""
        ages = self.reads.ages_of(first_day, days)
        is_old = np.arange(days) < (self.since - first_day).days
        return np.where(is_old, LEARNED_FROM_DAYS, ages)

    def part(self, first_day: date, arriving: FloatArray, other: FloatArray | None) -> Part:
        """The account's part in a series from ``first_day`` on; see `Part.of`."""
        ages = self.ages(first_day, len(arriving))
        return Part.of(self.curve, ages, arriving, other, self.final_age)


def read_arrivals(
    connection: duckdb.DuckDBPyConnection,
    late: Late,
    as_of: date,
    final_age: Callable[[str], int],
    known_at: datetime | None = None,
) -> dict[Key, Arrival]:
    """Learn per account how the column of ``late`` arrives, from all that was read of it.

    ``final_age`` gives for an account id the days after which a day is left
    alone (its restatement days). ``known_at`` (UTC) leaves out what was read
    after it. Accounts of which nothing was read are not there.
    """
    found = read_all_arrivals(
        connection, [late], as_of, lambda _, account: final_age(account), known_at
    )
    return found[late]


def read_all_arrivals(
    connection: duckdb.DuckDBPyConnection,
    lates: Iterable[Late],
    as_of: date,
    final_age: Callable[[str, str], int],
    known_at: datetime | None = None,
) -> dict[Late, dict[Key, Arrival]]:
    """`read_arrivals` of several late columns, with every table read once.

    ``final_age`` gives the days for a source and an account id.
    """
    since = as_of - timedelta(days=LEARNED_FROM_DAYS)
    asked = list(dict.fromkeys(lates))
    learned: dict[tuple[str, str], dict[Key, Arrival]] = {}
    for table in dict.fromkeys(late.table for late in asked):
        columns = list(dict.fromkeys(late.column for late in asked if late.table == table))
        source = table.partition("__")[0]
        reads = read_reads(connection, table, columns, since, known_at)
        for column in columns:
            buckets = _buckets(connection, source, column, since, known_at)
            arrivals = {}
            for key, one in reads[column].items():
                final = final_age(source, key[1])
                prior = curve_of_buckets(buckets[key], final) if key in buckets else None
                arrivals[key] = Arrival(learn(one, final, prior), one, since, final)
            learned[table, column] = arrivals
    return {late: learned[late.table, late.column] for late in asked}


def _buckets(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    column: str,
    since: date,
    known_at: datetime | None,
) -> Mapping[Key, LagBuckets]:
    told = {one.name for one in ADS_CONVERSION_LAG_DAY.columns}
    if source != ADS_CONVERSION_LAG_DAY.source or column not in told:
        return {}
    return read_lag_buckets(connection, column, since, known_at)


def read_reads(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[str],
    since: date,
    known_at: datetime | None = None,
) -> dict[str, dict[Key, Reads]]:
    """What each day from ``since`` on came to at each read of it, per column and account.

    Of several reads as of one day the last counts. A read as of an earlier day
    than one before it tells nothing of that age: the platform answers as of now.
    A day on which a row lacks the figure is left out while it does.
    """
    _check(connection, table, columns)
    listed = ", ".join(columns)
    sums, unknown, negative, nothing, running, last = (
        ", ".join(form.format(at=at, name=name) for at, name in enumerate(columns))
        for form in (
            "coalesce(sum({name}), 0)::double as value_{at}",
            "count(*) - count({name}) as unknown_{at}",
            "-value_{at} as value_{at}, -unknown_{at} as unknown_{at}",
            "0.0 as value_{at}, 0 as unknown_{at}",
            "if(sum(unknown_{at}) over so_far = 0, sum(value_{at}) over so_far, 'nan'::double) "
            "as value_{at}",
            "max_by(value_{at}, moment) as value_{at}",
        )
    )
    rows = connection.execute(
        f"""
        with

        loads as (
            select
                client,
                account_id,
                finished_at as moment,
                -- before version 2 the day itself was not kept
                coalesce(as_of, finished_at::date) as as_of,
                greatest(window_start, $since) as first_day,
                window_end as last_day
            from ops.loads
            where
                table_name = $table
                and outcome in ('loaded', 'empty')
                and window_end >= $since
                and finished_at <= coalesce($known::timestamp, 'infinity')
        ),

        reads as (
            select
                client,
                account_id,
                moment,
                as_of,
                unnest(generate_series(first_day, last_day, interval 1 day))::date as date_day
            from loads
        ),

        versions as (
            select client, account_id, date_day, loaded_at, null as superseded_at, {listed}
            from raw.{table}
            where date_day >= $since
            union all by name
            select client, account_id, date_day, loaded_at, superseded_at, {listed}
            from history.{table}
            where date_day >= $since
        ),

        -- what was read at one moment was mostly superseded at one moment, too
        batches as (
            select
                client,
                account_id,
                date_day,
                loaded_at,
                superseded_at,
                {sums},
                {unknown}
            from versions
            group by all
        ),

        -- a load's moment is that of all it changed
        steps as (
            select
                * exclude (loaded_at, superseded_at),
                loaded_at as moment,
                null as as_of
            from batches
            where loaded_at <= coalesce($known::timestamp, 'infinity')
            union all by name
            select client, account_id, date_day, superseded_at as moment, null as as_of, {negative}
            from batches
            where superseded_at <= coalesce($known::timestamp, 'infinity')
            union all by name
            select client, account_id, date_day, moment, as_of, {nothing}
            from reads
        ),

        running as (
            select
                client,
                account_id,
                date_day,
                moment,
                as_of,
                {running},
                max(as_of) over so_far as latest
            from steps
            window so_far as (
                partition by client, account_id, date_day
                order by moment
                range between unbounded preceding and current row
            )
        )

        select
            client,
            account_id,
            date_diff('day', date '0001-01-01', date_day) + 1 as day,
            date_diff('day', date_day, as_of) as age,
            {last}
        from running
        where as_of = latest and as_of > date_day
        group by all
        order by all
        """,
        {"since": since, "table": table, "known": known_at},
    ).fetchnumpy()
    accounts = _by_account(rows)
    return {
        name: {
            key: _reads(rows["day"][part], rows["age"][part], rows[f"value_{at}"][part])
            for key, part in accounts.items()
        }
        for at, name in enumerate(columns)
    }


def _reads(day: Any, age: Any, value: Any) -> Reads:
    told = np.isfinite(value)
    return Reads(
        day[told].astype(np.int64), age[told].astype(np.int64), value[told].astype(np.float64)
    )


def read_lag_buckets(
    connection: duckdb.DuckDBPyConnection,
    column: str,
    since: date,
    known_at: datetime | None = None,
) -> dict[Key, LagBuckets]:
    """Google Ads' own lag buckets of the days from ``since`` on, by the age of the last read."""
    table = ADS_CONVERSION_LAG_DAY.name
    _check(connection, table, [column])
    rows = connection.execute(
        f"""
        with

        reads as (
            select
                client,
                account_id,
                unnest(generate_series(greatest(window_start, $since), window_end, interval 1 day))
                ::date as date_day,
                coalesce(as_of, finished_at::date) as as_of
            from ops.loads
            where
                table_name = $table
                and outcome in ('loaded', 'empty')
                and window_end >= $since
                and finished_at <= coalesce($known::timestamp, 'infinity')
        ),

        ages as (
            select client, account_id, date_day, date_diff('day', date_day, max(as_of)) as age
            from reads
            group by client, account_id, date_day
        ),

        versions as (
            select
                client,
                account_id,
                date_day,
                conversion_lag_bucket,
                conversions,
                {column} as value
            from raw.{table}
            where date_day >= $since and loaded_at <= coalesce($known::timestamp, 'infinity')
            union all by name
            select
                client,
                account_id,
                date_day,
                conversion_lag_bucket,
                conversions,
                {column} as value
            from history.{table}
            where
                date_day >= $since
                and observed_at <= coalesce($known::timestamp, 'infinity')
                and superseded_at > coalesce($known::timestamp, 'infinity')
        )

        select
            client,
            account_id,
            age,
            conversion_lag_bucket as bucket,
            coalesce(sum(value), 0)::double as value,
            coalesce(sum(conversions), 0)::double as conversions
        from versions
        inner join ages using (client, account_id, date_day)
        where age > 0
        group by all
        order by all
        """,
        {"since": since, "table": table, "known": known_at},
    ).fetchnumpy()
    found = {}
    for key, part in _by_account(rows).items():
        names = rows["bucket"][part]
        # a bucket that a newer API adds has no place on the curve
        told = np.array([name in LAG_BUCKETS for name in names], dtype=bool)
        edges = np.array([LAG_BUCKETS[n] for n in names[told]], np.float64).reshape(-1, 2)
        value = rows["value"][part][told].astype(np.float64)
        count = float(rows["conversions"][part][told].sum())
        worth = float(value.sum()) / count if count > 0 else 1.0
        found[key] = LagBuckets(
            age=rows["age"][part][told].astype(np.int64),
            lower=edges[:, 0],
            upper=edges[:, 1],
            amount=value,
            grain=1.0 if column == "conversions" else worth * _UNEQUAL,
        )
    return found


def _check(connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str]) -> None:
    """Raise ValueError for a name that is of no raw table: it becomes part of the SQL."""
    known = {
        column
        for (column,) in connection.execute(
            "select column_name from duckdb_columns() where schema_name = 'raw' "
            "and database_name = current_database() and table_name = ?",
            [table],
        ).fetchall()
    }
    for column in columns:
        if column not in known or "date_day" not in known:
            raise ValueError(f"raw.{table} has no {column}")


def _by_account(rows: _Columns) -> dict[Key, slice]:
    """Where each account's rows are; they come ordered by client and account."""
    clients, accounts = rows["client"], rows["account_id"]
    if not len(clients):
        return {}
    changes = (clients[1:] != clients[:-1]) | (accounts[1:] != accounts[:-1])
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1, [len(clients)]])
    return {
        (str(clients[first]), str(accounts[first])): slice(first, last)
        for first, last in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    }
