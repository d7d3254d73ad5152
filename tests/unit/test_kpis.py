"""The KPI catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.tables import ALL
from flows.kpis import Late, load_kpis, sql_dir
from flows.settings import ConfigError

CTR = """\
sentence: clicks per impression
grain: [client, date_day]
columns:
  numerator: {unit: clicks, means: clicks}
kpi:
  unit: rate
  better: higher
  sum: false
  currency: false
  dimensions: [source, account_id]
  sources: [google_ads]
  late: {side: numerator, table: google_ads__campaign_day, column: conversions}
  label: {en: CTR, nl: Doorklikratio}
  explained: {en: e, nl: u}
  numerator: {en: clicks, nl: klikken}
  denominator: {en: impressions, nl: vertoningen}
"""


def folder(tmp_path: Path, **files: str) -> Path:
    (tmp_path / "kpis").mkdir()
    for name, text in files.items():
        (tmp_path / "kpis" / f"{name}.sql").write_text("select 1\n")
        (tmp_path / "kpis" / f"{name}.yaml").write_text(text)
    return tmp_path


def test_a_kpi_is_what_its_yaml_says(tmp_path: Path) -> None:
    kpi = load_kpis(folder(tmp_path, ctr=CTR))["ctr"]
    assert (kpi.name, kpi.unit, kpi.better, kpi.is_sum) == ("ctr", "rate", "higher", False)
    assert (kpi.dimensions, kpi.sources) == (("source", "account_id"), ("google_ads",))
    assert (kpi.has_currency, kpi.is_restated) == (False, True)
    assert kpi.late == Late("numerator", "google_ads__campaign_day", "conversions")
    assert kpi.late.source == "google_ads"
    assert kpi.label == {"en": "CTR", "nl": "Doorklikratio"}
    assert kpi.denominator == {"en": "impressions", "nl": "vertoningen"}


def test_a_sum_has_no_denominator(tmp_path: Path) -> None:
    text = CTR.replace("sum: false", "sum: true").replace("unit: rate", "unit: count")
    kpis = load_kpis(folder(tmp_path, clicks=text[: text.rindex("  denominator")]))
    assert kpis["clicks"].is_sum and kpis["clicks"].denominator is None
    (tmp_path / "other").mkdir()
    with pytest.raises(ConfigError, match=r"kpi\.denominator: a sum has none"):
        load_kpis(folder(tmp_path / "other", clicks=text))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("unit: rate", "unit: percent", '6: kpi.unit: "percent" is unknown; expected rate or'),
        ("  better: higher\n", "", "kpi.better: is missing"),
        ("sum: false", "sum: no", '8: kpi.sum: "no" is neither true nor false'),
        ("dimensions: [source, account_id]", "dimensions: source", "10: kpi.dimensions: is text"),
        ("{en: CTR, nl: Doorklikratio}", "{en: CTR}", "13: kpi.label: is a mapping; expected te"),
        ("kpi:", "kpis:", "1: kpi: is missing"),
        ("late: {side: numerator", "late: {side: above", '12: kpi.late.side: "above" is unknown'),
        ("google_ads__campaign_day", "shop__order_day", '12: kpi.late.table: "shop__order_day"'),
        (", column: conversions}", "}", "12: kpi.late: is a mapping; expected none, or {side"),
        ("late: {side", "lateness: {side", "kpi.late: is missing"),
    ],
)
def test_mistakes_in_a_kpi_have_their_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    directory = folder(tmp_path, ctr=CTR.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_kpis(directory)
    assert f"{directory}/kpis/ctr.yaml:" in str(caught.value)
    assert said in str(caught.value)


def test_sql_and_yaml_come_in_pairs(tmp_path: Path) -> None:
    directory = folder(tmp_path, ctr=CTR)
    (directory / "kpis" / "roas.sql").write_text("select 1\n")
    (directory / "kpis" / "cpc.yaml").write_text(CTR)
    with pytest.raises(ConfigError) as caught:
        load_kpis(directory)
    assert "roas.yaml:1: file: cannot be read (No such file" in str(caught.value)
    assert "cpc.yaml:1: file: there is no cpc.sql beside it" in str(caught.value)


def test_a_folder_without_kpis_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no KPI"):
        load_kpis(tmp_path)


def test_the_design_s_kpis_ship_with_their_units_and_dimensions() -> None:
    kpis = load_kpis(sql_dir())
    paid = ("ctr", "roas", "cpc", "cost", "impressions", "clicks", "conversions", "revenue")
    paid += ("cost_per_conversion", "ads_conversion_rate")
    site = ("conversion_rate", "sessions", "site_revenue", "organic_sessions")
    for name in paid:
        assert {"source", "account_id", "channel_type", "campaign_id", "campaign_name"} <= set(
            kpis[name].dimensions
        )
    for name in site:
        assert set(kpis[name].dimensions) >= {"source", "account_id", "channel_group"}
    for name in ("organic_ctr", "organic_clicks"):
        assert set(kpis[name].dimensions) == {"source", "account_id"}
    assert {kpis[name].unit for name in ("ctr", "conversion_rate", "organic_ctr")} == {"rate"}
    assert kpis["roas"].unit == "ratio"
    assert {kpis[name].unit for name in ("cac", "cpc", "cost", "revenue")} == {"money"}
    assert {kpis[name].better for name in ("cac", "cpc", "cost_per_conversion")} == {"lower"}


def test_what_arrives_late_is_a_column_of_a_raw_table() -> None:
    columns = {table.name: {column.name for column in table.columns} for table in ALL}
    late = {name: kpi.late for name, kpi in load_kpis(sql_dir()).items() if kpi.late}
    assert {name for name, one in late.items() if one.column not in columns[one.table]} == set()
    assert {name for name, one in late.items() if one.side == "denominator"} == {
        "cac",
        "cost_per_conversion",
    }


def test_what_costs_and_clicks_do_is_never_late(tmp_path: Path) -> None:
    text = CTR.replace(
        "{side: numerator, table: google_ads__campaign_day, column: conversions}", "none"
    )
    kpi = load_kpis(folder(tmp_path, ctr=text))["ctr"]
    assert kpi.late is None and not kpi.is_restated


def test_the_late_side_of_a_sum_is_its_numerator(tmp_path: Path) -> None:
    text = CTR.replace("sum: false", "sum: true").replace("side: numerator", "side: denominator")
    with pytest.raises(ConfigError, match=r"kpi\.late\.side: .* expected numerator$"):
        load_kpis(folder(tmp_path, clicks=text[: text.rindex("  denominator")]))
