-- the two are asked one after the other, so a young day may differ by a hair: 0.1% is let pass
with

of_campaigns as (
    select
        client,
        account_id,
        date_day,
        sum(impressions) as impressions,
        sum(clicks) as clicks,
        sum(cost) as cost
    from staging.stg_google_ads__campaign_day
    group by all
),

of_account as (
    select
        client,
        account_id,
        date_day,
        impressions,
        clicks,
        cost
    from staging.stg_google_ads__account_day
),

totals as (
    select
        client,
        account_id,
        date_day,
        of_account.impressions as account_impressions,
        of_campaigns.impressions as campaign_impressions,
        of_account.clicks as account_clicks,
        of_campaigns.clicks as campaign_clicks,
        of_account.cost as account_cost,
        of_campaigns.cost as campaign_cost
    from of_campaigns
    full join of_account using (client, account_id, date_day)
)

select *
from totals
where
    -- a day that one of the two tables lacks altogether, although something happened
    (account_impressions is null and campaign_impressions + campaign_cost > 0)
    or (campaign_impressions is null and account_impressions + account_cost > 0)
    or abs(account_impressions - campaign_impressions) > 0.001 * account_impressions
    or abs(account_clicks - campaign_clicks) > 0.001 * account_clicks
    or abs(account_cost - campaign_cost) > 0.001 * account_cost
