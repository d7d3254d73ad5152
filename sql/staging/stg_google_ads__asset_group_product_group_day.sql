-- a decimal times a decimal is exact; a value that is not a number becomes null: unknown
select
    -- keys
    client,
    'google_ads' as source,
    account_id,
    date_day,
    asset_group_id,
    product_group_id,
    -- attributes
    campaign_id,
    campaign_name,
    channel_type,
    asset_group_name,
    product_group_type,
    currency_code,
    -- measures
    impressions,
    clicks,
    cast(cost_micros * 0.000001 as decimal(18, 6)) as cost,
    conversions,
    try_cast(conversions_value as decimal(38, 6)) as conversions_value,
    -- ledger
    loaded_at
from raw.google_ads__asset_group_product_group_day
