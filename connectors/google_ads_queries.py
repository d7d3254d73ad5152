"""Which Google Ads fields fill which raw table; the queries are written from this alone.

Removed campaigns are never filtered: their past days stay true.
Source: https://developers.google.com/google-ads/api/fields/v26/overview
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connectors import tables
from connectors.base import DateWindow, Table
from connectors.google_ads_rules import check_together

# The newest version that google-ads 34 ships; Google retires one about a year after its release.
API_VERSION = "v26"


@dataclass(frozen=True)
class Query:
    """One GAQL query: the resource it reads from and the field of every column.

    A column whose field is a resource name (``customers/1/conversionActions/2``)
    takes its last part, the id; one whose field is a list has its elements with
    commas between. ``blank`` names columns that are part of the key and that the
    API may leave unset: such a row has an empty text there. ``whole`` names
    messages that the API gives as they are, while columns take parts of them.

    What is dated by a ``moment`` instead of ``segments.date`` comes in its order,
    at most ``limit`` rows from ``since`` on.

    Raises ValueError for fields that Google does not give together.
    """

    resource: str
    fields: dict[str, str]
    is_daily: bool = True
    blank: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    moment: str = ""
    limit: int = 0
    since: str = ""

    def __post_init__(self) -> None:
        check_together(self.resource, self.selected)

    @property
    def selected(self) -> Sequence[str]:
        """The fields to select, each once, as the API calls them."""
        asked = []
        for path in self.fields.values():
            whole = [name for name in self.whole if path.startswith(f"{name}.")]
            # `type` is reserved in Python, and called `type_` in the client's messages alone
            asked.append(whole[0] if whole else path.removesuffix("_"))
        return tuple(dict.fromkeys(asked))

    def gaql(self, window: DateWindow | None = None) -> str:
        """Write the query; both ends of ``window`` are included."""
        fields = ", ".join(self.selected)
        query = f"SELECT {fields} FROM {self.resource}"  # noqa: S608 (GAQL; names are ours)
        if self.moment and window is not None:
            since = self.since or f"{window.start} 00:00:00"
            query += (
                f" WHERE {self.moment} >= '{since}' AND {self.moment} <= "
                f"'{window.end} 23:59:59.999999' ORDER BY {self.moment} LIMIT {self.limit}"
            )
        elif self.is_daily and window is not None:
            query += f" WHERE segments.date BETWEEN '{window.start}' AND '{window.end}'"
        return query


_FACT = {"account_id": "customer.id", "date_day": "segments.date"}
_MONEY = {"currency_code": "customer.currency_code"}
_DELIVERY = {
    "impressions": "metrics.impressions",
    "clicks": "metrics.clicks",
    "cost_micros": "metrics.cost_micros",
}
_CONVERSIONS = {
    "conversions": "metrics.conversions",
    "conversions_value": "metrics.conversions_value",
}
_BY_CONVERSION_DATE = {
    "conversions_by_conversion_date": "metrics.conversions_by_conversion_date",
    "conversions_value_by_conversion_date": "metrics.conversions_value_by_conversion_date",
}
_CONVERSION_ACTION = {
    "conversion_action_id": "segments.conversion_action",
    "conversion_action_name": "segments.conversion_action_name",
    "conversion_action_category": "segments.conversion_action_category",
}
_CAMPAIGN = {
    "campaign_id": "campaign.id",
    "campaign_name": "campaign.name",
    "channel_type": "campaign.advertising_channel_type",
}
_AD_GROUP = {**_CAMPAIGN, "ad_group_id": "ad_group.id", "ad_group_name": "ad_group.name"}
_ASSET_GROUP = {
    **_CAMPAIGN,
    "asset_group_id": "asset_group.id",
    "asset_group_name": "asset_group.name",
}
_LABEL = {"label_id": "label.id", "label_name": "label.name"}
_RESULTS = {**_MONEY, **_DELIVERY, **_CONVERSIONS}

QUERIES: dict[Table, Query] = {
    tables.ADS_ACCOUNT: Query(
        "customer",
        {
            "account_id": "customer.id",
            "account_name": "customer.descriptive_name",
            "currency_code": "customer.currency_code",
            "time_zone": "customer.time_zone",
            "status": "customer.status",
            "is_manager": "customer.manager",
            "is_test_account": "customer.test_account",
        },
        is_daily=False,
    ),
    tables.ADS_CONVERSION_ACTION: Query(
        "conversion_action",
        {
            "account_id": "customer.id",
            "conversion_action_id": "conversion_action.id",
            "conversion_action_name": "conversion_action.name",
            "category": "conversion_action.category",
            "status": "conversion_action.status",
            "is_primary_for_goal": "conversion_action.primary_for_goal",
            "click_through_window_days": "conversion_action.click_through_lookback_window_days",
            "view_through_window_days": "conversion_action.view_through_lookback_window_days",
        },
        is_daily=False,
    ),
    tables.ADS_ACCOUNT_DAY: Query("customer", {**_FACT, **_RESULTS, **_BY_CONVERSION_DATE}),
    tables.ADS_CAMPAIGN_DAY: Query(
        "campaign",
        {
            **_FACT,
            "campaign_id": "campaign.id",
            "campaign_name": "campaign.name",
            "campaign_status": "campaign.status",
            "channel_type": "campaign.advertising_channel_type",
            "device": "segments.device",
            "network": "segments.ad_network_type",
            **_RESULTS,
            **_BY_CONVERSION_DATE,
        },
    ),
    # with this segment only conversion metrics can be asked for
    tables.ADS_CONVERSION_ACTION_DAY: Query(
        "campaign",
        {
            **_FACT,
            "campaign_id": "campaign.id",
            **_CONVERSION_ACTION,
            **_MONEY,
            **_CONVERSIONS,
            **_BY_CONVERSION_DATE,
        },
    ),
    # how long after the click conversions came; conversion metrics only, here too
    tables.ADS_CONVERSION_LAG_DAY: Query(
        "customer",
        {
            **_FACT,
            "conversion_lag_bucket": "segments.conversion_lag_bucket",
            **_MONEY,
            **_CONVERSIONS,
        },
    ),
    # --- on request ---
    tables.ADS_AD_GROUP_DAY: Query(
        "ad_group",
        {
            **_FACT,
            **_AD_GROUP,
            "ad_group_status": "ad_group.status",
            **_RESULTS,
            **_BY_CONVERSION_DATE,
        },
    ),
    tables.ADS_AD_DAY: Query(
        "ad_group_ad",
        {
            **_FACT,
            **_AD_GROUP,
            "ad_id": "ad_group_ad.ad.id",
            "ad_type": "ad_group_ad.ad.type_",
            "ad_status": "ad_group_ad.status",
            "ad_strength": "ad_group_ad.ad_strength",
            **_RESULTS,
            **_BY_CONVERSION_DATE,
        },
    ),
    tables.ADS_KEYWORD_DAY: Query(
        "keyword_view",
        {
            **_FACT,
            **_AD_GROUP,
            "criterion_id": "ad_group_criterion.criterion_id",
            "keyword_text": "ad_group_criterion.keyword.text",
            "keyword_match_type": "ad_group_criterion.keyword.match_type",
            "keyword_status": "ad_group_criterion.status",
            **_RESULTS,
            **_BY_CONVERSION_DATE,
        },
    ),
    tables.ADS_SEARCH_TERM_DAY: Query(
        "search_term_view",
        {
            **_FACT,
            **_AD_GROUP,
            "search_term": "search_term_view.search_term",
            "search_term_status": "search_term_view.status",
            "search_term_match_type": "segments.search_term_match_type",
            **_RESULTS,
        },
    ),
    tables.ADS_CAMPAIGN_SEARCH_TERM_DAY: Query(
        "campaign_search_term_view",
        {
            **_FACT,
            **_CAMPAIGN,
            "search_term": "campaign_search_term_view.search_term",
            **_RESULTS,
        },
    ),
    tables.ADS_SHOPPING_PRODUCT_DAY: Query(
        "shopping_performance_view",
        {
            **_FACT,
            **_CAMPAIGN,
            "product_item_id": "segments.product_item_id",
            "product_merchant_id": "segments.product_merchant_id",
            "product_feed_label": "segments.product_feed_label",
            "product_title": "segments.product_title",
            "product_brand": "segments.product_brand",
            "product_type_l1": "segments.product_type_l1",
            "product_custom_label_0": "segments.product_custom_attribute0",
            **_RESULTS,
        },
        blank=(
            "product_item_id",
            "product_merchant_id",
            "product_feed_label",
            "product_title",
            "product_brand",
            "product_type_l1",
            "product_custom_label_0",
        ),
    ),
    tables.ADS_GEOGRAPHIC_DAY: Query(
        "geographic_view",
        {
            **_FACT,
            **_CAMPAIGN,
            "country_criterion_id": "geographic_view.country_criterion_id",
            "location_type": "geographic_view.location_type",
            **_RESULTS,
        },
    ),
    tables.ADS_HOUR_DAY: Query(
        "campaign", {**_FACT, **_CAMPAIGN, "hour": "segments.hour", **_RESULTS}
    ),
    tables.ADS_LANDING_PAGE_DAY: Query(
        "landing_page_view",
        {
            **_FACT,
            **_CAMPAIGN,
            "landing_page": "landing_page_view.unexpanded_final_url",
            **_RESULTS,
        },
        blank=("landing_page",),
    ),
    tables.ADS_ASSET_GROUP_DAY: Query(
        "asset_group",
        {**_FACT, **_ASSET_GROUP, "asset_group_status": "asset_group.status", **_RESULTS},
    ),
    tables.ADS_ASSET_GROUP_PRODUCT_GROUP_DAY: Query(
        "asset_group_product_group_view",
        {
            **_FACT,
            **_ASSET_GROUP,
            "product_group_id": "asset_group_listing_group_filter.id",
            "product_group_type": "asset_group_listing_group_filter.type_",
            **_RESULTS,
        },
    ),
    tables.ADS_IMPRESSION_SHARE_DAY: Query(
        "campaign",
        {
            **_FACT,
            **_CAMPAIGN,
            "impressions": "metrics.impressions",
            "search_impression_share": "metrics.search_impression_share",
            "search_top_impression_share": "metrics.search_top_impression_share",
            "search_budget_lost_impression_share": "metrics.search_budget_lost_impression_share",
            "search_rank_lost_impression_share": "metrics.search_rank_lost_impression_share",
        },
    ),
    tables.ADS_ALL_CONVERSIONS_DAY: Query(
        "campaign",
        {
            **_FACT,
            "campaign_id": "campaign.id",
            **_CONVERSION_ACTION,
            **_MONEY,
            **_CONVERSIONS,
            **_BY_CONVERSION_DATE,
            "all_conversions": "metrics.all_conversions",
            "all_conversions_value": "metrics.all_conversions_value",
            "all_conversions_by_conversion_date": "metrics.all_conversions_by_conversion_date",
            "all_conversions_value_by_conversion_date": (
                "metrics.all_conversions_value_by_conversion_date"
            ),
        },
    ),
    tables.ADS_CAMPAIGN: Query(
        "campaign",
        {
            "account_id": "customer.id",
            "campaign_id": "campaign.id",
            "campaign_name": "campaign.name",
            "campaign_status": "campaign.status",
            "channel_type": "campaign.advertising_channel_type",
            "bidding_strategy_type": "campaign.bidding_strategy_type",
            "target_roas": "campaign.target_roas.target_roas",
            "maximize_value_target_roas": "campaign.maximize_conversion_value.target_roas",
            "target_cpa_micros": "campaign.target_cpa.target_cpa_micros",
            "maximize_conversions_target_cpa_micros": (
                "campaign.maximize_conversions.target_cpa_micros"
            ),
            "portfolio_strategy_id": "bidding_strategy.id",
            "portfolio_strategy_name": "bidding_strategy.name",
            "portfolio_target_roas": "bidding_strategy.target_roas.target_roas",
            "portfolio_target_cpa_micros": "bidding_strategy.target_cpa.target_cpa_micros",
            "start_at_local": "campaign.start_date_time",
            "end_at_local": "campaign.end_date_time",
            "budget_id": "campaign_budget.id",
            "budget_name": "campaign_budget.name",
            "budget_amount_micros": "campaign_budget.amount_micros",
            "is_shared_budget": "campaign_budget.explicitly_shared",
            **_MONEY,
        },
        is_daily=False,
    ),
    tables.ADS_AD_GROUP: Query(
        "ad_group",
        {
            "account_id": "customer.id",
            "campaign_id": "campaign.id",
            "ad_group_id": "ad_group.id",
            "ad_group_name": "ad_group.name",
            "ad_group_status": "ad_group.status",
            "ad_group_type": "ad_group.type_",
            "cpc_bid_micros": "ad_group.cpc_bid_micros",
            "target_cpa_micros": "ad_group.target_cpa_micros",
            "target_roas": "ad_group.target_roas",
            **_MONEY,
        },
        is_daily=False,
    ),
    tables.ADS_BUDGET: Query(
        "campaign_budget",
        {
            "account_id": "customer.id",
            "budget_id": "campaign_budget.id",
            "budget_name": "campaign_budget.name",
            "budget_status": "campaign_budget.status",
            "budget_period": "campaign_budget.period",
            "amount_micros": "campaign_budget.amount_micros",
            "total_amount_micros": "campaign_budget.total_amount_micros",
            "is_shared": "campaign_budget.explicitly_shared",
            "campaigns": "campaign_budget.reference_count",
            "recommended_amount_micros": "campaign_budget.recommended_budget_amount_micros",
            **_MONEY,
        },
        is_daily=False,
    ),
    tables.ADS_CAMPAIGN_LABEL: Query(
        "campaign_label",
        {"account_id": "customer.id", "campaign_id": "campaign.id", **_LABEL},
        is_daily=False,
    ),
    tables.ADS_AD_GROUP_LABEL: Query(
        "ad_group_label",
        {
            "account_id": "customer.id",
            "campaign_id": "campaign.id",
            "ad_group_id": "ad_group.id",
            **_LABEL,
        },
        is_daily=False,
    ),
    tables.ADS_CHANGE_EVENT: Query(
        "change_event",
        {
            "account_id": "customer.id",
            "date_day": "change_event.change_date_time",
            "change_event_id": "change_event.resource_name",
            "changed_at_local": "change_event.change_date_time",
            "resource_type": "change_event.change_resource_type",
            "resource_id": "change_event.change_resource_name",
            "operation": "change_event.resource_change_operation",
            "client_type": "change_event.client_type",
            "campaign_id": "change_event.campaign",
            "ad_group_id": "change_event.ad_group",
            "changed_fields": "change_event.changed_fields.paths",
            **{
                f"{when}_{name}": f"change_event.{when}_resource.{path}"
                for name, _, path in tables.ADS_CHANGED
                for when in ("old", "new")
            },
            **_MONEY,
        },
        whole=(
            "change_event.old_resource",
            "change_event.new_resource",
            "change_event.changed_fields",
        ),
        moment="change_event.change_date_time",
        # the most that one answer of this resource may hold
        # Source: https://developers.google.com/google-ads/api/docs/change-event
        limit=10_000,
    ),
}

# The days after the click that a bucket stands for: from the first, up to but without the second.
# Source: https://developers.google.com/google-ads/api/reference/rpc/v26/ConversionLagBucketEnum.ConversionLagBucket
LAG_BUCKETS: dict[str, tuple[int, int]] = {
    "LESS_THAN_ONE_DAY": (0, 1),
    "ONE_TO_TWO_DAYS": (1, 2),
    "TWO_TO_THREE_DAYS": (2, 3),
    "THREE_TO_FOUR_DAYS": (3, 4),
    "FOUR_TO_FIVE_DAYS": (4, 5),
    "FIVE_TO_SIX_DAYS": (5, 6),
    "SIX_TO_SEVEN_DAYS": (6, 7),
    "SEVEN_TO_EIGHT_DAYS": (7, 8),
    "EIGHT_TO_NINE_DAYS": (8, 9),
    "NINE_TO_TEN_DAYS": (9, 10),
    "TEN_TO_ELEVEN_DAYS": (10, 11),
    "ELEVEN_TO_TWELVE_DAYS": (11, 12),
    "TWELVE_TO_THIRTEEN_DAYS": (12, 13),
    "THIRTEEN_TO_FOURTEEN_DAYS": (13, 14),
    "FOURTEEN_TO_TWENTY_ONE_DAYS": (14, 21),
    "TWENTY_ONE_TO_THIRTY_DAYS": (21, 30),
    "THIRTY_TO_FORTY_FIVE_DAYS": (30, 45),
    "FORTY_FIVE_TO_SIXTY_DAYS": (45, 60),
    "SIXTY_TO_NINETY_DAYS": (60, 90),
}

# Every account at or below the one that is asked, managers included.
CUSTOMER_CLIENTS = Query(
    "customer_client",
    {
        "account_id": "customer_client.id",
        "account_name": "customer_client.descriptive_name",
        "currency_code": "customer_client.currency_code",
        "time_zone": "customer_client.time_zone",
        "status": "customer_client.status",
        "is_manager": "customer_client.manager",
        "is_test_account": "customer_client.test_account",
    },
    is_daily=False,
)
