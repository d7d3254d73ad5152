select
    -- keys
    client,
    'google_ads' as source,
    account_id,
    date_day,
    change_event_id,
    -- attributes
    changed_at_local,
    resource_type,
    resource_id,
    operation,
    client_type,
    nullif(campaign_id, '') as campaign_id,
    nullif(ad_group_id, '') as ad_group_id,
    changed_fields,
    coalesce(nullif(old_campaign_name, ''), nullif(old_ad_group_name, '')) as old_name,
    coalesce(nullif(new_campaign_name, ''), nullif(new_ad_group_name, '')) as new_name,
    coalesce(
        nullif(old_campaign_status, 'UNSPECIFIED'),
        nullif(old_ad_group_status, 'UNSPECIFIED'),
        nullif(old_ad_status, 'UNSPECIFIED'),
        nullif(old_keyword_status, 'UNSPECIFIED')
    ) as old_status,
    coalesce(
        nullif(new_campaign_status, 'UNSPECIFIED'),
        nullif(new_ad_group_status, 'UNSPECIFIED'),
        nullif(new_ad_status, 'UNSPECIFIED'),
        nullif(new_keyword_status, 'UNSPECIFIED')
    ) as new_status,
    nullif(old_bidding_strategy_type, 'UNSPECIFIED') as old_bidding_strategy_type,
    nullif(new_bidding_strategy_type, 'UNSPECIFIED') as new_bidding_strategy_type,
    currency_code,
    -- measures
    cast(old_budget_amount_micros * 0.000001 as decimal(38, 6)) as old_budget_amount,
    cast(new_budget_amount_micros * 0.000001 as decimal(38, 6)) as new_budget_amount,
    coalesce(
        old_target_roas,
        nullif(old_maximize_value_target_roas, 0),
        old_ad_group_target_roas
    ) as old_target_roas,
    coalesce(
        new_target_roas,
        nullif(new_maximize_value_target_roas, 0),
        new_ad_group_target_roas
    ) as new_target_roas,
    cast(
        coalesce(
            old_target_cpa_micros,
            nullif(old_maximize_conversions_target_cpa_micros, 0),
            old_ad_group_target_cpa_micros
        ) * 0.000001 as decimal(38, 6)
    ) as old_target_cpa,
    cast(
        coalesce(
            new_target_cpa_micros,
            nullif(new_maximize_conversions_target_cpa_micros, 0),
            new_ad_group_target_cpa_micros
        ) * 0.000001 as decimal(38, 6)
    ) as new_target_cpa,
    cast(
        coalesce(old_ad_group_cpc_bid_micros, old_keyword_cpc_bid_micros)
        * 0.000001 as decimal(38, 6)
    ) as old_cpc_bid,
    cast(
        coalesce(new_ad_group_cpc_bid_micros, new_keyword_cpc_bid_micros)
        * 0.000001 as decimal(38, 6)
    ) as new_cpc_bid,
    -- ledger
    loaded_at
from raw.google_ads__change_event
