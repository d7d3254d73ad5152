"""Reads the configuration folder into the models of settings.py and notes every mistake.

One pass over each file's tree. A value that cannot be used becomes a finding
and reading goes on, so that one run names them all; models are built only when
a file has no error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from flows import literals as read
from flows import shapes
from flows.branding import (
    LIGHT_GROUNDS,
    SHAPE_CONTRAST,
    TEXT_CONTRAST,
    LogoError,
    color_of,
    contrast,
    read_logo,
    readable,
)
from flows.kpis import Kpi, load_kpis
from flows.literals import PERIOD_EXPECTED, Skip, Wrong, listed, quoted, suggest
from flows.settings import (
    Agreed,
    Brand,
    Client,
    ClientSource,
    Escalation,
    Goal,
    Measure,
    Mute,
    Period,
    Report,
    ReportCheck,
    Route,
    Schedule,
    SecretRef,
    Settings,
    SlackBot,
    Smtp,
    Source,
    Step,
    Target,
    Tuning,
)
from flows.shapes import SOURCES
from flows.yaml_loader import ConfigError, Finding, Node, load_yaml

T = TypeVar("T")
Values = dict[str, Any]

# it names folders and files that other things are added to
LONGEST_SLUG = 100
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
_ROUTE = re.compile(r"[a-z0-9]+([-_][a-z0-9]+)*\Z")
# it becomes the name of a table and of its models
LONGEST_REPORT = 40
_REPORT = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z")
# GA4 event names (https://support.google.com/analytics/answer/13316687)
_EVENT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}\Z")
# What gives a secret away wherever it stands: a webhook, tokens of Slack and Google, keys,
# a password in an address.
_SECRET = re.compile(
    r"hooks\.slack\.com/|\bxox[a-z]-|\bya29\.|\b1//0|\bGOCSPX-|-----BEGIN |://[^/\s]*:[^/\s]*@"
)
_SECRET_EXPECTED = "write env:NAME or file:PATH"  # noqa: S105 - a hint
_REFERENCES = ("env:", "file:", "keyring:", "prefect:")
_OAUTH = ("client_id", "client_secret", "refresh_token")
_SHARED = (
    *_OAUTH,
    "developer_token",
    "json_key_file_path",
    "login_customer_id",
    "token_uri",
    "auth_uri",
    "ca_file",
    "restatement_days",
    "timeout_seconds",
)

# Words of other tools for our keys
_SYNONYMS = {"metric": "kpi", "filter": "where", "scope": "where", "segment": "for_each"}
_SYNONYMS |= {"defaults": "tuning", "milestones": "steps", "country": "holidays"}
_SYNONYMS |= {"title": "specific", "actions": "plan", "channels": "notify", "webhook": "slack"}

# Where a key belongs that stands beside its mapping instead of in it
_HOMES = dict.fromkeys(shapes.keys(*shapes.PERIODS), "period")
_HOMES |= dict.fromkeys(shapes.keys(*shapes.GOALS), "goal")
_HOMES |= dict.fromkeys(shapes.keys(shapes.Measure), "measure")
_HOMES |= dict.fromkeys(shapes.keys(shapes.Tuning), "tuning")
_HOMES |= dict.fromkeys(shapes.keys(shapes.Agreed), "agreed")
_HOMES |= dict.fromkeys(shapes.keys(shapes.Realistic), "realistic")

_MISSING = {
    "id": ("is missing", "expected a name in kebab-case, such as google-ads-ctr"),
    "specific": ("S (specific): is missing", "expected the goal in a sentence"),
    "kpi": ("M (measurable): is missing", "expected the name of a KPI"),
    "goal": (
        "M (measurable): is missing",
        "expected at_least, at_most, from and to, between, or maintain and within",
    ),
    "period": ("T (time-bound): is missing", PERIOD_EXPECTED),
    "agreed": (
        "A (acceptable): no owner",
        "expected agreed: {owner: name@example.nl, on: 2026-09-24}",
    ),
    "owner": ("A (acceptable): no owner", "expected an e-mail address"),
    "because": ("R (realistic): no reason", "expected why it can be done"),
}

# A status is left ten points further than where it is entered: two may not overlap.
_LEAST_GAP = 0.1
# What is beside the clients' pages in the folder of reports.
_OWN_PAGES = ("index",)

# AdvertisingChannelType and Device of the Google Ads API v26 (google/ads/googleads/v26/enums);
# only used to recognise a slip, so a new value does no harm
_VALUES = {
    "channel_type": (
        "SEARCH", "SHOPPING", "PERFORMANCE_MAX", "DISPLAY", "VIDEO", "DEMAND_GEN", "HOTEL",
        "LOCAL", "LOCAL_SERVICES", "MULTI_CHANNEL", "SMART", "TRAVEL",
    ),
    "device": ("MOBILE", "DESKTOP", "TABLET", "CONNECTED_TV", "OTHER"),
}  # fmt: skip


def join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


@dataclass
class Shared:
    """What the clients need of koers.yaml; None where koers.yaml could not be read."""

    routes: dict[str, Route] | None = None
    fallback: str | None = None
    has_smtp: bool | None = None
    tuning: Tuning = field(default_factory=Tuning)
    login_customer_id: str | None = None
    reports: Mapping[str, str] | None = None  # names, also of those with mistakes, and sources
    kpis: Mapping[str, Kpi] = field(default_factory=dict)  # of the user's own folder
    is_read: bool = False


@dataclass
class FileReader:
    """One file: helpers that read a value or note what is wrong with it."""

    file: str
    root: Path
    findings: list[Finding] = field(default_factory=list)

    @property
    def errors(self) -> int:
        return sum(finding.severity == "error" for finding in self.findings)

    def tell(
        self,
        at: Node | int,
        place: str,
        problem: str,
        expected: str = "",
        severity: Literal["error", "warning"] = "error",
    ) -> None:
        if isinstance(at, Node):
            at = at.key_line if isinstance(at.value, dict | list) else at.line
        self.findings.append(Finding(self.file, at, place, problem, expected, severity))

    def read(self, node: Node, key: str, place: str, parse: Callable[[Node], T], default: T) -> T:
        """The value of an optional key; an empty one counts as absent."""
        child = node.get(key)
        if child is None or (child.is_null and not child.is_broken):
            return default
        return self.value(child, join(place, key), parse, default)

    def value(self, node: Node, place: str, parse: Callable[[Node], T], default: T) -> T:
        try:
            return parse(node)
        except Wrong as e:
            self.tell(node, place, e.problem, e.expected)
        except Skip:
            pass  # the loader has said what is wrong
        return default

    def has_keys(
        self,
        node: Node,
        place: str,
        *these: type[shapes.Shape],
        required: Iterable[str] | None = None,
    ) -> bool:
        """Check that a value is a mapping with known keys and all that are required."""
        known = shapes.keys(*these)
        if node.is_broken:
            return False
        if not isinstance(node.value, dict):
            said = quoted(node.text) if node.text else node.kind
            self.tell(node, place, f"{said} is not a mapping", f"expected {listed(known)}")
            return False
        split = self.comma_keys(node, place)
        for key, child in node.value.items():
            if key not in known and key not in split:
                near, home = _SYNONYMS.get(key), _HOMES.get(key)
                if near in known:
                    expected = f'did you mean "{near}"?'
                elif home in known:
                    expected = f"it belongs under {home}"
                else:
                    expected = suggest(key, known)
                problem = f"unknown key {quoted(key)}"
                self.tell(child.key_line, join(place, key), problem, expected)
        if required is None:
            required = shapes.required_keys(these[0])
        for key in required:
            child_ = node.get(key)
            problem, expected = _MISSING.get(key, ("is missing", ""))
            if child_ is None:
                self.tell(node.line, join(place, key), problem, expected)
            elif child_.is_null and not child_.is_broken:
                problem = problem.replace("is missing", "is empty")
                self.tell(child_, join(place, key), problem, expected)
        return True

    def comma_keys(self, node: Node, place: str) -> list[str]:
        """``{from: 3,5%, to: 5%}`` is from: 3 and a key `5%` to YAML: say what happened."""
        entries = node.value if isinstance(node.value, dict) else {}
        found: list[str] = []
        last: tuple[str, str] = ("", "…")
        for key, child in entries.items():
            if re.match(r"[0-9]", key):
                name, begun = last
                written = f"{begun},{key}"
                if re.fullmatch(r"[1-9][0-9]{0,2}(,[0-9]{3})+", written):
                    expected = f"write {written.replace(',', '')} without separators"
                else:
                    expected = f"write {written.replace(',', '.')} with a point"
                problem = f"{quoted(written)} has a decimal comma, which ends the value in YAML"
                self.tell(child.key_line, join(place, name) if name else place, problem, expected)
                found.append(key)
                last = (name, written)
            else:
                last = (key, child.text or "…")
        return found

    def mapping(self, node: Node, key: str, place: str) -> Node | None:
        """An optional mapping; anything else there is a finding."""
        child = node.get(key)
        if child is None or child.is_null:
            return None
        if not isinstance(child.value, dict):
            said = quoted(child.text) if child.text else child.kind
            self.tell(child, join(place, key), f"{said} is not a mapping", "expected key: value")
            return None
        return child

    def items(
        self, node: Node, key: str, place: str, parse: Callable[[Node], T], one: bool = True
    ) -> list[tuple[Node, T]]:
        """A list's usable items; ``one``: a single value may stand there as well."""
        child = node.get(key)
        if child is None or child.is_null:
            return []
        place = join(place, key)
        if not isinstance(child.value, list):
            if not one:
                said = quoted(child.text) if child.text else child.kind
                self.tell(child, place, f"{said} is not a list", "expected a list")
                return []
            try:
                return [(child, parse(child))]
            except Wrong as e:
                self.tell(child, place, e.problem, e.expected)
            except Skip:
                pass
            return []
        found: list[tuple[Node, T]] = []
        for i, item in enumerate(child.value):
            try:
                found.append((item, parse(item)))
            except Wrong as e:
                self.tell(item, f"{place}[{i}]", e.problem, e.expected)
            except Skip:
                pass
        return found

    def path(self, node: Node) -> Path:
        """A path, relative to the configuration folder's parent."""
        return self.place(read.scalar_text(node, "expected a path"))

    def place(self, text: str) -> Path:
        try:
            return (self.root / Path(text).expanduser()).resolve()
        except (OSError, RuntimeError, ValueError):  # ~nobody, a NUL, links that go in a circle
            raise Wrong(f"{quoted(text)} is not a path", "expected a path") from None

    def secret(self, node: Node) -> SecretRef:
        """``env:NAME``, ``file:PATH`` and so on; what else stands there is never repeated."""
        if node.is_broken:
            raise Skip
        if not isinstance(node.value, dict | list) and node.text.startswith(_REFERENCES):
            return self.reference(node)
        if node.is_null or isinstance(node.value, dict | list):
            raise Wrong(f"is {node.kind}", _SECRET_EXPECTED)
        raise Wrong("secret in clear text", _SECRET_EXPECTED)

    def reference(self, node: Node) -> SecretRef:
        kind, _, name = node.text.strip().partition(":")
        if kind == "env":
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise Wrong("names no environment variable", "expected env:NAME")
            return SecretRef(kind="env", name=name, file=self.file, line=node.line)
        if kind == "keyring" or kind == "prefect":
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name):
                raise Wrong(f"names nothing of {kind}", f"expected {kind}:NAME")
            return SecretRef(kind=kind, name=name, file=self.file, line=node.line)
        if not name.strip():
            raise Wrong("names no file", "expected file:PATH")
        path = self.place(name.strip())
        return SecretRef(kind="file", name=str(path), file=self.file, line=node.line)

    def text_or_secret(self, node: Node) -> SecretRef | str:
        text = read.scalar_text(node)
        return self.reference(node) if text.startswith(_REFERENCES) else text

    def hide_secrets(self, node: Node, place: str = "") -> Node:
        """Note what looks like a secret wherever it stands, and take it out of the tree."""
        if isinstance(node.value, dict):
            entries = {k: self.hide_secrets(v, join(place, k)) for k, v in node.value.items()}
            return replace(node, value=entries)
        if isinstance(node.value, list):
            items = [self.hide_secrets(v, f"{place}[{i}]") for i, v in enumerate(node.value)]
            return replace(node, value=items)
        if isinstance(node.value, str) and _SECRET.search(node.text):
            self.tell(node, place, "secret in clear text", _SECRET_EXPECTED)
            return replace(node, value=None, text="", is_broken=True)
        return node

    def open(self, path: Path, shape: type[shapes.Shape]) -> Node | None:
        """The tree of a file with its unknown and missing keys noted."""
        document = load_yaml(path, self.file)
        self.findings.extend(document.findings)
        if document.root is None:
            if not document.findings:
                expected = f"expected {listed(shapes.required_keys(shape))}"
                self.tell(1, "file", "is empty", expected)
            return None
        root = self.hide_secrets(document.root)
        if not isinstance(root.value, dict):
            self.tell(root, "file", f"is {root.kind}", "expected `key: value` lines")
            return None
        self.has_keys(root, "", shape)
        return root

    # --- parts that both kinds of file have ---------------------------------------------------

    def routes(self, root: Node) -> dict[str, Route]:
        found: dict[str, Route] = {}
        node = self.mapping(root, "routes", "")
        for name, route in (node.value if node and isinstance(node.value, dict) else {}).items():
            place = f"routes.{name}"
            if not _ROUTE.match(name):
                expected = "expected lower-case letters, digits and dashes"
                self.tell(route.key_line, place, f"{quoted(name)} is not a name", expected)
            if not self.has_keys(route, place, shapes.Route):
                continue
            addresses = tuple(v for _, v in self.items(route, "email", place, read.email))
            if not any(
                (n := route.get(k)) and (n.value or n.is_broken) for k in ("slack", "email")
            ):
                expected = "expected slack: env:NAME or email: [addresses]"
                self.tell(route.line, place, "goes nowhere", expected)
            found[name] = Route(
                name=name,
                slack=self.slack(route, place),
                email=addresses,
                locale=self.locale(route, place),
                digest=self.digest(route, place),
                fallback=self.read(route, "fallback", place, read.scalar_text, None),
                unsubscribe=self.read(route, "unsubscribe", place, read.unsubscribe, None),
                only=self.choices(route, "only", place, shapes.NEWS),
                owners=self.owners(route, place),
                quiet=self.quiet(route, place),
                repeat_every_days=self.read(route, "repeat_every", place, read.days, None),
            )
        return found

    def slack(self, route: Node, place: str) -> SecretRef | SlackBot | None:
        """A webhook's secret, or a bot's token and channel."""
        node = route.get("slack")
        if node is None or not isinstance(node.value, dict):
            return self.read(route, "slack", place, self.secret, None)
        place, before = join(place, "slack"), self.errors
        self.has_keys(node, place, shapes.SlackBot)
        token = self.read(node, "token", place, self.secret, None)
        channel = self.read(node, "channel", place, read.slack_channel, "")
        endpoint = self.read(node, "endpoint", place, read.url, None)
        if token is None or self.errors > before:
            return None
        return SlackBot(token=token, channel=channel, endpoint=endpoint)

    def digest(self, route: Node, place: str) -> Literal["daily", "weekly", "monthly"]:
        said = self.read(route, "digest", place, lambda n: read.choice(n, shapes.DIGESTS), "")
        return "weekly" if said == "weekly" else "monthly" if said == "monthly" else "daily"

    def choices(self, node: Node, key: str, place: str, known: tuple[str, ...]) -> tuple[str, ...]:
        """Each of the listed values once; an empty list is a finding, it would say nothing."""
        found = [v for _, v in self.items(node, key, place, lambda n: read.choice(n, known))]
        written = node.get(key)
        if written is not None and written.value == []:
            self.tell(written, join(place, key), "is empty", f"expected {listed(known)}")
        return tuple(dict.fromkeys(found))

    def owners(self, route: Node, place: str) -> tuple[str, ...]:
        found = [address for _, address in self.items(route, "owners", place, read.email)]
        return tuple(dict.fromkeys(found))

    def quiet(self, route: Node, place: str) -> tuple[str, ...]:
        """Days without messages; every day of the week would be none ever."""
        found = self.choices(route, "quiet", place, shapes.QUIET)
        written = route.get("quiet")
        if written is not None and set(shapes.QUIET[:7]) <= set(found):
            expected = "leave out a day, or the route where it is named"
            self.tell(written, join(place, "quiet"), "has every day of the week", expected)
        return found

    def fallbacks(
        self, root: Node, routes: dict[str, Route], known: Collection[str], default: str | None
    ) -> dict[str, Route]:
        """The routes with the fallback that holds for each; one that is not there is a finding."""
        node = root.get("routes")
        told: dict[str, Route] = {}
        for name, route in routes.items():
            told[name] = route
            if route.fallback is None:
                if default != name:
                    told[name] = route.model_copy(update={"fallback": default})
                continue
            written = node.get(name) if node else None
            at = (written.get("fallback") if written else None) or root
            if route.fallback == name:
                self.tell(at, f"routes.{name}.fallback", "is the route itself", "expected another")
            elif route.fallback not in known:
                problem = f"no route {quoted(route.fallback)}"
                others = [one for one in known if one != name]
                self.tell(at, f"routes.{name}.fallback", problem, suggest(route.fallback, others))
        return told

    def check_smtp(self, root: Node, has_smtp: bool) -> None:
        """Routes by e-mail need a mail server."""
        node = root.get("routes")
        for name, route in (node.value if node and isinstance(node.value, dict) else {}).items():
            addresses = route.get("email")
            if addresses and addresses.value and not has_smtp:
                problem = "e-mail cannot be sent: koers.yaml has no smtp"
                expected = "add smtp: {host: …, from: …}"
                self.tell(addresses, f"routes.{name}.email", problem, expected)

    def locale(self, node: Node, place: str) -> Literal["nl", "en"] | None:
        said = self.read(node, "locale", place, lambda n: read.choice(n, shapes.LOCALES), "")
        return "nl" if said == "nl" else "en" if said == "en" else None

    def tuning(self, node: Node, place: str, default: Tuning) -> Tuning:
        """What is written here, filled in from what holds for the whole."""
        own = self.mapping(node, "tuning", place)
        if own is None:
            return default
        place = join(place, "tuning")
        before = self.errors
        self.has_keys(own, place, shapes.Tuning)
        if isinstance(own.value, dict) and any(re.match(r"[0-9]", key) for key in own.value):
            return default  # a decimal comma has cut a value in two
        on = self.read(own, "on_track_from", place, read.chance, default.on_track_from)
        off = self.read(own, "off_track_below", place, read.chance, default.off_track_below)
        if self.errors == before and on - off < _LEAST_GAP - 1e-9:
            key = "on_track_from" if own.get("on_track_from") else "off_track_below"
            problem = f"on track from {on:.0%} and off track below {off:.0%} are too close"
            expected = f"expected {_LEAST_GAP:.0%} between them, or the status flips daily"
            self.tell(own.get(key) or own, join(place, key), problem, expected)
        return Tuning(
            on_track_from=on,
            off_track_below=off,
            confirm_days=self.read(
                own, "confirm_days", place, lambda n: read.whole(n, 1, 14), default.confirm_days
            ),
        )


# --- koers.yaml -------------------------------------------------------------------------------


@dataclass
class KoersReader(FileReader):
    """koers.yaml."""

    sources_line: int = 1
    check_report: ReportCheck | None = None
    report_names: dict[str, str] = field(default_factory=dict)

    def koers(self, path: Path) -> tuple[Values, Shared]:
        """The arguments of Settings, without the clients, and what the clients need to know."""
        root = self.open(path, shapes.KoersFile)
        if root is None:
            return {}, Shared()
        version = root.get("version")
        if version and not version.is_null and not version.is_broken and version.value != 1:
            self.tell(version, "version", f"{quoted(version.text)} is unknown", "expected 1")
        values: Values = {}
        for key in ("warehouse", "landing", "report_dir"):
            default = self.root / str(shapes.KoersFile.model_fields[key].default)
            values[key] = self.read(root, key, "", self.path, default)
        values["landing_retention_days"] = self.read(root, "landing_retention", "", read.days, 90)
        values["report_url"] = self.read(root, "report_url", "", read.folder_url, None)
        values["report_keep_days"] = self.read(root, "report_keep", "", read.days, 90)
        values["locale"] = self.locale(root, "") or "nl"
        values["currency"] = self.read(root, "currency", "", read.currency, None)
        values["brand"] = self.brand(root)
        values["schedule"] = self.schedule(root)
        routes = self.routes(root)
        fallback = self.read(root, "fallback", "", read.scalar_text, None)
        written = root.get("routes")
        known = tuple(written.value) if written and isinstance(written.value, dict) else ()
        if fallback is not None and fallback not in known:
            at = root.get("fallback") or root
            self.tell(at, "fallback", f"no route {quoted(fallback)}", suggest(fallback, known))
        values["routes"] = self.fallbacks(root, routes, known, fallback)
        values["smtp"] = self.smtp(root)
        values["sources"] = self.sources(root)
        values["reports"] = self.reports(root)
        values["sql"], kpis = self.own_sql(root)
        smtp = root.get("smtp")
        has_smtp = smtp is not None and (not smtp.is_null or smtp.is_broken)
        self.check_smtp(root, has_smtp)
        return values, Shared(
            routes=values["routes"],
            fallback=fallback,
            has_smtp=has_smtp,
            tuning=self.tuning(root, "", Tuning()),
            login_customer_id=values["sources"]["google_ads"].login_customer_id,
            reports=self.report_names,
            kpis=kpis,
            is_read=True,
        )

    # --- what is the user's own ---------------------------------------------------------------

    def reports(self, root: Node) -> dict[str, Report]:
        node = self.mapping(root, "reports", "")
        found: dict[str, Report] = {}
        for name, child in (node.value if node and isinstance(node.value, dict) else {}).items():
            place = f"reports.{name}"
            if not _REPORT.match(name) or len(name) > LONGEST_REPORT:
                expected = "expected lower-case letters, digits and underscores, at most "
                expected += f"{LONGEST_REPORT}, such as {_as_report(name)}"
                self.tell(child.key_line, place, "cannot be the name of a table", expected)
                continue
            self.report_names[name] = ""
            report = self.report(name, child, place)
            if report is not None:
                found[name] = report
        return found

    def report(self, name: str, node: Node, place: str) -> Report | None:
        before = self.errors
        written = node.get("source")
        source = str(written.value) if written and not written.is_null else ""
        if isinstance(node.value, dict) and source not in shapes.REPORT_SHAPES:
            problem = f"unknown source {quoted(source)}" if source else "is missing"
            expected = suggest(source, shapes.REPORT_SHAPES) if source else listed(SOURCES)
            self.tell(written or node.line, f"{place}.source", problem, expected)
            return None
        if not self.has_keys(node, place, shapes.REPORT_SHAPES.get(source, shapes.AdsReport)):
            return None
        self.report_names[name] = source
        entries = node.value if isinstance(node.value, dict) else {}
        lines = {key: child.line for key, child in entries.items()}
        names: dict[str, tuple[str, ...]] = {}
        for key in ("dimensions", "metrics"):
            items = self.items(node, key, place, read.scalar_text)
            names[key] = tuple(text for _, text in items)
            lines |= {f"{key}[{i}]": item.line for i, (item, _) in enumerate(items)}
        filters: list[tuple[str, tuple[str, ...]]] = []
        wanted = self.mapping(node, "filter", place) or replace(node, value={})
        for key, child in wanted.value.items() if isinstance(wanted.value, dict) else ():
            texts = self.items(wanted, key, f"{place}.filter", read.scalar_text)
            filters.append((key, tuple(text for _, text in texts)))
            lines[f"filter.{key}"] = child.line
        report = Report(
            name=name,
            source=source,
            query=self.read(node, "query", place, read.scalar_text, ""),
            **names,
            filters=tuple(filters),
            type=self.read(
                node, "type", place, lambda n: read.choice(n, shapes.SEARCH_TYPES), "web"
            ),
            file=self.file,
            line=node.key_line,
            lines=lines,
        )
        if self.errors == before and self.check_report is not None:
            for at, problem, expected in self.check_report(report):
                self.tell(lines.get(at, node.key_line), join(place, at), problem, expected)
        return report if self.errors == before else None

    def own_sql(self, root: Node) -> tuple[Path | None, dict[str, Kpi]]:
        """The folder of the user's own models and the KPIs in it."""
        folder = self.read(root, "sql", "", self.path, None)
        written = root.get("sql")
        if folder is None or written is None:
            return None, {}
        if not folder.is_dir():
            self.tell(written, "sql", f"{folder} is no folder", "make it, or leave `sql` out")
            return None, {}
        try:
            return folder, load_kpis(folder, needs_any=False)
        except ConfigError as e:
            self.findings.extend(e.findings)
            return folder, {}

    def schedule(self, root: Node) -> Schedule:
        node = self.mapping(root, "schedule", "")
        if node is None:
            return Schedule()
        self.has_keys(node, "schedule", shapes.Schedule)
        default = Schedule()
        return Schedule(
            cron=self.read(node, "cron", "schedule", read.cron, default.cron),
            timezone=self.read(node, "timezone", "schedule", read.time_zone, default.timezone),
        )

    def brand(self, root: Node) -> Brand:
        """How the agency shows itself; what cannot be shown well is a warning, no error."""
        node = self.mapping(root, "brand", "")
        if node is None:
            return Brand()
        self.has_keys(node, "brand", shapes.Brand)
        logo = self.read(node, "logo", "brand", self.path, None)
        if logo is not None:
            try:
                read_logo(logo)
            except LogoError as problem:
                at = node.get("logo") or node
                self.tell(at, "brand.logo", problem.problem, problem.expected, "warning")
                logo = None
        return Brand(
            name=self.read(node, "name", "brand", read.scalar_text, ""),
            logo=logo,
            color=self.color(node, "color", TEXT_CONTRAST),
            accent=self.color(node, "accent", SHAPE_CONTRAST),
        )

    def color(self, brand: Node, key: str, least: float) -> str | None:
        """A colour that can be seen on white; of one that cannot a darker shade is used."""
        said = self.read(brand, key, "brand", read.scalar_text, None)
        if said is None:
            return None
        at, place = brand.get(key) or brand, f"brand.{key}"
        color = color_of(said)
        if color is None:
            self.tell(at, place, f"{quoted(said)} is not a colour", 'expected one like "#00aa55"')
            return None
        found = min(contrast(color, ground) for ground in LIGHT_GROUNDS)
        if found < least:
            problem = f"{color} is hard to see on white: the contrast is {found:.1f}"
            shade = readable(color, LIGHT_GROUNDS, least)
            self.tell(at, place, problem, f"WCAG AA asks for {least:g}; {shade} is used", "warning")
        return color

    def smtp(self, root: Node) -> Smtp | None:
        node = self.mapping(root, "smtp", "")
        if node is None:
            return None
        before = self.errors
        self.has_keys(node, "smtp", shapes.Smtp)
        host = self.read(node, "host", "smtp", read.scalar_text, "")
        if re.search(r"[\s/]|:[0-9]+$", host):
            node_ = node.get("host") or node
            self.tell(node_, "smtp.host", f"{quoted(host)} is not a host name", "expected a name")
        is_local = host in read.LOOPBACK
        starttls = self.read(node, "starttls", "smtp", read.flag, not is_local)
        username = self.read(node, "username", "smtp", self.text_or_secret, None)
        password = self.read(node, "password", "smtp", self.secret, None)
        port = self.read(node, "port", "smtp", lambda n: read.whole(n, 1, 65535), 587)
        has_login = [
            (child := node.get(key)) is not None and (not child.is_null or child.is_broken)
            for key in ("username", "password")
        ]
        # port 465 is TLS from the first byte
        if host and not is_local:
            if not starttls and port != 465:
                expected = "only 127.0.0.1 may do without TLS"
                self.tell(node.get("starttls") or node, "smtp.starttls", "is false", expected)
            if not all(has_login):
                key = "password" if has_login[0] else "username"
                expected = "only 127.0.0.1 may do without a login"
                self.tell(node.line, f"smtp.{key}", "is missing", expected)
        elif has_login[0] != has_login[1]:
            key = "password" if has_login[0] else "username"
            self.tell(node.line, f"smtp.{key}", "is missing", "a login needs both")
        values: Values = {
            "host": host,
            "port": port,
            "username": username,
            "password": password,
            "starttls": starttls,
            "ca_file": self.read(node, "ca_file", "smtp", self.path, None),
            "from_": self.read(node, "from", "smtp", read.sender, ""),
        }
        return Smtp(**values) if self.errors == before else None

    def sources(self, root: Node) -> dict[str, Source]:
        """Every source, what it lacks filled in from google_ads."""
        node = self.mapping(root, "sources", "")
        self.sources_line = node.key_line if node else root.line
        own: dict[str, Values] = {name: {} for name in shapes.SOURCE_SHAPES}
        for name, child in (node.value if node and isinstance(node.value, dict) else {}).items():
            if name not in own:
                problem = f"unknown source {quoted(name)}"
                self.tell(child.key_line, f"sources.{name}", problem, suggest(name, own))
            elif not child.is_null:
                own[name] = self.source(name, child)
        found: dict[str, Source] = {}
        for name in SOURCES:
            values = dict(own[name])
            for key in _SHARED:
                if key not in values and key in own["google_ads"]:
                    # credentials of one kind: those of the source itself, else of google_ads
                    if key == "json_key_file_path" and "refresh_token" in values:
                        continue
                    if key in _OAUTH and "json_key_file_path" in own[name]:
                        continue
                    values[key] = own["google_ads"][key]
            found[name] = Source(**{k: v for k, v in values.items() if v is not None})
        # no vendor's credential goes to the ECB
        found["ecb"] = Source(**{k: v for k, v in own["ecb"].items() if v is not None})
        return found

    def source(self, name: str, node: Node) -> Values:
        """The keys that are there; a value that cannot be used is None."""
        place = f"sources.{name}"
        if not self.has_keys(node, place, shapes.SOURCE_SHAPES[name]):
            return {}
        rest = name in ("search_console", "ecb") or (
            (transport := node.get("transport")) is not None and transport.value == "rest"
        )
        parsers: dict[str, Callable[[Node], object]] = {
            "client_id": self.text_or_secret,
            "client_secret": self.secret,
            "refresh_token": self.secret,
            "developer_token": self.secret,
            "json_key_file_path": self.key_file,
            "login_customer_id": read.customer_id,
            "token_uri": read.url,
            "auth_uri": read.url,
            "admin_endpoint": read.url,
            "endpoint": read.url if rest else read.host_port,
            "ca_file": self.path,
            "restatement_days": lambda n: read.whole(n, 1, 400),
            "timeout_seconds": read.number,
            "refresh": read.flag,
            "transport": lambda n: read.choice(n, ("grpc", "rest")),
            "data_state": lambda n: read.choice(n, ("final", "all")),
        }
        values: Values = {}
        for key in shapes.keys(shapes.SOURCE_SHAPES[name]):
            child = node.get(key)
            if child is not None and (not child.is_null or child.is_broken):
                values[key] = self.read(node, key, place, parsers[key], None)
        if "json_key_file_path" in values and "refresh_token" in values:
            problem = "has both a refresh_token and a json_key_file_path"
            self.tell(node.line, place, problem, "keep one of them")
        oauth = [key for key in _OAUTH if key in values]
        if oauth and name == "google_ads" and len(oauth) < len(_OAUTH):
            for key in _OAUTH:
                if key not in values:
                    expected = f"{listed(oauth)} needs it"
                    self.tell(node.line, join(place, key), "is missing", expected)
        return values

    def key_file(self, node: Node) -> SecretRef | Path:
        """The path of a service account's key, or a variable that holds the path."""
        text = read.scalar_text(node, "expected a path")
        if text.startswith(("env:", "keyring:", "prefect:")):
            return self.reference(node)
        if text.startswith("file:"):
            return Path(self.reference(node).name)
        return self.path(node)


# --- clients/<slug>.yaml ----------------------------------------------------------------------


@dataclass
class ClientReader(FileReader):
    """clients/<slug>.yaml."""

    catalogue: Mapping[str, Kpi] = field(default_factory=dict)
    shared: Shared = field(default_factory=Shared)
    currency: str = "EUR"
    own_tuning: Tuning = field(default_factory=Tuning)
    own_notify: tuple[str, ...] = ()
    own_alerts: Values = field(default_factory=dict)  # what holds for targets that say nothing
    sources: dict[str, ClientSource] = field(default_factory=dict)
    source_names: tuple[str, ...] | None = None  # as written, also those with mistakes
    route_names: tuple[str, ...] | None = None

    def client(self, path: Path) -> Client | None:
        slug = path.stem
        if not _SLUG.match(slug):
            expected = f"expected lower-case letters, digits and dashes, such as {_as_slug(slug)}"
            self.tell(1, "file", f"the name {quoted(slug)} is not a slug", expected)
        if len(slug) > LONGEST_SLUG:
            expected = f"expected at most {LONGEST_SLUG} signs"
            self.tell(1, "file", f"the name {quoted(slug)} is too long", expected)
        root = self.open(path, shapes.ClientFile)
        if root is None:
            return None
        own_routes = self.routes(root)
        routes = {**(self.shared.routes or {}), **own_routes}
        if self.shared.is_read:  # else nobody can say which routes there are
            own_routes = self.fallbacks(root, own_routes, tuple(routes), self.shared.fallback)
            routes |= own_routes
        if self.shared.is_read:
            node = root.get("routes")
            written = node.value if node and isinstance(node.value, dict) else {}
            self.route_names = tuple(dict.fromkeys([*routes, *written]))
            self.check_smtp(root, self.shared.has_smtp is True)
        self.currency = self.read(root, "currency", "", read.currency, "EUR")
        self.read_sources(root)
        self.own_tuning = self.tuning(root, "", self.shared.tuning)
        zone = self.read(root, "timezone", "", read.time_zone, "Europe/Amsterdam")
        values: Values = {
            "slug": slug,
            "name": self.read(root, "name", "", read.one_line, ""),
            "timezone": zone,
            "currency": self.currency,
            "locale": self.locale(root, "") or "nl",
            "conversion": self.read(root, "conversion", "", _event, "purchases"),
            "holidays": self.read(
                root, "holidays", "", read.country, read.ZONE_COUNTRIES.get(zone)
            ),
            "since": self.read(root, "since", "", read.day, None),
            "sources": self.sources,
            "routes": routes,
            "notify": self.notify(root, ""),
            "notify_data": self.notify(root, "", "notify_data"),
        }
        self.own_alerts = self.alerts(root, "")
        self.own_notify = values["notify"]
        targets: list[Target | None] = []
        seen: dict[str, int] = {}
        node = root.get("targets")
        if node and not isinstance(node.value, list) and not node.is_null:
            self.tell(node, "targets", f"is {node.kind}", "expected a list of targets (- id: …)")
        for i, item in enumerate(node.value if node and isinstance(node.value, list) else []):
            targets.append(self.target(i, item, seen))
        if self.errors:
            return None
        return Client(**values, targets=tuple(target for target in targets if target))

    def read_sources(self, root: Node) -> None:
        node = self.mapping(root, "sources", "")
        if node is None or not isinstance(node.value, dict):
            return
        known = [name for name in node.value if name in SOURCES]
        # with a misspelt source among them nobody can say what is lacking
        if len(known) == len(node.value):
            self.source_names = tuple(known)
        if not node.value:
            self.tell(node, "sources", "is empty", f"expected {listed(SOURCES)}")
        for name, child in node.value.items():
            place = f"sources.{name}"
            if name not in SOURCES:
                problem = f"unknown source {quoted(name)}"
                self.tell(child.key_line, place, problem, suggest(name, SOURCES))
                continue
            shape = shapes.CLIENT_SOURCE_SHAPES[name]
            if child.is_null and not child.is_broken:
                expected = f"expected {listed(shapes.keys(shape))}"
                self.tell(child, place, "is empty", expected)
            elif self.has_keys(child, place, shape):
                self.sources[name] = self.accounts(name, child, place)

    def accounts(self, name: str, node: Node, place: str) -> ClientSource:
        key, parse = {
            "google_ads": ("customer_ids", read.customer_id),
            "ga4": ("property_ids", read.property_id),
            "search_console": ("sites", read.site),
        }[name]
        listed_ids = self.items(node, key, place, parse)
        first: dict[str, int] = {}
        for item, account_id in listed_ids:
            if account_id in first:
                problem = f"{quoted(account_id)} is listed twice"
                expected = f"it is already on line {first[account_id]}"
                self.tell(item, join(place, key), problem, expected)
            first.setdefault(account_id, item.line)
        ids = node.get(key)
        is_listed = ids is not None and not ids.is_null
        if ids is not None and ids.value == []:
            self.tell(ids, join(place, key), "is empty", "expected at least one")
        since = self.read(node, "since", place, read.day, None)
        tables = self.choices(node, "tables", place, shapes.TABLES[name])
        reports = self.own_reports(name, node, place)
        if name != "google_ads":
            return ClientSource(ids=tuple(first), since=since, tables=tables, reports=reports)
        discover = self.read(node, "discover", place, read.flag, False)
        login = self.read(node, "login_customer_id", place, read.customer_id, None)
        manager = node.get("login_customer_id")
        if discover and is_listed:
            problem = "has both customer_ids and discover"
            self.tell(node.line, place, problem, "keep one of them")
        elif not discover and not is_listed and (said := node.get("discover") or node):
            if said is node or said.value is False or said.is_null:
                expected = "expected customer_ids: [123-456-7890] or discover: true"
                self.tell(said.line, place, "names no accounts", expected)
        elif (
            discover
            and manager is None
            and self.shared.is_read
            and self.shared.login_customer_id is None
        ):
            expected = "discover: true needs the manager account"
            self.tell(node.line, join(place, "login_customer_id"), "is missing", expected)
        return ClientSource(
            ids=tuple(first),
            discover=discover,
            login_customer_id=login or self.shared.login_customer_id,
            since=since,
            tables=tables,
            reports=reports,
        )

    def own_reports(self, source: str, node: Node, place: str) -> tuple[str, ...]:
        """The names of reports of koers.yaml that are of this source."""
        known = self.shared.reports

        def parse(item: Node) -> str:
            name = read.scalar_text(item, "expected the name of a report in koers.yaml")
            if known is not None and name not in known:
                fitting = [report for report, of in known.items() if of == source]
                otherwise = "" if fitting else f"koers.yaml has no report of {source}"
                raise Wrong(f"no report {quoted(name)}", suggest(name, fitting, otherwise))
            if known is not None and known[name] not in ("", source):
                raise Wrong(f"the report {quoted(name)} is of {known[name]}", "list it there")
            return name

        return tuple(dict.fromkeys(name for _, name in self.items(node, "reports", place, parse)))

    def notify(self, node: Node, place: str, key: str = "notify") -> tuple[str, ...]:
        found = [name for _, name in self.items(node, key, place, self.route)]
        return tuple(dict.fromkeys(found))

    def route(self, item: Node) -> str:
        """The name of a route that there is."""
        names = self.route_names
        name = read.scalar_text(item, "expected the name of a route")
        if names is not None and name not in names:
            otherwise = "" if names else "there are no routes; add them to koers.yaml"
            raise Wrong(f"no route {quoted(name)}", suggest(name, names, otherwise))
        return name

    def alerts(self, node: Node, place: str) -> Values:
        """What is told of targets and how often, filled in from what holds for the client."""
        told = self.own_alerts
        tell = self.choices(node, "tell", place, shapes.NEWS)
        return {
            "tell": tell or told.get("tell", ()),
            "repeat_every_days": self.read(
                node, "repeat_every", place, read.days, told.get("repeat_every_days", 7)
            ),
            "escalate": self.escalation(node, place) or told.get("escalate"),
        }

    def escalation(self, node: Node, place: str) -> Escalation | None:
        own = self.mapping(node, "escalate", place)
        place, before = join(place, "escalate"), self.errors
        if own is None or not self.has_keys(own, place, shapes.Escalate):
            return None
        to = self.read(own, "to", place, self.route, "")
        after = self.read(own, "after", place, read.days, 0)
        return Escalation(to=to, after_days=after) if self.errors == before else None

    def mute(self, target: Node, place: str) -> Mute | None:
        own = self.mapping(target, "mute", place)
        place, before = join(place, "mute"), self.errors
        if own is None or not self.has_keys(own, place, shapes.Mute):
            return None
        until = self.read(own, "until", place, read.day, None)
        because = self.read(own, "because", place, read.one_line, "")
        if until is None or self.errors > before:
            return None
        return Mute(until=until, because=because)

    # --- targets ------------------------------------------------------------------------------

    def target(self, i: int, node: Node, seen: dict[str, int]) -> Target | None:
        before = self.errors
        place = f"targets[{i}]"
        written_id = node.get("id")
        if written_id and isinstance(written_id.value, str) and written_id.value:
            place += f" ({quoted(written_id.text, 40)[1:-1]})"
        if not self.has_keys(node, place, shapes.Target):
            return None
        id_ = self.read(node, "id", place, _kebab, "")
        if written_id and id_:
            if id_ in seen:
                problem = f"id {quoted(id_)} is already used on line {seen[id_]}"
                self.tell(written_id, join(place, "id"), problem, "expected another id")
            seen.setdefault(id_, written_id.line)
        kpi = self.read(node, "kpi", place, self.kpi, None)
        kpi_name = kpi.name if kpi else str((n := node.get("kpi")) and n.text)
        if kpi is not None:
            self.check_sources(node, place, kpi)
        goal_node, period_node = node.get("goal"), node.get("period")
        meant = kpi or self.nearest_kpi(node.get("kpi"))
        goal = self.goal(goal_node, join(place, "goal"), meant) if goal_node else None
        period = self.period(period_node, join(place, "period")) if period_node else None
        if goal and period and period_node and goal.kind == "from_to":
            if period.start is None or period.every is not None:
                problem = "a goal from–to needs one period with a start and an end"
                expected = "expected 2026-Q4 or the like"
                self.tell(period_node, join(place, "period"), problem, expected)
            elif goal_node and goal.steps:
                self.check_steps(goal_node, join(place, "goal.steps"), period)
        values: Values = {
            "id": id_,
            "specific": self.read(node, "specific", place, read.one_line, ""),
            "kpi": kpi_name,
            "where": self.where(node, place, kpi),
            "for_each": self.read(node, "for_each", place, partial(self.dimension, kpi=kpi), None),
            "goal": goal,
            "period": period,
            "measure": self.measure(node, place, kpi, goal, period),
            "tuning": self.tuning(node, place, self.own_tuning),
            "agreed": self.agreed(node, place),
            "realistic_because": self.realistic(node, place),
            "plan": self.plan(node, place, period),
            "notify": self.notify(node, place),
            **self.alerts(node, place),
            "mute": self.mute(node, place),
            "file": self.file,
            "line": node.line,
        }
        # a value that the reader of YAML refused is among its findings, not among ours
        if self.errors > before or goal is None or period is None:
            return None
        target = Target(**values)
        hears = target.notify or self.own_notify
        if target.escalate and target.escalate.to in hears and (own := node.get("escalate")):
            problem = f"the route {quoted(target.escalate.to)} hears of it at once"
            self.tell(own, join(place, "escalate.to"), problem, "expected another route")
            return None
        return target

    def kpi(self, node: Node) -> Kpi | None:
        name = read.scalar_text(node, "expected the name of a KPI")
        if not self.catalogue or name in self.catalogue:
            return self.catalogue.get(name)
        raise Wrong(f"M (measurable): no KPI {quoted(name)}", suggest(name, sorted(self.catalogue)))

    def nearest_kpi(self, node: Node | None) -> Kpi | None:
        """What a misspelt KPI surely was meant to be, so that its goal is read by its unit."""
        text = node.text.lower() if node else ""
        near = read.nearest(text, self.catalogue, 0.8) or next(
            (name for name in self.catalogue if sorted(name) == sorted(text)), None
        )
        return self.catalogue[near] if near else None

    def no_dimension(self, name: str, kpi: Kpi | None) -> tuple[str, str] | None:
        """What is wrong with a dimension; of an unknown KPI it may be any that there is."""
        if kpi is not None:
            return None if name in kpi.dimensions else _no_dimension(name, kpi)
        known = {dimension for one in self.catalogue.values() for dimension in one.dimensions}
        if name in known or not known:
            return None
        return f"no dimension {quoted(name)}", suggest(name, sorted(known))

    def dimension(self, node: Node, kpi: Kpi | None) -> str:
        """A dimension column; `campaign` and `account` mean their ids."""
        text = read.scalar_text(node, "expected a dimension such as campaign")
        column = {"campaign": "campaign_id", "account": "account_id"}.get(text, text)
        if self.no_dimension(column, kpi) is not None:
            raise Wrong(*(self.no_dimension(text, kpi) or ("", "")))
        return column

    def check_sources(self, node: Node, place: str, kpi: Kpi) -> None:
        """The client must have what the KPI is made from."""
        if self.source_names is None or not kpi.sources:
            return
        lacking = [name for name in kpi.sources if name not in self.source_names]
        if lacking:
            some = len(lacking) < len(kpi.sources)
            self.tell(
                node.get("kpi") or node,
                join(place, "kpi"),
                f"{kpi.name} needs {' and '.join(lacking)}, which this client does not have",
                f"add it to sources or choose another KPI (this client has "
                f"{listed(self.source_names) if self.source_names else 'none'})",
                "warning" if some else "error",
            )

    def where(self, node: Node, place: str, kpi: Kpi | None) -> dict[str, tuple[str, ...]]:
        scope = self.mapping(node, "where", place)
        place = join(place, "where")
        found: dict[str, tuple[str, ...]] = {}
        if scope is None or not isinstance(scope.value, dict):
            return found
        for key, child in scope.value.items():
            unknown = self.no_dimension(key, kpi)
            if unknown is not None:
                self.tell(child.key_line, join(place, key), *unknown)
                continue
            if child.is_null and not child.is_broken:
                self.tell(child, join(place, key), "is empty", "expected a value or a list")
                continue
            if child.value == []:
                self.tell(child, join(place, key), "is an empty list", "expected a value")
                continue
            values = self.items(scope, key, place, partial(self.scope_value, dimension=key))
            found[key] = tuple(dict.fromkeys(value for _, value in values))
            if key == "account_id" and kpi is not None:
                self.check_accounts(values, join(place, key), kpi)
        return found

    def check_accounts(self, written: list[tuple[Node, str]], place: str, kpi: Kpi) -> None:
        """Warn of an account that the client does not list; discovered ones are unknown here."""
        sources = [self.sources[name] for name in kpi.sources if name in self.sources]
        ids = [account_id for source in sources for account_id in source.ids]
        if not ids or any(source.discover for source in sources):
            return
        for node, account_id in written:
            if account_id not in ids:
                problem = f"the account {quoted(account_id)} is not one of this client's"
                self.tell(node, place, problem, suggest(account_id, ids), "warning")

    def scope_value(self, node: Node, dimension: str) -> str:
        text = read.scalar_text(node, "expected text")
        if dimension == "source":
            if text not in SOURCES:
                raise Wrong(f"unknown source {quoted(text)}", suggest(text, SOURCES))
            if self.source_names is not None and text not in self.source_names:
                raise Wrong(
                    f"this client has no source {quoted(text)}", suggest(text, self.source_names)
                )
        if dimension == "account_id" and re.fullmatch(r"[0-9]{3}-[0-9]{3}-[0-9]{4}", text):
            return text.replace("-", "")
        known = _VALUES.get(dimension, ())
        if known and text not in known and (near := suggest(text, known, "-")) != "-":
            # only a slip is refused: platforms add values
            raise Wrong(f"no {dimension} {quoted(text)}", near)
        return text

    def goal(self, node: Node, place: str, kpi: Kpi | None) -> Goal | None:
        if node.is_broken or node.is_null:
            return None
        before = self.errors
        if not self.has_keys(node, place, *shapes.GOALS, required=()):
            return None
        if isinstance(node.value, dict) and any(re.match(r"[0-9]", key) for key in node.value):
            return None  # a decimal comma has cut a value in two: its parts mean nothing
        entries = node.value if isinstance(node.value, dict) else {}
        kinds = dict.fromkeys(_KIND_OF[key] for key in entries if key in _KIND_OF)
        choices = "at_least, at_most, from and to, between, or maintain and within"
        if len(kinds) != 1:
            if kinds:
                has = " and ".join(key for key in entries if key in _KIND_OF)
                is_band = set(kinds) == {"at_least", "at_most"}
                expected = "expected between: [a, b]" if is_band else f"expected one of {choices}"
                self.tell(node.line, place, f"has {has}", expected)
            elif self.errors == before:
                self.tell(node.line, place, "M (measurable): no goal", f"expected {choices}")
            return None
        (kind,) = kinds
        for key in _KEYS_OF[kind]:
            child = entries.get(key)
            if child is None:
                other = " and ".join(_KEYS_OF[kind])
                self.tell(node.line, join(place, key), "is missing", f"expected {other}")
            elif child.is_null and not child.is_broken:
                self.tell(child, join(place, key), "is empty", "expected a value")
        currencies: list[str] = []

        def amount(child: Node) -> float:
            unit, name = (kpi.unit, kpi.name) if kpi else (None, "the KPI")
            found = read.amount(child, unit, self.currency, name)
            if found.currency:
                currencies.append(found.currency)
            return found.value

        values: dict[str, Any] = {"kind": kind}
        for key in ("at_least", "at_most", "from", "to", "maintain"):
            name = "from_" if key == "from" else key
            values[name] = self.read(node, key, place, amount, None)
        values["within"] = self.read(node, "within", place, read.fraction, None)
        self.way(node, place, kind, values, amount)
        if kind == "between" and (pair := entries.get("between")) and not pair.is_broken:
            values["between"] = self.between(node, pair, place, amount)
        if currencies:
            values["currency"] = currencies[0]
        if self.errors > before:
            return None
        goal = Goal(**values)
        self.check_goal(goal, node, place, kpi)
        return goal if self.errors == before else None

    def way(
        self,
        node: Node,
        place: str,
        kind: str,
        values: Values,
        amount: Callable[[Node], float],
    ) -> None:
        """Read into ``values`` how a goal from–to gets there: its path or its steps."""
        path, steps = node.get("path"), node.get("steps")
        for key, child in (("path", path), ("steps", steps)):
            if child is not None and kind != "from_to":
                problem = f"has no meaning beside {listed(_KEYS_OF[kind])}"
                self.tell(child.key_line, join(place, key), problem, "it belongs to from and to")
                return
        values["path"] = self.read(
            node, "path", place, lambda n: read.choice(n, ("linear", "last_year")), "linear"
        )
        if steps is None or (steps.is_null and not steps.is_broken):
            return
        if path is not None and not path.is_null:
            expected = "remove path: from step to step it is a straight line"
            self.tell(path, join(place, "path"), "does not go with steps", expected)
        values["path"] = "steps"
        values["steps"] = self.steps(steps, join(place, "steps"), amount)

    def steps(
        self, node: Node, place: str, amount: Callable[[Node], float]
    ) -> tuple[tuple[date, float], ...]:
        """The steps in the order of their days."""
        expected = "expected {day: value}, such as {2026-10-31: 3.5%, 2026-11-30: 4.2%}"
        if node.is_broken:
            return ()
        if not isinstance(node.value, dict) or not node.value:
            self.tell(node, place, f"is {node.kind}" if node.value else "is empty", expected)
            return ()
        last = ""
        for key, child in node.value.items():
            if re.fullmatch(r"[0-9]{1,3} ?%?( ?[A-Za-z€$£]{1,3})?", key):
                # {2026-10-31: 3,5%} is a step to 3 and a key `5%` to YAML
                begun = node.value[last].text if last else "…"
                problem = f'"{begun},{key}" has a decimal comma, which ends the value in YAML'
                here = join(place, last) if last else place
                self.tell(child.key_line, here, problem, f"write {begun}.{key} with a point")
                return ()
            last = key
        found: list[tuple[date, float]] = []
        for key, child in node.value.items():
            on = self.value(_text_of(key, child), join(place, key), read.day, None)
            value = self.read(node, key, place, amount, None)
            if child.is_null and not child.is_broken:
                self.tell(child, join(place, key), "is empty", "expected a value")
            if on is not None and value is not None:
                found.append((on, value))
        return tuple(sorted(found))

    def check_steps(self, goal: Node, place: str, period: Period) -> None:
        """Steps lie between the first and the last day, which has the goal itself."""
        written = goal.get("steps")
        for key, child in (
            written.value if written and isinstance(written.value, dict) else {}
        ).items():
            on = date.fromisoformat(key.strip())
            assert period.start is not None and period.deadline is not None
            if not period.start <= on < period.deadline:
                problem = f"{key} is not within the period"
                if on == period.deadline:
                    problem = f"{key} is the deadline, which has `to`"
                expected = f"expected a day from {period.start} to before {period.deadline}"
                self.tell(child.key_line, join(place, key), problem, expected)

    def between(
        self, goal: Node, pair: Node, place: str, amount: Callable[[Node], float]
    ) -> tuple[float, float] | None:
        place = join(place, "between")
        if not isinstance(pair.value, list):
            self.tell(pair, place, f"is {pair.kind}", "expected [lowest, highest]")
            return None
        if len(pair.value) != 2:
            expected = "expected [lowest, highest]"
            if len(pair.value) > 2:
                expected += " (a decimal comma makes two values of one; write a point)"
            self.tell(pair, place, f"has {len(pair.value)} values", expected)
            return None
        found = [value for _, value in self.items(goal, "between", place[:-8], amount, one=False)]
        if len(found) < 2:
            return None
        if found[0] >= found[1]:
            problem = f"{pair.value[0].text} is not below {pair.value[1].text}"
            self.tell(pair, place, problem, "expected [lowest, highest]")
            return None
        return found[0], found[1]

    def check_goal(self, goal: Goal, node: Node, place: str, kpi: Kpi | None) -> None:
        before = self.errors
        if goal.kind == "from_to" and goal.from_ == goal.to:
            expected = "use maintain and within for holding a level"
            self.tell(node.get("to") or node, join(place, "to"), "'to' equals 'from'", expected)
        elif goal.steps:
            self.check_monotone(goal, node, join(place, "steps"))
        if goal.kind == "at_least" and goal.at_least == 0:
            child = node.get("at_least") or node
            self.tell(child, join(place, "at_least"), "0 is always reached", "expected more")
        if goal.kind == "maintain" and goal.maintain == 0:
            child = node.get("maintain") or node
            self.tell(child, join(place, "maintain"), "0 has no part", "expected a level above 0")
        if goal.kind == "maintain" and goal.within == 0:
            child = node.get("within") or node
            expected = "expected room to move, such as 10%"
            self.tell(child, join(place, "within"), "is 0", expected)
        if kpi is None or self.errors > before:
            return
        rises = {
            "at_least": True,
            "at_most": False,
            "from_to": (goal.to or 0.0) > (goal.from_ or 0.0),
        }.get(goal.kind)
        if rises is not None and rises != (kpi.better == "higher"):
            wants = {"at_least": "at least", "at_most": "at most"}.get(
                goal.kind, "going up" if rises else "going down"
            )
            problem = f"for {kpi.name} {kpi.better} is better, but the goal is {wants}"
            self.tell(node.line, place, problem, "is that what you mean?", "warning")

    def check_monotone(self, goal: Goal, node: Node, place: str) -> None:
        """From one step to the next it goes towards the goal, and never past it."""
        assert goal.from_ is not None and goal.to is not None
        written = node.get("steps")
        sign = 1 if goal.to > goal.from_ else -1
        way, before = ("up" if sign > 0 else "down"), goal.from_
        for on, value in goal.steps:
            child = (written and written.get(on.isoformat())) or node
            problem = ""
            if sign * value < sign * before:
                other = "`from`" if before == goal.from_ else "the step before it"
                problem = f"{child.text} goes back from {other}"
            elif sign * value > sign * goal.to:
                problem = f"{child.text} is past the goal"
            if problem:
                expected = f"expected values that go {way} from `from` to `to`"
                self.tell(child, join(place, on.isoformat()), problem, expected)
                return
            before = value

    def period(self, node: Node, place: str) -> Period | None:
        if node.is_broken or node.is_null:
            return None
        if isinstance(node.value, list):
            self.tell(node, place, "T (time-bound): a list is not a period", PERIOD_EXPECTED)
            return None
        if not isinstance(node.value, dict):
            named = self.value(node, place, read.named_period, None)
            return Period(start=named[0], end=named[1], said=node.text) if named else None
        before = self.errors
        self.has_keys(node, place, *shapes.PERIODS, required=())
        has = {key for key, child in node.value.items() if not child.is_null or child.is_broken}
        start = self.read(node, "start", place, read.day, None)
        last = self.read(node, "end", place, read.day, None)
        said = ", ".join(f"{key}: {child.text}" for key, child in node.value.items())
        clash = [k for k in ("rolling", "every", "for") if k in has]
        if len(clash) > 1 or ("for" in has and "end" in has) or ("rolling" in has and len(has) > 1):
            problem = f"{' and '.join(sorted(has))} do not go together"
            self.tell(node.line, place, problem, PERIOD_EXPECTED)
            return None
        if "rolling" in has:
            rolling = self.read(node, "rolling", place, read.days, None)
            return Period(rolling_days=rolling, said=said) if rolling else None
        if not has & {"for", "end"} and self.errors == before:
            problem = "T (time-bound): no deadline"
            self.tell(node.line, place, problem, "add for: 3 months or end: the last day")
            return None
        if "start" not in has and "every" not in has:
            if self.errors == before:
                self.tell(node.line, join(place, "start"), "is missing", PERIOD_EXPECTED)
            return None
        if start and last and last < start:
            child = node.get("end") or node
            problem = f"end {last} is before start {start}"
            self.tell(child, join(place, "end"), problem, "expected a later day")
            return None
        every = self.read(
            node, "every", place, lambda n: read.choice(n, ("week", "month", "quarter", "year")), ""
        )
        end: date | None = read.add(last, 1, "day") if last else None
        if "for" in has and start:
            length = self.read(node, "for", place, read.duration, None)
            if length:
                end = self.value(
                    node.get("for") or node,
                    join(place, "for"),
                    lambda _: _after(start, *length),
                    None,
                )
        if self.errors > before:
            return None
        values: Values = {"start": start, "end": end, "every": every or None, "said": said}
        return Period(**values)

    def measure(
        self, target: Node, place: str, kpi: Kpi | None, goal: Goal | None, period: Period | None
    ) -> Measure:
        node = self.mapping(target, "measure", place)
        goes_somewhere = goal is not None and goal.kind == "from_to"
        if goes_somewhere and kpi is not None and kpi.is_sum and not (node and node.get("window")):
            written = target.get("goal") or target
            problem = f"{kpi.name} is a sum: from and to are read as totals of four weeks"
            expected = "say so with measure: {window: 28d}, or use at_least for the whole period"
            self.tell(written.line, join(place, "goal"), problem, expected, "warning")
        if node is None:
            return Measure()
        place = join(place, "measure")
        self.has_keys(node, place, shapes.Measure)
        least = node.get("min_denominator")
        if least and not least.is_null and kpi is not None and kpi.is_sum:
            problem = f"{kpi.name} is a sum and has no denominator"
            self.tell(least, join(place, "min_denominator"), problem, "use min_numerator")
        window = node.get("window")
        if window and not window.is_null and period is not None:
            problem = ""
            if period.rolling_days:
                problem = "a rolling period is its own window"
            elif kpi is not None and kpi.is_sum and not goes_somewhere:
                problem = f"{kpi.name} is a sum: only its last days would count towards the goal"
            if problem:
                self.tell(window, join(place, "window"), problem, "remove it", "warning")
        values: Values = {
            "window_days": self.read(node, "window", place, read.days, None),
            "min_denominator": self.read(node, "min_denominator", place, read.number, None),
            "min_numerator": self.read(node, "min_numerator", place, read.number, None),
            "completeness": self.read(
                node, "completeness", place, lambda n: read.choice(n, ("raw", "learned")), None
            ),
        }
        return Measure(**values)

    def agreed(self, target: Node, place: str) -> Agreed:
        node = self.mapping(target, "agreed", place)
        if node is None:
            return Agreed(owner="")
        place = join(place, "agreed")
        self.has_keys(node, place, shapes.Agreed)
        return Agreed(
            owner=self.read(node, "owner", place, read.email, ""),
            by=tuple(address for _, address in self.items(node, "by", place, read.email)),
            on=self.read(node, "on", place, read.day, None),
        )

    def realistic(self, target: Node, place: str) -> str | None:
        node = self.mapping(target, "realistic", place)
        if node is None:
            return None
        place = join(place, "realistic")
        self.has_keys(node, place, shapes.Realistic)
        return self.read(node, "because", place, read.one_line, "") or None

    def plan(self, target: Node, place: str, period: Period | None) -> tuple[Step, ...]:
        node = target.get("plan")
        place = join(place, "plan")
        if node is None or node.value == [] or (node.is_null and not node.is_broken):
            written = target.get("period")
            if not (written and written.get("rolling")):
                expected = "expected plan: [{do: …, owner: …, due: …}]"
                self.tell(node or target.line, place, "A (acceptable): no plan of action", expected)
            return ()
        if not isinstance(node.value, list):
            if not node.is_broken:
                self.tell(node, place, f"is {node.kind}", "expected a list of steps (- do: …)")
            return ()
        return tuple(self.step(item, f"{place}[{i}]", period) for i, item in enumerate(node.value))

    def step(self, node: Node, place: str, period: Period | None) -> Step:
        if not self.has_keys(node, place, shapes.Step):
            return Step(do="", owner="")
        due = self.read(node, "due", place, read.day, None)
        if due and period and period.deadline and due > period.deadline:
            problem = f"due {due} is after the target's deadline {period.deadline}"
            self.tell(
                node.get("due") or node, join(place, "due"), problem, "expected an earlier day"
            )
        return Step(
            do=self.read(node, "do", place, read.one_line, ""),
            owner=self.read(node, "owner", place, read.email, ""),
            due=due,
            done=self.read(node, "done", place, read.day, None),
        )


_KEYS_OF: dict[str, tuple[str, ...]] = {
    "at_least": ("at_least",),
    "at_most": ("at_most",),
    "from_to": ("from", "to"),
    "between": ("between",),
    "maintain": ("maintain", "within"),
}
_KIND_OF = {key: kind for kind, keys in _KEYS_OF.items() for key in keys}


def _after(start: date, count: int, unit: str) -> date:
    try:
        end = read.add(start, count, unit)
    except (OverflowError, ValueError):
        end = date.max
    if end.year > read.LAST_YEAR + 1:
        raise Wrong("lasts too long", f"expected an end before {read.LAST_YEAR + 1}")
    return end


def _text_of(key: str, child: Node) -> Node:
    """A key as a node, so that it is read like a value."""
    return replace(child, value=key, text=key, line=child.key_line, is_broken=False)


def _as_slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "my-shop"


def _as_report(text: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:LONGEST_REPORT].strip("_")
    return plain if _REPORT.match(plain) else f"report_{plain}" if plain else "page_titles"


def _kebab(node: Node) -> str:
    text = read.scalar_text(node)
    if not _SLUG.match(text):
        raise Wrong(f"{quoted(text)} is not in kebab-case", f"expected {_as_slug(text)}")
    return text


def _event(node: Node) -> str:
    text = read.scalar_text(node)
    if not _EVENT.match(text):
        expected = "expected purchases or the name of a GA4 key event"
        raise Wrong(f"{quoted(text)} is not an event", expected)
    return text


def _no_dimension(name: str, kpi: Kpi) -> tuple[str, str]:
    nothing = f"{kpi.name} is one figure and cannot be filtered or split"
    return (
        f"no dimension {quoted(name)} in {kpi.name}",
        suggest(name, kpi.dimensions, "" if kpi.dimensions else nothing),
    )


# --- the folder -------------------------------------------------------------------------------


def read_config(
    config_dir: Path, catalogue: Mapping[str, Kpi], check_report: ReportCheck | None = None
) -> tuple[Settings | None, list[Finding]]:
    """Read all files. Settings is None when any finding is an error.

    With an empty catalogue nothing that depends on KPIs is checked.
    """
    root = config_dir.resolve().parent
    main = config_dir / "koers.yaml"
    findings: list[Finding] = []
    if not config_dir.is_dir():
        expected = "name it with --config, or run `koers init`"
        return None, [Finding(str(config_dir), 1, "folder", "does not exist", expected)]
    koers = KoersReader(str(main), root, check_report=check_report)
    values: Values = {}
    shared = Shared()
    if main.exists():
        values, shared = koers.koers(main)
    else:
        koers.tell(1, "file", "does not exist", "run `koers init` for one to start from")
    for name in sorted(shared.kpis.keys() & catalogue.keys()):
        problem = f"there is a KPI {name} already, of Koers itself"
        koers.tell(1, "sql", problem, "call your own otherwise")
    if catalogue:  # else nothing is checked against KPIs
        catalogue = {**shared.kpis, **catalogue}
    clients: list[Client | None] = []
    client_findings: list[Finding] = []
    used: set[str] = set()
    paths = _client_paths(config_dir, client_findings)
    for path in paths:
        reader = ClientReader(str(path), root, catalogue=catalogue, shared=shared)
        clients.append(reader.client(path))
        used.update(reader.sources)
        client_findings.extend(sorted(reader.findings, key=lambda finding: finding.line))
    if values:
        _check_credentials(koers, values, used)
    findings = sorted(koers.findings, key=lambda finding: finding.line) + client_findings
    if any(finding.severity == "error" for finding in findings):
        return None, findings
    settings = Settings(
        **values,
        config_dir=config_dir.resolve(),
        root=root,
        clients=tuple(client for client in clients if client is not None),
        warnings=tuple(findings),
    )
    return settings, findings


def _client_paths(config_dir: Path, findings: list[Finding]) -> list[Path]:
    folder = config_dir / "clients"
    try:
        found = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as e:
        problem = f"cannot be read ({e.strerror or e})"
        findings.append(Finding(str(folder), 1, "folder", problem, "check its permissions"))
        return []
    paths = []
    for path in found:
        if path.name.startswith("."):
            continue
        if path.stem in _OWN_PAGES and path.suffix == ".yaml":
            problem = f"a client called {path.stem} would write over a page of the reports"
            findings.append(Finding(str(path), 1, "file", problem, "call the file otherwise"))
        elif path.suffix == ".yaml":
            paths.append(path)
        elif path.suffix in (".yml", ".YAML", ".YML", ".json"):
            expected = f"rename it to {path.stem}.yaml"
            findings.append(Finding(str(path), 1, "file", "is not read", expected))
    if not paths:
        expected = "add clients/<slug>.yaml, or run `koers init` for one to start from"
        findings.append(Finding(str(folder), 1, "folder", "holds no client", expected))
    return paths


def _check_credentials(koers: KoersReader, values: Values, used: set[str]) -> None:
    """Say which sources that clients use have nothing to log in with."""
    for name in SOURCES:
        source: Source = values["sources"][name]
        if name not in used or koers.errors:
            continue
        has_oauth = all(getattr(source, key) is not None for key in _OAUTH)
        if not has_oauth and source.json_key_file_path is None:
            problem = "there is nothing to log in with"
            expected = f"expected {listed(_OAUTH).replace(' or ', ' and ')}, or json_key_file_path"
            koers.tell(koers.sources_line, f"sources.{name}", problem, expected, "warning")
