"""The same promises, kept by every connector over its vendor's own wire.

Add a source by adding a module to ``tests/contract/cases/`` with ``CASES``; the
docstring of ``tests/contract/case.py`` says what a case must offer.
"""

from __future__ import annotations

import pickle
import pkgutil
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from threading import Thread
from typing import Any

import pyarrow as pa
import pytest

from connectors.base import (
    AccessError,
    AccountSelection,
    AuthError,
    Connector,
    Reply,
    SourceError,
    TransientError,
)
from connectors.registry import open_connector
from tests.contract import cases
from tests.contract.case import HOSTILE_NAMES, SECRETS, Case, Scenario, Vendor

CASES: list[Case] = [
    case
    for module in pkgutil.iter_modules(cases.__path__)
    for case in import_module(f"{cases.__name__}.{module.name}").CASES
]
DAILY = [case for case in CASES if case.table.is_daily]
FIRST_OF_EACH = list({(c.table.source, c.variant): c for c in reversed(CASES)}.values())

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_daily_case = pytest.mark.parametrize("case", DAILY, ids=str)


@contextmanager
def opened(case: Case, scenario: Scenario) -> Iterator[tuple[Connector, Vendor]]:
    with case.serve(scenario) as vendor:
        connector = open_connector(case.table.source, vendor.connection)
        try:
            yield connector, vendor
        finally:
            connector.close()


def read(connector: Connector, case: Case) -> tuple[Reply, list[pa.RecordBatch]]:
    reply = connector.fetch(case.table, case.account, case.window)
    return reply, list(reply.batches)


def rows_of(batches: list[pa.RecordBatch]) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.to_pylist()]


def refusal(case: Case, scenario: Scenario) -> SourceError:
    with opened(case, scenario) as (connector, _), pytest.raises(SourceError) as told:
        read(connector, case)
    return told.value


@every_case
def test_batches_have_the_declared_schema_and_the_rows_worked_out_by_hand(case: Case) -> None:
    with opened(case, "rows") as (connector, _):
        _, batches = read(connector, case)
    assert batches
    for batch in batches:
        assert batch.schema.equals(case.table.schema)
        batch.validate(full=True)

    def ordered(rows: Any) -> list[dict[str, Any]]:
        return sorted(rows, key=lambda row: [str(row[name]) for name in case.table.key])

    assert ordered(rows_of(batches)) == ordered(case.rows)


@every_case
def test_the_key_is_unique_and_never_null(case: Case) -> None:
    with opened(case, "rows") as (connector, _):
        rows = rows_of(read(connector, case)[1])
    keys = [tuple(row[name] for name in case.table.key) for row in rows]
    assert len(set(keys)) == len(keys)
    assert not any(value is None for key in keys for value in key)


@every_daily_case
def test_days_lie_inside_the_window_and_both_ends_are_there(case: Case) -> None:
    with opened(case, "rows") as (connector, vendor):
        days = {row["date_day"] for row in rows_of(read(connector, case)[1])}
        asked = vendor.asked()
    assert all(day in case.window for day in days)
    assert {case.window.start, case.window.end} <= days
    # one request for all days, or one for each: together they cover the window, and no more
    assert sorted({day for window in asked for day in window.days}) == list(case.window.days)


@every_case
def test_request_ids_and_the_announced_rows_are_kept(case: Case) -> None:
    with opened(case, "rows") as (connector, _):
        reply, batches = read(connector, case)
    assert tuple(reply.request_ids) == case.request_ids
    assert reply.announced_rows == case.announced_rows
    if case.announced_rows is not None:
        assert sum(batch.num_rows for batch in batches) == case.announced_rows


@every_case
def test_an_empty_answer_gives_no_rows_and_no_error(case: Case) -> None:
    with opened(case, "empty") as (connector, _):
        reply, batches = read(connector, case)
    assert rows_of(batches) == []
    assert reply.announced_rows in (None, 0)


@every_case
def test_a_refused_account_is_an_access_error_of_that_account(case: Case) -> None:
    error = refusal(case, "permission")
    assert isinstance(error, AccessError)
    assert error.scope == "account"
    assert error.reason == case.permission_reason
    assert error.request_id == case.permission_request_id
    assert error.hint


@every_case
def test_a_quota_is_transient_with_the_vendors_own_delay(case: Case) -> None:
    error = refusal(case, "quota")
    assert isinstance(error, TransientError)
    assert error.retry_after_seconds == case.quota_delay_seconds
    assert error.request_id == case.quota_request_id


@every_case
def test_a_revoked_token_is_an_auth_error_of_the_source(case: Case) -> None:
    error = refusal(case, "revoked")
    assert isinstance(error, AuthError)
    assert error.scope == "source"
    assert error.reason == "invalid_grant"
    assert error.hint


@pytest.mark.parametrize("case", FIRST_OF_EACH, ids=str)
def test_a_revoked_token_stops_the_search_for_accounts_too(case: Case) -> None:
    wanted = AccountSelection(ids=(case.account.account_id,))
    with opened(case, "revoked") as (connector, _), pytest.raises(AuthError):
        connector.accounts(wanted)


@every_case
def test_a_cut_answer_is_transient_and_never_a_short_result(case: Case) -> None:
    assert isinstance(refusal(case, "cut"), TransientError)


@every_case
@pytest.mark.parametrize("scenario", ["permission", "quota", "revoked", "cut"])
def test_no_secret_is_in_an_error_nor_in_the_connector(case: Case, scenario: Scenario) -> None:
    with opened(case, scenario) as (connector, vendor):
        with pytest.raises(SourceError) as told:
            read(connector, case)
        said = "\n".join(
            [
                str(told.value),
                repr(told.value),
                repr(vars(told.value)),
                *traceback.format_exception(told.value),
                repr(connector),
                repr(vendor.connection),
            ]
        )
    assert not [secret for secret in SECRETS if secret in said]


@every_case
@pytest.mark.parametrize("scenario", ["permission", "quota", "revoked", "cut"])
def test_an_error_keeps_its_fields_across_a_process_border(case: Case, scenario: Scenario) -> None:
    error = refusal(case, scenario)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.scope, again.reason) == (str(error), error.scope, error.reason)


@every_case
def test_hostile_names_come_through_byte_for_byte(case: Case) -> None:
    with opened(case, "hostile") as (connector, _):
        rows = rows_of(read(connector, case)[1])
    assert tuple(row[case.hostile_column] for row in rows) == HOSTILE_NAMES


@every_case
def test_threads_may_fetch_at_once(case: Case) -> None:
    found: list[int] = []
    with opened(case, "rows") as (connector, _):
        threads = [
            Thread(target=lambda: found.append(len(rows_of(read(connector, case)[1]))))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [len(case.rows)] * 4
