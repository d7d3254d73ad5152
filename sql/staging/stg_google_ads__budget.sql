select
    -- keys
    client,
    'google_ads' as source,
    account_id,
    budget_id,
    -- attributes
    budget_name,
    budget_status,
    budget_period,
    is_shared,
    campaigns,
    currency_code,
    -- measures
    cast(amount_micros * 0.000001 as decimal(38, 6)) as amount,
    cast(total_amount_micros * 0.000001 as decimal(38, 6)) as total_amount,
    cast(recommended_amount_micros * 0.000001 as decimal(38, 6)) as recommended_amount,
    -- ledger
    loaded_at
from raw.google_ads__budget
