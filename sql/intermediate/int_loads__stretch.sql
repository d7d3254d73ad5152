-- a run reads a month again each day: what adjoins or overlaps is one stretch
with

windows as (
    select
        client,
        source,
        table_name,
        account_id,
        window_start,
        max(window_end) as window_end
    from ops.loads
    where outcome in ('loaded', 'empty')
    group by all
),

reaching as (
    select
        *,
        max(window_end) over (
            partition by client, table_name, account_id
            order by window_start
            rows between unbounded preceding and 1 preceding
        ) as reached
    from windows
),

numbered as (
    select
        *,
        count_if(reached is null or window_start > reached + 1) over (
            partition by client, table_name, account_id
            order by window_start
            rows unbounded preceding
        ) as stretch
    from reaching
)

select
    client,
    source,
    table_name,
    account_id,
    min(window_start) as first_day,
    max(window_end) as last_day
from numbered
group by client, source, table_name, account_id, stretch
