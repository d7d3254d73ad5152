-- counts are exact; sums of fractions may differ in the last digits only
with

in_mart as (
    select
        client,
        account_id,
        date_day,
        sum(sessions) as sessions,
        sum(purchases) as purchases,
        sum(revenue) as revenue,
        sum(first_time_purchasers) as first_time_purchasers
    from marts.site_channel_day
    group by all
),

in_raw as (
    select
        client,
        account_id,
        date_day,
        sum(sessions) as sessions,
        sum(transactions) as purchases,
        sum(purchase_revenue) as revenue,
        sum(first_time_purchasers) as first_time_purchasers
    from raw.ga4__channel_day
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
    in_mart.revenue as revenue_in_mart,
    in_raw.first_time_purchasers as first_time_purchasers_in_raw,
    in_mart.first_time_purchasers as first_time_purchasers_in_mart
from in_mart
full join in_raw using (client, account_id, date_day)
where
    in_mart.sessions is distinct from in_raw.sessions
    or in_mart.purchases is distinct from in_raw.purchases
    or abs(in_mart.revenue - in_raw.revenue) > 0.01
    or (in_mart.revenue is null) <> (in_raw.revenue is null)
    or in_mart.first_time_purchasers is distinct from in_raw.first_time_purchasers
