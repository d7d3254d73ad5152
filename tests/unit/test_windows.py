from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from connectors.base import DateWindow
from flows.windows import days_between, days_to_backfill, days_to_load, windows_of, within_retention

NOV_20 = date(2026, 11, 20)


def read_next_morning(start: date, end: date) -> dict[date, date]:
    return {day: day + timedelta(days=1) for day in days_between(start, end)}


def test_a_daily_run_reads_the_restatement_window_and_never_today() -> None:
    read = dict.fromkeys(days_between(date(2026, 11, 1), date(2026, 11, 19)), NOV_20)

    days = days_to_load(NOV_20, date(2026, 11, 1), 3, read)

    assert days == [date(2026, 11, 17), date(2026, 11, 18), date(2026, 11, 19)]


def test_days_that_were_never_loaded_are_read_as_well() -> None:
    # the machine was off from the 10th on
    read = dict.fromkeys(days_between(date(2026, 11, 1), date(2026, 11, 9)), date(2026, 11, 20))

    days = days_to_load(NOV_20, date(2026, 11, 1), 3, read)

    assert days == days_between(date(2026, 11, 10), date(2026, 11, 19))


def test_a_day_that_was_read_only_while_it_still_changed_is_read_again() -> None:
    # each was read the next morning; then the machine was off until the 20th
    read = read_next_morning(date(2026, 11, 1), date(2026, 11, 9))

    days = days_to_load(NOV_20, date(2026, 11, 1), 3, read)

    assert days == days_between(date(2026, 11, 1), date(2026, 11, 19))


def test_nothing_is_read_from_before_the_first_day_of_a_client() -> None:
    assert days_to_load(NOV_20, date(2026, 11, 19), 30, {}) == [date(2026, 11, 19)]


def test_a_backfill_goes_on_where_it_was() -> None:
    window = DateWindow(date(2026, 10, 1), date(2026, 10, 4))
    read = dict.fromkeys([date(2026, 10, 1), date(2026, 10, 2)], NOV_20)

    assert days_to_backfill(window, NOV_20, 30, read, force=False) == [
        date(2026, 10, 3),
        date(2026, 10, 4),
    ]
    assert days_to_backfill(window, NOV_20, 30, read, force=True) == list(window.days)


def test_a_backfill_leaves_out_today_and_later() -> None:
    window = DateWindow(date(2026, 11, 18), date(2026, 11, 25))

    days = days_to_backfill(window, NOV_20, 30, {}, force=False)

    assert days == [date(2026, 11, 18), date(2026, 11, 19)]


def test_a_backfill_reads_again_what_may_have_changed_since() -> None:
    window = DateWindow(date(2026, 11, 10), date(2026, 11, 10))
    read = {date(2026, 11, 10): date(2026, 11, 11)}

    assert days_to_backfill(window, NOV_20, 30, read, force=False) == [date(2026, 11, 10)]


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
