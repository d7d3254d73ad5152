select
    -- keys
    client,
    'ga4' as source,
    account_id,
    date_day,
    country,
    currency_code,
    -- measures
    sessions,
    engaged_sessions,
    total_users,
    new_users,
    key_events,
    transactions as purchases,
    try_cast(purchase_revenue as decimal(38, 6)) as revenue,
    first_time_purchasers,
    -- ledger
    loaded_at
from raw.ga4__country_day
