"""Protobuf bytes to Arrow columns: the same values as the vendor's own classes read."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from google.ads.googleads.v26.services.types.google_ads_service import (
    SearchGoogleAdsStreamResponse,
)

from connectors import tables
from connectors.google_ads_queries import QUERIES
from connectors.proto_columns import ProtoColumns

RESPONSE = SearchGoogleAdsStreamResponse
REPLY = RESPONSE.pb(RESPONSE()).DESCRIPTOR
PATHS = tuple(QUERIES[tables.ADS_CAMPAIGN_DAY].fields.values())


def serialized(reply: dict[str, Any]) -> bytes:
    raw: bytes = RESPONSE.serialize(RESPONSE.from_json(json.dumps(reply)))
    return raw


def test_columns_come_in_the_order_of_the_paths_beside_the_replys_own_fields() -> None:
    columns = ProtoColumns(REPLY, "results", ["metrics.clicks", "campaign.name"], ["request_id"])
    reply = {
        "results": [{"campaign": {"name": "a"}, "metrics": {"clicks": "5", "impressions": "9"}}],
        "requestId": "Rq",
    }
    arrays, besides = columns.decode(serialized(reply))
    assert [array.to_pylist() for array in arrays] == [[5], ["a"]]
    assert besides == {"request_id": "Rq"}


def test_zero_is_zero_and_unset_is_null_also_under_an_absent_message() -> None:
    columns = ProtoColumns(REPLY, "results", ["metrics.clicks", "metrics.conversions"])
    reply = {
        "results": [
            {"metrics": {"clicks": "0", "conversions": 0.0}},
            {"metrics": {"clicks": "3"}},
            {},
        ]
    }
    arrays, _ = columns.decode(serialized(reply))
    assert [array.to_pylist() for array in arrays] == [[0, 3, None], [0.0, None, None]]


def test_a_reply_without_rows_gives_empty_columns() -> None:
    arrays, _ = ProtoColumns(REPLY, "results", PATHS).decode(b"")
    assert [len(array) for array in arrays] == [0] * len(PATHS)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("metrics.clickz", "has no field clickz"),
        ("metrics", "is a message: name a field of it"),
        ("metrics.clicks.sum", "is no message"),
    ],
)
def test_a_path_that_the_protos_do_not_know_is_an_error_at_once(path: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ProtoColumns(REPLY, "results", [path])


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_bytes_that_end_too_early_are_an_error_and_never_fewer_rows(cut: int) -> None:
    raw = serialized({"results": [{"campaign": {"id": "1", "name": "Fietsen"}}] * 3})
    with pytest.raises(ValueError, match="decode"):
        ProtoColumns(REPLY, "results", PATHS).decode(raw[:-cut])


def test_random_rows_read_as_the_vendors_own_classes_read_them() -> None:
    """The one decoder we use, against the slow one: what may be unset, and every scalar type."""
    chance = random.Random(20261120)
    reply = RESPONSE.pb(RESPONSE())
    for _ in range(300):
        row = reply.results.add()
        for path in PATHS:
            if chance.random() < 0.3:
                continue
            outer, name = path.split(".")
            field = getattr(row, outer).DESCRIPTOR.fields_by_name[name]
            value: Any
            if field.enum_type is not None:
                value = chance.choice(field.enum_type.values).number
            elif field.cpp_type == field.CPPTYPE_STRING:
                value = chance.choice(["", "2026-03-28", "naïef 🚲", "x" * 200])
            elif field.cpp_type == field.CPPTYPE_DOUBLE:
                value = chance.choice([0.0, -0.1, 1e18, 12.345678])
            else:
                value = chance.choice([0, 1, -1, 2**63 - 1, -(2**63)])
            setattr(getattr(row, outer), name, value)

    def slow(row: Any, path: str) -> Any:
        outer, name = path.split(".")
        message = getattr(row, outer)
        field = message.DESCRIPTOR.fields_by_name[name]
        if not row.HasField(outer) or (field.has_presence and not message.HasField(name)):
            return None
        value = getattr(message, name)
        return field.enum_type.values_by_number[value].name if field.enum_type else value

    arrays, _ = ProtoColumns(REPLY, "results", PATHS).decode(reply.SerializeToString())
    for path, array in zip(PATHS, arrays, strict=True):
        assert array.to_pylist() == [slow(row, path) for row in reply.results], path
