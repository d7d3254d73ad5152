select
    clients.client,
    clients.conversion
from ops.clients as clients
-- nothing to complain about before GA4 was loaded at all
semi join staging.stg_ga4__channel_day as channel_days
    on clients.client = channel_days.client
anti join staging.stg_ga4__key_event_day as key_event_days
    on
        clients.client = key_event_days.client
        and clients.conversion = key_event_days.event_name
where clients.conversion <> 'purchases'
