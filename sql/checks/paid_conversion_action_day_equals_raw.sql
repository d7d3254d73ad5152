-- sums of fractions may differ in the last digits only
with

in_mart as (
    select
        client,
        account_id,
        date_day,
        sum(conversions) as conversions,
        sum(conversions_value) as conversions_value
    from marts.paid_conversion_action_day
    group by all
),

in_raw as (
    select
        client,
        account_id,
        date_day,
        sum(conversions) as conversions,
        sum(conversions_value) as conversions_value
    from raw.google_ads__conversion_action_day
    group by all
)

select
    client,
    account_id,
    date_day,
    in_raw.conversions as conversions_in_raw,
    in_mart.conversions as conversions_in_mart,
    in_raw.conversions_value as conversions_value_in_raw,
    in_mart.conversions_value as conversions_value_in_mart
from in_mart
full join in_raw using (client, account_id, date_day)
where
    abs(in_mart.conversions - in_raw.conversions) > 0.001
    or (in_mart.conversions is null) <> (in_raw.conversions is null)
    or abs(in_mart.conversions_value - in_raw.conversions_value) > 0.01
    or (in_mart.conversions_value is null) <> (in_raw.conversions_value is null)
