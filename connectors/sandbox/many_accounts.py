"""Twenty more ad accounts with three years of days: what a long backfill is tried on.

Everything of one account and month is drawn from that account, that month and
the seed alone, so that a request costs what it asks for and nothing has to be
kept. Otherwise these accounts behave as those of the story: conversions arrive
for up to 30 days, also in the next month, and clicks found invalid are taken off
after three days, with which some rows vanish.
"""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.sandbox.story import (
    BIDDING,
    LAST_DAY,
    SEGMENTS,
    AdAccount,
    Campaign,
    Channel,
    ConversionAction,
    Ga4Property,
    Site,
)
from connectors.sandbox.world_days import Flags, Floats, Ints, quantise, texts
from connectors.sandbox.world_lag import BUCKETS, Split, lag_buckets

FIRST_DAY = date(2023, 11, 1)
MANAGER_ID = "1000000003"
_ACCOUNTS = 20
_MONTHS_KEPT = 6  # of each account; a quarter, the month before it and one more
_PARTIAL = 0.4  # of the day has gone when its own figures are read
_INVALID_CLICKS_STAY = 3
_WINDOW_DAYS = 30  # an order is credited to a click at most 29 days before
_CREDIT_STEP = 1024
_CART = 2  # the action that is no conversion
_EPOCH = date(1970, 1, 1)

_ACTIONS = (
    ("Aankoop", "PURCHASE", _WINDOW_DAYS, "MANY_PER_CLICK"),
    ("Aanvraag", "SUBMIT_LEAD_FORM", 7, "ONE_PER_CLICK"),
    ("In winkelwagen", "ADD_TO_CART", _WINDOW_DAYS, "MANY_PER_CLICK"),
)
_PLACES = (
    ("EUR", "Europe/Amsterdam"),
    ("GBP", "Europe/London"),
    ("USD", "America/New_York"),
    ("SEK", "Europe/Stockholm"),
    ("EUR", "Europe/Berlin"),
    ("DKK", "Europe/Copenhagen"),
    ("PLN", "Europe/Warsaw"),
    ("JPY", "Asia/Tokyo"),
)
_CHANNELS: tuple[Channel, ...] = ("SEARCH", "SHOPPING", "PERFORMANCE_MAX", "DISPLAY", "VIDEO")
_CTR = {"SEARCH": 0.05, "SHOPPING": 0.011, "PERFORMANCE_MAX": 0.012, "DISPLAY": 0.004}

ACCOUNTS: tuple[AdAccount, ...] = (
    AdAccount(
        MANAGER_ID,
        "Schaal (manager)",
        "EUR",
        "Europe/Amsterdam",
        is_manager=True,
        manager_id="1000000001",
    ),
    *(
        AdAccount(
            str(6_000_000_000 + n),
            f"Schaal {n:02d}",
            *_PLACES[(n - 1) % len(_PLACES)],
            manager_id=MANAGER_ID,
        )
        for n in range(1, _ACCOUNTS + 1)
    ),
)
# one site and property for every five accounts; their days are those of the story
SITES: tuple[Site, ...] = tuple(
    Site(f"https://www.schaal-{n}.example/", f"https://www.schaal-{n}.example/", "flowers")
    for n in range(1, 5)
)
PROPERTIES: tuple[Ga4Property, ...] = tuple(
    Ga4Property(
        str(360_000_000 + n),
        f"Schaal {n}",
        "EUR",
        "Europe/Amsterdam",
        "flowers",
        site.site_url,
        (),
        ("purchase", "newsletter_signup"),
    )
    for n, site in enumerate(SITES, 1)
)


@dataclass(frozen=True)
class _Month:
    """What happened in one month; an element of ``cell`` is day × width + lane."""

    start: date
    impressions: Ints
    clicks: Ints
    cost_micros: Ints
    invalid: Ints
    invalid_cost: Ints
    # conversions, one element each
    cell: Ints
    day: Ints  # of the conversion, from ``start``; may be in the next month
    hour: Floats
    action: Ints
    credit: Floats
    value: Floats


class MonthlyAds:
    """One ad account, a month at a time. Safe to use from several threads."""

    def __init__(self, account: AdAccount, seed: int) -> None:
        self.account = account
        self.seed = seed
        rng = self._rng("plans")
        number = int(account.customer_id) % 1_000
        self.plans = tuple(self._plan(number, at, rng) for at in range(int(rng.integers(24, 41))))
        first = 760_000_000 + number * 10
        self.actions = tuple(
            ConversionAction(first + at, name, category, "WEBPAGE", at != _CART, days, 1, counted)
            for at, (name, category, days, counted) in enumerate(_ACTIONS)
        )
        lanes = [
            (at, device, network, share, factor)
            for at, plan in enumerate(self.plans)
            for device, network, share, factor in SEGMENTS[plan.channel]
        ]
        self._plan_of = np.array([lane[0] for lane in lanes])
        self._devices = [lane[1] for lane in lanes]
        self._networks = [lane[2] for lane in lanes]
        self._share = np.array([lane[3] for lane in lanes])
        self._factor = np.array([lane[4] for lane in lanes])
        self._lock = threading.Lock()
        self._drawn: OrderedDict[date, _Month] = OrderedDict()

    def _rng(self, what: str) -> np.random.Generator:
        named = f"large {self.account.customer_id} {what}"
        return np.random.default_rng([self.seed, zlib.crc32(named.encode())])

    def _plan(self, number: int, at: int, rng: np.random.Generator) -> Campaign:
        channel = _CHANNELS[at % len(_CHANNELS)]
        volume = {"SEARCH": 900, "SHOPPING": 6_000, "VIDEO": 3_000}.get(channel, 5_000)
        days = (LAST_DAY - FIRST_DAY).days
        # every fourth one starts later, every sixth one has ended since
        start = FIRST_DAY + timedelta(days=int(rng.integers(30, days))) if at % 4 == 3 else None
        end = None
        if at % 6 == 5:
            end = (start or FIRST_DAY) + timedelta(days=int(rng.integers(60, 600)))
        return Campaign(
            id=60_000_000 + number * 1_000 + at,
            name=f"{channel.replace('_', ' ').title()} {at + 1:02d}",
            channel=channel,
            impressions=volume * float(rng.lognormal(0, 0.5)),
            ctr=_CTR.get(channel, 0.002),
            cpc=float(rng.uniform(0.2, 1.2)),
            roas=float(rng.uniform(1.0, 6.0)),
            basket=float(rng.uniform(40, 300)),
            start=start,
            end=end,
            status_after_end="REMOVED" if at % 12 == 5 else "PAUSED",
        )

    # --- one month ----------------------------------------------------------------------------

    def _month(self, start: date) -> _Month:
        with self._lock:
            if start in self._drawn:
                self._drawn.move_to_end(start)
                return self._drawn[start]
        month = self._draw(start)
        with self._lock:
            self._drawn[start] = month
            if len(self._drawn) > _MONTHS_KEPT:
                self._drawn.popitem(last=False)
        return month

    def _draw(self, start: date) -> _Month:
        rng = self._rng(start.isoformat())
        width, days = len(self._plan_of), (_next_month(start) - start).days
        calendar = [start + timedelta(days=d) for d in range(days)]
        season = np.array(
            [
                (1.0, 1.0, 1.0, 1.0, 1.05, 1.15, 1.1)[day.weekday()]
                * (1 + 0.2 * np.cos(2 * np.pi * (day.timetuple().tm_yday - 330) / 365))
                for day in calendar
            ]
        ) * rng.lognormal(0, 0.05, days)
        runs = np.array(
            [
                [
                    (p.start is None or p.start <= day) and (p.end is None or day <= p.end)
                    for p in self.plans
                ]
                for day in calendar
            ]
        )[:, self._plan_of]
        plan = {
            name: np.array([getattr(p, name) for p in self.plans])[self._plan_of]
            for name in ("impressions", "ctr", "cpc", "roas", "basket")
        }
        mean = (season[:, None] * plan["impressions"] * self._share * runs).ravel()
        impressions = rng.poisson(mean)
        rate = np.tile(np.minimum(plan["ctr"] * self._factor, 0.5), days)
        clicks = rng.binomial(impressions, rate)
        price = np.tile(plan["cpc"], days) * rng.lognormal(0, 0.06, days * width)
        cost_micros = np.round(clicks * price * 100).astype(np.int64) * 10_000
        chance = rng.random(days * width)
        ghost = (impressions == 0) & (mean > 0.02) & (chance < 0.6)
        invalid = (ghost | ((clicks >= 8) & (chance < 0.25))).astype(np.int64)
        invalid_cost = invalid * np.maximum(np.round(price * 100), 1).astype(np.int64) * 10_000

        basket = np.tile(plan["basket"], days)
        worth = cost_micros / 1e6 * np.tile(plan["roas"], days)
        counts = (
            rng.poisson(worth / (basket * 0.8)),
            rng.poisson(clicks * 0.006),
            rng.poisson(clicks * 0.02),
        )
        cell = np.concatenate([np.repeat(np.arange(days * width), n) for n in counts])
        action = np.repeat(np.arange(3), [int(n.sum()) for n in counts])
        number = len(cell)
        longest = np.array([days for _, _, days, _ in _ACTIONS])[action] - 1
        later = np.minimum(1 + rng.exponential(5.0, number), longest).astype(np.int64)
        delay = np.where(rng.random(number) < 0.6, 0, later)
        credit = np.maximum(quantise(rng.beta(4, 1, number), _CREDIT_STEP), 1 / _CREDIT_STEP)
        order = quantise(basket[cell] * rng.lognormal(-0.245, 0.7, number), 4)
        return _Month(
            start,
            impressions,
            clicks,
            cost_micros,
            invalid,
            invalid_cost,
            cell,
            cell // width + delay,
            rng.random(number),
            action,
            credit,
            credit * np.select([action == 0, action == 1], [order, np.full(number, 2.0)], 0.0),
        )

    # --- as of a day --------------------------------------------------------------------------

    def facts(
        self, as_of: date, first: date = FIRST_DAY, last: date = LAST_DAY, split: Split = ""
    ) -> pa.Table:
        """Return the months that have days from ``first`` to ``last``, as `World.ads_facts`."""
        months = list(_months(max(first, FIRST_DAY), min(last, LAST_DAY, as_of)))
        tables = [self._seen(start, as_of, split) for start in months]
        if not tables:
            return self._seen(FIRST_DAY, as_of, split).slice(0, 0)
        return pa.concat_tables(tables).combine_chunks()

    def _seen(self, start: date, as_of: date, split: Split) -> pa.Table:
        month, width = self._month(start), len(self._plan_of)
        cells = len(month.impressions)
        today = (as_of - start).days
        kinds = {"": 1, "action": 3, "lag": len(BUCKETS)}[split]
        columns: dict[str, npt.NDArray[Any]] = {}
        if not split:
            day = np.arange(cells) // width
            still = day > today - _INVALID_CLICKS_STAY
            for name, valid, invalid in (
                ("impressions", month.impressions, month.invalid),
                ("clicks", month.clicks, month.invalid),
                ("cost_micros", month.cost_micros, month.invalid_cost),
            ):
                values = valid + np.where(still, invalid, 0)
                unit = 10_000 if name == "cost_micros" else 1
                part = (values * _PARTIAL / unit).astype(np.int64) * unit
                columns[name] = np.select([day < today, day == today], [values, part], 0)
            columns["cost_micros"] = np.where(columns["clicks"] > 0, columns["cost_micros"], 0)
        columns |= self._conversions(month, today, cells, kinds, split)
        some = np.flatnonzero(np.any([c != 0 for c in columns.values()], axis=0))
        table = self._dimensions(some // kinds, start, as_of)
        which = some % kinds
        if split == "lag":
            table["conversion_lag_bucket"] = texts(BUCKETS, which)
        elif split == "action":
            for column, named in (
                ("conversion_action_id", [a.id for a in self.actions]),
                ("conversion_action_name", [a.name for a in self.actions]),
                ("conversion_action_category", [a.category for a in self.actions]),
            ):
                table[column] = pa.array(named).take(pa.array(which))
        return pa.table(table | {n: pa.array(c[some]) for n, c in columns.items()})

    def _conversions(
        self, month: _Month, today: int, cells: int, kinds: int, split: Split
    ) -> dict[str, npt.NDArray[Any]]:
        width = len(self._plan_of)
        length = cells * kinds
        # by the day of the order: this month's, and what earlier ones left for it
        dated = [(month, month.day, _known(month, today))]
        start = _month_before(month.start)
        reach = timedelta(days=_WINDOW_DAYS - 1)
        while start >= FIRST_DAY and _next_month(start) + reach > month.start:
            before, gap = self._month(start), (month.start - start).days
            dated.append((before, before.day - gap, _known(before, today + gap)))
            start = _month_before(start)
        places = {
            "": [(month, month.cell, _known(month, today))],
            "_by_conversion_date": [
                (m, day * width + m.cell % width, seen & (day >= 0) & (day * width < cells))
                for m, day, seen in dated
            ],
        }
        columns: dict[str, npt.NDArray[Any]] = {}
        for suffix, parts in places.items():
            for prefix in ("", "all_"):
                for what in ("", "_value"):
                    total = np.zeros(length)
                    for m, at, seen in parts:
                        chosen = seen if prefix else seen & (m.action != _CART)
                        index = at[chosen] * kinds
                        if split == "action":
                            index = index + m.action[chosen]
                        elif split == "lag":
                            delay = m.day - m.cell // width
                            index = index + lag_buckets(delay[chosen], m.hour[chosen])
                        worth = (m.value if what else m.credit)[chosen]
                        total += np.bincount(index, worth, length)
                    columns[f"{prefix}conversions{what}{suffix}"] = total
        return columns

    def _dimensions(self, cells: Ints, start: date, as_of: date) -> dict[str, Any]:
        width = len(self._plan_of)
        lane = cells % width
        plan = self._plan_of[lane]
        ids = np.array([p.id for p in self.plans], np.int64)
        epoch_day = (cells // width + (start - _EPOCH).days).astype(np.int32)
        return {
            "date_day": pa.array(epoch_day).cast(pa.date32()),
            "campaign_id": pa.array(ids[plan]),
            "campaign_name": texts([p.name for p in self.plans], plan),
            "campaign_status": texts(self._statuses(as_of), plan),
            "channel_type": texts([p.channel for p in self.plans], plan),
            "device": texts(self._devices, lane),
            "network": texts(self._networks, lane),
        }

    def _statuses(self, as_of: date) -> list[str]:
        return [
            p.status_after_end if p.end is not None and as_of > p.end else "ENABLED"
            for p in self.plans
        ]

    def campaigns(self, as_of: date) -> pa.Table:
        """As `World.ads_campaigns`."""
        exist = [
            (p, status)
            for p, status in zip(self.plans, self._statuses(as_of), strict=True)
            if p.start is None or p.start <= as_of
        ]

        def column(values: list[str | None]) -> pa.Array:
            return pa.array(values, pa.string())

        return pa.table(
            {
                "campaign_id": pa.array([p.id for p, _ in exist], pa.int64()),
                "campaign_name": column([p.name for p, _ in exist]),
                "campaign_status": column([status for _, status in exist]),
                "channel_type": column([p.channel for p, _ in exist]),
                "bidding_strategy_type": column([BIDDING[p.channel] for p, _ in exist]),
                "serving_status": column(
                    ["ENDED" if p.end and p.end < as_of else "SERVING" for p, _ in exist]
                ),
                "start_date_time": column([f"{p.start or FIRST_DAY} 00:00:00" for p, _ in exist]),
                "end_date_time": column([f"{p.end} 23:59:59" if p.end else None for p, _ in exist]),
            }
        )


def _known(month: _Month, today: int) -> Flags:
    known: Flags = (month.day < today) | ((month.day == today) & (month.hour < _PARTIAL))
    return known


def _next_month(start: date) -> date:
    return (start.replace(day=28) + timedelta(days=4)).replace(day=1)


def _month_before(start: date) -> date:
    return (start - timedelta(days=1)).replace(day=1)


def _months(first: date, last: date) -> Iterator[date]:
    """Yield the first day of each month that has days from ``first`` to ``last``."""
    start = first.replace(day=1)
    while start <= last:
        yield start
        start = _next_month(start)
