"""Refusals of Google Ads, judged by their reason and not by their status."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from google.ads.googleads.errors import GoogleAdsException
from google.ads.googleads.v26.errors.types.errors import GoogleAdsFailure
from google.api_core.exceptions import from_grpc_error
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from connectors.base import AccessError, AuthError, SourceError, TransientError
from connectors.google_ads_errors import read_refusal, source_error

KEY = "google.ads.googleads.v26.errors.googleadsfailure-bin"


class Ended(grpc.RpcError, grpc.Call):  # type: ignore[misc]
    """A call as gRPC hands it over when it failed."""

    def __init__(self, code: grpc.StatusCode, details: str, trailers: Any) -> None:
        self._told = code, details, trailers

    def code(self) -> grpc.StatusCode:
        return self._told[0]

    def details(self) -> str:
        return self._told[1]

    def trailing_metadata(self) -> Any:
        return self._told[2]

    def initial_metadata(self) -> Any:
        return ()

    def add_callback(self, callback: Any) -> bool:
        return False

    def cancel(self) -> bool:
        return False

    def is_active(self) -> bool:
        return False

    def time_remaining(self) -> None:
        return None


def serialized(*errors: dict[str, Any]) -> bytes:
    failure = GoogleAdsFailure.from_json(json.dumps({"errors": errors, "requestId": "Rq-body"}))
    raw: bytes = GoogleAdsFailure.serialize(failure)
    return raw


def failed(
    *errors: dict[str, Any],
    code: grpc.StatusCode = grpc.StatusCode.INVALID_ARGUMENT,
    key: str = KEY,
    request_id: str = "Rq-1",
) -> Ended:
    trailers: list[tuple[str, Any]] = [(key, serialized(*errors))]
    if request_id:
        trailers.append(("request-id", request_id))
    return Ended(code, "Request contains an invalid argument.", trailers)


def one(group: str, reason: str) -> dict[str, Any]:
    return {"errorCode": {group: reason}, "message": "As Google says it."}


@pytest.mark.parametrize(
    ("group", "reason", "cls", "scope", "hint"),
    [
        ("authenticationError", "OAUTH_TOKEN_REVOKED", AuthError, "source", "sign in again"),
        ("authenticationError", "NOT_ADS_USER", AuthError, "source", "Google account"),
        ("authenticationError", "CUSTOMER_NOT_FOUND", AccessError, "account", "customer id"),
        (
            "authorizationError",
            "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION",
            AuthError,
            "source",
            "Explorer access",
        ),
        (
            "authorizationError",
            "DEVELOPER_TOKEN_PROHIBITED",
            AuthError,
            "source",
            "developer_token",
        ),
        (
            "authorizationError",
            "USER_PERMISSION_DENIED",
            AccessError,
            "account",
            "login_customer_id",
        ),
        ("authorizationError", "CUSTOMER_NOT_ENABLED", AccessError, "account", "closed"),
        ("authorizationError", "METRIC_ACCESS_DENIED", AccessError, "account", "access"),
        ("headerError", "INVALID_LOGIN_CUSTOMER_ID", AccessError, "account", "digits only"),
        ("requestError", "DEVELOPER_TOKEN_PARAMETER_MISSING", AuthError, "source", "not be miss"),
        ("requestError", "UNSUPPORTED_VERSION", SourceError, "source", "no longer serves v26"),
        ("queryError", "REQUESTED_METRICS_FOR_MANAGER", AccessError, "account", "manager account"),
        ("queryError", "UNRECOGNIZED_FIELD", SourceError, "source", "update Koers"),
        (
            "dateRangeError",
            "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED",
            SourceError,
            "slice",
            "37 months",
        ),
        ("queryError", "PROHIBITED_FIELD_COMBINATION_IN_SELECT_CLAUSE", SourceError, "slice", ""),
        ("quotaError", "RESOURCE_TEMPORARILY_EXHAUSTED", TransientError, "account", "requests"),
        ("quotaError", "ACCESS_PROHIBITED", AuthError, "source", "project"),
        ("internalError", "TRANSIENT_ERROR", TransientError, "slice", ""),
        ("internalError", "DEADLINE_EXCEEDED", TransientError, "slice", ""),
        ("databaseError", "CONCURRENT_MODIFICATION", TransientError, "slice", ""),
    ],
)
def test_the_reason_decides_class_scope_and_hint(
    group: str, reason: str, cls: type[SourceError], scope: str, hint: str
) -> None:
    error = source_error(read_refusal(failed(one(group, reason))), "1111111111")
    assert type(error) is cls
    assert (error.reason, error.scope, error.request_id) == (reason, scope, "Rq-1")
    assert hint in error.hint
    assert error.message == "Google Ads 1111111111: As Google says it."


def test_the_vendors_exceptions_are_read_alike_in_all_their_shapes() -> None:
    call = failed(one("authorizationError", "USER_PERMISSION_DENIED"))
    failure = GoogleAdsFailure.deserialize(call.trailing_metadata()[0][1])
    for error in (call, from_grpc_error(call), GoogleAdsException(call, call, failure, "Rq-1")):
        refusal = read_refusal(error)
        assert (refusal.reason, refusal.request_id) == ("USER_PERMISSION_DENIED", "Rq-1")


def test_a_quota_hidden_in_a_plain_api_core_error_keeps_delay_and_request_id() -> None:
    told = one("quotaError", "RESOURCE_EXHAUSTED") | {
        "details": {"quotaErrorDetails": {"rateName": "x", "retryDelay": "1.500s"}}
    }
    call = failed(told, code=grpc.StatusCode.RESOURCE_EXHAUSTED)
    error = source_error(read_refusal(from_grpc_error(call)))
    assert isinstance(error, TransientError)
    assert (error.retry_after_seconds, error.request_id) == (1.5, "Rq-1")


def test_of_several_errors_the_one_we_can_judge_counts_and_the_longest_delay() -> None:
    def quota(delay: str) -> dict[str, Any]:
        return one("quotaError", "RESOURCE_EXHAUSTED") | {
            "details": {"quotaErrorDetails": {"retryDelay": delay}}
        }

    unknown = one("queryError", "QUERY_ERROR")
    denied = one("authorizationError", "USER_PERMISSION_DENIED")
    assert read_refusal(failed(unknown, denied)).reason == "USER_PERMISSION_DENIED"
    assert read_refusal(failed(quota("5s"), quota("61s"))).retry_after_seconds == 61


def test_a_failure_in_the_name_of_another_version_is_read_too() -> None:
    key = "google.ads.googleads.v31.errors.googleadsfailure-bin"
    error = source_error(read_refusal(failed(one("requestError", "UNSUPPORTED_VERSION"), key=key)))
    assert (error.reason, error.scope) == ("UNSUPPORTED_VERSION", "source")


def test_a_request_id_in_the_failure_serves_where_the_header_lacks_it() -> None:
    call = failed(one("internalError", "INTERNAL_ERROR"), request_id="")
    assert read_refusal(call).request_id == "Rq-body"


def test_a_failure_that_cannot_be_read_leaves_the_status_to_judge_by() -> None:
    call = Ended(grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down", [(KEY, b"\xff\xff")])
    error = source_error(read_refusal(call))
    assert isinstance(error, TransientError)
    assert error.reason == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize(
    ("code", "cls", "scope"),
    [
        (grpc.StatusCode.UNAVAILABLE, TransientError, "slice"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, TransientError, "slice"),
        (grpc.StatusCode.INTERNAL, TransientError, "slice"),
        (grpc.StatusCode.UNKNOWN, TransientError, "slice"),
        (grpc.StatusCode.CANCELLED, TransientError, "slice"),
        (grpc.StatusCode.UNAUTHENTICATED, AuthError, "source"),
        (grpc.StatusCode.PERMISSION_DENIED, AccessError, "account"),
        (grpc.StatusCode.UNIMPLEMENTED, SourceError, "source"),
        (grpc.StatusCode.INVALID_ARGUMENT, SourceError, "slice"),
    ],
)
def test_without_a_failure_the_status_decides(
    code: grpc.StatusCode, cls: type[SourceError], scope: str
) -> None:
    error = source_error(read_refusal(Ended(code, "as gRPC says it", None)))
    assert type(error) is cls
    assert error.scope == scope


def test_googles_front_end_speaks_in_google_rpc_status() -> None:
    info, retry = AnyMessage(), AnyMessage()
    info.Pack(ErrorInfo(reason="SERVICE_DISABLED", domain="googleapis.com"))
    retry.Pack(RetryInfo(retry_delay={"seconds": 12}))
    status = Status(code=7, details=[info, retry]).SerializeToString()
    call = Ended(
        grpc.StatusCode.PERMISSION_DENIED, "disabled", [("grpc-status-details-bin", status)]
    )
    refusal = read_refusal(call)
    assert (refusal.reason, refusal.retry_after_seconds) == ("SERVICE_DISABLED", 12)
    assert isinstance(source_error(refusal), AuthError)


def test_a_handshake_that_failed_points_to_the_certificate() -> None:
    details = "Ssl handshake failed: CERTIFICATE_VERIFY_FAILED"
    error = source_error(read_refusal(Ended(grpc.StatusCode.UNAVAILABLE, details, None)))
    assert isinstance(error, TransientError)
    assert "ca_file" in error.hint


@pytest.mark.parametrize(
    ("reason", "told", "seconds", "scope"),
    [
        ("RESOURCE_EXHAUSTED", {}, 3600, "source"),
        ("RESOURCE_TEMPORARILY_EXHAUSTED", {}, 30, "account"),
        ("RESOURCE_TEMPORARILY_EXHAUSTED", {"retryDelay": "7s"}, 7, "account"),
        (
            "RESOURCE_TEMPORARILY_EXHAUSTED",
            {"rateScope": "DEVELOPER", "retryDelay": "7s"},
            7,
            "source",
        ),
        ("RESOURCE_EXHAUSTED", {"rateScope": "ACCOUNT"}, 3600, "account"),
        ("EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION", {}, 300, "account"),
        ("EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION", {}, 3600, "account"),
    ],
)
def test_a_quota_says_who_waits_and_how_long(
    reason: str, told: dict[str, Any], seconds: float, scope: str
) -> None:
    quota = one("quotaError", reason) | {"details": {"quotaErrorDetails": told}}
    error = source_error(read_refusal(failed(quota, code=grpc.StatusCode.RESOURCE_EXHAUSTED)))
    assert isinstance(error, TransientError)
    assert (error.retry_after_seconds, error.scope) == (seconds, scope)


def test_a_deadline_without_googles_own_words_is_ours() -> None:
    ours = source_error(read_refusal(Ended(grpc.StatusCode.DEADLINE_EXCEEDED, "late", None)))
    theirs = source_error(read_refusal(failed(one("internalError", "DEADLINE_EXCEEDED"))))
    assert (ours.reason, theirs.reason) == ("deadline_exceeded", "DEADLINE_EXCEEDED")
