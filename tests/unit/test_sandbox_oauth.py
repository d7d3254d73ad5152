from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from google.auth import crypt, jwt

from connectors.sandbox import tokens as oauth
from connectors.sandbox.certificate import ensure_certificate
from connectors.sandbox.tokens import ConsentError, Tokens, load_service_key

TOKEN_URI = "http://127.0.0.1:8471/token"


def refresh_form(**changes: str) -> dict[str, str]:
    return {
        "grant_type": "refresh_token",
        "client_id": oauth.CLIENT_ID,
        "client_secret": oauth.CLIENT_SECRET,
        "refresh_token": oauth.REFRESH_TOKEN,
        **changes,
    }


def test_a_refresh_token_buys_an_access_token_that_expires() -> None:
    now = 1_000.0
    tokens = Tokens(now=lambda: now)
    status, told = tokens.grant(refresh_form(), TOKEN_URI)
    bearer = f"Bearer {told['access_token']}"

    assert (status, told["expires_in"], told["token_type"]) == (200, 3599, "Bearer")
    assert tokens.check(bearer) == "valid"
    now += 3_599
    assert tokens.check(bearer) == "expired"


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"refresh_token": oauth.REVOKED_REFRESH_TOKEN}, 400, "invalid_grant"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_a_bad_request_for_a_token_is_named(
    changes: dict[str, str], status: int, error: str
) -> None:
    answer = Tokens().grant(refresh_form(**changes), TOKEN_URI)

    assert (answer[0], answer[1]["error"]) == (status, error)
    assert "access_token" not in answer[1]


# RFC 7636, appendix B: a verifier and its challenge
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
REDIRECT = "http://127.0.0.1:5555/"


def consent_form(**changes: str) -> dict[str, str]:
    return {
        "client_id": oauth.CLIENT_ID,
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": " ".join(oauth.SCOPES),
        "state": "s1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }


def code_form(tokens: Tokens, **changes: str) -> dict[str, str]:
    back = parse_qs(urlsplit(tokens.consent(consent_form())).query)
    return {
        "grant_type": "authorization_code",
        "client_id": oauth.CLIENT_ID,
        "client_secret": oauth.CLIENT_SECRET,
        "code": back["code"][0],
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
        **changes,
    }


def test_a_code_buys_a_refresh_token_once() -> None:
    tokens = Tokens()
    form = code_form(tokens)
    status, told = tokens.grant(form, TOKEN_URI)
    again = tokens.grant(form, TOKEN_URI)

    assert (status, told["refresh_token"]) == (200, oauth.REFRESH_TOKEN)
    assert told["scope"].split() == list(oauth.SCOPES)
    assert "refresh_token_expires_in" not in told
    assert (again[0], again[1]["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"code_verifier": "another"}, 400, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:6666/"}, 400, "redirect_uri_mismatch"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
    ],
)
def test_a_code_is_for_whoever_asked_for_it(
    changes: dict[str, str], status: int, error: str
) -> None:
    tokens = Tokens()
    answer = tokens.grant(code_form(tokens, **changes), TOKEN_URI)

    assert (answer[0], answer[1]["error"]) == (status, error)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"client_id": "other"}, "invalid_client"),
        ({"redirect_uri": "https://example.nl/"}, "redirect_uri_mismatch"),
        ({"code_challenge_method": "plain"}, "code_challenge_method"),
        ({"scope": "https://www.googleapis.com/auth/drive"}, "invalid_scope"),
    ],
)
def test_consent_is_refused_on_the_page_itself(changes: dict[str, str], said: str) -> None:
    with pytest.raises(ConsentError, match=said):
        Tokens().consent(consent_form(**changes))


def test_only_the_sandboxs_own_service_account_is_believed(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "other").mkdir()
    key, other = load_service_key(tmp_path / "own"), load_service_key(tmp_path / "other")
    tokens = Tokens(key)

    def assertion(signing_key: Any, audience: str = TOKEN_URI) -> str:
        now = int(time.time())
        claims = {
            "iss": oauth.SERVICE_ACCOUNT,
            "iat": now,
            "exp": now + 600,
            "aud": audience,
        }
        signer = crypt.RSASigner.from_string(oauth._pem(signing_key).decode())
        return str(jwt.encode(signer, claims).decode())

    def grant(signed: str) -> int:
        return tokens.grant({"grant_type": oauth.JWT_GRANT, "assertion": signed}, TOKEN_URI)[0]

    assert grant(assertion(key)) == 200
    assert grant(assertion(other)) == 400
    # google-auth names Google's endpoint, whatever the key file's token_uri is
    assert grant(assertion(key, "https://oauth2.googleapis.com/token")) == 200
    assert grant(assertion(key, "https://other.example/token")) == 400
    # GA4's client signs a bearer token itself
    api = assertion(key, "https://analyticsdata.googleapis.com/")
    assert tokens.check(f"Bearer {api}") == "valid"
    assert tokens.check(f"Bearer {assertion(other)}") == "invalid"


def test_the_service_key_stays_the_same_between_runs(tmp_path: Path) -> None:
    first = load_service_key(tmp_path)

    assert load_service_key(tmp_path).private_numbers() == first.private_numbers()


def test_a_certificate_is_kept_while_it_is_valid_and_renewed_before_it_ends(
    tmp_path: Path,
) -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    first = ensure_certificate(tmp_path, now).ca_file.read_bytes()

    assert ensure_certificate(tmp_path, now + timedelta(days=300)).ca_file.read_bytes() == first
    renewed = ensure_certificate(tmp_path, now + timedelta(days=360)).ca_file.read_bytes()
    assert renewed != first


def test_a_spoilt_certificate_is_made_anew(tmp_path: Path) -> None:
    kept = ensure_certificate(tmp_path)
    kept.cert_file.write_text("nothing")

    assert b"BEGIN CERTIFICATE" in ensure_certificate(tmp_path).cert_file.read_bytes()


def test_private_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    load_service_key(tmp_path)
    kept = ensure_certificate(tmp_path)

    for path in (kept.key_file, tmp_path / "service-account.pem"):
        assert path.stat().st_mode & 0o077 == 0
