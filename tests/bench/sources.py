"""Koers beside the usual ways from an API to a DuckDB file, in one run.

Run: ``make bench``, or ``.venv-bench/bin/python -m tests.bench.sources [--long] [source …]``.
Google Ads and GA4 answer over gRPC with TLS, Search Console over http, all from a process of
their own. Every way is run in a fresh process; figures are medians of several rounds, and its
sums must be those of the others. ``--long`` adds 5 million rows.

koers        connector, landing file, checks and commit in the warehouse, as a run does it
koers-table  the connector's batches into a DuckDB table
arrow        the vendor's client (requests for Search Console), lists, Arrow, DuckDB
executemany  the same lists, inserted with executemany
dlt          the same rows as dictionaries through dlt, which appends and checks nothing
"""

from __future__ import annotations

import argparse

from tests.bench.measure import Measured, fresh, machine, middle
from tests.bench.vendors import Vendors, vendors
from tests.bench.ways import CONNECTORS

MILLION = 1_000_000
# rows and rounds; the slow ways get fewer rows, or they would take an hour
WAYS = {
    "koers": (MILLION, 3),
    "koers-table": (MILLION, 3),
    "arrow": (100_000, 2),
    "dlt": (100_000, 1),
    "executemany": (10_000, 1),
}
SEARCH_CONSOLE = {"arrow": (200_000, 2), "dlt": (200_000, 1), "executemany": (50_000, 1)}
# how often the usual way, and which one that is: it has to be beaten by so much
GOALS = {
    "google_ads": ("koers-table", 20.0),
    "ga4": ("koers-table", 15.0),
    "search_console": ("koers-table", 3.0),
}
MEMORY_ROWS = (200_000, MILLION)
LONG_ROWS = (5 * MILLION,)


def rate(rows: int, took: Measured) -> float:
    return rows / took.cpu


def run_ways(source: str, at: Vendors) -> None:
    """Print rows per CPU second of each way, and how often Koers does it meanwhile."""
    ways = WAYS | (SEARCH_CONSOLE if source == "search_console" else {})
    same: dict[int, object] = {}
    found: dict[str, tuple[int, Measured]] = {}
    for way, (rows, rounds) in ways.items():
        took = middle([fresh("tests.bench.ways", source, way, rows, at) for _ in range(rounds)])
        found[way] = rows, took
        if rows not in same:
            # what the connector itself says of so many rows is what all others must say
            same[rows] = fresh("tests.bench.ways", source, "koers-table", rows, at).answer
        if took.answer != same[rows]:
            raise SystemExit(f"{source} {way}: {took.answer}, expected {same[rows]}")
    print(
        f"\n{source:15}{'rows':>10}{'rows/CPU s':>13}{'koers is':>10}{'-table':>8}"
        f"{'peak MB':>9}{'imports, CPU s':>16}{'wall s':>8}"
    )
    for way, (rows, took) in found.items():
        times = [rate(*found[ours]) / rate(rows, took) for ours in ("koers", "koers-table")]
        print(
            f"  {way:13}{rows:>10,}{rate(rows, took):>13,.0f}{times[0]:>9.1f}×{times[1]:>7.1f}×"
            f"{took.peak_mb:>9.0f}{took.start_cpu:>16.1f}{took.wall:>8.1f}"
        )
    ours, least = GOALS[source]
    times_ = rate(*found[ours]) / rate(*found["arrow"])
    print(f"  {ours} to arrow: {times_:.1f}×, at least {least:g}× is the goal", flush=True)


def run_sizes(source: str, at: Vendors, sizes: tuple[int, ...]) -> None:
    """Print the memory of a whole load by the number of rows in it."""
    peaks = {rows: fresh("tests.bench.ways", source, "koers", rows, at).peak_mb for rows in sizes}
    told = ", ".join(f"{rows:,} rows {peak:.0f} MB" for rows, peak in peaks.items())
    print(f"  peak memory of koers: {told}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sources")
    parser.add_argument("sources", nargs="*", choices=[*CONNECTORS, []], default=[])
    parser.add_argument("--long", action="store_true", help="5 million rows too")
    asked = parser.parse_args()
    print(machine())
    with vendors() as at:
        for source in asked.sources or CONNECTORS:
            run_ways(source, at)
            run_sizes(source, at, MEMORY_ROWS + (LONG_ROWS if asked.long else ()))


if __name__ == "__main__":
    main()
