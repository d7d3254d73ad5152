"""The sandbox's story as its readers live it: 120 mornings, and what every route was told.

Everything is read once, as of the last morning; then each morning is judged and
told of in turn by the ordinary step, with the figures of now. `python -m
tests.e2e.story DIRECTORY` writes every message in full to a folder, to be read.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from flows import steps
from flows.alerts import outbox
from flows.alerts.digest import Digest, DigestItem
from flows.project import Project as Opened
from flows.project import open_project
from flows.report import digest_lines, words
from flows.views import read_for, views_of
from tests.e2e.morning import (
    FIRST_DAY,
    FIRST_SEARCH_DAY,
    Project,
    SandboxProcess,
    new_project,
    replace_once,
    running_sandbox,
)

FIRST, LAST = date(2026, 9, 24), date(2027, 1, 21)
# a look back of four weeks for September's goals; Search Console takes a request a day
SINCE, SEARCH_SINCE = date(2026, 8, 4), date(2026, 9, 20)
CLIENTS = ("fietsgoed", "tulp-en-thee")
MORNINGS = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]

ROUTES = """\
  lead: {email: [lead@noorderlicht.example], locale: nl, quiet: [sat, sun, holidays]}
  board: {email: [eva@fietsgoed.example], digest: monthly, quiet: [sat, sun, holidays]}
  weekly: {slack: file:secrets/slack_webhook, digest: weekly, quiet: [holidays]}
  results: {slack: file:secrets/slack_webhook, only: [missed, achieved]}
  data: {slack: file:secrets/slack_webhook, locale: en}
"""


def tell_project(sandbox: SandboxProcess, directory: Path) -> Project:
    """The demo's clients with every kind of route, loaded as of the last morning."""
    project = new_project(sandbox, directory)
    replace_once(project.config / "koers.yaml", "\nsmtp: ", f"{ROUTES}\nsmtp: ")
    fietsgoed = project.client_file("fietsgoed")
    replace_once(
        fietsgoed,
        "notify: [team, growth]\n",
        "notify: [team, growth, board]\nnotify_data: [data]\nescalate: {to: lead, after: 14d}\n",
    )
    replace_once(
        fietsgoed,
        "  - id: belgium-roas-q4\n",
        "  - id: belgium-roas-q4\n    mute: {until: 2026-11-02, because: toegang is aangevraagd}\n",
    )
    tulp = project.client_file("tulp-en-thee")
    for path in (fietsgoed, tulp):  # the story's first month counts from its first day
        replace_once(path, f"\nsince: {FIRST_DAY}\n", f"\nsince: {SINCE}\n")
        text = path.read_text()
        path.write_text(text.replace(f"since: {FIRST_SEARCH_DAY}}}", f"since: {SEARCH_SINCE}}}"))
    replace_once(tulp, "notify: [team]\n", "notify: [team, weekly, results]\n")
    sandbox.set_as_of(LAST)
    ran = project.here("run", "--direct", "--no-notify", "--as-of", str(LAST))
    assert ran.code == 1, ran.told  # the account that refuses
    return project


@dataclass(frozen=True)
class Told:
    """A message: what it rests on, and its text as people read it."""

    digest: Digest
    texts: tuple[str, ...]


@contextmanager
def open_(project: Project) -> Iterator[Opened]:
    with open_project(project.config, 20.0) as opened:
        yield opened


def live_through(
    project: Project, mornings: Sequence[date] = MORNINGS, *, in_full: bool = False
) -> list[Told]:
    """Judge and tell each morning; texts only when ``in_full``: charts take a while."""
    from flows.alerts import news

    told: list[Told] = []
    draw = news.rendered

    def caught(digest: Digest, *dress: Any) -> list[outbox.Outgoing]:
        messages = draw(digest, *dress) if in_full else []
        told.append(Told(digest, tuple(_text(one) for one in messages)))
        return messages

    with open_(project) as opened:
        with opened.warehouse.open() as connection:  # the figures do not change between mornings
            read = read_for(opened, connection, CLIENTS, mornings[0], LAST)
        judged = partial(views_of, read=read)
        with (
            mock.patch.object(news, "rendered", caught),
            mock.patch.object(steps, "views_of", judged),
        ):
            _tell_each(opened, mornings)
    return told


def _tell_each(opened: Opened, mornings: Sequence[date]) -> None:
    for day in mornings:
        steps.evaluate_targets(opened, CLIENTS, day, True)


def _text(message: outbox.Outgoing) -> str:
    said = message.message
    if message.channel == "email":
        return f"Subject: {said.subject}\n\n{said.text}"  # type: ignore[union-attr]
    blocks = said.blocks  # type: ignore[union-attr]
    texts = [
        part["text"] if isinstance(part["text"], str) else part["text"]["text"]
        for block in blocks
        for part in ([block] if "text" in block else block.get("elements", ()))
    ]
    return "\n\n".join([said.text.split("\n")[0], *texts])


# --- the story on paper -----------------------------------------------------------------------


def on_paper(told: Sequence[Told]) -> str:
    """Every message by route: which morning, and of each goal from what to what, and why."""
    lines: list[str] = []
    for client, route in sorted({(one.digest.client.slug, one.digest.route) for one in told}):
        lines += [f"== {client} → {route}", ""]
        for one in told:
            digest = one.digest
            if (digest.client.slug, digest.route) == (client, route):
                lines += _message(digest)
        lines.append("")
    return "\n".join([*lines, *_counts(told)])


def _message(digest: Digest) -> list[str]:
    what = "first" if digest.is_first else digest.cadence
    lines = [f"{digest.as_of:%a %Y-%m-%d} {what}", f"  “{digest_lines.subject(digest)}”"]
    for item in digest.changed:
        said = digest_lines.line(item, digest)
        change = f" ({said.change})" if said.change else ""
        lines += [f"  {_item(item)}", f"    {words.capital(said.word)}{change}: {said.reason}"]
    for one in digest.data:
        name = f"{one.account.source}/{one.account.account_id}" if one.account else "no account"
        lines.append(f"  data {one.kind}: {name} ({', '.join(one.target_ids)})")
    if digest.cadence != "daily":
        held = ", ".join(f"{i.view.target.id} {i.evaluation.status}" for i in digest.unchanged)
        lines.append(f"  unchanged: {held or 'none'}")
    return lines


def _item(item: DigestItem) -> str:
    name = item.view.target.id
    if item.view.target.period.every and item.evaluation.period_start:
        name += f" {item.evaluation.period_start:%Y-%m}"
    if item.evaluation.segment:
        name += f" / {item.evaluation.segment_label}"
    since = f", since {item.since}" if item.kind in ("again", "back") else ""
    return f"{name}: {item.was or '-'} -> {item.evaluation.status} ({item.kind}{since})"


def _counts(told: Sequence[Told]) -> list[str]:
    routes = Counter((one.digest.client.slug, one.digest.route) for one in told)
    goals = Counter(
        (one.digest.client.slug, one.digest.route, item.view.target.id)
        for one in told
        for item in one.digest.changed
    )
    lines = ["== messages per route, and how often each goal was news", ""]
    for key, count in sorted(routes.items()):
        lines.append(f"{key[0]} → {key[1]}: {count}")
        lines += [f"  {goal}: {n}" for (*of, goal), n in sorted(goals.items()) if tuple(of) == key]
    return [*lines, ""]


def main(directory: Path) -> None:
    with running_sandbox(directory / "vendors") as sandbox:
        project = tell_project(sandbox, directory / "koers")
    loaded = time.process_time()
    told = live_through(project, in_full="--short" not in sys.argv)
    done = time.process_time()
    print(f"{len(told)} messages; {loaded:.0f} s to load, {done - loaded:.0f} s to tell")
    (directory / "story.txt").write_text(on_paper(told))
    for one in told:
        digest = one.digest
        name = f"{digest.client.slug}-{digest.route}.txt"
        with (directory / name).open("a") as out:
            for text in one.texts:
                out.write(f"{'=' * 78}\n{digest.as_of:%a %Y-%m-%d} {digest.cadence}\n\n{text}\n\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
