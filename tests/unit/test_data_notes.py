"""What a vendor says of its data, and what part of it a table holds: kept, then told in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb
import pytest

from flows.readings import all_source_states
from flows.report import words
from flows.report.model import Covered, SourceState
from flows.warehouse import prepare

AS_OF = date(2026, 11, 20)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        prepare(connection)
        connection.execute(
            "insert into ops.accounts (client, source, account_id, account_name, status) values "
            "('shop', 'ga4', '9', 'Shop', 'enabled'), ('shop', 'google_ads', '1', 'Ads', 'enabled')"
        )
        yield connection


def note(connection: duckdb.DuckDBPyConnection, source: str, account: str, **told: Any) -> None:
    connection.execute(
        "insert into ops.loads (client, source, account_id, table_name, outcome, window_start, "
        "window_end, metadata) values ('shop', ?, ?, 'x', 'loaded', '2026-11-18', '2026-11-19', ?)",
        [source, account, json.dumps(told)],
    )


def state(connection: duckdb.DuckDBPyConnection, source: str) -> SourceState:
    (found,) = (
        s for s in all_source_states(connection, ["shop"], AS_OF)["shop"] if s.source == source
    )
    return found


@pytest.mark.parametrize(
    ("told", "key", "english", "dutch"),
    [
        ({"data_loss_from_other_row": True}, "other_row", "“(other)”", "‘(other)’"),
        ({"subject_to_thresholding": True}, "thresholded", "for privacy", "om hun privacy"),
        (
            {"sampling_metadatas": [{"samples_read_count": 5, "sampling_space_size": 9}]},
            "sampled",
            "from a sample",
            "uit een steekproef",
        ),
        ({"data_truncation_reasons": ["X"]}, "row_limit", "rows is missing", "rijen ontbreekt"),
        ({"days_at_row_limit": ["2026-11-19"]}, "row_limit", "only so many", "geeft er niet meer"),
        ({"moments_at_row_limit": ["2026-11-19 10:00:00"]}, "row_limit", "only so", "niet meer"),
    ],
)
def test_what_ga4_and_the_others_say_of_their_data_is_told_in_both_languages(
    connection: duckdb.DuckDBPyConnection,
    told: dict[str, Any],
    key: str,
    english: str,
    dutch: str,
) -> None:
    note(
        connection,
        "ga4",
        "9",
        **{"data_loss_from_other_row": False, "sampling_metadatas": []} | told,
    )
    assert state(connection, "ga4").notes == (key,)
    assert english in words.note(key, "en")
    assert dutch in words.note(key, "nl")


def test_data_of_which_nothing_was_said_has_no_note(connection: duckdb.DuckDBPyConnection) -> None:
    note(connection, "ga4", "9", subject_to_thresholding=False, days_at_row_limit=[])
    assert state(connection, "ga4").notes == ()


def test_what_a_table_holds_is_that_of_four_weeks_together(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    assert state(connection, "google_ads").covered == ()  # the models are not built yet
    connection.execute("create schema if not exists marts")
    connection.execute(
        "create table marts.table_coverage_day as select * from (values "
        "('shop', 'google_ads', '1', date '2026-11-01', 'keyword_day', 'clicks', 30.0, 40.0), "
        "('shop', 'google_ads', '1', date '2026-11-19', 'keyword_day', 'clicks', 20.0, 60.0), "
        "('shop', 'google_ads', '1', date '2026-11-19', 'keyword_day', 'cost', 1.0, 60.0), "
        # too long ago, today, and another client's
        "('shop', 'google_ads', '1', date '2026-10-20', 'keyword_day', 'clicks', 0.0, 900.0), "
        "('shop', 'google_ads', '1', date '2026-11-20', 'keyword_day', 'clicks', 0.0, 900.0), "
        "('other', 'google_ads', '1', date '2026-11-19', 'keyword_day', 'clicks', 0.0, 900.0), "
        # a day without clicks has no share
        "('shop', 'google_ads', '1', date '2026-11-19', 'hour_day', 'clicks', 0.0, 0.0)) as t "
        "(client, source, account_id, date_day, grain, measure, in_table, in_account)"
    )
    # 50 of 100, and not the mean of 75% and 33%
    assert state(connection, "google_ads").covered == (Covered("keyword_day", "clicks", 0.5),)


def test_a_table_that_holds_all_is_not_told_and_withheld_searches_have_their_own_sentence() -> None:
    covered = (
        Covered("hour_day", "clicks", 0.9999),
        Covered("keyword_day", "clicks", 0.637),
        Covered("query_day", "clicks", 0.62),
        Covered("item_day", "revenue", 0.94),
    )
    assert words.coverage(covered, "en") == [
        "In the last four weeks 38% of the clicks came from searches so rare that Google does not "
        "tell them.",
        "Of the clicks of the last four weeks the finer tables hold a part: keywords 64%. Totals "
        "are complete.",
        "Of the revenue of the last four weeks the finer tables hold a part: items 94%. Totals are "
        "complete.",
    ]
    assert words.coverage(covered[1:2], "nl") == [
        "Van de klikken van de laatste vier weken bevatten de fijnere tabellen een deel: "
        "zoekwoorden 64%. De totalen zijn compleet."
    ]
    assert words.coverage(covered[:1], "nl") == []


def test_every_table_that_is_compared_has_a_name_in_both_languages() -> None:
    from tests.sql.cases import SQL

    sql = (SQL / "marts" / "table_coverage_day.sql").read_text()
    values = sql[sql.index("values") : sql.index(") as compared")]
    grains = {line.split("'")[3] for line in values.splitlines() if "'" in line} - {"query_day"}
    assert grains == set(words.GRAIN)
    assert all(set(named) == {"en", "nl"} for named in words.GRAIN.values())
