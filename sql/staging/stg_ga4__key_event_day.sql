select
    -- keys
    client,
    'ga4' as source,
    account_id,
    date_day,
    session_default_channel_group as channel_group,
    event_name,
    -- measures
    key_events,
    -- ledger
    loaded_at
from raw.ga4__key_event_day
