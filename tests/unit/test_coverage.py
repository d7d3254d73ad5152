"""Accounts expected beside accounts loaded: silence is never success."""

from __future__ import annotations

from datetime import date

from connectors.base import AccessError, Account, DateWindow, Slice
from connectors.tables import GA4_CAMPAIGN_DAY, GA4_CHANNEL_DAY
from flows.coverage import SILENCE, AccountCoverage, coverage_of, in_words
from flows.pipeline import RunReport
from flows.plan import Found
from flows.summary import run_as_dict, run_in_words
from flows.warehouse import LoadResult

AS_OF = date(2026, 11, 20)
YESTERDAY = date(2026, 11, 19)
SHOP = {("shop", "ga4"): YESTERDAY}


def account(number: str, status: str = "enabled") -> Account:
    problem = AccessError("no permission") if status == "refused" else None
    return Account("ga4", number, status=status, problem=problem)  # type: ignore[arg-type]


def piece(number: str, first: int, last: int, table: object = GA4_CHANNEL_DAY) -> Slice:
    window = DateWindow(date(2026, 11, first), date(2026, 11, last))
    return Slice("shop", table, account(number), window, AS_OF)  # type: ignore[arg-type]


def found(*accounts: Account) -> list[Found]:
    return [Found("shop", "ga4", accounts)]


def test_an_account_is_complete_when_each_day_that_was_to_be_read_is_in() -> None:
    planned = [piece("1", 1, 10), piece("1", 11, 19), piece("1", 1, 19, GA4_CAMPAIGN_DAY)]
    loads = [
        LoadResult(piece("1", 1, 5), "loaded", rows=40),  # read in parts
        LoadResult(piece("1", 6, 10), "empty"),
        LoadResult(planned[1], "loaded", rows=60),
        LoadResult(planned[2], "loaded", rows=500),
    ]
    announced = {planned[1]: 60, planned[2]: 500}
    (told,) = coverage_of(found(account("1")), planned, loads, announced, SHOP)
    assert told == AccountCoverage(
        "shop", "ga4", "1", days_expected=19, days_loaded=19, rows_announced=560, rows_stored=560
    )
    assert told.is_complete


def test_a_day_that_failed_makes_it_incomplete_with_the_reason() -> None:
    planned = [piece("1", 1, 18), piece("1", 19, 19)]
    loads = [
        LoadResult(planned[0], "loaded", rows=1),
        LoadResult(planned[1], "failed", error="the stream broke off"),
    ]
    (told,) = coverage_of(found(account("1")), planned, loads, {}, SHOP)
    assert (told.days_loaded, told.days_expected) == (18, 19)
    assert told.why == "the stream broke off"
    assert told.rows_announced is None


def test_silence_about_an_enabled_account_is_not_success() -> None:
    (told,) = coverage_of(found(account("1")), [], [], {}, SHOP)
    assert told.why == SILENCE
    report = RunReport(
        AS_OF, loads=(LoadResult(piece("2", 1, 1), "loaded", rows=1),), coverage=(told,)
    )
    assert (report.exit_code, report.state) == (1, "completed in part")
    assert f"missing: shop ga4 1: {SILENCE}" in run_in_words(report)


def test_an_account_whose_days_have_not_begun_is_complete() -> None:
    (told,) = coverage_of(found(account("1")), [], [], {}, {("shop", "ga4"): None})
    assert told.is_complete


def test_closed_accounts_do_not_count_and_those_that_refuse_are_missing() -> None:
    told = coverage_of(
        found(account("1"), account("2", "refused"), account("3", "not_enabled")),
        [piece("1", 19, 19)],
        [LoadResult(piece("1", 19, 19), "loaded", rows=3)],
        {},
        SHOP,
    )
    assert [(one.account_id, one.why) for one in told] == [("1", ""), ("2", "no permission")]
    assert in_words(told) == "accounts: 1 of 2 loaded; missing: shop ga4 2"


def test_a_backfill_expects_what_it_planned_and_nothing_else() -> None:
    (told,) = coverage_of(found(account("1")), [], [], {}, {})  # all was in already
    assert (told.is_complete, told.days_expected) == (True, 0)


def test_the_closing_lines_and_the_json_say_it() -> None:
    told = coverage_of(
        found(account("1"), account("2")),
        [piece("1", 19, 19), piece("2", 19, 19)],
        [
            LoadResult(piece("1", 19, 19), "loaded", rows=3),
            LoadResult(piece("2", 19, 19), "failed", error="down"),
        ],
        {piece("1", 19, 19): 3},
        SHOP,
    )
    report = RunReport(AS_OF, coverage=told)
    assert "accounts: 1 of 2 loaded; missing: shop ga4 2" in run_in_words(report)
    assert run_as_dict(report)["coverage"] == [
        {
            "client": "shop",
            "source": "ga4",
            "account_id": "1",
            "days_expected": 1,
            "days_loaded": 1,
            "rows_announced": 3,
            "rows_stored": 3,
            "why": None,
            "complete": True,
        },
        {
            "client": "shop",
            "source": "ga4",
            "account_id": "2",
            "days_expected": 1,
            "days_loaded": 0,
            "rows_announced": None,
            "rows_stored": 0,
            "why": "down",
            "complete": False,
        },
    ]
    assert "accounts:" not in run_in_words(RunReport(AS_OF))


def test_a_backfill_of_days_that_are_in_fails_in_part_when_one_account_refuses() -> None:
    refusing = account("2", "refused")
    entry = LoadResult(Slice("shop", GA4_CHANNEL_DAY, refusing, DateWindow(YESTERDAY, YESTERDAY)),
                       "refused", error="no permission")  # fmt: skip
    told = coverage_of(found(account("1"), refusing), [], [entry], {}, {})
    errors = (AccessError("no permission"),)

    assert RunReport(AS_OF, loads=(entry,), errors=errors, coverage=told).exit_code == 1
    assert RunReport(AS_OF, loads=(entry,), errors=errors, coverage=told[1:]).exit_code == 3
