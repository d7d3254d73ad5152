"""The configuration that `koers init` writes, and the JSON Schemas beside it."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.kpis import load_kpis, sql_dir
from flows.schemas import client_schema, koers_schema
from flows.settings import ConfigError, Goal, load_settings, validate
from flows.starter import starter_files, write_starter
from flows.yaml_loader import parse_yaml
from tests.unit.config_folder import CATALOGUE, KOERS, target

TODAY = date(2026, 11, 23)


def problems(schema: str, text: str) -> list[str]:
    """What an editor would underline."""
    document = parse_yaml(text, "f.yaml")
    assert document.root is not None
    validator = jsonschema.Draft7Validator(json.loads(schema))
    return [error.json_path for error in validator.iter_errors(document.root.plain())]


def test_the_starter_validates_as_written(tmp_path: Path) -> None:
    written = write_starter(tmp_path / "config", TODAY)
    assert [path.relative_to(tmp_path / "config").as_posix() for path in written] == [
        "koers.yaml",
        "clients/example.yaml",
        ".env.example",
        "koers.schema.json",
        "client.schema.json",
    ]
    assert validate(tmp_path / "config") == []


def test_the_starter_has_the_two_goals_of_the_mission(tmp_path: Path) -> None:
    write_starter(tmp_path, TODAY)
    (client,) = load_settings(tmp_path, load_kpis(sql_dir())).clients
    targets = {target.id: target for target in client.targets}
    ctr, roas = targets["google-ads-ctr"], targets["shopping-roas-q4"]
    assert ctr.goal == Goal(kind="from_to", from_=0.03, to=0.05)
    assert (ctr.period.start, ctr.period.end) == (date(2026, 11, 1), date(2027, 2, 1))
    assert (roas.goal.at_least, roas.for_each) == (4.0, "campaign_id")
    assert (roas.period.start, roas.period.end) == (date(2026, 10, 1), date(2027, 1, 1))
    assert targets["cac"].goal.at_most == 45
    assert targets["spend-guardrail"].period.rolling_days == 7


@settings(deadline=None, max_examples=25)
@given(st.dates(date(2024, 1, 1), date(2060, 12, 31)))
def test_the_starter_validates_on_any_day(
    tmp_path_factory: pytest.TempPathFactory, today: date
) -> None:
    folder = tmp_path_factory.mktemp("starter") / "config"
    write_starter(folder, today)
    assert validate(folder) == []
    (client,) = load_settings(folder, load_kpis(sql_dir())).clients
    for goal in client.targets:
        # none is over before it has begun to be read
        assert goal.period.deadline is None or goal.period.deadline >= today


def test_the_starter_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "clients").mkdir()
    mine = tmp_path / "clients" / "example.yaml"
    mine.write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        write_starter(tmp_path, TODAY)
    assert mine.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["clients"]


def test_the_starter_goes_beside_the_schemas_of_a_checkout(tmp_path: Path) -> None:
    (tmp_path / "koers.schema.json").write_text("{}")
    write_starter(tmp_path, TODAY)
    assert (tmp_path / "koers.schema.json").read_text() == koers_schema()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_starter(tmp_path / "file" / "config", TODAY)


def test_the_starter_names_every_secret_in_its_env_example() -> None:
    files = starter_files(TODAY)
    used = {
        word.removeprefix("env:").rstrip(",}")
        for line in files["koers.yaml"].splitlines()
        for word in line.split("#", 1)[0].split()
        if word.startswith("env:")
    }
    assert used == {
        line.partition("=")[0]
        for line in files[".env.example"].splitlines()
        if "=" in line and not line.startswith("#")
    }


def test_each_starter_file_tells_editors_its_schema() -> None:
    files = starter_files(TODAY)
    for name, schema in (
        ("koers.yaml", "koers.schema.json"),
        ("clients/example.yaml", "../client.schema.json"),
    ):
        assert files[name].startswith(f"# yaml-language-server: $schema={schema}\n")
    assert problems(files["koers.schema.json"], files["koers.yaml"]) == []
    assert problems(files["client.schema.json"], files["clients/example.yaml"]) == []


def test_the_committed_schemas_are_current() -> None:
    config = Path(__file__).parents[2] / "config"
    hint = "write them anew: python -m flows.schemas"
    assert (config / "koers.schema.json").read_text(encoding="utf-8") == koers_schema(), hint
    current = client_schema(load_kpis(sql_dir()))
    assert (config / "client.schema.json").read_text(encoding="utf-8") == current, hint


GOOD = [
    {},
    {"period": "2026"},
    {"period": "2026-10"},
    {"period": "{every: month, end: 2026-12-31}", "goal": "{at_least: 0.04}"},
    {"kpi": "cac", "goal": "{at_most: €45}"},
    {"kpi": "cac", "goal": "{at_most: 45.50 EUR}"},
    {"kpi": "cost", "goal": "{between: [300 EUR, 650]}", "period": "{rolling: 7d}", "plan": None},
    {"goal": "{maintain: 2.4%, within: 0.1}"},
    {"where": "{channel_type: [SEARCH, VIDEO], campaign_id: 123}", "for_each": "campaign"},
    {"goal": "{from: 3%, to: 5%, path: last_year}"},
    {"goal": "{from: 3%, to: 5%, steps: {2026-10-31: 3.5%, 2026-11-30: 0.042}}"},
    {"tuning": "{on_track_from: 80%, off_track_below: 0.25, confirm_days: 3}"},
    {"measure": "{window: 4 weeks, min_numerator: 30, completeness: raw}"},
    {"notify": "growth", "agreed": "{owner: a@x.nl, by: b@x.nl, on: 2026-09-24}"},
]


@pytest.mark.parametrize("changes", GOOD)
def test_editors_accept_what_koers_accepts(tmp_path: Path, changes: dict[str, str | None]) -> None:
    text = target(**changes)
    assert problems(client_schema(CATALOGUE), text) == []
    folder = tmp_path / "config"
    (folder / "clients").mkdir(parents=True)
    (folder / "koers.yaml").write_text(KOERS)
    (folder / "clients" / "shop.yaml").write_text(text)
    assert validate(folder, CATALOGUE) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"mesure": "{window: 28d}"},
        {"kpi": "crt"},
        {"id": "Google Ads"},
        {"where": "{chanel_type: SEARCH}"},
        {"kpi": "cac", "where": "{source: ga4}"},
        {"for_each": "campain"},
        {"goal": "{at_least: 3, at_most: 5}"},
        {"goal": "{from: 3,5%, to: 5%}"},
        {"goal": "{from: 3%}"},
        {"goal": "{at_least: '3,5%'}"},
        {"period": "Q4"},
        {"period": "{start: 2026-10-01}"},
        {"period": "{every: fortnight, end: 2026-12-31}"},
        {"agreed": None},
        {"agreed": "{by: [a@x.nl]}"},
        {"plan": "[{do: it}]"},
        {"measure": "{completeness: learnt}"},
        {"goal": "{from: 3%, to: 5%, path: steep}"},
        {"goal": "{from: 3%, to: 5%, steps: {Oct: 4%}}"},
        {"goal": "{from: 3%, to: 5%, steps: {2026-10-31: 3,5%}}"},
        {"goal": "{at_least: 3%, path: linear}"},
        {"tuning": "{confirm_days: 0}"},
    ],
)
def test_editors_underline_mistakes(changes: dict[str, str | None]) -> None:
    assert problems(client_schema(CATALOGUE), target(**changes)) != []


@pytest.mark.parametrize(
    "text",
    [
        "warehouse: x\n",
        "version: 2\n",
        "version: 1\nwarehous: x\n",
        "version: 1\nsources: {bing: {}}\n",
        "version: 1\nsources: {google_ads: {client_secret: abc}}\n",
        "version: 1\nroutes: {a: {slack: 'https://hooks.slack.com/services/x'}}\n",
        "version: 1\ntuning: {on_track: 70%}\n",
        "version: 1\nsources: {search_console: {data_state: fresh}}\n",
    ],
)
def test_editors_underline_mistakes_in_koers_yaml(text: str) -> None:
    assert problems(koers_schema(), KOERS) == []
    assert problems(koers_schema(), text) != []


def test_every_key_is_described_for_editors() -> None:
    for schema in (koers_schema(), client_schema(CATALOGUE)):
        document = json.loads(schema)
        for name, shape in [*document["$defs"].items(), ("", document)]:
            assert shape["additionalProperties"] is False
            for key, what in shape["properties"].items():
                said = what.get("description") or what.get("$ref") or what.get("anyOf")
                assert said, f"{name}.{key}"
