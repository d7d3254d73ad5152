"""The KPI catalogue: what the `.yaml` beside each file in sql/kpis/ says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from flows.yaml_loader import ConfigError, Finding, Node, load_yaml

Unit = Literal["rate", "ratio", "money", "count"]
Better = Literal["higher", "lower"]
Side = Literal["numerator", "denominator"]
LANGUAGES = ("en", "nl")


@dataclass(frozen=True)
class Late:
    """The side of a KPI that keeps arriving, and where it is read from.

    From how ``column`` of raw.``table`` grew read by read, per account, is
    learned how much of a young day is in.
    """

    side: Side
    table: str
    column: str

    @property
    def source(self) -> str:
        return self.table.partition("__")[0]


@dataclass(frozen=True)
class Kpi:
    """One KPI: a numerator and a denominator per day and dimension value.

    ``unit``: a ``rate`` is written as a percentage (0.03 is 3%), a ``ratio`` as
    a number (ROAS 4.2), ``money`` in the account currency, a ``count`` is
    summed and has no denominator (money may be summed too: ``is_sum``).
    ``sources`` are those whose late days make this KPI late. ``late`` says what
    of recent days keeps arriving (conversions); None when nothing does.
    """

    name: str
    unit: Unit
    better: Better
    is_sum: bool
    has_currency: bool
    dimensions: tuple[str, ...]
    sources: tuple[str, ...]
    late: Late | None
    label: dict[str, str]  # by language, "en" and "nl"
    explained: dict[str, str]
    numerator: dict[str, str]  # in words: {"en": "clicks", "nl": "klikken"}
    denominator: dict[str, str] | None

    @property
    def is_restated(self) -> bool:
        """Whether recent days still change because conversions keep arriving."""
        return self.late is not None


def sql_dir() -> Path:
    """The folder of the SQL models: beside `flows` in a checkout, inside it when installed."""
    here = Path(__file__).resolve().parent
    installed = here / "_sql"
    return installed if installed.is_dir() else here.parent / "sql"


def load_kpis(directory: Path, *, needs_any: bool = True) -> dict[str, Kpi]:
    """Read the catalogue from ``directory``/kpis: every `.sql` with the `.yaml` beside it.

    ``needs_any``: a folder without any is a mistake. Raises ConfigError with a finding
    for everything that is wrong in any file.
    """
    findings: list[Finding] = []
    kpis: dict[str, Kpi] = {}
    paths = sorted((directory / "kpis").glob("*.sql"))
    for path in sorted((directory / "kpis").glob("*.yaml")):
        if not path.with_suffix(".sql").exists():
            problem = f"there is no {path.stem}.sql beside it"
            findings.append(Finding(str(path), 1, "file", problem))
    for path in paths:
        described = path.with_suffix(".yaml")
        document = load_yaml(described)
        findings.extend(document.findings)
        if document.root is None:
            if not document.findings:
                findings.append(Finding(str(described), 1, "file", "is empty", "expected `kpi:`"))
            continue
        reader = _Reader(str(described), findings)
        kpi = reader.kpi(path.stem, document.root)
        if kpi is not None:
            kpis[kpi.name] = kpi
    if not paths and needs_any:
        problem = "there is no KPI (*.sql)"
        findings.append(Finding(str(directory / "kpis"), 1, "file", problem))
    if findings:
        raise ConfigError(findings=findings)
    return kpis


class _Reader:
    """Reads the `kpi:` mapping of one file and notes what is wrong in it."""

    def __init__(self, file: str, findings: list[Finding]) -> None:
        self.file = file
        self.findings = findings

    def kpi(self, name: str, root: Node) -> Kpi | None:
        node = root.get("kpi")
        if node is None or not isinstance(node.value, dict):
            self.tell(root.line, "kpi", "is missing", "expected unit, better, label, …")
            return None
        before = len(self.findings)
        unit = cast(Unit, self.one_of(node, "unit", get_args(Unit)))
        better = cast(Better, self.one_of(node, "better", get_args(Better)))
        is_sum = self.flag(node, "sum")
        denominator = node.get("denominator")
        if is_sum and denominator is not None and not denominator.is_null:
            self.tell(node.line, "kpi.denominator", "a sum has none", "remove it or `sum: true`")
        kpi = Kpi(
            name=name,
            unit=unit,
            better=better,
            is_sum=is_sum,
            has_currency=self.flag(node, "currency"),
            dimensions=self.names(node, "dimensions"),
            sources=self.names(node, "sources"),
            late=self.late(node, is_sum),
            label=self.words(node, "label"),
            explained=self.words(node, "explained"),
            numerator=self.words(node, "numerator"),
            denominator=None if is_sum else self.words(node, "denominator"),
        )
        return kpi if len(self.findings) == before else None

    def tell(self, line: int, place: str, problem: str, expected: str = "") -> None:
        self.findings.append(Finding(self.file, line, place, problem, expected))

    def found(self, node: Node, key: str, expected: str) -> Node | None:
        child = node.get(key)
        if child is None:
            self.tell(node.line, f"kpi.{key}", "is missing", expected)
        return child

    def one_of(self, node: Node, key: str, choices: tuple[str, ...]) -> str:
        expected = f"expected {' or '.join(choices)}"
        child = self.found(node, key, expected)
        if child is not None and child.value not in choices:
            self.tell(child.line, f"kpi.{key}", f'"{child.text}" is unknown', expected)
        return str(child.value) if child is not None else choices[0]

    def flag(self, node: Node, key: str) -> bool:
        child = self.found(node, key, "expected true or false")
        if child is not None and not isinstance(child.value, bool):
            problem = f'"{child.text}" is neither true nor false'
            self.tell(child.line, f"kpi.{key}", problem)
        return bool(child is not None and child.value is True)

    def names(self, node: Node, key: str) -> tuple[str, ...]:
        expected = "expected a list of names"
        child = self.found(node, key, expected)
        if child is None:
            return ()
        plain = child.plain()
        if not isinstance(plain, list) or not all(isinstance(item, str) for item in plain):
            self.tell(child.line, f"kpi.{key}", f"is {child.kind}", expected)
            return ()
        return tuple(plain)

    def late(self, node: Node, is_sum: bool) -> Late | None:
        expected = (
            "expected none, or {side: numerator or denominator, table: raw table, column: name}"
        )
        child = self.found(node, "late", expected)
        if child is None or child.value == "none":
            return None
        plain = child.plain()
        if (
            not isinstance(plain, Mapping)
            or set(plain) != {"side", "table", "column"}
            or not all(isinstance(text, str) and text for text in plain.values())
        ):
            self.tell(child.line, "kpi.late", f"is {child.kind}", expected)
            return None
        late = Late(cast(Side, plain["side"]), str(plain["table"]), str(plain["column"]))
        sides = ("numerator",) if is_sum else get_args(Side)
        if late.side not in sides:
            problem = f'"{late.side}" is unknown'
            self.tell(child.line, "kpi.late.side", problem, f"expected {' or '.join(sides)}")
        if late.source not in self.names(node, "sources"):
            problem = f'"{late.table}" is of no source of this KPI'
            self.tell(child.line, "kpi.late.table", problem, "expected <source>__<grain>")
        return late

    def words(self, node: Node, key: str) -> dict[str, str]:
        expected = "expected text in en and nl"
        child = self.found(node, key, expected)
        if child is None:
            return {}
        plain = child.plain()
        if (
            not isinstance(plain, Mapping)
            or set(plain) != set(LANGUAGES)
            or not all(isinstance(text, str) and text for text in plain.values())
        ):
            self.tell(child.line, f"kpi.{key}", f"is {child.kind}", expected)
            return {}
        return {str(language): str(text) for language, text in plain.items()}
