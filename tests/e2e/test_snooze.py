"""`koers snooze`: a target is silent until a day, and what changed is told on it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.e2e.morning import DEMO_DAY, Project, replace_once

pytestmark = pytest.mark.e2e

UNTIL = DEMO_DAY + timedelta(days=2)


def messages(project: Project) -> int:
    ((count,),) = project.rows("select count(*) from ops.outbox")
    return int(count)


def test_a_snoozed_target_is_judged_and_not_told_of_until_the_snooze_ends(project: Project) -> None:
    asked = ("snooze", "cac", "--as-of", str(DEMO_DAY))
    done = project.here(*asked, "--until", str(UNTIL), "--because", "a new\nprice list")
    assert (done.code, done.told) == (
        0,
        {
            "client": "tulp-en-thee", "target": "cac", "until": str(UNTIL),
            "because": "a new price list", "muted_in_file_until": None,
        },
    )  # fmt: skip
    shop = project.client_file("tulp-en-thee")
    replace_once(shop, "goal: {at_most: 38 EUR}", "goal: {at_most: 100 EUR}")  # that is news
    before = messages(project)

    again = (
        "backfill", "--direct", "--from", "2026-11-18", "--to", "2026-11-18", "--notify",
        "--client", "tulp-en-thee", "--as-of", str(DEMO_DAY),
    )  # fmt: skip
    project.here(*again)
    assert messages(project) == before
    # it was judged all the same
    verdicts = "select count(distinct goal) from ops.evaluations where target_id = 'cac'"
    assert project.rows(verdicts) == [(2,)]

    assert project.here("snooze", "cac", "--end", "--as-of", str(DEMO_DAY)).code == 0
    project.here(*again)
    assert messages(project) == before + 1
    ((payload,),) = project.rows("select payload from ops.outbox order by created_at desc limit 1")
    assert "100" in payload


def test_a_snooze_can_be_ended_and_mistakes_are_told(project: Project) -> None:
    day = ("--as-of", str(DEMO_DAY))
    assert project.koers("snooze", "cac", "--end", *day).code == 2  # there is none
    past = project.koers("snooze", "cac", "--until", str(DEMO_DAY), *day)
    assert (past.code, "is not after" in past.err) == (2, True)
    near = project.koers("snooze", "cak", "--until", str(UNTIL), *day)
    assert (near.code, 'did you mean "cac"' in near.err) == (2, True)
    assert project.koers("snooze", "cac", *day).code == 2

    said = project.koers("snooze", "cac", "--until", str(UNTIL), *day)
    assert f"tulp-en-thee cac: nothing is told before {UNTIL}" in said.out
    ended = project.here("snooze", "cac", "--end", *day)
    assert (ended.code, ended.told["until"]) == (0, None)
    assert project.here("snooze", "cac", "--end", *day).code == 2
