with

currencies as (
    select
        client,
        source,
        account_id,
        currency_code
    from marts.paid_media_day
    union all
    select
        client,
        source,
        account_id,
        currency_code
    from marts.site_channel_day
)

select
    client,
    source,
    account_id,
    count(distinct currency_code) as currencies,
    count(*) filter (where currency_code is null) as rows_without
from currencies
group by all
having count(distinct currency_code) > 1 or count(*) filter (where currency_code is null) > 0
