select
    -- keys
    client,
    date_day,
    source,
    account_id,
    channel_group,
    -- measures
    sessions as numerator,
    cast(null as double) as denominator
from marts.site_channel_day
