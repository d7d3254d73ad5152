"""Every fault of every API, on the wire, through a whole run: what it stops and what goes on.

One client with two accounts at each source and three days. The table of
`docs/errors.md` is what is promised.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import stamina

from flows import loading, pipeline
from flows.demo import write_config
from tests.e2e.morning import DEMO_DAY, Project, Ran, SandboxProcess

pytestmark = pytest.mark.e2e

FIRST = DEMO_DAY - timedelta(days=3)
DAYS = {FIRST + timedelta(days=i) for i in range(3)}
HOUR = 3600.0
TIMEOUT = 3.0


@dataclass(frozen=True)
class Source:
    """``suffers`` is the account that a fault is for; ``asks`` finds a request for days."""

    name: str
    table: str
    suffers: str
    other: str
    method: str
    asks: str | None = None


ADS = Source(
    "google_ads", "google_ads__campaign_day", "3333333333", "2222222222", "SearchStream",
    "segments.date BETWEEN",
)  # fmt: skip
GA4 = Source(
    "ga4", "ga4__channel_day", "322222222", "311111111", "RunReport", "sessionDefaultChannelGroup"
)
SEARCH = Source(
    "search_console", "search_console__site_day", "https://www.tulpenthee.example/",
    "sc-domain:fietsgoed.example", "searchanalytics.query",
)  # fmt: skip
SOURCES = (ADS, GA4, SEARCH)

CLIENT = f"""
name: Shop
timezone: Europe/Amsterdam
currency: EUR
locale: en
since: {FIRST}
sources:
  google_ads: {{login_customer_id: 100-000-0001, customer_ids: ["{ADS.suffers}", "{ADS.other}"]}}
  ga4: {{property_ids: ["{GA4.suffers}", "{GA4.other}"]}}
  search_console: {{sites: ["{SEARCH.suffers}", "{SEARCH.other}"]}}
"""


@pytest.fixture
def shop(vendors: SandboxProcess, tmp_path: Path) -> Project:
    """A project with one client, short deadlines and nothing loaded."""
    project = Project(tmp_path / "koers")
    project.directory.mkdir()
    write_config(project.directory, vendors.endpoints)
    for path in (project.config / "clients").glob("*.yaml"):
        path.unlink()
    project.client_file("shop").write_text(CLIENT)
    path = project.config / "koers.yaml"
    lines = []
    for line in path.read_text().splitlines():
        lines.append(line)
        if line.strip() in ("google_ads:", "ga4:", "search_console:"):
            lines.append(f"    timeout_seconds: {TIMEOUT}")
    path.write_text("\n".join(lines) + "\n")
    return project


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """Retries are made as ever, without the waits between them."""
    stamina.set_testing(True, attempts=5)
    yield
    stamina.set_testing(False)


def run(project: Project, *more: str) -> Ran:
    window = ("--from", str(FIRST), "--to", str(max(DAYS)))
    return project.here(
        "backfill", "--direct", *window, "--as-of", str(DEMO_DAY), "--quota-wait", "0", *more
    )


def fault(source: Source, kind: str, **more: Any) -> dict[str, Any]:
    told = {
        "kind": kind,
        "source": source.name,
        "method": source.method,
        "account_id": source.suffers,
        "asks": source.asks,
    }
    return told | more


def days_in(ran: Ran, source: Source, account: str) -> set[date]:
    """The days of the source's daily table that this run loaded."""
    return {
        date.fromisoformat(load["from"]) + timedelta(days=i)
        for load in ran.told["loads"]
        if (load["table"], load["account"]) == (source.table, account)
        and load["outcome"] in ("loaded", "empty")
        for i in range((date.fromisoformat(load["to"]) - date.fromisoformat(load["from"])).days + 1)
    }


def complete(ran: Ran) -> set[str]:
    return {one["account_id"] for one in ran.told["coverage"] if one["complete"]}


EVERYONE = {account for source in SOURCES for account in (source.suffers, source.other)}


# --- what passes ------------------------------------------------------------------------------

PASSING: dict[str, dict[str, Any]] = {
    "internal": {},
    "unavailable": {},
    "cut": {"after_messages": 1},
    "reset": {},
    "token_expired": {},
    "stall": {},
    "slow": {"pause_seconds": 0.01},
}


def test_all_that_passes_is_read_again_and_nothing_is_missing(
    shop: Project, vendors: SandboxProcess
) -> None:
    """All at once, one of each kind at each source: a bad morning."""
    quota = {"google_ads": {"retry_delay_seconds": 1}, "ga4": {"detail": "concurrent"}}
    for kind, more in PASSING.items():
        vendors.plan(*(fault(source, kind, **more) for source in SOURCES))
    # a gRPC message arrives whole or not at all: what cannot be read there is not a passing fault
    vendors.plan(fault(SEARCH, "bad_body"), fault(SEARCH, "bad_body", reason="html"))
    vendors.plan(*(fault(source, "quota", **quota[source.name]) for source in (ADS, GA4)))

    ran = run(shop)
    assert ran.code == 0, ran.told
    assert complete(ran) == EVERYONE
    for source in SOURCES:
        assert days_in(ran, source, source.suffers) == DAYS
    assert not list((shop.directory / "landing").rglob("*.partial"))
    assert vendors.faults() == []


def test_ga4_over_rest_bears_the_same_morning(shop: Project, vendors: SandboxProcess) -> None:
    path = shop.config / "koers.yaml"
    before, ga4, after = path.read_text().partition("  ga4:\n")
    # both gRPC services are at one address: the first after the heading is GA4's
    after = after.replace(vendors.endpoints["ga4_grpc"], vendors.endpoints["ga4_rest"], 1)
    path.write_text(f"{before}{ga4}    transport: rest\n{after}")
    for kind, more in PASSING.items():
        vendors.plan(fault(GA4, kind, **more))
    vendors.plan(fault(GA4, "bad_body"), fault(GA4, "bad_body", reason="html"))

    ran = run(shop, "--source", "ga4")
    assert ran.code == 0, ran.told
    assert days_in(ran, GA4, GA4.suffers) == DAYS
    assert vendors.faults() == []


# --- what lasts, for one account --------------------------------------------------------------


def lasting(kind: str, **more: Any) -> list[dict[str, Any]]:
    return [fault(source, kind, times=0, **more) for source in SOURCES]


@pytest.mark.parametrize(
    ("faults", "reasons"),
    [
        pytest.param(
            lasting("permission"),
            ("USER_PERMISSION_DENIED", "PERMISSION_DENIED", "forbidden"),
            id="permission",
        ),
        pytest.param(
            [
                fault(ADS, "quota", times=0, retry_delay_seconds=HOUR, detail="hour"),
                fault(GA4, "quota", times=0, detail="hour"),
                fault(SEARCH, "quota", times=0, detail="load"),
            ],
            ("RESOURCE", "RATE_LIMIT_EXCEEDED", "quotaExceeded"),
            id="quota",
        ),
    ],
)
def test_what_one_account_suffers_stops_that_account_and_no_other(
    shop: Project, vendors: SandboxProcess, faults: list[dict[str, Any]], reasons: tuple[str, ...]
) -> None:
    vendors.plan(*faults)
    seen = vendors.count()
    ran = run(shop)

    assert ran.code == 1
    assert complete(ran) == {source.other for source in SOURCES}
    for source, reason in zip(SOURCES, reasons, strict=True):
        assert days_in(ran, source, source.other) == DAYS
        errors = {x["error"] for x in ran.told["loads"] if x["account"] == source.suffers}
        assert any(reason in (error or "") for error in errors), errors
        # it is asked until its first refusal is known, and then left alone: at most once for
        # each of Google Ads' six tables, that of lag buckets among them, and for its name
        asked = [c for c in vendors.calls(seen) if c["account_id"] == source.suffers]
        assert len(asked) <= 7


def test_a_stream_that_always_breaks_off_fails_alone_down_to_its_days(
    shop: Project, vendors: SandboxProcess
) -> None:
    vendors.plan(*lasting("cut", after_messages=1))
    ran = run(shop)
    assert ran.code == 1
    assert complete(ran) == {source.other for source in SOURCES}
    for source in SOURCES:
        assert days_in(ran, source, source.suffers) == set()
        windows = {
            (x["from"], x["to"])
            for x in ran.told["loads"]
            if (x["table"], x["account"]) == (source.table, source.suffers)
        }
        assert windows == {(str(day), str(day)) for day in DAYS}, source.name


# --- what everyone suffers --------------------------------------------------------------------


def refusals(source: Source, reason: str, **more: Any) -> list[dict[str, Any]]:
    return [fault(source, "refusal", times=0, reason=reason, account_id=None, **more)]


def down(source: Source) -> list[dict[str, Any]]:
    return [fault(source, "unavailable", times=0, account_id=None)]


@pytest.mark.parametrize(
    ("goes_on", "faults", "reasons"),
    [
        pytest.param(
            SEARCH,
            refusals(ADS, "UNSUPPORTED_VERSION") + refusals(GA4, ""),
            ("UNSUPPORTED_VERSION", "INVALID_ARGUMENT"),
            id="sunset-and-unknown-metric",
        ),
        pytest.param(
            GA4,
            refusals(ADS, "UNRECOGNIZED_FIELD")
            + refusals(SEARCH, "accessNotConfigured", status=403),
            ("UNRECOGNIZED_FIELD", "accessNotConfigured"),
            id="unknown-field-and-disabled-api",
        ),
        pytest.param(
            SEARCH,
            refusals(ADS, "OAUTH_TOKEN_REVOKED") + down(GA4),
            ("OAUTH_TOKEN_REVOKED", "unavailable"),
            id="revoked-and-down",
        ),
        pytest.param(
            GA4, down(ADS) + down(SEARCH), ("Google Ads", "Search Console"), id="two-are-down"
        ),
    ],
)
def test_what_everyone_suffers_stops_the_source_and_no_other_source(
    shop: Project,
    vendors: SandboxProcess,
    goes_on: Source,
    faults: list[dict[str, Any]],
    reasons: tuple[str, ...],
) -> None:
    vendors.plan(*faults)
    ran = run(shop)

    assert ran.code == 1
    assert complete(ran) == {goes_on.suffers, goes_on.other}
    told = " ".join(x["error"] for x in ran.told["loads"] if x["error"])
    assert all(reason in told for reason in reasons), told


def test_a_revoked_refresh_token_ends_as_want_of_access_and_judges_nothing(
    shop: Project, vendors: SandboxProcess
) -> None:
    vendors.plan({"kind": "token_expired", "source": "oauth", "times": 0})
    ran = run(shop)
    assert ran.code == 3
    assert complete(ran) == set()


def test_a_token_endpoint_that_is_down_fails_every_source_and_is_no_want_of_access(
    shop: Project, vendors: SandboxProcess
) -> None:
    vendors.plan({"kind": "unavailable", "source": "oauth", "times": 0})
    ran = run(shop)
    assert ran.code == 5
    assert complete(ran) == set()


# --- what is postponed ------------------------------------------------------------------------


def test_an_hour_without_quota_is_waited_for_when_all_else_is_in(
    shop: Project, vendors: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        vendors.calm()  # the quota is back

    patient = partial(loading.Loading, pause=pause, clock=lambda: sum(waited))
    monkeypatch.setattr(pipeline, "Loading", patient)
    vendors.plan(fault(GA4, "quota", times=0, detail="hour"))
    ran = run(shop, "--quota-wait", "7200")

    assert ran.code == 0
    assert complete(ran) == EVERYONE
    assert 0 < sum(waited) <= HOUR
