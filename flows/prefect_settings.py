"""How Prefect is set up, unless the user's environment says otherwise. Imports nothing of it.

Call ``apply`` before Prefect is imported: it reads its settings once.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

QUIET = {
    # nothing phones home
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # without PREFECT_API_URL a run brings its own server, which may take long on a busy machine
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    # rows never become Prefect results
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
    # our own log says what happens; Prefect speaks up when something is wrong
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
    "PREFECT_TASKS_REFRESH_CACHE": "false",
}

SERVING = {
    "PREFECT_SERVER_UI_ENABLED": "true",
    # the lines of each run are shown in the Prefect UI and in this terminal
    "PREFECT_LOGGING_LEVEL": "INFO",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "koers",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}


def apply(**more: str) -> None:
    """Set what is not set yet; ``more`` adds to the list or changes it."""
    for name, value in {**QUIET, **more}.items():
        os.environ.setdefault(name, value)
    if not _is_writable(Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()):
        # a home that is read-only or not there (a container, a service): what Prefect keeps
        # of this run may go when the machine does
        os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="koers-prefect-")


def _is_writable(folder: Path) -> bool:
    """True when the folder is there or can be made, and files can be made in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
