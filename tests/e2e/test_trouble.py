"""What goes wrong at the vendors, and what a run makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
import stamina

from tests.e2e.morning import (
    DEMO_DAY,
    WORLD,
    Project,
    Ran,
    SandboxProcess,
    contents,
    replace_once,
)

pytestmark = pytest.mark.e2e

REFUSED = "4444444444"
AS_OF = ("--as-of", str(DEMO_DAY), "--direct")
# read again although it is in
ONE_WEEK = ("--force", "--from", "2026-11-13", "--to", "2026-11-19")


@pytest.fixture
def at_once() -> Iterator[None]:
    """Retries are made as ever, without the waits between them."""
    stamina.set_testing(True, attempts=5)
    yield
    stamina.set_testing(False)


def clicks_of_a_week(project: Project, account: str) -> int:
    ((clicks,),) = project.rows(
        "select sum(clicks) from raw.google_ads__campaign_day where account_id = ? "
        "and date_day between '2026-11-13' and '2026-11-19'",
        [account],
    )
    return int(clicks)


def clicks_of_the_world(account: str) -> int:
    return int(
        sum(
            row["value"]
            for row in WORLD.truth(DEMO_DAY).to_pylist()
            if (row["account_id"], row["metric"]) == (account, "clicks")
            and date(2026, 11, 13) <= row["date_day"] <= date(2026, 11, 19)
        )
    )


# --- access -----------------------------------------------------------------------------------


def test_one_account_without_permission_fails_in_part_and_its_target_has_no_data(
    first_run: tuple[Project, Ran],
) -> None:
    project, ran = first_run

    assert ran.code == 1
    assert f"Google Ads {REFUSED}" in ran.err
    assert ran.told["state"] == "completed in part"
    failed = {load["account"] for load in ran.told["loads"] if load["outcome"] != "loaded"}
    assert failed == {REFUSED}
    (belgium,) = (t for t in ran.told["targets"] if t["target_id"] == "belgium-roas-q4")
    assert (belgium["status"], belgium["value"]) == ("no_data", None)
    assert belgium["reason"] == "account_failed"
    assert project.rows(
        "select outcome, error like '%USER_PERMISSION_DENIED%', length(request_id) > 0 "
        "from ops.loads where account_id = ?",
        [REFUSED],
    ) == [("refused", True, True)]
    # discovery lists a closed account as well: that is no failure
    assert "5555555555: skipped" in ran.err


def test_a_client_whose_only_account_refuses_exits_3_and_keeps_what_it_has(
    project: Project, vendors: SandboxProcess
) -> None:
    path = project.client_file("tulp-en-thee")
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(("  ga4:", "  search_console:"))]
    path.write_text("".join(kept).partition("\ntargets:")[0] + "\n")
    replace_once(path, "[333-333-3333]", "[444-444-4444]")
    before = contents(project, "raw", "history")

    backfill = project.here(
        "backfill", "--client", "tulp-en-thee", "--source", "google_ads", *AS_OF, *ONE_WEEK
    )
    check = project.koers("check", "--client", "tulp-en-thee", "--json")

    assert (backfill.code, check.code) == (3, 3)
    assert [c["outcome"] for c in check.told["connections"]] == ["failed"]
    assert "USER_PERMISSION_DENIED" in check.told["connections"][0]["told"]
    assert contents(project, "raw", "history") == before


def test_check_tells_each_account_and_exits_0_or_1(loaded: Project) -> None:
    fine = loaded.here("check", "--client", "tulp-en-thee")
    in_part = loaded.here("check", "--client", "fietsgoed")

    assert (fine.code, in_part.code) == (0, 1)
    assert {c["outcome"] for c in fine.told["connections"]} == {"fine"}
    assert sorted(c["outcome"] for c in in_part.told["connections"]) == [
        "failed", "fine", "fine", "fine", "skipped", "warning",  # its days are London's
    ]  # fmt: skip


def test_a_revoked_token_exits_3_and_loses_nothing(
    project: Project, vendors: SandboxProcess
) -> None:
    # that an account refuses is told in marts.account; what is known of it stays
    before = contents(project, "raw", "history", "marts", without=("status",))
    (project.directory / "secrets" / "refresh_token").write_text("1//sandbox-revoked-token")

    ran = project.here("backfill", *AS_OF, *ONE_WEEK)
    check = project.here("check", "--client", "tulp-en-thee")

    assert (ran.code, check.code) == (3, 3)
    assert {load["outcome"] for load in ran.told["loads"]} <= {"failed", "refused", "skipped"}
    assert "invalid_grant" in ran.out and "sign in again" in ran.out
    assert "sandbox-revoked-token" not in ran.out + check.out
    assert contents(project, "raw", "history", "marts", without=("status",)) == before


# --- passing faults ---------------------------------------------------------------------------


def test_a_quota_answer_with_a_delay_is_asked_again_and_counted_once(
    project: Project, vendors: SandboxProcess
) -> None:
    quota = {"kind": "quota", "source": "google_ads", "retry_delay_seconds": 1}
    # one while accounts are listed, one while a slice is read
    vendors.plan(quota | {"account_id": "1000000002"}, quota | {"account_id": "2222222222"})
    seen = vendors.count()

    ran = project.here(
        "backfill", "--client", "fietsgoed", "--source", "google_ads", *AS_OF, *ONE_WEEK
    )

    calls = [call for call in vendors.calls(seen) if call["source"] == "google_ads"]
    for account in ("1000000002", "2222222222"):
        told = [call["status"] for call in calls if call["account_id"] == account]
        assert told[0] == "RESOURCE_EXHAUSTED"
        assert set(told[1:]) == {"OK"}
    assert {load["account"] for load in ran.told["loads"] if load["outcome"] != "loaded"} <= {
        REFUSED,
        "5555555555",  # closed: skipped
    }
    assert clicks_of_a_week(project, "2222222222") == clicks_of_the_world("2222222222")


@pytest.mark.usefixtures("at_once")
def test_a_stream_that_breaks_off_halfway_is_read_again_and_counted_once(
    empty_project: Project, vendors: SandboxProcess
) -> None:
    vendors.plan(
        {"kind": "cut", "source": "google_ads", "method": "SearchStream",
         "account_id": "1111111111", "after_messages": 1, "times": 3},
        {"kind": "cut", "source": "ga4", "account_id": "311111111"},
        {"kind": "internal", "source": "search_console"},
    )  # fmt: skip

    ran = empty_project.here("backfill", "--client", "fietsgoed", *AS_OF, *ONE_WEEK)

    assert vendors.faults() == []
    assert ran.code == 1  # the account that always refuses
    assert {load["account"] for load in ran.told["loads"] if load["error"]} == {REFUSED}
    for account in ("1111111111", "2222222222"):
        assert clicks_of_a_week(empty_project, account) == clicks_of_the_world(account)
    # what broke off left nothing behind
    assert not list((empty_project.directory / "landing").rglob("*.partial"))


@pytest.mark.usefixtures("at_once")
def test_a_source_that_is_down_holds_up_only_what_rests_on_it(
    project: Project, vendors: SandboxProcess
) -> None:
    later = date(2026, 12, 4)
    vendors.set_as_of(later)
    vendors.plan({"kind": "unavailable", "source": "ga4", "times": 0})

    ran = project.here("run", "--direct", "--no-notify", "--as-of", str(later))

    assert ran.code == 1
    tried = {(load["table"].partition("__")[0], load["outcome"]) for load in ran.told["loads"]}
    assert ("google_ads", "loaded") in tried and ("search_console", "loaded") in tried
    assert {outcome for source, outcome in tried if source == "ga4"} <= {"failed", "refused"}
    reached = dict(
        project.rows(
            "select 'google_ads', max(date_day) from raw.google_ads__campaign_day union all "
            "select 'ga4', max(date_day) from raw.ga4__channel_day"
        )
    )
    assert reached == {"google_ads": date(2026, 12, 3), "ga4": date(2026, 11, 19)}
    statuses = {t["target_id"]: t["status"] for t in ran.told["targets"] if not t["segment"]}
    on_ga4 = {statuses[t] for t in ("organic-sessions-q4", "cac", "shop-conversion-rate")}
    assert on_ga4 <= {"stale", "no_data"}
    assert statuses["google-ads-ctr"] not in ("stale", "no_data")
