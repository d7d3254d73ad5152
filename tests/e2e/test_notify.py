"""`koers notify` and the queue of `koers status`, against the sandbox's Slack and mail."""

from __future__ import annotations

import json

import pytest

from tests.e2e.morning import DEMO_DAY, Project, SandboxProcess, replace_once

pytestmark = pytest.mark.e2e


def stricter(project: Project) -> None:
    """An edited goal is news: there is something to tell."""
    replace_once(
        project.client_file("fietsgoed"), "goal: {at_least: 60000}", "goal: {at_least: 90000}"
    )


def test_a_dry_run_shows_what_the_next_one_sends_and_sends_nothing(
    project: Project, vendors: SandboxProcess
) -> None:
    stricter(project)
    vendors.plan({"source": "slack", "kind": "quota", "times": 1})
    assert project.here("run", "--direct", "--as-of", str(DEMO_DAY)).code == 1
    before, mails = len(vendors.slack()), len(vendors.mails())
    (waiting,) = [one for one in project.here("status").told["queue"] if one["channel"] == "slack"]
    assert (waiting["route"], waiting["attempts"]) == ("team", 1)
    assert waiting["error"]

    shown = project.here("notify", "--dry-run", "--again")
    assert shown.code == 0
    assert (len(vendors.slack()), len(vendors.mails())) == (before, mails)
    (message,) = [one for one in shown.told["messages"] if one["channel"] == "slack"]
    assert "60.000 bezoeken" in message["words"]

    assert project.here("notify", "--again").code == 0
    (sent,) = vendors.slack()[before:]
    assert sent["blocks"] == message["payload"]["blocks"]
    assert project.here("status").told["queue"] == []


def test_a_bots_next_digest_is_a_reply_as_the_dry_run_showed_it(
    project: Project, vendors: SandboxProcess
) -> None:
    bot = vendors.endpoints["slack_bot"]
    (project.directory / "secrets" / "slack_bot").write_text(bot["token"])
    replace_once(
        project.config / "koers.yaml",
        "\nroutes:\n",
        "\nroutes:\n  bot: {slack: {token: file:secrets/slack_bot, "
        f"channel: {bot['channel']}, endpoint: '{bot['endpoint']}'}}}}\n",
    )
    replace_once(project.client_file("fietsgoed"), "notify: [team, growth]", "notify: [bot]")
    before = len(vendors.slack())
    asked = ("run", "--direct", "--client", "fietsgoed", "--as-of", str(DEMO_DAY))
    assert project.here(*asked).code == 1  # the account that refuses
    head, charts = vendors.slack()[before:]
    assert "Dit is het eerste bericht over" in json.dumps(head["blocks"])
    assert charts["thread_ts"] == head["ts"]
    assert all("De lijn eindigt op" in one["alt_txt"] for one in charts["files"])

    stricter(project)
    vendors.plan({"source": "slack", "kind": "quota", "method": "chat.postMessage", "times": 1})
    assert project.here(*asked).code == 1
    assert len(vendors.slack()) == before + 2
    (shown,) = project.here("notify", "--dry-run", "--again").told["messages"]
    assert shown["to"][1].startswith("in the thread")
    assert project.here("notify", "--again").code == 0

    reply, more, edit = vendors.slack()[before + 2 :]
    assert (reply["thread_ts"], more["thread_ts"], edit["ts"]) == (head["ts"],) * 3
    assert reply["blocks"] == shown["payload"]["blocks"]
    assert reply.get("reply_broadcast", False) == shown["payload"]["reply_broadcast"]
    assert edit["blocks"][1]["elements"][0]["text"] == shown["payload"]["head_note"]
    assert [*edit["blocks"][:1], *edit["blocks"][2:]] == head["blocks"]
    assert [one["title"] for one in more["files"]] == [
        one["title"] for one in shown["payload"]["pictures"]
    ]


def test_a_test_message_says_so_and_changes_nothing(
    project: Project, vendors: SandboxProcess
) -> None:
    before, told = len(vendors.slack()), project.rows("select * from ops.outbox order by all")
    ran = project.here("notify", "--test", "team", "--client", "fietsgoed")
    assert [one["state"] for one in ran.told["messages"]] == ["sent"]
    (message,) = vendors.slack()[before:]
    assert "proef" in json.dumps(message)
    assert project.rows("select * from ops.outbox order by all") == told


def test_a_route_that_does_not_exist_is_named_with_what_was_meant(project: Project) -> None:
    done = project.koers("notify", "--test", "taem")
    assert done.code == 2
    assert "team" in done.out + done.err
