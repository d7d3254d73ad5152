"""Ten thousand targets over three years of daily data: how long judging them all takes.

Run: ``.venv/bin/python -m tests.bench.many_targets [clients] [targets a client]``. Makes a
warehouse of its own first, in a process of its own, which is not counted. Then reads every
figure, judges every target and stores the answers, as a morning's run does. ``--profile``
tells where the time goes, ``--keep DIR`` makes the warehouse only once.
"""

from __future__ import annotations

import argparse
import cProfile
import multiprocessing
import pstats
import re
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import numpy as np
import pyarrow as pa

from connectors.tables import ADS_CAMPAIGN_DAY, GA4_CHANNEL_DAY, GSC_SITE_DAY
from flows import readings, steps
from flows.kpis import Kpi, load_kpis, sql_dir
from flows.models import build, load_models
from flows.project import Project
from flows.settings import Agreed, Client, ClientSource, Goal, Measure, Period, Settings, Target
from flows.targets.evaluation import FloatArray
from flows.warehouse import Warehouse
from tests.bench.synthetic import volume

AS_OF = date(2026, 11, 20)
DAYS = 1095
FIRST = AS_OF - timedelta(days=DAYS)
CAMPAIGNS, DEVICES = 20, ("MOBILE", "DESKTOP", "TABLET")
CHANNELS = ("SEARCH", "SHOPPING", "PERFORMANCE_MAX")
GROUPS = ("Organic Search", "Direct", "Paid Search", "Email", "Referral", "Organic Social")
# an account has been read every morning; each time the month before it
READ_DAYS = 30

PERIODS = (
    Period(start=date(2026, 10, 1), end=date(2027, 1, 1), said="2026-Q4"),
    Period(start=date(2026, 11, 1), end=date(2026, 12, 1), said="2026-11"),
    Period(every="month", end=date(2027, 1, 1), said="every month"),
    Period(start=date(2026, 9, 15), end=date(2026, 12, 15), said="3 months"),
    Period(rolling_days=28, said="28d"),
    Period(start=date(2026, 1, 1), end=date(2027, 1, 1), said="2026"),
)
KINDS = ("at_least", "at_most", "from_to", "between", "maintain")


# --- the warehouse ----------------------------------------------------------------------------


def slug_of(number: int) -> str:
    return f"client-{number:03}"


def make_warehouse(path: Path, clients: int) -> None:
    """Three years of campaigns × devices, channels and organic search for every client."""
    warehouse = Warehouse(path, path.parent / "landing")
    with warehouse.open() as connection:
        for number in range(clients):
            add_client(connection, number)
        add_loads(connection)
        readings.write_clients(connection, [client_of(n, ()) for n in range(clients)])
        build(connection, load_models(sql_dir()))


def add_client(connection: duckdb.DuckDBPyConnection, number: int) -> None:
    random = np.random.default_rng(number)
    slug, account = slug_of(number), str(1_000_000_000 + number)
    for source in ("google_ads", "ga4", "search_console"):
        connection.execute(
            "insert into ops.accounts (client, source, account_id, account_name, currency_code, "
            "status) values (?, ?, ?, ?, 'EUR', 'ok')",
            [slug, source, account, slug],
        )
    cells = CAMPAIGNS * len(DEVICES)
    impressions = volumes(random, cells, 3_000)
    clicks = impressions * random.uniform(0.02, 0.06, (cells, 1)) * noise(random, cells, 0.1)
    cost = clicks * random.uniform(0.3, 1.5, (cells, 1)) * noise(random, cells, 0.1)
    conversions = clicks * random.uniform(0.01, 0.05, (cells, 1)) * noise(random, cells, 0.3)
    value = conversions * random.uniform(30, 120, (cells, 1)) * noise(random, cells, 0.3)
    campaign = np.repeat(np.arange(CAMPAIGNS), len(DEVICES))
    add(
        connection,
        ADS_CAMPAIGN_DAY.name,
        cells,
        client=slug,
        account_id=account,
        campaign_id=[str(21_000_000_000 + number * 100 + int(n)) for n in campaign],
        campaign_name=[f"Campagne {n} – fietsen en accessoires" for n in campaign],
        campaign_status="ENABLED",
        channel_type=[CHANNELS[n % len(CHANNELS)] for n in campaign],
        device=list(DEVICES) * CAMPAIGNS,
        network="SEARCH",
        currency_code="EUR",
        impressions=np.round(impressions),
        clicks=np.round(clicks),
        cost_micros=np.round(cost * 1_000_000),
        conversions=np.round(conversions, 2),
        conversions_value=np.round(value, 2),
    )
    sessions = volumes(random, len(GROUPS), 800)
    bought = sessions * 0.02 * noise(random, len(GROUPS), 0.3)
    add(
        connection,
        GA4_CHANNEL_DAY.name,
        len(GROUPS),
        client=slug,
        account_id=account,
        session_default_channel_group=list(GROUPS),
        currency_code="EUR",
        sessions=np.round(sessions),
        key_events=np.round(bought * 2),
        transactions=np.round(bought),
        purchase_revenue=np.round(bought * 60, 2),
        first_time_purchasers=np.round(bought * 0.6),
    )
    shown = volumes(random, 1, 20_000)
    add(
        connection,
        GSC_SITE_DAY.name,
        1,
        client=slug,
        account_id=account,
        clicks=np.round(shown * 0.03 * noise(random, 1, 0.1)),
        impressions=np.round(shown),
        is_provisional="false",
    )


def volumes(random: np.random.Generator, cells: int, mean: float) -> FloatArray:
    return np.array(
        [volume(random, DAYS, mean=mean * random.uniform(0.2, 2)) for _ in range(cells)]
    )


def noise(random: np.random.Generator, cells: int, size: float) -> FloatArray:
    return np.exp(random.normal(0, size, (cells, DAYS)))


def add(connection: duckdb.DuckDBPyConnection, table: str, cells: int, **columns: Any) -> None:
    """Rows for every cell and day; a column is one text, a text a cell, or cells × days."""
    days = (np.datetime64(FIRST) + np.arange(DAYS)).astype("datetime64[D]")
    rows: dict[str, pa.Array] = {"date_day": pa.array(np.tile(days, cells))}
    for name, told in columns.items():
        if isinstance(told, np.ndarray):
            rows[name] = pa.array(told.reshape(-1))
            continue
        texts = [told] * cells if isinstance(told, str) else told
        rows[name] = pa.DictionaryArray.from_arrays(
            pa.array(np.repeat(np.arange(cells, dtype=np.int32), DAYS)), pa.array(texts)
        )
    connection.register("made", pa.table(rows))
    connection.execute(
        f"insert into raw.{table} ({', '.join(rows)}, loaded_at) "
        f"select {', '.join(rows)}, date_day + interval 30 day from made"
    )
    connection.unregister("made")


def add_loads(connection: duckdb.DuckDBPyConnection) -> None:
    """Every account was read each morning of the three years, the month before it each time."""
    for table in (ADS_CAMPAIGN_DAY, GA4_CHANNEL_DAY, GSC_SITE_DAY):
        connection.execute(
            "insert into ops.loads (load_id, client, source, table_name, account_id, "
            "window_start, window_end, rows, outcome, started_at, finished_at, committed_at, "
            "as_of) "
            "select uuid()::varchar, client, source, ?, account_id, "
            "greatest(day::date - ?, ?::date), day::date - 1, 1, 'loaded', "
            "day + interval 6 hour, day + interval 6 hour, day + interval 6 hour, day::date "
            "from ops.accounts, generate_series(?::date + 1, ?::date, interval 1 day) as t(day) "
            "where source = ?",
            [table.name, READ_DAYS, FIRST, FIRST, AS_OF, table.source],
        )


# --- the targets ------------------------------------------------------------------------------


def client_of(number: int, targets: tuple[Target, ...]) -> Client:
    account = ClientSource(ids=(str(1_000_000_000 + number),))
    sources = dict.fromkeys(("google_ads", "ga4", "search_console"), account)
    return Client(slug=slug_of(number), name=slug_of(number), sources=sources, targets=targets)


def add_targets(
    connection: duckdb.DuckDBPyConnection, kpis: dict[str, Kpi], clients: int, targets: int
) -> tuple[Client, ...]:
    """Targets of every kind around what each scope came to in the year before."""
    since = AS_OF - timedelta(days=365)
    slugs = [slug_of(number) for number in range(clients)]
    made: dict[int, list[Target]] = {number: [] for number in range(clients)}
    names = sorted(kpis)
    for at, name in enumerate(names):
        cubes = readings.read_kpi(connection, slugs, kpis[name], since, AS_OF - timedelta(days=1))
        for number in range(clients):
            random = np.random.default_rng([number, at])
            for i in range(at, targets, len(names)):
                where, for_each = scope_of(kpis[name], number, i // len(names))
                series = cubes[slug_of(number), name].series(where)
                period = PERIODS[int(random.integers(len(PERIODS)))]
                level = float(np.nansum(series.numerator))
                if series.denominator is not None:
                    level /= float(np.nansum(series.denominator))
                else:
                    start, end = period.occurrence(AS_OF)
                    level *= (end - start).days / len(series)
                made[number].append(
                    Target(
                        id=f"target-{i:03}",
                        specific=f"{name} {i}",
                        kpi=name,
                        where=where,
                        for_each=for_each,
                        goal=goal_of(KINDS[i // len(names) % len(KINDS)], level, random),
                        period=period,
                        measure=Measure(window_days=28) if i % 11 == 0 else Measure(),
                        agreed=Agreed(owner="sanne@example.nl"),
                    )
                )
    return tuple(client_of(number, tuple(told)) for number, told in made.items())


def scope_of(kpi: Kpi, client: int, i: int) -> tuple[dict[str, tuple[str, ...]], str | None]:
    if "campaign_id" in kpi.dimensions:
        campaign = str(21_000_000_000 + client * 100 + i % CAMPAIGNS)
        scopes: list[tuple[dict[str, tuple[str, ...]], str | None]] = [
            ({"source": ("google_ads",)}, None),
            ({"channel_type": (CHANNELS[i % 3],)}, None),
            ({"campaign_id": (campaign,)}, None),
            ({"channel_type": ("SEARCH", "SHOPPING"), "device": (DEVICES[i % 3],)}, None),
            ({"channel_type": (CHANNELS[i % 3],)}, "campaign_id"),
        ]
        return scopes[i % len(scopes)]
    if "channel_group" in kpi.dimensions and i % 2:
        return {"channel_group": (GROUPS[i % len(GROUPS)],)}, None
    return {}, None


def goal_of(kind: str, level: float, random: np.random.Generator) -> Goal:
    aim = level * float(random.uniform(0.9, 1.15))
    kinds: dict[str, dict[str, Any]] = {
        "at_least": {"at_least": aim},
        "at_most": {"at_most": aim},
        "from_to": {"from_": level * 0.95, "to": aim * 1.1},
        "between": {"between": (level * 0.9, level * 1.1)},
        "maintain": {"maintain": level, "within": 0.1},
    }
    return Goal(kind=kind, **kinds[kind])


# --- the run ----------------------------------------------------------------------------------


class Counting:
    """A connection that counts the queries per relation that they read."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, counted: Counter[str]) -> None:
        self._connection, self._counted = connection, counted

    def execute(self, query: str, *told: Any) -> duckdb.DuckDBPyConnection:
        self._counted.update(set(re.findall(r"\b(?:kpis|raw|ops|history)\.\w+", query)))
        return self._connection.execute(query, *told)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class CountingWarehouse(Warehouse):
    counted: ClassVar[Counter[str]] = Counter()

    @contextmanager
    def open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with super().open() as connection:
            yield Counting(connection, self.counted)  # type: ignore[misc]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("clients", type=int, nargs="?", default=100)
    asked.add_argument("targets", type=int, nargs="?", default=100)
    asked.add_argument("--keep", type=Path)
    asked.add_argument("--profile", action="store_true")
    told = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="koers-bench-") as scratch:
        folder = (told.keep or Path(scratch)).resolve()
        path = folder / f"targets-{told.clients}.duckdb"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            started = time.perf_counter()
            making = multiprocessing.get_context("spawn").Process(
                target=make_warehouse, args=(path, told.clients)
            )
            making.start()
            making.join()
            if making.exitcode:
                raise SystemExit("the warehouse could not be made")
            print(f"made in {time.perf_counter() - started:.0f} s, {path.stat().st_size:,} bytes")
        measure(path, told.clients, told.targets, told.profile)


def measure(path: Path, clients: int, targets: int, profile: bool) -> None:
    kpis = load_kpis(sql_dir())
    warehouse = CountingWarehouse(path, path.parent / "landing")
    with warehouse.open() as connection:
        configured = add_targets(connection, kpis, clients, targets)
        connection.execute("delete from ops.evaluations")
        (rows,) = connection.execute("select count(*) from marts.paid_media_day").fetchall()[0]
    settings = Settings(
        config_dir=path.parent,
        root=path.parent,
        warehouse=path,
        landing=path.parent / "landing",
        report_dir=path.parent,
        clients=configured,
    )
    project = Project(path.parent, settings, kpis, sql_dir(), warehouse)
    slugs = [client.slug for client in configured]
    print(f"{clients} clients, {rows:,} rows of paid media over {DAYS:,} days")
    for as_of in (AS_OF - timedelta(days=1), AS_OF):
        warehouse.counted.clear()
        profiler = cProfile.Profile()
        wall, cpu = time.perf_counter(), time.process_time()
        if profile and as_of == AS_OF:
            profiler.enable()
        evaluations = steps.evaluate_targets(project, slugs, as_of, notify=False)
        profiler.disable()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        total = sum(evaluation.segment == "" for evaluation in evaluations)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"as of {as_of}: {total:,} targets, {len(evaluations):,} evaluations "
            f"in {wall:.1f} s, {cpu:.1f} CPU s; peak {peak:,.0f} MiB"
        )
    print("statuses:", dict(Counter(e.status for e in evaluations).most_common()))
    print("with odds:", sum(e.probability is not None for e in evaluations))
    print("queries by relation:", dict(sorted(warehouse.counted.items())))
    if profile:
        pstats.Stats(profiler).sort_stats("cumulative").print_stats(45)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    main()
