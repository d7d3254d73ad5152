from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from connectors.base import DateWindow
from flows.windows import days_between, days_to_load, windows_of, within_retention

NOV_20 = date(2026, 11, 20)


def test_a_daily_run_reads_the_restatement_window_and_never_today() -> None:
    days = days_to_load(NOV_20, date(2026, 11, 1), 3, [DateWindow(date(2026, 11, 1), NOV_20)])

    assert days == [date(2026, 11, 17), date(2026, 11, 18), date(2026, 11, 19)]


def test_days_that_were_never_loaded_are_read_as_well() -> None:
    loaded = [DateWindow(date(2026, 11, 1), date(2026, 11, 9))]  # the machine was off after that

    days = days_to_load(NOV_20, date(2026, 11, 1), 3, loaded)

    assert days == days_between(date(2026, 11, 10), date(2026, 11, 19))


def test_neighbouring_days_share_a_window_up_to_its_longest() -> None:
    days = [*days_between(date(2026, 1, 1), date(2026, 1, 5)), date(2026, 1, 9)]

    assert windows_of(days, 3) == [
        DateWindow(date(2026, 1, 1), date(2026, 1, 3)),
        DateWindow(date(2026, 1, 4), date(2026, 1, 5)),
        DateWindow(date(2026, 1, 9), date(2026, 1, 9)),
    ]


def test_days_that_the_api_no_longer_has_are_told_apart() -> None:
    days = days_between(date(2026, 11, 10), date(2026, 11, 13))

    asked, too_old = within_retention(days, NOV_20, 8)

    assert asked == [date(2026, 11, 12), date(2026, 11, 13)]
    assert too_old == [date(2026, 11, 10), date(2026, 11, 11)]


@given(
    st.sets(st.integers(0, 60).map(lambda n: date(2026, 1, 1) + timedelta(days=n))),
    st.integers(1, 40),
)
def test_windows_hold_every_day_once_and_no_other(days: set[date], most: int) -> None:
    windows = windows_of(days, most)

    assert [day for window in windows for day in window.days] == sorted(days)
    assert all(len(window.days) <= most for window in windows)
