"""The sandbox as the vendors' own clients see it, over the wire."""

from __future__ import annotations

import email
import email.policy
import json
import os
import smtplib
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import google.auth.transport.grpc
import google.auth.transport.requests
import google_auth_httplib2
import grpc
import httplib2
import pytest
import requests
from google.analytics.data_v1beta import BetaAnalyticsDataClient
from google.analytics.data_v1beta.services.beta_analytics_data.transports import (
    BetaAnalyticsDataGrpcTransport,
    BetaAnalyticsDataRestTransport,
)
from google.analytics.data_v1beta.types import (
    CheckCompatibilityRequest,
    DateRange,
    Dimension,
    Metric,
    OrderBy,
    RunReportRequest,
)
from google.api_core import exceptions
from google.auth.exceptions import RefreshError
from google.oauth2 import service_account
from google.oauth2.credentials import Credentials
from google.protobuf.json_format import ParseError
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError
from slack_sdk.webhook import WebhookClient

from connectors.sandbox.faults import Fault
from connectors.sandbox.server import DEMO_DAY, Ports, Sandbox, SandboxError
from connectors.sandbox.tokens import REVOKED_REFRESH_TOKEN

pytestmark = pytest.mark.e2e

FIETSGOED = "properties/311111111"
SITE = "sc-domain:fietsgoed.example"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox"), ports=Ports.free()) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    yield running
    running.faults.clear()
    running.set_as_of(DEMO_DAY)


def user(sandbox: Sandbox, **changes: str) -> Credentials:
    told = {**sandbox.endpoints["credentials"], **changes}
    return Credentials(
        None,
        refresh_token=told["refresh_token"],
        client_id=told["client_id"],
        client_secret=told["client_secret"],
        token_uri=sandbox.endpoints["token_uri"],
    )


def ga4_grpc(sandbox: Sandbox, credentials: Any = None) -> BetaAnalyticsDataClient:
    authority = Path(sandbox.endpoints["ca_file"]).read_bytes()
    channel = google.auth.transport.grpc.secure_authorized_channel(
        credentials or user(sandbox),
        google.auth.transport.requests.Request(),
        sandbox.endpoints["ga4_grpc"],
        ssl_credentials=grpc.ssl_channel_credentials(authority),
    )
    return BetaAnalyticsDataClient(transport=BetaAnalyticsDataGrpcTransport(channel=channel))


def ga4_rest(sandbox: Sandbox) -> BetaAnalyticsDataClient:
    return BetaAnalyticsDataClient(
        transport=BetaAnalyticsDataRestTransport(
            host=sandbox.endpoints["ga4_rest"].removeprefix("http://"),
            credentials=user(sandbox),
            url_scheme="http",
        )
    )


def search_console(sandbox: Sandbox) -> Any:
    http = google_auth_httplib2.AuthorizedHttp(user(sandbox), http=httplib2.Http(timeout=10))
    return build(
        "searchconsole",
        "v1",
        http=http,
        client_options={"api_endpoint": sandbox.endpoints["search_console"]},
        static_discovery=True,
    )


def report(*dimensions: str, metrics: tuple[str, ...] = ("sessions",), **said: Any) -> Any:
    said.setdefault("property", FIETSGOED)
    said.setdefault("date_ranges", [DateRange(start_date="2026-11-01", end_date="2026-11-07")])
    return RunReportRequest(
        dimensions=[Dimension(name=name) for name in dimensions],
        metrics=[Metric(name=name) for name in metrics],
        **said,
    )


# --- GA4 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", [ga4_grpc, ga4_rest])
def test_ga4_answers_the_worlds_sessions_over_both_transports(
    sandbox: Sandbox, client: Any
) -> None:
    facts = sandbox.world.ga4_facts("311111111", DEMO_DAY).to_pylist()
    expected: dict[str, int] = {}
    for row in facts:
        if date(2026, 11, 1) <= row["date_day"] <= date(2026, 11, 7):
            day = row["date_day"].strftime("%Y%m%d")
            expected[day] = expected.get(day, 0) + row["sessions"]

    answer = client(sandbox).run_report(report("date"), timeout=10)

    answered = {r.dimension_values[0].value: int(r.metric_values[0].value) for r in answer.rows}
    assert answered == expected
    assert len(answered) == answer.row_count == 7
    assert answer.metadata.time_zone == "Europe/Amsterdam"


def test_both_ga4_transports_say_the_same(sandbox: Sandbox) -> None:
    asked = report(
        "date",
        "sessionCampaignName",
        metrics=("sessions", "keyEvents", "purchaseRevenue", "engagementRate"),
        property="properties/322222222",
        limit=20,
    )

    by_grpc = ga4_grpc(sandbox).run_report(asked, timeout=10)
    by_rest = ga4_rest(sandbox).run_report(asked, timeout=10)

    assert by_grpc == by_rest
    assert [header.type_.name for header in by_rest.metric_headers] == [
        "TYPE_INTEGER",
        "TYPE_FLOAT",
        "TYPE_CURRENCY",
        "TYPE_FLOAT",
    ]


def test_ga4_pages_by_offset_until_row_count(sandbox: Sandbox) -> None:
    order = [OrderBy(dimension=OrderBy.DimensionOrderBy(dimension_name="date"))]
    asked = ("date", "sessionSource", "sessionMedium", "sessionCampaignName")
    client = ga4_grpc(sandbox)
    whole = client.run_report(report(*asked, order_bys=order), timeout=10)

    pages: list[Any] = []
    while len(pages) < whole.row_count:
        page = client.run_report(
            report(*asked, order_bys=order, limit=50, offset=len(pages)), timeout=10
        )
        pages.extend(page.rows)

    assert pages == list(whole.rows)


@pytest.mark.parametrize(
    ("client", "refused"),
    [
        (ga4_grpc, (exceptions.InvalidArgument, exceptions.PermissionDenied)),
        (ga4_rest, (exceptions.BadRequest, exceptions.Forbidden)),
    ],
)
def test_ga4_refuses_as_the_real_api(
    sandbox: Sandbox, client: Any, refused: tuple[type[Exception], ...]
) -> None:
    with pytest.raises(refused[0], match="Field sesions is not a valid metric"):
        client(sandbox).run_report(report(metrics=("sesions",)), timeout=10)
    with pytest.raises(refused[1], match="does not have sufficient permissions"):
        client(sandbox).run_report(report(property="properties/999"), timeout=10)


def test_ga4_says_what_goes_together(sandbox: Sandbox) -> None:
    answer = ga4_grpc(sandbox).check_compatibility(
        CheckCompatibilityRequest(
            property=FIETSGOED,
            dimensions=[Dimension(name="eventName")],
            metrics=[Metric(name="keyEvents")],
        ),
        timeout=10,
    )
    compatible = {
        m.metric_metadata.api_name: m.compatibility.name for m in answer.metric_compatibilities
    }

    assert compatible["keyEvents:purchase"] == "COMPATIBLE"
    assert compatible["sessions"] == "INCOMPATIBLE"


def test_ga4_lists_the_key_events_of_a_property(sandbox: Sandbox) -> None:
    for client in (ga4_grpc(sandbox), ga4_rest(sandbox)):
        metadata = client.get_metadata(name=f"{FIETSGOED}/metadata", timeout=10)
        names = {metric.api_name for metric in metadata.metrics}
        assert {"sessions", "keyEvents:purchase", "keyEvents:newsletter_signup"} <= names


def test_a_ga4_quota_error_carries_its_retry_delay(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("quota", "ga4", retry_delay_seconds=12))

    with pytest.raises(exceptions.ResourceExhausted) as refused:
        ga4_grpc(sandbox).run_report(report(), timeout=10)

    delays = [d.retry_delay.seconds for d in refused.value.details if hasattr(d, "retry_delay")]
    assert delays == [12]
    assert refused.value.reason == "RATE_LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("internal", exceptions.InternalServerError),
        ("unavailable", exceptions.ServiceUnavailable),
        ("permission", exceptions.PermissionDenied),
        ("token_expired", exceptions.Unauthenticated),
        ("cut", exceptions.ServiceUnavailable),
        ("bad_body", exceptions.InternalServerError),
    ],
)
def test_a_ga4_fault_happens_once_and_then_all_is_well(
    sandbox: Sandbox, kind: Any, error: type[Exception]
) -> None:
    client = ga4_grpc(sandbox)
    sandbox.faults.add(Fault(kind, "ga4"))

    with pytest.raises(error):
        client.run_report(report(), timeout=10)

    assert client.run_report(report(), timeout=10).row_count == 1


def test_a_stalled_call_ends_by_the_clients_own_deadline(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("stall", "ga4"))

    with pytest.raises(exceptions.DeadlineExceeded):
        ga4_grpc(sandbox).run_report(report(), timeout=0.3)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("cut", "ga4"),
        Fault("bad_body", "ga4"),
        Fault("bad_body", "ga4", reason="html"),
    ],
)
def test_a_spoilt_rest_answer_is_an_error_of_the_client(sandbox: Sandbox, fault: Fault) -> None:
    sandbox.faults.add(fault)

    with pytest.raises((ParseError, requests.RequestException)):
        ga4_rest(sandbox).run_report(report(), timeout=10)


def test_the_simulated_day_moves_what_is_known(sandbox: Sandbox) -> None:
    client = ga4_grpc(sandbox)
    last = [DateRange(start_date="yesterday", end_date="yesterday")]
    asked = report("date", metrics=("transactions",), date_ranges=last)
    before = client.run_report(asked, timeout=10).rows[0]

    sandbox.set_as_of(date(2026, 11, 24))
    settled = client.run_report(
        report(
            "date",
            metrics=("transactions",),
            date_ranges=[DateRange(start_date="2026-11-19", end_date="2026-11-19")],
        ),
        timeout=10,
    ).rows[0]

    assert before.dimension_values[0].value == settled.dimension_values[0].value == "20261119"
    assert int(before.metric_values[0].value) < int(settled.metric_values[0].value)


# --- OAuth ------------------------------------------------------------------------------------


def test_a_revoked_refresh_token_says_so(sandbox: Sandbox) -> None:
    credentials = user(sandbox, refresh_token=REVOKED_REFRESH_TOKEN)

    with pytest.raises(RefreshError, match="invalid_grant"):
        credentials.refresh(google.auth.transport.requests.Request())


def test_an_expired_access_token_is_refreshed_by_the_client(sandbox: Sandbox) -> None:
    client = search_console(sandbox)
    client.sites().list().execute()
    sandbox.tokens.expire_all()
    before = len(sandbox.calls.since())

    client.sites().list().execute()

    calls = [(c["source"], c["status"]) for c in sandbox.calls.since()][before:]
    assert calls == [("search_console", 401), ("oauth", 200), ("search_console", 200)]


def test_a_service_account_reads_with_its_key_file(sandbox: Sandbox) -> None:
    path = sandbox.endpoints["credentials"]["json_key_file_path"]
    scopes = ["https://www.googleapis.com/auth/analytics.readonly"]
    account = service_account.Credentials.from_service_account_file(path, scopes=scopes)

    answer = ga4_grpc(sandbox, account).run_report(report(), timeout=10)

    assert answer.row_count == 1


# --- Search Console ---------------------------------------------------------------------------


def test_search_console_totals_are_the_worlds(sandbox: Sandbox) -> None:
    truth = sandbox.world.truth(DEMO_DAY).to_pylist()
    expected = {
        row["date_day"].isoformat(): row["value"]
        for row in truth
        if (row["account_id"], row["metric"]) == (SITE, "clicks")
        and row["date_day"] >= date(2026, 11, 1)
    }

    answer = (
        search_console(sandbox)
        .searchanalytics()
        .query(
            siteUrl=SITE,
            body={"startDate": "2026-11-01", "endDate": "2026-11-30", "dimensions": ["date"]},
        )
        .execute()
    )

    assert {row["keys"][0]: row["clicks"] for row in answer["rows"]} == expected
    assert len(expected) == 17  # the 18th and 19th are not final yet


def test_search_console_pages_hold_every_row_once(sandbox: Sandbox) -> None:
    service = search_console(sandbox)
    body = {"startDate": "2026-11-10", "endDate": "2026-11-10", "dimensions": ["query", "page"]}
    found: list[Any] = []
    while rows := (
        service.searchanalytics()
        .query(siteUrl=SITE, body={**body, "rowLimit": 40, "startRow": len(found)})
        .execute()
        .get("rows")
    ):
        found.extend(rows)

    keys = [tuple(row["keys"]) for row in found]
    assert len(keys) == len(set(keys)) > 40
    assert [r["clicks"] for r in found] == sorted((r["clicks"] for r in found), reverse=True)


def test_search_console_refuses_with_reasons(sandbox: Sandbox) -> None:
    service = search_console(sandbox)
    body = {"startDate": "2026-11-10", "endDate": "2026-11-10"}
    sandbox.faults.add(Fault("quota", "search_console"))

    reasons = []
    for site, extra in (
        (SITE, {}),
        ("https://other.example/", {}),
        (SITE, {"dimensions": ["page"], "aggregationType": "byProperty"}),
    ):
        with pytest.raises(HttpError) as refused:
            service.searchanalytics().query(siteUrl=site, body={**body, **extra}).execute()
        reasons.append((refused.value.resp.status, refused.value.error_details[0]["reason"]))

    assert reasons == [(403, "quotaExceeded"), (403, "forbidden"), (400, "invalidParameter")]


# --- messages ---------------------------------------------------------------------------------


def test_slack_messages_arrive_as_json_lines(sandbox: Sandbox) -> None:
    client = WebhookClient(sandbox.endpoints["slack"])
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*Koers* 🚲"}}]

    accepted = client.send(text="Koers", blocks=blocks)
    refused = client.send(text="Koers", blocks=[{"type": "sectoin"}])

    assert (accepted.status_code, accepted.body) == (200, "ok")
    assert (refused.status_code, refused.body) == (400, "invalid_blocks")
    lines = (sandbox.sent_dir / "slack.jsonl").read_text().splitlines()
    assert [json.loads(line)["blocks"] for line in lines] == [blocks]


def test_slack_faults_have_slacks_answers(sandbox: Sandbox) -> None:
    client = WebhookClient(sandbox.endpoints["slack"], timeout=1)
    sandbox.faults.add(
        Fault("quota", "slack", retry_delay_seconds=5),
        Fault("answer", "slack", status=404, reason="no_service"),
    )

    limited, gone = client.send(text="x"), client.send(text="x")

    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "5")
    assert (gone.status_code, gone.body) == (404, "no_service")


def test_mail_arrives_as_files_with_every_byte(sandbox: Sandbox) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "koers@bureau.example", "sanne@fietsgoed.example"
    message["Subject"] = "Doelen 🚲"
    message.set_content("ROAS onder de 4\n.\nklaar\n")
    smtp = sandbox.endpoints["smtp"]

    with smtplib.SMTP(smtp["host"], smtp["port"], timeout=5) as client:
        client.send_message(message)

    (path,) = (sandbox.sent_dir / "mail").glob("*.eml")
    caught = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert path.name == "01-sanne-fietsgoed-example.eml"
    assert caught["Subject"] == "Doelen 🚲"
    assert caught.get_content().splitlines() == ["ROAS onder de 4", ".", "klaar"]


def test_mail_faults_hit_one_recipient_or_the_whole_mail(sandbox: Sandbox) -> None:
    smtp = sandbox.endpoints["smtp"]
    sandbox.faults.add(Fault("permission", "smtp", account_id="weg@fietsgoed.example"))
    sandbox.faults.add(Fault("quota", "smtp", method="DATA"))

    with smtplib.SMTP(smtp["host"], smtp["port"], timeout=5) as client:
        recipients = ["weg@fietsgoed.example", "tom@fietsgoed.example"]
        with pytest.raises(smtplib.SMTPDataError) as later:
            client.sendmail("koers@bureau.example", recipients, b"Subject: x\r\n\r\nx")
        refused = client.sendmail("koers@bureau.example", ["tom@x.example"], b"Subject: x\r\n\r\nx")

    assert later.value.smtp_code == 451
    assert refused == {}
    told = [c for c in sandbox.calls.since() if c["source"] == "smtp"][-5:]
    assert [c["status"] for c in told] == [550, 250, 451, 250, 250]


def test_mail_can_be_sent_over_tls_with_a_login(sandbox: Sandbox) -> None:
    smtp = sandbox.endpoints["smtp"]
    trusted = ssl.create_default_context(cafile=sandbox.endpoints["ca_file"])

    with smtplib.SMTP(smtp["host"], smtp["port"], timeout=5) as client:
        client.starttls(context=trusted)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(smtp["username"], "wrong")
        client.login(smtp["username"], smtp["password"])
        refused = client.sendmail("koers@bureau.example", ["tom@x.example"], b"Subject: x\r\n\r\nx")

    assert refused == {}


@pytest.mark.parametrize(("kept_first", "caught"), [(0, 0), (1, 1)])
def test_a_lost_answer_may_hide_that_the_message_arrived(
    sandbox: Sandbox, kept_first: int, caught: int
) -> None:
    inbox = sandbox.sent_dir / "slack.jsonl"
    before = inbox.read_text().count("\n") if inbox.exists() else 0
    sandbox.faults.add(Fault("internal", "slack", after_messages=kept_first))

    answer = WebhookClient(sandbox.endpoints["slack"]).send(text="twijfel")

    after = inbox.read_text().count("\n") if inbox.exists() else 0
    assert (answer.status_code, after - before) == (500, caught)


# --- control ----------------------------------------------------------------------------------


def test_the_control_endpoint_moves_the_day_and_plans_faults(sandbox: Sandbox) -> None:
    control = sandbox.endpoints["control"]

    moved = requests.post(f"{control}/as-of", json={"as_of": "2026-11-21"}, timeout=5).json()
    planned = requests.post(
        f"{control}/faults", json=[{"kind": "internal", "source": "search_console"}], timeout=5
    ).json()
    mistaken = requests.post(f"{control}/faults", json={"kind": "oops"}, timeout=5)
    outside = requests.post(f"{control}/as-of", json={"as_of": "2031-01-01"}, timeout=5)

    assert moved["as_of"] == "2026-11-21"
    assert sandbox.clock.as_of == date(2026, 11, 21)
    assert [fault["kind"] for fault in planned["faults"]] == ["internal"]
    assert mistaken.status_code == outside.status_code == 400
    assert requests.delete(f"{control}/faults", timeout=5).json()["faults"] == []
    calls = requests.get(f"{control}/calls", timeout=5).json()["calls"]
    assert [call["n"] for call in calls] == sorted(call["n"] for call in calls)


def test_the_control_endpoint_restates_a_day_for_every_client(sandbox: Sandbox) -> None:
    control = sandbox.endpoints["control"]

    def clicks() -> list[float]:
        body = {"startDate": "2026-11-03", "endDate": "2026-11-03", "dimensions": ["date"]}
        query = search_console(sandbox).searchanalytics().query(siteUrl=SITE, body=body)
        return [row["clicks"] for row in query.execute().get("rows", [])]

    day = {"source": "search_console", "account_id": SITE, "date_day": "2026-11-03"}
    before = clicks()
    told = requests.post(f"{control}/restate", json=[{**day, "vanish": True}], timeout=5).json()
    assert [one["date_day"] for one in told["restatements"]] == ["2026-11-03"]
    assert clicks() == []
    requests.post(f"{control}/restate", json={**day, "factor": 0.5}, timeout=5)
    assert 0 < clicks()[0] <= before[0] / 2
    refused = requests.post(f"{control}/restate", json={**day, "factor": -1}, timeout=5)
    assert refused.status_code == 400
    assert requests.delete(f"{control}/restate", timeout=5).json()["restatements"] == []
    assert clicks() == before


def test_time_can_be_made_to_pass_for_what_lasts(sandbox: Sandbox) -> None:
    control = sandbox.endpoints["control"]
    day_without = {"kind": "quota", "source": "ga4", "detail": "day", "lasts_seconds": 86_400}
    requests.post(f"{control}/faults", json=day_without, timeout=5)
    client = ga4_rest(sandbox)
    with pytest.raises(exceptions.TooManyRequests, match="tokens per day"):
        client.run_report(report(metrics=("sessions",)))
    requests.post(f"{control}/clock", json={"advance_seconds": 86_399}, timeout=5)
    assert requests.get(control, timeout=5).json()["faults"] != []
    requests.post(f"{control}/clock", json={"advance_seconds": 2}, timeout=5)
    assert client.run_report(report(metrics=("sessions",))).row_count == 1


def test_a_connection_can_be_reset_and_an_answer_drip(sandbox: Sandbox) -> None:
    url = sandbox.endpoints["token_uri"]
    sandbox.faults.add(Fault("reset", "oauth"), Fault("slow", "oauth", pause_seconds=0.005))

    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        requests.post(url, data={"grant_type": "none"}, timeout=5)
    began = time.monotonic()
    dripping = requests.post(url, data={"grant_type": "none"}, timeout=5)
    assert time.monotonic() - began > 15 * 0.005  # some 20 pieces
    assert dripping.json()["error"] == "unsupported_grant_type"


def test_a_refusal_has_the_vendors_own_structure(sandbox: Sandbox) -> None:
    sandbox.faults.add(
        Fault("refusal", "ga4", status=403, reason="SERVICE_DISABLED", detail="not enabled"),
        Fault("refusal", "search_console", status=403, reason="accessNotConfigured"),
    )
    with pytest.raises(exceptions.Forbidden) as disabled:
        ga4_rest(sandbox).run_report(report())
    assert disabled.value.reason == "SERVICE_DISABLED"
    assert disabled.value.message.endswith(": not enabled")
    with pytest.raises(HttpError) as refused:
        search_console(sandbox).sites().list().execute()
    assert refused.value.resp.status == 403
    assert json.loads(refused.value.content)["error"]["errors"][0]["reason"] == (
        "accessNotConfigured"
    )


def test_a_web_page_under_another_name_is_kept_out(sandbox: Sandbox) -> None:
    answer = requests.get(sandbox.endpoints["control"], headers={"Host": "evil.example"}, timeout=5)

    assert answer.status_code == 403


# --- the process ------------------------------------------------------------------------------


def test_a_busy_port_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    taken = int(sandbox.endpoints["google_ads"].rpartition(":")[2])

    with pytest.raises(SandboxError, match=f"port {taken} on 127.0.0.1 is in use"):
        Sandbox(tmp_path, ports=Ports(taken, 0, 0)).start()


def test_the_process_says_when_it_is_ready_and_goes_with_its_parent(tmp_path: Path) -> None:
    # a parent that starts the sandbox, hands its endpoints on and dies at once
    starter = (
        "import os, subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-m', 'connectors.sandbox', '--json',"
        " '--free-ports', '--state-dir', sys.argv[1], '--parent', str(os.getpid())],"
        " stdout=subprocess.PIPE)\n"
        "sys.stdout.buffer.write(p.stdout.readline())\n"
        "sys.stdout.flush()\n"
        "sys.stdin.read()\n"
        "os._exit(0)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", starter, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    assert parent.stdout is not None and parent.stdin is not None
    endpoints = json.loads(parent.stdout.readline())
    host, _, port = endpoints["control"].removeprefix("http://").partition(":")
    port = int(port.partition("/")[0])
    with urllib.request.urlopen(endpoints["control"], timeout=5) as answer:
        assert json.load(answer)["as_of"] == "2026-11-20"

    with socket.create_connection((host, port), timeout=10) as connection:
        parent.stdin.close()
        parent.wait(10)
        assert connection.recv(1) == b""  # closed by the sandbox as it goes
