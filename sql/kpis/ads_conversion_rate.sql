select
    -- keys
    client,
    date_day,
    source,
    account_id,
    channel_type,
    campaign_id,
    campaign_name,
    device,
    network,
    -- measures
    conversions as numerator,
    clicks as denominator
from marts.paid_media_day
