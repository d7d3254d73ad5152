with

clients as (
    select client from marts.paid_media_day
    union
    select client from marts.site_channel_day
    union
    select client from marts.organic_search_day
)

select clients.client
from clients
anti join ops.clients as configured
    on clients.client = configured.client
