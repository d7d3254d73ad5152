select
    -- keys
    currency_code,
    date_day,
    -- measures
    rate,
    -- ledger
    loaded_at
from raw.ecb__rate_day
