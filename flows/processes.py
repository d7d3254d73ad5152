"""Which process does something, as text that another process can check later."""

from __future__ import annotations

import os
import socket


def this_process() -> str:
    """This machine and process, as in ``host:1234``."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_gone(owner: str) -> bool:
    """True when ``owner`` is a process of this machine that no longer runs.

    Of another machine's processes nothing is known, so they are not gone.
    """
    host, _, pid = owner.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it lives, and is somebody else's
        return False
    return False
