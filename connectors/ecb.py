"""The European Central Bank's euro reference rates: published every business day at about 16:00.

There is one file with every day since 1999, without a login. The same file, of
the years that matter, is part of the package (`EmbeddedRates`), for where the
ECB cannot be reached; ``connectors/ecb_rates/README.md`` says where it is from.

Source: https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/
"""

from __future__ import annotations

import io
import re
import threading
import zipfile
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import requests

from connectors import tables
from connectors.base import (
    Account,
    AccountSelection,
    Connection,
    DateWindow,
    Reply,
    SourceError,
    Table,
    TransientError,
)
from connectors.deadlines import BoundedAdapter, deadline, overdue
from connectors.google_credentials import check_url, is_loopback

HOST = "https://www.ecb.europa.eu"
PATH = "/stats/eurofxref/eurofxref-hist.zip"
# there is one series of rates for everybody
SERIES = Account("ecb", "eurofxref", name="ECB euro reference rates")
EMBEDDED = Path(__file__).parent / "ecb_rates" / "eurofxref-hist.zip"
# A run can do without: nobody waits longer for 650 kB. Large slices have 300 seconds elsewhere.
MOST_SECONDS = 30.0
# the file unpacked has 2 MB after 28 years; what is far larger is something else
MOST_BYTES = 20_000_000

_CODE = re.compile(r"[A-Z]{3}")


class Ecb:
    """The ECB's own file, read once for all slices of a run. Safe to use from several threads.

    ``endpoint`` is a host that serves it under the ECB's own path. Raises
    SourceError of scope ``source`` when the connection itself cannot be used.
    """

    source = "ecb"
    tables: tuple[Table, ...] = tables.tables_of("ecb")

    def __init__(self, connection: Connection) -> None:
        self.url = check_url(connection.endpoint or HOST, "endpoint") + PATH
        self._seconds = min(connection.timeout_seconds, MOST_SECONDS)
        self._session = requests.Session()
        self._session.headers["Accept-Encoding"] = "identity"  # it is packed already
        # a loopback address is never reached through a proxy
        self._session.trust_env = not is_loopback(self.url)
        if connection.ca_file is not None:
            self._session.verify = str(connection.ca_file)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, BoundedAdapter())
        self._lock = threading.Lock()
        self._rates: pa.Table | None = None

    def accounts(self, selection: AccountSelection) -> list[Account]:
        """Return the one series that there is."""
        return [SERIES]

    def fetch(self, table: Table, account: Account, window: DateWindow) -> Reply:
        """Ask for the rates of the business days in ``window``; both ends are included.

        ``metadata`` says where they are from and up to which day the file goes.
        """
        with self._lock:
            if self._rates is None:
                self._rates = self._read()
        return _reply(self._rates, self.url, table, account, window)

    def check(self, table: Table, account: Account) -> None:
        """Nothing is asked of the ECB but its one file."""

    def close(self) -> None:
        self._session.close()

    def _read(self) -> pa.Table:
        try:
            with (
                deadline(self._seconds),
                self._session.get(
                    self.url,
                    stream=True,
                    allow_redirects=False,
                    timeout=self._seconds,
                ) as answer,
            ):
                if answer.status_code != 200:
                    raise _refused(answer.status_code)
                packed = answer.raw.read(MOST_BYTES + 1)
                announced = answer.headers.get("content-length")
        except OSError as e:  # those of requests are OSErrors
            raise (
                overdue(e, "the ECB")
                or TransientError(
                    f"the ECB could not be reached: {type(e).__name__}", reason="unreachable"
                )
            ) from e
        except Exception as e:
            if isinstance(e, SourceError):
                raise
            # what urllib3 raises while the body is read
            raise TransientError(
                f"the ECB's answer broke off: {type(e).__name__}", reason="unreachable"
            ) from e
        if announced is not None and announced != str(len(packed)):
            raise _malformed("cut off")
        return parse(packed)


class EmbeddedRates:
    """The ECB's rates that are part of the package; needs nothing and nobody."""

    @property
    def last_day(self) -> date:
        """The last day that has rates."""
        last: date = pc.max(_embedded().column("date_day")).as_py()
        return last

    def fetch(self, table: Table, account: Account, window: DateWindow) -> Reply:
        """As `Ecb.fetch`, out of the package."""
        return _reply(_embedded(), "embedded", table, account, window)


@lru_cache(maxsize=1)
def _embedded() -> pa.Table:
    return parse(EMBEDDED.read_bytes())


def _reply(
    rates: pa.Table, origin: str, table: Table, account: Account, window: DateWindow
) -> Reply:
    if table.name != tables.ECB_RATE_DAY.name:
        raise ValueError(f"{table.name} is not a table of the ECB")
    days = rates.column("date_day")
    within = pc.and_(
        pc.greater_equal(days, pa.scalar(window.start)), pc.less_equal(days, pa.scalar(window.end))
    )
    last: date | None = pc.max(days).as_py()
    return Reply(
        _batches(rates.filter(within), table, account),
        metadata={"origin": origin, "last_day": str(last)},
    )


def _batches(rates: pa.Table, table: Table, account: Account) -> Iterator[pa.RecordBatch]:
    if not rates.num_rows:
        return
    ids = pa.repeat(pa.scalar(account.account_id), rates.num_rows)
    yield from (
        rates.append_column("account_id", ids)
        .select(table.schema.names)
        .cast(table.schema)
        .combine_chunks()
        .to_batches()
    )


# --- the file ---------------------------------------------------------------------------------


def parse(packed: bytes) -> pa.Table:
    """Read the ECB's zip: one row a day and currency that has a rate, by day and currency.

    Columns ``date_day``, ``currency_code`` and ``rate`` (units of it for one
    euro). Raises TransientError for what is not that file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            (name,) = archive.namelist()
            if archive.getinfo(name).file_size > MOST_BYTES:
                raise _malformed("too large")
            wide = arrow_csv.read_csv(
                io.BytesIO(archive.read(name)),
                read_options=arrow_csv.ReadOptions(use_threads=False),
                convert_options=arrow_csv.ConvertOptions(null_values=["N/A", ""]),
            )
    except (zipfile.BadZipFile, ValueError, OSError, pa.ArrowException) as e:
        raise _malformed("cut off, or from another server") from e
    # every line ends with a comma: the last column has no name
    first, *codes = [name.strip() for name in wide.column_names if name.strip()]
    if first != "Date" or not codes or not all(_CODE.fullmatch(code) for code in codes):
        raise _malformed("other columns than the ECB's")
    if len(set(codes)) != len(codes):
        raise _malformed("a currency twice")
    wide = wide.select(range(1 + len(codes)))
    try:
        days = wide.column(0).cast(pa.date32())
        long = pa.concat_tables(
            pa.table(
                {
                    "date_day": days,
                    "currency_code": pa.repeat(pa.scalar(code), wide.num_rows),
                    "rate": column.cast(pa.float64()),
                }
            )
            for code, column in zip(codes, wide.columns[1:], strict=True)
        )
    except pa.ArrowException as e:
        raise _malformed("a day or a rate that is none") from e
    long = long.filter(pc.is_valid(long.column("rate")))
    if not long.num_rows or pc.any(pc.less_equal(long.column("rate"), 0.0)).as_py():
        raise _malformed("no rates, or one that is not above zero")
    return long.sort_by([("date_day", "ascending"), ("currency_code", "ascending")])


def _malformed(why: str) -> TransientError:
    return TransientError(
        f"the ECB's file of rates is not what it promises ({why})", reason="malformed_answer"
    )


def _refused(status: int) -> SourceError:
    reason = f"HTTP {status}"
    if status == 429 or status >= 500:
        return TransientError("the ECB could not answer", reason=reason)
    return SourceError(
        "the ECB's file of rates is not there",
        hint=f"endpoint is a host that serves {PATH}",
        scope="source",
        reason=reason,
    )
