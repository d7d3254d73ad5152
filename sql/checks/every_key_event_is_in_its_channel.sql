with

counted as (
    select
        key_event_days.client,
        key_event_days.account_id,
        key_event_days.date_day,
        sum(key_event_days.key_events) as key_events
    from staging.stg_ga4__key_event_day as key_event_days
    inner join ops.clients as clients
        on
            key_event_days.client = clients.client
            and key_event_days.event_name = clients.conversion
    where clients.conversion <> 'purchases'
    group by all
),

in_mart as (
    select
        client,
        account_id,
        date_day,
        sum(conversions) as conversions
    from marts.site_channel_day
    group by all
)

select
    counted.client,
    counted.account_id,
    counted.date_day,
    counted.key_events as key_events_in_raw,
    in_mart.conversions as conversions_in_mart
from counted
left join in_mart
    on
        counted.client = in_mart.client
        and counted.account_id = in_mart.account_id
        and counted.date_day = in_mart.date_day
where coalesce(abs(counted.key_events - in_mart.conversions) > 0.001, counted.key_events > 0)
