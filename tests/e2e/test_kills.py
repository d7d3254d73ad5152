"""A few kills at the instants that matter, and two runs at once; `make torture` does hundreds."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.morning import Project, SandboxProcess, copy_of, ended
from tests.torture.preloaded import Runner
from tests.torture.rounds import (
    BACKFILL,
    RUN,
    Kill,
    Torture,
    differences,
    prepare,
    state_of,
)

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def torture(
    vendors_process: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Torture]:
    directory = tmp_path_factory.mktemp("kills")
    with Runner() as runner:
        prepared = prepare(vendors_process, runner, directory / "prepared")
        yield Torture(vendors_process, runner, prepared, directory)


def test_a_run_that_is_killed_again_and_again_ends_as_one_that_nobody_disturbed(
    torture: Torture,
) -> None:
    state, messages, code, _ = torture.undisturbed(RUN)
    # there is something to disturb: restated rows, verdicts, messages by webhook, bot and mail
    assert code == 0
    assert len(state["history.google_ads__campaign_day"]) > 10
    assert len(state["ops.evaluations"]) == 2
    assert messages.total() == 3

    points = ("landed:4", "deleted:2", "committed:3", "building:1", "evaluated:1", "sending:1",
              "sent:1", "marked:1")  # fmt: skip
    kills = [Kill(point, int(times)) for point, times in (p.split(":") for p in points)]
    problems = torture.round(RUN, kills)

    assert problems == []
    assert [torture.tallies["run", kill.point].kills for kill in kills] == [1] * len(kills)
    # only a kill between sending and the commit of how that went can repeat a message
    assert sum(tally.duplicates for tally in torture.tallies.values()) == 2


def test_a_backfill_that_is_killed_goes_on_where_it_was(torture: Torture) -> None:
    before = torture.sandbox.count()
    torture.undisturbed(BACKFILL)
    clean = _asked(torture.sandbox, before)
    before = torture.sandbox.count()

    problems = torture.round(BACKFILL, [Kill("committed", 6)])

    assert problems == []
    asked = _asked(torture.sandbox, before)
    # what was landed before the kill is taken from there, not asked for again
    assert asked == clean
    assert clean.total() > 20


def test_a_backfill_during_a_daily_run_ends_as_one_after_the_other(torture: Torture) -> None:
    both = copy_of(torture.prepared, torture.directory / "both")
    first, second = (both.start(*command) for command in (BACKFILL, RUN))
    codes = [ended(first).code, ended(second).code]
    torture.inbox.new(both)
    alone, *_ = torture.undisturbed(RUN)
    in_turn = copy_of(Project(torture.directory / "undisturbed-run"), torture.directory / "in-turn")
    torture.runner.run(
        [*BACKFILL, "--config", str(in_turn.config)], torture.directory / "koers.log"
    )

    assert codes == [0, 0]
    expected = state_of(in_turn, torture.prepared_at)
    assert differences(state_of(both, torture.prepared_at), expected) == []
    # the backfill reaches back a month further than the run
    assert len(expected["marts.paid_media_day"]) > len(alone["marts.paid_media_day"])


def _asked(sandbox: SandboxProcess, after: int) -> Counter[str]:
    """The requests for the rows of days; accounts are looked at by every run."""
    asked = (
        json.dumps([call["source"], call["account_id"], call["detail"]], sort_keys=True)
        for call in sandbox.calls(after)
    )
    return Counter(text for text in asked if re.search(r'segments\.date|"20\d\d-\d\d-\d\d"', text))
