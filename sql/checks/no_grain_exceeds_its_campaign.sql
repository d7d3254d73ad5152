-- a grain covers a part of its campaign, never more; 1% is for days that changed between two reads
with

in_grain as (
    select * from intermediate.int_google_ads__grain_day
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
