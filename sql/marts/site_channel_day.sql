with

channel_days as (
    select * from staging.stg_ga4__channel_day
),

conversion_days as (
    select * from intermediate.int_site__conversion_day
)

select
    -- keys
    channel_days.client,
    channel_days.source,
    channel_days.account_id,
    channel_days.date_day,
    channel_days.channel_group,
    -- measures
    channel_days.sessions,
    channel_days.engaged_sessions,
    channel_days.total_users,
    channel_days.new_users,
    channel_days.key_events,
    channel_days.purchases,
    conversion_days.conversions,
    channel_days.revenue,
    channel_days.first_time_purchasers,
    channel_days.currency_code
from channel_days
left join conversion_days
    on
        channel_days.client = conversion_days.client
        and channel_days.account_id = conversion_days.account_id
        and channel_days.date_day = conversion_days.date_day
        and channel_days.channel_group = conversion_days.channel_group
