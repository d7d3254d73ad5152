select
    -- keys
    client,
    'google_ads' as source,
    account_id,
    campaign_id,
    -- attributes
    campaign_name,
    campaign_status,
    channel_type,
    bidding_strategy_type,
    start_at_local,
    end_at_local,
    budget_id,
    budget_name,
    is_shared_budget,
    currency_code,
    -- measures
    cast(budget_amount_micros * 0.000001 as decimal(38, 6)) as budget_amount,
    -- ledger
    loaded_at
from raw.google_ads__campaign
