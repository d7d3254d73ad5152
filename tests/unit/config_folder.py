"""A configuration folder for tests, one mistake away from valid."""

from __future__ import annotations

from pathlib import Path

from flows.kpis import Kpi, Late
from flows.settings import ConfigError, Settings, load_settings, validate

PAID = ("source", "account_id", "channel_type", "campaign_id", "campaign_name", "device", "network")


def kpi(name: str, unit: str, better: str, sources: tuple[str, ...] = ("google_ads",)) -> Kpi:
    is_sum = unit == "count" or name == "cost"
    paid = sources == ("google_ads",)
    return Kpi(
        name=name,
        unit=unit,  # type: ignore[arg-type]
        better=better,  # type: ignore[arg-type]
        is_sum=is_sum,
        has_currency=unit == "money" or name == "roas",
        dimensions=PAID if paid else () if name == "cac" else ("source", "account_id"),
        sources=sources,
        late=Late("numerator", f"{sources[0]}__day", "n"),
        label={"en": name, "nl": name},
        explained={"en": name, "nl": name},
        numerator={"en": "n", "nl": "n"},
        denominator=None if is_sum else {"en": "d", "nl": "d"},
    )


CATALOGUE = {
    k.name: k
    for k in (
        kpi("ctr", "rate", "higher"),
        kpi("roas", "ratio", "higher"),
        kpi("cost", "money", "lower"),
        kpi("cac", "money", "lower", ("google_ads", "ga4")),
        kpi("clicks", "count", "higher"),
        kpi("conversion_rate", "rate", "higher", ("ga4",)),
        kpi("organic_sessions", "count", "higher", ("ga4",)),
        kpi("organic_clicks", "count", "higher", ("search_console",)),
    )
}

KOERS = """\
version: 1
sources:
  google_ads: {client_id: koers, client_secret: env:SECRET, refresh_token: env:TOKEN}
routes:
  growth: {slack: env:SLACK_GROWTH}
"""

HEAD = """\
name: Shop
sources:
  google_ads: {customer_ids: [111-111-1111]}
  ga4: {property_ids: [311111111]}
targets:
"""

TARGET = {
    "id": "ctr",
    "specific": "Raise the CTR",
    "kpi": "ctr",
    "goal": "{from: 3%, to: 5%}",
    "period": "2026-Q4",
    "agreed": "{owner: sanne@example.nl}",
    "plan": "[{do: Rewrite the ads, owner: tom@example.nl, due: 2026-10-15}]",
}


def target(**changes: str | None) -> str:
    """A client's file with one target; the target's keys stand on lines 6, 7, … of it."""
    keys = {**TARGET, **changes}
    lines = [f"{key}: {value}" for key, value in keys.items() if value is not None]
    return HEAD + "  - " + "\n    ".join(lines) + "\n"


def write(folder: Path, koers: str | bytes = KOERS, **clients: str | bytes) -> Path:
    """Write a folder `config` with koers.yaml and the clients' files."""
    config = folder / "config"
    (config / "clients").mkdir(parents=True, exist_ok=True)
    files = {"koers.yaml": koers} | {
        f"clients/{slug.replace('_', '-')}.yaml": text for slug, text in clients.items()
    }
    for name, text in files.items():
        data = text if isinstance(text, bytes) else text.encode()
        (config / name).write_bytes(data)
    return config


def findings(folder: Path, koers: str | bytes = KOERS, **clients: str | bytes) -> list[str]:
    """What validate says of these files, with paths inside the configuration folder."""
    config = write(folder, koers, **clients)
    return [str(f).replace(f"{config}/", "") for f in validate(config, CATALOGUE)]


def loaded(folder: Path, koers: str = KOERS, **clients: str) -> Settings:
    return load_settings(write(folder, koers, **clients), CATALOGUE)


def refusal(folder: Path, koers: str = KOERS, **clients: str) -> ConfigError:
    try:
        loaded(folder, koers, **clients)
    except ConfigError as e:
        return e
    raise AssertionError("the configuration was accepted")
