"""One ad account's days: delivery, and the conversions that follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.sandbox.story import (
    BIDDING,
    CAMPAIGNS,
    CONVERSION_ACTIONS,
    E_BIKES_FALL_ON,
    FIRST_DAY,
    GA4_PROPERTIES,
    JOINT_CTR_ACCOUNTS,
    LOST_WEEK,
    LOST_WEEK_ACCOUNT,
    SEGMENTS,
    AdAccount,
    Campaign,
    Shop,
)
from connectors.sandbox.world_days import (
    DAYS,
    Flags,
    Floats,
    Ints,
    dates,
    day_index,
    demand,
    half_months,
    joined,
    planned_ctr,
    quantise,
    seen,
    steps,
    texts,
)
from connectors.sandbox.world_lag import BUCKETS, lag_buckets

PARTIAL = 0.4  # of the day has gone when its own figures are read
INVALID_CLICKS_STAY = 3  # days until clicks found invalid are taken off
CREDIT_STEP = 1024  # credits are multiples of 1/1024: their sums are exact in any order
MEAN_CREDIT = 0.8
PURCHASE, NEWSLETTER, CART = 0, 1, 2  # positions in CONVERSION_ACTIONS


@dataclass(frozen=True)
class Events:
    """Conversions, one element each, sorted by nothing; ``cell`` is where the click was."""

    cell: Ints
    converted_in: Ints  # cell of the conversion's day, -1 after the world's end
    day: Ints  # of the conversion
    hour: Floats  # of that day, as a fraction
    action: Ints
    credit: Floats
    value: Floats  # credited, account currency
    order: Floats  # the whole order, account currency

    def __getitem__(self, chosen: Flags) -> Events:
        return Events(
            self.cell[chosen],
            self.converted_in[chosen],
            self.day[chosen],
            self.hour[chosen],
            self.action[chosen],
            self.credit[chosen],
            self.value[chosen],
            self.order[chosen],
        )


class AdsDays:
    """One ad account: a dense grid of campaign × day × (device, network) and its conversions."""

    def __init__(self, account: AdAccount, rng: np.random.Generator) -> None:
        self.account = account
        self.plans = CAMPAIGNS.get(account.customer_id, ())
        self.actions = CONVERSION_ACTIONS.get(account.customer_id, ())
        self.lost_its_tag = account.customer_id == LOST_WEEK_ACCOUNT
        self.segments = sorted({(d, n) for c in self.plans for d, n, _, _ in SEGMENTS[c.channel]})
        self._draw_delivery(demand(shop_of(account)), rng)
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
            if self.lost_its_tag:
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
        ghost = (self.impressions == 0) & (mean > 0.02) & (chance < 0.6)
        some = (self.clicks >= 8) & (chance < 0.25)
        self.invalid: Ints = (ghost | some).astype(np.int64)
        self.invalid_cost: Ints = (
            self.invalid * np.maximum(np.round(click_price * 100), 1).astype(np.int64) * 10_000
        )

    def _draw_conversions(self, rng: np.random.Generator) -> None:
        cost = self.cost_micros / 1e6
        drawn: list[Events] = []
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
            drawn += [self._hold_roas(bought, signed, worth, mine), signed, filled]
        events = Events(
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
        if self.lost_its_tag:
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
    ) -> Events:
        count = len(cells)
        later = np.minimum(1 + rng.exponential(mean_delay, count), window - 1).astype(np.int64)
        delay = np.where(rng.random(count) < at_once, 0, later)
        day = self.day[cells] + delay
        credit = np.maximum(quantise(rng.beta(4, 1, count), CREDIT_STEP), 1 / CREDIT_STEP)
        order = quantise(totals, 4)
        return Events(
            cell=cells,
            converted_in=np.where(day < DAYS, cells + delay * self.width[cells], -1),
            day=day,
            hour=rng.random(count),
            action=np.full(count, action),
            credit=credit,
            value=credit * order,
            order=order,
        )

    def _hold_roas(self, bought: Events, signed: Events, worth: Floats, mine: Ints) -> Events:
        """Scale orders so that each half month's settled ROAS is the planned one."""
        period = half_months(E_BIKES_FALL_ON)
        count = int(period.max()) + 1
        planned = np.bincount(period[self.day[mine]], worth, count)
        where = period[self.day[bought.cell]]
        value = np.bincount(where, bought.value, count)
        leads = np.bincount(period[self.day[signed.cell]], signed.value, count)
        enough = (np.bincount(where, minlength=count) >= 4) & (planned > leads)
        factor = np.ones(count)
        factor[enough] = (planned - leads)[enough] / value[enough]
        order = np.maximum(quantise(bought.order * factor[where], 4), 0.25)
        return Events(
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
        statuses = dict(zip(self.plans, self.statuses(as_of), strict=True))
        names = dict(zip(self.plans, self.names(as_of), strict=True))
        exist = [p for p in self.plans if p.start is None or p.start <= as_of]
        ended = {p: p.end is not None and p.end < as_of for p in exist}

        def texts_of(value: Callable[[Campaign], str | None]) -> pa.Array:
            return pa.array([value(p) for p in exist], pa.string())

        return pa.table(
            {
                "campaign_id": pa.array([p.id for p in exist], pa.int64()),
                "campaign_name": texts_of(lambda p: names[p]),
                "campaign_status": texts_of(lambda p: statuses[p]),
                "channel_type": texts_of(lambda p: p.channel),
                "bidding_strategy_type": texts_of(lambda p: BIDDING[p.channel]),
                "serving_status": texts_of(lambda p: "ENDED" if ended[p] else "SERVING"),
                "start_date_time": texts_of(lambda p: f"{p.start or FIRST_DAY} 00:00:00"),
                "end_date_time": texts_of(lambda p: f"{p.end} 23:59:59" if p.end else None),
            }
        )

    def _known(self, as_of: date) -> Events:
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
        # of a part of the day: no click yet, no cost
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

    def lag_facts(self, as_of: date) -> pa.Table:
        kinds = len(BUCKETS)

        def place(events: Events, at: Ints) -> Ints:
            return at * kinds + lag_buckets(events.day - self.day[events.cell], events.hour)

        columns = conversion_sums(self._known(as_of), len(self.day) * kinds, place)
        some = np.flatnonzero(np.any([c != 0 for c in columns.values()], axis=0))
        return pa.table(
            self._dimensions(some // kinds, as_of)
            | {"conversion_lag_bucket": texts(BUCKETS, some % kinds)}
            | {n: pa.array(c[some]) for n, c in columns.items()}
        )


def shop_of(account: AdAccount) -> Shop:
    """Return which shop the account advertises: that of the GA4 property it is linked to."""
    for prop in GA4_PROPERTIES:
        if account.customer_id in prop.ad_accounts:
            return prop.shop
    return "bicycles"


def conversion_sums(
    events: Events, length: int, place: Callable[[Events, Ints], Ints]
) -> dict[str, Floats]:
    """Return the conversion metrics per place; primary actions only where the name says so."""
    counted = events[events.action != CART]
    dated = counted[counted.converted_in >= 0]
    clicked, converted = place(counted, counted.cell), place(dated, dated.converted_in)
    anywhere = place(events, events.cell)
    all_dated = events[events.converted_in >= 0]
    all_converted = place(all_dated, all_dated.converted_in)
    summed: dict[str, npt.NDArray[Any]] = {
        "conversions": np.bincount(clicked, counted.credit, length),
        "conversions_value": np.bincount(clicked, counted.value, length),
        "conversions_by_conversion_date": np.bincount(converted, dated.credit, length),
        "conversions_value_by_conversion_date": np.bincount(converted, dated.value, length),
        "all_conversions": np.bincount(anywhere, events.credit, length),
        "all_conversions_value": np.bincount(anywhere, events.value, length),
        "all_conversions_by_conversion_date": np.bincount(all_converted, all_dated.credit, length),
        "all_conversions_value_by_conversion_date": np.bincount(
            all_converted, all_dated.value, length
        ),
    }
    # without any event bincount counts in integers
    return {name: np.asarray(values, np.float64) for name, values in summed.items()}
