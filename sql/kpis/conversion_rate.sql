select
    -- keys
    client,
    date_day,
    source,
    account_id,
    channel_group,
    -- measures
    conversions as numerator,
    sessions as denominator
from marts.site_channel_day
