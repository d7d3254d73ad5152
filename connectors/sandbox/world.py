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
from datetime import date
from typing import Any, Literal, TypeVar

import numpy as np
import pyarrow as pa

from connectors.sandbox import many_accounts
from connectors.sandbox.many_accounts import MonthlyAds
from connectors.sandbox.restatements import Restatement, restated
from connectors.sandbox.story import (
    AD_ACCOUNTS,
    CAMPAIGNS,
    CONVERSION_ACTIONS,
    FIRST_DAY,
    GA4_PROPERTIES,
    LAST_DAY,
    SITES,
    AdAccount,
    ConversionAction,
    Ga4Property,
    Site,
)
from connectors.sandbox.world_ads import AdsDays
from connectors.sandbox.world_ga4 import Ga4Days
from connectors.sandbox.world_lag import Split
from connectors.sandbox.world_search import SearchDays

__all__ = ["AdAccount", "ConversionAction", "Ga4Property", "Site", "World"]

T = TypeVar("T")
Scale = Literal["small", "large"]
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
    "all_conversions_by_conversion_date",
    "all_conversions_value_by_conversion_date",
)

_NO_TRUTH = pa.schema(
    [
        ("source", pa.string()),
        ("account_id", pa.string()),
        ("date_day", pa.date32()),
        ("metric", pa.string()),
        ("value", pa.float64()),
    ]
).empty_table()


class World:
    """The shops' accounts and their days; built on first use, then kept.

    Tables are cached per ``as_of`` and must not be changed. Safe to use from
    several threads. Raises KeyError for an id that does not exist; an account
    that is a manager, closed or refusing has no facts.

    The ``large`` scale adds `many_accounts`: twenty ad accounts with 36 months,
    which are drawn anew for what is asked and not kept, and some properties and
    sites. What the small one has is the same in both.
    """

    first_day = FIRST_DAY
    last_day = LAST_DAY
    ad_accounts: tuple[AdAccount, ...] = AD_ACCOUNTS
    ga4_properties: tuple[Ga4Property, ...] = GA4_PROPERTIES
    sites: tuple[Site, ...] = SITES

    def __init__(self, seed: int = 2026, scale: Scale = "small") -> None:
        self.seed = seed
        self._monthly: dict[str, MonthlyAds] = {}
        if scale == "large":
            self.ad_accounts = (*AD_ACCOUNTS, *many_accounts.ACCOUNTS)
            self.ga4_properties = (*GA4_PROPERTIES, *many_accounts.PROPERTIES)
            self.sites = (*SITES, *many_accounts.SITES)
            self._monthly = {
                a.customer_id: MonthlyAds(a, seed)
                for a in many_accounts.ACCOUNTS
                if not a.is_manager
            }
        self._lock = threading.RLock()
        self._built: dict[Hashable, Any] = {}
        self._asked: OrderedDict[Hashable, pa.Table] = OrderedDict()
        self._restatements: dict[tuple[str, str, date], Restatement] = {}
        self.revision = 0

    def ads_facts(self, customer_id: str, as_of: date) -> pa.Table:
        """One row per day, campaign, device and network with anything in it.

        ``cost_micros`` and the values are in the account's currency. The name
        and status are those of ``as_of``. ``all_conversions`` adds what is not
        counted as a conversion (secondary actions) to ``conversions``.
        """
        if customer_id in self._monthly:
            return self.ads_facts_between(customer_id, as_of, date.min, date.max)
        return self._table(
            ("ads", customer_id, as_of),
            lambda: self._restated("google_ads", customer_id, self._ads(customer_id).facts(as_of)),
        )

    def ads_conversion_facts(self, customer_id: str, as_of: date) -> pa.Table:
        """The conversion columns of `ads_facts`, a row per conversion action too.

        Over the actions they add up to `ads_facts`, exactly.
        """
        if customer_id in self._monthly:
            return self.ads_facts_between(customer_id, as_of, date.min, date.max, "action")
        return self._table(
            ("actions", customer_id, as_of),
            lambda: self._restated(
                "google_ads", customer_id, self._ads(customer_id).conversion_facts(as_of)
            ),
        )

    def ads_lag_facts(self, customer_id: str, as_of: date) -> pa.Table:
        """The conversion columns of `ads_facts`, a row per bucket of days after the click too.

        Over the buckets they add up to `ads_facts`, exactly.
        """
        if customer_id in self._monthly:
            return self.ads_facts_between(customer_id, as_of, date.min, date.max, "lag")
        return self._table(
            ("lags", customer_id, as_of),
            lambda: self._restated(
                "google_ads", customer_id, self._ads(customer_id).lag_facts(as_of)
            ),
        )

    def ads_facts_between(
        self, customer_id: str, as_of: date, first: date, last: date, split: Split = ""
    ) -> pa.Table:
        """`ads_facts`, or split by action or lag, at least the days ``first`` to ``last``."""
        monthly = self._monthly.get(customer_id)
        if monthly is None:
            whole = {
                "": self.ads_facts,
                "action": self.ads_conversion_facts,
                "lag": self.ads_lag_facts,
            }[split]
            return whole(customer_id, as_of)
        return self._restated("google_ads", customer_id, monthly.facts(as_of, first, last, split))

    def is_monthly(self, customer_id: str) -> bool:
        """Tell whether the account's days are drawn by the month, and not kept."""
        return customer_id in self._monthly

    def ads_conversion_actions(self, customer_id: str) -> pa.Table:
        """One row per conversion action, with its windows in days."""
        actions = CONVERSION_ACTIONS.get(self._ad_account(customer_id).customer_id, ())
        if customer_id in self._monthly:
            actions = self._monthly[customer_id].actions
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
        """Every campaign that exists on ``as_of``, removed ones too, with or without traffic.

        ``end_date_time`` is null where no end is set.
        """
        if customer_id in self._monthly:
            return self._monthly[customer_id].campaigns(as_of)
        return self._table(
            ("campaigns", customer_id, as_of), lambda: self._ads(customer_id).campaigns(as_of)
        )

    def ga4_facts(self, property_id: str, as_of: date) -> pa.Table:
        """One row per day, channel group, source, medium and campaign with sessions.

        Users are counted per row and must not be added up. Revenue is in the
        property's currency. One column ``key_event__<event>`` per key event.
        """
        return self._table(
            ("ga4", property_id, as_of),
            lambda: self._restated("ga4", property_id, self._ga4(property_id).facts(as_of)),
        )

    def search_facts(self, site_url: str, as_of: date, final: bool = True) -> pa.Table:
        """One row per day, query, page and device with impressions.

        A null query is one of the rare ones that are withheld.
        ``position_sum`` is Σ position × impressions. With ``final`` off, the
        provisional days up to the day before ``as_of`` are there as well.
        """
        return self._table(
            ("search", site_url, as_of, final),
            lambda: self._restated(
                "search_console", site_url, self._search(site_url).facts(as_of, final)
            ),
        )

    def restate(self, restatement: Restatement) -> None:
        """Change one day of one account from now on, whatever is asked as of which day.

        Replaces an earlier one of the same day; a factor of 1 takes it back.
        Raises KeyError for an account that does not exist. ``revision`` counts
        what was restated or taken back, for those that keep answers.
        """
        source, account_id = restatement.source, restatement.account_id
        known: dict[str, Iterable[str]] = {
            "google_ads": (a.customer_id for a in self.ad_accounts),
            "ga4": (p.property_id for p in self.ga4_properties),
            "search_console": (s.site_url for s in self.sites),
        }
        next_or_key_error((a for a in known[source] if a == account_id), account_id)
        with self._lock:
            self._restatements[source, account_id, restatement.date_day] = restatement
            self._forget_tables()

    def forget_restatements(self) -> None:
        """Make every day again what the seed made of it."""
        with self._lock:
            self._restatements.clear()
            self._forget_tables()

    def restatements(self) -> tuple[Restatement, ...]:
        with self._lock:
            return tuple(self._restatements.values())

    def _forget_tables(self) -> None:
        self._asked.clear()
        self.revision += 1

    def _restated(self, source: str, account_id: str, facts: pa.Table) -> pa.Table:
        return restated(
            facts,
            [
                one
                for one in self.restatements()
                if (one.source, one.account_id) == (source, account_id)
            ],
        )

    def truth(self, as_of: date, account_id: str | None = None) -> pa.Table:
        """Totals per ``source``, ``account_id``, ``date_day`` and ``metric`` (``value``: double).

        Search Console's are the final days. Every reading account is in it, or
        ``account_id`` alone.
        """
        parts = [_NO_TRUTH]
        for source, account, facts, metrics in self._sources(as_of, account_id):
            if not facts.num_rows:
                continue
            totals = facts.group_by("date_day").aggregate([(m, "sum") for m in metrics])
            for metric in metrics:
                parts.append(
                    pa.table(
                        {
                            "source": pa.repeat(source, totals.num_rows),
                            "account_id": pa.repeat(account, totals.num_rows),
                            "date_day": totals["date_day"],
                            "metric": pa.repeat(metric, totals.num_rows),
                            "value": totals[f"{metric}_sum"].cast(pa.float64()),
                        }
                    )
                )
        return pa.concat_tables(parts).sort_by(
            [(c, "ascending") for c in ("source", "account_id", "metric", "date_day")]
        )

    def _sources(
        self, as_of: date, only: str | None
    ) -> Iterable[tuple[str, str, pa.Table, Sequence[str]]]:
        for account in self.ad_accounts:
            if only not in (None, account.customer_id):
                continue
            if account.customer_id in CAMPAIGNS or account.customer_id in self._monthly:
                facts = self.ads_facts(account.customer_id, as_of)
                yield "google_ads", account.customer_id, facts, ADS_METRICS
        for prop in self.ga4_properties:
            if only not in (None, prop.property_id):
                continue
            facts = self.ga4_facts(prop.property_id, as_of)
            measures = [n for n in facts.column_names[5:] if n != "total_users"]
            yield "ga4", prop.property_id, facts, measures
        for site in self.sites:
            if only not in (None, site.site_url):
                continue
            facts = self.search_facts(site.site_url, as_of, final=True)
            yield "search_console", site.site_url, facts, ("clicks", "impressions")

    # --- built once ---------------------------------------------------------------------------

    def _ad_account(self, customer_id: str) -> AdAccount:
        return next_or_key_error(
            (a for a in self.ad_accounts if a.customer_id == customer_id), customer_id
        )

    def _rng(self, what: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(what.encode())])

    def _ads(self, customer_id: str) -> AdsDays:
        account = self._ad_account(customer_id)
        return self._build(
            ("ads", customer_id), lambda: AdsDays(account, self._rng(f"ads {customer_id}"))
        )

    def _search(self, site_url: str) -> SearchDays:
        site = next_or_key_error((s for s in self.sites if s.site_url == site_url), site_url)
        return self._build(
            ("search", site_url), lambda: SearchDays(site, self._rng(f"search {site_url}"))
        )

    def _ga4(self, property_id: str) -> Ga4Days:
        prop = next_or_key_error(
            (p for p in self.ga4_properties if p.property_id == property_id), property_id
        )
        return self._build(
            ("ga4", property_id),
            lambda: Ga4Days(
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
