"""A folder with SQL of one's own, beside the configuration: what is wrong with it is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.cli import main
from flows.project import open_project
from flows.settings import ConfigError
from flows.steps import build_models
from tests.unit.config_folder import HEAD, KOERS, write

REPORT = """
sql: my-sql
reports:
  mine:
    source: google_ads
    query: SELECT metrics.clicks FROM campaign WHERE segments.date BETWEEN {start} AND {end}
"""
STAGING = "staging/stg_google_ads__report_mine"
MODEL = {
    f"{STAGING}.sql": "select client, date_day, clicks from raw.google_ads__report_mine\n",
    f"{STAGING}.yaml": """
sentence: "Clicks of campaigns."
grain: [client, date_day]
columns:
  client: {unit: slug, means: "whose"}
  date_day: {unit: day, means: "day of the click"}
  clicks: {unit: clicks, means: "clicks"}
""",
}
TOTAL = "select client, clicks from staging.stg_google_ads__report_mine where clicks < 0\n"


def config_with(tmp_path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = tmp_path / "my-sql" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "my-sql").mkdir(exist_ok=True)
    return write(tmp_path, KOERS + REPORT, shop=HEAD.partition("targets:")[0])


def told(config: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["validate", "--config", str(config)])
    return code, capsys.readouterr().out.replace(f"{config.parent}/", "")


def test_own_models_and_checks_are_built_beside_those_of_koers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check = {
        "checks/no_negative_clicks.sql": TOTAL,
        "checks/no_negative_clicks.yaml": 'sentence: "No clicks below zero."\nseverity: error\n',
    }
    config = config_with(tmp_path, MODEL | check)
    assert told(config, capsys)[0] == 0
    with open_project(config, 0.3) as project:
        built = build_models(project)
    names = [model.name for model in built.report.models]
    assert "staging.stg_google_ads__report_mine" in names and "marts.paid_media_day" in names
    assert "no_negative_clicks" in {one.name for one in built.checks}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            MODEL | {f"{STAGING}.sql": "select client, date_day, clicks from raw.google_ads__mine"},
            f"my-sql/{STAGING}.sql:1: sql: there is no raw.google_ads__mine; did you mean",
        ),
        (
            MODEL | {f"{STAGING}.sql": "select client,\nsum( from raw.x"},
            f"my-sql/{STAGING}.sql:2: sql: cannot be read as SQL",
        ),
        (
            MODEL
            | {"marts/paid_media_day.sql": "select 1 as a", "marts/paid_media_day.yaml": "a: b"},
            "my-sql/marts/paid_media_day.sql:1: sql: there is a marts.paid_media_day already",
        ),
        (
            {f"{STAGING}.yaml": MODEL[f"{STAGING}.yaml"]},
            f"my-sql/{STAGING}.yaml:1: sql: there is no stg_google_ads__report_mine.sql beside it",
        ),
        (
            MODEL | {"checks/one.sql": "select 1 as one from marts.nothing"},
            "my-sql/checks/one.sql:1: sql: there is no one.yaml beside it",
        ),
    ],
)
def test_what_is_wrong_with_own_sql_is_told_by_validate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], files: dict[str, str], expected: str
) -> None:
    code, out = told(config_with(tmp_path, files), capsys)
    assert code == 2
    assert any(line.startswith(expected) for line in out.splitlines()), out


def test_an_own_kpi_may_not_take_the_name_of_one_of_koers(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "sql" / "kpis"
    files = {f"kpis/ctr.{kind}": (shipped / f"ctr.{kind}").read_text() for kind in ("sql", "yaml")}
    config = config_with(tmp_path, files)
    with pytest.raises(ConfigError, match="there is a KPI ctr already, of Koers itself"):
        open_project(config, 0.3).__enter__()


def test_an_editor_knows_own_kpis_once_they_are_valid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = Path(__file__).parents[2] / "sql" / "kpis"
    files = {
        f"kpis/own_ctr.{kind}": (shipped / f"ctr.{kind}").read_text() for kind in ("sql", "yaml")
    }
    config = config_with(tmp_path, files)
    assert told(config, capsys)[0] == 0
    assert not (config / "client.schema.json").exists()  # whoever has none wants none

    schemas = [config / "koers.schema.json", config / "client.schema.json"]
    for path in schemas:
        path.write_text("{}")
    assert told(config, capsys)[0] == 0
    kpis = json.loads(schemas[1].read_text())["$defs"]["Target"]["properties"]["kpi"]["oneOf"]
    assert {"own_ctr", "ctr"} <= {one["const"] for one in kpis}

    written = [path.stat().st_mtime_ns for path in schemas]
    assert told(config, capsys)[0] == 0
    assert [path.stat().st_mtime_ns for path in schemas] == written
