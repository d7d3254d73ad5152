"""`koers connect google`: sign in, see what is there, write it into the configuration.

Files that people keep are changed where they must be and nowhere else
(`flows.yaml_edits`), and put back as they were when the result does not validate.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import select
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from connectors.base import AuthError, Connection, SourceError
from connectors.google_credentials import GOOGLE_TOKEN_URI, make_credentials, refresh_first
from connectors.google_oauth import (
    GOOGLE_AUTH_URI,
    OAuthClient,
    SignedIn,
    SignIn,
    read_client_secrets,
)
from connectors.google_visible import AdsAccount, Property, ads_accounts, properties, sites
from flows.advice import CLIENTS_PAGE, About, advise, dashed
from flows.kpis import load_kpis, sql_dir
from flows.secret_stores import SecretStoreError, to_keyring
from flows.settings import (
    ClientSource,
    ConfigError,
    SecretRef,
    Settings,
    Source,
    find_config,
    load_settings,
    validate,
)
from flows.yaml_edits import EditError, remove_key, set_list, set_value
from flows.yaml_loader import load_yaml

TOKEN_NAME = "google-refresh-token"  # noqa: S105 - the name of a file
_SECRET_NAME = "google-client-secret"  # noqa: S105 - likewise
SOURCES = ("google_ads", "ga4", "search_console")
_KEYS = {"google_ads": "customer_ids", "ga4": "property_ids", "search_console": "sites"}
_OPTIONS = {"google_ads": "--accounts", "ga4": "--properties", "search_console": "--sites"}
_TITLES = {
    "google_ads": "Google Ads accounts",
    "ga4": "GA4 properties",
    "search_console": "Search Console properties",
}
WAIT_SECONDS = 300.0


@dataclass(frozen=True)
class Asked:
    """What `koers connect google` was asked for; None of a choice: nothing was said."""

    config: Path
    client: str | None = None
    client_secrets: Path | None = None
    google_ads_yaml: Path | None = None
    choices: dict[str, str] = field(default_factory=dict)  # source -> all, none or ids
    sign_in: bool = False
    keyring: bool = False
    list_only: bool = False
    dry_run: bool = False
    open_browser: bool = True
    port: int = 0
    wait_seconds: float = WAIT_SECONDS


@dataclass(frozen=True)
class Seen:
    """One thing that the login can open: an ad account, a property or a site."""

    source: str
    id: str
    name: str
    about: str  # in a few words
    through: tuple[str | None, ...] = (None,)
    is_open: bool = True  # False: closed or refused
    time_zone: str | None = None
    currency_code: str | None = None

    @property
    def shown(self) -> str:
        return dashed(self.id) if self.source == "google_ads" else self.id

    @property
    def row(self) -> str:
        return "  ".join(part for part in (self.shown, self.name, self.about) if part)


@dataclass(frozen=True)
class Connected:
    """What was done. ``signed_in`` is new, kept or service_account; ``kept_as`` the reference."""

    signed_in: str
    kept_as: str
    seen: tuple[Seen, ...]
    problems: tuple[tuple[str, str], ...]  # source, and what is wrong with the way out
    client: str
    chosen: dict[str, tuple[str, ...]]
    written: tuple[Path, ...]
    diff: str
    notes: tuple[str, ...]
    is_dry: bool = False
    next: str = ""

    @property
    def exit_code(self) -> int:
        """1 when a source could not be asked and another could, 3 when none could."""
        failed = {source for source, _ in self.problems}
        return 0 if not failed else 3 if failed >= set(SOURCES) else 1

    def as_dict(self) -> dict[str, Any]:
        return {
            "signed_in": self.signed_in,
            "refresh_token": self.kept_as,
            "seen": [
                {"source": one.source, "id": one.id, "name": one.name, "open": one.is_open,
                 "managers": [way for way in one.through if way], "time_zone": one.time_zone,
                 "currency_code": one.currency_code}
                for one in self.seen
            ],
            "problems": [{"source": source, "told": told} for source, told in self.problems],
            "client": self.client,
            "chosen": {source: list(ids) for source, ids in self.chosen.items()},
            "written": [str(path) for path in self.written],
            "dry_run": self.is_dry,
            "diff": self.diff,
            "notes": list(self.notes),
        }  # fmt: skip

    def in_words(self) -> str:
        lines = []
        for source in SOURCES:
            told = [one for one in self.seen if one.source == source]
            problem = next((what for of, what in self.problems if of == source), "")
            lines.append(f"{_TITLES[source]}: {problem or len(told)}")
            lines += [
                f"  {'✓' if one.id in self.chosen.get(source, ()) else '·'} {one.row}"
                for one in told
            ]
        lines += ["", *self.notes] if self.notes else []
        if self.diff:
            lines += ["", self.diff.rstrip("\n")]
        if self.is_dry:
            lines += ["", "a dry run: nothing was written"]
        elif self.written:
            lines += ["", *(f"wrote {path}" for path in self.written)]
        if self.next:
            lines.append(self.next)
        return "\n".join(lines)


class Talk:
    """How the user is spoken to; a script is told everything by options instead."""

    def __init__(self) -> None:
        self.is_person = sys.stdin.isatty() and sys.stderr.isatty()

    def say(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def ask(self, question: str) -> str:
        self.say(question)
        try:
            return input("> ").strip()
        except EOFError:
            return ""

    def typed(self) -> str:
        """A line that was typed by now, without waiting for one."""
        if not self.is_person or not select.select([sys.stdin], [], [], 0)[0]:
            return ""
        return sys.stdin.readline().strip()


def connect_google(asked: Asked, talk: Talk | None = None, today: date | None = None) -> Connected:
    """Sign in where there is no login that works, list what it sees and write what is chosen.

    Raises ConfigError for a wrong use or configuration, a SourceError when
    Google lets nobody in.
    """
    talk = talk or Talk()
    today = today or datetime.now(UTC).date()
    work = _Work(asked, talk, today)
    work.require_choices()
    work.how = (login := work.login()).how
    # a sign-in is kept whatever comes of the rest, so that nobody has to do it twice
    written, diff = work.write({})
    seen, problems = work.look(login)
    work.seen = seen
    chosen: dict[str, tuple[str, ...]] = {}
    if seen and not asked.list_only:
        chosen = work.choose(seen)
    more, changed = work.write(chosen)
    return work.told(seen, problems, chosen, (*written, *more), diff + changed)


@dataclass(frozen=True)
class _Login:
    """What to reach Google with: changes to every source of koers.yaml."""

    how: str
    values: dict[str, Any] = field(default_factory=dict)


class _Work:
    def __init__(self, asked: Asked, talk: Talk, today: date) -> None:
        self.asked, self.talk, self.today = asked, talk, today
        self.config = find_config(asked.config)
        if not (self.config / "koers.yaml").exists():
            raise ConfigError(
                f"there is no koers.yaml in {self.config}; `koers init {asked.config}` writes one"
            )
        self.settings: Settings = load_settings(self.config, load_kpis(sql_dir()))
        self.koers = self.config / "koers.yaml"
        self.secrets = self.settings.root / "secrets"
        self.notes: list[str] = []
        self.kept_as = ""
        # what is to be written: secrets first, then koers.yaml, then the client
        self.to_keep: list[tuple[Path, str]] = []
        self.to_keyring: SecretStr | None = None
        self.texts: dict[Path, str] = {}
        self.client = self._client()
        self.how = ""
        google_ads = self.settings.sources.get("google_ads") or Source()
        self.shared_login = google_ads.login_customer_id  # that of koers.yaml
        self.seen: tuple[Seen, ...] = ()

    # --- which client -------------------------------------------------------------------------

    def _client(self) -> str:
        known = [client.slug for client in self.settings.clients]
        if self.asked.client:
            if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.asked.client):
                raise ConfigError(
                    f"--client {self.asked.client}: expected lower-case letters, digits, dashes"
                )
            return self.asked.client
        if self.asked.list_only:
            return ""
        if len(known) == 1:
            return known[0]
        raise ConfigError(
            "say with --client whose accounts these are: "
            f"{', '.join(known)}{' or a new name' if known else 'a name for the first one'}"
        )

    def require_choices(self) -> None:
        """A script says what it wants before a browser is opened."""
        if self.talk.is_person or self.asked.choices or self.asked.list_only:
            return
        raise ConfigError(
            "nobody is here to choose: say which with --accounts, --properties and --sites "
            "(ids with commas, all or none), or --all; --list only shows what there is"
        )

    # --- signing in ---------------------------------------------------------------------------

    def login(self) -> _Login:
        """Use the login that works, take over one, or sign in."""
        configured = self.settings.sources.get("google_ads") or Source()
        if self.asked.google_ads_yaml is not None:
            return self._taken_over(self.asked.google_ads_yaml)
        if configured.json_key_file_path is not None:
            if self.asked.sign_in or self.asked.client_secrets:
                raise ConfigError(
                    f"{self.koers} has json_key_file_path under sources.google_ads; take it out "
                    "first, or leave --sign-in and --client-secrets out"
                )
            return _Login("service_account")
        client = self._oauth_client(configured)
        if not self.asked.sign_in and self.asked.client_secrets is None:
            try:
                connection = Connection(**configured.connection())
                refresh_first(make_credentials(connection, ()))
            except ConfigError:
                pass  # the refresh token is not there yet
            except AuthError as error:
                self.talk.say(f"{error.message} ({error.reason}): signing in again")
            else:
                self.kept_as = str(configured.refresh_token or "")
                return _Login("kept")
        return self._sign_in(client, configured)

    def _oauth_client(self, configured: Source) -> OAuthClient:
        if self.asked.client_secrets is not None:
            return read_client_secrets(self.asked.client_secrets)
        how = (
            "an OAuth client is needed once: make one of type Desktop app at "
            f"{CLIENTS_PAGE}, download its JSON file and run "
            "`koers connect google --client-secrets FILE`"
        )
        if configured.client_id is None or configured.client_secret is None:
            raise ConfigError(f"{self.koers} has no client_id and client_secret; {how}")
        try:
            client_id = configured.client_id
            if isinstance(client_id, SecretRef):
                client_id = client_id.get_secret_value()
            secret = configured.client_secret.resolve()
        except ConfigError as error:
            raise ConfigError(f"{error}\n{how}") from None
        return OAuthClient(
            client_id,
            secret,
            configured.auth_uri or GOOGLE_AUTH_URI,
            configured.token_uri or GOOGLE_TOKEN_URI,
        )

    def _sign_in(self, client: OAuthClient, configured: Source) -> _Login:
        with SignIn(client, ca_file=configured.ca_file, port=self.asked.port) as sign_in:
            opened = self.asked.open_browser and self._open(sign_in.address)
            self.talk.say(
                ("A browser opens to sign in at Google; if it does not, open this address:"
                 if opened else "Open this address in a browser and sign in at Google:")
                + f"\n\n{sign_in.address}\n"
            )  # fmt: skip
            if not opened:
                port = sign_in.redirect_uri.rsplit(":", 1)[1].strip("/")
                self.talk.say(
                    f"With the browser on another machine: ssh -L {port}:127.0.0.1:{port} first, "
                    "or paste here the address at which it ends up (it begins with "
                    f"{sign_in.redirect_uri})."
                )
            self._await(sign_in)
            signed_in = sign_in.finish()
        self._keep_login(client, signed_in)
        return _Login(
            "new",
            {
                "client_id": client.client_id,
                "client_secret": client.client_secret,
                "refresh_token": signed_in.refresh_token,
                **({} if client.token_uri == GOOGLE_TOKEN_URI else {"token_uri": client.token_uri}),
            },
        )

    def _open(self, address: str) -> bool:
        # a terminal browser would take the terminal away from us
        if sys.platform.startswith("linux") and not (
            os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        ):
            return False
        try:
            return webbrowser.open(address)
        except (webbrowser.Error, OSError):
            return False

    def _await(self, sign_in: SignIn) -> None:
        until = datetime.now(UTC) + timedelta(seconds=self.asked.wait_seconds)
        while not sign_in.is_answered(0.2):
            pasted = self.talk.typed()
            if pasted and not sign_in.take(pasted):
                self.talk.say("that is not the address of this sign-in")
            if datetime.now(UTC) >= until:
                raise AuthError(
                    f"nobody signed in within {self.asked.wait_seconds:.0f} seconds",
                    reason="no_answer",
                    hint="if Google's page said redirect_uri_mismatch or invalid_client: the OAuth "
                    f"client must be of type Desktop app, see {CLIENTS_PAGE}",
                )

    def _keep_login(self, client: OAuthClient, signed_in: SignedIn) -> None:
        """Note where the token goes and what koers.yaml has to say of it."""
        if signed_in.not_allowed:
            missing = " and ".join(signed_in.not_allowed)
            self.notes.append(
                f"! the box for {missing} was not ticked, so it cannot be read; run "
                "`koers connect google --sign-in` to tick it"
            )
        ends_on = None
        if signed_in.lives_days is not None:
            ends_on = self.today + timedelta(days=round(signed_in.lives_days))
        if signed_in.is_testing:
            self.notes.append(
                f"! this sign-in stops working on {ends_on}: the consent screen is in Testing, "
                "which gives it 7 days. Press Publish app at "
                "https://console.cloud.google.com/auth/audience and sign in again."
            )
        elif signed_in.lives_days is None:
            self.notes.append(
                "A consent screen that is in Testing gives sign-ins that end after 7 days; see "
                "https://console.cloud.google.com/auth/audience"
            )
        if self.asked.keyring:
            self.to_keyring, self.kept_as = signed_in.refresh_token, f"keyring:{TOKEN_NAME}"
        else:
            self.kept_as = f"file:{self._shown(self.secrets / TOKEN_NAME)}"
            self.to_keep.append(
                (self.secrets / TOKEN_NAME, signed_in.refresh_token.get_secret_value())
            )
        about = {"signed_in_on": str(self.today), "ends_on": str(ends_on) if ends_on else None}
        self.to_keep.append((self.secrets / f"{TOKEN_NAME}.json", json.dumps(about)))
        text = self._text(self.koers)
        place = ("sources", "google_ads")
        if self.asked.client_secrets is not None:
            secret = self.secrets / _SECRET_NAME
            self.to_keep.append((secret, client.client_secret.get_secret_value()))
            text = set_value(text, (*place, "client_id"), client.client_id)
            text = set_value(text, (*place, "client_secret"), f"file:{self._shown(secret)}")
            if client.token_uri != GOOGLE_TOKEN_URI:
                text = set_value(text, (*place, "token_uri"), client.token_uri)
            if client.auth_uri != GOOGLE_AUTH_URI:
                text = set_value(text, (*place, "auth_uri"), client.auth_uri)
        self.texts[self.koers] = set_value(text, (*place, "refresh_token"), self.kept_as)

    def _taken_over(self, path: Path) -> _Login:
        """The keys of a google-ads.yaml, which other tools use."""
        document = load_yaml(path, str(path))
        if document.root is None or not isinstance(document.root.value, dict):
            raise (
                ConfigError(f"{path} cannot be read", findings=document.findings)
                if document.findings
                else ConfigError(f"{path}: expected key: value lines")
            )
        told = {
            key: node.text for key, node in document.root.value.items() if node.text and not (
                node.is_null
            )
        }  # fmt: skip
        place, text = ("sources", "google_ads"), self._text(self.koers)
        values: dict[str, Any] = {}
        if key_file := told.get("json_key_file_path"):
            full = (path.parent / key_file).resolve()
            values["json_key_file_path"] = full
            text = set_value(text, (*place, "json_key_file_path"), _quoted(str(full)))
            for key in ("client_id", "client_secret", "refresh_token"):
                text = remove_key(text, (*place, key))
            self.kept_as = f"json_key_file_path: {full}"
        else:
            missing = [k for k in ("client_id", "client_secret", "refresh_token") if k not in told]
            if missing:
                raise ConfigError(f"{path} has no {', '.join(missing)}")
            for key, name in (("client_secret", _SECRET_NAME), ("refresh_token", TOKEN_NAME)):
                values[key] = SecretStr(told[key])
                self.to_keep.append((self.secrets / name, told[key]))
                where = f"file:{self._shown(self.secrets / name)}"
                text = set_value(text, (*place, key), where)
            values["client_id"] = told["client_id"]
            text = set_value(text, (*place, "client_id"), told["client_id"])
            text = remove_key(text, (*place, "json_key_file_path"))
            self.kept_as = f"file:{self._shown(self.secrets / TOKEN_NAME)}"
        if token := told.get("developer_token"):
            name = "google-ads-developer-token"
            self.to_keep.append((self.secrets / name, token))
            values["developer_token"] = SecretStr(token)
            where = f"file:{self._shown(self.secrets / name)}"
            text = set_value(text, (*place, "developer_token"), where)
        if login := told.get("login_customer_id"):
            values["login_customer_id"] = self.shared_login = re.sub(r"\D", "", login)
            text = set_value(text, (*place, "login_customer_id"), dashed(re.sub(r"\D", "", login)))
        self.texts[self.koers] = text
        return _Login("taken_over", values)

    # --- looking round ------------------------------------------------------------------------

    def look(self, login: _Login) -> tuple[tuple[Seen, ...], tuple[tuple[str, str], ...]]:
        """Everything that the login can open, and the sources that could not be asked."""
        seen: list[Seen] = []
        problems: list[tuple[str, str]] = []
        ways: dict[str, Callable[[Connection], list[Seen]]] = {
            "google_ads": self._ads,
            "ga4": self._properties,
            "search_console": self._sites,
        }
        for source, way in ways.items():
            configured = self.settings.sources.get(source) or Source()
            values = login.values
            if source != "google_ads" and "json_key_file_path" in configured.model_fields_set:
                first = self.settings.sources.get("google_ads") or Source()
                if configured.json_key_file_path != first.json_key_file_path:
                    values = {}  # it has a login of its own
            if "json_key_file_path" in values:
                configured = configured.model_copy(
                    update=dict.fromkeys(("client_id", "client_secret", "refresh_token"))
                )
            elif "refresh_token" in values:
                configured = configured.model_copy(update={"json_key_file_path": None})
            configured = configured.model_copy(update=values)
            try:
                connection = Connection(**configured.connection())
                seen += way(connection)
            except SourceError as error:
                about = About(source, koers=str(self.koers), today=self.today,
                              is_service_account=login.how == "service_account")  # fmt: skip
                told = advise(error, about)
                problems.append((source, f"{told.cause}; {told.step} {told.link}".rstrip()))
        return tuple(seen), tuple(problems)

    def _ads(self, connection: Connection) -> list[Seen]:
        found, problems = ads_accounts(connection)
        for problem in problems:
            self.notes.append(f"! {problem}")
        return [self._ad_account(one) for one in found]

    def _ad_account(self, one: AdsAccount) -> Seen:
        account = one.account
        is_open = account.status == "enabled"
        managers = [dashed(way) for way in one.through if way]
        words = [word for word in (account.currency_code, account.time_zone) if word]
        words += [f"under {' and '.join(managers)}"] if managers else []
        words += [] if is_open else ["(closed)" if account.status == "not_enabled" else "(refuses)"]
        return Seen("google_ads", account.account_id, account.name, ", ".join(words), one.through,
                    is_open, account.time_zone, account.currency_code)  # fmt: skip

    def _properties(self, connection: Connection) -> list[Seen]:
        return [self._property(one) for one in properties(connection)]

    def _property(self, one: Property) -> Seen:
        return Seen("ga4", one.property_id, one.name, f"of {one.account_name}")

    def _sites(self, connection: Connection) -> list[Seen]:
        return [
            Seen("search_console", one.account_id, "",
                 "domain" if one.account_id.startswith("sc-domain:") else "URL prefix")
            for one in sites(connection)
        ]  # fmt: skip

    # --- choosing -----------------------------------------------------------------------------

    def choose(self, seen: Sequence[Seen]) -> dict[str, tuple[str, ...]]:
        """Which of what is there is the client's; a source that is not named stays as it is."""
        chosen: dict[str, tuple[str, ...]] = {}
        for source in SOURCES:
            there = [one for one in seen if one.source == source]
            said = self.asked.choices.get(source)
            if said is not None:
                chosen[source] = read_choice(said, there, _OPTIONS[source])
            elif there and self.talk.is_person and not self.asked.choices:
                chosen[source] = self._asked_for(source, there)
        return {source: ids for source, ids in chosen.items() if ids}

    def _asked_for(self, source: str, there: Sequence[Seen]) -> tuple[str, ...]:
        rows = [f"  {i}  {one.row}" for i, one in enumerate(there, 1)]
        default = "all" if len(there) == 1 else ""
        question = "\n".join(
            [f"{_TITLES[source]}:", *rows,
             f"Which belong to {self.client}? Numbers or ids with commas, all or none"
             + (f" [{default}]" if default else "")]
        )  # fmt: skip
        while True:
            said = self.talk.ask(question) or default
            if not said:
                continue
            numbers = {str(i): one.id for i, one in enumerate(there, 1)}
            said = ",".join(numbers.get(part.strip(), part) for part in said.split(","))
            try:
                return read_choice(said, there, "")
            except ConfigError as wrong:
                question = str(wrong)

    # --- writing ------------------------------------------------------------------------------

    def write(self, chosen: dict[str, tuple[str, ...]]) -> tuple[tuple[Path, ...], str]:
        """Put everything where it belongs; returns the files and what changed in those of people.

        Raises ConfigError, with the files as they were, when the result does not validate.
        """
        self._edit_client(chosen)
        before = {path: path.read_bytes() if path.exists() else None for path in self.texts}
        changed = {
            path: text
            for path, text in self.texts.items()
            if before[path] is None or _decoded(before[path] or b"") != text
        }
        diff = "".join(
            _diff(self._shown(path), _decoded(before[path] or b""), text)
            for path, text in changed.items()
        )
        keep, self.to_keep, self.texts = self.to_keep, [], {}
        if self.asked.dry_run:
            return (), diff
        written = [path for path, _ in keep]
        if keep:
            self.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
            ignored = self.secrets / ".gitignore"
            if not ignored.exists():
                ignored.write_text("*\n", encoding="utf-8")  # never into version control
        for path, secret in keep:
            write_whole(path, secret.encode(), 0o600)
        if self.to_keyring is not None:
            try:
                to_keyring(TOKEN_NAME, self.to_keyring.get_secret_value())
            except SecretStoreError as error:
                raise ConfigError(str(error)) from None
            self.to_keyring = None
        was_right = {str(f) for f in validate(self.config) if f.severity == "error"}
        for path, text in changed.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            mark = b"\xef\xbb\xbf" if (before[path] or b"").startswith(b"\xef\xbb\xbf") else b""
            write_whole(path, mark + text.encode(), None)
        wrong = [
            f for f in validate(self.config) if f.severity == "error" and str(f) not in was_right
        ]
        if wrong:
            for path in changed:
                earlier = before[path]
                if earlier is None:
                    path.unlink()
                else:
                    write_whole(path, earlier, None)
            raise ConfigError(
                "the files were put back as they were, because the result would be wrong:\n"
                + "\n".join(str(finding) for finding in wrong)
            )
        written += list(changed)
        return tuple(written), diff

    def _edit_client(self, chosen: dict[str, tuple[str, ...]]) -> None:
        if not chosen:
            return
        path = self.config / "clients" / f"{self.client}.yaml"
        seen = {(one.source, one.id): one for one in self.seen}
        there = path.exists()
        first = next(
            (one for s, ids in chosen.items() for i in ids if (one := seen[s, i]).time_zone), None
        )
        text = self._text(path) if there else new_client(self.client, first)
        try:
            for source, ids in chosen.items():
                text = self._with_accounts(text, source, ids, there)
        except EditError as error:
            raise ConfigError(f"{path} cannot be changed: {error}; write it by hand") from None
        if not there:
            text += "\ntargets: []   # `koers init` in an empty folder shows examples\n"
        self.texts[path] = text

    def _with_accounts(self, text: str, source: str, ids: tuple[str, ...], there: bool) -> str:
        place = ("sources", source)
        told = next((c for c in self.settings.clients if c.slug == self.client), None)
        own = (told.sources.get(source) if told and there else None) or ClientSource()
        if source != "google_ads":
            items = [_quoted(one) if source == "search_console" else one for one in ids]
            return set_list(text, (*place, _KEYS[source]), items,
                            lambda one: one.removeprefix("properties/"))  # fmt: skip
        through = [set(one.through) for one in self.seen if one.source == source and one.id in ids]
        common = set.intersection(*through)
        shared = self.shared_login
        if not common:
            ways = "; ".join(
                f"{one.shown} through "
                + ", ".join(dashed(way) if way else "itself" for way in one.through)
                for one in self.seen
                if one.source == source and one.id in ids
            )
            raise ConfigError(
                "these accounts cannot be opened through one manager, and a client has one "
                f"login_customer_id: make two clients of them ({ways})"
            )
        preferred = [own.login_customer_id, shared, None, *sorted(one for one in common if one)]
        login = next(one for one in preferred if one in common)
        is_all = set(ids) == {o.id for o in self.seen if o.source == source and o.is_open}
        if own.discover and is_all and login == own.login_customer_id:
            return text
        text = remove_key(text, (*place, "discover"))
        if login is None and shared is not None:
            login = ids[0]  # an account opens itself; the shared manager would be asked otherwise
        if login is not None and login != (own.login_customer_id or shared):
            text = set_value(text, (*place, "login_customer_id"), dashed(login))
        elif login is None and own.login_customer_id is not None:
            text = remove_key(text, (*place, "login_customer_id"))
        items = [dashed(one) for one in ids]
        return set_list(text, (*place, _KEYS[source]), items, lambda one: re.sub(r"\D", "", one))

    def told(
        self,
        seen: tuple[Seen, ...],
        problems: tuple[tuple[str, str], ...],
        chosen: dict[str, tuple[str, ...]],
        written: tuple[Path, ...],
        diff: str,
    ) -> Connected:
        how = self.how
        next_ = f"next: koers check --config {self.asked.config}" if written else ""
        return Connected(how, self.kept_as, seen, problems, self.client, chosen, written, diff,
                         tuple(self.notes), self.asked.dry_run, next_)  # fmt: skip

    # --- texts --------------------------------------------------------------------------------

    def _text(self, path: Path) -> str:
        return self.texts.get(path) or _decoded(path.read_bytes())

    def _shown(self, path: Path) -> str:
        try:
            return path.relative_to(self.settings.root).as_posix()
        except ValueError:
            return str(path)


def read_choice(said: str, there: Sequence[Seen], option: str) -> tuple[str, ...]:
    """The ids that ``said`` names: all (that are open), none, or ids with commas.

    Raises ConfigError for one that the login does not see.
    """
    word = said.strip().lower()
    if word == "all":
        return tuple(one.id for one in there if one.is_open)
    if word in ("none", ""):
        return ()
    found: list[str] = []
    for part in said.split(","):
        wanted = part.strip().removeprefix("properties/")
        plain = re.sub(r"\D", "", wanted) if re.fullmatch(r"[\d -]+", wanted) else wanted
        known = {one.id: one for one in there}
        if plain not in known:
            near = difflib.get_close_matches(plain, list(known), 1, 0.7)
            meant = f"did you mean {near[0]}?" if near else (
                f"there are: {', '.join(one.shown for one in there) or 'none'}"
            )  # fmt: skip
            raise ConfigError(f"{option} {wanted}: the login sees no such one; {meant}".strip())
        if plain not in found:
            found.append(plain)
    return tuple(found)


def new_client(slug: str, first: Seen | None) -> str:
    """The beginning of a client's file: everything but its accounts and targets."""
    lines = [
        "# yaml-language-server: $schema=../client.schema.json",
        f"name: {_quoted(first.name) if first and first.name else slug}",
        f"timezone: {first.time_zone if first and first.time_zone else 'Europe/Amsterdam'}",
        f"currency: {first.currency_code if first and first.currency_code else 'EUR'}",
        "locale: nl",
    ]
    return "\n".join(lines) + "\n"


def write_whole(path: Path, data: bytes, mode: int | None) -> None:
    """Replace a file at once, or make it; ``mode`` None keeps the one it has."""
    path = path.resolve()  # a link stays a link
    if mode is None:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def _decoded(data: bytes) -> str:
    return data.decode("utf-8-sig")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _diff(name: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"a/{name}", f"b/{name}", lineterm="", n=1
    )
    return "".join(f"{line}\n" for line in lines)
