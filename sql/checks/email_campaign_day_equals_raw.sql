-- counts are exact; sums of fractions may differ in the last digits only
with

in_mart as (
    select
        client,
        account_id,
        date_day,
        sum(sessions) as sessions,
        sum(purchases) as purchases,
        sum(revenue) as revenue
    from marts.email_campaign_day
    group by all
),

in_raw as (
    select
        client,
        account_id,
        date_day,
        sum(sessions) as sessions,
        sum(transactions) as purchases,
        sum(purchase_revenue) as revenue
    from raw.ga4__campaign_day
    where
        lower(session_medium) in ('email', 'e-mail', 'e_mail', 'e mail')
        or lower(session_source) in ('email', 'e-mail', 'e_mail', 'e mail')
    group by all
)

select
    client,
    account_id,
    date_day,
    in_raw.sessions as sessions_in_raw,
    in_mart.sessions as sessions_in_mart,
    in_raw.purchases as purchases_in_raw,
    in_mart.purchases as purchases_in_mart,
    in_raw.revenue as revenue_in_raw,
    in_mart.revenue as revenue_in_mart
from in_mart
full join in_raw using (client, account_id, date_day)
where
    in_mart.sessions is distinct from in_raw.sessions
    or in_mart.purchases is distinct from in_raw.purchases
    or abs(in_mart.revenue - in_raw.revenue) > 0.01
    or (in_mart.revenue is null) <> (in_raw.revenue is null)
