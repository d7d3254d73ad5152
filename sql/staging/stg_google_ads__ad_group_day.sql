-- a decimal times a decimal is exact; a value that is not a number becomes null: unknown
select
    -- keys
    client,
    'google_ads' as source,
    account_id,
    date_day,
    ad_group_id,
    -- attributes
    campaign_id,
    campaign_name,
    channel_type,
    ad_group_name,
    ad_group_status,
    currency_code,
    -- measures
    impressions,
    clicks,
    cast(cost_micros * 0.000001 as decimal(18, 6)) as cost,
    conversions,
    try_cast(conversions_value as decimal(38, 6)) as conversions_value,
    conversions_by_conversion_date,
    try_cast(
        conversions_value_by_conversion_date as decimal(38, 6)
    ) as conversions_value_by_conversion_date,
    -- ledger
    loaded_at
from raw.google_ads__ad_group_day
