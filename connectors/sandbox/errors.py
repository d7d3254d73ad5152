"""Google's error model: one error, as a gRPC status and as the JSON of REST.

Source: https://cloud.google.com/apis/design/errors
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import duration_pb2, json_format
from google.rpc import error_details_pb2, status_pb2

from connectors.sandbox.faults import Fault
from connectors.sandbox.tokens import TokenState

_HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}


@dataclass
class ApiError(Exception):
    """``status`` is the gRPC code's name; ``reason`` and ``domain`` go into an ErrorInfo.

    ``violations`` are (field, description) pairs of a BadRequest.
    """

    status: str
    message: str
    reason: str = ""
    domain: str = "googleapis.com"
    metadata: dict[str, str] = field(default_factory=dict)
    retry_delay_seconds: float | None = None
    violations: tuple[tuple[str, str], ...] = ()

    @property
    def grpc_code(self) -> grpc.StatusCode:
        return grpc.StatusCode[self.status]

    @property
    def http_status(self) -> int:
        return _HTTP_STATUS[self.status]

    def to_rpc_status(self) -> status_pb2.Status:
        told = status_pb2.Status(code=self.grpc_code.value[0], message=self.message)
        if self.reason:
            told.details.add().Pack(
                error_details_pb2.ErrorInfo(
                    reason=self.reason, domain=self.domain, metadata=self.metadata
                )
            )
        if self.violations:
            told.details.add().Pack(
                error_details_pb2.BadRequest(
                    field_violations=[
                        error_details_pb2.BadRequest.FieldViolation(field=name, description=text)
                        for name, text in self.violations
                    ]
                )
            )
        if self.retry_delay_seconds is not None:
            delay = duration_pb2.Duration()
            delay.FromNanoseconds(round(self.retry_delay_seconds * 1e9))
            told.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        return told

    def to_json(self) -> dict[str, Any]:
        error: dict[str, Any] = {
            "code": self.http_status,
            "message": self.message,
            "status": self.status,
        }
        if details := json_format.MessageToDict(self.to_rpc_status()).get("details"):
            error["details"] = details
        return {"error": error}

    def abort(self, context: grpc.ServicerContext) -> None:
        """End a gRPC call with this error; never returns."""
        context.set_trailing_metadata(
            (("grpc-status-details-bin", self.to_rpc_status().SerializeToString()),)
        )
        context.abort(self.grpc_code, self.message)


def token_error(state: TokenState) -> ApiError | None:
    """Return how Google answers a bad bearer token; None when it is good."""
    if state == "valid":
        return None
    if state == "missing":
        return ApiError(
            "UNAUTHENTICATED",
            "Request is missing required authentication credential. Expected OAuth 2 access "
            "token, login cookie or other valid authentication credential. See "
            "https://developers.google.com/identity/sign-in/web/devconsole-project.",
            reason="CREDENTIALS_MISSING",
        )
    return ApiError(
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
        "cookie or other valid authentication credential. See "
        "https://developers.google.com/identity/sign-in/web/devconsole-project.",
        reason="ACCESS_TOKEN_EXPIRED" if state == "expired" else "ACCESS_TOKEN_TYPE_UNSUPPORTED",
    )


_QUOTAS = {
    "minute": "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute' of "
    "service 'analyticsdata.googleapis.com' for consumer 'project_number:1'.",
    "hour": "Exhausted property tokens for a project per hour. These quota tokens will return in "
    "under an hour.",
    "day": "Exhausted property tokens per day. These quota tokens will return in under 24 hours.",
    "concurrent": "Exhausted concurrent requests quota. Please send fewer requests concurrently.",
}


def fault_error(fault: Fault) -> ApiError | None:
    """Return the error that a fault stands for; None for those that spoil an answer instead."""
    if fault.kind == "quota":
        return ApiError(
            "RESOURCE_EXHAUSTED",
            f"{_QUOTAS.get(fault.detail or 'hour', _QUOTAS['hour'])} To learn more, see "
            "https://developers.google.com/analytics/devguides/reporting/data/v1/quotas",
            reason=fault.reason or "RATE_LIMIT_EXCEEDED",
            retry_delay_seconds=fault.retry_delay_seconds,
        )
    if fault.kind == "internal":
        return ApiError("INTERNAL", "Internal error encountered.", reason=fault.reason or "")
    if fault.kind == "unavailable":
        return ApiError(
            "UNAVAILABLE",
            "The service is currently unavailable.",
            reason=fault.reason or "",
            retry_delay_seconds=fault.retry_delay_seconds,
        )
    if fault.kind == "token_expired":
        return token_error("expired")
    if fault.kind == "refusal":
        of_status = {code: name for name, code in _HTTP_STATUS.items()}
        return ApiError(
            of_status.get(fault.status or 400, "INVALID_ARGUMENT"),
            fault.detail
            or "Field sessionsOfYesterday is not a valid metric. For a list of valid dimensions "
            "and metrics, see https://developers.google.com/analytics/devguides/reporting/data/"
            "v1/api-schema ",
            reason=fault.reason or "",
            retry_delay_seconds=fault.retry_delay_seconds,
        )
    if fault.kind == "permission":
        return ApiError(
            "PERMISSION_DENIED",
            "User does not have sufficient permissions for this property. To learn more about "
            "Property ID, see "
            "https://developers.google.com/analytics/devguides/reporting/data/v1/property-id.",
            reason=fault.reason or "",
        )
    return None
