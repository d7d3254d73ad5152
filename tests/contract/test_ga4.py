"""What is special about GA4: paging, response metadata, quotas by kind, both transports."""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal

import grpc
import pyarrow as pa
import pytest
from google.analytics.data_v1beta.types import RunReportRequest, RunReportResponse
from google.protobuf import json_format

from connectors import tables
from connectors.base import (
    AccessError,
    Account,
    AccountSelection,
    AuthError,
    Connection,
    DateWindow,
    Reply,
    SourceError,
    Table,
    TransientError,
)
from connectors.ga4 import GA4, _decode, _decode_json
from connectors.google_visible import properties
from tests.contract.case import connect, token_endpoint
from tests.contract.cases.ga4 import (
    ACCOUNT,
    WINDOW,
    as_proto,
    from_json,
    grpc_failure,
    recorded,
    serve_grpc,
    serve_rest,
)
from tests.contract.servers import (
    GrpcAnswer,
    GrpcCall,
    HttpAnswer,
    HttpCall,
    grpc_server,
    http_server,
)

Transport = Literal["grpc", "rest"]
both = pytest.mark.parametrize("transport", ["grpc", "rest"])
NOON = datetime(2026, 11, 20, 12, 20, 30, tzinfo=UTC)
STATUS = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
}


@dataclass
class Google:
    """A server of both kinds that answers with ``answer(request)`` and remembers requests."""

    connection: Connection
    requests: list[Any] = field(default_factory=list)

    @contextmanager
    def open(self, **more: Any) -> Iterator[GA4]:
        connector = GA4(self.connection, **more)
        try:
            yield connector
        finally:
            connector.close()


@contextmanager
def google(
    transport: Transport, answer: Callable[[Any], dict[str, Any]], **more: Any
) -> Iterator[Google]:
    requests: list[Any] = []

    def over_grpc(call: GrpcCall) -> GrpcAnswer:
        request = RunReportRequest.pb(RunReportRequest.deserialize(call.request))
        requests.append(request)
        told = answer(request)
        if "error" in told:
            return grpc_failure(told, STATUS[told["error"]["code"]])
        return GrpcAnswer((as_proto(told),))

    def over_rest(call: HttpCall) -> HttpAnswer:
        request = from_json(call.body)
        request.property = call.path.removeprefix("/v1beta/").partition(":")[0]
        requests.append(request)
        told = answer(request)
        return HttpAnswer(json.dumps(told).encode(), told.get("error", {}).get("code", 200))

    with token_endpoint("rows") as token_uri:
        if transport == "grpc":
            with grpc_server(over_grpc) as (target, _):
                yield Google(connect(token_uri, target, **more), requests)
        else:
            with http_server(over_rest) as (url, _):
                yield Google(connect(token_uri, url, transport="rest", **more), requests)


def error(code: int, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    told = {"code": code, "message": message, "status": STATUS[code].name}
    return {"error": {**told, "details": list(details)}}


def report(*rows: tuple[str, str, str, str], count: int | None = None) -> dict[str, Any]:
    """A reply for key_event_day: date, channel group, event, key events."""
    return {
        "dimensionHeaders": [
            {"name": name} for name in ("date", "sessionDefaultChannelGroup", "eventName")
        ],
        "metricHeaders": [{"name": "keyEvents", "type": "TYPE_FLOAT"}],
        "rows": [
            {
                "dimensionValues": [{"value": v} for v in row[:3]],
                "metricValues": [{"value": row[3]}],
            }
            for row in rows
        ],
        "rowCount": len(rows) if count is None else count,
        "metadata": {"currencyCode": "EUR", "timeZone": "Europe/Amsterdam"},
    }


def read(connector: GA4, window: DateWindow = WINDOW) -> tuple[Reply, list[dict[str, Any]]]:
    reply = connector.fetch(tables.GA4_KEY_EVENT_DAY, ACCOUNT, window)
    return reply, [row for batch in reply.batches for row in batch.to_pylist()]


def refused(google: Google, **more: Any) -> SourceError:
    with google.open(**more) as connector, pytest.raises(SourceError) as told:
        read(connector)
    return told.value


EVENTS = [("20261101", "Direct", f"event {i}", "1") for i in range(5)]


@both
def test_a_report_is_read_page_after_page_until_the_announced_count(transport: Transport) -> None:
    def answer(request: Any) -> dict[str, Any]:
        return report(*EVENTS[request.offset : request.offset + request.limit], count=5)

    with google(transport, answer) as server, server.open(page_rows=2) as connector:
        reply, rows = read(connector)
    assert [(r.offset, r.limit) for r in server.requests] == [(0, 2), (2, 2), (4, 2)]
    assert [row["event_name"] for row in rows] == [f"event {i}" for i in range(5)]
    assert reply.announced_rows == 5
    assert reply.metadata["pages"] == 3


def test_a_page_is_passed_on_before_the_next_is_asked_for() -> None:
    def answer(request: Any) -> dict[str, Any]:
        return report(*EVENTS[request.offset : request.offset + request.limit], count=5)

    with google("grpc", answer) as server, server.open(page_rows=2) as connector:
        batches = connector.fetch(tables.GA4_KEY_EVENT_DAY, ACCOUNT, WINDOW).batches
        assert next(batches).num_rows == 2
        assert len(server.requests) == 1


@pytest.mark.parametrize("then", [4, 6])
def test_a_count_that_changes_between_pages_spoils_the_slice(then: int) -> None:
    def answer(request: Any) -> dict[str, Any]:
        rows = EVENTS[request.offset : request.offset + request.limit]
        return report(*rows, count=5 if request.offset == 0 else then)

    with google("grpc", answer) as server:
        told = refused(server, page_rows=2)
    assert isinstance(told, TransientError)
    assert told.reason == "rows_changed_while_paging"


def test_a_page_without_rows_before_the_end_is_not_a_short_result() -> None:
    def answer(request: Any) -> dict[str, Any]:
        return report(*(EVENTS[:2] if request.offset == 0 else ()), count=5)

    with google("grpc", answer) as server:
        assert isinstance(refused(server, page_rows=2), TransientError)


@pytest.mark.parametrize("serve", [serve_grpc, serve_rest])
@pytest.mark.parametrize(
    ("table", "window", "asked", "periods"),
    [
        (
            # the first week began before the window; the year's 53rd ends in the next year
            tables.GA4_USERS_WEEK,
            DateWindow(date(2027, 1, 1), date(2027, 1, 12)),
            DateWindow(date(2026, 12, 28), date(2027, 1, 10)),
            [
                ("2026-12-28", "2027-01-03", 4120, 3999, 2801),
                ("2027-01-04", "2027-01-10", 3711, 3600, 2404),
            ],
        ),
        (
            tables.GA4_USERS_MONTH,
            DateWindow(date(2026, 11, 30), date(2026, 12, 31)),
            DateWindow(date(2026, 11, 1), date(2026, 12, 31)),
            [
                ("2026-11-01", "2026-11-30", 15123, 14800, 10022),
                ("2026-12-01", "2026-12-31", 16044, 15700, 10655),
            ],
        ),
    ],
    ids=lambda one: getattr(one, "grain", ""),
)
def test_users_are_asked_for_by_whole_periods_and_dated_by_the_last_day(
    serve: Any, table: Table, window: DateWindow, asked: DateWindow, periods: list[tuple[Any, ...]]
) -> None:
    with serve("rows", table.grain) as vendor:
        connector = GA4(vendor.connection)
        reply = connector.fetch(table, ACCOUNT, window)
        rows = [row for batch in reply.batches for row in batch.to_pylist()]
        connector.close()
        assert vendor.asked() == [asked]
    assert reply.announced_rows == len(rows) == 2
    told = ("period_start", "date_day", "total_users", "active_users", "new_users")
    assert [(*(str(row[n]) for n in told[:2]), *(row[n] for n in told[2:])) for row in rows] == (
        periods
    )


def test_a_period_that_has_not_ended_is_not_asked_for() -> None:
    with serve_grpc("rows", "users_month") as vendor:
        connector = GA4(vendor.connection)
        window = DateWindow(date(2026, 11, 1), date(2026, 11, 29))
        reply = connector.fetch(tables.GA4_USERS_MONTH, ACCOUNT, window)
        assert list(reply.batches) == [] and reply.announced_rows == 0
        connector.close()
        assert vendor.asked() == []


def test_a_period_that_is_none_is_transient() -> None:
    def answer(request: Any) -> dict[str, Any]:
        told = recorded("users_week")
        told["rows"][0]["dimensionValues"] = [{"value": "202654"}]
        return told

    with google("grpc", answer) as server, server.open() as connector:
        window = DateWindow(date(2027, 1, 1), date(2027, 1, 12))
        with pytest.raises(TransientError, match="202654") as refused:
            list(connector.fetch(tables.GA4_USERS_WEEK, ACCOUNT, window).batches)
    assert refused.value.reason == "malformed_answer"


def test_only_key_events_are_asked_for() -> None:
    with google("grpc", lambda request: report()) as server, server.open() as connector:
        read(connector)
    (request,) = server.requests
    only = request.metric_filter.filter
    assert only.field_name == "keyEvents"
    assert only.numeric_filter.operation == 4  # GREATER_THAN
    assert only.numeric_filter.value.int64_value == 0
    assert request.limit == 250_000


@both
def test_what_the_api_says_about_its_answer_is_kept_as_plain_json(transport: Transport) -> None:
    told = recorded("channel_day")
    told["metadata"]["dataTruncationReasons"] = [
        {
            "dataTruncationType": "DATA_TRUNCATION_TYPE_PROPERTY",
            "dataTruncationMessage": "older than the retention",
            "dataTruncationDate": "2025-09-20",
        }
    ]
    with google(transport, lambda request: told) as server, server.open() as connector:
        reply = connector.fetch(tables.GA4_CHANNEL_DAY, ACCOUNT, WINDOW)
        list(reply.batches)
    assert json.loads(json.dumps(reply.metadata)) == reply.metadata
    reasons = reply.metadata.pop("data_truncation_reasons")
    assert reasons[0]["data_truncation_type"] == "DATA_TRUNCATION_TYPE_PROPERTY"
    assert reasons[0]["data_truncation_date"] == "2025-09-20"
    assert reply.metadata == {
        "pages": 1,
        "currency_code": "EUR",
        "time_zone": "Europe/Amsterdam",
        "empty_reason": None,
        "schema_restriction_response": None,
        "data_loss_from_other_row": True,
        "subject_to_thresholding": True,
        "sampling_metadatas": [{"samples_read_count": 500_000, "sampling_space_size": 2_000_000}],
        "property_quota": {
            "tokens_per_day": {"consumed": 3, "remaining": 199_412},
            "tokens_per_hour": {"consumed": 3, "remaining": 39_871},
            "concurrent_requests": {"consumed": 0, "remaining": 10},
            "server_errors_per_project_per_hour": {"consumed": 0, "remaining": 10},
            "potentially_thresholded_requests_per_hour": {"consumed": 1, "remaining": 119},
            "tokens_per_project_per_hour": {"consumed": 3, "remaining": 13_871},
        },
    }


def test_the_reason_of_an_empty_report_is_kept() -> None:
    with google("grpc", lambda r: recorded("empty")) as server, server.open() as connector:
        reply, rows = read(connector)
    assert rows == []
    assert reply.announced_rows == 0
    assert reply.metadata["empty_reason"] == "NO_DATA"


def test_days_that_ga4_folded_into_other_are_asked_for_one_by_one() -> None:
    def answer(request: Any) -> dict[str, Any]:
        (asked,) = request.date_ranges
        if asked.start_date != asked.end_date:
            return report(("(other)", "(other)", "(other)", "9"), EVENTS[0])
        if asked.start_date == "2026-11-01":
            return report(("(other)", "(other)", "(other)", "4"), EVENTS[0])
        return report(("20261102", "Direct", "event 1", "5"))

    with google("grpc", answer) as server, server.open() as connector:
        reply, rows = read(connector)
    asked = [(r.date_ranges[0].start_date, r.date_ranges[0].end_date) for r in server.requests]
    assert asked == [
        ("2026-11-01", "2026-11-02"),
        ("2026-11-01", "2026-11-01"),
        ("2026-11-02", "2026-11-02"),
    ]
    assert [(row["date_day"].day, row["event_name"], row["key_events"]) for row in rows] == [
        (1, "(other)", 4.0),
        (1, "event 0", 1.0),
        (2, "event 1", 5.0),
    ]
    assert reply.announced_rows == 3


def test_rows_without_a_day_on_a_later_page_are_read_in_smaller_parts() -> None:
    def answer(request: Any) -> dict[str, Any]:
        rows = (*EVENTS[:2], ("(other)", "(other)", "(other)", "9"))
        return report(*rows[request.offset : request.offset + request.limit], count=3)

    with google("grpc", answer) as server:
        told = refused(server, page_rows=2)
    assert isinstance(told, TransientError)
    assert told.scope == "slice"
    assert told.retry_after_seconds is None  # the flow then halves the window


# --- decoding ---------------------------------------------------------------------------------


def test_columns_equal_what_a_loop_over_plain_messages_gives() -> None:
    """The fast decoder against the obvious one, on values that are easily got wrong."""
    message = RunReportResponse.pb(RunReportResponse())
    for name in ("date", "sessionSource"):
        message.dimension_headers.add(name=name)
    for name in ("sessions", "keyEvents", "purchaseRevenue"):
        message.metric_headers.add(name=name)
    sources = ["", "(other)", "🚲", 'a "b" \\ c', "\x00nul", "é" * 5000, "x\ny", " "]
    for i, source in enumerate(sources * 40):
        row = message.rows.add()
        row.dimension_values.add(value=f"202611{i % 30 + 1:02d}")
        row.dimension_values.add(value=source)
        for value in (str(i), "1.5", "-0.01"):
            row.metric_values.add(value=value)
    message.row_count = 4_000
    message.rows[3].dimension_values[1].ClearField("one_value")
    message.metadata.SetInParent()
    answer = _decode(message.SerializeToString())

    def loop(values: str, at: int) -> list[str | None]:
        found = [getattr(row, values)[at] for row in message.rows]
        return [v.value if v.HasField("value") else None for v in found]

    assert answer.rows == 320
    assert answer.row_count == 4_000
    assert answer.dimensions["date"].to_pylist() == loop("dimension_values", 0)
    assert answer.dimensions["sessionSource"].to_pylist() == loop("dimension_values", 1)
    for at, name in enumerate(("sessions", "keyEvents", "purchaseRevenue")):
        assert answer.metrics[name].to_pylist() == loop("metric_values", at)
    assert answer.told["subject_to_thresholding"] is None  # unset is not false


def test_json_and_protobuf_of_one_report_give_the_same_columns() -> None:
    told = recorded("campaign_day")
    told["rows"][0]["dimensionValues"][3] = {"value": '🚲 "é" \\ \n</script>'}
    told["rows"][1]["dimensionValues"][2] = {}  # not set
    told["rows"][2]["dimensionValues"][1]["value"] = "2026-11-01T00:00:00Z"  # stays text
    from_proto = _decode(as_proto(told))
    for indent in (None, 2):
        assert _decode_json(json.dumps(told, indent=indent).encode()) == from_proto


@pytest.mark.parametrize(("value", "given"), [("3", 3.0), ("2.5", 2.5), ("1.2E7", 12_000_000.0)])
def test_numbers_are_read_however_they_are_written(value: str, given: float) -> None:
    told = report(("20261101", "Direct", "purchase", value))
    with google("grpc", lambda request: told) as server, server.open() as connector:
        assert read(connector)[1][0]["key_events"] == given


@pytest.mark.parametrize(
    "row", [("20261301", "Direct", "e", "1"), ("20261101", "Direct", "e", "many")]
)
def test_a_value_that_cannot_be_is_refused(row: tuple[str, str, str, str]) -> None:
    with google("grpc", lambda request: report(row)) as server:
        told = refused(server)
    assert isinstance(told, TransientError)
    assert told.reason == "malformed_answer"


def test_columns_are_found_by_name_not_by_place() -> None:
    told = report(("purchase", "Direct", "20261101", "1"))
    told["dimensionHeaders"].reverse()
    with google("grpc", lambda request: told) as server, server.open() as connector:
        (row,) = read(connector)[1]
    assert (row["date_day"], row["event_name"]) == (date(2026, 11, 1), "purchase")


# --- errors -----------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("message", "seconds", "scope"),
    [
        (
            "Exhausted property tokens per hour. They return in under an hour.",
            39 * 60 + 30,
            "account",
        ),
        ("Exhausted property tokens for a project per hour.", 39 * 60 + 30, "account"),
        ("Exhausted potentially thresholded requests quota.", 39 * 60 + 30, "account"),
        # midnight in California is 8:00 UTC in winter
        ("Exhausted property tokens per day.", 19 * 3600 + 39 * 60 + 30, "account"),
        ("Exhausted concurrent requests quota.", 30, "slice"),
        ("Exhausted server errors per project per property.", 39 * 60 + 30, "account"),
        ("Exhausted something that is new to us.", 60, "account"),
    ],
)
def test_each_quota_says_when_it_returns(
    transport: Transport, message: str, seconds: float, scope: str
) -> None:
    with google(transport, lambda request: error(429, message)) as server:
        told = refused(server, now=lambda: NOON)
    assert isinstance(told, TransientError)
    assert told.retry_after_seconds == seconds
    assert told.scope == scope
    assert told.reason == "RESOURCE_EXHAUSTED"


def test_retry_after_goes_before_our_own_reckoning() -> None:
    def answer(call: HttpCall) -> HttpAnswer:
        told = json.dumps(error(429, "Exhausted property tokens per day.")).encode()
        return HttpAnswer(told, 429, {"Retry-After": "12"})

    with token_endpoint("rows") as token_uri, http_server(answer) as (url, _):
        told = refused(Google(connect(token_uri, url, transport="rest")))
    assert isinstance(told, TransientError)
    assert told.retry_after_seconds == 12


@both
def test_a_token_that_the_api_calls_expired_is_replaced_once(transport: Transport) -> None:
    asked: list[int] = []

    def answer(request: Any) -> dict[str, Any]:
        asked.append(1)
        if len(asked) == 1:
            return error(401, "Request had invalid authentication credentials.")
        return report(EVENTS[0])

    with google(transport, answer) as server, server.open() as connector:
        assert len(read(connector)[1]) == 1
    assert len(asked) == 2


@both
def test_a_token_that_stays_refused_is_an_auth_error(transport: Transport) -> None:
    with google(transport, lambda request: error(401, "bad canary-access-token")) as server:
        told = refused(server)
    assert isinstance(told, AuthError)
    assert "canary" not in "".join(traceback.format_exception(told))
    assert len(server.requests) == 2


@both
def test_an_api_that_is_not_enabled_stops_the_source(transport: Transport) -> None:
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
    }
    with google(transport, lambda request: error(403, "API has not been used", info)) as server:
        told = refused(server)
    assert type(told) is SourceError
    assert (told.scope, told.reason) == ("source", "SERVICE_DISABLED")


@both
def test_a_credential_without_the_scope_is_an_auth_error(transport: Transport) -> None:
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
    }
    with google(transport, lambda request: error(403, "insufficient scopes", info)) as server:
        assert isinstance(refused(server), AuthError)


@both
def test_a_report_that_the_api_does_not_know_is_our_mistake(transport: Transport) -> None:
    with google(transport, lambda request: error(400, "Field foo is not valid")) as server:
        told = refused(server)
    assert type(told) is SourceError
    assert (told.scope, told.reason) == ("source", "INVALID_ARGUMENT")


@both
@pytest.mark.parametrize("code", [500, 503])
def test_a_failing_server_is_asked_once_and_is_transient(transport: Transport, code: int) -> None:
    with google(transport, lambda request: error(code, "try later")) as server:
        assert isinstance(refused(server), TransientError)
    assert len(server.requests) == 1


GOOD = json.dumps(report(*EVENTS)).encode()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"<!doctype html><html>Sign in to the hotel network</html>", 200),
        (b"<html>Bad gateway</html>", 502),
        (GOOD[:-20], 200),
        (b"", 200),
        (b"\xff\xfe", 200),
        (b"[]", 200),
        (b"{}", 200),
    ],
)
def test_an_answer_that_is_not_the_apis_is_transient(body: bytes, status: int) -> None:
    with (
        token_endpoint("rows") as token_uri,
        http_server(lambda call: HttpAnswer(body, status)) as (url, _),
    ):
        told = refused(Google(connect(token_uri, url, transport="rest")))
    assert isinstance(told, TransientError)
    assert "html" not in str(told).replace("an HTML page", "").lower()


@both
def test_a_server_that_says_nothing_runs_into_the_timeout(transport: Transport) -> None:
    over = threading.Event()

    def answer(request: Any) -> dict[str, Any]:
        over.wait(10)
        return report()

    with google(transport, answer, timeout_seconds=0.3) as server:
        told = refused(server)
        over.set()
    assert isinstance(told, TransientError)


def test_endpoints_have_the_form_of_their_transport() -> None:
    for transport, endpoint in [
        ("grpc", "https://127.0.0.1:8000"),
        ("rest", "127.0.0.1:8000"),
        ("rest", "http://analytics.example"),
    ]:
        connection = connect("https://token.example", endpoint, transport=transport)
        with pytest.raises(SourceError) as told:
            GA4(connection)
        assert told.value.scope == "source"


# --- accounts ---------------------------------------------------------------------------------


@both
def test_accounts_have_currency_and_zone_and_the_refused_say_why(transport: Transport) -> None:
    def answer(request: Any) -> dict[str, Any]:
        if request.property == "properties/322222222":
            return recorded("permission")
        return recorded("probe")

    with google(transport, answer) as server, server.open() as connector:
        good, closed, wrong = connector.accounts(
            AccountSelection(("properties/311111111", "322222222", "G-ABC123"))
        )
    assert good == Account(
        "ga4", "311111111", currency_code="EUR", time_zone="Europe/Amsterdam", status="enabled"
    )
    assert (closed.account_id, closed.status) == ("322222222", "refused")
    assert isinstance(closed.problem, AccessError)
    assert "Viewer" in closed.problem.hint
    assert wrong.status == "refused"
    assert "GA4 property id" in str(wrong.problem)
    assert len(server.requests) == 2  # the wrong id was not asked for


SUMMARIES = {
    "accountSummaries": [
        {"propertySummaries": [{"property": "properties/311111111", "displayName": "Fietsgoed"}]}
    ]
}


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (SUMMARIES, "Fietsgoed"),
        (error(403, "not enabled"), ""),
        ({}, ""),
        ({"accountSummaries": 5}, ""),
        ({"accountSummaries": [None]}, ""),
        ({"accountSummaries": [{"propertySummaries": [3]}]}, ""),
    ],
)
def test_a_property_has_the_name_that_the_admin_api_tells_and_does_without(
    told: dict[str, Any], name: str
) -> None:
    def admin(call: HttpCall) -> HttpAnswer:
        return HttpAnswer(json.dumps(told).encode(), told.get("error", {}).get("code", 200))

    with (
        http_server(admin) as (url, asked),
        google("grpc", lambda request: recorded("probe"), admin_endpoint=url) as server,
        server.open() as connector,
    ):
        for _ in range(2):
            (account,) = connector.accounts(AccountSelection(("311111111",)))
            assert (account.name, account.currency_code) == (name, "EUR")
        assert [call.path.partition("?")[0] for call in asked] == ["/v1beta/accountSummaries"]


def test_a_list_of_properties_that_never_ends_is_given_up() -> None:
    def admin(call: HttpCall) -> HttpAnswer:
        return HttpAnswer(json.dumps(SUMMARIES | {"nextPageToken": "2"}).encode())

    with (
        http_server(admin) as (url, asked),
        google("grpc", lambda request: recorded("probe"), admin_endpoint=url) as server,
        pytest.raises(TransientError, match="the same page again and again"),
    ):
        properties(server.connection)
    assert len(asked) == 2


def test_google_is_not_asked_for_names_when_the_reports_are_elsewhere() -> None:
    with google("grpc", lambda request: recorded("probe")) as server:
        with pytest.raises(SourceError, match="admin_endpoint"):
            properties(server.connection)
        with server.open() as connector:
            (account,) = connector.accounts(AccountSelection(("311111111",)))
    assert account.name == ""


def test_a_property_that_is_busy_is_left_to_its_slices_unless_all_are() -> None:
    def answer(request: Any) -> dict[str, Any]:
        if request.property == "properties/1":
            return error(503, "busy")
        return recorded("probe")

    with google("grpc", answer) as server, server.open() as connector:
        busy, good = connector.accounts(AccountSelection(("1", "2")))
        assert (busy.status, busy.currency_code) == ("enabled", None)
        assert good.currency_code == "EUR"
        with pytest.raises(TransientError):
            connector.accounts(AccountSelection(("1",)))


def test_an_unknown_property_does_not_stop_the_others() -> None:
    def answer(request: Any) -> dict[str, Any]:
        if request.property == "properties/1":
            return error(400, "Invalid property ID")
        return recorded("probe")

    with google("grpc", answer) as server, server.open() as connector:
        unknown, good = connector.accounts(AccountSelection(("1", "2")))
    assert (unknown.status, good.status) == ("refused", "enabled")
    assert unknown.problem is not None
    assert unknown.problem.scope == "account"


def test_properties_must_be_listed() -> None:
    with (
        google("grpc", lambda request: report()) as server,
        server.open() as connector,
        pytest.raises(SourceError, match="list property_ids"),
    ):
        connector.accounts(AccountSelection(discover=True))


def test_the_recorded_replies_are_answers_of_the_api() -> None:
    for name in ("channel_day", "campaign_day", "key_event_day", "empty", "probe"):
        message = RunReportResponse.pb(RunReportResponse())
        json_format.ParseDict(recorded(name), message)
        assert message.row_count == len(message.rows)
        assert isinstance(_decode(message.SerializeToString()).rows, int)


def test_a_table_of_another_source_is_refused() -> None:
    with (
        google("grpc", lambda request: report()) as server,
        server.open() as connector,
        pytest.raises(ValueError, match="not a table of GA4"),
    ):
        connector.fetch(tables.GSC_SITE_DAY, ACCOUNT, WINDOW)


def test_batches_hold_no_more_than_one_page() -> None:
    def answer(request: Any) -> dict[str, Any]:
        return report(*EVENTS[request.offset : request.offset + request.limit], count=5)

    with google("grpc", answer) as server, server.open(page_rows=2) as connector:
        batches: list[pa.RecordBatch] = list(
            connector.fetch(tables.GA4_KEY_EVENT_DAY, ACCOUNT, WINDOW).batches
        )
    assert [batch.num_rows for batch in batches] == [2, 2, 1]
