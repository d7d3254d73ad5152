-- from the site's totals only: queries are withheld and pages are counted twice
select
    -- keys
    client,
    source,
    account_id,
    date_day,
    -- measures
    clicks,
    impressions,
    position,
    is_provisional
from staging.stg_search_console__site_day
