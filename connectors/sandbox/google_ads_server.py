"""The Google Ads API on a gRPC server: search, accessible customers, field metadata.

Answers the services that google-ads calls, for the version it ships last, out
of the sandbox's world. Rows are put together as bytes: what rows share (day,
device, campaign) is encoded once.

Sources: https://developers.google.com/google-ads/api/docs/reporting/overview,
https://developers.google.com/google-ads/api/docs/concepts/call-structure,
https://developers.google.com/google-ads/api/docs/best-practices/error-types
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NoReturn

import grpc
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.ads.googleads.v26.errors.types.errors import GoogleAdsFailure
from google.ads.googleads.v26.resources.types.google_ads_field import GoogleAdsField
from google.ads.googleads.v26.services.types.customer_service import (
    ListAccessibleCustomersRequest,
    ListAccessibleCustomersResponse,
)
from google.ads.googleads.v26.services.types.google_ads_field_service import (
    GetGoogleAdsFieldRequest,
    SearchGoogleAdsFieldsRequest,
    SearchGoogleAdsFieldsResponse,
)
from google.ads.googleads.v26.services.types.google_ads_service import (
    GoogleAdsRow,
    SearchGoogleAdsRequest,
    SearchGoogleAdsResponse,
    SearchGoogleAdsStreamRequest,
    SearchGoogleAdsStreamResponse,
)

from connectors.sandbox import poison
from connectors.sandbox.faults import Fault, Faults
from connectors.sandbox.gaql import Condition, GaqlError, Query, parse
from connectors.sandbox.google_ads_answers import Answers
from connectors.sandbox.google_ads_fields import (
    CONVERSION_METRICS,
    CONVERSION_SEGMENTS,
    RESOURCES,
    ROW,
    Field,
    NotModelledError,
    field_of,
    find_field,
)
from connectors.sandbox.state import Clock
from connectors.sandbox.tokens import Tokens, TokenState
from connectors.sandbox.world import AdAccount, World

VERSION = "v26"
PACKAGE = f"google.ads.googleads.{VERSION}.services"
FAILURE_KEY = f"google.ads.googleads.{VERSION}.errors.googleadsfailure-bin"
PAGE_ROWS = 10_000  # fixed by the API, for pages and for messages of a stream
DEFAULT_RETRY_SECONDS = 30.0
_NO_SUMMARY_ROW = 2  # SummaryRowSetting; what is above it asks for one

# what the gRPC status says; the reason is in the failure alone
_STATUS_TEXT = {
    grpc.StatusCode.INVALID_ARGUMENT: "Request contains an invalid argument.",
    grpc.StatusCode.UNAUTHENTICATED: "Request had invalid authentication credentials. Expected "
    "OAuth 2 access token, login cookie or other valid authentication credential. See "
    "https://developers.google.com/identity/sign-in/web/devconsole-project.",
    grpc.StatusCode.PERMISSION_DENIED: "The caller does not have permission",
    grpc.StatusCode.NOT_FOUND: "Requested entity was not found.",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "Resource has been exhausted (e.g. check quota).",
    grpc.StatusCode.INTERNAL: "Internal error encountered.",
}
_STATUS = {
    "authentication_error": grpc.StatusCode.UNAUTHENTICATED,
    "authorization_error": grpc.StatusCode.PERMISSION_DENIED,
    "quota_error": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "internal_error": grpc.StatusCode.INTERNAL,
}
_PERMISSION = (
    "User doesn't have permission to access customer. Note: If you're accessing a client "
    "customer, the manager's customer id must be set in the 'login-customer-id' header. See "
    "https://developers.google.com/google-ads/api/docs/concepts/call-structure#cid"
)
_NOT_ENABLED = (
    "The customer account can't be accessed because it is not yet enabled or has been deactivated."
)
_TOKEN_REFUSALS: dict[TokenState, tuple[str, str]] = {
    "missing": (
        "AUTHENTICATION_ERROR",
        "Request is missing required authentication credential. Expected OAuth 2 access token, "
        "login cookie or other valid authentication credential.",
    ),
    "invalid": ("OAUTH_TOKEN_INVALID", "The OAuth token in the header is not valid."),
    "expired": ("OAUTH_TOKEN_EXPIRED", "The OAuth token in the header has expired."),
}


class AdsError(Exception):
    """A refusal as the API words it; ``family`` is the field of ErrorCode."""

    def __init__(
        self,
        family: str,
        code: str,
        message: str,
        *,
        retry_delay_seconds: float | None = None,
        status: grpc.StatusCode | None = None,
        rate_name: str = "Requests per developer per minute",
        rate_scope: Literal["DEVELOPER", "ACCOUNT"] = "DEVELOPER",
    ) -> None:
        super().__init__(message)
        self.family = family
        self.code = code
        self.message = message
        self.retry_delay_seconds = retry_delay_seconds
        self.rate_name = rate_name
        self.rate_scope = rate_scope
        self.status = status or _STATUS.get(family, grpc.StatusCode.INVALID_ARGUMENT)

    def failure(self, request_id: str) -> bytes:
        """Encode the GoogleAdsFailure that goes into the trailing metadata."""
        failure = GoogleAdsFailure.pb(GoogleAdsFailure())
        failure.request_id = request_id
        error = failure.errors.add()
        error.message = self.message
        kind = error.error_code.DESCRIPTOR.fields_by_name[self.family]
        setattr(error.error_code, self.family, kind.enum_type.values_by_name[self.code].number)
        if self.family == "quota_error":
            quota = error.details.quota_error_details
            quota.rate_scope = (
                quota.DESCRIPTOR.fields_by_name["rate_scope"]
                .enum_type.values_by_name[self.rate_scope]
                .number
            )
            quota.rate_name = self.rate_name
            quota.retry_delay.FromNanoseconds(round((self.retry_delay_seconds or 0) * 1e9))
        encoded: bytes = failure.SerializeToString()
        return encoded


def _refused(fault: Fault) -> AdsError:
    """Return the error whose code the fault names, with the family that has such a code."""
    family, _, code = (fault.reason or "query_error.UNRECOGNIZED_FIELD").rpartition(".")
    kinds = GoogleAdsFailure.pb(GoogleAdsFailure()).errors.add().error_code.DESCRIPTOR.fields
    if not family:
        having = [k.name for k in kinds if code in k.enum_type.values_by_name]
        first = ("authentication_error", "authorization_error", "query_error", "request_error")
        family = next((f for f in (*first, *having) if f in having), "")
    if not family:
        raise NotModelledError(f"Google Ads has no error code {fault.reason}")
    texts = {
        "UNSUPPORTED_VERSION": f"Version {VERSION} is deprecated. Requests to this version will "
        "be blocked.",
        "UNRECOGNIZED_FIELD": "Unrecognized field in the query: 'metrics.conversions_value'.",
        "OAUTH_TOKEN_REVOKED": "The OAuth token in the header has been revoked.",
        "CUSTOMER_NOT_ENABLED": _NOT_ENABLED,
        "USER_PERMISSION_DENIED": _PERMISSION,
        "CUSTOMER_NOT_FOUND": "No customer found for the provided customer id.",
    }
    text = fault.detail or texts.get(code, "The request was refused.")
    return AdsError(family, code, text, retry_delay_seconds=fault.retry_delay_seconds)


class _CutOffError(Exception):
    """A fault breaks the line here; the text is what the client's gRPC says."""


class _SpoiltError(Exception):
    """A fault has the next message be one that cannot be decoded."""


class _UnimplementedError(Exception):
    """The method is not there: how a version that is gone answers."""


# in so many messages comes an answer that is slow
_SLOW_MESSAGES = 20
_QUOTA_NAMES = {
    "hour": "Requests per developer per hour",
    "day": "Number of operations for basic access",
}
_UNDECODABLE = b"\x0a\x7f"  # a row of 127 bytes, of which none follow


class _Call:
    """One call: who asks, for which customer, and how it ends."""

    def __init__(
        self,
        service: _Services,
        context: Any,
        method: str,
        customer_id: str | None,
        query: str = "",
    ):
        self.service = service
        self.context = context
        self.method = method
        self.customer_id = customer_id
        self.query = query
        self.request_id = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        self.headers = dict(context.invocation_metadata())

    def begin(self) -> Fault | None:
        """Check the credential and play a fault that ends the call; return one that spoils it."""
        self.context.set_trailing_metadata((("request-id", self.request_id),))
        self._check_token()
        if self.headers.get("developer-token") == "":
            raise AdsError(
                "request_error",
                "DEVELOPER_TOKEN_PARAMETER_MISSING",
                "Developer token is missing in the header.",
            )
        fault = self.service.faults.take("google_ads", self.method, self.customer_id, self.query)
        if fault is not None and fault.after_messages == 0 and fault.kind != "slow":
            self.play(fault)
        return fault

    def poison(self, query: Query, rows: pa.Table) -> tuple[str, str] | None:
        """Return what is to be spoilt in this answer: the poison and the field it is for."""

        def fits(fault: Fault) -> bool:
            about_days = fault.asks is not None or "segments.date" in query.select
            return about_days and poison.ads_field(fault.detail or "", rows) is not None

        fault = self.service.faults.take_poison(
            "google_ads", self.method, self.customer_id, self.query, fits
        )
        if fault is None or fault.detail is None:
            return None
        field = poison.ads_field(fault.detail, rows)
        return (fault.detail, field) if field else None

    def play(self, fault: Fault) -> None:
        """End the call as the fault says; a stall returns once it is over."""
        delay = fault.retry_delay_seconds
        if fault.kind == "quota":
            raise AdsError(
                "quota_error",
                fault.reason or "RESOURCE_TEMPORARILY_EXHAUSTED",
                "Too many requests. Retry in "
                f"{DEFAULT_RETRY_SECONDS if delay is None else delay:g} seconds.",
                retry_delay_seconds=DEFAULT_RETRY_SECONDS if delay is None else delay,
                rate_name=_QUOTA_NAMES.get(fault.detail or "", "Requests per developer per minute"),
                rate_scope="ACCOUNT" if fault.account_id else "DEVELOPER",
            )
        if fault.kind == "internal":
            raise AdsError(
                "internal_error",
                fault.reason or "INTERNAL_ERROR",
                "An internal error has occurred.",
            )
        if fault.kind == "token_expired":
            raise AdsError("authentication_error", *_TOKEN_REFUSALS["expired"])
        if fault.kind == "permission":
            raise AdsError(
                "authorization_error", fault.reason or "USER_PERMISSION_DENIED", _PERMISSION
            )
        if fault.kind == "refusal":
            if fault.reason == "UNIMPLEMENTED":
                raise _UnimplementedError
            raise _refused(fault)
        if fault.kind == "stall":
            self._stall()
            return
        if fault.kind == "slow":
            for _ in range(_SLOW_MESSAGES):
                self.pause(fault)
            return
        if fault.kind == "bad_body":
            raise _SpoiltError
        if fault.kind == "cut":
            self.context.set_trailing_metadata(())
            raise _CutOffError("Socket closed")
        if fault.kind == "reset":
            raise _CutOffError("recvmsg:Connection reset by peer")
        raise _CutOffError("The service is currently unavailable.")

    def pause(self, fault: Fault) -> None:
        if self.context.is_active():
            self.service.faults.stall(fault.pause_seconds)

    def _stall(self) -> None:
        """Hold the call until the client gives up or the faults are cleared."""
        while self.context.is_active():
            began = time.monotonic()
            self.service.faults.stall(0.2)
            if time.monotonic() - began < 0.15:
                return

    def _check_token(self) -> None:
        state = self.service.tokens.check(self.headers.get("authorization"))
        if state != "valid":
            raise AdsError("authentication_error", *_TOKEN_REFUSALS[state])

    def account(self) -> AdAccount:
        """Return the customer that is asked for, if the login customer may read it."""
        customer_id = self.customer_id or ""
        if not customer_id.isdigit():
            raise AdsError(
                "request_error", "INVALID_CUSTOMER_ID", f"Invalid customer ID '{customer_id}'."
            )
        login = self.headers.get("login-customer-id")
        if login is not None and not login.isdigit():
            raise AdsError(
                "header_error",
                "INVALID_LOGIN_CUSTOMER_ID",
                "The login customer ID could not be validated.",
            )
        account = self.service.reachable(login or customer_id, customer_id, bool(login))
        if account is None or account.refuses:
            raise AdsError("authorization_error", "USER_PERMISSION_DENIED", _PERMISSION)
        if account.status != "ENABLED":
            raise AdsError("authorization_error", "CUSTOMER_NOT_ENABLED", _NOT_ENABLED)
        return account

    def fail(self, error: Exception) -> NoReturn:
        """End the call with the error as the API would."""
        if isinstance(error, GaqlError):
            error = AdsError(error.family, error.code, error.message)
        if isinstance(error, AdsError):
            self.context.set_trailing_metadata(
                (
                    (FAILURE_KEY, error.failure(self.request_id)),
                    ("request-id", self.request_id),
                )
            )
            self.context.abort(error.status, _STATUS_TEXT[error.status])
        if isinstance(error, NotModelledError):
            self.context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{error}")
        if isinstance(error, _UnimplementedError):
            self.context.set_trailing_metadata(())
            self.context.abort(
                grpc.StatusCode.UNIMPLEMENTED, "GRPC target method can't be resolved."
            )
        if isinstance(error, _CutOffError):
            self.context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        raise error


class _Services:
    """What the three services share, and their methods."""

    def __init__(
        self,
        world: World,
        clock: Clock,
        tokens: Tokens,
        faults: Faults,
    ) -> None:
        self.world = world
        self.clock = clock
        self.tokens = tokens
        self.faults = faults
        self.answers = Answers(world)
        self._accounts = {a.customer_id: a for a in world.ad_accounts}

    def reachable(self, login: str, customer_id: str, has_login: bool) -> AdAccount | None:
        """Return the customer if the user, signed in through ``login``, may reach it.

        The user is a member of the top manager alone; a login customer has to
        be a manager, and the customer itself or below it.
        """
        through = self._accounts.get(login)
        if through is None or (has_login and not through.is_manager):
            return None
        if not has_login and through.manager_id is not None:
            return None
        at = self._accounts.get(customer_id)
        while at is not None:
            if at.customer_id == login:
                return self._accounts[customer_id]
            at = self._accounts.get(at.manager_id or "")
        return None

    # --- GoogleAdsService ---------------------------------------------------------------------

    def search_stream(self, request: Any, context: Any) -> Iterator[bytes]:
        call = _Call(self, context, "SearchStream", request.customer_id, request.query)
        try:
            fault = call.begin()
            if request.summary_row_setting > _NO_SUMMARY_ROW:
                raise NotModelledError("the sandbox makes no summary rows")
            query, rows = self._read(call, request.query)
            size = PAGE_ROWS
            if fault is not None and fault.after_messages:
                # so that what was promised to come before the fault is not all there is
                size = max(1, min(size, -(-rows.num_rows // (fault.after_messages + 1))))
            if fault is not None and fault.kind == "slow":
                size = max(1, min(size, -(-rows.num_rows // _SLOW_MESSAGES)))
            spoilt = call.poison(query, rows)
            tail = SearchGoogleAdsStreamResponse.pb(SearchGoogleAdsStreamResponse())
            tail.field_mask.paths.extend(query.select)
            tail.request_id = call.request_id
            encoder = _RowEncoder(rows)
            sent = 0
            for start in range(0, max(rows.num_rows, 1), size):  # without rows: one empty message
                if fault is not None and fault.kind == "slow":
                    call.pause(fault)
                elif fault is not None and sent == fault.after_messages:
                    call.play(fault)
                message = encoder.encode(start, size) + tail.SerializeToString()
                if spoilt and not sent:
                    reply = SearchGoogleAdsStreamResponse.pb(SearchGoogleAdsStreamResponse())
                    reply.ParseFromString(message)
                    message = poison.spoil_ads(reply, *spoilt, request.query)
                yield message
                sent += 1
            if fault is not None and fault.kind != "slow" and sent <= fault.after_messages:
                call.play(fault)
        except _SpoiltError:
            yield _UNDECODABLE
        except (
            AdsError,
            GaqlError,
            NotModelledError,
            _CutOffError,
            _UnimplementedError,
        ) as e:
            call.fail(e)

    def search(self, request: Any, context: Any) -> bytes:
        call = _Call(self, context, "Search", request.customer_id, request.query)
        try:
            fault = call.begin()
            if fault is not None and (fault.after_messages or fault.kind == "slow"):
                call.play(fault)
            if request.page_size:
                raise AdsError(
                    "request_error",
                    "PAGE_SIZE_NOT_SUPPORTED",
                    "Setting the page size is not supported. Search Responses will have fixed "
                    "page size of '10000' rows.",
                )
            if request.search_settings.return_summary_row:
                raise NotModelledError("the sandbox makes no summary rows")
            if request.validate_only and request.page_token:
                raise AdsError(
                    "request_error",
                    "VALIDATE_ONLY_REQUEST_HAS_PAGE_TOKEN",
                    "A validate_only request cannot have a page token.",
                )
            query, rows = self._read(call, request.query)
            tail = SearchGoogleAdsResponse.pb(SearchGoogleAdsResponse())
            if request.validate_only:
                return bytes(tail.SerializeToString())
            start = _read_page_token(request.page_token, request.query)
            tail.field_mask.paths.extend(query.select)
            if request.search_settings.return_total_results_count:
                tail.total_results_count = rows.num_rows
            shown = b""
            if not request.search_settings.omit_results:
                shown = _RowEncoder(rows).encode(start, PAGE_ROWS)
                if start + PAGE_ROWS < rows.num_rows:
                    tail.next_page_token = _page_token(start + PAGE_ROWS, request.query)
            message = shown + bytes(tail.SerializeToString())
            if shown and (spoilt := call.poison(query, rows)):
                reply = SearchGoogleAdsResponse.pb(SearchGoogleAdsResponse())
                reply.ParseFromString(message)
                message = poison.spoil_ads(reply, *spoilt, request.query)
            return message
        except _SpoiltError:
            return _UNDECODABLE
        except (
            AdsError,
            GaqlError,
            NotModelledError,
            _CutOffError,
            _UnimplementedError,
        ) as e:
            call.fail(e)

    def _read(self, call: _Call, text: str) -> tuple[Query, pa.Table]:
        account = call.account()
        query = parse(text)
        try:
            return query, self.answers.answer(query, account, self.clock.as_of)
        except pa.ArrowInvalid as e:  # a regular expression that RE2 does not read
            raise GaqlError("BAD_VALUE", f"Error in WHERE clause: {e}") from e

    # --- CustomerService ----------------------------------------------------------------------

    def list_accessible_customers(self, request: Any, context: Any) -> Any:
        call = _Call(self, context, "ListAccessibleCustomers", None)
        try:
            if (fault := call.begin()) is not None and (
                fault.after_messages or fault.kind == "slow"
            ):
                call.play(fault)
            reply = ListAccessibleCustomersResponse.pb(ListAccessibleCustomersResponse())
            reply.resource_names.extend(
                f"customers/{a.customer_id}" for a in self.world.ad_accounts if a.manager_id is None
            )
            return reply
        except (AdsError, _CutOffError, _SpoiltError, _UnimplementedError) as e:
            call.fail(e)

    # --- GoogleAdsFieldService ----------------------------------------------------------------

    def search_fields(self, request: Any, context: Any) -> Any:
        call = _Call(self, context, "SearchGoogleAdsFields", None)
        try:
            if (fault := call.begin()) is not None and (
                fault.after_messages or fault.kind == "slow"
            ):
                call.play(fault)
            query = parse(request.query, has_from=False)
            found = [f for f in _known_fields() if _field_matches(f, query.where)]
            if query.limit is not None:
                found = found[: query.limit]
            reply = SearchGoogleAdsFieldsResponse.pb(SearchGoogleAdsFieldsResponse())
            reply.total_results_count = len(found)
            for one in found:
                _describe(one, reply.results.add(), set(query.select))
            return reply
        except (AdsError, GaqlError, _CutOffError, _SpoiltError, _UnimplementedError) as e:
            call.fail(e)

    def get_field(self, request: Any, context: Any) -> Any:
        call = _Call(self, context, "GetGoogleAdsField", None)
        try:
            if (fault := call.begin()) is not None and (
                fault.after_messages or fault.kind == "slow"
            ):
                call.play(fault)
            one = find_field(request.resource_name.removeprefix("googleAdsFields/"))
            if one is None:
                raise AdsError(
                    "request_error",
                    "RESOURCE_NOT_FOUND",
                    f"The resource '{request.resource_name}' was not found.",
                    status=grpc.StatusCode.NOT_FOUND,
                )
            reply = GoogleAdsField.pb(GoogleAdsField())
            _describe(one, reply, None)
            return reply
        except (AdsError, _CutOffError, _SpoiltError, _UnimplementedError) as e:
            call.fail(e)


def add_google_ads(
    server: grpc.Server,
    world: World,
    clock: Clock,
    tokens: Tokens,
    faults: Faults,
) -> None:
    """Serve the Google Ads API on ``server``, as of the day that ``clock`` tells."""
    services = _Services(world, clock, tokens, faults)

    def unary(answer: Callable[[Any, Any], Any], request: Any, raw: bool = False) -> Any:
        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=request.pb(request()).FromString,
            response_serializer=None if raw else lambda reply: reply.SerializeToString(),
        )

    stream = SearchGoogleAdsStreamRequest
    for service, methods in (
        (
            "GoogleAdsService",
            {
                "SearchStream": grpc.unary_stream_rpc_method_handler(
                    services.search_stream, request_deserializer=stream.pb(stream()).FromString
                ),
                "Search": unary(services.search, SearchGoogleAdsRequest, raw=True),
            },
        ),
        (
            "CustomerService",
            {
                "ListAccessibleCustomers": unary(
                    services.list_accessible_customers, ListAccessibleCustomersRequest
                )
            },
        ),
        (
            "GoogleAdsFieldService",
            {
                "SearchGoogleAdsFields": unary(
                    services.search_fields, SearchGoogleAdsFieldsRequest
                ),
                "GetGoogleAdsField": unary(services.get_field, GetGoogleAdsFieldRequest),
            },
        ),
    ):
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(f"{PACKAGE}.{service}", methods),)
        )


# --- pages ----------------------------------------------------------------------------------------


def _page_token(start: int, query: str) -> str:
    said = f"{start}:{zlib.crc32(query.encode())}"
    return base64.urlsafe_b64encode(said.encode()).decode()


def _read_page_token(token: str, query: str) -> int:
    if not token:
        return 0
    try:
        start, _, checksum = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        if int(checksum) == zlib.crc32(query.encode()):
            return int(start)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        pass
    raise AdsError("request_error", "INVALID_PAGE_TOKEN", "The page token is invalid.")


# --- rows -----------------------------------------------------------------------------------------


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SHORT = [_varint(length) for length in range(1024)]


def _framed(tag: bytes, body: bytes) -> bytes:
    """Encode a nested message: tag, length, body."""
    size = len(body)
    return tag + (_SHORT[size] if size < 1024 else _varint(size)) + body


class _RowEncoder:
    """Encodes rows of a table named by GAQL fields as ``results`` of a response.

    Everything under one head (``segments``, ``campaign``) that rows have in
    common is encoded once; metrics are encoded row by row.
    """

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows.combine_chunks()
        heads: dict[str, list[Field]] = {}
        for name in rows.column_names:
            one = field_of(name)
            heads.setdefault(one.head, []).append(one)
        self._parts: list[Callable[[int, int], list[bytes]]] = []
        for head, fields in heads.items():
            self._parts.append(
                self._metrics(fields) if head == "metrics" else self._shared(head, fields)
            )

    def encode(self, start: int, count: int) -> bytes:
        """Return the rows from ``start`` as one piece of a serialised response."""
        stop = min(start + count, self._rows.num_rows)
        start = min(start, stop)
        parts = [part(start, stop) for part in self._parts]
        if not parts:
            return b""
        return b"".join([_framed(b"\x0a", b"".join(pieces)) for pieces in zip(*parts, strict=True)])

    def _shared(self, head: str, fields: Sequence[Field]) -> Callable[[int, int], list[bytes]]:
        columns = [_codes(self._rows[one.name].combine_chunks()) for one in fields]
        code = np.zeros(self._rows.num_rows, np.int64)
        for column in columns:
            code = code * (len(column.dictionary) + 1) + column.indices.fill_null(
                len(column.dictionary)
            ).to_numpy(zero_copy_only=False)
        _, first, which = np.unique(code, return_index=True, return_inverse=True)
        tag = _tag(head)
        values = []
        for one in fields:
            found = self._rows[one.name].take(pa.array(first)).to_pylist()
            if one.type == "ENUM":
                numbers = _enum_numbers(one)
                found = [None if name is None else numbers[name] for name in found]
            values.append(found)
        encoded = []
        for combination in zip(*values, strict=True):
            message = _new(head)
            for one, value in zip(fields, combination, strict=True):
                if value is not None:
                    target = message
                    for step in one.path[1:-1]:
                        target = getattr(target, step)
                    if one.repeated:
                        getattr(target, one.path[-1]).extend(value)
                    else:
                        setattr(target, one.path[-1], value)
            encoded.append(_framed(tag, message.SerializeToString()))
        return lambda start, stop: [encoded[i] for i in which[start:stop].tolist()]

    def _metrics(self, fields: Sequence[Field]) -> Callable[[int, int], list[bytes]]:
        tag = _tag("metrics")
        kind = type(_new("metrics"))
        names = [one.path[-1] for one in fields]
        kinds = {"DOUBLE": pa.float64()}
        columns = [self._rows[f.name].cast(kinds.get(f.type, pa.int64())) for f in fields]

        def encode(start: int, stop: int) -> list[bytes]:
            values = [column.slice(start, stop - start).to_pylist() for column in columns]
            return [
                _framed(tag, kind(**dict(zip(names, row, strict=True))).SerializeToString())
                for row in zip(*values, strict=True)
            ]

        return encode


def _codes(column: pa.Array) -> pa.DictionaryArray:
    """Number the values that occur; a list by what is in it."""
    if pa.types.is_list(column.type):
        column = pc.binary_join(column, "\n")
    return column.dictionary_encode()


def _new(head: str) -> Any:
    return getattr(GoogleAdsRow.pb(GoogleAdsRow()), head).__class__()


def _tag(head: str) -> bytes:
    length_delimited = 2
    return _varint(ROW.fields_by_name[head].number << 3 | length_delimited)


def _enum_numbers(one: Field) -> dict[str, int]:
    leaf = ROW
    for step in one.path[:-1]:
        leaf = leaf.fields_by_name[step].message_type
    return {v.name: v.number for v in leaf.fields_by_name[one.path[-1]].enum_type.values}


# --- field metadata -------------------------------------------------------------------------------


def _known_fields() -> list[Field]:
    """Every field that can be asked of this world, resources first."""
    names: dict[str, None] = dict.fromkeys(RESOURCES)
    for resource in RESOURCES.values():
        message = ROW.fields_by_name[resource.name].message_type
        names |= dict.fromkeys(
            f"{resource.name}.{f.name.removesuffix('_')}" for f in message.fields
        )
    for resource in RESOURCES.values():
        names |= dict.fromkeys((*resource.segments, *resource.metrics))
    return [one for name in names if (one := find_field(name)) is not None]


def _field_matches(one: Field, conditions: Sequence[Condition]) -> bool:
    for condition in conditions:
        attribute = {"name": one.name, "category": one.category, "data_type": one.type}.get(
            condition.field
        )
        if attribute is None:
            raise GaqlError(
                "PROHIBITED_FIELD_IN_WHERE_CLAUSE", f"Cannot filter on '{condition.field}'."
            )
        if condition.operator in ("=", "IN"):
            matched = attribute in condition.values
        elif condition.operator in ("!=", "NOT IN"):
            matched = attribute not in condition.values
        elif condition.operator == "LIKE" and condition.values[0].count("%") <= 2:
            pattern = condition.values[0]
            text = pattern.strip("%")
            matched = (
                text in attribute
                if pattern.startswith("%") and pattern.endswith("%")
                else attribute.startswith(text)
                if pattern.endswith("%")
                else attribute.endswith(text)
                if pattern.startswith("%")
                else attribute == text
            )
        else:
            raise GaqlError("BAD_OPERATOR", f"Cannot use '{condition.operator}' here.")
        if not matched:
            return False
    return True


def _describe(one: Field, target: Any, selected: set[str] | None) -> None:
    """Fill a GoogleAdsField; only the attributes that were selected, None for all."""

    def wants(name: str) -> bool:
        return selected is None or name in selected

    enums = target.DESCRIPTOR.fields_by_name
    target.resource_name = f"googleAdsFields/{one.name}"
    selectable = one.category != "RESOURCE" and one.type != "MESSAGE"
    for name, value in (
        ("name", one.name),
        ("selectable", selectable),
        ("filterable", selectable),
        ("sortable", selectable and not one.repeated),
        ("is_repeated", one.repeated),
        ("type_url", one.type_url),
    ):
        if wants(name):
            setattr(target, name, value)
    if wants("category"):
        numbers = enums["category"].enum_type.values_by_name
        target.category = numbers[one.category].number
    if wants("data_type"):
        target.data_type = enums["data_type"].enum_type.values_by_name[one.type].number
    if wants("enum_values"):
        target.enum_values.extend(one.enum_values)
    resource = RESOURCES.get(one.name)
    if resource is not None:
        if wants("attribute_resources"):
            target.attribute_resources.extend(resource.attributed)
        if wants("metrics"):
            target.metrics.extend(resource.metrics)
        if wants("segments"):
            target.segments.extend(resource.segments)
    if wants("selectable_with"):
        target.selectable_with.extend(_selectable_with(one))


def _selectable_with(one: Field) -> list[str]:
    """Return the resources, segments and metrics that may be asked beside the field."""
    found: dict[str, None] = {}
    for resource in RESOURCES.values():
        everything = (resource.name, *resource.attributed, *resource.segments, *resource.metrics)
        if one.name in everything or one.head in (resource.name, *resource.attributed):
            found |= dict.fromkeys(everything)
    for name in list(found):
        of_conversions = one.name in CONVERSION_SEGMENTS and name.startswith("metrics.")
        of_delivery = (
            one.category == "METRIC"
            and one.name not in CONVERSION_METRICS
            and name in CONVERSION_SEGMENTS
        )
        if (of_conversions and name not in CONVERSION_METRICS) or of_delivery or name == one.name:
            del found[name]
    return list(found)
