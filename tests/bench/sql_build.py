"""How long the SQL models and their checks take over millions of campaign-device-days.

Run: ``python -m tests.bench.sql_build [rows …]``. Each size is a warehouse of its own of three
years of days, made by hashing, so that every run makes the same. Building and checking are
what `koers build` does, in a fresh process; the best of two rounds is told.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from connectors.tables import ADS_ACCOUNT_DAY, ADS_CAMPAIGN_DAY
from flows import readings
from flows.kpis import sql_dir
from flows.models import build, load_models, run_checks
from flows.settings import Client, ClientSource
from flows.warehouse import Warehouse
from tests.bench.measure import fresh, machine, tell

AS_OF = date(2026, 11, 20)
DAYS = 1095
CAMPAIGNS = 20
DEVICES = ("MOBILE", "DESKTOP", "TABLET")
ACCOUNTS_A_CLIENT = 10
# the goal, on two cores
MOST_SECONDS = {10_000_000: 15.0}

_ROWS = """
insert into raw.{campaign_day} by name
with cells as (
    select
        account, day, campaign, device,
        hash(account, campaign, device, day) as chance,
        hash(account, campaign) % 400 + 20 as size
    from
        range({first}, {last}) as accounts(account),
        range({days}) as days(day),
        range({campaigns}) as campaigns(campaign),
        unnest({devices}) as devices(device)
),
clicked as (
    select *, (size * (80 + chance % 40) / 100)::bigint * 10 as impressions,
        (size * (chance % 37 + 20) / 100)::bigint as clicks
    from cells
)
select
    'client-' || lpad((account // {accounts_a_client})::varchar, 4, '0') as client,
    (1000000000 + account)::varchar as account_id,
    date '{first_day}' + day::integer as date_day,
    (21000000000 + account * 100 + campaign)::varchar as campaign_id,
    'Campagne ' || campaign || ' – fietsen en accessoires' as campaign_name,
    'ENABLED' as campaign_status,
    ['SEARCH', 'SHOPPING', 'PERFORMANCE_MAX'][campaign % 3 + 1] as channel_type,
    device,
    'SEARCH' as network,
    if(account % 5 = 4, 'USD', 'EUR') as currency_code,
    impressions,
    clicks,
    clicks * (300000 + chance % 900000)::bigint as cost_micros,
    clicks * (chance % 1000) / 20000.0 as conversions,
    clicks * (chance % 1000) / 200.0 as conversions_value,
    clicks * (chance % 997) / 20000.0 as conversions_by_conversion_date,
    clicks * (chance % 997) / 200.0 as conversions_value_by_conversion_date,
    date_day + interval 30 day as loaded_at
from clicked
"""
_TOTALS = """
insert into raw.{account_day} by name
select
    client, account_id, date_day, currency_code, max(loaded_at) as loaded_at,
    sum(columns(['impressions', 'clicks', 'cost_micros', 'conversions', 'conversions_value',
        'conversions_by_conversion_date', 'conversions_value_by_conversion_date']))
from raw.{campaign_day}
group by all
"""
_RATES = """
insert into raw.ecb__rate_day by name
select
    '_agency' as client, 'eurofxref' as account_id, date '{first_day}' + day::integer as date_day,
    'USD' as currency_code, 1 + hash(day) % 2000 / 10000 as rate, now()::timestamp as loaded_at
from range({days}) as days(day)
"""
MODULE = "tests.bench.sql_build"
# accounts a statement
_AT_ONCE = 10


def make(path: Path, rows: int) -> None:
    """A warehouse with so many rows, at least, loaded account by account."""
    accounts = -(-rows // (DAYS * CAMPAIGNS * len(DEVICES)))
    first_day = AS_OF - timedelta(days=DAYS)
    clients = {f"client-{account // ACCOUNTS_A_CLIENT:04}" for account in range(accounts)}
    with Warehouse(path, path.parent / "landing").open() as connection:
        for first in range(0, accounts, _AT_ONCE):
            statement = _ROWS.format(
                campaign_day=ADS_CAMPAIGN_DAY.name,
                first=first,
                last=min(first + _AT_ONCE, accounts),
                days=DAYS,
                campaigns=CAMPAIGNS,
                devices=list(DEVICES),
                accounts_a_client=ACCOUNTS_A_CLIENT,
                first_day=first_day,
            )
            connection.execute(statement)
        names = {"account_day": ADS_ACCOUNT_DAY.name, "campaign_day": ADS_CAMPAIGN_DAY.name}
        connection.execute(_TOTALS.format(**names))
        connection.execute(_RATES.format(days=DAYS, first_day=first_day))
        readings.write_clients(
            connection,
            [
                Client(slug=slug, name=slug, sources={"google_ads": ClientSource()})
                for slug in sorted(clients)
            ],
        )


def build_once(path: Path) -> dict[str, Any]:
    """What `koers build` does. Gives the rows of the mart and how long each part took."""
    models = load_models(sql_dir())
    with Warehouse(path, path.parent / "landing").open() as connection:
        started = time.perf_counter()
        build(connection, models)
        built = time.perf_counter()
        failed = [c.name for c in run_checks(connection, sql_dir(), models) if not c.passed]
        checked = time.perf_counter()
        rows, cost = connection.execute(
            "select count(*), sum(cost)::varchar from marts.paid_media_day"
        ).fetchall()[0]
        (in_raw,) = connection.execute(
            f"select (sum(cost_micros) / 1000000)::decimal(38, 6)::varchar "
            f"from raw.{ADS_CAMPAIGN_DAY.name}"
        ).fetchall()[0]
    if failed:
        raise SystemExit(f"checks fail: {failed}")
    if cost != in_raw:
        raise SystemExit(f"the mart's cost is {cost}, that of raw {in_raw}")
    return {"rows": rows, "build": built - started, "checks": checked - built}


def measure(rows: int, rounds: int, folder: Path) -> None:
    """Print what building and checking a warehouse of that size takes."""
    path = folder / f"rows-{rows}" / "koers.duckdb"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        fresh(MODULE, "--make", path, rows)
    runs = [fresh(MODULE, "--build", path) for _ in range(rounds)]
    best = min(runs, key=lambda run: run.wall)  # what else the machine does is not ours
    told = best.answer
    print(
        f"{told['rows']:>12,}{told['build']:>10.1f}{told['checks']:>10.1f}{best.wall:>10.1f}"
        f"{best.cpu:>10.1f}{best.peak_mb:>8.0f}{path.stat().st_size / 1024**2:>9.0f}",
        flush=True,
    )
    most = MOST_SECONDS.get(rows)
    if most is not None:
        print(f"{'':12}the goal: built within {most:g} s on two cores")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sql_build")
    parser.add_argument("rows", nargs="*", type=int, default=[1_000_000, 10_000_000])
    parser.add_argument("--long", action="store_true", help="50 million rows too: 10 GB of disk")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="make the warehouses here, only once")
    parser.add_argument("--make", nargs=2, metavar=("PATH", "ROWS"), help=argparse.SUPPRESS)
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.make:
        path, rows = asked.make
        tell(lambda: make(Path(path), int(rows)))
        return
    if asked.build:
        tell(lambda: build_once(asked.build))
        return
    print(machine())
    print(
        f"{'rows':>12}{'build s':>10}{'checks s':>10}{'both s':>10}{'CPU s':>10}{'MB':>8}"
        f"{'file MB':>9}"
    )
    with tempfile.TemporaryDirectory(prefix="koers-bench-") as scratch:
        for rows in [*asked.rows, *([50_000_000] if asked.long else [])]:
            measure(rows, asked.rounds, asked.keep or Path(scratch))


if __name__ == "__main__":
    main()
