"""Tables of a user's own: any GAQL, GA4 dimensions and metrics, or Search Console dimensions.

A definition becomes a `Table` like any other, called ``<source>__report_<name>``,
without asking anybody: names and types come from what Google ships of its APIs.
What its connector asks is in ``Table.asks``. What only the API itself can say
(which fields go together, a property's own dimensions) is `Connector.check`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from connectors.base import Column, Table
from connectors.tables import TEXT

PREFIX = "report_"
# columns that the warehouse adds to every table
OUR_COLUMNS = ("client", "loaded_at", "observed_at", "superseded_at")


@dataclass(frozen=True)
class Definition:
    """What a user asks for. ``query`` is of Google Ads, the rest of the others.

    ``filters``: only rows in which a dimension has one of these values. ``type``
    is Search Console's: web, image, video, news, discover, googleNews.
    """

    name: str
    source: str
    query: str = ""
    dimensions: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    type: str = "web"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a definition; ``place`` is the key, or one of its items."""

    place: str
    problem: str
    expected: str = ""


class WrongReportError(ValueError):
    """A definition cannot be used; ``problems`` says everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{one.place}: {one.problem}" for one in problems))
        self.problems = tuple(problems)


def table_of(definition: Definition) -> Table:
    """The table that a definition describes. Raises WrongReportError."""
    if definition.source == "google_ads":  # each is loaded only when there is one of it
        from connectors.google_ads_reports import google_ads_table

        return google_ads_table(definition)
    if definition.source == "ga4":
        from connectors.ga4_reports import ga4_table

        return ga4_table(definition)
    from connectors.search_console_reports import search_console_table

    return search_console_table(definition)


# --- what the sources share -------------------------------------------------------------------


def near(name: str, known: Iterable[str]) -> str:
    """``did you mean "clicks" or "all_clicks"?``, or nothing where nothing is near."""
    # what all have in common, such as `metrics.`, makes nothing alike
    told: dict[str, str] = {}
    for one in sorted(known, key=len):
        told.setdefault(one.rpartition(".")[2] if "." in name else one, one)
    found = get_close_matches(name.rpartition(".")[2], told, n=3, cutoff=0.7)
    close = [told[one] for one in found]
    if not close:
        return ""
    *others, last = (f'"{one}"' for one in close)
    return f"did you mean {', '.join(others)} or {last}?" if others else f"did you mean {last}?"


def column_name(short: str, long: str, taken: Collection[str]) -> str | None:
    """A column's name: the short one, the long one where that is taken, None if both are."""
    for name in (short, long):
        if name not in taken and name not in OUR_COLUMNS:
            return name
    return None


def snake(name: str) -> str:
    """``pageTitle`` and ``customEvent:Page type`` as the names of columns."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


# what tells one person from another, as people name it in their own dimensions
_PERSON = re.compile(
    r"(^|_)((user|client|visitor|customer|member|contact|lead|crm|cookie|device|session|uuid)_?"
    r"(pseudo_?)?(id|key|hash)|uid|gclid|wbraid|gbraid|fbclid|e_?mail(_?address)?"
    r"|phone(_?number)?|ip(_?address)?|(full|first|last)_?name)(_?(hash|hashed|sha256|md5|raw))?$"
)
# an account, and yes or no
_NO_PERSON = re.compile(r"google_ads_customer_id|signed_in_with_user_id")
PRIVACY = "Koers pulls nothing that tells one person from another"


def is_personal(name: str) -> bool:
    """Whether a name says that its values are of single people."""
    plain = snake(name.rpartition(":")[2])
    return _PERSON.search(plain) is not None and _NO_PERSON.search(plain) is None


def money(columns: Sequence[Column]) -> tuple[Column, ...]:
    """The currency beside amounts, unless it is there already."""
    if any(column.name == "currency_code" for column in columns):
        return ()
    return (Column("currency_code", TEXT, "ISO 4217 code"),)
