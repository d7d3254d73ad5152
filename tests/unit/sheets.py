"""Reads a workbook as a spreadsheet program would: out of the XML, knowing nothing of its maker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZipFile

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINKED = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_KINDS = {"inlineStr": "text", "s": "text", "str": "text", "b": "flag"}


@dataclass(frozen=True)
class Cell:
    kind: str  # text, flag or number
    text: str
    look: str  # the number format


@dataclass(frozen=True)
class Sheet:
    cells: list[list[Cell]]
    formulas: list[str]
    links: int
    is_frozen_below_the_heading: bool

    @property
    def texts(self) -> list[list[str]]:
        return [[cell.text for cell in row] for row in self.cells]


def read_workbook(path: Path) -> dict[str, Sheet]:
    """By name the sheets; raises for XML that is not well-formed."""
    with ZipFile(path) as file:
        parsed = {
            name: ElementTree.fromstring(file.read(name))
            for name in file.namelist()
            if name.endswith((".xml", ".rels"))
        }
    looks = _looks(parsed["xl/styles.xml"])
    shared = [
        "".join(text.itertext())
        for text in parsed.get("xl/sharedStrings.xml", ElementTree.Element("none"))
    ]
    targets = {one.get("Id"): one.get("Target") for one in parsed["xl/_rels/workbook.xml.rels"]}
    return {
        str(sheet.get("name")): _sheet(parsed[f"xl/{targets[sheet.get(_LINKED)]}"], looks, shared)
        for sheet in parsed["xl/workbook.xml"].iter(f"{_MAIN}sheet")
    }


def _looks(styles: ElementTree.Element) -> list[str]:
    custom = {one.get("numFmtId"): one.get("formatCode") for one in styles.iter(f"{_MAIN}numFmt")}
    built_in = {"2": "0.00", "3": "#,##0", "4": "#,##0.00", "10": "0.00%"}
    cell_formats = styles.find(f"{_MAIN}cellXfs")
    assert cell_formats is not None
    ids = [one.get("numFmtId") for one in cell_formats]
    return [str((custom | built_in).get(one, "")) for one in ids]


def _sheet(root: ElementTree.Element, looks: list[str], shared: list[str]) -> Sheet:
    rows: list[list[Cell]] = []
    width = 0
    for row in root.iter(f"{_MAIN}row"):
        found: dict[int, Cell] = {}
        for cell in row.iter(f"{_MAIN}c"):
            kind = cell.get("t", "n")
            text = "".join(cell.itertext())
            if kind == "s":
                text = shared[int(text)]
            look = looks[int(cell.get("s", "0"))]
            found[_column(str(cell.get("r")))] = Cell(_KINDS.get(kind, "number"), text, look)
        width = max([width, *(i + 1 for i in found)])
        rows.append([found.get(i, Cell("number", "", "")) for i in range(width)])
    pane = next(root.iter(f"{_MAIN}pane"), None)
    return Sheet(
        cells=rows,
        formulas=[str(one.text) for one in root.iter(f"{_MAIN}f")],
        links=sum(1 for _ in root.iter(f"{_MAIN}hyperlink")),
        is_frozen_below_the_heading=pane is not None
        and (pane.get("state"), pane.get("ySplit")) == ("frozen", "1"),
    )


def _column(place: str) -> int:
    """0 for A1, 26 for AA7."""
    number = 0
    for letter in place.rstrip("0123456789"):
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
