select
    -- keys
    client,
    'search_console' as source,
    account_id,
    date_day,
    search_appearance,
    -- measures
    clicks,
    impressions,
    position,
    is_provisional,
    -- ledger
    loaded_at
from raw.search_console__search_appearance_day
