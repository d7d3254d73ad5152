"""What is below a campaign: ad groups, ads, keywords, terms, products, places, hours, pages.

A campaign's day is divided among the parts of a grain, so that finer figures add
up to coarser ones to the last click: an ad group has what its keywords, or its
ads, have together. Some parts are never shown, as with Google: search terms that
too few people typed, clicks in an ad group without keywords, what Performance
Max shows without a product. Performance Max has asset groups, not ad groups.

Which part gets what follows from the campaign's id, the day, device and network
alone; there is no seed to keep.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.sandbox.world_days import Floats, Ints

Value = str | int | None


@dataclass(frozen=True)
class Part:
    """A slice ``low`` to ``high`` of a campaign (0 to 1) and the fields it fills.

    One without ``shown`` takes its share and is never answered.
    """

    low: float
    high: float
    fields: Mapping[str, Value]
    shown: bool = True


@dataclass(frozen=True)
class CampaignKey:
    """What the parts of a campaign follow from."""

    customer_id: str
    id: int
    channel: str


WITHOUT_AD_GROUPS = "PERFORMANCE_MAX"
_KEYWORDS = (
    ("fiets kopen", "EXACT", 5.0),
    ("fiets aanbieding", "PHRASE", 3.0),
    ('+fiets "outlet" <b>', "BROAD", 2.0),
    ("winkel in de buurt", "BROAD", 1.0),
)
# after a keyword: what people type; the rest of its searches is withheld
_TYPED = (("", "EXACT", 6.0), (" online", "NEAR_PHRASE", 2.0), (" 2026", "BROAD", 1.0))
_WITHHELD = 2.0
_AD_TYPES = {
    "SEARCH": "RESPONSIVE_SEARCH_AD",
    "SHOPPING": "SHOPPING_PRODUCT_AD",
    "DISPLAY": "RESPONSIVE_DISPLAY_AD",
    "VIDEO": "VIDEO_RESPONSIVE_AD",
}
_AD_GROUPS = {
    "SEARCH": (("Exact", 5.0), ("Breed", 3.0), ("Dynamisch", 1.0)),
    "SHOPPING": (("Alle producten", 4.0), ("Hardlopers", 2.0)),
    "DISPLAY": (("Remarketinglijst", 3.0), ("Vergelijkbaar publiek", 1.0)),
    "VIDEO": (("In-stream", 3.0), ("In-feed", 1.0)),
}
# where nobody bid on a keyword: the pages of the site decide
WITHOUT_KEYWORDS = "Dynamisch"
_PRODUCTS = (
    # item, title, brand, type, the feed's own label, weight
    ("fg-1001", "Stadsfiets Comfort 7", "Noordster", "Fietsen", "hoge marge", 5.0),
    ("fg-1002", "E-bike Middenmotor", "Noordster", "E-bikes", "lage marge", 4.0),
    ("fg-1003", "Kinderfiets 20 inch", None, "Fietsen", "hoge marge", 2.0),
    ("fg-1004", '=2+3 "Fietstas" & slot', "Bagaal", "Accessoires", None, 1.0),
)
_COUNTRIES = (
    # Google's geo target of the country, kind of place, weight
    (2528, "LOCATION_OF_PRESENCE", 8.0),
    (2056, "LOCATION_OF_PRESENCE", 1.5),
    (2276, "LOCATION_OF_PRESENCE", 0.5),
    (2528, "AREA_OF_INTEREST", 0.5),
)
_HOURS = tuple(
    (hour, 1.0 if hour < 7 else 4.0 if hour < 18 else 6.0 if hour < 23 else 2.0)
    for hour in range(24)
)
_PAGES = ("", "actie/", "collectie/?kleur=blauw&maat=M")


@cache
def parts_of(grain: str, campaign: CampaignKey) -> tuple[Part, ...]:
    """The parts of one campaign at a grain, in order from 0 to 1; none where it has no such."""
    return tuple(_MAKERS[grain](campaign))


def _divide(low: float, high: float, weights: Sequence[float]) -> list[tuple[float, float]]:
    """Cut a slice in proportion; the ends stay exactly what they were."""
    cuts = low + (high - low) * np.cumsum(weights) / sum(weights)
    edges = [low, *cuts[:-1].tolist(), high]
    return list(pairwise(edges))


def _name(customer: str, collection: str, *ids: int | str) -> str:
    return f"customers/{customer}/{collection}/{'~'.join(str(i) for i in ids)}"


def _ad_groups(campaign: CampaignKey) -> list[Part]:
    named = _AD_GROUPS.get(campaign.channel, ())
    found = []
    for at, ((name, _), (low, high)) in enumerate(
        zip(named, _divide(0.0, 1.0, [w for _, w in named]), strict=True) if named else ()
    ):
        ad_group = campaign.id * 10 + at + 1
        found.append(
            Part(
                low,
                high,
                {
                    "ad_group.resource_name": _name(campaign.customer_id, "adGroups", ad_group),
                    "ad_group.id": ad_group,
                    "ad_group.name": name,
                    "ad_group.status": "PAUSED" if at == 1 else "ENABLED",
                },
            )
        )
    return found


def _ads(campaign: CampaignKey) -> list[Part]:
    found = []
    for group in _ad_groups(campaign):
        ad_group = group.fields["ad_group.id"]
        assert isinstance(ad_group, int)
        cuts = _divide(group.low, group.high, (3.0, 1.0))
        for at, (low, high) in enumerate(cuts):
            ad = ad_group * 10 + at
            found.append(
                Part(
                    low,
                    high,
                    {
                        **group.fields,
                        "ad_group_ad.resource_name": _name(
                            campaign.customer_id, "adGroupAds", ad_group, ad
                        ),
                        "ad_group_ad.ad.id": ad,
                        "ad_group_ad.ad.type": _AD_TYPES[campaign.channel],
                        "ad_group_ad.status": "REMOVED" if at else "ENABLED",
                        "ad_group_ad.ad_strength": "POOR" if at else "GOOD",
                    },
                )
            )
    return found


def _keywords(campaign: CampaignKey) -> list[Part]:
    """The keywords of Search; an ad group without them is there and not shown."""
    found = []
    for group in _ad_groups(campaign) if campaign.channel == "SEARCH" else ():
        ad_group = group.fields["ad_group.id"]
        if group.fields["ad_group.name"] == WITHOUT_KEYWORDS:
            found.append(Part(group.low, group.high, group.fields, shown=False))
            continue
        cuts = _divide(group.low, group.high, [weight for _, _, weight in _KEYWORDS])
        for at, ((text, match, _), (low, high)) in enumerate(zip(_KEYWORDS, cuts, strict=True)):
            # the same criterion in several ad groups is one number
            criterion = 9_000 + at
            names = [
                _name(campaign.customer_id, collection, str(ad_group), criterion)
                for collection in ("keywordViews", "adGroupCriteria")
            ]
            found.append(
                Part(
                    low,
                    high,
                    {
                        **group.fields,
                        "keyword_view.resource_name": names[0],
                        "ad_group_criterion.resource_name": names[1],
                        "ad_group_criterion.criterion_id": criterion,
                        "ad_group_criterion.keyword.text": text,
                        "ad_group_criterion.keyword.match_type": match,
                        "ad_group_criterion.status": "REMOVED" if at == 3 else "ENABLED",
                    },
                )
            )
    return found


def _typed(part: Part, text: str) -> list[tuple[Part, str | None, str]]:
    """The searches of a part, with how they were matched; None: withheld."""
    cuts = _divide(part.low, part.high, [*(weight for _, _, weight in _TYPED), _WITHHELD])
    terms = [(f"{text}{ending}".strip(), match) for ending, match, _ in _TYPED]
    return [
        (Part(low, high, part.fields, term is not None), term, match)
        for (low, high), (term, match) in zip(cuts, [*terms, (None, "")], strict=True)
    ]


def _searches(campaign: CampaignKey) -> list[tuple[Part, str | None, str]]:
    if campaign.channel == "SEARCH":
        found = []
        for part in _keywords(campaign):
            text = part.fields.get("ad_group_criterion.keyword.text", "fiets op maat")
            found += _typed(Part(part.low, part.high, part.fields), str(text))
        return found
    if campaign.channel == "SHOPPING":
        return [one for group in _ad_groups(campaign) for one in _typed(group, "fiets kopen")]
    if campaign.channel == WITHOUT_AD_GROUPS:
        # searches are half of it; the other half is shown where nobody searches
        (low, middle), (_, high) = _divide(0.0, 1.0, (1.0, 1.0))
        return [
            *_typed(Part(low, middle, {}), "fiets van merk"),
            (Part(middle, high, {}, False), None, ""),
        ]
    return []


def _search_terms(campaign: CampaignKey) -> list[Part]:
    if campaign.channel == WITHOUT_AD_GROUPS:
        return []
    return [
        Part(
            part.low,
            part.high,
            {
                **part.fields,
                "search_term_view.resource_name": _name(
                    campaign.customer_id, "searchTermViews", campaign.id,
                    str(part.fields["ad_group.id"]), zlib.crc32((term or "").encode()),
                ),
                "search_term_view.search_term": term,
                "search_term_view.status": "ADDED" if match == "EXACT" else "NONE",
                "segments.search_term_match_type": match,
            },
            part.shown,
        )
        for part, term, match in _searches(campaign)
    ]  # fmt: skip


def _campaign_search_terms(campaign: CampaignKey) -> list[Part]:
    return [
        Part(
            part.low,
            part.high,
            {
                "campaign_search_term_view.resource_name": _name(
                    campaign.customer_id, "campaignSearchTermViews", campaign.id,
                    zlib.crc32((term or "").encode()),
                ),
                "campaign_search_term_view.search_term": term,
            },
            part.shown,
        )
        for part, term, _ in _searches(campaign)
    ]  # fmt: skip


def _of_products(campaign: CampaignKey, low: float, high: float, base: Mapping[str, Value]) -> Any:
    cuts = _divide(low, high, [product[-1] for product in _PRODUCTS])
    for (item, title, brand, kind, label, _), (start, end) in zip(_PRODUCTS, cuts, strict=True):
        yield Part(
            start,
            end,
            {
                **base,
                "shopping_performance_view.resource_name": _name(
                    campaign.customer_id, "shoppingPerformanceView"
                ).rstrip("/"),
                "segments.product_item_id": item,
                "segments.product_merchant_id": 5_550_001,
                "segments.product_feed_label": "NL",
                "segments.product_title": title,
                "segments.product_brand": brand,
                "segments.product_type_l1": kind,
                "segments.product_custom_attribute0": label,
            },
        )


def _products(campaign: CampaignKey) -> list[Part]:
    if campaign.channel == "SHOPPING":
        return [
            part
            for group in _ad_groups(campaign)
            for part in _of_products(campaign, group.low, group.high, group.fields)
        ]
    if campaign.channel == WITHOUT_AD_GROUPS:
        found: list[Part] = []
        for part in _asset_group_product_groups(campaign):
            shown = part.shown
            found += _of_products(campaign, part.low, part.high, {}) if shown else [part]
        return found
    return []


def _asset_groups(campaign: CampaignKey) -> list[Part]:
    if campaign.channel != WITHOUT_AD_GROUPS:
        return []
    cuts = _divide(0.0, 1.0, (3.0, 2.0))
    return [
        Part(
            low,
            high,
            {
                "asset_group.resource_name": _name(
                    campaign.customer_id, "assetGroups", campaign.id * 10 + at
                ),
                "asset_group.id": campaign.id * 10 + at,
                "asset_group.name": ("Alle producten", "Cadeaus & acties")[at],
                "asset_group.status": "ENABLED",
            },
        )
        for at, (low, high) in enumerate(cuts)
    ]


def _asset_group_product_groups(campaign: CampaignKey) -> list[Part]:
    """Listing groups; a quarter of each asset group is shown without a product."""
    found = []
    for group in _asset_groups(campaign):
        asset_group = str(group.fields["asset_group.id"])
        cuts = _divide(group.low, group.high, (2.0, 1.0, 1.0))
        for at, (low, high) in enumerate(cuts):
            names = {
                f"{head}.resource_name": _name(campaign.customer_id, collection, asset_group, at)
                for head, collection in (
                    ("asset_group_product_group_view", "assetGroupProductGroupViews"),
                    ("asset_group_listing_group_filter", "assetGroupListingGroupFilters"),
                )
            }
            fields = {
                **group.fields,
                **names,
                "asset_group_listing_group_filter.id": 800 + at,
                "asset_group_listing_group_filter.type": "UNIT_INCLUDED",
            }
            found.append(Part(low, high, fields, shown=at < 2))
    return found


def _places(campaign: CampaignKey) -> list[Part]:
    cuts = _divide(0.0, 1.0, [weight for _, _, weight in _COUNTRIES])
    return [
        Part(
            low,
            high,
            {
                "geographic_view.resource_name": _name(
                    campaign.customer_id, "geographicViews", country, kind
                ),
                "geographic_view.country_criterion_id": country,
                "geographic_view.location_type": kind,
            },
        )
        for (country, kind, _), (low, high) in zip(_COUNTRIES, cuts, strict=True)
    ]


def _hours(campaign: CampaignKey) -> list[Part]:
    cuts = _divide(0.0, 1.0, [weight for _, weight in _HOURS])
    return [
        Part(low, high, {"segments.hour": hour})
        for (hour, _), (low, high) in zip(_HOURS, cuts, strict=True)
    ]


def _landing_pages(campaign: CampaignKey) -> list[Part]:
    cuts = _divide(0.0, 1.0, (6.0, 2.0, 1.0))
    pages = [f"https://www.fietsgoed.example/{page}" for page in _PAGES]
    return [
        Part(
            low,
            high,
            {
                "landing_page_view.resource_name": _name(
                    campaign.customer_id, "landingPageViews", zlib.crc32(page.encode())
                ),
                "landing_page_view.unexpanded_final_url": page,
            },
        )
        for page, (low, high) in zip(pages, cuts, strict=True)
    ]


_MAKERS: Mapping[str, Callable[[CampaignKey], list[Part]]] = {
    "ad_group": _ad_groups,
    "ad_group_ad": _ads,
    "keyword_view": _keywords,
    "search_term_view": _search_terms,
    "campaign_search_term_view": _campaign_search_terms,
    "shopping_performance_view": _products,
    "asset_group": _asset_groups,
    "asset_group_product_group_view": _asset_group_product_groups,
    "geographic_view": _places,
    "landing_page_view": _landing_pages,
    "hour": _hours,
}
GRAINS = tuple(_MAKERS)


# --- a campaign's rows among its parts ------------------------------------------------------------


def split(rows: pa.Table, grain: str, customer_id: str) -> pa.Table:
    """Divide rows of campaigns, under GAQL's names, among the parts of ``grain``.

    Whole numbers stay whole. Cost goes where the clicks are, and conversions go
    whole to the part of one click. Over the shown and hidden parts every metric
    adds up to the row. Rows without anything are left out.
    """
    campaigns = rows["campaign.id"].combine_chunks().dictionary_encode()
    channels = rows["campaign.advertising_channel_type"].combine_chunks()
    at = _positions(campaigns)
    ids = campaigns.dictionary.to_pylist()
    first = np.zeros(len(ids), np.int64)
    first[at[::-1]] = np.arange(len(at))[::-1]  # a row of each campaign, to read its channel from
    parts = [
        parts_of(grain, CampaignKey(customer_id, one, channels[int(row)].as_py()))
        for one, row in zip(ids, first, strict=True)
    ]
    everything = [part for of_one in parts for part in of_one]
    count = np.array([len(of_one) for of_one in parts], np.int64)
    offset = np.concatenate([[0], np.cumsum(count)])[:-1].astype(np.int64)
    of_row = count[at]
    row = np.repeat(np.arange(rows.num_rows), of_row)
    begins = np.concatenate([[0], np.cumsum(of_row)])[:-1]
    part = np.arange(len(row)) - np.repeat(begins, of_row) + np.repeat(offset[at], of_row)
    low = np.array([p.low for p in everything])[part] if everything else np.empty(0)
    high = np.array([p.high for p in everything])[part] if everything else np.empty(0)
    luck = [_luck(rows, number)[row] for number in range(3)]

    metrics = {
        name: np.asarray(rows[name].to_numpy()) for name in rows.column_names if _is_metric(name)
    }
    shares: dict[str, npt.NDArray[Any]] = {}
    clicks_before, clicks_up_to = (
        _up_to(edge, metrics["metrics.clicks"][row], luck[0]) for edge in (low, high)
    )
    clicks = metrics["metrics.clicks"][row]
    # the click that converts, or where it would be: one part alone holds it
    pick = np.where(clicks > 0, np.floor(luck[1] * clicks), luck[1])
    begin = np.where(clicks > 0, clicks_before, low)
    end = np.where(clicks > 0, clicks_up_to, high)
    converts = (begin <= pick) & (pick < end)
    dated = (low <= luck[2]) & (luck[2] < high)
    for name, values in metrics.items():
        mine = values[row]
        if name in ("metrics.clicks", "metrics.interactions"):
            shares[name] = clicks_up_to - clicks_before
        elif name == "metrics.cost_micros":
            divisor = np.maximum(clicks, 1)
            paid = mine * clicks_up_to // divisor - mine * clicks_before // divisor
            shares[name] = np.where(clicks > 0, paid, np.where(converts, mine, 0))
        elif "conversions" in name:
            shares[name] = np.where(dated if "by_conversion_date" in name else converts, mine, 0)
        else:
            shares[name] = _up_to(high, mine, luck[0]) - _up_to(low, mine, luck[0])
    shown = np.array([p.shown for p in everything], bool)[part] if everything else part.astype(bool)
    some = shown & np.any([values != 0 for values in shares.values()], axis=0)
    kept = np.flatnonzero(some)
    told = rows.select([n for n in rows.column_names if n not in shares]).take(pa.array(row[kept]))
    which = pa.array(part[kept])
    for name in dict.fromkeys(field for one in everything for field in one.fields):
        values = pa.array([one.fields.get(name) for one in everything])
        told = told.append_column(name, values.take(which))
    for name, values in shares.items():
        told = told.append_column(name, pa.array(values[kept]).cast(rows.schema.field(name).type))
    return told


def _is_metric(name: str) -> bool:
    return name.startswith("metrics.")


def _up_to(edge: Floats, total: Ints, luck: Floats) -> Ints:
    """How much of a total lies below an edge: 0 at 0 and all of it at 1."""
    below: Ints = np.floor(edge * total + luck).astype(np.int64)
    return np.where(edge >= 1.0, total, below)


def _luck(rows: pa.Table, number: int) -> Floats:
    """A number from 0 to 1 for each row, the same whenever the row is asked for."""
    mixed = np.full(rows.num_rows, number + 1, np.uint64)
    for name in ("campaign.id", "segments.date", "segments.device", "segments.ad_network_type"):
        column = rows[name].combine_chunks().dictionary_encode()
        codes = [zlib.crc32(str(v).encode()) for v in column.dictionary.to_pylist()]
        code = np.array(codes, np.uint64)[_positions(column)]
        # splitmix64's steps: every bit of what went in moves all of what comes out
        mixed = (mixed ^ code) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = mixed ^ (mixed >> np.uint64(31))
    fraction: Floats = (mixed >> np.uint64(11)).astype(np.float64) / float(1 << 53)
    return fraction


def _positions(column: pa.DictionaryArray) -> Ints:
    return np.asarray(column.indices.to_numpy(), np.int64)
