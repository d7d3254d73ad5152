"""Every sentence exists in both languages and asks for the same figures."""

from __future__ import annotations

import string
from dataclasses import replace
from datetime import date
from typing import get_args

import pytest

from flows.report import words
from flows.report.words import Phrase
from flows.settings import Agreed, Goal, Period, Target
from flows.targets.evaluation import Evaluation, Status
from tests.golden import sample

# the contract with flows/targets: what Evaluation.reason can be
REASONS = [
    *("not_started", "too_early", "below_minimum", "nothing_loaded", "nothing_matches"),
    *("mixed_currencies", "not_finite", "account_failed", "too_many_missing", "stale"),
    *("on_level", "near_level", "off_level", "on_path", "near_path", "off_path"),
    *("on_pace", "near_pace", "off_pace", "in_band", "near_band", "out_of_band"),
    *("segments_failing", "segments_fine", "segments_unknown"),
    *("goal_met", "goal_missed", "still_arriving"),
]

CATALOGUES: dict[str, dict[str, dict[str, Phrase]]] = {
    "REASON": words.REASON,
    "TEXT": words.TEXT,
    "VERBS": words.VERBS,
    "STATUS": {key: dict(value) for key, value in words.STATUS.items()},
    "FINDING": words.FINDING,
    "GOAL": {key: dict(value) for key, value in words.GOAL.items()},
    "SEGMENT": {key: dict(value) for key, value in words.SEGMENT.items()},
}


def forms(phrase: Phrase) -> tuple[str, ...]:
    return (phrase,) if isinstance(phrase, str) else phrase


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("catalogue", CATALOGUES)
def test_no_phrase_lacks_a_language(catalogue: str) -> None:
    for key, phrase in CATALOGUES[catalogue].items():
        assert set(phrase) == {"en", "nl"}, key
        for language in phrase.values():
            assert all(form.strip() for form in forms(language)), key


@pytest.mark.parametrize("catalogue", CATALOGUES)
def test_both_languages_ask_for_the_same_figures(catalogue: str) -> None:
    singular = {"n", "days_told", "part", "segment"}
    for key, phrase in CATALOGUES[catalogue].items():
        # "1 day" needs no figure where "{n} days" does, so the last form counts
        asked = {language: placeholders(forms(told)[-1]) for language, told in phrase.items()}
        assert asked["en"] == asked["nl"], key
        for told in phrase.values():
            assert placeholders(forms(told)[0]) - singular <= asked["en"], key


def test_every_status_has_a_word_a_symbol_a_tone_and_a_place() -> None:
    statuses = set(get_args(Status))
    for known in (words.STATUS, words.SYMBOL, words.TONE, words.URGENCY):
        assert set(known) == statuses
    assert len(set(words.SYMBOL.values())) == len(statuses), "a symbol says one thing"


def test_every_reason_that_an_evaluation_can_have_is_known() -> None:
    assert set(REASONS) <= set(words.REASON)


DETAILS: dict[str, dict[str, str | int | float]] = {
    "not_started": {"start": "2026-10-01"},
    "too_early": {"days": 3, "needed": 7},
    "below_minimum": {"denominator": 1200.0, "minimum": 5000.0},
    "mixed_currencies": {"currencies": "EUR, GBP"},
    "account_failed": {"problem": "no permission"},
    "too_many_missing": {"missing": 9, "days": 30},
    "stale": {"through": "2026-11-12", "expected": "2026-11-19"},
    "segments_failing": {"failing": 1, "judged": 4, "segments": 5},
    "segments_fine": {"judged": 4, "segments": 5},
    "still_arriving": {"until": "2027-01-31"},
}


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_becomes_a_whole_sentence(reason: str, language: words.Language) -> None:
    view = sample.roas_view()
    told = replace(view.total, reason=reason, details=DETAILS.get(reason, {}))
    sentence = words.reason(told, view.target, view.kpi, language, "EUR")
    assert sentence[0].isupper() or sentence[0].isdigit()
    assert sentence.endswith("."), sentence
    assert "{" not in sentence
    assert "–" not in sentence, "no figure is missing"


def reason_of(reason: str, language: words.Language, **changes: object) -> str:
    view = sample.roas_view()
    told = replace(view.total, reason=reason, **changes)  # type: ignore[arg-type]
    return words.reason(told, view.target, view.kpi, language, "EUR").replace("\xa0", " ")


def test_reasons_carry_their_figures_in_the_readers_notation() -> None:
    below = {"denominator": 1200.0, "minimum": 5000.0}
    assert reason_of("below_minimum", "nl", details=below) == (
        "Nog maar € 1.200 kosten; voor een oordeel is minstens € 5.000 nodig."
    )
    late = {"through": "2026-11-12", "expected": "2026-11-19"}
    assert reason_of("stale", "en", details=late) == (
        "The data runs through 12 November 2026; by now it should have come to 19 November 2026."
    )
    assert reason_of("off_level", "nl", details={}, adjusted_value=None, value=3.96) == (
        "ROAS staat op 3,96, waar minstens 4 is afgesproken."
    )


def test_one_and_more_take_their_own_form() -> None:
    assert reason_of("segments_failing", "en", details={"failing": 1, "judged": 4}) == (
        "1 of 4 campaigns misses the goal (at least 4)."
    )
    assert reason_of("segments_failing", "nl", details={"failing": 2, "judged": 4}) == (
        "2 van de 4 campagnes halen het doel niet (minstens 4)."
    )
    assert words.say("overdue", "nl", n=1) == "1 dag te laat"
    assert words.say("overdue", "en", n=31) == "31 days overdue"


def test_a_reason_of_a_newer_version_does_not_break_the_report() -> None:
    assert reason_of("by_magic", "nl", status="off_track") == "Uit koers."


def test_a_sum_says_what_it_comes_to_with_its_missing_days() -> None:
    """26,000 in 43 of 50 days is 26,000 × 50 / 43 = 30,232.6, told as about 30,200."""
    view = sample.organic_view()
    told = replace(
        view.total,
        reason="on_pace",
        value=26000.0,
        expected=30000.0,
        days_missing=7,
        details={"days": 50, "missing": 7},
    )
    sentence = words.reason(told, view.target, view.kpi, "en", None)
    assert sentence.endswith("With the 7 missing days filled in: about 30,200.")


def test_the_verdict_uses_the_adjusted_value_until_the_end() -> None:
    view = sample.roas_view()
    young = replace(
        view.total,
        value=3.1,
        adjusted_value=4.2,
        completeness=None,
        details={"settled_through": "2026-11-13"},
    )
    assert words.judged(young) == 4.2
    assert words.judged(replace(young, status="missed")) == 3.1
    assert words.judged(replace(young, details={})) == 3.1
    learned = replace(young, completeness=0.86, details={})
    assert words.judged(learned) == 4.2
    assert words.judged(replace(learned, status="achieved")) == 3.1


@pytest.mark.parametrize(
    ("goal", "english", "dutch"),
    [
        (Goal(kind="at_least", at_least=4), "at least 4", "minstens 4"),
        (Goal(kind="at_most", at_most=3.5), "at most 3.5", "hoogstens 3,5"),
        (Goal(kind="from_to", from_=3, to=5), "from 3 to 5", "van 3 naar 5"),
        (Goal(kind="between", between=(3, 5)), "between 3 and 5", "tussen 3 en 5"),
        (
            Goal(kind="maintain", maintain=4, within=0.1),
            "hold 4 (±10%)",
            "4 vasthouden (±10%)",
        ),
    ],
)
def test_every_kind_of_goal_has_words(goal: Goal, english: str, dutch: str) -> None:
    assert words.goal(goal, sample.ROAS, "en", "EUR") == english
    assert words.goal(goal, sample.ROAS, "nl", "EUR") == dutch


def test_days_are_told_from_where_the_reader_stands() -> None:
    today = date(2026, 11, 20)
    told = [
        words.relative_day(date(2026, 11, day), today, "nl").replace("\xa0", " ")
        for day in (17, 19, 20, 21, 24)
    ]
    assert told == ["3 dagen geleden", "gisteren", "vandaag", "morgen", "over 4 dagen"]


def test_people_are_called_by_name() -> None:
    assert words.person("sanne@example.nl") == "Sanne"
    assert words.person("eva.de.vries@example.nl") == "Eva de Vries"
    assert words.person("Team Groei") == "Team Groei"


def test_a_period_is_told_as_people_call_it() -> None:
    evaluation = Evaluation(
        "c", "t", "", "", sample.AS_OF, sample.KNOWN_AT, "on_track", "on_level", 4.0,
        period_start=date(2026, 10, 1), period_end=date(2027, 1, 1),
    )  # fmt: skip
    target = Target(
        id="t",
        specific="t",
        kpi="roas",
        goal=Goal(kind="at_least", at_least=4),
        period=Period(),
        agreed=Agreed(owner="a"),
    )
    assert words.period(target, evaluation, "en").replace("\xa0", " ") == "Q4 2026"
    assert words.period(target, evaluation, "nl").replace("\xa0", " ") == "kwartaal 4 2026"
    rolling = target.model_copy(update={"period": Period(rolling_days=7)})
    assert words.period(rolling, evaluation, "nl").replace("\xa0", " ") == "de laatste 7 dagen"
