with

campaign_days as (
    select * from intermediate.int_paid_media__campaign_day
),

campaigns as (
    select * from intermediate.int_paid_media__campaign
)

select
    -- keys
    campaign_days.client,
    campaign_days.source,
    campaign_days.account_id,
    campaign_days.date_day,
    campaign_days.campaign_id,
    -- the latest name everywhere, so that a renaming splits nothing
    campaigns.campaign_name,
    campaign_days.channel_type,
    campaign_days.device,
    campaign_days.network,
    campaign_days.currency_code,
    -- measures
    campaign_days.impressions,
    campaign_days.clicks,
    campaign_days.cost,
    campaign_days.conversions,
    campaign_days.conversions_value
from campaign_days
left join campaigns
    on
        campaign_days.client = campaigns.client
        and campaign_days.source = campaigns.source
        and campaign_days.account_id = campaigns.account_id
        and campaign_days.campaign_id = campaigns.campaign_id
