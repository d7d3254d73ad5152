"""Nothing that stands in a client's file leads to a path outside the configured folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.landing import directory_of
from flows.settings import load_settings
from tests.unit.config_folder import CATALOGUE, findings, loaded, target, write

LANDING = Path("/data/landing")
SITES = st.text(max_size=400) | st.sampled_from(
    ["", ".", "..", "../../etc", "/etc/passwd", "a/../..", "a\0b", "~root", "C:\\x", "é" * 300]
)


@given(account=SITES)
def test_an_account_is_one_folder_below_the_landing_whatever_its_id(account: str) -> None:
    folder = directory_of(LANDING, "shop", "search_console__site_day", account)

    assert folder.parent == LANDING / "search_console" / "site_day" / "shop"
    assert os.path.normpath(folder) == str(folder)
    assert folder.name not in ("", ".", "..")
    assert len(folder.name.encode()) <= 200
    assert set(folder.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEF0123456789%._~-")


@given(one=SITES, other=SITES)
def test_two_accounts_never_share_a_folder_even_where_case_does_not_count(
    one: str, other: str
) -> None:
    def name(account: str) -> str:
        return directory_of(LANDING, "shop", "search_console__site_day", account).name.lower()

    assert (name(one) == name(other)) == (one == other)


def test_sites_that_differ_by_case_alone_have_folders_of_their_own() -> None:
    def name(account: str) -> str:
        return directory_of(LANDING, "shop", "search_console__site_day", account).name

    assert name("https://a.nl/Shop/") == "https%3A%2F%2Fa.nl%2F%53hop%2F"
    assert name("https://a.nl/shop/") == "https%3A%2F%2Fa.nl%2Fshop%2F"


@pytest.mark.parametrize(
    "slug",
    [
        "..",
        ".shop..",
        "Shop",
        "shop_nl",
        "shop nl",
        "x" * 101,
        "shop\n",
        "shop:a",
        "café",
        "~",
        "-",
    ],
)
def test_a_file_whose_name_could_mean_more_than_a_folder_is_no_client(
    tmp_path: Path, slug: str
) -> None:
    config = write(tmp_path, shop=target())
    (config / "clients" / f"{slug}.yaml").write_text(target())

    told = findings(tmp_path, shop=target())

    is_hidden = slug.startswith(".")
    assert any("is not a slug" in t or "is too long" in t for t in told) != is_hidden
    if is_hidden:
        assert [c.slug for c in load_settings(config, CATALOGUE).clients] == ["shop"]


@pytest.mark.parametrize("id_", ["../x", "a/b", "..", '"a\\0b"', "Ctr"])
def test_the_id_of_a_target_is_kebab_case(tmp_path: Path, id_: str) -> None:
    told = findings(tmp_path, shop=target(id=id_))
    assert any("is not in kebab-case" in t or "control character" in t for t in told), told


@pytest.mark.parametrize("path", ["~nobody-of-that-name/x", '"file:a\\0b"', '"a\\0b"'])
def test_a_path_that_is_none_is_told_with_its_line(tmp_path: Path, path: str) -> None:
    told = findings(tmp_path, f"version: 1\nreport_dir: {path}\n", shop=target())
    assert [t for t in told if t.startswith("koers.yaml:2: report_dir: ")], told
    slack = f"version: 1\nroutes:\n  a: {{slack: {path if 'file:' in path else 'file:' + path}}}\n"
    if not path.startswith('"a'):
        told = findings(tmp_path, slack, shop=target())
        assert [t for t in told if t.startswith("koers.yaml:3: routes.a.slack")], told


def test_paths_of_koers_yaml_may_lead_anywhere_and_those_of_a_client_nowhere(
    tmp_path: Path,
) -> None:
    settings = loaded(
        tmp_path / "here",
        f"version: 1\nwarehouse: {tmp_path}/disk/koers.duckdb\nlanding: ../landing\n",
        shop=target(),
    )
    assert settings.warehouse == tmp_path / "disk" / "koers.duckdb"
    assert settings.landing == tmp_path / "landing"
    for key in ("warehouse", "landing", "report_dir"):
        told = findings(tmp_path / "here", shop=f"{key}: /tmp/x\n{target()}")
        assert [t for t in told if f'unknown key "{key}"' in t], told


def test_a_clients_file_may_be_a_link_and_is_called_by_the_links_name(tmp_path: Path) -> None:
    config = write(tmp_path / "here", other=target())
    elsewhere = tmp_path / "mounted" / "..2026_11_23" / "whatever.yaml"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_text(target())
    (config / "clients" / "shop.yaml").symlink_to(elsewhere)
    (config / "clients" / "other.yaml").unlink()

    assert [c.slug for c in load_settings(config, CATALOGUE).clients] == ["shop"]

    elsewhere.unlink()
    told = [str(f) for f in findings(tmp_path / "here")]
    assert any("shop.yaml:1" in t and "cannot be read" in t for t in told), told
