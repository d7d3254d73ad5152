"""A world of a handful of rows, so that the sandbox's answers can be worked out by hand."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from connectors.sandbox.faults import Faults
from connectors.sandbox.ga4_server import Ga4Service
from connectors.sandbox.search_console_server import SearchConsoleService
from connectors.sandbox.state import CallLog, Clock
from connectors.sandbox.story import Ga4Property, Site
from connectors.sandbox.tokens import Tokens

TODAY = date(2026, 11, 3)
SITE = "https://www.tulpenthee.example/"
D1, D2 = date(2026, 11, 1), date(2026, 11, 2)

_GA4_ROWS = [
    # day, channel, source, medium, campaign, then sessions, engaged, users, new users,
    # transactions, revenue, first-time purchasers, purchase, newsletter_signup
    (D1, "Organic Search", "google", "organic", "(organic)", 100, 60, 80, 30, 4, 400.5, 3, 4, 2),
    (D1, "Paid Search", "google", "cpc", "Campagne A", 50, 20, 45, 20, 2, 100.25, 1, 2, 0),
    (D1, "Paid Search", "google", "cpc", "Campagne B", 30, 10, 25, 10, 1, 50.0, 1, 1, 1),
    (D2, "Organic Search", "google", "organic", "(organic)", 110, 70, 90, 25, 5, 500.0, 2, 5, 3),
    (D2, "Email", "nieuwsbrief", "email", 'november "deal"', 20, 15, 18, 1, 3, 210.0, 0, 3, 0),
]
_GA4_COLUMNS = [
    "date_day",
    "channel_group",
    "source",
    "medium",
    "campaign_name",
    "sessions",
    "engaged_sessions",
    "total_users",
    "new_users",
    "transactions",
    "purchase_revenue",
    "first_time_purchasers",
    "key_event__purchase",
    "key_event__newsletter_signup",
]
_SEARCH_ROWS = [
    # day, query, page, device, clicks, impressions, Σ position, provisional
    (D1, "thee", SITE + "thee/", "MOBILE", 10, 100, 200.0, False),
    (D1, "thee", SITE, "MOBILE", 1, 60, 480.0, False),
    (D1, "Tulpen", SITE, "DESKTOP", 5, 40, 40.0, False),
    (D1, None, SITE, "MOBILE", 2, 20, 100.0, False),
    (D2, "thee", SITE + "thee/", "MOBILE", 4, 50, 100.0, True),
]
_SEARCH_COLUMNS = [
    "date_day",
    "query",
    "page",
    "device",
    "clicks",
    "impressions",
    "position_sum",
    "is_provisional",
]


class SmallWorld:
    """Two properties (the second one with the first one's figures) and one site."""

    ga4_properties = tuple(
        Ga4Property(number, name, "EUR", "Europe/Amsterdam", "flowers", SITE, (), ())
        for number, name in (("311111111", "Fietsgoed"), ("322222222", "Tulp & Thee"))
    )
    sites = (Site(SITE, SITE, "flowers"),)

    def ga4_facts(self, property_id: str, as_of: date) -> pa.Table:
        columns = dict(zip(_GA4_COLUMNS, zip(*_GA4_ROWS, strict=True), strict=True))
        return pa.table({name: pa.array(values) for name, values in columns.items()})

    def search_facts(self, site_url: str, as_of: date, final: bool = True) -> pa.Table:
        rows = [row for row in _SEARCH_ROWS if not (final and row[-1])]
        columns = dict(zip(_SEARCH_COLUMNS, zip(*rows, strict=True), strict=True))
        return pa.table({name: pa.array(values) for name, values in columns.items()})


def small_ga4() -> Ga4Service:
    return Ga4Service(SmallWorld(), Clock(TODAY), Tokens(), Faults(), CallLog())


def small_search_console(rows_per_day: int = 50_000) -> SearchConsoleService:
    return SearchConsoleService(
        SmallWorld(), Clock(TODAY), Tokens(), Faults(), CallLog(), rows_per_day=rows_per_day
    )
