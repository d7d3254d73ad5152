"""From the warehouse to the plain values that targets and reports are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import duckdb

from connectors.registry import SOURCES
from flows.kpis import Kpi
from flows.landing import now
from flows.models import CheckResult
from flows.report.model import SourceState
from flows.settings import Client, Target
from flows.targets.evaluation import DaySums, Evaluation, Freshness, Series
from flows.warehouse import transaction
from flows.windows import days_between

# what a segment is called whose dimension the platform left empty
UNNAMED = "(unknown)"
# a campaign is one by its id and is called by its latest name
LABELS = {"campaign_id": "campaign_name"}


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


# --- the series of a target -------------------------------------------------------------------


def read_series(
    connection: duckdb.DuckDBPyConnection,
    client: Client,
    target: Target,
    kpi: Kpi,
    first_day: date,
    as_of: date,
) -> tuple[Series, tuple[Series, ...]]:
    """The daily sums of a target's scope from ``first_day`` to the day before ``as_of``.

    Gives the total and, for a ``for_each`` target, one series a segment. A day
    on which part of the scope has no numerator (or denominator) has none: a sum
    of what happens to be known would be wrong.
    """
    total = _read(connection, client, target, kpi, first_day, as_of, segment=None)
    segments: list[Series] = []
    if target.for_each:
        segments = _read(connection, client, target, kpi, first_day, as_of, target.for_each)
    return (total[0] if total else Series.of_days("", "", ())), tuple(segments)


def _read(
    connection: duckdb.DuckDBPyConnection,
    client: Client,
    target: Target,
    kpi: Kpi,
    first_day: date,
    as_of: date,
    segment: str | None,
) -> list[Series]:
    conditions, values = ["client = ?", "date_day >= ?", "date_day < ?"], [
        client.slug, first_day, as_of,
    ]  # fmt: skip
    for dimension, wanted in target.where.items():
        column = _column(kpi, dimension)
        conditions.append(f"{column} in ({', '.join('?' for _ in wanted)})")
        values.extend(wanted)
    # a segment without a name must not be mistaken for the total, which is ''
    of_segment = (
        f"coalesce(nullif({_column(kpi, segment)}::varchar, ''), '{UNNAMED}')" if segment else "''"
    )
    label = _column(kpi, LABELS[segment]) if segment in LABELS else of_segment
    currency = "currency_code" if kpi.has_currency else "null"
    rows = connection.execute(
        f"""
        select
            {of_segment} as segment,
            max_by({label}::varchar, date_day) as label,
            date_day,
            case when count(numerator) = count(*) then sum(numerator)::double end as numerator,
            case when count(denominator) = count(*) then sum(denominator)::double end
                as denominator,
            list(distinct {currency}) as currencies
        from kpis.{kpi.name}
        where {" and ".join(conditions)}
        group by segment, date_day
        order by segment, date_day
        """,
        values,
    ).fetchall()
    return _series_of(rows)


def _column(kpi: Kpi, dimension: str) -> str:
    if dimension not in kpi.dimensions:
        raise ValueError(f"{kpi.name} has no dimension {dimension!r}")
    return f'"{dimension}"'


def _series_of(rows: Sequence[tuple[Any, ...]]) -> list[Series]:
    found: dict[str, tuple[str, list[DaySums], set[str]]] = {}
    for segment, label, day, numerator, denominator, currencies in rows:
        _, days, seen = found.setdefault(segment, (label, [], set()))
        days.append(DaySums(day, numerator, denominator))
        seen.update(c for c in currencies if c)
        found[segment] = (label, days, seen)  # the latest label counts
    return [
        Series.of_days(segment, label or segment, tuple(days), tuple(sorted(seen)))
        for segment, (label, days, seen) in found.items()
    ]


# --- where the data stands --------------------------------------------------------------------


def source_states(
    connection: duckdb.DuckDBPyConnection, client: Client, as_of: date
) -> tuple[SourceState, ...]:
    """Where each account of a client stands on the morning of ``as_of``."""
    states = []
    for source, account, name, currency, status, problem in connection.execute(
        "select source, account_id, account_name, currency_code, status, problem "
        "from ops.accounts where client = ? and status <> 'not_enabled' order by all",
        [client.slug],
    ).fetchall():
        if source not in SOURCES:
            continue
        known = SOURCES[source]
        expected = as_of - timedelta(days=1 + known.lag_days)
        loaded = _loaded_days(connection, client.slug, known.daily_table, account, as_of)
        there = _days_there(connection, client.slug, source, account, loaded)
        last, read_as_of, failure = _last_load(connection, client.slug, source, account)
        states.append(
            SourceState(
                source=source,
                account_id=account,
                account_name=name,
                currency_code=currency,
                # after a silence up to today the silent days are late, not a hole
                through=max(there, default=None),
                expected_through=expected,
                last_loaded_at=last,
                missing_days=_holes(there),
                problem=problem if status == "refused" else failure,
                notes=_notes(connection, client.slug, source, account, as_of),
                since=min(there, default=None),
                read_as_of=read_as_of,
            )
        )
    return tuple(states)


def _loaded_days(
    connection: duckdb.DuckDBPyConnection, client: str, table: str, account: str, as_of: date
) -> list[date]:
    return [
        row[0]
        for row in connection.execute(
            "select distinct day::date from ("
            "  select unnest(generate_series(window_start, window_end, interval 1 day)) as day "
            "  from ops.loads where client = ? and table_name = ? and account_id = ? "
            "  and outcome in ('loaded', 'empty')"
            ") where day < ? order by all",
            [client, table, account, as_of],
        ).fetchall()
    ]


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


def _days_there(
    connection: duckdb.DuckDBPyConnection,
    client: str,
    source: str,
    account: str,
    loaded: Sequence[date],
) -> set[date]:
    """The days that are in: loaded, and with rows where silence does not mean zero."""
    known = SOURCES[source]
    if known.silence_is_zero:
        return set(loaded)
    return set(loaded) & {
        row[0]
        for row in connection.execute(
            f"select distinct date_day from raw.{known.daily_table} "
            "where client = ? and account_id = ?",
            [client, account],
        ).fetchall()
    }


def _holes(there: set[date]) -> tuple[date, ...]:
    if not there:
        return ()
    return tuple(d for d in days_between(min(there), max(there)) if d not in there)


def _last_load(
    connection: duckdb.DuckDBPyConnection, client: str, source: str, account: str
) -> tuple[Any, date | None, str | None]:
    """When something was last loaded, as of which day, and what failed since then."""
    where = "where client = ? and source = ? and account_id = ?"
    key = [client, source, account]
    last, read_as_of = connection.execute(
        "select max(finished_at), max(as_of) from ops.loads "
        f"{where} and outcome in ('loaded', 'empty')",
        key,
    ).fetchall()[0]
    failures = connection.execute(
        f"select error from ops.loads {where} and outcome in ('failed', 'refused') "
        "and finished_at >= coalesce(?, finished_at) order by finished_at desc limit 1",
        [*key, last],
    ).fetchall()
    return last, read_as_of, failures[0][0] if failures else None


def _notes(
    connection: duckdb.DuckDBPyConnection, client: str, source: str, account: str, as_of: date
) -> tuple[str, ...]:
    """What the vendor itself said about the quality of the latest data, as short keys."""
    found: set[str] = set()
    for (metadata,) in connection.execute(
        "select metadata from ops.loads where client = ? and source = ? and account_id = ? "
        "and outcome = 'loaded' and metadata is not null and window_end >= ?",
        [client, source, account, as_of - timedelta(days=31)],
    ).fetchall():
        told = json.loads(metadata)
        if told.get("sampling_metadatas") or told.get("is_sampled"):
            found.add("sampled")
        if told.get("subject_to_thresholding"):
            found.add("thresholded")
        if told.get("data_loss_from_other_row"):
            found.add("other_row")
        if told.get("first_incomplete_date"):
            found.add("provisional")
    return tuple(sorted(found))


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
        f"{s.account_name} ({s.source}): {s.problem}" for s in in_scope if s.problem is not None
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

_STORED = (
    "client", "target_id", "segment", "segment_label", "as_of", "known_at", "value", "goal",
    "status", "probability", "reason", "details", "expected", "adjusted_value", "numerator",
    "denominator", "currency_code", "period_start", "period_end", "measured_from",
    "measured_through", "days_missing", "completeness", "value_low", "value_high", "projected",
    "projected_low", "projected_high", "required", "target_version",
)  # fmt: skip


def store_evaluations(
    connection: duckdb.DuckDBPyConnection, evaluations: Iterable[Evaluation], run_id: str
) -> int:
    """Append what is not already the last word of that day; returns how many were new.

    The caller holds the transaction. Nothing here is ever changed or removed.
    """
    added = 0
    places = ", ".join("?" for _ in range(len(_STORED) + 1))
    judged = list(evaluations)
    latest = {
        (e.client, e.target_id, e.segment, e.as_of): _said(e)
        for day in {evaluation.as_of for evaluation in judged}  # not the years before it
        for e in _stored_evaluations(connection, day)
    }
    for evaluation in judged:
        key = (evaluation.client, evaluation.target_id, evaluation.segment, evaluation.as_of)
        if latest.get(key) == _said(evaluation):
            continue
        told = asdict(evaluation) | {"details": json.dumps(evaluation.details, sort_keys=True)}
        connection.execute(
            f"insert into ops.evaluations ({', '.join(_STORED)}, run_id) values ({places})",
            [*(told[name] for name in _STORED), run_id],
        )
        added += 1
    return added


def _said(evaluation: Evaluation) -> tuple[Any, ...]:
    """What an evaluation says, without when; figures to twelve digits, as sums of floats vary."""
    told = asdict(evaluation)
    return tuple(
        f"{told[name]:.12g}" if isinstance(told[name], float) else told[name]
        for name in _STORED
        if name not in ("known_at", "details")
    )


def last_evaluations(
    connection: duckdb.DuckDBPyConnection, clients: Sequence[str], as_of: date | None = None
) -> list[Evaluation]:
    """The last word on every target: of the latest day, or of ``as_of``."""
    found = [e for e in _stored_evaluations(connection, as_of) if e.client in clients]
    if as_of is None:
        newest: dict[str, date] = {}
        for e in found:
            newest[e.client] = max(newest.get(e.client, e.as_of), e.as_of)
        found = [e for e in found if e.as_of == newest[e.client]]
    return found


def _stored_evaluations(
    connection: duckdb.DuckDBPyConnection, as_of: date | None = None
) -> list[Evaluation]:
    where = "where as_of = ?" if as_of else ""
    rows = connection.execute(
        f"select {', '.join(_STORED)} from ops.evaluations {where} "
        "qualify row_number() over "
        "(partition by client, target_id, segment, as_of order by known_at desc) = 1 "
        "order by client, target_id, segment",
        [as_of] if as_of else [],
    ).fetchall()
    found = []
    for row in rows:
        told = dict(zip(_STORED, row, strict=True))
        found.append(Evaluation(**told | {"details": json.loads(told["details"] or "{}")}))
    return found


def status_history(
    connection: duckdb.DuckDBPyConnection, client: str, target_id: str, before: date
) -> tuple[tuple[date, str], ...]:
    """(as_of, status) of a target's total on earlier days; the last word of each day counts."""
    return tuple(
        connection.execute(
            "select as_of, max_by(status, known_at) from ops.evaluations "
            "where client = ? and target_id = ? and segment = '' and as_of < ? "
            "group by as_of order by as_of",
            [client, target_id, before],
        ).fetchall()
    )
