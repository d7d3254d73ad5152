"""Answers a checked GAQL query from the world: filter, group, add up, order, limit."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from datetime import date, timedelta
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.sandbox import world_changes
from connectors.sandbox.gaql import Condition, GaqlError, Query, during, read_date
from connectors.sandbox.google_ads_fields import (
    ACTION_SEGMENTS,
    CHANGE_MOMENT,
    CONVERSION_SEGMENTS,
    CORE_DATE_SEGMENTS,
    HOUR_SEGMENT,
    LAG_SEGMENT,
    RATIOS,
    SHARES,
    WHOLE,
    Field,
    NotModelledError,
    Resource,
    check,
    field_of,
)
from connectors.sandbox.world import ADS_METRICS, AdAccount, World
from connectors.sandbox.world_ads_grains import GRAINS, split
from connectors.sandbox.world_lag import Split

# daily figures are kept for 37 months; older ones only by month or longer
DAILY_MONTHS = 37
CHANGE_DAYS = 30
TEXT = pa.string()
_WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")

# what a row of the facts is one of: with these selected there is nothing to add up
_GRAIN = {
    "campaign.resource_name",
    "segments.date",
    "segments.device",
    "segments.ad_network_type",
}


class Answers:
    """Answers queries as of a day. Safe to use from several threads."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._lock = threading.Lock()
        self._bases: OrderedDict[Hashable, pa.Table] = OrderedDict()
        self._settings = {
            "campaign_budget": self._budgets,
            "campaign_label": self._campaign_labels,
            "ad_group_label": self._ad_group_labels,
        }

    def answer(self, query: Query, account: AdAccount, today: date) -> pa.Table:
        """Return one column per selected field that this world knows, named as in GAQL.

        Enums are their names, dates ISO text. A field that is unset everywhere
        has no column. Raises GaqlError or NotModelledError.
        """
        resource = check(query)
        fields = [field_of(name) for name in query.select]
        metrics = [f for f in fields if f.category == "METRIC"]
        asked_metrics = [n for n in query.fields if field_of(n).category == "METRIC"]
        if asked_metrics and account.is_manager:
            raise GaqlError(
                "REQUESTED_METRICS_FOR_MANAGER",
                "Metrics cannot be requested for a manager account. To retrieve metrics, issue "
                "separate requests against each client account under the manager account.",
            )
        days = _check_dates(query, today)

        from_facts = any(field_of(n).category in ("METRIC", "SEGMENT") for n in query.fields)
        rows = self._base(query, resource, account, today, from_facts, days)
        rows = _narrow(rows, query, account, today)
        if from_facts:
            rows = _group(rows, query, resource, asked_metrics)
            if all(f.category != "SEGMENT" for f in fields):
                rows = self._with_idle(rows, resource.name, account, today, query)
            elif metrics:
                rows = _without_zeros(rows, [f.name for f in metrics])
            rows = _filter(rows, [c for c in query.where if _is_metric(c.field)], today)
        if order := [o for o in query.order_by if o.field in rows.column_names]:
            rows = rows.sort_by(
                [(o.field, "descending" if o.descending else "ascending") for o in order]
            )
        if query.limit is not None:
            rows = rows.slice(0, query.limit)
        return _with_resource_names(rows, query)

    # --- what the world holds, under GAQL's names ---------------------------------------------

    def _base(
        self,
        query: Query,
        resource: Resource,
        account: AdAccount,
        today: date,
        from_facts: bool,
        days: tuple[date, date],
    ) -> pa.Table:
        if resource.name == "customer_client":
            return self._customer_clients(account)
        if resource.name == "conversion_action":
            return self._conversion_actions(account)
        if resource.name in self._settings:
            return self._settings[resource.name](account, today)
        if resource.name == "change_event":
            return self._changes(query, account, today)
        if resource.name == "ad_group" and not from_facts:
            return self._ad_groups(account, today)
        if resource.name in GRAINS:
            if not any(field_of(name).category == "SEGMENT" for name in query.select):
                raise NotModelledError(f"the sandbox holds no {resource.name} without its days")
            return self._below(resource.name, query, account, today, days)
        if HOUR_SEGMENT in query.fields:
            return self._below("hour", query, account, today, days)
        if from_facts:
            return self._facts(query, account, today, days)
        return self._entities(resource.name, account, today)

    def _facts(
        self, query: Query, account: AdAccount, today: date, days: tuple[date, date]
    ) -> pa.Table:
        split: Split = ""
        if any(n in ACTION_SEGMENTS for n in query.fields):
            split = "action"
        elif LAG_SEGMENT in query.fields:
            split = "lag"
        key: Hashable = (account.customer_id, split, today, self.world.revision)
        if self.world.is_monthly(account.customer_id):
            # what is asked is made for the question: keeping it would keep too much
            return self._make_facts(account, split, today, days)
        with self._lock:
            if key not in self._bases:
                self._bases[key] = self._make_facts(account, split, today, days)
                if len(self._bases) > 8:
                    self._bases.popitem(last=False)
            return self._bases[key]

    def _below(
        self,
        grain: str,
        query: Query,
        account: AdAccount,
        today: date,
        days: tuple[date, date],
    ) -> pa.Table:
        """Return the days that are asked for, divided among the parts of their campaigns."""
        facts = self._facts(query, account, today, days)
        first, last = (pa.scalar(day.isoformat()) for day in days)
        dated = facts["segments.date"]
        asked = pc.and_(pc.greater_equal(dated, first), pc.less_equal(dated, last))
        needed = {"metrics.clicks", *_parts([n for n in query.fields if _is_metric(n)], facts)}
        kept = [n for n in facts.column_names if not _is_summed(n) or n in needed]
        return split(facts.select(kept).filter(asked).combine_chunks(), grain, account.customer_id)

    def _make_facts(
        self, account: AdAccount, split: Split, today: date, window: tuple[date, date]
    ) -> pa.Table:
        customer = account.customer_id
        facts = self.world.ads_facts_between(customer, today, *window, split=split)
        days = facts["date_day"].combine_chunks().dictionary_encode()
        calendar: list[date] = days.dictionary.to_pylist()

        def by_day(value: Any, kind: pa.DataType = TEXT) -> pa.Array:
            return pa.array([value(day) for day in calendar], kind).take(days.indices)

        columns: dict[str, Any] = {
            "segments.date": by_day(lambda d: d.isoformat()),
            "segments.week": by_day(lambda d: (d - timedelta(days=d.weekday())).isoformat()),
            "segments.month": by_day(lambda d: d.replace(day=1).isoformat()),
            "segments.quarter": by_day(
                lambda d: d.replace(month=(d.month - 1) // 3 * 3 + 1, day=1).isoformat()
            ),
            "segments.year": by_day(lambda d: d.year, pa.int64()),
            "segments.day_of_week": by_day(lambda d: _WEEKDAYS[d.weekday()]),
            "segments.device": facts["device"],
            "segments.ad_network_type": facts["network"],
            **_campaign_columns(
                facts["campaign_id"], self.world.ads_campaigns(customer, today), customer, today
            ),
        }
        if split == "lag":
            columns[LAG_SEGMENT] = facts["conversion_lag_bucket"]
        elif split == "action":
            columns |= {
                "segments.conversion_action": _resource_names(
                    customer, "conversionActions", facts["conversion_action_id"]
                ),
                "segments.conversion_action_name": facts["conversion_action_name"],
                "segments.conversion_action_category": facts["conversion_action_category"],
            }
        for metric in ADS_METRICS:
            if metric in facts.column_names:
                columns[f"metrics.{metric}"] = facts[metric]
        if not split:
            columns |= _auctions(columns)
            columns["metrics.interactions"] = facts["clicks"]
            columns["metrics.view_through_conversions"] = pa.repeat(
                pa.scalar(0, pa.int64()), facts.num_rows
            )
        return pa.table(columns)

    def _entities(self, resource: str, account: AdAccount, today: date) -> pa.Table:
        if resource == "customer":
            name = f"customers/{account.customer_id}"
            return pa.table({"customer.resource_name": pa.array([name])})
        campaigns = self.world.ads_campaigns(account.customer_id, today)
        ids = campaigns["campaign_id"]
        return pa.table(_campaign_columns(ids, campaigns, account.customer_id, today))

    # --- what is set, and what was changed ----------------------------------------------------

    def _ad_groups(self, account: AdAccount, today: date) -> pa.Table:
        campaigns = self.world.ads_campaigns(account.customer_id, today)
        known = zip(
            *(campaigns[n].to_pylist() for n in ("campaign_id", "channel_type")), strict=True
        )
        found = world_changes.ad_groups(account.customer_id, list(known), today)
        return pa.Table.from_pylist(found)

    def _budgets(self, account: AdAccount, today: date) -> pa.Table:
        rows = self._entities("campaign", account, today)
        prefix = "campaign_budget."
        names = [name for name in rows.column_names if name.startswith(prefix)]
        counted = rows.group_by(names).aggregate([("campaign.id", "count")])
        return (
            counted.rename_columns([*names, f"{prefix}reference_count"])
            .append_column(f"{prefix}status", pa.repeat("ENABLED", counted.num_rows))
            .append_column(f"{prefix}period", pa.repeat("DAILY", counted.num_rows))
            .sort_by(f"{prefix}id")
        )

    def _campaign_labels(self, account: AdAccount, today: date) -> pa.Table:
        return _labelled("campaign", self._entities("campaign", account, today), account)

    def _ad_group_labels(self, account: AdAccount, today: date) -> pa.Table:
        return _labelled("ad_group", self._ad_groups(account, today), account)

    def _changes(self, query: Query, account: AdAccount, today: date) -> pa.Table:
        bounds = [c for c in query.where if c.field == CHANGE_MOMENT]
        oldest = min(value for c in bounds for value in c.values)[:10]
        if read_date(oldest) < today - timedelta(days=CHANGE_DAYS):
            raise GaqlError(
                "START_DATE_TOO_OLD",
                "The requested start date is too old. It must be within the past "
                f"{CHANGE_DAYS} days.",
                "change_event_error",
            )
        customer = f"customers/{account.customer_id}"
        found = world_changes.changes(account.customer_id, today)
        columns: dict[str, Any] = {
            name: pa.array([value(c) for c in found], kind)
            for name, kind, value in (
                ("resource_name", TEXT, lambda c: f"{customer}/changeEvents/{c.id}"),
                ("change_date_time", TEXT, lambda c: f"{c.at:%Y-%m-%d %H:%M:%S.%f}"),
                ("change_resource_type", TEXT, lambda c: c.resource_type),
                (
                    "change_resource_name",
                    TEXT,
                    lambda c: f"{customer}/{c.collection}/{c.resource_id}",
                ),
                ("resource_change_operation", TEXT, lambda c: c.operation),
                ("client_type", TEXT, lambda c: c.client_type),
                ("user_email", TEXT, lambda c: "sanne@noorderlicht.example"),
                ("campaign", TEXT, lambda c: f"{customer}/campaigns/{c.campaign_id}"),
                (
                    "ad_group",
                    TEXT,
                    lambda c: f"{customer}/adGroups/{c.ad_group_id}" if c.ad_group_id else None,
                ),
                ("changed_fields.paths", pa.list_(TEXT), lambda c: c.fields),
            )
        }
        for side in ("old", "new"):
            for path in dict.fromkeys(path for c in found for path in getattr(c, side)):
                columns[f"{side}_resource.{path}"] = pa.array(
                    [getattr(c, side).get(path) for c in found]
                )
        return pa.table({f"change_event.{name}": column for name, column in columns.items()})

    def _customer_clients(self, account: AdAccount) -> pa.Table:
        found: list[tuple[AdAccount, int]] = []

        def walk(one: AdAccount, level: int) -> None:
            found.append((one, level))
            for child in self.world.ad_accounts:
                if child.manager_id == one.customer_id:
                    walk(child, level + 1)

        walk(account, 0)
        accounts = [one for one, _ in found]
        ids = pa.array([int(a.customer_id) for a in accounts], pa.int64())
        return pa.table(
            {
                "customer_client.resource_name": _resource_names(
                    account.customer_id, "customerClients", ids
                ),
                "customer_client.client_customer": pa.array(
                    [f"customers/{a.customer_id}" for a in accounts]
                ),
                "customer_client.id": ids,
                "customer_client.descriptive_name": pa.array([a.name for a in accounts]),
                "customer_client.currency_code": pa.array([a.currency_code for a in accounts]),
                "customer_client.time_zone": pa.array([a.time_zone for a in accounts]),
                "customer_client.status": pa.array([a.status for a in accounts]),
                "customer_client.manager": pa.array([a.is_manager for a in accounts]),
                "customer_client.level": pa.array([level for _, level in found], pa.int64()),
                "customer_client.hidden": pa.array([False] * len(accounts)),
                "customer_client.test_account": pa.array([False] * len(accounts)),
            }
        )

    def _conversion_actions(self, account: AdAccount) -> pa.Table:
        actions = self.world.ads_conversion_actions(account.customer_id)
        columns = {
            "conversion_action.resource_name": _resource_names(
                account.customer_id, "conversionActions", actions["conversion_action_id"]
            ),
            "conversion_action.id": actions["conversion_action_id"],
            "conversion_action.name": actions["conversion_action_name"],
            "conversion_action.include_in_conversions_metric": actions["primary_for_goal"],
            "conversion_action.owner_customer": pa.array(
                [f"customers/{account.customer_id}"] * actions.num_rows, pa.string()
            ),
        }
        for same in (
            "category",
            "type",
            "status",
            "primary_for_goal",
            "counting_type",
            "click_through_lookback_window_days",
            "view_through_lookback_window_days",
        ):
            columns[f"conversion_action.{same}"] = actions[same]
        columns["conversion_action.value_settings.default_value"] = actions["default_value"]
        return pa.table(columns)

    def _with_idle(
        self, rows: pa.Table, resource: str, account: AdAccount, today: date, query: Query
    ) -> pa.Table:
        """Without segments, what has no traffic is a row of zeros."""
        everything = _with_customer(self._entities(resource, account, today), account)
        conditions = [c for c in query.where if field_of(c.field).category == "ATTRIBUTE"]
        everything = _filter(everything, conditions, today)
        entity = f"{resource}.resource_name"
        idle = everything.filter(
            pc.invert(pc.is_in(everything[entity], rows[entity].combine_chunks()))
        )
        columns = {}
        for column in rows.schema:
            if column.name in idle.column_names:
                columns[column.name] = idle[column.name]
            else:
                columns[column.name] = pa.repeat(pa.scalar(0, column.type), idle.num_rows)
        return pa.concat_tables([rows, pa.table(columns, schema=rows.schema)])


def _auctions(columns: dict[str, Any]) -> dict[str, Any]:
    """How many auctions of the Search Network there were, and what became of them.

    Which part is won follows from the campaign: one wins nine in ten, another one in twenty.
    """
    on_search = pc.and_(
        pc.equal(columns["segments.ad_network_type"], "SEARCH"),
        pc.is_in(columns["campaign.advertising_channel_type"], pa.array(["SEARCH", "SHOPPING"])),
    )
    won = pc.if_else(on_search, columns["metrics.impressions"], 0)
    # by the campaign's last digit, in tenths of what is won: lost to its budget and to its rank
    digit = np.asarray(columns["campaign.id"].to_numpy()) % 10
    budget = np.array([0, 0, 2, 1, 170, 30, 0, 5, 20, 1])[digit]
    rank = np.array([1, 1, 4, 8, 8, 5, 200, 9, 3, 2])[digit]
    shown = np.asarray(won.to_numpy())
    lost_to_budget, lost_to_rank = shown * budget // 10, shown * rank // 10
    return {
        "metrics.search_impressions": won,
        "metrics.search_top_impressions": pa.array(shown * 6 // 10),
        "metrics.search_lost_to_budget": pa.array(lost_to_budget),
        "metrics.search_lost_to_rank": pa.array(lost_to_rank),
        "metrics.search_auctions": pa.array(shown + lost_to_budget + lost_to_rank),
    }


def _bounded(metric: str, share: Any) -> Any:
    """Tell a share as Google does: less than 10% is 0.0999, more than 90% lost is 0.9001."""
    if "_lost_" in metric:
        return pc.if_else(pc.greater(share, 0.9), 0.9001, share)
    return pc.if_else(pc.less(share, 0.1), 0.0999, share)


def _labelled(resource: str, rows: pa.Table, account: AdAccount) -> pa.Table:
    """A row for each label of each campaign or ad group, under GAQL's names."""
    collection = {"campaign": "campaignLabels", "ad_group": "adGroupLabels"}[resource]
    at, labels = [], []
    for row, number in enumerate(rows[f"{resource}.id"].to_pylist()):
        for label in world_changes.labels_of(number):
            at.append(row)
            labels.append((number, *label))
    customer = f"customers/{account.customer_id}"
    told = rows.select([n for n in rows.column_names if not n.startswith("campaign_budget.")])
    told = told.take(pa.array(at, pa.int64()))
    for name, values in (
        (
            f"{resource}_label.resource_name",
            [f"{customer}/{collection}/{n}~{i}" for n, i, _ in labels],
        ),
        (f"{resource}_label.label", [f"{customer}/labels/{i}" for _, i, _ in labels]),
        ("label.resource_name", [f"{customer}/labels/{i}" for _, i, _ in labels]),
        ("label.name", [name for _, _, name in labels]),
        ("label.status", ["ENABLED"] * len(labels)),
    ):
        told = told.append_column(name, pa.array(values, TEXT))
    return told.append_column("label.id", pa.array([i for _, i, _ in labels], pa.int64()))


def _campaign_columns(
    ids: Any, campaigns: pa.Table, customer_id: str, today: date
) -> dict[str, Any]:
    """Return the campaigns' attributes, one element for each of ``ids``."""
    at = pc.index_in(ids, campaigns["campaign_id"].combine_chunks())
    columns = {
        "campaign.resource_name": _resource_names(
            customer_id, "campaigns", campaigns["campaign_id"]
        ).take(at),
        "campaign.id": ids,
    }
    for name, column in (
        ("name", "campaign_name"),
        ("status", "campaign_status"),
        ("advertising_channel_type", "channel_type"),
        ("bidding_strategy_type", "bidding_strategy_type"),
        ("serving_status", "serving_status"),
        ("start_date_time", "start_date_time"),
        ("end_date_time", "end_date_time"),
    ):
        columns[f"campaign.{name}"] = campaigns[column].combine_chunks().take(at)
    numbers, channels = (campaigns[name].to_pylist() for name in ("campaign_id", "channel_type"))
    budgets = [world_changes.budget_id(number) for number in numbers]
    for name, values in (
        ("id", pa.array(budgets, pa.int64())),
        ("name", pa.array([f"Budget {b}" for b in budgets], TEXT)),
        (
            "amount_micros",
            pa.array([world_changes.budget_micros(b, today) for b in budgets], pa.int64()),
        ),
        (
            "explicitly_shared",
            pa.array([b != n for b, n in zip(budgets, numbers, strict=True)], pa.bool_()),
        ),
        ("resource_name", _resource_names(customer_id, "campaignBudgets", pa.array(budgets))),
    ):
        columns[f"campaign_budget.{name}"] = values.take(at)
    targets = [
        world_changes.target_roas(number, channel, today)
        for number, channel in zip(numbers, channels, strict=True)
    ]
    columns["campaign.target_roas.target_roas"] = pa.array(targets, pa.float64()).take(at)
    return columns


def _resource_names(customer_id: str, collection: str, ids: Any) -> Any:
    return pc.binary_join_element_wise(
        f"customers/{customer_id}/{collection}", pc.cast(ids, pa.string()), "/"
    )


def _narrow(table: pa.Table, query: Query, account: AdAccount, today: date) -> pa.Table:
    """Keep the rows that the conditions on anything but metrics let through.

    Of the columns, only what the query needs is kept; the customer's are added.
    """
    needed = set(query.fields)
    needed |= {part for name in query.fields if name in RATIOS for part in RATIOS[name][:2]}
    wholes = tuple(f"{name}." for name in needed if name in WHOLE)
    kept = [
        n
        for n in table.column_names
        if n in needed or n.endswith(".resource_name") or n.startswith(wholes)
    ]
    conditions = [c for c in query.where if not _is_metric(c.field)]
    about_customer = [c for c in conditions if c.field.startswith("customer.")]
    rows = _filter(table.select(kept), [c for c in conditions if c not in about_customer], today)
    return _filter(_with_customer(rows, account), about_customer, today)


def _with_customer(table: pa.Table, account: AdAccount) -> pa.Table:
    for name, value in (
        ("customer.resource_name", f"customers/{account.customer_id}"),
        ("customer.id", int(account.customer_id)),
        ("customer.descriptive_name", account.name),
        ("customer.currency_code", account.currency_code),
        ("customer.time_zone", account.time_zone),
        ("customer.status", account.status),
        ("customer.manager", account.is_manager),
        ("customer.test_account", False),
        ("customer.auto_tagging_enabled", True),
    ):
        if name not in table.column_names:
            table = table.append_column(name, pa.repeat(value, table.num_rows))
    return table


def _with_resource_names(rows: pa.Table, query: Query) -> pa.Table:
    """Keep what is selected, and the resource names that the API adds of itself."""
    heads = {field_of(name).head for name in query.select} - {"metrics", "segments"}
    heads.add(query.resource or "")
    wanted = list(query.select)
    if query.parameters.get("omit_unselected_resource_names") != "true":
        wanted = [*(f"{head}.resource_name" for head in sorted(heads)), *wanted]
    parts = [n for n in rows.column_names if n.startswith(tuple(f"{w}." for w in WHOLE))]
    return rows.select([n for n in dict.fromkeys((*wanted, *parts)) if n in rows.column_names])


def _is_summed(column: str) -> bool:
    """Whether a column is added up, be it a field of the API or a part of one."""
    return column.startswith("metrics.")


def _is_metric(name: str) -> bool:
    return field_of(name).category == "METRIC"


# --- days -----------------------------------------------------------------------------------------


def _check_dates(query: Query, today: date) -> tuple[date, date]:
    """Return the first and last day that the query lets through."""
    conditions = [c for c in query.where if c.field in CORE_DATE_SEGMENTS]
    selected = [n for n in query.select if n in CORE_DATE_SEGMENTS]
    low, high = date.min, date.max
    for condition in conditions:
        if condition.field == "segments.year" and condition.values:
            low, high = max(low, date(int(condition.values[0]), 1, 1)), min(high, today)
            continue
        first, last = _days_of(condition, today)
        if condition.field in ("segments.month", "segments.quarter") and first.day != 1:
            raise GaqlError(
                "MISALIGNED_DATE_FOR_FILTER",
                f"The date filter on '{condition.field}' must be the first day of the period.",
            )
        if condition.operator == "BETWEEN" and first > last:
            raise GaqlError(
                "START_DATE_AFTER_END_DATE",
                f"The start date {first} is after the end date {last}.",
                "date_range_error",
            )
        low, high = max(low, first), min(high, last)
    if (selected or conditions) and (low == date.min or high == date.max):
        named = (selected or [c.field for c in conditions])[0]
        raise GaqlError(
            "EXPECTED_FILTERS_ON_DATE_RANGE",
            f"Expects filters on the following field to limit a finite date range: '{named}'",
        )
    daily = {"segments.date", "segments.week", "segments.day_of_week"} & set(query.fields)
    if daily and low > date.min and low < oldest_daily(today):
        raise GaqlError(
            "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED",
            "The requested date granularity is not supported for the date range: daily and "
            f"weekly figures start on {oldest_daily(today)}.",
            "date_range_error",
        )
    return low, high


def oldest_daily(today: date) -> date:
    """Return the first day that still has daily figures: 37 months ago."""
    months = today.year * 12 + today.month - 1 - DAILY_MONTHS
    return date(months // 12, months % 12 + 1, min(today.day, 28))


def _days_of(condition: Condition, today: date) -> tuple[date, date]:
    """Return the first and last day that a condition lets through; date.min/max where open."""
    if condition.operator == "DURING":
        return during(condition.values[0], today)
    days = [read_date(value) for value in condition.values]
    first, last = days[0], days[-1]
    if condition.operator in (">", ">="):
        return first + timedelta(days=condition.operator == ">"), date.max
    if condition.operator in ("<", "<="):
        return date.min, last - timedelta(days=condition.operator == "<")
    return first, last


# --- filters and sums -----------------------------------------------------------------------------


def _filter(table: pa.Table, conditions: Sequence[Condition], today: date) -> pa.Table:
    for condition in conditions:
        found = field_of(condition.field)
        if condition.field not in table.column_names:
            # unset everywhere: only IS NULL lets it through
            if condition.operator != "IS NULL":
                table = table.slice(0, 0)
            continue
        table = table.filter(_mask(table[condition.field], found, condition, today))
    return table


def _mask(column: Any, found: Field, condition: Condition, today: date) -> Any:
    operator = condition.operator
    if found.type == "DATE" and found.name != CHANGE_MOMENT:
        first, last = _days_of(condition, today)
        return pc.and_(
            pc.greater_equal(column, first.isoformat()), pc.less_equal(column, last.isoformat())
        )
    values: list[Any] = list(condition.values)
    if found.type in ("INT32", "INT64"):
        values = [int(v) if re.fullmatch(r"-?\d+", v) else float(v) for v in values]
    elif found.type == "DOUBLE":
        values = [float(v) for v in values]
    elif found.type == "BOOLEAN":
        values = [v.lower() == "true" for v in values]
    compare = {
        "=": pc.equal,
        "!=": pc.not_equal,
        ">": pc.greater,
        ">=": pc.greater_equal,
        "<": pc.less,
        "<=": pc.less_equal,
    }
    if operator in compare:
        return compare[operator](column, values[0])
    if operator == "BETWEEN":
        return pc.and_(pc.greater_equal(column, values[0]), pc.less_equal(column, values[1]))
    if operator in ("IN", "NOT IN"):
        inside = reduce(pc.or_, [pc.equal(column, value) for value in values])
        return inside if operator == "IN" else pc.invert(inside)
    if operator in ("LIKE", "NOT LIKE"):
        like = pc.match_like(column, re.sub(r"\[(.)\]", r"\\\1", values[0]), ignore_case=True)
        return like if operator == "LIKE" else pc.invert(like)
    if operator in ("REGEXP_MATCH", "NOT REGEXP_MATCH"):
        matched = pc.match_substring_regex(column, f"^(?:{values[0]})$")
        return matched if operator == "REGEXP_MATCH" else pc.invert(matched)
    return pc.is_null(column) if operator == "IS NULL" else pc.is_valid(column)


def _group(rows: pa.Table, query: Query, resource: Resource, metrics: Sequence[str]) -> pa.Table:
    """Add the metrics up over what is selected.

    A row is one object of the FROM resource, whatever of it is selected.
    """
    attributes = [n for n in query.select if not _is_metric(n)]
    heads = {n.partition(".")[0] for n in attributes if field_of(n).category == "ATTRIBUTE"}
    ordered = [o.field for o in query.order_by if not _is_metric(o.field)]
    keys = [
        *attributes,
        *(f"{head}.resource_name" for head in sorted(heads | {resource.name})),
        *ordered,
    ]
    keys = [n for n in dict.fromkeys(keys) if n in rows.column_names]
    is_whole = resource.name == "campaign" and HOUR_SEGMENT not in query.fields
    if is_whole and set(keys) >= _GRAIN and not any(n in CONVERSION_SEGMENTS for n in query.fields):
        return _with_ratios(rows.select([*keys, *_parts(metrics, rows)]), metrics)
    return _add_up(rows, keys, metrics)


def _without_zeros(rows: pa.Table, metrics: Sequence[str]) -> pa.Table:
    """Leave out rows whose selected metrics are all zero, as the API does when segmented."""
    some = [pc.not_equal(rows[name], 0) for name in metrics if name in rows.column_names]
    return rows.filter(reduce(pc.or_kleene, some))


def _add_up(rows: pa.Table, keys: list[str], metrics: Sequence[str]) -> pa.Table:
    """Group by the keys; ratios are divided after adding up, 0 where there is nothing to divide."""
    present = _parts(metrics, rows)
    totals = rows.group_by(keys, use_threads=False).aggregate([(m, "sum") for m in present])
    totals = totals.rename_columns(
        [
            n.removesuffix("_sum") if n.removesuffix("_sum") in present else n
            for n in totals.column_names
        ]
    )
    return _with_ratios(totals, metrics)


def _parts(metrics: Sequence[str], rows: pa.Table) -> list[str]:
    """Return the columns to add up for the metrics: themselves, or the two parts of a ratio."""
    parts = [
        p for metric in metrics for p in (RATIOS[metric][:2] if metric in RATIOS else [metric])
    ]
    return [part for part in dict.fromkeys(parts) if part in rows.column_names]


def _with_ratios(totals: pa.Table, metrics: Sequence[str]) -> pa.Table:
    for metric in metrics:
        if metric in RATIOS:
            over, under, factor = RATIOS[metric]
            divisor = pc.cast(totals[under], pa.float64())
            safe = pc.if_else(pc.equal(divisor, 0.0), None, divisor)
            ratio = pc.multiply(pc.divide(pc.cast(totals[over], pa.float64()), safe), factor)
            # where there was no auction a share is unset, not zero
            told = _bounded(metric, ratio) if metric in SHARES else pc.fill_null(ratio, 0.0)
            totals = totals.append_column(metric, told)
    return totals
