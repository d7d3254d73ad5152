"""Bullet graphs and the lines of segments: right, together, and quiet about what is not there."""

from __future__ import annotations

import re
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from flows.report import charts, small_charts
from flows.report.small_charts import Bullet
from flows.targets.evaluation import Series
from tests.golden import sample

DAY = date(2026, 11, 1)


def widths(svg: str, role: str) -> list[float]:
    """How wide the boxes of one colour are, in pixels."""
    found = re.findall(rf'd="M[^"]*?h(-?[\d.]+)v[^"]*" ?fill="{charts.ROLES[role]}"', svg)
    return [float(one) for one in found]


def series(segment: str, values: list[float]) -> Series:
    numbers = np.array(values)
    return Series(segment, segment, DAY, numbers, np.ones(len(values)), np.isfinite(numbers))


def test_bars_are_as_long_as_their_values_are_large() -> None:
    """On one scale that ends at the goal: half the goal is half as long as the goal is far."""
    (drawn,) = small_charts.bullets([Bullet(2.0, 4.0)], "nl")
    assert drawn is not None
    (bar,) = widths(drawn, "line")
    goal = re.search(rf'd="M([\d.]+),0[^"]*" ?fill="{charts.ROLES["goal"]}"', drawn)
    assert goal is not None
    assert bar == pytest.approx((float(goal[1]) + 3.5 / 2) / 2, abs=0.2)


def test_each_bullet_graph_is_the_one_that_was_asked_for() -> None:
    wanted = [Bullet(value, 10.0, unit="money", currency="EUR") for value in (2.0, 4.0, 8.0)]
    drawn = small_charts.bullets(wanted, "nl")
    bars = [widths(one or "", "line")[0] for one in drawn]
    assert [b / a for a, b in pairwise(bars)] == pytest.approx([2.0, 2.0], abs=0.02)
    assert all("€" in (one or "") for one in drawn)


def test_what_has_no_bar_has_no_picture_and_moves_no_other() -> None:
    wanted = [
        None,
        Bullet(-1.0, 2.0),
        Bullet(float("nan"), 2.0),
        Bullet(0.0, 0.0),
        Bullet(1.0, 2.0),
    ]
    drawn = small_charts.bullets(wanted, "en")
    assert [one is not None for one in drawn] == [False, False, False, False, True]
    assert small_charts.bullets([], "en") == []


def test_a_range_far_wider_than_all_else_runs_off_the_edge() -> None:
    """1.6 times the goal of 4, and 4% of room: 4 is told at 252 · 4 / 6.656 = 151 pixels."""
    (drawn,) = small_charts.bullets([Bullet(3.0, 4.0, ends=(2.0, 400.0))], "nl")
    goal = re.search(rf'd="M([\d.]+),0[^"]*" ?fill="{charts.ROLES["goal"]}"', drawn or "")
    assert goal is not None
    assert float(goal[1]) + 3.5 / 2 == pytest.approx(151.4, abs=0.3)


def test_lines_share_one_scale_with_the_goal() -> None:
    """The same value is at the same height in each; a day alone is no line."""
    lines = small_charts.lines(
        [series("a", [2.0] * 20), series("b", [2.0] * 10 + [6.0] * 10), series("c", [3.0])],
        sample.CTR, DAY, DAY + timedelta(days=19), 4.0, "nl", None,
    )  # fmt: skip
    assert sorted(lines) == ["a", "b"]
    starts = [
        re.findall(rf'd="M0,([\d.]+)L[^"]*"[^>]*stroke="{charts.ROLES["line"]}"', one)[0]
        for one in lines.values()
    ]
    assert starts[0] == starts[1]


def test_no_picture_names_an_id_that_is_not_there() -> None:
    view = sample.client_view("nl")
    for one in view.targets:
        drawn = charts.chart_svg(one, view.as_of, view.sources, "nl", scope="x") or ""
        ids = set(re.findall(r'\bid="([^"]+)"', drawn))
        assert set(re.findall(r"url\(#([^)]+)\)", drawn)) <= ids
