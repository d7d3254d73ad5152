"""From the warehouse to the plain values that targets and reports are made of."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from connectors.registry import SOURCES
from flows.kpis import Kpi
from flows.landing import now
from flows.models import CheckResult
from flows.report.model import Covered, SourceState
from flows.settings import Client, Target
from flows.targets.cube import Column, Converted, KpiCube, add_rows
from flows.targets.evaluation import (
    AccountProblem,
    BoolArray,
    Evaluation,
    FloatArray,
    Freshness,
)
from flows.targets.status import FORGOTTEN_AFTER_DAYS, Earlier
from flows.warehouse import transaction
from flows.windows import days_between

# Slugs, joined with commas. One value and not one a client: binding a value takes DuckDB a
# third of a millisecond.
OF_CLIENTS = "client in (select unnest(string_split(?, ',')))"
# rows of a KPI that are in memory at a time, beside the arrays that they end up in
ROWS_AT_A_TIME = 200_000


def write_clients(connection: duckdb.DuckDBPyConnection, clients: Iterable[Client]) -> None:
    """Tell the SQL models what the configuration says of each client."""
    with transaction(connection):
        connection.execute("delete from ops.clients")
        for client in clients:
            connection.execute(
                "insert into ops.clients values (?, ?, ?, ?, ?, ?)",
                [
                    client.slug,
                    client.name,
                    client.timezone,
                    client.currency,
                    client.locale,
                    client.conversion,
                ],
            )


def write_checks(connection: duckdb.DuckDBPyConnection, checks: Iterable[CheckResult]) -> None:
    """Keep which checks fail, per client where a check tells whose rows they are."""
    moment = now()
    with transaction(connection):
        connection.execute("delete from ops.checks")
        for check in checks:
            if check.passed:
                continue
            for client, violations in check.by_client or ((None, check.violations),):
                connection.execute(
                    "insert into ops.checks values (?, ?, ?, ?, ?, ?)",
                    [check.name, check.severity, check.sentence, client, violations, moment],
                )


def failing_checks(connection: duckdb.DuckDBPyConnection, client: str) -> tuple[str, ...]:
    """The checks that failed at the last build for a client or for nobody in particular."""
    return tuple(
        f"{sentence} ({name}: {violations})"
        for name, sentence, violations in connection.execute(
            "select name, sentence, violations from ops.checks "
            "where client = ? or client is null order by severity, name",
            [client],
        ).fetchall()
    )


# --- the figures ------------------------------------------------------------------------------

Cubes = dict[tuple[str, str], KpiCube]


def read_cubes(
    connection: duckdb.DuckDBPyConnection,
    clients: Sequence[str],
    kpis: Iterable[Kpi],
    first_day: date,
    last_day: date,
) -> Cubes:
    """By (client, KPI name) the figures from ``first_day`` to ``last_day``, both included.

    Every KPI is read once, for all clients together. The days of a cube begin
    where any of the clients has a first row, and end at ``last_day``. A client
    of which nothing is known has a cube without cells.
    """
    found: Cubes = {}
    for kpi in kpis:
        found.update(read_kpi(connection, clients, kpi, first_day, last_day))
    return found


def read_kpi(
    connection: duckdb.DuckDBPyConnection,
    clients: Sequence[str],
    kpi: Kpi,
    first_day: date,
    last_day: date,
    into: str | None = None,
) -> Cubes:
    """The cubes of one KPI; see `read_cubes`.

    ``into`` is the currency that amounts are converted into; None: each client's own.
    """
    cells = _read_cells(connection, clients, kpi, first_day, last_day)
    begin = max(cells.first_day or first_day, first_day)
    days = max((last_day - begin).days + 1, 0)
    shape = (len(cells.clients), days)
    has_row = np.zeros(shape, dtype=np.bool_)
    numerator = np.zeros(shape)
    denominator = None if kpi.is_sum else np.zeros(shape)
    if cells.clients:
        sides = [numerator] if denominator is None else [numerator, denominator]
        told = _Told(_sides(kpi), f"kpis.{kpi.name}")
        _fill(connection, clients, kpi, begin, last_day, cells, has_row, sides, told)
    converting = _converted_into(connection, kpi, cells, into)
    in_one: list[FloatArray] = []
    if converting:
        in_one = [np.zeros(shape) for _ in sides]
        told = _Told(_sides(kpi, " * _rate"), _RATED.format(kpi.name), (into, into))
        _fill(connection, list(converting), kpi, begin, last_day, cells, has_row, in_one, told)
    found: Cubes = {}
    for client in clients:
        own = slice(bisect_left(cells.clients, client), bisect_right(cells.clients, client))
        found[client, kpi.name] = KpiCube(
            client,
            kpi.name,
            begin,
            {name: Column.of(texts[own]) for name, texts in cells.dimensions.items()},
            Column.of(cells.currencies[own]) if kpi.has_currency else None,
            numerator[own],
            None if denominator is None else denominator[own],
            has_row[own],
            Converted(converting[client], in_one[0][own], None if kpi.is_sum else in_one[1][own])
            if client in converting
            else None,
        )
    return found


@dataclass(frozen=True)
class _Cells:
    """Every combination of client, dimension values and currency, in that order."""

    clients: list[str]
    dimensions: dict[str, list[str | None]]
    currencies: list[str | None]
    keys: NDArray[np.uint64]  # what tells a row's cell
    salt: int  # of the keys
    first_day: date | None


def _read_cells(
    connection: duckdb.DuckDBPyConnection,
    clients: Sequence[str],
    kpi: Kpi,
    first_day: date,
    last_day: date,
) -> _Cells:
    salt = 0
    while True:
        rows = connection.execute(
            f"select {_key(kpi)}, min(date_day), client, {_currency(kpi)}{_dimensions(kpi)} "
            f"from kpis.{kpi.name} where {_WINDOW} group by all",
            [salt, ",".join(clients), first_day, last_day],
        ).fetchall()
        if len({row[0] for row in rows}) == len(rows):
            break
        salt += 1  # two cells with one key: once in a million million times
    rows.sort(key=lambda row: [(text is not None, text) for text in (row[2], *row[4:], row[3])])
    return _Cells(
        clients=[row[2] for row in rows],
        dimensions={name: [row[4 + i] for row in rows] for i, name in enumerate(kpi.dimensions)},
        currencies=[row[3] for row in rows],
        keys=np.array([row[0] for row in rows], dtype=np.uint64),
        salt=salt,
        first_day=min((row[1] for row in rows), default=None),
    )


# the rows to read; wants the clients, the first day and the last
_WINDOW = f"{OF_CLIENTS} and date_day between ? and ?"


def _key(kpi: Kpi) -> str:
    """A row's cell as a number, so that no text is read a row. Wants the salt."""
    return f"hash(?::integer, client, {_currency(kpi)}{_dimensions(kpi)})"


def _currency(kpi: Kpi) -> str:
    return "currency_code::varchar" if kpi.has_currency else "null::varchar"


def _dimensions(kpi: Kpi) -> str:
    return "".join(f', "{name}"::varchar' for name in kpi.dimensions)


# A KPI's rows with what their money is multiplied with to be in one currency, by way of the
# euro; null where no rate is known. Wants that currency twice: null is the client's own.
_RATED = """(
    select
        kpi.*,
        if(
            kpi.currency_code = coalesce(?, clients.currency), 1, ours.rate / theirs.rate
        ) as _rate
    from kpis.{} as kpi
    inner join ops.clients as clients
        on kpi.client = clients.client
    left join intermediate.int_currency__rate_day as theirs
        on
            kpi.currency_code = theirs.currency_code
            and kpi.date_day = theirs.date_day
    left join intermediate.int_currency__rate_day as ours
        on
            coalesce(?, clients.currency) = ours.currency_code
            and kpi.date_day = ours.date_day
)"""


class _Told(NamedTuple):
    """What is read for the sides of a KPI, from where, and what that wants."""

    values: str
    rows: str
    wanted: tuple[str | None, ...] = ()


def _sides(kpi: Kpi, money: str = "") -> str:
    """What is read of a row; ``money`` is put behind the sides that are amounts.

    Those are the numerator of every KPI with a currency, and both sides of a
    ratio that is no amount itself (ROAS).
    """
    numerator = f"(numerator{money})::double"
    if kpi.is_sum:
        return numerator
    return f"{numerator}, (denominator{money if kpi.unit == 'ratio' else ''})::double"


def _converted_into(
    connection: duckdb.DuckDBPyConnection, kpi: Kpi, cells: _Cells, into: str | None
) -> dict[str, str]:
    """By client the currency to convert into, of those that have amounts in another one."""
    if not kpi.has_currency or not cells.clients:
        return {}
    # the models of an older Koers, before they are built anew
    if not connection.execute(
        "select 1 from duckdb_tables() where database_name = current_database() "
        "and schema_name = 'intermediate' and table_name = 'int_currency__rate_day'"
    ).fetchall():
        return {}
    own = dict(
        connection.execute(
            f"select client, coalesce(?, currency) from ops.clients where {OF_CLIENTS}",
            [into, ",".join(sorted(set(cells.clients)))],
        ).fetchall()
    )
    return {
        client: own[client]
        for client, currency in zip(cells.clients, cells.currencies, strict=True)
        if client in own and currency is not None and currency != own[client]
    }


def _fill(
    connection: duckdb.DuckDBPyConnection,
    clients: Sequence[str],
    kpi: Kpi,
    begin: date,
    last_day: date,
    cells: _Cells,
    has_row: BoolArray,
    sides: Sequence[FloatArray],
    told: _Told,
) -> None:
    """Add every row to its cell and day; see `KpiCube` for what is 0, NaN and infinite."""
    order = np.argsort(cells.keys)
    sorted_keys = cells.keys[order]
    flat_rows, flat_sides = has_row.reshape(-1), [side.reshape(-1) for side in sides]
    reader = connection.execute(
        f"select {_key(kpi)}, (date_day - ?::date)::integer, {told.values} "
        f"from {told.rows} where {_WINDOW}",
        [cells.salt, begin, *told.wanted, ",".join(clients), begin, last_day],
    ).to_arrow_reader(ROWS_AT_A_TIME)
    for batch in reader:
        # looking up each key once, not once a row, saves two thirds of the time
        keys = batch.column(0).dictionary_encode()
        cell = order[np.searchsorted(sorted_keys, keys.dictionary.to_numpy())]
        places = cell[keys.indices.to_numpy()] * has_row.shape[1] + batch.column(1).to_numpy()
        flat_rows[places] = True
        for column, flat in zip(batch.columns[2:], flat_sides, strict=True):
            figures = column.to_numpy(zero_copy_only=False)
            add_rows(flat, places, figures, column.is_null().to_numpy(zero_copy_only=False))


# --- where the data stands --------------------------------------------------------------------


def source_states(
    connection: duckdb.DuckDBPyConnection, client: Client, as_of: date
) -> tuple[SourceState, ...]:
    """Where each account of a client stands on the morning of ``as_of``."""
    return all_source_states(connection, [client.slug], as_of)[client.slug]


def all_source_states(
    connection: duckdb.DuckDBPyConnection, clients: Sequence[str], as_of: date
) -> dict[str, tuple[SourceState, ...]]:
    """By client where each of its accounts stands on the morning of ``as_of``."""
    states: dict[str, list[SourceState]] = {client: [] for client in clients}
    loaded = _loaded_stretches(connection, clients, as_of)
    with_rows = _days_with_rows(connection, clients)
    last_loads = _last_loads(connection, clients)
    notes = _notes(connection, clients, as_of)
    covered = _covered(connection, clients, as_of)
    for client, source, account, name, currency, status, problem in connection.execute(
        "select client, source, account_id, account_name, currency_code, status, problem "
        f"from ops.accounts where {OF_CLIENTS} and status <> 'not_enabled' order by all",
        [",".join(clients)],
    ).fetchall():
        if source not in SOURCES:
            continue
        known, key = SOURCES[source], (client, source, account)
        there = {
            day
            for first, last in loaded.get((client, known.daily_table, account), ())
            for day in days_between(first, last)
        }
        if not known.silence_is_zero:  # loaded without rows: nobody measured
            there &= with_rows.get(key, frozenset())
        last_at, read_as_of, failure = last_loads.get(key, (None, None, None))
        states[client].append(
            SourceState(
                source=source,
                account_id=account,
                account_name=name,
                currency_code=currency,
                # after a silence up to today the silent days are late, not a hole
                through=max(there, default=None),
                expected_through=as_of - timedelta(days=1 + known.lag_days),
                last_loaded_at=last_at,
                missing_days=_holes(there),
                problem=problem if status == "refused" else failure,
                notes=notes.get(key, ()),
                since=min(there, default=None),
                read_as_of=read_as_of,
                covered=covered.get(key, ()),
            )
        )
    return {client: tuple(told) for client, told in states.items()}


_Account = tuple[str, str, str]  # client, source (or its daily table), account id


def _loaded_stretches(
    connection: duckdb.DuckDBPyConnection, clients: Sequence[str], as_of: date
) -> dict[_Account, list[tuple[date, date]]]:
    """By client, daily table and account the stretches of days before ``as_of`` that were loaded.

    First and last day of each, both included; what adjoins or overlaps is one.
    """
    found: dict[_Account, list[tuple[date, date]]] = {}
    tables = [source.daily_table for source in SOURCES.values()]
    for client, table, account, first, last in connection.execute(
        f"""
        with

        windows as (
            select client, table_name, account_id, window_start, max(window_end) as window_end
            from ops.loads
            where
                {OF_CLIENTS}
                and table_name in ({_places(tables)})
                and outcome in ('loaded', 'empty')
                and window_start < ?
            group by all
        ),

        -- how far the windows before each one reach
        reaching as (
            select
                *,
                max(window_end) over (
                    partition by client, table_name, account_id
                    order by window_start
                    rows between unbounded preceding and 1 preceding
                ) as reached
            from windows
        ),

        stretches as (
            select
                *,
                count_if(reached is null or window_start > reached + 1) over (
                    partition by client, table_name, account_id
                    order by window_start
                    rows unbounded preceding
                ) as stretch
            from reaching
        )

        select client, table_name, account_id, min(window_start), max(window_end)
        from stretches
        group by client, table_name, account_id, stretch
        order by all
        """,
        [",".join(clients), *tables, as_of],
    ).fetchall():
        stretch = first, min(last, as_of - timedelta(days=1))
        found.setdefault((client, table, account), []).append(stretch)
    return found


def _days_with_rows(
    connection: duckdb.DuckDBPyConnection, clients: Sequence[str]
) -> dict[_Account, frozenset[date]]:
    """The days that have rows, of the sources where silence does not mean zero."""
    return {
        (client, source, account): frozenset(days)
        for source, known in SOURCES.items()
        if not known.silence_is_zero
        for client, account, days in connection.execute(
            "select client, account_id, list(distinct date_day) "
            f"from raw.{known.daily_table} where {OF_CLIENTS} group by all",
            [",".join(clients)],
        ).fetchall()
    }


def read_as_of(
    connection: duckdb.DuckDBPyConnection, client: str
) -> dict[tuple[str, str], dict[date, date]]:
    """By (table name, account id): each day that is in, and as of when it was last read."""
    found: dict[tuple[str, str], dict[date, date]] = {}
    for table, account, day, as_of in connection.execute(
        "select table_name, account_id, day::date, max(as_of) from ("
        "  select table_name, account_id, as_of, "
        "  unnest(generate_series(window_start, window_end, interval 1 day)) as day "
        "  from ops.loads where client = ? and outcome in ('loaded', 'empty') and as_of is not null"
        ") group by all",
        [client],
    ).fetchall():
        found.setdefault((table, account), {})[day] = as_of
    return found


def conversion_windows(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Per Google Ads account the longest click-through window of its own conversion actions."""
    return dict(
        connection.execute(
            "select account_id, max(click_through_window_days) "
            "from raw.google_ads__conversion_action "
            "where status = 'ENABLED' and click_through_window_days is not null group by account_id"
        ).fetchall()
    )


def _holes(there: set[date]) -> tuple[date, ...]:
    if not there:
        return ()
    return tuple(d for d in days_between(min(there), max(there)) if d not in there)


def _last_loads(
    connection: duckdb.DuckDBPyConnection, clients: Sequence[str]
) -> dict[_Account, tuple[datetime | None, date | None, str | None]]:
    """When something was last loaded, as of which day, and what failed since then."""
    return {
        (client, source, account): (last, read_as_of, error)
        for client, source, account, last, read_as_of, error in connection.execute(
            f"""
            with

            loads as (
                select *, outcome in ('loaded', 'empty') as is_done
                from ops.loads
                where {OF_CLIENTS} and outcome in ('loaded', 'empty', 'failed', 'refused')
            )

            select
                client,
                source,
                account_id,
                max(finished_at) filter (where is_done) as last_done,
                max(as_of) filter (where is_done),
                case
                    when last_done is null
                        or max(finished_at) filter (where not is_done) >= last_done
                    then arg_max_null(error, finished_at) filter (where not is_done)
                end
            from loads
            group by client, source, account_id
            """,
            [",".join(clients)],
        ).fetchall()
    }


# where a vendor, or its API, said that rows are missing
_CUT_OFF = ("data_truncation_reasons", "days_at_row_limit", "moments_at_row_limit")


def _notes(
    connection: duckdb.DuckDBPyConnection, clients: Sequence[str], as_of: date
) -> dict[_Account, tuple[str, ...]]:
    """What the vendor itself said about the quality of the latest data, as short keys."""
    found: dict[_Account, set[str]] = {}
    for client, source, account, metadata in connection.execute(
        f"select distinct client, source, account_id, metadata::varchar from ops.loads "
        f"where {OF_CLIENTS} and outcome = 'loaded' and metadata is not null and window_end >= ?",
        [",".join(clients), as_of - timedelta(days=31)],
    ).fetchall():
        notes = found.setdefault((client, source, account), set())
        told = json.loads(metadata)
        if told.get("sampling_metadatas") or told.get("is_sampled"):
            notes.add("sampled")
        if told.get("subject_to_thresholding"):
            notes.add("thresholded")
        if told.get("data_loss_from_other_row"):
            notes.add("other_row")
        if told.get("first_incomplete_date"):
            notes.add("provisional")
        if any(told.get(name) for name in _CUT_OFF):
            notes.add("row_limit")
    return {key: tuple(sorted(notes)) for key, notes in found.items()}


def _covered(
    connection: duckdb.DuckDBPyConnection, clients: Sequence[str], as_of: date
) -> dict[_Account, tuple[Covered, ...]]:
    """What part of each account the finer tables that are read hold, over the last four weeks."""
    # the models of an older Koers, before they are built anew
    if not connection.execute(
        "select 1 from duckdb_tables() where database_name = current_database() "
        "and schema_name = 'marts' and table_name = 'table_coverage_day'"
    ).fetchall():
        return {}
    found: dict[_Account, list[Covered]] = {}
    for client, source, account, grain, measure, share in connection.execute(
        "select client, source, account_id, grain, measure, sum(in_table) / sum(in_account) "
        f"from marts.table_coverage_day where {OF_CLIENTS} and date_day between ? and ? "
        "and measure in ('clicks', 'sessions', 'revenue') "
        "group by all having sum(in_account) > 0 order by all",
        [",".join(clients), as_of - timedelta(days=28), as_of - timedelta(days=1)],
    ).fetchall():
        found.setdefault((client, source, account), []).append(Covered(grain, measure, share))
    return {key: tuple(told) for key, told in found.items()}


def freshness_of(target: Target, kpi: Kpi, states: Sequence[SourceState], as_of: date) -> Freshness:
    """How far the data has come that a target rests on: as far as its latest account.

    Accounts outside the target's scope do not hold it up.
    """
    sources = target.where.get("source", kpi.sources)
    accounts = target.where.get("account_id")
    in_scope = [
        s
        for s in states
        if s.source in sources and s.source in kpi.sources
        and (accounts is None or s.account_id in accounts)
    ]  # fmt: skip
    problems = tuple(
        AccountProblem(s.account_name, s.source, s.problem)
        for s in in_scope
        if s.problem is not None
    )
    missing = tuple(sorted({day for s in in_scope for day in s.missing_days}))
    since = max((s.since for s in in_scope if s.since is not None), default=None)
    if not in_scope or any(s.through is None for s in in_scope):
        expected = min((s.expected_through for s in in_scope), default=as_of - timedelta(days=1))
        return Freshness(None, expected, missing, problems, since)
    latest = max(in_scope, key=lambda s: s.expected_through - (s.through or date.min))
    # nobody's data reaches further than the slowest source's
    through = min(s.through for s in in_scope if s.through is not None)
    behind = latest.through is not None and latest.through < latest.expected_through
    expected = latest.expected_through if behind else min(through, latest.expected_through)
    return Freshness(
        latest.through if behind else through,
        expected,
        missing,
        problems,
        since,
        min((s.read_as_of for s in in_scope if s.read_as_of is not None), default=None),
    )


# --- evaluations ------------------------------------------------------------------------------

_STORED = pa.schema(
    [
        ("client", pa.string()),
        ("target_id", pa.string()),
        ("segment", pa.string()),
        ("segment_label", pa.string()),
        ("as_of", pa.date32()),
        ("known_at", pa.timestamp("us")),
        ("value", pa.float64()),
        ("goal", pa.float64()),
        ("status", pa.string()),
        ("probability", pa.float64()),
        ("reason", pa.string()),
        ("details", pa.string()),
        ("expected", pa.float64()),
        ("adjusted_value", pa.float64()),
        ("numerator", pa.float64()),
        ("denominator", pa.float64()),
        ("currency_code", pa.string()),
        ("period_start", pa.date32()),
        ("period_end", pa.date32()),
        ("measured_from", pa.date32()),
        ("measured_through", pa.date32()),
        ("days_missing", pa.int64()),
        ("completeness", pa.float64()),
        ("value_low", pa.float64()),
        ("value_high", pa.float64()),
        ("projected", pa.float64()),
        ("projected_low", pa.float64()),
        ("projected_high", pa.float64()),
        ("required", pa.float64()),
        ("target_version", pa.string()),
    ]
)
_COLUMNS = tuple(_STORED.names)
_SAID = tuple(name for name in _COLUMNS if name not in ("known_at", "details"))
_values_of = attrgetter(*_COLUMNS)
_said_of = attrgetter(*_SAID)


def store_evaluations(
    connection: duckdb.DuckDBPyConnection, evaluations: Iterable[Evaluation], run_id: str
) -> int:
    """Append what is not already the last word of that day; returns how many were new.

    The caller holds the transaction. Nothing here is ever changed or removed.
    """
    judged = list(evaluations)
    latest = _last_said(connection, {evaluation.as_of for evaluation in judged})
    fresh = [
        evaluation
        for evaluation in judged
        if latest.get(_subject(evaluation))
        != _rounded((*_said_of(evaluation), *_waits(evaluation)))
    ]
    if not fresh:
        return 0
    by_column = zip(*map(_values_of, fresh), strict=True)
    columns = dict(zip(_COLUMNS, map(list, by_column), strict=True))
    columns["details"] = [json.dumps(told, sort_keys=True) for told in columns["details"]]
    connection.register("judged", pa.table(columns, schema=_STORED))
    connection.execute(
        f"insert into ops.evaluations ({', '.join(_COLUMNS)}, run_id) "
        f"select {', '.join(_COLUMNS)}, ? from judged",
        [run_id],
    )
    connection.unregister("judged")
    return len(fresh)


def _waits(evaluation: Evaluation) -> tuple[Any, ...]:
    """The status that waits to be confirmed: tomorrow's verdict depends on it."""
    return evaluation.details.get("candidate"), evaluation.details.get("candidate_days")


def _subject(evaluation: Evaluation) -> tuple[str, str, str, date]:
    return evaluation.client, evaluation.target_id, evaluation.segment, evaluation.as_of


def _last_said(
    connection: duckdb.DuckDBPyConnection, days: Collection[date]
) -> dict[tuple[str, str, str, date], tuple[Any, ...]]:
    """What is the last word on each of these days, not on the years before them."""
    if not days:
        return {}
    rows = connection.execute(
        f"select client, target_id, segment, as_of, {', '.join(_SAID)}, "
        "details ->> 'candidate', (details ->> 'candidate_days')::integer from ops.evaluations "
        f"where as_of in ({_places(list(days))}) qualify row_number() over "
        "(partition by client, target_id, segment, as_of order by known_at desc) = 1",
        list(days),
    ).fetchall()
    return {row[:4]: _rounded(row[4:]) for row in rows}


def _rounded(told: tuple[Any, ...]) -> tuple[Any, ...]:
    """What an evaluation says, its figures to twelve digits, as sums of floats vary."""
    return tuple(f"{one:.12g}" if isinstance(one, int | float) else one for one in told)


def last_evaluations(
    connection: duckdb.DuckDBPyConnection, clients: Sequence[str], as_of: date | None = None
) -> list[Evaluation]:
    """The last word on every target: of each client's latest day, or of ``as_of``."""
    # the years before the latest day are never read
    latest = "(client, as_of) in (select client, max(as_of) from ops.evaluations group by client)"
    where, values = ("as_of = ?", [as_of]) if as_of else (latest, [])
    rows = connection.execute(
        f"select {', '.join(_COLUMNS)} from ops.evaluations "
        f"where {where} and list_contains(?, client) "
        "qualify row_number() over "
        "(partition by client, target_id, segment, as_of order by known_at desc) = 1 "
        "order by client, target_id, segment",
        [*values, list(clients)],
    ).fetchall()
    found = []
    for row in rows:
        told = dict(zip(_COLUMNS, row, strict=True))
        found.append(Evaluation(**told | {"details": json.loads(told["details"] or "{}")}))
    return found


def status_histories(
    connection: duckdb.DuckDBPyConnection, clients: Sequence[str], before: date
) -> dict[tuple[str, str], tuple[tuple[date, str], ...]]:
    """By (client, target id) the days before on which the total's status became another one.

    (as_of, status), oldest first; the first day is one of them. The last word of
    each day counts.
    """
    return {
        (client, target_id): tuple(zip(days, statuses, strict=True))
        for client, target_id, days, statuses in connection.execute(
            f"""
            with

            days as (
                select client, target_id, as_of, max_by(status, known_at) as status
                from ops.evaluations
                where {OF_CLIENTS} and segment = '' and as_of < ?
                group by all
            ),

            changes as (
                select *
                from days
                qualify status is distinct from lag(status) over (
                    partition by client, target_id order by as_of
                )
            )

            select client, target_id, list(as_of order by as_of), list(status order by as_of)
            from changes
            group by all
            """,
            [",".join(clients), before],
        ).fetchall()
    }


def earlier_verdicts(
    connection: duckdb.DuckDBPyConnection,
    clients: Sequence[str],
    as_of: date,
    known_at: datetime | None = None,
) -> dict[tuple[str, str], dict[str, Earlier]]:
    """By (client, target id) and segment the last verdict of a day before ``as_of``.

    Only what is still remembered; with ``known_at`` (UTC) only what was said by then.
    """
    known = "and known_at <= ?" if known_at else ""
    found: dict[tuple[str, str], dict[str, Earlier]] = {}
    for client, target_id, segment, day, status, details, version in connection.execute(
        "select client, target_id, segment, last.as_of, last.status, last.details, "
        "last.target_version from (select client, target_id, segment, "
        "max_by(struct_pack(as_of, status, details, target_version), (as_of, known_at)) as last "
        f"from ops.evaluations where {OF_CLIENTS} "
        f"and as_of >= ? and as_of < ? {known} group by all)",
        [
            ",".join(clients),
            as_of - timedelta(days=FORGOTTEN_AFTER_DAYS),
            as_of,
            *([known_at.astimezone(UTC).replace(tzinfo=None)] if known_at else []),
        ],
    ).fetchall():
        verdict = Earlier.of(day, status, json.loads(details or "{}"), version or "")
        found.setdefault((client, target_id), {})[segment] = verdict
    return found


def _places(values: Sequence[object]) -> str:
    return ", ".join("?" for _ in values)
