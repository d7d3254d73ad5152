"""The same days in one go, or in halves and out of order: the same marts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.morning import DEMO_DAY, SandboxProcess, contents, new_project

pytestmark = pytest.mark.e2e

# when a row was loaded is not among the figures
LOAD_TIMES = ("loaded_at", "first_loaded_at", "last_loaded_at")


def test_a_range_in_one_go_and_in_two_halves_later_one_first_gives_the_same_marts(
    vendors: SandboxProcess, tmp_path: Path
) -> None:
    whole, halves = (
        new_project(vendors, tmp_path / "whole"),
        new_project(vendors, tmp_path / "halves"),
    )
    as_of = ("--as-of", str(DEMO_DAY), "--direct")

    codes = [
        whole.here("backfill", *as_of, "--from", "2026-10-31", "--to", "2026-11-19").code,
        halves.here("backfill", *as_of, "--from", "2026-11-10", "--to", "2026-11-19").code,
        halves.here("backfill", *as_of, "--from", "2026-10-31", "--to", "2026-11-09").code,
    ]

    assert codes == [1, 1, 1]  # the account that refuses
    marts = ("intermediate", "marts", "kpis")
    expected = contents(whole, *marts, without=LOAD_TIMES)
    assert expected["marts.paid_media_day"][0] > 2_000
    assert expected["marts.organic_search_day"][0] == 18 + 18  # 31 October to 17 November
    assert contents(halves, *marts, without=LOAD_TIMES) == expected
    # a backfill only loads and builds
    assert whole.rows("select count(*) from ops.evaluations") == [(0,)]
    assert whole.rows("select count(*) from ops.outbox") == [(0,)]
