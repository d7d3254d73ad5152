-- two platforms' words for partly the same orders: beside each other, and never added up
with

amounts as (
    select
        client,
        date_day,
        currency_code,
        conversions_value as ads_value,
        conversions_value_by_conversion_date as ads_value_by_conversion_date,
        cast(null as decimal(38, 6)) as site_revenue_of_ads,
        cast(null as decimal(38, 6)) as site_revenue
    from staging.stg_google_ads__account_day
    union all
    select
        client,
        date_day,
        currency_code,
        null as ads_value,
        null as ads_value_by_conversion_date,
        null as site_revenue_of_ads,
        revenue as site_revenue
    from staging.stg_ga4__channel_day
    union all
    -- what GA4 itself gives to the clicks on these ads
    select
        client,
        date_day,
        currency_code,
        null as ads_value,
        null as ads_value_by_conversion_date,
        revenue as site_revenue_of_ads,
        null as site_revenue
    from staging.stg_ga4__campaign_day
    where session_source = 'google' and session_medium = 'cpc'
)

select
    -- keys
    client,
    date_day,
    currency_code,
    -- measures
    sum(ads_value) as ads_value,
    sum(ads_value_by_conversion_date) as ads_value_by_conversion_date,
    sum(site_revenue_of_ads) as site_revenue_of_ads,
    sum(site_revenue) as site_revenue
from amounts
-- what is in an unknown currency stands beside nothing; the check one_currency_per_account names it
where currency_code is not null
group by all
