select
    -- keys
    client,
    source,
    account_id,
    date_day,
    page,
    -- measures
    clicks,
    impressions,
    position,
    is_provisional
from staging.stg_search_console__page_day
