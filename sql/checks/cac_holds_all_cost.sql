with

in_kpi as (
    select
        client,
        date_day,
        currency_code,
        numerator as cost
    from kpis.cac
    where numerator > 0
),

in_mart as (
    select
        client,
        date_day,
        currency_code,
        sum(cost) as cost
    from marts.paid_media_day
    group by all
    having sum(cost) > 0
)

select
    client,
    date_day,
    currency_code,
    in_mart.cost as cost_in_mart,
    in_kpi.cost as cost_in_cac
from in_kpi
full join in_mart using (client, date_day, currency_code)
where in_kpi.cost is distinct from in_mart.cost
