"""The strict YAML reader."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flows import yaml_loader
from flows.yaml_loader import MAX_BYTES, Document, Finding, load_yaml, parse_yaml


def told(document: Document) -> list[str]:
    return [str(finding) for finding in document.findings]


def value_of(text: str) -> object:
    document = parse_yaml(f"key: {text}\n", "f.yaml")
    assert document.findings == ()
    assert document.root is not None
    found = document.root.get("key")
    assert found is not None
    return found.value


@pytest.mark.parametrize(
    "text", ["no", "yes", "on", "off", "y", "12:30", "012", "1_000", "0x1F", "0o17", "2026-10-01"]
)
def test_what_yaml_1_1_would_convert_stays_text(text: str) -> None:
    assert value_of(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("1e3", 1000.0),
        ("4.50", 4.5),
        (".5", 0.5),
        ("3%", "3%"),
        ("'4'", "4"),
        ('"true"', "true"),
        ("''", ""),
    ],
)
def test_yaml_1_2_scalars_become_values(text: str, value: object) -> None:
    found = value_of(text)
    assert (found, type(found)) == (value, type(value))


def test_a_number_of_five_thousand_digits_stays_text() -> None:
    assert value_of("9" * 5000) == "9" * 5000


def test_every_key_and_value_knows_its_line_and_column() -> None:
    document = parse_yaml("a: 1\nb:\n  - x\n  - c: two\n    d:\n      e: 3\n", "f.yaml")
    root = document.root
    assert root is not None and isinstance(root.value, dict)
    b = root.value["b"]
    assert (b.key_line, b.key_column, b.line, b.column) == (2, 1, 3, 3)
    assert isinstance(b.value, list)
    item = b.value[1]
    d = item.get("d")
    assert d is not None
    e = d.get("e")
    assert e is not None
    assert (item.line, item.column) == (4, 5)
    assert (e.key_line, e.key_column, e.line, e.column, e.text) == (6, 7, 6, 10, "3")


def test_duplicate_keys_are_told_on_the_second_line_and_the_first_value_counts() -> None:
    document = parse_yaml("a: 1\nb:\n  c: 1\n  c: 2\na: {x: 1}\n", "f.yaml")
    assert told(document) == [
        'f.yaml:4: b.c: duplicate key "c"; it is already on line 3; keep one of them',
        'f.yaml:5: a: duplicate key "a"; it is already on line 1; keep one of them',
    ]
    assert document.root is not None
    assert document.root.plain() == {"a": 1, "b": {"c": 1}}


def test_tags_anchors_aliases_and_merge_keys_are_refused_in_one_go() -> None:
    text = "a: &x {k: 1}\nb: *x\nc: !!int '3'\nd: !!python/object/apply:os.getcwd []\n<<: *x\n"
    document = parse_yaml(text, "f.yaml")
    assert [(f.line, f.place) for f in document.findings] == [
        (1, "a"),
        (2, "b"),
        (3, "c"),
        (4, "d"),
        (5, "file"),
        (5, "<<"),
    ]
    assert "anchors (&x)" in told(document)[0]
    assert "aliases (*x)" in told(document)[1]
    assert "tags (tag:yaml.org,2002:int)" in told(document)[2]
    assert "merge keys" in told(document)[4]


def test_an_alias_bomb_is_not_expanded() -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    document = parse_yaml("\n".join(lines), "f.yaml")
    assert document.root is not None
    assert len(document.findings) == 12 + 9 * 11


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:\n\t- b\n", "f.yaml:2: file: a tab; YAML is indented with spaces"),
        ("a: @x\n", 'f.yaml:1: file: text cannot begin with "@"; put the text in quotes'),
        ("a: 1\nfoo\nb: 2\n", "f.yaml:2: file: a key without a colon; expected `key: value`"),
        ("a: b: c\n", "f.yaml:1: file: a colon where none can be; "),
        ("a: [1, 2\nb: 3\n", "f.yaml:2: file: is not valid YAML: "),
        ("a: 1\n---\nb: 1\n", "f.yaml:2: file: a second document (---); expected one a file"),
        ("a: 1\nb: \x07\n", "f.yaml:2: file: holds the control character U+0007; remove it"),
        ("? [a, b]\n: 1\n", "f.yaml:1: file: a key is not plain text; expected `key: value`"),
        ("'': 1\n", "f.yaml:1: file: a key is empty; expected `key: value`"),
    ],
)
def test_syntax_errors_have_a_line_and_say_what_to_do(text: str, expected: str) -> None:
    (finding,) = told(parse_yaml(text, "f.yaml"))
    assert finding.startswith(expected)


def test_invalid_utf_8_is_told_with_its_line() -> None:
    assert told(parse_yaml(b"a: 1\nb: caf\xe9\n", "f.yaml")) == [
        "f.yaml:2: file: is not UTF-8 (byte 0xe9); save the file as UTF-8"
    ]


def test_a_tab_or_an_odd_byte_hides_nothing_that_comes_after_it() -> None:
    document = parse_yaml(b"a:\n\t- b\n\t- c\nd: caf\xe9\nd: 1\ne: \x07\n", "f.yaml")
    assert [(f.line, f.problem) for f in document.findings] == [
        (4, "is not UTF-8 (byte 0xe9)"),
        (6, "holds the control character U+0007"),
        (2, "a tab"),
        (3, "a tab"),
        (5, 'duplicate key "d"'),
    ]
    assert document.root is not None
    assert document.root.plain() == {"a": ["b", "c"], "d": "caf\ufffd", "e": "\ufffd"}


def test_utf_16_is_told_once() -> None:
    (finding,) = parse_yaml("a: 1\nb: 2\n".encode("utf-16"), "f.yaml").findings
    assert str(finding) == "f.yaml:1: file: is not UTF-8 (byte 0xff); save the file as UTF-8"


def test_a_byte_order_mark_and_windows_line_ends_are_fine() -> None:
    document = parse_yaml(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "f.yaml")
    assert document.root is not None
    assert (document.root.plain(), document.findings) == ({"a": 1, "b": 2}, ())
    b = document.root.get("b")
    assert b is not None and b.line == 2


def test_files_above_the_size_cap_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"a: " + b"x" * MAX_BYTES)
    document = load_yaml(path, "big.yaml")
    assert document.root is None
    assert told(document) == ["big.yaml:1: file: is larger than 1 MB; split it up"]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? [", "{? "])
def test_deep_nesting_is_refused(opening: str) -> None:
    document = parse_yaml(opening * 3000, "f.yaml")
    assert document.root is None
    assert len(document.findings) >= 1


def test_a_file_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    assert told(load_yaml(tmp_path / "folder.yaml", "folder.yaml")) == [
        "folder.yaml:1: file: cannot be read (Is a directory); expected a readable file"
    ]
    (finding,) = load_yaml(tmp_path / "none.yaml").findings
    assert "No such file" in str(finding)


def test_a_finding_is_one_line_whatever_it_quotes() -> None:
    finding = Finding("f.yaml", 3, "a\nb", "x\r\ny\x1b[31m", "z\u2028")
    assert len(str(finding).splitlines()) == 1
    assert "\x1b" not in str(finding)


def parse_without_libyaml(data: str | bytes) -> Document:
    loader = yaml_loader._Loader
    yaml_loader._Loader = yaml.SafeLoader
    try:
        return parse_yaml(data, "f.yaml")
    finally:
        yaml_loader._Loader = loader


PIECES = ["a", "b: ", "- ", "\n", "  ", "\t", "{", "}", "[", "]", ",", ": ", "? ", "&x ", "*x"]
PIECES += ["!t ", "!!int ", "'", '"', "|\n", ">-\n", "#", "%", "---\n", "...\n", "<<: ", "3,5%"]
PIECES += ["é", "\x00", "\ufeff", "@", "`", "\\x", "~", ".nan", "%YAML 1.2\n", "%TAG ! x:\n"]
yaml_pieces = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@given(st.one_of(yaml_pieces, st.text(), st.binary()), st.booleans())
@example("{" * 100, True)
@example("a: !<tag:yaml.org,2002:str> b", True)
@example("\ud800", True)
@example('a: "\\UFFFFFFFF"', False)
@example(f"%YAML {'9' * 5000}.1\n---\na: 1", False)
@example('"\\x00": "\\ud800"', False)
def test_no_input_gives_anything_but_a_tree_or_findings(data: str | bytes, fast: bool) -> None:
    document = parse_yaml(data, "f.yaml") if fast else parse_without_libyaml(data)
    assert all(finding.line >= 1 for finding in document.findings)
    assert all(len(str(finding).splitlines()) == 1 for finding in document.findings)
    if document.root is not None:
        document.root.plain()


@settings(max_examples=50)
@given(yaml_pieces)
def test_pyyamls_two_parsers_agree_on_the_tree(text: str) -> None:
    """Machines without libyaml read the same configuration."""
    fast, pure = parse_yaml(text, "f.yaml"), parse_without_libyaml(text)
    if fast.root is not None and pure.root is not None:
        assert repr(fast.root.plain()) == repr(pure.root.plain())


printable = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn", "Zl", "Zp"]), max_size=8)
json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | printable,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(printable.filter(bool), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(printable.filter(bool), json_like, max_size=3))
def test_json_is_read_as_what_it_is(value: dict[str, object]) -> None:
    document = parse_yaml(json.dumps(value, ensure_ascii=False), "f.yaml")
    assert document.findings == ()
    assert document.root is not None
    assert document.root.plain() == value
