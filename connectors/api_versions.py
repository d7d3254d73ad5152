"""Until when the vendors serve the API versions that the connectors speak."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from connectors.google_ads_queries import API_VERSION

SUNSET_PAGE = "https://developers.google.com/google-ads/api/docs/sunset-dates"
# Google announces a month; its first day is the safe one.
# Source: https://developers.google.com/ads/blog/posts/2025/09/more-frequent-releases-coming-for
GOOGLE_ADS_SUNSETS = {
    "v22": date(2026, 10, 7),
    "v23": date(2027, 2, 1),
    "v24": date(2027, 5, 1),
    "v25": date(2027, 8, 1),
    "v26": date(2027, 11, 1),
}


@dataclass(frozen=True)
class Version:
    """What is spoken; ``ends`` is None where no end was announced."""

    api: str
    version: str
    ends: date | None
    page: str


# v1beta of the Data API is the one in use, with no end announced; so is Search Console's v1
VERSIONS = {
    "google_ads": Version(
        "Google Ads API", API_VERSION, GOOGLE_ADS_SUNSETS.get(API_VERSION), SUNSET_PAGE
    ),
    "ga4": Version(
        "Google Analytics Data API",
        "v1beta",
        None,
        "https://developers.google.com/analytics/devguides/reporting/data/v1/changelog",
    ),
    "search_console": Version(
        "Search Console API", "v1", None, "https://developers.google.com/webmaster-tools"
    ),
}
