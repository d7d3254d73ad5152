"""What is special about Search Console: days, pages, provisional data, quota behind a 403."""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest

from connectors import tables
from connectors.base import (
    AccessError,
    Account,
    AccountSelection,
    AuthError,
    DateWindow,
    Reply,
    SourceError,
    Table,
    TransientError,
)
from connectors.search_console import SearchConsole
from tests.contract.case import connect, token_endpoint
from tests.contract.cases import search_console as case
from tests.contract.cases.search_console import ACCOUNT, SITE, WINDOW, recorded
from tests.contract.servers import HttpAnswer, HttpCall, http_server

Answer = Callable[[dict[str, Any]], "dict[str, Any] | HttpAnswer"]
FIRST_DAY = DateWindow(date(2026, 11, 1), date(2026, 11, 1))


@contextmanager
def google(
    answer: Answer, *, page_rows: int = 25_000, **more: Any
) -> Iterator[tuple[SearchConsole, list[dict[str, Any]]]]:
    """Yield a connector and the bodies of the queries that it sent."""
    bodies: list[dict[str, Any]] = []

    def over_http(call: HttpCall) -> HttpAnswer:
        body = call.json if call.body else {}
        bodies.append(body)
        told = answer(body)
        if isinstance(told, HttpAnswer):
            return told
        return HttpAnswer(json.dumps(told).encode(), told.get("error", {}).get("code", 200))

    with token_endpoint("rows") as token_uri, http_server(over_http) as (url, _):
        connector = SearchConsole(connect(token_uri, url, **more), page_rows=page_rows)
        try:
            yield connector, bodies
        finally:
            connector.close()


def read(
    connector: SearchConsole, table: Table = tables.GSC_QUERY_DAY, window: DateWindow = WINDOW
) -> tuple[Reply, list[dict[str, Any]]]:
    reply = connector.fetch(table, ACCOUNT, window)
    return reply, [row for batch in reply.batches for row in batch.to_pylist()]


def refused(answer: Answer, **more: Any) -> SourceError:
    with google(answer, **more) as (connector, _), pytest.raises(SourceError) as told:
        read(connector)
    return told.value


def rows(*keys: list[str], **more: Any) -> dict[str, Any]:
    made = [{"keys": k, "clicks": 1, "impressions": 10, "ctr": 0.1, "position": 2.5} for k in keys]
    return {"rows": made, "responseAggregationType": "byProperty", **more}


def error(code: int, reason: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "errors": [{"reason": reason}]}}


# --- days and pages ---------------------------------------------------------------------------


def test_queries_are_asked_per_day_and_paged_until_a_page_is_empty() -> None:
    def answer(body: dict[str, Any]) -> dict[str, Any]:
        there = [[body["startDate"], f"query {i}"] for i in range(3)]
        return rows(*there[body["startRow"] : body["startRow"] + body["rowLimit"]])

    with google(answer, page_rows=2) as (connector, bodies):
        reply, found = read(connector, window=DateWindow(date(2026, 11, 1), date(2026, 11, 2)))
    assert [(b["startDate"], b["endDate"], b["startRow"]) for b in bodies] == [
        ("2026-11-01", "2026-11-01", 0),
        ("2026-11-01", "2026-11-01", 2),
        ("2026-11-01", "2026-11-01", 3),
        ("2026-11-02", "2026-11-02", 0),
        ("2026-11-02", "2026-11-02", 2),
        ("2026-11-02", "2026-11-02", 3),
    ]
    assert [(row["date_day"].day, row["query"]) for row in found] == [
        (day, f"query {i}") for day in (1, 2) for i in range(3)
    ]
    assert reply.metadata["requests"] == 6


def test_search_appearances_are_asked_for_first_and_then_the_days_of_each() -> None:
    told = recorded("search_appearance_day")

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        if body["dimensions"] == ["searchAppearance"]:
            return told[""]
        ((only,),) = (group["filters"] for group in body["dimensionFilterGroups"])
        assert body["dimensions"] == ["date"]
        assert (only["dimension"], only["operator"]) == ("searchAppearance", "equals")
        return told[only["expression"]]

    with google(answer) as (connector, bodies):
        reply, found = read(connector, tables.GSC_SEARCH_APPEARANCE_DAY)
    # by property is not possible with it
    assert {body["aggregationType"] for body in bodies} == {"auto"}
    assert {(body["startDate"], body["endDate"]) for body in bodies} == {
        ("2026-11-01", "2026-11-03")
    }
    assert [(r["date_day"].day, r["search_appearance"], r["clicks"]) for r in found] == [
        (1, "PRODUCT_SNIPPETS", 31),
        (3, "PRODUCT_SNIPPETS", 29),
        (1, "REVIEW_SNIPPET", 12),
    ]
    assert reply.metadata["searchAppearance"] == ["PRODUCT_SNIPPETS", "REVIEW_SNIPPET"]
    assert reply.metadata["requests"] == 3


def test_a_site_without_special_results_is_one_request_and_no_rows() -> None:
    with google(lambda body: rows()) as (connector, bodies):
        _, found = read(connector, tables.GSC_SEARCH_APPEARANCE_DAY)
    assert found == [] and len(bodies) == 1


def test_a_full_sized_page_is_the_largest_that_the_api_gives() -> None:
    with google(lambda body: {}) as (connector, bodies):
        read(connector, window=FIRST_DAY)
    assert bodies[0]["rowLimit"] == 25_000
    assert bodies[0]["type"] == "web"


def test_the_totals_of_a_site_are_one_request_by_date_alone() -> None:
    with google(lambda body: recorded("site_day")[body["startDate"]]) as (connector, bodies):
        reply, found = read(connector, tables.GSC_SITE_DAY)
    (body,) = bodies
    assert (body["startDate"], body["endDate"]) == ("2026-11-01", "2026-11-03")
    assert (body["dimensions"], body["aggregationType"]) == (["date"], "byProperty")
    assert found == case.ROWS["site_day"]
    assert reply.announced_rows is None


def test_a_day_that_reaches_the_row_limit_is_noted() -> None:
    def answer(body: dict[str, Any]) -> dict[str, Any]:
        day, first = body["startDate"], body["startRow"]
        there = 50_000 if day == "2026-11-02" else 1
        return rows(*([day, f"q{i}"] for i in range(first, min(first + 25_000, there))))

    with google(answer) as (connector, _):
        reply, found = read(connector)
    assert len(found) == 50_002
    assert reply.metadata["days_at_row_limit"] == ["2026-11-02"]


# --- provisional days -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["firstIncompleteDate", "first_incomplete_date"])
def test_days_from_the_first_incomplete_one_are_provisional(name: str) -> None:
    told = rows(["2026-11-01"], ["2026-11-02"], ["2026-11-03"], metadata={name: "2026-11-02"})
    with google(lambda body: told, data_state="all") as (connector, bodies):
        reply, found = read(connector, tables.GSC_SITE_DAY)
    assert bodies[0]["dataState"] == "all"
    assert [row["is_provisional"] for row in found] == [False, True, True]
    assert reply.metadata["first_incomplete_date"] == "2026-11-02"


def test_a_query_of_a_provisional_day_is_provisional_too() -> None:
    def answer(body: dict[str, Any]) -> dict[str, Any]:
        if body["startRow"]:
            return {}
        day = body["startDate"]
        told = rows([day, "fiets"])
        # Google tells it only where the range holds incomplete days
        return told if day < "2026-11-02" else {**told, "metadata": {"firstIncompleteDate": day}}

    with google(answer, data_state="all") as (connector, bodies):
        reply, found = read(connector)
    assert all("date" in body["dimensions"] for body in bodies)  # or Google would not tell
    assert [row["is_provisional"] for row in found] == [False, True, True]
    assert reply.metadata["first_incomplete_date"] == "2026-11-02"


def test_final_days_are_never_provisional() -> None:
    told = rows(["2026-11-01"], metadata={"firstIncompleteDate": "2026-11-01"})
    with google(lambda body: told) as (connector, bodies):
        reply, found = read(connector, tables.GSC_SITE_DAY)
    assert bodies[0]["dataState"] == "final"
    assert [row["is_provisional"] for row in found] == [False]
    assert reply.metadata == {
        "data_state": "final",
        "aggregation_type": "byProperty",
        "first_incomplete_date": None,
        "days_at_row_limit": [],
        "requests": 1,
    }


# --- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (recorded("load_quota"), 900),
        (recorded("qps_quota"), 60),
        (error(403, "rateLimitExceeded", "Rate Limit Exceeded"), 60),
        (error(403, "quotaExceeded", "Quota exceeded"), 900),
        (error(429, "rateLimitExceeded", "Quota exceeded for queries per minute"), 60),
    ],
)
def test_a_403_for_want_of_quota_is_no_lack_of_permission(
    told: dict[str, Any], seconds: float
) -> None:
    problem = refused(lambda body: told)
    assert isinstance(problem, TransientError)
    assert problem.retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("reason", "scope"),
    [
        ("quotaExceeded", "account"),
        ("rateLimitExceeded", "account"),
        ("userRateLimitExceeded", "source"),
        ("dailyLimitExceeded", "source"),
    ],
)
def test_a_quota_of_the_user_or_project_is_everyones(reason: str, scope: str) -> None:
    problem = refused(lambda body: error(403, reason, "Quota exceeded"))
    assert isinstance(problem, TransientError)
    assert problem.scope == scope
    assert 0 < (problem.retry_after_seconds or 0) <= 25 * 3600


def test_retry_after_goes_before_our_own_reckoning() -> None:
    body = json.dumps(recorded("load_quota")).encode()
    problem = refused(lambda _: HttpAnswer(body, 403, {"Retry-After": "42"}))
    assert isinstance(problem, TransientError)
    assert problem.retry_after_seconds == 42


def test_a_403_for_want_of_permission_says_what_to_do() -> None:
    problem = refused(lambda body: recorded("permission"))
    assert isinstance(problem, AccessError)
    assert "sc-domain:" in problem.hint


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("accessNotConfigured", SourceError), ("insufficientPermissions", AuthError)],
)
def test_a_403_that_concerns_every_site_stops_the_source(
    reason: str, kind: type[SourceError]
) -> None:
    problem = refused(lambda body: error(403, reason, "no"))
    assert type(problem) is kind
    assert problem.scope == "source"


def test_a_request_that_google_does_not_understand_is_our_mistake() -> None:
    problem = refused(lambda body: error(400, "invalidParameter", "Invalid value at 'dimensions'"))
    assert type(problem) is SourceError
    assert (problem.scope, problem.reason) == ("source", "invalidParameter")


def test_a_site_that_is_not_written_as_google_does_concerns_that_site_only() -> None:
    problem = refused(
        lambda body: error(400, "badRequest", "'x' is not a valid Search Console site URL.")
    )
    assert isinstance(problem, AccessError)


@pytest.mark.parametrize(
    "answer",
    [
        HttpAnswer(b"<!doctype html><html>Sign in to the hotel network</html>"),
        HttpAnswer(b"<html>Bad gateway</html>", 502),
        HttpAnswer(b"<html>Forbidden by the proxy</html>", 503),
        HttpAnswer(json.dumps(rows(["2026-11-01", "q"])).encode()[:-9]),
        HttpAnswer(b""),
        HttpAnswer(b"[]"),
        HttpAnswer(b'{"rows": [{"keys": ["2026-11-01"]}]}'),
        HttpAnswer(b'{"rows": [{"keys": ["yesterday", "q"], "clicks": 1, "impressions": 1}]}'),
        HttpAnswer(b'{"rows": [{"keys": ["2026-11-01", "q"], "clicks": 1.5, "impressions": 1}]}'),
        HttpAnswer(b'{"rows": [{"keys": ["2026-11-01", null], "clicks": 1, "impressions": 1}]}'),
        HttpAnswer(b"try later", 500),
    ],
    ids=lambda answer: f"{answer.status} {answer.body[:36].decode()}",
)
def test_an_answer_that_cannot_be_used_is_transient_and_asked_once(answer: HttpAnswer) -> None:
    with google(lambda body: answer) as (connector, bodies):
        with pytest.raises(TransientError) as told:
            read(connector)
        assert len(bodies) == 1
    assert "<" not in str(told.value)


def test_a_token_that_google_calls_expired_is_replaced_once() -> None:
    asked: list[int] = []

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        asked.append(1)
        if len(asked) == 1:
            return error(401, "authError", "Invalid Credentials")
        return {} if body["startRow"] else rows([body["startDate"], "q"])

    with google(answer) as (connector, _):
        assert len(read(connector, window=FIRST_DAY)[1]) == 1
    assert len(asked) == 3  # refused, a page, the empty page


def test_a_token_that_stays_refused_is_an_auth_error() -> None:
    with google(lambda body: error(401, "authError", "bad canary-access-token")) as (
        connector,
        bodies,
    ):
        with pytest.raises(AuthError) as told:
            read(connector)
        assert len(bodies) == 2
    assert "canary" not in "".join(traceback.format_exception(told.value))


def test_a_server_that_says_nothing_runs_into_the_timeout() -> None:
    over = threading.Event()

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        over.wait(10)
        return {}

    with google(answer, timeout_seconds=0.3) as (connector, _):
        with pytest.raises(TransientError):
            read(connector)
        over.set()


def test_a_server_that_is_not_there_is_transient() -> None:
    with google(lambda body: {}) as (connector, _):
        read(connector, window=FIRST_DAY)
    with pytest.raises(TransientError):  # the server is gone, the connector opens a new connection
        read(connector, window=FIRST_DAY)


def test_plain_http_is_for_this_machine_only() -> None:
    with pytest.raises(SourceError, match="https"):
        SearchConsole(connect("https://token.example", "http://search.example"))


# --- accounts ---------------------------------------------------------------------------------


def sites(*ids: str, discover: bool = False) -> list[Account]:
    with google(lambda body: recorded("sites")) as (connector, _):
        return connector.accounts(AccountSelection(ids, discover))


def test_a_listed_site_is_enabled_and_its_days_are_pacific() -> None:
    (account,) = sites(SITE)
    assert (account.account_id, account.status) == (SITE, "enabled")
    assert account.time_zone == "America/Los_Angeles"
    assert account.currency_code is None


@pytest.mark.parametrize(
    ("listed", "near"),
    [
        ("https://www.fietsgoed.example/", "sc-domain:fietsgoed.example"),
        ("sc-domain:tulpenthee.example", "https://www.tulpenthee.example/"),
        ("https://www.tulpenthee.example", "https://www.tulpenthee.example/"),
    ],
)
def test_a_site_written_as_the_other_kind_is_refused_with_the_one_that_was_meant(
    listed: str, near: str
) -> None:
    good, wrong = sites(SITE, listed)
    assert good.status == "enabled"
    assert wrong.status == "refused"
    assert isinstance(wrong.problem, AccessError)
    assert f"did you mean {near}?" in str(wrong.problem)


def test_a_site_of_someone_else_is_refused_with_both_ways_of_writing() -> None:
    (account,) = sites("https://elsewhere.example/")
    assert account.problem is not None
    assert "did you mean" not in str(account.problem)
    assert "sc-domain:example.nl" in account.problem.hint


def test_an_unverified_site_is_refused() -> None:
    (account,) = sites("https://oud.fietsgoed.example/")
    assert account.status == "refused"
    assert account.problem is not None
    assert account.problem.reason == "siteUnverifiedUser"


def test_discovery_finds_the_verified_sites() -> None:
    found = [account.account_id for account in sites(discover=True)]
    assert found == [SITE, "https://www.tulpenthee.example/"]


def test_a_list_of_sites_that_is_no_list_is_transient() -> None:
    for answer in (
        HttpAnswer(b"<html></html>"),
        HttpAnswer(b"[1]"),
        HttpAnswer(b'{"siteEntry":7}'),
    ):
        with (
            google(lambda body, answer=answer: answer) as (connector, _),
            pytest.raises(TransientError),
        ):
            connector.accounts(AccountSelection((SITE,)))
