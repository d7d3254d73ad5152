"""One GA4 report, computed from the world as the Data API would answer it.

Sources: https://developers.google.com/analytics/devguides/reporting/data/v1/rest/v1beta/properties/runReport,
https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.sandbox.errors import ApiError
from connectors.sandbox.world_ga4_grains import event_facts, item_facts, with_active_users

SCHEMA_PAGE = (
    "For a list of valid dimensions and metrics, see "
    "https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema "
)
EXPLORER_PAGE = (
    "The request's dimensions & metrics are incompatible. To learn more, see "
    "https://ga-dev-tools.google/ga4/dimensions-metrics-explorer/"
)
DEFAULT_LIMIT, MAX_LIMIT = 10_000, 250_000
MAX_DIMENSIONS, MAX_METRICS, MAX_DATE_RANGES = 9, 10, 4
# GA4 came out of App + Web; the API refuses days before
EARLIEST_DAY = date(2015, 8, 14)

# Users are counted once in every row of an answer. Of those outside the largest of the world's
# rows that an answered row brings together, this share is somebody new to it: the rest came
# more than once. One world row is answered exactly; any more never exceed their sum.
# New users are new only once, so that they do add up.
DISTINCT_SHARE_OF_USERS = 0.82

KEY_EVENT_COLUMN = "key_event__"


@dataclass(frozen=True)
class Dimension:
    """``values`` turns world rows into the strings of the API."""

    name: str
    ui_name: str
    category: str
    values: Callable[[pa.Table], pa.Array]
    scope: str = "session"


@dataclass(frozen=True)
class Metric:
    """``type`` is the name in MetricType; ``distinct`` marks users over time, who do not add up."""

    name: str
    ui_name: str
    type: str
    columns: tuple[str, ...]
    category: str = "Session"
    distinct: float | None = None
    scope: str = "session"
    ratio: Callable[[float, float], float] | None = None
    event: str | None = None
    former_names: tuple[str, ...] = ()


def _column(name: str) -> Callable[[pa.Table], pa.Array]:
    return lambda rows: rows[name].combine_chunks()


def _day(pattern: str) -> Callable[[pa.Table], pa.Array]:
    return lambda rows: pc.strftime(rows["date_day"].combine_chunks(), format=pattern)


def _one_of(*values: str) -> Callable[[pa.Table], pa.Array]:
    """Give each row of the world one of the values, always the same one.

    A row, such as a day of one campaign, is so little that it is of one device or place.
    """

    def choose(rows: pa.Table) -> pa.Array:
        parts = [_day("%Y%m%d")(rows), *(_column(n)(rows) for n in _TRAFFIC)]
        known = pc.binary_join_element_wise(*parts, "|").dictionary_encode()
        at = [
            zlib.crc32(f"{text}|{values[0]}".encode()) % len(values)
            for text in known.dictionary.to_pylist()
        ]
        return pa.array([values[one] for one in at], pa.string()).take(known.indices)

    return choose


_TRAFFIC = ("channel_group", "source", "medium", "campaign_name")


def _source_medium(rows: pa.Table) -> pa.Array:
    return pc.binary_join_element_wise(
        rows["source"].combine_chunks(), rows["medium"].combine_chunks(), " / "
    )


DIMENSIONS: dict[str, Dimension] = {
    d.name: d
    for d in (
        Dimension("date", "Date", "Time", _day("%Y%m%d"), scope="any"),
        Dimension("day", "Day", "Time", _day("%d"), scope="any"),
        Dimension("dayOfWeek", "Day of week", "Time", _day("%w"), scope="any"),
        Dimension("isoWeek", "ISO week of the year", "Time", _day("%V"), scope="any"),
        Dimension("isoYearIsoWeek", "ISO week of ISO year", "Time", _day("%G%V"), scope="any"),
        Dimension("month", "Month", "Time", _day("%m"), scope="any"),
        Dimension("year", "Year", "Time", _day("%Y"), scope="any"),
        Dimension("yearMonth", "Year month", "Time", _day("%Y%m"), scope="any"),
        Dimension(
            "sessionDefaultChannelGroup",
            "Session default channel group",
            "Traffic source",
            _column("channel_group"),
        ),
        Dimension("sessionSource", "Session source", "Traffic source", _column("source")),
        Dimension("sessionMedium", "Session medium", "Traffic source", _column("medium")),
        Dimension(
            "sessionSourceMedium", "Session source / medium", "Traffic source", _source_medium
        ),
        Dimension(
            "sessionCampaignName", "Session campaign", "Traffic source", _column("campaign_name")
        ),
        Dimension(
            "deviceCategory",
            "Device category",
            "Platform / device",
            _one_of("mobile", "mobile", "desktop", "tablet"),
        ),
        Dimension(
            "country",
            "Country",
            "Geography",
            _one_of("Netherlands", "Netherlands", "Netherlands", "Belgium", "(not set)"),
        ),
        Dimension(
            "landingPage",
            "Landing page",
            "Page / screen",
            _one_of("/", "/collectie", "/actie", "(not set)", ""),
        ),
        Dimension(
            "newVsReturning",
            "New / returning",
            "User",
            _one_of("new", "returning", "new", "(not set)"),
        ),
        Dimension("eventName", "Event name", "Event", _column("event_name"), scope="event"),
        Dimension("isKeyEvent", "Is key event", "Event", _column("is_key_event"), scope="event"),
        Dimension("itemId", "Item ID", "Ecommerce", _column("item_id"), scope="item"),
        Dimension("itemName", "Item name", "Ecommerce", _column("item_name"), scope="item"),
        Dimension("itemBrand", "Item brand", "Ecommerce", _column("item_brand"), scope="item"),
        Dimension(
            "itemCategory", "Item category", "Ecommerce", _column("item_category"), scope="item"
        ),
    )
}

_METRICS: tuple[Metric, ...] = (
    Metric("sessions", "Sessions", "TYPE_INTEGER", ("sessions",)),
    Metric("engagedSessions", "Engaged sessions", "TYPE_INTEGER", ("engaged_sessions",)),
    Metric(
        "engagementRate",
        "Engagement rate",
        "TYPE_FLOAT",
        ("engaged_sessions", "sessions"),
        ratio=lambda part, whole: part / whole if whole else 0.0,
    ),
    Metric(
        "bounceRate",
        "Bounce rate",
        "TYPE_FLOAT",
        ("engaged_sessions", "sessions"),
        ratio=lambda part, whole: 1 - part / whole if whole else 0.0,
    ),
    Metric(
        "totalUsers",
        "Total users",
        "TYPE_INTEGER",
        ("total_users",),
        "User",
        distinct=DISTINCT_SHARE_OF_USERS,
        scope="any",
    ),
    Metric(
        "activeUsers",
        "Active users",
        "TYPE_INTEGER",
        ("active_users",),
        "User",
        distinct=DISTINCT_SHARE_OF_USERS,
        scope="any",
    ),
    Metric("eventCount", "Event count", "TYPE_INTEGER", ("event_count",), "Event", scope="event"),
    Metric("eventValue", "Event value", "TYPE_FLOAT", ("event_value",), "Event", scope="event"),
    *(
        Metric(name, ui_name, kind, (column,), "Ecommerce", scope="item")
        for name, ui_name, kind, column in (
            ("itemsViewed", "Items viewed", "TYPE_INTEGER", "items_viewed"),
            ("itemsAddedToCart", "Items added to cart", "TYPE_INTEGER", "items_added_to_cart"),
            ("itemsCheckedOut", "Items checked out", "TYPE_INTEGER", "items_checked_out"),
            ("itemsPurchased", "Items purchased", "TYPE_INTEGER", "items_purchased"),
            ("itemRevenue", "Item revenue", "TYPE_CURRENCY", "item_revenue"),
        )
    ),
    Metric("newUsers", "New users", "TYPE_INTEGER", ("new_users",), "User"),
    Metric("transactions", "Transactions", "TYPE_INTEGER", ("transactions",), "Ecommerce"),
    Metric(
        "purchaseRevenue", "Purchase revenue", "TYPE_CURRENCY", ("purchase_revenue",), "Ecommerce"
    ),
    Metric(
        "firstTimePurchasers",
        "First time purchasers",
        "TYPE_INTEGER",
        ("first_time_purchasers",),
        "Ecommerce",
    ),
    Metric(
        "keyEvents",
        "Key events",
        "TYPE_FLOAT",
        ("key_events",),
        "Event",
        scope="any",
        former_names=("conversions",),
    ),
)

# Names of the real schema for which the world has no figures. A report with them is refused
# with a word rather than answered with invented ones.
_NOT_HELD = """
    achievementId audienceName browser campaignName city cityId cohort contentId continent
    countryId dateHour dateHourMinute defaultChannelGroup deviceModel
    eventCountPerUser eventsPerSession active1DayUsers active7DayUsers active28DayUsers
    addToCarts averagePurchaseRevenue averageSessionDuration checkouts
    advertiserAdClicks advertiserAdCost advertiserAdImpressions ecommercePurchases
    firstSessionDate firstUserCampaignName firstUserDefaultChannelGroup firstUserMedium
    firstUserSource fullPageUrl googleAdsCampaignId googleAdsCampaignName grossPurchaseRevenue
    hostName hour language landingPagePlusQueryString medium minute
    nthDay nthMonth nthWeek operatingSystem pageLocation pagePath pageTitle platform
    purchaserRate refundAmount region screenPageViews screenPageViewsPerSession screenResolution
    sessionCampaignId sessionConversionRate sessionGoogleAdsCampaignId
    sessionGoogleAdsCampaignName sessionKeyEventRate sessionManualAdContent
    sessionPrimaryChannelGroup sessionSourcePlatform sessionsPerUser source sourceMedium streamId
    totalAdRevenue totalPurchasers totalRevenue transactionId transactionsPerPurchaser
    unifiedScreenName
    userAgeBracket userEngagementDuration userGender week yearWeek
"""
NOT_HELD = frozenset(_NOT_HELD.split())
# item-scoped names go with one another only
_ITEM_SCOPED = """
    itemId itemName itemBrand itemCategory itemRevenue itemsPurchased itemsViewed itemsAddedToCart
    itemsCheckedOut itemVariant itemListName
"""
ITEM_SCOPED = frozenset(_ITEM_SCOPED.split())


def key_events_of(facts: pa.Table) -> tuple[str, ...]:
    """Return the names of a property's key events, from the columns of its facts."""
    return tuple(
        name.removeprefix(KEY_EVENT_COLUMN)
        for name in facts.column_names
        if name.startswith(KEY_EVENT_COLUMN)
    )


def metrics_for(key_events: Sequence[str]) -> dict[str, Metric]:
    """Return every metric of a property by name, ``keyEvents:<name>`` and old names included."""
    known: dict[str, Metric] = {}
    for metric in _METRICS:
        for name in (metric.name, *metric.former_names):
            known[name] = metric
    for event in key_events:
        metric = Metric(
            f"keyEvents:{event}",
            f"Key event count for {event}",
            "TYPE_FLOAT",
            (KEY_EVENT_COLUMN + event,),
            "Event",
            event=event,
            former_names=(f"conversions:{event}",),
            scope="any",
        )
        known[metric.name] = known[metric.former_names[0]] = metric
    return known


@dataclass(frozen=True)
class ReportRange:
    name: str
    start: date
    end: date

    @property
    def days(self) -> int:
        return (self.end - self.start).days + 1


@dataclass
class Report:
    """``rows`` are (dimension values, metric values) after order, offset and limit."""

    dimension_names: list[str]
    metric_names: list[str]
    metric_types: list[str]
    rows: list[tuple[tuple[str, ...], tuple[float, ...]]]
    row_count: int
    totals: list[tuple[tuple[str, ...], tuple[float, ...]]]
    maximums: list[tuple[tuple[str, ...], tuple[float, ...]]]
    minimums: list[tuple[tuple[str, ...], tuple[float, ...]]]
    ranges: list[ReportRange]


def refuse(message: str) -> ApiError:
    return ApiError("INVALID_ARGUMENT", message)


# --- what is asked ----------------------------------------------------------------------------


def check_names(
    dimensions: Sequence[str], metrics: Sequence[str], known_metrics: dict[str, Metric]
) -> None:
    """Raise INVALID_ARGUMENT for unknown names and for names that do not go together."""
    for kind, names, known in (
        ("dimension", dimensions, DIMENSIONS),
        ("metric", metrics, known_metrics),
    ):
        for name in names:
            if name in known or name in ITEM_SCOPED or name == "dateRange":
                continue
            if name in NOT_HELD:
                raise refuse(f"Field {name} exists, but the sandbox's world holds no figures.")
            raise refuse(f"Field {name} is not a valid {kind}. {SCHEMA_PAGE}")
        if len(set(names)) < len(names):
            twice = next(name for name in names if list(names).count(name) > 1)
            raise refuse(f"Found duplicate {kind}s: {twice}.")
    if odd := sorted(ITEM_SCOPED & {*dimensions, *metrics}):
        others = [n for n in (*dimensions, *metrics) if n not in ITEM_SCOPED and n != "date"]
        if others:
            raise refuse(
                f"Please remove {odd[0]} to make the request compatible for example. "
                f"{EXPLORER_PAGE}"
            )
        if lacking := sorted({*odd} - {*DIMENSIONS, *known_metrics}):
            raise refuse(f"Field {lacking[0]} exists, but the sandbox's world holds no figures.")
    if any(name in DIMENSIONS and DIMENSIONS[name].scope == "event" for name in dimensions):
        for name in metrics:
            if known_metrics[name].scope == "session":
                raise refuse(
                    f"Please remove {name} to make the request compatible for example. "
                    f"{EXPLORER_PAGE}"
                )


def is_compatible(name: str, dimensions: Sequence[str], metrics: Sequence[str]) -> bool:
    """Whether a dimension or metric may be added to a request that is itself compatible."""
    known = metrics_for([m.partition(":")[2] for m in (*metrics, name) if ":" in m])
    as_dimension = name in DIMENSIONS
    try:
        check_names(
            [*dimensions, name] if as_dimension and name not in dimensions else dimensions,
            [*metrics, name] if not as_dimension and name not in metrics else metrics,
            known,
        )
    except ApiError:
        return False
    return True


_RELATIVE = re.compile(r"(\d+)daysAgo")
_ABSOLUTE = re.compile(r"\d{4}-\d{2}-\d{2}")


def read_day(text: str, today: date) -> date:
    """Read ``YYYY-MM-DD``, ``today``, ``yesterday`` or ``NdaysAgo``."""
    if text == "today":
        return today
    if text == "yesterday":
        return today - timedelta(days=1)
    if match := _RELATIVE.fullmatch(text):
        return today - timedelta(days=min(int(match[1]), 100_000))
    if _ABSOLUTE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise refuse(
        f"Invalid date: {text or '(empty)'}. Dates must be in YYYY-MM-DD format, NdaysAgo, "
        "yesterday, or today."
    )


def read_ranges(said: Sequence[Any], today: date) -> list[ReportRange]:
    if not said:
        raise refuse("Please specify at least one date range in dateRanges.")
    if len(said) > MAX_DATE_RANGES:
        raise refuse(f"Requests are limited to {MAX_DATE_RANGES} dateRanges.")
    ranges = []
    for at, one in enumerate(said):
        start, end = read_day(one.start_date, today), read_day(one.end_date, today)
        if end < start:
            raise refuse(
                f"Invalid date range: startDate {one.start_date} is after endDate {one.end_date}."
            )
        if start < EARLIEST_DAY:
            raise refuse(f"startDate {one.start_date} is before the earliest day {EARLIEST_DAY}.")
        if one.name.startswith(("date_range_", "RESERVED_")):
            raise refuse(f"Date range name {one.name} is reserved.")
        ranges.append(ReportRange(one.name or f"date_range_{at}", start, end))
    if len({one.name for one in ranges}) < len(ranges):
        raise refuse("Date range names must be unique.")
    return ranges


# --- filters ----------------------------------------------------------------------------------


def _string_test(said: Any) -> Callable[[str], bool]:
    kinds = type(said).MatchType
    wanted, sensitive = said.value, said.case_sensitive
    if said.match_type in (kinds.FULL_REGEXP, kinds.PARTIAL_REGEXP):
        try:
            pattern = re.compile(wanted, 0 if sensitive else re.IGNORECASE)
        except re.error as problem:
            raise refuse(f"Invalid regular expression: {wanted}: {problem}.") from problem
        find = pattern.fullmatch if said.match_type == kinds.FULL_REGEXP else pattern.search
        return lambda value: find(value) is not None
    if not sensitive:
        wanted = wanted.casefold()
    tests: dict[int, Callable[[str], bool]] = {
        kinds.MATCH_TYPE_UNSPECIFIED: lambda value: value == wanted,
        kinds.EXACT: lambda value: value == wanted,
        kinds.BEGINS_WITH: lambda value: value.startswith(wanted),
        kinds.ENDS_WITH: lambda value: value.endswith(wanted),
        kinds.CONTAINS: lambda value: wanted in value,
    }
    if said.match_type not in tests:
        raise refuse(f"Unknown string filter match type {said.match_type}.")
    test = tests[said.match_type]
    return test if sensitive else lambda value: test(value.casefold())


def _number(said: Any) -> float:
    kind = said.WhichOneof("one_value")
    if kind is None:
        raise refuse("A numeric filter needs int64Value or doubleValue.")
    return float(getattr(said, kind))


def _numeric_test(said: Any) -> Callable[[float], bool]:
    operations = type(said).Operation
    bound = _number(said.value)
    tests: dict[int, Callable[[float], bool]] = {
        operations.EQUAL: lambda value: value == bound,
        operations.LESS_THAN: lambda value: value < bound,
        operations.LESS_THAN_OR_EQUAL: lambda value: value <= bound,
        operations.GREATER_THAN: lambda value: value > bound,
        operations.GREATER_THAN_OR_EQUAL: lambda value: value >= bound,
    }
    if said.operation not in tests:
        raise refuse("A numeric filter needs an operation.")
    return tests[said.operation]


def _as_number(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan  # compares false with everything


def filter_test(said: Any, on_metric: bool) -> Callable[[Any], bool]:
    """Return the test of one ``Filter`` on a dimension's text or a metric's number."""
    kind = said.WhichOneof("one_filter")
    if kind == "numeric_filter":
        numeric = _numeric_test(said.numeric_filter)
        return lambda value: numeric(_as_number(value))
    if kind == "between_filter":
        low = _number(said.between_filter.from_value)
        high = _number(said.between_filter.to_value)
        return lambda value: low <= _as_number(value) <= high
    if on_metric:
        raise refuse(f"Metric {said.field_name} takes a numericFilter or betweenFilter only.")
    if kind == "string_filter":
        return _string_test(said.string_filter)
    if kind == "in_list_filter":
        if not said.in_list_filter.values:
            raise refuse(f"The inListFilter on {said.field_name} has no values.")
        if said.in_list_filter.case_sensitive:
            exact = frozenset(said.in_list_filter.values)
            return lambda value: value in exact
        folded = frozenset(value.casefold() for value in said.in_list_filter.values)
        return lambda value: value.casefold() in folded
    if kind == "empty_filter":
        return lambda value: value in ("", "(not set)")
    raise refuse(f"The filter on {said.field_name or '(no field)'} says nothing.")


def filter_fields(expression: Any) -> list[str]:
    """Return the field names of a filter expression, each once, in the order of writing."""
    found: list[str] = []

    def walk(part: Any) -> None:
        kind = part.WhichOneof("expr")
        if kind in ("and_group", "or_group"):
            for one in getattr(part, kind).expressions:
                walk(one)
        elif kind == "not_expression":
            walk(part.not_expression)
        elif kind == "filter" and part.filter.field_name not in found:
            found.append(part.filter.field_name)

    walk(expression)
    return found


def _mask(expression: Any, rows: pa.Table) -> pa.Array:
    """Return which world rows pass a dimension filter."""
    kind = expression.WhichOneof("expr")
    if kind in ("and_group", "or_group"):
        parts = getattr(expression, kind).expressions
        if not parts:
            raise refuse("A filter group needs at least one expression.")
        masks = [_mask(part, rows) for part in parts]
        joined = masks[0]
        for one in masks[1:]:
            joined = pc.and_(joined, one) if kind == "and_group" else pc.or_(joined, one)
        return joined
    if kind == "not_expression":
        return pc.invert(_mask(expression.not_expression, rows))
    if kind == "filter":
        values = DIMENSIONS[expression.filter.field_name].values(rows)
        test = filter_test(expression.filter, on_metric=False)
        passing = [value for value in pc.unique(values).to_pylist() if test(value)]
        return pc.is_in(values, value_set=pa.array(passing, values.type))
    raise refuse("The filter expression is empty.")


def _passes(expression: Any, values: dict[str, float]) -> bool:
    """Whether one row of the answer passes a metric filter."""
    kind = expression.WhichOneof("expr")
    if kind == "and_group":
        return all(_passes(part, values) for part in expression.and_group.expressions)
    if kind == "or_group":
        return any(_passes(part, values) for part in expression.or_group.expressions)
    if kind == "not_expression":
        return not _passes(expression.not_expression, values)
    if kind == "filter":
        return filter_test(expression.filter, on_metric=True)(values[expression.filter.field_name])
    raise refuse("The filter expression is empty.")


# --- the report -------------------------------------------------------------------------------


def compute_report(request: Any, facts: pa.Table, today: date) -> Report:
    """Answer a ``RunReportRequest`` message from ``facts``, the rows known today.

    ``facts`` has the grain day × channel group × source × medium × campaign.
    Raises ApiError with the status of the real API.
    """
    _check_request(request)
    dimensions = [one.name for one in request.dimensions]
    metrics = [one.name for one in request.metrics]
    known = metrics_for(key_events_of(facts))
    filtered = filter_fields(request.dimension_filter)
    for name in filtered:
        if name not in DIMENSIONS and name not in NOT_HELD | ITEM_SCOPED:
            raise refuse(f"Field {name} is not a valid dimension. {SCHEMA_PAGE}")
    check_names(
        [*dimensions, *(name for name in filtered if name not in dimensions)], metrics, known
    )
    for name in filter_fields(request.metric_filter):
        if name not in metrics:
            raise refuse(f"Metric {name} of the metricFilter is not among the request's metrics.")
    ranges = read_ranges(request.date_ranges, today)

    facts = _of_scope(
        facts,
        {DIMENSIONS[n].scope for n in (*dimensions, *filtered) if n != "dateRange"}
        | {known[n].scope for n in metrics},
        only_key_events=all(known[n].columns == ("key_events",) or known[n].event for n in metrics),
    )
    if len(ranges) > 1 and "dateRange" not in dimensions:
        dimensions.append("dateRange")

    rows: list[tuple[tuple[str, ...], tuple[float, ...]]] = []
    totals = []
    for one in ranges:
        asked = _within(facts, one)
        if request.HasField("dimension_filter"):
            asked = asked.filter(_mask(request.dimension_filter, asked))
        grouped = _group(asked, dimensions, one, [known[name] for name in metrics])
        if not request.keep_empty_rows and metrics:
            grouped = [row for row in grouped if any(row[1])]
        if request.HasField("metric_filter"):
            grouped = [
                row
                for row in grouped
                if _passes(request.metric_filter, dict(zip(metrics, row[1], strict=True)))
            ]
        rows.extend(grouped)
        if request.metric_aggregations and grouped:
            whole = _group(asked, [], one, [known[name] for name in metrics])
            totals.append((one.name, whole[0][1]))

    _sort(rows, request.order_bys, dimensions, metrics)
    limit = min(request.limit or DEFAULT_LIMIT, MAX_LIMIT)
    visible = [at for at, one in enumerate(request.metrics) if not one.invisible]

    def shown(values: Sequence[float]) -> tuple[float, ...]:
        return tuple(values[at] for at in visible)

    def reserved(label: str, range_name: str) -> tuple[str, ...]:
        return tuple(range_name if name == "dateRange" else label for name in dimensions)

    kinds = {1: "TOTAL", 5: "MINIMUM", 6: "MAXIMUM"}
    wanted = {kinds.get(kind) for kind in request.metric_aggregations}
    by_range = {
        one.name: [
            values
            for keys, values in rows
            if "dateRange" not in dimensions or one.name == keys[dimensions.index("dateRange")]
        ]
        for one in ranges
    }

    def extremes(label: str, choose: Callable[[Any], float]) -> list[Any]:
        if label not in wanted:
            return []
        return [
            (
                reserved("RESERVED_" + label[:3], name),
                shown([choose(column) for column in zip(*values, strict=True)]),
            )
            for name, values in by_range.items()
            if values
        ]

    return Report(
        dimension_names=dimensions,
        metric_names=[metrics[at] for at in visible],
        metric_types=[known[metrics[at]].type for at in visible],
        rows=[
            (keys, shown(values)) for keys, values in rows[request.offset : request.offset + limit]
        ],
        row_count=len(rows),
        totals=[(reserved("RESERVED_TOTAL", name), shown(values)) for name, values in totals]
        if "TOTAL" in wanted
        else [],
        maximums=extremes("MAXIMUM", max),
        minimums=extremes("MINIMUM", min),
        ranges=ranges,
    )


def _check_request(request: Any) -> None:
    if not request.dimensions and not request.metrics:
        raise refuse("The request needs at least one dimension or metric.")
    if len(request.dimensions) > MAX_DIMENSIONS:
        raise refuse(f"Requests are limited to {MAX_DIMENSIONS} dimensions.")
    if len(request.metrics) > MAX_METRICS:
        raise refuse(f"Requests are limited to {MAX_METRICS} metrics.")
    if any(one.HasField("dimension_expression") for one in request.dimensions):
        raise refuse("The sandbox does not compute dimension expressions.")
    if any(one.expression for one in request.metrics):
        raise refuse("The sandbox does not compute metric expressions.")
    if request.HasField("cohort_spec") or request.comparisons:
        raise refuse("The sandbox does not answer cohorts or comparisons.")
    if request.limit < 0 or request.offset < 0:
        raise refuse("limit and offset must not be negative.")


def _within(facts: pa.Table, one: ReportRange) -> pa.Table:
    days = facts["date_day"]
    return facts.filter(
        pc.and_(
            pc.greater_equal(days, pa.scalar(one.start, pa.date32())),
            pc.less_equal(days, pa.scalar(one.end, pa.date32())),
        )
    )


def _of_scope(facts: pa.Table, scopes: set[str], only_key_events: bool) -> pa.Table:
    """Return the rows that are counted: of items, of events, or as they are.

    The events that are no key events are made only for those who ask of them.
    """
    if "item" in scopes:
        return item_facts(facts)
    if "event" in scopes and only_key_events:
        return _event_rows(facts)
    facts = with_active_users(facts)
    if "event" in scopes:
        named = {event: KEY_EVENT_COLUMN + event for event in key_events_of(facts)}
        return event_facts(facts, named)
    return _with_key_events(facts)


def _with_key_events(facts: pa.Table) -> pa.Table:
    total = pa.array([0.0] * facts.num_rows, pa.float64())
    for event in key_events_of(facts):
        total = pc.add(total, pc.cast(facts[KEY_EVENT_COLUMN + event], pa.float64()))
    return facts.append_column("key_events", total)


def _event_rows(facts: pa.Table) -> pa.Table:
    """One row for each world row and key event, with that event's count alone."""
    keys = ["date_day", "channel_group", "source", "medium", "campaign_name"]
    names = key_events_of(facts)
    parts = []
    for event in names:
        counts = pc.cast(facts[KEY_EVENT_COLUMN + event], pa.float64())
        part = facts.select(keys)
        part = part.append_column("event_name", pa.array([event] * facts.num_rows, pa.string()))
        part = part.append_column("is_key_event", pa.array(["true"] * facts.num_rows, pa.string()))
        part = part.append_column("key_events", counts)
        for other in names:
            zero = pa.array([0.0] * facts.num_rows, pa.float64())
            part = part.append_column(KEY_EVENT_COLUMN + other, counts if other == event else zero)
        parts.append(part)
    if not parts:
        raise refuse("The property has no key events.")
    return pa.concat_tables(parts)


def _group(
    rows: pa.Table, dimensions: Sequence[str], one: ReportRange, metrics: Sequence[Metric]
) -> list[tuple[tuple[str, ...], tuple[float, ...]]]:
    if not rows.num_rows:
        return []
    grouping = [f"d{at}" for at, name in enumerate(dimensions) if name != "dateRange"]
    table = pa.table(
        {
            **{
                f"d{at}": DIMENSIONS[name].values(rows)
                for at, name in enumerate(dimensions)
                if name != "dateRange"
            },
            **{column: rows[column] for metric in metrics for column in metric.columns},
            "_": pa.array([0] * rows.num_rows, pa.int8()),
        }
    )
    sums = sorted({column for metric in metrics for column in metric.columns})
    largest = sorted({metric.columns[0] for metric in metrics if metric.distinct is not None})
    result = table.group_by(grouping).aggregate(
        [("_", "count"), *((c, "sum") for c in sums), *((c, "max") for c in largest)]
    )
    keys = [
        [one.name] * result.num_rows if name == "dateRange" else result[f"d{at}"].to_pylist()
        for at, name in enumerate(dimensions)
    ]
    values = [_values(metric, result) for metric in metrics]
    key_rows = list(zip(*keys, strict=True)) if keys else [()] * result.num_rows
    value_rows = list(zip(*values, strict=True)) if values else [()] * result.num_rows
    return list(zip(key_rows, value_rows, strict=True))


def _values(metric: Metric, result: pa.Table) -> list[float]:
    columns: list[list[float]] = [result[f"{column}_sum"].to_pylist() for column in metric.columns]
    if metric.ratio is not None:
        return [metric.ratio(part, whole) for part, whole in zip(*columns, strict=True)]
    if metric.distinct is not None:
        share, most = metric.distinct, result[f"{metric.columns[0]}_max"].to_pylist()
        return [
            top + int(share * (total - top)) for total, top in zip(columns[0], most, strict=True)
        ]
    if metric.type == "TYPE_INTEGER":
        return columns[0]
    # the noise of adding floats in another order is no part of the answer
    return [round(value, 6) for value in columns[0]]


def _sort(
    rows: list[tuple[tuple[str, ...], tuple[float, ...]]],
    order_bys: Sequence[Any],
    dimensions: Sequence[str],
    metrics: Sequence[str],
) -> None:
    """Sort in place. Without orderBys: the first metric, largest first; ties by dimensions."""
    rows.sort(key=lambda row: row[0])
    if not order_bys and metrics:
        rows.sort(key=lambda row: row[1][0], reverse=True)
    for one in reversed(order_bys):
        kind = one.WhichOneof("one_order_by")
        if kind == "metric":
            name = one.metric.metric_name
            if name not in metrics:
                raise refuse(f"orderBys: metric {name} is not among the request's metrics.")
            at = metrics.index(name)
            rows.sort(key=lambda row, at=at: row[1][at], reverse=one.desc)  # type: ignore[misc]
        elif kind == "dimension":
            name = one.dimension.dimension_name
            if name not in dimensions:
                raise refuse(f"orderBys: dimension {name} is not among the request's dimensions.")
            at = dimensions.index(name)
            convert = _order_key(one.dimension)
            rows.sort(
                key=lambda row, at=at, convert=convert: convert(row[0][at]),  # type: ignore[misc]
                reverse=one.desc,
            )
        else:
            raise refuse("orderBys: pivots do not belong to runReport.")


def _order_key(said: Any) -> Callable[[str], Any]:
    orders = type(said).OrderType
    if said.order_type == orders.NUMERIC:
        return lambda value: (math.isnan(_as_number(value)), _as_number(value), value)
    if said.order_type == orders.CASE_INSENSITIVE_ALPHANUMERIC:
        return str.casefold
    return str


def write_number(value: float) -> str:
    """Write a metric value as the API does: no trailing zero, no exponent."""
    if isinstance(value, int):
        return str(value)
    return f"{value:.6f}".rstrip("0").rstrip(".") if value else "0"
