"""Numbers, money, days and names as a reader in nl or en expects them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest

from flows.kpis import Unit
from flows.report import formats
from flows.report.formats import Language
from tests.golden.sample import CTR

S = formats.NBSP


@pytest.mark.parametrize(
    ("value", "unit", "currency", "dutch", "english"),
    [
        (0.047, "rate", None, "4,7%", "4.7%"),
        (0.0034, "rate", None, "0,34%", "0.34%"),
        (1.25, "rate", None, "125,0%", "125.0%"),
        (4.2, "ratio", None, "4,2", "4.2"),
        (0.456, "ratio", None, "0,46", "0.46"),
        (60000, "count", None, "60.000", "60,000"),
        (12.5, "count", None, "12,5", "12.5"),
        (1234.4, "money", "EUR", f"€{S}1.234", "€1,234"),
        (43.049, "money", "EUR", f"€{S}43,05", "€43.05"),
        (-3.456, "money", "GBP", f"£{S}-3,46", "-£3.46"),
        (12, "money", "CHF", f"CHF{S}12,00", f"CHF{S}12.00"),
        (99.5, "money", "JPY", f"JP¥{S}100", "JP¥100"),
        (-0.0000001, "rate", None, "0,00%", "0.00%"),
    ],
)
def test_a_value_is_written_in_its_unit(
    value: float, unit: Unit, currency: str | None, dutch: str, english: str
) -> None:
    assert formats.quantity(value, unit, "nl", currency) == dutch
    assert formats.quantity(value, unit, "en", currency) == english


@pytest.mark.parametrize(
    ("value", "unit", "dutch"),
    [
        (0.03, "rate", "3%"),
        (0.0245, "rate", "2,45%"),
        (4, "ratio", "4"),
        (38, "money", f"€{S}38"),
        (38.5, "money", f"€{S}38,50"),
        (60000, "count", "60.000"),
    ],
)
def test_a_goal_is_as_short_as_it_was_agreed(value: float, unit: Unit, dutch: str) -> None:
    assert formats.quantity(value, unit, "nl", "EUR", is_goal=True) == dutch


@pytest.mark.parametrize("nothing", [None, float("nan"), float("inf"), float("-inf")])
def test_what_is_not_a_number_is_a_dash_and_never_a_zero(nothing: float | None) -> None:
    assert formats.quantity(nothing, "money", "nl", "EUR") == "–"


def test_a_value_gets_the_digits_that_tell_it_from_its_goal() -> None:
    assert formats.value_apart_from(0.0398, [0.04], CTR, "en", None) == "3.98%"
    assert formats.value_apart_from(0.041, [0.04], CTR, "en", None) == "4.1%"
    assert formats.value_apart_from(0.04, [0.04], CTR, "en", None) == "4.0%"


@pytest.mark.parametrize(
    ("language", "told"),
    [("nl", "zondag 1 maart 2026"), ("en", "Sunday 1 March 2026")],
)
def test_a_day_is_written_out(language: Language, told: str) -> None:
    assert formats.weekday(date(2026, 3, 1), language).replace(S, " ") == told


@pytest.mark.parametrize(
    ("start", "end", "dutch"),
    [
        (date(2026, 10, 1), date(2026, 12, 31), "kwartaal 4 2026"),
        (date(2026, 11, 1), date(2026, 11, 30), "november 2026"),
        (date(2026, 1, 1), date(2026, 12, 31), "2026"),
        (date(2026, 2, 1), date(2026, 4, 30), "1 februari – 30 april 2026"),
        (date(2026, 11, 1), date(2026, 11, 19), "1–19 november 2026"),
        (date(2026, 12, 20), date(2027, 1, 5), "20 december 2026 – 5 januari 2027"),
        (date(2026, 11, 1), date(2026, 11, 1), "1 november 2026"),
    ],
)
def test_a_span_of_days_is_told_as_short_as_can_be(start: date, end: date, dutch: str) -> None:
    assert formats.span(start, end, "nl").replace(S, " ") == dutch


def test_a_day_in_a_table_is_short() -> None:
    assert formats.short_day(date(2026, 3, 1), "nl") == f"1{S}mrt{S}2026"
    assert formats.short_day(date(2026, 9, 1), "en") == f"1{S}Sept{S}2026"


def test_missing_days_are_told_as_ranges() -> None:
    days = [date(2026, 10, 19) + timedelta(days=i) for i in range(7)] + [date(2026, 11, 2)]
    told = formats.day_ranges(days, "en").replace(S, " ")
    assert told == "19–25 October 2026, 2 November 2026"
    scattered = [date(2026, 10, day) for day in (1, 3, 5, 7, 9)]
    assert formats.day_ranges(scattered, "en").endswith("7\xa0October\xa02026 …")


def test_a_moment_is_told_on_the_readers_clock() -> None:
    at = datetime(2026, 11, 20, 5, 2, tzinfo=UTC)
    told = formats.moment(at, "Europe/Amsterdam", "nl").replace(S, " ")
    assert told == "20 november 2026, 06:02"


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("ab\u202ecd\u2066ef", "abcdef"),
        ("two\r\nlines\tand\x00nul", "two lines and nul"),
        ("  wide \u3000 spaces ", "wide spaces"),
        ("Z\u0351\u036b\u0343\u036aalgo", "Z\u0351\u036balgo"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("", "–"),
        ("\u202e", "–"),
        ("👩\u200d👧 fiets", "👩\u200d👧 fiets"),
    ],
)
def test_a_name_is_made_fit_for_one_line(hostile: str, harmless: str) -> None:
    assert formats.name(hostile) == harmless


def test_a_name_of_ten_thousand_signs_ends_in_an_ellipsis() -> None:
    told = formats.name("x" * 10_000, 80)
    assert len(told) == 80
    assert told.endswith("x…")


def test_a_cut_name_never_ends_in_half_an_emoji() -> None:
    for limit in range(5, 30):
        told = formats.name("👩\u200d👧\u200d👦" * 40, limit)
        assert told[-2] != "\u200d"


def test_a_long_error_is_told_by_its_first_sentence_and_its_code() -> None:
    long = (
        "Google Ads 4444444444: User doesn't have permission to access customer. Note: If you're"
        " accessing a client customer, the manager's customer id must be set in the header. See"
        " https://developers.google.com/google-ads (USER_PERMISSION_DENIED) [request rTqS]; ask"
    )
    assert formats.problem_text(long) == (
        "Google Ads 4444444444: User doesn't have permission to access customer"
        " (USER_PERMISSION_DENIED)"
    )
    assert formats.problem_text("Quota exceeded (X); wait") == "Quota exceeded (X); wait"
    assert len(formats.problem_text("x" * 9_000)) == 180


def test_a_difference_is_that_of_the_digits_shown() -> None:
    """4.65 to 3.64 is 1.01, which 4.7 and 3.6 would belie."""
    fell = formats.pair(4.65, 3.64, "ratio", "nl")
    assert (fell.before, fell.after, fell.size, fell.change) == ("4,65", "3,64", "1,01", -1.01)
    rose = formats.pair(0.0304, 0.0425, "rate", "nl")
    assert (rose.before, rose.after, rose.size) == ("3,04%", "4,25%", "1,21")
    money = formats.pair(43.60, 39.40, "money", "en", "EUR")
    assert (money.before, money.after, money.size) == ("€43.60", "€39.40", "€4.20")
    assert formats.pair(3.0, 2.0, "ratio", "en").size == "1.0"


def test_the_digits_shown_always_subtract() -> None:
    random = Random(5)
    for _ in range(2_000):
        before, after = random.uniform(0, 12), random.uniform(0, 12)
        told = formats.pair(before, after, "ratio", "en")
        shown = float(told.after) - float(told.before)
        assert abs(shown) == pytest.approx(float(told.size), abs=1e-9)
        assert shown == pytest.approx(told.change, abs=1e-9)


def test_two_values_that_differ_too_little_to_show_are_equal() -> None:
    told = formats.pair(4.0001, 4.0002, "ratio", "en")
    assert told.before == told.after
    assert told.change == 0


def test_a_gap_is_that_of_the_digits_shown() -> None:
    """4.17% beside 3.93% is shown as 4.2% and 3.9%: 0.3, and not the 0.2 that 0.24 rounds to."""
    assert formats.decimals("€ 1.234", "nl") == 0
    assert formats.decimals("€ 43,05", "nl") == 2
    assert formats.decimals("1,234.5%", "en") == 1
    assert formats.gap(0.0417, 0.0393, "rate", "nl", digits=1) == "0,3"
    assert formats.gap(2.76, 4.0, "ratio", "en", digits=1) == "1.2"
    assert formats.gap(43.05, 38.0, "money", "en", "EUR", digits=2) == "€5.05"
    assert formats.gap(2.01, 2.04, "ratio", "en", digits=1) == ""
