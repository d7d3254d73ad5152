"""What the ads of every client cost and brought in, in the currency of the agency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from flows.kpis import Kpi
from flows.report.model import SourceState


@dataclass(frozen=True)
class AdFigure:
    """The ads of one client on one platform, over the days of `AgencyFigures`.

    ``cost`` and ``value`` (the conversion value, with what is still to arrive
    counted in where that is known) are in ``currency_code``; None where there is
    no data, and where they are in several currencies that have no rate.
    ``without_rate`` has by currency the days of which there is no rate to the
    agency's: then nothing is converted. ``share_in`` is how much of the value is
    in. ``missing`` counts days of which an account lacks data, ``absent`` are
    accounts of which nothing is in.
    """

    client: str  # slug
    source: str
    currency_code: str | None = None
    cost: float | None = None
    value: float | None = None
    share_in: float | None = None
    converted_from: tuple[str, ...] = ()
    without_rate: Mapping[str, tuple[date, ...]] | None = None
    missing: int = 0
    absent: tuple[SourceState, ...] = ()

    @property
    def roas(self) -> float | None:
        return _ratio(self.value, self.cost)

    @property
    def has_data(self) -> bool:
        return self.cost is not None or bool(self.without_rate)


@dataclass(frozen=True)
class AdTotal:
    """The ads of all clients on one platform; ``without`` are the slugs of those left out.

    A platform's conversions are never added to another's: both may count the
    same purchase.
    """

    source: str
    cost: float
    value: float
    without: tuple[str, ...] = ()

    @property
    def roas(self) -> float | None:
        return _ratio(self.value, self.cost)


@dataclass(frozen=True)
class AgencyFigures:
    """The figures of the overview, from ``first`` to ``last``, both included.

    ``currency`` is the agency's; None where clients count in several and none
    was chosen: then each figure is in its client's own.
    """

    kpi: Kpi | None = None
    currency: str | None = None
    first: date | None = None
    last: date | None = None
    figures: tuple[AdFigure, ...] = ()

    @property
    def unconverted(self) -> tuple[AdFigure, ...]:
        """Those that cannot be added up for want of a rate."""
        return tuple(
            one for one in self.figures if one.has_data and one.currency_code != self.currency
        )

    def totals(self) -> tuple[AdTotal, ...]:
        """One a platform that several clients have; none where one of them has no rate."""
        found = []
        for source in dict.fromkeys(one.source for one in self.figures):
            own = [one for one in self.figures if one.source == source]
            known = [one for one in own if one.has_data]
            if self.currency is None or len(own) < 2 or not known:
                continue
            if any(one.currency_code != self.currency for one in known):
                continue
            found.append(
                AdTotal(
                    source,
                    sum(one.cost for one in known if one.cost is not None),
                    sum(one.value for one in known if one.value is not None),
                    tuple(one.client for one in own if not one.has_data),
                )
            )
        return tuple(found)


def _ratio(value: float | None, cost: float | None) -> float | None:
    return value / cost if value is not None and cost else None
