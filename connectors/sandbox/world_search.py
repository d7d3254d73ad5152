"""One site's days in Google's organic results."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from connectors.sandbox.story import SEARCHES, SITES, Shop, Site
from connectors.sandbox.world_days import (
    DAYS,
    Floats,
    Ints,
    dates,
    demand,
    quantise,
    seen,
    texts,
)

# a site without searches of its own is found by those of its shop
OF_SHOP: dict[Shop, str] = {one.shop: one.site_url for one in SITES}
DEVICES = (("MOBILE", 0.66), ("DESKTOP", 0.29), ("TABLET", 0.05))


def final_until(as_of: date) -> date:
    """Return the last day that is final when asked on ``as_of``: two or three days back."""
    return as_of - timedelta(days=2 if as_of.weekday() in (1, 2, 3) else 3)


class SearchDays:
    """One site: impressions and clicks by day, query, page and device (sparse)."""

    def __init__(self, site: Site, rng: np.random.Generator) -> None:
        plan = SEARCHES.get(site.site_url) or SEARCHES[OF_SHOP[site.shop]]
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
        today, last_final = seen(as_of), seen(final_until(as_of))
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
