"""What a connector's case must offer so that the same tests run for it.

A module in ``tests/contract/cases/`` has ``CASES: list[Case]``, one for each
table that it can serve (daily tables at least). ``Case.serve(scenario)`` is a
context manager that starts the real server for one scenario (see ``servers.py``)
with recorded replies from ``tests/contract/replies/<source>/`` and yields a
`Vendor`. What each scenario answers:

==============  ================================================================
``rows``        a good answer with at least one row on the first and on the last
                day of ``case.window``; `Case.rows` are worked out by hand
``empty``       a good answer without any row
``permission``  this account may not be read
``quota``       too many requests, with a delay to wait
``revoked``     the token endpoint refuses the refresh token (`token_endpoint`)
``cut``         the connection breaks after part of a good answer
``hostile``     a good answer whose names are `HOSTILE_NAMES`, in that order
==============  ================================================================

Make the connection with `connect`, so that the secrets the tests look for are in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr

from connectors.base import Account, Connection, DateWindow, Table
from tests.contract.servers import HttpAnswer, HttpCall, certificate, http_server

REPLIES = Path(__file__).parent / "replies"

Scenario = Literal["rows", "empty", "permission", "quota", "revoked", "cut", "hostile"]

DEVELOPER_TOKEN = "canary-developer-token"
CLIENT_SECRET = "canary-client-secret"
REFRESH_TOKEN = "canary-refresh-token"
ACCESS_TOKEN = "canary-access-token"
SECRETS = (DEVELOPER_TOKEN, CLIENT_SECRET, REFRESH_TOKEN, ACCESS_TOKEN)

# Names as people and attackers write them; each must arrive byte for byte.
HOSTILE_NAMES = (
    '<script>alert("koers")</script>',
    '=HYPERLINK("https://evil.example","klik")',
    "O'Brien; drop table raw.x; --",
    "🚲 Fietsen – ‘actie’ €5 & meer",
    "  spaces, a\ttab and a\nnew line  ",
    "عربى \u202eright to left\u202c",
    "%s {0} ${HOME} {{ 7*7 }} \\n",
    "",
)


@dataclass(frozen=True)
class Vendor:
    """A running server: how to reach it, and which days it was asked for.

    ``asked`` reads the requests as they came over the wire and returns each
    window in the order of asking; for a table that is not daily, nothing.
    """

    connection: Connection
    asked: Callable[[], Sequence[DateWindow]] = tuple


@dataclass(frozen=True)
class Case:
    """One table of one connector and what its recorded replies hold.

    ``rows``: every expected row of scenario ``rows`` with every column of the
    table, worked out by hand, in any order. ``request_ids``: all that the
    connector must keep, in order. ``announced_rows``: what the vendor states
    (None where it states nothing). ``permission_reason`` and ``..._request_id``
    are what the AccessError carries ("" where the vendor gives none);
    ``quota_delay_seconds`` is the vendor's delay. ``hostile_column`` is the
    column that the hostile names must arrive in.
    """

    table: Table
    account: Account
    window: DateWindow
    serve: Callable[[Scenario], AbstractContextManager[Vendor]]
    rows: Sequence[dict[str, Any]]
    hostile_column: str
    quota_delay_seconds: float | None
    permission_reason: str
    permission_request_id: str = ""
    quota_request_id: str = ""
    request_ids: tuple[str, ...] = ()
    announced_rows: int | None = None
    variant: str = ""  # tells two cases of one table apart, such as "rest"

    def __str__(self) -> str:
        return f"{self.table.name}{'-' if self.variant else ''}{self.variant}"


def connect(token_uri: str, endpoint: str, **more: Any) -> Connection:
    """A connection that holds the canary secrets and trusts the test certificate."""
    base = Connection(
        endpoint=endpoint,
        ca_file=certificate().ca_file,
        token_uri=token_uri,
        developer_token=SecretStr(DEVELOPER_TOKEN),
        client_id="client-id.apps.example",
        client_secret=SecretStr(CLIENT_SECRET),
        refresh_token=SecretStr(REFRESH_TOKEN),
        timeout_seconds=20.0,
    )
    return replace(base, **more)


@contextmanager
def token_endpoint(scenario: Scenario) -> Iterator[str]:
    """Yield the ``token_uri`` of an OAuth endpoint that refuses in scenario ``revoked``."""

    def answer(call: HttpCall) -> HttpAnswer:
        if scenario == "revoked":
            told = {
                "error": "invalid_grant",
                "error_description": "Token has been expired or revoked.",
            }
            return HttpAnswer(json.dumps(told).encode(), status=400)
        good = {"access_token": ACCESS_TOKEN, "expires_in": 3599, "token_type": "Bearer"}
        return HttpAnswer(json.dumps(good).encode())

    with http_server(answer) as (url, _):
        yield f"{url}/token"
