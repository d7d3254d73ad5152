"""The raw tables of every source, in the platforms' own units.

Sources: https://developers.google.com/google-ads/api/fields/v26/overview,
https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema,
https://developers.google.com/webmaster-tools/v1/searchanalytics/query
"""

from __future__ import annotations

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

ALL: tuple[Table, ...] = (
    ADS_ACCOUNT,
    ADS_CONVERSION_ACTION,
    ADS_ACCOUNT_DAY,
    ADS_CAMPAIGN_DAY,
    ADS_CONVERSION_ACTION_DAY,
    ADS_CONVERSION_LAG_DAY,
    GA4_CHANNEL_DAY,
    GA4_CAMPAIGN_DAY,
    GA4_KEY_EVENT_DAY,
    GSC_SITE_DAY,
    GSC_QUERY_DAY,
    GSC_PAGE_DAY,
)


def tables_of(source: str) -> tuple[Table, ...]:
    return tuple(table for table in ALL if table.source == source)
