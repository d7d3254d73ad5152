"""Targets held against the data: what `koers validate --data` and the report say of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from flows.cli import OK, USAGE, main
from flows.data_findings import Code, DataFinding, data_findings, told_where
from flows.kpis import load_kpis, sql_dir
from flows.settings import Client, Target, load_settings
from flows.targets.cube import KpiCube
from flows.targets.evaluation import AccountProblem, Freshness
from flows.warehouse import Warehouse
from tests.unit.config_folder import KOERS, target, write

KPIS = load_kpis(sql_dir())
START = date(2026, 10, 1)
AS_OF = date(2026, 11, 20)
FRESH = Freshness(AS_OF - timedelta(days=1), AS_OF - timedelta(days=1))

BRAND: dict[str, str | None] = {"campaign_name": "Brand - NL", "channel_type": "SEARCH"}
FEED: dict[str, str | None] = {"campaign_name": "Feed", "channel_type": "SHOPPING"}


def a_target(tmp_path: Path, **changes: str | None) -> tuple[Client, Target]:
    """The target of tests/unit/config_folder.py: a CTR from 3% to 5% in 2026-Q4."""
    client = load_settings(write(tmp_path, shop=target(**changes)), KPIS).clients[0]
    return client, client.targets[0]


def cube(
    rate: Sequence[float] | float,
    shown: float = 100_000.0,
    cells: Sequence[Mapping[str, str | None]] = (BRAND,),
    days: int = 600,
    kpi: str = "ctr",
) -> KpiCube:
    """Cells whose daily impressions are ``shown`` and whose CTR is ``rate`` up to the eve."""
    rates = np.broadcast_to(np.array(rate, dtype=float), (days,))
    bottom = np.full((len(cells), days), shown)
    return KpiCube.of_cells(
        "shop",
        kpi,
        AS_OF - timedelta(days=days),
        cells,
        bottom * rates,
        bottom,
    )


def wandering(spread: float = 0.02, level: float = 0.03) -> list[float]:
    """600 days of a rate that moves by ``spread`` from week to week, the last at ``level``."""
    moves = np.repeat(np.random.default_rng(3).normal(0, spread, 86), 7)[:600] / 7
    walk = np.cumsum(moves)
    at = 600 - (AS_OF - START).days
    return list(level * np.exp(walk - walk[at]))


def codes(found: Sequence[DataFinding]) -> dict[str, str]:
    return {one.code: one.severity for one in found}


def find(
    tmp_path: Path,
    data: KpiCube,
    freshness: Freshness = FRESH,
    as_of: date = AS_OF,
    **changes: str | None,
) -> list[DataFinding]:
    client, one = a_target(tmp_path, **{"plan": DONE, **changes})
    return data_findings(client, one, KPIS[one.kpi], data, freshness, as_of)


DONE = "[{do: Rewrite the ads, owner: tom@example.nl, due: 2026-10-15, done: 2026-10-14}]"


# --- the start --------------------------------------------------------------------------------


def test_a_start_far_from_what_was_measured_is_told_with_both(tmp_path: Path) -> None:
    found = find(tmp_path, cube(0.04))
    (differs,) = [one for one in found if one.code == "baseline_differs"]
    assert (differs.severity, differs.place, differs.target_id) == ("warning", "goal.from", "ctr")
    assert differs.details == {
        "said": 0.03,
        "measured": pytest.approx(0.04),
        # four weeks up to the eve of the quarter
        "first": "2026-09-03",
        "last": "2026-09-30",
    }


@pytest.mark.parametrize(
    ("measured", "is_told"), [(0.03, False), (0.0274, False), (0.0333, False), (0.0271, True)]
)
def test_a_start_within_ten_percent_is_right(
    tmp_path: Path, measured: float, is_told: bool
) -> None:
    # 3% is 9.5% more than 2.74%, 9.9% less than 3.33% and 10.7% more than 2.71%
    assert ("baseline_differs" in codes(find(tmp_path, cube(measured)))) is is_told


def test_a_start_that_a_small_account_cannot_refute_is_left_alone(tmp_path: Path) -> None:
    # 2.6% of 40 impressions a day are 29 clicks in four weeks: as well 3%
    clicks = np.random.default_rng(1).binomial(40, 0.026, 600) / 40
    assert "baseline_differs" not in codes(find(tmp_path, cube(clicks.tolist(), shown=40)))
    assert "baseline_differs" in codes(find(tmp_path, cube(0.026, shown=40_000)))
    least = find(tmp_path, cube(0.02), measure="{min_denominator: 5000000}")
    assert "baseline_differs" not in codes(least)


def test_before_the_period_the_last_days_that_have_settled_are_the_start(tmp_path: Path) -> None:
    early = date(2026, 9, 15)
    data = replace(cube(0.05), first_day=early - timedelta(days=600))
    fresh = Freshness(early - timedelta(days=1), early - timedelta(days=1))
    (differs, *_) = find(tmp_path, data, fresh, early)
    assert (differs.code, differs.details["last"]) == ("baseline_differs", "2026-09-14")
    # conversions still arrive for the youngest days, and nobody knows how many
    goal = "{from: 3%, to: 6%}"
    (differs, *_) = find(tmp_path, data, fresh, early, kpi="ads_conversion_rate", goal=goal)
    assert (differs.code, differs.details["last"]) == ("baseline_differs", "2026-09-07")


def test_a_path_by_last_year_needs_a_last_year(tmp_path: Path) -> None:
    goal = "{from: 3%, to: 5%, path: last_year}"
    assert "no_last_year" not in codes(find(tmp_path, cube(0.03, days=600), goal=goal))
    (told, *_) = find(tmp_path, cube(0.03, days=300), goal=goal)
    assert (told.code, told.severity, told.place) == ("no_last_year", "warning", "goal.path")
    # the same weekdays of the year before
    assert told.details == {"first": "2025-10-02", "last": "2026-01-01"}
    assert "no_last_year" not in codes(find(tmp_path, cube(0.03, days=300)))


# --- realism ----------------------------------------------------------------------------------


def test_a_goal_that_the_account_never_came_near_asks_for_a_reason(tmp_path: Path) -> None:
    (told,) = find(tmp_path, cube(wandering()))
    assert (told.code, told.severity, told.place) == (
        "realism_without_precedent",
        "warning",
        "goal",
    )
    assert isinstance(told.details["chance"], float) and told.details["chance"] < 0.05
    low, high = told.details["usual_low"], told.details["usual_high"]
    assert isinstance(low, float) and isinstance(high, float) and low < 0.03 < high < 0.05


def test_with_a_reason_it_is_only_told(tmp_path: Path) -> None:
    found = find(tmp_path, cube(wandering()), realistic="{because: the pilot gave +40%}")
    assert codes(found) == {"realism_without_precedent": "note"}


@pytest.mark.parametrize(
    ("goal", "code"),
    [
        ("{at_least: 2.5%}", "realism_comfortable"),
        ("{at_most: 2.5%}", "realism_without_precedent"),
        ("{between: [2.5%, 3.5%]}", "realism_comfortable"),
        ("{maintain: 3%, within: 20%}", "realism_comfortable"),
    ],
)
def test_every_kind_of_goal_is_held_against_the_past(tmp_path: Path, goal: str, code: str) -> None:
    assert code in codes(find(tmp_path, cube(wandering()), goal=goal))


def test_with_too_little_history_it_says_how_many_days_are_lacking(tmp_path: Path) -> None:
    # 120 days, of which 70 before the quarter; 28 and three quarters of 92 days are 304
    (told,) = find(tmp_path, cube(0.03, days=120))
    assert (told.code, told.severity) == ("realism_unknown", "note")
    assert told.details["lacking"] == 234


def test_a_goal_for_each_is_as_hard_as_for_the_hardest(tmp_path: Path) -> None:
    easy, hard = np.array(wandering()), np.array(wandering(level=0.015))
    cells = [
        {"campaign_id": "1", "campaign_name": "Brand"},
        {"campaign_id": "2", "campaign_name": "Feed"},
    ]
    shown = np.full((2, 600), 100_000.0)
    data = KpiCube.of_cells(
        "shop", "ctr", AS_OF - timedelta(days=600), cells, shown * np.array([easy, hard]), shown
    )
    (told,) = find(tmp_path, data, goal="{at_least: 2.5%}", for_each="campaign")
    assert (told.code, told.details["segment"]) == ("realism_without_precedent", "Feed")


def test_money_in_two_currencies_is_not_judged(tmp_path: Path) -> None:
    shown = np.full((2, 600), 10.0)
    data = KpiCube.of_cells(
        "shop", "roas", AS_OF - timedelta(days=600), [BRAND, FEED], shown * 4, shown,
        currencies=["EUR", "GBP"],
    )  # fmt: skip
    assert find(tmp_path, data, kpi="roas", goal="{from: 3, to: 5}") == []


# --- the scope --------------------------------------------------------------------------------


def test_a_filter_that_matches_nothing_is_answered_with_what_is_near(tmp_path: Path) -> None:
    where = "{campaign_name: [brand nl, Feed], channel_type: SEARCH}"
    (told,) = find(tmp_path, cube(0.03, cells=[BRAND, FEED]), where=where)
    assert (told.code, told.place) == ("nothing_matches", "where.campaign_name")
    assert told.details == {"key": "campaign_name", "value": "brand nl", "near": "Brand - NL"}


def test_a_filter_that_nothing_is_near_to_is_answered_with_what_there_is(tmp_path: Path) -> None:
    (told,) = find(
        tmp_path, cube(0.03, cells=[BRAND, FEED]), where="{campaign_name: Zomeractie 2019}"
    )
    assert told.details["known"] == '"Brand - NL" or "Feed"'


def test_filters_that_match_nothing_together_are_told_as_one(tmp_path: Path) -> None:
    where = "{campaign_name: Feed, channel_type: SEARCH}"
    (told,) = find(tmp_path, cube(0.03, cells=[BRAND, FEED]), where=where)
    assert (told.code, told.place) == ("nothing_matches_together", "where")
    assert told.details == {"scope": "campaign_name Feed and channel_type SEARCH"}


def test_an_account_that_could_not_be_read_is_not_a_filter_that_matches_nothing(
    tmp_path: Path,
) -> None:
    denied = AccountProblem("Fietsgoed België", "google_ads", "denied (USER_PERMISSION_DENIED)")
    unread = Freshness(None, AS_OF - timedelta(days=1), problems=(denied,))
    where = '{account_id: "4444444444"}'
    data = cube(0.03, cells=[{**BRAND, "account_id": "1111111111"}])
    assert "nothing_matches" in codes(find(tmp_path, data, where=where))
    assert "nothing_matches" not in codes(find(tmp_path, data, unread, where=where))


def test_a_kpi_without_any_figure_is_told(tmp_path: Path) -> None:
    empty = KpiCube.of_cells("shop", "ctr", AS_OF, [], np.zeros((0, 0)), np.zeros((0, 0)))
    assert codes(find(tmp_path, empty)) == {"no_kpi_data": "warning"}
    unknown = replace(cube(0.03), numerator=np.full((1, 600), np.nan))
    assert codes(find(tmp_path, unknown)) == {"no_kpi_data": "warning"}


# --- the plan ---------------------------------------------------------------------------------


def test_steps_that_are_overdue_or_of_somebody_who_did_not_agree_are_told(tmp_path: Path) -> None:
    plan = (
        "[{do: On time, owner: sanne@example.nl, due: 2026-11-20}, "
        "{do: Late, owner: Tom@Example.nl, due: 2026-11-18}, "
        "{do: Done, owner: eva@example.nl, due: 2026-10-01, done: 2026-11-01}, "
        "{do: Unasked, owner: eva@example.nl}]"
    )
    agreed = "{owner: sanne@example.nl, by: tom@example.nl}"
    found = find(tmp_path, cube(0.03), plan=plan, agreed=agreed, goal="{at_least: 2%}")
    steps = [one for one in found if one.code.startswith("step")]
    assert [(one.code, one.place) for one in steps] == [
        ("step_overdue", "plan[1].due"),
        ("step_not_agreed", "plan[3].owner"),
    ]
    assert steps[0].details == {
        "do": "Late", "owner": "Tom@Example.nl", "due": "2026-11-18", "n": 2,
    }  # fmt: skip


def test_after_the_deadline_nothing_else_matters(tmp_path: Path) -> None:
    day_after = date(2027, 1, 1)
    fresh = Freshness(date(2026, 12, 31), date(2026, 12, 31))
    (told,) = find(tmp_path, cube(0.02), fresh, day_after, agreed="{owner: a@b.nl}")
    assert (told.code, told.place, told.details) == (
        "deadline_past",
        "period",
        {"deadline": "2026-12-31", "n": 1},
    )
    on_the_day = find(tmp_path, cube(0.02), fresh, date(2026, 12, 31))
    assert "deadline_past" not in codes(on_the_day)


# --- in words, with file and line -------------------------------------------------------------


def test_each_finding_stands_at_the_line_to_change(tmp_path: Path) -> None:
    changes = {
        "where": "\n      channel_type: SEARCH\n      campaign_name:\n        - Feed"
        "\n        - Brnd - NL",
        "plan": "[{do: Late, owner: tom@example.nl, due: 2026-10-15}]",
    }
    client, one = a_target(tmp_path, **changes)
    found = data_findings(client, one, KPIS["ctr"], cube(0.03, cells=[BRAND, FEED]), FRESH, AS_OF)
    text = (tmp_path / "config/clients/shop.yaml").read_text().splitlines()
    told = [str(f).removeprefix(f"{tmp_path}/config/") for f in told_where(found, [client], KPIS)]
    names = text.index("        - Brnd - NL") + 1
    plan = next(i for i, line in enumerate(text, 1) if line.startswith("    plan:"))
    assert told == [
        f"clients/shop.yaml:{names}: targets[0] (ctr).where.campaign_name: warning: "
        'no data has campaign_name "Brnd - NL"; did you mean "Brand - NL"?',
        f"clients/shop.yaml:{plan}: targets[0] (ctr).plan[0].due: warning: "
        '"Late" was due on 2026-10-15; write done: with the day, or agree on another day with '
        "tom@example.nl",
        f"clients/shop.yaml:{plan}: targets[0] (ctr).plan[0].owner: warning: "
        "tom@example.nl did not agree to this target; add the address to agreed.by, or have "
        "somebody do it who did",
    ]


def test_figures_are_said_as_they_are_written_in_the_file(tmp_path: Path) -> None:
    client, one = a_target(tmp_path, plan=DONE)
    found = data_findings(client, one, KPIS["ctr"], cube(0.04), FRESH, AS_OF)
    differs, realism = told_where(found, [client], KPIS)
    assert differs.problem == (
        "the goal starts from 3.0%, but 4.0% was measured over 2026-09-03..2026-09-30"
    )
    assert (differs.line, realism.line) == (9, 9)
    assert "without precedent by the account's own past" in realism.problem
    assert "hardly any would make the goal" in realism.problem
    assert realism.expected.startswith("say why it can be done with realistic: {because: …}")


def test_every_code_can_be_said(tmp_path: Path) -> None:
    client, one = a_target(tmp_path)
    details: dict[str, Any] = {
        "said": 0.03, "measured": 0.04, "first": "2026-09-03", "last": "2026-09-30",
        "key": "device", "value": "PHONE", "scope": "x", "do": "it", "owner": "a@b.nl",
        "due": "2026-10-01", "deadline": "2026-12-31", "lacking": 5, "chance": 0.3,
        "usual_low": 0.02, "usual_high": 0.04,
    }  # fmt: skip
    found = [DataFinding(code, "note", "shop", one.id, "goal", details) for code in get_args(Code)]
    told = told_where(found, [client], KPIS)
    assert len({finding.problem for finding in told}) == len(get_args(Code))
    assert [finding.severity for finding in told] == ["note"] * len(told)


# --- the command ------------------------------------------------------------------------------


def with_warehouse(tmp_path: Path, rate: float) -> Path:
    """A project with 200 days of the real KPI ctr for its client, published for readers."""
    config = write(tmp_path, KOERS, shop=target(plan=DONE))
    warehouse = Warehouse(tmp_path / "data/koers.duckdb", tmp_path / "landing", 1.0)
    with warehouse.open() as connection:
        connection.execute("create schema if not exists kpis")
        dimensions = ", ".join(f"{name} varchar" for name in KPIS["ctr"].dimensions)
        connection.execute(
            f"create table kpis.ctr (client varchar, date_day date, {dimensions}, "
            "numerator double, denominator double)"
        )
        connection.execute(
            "insert into kpis.ctr by name select 'shop' as client, date_day::date as date_day, "
            "'google_ads' as source, 100000.0 * ? as numerator, 100000.0 as denominator "
            "from generate_series(date '2026-05-04', date '2026-11-19', interval 1 day) "
            "as days(date_day)",
            [rate],
        )
    warehouse.publish()
    return config


def validate_data(config: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    code = main(["validate", "--config", str(config), "--data", "--as-of", "2026-11-20", *more])
    return code, capsys.readouterr().out.replace(f"{config}/", "")


def test_the_command_tells_what_the_data_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = validate_data(with_warehouse(tmp_path, 0.04), capsys)
    assert code == OK  # nothing that the data shows is an error
    baseline, realism = said.splitlines()
    assert baseline.startswith("clients/shop.yaml:9: targets[0] (ctr).goal.from: warning: the goal")
    assert realism.startswith(
        "clients/shop.yaml:9: targets[0] (ctr).goal: note: too little history"
    )


def test_as_json_each_finding_has_its_code_and_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = validate_data(with_warehouse(tmp_path, 0.04), capsys, "--json")
    assert code == OK
    first, _ = json.loads(said)["findings"]
    assert first["file"] == "clients/shop.yaml"
    assert (first["line"], first["place"]) == (9, "targets[0] (ctr).goal.from")
    assert (first["code"], first["client"], first["target_id"]) == (
        "baseline_differs",
        "shop",
        "ctr",
    )
    assert first["details"]["measured"] == pytest.approx(0.04)


def test_without_data_it_says_what_to_do_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tmp_path, KOERS, shop=target())
    code, said = validate_data(config, capsys)
    assert code == OK
    assert "note: there is no data yet; run `koers run`" in said
    assert not (tmp_path / "data").exists()  # looking makes nothing


def test_a_warehouse_that_was_never_built_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tmp_path, KOERS, shop=target())
    with Warehouse(tmp_path / "data/koers.duckdb", tmp_path / "landing", 1.0).open():
        pass
    code, said = validate_data(config, capsys)
    assert code == OK
    assert "nothing has been built yet; run `koers build`" in said


def test_a_configuration_with_errors_is_not_held_against_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tmp_path, KOERS, shop=target(goal="{from: 3,5%, to: 5%}"))
    code, said = validate_data(config, capsys)
    assert code == USAGE
    assert len(said.splitlines()) == 1
