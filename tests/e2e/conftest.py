"""One sandbox process and one loaded project for the whole session; tests change copies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.morning import (
    DEMO_DAY,
    Project,
    Ran,
    SandboxProcess,
    copy_of,
    new_project,
    running_sandbox,
)


@pytest.fixture(scope="session")
def vendors_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with running_sandbox(tmp_path_factory.mktemp("vendors") / "vendors") as sandbox:
        yield sandbox


@pytest.fixture
def vendors(vendors_process: SandboxProcess) -> Iterator[SandboxProcess]:
    """The sandbox process, on the demo's day and without faults."""
    yield vendors_process
    vendors_process.calm()
    vendors_process.set_as_of(DEMO_DAY)


@pytest.fixture(scope="session")
def first_run(
    vendors_process: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, Ran]:
    """A project after its first daily run, by a real process. Never change it: see `project`."""
    project = new_project(vendors_process, tmp_path_factory.mktemp("first") / "koers")
    return project, project.koers("run", "--direct", "--json", "--as-of", str(DEMO_DAY))


@pytest.fixture(scope="session")
def loaded(first_run: tuple[Project, Ran]) -> Project:
    """The project after its first run, to look at."""
    return first_run[0]


@pytest.fixture
def project(loaded: Project, vendors: SandboxProcess, tmp_path: Path) -> Project:
    """A copy of the loaded project, to change."""
    return copy_of(loaded, tmp_path / "koers")


@pytest.fixture
def empty_project(vendors: SandboxProcess, tmp_path: Path) -> Project:
    """The same configuration with nothing loaded."""
    return new_project(vendors, tmp_path / "koers")
