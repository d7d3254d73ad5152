"""One piece of work, measured in a fresh process, so that imports and memory are its own."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Measured:
    """What one piece of work took, in CPU and wall seconds, and the most memory of its process.

    ``answer`` is what came of the work. ``start_cpu`` is what the process took before it, for
    imports and connecting; it is part of the memory, not of ``cpu``.
    """

    wall: float
    cpu: float
    start_cpu: float
    peak_mb: float
    answer: Any = None


def measured(work: Callable[[], Any], look: Callable[[Any], Any] = lambda given: given) -> Measured:
    """Do the work in this process, all its threads included.

    ``look`` makes the answer of what the work gave; it is not measured.
    """
    start = cpu_seconds()
    wall = time.perf_counter()
    given = work()
    wall, cpu, peak = time.perf_counter() - wall, cpu_seconds() - start, peak_memory_mb()
    return Measured(wall, cpu, start, peak, look(given))


def tell(work: Callable[[], Any], look: Callable[[Any], Any] = lambda given: given) -> None:
    """Do the work and tell the process that waits in ``fresh`` about it."""
    print(json.dumps(asdict(measured(work, look))))


def fresh(module: str, *arguments: object) -> Measured:
    """Run ``python -m module arguments``, which ends with ``tell``. What it logs is shown."""
    command = [sys.executable, "-m", module, *(str(argument) for argument in arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[1:])}: exit {done.returncode}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def middle(rounds: Sequence[Measured]) -> Measured:
    """The median of each figure; every round must have given the same answer."""
    if any(one.answer != rounds[0].answer for one in rounds):
        raise SystemExit(f"the rounds differ: {[one.answer for one in rounds]}")
    return Measured(
        median(one.wall for one in rounds),
        median(one.cpu for one in rounds),
        median(one.start_cpu for one in rounds),
        median(one.peak_mb for one in rounds),
        rounds[0].answer,
    )


def cpu_seconds() -> float:
    """What this process and the children it has waited for took."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def cpu_seconds_of(pid: int) -> float:
    """What another process took so far. Only where there is /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_memory_mb() -> float:
    """The most that this process had; ru_maxrss would begin with that of its parent."""
    try:
        told = Path("/proc/self/status").read_text()
    except OSError:  # no Linux
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1024**2
    found = re.search(r"VmHWM:\s+(\d+) kB", told)
    return int(found[1]) / 1024 if found else 0.0


def machine() -> str:
    """What a figure has to be read with."""
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, load {load:.1f}, Python {sys.version.split()[0]}"
