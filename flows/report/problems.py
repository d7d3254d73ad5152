"""Why an account could not be read, in words that can be sent to a client.

A connector's error ends in the vendor's own code in brackets (`connectors.base.SourceError`).
What a code means for a reader is said here; an error that has none of these is shown as it came.
"""

from __future__ import annotations

import re

from flows.report import formats
from flows.report.formats import Language

_NO_ACCESS = {
    "en": "there is no access to this account",
    "nl": "er is geen toegang tot dit account",
}
_CLOSED = {
    "en": "this account is closed or suspended",
    "nl": "dit account is gesloten of opgeschort",
}
_NOT_FOUND = {"en": "this account was not found", "nl": "dit account is niet gevonden"}
_SIGN_IN = {
    "en": "the sign-in at Google is no longer valid",
    "nl": "de aanmelding bij Google is niet meer geldig",
}
_PROJECT = {
    "en": "Google does not let the agency’s Cloud project read this yet",
    "nl": "Google laat het Cloud-project van het bureau dit nog niet lezen",
}
_QUOTA = {
    "en": "Google’s quota was used up",
    "nl": "het quotum bij Google was op",
}
_NO_ANSWER = {
    "en": "there was no answer in time, or it broke off",
    "nl": "er kwam niet op tijd een antwoord, of het brak af",
}

# Codes of Google Ads, of gRPC and of the two other APIs (docs/errors.md).
_IN_WORDS: dict[str, dict[Language, str]] = {
    code: told  # type: ignore[misc]  # the two languages, said once
    for told, codes in (
        (
            _NO_ACCESS,
            "USER_PERMISSION_DENIED PERMISSION_DENIED forbidden siteUnverifiedUser "
            "insufficientPermissions ACTION_NOT_PERMITTED",
        ),
        (_CLOSED, "CUSTOMER_NOT_ENABLED"),
        (_NOT_FOUND, "CUSTOMER_NOT_FOUND NOT_FOUND site_not_listed notFound"),
        (
            _SIGN_IN,
            "invalid_grant invalid_rapt OAUTH_TOKEN_REVOKED OAUTH_TOKEN_INVALID "
            "OAUTH_TOKEN_EXPIRED OAUTH_TOKEN_DISABLED UNAUTHENTICATED authError",
        ),
        (
            _PROJECT,
            "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION PROJECT_DISABLED SERVICE_DISABLED "
            "accessNotConfigured",
        ),
        (
            _QUOTA,
            "RESOURCE_EXHAUSTED RESOURCE_TEMPORARILY_EXHAUSTED RATE_LIMIT_EXCEEDED "
            "EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION "
            "EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION quotaExceeded dailyLimitExceeded "
            "rateLimitExceeded userRateLimitExceeded",
        ),
        (
            _NO_ANSWER,
            "UNAVAILABLE INTERNAL INTERNAL_ERROR TRANSIENT_ERROR DEADLINE_EXCEEDED "
            "deadline_exceeded unreachable token_endpoint_unreachable backendError internalError",
        ),
    )
    for code in codes.split()
}


def in_words(said: str, language: Language) -> str:
    """An error as a log tells it, for a reader: a known code in words with the code behind it.

    Any other is shortened (`formats.problem_text`). The whole text, with the
    request's id and what to do, is in the log and in ``ops.loads``.
    """
    for code in re.findall(r"\(([A-Za-z][A-Za-z_]{5,59})\)", said):
        if code in _IN_WORDS:
            return f"{_IN_WORDS[code][language]} ({code})"
    return formats.problem_text(said)
