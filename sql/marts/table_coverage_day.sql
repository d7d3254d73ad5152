-- a day counts for a table that it was loaded of; loaded without a row, the table holds none of it
with

-- what is compared: of each finer table the figures that its source's own total has as well
measured as (
    select
        compared.source,
        compared.grain,
        unnest(compared.measures) as measure
    from (
        values
        ('google_ads', 'ad_group_day', ['clicks', 'cost']),
        ('google_ads', 'ad_day', ['clicks', 'cost']),
        ('google_ads', 'keyword_day', ['clicks', 'cost']),
        ('google_ads', 'search_term_day', ['clicks', 'cost']),
        ('google_ads', 'campaign_search_term_day', ['clicks', 'cost']),
        ('google_ads', 'shopping_product_day', ['clicks', 'cost']),
        ('google_ads', 'geographic_day', ['clicks', 'cost']),
        ('google_ads', 'hour_day', ['clicks', 'cost']),
        ('google_ads', 'landing_page_day', ['clicks', 'cost']),
        ('google_ads', 'asset_group_day', ['clicks', 'cost']),
        ('google_ads', 'asset_group_product_group_day', ['clicks', 'cost']),
        ('ga4', 'campaign_day', ['sessions']),
        ('ga4', 'device_day', ['sessions']),
        ('ga4', 'country_day', ['sessions']),
        ('ga4', 'landing_page_day', ['sessions']),
        ('ga4', 'new_vs_returning_day', ['sessions']),
        ('ga4', 'item_day', ['revenue']),
        ('search_console', 'query_day', ['clicks', 'impressions']),
        ('search_console', 'device_day', ['clicks', 'impressions']),
        ('search_console', 'country_day', ['clicks', 'impressions']),
        ('search_console', 'page_day', ['clicks']),
        ('search_console', 'page_query_day', ['clicks'])
    ) as compared (source, grain, measures)
),

tables as (
    select
        *,
        'google_ads' as source
    from intermediate.int_google_ads__grain_day
    union all by name
    select
        *,
        'campaign_day' as grain
    from staging.stg_ga4__campaign_day
    union all by name
    select
        *,
        'device_day' as grain
    from staging.stg_ga4__device_day
    union all by name
    select
        *,
        'country_day' as grain
    from staging.stg_ga4__country_day
    union all by name
    select
        *,
        'landing_page_day' as grain
    from staging.stg_ga4__landing_page_day
    union all by name
    select
        *,
        'new_vs_returning_day' as grain
    from staging.stg_ga4__new_vs_returning_day
    union all by name
    select
        *,
        'item_day' as grain,
        item_revenue as revenue
    from staging.stg_ga4__item_day
    union all by name
    select
        client,
        'search_console' as source,
        account_id,
        date_day,
        'query_day' as grain,
        clicks_in_queries as clicks,
        impressions_in_queries as impressions
    from marts.organic_query_share_day
    union all by name
    select
        *,
        'device_day' as grain
    from staging.stg_search_console__device_day
    union all by name
    select
        *,
        'country_day' as grain
    from staging.stg_search_console__country_day
    union all by name
    select
        *,
        'page_day' as grain
    from staging.stg_search_console__page_day
    union all by name
    select
        *,
        'page_query_day' as grain
    from staging.stg_search_console__page_query_day
    -- what each account says of itself
    union all by name
    select
        *,
        'total' as grain
    from staging.stg_google_ads__account_day
    union all by name
    select
        *,
        'total' as grain
    from staging.stg_ga4__channel_day
    union all by name
    select
        *,
        'total' as grain
    from staging.stg_search_console__site_day
),

summed as (
    select
        source,
        grain,
        client,
        account_id,
        date_day,
        sum(cast(clicks as double)) as clicks,
        sum(cast(cost as double)) as cost,
        sum(cast(impressions as double)) as impressions,
        sum(cast(sessions as double)) as sessions,
        sum(cast(revenue as double)) as revenue
    from tables
    group by all
),

figures as (
    unpivot summed
    on clicks, cost, impressions, sessions, revenue
    into
    name measure
    value amount
),

loaded as (
    select
        stretches.client,
        stretches.source,
        stretches.account_id,
        measured.grain,
        measured.measure,
        cast(
            unnest(generate_series(stretches.first_day, stretches.last_day, interval 1 day)) as date
        ) as date_day
    from intermediate.int_loads__stretch as stretches
    inner join measured
        on
            stretches.source = measured.source
            and stretches.table_name = measured.source || '__' || measured.grain
)

select
    -- keys
    loaded.client,
    loaded.source,
    loaded.account_id,
    loaded.date_day,
    loaded.grain,
    loaded.measure,
    -- measures
    coalesce(in_table.amount, 0) as in_table,
    in_account.amount as in_account
from loaded
inner join figures as in_account
    on
        in_account.grain = 'total'
        and loaded.client = in_account.client
        and loaded.source = in_account.source
        and loaded.account_id = in_account.account_id
        and loaded.date_day = in_account.date_day
        and loaded.measure = in_account.measure
left join figures as in_table
    on
        loaded.client = in_table.client
        and loaded.source = in_table.source
        and loaded.account_id = in_table.account_id
        and loaded.date_day = in_table.date_day
        and loaded.grain = in_table.grain
        and loaded.measure = in_table.measure
