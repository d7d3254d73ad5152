with

channel_days as (
    select * from staging.stg_ga4__channel_day
),

key_event_days as (
    select * from staging.stg_ga4__key_event_day
),

settings as (
    select
        client,
        conversion
    from ops.clients
),

-- GA4 leaves out zero rows, so a day with any key event tells that the others were zero
measured_days as (
    select distinct
        client,
        account_id,
        date_day
    from key_event_days
),

-- before its first occurrence nobody knows whether an event was measured already
known_events as (
    select
        client,
        account_id,
        event_name,
        min(date_day) as first_day
    from key_event_days
    where key_events > 0
    group by all
)

select
    -- keys
    channel_days.client,
    channel_days.source,
    channel_days.account_id,
    channel_days.date_day,
    channel_days.channel_group,
    -- measures; a client without the setting counts purchases
    case
        when coalesce(settings.conversion, 'purchases') = 'purchases' then channel_days.purchases
        when known_events.first_day is null then null
        when channel_days.date_day < known_events.first_day then null
        when key_event_days.event_name is not null then key_event_days.key_events
        when measured_days.date_day is not null then 0
        when channel_days.key_events = 0 then 0
    end as conversions
from channel_days
left join settings
    on channel_days.client = settings.client
left join known_events
    on
        channel_days.client = known_events.client
        and channel_days.account_id = known_events.account_id
        and settings.conversion = known_events.event_name
left join measured_days
    on
        channel_days.client = measured_days.client
        and channel_days.account_id = measured_days.account_id
        and channel_days.date_day = measured_days.date_day
left join key_event_days
    on
        channel_days.client = key_event_days.client
        and channel_days.account_id = key_event_days.account_id
        and channel_days.date_day = key_event_days.date_day
        and channel_days.channel_group = key_event_days.channel_group
        and settings.conversion = key_event_days.event_name
