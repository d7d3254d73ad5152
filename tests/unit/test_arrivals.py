"""How values arrived, out of raw, history and the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from connectors.base import Account, DateWindow, Reply, Slice, Table
from connectors.google_ads_queries import LAG_BUCKETS
from connectors.sandbox.world import World
from connectors.tables import ADS_CAMPAIGN_DAY, ADS_CONVERSION_LAG_DAY
from flows.arrivals import (
    Arrival,
    read_all_arrivals,
    read_arrivals,
    read_lag_buckets,
    read_reads,
)
from flows.intake import commit_landed
from flows.kpis import Late
from flows.landing import land, now, put_off
from flows.targets.completeness import (
    LagBuckets,
    Part,
    Reads,
    adjusted_ratio,
    curve_of_buckets,
    series_completeness,
)
from flows.warehouse import Warehouse

KEY = ("shop", "1234567890")
VALUE = Late("numerator", "google_ads__campaign_day", "conversions_value")
SINCE = date(2026, 11, 1)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "koers.duckdb", tmp_path / "landing", lock_wait_seconds=0.3)


def nov(day: int) -> date:
    return date(2026, 11, day)


def at(day: int, hour: int = 6) -> datetime:
    """A moment of November, UTC."""
    return datetime(2026, 11, day, hour)  # noqa: DTZ001 (UTC, as all our timestamps)


def campaign(day: int, campaign_id: str, value: float | None) -> dict[str, Any]:
    told = dict.fromkeys(ADS_CAMPAIGN_DAY.schema.names)
    return told | {
        "account_id": KEY[1],
        "date_day": nov(day),
        "campaign_id": campaign_id,
        "device": "MOBILE",
        "network": "SEARCH",
        "impressions": 100,
        "conversions_value": value,
    }


def bucket(day: int, name: str, conversions: float) -> dict[str, Any]:
    return {
        "account_id": KEY[1],
        "date_day": nov(day),
        "conversion_lag_bucket": name,
        "currency_code": "EUR",
        "conversions": conversions,
        "conversions_value": 50 * conversions,
    }


def read(
    connection: duckdb.DuckDBPyConnection,
    warehouse: Warehouse,
    as_of: int,
    days: tuple[int, int],
    rows: Sequence[dict[str, Any]],
    table: Table = ADS_CAMPAIGN_DAY,
    moment: datetime | None = None,
    client: str = KEY[0],
) -> None:
    """Take in a slice that a run as of a day of November read, both ends included."""
    piece = Slice(
        client,
        table,
        Account("google_ads", KEY[1]),
        DateWindow(nov(days[0]), nov(days[1])),
        nov(as_of),
    )
    batch = pa.RecordBatch.from_pylist(list(rows), schema=table.schema)
    landed = put_off(
        land(piece, Reply(iter([batch])), warehouse.landing, now()), moment or at(as_of)
    )
    assert commit_landed(connection, landed).outcome in ("loaded", "empty")


def reads_of(
    connection: duckdb.DuckDBPyConnection, since: date = SINCE, known_at: datetime | None = None
) -> dict[tuple[str, str], Reads]:
    return read_reads(connection, VALUE.table, [VALUE.column], since, known_at)[VALUE.column]


def told(found: dict[tuple[str, str], Reads], key: tuple[str, str] = KEY) -> list[Any]:
    """Per read the day of November, the age and the value."""
    one = found[key]
    days = one.day - date(2026, 11, 1).toordinal() + 1
    return list(zip(days.tolist(), one.age.tolist(), one.value.tolist(), strict=True))


def three_reads(connection: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> None:
    """Restated, vanished, unchanged; then four days off, and what vanished is back."""
    read(connection, warehouse, 2, (1, 1), [campaign(1, "a", 10), campaign(1, "b", 5)])
    read(connection, warehouse, 3, (1, 2), [campaign(1, "a", 12), campaign(2, "a", 7)])
    read(connection, warehouse, 4, (1, 3), [campaign(1, "a", 12), campaign(2, "a", 7)])
    read(
        connection,
        warehouse,
        8,
        (1, 3),
        [campaign(1, "a", 12), campaign(1, "b", 5), campaign(2, "a", 9), campaign(3, "a", 2)],
    )


READS = [
    (1, 1, 15.0),
    (1, 2, 12.0),  # a grew by 2, b vanished
    (1, 3, 12.0),  # read again, as it was
    (1, 7, 17.0),
    (2, 1, 7.0),
    (2, 2, 7.0),
    (2, 6, 9.0),
    (3, 1, 0.0),  # loaded, and nothing there
    (3, 5, 2.0),
]


def test_every_read_tells_what_the_day_came_to_then(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        three_reads(connection, warehouse)
        assert told(reads_of(connection)) == READS
        later = reads_of(connection, nov(2))
        assert told(later) == READS[4:]


def test_as_known_then_later_reads_never_were(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        three_reads(connection, warehouse)

        def known(moment: datetime) -> list[Any]:
            found = reads_of(connection, SINCE, moment)
            return told(found) if found else []

        assert known(at(3, hour=5)) == [(1, 1, 15.0)]
        assert known(at(3)) == [(1, 1, 15.0), (1, 2, 12.0), (2, 1, 7.0)]
        assert known(at(7)) == [r for r in READS if r[1] < 5]
        assert known(at(1)) == []


def test_of_two_reads_as_of_one_day_the_last_counts(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        read(connection, warehouse, 2, (1, 1), [campaign(1, "a", 10)])
        read(connection, warehouse, 2, (1, 1), [campaign(1, "a", 11)], moment=at(2, hour=18))
        assert told(reads_of(connection)) == [(1, 1, 11.0)]


def test_a_run_as_of_an_earlier_day_tells_nothing_of_that_age(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        read(connection, warehouse, 5, (1, 1), [campaign(1, "a", 10)])
        # the platform answers as of now, whatever day the run says it is
        read(connection, warehouse, 2, (1, 1), [campaign(1, "a", 14)], moment=at(6))
        read(connection, warehouse, 7, (1, 1), [campaign(1, "a", 15)])
        found = reads_of(connection)
        assert told(found) == [(1, 4, 10.0), (1, 6, 15.0)]


def test_a_day_with_an_unknown_figure_has_no_sum(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        read(connection, warehouse, 2, (1, 1), [campaign(1, "a", 10), campaign(1, "b", None)])
        read(connection, warehouse, 3, (1, 1), [campaign(1, "a", 10), campaign(1, "b", 4)])
        found = reads_of(connection)
        assert told(found) == [(1, 2, 14.0)]


def test_two_columns_are_read_at_once_and_one_unknown_leaves_the_other(
    warehouse: Warehouse,
) -> None:
    with warehouse.open() as connection:
        for as_of, value in ((2, None), (3, 8.0)):
            row = campaign(1, "a", value) | {"conversions": float(as_of)}
            read(connection, warehouse, as_of, (1, 1), [row])
        found = read_reads(connection, VALUE.table, ["conversions", VALUE.column], SINCE)
        assert told(found["conversions"]) == [(1, 1, 2.0), (1, 2, 3.0)]
        assert told(found[VALUE.column]) == [(1, 2, 8.0)]

        count = Late("denominator", VALUE.table, "conversions")
        ages = {("google_ads", KEY[1]): 7}
        both = read_all_arrivals(
            connection, [VALUE, count, VALUE], nov(8), lambda *account: ages[account]
        )
        assert set(both) == {VALUE, count}
        assert told({KEY: both[count][KEY].reads}) == [(1, 1, 2.0), (1, 2, 3.0)]


def test_clients_that_share_an_account_have_reads_of_their_own(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        read(connection, warehouse, 2, (1, 1), [campaign(1, "a", 10)])
        read(connection, warehouse, 2, (1, 1), [campaign(1, "a", 8)], client="other")
        found = reads_of(connection)
        assert told(found) == [(1, 1, 10.0)]
        assert told(found, ("other", KEY[1])) == [(1, 1, 8.0)]


def test_a_name_of_no_raw_table_never_becomes_sql(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        for table, column in (("google_ads__campaign_day", "1; drop"), ("x", "conversions")):
            with pytest.raises(ValueError, match="has no"):
                read_reads(connection, table, [column], SINCE)


# --- lag buckets ------------------------------------------------------------------------------


def test_lag_buckets_are_added_up_by_the_age_of_their_last_read(warehouse: Warehouse) -> None:
    lag = ADS_CONVERSION_LAG_DAY
    with warehouse.open() as connection:
        young = [bucket(1, "LESS_THAN_ONE_DAY", 6), bucket(2, "LESS_THAN_ONE_DAY", 2)]
        read(connection, warehouse, 3, (1, 2), young, lag)
        grown = [*young, bucket(1, "ONE_TO_TWO_DAYS", 3), bucket(3, "LESS_THAN_ONE_DAY", 1)]
        read(connection, warehouse, 4, (1, 3), grown, lag)
        # an API of next year may have a bucket that has no place yet
        new = [bucket(1, "NINETY_TO_HUNDRED_DAYS", 9)]
        read(connection, warehouse, 5, (1, 2), [*young, *new], lag, moment=at(5))

        def known(moment: datetime | None) -> list[Any]:
            found = read_lag_buckets(connection, "conversions", SINCE, moment).get(KEY)
            if found is None:
                return []
            columns = (found.age, found.lower, found.upper, found.amount)
            return sorted(zip(*(c.tolist() for c in columns), strict=True))

        assert known(at(2)) == []
        assert known(at(3)) == [(1, 0.0, 1.0, 2.0), (2, 0.0, 1.0, 6.0)]
        assert known(at(4)) == [
            (1, 0.0, 1.0, 1.0),
            (2, 0.0, 1.0, 2.0),
            (3, 0.0, 1.0, 6.0),
            (3, 1.0, 2.0, 3.0),
        ]
        assert known(None) == [(1, 0.0, 1.0, 1.0), (3, 0.0, 1.0, 2.0), (4, 0.0, 1.0, 6.0)]
        value = read_lag_buckets(connection, "conversions_value", SINCE)[KEY]
        assert sorted(value.amount.tolist()) == [50.0, 100.0, 300.0]
        # a conversion is worth 50, and large ones count for two
        assert value.grain == pytest.approx(100.0)


def test_an_accounts_curve_comes_from_its_reads_and_its_buckets(warehouse: Warehouse) -> None:
    with warehouse.open() as connection:
        three_reads(connection, warehouse)

        def arrival() -> Arrival:
            return read_arrivals(connection, VALUE, nov(8), lambda account: 7)[KEY]

        history = arrival()
        assert history.curve is not None and history.curve.learned_from == "history"
        # as of the 3rd, the 4th and the 8th something was read again
        assert (history.curve.snapshots, history.curve.final_age) == (3, 7)
        assert history.ages(nov(1), 8).tolist() == [7, 6, 5, -1, -1, -1, -1, -1]

        buckets = [bucket(1, "LESS_THAN_ONE_DAY", 6), bucket(1, "FIVE_TO_SIX_DAYS", 3)]
        read(connection, warehouse, 8, (1, 1), buckets, ADS_CONVERSION_LAG_DAY)
        both = arrival()
        assert both.curve is not None and both.curve.learned_from == "both"
        assert both.curve.error[1] < history.curve.error[1]
        none_yet = read_arrivals(connection, VALUE, nov(8), lambda account: 7, at(2))[KEY]
        assert none_yet.curve is None


def test_days_before_those_that_are_read_here_are_as_old_as_days_become() -> None:
    empty = Reads(np.array([], np.int64), np.array([], np.int64), np.array([], np.float64))
    arrival = Arrival(None, empty, nov(3))
    ages = arrival.ages(nov(1), 4)
    assert (ages[:2] >= 90).all() and ages[2:].tolist() == [-1, -1]
    # without a curve they count as whole, and the others as unknown
    part = Arrival(None, empty, nov(3), final_age=30).part(nov(1), np.ones(4), np.ones(4))
    share, _ = series_completeness([part])
    assert share == pytest.approx([1, 1, np.nan, np.nan], nan_ok=True)


# --- the sandbox's own lag --------------------------------------------------------------------


def test_the_buckets_of_a_first_run_bring_a_young_roas_near_what_it_will_be() -> None:
    """One read of 90 days, no history at all: what Google tells of its lag is what there is."""
    world, account, raw, adjusted = World(), "1111111111", [], []
    for as_of in (date(2026, 6, 9), date(2026, 7, 29), date(2026, 9, 17), date(2026, 10, 12)):
        prior = curve_of_buckets(buckets_of(world, account, as_of), 30)
        young, settled = (
            by_day(world, account, day) for day in (as_of, as_of + timedelta(days=40))
        )
        days = [as_of - timedelta(days=n) for n in range(1, 29)]
        value, cost, final = (
            np.array([figures[day][at] for day in days])
            for figures, at in ((young, 0), (settled, 1), (settled, 0))
        )
        share, error = series_completeness([Part(prior, np.arange(1, 29), cost)])
        told = adjusted_ratio(value, cost, share, error)
        assert told.value is not None and told.left_out == 0
        raw.append(value.sum() / final.sum() - 1)
        adjusted.append(told.value / (final.sum() / cost.sum()) - 1)

    assert max(raw) < -0.08
    assert abs(np.mean(adjusted)) < 0.02
    assert np.abs(adjusted).max() < 0.05


def buckets_of(world: World, account: str, as_of: date) -> LagBuckets:
    lags = world.ads_lag_facts(account, as_of)
    sums = lags.group_by(["date_day", "conversion_lag_bucket"]).aggregate(
        [("conversions_value", "sum")]
    )
    told = [
        ((as_of - row["date_day"]).days, *LAG_BUCKETS[row["conversion_lag_bucket"]], row)
        for row in sums.to_pylist()
    ]
    age, lower, upper, rows = zip(*(one for one in told if 1 <= one[0] <= 90), strict=True)
    return LagBuckets(
        np.array(age),
        np.array(lower, np.float64),
        np.array(upper, np.float64),
        np.array([row["conversions_value_sum"] for row in rows]),
        grain=200.0,
    )


def by_day(world: World, account: str, as_of: date) -> dict[date, tuple[float, float]]:
    facts = world.ads_facts(account, as_of)
    facts = facts.filter(pc.less(facts["date_day"], pa.scalar(as_of)))
    sums = facts.group_by("date_day").aggregate(
        [("conversions_value", "sum"), ("cost_micros", "sum")]
    )
    return {
        row["date_day"]: (row["conversions_value_sum"], row["cost_micros_sum"] / 1e6)
        for row in sums.to_pylist()
    }
