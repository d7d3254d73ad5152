"""The SQL models: read sql/, put it in order, build it in one transaction, check the result.

A model is one select in a file of its own with a `.yaml` beside it; it runs as
it stands in the DuckDB shell. What we add is small: sqlglot finds what a model
reads, graphlib the order, and layer rules keep raw data out of the marts.
"""

from __future__ import annotations

import difflib
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Literal, cast

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from connectors.base import Table
from connectors.tables import ALL
from flows.database_file import is_damaged
from flows.killpoints import reach
from flows.warehouse import transaction
from flows.yaml_loader import load_yaml

Materialized = Literal["view", "table"]
Severity = Literal["error", "warn"]

LAYERS = ("staging", "intermediate", "marts", "kpis")
# Marts are read again and again by KPIs, targets and reports, so they are stored; the other
# layers rename and divide, which costs next to nothing at read time and never goes stale.
DEFAULT_MATERIALIZED: Mapping[str, Materialized] = {
    "staging": "view",
    "intermediate": "view",
    "marts": "table",
    "kpis": "view",
}
# which schemas a layer may read; staging is narrower still, see _layer_findings
MAY_READ: Mapping[str, tuple[str, ...]] = {
    "staging": ("raw", "history", "ops"),
    "intermediate": ("staging", "intermediate", "ops"),
    "marts": ("staging", "intermediate", "marts", "ops"),
    "kpis": ("intermediate", "marts", "ops"),
}
SCHEMAS = ("raw", "history", *LAYERS, "ops")

# The same input must give the same output, whenever and wherever it is built.
_CLOCK_AND_CHANCE = frozenset(
    {
        *("current_date", "current_time", "current_timestamp", "current_localtime"),
        *("current_localtimestamp", "get_current_time", "get_current_timestamp", "localtime"),
        *("localtimestamp", "now", "today", "transaction_timestamp"),
        *("gen_random_uuid", "rand", "random", "setseed", "uuid", "uuidv4", "uuidv7"),
        *("currval", "nextval"),
    }
)
# A model reads tables, never the machine or the network.
_OUTSIDE = frozenset(
    {
        *("current_setting", "getenv", "getvariable", "glob", "query", "query_table"),
        "sniff_csv",
    }
)
_OUTSIDE_NAME = re.compile(r"read_|parquet_|pragma_|duckdb_|.*_scan$|st_read")
_CHANGES = (exp.Insert, exp.Update, exp.Delete, exp.Create, exp.Drop, exp.Command)
_TABLE_FUNCTIONS = frozenset(("generate_series", "range", "unnest"))

# covers: which part of an account the rows hold; adds_up: what may be summed; traps: mistakes
_NOTES = ("covers", "adds_up")
_MODEL_KEYS = frozenset(("sentence", "grain", "columns", "materialized", *_NOTES, "traps"))
_COLUMN_KEYS = frozenset(("unit", "means", "accepted", "at_least"))
_CHECK_KEYS = frozenset(("sentence", "severity"))
# How many violating rows a result carries, for people to look at.
EXAMPLES = 5
# Violating rows are counted in pieces, so that a check that fails everywhere fits in memory.
FETCH_ROWS = 10_000


class ModelError(Exception):
    """The models cannot be used or built; the text names the file and what to do, one a line."""


@dataclass(frozen=True)
class ModelColumn:
    """What a reader cannot guess about a column, and what must hold for it.

    ``accepted`` lists the values that may occur beside null; ``at_least`` is
    the lowest number that makes sense.
    """

    name: str
    unit: str
    means: str
    accepted: tuple[str, ...] = ()
    at_least: float | None = None


@dataclass(frozen=True)
class SqlModel:
    """One select and what its `.yaml` says of it; ``name`` is ``schema.model``."""

    name: str
    path: Path
    sql: str
    sentence: str
    grain: tuple[str, ...]
    columns: tuple[ModelColumn, ...]
    materialized: Materialized
    reads: tuple[str, ...]

    @property
    def layer(self) -> str:
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class BuiltModel:
    name: str
    materialized: Materialized
    rows: int | None  # of a table; a view holds none
    seconds: float


@dataclass(frozen=True)
class BuildReport:
    """What a build made. ``leftovers`` are relations in our layers that no file makes any more."""

    models: tuple[BuiltModel, ...]
    seconds: float
    leftovers: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckResult:
    """One check. ``violations`` counts the rows that break it; none means that it holds.

    ``by_client`` counts them per client where the check tells whose they are.
    ``examples`` are the first few, as text by column.
    """

    name: str
    sentence: str
    severity: Severity
    violations: int
    examples: tuple[dict[str, str], ...] = ()
    by_client: tuple[tuple[str, int], ...] = ()

    @property
    def passed(self) -> bool:
        return self.violations == 0

    def __str__(self) -> str:
        if self.passed:
            return f"{self.name}: {self.sentence}"
        rows = "1 row" if self.violations == 1 else f"{self.violations:,} rows"
        told = f"{self.name}: {rows} against the rule: {self.sentence}"
        if self.examples:
            first = ", ".join(f"{column}={value}" for column, value in self.examples[0].items())
            told += f" First: {first}"
        return told


# --- reading ----------------------------------------------------------------------------------


def load_models(
    sql_dir: Path, tables: Sequence[Table] = ALL, own: Path | None = None
) -> tuple[SqlModel, ...]:
    """Every model under ``sql_dir``, in an order in which each comes after what it reads.

    ``tables`` are the raw tables that there are. ``own`` is a folder with a user's own
    models, under the same rules; they read those of ``sql_dir`` and are read by none
    of them. Raises ModelError with a line for everything that is wrong in any file.
    """
    findings: list[str] = []
    models: dict[str, SqlModel] = {}
    known = _sources(tables)
    found: dict[str, Path] = {}
    for folder in (sql_dir, *([own] if own else ())):
        named = {_name_of(path): path for path in _files_of(folder, "*.sql")}
        for name in sorted(named.keys() & found.keys()):
            findings.append(
                f"{named[name]}: there is a {name} already, {found[name]}; call it otherwise"
            )
        found = named | found
        known |= set(named)
        for name, path in named.items():
            model = _load_model(path, known, findings)
            if model is not None and found[name] == path:
                models[name] = model
        for path in _files_of(folder, "*.yaml"):
            if not path.with_suffix(".sql").exists():
                findings.append(f"{path}: there is no {path.stem}.sql beside it; remove or add it")
    if not found:
        findings.append(f"{sql_dir}: there is no model (*.sql); expected folders {_either(LAYERS)}")
    if findings:
        raise ModelError("\n".join(findings))
    return tuple(models[name] for name in _order(models))


def _files_of(folder: Path, pattern: str) -> list[Path]:
    return [path for layer in LAYERS for path in sorted((folder / layer).glob(pattern))]


def _name_of(path: Path) -> str:
    return f"{path.parent.name}.{path.stem}"


def _sources(tables: Sequence[Table]) -> set[str]:
    return {f"raw.{table.name}" for table in tables}


def _load_model(path: Path, known: set[str], findings: list[str]) -> SqlModel | None:
    before = len(findings)
    layer, name = path.parent.name, f"{path.parent.name}.{path.stem}"
    sql = path.read_text(encoding="utf-8").strip()
    query = _parse(path, sql, findings)
    described = _describe(path, _MODEL_KEYS | ({"kpi"} if layer == "kpis" else set()), findings)
    if query is None or described is None:
        return None

    columns = _columns(path.with_suffix(".yaml"), described, findings)
    grain = described.get("grain")
    yaml_path = path.with_suffix(".yaml")
    if not _is_texts(grain) or not grain:
        findings.append(
            f"{yaml_path}: grain: expected the columns that are unique together, [a, b]"
        )
        grain = []
    listed = [column.name for column in columns]
    for column in cast(list[str], grain):
        if column not in listed:
            near = _near(column, listed)
            findings.append(f'{yaml_path}: grain: "{column}" is not one of the columns{near}')
    _same_columns(yaml_path, listed, query, findings)
    default = DEFAULT_MATERIALIZED[layer]
    materialized = described.get("materialized", default)
    if materialized not in ("view", "table"):
        findings.append(f"{yaml_path}: materialized: expected view or table")
    findings.extend(
        f"{yaml_path}: {key}: expected a sentence"
        for key in _NOTES
        if not isinstance(described.get(key, ""), str)
    )
    if not _is_texts(described.get("traps", [])):
        findings.append(f"{yaml_path}: traps: expected a list of sentences")
    if layer == "kpis":
        _check_kpi_columns(yaml_path, listed, described.get("kpi"), findings)

    reads = _reads(path, sql, known, findings)
    findings.extend(_layer_findings(path, layer, reads))
    if len(findings) > before:
        return None
    return SqlModel(
        name=name,
        path=path,
        sql=sql,
        sentence=str(described["sentence"]),
        grain=tuple(cast(list[str], grain)),
        columns=columns,
        materialized=cast(Materialized, materialized),
        reads=reads,
    )


def _parse(path: Path, sql: str, findings: list[str]) -> exp.Query | None:
    try:
        statements = _statements(sql)
    except SqlglotError as e:
        errors = getattr(e, "errors", None) or [{}]
        line, told = errors[0].get("line"), errors[0].get("description") or str(e).splitlines()[0]
        findings.append(f"{path}{f':{line}' if line else ''}: cannot be read as SQL: {told}")
        return None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        findings.append(
            f"{path}: expected exactly one select, without create, insert or `;` between"
        )
        return None
    findings.extend(f"{path}: {problem}" for problem in _forbidden(sql))
    query: exp.Query = statements[0]
    return query


@lru_cache(maxsize=1_000)
def _statements(sql: str) -> tuple[Any, ...]:
    """Parsed once per process, to be read only."""
    return tuple(
        one
        for one in sqlglot.parse(sql, read="duckdb")
        # a comment after a semicolon comes back as an exp.Semicolon
        if one is not None and not isinstance(one, exp.Semicolon)
    )


@lru_cache(maxsize=1_000)
def _nodes(sql: str) -> tuple[Any, ...]:
    """Every function, relation and the like in the one statement of ``sql``."""
    of_interest = (exp.Func, exp.Table, exp.CTE, exp.TableSample, *_CHANGES)
    return tuple(node for node in _statements(sql)[0].walk() if isinstance(node, of_interest))


def _forbidden(sql: str) -> Iterator[str]:
    for node in _nodes(sql):
        if isinstance(node, _CHANGES):
            yield "changes something; a model only selects"
        elif isinstance(node, exp.TableSample):
            yield "a sample is another one every time; take the rows by a condition"
        elif isinstance(node, exp.Table) and isinstance(node.this, exp.Func):
            name = _function_name(node.this)
            if name not in _TABLE_FUNCTIONS:
                yield f"the table function {name} is not allowed; read a table of the warehouse"
        elif isinstance(node, exp.Func):
            name = _function_name(node)
            if name in _CLOCK_AND_CHANCE:
                yield (
                    f"{name} gives another answer at another time; use the days in the data "
                    "(what is today is decided outside SQL)"
                )
            elif name in _OUTSIDE or _OUTSIDE_NAME.match(name):
                yield f"{name} reads from outside the warehouse; read a raw table instead"
            elif name == "age" and len(node.expressions) < 2:
                yield "age with one argument rests on the clock; give both timestamps"


def _function_name(node: exp.Func) -> str:
    if isinstance(node, exp.Anonymous):
        return str(node.name).lower()
    return node.sql_name().lower()


def _describe(path: Path, keys: frozenset[str] | set[str], findings: list[str]) -> Any:
    """The plain mapping of the `.yaml` beside ``path``, or None when there is no use in it."""
    yaml_path = path.with_suffix(".yaml")
    if not yaml_path.exists():
        expected = f"write one with {', '.join(sorted(keys))}"
        findings.append(f"{path}: there is no {yaml_path.name} beside it; {expected}")
        return None
    document = load_yaml(yaml_path)
    findings.extend(str(finding) for finding in document.findings)
    plain = document.root.plain() if document.root is not None else None
    if not isinstance(plain, dict):
        if not document.findings:
            findings.append(f"{yaml_path}: expected a mapping with {', '.join(sorted(keys))}")
        return None
    for key in plain:
        if key not in keys:
            findings.append(f'{yaml_path}: unknown key "{key}"{_near(key, keys)}')
    if not isinstance(plain.get("sentence"), str) or not plain["sentence"]:
        findings.append(f"{yaml_path}: sentence: expected one sentence that says what it holds")
    return plain


def _columns(
    yaml_path: Path, described: dict[str, Any], findings: list[str]
) -> tuple[ModelColumn, ...]:
    told = described.get("columns")
    if not isinstance(told, dict) or not told:
        findings.append(f"{yaml_path}: columns: expected `name: {{unit: …, means: …}}` for each")
        return ()
    columns: list[ModelColumn] = []
    for name, one in told.items():
        place = f"{yaml_path}: columns.{name}"
        one = one if isinstance(one, dict) else {}
        for key in one:
            if key not in _COLUMN_KEYS:
                findings.append(f'{place}: unknown key "{key}"{_near(key, _COLUMN_KEYS)}')
        unit, means = one.get("unit"), one.get("means")
        if not isinstance(unit, str) or not isinstance(means, str) or not unit or not means:
            findings.append(f"{place}: expected {{unit: …, means: …}}")
        accepted, at_least = one.get("accepted", []), one.get("at_least")
        if not _is_texts(accepted):
            findings.append(f"{place}: accepted: expected a list of texts")
            accepted = []
        if at_least is not None and (
            isinstance(at_least, bool) or not isinstance(at_least, int | float)
        ):
            findings.append(f"{place}: at_least: expected a number")
            at_least = None
        columns.append(ModelColumn(name, str(unit), str(means), tuple(accepted), at_least))
    return tuple(columns)


def _same_columns(
    yaml_path: Path, listed: Sequence[str], query: exp.Query, findings: list[str]
) -> None:
    selected = [str(name) for name in query.named_selects]
    if not all(selected) or any(select.is_star for select in query.selects):
        findings.append(
            f"{yaml_path.with_suffix('.sql')}: the last select must name every column; "
            "write the names instead of *"
        )
        return
    if twice := sorted({name for name in selected if selected.count(name) > 1}):
        findings.append(
            f"{yaml_path.with_suffix('.sql')}: selects {', '.join(twice)} twice; keep one"
        )
    for name in selected:
        if listed and name not in listed:
            findings.append(f'{yaml_path}: columns: "{name}" of the select is missing; describe it')
    for name in listed:
        if name not in selected:
            findings.append(
                f'{yaml_path}: columns: "{name}" is not selected{_near(name, selected)}'
            )
    if sorted(selected) == sorted(listed) and selected != list(listed):
        findings.append(f"{yaml_path}: columns: expected the order of the select")


def _check_kpi_columns(
    yaml_path: Path, listed: Sequence[str], kpi: object, findings: list[str]
) -> None:
    """Evaluations read every KPI in the same way, so every KPI has the same shape."""
    if not isinstance(kpi, dict) or not _is_texts(kpi.get("dimensions")):
        findings.append(f"{yaml_path}: kpi: expected a mapping with dimensions, unit, label, …")
        return
    currency = ["currency_code"] if kpi.get("currency") is True else []
    expected = ["client", "date_day", *kpi["dimensions"], *currency, "numerator", "denominator"]
    if list(listed) != expected:
        findings.append(f"{yaml_path}: columns: a KPI has {', '.join(expected)}, in that order")


def _reads(path: Path, sql: str, known: set[str], findings: list[str]) -> tuple[str, ...]:
    tables = [node for node in _nodes(sql) if isinstance(node, exp.Table)]
    ctes = {node.alias_or_name.lower() for node in _nodes(sql) if isinstance(node, exp.CTE)}
    reads: set[str] = set()
    for table in tables:
        if isinstance(table.this, exp.Func):
            continue
        name = table.name.lower()
        if table.catalog:
            findings.append(f"{path}: {table.sql('duckdb')} is in another database; read our own")
        elif not table.db:
            if name in ctes:
                continue
            near = _near(name, known) or "; write schema.table"
            findings.append(f'{path}: "{table.name}" has no schema{near}')
        else:
            full = f"{table.db.lower()}.{name}"
            if table.db.lower() not in SCHEMAS:
                findings.append(
                    f"{path}: there is no schema {table.db}; expected {_either(SCHEMAS)}"
                )
            elif full not in known and table.db.lower() not in ("ops", "history"):
                findings.append(f"{path}: there is no {full}{_near(full, known)}")
            reads.add(full)
    return tuple(sorted(reads))


def _layer_findings(path: Path, layer: str, reads: Iterable[str]) -> Iterator[str]:
    allowed = MAY_READ[layer]
    for read in reads:
        if read.partition(".")[0] not in allowed:
            yield f"{path}: a model in {layer} may not read {read}, only {_either(allowed)}"
    if layer == "staging":
        source = path.stem.removeprefix("stg_").removesuffix("_version")
        expected = [f"raw.{source}"]
        if path.stem.endswith("_version"):
            expected.insert(0, f"history.{source}")
        raw = [read for read in reads if read.startswith(("raw.", "history."))]
        if not path.stem.startswith("stg_") or raw != expected:
            yield (
                f"{path}: a staging model stg_<source>__<grain> reads raw.<source>__<grain> and "
                "no other raw table, and with _version at its end the history of it too; this one "
                f"reads {', '.join(raw) or 'none'}"
            )
    if layer == "intermediate" and not path.stem.startswith("int_"):
        yield f"{path}: the name of an intermediate model begins with int_"


def _order(models: Mapping[str, SqlModel]) -> tuple[str, ...]:
    graph = {
        name: {read for read in model.reads if read in models}
        for name, model in sorted(models.items())
    }
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as e:
        # graphlib names each model before the one that reads it
        cycle = list(reversed(e.args[1]))
        raise ModelError(
            f"{models[cycle[0]].path}: models read one another in a circle: "
            f"{' reads '.join(cycle)}; take one of these references out"
        ) from e


# --- building ---------------------------------------------------------------------------------


def build(connection: duckdb.DuckDBPyConnection, models: Sequence[SqlModel]) -> BuildReport:
    """Make every model again, all in one transaction.

    Raises ModelError when one fails; then everything is as it was before.
    """
    started = time.monotonic()
    built: list[BuiltModel] = []
    with transaction(connection):
        kinds = _kinds(connection)
        for model in models:
            built.append(_build_model(connection, model, kinds.get(model.name)))
            if len(built) == len(models) // 2:
                reach("building")
    leftovers = sorted(set(kinds) - {model.name for model in models})
    return BuildReport(tuple(built), time.monotonic() - started, tuple(leftovers))


def _build_model(
    connection: duckdb.DuckDBPyConnection, model: SqlModel, kind: Materialized | None
) -> BuiltModel:
    started = time.monotonic()
    quoted = _quoted(model.name)
    rows: int | None = None
    try:
        if kind is not None and kind != model.materialized:
            connection.execute(f"drop {kind} {quoted}")
        connection.execute(f"create or replace {model.materialized} {quoted} as {model.sql}")
        if model.materialized == "table":
            rows = connection.execute(f"select count(*) from {quoted}").fetchall()[0][0]
    except duckdb.Error as e:
        if is_damaged(e):  # not the model's doing: the warehouse says what to do
            raise
        raise ModelError(
            f"{model.path}: {model.name} cannot be built: {e}\n"
            "Nothing was changed: the models of the last good build are still there."
        ) from e
    return BuiltModel(model.name, model.materialized, rows, time.monotonic() - started)


def _kinds(connection: duckdb.DuckDBPyConnection) -> dict[str, Materialized]:
    """What our layers hold now: view or table by name."""
    places = ", ".join("?" for _ in LAYERS)
    rows = connection.execute(
        "select table_schema || '.' || table_name, table_type from information_schema.tables "
        f"where table_catalog = current_database() and table_schema in ({places})",
        list(LAYERS),
    ).fetchall()
    return {name: "view" if kind == "VIEW" else "table" for name, kind in rows}


# --- checking ---------------------------------------------------------------------------------


def run_checks(
    connection: duckdb.DuckDBPyConnection,
    sql_dir: Path,
    models: Sequence[SqlModel] | None = None,
    tables: Sequence[Table] = ALL,
    own: Path | None = None,
) -> list[CheckResult]:
    """Check what was built: what the models' YAML promises, then sql/checks and the user's own.

    Every check comes back, whether it holds or not. Raises ModelError when a
    check itself is wrong.
    """
    if models is None:
        models = load_models(sql_dir, tables, own)
    results: list[CheckResult] = []
    by_name = {model.name: model for model in models}
    for model in models:
        results.extend(_check_model(connection, model, by_name))
    for folder in (sql_dir, *([own] if own else ())):
        checks = load_checks(folder, models, tables)
        results.extend(_run_check(connection, check) for check in checks)
    return results


@dataclass(frozen=True)
class SqlCheck:
    """A select of the rows that break a rule."""

    name: str
    path: Path
    sql: str
    sentence: str
    severity: Severity


def load_checks(
    sql_dir: Path, models: Sequence[SqlModel], tables: Sequence[Table] = ALL
) -> tuple[SqlCheck, ...]:
    """The checks written by hand in ``sql_dir``/checks. Raises ModelError."""
    findings: list[str] = []
    checks: list[SqlCheck] = []
    known = {model.name for model in models} | _sources(tables)
    for path in sorted((sql_dir / "checks").glob("*.sql")):
        before = len(findings)
        sql = path.read_text(encoding="utf-8").strip()
        query = _parse(path, sql, findings)
        described = _describe(path, _CHECK_KEYS, findings)
        if query is None or described is None:
            continue
        _reads(path, sql, known, findings)
        severity = described.get("severity")
        if severity not in ("error", "warn"):
            findings.append(f"{path.with_suffix('.yaml')}: severity: expected error or warn")
        if len(findings) == before:
            sentence = str(described["sentence"])
            checks.append(SqlCheck(path.stem, path, sql, sentence, cast(Severity, severity)))
    if findings:
        raise ModelError("\n".join(findings))
    return tuple(checks)


def _run_check(connection: duckdb.DuckDBPyConnection, check: SqlCheck) -> CheckResult:
    try:
        return _violations(connection, check.name, check.sentence, check.severity, check.sql)
    except duckdb.Error as e:
        raise ModelError(f"{check.path}: the check cannot be run: {e}") from e


def _violations(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    sentence: str,
    severity: Severity,
    sql: str,
) -> CheckResult:
    found = connection.execute(f"select * from ({sql}\n) as violating order by all")
    columns = [column[0] for column in found.description or []]
    client = columns.index("client") if "client" in columns else None
    count = 0
    examples: list[dict[str, str]] = []
    by_client: Counter[str] = Counter()
    while rows := found.fetchmany(FETCH_ROWS):
        count += len(rows)
        for row in rows[: EXAMPLES - len(examples)]:
            told = ("unknown" if value is None else str(value) for value in row)
            examples.append(dict(zip(columns, told, strict=True)))
        if client is not None:
            by_client.update(str(row[client]) for row in rows)
    clients = tuple(sorted(by_client.items()))
    return CheckResult(name, sentence, severity, count, tuple(examples), clients)


def _check_model(
    connection: duckdb.DuckDBPyConnection, model: SqlModel, models: Mapping[str, SqlModel]
) -> Iterator[CheckResult]:
    """The promises of a model's YAML, in one scan; only a broken one costs a second query.

    Rows with equal keys have equal hashes, so as many hashes as rows prove that
    the grain is unique; fewer are looked at exactly.
    """
    inherited = _inherited(model, models)
    quoted = _quoted(model.name)
    keys = [_quoted(column) for column in model.grain]
    promises: list[tuple[str, str, Severity, str, str]] = []  # name, sentence, …, count, rows
    if not inherited.is_unique:
        promises.append(
            (
                "unique_grain",
                f"{model.name} has one row for each {', '.join(model.grain)}.",
                "error",
                f"count(*) - count(distinct hash({', '.join(keys)}))",
                f"select {', '.join(keys)}, count(*) as rows from {quoted} "
                "group by all having count(*) > 1",
            )
        )
    never_null = [_quoted(column) for column in model.grain if column not in inherited.not_null]
    if never_null:
        condition = " or ".join(f"{column} is null" for column in never_null)
        promises.append(
            (
                "known_grain",
                f"In {model.name} every part of the grain is known: {', '.join(model.grain)}.",
                "error",
                f"count(*) filter (where {condition})",
                f"select {', '.join(keys)} from {quoted} where {condition}",
            )
        )
    for column in model.columns:
        name = _quoted(column.name)
        if column.accepted:
            values = ", ".join(_text(value) for value in column.accepted)
            condition = f"{name} not in ({values})"
            promises.append(
                (
                    f"accepted_{column.name}",
                    f"{model.name}.{column.name} is one of {', '.join(column.accepted)}.",
                    # a new value is the platform's doing, not a fault in what we hold
                    "warn",
                    f"count(*) filter (where {condition})",
                    f"select {', '.join(dict.fromkeys([*keys, name]))} from {quoted} "
                    f"where {condition}",
                )
            )
        if column.at_least is not None:
            condition = f"{name} < {column.at_least!r}"
            promises.append(
                (
                    f"at_least_{column.name}",
                    f"{model.name}.{column.name} is never below {column.at_least:g}.",
                    "error",
                    f"count(*) filter (where {condition})",
                    f"select {', '.join(dict.fromkeys([*keys, name]))} from {quoted} "
                    f"where {condition}",
                )
            )
    if not promises:
        return
    counts = connection.execute(
        f"select {', '.join(promise[3] for promise in promises)} from {quoted}"
    ).fetchall()[0]
    for (name, sentence, severity, _, rows), count in zip(promises, counts, strict=True):
        told = f"{model.name}.{name}"
        if count:
            yield _violations(connection, told, sentence, severity, rows)
        else:
            yield CheckResult(told, sentence, severity, 0)


@dataclass(frozen=True)
class _Inherited:
    """What need not be checked again, because it follows from the model that is read."""

    is_unique: bool = False
    not_null: frozenset[str] = frozenset()


def _inherited(model: SqlModel, models: Mapping[str, SqlModel]) -> _Inherited:
    """What a view takes over from the one model that it renames or filters.

    A select without joins, grouping and unions has at most the rows of what it
    reads; when it carries the whole grain along, it is as unique as that.
    """
    query = _statements(model.sql)[0]
    if not isinstance(query, exp.Select) or model.materialized != "view" or len(model.reads) != 1:
        return _Inherited()
    source = models.get(model.reads[0])
    from_ = query.find(exp.From)
    plain = (
        source is not None
        and from_ is not None
        and isinstance(from_.this, exp.Table)
        and bool(from_.this.db)
        and not any(query.find_all(exp.CTE, exp.Join, exp.Lateral, exp.Unnest, exp.SetOperation))
        and len(list(query.find_all(exp.Select))) == 1
        and not query.args.get("group")
        and not query.args.get("distinct")
    )
    if not plain or source is None:
        return _Inherited()
    renamed = {
        select.this.name if isinstance(select, exp.Alias) else select.name: select.alias_or_name
        for select in query.selects
        if isinstance(select.unalias(), exp.Column)
    }
    carried = {renamed[column] for column in source.grain if column in renamed}
    is_unique = len(carried) == len(source.grain) and carried <= set(model.grain)
    return _Inherited(is_unique, frozenset(carried))


# --- words ------------------------------------------------------------------------------------


def _quoted(name: str) -> str:
    return ".".join(f'"{part}"' for part in name.split("."))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _either(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _near(name: str, known: Iterable[str]) -> str:
    """`; did you mean "…"?`, or nothing when nothing is near. The schema may be another."""
    by_table = {one.rpartition(".")[2]: one for one in sorted(known)}
    by_table |= {one: one for one in sorted(known)}
    for wanted in (name, name.rpartition(".")[2]):
        if near := difflib.get_close_matches(wanted, by_table, n=1, cutoff=0.6):
            return f'; did you mean "{by_table[near[0]]}"?'
    return ""
