with

in_mart as (
    select
        client,
        account_id,
        date_day,
        sum(clicks) as clicks,
        sum(impressions) as impressions
    from marts.organic_query_day
    group by all
),

in_raw as (
    select
        client,
        account_id,
        date_day,
        sum(clicks) as clicks,
        sum(impressions) as impressions
    from raw.search_console__query_day
    group by all
)

select
    client,
    account_id,
    date_day,
    in_raw.clicks as clicks_in_raw,
    in_mart.clicks as clicks_in_mart,
    in_raw.impressions as impressions_in_raw,
    in_mart.impressions as impressions_in_mart
from in_mart
full join in_raw using (client, account_id, date_day)
where
    in_mart.clicks is distinct from in_raw.clicks
    or in_mart.impressions is distinct from in_raw.impressions
