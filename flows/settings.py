"""Configuration: YAML files to frozen models, every mistake with its file and line.

``load_settings`` gives the models or raises ConfigError with all findings;
``validate`` gives the findings alone. Neither needs a secret, a network or a
database: secrets are references that are looked up only when asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr

from flows.kpis import Kpi, load_kpis, sql_dir
from flows.literals import add
from flows.yaml_loader import ConfigError, Finding

__all__ = [
    "TOLD_UNASKED",
    "Agreed",
    "Brand",
    "Channel",
    "Client",
    "ClientSource",
    "ConfigError",
    "Escalation",
    "Finding",
    "Goal",
    "Measure",
    "Model",
    "Mute",
    "Period",
    "Report",
    "Route",
    "Schedule",
    "SecretRef",
    "Settings",
    "SlackBot",
    "Smtp",
    "Source",
    "Step",
    "Target",
    "Tuning",
    "find_config",
    "load_settings",
    "read_settings",
    "validate",
]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SecretRef(Model):
    """Where a secret is kept: ``env:NAME``, ``file:PATH``, ``keyring:NAME`` or ``prefect:NAME``.

    Never the secret itself.
    """

    kind: Literal["env", "file", "keyring", "prefect"]
    name: str  # the variable, the absolute path, or the name in the keyring or of the block
    file: str = ""  # the YAML file and line that refer to it
    line: int = 0

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    def resolve(self, environment: Mapping[str, str] | None = None) -> SecretStr:
        """Look the secret up, without surrounding white space.

        Raises ConfigError that names the YAML line when it is unset, empty or unreadable.
        """
        expected = "set it" if self.kind == "env" else "write the secret into it"
        if self.kind in ("keyring", "prefect"):
            from flows import secret_stores

            stores = {"keyring": secret_stores.from_keyring, "prefect": secret_stores.from_prefect}
            found = problem = ""
            try:
                found = stores[self.kind](self.name)
            except secret_stores.SecretStoreError as e:
                problem, expected = e.problem, e.expected
        elif self.kind == "env":
            found = (os.environ if environment is None else environment).get(self.name, "")
            problem = f"the environment variable {self.name} is not set"
        else:
            found, problem = "", f"the file {self.name} is empty"
            try:
                found = Path(self.name).read_text(encoding="utf-8-sig")
            except (OSError, ValueError) as e:
                reason = getattr(e, "strerror", None) or "not text"
                problem = f"the file {self.name} cannot be read ({reason})"
        if not found.strip():
            raise ConfigError(
                findings=[Finding(self.file or "settings", self.line, str(self), problem, expected)]
            )
        return SecretStr(found.strip())

    def get_secret_value(self) -> str:
        """The secret itself, as of SecretStr."""
        return self.resolve().get_secret_value()


class Goal(Model):
    """Exactly one kind. Rates are fractions (3% is 0.03), money is in account currency.

    A goal from–to gets there in a straight line, over ``steps`` (the value that
    is to be measured at the end of a day, between ``from_`` and ``to``), or as
    last year's volume came in.
    """

    kind: Literal["at_least", "at_most", "from_to", "between", "maintain"]
    at_least: float | None = None
    at_most: float | None = None
    from_: float | None = None
    to: float | None = None
    path: Literal["linear", "last_year", "steps"] = "linear"  # of from–to alone
    steps: tuple[tuple[date, float], ...] = ()  # by date, all inside the period
    between: tuple[float, float] | None = None
    maintain: float | None = None
    within: float | None = None  # a fraction of `maintain`
    currency: str | None = None  # written in the goal, as in "45 EUR"

    @property
    def value(self) -> float | None:
        """The one figure that stands for the goal; None for between, which has two."""
        return {
            "at_least": self.at_least,
            "at_most": self.at_most,
            "from_to": self.to,
            "between": None,
            "maintain": self.maintain,
        }[self.kind]

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Lowest and highest value that reach the goal, both included; None: no bound."""
        if self.kind == "at_least":
            return self.at_least, None
        if self.kind == "at_most":
            return None, self.at_most
        if self.kind == "between" and self.between is not None:
            return self.between
        if self.kind == "maintain" and self.maintain is not None and self.within is not None:
            return self.maintain * (1 - self.within), self.maintain * (1 + self.within)
        if self.from_ is not None and self.to is not None and self.from_ > self.to:
            return None, self.to
        return self.to, None


class Period(Model):
    """Half-open local days ``[start, end)``, once, repeating or rolling.

    ``every`` repeats by calendar unit until ``end`` (exclusive); ``rolling_days``
    is a guardrail over the last n days, without an end.
    """

    start: date | None = None
    end: date | None = None  # exclusive
    every: Literal["week", "month", "quarter", "year"] | None = None
    rolling_days: int | None = None
    said: str = ""  # as the user wrote it

    @property
    def deadline(self) -> date | None:
        """The last day, included; None for a guardrail."""
        return None if self.end is None else self.end - timedelta(days=1)

    def occurrence(self, day: date) -> tuple[date, date]:
        """The ``[start, end)`` that holds ``day``.

        Before the start it is the first, after the end the last. A repeating
        period is cut off at its own start and end; weeks begin on Monday. A
        rolling one consists of the n days up to and including ``day``.
        """
        if self.start is not None and day < self.start:
            day = self.start
        if self.end is not None and day >= self.end:
            day = self.end - timedelta(days=1)
        if self.rolling_days is not None:
            return day - timedelta(days=self.rolling_days - 1), day + timedelta(days=1)
        if self.every is None:
            assert self.start is not None and self.end is not None
            return self.start, self.end
        first = {
            "week": day - timedelta(days=day.weekday()),
            "month": day.replace(day=1),
            "quarter": date(day.year, (day.month - 1) // 3 * 3 + 1, 1),
            "year": date(day.year, 1, 1),
        }[self.every]
        last = add(first, 1, self.every)
        return (
            max(first, self.start) if self.start else first,
            min(last, self.end) if self.end else last,
        )


class Measure(Model):
    window_days: int | None = None
    min_denominator: float | None = None
    min_numerator: float | None = None
    completeness: Literal["raw", "learned"] | None = None


class Tuning(Model):
    """When a target counts as on track, and how long before its status changes.

    Chances of making it, as fractions; between the two it is at risk. A status
    counts when it was seen on ``confirm_days`` days in a row (1: at once).
    """

    on_track_from: float = 0.7
    off_track_below: float = 0.3
    confirm_days: int = 2


# What a route hears of without asking: `at_risk` mostly passes, and a period that is over but not
# yet closed (`provisional`) is no news. `judged` is the first verdict, `edited` a goal that moved.
TOLD_UNASKED = ("off_track", "missed", "achieved", "recovered", "stale", "judged", "edited")


class Mute(Model):
    """Nothing is told of a target before a day; what changed meanwhile is told on it."""

    until: date  # the first day on which it is told of again
    because: str = ""


class Escalation(Model):
    """Another route that hears of a target once it stayed off track for days after it was told."""

    to: str
    after_days: int


class Agreed(Model):
    owner: str
    by: tuple[str, ...] = ()
    on: date | None = None


class Step(Model):
    do: str
    owner: str
    due: date | None = None
    done: date | None = None


class Target(Model):
    id: str
    specific: str
    kpi: str
    where: dict[str, tuple[str, ...]] = {}
    for_each: str | None = None  # a dimension column; `campaign` is read as campaign_id
    goal: Goal
    period: Period
    measure: Measure = Measure()
    tuning: Tuning = Tuning()  # its own, else the client's, else that of koers.yaml
    agreed: Agreed
    realistic_because: str | None = None
    plan: tuple[Step, ...] = ()
    notify: tuple[str, ...] = ()  # empty: the client's
    tell: tuple[str, ...] = ()  # kinds of news, its own or the client's; empty: the usual ones
    repeat_every_days: int = 7  # what stays off track is told again
    escalate: Escalation | None = None
    mute: Mute | None = None
    file: str = ""  # where it is written, for messages
    line: int = 0


Channel = Literal["slack", "email"]


class SlackBot(Model):
    """A bot in a channel, instead of a webhook."""

    token: SecretRef
    channel: str  # its id
    endpoint: str | None = None  # of the Web API, when it is not Slack's own


class Route(Model):
    """Where a digest goes; without a locale it is written in the client's.

    ``fallback`` names the route that gets what cannot be sent over this one. Of
    the targets that go to it, it hears of those of ``owners`` and of the kinds of
    news in ``only`` (empty: all), on days that are not ``quiet``.
    """

    name: str
    slack: SecretRef | SlackBot | None = None
    email: tuple[str, ...] = ()
    locale: Literal["nl", "en"] | None = None
    digest: Literal["daily", "weekly", "monthly"] = "daily"
    fallback: str | None = None  # its own, else that of koers.yaml; never itself
    unsubscribe: str | None = None  # mailto: or https:, of mail alone
    only: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()  # mon … sun, holidays
    repeat_every_days: int | None = None  # None: as each target says

    @property
    def channels(self) -> tuple[Channel, ...]:
        slack: tuple[Channel, ...] = ("slack",) if self.slack is not None else ()
        return (*slack, "email") if self.email else slack

    @property
    def bot(self) -> SlackBot | None:
        return self.slack if isinstance(self.slack, SlackBot) else None


class Report(Model):
    """A table of the user's own, as it is written in koers.yaml; every client may ask for it.

    ``query`` is of Google Ads, the rest of the others. ``lines`` are those of the
    keys and of the items of lists, such as ``dimensions[1]``.
    """

    name: str
    source: str
    query: str = ""
    dimensions: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    type: str = "web"
    file: str = ""
    line: int = 0
    lines: dict[str, int] = {}


# What is wrong with a report, as far as can be told without asking anybody: where in it, what, and
# what is expected.
ReportCheck = Callable[[Report], Sequence[tuple[str, str, str]]]


class ClientSource(Model):
    """Which accounts of a source a client has: listed, or all under a manager."""

    ids: tuple[str, ...] = ()
    discover: bool = False
    login_customer_id: str | None = None  # the client's, else that of koers.yaml
    since: date | None = None  # first day to load of this source, else the client's
    tables: tuple[str, ...] = ()  # grains to read besides the default ones; `all`: every one
    reports: tuple[str, ...] = ()  # reports of koers.yaml to read as well


class Client(Model):
    """One file in config/clients/. ``routes`` holds the shared ones too; its own win."""

    slug: str
    name: str
    timezone: str = "Europe/Amsterdam"
    currency: str = "EUR"
    locale: Literal["nl", "en"] = "nl"
    conversion: str = "purchases"
    holidays: str | None = None  # country of the public holidays (ISO 3166), None: none are known
    since: date | None = None
    sources: dict[str, ClientSource] = {}
    routes: dict[str, Route] = {}
    notify: tuple[str, ...] = ()
    notify_data: tuple[str, ...] = ()  # who hears of data that is late; empty: `notify`
    targets: tuple[Target, ...] = ()

    def notified(self, target: Target) -> tuple[str, ...]:
        """The names of the routes that hear of a target: its own, else the client's."""
        return target.notify or self.notify


class Schedule(Model):
    cron: str = "0 6 * * *"
    timezone: str = "Europe/Amsterdam"


class Source(Model):
    """How to reach one source. What it lacks but ``endpoint`` is google_ads' already."""

    client_id: SecretRef | str | None = None
    client_secret: SecretRef | None = None
    refresh_token: SecretRef | None = None
    developer_token: SecretRef | None = None
    json_key_file_path: SecretRef | Path | None = None
    login_customer_id: str | None = None
    token_uri: str | None = None
    auth_uri: str | None = None  # where a user signs in, when it is not at Google
    endpoint: str | None = None
    admin_endpoint: str | None = None  # of the API that lists GA4's properties
    ca_file: Path | None = None
    restatement_days: int | None = None
    timeout_seconds: float | None = None
    transport: Literal["grpc", "rest"] = "grpc"
    data_state: Literal["final", "all"] = "final"
    refresh: bool = True  # of the ECB's rates alone

    def connection(self) -> dict[str, Any]:
        """The arguments of connectors.base.Connection, with the secrets looked up.

        Raises ConfigError with a finding for every secret that is not there.
        """
        findings: list[Finding] = []
        values: dict[str, Any] = {}
        of_others = ("restatement_days", "auth_uri", "refresh")
        for name in [n for n in type(self).model_fields if n not in of_others]:
            value = getattr(self, name)
            if isinstance(value, SecretRef):
                try:
                    value = value.resolve()
                except ConfigError as e:
                    findings.extend(e.findings)
                    continue
                if name == "client_id":
                    value = value.get_secret_value()
                elif name == "json_key_file_path":
                    value = Path(value.get_secret_value())
            if value is not None:
                values[name] = value
        if findings:
            raise ConfigError(findings=findings)
        return values


class Smtp(Model):
    """The mail server. Without TLS and a login it is on this machine."""

    host: str
    port: int = 587
    username: SecretRef | str | None = None
    password: SecretRef | None = None
    starttls: bool = True
    ca_file: Path | None = None
    from_: str


class Brand(Model):
    """How the agency shows itself. Colours are `#rrggbb`, the logo is a path that is absolute."""

    name: str = ""
    logo: Path | None = None
    color: str | None = None
    accent: str | None = None


class Settings(Model):
    """Everything that is configured. Paths are absolute."""

    version: int = 1
    config_dir: Path
    root: Path  # the configuration folder's parent: what relative paths start from
    warehouse: Path
    landing: Path
    landing_retention_days: int = 90
    report_dir: Path
    report_url: str | None = None  # of report_dir, for who has no access to the disk
    report_keep_days: int = 90
    locale: Literal["nl", "en"] = "nl"  # of the overview of all clients
    currency: str | None = None  # of the overview; see `agency_currency`
    brand: Brand = Brand()
    schedule: Schedule = Schedule()
    sources: dict[str, Source] = {}
    routes: dict[str, Route] = {}
    smtp: Smtp | None = None
    reports: dict[str, Report] = {}
    sql: Path | None = None  # folder of the user's own models, beside those of Koers
    clients: tuple[Client, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @property
    def agency_currency(self) -> str | None:
        """What the overview adds up in: as written, else what all clients count in.

        None where they count in several: then nothing is added up over clients.
        """
        if self.currency is not None:
            return self.currency
        shared = {client.currency for client in self.clients}
        return shared.pop() if len(shared) == 1 else None

    def client(self, slug: str) -> Client:
        """One client. Raises ConfigError for an unknown slug."""
        for client in self.clients:
            if client.slug == slug:
                return client
        from flows.literals import suggest

        hint = suggest(slug, [client.slug for client in self.clients])
        raise ConfigError(f'there is no client "{slug}"; {hint}')


def find_config(directory: Path) -> Path:
    """The folder that holds koers.yaml.

    It is the one that was named, `config` inside it, or, where `config` was
    named and does not exist, the folder that it would be in.
    """
    if not (directory / "koers.yaml").exists():
        if (directory / "config" / "koers.yaml").exists():
            return directory / "config"
        if directory.name == "config" and not directory.exists():
            outside = directory.parent
            return outside if (outside / "koers.yaml").exists() else directory
    return directory


def load_settings(
    config_dir: Path, catalogue: Mapping[str, Kpi], check_report: ReportCheck | None = None
) -> Settings:
    """Read koers.yaml and clients/*.yaml below ``config_dir``.

    ``catalogue`` are the KPIs of Koers; those of the folder that ``sql`` names are
    known as well. Raises ConfigError with the findings of all files when any is
    an error.
    """
    from flows.config_reader import read_config  # it builds the models of this module

    settings, findings = read_config(find_config(config_dir), catalogue, check_report)
    if settings is None:
        raise ConfigError(findings=findings)
    return settings


def read_settings(
    config_dir: Path,
    catalogue: Mapping[str, Kpi] | None = None,
    check_report: ReportCheck | None = None,
) -> tuple[Settings | None, list[Finding]]:
    """The settings, None when any finding is an error, and every finding.

    Errors and warnings are in the order of the files and their lines.
    """
    from flows.config_reader import read_config

    broken: list[Finding] = []
    if catalogue is None:
        try:
            catalogue = load_kpis(sql_dir())
        except ConfigError as e:
            broken, catalogue = list(e.findings), {}
    settings, findings = read_config(find_config(config_dir), catalogue, check_report)
    return None if broken else settings, broken + findings


def validate(
    config_dir: Path,
    catalogue: Mapping[str, Kpi] | None = None,
    check_report: ReportCheck | None = None,
) -> list[Finding]:
    """Every finding; see `read_settings`."""
    return read_settings(config_dir, catalogue, check_report)[1]
