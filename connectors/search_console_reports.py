"""A user's own dimensions of Search Console as a table. There are few, and they are fixed.

Source: https://developers.google.com/webmaster-tools/v1/searchanalytics/query
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from connectors.base import Column, Table
from connectors.reports import PREFIX, Definition, Problem, WrongReportError, near
from connectors.tables import DAY, FLAG, GSC_RETENTION_DAYS, INTEGER, NUMBER, TEXT

DIMENSIONS = ("query", "page", "country", "device")
TYPES = ("web", "image", "video", "news", "discover", "googleNews")
# these know neither positions by property nor, mostly, queries
_WITHOUT_PROPERTY = ("discover", "googleNews")


@dataclass(frozen=True)
class Asked:
    """What is asked for a user's table, beside the date."""

    dimensions: tuple[str, ...]
    type: str
    filters: tuple[tuple[str, str], ...]

    @property
    def aggregation(self) -> str:
        if "page" in (*self.dimensions, *(name for name, _ in self.filters)):
            return "byPage"  # byProperty is refused then
        return "auto" if self.type in _WITHOUT_PROPERTY else "byProperty"

    @property
    def by_day(self) -> bool:
        """So many rows that each day is asked by itself."""
        return bool({"query", "page"} & set(self.dimensions))

    @property
    def condition(self) -> str:
        """What decides which rows there are, whatever the columns."""
        return " AND ".join(
            (f"type {self.type}", *(f"{name} = {value}" for name, value in self.filters))
        )


def search_console_table(definition: Definition) -> Table:
    """The table of a definition. Raises WrongReportError with all that is wrong with it."""
    problems = list(_problems(definition))
    if problems:
        raise WrongReportError(problems)
    names = tuple(name for name in definition.dimensions if name != "date")
    asked = Asked(
        names, definition.type, tuple((name, values[0]) for name, values in definition.filters)
    )
    return Table(
        "search_console",
        PREFIX + definition.name,
        (
            Column("account_id", TEXT, "the exact site URL, `sc-domain:…` or `https://…/`"),
            Column("date_day", DAY, "Pacific time, as Search Console counts"),
            *(Column(name, TEXT) for name in names),
            Column("clicks", INTEGER),
            Column("impressions", INTEGER),
            Column("position", NUMBER, "average position, weighted by impressions; 1 is the top"),
            Column("is_provisional", FLAG, "true while Google may still add to the day"),
        ),
        key=("account_id", "date_day", *names),
        retention_days=GSC_RETENTION_DAYS,
        requests_per_day=2 if asked.by_day else 0,
        optional=True,
        covers=f"what the report {definition.name} asks of Search Console",
        asks=asked,
    )


def _problems(definition: Definition) -> Iterator[Problem]:
    for i, name in enumerate(definition.dimensions):
        place = f"dimensions[{i}]"
        if name == "searchAppearance":
            yield Problem(
                place,
                "Google tells searchAppearance by itself alone, without dates and others",
                f"expected {', '.join(DIMENSIONS)}; `tables: [search_appearance_day]` has it",
            )
        elif name == "hour":
            yield Problem(place, "hours are told for the last days alone", "leave it out")
        elif name not in (*DIMENSIONS, "date"):
            hint = near(name, DIMENSIONS) or f"expected {', '.join(DIMENSIONS)}"
            yield Problem(place, f'there is no dimension "{name}" in Search Console', hint)
        elif name in definition.dimensions[:i]:
            yield Problem(place, f"{name} is there twice", "leave one out")
    if definition.type not in TYPES:
        hint = near(definition.type, TYPES) or f"expected {', '.join(TYPES)}"
        yield Problem("type", f'"{definition.type}" is unknown', hint)
    for name, values in definition.filters:
        if name not in DIMENSIONS:
            hint = near(name, DIMENSIONS) or f"expected {', '.join(DIMENSIONS)}"
            yield Problem(f"filter.{name}", "cannot be filtered on", hint)
        elif len(values) != 1:
            yield Problem(f"filter.{name}", "Search Console compares with one value", "keep one")
