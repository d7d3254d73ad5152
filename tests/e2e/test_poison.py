"""What becomes of every poison, from the vendor's wire to the warehouse.

The rule: what cannot be read, breaks the table's promise or cannot be true is
refused as a whole slice and what was stored stays; what is merely unexpected is
stored as it came.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connectors import tables
from connectors.base import (
    Account,
    AccountSelection,
    Connection,
    Connector,
    DateWindow,
    Slice,
    SourceError,
    Table,
    TransientError,
)
from connectors.registry import open_connector
from connectors.sandbox.faults import Fault, FaultSource
from connectors.sandbox.poison import EMOJI, LONG_NAME, POISONS
from connectors.sandbox.server import Ports, Sandbox
from flows.landing import land, now
from flows.warehouse import RefusedSliceError, Warehouse, replace_slice

pytestmark = pytest.mark.e2e

DAYS = DateWindow(date(2026, 11, 2), date(2026, 11, 4))
ADS = Account("google_ads", "1111111111", currency_code="EUR")
GA4 = Account("ga4", "311111111", currency_code="EUR")
SITE = Account("search_console", "sc-domain:fietsgoed.example")

# what the warehouse refuses, of every source
BROKEN = ("nan", "inf", "-inf", "negative", "int64_min", "duplicate_key", "outside_window")
IMPOSSIBLE = ("huge", "int64_max", "all_unset")
# what no connector can read
UNREADABLE = ("bad_date", "date_format", "invalid_utf8", "lone_surrogate")
NOT_NUMBERS = ("over_int64", "not_a_number", "fraction")
# what is stored as it came
STORED = ("control_characters", "emoji", "long_name", "unknown_field")


@dataclass(frozen=True)
class Case:
    name: str
    source: FaultSource
    table: Table
    account: Account
    refused: tuple[str, ...]
    unreadable: tuple[str, ...]
    stored: tuple[str, ...]

    @property
    def outcomes(self) -> dict[str, str]:
        return {
            **dict.fromkeys(self.refused, "refused"),
            **dict.fromkeys(self.unreadable, "unreadable"),
            **dict.fromkeys(self.stored, "stored"),
        }


_REPORT = Case(
    "ga4",
    "ga4",
    tables.GA4_CHANNEL_DAY,
    GA4,
    (*BROKEN, *IMPOSSIBLE),
    (*UNREADABLE, *NOT_NUMBERS, "announces_more", "announces_fewer"),
    (*STORED, "unknown_enum", "empty_id"),
)
CASES = (
    Case(
        "google_ads",
        "google_ads",
        tables.ADS_CAMPAIGN_DAY,
        ADS,
        (*BROKEN, *IMPOSSIBLE),
        (*UNREADABLE, "empty_id"),
        (*STORED, "unknown_enum"),
    ),
    _REPORT,
    replace(_REPORT, name="ga4_rest"),
    Case(
        "search_console",
        "search_console",
        tables.GSC_QUERY_DAY,
        SITE,
        (*BROKEN, "huge", "all_unset"),
        # figures are doubles on this wire: 2^63 - 1 is not one
        (*UNREADABLE, *NOT_NUMBERS, "int64_max"),
        (*STORED, "empty_id"),
    ),
)


class Place:
    """A running sandbox, a connector for each case, and one open warehouse."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        told, secret = sandbox.endpoints, sandbox.endpoints["credentials"]
        base = Connection(
            ca_file=Path(told["ca_file"]),
            token_uri=told["token_uri"],
            developer_token=SecretStr(secret["developer_token"]),
            client_id=secret["client_id"],
            client_secret=SecretStr(secret["client_secret"]),
            refresh_token=SecretStr(secret["refresh_token"]),
            login_customer_id="1000000001",
        )
        self.connectors: dict[str, Connector] = {
            "google_ads": open_connector("google_ads", replace(base, endpoint=told["google_ads"])),
            "ga4": open_connector("ga4", replace(base, endpoint=told["ga4_grpc"])),
            "ga4_rest": open_connector(
                "ga4", replace(base, endpoint=told["ga4_rest"], transport="rest")
            ),
            "search_console": open_connector(
                "search_console", replace(base, endpoint=told["search_console"])
            ),
        }
        self.warehouse = Warehouse(folder / "koers.duckdb", folder / "landing")

    def load(self, case: Case, connection: Any) -> None:
        reply = self.connectors[case.name].fetch(case.table, case.account, DAYS)
        piece = Slice("shop", case.table, case.account, DAYS)
        replace_slice(connection, land(piece, reply, self.folder / "landing", now()))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("poison")
    with Sandbox(folder / "sandbox", ports=Ports.free()) as sandbox:
        place = Place(sandbox, folder)
        yield place
        for connector in place.connectors.values():
            connector.close()


@pytest.fixture(autouse=True)
def _clean(place: Place) -> Iterator[None]:
    yield
    place.sandbox.faults.clear()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_poison_ends_as_the_rule_says(place: Place, case: Case) -> None:
    with place.warehouse.open() as connection:

        def stored() -> list[tuple[Any, ...]]:
            return connection.execute(
                f"select * exclude loaded_at from raw.{case.table.name} order by all"
            ).fetchall()

        place.load(case, connection)
        clean, found = stored(), dict[str, str]()
        for poison in POISONS:
            place.sandbox.faults.clear()
            place.sandbox.faults.add(Fault("poison", case.source, detail=poison))
            try:
                place.load(case, connection)
            except RefusedSliceError:
                found[poison] = "refused"
            except SourceError as problem:
                assert problem.scope == "slice"
                found[poison] = "unreadable"
            else:
                if place.sandbox.faults.waiting():
                    continue  # this answer cannot have it
                found[poison] = "stored"
                place.load(case, connection)
            assert stored() == clean, poison

        assert found == case.outcomes


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_names_come_through_as_they_were_sent(place: Place, case: Case) -> None:
    connector = place.connectors[case.name]
    for poison, name in (("emoji", EMOJI), ("long_name", LONG_NAME)):
        place.sandbox.faults.add(Fault("poison", case.source, detail=poison))
        batches = list(connector.fetch(case.table, case.account, DAYS).batches)
        values = {v for row in batches[0].to_pylist() for v in row.values() if isinstance(v, str)}
        assert name in values


def test_an_account_list_that_cannot_be_read_is_told_as_such(place: Place) -> None:
    place.sandbox.faults.add(
        Fault("poison", "google_ads", detail="invalid_utf8", asks="FROM customer_client")
    )
    with pytest.raises(SourceError, match="cannot be read"):
        place.connectors["google_ads"].accounts(AccountSelection(discover=True))


def test_an_hour_without_quota_says_how_long_it_still_is(place: Place) -> None:
    faults = place.sandbox.faults
    faults.add(Fault("quota", "google_ads", "1111111111", lasts_seconds=3_600, detail="hour"))
    case, waits = CASES[0], []
    for _ in range(2):
        with pytest.raises(TransientError) as told:
            list(place.connectors["google_ads"].fetch(case.table, ADS, DAYS).batches)
        waits.append(told.value.retry_after_seconds or 0)
        faults.advance(1_800)
    assert waits == [pytest.approx(3_600, abs=30), pytest.approx(1_800, abs=30)]
    assert list(place.connectors["google_ads"].fetch(case.table, ADS, DAYS).batches)


@pytest.mark.parametrize(
    ("reason", "kind", "scope"),
    [
        ("UNSUPPORTED_VERSION", "SourceError", "source"),
        ("UNIMPLEMENTED", "SourceError", "source"),
        ("UNRECOGNIZED_FIELD", "SourceError", None),
        ("OAUTH_TOKEN_REVOKED", "AuthError", "source"),
        ("CUSTOMER_NOT_ENABLED", "AccessError", "account"),
    ],
)
def test_a_refusal_of_google_ads_is_judged_by_its_code(
    place: Place, reason: str, kind: str, scope: str | None
) -> None:
    place.sandbox.faults.add(Fault("refusal", "google_ads", reason=reason))
    with pytest.raises(SourceError) as told:
        list(place.connectors["google_ads"].fetch(CASES[0].table, ADS, DAYS).batches)
    assert type(told.value).__name__ == kind
    assert scope in (None, told.value.scope)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_connection_that_is_reset_is_worth_another_try(place: Place, case: Case) -> None:
    place.sandbox.faults.add(Fault("reset", case.source))
    with pytest.raises(TransientError):
        list(place.connectors[case.name].fetch(case.table, case.account, DAYS).batches)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_slow_answer_is_whole_in_the_end(place: Place, case: Case) -> None:
    def rows() -> int:
        reply = place.connectors[case.name].fetch(case.table, case.account, DAYS)
        return sum(batch.num_rows for batch in reply.batches)

    whole = rows()
    place.sandbox.faults.add(Fault("slow", case.source, pause_seconds=0.01))
    assert rows() == whole
    assert not place.sandbox.faults.waiting()
