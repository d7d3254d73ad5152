"""Which sources exist. Adding one is a module, its recorded replies and an entry here."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from connectors.base import Connection, Connector


@dataclass(frozen=True)
class Source:
    """What the flows need to know of a source before they load its module.

    ``restatement_days``: how long a day may still change (the default; a
    configuration may say otherwise). ``lag_days``: how many of the latest days
    are not expected yet. ``daily_table``: the table whose days tell how far the
    source's data has come. ``silence_is_zero``: whether a loaded day without
    rows means zero (an ad account that did not run) or that nobody measured.
    ``daily_requests``: the vendor's quota, for the estimate of a plan, and
    ``quota``: what it holds for. ``own_fields``: whether each account has fields of
    its own, such as custom dimensions.
    """

    connector: str
    restatement_days: int
    lag_days: int
    daily_table: str
    silence_is_zero: bool
    daily_requests: int
    quota: str
    own_fields: bool = False


SOURCES: dict[str, Source] = {
    # conversions are counted on the day of the click for up to 30 days by default
    "google_ads": Source(
        "connectors.google_ads:GoogleAds",
        restatement_days=30,
        lag_days=0,
        daily_table="google_ads__campaign_day",
        silence_is_zero=True,
        # https://developers.google.com/google-ads/api/docs/api-policy/access-levels
        daily_requests=2_880,
        quota="a day with Explorer access",
    ),
    # processing takes 24 to 48 hours: https://support.google.com/analytics/answer/11198161
    "ga4": Source(
        "connectors.ga4:GA4",
        restatement_days=7,
        lag_days=1,
        daily_table="ga4__channel_day",
        silence_is_zero=False,
        # 200,000 tokens a day; a report of a quarter takes about ten
        daily_requests=20_000,
        quota="a day and property, at ten tokens a request",
        own_fields=True,
    ),
    # final data comes after two to three days: https://support.google.com/webmasters/answer/96568
    "search_console": Source(
        "connectors.search_console:SearchConsole",
        restatement_days=7,
        lag_days=4,
        daily_table="search_console__site_day",
        silence_is_zero=False,
        # 1,200 a minute and site
        daily_requests=1_728_000,
        quota="a day and site, at 1,200 a minute",
    ),
}


def open_connector(source: str, connection: Connection) -> Connector:
    """Make the source's connector; its vendor's client is imported only now."""
    module, _, name = SOURCES[source].connector.partition(":")
    connector: Connector = getattr(import_module(module), name)(connection)
    return connector
