with

campaign_days as (
    select * from intermediate.int_paid_media__campaign_day
)

select
    -- keys
    client,
    source,
    account_id,
    campaign_id,
    -- attributes; the name itself settles a tie, so that every build says the same
    arg_max(campaign_name, row(date_day, loaded_at, campaign_name)) as campaign_name
from campaign_days
group by all
