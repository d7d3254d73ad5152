"""Configuration files to models, and every mistake with its line."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from babel.numbers import list_currencies
from hypothesis import example, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from flows.alerts.news import report_links
from flows.literals import CURRENCIES
from flows.settings import (
    ConfigError,
    Finding,
    Goal,
    Period,
    SecretRef,
    SlackBot,
    Tuning,
    find_config,
    load_settings,
    validate,
)
from flows.shapes import SOURCES
from tests.unit.config_folder import (
    CATALOGUE,
    HEAD,
    KOERS,
    findings,
    loaded,
    refusal,
    target,
    write,
)

DESIGN = """\
name: Fietsgoed
sources:
  google_ads: {login_customer_id: 100-000-0002, discover: true}
  ga4: {property_ids: [311111111]}
notify: growth
targets:
  - id: google-ads-ctr
    specific: Raise the CTR of our Google Ads search campaigns
    kpi: ctr
    where: {source: google_ads, channel_type: [SEARCH, DISPLAY], account_id: 111-111-1111}
    goal: {from: 3%, to: 5%}
    period: {start: 2026-10-01, for: 3 months}
    measure: {window: 28d, min_denominator: 5000}
    agreed: {owner: sanne@example.nl, by: [tom@example.nl], on: 2026-09-24}
    realistic: {because: the new ad copy gave +40% in the August pilot}
    plan:
      - {do: Rewrite the responsive search ads, owner: tom@example.nl, due: 2026-10-15}
    notify: [growth]
  - id: shopping-roas-q4
    specific: A ROAS of at least 4 on all Google Shopping campaigns
    kpi: roas
    where: {source: google_ads, channel_type: SHOPPING}
    for_each: campaign
    goal: {at_least: 4}
    period: 2026-Q4
    measure: {completeness: learned}
    agreed: {owner: tom@example.nl, on: 2026-09-24}
    plan: [{do: Split the feed by margin, owner: tom@example.nl, due: 2026-10-20}]
"""


def test_the_designs_example_becomes_models(tmp_path: Path) -> None:
    settings = loaded(tmp_path, fietsgoed=DESIGN)
    (client,) = settings.clients
    ctr, roas = client.targets
    assert (client.slug, client.currency, client.locale) == ("fietsgoed", "EUR", "nl")
    assert client.sources["google_ads"].model_dump() == {
        "ids": (),
        "discover": True,
        "login_customer_id": "1000000002",
        "since": None,
        "tables": (),
        "reports": (),
    }
    assert ctr.where == {
        "source": ("google_ads",),
        "channel_type": ("SEARCH", "DISPLAY"),
        "account_id": ("1111111111",),
    }
    assert ctr.goal == Goal(kind="from_to", from_=0.03, to=0.05)
    assert ctr.period == Period(
        start=date(2026, 10, 1), end=date(2027, 1, 1), said="start: 2026-10-01, for: 3 months"
    )
    assert (ctr.measure.window_days, ctr.measure.min_denominator) == (28, 5000.0)
    assert (ctr.agreed.owner, ctr.agreed.by) == ("sanne@example.nl", ("tom@example.nl",))
    assert ctr.agreed.on == date(2026, 9, 24)
    assert ctr.realistic_because == "the new ad copy gave +40% in the August pilot"
    assert ctr.plan[0].due == date(2026, 10, 15)
    assert (ctr.line, roas.line) == (7, 19)
    assert roas.for_each == "campaign_id"
    assert roas.goal == Goal(kind="at_least", at_least=4.0)
    assert roas.measure.completeness == "learned"
    assert (client.notified(ctr), client.notified(roas)) == (("growth",), ("growth",))


def test_a_dozen_mistakes_are_all_named_with_their_lines(tmp_path: Path) -> None:
    text = """\
name: Shop
timezone: CET+1
sources:
  google_ads: {customer_ids: [1111111111]}
targets:
  - id: ctr
    specific: Raise the CTR
    kpi: crt
    goal: {from: 3,5%, to: 5%}
    period: {start: 2026-10-01}
    agreed: {by: [tom@example.nl]}
    plan: [{do: Rewrite the ads, owner: tom@example.nl}]
  - id: roas
    specific: A ROAS of at least 4
    kpi: roas
    where: {chanel_type: SHOPPING}
    goal: {at_least: 400%}
    period: 2026-Q4
    agreed: {owner: tom@example.nl}
    notify: [growht]
    plan: [{do: Split the feed, owner: tom@example.nl, due: 2027-01-15}]
  - id: ctr
    specific: Raise the CTR
    kpi: ctr
    goal: {at_least: 3}
    period: 2026-Q4
    period: 2026-Q3
    agreed: {owner: tom@example.nl}
routes:
  own: {slack: "https://hooks.slack.com/services/T0/B0/abc"}
"""
    told = findings(tmp_path, shop=text)
    expected = [
        (2, 'timezone: "CET+1" is not an IANA time zone'),
        (8, 'targets[0] (ctr).kpi: M (measurable): no KPI "crt"; did you mean "ctr"?'),
        (9, 'targets[0] (ctr).goal.from: "3,5%" has a decimal comma'),
        (10, "targets[0] (ctr).period: T (time-bound): no deadline"),
        (11, "targets[0] (ctr).agreed.owner: A (acceptable): no owner"),
        (16, 'targets[1] (roas).where.chanel_type: no dimension "chanel_type" in roas; did you'),
        (17, 'targets[1] (roas).goal.at_least: "400%" is a percentage but roas is not a rate'),
        (20, 'targets[1] (roas).notify[0]: no route "growht"; did you mean "growth"?'),
        (21, "targets[1] (roas).plan[0].due: due 2027-01-15 is after the target's deadline 2026"),
        (22, 'targets[2] (ctr).id: id "ctr" is already used on line 6'),
        (22, "targets[2] (ctr).plan: A (acceptable): no plan of action"),
        (25, "targets[2] (ctr).goal.at_least: 3 means 300%; a rate is a percentage ('3%')"),
        (27, 'targets[2].period: duplicate key "period"; it is already on line 26'),
        (30, "routes.own.slack: secret in clear text; write env:NAME"),
    ]
    assert len(told) == len(expected)
    for line in expected:
        assert [t for t in told if t.startswith(f"clients/shop.yaml:{line[0]}: {line[1]}")], line
    assert "hooks.slack.com" not in "\n".join(told)


def test_an_unknown_kpi_hides_no_other_mistake_of_its_target(tmp_path: Path) -> None:
    changes = {
        "kpi": "crt",
        "where": "{chanel_type: SEARCH}",
        "for_each": "campain",
        "goal": "{from: 3, to: 5%}",
    }
    told = findings(tmp_path, shop=target(**changes))
    assert sorted(t.split("; ")[0].split(": ", 2)[2] for t in told) == [
        "3 means 300%",
        'M (measurable): no KPI "crt"',
        'no dimension "campain"',
        'no dimension "chanel_type"',
    ]
    told = findings(tmp_path, shop=target(kpi="cpa", where="{channel_type: SEARCH}"))
    assert [t for t in told if "dimension" in t] == []


def test_an_unreadable_file_does_not_hide_the_findings_of_the_others(tmp_path: Path) -> None:
    told = findings(tmp_path, "version: 2\n", a=b"\xff\xfe", b="name: [\n", c=target(kpi="crt"))
    assert [t.split(": ", 2)[:2] for t in told] == [
        ["koers.yaml:1", "version"],
        ["clients/a.yaml:1", "file"],
        ["clients/b.yaml:2", "file"],
        ["clients/c.yaml:8", "targets[0] (ctr).kpi"],
    ]


def test_a_broken_koers_yaml_does_not_make_routes_unknown(tmp_path: Path) -> None:
    told = findings(tmp_path, "a: [\n", shop=target(notify="[growth]"))
    assert len(told) == 1 and told[0].startswith("koers.yaml:2: file: is not valid YAML")


@pytest.mark.parametrize(
    ("kpi", "goal", "expected"),
    [
        ("ctr", "{at_least: 3%}", Goal(kind="at_least", at_least=0.03)),
        ("ctr", "{at_least: 0.03}", Goal(kind="at_least", at_least=0.03)),
        ("ctr", "{at_least: '3.5 %'}", Goal(kind="at_least", at_least=0.035)),
        ("roas", "{at_least: 4.2}", Goal(kind="at_least", at_least=4.2)),
        ("cac", "{at_most: 45 EUR}", Goal(kind="at_most", at_most=45.0, currency="EUR")),
        ("cac", "{at_most: €45.50}", Goal(kind="at_most", at_most=45.5, currency="EUR")),
        ("cac", "{at_most: EUR 45}", Goal(kind="at_most", at_most=45.0, currency="EUR")),
        ("cac", "{at_most: 45}", Goal(kind="at_most", at_most=45.0)),
        ("clicks", "{at_least: 120000}", Goal(kind="at_least", at_least=120000.0)),
        ("ctr", "{between: [2%, 0.04]}", Goal(kind="between", between=(0.02, 0.04))),
        (
            "conversion_rate",
            "{maintain: 2.4%, within: 10%}",
            Goal(kind="maintain", maintain=0.024, within=0.1),
        ),
        ("cac", "{from: 52, to: 45}", Goal(kind="from_to", from_=52.0, to=45.0)),
    ],
)
def test_goals_are_read_by_the_unit_of_their_kpi(
    tmp_path: Path, kpi: str, goal: str, expected: Goal
) -> None:
    settings = loaded(tmp_path, shop=target(kpi=kpi, goal=goal))
    assert settings.clients[0].targets[0].goal == expected
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("kpi", "goal", "said"),
    [
        ("ctr", "{at_least: 3}", "goal.at_least: 3 means 300%; a rate is a percentage ('3%')"),
        ("ctr", "{at_least: 1}", "goal.at_least: 1 means 100%"),
        ("ctr", "{at_least: 150%}", 'goal.at_least: "150%" is more than everything'),
        ("ctr", "{at_least: '3,5%'}", '"3,5%" has a decimal comma; write 3.5% with a point'),
        ("ctr", "{from: 3,5%, to: 5%}", 'goal.from: "3,5%" has a decimal comma, which ends'),
        ("ctr", "{from: 3%, to: 5,5%}", 'goal.to: "5,5%" has a decimal comma'),
        ("ctr", "{between: [1,5%, 3%]}", "goal.between: has 3 values; expected [lowest, highest]"),
        ("ctr", "{at_least: 45 EUR}", '"45 EUR" is money but ctr is not'),
        ("roas", "{at_least: 400%}", '"400%" is a percentage but roas is not a rate'),
        ("roas", "{at_least: true}", "goal.at_least: is true; expected a number such as 4"),
        ("roas", "{at_least: four}", '"four" is not an amount; expected a number such as 4'),
        ("roas", "{at_least: -4}", '"-4" is negative'),
        ("roas", "{at_least: 0}", "0 is always reached"),
        ("roas", "{at_least: .nan}", '".nan" is not a finite number'),
        ("roas", "{at_least: 1e999}", '"1e999" is not a finite number'),
        ("roas", "{at_least: -.inf}", '"-.inf" is not a finite number'),
        ("roas", "{at_least: [4]}", "goal.at_least: is a list"),
        ("roas", "{at_least: }", "goal.at_least: is empty"),
        ("cac", "{at_most: 45 USD}", '"45 USD" is in USD but the client\'s currency is EUR'),
        ("cac", "{at_most: $45}", '"$45" is in USD'),
        ("cac", "{at_most: 45 euro}", '"45 euro" is not an amount'),
        ("cac", "{at_most: 45%}", '"45%" is a percentage but cac is not a rate'),
        ("clicks", "{at_least: 120.000}", '"120.000" is read as 120; write 120000 without'),
        ("clicks", "{at_least: 120,000}", "write 120000 without separators"),
        ("clicks", "{at_least: '120,000'}", "has thousands separators; write 120000 without"),
        ("clicks", "{at_least: 120 000}", "has thousands separators; write 120000 without"),
        ("clicks", "{at_least: 1_000}", "has thousands separators; write 1000 without"),
        ("clicks", "{at_least: 1.000.000}", "has thousands separators; write 1000000 without"),
        ("clicks", "{at_least: 12 EUR}", '"12 EUR" is money but clicks is not'),
        ("ctr", "{at_least: 3%, at_most: 5%}", "has at_least and at_most; expected between: [a"),
        ("ctr", "{at_least: 3%, to: 5%}", "goal: has at_least and to; expected one of"),
        ("ctr", "{from: 3%}", "goal.to: is missing; expected from and to"),
        ("ctr", "{maintain: 3%}", "goal.within: is missing"),
        ("ctr", "{maintain: 3%, within: 10}", "goal.within: 10 means 1000%"),
        ("ctr", "{maintain: 3%, within: 0%}", "goal.within: is 0"),
        ("ctr", "{from: 3%, to: 0.03}", "goal.to: 'to' equals 'from'; use maintain"),
        ("ctr", "{between: [3%, 2%]}", "3% is not below 2%"),
        ("ctr", "{between: 3%}", "goal.between: is text; expected [lowest, highest]"),
        ("ctr", "{atleast: 3%}", 'unknown key "atleast"; did you mean "at_least"?'),
        ("ctr", "{}", "goal: M (measurable): no goal"),
        ("ctr", "3%", 'goal: "3%" is not a mapping; expected at_least'),
        ("ctr", None, "goal: M (measurable): is missing"),
    ],
)
def test_goals_that_mean_something_else_are_refused(
    tmp_path: Path, kpi: str, goal: str | None, said: str
) -> None:
    (finding,) = findings(tmp_path, shop=target(kpi=kpi, goal=goal))
    assert said in finding
    assert finding.startswith("clients/shop.yaml:" + ("9: " if goal is not None else "6: "))


@pytest.mark.parametrize(
    ("kpi", "goal", "said"),
    [
        ("cac", "{at_least: 45}", "for cac lower is better, but the goal is at least"),
        ("ctr", "{from: 5%, to: 3%}", "for ctr higher is better, but the goal is going down"),
    ],
)
def test_a_goal_in_the_unexpected_direction_is_a_warning(
    tmp_path: Path, kpi: str, goal: str, said: str
) -> None:
    settings = loaded(tmp_path, shop=target(kpi=kpi, goal=goal))
    (warning,) = settings.warnings
    assert warning.severity == "warning" and said in str(warning)


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("2026-Q4", date(2026, 10, 1), date(2027, 1, 1)),
        ("2026-10", date(2026, 10, 1), date(2026, 11, 1)),
        ("2026", date(2026, 1, 1), date(2027, 1, 1)),
        ("{start: 2026-10-01, for: 3 months}", date(2026, 10, 1), date(2027, 1, 1)),
        ("{start: 2026-10-01, for: 1 kwartaal}", date(2026, 10, 1), date(2027, 1, 1)),
        ("{start: 2026-01-31, for: 1 month}", date(2026, 1, 31), date(2026, 2, 28)),
        ("{start: 2026-10-05, for: 2 weeks}", date(2026, 10, 5), date(2026, 10, 19)),
        ("{start: 2026-10-05, for: 90d}", date(2026, 10, 5), date(2027, 1, 3)),
        ("{start: 2024-02-29, for: 1 year}", date(2024, 2, 29), date(2025, 2, 28)),
        ("{start: 2026-10-01, end: 2026-12-31}", date(2026, 10, 1), date(2027, 1, 1)),
        ("{start: 2026-10-01, end: 2026-10-01}", date(2026, 10, 1), date(2026, 10, 2)),
    ],
)
def test_periods_in_the_words_of_a_marketer(
    tmp_path: Path, period: str, start: date, end: date
) -> None:
    plan = "[{do: it, owner: tom@example.nl}]"
    found = loaded(tmp_path, shop=target(period=period, plan=plan)).clients[0].targets[0].period
    assert (found.start, found.end) == (start, end)
    assert found.deadline == end - timedelta(days=1)


@pytest.mark.parametrize(
    ("period", "said"),
    [
        ("Q4", 'period: T (time-bound): "Q4" is not a period; expected 2026-Q4, 2026-10'),
        ("3 months", 'T (time-bound): "3 months" is not a period'),
        ("2026-Q5", 'T (time-bound): "2026-Q5" is not a period'),
        ("2026-13", 'T (time-bound): "2026-13" is not a month'),
        ("26", 'T (time-bound): "26" is not a period'),
        ("1026", '"1026" is out of range'),
        ("[2026-10-01, 2026-12-31]", "T (time-bound): a list is not a period"),
        ("{start: 2026-10-01}", "T (time-bound): no deadline"),
        ("{every: month}", "T (time-bound): no deadline"),
        ("{end: 2026-10-01}", "period.start: is missing"),
        ("{start: 2026-10-01, end: 2026-09-30}", "end 2026-09-30 is before start 2026-10-01"),
        ("{start: 01-10-2026, for: 3 months}", '"01-10-2026" is not a day; write 2026-10-01'),
        ("{start: 2026-02-30, for: 3 months}", '"2026-02-30" does not exist'),
        ("{start: 2026-10-01, for: 3 moons}", '"3 moons" is not a length of time'),
        ("{start: 2026-10-01, for: 3}", '"3" is not a length of time; expected a length such'),
        ("{start: 2026-10-01, for: 900 years}", "period.for: lasts too long"),
        ("{start: 2026-10-01, for: 3 months, end: 2026-12-31}", "do not go together"),
        ("{rolling: 7d, end: 2026-12-31}", "end and rolling do not go together"),
        ("{every: fortnight, end: 2026-12-31}", '"fortnight" is unknown'),
        ("{star: 2026-10-01, end: 2026-12-31}", 'unknown key "star"; did you mean "start"?'),
        (None, "period: T (time-bound): is missing"),
    ],
)
def test_periods_that_are_none_are_refused(tmp_path: Path, period: str | None, said: str) -> None:
    plan = "[{do: it, owner: tom@example.nl}]"
    goal = "{at_least: 3%}"
    (finding,) = findings(tmp_path, shop=target(period=period, plan=plan, goal=goal))
    assert said in finding
    assert finding.startswith("clients/shop.yaml:" + ("10: " if period is not None else "6: "))


@pytest.mark.parametrize(
    ("kpi", "goal", "period", "said"),
    [
        ("clicks", "{at_least: 9000}", "2026-Q4", "clicks is a sum: only its last days would"),
        ("cac", "{at_most: 45}", "{rolling: 7d}", "a rolling period is its own window"),
    ],
)
def test_a_window_that_changes_what_the_goal_means_is_a_warning(
    tmp_path: Path, kpi: str, goal: str, period: str, said: str
) -> None:
    text = target(kpi=kpi, goal=goal, period=period, measure="{window: 28d}")
    (warning,) = loaded(tmp_path, shop=text).warnings
    assert (warning.line, warning.severity) == (13, "warning")
    assert said in str(warning)


def test_a_sum_that_goes_from_here_to_there_says_over_how_many_days(tmp_path: Path) -> None:
    goal = "{from: 9000, to: 12000}"
    (warning,) = loaded(tmp_path, shop=target(kpi="clicks", goal=goal)).warnings
    assert (warning.line, warning.severity) == (9, "warning")
    assert "clicks is a sum: from and to are read as totals of four weeks" in warning.problem
    said = target(kpi="clicks", goal=goal, measure="{window: 28d}")
    assert loaded(tmp_path, shop=said).warnings == ()


@pytest.mark.parametrize(
    "period", ["{rolling: 7d}", "{every: month, start: 2026-10-01, end: 2026-12-31}"]
)
def test_a_path_from_here_to_there_needs_one_period(tmp_path: Path, period: str) -> None:
    (finding,) = findings(tmp_path, shop=target(period=period))
    assert "a goal from–to needs one period" in finding


def test_a_goal_from_to_gets_there_straight_as_last_year_or_over_steps(tmp_path: Path) -> None:
    def goal(written: str, kpi: str = "ctr") -> Goal:
        return loaded(tmp_path, shop=target(kpi=kpi, goal=written)).clients[0].targets[0].goal

    assert goal("{from: 3%, to: 5%}").path == "linear"
    assert goal("{from: 3%, to: 5%, path: linear}") == goal("{from: 3%, to: 5%}")
    assert goal("{from: 3%, to: 5%, path: last_year}").path == "last_year"
    steps = goal("{from: 3%, to: 5%, steps: {2026-11-30: 4.2%, 2026-10-31: 3.5%}}")
    assert (steps.path, steps.steps) == (
        "steps",
        ((date(2026, 10, 31), 0.035), (date(2026, 11, 30), 0.042)),
    )
    assert goal('{from: 3%, to: 5%, steps: {" 2026-10-31 ": 3.5%}}').steps == (
        (date(2026, 10, 31), 0.035),
    )
    # lower is better, and a level may be held for a while
    down = goal("{from: 52 EUR, to: 45, steps: {2026-10-31: 50, 2026-11-30: 50 EUR}}", kpi="cac")
    assert down.steps == ((date(2026, 10, 31), 50.0), (date(2026, 11, 30), 50.0))


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        ("{from: 3%, to: 5%, path: steep}", 'goal.path: "steep" is unknown; expected linear or'),
        ("{from: 3%, to: 5%, path: lastyear}", 'did you mean "last_year"?'),
        ("{at_least: 3%, path: linear}", "goal.path: has no meaning beside at_least"),
        ("{at_least: 3%, steps: {2026-10-31: 2%}}", "goal.steps: has no meaning beside at_least"),
        (
            "{from: 3%, to: 5%, path: linear, steps: {2026-10-31: 4%}}",
            "goal.path: does not go with steps; remove path",
        ),
        ("{from: 3%, to: 5%, steps: [4%]}", "goal.steps: is a list; expected {day: value}"),
        ("{from: 3%, to: 5%, steps: {}}", "goal.steps: is empty; expected {day: value}"),
        ("{from: 3%, to: 5%, steps: {2026-10-31: }}", "goal.steps.2026-10-31: is empty"),
        ("{from: 3%, to: 5%, steps: {31-10-2026: 4%}}", "write 2026-10-31"),
        ("{from: 3%, to: 5%, steps: {2026-10-32: 4%}}", '"2026-10-32" does not exist'),
        (
            "{from: 3%, to: 5%, steps: {2026-10-31: 3,5%, 2026-11-30: 4%}}",
            'steps.2026-10-31: "3,5%" has a decimal comma, which ends the value in YAML; '
            "write 3.5% with a point",
        ),
        ("{from: 3%, to: 5%, steps: {2026-10-31: '3,5%'}}", '"3,5%" has a decimal comma'),
        ("{from: 3%, to: 5%, steps: {2026-10-31: 4}}", "4 means 400%"),
        ("{from: 3%, to: 5%, steps: {2026-10-31: 2%}}", "2% goes back from `from`"),
        ("{from: 5%, to: 3%, steps: {2026-10-31: 6%}}", "6% goes back from `from`"),
        (
            "{from: 3%, to: 5%, steps: {2026-11-30: 3.5%, 2026-10-31: 4%}}",
            "steps.2026-11-30: 3.5% goes back from the step before it; expected values that go up",
        ),
        ("{from: 3%, to: 5%, steps: {2026-10-31: 5.5%}}", "5.5% is past the goal"),
        (
            "{from: 3%, to: 5%, steps: {2026-09-30: 3.5%}}",
            "2026-09-30 is not within the period; expected a day from 2026-10-01 to before "
            "2026-12-31",
        ),
        ("{from: 3%, to: 5%, steps: {2026-12-31: 5%}}", "2026-12-31 is the deadline, which has"),
    ],
)
def test_ways_to_a_goal_that_cannot_be_gone_are_refused(
    tmp_path: Path, goal: str, said: str
) -> None:
    (finding, *others) = findings(tmp_path, shop=target(goal=goal))
    assert said in finding
    assert finding.startswith("clients/shop.yaml:9: ")
    assert all("better" in other for other in others)  # the warning of an unexpected direction


def test_a_targets_tuning_is_its_own_or_the_clients_or_that_of_all(tmp_path: Path) -> None:
    def tuning(koers: str, client: str, own: str | None) -> Tuning:
        shop = client + target(tuning=own)
        return loaded(tmp_path, KOERS + koers, shop=shop).clients[0].targets[0].tuning

    assert tuning("", "", None) == Tuning(on_track_from=0.7, off_track_below=0.3, confirm_days=2)
    everywhere = "tuning: {on_track_from: 80%, off_track_below: 20%, confirm_days: 3}\n"
    assert tuning(everywhere, "", None) == Tuning(
        on_track_from=0.8, off_track_below=0.2, confirm_days=3
    )
    assert tuning(everywhere, "tuning: {confirm_days: 1}\n", None).confirm_days == 1
    assert tuning(everywhere, "tuning: {confirm_days: 1}\n", "{on_track_from: 0.6}") == Tuning(
        on_track_from=0.6, off_track_below=0.2, confirm_days=1
    )


@pytest.mark.parametrize(
    ("tuning", "said"),
    [
        ("{on_track_from: 70}", "tuning.on_track_from: 70 means 7000%"),
        ("{on_track_from: 99%}", '"99%" is not a chance to judge by; expected 5% to 95%'),
        ("{on_track_from: 70,5%}", "write 70.5% with a point"),
        ("{off_track_below: 65%}", "tuning.off_track_below: on track from 70% and off track"),
        ("{on_track_from: 35%}", "tuning.on_track_from: on track from 35% and off track below 30%"),
        ("{confirm_days: 0}", "expected a whole number from 1 to 14"),
        ("{confirm_day: 2}", 'unknown key "confirm_day"; did you mean "confirm_days"?'),
        ("70%", '"70%" is not a mapping'),
    ],
)
def test_mistakes_in_the_tuning(tmp_path: Path, tuning: str, said: str) -> None:
    (finding,) = findings(tmp_path, shop=target(tuning=tuning))
    assert said in finding
    assert finding.startswith("clients/shop.yaml:13: ")


def test_tuning_that_stands_elsewhere_is_shown_its_place(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path, KOERS + "defaults: {confirm_days: 3}\n", shop=target())
    assert finding == 'koers.yaml:6: defaults: unknown key "defaults"; did you mean "tuning"?'
    (finding,) = findings(tmp_path, shop=target(confirm_days="3"))
    assert finding.endswith('unknown key "confirm_days"; it belongs under tuning')


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("", "NL"),  # as the default time zone
        ("timezone: Europe/Brussels\n", "BE"),
        ("timezone: America/New_York\n", None),
        ("timezone: Etc/UTC\n", None),
        ("timezone: America/New_York\nholidays: US\n", "US"),
        ("holidays: NO\n", "NO"),  # Norway, not false
        ("holidays: none\n", None),
    ],
)
def test_public_holidays_are_those_of_the_time_zones_country_unless_told(
    tmp_path: Path, head: str, expected: str | None
) -> None:
    assert loaded(tmp_path, shop=head + target()).clients[0].holidays == expected


@pytest.mark.parametrize(
    ("country", "said"),
    [
        ("nl", '"nl" is not a country; did you mean "NL"?'),
        ("UK", '"UK" is not a country; did you mean "GB"?'),
        ("Nederland", '"Nederland" is not a country; expected a country such as NL, or none'),
        ("false", "holidays: is false; expected a country such as NL, or none"),
        ("[NL, BE]", "holidays: is a list; expected a country"),
    ],
)
def test_a_country_that_is_none_is_refused(tmp_path: Path, country: str, said: str) -> None:
    (finding,) = findings(tmp_path, shop=f"holidays: {country}\n" + target())
    assert said in finding
    assert finding.startswith("clients/shop.yaml:1: ")


def test_a_guardrail_needs_neither_deadline_nor_plan(tmp_path: Path) -> None:
    text = target(
        kpi="cost", goal="{between: [300 EUR, 650 EUR]}", period="{rolling: 7d}", plan=None
    )
    period = loaded(tmp_path, shop=text).clients[0].targets[0].period
    assert (period.rolling_days, period.deadline) == (7, None)
    assert period.occurrence(date(2026, 11, 19)) == (date(2026, 11, 13), date(2026, 11, 20))


@pytest.mark.parametrize(
    ("every", "day", "start", "end"),
    [
        ("month", date(2026, 11, 20), date(2026, 11, 1), date(2026, 12, 1)),
        ("month", date(2026, 1, 1), date(2026, 10, 5), date(2026, 11, 1)),
        ("month", date(2027, 6, 1), date(2027, 2, 1), date(2027, 2, 15)),
        ("week", date(2026, 11, 22), date(2026, 11, 16), date(2026, 11, 23)),
        ("quarter", date(2026, 11, 20), date(2026, 10, 5), date(2027, 1, 1)),
        ("year", date(2027, 1, 1), date(2027, 1, 1), date(2027, 2, 15)),
    ],
)
def test_a_repeating_period_has_the_occurrence_that_holds_a_day(
    every: str, day: date, start: date, end: date
) -> None:
    period = Period.model_validate(
        {"start": date(2026, 10, 5), "end": date(2027, 2, 15), "every": every}
    )
    assert period.occurrence(day) == (start, end)


days = st.dates(date(2020, 1, 1), date(2030, 12, 31))


@given(days, days, days, st.sampled_from([None, "week", "month", "quarter", "year"]))
def test_an_occurrence_holds_its_day_or_is_the_nearest(
    one: date, other: date, day: date, every: str | None
) -> None:
    start, last = min(one, other), max(one, other)
    period = Period.model_validate(
        {"start": start, "end": last + timedelta(days=1), "every": every}
    )
    first, end = period.occurrence(day)
    assert start <= first < end <= last + timedelta(days=1)
    assert first <= min(max(day, start), last) < end


@pytest.mark.parametrize(
    ("goal", "bounds", "value"),
    [
        (Goal(kind="at_least", at_least=4), (4, None), 4),
        (Goal(kind="at_most", at_most=38), (None, 38), 38),
        (Goal(kind="from_to", from_=0.03, to=0.05), (0.05, None), 0.05),
        (Goal(kind="from_to", from_=52, to=45), (None, 45), 45),
        (Goal(kind="between", between=(1, 2)), (1, 2), None),
        (Goal(kind="maintain", maintain=100, within=0.1), (90, 110), 100),
    ],
)
def test_goals_know_their_bounds(
    goal: Goal, bounds: tuple[float | None, float | None], value: float | None
) -> None:
    assert goal.bounds == pytest.approx(bounds)
    assert goal.value == value


@pytest.mark.parametrize(
    ("changes", "line", "said"),
    [
        ({"id": "Google Ads"}, 6, '"Google Ads" is not in kebab-case; expected google-ads'),
        ({"id": None}, 6, "targets[0].id: is missing"),
        ({"specific": ""}, 7, "S (specific): is empty"),
        ({"specific": "''"}, 7, "specific: is empty"),
        ({"specific": None}, 6, "S (specific): is missing"),
        ({"kpi": "cpa"}, 8, 'no KPI "cpa"; did you mean "cac"?'),
        ({"kpi": "organic_clicks", "goal": "{at_least: 9}"}, 8, "needs search_console, which"),
        ({"kpi": None, "metric": "ctr"}, 13 - 1, 'unknown key "metric"; did you mean "kpi"?'),
        ({"agreed": None}, 6, "agreed: A (acceptable): no owner"),
        ({"agreed": "{owner: }"}, 11, "A (acceptable): no owner"),
        ({"agreed": "{owner: sanne}"}, 11, '"sanne" is not an e-mail address'),
        ({"agreed": "{owner: s@x.nl, on: 24-09-2026}"}, 11, "write 2026-09-24"),
        ({"agreed": "{owner: s@x.nl, ownr: t@x.nl}"}, 11, 'did you mean "owner"?'),
        ({"plan": None}, 6, "A (acceptable): no plan of action"),
        ({"plan": "[]"}, 12, "A (acceptable): no plan of action"),
        ({"plan": "later"}, 12, "plan: is text; expected a list of steps"),
        ({"plan": "[{do: it, due: 2026-10-15}]"}, 12, "plan[0].owner: A (acceptable): no owner"),
        ({"plan": "[{owner: t@x.nl}]"}, 12, "plan[0].do: is missing"),
        ({"plan": "[{do: it, owner: t@x.nl, due: 2027-01-01}]"}, 12, "is after the target's dead"),
        ({"realistic": "{because: }"}, 13, "R (realistic): no reason"),
        ({"where": "{source: goggle_ads}"}, 13, 'did you mean "google_ads"?'),
        ({"where": "{source: search_console}"}, 13, 'this client has no source "search_console"'),
        ({"where": "{channel_type: search}"}, 13, 'did you mean "SEARCH"?'),
        ({"where": "{channel_type: []}"}, 13, "is an empty list"),
        ({"where": "{channel_type: }"}, 13, "where.channel_type: is empty"),
        ({"where": "{device: {a: b}}"}, 13, "where.device: is a mapping"),
        ({"for_each": "campain"}, 13, 'no dimension "campain" in ctr; did you mean "campaign_'),
        ({"owner": "sanne@example.nl"}, 13, 'unknown key "owner"; it belongs under agreed'),
        ({"at_least": "4"}, 13, 'unknown key "at_least"; it belongs under goal'),
        ({"specific": '"Raise\\x07"'}, 7, "holds the control character U+0007"),
        ({"mesure": "{window: 28d}"}, 13, 'unknown key "mesure"; did you mean "measure"?'),
        ({"measure": "{window: 3 months}"}, 13, "expected a number of days such as 28d"),
        ({"measure": "{min_denominator: 5.000}"}, 13, "write 5000 without separators"),
        ({"measure": "{min_denominator: 5,000}"}, 13, "write 5000 without separators"),
        ({"measure": "{completeness: learnt}"}, 13, 'did you mean "learned"?'),
        ({"notify": "[growht]"}, 13, 'no route "growht"; did you mean "growth"?'),
    ],
)
def test_every_smart_mistake_is_named_with_its_line(
    tmp_path: Path, changes: dict[str, str | None], line: int, said: str
) -> None:
    told = findings(tmp_path, shop=target(**changes))
    assert any(said in finding for finding in told), told
    assert [f for f in told if f.startswith(f"clients/shop.yaml:{line}: targets[0]")]
    assert len(told) <= 2


def test_an_account_that_the_client_does_not_list_is_a_warning(tmp_path: Path) -> None:
    text = target(where="{account_id: [111-111-1111, 111-111-1112]}")
    (warning,) = loaded(tmp_path, shop=text).warnings
    assert 'the account "1111111112" is not one of this client\'s; did you mean "11111' in str(
        warning
    )
    discovered = text.replace("customer_ids: [111-111-1111]", "discover: true").replace(
        "discover: true", "discover: true, login_customer_id: 1000000001"
    )
    assert loaded(tmp_path, shop=discovered).warnings == ()


def test_folded_text_becomes_one_line(tmp_path: Path) -> None:
    text = target(specific="|\n      Raise the CTR\n      of search")
    assert loaded(tmp_path, shop=text).clients[0].targets[0].specific == "Raise the CTR of search"


def test_a_kpi_without_dimensions_cannot_be_filtered(tmp_path: Path) -> None:
    text = target(kpi="cac", goal="{at_most: 45}", where="{source: ga4}", for_each="campaign")
    told = findings(tmp_path, shop=text)
    assert len(told) == 2
    assert all("cac is one figure and cannot be filtered or split" in t for t in told)


def test_past_due_dates_and_past_periods_are_no_mistakes(tmp_path: Path) -> None:
    plan = "[{do: it, owner: tom@example.nl, due: 2019-10-15}]"
    assert findings(tmp_path, shop=target(period="2019-Q4", plan=plan)) == []


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("timezone: CET+1", "1: timezone: \"CET+1\" is not an IANA time zone"),
        ("timezone: Europe/Amsterdm", '1: timezone: "Europe/Amsterdm" is not an IANA time zone; '
         'did you mean "Europe/Amsterdam"?'),
        ("timezone: ../../etc/passwd", "is not an IANA time zone"),
        ("locale: de", '1: locale: "de" is unknown; expected nl or en'),
        ("currency: eur", '"eur" is not a currency; did you mean "EUR"?'),
        ("conversion: key events", '"key events" is not an event'),
        ("since: yesterday", '"yesterday" is not a day'),
        ("time_zone: Europe/Amsterdam", 'unknown key "time_zone"; did you mean "timezone"?'),
        ("notify: [growht]", 'no route "growht"; did you mean "growth"?'),
        ("routes: {own: {}}", "routes.own: goes nowhere"),
        ("routes: {own: {email: [nobody]}}", '"nobody" is not an e-mail address'),
        ("routes: {own: {email: [a@b.nl]}}", "koers.yaml has no smtp"),
        ("routes: {own: {slack: env:MY-HOOK}}", "names no environment variable"),
        ("routes: {own: {webhook: env:X}}", 'unknown key "webhook"; did you mean "slack"?'),
        ("routes: {own: {slack: {token: env:T}}}", "routes.own.slack.channel: is missing"),
        ("routes: {own: {slack: {channel: C0123}}}", "routes.own.slack.token: is missing"),
        ("routes: {own: {slack: {token: env:T, channel: '#ads'}}}", "is not a channel's id"),
        ("routes: {own: {slack: {token: xoxb-1-2, channel: C0123}}}", "secret in clear text"),
        ("routes: {own: {slack: {token: env:T, channel: C012, endpoint: 'http://x.nl'}}}",
         "is not encrypted"),
        ("routes: {own: {slack: env:T, digest: hourly}}", '"hourly" is unknown'),
        ("routes: {own: {slack: env:T, fallback: own}}", "fallback: is the route itself"),
        ("routes: {own: {slack: env:T, fallback: growht}}", 'did you mean "growth"?'),
        ("routes: {own: {slack: env:T, unsubscribe: stop}}", "is neither an address nor a page"),
    ],
)  # fmt: skip
def test_mistakes_in_a_client(tmp_path: Path, head: str, said: str) -> None:
    told = findings(tmp_path, shop=head + "\n" + target())
    assert any(said in finding for finding in told), told
    assert all(finding.startswith("clients/shop.yaml:1: ") for finding in told)


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ("{google_adds: {customer_ids: [1111111111]}}", 'did you mean "google_ads"?'),
        ("{google_ads: {customer_ids: [123]}}", '"123" is not a Google Ads customer id'),
        ("{google_ads: {customer_ids: [1111111111, 111-111-1111]}}", "is listed twice"),
        ("{google_ads: {customer_ids: []}}", "customer_ids: is empty"),
        ("{google_ads: {customer_ids: [1111111111], discover: true}}", "keep one of them"),
        ("{google_ads: {discover: yes}}", '"yes" is neither true nor false'),
        ("{google_ads: {discover: false}}", "names no accounts"),
        ("{google_ads: {discover: true}}", "login_customer_id: is missing"),
        ("{google_ads: {login_customer_id: 1000000002}}", "names no accounts"),
        ("{google_ads: }", "sources.google_ads: is empty"),
        ("{ga4: {property_ids: [G-ABC123]}}", "is a measurement id, not a property"),
        ("{ga4: {property_ids: [UA-1234-5]}}", "is a Universal Analytics id"),
        ("{ga4: {properties: [1]}}", "property_ids: is missing"),
        ("{search_console: {sites: [example.nl]}}", "expected sc-domain:example.nl"),
        ("{search_console: {sites: ['https://example.nl']}}", "write https://example.nl/"),
        ("{}", "sources: is empty"),
    ],
)
def test_mistakes_in_a_clients_accounts(tmp_path: Path, sources: str, said: str) -> None:
    told = findings(tmp_path, shop=f"name: Shop\nsources: {sources}\n")
    assert any(said in finding for finding in told), told
    assert all(finding.startswith("clients/shop.yaml:2: ") for finding in told)


@pytest.mark.parametrize(
    ("koers", "line", "said"),
    [
        ("warehouse: a.duckdb\n", 1, "version: is missing"),
        ("version: '1.0'\n", 1, 'version: "1.0" is unknown; expected 1'),
        ("version: 1\nschedule: {cron: 6 0 * *}\n", 2, "has 4 fields; expected five fields"),
        ("version: 1\nschedule: {cron: '0 25 * * *'}\n", 2, '"25" is no hour (0–23)'),
        ("version: 1\nschedule: {cron: '0 6 * * mun'}\n", 2, '"mun" is no weekday'),
        ("version: 1\nschedule: {timezone: CET+1}\n", 2, "is not an IANA time zone"),
        ("version: 1\nsources: {bing: {}}\n", 2, 'unknown source "bing"'),
        ("version: 1\nwarehous: x\n", 2, 'unknown key "warehous"; did you mean "warehouse"?'),
        ("version: 1\nwarehouse: [x]\n", 2, "warehouse: is a list; expected a path"),
        ("version: 1\nroutes:\n  a: {slack: xoxb-1-2}\n", 3, "secret in clear text"),
        ("version: 1\nroutes:\n  a: {email: [a@b.nl]}\n", 3, "koers.yaml has no smtp"),
        ("version: 1\nfallback: ops\nroutes:\n  a: {slack: env:X}\n", 2, 'no route "ops"'),
        ("version: 1\nsmtp: {host: h}\n", 2, "smtp.from: is missing"),
        ("version: 1\nsmtp: {host: mail.x.nl, from: a@b.nl}\n", 2, "smtp.username: is missing"),
        (
            "version: 1\nsmtp: {host: h, from: a@b.nl, username: u, password: hunter2}\n",
            2,
            "smtp.password: secret in clear text",
        ),
        (
            "version: 1\nsmtp: {host: h, from: a@b.nl, username: u, password: env:P, "
            "starttls: false}\n",
            2,
            "smtp.starttls: is false; only 127.0.0.1 may do without TLS",
        ),
    ],
)
def test_mistakes_in_koers_yaml(tmp_path: Path, koers: str, line: int, said: str) -> None:
    told = [t for t in findings(tmp_path, koers, shop=target()) if "warning" not in t]
    assert [t for t in told if t.startswith(f"koers.yaml:{line}: ") and said in t], told
    assert "hunter2" not in "".join(told) and "xoxb" not in "".join(told)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("google_ads: {refresh_token: 1//0abc}", "refresh_token: secret in clear text"),
        ("google_ads: {client_secret: 'env:'}", "names no environment variable"),
        ("google_ads: {developer_token: abc}", "developer_token: secret in clear text"),
        ("google_ads: {client_id: x, client_secret: env:S}", "refresh_token: is missing"),
        ("google_ads: {endpoint: https://127.0.0.1:1}", "expected host:port"),
        ("google_ads: {endpoint: 127.0.0.1}", "expected host:port"),
        ("google_ads: {login_customer_id: 12}", "is not a Google Ads customer id"),
        ("google_ads: {restatement_days: 0}", "expected a whole number from 1 to 400"),
        ("google_ads: {transport: rest}", 'unknown key "transport"'),
        ("ga4: {transport: http}", '"http" is unknown'),
        ("ga4: {transport: rest, endpoint: 127.0.0.1:1}", "is not a web address"),
        ("search_console: {endpoint: http://10.0.0.1:1}", "is not encrypted"),
        ("search_console: {data_state: finall}", 'did you mean "final"?'),
        ("google_ads: {token_uri: http://evil.example/token}", "is not encrypted"),
        ("google_ads: {endpoint: https://u:hunter2@x.nl}", "secret in clear text"),
    ],
)
def test_mistakes_in_sources(tmp_path: Path, source: str, said: str) -> None:
    koers = KOERS.split("sources:")[0] + f"sources:\n  {source}\n"
    told = [t for t in findings(tmp_path, koers, shop=target()) if "warning" not in t]
    assert [t for t in told if t.startswith("koers.yaml:3: sources.") and said in t], told
    assert "hunter2" not in "".join(told)


def test_sources_take_all_but_the_endpoint_from_google_ads(tmp_path: Path) -> None:
    koers = """\
version: 1
sources:
  google_ads:
    client_id: koers
    client_secret: env:SECRET
    refresh_token: file:secrets/token
    login_customer_id: 100-000-0001
    endpoint: 127.0.0.1:4433
    ca_file: ca.pem
    token_uri: http://127.0.0.1:8080/token
    restatement_days: 30
  ga4: {transport: rest, endpoint: "http://localhost:8081", restatement_days: 5}
  search_console: {json_key_file_path: keys/koers.json}
"""
    settings = loaded(tmp_path, koers, shop=HEAD.replace("targets:\n", ""))
    ads, ga4, search = (settings.sources[name] for name in SOURCES)
    assert ga4.endpoint == "http://localhost:8081" and ads.endpoint == "127.0.0.1:4433"
    assert (ga4.transport, ga4.restatement_days) == ("rest", 5)
    assert ga4.ca_file == ads.ca_file == tmp_path / "ca.pem"
    assert ga4.refresh_token == ads.refresh_token
    assert (search.endpoint, search.restatement_days) == (None, 30)
    # one kind of credentials: its own
    assert search.json_key_file_path == tmp_path / "keys" / "koers.json"
    assert search.refresh_token is None and search.client_id is None
    assert settings.clients[0].sources["google_ads"].login_customer_id == "1000000001"


def test_connections_hold_the_secrets_and_their_arguments_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connectors.base import Connection
    from connectors.registry import SOURCES as KNOWN

    assert set(KNOWN) == set(SOURCES)
    settings = loaded(tmp_path, shop=target())
    monkeypatch.setenv("SECRET", "s3cret")
    monkeypatch.setenv("TOKEN", "t0ken\n")
    connection = Connection(**settings.sources["ga4"].connection())
    assert connection.client_id == "koers"
    assert connection.client_secret and connection.client_secret.get_secret_value() == "s3cret"
    assert connection.refresh_token and connection.refresh_token.get_secret_value() == "t0ken"


def test_unset_secrets_are_all_told_with_the_line_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = loaded(tmp_path, shop=target())
    monkeypatch.delenv("SECRET", raising=False)
    monkeypatch.delenv("TOKEN", raising=False)
    with pytest.raises(ConfigError) as caught:
        settings.sources["google_ads"].connection()
    assert [(f.line, f.place) for f in caught.value.findings] == [
        (3, "env:SECRET"),
        (3, "env:TOKEN"),
    ]
    assert "config/koers.yaml:3: env:SECRET: the environment variable" in str(caught.value)


def test_a_secret_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_GROWTH", "https://hooks.slack.com/services/canary")
    path = tmp_path / "secret.txt"
    path.write_text("canary\n")
    for ref in (
        SecretRef(kind="env", name="SLACK_GROWTH"),
        SecretRef(kind="file", name=str(path)),
    ):
        assert "canary" in ref.get_secret_value()
        assert "canary" not in f"{ref!r} {ref} {ref.resolve()!r} {ref.resolve()} {ref.model_dump()}"
    assert "canary" not in repr(loaded(tmp_path, shop=target()))


def test_a_secret_file_that_is_empty_or_missing_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    for name, said in (("empty", "is empty"), ("none", "cannot be read (No such file")):
        ref = SecretRef(kind="file", name=str(tmp_path / name), file="koers.yaml", line=7)
        with pytest.raises(ConfigError) as caught:
            ref.resolve()
        assert str(caught.value).startswith("koers.yaml:7: ") and said in str(caught.value)


def test_paths_are_relative_to_the_folders_parent(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path, KOERS + "landing: ../landing\nreport_dir: /srv/report\n", a=target()
    )
    assert settings.root == tmp_path
    assert settings.warehouse == tmp_path / "data" / "koers.duckdb"
    assert settings.landing == tmp_path.parent / "landing"
    assert settings.report_dir == Path("/srv/report")


def test_a_route_has_its_own_fallback_and_else_that_of_koers_yaml(tmp_path: Path) -> None:
    koers = (
        "version: 1\nfallback: ops\nroutes:\n  ops: {slack: env:OPS}\n"
        "  growth: {slack: {token: env:BOT, channel: C0123}, digest: weekly}\n"
    )
    own = (
        "routes:\n  lead: {slack: env:LEAD, fallback: growth}\n"
        "  board: {slack: env:BOARD, unsubscribe: 'mailto:stop@example.nl?subject=stop'}\n"
    )
    routes = loaded(tmp_path, koers=koers, shop=own + target()).client("shop").routes
    assert {name: route.fallback for name, route in routes.items()} == {
        "ops": None,  # of its own messages there is nobody else to tell
        "growth": "ops",
        "lead": "growth",
        "board": "ops",
    }
    bot = routes["growth"].slack
    assert isinstance(bot, SlackBot)
    assert (str(bot.token), bot.channel, bot.endpoint) == ("env:BOT", "C0123", None)
    assert (routes["growth"].digest, routes["lead"].digest) == ("weekly", "daily")
    assert routes["board"].unsubscribe == "mailto:stop@example.nl?subject=stop"


def test_a_clients_own_route_wins_over_the_shared_one(tmp_path: Path) -> None:
    text = "routes: {growth: {slack: env:OWN, locale: en}}\nnotify: growth\n" + target()
    client = loaded(tmp_path, shop=text).client("shop")
    route = client.routes["growth"]
    assert (str(route.slack), route.locale) == ("env:OWN", "en")


def test_a_mail_server_on_this_machine_needs_neither_tls_nor_login(tmp_path: Path) -> None:
    koers = KOERS + "smtp: {host: 127.0.0.1, port: 2525, from: Koers <koers@example.nl>}\n"
    smtp = loaded(tmp_path, koers, shop=target()).smtp
    assert smtp is not None
    assert (smtp.starttls, smtp.username, smtp.port) == (False, None, 2525)


def test_a_source_without_login_is_a_warning(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "version: 1\n", shop=target())
    assert [w.place for w in settings.warnings] == ["sources.google_ads", "sources.ga4"]


@pytest.mark.parametrize("name", ["Shop", "my_shop", "-shop", "shop.nl"])
def test_a_file_name_that_is_no_slug_is_told(tmp_path: Path, name: str) -> None:
    config = write(tmp_path)
    (config / "clients" / f"{name}.yaml").write_text(target())
    (finding,) = validate(config, CATALOGUE)
    assert (finding.line, finding.place) == (1, "file")
    assert "is not a slug" in finding.problem


def test_what_is_lacking_in_the_folder_is_told(tmp_path: Path) -> None:
    assert [f.problem for f in validate(tmp_path / "none", CATALOGUE)] == ["does not exist"]
    (tmp_path / "clients").mkdir()
    (tmp_path / "clients" / "shop.yml").write_text("name: x\n")
    assert [f.problem for f in validate(tmp_path, CATALOGUE)] == [
        "does not exist",
        "is not read",
        "holds no client",
    ]


def test_an_empty_file_and_a_list_are_told(tmp_path: Path) -> None:
    told = findings(tmp_path, "", a="# nothing yet\n", b="- a\n", c="just text\n")
    assert told[0] == "koers.yaml:1: file: is empty; expected version"
    assert told[1] == "clients/a.yaml:1: file: is empty; expected name or sources"
    assert told[2].startswith("clients/b.yaml:1: file: is a list")
    assert told[3].startswith("clients/c.yaml:1: file: is text")


def test_values_that_the_loader_refused_are_not_told_twice(tmp_path: Path) -> None:
    text = target(agreed="&a {owner: s@x.nl}", kpi="!!str ctr", specific="*a")
    told = findings(tmp_path, shop=text)
    assert len(told) == 3
    assert all("are not supported" in t for t in told)


def test_the_error_of_load_settings_holds_all_findings(tmp_path: Path) -> None:
    error = refusal(tmp_path, "version: 2\n", shop=target(kpi="crt"))
    assert len(error.findings) == len(str(error).splitlines()) >= 2
    assert all(isinstance(finding, Finding) for finding in error.findings)


def test_an_unknown_client_is_answered_with_the_nearest(tmp_path: Path) -> None:
    settings = loaded(tmp_path, fietsgoed=target())
    with pytest.raises(ConfigError, match='no client "fietsgoet"; did you mean "fietsgoed"'):
        settings.client("fietsgoet")


def test_the_folder_is_found_beside_inside_and_around(tmp_path: Path) -> None:
    config = write(tmp_path, shop=target())
    assert find_config(tmp_path) == config == find_config(config)
    assert find_config(config / "config") == config
    assert find_config(config / "typo") == config / "typo"
    assert load_settings(tmp_path, CATALOGUE).root == tmp_path


def test_currencies_are_those_of_cldr() -> None:
    assert list_currencies() >= CURRENCIES
    assert {"EUR", "USD", "GBP", "CHF", "PLN", "SEK", "JPY"} <= CURRENCIES


@profile(deadline=None, max_examples=60)
@given(st.text(max_size=30), st.sampled_from(["goal", "period", "where", "plan", "kpi", "measure"]))
@example("!", "goal")
@example("!", "period")
def test_nothing_in_a_target_breaks_the_reader(
    tmp_path_factory: pytest.TempPathFactory, text: str, key: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    quoted = '"' + text.encode("unicode_escape").decode().replace('"', '\\"') + '"'
    for value in (text.replace("\n", " "), quoted, f"{{{text}: 1}}", f"[{text}]"):
        for line in findings(folder, shop=target(**{key: value}).encode("utf-8", "replace")):
            assert line.startswith("clients/shop.yaml:")


def test_validating_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pathlib import Path; from flows.settings import validate; "
        "validate(Path('none')); "
        "heavy = {'duckdb', 'prefect', 'pyarrow', 'connectors', 'google', 'babel', 'altair', "
        "'numpy', 'scipy', 'holidays'}; "
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_source_can_start_on_a_day_of_its_own(tmp_path: Path) -> None:
    head = HEAD.replace("{property_ids: [311111111]}", "{property_ids: [1], since: 2026-06-01}")
    client = "since: 2025-08-01\n" + target().replace(HEAD, head)
    (shop,) = loaded(tmp_path, shop=client).clients
    assert shop.since == date(2025, 8, 1)
    assert shop.sources["ga4"].since == date(2026, 6, 1)
    assert shop.sources["google_ads"].since is None


@pytest.mark.parametrize(("said", "days"), [("", 90), ("landing_retention: 8 weeks\n", 56)])
def test_the_landing_is_kept_as_long_as_told(tmp_path: Path, said: str, days: int) -> None:
    assert loaded(tmp_path, KOERS + said, a=target()).landing_retention_days == days


def test_a_retention_that_is_no_number_of_days_is_refused(tmp_path: Path) -> None:
    write(tmp_path, KOERS + "landing_retention: for ever\n", a=target())

    (found,) = validate(tmp_path, CATALOGUE)

    assert found.place == "landing_retention"
    assert "expected a number of days such as 28d" in found.expected


def test_reports_can_have_an_address_on_the_web(tmp_path: Path) -> None:
    said = "report_url: https://reports.example.nl/koers/\n"
    assert loaded(tmp_path, KOERS, a=target()).report_url is None
    settings = loaded(tmp_path, KOERS + said, a=target())
    assert settings.report_url == "https://reports.example.nl/koers"


@pytest.mark.parametrize(
    ("said", "link"),
    [("report_url: https://reports.example.nl/\n", "https://reports.example.nl/shop.html"),
     ("", "{root}/report/shop.html")],
)  # fmt: skip
def test_messages_link_to_where_people_find_the_report(
    tmp_path: Path, said: str, link: str
) -> None:
    settings = loaded(tmp_path, KOERS + said, shop=target())
    found = report_links(settings, ["shop"])
    assert found == {"shop": link.format(root=settings.root)}


@pytest.mark.parametrize(
    "said", ["/srv/reports", "ftp://x.nl", "https://x.nl/?a=1", '"https://x.nl/ a"', "javascript:1"]
)
def test_an_address_that_is_no_folder_on_the_web_is_refused(tmp_path: Path, said: str) -> None:
    write(tmp_path, f"{KOERS}report_url: {said}\n", a=target())

    (found,) = validate(tmp_path, CATALOGUE)

    assert found.place == "report_url"
    assert "https://reports.example.nl/koers" in found.expected


def test_what_the_agency_counts_in_is_written_or_what_all_clients_count_in(
    tmp_path: Path,
) -> None:
    euros, pounds = target(), "currency: GBP\n" + target()
    assert loaded(tmp_path, KOERS, a=euros).agency_currency == "EUR"
    assert loaded(tmp_path, KOERS, a=euros, b=pounds).agency_currency is None
    said = loaded(tmp_path, KOERS + "currency: USD\n", a=euros, b=pounds)
    assert said.agency_currency == "USD"


def test_an_agency_counts_in_a_currency_that_there_is(tmp_path: Path) -> None:
    config = write(tmp_path, KOERS + "currency: euro\n", a=target())

    (found,) = validate(config, CATALOGUE)

    assert (found.line, found.place) == (len(KOERS.splitlines()) + 1, "currency")
    assert str(found).endswith('"euro" is not a currency; expected an ISO 4217 code such as EUR')


# --- which tables are read ------------------------------------------------------------------------

TABLES = """\
name: Shop
sources:
  google_ads: {{customer_ids: [111-111-1111], tables: {0}}}
"""


def test_a_client_lists_the_tables_it_reads_besides_the_default_ones(tmp_path: Path) -> None:
    settings = loaded(tmp_path, shop=TABLES.format("[default, keyword_day, hour_day]"))
    assert settings.clients[0].sources["google_ads"].tables == (
        "default",
        "keyword_day",
        "hour_day",
    )


def test_a_table_that_there_is_not_is_named_with_a_near_one(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, shop=TABLES.format("[keywords_day]"))
    assert found == (
        "clients/shop.yaml:3: sources.google_ads.tables[0]: "
        '"keywords_day" is unknown; did you mean "keyword_day"?'
    )
