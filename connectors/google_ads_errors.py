"""What a Google Ads refusal means: who suffers, whether a retry helps, what to do.

The reason is in a GoogleAdsFailure in the call's trailing metadata, also where
the client raises a plain gRPC or google.api_core error (quota and internal errors).
Source: https://developers.google.com/google-ads/api/docs/common-errors
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from connectors.base import DEADLINE_EXCEEDED, AccessError, AuthError, SourceError, TransientError
from connectors.google_ads_queries import API_VERSION

Kind = type[AuthError] | type[AccessError] | type[TransientError] | type[SourceError]

_failures = import_module(f"google.ads.googleads.{API_VERSION}.errors.types.errors")


@dataclass(frozen=True)
class Refusal:
    """What was said, before it is judged. ``kind`` is the error group (``quota_error``)."""

    reason: str
    kind: str
    message: str
    request_id: str
    code: grpc.StatusCode
    details: str
    retry_after_seconds: float | None
    quota_scope: str = ""  # ACCOUNT or DEVELOPER, where a quota says so

    @property
    def is_expired_token(self) -> bool:
        """A new access token may be all it takes."""
        if self.reason in ("OAUTH_TOKEN_EXPIRED", "ACCESS_TOKEN_EXPIRED"):
            return True
        return self.code is grpc.StatusCode.UNAUTHENTICATED and not self.reason


_LOGIN = (
    "set login_customer_id to the manager account through which the user has access, digits only"
)
_SIGN_IN = "sign in again and replace refresh_token"
_PROJECT = "check the Google Cloud project of this OAuth client: "

# reason -> class and what to do next; reasons that are not here go by their group
_BY_REASON: dict[str, tuple[Kind, str]] = {
    # the credential or its project
    "OAUTH_TOKEN_REVOKED": (AuthError, f"the user withdrew access: {_SIGN_IN}"),
    "OAUTH_TOKEN_INVALID": (AuthError, _SIGN_IN),
    "OAUTH_TOKEN_DISABLED": (AuthError, _SIGN_IN),
    "NOT_ADS_USER": (AuthError, "sign in with a Google account that can open Google Ads"),
    "TWO_STEP_VERIFICATION_NOT_ENROLLED": (
        AuthError,
        "turn on 2-step verification for this Google account, then sign in again",
    ),
    "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION": (
        AuthError,
        "apply for Explorer access to the Google Ads API in the Google Cloud console; until then "
        "only test accounts answer",
    ),
    "CLOUD_PROJECT_NOT_FOUND": (AuthError, f"{_PROJECT}it was not found"),
    "CLOUD_PROJECT_NOT_UNDER_ORGANIZATION": (AuthError, f"{_PROJECT}move it under an organization"),
    "PROJECT_DISABLED": (AuthError, f"{_PROJECT}enable the Google Ads API in it"),
    "SERVICE_DISABLED": (AuthError, f"{_PROJECT}enable the Google Ads API in it"),
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": (
        AuthError,
        "sign in again and allow access to Google Ads (scope .../auth/adwords)",
    ),
    "DEVELOPER_TOKEN_PARAMETER_MISSING": (
        AuthError,
        "set developer_token: its value no longer matters, but here it may not be missing",
    ),
    "DEVELOPER_TOKEN_INVALID": (AuthError, "leave developer_token out or correct it"),
    "DEVELOPER_TOKEN_NOT_APPROVED": (
        AuthError,
        "apply for Explorer access to the Google Ads API in the Google Cloud console",
    ),
    "DEVELOPER_TOKEN_NOT_ON_ALLOWLIST": (AuthError, "leave developer_token out"),
    "DEVELOPER_TOKEN_PROHIBITED": (
        AuthError,
        "this developer_token belongs to another Google Cloud project: leave it out",
    ),
    "ACCESS_PROHIBITED": (AuthError, f"{_PROJECT}its access to the API was withdrawn"),
    # this account
    "USER_PERMISSION_DENIED": (AccessError, f"{_LOGIN}, or ask for access to this account"),
    "LOGIN_CUSTOMER_ID_PARAMETER_MISSING": (AccessError, _LOGIN),
    "INVALID_LOGIN_CUSTOMER_ID": (AccessError, _LOGIN),
    "INVALID_LOGIN_CUSTOMER_ID_SERVING_CUSTOMER_ID_COMBINATION": (
        AccessError,
        "this account is not under login_customer_id: correct one of the two",
    ),
    "CUSTOMER_NOT_ENABLED": (
        AccessError,
        "the account is closed, suspended or not set up yet: take it off the list",
    ),
    "ACTION_NOT_PERMITTED_FOR_SUSPENDED_ACCOUNT": (AccessError, "the account is suspended"),
    "CUSTOMER_NOT_FOUND": (AccessError, "check the customer id"),
    "CLIENT_CUSTOMER_ID_INVALID": (AccessError, "check the customer id"),
    "INVALID_CUSTOMER_ID": (AccessError, "check the customer id: ten digits"),
    "REQUESTED_METRICS_FOR_MANAGER": (
        AccessError,
        "this is a manager account: list the accounts under it, or use discover: true",
    ),
    # later
    "OAUTH_TOKEN_EXPIRED": (TransientError, ""),
    "CONCURRENT_MODIFICATION": (TransientError, ""),
    "RPC_DEADLINE_TOO_SHORT": (TransientError, "raise the timeout"),
    # the query
    "UNRECOGNIZED_FIELD": (
        SourceError,
        f"Google changed {API_VERSION} or it is not what answers: update Koers, check endpoint",
    ),
    "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED": (
        SourceError,
        "days go back 37 months: begin the window later",
    ),
}
_VERSION_HINT = f"Google no longer serves {API_VERSION}: update Koers"
_BY_GROUP: dict[str, tuple[Kind, str]] = {
    "authentication_error": (AuthError, _SIGN_IN),
    "authorization_error": (AccessError, "check who has access to this account in Google Ads"),
    "header_error": (AccessError, _LOGIN),
    "quota_error": (TransientError, "too many requests: the rest follows later"),
    "internal_error": (TransientError, ""),
}
# Without a failure from Google Ads itself only the gRPC status is left.
_BY_CODE: dict[grpc.StatusCode, tuple[Kind, str]] = {
    grpc.StatusCode.UNAUTHENTICATED: (AuthError, _SIGN_IN),
    grpc.StatusCode.PERMISSION_DENIED: (AccessError, _LOGIN),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (TransientError, "too many requests"),
    grpc.StatusCode.UNAVAILABLE: (TransientError, "check the network and endpoint if this stays"),
    grpc.StatusCode.DEADLINE_EXCEEDED: (TransientError, ""),
    grpc.StatusCode.INTERNAL: (TransientError, ""),
    # a dropped connection shows as any of these
    grpc.StatusCode.UNKNOWN: (TransientError, ""),
    grpc.StatusCode.CANCELLED: (TransientError, ""),
    grpc.StatusCode.ABORTED: (TransientError, ""),
    grpc.StatusCode.DATA_LOSS: (TransientError, ""),
}
_SOURCE_WIDE = ("UNSUPPORTED_VERSION", "UNRECOGNIZED_FIELD")
# Google mostly says how long; where it does not: seconds, and who suffers.
# Source: https://developers.google.com/google-ads/api/docs/best-practices/quotas
_QUOTAS: dict[str, tuple[float, str]] = {
    "RESOURCE_EXHAUSTED": (3600.0, "source"),  # the project's operations of a day
    "RESOURCE_TEMPORARILY_EXHAUSTED": (30.0, "account"),  # requests a second
    "EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION": (300.0, "account"),
    "EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION": (3600.0, "account"),
}
_QUOTA_SCOPES = {"ACCOUNT": "account", "DEVELOPER": "source"}


def read_refusal(error: Exception) -> Refusal:
    """Decode what the vendor said from any error of its client."""
    call = _call_of(error)
    if call is None:
        return Refusal("", "", str(error), "", grpc.StatusCode.UNKNOWN, "", None)
    code: grpc.StatusCode = call.code() or grpc.StatusCode.UNKNOWN
    details: str = call.details() or ""
    trailers: list[tuple[str, Any]] = [
        (key, value) for key, value in call.trailing_metadata() or ()
    ]
    request_id = next((str(value) for key, value in trailers if key == "request-id"), "")
    failure = _failure_of(trailers)
    if failure is not None and failure.errors:
        # the first that we know how to judge, or else simply the first
        named = [(*_reason(told), told) for told in failure.errors]
        kind, reason, told = next((n for n in named if n[1] in _BY_REASON), named[0])
        delays = [_delay(told.details.quota_error_details.retry_delay) for told in failure.errors]
        return Refusal(
            reason,
            kind,
            told.message or details,
            request_id or failure.request_id,
            code,
            details,
            max((delay for delay in delays if delay), default=None),
            told.details.quota_error_details.DESCRIPTOR.fields_by_name["rate_scope"]
            .enum_type.values_by_number[told.details.quota_error_details.rate_scope]
            .name,
        )
    reason, delay = _google_status(trailers)
    return Refusal(reason, "", details, request_id, code, details, delay)


def source_error(refusal: Refusal, account_id: str = "") -> SourceError:
    """Judge a refusal: the design's error class, its scope and a hint."""
    cls, hint = (
        _BY_REASON.get(refusal.reason)
        or _BY_GROUP.get(refusal.kind)
        or ((SourceError, "") if refusal.kind else None)
        or _BY_CODE.get(refusal.code)
        or (SourceError, "")
    )
    struck = refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED  # ours, where Google says no more
    told: dict[str, Any] = {
        "reason": refusal.reason or (DEADLINE_EXCEEDED if struck else refusal.code.name),
        "request_id": refusal.request_id,
        "hint": hint,
    }
    if refusal.reason in _SOURCE_WIDE or refusal.code is grpc.StatusCode.UNIMPLEMENTED:
        told |= {"scope": "source", "hint": _VERSION_HINT}
    if "handshake" in refusal.details.lower() or "certificate" in refusal.details.lower():
        told["hint"] = "the TLS certificate is not trusted: check endpoint and ca_file"
    place = f"Google Ads {account_id}" if account_id else "Google Ads"
    message = f"{place}: {refusal.message or refusal.code.name}"
    if issubclass(cls, TransientError):
        wait = refusal.retry_after_seconds
        if refusal.kind == "quota_error" or refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            usual, scope = _QUOTAS.get(refusal.reason, (60.0, "source"))
            told["scope"] = _QUOTA_SCOPES.get(refusal.quota_scope, scope)
            wait = usual if wait is None else wait
        return cls(message, retry_after_seconds=wait, **told)
    return cls(message, **told)


def _call_of(error: Exception) -> Any:
    """The gRPC call in a grpc.RpcError, a GoogleAdsException or a google.api_core error."""
    for holder in (error, getattr(error, "error", None), getattr(error, "response", None)):
        if isinstance(holder, grpc.RpcError) and hasattr(holder, "code"):
            return holder
    return None


def _failure_of(trailers: Iterable[tuple[str, Any]]) -> Any:
    for key, value in trailers:
        # an unknown version is refused in the name of another one
        if key.startswith("google.ads.googleads.") and key.endswith(".errors.googleadsfailure-bin"):
            try:
                return _failures.GoogleAdsFailure.pb().FromString(value)
            except DecodeError:  # then the status must do
                return None
    return None


def _reason(error: Any) -> tuple[str, str]:
    """The group and the name in an error code, such as ``quota_error``, ``RESOURCE_EXHAUSTED``."""
    group = error.error_code.WhichOneof("error_code")
    if group is None:
        return "", ""
    field = error.error_code.DESCRIPTOR.fields_by_name[group]
    number = getattr(error.error_code, group)
    value = field.enum_type.values_by_number.get(number)
    return group, value.name if value is not None else f"{group.upper()}_{number}"


def _google_status(trailers: Iterable[tuple[str, Any]]) -> tuple[str, float | None]:
    """Reason and delay from google.rpc.Status, which Google's front end sends."""
    reason, delay = "", None
    for key, value in trailers:
        if key != "grpc-status-details-bin":
            continue
        try:
            status = Status.FromString(value)
        except DecodeError:
            continue
        for detail in status.details:
            info, retry = ErrorInfo(), RetryInfo()
            if detail.Is(ErrorInfo.DESCRIPTOR) and detail.Unpack(info):
                reason = info.reason
            elif detail.Is(RetryInfo.DESCRIPTOR) and detail.Unpack(retry):
                delay = _delay(retry.retry_delay)
    return reason, delay


def _delay(duration: Any) -> float | None:
    seconds = float(duration.seconds) + duration.nanos / 1e9
    return seconds if seconds > 0 else None
