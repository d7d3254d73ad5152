"""`koers check`: try every connection and account, and say what to do about each.

Nothing is stored and nothing is sent.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from connectors.api_versions import VERSIONS
from connectors.base import (
    Account,
    Connection,
    DateWindow,
    RefusedReportError,
    SourceError,
    TransientError,
)
from connectors.google_credentials import GOOGLE_TOKEN_URI, token_session
from connectors.tables import tables_of
from flows import steps
from flows.advice import AUDIENCE_PAGE, About, advise
from flows.database_file import SPARE_BYTES, WarehouseError, in_mb
from flows.migrations import VERSION, version_of
from flows.project import Project, today_of
from flows.settings import ConfigError, Route, SecretRef, SlackBot, Source
from flows.warehouse import Warehouse, WarehouseBusyError, connect

Outcome = Literal["fine", "warning", "skipped", "failed"]
MARKS: dict[Outcome, str] = {"fine": "✓", "warning": "!", "skipped": "–", "failed": "✗"}
# a token that a service account signs is refused when it is this far off
CLOCK_SECONDS = 300
SUNSET_WARNING = timedelta(days=60)
_NO_ACCESS, _IN_PART = 3, 1
# what to keep free beside the database and a copy of it
_ROOM_BYTES = 200 * 1024 * 1024
# package, from which version, up to which (exclusive), what breaks, what to install
KNOWN_BREAKS = (
    ("prefect", "3.9.0", "3.9.2", "does not install beside certifi", "prefect 3.8.8 or 3.9.2"),
    ("prefect", "0", "3.8.8", "is older than Koers was tried with", "prefect 3.8.8"),
    ("sqlalchemy", "2.1", "3", "crashes Prefect's scheduler in every loop", "sqlalchemy 2.0"),
    ("fastapi", "0.151", "1", "makes Prefect's server crash at import", "fastapi 0.150"),
    ("duckdb", "0", "1.5.5", "cannot read the warehouse's files", "duckdb 1.5.5"),
)
_SHORT = 40  # a step longer than this is told once
_PYTHONS = ((3, 11), (3, 14))  # from, up to (exclusive)


@dataclass(frozen=True)
class Checked:
    """How one account of one client, or one thing around Koers, answered.

    ``told`` is the cause, ``step`` exactly what to do, ``link`` where.
    """

    client: str
    source: str
    account: str
    outcome: Outcome
    told: str
    step: str = ""
    link: str = ""

    @property
    def mark(self) -> str:
        return MARKS[self.outcome]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Checkup:
    """Every row: of the connections, and of what is around them."""

    connections: tuple[Checked, ...]
    surroundings: tuple[Checked, ...]

    @property
    def exit_code(self) -> int:
        failed = [row for row in self.connections if row.outcome == "failed"]
        if failed and not any(row.outcome in ("fine", "warning") for row in self.connections):
            return _NO_ACCESS
        return _IN_PART if failed or any(r.outcome == "failed" for r in self.surroundings) else 0

    def as_dict(self) -> dict[str, Any]:
        return {
            "connections": [row.as_dict() for row in self.connections],
            "surroundings": [row.as_dict() for row in self.surroundings],
        }

    def in_words(self) -> str:
        lines: list[str] = []
        said: dict[tuple[str, str], str] = {}
        for row in (*self.connections, *self.surroundings):
            name = " ".join(part for part in (row.client, row.source, row.account) if part)
            lines.append(f"{row.mark} {name}: {row.told}")
            if not row.step:
                continue
            first = said.setdefault((row.step, row.link), name)
            if first != name and len(row.step) > _SHORT:
                lines.append(f"    → as for {first}")
                continue
            lines.append(f"    → {row.step}")
            lines += [f"      {row.link}"] if row.link else []
        counts = dict.fromkeys(MARKS, 0)
        for row in (*self.connections, *self.surroundings):
            counts[row.outcome] += 1
        words = {"fine": "fine", "warning": "to look at", "skipped": "not tried", "failed": "wrong"}
        told = ", ".join(f"{n} {words[mark]}" for mark, n in counts.items() if n)
        return "\n".join([*lines, told])


def check_up(project: Project, clients: Sequence[str], as_of: date | None = None) -> Checkup:
    """Try every connection and account of these clients, and what is around them.

    Raises ConfigError when no source can be asked at all.
    """
    day = as_of or today_of(project)
    return Checkup(
        tuple(check_connections(project, clients, day)),
        tuple(check_surroundings(project, clients, day)),
    )


# --- the connections --------------------------------------------------------------------------


def check_connections(
    project: Project, clients: Sequence[str], as_of: date | None = None
) -> list[Checked]:
    """Ask each source for each client's accounts and each account for something small.

    Raises ConfigError when no source can be asked at all.
    """
    rows: list[Checked] = []
    lacking: list[str] = []
    for slug in clients:
        for source in project.client(slug).sources:
            try:
                rows += _Asking(project, slug, source, as_of or today_of(project)).rows()
            except ConfigError as error:
                rows.append(Checked(slug, source, "all", "failed", str(error)))
                lacking.append(str(error))
    if lacking and len(lacking) == len(rows):
        told = "\n".join(dict.fromkeys(lacking))
        raise ConfigError(f"{told}\nto sign in at Google: koers connect google")
    return rows


class _Asking:
    """One source of one client."""

    def __init__(self, project: Project, slug: str, source: str, as_of: date) -> None:
        self.project, self.slug, self.source, self.as_of = project, slug, source, as_of
        self.client = project.client(slug)
        self.configured = project.settings.sources.get(source) or Source()
        signed_in = read_sign_in(self.configured, project.settings.root)
        login = self.client.sources[source].login_customer_id or self.configured.login_customer_id
        self.about = About(
            source,
            file=_shown(project, project.settings.config_dir / "clients" / f"{slug}.yaml"),
            koers=_shown(project, project.settings.config_dir / "koers.yaml"),
            login=login if source == "google_ads" else None,
            today=as_of,
            signed_in_on=signed_in.on if signed_in else None,
            ends_on=signed_in.ends_on if signed_in else None,
            is_service_account=self.configured.json_key_file_path is not None,
            managers=cache(self._managers),
            properties=cache(self._properties),
        )
        if self.about.is_service_account:
            self.about = replace(self.about, who=_service_account(self.configured))

    def rows(self) -> Iterator[Checked]:
        try:
            found = steps.find_accounts(self.project, self.slug, self.source)
        except SourceError as error:
            yield self._refused("all", error)
            return
        if not found.accounts:
            yield Checked(
                self.slug, self.source, "none", "failed", "no account was found",
                f"list its id in {self.about.file}, or: koers connect google --client {self.slug}",
            )  # fmt: skip
        for account in found.accounts:
            told = self._of_account(account)
            yield told
            if told.outcome in ("fine", "warning"):
                yield from self._of_tables(account)

    def _of_tables(self, account: Account) -> Iterator[Checked]:
        """Whether the API would give what the client's tables ask for; nothing is read.

        Google Ads' own tables are held against its protos when Koers is made.
        """
        connector = self.project.connector(self.client, self.source)
        for table in self.project.tables_of(self.slug, self.source):
            is_own = table.asks is None
            if is_own and self.source != "ga4":
                continue
            name = f"{account.account_id} {table.grain.replace('_', ' ', not is_own)}"
            try:
                connector.check(table, account)
            except RefusedReportError as error:
                step = "report this: it is a table of Koers itself" if is_own else error.hint
                yield Checked(self.slug, self.source, name, "failed", error.message, step)
            except SourceError as error:
                yield self._refused(name, error, account.account_id)
            else:
                if not is_own:
                    told = "the API takes what it asks for"
                    yield Checked(self.slug, self.source, name, "fine", told)

    def _of_account(self, account: Account) -> Checked:
        name = f"{account.account_id} {account.name}".strip()
        if account.name == account.account_id:
            name = account.account_id
        if account.status == "not_enabled":
            told = "the account is not enabled, so it is passed over"
            return Checked(self.slug, self.source, name, "skipped", told)
        if account.status == "refused":
            assert account.problem is not None
            return self._refused(name, account.problem, account.account_id)
        if problem := _ask(self.project, self.slug, account, self.as_of):
            return self._refused(name, problem, account.account_id)
        told = ", ".join(part for part in (account.currency_code, account.time_zone) if part)
        own, zone = account.time_zone, self.client.timezone
        if (
            own
            and own != zone
            and self.source != "search_console"
            and _differ(own, zone, self.as_of)
        ):
            return Checked(
                self.slug, self.source, name, "warning",
                f"{told}: its days begin at midnight in {own}, the client's in {zone}",
                f"nothing, if that is meant; else set timezone: {own} in {self.about.file}, or "
                "correct the account's own setting",
            )  # fmt: skip
        return Checked(self.slug, self.source, name, "fine", told or "it answers")

    def _refused(self, name: str, error: SourceError, account_id: str = "") -> Checked:
        advice = advise(error, replace(self.about, account=account_id))
        told = advice.cause
        if error.reason and error.reason not in told:
            told += f" ({error.reason})"
        if error.request_id:
            told += f" [request {error.request_id}]"
        # what comes back by itself is nothing to repair
        is_passing = isinstance(error, TransientError) and error.retry_after_seconds is not None
        outcome: Outcome = "warning" if is_passing else "failed"
        return Checked(self.slug, self.source, name, outcome, told, advice.step, advice.link)

    def _managers(self) -> Sequence[str] | None:
        from connectors.google_ads import GoogleAds

        connector = self.project.connector(self.client, self.source)
        try:
            return connector.accessible_customers() if isinstance(connector, GoogleAds) else None
        except SourceError:
            return None

    def _properties(self) -> Any:
        from connectors.google_visible import properties

        try:
            return properties(Connection(**self.configured.connection()))
        except (SourceError, ConfigError):
            return None


def _ask(project: Project, slug: str, account: Account, as_of: date) -> SourceError | None:
    """Read the smallest table of an account; returns why it refuses.

    A manager lists accounts that the user may not read.
    """
    smallest = min(tables_of(account.source), key=lambda table: (table.is_daily, table.max_days))
    yesterday = as_of - timedelta(days=1)
    connector = project.connector(project.client(slug), account.source)
    try:
        reply = connector.fetch(smallest, account, DateWindow(yesterday, yesterday))
        for _ in reply.batches:
            pass
    except SourceError as error:
        return error
    return None


def _differ(one: str, other: str, day: date) -> bool:
    """Whether two zones begin this day at another moment; Brussels and Amsterdam do not."""
    from zoneinfo import ZoneInfo

    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return (
        noon.astimezone(ZoneInfo(one)).utcoffset() != noon.astimezone(ZoneInfo(other)).utcoffset()
    )


def _service_account(configured: Source) -> str:
    try:
        path = configured.connection()["json_key_file_path"]
        told = json.loads(Path(path).read_text(encoding="utf-8"))
        return f"the service account {told['client_email']}"
    except (ConfigError, OSError, ValueError, KeyError, TypeError):
        return "the service account"


@dataclass(frozen=True)
class SignInDay:
    """When somebody signed in, and when Google lets it end, where it said so."""

    on: date
    ends_on: date | None = None


def read_sign_in(source: Source, root: Path) -> SignInDay | None:
    """What `koers connect` wrote beside the token, or else the day the token's file is of."""
    from flows.connecting import TOKEN_NAME

    kept = source.refresh_token
    if kept is None or kept.kind not in ("file", "keyring"):
        return None
    path = Path(kept.name) if kept.kind == "file" else root / "secrets" / TOKEN_NAME
    try:
        told = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
        ends_on = told["ends_on"]
        return SignInDay(
            date.fromisoformat(told["signed_in_on"]),
            date.fromisoformat(ends_on) if ends_on else None,
        )
    except (OSError, ValueError, KeyError, TypeError):
        pass
    try:
        return SignInDay(datetime.fromtimestamp(path.stat().st_mtime, UTC).date())
    except OSError:
        return None


# --- what is around them ----------------------------------------------------------------------


def check_surroundings(project: Project, clients: Sequence[str], as_of: date) -> Iterator[Checked]:
    """The warehouse, its disk and copy, the clock, the channels, versions that break or end."""
    yield _warehouse(project.warehouse)
    yield _disk(project.warehouse)
    yield _published(project.warehouse)
    yield _clock(project)
    yield from _sign_ins(project, as_of)
    yield from _mail(project, clients)
    yield from _slack(project, clients)
    yield from _api_versions(project, clients, as_of)
    yield _packages()


def _around(
    name: str, outcome: Outcome, told: str, step: str = "", link: str = "", what: str = ""
) -> Checked:
    return Checked("", name, what, outcome, told, step, link)


def _warehouse(warehouse: Warehouse) -> Checked:
    if not warehouse.exists:
        folder = _existing(warehouse.path.parent)
        if not os.access(folder, os.W_OK):
            return _around("warehouse", "failed", f"{warehouse.path} cannot be made: {folder} "
                           "takes no files of this user", f"chown or chmod {folder}")  # fmt: skip
        return _around("warehouse", "fine", f"{warehouse.path} is not there yet; the first run "
                       "makes it")  # fmt: skip
    try:
        with replace(warehouse, lock_wait_seconds=0.0).locked():
            connect(warehouse.path).close()
    except WarehouseBusyError as busy:
        told, _, step = str(busy).partition("; ")
        return _around("warehouse", "warning", told, step)
    except WarehouseError as wrong:
        first, _, rest = str(wrong).partition("\n")
        return _around("warehouse", "failed", first, " ".join(rest.split()) or "see docs/recovery")
    return _around("warehouse", "fine", f"{warehouse.path} opens, and nobody else holds it")


def _disk(warehouse: Warehouse) -> Checked:
    folder = _existing(warehouse.path.parent)
    free = shutil.disk_usage(folder).free
    size = warehouse.path.stat().st_size if warehouse.exists else 0
    told = f"{in_mb(free)} free in {folder}"
    step = "free some space, or move the warehouse: `warehouse:` in koers.yaml"
    if free < size + SPARE_BYTES:
        return _around("disk", "failed", f"{told}: too little for the copy that readers get "
                       f"({in_mb(size)})", step)  # fmt: skip
    if free < 2 * size + _ROOM_BYTES:
        return _around("disk", "warning", f"{told}: little beside a database of {in_mb(size)}, "
                       "of which every run makes a copy", step)  # fmt: skip
    return _around("disk", "fine", told)


def _published(warehouse: Warehouse) -> Checked:
    if not warehouse.exists:
        return _around("copy for readers", "skipped", "there is nothing to copy yet")
    if not warehouse.published.exists():
        return _around("copy for readers", "warning", f"{warehouse.published} is not there",
                       "koers build makes it")  # fmt: skip
    import duckdb

    try:
        with duckdb.connect(str(warehouse.published), read_only=True) as connection:
            held = version_of(connection)
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        return _around("copy for readers", "warning",
                       f"{warehouse.published} cannot be read: {first}",
                       "koers build makes it anew")  # fmt: skip
    if held != VERSION:
        return _around("copy for readers", "warning",
                       f"{warehouse.published} is of another version of Koers",
                       "koers build makes it anew")  # fmt: skip
    made = datetime.fromtimestamp(warehouse.published.stat().st_mtime, UTC)
    return _around("copy for readers", "fine", f"made {made:%Y-%m-%d %H:%M} UTC")


def _clock(project: Project) -> Checked:
    configured = project.settings.sources.get("google_ads") or Source()
    address = configured.token_uri or GOOGLE_TOKEN_URI
    try:
        with token_session(configured.ca_file, 15.0) as session:
            began = time.time()
            header = session.get(address).headers.get("Date", "")
            here = (began + time.time()) / 2
        off = here - parsedate_to_datetime(header).timestamp()
    except Exception as error:  # whatever is wrong with that answer, the connections tell it
        return _around("clock", "skipped",
                       f"nobody told the time ({type(error).__name__})")  # fmt: skip
    if abs(off) <= CLOCK_SECONDS:
        return _around("clock", "fine", f"within {max(1, round(abs(off)))} s of Google's")
    minutes, which = round(abs(off) / 60), "ahead of" if off > 0 else "behind"
    return _around(
        "clock", "warning",
        f"this machine's clock is {minutes} minutes {which} Google's, which refuses a service "
        "account's tokens when it is off, and days may be counted wrongly",
        "let it be set from the network: timedatectl set-ntp true",
    )  # fmt: skip


def _sign_ins(project: Project, as_of: date) -> Iterator[Checked]:
    told: set[SecretRef] = set()
    for source in project.settings.sources.values():
        signed_in = read_sign_in(source, project.settings.root)
        if source.refresh_token is None or source.refresh_token in told or signed_in is None:
            continue
        told.add(source.refresh_token)
        if signed_in.ends_on is not None:
            days = (signed_in.ends_on - as_of).days
            yield _around(
                "sign-in", "warning" if days > 0 else "failed",
                f"that of {signed_in.on} {'ends' if days > 0 else 'ended'} on {signed_in.ends_on}: "
                "the consent screen is in Testing, which gives it 7 days",
                "press Publish app on the page below, then: koers connect google --sign-in",
                AUDIENCE_PAGE,
            )  # fmt: skip


def _mail(project: Project, clients: Sequence[str]) -> Iterator[Checked]:
    smtp = project.settings.smtp
    if smtp is None:
        return
    from connectors.channel_checks import try_mail_server
    from connectors.smtp import SmtpServer

    try:
        user = smtp.username
        server = SmtpServer(
            host=smtp.host,
            port=smtp.port,
            sender=smtp.from_,
            username=user.get_secret_value() if isinstance(user, SecretRef) else user,
            password=smtp.password.resolve() if smtp.password else None,
            starttls=smtp.starttls,
            ca_file=smtp.ca_file,
        )
    except ConfigError as error:
        yield _lacking("mail", "", error)
        return
    tried = try_mail_server(server)
    yield _around("mail", "fine" if tried.is_fine else "failed", tried.told, tried.step, tried.link)


def _slack(project: Project, clients: Sequence[str]) -> Iterator[Checked]:
    from connectors.channel_checks import try_slack_bot
    from connectors.slack import what_is_wrong_with
    from connectors.slack_bot import ENDPOINT

    seen: set[str] = set()
    for route in _routes(project, clients):
        slack = route.slack
        key = f"{route.name} {slack}"
        if slack is None or key in seen:
            continue
        seen.add(key)
        try:
            if isinstance(slack, SlackBot):
                tried = try_slack_bot(slack.token.resolve(), slack.endpoint or ENDPOINT)
                yield _around("Slack", "fine" if tried.is_fine else "failed", tried.told,
                              tried.step, tried.link, f"route {route.name}")  # fmt: skip
                continue
            url = slack.resolve().get_secret_value()
        except ConfigError as error:
            yield _lacking("Slack", f"route {route.name}", error)
            continue
        wrong = what_is_wrong_with(url, "the webhook")
        if wrong:
            yield _around("Slack", "failed", wrong, "copy the webhook's URL again, whole",
                          "https://api.slack.com/apps", f"route {route.name}")  # fmt: skip
        else:
            yield _around(
                "Slack", "skipped",
                "a webhook can only be tried by posting to its channel, and a check posts nothing",
                what=f"route {route.name}",
            )  # fmt: skip


def _routes(project: Project, clients: Sequence[str]) -> Iterator[Route]:
    """The routes that messages of these clients can take."""
    for slug in clients:
        client = project.client(slug)
        names = {*client.notify, *(name for t in client.targets for name in t.notify)}
        fallbacks = {r.fallback for n, r in client.routes.items() if n in names and r.fallback}
        for name in sorted(names | fallbacks):
            if name in client.routes:
                yield client.routes[name]


def _lacking(name: str, what: str, error: ConfigError) -> Checked:
    """A secret that is not there: the finding's own words, split into cause and step."""
    finding = error.findings[0] if error.findings else None
    if finding is None:
        return _around(name, "failed", str(error), what=what)
    told = f"{finding.problem} ({Path(finding.file).name}:{finding.line})"
    return _around(name, "failed", told, finding.expected, what=what)


def _api_versions(project: Project, clients: Sequence[str], as_of: date) -> Iterator[Checked]:
    used = {source for slug in clients for source in project.client(slug).sources}
    for source, spoken in VERSIONS.items():
        if source not in used:
            continue
        name = f"{spoken.api} {spoken.version}"
        if spoken.ends is None:
            yield _around(name, "fine", "no end has been announced")
        elif as_of >= spoken.ends:
            yield _around(name, "failed", f"Google was to end it in {spoken.ends:%B %Y}",
                          "update Koers", spoken.page)  # fmt: skip
        elif as_of >= spoken.ends - SUNSET_WARNING:
            yield _around(
                name, "warning",
                f"Google ends it in {spoken.ends:%B %Y}, in {(spoken.ends - as_of).days} days",
                "update Koers before then", spoken.page,
            )  # fmt: skip
        else:
            yield _around(name, "fine", f"served until {spoken.ends:%B %Y}")


def _packages(
    versions: Callable[[str], str] = version, python: tuple[int, int] = sys.version_info[:2]
) -> Checked:
    if not _PYTHONS[0] <= python < _PYTHONS[1]:
        return _around(
            "versions", "failed",
            f"Python {python[0]}.{python[1]} is not among those Koers runs on: 3.11, 3.12 and 3.13",
            "make install with one of these",
        )  # fmt: skip
    told = [f"Python {python[0]}.{python[1]}"]
    for package in dict.fromkeys(entry[0] for entry in KNOWN_BREAKS):
        try:
            there = versions(package)
        except PackageNotFoundError:
            return _around("versions", "failed", f"{package} is not installed", "make install")
        for name, low, high, breaks, instead in KNOWN_BREAKS:
            if name == package and _parts(low) <= _parts(there) < _parts(high):
                wanted = instead.replace(" ", "==")
                return _around("versions", "failed", f"{package} {there} {breaks}",
                               f"make install, or pip install {wanted}")  # fmt: skip
        told.append(f"{package} {there}")
    return _around("versions", "fine", ", ".join(told))


def _parts(text: str) -> tuple[int, ...]:
    """A version as numbers, of what comes before any letter: 1.5.5 of 1.5.5rc1."""
    found: list[int] = []
    for part in text.split("."):
        digits = ""
        for sign in part:
            if not sign.isdigit():
                break
            digits += sign
        if not digits:
            break
        found.append(int(digits))
    return tuple(found)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _shown(project: Project, path: Path) -> str:
    try:
        return path.relative_to(project.settings.root).as_posix()
    except ValueError:
        return str(path)
