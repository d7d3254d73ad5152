select
    -- keys
    client,
    'google_ads' as source,
    account_id,
    date_day,
    campaign_id,
    conversion_action_id,
    -- attributes
    conversion_action_name,
    conversion_action_category,
    currency_code,
    -- measures
    conversions,
    try_cast(conversions_value as decimal(38, 6)) as conversions_value,
    conversions_by_conversion_date,
    try_cast(
        conversions_value_by_conversion_date as decimal(38, 6)
    ) as conversions_value_by_conversion_date,
    all_conversions,
    try_cast(all_conversions_value as decimal(38, 6)) as all_conversions_value,
    all_conversions_by_conversion_date,
    try_cast(
        all_conversions_value_by_conversion_date as decimal(38, 6)
    ) as all_conversions_value_by_conversion_date,
    -- ledger
    loaded_at
from raw.google_ads__all_conversions_day
