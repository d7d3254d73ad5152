select
    -- keys
    client,
    'google_ads' as source,
    account_id,
    campaign_id,
    label_id,
    -- attributes
    label_name,
    -- ledger
    loaded_at
from raw.google_ads__campaign_label
