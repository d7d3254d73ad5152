"""120 mornings of the sandbox's story: what every route was told, nothing twice or missing."""

from __future__ import annotations

import os
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from flows import steps
from tests.e2e import story
from tests.e2e.morning import Project, SandboxProcess

pytestmark = pytest.mark.e2e

GOLDEN = Path(__file__).parents[1] / "golden" / "files" / "story.txt"


@pytest.fixture(scope="module")
def lived(
    vendors_process: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, list[story.Told]]:
    project = story.tell_project(vendors_process, tmp_path_factory.mktemp("story") / "koers")
    return project, story.live_through(project)


def test_every_route_is_told_its_story_and_no_more(
    lived: tuple[Project, list[story.Told]], vendors: SandboxProcess
) -> None:
    found = story.on_paper(lived[1])
    if os.environ.get("KOERS_WRITE_GOLDEN"):
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text(), "read the diff; KOERS_WRITE_GOLDEN=1 writes it anew"


def test_no_message_and_no_news_comes_twice(
    lived: tuple[Project, list[story.Told]], vendors: SandboxProcess
) -> None:
    digests = [one.digest for one in lived[1]]
    keys = Counter(digest.key for digest in digests)
    assert set(keys.values()) == {1}
    # the same status of the same goal again only after the week that was agreed
    last: dict[tuple[str, str, str, str, str], tuple[str, date]] = {}
    for digest in digests:
        if digest.cadence != "daily":
            continue
        for item in digest.changed:
            told = item.evaluation
            start = str(told.period_start if item.view.target.period.every else "")
            subject = (digest.client.slug, digest.route, told.target_id, told.segment, start)
            before = last.get(subject)
            if before is not None and before[0] == told.status:
                assert item.kind in ("again", "back")
                assert digest.as_of - before[1] >= timedelta(days=7)
            last[subject] = (told.status, digest.as_of)


def test_what_a_route_was_last_told_is_how_the_goal_stands(
    lived: tuple[Project, list[story.Told]], vendors: SandboxProcess
) -> None:
    """Nothing that matters is missing: who follows the messages alone knows the end."""
    project, told = lived
    heard: dict[str, str] = {}
    for one in told:
        if one.digest.route == "team":
            for item in one.digest.changed:
                heard[item.evaluation.target_id] = item.evaluation.status
    ends = dict(
        project.rows(
            "select target_id, max_by(status, as_of) from ops.evaluations "
            "where segment = '' group by all"
        )
    )
    finals = {goal: end for goal, end in ends.items() if end in ("achieved", "missed")}
    assert len(finals) >= 4
    assert {goal: heard[goal] for goal in finals} == finals


def test_a_morning_once_more_and_an_older_one_tell_nothing(
    lived: tuple[Project, list[story.Told]], vendors: SandboxProcess
) -> None:
    project, _ = lived
    before = project.rows("select * from ops.alert_state order by all")
    assert story.live_through(project, [story.LAST, date(2026, 11, 11)]) == []
    assert project.rows("select * from ops.alert_state order by all") == before
    with story.open_(project) as opened:  # a backfill judges, and tells nobody
        steps.evaluate_targets(opened, story.CLIENTS, story.LAST, False)
    assert project.rows("select * from ops.alert_state order by all") == before
