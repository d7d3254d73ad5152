select
    -- keys
    client,
    'google_ads' as source,
    account_id,
    -- attributes
    account_name,
    currency_code,
    time_zone,
    status,
    is_manager,
    is_test_account,
    -- ledger
    loaded_at
from raw.google_ads__account
