select
    -- keys
    client,
    source,
    account_id,
    date_day,
    query,
    -- measures
    clicks,
    impressions,
    position,
    is_provisional
from staging.stg_search_console__query_day
