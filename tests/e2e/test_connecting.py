"""From nothing to a report as a newcomer does it: init, connect, check, backfill, report."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path

import requests

from tests.e2e.morning import (
    WORLD,
    Project,
    Ran,
    SandboxProcess,
    ended,
    koers,
    start,
)

DAY = "2026-11-20"
FROM, TO = "2026-11-10", "2026-11-16"
TULP = ("--accounts", "333-333-3333", "--properties", "322222222",
        "--sites", "https://www.tulpenthee.example/")  # fmt: skip


def sign_in(process: subprocess.Popen[str]) -> Ran:
    """Open the address that `koers connect` prints, as the user's browser would."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if line.startswith("http"):
            page = requests.get(line.strip(), timeout=30)
            assert "Signed in" in page.text
            break
    ran = ended(process)
    return Ran(ran.code, ran.out, said + ran.err)


def test_a_newcomer_gets_from_nothing_to_a_report(vendors: SandboxProcess, tmp_path: Path) -> None:
    project = Project(tmp_path)
    secrets = vendors.endpoints["client_secrets_file"]

    made = koers("init", str(project.config), "--sandbox", str(vendors.directory))
    too_early = project.koers("check", "--as-of", DAY)
    connected = sign_in(
        start("connect", "google", "--config", str(project.config), "--no-browser",
              "--client-secrets", secrets, *TULP)
    )  # fmt: skip
    valid = project.koers("validate")
    checked = project.koers("check", "--as-of", DAY, "--json")
    filled = project.koers("backfill", "--from", FROM, "--to", TO, "--as-of", DAY, "--direct")
    report = project.koers("report", "--as-of", DAY)

    assert [ran.code for ran in (made, too_early, connected, valid, filled, report)] == [
        0, 2, 0, 0, 0, 0,
    ], (connected.err, filled.err)  # fmt: skip
    assert "GOOGLE_CLIENT_ID is not set" in too_early.err
    assert "✓ 333-333-3333  Tulp & Thee  EUR, Europe/Amsterdam" in connected.out
    assert valid.out.endswith("no mistakes found\n")
    assert {row["outcome"] for row in checked.told["connections"]} == {"fine"}
    around = [row for row in checked.told["surroundings"] if row["outcome"] == "failed"]
    assert around == []
    loaded = project.rows(
        "select account_id, min(date_day)::text, max(date_day)::text "
        "from raw.google_ads__campaign_day group by all"
    )
    assert loaded == [("3333333333", FROM, TO)]
    cost = project.rows("select sum(cost_micros) from raw.google_ads__campaign_day")
    assert cost == [(cost_of_the_world(),)]
    assert "<html" in project.report("example")


def test_practice_needs_a_sandbox_that_ran(tmp_path: Path) -> None:
    told = koers("init", str(tmp_path / "config"), "--sandbox", str(tmp_path / "none"))

    assert told.code == 2
    assert "none/sandbox/endpoints.json cannot be read" in told.err
    assert f"start `koers sandbox --dir {tmp_path / 'none'}` first" in told.err
    assert not (tmp_path / "config").exists()


def cost_of_the_world() -> int:
    """What the sandbox's world says the account cost in these days."""
    facts = WORLD.ads_facts("3333333333", date.fromisoformat(DAY))
    days = facts["date_day"].to_pylist()
    costs = facts["cost_micros"].to_pylist()
    first, last = date.fromisoformat(FROM), date.fromisoformat(TO)
    return sum(cost for day, cost in zip(days, costs, strict=True) if first <= day <= last)
