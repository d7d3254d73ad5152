select
    -- keys
    client,
    date_day,
    source,
    account_id,
    -- measures
    clicks as numerator,
    cast(null as double) as denominator
from marts.organic_search_day
