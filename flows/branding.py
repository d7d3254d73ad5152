"""Name, logo and colours of the agency, checked: what is put in every page and mail it sends.

A logo goes into the page itself, so it is small, and a picture and nothing else.
Colours are held against WCAG 2.2 AA: https://www.w3.org/TR/WCAG22/#contrast-minimum.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# Text on its ground, and what only has to be told apart from it (WCAG 1.4.3 and 1.4.11).
TEXT_CONTRAST = 4.5
SHAPE_CONTRAST = 3.0
# The grounds that a page and a mail have, as in report.css.
LIGHT_GROUNDS = ("#ffffff", "#f6f5f2")
DARK_GROUNDS = ("#12171a", "#1b2226")
# It is in every page, every mail and every dated copy.
MOST_LOGO_BYTES = 150_000
_MOST_PIXELS = 4_000
_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_PNG = b"\x89PNG\r\n\x1a\n"
# What an SVG may be built of; anything else (scripts, pages, movement, links) makes no logo.
_SVG_PARTS = frozenset(
    (
        *("svg", "g", "defs", "title", "desc", "metadata", "path", "rect", "circle", "ellipse"),
        *("line", "polyline", "polygon", "text", "tspan", "linearGradient", "radialGradient"),
        *("stop", "clipPath", "mask", "use", "symbol", "style", "pattern"),
    )
)
_OUTSIDE = re.compile(r"url\(\s*['\"]?\s*(?!#)|@import|expression\(|javascript:", re.IGNORECASE)


class LogoError(ValueError):
    """A file that cannot be a logo: what is wrong, and what would do."""

    def __init__(self, problem: str, expected: str) -> None:
        super().__init__(f"{problem}; {expected}")
        self.problem = problem
        self.expected = expected


@dataclass(frozen=True)
class Logo:
    kind: Literal["png", "svg"]
    data: bytes

    @property
    def media_type(self) -> str:
        return "image/png" if self.kind == "png" else "image/svg+xml"


def read_logo(path: Path) -> Logo:
    """The picture in a file. Raises LogoError when it is none, too large, or more than one."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_LOGO_BYTES + 1)
    except OSError as problem:
        reason = problem.strerror or "unreadable"
        raise LogoError(f"{path} cannot be read ({reason})", "expected a .png or .svg") from None
    if len(data) > MOST_LOGO_BYTES:
        expected = f"expected at most {MOST_LOGO_BYTES // 1000} kB: it goes into every page"
        raise LogoError(f"{path.name} is too large", expected)
    if data.startswith(_PNG):
        return _png(path, data)
    if b"<svg" in data[:2_000]:
        return _svg(path, data)
    raise LogoError(f"{path.name} is neither PNG nor SVG", "expected a .png or .svg")


def _png(path: Path, data: bytes) -> Logo:
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise LogoError(f"{path.name} is a broken PNG", "expected a whole picture")
    width, height = struct.unpack(">II", data[16:24])
    if not (0 < width <= _MOST_PIXELS and 0 < height <= _MOST_PIXELS):
        problem = f"{path.name} is {width} by {height} pixels"
        raise LogoError(problem, f"expected at most {_MOST_PIXELS} either way")
    return Logo("png", data)


def _svg(path: Path, data: bytes) -> Logo:
    expected = "expected an SVG that only draws: no script, link, movement or entity"
    from xml.etree import ElementTree  # slow to import, and most configurations have no logo

    # before it is parsed: an entity can blow up to anything
    if b"<!DOCTYPE" in data.upper() or b"<!ENTITY" in data.upper():
        raise LogoError(f"{path.name} has a document type", expected)
    try:
        root = ElementTree.fromstring(data)  # noqa: S314 (no entities, small, the user's own file)
    except (ElementTree.ParseError, ValueError):
        raise LogoError(f"{path.name} is a broken SVG", "expected a whole picture") from None
    for part in root.iter():
        name = part.tag.rpartition("}")[2] if isinstance(part.tag, str) else "comment"
        foreign = isinstance(part.tag, str) and not part.tag.startswith("{http://www.w3.org/2000/")
        if foreign and "}" in str(part.tag):
            continue  # what a drawing program notes for itself draws nothing
        if name not in _SVG_PARTS and name != "comment":
            raise LogoError(f"{path.name} has <{name}> in it", expected)
        for key, value in part.attrib.items():
            bare = key.rpartition("}")[2].lower()
            is_away = bare == "href" and not value.strip().startswith("#")
            if bare.startswith("on") or is_away or _OUTSIDE.search(value):
                raise LogoError(f"{path.name} has {bare}={value[:40]!r} in it", expected)
        if name == "style" and _OUTSIDE.search(part.text or ""):
            raise LogoError(f"{path.name} has a style that looks outside", expected)
    return Logo("svg", data)


def color_of(text: str) -> str | None:
    """`#0a5` or `#00aa55` as `#00aa55`; None for anything else."""
    if not _HEX.fullmatch(text):
        return None
    digits = text[1:].lower()
    return "#" + ("".join(2 * one for one in digits) if len(digits) == 3 else digits)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, from 1 to 21."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def readable(color: str, grounds: tuple[str, ...], least: float = TEXT_CONTRAST) -> str:
    """The colour itself, or the nearest shade of it that can be read on all of the grounds.

    It is mixed with black on light grounds and with white on dark ones.
    """
    toward = 0 if _luminance(grounds[0]) > 0.4 else 255
    for step in range(101):
        share = step / 100
        shade = "#" + "".join(
            f"{round(part + (toward - part) * share):02x}" for part in _parts(color)
        )
        if all(contrast(shade, ground) >= least for ground in grounds):
            return shade
    return "#000000" if toward == 0 else "#ffffff"


def _parts(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: str) -> float:
    """Relative luminance. Source: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (one / 255 for one in _parts(color))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
