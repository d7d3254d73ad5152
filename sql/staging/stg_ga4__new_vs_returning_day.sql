select
    -- keys
    client,
    'ga4' as source,
    account_id,
    date_day,
    new_vs_returning,
    currency_code,
    -- measures
    sessions,
    engaged_sessions,
    total_users,
    key_events,
    transactions as purchases,
    try_cast(purchase_revenue as decimal(38, 6)) as revenue,
    -- ledger
    loaded_at
from raw.ga4__new_vs_returning_day
