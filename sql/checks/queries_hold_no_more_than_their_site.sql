-- 1% and one click are for days that changed between two reads
select
    client,
    account_id,
    date_day,
    clicks,
    clicks_in_queries
from marts.organic_query_share_day
where clicks_in_queries > clicks * 1.01 + 1 and not is_provisional
