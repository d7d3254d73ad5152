"""The KPI catalogue: what the `.yaml` beside each file in sql/kpis/ says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["rate", "ratio", "money", "count"]


@dataclass(frozen=True)
class Kpi:
    """One KPI: a numerator and a denominator per day and dimension value.

    ``unit``: a ``rate`` is written as a percentage (0.03 is 3%), a ``ratio`` as
    a number (ROAS 4.2), ``money`` in the account currency, a ``count`` is
    summed and has no denominator (money may be summed too: ``is_sum``).
    ``sources`` are those whose late days make this KPI late. ``is_restated``
    says that recent days still change because conversions keep arriving.
    """

    name: str
    unit: Unit
    better: Literal["higher", "lower"]
    is_sum: bool
    has_currency: bool
    dimensions: tuple[str, ...]
    sources: tuple[str, ...]
    is_restated: bool
    label: dict[str, str]  # by language, "en" and "nl"
    explained: dict[str, str]
    numerator: dict[str, str]  # in words: {"en": "clicks", "nl": "klikken"}
    denominator: dict[str, str] | None
