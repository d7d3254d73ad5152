"""A KPI of a client as a whole: the last four weeks beside the four before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from flows.kpis import Kpi


@dataclass(frozen=True)
class KpiFigure:
    """What is known of a KPI over all accounts of a client, whatever its goals are.

    ``now`` is of the days ``first`` to ``last``, both included, with what is
    still to arrive counted in where that is known; ``before`` of as many days
    before them. With ``is_apart`` it is the part in one of several currencies.
    ``share_in`` is how much of the late side is in over the days of ``now``; None
    where nothing is late. ``missing`` and ``missing_before``
    count days without data. ``why`` says why there is no figure:
    `not_connected` (then ``lacks`` names the sources), `no_data`,
    `mixed_currencies` or `nothing_to_divide`.
    """

    kpi: Kpi
    first: date | None = None
    last: date | None = None
    now: float | None = None
    before: float | None = None
    currency_code: str | None = None
    share_in: float | None = None
    missing: int = 0
    missing_before: int = 0
    is_apart: bool = False
    converted_from: tuple[str, ...] = ()  # currencies that were made ``currency_code``
    why: str = ""
    lacks: tuple[str, ...] = ()
