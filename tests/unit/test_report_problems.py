"""A vendor's error in words for a client."""

from __future__ import annotations

import pytest

from flows.report import problems

DENIED = (
    "Google Ads 4444444444: User doesn't have permission to access customer. Note: If you're "
    "accessing a client customer, the manager's customer id must be set "
    "(USER_PERMISSION_DENIED) [request UvyR3]; set login_customer_id to the manager account"
)


@pytest.mark.parametrize(
    ("said", "nl", "en"),
    [
        (
            DENIED,
            "er is geen toegang tot dit account (USER_PERMISSION_DENIED)",
            "there is no access to this account (USER_PERMISSION_DENIED)",
        ),
        (
            "Google refuses the sign-in (invalid_grant); sign in again",
            "de aanmelding bij Google is niet meer geldig (invalid_grant)",
            "the sign-in at Google is no longer valid (invalid_grant)",
        ),
        (
            "GA4 3: tokens (of an hour) are used up (RESOURCE_EXHAUSTED)",
            "het quotum bij Google was op (RESOURCE_EXHAUSTED)",
            "Google’s quota was used up (RESOURCE_EXHAUSTED)",
        ),
    ],
)
def test_a_known_code_is_told_in_the_readers_language(said: str, nl: str, en: str) -> None:
    assert problems.in_words(said, "nl") == nl
    assert problems.in_words(said, "en") == en


def test_an_unknown_code_is_shown_as_it_came() -> None:
    said = "The disk is full (ENOSPC_ON_LANDING)"
    assert problems.in_words(said, "nl") == said


def test_words_in_brackets_are_no_code() -> None:
    assert problems.in_words("Nothing came (forbidden fruit)", "en").startswith("Nothing came")
