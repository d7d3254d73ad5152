-- a decimal times a decimal is exact; a value that is not a number becomes null: unknown
select
    -- keys
    client,
    'google_ads' as source,
    account_id,
    date_day,
    ad_group_id,
    search_term,
    search_term_match_type,
    -- attributes
    campaign_id,
    campaign_name,
    channel_type,
    ad_group_name,
    search_term_status,
    currency_code,
    -- measures
    impressions,
    clicks,
    cast(cost_micros * 0.000001 as decimal(18, 6)) as cost,
    conversions,
    try_cast(conversions_value as decimal(38, 6)) as conversions_value,
    -- ledger
    loaded_at
from raw.google_ads__search_term_day
