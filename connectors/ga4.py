"""Google Analytics 4 through runReport of the Data API, over gRPC or REST.

A reply goes from protobuf or JSON bytes to Arrow columns without a Python object
per value. The requests, channel, session and errors are the client library's;
its own decoding is passed by, because it manages 9,000 rows per CPU second over
gRPC and 6,000 over REST, where this manages half a million.

Source: https://developers.google.com/analytics/devguides/reporting/data/v1/rest/v1beta/properties/runReport
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Literal, NoReturn, TypeVar

import grpc
import numpy as np
import ptars
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as arrow_json
import requests
from google.analytics.data_v1beta import BetaAnalyticsDataClient
from google.analytics.data_v1beta.services.beta_analytics_data.transports import (
    BetaAnalyticsDataGrpcTransport,
)
from google.analytics.data_v1beta.services.beta_analytics_data.transports.base import (
    DEFAULT_CLIENT_INFO,
)
from google.analytics.data_v1beta.types import (
    CheckCompatibilityRequest,
    CheckCompatibilityResponse,
    Compatibility,
    GetMetadataRequest,
    Metadata,
    OrderBy,
    RunReportRequest,
    RunReportResponse,
)
from google.api_core import exceptions as api
from google.api_core.gapic_v1.routing_header import to_grpc_metadata
from google.auth.exceptions import GoogleAuthError
from google.protobuf import json_format

from connectors import tables
from connectors.base import (
    DEADLINE_EXCEEDED,
    AccessError,
    Account,
    AccountSelection,
    AuthError,
    Connection,
    DateWindow,
    RefusedReportError,
    Reply,
    SourceError,
    Table,
    TransientError,
)
from connectors.deadlines import deadline, overdue
from connectors.ga4_reports import Asked, unknown_fields
from connectors.google_credentials import (
    auth_problem,
    authorized_session,
    check_url,
    distrusted,
    grpc_channel,
    harmless,
    make_credentials,
    plain_text,
    refresh_first,
    retry_after,
    seconds_to_midnight,
    who,
)
from connectors.google_visible import properties
from connectors.memory import give_back

SCOPES = ("https://www.googleapis.com/auth/analytics.readonly",)
HOST = "analyticsdata.googleapis.com"
PAGE_ROWS = 250_000  # the most that one answer can hold
# for the list of properties, which a report can do without
NAMES_SECONDS = 10.0
_SERVICE = "/google.analytics.data.v1beta.BetaAnalyticsData"
_METHOD = f"{_SERVICE}/RunReport"
_QUESTIONS: dict[type, tuple[str, Any]] = {
    GetMetadataRequest: ("GetMetadata", Metadata),
    CheckCompatibilityRequest: ("CheckCompatibility", CheckCompatibilityResponse),
}
_INCOMPATIBLE = Compatibility.INCOMPATIBLE
T = TypeVar("T")
# A page of 250,000 rows is far above gRPC's 4 MB.
_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
)
# google-api-core is only partly typed
_routing: Callable[..., tuple[str, str]] = to_grpc_metadata
_from_grpc_error: Callable[[grpc.RpcError], api.GoogleAPICallError] = api.from_grpc_error
_from_http_response: Callable[[requests.Response], api.GoogleAPICallError] = api.from_http_response
_AGENT: tuple[str, str] = DEFAULT_CLIENT_INFO.to_grpc_metadata()  # type: ignore[no-untyped-call]
_REST_AGENT = (_AGENT[0], " ".join(w for w in _AGENT[1].split() if not w.startswith("grpc/")))


@dataclass(frozen=True)
class Report:
    """What runReport is asked for one table: pairs of our column and the API's name.

    With a ``period`` the days are whole weeks or months, which the API counts as
    one each, and a row is dated by the last day.

    Source: https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema
    """

    dimensions: tuple[tuple[str, str], ...]
    metrics: tuple[tuple[str, str], ...]
    above_zero: str | None = None  # a metric that must be more than 0
    period: Literal["week", "month"] | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for fields of scopes that GA4 does not give together."""
        names = [name for _, name in (*self.dimensions, *self.metrics)]
        of_items = [name for name in names if name.startswith("item")]
        of_events = [name for name in names if name in ("eventName", "isKeyEvent")]
        others = {name for _, name in self.metrics} - {*of_items}
        if not of_items:
            others -= {"keyEvents", "eventCount", "eventValue", "totalUsers", "activeUsers"}
        if (of_items or of_events) and others:
            raise ValueError(
                f"GA4 does not give {sorted(others)[0]} by {(of_items or of_events)[0]}: "
                "sessions, users and purchases are counted by other things"
            )


_DATE = ("date_day", "date")
_CHANNEL = ("session_default_channel_group", "sessionDefaultChannelGroup")
_SESSION_METRICS = (
    ("sessions", "sessions"),
    ("engaged_sessions", "engagedSessions"),
    ("total_users", "totalUsers"),
    ("new_users", "newUsers"),
    ("key_events", "keyEvents"),
    ("transactions", "transactions"),
    ("purchase_revenue", "purchaseRevenue"),
    ("first_time_purchasers", "firstTimePurchasers"),
)


def _users(dimension: str, period: Literal["week", "month"]) -> Report:
    metrics = (
        ("total_users", "totalUsers"),
        ("active_users", "activeUsers"),
        ("new_users", "newUsers"),
    )
    return Report((("date_day", dimension),), metrics, period=period)


REPORTS: dict[str, Report] = {
    tables.GA4_CHANNEL_DAY.name: Report((_DATE, _CHANNEL), _SESSION_METRICS),
    tables.GA4_CAMPAIGN_DAY.name: Report(
        (
            _DATE,
            ("session_source", "sessionSource"),
            ("session_medium", "sessionMedium"),
            ("session_campaign_name", "sessionCampaignName"),
        ),
        _SESSION_METRICS,
    ),
    tables.GA4_KEY_EVENT_DAY.name: Report(
        (_DATE, _CHANNEL, ("event_name", "eventName")),
        (("key_events", "keyEvents"),),
        # without it there would be a row for every event that is no key event
        above_zero="keyEvents",
    ),
    tables.GA4_DEVICE_DAY.name: Report(
        (_DATE, ("device_category", "deviceCategory")), _SESSION_METRICS
    ),
    tables.GA4_COUNTRY_DAY.name: Report((_DATE, ("country", "country")), _SESSION_METRICS),
    tables.GA4_LANDING_PAGE_DAY.name: Report(
        (_DATE, ("landing_page", "landingPage")), _SESSION_METRICS
    ),
    tables.GA4_NEW_VS_RETURNING_DAY.name: Report(
        (_DATE, ("new_vs_returning", "newVsReturning")),
        tuple(
            (column, name)
            for column, name in _SESSION_METRICS
            if name not in ("newUsers", "firstTimePurchasers")
        ),
    ),
    tables.GA4_EVENT_DAY.name: Report(
        (_DATE, ("event_name", "eventName")),
        (
            ("event_count", "eventCount"),
            ("key_events", "keyEvents"),
            ("total_users", "totalUsers"),
            ("event_value", "eventValue"),
        ),
    ),
    tables.GA4_ITEM_DAY.name: Report(
        (
            _DATE,
            ("item_id", "itemId"),
            ("item_name", "itemName"),
            ("item_brand", "itemBrand"),
            ("item_category", "itemCategory"),
        ),
        (
            ("items_viewed", "itemsViewed"),
            ("items_added_to_cart", "itemsAddedToCart"),
            ("items_checked_out", "itemsCheckedOut"),
            ("items_purchased", "itemsPurchased"),
            ("item_revenue", "itemRevenue"),
        ),
    ),
    tables.GA4_USERS_WEEK.name: _users("isoYearIsoWeek", "week"),
    tables.GA4_USERS_MONTH.name: _users("yearMonth", "month"),
}


@dataclass(frozen=True)
class AskedReport(Report):
    """What a user defined: what goes together in it is the API's to say."""

    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __post_init__(self) -> None:
        """Nothing is looked up: `GA4.check` has asked the API."""


def _report_of(table: Table) -> Report:
    """What is asked for a table: what the user defined for one of theirs."""
    if isinstance(table.asks, Asked):
        return AskedReport(table.asks.dimensions, table.asks.metrics, filters=table.asks.filters)
    if table.name not in REPORTS:
        raise ValueError(f"{table.name} is not a table of GA4")
    return REPORTS[table.name]


class GA4:
    """GA4 properties. Safe to use from several threads.

    Raises SourceError of scope ``source`` when the connection itself cannot be used.
    """

    source = "ga4"
    tables: tuple[Table, ...] = tables.tables_of("ga4")

    def __init__(
        self,
        connection: Connection,
        *,
        page_rows: int = PAGE_ROWS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connection = connection
        self._page_rows = page_rows
        self._now = now
        self._credentials = make_credentials(connection, SCOPES)
        self._own = threading.local()
        self._open: list[Any] = []  # the gRPC transport, or a session per thread
        self._lock = threading.Lock()
        self._names: dict[str, str] | None = None
        self._names_lock = threading.Lock()
        if connection.transport == "rest":
            self._url = check_url(connection.endpoint or f"https://{HOST}", "endpoint")
        else:
            channel = grpc_channel(
                self._credentials,
                connection.endpoint or f"{HOST}:443",
                connection.ca_file,
                _CHANNEL_OPTIONS,
            )
            transport = BetaAnalyticsDataGrpcTransport(channel=channel)
            self._open.append(BetaAnalyticsDataClient(transport=transport).transport)
            self._channel = transport.grpc_channel
            # the client's own channel, but with the answer left as bytes
            self._run_report = self._channel.unary_unary(
                _METHOD, request_serializer=RunReportRequest.serialize
            )

    # --- accounts -----------------------------------------------------------------------------

    def accounts(self, selection: AccountSelection) -> list[Account]:
        """Return the listed properties with currency and time zone, by a report of one row each.

        Their names are the Admin API's, and empty where that cannot be asked.

        A property that may not be read is ``refused``. One that could not be
        asked right now stays ``enabled`` without currency and zone, so that its
        slices are tried with their own retries; when that befalls all of them,
        the first TransientError is raised.
        """
        if not selection.ids:
            raise SourceError(
                "GA4 properties are not discovered",
                reason="no_property_ids",
                hint="list property_ids",
                scope="source",
            )
        found: list[Account] = []
        busy: list[TransientError] = []
        for listed in dict.fromkeys(selection.ids):
            property_id = listed.removeprefix("properties/")
            if not (property_id.isascii() and property_id.isdigit()):
                problem = AccessError(
                    f'"{plain_text(listed)}" is not a GA4 property id',
                    reason="malformed_property_id",
                    hint="take the number from GA4 under Admin › Property details",
                )
                found.append(Account("ga4", property_id, status="refused", problem=problem))
                continue
            try:
                answer, _ = self._ask(_probe(property_id), property_id)
            except TransientError as e:
                busy.append(e)
                found.append(Account("ga4", property_id))
            except SourceError as e:
                if e.scope == "source" and e.reason != "INVALID_ARGUMENT":
                    raise
                e.scope = "account"
                found.append(Account("ga4", property_id, status="refused", problem=e))
            else:
                found.append(
                    Account(
                        "ga4",
                        property_id,
                        name=self._known_names().get(property_id, ""),
                        currency_code=answer.told.get("currency_code") or None,
                        time_zone=answer.told.get("time_zone") or None,
                    )
                )
        if busy and len(busy) == len(found):
            raise busy[0]
        return found

    def _known_names(self) -> dict[str, str]:
        """What the properties are called, by number: asked once, briefly, and none on failure."""
        with self._names_lock:
            if self._names is None:
                briefly = replace(self._connection, timeout_seconds=NAMES_SECONDS)
                try:
                    self._names = {one.property_id: one.name for one in properties(briefly)}
                except SourceError:  # no name is no reason to have no figures
                    self._names = {}
            return self._names

    # --- rows ---------------------------------------------------------------------------------

    def fetch(self, table: Table, account: Account, window: DateWindow) -> Reply:
        """Ask for one slice, a row per combination of the table's dimensions.

        "(other)" rows are kept. Days are those of the property's time zone and
        money is in its reporting currency. ``metadata`` holds what the API said
        about sampling, thresholding, truncation and data loss to "(other)", and
        the property's quota after the last page. Of a table by week or month the
        periods are asked for that end on a day of ``window``. Pages are passed on
        one by one, so that memory is that of one page; where rows shift between
        pages, which spoils them all, TransientError is raised after batches were given.
        """
        report = _report_of(table)
        reply = Reply(batches=iter(()))
        if report.period:
            periods = whole_periods(window, report.period)
            if not periods:  # none of them ends on one of these days
                reply.announced_rows = 0
                return reply
            window = DateWindow(periods[0].start, periods[-1].end)
        reply.batches = self._read(reply, report, table, account, window)
        return reply

    def _read(
        self, reply: Reply, report: Report, table: Table, account: Account, window: DateWindow
    ) -> Iterator[pa.RecordBatch]:
        reply.announced_rows = 0
        given = False
        for answer in self._pages(reply, report, account, window):
            if (
                window.start != window.end
                and not report.period
                and _has_undated_rows(answer, report)
            ):
                if given:
                    # "(other)" sorts before any date; elsewhere the order is not what was asked for
                    raise TransientError(
                        "GA4 gave rows without a day after rows with one",
                        reason="rows_out_of_order",
                        hint="fewer days are read at a time",
                    )
                break
            if answer.rows:
                batch = _to_batch(answer, report, table, account)
                del answer  # of two pages at a time nobody needs the memory
                given = True
                yield batch
                del batch
        else:
            return
        # So many rows that GA4 folded days into "(other)": ask for each day by itself.
        reply.announced_rows = 0
        reply.metadata["read_by_day"] = True
        for day in window.days:
            for answer in self._pages(reply, report, account, DateWindow(day, day)):
                if answer.rows:
                    yield _to_batch(answer, report, table, account)

    def _pages(
        self, reply: Reply, report: Report, account: Account, window: DateWindow
    ) -> Iterator[_Answer]:
        """Yield page after page; what they announce is added to the reply's at the end."""
        request = _request(report, account.account_id, window, self._page_rows)
        announced: int | None = None
        read = pages = 0
        while announced is None or read < announced:
            request.offset = read
            answer, request_id = self._ask(request, account.account_id)
            answer.window = window
            if request_id:
                reply.request_ids.append(request_id)
            _note(reply.metadata, answer)
            announced = answer.row_count if announced is None else announced
            read += answer.rows
            pages += 1
            changed = answer.row_count != announced or read > announced
            if changed or (answer.rows == 0 and read < announced):
                raise TransientError(
                    f"GA4 announced {announced} rows, then {answer.row_count}, "
                    f"and gave {read} up to page {pages}",
                    reason="rows_changed_while_paging",
                    hint="the slice is read again from its first page",
                )
            yield answer
            del answer
            if read < announced:
                give_back()  # gRPC and the decoder leave pieces; they would pile up page by page
        reply.announced_rows = (reply.announced_rows or 0) + announced

    # --- what can be asked --------------------------------------------------------------------

    def check(self, table: Table, account: Account) -> None:
        """Have the API judge the fields of a table, without reading any data.

        Those of a user are looked up among the property's own first. Raises
        RefusedReportError, or another SourceError when the API could not be asked.
        """
        report, property_id = _report_of(table), account.account_id
        if table.asks is not None:
            name = f"properties/{property_id}/metadata"
            metadata = self._ask_about(GetMetadataRequest(name=name), property_id)
            if problems := unknown_fields(report.dimensions, report.metrics, table, metadata):
                raise RefusedReportError(
                    f"GA4 property {property_id} has no such field: {'; '.join(problems)}",
                    reason="unknown_field",
                    hint="correct the report in koers.yaml",
                )
        try:
            self._ask_about(_compatibility(report, property_id), property_id)
        except SourceError as e:
            if isinstance(e, AuthError | AccessError | TransientError) or not _is_invalid(e):
                raise
            raise RefusedReportError(
                f"{e.message}{self._not_together(report, property_id)}",
                reason="incompatible_fields",
                request_id=e.request_id,
                hint="leave out what does not go with the others",
            ) from e

    def _not_together(self, report: Report, property_id: str) -> str:
        """Which of the metrics the API lists as incompatible with the dimensions."""
        alone = replace(report, metrics=())
        try:
            told = self._ask_about(_compatibility(alone, property_id), property_id)
        except SourceError:
            return ""  # the dimensions do not even go with one another
        asked = {name for _, name in report.metrics}
        odd = [
            one.metric_metadata.api_name
            for one in told.metric_compatibilities
            if one.metric_metadata.api_name in asked and one.compatibility == _INCOMPATIBLE
        ]
        return f" Incompatible with its dimensions: {', '.join(odd)}." if odd else ""

    def _ask_about(self, request: Any, property_id: str) -> Any:
        """Send a question that is not about rows; returns the answer's protobuf message."""
        return self._sent(lambda: self._tell(request), property_id)

    def _tell(self, request: Any) -> Any:
        method, answer = _QUESTIONS[type(request)]
        timeout = self._connection.timeout_seconds
        if self._connection.transport == "rest":
            return answer.from_json(self._send_about(request, timeout), ignore_unknown_fields=True)
        on = "name" if isinstance(request, GetMetadataRequest) else "property"
        try:
            return self._channel.unary_unary(
                f"{_SERVICE}/{method}",
                request_serializer=type(request).serialize,
                response_deserializer=answer.deserialize,
            )(
                request,
                timeout=timeout,
                metadata=(_routing(((on, getattr(request, on)),)), _AGENT),
            )
        except grpc.RpcError as e:
            raise _from_grpc_error(e) from e

    def _send_about(self, request: Any, timeout: float) -> bytes:
        headers = dict((_REST_AGENT, ("Content-Type", "application/json")))
        with deadline(timeout):
            if isinstance(request, GetMetadataRequest):
                response = self._session().get(
                    f"{self._url}/v1beta/{request.name}", headers=headers, timeout=timeout
                )
            else:
                body = CheckCompatibilityRequest.pb(CheckCompatibilityRequest(request))
                path = f"/v1beta/{body.property}:checkCompatibility"
                body.ClearField("property")
                response = self._session().post(
                    self._url + path,
                    data=json_format.MessageToJson(body, indent=None).encode(),
                    headers=headers,
                    timeout=timeout,
                )
        if response.status_code != 200:
            raise _from_http_response(response)
        return response.content

    # --- one call -----------------------------------------------------------------------------

    def _ask(self, request: RunReportRequest, property_id: str) -> tuple[_Answer, str]:
        return self._sent(lambda: self._call(request), property_id)

    def _sent(self, call: Callable[[], T], property_id: str) -> T:
        """Send one request; a token that the API calls expired is replaced once."""
        refresh_first(self._credentials)
        try:
            return call()
        except api.Unauthorized:
            refresh_first(self._credentials, force=True)
        except Exception as e:
            self._fail(e, property_id)
        try:
            return call()
        except Exception as e:
            self._fail(e, property_id)

    def _call(self, request: RunReportRequest) -> tuple[_Answer, str]:
        timeout = self._connection.timeout_seconds
        if self._connection.transport == "rest":
            return self._post(request, timeout)
        try:
            raw, call = self._run_report.with_call(
                request,
                timeout=timeout,
                metadata=(
                    _routing((("property", request.property),)),
                    _AGENT,
                ),
            )
        except grpc.RpcError as e:
            raise _from_grpc_error(e) from e
        return _decode(raw), _request_id((*call.initial_metadata(), *call.trailing_metadata()))

    def _post(self, request: RunReportRequest, timeout: float) -> tuple[_Answer, str]:
        body = RunReportRequest.pb(RunReportRequest(request))
        path = f"/v1beta/{body.property}:runReport"
        body.ClearField("property")
        with deadline(timeout):
            response = self._session().post(
                self._url + path,
                data=json_format.MessageToJson(body, indent=None).encode(),
                headers=dict((_REST_AGENT, ("Content-Type", "application/json"))),
                timeout=timeout,
            )
        if response.status_code != 200:
            raise _from_http_response(response)
        return _decode_json(response.content), _request_id(response.headers.items())

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            ca_file = self._connection.ca_file
            session = self._own.session = authorized_session(self._credentials, self._url, ca_file)
            with self._lock:
                self._open.append(session)
        return session

    def close(self) -> None:
        with self._lock:
            for opened in self._open:
                opened.close()
            self._open.clear()

    # --- what went wrong ----------------------------------------------------------------------

    def _fail(self, error: Exception, property_id: str) -> NoReturn:
        """Raise the SourceError that ``error`` means; pass on what is not the vendor's."""
        if isinstance(error, GoogleAuthError):
            raise auth_problem(error) from harmless(error, self._credentials)
        if isinstance(error, api.GoogleAPICallError):
            raise self._problem(error, property_id) from harmless(error, self._credentials)
        if isinstance(error, requests.RequestException | OSError):
            raise (
                overdue(error, "GA4")
                or distrusted(error, "GA4")
                or TransientError(
                    f"GA4 could not be reached: {type(error).__name__}", reason="unreachable"
                )
            ) from harmless(error, self._credentials)
        if isinstance(error, _Undecodable):
            raise TransientError(
                "GA4's answer is not what the API promises (cut off, or from another server)",
                reason="malformed_answer",
            ) from harmless(error, self._credentials)
        raise error

    def _problem(self, error: api.GoogleAPICallError, property_id: str) -> SourceError:
        code = (
            error.grpc_status_code.name
            if error.grpc_status_code
            else _CODES.get(error.code or 0, "")
        )
        reason = error.reason or code or str(error.code)
        text = plain_text(_without_url(error), self._credentials)
        told: dict[str, Any] = {"reason": reason, "request_id": _request_id_of(error)}
        if isinstance(error, api.DeadlineExceeded) and not error.reason:  # ours, or by our wish
            told["reason"] = DEADLINE_EXCEEDED
        if isinstance(error, api.Unauthorized):
            return AuthError(f"GA4 refuses the access token: {text}", hint="sign in again", **told)
        if isinstance(error, api.Forbidden):
            return self._forbidden(text, property_id, told)
        if isinstance(error, api.TooManyRequests):
            return self._quota(error, text, property_id, told)
        if isinstance(error, api.NotFound):
            return AccessError(
                f"GA4 property {property_id} was not found: {text}",
                hint="check property_ids, and endpoint if one is set",
                **told,
            )
        if isinstance(error, api.BadRequest):
            told["reason"] = code or reason
            return SourceError(f"GA4 refuses the report: {text}", scope="source", **told)
        if isinstance(error, api.MethodNotImplemented):
            return SourceError(
                f"this is not the Google Analytics Data API: {text}",
                hint="check endpoint",
                scope="source",
                **told,
            )
        if isinstance(error, api.ClientError) and not isinstance(
            error, api.Aborted | api.Cancelled
        ):
            return SourceError(f"GA4 refuses the request: {text}", scope="source", **told)
        return distrusted(error, "GA4") or TransientError(
            f"GA4 could not answer: {text}", retry_after_seconds=_wait_of(error), **told
        )

    def _forbidden(self, text: str, property_id: str, told: dict[str, Any]) -> SourceError:
        if told["reason"] in ("SERVICE_DISABLED", "CONSUMER_INVALID", "BILLING_DISABLED"):
            return SourceError(
                f"the Google Cloud project may not use the Google Analytics Data API: {text}",
                hint="enable the Google Analytics Data API in the project",
                scope="source",
                **told,
            )
        if told["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT":
            return AuthError(
                f"the credential was not allowed to read Analytics: {text}",
                hint="sign in again and allow read access to Google Analytics",
                **told,
            )
        return AccessError(
            f"GA4 property {property_id} may not be read: {text}",
            hint=f"add {who(self._credentials)} as Viewer of the property "
            "(GA4 › Admin › Property access management)",
            **told,
        )

    def _quota(
        self, error: api.GoogleAPICallError, text: str, property_id: str, told: dict[str, Any]
    ) -> SourceError:
        """Say when the exhausted quota returns.

        Source: https://developers.google.com/analytics/devguides/reporting/data/v1/quotas
        """
        now, said = self._now().astimezone(UTC), text.lower()
        scope = "account"
        if "concurrent" in said:
            wait, scope = 30.0, "slice"
        elif "per day" in said or "24 hours" in said:
            wait = seconds_to_midnight(now)
        elif "hour" in said or "threshold" in said or "server error" in said:
            hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
            wait = (hour - now).total_seconds()
        elif told["reason"] == "RATE_LIMIT_EXCEEDED":
            wait, scope = 60.0, "source"  # the Cloud project's own requests a minute
        else:
            wait = 60.0
        asked = _wait_of(error)
        return TransientError(
            f"GA4 property {property_id} has used up a quota: {text}",
            retry_after_seconds=wait if asked is None else asked,
            scope=scope,
            **told,
        )


def whole_periods(window: DateWindow, period: Literal["week", "month"]) -> list[DateWindow]:
    """The weeks from Monday to Sunday, or calendar months, that end on a day of ``window``."""
    if period == "week":
        ends = [day for day in window.days if day.isoweekday() == 7]
        return [DateWindow(end - timedelta(days=6), end) for end in ends]
    ends = [day for day in window.days if (day + timedelta(days=1)).day == 1]
    return [DateWindow(end.replace(day=1), end) for end in ends]


# --- the request ------------------------------------------------------------------------------


def _request(report: Report, property_id: str, window: DateWindow, limit: int) -> RunReportRequest:
    by_name = OrderBy.DimensionOrderBy.OrderType.ALPHANUMERIC
    above_zero = None
    if report.above_zero:
        above_zero = {
            "filter": {
                "field_name": report.above_zero,
                "numeric_filter": {"operation": "GREATER_THAN", "value": {"int64_value": 0}},
            }
        }
    return RunReportRequest(
        property=f"properties/{property_id}",
        dimensions=[{"name": name} for _, name in report.dimensions],
        metrics=[{"name": name} for _, name in report.metrics],
        date_ranges=[{"start_date": str(window.start), "end_date": str(window.end)}],
        dimension_filter=_filter(report),
        metric_filter=above_zero,
        # by every dimension: a total order, so that pages neither overlap nor leave a gap
        order_bys=[
            {"dimension": {"dimension_name": name, "order_type": by_name}}
            for _, name in report.dimensions
        ],
        limit=limit,
        return_property_quota=True,
    )


def _filter(report: Report) -> dict[str, Any] | None:
    """Only rows with certain values, told exactly as they are written."""
    filters = report.filters if isinstance(report, AskedReport) else ()
    if not filters:
        return None
    return {
        "and_group": {
            "expressions": [
                {
                    "filter": {
                        "field_name": name,
                        "in_list_filter": {"values": list(values), "case_sensitive": True},
                    }
                }
                for name, values in filters
            ]
        }
    }


def _compatibility(report: Report, property_id: str) -> CheckCompatibilityRequest:
    return CheckCompatibilityRequest(
        property=f"properties/{property_id}",
        dimensions=[{"name": name} for _, name in report.dimensions],
        metrics=[{"name": name} for _, name in report.metrics],
        dimension_filter=_filter(report),
    )


def _is_invalid(error: SourceError) -> bool:
    return error.reason in ("INVALID_ARGUMENT", "FAILED_PRECONDITION")


def _probe(property_id: str) -> RunReportRequest:
    return RunReportRequest(
        property=f"properties/{property_id}",
        metrics=[{"name": "sessions"}],
        date_ranges=[{"start_date": "yesterday", "end_date": "yesterday"}],
        limit=1,
    )


# --- the answer -------------------------------------------------------------------------------


class _Undecodable(Exception):
    """The bytes are no RunReportResponse."""


@dataclass
class _Answer:
    """One page. ``dimensions`` and ``metrics`` are text columns by the API's name."""

    row_count: int
    rows: int
    dimensions: dict[str, pa.Array]
    metrics: dict[str, pa.Array]
    told: dict[str, Any]
    quota: dict[str, Any] | None
    window: DateWindow | None = None


@cache
def _handler() -> Any:
    message = RunReportResponse.pb(RunReportResponse()).DESCRIPTOR
    pool = ptars.HandlerPool([message.file], config=ptars.PtarsConfig(enum_repr="string"))
    return pool.get_for_message(message)


def _decode(raw: bytes) -> _Answer:
    """Decode a serialized RunReportResponse."""
    try:
        page = _handler().list_to_record_batch([raw])
    except Exception as e:  # ptars raises several kinds
        raise _Undecodable(str(e)) from e
    rows = page.column("rows").flatten()
    rest = page.select(
        ["dimension_headers", "metric_headers", "row_count", "metadata", "property_quota"]
    ).to_pylist()[0]
    return _Answer(
        row_count=rest["row_count"],
        rows=len(rows),
        dimensions=_columns(rows, "dimension_values", rest["dimension_headers"]),
        metrics=_columns(rows, "metric_values", rest["metric_headers"]),
        told=rest["metadata"] or {},
        quota=rest["property_quota"],
    )


_VALUES = pa.list_(pa.struct([("value", pa.string())]))
_HEADERS = pa.list_(pa.struct([("name", pa.string())]))
_JSON_REPORT = pa.schema(
    [
        ("dimensionHeaders", _HEADERS),
        ("metricHeaders", _HEADERS),
        ("rows", pa.list_(pa.struct([("dimensionValues", _VALUES), ("metricValues", _VALUES)]))),
    ]
)


def _decode_json(raw: bytes) -> _Answer:
    """Decode a RunReportResponse in JSON: the rows by Arrow, the little else by protobuf."""
    try:
        raw.decode()  # Arrow takes any bytes for text, and the warehouse then cannot read its file
        page = arrow_json.read_json(
            io.BytesIO(raw),
            read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(raw) + 1),
            parse_options=arrow_json.ParseOptions(
                explicit_schema=_JSON_REPORT, newlines_in_values=True
            ),
        )
        if page.num_rows != 1:
            raise _Undecodable(f"{page.num_rows} documents")
        rest = _without_nulls(page.drop_columns(["rows"]).to_pylist()[0])
        message = RunReportResponse.pb(RunReportResponse())
        answer = _decode(
            json_format.ParseDict(rest, message, ignore_unknown_fields=True).SerializeToString()
        )
    except (pa.ArrowInvalid, json_format.ParseError, UnicodeDecodeError) as e:
        raise _Undecodable(str(e)) from e
    rows = page.column("rows").combine_chunks().flatten()
    if not rest and not len(rows):
        raise _Undecodable("nothing of a report")
    answer.rows = len(rows)
    answer.dimensions = _columns(rows, "dimensionValues", rest.get("dimensionHeaders", []))
    answer.metrics = _columns(rows, "metricValues", rest.get("metricHeaders", []))
    return answer


def _without_nulls(value: Any) -> Any:
    """Drop what Arrow filled in, and turn what it took for a timestamp back into a day."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(v) for v in value]
    return value.date().isoformat() if isinstance(value, datetime) else value


def _columns(rows: pa.StructArray, name: str, headers: list[dict[str, Any]]) -> dict[str, pa.Array]:
    """Turn rows of lists of values into one column per header."""
    lists, wide = rows.field(name), len(headers)
    if not len(rows) or not wide:
        return {}
    lengths = pc.min_max(pc.list_value_length(lists)).as_py()
    if lengths != {"min": wide, "max": wide}:
        raise _Undecodable(f"rows have {lengths} {name}, {wide} were announced")
    values = lists.flatten().field("value")
    first = np.arange(0, len(rows) * wide, wide)
    return {header["name"]: values.take(pa.array(first + i)) for i, header in enumerate(headers)}


def _has_undated_rows(answer: _Answer, report: Report) -> bool:
    named = dict(report.dimensions)
    dates = answer.dimensions.get(named["date_day"])
    return dates is not None and "(other)" in pc.unique(dates).to_pylist()


def _to_batch(answer: _Answer, report: Report, table: Table, account: Account) -> pa.RecordBatch:
    """Cast one page's text columns to the table's schema."""
    asked = dict((*report.dimensions, *report.metrics))
    given = answer.dimensions | answer.metrics
    missing = [name for name in asked.values() if name not in given]
    if missing:
        raise TransientError(f"GA4's answer lacks {', '.join(missing)}", reason="malformed_answer")
    columns = []
    for field in table.schema:
        if field.name == "account_id":
            column = pa.repeat(pa.scalar(account.account_id, field.type), answer.rows)
        elif field.name == "currency_code":
            currency = answer.told.get("currency_code") or account.currency_code
            column = pa.repeat(pa.scalar(currency, field.type), answer.rows)
        elif report.period and field.name in ("date_day", "period_start"):
            ends = field.name == "date_day"
            column = _periods(given[asked["date_day"]], report.period, ends=ends)
        elif field.name == "date_day":
            column = _days(given[asked[field.name]], answer.window)
        elif pa.types.is_string(field.type):
            column = pc.fill_null(given[asked[field.name]], "")
        else:
            column = _numbers(given[asked[field.name]], field)
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=table.schema)


def _days(text: pa.Array, window: DateWindow | None) -> pa.Array:
    """Parse 20261101; "(other)" can only be the day that was asked for by itself."""
    known = pc.fill_null(text, "").dictionary_encode()
    alone = window.start if window is not None and window.start == window.end else None
    days = [_day(value, alone) for value in known.dictionary.to_pylist()]
    return pa.array(days, pa.date32()).take(known.indices)


def _periods(text: pa.Array, period: Literal["week", "month"], *, ends: bool) -> pa.Array:
    """The first or last days of 202648, a week, or of 202611, a month."""
    known = pc.fill_null(text, "").dictionary_encode()
    days = []
    for value in known.dictionary.to_pylist():
        try:
            year, number = int(value[:4]), int(value[4:])
            first = (
                date.fromisocalendar(year, number, 1) if period == "week" else date(year, number, 1)
            )
        except ValueError as e:
            raise TransientError(
                f'GA4 gave "{plain_text(value)}" where a {period} belongs',
                reason="malformed_answer",
            ) from e
        last = first + timedelta(days=6 if period == "week" else 31)
        last = last if period == "week" else last.replace(day=1) - timedelta(days=1)
        days.append(last if ends else first)
    return pa.array(days, pa.date32()).take(known.indices)


def _day(value: str, alone: date | None) -> date:
    if value == "(other)" and alone is not None:
        return alone
    try:
        return datetime.strptime(value, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError as e:
        raise TransientError(
            f'GA4 gave "{plain_text(value)}" where a date belongs', reason="malformed_answer"
        ) from e


def _numbers(text: pa.Array, field: pa.Field) -> pa.Array:
    try:
        return text.cast(field.type)
    except pa.ArrowInvalid:
        pass
    try:  # a count written as 12.0 or 1.2E7
        return text.cast(pa.float64()).cast(field.type)
    except pa.ArrowInvalid as e:
        raise TransientError(
            f"GA4 gave something that is no number for {field.name}", reason="malformed_answer"
        ) from e


def _note(metadata: dict[str, Any], answer: _Answer) -> None:
    """Keep what the pages said: flags once set, lists without repeats, the last quota."""
    told = answer.told
    metadata["pages"] = metadata.get("pages", 0) + 1
    for name in ("currency_code", "time_zone", "empty_reason", "schema_restriction_response"):
        metadata[name] = told.get(name) or metadata.get(name)
    for name in ("data_loss_from_other_row", "subject_to_thresholding"):
        metadata[name] = bool(told.get(name)) or metadata.get(name, False)
    for name in ("sampling_metadatas", "data_truncation_reasons"):
        kept = metadata.setdefault(name, [])
        kept += [entry for entry in told.get(name) or [] if entry not in kept]
    if answer.quota is not None:
        metadata["property_quota"] = answer.quota


# --- reading errors ---------------------------------------------------------------------------

_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _without_url(error: api.GoogleAPICallError) -> str:
    """The REST client writes `POST https://…: text`; only the text is the API's."""
    message = str(error.message or "")
    url = getattr(getattr(error.response, "request", None), "url", None)
    return message.partition(f"{url}: ")[2] if url and f"{url}: " in message else message


def _wait_of(error: api.GoogleAPICallError) -> float | None:
    """Return what Retry-After or google.rpc.RetryInfo asks for, in seconds."""
    headers = getattr(error.response, "headers", None)
    if headers is not None and (wait := retry_after(headers.get("Retry-After"))) is not None:
        return wait
    for detail in error.details or ():
        if isinstance(detail, dict):
            if str(detail.get("@type", "")).endswith("google.rpc.RetryInfo"):
                return retry_after(str(detail.get("retryDelay", "")).removesuffix("s"))
        elif hasattr(detail, "retry_delay"):
            return float(detail.retry_delay.ToTimedelta().total_seconds())
    return retry_after(dict(_metadata_of(error)).get("retry-after"))


def _request_id_of(error: api.GoogleAPICallError) -> str:
    for detail in error.details or ():
        found = (
            detail.get("requestId", "")
            if isinstance(detail, dict)
            else getattr(detail, "request_id", "")
        )
        if found:
            return str(found)
    headers = getattr(error.response, "headers", None)
    return _request_id(headers.items() if headers is not None else _metadata_of(error))


def _metadata_of(error: api.GoogleAPICallError) -> list[tuple[str, str]]:
    call = error.response
    if not isinstance(call, grpc.Call):
        return []
    return [*(call.initial_metadata() or ()), *(call.trailing_metadata() or ())]


def _request_id(metadata: Any) -> str:
    for name, value in metadata:
        if name.lower() in ("request-id", "x-request-id"):
            return str(value)
    return ""
