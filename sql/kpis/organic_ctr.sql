select
    -- keys
    client,
    date_day,
    source,
    account_id,
    -- measures
    clicks as numerator,
    impressions as denominator
from marts.organic_search_day
