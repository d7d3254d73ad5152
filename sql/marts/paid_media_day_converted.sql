with

days as (
    select * from marts.paid_media_day
),

clients as (
    select
        client,
        currency
    from ops.clients
),

rates as (
    select * from intermediate.int_currency__client_day
),

rated as (
    select
        days.*,
        clients.currency as client_currency_code,
        if(days.currency_code = clients.currency, 1, rates.rate) as rate,
        if(days.currency_code = clients.currency, days.date_day, rates.rate_date) as rate_date
    from days
    inner join clients
        on days.client = clients.client
    left join rates
        on
            days.client = rates.client
            and days.currency_code = rates.currency_code
            and days.date_day = rates.date_day
)

select
    -- keys
    client,
    source,
    account_id,
    date_day,
    campaign_id,
    campaign_name,
    channel_type,
    device,
    network,
    client_currency_code as currency_code,
    -- attributes
    currency_code as account_currency_code,
    rate,
    rate_date,
    -- measures
    impressions,
    clicks,
    -- what needs no rate stays exact to the last digit
    if(currency_code = client_currency_code, cost, cast(cost * rate as decimal(38, 6))) as cost,
    conversions,
    if(
        currency_code = client_currency_code,
        conversions_value,
        cast(conversions_value * rate as decimal(38, 6))
    ) as conversions_value
from rated
