"""Which Google Ads fields exist, of what type, and what may be asked together.

Existence and types come from the protos that google-ads ships for the pinned
version; what goes together is a table of ours for the resources that the
sandbox serves (https://developers.google.com/google-ads/api/fields/v26/overview).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from google.ads.googleads.v26.services.types.google_ads_service import GoogleAdsRow

from connectors.sandbox.gaql import GaqlError, Query

Category = Literal["RESOURCE", "ATTRIBUTE", "SEGMENT", "METRIC"]
DataType = Literal[
    "BOOLEAN", "DATE", "DOUBLE", "ENUM", "INT32", "INT64", "MESSAGE", "RESOURCE_NAME", "STRING"
]

ROW = GoogleAdsRow.pb(GoogleAdsRow()).DESCRIPTOR
_SCALARS: dict[int, DataType] = {1: "DOUBLE", 2: "DOUBLE", 3: "INT64", 5: "INT32", 8: "BOOLEAN"}
_TEXT, _MESSAGE, _ENUM = 9, 11, 14

DATE_SEGMENTS = tuple(
    f"segments.{name}" for name in ("date", "week", "month", "quarter", "year", "day_of_week")
)
# these may be filtered on without being selected, and need an end to their range
CORE_DATE_SEGMENTS = DATE_SEGMENTS[:5]
ACTION_SEGMENTS = tuple(
    f"segments.{name}"
    for name in ("conversion_action", "conversion_action_name", "conversion_action_category")
)
LAG_SEGMENT = "segments.conversion_lag_bucket"
# with these only conversion metrics go together
CONVERSION_SEGMENTS = (*ACTION_SEGMENTS, LAG_SEGMENT)
CONVERSION_METRICS = tuple(
    f"metrics.{name}"
    for name in (
        "conversions",
        "conversions_value",
        "conversions_by_conversion_date",
        "conversions_value_by_conversion_date",
        "all_conversions",
        "all_conversions_value",
        "all_conversions_by_conversion_date",
        "all_conversions_value_by_conversion_date",
        "value_per_conversion",
        "value_per_all_conversions",
    )
)
# a ratio of two sums, times a factor; from the sums of what is asked for
RATIOS: dict[str, tuple[str, str, float]] = {
    f"metrics.{name}": (f"metrics.{over}", f"metrics.{under}", factor)
    for name, over, under, factor in (
        ("ctr", "clicks", "impressions", 1.0),
        ("interaction_rate", "interactions", "impressions", 1.0),
        ("average_cpc", "cost_micros", "clicks", 1.0),
        ("average_cpm", "cost_micros", "impressions", 1000.0),
        ("average_cost", "cost_micros", "interactions", 1.0),
        ("conversions_from_interactions_rate", "conversions", "interactions", 1.0),
        ("cost_per_conversion", "cost_micros", "conversions", 1.0),
        ("cost_per_all_conversions", "cost_micros", "all_conversions", 1.0),
        ("conversions_value_per_cost", "conversions_value", "cost_micros", 1e6),
        ("all_conversions_value_per_cost", "all_conversions_value", "cost_micros", 1e6),
        # auctions are told by no field of their own, only as what the shares are of
        ("search_impression_share", "search_impressions", "search_auctions", 1.0),
        ("search_top_impression_share", "search_top_impressions", "search_auctions", 1.0),
        ("search_budget_lost_impression_share", "search_lost_to_budget", "search_auctions", 1.0),
        ("search_rank_lost_impression_share", "search_lost_to_rank", "search_auctions", 1.0),
        ("value_per_conversion", "conversions_value", "conversions", 1.0),
        ("value_per_all_conversions", "all_conversions_value", "all_conversions", 1.0),
    )
}
SHARES = tuple(name for name, (_, under, _) in RATIOS.items() if under.endswith("auctions"))
METRICS = (
    "metrics.impressions",
    "metrics.clicks",
    "metrics.cost_micros",
    "metrics.interactions",
    "metrics.view_through_conversions",
    *(name for name in RATIOS if name not in CONVERSION_METRICS),
    *CONVERSION_METRICS,
)


@dataclass(frozen=True)
class Field:
    """One GAQL field; ``path`` is where it lies in a GoogleAdsRow."""

    name: str
    category: Category
    type: DataType
    path: tuple[str, ...]
    repeated: bool
    enum_values: tuple[str, ...] = ()
    type_url: str = ""

    @property
    def head(self) -> str:
        return self.path[0]


@dataclass(frozen=True)
class Resource:
    """What a FROM resource goes with: resources beside it, segments and metrics."""

    name: str
    attributed: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()


HOUR_SEGMENT = "segments.hour"
_SPLIT = (*DATE_SEGMENTS, "segments.device", "segments.ad_network_type")
_SEGMENTS = (*_SPLIT, *CONVERSION_SEGMENTS)
_PRODUCT = tuple(
    f"segments.product_{name}"
    for name in (
        "item_id",
        "merchant_id",
        "feed_label",
        "title",
        "brand",
        "type_l1",
        "custom_attribute0",
    )
)
# below the campaign no shares are told here
_DETAIL = tuple(name for name in METRICS if name not in SHARES)
RESOURCES: dict[str, Resource] = {
    resource.name: resource
    for resource in (
        Resource("customer", (), _SEGMENTS, METRICS),
        Resource(
            "campaign",
            ("customer", "campaign_budget", "bidding_strategy"),
            (*_SEGMENTS, HOUR_SEGMENT),
            METRICS,
        ),
        Resource("ad_group", ("customer", "campaign"), _SPLIT, _DETAIL),
        Resource("ad_group_ad", ("customer", "campaign", "ad_group"), _SPLIT, _DETAIL),
        Resource(
            "keyword_view",
            ("customer", "campaign", "ad_group", "ad_group_criterion"),
            _SPLIT,
            _DETAIL,
        ),
        Resource(
            "search_term_view",
            ("customer", "campaign", "ad_group"),
            (*_SPLIT, "segments.search_term_match_type"),
            _DETAIL,
        ),
        Resource("campaign_search_term_view", ("customer", "campaign"), _SPLIT, _DETAIL),
        Resource(
            "shopping_performance_view",
            ("customer", "campaign", "ad_group"),
            (*_SPLIT, *_PRODUCT),
            _DETAIL,
        ),
        Resource("geographic_view", ("customer", "campaign", "ad_group"), _SPLIT, _DETAIL),
        Resource("landing_page_view", ("customer", "campaign", "ad_group"), _SPLIT, _DETAIL),
        Resource("asset_group", ("customer", "campaign"), _SPLIT, _DETAIL),
        Resource(
            "asset_group_product_group_view",
            ("customer", "campaign", "asset_group", "asset_group_listing_group_filter"),
            _SPLIT,
            _DETAIL,
        ),
        Resource("customer_client", ("customer",)),
        Resource("conversion_action", ("customer",)),
        Resource("campaign_budget", ("customer",)),
        Resource("campaign_label", ("customer", "campaign", "label")),
        Resource("ad_group_label", ("customer", "campaign", "ad_group", "label")),
        Resource("change_event", ("customer", "campaign", "ad_group", "asset")),
    )
}

CHANGE_MOMENT = "change_event.change_date_time"
CHANGE_LIMIT = 10_000
# messages that can be selected as they are, and none of their parts
WHOLE = ("change_event.old_resource", "change_event.new_resource", "change_event.changed_fields")


class NotModelledError(Exception):
    """The field or resource exists, but this world holds nothing of it."""


@lru_cache(maxsize=4096)
def find_field(name: str) -> Field | None:
    """Look a field up in the protos; None when the API has no such field."""
    parts = name.split(".")
    message: Any = ROW
    path: list[str] = []
    leaf: Any = None
    for part in parts:
        if message is None or (leaf is not None and leaf.is_repeated):
            return None
        # proto-plus renames what is reserved in Python: `type` is `type_` in these descriptors
        leaf = message.fields_by_name.get(part) or message.fields_by_name.get(part + "_")
        if leaf is None or part.endswith("_"):
            return None
        path.append(leaf.name)
        message = leaf.message_type
    if len(parts) == 1:
        return Field(name, "RESOURCE", "MESSAGE", tuple(path), False)
    category: Category = (
        "METRIC" if parts[0] == "metrics" else "SEGMENT" if parts[0] == "segments" else "ATTRIBUTE"
    )
    enum_values: tuple[str, ...] = ()
    type_url = ""
    kind: DataType
    if leaf.type == _ENUM:
        kind, enum_values = "ENUM", tuple(v.name for v in leaf.enum_type.values)
        type_url = leaf.enum_type.full_name
    elif leaf.type == _MESSAGE:
        kind, type_url = "MESSAGE", leaf.message_type.full_name
    elif leaf.type == _TEXT:
        if name in (*CORE_DATE_SEGMENTS, CHANGE_MOMENT):
            kind = "DATE"
        elif parts[-1] in ("resource_name", "client_customer", "owner_customer") or name in (
            "segments.conversion_action",
            "campaign.campaign_budget",
            "change_event.campaign",
            "change_event.ad_group",
        ):
            kind = "RESOURCE_NAME"
        else:
            kind = "STRING"
    else:
        kind = _SCALARS.get(leaf.type, "INT64")
    return Field(name, category, kind, tuple(path), leaf.is_repeated, enum_values, type_url)


def field_of(name: str) -> Field:
    """Look a field up; raises GaqlError when it does not exist."""
    found = find_field(name)
    if found is None:
        raise GaqlError("UNRECOGNIZED_FIELD", f"Unrecognized field in the query: '{name}'.")
    return found


def check(query: Query) -> Resource:
    """Refuse what the API would refuse of a query; return its FROM resource.

    Raises GaqlError, or NotModelledError for what only this world lacks.
    """
    assert query.resource is not None
    resource = RESOURCES.get(query.resource)
    if resource is None:
        if query.resource in ROW.fields_by_name and query.resource not in ("metrics", "segments"):
            raise NotModelledError(f"the sandbox holds no {query.resource}")
        raise GaqlError(
            "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE",
            f"'{query.resource}' is not a valid resource name.",
        )
    fields = {name: field_of(name) for name in query.fields}
    filtered = {c.field for c in query.where}
    for name, found in fields.items():
        clause = "SELECT" if name in query.select else "WHERE" if name in filtered else "ORDER_BY"
        is_message = found.type == "MESSAGE" and not found.repeated and name not in WHOLE
        is_part = name.startswith(tuple(f"{one}." for one in WHOLE))
        if found.category == "RESOURCE" or is_message or is_part:
            raise GaqlError(
                f"PROHIBITED_FIELD_IN_{clause}_CLAUSE",
                f"The following field cannot be in the {clause} clause: '{name}'.",
            )
        if found.category == "METRIC":
            _check_metric(resource, name)
        elif found.category == "SEGMENT":
            _check_segment(resource, name)
        elif found.head not in (resource.name, *resource.attributed):
            raise GaqlError(
                f"PROHIBITED_RESOURCE_TYPE_IN_{'SELECT' if clause == 'SELECT' else 'WHERE'}_CLAUSE",
                _not_with("attributed resources", found.head, resource),
            )
    _check_together(query, fields)
    if resource.name == "change_event":
        _check_changes(query)
    return resource


def _check_changes(query: Query) -> None:
    """Changes are listed from a moment to a moment, and not without end."""
    family = "change_event_error"
    if query.limit is None:
        raise GaqlError("LIMIT_NOT_SPECIFIED", "The LIMIT clause must be specified.", family)
    if query.limit > CHANGE_LIMIT:
        raise GaqlError(
            "INVALID_LIMIT_CLAUSE", f"The LIMIT clause must be at most {CHANGE_LIMIT}.", family
        )
    bounds = {c.operator[0] for c in query.where if c.field == CHANGE_MOMENT}
    if not bounds >= {">", "<"} and not bounds & {"B", "=", "D"}:
        raise GaqlError(
            "CHANGE_DATE_RANGE_INFINITE", "The change date range must be finite.", family
        )


def _not_with(what: str, name: str, resource: Resource) -> str:
    return (
        f"Cannot select or filter on the following {what}: '{name}', with "  # noqa: S608
        f"'{resource.name}' in the FROM clause."
    )


def _check_metric(resource: Resource, name: str) -> None:
    if name in resource.metrics:
        return
    if resource.metrics:
        raise NotModelledError(f"the sandbox holds no {name}")
    raise GaqlError(
        "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
        _not_with("metrics", name, resource),
    )


def _check_segment(resource: Resource, name: str) -> None:
    if name in resource.segments:
        return
    if resource.segments:
        raise NotModelledError(f"the sandbox holds no {name}")
    raise GaqlError(
        "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE",
        _not_with("segments", name, resource),
    )


def _check_together(query: Query, fields: dict[str, Field]) -> None:
    of_conversions = [name for name in fields if name in CONVERSION_SEGMENTS]
    other = [
        name
        for name, f in fields.items()
        if f.category == "METRIC" and name not in CONVERSION_METRICS
    ]
    if of_conversions and other:
        listed = ", ".join(f"'{name}'" for name in of_conversions)
        metrics = ", ".join(f"'{name}'" for name in other)
        raise GaqlError(
            "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
            f"Cannot select or filter on the following segments: {listed}, since segments are "
            f"not compatible with the following metrics: {metrics}.",
        )
    if HOUR_SEGMENT in fields and (
        of_conversions or any("by_conversion_date" in name or name in SHARES for name in fields)
    ):
        raise GaqlError(
            "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
            "Cannot select or filter on the following segments: 'segments.hour', since segments "
            "are not compatible with the other fields.",
        )
    if LAG_SEGMENT in fields and any(name in ACTION_SEGMENTS for name in fields):
        raise NotModelledError("the sandbox holds no lag buckets by conversion action")
    for name, found in fields.items():
        if name in query.select or name in CORE_DATE_SEGMENTS:
            continue
        in_order = any(o.field == name for o in query.order_by)
        if found.category == "SEGMENT" or (in_order and found.category == "METRIC"):
            raise GaqlError(
                "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE",
                f"The following field must be present in SELECT clause: '{name}'.",
            )
    for condition in query.where:
        _check_condition(fields[condition.field], condition.operator, condition.values)


_ORDERED = ("=", "!=", ">", ">=", "<", "<=", "IN", "NOT IN", "BETWEEN", "IS NULL", "IS NOT NULL")
_EQUAL = ("=", "!=", "IN", "NOT IN", "IS NULL", "IS NOT NULL")
_OPERATORS: dict[DataType, tuple[str, ...]] = {
    "BOOLEAN": ("=", "!=", "IS NULL", "IS NOT NULL"),
    "DATE": ("=", ">", ">=", "<", "<=", "BETWEEN", "DURING"),
    "DOUBLE": _ORDERED,
    "INT32": _ORDERED,
    "INT64": _ORDERED,
    "ENUM": _EQUAL,
    "RESOURCE_NAME": _EQUAL,
    "STRING": (*_EQUAL, "LIKE", "NOT LIKE", "REGEXP_MATCH", "NOT REGEXP_MATCH"),
    "MESSAGE": ("IS NULL", "IS NOT NULL"),
}


def _check_condition(found: Field, operator: str, values: tuple[str, ...]) -> None:
    allowed = _OPERATORS[found.type]
    if found.repeated:
        allowed = ("CONTAINS ANY", "CONTAINS ALL", "CONTAINS NONE", "IS NULL", "IS NOT NULL")
    if operator not in allowed:
        raise GaqlError(
            "OPERATOR_FIELD_MISMATCH",
            f"The operator '{operator}' cannot be used with the field '{found.name}'.",
        )
    for value in values:
        if found.type == "ENUM" and value not in found.enum_values:
            raise GaqlError(
                "BAD_ENUM_CONSTANT",
                f"Invalid enum value cannot be included in WHERE clause: '{value}'.",
            )
        if found.type in ("INT32", "INT64", "DOUBLE"):
            try:
                number = float(value)
            except ValueError as e:
                raise GaqlError("BAD_NUMBER", f"Invalid number: '{value}'.") from e
            if abs(number) >= 2**63:
                raise GaqlError("BAD_NUMBER", f"The number is out of range: '{value}'.")
        if found.type == "BOOLEAN" and value.lower() not in ("true", "false"):
            raise GaqlError("BAD_VALUE", f"Invalid boolean: '{value}'.")
