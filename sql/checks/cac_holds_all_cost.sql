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

-- whole days in the client's currency
converted as (
    select
        client,
        date_day,
        currency_code,
        sum(cost) as cost
    from marts.paid_media_day_converted
    group by all
    having count(*) = count(rate)
),

-- days without a rate, in the currencies of the accounts
apart as (
    select
        days.client,
        days.date_day,
        days.currency_code,
        sum(days.cost) as cost
    from marts.paid_media_day as days
    anti join converted
        on
            days.client = converted.client
            and days.date_day = converted.date_day
    group by all
),

in_mart as (
    select * from converted
    where cost > 0
    union all by name
    select * from apart
    where cost > 0
)

select
    client,
    date_day,
    currency_code,
    in_mart.cost as cost_in_mart,
    in_kpi.cost as cost_in_cac
from in_kpi
full join in_mart using (client, date_day, currency_code)
-- rows are rounded to a millionth before they are added up here, and afterwards there
where coalesce(abs(in_kpi.cost - in_mart.cost) > 0.01, true)
