"""`koers demo` and `koers sandbox`: the whole daily path for two shops, without any account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from string import Template
from typing import Any

from flows import prefect_settings
from flows.pipeline import RunReport
from flows.runs import daily_run
from flows.settings import ConfigError
from flows.summary import as_table, evaluations_as_dicts, target_rows
from flows.yaml_edits import remove_key, set_value

# a Friday in the middle of the fourth quarter, when the story is under way
DEMO_DAY = date(2026, 11, 20)
# the one account of the story that may not be read; that the run says so is part of the demo
REFUSED_ACCOUNT = "4444444444"
_TEMPLATES = Path(__file__).parent / "demo_config"
_PORTS_IN_USE = 5


@dataclass(frozen=True)
class DemoOutcome:
    """What the demo did and where everything lies."""

    directory: Path
    report: RunReport

    @property
    def went_as_planned(self) -> bool:
        """True when everything loaded but the account that the story has refuse."""
        refused = {load.slice.account.account_id for load in self.report.failed_loads}
        failed = self.report.failed_checks or self.report.undelivered
        return self.report.loaded and refused == {REFUSED_ACCOUNT} and not failed

    @property
    def exit_code(self) -> int:
        return 0 if self.went_as_planned else self.report.exit_code or 5

    @property
    def places(self) -> dict[str, Path]:
        return {
            "report": self.directory / "report",
            "database": self.directory / "data" / "koers.duckdb",
            "landing": self.directory / "landing",
            "slack": self.directory / "sent" / "slack.jsonl",
            "mail": self.directory / "sent" / "mail",
            "config": self.directory / "config",
        }

    def as_dict(self) -> dict[str, Any]:
        return {
            "as_of": self.report.as_of,
            "run": self.report.state,
            "exit_code": self.exit_code,
            "targets": evaluations_as_dicts(self.report.evaluations),
            **{name: str(path) for name, path in self.places.items()},
        }

    def in_words(self) -> str:
        headings, rows = target_rows(self.report.evaluations)
        refused = [str(error) for error in self.report.errors]
        lines = ["", f"As of {self.report.as_of}:", as_table(headings, rows), ""]
        if self.went_as_planned:
            lines.append(
                f"One account refuses, as planted (`koers run` would exit 1 for it): {refused[0]}"
            )
        else:
            lines += [f"failed: {error}" for error in refused]
            lines += [f"failed: {check}" for check in self.report.failed_checks]
            lines += [f"failed: {delivery.in_words()}" for delivery in self.report.undelivered]
        for page in self.report.reports:
            lines.append(f"report    {_shown(page)}")
        for name in ("database", "slack", "mail", "config"):
            lines.append(f"{name:<9} {_shown(self.places[name])}")
        lines.append(
            "next: `koers sandbox` in one terminal, then in another "
            f"`koers run --config {_shown(self.places['config'])} --as-of {DEMO_DAY}`"
        )
        return "\n".join(lines)


def _shown(path: Path) -> str:
    """As short as it can be said from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def run_demo(
    directory: Path, *, as_of: date | None = None, direct: bool = False, lock_wait: float = 20.0
) -> DemoOutcome:
    """Start the sandbox, write the demo's configuration and do the daily run."""
    day = as_of or DEMO_DAY
    directory.mkdir(parents=True, exist_ok=True)
    # the demo keeps to its own folder, Prefect's database too
    prefect_settings.apply(PREFECT_HOME=str(directory.resolve() / "prefect"))
    with sandbox_process(directory, day) as endpoints:
        config = write_config(directory, endpoints)
        report = daily_run(config, as_of=day, direct=direct, lock_wait=lock_wait)
    return DemoOutcome(directory, report)


@contextmanager
def sandbox_process(
    directory: Path, as_of: date, free_ports: bool = False
) -> Iterator[dict[str, Any]]:
    """The sandbox as a process of its own while the block runs; gives its endpoints.

    Takes the usual ports, so that the configuration stays valid, or free ones
    when somebody has those.
    """
    command = [
        sys.executable, "-m", "connectors.sandbox", "--json",
        "--as-of", str(as_of),
        "--state-dir", str(directory / "sandbox"),
        "--sent-dir", str(directory / "sent"),
        "--parent", str(os.getpid()),
    ]  # fmt: skip
    if free_ports:
        command.append("--free-ports")
    process = subprocess.Popen(  # noqa: S603 (our own module, our own arguments)
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    try:
        told = process.stdout.readline() if process.stdout else ""
        if told:
            yield json.loads(told)
            return
        if process.wait() != _PORTS_IN_USE or free_ports:
            raise RuntimeError(f"the sandbox did not start (exit {process.returncode})")
    finally:
        process.terminate()
        process.wait()
        if process.stdout:
            process.stdout.close()
    with sandbox_process(directory, as_of, free_ports=True) as endpoints:
        yield endpoints


def write_config(directory: Path, endpoints: dict[str, Any]) -> Path:
    """Write the demo's configuration for a running sandbox; its secrets lie beside it as files."""
    credentials = endpoints["credentials"]
    secrets = directory / "secrets"
    secrets.mkdir(exist_ok=True, mode=0o700)
    for name, value in {
        "client_secret": credentials["client_secret"],
        "refresh_token": credentials["refresh_token"],
        "slack_webhook": endpoints["slack"],
    }.items():
        (secrets / name).write_text(value)
    values = {
        "google_ads": endpoints["google_ads"],
        "ga4": endpoints["ga4_grpc"],
        "ga4_admin": endpoints["ga4_admin"],
        "search_console": endpoints["search_console"],
        "ecb": endpoints["ecb"],
        "token_uri": endpoints["token_uri"],
        "ca_file": endpoints["ca_file"],
        "client_id": credentials["client_id"],
        "smtp_port": endpoints["smtp"]["port"],
    }
    config = directory / "config"
    for template in sorted(_TEMPLATES.rglob("*.yaml")):
        path = config / template.relative_to(_TEMPLATES)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(template.read_text()).substitute(values))
    return config


def point_at_sandbox(config: Path, directory: Path) -> None:
    """Change a starter's addresses into those of the sandbox whose files are in ``directory``.

    Its webhook becomes a file under secrets/. Raises ConfigError when no
    sandbox has run there.
    """
    endpoints = sandbox_endpoints(directory)
    secrets = config.parent / "secrets"
    secrets.mkdir(exist_ok=True, mode=0o700)
    (secrets / "slack_webhook").write_text(endpoints["slack"], encoding="utf-8")
    path = config / "koers.yaml"
    text = path.read_text(encoding="utf-8")
    google_ads = ("sources", "google_ads")
    for place, value in (
        ((*google_ads, "endpoint"), endpoints["google_ads"]),
        ((*google_ads, "ca_file"), endpoints["ca_file"]),
        (("sources", "ga4", "endpoint"), endpoints["ga4_grpc"]),
        (("sources", "ga4", "admin_endpoint"), endpoints["ga4_admin"]),
        (("sources", "search_console", "endpoint"), endpoints["search_console"]),
        (("sources", "ecb", "endpoint"), endpoints["ecb"]),
        (("routes", "team", "slack"), "file:secrets/slack_webhook"),
        (("smtp", "host"), endpoints["smtp"]["host"]),
    ):
        text = set_value(text, place, json.dumps(value))
    text = set_value(text, ("smtp", "port"), str(endpoints["smtp"]["port"]))
    for login in ("username", "password"):
        text = remove_key(text, ("smtp", login))
    path.write_text(text, encoding="utf-8")


def sandbox_endpoints(directory: Path) -> dict[str, Any]:
    """Where the sandbox with its files in ``directory`` listens, or did when it last ran."""
    from connectors.sandbox.server import ENDPOINTS_FILE

    path = directory / "sandbox" / ENDPOINTS_FILE
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}; "
            f"start `koers sandbox --dir {directory}` first"
        ) from error
    return told


def serve_sandbox(
    directory: Path, *, as_of: date | None = None, free_ports: bool = False, as_json: bool = False
) -> int:
    """The sandbox in the foreground until interrupted, with its files in ``directory``."""
    from connectors.sandbox.server import main

    arguments = [
        "--as-of", str(as_of or DEMO_DAY),
        "--state-dir", str(directory / "sandbox"),
        "--sent-dir", str(directory / "sent"),
    ]  # fmt: skip
    arguments += ["--free-ports"] if free_ports else []
    arguments += ["--json"] if as_json else []
    return main(arguments)
