"""What a daily run leaves behind: the vendors' own sums, once, and what changed a day later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Table
from connectors.tables import ALL
from flows.kpis import load_kpis, sql_dir
from flows.landing import now
from flows.settings import load_settings
from tests.e2e.morning import (
    DEMO_DAY,
    FIRST_DAY,
    FIRST_SEARCH_DAY,
    WORLD,
    Project,
    Ran,
    Rows,
    SandboxProcess,
    contents,
    copy_of,
    read_mail,
    replace_once,
)

pytestmark = pytest.mark.e2e

YESTERDAY = DEMO_DAY - timedelta(days=1)
# the last day that Search Console calls final on the demo's day
LAST_SEARCH_DAY = date(2026, 11, 17)
MEASURES = {
    "google_ads": (
        "google_ads__campaign_day",
        ("impressions", "clicks", "cost_micros", "conversions", "conversions_value",
         "conversions_by_conversion_date", "conversions_value_by_conversion_date"),
    ),
    "ga4": (
        "ga4__channel_day",
        ("sessions", "engaged_sessions", "new_users", "transactions", "purchase_revenue",
         "first_time_purchasers"),
    ),
    "search_console": ("search_console__site_day", ("clicks", "impressions")),
}  # fmt: skip
Sums = dict[tuple[str, str, date, str], float]


def sums_of_the_world(as_of: date, through: date) -> Sums:
    """What the world holds on ``as_of`` of the days that are loaded."""
    return {
        (row["source"], row["account_id"], row["date_day"], row["metric"]): row["value"]
        for row in WORLD.truth(as_of).to_pylist()
        if row["metric"] in MEASURES[row["source"]][1]
        and row["date_day"] <= through
        and row["date_day"]
        >= (FIRST_SEARCH_DAY if row["source"] == "search_console" else FIRST_DAY)
    }


def sums_of(project: Project, tables: dict[str, str] | None = None) -> Sums:
    """The same from the raw tables; ``tables`` names others than the usual ones."""
    found: Sums = {}
    for source, (table, measures) in MEASURES.items():
        told = ", ".join(f"sum({measure})::double" for measure in measures)
        table = (tables or {}).get(source, table)
        for account, day, *values in project.rows(
            f"select account_id, date_day, {told} from raw.{table} group by all"
        ):
            for measure, value in zip(measures, values, strict=True):
                found[source, account, day, measure] = value
    return found


# --- the sums ---------------------------------------------------------------------------------


def test_every_account_and_day_holds_what_the_world_holds(loaded: Project) -> None:
    expected = sums_of_the_world(DEMO_DAY, YESTERDAY)

    found = sums_of(loaded)

    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, rel=0, abs=1e-6)
    # three ad accounts of 66 days with seven measures, two properties of 66 days with six (one of
    # them lost its tag for 7 days), two sites of 17 days with two
    assert len(found) == 3 * 66 * 7 + (66 + 59) * 6 + 2 * 17 * 2


def test_the_finer_tables_add_up_to_the_same_sums(loaded: Project) -> None:
    everywhere = sums_of(loaded)

    finer = sums_of(loaded, {"google_ads": "google_ads__account_day", "ga4": "ga4__campaign_day"})

    assert finer == pytest.approx(everywhere, rel=0, abs=1e-6)


def test_a_clients_pounds_are_in_its_figures_at_the_rate_of_the_day(loaded: Project) -> None:
    # every day's cost in pounds and euros, and what the ECB's file says of a pound that day;
    # rates carry over weekends
    rates: dict[date, float] = dict(
        loaded.rows(
            "select date_day, rate from raw.ecb__rate_day where currency_code = 'GBP' order by all"
        )
    )
    expected: dict[date, float] = {}
    for day, currency, cost in loaded.rows(
        "select date_day, currency_code, sum(cost_micros)::double / 1e6 "
        "from raw.google_ads__campaign_day where client = 'fietsgoed' group by all"
    ):
        rate = 1.0 if currency == "EUR" else rates[max(known for known in rates if known <= day)]
        expected[day] = expected.get(day, 0.0) + cost / rate

    found = loaded.rows(
        "select date_day, currency_code, numerator::double, denominator > 0 from kpis.cac "
        "where client = 'fietsgoed' and numerator > 0"
    )

    assert {currency for _, currency, _, _ in found} == {"EUR"}
    assert {day: cost for day, _, cost, _ in found} == pytest.approx(expected, abs=1e-4)
    # its site counts in euros, so that a customer has a price on every day with a visit
    assert sum(has_customers for *_, has_customers in found if has_customers) > 50
    # one account's own target stays in the account's currency
    assert loaded.rows(
        "select distinct currency_code from ops.evaluations where target_id = 'uk-roas-q4'"
    ) == [("GBP",)]
    # once for the agency, never for a client; and nobody's check complains
    assert loaded.rows("select distinct client from raw.ecb__rate_day") == [("_agency",)]
    assert loaded.rows("select * from ops.checks where name = 'every_amount_has_a_rate'") == []


def test_marts_add_up_to_raw(loaded: Project) -> None:
    in_raw = loaded.rows(
        "select client, 'google_ads', account_id, date_day, sum(impressions), sum(clicks), "
        "sum(cost_micros) / 1e6, round(sum(conversions), 6) "
        "from raw.google_ads__campaign_day group by all order by all"
    )
    in_marts = loaded.rows(
        "select client, source, account_id, date_day, sum(impressions), sum(clicks), "
        "sum(cost)::double, round(sum(conversions), 6) "
        "from marts.paid_media_day group by all order by all"
    )
    assert len(in_raw) == 3 * 66
    assert in_marts == in_raw

    # money is a decimal with six places: half a millionth a row, at most 200 rows a day
    values = (
        "select sum(conversions_value)::double from {} group by account_id, date_day order by all"
    )
    in_raw = loaded.rows(values.format("raw.google_ads__campaign_day"))
    in_marts = loaded.rows(values.format("marts.paid_media_day"))
    assert [v for (v,) in in_marts] == pytest.approx([v for (v,) in in_raw], rel=0, abs=1e-4)

    in_raw = loaded.rows(
        "select client, 'ga4', account_id, date_day, session_default_channel_group, sessions, "
        "transactions, round(purchase_revenue, 6), first_time_purchasers "
        "from raw.ga4__channel_day order by all"
    )
    in_marts = loaded.rows(
        "select client, source, account_id, date_day, channel_group, sessions, purchases, "
        "round(revenue::double, 6), first_time_purchasers from marts.site_channel_day order by all"
    )
    assert len(in_raw) > 66 * 2 * 5
    assert in_marts == in_raw

    columns = "client, account_id, date_day, clicks, impressions, position"
    in_raw = loaded.rows(f"select {columns} from raw.search_console__site_day order by all")
    in_marts = loaded.rows(f"select {columns} from marts.organic_search_day order by all")
    assert len(in_raw) == 2 * 17
    assert in_marts == in_raw


def test_no_check_on_the_models_fails(first_run: tuple[Project, Ran]) -> None:
    _, ran = first_run

    assert ran.told["checks_failed"] == []


def test_a_targets_value_is_the_one_worked_out_by_hand(
    loaded: Project, vendors: SandboxProcess
) -> None:
    evaluated = {
        target: (value, through)
        for target, value, through in loaded.rows(
            "select target_id, value, measured_through from ops.evaluations where segment = ''"
        )
    }

    # GA4's sessions of 20 November's morning reach to the 19th
    ((sessions,),) = loaded.rows(
        "select sum(sessions) from raw.ga4__channel_day where client = 'fietsgoed' "
        "and session_default_channel_group = 'Organic Search' and date_day >= '2026-10-01'"
    )
    assert evaluated["organic-sessions-q4"] == (sessions, YESTERDAY)
    # a cost of the last seven days, 13 to 19 November
    ((micros,),) = loaded.rows(
        "select sum(cost_micros) from raw.google_ads__campaign_day "
        "where client = 'tulp-en-thee' and date_day >= '2026-11-13'"
    )
    value, through = evaluated["spend-guardrail"]
    assert (value, through) == (pytest.approx(micros / 1e6, abs=1e-6), YESTERDAY)
    # a ratio: values and costs of the measured days, added up and then divided once
    value, through = evaluated["shopping-roas-q4"]
    ((worth, micros),) = loaded.rows(
        "select sum(conversions_value), sum(cost_micros) from raw.google_ads__campaign_day "
        "where account_id = '1111111111' and channel_type = 'SHOPPING' "
        "and date_day between '2026-10-01' and ?",
        [through],
    )
    assert value == pytest.approx(worth / (micros / 1e6), rel=1e-9)

    # and it is what people read
    digests = " ".join(json.dumps(m, ensure_ascii=False) for m in vendors.slack())
    assert sessions > 1_000
    dutch = f"{sessions:,}".replace(",", ".")
    assert f"{dutch} organische sessies tot nu toe" in digests
    assert dutch in loaded.report("fietsgoed")
    assert micros > 0


# --- the same day again -----------------------------------------------------------------------


def test_the_same_run_once_more_changes_adds_and_sends_nothing(
    project: Project, vendors: SandboxProcess
) -> None:
    everything = ("raw", "history", "staging", "intermediate", "marts", "kpis")

    def said() -> dict[str, Rows]:
        told = ("ops.evaluations", "ops.outbox", "ops.alert_state")
        return {table: project.rows(f"select * from {table} order by all") for table in told}

    rows_before, said_before = contents(project, *everything), said()
    slack_before, mails_before, calls_before = vendors.slack(), vendors.mails(), vendors.count()

    ran = project.here("run", "--direct", "--as-of", str(DEMO_DAY))

    assert ran.code == 1
    assert any(call["source"] == "ga4" for call in vendors.calls(calls_before))
    assert contents(project, *everything) == rows_before
    assert {load["changed"] for load in ran.told["loads"]} == {0}
    assert said() == said_before
    assert ran.told["messages"] == []
    assert (vendors.slack(), vendors.mails()) == (slack_before, mails_before)


# --- a day later ------------------------------------------------------------------------------

NEXT_DAY = DEMO_DAY + timedelta(days=1)
# the run of the 21st reads again what may have changed in the 30, 7 and 7 days before it
READ_AGAIN_FROM = {
    "google_ads": date(2026, 10, 22),
    "ga4": date(2026, 11, 14),
    "search_console": date(2026, 11, 14),
}


@dataclass(frozen=True)
class ADayLater:
    before: Project
    after: Project
    ran: Ran
    began_at: datetime
    slack: list[dict[str, Any]]
    mails: list[Path]


@pytest.fixture(scope="module")
def a_day_later(
    loaded: Project, vendors_process: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ADayLater]:
    """The same project after the next morning's run, of which one target was made stricter."""
    vendors, began_at = vendors_process, now()
    project = copy_of(loaded, tmp_path_factory.mktemp("later") / "koers")
    replace_once(
        project.client_file("fietsgoed"),
        "goal: {at_least: 60000}",
        "goal: {at_least: 90000}",
    )
    slack, mails = len(vendors.slack()), vendors.mails()
    vendors.set_as_of(NEXT_DAY)
    ran = project.here("run", "--direct", "--as-of", str(NEXT_DAY))
    vendors.set_as_of(DEMO_DAY)
    yield ADayLater(
        loaded,
        project,
        ran,
        began_at,
        vendors.slack()[slack:],
        [mail for mail in vendors.mails() if mail not in mails],
    )


Keyed = dict[tuple[Any, ...], tuple[tuple[Any, ...], datetime]]


def keyed(project: Project, table: Table, schema: str = "raw") -> Keyed:
    """Each row's values and when it was loaded, by its key."""
    key = ", ".join(table.key)
    columns = ", ".join(column.name for column in table.columns)
    return {
        row[0]: (row[1], row[2])
        for row in project.rows(
            f"select row(client, {key}), row({columns}), loaded_at from {schema}.{table.name}"
        )
    }


def test_a_day_later_restated_days_are_those_of_the_world(a_day_later: ADayLater) -> None:
    first = sums_of_the_world(DEMO_DAY, YESTERDAY)
    second = sums_of_the_world(NEXT_DAY, DEMO_DAY)
    expected = {key: value for key, value in first.items() if key[2] < READ_AGAIN_FROM[key[0]]} | {
        key: value for key, value in second.items() if key[2] >= READ_AGAIN_FROM[key[0]]
    }

    assert a_day_later.ran.code == 1
    assert sums_of(a_day_later.after) == pytest.approx(expected, rel=0, abs=1e-6)
    # and the days themselves had changed, so that this proves something
    assert any(first[key] != second[key] for key in first if key in second)


@pytest.mark.parametrize("table", [t for t in ALL if not t.optional], ids=lambda table: table.name)
def test_a_day_later_old_versions_are_history_and_the_rest_is_untouched(
    a_day_later: ADayLater, table: Table
) -> None:
    before, after = keyed(a_day_later.before, table), keyed(a_day_later.after, table)
    history = keyed(a_day_later.after, table, "history")
    restated = {key for key in before if key in after and before[key][0] != after[key][0]}
    vanished = before.keys() - after.keys()
    untouched = before.keys() - restated - vanished
    changes = {
        "google_ads__campaign_day": (True, True),
        "google_ads__account_day": (True, False),
        "google_ads__conversion_action_day": (True, False),
        "google_ads__conversion_lag_day": (True, False),
        "ga4__channel_day": (True, False),
        "ga4__campaign_day": (True, False),
        "ga4__key_event_day": (True, False),
    }

    assert (bool(restated), bool(vanished)) == changes.get(table.name, (False, False))
    assert untouched
    assert {key: after[key] for key in untouched} == {key: before[key] for key in untouched}
    assert all(after[key][1] >= a_day_later.began_at for key in after.keys() - untouched)
    assert history == {key: before[key] for key in restated | vanished}
    assert a_day_later.after.rows(
        f"select bool_and(observed_at = loaded_at), bool_and(superseded_at >= ?) "
        f"from history.{table.name}",
        [a_day_later.began_at],
    ) == [(True, True) if history else (None, None)]


def test_a_day_later_the_digest_tells_only_what_changed(a_day_later: ADayLater) -> None:
    statuses = (
        "select client, target_id, status from ops.evaluations where as_of = ? and segment = ''"
    )
    before = set(a_day_later.after.rows(statuses, [DEMO_DAY]))
    after = set(a_day_later.after.rows(statuses, [NEXT_DAY]))
    assert before == set(a_day_later.before.rows(statuses, [DEMO_DAY]))
    changed = {(client, target) for client, target, _ in after - before}
    assert ("fietsgoed", "organic-sessions-q4") in changed
    assert len(changed) < len(after)

    (message,) = a_day_later.slack
    (mail,) = a_day_later.mails

    goals = [
        target.specific
        for client in load_settings(a_day_later.after.config, load_kpis(sql_dir())).clients
        for target in client.targets
    ]
    assert changed == {("fietsgoed", "organic-sessions-q4")}
    news = [goal for goal in goals if goal in message["text"]]
    assert news == ["60.000 bezoeken uit onbetaalde zoekresultaten in het vierde kwartaal"]
    told, unchanged, _ = json.dumps(message["blocks"], ensure_ascii=False).split('"divider"')
    assert [goal for goal in goals if goal in told] == news
    assert "*Niet veranderd*" in unchanged and news[0] not in unchanged
    assert news[0] in str(read_mail(mail)["Subject"])
