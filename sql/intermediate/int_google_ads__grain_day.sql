-- every table on request that holds a part of its campaigns, added up
with

by_grain as (
    select
        client,
        account_id,
        date_day,
        campaign_id,
        'ad_group_day' as grain,
        impressions,
        clicks,
        cost
    from staging.stg_google_ads__ad_group_day
    union all
    select
        client,
        account_id,
        date_day,
        campaign_id,
        'ad_day' as grain,
        impressions,
        clicks,
        cost
    from staging.stg_google_ads__ad_day
    union all
    select
        client,
        account_id,
        date_day,
        campaign_id,
        'keyword_day' as grain,
        impressions,
        clicks,
        cost
    from staging.stg_google_ads__keyword_day
    union all
    select
        client,
        account_id,
        date_day,
        campaign_id,
        'search_term_day' as grain,
        impressions,
        clicks,
        cost
    from staging.stg_google_ads__search_term_day
    union all
    select
        client,
        account_id,
        date_day,
        campaign_id,
        'campaign_search_term_day' as grain,
        impressions,
        clicks,
        cost
    from staging.stg_google_ads__campaign_search_term_day
    union all
    select
        client,
        account_id,
        date_day,
        campaign_id,
        'shopping_product_day' as grain,
        impressions,
        clicks,
        cost
    from staging.stg_google_ads__shopping_product_day
    union all
    select
        client,
        account_id,
        date_day,
        campaign_id,
        'geographic_day' as grain,
        impressions,
        clicks,
        cost
    from staging.stg_google_ads__geographic_day
    union all
    select
        client,
        account_id,
        date_day,
        campaign_id,
        'hour_day' as grain,
        impressions,
        clicks,
        cost
    from staging.stg_google_ads__hour_day
    union all
    select
        client,
        account_id,
        date_day,
        campaign_id,
        'landing_page_day' as grain,
        impressions,
        clicks,
        cost
    from staging.stg_google_ads__landing_page_day
    union all
    select
        client,
        account_id,
        date_day,
        campaign_id,
        'asset_group_day' as grain,
        impressions,
        clicks,
        cost
    from staging.stg_google_ads__asset_group_day
    union all
    select
        client,
        account_id,
        date_day,
        campaign_id,
        'asset_group_product_group_day' as grain,
        impressions,
        clicks,
        cost
    from staging.stg_google_ads__asset_group_product_group_day
    -- a subdivision is its units once more
    where product_group_type is distinct from 'SUBDIVISION'
)

select
    -- keys
    client,
    account_id,
    date_day,
    campaign_id,
    grain,
    -- measures
    sum(impressions) as impressions,
    sum(clicks) as clicks,
    sum(cost) as cost
from by_grain
group by all
