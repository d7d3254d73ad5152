"""JSON Schemas of the configuration files, for editors (yaml-language-server and the like).

Write them anew after a change of flows/shapes.py or sql/kpis/:
``python -m flows.schemas``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from flows.kpis import Kpi, load_kpis, sql_dir
from flows.shapes import ClientFile, KoersFile, Shape

DRAFT = "http://json-schema.org/draft-07/schema#"


def koers_schema() -> str:
    """The JSON Schema of koers.yaml, as text."""
    return _text(_schema(KoersFile, "Koers: koers.yaml"))


def client_schema(catalogue: Mapping[str, Kpi]) -> str:
    """The JSON Schema of clients/<slug>.yaml, as text, with the KPIs and their dimensions."""
    schema = _schema(ClientFile, "Koers: a client")
    dimensions = sorted({name for kpi in catalogue.values() for name in kpi.dimensions})
    value = {"type": ["string", "number"]}
    some = {"anyOf": [value, {"type": "array", "items": value, "minItems": 1}]}
    target = schema["$defs"]["Target"]
    target["properties"]["kpi"] |= {
        "oneOf": [
            {"const": name, "description": kpi.explained["en"]}
            for name, kpi in sorted(catalogue.items())
        ]
    }
    target["properties"]["for_each"] |= {
        "anyOf": [{"enum": [*dimensions, "campaign", "account"]}, {"type": "null"}]
    }
    target["properties"]["where"] |= {
        "anyOf": [
            {
                "type": "object",
                "properties": dict.fromkeys(dimensions, some),
                "additionalProperties": False,
            },
            {"type": "null"},
        ]
    }
    # which KPI has which dimensions: editors then offer and accept those only
    target["allOf"] = [
        {
            "if": {"properties": {"kpi": {"const": name}}, "required": ["kpi"]},
            "then": {"properties": {"where": {"propertyNames": {"enum": list(kpi.dimensions)}}}},
        }
        for name, kpi in sorted(catalogue.items())
    ]
    return _text(schema)


def schema_files(own: Mapping[str, Kpi] = MappingProxyType({})) -> dict[str, str]:
    """The text of both schemas by file name, with Koers' KPIs and a user's ``own``."""
    return {
        "koers.schema.json": koers_schema(),
        "client.schema.json": client_schema({**load_kpis(sql_dir()), **own}),
    }


def write_schemas(directory: Path) -> list[Path]:
    """Write both schemas of the shipped catalogue into a folder."""
    files = schema_files()
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8", newline="\n")
    return [directory / name for name in files]


def renew_schemas(directory: Path, own: Mapping[str, Kpi]) -> list[Path]:
    """Bring the schemas that a configuration has up to date, with a user's own KPIs.

    Returns those that differed. One that is not there, or cannot be written, stays as it is: only
    editors read them.
    """
    renewed = []
    for name, text in schema_files(own).items():
        path = directory / name
        with suppress(OSError):
            if path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8", newline="\n")
                renewed.append(path)
    return renewed


def _schema(shape: type[Shape], title: str) -> dict[str, Any]:
    schema = shape.model_json_schema(by_alias=True)
    schema.setdefault("$defs", {})
    return {"$schema": DRAFT, **_tidy(schema), "title": title}


def _tidy(node: Any) -> Any:
    """Drop what says nothing to a reader: generated titles and `default: null`."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _tidy(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
        and not (key == "default" and value is None)
    }
    if isinstance(node.get("properties"), dict):
        # a property may be called like a keyword
        kept["properties"] = {name: _tidy(value) for name, value in node["properties"].items()}
    return kept


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write_schemas(Path(__file__).resolve().parent.parent / "config")
