select
    -- keys
    client,
    'ga4' as source,
    account_id,
    date_day,
    -- attributes
    period_start,
    -- measures
    total_users,
    active_users,
    new_users,
    -- ledger
    loaded_at
from raw.ga4__users_week
