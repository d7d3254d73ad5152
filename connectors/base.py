"""What every connector speaks: tables, accounts, days, replies and errors.

A connector turns one vendor's API into Arrow batches that match a declared
table. It knows nothing of DuckDB, Prefect or our configuration files.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

import pyarrow as pa
from pydantic import SecretStr


@dataclass(frozen=True)
class Column:
    """One column of a raw table, in the platform's own unit.

    A column is null only where the platform said nothing: null is unknown,
    zero is measured. Key columns are never null. ``is_count``: a number that is
    counted is never below zero; others (a bid, a coordinate) may be.
    """

    name: str
    type: pa.DataType
    means: str = ""
    is_count: bool = True


@dataclass(frozen=True)
class Table:
    """One raw table: ``raw.<source>__<grain>``.

    ``key`` names the columns that are unique together within an account;
    ``date_day`` is among them when the table is daily. ``columns`` are what the
    connector yields; the warehouse adds ``client`` and ``loaded_at``.
    ``max_days`` is the longest window that one slice has. ``requests_per_day``
    is how many requests a day of it costs; 0 where a slice is one request.
    ``retention_days`` is how far back the API goes (None: no limit known).
    ``optional`` tables are read only for clients that name them. ``covers`` says
    which part of an account's figures the rows hold; empty: all of it. ``asks`` is
    what the connector is to ask for a table that a user defined (connectors/reports.py);
    None: the connector knows its own tables. ``is_log``: a row
    is something that happened, whose numbers may all be unknown.
    """

    source: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    max_days: int = 31
    retention_days: int | None = None
    requests_per_day: int = 0
    optional: bool = False
    covers: str = ""
    asks: Hashable = None
    is_log: bool = False

    @property
    def name(self) -> str:
        return f"{self.source}__{self.grain}"

    @property
    def is_daily(self) -> bool:
        """False for a table that describes the present, such as the account list."""
        return "date_day" in self.key

    @property
    def schema(self) -> pa.Schema:
        return pa.schema(
            [pa.field(c.name, c.type, nullable=c.name not in self.key) for c in self.columns]
        )


@dataclass(frozen=True, order=True)
class DateWindow:
    """Whole days in the account's own time zone; both ends are included."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"window ends on {self.end}, before it starts on {self.start}")

    def __str__(self) -> str:
        return f"{self.start}..{self.end}"

    def __contains__(self, day: date) -> bool:
        return self.start <= day <= self.end

    @property
    def days(self) -> tuple[date, ...]:
        return tuple(
            self.start + timedelta(days=i) for i in range((self.end - self.start).days + 1)
        )


@dataclass(frozen=True)
class Account:
    """One ad account, GA4 property or Search Console site.

    ``account_id`` is digits without dashes for Google Ads, the property number
    for GA4, the exact site URL for Search Console. ``status`` is ``enabled``;
    ``not_enabled`` for one that discovery lists as closed, suspended or
    cancelled (skipped with a word); ``refused`` for one that was listed or
    enabled and yet could not be read (counts as failed, ``problem`` says why).
    Managers are never among them.
    """

    source: str
    account_id: str
    name: str = ""
    currency_code: str | None = None
    time_zone: str | None = None
    status: Literal["enabled", "not_enabled", "refused"] = "enabled"
    problem: SourceError | None = None


@dataclass(frozen=True)
class AccountSelection:
    """Which accounts of a source a client has: listed, or all under a manager."""

    ids: tuple[str, ...] = ()
    discover: bool = False
    login_customer_id: str | None = None


@dataclass(frozen=True)
class Slice:
    """The unit that is fetched, replaced and accounted for: whole, or not at all.

    ``as_of`` is the day of the run that asks: what the platform says of a day
    may change until that day has been left alone for long enough.
    """

    client: str
    table: Table
    account: Account
    window: DateWindow
    as_of: date | None = None

    def __str__(self) -> str:
        return f"{self.table.source} {self.table.grain} {self.account.account_id} {self.window}"


@dataclass(frozen=True)
class Connection:
    """How to reach one vendor, with secrets already resolved.

    ``endpoint`` is ``host:port`` for gRPC and a URL for REST; None is the
    vendor's own. ``admin_endpoint`` is the URL of GA4's list of properties.
    ``ca_file`` holds a private certificate authority.
    ``token_uri`` replaces Google's OAuth token endpoint. The credential is a
    refresh token with its OAuth client, or a service account's key file.
    """

    endpoint: str | None = None
    admin_endpoint: str | None = None
    ca_file: Path | None = None
    token_uri: str | None = None
    developer_token: SecretStr | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None
    json_key_file_path: Path | None = None
    login_customer_id: str | None = None
    transport: Literal["grpc", "rest"] = "grpc"
    data_state: Literal["final", "all"] = "final"
    timeout_seconds: float = 300.0


@dataclass
class Reply:
    """What came back for one slice.

    Iterate ``batches`` to the end first: the other fields are complete only
    then. ``announced_rows`` is the row count that the API itself stated, None
    where it states none. ``metadata`` must be plain JSON values: GA4's response
    metadata and quota, Search Console's first incomplete date, and the like.
    """

    batches: Iterator[pa.RecordBatch]
    request_ids: list[str] = field(default_factory=list)
    announced_rows: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


class Connector(Protocol):
    """One vendor. ``fetch`` may be called from several threads at once."""

    source: str
    tables: tuple[Table, ...]

    def accounts(self, selection: AccountSelection) -> list[Account]:
        """Resolve a selection to accounts with currency, time zone and status.

        An account that refuses is returned as ``refused`` with its problem, so
        that the others go on. Raises AuthError or another SourceError of scope
        ``source`` when nothing of this vendor can be read.
        """
        ...

    def fetch(self, table: Table, account: Account, window: DateWindow) -> Reply:
        """Ask for one slice; rows stream as Arrow batches of ``table.schema``.

        Both ends of ``window`` are included. A day without activity has no row.
        Raises a SourceError, here or while the batches are read.
        """
        ...

    def check(self, table: Table, account: Account) -> None:
        """Have the API judge what is asked for a table, without reading any data.

        Raises RefusedReportError when a field does not exist or does not go with
        the others, another SourceError when the API could not be asked.
        """
        ...

    def close(self) -> None: ...


class SourceError(Exception):
    """A vendor said no, or answered something that cannot be used.

    ``scope`` says who suffers: this ``slice``, this ``account``, or the whole
    ``source``. ``reason`` is the vendor's own code, ``request_id`` what their
    support asks for, ``hint`` what to do next. No secret is ever in the text.
    """

    scope: Literal["slice", "account", "source"] = "slice"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        request_id: str = "",
        hint: str = "",
        scope: Literal["slice", "account", "source"] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.request_id = request_id
        self.hint = hint
        if scope is not None:
            self.scope = scope

    def __str__(self) -> str:
        told = self.message
        if self.reason and self.reason not in told:
            told += f" ({self.reason})"
        if self.request_id:
            told += f" [request {self.request_id}]"
        if self.hint:
            told += f"; {self.hint}"
        return told

    def __reduce__(self) -> tuple[Any, ...]:  # errors cross process borders with their fields
        return (
            _rebuild_error,
            (
                type(self),
                self.message,
                self.reason,
                self.request_id,
                self.hint,
                self.scope,
                getattr(self, "retry_after_seconds", None),
            ),
        )


class AuthError(SourceError):
    """The credential itself is refused: do not retry, stop the source."""

    scope = "source"


class AccessError(SourceError):
    """This account may not be read with this credential (or is closed): skip it, go on."""

    scope = "account"


# the reason of a TransientError where a whole request took longer than `Connection` allows
DEADLINE_EXCEEDED = "deadline_exceeded"


class RefusedReportError(SourceError):
    """What is asked for one table is wrong: it alone cannot be read."""


class TransientError(SourceError):
    """It may work later: retry after ``retry_after_seconds`` (None: own backoff).

    Without a delay and of scope ``slice`` the answer broke off: the flow reads
    it again, then in smaller parts. With a delay a quota is used up, of the
    account or of the source as ``scope`` says, and is waited for.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None, **told: Any):
        super().__init__(message, **told)
        self.retry_after_seconds = retry_after_seconds


def _rebuild_error(
    cls: type[SourceError],
    message: str,
    reason: str,
    request_id: str,
    hint: str,
    scope: Literal["slice", "account", "source"],
    retry_after_seconds: float | None,
) -> SourceError:
    told: dict[str, Any] = {
        "reason": reason,
        "request_id": request_id,
        "hint": hint,
        "scope": scope,
    }
    if issubclass(cls, TransientError):
        told["retry_after_seconds"] = retry_after_seconds
    return cls(message, **told)


# --- messages out -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """How a channel answered one message.

    ``sent``: accepted. ``retry``: surely not delivered, try again after
    ``retry_after_seconds``. ``unknown``: a time-out or 5xx, perhaps delivered.
    ``failed``: refused for good; use the fallback route. ``refused`` names the
    recipients that were refused while others were served: for good, or with
    ``retry`` for now; then ``given_up`` names those refused for good.
    ``receipt`` is how the channel knows the message, such as Slack's ts.
    """

    state: Literal["sent", "retry", "unknown", "failed"]
    error: str = ""
    retry_after_seconds: float | None = None
    refused: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()
    receipt: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SlackPicture:
    """A PNG to upload: ``title`` stands over it, ``alt`` tells it to who cannot see it."""

    name: str  # the file's
    png: bytes
    title: str
    alt: str


@dataclass(frozen=True)
class SlackMessage:
    """Block Kit blocks and the plain text that notifications show.

    The rest is for a bot; a webhook can do nothing with it. Messages of one
    ``thread`` (a key; empty: none) are replies to the first of them; ``to_channel``
    shows such a reply in the channel as well, and ``head_note`` (mrkdwn) is what
    the first then says of where things stand. ``pictures`` come into the thread,
    with ``legend`` (mrkdwn) saying what their lines mean.
    """

    text: str
    blocks: Sequence[dict[str, Any]]
    thread: str = ""
    to_channel: bool = False
    head_note: str = ""
    pictures: tuple[SlackPicture, ...] = ()
    legend: str = ""


@dataclass(frozen=True)
class MailMessage:
    """One mail: plain text, HTML, and PNG pictures by content id (alt text is in the HTML)."""

    subject: str
    text: str
    html: str
    pictures: tuple[tuple[str, bytes], ...] = ()
    language: str = "en"
    sent_at: datetime | None = None
    unsubscribe: str = ""  # mailto: or https:, for List-Unsubscribe
