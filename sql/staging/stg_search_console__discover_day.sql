select
    -- keys
    client,
    'search_console' as source,
    account_id,
    date_day,
    -- measures
    clicks,
    impressions,
    position,
    is_provisional,
    -- ledger
    loaded_at
from raw.search_console__discover_day
