"""Causes in words: what is told, what is left out, and that it reads well in both languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.kpis import load_kpis, sql_dir
from flows.report import causes
from flows.report.formats import NBSP, Language
from flows.targets.explain import Compared, Explanation, Stretch, explain

KPIS = load_kpis(sql_dir())
AFTER = date(2026, 10, 1)


def explained(
    labels: Sequence[str],
    before: tuple[Sequence[float], Sequence[float] | None],
    after: tuple[Sequence[float], Sequence[float] | None],
    *,
    dimension: str = "campaign_id",
    days: tuple[int, int] = (28, 28),
    noise: float = 0.0,
    direction: int = 0,
) -> Explanation:
    """From constant days: the stretch before ends on the eve of the one after."""
    rng = np.random.default_rng(7)

    def stretch(
        sums: tuple[Sequence[float], Sequence[float] | None], first: date, n: int
    ) -> Stretch:
        shake = rng.lognormal(0, noise, (len(labels), n)) if noise else np.ones((len(labels), n))
        numerator, denominator = sums
        return Stretch(
            first,
            np.array(numerator, dtype=float)[:, None] * shake,
            None
            if denominator is None
            else np.array(denominator, dtype=float)[:, None] * np.ones(n),
        )

    found = explain(
        dimension,
        [str(i) for i in range(len(labels))],
        labels,
        stretch(before, AFTER - timedelta(days=days[0]), days[0]),
        stretch(after, AFTER, days[1]),
        direction=direction,
    )
    assert found is not None
    return found


def told(found: Explanation | None, kpi: str, language: Language) -> list[str]:
    return [s.replace(NBSP, " ") for s in causes.sentences(found, KPIS[kpi], language, "EUR")]


# --- ratios -----------------------------------------------------------------------------


def test_a_campaign_that_returns_less_says_what_that_cost() -> None:
    # half of the cost each; E-bikes falls from 4 to 2: 1 of ROAS
    found = explained(["E-bikes", "Merk"], ([40, 20], [10, 10]), ([20, 20], [10, 10]))
    assert told(found, "roas", "nl") == [
        "E-bikes kost 1,00 punt ROAS: het rendement zakte er van 4,0 naar 2,0.",
        "De andere campagne maakte geen verschil.",
    ]
    assert told(found, "roas", "en") == [
        "E-bikes costs 1.00 of ROAS: its return fell from 4.0 to 2.0.",
        "The other campaign made no difference.",
    ]


def test_budget_that_moves_is_told_as_budget() -> None:
    # 5 and 1 of return; the cost goes from 50/50 to 25/75: -0.625 and -0.375
    found = explained(["Merk", "Kinderfietsen"], ([50, 10], [10, 10]), ([25, 15], [5, 15]))
    assert told(found, "roas", "nl") == [
        "Minder budget ging naar Merk (van 50% naar 25%), dat meer oplevert: "
        "dat kost 0,63 punt ROAS.",
        "Meer budget ging naar Kinderfietsen (van 50% naar 75%), dat minder oplevert: "
        "dat kost 0,38 punt ROAS.",
    ]
    assert told(found, "roas", "en")[1] == (
        "More of the budget went to Kinderfietsen (50% → 75%), which returns less: "
        "that costs 0.38 of ROAS."
    )


def test_a_lower_cost_per_click_is_not_told_as_a_loss() -> None:
    # 100 clicks a day each; mobile goes from 1 to 0.50: the whole from 1 to 0.75
    found = explained(
        ["MOBILE", "DESKTOP"], ([100, 100], [100, 100]), ([50, 100], [100, 100]), dimension="device"
    )
    assert told(found, "cpc", "nl") == [
        "Mobiel maakt de CPC € 0,25 lager: een klik ging er van € 1,00 naar € 0,50.",
        "Het andere apparaat maakte geen verschil.",
    ]
    assert told(found, "cpc", "en")[0] == (
        "Mobile makes CPC €0.25 lower: a click there went from €1.00 to €0.50."
    )


def test_a_part_that_is_new_or_gone_says_how_much_of_the_whole_it_is() -> None:
    # 2 at half of the impressions goes, 6% comes; the other half stays 4%: from 3% to 5%, middle 4%
    found = explained(
        ["Oud", "Merk", "Nieuw"], ([20, 40, 0], [1000, 1000, 0]), ([0, 40, 60], [0, 1000, 1000])
    )
    assert told(found, "ctr", "nl") == [
        "Oud is er niet meer bij (goed voor 50% van de vertoningen, met een CTR van 2,0%): "
        "dat levert 1,00 procentpunt CTR op.",
        "Nieuw is nieuw, goed voor 50% van de vertoningen met een CTR van 6,0%: "
        "dat levert 1,00 procentpunt CTR op.",
        "De andere campagne maakte geen verschil.",
    ]
    assert told(found, "ctr", "en")[:2] == [
        "Oud is no longer there (50% of the impressions, with a CTR of 2.0%): "
        "that adds 1.00 percentage points of CTR.",
        "Nieuw is new, 50% of the impressions with a CTR of 6.0%: "
        "that adds 1.00 percentage points of CTR.",
    ]


def test_a_share_that_moves_says_whether_it_is_above_or_below_the_average() -> None:
    # 4% and 2%; from halves to a quarter and three: 3% to 2.5%, middle 2.75%.
    # -1/4 x (4 - 2.75) = -0.3125 and 1/4 x (2 - 2.75) = -0.1875 points
    found = explained(
        ["Direct", "E-mail"],
        ([40, 20], [1000, 1000]),
        ([20, 30], [500, 1500]),
        dimension="channel_group",
    )
    assert told(found, "conversion_rate", "nl") == [
        "Direct ging van 50% naar 25% van de sessies en zit met een conversieratio van 4,0% boven "
        "het gemiddelde: dat kost 0,31 procentpunt.",
        "E-mail ging van 50% naar 75% van de sessies en zit met een conversieratio van 2,0% onder "
        "het gemiddelde: dat kost 0,19 procentpunt.",
    ]
    assert told(found, "conversion_rate", "en")[1] == (
        "E-mail went from 50% to 75% of the sessions, and its conversion rate of 2.0% is below "
        "average: that costs 0.19 percentage points."
    )


def test_a_kpi_that_is_better_lower_names_the_average_after_its_own_value() -> None:
    # 1 and 3 euro; from halves to a quarter and three: from 2 to 2.50, middle 2.25
    found = explained(["A", "B"], ([100, 300], [100, 100]), ([50, 450], [50, 150]))
    assert told(found, "cost_per_conversion", "nl")[0] == (
        "A ging van 50% naar 25% van de conversies en zit met kosten per conversie van € 1,00 "
        "onder het gemiddelde: dat verhoogt het gemiddelde met € 0,31."
    )


def test_the_first_cause_says_what_in_it_did_it() -> None:
    outer = explained(["E-bikes", "Merk"], ([40, 20], [10, 10]), ([20, 20], [10, 10]))
    inner = explained(
        ["MOBILE", "DESKTOP"], ([24, 16], [6, 4]), ([4, 16], [6, 4]), dimension="device"
    )
    both = replace(outer, inside=inner)
    assert told(both, "roas", "nl")[1] == (
        "Binnen E-bikes ligt dat vooral aan mobiel: het rendement zakte er van 4,0 naar 0,67."
    )
    assert told(both, "roas", "en")[1] == (
        "Within E-bikes it is above all mobile: its return fell from 4.0 to 0.67."
    )


# --- sums -------------------------------------------------------------------------------


def test_a_sum_says_how_much_lower_and_than_what() -> None:
    found = explained(
        ["Organic Search", "Direct"],
        ([400, 100], None),
        ([355, 100], None),
        dimension="channel_group",
    )
    # 28 x 45 = 1,260
    assert told(found, "sessions", "nl")[0] == (
        "Organic Search kwam 1.260 sessies lager uit dan in de vier weken ervoor."
    )
    assert told(found, "sessions", "en")[0] == (
        "Organic Search came out 1,260 sessions lower than in the four weeks before."
    )


def test_a_sum_over_unequal_stretches_is_told_per_day() -> None:
    found = explained(["A", "B"], ([400, 100], None), ([355, 100], None), days=(28, 7))
    assert told(found, "sessions", "nl")[0] == (
        "A kwam 45 sessies per dag lager uit dan in de vier weken ervoor."
    )


def test_parts_of_a_sum_that_are_new_or_gone() -> None:
    found = explained(["Oud", "Nieuw", "Rest"], ([100, 0, 50], None), ([0, 40, 50], None))
    assert told(found, "revenue", "nl")[:2] == [
        "Oud is er niet meer bij: dat scheelt € 2.800.",
        "Nieuw is nieuw en goed voor € 1.120.",
    ]
    assert told(found, "revenue", "en")[:2] == [
        "Oud is no longer there: that takes away €2,800.",
        "Nieuw is new and accounts for €1,120.",
    ]


@pytest.mark.parametrize(
    ("days", "compared", "reference"),
    [
        ((28, 28), "baseline", "in de vier weken ervoor"),
        ((63, 28), "baseline", "in de 9 weken ervoor"),
        ((7, 7), "week", "de week ervoor"),
        ((10, 10), "baseline", "over 21–30 september 2026"),
        ((28, 28), "last_year", "in dezelfde dagen van vorig jaar"),
    ],
)
def test_it_is_said_what_a_value_is_compared_with(
    days: tuple[int, int], compared: Compared, reference: str
) -> None:
    found = explained(["A", "B"], ([4, 2], [1, 1]), ([2, 2], [1, 1]), days=days)
    said = causes.opening(replace(found, compared=compared), KPIS["roas"], "nl", "EUR")
    assert said.replace(NBSP, " ") == (
        f"De ROAS kwam 1,0 lager uit dan {reference}: van 3,0 naar 2,0."
    )


def test_a_baseline_that_does_not_adjoin_is_told_by_its_last_day() -> None:
    found = explained(["A", "B"], ([4, 2], [1, 1]), ([2, 2], [1, 1]))
    apart = replace(found, after_days=(date(2026, 10, 23), date(2026, 11, 19)))
    for language, reference in (
        ("nl", "lager uit dan in de vier weken tot en met 30 september 2026: van"),
        ("en", "lower than in the four weeks to 30 September 2026: from"),
    ):
        said = causes.opening(apart, KPIS["roas"], language, "EUR")
        assert reference in said.replace(NBSP, " ")


# --- what is not told -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        (
            "nl",
            "Geen enkele campagne springt eruit: de verschillen zijn niet groter dan die van dag "
            "tot dag.",
        ),
        (
            "en",
            "No single campaign stands out: what they did differs no more than days differ by "
            "chance.",
        ),
    ],
)
def test_what_may_be_chance_is_never_told_as_a_cause(language: Language, sentence: str) -> None:
    found = explained(["A", "B"], ([40, 20], [10, 10]), ([40, 20], [10, 10]), noise=0.3)
    assert found.change != 0
    assert told(found, "roas", language) == [sentence]


def test_nothing_is_said_without_an_explanation_or_of_one_part_alone() -> None:
    assert told(None, "roas", "nl") == []
    assert told(explained(["A"], ([4], [1]), ([2], [1])), "roas", "nl") == []


def test_what_worked_against_a_fall_does_not_explain_it() -> None:
    # A rises for certain; B and C fall with so much noise that neither may be blamed
    rng = np.random.default_rng(3)
    shake = rng.lognormal(0, 1.2, (2, 56))
    value = np.vstack([np.r_[np.full(28, 20.0), np.full(28, 24.0)], 40 * shake])
    value[1:, 28:] *= 0.75
    cost = np.full((3, 28), 10.0)
    found = explain(
        "campaign_id",
        ["a", "b", "c"],
        ["A", "B", "C"],
        Stretch(AFTER - timedelta(days=28), value[:, :28], cost),
        Stretch(AFTER, value[:, 28:], cost),
        direction=-1,
    )
    assert found is not None and found.change < 0
    lines = told(found, "roas", "nl")
    assert lines[0] == "Geen enkele campagne verklaart op zichzelf de daling."
    assert lines[1].startswith("A levert ")
    assert lines[2].startswith("De andere 2 campagnes samen: −")


def test_a_small_effect_beside_a_large_one_is_told_with_the_others() -> None:
    # 1.00, 0.04 and nothing of ROAS
    found = explained(
        ["Groot", "Klein", "Niets"], ([60, 30, 30], [10, 10, 10]), ([30, 28.8, 30], [10, 10, 10])
    )
    assert told(found, "roas", "nl") == [
        "Groot kost 1,00 punt ROAS: het rendement zakte er van 6,0 naar 3,0.",
        "De andere 2 campagnes samen: −0,04.",
    ]


def test_no_more_than_three_causes_are_told() -> None:
    names = [f"C{i}" for i in range(8)]
    found = explained(names, ([40] * 8, [10] * 8), ([20] * 8, [10] * 8))
    lines = told(found, "roas", "nl")
    assert len(lines) == 4
    # each 2 x 1/8
    assert lines[-1] == "De andere 5 campagnes samen: −1,25."


# --- names and tables -------------------------------------------------------------------


def test_names_are_cleaned_and_cut_but_not_escaped() -> None:
    long = "<b>" + "x" * 100
    found = explained(["a\u202e\nb", long], ([40, 20], [10, 10]), ([20, 10], [10, 10]))
    lines = told(found, "roas", "nl")
    assert lines[0].startswith("a b kost ")
    assert lines[1].startswith("<b>" + "x" * 56 + "… kost ")


def test_platforms_words_are_told_in_the_readers_language() -> None:
    assert causes.part_name("MOBILE", "device", "nl") == "mobiel"
    assert causes.part_name("CONNECTED_TV", "device", "en") == "connected TV"
    assert causes.part_name("PERFORMANCE_MAX", "channel_type", "nl") == "Performance Max"
    assert causes.part_name("SHOPPING", "channel_type", "nl") == "Shopping"
    assert causes.part_name("google_ads", "source", "nl") == "Google Ads"
    assert causes.part_name("MOBILE", "campaign_id", "nl") == "MOBILE"


def test_a_table_shows_every_effect_and_the_rest_together() -> None:
    names = [f"C{i}" for i in range(5)]
    found = explained(names, ([40, 40, 40, 40, 40], [10] * 5), ([20, 30, 45, 40, 40], [10] * 5))
    rows = causes.rows(found, KPIS["roas"], "nl", "EUR", most=3)
    # -2/5, -1/5, +0.5/5; two without any
    assert [(r.name, r.how, r.effect, r.share, r.before, r.after) for r in rows] == [
        ("C0", "rate", "−0,40", "80%", "4,0", "2,0"),
        ("C1", "rate", "−0,20", "40%", "4,0", "3,0"),
        ("C2", "rate", "+0,10", "-20%", "4,0", "4,5"),
        ("2 andere campagnes", "rest", "0,00", "0%", "", ""),
    ]
    assert [round(r.size, 6) for r in rows] == [-1.0, -0.5, 0.25, 0.0]
    assert [r.helps for r in rows[:3]] == [False, False, True]
    assert [r.weight_after for r in rows] == ["20%", "20%", "20%", "40%"]
    # one row for one other would only hide its name
    assert len(causes.rows(found, KPIS["roas"], "nl", "EUR", most=4)) == 5
    assert causes.rows(None, KPIS["roas"], "nl", "EUR") == []


SPLIT_KPIS = sorted(name for name, kpi in KPIS.items() if kpi.dimensions)
daily = st.tuples(*[st.one_of(st.just(0.0), st.floats(0.01, 1e5))] * 4)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(SPLIT_KPIS),
    st.sampled_from(["nl", "en"]),
    st.lists(daily, min_size=1, max_size=6),
    st.sampled_from(["campaign_id", "device", "channel_group"]),
    st.sampled_from(["EUR", None]),
)
def test_every_sentence_of_every_kpi_is_whole(
    name: str,
    language: Language,
    sums: list[tuple[float, ...]],
    dimension: str,
    currency: str | None,
) -> None:
    n0, d0, n1, d1 = (np.array(column)[:, None] * np.ones(14) for column in zip(*sums, strict=True))
    is_sum = KPIS[name].is_sum
    parts = [f"Part {i}" for i in range(len(sums))]
    found = explain(
        dimension,
        parts,
        parts,
        Stretch(AFTER - timedelta(days=14), n0, None if is_sum else d0),
        Stretch(AFTER, n1, None if is_sum else d1),
    )
    if found is None:
        return
    lines = causes.sentences(found, KPIS[name], language, currency)
    for line in [causes.opening(found, KPIS[name], language, currency), *lines]:
        assert line.endswith(".") and line[0].upper() == line[0]
        assert not any(bad in line for bad in ("{", "}", "nan", "inf ", "None", "  ", " ,"))
    rows = causes.rows(found, KPIS[name], language, currency)
    assert all(-1 <= row.size <= 1 for row in rows)
