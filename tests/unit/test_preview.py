"""The replay of a target: what is counted, and how the past is made as young as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from flows.arrivals import Arrival
from flows.kpis import load_kpis, sql_dir
from flows.preview import (
    Message,
    Morning,
    Part,
    Preview,
    Stretch,
    aged,
    chosen_targets,
    days_of,
    messages_of,
    retuned,
    seen_from,
    stretches_of,
)
from flows.project import Project
from flows.report.model import ClientView, TargetView
from flows.settings import Agreed, Client, ConfigError, Goal, Period, Settings, Target, Tuning
from flows.targets.calibration import Score
from flows.targets.completeness import LagCurve, Reads
from flows.targets.cube import KpiCube
from flows.targets.evaluation import Evaluation, Series, Status
from flows.track_record import verdict_on
from flows.views import Figures
from flows.warehouse import Warehouse

KPIS = load_kpis(sql_dir())
OCT = date(2026, 10, 1)
Q4 = Period(start=OCT, end=date(2027, 1, 1), said="2026-Q4")
NOON = datetime(2026, 11, 20, 12)  # noqa: DTZ001 (UTC, as all our timestamps)


def target(target_id: str = "roas", period: Period = Q4, **more: Any) -> Target:
    return Target(
        id=target_id,
        specific="Do better",
        kpi="roas",
        goal=Goal(kind="at_least", at_least=4.0),
        period=period,
        agreed=Agreed(owner="tom@example.nl"),
        **more,
    )


def project(*clients: Client) -> Project:
    settings = Settings(
        config_dir=Path("config"), root=Path(), warehouse=Path("w"), landing=Path("l"),
        report_dir=Path("r"), clients=clients,
    )  # fmt: skip
    return Project(Path("config"), settings, KPIS, sql_dir(), Warehouse(Path("w"), Path("l")))


def client(slug: str, *targets: Target) -> Client:
    return Client(slug=slug, name=slug.title(), targets=targets)


def in_order(*statuses: str) -> list[tuple[date, Status]]:
    return [(OCT + timedelta(days=i), cast(Status, one)) for i, one in enumerate(statuses)]


def day(number: int) -> date:
    return OCT + timedelta(days=number)


# --- what is counted --------------------------------------------------------------------------


def test_mornings_with_the_same_status_are_one_stretch() -> None:
    days = in_order("too_early", "too_early", "on_track", "at_risk", "on_track")
    assert stretches_of(days) == (
        Stretch("too_early", day(0), day(1), 2),
        Stretch("on_track", day(2), day(2), 1),
        Stretch("at_risk", day(3), day(3), 1),
        Stretch("on_track", day(4), day(4), 1),
    )
    assert stretches_of([]) == ()


@pytest.mark.parametrize(
    ("statuses", "first"),
    [
        (("on_track", "off_track", "on_track", "on_track", "achieved"), 2),
        (("off_track", "at_risk", "off_track", "provisional", "missed"), 2),
        # what is no verdict does not disagree
        (("off_track", "stale", "insufficient_data", "off_track", "provisional", "missed"), 0),
        (("on_track", "at_risk", "provisional", "achieved"), None),
        (("off_track", "provisional", "achieved"), None),
        (("on_track", "on_track"), None),  # not over yet
        ((), None),
    ],
)
def test_the_outcome_was_seen_from_the_morning_after_the_last_that_disagreed(
    statuses: Sequence[str], first: int | None
) -> None:
    assert seen_from(in_order(*statuses)) == (None if first is None else day(first))


def view(as_of: date, total: Status, **segments: Status) -> ClientView:
    one = target(for_each="campaign_id")

    def said(segment: str, status: Status) -> Evaluation:
        return Evaluation(
            client="fietsgoed", target_id=one.id, segment=segment, segment_label=segment.title(),
            as_of=as_of, known_at=NOON, status=status, reason="", goal=4.0,
            details={"claimed": 1} if segment and status == "off_track" else {},
        )  # fmt: skip

    seen = TargetView(
        one, KPIS["roas"], said("", total), tuple(said(*item) for item in segments.items()),
        Series.of_days("", "", ()),
    )  # fmt: skip
    return ClientView(client("fietsgoed", one), as_of, NOON, (seen,), ())


def test_messages_are_those_that_the_rules_of_a_digest_allow() -> None:
    views = [
        view(day(0), "too_early", bikes="too_early"),  # the first: everything is news
        view(day(1), "too_early", bikes="on_track"),  # a segment that does not fail is none
        view(day(2), "on_track", bikes="on_track"),  # the first verdict
        view(day(3), "at_risk", bikes="off_track"),  # at risk is told to who asks for it
        view(day(4), "at_risk", bikes="insufficient_data"),  # stays what was told
        view(day(5), "at_risk", bikes="off_track"),
        view(day(6), "on_track", bikes="on_track"),
    ]
    assert list(messages_of(views, "roas")) == [
        Message(day(0), (("total", "too_early"),)),
        Message(day(2), (("total", "on_track"),)),
        Message(day(3), (("Bikes", "off_track"),)),
        Message(day(6), (("Bikes", "on_track"),)),
    ]


def test_the_cost_of_the_gate_and_what_the_replay_rests_on_are_said() -> None:
    def part(segment: str, *statuses: str) -> Part:
        return Part(
            segment,
            segment.title(),
            tuple(
                Morning(as_of, status, "", 4.1, 0.8, is_known=i >= 2)
                for i, (as_of, status) in enumerate(in_order(*statuses))
            ),
        )

    told = Preview(
        "fietsgoed",
        target(),
        day(2),
        (
            part("", "insufficient_data", "on_track", "on_track", "achieved"),
            part("bikes", "insufficient_data", "insufficient_data", "off_track", "missed"),
        ),
        (Message(day(0), (("total", "insufficient_data"),)),),
    )
    words = told.in_words()
    assert "2 mornings with what was known on each" in words
    assert "2 mornings before Koers ran, from what is known now" in words
    assert "too little data: 1 of 4 mornings" in words
    assert "outcome: achieved; seen from 2026-10-02 on, 1 day before the deadline" in words
    assert told.as_dict()["parts"][1]["too_little_data"] == 2
    assert told.as_dict()["parts"][1]["seen_from"] == day(2)


# --- which target and which days --------------------------------------------------------------


def test_a_target_is_found_with_every_client_that_has_it() -> None:
    of_both = project(client("a", target()), client("b", target(), target("cac")))
    assert chosen_targets(of_both, ["a", "b"], "roas") == ["a", "b"]
    assert chosen_targets(of_both, ["a", "b"], "cac") == ["b"]
    with pytest.raises(ConfigError, match=r'no target "raos".*did you mean "roas"'):
        chosen_targets(of_both, ["a", "b"], "raos")


def test_other_thresholds_are_tried_and_impossible_ones_refused() -> None:
    tried = retuned(target(), on_track_from=0.8, off_track_below=None, confirm_days=1)
    assert tried.tuning == Tuning(on_track_from=0.8, off_track_below=0.3, confirm_days=1)
    with pytest.raises(ConfigError, match="below the second"):
        retuned(target(), on_track_from=0.2)


def test_the_period_so_far_is_replayed_and_after_it_until_it_is_final() -> None:
    so_far = days_of(target(), date(2026, 11, 20), None, None)
    assert (so_far[0], so_far[-1], len(so_far)) == (day(1), date(2026, 11, 20), 50)
    long_over = days_of(target(), date(2027, 6, 1), None, None)
    # 1 January is the day after the period; 35 days later everything has arrived
    assert (long_over[0], long_over[-1]) == (day(1), date(2027, 2, 5))
    asked = days_of(target(), date(2026, 11, 20), date(2026, 11, 1), date(2026, 11, 3))
    assert asked == [date(2026, 11, 1), date(2026, 11, 2), date(2026, 11, 3)]


@pytest.mark.parametrize(
    "period", [Period(rolling_days=7), Period(every="month", end=date(2027, 1, 1))]
)
def test_of_what_has_no_one_period_the_last_ninety_mornings_are_replayed(period: Period) -> None:
    days = days_of(target(period=period), date(2026, 11, 20), None, None)
    assert (days[0], days[-1], len(days)) == (date(2026, 8, 23), date(2026, 11, 20), 90)


# --- as young as it was -----------------------------------------------------------------------

# half is in after a day, 80% after two, all after three
CURVE = LagCurve(
    np.array([np.nan, 0.5, 0.8, 1.0]), np.array([np.inf, 0.1, 0.05, 0.0]), 9, "history"
)


def figures(**changed: Any) -> Figures:
    """Six days of two accounts; the last day was read at an age of one day, a week is final."""
    n = np.arange(6)
    reads = Reads(OCT.toordinal() + n, 6 - n, np.full(6, 100.0))
    late = KPIS["roas"].late
    assert late is not None
    arrivals = {("fietsgoed", "1"): Arrival(CURVE, reads, OCT)}
    cube = KpiCube.of_cells(
        "fietsgoed", "roas", OCT, [{"account_id": "1"}, {"account_id": "2"}],
        np.full((2, 6), 100.0), np.full((2, 6), 25.0),
    )  # fmt: skip
    return Figures({("fietsgoed", "roas"): cube}, {late: arrivals | changed})


def test_younger_days_have_the_share_that_was_in_at_their_age() -> None:
    young = aged(project(client("fietsgoed", target())), figures(), day(4))
    cube = young.cubes["fietsgoed", "roas"].between(OCT, day(3))
    # on the morning of the fifth day they are 4, 3, 2 and 1 days old; all are whole now
    assert cube.numerator[0].tolist() == pytest.approx([100, 100, 80, 50])
    assert cube.numerator[1].tolist() == [100, 100, 100, 100]  # nothing is known of that account
    assert cube.denominator is not None
    assert cube.denominator.tolist() == [[25] * 4] * 2


def test_a_day_that_is_not_whole_now_is_taken_back_by_what_arrived_since() -> None:
    young = aged(project(client("fietsgoed", target())), figures(), day(5))
    # the fifth day was read at an age of two days (80%) and had one then (50%)
    cube = young.cubes["fietsgoed", "roas"].between(OCT, day(4))
    assert cube.numerator[0].tolist() == pytest.approx([100, 100, 100, 80, 62.5])


def test_the_ages_are_those_of_the_morning() -> None:
    read = figures()
    late = KPIS["roas"].late
    assert late is not None
    young = aged(project(client("fietsgoed", target())), read, day(4)).arrivals[late]
    assert young["fietsgoed", "1"].ages(OCT, 6).tolist() == [4, 3, 2, 1, -1, -1]
    assert read.arrivals[late]["fietsgoed", "1"].ages(OCT, 6).tolist() == [6, 5, 4, 3, 2, 1]


def test_a_kpi_that_does_not_arrive_late_stays_as_it_is() -> None:
    cube = KpiCube.of_cells("fietsgoed", "ctr", OCT, [{"account_id": "1"}], np.ones((1, 6)))
    read = replace(figures(), cubes={("fietsgoed", "ctr"): cube})
    young = aged(project(client("fietsgoed", target())), read, day(2))
    assert young.cubes["fietsgoed", "ctr"] is cube


# --- how far the odds may be trusted ----------------------------------------------------------


def record(**told: Any) -> Score:
    usual: dict[str, Any] = {
        "forecasts": 160, "periods": 10, "coverage": 0.8, "brier": 0.07, "naive_brier": 0.12,
        "gain": 0.05, "gain_low": 0.02, "gain_high": 0.08, "bins": (),
    }  # fmt: skip
    return Score(**{**usual, **told})


def test_a_record_is_judged_only_where_it_is_long_enough() -> None:
    assert verdict_on(None) == "too little history"
    assert verdict_on(record(periods=7)) == "7 periods are too few to tell"
    # ten periods tell 80% ± 25 points, sixty ± 10
    good = "intervals not clearly too narrow or too wide, odds better than naive pacing"
    assert verdict_on(record()) == verdict_on(record(coverage=0.6)) == good
    narrow = verdict_on(record(coverage=0.6, gain_low=-0.01, periods=60))
    assert narrow == "intervals too narrow, odds not clearly better than naive pacing"
    worse = verdict_on(record(coverage=0.95, gain_low=-0.08, gain_high=-0.01, periods=60))
    assert worse == "intervals too wide, odds worse than naive pacing"
