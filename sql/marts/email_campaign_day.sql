-- GA4's own definition of the channel Email: the source or the medium says so
select
    -- keys
    client,
    source,
    account_id,
    date_day,
    session_source,
    session_medium,
    campaign_name,
    -- measures
    sessions,
    engaged_sessions,
    key_events,
    purchases,
    revenue,
    currency_code
from staging.stg_ga4__campaign_day
where
    lower(session_medium) in ('email', 'e-mail', 'e_mail', 'e mail')
    or lower(session_source) in ('email', 'e-mail', 'e_mail', 'e mail')
