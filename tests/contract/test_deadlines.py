"""Every connector's deadline is one for the whole request, however slowly the answer drips in."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from threading import Event
from threading import enumerate as living_threads
from typing import Any

import pytest

from connectors.base import AccountSelection, Connection, Connector, TransientError
from connectors.google_credentials import refresh_first
from connectors.registry import open_connector
from tests.contract.case import Case
from tests.contract.servers import dripping_line
from tests.contract.test_every_connector import FIRST_OF_EACH, read

DEADLINE = 0.3
# a whole answer would take more than this at 50 bytes a second, even on a busy machine
LONG_SECONDS = 8.0


def is_http(case: Case) -> bool:
    return case.table.source == "search_console" or case.variant == "rest"


# where the answer begins to drip: in the status line or the TLS handshake, in the head, in the rest
BEGINNINGS = [
    pytest.param(case, after, id=f"{case}-after-{after}")
    for case in FIRST_OF_EACH
    for after in ((5, 60, 180) if is_http(case) else (0, 600, 1500))
]


def fetch_token(connector: Any) -> None:
    """So that a busy machine's slow token does not strike first."""
    for _ in range(10):
        with suppress(TransientError):
            refresh_first(connector._credentials)
            return


@contextmanager
def dripping(case: Case, after_bytes: int) -> Iterator[tuple[Connector, Event]]:
    """The case's good answer, over a line that drips; the token comes at full speed."""
    with case.serve("rows") as vendor:
        scheme, _, endpoint = str(vendor.connection.endpoint).rpartition("//")
        with dripping_line(endpoint, after_bytes) as (line, hung_up):
            told = replace(
                vendor.connection,
                endpoint=f"{scheme}//{line}" if scheme else line,
                timeout_seconds=DEADLINE,
            )
            connector = open_connector(case.table.source, told)
            fetch_token(connector)
            try:
                yield connector, hung_up
            finally:
                connector.close()


@pytest.mark.parametrize(("case", "after"), BEGINNINGS)
def test_an_answer_that_drips_strikes_the_deadline_of_the_whole(case: Case, after: int) -> None:
    before = set(living_threads())
    with dripping(case, after) as (connector, hung_up):
        started = time.monotonic()
        with pytest.raises(TransientError) as told:
            read(connector, case)
        took = time.monotonic() - started
        if not is_http(case):  # gRPC keeps its one connection for other calls
            connector.close()
        assert hung_up.wait(10)
    assert DEADLINE <= took < LONG_SECONDS
    error = told.value
    assert (error.reason, error.scope) == ("deadline_exceeded", "slice")
    assert error.retry_after_seconds is None
    assert pickle.loads(pickle.dumps(error)).reason == "deadline_exceeded"
    for thread in set(living_threads()) - before:
        thread.join(3)
    assert set(living_threads()) <= before


@pytest.mark.parametrize("case", FIRST_OF_EACH, ids=str)
def test_a_token_endpoint_that_drips_is_late_for_the_whole_source(case: Case) -> None:
    with case.serve("rows") as vendor:
        host = str(vendor.connection.token_uri).split("//")[1].partition("/")[0]
        with dripping_line(host, 30) as (line, hung_up):
            told = replace(
                vendor.connection, token_uri=f"http://{line}/token", timeout_seconds=DEADLINE
            )
            error = late(told, case)
            assert hung_up.wait(10)
    assert (error.reason, error.scope) == ("deadline_exceeded", "source")
    assert error.retry_after_seconds is None


def late(connection: Connection, case: Case) -> TransientError:
    connector = open_connector(case.table.source, connection)
    started = time.monotonic()
    try:
        with pytest.raises(TransientError) as told:
            read(connector, case)
    finally:
        connector.close()
    assert time.monotonic() - started < LONG_SECONDS
    return told.value


@pytest.mark.parametrize("case", FIRST_OF_EACH, ids=str)
def test_looking_for_accounts_has_the_deadline_too(case: Case) -> None:
    wanted = AccountSelection(ids=(case.account.account_id,))
    with dripping(case, 180 if is_http(case) else 600) as (connector, _):
        started = time.monotonic()
        with pytest.raises(TransientError) as told:
            connector.accounts(wanted)
        assert time.monotonic() - started < LONG_SECONDS
    assert told.value.reason == "deadline_exceeded"
