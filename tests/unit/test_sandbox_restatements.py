from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from connectors.sandbox.restatements import Restatement, restated
from connectors.sandbox.world import World

D1, D2 = date(2026, 11, 1), date(2026, 11, 2)
DEMO_DAY = date(2026, 11, 20)
NL = "1111111111"


def ads(**changed: float) -> Restatement:
    return Restatement("google_ads", NL, D1, **changed)  # type: ignore[arg-type]


FACTS = pa.table(
    {
        "date_day": pa.array([D1, D1, D2]),
        "campaign_id": pa.array([1, 2, 1]),
        "clicks": pa.array([5, 1, 7]),
        "conversions": pa.array([0.5, 0.0, 2.0]),
    }
)


def test_a_factor_multiplies_one_day_and_rounds_counts_down() -> None:
    found = restated(FACTS, [ads(factor=0.5)])

    # 5 × 0.5 = 2.5 → 2; of the second row nothing is left
    assert found.to_pydict() == {
        "date_day": [D1, D2],
        "campaign_id": [1, 1],
        "clicks": [2, 7],
        "conversions": [0.25, 2.0],
    }


def test_a_day_or_one_campaign_of_it_vanishes() -> None:
    assert restated(FACTS, [ads(vanish=True)])["date_day"].to_pylist() == [D2]
    assert restated(FACTS, [ads(without_campaign=1)])["campaign_id"].to_pylist() == [2, 1]


def test_a_position_is_a_mean_and_stays() -> None:
    facts = pa.table(
        {
            "date_day": pa.array([D1, D1]),
            "clicks": pa.array([3, 1]),
            "impressions": pa.array([10, 1]),
            "position_sum": pa.array([25.0, 4.0]),
        }
    )
    found = restated(facts, [Restatement("search_console", "s", D1, factor=0.5)])

    # half of 10 impressions at position 2.5; the row with one impression vanishes
    assert found.to_pydict() == {
        "date_day": [D1],
        "clicks": [1],
        "impressions": [5],
        "position_sum": [12.5],
    }


def test_the_truth_follows_and_comes_back() -> None:
    world = World()

    def clicks() -> list[float]:
        truth = world.truth(DEMO_DAY, NL)
        wanted = pc.and_(pc.equal(truth["metric"], "clicks"), pc.equal(truth["date_day"], D1))
        found: list[float] = truth.filter(wanted)["value"].to_pylist()
        return found

    before = clicks()
    world.restate(ads(factor=3.0))
    assert clicks() == [3 * before[0]]
    world.restate(ads(vanish=True))
    assert clicks() == []
    assert [one.vanish for one in world.restatements()] == [True]
    world.forget_restatements()
    assert clicks() == before


def test_all_tables_of_an_account_show_the_same_change() -> None:
    world = World()
    world.restate(ads(factor=0.5))
    facts, actions = world.ads_facts(NL, DEMO_DAY), world.ads_conversion_facts(NL, DEMO_DAY)

    assert pc.sum(actions["conversions"]).as_py() == pc.sum(facts["conversions"]).as_py()


def test_a_restatement_from_json_names_what_is_wrong_with_it() -> None:
    said = {"source": "ga4", "account_id": "311111111", "date_day": "2026-11-01", "vanish": True}
    assert Restatement.from_json(said).to_json() == {
        **said,
        "factor": 1.0,
        "without_campaign": None,
    }
    with pytest.raises(ValueError, match="unknown key 'day'"):
        Restatement.from_json({**said, "day": 1})
    with pytest.raises(ValueError, match="date_day is missing"):
        Restatement.from_json({"source": "ga4", "account_id": "1"})
    with pytest.raises(ValueError, match="ga4 has no campaigns"):
        Restatement.from_json({**said, "without_campaign": 1})
    with pytest.raises(KeyError, match="999"):
        World().restate(Restatement("ga4", "999", D1))
