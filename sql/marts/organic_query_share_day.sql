-- rare queries are withheld with their clicks: the site's total less what is told by query
with

sites as (
    select * from marts.organic_search_day
),

queries as (
    select
        client,
        source,
        account_id,
        date_day,
        sum(clicks) as clicks,
        sum(impressions) as impressions
    from marts.organic_query_day
    group by all
),

-- a day of which the queries were not loaded is unknown, and not withheld
loaded as (
    select
        client,
        account_id,
        cast(unnest(generate_series(first_day, last_day, interval 1 day)) as date) as date_day
    from intermediate.int_loads__stretch
    where table_name = 'search_console__query_day'
)

select
    -- keys
    sites.client,
    sites.source,
    sites.account_id,
    sites.date_day,
    -- measures
    sites.clicks,
    sites.impressions,
    coalesce(queries.clicks, 0) as clicks_in_queries,
    coalesce(queries.impressions, 0) as impressions_in_queries,
    sites.clicks - coalesce(queries.clicks, 0) as clicks_withheld,
    sites.impressions - coalesce(queries.impressions, 0) as impressions_withheld,
    sites.is_provisional,
    -- ratios
    safe_ratio(sites.clicks - coalesce(queries.clicks, 0), sites.clicks) as withheld_click_share,
    safe_ratio(
        sites.impressions - coalesce(queries.impressions, 0), sites.impressions
    ) as withheld_impression_share
from sites
inner join loaded
    on
        sites.client = loaded.client
        and sites.account_id = loaded.account_id
        and sites.date_day = loaded.date_day
left join queries
    on
        sites.client = queries.client
        and sites.source = queries.source
        and sites.account_id = queries.account_id
        and sites.date_day = queries.date_day
