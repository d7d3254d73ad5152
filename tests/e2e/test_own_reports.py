"""From a query in YAML to a judged target, with files of one's own and no Python."""

from __future__ import annotations

import re

import pytest

from tests.e2e.morning import DEMO_DAY, Project, SandboxProcess, replace_once

CLIENT = "tulp-en-thee"
AS_OF = ("--direct", "--client", CLIENT, "--as-of", str(DEMO_DAY))
REPORTS = """
sql: my-sql
reports:
  search_devices:
    source: google_ads
    query: >
      SELECT campaign.name, segments.device, metrics.clicks, metrics.impressions
      FROM campaign
      WHERE segments.date BETWEEN {start} AND {end}
        AND campaign.advertising_channel_type = 'SEARCH'
  channels:
    source: ga4
    dimensions: [sessionDefaultChannelGroup, deviceCategory]
    metrics: [sessions, engagementRate, purchaseRevenue]
  mobile_pages: {source: search_console, dimensions: [page], filter: {device: MOBILE}}
"""
ASKED = {
    "google_ads": "search_devices",
    "ga4": "channels",
    "search_console": "mobile_pages",
}
TABLES = {f"{source}__report_{name}" for source, name in ASKED.items()}
OWN_SQL = {
    "staging/stg_google_ads__report_search_devices.sql": """
select
    client,
    account_id,
    date_day,
    campaign_resource_name,
    device,
    campaign_name,
    clicks,
    impressions
from raw.google_ads__report_search_devices
""",
    "staging/stg_google_ads__report_search_devices.yaml": """
sentence: "Search campaigns by device, as a report of our own asks for them."
grain: [client, account_id, date_day, campaign_resource_name, device]
columns:
  client: {unit: slug, means: "whose account it is"}
  account_id: {unit: id, means: "Google Ads customer id"}
  date_day: {unit: day, means: "day of the ad interaction"}
  campaign_resource_name: {unit: name, means: "the campaign, as the API calls it"}
  device: {unit: name, means: "MOBILE, DESKTOP and so on"}
  campaign_name: {unit: text, means: "name when the day was read"}
  clicks: {unit: clicks, means: "clicks", at_least: 0}
  impressions: {unit: impressions, means: "times shown", at_least: 0}
""",
    "marts/search_device_day.sql": """
select
    client,
    account_id,
    date_day,
    device,
    sum(clicks) as clicks,
    sum(impressions) as impressions
from staging.stg_google_ads__report_search_devices
group by all
""",
    "marts/search_device_day.yaml": """
sentence: "Search ads of an account by device."
grain: [client, account_id, date_day, device]
columns:
  client: {unit: slug, means: "whose account it is"}
  account_id: {unit: id, means: "Google Ads customer id"}
  date_day: {unit: day, means: "day of the ad interaction"}
  device: {unit: name, means: "MOBILE, DESKTOP and so on"}
  clicks: {unit: clicks, means: "clicks", at_least: 0}
  impressions: {unit: impressions, means: "times shown", at_least: 0}
""",
    "kpis/search_device_ctr.sql": """
select
    client,
    date_day,
    account_id,
    device,
    clicks as numerator,
    impressions as denominator
from marts.search_device_day
""",
    "kpis/search_device_ctr.yaml": """
sentence: "Click-through rate of search ads by device."
grain: [client, date_day, account_id, device]
columns:
  client: {unit: slug, means: "whose account it is"}
  date_day: {unit: day, means: "day of the ad interaction"}
  account_id: {unit: id, means: "Google Ads customer id"}
  device: {unit: name, means: "MOBILE, DESKTOP and so on"}
  numerator: {unit: clicks, means: "clicks"}
  denominator: {unit: impressions, means: "times shown"}
kpi:
  unit: rate
  better: higher
  sum: false
  currency: false
  dimensions: [account_id, device]
  sources: [google_ads]
  late: none
  label: {en: "Search CTR by device", nl: "Zoek-CTR per apparaat"}
  explained: {en: "Clicks per impression of search ads.", nl: "Klikken per zoekvertoning."}
  numerator: {en: "clicks", nl: "klikken"}
  denominator: {en: "impressions", nl: "vertoningen"}
""",
    "checks/clicks_within_impressions.sql": """
select * from marts.search_device_day where clicks > impressions
""",
    "checks/clicks_within_impressions.yaml": """
sentence: "Nobody clicks more often than they see something."
severity: error
""",
}
TARGET = """
  - id: mobile-search-ctr
    specific: Search ads on phones are clicked in at least one of a hundred views
    kpi: search_device_ctr
    where: {device: MOBILE}
    goal: {at_least: 1%}
    period: {start: 2026-10-01, for: 3 months}
    agreed: {owner: sanne@example.nl}
    plan: [{do: Rewrite the ads, owner: tom@example.nl, due: 2026-12-01}]
"""


def ask_for(project: Project, reports: dict[str, str]) -> None:
    path = project.client_file(CLIENT)
    text = path.read_text()
    for source, names in reports.items():
        text, count = re.subn(
            rf"(?m)^(  {source}: \{{[^}}]*)\}}", rf"\1, reports: [{names}]}}", text
        )
        assert count == 1
    path.write_text(text)


def with_reports(project: Project, reports: str = REPORTS) -> None:
    koers = project.config / "koers.yaml"
    koers.write_text(koers.read_text() + reports)


@pytest.fixture
def own(project: Project) -> Project:
    """The loaded project with reports, models, a KPI and a target of its own; not loaded yet."""
    with_reports(project)
    ask_for(project, ASKED)
    for name, text in OWN_SQL.items():
        path = project.directory / "my-sql" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip())
    client = project.client_file(CLIENT)
    client.write_text(client.read_text().rstrip("\n") + "\n" + TARGET)
    return project


def test_a_query_becomes_a_model_a_kpi_and_a_judged_target(own: Project) -> None:
    assert own.koers("validate").code == 0
    # before anything is loaded the models build on empty tables
    assert own.here("build").code == 0
    assert own.rows("select count(*) from marts.search_device_day") == [(0,)]

    assert own.here("run", "--no-notify", *AS_OF).code == 0

    ((ours, theirs),) = own.rows(
        "select (select sum(numerator) from kpis.search_device_ctr), "
        "(select sum(clicks) from staging.stg_google_ads__campaign_day "
        f"where client = '{CLIENT}' and channel_type = 'SEARCH')"
    )
    assert ours == theirs > 0
    ((status, value),) = own.rows(
        "select status, value from ops.evaluations where target_id = 'mobile-search-ctr'"
    )
    assert status in ("on_track", "at_risk", "off_track")
    ((expected,),) = own.rows(
        "select sum(clicks) / sum(impressions) from raw.google_ads__campaign_day "
        f"where client = '{CLIENT}' and channel_type = 'SEARCH' and device = 'MOBILE' "
        "and date_day between date '2026-10-01' and date '2026-11-19'"
    )
    assert value == pytest.approx(expected)
    assert "Search CTR by device" in own.report(CLIENT)


def test_reports_are_loaded_restated_and_rebuilt_as_every_table(
    own: Project, vendors: SandboxProcess
) -> None:
    days = ("--from", "2026-11-01", "--to", "2026-11-19")
    own.here("backfill", *AS_OF, *days)
    assert {name for (name,) in own.rows("select distinct table_name from ops.loads")} >= TABLES
    rows = {name: own.rows(f"select count(*) from raw.{name}")[0][0] for name in TABLES}
    assert all(rows.values())
    # the whole site's sessions, however they are split
    ((ours, theirs),) = own.rows(
        "select (select sum(sessions) from raw.ga4__report_channels), "
        f"(select sum(sessions) from raw.ga4__channel_day where client = '{CLIENT}' "
        "and date_day >= date '2026-11-01')"
    )
    assert ours == theirs

    # clicks that are found invalid later leave their first version behind
    vendors.set_as_of(DEMO_DAY.replace(day=24))
    later = ("--direct", "--client", CLIENT, "--as-of", "2026-11-24", *days)
    own.here("backfill", *later)
    assert own.rows("select count(*) from history.google_ads__report_search_devices") > [(0,)]

    # a report that nobody asks for any more keeps what it holds, also when all is made anew
    before = {
        name: own.rows(f"select * exclude loaded_at from raw.{name} order by all")
        for name in TABLES
    }
    koers = own.config / "koers.yaml"
    koers.write_text(koers.read_text().replace(REPORTS, ""))
    client = own.client_file(CLIENT)
    text = re.sub(r", reports: \[\w+\]", "", client.read_text()).replace(TARGET, "")
    client.write_text(text)
    assert own.here("rebuild").code == 0
    assert before == {
        name: own.rows(f"select * exclude loaded_at from raw.{name} order by all")
        for name in TABLES
    }


def test_a_report_that_cannot_be_read_fails_alone_and_before_anything_is_read(
    project: Project, vendors: SandboxProcess
) -> None:
    with_reports(
        project,
        """
reports:
  misspelt: {source: ga4, dimensions: [deviceCatgory], metrics: [sessions]}
  mixed: {source: ga4, dimensions: [eventName], metrics: [sessions, keyEvents]}
  segmented:
    source: google_ads
    query: >
      SELECT segments.conversion_action, metrics.clicks FROM campaign
      WHERE segments.date BETWEEN {start} AND {end}
""",
    )
    ask_for(project, {"ga4": "misspelt, mixed", "google_ads": "segmented"})
    assert project.koers("validate").code == 0
    before = vendors.count()
    days = ("--from", "2026-11-01", "--to", "2026-11-19", "--force")
    ran = project.here("backfill", *AS_OF, *days)
    assert ran.code == 1

    failed = dict(
        project.rows(
            "select table_name, any_value(error) from ops.loads where table_name like '%report%' "
            "and outcome = 'failed' group by all having count(*) >= 1"
        )
    )
    assert 'no dimension "deviceCatgory", did you mean "deviceCategory"' in failed.pop(
        "ga4__report_misspelt"
    )
    assert "Incompatible with its dimensions: sessions" in failed.pop("ga4__report_mixed")
    told = failed.pop("google_ads__report_segmented")
    assert "not compatible with the following metrics: 'metrics.clicks'" in told
    assert not failed
    asked = [call for call in vendors.calls(before) if call.get("method") == "RunReport"]
    assert asked
    assert not [call for call in asked if call.get("dimensions") == ["date", "eventName"]]

    # the others are in, and `check` says the same without reading
    assert project.rows(
        "select count(*) from ops.loads where table_name = 'ga4__channel_day' "
        f"and client = '{CLIENT}' and outcome = 'loaded'"
    ) > [(1,)]
    rows = project.here("check", "--client", CLIENT, "--as-of", str(DEMO_DAY)).told["connections"]
    of_reports = {row["account"]: row for row in rows if "report" in row["account"]}
    assert len(of_reports) == 3
    assert {row["outcome"] for row in of_reports.values()} == {"failed"}


def test_a_definition_that_no_longer_fits_what_is_stored_is_told_and_loses_nothing(
    project: Project,
) -> None:
    one = "{source: ga4, dimensions: [deviceCategory], metrics: [sessions]}"
    with_reports(project, f"\nreports:\n  devices: {one}\n")
    ask_for(project, {"ga4": "devices"})
    days = ("--from", "2026-11-01", "--to", "2026-11-19", "--source", "ga4")
    assert project.here("backfill", *AS_OF, *days).code == 0
    stored = project.rows("select * from raw.ga4__report_devices order by all")
    assert stored

    koers = project.config / "koers.yaml"
    split = one.replace("[deviceCategory]", "[deviceCategory, country]")
    replace_once(koers, one, split)
    ran = project.here("backfill", *AS_OF, *days, "--force")
    assert ran.code == 1
    assert "splits rows by country" in ran.out
    assert project.rows("select * from raw.ga4__report_devices order by all") == stored

    replace_once(koers, split, one.replace("}", ", filter: {country: Belgium}}"))
    ran = project.here("backfill", *AS_OF, *days, "--force")
    assert "other rows than those that are stored" in ran.out
    assert project.rows("select * from raw.ga4__report_devices order by all") == stored

    # one figure more is added; older days have it once they are read again
    replace_once(
        koers,
        one.replace("}", ", filter: {country: Belgium}}"),
        one.replace("[sessions]", "[sessions, newUsers]"),
    )
    days = ("--from", "2026-11-10", "--to", "2026-11-19", "--source", "ga4")
    assert project.here("backfill", *AS_OF, *days, "--force").code == 0
    assert project.rows(
        "select date_day < date '2026-11-10', count(*) > 0, count(new_users) > 0, sum(sessions) "
        "from raw.ga4__report_devices group by all order by all"
    ) == [
        (False, True, True, sum(r[4] for r in stored if r[2].day >= 10)),
        (True, True, False, sum(r[4] for r in stored if r[2].day < 10)),
    ]
