"""Numbers, money, percentages, days and vendors' names as a reader in nl or en expects them.

What belongs together never breaks over a line: number and unit are joined with
no-break spaces. English is British English (1 March 2026).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from babel import Locale, dates, numbers

from flows.kpis import Kpi, Unit

Language = Literal["nl", "en"]

NBSP = "\u00a0"
# What stands where there is no value; a reader hears and sees that it is not a zero.
NOTHING = "–"
NAME_LIMIT = 80

_LOCALES: dict[str, Locale] = {"nl": Locale("nl", "NL"), "en": Locale("en", "GB")}
# Format characters (Cf) are invisible and may turn round the text that follows: these alone are
# part of writing, the joiners of emoji, Persian and Indic scripts and signs before Arabic numbers.
_JOINERS = "\u200c\u200d"
_WRITTEN = {*map(ord, _JOINERS), *range(0x600, 0x606), 0x6DD, 0x8E2, 0x110BD, 0x110CD}
# letters and marks that nobody sees: fillers of Hangul, Khmer and Mongolian, the empty Braille cell
_UNSEEN = {0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x2800, 0x3164, 0xFFA0}
_MARKS = ("Mn", "Me")


def number(value: float, language: Language, *, digits: int = 0, fixed: bool = True) -> str:
    """`1.234,5` in nl, `1,234.5` in en; ``fixed=False`` drops zeros behind the comma."""
    fraction = ("0" if fixed else "#") * digits
    pattern = "#,##0" + (f".{fraction}" if digits else "")
    return _joined(
        numbers.format_decimal(_clean(value, digits), pattern, locale=_LOCALES[language])
    )


def percentage(value: float, language: Language, *, digits: int = 1, fixed: bool = True) -> str:
    """A fraction as `4,7%`."""
    fraction = ("0" if fixed else "#") * digits
    pattern = "#,##0" + (f".{fraction}" if digits else "") + "%"
    return _joined(
        numbers.format_percent(_clean(value, digits + 2), pattern, locale=_LOCALES[language])
    )


def money(
    value: float, currency: str, language: Language, *, digits: int = 2, fixed: bool = True
) -> str:
    """`€ 1.234` in nl, `€1,234` in en; an unknown currency keeps its code."""
    fraction = ("0" if fixed else "#") * digits
    body = "#,##0" + (f".{fraction}" if digits else "")
    pattern = f"¤ {body};¤ -{body}" if language == "nl" else f"¤{body};-¤{body}"
    told = numbers.format_currency(
        _clean(value, digits),
        currency,
        pattern,
        locale=_LOCALES[language],
        currency_digits=False,
    )
    symbol = numbers.get_currency_symbol(currency, _LOCALES[language])
    if language == "en" and symbol[-1:].isalpha():  # "CHF12" reads badly
        told = told.replace(symbol, symbol + NBSP, 1)
    return _joined(told)


def currency_symbol(currency: str, language: Language) -> str:
    symbol: str = numbers.get_currency_symbol(currency, _LOCALES[language])
    return symbol


def quantity(
    value: float | None,
    unit: Unit,
    language: Language,
    currency: str | None = None,
    *,
    extra_digits: int = 0,
    is_goal: bool = False,
) -> str:
    """A KPI's value in its unit, with as many digits as say something.

    A goal is written as short as it was agreed (`3%`, `4`, `€ 38`). None and
    what is not finite become a dash.
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    size = abs(value)
    if is_goal:
        if unit == "rate":
            return percentage(value, language, digits=3, fixed=False)
        if unit == "money" and currency:
            whole = _is_whole(value) or size >= 1000
            return money(value, currency, language, digits=0 if whole else _cents(currency))
        return number(value, language, digits=0 if size >= 1000 else 3, fixed=False)
    if unit == "rate":
        digits = 2 if size < 0.01 else 1
        return percentage(value, language, digits=digits + extra_digits)
    if unit == "ratio":
        digits = 2 if size < 1 else 1 if size < 100 else 0
        return number(value, language, digits=digits + extra_digits)
    if unit == "money" and currency:
        digits = _cents(currency) if size < 100 else 0
        return money(value, currency, language, digits=digits + extra_digits)
    if unit == "count" and (size >= 100 or _is_whole(value)):
        return number(value, language, digits=extra_digits)
    return number(value, language, digits=1 + extra_digits)


@dataclass(frozen=True)
class Pair:
    """Two values in equal digits, and their difference in those very digits.

    ``size`` is the difference without its sign and unit sign (`1,2` of points);
    ``change`` is what was rounded, with its sign.
    """

    before: str
    after: str
    size: str
    change: float


# A difference of rounded values may be this far from the real one; else there is a digit more.
_ROUNDING = 0.06


def pair(
    before: float, after: float, unit: Unit, language: Language, currency: str | None = None
) -> Pair:
    """`4,65`, `3,64` and `1,01`: never `4,7` and `3,6` beside a difference of 1,01."""
    shift = 100.0 if unit == "rate" else 1.0
    a, b = before * shift, after * shift
    base = max(_digits_of(a, unit, currency), _digits_of(b, unit, currency))
    change, digits = 0.0, base
    for digits in (base, base + 1):
        one, other = _clean(a, digits), _clean(b, digits)
        change = _clean(other - one, digits)
        if abs(change - (b - a)) <= _ROUNDING * abs(b - a):
            break

    def told(value: float, *, is_size: bool = False) -> str:
        if unit == "money" and currency:
            return money(value, currency, language, digits=digits)
        if unit == "rate" and not is_size:
            return percentage(value / 100, language, digits=digits)
        return number(value, language, digits=digits)

    return Pair(told(a), told(b), told(abs(change), is_size=True), change)


def decimals(told: str, language: Language) -> int:
    """How many digits a value that was written out has behind the comma."""
    found = re.search(r",(\d+)" if language == "nl" else r"\.(\d+)", told)
    return len(found[1]) if found else 0


def gap(
    one: float,
    other: float,
    unit: Unit,
    language: Language,
    currency: str | None = None,
    *,
    digits: int,
) -> str:
    """The difference of two values rounded to so many digits; empty when they round alike."""
    shift = 100.0 if unit == "rate" else 1.0
    size = _clean(abs(_clean(one * shift, digits) - _clean(other * shift, digits)), digits)
    if not size:
        return ""
    if unit == "money" and currency:
        return money(size, currency, language, digits=digits)
    return number(size, language, digits=digits)


def _digits_of(size: float, unit: Unit, currency: str | None) -> int:
    """The digits behind the comma that `quantity` gives a value; a rate in percents."""
    size = abs(size)
    if unit == "rate":
        return 2 if size < 1 else 1
    if unit == "ratio":
        return 2 if size < 1 else 1 if size < 100 else 0
    if unit == "money" and currency:
        return _cents(currency) if size < 100 else 0
    return 0 if size >= 100 or _is_whole(size) else 1


def value_apart_from(
    value: float | None,
    others: Iterable[float | None],
    kpi: Kpi,
    language: Language,
    currency: str | None,
) -> str:
    """The value with just enough digits that it does not read as another one next to it.

    A CTR of 3.98% beside a goal of 4% is not "4.0%".
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    near = [o for o in others if o is not None and math.isfinite(o) and o != value]
    for extra in (0, 1, 2):
        told = quantity(value, kpi.unit, language, currency, extra_digits=extra)
        if all(told != quantity(o, kpi.unit, language, currency, extra_digits=extra) for o in near):
            return told
    return quantity(value, kpi.unit, language, currency)


def day(value: date, language: Language, *, year: bool = True) -> str:
    """`1 maart 2026`."""
    return _joined(
        dates.format_date(value, "d MMMM y" if year else "d MMMM", locale=_LOCALES[language])
    )


def short_day(value: date, language: Language) -> str:
    """`1 mrt 2026`, for tables."""
    told = dates.format_date(value, "d MMM y", locale=_LOCALES[language])
    return _joined(told.replace(".", ""))


def weekday(value: date, language: Language) -> str:
    """`vrijdag 20 november 2026`."""
    return _joined(dates.format_date(value, "EEEE d MMMM y", locale=_LOCALES[language]))


def month(value: date, language: Language) -> str:
    return _joined(dates.format_date(value, "LLLL y", locale=_LOCALES[language]))


def moment(value: datetime, zone: str, language: Language) -> str:
    """A UTC moment on the reader's clock: `20 november 2026, 06:02`."""
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)  # as the warehouse stores them
    local = aware.astimezone(ZoneInfo(zone))
    return f"{day(local.date(), language)}, {local:%H:%M}"


def span(start: date, end: date, language: Language) -> str:
    """Days from ``start`` through ``end``, both included, as short as they can be said."""
    if start == end:
        return day(start, language)
    quarter = (start.month - 1) // 3 + 1
    if start.day == 1 and (end + timedelta(days=1)).day == 1 and start.year == end.year:
        months = end.month - start.month + 1
        if months == 1:
            return month(start, language)
        if months == 3 and start.month % 3 == 1:
            return f"{'kwartaal ' if language == 'nl' else 'Q'}{quarter}{NBSP}{start.year}".replace(
                "kwartaal ", f"kwartaal{NBSP}"
            )
        if months == 12:
            return str(start.year)
    if start.year != end.year:
        return f"{day(start, language)} – {day(end, language)}"
    if start.month != end.month:
        return f"{day(start, language, year=False)} – {day(end, language)}"
    return f"{start.day}–{day(end, language)}"


def day_ranges(days: Iterable[date], language: Language, *, most: int = 4) -> str:
    """`19–25 oktober 2026, 2 november 2026`; beyond ``most`` ranges it ends in an ellipsis."""
    runs: list[list[date]] = []
    for one in sorted(set(days)):
        if runs and one - runs[-1][1] == timedelta(days=1):
            runs[-1][1] = one
        else:
            runs.append([one, one])
    told = ", ".join(_run(first, last, language) for first, last in runs[:most])
    return told + (" …" if len(runs) > most else "")


def _run(first: date, last: date, language: Language) -> str:
    if first == last:
        return day(first, language)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{day(last, language)}"
    return f"{day(first, language, year=first.year != last.year)} – {day(last, language)}"


def name(text: str, limit: int = NAME_LIMIT) -> str:
    """A name that somebody else chose, made fit for one line; escaping is the medium's task.

    Direction marks, control characters and invisible signs go, white space
    becomes single spaces, heaps of combining marks are thinned, and what is
    longer than ``limit`` ends in an ellipsis. Of what has no sign to be seen a
    dash is left.
    """
    kept: list[str] = []
    marks = 0
    for sign in text[: limit * 8]:
        category = unicodedata.category(sign)
        if category in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"):
            sign = " "
        elif ord(sign) in _UNSEEN or (category == "Cf" and ord(sign) not in _WRITTEN):
            continue
        is_mark = category in _MARKS
        marks = marks + 1 if is_mark else 0
        # a mark or a joiner goes with the sign before it
        before = kept[-1] if kept else " "
        if marks > 2 or ((is_mark or sign in _JOINERS) and before in f" {_JOINERS}"):
            continue
        kept.append(sign)
    told = " ".join(word.rstrip(_JOINERS) for word in "".join(kept).split())
    if len(told) <= limit and len(text) <= limit * 8:
        return told or NOTHING
    cut = told[: limit - 1]
    # never cut through an emoji sequence or leave a joiner dangling
    while cut and unicodedata.category(cut[-1]) in (*_MARKS, "Cf"):
        cut = cut[:-1]
    return cut.rstrip() + "…"


def sentence_text(text: str, limit: int = 400) -> str:
    """Longer text from a config file or an error message, cleaned like a name."""
    return name(text, limit)


def problem_text(text: str, limit: int = 180) -> str:
    """An error message in short: its first sentence, and the vendor's code if it has one.

    The whole text, with the request id, is in the log and in ops.loads.
    """
    told = name(text, 4 * limit)
    if len(told) <= limit:
        return told
    code = re.search(r"\(([A-Z][A-Z0-9_]{4,59})\)", told)
    first = re.split(r"(?<=[a-z)\d])\. |; ", told, maxsplit=1)[0].rstrip(".")
    tail = f" {code.group(0)}" if code and code.group(0) not in first else ""
    return name(first, limit - len(tail)) + tail


def _cents(currency: str) -> int:
    return min(numbers.get_currency_precision(currency), 2)


def _is_whole(value: float) -> bool:
    return abs(value - round(value)) < 1e-9


def _clean(value: float, digits: int) -> float:
    """Half away from zero as people round, and never a minus before a zero."""
    shift = 10**digits
    rounded = math.floor(abs(value) * shift + 0.5 + 1e-9) / shift
    return math.copysign(rounded, value) if rounded else 0.0


def _joined(told: str) -> str:
    return told.replace(" ", NBSP).replace("\u202f", NBSP)
