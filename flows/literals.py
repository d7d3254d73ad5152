"""What people write in the configuration: amounts, days, durations, periods, addresses.

Every function takes a YAML node and returns a plain value, or raises Wrong with
what is wrong and what is expected.
"""

from __future__ import annotations

import math
import re
from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from flows.kpis import Unit
from flows.yaml_loader import UNPRINTABLE, Node

# ISO 4217, the currencies in use (from CLDR 46's territory currencies)
_CODES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD
CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP
GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD
KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN
NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP
SLE SOS SRD SSP STN SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV
WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
CURRENCIES = frozenset(_CODES.split())

# ISO 3166, the countries whose public holidays are known (flows/holiday_days.py)
_COUNTRIES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT
BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH
ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT
HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS
LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI
NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG
SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG
UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
"""
COUNTRIES = frozenset(_COUNTRIES.split())
# Time zones of Europe that lie in one country (from zone.tab of the IANA database): there the
# zone tells whose holidays count. Other continents' zones are used far beyond their country.
_ZONES = """
AD Europe/Andorra AL Europe/Tirane AT Europe/Vienna BA Europe/Sarajevo BE Europe/Brussels BG
Europe/Sofia BY Europe/Minsk CH Europe/Zurich CY Asia/Nicosia CZ Europe/Prague DE Europe/Berlin DK
Europe/Copenhagen EE Europe/Tallinn ES Europe/Madrid ES Atlantic/Canary FI Europe/Helsinki FR
Europe/Paris GB Europe/London GR Europe/Athens HR Europe/Zagreb HU Europe/Budapest IE
Europe/Dublin IS Atlantic/Reykjavik IT Europe/Rome LI Europe/Vaduz LT Europe/Vilnius LU
Europe/Luxembourg LV Europe/Riga MC Europe/Monaco MD Europe/Chisinau ME Europe/Podgorica MK
Europe/Skopje MT Europe/Malta NL Europe/Amsterdam NO Europe/Oslo PL Europe/Warsaw PT Europe/Lisbon
PT Atlantic/Madeira PT Atlantic/Azores RO Europe/Bucharest RS Europe/Belgrade SE Europe/Stockholm
SI Europe/Ljubljana SK Europe/Bratislava SM Europe/San_Marino TR Europe/Istanbul UA Europe/Kyiv
"""
ZONE_COUNTRIES = dict(zip(_ZONES.split()[1::2], _ZONES.split()[::2], strict=True))
_SYMBOLS = {"€": "EUR", "$": "USD", "£": "GBP"}

# A date outside is a slip of the keyboard.
FIRST_YEAR, LAST_YEAR = 2000, 2100

_UNITS: dict[str, Literal["day", "week", "month", "quarter", "year"]] = {
    **dict.fromkeys(("d", "day", "days", "dag", "dagen"), "day"),
    **dict.fromkeys(("w", "week", "weeks", "weken"), "week"),
    **dict.fromkeys(("month", "months", "maand", "maanden"), "month"),
    **dict.fromkeys(("quarter", "quarters", "kwartaal", "kwartalen"), "quarter"),
    **dict.fromkeys(("y", "year", "years", "jaar", "jaren"), "year"),
}
_DURATION = re.compile(r"([1-9][0-9]{0,3}) ?([A-Za-z]+)\Z")
_AMOUNT = re.compile(
    r"(?P<before>[A-Za-z]{3}|[€$£])? ?"
    r"(?P<number>[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?)"
    r" ?(?P<after>%|[A-Za-z]{3}|[€$£])?\Z"
)
_GROUPED = re.compile(r"[1-9][0-9]{0,2}([., '_][0-9]{3})+\Z")
_DIGITS = re.compile(r"[0-9][0-9.,]*[0-9]|[0-9]")
# An address as people have them: no display name, no quotes, a domain with or without a dot.
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\Z")
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})\Z")
LOOPBACK = {"127.0.0.1", "localhost", "::1", "[::1]"}

PERIOD_EXPECTED = (
    "expected 2026-Q4, 2026-10, 2026, {start: …, for: 3 months}, {start: …, end: …}, "
    "{every: month, end: …} or {rolling: 7d}"
)


class Wrong(ValueError):
    """A value that cannot be used."""

    def __init__(self, problem: str, expected: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.expected = expected


class Skip(Exception):
    """The value has its finding already."""


def quoted(text: object, most: int = 60) -> str:
    """Text as it appears in a message: one line, not too long, in quotes."""
    one_line = " ".join(str(text).split())
    return f'"{one_line if len(one_line) <= most else one_line[: most - 1] + "…"}"'


def suggest(word: str, options: Iterable[str], otherwise: str = "") -> str:
    """``did you mean "x"?`` when one is near, else what there is."""
    options = list(dict.fromkeys(options))
    near = nearest(word, options)
    if near:
        return f'did you mean "{near}"?'
    if otherwise or not options:
        return otherwise
    return "expected " + listed(options)


def nearest(word: str, options: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The option that was probably meant, whatever its case."""
    by_lower = {option.lower(): option for option in reversed(list(options))}
    near = get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[near[0]] if near else None


def listed(options: Iterable[str], most: int = 20) -> str:
    words = list(options)
    if len(words) > most:
        words = [*words[:most], "…"]
    return "".join(words) if len(words) < 2 else f"{', '.join(words[:-1])} or {words[-1]}"


def scalar_text(node: Node, expected: str = "expected text") -> str:
    """The text of a scalar as written; numbers are taken literally (012 stays 012)."""
    if node.is_broken:
        raise Skip
    if isinstance(node.value, dict | list):
        raise Wrong(f"is {node.kind}", expected)
    if node.is_null:
        raise Wrong("is empty", expected)
    if isinstance(node.value, bool):
        raise Wrong(f"is {node.text}", expected)
    if not node.text.strip():
        raise Wrong("is empty", expected)
    if odd := UNPRINTABLE.search(node.text):
        # "\x07" in double quotes: what the file itself may not hold, a value may not either
        raise Wrong(f"holds the control character U+{ord(odd.group()):04X}", "remove it")
    return node.text.strip()


def one_line(node: Node) -> str:
    """Text in a single line, however it was folded."""
    return " ".join(scalar_text(node).split())


def flag(node: Node) -> bool:
    if node.is_broken:
        raise Skip
    if not isinstance(node.value, bool):
        said = quoted(node.text) if node.text else node.kind
        raise Wrong(f"{said} is neither true nor false", "expected true or false")
    return node.value


def whole(node: Node, low: int, high: int) -> int:
    expected = f"expected a whole number from {low} to {high}"
    text = scalar_text(node, expected)
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise Wrong(f"{quoted(text)} is not one", expected)
    return int(text)


def choice(node: Node, options: Iterable[str]) -> str:
    options = list(options)
    text = scalar_text(node, f"expected {listed(options)}")
    if text not in options:
        raise Wrong(f"{quoted(text)} is unknown", suggest(text, options))
    return text


# --- amounts ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Amount:
    """A finite value, never negative, and the currency that stood beside it."""

    value: float
    currency: str | None = None


def _example(unit: Unit | None, currency: str) -> str:
    return {
        "rate": "expected a percentage such as 3% or a fraction such as 0.03",
        "ratio": "expected a number such as 4",
        "money": f"expected an amount such as 45 {currency}",
        "count": "expected a number such as 120000",
        None: "expected an amount such as 3%, 4 or 45 EUR",
    }[unit]


def amount(node: Node, unit: Unit | None, currency: str, kpi: str = "this KPI") -> Amount:
    """Read a goal's value by the unit of its KPI (None: unit unknown, check the writing only)."""
    expected = _example(unit, currency)
    text = scalar_text(node, expected).replace("\N{NO-BREAK SPACE}", " ")
    if isinstance(node.value, float) and not math.isfinite(node.value):
        raise Wrong(f"{quoted(text)} is not a finite number", expected)
    if re.fullmatch(r"[-+]?\.?(nan|inf|infinity)", text, re.IGNORECASE):
        raise Wrong(f"{quoted(text)} is not a finite number", expected)
    digits = _DIGITS.search(text)
    number = digits.group() if digits else ""
    spaced = re.search(r"[0-9]{1,3}([ '_][0-9]{3})+(?![0-9])", text)
    if spaced or (_GROUPED.match(number) and ("," in number or number.count(".") > 1)):
        grouped = spaced.group() if spaced else number
        bare = re.sub(r"[., '_]", "", grouped)
        raise Wrong(f"{quoted(text)} has thousands separators", f"write {bare} without them")
    if "," in number:
        better = text.replace(number, number.replace(".", "").replace(",", "."))
        raise Wrong(f"{quoted(text)} has a decimal comma", f"write {better} with a point")
    match = _AMOUNT.match(text)
    if match is None or (match["before"] and match["after"]):
        raise Wrong(f"{quoted(text)} is not an amount", expected)
    if unit in ("count", "money") and _GROUPED.match(match["number"]):
        # 120.000 is a hundred and twenty thousand to a Dutch reader and 120 to YAML
        bare = match["number"].replace(".", "")
        problem = f"{quoted(text)} is read as {match['number'].split('.')[0]}"
        raise Wrong(problem, f"write {bare} without separators, or fewer decimals")
    value = float(match["number"])
    if not math.isfinite(value):
        raise Wrong(f"{quoted(text)} is not a finite number", expected)
    if value < 0:
        raise Wrong(f"{quoted(text)} is negative", expected)
    mark = match["after"] or match["before"]
    if mark == "%":
        return Amount(_rate_of_percentage(text, match["number"], unit, kpi, expected))
    if mark:
        return Amount(value, _currency_beside(text, mark, unit, currency, kpi, expected))
    if unit == "rate" and value >= 1:
        percentage = f"{match['number']}%"
        raise Wrong(
            f"{match['number']} means {value * 100:g}%",
            f"a rate is a percentage ('{percentage}') or a fraction below 1 ('0.03')",
        )
    return Amount(value)


def _rate_of_percentage(
    text: str, number: str, unit: Unit | None, kpi: str, expected: str
) -> float:
    if unit not in ("rate", None):
        raise Wrong(f"{quoted(text)} is a percentage but {kpi} is not a rate", expected)
    value = float(Decimal(number) / 100)
    if value > 1:
        raise Wrong(f"{quoted(text)} is more than everything", expected)
    return value


def _currency_beside(
    text: str, mark: str, unit: Unit | None, currency: str, kpi: str, expected: str
) -> str:
    code = _SYMBOLS.get(mark, mark.upper())
    if code not in CURRENCIES:
        raise Wrong(f"{quoted(text)} is not an amount", expected)
    if unit not in ("money", None):
        raise Wrong(f"{quoted(text)} is money but {kpi} is not", expected)
    if code != currency:
        raise Wrong(
            f"{quoted(text)} is in {code} but the client's currency is {currency}",
            f"expected an amount in {currency}",
        )
    return code


def fraction(node: Node) -> float:
    """A part of something: 10% or 0.1."""
    return amount(node, "rate", "EUR").value


def number(node: Node) -> float:
    """A positive number without a unit."""
    value = amount(node, "count", "EUR", kpi="this").value
    if value <= 0:
        raise Wrong(f"{quoted(node.text)} is not above zero", "expected a number such as 5000")
    return value


# --- days and periods -------------------------------------------------------------------------


def day(node: Node) -> date:
    expected = "expected a day as year-month-day, such as 2026-10-01"
    text = scalar_text(node, expected)
    if other := re.fullmatch(r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4})", text):
        d, m, y = other.groups()
        raise Wrong(f"{quoted(text)} is not a day", f"write {y}-{int(m):02}-{int(d):02}")
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise Wrong(f"{quoted(text)} is not a day", expected)
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise Wrong(f"{quoted(text)} does not exist", "expected a day of the calendar") from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise Wrong(f"{quoted(text)} is out of range", f"expected a year {FIRST_YEAR}–{LAST_YEAR}")
    return found


def duration(node: Node) -> tuple[int, Literal["day", "week", "month", "quarter", "year"]]:
    expected = "expected a length such as 3 months, 12 weeks or 90 days"
    text = scalar_text(node, expected)
    match = _DURATION.match(text)
    if match is None:
        raise Wrong(f"{quoted(text)} is not a length of time", expected)
    unit = _UNITS.get(match[2].lower())
    if unit is None:
        raise Wrong(f"{quoted(text)} is not a length of time", suggest(match[2], _UNITS, expected))
    return int(match[1]), unit


def days(node: Node) -> int:
    """A number of days: 28d, 4w, 28 days."""
    expected = "expected a number of days such as 28d"
    scalar_text(node, expected)
    try:
        count, unit = duration(node)
    except Wrong as e:
        raise Wrong(e.problem, expected) from None
    total = count * {"day": 1, "week": 7}.get(unit, 0)
    if not 1 <= total <= 400:
        raise Wrong(f"{quoted(node.text)} is not a number of days up to 400", expected)
    return total


def add(start: date, count: int, unit: str) -> date:
    """The day ``count`` units later; the last day of the month where the day does not exist."""
    if unit == "day":
        return start + timedelta(days=count)
    if unit == "week":
        return start + timedelta(weeks=count)
    months = count * {"month": 1, "quarter": 3, "year": 12}[unit]
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    month += 1
    return date(year, month, min(start.day, monthrange(year, month)[1]))


def named_period(node: Node) -> tuple[date, date]:
    """2026-Q4, 2026-10 or 2026 as ``[start, end)``."""
    text = scalar_text(node, PERIOD_EXPECTED)
    match = re.fullmatch(r"([0-9]{4})(?:-?[Qq]([1-4])|-([0-9]{2}))?", text)
    if match is None:
        raise Wrong(f"T (time-bound): {quoted(text)} is not a period", PERIOD_EXPECTED)
    year = int(match[1])
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise Wrong(f"{quoted(text)} is out of range", f"expected a year {FIRST_YEAR}–{LAST_YEAR}")
    if match[2]:
        start = date(year, int(match[2]) * 3 - 2, 1)
        return start, add(start, 3, "month")
    if match[3]:
        if not 1 <= int(match[3]) <= 12:
            raise Wrong(f"T (time-bound): {quoted(text)} is not a month", PERIOD_EXPECTED)
        start = date(year, int(match[3]), 1)
        return start, add(start, 1, "month")
    return date(year, 1, 1), date(year + 1, 1, 1)


# --- names, addresses, secrets ----------------------------------------------------------------


def email(node: Node) -> str:
    expected = "expected an e-mail address such as sanne@example.nl"
    text = scalar_text(node, expected)
    if not _EMAIL.match(text) or ".." in text or len(text) > 254:
        raise Wrong(f"{quoted(text)} is not an e-mail address", expected)
    return text


def sender(node: Node) -> str:
    """An address, with or without a name: ``Koers <koers@example.nl>``."""
    expected = "expected an address such as koers@example.nl or Koers <koers@example.nl>"
    text = scalar_text(node, expected)
    match = re.fullmatch(r"(?:([^<>\r\n]*)<([^<>]*)>|([^<>]*))", text)
    address = (match[2] or match[3] or "") if match else ""
    if not _EMAIL.match(address.strip()):
        raise Wrong(f"{quoted(text)} is not an e-mail address", expected)
    return text


def slack_channel(node: Node) -> str:
    """A channel's id: names change, and uploads know ids alone."""
    expected = "expected a channel's id such as C0123ABCD (Slack shows it in the channel's details)"
    text = scalar_text(node, expected)
    if not re.fullmatch(r"[CGD][A-Z0-9]{2,30}", text):
        raise Wrong(f"{quoted(text)} is not a channel's id", expected)
    return text


def unsubscribe(node: Node) -> str:
    """Where a reader asks for no more mail, as List-Unsubscribe has it."""
    expected = "expected mailto:stop@example.nl or https://…"
    text = scalar_text(node, expected)
    address = text.removeprefix("mailto:").partition("?")[0]
    is_mail = text.startswith("mailto:") and bool(_EMAIL.match(address))
    is_page = re.match(r"https://[^/]", text) is not None
    if not (is_mail or is_page) or not re.fullmatch(r"[!-;=?-~]+", text) or len(text) > 800:
        raise Wrong(f"{quoted(text)} is neither an address nor a page", expected)
    return text


@cache
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError, below
        return False
    except KeyError:
        return False
    return name not in ("localtime", "posixrules", "Factory")


@cache
def _zones() -> list[str]:
    return sorted(available_timezones())


def time_zone(node: Node) -> str:
    expected = "expected a name such as Europe/Amsterdam"
    text = scalar_text(node, expected)
    if not _is_zone(text):
        raise Wrong(
            f"{quoted(text)} is not an IANA time zone",
            suggest(text, _zones(), expected),
        )
    return text


def currency(node: Node) -> str:
    expected = "expected an ISO 4217 code such as EUR"
    text = scalar_text(node, expected)
    if text not in CURRENCIES:
        other = _SYMBOLS.get(text, text.upper())
        near = f'did you mean "{other}"?' if other in CURRENCIES else expected
        raise Wrong(f"{quoted(text)} is not a currency", near)
    return text


def country(node: Node) -> str | None:
    """The country of the public holidays by its ISO 3166 code; None for `none`."""
    expected = "expected a country such as NL, or none"
    text = scalar_text(node, expected)
    if text == "none":
        return None
    if text not in COUNTRIES:
        other = {"UK": "GB", "EL": "GR"}.get(text.upper(), text.upper())
        near = f'did you mean "{other}"?' if other in COUNTRIES else expected
        raise Wrong(f"{quoted(text)} is not a country", near)
    return text


def chance(node: Node) -> float:
    """A probability from 5% to 95%: beyond that nobody can tell them apart."""
    value = fraction(node)
    if not 0.05 <= value <= 0.95:
        raise Wrong(f"{quoted(node.text)} is not a chance to judge by", "expected 5% to 95%")
    return value


_CRON = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    (
        "month",
        1,
        12,
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    ),
    ("weekday", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)


def cron(node: Node) -> str:
    expected = 'expected five fields (minute hour day month weekday) such as "0 6 * * *"'
    text = scalar_text(node, expected)
    parts = text.split()
    if len(parts) != len(_CRON):
        raise Wrong(f"{quoted(text)} has {len(parts)} fields", expected)
    for part, (name, low, high, names) in zip(parts, _CRON, strict=True):
        for piece in part.split(","):
            match = re.fullmatch(r"(\*|\w+(?:-\w+)?)(?:/([0-9]{1,2}))?", piece)
            bounds = [] if match is None or match[1] == "*" else match[1].split("-")
            values = [_cron_value(bound, low, names) for bound in bounds]
            if (
                match is None
                or any(value is None or not low <= value <= high for value in values)
                or (len(values) == 2 and (values[0] or 0) > (values[1] or 0))
                or match[2] in ("0", "00")
            ):
                raise Wrong(f"{quoted(piece)} is no {name} ({low}–{high})", expected)
    return text


def _cron_value(text: str, low: int, names: tuple[str, ...]) -> int | None:
    if text.lower() in names:
        return names.index(text.lower()) + low
    return int(text) if text.isascii() and text.isdigit() else None


def host_port(node: Node) -> str:
    expected = "expected host:port, such as googleads.googleapis.com:443"
    text = scalar_text(node, expected)
    match = _HOST.match(text)
    if match is None or not 1 <= int(match[2]) <= 65535:
        raise Wrong(f"{quoted(text)} is not an address for gRPC", expected)
    return text


def url(node: Node) -> str:
    expected = "expected an https:// address (http:// for 127.0.0.1 only)"
    text = scalar_text(node, expected)
    match = re.fullmatch(
        r"(https?)://(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?(/[^\s]*)?", text
    )
    if match is None:
        raise Wrong(f"{quoted(text)} is not a web address", expected)
    if match[1] == "http" and match[2] not in LOOPBACK:
        raise Wrong(f"{quoted(text)} is not encrypted", expected)
    return text


def folder_url(node: Node) -> str:
    """A folder that people open in a browser, without the slash at its end."""
    expected = "expected the address of a folder, such as https://reports.example.nl/koers"
    text = scalar_text(node, expected)
    if not re.fullmatch(r"https?://[A-Za-z0-9._:\[\]-]+(/[!-;=?-~]*)?", text) or len(text) > 800:
        raise Wrong(f"{quoted(text)} is not a web address", expected)
    if "?" in text or "#" in text:
        raise Wrong(f"{quoted(text)} is a page and not a folder", expected)
    return text.rstrip("/")


def customer_id(node: Node) -> str:
    """A Google Ads customer id: ten digits, dashes dropped."""
    expected = "expected ten digits such as 123-456-7890"
    text = scalar_text(node, expected)
    if not re.fullmatch(r"[0-9]{3}-?[0-9]{3}-?[0-9]{4}", text):
        raise Wrong(f"{quoted(text)} is not a Google Ads customer id", expected)
    return text.replace("-", "")


def property_id(node: Node) -> str:
    """A GA4 property number."""
    expected = "expected the number from Admin › Property details"
    text = scalar_text(node, expected)
    if re.fullmatch(r"G-[A-Z0-9]+", text):
        raise Wrong(f"{quoted(text)} is a measurement id, not a property", expected)
    if re.fullmatch(r"UA-[0-9-]+", text):
        raise Wrong(f"{quoted(text)} is a Universal Analytics id", expected)
    match = re.fullmatch(r"(?:properties/)?([0-9]{1,20})", text)
    if match is None:
        raise Wrong(f"{quoted(text)} is not a GA4 property", expected)
    return match[1]


def site(node: Node) -> str:
    """A Search Console property: ``sc-domain:…`` or a URL that ends with a slash."""
    expected = "expected sc-domain:example.nl or https://www.example.nl/"
    text = scalar_text(node, expected)
    if re.fullmatch(r"sc-domain:[A-Za-z0-9.-]+", text):
        return text
    if re.fullmatch(r"https?://[^\s/]+(/[^\s]*)?", text):
        if not text.endswith("/"):
            raise Wrong(f"{quoted(text)} does not end with a slash", f"write {text}/")
        return text
    raise Wrong(f"{quoted(text)} is not a Search Console property", expected)
