with

channel_days as (
    select * from marts.site_channel_day
)

select
    -- keys
    client,
    date_day,
    source,
    account_id,
    'Organic Search' as channel_group,
    -- measures; GA4 leaves out zero rows, so a day with other channels only had none
    if(
        bool_or(channel_group = 'Organic Search'),
        sum(sessions) filter (where channel_group = 'Organic Search'),
        0
    ) as numerator,
    cast(null as double) as denominator
from channel_days
group by all
