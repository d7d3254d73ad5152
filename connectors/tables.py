"""The raw tables of every source, in the platforms' own units.

Sources: https://developers.google.com/google-ads/api/fields/v26/overview,
https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema,
https://developers.google.com/webmaster-tools/v1/searchanalytics/query
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pyarrow as pa

from connectors.base import Column, Table

TEXT, INTEGER, NUMBER, DAY, FLAG = pa.string(), pa.int64(), pa.float64(), pa.date32(), pa.bool_()

# Long enough to keep requests few, short enough to be repeated; GA4 samples longer ranges sooner.
QUARTER_DAYS = 92

# --- Google Ads -------------------------------------------------------------------------------
# Daily segments go back 37 months; 1,110 days is what stays inside it (facts: Airbyte #78504).
ADS_RETENTION_DAYS = 1110

_ADS_FACT = (
    Column("account_id", TEXT, "customer id, digits without dashes"),
    Column("date_day", DAY, "day of the ad interaction, in the account's time zone"),
)
_ADS_MONEY = Column("currency_code", TEXT, "ISO 4217 code of the account")
_ADS_DELIVERY = (
    Column("impressions", INTEGER),
    Column("clicks", INTEGER),
    Column("cost_micros", INTEGER, "millionths of the account currency"),
)
_ADS_CONVERSIONS = (
    Column("conversions", NUMBER, "fractional; counted on the day of the interaction"),
    Column("conversions_value", NUMBER, "account currency; on the day of the interaction"),
    Column("conversions_by_conversion_date", NUMBER, "fractional; on the day it happened"),
    Column("conversions_value_by_conversion_date", NUMBER, "account currency"),
)

ADS_ACCOUNT = Table(
    "google_ads",
    "account",
    (
        Column("account_id", TEXT, "customer id, digits without dashes"),
        Column("account_name", TEXT),
        Column("currency_code", TEXT),
        Column("time_zone", TEXT, "IANA name"),
        Column("status", TEXT, "ENABLED, SUSPENDED, CANCELED, CLOSED"),
        Column("is_manager", FLAG),
        Column("is_test_account", FLAG),
    ),
    key=("account_id",),
)
ADS_ACCOUNT_DAY = Table(
    "google_ads",
    "account_day",
    (*_ADS_FACT, _ADS_MONEY, *_ADS_DELIVERY, *_ADS_CONVERSIONS),
    key=("account_id", "date_day"),
    max_days=366,
    retention_days=ADS_RETENTION_DAYS,
)
ADS_CAMPAIGN_DAY = Table(
    "google_ads",
    "campaign_day",
    (
        *_ADS_FACT,
        Column("campaign_id", TEXT),
        Column("campaign_name", TEXT, "as it was called when the day was read"),
        Column("campaign_status", TEXT, "ENABLED, PAUSED, REMOVED; removed ones are kept"),
        Column("channel_type", TEXT, "SEARCH, SHOPPING, PERFORMANCE_MAX, DISPLAY, VIDEO, …"),
        Column("device", TEXT, "MOBILE, DESKTOP, TABLET, CONNECTED_TV, OTHER"),
        Column("network", TEXT, "segments.ad_network_type"),
        _ADS_MONEY,
        *_ADS_DELIVERY,
        *_ADS_CONVERSIONS,
    ),
    key=("account_id", "date_day", "campaign_id", "device", "network"),
    max_days=QUARTER_DAYS,
    retention_days=ADS_RETENTION_DAYS,
)
ADS_CONVERSION_ACTION_DAY = Table(
    "google_ads",
    "conversion_action_day",
    (
        *_ADS_FACT,
        Column("campaign_id", TEXT),
        Column("conversion_action_id", TEXT),
        Column("conversion_action_name", TEXT),
        Column("conversion_action_category", TEXT, "PURCHASE, SUBMIT_LEAD_FORM, …"),
        _ADS_MONEY,
        *_ADS_CONVERSIONS,
    ),
    key=("account_id", "date_day", "campaign_id", "conversion_action_id"),
    max_days=QUARTER_DAYS,
    retention_days=ADS_RETENTION_DAYS,
)
# Read whole like any other: what arrived within a day is complete for a day of two days old,
# so that the first run already tells how late an account's conversions are.
ADS_CONVERSION_LAG_DAY = Table(
    "google_ads",
    "conversion_lag_day",
    (
        *_ADS_FACT,
        Column("conversion_lag_bucket", TEXT, "LESS_THAN_ONE_DAY … SIXTY_TO_NINETY_DAYS"),
        _ADS_MONEY,
        *_ADS_CONVERSIONS[:2],
    ),
    key=("account_id", "date_day", "conversion_lag_bucket"),
    max_days=366,
    retention_days=ADS_RETENTION_DAYS,
)
ADS_CONVERSION_ACTION = Table(
    "google_ads",
    "conversion_action",
    (
        Column("account_id", TEXT, "customer id, digits without dashes"),
        Column("conversion_action_id", TEXT),
        Column("conversion_action_name", TEXT),
        Column("category", TEXT),
        Column("status", TEXT),
        Column("is_primary_for_goal", FLAG),
        Column("click_through_window_days", INTEGER, "how long a click can still convert"),
        Column("view_through_window_days", INTEGER),
    ),
    key=("account_id", "conversion_action_id"),
)

# --- Google Ads, read on request --------------------------------------------------------------
# What is below the campaign need not add up to it: `covers` says what is there. Conversions by
# conversion date are asked only of resources that surely have them.
_ADS_CAMPAIGN = (
    Column("campaign_id", TEXT),
    Column("campaign_name", TEXT, "as it was called when the day was read"),
    Column("channel_type", TEXT, "SEARCH, SHOPPING, PERFORMANCE_MAX, DISPLAY, VIDEO, …"),
)
_ADS_AD_GROUP = (
    *_ADS_CAMPAIGN,
    Column("ad_group_id", TEXT),
    Column("ad_group_name", TEXT, "as it was called when the day was read"),
)
_ADS_RESULTS = (_ADS_MONEY, *_ADS_DELIVERY, *_ADS_CONVERSIONS[:2])
_NO_PMAX = "all campaigns but Performance Max, which has no ad groups"


def _ads_on_request(
    grain: str,
    columns: tuple[Column, ...],
    key: tuple[str, ...],
    covers: str,
    max_days: int = 31,
) -> Table:
    return Table(
        "google_ads",
        grain,
        (*_ADS_FACT, *columns),
        key=("account_id", "date_day", *key),
        max_days=max_days,
        retention_days=ADS_RETENTION_DAYS,
        optional=True,
        covers=covers,
    )


ADS_AD_GROUP_DAY = _ads_on_request(
    "ad_group_day",
    (*_ADS_AD_GROUP, Column("ad_group_status", TEXT), *_ADS_RESULTS, *_ADS_CONVERSIONS[2:]),
    ("ad_group_id",),
    _NO_PMAX,
    max_days=QUARTER_DAYS,
)
ADS_AD_DAY = _ads_on_request(
    "ad_day",
    (
        *_ADS_AD_GROUP,
        Column("ad_id", TEXT, "unique within its ad group: an ad can be in several"),
        Column("ad_type", TEXT, "RESPONSIVE_SEARCH_AD, SHOPPING_PRODUCT_AD, …"),
        Column("ad_status", TEXT, "ENABLED, PAUSED, REMOVED; removed ones are kept"),
        Column("ad_strength", TEXT, "how Google rates a responsive ad, such as GOOD or POOR"),
        *_ADS_RESULTS,
        *_ADS_CONVERSIONS[2:],
    ),
    ("ad_group_id", "ad_id"),
    _NO_PMAX,
)
ADS_KEYWORD_DAY = _ads_on_request(
    "keyword_day",
    (
        *_ADS_AD_GROUP,
        Column("criterion_id", TEXT, "unique within its ad group alone"),
        Column("keyword_text", TEXT),
        Column("keyword_match_type", TEXT, "EXACT, PHRASE, BROAD"),
        Column("keyword_status", TEXT, "ENABLED, PAUSED, REMOVED; removed ones are kept"),
        *_ADS_RESULTS,
        *_ADS_CONVERSIONS[2:],
    ),
    ("ad_group_id", "criterion_id"),
    "what a keyword brought: no Dynamic Search Ads, Shopping, Performance Max, Display or Video "
    "without keywords",
)
ADS_SEARCH_TERM_DAY = _ads_on_request(
    "search_term_day",
    (
        *_ADS_AD_GROUP,
        Column("search_term", TEXT, "what was typed; rare terms are withheld"),
        Column("search_term_status", TEXT, "ADDED, EXCLUDED, ADDED_EXCLUDED, NONE"),
        Column("search_term_match_type", TEXT, "how the term was matched, such as NEAR_EXACT"),
        *_ADS_RESULTS,
    ),
    ("ad_group_id", "search_term", "search_term_match_type"),
    "Search and Shopping without Performance Max, and without the rare terms that are withheld",
)
ADS_CAMPAIGN_SEARCH_TERM_DAY = _ads_on_request(
    "campaign_search_term_day",
    (
        *_ADS_CAMPAIGN,
        Column("search_term", TEXT, "what was typed; rare terms are withheld"),
        *_ADS_RESULTS,
    ),
    ("campaign_id", "search_term"),
    "Search, Shopping and the searches of Performance Max, without the rare terms that are "
    "withheld; the same terms as search_term_day again: never add the two",
)
ADS_SHOPPING_PRODUCT_DAY = _ads_on_request(
    "shopping_product_day",
    (
        *_ADS_CAMPAIGN,
        Column("product_item_id", TEXT, "the feed's id, in lower case"),
        Column("product_merchant_id", TEXT, "Merchant Center account"),
        Column("product_feed_label", TEXT),
        Column("product_title", TEXT, "as it was on that day; empty where not said"),
        Column("product_brand", TEXT, "empty where not said"),
        Column("product_type_l1", TEXT, "the shop's own category; empty where not said"),
        Column("product_custom_label_0", TEXT, "the feed's own label; empty where not said"),
        *_ADS_RESULTS,
    ),
    # a segment that is selected splits rows: a title that changes in the day makes two of them
    (
        "campaign_id",
        "product_item_id",
        "product_merchant_id",
        "product_feed_label",
        "product_title",
        "product_brand",
        "product_type_l1",
        "product_custom_label_0",
    ),
    "Shopping, and of Performance Max only what was shown with a product",
)
ADS_GEOGRAPHIC_DAY = _ads_on_request(
    "geographic_day",
    (
        *_ADS_CAMPAIGN,
        Column("country_criterion_id", TEXT, "Google's number of a country: 2528 is NL"),
        Column("location_type", TEXT, "LOCATION_OF_PRESENCE or AREA_OF_INTEREST"),
        *_ADS_RESULTS,
    ),
    ("campaign_id", "country_criterion_id", "location_type"),
    "every impression whose country Google tells",
)
ADS_HOUR_DAY = _ads_on_request(
    "hour_day",
    (
        *_ADS_CAMPAIGN,
        Column("hour", INTEGER, "0 to 23, in the account's time zone"),
        *_ADS_RESULTS,
    ),
    ("campaign_id", "hour"),
    "every campaign, whole",
)
ADS_LANDING_PAGE_DAY = _ads_on_request(
    "landing_page_day",
    (
        *_ADS_CAMPAIGN,
        Column("landing_page", TEXT, "the final URL, before tracking templates are filled in"),
        *_ADS_RESULTS,
    ),
    ("campaign_id", "landing_page"),
    "clicks that lead to a page: no calls, no store visits",
)
ADS_ASSET_GROUP_DAY = _ads_on_request(
    "asset_group_day",
    (
        *_ADS_CAMPAIGN,
        Column("asset_group_id", TEXT),
        Column("asset_group_name", TEXT, "as it was called when the day was read"),
        Column("asset_group_status", TEXT, "ENABLED, PAUSED, REMOVED; removed ones are kept"),
        *_ADS_RESULTS,
    ),
    ("asset_group_id",),
    "Performance Max alone",
)
ADS_ASSET_GROUP_PRODUCT_GROUP_DAY = _ads_on_request(
    "asset_group_product_group_day",
    (
        *_ADS_CAMPAIGN,
        Column("asset_group_id", TEXT),
        Column("asset_group_name", TEXT, "as it was called when the day was read"),
        Column("product_group_id", TEXT, "the listing group: unique within its asset group"),
        Column("product_group_type", TEXT, "UNIT_INCLUDED, UNIT_EXCLUDED, SUBDIVISION"),
        *_ADS_RESULTS,
    ),
    ("asset_group_id", "product_group_id"),
    "of Performance Max what was shown with a product, by its lowest product group",
)
ADS_IMPRESSION_SHARE_DAY = _ads_on_request(
    "impression_share_day",
    (
        *_ADS_CAMPAIGN,
        Column("impressions", INTEGER, "of all networks, unlike the shares"),
        Column("search_impression_share", NUMBER, "fraction; 0.0999 means less than 10%"),
        Column("search_top_impression_share", NUMBER, "fraction; 0.0999 means less than 10%"),
        Column(
            "search_budget_lost_impression_share", NUMBER, "fraction; 0.9001 means more than 90%"
        ),
        Column("search_rank_lost_impression_share", NUMBER, "fraction; 0.9001 means above 90%"),
    ),
    ("campaign_id",),
    "campaigns on the Search Network; the shares of others are null",
    max_days=QUARTER_DAYS,
)
# What is set, as it is now. The warehouse keeps what it was: sql/marts/campaign_attributes.
_ADS_TARGETS = (
    Column("target_roas", NUMBER, "of the strategy Target ROAS: 4.0 is 400%"),
    Column("maximize_value_target_roas", NUMBER, "of Maximise conversion value; 0 is none"),
    Column("target_cpa_micros", INTEGER, "of the strategy Target CPA"),
    Column("maximize_conversions_target_cpa_micros", INTEGER, "of Maximise conversions; 0: none"),
    Column("portfolio_strategy_id", TEXT, "null where the campaign has a strategy of its own"),
    Column("portfolio_strategy_name", TEXT),
    Column("portfolio_target_roas", NUMBER),
    Column("portfolio_target_cpa_micros", INTEGER),
)


def _ads_present(
    grain: str, columns: tuple[Column, ...], key: tuple[str, ...], covers: str
) -> Table:
    return Table(
        "google_ads",
        grain,
        (_ADS_FACT[0], *columns),
        key=("account_id", *key),
        optional=True,
        covers=covers,
    )


ADS_CAMPAIGN = _ads_present(
    "campaign",
    (
        *_ADS_CAMPAIGN[:1],
        Column("campaign_name", TEXT),
        Column("campaign_status", TEXT, "ENABLED, PAUSED, REMOVED"),
        _ADS_CAMPAIGN[2],
        Column("bidding_strategy_type", TEXT, "TARGET_ROAS, MAXIMIZE_CONVERSIONS, …"),
        *_ADS_TARGETS,
        Column("start_at_local", TEXT, "the account's time zone, `YYYY-MM-DD hh:mm:ss`"),
        Column("end_at_local", TEXT, "likewise; null without an end"),
        Column("budget_id", TEXT),
        Column("budget_name", TEXT),
        Column("budget_amount_micros", INTEGER, "a day, millionths of the account currency"),
        Column("is_shared_budget", FLAG, "of several campaigns: do not add their amounts up"),
        _ADS_MONEY,
    ),
    ("campaign_id",),
    "every campaign as it is now; what it was before is in history",
)
ADS_AD_GROUP = _ads_present(
    "ad_group",
    (
        *_ADS_CAMPAIGN[:1],
        Column("ad_group_id", TEXT),
        Column("ad_group_name", TEXT),
        Column("ad_group_status", TEXT, "ENABLED, PAUSED, REMOVED"),
        Column("ad_group_type", TEXT, "SEARCH_STANDARD, SEARCH_DYNAMIC_ADS, DISPLAY_STANDARD, …"),
        Column("cpc_bid_micros", INTEGER, "highest bid for a click, where bids are by hand"),
        Column("target_cpa_micros", INTEGER, "null where the campaign's own goes"),
        Column("target_roas", NUMBER, "null where the campaign's own goes"),
        _ADS_MONEY,
    ),
    ("ad_group_id",),
    "every ad group as it is now; Performance Max has none; what it was before is in history",
)
ADS_BUDGET = _ads_present(
    "budget",
    (
        Column("budget_id", TEXT),
        Column("budget_name", TEXT),
        Column("budget_status", TEXT, "ENABLED, REMOVED"),
        Column("budget_period", TEXT, "DAILY, or CUSTOM_PERIOD for one amount in all"),
        Column("amount_micros", INTEGER, "a day, millionths of the account currency"),
        Column("total_amount_micros", INTEGER, "of a CUSTOM_PERIOD, in all"),
        Column("is_shared", FLAG, "of several campaigns"),
        Column("campaigns", INTEGER, "how many campaigns spend it"),
        Column("recommended_amount_micros", INTEGER, "what Google recommends; null without"),
        _ADS_MONEY,
    ),
    ("budget_id",),
    "every budget as it is now; what it was before is in history",
)
_ADS_LABEL = (Column("label_id", TEXT), Column("label_name", TEXT))
ADS_CAMPAIGN_LABEL = _ads_present(
    "campaign_label",
    (*_ADS_CAMPAIGN[:1], *_ADS_LABEL),
    ("campaign_id", "label_id"),
    "campaigns that have a label, a row for each of their labels, as it is now",
)
ADS_AD_GROUP_LABEL = _ads_present(
    "ad_group_label",
    (*_ADS_CAMPAIGN[:1], Column("ad_group_id", TEXT), *_ADS_LABEL),
    ("ad_group_id", "label_id"),
    "ad groups that have a label of their own, a row for each label, as it is now",
)
ADS_ALL_CONVERSIONS_DAY = _ads_on_request(
    "all_conversions_day",
    (
        Column("campaign_id", TEXT),
        Column("conversion_action_id", TEXT),
        Column("conversion_action_name", TEXT),
        Column("conversion_action_category", TEXT, "PURCHASE, SUBMIT_LEAD_FORM, …"),
        _ADS_MONEY,
        *_ADS_CONVERSIONS,
        Column("all_conversions", NUMBER, "with those that bidding does not count; fractional"),
        Column("all_conversions_value", NUMBER, "account currency; day of the interaction"),
        Column("all_conversions_by_conversion_date", NUMBER, "fractional; the day it happened"),
        Column("all_conversions_value_by_conversion_date", NUMBER, "account currency"),
    ),
    ("campaign_id", "conversion_action_id"),
    "all conversions, those that are not counted as a conversion too",
    max_days=QUARTER_DAYS,
)
# Old and new values of what explains a change of figures. The rest is in changed_fields by name.
# Who did it is left out: an e-mail address is about a person.
ADS_CHANGED: tuple[tuple[str, pa.DataType, str], ...] = (
    ("campaign_name", TEXT, "campaign.name"),
    ("campaign_status", TEXT, "campaign.status"),
    ("bidding_strategy_type", TEXT, "campaign.bidding_strategy_type"),
    ("target_roas", NUMBER, "campaign.target_roas.target_roas"),
    ("maximize_value_target_roas", NUMBER, "campaign.maximize_conversion_value.target_roas"),
    ("target_cpa_micros", INTEGER, "campaign.target_cpa.target_cpa_micros"),
    (
        "maximize_conversions_target_cpa_micros",
        INTEGER,
        "campaign.maximize_conversions.target_cpa_micros",
    ),
    ("budget_amount_micros", INTEGER, "campaign_budget.amount_micros"),
    ("ad_group_name", TEXT, "ad_group.name"),
    ("ad_group_status", TEXT, "ad_group.status"),
    ("ad_group_cpc_bid_micros", INTEGER, "ad_group.cpc_bid_micros"),
    ("ad_group_target_cpa_micros", INTEGER, "ad_group.target_cpa_micros"),
    ("ad_group_target_roas", NUMBER, "ad_group.target_roas"),
    ("ad_status", TEXT, "ad_group_ad.status"),
    ("keyword_status", TEXT, "ad_group_criterion.status"),
    ("keyword_cpc_bid_micros", INTEGER, "ad_group_criterion.cpc_bid_micros"),
)
ADS_CHANGE_EVENT = Table(
    "google_ads",
    "change_event",
    (
        _ADS_FACT[0],
        Column("date_day", DAY, "day of the change, in the account's time zone"),
        Column("change_event_id", TEXT),
        Column("changed_at_local", TEXT, "the account's time zone, `YYYY-MM-DD hh:mm:ss.ffffff`"),
        Column("resource_type", TEXT, "CAMPAIGN, CAMPAIGN_BUDGET, AD_GROUP, AD_GROUP_CRITERION, …"),
        Column("resource_id", TEXT, "of what was changed; 1~2 where it takes two numbers"),
        Column("operation", TEXT, "CREATE, UPDATE, REMOVE"),
        Column("client_type", TEXT, "GOOGLE_ADS_WEB_CLIENT, GOOGLE_ADS_AUTOMATED_RULE, …"),
        Column("campaign_id", TEXT, "empty where the change is of no campaign"),
        Column("ad_group_id", TEXT, "empty where the change is of no ad group"),
        Column("changed_fields", TEXT, "names in the API, with commas between"),
        *(
            Column(f"{when}_{name}", kind, path)
            for name, kind, path in ADS_CHANGED
            for when in ("old", "new")
        ),
        _ADS_MONEY,
    ),
    key=("account_id", "date_day", "change_event_id"),
    # what is older than 30 days is refused, by the hour; a day less is always inside
    retention_days=29,
    optional=True,
    covers="changes of campaigns, budgets, ad groups, ads, keywords and assets, of 30 days at most",
    is_log=True,
)

# --- GA4 --------------------------------------------------------------------------------------
_GA4_FACT = (
    Column("account_id", TEXT, "property number"),
    Column("date_day", DAY, "day of the session, in the property's time zone"),
)
_GA4_SESSIONS = (
    Column("currency_code", TEXT, "the property's reporting currency"),
    Column("sessions", INTEGER),
    Column("engaged_sessions", INTEGER),
    Column("total_users", INTEGER, "never to be summed over days or channels"),
    Column("new_users", INTEGER),
    Column("key_events", NUMBER),
    Column("transactions", INTEGER),
    Column("purchase_revenue", NUMBER),
    Column("first_time_purchasers", INTEGER, "users who bought for the first time"),
)

GA4_CHANNEL_DAY = Table(
    "ga4",
    "channel_day",
    (*_GA4_FACT, Column("session_default_channel_group", TEXT), *_GA4_SESSIONS),
    key=("account_id", "date_day", "session_default_channel_group"),
    max_days=QUARTER_DAYS,
)
GA4_CAMPAIGN_DAY = Table(
    "ga4",
    "campaign_day",
    (
        *_GA4_FACT,
        Column("session_source", TEXT),
        Column("session_medium", TEXT, "e-mail campaigns live under `email`"),
        Column("session_campaign_name", TEXT),
        *_GA4_SESSIONS,
    ),
    key=("account_id", "date_day", "session_source", "session_medium", "session_campaign_name"),
    max_days=QUARTER_DAYS,
)
GA4_KEY_EVENT_DAY = Table(
    "ga4",
    "key_event_day",
    (
        *_GA4_FACT,
        Column("session_default_channel_group", TEXT),
        Column("event_name", TEXT),
        Column("key_events", NUMBER),
    ),
    key=("account_id", "date_day", "session_default_channel_group", "event_name"),
    max_days=QUARTER_DAYS,
)

# Users are counted anew for each row: over days, devices, countries or pages they do not add up.
_GA4_BY_ROW = "every session; users are counted once in each row, so never add them up"


def _ga4_on_request(dimension: Column, measures: tuple[Column, ...] = _GA4_SESSIONS) -> Table:
    return Table(
        "ga4",
        f"{dimension.name.removesuffix('_category')}_day",
        (*_GA4_FACT, dimension, *measures),
        key=("account_id", "date_day", dimension.name),
        max_days=QUARTER_DAYS,
        optional=True,
        covers=_GA4_BY_ROW,
    )


GA4_DEVICE_DAY = _ga4_on_request(Column("device_category", TEXT, "mobile, desktop, tablet, …"))
GA4_COUNTRY_DAY = _ga4_on_request(Column("country", TEXT, "English name, by IP address"))
GA4_LANDING_PAGE_DAY = _ga4_on_request(
    Column("landing_page", TEXT, "path of the session's first page; empty and (not set) occur")
)
GA4_NEW_VS_RETURNING_DAY = _ga4_on_request(
    Column("new_vs_returning", TEXT, "new, returning; (not set) where GA4 cannot tell"),
    # new users are the users of the row that says new
    tuple(c for c in _GA4_SESSIONS if c.name not in ("new_users", "first_time_purchasers")),
)

GA4_EVENT_DAY = Table(
    "ga4",
    "event_day",
    (
        *_GA4_FACT,
        Column("event_name", TEXT, "page_view, session_start, purchase, the property's own, …"),
        Column("event_count", INTEGER),
        Column("key_events", NUMBER, "0 where the event is no key event"),
        Column("total_users", INTEGER, "never to be summed over days or events"),
        Column("event_value", NUMBER, "sum of what the events had in `value`, as it was sent"),
    ),
    key=("account_id", "date_day", "event_name"),
    max_days=QUARTER_DAYS,
    optional=True,
    covers="every event; users are counted once in each row, so never add them up",
)
GA4_ITEM_DAY = Table(
    "ga4",
    "item_day",
    (
        *_GA4_FACT,
        Column("item_id", TEXT),
        Column("item_name", TEXT),
        Column("item_brand", TEXT),
        Column("item_category", TEXT, "the first of five levels"),
        Column("currency_code", TEXT, "the property's reporting currency"),
        Column("items_viewed", INTEGER),
        Column("items_added_to_cart", INTEGER),
        Column("items_checked_out", INTEGER),
        Column("items_purchased", INTEGER),
        Column("item_revenue", NUMBER, "without tax and shipping, which are of no item"),
    ),
    # a name or brand that changes in the day makes two rows of one item
    key=("account_id", "date_day", "item_id", "item_name", "item_brand", "item_category"),
    optional=True,
    covers="what the shop sends with its e-commerce events; purchases without items are not in it",
)


def _ga4_users(period: Literal["week", "month"], covers: str) -> Table:
    """Users are counted by GA4 over the whole period. Its last day dates the row.

    So a period has a row once its last day is over, and is read again as long as
    that day is, like any other.
    """
    return Table(
        "ga4",
        f"users_{period}",
        (
            _GA4_FACT[0],
            Column("date_day", DAY, f"last day of the {period}, in the property's time zone"),
            Column("period_start", DAY, f"first day of the {period}"),
            Column("total_users", INTEGER, f"different people in that {period}"),
            Column("active_users", INTEGER, "of them, those who did something"),
            Column("new_users", INTEGER, "of them, those who came for the first time"),
        ),
        key=("account_id", "date_day"),
        max_days=366,
        optional=True,
        covers=covers,
    )


GA4_USERS_WEEK = _ga4_users(
    "week", "every user of a week from Monday to Sunday, counted once; a week that runs is not in"
)
GA4_USERS_MONTH = _ga4_users(
    "month", "every user of a calendar month, counted once; a month that runs is not in"
)

# --- Search Console ---------------------------------------------------------------------------
# 16 months; counted as 16 × 30.4 days, less a day of Pacific time
GSC_RETENTION_DAYS = 486

_GSC_FACT = (
    Column("account_id", TEXT, "the exact site URL, `sc-domain:…` or `https://…/`"),
    Column("date_day", DAY, "Pacific time, as Search Console counts"),
)
_GSC_MEASURES = (
    Column("clicks", INTEGER),
    Column("impressions", INTEGER),
    Column("position", NUMBER, "average position, weighted by impressions; 1 is the top"),
    Column("is_provisional", FLAG, "true while Google may still add to the day"),
)

GSC_SITE_DAY = Table(
    "search_console",
    "site_day",
    (*_GSC_FACT, *_GSC_MEASURES),
    key=("account_id", "date_day"),
    max_days=366,
    retention_days=GSC_RETENTION_DAYS,
)
GSC_QUERY_DAY = Table(
    "search_console",
    "query_day",
    (*_GSC_FACT, Column("query", TEXT, "rare queries are withheld"), *_GSC_MEASURES),
    key=("account_id", "date_day", "query"),
    # one day per request: longer ranges return fewer rows (google-searchconsole#15)
    max_days=31,
    retention_days=GSC_RETENTION_DAYS,
    requests_per_day=2,  # the rows, and the page that has none left
)
GSC_PAGE_DAY = Table(
    "search_console",
    "page_day",
    (
        *_GSC_FACT,
        Column("page", TEXT, "counted by page, so not comparable with site_day"),
        *_GSC_MEASURES,
    ),
    key=("account_id", "date_day", "page"),
    max_days=31,
    retention_days=GSC_RETENTION_DAYS,
    requests_per_day=2,  # the rows, and the page that has none left
)

# --- European Central Bank --------------------------------------------------------------------
# Not a client's: one series of rates for everybody.
ECB_RATE_DAY = Table(
    "ecb",
    "rate_day",
    (
        Column("account_id", TEXT, "eurofxref, the name of the series"),
        Column("date_day", DAY, "business day of the rate, published at about 16:00"),
        Column("currency_code", TEXT, "ISO 4217; the euro itself is not among them"),
        Column("rate", NUMBER, "units of the currency for one euro"),
    ),
    key=("account_id", "date_day", "currency_code"),
    # all days are one file, which is read once for all slices
    max_days=ADS_RETENTION_DAYS,
)


def _gsc_on_request(
    grain: str, dimensions: tuple[Column, ...], covers: str, max_days: int, requests_per_day: int
) -> Table:
    return Table(
        "search_console",
        grain,
        (*_GSC_FACT, *dimensions, *_GSC_MEASURES),
        key=("account_id", "date_day", *(column.name for column in dimensions)),
        max_days=max_days,
        retention_days=GSC_RETENTION_DAYS,
        requests_per_day=requests_per_day,
        optional=True,
        covers=covers,
    )


# few enough rows for one answer: 92 days of 250 countries are 23,000 of 25,000
GSC_DEVICE_DAY = _gsc_on_request(
    "device_day",
    (Column("device", TEXT, "DESKTOP, MOBILE, TABLET"),),
    "all clicks and impressions of the site",
    max_days=QUARTER_DAYS,
    requests_per_day=0,
)
GSC_COUNTRY_DAY = _gsc_on_request(
    "country_day",
    (Column("country", TEXT, "ISO 3166-1 alpha-3 in lower case; zzz is unknown"),),
    "all clicks and impressions of the site",
    max_days=QUARTER_DAYS,
    requests_per_day=0,
)
GSC_PAGE_QUERY_DAY = _gsc_on_request(
    "page_query_day",
    (
        Column("page", TEXT, "counted by page, so not comparable with query_day"),
        Column("query", TEXT, "rare queries are withheld"),
    ),
    "without the rare queries that are withheld, and at most 50,000 rows a day",
    max_days=31,
    requests_per_day=2,  # the rows, and the page that has none left
)
GSC_DISCOVER_DAY = _gsc_on_request(
    "discover_day",
    (),
    "Google Discover alone, which is in no other table; it has no position",
    max_days=366,
    requests_per_day=0,
)
GSC_NEWS_DAY = _gsc_on_request(
    "news_day",
    (),
    "Google News alone, which is in no other table; it may have no position",
    max_days=366,
    requests_per_day=0,
)

GSC_SEARCH_APPEARANCE_DAY = _gsc_on_request(
    "search_appearance_day",
    (Column("search_appearance", TEXT, "how a result looked, such as PRODUCT_SNIPPETS"),),
    "clicks and impressions of results that looked special; plain ones are not in it, and one "
    "result can be in several rows",
    max_days=QUARTER_DAYS,
    requests_per_day=0,
)

ALL: tuple[Table, ...] = (
    ADS_ACCOUNT,
    ADS_CONVERSION_ACTION,
    ADS_ACCOUNT_DAY,
    ADS_CAMPAIGN_DAY,
    ADS_CONVERSION_ACTION_DAY,
    ADS_CONVERSION_LAG_DAY,
    ADS_CAMPAIGN,
    ADS_AD_GROUP,
    ADS_BUDGET,
    ADS_CAMPAIGN_LABEL,
    ADS_AD_GROUP_LABEL,
    ADS_CHANGE_EVENT,
    ADS_ALL_CONVERSIONS_DAY,
    ADS_AD_GROUP_DAY,
    ADS_AD_DAY,
    ADS_KEYWORD_DAY,
    ADS_SEARCH_TERM_DAY,
    ADS_CAMPAIGN_SEARCH_TERM_DAY,
    ADS_SHOPPING_PRODUCT_DAY,
    ADS_GEOGRAPHIC_DAY,
    ADS_HOUR_DAY,
    ADS_LANDING_PAGE_DAY,
    ADS_ASSET_GROUP_DAY,
    ADS_ASSET_GROUP_PRODUCT_GROUP_DAY,
    ADS_IMPRESSION_SHARE_DAY,
    GA4_CHANNEL_DAY,
    GA4_CAMPAIGN_DAY,
    GA4_KEY_EVENT_DAY,
    GA4_DEVICE_DAY,
    GA4_COUNTRY_DAY,
    GA4_LANDING_PAGE_DAY,
    GA4_NEW_VS_RETURNING_DAY,
    GA4_EVENT_DAY,
    GA4_ITEM_DAY,
    GA4_USERS_WEEK,
    GA4_USERS_MONTH,
    GSC_SITE_DAY,
    GSC_QUERY_DAY,
    GSC_PAGE_DAY,
    GSC_DEVICE_DAY,
    GSC_COUNTRY_DAY,
    GSC_PAGE_QUERY_DAY,
    GSC_DISCOVER_DAY,
    GSC_NEWS_DAY,
    GSC_SEARCH_APPEARANCE_DAY,
    ECB_RATE_DAY,
)


# what a configuration may write instead of the names of tables
DEFAULT_TABLES, ALL_TABLES = "default", "all"


def tables_of(source: str) -> tuple[Table, ...]:
    """Every table of a source, optional ones too."""
    return tuple(table for table in ALL if table.source == source)


def is_wanted(table: Table, names: Sequence[str] = ()) -> bool:
    """Whether a client that lists ``names`` reads the table; the default ones always.

    The models, the targets and the coverage of days rest on the default tables, so
    that a list adds to them.
    """
    return not table.optional or table.grain in names or ALL_TABLES in names
