"""A client that lists tables in its file gets them: loaded, modelled, checked, with history."""

from __future__ import annotations

import re
from datetime import date

import pytest

from connectors.tables import ALL, GA4_USERS_MONTH, GSC_DISCOVER_DAY, GSC_NEWS_DAY
from tests.e2e.morning import CLIENTS, DEMO_DAY, Project, SandboxProcess

ON_REQUEST = [table for table in ALL if table.optional]
# the shops are in neither, and no month ends on these days
NOWHERE = (GSC_DISCOVER_DAY, GSC_NEWS_DAY, GA4_USERS_MONTH)
# the campaign "Black Friday 2026" ended on 30 November
AFTER_BLACK_FRIDAY = date(2026, 12, 2)


def ask_for(project: Project, tables: str) -> None:
    for client in CLIENTS:
        path = project.client_file(client)
        pattern = r"(?m)^(  (?:google_ads|ga4|search_console): \{[^}]*)\}"
        text, count = re.subn(pattern, rf"\1, tables: {tables}}}", path.read_text())
        assert count == 3
        path.write_text(text)


def rows_in(project: Project, schema: str) -> dict[str, int]:
    return {
        table.name: project.rows(f"select count(*) from {schema}.{table.name}")[0][0]
        for table in ON_REQUEST
    }


def test_without_a_list_nothing_but_the_default_tables_is_asked_for(loaded: Project) -> None:
    assert set(rows_in(loaded, "raw").values()) == {0}
    asked = {name for (name,) in loaded.rows("select distinct table_name from ops.loads")}
    assert asked == {table.name for table in ALL if not table.optional}


def test_tables_on_request_load_and_hold_no_more_than_their_campaigns(
    project: Project, vendors: SandboxProcess
) -> None:
    ask_for(project, "all")
    days = ("--from", "2026-11-10", "--to", "2026-11-19")
    told = project.here("backfill", "--direct", *days, "--as-of", str(DEMO_DAY))
    # Fietsgoed België refuses, as ever
    assert told.code == 1
    found = rows_in(project, "raw")
    assert {name for name, count in found.items() if not count} == {t.name for t in NOWHERE}

    # what the check looks for is not there, and what it compares is
    assert "no_grain_exceeds_its_campaign" not in told.out
    ((hours, campaigns),) = project.rows(
        "select (select sum(cost) from staging.stg_google_ads__hour_day), "
        "(select sum(cost) from staging.stg_google_ads__campaign_day "
        "where date_day >= date '2026-11-10')"
    )
    assert hours == pytest.approx(campaigns)
    assert hours > 0

    # the report says of which tables a part of the account is missing
    project.here("report", "--as-of", str(DEMO_DAY))
    said = "Van de klikken van de laatste vier weken bevatten de fijnere tabellen een deel: "
    assert re.search(rf"{said}advertenties \d\d%, .*zoekwoorden \d\d%", project.report("fietsgoed"))
    # one event a row, and users of the week that ended on one of these days
    assert project.rows(
        "select distinct period_start, date_day from staging.stg_ga4__users_week"
    ) == [(date(2026, 11, 9), date(2026, 11, 15))]

    vendors.set_as_of(AFTER_BLACK_FRIDAY)
    days = ("--from", "2026-12-01", "--to", "2026-12-01")
    project.here("backfill", "--direct", *days, "--as-of", str(AFTER_BLACK_FRIDAY))
    versions = (
        "select campaign_status from {}.google_ads__campaign where campaign_name like '%Black%'"
    )
    assert project.rows(versions.format("history")) == [("ENABLED",)]
    assert project.rows(versions.format("raw")) == [("PAUSED",)]

    # what was set on a day: the budget of a campaign was raised on 24 November, between the two
    budgets = (
        "select valid_from, valid_to, budget_amount, target_roas from marts.campaign_attributes "
        "where campaign_id = '20200011' order by valid_from"
    )
    assert project.rows(budgets) == [
        (DEMO_DAY, AFTER_BLACK_FRIDAY, 90, 2.4),
        (AFTER_BLACK_FRIDAY, None, 120, 2.4),
    ]
    # and when it was changed, by what means
    changes = (
        "select date_day, client_type, old_target_roas, new_target_roas from "
        "staging.stg_google_ads__change_event where campaign_id = '20200011' and operation = "
        "'UPDATE' and new_target_roas is not null"
    )
    web = "GOOGLE_ADS_WEB_CLIENT"
    assert project.rows(changes) == [(date(2026, 11, 13), web, 4.0, 2.4)]
