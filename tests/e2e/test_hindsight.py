"""What was said then, the past judged anew, a target replayed, the odds held against the past."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.morning import (
    DEMO_DAY,
    Project,
    SandboxProcess,
    contents,
    new_project,
    replace_once,
)

pytestmark = pytest.mark.e2e

MORNINGS = [DEMO_DAY - timedelta(days=n) for n in (2, 1, 0)]

Verdicts = dict[tuple[str, str, str], dict[str, Any]]


def verdicts(told: dict[str, Any]) -> Verdicts:
    """By client, target and segment what was said, but for when; sums of floats vary in the end."""
    return {
        (one["client"], one["target_id"], one["segment"]): {
            name: float(f"{value:.12g}") if isinstance(value, float) else value
            for name, value in one.items()
            if name != "known_at"
        }
        for one in told["targets"]
    }


def test_each_of_three_mornings_is_told_again_as_it_was(
    vendors: SandboxProcess, tmp_path: Path
) -> None:
    project = new_project(vendors, tmp_path / "koers")
    for day in MORNINGS:
        vendors.set_as_of(day)
        assert project.here("run", "--direct", "--as-of", str(day)).code == 1  # one refuses
    assert project.rows("select count(*) > 100 from history.google_ads__campaign_day") == [(True,)]
    before = contents(project, "ops")
    stored = {day: project.here("targets", "--as-of", str(day)).told for day in MORNINGS}

    again = {
        day: project.here("evaluate", "--as-of", str(day), "--known-at", str(day)).told
        for day in MORNINGS
    }

    for day in MORNINGS:
        assert again[day]["why"] == f"the end of the run as of {day}"
        assert len(verdicts(again[day])) >= 13
        assert verdicts(again[day]) == verdicts(stored[day])
    # the same day with what was known on the last morning is something else
    later = project.here("evaluate", "--as-of", str(MORNINGS[0]), "--known-at", str(MORNINGS[2]))
    assert verdicts(later.told) != verdicts(stored[MORNINGS[0]])
    assert contents(project, "ops") == before

    # an edited goal is another one; an edited plan is not
    fietsgoed = project.client_file("fietsgoed")
    replace_once(fietsgoed, "goal: {at_least: 3}", "goal: {at_least: 2.5}")
    replace_once(fietsgoed, "do: Twaalf koopgidsen publiceren", "do: Tien koopgidsen publiceren")
    first = MORNINGS[0]
    edited = verdicts(project.here("evaluate", "--known-at", str(first)).told)
    then = verdicts(stored[first])
    uk = ("fietsgoed", "uk-roas-q4", "")
    assert edited.pop(uk)["target_version"] != then.pop(uk)["target_version"]
    assert edited == then


def test_a_range_of_mornings_is_judged_in_one_go_and_nobody_is_told(project: Project) -> None:
    said = contents(project, "ops", "raw", "history", "marts")
    first = date(2026, 10, 1)

    done = project.here("evaluate", "--from", str(first), "--to", str(DEMO_DAY))

    assert (done.code, done.told["days"]) == (0, 51)
    now = contents(project, "ops", "raw", "history", "marts")
    assert {name for name in now if now[name] != said[name]} == {"ops.evaluations"}
    rows = project.rows(
        "select client, target_id, count(distinct as_of) from ops.evaluations "
        "where segment = '' group by all order by all"
    )
    assert {count for _, _, count in rows} == {51}
    assert len(rows) == 9
    # a second time there is nothing new to say
    again = project.here("evaluate", "--from", str(DEMO_DAY), "--to", str(DEMO_DAY))
    assert again.told["stored"] == 0


def test_a_target_is_replayed_with_the_thresholds_that_are_tried(project: Project) -> None:
    before = contents(project, "ops")
    asked = ("google-ads-ctr", "--as-of", str(DEMO_DAY))

    (usual,) = project.here("preview", *asked).told["previews"]
    (strict,) = project.here(
        "preview", *asked, "--on-track-from", "99%", "--off-track-below", "0.98",
        "--confirm-days", "1",
    ).told["previews"]  # fmt: skip

    assert (usual["client"], usual["mornings"], usual["mornings_as_known"]) == ("fietsgoed", 50, 1)
    assert usual["messages"][0]["as_of"] == "2026-10-02"  # the first one tells of every target
    (total,) = usual["parts"]
    assert sum(one["mornings"] for one in total["stretches"]) == 50
    # the first verdict is told, and at risk to those alone who ask for it
    assert [one["status"] for one in total["stretches"]] == ["too_early", "on_track", "at_risk"]
    assert [one["changes"] for one in usual["messages"]] == [
        [["total", "too_early"]], [["total", "on_track"]],
    ]  # fmt: skip
    assert strict["tuning"] == {"on_track_from": 0.99, "off_track_below": 0.98, "confirm_days": 1}
    assert strict["parts"][0]["counts"].get("on_track", 0) <= total["counts"].get("on_track", 0)
    assert strict["parts"][0]["counts"] != total["counts"]
    assert contents(project, "ops") == before
    in_words = project.koers("preview", *asked)
    assert "1 morning with what was known" in in_words.out
    assert "49 mornings before Koers ran" in in_words.out


def test_what_cannot_be_meant_is_said(project: Project) -> None:
    near = project.koers("preview", "google-ads-crt")
    assert near.code == 2
    assert 'did you mean "google-ads-ctr"' in near.err
    bad = ("--on-track-from", "20%", "--off-track-below", "30%")
    assert project.koers("preview", "google-ads-ctr", *bad).code == 2
    assert project.koers("evaluate", "--known-at", "yesterday").code == 2
    both = project.koers("evaluate", "--from", "2026-10-01", "--as-of", "2026-10-02")
    assert (both.code, both.out) == (2, "")


def test_too_little_history_to_calibrate_on_is_said(loaded: Project) -> None:
    told = loaded.here("calibrate", "--as-of", str(DEMO_DAY)).told
    assert {one["kpi"] for one in told["scopes"] if one["client"] == "tulp-en-thee"} == {
        "cac", "conversion_rate", "organic_clicks", "cost",
    }  # fmt: skip
    # 66 days are no quarter with two months before it
    assert [one["verdict"] for one in told["scopes"]] == ["too little history"] * 9
    assert (told["overall"], told["verdict"]) == (None, "too little history")
    in_words = loaded.koers("calibrate", "--as-of", str(DEMO_DAY))
    assert (in_words.code, "too little history: 137 more days" in in_words.out) == (0, True)
