"""Google Search Console through searchanalytics.query of the discovery client.

Queries and pages are asked for one day at a time, because a longer range gives
fewer rows than its days together. Days are Pacific time. An answer is parsed
straight into Arrow, without a Python object per value.

Source: https://developers.google.com/webmaster-tools/v1/searchanalytics/query
and https://developers.google.com/webmaster-tools/v1/how-tos/all-your-data
"""

from __future__ import annotations

import http.client
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from tempfile import NamedTemporaryFile
from typing import Any, NoReturn
from urllib.parse import urlsplit

import httplib2
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as arrow_json
from google.auth.exceptions import GoogleAuthError
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError
from googleapiclient.model import JsonModel

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
from connectors.deadlines import BoundedHttp, deadline, overdue
from connectors.google_credentials import (
    auth_problem,
    authorities_with,
    check_url,
    distrusted,
    harmless,
    is_loopback,
    make_credentials,
    plain_text,
    refresh_first,
    retry_after,
    seconds_to_midnight,
    who,
)
from connectors.search_console_reports import Asked

SCOPES = ("https://www.googleapis.com/auth/webmasters.readonly",)
HOST = "https://searchconsole.googleapis.com"
TIME_ZONE = "America/Los_Angeles"  # Search Console's days, whatever the site's zone
PAGE_ROWS = 25_000  # the most that one answer can hold
# the load quota is counted in chunks of 10 minutes, "wait 15 minutes"; the others are a minute's
# Source: https://developers.google.com/webmaster-tools/limits
LOAD_QUOTA_SECONDS = 900.0
RATE_QUOTA_SECONDS = 60.0
# "50k rows of data per day per search type": https://developers.google.com/webmaster-tools/v1/how-tos/all-your-data
MAX_ROWS_PER_DAY = 50_000

_READABLE = ("siteOwner", "siteFullUser", "siteRestrictedUser")
_KIND_HINT = (
    "a domain property is written sc-domain:example.nl, a URL-prefix property "
    "https://www.example.nl/ with its closing slash; they are different properties"
)


@dataclass(frozen=True)
class Question:
    """What is asked for one table; the date always comes first among the dimensions.

    ``names`` are the dimensions beside it, called as our columns are. ``by_day``:
    so many rows that each day is asked by itself, and paged. ``by_value`` is a
    dimension that goes with no other: its values are asked first, then the days
    of each of them.
    """

    aggregation: str
    names: tuple[str, ...] = ()
    by_day: bool = False
    type: str = "web"
    filters: tuple[tuple[str, str], ...] = ()
    by_value: str = ""

    @property
    def dimensions(self) -> list[str]:
        return ["date", *self.names]


QUESTIONS: dict[str, Question] = {
    tables.GSC_SITE_DAY.name: Question("byProperty"),
    tables.GSC_QUERY_DAY.name: Question("byProperty", ("query",), by_day=True),
    # grouping by page excludes byProperty
    tables.GSC_PAGE_DAY.name: Question("byPage", ("page",), by_day=True),
    tables.GSC_PAGE_QUERY_DAY.name: Question("byPage", ("page", "query"), by_day=True),
    tables.GSC_DEVICE_DAY.name: Question("byProperty", ("device",)),
    tables.GSC_COUNTRY_DAY.name: Question("byProperty", ("country",)),
    # these types exclude byProperty too
    tables.GSC_DISCOVER_DAY.name: Question("auto", type="discover"),
    tables.GSC_NEWS_DAY.name: Question("auto", type="googleNews"),
    # Source: https://developers.google.com/webmaster-tools/v1/how-tos/all-your-data
    tables.GSC_SEARCH_APPEARANCE_DAY.name: Question("auto", by_value="searchAppearance"),
}


def _question_of(table: Table) -> Question:
    """What is asked for a table: what the user defined for one of theirs."""
    asks = table.asks
    if isinstance(asks, Asked):
        return Question(
            asks.aggregation, asks.dimensions, asks.by_day, asks.type, filters=asks.filters
        )
    if table.name not in QUESTIONS:
        raise ValueError(f"{table.name} is not a table of Search Console")
    return QUESTIONS[table.name]


def _filters(question: Question, value: str) -> dict[str, Any]:
    """Only rows with certain values; ``value`` is the one of ``by_value`` that is asked for."""
    wanted = [*question.filters, *([(question.by_value, value)] if value else [])]
    if not wanted:
        return {}
    conditions = [
        {"dimension": name, "operator": "equals", "expression": text} for name, text in wanted
    ]
    return {"dimensionFilterGroups": [{"groupType": "and", "filters": conditions}]}


class SearchConsole:
    """Search Console properties. Safe to use from several threads.

    Raises SourceError of scope ``source`` when the connection itself cannot be used.
    """

    source = "search_console"
    tables: tuple[Table, ...] = tables.tables_of("search_console")

    def __init__(self, connection: Connection, *, page_rows: int = PAGE_ROWS) -> None:
        self._connection = connection
        self._page_rows = page_rows
        self._url = check_url(connection.endpoint or HOST, "endpoint")
        self._authorities: Any = None
        if connection.ca_file is not None:  # httplib2 takes them as a file only
            self._authorities = NamedTemporaryFile(prefix="koers-ca-", suffix=".pem")  # noqa: SIM115
            self._authorities.write(authorities_with(connection.ca_file))
            self._authorities.flush()
        self._credentials = make_credentials(connection, SCOPES)
        self._own = threading.local()
        self._https: list[AuthorizedHttp] = []
        self._lock = threading.Lock()

    # --- accounts -----------------------------------------------------------------------------

    def accounts(self, selection: AccountSelection) -> list[Account]:
        """Return the listed properties; one that is not there or not verified is ``refused``.

        With ``discover``, all verified properties that the credential sees.
        """
        raw, _ = self._ask(self._service().sites().list())
        try:
            entries = json.loads(raw).get("siteEntry", [])
            levels = {entry["siteUrl"]: entry["permissionLevel"] for entry in entries}
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise _malformed() from e
        if selection.discover and not selection.ids:
            return [_account(site) for site, level in levels.items() if level in _READABLE]
        return [self._listed(site, levels) for site in dict.fromkeys(selection.ids)]

    def _listed(self, site: str, levels: dict[str, str]) -> Account:
        if levels.get(site) in _READABLE:
            return _account(site)
        name = plain_text(site)
        if site in levels:
            problem = AccessError(
                f"Search Console property {name} may not be read: {plain_text(levels[site])}",
                reason="siteUnverifiedUser",
                hint=f"verify it, or add {who(self._credentials)} as a user of the property",
            )
        else:
            near = [other for other in levels if _domain(other) == _domain(site)]
            problem = AccessError(
                f"Search Console property {name} is not among those that "
                f"{who(self._credentials)} sees",
                reason="site_not_listed",
                hint=f"did you mean {plain_text(near[0])}? {_KIND_HINT}" if near else _KIND_HINT,
            )
        return Account(self.source, site, name=site, status="refused", problem=problem)

    # --- rows ---------------------------------------------------------------------------------

    def fetch(self, table: Table, account: Account, window: DateWindow) -> Reply:
        """Ask for one slice of Pacific days.

        What is told by query or page is asked per day and paged until a page is
        empty, the rest for all days at once. Queries and pages do not add up to
        the site's totals: rare queries are withheld. ``is_provisional`` is
        true from the first day that Google calls incomplete, which it only says
        with ``data_state: all``; final days are never provisional. ``position``
        is null where Google gives none. The API announces no row counts;
        ``metadata`` lists the days that reached its limit of 50,000 rows, the
        least clicked of which are missing.
        """
        question = _question_of(table)
        reply = Reply(batches=iter(()))
        reply.batches = self._read(reply, question, table, account, window)
        return reply

    def check(self, table: Table, account: Account) -> None:
        """Nothing is left to ask: the few dimensions were judged where they are written."""

    def _read(
        self, reply: Reply, question: Question, table: Table, account: Account, window: DateWindow
    ) -> Iterator[pa.RecordBatch]:
        reply.metadata |= {
            "data_state": self._connection.data_state,
            "aggregation_type": question.aggregation,
            "first_incomplete_date": None,
            "days_at_row_limit": [],
            "requests": 0,
        }
        parts = [DateWindow(d, d) for d in window.days] if question.by_day else [window]
        values = [""]
        if question.by_value:
            values = self._values(reply, question, account, window)
        for part in parts:
            for value in values:
                yield from self._read_part(reply, question, table, account, part, value)

    def _values(
        self, reply: Reply, question: Question, account: Account, window: DateWindow
    ) -> list[str]:
        """The values of a dimension that occur on these days."""
        body = self._body(question, window, 0) | {"dimensions": [question.by_value]}
        names: list[str] = (
            _rows(self._page(reply, account, body)).field("keys").flatten().to_pylist()
        )
        reply.metadata[question.by_value] = names
        return names

    def _page(self, reply: Reply, account: Account, body: dict[str, Any]) -> pa.Table:
        request = self._service().searchanalytics().query(siteUrl=account.account_id, body=body)
        raw, request_id = self._ask(request, account.account_id)
        page = _parse(raw)
        reply.metadata["requests"] += 1
        if request_id:
            reply.request_ids.append(request_id)
        return page

    def _read_part(
        self,
        reply: Reply,
        question: Question,
        table: Table,
        account: Account,
        part: DateWindow,
        value: str,
    ) -> Iterator[pa.RecordBatch]:
        start_row = 0
        while True:
            page = self._page(reply, account, self._body(question, part, start_row, value))
            incomplete = None
            if self._connection.data_state == "all":
                incomplete = _first_incomplete(page, reply.metadata)
            rows = _rows(page)
            if not len(rows):
                if start_row >= MAX_ROWS_PER_DAY:
                    reply.metadata["days_at_row_limit"].append(str(part.start))
                return
            start_row += len(rows)
            yield _to_batch(rows, table, account, part, incomplete, value)
            if not question.by_day and len(rows) < self._page_rows:
                return  # so few rows per day that all of them are here

    def _body(
        self, question: Question, part: DateWindow, start_row: int, value: str = ""
    ) -> dict[str, Any]:
        return {
            "startDate": str(part.start),
            "endDate": str(part.end),
            "dimensions": question.dimensions,
            "type": question.type,
            "aggregationType": question.aggregation,
            "dataState": self._connection.data_state,
            "rowLimit": self._page_rows,
            "startRow": start_row,
            **_filters(question, value),
        }

    # --- one call -----------------------------------------------------------------------------

    def _service(self) -> Any:
        """Return this thread's service: httplib2 is not safe to share."""
        service = getattr(self._own, "service", None)
        if service is None:
            plain = BoundedHttp(
                timeout=self._connection.timeout_seconds,
                ca_certs=self._authorities.name if self._authorities else None,
                # a loopback address is never reached through a proxy
                **({"proxy_info": None} if is_loopback(self._url) else {}),
            )
            signed = AuthorizedHttp(self._credentials, http=plain, refresh_status_codes=())
            service = self._own.service = build(
                "searchconsole",
                "v1",
                http=signed,
                model=_BytesModel(),
                client_options={"api_endpoint": f"{self._url}/"},
                static_discovery=True,
                cache_discovery=False,
            )
            self._own.signed = signed
            with self._lock:
                self._https.append(signed)
        return service

    def _ask(self, request: Any, site: str = "") -> tuple[bytes, str]:
        """Send one request; a token that the API calls expired is replaced once."""
        refresh_first(self._credentials)
        try:
            return self._execute(request)
        except HttpError as e:
            if e.resp.status != 401:
                self._fail(e, site)
        except Exception as e:
            self._fail(e, site)
        refresh_first(self._credentials, force=True)
        try:
            return self._execute(request)
        except Exception as e:
            self._fail(e, site)

    def _execute(self, request: Any) -> tuple[bytes, str]:
        try:
            with deadline(self._connection.timeout_seconds):
                answer: tuple[bytes, str] = request.execute(num_retries=0)
        except HttpError:
            raise
        except Exception:
            # httplib2 would go on with a connection on which half an answer is under way
            self._own.signed.close()
            raise
        return answer

    def close(self) -> None:
        with self._lock:
            for signed in self._https:
                signed.close()
            self._https.clear()
        if self._authorities is not None:
            self._authorities.close()

    # --- what went wrong ----------------------------------------------------------------------

    def _fail(self, error: Exception, site: str) -> NoReturn:
        """Raise the SourceError that ``error`` means; pass on what is not the vendor's."""
        if isinstance(error, HttpError):
            raise self._problem(error, site) from harmless(error, self._credentials)
        if isinstance(error, GoogleAuthError):
            raise auth_problem(error) from harmless(error, self._credentials)
        if isinstance(error, httplib2.HttpLib2Error | http.client.HTTPException | OSError):
            raise (
                overdue(error, "Search Console")
                or distrusted(error, "Search Console")
                or TransientError(
                    f"Search Console could not be reached: {type(error).__name__}",
                    reason="unreachable",
                )
            ) from harmless(error, self._credentials)
        raise error

    def _problem(self, error: HttpError, site: str) -> SourceError:
        """Judge by the reason, not by the status: a 403 can be a burst of quota."""
        status, reason, message = _read_error(error)
        text = plain_text(message, self._credentials)
        told: dict[str, Any] = {
            "reason": plain_text(reason),
            "request_id": _request_id(error.resp),
        }
        wait = retry_after(error.resp.get("retry-after"))
        where = f"Search Console property {plain_text(site)}" if site else "Search Console"
        said = text.lower()
        if status == 429 or reason in _QUOTA_REASONS or (status == 403 and "quota" in said):
            if wait is None:
                rate = reason in _RATE_REASONS or "qps" in said or "per minute" in said
                wait = RATE_QUOTA_SECONDS if rate and "load" not in said else LOAD_QUOTA_SECONDS
                if reason == "dailyLimitExceeded":
                    wait = seconds_to_midnight(datetime.now(UTC))
            everyone = not site or reason in _QUOTAS_OF_EVERYONE
            return TransientError(
                f"{where} has used up a quota: {text}",
                retry_after_seconds=wait,
                scope="source" if everyone else "account",
                **told,
            )
        if status == 401:
            return AuthError(
                f"Search Console refuses the access token: {text}", hint="sign in again", **told
            )
        if status == 403:
            if reason in ("accessNotConfigured", "SERVICE_DISABLED", "CONSUMER_INVALID"):
                return SourceError(
                    f"the Google Cloud project may not use the Search Console API: {text}",
                    hint="enable the Google Search Console API in the project",
                    scope="source",
                    **told,
                )
            if reason in ("insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"):
                return AuthError(
                    f"the credential was not allowed to read Search Console: {text}",
                    hint="sign in again and allow read access to Search Console",
                    **told,
                )
            return AccessError(
                f"{where} may not be read: {text}",
                hint=f"add {who(self._credentials)} as a user of the property; {_KIND_HINT}",
                **told,
            )
        if status == 404 or "not a valid search console site url" in said:
            hint = _KIND_HINT if site else "check endpoint"
            if not site:
                return SourceError(
                    f"{where} was not found: {text}", hint=hint, scope="source", **told
                )
            return AccessError(f"{where} was not found: {text}", hint=hint, **told)
        if status >= 500 or status == 408:
            return TransientError(
                f"Search Console could not answer: {text}", retry_after_seconds=wait, **told
            )
        return SourceError(f"Search Console refuses the request: {text}", scope="source", **told)


_RATE_REASONS = ("rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED")
# of the user or of the Cloud project; the others are each site's own
_QUOTAS_OF_EVERYONE = ("userRateLimitExceeded", "dailyLimitExceeded", "RATE_LIMIT_EXCEEDED")
_QUOTA_REASONS = (*_RATE_REASONS, "quotaExceeded", "dailyLimitExceeded", "RESOURCE_EXHAUSTED")


def _account(site: str) -> Account:
    return Account("search_console", site, name=site, time_zone=TIME_ZONE)


def _domain(site: str) -> str:
    """The domain that a property is about, to find the one that was probably meant."""
    name = site.removeprefix("sc-domain:") if site.startswith("sc-domain:") else site
    host = urlsplit(name if "://" in name else f"https://{name}").hostname or name
    return host.removeprefix("www.").lower()


# --- the answer -------------------------------------------------------------------------------


class _BytesModel(JsonModel):  # type: ignore[misc]  # the client has no types
    """Sends JSON as the client does and hands back the answer's bytes with its request id."""

    def response(self, resp: Any, content: bytes) -> tuple[bytes, str]:
        if resp.status >= 300:
            raise HttpError(resp, content)
        return content, _request_id(resp)


# clicks and impressions are "double" in the discovery document
_ANSWER = pa.schema(
    [
        pa.field(
            "rows",
            pa.list_(
                pa.struct(
                    [
                        ("keys", pa.list_(pa.string())),
                        ("clicks", pa.float64()),
                        ("impressions", pa.float64()),
                        ("position", pa.float64()),
                    ]
                )
            ),
        ),
        pa.field(
            "metadata",
            # the documentation writes it with underscores, the discovery document does not
            pa.struct(
                [("firstIncompleteDate", pa.string()), ("first_incomplete_date", pa.string())]
            ),
        ),
    ]
)


def _parse(raw: bytes) -> pa.Table:
    try:
        raw.decode()  # Arrow takes any bytes for text, and the warehouse then cannot read its file
        page = arrow_json.read_json(
            io.BytesIO(raw),
            read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(raw) + 1),
            parse_options=arrow_json.ParseOptions(
                explicit_schema=_ANSWER,
                newlines_in_values=True,
                unexpected_field_behavior="ignore",
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError) as e:
        raise _malformed() from e
    if page.num_rows != 1:
        raise _malformed()
    return page


def _malformed() -> TransientError:
    return TransientError(
        "Search Console's answer is not what the API promises (cut off, or from another server)",
        reason="malformed_answer",
    )


def _rows(page: pa.Table) -> pa.StructArray:
    return page.column("rows").combine_chunks().flatten()


def _first_incomplete(page: pa.Table, metadata: dict[str, Any]) -> date | None:
    """Return the first day that Google still adds to, and note the earliest in ``metadata``."""
    told = page.column("metadata")[0].as_py() or {}
    said = told.get("firstIncompleteDate") or told.get("first_incomplete_date")
    if not said:
        return None
    try:
        first = date.fromisoformat(said)
    except ValueError as e:
        raise _malformed() from e
    known = metadata["first_incomplete_date"]
    metadata["first_incomplete_date"] = min(known, said) if known else said
    return first


def _to_batch(
    rows: pa.StructArray,
    table: Table,
    account: Account,
    part: DateWindow,
    incomplete: date | None,
    value: str = "",
) -> pa.RecordBatch:
    """One page of a table's schema; ``value`` is what all of its rows were asked for by."""
    keys = rows.field("keys")
    wide = sum(1 for name in table.key if name != "account_id") - bool(value)
    lengths = pc.min_max(pc.list_value_length(keys)).as_py()
    if keys.null_count or lengths != {"min": wide, "max": wide}:
        raise _malformed()
    names = keys.flatten()
    try:
        days = pc.list_element(keys, 0).cast(pa.date32())
        clicks = rows.field("clicks").cast(pa.int64())
        impressions = rows.field("impressions").cast(pa.int64())
    except pa.ArrowInvalid as e:
        raise _malformed() from e
    given = {
        "account_id": pa.repeat(pa.scalar(account.account_id), len(rows)),
        "date_day": days,
        "clicks": clicks,
        "impressions": impressions,
        "position": rows.field("position"),
        "is_provisional": (
            pa.repeat(pa.scalar(False), len(rows))
            if incomplete is None
            else pc.greater_equal(days, pa.scalar(incomplete))
        ),
    }
    if names.null_count:
        raise _malformed()
    if value:
        given[table.key[-1]] = pa.repeat(pa.scalar(value), len(rows))
    named = [field.name for field in table.schema if field.name not in given]
    for at, name in enumerate(named, 1):  # after the date
        given[name] = pc.list_element(keys, at)
    return pa.RecordBatch.from_arrays(
        [given[field.name] for field in table.schema], schema=table.schema
    )


# --- reading errors ---------------------------------------------------------------------------


def _read_error(error: HttpError) -> tuple[int, str, str]:
    """Return status, reason and message of an error, whether it is JSON or a proxy's page."""
    status = int(error.resp.status)
    text = error.content.decode("utf-8", "replace") if error.content else ""
    try:
        told = json.loads(text)["error"]
        message = str(told.get("message", ""))
        reasons = [
            entry["reason"]
            for entry in (*(told.get("details") or ()), *(told.get("errors") or ()))
            if isinstance(entry, dict) and entry.get("reason")
        ]
        # errors[].reason is the one that the guides speak of; details[] knows more when present
        known = [r for r in reasons if r in _QUOTA_REASONS]
        reason = (known or reasons or [str(told.get("status") or f"HTTP {status}")])[0]
    except (ValueError, KeyError, TypeError, AttributeError):
        return status, f"HTTP {status}", text or "no explanation"
    return status, str(reason), message


def _request_id(headers: Any) -> str:
    return str(headers.get("x-request-id") or headers.get("request-id") or "")
