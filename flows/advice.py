"""What a colleague who knows would say of a connection that refuses: cause, next step, link.

Pure: what has to be asked of the vendors comes in with `About`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches

from connectors.base import DEADLINE_EXCEEDED, SourceError, TransientError
from connectors.google_visible import Property

_CONSOLE = "https://console.cloud.google.com"
CLIENTS_PAGE = f"{_CONSOLE}/auth/clients"
AUDIENCE_PAGE = f"{_CONSOLE}/auth/audience"
CONNECTIONS_PAGE = "https://myaccount.google.com/connections"
EXPIRY_PAGE = "https://developers.google.com/identity/protocols/oauth2#expiration"
ACCESS_LEVELS_PAGE = "https://developers.google.com/google-ads/api/docs/api-policy/access-levels"
LOGIN_PAGE = "https://developers.google.com/google-ads/api/docs/concepts/call-structure#cid"
SUNSET_PAGE = "https://developers.google.com/google-ads/api/docs/sunset-dates"
GA4_USERS_PAGE = "https://support.google.com/analytics/answer/9305587"
GA4_ID_PAGE = "https://developers.google.com/analytics/devguides/reporting/data/v1/property-id"
SITES_PAGE = "https://support.google.com/webmasters/answer/34592"
SITE_USERS_PAGE = "https://support.google.com/webmasters/answer/7687615"
QUOTA_PAGES = {
    "google_ads": "https://developers.google.com/google-ads/api/docs/best-practices/quotas",
    "ga4": "https://developers.google.com/analytics/devguides/reporting/data/v1/quotas",
    "search_console": "https://developers.google.com/webmaster-tools/limits",
}
APIS = {
    "google_ads": ("Google Ads API", "googleads.googleapis.com"),
    "ga4": ("Google Analytics Data API", "analyticsdata.googleapis.com"),
    "ga4_admin": ("Google Analytics Admin API", "analyticsadmin.googleapis.com"),
    "search_console": ("Google Search Console API", "searchconsole.googleapis.com"),
}
NAMES = {"google_ads": "Google Ads", "ga4": "GA4", "search_console": "Search Console"}
AGAIN = "koers connect google --sign-in"
# a consent screen in Testing gives refresh tokens of seven days
TESTING_DAYS = 7


@dataclass(frozen=True)
class Advice:
    """Why it fails, exactly what to do, and where to read or do it."""

    cause: str
    step: str
    link: str = ""


@dataclass(frozen=True)
class About:
    """What is known around a refusal.

    ``file`` is the client's YAML and ``koers`` koers.yaml, as people see them.
    ``signed_in_on`` is the day of the sign-in and ``ends_on`` when Google lets it
    end, where that is known. ``managers`` and ``properties`` ask Google what the
    login can open; they give None where that cannot be told. ``sites`` likewise.
    """

    source: str
    file: str = "the client's file"
    koers: str = "koers.yaml"
    account: str = ""
    login: str | None = None
    who: str = "the Google user who signed in"
    today: date | None = None
    signed_in_on: date | None = None
    ends_on: date | None = None
    is_service_account: bool = False
    managers: Callable[[], Sequence[str] | None] = lambda: None
    properties: Callable[[], Sequence[Property] | None] = lambda: None


def advise(error: SourceError, about: About) -> Advice:
    """What to make of a refusal; what nobody foresaw keeps the connector's own words."""
    reason = error.reason
    if found := _by_reason(reason, error, about):
        return found
    is_busy = reason in ("UNAVAILABLE", "INTERNAL", "503", "500") or reason.startswith("token_")
    if isinstance(error, TransientError) and error.retry_after_seconds is not None and not is_busy:
        return _quota(error, about)
    if "certificate" in error.hint or reason == "certificate_not_trusted":
        return _certificate(about)
    if isinstance(error, TransientError) and reason in (
        "UNAVAILABLE", "unreachable", "token_endpoint_unreachable", DEADLINE_EXCEEDED,
    ):  # fmt: skip
        where = NAMES.get(about.source, "Google")
        if reason.startswith("token"):
            where = "Google's sign-in (oauth2.googleapis.com)"
        return Advice(
            f"{where} cannot be reached from this machine",
            "check the network, the firewall and a proxy (HTTPS_PROXY), and `endpoint` in "
            f"{about.koers} if there is one",
        )
    return Advice(error.message, error.hint or "nothing is known about this one: look it up")


def _by_reason(reason: str, error: SourceError, about: About) -> Advice | None:
    name, host = APIS[about.source]
    if reason == "invalid_grant":
        return _ended(about)
    if reason == "invalid_rapt":
        return Advice(
            "the organisation lets a Google sign-in end after some hours",
            "ask the Google Workspace administrator to trust this OAuth client (Security › "
            f"Google Cloud session control), then: {AGAIN}",
            "https://support.google.com/a/answer/9368756",
        )
    if reason in ("invalid_client", "deleted_client"):
        gone = reason == "deleted_client"
        return Advice(
            "the OAuth client was deleted" if gone else
            "Google does not know this client_id with this client_secret",
            "take both from one OAuth client of type Desktop app, set them again where "
            f"{about.koers} reads them, then: {AGAIN}",
            CLIENTS_PAGE,
        )  # fmt: skip
    if reason == "unauthorized_client":
        return Advice(
            "the refresh token was given to another OAuth client than client_id",
            f"sign in again with this one: {AGAIN}",
            CLIENTS_PAGE,
        )
    if reason == "missing_credential":
        return Advice("there is no Google login yet", "sign in: koers connect google", CLIENTS_PAGE)
    if reason.startswith("CLOUD_PROJECT_NOT_APPROVED") or reason == "DEVELOPER_TOKEN_NOT_APPROVED":
        return Advice(
            "the Google Cloud project of this OAuth client may only read test accounts",
            "apply for Explorer access to the Google Ads API in that project; until it is given "
            "no real account answers",
            ACCESS_LEVELS_PAGE,
        )
    if reason in ("SERVICE_DISABLED", "accessNotConfigured", "PROJECT_DISABLED"):
        if "Admin API" in error.message:
            name, host = APIS["ga4_admin"]
        return Advice(
            f"the {name} is not enabled in the Google Cloud project of this login",
            f"press Enable on the page below, in the project that holds "
            f"{'the service account' if about.is_service_account else 'the OAuth client'}; "
            "it takes a few minutes",
            f"{_CONSOLE}/apis/library/{host}",
        )
    if reason in ("ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientPermissions"):
        return Advice(
            f"this sign-in was not allowed to read {NAMES[about.source]}: its box was not ticked",
            f"sign in again and tick every box: {AGAIN}",
            CONNECTIONS_PAGE,
        )
    if reason == "DEVELOPER_TOKEN_PARAMETER_MISSING":
        return Advice(
            "Google Ads asks for a developer token with this project",
            f"set developer_token: env:GOOGLE_ADS_DEVELOPER_TOKEN in {about.koers}; any token of "
            "a manager account will do",
            "https://developers.google.com/google-ads/api/docs/get-started/dev-token",
        )
    if reason in ("UNSUPPORTED_VERSION", "UNIMPLEMENTED") and about.source == "google_ads":
        return Advice(
            "Google no longer serves the version of the Google Ads API that this Koers speaks",
            "update Koers",
            SUNSET_PAGE,
        )
    if reason in ("USER_PERMISSION_DENIED", "LOGIN_CUSTOMER_ID_PARAMETER_MISSING") or (
        reason.startswith("INVALID_LOGIN_CUSTOMER_ID")
    ):
        return _no_way_in(about)
    if reason in ("CUSTOMER_NOT_ENABLED", "ACTION_NOT_PERMITTED_FOR_SUSPENDED_ACCOUNT"):
        return Advice(
            "the account is closed, suspended, or was never set up to the end",
            f"take {dashed(about.account)} off customer_ids in {about.file}; the days that were "
            "loaded stay",
            "https://support.google.com/google-ads/answer/7619129",
        )
    if reason == "REQUESTED_METRICS_FOR_MANAGER":
        return Advice(
            "this is a manager account, which has no figures of its own",
            f"write it as login_customer_id in {about.file} and list the accounts under it, or "
            "discover: true",
            LOGIN_PAGE,
        )
    if reason in ("CUSTOMER_NOT_FOUND", "INVALID_CUSTOMER_ID", "CLIENT_CUSTOMER_ID_INVALID"):
        return Advice(
            "there is no Google Ads account with this number",
            f"correct it in {about.file}: ten digits, at the top right in Google Ads",
            "https://support.google.com/google-ads/answer/1704344",
        )
    if about.source == "ga4" and reason in ("PERMISSION_DENIED", "NOT_FOUND", "403", "404"):
        return _no_property(about)
    if reason in ("site_not_listed", "siteUnverifiedUser") or (
        about.source == "search_console" and reason in ("forbidden", "notFound", "403", "404")
    ):
        return _no_site(error, about)
    return None


def _ended(about: About) -> Advice:
    """A refresh token that Google no longer takes: say which of the reasons it is."""
    if about.is_service_account:
        return Advice(
            "Google does not take the service account's key: it was deleted or disabled, or this "
            "machine's clock is wrong",
            f"make a new key and put it where json_key_file_path of {about.koers} points",
            f"{_CONSOLE}/iam-admin/serviceaccounts",
        )
    since, today = about.signed_in_on, about.today
    if about.ends_on and today and today >= about.ends_on:
        return Advice(
            f"the sign-in of {since} ended on {about.ends_on}: the consent screen is in Testing, "
            "which gives it 7 days",
            f"press Publish app on the page below, then: {AGAIN}",
            AUDIENCE_PAGE,
        )
    if since is None or today is None:
        return Advice(
            "Google no longer takes the refresh token: it was withdrawn, the password was "
            "changed, or it is older than 7 days and the consent screen is in Testing",
            f"sign in again: {AGAIN}",
            EXPIRY_PAGE,
        )
    if today - since >= timedelta(days=TESTING_DAYS) and about.ends_on is None:
        return Advice(
            f"Google no longer takes the refresh token of {since}, which is "
            f"{(today - since).days} days old: most often the consent screen is in Testing, which "
            "gives it 7 days; else it was withdrawn or the password was changed",
            "see on the page below whether it is in Testing, and if so press Publish app; then: "
            f"{AGAIN}",
            AUDIENCE_PAGE,
        )
    return Advice(
        f"Google no longer takes the refresh token of {since}: somebody withdrew Koers's access "
        "or changed the password",
        f"sign in again: {AGAIN}",
        CONNECTIONS_PAGE,
    )


def _no_way_in(about: About) -> Advice:
    managers = about.managers()
    has = ""
    if managers is not None:
        listed = ", ".join(dashed(one) for one in managers) or "no account at all"
        has = f"; it opens {listed}"
    ask = f"ask for access to {dashed(about.account)} in Google Ads (Admin › Access and security)"
    if about.login is None:
        return Advice(
            f"{about.who} has no access of their own to {dashed(about.account)}{has}",
            f"if it hangs under a manager account, set login_customer_id in {about.file} to that "
            f"manager; else {ask}",
            LOGIN_PAGE,
        )
    others = [one for one in managers or () if one != about.login]
    if managers is not None and about.login not in managers and others:
        return Advice(
            f"{about.who} cannot open {dashed(about.account)} through {dashed(about.login)}{has}",
            f"set login_customer_id in {about.file} to a manager that the login opens and that the "
            f"account hangs under: {', '.join(dashed(one) for one in others)}",
            LOGIN_PAGE,
        )
    return Advice(
        f"{about.who} may not read {dashed(about.account)} through manager {dashed(about.login)}: "
        "it does not hang under it, or nobody gave access",
        f"correct login_customer_id in {about.file}, or {ask}",
        LOGIN_PAGE,
    )


def _no_property(about: About) -> Advice:
    seen = about.properties()
    add = f"add {about.who} as Viewer (GA4 › Admin › Property access management)"
    if seen is None:
        return Advice(
            f"{about.who} may not read GA4 property {about.account}, or it does not exist",
            f"check property_ids in {about.file}; if the number is right, {add}",
            GA4_USERS_PAGE,
        )
    for one in seen:
        if one.account_id == about.account:
            return Advice(
                f"{about.account} is the number of the GA4 account {one.account_name}, not of a "
                "property",
                f"write {one.property_id} ({one.name}) in property_ids of {about.file}",
                GA4_ID_PAGE,
            )
    near = get_close_matches(about.account, [one.property_id for one in seen], 1, 0.8)
    if near:
        name = next(one.name for one in seen if one.property_id == near[0])
        return Advice(
            f"the login sees no GA4 property {about.account}, but {near[0]} ({name})",
            f"write {near[0]} in property_ids of {about.file}, if that is the one",
            GA4_ID_PAGE,
        )
    listed = ", ".join(f"{one.property_id} ({one.name})" for one in seen[:5])
    return Advice(
        f"{about.who} has no access to GA4 property {about.account}; "
        f"{f'it sees {listed}' if listed else 'it sees no property at all'}",
        add,
        GA4_USERS_PAGE,
    )


def _no_site(error: SourceError, about: About) -> Advice:
    if error.reason == "siteUnverifiedUser":
        return Advice(
            f"{about.who} is not a verified user of {about.account}",
            f"verify it, or let an owner add {about.who} (Search Console › Settings › Users)",
            SITE_USERS_PAGE,
        )
    meant = ""
    if "did you mean " in error.hint:
        meant = error.hint.partition("did you mean ")[2].partition("?")[0]
    if meant:
        kinds = "a domain property" if meant.startswith("sc-domain:") else "a URL-prefix property"
        return Advice(
            f"the login sees {meant}, {kinds}, and not {about.account}: to Search Console these "
            "are two",
            f'write "{meant}" under sites in {about.file}',
            SITES_PAGE,
        )
    return Advice(
        f"{about.who} sees no Search Console property {about.account}",
        f"let an owner add {about.who} (Search Console › Settings › Users), or correct sites in "
        f"{about.file}",
        SITE_USERS_PAGE,
    )


def _certificate(about: About) -> Advice:
    return Advice(
        f"the TLS certificate of {NAMES.get(about.source, 'Google')} is not trusted: something "
        "between this machine and Google, such as a company's proxy or a virus scanner, puts its "
        "own in place",
        "save that proxy's root certificate as a PEM file and name it as ca_file under "
        f"sources.google_ads in {about.koers}",
        "https://pki.goog/faq/",
    )


def _quota(error: TransientError, about: About) -> Advice:
    minutes = max(1, round((error.retry_after_seconds or 0) / 60))
    back = f"in about {minutes} minutes" if minutes < 120 else f"in about {minutes // 60} hours"
    return Advice(
        f"a quota of {NAMES.get(about.source, 'Google')} is used up; it returns {back}",
        "nothing to repair: the next run reads what is missing",
        QUOTA_PAGES.get(about.source, ""),
    )


def dashed(account_id: str) -> str:
    """A Google Ads number as people write it."""
    if len(account_id) == 10 and account_id.isdigit():
        return f"{account_id[:3]}-{account_id[3:6]}-{account_id[6:]}"
    return account_id
