select
    -- keys
    client,
    'google_ads' as source,
    account_id,
    conversion_action_id,
    -- attributes
    conversion_action_name,
    category as conversion_action_category,
    status as conversion_action_status,
    is_primary_for_goal,
    click_through_window_days,
    view_through_window_days,
    -- ledger
    loaded_at
from raw.google_ads__conversion_action
