"""The GA4 Data API: one service behind gRPC and REST, with quota, tokens and faults.

Source: https://developers.google.com/analytics/devguides/reporting/data/v1/rest
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import grpc
import pyarrow as pa
from google.analytics.data_v1beta.types import analytics_data_api as api
from google.analytics.data_v1beta.types import data
from google.protobuf import json_format

from connectors.sandbox import ga4_report, poison
from connectors.sandbox.errors import ApiError, fault_error, token_error
from connectors.sandbox.faults import Fault, Faults
from connectors.sandbox.ga4_report import DIMENSIONS, Report, write_number
from connectors.sandbox.state import CallLog, Clock
from connectors.sandbox.story import FIRST_DAY, Ga4Property
from connectors.sandbox.tokens import Tokens

SERVICE = "google.analytics.data.v1beta.BetaAnalyticsData"

RunReportRequest = api.RunReportRequest.pb()
RunReportResponse = api.RunReportResponse.pb()
CheckCompatibilityRequest = api.CheckCompatibilityRequest.pb()
CheckCompatibilityResponse = api.CheckCompatibilityResponse.pb()
GetMetadataRequest = api.GetMetadataRequest.pb()
Metadata = api.Metadata.pb()
_Row = data.Row.pb()
_DimensionValue = data.DimensionValue.pb()
_MetricValue = data.MetricValue.pb()
_METRIC_TYPES = {
    name: value.number
    for name, value in data.MetricHeader.pb()
    .DESCRIPTOR.fields_by_name["type_"]
    .enum_type.values_by_name.items()
}

# Standard properties; https://developers.google.com/analytics/devguides/reporting/data/v1/quotas
TOKENS_PER_DAY, TOKENS_PER_HOUR, TOKENS_PER_PROJECT_HOUR = 200_000, 40_000, 14_000
CONCURRENT_REQUESTS, SERVER_ERRORS_PER_HOUR, THRESHOLDED_PER_HOUR = 10, 10, 120

# so many waits come before an answer that is slow, which in gRPC is one message
_SLOW_PIECES = 20

# Requests of the first property over more days than this carry sampling metadata; the figures
# stay the world's own. Reports of the second one with users by campaign are marked as subject
# to thresholding; none of its rows is small enough to be withheld.
SAMPLED_PROPERTY, SAMPLED_OVER_DAYS = "311111111", 92
THRESHOLDED_PROPERTY = "322222222"


class World(Protocol):
    """What GA4 needs of the world."""

    @property
    def ga4_properties(self) -> tuple[Ga4Property, ...]: ...

    def ga4_facts(self, property_id: str, as_of: Any) -> pa.Table: ...


class Quota:
    """Tokens of each property, used up by the hour and the day of the real clock."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._used: dict[tuple[str, str, int], int] = {}
        self._running: dict[str, int] = {}

    def enter(self, property_id: str) -> None:
        """Count a request as running; raises RESOURCE_EXHAUSTED when there is no room."""
        with self._lock:
            if self._left(property_id, "hour", TOKENS_PER_PROJECT_HOUR) <= 0:
                raise self._exhausted("property tokens for a project per hour")
            if self._left(property_id, "day", TOKENS_PER_DAY) <= 0:
                raise self._exhausted("property tokens per day")
            if self._running.get(property_id, 0) >= CONCURRENT_REQUESTS:
                raise self._exhausted("concurrent requests quota")
            self._running[property_id] = self._running.get(property_id, 0) + 1

    def leave(self, property_id: str, server_error: bool = False) -> None:
        with self._lock:
            self._running[property_id] -= 1
            if server_error:
                self._use(property_id, "errors", 1)

    def charge(self, property_id: str, tokens: int) -> Any:
        """Take tokens and return the PropertyQuota that is left."""
        with self._lock:
            self._use(property_id, "hour", tokens)
            self._use(property_id, "day", tokens)
            quota = data.PropertyQuota.pb()()
            # a zero is said, not left out
            quota.concurrent_requests.consumed = 0
            quota.server_errors_per_project_per_hour.consumed = 0
            quota.potentially_thresholded_requests_per_hour.consumed = 0
            for status, unit, allowed in (
                (quota.tokens_per_day, "day", TOKENS_PER_DAY),
                (quota.tokens_per_hour, "hour", TOKENS_PER_HOUR),
                (quota.tokens_per_project_per_hour, "hour", TOKENS_PER_PROJECT_HOUR),
            ):
                status.consumed = tokens
                status.remaining = max(0, self._left(property_id, unit, allowed))
            quota.concurrent_requests.remaining = CONCURRENT_REQUESTS - self._running.get(
                property_id, 0
            )
            quota.server_errors_per_project_per_hour.remaining = max(
                0, self._left(property_id, "errors", SERVER_ERRORS_PER_HOUR)
            )
            quota.potentially_thresholded_requests_per_hour.remaining = THRESHOLDED_PER_HOUR
            return quota

    def _key(self, property_id: str, unit: str) -> tuple[str, str, int]:
        return property_id, unit, int(self._now() // (86_400 if unit == "day" else 3_600))

    def _left(self, property_id: str, unit: str, allowed: int) -> int:
        return allowed - self._used.get(self._key(property_id, unit), 0)

    def _use(self, property_id: str, unit: str, amount: int) -> None:
        key = self._key(property_id, unit)
        self._used[key] = self._used.get(key, 0) + amount

    @staticmethod
    def _exhausted(what: str) -> ApiError:
        return ApiError(
            "RESOURCE_EXHAUSTED",
            f"Exhausted {what}. These quota tokens will return in under an hour. To learn more, "
            "see https://developers.google.com/analytics/devguides/reporting/data/v1/quotas",
        )


class Ga4Service:
    """Answers the three methods; REST and gRPC differ in clothes only."""

    def __init__(
        self, world: World, clock: Clock, tokens: Tokens, faults: Faults, calls: CallLog
    ) -> None:
        self.world = world
        self.clock = clock
        self.tokens = tokens
        self.faults = faults
        self.calls = calls
        self.quota = Quota()
        self._methods: dict[str, Callable[[Ga4Property, Any], Any]] = {
            "RunReport": self._run_report,
            "CheckCompatibility": self._check_compatibility,
            "GetMetadata": self._get_metadata,
        }

    def answer(
        self, method: str, request: Any, authorization: str | None
    ) -> tuple[Any, Fault | None]:
        """Return the response message, with the fault that its transport must play on it.

        Raises ApiError.
        """
        name = request.name if method == "GetMetadata" else request.property
        property_id = name.removeprefix("properties/").removesuffix("/metadata")
        try:
            response, fault = self._answer(method, request, property_id, authorization)
        except ApiError as error:
            self.calls.add("ga4", method, property_id, error.status)
            raise
        detail = {}
        if method == "RunReport":
            detail = {
                "dimensions": [one.name for one in request.dimensions],
                "metrics": [one.name for one in request.metrics],
                "date_ranges": [[one.start_date, one.end_date] for one in request.date_ranges],
                "offset": request.offset,
                "rows": len(response.rows),
            }
        self.calls.add("ga4", method, property_id, fault.kind if fault else "OK", **detail)
        return response, fault

    def _answer(
        self, method: str, request: Any, property_id: str, authorization: str | None
    ) -> tuple[Any, Fault | None]:
        if refused := token_error(self.tokens.check(authorization)):
            raise refused
        text = json_format.MessageToJson(request, indent=None)
        fault = self.faults.take("ga4", method, property_id, text)
        if fault and (error := fault_error(fault)):
            if error.status in ("INTERNAL", "UNAVAILABLE"):
                self.quota.enter(property_id)
                self.quota.leave(property_id, server_error=True)
            raise error
        if not re.fullmatch(r"\d+", property_id):
            raise ga4_report.refuse(
                f"Invalid property ID: {property_id}. A numeric Property ID is required. To learn "
                "more about Property ID, see https://developers.google.com/analytics/devguides/"
                "reporting/data/v1/property-id."
            )
        held = next((p for p in self.world.ga4_properties if p.property_id == property_id), None)
        if held is None:
            raise ApiError(
                "PERMISSION_DENIED",
                "User does not have sufficient permissions for this property. To learn more about "
                "Property ID, see https://developers.google.com/analytics/devguides/reporting/"
                "data/v1/property-id.",
            )
        self.quota.enter(property_id)
        try:
            response = self._methods[method](held, request)
        finally:
            self.quota.leave(property_id)
        if fault is None and method == "RunReport":
            fault = self._spoil(response, property_id, text)
        return response, fault

    def _spoil(self, report: Any, property_id: str, request: str) -> Fault | None:
        about_days = any(header.name == "date" for header in report.dimension_headers)
        fault = self.faults.take_poison(
            "ga4",
            "RunReport",
            property_id,
            request,
            lambda fault: (
                (about_days or fault.asks is not None)
                and poison.ga4_place(fault.detail or "", report) is not None
            ),
        )
        if fault is not None and fault.detail is not None:
            place = poison.ga4_place(fault.detail, report)
            poison.spoil_ga4(report, fault.detail, place or 0, request)
        return fault

    # --- the methods --------------------------------------------------------------------------

    def _run_report(self, held: Ga4Property, request: Any) -> Any:
        if request.currency_code not in ("", held.currency_code):
            raise ga4_report.refuse(
                f"The sandbox does not convert {held.currency_code} to {request.currency_code}."
            )
        facts = self.world.ga4_facts(held.property_id, self.clock.as_of)
        report = ga4_report.compute_report(request, facts, self.clock.today)
        response = RunReportResponse(kind="analyticsData#runReport", row_count=report.row_count)
        response.dimension_headers.extend(
            data.DimensionHeader.pb()(name=name) for name in report.dimension_names
        )
        response.metric_headers.extend(
            data.MetricHeader.pb()(name=name, type_=_METRIC_TYPES[kind])
            for name, kind in zip(report.metric_names, report.metric_types, strict=True)
        )
        for target, rows in (
            (response.rows, report.rows),
            (response.totals, report.totals),
            (response.maximums, report.maximums),
            (response.minimums, report.minimums),
        ):
            target.extend(
                _Row(
                    dimension_values=[_DimensionValue(value=key) for key in keys],
                    metric_values=[_MetricValue(value=write_number(v)) for v in values],
                )
                for keys, values in rows
            )
        self._add_metadata(response, held, report)
        cost = _token_cost(report)
        quota = self.quota.charge(held.property_id, cost)
        if request.return_property_quota:
            response.property_quota.CopyFrom(quota)
        return response

    def _add_metadata(self, response: Any, held: Ga4Property, report: Report) -> None:
        metadata = response.metadata
        metadata.currency_code, metadata.time_zone = held.currency_code, held.time_zone
        if held.property_id == SAMPLED_PROPERTY and any(
            one.days > SAMPLED_OVER_DAYS for one in report.ranges
        ):
            for one in report.ranges:
                metadata.sampling_metadatas.add(
                    samples_read_count=10_000_000, sampling_space_size=110_000 * one.days
                )
        by_campaign = {"sessionCampaignName", "sessionSource", "sessionSourceMedium"}
        if (
            held.property_id == THRESHOLDED_PROPERTY
            and by_campaign & set(report.dimension_names)
            and {"totalUsers", "newUsers"} & set(report.metric_names)
        ):
            metadata.subject_to_thresholding = True
        if not report.row_count and all(one.end < FIRST_DAY for one in report.ranges):
            metadata.empty_reason = f"No data was collected before {FIRST_DAY}."

    def _check_compatibility(self, held: Ga4Property, request: Any) -> Any:
        known = self._known_metrics(held)
        dimensions = [one.name for one in request.dimensions]
        metrics = [one.name for one in request.metrics]
        ga4_report.check_names(dimensions, metrics, known)
        response = CheckCompatibilityResponse()
        wanted = request.compatibility_filter
        listed = self._get_metadata(held, None)
        for names, target, field in (
            (listed.dimensions, response.dimension_compatibilities, "dimension_metadata"),
            (listed.metrics, response.metric_compatibilities, "metric_metadata"),
        ):
            for one in names:
                fits = ga4_report.is_compatible(one.api_name, dimensions, metrics)
                kind = int(
                    data.Compatibility.COMPATIBLE if fits else data.Compatibility.INCOMPATIBLE
                )
                if wanted in (0, kind):
                    target.add(compatibility=kind, **{field: one})
        return response

    def _get_metadata(self, held: Ga4Property, _request: Any) -> Any:
        response = Metadata(name=f"properties/{held.property_id}/metadata")
        for one in DIMENSIONS.values():
            response.dimensions.add(api_name=one.name, ui_name=one.ui_name, category=one.category)
        seen: set[str] = set()
        for metric in self._known_metrics(held).values():
            if metric.name not in seen:
                seen.add(metric.name)
                response.metrics.add(
                    api_name=metric.name,
                    ui_name=metric.ui_name,
                    category=metric.category,
                    type_=_METRIC_TYPES[metric.type],
                    deprecated_api_names=metric.former_names,
                    custom_definition=metric.event is not None,
                )
        return response

    def _known_metrics(self, held: Ga4Property) -> dict[str, ga4_report.Metric]:
        facts = self.world.ga4_facts(held.property_id, self.clock.as_of)
        return ga4_report.metrics_for(ga4_report.key_events_of(facts))


def _token_cost(report: Report) -> int:
    """A plain report costs a few tokens; more for many days, columns and rows."""
    days = sum(one.days for one in report.ranges)
    columns = len(report.dimension_names) + len(report.metric_names)
    return 1 + columns // 4 + days // 30 + report.row_count // 2_000


# --- gRPC -------------------------------------------------------------------------------------


def add_ga4(server: grpc.Server, service: Ga4Service) -> None:
    """Add BetaAnalyticsData to a gRPC server."""
    handlers = {
        method: grpc.unary_unary_rpc_method_handler(
            _unary(service, method),
            request_deserializer=request.FromString,
            # a broken answer is bytes already
            response_serializer=lambda r: r if isinstance(r, bytes) else r.SerializeToString(),
        )
        for method, request in (
            ("RunReport", RunReportRequest),
            ("CheckCompatibility", CheckCompatibilityRequest),
            ("GetMetadata", GetMetadataRequest),
        )
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


def _unary(service: Ga4Service, method: str) -> Callable[[Any, grpc.ServicerContext], Any]:
    def call(request: Any, context: grpc.ServicerContext) -> Any:
        metadata = dict(context.invocation_metadata())
        try:
            response, fault = service.answer(method, request, metadata.get("authorization"))
        except ApiError as error:
            error.abort(context)
        if fault and fault.kind == "stall":
            while context.is_active() and not service.faults.stall(0.2):
                pass  # until the client gives up
        if fault and fault.kind == "slow":
            for _ in range(_SLOW_PIECES):
                if context.is_active():
                    service.faults.stall(fault.pause_seconds)
        if fault and fault.kind == "poison":
            return poison.finish(response.SerializeToString(), fault.detail or "")
        if fault and fault.kind in ("cut", "reset"):
            # one message cannot be halved; this is how a lost connection reads
            ApiError("UNAVAILABLE", "Socket closed").abort(context)
        if fault and fault.kind == "bad_body":
            return b"\xff\xff<html>not a protobuf"
        return response

    return call


# --- REST -------------------------------------------------------------------------------------

_REST_METHODS = {
    "runReport": ("RunReport", RunReportRequest),
    "checkCompatibility": ("CheckCompatibility", CheckCompatibilityRequest),
}
_REST_PATH = re.compile(r"/v1beta/properties/([^/:]+)(?::(\w+)|/(metadata))")


def read_rest(http_method: str, path: str, body: bytes) -> tuple[str, Any] | None:
    """Return gRPC method and request of a REST call; None when there is no such path.

    Raises ApiError when the body is not the JSON of the request.
    """
    match = _REST_PATH.fullmatch(path)
    if not match:
        return None
    if match[3]:
        if http_method != "GET":
            return None
        return "GetMetadata", GetMetadataRequest(name=f"properties/{match[1]}/metadata")
    if http_method != "POST" or match[2] not in _REST_METHODS:
        return None
    method, message = _REST_METHODS[match[2]]
    request = message()
    try:
        json_format.Parse(body or b"{}", request)
    except (json_format.ParseError, UnicodeDecodeError) as problem:
        text = f"Invalid JSON payload received. {problem}"
        raise ApiError("INVALID_ARGUMENT", text, violations=(("", text),)) from problem
    request.property = f"properties/{match[1]}"
    return method, request


def write_rest(response: Any, enums_as_numbers: bool) -> bytes:
    return json_format.MessageToJson(
        response, use_integers_for_enums=enums_as_numbers, indent=2, ensure_ascii=False
    ).encode()
