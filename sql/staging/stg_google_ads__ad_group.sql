select
    -- keys
    client,
    'google_ads' as source,
    account_id,
    ad_group_id,
    -- attributes
    campaign_id,
    ad_group_name,
    ad_group_status,
    ad_group_type,
    currency_code,
    -- measures
    cast(cpc_bid_micros * 0.000001 as decimal(38, 6)) as cpc_bid,
    cast(target_cpa_micros * 0.000001 as decimal(38, 6)) as target_cpa,
    target_roas,
    -- ledger
    loaded_at
from raw.google_ads__ad_group
