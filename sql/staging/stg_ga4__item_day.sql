select
    -- keys
    client,
    'ga4' as source,
    account_id,
    date_day,
    item_id,
    item_name,
    item_brand,
    item_category,
    currency_code,
    -- measures
    items_viewed,
    items_added_to_cart,
    items_checked_out,
    items_purchased,
    try_cast(item_revenue as decimal(38, 6)) as item_revenue,
    -- ledger
    loaded_at
from raw.ga4__item_day
