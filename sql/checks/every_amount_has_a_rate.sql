-- without a row in ops.clients there is no currency to convert into
with

amounts as (
    select distinct
        client,
        currency_code,
        date_day
    from marts.paid_media_day
    union
    select distinct
        client,
        currency_code,
        date_day
    from marts.site_channel_day
)

select
    amounts.client,
    amounts.currency_code,
    clients.currency as client_currency_code,
    min(amounts.date_day) as first_day,
    max(amounts.date_day) as last_day,
    count(*) as days_without_a_rate
from amounts
inner join ops.clients as clients
    on amounts.client = clients.client
anti join intermediate.int_currency__client_day as rates
    on
        amounts.client = rates.client
        and amounts.currency_code = rates.currency_code
        and amounts.date_day = rates.date_day
where amounts.currency_code <> clients.currency
group by all
