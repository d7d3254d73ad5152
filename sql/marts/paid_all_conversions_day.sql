with

conversion_days as (
    select * from staging.stg_google_ads__all_conversions_day
),

actions as (
    select * from staging.stg_google_ads__conversion_action
),

campaigns as (
    select * from intermediate.int_paid_media__campaign
)

select
    -- keys
    conversion_days.client,
    conversion_days.source,
    conversion_days.account_id,
    conversion_days.date_day,
    conversion_days.campaign_id,
    campaigns.campaign_name,
    conversion_days.conversion_action_id,
    conversion_days.conversion_action_name,
    conversion_days.conversion_action_category,
    case actions.is_primary_for_goal
        when true then 'primary'
        when false then 'secondary'
    end as conversion_action_role,
    conversion_days.currency_code,
    -- measures
    conversion_days.conversions,
    conversion_days.conversions_value,
    conversion_days.conversions_by_conversion_date,
    conversion_days.conversions_value_by_conversion_date,
    conversion_days.all_conversions,
    conversion_days.all_conversions_value,
    conversion_days.all_conversions_by_conversion_date,
    conversion_days.all_conversions_value_by_conversion_date
from conversion_days
left join actions
    on
        conversion_days.client = actions.client
        and conversion_days.account_id = actions.account_id
        and conversion_days.conversion_action_id = actions.conversion_action_id
left join campaigns
    on
        conversion_days.client = campaigns.client
        and conversion_days.source = campaigns.source
        and conversion_days.account_id = campaigns.account_id
        and conversion_days.campaign_id = campaigns.campaign_id
