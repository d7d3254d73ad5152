with

loads as (
    select
        client,
        account_id,
        window_start,
        window_end
    from ops.loads
    where
        table_name = 'google_ads__campaign_day'
        and outcome in ('loaded', 'empty')
),

accounts as (
    select
        client,
        count(distinct account_id) as accounts
    from loads
    group by all
),

account_days as (
    select distinct
        client,
        account_id,
        cast(unnest(generate_series(window_start, window_end, interval 1 day)) as date) as date_day
    from loads
)

select
    account_days.client,
    account_days.date_day
from account_days
inner join accounts
    on account_days.client = accounts.client
group by account_days.client, account_days.date_day
having count(*) = any_value(accounts.accounts)
