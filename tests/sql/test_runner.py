"""The runner itself: what it refuses, what it leaves in place, what its checks find."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.tables import ALL
from flows.models import (
    CheckResult,
    ModelError,
    SqlModel,
    build,
    load_checks,
    load_models,
    run_checks,
)
from tests.sql.cases import SQL, insert, open_empty, read, shared_empty

RAW = "raw.search_console__site_day"
STAGING = f"select client, account_id, date_day, clicks from {RAW}\n"


def write(
    folder: Path,
    name: str,
    sql: str,
    columns: str = "client, clicks",
    grain: str = "client",
    more: str = "",
) -> None:
    """A model file with its `.yaml`; ``name`` is ``layer/model``."""
    path = folder / f"{name}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(sql)
    listed = "".join(f"  {one.strip()}: {{unit: u, means: m}}\n" for one in columns.split(","))
    path.with_suffix(".yaml").write_text(
        f"sentence: What it holds.\ngrain: [{grain}]\n{more}columns:\n{listed}"
    )


def write_staging(folder: Path) -> None:
    write(
        folder,
        "staging/stg_search_console__site_day",
        STAGING,
        "client, account_id, date_day, clicks",
        "client, account_id, date_day",
    )


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as told:
        load_models(folder)
    return str(told.value)


# --- loading ----------------------------------------------------------------------------------


def test_each_model_comes_after_what_it_reads(tmp_path: Path) -> None:
    write_staging(tmp_path)
    write(tmp_path, "marts/a_day", "select client, clicks from marts.b_day")
    write(tmp_path, "marts/b_day", "select client, clicks from marts.c_day")
    stg = "staging.stg_search_console__site_day"
    write(tmp_path, "marts/c_day", f"select client, clicks from {stg}")

    names = [model.name for model in load_models(tmp_path)]

    assert names == [stg, "marts.c_day", "marts.b_day", "marts.a_day"]


def test_a_table_on_request_says_what_it_covers_what_adds_up_and_its_traps() -> None:
    for table in (table for table in ALL if table.optional):
        told = read(SQL / "staging" / f"stg_{table.name}.yaml")
        assert told["covers"] == table.covers
        assert told["adds_up"] and told["traps"]


def test_our_own_models_load_in_a_working_order() -> None:
    seen: set[str] = set()
    for model in load_models(SQL):
        stored = ("raw.", "history.", "ops.")
        ours = {read for read in model.reads if not read.startswith(stored)}
        assert ours <= seen, model.name
        seen.add(model.name)
    assert {"marts.paid_media_day", "kpis.cac"} <= seen


def test_a_circle_is_named_in_full(tmp_path: Path) -> None:
    write(tmp_path, "marts/a_day", "select client, clicks from marts.b_day")
    write(tmp_path, "marts/b_day", "select client, clicks from marts.c_day")
    write(tmp_path, "marts/c_day", "select client, clicks from marts.a_day")

    told = refusal(tmp_path)

    circles = [
        "marts.a_day reads marts.b_day reads marts.c_day reads marts.a_day",
        "marts.b_day reads marts.c_day reads marts.a_day reads marts.b_day",
        "marts.c_day reads marts.a_day reads marts.b_day reads marts.c_day",
    ]
    assert "circle" in told and any(circle in told for circle in circles)
    assert told.startswith(str(tmp_path / "marts"))


@pytest.mark.parametrize(
    ("name", "sql", "says"),
    [
        ("marts/a_day", f"select client, clicks from {RAW}", f"may not read {RAW}"),
        (
            "staging/stg_search_console__site_day",
            f"select client, clicks from {RAW} union all "
            f"select client, clicks from {RAW.replace('raw', 'history')}",
            "with _version at its end the history of it too",
        ),
        ("intermediate/int_a", f"select client, clicks from {RAW}", f"may not read {RAW}"),
        (
            "staging/stg_ga4__channel_day",
            f"select client, clicks from {RAW}",
            "reads raw.<source>__<grain> and no other raw table",
        ),
        (
            "staging/site_day",
            f"select client, clicks from {RAW}",
            "a staging model stg_<source>__<grain>",
        ),
        (
            "staging/stg_search_console__site_day",
            f"select a.client, b.clicks from {RAW} as a, raw.search_console__page_day as b",
            "no other raw table",
        ),
        ("intermediate/a", "select client, 1 as clicks from ops.clients", "begins with int_"),
    ],
)
def test_a_layer_reads_only_what_it_may(tmp_path: Path, name: str, sql: str, says: str) -> None:
    write(tmp_path, name, sql)
    told = refusal(tmp_path)
    assert says in told
    assert str(tmp_path / f"{name}.sql") in told


def test_a_kpi_may_not_read_staging(tmp_path: Path) -> None:
    write_staging(tmp_path)
    write(
        tmp_path,
        "kpis/clicks",
        "select client, date_day, clicks as numerator, null as denominator "
        "from staging.stg_search_console__site_day",
        "client, date_day, numerator, denominator",
        more="kpi: {dimensions: [], currency: false}\n",
    )
    assert "may not read staging.stg_search_console__site_day, only intermediate" in refusal(
        tmp_path
    )


def test_a_kpi_has_the_shape_that_evaluations_read(tmp_path: Path) -> None:
    write(
        tmp_path,
        "kpis/clicks",
        "select client, 1 as numerator from ops.clients",
        "client, numerator",
        more="kpi: {dimensions: [source], currency: true}\n",
    )
    expected = "client, date_day, source, currency_code, numerator, denominator, in that order"
    assert expected in refusal(tmp_path)


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (
            "select client, clicks from staging.stg_search_console__sit_day",
            'did you mean "staging.stg_search_console__site_day"?',
        ),
        (
            "select client, clicks from stg_search_console__site_day",
            'has no schema; did you mean "staging.stg_search_console__site_day"?',
        ),
        ("select client, clicks from stagin.stg_x", "there is no schema stagin"),
        ("select client, clicks from other.main.stg_x", "in another database"),
        ("select client, clicks from 'clicks.csv'", "has no schema"),
        ("select client, 1 as clicks from read_csv('clicks.csv')", "read_csv reads from outside"),
        ("select client, 1 as clicks from glob('*')", "glob reads from outside"),
        ("select client, 1 as clicks from sqlite_scan('a', 'b')", "from outside the warehouse"),
        ("select client, 1 as clicks from duckdb_tables()", "from outside the warehouse"),
        ("select client, getenv('HOME') as clicks from ops.clients", "getenv reads from outside"),
        ("select client, current_date as clicks from ops.clients", "current_date gives another"),
        ("select client, now() as clicks from ops.clients", "gives another answer"),
        ("select client, today() as clicks from ops.clients", "gives another answer"),
        ("select client, random() as clicks from ops.clients", "gives another answer"),
        ("select client, uuid() as clicks from ops.clients", "gives another answer"),
        ("select client, age(date '2026-01-01') as clicks from ops.clients", "rests on the clock"),
        ("select client, 1 as clicks from ops.clients using sample 5", "sample"),
        ("select client, 1 as clicks from ops.clients; select 2", "exactly one select"),
        ("create table marts.x as select 1 as clicks", "exactly one select"),
        ("delete from ops.clients", "exactly one select"),
        ("", "exactly one select"),
        ("select client, from from", "cannot be read as SQL"),
        ("select * from ops.clients", "instead of *"),
        ("select client from ops.clients", 'columns: "clicks" is not selected'),
        ("select client, 1 as clicks, 2 as click from ops.clients", '"click" of the select'),
        ("select 1 as clicks, client from ops.clients", "the order of the select"),
        ("select client, 1 as clicks, 2 as clicks from ops.clients", "selects clicks twice"),
    ],
)
def test_a_model_that_cannot_be_trusted_is_refused(tmp_path: Path, sql: str, says: str) -> None:
    write_staging(tmp_path)
    write(tmp_path, "marts/a_day", sql)

    told = refusal(tmp_path)

    assert says in told
    assert all(line.startswith(str(tmp_path / "marts/a_day.")) for line in told.splitlines())


def test_a_column_called_like_a_forbidden_function_is_fine(tmp_path: Path) -> None:
    write_staging(tmp_path)
    write(
        tmp_path,
        "marts/a_day",
        "with today as (select client, clicks from staging.stg_search_console__site_day) "
        "select client, sum(clicks) as clicks from today group by all",
    )
    assert [model.name for model in load_models(tmp_path)][-1] == "marts.a_day"


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        (None, "there is no a_day.yaml beside it"),
        ("", "expected a mapping"),
        ("grain: [client]\ncolumns: {client: {unit: u, means: m}}\n", "sentence: expected"),
        ("sentence: S.\ncolumns: {client: {unit: u, means: m}}\n", "grain: expected"),
        (
            "sentence: S.\ngrain: [clint]\ncolumns: {client: {unit: u, means: m}}\n",
            '"clint" is not one of the columns; did you mean "client"?',
        ),
        ("sentence: S.\ngrain: [client]\ncolumns: {client: {unit: u}}\n", "{unit: …, means: …}"),
        (
            "sentence: S.\ngrain: [client]\nmaterialised: view\n"
            "columns: {client: {unit: u, means: m}}\n",
            'unknown key "materialised"; did you mean "materialized"?',
        ),
        (
            "sentence: S.\ngrain: [client]\nmaterialized: index\n"
            "columns: {client: {unit: u, means: m}}\n",
            "expected view or table",
        ),
        (
            "sentence: S.\ngrain: [client]\ncovers: [all]\n"
            "columns: {client: {unit: u, means: m}}\n",
            "covers: expected a sentence",
        ),
        (
            "sentence: S.\ngrain: [client]\ntraps: mind the gap\n"
            "columns: {client: {unit: u, means: m}}\n",
            "traps: expected a list of sentences",
        ),
        ("sentence: S.\ngrain: [client]\ngrain: [client]\n", "duplicate key"),
    ],
)
def test_what_the_yaml_lacks_is_said(tmp_path: Path, yaml: str | None, says: str) -> None:
    write(tmp_path, "marts/a_day", "select client from ops.clients", "client")
    path = tmp_path / "marts/a_day.yaml"
    path.unlink()
    if yaml is not None:
        path.write_text(yaml)
    assert says in refusal(tmp_path)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, "marts/a_day", "select client, now() as clicks from ops.clients")
    write(tmp_path, "marts/b_day", f"select client, clicks from {RAW}")
    (tmp_path / "marts/c_day.yaml").write_text("sentence: S.\n")

    told = refusal(tmp_path)

    assert [name for name in ("a_day.sql", "b_day.sql", "c_day.sql") if name in told] == [
        "a_day.sql",
        "b_day.sql",
        "c_day.sql",
    ]


# --- building ---------------------------------------------------------------------------------


def one_day(clicks: int) -> dict[str, list[dict[str, Any]]]:
    row = {"client": "a", "account_id": "s", "date_day": "2026-10-01", "clicks": clicks}
    return {RAW: [row]}


def clicks_of(connection: duckdb.DuckDBPyConnection, relation: str) -> list[Any]:
    return [row[0] for row in connection.execute(f"select clicks from {relation}").fetchall()]


def test_a_failing_model_leaves_the_old_ones_in_place(tmp_path: Path) -> None:
    connection = open_empty()
    stg = "staging.stg_search_console__site_day"
    write_staging(tmp_path)
    write(tmp_path, "marts/a_day", f"select client, clicks from {stg}")
    write(tmp_path, "marts/b_day", "select client, clicks from marts.a_day")
    insert(connection, one_day(1))
    build(connection, load_models(tmp_path))

    connection.execute(f"update {RAW} set clicks = 2")
    write(tmp_path, "marts/a_day", f"select client, clicks * 10 as clicks from {stg}")
    write(tmp_path, "marts/b_day", "select client, clicks + nothing as clicks from marts.a_day")
    with pytest.raises(ModelError) as told:
        build(connection, load_models(tmp_path))

    assert str(tmp_path / "marts/b_day.sql") in str(told.value)
    assert "nothing" in str(told.value) and "Nothing was changed" in str(told.value)
    assert clicks_of(connection, "marts.a_day") == [1]
    assert clicks_of(connection, "marts.b_day") == [1]
    # and the connection is ready for the next one
    write(tmp_path, "marts/b_day", "select client, clicks from marts.a_day")
    build(connection, load_models(tmp_path))
    assert clicks_of(connection, "marts.b_day") == [20]


def test_a_table_may_become_a_view_and_back(tmp_path: Path) -> None:
    connection = open_empty()
    write_staging(tmp_path)
    sql = "select client, clicks from staging.stg_search_console__site_day"
    insert(connection, one_day(1))
    found = []
    for materialized in ("table", "view", "table"):
        write(tmp_path, "marts/a_day", sql, more=f"materialized: {materialized}\n")
        report = build(connection, load_models(tmp_path))
        found.append((report.models[-1].materialized, report.models[-1].rows))
        assert clicks_of(connection, "marts.a_day") == [1]
    assert found == [("table", 1), ("view", None), ("table", 1)]


def test_building_twice_changes_nothing_and_what_no_file_makes_is_told(tmp_path: Path) -> None:
    connection = open_empty()
    write_staging(tmp_path)
    insert(connection, one_day(1))
    connection.execute("create table marts.my_own as select 1 as clicks")
    for _ in range(2):
        report = build(connection, load_models(tmp_path))
    assert report.leftovers == ("marts.my_own",)
    assert clicks_of(connection, "marts.my_own") == [1]
    assert clicks_of(connection, "staging.stg_search_console__site_day") == [1]


# --- checks -----------------------------------------------------------------------------------


@cache
def models() -> tuple[SqlModel, ...]:
    return load_models(SQL)


ADS = {
    "client": "fietsgoed",
    "account_id": "1111111111",
    "date_day": "2026-10-01",
    "campaign_id": "11",
    "campaign_name": "Merk",
    "campaign_status": "ENABLED",
    "channel_type": "SEARCH",
    "device": "MOBILE",
    "network": "SEARCH",
    "currency_code": "EUR",
    "impressions": 1000,
    "clicks": 50,
    "cost_micros": 25_000_000,
    "conversions": 2.0,
    "conversions_value": 100.0,
}
ACCOUNT = {
    key: ADS[key]
    for key in (
        *("client", "account_id", "date_day", "currency_code", "impressions", "clicks"),
        *("cost_micros", "conversions", "conversions_value"),
    )
}
CHANNEL = {
    "client": "fietsgoed",
    "account_id": "311111111",
    "date_day": "2026-10-01",
    "session_default_channel_group": "Direct",
    "currency_code": "EUR",
    "sessions": 40,
    "key_events": 3.0,
    "transactions": 2,
    "purchase_revenue": 90.0,
    "first_time_purchasers": 1,
}
SITE = {
    "client": "fietsgoed",
    "account_id": "sc-domain:fietsgoed.example",
    "date_day": "2026-10-01",
    "clicks": 30,
    "impressions": 900,
    "position": 7.0,
    "is_provisional": False,
}
GOOD: dict[str, list[dict[str, Any]]] = {
    "ops.clients": [{"client": "fietsgoed", "currency": "EUR", "conversion": "purchases"}],
    "raw.google_ads__campaign_day": [ADS],
    "raw.google_ads__account_day": [ACCOUNT],
    "raw.ga4__channel_day": [CHANNEL],
    "raw.search_console__site_day": [SITE],
}


def failed(
    extra: dict[str, list[dict[str, Any]]] | None = None,
    before: str = "select 1",
    after: str = "select 1",
) -> dict[str, CheckResult]:
    """The checks that fail after planting something before or after the build."""
    connection = shared_empty()
    insert(connection, GOOD)
    insert(connection, extra or {})
    connection.execute(before)
    build(connection, models())
    connection.execute(after)
    return {c.name: c for c in run_checks(connection, SQL, models()) if not c.passed}


def test_good_data_passes_every_check() -> None:
    assert failed() == {}


def test_checks_have_names_of_their_own_and_sentences() -> None:
    connection = open_empty()
    build(connection, models())
    results = run_checks(connection, SQL)
    assert len({check.name for check in results}) == len(results)
    assert all(check.sentence.endswith(".") for check in results)
    assert len(results) > len(load_checks(SQL, models()))


@pytest.mark.parametrize(
    ("before", "check", "severity"),
    [
        (
            "insert into raw.google_ads__campaign_day from raw.google_ads__campaign_day",
            "staging.stg_google_ads__campaign_day.unique_grain",
            "error",
        ),
        (
            "update raw.google_ads__campaign_day set device = null",
            "marts.paid_media_day.known_grain",
            "error",
        ),
        (
            "update raw.google_ads__campaign_day set device = 'FRIDGE'",
            "marts.paid_media_day.accepted_device",
            "warn",
        ),
        (
            "update raw.google_ads__campaign_day set cost_micros = -1",
            "marts.paid_media_day.at_least_cost",
            "error",
        ),
        (
            "update raw.google_ads__campaign_day set conversions_value = 'nan'::double",
            "paid_media_day_equals_raw",
            "error",
        ),
        (
            "update raw.google_ads__campaign_day set currency_code = null",
            "one_currency_per_account",
            "warn",
        ),
        (
            "update raw.google_ads__account_day set clicks = 51",
            "campaign_totals_equal_account_totals",
            "warn",
        ),
        (
            "delete from raw.google_ads__campaign_day",
            "campaign_totals_equal_account_totals",
            "warn",
        ),
        (
            "update ops.clients set conversion = 'generate_laed'",
            "the_clients_conversion_is_measured",
            "warn",
        ),
        # 2% more clicks than the campaign had
        (
            "insert into raw.google_ads__hour_day (client, account_id, date_day, campaign_id, "
            "hour, clicks) select client, account_id, date_day, campaign_id, 9, "
            "sum(clicks) * 1.02 from raw.google_ads__campaign_day group by all",
            "no_grain_exceeds_its_campaign",
            "warn",
        ),
        ("delete from ops.clients", "every_client_is_configured", "warn"),
        (
            "insert into raw.search_console__site_day select * replace "
            "('https://www.fietsgoed.example/' as account_id) from raw.search_console__site_day",
            "no_site_counted_twice",
            "warn",
        ),
    ],
)
def test_a_fault_in_raw_is_found(before: str, check: str, severity: str) -> None:
    found = failed(before=before)
    assert check in found
    assert found[check].severity == severity
    assert found[check].by_client == (("fietsgoed", 1),)


@pytest.mark.parametrize(
    ("after", "check"),
    [
        ("delete from marts.paid_media_day", "paid_media_day_equals_raw"),
        ("update marts.paid_media_day set cost = cost + 0.000001", "paid_media_day_equals_raw"),
        ("update marts.paid_media_day set clicks = clicks + 1", "paid_media_day_equals_raw"),
        (
            "update marts.paid_media_day set conversions = conversions + 0.01",
            "paid_media_day_equals_raw",
        ),
        (
            "insert into marts.paid_media_day from marts.paid_media_day",
            "marts.paid_media_day.unique_grain",
        ),
        ("update marts.site_channel_day set sessions = 41", "site_channel_day_equals_raw"),
        ("update marts.site_channel_day set revenue = null", "site_channel_day_equals_raw"),
        ("update marts.organic_search_day set clicks = 31", "organic_search_day_equals_raw"),
        ("update marts.organic_search_day set clicks = 31", "organic_kpis_equal_site_totals"),
        (
            "update marts.site_channel_day set first_time_purchasers = 2",
            "cac_counts_purchasers_once",
        ),
        (
            "create or replace view kpis.cac as select client, date_day, currency_code, "
            "cost / 2 as numerator, 1 as denominator from marts.paid_media_day",
            "cac_holds_all_cost",
        ),
        (
            "create or replace view kpis.organic_clicks as select client, date_day, source, "
            "account_id, clicks - 5 as numerator, null as denominator "
            "from marts.organic_search_day",
            "organic_kpis_equal_site_totals",
        ),
    ],
)
def test_a_fault_of_a_model_is_found(after: str, check: str) -> None:
    found = failed(after=after)
    assert check in found
    assert found[check].severity == "error"
    assert found[check].violations == 1


def test_a_key_event_outside_the_channels_is_found() -> None:
    event = {
        "client": "fietsgoed",
        "account_id": "311111111",
        "date_day": "2026-10-01",
        "session_default_channel_group": "Email",
        "event_name": "generate_lead",
        "key_events": 3.0,
    }
    found = failed(
        {"raw.ga4__key_event_day": [event]},
        before="update ops.clients set conversion = 'generate_lead'",
    )
    assert "every_key_event_is_in_its_channel" in found


def test_e_mail_and_conversion_actions_are_held_against_raw_too() -> None:
    campaign = {
        "client": "fietsgoed",
        "account_id": "311111111",
        "date_day": "2026-10-01",
        "session_source": "nieuwsbrief",
        "session_medium": "email",
        "session_campaign_name": "herfst",
        "sessions": 9,
    }
    action = {
        **{key: ADS[key] for key in ("client", "account_id", "date_day", "campaign_id")},
        "conversion_action_id": "5",
        "conversions": 2.0,
    }
    extra = {
        "raw.ga4__campaign_day": [campaign],
        "raw.google_ads__conversion_action_day": [action],
    }
    assert failed(extra) == {}
    assert "email_campaign_day_equals_raw" in failed(
        extra, after="delete from marts.email_campaign_day"
    )
    assert "paid_conversion_action_day_equals_raw" in failed(
        extra, after="update marts.paid_conversion_action_day set conversions = 3"
    )


def test_a_hair_between_campaigns_and_account_is_let_pass() -> None:
    big = "set impressions = 1000000, clicks = 50000"
    before = (
        f"update raw.google_ads__campaign_day {big}; update raw.google_ads__account_day {big};"
        "update raw.google_ads__account_day set clicks = 50010"
    )
    assert failed(before=before) == {}


def test_a_failed_check_shows_rows_and_says_so() -> None:
    check = failed(after="update marts.organic_search_day set clicks = 31")[
        "organic_search_day_equals_raw"
    ]
    assert check.examples == (
        {
            "client": "fietsgoed",
            "account_id": "sc-domain:fietsgoed.example",
            "date_day": "2026-10-01",
            "clicks_in_raw": "30",
            "clicks_in_mart": "31",
            "impressions_in_raw": "900",
            "impressions_in_mart": "900",
        },
    )
    assert "1 row against the rule: Per client, site and day" in str(check)


def test_violations_are_counted_per_client_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.models.FETCH_ROWS", 4)
    days = [f"2026-10-{day:02}" for day in range(2, 9)]
    extra = [{**SITE, "client": client, "date_day": day} for client in ("a", "b") for day in days]
    check = failed(
        {"raw.search_console__site_day": extra}, after="delete from marts.organic_search_day"
    )["organic_search_day_equals_raw"]
    assert check.violations == 15
    assert check.by_client == (("a", 7), ("b", 7), ("fietsgoed", 1))
    assert [(row["client"], row["date_day"]) for row in check.examples] == [
        ("a", day) for day in days[:5]
    ]


def test_a_join_that_doubles_rows_is_found_in_a_view_too(tmp_path: Path) -> None:
    """Views that only rename are not scanned again; one that joins must be."""
    connection = open_empty()
    write_staging(tmp_path)
    stg, key = "staging.stg_search_console__site_day", "client, account_id, date_day"
    write(
        tmp_path,
        "intermediate/int_renamed",
        f"select client, account_id, date_day, clicks from {stg} where clicks > 0",
        f"{key}, clicks",
        key,
    )
    write(
        tmp_path,
        "intermediate/int_doubled",
        f"select a.client, a.account_id, a.date_day, b.clicks from {stg} as a "
        f"inner join {stg} as b on a.client = b.client",
        f"{key}, clicks",
        key,
    )
    write(
        tmp_path,
        "intermediate/int_coarser",
        f"select client, clicks from {stg}",
        "client, clicks",
        "client",
    )
    insert(connection, one_day(1))
    insert(connection, {RAW: [{**one_day(2)[RAW][0], "date_day": "2026-10-02"}]})
    loaded = load_models(tmp_path)
    build(connection, loaded)

    results = {check.name: check for check in run_checks(connection, tmp_path, loaded)}

    assert "intermediate.int_renamed.unique_grain" not in results
    assert results[f"{stg}.unique_grain"].passed
    assert results["intermediate.int_doubled.unique_grain"].violations == 2
    assert results["intermediate.int_coarser.unique_grain"].examples == (
        {"client": "a", "rows": "2"},
    )


@pytest.mark.parametrize(
    ("sql", "yaml", "says"),
    [
        ("select 1 as a from marts.nothing", "sentence: S.\nseverity: error\n", "there is no"),
        ("select 1 as a", "sentence: S.\nseverity: fatal\n", "expected error or warn"),
        ("select now() as a", "sentence: S.\nseverity: warn\n", "gives another answer"),
        ("select 1 as a; select 2", "sentence: S.\nseverity: warn\n", "exactly one select"),
    ],
)
def test_a_check_is_held_to_the_same_rules(tmp_path: Path, sql: str, yaml: str, says: str) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks/a.sql").write_text(sql)
    (tmp_path / "checks/a.yaml").write_text(yaml)
    with pytest.raises(ModelError, match=says):
        load_checks(tmp_path, ())
