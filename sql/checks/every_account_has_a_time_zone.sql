-- a day of an account without a zone could be any day
select
    client,
    source,
    account_id
from marts.account
where status = 'enabled' and time_zone is null
