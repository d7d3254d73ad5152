"""Tables of a user's own, asked of the sandbox and on the wire as the vendors' protos have it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest
from google.ads.googleads.v26.services.types.google_ads_service import (
    SearchGoogleAdsRequest,
    SearchGoogleAdsResponse,
)
from google.analytics.data_v1beta.types import (
    CheckCompatibilityRequest,
    CheckCompatibilityResponse,
    GetMetadataRequest,
    Metadata,
    MetricMetadata,
    MetricType,
)
from pydantic import SecretStr

from connectors import tables
from connectors.base import (
    AccessError,
    Account,
    AuthError,
    Connection,
    Connector,
    DateWindow,
    RefusedReportError,
    Table,
)
from connectors.ga4_reports import unknown_fields
from connectors.google_ads import GoogleAds
from connectors.registry import open_connector
from connectors.reports import Definition, table_of
from connectors.sandbox.server import Ports, Sandbox
from tests.contract.case import connect, token_endpoint
from tests.contract.cases.google_ads import messages
from tests.contract.servers import (
    GrpcAnswer,
    GrpcCall,
    HttpAnswer,
    HttpCall,
    grpc_server,
    http_server,
)

TULP = Account("google_ads", "3333333333")
PROPERTY = Account("ga4", "322222222")
SITE = Account("search_console", "https://www.tulpenthee.example/")
AS_OF = date(2026, 11, 20)
WINDOW = DateWindow(date(2026, 11, 1), date(2026, 11, 9))
DAYS = "segments.date BETWEEN {start} AND {end}"
Rows = list[dict[str, Any]]
Transport = Literal["grpc", "rest"]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    served = Sandbox(tmp_path_factory.mktemp("reports"), AS_OF, ports=Ports.free())
    served.start()
    yield served
    served.stop()


@contextmanager
def opened(sandbox: Sandbox, source: str, transport: Transport = "grpc") -> Iterator[Connector]:
    told = sandbox.endpoints["credentials"]
    name = f"ga4_{transport}" if source == "ga4" else source
    connector = open_connector(
        source,
        Connection(
            endpoint=sandbox.endpoints[name],
            ca_file=Path(sandbox.endpoints["ca_file"]),
            token_uri=sandbox.endpoints["token_uri"],
            client_id=told["client_id"],
            client_secret=SecretStr(told["client_secret"]),
            refresh_token=SecretStr(told["refresh_token"]),
            login_customer_id="1000000001" if source == "google_ads" else None,
            transport=transport if source == "ga4" else "grpc",
        ),
    )
    try:
        yield connector
    finally:
        connector.close()


def read(connector: Connector, table: Table, account: Account) -> Rows:
    rows = [
        row
        for batch in connector.fetch(table, account, WINDOW).batches
        for row in batch.to_pylist()
    ]
    assert len({tuple(row[name] for name in table.key) for row in rows}) == len(rows)
    assert all(row[name] is not None for row in rows for name in table.key)
    return rows


def sums(rows: Rows, measure: str, *by: str) -> dict[tuple[Any, ...], float]:
    totals: Counter[tuple[Any, ...]] = Counter()
    for row in rows:
        totals[tuple(row[name] for name in by)] += row[measure]
    return {key: value for key, value in totals.items() if value}


# --- Google Ads -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "ours", "theirs"),
    [
        (
            f"SELECT campaign.name, segments.device, metrics.clicks FROM campaign WHERE {DAYS}",
            ("date_day", "campaign_name", "device"),
            ("date_day", "campaign_name", "device"),
        ),
        (
            # the campaign is asked for by its name alone, and named twice it stays two
            f"SELECT campaign.advertising_channel_type, metrics.clicks FROM campaign WHERE {DAYS}",
            ("date_day", "campaign_advertising_channel_type"),
            ("date_day", "channel_type"),
        ),
        (
            f"SELECT segments.month, metrics.clicks FROM customer WHERE {DAYS}",
            ("account_id",),
            ("account_id",),
        ),
    ],
)
def test_a_query_of_google_ads_adds_up_to_the_campaigns(
    sandbox: Sandbox, query: str, ours: tuple[str, ...], theirs: tuple[str, ...]
) -> None:
    table = table_of(Definition("mine", "google_ads", query))
    with opened(sandbox, "google_ads") as connector:
        connector.check(table, TULP)
        found = read(connector, table, TULP)
        campaigns = read(connector, tables.ADS_CAMPAIGN_DAY, TULP)
    assert sums(found, "clicks", *ours) == sums(campaigns, "clicks", *theirs) != {}


def test_rows_that_a_query_does_not_tell_apart_are_told_apart_by_their_names(
    sandbox: Sandbox,
) -> None:
    query = f"SELECT campaign.status, metrics.clicks FROM search_term_view WHERE {DAYS}"
    table = table_of(Definition("mine", "google_ads", query))
    with opened(sandbox, "google_ads") as connector:
        rows = read(connector, table, TULP)
    assert len(rows) > 9  # more than one a day
    assert {row["search_term_view_resource_name"].split("/")[2] for row in rows} == {
        "searchTermViews"
    }


def test_what_google_ads_refuses_is_told_in_its_words_before_anything_is_read(
    sandbox: Sandbox,
) -> None:
    query = f"SELECT segments.conversion_action, metrics.clicks FROM campaign WHERE {DAYS}"
    table = table_of(Definition("mine", "google_ads", query))
    with (
        opened(sandbox, "google_ads") as connector,
        pytest.raises(
            RefusedReportError, match="not compatible with the following metrics"
        ) as told,
    ):
        connector.check(table, TULP)
    assert told.value.reason == "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE"
    assert told.value.scope == "slice" and told.value.request_id


def test_an_account_that_refuses_is_no_fault_of_the_query(sandbox: Sandbox) -> None:
    table = table_of(Definition("mine", "google_ads", "SELECT campaign.id FROM campaign"))
    with opened(sandbox, "google_ads") as connector, pytest.raises(AccessError):
        connector.check(table, Account("google_ads", "4444444444"))


def test_google_ads_is_asked_to_validate_only_as_its_protos_have_it() -> None:
    def answer(call: GrpcCall) -> GrpcAnswer:
        response = SearchGoogleAdsResponse
        return GrpcAnswer((response.serialize(response()),))

    query = f"SELECT campaign.name, metrics.clicks FROM campaign WHERE {DAYS}"
    with token_endpoint("rows") as token_uri, grpc_server(answer) as (endpoint, calls):
        connection = connect(token_uri, endpoint, login_customer_id="100-000-0001")
        connector = GoogleAds(connection)
        connector.check(table_of(Definition("mine", "google_ads", query)), TULP)
        connector.close()
    (call,) = calls
    assert call.method == "/google.ads.googleads.v26.services.GoogleAdsService/Search"
    request = SearchGoogleAdsRequest.deserialize(call.request)
    assert request.validate_only
    assert request.customer_id == TULP.account_id
    assert not request.page_size and not request.page_token
    assert request.query.startswith("SELECT customer.id, segments.date, campaign.resource_name")
    assert call.metadata["login-customer-id"] == "1000000001"


@pytest.mark.parametrize(
    ("query", "row", "expected"),
    [
        (
            "SELECT ad_group_ad.ad.final_urls, ad_group_ad.ad.name FROM ad_group_ad",
            {
                "customer": {"id": "3333333333"},
                "adGroupAd": {
                    "resourceName": "customers/3333333333/adGroupAds/1~2",
                    "ad": {"finalUrls": ['https://a.example/?q="x"', "https://b.example/"]},
                },
            },
            {
                "account_id": "3333333333",
                "ad_group_ad_resource_name": "customers/3333333333/adGroupAds/1~2",
                "ad_group_ad_ad_final_urls": '["https://a.example/?q=\\"x\\"","https://b.example/"]',
                "ad_group_ad_ad_name": None,
            },
        ),
        (
            # an id that has a slash of its own is no resource name
            "SELECT segments.product_item_id, metrics.clicks FROM shopping_performance_view",
            {
                "customer": {"id": "3333333333"},
                "shoppingPerformanceView": {
                    "resourceName": "customers/3333333333/shoppingPerformanceView"
                },
                "segments": {"productItemId": "thee/groen"},
                "metrics": {"clicks": "7"},
            },
            {
                "account_id": "3333333333",
                "shopping_performance_view_resource_name": (
                    "customers/3333333333/shoppingPerformanceView"
                ),
                "product_item_id": "thee/groen",
                "clicks": 7,
            },
        ),
        (
            "SELECT geo_target_constant.name FROM geo_target_constant",
            {"geoTargetConstant": {"resourceName": "geoTargetConstants/2528", "name": "Nederland"}},
            {
                "account_id": "3333333333",
                "geo_target_constant_resource_name": "geoTargetConstants/2528",
                "geo_target_constant_name": "Nederland",
            },
        ),
    ],
)
def test_lists_are_json_and_what_has_no_account_gets_the_one_that_was_asked(
    query: str, row: dict[str, Any], expected: dict[str, Any]
) -> None:
    def answer(_: GrpcCall) -> GrpcAnswer:
        return GrpcAnswer(messages([{"results": [row]}]))

    table = table_of(Definition("mine", "google_ads", query))
    with token_endpoint("rows") as token_uri, grpc_server(answer) as (endpoint, _):
        connector = GoogleAds(connect(token_uri, endpoint))
        rows = read(connector, table, TULP)
        connector.close()
    assert rows == [expected]


# --- GA4 --------------------------------------------------------------------------------------


def ga4(*dimensions: str, metrics: tuple[str, ...] = ("sessions",), **more: Any) -> Table:
    return table_of(Definition("mine", "ga4", dimensions=dimensions, metrics=metrics, **more))


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_ga4_dimensions_of_ones_own_add_up_and_are_filtered(
    sandbox: Sandbox, transport: Transport
) -> None:
    wanted = ("Organic Search", "Direct")
    table = ga4(
        "deviceCategory",
        "sessionDefaultChannelGroup",
        metrics=("sessions", "engagementRate", "purchaseRevenue", "keyEvents:purchase"),
        filters=(("sessionDefaultChannelGroup", wanted),),
    )
    with opened(sandbox, "ga4", transport) as connector:
        connector.check(table, PROPERTY)
        rows = read(connector, table, PROPERTY)
        channels = read(connector, tables.GA4_CHANNEL_DAY, PROPERTY)
    by = ("date_day", "session_default_channel_group")
    channels = [row for row in channels if row["session_default_channel_group"] in wanted]
    for measure in ("sessions", "purchase_revenue"):
        assert sums(rows, measure, *by) == pytest.approx(sums(channels, measure, *by))
    assert {row["currency_code"] for row in rows} == {"EUR"}
    assert all(isinstance(row["sessions"], int) for row in rows)


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_a_field_that_a_property_lacks_is_told_with_what_is_near(
    sandbox: Sandbox, transport: Transport
) -> None:
    table = ga4("deviceCatgory", metrics=("sesions", "keyEvents:purchse"))
    with (
        opened(sandbox, "ga4", transport) as connector,
        pytest.raises(RefusedReportError) as told,
    ):
        connector.check(table, PROPERTY)
    message = told.value.message
    assert 'no dimension "deviceCatgory", did you mean "deviceCategory"' in message
    assert 'no metric "sesions", did you mean "sessions"' in message
    assert 'no metric "keyEvents:purchse", did you mean "keyEvents:purchase"' in message


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_fields_that_do_not_go_together_are_told_with_the_apis_own_list(
    sandbox: Sandbox, transport: Transport
) -> None:
    table = ga4("eventName", metrics=("sessions", "keyEvents", "newUsers"))
    with (
        opened(sandbox, "ga4", transport) as connector,
        pytest.raises(RefusedReportError) as told,
    ):
        connector.check(table, PROPERTY)
    assert told.value.message.endswith("Incompatible with its dimensions: sessions, newUsers.")


@pytest.mark.parametrize("table", tables.tables_of("ga4"), ids=lambda t: t.grain)
def test_what_koers_own_tables_ask_of_ga4_goes_together(sandbox: Sandbox, table: Table) -> None:
    with opened(sandbox, "ga4") as connector:
        connector.check(table, PROPERTY)


def test_a_property_that_may_not_be_read_is_no_fault_of_the_report(sandbox: Sandbox) -> None:
    with opened(sandbox, "ga4") as connector, pytest.raises(AccessError):
        connector.check(ga4("country"), Account("ga4", "999999999"))


def test_a_metric_whose_type_changed_is_told_rather_than_cut_to_whole_numbers() -> None:
    metadata = Metadata(
        metrics=[MetricMetadata(api_name="sessions", type_=MetricType.TYPE_FLOAT)],
        dimensions=[{"api_name": "date"}],
    )
    table = ga4()
    (told,) = unknown_fields((("date_day", "date"),), (("sessions", "sessions"),), table, metadata)
    assert told.startswith("sessions is no whole number here but TYPE_FLOAT")


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_ga4_is_asked_as_its_protos_have_it(transport: Transport) -> None:
    metadata = Metadata(
        dimensions=[{"api_name": name} for name in ("date", "country")],
        metrics=[{"api_name": "sessions", "type_": MetricType.TYPE_INTEGER}],
    )

    def over_grpc(call: GrpcCall) -> GrpcAnswer:
        if call.method.endswith("/GetMetadata"):
            return GrpcAnswer((Metadata.serialize(metadata),))
        return GrpcAnswer((CheckCompatibilityResponse.serialize(CheckCompatibilityResponse()),))

    def over_rest(call: HttpCall) -> HttpAnswer:
        told = Metadata.to_json(metadata) if call.method == "GET" else "{}"
        return HttpAnswer(told.encode())

    table = ga4("country", filters=(("country", ("Belgium",)),))
    with token_endpoint("rows") as token_uri:
        if transport == "grpc":
            with grpc_server(over_grpc) as (endpoint, calls):
                _check_once(connect(token_uri, endpoint), table)
            service = "/google.analytics.data.v1beta.BetaAnalyticsData"
            assert [call.method for call in calls] == [
                f"{service}/GetMetadata",
                f"{service}/CheckCompatibility",
            ]
            asked = GetMetadataRequest.deserialize(calls[0].request)
            assert asked.name == "properties/322222222/metadata"
            assert calls[0].metadata["x-goog-request-params"] == (
                "name=properties/322222222/metadata"
            )
            request = CheckCompatibilityRequest.deserialize(calls[1].request)
        else:
            with http_server(over_rest) as (url, posted):
                _check_once(connect(token_uri, url, transport="rest"), table)
            assert [(call.method, call.path) for call in posted] == [
                ("GET", "/v1beta/properties/322222222/metadata"),
                ("POST", "/v1beta/properties/322222222:checkCompatibility"),
            ]
            told = {**json.loads(posted[1].body), "property": "properties/322222222"}
            request = CheckCompatibilityRequest.from_json(json.dumps(told))
    assert request.property == "properties/322222222"
    assert [one.name for one in request.dimensions] == ["date", "country"]
    assert [one.name for one in request.metrics] == ["sessions"]
    (only,) = request.dimension_filter.and_group.expressions
    assert list(only.filter.in_list_filter.values) == ["Belgium"]


def _check_once(connection: Connection, table: Table) -> None:
    connector = open_connector("ga4", connection)
    try:
        connector.check(table, PROPERTY)
    finally:
        connector.close()


def test_a_revoked_login_stops_a_check_as_it_stops_everything() -> None:
    with (
        token_endpoint("revoked") as token_uri,
        grpc_server(lambda _: GrpcAnswer()) as (endpoint, _),
        pytest.raises(AuthError),
    ):
        _check_once(connect(token_uri, endpoint), ga4("country"))


# --- Search Console ---------------------------------------------------------------------------


def test_search_console_dimensions_of_ones_own_add_up_and_are_filtered(sandbox: Sandbox) -> None:
    def table(*dimensions: str, **more: Any) -> Table:
        return table_of(Definition("mine", "search_console", dimensions=dimensions, **more))

    with opened(sandbox, "search_console") as connector:
        split = read(connector, table("device", "country"), SITE)
        phones = read(connector, table("date", filters=(("device", ("MOBILE",)),)), SITE)
        pages = read(connector, table("page", "device"), SITE)
        devices = read(connector, tables.GSC_DEVICE_DAY, SITE)
        by_page = read(connector, tables.GSC_PAGE_DAY, SITE)
        images = read(connector, table("country", type="image"), SITE)
    by = ("date_day", "device")
    assert sums(split, "clicks", *by) == sums(devices, "clicks", *by) != {}
    assert sums(phones, "clicks", "date_day") == {
        (day,): clicks for (day, device), clicks in sums(devices, "clicks", *by).items()
        if device == "MOBILE"
    }  # fmt: skip
    assert sums(pages, "clicks", "page") == sums(by_page, "clicks", "page") != {}
    assert images == []  # the world's people search the web alone
