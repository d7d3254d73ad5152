"""GA4's events and items, out of the sessions and orders of a property's days.

What is counted as an order or a key event elsewhere is the same here to the last
one: purchases are the transactions, and the revenue of the items is that of the
orders, which are sent free of charge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.sandbox.world_days import Floats, Ints

TRAFFIC = ("date_day", "channel_group", "source", "medium", "campaign_name")
_Columns = Mapping[str, npt.NDArray[np.float64]]

# how often an event happens in a row of the facts; what is a key event too is counted as one
EVENTS: Mapping[str, Callable[[_Columns], Floats]] = {
    "session_start": lambda c: c["sessions"],
    "first_visit": lambda c: c["new_users"],
    "user_engagement": lambda c: c["engaged_sessions"],
    "page_view": lambda c: c["sessions"] * 2 + c["engaged_sessions"],
    "view_item": lambda c: np.floor(c["engaged_sessions"] / 2) + c["transactions"],
    "add_to_cart": lambda c: np.floor(c["engaged_sessions"] / 10) + c["transactions"],
    "begin_checkout": lambda c: np.ceil(c["transactions"] * 1.5),
    "purchase": lambda c: c["transactions"],
}
# item, name, brand, category, share of what is looked at and sold; the price is a share too
ITEMS = (
    ("fg-1001", "Stadsfiets Comfort 7", "Noordster", "Fietsen", 5, 6),
    ("fg-1002", "E-bike Middenmotor", "Noordster", "E-bikes", 4, 12),
    ("fg-1003", "Kinderfiets 20 inch", "(not set)", "Fietsen", 2, 3),
    ("fg-1004", '=2+3 "Fietstas" & slot', "Bagaal", "Accessoires", 1, 1),
)
_ITEM_METRICS = (
    "items_viewed",
    "items_added_to_cart",
    "items_checked_out",
    "items_purchased",
    "item_revenue",
)


def with_active_users(facts: pa.Table) -> pa.Table:
    """Add the users who did something: nearly all of a day's."""
    users = np.asarray(facts["total_users"].to_numpy())
    return facts.append_column("active_users", pa.array(users - users // 20))


def event_facts(facts: pa.Table, key_events: Mapping[str, str]) -> pa.Table:
    """A row for each row of the facts and each event that happened in it.

    ``key_events`` gives the column of the facts that counts a key event.
    """
    known = _numbers(facts)
    parts = []
    for event in dict.fromkeys((*EVENTS, *key_events)):
        column = key_events.get(event)
        count = known[column] if column else EVENTS[event](known)
        rows = np.flatnonzero(count)
        value = known["purchase_revenue"] if event == "purchase" else np.zeros(len(count))
        part = facts.select(list(TRAFFIC)).take(pa.array(rows))
        for name, values in (
            ("event_count", count.astype(np.int64)),
            ("key_events", count if column else np.zeros(len(count))),
            ("total_users", np.minimum(known["total_users"], count).astype(np.int64)),
            ("active_users", np.minimum(known["active_users"], count).astype(np.int64)),
            ("event_value", value),
        ):
            part = part.append_column(name, pa.array(values[rows]))
        part = part.append_column("event_name", pa.repeat(pa.scalar(event), len(rows)))
        is_key = pa.scalar("true" if column else "false")
        parts.append(part.append_column("is_key_event", pa.repeat(is_key, len(rows))))
    return pa.concat_tables(parts)


def item_facts(facts: pa.Table) -> pa.Table:
    """A row for each row of the facts and each item, with its share of what happened."""
    known = _numbers(facts)
    counted = {
        "items_viewed": EVENTS["view_item"](known) * 2,
        "items_added_to_cart": EVENTS["add_to_cart"](known),
        "items_checked_out": EVENTS["begin_checkout"](known),
        "items_purchased": known["transactions"],
    }
    of_sales = np.cumsum([0, *(sold for *_, sold, _ in ITEMS)])
    of_money = np.cumsum([0, *(sold * price for *_, sold, price in ITEMS)])
    # which item a single one is of goes by the row, so that none is always the first
    turn = np.arange(facts.num_rows) % of_sales[-1]
    parts = []
    for at, (item, name, brand, category, _, _) in enumerate(ITEMS):
        part = facts.select(list(TRAFFIC))
        for column, values in counted.items():
            share = _up_to(values, of_sales, at + 1, turn) - _up_to(values, of_sales, at, turn)
            part = part.append_column(column, pa.array(share))
        low, high = (
            np.floor(known["purchase_revenue"] * 4 * of_money[i] / of_money[-1]) / 4
            if i < len(ITEMS)
            else known["purchase_revenue"]
            for i in (at, at + 1)
        )
        part = part.append_column("item_revenue", pa.array(high - low))
        for column, text in (
            ("item_id", item),
            ("item_name", name),
            ("item_brand", brand),
            ("item_category", category),
        ):
            part = part.append_column(column, pa.repeat(pa.scalar(text), part.num_rows))
        parts.append(part)
    return pa.concat_tables(parts)


def _up_to(values: Floats, edges: Ints, at: int, turn: Ints) -> Ints:
    """How many lie below an edge: none at the first one, all at the last."""
    below: Ints = np.floor((values * edges[at] + turn) / edges[-1]).astype(np.int64)
    if at == 0:
        return np.zeros(len(values), np.int64)
    return (
        values.astype(np.int64)
        if at == len(edges) - 1
        else np.minimum(below, values).astype(np.int64)
    )


def _numbers(facts: pa.Table) -> dict[str, Floats]:
    return {
        name: np.asarray(facts[name].cast(pa.float64()).to_numpy())
        for name in facts.column_names
        if name not in TRAFFIC
    }
