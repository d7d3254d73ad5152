"""The agency's name, logo and colours as a page and a mail wear them."""

from __future__ import annotations

import base64
import logging
from dataclasses import dataclass
from functools import cache

from flows.branding import (
    DARK_GROUNDS,
    LIGHT_GROUNDS,
    SHAPE_CONTRAST,
    Logo,
    LogoError,
    read_logo,
    readable,
)
from flows.settings import Brand

log = logging.getLogger("koers")
# A mail shows the logo this high, and twice as fine.
MAIL_LOGO_HEIGHT = 40


@dataclass(frozen=True)
class Dress:
    """``color`` and ``accent`` can be read on light grounds; None: those of Koers."""

    name: str = ""
    logo: Logo | None = None
    color: str | None = None
    accent: str | None = None

    @property
    def logo_uri(self) -> str:
        if self.logo is None:
            return ""
        told = base64.b64encode(self.logo.data).decode("ascii")
        return f"data:{self.logo.media_type};base64,{told}"

    @property
    def css(self) -> str:
        """The rules that put the colours over those of the style sheet, light and dark."""
        if self.color is None and self.accent is None:
            return ""
        color = self.color or self.accent or ""
        accent = self.accent or color
        dark = readable(color, DARK_GROUNDS)
        dark_accent = readable(accent, DARK_GROUNDS, SHAPE_CONTRAST)
        link, dark_link = (f"--link: {one}; " if self.color else "" for one in (color, dark))
        return (
            f":root {{ {link}--brand: {color}; --accent: {accent}; }}\n"
            "@media screen and (prefers-color-scheme: dark) "
            f"{{ :root {{ {dark_link}--brand: {dark}; --accent: {dark_accent}; }} }}\n"
        )

    def logo_png(self) -> bytes | None:
        """The logo for mail, where drawings are not shown."""
        return None if self.logo is None else _as_png(self.logo)


@cache
def _as_png(logo: Logo) -> bytes:
    if logo.kind == "png":
        return logo.data
    import vl_convert

    drawn: bytes = vl_convert.svg_to_png(logo.data.decode("utf-8"), scale=2)
    return drawn


def dress_of(brand: Brand) -> Dress:
    """What a brand looks like. A logo that is gone since it was checked is left out, and told."""
    logo = None
    if brand.logo is not None:
        try:
            logo = read_logo(brand.logo)
        except LogoError as problem:
            log.warning("reports go without the logo: %s", problem)
    return Dress(
        name=brand.name,
        logo=logo,
        color=readable(brand.color, LIGHT_GROUNDS) if brand.color else None,
        accent=readable(brand.accent, LIGHT_GROUNDS, SHAPE_CONTRAST) if brand.accent else None,
    )
