"""Causes in words: what is told, what is left out, and that it reads well in both languages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pytest

from flows.kpis import load_kpis, sql_dir
from flows.report import causes
from flows.report.formats import NBSP, Language
from flows.targets.explain import Explanation, Stretch, explain

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
        "De andere campagne: 0,00.",
    ]
    assert told(found, "roas", "en") == [
        "E-bikes costs 1.00 of ROAS: its return fell from 4.0 to 2.0.",
        "The other campaign: 0.00.",
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
        "Het andere apparaat: € 0,00.",
    ]
    assert told(found, "cpc", "en")[0] == (
        "Mobile makes CPC €0.25 lower: a click there went from €1.00 to €0.50."
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
