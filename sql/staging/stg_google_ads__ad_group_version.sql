-- what is stored now, and what was stored before it
with

versions as (
    select
        *,
        loaded_at as observed_at
    from raw.google_ads__ad_group
    union all by name
    select * from history.google_ads__ad_group
)

select
    -- keys
    client,
    'google_ads' as source,
    account_id,
    ad_group_id,
    observed_at,
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
    superseded_at
from versions
