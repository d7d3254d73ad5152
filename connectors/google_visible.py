"""What a Google login can see: ad accounts and their managers, GA4 properties, sites.

Sources: https://developers.google.com/google-ads/api/docs/account-management/listing-accounts,
https://developers.google.com/analytics/devguides/config/admin/v1/rest/v1beta/accountSummaries/list
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests
from google.auth.exceptions import GoogleAuthError

from connectors.base import (
    AccessError,
    Account,
    AccountSelection,
    AuthError,
    Connection,
    SourceError,
    TransientError,
)
from connectors.deadlines import deadline
from connectors.google_credentials import (
    auth_problem,
    authorized_session,
    check_url,
    distrusted,
    harmless,
    make_credentials,
    plain_text,
    refresh_first,
)

GA4_ADMIN = "https://analyticsadmin.googleapis.com"
GA4_SCOPES = ("https://www.googleapis.com/auth/analytics.readonly",)
_PAGE = 200  # the most that one answer holds


@dataclass(frozen=True)
class AdsAccount:
    """One ad account and the managers it can be opened through; None: the user's own access."""

    account: Account
    through: tuple[str | None, ...]


@dataclass(frozen=True)
class Property:
    """One GA4 property and the account that it belongs to."""

    property_id: str
    name: str
    account_id: str
    account_name: str


def ads_accounts(connection: Connection) -> tuple[list[AdsAccount], list[SourceError]]:
    """Return every ad account that the user can open, once, with what refused on the way.

    Raises a SourceError
    of scope ``source`` when nothing can be asked at all.
    """
    from connectors.google_ads import GoogleAds

    google_ads = GoogleAds(connection)
    found: dict[str, AdsAccount] = {}
    problems: list[SourceError] = []
    try:
        for root in google_ads.accessible_customers():
            try:
                under = google_ads.accounts(AccountSelection(discover=True, login_customer_id=root))
            except AccessError as problem:
                if problem.reason != "CUSTOMER_NOT_ENABLED":
                    problems.append(problem)
                continue
            for account in under:
                way = None if account.account_id == root else root
                known = found.get(account.account_id)
                ways = (*known.through, way) if known else (way,)
                found[account.account_id] = AdsAccount(account, ways)
    finally:
        google_ads.close()
    return list(found.values()), problems


def sites(connection: Connection) -> list[Account]:
    """Return the Search Console properties that may be read."""
    from connectors.search_console import SearchConsole

    search_console = SearchConsole(connection)
    try:
        return search_console.accounts(AccountSelection(discover=True))
    finally:
        search_console.close()


def properties(connection: Connection) -> list[Property]:
    """Return the GA4 properties, by the Admin API's accountSummaries.

    Raises a SourceError of scope ``source``.
    """
    url = check_url(_admin_url(connection), "admin_endpoint")
    credentials = make_credentials(connection, GA4_SCOPES)
    timeout = min(connection.timeout_seconds, 60.0)
    found: list[Property] = []
    with authorized_session(credentials, url, connection.ca_file) as session:
        token = ""
        while True:
            refresh_first(credentials)
            asked = {"pageSize": str(_PAGE)} | ({"pageToken": token} if token else {})
            try:
                with deadline(timeout):
                    response = session.get(
                        f"{url}/v1beta/accountSummaries", params=asked, timeout=timeout
                    )
            except GoogleAuthError as e:
                raise auth_problem(e) from harmless(e, credentials)
            except (requests.RequestException, OSError) as e:
                raise (
                    distrusted(e, "the Google Analytics Admin API")
                    or TransientError(
                        f"the Google Analytics Admin API could not be reached: {type(e).__name__}",
                        reason="unreachable",
                        scope="source",
                    )
                ) from harmless(e, credentials)
            if response.status_code != 200:
                raise _problem(response)
            told = _read(response)
            try:
                found += _properties(told)
            except (TypeError, AttributeError) as e:
                raise _malformed("a list of another form") from e
            before, token = token, str(told.get("nextPageToken") or "")
            if not token:
                return found
            if token == before:
                raise _malformed("the same page again and again")


def _admin_url(connection: Connection) -> str:
    """Where the list is. Not at Google when the rest of the connection is not."""
    if connection.admin_endpoint is not None:
        return connection.admin_endpoint
    if connection.endpoint is None:
        return GA4_ADMIN
    if connection.transport == "rest":
        return connection.endpoint
    raise SourceError(
        "it is not known where the list of GA4's properties is",
        reason="no_admin_endpoint",
        hint="set sources.ga4.admin_endpoint in koers.yaml, as endpoint is set",
        scope="source",
    )


def _read(response: requests.Response) -> dict[str, Any]:
    try:
        told = response.json()
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise _malformed("an answer that is not JSON")
    return told


def _malformed(what: str) -> TransientError:
    return TransientError(
        f"the Google Analytics Admin API gave {what}", reason="malformed_answer", scope="source"
    )


def _properties(told: dict[str, Any]) -> Iterator[Property]:
    for summary in told.get("accountSummaries", ()):
        for held in summary.get("propertySummaries", ()):
            yield Property(
                str(held.get("property", "")).removeprefix("properties/"),
                plain_text(str(held.get("displayName", ""))),
                str(summary.get("account", "")).removeprefix("accounts/"),
                plain_text(str(summary.get("displayName", ""))),
            )


def _problem(response: requests.Response) -> SourceError:
    try:
        error = response.json()["error"]
        details = [d for d in error.get("details", ()) if isinstance(d, dict)]
        reason = next((str(d["reason"]) for d in details if d.get("reason")), "")
        reason = plain_text(reason or str(error.get("status") or response.status_code))
        said = plain_text(str(error.get("message") or ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        reason, said = str(response.status_code), "no words"
    if reason in ("SERVICE_DISABLED", "CONSUMER_INVALID", "BILLING_DISABLED"):
        return SourceError(
            f"the Google Cloud project may not use the Google Analytics Admin API: {said}",
            reason=reason,
            hint="enable the Google Analytics Admin API in the project",
            scope="source",
        )
    if response.status_code in (401, 403):
        return AuthError(
            f"the Google Analytics Admin API refuses: {said}",
            reason=reason,
            hint="sign in again and allow read access to Google Analytics",
        )
    kind = TransientError if response.status_code >= 429 else SourceError
    return kind(f"the Google Analytics Admin API: {said}", reason=reason, scope="source")
