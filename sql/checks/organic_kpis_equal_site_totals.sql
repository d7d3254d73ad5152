with

in_kpis as (
    select
        organic_ctr.client,
        organic_ctr.account_id,
        organic_ctr.date_day,
        sum(organic_ctr.numerator) as ctr_clicks,
        sum(organic_ctr.denominator) as ctr_impressions,
        sum(organic_clicks.numerator) as clicks
    from kpis.organic_ctr
    full join kpis.organic_clicks using (client, account_id, date_day)
    group by all
),

in_raw as (
    select
        client,
        account_id,
        date_day,
        sum(clicks) as clicks,
        sum(impressions) as impressions
    from raw.search_console__site_day
    group by all
)

select
    client,
    account_id,
    date_day,
    in_raw.clicks as clicks_in_raw,
    in_kpis.clicks as clicks_in_kpi,
    in_kpis.ctr_clicks as clicks_in_ctr,
    in_raw.impressions as impressions_in_raw,
    in_kpis.ctr_impressions as impressions_in_ctr
from in_kpis
full join in_raw using (client, account_id, date_day)
where
    in_kpis.clicks is distinct from in_raw.clicks
    or in_kpis.ctr_clicks is distinct from in_raw.clicks
    or in_kpis.ctr_impressions is distinct from in_raw.impressions
