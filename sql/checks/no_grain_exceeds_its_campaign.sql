-- a grain covers a part of its campaign, never more; 1% is for days that changed between two reads
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
),

in_grain as (
    select
        client,
        account_id,
        date_day,
        campaign_id,
        grain,
        sum(impressions) as impressions,
        sum(clicks) as clicks,
        sum(cost) as cost
    from by_grain
    group by all
),

in_campaign as (
    select
        client,
        account_id,
        date_day,
        campaign_id,
        sum(impressions) as impressions,
        sum(clicks) as clicks,
        sum(cost) as cost
    from staging.stg_google_ads__campaign_day
    where exists (select 1 from in_grain)
    group by all
)

select
    client,
    account_id,
    date_day,
    campaign_id,
    in_grain.grain,
    in_grain.impressions as impressions_in_grain,
    in_campaign.impressions as impressions_in_campaign,
    in_grain.clicks as clicks_in_grain,
    in_campaign.clicks as clicks_in_campaign,
    in_grain.cost as cost_in_grain,
    in_campaign.cost as cost_in_campaign
from in_grain
inner join in_campaign using (client, account_id, date_day, campaign_id)
where
    in_grain.impressions > in_campaign.impressions * 1.01
    or in_grain.clicks > in_campaign.clicks * 1.01
    or in_grain.cost > in_campaign.cost * 1.01
