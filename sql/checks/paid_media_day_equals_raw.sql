-- counts and cost are exact; sums of fractions may differ in the last digits only
with

in_mart as (
    select
        client,
        account_id,
        date_day,
        sum(impressions) as impressions,
        sum(clicks) as clicks,
        sum(cost) * 1000000 as cost_micros,
        sum(conversions) as conversions,
        sum(conversions_value) as conversions_value
    from marts.paid_media_day
    group by all
),

in_raw as (
    select
        client,
        account_id,
        date_day,
        sum(impressions) as impressions,
        sum(clicks) as clicks,
        sum(cost_micros) as cost_micros,
        sum(conversions) as conversions,
        sum(conversions_value) as conversions_value
    from raw.google_ads__campaign_day
    group by all
)

select
    client,
    account_id,
    date_day,
    in_raw.impressions as impressions_in_raw,
    in_mart.impressions as impressions_in_mart,
    in_raw.clicks as clicks_in_raw,
    in_mart.clicks as clicks_in_mart,
    in_raw.cost_micros as cost_micros_in_raw,
    in_mart.cost_micros as cost_micros_in_mart,
    in_raw.conversions as conversions_in_raw,
    in_mart.conversions as conversions_in_mart,
    in_raw.conversions_value as conversions_value_in_raw,
    in_mart.conversions_value as conversions_value_in_mart
from in_mart
full join in_raw using (client, account_id, date_day)
where
    in_mart.impressions is distinct from in_raw.impressions
    or in_mart.clicks is distinct from in_raw.clicks
    or in_mart.cost_micros is distinct from in_raw.cost_micros
    or abs(in_mart.conversions - in_raw.conversions) > 0.001
    or (in_mart.conversions is null) <> (in_raw.conversions is null)
    or abs(in_mart.conversions_value - in_raw.conversions_value) > 0.01
    or (in_mart.conversions_value is null) <> (in_raw.conversions_value is null)
