"""The European Central Bank's file of rates: over the wire, and the one in the package.

The recorded reply has the form of the ECB's own file (a line a business day, the
newest first, `N/A` where a currency has no rate, a comma at the end of each line).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from itertools import pairwise
from typing import Any

import pyarrow.compute as pc
import pytest

from connectors.base import (
    DEADLINE_EXCEEDED,
    AccountSelection,
    Connection,
    DateWindow,
    SourceError,
    TransientError,
)
from connectors.ecb import PATH, SERIES, Ecb, EmbeddedRates
from connectors.tables import ECB_RATE_DAY
from tests.contract.case import REPLIES
from tests.contract.servers import HttpAnswer, HttpCall, certificate, http_server

RECORDED = (REPLIES / "ecb" / "eurofxref-hist.csv").read_text()
FROM_FRIDAY = DateWindow(date(2026, 10, 2), date(2026, 10, 4))


def packed(text: str = RECORDED, name: str = "eurofxref-hist.csv") -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return whole.getvalue()


@contextmanager
def ecb(
    answer: bytes | Callable[[HttpCall], HttpAnswer], **more: Any
) -> Iterator[tuple[Ecb, list[HttpCall]]]:
    told = answer if callable(answer) else lambda _: HttpAnswer(answer)
    with http_server(told) as (url, calls):
        connector = Ecb(Connection(endpoint=url, ca_file=certificate().ca_file, **more))
        try:
            yield connector, calls
        finally:
            connector.close()


def rows(connector: Ecb | EmbeddedRates, window: DateWindow) -> list[dict[str, Any]]:
    reply = connector.fetch(ECB_RATE_DAY, SERIES, window)
    batches = list(reply.batches)
    assert all(batch.schema.equals(ECB_RATE_DAY.schema) for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


def test_a_row_is_a_business_day_of_the_window_and_a_currency_with_a_rate() -> None:
    with ecb(packed()) as (connector, calls):
        found = rows(connector, FROM_FRIDAY)

    # Friday alone: there are no rates on Saturday and Sunday; no lev and no rouble
    assert found == [
        {"account_id": "eurofxref", "date_day": date(2026, 10, 2), "currency_code": code, "rate": r}
        for code, r in (("GBP", 0.8342), ("JPY", 175.43), ("USD", 1.1012))
    ]
    assert [call.path for call in calls] == [PATH]


def test_the_file_is_read_once_for_all_slices_and_says_how_far_it_goes() -> None:
    with ecb(packed()) as (connector, calls):
        (series,) = connector.accounts(AccountSelection())
        first = connector.fetch(ECB_RATE_DAY, series, DateWindow(*[date(2026, 10, 1)] * 2))
        rows(connector, FROM_FRIDAY)
        assert first.metadata == {"origin": connector.url, "last_day": "2026-10-05"}
    assert len(calls) == 1


def test_a_weekend_alone_has_no_rows() -> None:
    with ecb(packed()) as (connector, _):
        assert rows(connector, DateWindow(date(2026, 10, 3), date(2026, 10, 4))) == []


@pytest.mark.parametrize(
    "body",
    [
        b"<html><h1>Maintenance</h1></html>",
        packed()[:-30],
        packed("Day,USD,\n2026-10-02,1.1,\n"),
        packed("Date,USD,\n2026-10-02,-1.1,\n"),
        packed("Date,USD,\n2026-10-02,one,\n"),
        packed("Date,USD,USD,\n2026-10-02,1.1,1.2,\n"),
        packed("Date,USD,\n2026-10-02,N/A,\n"),
    ],
    ids=["a page", "cut off", "another column", "negative", "no number", "twice", "no rates"],
)
def test_what_is_not_the_ecbs_file_is_refused_whole(body: bytes) -> None:
    with ecb(body) as (connector, _), pytest.raises(TransientError) as caught:
        rows(connector, FROM_FRIDAY)
    assert caught.value.reason == "malformed_answer"


def test_a_connection_that_breaks_is_told_as_such() -> None:
    with (
        ecb(lambda _: HttpAnswer(packed(), cut=True)) as (connector, _),
        pytest.raises(TransientError) as caught,
    ):
        rows(connector, FROM_FRIDAY)
    assert caught.value.reason in ("unreachable", "malformed_answer")


@pytest.mark.parametrize(("status", "kind"), [(503, TransientError), (404, SourceError)])
def test_a_refusal_is_told_by_its_status(status: int, kind: type[SourceError]) -> None:
    with (
        ecb(lambda _: HttpAnswer(b"no", status)) as (connector, _),
        pytest.raises(kind) as caught,
    ):
        rows(connector, FROM_FRIDAY)
    assert caught.value.reason == f"HTTP {status}"


def test_plain_http_is_for_this_machine_only() -> None:
    with pytest.raises(SourceError) as caught:
        Ecb(Connection(endpoint="http://rates.example"))
    assert caught.value.reason == "insecure_endpoint"


def test_a_server_that_is_not_there_is_unreachable() -> None:
    connector = Ecb(Connection(endpoint="http://127.0.0.1:9"))  # discard: nobody listens
    with pytest.raises(TransientError) as caught:
        rows(connector, FROM_FRIDAY)
    assert caught.value.reason == "unreachable" != DEADLINE_EXCEEDED


# --- in the package ---------------------------------------------------------------------------


def test_the_package_has_the_rates_up_to_its_last_day_and_none_after_it() -> None:
    embedded = EmbeddedRates()
    last = embedded.last_day

    found = rows(embedded, DateWindow(last, date(last.year + 5, 1, 1)))

    assert {row["date_day"] for row in found} == {last}
    assert {"USD", "GBP", "CHF", "SEK", "PLN", "DKK", "NOK"} <= {r["currency_code"] for r in found}


def test_the_rates_in_the_package_are_those_that_the_ecb_published() -> None:
    # the euro reference rates of 2 January 2024
    found = rows(EmbeddedRates(), DateWindow(date(2024, 1, 2), date(2024, 1, 2)))
    rates = {row["currency_code"]: row["rate"] for row in found}
    assert (rates["USD"], rates["GBP"], rates["JPY"]) == (1.0956, 0.86645, 155.68)


def test_the_package_has_every_business_week_without_a_hole() -> None:
    reply = EmbeddedRates().fetch(ECB_RATE_DAY, SERIES, DateWindow(date.min, date.max))
    (batch,) = reply.batches
    days = sorted(pc.unique(batch.column(1)).to_pylist())
    # Easter, from Thursday to Tuesday, and Christmas are the longest
    assert max((b - a).days for a, b in pairwise(days)) == 5
    assert reply.metadata == {"origin": "embedded", "last_day": str(days[-1])}
