select
    -- keys
    client,
    source,
    account_id,
    -- attributes
    account_name,
    currency_code,
    time_zone,
    status
from ops.accounts
