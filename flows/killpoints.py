"""Named instants at which a test may kill the process, to prove that a repeat mends everything.

Nothing happens unless KOERS_KILL_AT says so: ``landed`` dies the first time that point is
reached, ``landed:3`` the third time.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from threading import Lock

POINTS = (
    "landed",  # a slice lies in the landing, the warehouse knows nothing of it
    "deleted",  # old rows of a slice are deleted, the new ones not yet inserted
    "before commit",
    "committed",
    "building",  # half of the models are made
    "evaluated",  # evaluations are written, their messages are not
    "sending",  # a message is marked as being sent, and not sent
    "sent",  # it is sent, and not marked as such
    "marked",  # how that went is written, with what a fallback gets, and not committed
    "publishing",  # the readers' copy is made, and not yet in its place
    "reporting",  # one report is written, the next is not
    "copying",  # a backup is written, and not yet in its place
    "swapping",  # a rebuilt database is whole, the old one's log set aside, and not yet swapped
    "folded",  # a snapshot is there beside all the files that it stands for
    "removing",  # some of those files are gone, others not yet
)

_seen: Counter[str] = Counter()
_lock = Lock()


def reach(point: str) -> None:
    """Tell that a point is reached; a kill without warning where a test asks for it."""
    asked = os.environ.get("KOERS_KILL_AT")
    if not asked:
        return
    name, _, times = asked.partition(":")
    if name != point:
        return
    with _lock:
        _seen[point] += 1
        if _seen[point] == int(times or 1):
            os.kill(os.getpid(), signal.SIGKILL)
