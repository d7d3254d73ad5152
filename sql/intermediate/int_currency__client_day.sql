with

-- every currency that a client has amounts in
found as (
    select
        client,
        currency_code
    from intermediate.int_paid_media__campaign_day
    union
    select
        client,
        currency_code
    from staging.stg_ga4__channel_day
    union
    select
        client,
        currency_code
    from ops.accounts
),

pairs as (
    select
        found.client,
        found.currency_code,
        clients.currency as client_currency_code
    from found
    inner join ops.clients as clients
        on found.client = clients.client
    where found.currency_code <> clients.currency
)

select
    -- keys
    pairs.client,
    pairs.currency_code,
    theirs.date_day,
    -- attributes
    pairs.client_currency_code,
    -- measures
    ours.rate / theirs.rate as rate,
    least(ours.rate_date, theirs.rate_date) as rate_date
from pairs
inner join intermediate.int_currency__rate_day as theirs
    on pairs.currency_code = theirs.currency_code
inner join intermediate.int_currency__rate_day as ours
    on
        pairs.client_currency_code = ours.currency_code
        and theirs.date_day = ours.date_day
