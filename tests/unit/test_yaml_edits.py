from __future__ import annotations

import pytest

from flows.yaml_edits import EditError, remove_key, set_list, set_value

CLIENT = """\
# our best client
name: Shop   # as on the door
sources:
  google_ads:
    customer_ids: [123-456-7890]   # the old one
    # login_customer_id: 987-654-3210

  ga4: {property_ids: [1]}           # Admin › Property details
  search_console:
    sites:
      # the domain
      - "sc-domain:a.nl"  # main
      - "sc-domain:b.nl"
notify: [team]
"""


def digits(item: str) -> str:
    return item.replace("-", "")


def test_an_item_that_stays_keeps_its_spelling_and_its_comment() -> None:
    path = ("sources", "google_ads", "customer_ids")

    assert set_list(CLIENT, path, ["1234567890"], digits) == CLIENT
    assert set_list(CLIENT, path, ["222-222-2222", "1234567890"], digits) == CLIENT.replace(
        "[123-456-7890]", "[123-456-7890, 222-222-2222]"
    )
    assert set_list(CLIENT, path, ["222-222-2222"], digits) == CLIENT.replace(
        "123-456-7890", "222-222-2222"
    )


def test_lines_of_a_block_list_come_and_go_one_by_one() -> None:
    path = ("sources", "search_console", "sites")

    assert set_list(CLIENT, path, ['"sc-domain:a.nl"', '"sc-domain:c.nl"']) == CLIENT.replace(
        "b.nl", "c.nl"
    )
    assert set_list(CLIENT, path, ['"sc-domain:b.nl"']) == CLIENT.replace(
        '      - "sc-domain:a.nl"  # main\n', ""
    )


def test_a_key_is_added_at_the_end_of_its_mapping() -> None:
    in_block = set_value(CLIENT, ("sources", "google_ads", "login_customer_id"), "1-2")
    in_flow = set_value(CLIENT, ("sources", "ga4", "since"), "2026-01-01")

    assert in_block == CLIENT.replace(
        "# the old one\n", "# the old one\n    login_customer_id: 1-2\n"
    )
    assert in_flow == CLIENT.replace("[1]}", "[1], since: 2026-01-01}")


def test_parents_that_are_not_there_are_made() -> None:
    assert set_list("name: Shop", ("sources", "ga4", "property_ids"), ["1", "2"]) == (
        "name: Shop\nsources:\n  ga4:\n    property_ids: [1, 2]"
    )
    assert set_list("a: 1\nsources: {}\n", ("sources", "ga4", "ids"), ["1"]) == (
        "a: 1\nsources: {ga4: {ids: [1]}}\n"
    )
    assert set_list("sources:\n  ga4:  # later\n", ("sources", "ga4", "ids"), ["1"]) == (
        "sources:\n  ga4: {ids: [1]}  # later\n"
    )


def test_a_value_is_replaced_where_it_stands() -> None:
    text = "sources:\r\n  google_ads:\r\n    refresh_token: env:T   # mine\r\n"

    assert set_value(text, ("sources", "google_ads", "refresh_token"), "file:t") == text.replace(
        "env:T", "file:t"
    )
    assert set_value(text, ("sources", "google_ads", "client_id"), "c") == (
        text + "    client_id: c\r\n"
    )


def test_a_key_goes_with_its_line_or_its_comma() -> None:
    assert remove_key(CLIENT, ("name",)) == CLIENT.replace("name: Shop   # as on the door\n", "")
    assert remove_key("a: {b: 1, c: 2}\n", ("a", "b")) == "a: {c: 2}\n"
    assert remove_key("a: {b: 1, c: 2}\n", ("a", "c")) == "a: {b: 1}\n"
    assert remove_key(CLIENT, ("sources", "shop")) == CLIENT


def test_a_long_list_is_written_an_item_a_line() -> None:
    items = [f"{i:03}-000-0000" for i in range(9)]
    told = set_list("a:\n  b: 1\n", ("a", "ids"), items)

    assert told == "a:\n  b: 1\n  ids:\n" + "".join(f"    - {item}\n" for item in items)


def test_what_is_no_mapping_is_left_alone() -> None:
    with pytest.raises(EditError, match="sources is not a mapping"):
        set_value("sources: [a]\n", ("sources", "ga4"), "1")
