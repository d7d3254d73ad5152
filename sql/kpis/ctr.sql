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
    clicks as numerator,
    impressions as denominator
from marts.paid_media_day
