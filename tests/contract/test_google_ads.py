"""Google Ads beyond what every connector promises: accounts, tokens, time limits, TLS."""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.ads.googleads.v26.errors.types.errors import GoogleAdsFailure
from google.ads.googleads.v26.services.types.customer_service import (
    ListAccessibleCustomersResponse,
)
from google.ads.googleads.v26.services.types.google_ads_service import (
    SearchGoogleAdsStreamRequest,
    SearchGoogleAdsStreamResponse,
)

from connectors import tables
from connectors.base import (
    AccessError,
    Account,
    AccountSelection,
    AuthError,
    Connection,
    DateWindow,
    SourceError,
    TransientError,
)
from connectors.google_ads import BATCH_ROWS, GoogleAds
from tests.contract.case import connect
from tests.contract.cases.google_ads import FAILURE, messages
from tests.contract.servers import (
    GrpcAnswer,
    GrpcCall,
    HttpAnswer,
    HttpCall,
    dropping_line,
    grpc_server,
    http_server,
)

DAY = DateWindow(date(2026, 3, 28), date(2026, 3, 28))
Answer = Callable[[GrpcCall], GrpcAnswer]


@dataclass(frozen=True)
class Played:
    connection: Connection
    calls: list[GrpcCall]
    token_calls: list[HttpCall]


def good_token(call: HttpCall) -> HttpAnswer:
    return HttpAnswer(json.dumps({"access_token": "token-1", "expires_in": 3599}).encode())


@contextmanager
def played(
    answer: Answer, token: Callable[[HttpCall], HttpAnswer] = good_token, **more: Any
) -> Iterator[Played]:
    with http_server(token) as (url, token_calls), grpc_server(answer) as (endpoint, calls):
        yield Played(connect(f"{url}/token", endpoint, **more), calls, token_calls)


@contextmanager
def opened(connection: Connection) -> Iterator[GoogleAds]:
    connector = GoogleAds(connection)
    try:
        yield connector
    finally:
        connector.close()


def failure(group: str, reason: str, message: str = "No.") -> GrpcAnswer:
    told = {"errors": [{"errorCode": {group: reason}, "message": message}], "requestId": "Rq-1"}
    status = {
        "authenticationError": grpc.StatusCode.UNAUTHENTICATED,
        "authorizationError": grpc.StatusCode.PERMISSION_DENIED,
        "internalError": grpc.StatusCode.INTERNAL,
    }[group]
    serialized = GoogleAdsFailure.serialize(GoogleAdsFailure.from_json(json.dumps(told)))
    return GrpcAnswer(
        status=status, details=message, trailers=((FAILURE, serialized), ("request-id", "Rq-1"))
    )


DENIED = failure("authorizationError", "USER_PERMISSION_DENIED")
CLOSED = failure("authorizationError", "CUSTOMER_NOT_ENABLED")
EXPIRED = failure("authenticationError", "OAUTH_TOKEN_EXPIRED")
NOTHING = GrpcAnswer()


def customer(account_id: str, **more: Any) -> GrpcAnswer:
    row = {
        "id": account_id,
        "descriptiveName": f"Shop {account_id[0]}",
        "currencyCode": "EUR",
        "timeZone": "Europe/Amsterdam",
        "status": "ENABLED",
        "manager": False,
    }
    return GrpcAnswer(messages([{"results": [{"customer": row | more}]}]))


def clients(*rows: tuple[str, str, bool]) -> GrpcAnswer:
    told = [
        {
            "customerClient": {
                "id": account_id,
                "descriptiveName": f"Shop {account_id[0]}",
                "currencyCode": "GBP" if account_id[0] == "2" else "EUR",
                "timeZone": "Europe/Amsterdam",
                "status": status,
                "manager": is_manager,
            }
        }
        for account_id, status, is_manager in rows
    ]
    return GrpcAnswer(messages([{"results": told}]))


def by_customer(answers: dict[str, GrpcAnswer]) -> Answer:
    def answer(call: GrpcCall) -> GrpcAnswer:
        if call.method.endswith("ListAccessibleCustomers"):
            names = [f"customers/{account_id}" for account_id in answers]
            reply = ListAccessibleCustomersResponse(resource_names=names)
            return GrpcAnswer((ListAccessibleCustomersResponse.serialize(reply),))
        request = SearchGoogleAdsStreamRequest.deserialize(call.request)
        return answers[request.customer_id]

    return answer


def fetch(connector: GoogleAds, account_id: str = "1111111111") -> list[Any]:
    account = Account("google_ads", account_id)
    return list(connector.fetch(tables.ADS_CAMPAIGN_DAY, account, DAY).batches)


# --- accounts ---------------------------------------------------------------------------------
def test_listed_accounts_come_with_currency_zone_and_what_refuses() -> None:
    answers = {
        "1111111111": customer("1111111111", currencyCode="GBP", timeZone="Europe/London"),
        "4444444444": DENIED,
        "5555555555": CLOSED,
        "1000000001": customer("1000000001", manager=True),
    }
    ids = ("111-111-1111", "4444444444", "5555555555", "1000000001", "1111111111")
    with played(by_customer(answers)) as vendor, opened(vendor.connection) as connector:
        found = connector.accounts(AccountSelection(ids=ids))
    assert [(a.account_id, a.status) for a in found] == [
        ("1111111111", "enabled"),
        ("4444444444", "refused"),
        ("5555555555", "refused"),
        ("1000000001", "refused"),
    ]
    first = found[0]
    assert (first.name, first.currency_code, first.time_zone) == ("Shop 1", "GBP", "Europe/London")
    reasons = [a.problem.reason if a.problem else "" for a in found]
    assert reasons == [
        "",
        "USER_PERMISSION_DENIED",
        "CUSTOMER_NOT_ENABLED",
        "REQUESTED_METRICS_FOR_MANAGER",
    ]
    assert found[1].problem is not None and found[1].problem.request_id == "Rq-1"
    assert "login_customer_id" in str(found[1].problem)


def test_discovery_leaves_managers_out_and_names_each_account_once() -> None:
    hierarchy = clients(
        ("1000000001", "ENABLED", True),
        ("1000000002", "ENABLED", True),
        ("1111111111", "ENABLED", False),
        ("5555555555", "CANCELED", False),
        ("2222222222", "ENABLED", False),
        ("1111111111", "ENABLED", False),  # linked to two managers
    )
    answer = by_customer({"1000000001": hierarchy})
    with played(answer) as vendor, opened(vendor.connection) as connector:
        found = connector.accounts(
            AccountSelection(discover=True, login_customer_id="100-000-0001")
        )
        logins = [call.metadata["login-customer-id"] for call in vendor.calls]
    assert [(a.account_id, a.status, a.currency_code) for a in found] == [
        ("1111111111", "enabled", "EUR"),
        ("5555555555", "not_enabled", "EUR"),
        ("2222222222", "enabled", "GBP"),
    ]
    assert logins == ["1000000001"]


def test_discovery_without_a_manager_starts_at_every_accessible_account() -> None:
    answers = {
        "1000000001": clients(("1000000001", "ENABLED", True), ("1111111111", "ENABLED", False)),
        "3333333333": clients(("3333333333", "ENABLED", False)),
        "5555555555": CLOSED,
        "6666666666": DENIED,
        # the user's own link to it ended; through the manager it answers
        "1111111111": DENIED,
    }
    with played(by_customer(answers)) as vendor, opened(vendor.connection) as connector:
        found = connector.accounts(AccountSelection(discover=True))
        answers["1111111111"] = answers["3333333333"] = NOTHING
        fetch(connector, "1111111111")
        fetch(connector, "3333333333")
        logins = [call.metadata.get("login-customer-id") for call in vendor.calls]
    assert [(a.account_id, a.status) for a in found] == [
        ("1111111111", "enabled"),
        ("3333333333", "enabled"),
        ("5555555555", "not_enabled"),
        ("6666666666", "refused"),
    ]
    # the roots are the user's own; an account below one is opened through it
    assert logins == [None] * 6 + ["1000000001", None]


def test_a_manager_that_refuses_stops_the_source() -> None:
    answer = by_customer({"1000000001": DENIED})
    with (
        played(answer, login_customer_id="1000000001") as vendor,
        opened(vendor.connection) as connector,
        pytest.raises(AccessError) as told,
    ):
        connector.accounts(AccountSelection(discover=True))
    assert told.value.scope == "source"
    assert told.value.request_id == "Rq-1"


def test_a_passing_failure_while_accounts_are_listed_is_raised_for_a_retry() -> None:
    answer = by_customer({"1111111111": failure("internalError", "TRANSIENT_ERROR")})
    with (
        played(answer) as vendor,
        opened(vendor.connection) as connector,
        pytest.raises(TransientError),
    ):
        connector.accounts(AccountSelection(ids=("1111111111",)))


def test_a_refused_list_of_accessible_accounts_is_judged_like_every_other_call() -> None:
    revoked = failure("authenticationError", "OAUTH_TOKEN_REVOKED")
    with (
        played(lambda call: revoked) as vendor,
        opened(vendor.connection) as connector,
        pytest.raises(AuthError) as told,
    ):
        connector.accounts(AccountSelection(discover=True))
    assert (told.value.reason, told.value.request_id) == ("OAUTH_TOKEN_REVOKED", "Rq-1")


# --- the request ------------------------------------------------------------------------------
def test_without_a_developer_token_or_a_manager_their_headers_are_left_out() -> None:
    with (
        played(lambda call: NOTHING, developer_token=None) as vendor,
        opened(vendor.connection) as connector,
    ):
        assert fetch(connector) == []
    sent = vendor.calls[0].metadata
    assert "developer-token" not in sent
    assert "login-customer-id" not in sent
    assert "gl-python" in str(sent["x-goog-api-client"])
    assert "pb/" in str(sent["x-goog-api-client"])  # the client's own interceptor was there


def test_the_query_asks_for_both_ends_and_filters_nothing_else() -> None:
    with played(lambda call: NOTHING) as vendor, opened(vendor.connection) as connector:
        fetch(connector)
    query = SearchGoogleAdsStreamRequest.deserialize(vendor.calls[0].request).query
    assert query.endswith("FROM campaign WHERE segments.date BETWEEN '2026-03-28' AND '2026-03-28'")


def test_the_request_id_of_an_answer_without_messages_is_kept() -> None:
    reply = GrpcAnswer((), trailers=(("request-id", "Rq-empty"),))
    with played(lambda call: reply) as vendor, opened(vendor.connection) as connector:
        told = connector.fetch(tables.ADS_CAMPAIGN_DAY, Account("google_ads", "1"), DAY)
        assert list(told.batches) == []
    assert told.request_ids == ["Rq-empty"]


# --- the answer -------------------------------------------------------------------------------
def test_a_large_message_is_split_into_batches_of_bounded_size() -> None:
    row = {"customer": {"id": "1"}, "campaign": {"id": "2"}, "segments": {"date": "2026-03-28"}}
    (one,) = messages([{"results": [row]}])
    # serialized messages that are joined are one message with all the rows
    reply = GrpcAnswer((one * (BATCH_ROWS + 1),))
    with played(lambda call: reply) as vendor, opened(vendor.connection) as connector:
        batches = fetch(connector)
    assert [batch.num_rows for batch in batches] == [BATCH_ROWS, 1]


def test_an_answer_that_is_no_such_message_is_a_source_error_that_is_not_retried() -> None:
    with (
        played(lambda call: GrpcAnswer((b"\xff<html>",))) as vendor,
        opened(vendor.connection) as connector,
        pytest.raises(SourceError) as told,
    ):
        fetch(connector)
    assert told.value.reason == "unreadable_answer"
    assert not isinstance(told.value, TransientError)


@pytest.mark.parametrize(
    ("row", "missing"),
    [
        ({"customer": {"id": "1"}, "segments": {"date": "2026-03-28"}}, "campaign.id"),
        ({"customer": {"id": "1"}, "campaign": {"id": "2"}}, "segments.date"),
    ],
)
def test_a_row_without_its_key_is_refused(row: dict[str, Any], missing: str) -> None:
    reply = GrpcAnswer(messages([{"results": [row], "requestId": "Rq-2"}]))
    with (
        played(lambda call: reply) as vendor,
        opened(vendor.connection) as connector,
        pytest.raises(SourceError, match=f"a row without {missing}"),
    ):
        fetch(connector)


def test_an_enum_value_younger_than_the_client_keeps_its_number() -> None:
    response = SearchGoogleAdsStreamResponse
    row = {"customer": {"id": "1"}, "campaign": {"id": "2"}, "segments": {"date": "2026-03-28"}}
    message = response.pb(response.from_json(json.dumps({"results": [row]})))
    message.results[0].campaign.advertising_channel_type = 4711
    reply = GrpcAnswer((message.SerializeToString(),))
    with played(lambda call: reply) as vendor, opened(vendor.connection) as connector:
        (batch,) = fetch(connector)
    assert batch.column("channel_type").to_pylist() == ["4711"]
    assert batch.column("device").to_pylist() == ["UNSPECIFIED"]


def test_a_reader_that_stops_early_leaves_the_connector_usable() -> None:
    row = {"customer": {"id": "1"}, "campaign": {"id": "2"}, "segments": {"date": "2026-03-28"}}
    reply = GrpcAnswer(messages([{"results": [row]}] * 50))
    with played(lambda call: reply) as vendor, opened(vendor.connection) as connector:
        account = Account("google_ads", "1111111111")
        batches = connector.fetch(tables.ADS_CAMPAIGN_DAY, account, DAY).batches
        next(batches)
        batches.close()  # type: ignore[attr-defined]
        assert len(fetch(connector)) == 50


@pytest.mark.parametrize("after_bytes", [0, 500, 1_500, 2_000, 20_000, 100_000, 199_000])
def test_a_line_that_drops_at_any_byte_is_transient_and_never_a_short_result(
    after_bytes: int,
) -> None:
    row = {"customer": {"id": "1"}, "campaign": {"id": "2"}, "segments": {"date": "2026-03-28"}}
    (one,) = messages([{"results": [row]}])
    # some 200 kB of answer in twenty messages, whose end never arrives
    reply = GrpcAnswer((one * (10_000 // len(one)),) * 20)
    with (
        played(lambda call: reply) as vendor,
        dropping_line(vendor.connection.endpoint or "", after_bytes) as line,
        opened(replace(vendor.connection, endpoint=line)) as connector,
        pytest.raises(TransientError),
    ):
        fetch(connector)


# --- time and trust ---------------------------------------------------------------------------
def test_a_stalled_answer_ends_at_the_timeout() -> None:
    over = threading.Event()

    def stall(call: GrpcCall) -> GrpcAnswer:
        over.wait(10)
        return NOTHING

    with played(stall, timeout_seconds=0.2) as vendor, opened(vendor.connection) as connector:
        try:
            with pytest.raises(TransientError) as told:
                fetch(connector)
        finally:
            over.set()
    assert told.value.reason == "deadline_exceeded"


def test_an_untrusted_certificate_says_which_setting_to_look_at() -> None:
    with played(lambda call: NOTHING) as vendor:
        public_authorities_only = replace(vendor.connection, ca_file=None)
        with (
            opened(public_authorities_only) as connector,
            pytest.raises(TransientError, match="ca_file"),
        ):
            fetch(connector)
    assert vendor.calls == []


def test_a_certificate_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.pem"):
        GoogleAds(connect("http://127.0.0.1:9/token", "127.0.0.1:9", ca_file=tmp_path / "none.pem"))


# --- tokens -----------------------------------------------------------------------------------
def numbered_tokens(good: int = 99) -> Callable[[HttpCall], HttpAnswer]:
    given: list[int] = []

    def answer(call: HttpCall) -> HttpAnswer:
        given.append(1)
        if len(given) > good:
            return HttpAnswer(b'{"error": "invalid_grant"}', status=400)
        told = {"access_token": f"token-{len(given)}", "expires_in": 3599}
        return HttpAnswer(json.dumps(told).encode())

    return answer


def test_an_access_token_that_expires_under_way_is_renewed_once_and_the_call_may_be_repeated() -> (
    None
):
    def answer(call: GrpcCall) -> GrpcAnswer:
        return NOTHING if call.metadata["authorization"] == "Bearer token-2" else EXPIRED

    with played(answer, numbered_tokens()) as vendor, opened(vendor.connection) as connector:
        with pytest.raises(TransientError) as told:
            fetch(connector)
        assert told.value.retry_after_seconds == 0
        assert fetch(connector) == []


def test_a_renewed_token_that_is_refused_too_is_an_auth_error() -> None:
    with (
        played(lambda call: EXPIRED, numbered_tokens()) as vendor,
        opened(vendor.connection) as connector,
    ):
        with pytest.raises(TransientError):
            fetch(connector)
        with pytest.raises(AuthError) as told:
            fetch(connector)
    assert (told.value.reason, told.value.request_id) == ("OAUTH_TOKEN_EXPIRED", "Rq-1")
    assert len(vendor.token_calls) == 2


def test_a_renewed_token_that_has_worked_may_expire_in_its_turn() -> None:
    good = GrpcAnswer(messages([{"requestId": "Rq"}]))
    script = iter([EXPIRED, good, EXPIRED, good, EXPIRED, DENIED, EXPIRED])
    told: list[object] = []
    with (
        played(lambda call: next(script), numbered_tokens()) as vendor,
        opened(vendor.connection) as connector,
    ):
        for _ in range(7):
            try:
                told.append(fetch(connector))
            except SourceError as e:
                told.append(type(e))
    assert told == [
        TransientError,
        [],
        TransientError,
        [],
        TransientError,
        AccessError,
        TransientError,
    ]


def test_threads_whose_token_expired_together_renew_it_once() -> None:
    both = threading.Barrier(2)

    def answer(call: GrpcCall) -> GrpcAnswer:
        both.wait(10)
        return EXPIRED

    refusals: list[SourceError] = []

    def read(connector: GoogleAds) -> None:
        try:
            fetch(connector)
        except SourceError as e:
            refusals.append(e)

    with played(answer, numbered_tokens()) as vendor, opened(vendor.connection) as connector:
        threads = [threading.Thread(target=read, args=(connector,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [type(refusal) for refusal in refusals] == [TransientError, TransientError]
    assert len(vendor.token_calls) == 2  # the first token, and one renewal


def test_a_token_that_expires_and_cannot_be_renewed_is_an_auth_error_and_not_a_503() -> None:
    with (
        played(lambda call: EXPIRED, numbered_tokens(good=1)) as vendor,
        opened(vendor.connection) as connector,
        pytest.raises(AuthError) as told,
    ):
        fetch(connector)
    assert told.value.reason == "invalid_grant"


def test_a_token_in_the_vendors_own_text_is_not_repeated() -> None:
    leak = failure(
        "authorizationError", "USER_PERMISSION_DENIED", "No access for canary-developer-token."
    )
    with (
        played(lambda call: leak) as vendor,
        opened(vendor.connection) as connector,
        pytest.raises(AccessError) as told,
    ):
        fetch(connector)
    assert told.value.message == "Google Ads 1111111111: No access for …."
    assert "canary" not in "".join(traceback.format_exception(told.value))
