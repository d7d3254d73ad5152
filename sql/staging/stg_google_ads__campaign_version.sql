-- what is stored now, and what was stored before it
with

versions as (
    select
        *,
        loaded_at as observed_at
    from raw.google_ads__campaign
    union all by name
    select * from history.google_ads__campaign
)

select
    -- keys
    client,
    'google_ads' as source,
    account_id,
    campaign_id,
    observed_at,
    -- attributes
    campaign_name,
    campaign_status,
    channel_type,
    bidding_strategy_type,
    portfolio_strategy_id,
    portfolio_strategy_name,
    start_at_local,
    end_at_local,
    budget_id,
    budget_name,
    is_shared_budget,
    currency_code,
    -- measures
    coalesce(
        target_roas, nullif(maximize_value_target_roas, 0), portfolio_target_roas
    ) as target_roas,
    cast(
        coalesce(
            target_cpa_micros,
            nullif(maximize_conversions_target_cpa_micros, 0),
            portfolio_target_cpa_micros
        ) * 0.000001 as decimal(38, 6)
    ) as target_cpa,
    cast(budget_amount_micros * 0.000001 as decimal(38, 6)) as budget_amount,
    -- ledger
    superseded_at
from versions
