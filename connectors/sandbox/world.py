"""One seeded world of two web shops, from which every sandbox server answers.

The sources agree with one another as real accounts do: a GA4 session follows
nine in ten ad clicks, every order that Google Ads credits is a GA4 purchase,
GA4's organic Google sessions follow Search Console's clicks.

What a source shows depends on ``as_of``, the day it is asked. Days before it
are whole but for what platforms add or take away later; ``as_of`` itself is
partial; later days have no rows. From one day to the next only this changes:

- Google Ads: conversions arrive up to 30 days after the click; clicks found
  invalid are taken off three days later, and a row left without anything
  vanishes; names and statuses are those of ``as_of``.
- GA4: the last two days lack part of their purchases and key events.
- Search Console: ``final`` ends two or three days back; the days after it are
  provisional and grow.

The same seed and ``as_of`` give the same tables, whatever was asked before.
"""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.sandbox.story import (
    AD_ACCOUNTS,
    CAC_FROM,
    CAC_PROPERTY,
    CAMPAIGNS,
    CONVERSION_ACTIONS,
    CTR_AFTER,
    CTR_BEFORE,
    CTR_LEVEL_FROM,
    CTR_RISES_FROM,
    EUR_PER,
    FIRST_DAY,
    GA4_PROPERTIES,
    JOINT_CTR_ACCOUNTS,
    LAST_DAY,
    LOST_WEEK,
    SEARCHES,
    SEGMENTS,
    SITES,
    AdAccount,
    Campaign,
    ConversionAction,
    Ga4Property,
    Shop,
    Site,
)

__all__ = ["AdAccount", "ConversionAction", "Ga4Property", "Site", "World"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
T = TypeVar("T")

DAYS = (LAST_DAY - FIRST_DAY).days + 1
CALENDAR = tuple(FIRST_DAY + timedelta(days=i) for i in range(DAYS))
PARTIAL = 0.4  # of the day has gone when its own figures are read
INVALID_CLICKS_STAY = 3  # days until clicks found invalid are taken off
CREDIT_STEP = 1024  # credits are multiples of 1/1024: their sums are exact in any order
MEAN_CREDIT = 0.8
PURCHASE, NEWSLETTER, CART = 0, 1, 2  # positions in CONVERSION_ACTIONS
FIRST_TIME_SHARE = 0.68
ADS_METRICS = (
    "impressions",
    "clicks",
    "cost_micros",
    "conversions",
    "conversions_value",
    "conversions_by_conversion_date",
    "conversions_value_by_conversion_date",
    "all_conversions",
    "all_conversions_value",
)
CONVERSION_METRICS = ADS_METRICS[3:]


class World:
    """The shops' accounts and their days; built on first use, then kept.

    Tables are cached per ``as_of`` and must not be changed. Safe to use from
    several threads. Raises KeyError for an id that does not exist; an account
    that is a manager, closed or refusing has no facts.
    """

    first_day = FIRST_DAY
    last_day = LAST_DAY
    ad_accounts: tuple[AdAccount, ...] = AD_ACCOUNTS
    ga4_properties: tuple[Ga4Property, ...] = GA4_PROPERTIES
    sites: tuple[Site, ...] = SITES

    def __init__(self, seed: int = 2026) -> None:
        self.seed = seed
        self._lock = threading.RLock()
        self._built: dict[Hashable, Any] = {}
        self._asked: OrderedDict[Hashable, pa.Table] = OrderedDict()

    def ads_facts(self, customer_id: str, as_of: date) -> pa.Table:
        """One row per day, campaign, device and network with anything in it.

        ``cost_micros`` and the values are in the account's currency. The name
        and status are those of ``as_of``. ``all_conversions`` adds what is not
        counted as a conversion (secondary actions) to ``conversions``.
        """
        return self._table(("ads", customer_id, as_of), lambda: self._ads(customer_id).facts(as_of))

    def ads_conversion_facts(self, customer_id: str, as_of: date) -> pa.Table:
        """The conversion columns of `ads_facts`, a row per conversion action too.

        Over the actions they add up to `ads_facts`, exactly.
        """
        return self._table(
            ("actions", customer_id, as_of),
            lambda: self._ads(customer_id).conversion_facts(as_of),
        )

    def ads_conversion_actions(self, customer_id: str) -> pa.Table:
        """One row per conversion action, with its windows in days."""
        actions = CONVERSION_ACTIONS.get(self._ad_account(customer_id).customer_id, ())
        return pa.table(
            {
                "conversion_action_id": pa.array([a.id for a in actions], pa.int64()),
                **{
                    column: pa.array([getattr(a, name) for a in actions], kind)
                    for column, name, kind in (
                        ("conversion_action_name", "name", pa.string()),
                        ("category", "category", pa.string()),
                        ("type", "type", pa.string()),
                        ("status", "status", pa.string()),
                        ("primary_for_goal", "primary", pa.bool_()),
                        ("counting_type", "counting_type", pa.string()),
                        (
                            "click_through_lookback_window_days",
                            "click_through_lookback_window_days",
                            pa.int64(),
                        ),
                        (
                            "view_through_lookback_window_days",
                            "view_through_lookback_window_days",
                            pa.int64(),
                        ),
                        ("default_value", "default_value", pa.float64()),
                    )
                },
            }
        )

    def ads_campaigns(self, customer_id: str, as_of: date) -> pa.Table:
        """Every campaign that exists on ``as_of``, removed ones too, with or without traffic."""
        return self._table(
            ("campaigns", customer_id, as_of), lambda: self._ads(customer_id).campaigns(as_of)
        )

    def ga4_facts(self, property_id: str, as_of: date) -> pa.Table:
        """One row per day, channel group, source, medium and campaign with sessions.

        Users are counted per row and must not be added up. Revenue is in the
        property's currency. One column ``key_event__<event>`` per key event.
        """
        return self._table(("ga4", property_id, as_of), lambda: self._ga4(property_id).facts(as_of))

    def search_facts(self, site_url: str, as_of: date, final: bool = True) -> pa.Table:
        """One row per day, query, page and device with impressions.

        A null query is one of the rare ones that are withheld.
        ``position_sum`` is Σ position × impressions. With ``final`` off, the
        provisional days up to the day before ``as_of`` are there as well.
        """
        return self._table(
            ("search", site_url, as_of, final),
            lambda: self._search(site_url).facts(as_of, final),
        )

    def search_final_until(self, as_of: date) -> date:
        """The last day that Search Console calls final when asked on ``as_of``."""
        return as_of - timedelta(days=2 if as_of.weekday() in (1, 2, 3) else 3)

    def truth(self, as_of: date) -> pa.Table:
        """Totals per ``source``, ``account_id``, ``date_day`` and ``metric`` (``value``: double).

        Search Console's are the final days. Every reading account is in it.
        """
        parts = []
        for source, account_id, facts, metrics in self._sources(as_of):
            if not facts.num_rows:
                continue
            totals = facts.group_by("date_day").aggregate([(m, "sum") for m in metrics])
            for metric in metrics:
                parts.append(
                    pa.table(
                        {
                            "source": pa.repeat(source, totals.num_rows),
                            "account_id": pa.repeat(account_id, totals.num_rows),
                            "date_day": totals["date_day"],
                            "metric": pa.repeat(metric, totals.num_rows),
                            "value": totals[f"{metric}_sum"].cast(pa.float64()),
                        }
                    )
                )
        return pa.concat_tables(parts).sort_by(
            [(c, "ascending") for c in ("source", "account_id", "metric", "date_day")]
        )

    def _sources(self, as_of: date) -> Iterable[tuple[str, str, pa.Table, Sequence[str]]]:
        for account in self.ad_accounts:
            if account.customer_id in CAMPAIGNS:
                facts = self.ads_facts(account.customer_id, as_of)
                yield "google_ads", account.customer_id, facts, ADS_METRICS
        for prop in self.ga4_properties:
            facts = self.ga4_facts(prop.property_id, as_of)
            measures = [n for n in facts.column_names[5:] if n != "total_users"]
            yield "ga4", prop.property_id, facts, measures
        for site in self.sites:
            facts = self.search_facts(site.site_url, as_of, final=True)
            yield "search_console", site.site_url, facts, ("clicks", "impressions")

    # --- built once ---------------------------------------------------------------------------

    def _ad_account(self, customer_id: str) -> AdAccount:
        return next_or_key_error(
            (a for a in self.ad_accounts if a.customer_id == customer_id), customer_id
        )

    def _rng(self, what: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(what.encode())])

    def _ads(self, customer_id: str) -> _Ads:
        account = self._ad_account(customer_id)
        return self._build(
            ("ads", customer_id), lambda: _Ads(account, self._rng(f"ads {customer_id}"))
        )

    def _search(self, site_url: str) -> _Search:
        site = next_or_key_error((s for s in self.sites if s.site_url == site_url), site_url)
        return self._build(
            ("search", site_url), lambda: _Search(site, self, self._rng(f"search {site_url}"))
        )

    def _ga4(self, property_id: str) -> _Ga4:
        prop = next_or_key_error(
            (p for p in self.ga4_properties if p.property_id == property_id), property_id
        )
        return self._build(
            ("ga4", property_id),
            lambda: _Ga4(
                prop,
                [self._ads(customer_id) for customer_id in prop.ad_accounts],
                self._search(prop.site_url),
                self._rng(f"ga4 {property_id}"),
            ),
        )

    def _build(self, key: Hashable, build: Callable[[], T]) -> T:
        with self._lock:
            if key not in self._built:
                self._built[key] = build()
            built: T = self._built[key]
            return built

    def _table(self, key: Hashable, make: Callable[[], pa.Table]) -> pa.Table:
        with self._lock:
            if key not in self._asked:
                self._asked[key] = make()
                if len(self._asked) > 24:  # a few as-of days of every account
                    self._asked.popitem(last=False)
            self._asked.move_to_end(key)
            return self._asked[key]


def next_or_key_error(found: Iterable[T], key: str) -> T:
    for one in found:
        return one
    raise KeyError(key)


# --- time -----------------------------------------------------------------------------------------


def day_index(day: date) -> int:
    return (day - FIRST_DAY).days


def demand(shop: Shop) -> Floats:
    """Return the shop's demand per day of the world, around 1: weekday, season and holidays."""
    weekday = {
        "bicycles": (1.00, 0.97, 0.96, 0.98, 0.97, 1.09, 1.07),
        "flowers": (0.90, 0.93, 0.97, 1.06, 1.16, 1.06, 0.90),
    }[shop]
    swing, peak = {"bicycles": (0.16, 150), "flowers": (0.05, 120)}[shop]
    factors = np.array(
        [
            weekday[day.weekday()]
            * (1 + swing * np.cos(2 * np.pi * (day.timetuple().tm_yday - peak) / 365))
            for day in CALENDAR
        ]
    )
    for year in (2025, 2026):
        for start, end, bicycles, flowers in (
            ((2, 9), (2, 14), 1.0, 1.7),  # Valentine's Day
            ((4, 27), (4, 27), 0.75, 0.9),  # King's Day
            ((5, 5), (5, 10), 1.0, 1.8),  # Mother's Day is 10 May 2026
            ((11, 23), (11, 26), 1.2, 1.05),
            ((11, 27), (11, 30), 1.65, 1.2),  # Black Friday 2026; 2025's is a day later
            ((12, 1), (12, 5), 1.2, 1.3),  # Sinterklaas
            ((12, 14), (12, 23), 1.05, 1.4),
            ((12, 24), (12, 26), 0.6, 0.7),
            ((12, 31), (12, 31), 0.7, 0.8),
            ((1, 1), (1, 1), 0.6, 0.7),
        ):
            first, last = day_index(date(year, *start)), day_index(date(year, *end))
            if last >= 0:
                factors[max(first, 0) : last + 1] *= bicycles if shop == "bicycles" else flowers
    return factors


def planned_ctr() -> Floats:
    """Return the joint Search CTR per day of the world: level, a straight rise, level."""
    first, last = day_index(CTR_RISES_FROM), day_index(CTR_LEVEL_FROM)
    return np.interp(np.arange(DAYS), [first, last], [CTR_BEFORE, CTR_AFTER])


def steps(plan: Iterable[tuple[date, float]]) -> Floats:
    """Return a value per day that holds from each date on."""
    values = np.zeros(DAYS)
    for start, value in plan:
        values[max(day_index(start), 0) :] = value
    return values


def half_months(*extra: date) -> Ints:
    """Return the number of the half month of each day; ``extra`` dates begin a period too."""
    starts = [d for d in CALENDAR if d.day in (1, 16) or d in extra]
    return np.searchsorted([day_index(d) for d in starts], np.arange(DAYS), side="right")


def quantise(values: Floats, step: float) -> Floats:
    """Round to multiples of 1/``step``, so that sums of them are exact."""
    rounded: Floats = np.round(values * step) / step
    return rounded


def seen(as_of: date) -> int:
    """Return the index of ``as_of``; past the world's end every day is complete."""
    return (as_of - FIRST_DAY).days


def texts(values: Sequence[str | None], codes: Ints) -> pa.Array:
    return pa.array(values, pa.string()).take(pa.array(codes))


def dates(days: Ints) -> pa.Array:
    offset = (FIRST_DAY - date(1970, 1, 1)).days
    return pa.array((days + offset).astype(np.int32)).cast(pa.date32())


# --- Google Ads -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Events:
    """Conversions, one element each, sorted by nothing; ``cell`` is where the click was."""

    cell: Ints
    converted_in: Ints  # cell of the conversion's day, -1 after the world's end
    day: Ints  # of the conversion
    hour: Floats  # of that day, as a fraction
    action: Ints
    credit: Floats
    value: Floats  # credited, account currency
    order: Floats  # the whole order, account currency

    def __getitem__(self, chosen: Flags) -> _Events:
        return _Events(
            self.cell[chosen],
            self.converted_in[chosen],
            self.day[chosen],
            self.hour[chosen],
            self.action[chosen],
            self.credit[chosen],
            self.value[chosen],
            self.order[chosen],
        )


class _Ads:
    """One ad account: a dense grid of campaign × day × (device, network) and its conversions."""

    def __init__(self, account: AdAccount, rng: np.random.Generator) -> None:
        self.account = account
        self.plans = CAMPAIGNS.get(account.customer_id, ())
        self.actions = CONVERSION_ACTIONS.get(account.customer_id, ())
        shop: Shop = "flowers" if account.customer_id.startswith(("3", "4")) else "bicycles"
        self.segments = sorted({(d, n) for c in self.plans for d, n, _, _ in SEGMENTS[c.channel]})
        self._draw_delivery(demand(shop), rng)
        self._draw_conversions(rng)

    def _draw_delivery(self, wanted: Floats, rng: np.random.Generator) -> None:
        """Impressions, clicks and cost; and the invalid clicks that are taken off later."""
        day, plan_of, segment, expected, rate, cpc, width = [], [], [], [], [], [], []
        lost = slice(day_index(LOST_WEEK[0]), day_index(LOST_WEEK[1]) + 1)
        for at, plan in enumerate(self.plans):
            cells = SEGMENTS[plan.channel]
            share = np.array([s for _, _, s, _ in cells])
            runs = np.ones(DAYS)
            if plan.start:
                runs[: day_index(plan.start)] = 0
            if plan.end:
                runs[day_index(plan.end) + 1 :] = 0
            mood = rng.lognormal(0, 0.05, DAYS) * np.linspace(0.96, 1.06, DAYS)
            if self.account.customer_id == "3333333333":
                mood[lost] *= 0.6  # automatic bidding without conversions spends less
            expected.append(np.outer(plan.impressions * wanted * runs * mood, share).ravel())
            rate.append(np.tile([plan.ctr * f for _, _, _, f in cells], DAYS))
            cpc.append(np.repeat(plan.cpc * rng.lognormal(0, 0.05, DAYS), len(cells)))
            day.append(np.repeat(np.arange(DAYS), len(cells)))
            plan_of.append(np.full(DAYS * len(cells), at))
            width.append(np.full(DAYS * len(cells), len(cells)))
            segment.append(np.tile([self.segments.index((d, n)) for d, n, _, _ in cells], DAYS))
        self.day: Ints = joined(day)
        self.plan_of: Ints = joined(plan_of)
        self.segment: Ints = joined(segment)
        self.width: Ints = joined(width)
        mean, ctr, click_price = joined(expected, float), joined(rate, float), joined(cpc, float)

        if self.account.customer_id in JOINT_CTR_ACCOUNTS:
            is_search = np.array([p.channel == "SEARCH" for p in self.plans])[self.plan_of]
            clicks_wanted = np.bincount(self.day[is_search], (mean * ctr)[is_search], DAYS)
            shown = np.bincount(self.day[is_search], mean[is_search], DAYS)
            scale = planned_ctr() * shown / clicks_wanted
            ctr = np.where(is_search, ctr * scale[self.day], ctr)

        self.impressions: Ints = rng.poisson(mean)
        self.clicks: Ints = rng.binomial(self.impressions, np.minimum(ctr, 0.6))
        noise = rng.lognormal(0, 0.04, len(mean))
        cents = np.round(self.clicks * click_price * noise * 100)
        self.cost_micros: Ints = cents.astype(np.int64) * 10_000

        chance = rng.random(len(mean))
        ghost = (self.impressions == 0) & (mean > 0.02) & (chance < 0.3)
        some = (self.clicks >= 8) & (chance < 0.25)
        self.invalid: Ints = (ghost | some).astype(np.int64)
        self.invalid_cost: Ints = (
            self.invalid * np.maximum(np.round(click_price * 100), 1).astype(np.int64) * 10_000
        )

    def _draw_conversions(self, rng: np.random.Generator) -> None:
        cost = self.cost_micros / 1e6
        drawn: list[_Events] = []
        for at, plan in enumerate(self.plans):
            mine = np.flatnonzero(self.plan_of == at)
            roas = steps([(FIRST_DAY, plan.roas), *([plan.roas_from] if plan.roas_from else [])])
            worth = cost[mine] * roas[self.day[mine]]
            orders = np.repeat(mine, rng.poisson(worth / (plan.basket * MEAN_CREDIT)))
            leads = np.repeat(mine, rng.poisson(self.clicks[mine] * 0.006))
            carts = np.repeat(mine, rng.poisson(self.clicks[mine] * 0.03))
            sigma = 0.7
            totals = plan.basket * rng.lognormal(-(sigma**2) / 2, sigma, len(orders))
            bought = self._events(rng, PURCHASE, orders, totals, 0.55, plan.delay, 30)
            signed = self._events(rng, NEWSLETTER, leads, np.full(len(leads), 2.0), 0.7, 2.0, 7)
            filled = self._events(rng, CART, carts, np.zeros(len(carts)), 0.8, 3.0, 30)
            drawn += [self._hold_roas(bought, signed, worth, mine, plan), signed, filled]
        events = _Events(
            *(
                joined([getattr(e, name) for e in drawn], kind)
                for name, kind in (
                    ("cell", int),
                    ("converted_in", int),
                    ("day", int),
                    ("hour", float),
                    ("action", int),
                    ("credit", float),
                    ("value", float),
                    ("order", float),
                )
            )
        )
        if self.account.customer_id == "3333333333":
            # without the tag neither the click nor the order of that week is known
            first, last = day_index(LOST_WEEK[0]), day_index(LOST_WEEK[1])
            clicked = self.day[events.cell]
            events = events[
                ~((clicked >= first) & (clicked <= last))
                & ~((events.day >= first) & (events.day <= last))
            ]
        self.events = events

    def _events(
        self,
        rng: np.random.Generator,
        action: int,
        cells: Ints,
        totals: Floats,
        at_once: float,
        mean_delay: float,
        window: int,
    ) -> _Events:
        count = len(cells)
        later = np.minimum(1 + rng.exponential(mean_delay, count), window - 1).astype(np.int64)
        delay = np.where(rng.random(count) < at_once, 0, later)
        day = self.day[cells] + delay
        credit = np.maximum(quantise(rng.beta(4, 1, count), CREDIT_STEP), 1 / CREDIT_STEP)
        order = quantise(totals, 4)
        return _Events(
            cell=cells,
            converted_in=np.where(day < DAYS, cells + delay * self.width[cells], -1),
            day=day,
            hour=rng.random(count),
            action=np.full(count, action),
            credit=credit,
            value=credit * order,
            order=order,
        )

    def _hold_roas(
        self, bought: _Events, signed: _Events, worth: Floats, mine: Ints, plan: Campaign
    ) -> _Events:
        """Scale orders so that each half month's settled ROAS is the planned one."""
        period = half_months(*([plan.roas_from[0]] if plan.roas_from else []))
        count = int(period.max()) + 1
        planned = np.bincount(period[self.day[mine]], worth, count)
        where = period[self.day[bought.cell]]
        value = np.bincount(where, bought.value, count)
        leads = np.bincount(period[self.day[signed.cell]], signed.value, count)
        enough = (np.bincount(where, minlength=count) >= 4) & (planned > leads)
        factor = np.ones(count)
        factor[enough] = (planned - leads)[enough] / value[enough]
        order = np.maximum(quantise(bought.order * factor[where], 4), 0.25)
        return _Events(
            bought.cell,
            bought.converted_in,
            bought.day,
            bought.hour,
            bought.action,
            bought.credit,
            bought.credit * order,
            order,
        )

    # --- as of a day --------------------------------------------------------------------------

    def names(self, as_of: date) -> list[str]:
        return [p.renamed[1] if p.renamed and as_of >= p.renamed[0] else p.name for p in self.plans]

    def statuses(self, as_of: date) -> list[str]:
        return [
            p.status_after_end if p.end is not None and as_of > p.end else "ENABLED"
            for p in self.plans
        ]

    def campaigns(self, as_of: date) -> pa.Table:
        exists = [i for i, p in enumerate(self.plans) if p.start is None or p.start <= as_of]
        names, statuses = self.names(as_of), self.statuses(as_of)
        return pa.table(
            {
                "campaign_id": pa.array([self.plans[i].id for i in exists], pa.int64()),
                "campaign_name": pa.array([names[i] for i in exists], pa.string()),
                "campaign_status": pa.array([statuses[i] for i in exists], pa.string()),
                "channel_type": pa.array([self.plans[i].channel for i in exists], pa.string()),
            }
        )

    def _known(self, as_of: date) -> _Events:
        today = seen(as_of)
        events = self.events
        return events[(events.day < today) | ((events.day == today) & (events.hour < PARTIAL))]

    def _dimensions(self, cells: Ints, as_of: date) -> dict[str, pa.Array]:
        plan, segment = self.plan_of[cells], self.segment[cells]
        ids = np.array([p.id for p in self.plans], np.int64)
        return {
            "date_day": dates(self.day[cells]),
            "campaign_id": pa.array(ids[plan] if len(ids) else np.empty(0, np.int64)),
            "campaign_name": texts(self.names(as_of), plan),
            "campaign_status": texts(self.statuses(as_of), plan),
            "channel_type": texts([p.channel for p in self.plans], plan),
            "device": texts([d for d, _ in self.segments], segment),
            "network": texts([n for _, n in self.segments], segment),
        }

    def facts(self, as_of: date) -> pa.Table:
        today = seen(as_of)
        still = self.day > today - INVALID_CLICKS_STAY
        columns: dict[str, npt.NDArray[Any]] = {}
        for name, valid, invalid in (
            ("impressions", self.impressions, self.invalid),
            ("clicks", self.clicks, self.invalid),
            ("cost_micros", self.cost_micros, self.invalid_cost),
        ):
            values = valid + np.where(still, invalid, 0)
            part = np.floor(values * PARTIAL / 10_000) * 10_000 if name == "cost_micros" else None
            part = np.floor(values * PARTIAL) if part is None else part
            columns[name] = np.where(
                self.day < today, values, np.where(self.day == today, part, 0)
            ).astype(np.int64)
        cells = len(self.day)
        columns |= conversion_sums(self._known(as_of), cells, lambda events, at: at)
        # the tiniest campaigns would otherwise be charged before they are clicked
        columns["cost_micros"] = np.where(columns["clicks"] > 0, columns["cost_micros"], 0)
        some = np.flatnonzero(np.any([c != 0 for c in columns.values()], axis=0))
        return pa.table(
            self._dimensions(some, as_of) | {n: pa.array(c[some]) for n, c in columns.items()}
        )

    def conversion_facts(self, as_of: date) -> pa.Table:
        kinds = max(len(self.actions), 1)
        columns = conversion_sums(
            self._known(as_of), len(self.day) * kinds, lambda events, at: at * kinds + events.action
        )
        some = np.flatnonzero(np.any([c != 0 for c in columns.values()], axis=0))
        action = some % kinds
        ids = np.array([a.id for a in self.actions], np.int64)
        return pa.table(
            self._dimensions(some // kinds, as_of)
            | {
                "conversion_action_id": pa.array(ids[action] if len(ids) else action),
                "conversion_action_name": texts([a.name for a in self.actions], action),
                "conversion_action_category": texts([a.category for a in self.actions], action),
            }
            | {n: pa.array(c[some]) for n, c in columns.items()}
        )


def conversion_sums(
    events: _Events, length: int, place: Callable[[_Events, Ints], Ints]
) -> dict[str, Floats]:
    """Return the conversion metrics per place; primary actions only where the name says so."""
    counted = events[events.action != CART]
    dated = counted[counted.converted_in >= 0]
    clicked, converted = place(counted, counted.cell), place(dated, dated.converted_in)
    anywhere = place(events, events.cell)
    summed: dict[str, npt.NDArray[Any]] = {
        "conversions": np.bincount(clicked, counted.credit, length),
        "conversions_value": np.bincount(clicked, counted.value, length),
        "conversions_by_conversion_date": np.bincount(converted, dated.credit, length),
        "conversions_value_by_conversion_date": np.bincount(converted, dated.value, length),
        "all_conversions": np.bincount(anywhere, events.credit, length),
        "all_conversions_value": np.bincount(anywhere, events.value, length),
    }
    # without any event bincount counts in integers
    return {name: np.asarray(values, np.float64) for name, values in summed.items()}


def joined(parts: Sequence[npt.ArrayLike], kind: type = int) -> npt.NDArray[Any]:
    dtype = np.int64 if kind is int else np.float64
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype)


# --- Search Console -------------------------------------------------------------------------------

DEVICES = (("MOBILE", 0.66), ("DESKTOP", 0.29), ("TABLET", 0.05))


class _Search:
    """One site: impressions and clicks by day, query, page and device (sparse)."""

    def __init__(self, site: Site, world: World, rng: np.random.Generator) -> None:
        self.world = world
        plan = SEARCHES[site.site_url]
        self.pages = [site.home + page for page in plan.pages]
        words = sorted({q for queries in plan.pages.values() for q in queries})
        self.queries: list[str | None] = [*words, None]
        combos: list[tuple[int, int, int, float, float]] = []  # query, page, device, weight, place
        for at, queries in enumerate(plan.pages.values()):
            popularity = rng.lognormal(0, 0.6)
            for rank, word in enumerate(queries):
                weight = popularity / (1 + rank) ** 0.7
                brand = word in plan.brand
                place = 1.1 if brand else rng.uniform(2.2, 11)
                weight *= 1.5 if brand else 1.0
                combos += [
                    (words.index(word), at, d, weight * share, place)
                    for d, (_, share) in enumerate(DEVICES)
                ]
                if not brand and rank < 3:  # the home page is found for it as well, lower down
                    combos += [
                        (words.index(word), 0, d, weight * share * 0.35, place + 6)
                        for d, (_, share) in enumerate(DEVICES)
                    ]
            combos += [
                (len(words), at, d, popularity * 2.2 * share, 7.0)
                for d, (_, share) in enumerate(DEVICES)
            ]
        query, page_of, device = (np.array([c[i] for c in combos], np.int64) for i in range(3))
        weights, places = (np.array([c[i] for c in combos], np.float64) for i in (3, 4))
        # places improve by a fifth while the world lasts; fewer click what stands lower
        depth = np.maximum(np.outer(places, np.linspace(1.0, 0.8, DAYS)), 1.0)
        rate = 0.32 * depth**-1.15
        season = demand(site.shop) * np.linspace(1.0, plan.growth, DAYS)
        season *= rng.lognormal(0, 0.03, DAYS)
        per_impression = (weights[:, None] * rate).sum(axis=0)
        mean = weights[:, None] * (plan.clicks * season / per_impression)
        shown = rng.poisson(mean)
        clicked = rng.binomial(shown, rate)
        combo, day = np.nonzero(shown)
        order = np.lexsort((combo, day))
        combo, day = combo[order], day[order]
        self.day: Ints = day
        self.query: Ints = query[combo]
        self.page: Ints = page_of[combo]
        self.device: Ints = device[combo]
        self.impressions: Ints = shown[combo, day]
        self.clicks: Ints = clicked[combo, day]
        wobble = rng.lognormal(0, 0.05, len(day))
        self.position: Floats = np.maximum(quantise(depth[combo, day] * wobble, 64), 1.0)
        self.daily_clicks: Ints = np.bincount(day, self.clicks, DAYS).astype(np.int64)

    def facts(self, as_of: date, final: bool) -> pa.Table:
        today, last_final = seen(as_of), seen(self.world.search_final_until(as_of))
        upto = np.searchsorted(self.day, last_final + 1 if final else today)
        rows = slice(0, int(upto))
        age = today - self.day[rows]
        provisional = self.day[rows] > last_final
        part = np.where(provisional, np.where(age <= 1, 0.55, 0.9), 1.0)
        impressions = np.floor(self.impressions[rows] * part).astype(np.int64)
        clicks = np.minimum(np.floor(self.clicks[rows] * part).astype(np.int64), impressions)
        some = np.flatnonzero(impressions)
        return pa.table(
            {
                "date_day": dates(self.day[rows][some]),
                "query": texts(self.queries, self.query[rows][some]),
                "page": texts(self.pages, self.page[rows][some]),
                "device": texts([d for d, _ in DEVICES], self.device[rows][some]),
                "clicks": pa.array(clicks[some]),
                "impressions": pa.array(impressions[some]),
                "position_sum": pa.array(self.position[rows][some] * impressions[some]),
                "is_provisional": pa.array(provisional[some]),
            }
        )


# --- GA4 ------------------------------------------------------------------------------------------

PAID_CHANNELS = {
    "SEARCH": "Paid Search",
    "SHOPPING": "Paid Shopping",
    "PERFORMANCE_MAX": "Cross-network",
    "DISPLAY": "Display",
    "VIDEO": "Paid Video",
}
# channel group, source, medium, campaign, sessions a day, orders per session
OTHER_LANES: dict[Shop, tuple[tuple[str, str, str, str, float, float], ...]] = {
    "bicycles": (
        ("Organic Search", "bing", "organic", "(organic)", 26, 0.011),
        ("Organic Search", "duckduckgo", "organic", "(organic)", 11, 0.010),
        ("Direct", "(direct)", "(none)", "(direct)", 310, 0.013),
        ("Referral", "fietsersbond.example", "referral", "(referral)", 34, 0.009),
        ("Referral", "tweewieler-test.example", "referral", "(referral)", 18, 0.012),
        ("Organic Social", "instagram.com", "referral", "(referral)", 46, 0.003),
        ("Organic Social", "facebook.com", "referral", "(referral)", 29, 0.004),
        ("Organic Video", "youtube.com", "referral", "(referral)", 9, 0.003),
        ("Unassigned", "(not set)", "(not set)", "(not set)", 6, 0.002),
    ),
    "flowers": (
        ("Organic Search", "bing", "organic", "(organic)", 15, 0.030),
        ("Direct", "(direct)", "(none)", "(direct)", 190, 0.045),
        ("Referral", "cadeautips.example", "referral", "(referral)", 22, 0.028),
        ("Organic Social", "instagram.com", "referral", "(referral)", 58, 0.012),
        ("Organic Social", "pinterest.com", "referral", "(referral)", 31, 0.010),
        ("Unassigned", "(not set)", "(not set)", "(not set)", 4, 0.004),
    ),
}
ORGANIC_ORDERS: dict[Shop, float] = {"bicycles": 0.010, "flowers": 0.034}
BASKET: dict[Shop, float] = {"bicycles": 260.0, "flowers": 38.0}
NEWSLETTERS: dict[Shop, tuple[int, float, float]] = {  # weekday sent, sessions on it, orders
    "bicycles": (3, 420.0, 0.014),
    "flowers": (1, 310.0, 0.048),
}


class _Ga4:
    """One property: sessions per lane (channel … campaign) and day, and its orders."""

    def __init__(
        self, prop: Ga4Property, ads: Sequence[_Ads], search: _Search, rng: np.random.Generator
    ) -> None:
        self.prop = prop
        shop = prop.shop
        self.lanes: list[tuple[str, str, str, str]] = []
        sessions: list[Ints] = []
        rates: list[float] = []

        def add(lane: tuple[str, str, str, str], count: Ints, orders: float) -> int:
            self.lanes.append(lane)
            sessions.append(count)
            rates.append(orders)
            return len(self.lanes) - 1

        wanted = demand(shop)
        clicks = search.daily_clicks
        organic = add(
            ("Organic Search", "google", "organic", "(organic)"),
            rng.binomial((clicks * 1.05).astype(np.int64), 0.93),
            ORGANIC_ORDERS[shop],
        )
        direct = organic
        for channel, source, medium, campaign, daily, rate in OTHER_LANES[shop]:
            growth = np.linspace(0.95, 1.1, DAYS) * rng.lognormal(0, 0.05, DAYS)
            visits = rng.poisson(daily * wanted * growth)
            at = add((channel, source, medium, campaign), visits, rate)
            if channel == "Direct":
                direct = at
        self._add_newsletters(shop, add, rng)

        bought: list[tuple[Ints, Ints, Floats, Floats]] = []  # lane, day, hour, value
        signed: list[tuple[Ints, Ints]] = []
        for account in ads:
            lane_of = self._add_paid_lanes(account, add, rng)
            rate = EUR_PER[account.account.currency_code] / EUR_PER[prop.currency_code]
            known = account.events[account.events.day < DAYS]
            lane = lane_of[account.plan_of[known.cell], known.day]
            orders = known.action == PURCHASE
            # the last click was not always the ad's
            luck = rng.random(len(lane))
            lane = np.where(luck < 0.09, direct, np.where(luck < 0.15, organic, lane))
            bought.append(
                (
                    lane[orders],
                    known.day[orders],
                    known.hour[orders],
                    quantise(known.order[orders] * rate, 4),
                )
            )
            leads = known.action == NEWSLETTER
            signed.append((lane[leads], known.day[leads]))

        self.sessions: Ints = np.array(sessions)
        shape = self.sessions.shape
        own = rng.poisson(self.sessions * np.array(rates)[:, None])
        own_lane, own_day = np.nonzero(own)
        own_lane, own_day = (
            np.repeat(own_lane, own[own_lane, own_day]),
            np.repeat(own_day, own[own_lane, own_day]),
        )
        basket = BASKET[shop] * rng.lognormal(-0.245, 0.7, len(own_lane))
        bought.append(
            (own_lane, own_day, rng.random(len(own_lane)), np.maximum(quantise(basket, 4), 0.25))
        )
        self.order_lane: Ints = joined([b[0] for b in bought])
        self.order_day: Ints = joined([b[1] for b in bought])
        self.order_hour: Floats = joined([b[2] for b in bought], float)
        self.order_value: Floats = joined([b[3] for b in bought], float)
        self.order_is_first = self._first_orders(ads, rng)

        signups = rng.poisson(self.sessions * (0.011 if shop == "bicycles" else 0.014))
        for lanes, days in signed:
            np.add.at(signups, (lanes, days), 1)
        self.key_events: dict[str, Ints] = {"newsletter_signup": signups}
        if "proefrit_aanvraag" in prop.key_events:
            self.key_events["proefrit_aanvraag"] = rng.poisson(self.sessions * 0.0035)

        # no order and no event without a session
        orders_here = np.zeros(shape, np.int64)
        np.add.at(orders_here, (self.order_lane, self.order_day), 1)
        self.sessions = np.maximum(self.sessions, np.maximum(orders_here, signups))
        if prop.property_id == CAC_PROPERTY:
            first, last = day_index(LOST_WEEK[0]), day_index(LOST_WEEK[1]) + 1
            self.sessions[:, first:last] = 0
        self.engaged = rng.binomial(self.sessions, 0.61)
        self.users = np.minimum(np.ceil(self.sessions * 0.88).astype(np.int64), self.sessions)
        self.new_users = rng.binomial(self.users, 0.67)

    def _add_newsletters(
        self,
        shop: Shop,
        add: Callable[[tuple[str, str, str, str], Ints, float], int],
        rng: np.random.Generator,
    ) -> None:
        """One e-mail campaign a week, read for six days; and the welcome mail."""
        weekday, size, orders = NEWSLETTERS[shop]
        fade = np.array([1.0, 0.38, 0.16, 0.08, 0.05, 0.02])
        for at, day in enumerate(CALENDAR):
            if day.weekday() != weekday:
                continue
            year, week, _ = day.isocalendar()
            sessions = np.zeros(DAYS)
            upto = min(at + len(fade), DAYS)
            sessions[at:upto] = size * rng.lognormal(0, 0.15) * fade[: upto - at]
            name = f"{year}-w{week:02d}-nieuwsbrief"
            add(("Email", "nieuwsbrief", "email", name), rng.poisson(sessions), orders)
        welcome = rng.poisson(np.full(DAYS, size * 0.04))
        add(("Email", "nieuwsbrief", "email", "welkomstmail"), welcome, orders * 1.5)

    def _add_paid_lanes(
        self,
        account: _Ads,
        add: Callable[[tuple[str, str, str, str], Ints, float], int],
        rng: np.random.Generator,
    ) -> Ints:
        """Add a lane per campaign (two when it was renamed); return the lane per plan and day."""
        lane_of = np.zeros((max(len(account.plans), 1), DAYS), np.int64)
        for at, plan in enumerate(account.plans):
            mine = account.plan_of == at
            clicks = np.bincount(account.day[mine], account.clicks[mine], DAYS).astype(np.int64)
            sessions = rng.binomial(clicks, 0.9)
            channel = PAID_CHANNELS[plan.channel]
            change = day_index(plan.renamed[0]) if plan.renamed else DAYS
            before, after = sessions.copy(), sessions.copy()
            before[change:], after[:change] = 0, 0
            lane_of[at, :change] = add((channel, "google", "cpc", plan.name), before, 0.0)
            if plan.renamed:
                lane_of[at, change:] = add((channel, "google", "cpc", plan.renamed[1]), after, 0.0)
        return lane_of

    def _first_orders(self, ads: Sequence[_Ads], rng: np.random.Generator) -> Flags:
        """Tell which orders are a user's first; at the planned CAC where there is one."""
        if self.prop.property_id != CAC_PROPERTY:
            first: Flags = rng.random(len(self.order_day)) < FIRST_TIME_SHARE
            return first
        cost = np.zeros(DAYS)
        for account in ads:
            rate = EUR_PER[account.account.currency_code]
            cost += np.bincount(account.day, account.cost_micros, DAYS) / 1e6 * rate
        wanted = cost / steps(CAC_FROM)
        noisy = wanted * rng.lognormal(0, 0.05, DAYS)
        upto = np.cumsum(noisy * wanted.sum() / noisy.sum())
        orders = np.bincount(self.order_day, minlength=DAYS)
        # the rank of an order within its day, in random order
        by_day = np.lexsort((rng.random(len(self.order_day)), self.order_day))
        rank = np.empty(len(by_day), np.int64)
        rank[by_day] = np.arange(len(by_day)) - np.repeat(np.cumsum(orders) - orders, orders)
        quota = np.minimum(np.diff(np.floor(upto), prepend=0).astype(np.int64), orders)
        return np.asarray(rank < quota[self.order_day])

    def facts(self, as_of: date) -> pa.Table:
        today = seen(as_of)
        day = np.arange(DAYS)
        visits = np.select([day < today - 1, day == today - 1, day == today], [1.0, 0.98, 0.35], 0)
        events = np.select(
            [day < today - 2, day == today - 2, day == today - 1, day == today],
            [1.0, 0.95, 0.82, 0.25],
            0,
        )
        shape = self.sessions.shape
        known = self.order_hour < events[self.order_day]
        cell = (self.order_lane * DAYS + self.order_day)[known]
        size = shape[0] * DAYS
        transactions = np.bincount(cell, minlength=size)
        revenue = np.bincount(cell, self.order_value[known], size)
        first = np.bincount(cell, self.order_is_first[known], size).astype(np.int64)
        columns: dict[str, Any] = {
            "sessions": part_of(self.sessions, visits),
            "engaged_sessions": part_of(self.engaged, visits),
            "total_users": part_of(self.users, visits),
            "new_users": part_of(self.new_users, visits),
            "transactions": transactions,
            "purchase_revenue": revenue,
            "first_time_purchasers": first,
        }
        for name in self.prop.key_events:
            columns[f"key_event__{name}"] = (
                transactions if name == "purchase" else part_of(self.key_events[name], events)
            )
        columns["sessions"] = np.where(
            (day <= today)[None, :].repeat(shape[0], 0).ravel() & (self.sessions.ravel() > 0),
            np.maximum(columns["sessions"], transactions),
            0,
        )
        some = np.flatnonzero(columns["sessions"])
        order = np.lexsort((some // DAYS, some % DAYS))
        some = some[order]
        lane = some // DAYS
        return pa.table(
            {
                "date_day": dates(some % DAYS),
                **{
                    name: texts([lane_[i] for lane_ in self.lanes], lane)
                    for i, name in enumerate(("channel_group", "source", "medium", "campaign_name"))
                },
                **{n: pa.array(c[some]) for n, c in columns.items()},
            }
        )


def part_of(values: Ints, share: Floats) -> Ints:
    return np.floor(values * share[None, :]).astype(np.int64).ravel()
