"""A run that Prefect conducts does the same as one without it, and says how it ended."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.morning import (
    DEMO_DAY,
    Project,
    Ran,
    Rows,
    SandboxProcess,
    contents,
    new_project,
    read_mail,
)

pytestmark = pytest.mark.e2e

LOAD_TIMES = ("loaded_at", "first_loaded_at", "last_loaded_at")


@dataclass(frozen=True)
class Conducted:
    project: Project
    ran: Ran
    home: Path

    def rows(self, query: str) -> Rows:
        """From Prefect's own database."""
        with closing(sqlite3.connect(self.home / "prefect.db")) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def conducted(
    first_run: tuple[Project, Ran],
    vendors_process: SandboxProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Conducted]:
    """The first run once more in an empty folder, by Prefect."""
    folder = tmp_path_factory.mktemp("prefect")
    project = new_project(vendors_process, folder / "koers")
    ran = project.koers(
        "run", "--json", "--as-of", str(DEMO_DAY), PREFECT_HOME=str(folder / "home")
    )
    yield Conducted(project, ran, folder / "home")


def test_marts_evaluations_and_messages_are_the_same_with_and_without_prefect(
    conducted: Conducted, first_run: tuple[Project, Ran], vendors_process: SandboxProcess
) -> None:
    direct, _ = first_run
    schemas = ("staging", "intermediate", "marts", "kpis")
    assert conducted.ran.code == 1
    expected = contents(direct, *schemas, without=LOAD_TIMES)
    assert expected["marts.paid_media_day"][0] > 9_000
    assert contents(conducted.project, *schemas, without=LOAD_TIMES) == expected

    def judged(project: Project) -> Rows:
        return project.rows(
            "select columns(c -> c not in ('known_at', 'run_id', 'details')), "
            # each call has a request id of its own
            "regexp_replace(details::varchar, '\\[request [^]]*\\]', '', 'g') "
            "from ops.evaluations order by all"
        )

    assert len(judged(direct)) >= 13
    assert judged(conducted.project) == judged(direct)

    def sent(project: Project) -> list[Any]:
        folder = str(project.directory)
        slack = [
            json.dumps(message["blocks"]).replace(folder, "…")
            for message in vendors_process.slack()
            if folder in message["text"]
        ]
        texts = [
            f"{mail['Subject']}\n{mail.get_body(('plain',)).get_content()}"  # type: ignore
            for mail in map(read_mail, vendors_process.mails())
        ]
        # lines are folded by their length, and folders are named differently
        return sorted(slack) + sorted(
            "".join(text.split()).replace(folder, "…") for text in texts if folder in text
        )

    assert len(sent(direct)) == 3
    assert sent(conducted.project) == sent(direct)


def test_a_run_with_a_failed_account_ends_as_failed_in_part_with_its_artifacts(
    conducted: Conducted,
) -> None:
    assert conducted.rows("select name, state_type, state_name from flow_run") == [
        (f"daily as of {DEMO_DAY}", "FAILED", "FailedInPart")
    ]
    assert {"targets", "loads", "run"} <= {
        key for (key,) in conducted.rows("select distinct key from artifact")
    }
    assert conducted.rows("select count(*) from task_run") > [(30,)]


def test_no_secret_and_no_row_is_in_prefects_database(
    conducted: Conducted, vendors_process: SandboxProcess
) -> None:
    secrets = [
        path.read_text().strip() for path in (conducted.project.directory / "secrets").iterdir()
    ]
    secrets.append(vendors_process.endpoints["slack"].partition("/services/")[2])

    written = b"".join(path.read_bytes() for path in conducted.home.rglob("*") if path.is_file())

    assert len(written) > 100_000
    assert [secret for secret in secrets if secret.encode() in written] == []
    assert b"ya29." not in written
    assert b"HYPERLINK" not in written  # a campaign's name: rows stay out of Prefect
    assert [secret for secret in secrets if secret in conducted.ran.out + conducted.ran.err] == []


def test_stdout_is_one_document_under_prefect_too(conducted: Conducted) -> None:
    assert conducted.ran.told["state"] == "completed in part"
    assert "Google Ads 4444444444" in conducted.ran.err
