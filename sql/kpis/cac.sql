with

account_costs as (
    select
        client,
        date_day,
        currency_code,
        sum(cost) as cost
    from marts.paid_media_day
    group by all
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
        account_costs.*,
        clients.currency as client_currency_code,
        case
            when account_costs.currency_code = clients.currency then account_costs.cost
            else cast(account_costs.cost * rates.rate as decimal(38, 6))
        end as converted_cost,
        coalesce(
            account_costs.currency_code = clients.currency or rates.rate is not null, false
        ) as is_rated
    from account_costs
    left join clients
        on account_costs.client = clients.client
    left join rates
        on
            account_costs.client = rates.client
            and account_costs.date_day = rates.date_day
            and account_costs.currency_code = rates.currency_code
),

-- all of the day's cost in the client's currency, or none of it
converted_days as (
    select
        client,
        date_day,
        client_currency_code as currency_code,
        sum(converted_cost) as cost
    from rated
    group by all
    having bool_and(is_rated)
),

costs as (
    select * from converted_days
    union all by name
    select account_costs.* from account_costs
    anti join converted_days
        on
            account_costs.client = converted_days.client
            and account_costs.date_day = converted_days.date_day
),

-- a purchaser cannot be split among currencies, and must not be counted once for each
single_currency_days as (
    select
        client,
        date_day
    from costs
    group by all
    having count(*) = 1
),

single_currency_clients as (
    select
        client,
        min(currency_code) as currency_code
    from costs
    group by all
    having count(distinct currency_code) = 1
),

customers as (
    select
        client,
        date_day,
        sum(first_time_purchasers) as first_time_purchasers
    from marts.site_channel_day
    group by all
),

-- every day that either side knows of; the other side stays null: unknown, not zero
days_with_cost as (
    select
        costs.client,
        costs.date_day,
        costs.currency_code,
        costs.cost,
        case
            when single_currency_days.client is not null then customers.first_time_purchasers
        end as customers
    from costs
    left join single_currency_days
        on
            costs.client = single_currency_days.client
            and costs.date_day = single_currency_days.date_day
    left join customers
        on
            costs.client = customers.client
            and costs.date_day = customers.date_day
),

days_without_cost as (
    select
        customers.client,
        customers.date_day,
        single_currency_clients.currency_code,
        -- ad platforms leave out days on which nothing ran, so a loaded day without rows cost 0
        if(loaded_days.client is not null, 0, null) as cost,
        customers.first_time_purchasers as customers
    from customers
    inner join single_currency_clients
        on customers.client = single_currency_clients.client
    left join intermediate.int_paid_media__loaded_day as loaded_days
        on
            customers.client = loaded_days.client
            and customers.date_day = loaded_days.date_day
    anti join costs
        on
            customers.client = costs.client
            and customers.date_day = costs.date_day
),

days as (
    select * from days_with_cost
    union all by name
    select * from days_without_cost
)

select
    -- keys
    client,
    date_day,
    currency_code,
    -- measures
    cost as numerator,
    customers as denominator
from days
