"""`make torture`: hundreds of kills, at named points and at any instant, and what came of them.

    python -m tests.torture.kills [--kills 200] [--seed N] [--named | --prefect] [--keep]

Prints the seed first and a table last; exits 1 when any round differs from an
undisturbed one. Every fifth round is one of real `koers` processes, started
anew; the others fork from one that has done its imports.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from flows.killpoints import POINTS
from tests.e2e.morning import running_sandbox
from tests.torture.preloaded import Runner
from tests.torture.rounds import (
    BACKFILL,
    BACKUP,
    FOLD,
    REBUILD,
    RUN,
    THROUGH_PREFECT,
    Kill,
    Tally,
    Torture,
    prepare,
)

# how often each point is reached
TIMES = {
    "landed": 11, "deleted": 6, "before commit": 11, "committed": 11, "building": 1,
    "evaluated": 1, "sending": 3, "sent": 3, "marked": 3, "publishing": 1, "reporting": 1,
    "copying": 1, "swapping": 1, "folded": 5, "removing": 8,
}  # fmt: skip
ELSEWHERE: dict[str, tuple[str, ...]] = {
    "copying": BACKUP, "swapping": REBUILD, "folded": FOLD, "removing": FOLD,
}  # fmt: skip
IN_A_BACKFILL = ("landed", "before commit", "committed", "building", "publishing")
OTHERS: tuple[tuple[str, ...], ...] = (BACKFILL, REBUILD, FOLD, BACKUP)


def named_rounds_of(chance: random.Random) -> Iterator[tuple[tuple[str, ...], list[Kill]]]:
    """Rounds without end at named points alone, all of them equally often."""
    assert set(TIMES) == set(POINTS), "a point that nobody kills at"
    while True:
        left = [name for name in POINTS if name not in ELSEWHERE]
        chance.shuffle(left)
        while left:
            yield RUN, [Kill(name, chance.randint(1, TIMES[name])) for name in left[:4]]
            del left[:4]
        for point, command in ELSEWHERE.items():
            yield command, [Kill(point, n + 1) for n in range(min(2, TIMES[point]))]
        yield BACKFILL, [Kill(name, chance.randint(1, TIMES[name])) for name in IN_A_BACKFILL]


def prefect_rounds_of(chance: random.Random) -> Iterator[tuple[tuple[str, ...], list[Kill]]]:
    """Rounds without end of runs by Prefect: at named points, and while all is in motion."""
    names = [name for name in POINTS if name not in ELSEWHERE]
    while True:
        first, second = chance.sample(names, 2)
        yield (
            THROUGH_PREFECT,
            [
                Kill(first, chance.randint(1, TIMES[first])),
                Kill(after=chance.uniform(2, 20)),
                Kill(second, chance.randint(1, TIMES[second])),
            ],
        )


def rounds_of(
    torture: Torture, chance: random.Random
) -> Iterator[tuple[tuple[str, ...], list[Kill]]]:
    """Rounds without end: each named point in turn, then random instants; often several kills."""
    assert set(TIMES) == set(POINTS), "a point that nobody kills at"
    while True:
        for point in POINTS:
            command: tuple[str, ...] = ELSEWHERE.get(point, RUN)
            kills = [Kill(point, chance.randint(1, TIMES[point]))]
            if command is RUN and chance.random() < 0.6:
                second = chance.choice([name for name in TIMES if name not in ELSEWHERE])
                kills.append(Kill(second, chance.randint(1, TIMES[second])))
            yield command, kills
            yield RUN, [torture.random_kill(RUN) for _ in range(chance.randint(3, 6))]
        for point in IN_A_BACKFILL:
            first = Kill(point, chance.randint(1, TIMES[point]))
            yield BACKFILL, [first, torture.random_kill(BACKFILL)]
        for command in OTHERS:
            yield command, [torture.random_kill(command) for _ in range(2)]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.kills")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--minutes", type=float, default=120, help="stop after so long")
    parser.add_argument("--keep", action="store_true", help="keep the folders of all rounds")
    parser.add_argument("--named", action="store_true", help="only at named points")
    parser.add_argument("--prefect", action="store_true", help="runs by Prefect, at named points")
    asked = parser.parse_args(arguments)
    print(f"seed {asked.seed}", flush=True)
    chance = random.Random(asked.seed)
    directory = Path(tempfile.mkdtemp(prefix="koers-torture-"))
    started = time.monotonic()
    with running_sandbox(directory / "sandbox") as sandbox, Runner() as runner:
        prepared = prepare(sandbox, runner, directory / "prepared")
        torture = Torture(sandbox, runner, prepared, directory, chance)
        done = 0
        rounds = rounds_of(torture, chance)
        if asked.named or asked.prefect:
            rounds = prefect_rounds_of(chance) if asked.prefect else named_rounds_of(chance)
        for command, kills in rounds:
            if done >= asked.kills or time.monotonic() - started > asked.minutes * 60:
                break
            torture.real = torture.rounds % 5 == 4
            problems = torture.round(command, kills)
            done = sum(tally.kills for tally in torture.tallies.values())
            print(
                f"{time.monotonic() - started:5.0f} s  {done:4} kills  {torture.last}", flush=True
            )
            for problem in problems:
                print(f"    {problem}", flush=True)
    print(table(torture.tallies))
    for problem in torture.problems:
        print(problem)
    took = time.monotonic() - started
    print(
        f"{done} kills in {torture.rounds} rounds, {torture.real_kills} of processes started anew"
    )
    print(f"{torture.different} rounds differ; seed {asked.seed}, {took:.0f} s")
    if torture.problems or asked.keep:
        print(f"the folders are in {directory}")
    else:
        shutil.rmtree(directory)
    return 1 if torture.problems else 0


def table(tallies: dict[tuple[str, str], Tally]) -> str:
    heads = ("command", "killed at", "kills", "ended before", "sent twice")
    rows = [
        (command, point, str(t.kills), str(t.too_late), str(t.duplicates))
        for (command, point), t in sorted(tallies.items())
    ]
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (heads, *rows)
    )


if __name__ == "__main__":
    sys.exit(main())
