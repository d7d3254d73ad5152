"""A user's own GAQL as a table: its columns, types and key, from the shipped protos.

Google gives a row for each resource and each combination of the selected segments,
and in some views for each other resource that is selected as well. So the names of
these resources and the segments are the key, and Koers asks for what a query lacks
of it. Attributes may be null; they are not in the key, so a renaming splits nothing.

Source: https://developers.google.com/google-ads/api/docs/query/structure and
https://developers.google.com/google-ads/api/docs/reporting/segmentation
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module

import pyarrow as pa
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from connectors.base import Column, DateWindow, Table
from connectors.gaql import DATE, DATE_SEGMENTS, Gaql, GaqlError, read_gaql
from connectors.google_ads_queries import API_VERSION, Query
from connectors.reports import (
    PREFIX,
    PRIVACY,
    Definition,
    Problem,
    WrongReportError,
    column_name,
    near,
)
from connectors.tables import ADS_RETENTION_DAYS, DAY, FLAG, INTEGER, NUMBER, TEXT

# a row of these is one person, one click or one sign-in
PERSONAL_RESOURCES = (
    "call_view",
    "click_view",
    "customer_user_access",
    "customer_user_access_invitation",
    "lead_form_submission_data",
    "local_services_lead",
    "local_services_lead_conversation",
)
_PERSONAL_FIELDS = ("email_address", "gclid", "user_email", "user_id")
_OURS = {
    "customer.id": "account_id",
    DATE: "date_day",
    "customer.currency_code": "currency_code",
}
_MONEY = re.compile(r"_micros$|cost|value|revenue|average_cp|profit|units_price")
# spans that the API writes as their first day
_DAYS = tuple(name for name in DATE_SEGMENTS if not name.endswith("year"))
# how deep fields lie in a row, and how long a list of them may get
_DEPTH = 6

_TYPES: dict[int, pa.DataType] = {
    FieldDescriptor.TYPE_DOUBLE: NUMBER,
    FieldDescriptor.TYPE_FLOAT: NUMBER,
    FieldDescriptor.TYPE_INT64: INTEGER,
    FieldDescriptor.TYPE_INT32: INTEGER,
    FieldDescriptor.TYPE_UINT64: INTEGER,
    FieldDescriptor.TYPE_UINT32: INTEGER,
    FieldDescriptor.TYPE_BOOL: FLAG,
    FieldDescriptor.TYPE_STRING: TEXT,
    FieldDescriptor.TYPE_ENUM: TEXT,
}


@dataclass(frozen=True)
class Asked:
    """What is asked for a user's table: pairs of column and field, and the conditions."""

    resource: str
    fields: tuple[tuple[str, str], ...]
    conditions: tuple[str, ...]
    is_daily: bool
    blank: tuple[str, ...]

    @property
    def condition(self) -> str:
        """What decides which rows there are, whatever the columns."""
        where = f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""
        return f"FROM {self.resource}{where}"


@dataclass(frozen=True)
class AskedQuery(Query):
    """A user's query, ready to be written for some days; what goes together the API says."""

    conditions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Nothing is looked up: `google_ads_table` and the API have judged it."""

    @classmethod
    def of(cls, asked: Asked) -> AskedQuery:
        return cls(
            asked.resource,
            dict(asked.fields),
            is_daily=asked.is_daily,
            blank=asked.blank,
            conditions=asked.conditions,
        )

    def gaql(self, window: DateWindow | None = None) -> str:
        """Write the query; both ends of ``window`` are included."""
        fields = ", ".join(
            ".".join(part.removesuffix("_") for part in path.split("."))
            for path in self.fields.values()
        )
        conditions = list(self.conditions)
        if self.is_daily and window is not None:
            conditions.insert(0, f"{DATE} BETWEEN '{window.start}' AND '{window.end}'")
        query = f"SELECT {fields} FROM {self.resource}"  # noqa: S608 (GAQL; names were looked up)
        return f"{query} WHERE {' AND '.join(conditions)}" if conditions else query


def google_ads_table(definition: Definition) -> Table:
    """The table of a query. Raises WrongReportError with all that is wrong with it."""
    try:
        query = read_gaql(definition.query)
    except GaqlError as e:
        raise WrongReportError([Problem("query", e.problem, e.expected)]) from e
    problems = list(_problems(query))
    if problems:
        raise WrongReportError(problems)
    fields = _completed(query)
    columns = {"account_id": Column("account_id", TEXT, "customer.id")}
    asked: list[tuple[str, str]] = []
    key = ["account_id"]
    for name in fields:
        path, leaf = _found(name)
        head, _, rest = name.partition(".")
        long = name.replace(".", "_")
        short = _OURS.get(name) or (rest.replace(".", "_") if head in _SHORT else long)
        column = short if name == "customer.id" else column_name(short, long, columns)
        if column is None:
            raise WrongReportError([Problem("query", f"two fields would be called {long}")])
        columns[column] = Column(column, _type_of(name, leaf), name, is_count=_is_count(name, leaf))
        asked.append((column, ".".join(path)))
        if _is_key(name) and column not in key:
            key.append(column)
    return Table(
        "google_ads",
        PREFIX + definition.name,
        tuple(columns.values()),
        tuple(key),
        retention_days=ADS_RETENTION_DAYS if query.is_daily else None,
        optional=True,
        covers=f"what the query of the report {definition.name} selects",
        asks=Asked(
            query.resource,
            tuple(asked),
            query.conditions,
            query.is_daily,
            tuple(name for name in key if columns[name].type == TEXT),
        ),
    )


_SHORT = ("metrics", "segments")
_CONSTANT = "_constant"


def _completed(query: Gaql) -> tuple[str, ...]:
    """The fields of a query with those that every table of ours has, in a steady order."""
    selected = query.select
    heads = dict.fromkeys(name.partition(".")[0] for name in (f"{query.resource}.", *selected))
    of_resources = [head for head in heads if head not in (*_SHORT, "customer")]
    # what is the same for every account has no account
    ours = [] if query.resource.endswith(_CONSTANT) else ["customer.id"]
    if query.is_daily:
        ours.append(DATE)
    if any(_MONEY.search(name) for name in selected):
        ours.append("customer.currency_code")
    names = [f"{head}.resource_name" for head in of_resources]
    rest = [name for name in selected if name not in (*ours, *names)]
    described = [name for name in rest if name.partition(".")[0] not in _SHORT]
    segments = [name for name in rest if name.startswith("segments.")]
    metrics = [name for name in rest if name.startswith("metrics.")]
    return (*ours, *names, *described, *segments, *metrics)


def _is_key(name: str) -> bool:
    return (
        name == "customer.id"
        or name.startswith("segments.")
        or (
            name.endswith(".resource_name")
            and name.count(".") == 1
            and not name.startswith("customer.")
        )
    )


# --- fields -----------------------------------------------------------------------------------


@cache
def _row() -> Descriptor:
    messages = import_module(
        f"google.ads.googleads.{API_VERSION}.services.types.google_ads_service"
    )
    row: Descriptor = messages.GoogleAdsRow.pb().DESCRIPTOR
    return row


def find_field(name: str) -> tuple[tuple[str, ...], FieldDescriptor] | None:
    """Where a field lies in a row, and what it is; None for one that the API does not have."""
    message: Descriptor | None = _row()
    path: list[str] = []
    leaf: FieldDescriptor | None = None
    for part in name.split("."):
        if message is None or (leaf is not None and leaf.is_repeated):
            return None
        # what is reserved in Python is called otherwise in the client's messages alone
        leaf = message.fields_by_name.get(part) or message.fields_by_name.get(f"{part}_")
        if leaf is None or part.endswith("_"):
            return None
        path.append(leaf.name)
        message = leaf.message_type
    return (tuple(path), leaf) if leaf is not None else None


def _found(name: str) -> tuple[tuple[str, ...], FieldDescriptor]:
    found = find_field(name)
    assert found is not None, name  # `_problems` has looked it up
    return found


@cache
def _fields_of(head: str) -> tuple[str, ...]:
    """Every field below a resource, ``metrics`` or ``segments``, by its GAQL name."""
    top = _row().fields_by_name.get(head)
    if top is None or top.message_type is None:
        return ()
    return tuple(_below(top.message_type, head, _DEPTH))


def _below(message: Descriptor, prefix: str, depth: int) -> Iterator[str]:
    for field in message.fields:
        name = f"{prefix}.{field.name.removesuffix('_')}"
        if field.message_type is None:
            yield name
        elif depth and not field.is_repeated:
            yield from _below(field.message_type, name, depth - 1)


def _type_of(name: str, leaf: FieldDescriptor) -> pa.DataType:
    if name in _DAYS:
        return DAY
    if leaf.is_repeated:
        return TEXT  # a list in JSON
    last = name.rpartition(".")[2]
    # an id is not counted with; as text it is compared as it is shown
    if (last == "id" or last.endswith("_id")) and _TYPES[leaf.type] == INTEGER:
        return TEXT
    return _TYPES[leaf.type]


def _is_count(name: str, leaf: FieldDescriptor) -> bool:
    """A metric that is counted is a whole number; a fraction may be a share that is not told."""
    return name.startswith("metrics.") and _type_of(name, leaf) == INTEGER


# --- what is wrong ----------------------------------------------------------------------------


def _problems(query: Gaql) -> Iterator[Problem]:
    resources = [f.name for f in _row().fields if f.name not in _SHORT]
    if query.resource in PERSONAL_RESOURCES:
        yield Problem("query", f"{query.resource} is about single people or clicks", PRIVACY)
        return
    if query.resource not in resources:
        hint = near(query.resource, resources) or "expected a resource such as campaign"
        yield Problem("query", f'there is no resource "{query.resource}"', hint)
        return
    for name in dict.fromkeys((*query.select, *query.filtered)):
        if problem := _field_problem(name):
            yield problem
    days = [name for name in query.select if name in DATE_SEGMENTS]
    if days and not query.is_daily:
        yield Problem(
            "query",
            f"selects {days[0]} without saying for which days",
            f"add WHERE {DATE} BETWEEN {{start}} AND {{end}}, which Koers fills in",
        )


def _field_problem(name: str) -> Problem | None:
    head, _, rest = name.partition(".")
    found = find_field(name)
    if found is None or not rest:
        known = _fields_of(head)
        if not known:
            hint = near(head, (f.name for f in _row().fields))
            return Problem("query", f'there is no resource "{head}", so no {name}', hint)
        hint = near(name, known) or f"see the fields of {head} at Google"
        return Problem("query", f'there is no field "{name}" in Google Ads {API_VERSION}', hint)
    if rest.rpartition(".")[2] in _PERSONAL_FIELDS or head in PERSONAL_RESOURCES:
        return Problem("query", f"{name} is about single people or clicks", PRIVACY)
    leaf = found[1]
    if leaf.message_type is not None and leaf.is_repeated:
        return Problem("query", f"{name} is a list of groups of fields", "leave it out")
    if leaf.message_type is not None:
        some = ", ".join(list(_below(leaf.message_type, name, 1))[:3])
        return Problem("query", f"{name} is a group of fields", f"name those of it, such as {some}")
    if leaf.type not in _TYPES:
        return Problem("query", f"{name} is of a kind that no column holds", "leave it out")
    return None
