from datetime import date
from zoneinfo import ZoneInfo

import pytest

from flows.holiday_days import holiday_days
from flows.literals import COUNTRIES, ZONE_COUNTRIES


def test_the_end_of_a_dutch_year_has_two_days_of_christmas_and_new_years_day() -> None:
    assert holiday_days("NL", date(2026, 11, 1), date(2027, 1, 1)) == {
        date(2026, 12, 25),
        date(2026, 12, 26),
        date(2027, 1, 1),
    }


def test_both_ends_are_included_and_a_day_further_is_not() -> None:
    christmas = date(2026, 12, 25)
    assert holiday_days("NL", christmas, christmas) == {christmas}
    assert holiday_days("NL", date(2026, 12, 20), date(2026, 12, 24)) == frozenset()


def test_holidays_that_move_with_easter_are_known_in_each_year() -> None:
    # Easter Sunday is 20 April 2025 and 5 April 2026
    assert date(2025, 4, 21) in holiday_days("NL", date(2025, 1, 1), date(2026, 12, 31))
    assert date(2026, 4, 6) in holiday_days("NL", date(2025, 1, 1), date(2026, 12, 31))


def test_black_friday_is_no_public_holiday() -> None:
    assert date(2026, 11, 27) not in holiday_days("NL", date(2026, 11, 1), date(2026, 11, 30))


def test_another_country_has_other_days() -> None:
    kings_day = date(2026, 4, 27)
    assert kings_day in holiday_days("NL", kings_day, kings_day)
    assert kings_day not in holiday_days("BE", kings_day, kings_day)


def test_nobody_has_holidays_without_a_country_and_an_unknown_one_is_refused() -> None:
    assert holiday_days(None, date(2026, 1, 1), date(2026, 12, 31)) == frozenset()
    with pytest.raises(ValueError, match="'QQ'"):
        holiday_days("QQ", date(2026, 1, 1), date(2026, 12, 31))


def test_every_country_that_the_configuration_takes_has_holidays() -> None:
    import holidays

    assert set(holidays.list_supported_countries(include_aliases=False)) >= COUNTRIES


def test_the_zones_that_tell_a_country_exist_and_so_do_the_countries() -> None:
    assert all(ZoneInfo(zone) for zone in ZONE_COUNTRIES)
    assert set(ZONE_COUNTRIES.values()) <= COUNTRIES
    assert ZONE_COUNTRIES["Europe/Amsterdam"] == "NL"
    assert ZONE_COUNTRIES["Europe/Brussels"] == "BE"
