"""`koers connect google` against the sandbox's OAuth: what is asked, kept and written."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from connectors.base import AuthError
from connectors.google_oauth import OAuthClient, SignIn, read_client_secrets
from connectors.sandbox.faults import Fault
from connectors.sandbox.server import Ports, Sandbox
from flows.connecting import Asked, Connected, Talk, connect_google, read_choice
from flows.settings import ConfigError
from flows.starter import write_starter
from flows.yaml_loader import load_yaml

TODAY = date(2026, 11, 20)
ALL = {"google_ads": "all", "ga4": "all", "search_console": "all"}
TULP = {
    "google_ads": "333-333-3333",
    "ga4": "322222222",
    "search_console": "https://www.tulpenthee.example/",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox"), TODAY, ports=Ports.free()) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    yield running
    running.faults.clear()


class Browser(Talk):
    """Opens the address that it is told, as a user does; answers questions in order."""

    def __init__(self, answers: Sequence[str] | None = None) -> None:
        self.is_person = answers is not None
        self.answers = list(answers or ())
        self.told: list[str] = []
        self.questions: list[str] = []
        self.pages: list[str] = []
        self._opened: list[threading.Thread] = []

    def say(self, text: str) -> None:
        self.told.append(text)
        for line in text.splitlines():
            if line.startswith("http"):
                thread = threading.Thread(target=self._visit, args=(line,))
                thread.start()
                self._opened.append(thread)

    def _visit(self, address: str) -> None:
        self.pages.append(requests.get(address, timeout=20).text)

    def ask(self, question: str) -> str:
        self.questions.append(question)
        return self.answers.pop(0)

    def typed(self) -> str:
        return ""

    def close(self) -> None:
        for thread in self._opened:
            thread.join()


def new_config(sandbox: Sandbox, root: Path) -> Path:
    """What `koers init` writes, pointed at the sandbox as one would at a proxy."""
    told = sandbox.endpoints
    write_starter(root / "config", TODAY)
    koers = root / "config" / "koers.yaml"
    text = koers.read_text()
    mark = "  # GA4 and Search Console use the login of google_ads."
    assert text.count(mark) == 1
    koers.write_text(
        text.replace(
            mark,
            f'    endpoint: "{told["google_ads"]}"\n    ca_file: "{told["ca_file"]}"\n'
            f'  ga4: {{endpoint: "{told["ga4_grpc"]}", admin_endpoint: "{told["ga4_admin"]}"}}\n'
            f'  search_console: {{endpoint: "{told["search_console"]}"}}\n{mark}',
        )
    )
    return root / "config"


def connect(
    sandbox: Sandbox,
    config: Path,
    choices: dict[str, str] | None = None,
    browser: Browser | None = None,
    **more: object,
) -> Connected:
    browser = browser or Browser()
    secrets = Path(sandbox.endpoints["client_secrets_file"])
    values: dict[str, object] = {
        "client_secrets": secrets,
        "open_browser": False,
        "wait_seconds": 30.0,
        "choices": TULP if choices is None else choices,
        **more,
    }
    try:
        return connect_google(Asked(config, **values), browser, TODAY)  # type: ignore[arg-type]
    finally:
        browser.close()


def test_a_sign_in_writes_the_token_for_its_owner_alone(sandbox: Sandbox, tmp_path: Path) -> None:
    config = new_config(sandbox, tmp_path)
    browser = Browser()
    connected = connect(sandbox, config, browser=browser)
    kept = tmp_path / "secrets"

    assert (connected.signed_in, connected.exit_code) == ("new", 0)
    assert connected.kept_as == "file:secrets/google-refresh-token"
    held = sandbox.endpoints["credentials"]["refresh_token"]
    assert (kept / "google-refresh-token").read_text() == held
    assert {p.name: p.stat().st_mode & 0o777 for p in kept.iterdir() if p.name[0] != "."} == {
        "google-refresh-token": 0o600,
        "google-refresh-token.json": 0o600,
        "google-client-secret": 0o600,
    }
    assert kept.stat().st_mode & 0o777 == 0o700
    assert (kept / ".gitignore").read_text() == "*\n"
    assert "Signed in" in browser.pages[0]
    told = connected.in_words() + json.dumps(connected.as_dict()) + "".join(browser.told)
    assert held not in told
    assert sandbox.endpoints["credentials"]["client_secret"] not in told


def test_the_files_are_changed_on_the_lines_that_matter_alone(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    config = new_config(sandbox, tmp_path)
    before = (config / "koers.yaml").read_text(), (config / "clients/example.yaml").read_text()
    connect(sandbox, config)
    koers, client = (config / "koers.yaml").read_text(), (config / "clients/example.yaml")

    assert changes(before[0], koers) == [
        "-    client_id: env:GOOGLE_CLIENT_ID",
        "-    client_secret: env:GOOGLE_CLIENT_SECRET",
        "-    refresh_token: env:GOOGLE_REFRESH_TOKEN",
        "+    client_id: koers-sandbox.apps.example",
        "+    client_secret: file:secrets/google-client-secret",
        "+    refresh_token: file:secrets/google-refresh-token",
        f"+    token_uri: {sandbox.endpoints['token_uri']}",
        f"+    auth_uri: {sandbox.endpoints['auth_uri']}",
    ]
    assert changes(before[1], client.read_text()) == [
        "-    customer_ids: [123-456-7890]",
        "-  ga4: {property_ids: [123456789]}           # Admin › Property details",
        '-  search_console: {sites: ["sc-domain:example.nl"]}',
        "+    customer_ids: [333-333-3333]",
        "+    login_customer_id: 100-000-0001",
        "+  ga4: {property_ids: [322222222]}           # Admin › Property details",
        '+  search_console: {sites: ["https://www.tulpenthee.example/"]}',
    ]


def changes(before: str, after: str) -> list[str]:
    old, new = before.splitlines(), after.splitlines()
    gone = [f"-{line}" for line in old if line not in new]
    return gone + [f"+{line}" for line in new if line not in old]


def test_all_is_what_is_open_and_the_list_says_what_is_not(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    connected = connect(sandbox, new_config(sandbox, tmp_path), ALL)

    # 5555555555 is cancelled
    assert connected.chosen["google_ads"] == (
        "1111111111", "2222222222", "4444444444", "3333333333",
    )  # fmt: skip
    assert connected.chosen["ga4"] == ("311111111", "322222222")
    words = connected.in_words()
    assert "✓ 222-222-2222  Fietsgoed UK  GBP, Europe/London, under 100-000-0001" in words
    assert "· 555-555-5555  Fietsgoed (oud)" in words and "(closed)" in words
    assert "✓ sc-domain:fietsgoed.example  domain" in words


def test_a_login_that_works_is_kept(sandbox: Sandbox, tmp_path: Path) -> None:
    config = new_config(sandbox, tmp_path)
    connect(sandbox, config)
    browser = Browser()
    again = connect(
        sandbox, config, {"google_ads": "1111111111,222-222-2222"}, browser, client_secrets=None
    )

    assert (again.signed_in, browser.told) == ("kept", [])
    assert again.written == (config / "clients" / "example.yaml",)
    assert "customer_ids: [111-111-1111, 222-222-2222]" in again.diff
    assert "property_ids: [322222222]" in (config / "clients/example.yaml").read_text()


def test_a_login_that_google_refuses_is_replaced(sandbox: Sandbox, tmp_path: Path) -> None:
    config = new_config(sandbox, tmp_path)
    connect(sandbox, config)
    (tmp_path / "secrets" / "google-refresh-token").write_text("1//sandbox-revoked-token")
    (tmp_path / "secrets" / "google-refresh-token").chmod(0o644)
    browser = Browser()
    again = connect(sandbox, config, browser=browser, client_secrets=None)

    assert again.signed_in == "new"
    assert browser.told[0] == "Google refuses the credential (invalid_grant): signing in again"
    assert (tmp_path / "secrets" / "google-refresh-token").stat().st_mode & 0o777 == 0o600


def test_a_dry_run_shows_the_changes_and_writes_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    config = new_config(sandbox, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    connected = connect(sandbox, config, dry_run=True)

    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert "+    customer_ids: [333-333-3333]" in connected.diff
    assert "a dry run: nothing was written" in connected.in_words()


def test_a_new_client_gets_a_file_of_its_own(sandbox: Sandbox, tmp_path: Path) -> None:
    config = new_config(sandbox, tmp_path)
    connect(sandbox, config, {**TULP, "google_ads": "222-222-2222"}, client="fietsgoed-uk")
    document = load_yaml(config / "clients" / "fietsgoed-uk.yaml")

    assert document.root is not None and document.findings == ()
    assert document.root.plain() == {
        "name": "Fietsgoed UK",
        "timezone": "Europe/London",
        "currency": "GBP",
        "locale": "nl",
        "sources": {
            "google_ads": {
                "login_customer_id": "100-000-0001",
                "customer_ids": ["222-222-2222"],
            },
            "ga4": {"property_ids": [322222222]},
            "search_console": {"sites": ["https://www.tulpenthee.example/"]},
        },
        "targets": [],
    }


def test_a_person_is_asked_for_each_kind(sandbox: Sandbox, tmp_path: Path) -> None:
    browser = Browser(["1,5", "", "322222222", "none"])
    connected = connect(sandbox, new_config(sandbox, tmp_path), {}, browser)

    assert connected.chosen == {"google_ads": ("1111111111", "3333333333"), "ga4": ("322222222",)}
    assert "  5  333-333-3333  Tulp & Thee  EUR, Europe/Amsterdam" in browser.questions[0]
    # with several to choose from nothing is taken for granted
    assert browser.questions[1] == browser.questions[2]


def test_a_script_that_chooses_nothing_is_stopped_before_the_sign_in(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    browser = Browser()
    with pytest.raises(ConfigError, match="nobody is here to choose"):
        connect(sandbox, new_config(sandbox, tmp_path), {}, browser)
    assert browser.told == []


def test_an_account_that_the_login_does_not_see_is_named_with_a_near_one(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    config = new_config(sandbox, tmp_path)
    before = (config / "clients" / "example.yaml").read_text()
    with pytest.raises(ConfigError, match="did you mean 322222222") as told:
        connect(sandbox, config, {"ga4": "322222223"})
    browser = Browser()
    again = connect(sandbox, config, {"ga4": "322222222"}, browser, client_secrets=None)

    assert "--properties 322222223: the login sees no such one" in str(told.value)
    # the sign-in was kept, so that the second time needs none
    assert (again.signed_in, browser.told) == ("kept", [])
    assert (config / "clients" / "example.yaml").read_text() == before.replace(
        "123456789]", "322222222]"
    )


def test_a_consent_screen_in_testing_is_told_with_the_day_it_ends(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.faults.add(Fault("token_expired", "oauth", method="auth"))
    connected = connect(sandbox, new_config(sandbox, tmp_path))

    (note,) = connected.notes
    assert note.startswith("! this sign-in stops working on 2026-11-27: the consent screen is in")
    assert json.loads((tmp_path / "secrets" / "google-refresh-token.json").read_text()) == {
        "signed_in_on": "2026-11-20",
        "ends_on": "2026-11-27",
    }


def test_a_box_that_was_not_ticked_is_told(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.faults.add(
        Fault("refusal", "oauth", method="auth", detail="analytics.readonly webmasters.readonly")
    )
    connected = connect(sandbox, new_config(sandbox, tmp_path))

    assert "the box for Google Analytics and Search Console was not ticked" in connected.notes[0]


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("access_denied", "Test users"),
        ("admin_policy_enforced", "the Google Workspace administrator must allow"),
    ],
)
def test_a_user_who_does_not_allow_it_is_told_what_to_do(
    sandbox: Sandbox, tmp_path: Path, reason: str, hint: str
) -> None:
    sandbox.faults.add(Fault("permission", "oauth", method="auth", reason=reason))
    browser = Browser()
    with pytest.raises(AuthError, match="was not allowed to let Koers in") as told:
        connect(sandbox, new_config(sandbox, tmp_path), browser=browser)

    assert hint in told.value.hint
    assert not (tmp_path / "secrets").exists()
    assert "Not connected" in browser.pages[0]


def test_a_source_that_cannot_be_asked_leaves_the_others(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.faults.add(
        Fault("refusal", "ga4", method="ListAccountSummaries", status=403,
              reason="SERVICE_DISABLED", detail="Google Analytics Admin API has not been used")
    )  # fmt: skip
    connected = connect(sandbox, new_config(sandbox, tmp_path), {"google_ads": "3333333333"})

    assert connected.exit_code == 1
    assert connected.problems == (
        (
            "ga4",
            "the Google Analytics Admin API is not enabled in the Google Cloud project of this "
            "login; press Enable on the page below, in the project that holds the OAuth client; "
            "it takes a few minutes "
            "https://console.cloud.google.com/apis/library/analyticsadmin.googleapis.com",
        ),
    )
    assert connected.chosen == {"google_ads": ("3333333333",)}


def test_a_google_ads_yaml_is_taken_over(sandbox: Sandbox, tmp_path: Path) -> None:
    config = new_config(sandbox, tmp_path)
    koers = config / "koers.yaml"
    koers.write_text(
        koers.read_text().replace(
            "    endpoint:", f"    token_uri: {sandbox.endpoints['token_uri']}\n    endpoint:", 1
        )
    )
    login = sandbox.endpoints["credentials"]
    theirs = tmp_path / "google-ads.yaml"
    theirs.write_text(
        f"developer_token: {login['developer_token']}\nclient_id: {login['client_id']}\n"
        f"client_secret: {login['client_secret']}\nrefresh_token: {login['refresh_token']}\n"
        "login_customer_id: 1000000001\nuse_proto_plus: True\n"
    )
    connected = connect(sandbox, config, client_secrets=None, google_ads_yaml=theirs)
    text = koers.read_text()

    assert connected.signed_in == "taken_over"
    assert "    developer_token: file:secrets/google-ads-developer-token\n" in text
    assert "    login_customer_id: 100-000-0001\n" in text
    assert (tmp_path / "secrets" / "google-refresh-token").stat().st_mode & 0o777 == 0o600
    # the manager of koers.yaml is the client's already
    assert "login_customer_id: 100" not in (config / "clients" / "example.yaml").read_text()


def test_a_service_account_lists_what_it_sees_without_a_browser(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    config = new_config(sandbox, tmp_path)
    koers = config / "koers.yaml"
    key = sandbox.endpoints["credentials"]["json_key_file_path"]
    lines = koers.read_text().splitlines(keepends=True)
    kept = [line for line in lines if ": env:GOOGLE" not in line]
    place = kept.index("  google_ads:\n")
    koers.write_text("".join([*kept[: place + 1], f'    json_key_file_path: "{key}"\n',
                              *kept[place + 1 :]]))  # fmt: skip
    browser = Browser()
    connected = connect(sandbox, config, browser=browser, client_secrets=None)

    assert (connected.signed_in, connected.exit_code, browser.told) == ("service_account", 0, [])
    assert connected.chosen["ga4"] == ("322222222",)


def test_the_keyring_keeps_the_token_when_asked(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, str] = {}
    monkeypatch.setattr(
        "flows.connecting.to_keyring", lambda name, value: kept.update({name: value})
    )
    config = new_config(sandbox, tmp_path)
    connect(sandbox, config, keyring=True)

    assert kept == {"google-refresh-token": sandbox.endpoints["credentials"]["refresh_token"]}
    assert "refresh_token: keyring:google-refresh-token" in (config / "koers.yaml").read_text()
    assert not (tmp_path / "secrets" / "google-refresh-token").exists()


def test_a_result_that_would_be_wrong_is_taken_back(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = new_config(sandbox, tmp_path)
    client = config / "clients" / "example.yaml"
    before = client.read_text()
    monkeypatch.setattr("flows.connecting.dashed", lambda one: f"{one}0")
    with pytest.raises(ConfigError, match="put back as they were") as told:
        connect(sandbox, config)

    assert "is not a Google Ads customer id" in str(told.value)
    assert client.read_text() == before


# --- the sign-in itself -----------------------------------------------------------------------


def client_of(sandbox: Sandbox) -> OAuthClient:
    return read_client_secrets(Path(sandbox.endpoints["client_secrets_file"]))


def test_what_comes_back_without_the_state_is_not_listened_to(sandbox: Sandbox) -> None:
    with SignIn(client_of(sandbox)) as sign_in:
        state = parse_qs(urlsplit(sign_in.address).query)["state"][0]
        forged = requests.get(f"{sign_in.redirect_uri}?code=4/x&state=other", timeout=10)
        favicon = requests.get(f"{sign_in.redirect_uri}favicon.ico", timeout=10)
        was_answered = sign_in.is_answered(0)
        honest = requests.get(f"{sign_in.redirect_uri}?code=4/x&state={state}", timeout=10)

        assert (forged.status_code, favicon.status_code, was_answered) == (404, 404, False)
        assert (honest.status_code, sign_in.is_answered(0)) == (200, True)
        assert "default-src 'none'" in honest.headers["Content-Security-Policy"]
        with pytest.raises(AuthError, match="does not give a token"):
            sign_in.finish()  # 4/x is no code


def test_the_address_asks_for_reading_with_pkce_and_for_a_token_that_lasts(
    sandbox: Sandbox,
) -> None:
    with SignIn(client_of(sandbox)) as one, SignIn(client_of(sandbox)) as other:
        asked = {k: v[0] for k, v in parse_qs(urlsplit(one.address).query).items()}
        again = {k: v[0] for k, v in parse_qs(urlsplit(other.address).query).items()}

    assert asked["scope"].split() == [
        "https://www.googleapis.com/auth/adwords",
        "https://www.googleapis.com/auth/analytics.readonly",
        "https://www.googleapis.com/auth/webmasters.readonly",
    ]
    wanted = ("code_challenge_method", "access_type", "prompt")
    assert [asked[k] for k in wanted] == ["S256", "offline", "consent"]
    assert asked["redirect_uri"].startswith("http://127.0.0.1:")
    assert asked["state"] != again["state"]
    assert asked["code_challenge"] != again["code_challenge"]


def test_an_address_that_is_pasted_will_do(sandbox: Sandbox) -> None:
    with SignIn(client_of(sandbox)) as sign_in:
        back = requests.get(sign_in.address, allow_redirects=False, timeout=10).headers["Location"]

        assert not sign_in.take("https://example.nl/")
        assert sign_in.take(f"  {back}\n")
        assert sign_in.finish().not_allowed == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "is not the JSON file of an OAuth client"),
        ("not json GOCSPX-secret", "is not the JSON file of an OAuth client"),
        ('{"web": {"client_id": "a", "client_secret": "b"}}', "is of an OAuth client for a web"),
    ],
)
def test_a_file_that_is_no_desktop_client_is_told(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "client.json"
    path.write_text(text)
    with pytest.raises(AuthError, match=said) as told:
        read_client_secrets(path)
    assert "GOCSPX" not in str(told.value)


def test_googles_own_file_leads_to_googles_own_page(tmp_path: Path) -> None:
    path = tmp_path / "client.json"
    path.write_text(
        json.dumps(
            {
                "installed": {
                    "client_id": "1.apps.googleusercontent.com",
                    "client_secret": "s",
                    "auth_uri": "https://accounts.google.com/o/oauth2/auth",
                    "token_uri": "https://oauth2.googleapis.com/token",
                }
            }
        )
    )
    client = read_client_secrets(path)

    assert client.auth_uri == "https://accounts.google.com/o/oauth2/v2/auth"
    assert client.token_uri == "https://oauth2.googleapis.com/token"


def test_nothing_chosen_is_nothing() -> None:
    assert read_choice("none", [], "--accounts") == ()
    with pytest.raises(ConfigError, match="there are: none"):
        read_choice("1", [], "--accounts")
