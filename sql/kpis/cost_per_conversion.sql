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
    currency_code,
    -- measures
    cost as numerator,
    conversions as denominator
from marts.paid_media_day
