"""The `koers` command. Heavy modules are imported by the commands that need them."""

from __future__ import annotations

import argparse
import gc
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from flows.pipeline import RunReport
    from flows.settings import Report, Settings
    from flows.targets.evaluation import Evaluation
    from flows.yaml_loader import Finding

OK, IN_PART, USAGE, NO_ACCESS, BUSY, UNEXPECTED = 0, 1, 2, 3, 4, 5
STATUSES_TO_FAIL_ON = ("off_track", "missed", "at_risk")


class Outcome(Protocol):
    """What a command did, for people and for programs."""

    def as_dict(self) -> dict[str, Any]: ...

    def in_words(self) -> str: ...


# --- the arguments ----------------------------------------------------------------------------


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day; write it as YYYY-MM-DD") from None


def _statuses(text: str) -> tuple[str, ...]:
    asked = tuple(part.strip() for part in text.split(","))
    unknown = [status for status in asked if status not in STATUSES_TO_FAIL_ON]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"{unknown[0]!r} is not one of {', '.join(STATUSES_TO_FAIL_ON)}"
        )
    return asked


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 10000")
    return int(text)


def _rows(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of rows")
    return int(text)


def _share(text: str) -> float:
    number = text.removesuffix("%")
    try:
        value = float(number) / (100 if number != text else 1)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share; write 70% or 0.7")
    return value


def _lock_wait(parser: argparse.ArgumentParser) -> float:
    try:
        return _seconds(os.environ.get("KOERS_LOCK_WAIT", "20"))
    except argparse.ArgumentTypeError as wrong:
        parser.error(f"KOERS_LOCK_WAIT: {wrong}")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 604_800:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds up to a week")
    return value


class _Parts:
    """Options that several commands share, each said once."""

    def __init__(self) -> None:
        self.config = self._parent()
        self.config.add_argument(
            "--config",
            type=Path,
            default=Path(os.environ.get("KOERS_CONFIG", "config")),
            metavar="DIR",
            help="folder with koers.yaml and clients/ (default: config, or KOERS_CONFIG)",
        )
        self.output = self._parent()
        self.output.add_argument(
            "--json", action="store_true", help="one JSON document on stdout, nothing else there"
        )
        self.output.add_argument("--quiet", action="store_true", help="log only what is wrong")
        self.warehouse = self._parent()
        self.warehouse.add_argument(
            "--lock-wait",
            type=_seconds,
            default=None,
            metavar="SECONDS",
            help="how long to wait for a warehouse in use (default: 20, or KOERS_LOCK_WAIT)",
        )
        self.client = self._parent()
        self.client.add_argument(
            "--client",
            action="append",
            metavar="SLUG",
            help="only this client; may be given more than once",
        )
        self.as_of = self._parent()
        self.as_of.add_argument(
            "--as-of",
            type=_day,
            metavar="YYYY-MM-DD",
            help="look back from the morning of this day (default: today)",
        )
        self.direct = self._parent()
        self.direct.add_argument(
            "--direct", action="store_true", help="run the same steps here, without Prefect"
        )

        self.quota = self._parent()
        self.quota.add_argument(
            "--quota-wait",
            type=_seconds,
            metavar="SECONDS",
            help="how long to wait for quotas in all, once the rest is in "
            "(default: 900 for run, 93600 for backfill)",
        )

        # what a script gives every command must not stop those to which it says nothing
        self.already_direct = self._parent()
        self.already_direct.add_argument("--direct", action="store_true", help=argparse.SUPPRESS)
        self.any_day = self._parent()
        self.any_day.add_argument("--as-of", type=_day, help=argparse.SUPPRESS)
        self.of_all = argparse.ArgumentParser(
            add_help=False, parents=[self.already_direct, self.any_day]
        )
        self.of_all.add_argument("--client", action="append", help=argparse.SUPPRESS)

    @staticmethod
    def _parent() -> argparse.ArgumentParser:
        return argparse.ArgumentParser(add_help=False)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="koers",
        description="Every morning: which marketing goals are on course, which are not, and why.",
        epilog="Exit codes: 0 all well, 1 in part, 2 usage or configuration, 3 no access, "
        "4 warehouse in use, 5 unexpected.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    part = _Parts()
    every = [part.config, part.output]
    stored = [*every, part.warehouse]

    def add(
        name: str, run: Callable[[argparse.Namespace], int], help_: str, parents: list[Any]
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_, description=help_, parents=parents)
        command.set_defaults(run=run)
        return command

    init = add("init", _init, "Write a commented configuration that validates", [part.output])
    init.add_argument("directory", type=Path, metavar="DIR")
    init.add_argument(
        "--sandbox",
        type=Path,
        nargs="?",
        const=Path("demo"),
        metavar="DIR",
        help="for practice: with the addresses of `koers sandbox --dir DIR` (default: demo)",
    )
    demo = add(
        "demo",
        _demo,
        "Run the whole daily path for two demo shops, without any account",
        [part.output, part.warehouse, part.as_of, part.direct],
    )
    demo.add_argument("--dir", type=Path, default=Path("demo"), metavar="DIR")
    sandbox = add(
        "sandbox",
        _sandbox,
        "Serve the vendors' APIs on 127.0.0.1 until interrupted",
        [part.output, part.as_of],
    )
    sandbox.add_argument("--dir", type=Path, default=Path("demo"), metavar="DIR")
    sandbox.add_argument(
        "--free-ports", action="store_true", help="take any free ports, not the usual ones"
    )
    validate = add(
        "validate",
        _validate,
        "Check the configuration, offline",
        [*every, part.warehouse, part.client, part.as_of],
    )
    validate.add_argument(
        "--data",
        action="store_true",
        help="hold the targets against the data that is in as well",
    )
    _add_connect(commands, every)
    add(
        "check",
        _check,
        "Try every connection and account",
        [*stored, part.client, part.as_of, part.already_direct],
    )
    run = add(
        "run",
        _run,
        "The daily run: load, build, judge, report, send",
        [*stored, part.client, part.as_of, part.direct, part.quota],
    )
    run.add_argument(
        "--fail-on",
        type=_statuses,
        default=(),
        metavar="STATUS",
        help="exit 1 when a target is off_track, missed or at_risk (comma-separated)",
    )
    run.add_argument("--no-notify", action="store_true", help="send nothing and queue nothing")
    backfill = add(
        "backfill",
        _backfill,
        "Load the days of a range that are not in yet; sends nothing unless asked",
        [*stored, part.client, part.as_of, part.direct, part.quota],
    )
    backfill.add_argument("--from", dest="from_day", type=_day, required=True, metavar="D")
    backfill.add_argument("--to", dest="to_day", type=_day, required=True, metavar="D")
    backfill.add_argument("--source", action="append", metavar="NAME")
    backfill.add_argument("--dry-run", action="store_true", help="print the plan, ask nobody")
    backfill.add_argument("--force", action="store_true", help="read again what is in already")
    backfill.add_argument("--evaluate", action="store_true", help="judge the targets afterwards")
    backfill.add_argument("--notify", action="store_true", help="send messages afterwards")
    add("build", _build, "Build the SQL models and run the checks", [*stored, part.of_all])
    add("rebuild", _rebuild, "Make the warehouse anew from the landing files", stored)
    backup = add("backup", _backup, "Copy the warehouse to one file and read the copy", stored)
    backup.add_argument(
        "--to",
        type=Path,
        metavar="FILE",
        help="where to (default: a dated file in backups/ beside the warehouse)",
    )
    backup.add_argument(
        "--keep", type=_count, default=7, metavar="N", help="how many dated ones stay (default: 7)"
    )
    restore = add(
        "restore",
        _restore,
        "Put a backup in the place of the warehouse, which is kept under another name",
        stored,
    )
    restore.add_argument("file", type=Path, metavar="FILE")
    evaluate = add(
        "evaluate",
        _evaluate,
        "Judge the targets and keep the answers; sends nothing",
        [*stored, part.client, part.as_of, part.already_direct],
    )
    evaluate.add_argument("--fail-on", type=_statuses, default=(), metavar="STATUS")
    evaluate.add_argument(
        "--known-at",
        metavar="T",
        help="tell what was, or would have been, said with what was known at this moment (UTC) "
        "or on the morning of this day; stores nothing",
    )
    evaluate.add_argument(
        "--from",
        dest="from_day",
        type=_day,
        metavar="D",
        help="judge every morning from this day on with what is known now; tells nobody",
    )
    evaluate.add_argument("--to", dest="to_day", type=_day, metavar="D", help="… to this day")
    preview = add(
        "preview",
        _preview,
        "Show what a target would have said on each morning, and how often it would have told",
        [*stored, part.client, part.as_of, part.already_direct],
    )
    preview.add_argument("target", metavar="TARGET")
    preview.add_argument("--from", dest="from_day", type=_day, metavar="D")
    preview.add_argument("--to", dest="to_day", type=_day, metavar="D")
    preview.add_argument("--on-track-from", type=_share, metavar="SHARE", help="70%% or 0.7")
    preview.add_argument("--off-track-below", type=_share, metavar="SHARE", help="30%% or 0.3")
    preview.add_argument(
        "--confirm-days", type=_count, metavar="N", help="mornings in a row before a change counts"
    )
    add(
        "calibrate",
        _calibrate,
        "Hold the projections against the accounts' own past",
        [*stored, part.client, part.as_of, part.already_direct],
    )
    add(
        "targets",
        _targets,
        "Show what was last said of every target",
        [*stored, part.client, part.as_of, part.already_direct],
    )
    report = add(
        "report",
        _report,
        "Write the report of every client",
        [*stored, part.client, part.as_of, part.already_direct],
    )
    report.add_argument("--open", action="store_true", help="open it in the browser")
    report.add_argument("--pdf", action="store_true", help="print it too (by Chrome or Edge)")
    report.add_argument("--png", action="store_true", help="take a picture of it too")
    notify = add(
        "notify",
        _notify,
        "Send what waits in the outbox",
        [*stored, part.client, part.any_day, part.already_direct],
    )
    what = notify.add_mutually_exclusive_group()
    what.add_argument(
        "--dry-run", action="store_true", help="show exactly what would be sent, and send nothing"
    )
    what.add_argument(
        "--test", metavar="ROUTE", help="send a message that says it is a test over one route"
    )
    notify.add_argument(
        "--again", action="store_true", help="also what waits for its next try or was given up"
    )
    silence = add(
        "snooze",
        _snooze,
        "Tell nothing of a target before a day; its verdicts and the report go on",
        [*stored, part.client, part.any_day, part.already_direct],
    )
    silence.add_argument("target", metavar="TARGET", help="the id of a target")
    how_long = silence.add_mutually_exclusive_group(required=True)
    how_long.add_argument(
        "--until", type=_day, metavar="YYYY-MM-DD", help="the first day that tells of it again"
    )
    how_long.add_argument("--end", action="store_true", help="end its snooze now")
    silence.add_argument("--because", default="", metavar="TEXT", help="why, for the report")
    export = add(
        "export",
        _export,
        "Write the targets and the figures of every KPI as CSV, Parquet or Excel",
        [*stored, part.client, part.as_of, part.already_direct],
    )
    export.add_argument("--format", choices=("csv", "parquet", "xlsx"), default="csv")
    export.add_argument(
        "--out", type=Path, metavar="DIR", help="where to (default: export/ beside the reports)"
    )
    export.add_argument(
        "--kpi", action="append", metavar="NAME", help="only this KPI; may be given more than once"
    )
    export.add_argument(
        "--from", dest="from_day", type=_day, metavar="D", help="no days before this one"
    )
    export.add_argument(
        "--bom", action="store_true", help="begin a CSV as Excel wants it to read UTF-8"
    )
    query = add(
        "query",
        _query,
        "Ask the published copy of the warehouse something in SQL; it can only be read",
        [*stored, part.of_all],
    )
    query.add_argument("sql", metavar="SQL", help="one statement, or - to read it from stdin")
    query.add_argument("--format", choices=("table", "csv", "json", "parquet"))
    query.add_argument(
        "--out", type=Path, metavar="FILE", help="write a file: .csv, .json or .parquet"
    )
    query.add_argument(
        "--limit",
        type=_rows,
        metavar="N",
        help="at most N rows (default: 100 in a table on a terminal, else all)",
    )
    add("serve", _serve, "Run the daily schedule and the backfill deployment", stored)
    add(
        "status",
        _status,
        "Show where the data stands and what waits",
        [*stored, part.client, part.as_of, part.already_direct],
    )
    return parser


def _add_connect(commands: Any, every: list[Any]) -> None:
    says = "Sign in at Google and write the accounts that the login sees into a client's file"
    connect = commands.add_parser("connect", help=says, description=says, parents=every)
    connect.set_defaults(run=_connect)
    connect.add_argument("vendor", choices=("google",))
    connect.add_argument("--client", metavar="SLUG", help="whose accounts these are")
    connect.add_argument(
        "--client-secrets",
        type=Path,
        metavar="FILE",
        help="the JSON file of an OAuth client of type Desktop app, from the Google Cloud console",
    )
    connect.add_argument(
        "--from",
        dest="google_ads_yaml",
        type=Path,
        metavar="FILE",
        help="take over the login of a google-ads.yaml instead of signing in",
    )
    for option, what in (
        ("--accounts", "Google Ads accounts"),
        ("--properties", "GA4 properties"),
        ("--sites", "Search Console properties"),
    ):
        connect.add_argument(option, metavar="IDS", help=f"{what}: ids with commas, all or none")
    connect.add_argument("--all", action="store_true", help="all that the login sees")
    connect.add_argument("--list", action="store_true", help="only show what the login sees")
    connect.add_argument("--dry-run", action="store_true", help="show the changes, write nothing")
    connect.add_argument(
        "--sign-in", action="store_true", help="sign in although there is a login that works"
    )
    connect.add_argument(
        "--keyring", action="store_true", help="keep the token in the system's keyring"
    )
    connect.add_argument("--no-browser", action="store_true", help="only print the address")
    connect.add_argument("--port", type=int, default=0, metavar="N", help="where Google comes back")
    connect.add_argument(
        "--wait", type=_seconds, default=300.0, metavar="SECONDS", help="for the browser: 300"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code that the design promises."""
    _ready_output()
    try:
        return _main(arguments)
    finally:
        _flush()


def _main(arguments: Sequence[str] | None) -> int:
    parser = make_parser()
    asked = parser.parse_args(arguments)
    if getattr(asked, "lock_wait", 0.0) is None:
        asked.lock_wait = _lock_wait(parser)
    # what imports make stays: looking for garbage among it a hundred times takes half a second
    gc.set_threshold(50_000, 20, 20)
    # gRPC's own notes ("got goaway") are not for people
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("koers").setLevel(logging.WARNING if asked.quiet else logging.INFO)
    try:
        code: int = asked.run(asked)
        return code
    except KeyboardInterrupt:
        _complain("interrupted; run the same command again to go on")
        return 130
    except Exception as error:
        return _explain(error)


def _explain(error: Exception) -> int:
    """Say what went wrong in words and give the exit code for it."""
    from flows.settings import ConfigError

    if isinstance(error, ConfigError):
        _complain(str(error))
        return USAGE
    from connectors.base import AccessError, AuthError
    from flows.models import ModelError
    from flows.warehouse import WarehouseBusyError, WarehouseError

    _complain(str(error) or type(error).__name__)
    if isinstance(error, WarehouseBusyError):
        return BUSY
    if isinstance(error, AuthError | AccessError):
        return NO_ACCESS
    if isinstance(error, ModelError):
        return USAGE
    if not isinstance(error, WarehouseError):
        logging.getLogger("koers").debug("unexpected", exc_info=error)
        _complain(f"unexpected {type(error).__name__}; KOERS_DEBUG=1 shows where")
        if os.environ.get("KOERS_DEBUG"):
            raise error
    return UNEXPECTED


# --- set-up -----------------------------------------------------------------------------------


def _init(asked: argparse.Namespace) -> int:
    from flows.starter import write_starter

    today = date.today()  # noqa: DTZ011 (the user's own day)
    secrets = "FILE"
    if asked.sandbox:
        from flows.demo import point_at_sandbox, sandbox_endpoints

        endpoints = sandbox_endpoints(asked.sandbox)
        today = date.fromisoformat(endpoints["as_of"])
        secrets = endpoints["client_secrets_file"]
    written = write_starter(asked.directory, today)
    if asked.sandbox:
        point_at_sandbox(asked.directory, asked.sandbox)
    if asked.json:
        _say_json({"written": [str(path) for path in written]})
    else:
        for path in written:
            _say(f"wrote {path}")
        _say(f"next: koers connect google --config {asked.directory} --client-secrets {secrets}")
        if asked.sandbox:
            return OK
        _say(
            "      (the JSON file of an OAuth client of type Desktop app, from "
            "https://console.cloud.google.com/auth/clients),\n"
            f"      or fill in the accounts and `koers validate --config {asked.directory}`"
        )
    return OK


def _validate(asked: argparse.Namespace) -> int:
    from dataclasses import asdict

    from flows.settings import read_settings

    settings, findings = read_settings(asked.config, check_report=_report_problems)
    rows = [asdict(finding) for finding in findings]
    is_wrong = any(finding.severity == "error" for finding in findings)
    if settings is not None and settings.sql is not None:
        from flows.own_sql import own_sql_findings  # reads SQL: slow to import

        told = own_sql_findings(settings, settings.sql)
        findings += told
        rows += [asdict(finding) for finding in told]
        is_wrong = bool(told)
        if not is_wrong:
            _renew_schemas(settings)
    if asked.data and not is_wrong:
        told, more = _data_findings(asked)
        findings += told
        rows += more
    if asked.json:
        _say_json({"findings": rows})
    else:
        for finding in findings:
            _say(str(finding))
        if all(finding.severity == "note" for finding in findings):
            _say(f"{asked.config}: no mistakes found")
    return USAGE if is_wrong else OK


def _renew_schemas(settings: Settings) -> None:
    """Let the editor know the user's own KPIs."""
    from flows.kpis import load_kpis
    from flows.schemas import renew_schemas

    assert settings.sql is not None
    own = load_kpis(settings.sql, needs_any=False)
    for path in renew_schemas(settings.config_dir, own):
        logging.getLogger("koers").info("wrote %s, by which your editor knows your own KPIs", path)


def _report_problems(report: Report) -> Sequence[tuple[str, str, str]]:
    """As `flows.reports`, which is loaded only where there is a report."""
    from flows.reports import report_problems

    return report_problems(report)


def _data_findings(asked: argparse.Namespace) -> tuple[list[Finding], list[dict[str, Any]]]:
    """What the data shows of the targets, in words and as plain values."""
    from dataclasses import asdict

    from flows.data_findings import read_findings, told_where
    from flows.project import chosen_clients, open_project, today_of
    from flows.yaml_loader import Finding

    with open_project(asked.config, asked.lock_wait) as project:
        slugs = chosen_clients(project, asked.client)
        found, lacking = read_findings(project, slugs, asked.as_of or today_of(project))
        told = told_where(found, project.settings.clients, project.kpis)
        koers = str(project.settings.config_dir / "koers.yaml")
    rows = [asdict(one) | asdict(finding) for finding, one in zip(told, found, strict=True)]
    if lacking:
        told = [Finding(koers, 1, "warehouse", *lacking, severity="note")]
        rows = [asdict(told[0])]
    return told, rows


def _check(asked: argparse.Namespace) -> int:
    from flows.checkup import check_up
    from flows.project import chosen_clients, open_project

    logging.getLogger("koers").setLevel(logging.ERROR)  # the rows say it, with the way out
    with open_project(asked.config) as project:
        clients = chosen_clients(project, asked.client)
        checkup = check_up(project, clients, asked.as_of)
    _tell(checkup, asked)
    return checkup.exit_code


def _connect(asked: argparse.Namespace) -> int:
    from connectors.base import SourceError
    from flows.connecting import Asked, connect_google

    choices = {
        "google_ads": asked.accounts,
        "ga4": asked.properties,
        "search_console": asked.sites,
    }
    wanted = Asked(
        asked.config,
        asked.client,
        asked.client_secrets,
        asked.google_ads_yaml,
        {name: said or "all" for name, said in choices.items() if said or asked.all},
        sign_in=asked.sign_in,
        keyring=asked.keyring,
        list_only=asked.list,
        dry_run=asked.dry_run,
        open_browser=not asked.no_browser,
        port=asked.port,
        wait_seconds=asked.wait,
    )
    try:
        connected = connect_google(wanted)
    except SourceError as error:  # Google lets nobody in, or cannot be reached
        _complain(str(error))
        return NO_ACCESS
    _tell(connected, asked)
    return connected.exit_code


def _demo(asked: argparse.Namespace) -> int:
    from flows.demo import run_demo

    told = run_demo(asked.dir, as_of=asked.as_of, direct=asked.direct, lock_wait=asked.lock_wait)
    if asked.json:
        _say_json(told.as_dict())
    else:
        _say(told.in_words())
    return told.exit_code


def _sandbox(asked: argparse.Namespace) -> int:
    from flows.demo import serve_sandbox

    return serve_sandbox(
        asked.dir, as_of=asked.as_of, free_ports=asked.free_ports, as_json=asked.json
    )


# --- runs -------------------------------------------------------------------------------------


def _start_prefect() -> None:
    """Let Prefect's server start while our own modules load."""
    from flows import prefect_server, prefect_settings

    prefect_settings.apply()
    prefect_server.ensure()


def _run(asked: argparse.Namespace) -> int:
    if not asked.direct:
        _start_prefect()
    from flows.runs import daily_run

    report = daily_run(
        asked.config,
        clients=asked.client,
        as_of=asked.as_of,
        notify=not asked.no_notify,
        quota_wait=asked.quota_wait,
        direct=asked.direct,
        lock_wait=asked.lock_wait,
    )
    _tell_run(report, asked)
    return _exit_code(report, asked.fail_on)


def _backfill(asked: argparse.Namespace) -> int:
    if asked.to_day < asked.from_day:
        _complain(f"--to {asked.to_day} is before --from {asked.from_day}")
        return USAGE
    if not (asked.direct or asked.dry_run):
        _start_prefect()
    from flows.runs import backfill_plan, backfill_run

    if asked.dry_run:
        plan = backfill_plan(
            asked.config,
            asked.from_day,
            asked.to_day,
            clients=asked.client,
            sources=asked.source,
            as_of=asked.as_of,
            force=asked.force,
            lock_wait=asked.lock_wait,
        )
        if asked.json:
            _say_json(plan.as_dict())
            return OK
        _say_table(("client", "table", "account", "slices", "requests", "from", "to"),
                   [tuple(row.values()) for row in plan.rows])  # fmt: skip
        for e in plan.estimates:
            told = f"{e.requests:,} requests, where {e.daily_requests:,} are allowed {e.quota}"
            _say(f"{e.source}: {told}")
        if not plan.rows:
            _say("nothing to read: these days are in (--force reads them again)")
        return OK
    report = backfill_run(
        asked.config,
        asked.from_day,
        asked.to_day,
        clients=asked.client,
        sources=asked.source,
        as_of=asked.as_of,
        evaluate=asked.evaluate,
        notify=asked.notify,
        force=asked.force,
        quota_wait=asked.quota_wait,
        direct=asked.direct,
        lock_wait=asked.lock_wait,
    )
    _tell_run(report, asked)
    return report.exit_code


def _exit_code(report: RunReport, fail_on: Sequence[str]) -> int:
    if report.exit_code == OK and any(e.status in fail_on for e in report.evaluations):
        return IN_PART
    return report.exit_code


def _tell_run(report: RunReport, asked: argparse.Namespace) -> None:
    from flows.summary import run_as_dict, run_in_words, target_rows

    if asked.json:
        _say_json(run_as_dict(report))
        return
    if report.evaluations:
        _say_table(*target_rows(report.evaluations))
    _say(run_in_words(report))


def _serve(asked: argparse.Namespace) -> int:
    from flows import prefect_server, prefect_settings

    prefect_settings.apply(**prefect_settings.SERVING)
    with prefect_server.alone_at_home():
        prefect_server.ensure(services=True, port=prefect_server.USUAL_PORT)
        from flows.serve import serve_forever

        serve_forever(asked.config, asked.lock_wait)
    return OK


# --- parts of a run ---------------------------------------------------------------------------


def _build(asked: argparse.Namespace) -> int:
    from flows.project import open_project
    from flows.steps import build_models

    with open_project(asked.config, asked.lock_wait) as project:
        built = build_models(project)
        project.warehouse.publish()
    failed = [check for check in built.checks if not check.passed]
    if asked.json:
        _say_json(
            {
                "models": len(built.report.models),
                "checks": len(built.checks),
                "failed": [
                    {"check": c.name, "rows": c.violations, "says": c.sentence} for c in failed
                ],
            }
        )
    else:
        for check in failed:
            _say(f"{check.severity}: {check}")
        _say(f"{len(built.report.models)} models built, "
             f"{len(built.checks) - len(failed)} of {len(built.checks)} checks passed")  # fmt: skip
    return IN_PART if any(check.severity == "error" for check in failed) else OK


def _rebuild(asked: argparse.Namespace) -> int:
    from flows.project import open_project
    from flows.rebuild import rebuild

    with open_project(asked.config, asked.lock_wait) as project:
        rebuilt = rebuild(project)
    _tell(rebuilt, asked)
    return rebuilt.exit_code


def _backup(asked: argparse.Namespace) -> int:
    from flows.backup import back_up
    from flows.project import open_project

    with open_project(asked.config, asked.lock_wait) as project:
        _tell(back_up(project.warehouse, asked.to, asked.keep), asked)
    return OK


def _restore(asked: argparse.Namespace) -> int:
    from flows.backup import restore
    from flows.project import open_project

    with open_project(asked.config, asked.lock_wait) as project:
        _tell(restore(project.warehouse, asked.file), asked)
    return OK


def _evaluate(asked: argparse.Namespace) -> int:
    is_range = asked.from_day is not None or asked.to_day is not None
    if is_range and (asked.known_at or asked.as_of):
        _complain(
            "--from and --to go without --as-of and --known-at: each day is judged as of itself"
        )
        return USAGE
    if is_range:
        return _evaluate_range(asked)
    if asked.known_at:
        return _evaluate_then(asked)
    from flows.project import chosen_clients, open_project, today_of
    from flows.steps import evaluate_targets

    with open_project(asked.config, asked.lock_wait) as project:
        clients = chosen_clients(project, asked.client)
        judged = evaluate_targets(project, clients, asked.as_of or today_of(project), False)
        project.warehouse.publish()
    return _tell_judged(judged, asked)


def _evaluate_range(asked: argparse.Namespace) -> int:
    """Fill the past: every morning with what is known now."""
    if asked.from_day is None:
        _complain("--to needs --from: the first day to judge")
        return USAGE
    from flows.hindsight import judge_past
    from flows.project import chosen_clients, open_project, today_of

    with open_project(asked.config, asked.lock_wait) as project:
        last = asked.to_day or today_of(project)
        if last < asked.from_day:
            _complain(f"--to {last} is before --from {asked.from_day}")
            return USAGE
        clients = chosen_clients(project, asked.client)
        told = judge_past(project, clients, asked.from_day, last)
        project.warehouse.publish()
    if not asked.json:
        _say(told.in_words())
    return _tell_judged(told.evaluations, asked, told.as_dict())


def _evaluate_then(asked: argparse.Namespace) -> int:
    """What was, or would have been, said at a moment; nothing is stored."""
    from flows.as_known import day_of, moment_of_text, said_then
    from flows.project import chosen_clients, open_project

    try:
        known_at = moment_of_text(asked.known_at)
    except ValueError:
        _complain(
            f"--known-at {asked.known_at!r}: expected a day (2026-10-03) or a moment in UTC "
            "(2026-10-03T06:30)"
        )
        return USAGE
    with open_project(asked.config, asked.lock_wait) as project:
        clients = chosen_clients(project, asked.client)
        told = said_then(project, clients, asked.as_of or day_of(project, known_at), known_at)
    if not asked.json:
        _say(told.in_words())
    return _tell_judged(told.evaluations, asked, told.as_dict())


def _tell_judged(
    judged: Sequence[Evaluation], asked: argparse.Namespace, also: dict[str, Any] | None = None
) -> int:
    from flows.summary import evaluations_as_dicts, target_rows

    if asked.json:
        _say_json((also or {}) | {"targets": evaluations_as_dicts(judged)})
    else:
        _say_table(*target_rows(judged))
    return IN_PART if any(e.status in asked.fail_on for e in judged) else OK


def _preview(asked: argparse.Namespace) -> int:
    from flows.preview import chosen_targets, days_of, preview, retuned
    from flows.project import chosen_clients, open_project, today_of

    if asked.from_day and asked.to_day and asked.to_day < asked.from_day:
        _complain(f"--to {asked.to_day} is before --from {asked.from_day}")
        return USAGE
    with open_project(asked.config, asked.lock_wait) as project:
        clients = chosen_clients(project, asked.client)
        replayed = []
        for slug in chosen_targets(project, clients, asked.target):
            found = next(t for t in project.client(slug).targets if t.id == asked.target)
            target = retuned(
                found,
                on_track_from=asked.on_track_from,
                off_track_below=asked.off_track_below,
                confirm_days=asked.confirm_days,
            )
            as_of = asked.as_of or today_of(project)
            days = days_of(target, as_of, asked.from_day, asked.to_day)
            replayed.append(preview(project, slug, target, days))
    if asked.json:
        _say_json({"previews": [one.as_dict() for one in replayed]})
    else:
        _say("\n\n".join(one.in_words() for one in replayed))
    return OK


def _calibrate(asked: argparse.Namespace) -> int:
    from flows.project import chosen_clients, open_project, today_of
    from flows.track_record import track_record

    with open_project(asked.config, asked.lock_wait) as project:
        clients = chosen_clients(project, asked.client)
        told = track_record(project, clients, asked.as_of or today_of(project))
    _tell(told, asked)
    return OK


def _targets(asked: argparse.Namespace) -> int:
    from flows.project import chosen_clients, open_project
    from flows.readings import last_evaluations
    from flows.summary import evaluations_as_dicts, target_rows

    with open_project(asked.config, asked.lock_wait) as project:
        clients = chosen_clients(project, asked.client)
        with project.warehouse.read() as connection:
            judged = last_evaluations(connection, clients, asked.as_of)
    if asked.json:
        _say_json({"targets": evaluations_as_dicts(judged)})
    elif judged:
        _say_table(*target_rows(judged))
    else:
        _say("no target has been judged yet; `koers run` does it")
    return OK


def _report(asked: argparse.Namespace) -> int:
    from flows.browser import BrowserError, find_browser, print_pdf, take_picture
    from flows.project import chosen_clients, open_project, today_of
    from flows.steps import write_reports

    makers = [print_pdf] * asked.pdf + [take_picture] * asked.png
    try:
        browser = find_browser() if makers else None
    except BrowserError as problem:
        _complain(str(problem))
        return USAGE
    with open_project(asked.config, asked.lock_wait) as project:
        clients = chosen_clients(project, asked.client)
        pages = write_reports(project, clients, asked.as_of or today_of(project))
    # the pages are there, whatever becomes of their pictures
    failed, pictures = False, list[Path]()
    for page in pages:
        for make in makers if browser else ():
            assert browser is not None
            try:
                pictures.append(make(browser, page))
            except (BrowserError, OSError) as problem:
                _complain(str(problem))
                failed = True
    if asked.json:
        told = {"reports": [str(path) for path in pages]}
        _say_json(told | ({"pictures": [str(path) for path in pictures]} if makers else {}))
    else:
        for path in (*pages, *pictures):
            _say(f"wrote {path}")
    if asked.open:
        import webbrowser

        # of several clients the overview, which leads to each; of one its own page
        webbrowser.open((pages[0] if len(clients) == 1 else pages[-1]).resolve().as_uri())
    return UNEXPECTED if failed else OK


def _notify(asked: argparse.Namespace) -> int:
    from flows.delivery import preview_messages, send_messages, send_test
    from flows.project import chosen_clients, open_project

    with open_project(asked.config, asked.lock_wait) as project:
        only = chosen_clients(project, asked.client) if asked.client else ()
        if asked.dry_run:
            waiting = preview_messages(project, only, again=asked.again)
            if asked.json:
                _say_json({"messages": [message.as_dict() for message in waiting]})
            else:
                for message in waiting:
                    _say(message.in_words())
                _say("nothing was sent" if waiting else "nothing waits to be sent")
            return OK
        if asked.test is not None:
            deliveries = send_test(project, asked.test, chosen_clients(project, asked.client))
        else:
            deliveries = send_messages(project, only, again=asked.again)
            project.warehouse.publish()
    if asked.json:
        _say_json({"messages": [delivery.as_dict() for delivery in deliveries]})
    else:
        for delivery in deliveries:
            _say(delivery.in_words())
        if not deliveries:
            _say("nothing waits to be sent")
    return OK if all(d.state == "sent" for d in deliveries) else IN_PART


def _snooze(asked: argparse.Namespace) -> int:
    from flows.preview import chosen_targets
    from flows.project import chosen_clients, open_project, today_of
    from flows.snoozes import snooze_target

    with open_project(asked.config, asked.lock_wait) as project:
        owners = chosen_targets(project, chosen_clients(project, asked.client), asked.target)
        because = " ".join(asked.because.split())
        today = asked.as_of or today_of(project)
        done = snooze_target(project, owners, asked.target, asked.until, because, today)
        project.warehouse.publish()
    _tell(done, asked)
    return OK


def _status(asked: argparse.Namespace) -> int:
    from flows.project import chosen_clients, open_project, today_of
    from flows.summary import project_status

    with open_project(asked.config, asked.lock_wait) as project:
        day = asked.as_of or today_of(project)
        status = project_status(project, chosen_clients(project, asked.client), day)
    if asked.json:
        _say_json(status.as_dict())
    else:
        _say_table(
            ("client", "source", "account", "through", "missing days", "problem"),
            [
                (s["client"], s["source"], s["account"], s["through"], s["missing"], s["problem"])
                for s in status.sources
            ],
        )
        if status.queue:
            _say_table(
                ("client", "route", "channel", "as of", "state", "attempts", "next", "error"),
                [
                    (
                        q["client"], q["route"], q["channel"], q["as_of"], q["state"],
                        q["attempts"], q["next_attempt_at"], q["error"] or None,
                    )
                    for q in status.queue
                ],
            )  # fmt: skip
        _say(status.in_words())
    return OK


def _export(asked: argparse.Namespace) -> int:
    from flows.exports import export
    from flows.project import chosen_clients, open_project

    with open_project(asked.config, asked.lock_wait) as project:
        exported = export(
            project,
            chosen_clients(project, asked.client),
            asked.out or project.settings.report_dir.parent / "export",
            asked.format,
            as_of=asked.as_of,
            first_day=asked.from_day,
            kpis=asked.kpi or (),
            with_bom=asked.bom,
        )
    _tell(exported, asked)
    return OK


def _query(asked: argparse.Namespace) -> int:
    from flows import query
    from flows.project import open_project

    form: Any = asked.format or (asked.out.suffix.removeprefix(".") if asked.out else "table")
    if asked.json and not asked.out:
        form = "json"
    if asked.out and form not in ("csv", "json", "parquet"):
        _complain(f"--out {asked.out}: name it .csv, .json or .parquet, or say --format")
        return USAGE
    if form == "parquet" and not asked.out:
        _complain("--format parquet is a file: say which with --out FILE")
        return USAGE
    sql = sys.stdin.read() if asked.sql == "-" else asked.sql
    is_screen = sys.stdout.isatty()
    try:
        with (
            open_project(asked.config, asked.lock_wait) as project,
            query.answering(project, sql) as answer,
        ):
            if asked.out:
                count = query.write_answer(answer, asked.out, form, asked.limit, _as_json)
                if asked.json:
                    _say_json({"path": str(asked.out), "rows": count})
                else:
                    _say(f"wrote {asked.out}: {count:,} rows")
            elif form == "json":
                _say_json(query.as_document(answer, asked.limit))
            elif form == "csv":
                for line in query.as_csv(answer, asked.limit):
                    _write(line)
            else:
                is_all = asked.limit is not None or not is_screen
                limit = asked.limit if is_all else query.SCREEN_ROWS
                _say(query.in_table(answer, limit, is_screen=is_screen))
    except query.QueryError as wrong:
        _complain(str(wrong))
        return USAGE
    return OK


# --- saying it --------------------------------------------------------------------------------


def _ready_output() -> None:
    """Make stdout and stderr take any text, whatever the locale, and be there at all.

    A closed descriptor is opened on nothing: the next file to be opened, the
    warehouse perhaps, would get its number and what is printed in it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _write(text: str) -> None:
    """Write to stdout; that nobody reads on (`| head`) changes nothing of what is done."""
    try:
        sys.stdout.write(text)
    except BrokenPipeError:
        _to_nowhere()


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _to_nowhere()
    except OSError as problem:  # a full disk: what was asked for did not arrive
        _to_nowhere()
        _complain(str(problem))
        sys.exit(UNEXPECTED)


def _to_nowhere() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(text: str) -> None:
    _write(f"{printable(text)}\n")


def _say_json(document: dict[str, Any]) -> None:
    has_any_sign = (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"
    _write(f"{_as_json(document, has_any_sign)}\n")


def _as_json(document: dict[str, Any], has_any_sign: bool = True) -> str:
    """A document as text; a sign that would move or turn round a terminal is escaped."""
    told = json.dumps(document, ensure_ascii=not has_any_sign, indent=2, default=str)
    if told.isascii() and "\x7f" not in told:
        return told
    # only texts hold any: json.dumps itself writes printable signs and line ends
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in told)


def _complain(text: str) -> None:
    sys.stderr.write(f"{printable(text)}\n")


def _tell(outcome: Outcome, asked: argparse.Namespace) -> None:
    if asked.json:
        _say_json(outcome.as_dict())
    else:
        _say(outcome.in_words())


def _say_table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from flows.summary import as_table

    _say(as_table(headings, rows))


class PlainFormatter(logging.Formatter):
    """What is logged, and nothing that drives a terminal: vendors' texts and names are in it."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


# line ends, and what joins the signs of an emoji or of Persian
_LET_THROUGH = "\n\u200c\u200d"


def printable(text: str) -> str:
    """Text without control characters: a campaign's name must not drive the terminal."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in _LET_THROUGH else "\N{REPLACEMENT CHARACTER}" for c in text
    )


if __name__ == "__main__":
    sys.exit(main())
