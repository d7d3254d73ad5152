"""What holds for all tests. `make test` runs them side by side, each file in one process."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home for Prefect of each process, so that none waits for another's database.

    Nor is anything put into the home of who runs the tests.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect-home")))
        yield


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    """A command that ran in this process and was to be quiet silences nobody after it."""
    log = logging.getLogger("koers")
    level = log.level
    yield
    log.setLevel(level)
