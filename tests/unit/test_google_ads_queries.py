"""Every field we ask for exists in the installed client and fits its column."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from importlib import import_module

import pyarrow as pa
import pytest
from google.ads.googleads import client
from google.protobuf.descriptor import FieldDescriptor

from connectors import tables
from connectors.base import DateWindow, Table
from connectors.google_ads_queries import (
    API_VERSION,
    CUSTOMER_CLIENTS,
    LAG_BUCKETS,
    QUERIES,
    Query,
)
from connectors.sandbox.gaql import parse
from connectors.sandbox.google_ads_fields import check
from flows import shapes

_module = import_module(f"google.ads.googleads.{API_VERSION}.services.types.google_ads_service")
ROW = _module.GoogleAdsRow.pb(_module.GoogleAdsRow()).DESCRIPTOR

ALL = [*QUERIES.items(), (tables.ADS_ACCOUNT, CUSTOMER_CLIENTS)]
every_query = pytest.mark.parametrize(("table", "query"), ALL, ids=lambda x: getattr(x, "name", ""))

# what a column may hold, by what the field is
FITS = {
    pa.string(): {
        FieldDescriptor.CPPTYPE_STRING,
        FieldDescriptor.CPPTYPE_ENUM,
        FieldDescriptor.CPPTYPE_INT64,  # ids
    },
    pa.int64(): {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_INT32},
    pa.float64(): {FieldDescriptor.CPPTYPE_DOUBLE},
    pa.date32(): {FieldDescriptor.CPPTYPE_STRING},
    pa.bool_(): {FieldDescriptor.CPPTYPE_BOOL},
}


def field_of(path: str) -> FieldDescriptor:
    message = ROW
    *around, last = path.split(".")
    for name in around:
        message = message.fields_by_name[name].message_type
    found: FieldDescriptor = message.fields_by_name[last]
    return found


@every_query
def test_every_field_exists_in_the_shipped_protos_with_a_type_that_fits(
    table: Table, query: Query
) -> None:
    for column in table.columns:
        field = field_of(query.fields[column.name])
        assert field.cpp_type in FITS[column.type], column.name


@every_query
def test_a_query_fills_every_column_of_its_table_and_no_other(table: Table, query: Query) -> None:
    assert set(query.fields) == set(table.schema.names)
    assert query.is_daily == table.is_daily or query is CUSTOMER_CLIENTS


@every_query
def test_every_number_can_be_told_apart_from_an_unknown_one(table: Table, query: Query) -> None:
    for column, path in query.fields.items():
        field = field_of(path)
        # what these resources are called by is never unset
        is_name = path.startswith(("asset_group.", "asset_group_listing_group_filter."))
        # unset is an empty text there, and a target of 0 is none
        is_empty = path.startswith("change_event.") and field.type == field.TYPE_STRING
        is_zero = column.endswith(("maximize_value_target_roas", "conversions_target_cpa_micros"))
        if field.enum_type is None and not (is_name or is_empty or is_zero):
            assert field.has_presence, column


def test_every_table_of_google_ads_has_its_query() -> None:
    assert set(QUERIES) == set(tables.tables_of("google_ads"))


def test_money_comes_with_its_currency() -> None:
    for query in QUERIES.values():
        if any("_value" in path or "_micros" in path for path in query.fields.values()):
            assert query.fields["currency_code"] == "customer.currency_code"


def test_the_pinned_version_is_the_newest_that_the_client_ships() -> None:
    assert client._DEFAULT_VERSION == API_VERSION


def test_no_query_filters_on_status_so_removed_campaigns_stay() -> None:
    window = DateWindow(date(2026, 1, 1), date(2026, 1, 31))
    assert QUERIES[tables.ADS_ACCOUNT_DAY].gaql(window) == (
        "SELECT customer.id, segments.date, customer.currency_code, metrics.impressions, "
        "metrics.clicks, metrics.cost_micros, metrics.conversions, metrics.conversions_value, "
        "metrics.conversions_by_conversion_date, metrics.conversions_value_by_conversion_date "
        "FROM customer WHERE segments.date BETWEEN '2026-01-01' AND '2026-01-31'"
    )
    for query in QUERIES.values():
        conditions = query.gaql(window).partition(" WHERE ")[2]
        assert "status" not in conditions


def test_conversion_actions_are_segmented_without_delivery_metrics() -> None:
    asked = set(QUERIES[tables.ADS_CONVERSION_ACTION_DAY].fields.values())
    assert not asked & {"metrics.impressions", "metrics.clicks", "metrics.cost_micros"}
    asked = set(QUERIES[tables.ADS_CONVERSION_LAG_DAY].fields.values())
    metrics = {path for path in asked if path.startswith("metrics.")}
    assert metrics == {"metrics.conversions", "metrics.conversions_value"}


def test_the_lag_buckets_are_those_of_the_api_and_follow_one_another() -> None:
    buckets = field_of("segments.conversion_lag_bucket").enum_type
    assert buckets is not None
    assert set(LAG_BUCKETS) == {v.name for v in buckets.values} - {"UNSPECIFIED", "UNKNOWN"}
    edges = list(LAG_BUCKETS.values())
    assert edges[0] == (0, 1) and edges[-1] == (60, 90)
    assert [first for first, _ in edges[1:]] == [last for _, last in edges[:-1]]


def test_changes_are_asked_for_in_order_with_a_limit_and_without_who_did_it() -> None:
    query = QUERIES[tables.ADS_CHANGE_EVENT]
    window = DateWindow(date(2026, 11, 1), date(2026, 11, 3))
    moment = "change_event.change_date_time"
    asked = query.gaql(window)
    assert asked.endswith(
        f" WHERE {moment} >= '2026-11-01 00:00:00' AND {moment} <= '2026-11-03 23:59:59.999999' "
        f"ORDER BY {moment} LIMIT 10000"
    )
    assert "change_event.old_resource, change_event.new_resource" in asked
    assert "user_email" not in asked
    again = replace(query, since="2026-11-02 10:00:00.000001").gaql(window)
    assert f"{moment} >= '2026-11-02 10:00:00.000001'" in again


def test_a_field_that_python_reserves_has_its_own_name_in_the_query() -> None:
    asked = QUERIES[tables.ADS_AD_DAY].gaql()
    assert "ad_group_ad.ad.type," in asked
    assert "type_" not in asked


# --- what goes together ---------------------------------------------------------------------------


@every_query
def test_the_sandbox_accepts_every_query_by_a_list_of_its_own(table: Table, query: Query) -> None:
    window = DateWindow(date(2026, 1, 1), date(2026, 1, 31))
    assert check(parse(query.gaql(window))).name == query.resource


@pytest.mark.parametrize(
    ("resource", "fields", "why"),
    [
        (
            "campaign",
            ("segments.conversion_action", "metrics.clicks"),
            "only conversions can be counted",
        ),
        ("search_term_view", ("ad_group_criterion.criterion_id",), "does not carry"),
        ("asset_group", ("ad_group.id",), "does not carry ad_group"),
        (
            "campaign_search_term_view",
            ("segments.keyword.info.text", "metrics.clicks"),
            "drops what has no keyword, such as Performance Max",
        ),
        ("campaign", ("segments.product_item_id",), "told by shopping_performance_view alone"),
        ("ad_group", ("segments.search_term_match_type",), "belongs to search terms"),
        (
            "campaign",
            ("segments.hour", "metrics.conversions_by_conversion_date"),
            "no hour of the click",
        ),
        ("geographic_view", ("metrics.search_impression_share",), "shares are told by"),
        ("campaign", ("segments.hour", "metrics.search_impression_share"), "without hours"),
        ("conversion_action", ("metrics.conversions",), "has no metrics"),
        ("customer_client", ("segments.date",), "has no segments"),
        ("gender_view", ("metrics.clicks",), "asks nothing of gender_view"),
    ],
)
def test_fields_that_do_not_go_together_make_no_query(
    resource: str, fields: tuple[str, ...], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        Query(resource, {str(n): field for n, field in enumerate(fields)})


@every_query
def test_the_key_holds_every_segment_that_splits_rows(table: Table, query: Query) -> None:
    functional = {  # of one action there is one name and category
        "segments.conversion_action_name",
        "segments.conversion_action_category",
    }
    for column, path in query.fields.items():
        if path.startswith("segments.") and path not in functional:
            assert column in table.key, f"{column} splits rows"


@every_query
def test_only_text_of_the_key_may_be_blank(table: Table, query: Query) -> None:
    types = {column.name: column.type for column in table.columns}
    assert all(name in table.key and types[name] == pa.string() for name in query.blank)


# --- which tables are read ------------------------------------------------------------------------


def test_the_default_tables_are_those_that_the_models_rest_on() -> None:
    default = [t.grain for t in tables.tables_of("google_ads") if tables.is_wanted(t)]
    assert default == [
        "account",
        "conversion_action",
        "account_day",
        "campaign_day",
        "conversion_action_day",
        "conversion_lag_day",
    ]


def test_a_list_adds_to_the_default_tables_and_all_is_every_one() -> None:
    default = {t for t in tables.ALL if not t.optional}
    assert {t for t in tables.ALL if tables.is_wanted(t, ("default", "hour_day"))} == {
        *default,
        tables.ADS_HOUR_DAY,
    }
    assert {t for t in tables.ALL if tables.is_wanted(t, ("all",))} == set(tables.ALL)


@pytest.mark.parametrize("source", shapes.SOURCES)
def test_the_names_that_a_configuration_may_hold_are_the_grains(source: str) -> None:
    grains = [table.grain for table in tables.tables_of(source)]
    assert list(shapes.TABLES[source]) == [tables.DEFAULT_TABLES, tables.ALL_TABLES, *grains]


def test_an_optional_table_says_which_part_of_the_account_it_covers() -> None:
    assert all(table.covers for table in tables.ALL if table.optional)
