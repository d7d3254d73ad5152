"""The `koers` command as scripts and people meet it: documents, words and exit codes."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.morning import DEMO_DAY, Project, Ran, SandboxProcess, ended, koers, start

pytestmark = pytest.mark.e2e

AS_OF = ("--as-of", str(DEMO_DAY))


def test_every_command_with_json_says_one_document_and_logs_elsewhere(
    project: Project, first_run: tuple[Project, Ran], tmp_path: Path
) -> None:
    asked: dict[str, tuple[tuple[str, ...], str]] = {
        "validate": ((), "findings"),
        "build": ((), "checks"),
        "evaluate": (AS_OF, "targets"),
        "targets": (AS_OF, "targets"),
        "report": ((*AS_OF, "--client", "tulp-en-thee"), "reports"),
        "notify": ((), "messages"),
        "status": ((), "sources"),
    }

    with ThreadPoolExecutor(max_workers=2) as pool:  # they wait for one another's lock
        answers = dict(
            zip(
                asked,
                pool.map(lambda c: project.koers(c, "--json", *asked[c][0]), asked),
                strict=True,
            )
        )
    answers["run"] = first_run[1]
    answers["init"] = koers("init", str(tmp_path / "new"), "--json")

    keys = {name: key for name, (_, key) in asked.items()} | {"run": "targets", "init": "written"}
    for name, ran in answers.items():
        assert keys[name] in ran.told, name  # raises when stdout is not one document
        assert "Traceback" not in ran.err, name
    assert {name: ran.code for name, ran in answers.items() if name != "run"} == dict.fromkeys(
        [*asked, "init"], 0
    )
    # what a run did meanwhile is told on stderr
    assert "search_console site_day https://www.tulpenthee.example/" in answers["run"].err
    said = [
        {(t["client"], t["target_id"], t["segment"]): (t["status"], t["value"]) for t in ran}
        for ran in (answers["targets"].told["targets"], first_run[1].told["targets"])
    ]
    assert said[0] == said[1]


def test_the_sandbox_says_its_endpoints_as_one_line_of_json_and_ends_well(tmp_path: Path) -> None:
    process = start("sandbox", "--dir", str(tmp_path), "--free-ports", "--json")
    assert process.stdout is not None
    endpoints = json.loads(process.stdout.readline())

    process.terminate()
    ran = ended(process)

    assert endpoints["as_of"] == str(DEMO_DAY)
    assert (ran.code, ran.out) == (0, "")


def test_a_first_configuration_validates_and_a_broken_one_names_its_mistakes(
    loaded: Project, tmp_path: Path
) -> None:
    written = koers("init", str(tmp_path / "config"))
    valid = koers("validate", "--config", str(tmp_path / "config"))
    (tmp_path / "config" / "koers.yaml").write_text("version: 1\nshedule: {}\nwarehouse: [\n")
    broken = koers("validate", "--config", str(tmp_path / "config"))
    run = koers("run", "--direct", "--config", str(tmp_path / "config"))

    assert (written.code, valid.code, broken.code, run.code) == (0, 0, 2, 2)
    assert f"{tmp_path / 'config' / 'koers.yaml'}:" in broken.out
    assert run.out == ""


def test_a_dry_run_says_what_it_would_read_and_asks_nobody(
    loaded: Project, vendors: SandboxProcess
) -> None:
    before = vendors.count()

    ran = loaded.here(
        "backfill", "--dry-run", "--force", *AS_OF, "--from", "2026-10-01", "--to", "2026-10-31"
    )

    assert ran.code == 0
    assert vendors.count() == before
    planned = {(s["table"], s["account"]): (s["from"], s["to"]) for s in ran.told["slices"]}
    assert planned["google_ads__campaign_day", "1111111111"] == ("2026-10-01", "2026-10-31")
    assert planned["ga4__channel_day", "322222222"] == ("2026-10-01", "2026-10-31")


def test_wrong_usage_exits_2_and_leaves_stdout_alone(loaded: Project) -> None:
    answers = {
        "command": koers("runn"),
        "day": koers("run", "--as-of", "20 november"),
        "client": loaded.koers("targets", "--client", "fietsgoet"),
        "source": loaded.koers(
            "backfill",
            "--from",
            "2026-11-01",
            "--to",
            "2026-11-01",
            "--source",
            "bing",
            "--dry-run",
        ),
        "folder": koers("validate", "--config", "/nowhere"),
        "range": loaded.koers("backfill", "--from", "2026-11-02", "--to", "2026-11-01"),
    }

    assert {name: ran.code for name, ran in answers.items()} == dict.fromkeys(answers, 2)
    assert "YYYY-MM-DD" in answers["day"].err
    assert "did you mean 'fietsgoed'?" in answers["client"].err
    assert "bing" in answers["source"].err and "search_console" in answers["source"].err
    assert "/nowhere" in answers["folder"].out + answers["folder"].err
    assert "before --from" in answers["range"].err
    assert {n for n, ran in answers.items() if ran.out} <= {"folder"}  # validate tells findings
