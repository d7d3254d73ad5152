-- where ad platforms meet; a second one joins with `union all by name`
select
    -- keys
    client,
    source,
    account_id,
    date_day,
    campaign_id,
    device,
    network,
    -- attributes
    campaign_name,
    channel_type,
    currency_code,
    -- measures
    impressions,
    clicks,
    cost,
    conversions,
    conversions_value,
    -- ledger
    loaded_at
from staging.stg_google_ads__campaign_day
