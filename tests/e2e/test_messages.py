"""What leaves the house: whole, safe to show, and without any secret."""

from __future__ import annotations

import os
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.morning import Project, Ran, SandboxProcess, read_mail

pytestmark = pytest.mark.e2e

SCRIPT = '<script>alert("koers")</script>'
FORMULA = '=HYPERLINK("https://evil.example","klik")'


class Elements(HTMLParser):
    """The tags of a page, where they link to, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.scripts: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        assert not [name for name, _ in attrs if name.startswith("on")], attrs

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "script":
            self.scripts.append(data)
        self.text += data


def elements_of(html: str) -> Elements:
    found = Elements()
    found.feed(html)
    return found


def messages_of(first_run: tuple[Project, Ran], vendors: SandboxProcess) -> list[dict[str, Any]]:
    """The Slack messages of the first run."""
    project, ran = first_run
    assert {m["state"] for m in ran.told["messages"]} == {"sent"}
    return [m for m in vendors.slack() if str(project.directory) in m["text"]]


def test_slack_messages_keep_to_the_limits_and_escape_names(
    first_run: tuple[Project, Ran], vendors: SandboxProcess
) -> None:
    messages = messages_of(first_run, vendors)

    assert len(messages) == 2  # the route `team` of both clients
    for message in messages:
        assert 1 <= len(message["blocks"]) <= 50
        assert 0 < len(message["text"]) <= 40_000
        for block in message["blocks"]:
            texts = [block.get("text"), *block.get("fields", ()), *block.get("elements", ())]
            for text in filter(None, texts):
                assert len(text["text"]) <= (150 if block["type"] == "header" else 3_000)
                if text["type"] == "mrkdwn":
                    # `<` begins a link or a mention; nobody's name may
                    assert "<" not in text["text"]
                    assert "Tulp & Thee" not in text["text"]
    assert any("Tulp &amp; Thee" in message["text"] for message in messages)


def test_a_mail_is_text_and_html_and_neither_runs_anything(
    first_run: tuple[Project, Ran], vendors: SandboxProcess
) -> None:
    project, _ = first_run
    (mail,) = (
        told
        for told in map(read_mail, vendors.mails())
        if str(project.directory) in told.get_body(("plain",)).get_content()  # type: ignore
    )

    text, html = mail.get_body(("plain",)), mail.get_body(("html",))

    assert text is not None and html is not None
    assert mail.get_content_type() == "multipart/alternative"
    goal = "Een ROAS van minimaal 4 op alle Google Shopping-campagnes"
    assert goal in text.get_content()
    page = elements_of(html.get_content())
    assert goal in page.text
    assert not {"script", "iframe", "form", "link"} & set(page.tags)
    assert {address.strip() for address in str(mail["To"]).split(",")} == {
        "sanne@noorderlicht.example", "tom@noorderlicht.example",
    }  # fmt: skip
    for picture in (link for link in page.links if link.startswith("cid:")):
        assert f"<{picture.removeprefix('cid:')}>" in [part["Content-ID"] for part in mail.walk()]


def test_the_report_holds_hostile_names_as_text_alone(project: Project) -> None:
    # a target that names every campaign, the hostile ones first
    path = project.client_file("fietsgoed")
    path.write_text(
        path.read_text()
        + "  - id: every-campaign\n    specific: De CTR van elke campagne\n    kpi: ctr\n"
        "    where: {source: google_ads, campaign_name: ["
        f"'{SCRIPT}', '{FORMULA}']}}\n    for_each: campaign\n    goal: {{at_least: 90%}}\n"
        "    period: 2026-Q4\n    agreed: {owner: tom@noorderlicht.example, on: 2026-09-24}\n"
        "    realistic: {because: een proef}\n"
        "    plan:\n      - {do: Kijken, owner: tom@noorderlicht.example, due: 2026-12-01}\n"
    )
    assert project.here("validate").told["findings"] == []

    ran = project.here("report", "--client", "fietsgoed", "--as-of", "2026-11-20")

    html = project.report("fietsgoed")
    page = elements_of(html)
    assert ran.code == 0
    assert SCRIPT in page.text and FORMULA in page.text
    assert SCRIPT not in html
    assert "script" not in page.tags
    assert not [link for link in page.links if "evil.example" in link]
    # one self-contained page
    assert not [link for link in page.links if link.startswith(("http:", "//"))]


def files_under(folder: Path) -> list[Path]:
    return [Path(root) / name for root, _, names in os.walk(folder) for name in names]


def test_no_secret_is_in_anything_that_a_run_leaves_behind(
    first_run: tuple[Project, Ran], vendors: SandboxProcess
) -> None:
    project, ran = first_run
    secrets = [path.read_text().strip() for path in (project.directory / "secrets").iterdir()]
    webhook = vendors.endpoints["slack"].partition("/services/")[2]
    assert len(secrets) == 3 and webhook

    places = [
        path
        for path in files_under(project.directory) + files_under(vendors.directory / "sent")
        if path.parent.name != "secrets"
    ]
    assert {"koers.duckdb", "fietsgoed.html", "fietsgoed.yaml"} <= {path.name for path in places}
    assert any(path.suffix == ".parquet" for path in places)
    for secret in [*secrets, webhook]:
        assert secret not in ran.out + ran.err
        found = [path for path in places if secret.encode() in path.read_bytes()]
        # the sandbox itself writes down which webhook was called
        assert [path for path in found if path.name != "slack.jsonl"] == []
    texts = " ".join(
        str(row)
        for table in ("ops.loads", "ops.outbox", "ops.accounts", "ops.evaluations")
        for row in project.rows(f"select * from {table}")
    )
    assert not [secret for secret in [*secrets, webhook, "ya29."] if secret in texts]
