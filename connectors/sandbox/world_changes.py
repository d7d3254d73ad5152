"""What is set in an ad account, day by day, and every change of it: budgets, targets, bids, labels.

Names, statuses and dates are the story's own; the rest follows from a campaign's
number and the plans here. A change at a moment of one day is there when it is
asked for on the next.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TypeVar

from connectors.sandbox.story import CAMPAIGNS, FIRST_DAY, Campaign
from connectors.sandbox.world_ads_grains import CampaignKey, parts_of

MICROS = 1_000_000
T = TypeVar("T", int, float)
Setting = str | int | float | None

# from the day after the first one on: what was changed by hand, when the returns had fallen
BUDGETS: Mapping[int, tuple[tuple[date, int], ...]] = {
    20000011: ((date(2026, 11, 12), 50),),
    20200011: ((date(2026, 11, 13), 90), (date(2026, 11, 24), 120)),
    20200002: ((date(2026, 11, 17), 45),),
}
TARGET_ROAS: Mapping[int, tuple[tuple[date, float], ...]] = {
    20000011: ((date(2026, 11, 12), 4.5),),
    20200011: ((date(2026, 11, 13), 2.4),),
}
# an automated rule raises these bids every Monday and lowers them every Friday
_RAISED_BID, _LOWERED_BID = 1_100_000, 900_000
# by the last digit of what they hang on
_LABELS = {1: ((1, "Merk"),), 3: ((1, "Merk"), (2, "Q4-actie <b>")), 4: ((2, "Q4-actie <b>"),)}
_AD_GROUP_TYPES = {
    "SEARCH": "SEARCH_STANDARD",
    "SHOPPING": "SHOPPING_PRODUCT_ADS",
    "DISPLAY": "DISPLAY_STANDARD",
    "VIDEO": "VIDEO_RESPONSIVE",
}


@dataclass(frozen=True)
class Change:
    """One changed resource; ``old`` and ``new`` by GAQL path below the resource."""

    at: datetime  # in the account's time zone
    resource_type: str
    collection: str
    resource_id: str
    operation: str
    client_type: str
    campaign_id: int
    ad_group_id: int | None
    old: Mapping[str, Setting] = field(default_factory=dict)
    new: Mapping[str, Setting] = field(default_factory=dict)

    @property
    def id(self) -> str:
        micros = int((self.at - datetime(1970, 1, 1)).total_seconds() * MICROS)  # noqa: DTZ001
        return f"{micros}~{zlib.crc32(f'{self.collection}{self.resource_id}'.encode())}~0"

    @property
    def fields(self) -> list[str]:
        """The names below the resource itself, as a field mask has them."""
        paths = dict.fromkeys((*self.old, *self.new))
        return [path.partition(".")[2] for path in paths]


# --- as of a day --------------------------------------------------------------------------------


def budget_id(campaign_id: int) -> int:
    """Campaigns of a ten from the fourth on share the budget that has the number of their ten."""
    return campaign_id // 10 * 10 if campaign_id % 10 >= 4 else campaign_id


def budget_micros(budget: int, as_of: date) -> int:
    first = 20_000_000 + budget % 100 * 5_000_000
    return _latest(
        first, [(day, amount * MICROS) for day, amount in BUDGETS.get(budget, ())], as_of
    )


def target_roas(campaign_id: int, channel: str, as_of: date) -> float | None:
    """Only Shopping bids to a target of its own."""
    if channel != "SHOPPING":
        return None
    return _latest(4.0, TARGET_ROAS.get(campaign_id, ()), as_of)


def cpc_bid_micros(ad_group_name: str, as_of: date) -> int | None:
    """What a click may cost at most, where the rule sets it."""
    if ad_group_name != "Exact":
        return None
    yesterday = as_of - timedelta(days=1)
    return _RAISED_BID if yesterday.weekday() < 4 else _LOWERED_BID


def ad_groups(
    customer_id: str, campaigns: list[tuple[int, str]], as_of: date
) -> list[dict[str, Setting]]:
    """Every ad group of the campaigns (id and channel), under GAQL's names."""
    return [
        {
            "campaign.id": campaign,
            "campaign.resource_name": f"customers/{customer_id}/campaigns/{campaign}",
            **part.fields,
            "ad_group.type": "SEARCH_DYNAMIC_ADS"
            if part.fields["ad_group.name"] == "Dynamisch"
            else _AD_GROUP_TYPES[channel],
            "ad_group.cpc_bid_micros": cpc_bid_micros(str(part.fields["ad_group.name"]), as_of),
        }
        for campaign, channel in campaigns
        for part in parts_of("ad_group", CampaignKey(customer_id, campaign, channel))
    ]


def labels_of(number: int) -> tuple[tuple[int, str], ...]:
    """The labels of a campaign or ad group: none, one or two."""
    return _LABELS.get(number % 10, ())


def _latest(first: T, steps: Iterable[tuple[date, T]], as_of: date) -> T:
    value = first
    for day, later in steps:
        if day < as_of:
            value = later
    return value


# --- changes ------------------------------------------------------------------------------------


def changes(customer_id: str, before: date) -> list[Change]:
    """Every change of an account before a day, the earliest first."""
    found = [
        change
        for plan in CAMPAIGNS.get(customer_id, ())
        for change in _of_campaign(customer_id, plan, before)
        if change.at.date() < before
    ]
    return sorted(found, key=lambda change: (change.at, change.id))


def _of_campaign(customer_id: str, plan: Campaign, before: date) -> Iterator[Change]:
    def campaign(
        day: date, at: time, operation: str, client: str, old: Mapping[str, Setting],
        new: Mapping[str, Setting],
    ) -> Change:  # fmt: skip
        return Change(
            datetime.combine(day, at), "CAMPAIGN", "campaigns", str(plan.id), operation, client,
            plan.id, None, old, new,
        )  # fmt: skip

    web, morning = "GOOGLE_ADS_WEB_CLIENT", time(9, 30, 12, 250_000)
    if plan.start:
        told = {"campaign.name": plan.name, "campaign.status": "ENABLED"}
        yield campaign(plan.start, time(0, 5), "CREATE", "GOOGLE_ADS_EDITOR", {}, told)
    if plan.end and plan.status_after_end == "REMOVED":
        yield campaign(plan.end + timedelta(days=1), time(0, 5), "REMOVE", web, {}, {})
    elif plan.end:
        yield campaign(
            plan.end + timedelta(days=1), time(0, 5), "UPDATE", "GOOGLE_ADS_SCRIPTS",
            {"campaign.status": "ENABLED"}, {"campaign.status": plan.status_after_end},
        )  # fmt: skip
    if plan.renamed:
        day, name = plan.renamed
        old, new = {"campaign.name": plan.name}, {"campaign.name": name}
        yield campaign(day, time(0, 5), "UPDATE", web, old, new)
    path = "campaign.target_roas.target_roas"
    for day, roas in TARGET_ROAS.get(plan.id, ()):
        was = target_roas(plan.id, plan.channel, day)
        yield campaign(day, morning, "UPDATE", web, {path: was}, {path: roas})
    path = "campaign_budget.amount_micros"
    for day, amount in BUDGETS.get(plan.id, ()):
        yield Change(
            datetime.combine(day, morning), "CAMPAIGN_BUDGET", "campaignBudgets", str(plan.id),
            "UPDATE", web, plan.id, None,
            {path: budget_micros(plan.id, day)}, {path: amount * MICROS},
        )  # fmt: skip
    yield from _of_ad_groups(customer_id, plan, before)


def _of_ad_groups(customer_id: str, plan: Campaign, before: date) -> Iterator[Change]:
    path = "ad_group.cpc_bid_micros"
    for part in parts_of("ad_group", CampaignKey(customer_id, plan.id, plan.channel)):
        name, ad_group = str(part.fields["ad_group.name"]), part.fields["ad_group.id"]
        assert isinstance(ad_group, int)
        if name != "Exact":
            continue
        day = max(plan.start or FIRST_DAY, FIRST_DAY)
        while day < before and (plan.end is None or day <= plan.end):
            was, now = (cpc_bid_micros(name, day + timedelta(days=n)) for n in (0, 1))
            if was != now:
                yield Change(
                    # all of them at once: rules run by the account, not by the ad group
                    datetime.combine(day, time(6, 0, 0, 500_000)), "AD_GROUP", "adGroups",
                    str(ad_group), "UPDATE", "GOOGLE_ADS_AUTOMATED_RULE", plan.id, ad_group,
                    {path: was}, {path: now},
                )  # fmt: skip
            day += timedelta(days=1)
