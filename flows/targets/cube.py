"""All that is known of one KPI of one client, as arrays: read once, asked by every target.

A cell is one combination of the values of the KPI's dimensions (and its
currency); its days are a row of the arrays. A target's scope is a choice of
cells, added up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from math import inf
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from flows.targets.evaluation import BoolArray, FloatArray, Series

IntArray = NDArray[np.int64]

# what a segment is called whose dimension the platform left empty
UNNAMED = "(unknown)"
# a campaign is one by its id and is called by its latest name
LABELS = {"campaign_id": "campaign_name"}


@dataclass(frozen=True, eq=False)
class Column:
    """A text for every cell: ``names[codes[cell]]``; None where the platform said nothing."""

    names: tuple[str | None, ...]  # each once
    codes: IntArray  # by cell

    @classmethod
    def of(cls, texts: Sequence[str | None]) -> Column:
        place: dict[str | None, int] = {}
        codes = [place.setdefault(text, len(place)) for text in texts]
        return cls(tuple(place), np.array(codes, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.codes)

    def texts(self) -> tuple[str | None, ...]:
        return tuple(self.names[code] for code in self.codes.tolist())

    def is_in(self, wanted: Sequence[str]) -> BoolArray:
        """Which cells have one of these texts; one without a text has none of them."""
        named: BoolArray = np.array(
            [name is not None and name in wanted for name in self.names], dtype=np.bool_
        )
        return named[self.codes] if len(named) else np.zeros(len(self), dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class Matrix:
    """The daily sums of each part of a scope: parts × days, a column for every calendar day.

    0 where a part had nothing, NaN where it is not known; ``denominator`` is
    None for a sum. ``parts`` are the segments' keys, sorted, ``labels`` what
    they are called.
    """

    parts: tuple[str, ...]
    labels: tuple[str, ...]
    first_day: date
    numerator: FloatArray
    denominator: FloatArray | None


@dataclass(frozen=True, eq=False)
class _Split:
    """The cells of a scope, those of one segment after those of another; where each begins."""

    parts: tuple[str, ...]  # the segments' keys, sorted
    labels: tuple[str, ...]
    cells: IntArray
    starts: IntArray


@dataclass(frozen=True, eq=False)
class Converted:
    """The figures of a cube with all money in one currency, each day at that day's rate.

    As those of the cube: cells × days, 0 where a cell has no row; NaN where it
    has one that is not known or for which there is no rate.
    """

    currency: str
    numerator: FloatArray
    denominator: FloatArray | None


@dataclass(frozen=True, eq=False)
class KpiCube:
    """One KPI of one client: cells × calendar days from ``first_day`` on, without gaps.

    ``numerator`` and ``denominator`` (None for a KPI that is a sum) are 0 where
    a cell has no row, NaN where it has one in which the source said nothing,
    and infinite where it said what is no number; ``has_row`` tells the days
    apart. ``columns`` has a text a cell for each of the KPI's dimensions.
    ``currency`` is None for a KPI without money. ``converted`` is there where a
    cell counts in another currency than the one that was asked for, which is the
    client's unless the agency's was; where that was used,
    ``counted_in`` has the currency that each cell's account counts in.

    A day on which part of a scope is not known is not known: a sum of what
    happens to be known would be wrong. Sums are made in the order of the
    cells, so the same cells in the same order give the same last digit.
    """

    client: str
    kpi: str
    first_day: date
    columns: Mapping[str, Column]
    currency: Column | None
    numerator: FloatArray
    denominator: FloatArray | None
    has_row: BoolArray
    converted: Converted | None = None
    counted_in: Column | None = None

    @classmethod
    def of_cells(
        cls,
        client: str,
        kpi: str,
        first_day: date,
        cells: Sequence[Mapping[str, str | None]],
        numerator: FloatArray,
        denominator: FloatArray | None = None,
        has_row: BoolArray | None = None,
        currencies: Sequence[str | None] | None = None,
    ) -> KpiCube:
        """From a mapping of dimension values a cell; every day is a row unless said."""
        names = dict.fromkeys(name for cell in cells for name in cell)
        return cls(
            client,
            kpi,
            first_day,
            MappingProxyType(
                {name: Column.of([cell.get(name) for cell in cells]) for name in names}
            ),
            None if currencies is None else Column.of(currencies),
            np.asarray(numerator, dtype=np.float64),
            None if denominator is None else np.asarray(denominator, dtype=np.float64),
            np.ones(np.shape(numerator), dtype=np.bool_) if has_row is None else has_row,
        )

    @property
    def dimensions(self) -> tuple[str, ...]:
        return tuple(self.columns)

    @property
    def cells(self) -> int:
        return int(self.numerator.shape[0])

    @property
    def days(self) -> int:
        return int(self.numerator.shape[1])

    @property
    def last_day(self) -> date:
        """The day before ``first_day`` when there are none."""
        return self.first_day + timedelta(days=self.days - 1)

    @property
    def labels(self) -> Mapping[str, str]:
        """The latest name of every campaign id."""
        if "campaign_id" not in self.columns:
            return {}
        split = self._split({}, "campaign_id")
        return dict(zip(split.parts, split.labels, strict=True))

    def between(self, first: date, last: date) -> KpiCube:
        """The same with the days from ``first`` to ``last`` alone, both included; not copied."""
        first = max(first, self.first_day)
        start = min((first - self.first_day).days, self.days)
        days = slice(start, max(min((last - self.first_day).days + 1, self.days), start))
        return replace(
            self,
            first_day=first,
            numerator=self.numerator[:, days],
            denominator=None if self.denominator is None else self.denominator[:, days],
            has_row=self.has_row[:, days],
            converted=None if self.converted is None else _cut(self.converted, days),
        )

    # --- choosing cells -----------------------------------------------------------------

    def mask(self, where: Mapping[str, Sequence[str]]) -> BoolArray:
        """The cells of a scope. Raises ValueError for a dimension that the KPI does not have."""
        chosen = np.ones(self.cells, dtype=np.bool_)
        for dimension, wanted in where.items():
            chosen &= self._column(dimension).is_in(wanted)
        return chosen

    def _column(self, dimension: str) -> Column:
        if dimension not in self.columns:
            raise ValueError(f"{self.kpi} has no dimension {dimension!r}")
        return self.columns[dimension]

    @cached_property
    def _last_row(self) -> IntArray:
        """By cell the number of the last day that has a row; -1 where none has."""
        if not self.days:
            return np.full(self.cells, -1, dtype=np.int64)
        last = self.days - 1 - np.argmax(self.has_row[:, ::-1], axis=1)
        return np.where(self.has_row.any(axis=1), last, -1)

    def _recent(self, since: date | None) -> BoolArray:
        """Which cells have a row since a day, or at all."""
        from_day = 0 if since is None else max((since - self.first_day).days, 0)
        recent: BoolArray = self._last_row >= from_day
        return recent

    def _currencies(self, cells: IntArray) -> tuple[str, ...]:
        return _names_of(self.currency, cells)

    def _of_currencies(self, cells: IntArray, currencies: Sequence[str]) -> IntArray:
        """Without those in another currency: what an account counted in long ago."""
        if self.currency is None or not currencies:
            return cells
        unknown = np.array([not name for name in self.currency.names], dtype=np.bool_)
        kept = self.currency.is_in(currencies) | unknown[self.currency.codes]
        return cells[kept[cells]]

    def in_one_currency(
        self,
        where: Mapping[str, Sequence[str]],
        *,
        since: date | None = None,
        asked: str | None = None,
    ) -> KpiCube:
        """The cube in which a scope can be added up: converted where that takes one currency.

        That is a scope in several currencies, one that is not limited to accounts, and
        one of which an amount in that currency is ``asked``. An account's own
        figures stay as the account has them. When a rate is missing for any day from
        ``since`` on, nothing is converted: a sum without that day would be wrong.
        """
        if self.converted is None or self.currency is None:
            return self
        home, recent = self.converted.currency, self._recent(since)
        cells = np.flatnonzero(self.mask(where))
        found = self._currencies(cells[recent[cells]])
        own = "account_id" in where and len(found) == 1 and asked != home
        if set(found) <= {home} or own or not self._has_rates(cells, since):
            return self
        return replace(
            self,
            currency=Column.of([home] * self.cells),
            counted_in=self.currency,
            numerator=self.converted.numerator,
            denominator=self.converted.denominator,
            converted=None,
        )

    def _has_rates(self, cells: IntArray, since: date | None) -> bool:
        """Whether all that is known of some cells since a day is known in one currency too."""
        return not self._without_rate(cells, since).any()

    def _without_rate(self, cells: IntArray, since: date | None) -> BoolArray:
        """By cell and day since a day: what is known, but not in one currency."""
        assert self.converted is not None
        days = slice(0 if since is None else max((since - self.first_day).days, 0), None)
        lacking = np.isnan(self.converted.numerator[cells, days]) & ~np.isnan(
            self.numerator[cells, days]
        )
        if self.denominator is not None and self.converted.denominator is not None:
            lacking |= np.isnan(self.converted.denominator[cells, days]) & ~np.isnan(
                self.denominator[cells, days]
            )
        return lacking

    def days_without_rate(
        self, where: Mapping[str, Sequence[str]], since: date
    ) -> dict[str, tuple[date, ...]]:
        """By currency the days since a day on which a scope's amounts cannot be converted."""
        if self.converted is None or self.currency is None:
            return {}
        cells = np.flatnonzero(self.mask(where))
        first = max(since, self.first_day)
        lacking = self._without_rate(cells, since)
        found: dict[str, tuple[date, ...]] = {}
        for code, name in enumerate(self.currency.names):
            days = np.flatnonzero(lacking[self.currency.codes[cells] == code].any(axis=0))
            if name and days.size:
                found[name] = tuple(first + timedelta(days=day) for day in days.tolist())
        return found

    # --- adding up ----------------------------------------------------------------------

    def series(
        self,
        where: Mapping[str, Sequence[str]],
        *,
        since: date | None = None,
        segment: str = "",
        label: str = "",
    ) -> Series:
        """The daily sums of a scope, over all days of the cube.

        ``currencies`` are those of the rows from ``since`` on (None: of all);
        what was counted in another one before then is left out.
        """
        return self._added(np.flatnonzero(self.mask(where)), self._recent(since), segment, label)

    def _added(self, chosen: IntArray, recent: BoolArray, segment: str, label: str) -> Series:
        currencies = self._currencies(chosen[recent[chosen]])
        cells = self._of_currencies(chosen, currencies)
        has_row: BoolArray = np.logical_or.reduce(self.has_row[cells], axis=0)
        return Series(
            segment,
            label,
            self.first_day,
            _known_where(self.numerator[cells].sum(axis=0), has_row),
            None
            if self.denominator is None
            else _known_where(self.denominator[cells].sum(axis=0), has_row),
            has_row,
            currencies,
            converted_from=tuple(
                name
                for name in _names_of(self.counted_in, chosen[recent[chosen]])
                if name not in currencies
            ),
        )

    def segments(
        self,
        where: Mapping[str, Sequence[str]],
        for_each: str,
        *,
        since: date | None = None,
    ) -> list[Series]:
        """The daily sums of every segment that has a row since a day, by name.

        Cells whose dimension is empty are a segment too: it must not be
        mistaken for the total, whose segment is ''.
        """
        split, recent = self._split(where, for_each), self._recent(since)
        found = []
        for part, name, cells in zip(
            split.parts, split.labels, np.split(split.cells, split.starts[1:]), strict=False
        ):
            if recent[cells].any():
                found.append(self._added(cells, recent, part, name))
        return found

    def matrix(
        self,
        where: Mapping[str, Sequence[str]],
        dimension: str,
        first: date | None = None,
        last: date | None = None,
    ) -> Matrix:
        """The daily sums of each part of a scope from ``first`` to ``last``, both included.

        Outside the days of the cube every part has nothing. Cells of every
        currency are added up: the caller knows that there is one.
        """
        split = self._split(where, dimension)
        first, last = first or self.first_day, last or self.last_day

        def added(values: FloatArray) -> FloatArray:
            n = max((last - first).days + 1, 0)
            whole = np.zeros((len(split.parts), n))
            begin = (first - self.first_day).days
            here = slice(max(begin, 0), max(min(begin + n, self.days), 0))
            if split.parts and here.start < here.stop:
                there = slice(here.start - begin, here.stop - begin)
                cells = values[split.cells, here]
                whole[:, there] = np.add.reduceat(cells, split.starts, axis=0)
            return whole

        return Matrix(
            split.parts,
            split.labels,
            first,
            added(self.numerator),
            None if self.denominator is None else added(self.denominator),
        )

    @cached_property
    def _splits(self) -> dict[tuple[object, str], _Split]:
        return {}

    def _split(self, where: Mapping[str, Sequence[str]], dimension: str) -> _Split:
        """The cells of a scope by segment; worked out once, as what explains a target asks often.

        A segment is called by the name that was in use last.
        """
        key = (tuple(sorted((name, tuple(wanted)) for name, wanted in where.items())), dimension)
        if key not in self._splits:
            self._splits[key] = self._made_split(np.flatnonzero(self.mask(where)), dimension)
        return self._splits[key]

    def _made_split(self, chosen: IntArray, dimension: str) -> _Split:
        column = self._column(dimension)
        keys = [name or UNNAMED for name in column.names]
        used = np.unique(column.codes[chosen]).tolist()
        parts = sorted({keys[code] for code in used})
        place = {part: i for i, part in enumerate(parts)}
        to_place = np.zeros(len(keys), dtype=np.int64)
        for code in used:
            to_place[code] = place[keys[code]]
        places = to_place[column.codes[chosen]]
        names = list(parts)
        if LABELS.get(dimension) in self.columns:
            told = self.columns[LABELS[dimension]]
            latest: dict[int, tuple[int, str]] = {}
            for at, code, last in zip(
                places.tolist(),
                told.codes[chosen].tolist(),
                self._last_row[chosen].tolist(),
                strict=True,
            ):
                name = told.names[code]
                if name:
                    latest[at] = max(latest.get(at, (-1, "")), (last, name))
            for at, (_, name) in latest.items():
                names[at] = name
        order = np.argsort(places, kind="stable")
        starts = np.searchsorted(places[order], np.arange(len(parts)))
        return _Split(tuple(parts), tuple(names), chosen[order], starts)


def _names_of(column: Column | None, cells: IntArray) -> tuple[str, ...]:
    """Each text that some cells have, sorted."""
    if column is None:
        return ()
    found = (column.names[code] for code in np.unique(column.codes[cells]))
    return tuple(sorted(name for name in found if name))


def _cut(converted: Converted, days: slice) -> Converted:
    bottom = converted.denominator
    return replace(
        converted,
        numerator=converted.numerator[:, days],
        denominator=None if bottom is None else bottom[:, days],
    )


def _known_where(sums: FloatArray, has_row: BoolArray) -> FloatArray:
    sums[~has_row] = np.nan
    return sums


def add_rows(sums: FloatArray, places: IntArray, values: FloatArray, is_null: BoolArray) -> None:
    """Add one value a row to the flat array of a cube's side, at cell·days + day.

    A row that says nothing makes its day unknown whatever else there is of it;
    what is told but is no number makes it infinite.
    """
    told = np.where(is_null, 0.0, values)
    told[~np.isfinite(told)] = inf
    np.add.at(sums, places, told)
    sums[places[is_null]] = np.nan
