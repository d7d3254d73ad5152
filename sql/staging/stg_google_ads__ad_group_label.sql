select
    -- keys
    client,
    'google_ads' as source,
    account_id,
    ad_group_id,
    label_id,
    -- attributes
    campaign_id,
    label_name,
    -- ledger
    loaded_at
from raw.google_ads__ad_group_label
