"""`koers check` on connections that are broken on the real wire, and on what is around them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
import requests

from connectors.sandbox.faults import Fault
from connectors.sandbox.server import Ports, Sandbox
from flows.checkup import Checked, Checkup, _api_versions, _packages, check_up
from flows.cli import main
from flows.project import open_project
from flows.warehouse import Warehouse

AS_OF = date(2026, 11, 20)
FILE = "config/clients/shop.yaml"
ADS = "google_ads: {customer_ids: [333-333-3333], login_customer_id: 100-000-0001}"
GA4 = "ga4: {property_ids: [322222222]}"
SITE = 'search_console: {sites: ["https://www.tulpenthee.example/"]}'


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox"), AS_OF, ports=Ports.free()) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    yield running
    running.faults.clear()


def write_project(
    sandbox: Sandbox,
    root: Path,
    sources: str = ADS,
    google_ads: Mapping[str, str | None] | None = None,
    more: str = "",
    client: str = "",
) -> Path:
    """A configuration for the sandbox; ``google_ads`` changes keys of that source (None: out)."""
    told, login = sandbox.endpoints, sandbox.endpoints["credentials"]
    (root / "config" / "clients").mkdir(parents=True)
    (root / "secrets").mkdir()
    for name in ("client_secret", "refresh_token"):
        (root / "secrets" / name).write_text(login[name])
    keys: dict[str, str | None] = {
        "endpoint": told["google_ads"],
        "ca_file": told["ca_file"],
        "token_uri": told["token_uri"],
        "client_id": login["client_id"],
        "client_secret": "file:secrets/client_secret",
        "refresh_token": "file:secrets/refresh_token",
        **(google_ads or {}),
    }
    lines = [f'    {key}: "{value}"' for key, value in keys.items() if value is not None]
    (root / "config" / "koers.yaml").write_text(
        "version: 1\nsources:\n  google_ads:\n" + "\n".join(lines) + "\n"
        f'  ga4: {{endpoint: "{told["ga4_grpc"]}", admin_endpoint: "{told["ga4_admin"]}"}}\n'
        f'  search_console: {{endpoint: "{told["search_console"]}"}}\n{more}'
    )
    (root / "config" / "clients" / "shop.yaml").write_text(
        f"name: Shop\n{client}sources:\n  {sources}\ntargets: []\n"
    )
    return root / "config"


def checked(config: Path, as_of: date = AS_OF) -> Checkup:
    with open_project(config, 0.0) as project:
        return check_up(project, ["shop"], as_of)


def around(checkup: Checkup, name: str) -> Checked:
    (row,) = [row for row in checkup.surroundings if row.source == name]
    return row


# --- broken connections -----------------------------------------------------------------------


@dataclass(frozen=True)
class Broken:
    """How a connection is broken, and the very words for it."""

    told: str
    step: str
    link: str
    sources: str = ADS
    faults: Sequence[Fault] = ()
    google_ads: Mapping[str, str | None] = field(default_factory=dict)
    signed_in: Mapping[str, str | None] | None = None
    outcome: str = "failed"


BROKEN: dict[str, Broken] = {
    "a revoked token": Broken(
        "Google no longer takes the refresh token of 2026-11-02, which is 18 days old: "
        "most often the consent screen is in Testing, which gives it 7 days; else it was "
        "withdrawn or the password was changed (invalid_grant)",
        "see on the page below whether it is in Testing, and if so press Publish app; "
        "then: koers connect google --sign-in",
        "https://console.cloud.google.com/auth/audience",
        signed_in={"signed_in_on": "2026-11-02", "ends_on": None},
        faults=[Fault("token_expired", "oauth", times=0)],
    ),
    "a withdrawn token that is young": Broken(
        "Google no longer takes the refresh token of 2026-11-18: somebody withdrew "
        "Koers's access or changed the password (invalid_grant)",
        "sign in again: koers connect google --sign-in",
        "https://myaccount.google.com/connections",
        signed_in={"signed_in_on": "2026-11-18", "ends_on": None},
        faults=[Fault("token_expired", "oauth", times=0)],
    ),
    "a sign-in of a consent screen in Testing": Broken(
        "the sign-in of 2026-11-12 ended on 2026-11-19: the consent screen is in Testing,"
        " which gives it 7 days (invalid_grant)",
        "press Publish app on the page below, then: koers connect google --sign-in",
        "https://console.cloud.google.com/auth/audience",
        signed_in={"signed_in_on": "2026-11-12", "ends_on": "2026-11-19"},
        faults=[Fault("token_expired", "oauth", times=0)],
    ),
    "an organisation that ends sessions": Broken(
        "the organisation lets a Google sign-in end after some hours (invalid_rapt)",
        "ask the Google Workspace administrator to trust this OAuth client (Security › Google "
        "Cloud session control), then: koers connect google --sign-in",
        "https://support.google.com/a/answer/9368756",
        faults=[
            Fault("token_expired", "oauth", times=0, detail="reauth related error (invalid_rapt)")
        ],
    ),
    "a wrong client secret": Broken(
        "Google does not know this client_id with this client_secret (invalid_client)",
        "take both from one OAuth client of type Desktop app, set them again where "
        "config/koers.yaml reads them, then: koers connect google --sign-in",
        "https://console.cloud.google.com/auth/clients",
        google_ads={"client_secret": "file:secrets/refresh_token"},
    ),
    "a wrong login_customer_id": Broken(
        "the Google user who signed in cannot open 333-333-3333 through 100-000-0009; it "
        "opens 100-000-0001 (USER_PERMISSION_DENIED)",
        "set login_customer_id in config/clients/shop.yaml to a manager that the login "
        "opens and that the account hangs under: 100-000-0001",
        "https://developers.google.com/google-ads/api/docs/concepts/call-structure#cid",
        sources="google_ads: {customer_ids: [333-333-3333], login_customer_id: 100-000-0009}",
    ),
    "no login_customer_id": Broken(
        "the Google user who signed in has no access of their own to 333-333-3333; it "
        "opens 100-000-0001 (USER_PERMISSION_DENIED)",
        "if it hangs under a manager account, set login_customer_id in "
        "config/clients/shop.yaml to that manager; else ask for access to 333-333-3333 in"
        " Google Ads (Admin › Access and security)",
        "https://developers.google.com/google-ads/api/docs/concepts/call-structure#cid",
        sources="google_ads: {customer_ids: [333-333-3333]}",
        faults=[Fault("permission", "google_ads", times=0, method="SearchStream")],
    ),
    "a project that is not approved": Broken(
        "the Google Cloud project of this OAuth client may only read test accounts "
        "(CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION)",
        "apply for Explorer access to the Google Ads API in that project; until it is "
        "given no real account answers",
        "https://developers.google.com/google-ads/api/docs/api-policy/access-levels",
        faults=[Fault("refusal", "google_ads", reason="CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION")],
    ),
    "GA4's API not enabled": Broken(
        "the Google Analytics Data API is not enabled in the Google Cloud project of this"
        " login (SERVICE_DISABLED)",
        "press Enable on the page below, in the project that holds the OAuth client; it "
        "takes a few minutes",
        "https://console.cloud.google.com/apis/library/analyticsdata.googleapis.com",
        sources=GA4,
        faults=[
            Fault(
                "refusal",
                "ga4",
                status=403,
                reason="SERVICE_DISABLED",
                detail="Google Analytics Data API has not been used in project 1 before.",
            )
        ],
    ),
    "Search Console's API not enabled": Broken(
        "the Google Search Console API is not enabled in the Google Cloud project of this"
        " login (accessNotConfigured)",
        "press Enable on the page below, in the project that holds the OAuth client; it "
        "takes a few minutes",
        "https://console.cloud.google.com/apis/library/searchconsole.googleapis.com",
        sources=SITE,
        faults=[
            Fault(
                "refusal",
                "search_console",
                status=403,
                reason="accessNotConfigured",
                detail="Google Search Console API has not been used in project 1 before.",
            )
        ],
    ),
    "a closed account": Broken(
        "the account is closed, suspended, or was never set up to the end (CUSTOMER_NOT_ENABLED)",
        "take 555-555-5555 off customer_ids in config/clients/shop.yaml; the days that "
        "were loaded stay",
        "https://support.google.com/google-ads/answer/7619129",
        sources="google_ads: {customer_ids: [555-555-5555], login_customer_id: 100-000-0001}",
    ),
    "no permission on a GA4 property": Broken(
        "the Google user who signed in has no access to GA4 property 987654321; it sees "
        "311111111 (Fietsgoed (GA4)), 322222222 (Tulp & Thee (GA4)) (PERMISSION_DENIED)",
        "add the Google user who signed in as Viewer (GA4 › Admin › Property access management)",
        "https://support.google.com/analytics/answer/9305587",
        sources="ga4: {property_ids: [987654321]}",
    ),
    "a mistyped GA4 property": Broken(
        "the login sees no GA4 property 322222232, but 322222222 (Tulp & Thee (GA4)) "
        "(PERMISSION_DENIED)",
        "write 322222222 in property_ids of config/clients/shop.yaml, if that is the one",
        "https://developers.google.com/analytics/devguides/reporting/data/v1/property-id",
        sources="ga4: {property_ids: [322222232]}",
    ),
    "the number of a GA4 account": Broken(
        "9322222222 is the number of the GA4 account Tulp & Thee, not of a property "
        "(PERMISSION_DENIED)",
        "write 322222222 (Tulp & Thee (GA4)) in property_ids of config/clients/shop.yaml",
        "https://developers.google.com/analytics/devguides/reporting/data/v1/property-id",
        sources="ga4: {property_ids: [9322222222]}",
    ),
    "a domain property for a URL prefix": Broken(
        "the login sees https://www.tulpenthee.example/, a URL-prefix property, and not "
        "sc-domain:tulpenthee.example: to Search Console these are two (site_not_listed)",
        'write "https://www.tulpenthee.example/" under sites in config/clients/shop.yaml',
        "https://support.google.com/webmasters/answer/34592",
        sources='search_console: {sites: ["sc-domain:tulpenthee.example"]}',
    ),
    "a URL prefix for a domain property": Broken(
        "the login sees sc-domain:fietsgoed.example, a domain property, and not "
        "https://www.fietsgoed.example/: to Search Console these are two "
        "(site_not_listed)",
        'write "sc-domain:fietsgoed.example" under sites in config/clients/shop.yaml',
        "https://support.google.com/webmasters/answer/34592",
        sources='search_console: {sites: ["https://www.fietsgoed.example/"]}',
    ),
    "a proxy's certificate": Broken(
        "the TLS certificate of Google Ads is not trusted: something between this machine"
        " and Google, such as a company's proxy or a virus scanner, puts its own in place"
        " (UNAVAILABLE)",
        "save that proxy's root certificate as a PEM file and name it as ca_file under "
        "sources.google_ads in config/koers.yaml",
        "https://pki.goog/faq/",
        google_ads={"ca_file": None},
    ),
    "nobody at the endpoint": Broken(
        "Google Ads cannot be reached from this machine (UNAVAILABLE)",
        "check the network, the firewall and a proxy (HTTPS_PROXY), and `endpoint` in "
        "config/koers.yaml if there is one",
        "",
        google_ads={"endpoint": "127.0.0.1:9"},
    ),
    "a quota of Google Ads that is used up": Broken(
        "a quota of Google Ads is used up; it returns in about 30 minutes "
        "(RESOURCE_TEMPORARILY_EXHAUSTED)",
        "nothing to repair: the next run reads what is missing",
        "https://developers.google.com/google-ads/api/docs/best-practices/quotas",
        outcome="warning",
        faults=[Fault("quota", "google_ads", retry_delay_seconds=1800)],
    ),
    "a quota of GA4 that is used up": Broken(
        "a quota of GA4 is used up; it returns in about 25 minutes (RATE_LIMIT_EXCEEDED)",
        "nothing to repair: the next run reads what is missing",
        "https://developers.google.com/analytics/devguides/reporting/data/v1/quotas",
        outcome="warning",
        sources=GA4,
        faults=[Fault("quota", "ga4", detail="hour", retry_delay_seconds=1500)],
    ),
    "a version that is gone": Broken(
        "Google no longer serves the version of the Google Ads API that this Koers speaks"
        " (UNSUPPORTED_VERSION)",
        "update Koers",
        "https://developers.google.com/google-ads/api/docs/sunset-dates",
        faults=[Fault("refusal", "google_ads", reason="UNSUPPORTED_VERSION")],
    ),
    "a box that was not ticked": Broken(
        "this sign-in was not allowed to read GA4: its box was not ticked "
        "(ACCESS_TOKEN_SCOPE_INSUFFICIENT)",
        "sign in again and tick every box: koers connect google --sign-in",
        "https://myaccount.google.com/connections",
        sources=GA4,
        faults=[
            Fault(
                "refusal",
                "ga4",
                status=403,
                reason="ACCESS_TOKEN_SCOPE_INSUFFICIENT",
                detail="Request had insufficient authentication scopes.",
            )
        ],
    ),
    "a developer token that is asked for": Broken(
        "Google Ads asks for a developer token with this project "
        "(DEVELOPER_TOKEN_PARAMETER_MISSING)",
        "set developer_token: env:GOOGLE_ADS_DEVELOPER_TOKEN in config/koers.yaml; any "
        "token of a manager account will do",
        "https://developers.google.com/google-ads/api/docs/get-started/dev-token",
        faults=[Fault("refusal", "google_ads", reason="DEVELOPER_TOKEN_PARAMETER_MISSING")],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_connection_gets_what_a_colleague_would_say(
    sandbox: Sandbox, tmp_path: Path, name: str
) -> None:
    broken = BROKEN[name]
    config = write_project(sandbox, tmp_path, broken.sources, broken.google_ads)
    if broken.signed_in:
        about = tmp_path / "secrets" / "refresh_token.json"
        about.write_text(json.dumps(broken.signed_in))
    sandbox.tokens.expire_all()
    sandbox.faults.add(*broken.faults)

    (row,) = checked(config).connections

    told, _, _ = row.told.partition(" [request ")
    assert (row.outcome, told, row.step, row.link) == (
        broken.outcome, broken.told, broken.step, broken.link,
    )  # fmt: skip


def test_what_comes_to_a_dozen_is_told_once_and_in_full(sandbox: Sandbox, tmp_path: Path) -> None:
    config = write_project(sandbox, tmp_path, f"{ADS}\n  {GA4}\n  {SITE}")
    sandbox.tokens.expire_all()
    sandbox.faults.add(Fault("token_expired", "oauth", times=0))

    checkup = checked(config)
    told = checkup.in_words().splitlines()

    assert [row.outcome for row in checkup.connections] == ["failed"] * 3
    assert checkup.exit_code == 3
    assert sum("koers connect google --sign-in" in line for line in told) == 1
    assert sum("→ as for shop google_ads all" in line for line in told) == 2


def test_an_account_in_another_time_zone_is_to_look_at(sandbox: Sandbox, tmp_path: Path) -> None:
    sources = (
        "google_ads: {customer_ids: [222-222-2222, 111-111-1111], login_customer_id: 100-000-0001}"
    )
    london, amsterdam = checked(write_project(sandbox, tmp_path, sources)).connections

    assert (london.outcome, amsterdam.outcome) == ("warning", "fine")
    assert london.told == (
        "GBP, Europe/London: its days begin at midnight in Europe/London, the client's in "
        "Europe/Amsterdam"
    )
    assert f"set timezone: Europe/London in {FILE}" in london.step


def test_a_zone_of_another_name_with_the_same_days_is_fine(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    config = write_project(sandbox, tmp_path, ADS, client="timezone: Europe/Brussels\n")

    assert [row.outcome for row in checked(config).connections] == ["fine"]


def test_a_service_account_is_named_as_the_one_to_let_in(sandbox: Sandbox, tmp_path: Path) -> None:
    key = sandbox.endpoints["credentials"]["json_key_file_path"]
    login = dict.fromkeys(("client_id", "client_secret", "refresh_token"))
    config = write_project(
        sandbox, tmp_path, "ga4: {property_ids: [987654321]}", login | {"json_key_file_path": key}
    )
    (row,) = checked(config).connections

    assert row.step == (
        "add the service account koers@sandbox.example as Viewer "
        "(GA4 › Admin › Property access management)"
    )


# --- what is around them ----------------------------------------------------------------------


def test_a_clock_that_is_off_is_told_with_how_much(sandbox: Sandbox, tmp_path: Path) -> None:
    config = write_project(sandbox, tmp_path)
    told = {}
    for seconds in (0, 240, 720, -720):
        off_by(sandbox, seconds)
        told[seconds] = around(checked(config), "clock")
    off_by(sandbox, 0)

    assert [told[s].outcome for s in (0, 240, 720, -720)] == ["fine", "fine", "warning", "warning"]
    assert told[720].told.startswith("this machine's clock is 12 minutes behind Google's")
    assert told[-720].told.startswith("this machine's clock is 12 minutes ahead of Google's")
    assert told[720].step == "let it be set from the network: timedatectl set-ntp true"


def off_by(sandbox: Sandbox, seconds: float) -> None:
    address = f"{sandbox.endpoints['control']}/clock"
    requests.post(address, json={"date_header_seconds": seconds}, timeout=10).raise_for_status()


def test_who_holds_the_warehouse_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    config = write_project(sandbox, tmp_path)
    warehouse = Warehouse(tmp_path / "data" / "koers.duckdb", tmp_path / "landing")
    with warehouse.open():
        held = around(checked(config), "warehouse")
    free = around(checked(config), "warehouse")

    assert held.outcome == "warning"
    assert f"is in use by Koers, process {os.getpid()} since" in held.told
    assert free.outcome == "fine"


def test_a_warehouse_without_a_copy_for_readers_is_to_look_at(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    config = write_project(sandbox, tmp_path)
    before = around(checked(config), "copy for readers")
    warehouse = Warehouse(tmp_path / "data" / "koers.duckdb", tmp_path / "landing")
    with warehouse.open():
        pass
    without = around(checked(config), "copy for readers")
    warehouse.publish()
    published = around(checked(config), "copy for readers")
    warehouse.published.write_bytes(b"not a database")
    spoilt = around(checked(config), "copy for readers")

    outcomes = [row.outcome for row in (before, without, published, spoilt)]
    assert outcomes == ["skipped", "warning", "fine", "warning"]
    assert (without.step, spoilt.step) == ("koers build makes it", "koers build makes it anew")


def test_a_damaged_warehouse_is_wrong(sandbox: Sandbox, tmp_path: Path) -> None:
    config = write_project(sandbox, tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "koers.duckdb").write_bytes(b"x" * 20_000)

    assert around(checked(config), "warehouse").outcome == "failed"


def test_a_full_disk_is_told_before_a_run_finds_it(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write_project(sandbox, tmp_path)
    told = []
    for free in (10 * 1024**2, 100 * 1024**2, 300 * 1024**2):
        monkeypatch.setattr("flows.checkup.shutil.disk_usage", lambda _, free=free: Usage(free))
        told.append(around(checked(config), "disk"))

    # 16 MB is what DuckDB needs at least; 200 MB beside twice the database is comfortable
    assert [row.outcome for row in told] == ["failed", "warning", "fine"]
    assert told[0].told.startswith("10.0 MB free in ")


@dataclass(frozen=True)
class Usage:
    free: int


MAIL = """\
smtp: {{host: 127.0.0.1, port: {port}, username: {user}, password: file:secrets/{secret},
  starttls: {tls}, ca_file: "{ca}", from: koers@example.nl}}
"""


@pytest.mark.parametrize(
    ("changes", "outcome", "told"),
    [
        ({}, "fine", "answers over TLS, logged in as koers; no mail was sent"),
        ({"tls": "false"}, "failed", "offers no login"),
        ({"secret": "refresh_token"}, "failed", "refuses the login of koers (535)"),
        ({"ca": "none.pem"}, "failed", "cannot be used"),
        ({"port": "9"}, "failed", "127.0.0.1:9 cannot be reached (ConnectionRefusedError)"),
        ({"secret": "nothing"}, "failed", "secrets/nothing cannot be read"),
    ],
)
def test_mail_is_tried_without_a_mail(
    sandbox: Sandbox, tmp_path: Path, changes: dict[str, str], outcome: str, told: str
) -> None:
    server = sandbox.endpoints["smtp"]
    values = {"port": server["port"], "user": server["username"], "secret": "smtp", "tls": "true",
              "ca": sandbox.endpoints["ca_file"]}  # fmt: skip
    config = write_project(sandbox, tmp_path, more=MAIL.format(**values | changes))
    (tmp_path / "secrets" / "smtp").write_text(server["password"])
    calls = len(list((sandbox.sent_dir / "mail").glob("*.eml")))

    row = around(checked(config), "mail")

    assert row.outcome == outcome
    assert told in row.told
    assert bool(row.step) == (outcome == "failed")
    assert len(list((sandbox.sent_dir / "mail").glob("*.eml"))) == calls


SLACK = """\
routes:
  hook: {{slack: file:secrets/hook}}
  bot: {{slack: {{token: file:secrets/bot, channel: C0SANDBOX, endpoint: "{endpoint}"}}}}
"""


def test_slack_is_tried_without_a_message(sandbox: Sandbox, tmp_path: Path) -> None:
    bot = sandbox.endpoints["slack_bot"]
    config = write_project(
        sandbox, tmp_path, more=SLACK.format(endpoint=bot["endpoint"]),
        client="notify: [hook, bot]\n",
    )  # fmt: skip
    (tmp_path / "secrets" / "hook").write_text(sandbox.endpoints["slack"])
    (tmp_path / "secrets" / "bot").write_text(bot["token"])

    of_bot, of_hook = [row for row in checked(config).surroundings if row.source == "Slack"]
    (tmp_path / "secrets" / "bot").write_text("xoxb-revoked")
    (tmp_path / "secrets" / "hook").write_text("hooks.slack.com/services/T/B/x")
    bad_bot, bad_hook = [row for row in checked(config).surroundings if row.source == "Slack"]

    assert (of_bot.account, of_bot.outcome) == ("route bot", "fine")
    assert (of_hook.account, of_hook.outcome) == ("route hook", "skipped")
    assert of_hook.told == (
        "a webhook can only be tried by posting to its channel, and a check posts nothing"
    )
    assert bad_bot.told == "Slack does not know the bot token (invalid_auth)"
    assert "install the app again" in bad_bot.step
    assert bad_hook.outcome == "failed"
    assert not (sandbox.sent_dir / "slack.jsonl").exists()


def test_a_sign_in_that_will_end_is_told_before_it_does(sandbox: Sandbox, tmp_path: Path) -> None:
    config = write_project(sandbox, tmp_path)
    about = {"signed_in_on": "2026-11-15", "ends_on": "2026-11-22"}
    (tmp_path / "secrets" / "refresh_token.json").write_text(json.dumps(about))
    row = around(checked(config), "sign-in")

    assert row.outcome == "warning"
    assert row.told == (
        "that of 2026-11-15 ends on 2026-11-22: the consent screen is in Testing, which gives it "
        "7 days"
    )


def test_the_end_of_an_api_version_is_told_sixty_days_before(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    # Google Ads API v26 ends in November 2027: its first day is the safe one
    with open_project(write_project(sandbox, tmp_path), 0.0) as project:
        told = {
            day: next(_api_versions(project, ["shop"], day))
            for day in (date(2027, 9, 1), date(2027, 9, 2), date(2027, 10, 31), date(2027, 11, 1))
        }

    assert [row.outcome for row in told.values()] == ["fine", "warning", "warning", "failed"]
    assert told[date(2027, 9, 2)].told == "Google ends it in November 2027, in 60 days"
    assert told[date(2027, 11, 1)].step == "update Koers"


@pytest.mark.parametrize(
    ("held", "python", "told"),
    [
        ({}, (3, 12), ""),
        ({"prefect": "3.9.1"}, (3, 12), "prefect 3.9.1 does not install beside certifi"),
        ({"sqlalchemy": "2.1.0b1"}, (3, 12), "sqlalchemy 2.1.0b1 crashes Prefect's scheduler"),
        ({"duckdb": "1.4.5"}, (3, 12), "duckdb 1.4.5 cannot read the warehouse's files"),
        ({}, (3, 14), "Python 3.14 is not among those Koers runs on"),
    ],
)
def test_versions_that_are_known_to_break_are_named(
    held: dict[str, str], python: tuple[int, int], told: str
) -> None:
    there = {"prefect": "3.8.8", "sqlalchemy": "2.0.58", "fastapi": "0.150.0", "duckdb": "1.5.5"}
    row = _packages(lambda name: (there | held)[name], python)

    assert (row.outcome, row.told.startswith(told)) == ("failed" if told else "fine", True)


def test_the_command_gives_rows_as_json_with_the_exit_code(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_project(sandbox, tmp_path, f"{ADS}\n  ga4: {{property_ids: [987654321]}}")
    code = main(["check", "--config", str(config), "--as-of", str(AS_OF), "--json"])
    told = json.loads(capsys.readouterr().out)

    assert code == 1
    assert [row["outcome"] for row in told["connections"]] == ["fine", "failed"]
    assert set(told["connections"][1]) == {
        "client", "source", "account", "outcome", "told", "step", "link",
    }  # fmt: skip
    assert {row["source"] for row in told["surroundings"]} >= {"warehouse", "disk", "clock"}
