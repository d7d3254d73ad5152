with

sites as (
    select distinct
        client,
        account_id,
        account_id like 'sc-domain:%' as is_domain,
        case
            when account_id like 'sc-domain:%' then account_id[11:]
            else split_part(account_id, '/', 3)
        end as host
    from marts.organic_search_day
)

select
    domains.client,
    domains.account_id as domain_property,
    prefixes.account_id as prefix_property
from sites as domains
inner join sites as prefixes
    on
        domains.client = prefixes.client
        and domains.is_domain
        and not prefixes.is_domain
        and (domains.host = prefixes.host or ends_with(prefixes.host, '.' || domains.host))
