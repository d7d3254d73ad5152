"""What is told to whom and how often, as the configuration says it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from flows.settings import Escalation, Mute
from tests.unit.config_folder import KOERS, findings, loaded, target

ROUTES = KOERS + "  lead: {slack: env:LEAD}\n"


def test_what_a_target_tells_is_its_own_or_the_clients(tmp_path: Path) -> None:
    client = "notify: growth\nnotify_data: [lead]\ntell: [off_track, at_risk]\nrepeat_every: 14d\n"
    client += "escalate: {to: lead, after: 2 weeks}\n"
    shop = loaded(tmp_path, ROUTES, shop=client + target()).client("shop")
    (inherited,) = shop.targets
    assert shop.notify_data == ("lead",)
    assert inherited.tell == ("off_track", "at_risk")
    assert inherited.repeat_every_days == 14
    assert inherited.escalate == Escalation(to="lead", after_days=14)
    assert inherited.mute is None

    text = client + target(
        tell="missed", repeat_every="3d", escalate="{to: lead, after: 5d}",
        mute="{until: 2026-12-01, because: the shop is being rebuilt}",
    )  # fmt: skip
    (own,) = loaded(tmp_path, ROUTES, shop=text).client("shop").targets
    assert own.tell == ("missed",)
    assert own.repeat_every_days == 3
    assert own.escalate == Escalation(to="lead", after_days=5)
    assert own.mute == Mute(until=date(2026, 12, 1), because="the shop is being rebuilt")


def test_without_any_of_it_a_target_is_repeated_weekly_and_never_escalated(tmp_path: Path) -> None:
    (plain,) = loaded(tmp_path, shop="notify: growth\n" + target()).client("shop").targets
    assert (plain.tell, plain.repeat_every_days, plain.escalate) == ((), 7, None)


def test_a_route_says_which_news_of_whose_targets_on_which_days(tmp_path: Path) -> None:
    route = (
        "  board: {slack: env:BOARD, only: [missed, achieved], owners: sanne@example.nl, "
        "quiet: [sat, sun, holidays], repeat_every: 14d}\n"
    )
    board = loaded(tmp_path, KOERS + route, shop=target()).client("shop").routes["board"]
    assert board.only == ("missed", "achieved")
    assert board.owners == ("sanne@example.nl",)
    assert board.quiet == ("sat", "sun", "holidays")
    assert board.repeat_every_days == 14


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("tell", "[off_trak]", 'did you mean "off_track"?'),
        ("tell", "[]", "tell: is empty"),
        ("repeat_every", "0d", "repeat_every"),
        ("escalate", "{to: boss, after: 7d}", 'no route "boss"'),
        ("escalate", "{to: growth, after: 7d}", 'the route "growth" hears of it at once'),
        ("escalate", "{to: lead}", "escalate.after"),
        ("mute", "{until: soon}", "mute.until"),
        ("mute", "{because: the shop is being rebuilt}", "mute.until"),
    ],
)
def test_mistakes_in_what_a_target_tells(tmp_path: Path, key: str, value: str, said: str) -> None:
    told = findings(tmp_path, ROUTES, shop="notify: growth\n" + target(**{key: value}))
    assert len(told) == 1
    assert said in told[0]
    assert told[0].startswith("clients/shop.yaml:14: ")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("quiet: [saturday]", "quiet"),
        ("quiet: [mon, tue, wed, thu, fri, sat, sun]", "has every day of the week"),
        ("only: [], quiet: sat", "only: is empty"),
        ("owners: sanne", "owners"),
    ],
)
def test_mistakes_in_a_route(tmp_path: Path, keys: str, said: str) -> None:
    (finding,) = findings(
        tmp_path, KOERS + f"  board: {{slack: env:BOARD, {keys}}}\n", shop=target()
    )
    assert said in finding
    assert finding.startswith("koers.yaml:6: ")
