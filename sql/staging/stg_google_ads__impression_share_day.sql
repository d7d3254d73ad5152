-- Google tells no share below 10% (0.0999) and no loss above 90% (0.9001): those are bounds
select
    -- keys
    client,
    'google_ads' as source,
    account_id,
    date_day,
    campaign_id,
    -- attributes
    campaign_name,
    channel_type,
    -- measures
    impressions,
    search_impression_share,
    case
        when search_impression_share < 0.09995 then 'less_than'
        when search_impression_share is not null then 'exact'
    end as search_impression_share_bound,
    search_top_impression_share,
    case
        when search_top_impression_share < 0.09995 then 'less_than'
        when search_top_impression_share is not null then 'exact'
    end as search_top_impression_share_bound,
    search_budget_lost_impression_share,
    case
        when search_budget_lost_impression_share > 0.90005 then 'more_than'
        when search_budget_lost_impression_share is not null then 'exact'
    end as search_budget_lost_impression_share_bound,
    search_rank_lost_impression_share,
    case
        when search_rank_lost_impression_share > 0.90005 then 'more_than'
        when search_rank_lost_impression_share is not null then 'exact'
    end as search_rank_lost_impression_share_bound,
    -- ledger
    loaded_at
from raw.google_ads__impression_share_day
