with

rates as (
    select
        currency_code,
        date_day,
        rate
    from staging.stg_ecb__rate_day
    where rate > 0
    union all
    -- the euro is worth one euro on every day on which anything is known
    select distinct
        'EUR' as currency_code,
        date_day,
        cast(1 as double) as rate
    from staging.stg_ecb__rate_day
),

-- a rate holds until the next one, but for a week at most: what is older says nothing of the day
holding as (
    select
        currency_code,
        date_day as rate_date,
        rate,
        least(
            coalesce(
                lead(date_day) over (partition by currency_code order by date_day) - 1,
                date_day + 7
            ),
            date_day + 7
        ) as last_day
    from rates
)

select
    -- keys
    currency_code,
    cast(unnest(generate_series(rate_date, last_day, interval 1 day)) as date) as date_day,
    -- measures
    rate,
    rate_date
from holding
