"""Seeded answers of Google Ads, GA4 and Search Console as bytes, millions of rows a second.

Every row of an answer has the same length, so that one serialized row, made by the vendor's own
message, is a template whose changing bytes numpy fills in. Decimals are quarters: their sums are
exact in any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import cache

import numpy as np
import numpy.typing as npt
from google.ads.googleads.v26.services.types.google_ads_service import (
    SearchGoogleAdsStreamResponse,
)
from google.analytics.data_v1beta.types import RunReportResponse
from google.protobuf.descriptor import Descriptor

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

SEED = 20261120
FIRST_DAY = date(2026, 1, 1)
BLOCK = 10_000
DAYS = 30
# the customer whose stream has n rows is this + n
CUSTOMER = 1_000_000_000


# --- bytes ------------------------------------------------------------------------------------


def varints(values: Ints, width: int) -> Bytes:
    """Protobuf's whole numbers; raises ValueError for one of another width."""
    low = 1 << 7 * (width - 1) if width > 1 else 0
    if values.min() < low or values.max() >= 1 << 7 * width:
        raise ValueError(f"{values.min()}..{values.max()} do not take {width} bytes")
    groups = (values[:, None] >> 7 * np.arange(width)) & 127
    groups[:, :-1] |= 128
    return groups.astype(np.uint8)


def digits(values: Ints, width: int) -> Bytes:
    """Decimal digits, filled up with zeros."""
    return (values[:, None] // 10 ** np.arange(width - 1, -1, -1) % 10 + ord("0")).astype(np.uint8)


def quarters(values: Ints, width: int) -> Bytes:
    """A fourth of each value as text, such as ``0012.25``; ``width`` is that before the point."""
    hundredths = values % 4 * 25
    point = np.full((len(values), 1), ord("."), np.uint8)
    return np.hstack([digits(values // 4, width), point, digits(hundredths, 2)])


def doubles(values: npt.NDArray[np.float64]) -> Bytes:
    return values.astype("<f8").view(np.uint8).reshape(-1, 8)


def dates(days: Ints, form: str) -> Bytes:
    known = [(FIRST_DAY + timedelta(days=n)).strftime(form) for n in range(int(days.max()) + 1)]
    texts = np.array([list(text.encode()) for text in known], np.uint8)
    return texts[days]


class Template:
    """One row, and where in it the columns go.

    Each place is what stands before it and what is in it; together they occur once in the row.
    """

    def __init__(self, row: bytes, places: Mapping[str, tuple[bytes, bytes]]) -> None:
        self.row = np.frombuffer(row, np.uint8)
        self.at: dict[str, slice] = {}
        for name, (before, mark) in places.items():
            if row.count(before + mark) != 1:
                raise ValueError(f"{mark!r} of {name} occurs {row.count(before + mark)} times")
            start = row.index(before + mark) + len(before)
            self.at[name] = slice(start, start + len(mark))

    def rows(self, columns: Mapping[str, Bytes]) -> bytes:
        rows = np.tile(self.row, (len(next(iter(columns.values()))), 1))
        for name, at in self.at.items():
            rows[:, at] = columns[name]
        return rows.tobytes()


def tag(message: Descriptor, field: str, wire_type: int) -> bytes:
    """What stands before a field's value in a serialized message."""
    number = np.array([message.fields_by_name[field].number << 3 | wire_type])
    return varints(number, 1 if number < 128 else 2).tobytes()


def _numbered(name: bytes, numbers: Bytes) -> Bytes:
    return np.hstack([np.tile(np.frombuffer(name, np.uint8), (len(numbers), 1)), numbers])


# --- what is in the rows ----------------------------------------------------------------------


def figures(block: int) -> dict[str, Ints]:
    """10,000 rows of seeded figures. The row's number says day (of 30), device and campaign."""
    random = np.random.default_rng([SEED, block])
    row = np.arange(block * BLOCK, (block + 1) * BLOCK)
    return {
        "day": row % DAYS,
        "device": row // DAYS % 3,
        "campaign": row // DAYS // 3,
        "impressions": random.integers(1_000, 9_999, BLOCK),
        "clicks": random.integers(10, 99, BLOCK),
        "cost": random.integers(1_000, 20_000, BLOCK),  # cents
        "conversions": random.integers(0, 40, BLOCK),  # quarters, as are the values
        "value": random.integers(4_000, 39_999, BLOCK),
    }


def blocks(rows: int) -> Iterator[int]:
    if rows % BLOCK:
        raise ValueError(f"{rows} rows are no multiple of {BLOCK}")
    yield from range(rows // BLOCK)


# --- Google Ads -------------------------------------------------------------------------------


# the bytes of each whole number, for the figures that there are
_ADS_NUMBERS = {"id": 5, "device": 1, "impressions": 2, "clicks": 1, "cost_micros": 4}
_ADS_DECIMALS = (
    "conversions",
    "conversions_value",
    "conversions_by_conversion_date",
    "conversions_value_by_conversion_date",
)


@cache
def _ads_template() -> Template:
    response = SearchGoogleAdsStreamResponse.pb(SearchGoogleAdsStreamResponse())
    row = response.results.add()
    row.customer.resource_name = f"customers/{CUSTOMER}"
    row.customer.id = CUSTOMER
    row.customer.currency_code = "EUR"
    row.campaign.resource_name = f"customers/{CUSTOMER}/campaigns/21000000000"
    row.campaign.id = 21_000_000_001
    row.campaign.name = "Search – fietsen en accessoires 000000"
    row.campaign.status = 2
    row.campaign.advertising_channel_type = 2
    row.segments.date = "2026-01-01"
    row.segments.device = 3
    row.segments.ad_network_type = 2
    row.metrics.impressions = 9_999
    row.metrics.clicks = 99
    row.metrics.cost_micros = 123_450_000
    for number, name in enumerate(_ADS_DECIMALS, 1):
        setattr(row.metrics, name, number * 1.1)
    places = {
        "customer": (
            tag(row.customer.DESCRIPTOR, "id", 0),
            varints(np.array([CUSTOMER]), 5).tobytes(),
        ),
        "campaign_resource": (b"/campaigns/", b"21000000000"),
        "campaign_name": (b"accessoires ", b"000000"),
        "date": (b"", b"2026-01-01"),
    }
    for name, width in _ADS_NUMBERS.items():
        message = {"id": row.campaign, "device": row.segments}.get(name, row.metrics)
        value = varints(np.array([getattr(message, name)]), width).tobytes()
        places[name] = (tag(message.DESCRIPTOR, name, 0), value)
    for name in _ADS_DECIMALS:
        value = doubles(np.array([getattr(row.metrics, name)])).tobytes()
        places[name] = (tag(row.metrics.DESCRIPTOR, name, 1), value)
    return Template(response.SerializeToString(), places)


def ads_message(customer: int, block: int) -> bytes:
    """One message of a search stream, with 10,000 rows."""
    told = figures(block)
    campaign = 21_000_000_000 + told["campaign"]
    numbers = {
        "id": campaign,
        "device": told["device"] + 2,
        "impressions": told["impressions"],
        "clicks": told["clicks"],
        "cost_micros": told["cost"] * 10_000,
    }
    columns = {
        "customer": varints(np.full(BLOCK, customer), 5),
        "campaign_resource": digits(campaign, 11),
        "campaign_name": digits(told["campaign"], 6),
        "date": dates(told["day"], "%Y-%m-%d"),
        **{name: varints(numbers[name], width) for name, width in _ADS_NUMBERS.items()},
        **{
            name: doubles(told["value" if "value" in name else "conversions"] / 4)
            for name in _ADS_DECIMALS
        },
    }
    rest = SearchGoogleAdsStreamResponse(request_id=f"bench-{block}")
    return _ads_template().rows(columns) + bytes(SearchGoogleAdsStreamResponse.serialize(rest))


# --- GA4 --------------------------------------------------------------------------------------

_GA4_PLACES = {
    "date": b"20260101",
    "sessionSource": b"bron-000000",
    "sessionMedium": b"medium-0",
    "sessionCampaignName": b"Voorjaar 000000",
}
_GA4_METRICS = {
    "sessions": b"1111",
    "engagedSessions": b"2222",
    "totalUsers": b"3333",
    "newUsers": b"44",
    "keyEvents": b"55.55",
    "transactions": b"66",
    "purchaseRevenue": b"77777.77",
    "firstTimePurchasers": b"88",
}


@cache
def _ga4_template() -> Template:
    response = RunReportResponse.pb(RunReportResponse())
    row = response.rows.add()
    for text in _GA4_PLACES.values():
        row.dimension_values.add(value=text.decode())
    for text in _GA4_METRICS.values():
        row.metric_values.add(value=text.decode())
    places = {name: (b"", mark) for name, mark in (_GA4_PLACES | _GA4_METRICS).items()}
    return Template(response.SerializeToString(), places)


def _ga4_rows(block: int) -> bytes:
    told = figures(block)
    said = {
        "date": dates(told["day"], "%Y%m%d"),
        "sessionSource": _numbered(b"bron-", digits(told["campaign"], 6)),
        "sessionMedium": _numbered(b"medium-", digits(told["device"], 1)),
        "sessionCampaignName": _numbered(b"Voorjaar ", digits(told["campaign"], 6)),
        "sessions": digits(told["impressions"], 4),
        "engagedSessions": digits(told["impressions"], 4),
        "totalUsers": digits(told["impressions"], 4),
        "newUsers": digits(told["clicks"], 2),
        "keyEvents": quarters(told["conversions"], 2),
        "transactions": digits(told["clicks"], 2),
        "purchaseRevenue": quarters(told["value"], 5),
        "firstTimePurchasers": digits(told["clicks"], 2),
    }
    return _ga4_template().rows(said)


def ga4_page(rows: int, offset: int, limit: int) -> bytes:
    """One RunReportResponse of a report of so many rows."""
    rest = RunReportResponse(
        dimension_headers=[{"name": name} for name in _GA4_PLACES],
        metric_headers=[{"name": name} for name in _GA4_METRICS],
        row_count=rows,
        metadata={"currency_code": "EUR", "time_zone": "Europe/Amsterdam"},
    )
    page = range(offset // BLOCK, min(offset + limit, rows) // BLOCK)
    return b"".join(map(_ga4_rows, page)) + bytes(RunReportResponse.serialize(rest))


# --- Search Console ---------------------------------------------------------------------------

GSC_ROWS_A_DAY = 50_000  # the most there are
_GSC_ROW = (
    b'{"keys": ["2026-01-01", "goedkope elektrische fiets kopen 000000"], "clicks": 11, '
    b'"impressions": 2222, "ctr": 0.1234567890, "position": 33.33},\n'
)
_GSC_PLACES = {
    "date": (b"", b"2026-01-01"),
    "query": (b"kopen ", b"000000"),
    "clicks": (b'"clicks": ', b"11"),
    "impressions": (b"", b"2222"),
    "ctr": (b"0.", b"1234567890"),
    "position": (b"", b"33.33"),
}


def gsc_page(day: date, start_row: int, limit: int) -> bytes:
    """One answer of searchanalytics.query for a day of 50,000 queries."""
    at = (day - FIRST_DAY).days
    told: dict[str, list[Ints]] = {}
    for block in range(at * GSC_ROWS_A_DAY // BLOCK, (at + 1) * GSC_ROWS_A_DAY // BLOCK):
        for name, values in figures(block).items():
            told.setdefault(name, []).append(values)
    here = slice(start_row, start_row + limit)
    of_day = {name: np.concatenate(parts)[here] for name, parts in told.items()}
    if not len(of_day["day"]):
        return b'{"responseAggregationType": "byProperty"}'
    rows = Template(_GSC_ROW, _GSC_PLACES).rows(
        {
            "date": dates(np.full(len(of_day["day"]), at), "%Y-%m-%d"),
            "query": digits(np.arange(GSC_ROWS_A_DAY)[here], 6),
            "clicks": digits(of_day["clicks"], 2),
            "impressions": digits(of_day["impressions"], 4),
            "ctr": digits(of_day["clicks"] * 10**10 // of_day["impressions"], 10),
            "position": quarters(of_day["conversions"] + 40, 2),
        }
    )
    return (
        b'{"rows": [\n'
        + rows.removesuffix(b",\n")
        + b'\n], "responseAggregationType": "byProperty"}'
    )
