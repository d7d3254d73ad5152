"""Answers that are right but for one thing, as no vendor promises and some day one sends.

A poison is put into the first row of an answer, after it was made and before it
goes over the wire; where the vendor's own library refuses to write such a thing,
into the bytes. `POISONS` says what each one does. Not every source can have
every poison: Google Ads announces no row count, Search Console has no enums.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

POISONS: Mapping[str, str] = {
    "nan": "a measure is NaN",
    "inf": "a measure is +infinity",
    "-inf": "a measure is -infinity",
    "negative": "a cost, or else the first measure, is below zero",
    "huge": "a cost in micros, or else the first measure, is 10^18",
    "int64_max": "a whole measure is 2^63 - 1",
    "int64_min": "a whole measure is -2^63",
    "over_int64": "a measure written as text is 2^63",
    "not_a_number": 'a measure written as text is "n/a"',
    "fraction": "a measure that is counted is 12.5",
    "duplicate_key": "the first row comes twice, the second time with other figures",
    "outside_window": "a row of the day before the days that were asked",
    "bad_date": "a row of 30 February",
    "date_format": "a day as 01/11/2026",
    "empty_id": "an id (or a dimension with its place) is empty",
    "all_unset": "a row with nothing but its keys",
    "invalid_utf8": "a name with bytes that are no UTF-8",
    "lone_surrogate": "a name with half of an emoji",
    "control_characters": "a name with NUL, a line end and an escape",
    "emoji": "a name of emoji, joined ones and right-to-left marks too",
    "long_name": "a name of 10,000 characters",
    "unknown_enum": "an enum has a number that this version does not know",
    "unknown_field": "a field that this version does not know",
    "announces_more": "one row more is announced than comes",
    "announces_fewer": "one row less is announced than comes",
}
SOURCES_WITH_POISON = ("google_ads", "ga4", "search_console")

HUGE = 10**18
INT64_MAX, INT64_MIN = 2**63 - 1, -(2**63)
EMOJI = "🚲 👩\u200d👩\u200d👧 \u202etfel\u202c 🇳🇱"
LONG_NAME = "Lang" * 2_500
UNKNOWN_ENUM = 9_999
_PLACE = "koers-poison-here"  # stands for what can only be written as bytes
_CONTROL = "Nul \x00 line\r\n escape \x1b[31m"
_DOUBLES = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}
_NAMES = {
    "invalid_utf8": _PLACE,
    "lone_surrogate": _PLACE,
    "control_characters": _CONTROL,
    "emoji": EMOJI,
    "long_name": LONG_NAME,
}
# field 15,000 as a varint: 42
_UNKNOWN_FIELD = b"\xc0\xa9\x07\x2a"


def day_before(request: str) -> date:
    """Return the day before the first date that stands in the request."""
    days = [date.fromisoformat(d) for d in re.findall(r"\d{4}-\d{2}-\d{2}", request)]
    return min(days, default=date(2000, 1, 1)) - timedelta(days=1)


def finish(raw: bytes, poison: str, is_json: bool = False) -> bytes:
    """Put in what no library writes; protobuf keeps its length."""
    place = _PLACE.encode()
    if poison == "invalid_utf8":
        return raw.replace(place, b"Bad \xff\xfe name".ljust(len(place), b"."))
    if poison == "lone_surrogate" and is_json:
        return raw.replace(place, b"Half \\ud83d emoji")
    if poison == "lone_surrogate":
        return raw.replace(place, b"Half \xed\xa0\xbd emoji".ljust(len(place), b"."))
    if poison == "unknown_enum" and is_json:
        return raw.replace(b'"type": %d' % UNKNOWN_ENUM, b'"type": "TYPE_OF_TOMORROW"')
    return raw


# --- Google Ads -------------------------------------------------------------------------------

_ADS_NAMES = (
    "campaign.name",
    "segments.conversion_action_name",
    "conversion_action.name",
    "customer_client.descriptive_name",
    "customer.descriptive_name",
)
_ADS_ENUMS = (
    "segments.device",
    "segments.conversion_action_category",
    "conversion_action.category",
    "customer_client.status",
    "customer.status",
)
_ADS_IDS = ("campaign.id", "conversion_action.id", "customer_client.id", "customer.id")
_ADS_KEYS = ("resource_name", "id", "manager")


def ads_field(poison: str, rows: pa.Table) -> str | None:
    """Return the field of a Google Ads answer that the poison is for; None if there is none."""
    if not rows.num_rows:
        return None
    columns = rows.column_names
    metrics = [name for name in columns if name.startswith("metrics.")]
    doubles = [n for n in metrics if pa.types.is_floating(rows.schema.field(n).type)]
    wholes = [n for n in metrics if pa.types.is_integer(rows.schema.field(n).type)]
    wanted: Sequence[str] = {
        **dict.fromkeys(_DOUBLES, doubles),
        "negative": [*[n for n in metrics if n == "metrics.cost_micros"], *metrics],
        "huge": [n for n in metrics if n == "metrics.cost_micros"],
        **dict.fromkeys(("int64_max", "int64_min"), wholes),
        **dict.fromkeys(_NAMES, _ADS_NAMES),
        **dict.fromkeys(("outside_window", "bad_date", "date_format"), ("segments.date",)),
        "duplicate_key": metrics,
        "all_unset": metrics,
        "empty_id": _ADS_IDS,
        "unknown_enum": _ADS_ENUMS,
        "unknown_field": columns,
    }.get(poison, ())
    return next((name for name in wanted if name in columns), None)


def spoil_ads(reply: Any, poison: str, field: str, request: str) -> bytes:
    """Spoil the first of ``reply.results`` and return the reply's bytes."""
    row = reply.results[0]
    *steps, leaf = field.split(".")
    target = row
    for step in steps:
        target = getattr(target, step)
    if poison in _DOUBLES:
        setattr(target, leaf, _DOUBLES[poison])
    elif poison == "negative":
        setattr(target, leaf, -1_000_000)
    elif poison in ("huge", "int64_max", "int64_min"):
        setattr(target, leaf, {"huge": HUGE, "int64_max": INT64_MAX}.get(poison, INT64_MIN))
    elif poison in _NAMES:
        setattr(target, leaf, _NAMES[poison])
    elif poison == "outside_window":
        target.date = day_before(request).isoformat()
    elif poison in ("bad_date", "date_format"):
        target.date = "2026-02-30" if poison == "bad_date" else "01/11/2026"
    elif poison == "duplicate_key":
        again = reply.results.add()
        again.CopyFrom(row)
        setattr(again.metrics, leaf, getattr(row.metrics, leaf) + 1)
    elif poison == "all_unset":
        row.ClearField("metrics")
        for head in (row.campaign, row.customer):
            for found, _ in head.ListFields():
                if found.name not in _ADS_KEYS:
                    head.ClearField(found.name)
    elif poison == "empty_id":
        target.ClearField(leaf)
    elif poison == "unknown_enum":
        setattr(target, leaf, UNKNOWN_ENUM)
    elif poison == "unknown_field":
        row.MergeFromString(_UNKNOWN_FIELD)
        reply.MergeFromString(_UNKNOWN_FIELD)
    return finish(reply.SerializeToString(), poison)


# --- GA4 --------------------------------------------------------------------------------------

_INTEGER, _FRACTIONS = "TYPE_INTEGER", ("TYPE_CURRENCY", "TYPE_FLOAT")
_GA4_VALUES = {
    "nan": "NaN",
    "inf": "Infinity",
    "-inf": "-Infinity",
    "negative": "-12",
    "huge": str(HUGE),
    "int64_max": str(INT64_MAX),
    "int64_min": str(INT64_MIN),
    "over_int64": str(INT64_MAX + 1),
    "not_a_number": "n/a",
    "fraction": "12.5",
}


def ga4_place(poison: str, report: Any) -> int | None:
    """Return the dimension or metric (by number) that the poison is for; None if there is none."""
    if not report.rows:
        return None
    dimensions = [header.name for header in report.dimension_headers]
    enum = report.DESCRIPTOR.fields_by_name["metric_headers"].message_type.fields_by_name["type_"]
    names = enum.enum_type.values_by_number
    types = [names[header.type_].name for header in report.metric_headers]
    if poison in ("int64_max", "int64_min", "over_int64", "fraction", "huge"):
        return next((i for i, kind in enumerate(types) if kind == _INTEGER), None)
    if poison in _DOUBLES:
        return next((i for i, kind in enumerate(types) if kind in _FRACTIONS), None)
    if poison in ("outside_window", "bad_date", "date_format"):
        return dimensions.index("date") if "date" in dimensions else None
    if poison in _NAMES or poison == "empty_id":
        return next((i for i, name in enumerate(dimensions) if name != "date"), None)
    return 0 if types else None


def spoil_ga4(report: Any, poison: str, place: int, request: str) -> None:
    """Spoil the first row of a RunReportResponse; `finish` does the rest."""
    row = report.rows[0]
    if poison in _GA4_VALUES:
        row.metric_values[place].value = _GA4_VALUES[poison]
    elif poison in _NAMES:
        row.dimension_values[place].value = _NAMES[poison]
    elif poison == "empty_id":
        row.dimension_values[place].value = ""
    elif poison == "outside_window":
        row.dimension_values[place].value = f"{day_before(request):%Y%m%d}"
    elif poison in ("bad_date", "date_format"):
        bad = "20260230" if poison == "bad_date" else "01/11/2026"
        row.dimension_values[place].value = bad
    elif poison == "duplicate_key":
        again = report.rows.add()
        again.CopyFrom(row)
        again.metric_values[0].value = "1234567"
        report.row_count += 1  # or else it is the count that is wrong
    elif poison == "all_unset":
        for value in row.metric_values:
            value.ClearField("value")
        report.metadata.Clear()
    elif poison == "unknown_enum":
        report.metric_headers[0].type_ = UNKNOWN_ENUM
    elif poison == "unknown_field":
        row.MergeFromString(_UNKNOWN_FIELD)
        report.MergeFromString(_UNKNOWN_FIELD)
    elif poison in ("announces_more", "announces_fewer"):
        report.row_count += 1 if poison == "announces_more" else -1


# --- Search Console ---------------------------------------------------------------------------

_SEARCH_VALUES: Mapping[str, tuple[str, Any]] = {
    "nan": ("position", float("nan")),
    "inf": ("position", float("inf")),
    "-inf": ("position", float("-inf")),
    "negative": ("clicks", -12),
    "huge": ("clicks", HUGE),
    "int64_max": ("clicks", INT64_MAX),
    "int64_min": ("clicks", INT64_MIN),
    "over_int64": ("clicks", INT64_MAX + 1),
    "not_a_number": ("clicks", "n/a"),
    "fraction": ("clicks", 12.5),
}


def search_fits(poison: str, dimensions: Sequence[str], answer: Mapping[str, Any]) -> bool:
    if not answer.get("rows"):
        return False
    if poison in ("outside_window", "bad_date", "date_format"):
        return "date" in dimensions
    if poison in _NAMES or poison == "empty_id":
        return any(name in ("query", "page") for name in dimensions)
    return poison not in ("unknown_enum", "announces_more", "announces_fewer")


def spoil_search(
    answer: dict[str, Any], poison: str, dimensions: Sequence[str], request: str
) -> None:
    """Spoil the first row of a searchanalytics.query answer; `finish` does the rest."""
    row = answer["rows"][0]
    keys: list[str] = row.get("keys", [])
    text = next((i for i, name in enumerate(dimensions) if name in ("query", "page")), 0)
    if poison in _SEARCH_VALUES:
        name, value = _SEARCH_VALUES[poison]
        row[name] = value
    elif poison in _NAMES:
        keys[text] = _NAMES[poison]
    elif poison == "empty_id":
        keys[text] = ""
    elif poison == "outside_window":
        keys[dimensions.index("date")] = day_before(request).isoformat()
    elif poison in ("bad_date", "date_format"):
        bad = "2026-02-30" if poison == "bad_date" else "01/11/2026"
        keys[dimensions.index("date")] = bad
    elif poison == "duplicate_key":
        answer["rows"].insert(1, {**row, "clicks": row["clicks"] + 1})
    elif poison == "all_unset":
        answer["rows"][0] = {"keys": keys}
    elif poison == "unknown_field":
        row["conversions"] = {"of": ["tomorrow"]}
        answer["koers"] = 42
