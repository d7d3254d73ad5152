"""Days that a test changes by hand: figures that are restated, rows that vanish and come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

RestatedSource = Literal["google_ads", "ga4", "search_console"]


@dataclass(frozen=True)
class Restatement:
    """What becomes of one account's day.

    ``factor`` multiplies its figures; counts and micros are rounded down, and a
    row of which nothing is left vanishes. ``vanish`` takes the whole day away,
    ``without_campaign`` (Google Ads) the rows of one campaign. Every table of
    the account shows the same change.
    """

    source: RestatedSource
    account_id: str
    date_day: date
    factor: float = 1.0
    vanish: bool = False
    without_campaign: int | None = None

    def __post_init__(self) -> None:
        if self.source not in get_args(RestatedSource):
            raise ValueError(f'source "{self.source}" has no days')
        if not 0 <= self.factor < 1_000:
            raise ValueError(f"factor is {self.factor}; expected 0 to 1,000")
        if self.without_campaign is not None and self.source != "google_ads":
            raise ValueError(f"{self.source} has no campaigns")

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Restatement:
        """Read one from a control request; raises ValueError for unknown or missing keys."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(said) - known):
            raise ValueError(f"unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
        if missing := sorted({"source", "account_id", "date_day"} - set(said)):
            raise ValueError(f"{missing[0]} is missing")
        return cls(**{**said, "date_day": date.fromisoformat(said["date_day"])})

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"date_day": self.date_day.isoformat()}


def restated(facts: pa.Table, restatements: Sequence[Restatement]) -> pa.Table:
    """Return the facts with the restated days in the place of what they were."""
    for one in restatements:
        is_day = pc.equal(facts["date_day"], pa.scalar(one.date_day, pa.date32()))
        if not pc.any(is_day).as_py():
            continue
        if one.vanish:
            facts = facts.filter(pc.invert(is_day))
            continue
        if one.without_campaign is not None:
            gone = pc.and_(is_day, pc.equal(facts["campaign_id"], one.without_campaign))
            facts, is_day = facts.filter(pc.invert(gone)), is_day.filter(pc.invert(gone))
        if one.factor != 1.0:
            facts = _multiplied(facts, is_day.to_numpy(), one.factor)
    return facts


def _multiplied(facts: pa.Table, is_day: np.ndarray[Any, Any], factor: float) -> pa.Table:
    measures = [
        name
        for name in facts.column_names
        if not name.endswith("_id")
        and (
            pa.types.is_integer(facts.schema.field(name).type)
            or pa.types.is_floating(facts.schema.field(name).type)
        )
    ]
    before = {name: facts[name].to_numpy() for name in measures}
    after = {}
    for name, values in before.items():
        changed = values * factor
        if values.dtype.kind == "i":
            changed = np.floor(changed).astype(np.int64)
        after[name] = np.where(is_day, changed, values)
    if "position_sum" in after:  # the position stays: it is a mean
        share = np.ones(facts.num_rows)
        np.divide(after["impressions"], before["impressions"], out=share, where=is_day)
        after["position_sum"] = before["position_sum"] * share
        after["clicks"] = np.minimum(after["clicks"], after["impressions"])
    # a row of GA4 is its sessions, a row of Search Console its impressions
    of = [name for name in ("sessions", "position_sum") if name in after] or measures
    left = ~is_day | np.any([after[name] != 0 for name in of], axis=0)
    for name in measures:
        at = facts.column_names.index(name)
        facts = facts.set_column(at, facts.schema.field(name), pa.array(after[name]))
    return facts.filter(pa.array(left))
