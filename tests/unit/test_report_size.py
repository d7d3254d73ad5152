"""A client with fifty goals and years of data has a report that a mailbox and a phone can take."""

from __future__ import annotations

from pathlib import Path

from tests.bench import report_size

MOST_BYTES = 2_000_000


def test_fifty_goals_over_years_of_data_stay_under_two_megabytes(tmp_path: Path) -> None:
    project = report_size.project_of(tmp_path, 50)
    report_size.judge_before(project, 1)
    page, _, _ = report_size.write(project)
    html = page.read_text(encoding="utf-8")
    assert html.count("<article") == 50
    assert html.count('class="strip"') > 25, "the past that was stored is shown"
    assert 500_000 < page.stat().st_size < MOST_BYTES
