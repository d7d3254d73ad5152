with

in_kpi as (
    select
        client,
        date_day,
        sum(denominator) as customers
    from kpis.cac
    group by all
),

in_raw as (
    select
        client,
        date_day,
        sum(first_time_purchasers) as customers
    from raw.ga4__channel_day
    group by all
)

select
    in_kpi.client,
    in_kpi.date_day,
    in_raw.customers as customers_in_ga4,
    in_kpi.customers as customers_in_cac
from in_kpi
left join in_raw
    on
        in_kpi.client = in_raw.client
        and in_kpi.date_day = in_raw.date_day
where
    in_kpi.customers > in_raw.customers
    or (in_kpi.customers is not null and in_raw.customers is null)
