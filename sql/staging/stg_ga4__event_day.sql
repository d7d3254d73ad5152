select
    -- keys
    client,
    'ga4' as source,
    account_id,
    date_day,
    event_name,
    -- measures
    event_count,
    key_events,
    total_users,
    event_value,
    -- ledger
    loaded_at
from raw.ga4__event_day
