"""A logo is a small picture and nothing else; colours can be read, or are made so."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from flows.branding import LogoError, color_of, contrast, read_logo, readable
from tests.unit.config_folder import KOERS, findings, loaded, target

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{}</svg>'


def png(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + b"\0" * 16


def test_a_small_png_and_a_drawing_are_logos(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(200, 60))
    (tmp_path / "b.svg").write_text(SVG.format('<path d="M0 0h9v9z" fill="#0a5"/>'))
    assert read_logo(tmp_path / "a.png").media_type == "image/png"
    assert read_logo(tmp_path / "b.svg").media_type == "image/svg+xml"


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        ("<script>alert(1)</script>", "<script>"),
        ('<path d="M0 0" onload="alert(1)"/>', "onload"),
        ('<use href="https://evil.example/x.svg#a"/>', "href"),
        ('<a href="#x"><path d="M0 0"/></a>', "<a>"),
        ('<image href="data:image/png;base64,AA"/>', "<image>"),
        ("<foreignObject/>", "<foreignObject>"),
        ('<path fill="url(https://evil.example)"/>', "fill"),
        ("<style>@import 'https://evil.example'</style>", "looks outside"),
        ('<animate attributeName="x"/>', "<animate>"),
    ],
)
def test_a_drawing_that_does_more_than_draw_is_refused(
    tmp_path: Path, inside: str, told: str
) -> None:
    (tmp_path / "x.svg").write_text(SVG.format(inside))
    with pytest.raises(LogoError) as refused:
        read_logo(tmp_path / "x.svg")
    assert told in str(refused.value)


def test_an_entity_is_refused_before_it_can_grow(tmp_path: Path) -> None:
    text = '<!DOCTYPE svg [<!ENTITY a "aaaaaaaa">]>' + SVG.format("<text>&a;</text>")
    (tmp_path / "x.svg").write_text(text)
    with pytest.raises(LogoError, match="document type"):
        read_logo(tmp_path / "x.svg")


def test_what_is_too_large_missing_or_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big.png").write_bytes(png(10, 10) + b"\0" * 200_000)
    (tmp_path / "wide.png").write_bytes(png(20_000, 10))
    (tmp_path / "page.png").write_text("<html></html>")
    for name, told in (
        ("big.png", "too large"),
        ("wide.png", "20000 by 10"),
        ("page.png", "neither PNG nor SVG"),
        ("none.png", "cannot be read"),
    ):
        with pytest.raises(LogoError, match=told):
            read_logo(tmp_path / name)


def test_contrast_is_that_of_the_guideline() -> None:
    """Black on white is 21; #767676 on white is the well-known 4.54."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


def test_a_colour_is_kept_when_it_can_be_read_and_darkened_when_not() -> None:
    assert readable("#005a8d", ("#ffffff",)) == "#005a8d"
    shade = readable("#ffe000", ("#ffffff",))
    assert contrast(shade, "#ffffff") >= 4.5
    assert contrast(readable("#000080", ("#12171a",)), "#12171a") >= 4.5


def test_colours_are_hexadecimal() -> None:
    assert color_of("#0a5") == "#00aa55"
    assert color_of("#00AA55") == "#00aa55"
    assert color_of("green") is None
    assert color_of("#0a5;background:url(x)") is None


# --- in koers.yaml ----------------------------------------------------------------------------


def test_the_agency_says_how_it_looks_and_in_which_language(tmp_path: Path) -> None:
    (tmp_path / "brand").mkdir()
    (tmp_path / "brand" / "logo.svg").write_text(SVG.format('<path d="M0 0h9v9z"/>'))
    koers = (
        KOERS
        + """\
report_keep: 30 days
locale: en
brand: {name: Bureau Noord, logo: brand/logo.svg, color: "#05A", accent: "#e69f00"}
"""
    )
    settings = loaded(tmp_path, koers, shop=target())
    assert (settings.report_keep_days, settings.locale) == (30, "en")
    assert settings.brand.name == "Bureau Noord"
    assert settings.brand.logo == tmp_path.resolve() / "brand" / "logo.svg"
    assert (settings.brand.color, settings.brand.accent) == ("#0055aa", "#e69f00")


def test_a_brand_that_cannot_be_shown_well_is_told_and_stops_nothing(tmp_path: Path) -> None:
    koers = KOERS + 'brand:\n  logo: none.png\n  color: "#ff0"\n  accent: "#eeeeee"\n'
    told = findings(tmp_path, koers, shop=target())
    assert len(told) == 3
    assert told[0].startswith("koers.yaml:7: brand.logo: warning: ")
    assert "koers.yaml:8: brand.color: warning: #ffff00 is hard to see on white" in told[1]
    assert "WCAG AA asks for 4.5" in told[1]
    assert "WCAG AA asks for 3;" in told[2]
    assert loaded(tmp_path, koers, shop=target()).brand.logo is None


def test_a_colour_that_is_none_is_refused(tmp_path: Path) -> None:
    told = findings(tmp_path, KOERS + "brand: {color: groen}\n", shop=target())
    assert told == [
        'koers.yaml:6: brand.color: "groen" is not a colour; expected one like "#00aa55"'
    ]


def test_a_client_may_not_be_called_as_the_overview(tmp_path: Path) -> None:
    told = findings(tmp_path, index=target())
    assert [line for line in told if "would write over a page" in line]
