-- a day counts for a table that it was loaded of; loaded without a row, the table holds none of it
with

parts as (
    select
        client,
        'search_console' as source,
        account_id,
        date_day,
        'device_day' as grain,
        'clicks' as measure,
        cast(clicks as double) as amount
    from staging.stg_search_console__device_day
    union all
    select
        client,
        'search_console' as source,
        account_id,
        date_day,
        'device_day' as grain,
        'impressions' as measure,
        cast(impressions as double) as amount
    from staging.stg_search_console__device_day
    union all
    select
        client,
        'search_console' as source,
        account_id,
        date_day,
        'country_day' as grain,
        'clicks' as measure,
        cast(clicks as double) as amount
    from staging.stg_search_console__country_day
    union all
    select
        client,
        'search_console' as source,
        account_id,
        date_day,
        'country_day' as grain,
        'impressions' as measure,
        cast(impressions as double) as amount
    from staging.stg_search_console__country_day
    union all
    select
        client,
        'search_console' as source,
        account_id,
        date_day,
        'query_day' as grain,
        'clicks' as measure,
        cast(clicks_in_queries as double) as amount
    from marts.organic_query_share_day
    union all
    select
        client,
        'search_console' as source,
        account_id,
        date_day,
        'query_day' as grain,
        'impressions' as measure,
        cast(impressions_in_queries as double) as amount
    from marts.organic_query_share_day
    union all
    select
        client,
        'search_console' as source,
        account_id,
        date_day,
        'page_day' as grain,
        'clicks' as measure,
        cast(clicks as double) as amount
    from staging.stg_search_console__page_day
    union all
    select
        client,
        'search_console' as source,
        account_id,
        date_day,
        'page_query_day' as grain,
        'clicks' as measure,
        cast(clicks as double) as amount
    from staging.stg_search_console__page_query_day
    union all
    select
        client,
        'ga4' as source,
        account_id,
        date_day,
        'campaign_day' as grain,
        'sessions' as measure,
        cast(sessions as double) as amount
    from staging.stg_ga4__campaign_day
    union all
    select
        client,
        'ga4' as source,
        account_id,
        date_day,
        'device_day' as grain,
        'sessions' as measure,
        cast(sessions as double) as amount
    from staging.stg_ga4__device_day
    union all
    select
        client,
        'ga4' as source,
        account_id,
        date_day,
        'country_day' as grain,
        'sessions' as measure,
        cast(sessions as double) as amount
    from staging.stg_ga4__country_day
    union all
    select
        client,
        'ga4' as source,
        account_id,
        date_day,
        'landing_page_day' as grain,
        'sessions' as measure,
        cast(sessions as double) as amount
    from staging.stg_ga4__landing_page_day
    union all
    select
        client,
        'ga4' as source,
        account_id,
        date_day,
        'new_vs_returning_day' as grain,
        'sessions' as measure,
        cast(sessions as double) as amount
    from staging.stg_ga4__new_vs_returning_day
    union all
    select
        client,
        'ga4' as source,
        account_id,
        date_day,
        'item_day' as grain,
        'revenue' as measure,
        cast(item_revenue as double) as amount
    from staging.stg_ga4__item_day
    union all
    select
        client,
        'google_ads' as source,
        account_id,
        date_day,
        grain,
        'clicks' as measure,
        cast(clicks as double) as amount
    from intermediate.int_google_ads__grain_day
    union all
    select
        client,
        'google_ads' as source,
        account_id,
        date_day,
        grain,
        'cost' as measure,
        cast(cost as double) as amount
    from intermediate.int_google_ads__grain_day
),

in_table as (
    select
        client,
        source,
        account_id,
        date_day,
        grain,
        measure,
        sum(amount) as amount
    from parts
    group by all
),

measured as (
    select
        compared.source,
        compared.grain,
        compared.measure
    from (
        values
        ('google_ads', 'ad_group_day', 'clicks'),
        ('google_ads', 'ad_group_day', 'cost'),
        ('google_ads', 'ad_day', 'clicks'),
        ('google_ads', 'ad_day', 'cost'),
        ('google_ads', 'keyword_day', 'clicks'),
        ('google_ads', 'keyword_day', 'cost'),
        ('google_ads', 'search_term_day', 'clicks'),
        ('google_ads', 'search_term_day', 'cost'),
        ('google_ads', 'campaign_search_term_day', 'clicks'),
        ('google_ads', 'campaign_search_term_day', 'cost'),
        ('google_ads', 'shopping_product_day', 'clicks'),
        ('google_ads', 'shopping_product_day', 'cost'),
        ('google_ads', 'geographic_day', 'clicks'),
        ('google_ads', 'geographic_day', 'cost'),
        ('google_ads', 'hour_day', 'clicks'),
        ('google_ads', 'hour_day', 'cost'),
        ('google_ads', 'landing_page_day', 'clicks'),
        ('google_ads', 'landing_page_day', 'cost'),
        ('google_ads', 'asset_group_day', 'clicks'),
        ('google_ads', 'asset_group_day', 'cost'),
        ('google_ads', 'asset_group_product_group_day', 'clicks'),
        ('google_ads', 'asset_group_product_group_day', 'cost'),
        ('ga4', 'campaign_day', 'sessions'),
        ('ga4', 'device_day', 'sessions'),
        ('ga4', 'country_day', 'sessions'),
        ('ga4', 'landing_page_day', 'sessions'),
        ('ga4', 'new_vs_returning_day', 'sessions'),
        ('ga4', 'item_day', 'revenue'),
        ('search_console', 'query_day', 'clicks'),
        ('search_console', 'query_day', 'impressions'),
        ('search_console', 'device_day', 'clicks'),
        ('search_console', 'device_day', 'impressions'),
        ('search_console', 'country_day', 'clicks'),
        ('search_console', 'country_day', 'impressions'),
        ('search_console', 'page_day', 'clicks'),
        ('search_console', 'page_query_day', 'clicks')
    ) as compared (source, grain, measure)
),

in_account as (
    select
        client,
        'google_ads' as source,
        account_id,
        date_day,
        'clicks' as measure,
        sum(cast(clicks as double)) as amount
    from staging.stg_google_ads__account_day
    group by all
    union all
    select
        client,
        'google_ads' as source,
        account_id,
        date_day,
        'cost' as measure,
        sum(cast(cost as double)) as amount
    from staging.stg_google_ads__account_day
    group by all
    union all
    select
        client,
        'ga4' as source,
        account_id,
        date_day,
        'sessions' as measure,
        sum(cast(sessions as double)) as amount
    from staging.stg_ga4__channel_day
    group by all
    union all
    select
        client,
        'ga4' as source,
        account_id,
        date_day,
        'revenue' as measure,
        sum(cast(revenue as double)) as amount
    from staging.stg_ga4__channel_day
    group by all
    union all
    select
        client,
        'search_console' as source,
        account_id,
        date_day,
        'clicks' as measure,
        sum(cast(clicks as double)) as amount
    from staging.stg_search_console__site_day
    group by all
    union all
    select
        client,
        'search_console' as source,
        account_id,
        date_day,
        'impressions' as measure,
        sum(cast(impressions as double)) as amount
    from staging.stg_search_console__site_day
    group by all
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
inner join in_account
    on
        loaded.client = in_account.client
        and loaded.source = in_account.source
        and loaded.account_id = in_account.account_id
        and loaded.date_day = in_account.date_day
        and loaded.measure = in_account.measure
left join in_table
    on
        loaded.client = in_table.client
        and loaded.source = in_table.source
        and loaded.account_id = in_table.account_id
        and loaded.date_day = in_table.date_day
        and loaded.grain = in_table.grain
        and loaded.measure = in_table.measure
