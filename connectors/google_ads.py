"""Google Ads: accounts under a manager, and daily figures streamed into Arrow.

The vendor's client gives the messages and the request's metadata; rows are
decoded from the raw bytes of the channel (see ``proto_columns.py`` for why).
Nothing is retried here: the flow retries by error class.

Source: https://developers.google.com/google-ads/api/docs/reporting/streaming
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module, metadata
from threading import Lock
from typing import Any, Literal

import grpc
import pyarrow as pa
import pyarrow.compute as pc
from google.ads.googleads.interceptors import MetadataInterceptor
from google.api_core.exceptions import GoogleAPICallError
from google.api_core.gapic_v1.client_info import ClientInfo

from connectors import tables
from connectors.base import (
    AccessError,
    Account,
    AccountSelection,
    AuthError,
    Connection,
    DateWindow,
    RefusedReportError,
    Reply,
    SourceError,
    Table,
    TransientError,
)
from connectors.google_ads_errors import read_refusal, source_error
from connectors.google_ads_queries import API_VERSION, CUSTOMER_CLIENTS, QUERIES, Query
from connectors.google_ads_reports import Asked, AskedQuery
from connectors.google_credentials import grpc_channel, make_credentials, refresh_first
from connectors.proto_columns import ProtoColumns, json_lists

SCOPE = "https://www.googleapis.com/auth/adwords"
DEFAULT_ENDPOINT = "googleads.googleapis.com:443"
# The API sends at most 10,000 rows in a message; a larger one is split.
BATCH_ROWS = 10_000

_SERVICES = f"google.ads.googleads.{API_VERSION}.services"
_SEARCH = f"/{_SERVICES}.GoogleAdsService/Search"
_SEARCH_STREAM = f"/{_SERVICES}.GoogleAdsService/SearchStream"
_messages = import_module(f"{_SERVICES}.types.google_ads_service")

_CHANNEL_OPTIONS = [
    ("grpc.max_metadata_size", 16 * 1024 * 1024),
    # a message's size is Google's to choose; a limit would surface as RESOURCE_EXHAUSTED
    ("grpc.max_receive_message_length", -1),
    # the reading thread drives the stream itself: less switching per message, as the client does
    (grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1),
]
_client_info: Any = ClientInfo  # google.api_core is only partly typed
_USER_AGENT: str = _client_info(
    client_library_version=metadata.version("google-ads")
).to_user_agent()


class GoogleAds:
    """The Google Ads API through google-ads, at the version in ``API_VERSION``.

    Raises AuthError when the connection holds no usable credential.
    """

    source = "google_ads"
    tables = tables.tables_of("google_ads")

    def __init__(self, connection: Connection) -> None:
        self._timeout = connection.timeout_seconds
        self._login = _digits(connection.login_customer_id)
        # accounts found through another manager than the connection's
        self._login_of: dict[str, str | None] = {}
        self._credentials = make_credentials(connection, [SCOPE])
        self._renewing = Lock()
        # a token fetched because the API refused the one before, until it has worked
        self._renewed_token: str | None = None
        secrets = (connection.developer_token, connection.client_secret, connection.refresh_token)
        self._secrets = [secret.get_secret_value() for secret in secrets if secret]
        channel = grpc_channel(
            self._credentials,
            connection.endpoint or DEFAULT_ENDPOINT,
            connection.ca_file,
            _CHANNEL_OPTIONS,
        )
        token = connection.developer_token
        self._closable = channel
        self._channel = grpc.intercept_channel(
            channel,
            MetadataInterceptor(developer_token=token.get_secret_value() if token else None),
        )

    def close(self) -> None:
        self._closable.close()

    # --- accounts -----------------------------------------------------------------------------

    def accounts(self, selection: AccountSelection) -> list[Account]:
        """Return the listed accounts, or all at or below the manager, once each.

        Without a ``login_customer_id`` discovery starts at every account that the
        user can open. Managers are left out; a listed one is ``refused``.
        TransientError is raised, for the flow to try the whole selection again.
        """
        login = _digits(selection.login_customer_id) or self._login
        found: dict[str, Account] = {}
        if selection.discover:
            for account in self._under(login, login) if login else self._accessible():
                known = found.get(account.account_id)
                if known is None or known.status != "enabled":
                    found[account.account_id] = account
        for listed in selection.ids:
            account_id = _digits(listed) or listed
            if account_id not in found:
                found[account_id] = self._listed(account_id, login)
        return list(found.values())

    def _listed(self, account_id: str, login: str | None) -> Account:
        self._login_of[account_id] = login
        try:
            rows = self._rows(QUERIES[tables.ADS_ACCOUNT], tables.ADS_ACCOUNT, account_id, login)
            if not rows:
                raise AccessError(
                    f"Google Ads {account_id}: no such account",
                    reason="CUSTOMER_NOT_FOUND",
                    hint="check the customer id",
                )
            if rows[0]["is_manager"]:
                raise AccessError(
                    f"Google Ads {account_id}: a manager account has no figures of its own",
                    reason="REQUESTED_METRICS_FOR_MANAGER",
                    hint="list the accounts under it, or use discover: true",
                )
        except SourceError as problem:
            if isinstance(problem, TransientError) or problem.scope == "source":
                raise
            return Account(self.source, account_id, status="refused", problem=problem)
        return _account(rows[0])

    def _under(self, root: str, login: str | None) -> Iterator[Account]:
        try:
            rows = self._rows(CUSTOMER_CLIENTS, tables.ADS_ACCOUNT, root, login)
        except AccessError as problem:
            # where the search starts refuses, so nothing can be found
            raise _scoped(problem, "source") from problem
        for row in rows:
            if not row["is_manager"]:
                # an account of the user's own is opened as itself
                self._login_of[row["account_id"]] = login if row["account_id"] == root else root
                yield _account(row)

    def _accessible(self) -> Iterator[Account]:
        roots = self._accessible_ids()
        for root in roots:
            try:
                yield from self._under(root, None)
            except AccessError as problem:
                if problem.reason == "CUSTOMER_NOT_ENABLED":
                    # closed accounts stay in the list; that is no failure
                    yield Account(self.source, root, status="not_enabled")
                else:
                    told = _scoped(problem, "account")
                    yield Account(self.source, root, status="refused", problem=told)

    def accessible_customers(self) -> list[str]:
        """Return the customers that the user opens without a manager: managers and accounts."""
        return self._accessible_ids()

    def _accessible_ids(self) -> list[str]:
        service = import_module(f"{_SERVICES}.services.customer_service")
        transport = service.CustomerServiceClient.get_transport_class("grpc")(channel=self._channel)
        client = service.CustomerServiceClient(transport=transport)
        token = self._ready_token()
        try:
            reply = client.list_accessible_customers(timeout=self._timeout, retry=None)
        except GoogleAPICallError as e:
            raise self._judge(e, "", token) from self._harmless(e)
        return [name.rpartition("/")[2] for name in reply.resource_names]

    def _rows(
        self, query: Query, table: Table, account_id: str, login: str | None
    ) -> list[dict[str, Any]]:
        reply = Reply(iter(()))
        batches = self._stream(query, table, account_id, login, None, reply)
        return [row for batch in batches for row in batch.to_pylist()]

    # --- figures ------------------------------------------------------------------------------

    def fetch(self, table: Table, account: Account, window: DateWindow) -> Reply:
        """Stream one table of one account in batches of at most 10,000 rows.

        Figures are in the account's own time zone and currency; days on which
        nothing happened have no row. ``account`` and ``conversion_action``
        describe the present, whatever the window. Google announces no row
        count; a stream that does not end well raises.
        """
        login = self._login_of.get(account.account_id, self._login)
        reply = Reply(iter(()), metadata={"api_version": API_VERSION})
        query = _query_of(table)
        read = self._by_moment if query.moment else self._stream
        reply.batches = read(query, table, account.account_id, login, window, reply)
        return reply

    def check(self, table: Table, account: Account) -> None:
        """Have Google judge the query of a table, without reading any data.

        Raises RefusedReportError with Google's own words, or another SourceError
        when it could not be asked.
        """
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        request = _messages.SearchGoogleAdsRequest(
            customer_id=account.account_id,
            query=_query_of(table).gaql(DateWindow(yesterday, yesterday)),
            validate_only=True,
        )
        token = self._ready_token()
        try:
            self._channel.unary_unary(_SEARCH)(
                _messages.SearchGoogleAdsRequest.serialize(request),
                timeout=self._timeout,
                metadata=self._about(
                    account.account_id, self._login_of.get(account.account_id, self._login)
                ),
            )
        except grpc.RpcError as e:
            problem = self._judge(e, account.account_id, token)
            if isinstance(problem, AuthError | AccessError | TransientError):
                raise problem from self._harmless(e)
            raise RefusedReportError(
                f"Google Ads refuses the query: {problem.message}",
                reason=problem.reason,
                request_id=problem.request_id,
                hint="correct the query in koers.yaml",
            ) from self._harmless(e)
        self._worked(token)

    def _about(self, account_id: str, login: str | None) -> list[tuple[str, str]]:
        """The metadata of a call."""
        about = [
            ("x-goog-request-params", f"customer_id={account_id}"),
            ("x-goog-api-client", _USER_AGENT),
        ]
        return [*about, ("login-customer-id", login)] if login else about

    def _by_moment(
        self,
        query: Query,
        table: Table,
        account_id: str,
        login: str | None,
        window: DateWindow,
        reply: Reply,
    ) -> Iterator[pa.RecordBatch]:
        """Read on from the moment of the last row until fewer rows come than may be asked for.

        More rows of one moment than that are given by no answer: the moment is
        then noted, and what follows it is read.
        """
        column = {path: name for name, path in query.fields.items()}[query.moment]
        key, since = table.key[-1], ""
        given: pa.Array = pa.array([], pa.string())  # what came of the moment to read on from
        while True:
            page: list[pa.RecordBatch] = []
            asked = replace(query, since=since)
            for batch in self._stream(asked, table, account_id, login, window, reply):
                page.append(batch.select([column, key]))
                yield batch.filter(pc.invert(pc.is_in(batch[key], given)))
            rows = pa.Table.from_batches(page).combine_chunks() if page else None
            if rows is None or rows.num_rows < query.limit:
                return
            reached = pc.max(rows[column]).as_py()
            if reached == since:
                reply.metadata.setdefault("moments_at_row_limit", []).append(since)
                reached = str(datetime.fromisoformat(since) + timedelta(microseconds=1))
            since = reached
            given = rows.filter(pc.equal(rows[column], reached))[key].combine_chunks()

    def _stream(
        self,
        query: Query,
        table: Table,
        account_id: str,
        login: str | None,
        window: DateWindow | None,
        reply: Reply,
    ) -> Iterator[pa.RecordBatch]:
        token = self._ready_token()
        request = _messages.SearchGoogleAdsStreamRequest(
            customer_id=account_id, query=query.gaql(window)
        )
        # without serializers bytes go in and bytes come out
        call = self._channel.unary_stream(_SEARCH_STREAM)(
            _messages.SearchGoogleAdsStreamRequest.serialize(request),
            timeout=self._timeout,
            metadata=self._about(account_id, login),
        )
        columns = _columns_of(query)
        try:
            for message in call:
                self._worked(token)
                batch, told = _batch(columns, query, table, message, account_id)
                _note(reply, told["request_id"])
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    yield batch.slice(start, BATCH_ROWS)
            _note(reply, dict(call.trailing_metadata() or ()).get("request-id", ""))
        except grpc.RpcError as e:
            raise self._judge(e, account_id, token) from self._harmless(e)
        except ValueError as e:
            raise SourceError(
                f"Google Ads {account_id}: the answer cannot be read: {e}",
                reason="unreadable_answer",
                request_id=reply.request_ids[-1] if reply.request_ids else "",
                hint="check endpoint; if it is Google's own, report this",
            ) from e
        finally:
            call.cancel()  # for a reader that stops early; nothing after the end

    # --- the credential -----------------------------------------------------------------------

    def _ready_token(self) -> str | None:
        refresh_first(self._credentials)
        token: str | None = self._credentials.token
        return token

    def _judge(self, error: Exception, account_id: str, token: str | None) -> SourceError:
        """Say what an error of the call means; ``token`` is what the call was made with."""
        refusal = read_refusal(error)
        judged = source_error(refusal, account_id)
        try:
            if refusal.is_expired_token:
                judged = self._renew(judged, token)
            elif not isinstance(judged, AuthError | TransientError):
                self._worked(token)
        except SourceError as told_by_token_endpoint:
            return told_by_token_endpoint
        return self._without_secrets(judged)

    def _worked(self, token: str | None) -> None:
        if token == self._renewed_token:
            self._renewed_token = None

    def _renew(self, judged: SourceError, refused: str | None) -> SourceError:
        """Fetch a new token once; a fresh one that is refused too is a bad credential."""
        with self._renewing:
            if refused is not None and refused == self._renewed_token:
                return AuthError(
                    judged.message,
                    reason=judged.reason,
                    request_id=judged.request_id,
                    hint="sign in again and replace refresh_token",
                )
            if self._credentials.token == refused:  # no other thread was first
                refresh_first(self._credentials, force=True)
                self._renewed_token = self._credentials.token
        return TransientError(
            judged.message,
            reason=judged.reason,
            request_id=judged.request_id,
            hint="the access token was renewed",
            retry_after_seconds=0.0,
        )

    def _without_secrets(self, error: SourceError) -> SourceError:
        for secret in self._known_secrets():
            error.message = error.message.replace(secret, "…")
        error.args = (error.message,)
        return error

    def _harmless(self, cause: Exception) -> Exception | None:
        """The cause for the traceback, unless its text repeats a secret."""
        told = str(cause)
        return None if any(secret in told for secret in self._known_secrets()) else cause

    def _known_secrets(self) -> list[str]:
        token = self._credentials.token
        return [*self._secrets, *([token] if token else [])]


def _query_of(table: Table) -> Query:
    """What is asked for a table: the user's query for one of theirs."""
    return AskedQuery.of(table.asks) if isinstance(table.asks, Asked) else QUERIES[table]


@cache
def _columns_for(fields: tuple[str, ...]) -> ProtoColumns:
    reply = _messages.SearchGoogleAdsStreamResponse.pb().DESCRIPTOR
    return ProtoColumns(reply, "results", fields, ("request_id",))


def _columns_of(query: Query) -> ProtoColumns:
    return _columns_for(tuple(query.fields.values()))


def _batch(
    columns: ProtoColumns, query: Query, table: Table, message: bytes, account_id: str
) -> tuple[pa.RecordBatch, dict[str, Any]]:
    """One message of the stream as a batch of the table's schema.

    What tells no account is of the one that was asked.

    Raises ValueError where it cannot be read or a key is missing.
    """
    arrays, told = columns.decode(message)
    by_name = dict(zip(query.fields, arrays, strict=True))
    filled = []
    for field in table.schema:
        array = by_name.get(field.name)
        if array is None:
            array = pa.repeat(pa.scalar(account_id), len(arrays[0]))
        if pa.types.is_list(array.type):
            array = (
                pc.binary_join(array.cast(pa.list_(pa.string())), ",")
                if table.asks is None
                else json_lists(array)
            )
        if query.moment and pa.types.is_date(field.type):
            array = pc.utf8_slice_codeunits(array, 0, len("2026-11-20"))
        if field.name.endswith("_id") and pa.types.is_string(array.type):
            array = pc.replace_substring_regex(array, "^customers/.*/", "")  # a resource name
        array = array.cast(field.type)
        if field.name in query.blank:
            array = pc.fill_null(array, "")
        if array.null_count and not field.nullable:
            raise ValueError(f"a row without {query.fields[field.name]}")
        filled.append(array)
    return pa.RecordBatch.from_arrays(filled, schema=table.schema), told


def _account(row: dict[str, Any]) -> Account:
    return Account(
        "google_ads",
        row["account_id"],
        name=row["account_name"] or "",
        currency_code=row["currency_code"],
        time_zone=row["time_zone"],
        status="enabled" if row["status"] == "ENABLED" else "not_enabled",
    )


def _scoped(problem: AccessError, scope: Literal["account", "source"]) -> AccessError:
    return AccessError(
        problem.message,
        reason=problem.reason,
        request_id=problem.request_id,
        hint=problem.hint,
        scope=scope,
    )


def _note(reply: Reply, request_id: Any) -> None:
    if request_id and request_id not in reply.request_ids:
        reply.request_ids.append(str(request_id))


def _digits(customer_id: str | None) -> str | None:
    """``123-456-7890`` as Google Ads shows it, as the API wants it."""
    return customer_id.replace("-", "").replace(" ", "") if customer_id else None
