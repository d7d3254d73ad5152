with

conversion_action_days as (
    select * from staging.stg_google_ads__conversion_action_day
),

campaigns as (
    select * from intermediate.int_paid_media__campaign
)

select
    -- keys
    conversion_action_days.client,
    conversion_action_days.source,
    conversion_action_days.account_id,
    conversion_action_days.date_day,
    conversion_action_days.campaign_id,
    campaigns.campaign_name,
    conversion_action_days.conversion_action_id,
    conversion_action_days.conversion_action_name,
    conversion_action_days.conversion_action_category,
    conversion_action_days.currency_code,
    -- measures
    conversion_action_days.conversions,
    conversion_action_days.conversions_value
from conversion_action_days
left join campaigns
    on
        conversion_action_days.client = campaigns.client
        and conversion_action_days.source = campaigns.source
        and conversion_action_days.account_id = campaigns.account_id
        and conversion_action_days.campaign_id = campaigns.campaign_id
