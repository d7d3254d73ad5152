select
    -- keys
    client,
    date_day,
    source,
    account_id,
    channel_group,
    currency_code,
    -- measures
    revenue as numerator,
    cast(null as double) as denominator
from marts.site_channel_day
