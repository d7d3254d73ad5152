"""A strict YAML reader: a tree that knows the line and column of every key and value.

PyYAML parses; what YAML 1.1 makes of ``no``, ``12:30`` or ``012`` is not taken
over. Only YAML 1.2's booleans, null and decimal numbers become values, all else
stays text. Duplicate keys, tags, anchors, aliases and merge keys are findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, cast

import yaml

# A client's file has some hundred lines; this is far above and still parsed within a second.
MAX_BYTES = 1_000_000
# The deepest place of our own schema is 6 levels down.
MAX_DEPTH = 20

_Loader: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)

# YAML 1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema) without octal, hexadecimal
# and leading zeros, which people mean as text (012, an account number).
_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,39})\Z")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+([eE][-+]?[0-9]+)?|(0|[1-9][0-9]*)(\.[0-9]*([eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+))\Z"
)
_INF = re.compile(r"[-+]?\.(inf|Inf|INF)\Z")
_NAN = {".nan", ".NaN", ".NAN"}
# What YAML does not allow in a file (https://yaml.org/spec/1.2.2/#51-character-set), beside NUL.
UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, order=True)
class Finding:
    """One mistake. As text: ``file:line: place: what is wrong; what is expected``.

    A ``note`` is no mistake: it is worth knowing.
    """

    file: str
    line: int
    place: str
    problem: str
    expected: str = ""
    severity: Literal["error", "warning", "note"] = "error"

    def __str__(self) -> str:
        told = f"{self.file}:{self.line}: "
        if self.place:
            told += f"{self.place}: "
        if self.severity != "error":
            told += f"{self.severity}: "
        told += self.problem
        if self.expected:
            told += f"; {self.expected}"
        # one finding is one line, whatever the file had in it
        return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", " ".join(told.split()))


class ConfigError(Exception):
    """The configuration cannot be used; the text has one finding a line."""

    def __init__(self, message: str = "", findings: Iterable[Finding] = ()) -> None:
        self.findings: tuple[Finding, ...] = tuple(findings)
        super().__init__(message or "\n".join(str(finding) for finding in self.findings))


@dataclass(frozen=True, slots=True)
class Node:
    """One value and where it stands; lines and columns count from 1.

    ``value`` is a scalar, a list of nodes or a dict of nodes by key. ``text`` is
    a scalar as written. ``line`` is that of the first character of the value;
    ``key_line`` that of its key (the same for list items). ``is_broken`` marks a
    value that already has a finding and must not cause another.
    """

    value: str | int | float | bool | list[Node] | dict[str, Node] | None
    line: int
    column: int
    key_line: int
    key_column: int
    text: str = ""
    is_quoted: bool = False
    is_broken: bool = False

    @property
    def is_null(self) -> bool:
        return self.value is None

    @property
    def kind(self) -> str:
        """What it is, in words for a message."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        if self.value is None:
            return "nothing"
        if isinstance(self.value, bool):
            return "true or false"
        return "text" if isinstance(self.value, str) else "a number"

    def get(self, key: str) -> Node | None:
        return self.value.get(key) if isinstance(self.value, dict) else None

    def plain(self) -> object:
        """The value without positions: dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


@dataclass(frozen=True)
class Document:
    """One file: its tree (None when it cannot be read at all) and its findings."""

    root: Node | None
    findings: tuple[Finding, ...] = ()


class _Mark(Protocol):
    """Where something stands, counted from 0 (both of PyYAML's parsers have their own class)."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


@dataclass(slots=True)
class _Open:
    """A mapping or list that is still being read."""

    mark: _Mark
    items: list[Node] | None  # a list's
    place: str
    entries: dict[str, Node] = field(default_factory=dict)
    key: str | None = None
    key_mark: _Mark | None = None
    drop: bool = False  # the value that follows is not kept


def load_yaml(path: Path, name: str | None = None) -> Document:
    """Read one file. ``name`` is how findings call it (default: the path)."""
    name = name or str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as e:
        problem = f"cannot be read ({e.strerror or e})"
        return Document(None, (Finding(name, 1, "file", problem, "expected a readable file"),))
    return parse_yaml(data, name)


def parse_yaml(data: bytes | str, name: str) -> Document:
    """Parse one document. Never raises: whatever is wrong is a finding."""
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    if len(data) > MAX_BYTES:
        problem = f"is larger than {MAX_BYTES // 1_000_000} MB"
        return Document(None, (Finding(name, 1, "file", problem, "split it up"),))
    findings: list[Finding] = []
    text = _decode(data, name, findings)
    if text is None:
        return Document(None, tuple(findings))
    root, failure = _parse(text, name, findings)
    if failure is not None and _is_tab(failure, text):
        # a tab hides nothing: read on as if it were spaces
        lines = text.splitlines(keepends=True)
        for i, line in enumerate(lines):
            indent = line[: len(line) - len(line.lstrip(" \t"))]
            if "\t" in indent:
                expected = "YAML is indented with spaces"
                findings.append(Finding(name, i + 1, "file", "a tab", expected))
                lines[i] = indent.replace("\t", "  ") + line[len(indent) :]
        text = "".join(lines)
        root, failure = _parse(text, name, findings)
    if failure is not None:
        findings.append(_syntax_finding(failure, text, name))
    if findings and root is not None and not isinstance(root.value, dict):
        root = None  # what is left of it says nothing
    return Document(root, tuple(findings))


def _decode(data: bytes, name: str, findings: list[Finding]) -> str | None:
    """The text, with what cannot stand in YAML noted and replaced; None if it is no text."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = data[: e.start].count(b"\n") + 1
        problem = f"is not UTF-8 (byte 0x{data[e.start]:02x})"
        findings.append(Finding(name, line, "file", problem, "save the file as UTF-8"))
        if b"\x00" in data:
            return None  # UTF-16 or no text at all
        text = data.decode("utf-8-sig", "replace")
    if odd := UNPRINTABLE.search(text):
        line = text.count("\n", 0, odd.start()) + 1
        problem = f"holds the control character U+{ord(odd.group()):04X}"
        findings.append(Finding(name, line, "file", problem, "remove it"))
        text = UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    return text


def _parse(
    text: str, name: str, findings: list[Finding]
) -> tuple[Node | None, yaml.YAMLError | None]:
    """The tree, or why there is none; a parse that a tab stopped notes nothing."""
    found: list[Finding] = []
    try:
        root = _build(_events(text), name, found)
    except yaml.YAMLError as e:
        if not _is_tab(e, text):
            findings.extend(found)
        return None, e
    except (ValueError, OverflowError) as e:
        # PyYAML's own parser has no words for "\\UFFFFFFFF" or %YAML 9…9
        findings.extend(found)
        return None, yaml.YAMLError(str(e))
    findings.extend(found)
    return root, None


def _is_tab(e: yaml.YAMLError, text: str) -> bool:
    """Whether a tab in the indentation stopped the parser."""
    mark = e.problem_mark if isinstance(e, yaml.MarkedYAMLError) else None
    lines = text.splitlines()
    if mark is None or mark.line >= len(lines):
        return False
    line = lines[mark.line]
    return "\t" in line[: len(line) - len(line.lstrip(" \t"))]


def _events(text: str) -> Iterator[yaml.Event]:
    events: Iterator[yaml.Event] = yaml.parse(text, Loader=_Loader)
    return events


def _build(events: Iterator[yaml.Event], name: str, findings: list[Finding]) -> Node | None:
    """Build the tree with a stack of our own, so that no input can exhaust Python's."""
    stack: list[_Open] = []
    root: Node | None = None
    documents = 0

    def tell(mark: _Mark, place: str, problem: str, expected: str = "") -> None:
        findings.append(Finding(name, mark.line + 1, place or "file", problem, expected))

    def here() -> str:
        """The place of the value that comes next."""
        if not stack:
            return ""
        top = stack[-1]
        if top.items is not None:
            return f"{top.place}[{len(top.items)}]"
        return f"{top.place}.{top.key or ''}".strip(".")

    def put(node: Node) -> None:
        nonlocal root
        if not stack:
            root = root or node
            return
        top = stack[-1]
        if top.items is not None:
            top.items.append(node)
            return
        if top.key is not None and not top.drop:
            top.entries[top.key] = node
        top.key, top.key_mark, top.drop = None, None, False

    def place_of(mark: _Mark) -> tuple[int, int, int, int]:
        key_mark = (stack[-1].key_mark if stack else None) or mark
        return mark.line + 1, mark.column + 1, key_mark.line + 1, key_mark.column + 1

    def expects_key() -> bool:
        return bool(stack) and stack[-1].items is None and stack[-1].key_mark is None

    def put_key(event: yaml.ScalarEvent) -> None:
        top, key, mark = stack[-1], event.value, cast(_Mark, event.start_mark)
        top.key, top.key_mark = key, mark
        if key == "<<" and event.implicit[0]:
            top.drop = True
            tell(mark, top.place, "merge keys (<<) are not supported", "write the keys out")
        elif key == "" or UNPRINTABLE.search(key):
            top.drop = True
            problem = "a key holds a control character" if key else "a key is empty"
            tell(mark, top.place, problem, "expected `key: value`")
        elif (first := top.entries.get(key)) is not None:
            top.drop = True
            expected = f"it is already on line {first.key_line}; keep one of them"
            tell(mark, here(), f'duplicate key "{_short(key)}"', expected)

    def odd_key(mark: _Mark) -> None:
        top = stack[-1]
        top.key, top.key_mark, top.drop = "?", mark, True
        tell(mark, top.place, "a key is not plain text", "expected `key: value`")

    key_depth = 0  # inside a mapping or list that stands where a key should
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                tell(
                    cast(_Mark, event.start_mark),
                    "file",
                    "a second document (---)",
                    "expected one a file",
                )
                break
            continue
        if not isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
            continue
        if key_depth:
            if isinstance(event, yaml.CollectionStartEvent):
                key_depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                key_depth -= 1
            if key_depth > MAX_DEPTH:
                tell(cast(_Mark, event.start_mark), here(), "is nested too deeply")
                return None
            continue
        mark = cast(_Mark, event.start_mark)
        if isinstance(event, yaml.CollectionEndEvent):
            done = stack.pop()
            value = done.items if done.items is not None else done.entries
            put(Node(value, *place_of(done.mark)))
            continue
        if isinstance(event, yaml.AliasEvent):
            tell(mark, here(), f"aliases (*{_short(event.anchor)}) are not supported", "repeat it")
            if expects_key():
                odd_key(mark)
            else:
                put(Node(None, *place_of(mark), is_broken=True))
            continue
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        if event.anchor is not None:
            problem = f"anchors (&{_short(event.anchor)}) are not supported"
            tell(mark, here(), problem, "remove it")
        is_tagged = event.tag is not None
        if is_tagged:
            tell(mark, here(), f"tags ({_short(event.tag)}) are not supported", "remove it")
        if isinstance(event, yaml.ScalarEvent):
            if expects_key():
                put_key(event)
                continue
            is_plain = event.implicit[0] and not is_tagged
            value_ = _resolve(event.value) if is_plain else event.value
            put(
                Node(
                    value_,
                    *place_of(mark),
                    text=event.value,
                    is_quoted=not is_plain,
                    is_broken=is_tagged,
                )
            )
            continue
        if expects_key():
            odd_key(mark)
            key_depth = 1
            continue
        if len(stack) >= MAX_DEPTH:
            problem = f"is nested more than {MAX_DEPTH} levels deep"
            tell(mark, here()[:60], problem, "expected the keys of the documentation")
            return None
        is_list = isinstance(event, yaml.SequenceStartEvent)
        stack.append(_Open(mark, [] if is_list else None, here()))
    return root


def _resolve(text: str) -> str | int | float | bool | None:
    """What a plain scalar is in YAML 1.2, decimal numbers only."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    if _INF.match(text):
        return float("-inf") if text.startswith("-") else float("inf")
    if text in _NAN:
        return float("nan")
    return text


def _short(text: str | None, most: int = 60) -> str:
    text = " ".join((text or "").split())
    return text if len(text) <= most else text[: most - 1] + "…"


def _syntax_finding(e: yaml.YAMLError, text: str, name: str) -> Finding:
    if not isinstance(e, yaml.MarkedYAMLError):
        return Finding(name, 1, "file", _short(f"is not valid YAML: {e}", 200))
    mark = e.problem_mark or e.context_mark
    line = mark.line + 1 if mark else 1
    lines = text.splitlines()
    written = lines[line - 1] if line <= len(lines) else ""
    problem = e.problem or e.context or "cannot be understood"
    if "cannot start any token" in problem:
        char = written[mark.column : mark.column + 1] if mark else ""
        if char == "\t":
            return Finding(name, line, "file", "a tab", "YAML is indented with spaces")
        expected = "put the text in quotes"
        return Finding(name, line, "file", f'text cannot begin with "{char}"', expected)
    if "mapping values are not allowed" in problem:
        expected = "put text that holds `: ` in quotes, and check the indentation"
        return Finding(name, line, "file", "a colon where none can be", expected)
    if "could not find expected ':'" in problem:
        # the parser notices one line late; the context is where the key began
        line = e.context_mark.line + 1 if e.context_mark else line
        return Finding(name, line, "file", "a key without a colon", "expected `key: value`")
    told = f"is not valid YAML: {problem}"
    if e.context and e.context != problem:
        since = e.context_mark.line + 1 if e.context_mark else line
        told += f" ({e.context}, line {since})"
    return Finding(name, line, "file", _short(told, 200), "check indentation, brackets and quotes")
