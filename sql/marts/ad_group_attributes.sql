-- valid from the day as of which it was read to the day as of which something else was
with

runs as (
    select
        client,
        account_id,
        finished_at,
        as_of
    from ops.loads
    where table_name = 'google_ads__ad_group'
),

versions as (
    select
        version.*,
        coalesce(read.as_of, cast(version.observed_at as date)) as valid_from,
        coalesce(ended.as_of, cast(version.superseded_at as date)) as ended_on
    from staging.stg_google_ads__ad_group_version as version
    left join runs as read
        on
            version.client = read.client
            and version.account_id = read.account_id
            and version.observed_at = read.finished_at
    left join runs as ended
        on
            version.client = ended.client
            and version.account_id = ended.account_id
            and version.superseded_at = ended.finished_at
),

-- a run as of an earlier day tells of that day once more: what was read last counts
bounded as (
    select
        *,
        least(
            ended_on,
            min(valid_from) over (
                partition by client, source, account_id, ad_group_id
                order by observed_at
                rows between 1 following and unbounded following
            )
        ) as valid_to
    from versions
)

select
    -- keys
    client,
    source,
    account_id,
    ad_group_id,
    valid_from,
    valid_to,
    -- attributes
    campaign_id,
    ad_group_name,
    ad_group_status,
    ad_group_type,
    currency_code,
    cpc_bid,
    target_cpa,
    target_roas,
    -- ledger
    valid_to is null as is_current,
    observed_at,
    superseded_at
from bounded
where valid_to is null or valid_to > valid_from
