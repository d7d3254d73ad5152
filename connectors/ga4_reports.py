"""A user's own dimensions and metrics of GA4 as a table.

Types of the standard metrics are what the API's metadata says of them; a custom metric
is a fraction unless it counts. Whether a property has a field, and whether fields go
together, is asked of the API (`GA4.check`) before anything is read.

Source: https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.base import Column, Table
from connectors.reports import (
    PREFIX,
    PRIVACY,
    Definition,
    Problem,
    WrongReportError,
    column_name,
    is_personal,
    money,
    near,
    snake,
)
from connectors.tables import DAY, INTEGER, NUMBER, TEXT

MAX_DIMENSIONS, MAX_METRICS = 9, 10
# TYPE_INTEGER in the API's metadata; every other metric is a fraction, an amount or a duration
_COUNTS = """
    active1DayUsers active28DayUsers active7DayUsers activeUsers addToCarts advertiserAdClicks
    advertiserAdImpressions checkouts cohortActiveUsers cohortTotalUsers crashAffectedUsers
    ecommercePurchases engagedSessions eventCount firstTimePurchasers itemListClickEvents
    itemListViewEvents itemViewEvents itemsAddedToCart itemsCheckedOut itemsClickedInList
    itemsClickedInPromotion itemsPurchased itemsViewed itemsViewedInList itemsViewedInPromotion
    newUsers organicGoogleSearchClicks organicGoogleSearchImpressions promotionClicks
    promotionViews publisherAdClicks publisherAdImpressions screenPageViews scrolledUsers
    sessions totalPurchasers totalUsers transactions
"""
COUNTS = frozenset(_COUNTS.split())
_MONEY = re.compile(r"(Revenue|Cost|Amount|OnAdSpend)", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(:[^\s:]{1,100})?(\[[^\]]*\])?\Z")
# they count from the first day of a request, so that each slice would say something else
_RELATIVE = re.compile(r"(nth[A-Z]|cohort|dateRange)")


@dataclass(frozen=True)
class Asked:
    """What is asked for a user's table: pairs of column and the API's name; the date is first."""

    dimensions: tuple[tuple[str, str], ...]
    metrics: tuple[tuple[str, str], ...]
    filters: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def condition(self) -> str:
        """What decides which rows there are, whatever the columns."""
        return " AND ".join(f"{name} IN {list(values)}" for name, values in self.filters)


def ga4_table(definition: Definition) -> Table:
    """The table of a definition. Raises WrongReportError with all that is wrong with it."""
    problems = list(_problems(definition))
    names = [name for name in definition.dimensions if name != "date"]
    columns: dict[str, Column] = {
        "account_id": Column("account_id", TEXT, "property number"),
        "date_day": Column("date_day", DAY, "day in the property's time zone"),
    }
    asked: list[tuple[str, str]] = [("date_day", "date")]
    for name in (*names, *definition.metrics):
        kind = TEXT if name in names else INTEGER if _counts(name) else NUMBER
        column = column_name(snake(name), f"ga4_{snake(name)}", columns)
        if column is None:
            problems.append(Problem("metrics", f"two columns would be called {snake(name)}"))
            continue
        columns[column] = Column(column, kind, name)
        asked.append((column, name))
    if problems:
        raise WrongReportError(problems)
    beside = money(tuple(columns.values())) if any(map(_MONEY.search, definition.metrics)) else ()
    dimensions, metrics = asked[: len(names) + 1], asked[len(names) + 1 :]
    return Table(
        "ga4",
        PREFIX + definition.name,
        (*columns.values(), *beside),
        key=("account_id", *(column for column, _ in dimensions)),
        optional=True,
        covers=f"what the report {definition.name} asks of GA4",
        asks=Asked(tuple(dimensions), tuple(metrics), definition.filters),
    )


def _counts(name: str) -> bool:
    return name in COUNTS or name.startswith("countCustomEvent:")


def _problems(definition: Definition) -> Iterator[Problem]:
    for key, names, most in (
        ("dimensions", definition.dimensions, MAX_DIMENSIONS),
        ("metrics", definition.metrics, MAX_METRICS),
    ):
        for i, name in enumerate(names):
            place = f"{key}[{i}]"
            if not _NAME.match(name):
                expected = "expected the API's name, such as pageTitle or customEvent:plan"
                yield Problem(place, f'"{name}" is no name of GA4', expected)
            elif is_personal(name):
                yield Problem(place, f"{name} is about single people", PRIVACY)
            elif _RELATIVE.match(name):
                expected = "leave it out; SQL can count from date_day"
                yield Problem(place, f"{name} depends on which days a request has", expected)
            elif name in names[:i]:
                yield Problem(place, f"{name} is there twice", "leave one out")
        if len({*names, *(["date"] if key == "dimensions" else [])}) > most:
            with_date = ", with the date" if key == "dimensions" else ""
            yield Problem(key, f"are more than GA4 gives at once: {most}{with_date}", "leave out")
    if not definition.metrics:
        yield Problem("metrics", "is empty", "expected at least one, such as sessions")


def unknown_fields(
    dimensions: Sequence[tuple[str, str]],
    metrics: Sequence[tuple[str, str]],
    table: Table,
    metadata: Any,
) -> list[str]:
    """What a property's own metadata lacks of a report, with what is near.

    Also a metric that the API calls a fraction where the table has whole numbers.
    """
    problems: list[str] = []
    filters = table.asks.filters if isinstance(table.asks, Asked) else ()
    wanted = [name for _, name in dimensions] + [name for name, _ in filters]
    for kind, names, listed in (
        ("dimension", wanted, metadata.dimensions),
        ("metric", [name for _, name in metrics], metadata.metrics),
    ):
        known = {one.api_name for one in listed}
        known |= {old for one in listed for old in one.deprecated_api_names}
        for name in dict.fromkeys(names):
            if name not in known:
                hint = near(name, known)
                problems.append(f'no {kind} "{name}"' + (f", {hint}" if hint else ""))
    kinds = {one.api_name: one.type_.name for one in metadata.metrics}
    whole = {column.name for column in table.columns if column.type == INTEGER}
    problems += [
        f"{name} is no whole number here but {kinds[name]}: please report this"
        for column, name in metrics
        if column in whole and kinds.get(name, "TYPE_INTEGER") != "TYPE_INTEGER"
    ]
    return problems
