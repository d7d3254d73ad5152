"""One GA4 property's days: sessions by where they came from, and the orders in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from connectors.sandbox.story import (
    CAC_FROM,
    CAC_PROPERTY,
    EUR_PER,
    LOST_WEEK,
    LOST_WEEK_PROPERTY,
    Ga4Property,
    Shop,
)
from connectors.sandbox.world_ads import NEWSLETTER, PURCHASE, AdsDays
from connectors.sandbox.world_days import (
    CALENDAR,
    DAYS,
    Flags,
    Floats,
    Ints,
    dates,
    day_index,
    demand,
    joined,
    quantise,
    seen,
    steps,
    texts,
)
from connectors.sandbox.world_search import SearchDays

FIRST_TIME_SHARE = 0.68
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


class Ga4Days:
    """One property: sessions per lane (channel … campaign) and day, and its orders."""

    def __init__(
        self,
        prop: Ga4Property,
        ads: Sequence[AdsDays],
        search: SearchDays,
        rng: np.random.Generator,
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
        if prop.property_id == LOST_WEEK_PROPERTY:
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
        account: AdsDays,
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

    def _first_orders(self, ads: Sequence[AdsDays], rng: np.random.Generator) -> Flags:
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
