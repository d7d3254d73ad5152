"""Configuration: YAML files to frozen models, every mistake with its file and line."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr


class ConfigError(Exception):
    """The configuration cannot be used; the text has one finding a line."""


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Goal(Model):
    """Exactly one kind. Rates are fractions (3% is 0.03), money is in account currency."""

    kind: Literal["at_least", "at_most", "from_to", "between", "maintain"]
    at_least: float | None = None
    at_most: float | None = None
    from_: float | None = None
    to: float | None = None
    between: tuple[float, float] | None = None
    maintain: float | None = None
    within: float | None = None  # a fraction of `maintain`
    currency: str | None = None  # written in the goal, as in "45 EUR"


class Period(Model):
    """Half-open local days ``[start, end)`` for the occurrence that holds a given day.

    ``every`` repeats by calendar unit until ``until`` (exclusive); ``rolling_days``
    is a guardrail over the last n days, without an end.
    """

    start: date | None = None
    end: date | None = None  # exclusive
    every: Literal["week", "month", "quarter", "year"] | None = None
    rolling_days: int | None = None
    said: str = ""  # as the user wrote it


class Measure(Model):
    window_days: int | None = None
    min_denominator: float | None = None
    min_numerator: float | None = None
    completeness: Literal["raw", "learned"] | None = None


class Agreed(Model):
    owner: str
    by: tuple[str, ...] = ()
    on: date | None = None


class Step(Model):
    do: str
    owner: str
    due: date | None = None
    done: date | None = None


class Target(Model):
    id: str
    specific: str
    kpi: str
    where: dict[str, tuple[str, ...]] = {}
    for_each: str | None = None  # a dimension column; `campaign` is read as campaign_id
    goal: Goal
    period: Period
    measure: Measure = Measure()
    agreed: Agreed
    realistic_because: str | None = None
    plan: tuple[Step, ...] = ()
    notify: tuple[str, ...] = ()


class Route(Model):
    name: str
    slack: SecretStr | None = None
    email: tuple[str, ...] = ()
    locale: Literal["nl", "en"] | None = None


class Client(Model):
    slug: str
    name: str
    timezone: str = "Europe/Amsterdam"
    currency: str = "EUR"
    locale: Literal["nl", "en"] = "nl"
    conversion: str = "purchases"
    sources: dict[str, Any] = {}
    routes: dict[str, Route] = {}
    notify: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()
