"""The Search Console API: sites and search analytics.

Sources: https://developers.google.com/webmaster-tools/v1/searchanalytics/query,
https://developers.google.com/webmaster-tools/v1/how-tos/all-your-data,
https://support.google.com/webmasters/answer/6155685 (by property, by page)
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.sandbox import poison
from connectors.sandbox.faults import Fault, Faults
from connectors.sandbox.state import CallLog, Clock
from connectors.sandbox.story import Site
from connectors.sandbox.tokens import Tokens

DEFAULT_ROWS, MAX_ROWS = 1_000, 25_000
RETENTION_MONTHS = 16
# by clicks, per day and search type
ROWS_PER_DAY = 50_000
# One result list can show two pages of a property: one impression of the property, one of each
# page. By page there is this share more, in whole impressions; clicks and position stay.
EXTRA_IMPRESSIONS_BY_PAGE = 0.05

_DIMENSIONS = ("date", "query", "page", "country", "device", "searchAppearance", "hour")
_TYPES = ("web", "image", "video", "news", "discover", "googleNews")
_STATES = ("final", "all", "hourlyAll")
_AGGREGATIONS = ("auto", "byProperty", "byPage", "byNewsShowcasePanel")
_OPERATORS = (
    "equals",
    "notEquals",
    "contains",
    "notContains",
    "includingRegex",
    "excludingRegex",
)
_FIELDS = {
    "startDate": str,
    "endDate": str,
    "dimensions": list,
    "dimensionFilterGroups": list,
    "aggregationType": str,
    "rowLimit": int,
    "startRow": int,
    "dataState": str,
    "type": str,
    "searchType": str,
}


class World(Protocol):
    """What Search Console needs of the world."""

    @property
    def sites(self) -> tuple[Site, ...]: ...

    def search_facts(self, site_url: str, as_of: date, final: bool = True) -> pa.Table: ...


@dataclass
class SearchConsoleError(Exception):
    """An error with the body that this API answers: ``errors[0].reason`` tells them apart."""

    code: int
    message: str
    reason: str
    domain: str = "global"

    def to_json(self) -> dict[str, Any]:
        one = {"message": self.message, "domain": self.domain, "reason": self.reason}
        return {"error": {"code": self.code, "message": self.message, "errors": [one]}}


def _invalid(message: str, reason: str = "invalidParameter") -> SearchConsoleError:
    return SearchConsoleError(400, message, reason)


def _forbidden_site(site_url: str) -> SearchConsoleError:
    return SearchConsoleError(
        403,
        f"User does not have sufficient permission for site '{site_url}'. See also: "
        "https://support.google.com/webmasters/answer/2451999.",
        "forbidden",
    )


_QUOTAS = {"load": "load", "hour": "load", "day": "QPD", "minute": "QPM"}


def fault_error(fault: Fault, site_url: str) -> SearchConsoleError | None:
    """Return the error that a fault stands for; None for those that spoil an answer instead.

    ``quota`` is the 403 that looks like a permission; with status 429 it is
    ``rateLimitExceeded``.
    """
    if fault.kind == "quota":
        code = fault.status or 403
        named = _QUOTAS.get(fault.detail or "qps", "QPS")
        return SearchConsoleError(
            code,
            f"Search Analytics {named} quota exceeded. Learn about usage limits: "
            "https://developers.google.com/webmaster-tools/v3/limits.",
            fault.reason or ("rateLimitExceeded" if code == 429 else "quotaExceeded"),
            "usageLimits",
        )
    if fault.kind == "internal":
        return SearchConsoleError(
            fault.status or 500, "Internal error encountered.", fault.reason or "backendError"
        )
    if fault.kind == "unavailable":
        return SearchConsoleError(
            fault.status or 503,
            "The service is currently unavailable.",
            fault.reason or "backendError",
        )
    if fault.kind == "permission":
        refused = _forbidden_site(site_url)
        refused.reason = fault.reason or refused.reason
        return refused
    if fault.kind == "token_expired":
        return SearchConsoleError(401, "Invalid Credentials", "authError")
    if fault.kind == "refusal":
        text = fault.detail or 'Invalid JSON payload received. Unknown name "dataState"'
        return SearchConsoleError(fault.status or 400, text, fault.reason or "badRequest")
    return None


@dataclass(frozen=True)
class _Query:
    start: date
    end: date
    dimensions: tuple[str, ...]
    filters: tuple[tuple[str, str, str], ...]  # dimension, operator, expression
    aggregation: str
    limit: int
    offset: int
    state: str
    type: str


class SearchConsoleService:
    """Answers ``sites.list``, ``sites.get`` and ``searchanalytics.query``.

    ``rows_per_day`` caps what is answered by query or page, by clicks.
    """

    def __init__(
        self,
        world: World,
        clock: Clock,
        tokens: Tokens,
        faults: Faults,
        calls: CallLog,
        rows_per_day: int = ROWS_PER_DAY,
    ) -> None:
        self.world = world
        self.clock = clock
        self.tokens = tokens
        self.faults = faults
        self.calls = calls
        self.rows_per_day = rows_per_day

    def answer(
        self, method: str, site_url: str | None, body: bytes, authorization: str | None
    ) -> tuple[dict[str, Any], Fault | None]:
        """Return the JSON answer and the fault that the transport must play on it.

        Raises SearchConsoleError.
        """
        asked: dict[str, Any] = {}
        try:
            if self.tokens.check(authorization) == "missing":
                raise SearchConsoleError(401, "Login Required.", "required")
            if self.tokens.check(authorization) != "valid":
                raise SearchConsoleError(401, "Invalid Credentials", "authError")
            text = body.decode("utf-8", "replace")
            fault = self.faults.take("search_console", method, site_url, text)
            if fault and (error := fault_error(fault, site_url or "")):
                raise error
            if method == "sites.list":
                answer = {"siteEntry": [_entry(site) for site in self.world.sites]}
            else:
                site = next((s for s in self.world.sites if s.site_url == site_url), None)
                if site is None:
                    raise _forbidden_site(site_url or "")
                if method == "sites.get":
                    answer = _entry(site)
                else:
                    asked = _read_json(body)
                    query = _read_query(asked, self.clock.today)
                    answer = self._query(site, query)
                    if fault is None:
                        fault = self._spoil(answer, query, site_url, text)
        except SearchConsoleError as error:
            self.calls.add("search_console", method, site_url, error.code, reason=error.reason)
            raise
        status = fault.kind if fault else 200
        detail = {"request": asked, "rows": len(answer.get("rows", []))} if asked else {}
        self.calls.add("search_console", method, site_url, status, **detail)
        return answer, fault

    def _spoil(
        self, answer: dict[str, Any], asked: _Query, site_url: str | None, request: str
    ) -> Fault | None:
        fault = self.faults.take_poison(
            "search_console",
            "searchanalytics.query",
            site_url,
            request,
            lambda fault: (
                ("date" in asked.dimensions or fault.asks is not None)
                and poison.search_fits(fault.detail or "", asked.dimensions, answer)
            ),
        )
        if fault is not None:
            poison.spoil_search(answer, fault.detail or "", asked.dimensions, request)
        return fault

    def _query(self, site: Site, asked: _Query) -> dict[str, Any]:
        named = {*asked.dimensions, *_filtered(asked)}
        by_page = asked.aggregation == "byPage" or (
            asked.aggregation == "auto" and bool(named & {"page", "searchAppearance"})
        )
        answer: dict[str, Any] = {"responseAggregationType": "byPage" if by_page else "byProperty"}
        if asked.type != "web":  # the world's people search the web alone
            return answer
        facts = self.world.search_facts(
            site.site_url, self.clock.as_of, final=asked.state == "final"
        )
        facts = _days_of(facts, asked.start, asked.end)
        if asked.state == "all" and "date" in asked.dimensions:
            provisional = facts.filter(facts["is_provisional"])
            if provisional.num_rows:
                first = pc.min(provisional["date_day"]).as_py()
                answer["metadata"] = {"firstIncompleteDate": first.isoformat()}
        # rare queries are counted in totals and withheld from everything about queries
        if "query" in {*asked.dimensions, *_filtered(asked)}:
            facts = facts.filter(pc.is_valid(facts["query"]))
        if "country" in {*asked.dimensions, *_filtered(asked)}:
            facts = facts.append_column("country", _countries(facts))
        if "searchAppearance" in named:  # what looks plain is told of by none
            facts = facts.append_column("searchAppearance", appearances(facts))
            facts = facts.filter(pc.is_valid(facts["searchAppearance"]))
        for dimension, operator, expression in asked.filters:
            facts = facts.filter(_filter_mask(facts[dimension], operator, expression))
        rows = self._rows(facts, asked, by_page)
        page = rows[asked.offset : asked.offset + asked.limit]
        if page:
            answer["rows"] = page
        return answer

    def _rows(self, facts: pa.Table, asked: _Query, by_page: bool) -> list[dict[str, Any]]:
        if not facts.num_rows:
            return []
        table = facts.append_column("date", facts["date_day"].cast(pa.string()))
        result = table.group_by(list(asked.dimensions), use_threads=False).aggregate(
            [("clicks", "sum"), ("impressions", "sum"), ("position_sum", "sum")]
        )
        keys = [result[name].to_pylist() for name in asked.dimensions]
        measures = [
            result[f"{name}_sum"].to_pylist() for name in ("clicks", "impressions", "position_sum")
        ]
        found = [
            (key, clicks, impressions, position_sum)
            for key, clicks, impressions, position_sum in zip(
                zip(*keys, strict=True) if keys else [()] * result.num_rows, *measures, strict=True
            )
            if impressions
        ]
        # most clicks first; by date, the oldest day first
        found.sort(key=lambda row: (-row[1], -row[2], row[0]))
        if "date" in asked.dimensions:
            at = asked.dimensions.index("date")
            found.sort(key=lambda row: row[0][at])
        if {"query", "page"} & set(asked.dimensions):
            found = self._capped(found, asked)
        rows = []
        for key, clicks, impressions, position_sum in found:
            shown = impressions + int(impressions * EXTRA_IMPRESSIONS_BY_PAGE) * by_page
            row: dict[str, Any] = {
                "clicks": clicks,
                "impressions": shown,
                "ctr": clicks / shown,
                "position": position_sum / impressions,
            }
            rows.append({"keys": list(key), **row} if key else row)
        return rows

    def _capped(self, found: list[Any], asked: _Query) -> list[Any]:
        if "date" not in asked.dimensions:
            return found[: self.rows_per_day]
        at = asked.dimensions.index("date")
        kept, seen = [], dict[str, int]()
        for row in found:
            day = row[0][at]
            seen[day] = seen.get(day, 0) + 1
            if seen[day] <= self.rows_per_day:
                kept.append(row)
        return kept


def _days_of(facts: pa.Table, start: date, end: date) -> pa.Table:
    """Return the rows from ``start`` to ``end``, both included; facts are sorted by day."""
    days = facts["date_day"].combine_chunks().view(pa.int32()).to_numpy()
    # of the same type as the days, or else all of them are converted first
    asked = np.array([(day - date(1970, 1, 1)).days for day in (start, end)], np.int32)
    first = int(np.searchsorted(days, asked[0], side="left"))
    last = int(np.searchsorted(days, asked[1], side="right"))
    return facts.slice(first, last - first)


# from where people search: seven, two and one in ten of what they search for
_COUNTRIES = ("nld",) * 7 + ("bel",) * 2 + ("deu",)


def _countries(facts: pa.Table) -> pa.Array:
    """Return the country of each row: always the same for a query, page and device."""
    named = pc.binary_join_element_wise(
        pc.fill_null(facts["query"], ""), facts["page"], facts["device"], "|"
    ).combine_chunks()
    known = named.dictionary_encode()
    codes = [zlib.crc32(text.encode()) % len(_COUNTRIES) for text in known.dictionary.to_pylist()]
    countries = pa.array([_COUNTRIES[code] for code in codes], pa.string())
    return countries.take(known.indices)


# how results look: three in ten are of products, one in ten has stars
_LOOKS = ("PRODUCT_SNIPPETS",) * 3 + ("REVIEW_SNIPPET",) + (None,) * 6


def appearances(facts: pa.Table) -> pa.Array:
    """Return how the result of each row looked, null for plain: always the same for a page."""
    known = pc.binary_join_element_wise(facts["page"], facts["device"], "|").combine_chunks()
    known = known.dictionary_encode()
    codes = [zlib.crc32(text.encode()) % len(_LOOKS) for text in known.dictionary.to_pylist()]
    return pa.array([_LOOKS[code] for code in codes], pa.string()).take(known.indices)


def _entry(site: Site) -> dict[str, Any]:
    return {"siteUrl": site.site_url, "permissionLevel": site.permission_level}


def _filtered(asked: _Query) -> set[str]:
    return {dimension for dimension, _, _ in asked.filters}


# --- what is asked ----------------------------------------------------------------------------


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body or b"{}")
    except ValueError as problem:
        raise _invalid("Parse Error", "parseError") from problem
    if not isinstance(said, dict):
        raise _invalid("Parse Error", "parseError")
    for name, value in said.items():
        if name not in _FIELDS:
            raise _invalid(
                f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.',
                "badRequest",
            )
        number = isinstance(value, int) and not isinstance(value, bool)
        if not (number if _FIELDS[name] is int else isinstance(value, _FIELDS[name])):
            raise _invalid(f"Invalid value at '{name}': {json.dumps(value)[:80]}", "badRequest")
    return said


def _choose(said: Any, known: tuple[str, ...], field: str) -> str:
    """Read an enum, whether written ``byPage``, ``BY_PAGE`` or ``bypage``."""
    flat = str(said).replace("_", "").casefold()
    for one in known:
        if one.casefold() == flat:
            return one
    raise _invalid(f"Invalid value at '{field}': \"{said}\"", "badRequest")


def _read_query(said: Mapping[str, Any], today: date) -> _Query:
    start, end = (_read_day(said, name) for name in ("startDate", "endDate"))
    if end < start:
        raise _invalid(f"startDate '{start}' must be before or equal to endDate '{end}'.")
    if start < _months_before(today, RETENTION_MONTHS):
        raise _invalid(
            f"startDate '{start}' is out of range: it must be within the last "
            f"{RETENTION_MONTHS} months."
        )
    limit, offset = said.get("rowLimit", DEFAULT_ROWS), said.get("startRow", 0)
    if not 1 <= limit <= MAX_ROWS:
        raise _invalid(f"Row limit must be between 1 and {MAX_ROWS}. Got {limit}.")
    if offset < 0:
        raise _invalid(f"Start row must be a non-negative number. Got {offset}.")
    dimensions = tuple(
        _choose(one, _DIMENSIONS, "dimensions") for one in said.get("dimensions", ())
    )
    if len(set(dimensions)) < len(dimensions):
        raise _invalid("Duplicate dimensions are not allowed.")
    filters = _read_filters(said.get("dimensionFilterGroups", ()))
    state = _choose(said.get("dataState", "final"), _STATES, "dataState")
    asked = _Query(
        start=start,
        end=end,
        dimensions=dimensions,
        filters=filters,
        aggregation=_choose(said.get("aggregationType", "auto"), _AGGREGATIONS, "aggregationType"),
        limit=limit,
        offset=offset,
        state=state,
        type=_choose(said.get("type", said.get("searchType", "web")), _TYPES, "type"),
    )
    _check_rules(asked)
    return asked


def _check_rules(asked: _Query) -> None:
    named = {*asked.dimensions, *_filtered(asked)}
    if asked.aggregation == "byProperty" and "page" in named:
        raise _invalid(
            "Aggregation type 'byProperty' is invalid when grouping or filtering by page."
        )
    if asked.aggregation == "byProperty" and asked.type in ("discover", "googleNews"):
        raise _invalid(f"Aggregation type 'byProperty' is not supported for type '{asked.type}'.")
    if asked.aggregation == "byNewsShowcasePanel":
        raise _invalid("byNewsShowcasePanel needs the NEWS_SHOWCASE search appearance filter.")
    if "searchAppearance" in asked.dimensions and len(asked.dimensions) > 1:
        raise _invalid("searchAppearance cannot be grouped together with other dimensions.")
    if "hour" in asked.dimensions and asked.state != "hourlyAll":
        raise _invalid("Grouping by hour requires dataState 'hourly_all'.")
    if asked.state == "hourlyAll" and "hour" not in asked.dimensions:
        raise _invalid("dataState 'hourly_all' requires grouping by hour.")
    if asked.aggregation == "byProperty" and "searchAppearance" in named:
        raise _invalid("Aggregation type 'byProperty' is invalid for search appearances.")
    if missing := sorted(named & {"hour"}):
        raise _invalid(f"{missing[0]} exists, but the sandbox's world holds no figures for it.")


def _read_day(said: Mapping[str, Any], field: str) -> date:
    text = said.get(field)
    if text is None:
        raise _invalid(f"{field} field is required.", "required")
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise _invalid(f"Invalid value '{text}' for {field}. Dates must be in YYYY-MM-DD format.")


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, 28))


def _read_filters(groups: Any) -> tuple[tuple[str, str, str], ...]:
    filters = []
    for group in groups:
        if not isinstance(group, dict) or set(group) - {"groupType", "filters"}:
            raise _invalid("Invalid value at 'dimensionFilterGroups'", "badRequest")
        _choose(group.get("groupType", "and"), ("and",), "groupType")
        for one in group.get("filters", ()):
            if not isinstance(one, dict) or set(one) - {"dimension", "operator", "expression"}:
                raise _invalid("Invalid value at 'dimensionFilterGroups.filters'", "badRequest")
            dimension = _choose(one.get("dimension", ""), _DIMENSIONS, "dimension")
            if dimension in ("date", "hour"):
                raise _invalid(f"Filtering by {dimension} is not supported.")
            operator = _choose(one.get("operator", "equals"), _OPERATORS, "operator")
            filters.append((dimension, operator, str(one.get("expression", ""))))
    return tuple(filters)


def _filter_mask(values: pa.ChunkedArray, operator: str, expression: str) -> pa.Array:
    """Return which rows pass; values are compared without regard to case."""
    folded = expression.casefold()
    if operator.endswith("Regex"):
        try:
            pattern = re.compile(expression)
        except re.error as problem:
            raise _invalid(f"Invalid regular expression '{expression}'.") from problem
        tests: dict[str, Callable[[str], bool]] = {
            "includingRegex": lambda value: bool(pattern.search(value)),
            "excludingRegex": lambda value: not pattern.search(value),
        }
    else:
        tests = {
            "equals": lambda value: value.casefold() == folded,
            "notEquals": lambda value: value.casefold() != folded,
            "contains": lambda value: folded in value.casefold(),
            "notContains": lambda value: folded not in value.casefold(),
        }
    passing = [value for value in pc.unique(values).to_pylist() if tests[operator](value)]
    return pc.is_in(values, value_set=pa.array(passing, values.type))
