"""The sandbox's Google Ads API, asked over gRPC through google-ads' own client code."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.ads.googleads.errors import GoogleAdsException
from google.ads.googleads.interceptors import ExceptionInterceptor, MetadataInterceptor
from google.ads.googleads.v26.enums.types.ad_network_type import AdNetworkTypeEnum
from google.ads.googleads.v26.enums.types.device import DeviceEnum
from google.ads.googleads.v26.errors.types.errors import GoogleAdsFailure
from google.ads.googleads.v26.services.services.customer_service import CustomerServiceClient
from google.ads.googleads.v26.services.services.customer_service.transports import (
    CustomerServiceGrpcTransport,
)
from google.ads.googleads.v26.services.services.google_ads_field_service import (
    GoogleAdsFieldServiceClient,
)
from google.ads.googleads.v26.services.services.google_ads_field_service.transports import (
    GoogleAdsFieldServiceGrpcTransport,
)
from google.ads.googleads.v26.services.services.google_ads_service import GoogleAdsServiceClient
from google.ads.googleads.v26.services.services.google_ads_service.transports import (
    GoogleAdsServiceGrpcTransport,
)
from google.ads.googleads.v26.services.types.google_ads_service import SearchGoogleAdsRequest
from google.api_core.exceptions import GoogleAPICallError

from connectors.sandbox import google_ads_server
from connectors.sandbox.faults import Fault, Faults
from connectors.sandbox.google_ads_server import FAILURE_KEY, AdsError, add_google_ads
from connectors.sandbox.state import Clock
from connectors.sandbox.tokens import Tokens
from connectors.sandbox.world import World

NL, TULP, REFUSED, CANCELED = "1111111111", "3333333333", "4444444444", "5555555555"
TOP, SUB = "1000000001", "1000000002"
DAYS = "segments.date BETWEEN '2026-10-01' AND '2026-10-31'"
CAMPAIGN_DAYS = (
    "SELECT campaign.id, campaign.status, segments.date, segments.device, "
    "segments.ad_network_type, metrics.impressions, metrics.clicks, metrics.cost_micros, "
    f"metrics.conversions, metrics.conversions_value FROM campaign WHERE {DAYS}"
)


class Api:
    """A server on a loopback port, and google-ads' clients for it."""

    def __init__(self) -> None:
        self.world = World()
        self.clock = Clock(date(2026, 11, 20))
        self.tokens = Tokens()
        self.faults = Faults()
        self.server = grpc.server(ThreadPoolExecutor(8))
        add_google_ads(self.server, self.world, self.clock, self.tokens, self.faults)
        port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")

    def client(self, kind: Any, transport: Any, login: str | None) -> Any:
        channel = grpc.intercept_channel(
            self.channel,
            MetadataInterceptor("token", login),
            ExceptionInterceptor("v26", use_proto_plus=True),
        )
        return kind(transport=transport(channel=channel))

    def ads(self, login: str | None = TOP) -> Any:
        return self.client(GoogleAdsServiceClient, GoogleAdsServiceGrpcTransport, login)

    @property
    def signed_in(self) -> dict[str, Any]:
        return {"metadata": [("authorization", f"Bearer {self.tokens.issue()}")], "timeout": 20}

    def stream(self, query: str, customer_id: str = NL, login: str | None = TOP) -> list[Any]:
        replies = self.ads(login).search_stream(
            customer_id=customer_id, query=query, **self.signed_in
        )
        return list(replies)


@pytest.fixture(scope="module")
def served() -> Iterator[Api]:
    api = Api()
    yield api
    api.faults.clear()
    api.channel.close()
    api.server.stop(0)


@pytest.fixture
def api(served: Api) -> Iterator[Api]:
    yield served
    served.faults.clear()


def refusal(api: Api, query: str, customer_id: str = NL, login: str | None = TOP) -> Any:
    with pytest.raises(GoogleAdsException) as refused:
        api.stream(query, customer_id, login)
    assert refused.value.request_id
    assert refused.value.request_id == refused.value.failure.request_id
    return refused.value


def code_of(refused: Any) -> tuple[str, str]:
    """The gRPC status and the API's own code."""
    kind = refused.failure.errors[0].error_code
    family = type(kind).pb(kind).WhichOneof("error_code")
    return refused.error.code().name, getattr(kind, family).name


# --- answers --------------------------------------------------------------------------------------


def test_a_stream_holds_what_the_world_holds(api: Api) -> None:
    rows = [row for reply in api.stream(CAMPAIGN_DAYS) for row in type(reply).pb(reply).results]
    facts = api.world.ads_facts(NL, api.clock.as_of)
    expected = {
        (day.isoformat(), campaign, device, network): (impressions, clicks, cost, conversions)
        for day, campaign, device, network, impressions, clicks, cost, conversions in zip(
            *(
                facts[name].to_pylist()
                for name in (
                    "date_day",
                    "campaign_id",
                    "device",
                    "network",
                    "impressions",
                    "clicks",
                    "cost_micros",
                    "conversions",
                )
            ),
            strict=True,
        )
        if date(2026, 10, 1) <= day <= date(2026, 10, 31) and (impressions or cost or conversions)
    }
    found = {
        (
            row.segments.date,
            row.campaign.id,
            DeviceEnum.Device(row.segments.device).name,
            AdNetworkTypeEnum.AdNetworkType(row.segments.ad_network_type).name,
        ): (
            row.metrics.impressions,
            row.metrics.clicks,
            row.metrics.cost_micros,
            row.metrics.conversions,
        )
        for row in rows
    }
    assert len(rows) == len(found) > 2000
    assert found == expected


def test_rows_carry_what_was_selected_and_nothing_else(api: Api) -> None:
    query = f"SELECT campaign.name, metrics.clicks, metrics.conversions FROM campaign WHERE {DAYS}"
    replies = api.stream(query)
    assert replies[0].request_id
    assert list(replies[0].field_mask.paths) == [
        "campaign.name",
        "metrics.clicks",
        "metrics.conversions",
    ]
    removed = next(r for r in replies[0].results if "Zomeractie" in r.campaign.name)
    bare = type(removed).pb(removed)
    assert {f.name for f, _ in bare.ListFields()} == {"campaign", "metrics"}
    assert {f.name for f, _ in bare.campaign.ListFields()} == {"resource_name", "name"}
    # zero is measured: it is there
    assert {f.name for f, _ in bare.metrics.ListFields()} == {"clicks", "conversions"}
    assert bare.metrics.clicks == 0


def test_a_field_that_is_unset_in_one_row_only_is_left_out_of_that_row(api: Api) -> None:
    query = (
        "SELECT campaign.end_date_time FROM campaign WHERE campaign.id IN (20000007, 20000011) "
        "ORDER BY campaign.id"
    )
    ended, running = (type(r).pb(r) for r in api.stream(query)[0].results)
    assert ended.campaign.end_date_time == "2026-08-30 23:59:59"
    assert not running.campaign.HasField("end_date_time")


def test_a_query_without_rows_is_answered_by_one_message_without_rows(api: Api) -> None:
    replies = api.stream(CAMPAIGN_DAYS.replace("2026-", "2024-"))
    assert [len(reply.results) for reply in replies] == [0]


def test_messages_of_a_stream_hold_at_most_10_000_rows(api: Api) -> None:
    replies = api.stream(CAMPAIGN_DAYS.replace("2026-10-01", "2025-12-01"))
    counts = [len(reply.results) for reply in replies]
    assert len(counts) > 2
    assert set(counts[:-1]) == {10_000}


def test_pages_hold_10_000_rows_and_together_the_stream(api: Api) -> None:
    query = CAMPAIGN_DAYS.replace("2026-10-01", "2026-05-01")
    request = SearchGoogleAdsRequest(customer_id=NL, query=query)
    request.search_settings.return_total_results_count = True
    pages = [type(p).pb(p) for p in api.ads().search(request=request, **api.signed_in).pages]
    streamed = [row for r in api.stream(query) for row in type(r).pb(r).results]
    assert [len(page.results) for page in pages[:-1]] == [10_000] * (len(pages) - 1)
    assert len(pages) > 1
    assert [row for page in pages for row in page.results] == streamed
    assert pages[0].total_results_count == len(streamed)


def test_yesterdays_read_of_a_day_differs_from_todays(api: Api) -> None:
    query = "SELECT metrics.conversions FROM customer WHERE segments.date = '2026-11-10'"
    before = api.stream(query)[0].results[0].metrics.conversions
    api.clock.as_of = date(2026, 11, 27)
    try:
        after = api.stream(query)[0].results[0].metrics.conversions
    finally:
        api.clock.as_of = date(2026, 11, 20)
    assert before < after


def test_the_user_is_a_member_of_the_top_manager(api: Api) -> None:
    client = api.client(CustomerServiceClient, CustomerServiceGrpcTransport, None)
    reply = client.list_accessible_customers(**api.signed_in)
    assert list(reply.resource_names) == [f"customers/{TOP}"]


def test_the_field_service_describes_fields(api: Api) -> None:
    client = api.client(GoogleAdsFieldServiceClient, GoogleAdsFieldServiceGrpcTransport, None)
    query = (
        "SELECT name, category, data_type, selectable_with "
        "WHERE name IN ('segments.conversion_action', 'metrics.clicks', 'metrics.nothing')"
    )
    found = {f.name: f for f in client.search_google_ads_fields(query=query, **api.signed_in)}
    assert set(found) == {"segments.conversion_action", "metrics.clicks"}
    clicks, action = found["metrics.clicks"], found["segments.conversion_action"]
    assert (clicks.category.name, clicks.data_type.name) == ("METRIC", "INT64")
    assert "segments.date" in clicks.selectable_with
    assert "segments.conversion_action" not in clicks.selectable_with
    assert "metrics.clicks" not in action.selectable_with
    assert "metrics.conversions" in action.selectable_with
    named = client.get_google_ads_field(
        resource_name="googleAdsFields/campaign.status", **api.signed_in
    )
    assert "REMOVED" in named.enum_values


# --- refusals -------------------------------------------------------------------------------------


def test_a_field_that_does_not_exist_is_an_invalid_argument(api: Api) -> None:
    refused = refusal(api, "SELECT campaign.nothing FROM campaign")
    assert code_of(refused) == ("INVALID_ARGUMENT", "UNRECOGNIZED_FIELD")
    assert "'campaign.nothing'" in refused.failure.errors[0].message


@pytest.mark.parametrize(
    ("customer_id", "login", "code"),
    [
        (REFUSED, TOP, "USER_PERMISSION_DENIED"),
        (CANCELED, SUB, "CUSTOMER_NOT_ENABLED"),
        (NL, None, "USER_PERMISSION_DENIED"),  # a manager has to be named
        (NL, NL, "USER_PERMISSION_DENIED"),
        (TULP, SUB, "USER_PERMISSION_DENIED"),  # not below this manager
        (TOP, SUB, "USER_PERMISSION_DENIED"),
        ("9999999999", TOP, "USER_PERMISSION_DENIED"),
    ],
)
def test_who_may_not_read_an_account_is_told_so(
    api: Api, customer_id: str, login: str | None, code: str
) -> None:
    refused = refusal(api, "SELECT customer.id FROM customer", customer_id, login)
    assert code_of(refused) == ("PERMISSION_DENIED", code)


@pytest.mark.parametrize(("customer_id", "login"), [(NL, TOP), (NL, SUB), (TULP, TOP), (TOP, None)])
def test_a_manager_above_the_account_may_read_it(
    api: Api, customer_id: str, login: str | None
) -> None:
    rows = api.stream("SELECT customer.id FROM customer", customer_id, login)[0].results
    assert [row.customer.id for row in rows] == [int(customer_id)]


def test_the_status_is_vague_and_the_failure_says_why(api: Api) -> None:
    refused = refusal(api, "SELECT segments.date FROM campaign")
    assert refused.error.details() == "Request contains an invalid argument."
    assert refused.failure.errors[0].message == (
        "Expects filters on the following field to limit a finite date range: 'segments.date'"
    )
    refused = refusal(api, "SELECT campaign.id FROM campaign WHERE campaign.name REGEXP_MATCH '('")
    assert code_of(refused) == ("INVALID_ARGUMENT", "BAD_VALUE")


def test_ids_with_dashes_are_invalid(api: Api) -> None:
    refused = refusal(api, "SELECT customer.id FROM customer", "111-111-1111")
    assert code_of(refused) == ("INVALID_ARGUMENT", "INVALID_CUSTOMER_ID")
    refused = refusal(api, "SELECT customer.id FROM customer", NL, "100-000-0001")
    assert code_of(refused) == ("INVALID_ARGUMENT", "INVALID_LOGIN_CUSTOMER_ID")


def test_metrics_of_a_manager_are_refused(api: Api) -> None:
    refused = refusal(api, CAMPAIGN_DAYS, SUB)
    assert code_of(refused) == ("INVALID_ARGUMENT", "REQUESTED_METRICS_FOR_MANAGER")


def test_a_start_more_than_37_months_ago_is_a_date_range_error(api: Api) -> None:
    refused = refusal(api, CAMPAIGN_DAYS.replace("2026-10-01", "2023-10-01"))
    assert code_of(refused) == ("INVALID_ARGUMENT", "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED")


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "AUTHENTICATION_ERROR"),
        ("Bearer never-issued", "OAUTH_TOKEN_INVALID"),
        ("expired", "OAUTH_TOKEN_EXPIRED"),
    ],
)
def test_a_bad_token_is_an_authentication_error(
    api: Api, authorization: str | None, code: str
) -> None:
    metadata = []
    if authorization == "expired":
        authorization = f"Bearer {api.tokens.issue()}"
        api.tokens.expire_all()
    if authorization:
        metadata.append(("authorization", authorization))
    with pytest.raises(GoogleAdsException) as refused:
        list(api.ads().search_stream(customer_id=NL, query=CAMPAIGN_DAYS, metadata=metadata))
    assert code_of(refused.value) == ("UNAUTHENTICATED", code)


def test_setting_the_page_size_is_refused(api: Api) -> None:
    request = SearchGoogleAdsRequest(customer_id=NL, query=CAMPAIGN_DAYS, page_size=100)
    with pytest.raises(GoogleAdsException) as refused:
        api.ads().search(request=request, **api.signed_in)
    assert code_of(refused.value) == ("INVALID_ARGUMENT", "PAGE_SIZE_NOT_SUPPORTED")


@pytest.mark.parametrize("token", ["nonsense", "MTAwMDA6MQ=="])
def test_a_page_token_of_another_query_is_refused(api: Api, token: str) -> None:
    request = SearchGoogleAdsRequest(customer_id=NL, query=CAMPAIGN_DAYS, page_token=token)
    with pytest.raises(GoogleAdsException) as refused:
        api.ads().search(request=request, **api.signed_in)
    assert code_of(refused.value) == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


def test_validating_only_answers_without_rows(api: Api) -> None:
    request = SearchGoogleAdsRequest(customer_id=NL, query=CAMPAIGN_DAYS, validate_only=True)
    assert not list(api.ads().search(request=request, **api.signed_in))


# --- faults ---------------------------------------------------------------------------------------


def failure_of(error: GoogleAPICallError | Any) -> Any:
    """Decode the failure from the trailing metadata, as a connector has to."""
    call = error.errors[0] if isinstance(error, GoogleAPICallError) else error
    metadata = dict(call.trailing_metadata())
    return GoogleAdsFailure.deserialize(metadata[FAILURE_KEY]), metadata["request-id"]


def test_a_spent_quota_says_how_long_to_wait(api: Api) -> None:
    api.faults.add(Fault("quota", "google_ads", account_id=NL, retry_delay_seconds=2.5))
    with pytest.raises(Exception) as refused:
        api.stream(CAMPAIGN_DAYS)
    failure, request_id = failure_of(refused.value)
    error = failure.errors[0]
    assert error.error_code.quota_error.name == "RESOURCE_TEMPORARILY_EXHAUSTED"
    assert error.details.quota_error_details.retry_delay.total_seconds() == 2.5
    assert request_id == failure.request_id
    assert api.stream(CAMPAIGN_DAYS)  # once only


def test_a_fault_of_another_account_or_source_is_not_played(api: Api) -> None:
    api.faults.add(
        Fault("internal", "google_ads", account_id=TULP),
        Fault("internal", "ga4"),
        Fault("internal", "google_ads", method="Search"),
    )
    assert api.stream(CAMPAIGN_DAYS)
    assert len(api.faults.waiting()) == 3


def test_a_cut_stream_breaks_off_after_some_rows_without_a_reason(api: Api) -> None:
    api.faults.add(Fault("cut", "google_ads", after_messages=2))
    replies = api.ads().search_stream(customer_id=NL, query=CAMPAIGN_DAYS, **api.signed_in)
    rows = 0
    with pytest.raises(Exception) as broken:
        for reply in replies:
            rows += len(reply.results)
    assert 0 < rows < sum(len(r.results) for r in api.stream(CAMPAIGN_DAYS))
    assert "Socket closed" in str(broken.value)


@pytest.mark.parametrize(
    ("kind", "said"), [("unavailable", "currently unavailable"), ("bad_body", "deserializing")]
)
def test_an_unavailable_service_and_a_broken_answer_have_no_failure(
    api: Api, kind: Any, said: str
) -> None:
    api.faults.add(Fault(kind, "google_ads", method="SearchStream"))
    with pytest.raises(Exception, match=said):
        api.stream(CAMPAIGN_DAYS)
    api.faults.add(Fault(kind, "google_ads", method="Search"))
    request = SearchGoogleAdsRequest(customer_id=NL, query=CAMPAIGN_DAYS)
    with pytest.raises(Exception, match=said):
        api.ads().search(request=request, **api.signed_in)


def test_a_stalled_stream_lasts_until_the_client_gives_up(api: Api) -> None:
    api.faults.add(Fault("stall", "google_ads"))
    signed_in = api.signed_in | {"timeout": 0.3}
    with pytest.raises(Exception, match="Deadline"):
        list(api.ads().search_stream(customer_id=NL, query=CAMPAIGN_DAYS, **signed_in))


def test_a_stalled_stream_goes_on_when_the_faults_are_cleared(api: Api) -> None:
    api.faults.add(Fault("stall", "google_ads", after_messages=1))
    replies = iter(api.ads().search_stream(customer_id=NL, query=CAMPAIGN_DAYS, **api.signed_in))
    first = next(replies)
    threading.Timer(0.05, api.faults.clear).start()
    rest = list(replies)
    assert len(first.results) + sum(len(r.results) for r in rest) > 2000


def test_every_refusal_that_the_server_words_exists_in_the_protos() -> None:
    text = Path(google_ads_server.__file__).read_text()
    worded = re.findall(r'AdsError\(\s*"(\w+_error)",\s*"(\w+)"', text)
    assert len(worded) > 8
    for family, code in worded:
        assert AdsError(family, code, "").failure("x")
