"""What it takes from here, the odds and where it ends: right, and in words people use."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from random import Random
from typing import Any

import pytest

from flows.alerts.digest import DigestItem
from flows.report import charts, digest_lines, outlook, page, words
from flows.report.formats import Language
from flows.report.model import GoalChange, Noticed, TargetView
from flows.settings import Goal, Period, Tuning
from flows.targets.evaluation import Evaluation
from tests.golden import sample

BOTH: tuple[Language, ...] = ("en", "nl")


def plain(text: str) -> str:
    return text.replace("\xa0", " ")


def told(view: TargetView, **changes: Any) -> Evaluation:
    details = {**view.total.details, **changes.pop("details", {})}
    return replace(view.total, details=details, **changes)


def odds(view: TargetView, language: Language, **changes: Any) -> str:
    return plain(outlook.odds_sentence(told(view, **changes), view.target, view.kpi, language))


def needed(view: TargetView, language: Language, **changes: Any) -> str:
    return plain(outlook.needed(told(view, **changes), view.target, view.kpi, language, "EUR"))


def with_goal(view: TargetView, goal: Goal) -> TargetView:
    return replace(view, target=view.target.model_copy(update={"goal": goal}))


# --- odds -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("probability", "size", "english", "dutch"),
    [
        (0.0, "less than 10%", "very unlikely", "heel onwaarschijnlijk"),
        (0.0999, "less than 10%", "very unlikely", "heel onwaarschijnlijk"),
        (0.1, "about 10%", "unlikely", "onwaarschijnlijk"),
        (0.15, "about 20%", "unlikely", "onwaarschijnlijk"),
        (0.299, "about 30%", "unlikely", "onwaarschijnlijk"),
        (0.3, "about 30%", "less likely than not", "eerder niet dan wel"),
        (0.5, "about 50%", "it can go either way", "het kan beide kanten op"),
        (0.62, "about 60%", "more likely than not", "eerder wel dan niet"),
        (0.7, "about 70%", "likely", "waarschijnlijk"),
        (0.9, "about 90%", "very likely", "heel waarschijnlijk"),
        (0.901, "more than 90%", "very likely", "heel waarschijnlijk"),
        (1.0, "more than 90%", "very likely", "heel waarschijnlijk"),
    ],
)
def test_odds_are_told_in_tens_and_in_words(
    probability: float, size: str, english: str, dutch: str
) -> None:
    assert plain(outlook.odds_size(probability, "en")) == size
    assert outlook.odds_word(probability, "en") == english
    assert outlook.odds_word(probability, "nl") == dutch


def test_higher_odds_never_read_as_lower() -> None:
    sizes = [outlook.odds_size(i / 200, "en") for i in range(201)]
    tens = [int("".join(c for c in size if c.isdigit())) for size in sizes]
    assert tens == sorted(tens)


def test_the_odds_are_a_sentence() -> None:
    view = sample.roas_view()
    plain_view = replace(view, target=view.target.model_copy(update={"for_each": None}))
    assert odds(plain_view, "en", probability=0.29, details={"standing": "off"}) == (
        "The odds of making it are about 30%: unlikely."
    )
    assert odds(plain_view, "nl", probability=0.29, details={"standing": "off"}) == (
        "De kans om het te halen is ongeveer 30%: onwaarschijnlijk."
    )
    assert odds(sample.cac_view(), "nl") == (
        "De kans om er onder te blijven is minder dan 10%: heel onwaarschijnlijk."
    )


@pytest.mark.parametrize(
    ("probability", "standing", "value", "clause"),
    [
        (0.8, "near", 3.9, ", al ligt het nu nog iets te laag."),
        (0.8, "off", 3.2, ", al ligt het nu nog te laag."),
        (0.2, "on", 4.2, ", ook al is het nu goed."),
        (0.8, "on", 4.2, "waarschijnlijk."),
        (0.2, "off", 3.2, "onwaarschijnlijk."),
        (0.5, "off", 3.2, "het kan beide kanten op."),
        (0.5, "on", 4.2, "het kan beide kanten op."),
    ],
)
def test_odds_and_a_value_that_point_to_different_sides_are_joined(
    probability: float, standing: str, value: float, clause: str
) -> None:
    sentence = odds(
        sample.roas_view(),
        "nl",
        probability=probability,
        adjusted_value=value,
        reason=f"{standing}_level",
        details={"standing": standing},
    )
    assert sentence.endswith(clause)
    assert sentence.count(", ") == (1 if clause.startswith(",") else 0)


def test_a_sum_is_behind_and_a_cost_is_too_high() -> None:
    behind = odds(
        sample.organic_view(),
        "en",
        value=25000.0,
        days_missing=0,
        probability=0.8,
        reason="near_pace",
        details={"standing": "near"},
    )
    assert behind.endswith("likely, although it is still slightly behind now.")
    high = odds(
        sample.cac_view(),
        "en",
        probability=0.75,
        adjusted_value=39.0,
        reason="near_level",
        details={"standing": "near"},
    )
    assert high.endswith("likely, although it is still slightly too high now.")


@pytest.mark.parametrize(
    "changes",
    [
        {"probability": None},
        {"probability": float("nan")},
        {"status": "achieved"},
        {"status": "insufficient_data"},
        {"status": "stale"},
    ],
)
def test_there_are_no_odds_of_what_is_over_or_not_judged(changes: dict[str, Any]) -> None:
    view = sample.ctr_view()
    assert odds(view, "nl", **changes) == ""
    assert outlook.odds_short(told(view, **changes), view.target, "nl") == ""
    rolling = sample.cost_view()
    assert odds(rolling, "nl", probability=0.8) == ""


def test_a_status_that_waits_to_be_confirmed_says_for_how_long() -> None:
    view = sample.organic_view()
    waiting = {"candidate": "at_risk", "candidate_days": 1}

    def pending(days: int, **details: Any) -> str:
        target = view.target.model_copy(update={"tuning": Tuning(confirm_days=days)})
        return outlook.pending(told(view, details=details), target, "en")

    assert pending(2, **waiting) == "One more day like this and it becomes “at risk”."
    assert pending(4, **waiting) == "3 more days like this and it becomes “at risk”."
    assert pending(1, **waiting) == ""
    assert pending(2, candidate="on_track") == "", "that is what it is already"
    assert pending(2, candidate="by_magic") == ""


def test_a_mild_verdict_says_that_it_may_be_chance() -> None:
    view = sample.roas_view()
    mild = told(view, status="at_risk", details={"claimed": 0})
    assert outlook.maybe_chance(mild, "nl") == "Dat kan nog toeval zijn."
    assert outlook.maybe_chance(told(view, status="at_risk", details={"claimed": 1}), "nl") == ""
    assert outlook.maybe_chance(told(view, details={"claimed": 0}), "nl") == ""
    single = told(
        view, status="at_risk", reason="off_level", probability=None, details={"standing": "off"}
    )
    assert outlook.maybe_chance(single, "en") == "That can still be chance."
    assert outlook.maybe_chance(replace(single, probability=0.5), "en") == ""


# --- what it takes from here ------------------------------------------------------------------


def test_a_ratio_says_what_the_days_that_are_left_have_to_come_to() -> None:
    view = sample.roas_view()
    assert needed(view, "en", required=4.43) == (
        "The remaining 42 days have to come to a ROAS of at least 4.4."
    )
    assert needed(view, "nl", required=4.43) == (
        "De resterende 42 dagen moeten samen op een ROAS van minstens 4,4 uitkomen."
    )
    assert needed(view, "nl", required=4.04) == (
        "De resterende 42 dagen moeten samen op een ROAS van minstens 4,04 uitkomen."
    ), "not the same figure as what was agreed"


def test_a_ratio_that_is_ahead_says_what_will_do() -> None:
    view = sample.roas_view()
    assert needed(view, "nl", adjusted_value=4.6, required=3.28) == (
        "Met een ROAS van minstens 3,3 over de resterende 42 dagen is het gehaald."
    )
    assert needed(view, "en", adjusted_value=4.6, required=0.0) == ""


def test_a_cap_says_at_most() -> None:
    assert needed(sample.cac_view(), "en") == (
        "The remaining 11 days have to come to a CAC of at most €34.20."
    )


def test_one_day_that_is_left_is_told_as_one() -> None:
    last = {"measured_through": date(2026, 12, 30), "required": 5.5}
    assert needed(sample.roas_view(), "en", **last) == (
        "What is left is 1 day: it has to come to a ROAS of at least 5.5."
    )
    assert needed(sample.roas_view(), "en", measured_through=date(2026, 12, 31)) == ""


def test_a_window_that_still_lies_ahead_is_told_as_the_last_days() -> None:
    """Of 42 days the last 28 count; of 20 all of them do."""
    view = sample.ctr_view()
    assert needed(view, "nl") == (
        "Aan het eind tellen de laatste 28 dagen: die moeten op een CTR van minstens 5% uitkomen."
    )
    late = needed(view, "nl", measured_through=date(2026, 12, 11), required=0.054)
    assert late == "De resterende 20 dagen moeten samen op een CTR van minstens 5,4% uitkomen."


def test_a_sum_says_what_is_needed_a_day_beside_what_came_in() -> None:
    """21,070 in 50 days of which 7 are missing: 490 a day."""
    view = sample.organic_view()
    so_far = {"value": 21070.0, "required": 620.0}
    assert needed(view, "en", **so_far) == (
        "From here it takes 620 organic sessions a day; so far it has been 490 on average."
    )
    assert needed(view, "nl", **so_far) == (
        "Er zijn nog 620 organische sessies per dag nodig; tot nu toe zijn het er gemiddeld 490."
    )
    assert needed(view, "nl", value=21070.0, required=410.0) == (
        "Vanaf nu zijn 410 organische sessies per dag genoeg; tot nu toe zijn het er gemiddeld 490."
    )
    assert needed(view, "nl", value=61000.0, required=0.0) == (
        "Het afgesproken aantal is al bereikt."
    )


def test_nobody_counts_tenths_of_a_visit() -> None:
    view = sample.organic_view()
    assert "takes 73 organic sessions a day" in needed(view, "en", value=2000.0, required=72.6)
    assert "takes 7.3 organic sessions a day" in needed(view, "en", value=200.0, required=7.26)


def test_a_budget_says_how_much_room_there_is() -> None:
    """5,687 in 7 days is 812 a day."""
    view = with_goal(sample.cost_view(), Goal(kind="at_most", at_most=60000))
    target = view.target.model_copy(
        update={"period": Period(start=date(2026, 11, 13), end=date(2027, 1, 1), said="x")}
    )
    view = replace(view, target=target)
    changes: dict[str, Any] = {
        "goal": 60000.0,
        "value": 5687.0,
        "period_end": date(2027, 1, 1),
        "reason": "on_pace",
    }
    assert needed(view, "nl", required=1290.0, **changes) == (
        "Er is nog ruimte voor € 1.290 per dag; tot nu toe is het gemiddeld € 812."
    )
    over = {**changes, "value": 60001.0}
    assert needed(view, "en", required=None, **over) == "The limit has already been passed."


@pytest.mark.parametrize("required", [None, float("nan"), float("inf")])
def test_what_cannot_be_worked_out_is_not_told(required: float | None) -> None:
    assert needed(sample.roas_view(), "en", required=required) == ""
    assert needed(sample.organic_view(), "en", required=required) == ""


# --- where it ends ----------------------------------------------------------------------------


def ending(view: TargetView, language: Language, **changes: Any) -> str:
    return plain(outlook.ending(told(view, **changes), view.target, view.kpi, language, "EUR"))


def test_the_end_is_told_with_its_range() -> None:
    view = sample.roas_view()
    assert ending(view, "en", projected=3.7, projected_low=3.4, projected_high=4.1) == (
        "It will probably end between 3.4 and 4.1, most likely at 3.7."
    )
    assert ending(sample.organic_view(), "nl", projected=60941.2) == (
        "De eindstand ligt vermoedelijk tussen 57.200 en 64.800, het waarschijnlijkst op 60.900."
    )
    assert ending(view, "en", projected_low=None) == "It will end at about 3.6."
    close = {"projected": 3.149, "projected_low": 3.1, "projected_high": 3.24}
    assert ending(view, "en", **close) == (
        "It will probably end between 3.10 and 3.24, most likely at 3.15."
    ), "as many digits for each"
    assert "3.98" in ending(view, "en", projected_high=3.98), "that is not the 4 of the goal"
    assert ending(view, "en", projected=None) == ""
    assert ending(view, "en", projected=float("inf")) == ""
    assert ending(view, "en", status="missed") == ""


# --- how complete -----------------------------------------------------------------------------


def test_how_much_was_adjusted_is_told_where_it_matters() -> None:
    view = sample.roas_view()
    learned = told(view, value=3.42, adjusted_value=3.64, completeness=0.861)
    assert plain(outlook.completeness(learned, view.kpi, "nl", "EUR")) == (
        "Van de conversiewaarde over deze dagen is ongeveer 86% binnen; het cijfer rekent op de"
        " rest (zonder die correctie: 3,4)."
    )
    almost = replace(learned, completeness=0.996)
    assert outlook.completeness(almost, view.kpi, "nl", "EUR") == ""
    nearly = replace(learned, completeness=0.991)
    assert "99,1%" in outlook.completeness(nearly, view.kpi, "nl", "EUR")
    settled = sample.cac_view()
    assert plain(outlook.completeness(settled.total, settled.kpi, "en", "EUR")) == (
        "The youngest days do not count yet, because conversions of those days are still arriving"
        " (with them: €43.12)."
    )
    prompt = sample.ctr_view()
    assert outlook.completeness(prompt.total, prompt.kpi, "en", None) == ""


def test_the_late_side_of_a_cost_per_customer_is_the_customers() -> None:
    view = sample.cac_view()
    learned = told(view, completeness=0.92)
    assert plain(outlook.late_share(learned, view.kpi, "nl")) == (
        "van de nieuwe klanten is ongeveer 92% binnen"
    )


def test_too_little_data_says_how_much_longer_it_takes() -> None:
    view = sample.ctr_view()
    little = told(
        view,
        status="insufficient_data",
        reason="below_minimum",
        details={"denominator": 1200.0, "minimum": 5000.0, "days_needed": 12},
    )

    def reason(evaluation: Evaluation, language: Language) -> str:
        return plain(words.reason(evaluation, view.target, view.kpi, language, None))

    assert reason(little, "en").endswith(
        "at least 5,000. At this pace there is enough after about 12 more days."
    )
    one = replace(little, details={**little.details, "days_needed": 1})
    assert reason(one, "nl").endswith("In dit tempo is er na nog één dag genoeg.")
    never = replace(little, details={**little.details, "days_needed": 43})
    assert reason(never, "nl").endswith("In dit tempo is er voor de deadline niet genoeg.")
    unknown = replace(little, details={"denominator": 1200.0, "minimum": 5000.0})
    assert reason(unknown, "en").endswith("at least 5,000.")


# --- all of it together -----------------------------------------------------------------------


def sentences(view: TargetView, language: Language) -> list[str]:
    return [plain(s) for s in page.outlook_sentences(view, view.total, language, "EUR")]


def test_a_goal_for_each_campaign_is_about_the_guilty_one() -> None:
    """E-bikes: 4 − 2.7726 = 1.2; odds and end are theirs, not those of all together."""
    assert sentences(sample.roas_view(), "nl") == [
        "Het verschil is daar 1,2.",
        "De resterende 42 dagen moeten samen op een ROAS van minstens 5,5 uitkomen.",
        "De kans om het te halen is minder dan 10%: heel onwaarschijnlijk.",
        "De eindstand ligt vermoedelijk tussen 2,3 en 2,8, het waarschijnlijkst op 2,6.",
    ]


def test_when_every_campaign_is_fine_the_least_certain_is_named() -> None:
    view = sample.roas_view()
    fine = tuple(one for one in view.segments if one.status == "on_track")
    total = told(view, status="on_track", reason="segments_fine", details={"judged": 3})
    assert sentences(replace(view, total=total, segments=fine), "en") == [
        "Least certain is Shopping – 'Kids' & \"Bakfietsen\" 🚲: about 90%, likely."
    ]


@pytest.mark.parametrize("language", BOTH)
def test_nothing_is_told_ahead_of_what_was_never_measured(language: Language) -> None:
    assert sentences(sample.no_data_view(), language) == []


STRANGE = (None, 0.0, -1.0, 0.5, 3.9, 1e9, float("nan"), float("inf"), float("-inf"))


@pytest.mark.parametrize("seed", range(40))
def test_whatever_an_evaluation_lacks_no_sentence_breaks(seed: int) -> None:
    random = Random(seed)
    for view in sample.client_view("nl").targets:
        figures = {
            name: random.choice(STRANGE)
            for name in (
                *("probability", "required", "projected", "projected_low", "projected_high"),
                *("value_low", "value_high", "completeness"),
            )
        }
        changed = told(
            view,
            status=random.choice(["on_track", "at_risk", "off_track", "provisional", "missed"]),
            reason=random.choice(sorted(words.REASON)),
            measured_through=random.choice([None, date(2026, 11, 19), date(2026, 12, 31)]),
            details={"candidate": "at_risk", "standing": random.choice(["on", "near", "off"])},
            **figures,
        )
        one = replace(view, total=changed)
        for language in BOTH:
            item = DigestItem(one, changed, "on_track")
            line = digest_lines.line(item, sample.digest(language))
            for sentence in (line.reason, line.ahead, line.data, line.figures, line.pending):
                assert not re.search(r"\bnan\b|\binf\b|[{}]|  ", sentence), sentence
        charts.chart_data(one, sample.AS_OF, ())


# --- the goal itself --------------------------------------------------------------------------


def test_an_edit_of_the_goal_is_told_with_what_it_was() -> None:
    view = sample.ctr_view()
    changes = (
        GoalChange(
            date(2026, 11, 3),
            was=Goal(kind="from_to", from_=0.03, to=0.06),
            now=view.target.goal,
            was_period=Period(start=date(2026, 10, 1), end=date(2026, 12, 1), said="2 months"),
            now_period=view.target.period,
            others=("where", "something_new"),
        ),
    )
    found = page.target_changes(replace(view, goal_changes=changes), "en", None)
    assert [plain(one) for one in found] == [
        "3 November 2026: the goal was “from 3% to 6%” and became “from 3% to 5%”.",
        "3 November 2026: the period was 1 October – 30 November 2026 and became Q4 2026.",
        "3 November 2026: also changed: what is counted and something_new.",
    ]


def test_findings_are_told_in_the_readers_figures() -> None:
    view = sample.ctr_view()
    found = Noticed(
        "baseline_differs",
        {"said": 0.03, "measured": 0.0334, "first": "2026-09-03", "last": "2026-09-30"},
    )
    assert plain(words.finding(found, view, "nl", None)) == (
        "Het doel begint bij 3%; over 3–30 september 2026 was het 3,3%."
    )
    hardest = Noticed(
        "realism_stretch", {"usual_low": 0.029, "usual_high": 0.036, "segment": "Merk"}
    )
    assert words.finding(hardest, view, "en", None).startswith("Merk: Going by")
    assert words.finding(Noticed("by_magic"), view, "en", None) == ""
    owner = Noticed("step_not_agreed", {"do": "Iets", "owner": "eva.de.vries@example.nl"})
    told_of_owner = words.finding(owner, view, "nl", None)
    assert "Eva de Vries" in told_of_owner
    assert "@" not in told_of_owner
