"""What Google Ads gives together in one query, for every resource that Koers asks.

Kept beside the queries, so that a wrong one cannot be made, let alone sent. That
a field exists is checked against the vendor's protos by the tests.

Source: https://developers.google.com/google-ads/api/fields/v26/overview and
https://developers.google.com/google-ads/api/docs/reporting/segmentation
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# besides itself, whose attributes each FROM resource carries
ATTRIBUTED: Mapping[str, tuple[str, ...]] = {
    "customer": (),
    "customer_client": ("customer",),
    "conversion_action": ("customer",),
    "campaign": ("customer", "campaign_budget", "bidding_strategy"),
    "campaign_budget": ("customer",),
    "campaign_label": ("customer", "campaign", "label"),
    "ad_group_label": ("customer", "campaign", "ad_group", "label"),
    # without campaign and ad_group, which it carries too: a change of neither could be left out
    "change_event": ("customer",),
    "ad_group": ("customer", "campaign"),
    "ad_group_ad": ("customer", "campaign", "ad_group"),
    "keyword_view": ("customer", "campaign", "ad_group", "ad_group_criterion"),
    "search_term_view": ("customer", "campaign", "ad_group"),
    "campaign_search_term_view": ("customer", "campaign"),
    "shopping_performance_view": ("customer", "campaign", "ad_group"),
    "geographic_view": ("customer", "campaign", "ad_group"),
    "landing_page_view": ("customer", "campaign", "ad_group"),
    "asset_group": ("customer", "campaign"),
    "asset_group_product_group_view": (
        "customer",
        "campaign",
        "asset_group",
        "asset_group_listing_group_filter",
    ),
}
# these describe, and have neither segments nor metrics
WITHOUT_METRICS = (
    "customer_client",
    "conversion_action",
    "campaign_label",
    "ad_group_label",
    "change_event",
)

_CONVERSION_SEGMENTS = ("segments.conversion_action", "segments.conversion_lag_bucket")
_CONVERSION_METRICS = ("metrics.conversions", "metrics.all_conversions", "metrics.value_per_")
# a share is of auctions, which are counted per campaign and day, not per ad
_SHARED_BY = ("customer", "campaign", "ad_group", "keyword_view")


def check_together(resource: str, fields: Sequence[str]) -> None:
    """Raise ValueError, saying why, where Google would refuse or silently leave rows out."""
    if resource not in ATTRIBUTED:
        raise ValueError(f"Koers asks nothing of {resource}; it knows {', '.join(ATTRIBUTED)}")
    for name in fields:
        head = name.partition(".")[0]
        if head in ("metrics", "segments"):
            if resource in WITHOUT_METRICS:
                raise ValueError(f"{resource} has no {head}, so {name} cannot be asked of it")
            why = _why_not(resource, name, fields)
            if why:
                raise ValueError(f"{name} cannot be asked of {resource} here: {why}")
        elif head != resource and head not in ATTRIBUTED[resource]:
            raise ValueError(f"{name} cannot be asked of {resource}: it does not carry {head}")


def _why_not(resource: str, name: str, fields: Sequence[str]) -> str:
    of_conversions = [f for f in fields if f.startswith(_CONVERSION_SEGMENTS)]
    by_hour = "segments.hour" in fields
    why = ""
    if of_conversions and name.startswith("metrics.") and not name.startswith(_CONVERSION_METRICS):
        why = f"with {of_conversions[0]} only conversions can be counted"
    elif name.startswith("segments.keyword.") and resource == "campaign_search_term_view":
        why = "it silently drops what has no keyword, such as Performance Max"
    elif name.startswith("segments.keyword.") and resource != "search_term_view":
        why = "it silently drops what has no keyword; ask keyword_view"
    elif name.startswith("segments.product_") and resource != "shopping_performance_view":
        why = "products are told by shopping_performance_view alone"
    elif (
        name == "segments.search_term_match_type" or name == "segments.search_term_match_source"
    ) and resource not in ("search_term_view", "campaign_search_term_view"):
        why = "it belongs to search terms"
    elif by_hour and "by_conversion_date" in name:
        why = "the day of a conversion has no hour of the click"
    elif "impression_share" in name and resource not in _SHARED_BY:
        why = f"shares are told by {', '.join(_SHARED_BY)}"
    elif "impression_share" in name and (by_hour or of_conversions):
        why = "shares are told by day, without hours or conversions"
    return why
