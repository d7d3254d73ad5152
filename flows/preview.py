"""`koers preview`: what a target would have said on every morning of its period so far.

Mornings on which Koers ran are replayed with exactly what was known then (see
`as_known.py`). For those before it is made up from what is known now: younger
days have the share of their late conversions that days of that age usually
have. The tuning is that of the file, or what is tried instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from typing import Any

import numpy as np

from flows import readings
from flows.alerts.machine import Hearing, State, advance
from flows.arrivals import Arrival
from flows.as_known import Past, mornings_of
from flows.kpis import Kpi
from flows.landing import now
from flows.literals import suggest
from flows.project import Project
from flows.report.model import ClientView
from flows.settings import ConfigError, Route, Target, Tuning
from flows.summary import as_table, shortened
from flows.targets.completeness import IntArray, Reads
from flows.targets.cube import KpiCube
from flows.targets.evaluation import Evaluation, FloatArray, Status
from flows.targets.periods import ONE_DAY
from flows.views import Figures, read_for, verdicts_of, views_of
from flows.warehouse import transaction
from flows.windows import days_between

# Of a target that never ends, or begins anew each month, this much is replayed.
USUAL_DAYS = 90
# Late conversions have closed by then, so that the outcome is among the mornings.
CLOSING_DAYS = 35

_AGREES: Mapping[Status, Status] = {"achieved": "on_track", "missed": "off_track"}


@dataclass(frozen=True)
class Morning:
    """What would have been said of a target, or of one segment of it, on a morning.

    ``is_known`` tells that it was judged with what was known on that morning.
    """

    as_of: date
    status: Status
    reason: str
    value: float | None
    probability: float | None
    is_known: bool


@dataclass(frozen=True)
class Message:
    """A digest that a route would have been sent: (segment label, status) of each change."""

    as_of: date
    changes: tuple[tuple[str, Status], ...]


@dataclass(frozen=True)
class Stretch:
    """Mornings in a row with one status."""

    status: Status
    first: date
    last: date
    mornings: int


@dataclass(frozen=True)
class Part:
    """A target's total (``segment`` is '') or one segment, on the mornings when it was there."""

    segment: str
    label: str
    mornings: tuple[Morning, ...]

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        return stretches_of([(one.as_of, one.status) for one in self.mornings])

    @property
    def counts(self) -> dict[Status, int]:
        return dict(Counter(one.status for one in self.mornings))

    @property
    def outcome(self) -> Status | None:
        """How it ended, when the period is over and everything was in."""
        last = self.mornings[-1].status if self.mornings else None
        return last if last in _AGREES else None

    @property
    def seen_from(self) -> date | None:
        return seen_from([(one.as_of, one.status) for one in self.mornings])


@dataclass(frozen=True)
class Preview:
    """The replay of one target of one client."""

    client: str
    target: Target
    deadline: date | None
    parts: tuple[Part, ...]  # the total first
    messages: tuple[Message, ...]

    @property
    def total(self) -> Part:
        return self.parts[0]

    @property
    def known(self) -> int:
        return sum(one.is_known for one in self.total.mornings)

    def as_dict(self) -> dict[str, Any]:
        return {
            "client": self.client,
            "target": self.target.id,
            "tuning": self.target.tuning.model_dump(),
            "deadline": self.deadline,
            "mornings": len(self.total.mornings),
            "mornings_as_known": self.known,
            "messages": [asdict(one) for one in self.messages],
            "parts": [
                {
                    "segment": part.segment,
                    "label": part.label,
                    "counts": part.counts,
                    "too_little_data": part.counts.get("insufficient_data", 0),
                    "outcome": part.outcome,
                    "seen_from": part.seen_from,
                    "stretches": [asdict(one) for one in part.stretches],
                    "days": [asdict(one) for one in part.mornings],
                }
                for part in self.parts
            ],
        }

    def in_words(self) -> str:
        tuning, mornings = self.target.tuning, self.total.mornings
        lines = [
            f"{self.client} {self.target.id}: on track from {tuning.on_track_from:.0%}, off track "
            f"below {tuning.off_track_below:.0%}, confirmed on {tuning.confirm_days} mornings"
        ]
        if not mornings:
            return f"{lines[0]}\nno morning of its period has come yet"
        guessed = len(mornings) - self.known
        if self.known:
            lines.append(f"{_mornings(self.known)} with what was known on each")
        if guessed:
            lines.append(
                f"{_mornings(guessed)} before Koers ran, from what is known now: late conversions "
                "taken back to what days of that age usually have, corrections as they are"
            )
        lines += ["", _table(self.total)]
        lines += ["", _messages(self.messages), _outcome(self.total, self.deadline)]
        gated = self.total.counts.get("insufficient_data", 0)
        lines.append(f"too little data: {gated} of {_mornings(len(mornings))}")
        if len(self.parts) > 1:
            rows = [
                (
                    shortened(part.label),
                    len(part.mornings),
                    part.counts.get("insufficient_data", 0) or None,
                    len(part.stretches) - 1,
                    part.mornings[-1].status,
                    part.seen_from if part.outcome else None,
                )
                for part in self.parts[1:]
            ]
            headings = ("segment", "mornings", "too little data", "changes", "last", "seen from")
            lines += ["", as_table(headings, rows)]
        return "\n".join(lines)


def stretches_of(days: Sequence[tuple[date, Status]]) -> tuple[Stretch, ...]:
    """Mornings in order, put together while the status stays."""
    found = []
    for status, group in groupby(days, key=lambda one: one[1]):
        same = [as_of for as_of, _ in group]
        found.append(Stretch(status, same[0], same[-1], len(same)))
    return tuple(found)


def seen_from(days: Sequence[tuple[date, Status]]) -> date | None:
    """The first morning from which every verdict agreed with how it ended.

    None while it has not ended, or when none did before the end. What is no
    verdict (provisional, stale, too little data) does not disagree.
    """
    agrees = _AGREES.get(days[-1][1]) if days else None
    if agrees is None:
        return None
    found = None
    for as_of, status in reversed(days):
        if status == agrees:
            found = as_of
        elif status in ("on_track", "at_risk", "off_track"):
            break
    return found


def _mornings(count: int) -> str:
    return "1 morning" if count == 1 else f"{count} mornings"


def _table(part: Part) -> str:
    rows = [(s.status, s.first, s.last, s.mornings) for s in part.stretches]
    return as_table(("status", "from", "to", "mornings"), rows)


def _messages(messages: Sequence[Message]) -> str:
    lines = [f"messages to a route: {len(messages)}"]
    for message in messages:
        told = ", ".join(f"{shortened(label)}: {status}" for label, status in message.changes)
        lines.append(f"  {message.as_of}  {told}")
    return "\n".join(lines)


def _outcome(part: Part, deadline: date | None) -> str:
    if part.outcome is None:
        return "outcome: not known yet, so how early it was seen cannot be told"
    if part.seen_from is None:
        return f"outcome: {part.outcome}; no verdict before the end agreed with it"
    told = f"outcome: {part.outcome}; seen from {part.seen_from} on"
    if deadline is None:
        return told
    ahead = (deadline - part.seen_from).days
    return f"{told}, {ahead} {'day' if ahead == 1 else 'days'} before the deadline"


# --- which target -----------------------------------------------------------------------------


def chosen_targets(project: Project, clients: Sequence[str], target_id: str) -> list[str]:
    """The clients that have a target of that id. Raises ConfigError with near ids."""
    known = {t.id for slug in clients for t in project.client(slug).targets}
    if target_id not in known:
        raise ConfigError(
            f'{project.config_dir}: there is no target "{target_id}"; '
            f"{suggest(target_id, sorted(known))}"
        )
    return [
        slug for slug in clients if any(t.id == target_id for t in project.client(slug).targets)
    ]


def retuned(target: Target, **tried: float | int | None) -> Target:
    """The target with other thresholds; None leaves one as it is. Raises ConfigError."""
    told = {name: value for name, value in tried.items() if value is not None}
    tuning = Tuning.model_validate(target.tuning.model_dump() | told)
    if not 0 < tuning.off_track_below < tuning.on_track_from < 1:
        raise ConfigError(
            f"--off-track-below {tuning.off_track_below:.0%} and --on-track-from "
            f"{tuning.on_track_from:.0%}: expected the first to be below the second, between "
            "0% and 100%"
        )
    return target.model_copy(update={"tuning": tuning})


def days_of(target: Target, as_of: date, first: date | None, last: date | None) -> list[date]:
    """The mornings to replay: of the period so far, or the last `USUAL_DAYS`."""
    last = last or as_of
    if first is None and target.period.rolling_days is None and target.period.every is None:
        start, end = target.period.occurrence(last - ONE_DAY)
        first, last = start + ONE_DAY, min(last, end + timedelta(days=CLOSING_DAYS))
    return days_between(first or last - timedelta(days=USUAL_DAYS - 1), last)


# --- the replay -------------------------------------------------------------------------------


def preview(project: Project, slug: str, target: Target, days: Sequence[date]) -> Preview:
    """Replay a target as it is given over mornings in order, each after the one before it."""
    narrow = _with_only(project, slug, target)
    until = now()
    views: list[tuple[ClientView, bool]] = []
    if days:
        with project.warehouse.read() as connection:  # the published copy: no run has to wait
            known = mornings_of(connection, [slug])
            past = Past.of(narrow, connection, [slug], {target.kpi}, until)
        with past:
            views = list(_views(narrow, past, slug, days, known))
    return Preview(
        slug,
        target,
        target.period.deadline,
        _parts(views),
        tuple(messages_of([view for view, _ in views], target.id)),
    )


def _views(
    project: Project,
    past: Past,
    slug: str,
    days: Sequence[date],
    known: Mapping[date, Any],
) -> Iterator[tuple[ClientView, bool]]:
    """What would have been said on each morning, and whether it rests on what was known then."""
    run_id = "preview"
    before = [day for day in days if not any(run <= day for run in known)]
    if before:
        past.move_to(now())
        read = read_for(project, past.connection, [slug], before[0], before[-1])
    for day in days:
        then = [run for run in known if run <= day]
        if then:
            # on a morning without a run nothing new was known
            past.move_to(known[max(then)])
            (view,) = views_of(project, past.connection, [slug], day, explained=False)
        else:
            of_then = aged(project, read, day)
            (view,) = views_of(project, past.connection, [slug], day, of_then, explained=False)
        with transaction(past.connection):  # the next morning follows it
            readings.store_evaluations(past.connection, verdicts_of([view]), run_id)
        yield view, bool(then)


def _with_only(project: Project, slug: str, target: Target) -> Project:
    client = project.client(slug).model_copy(update={"targets": (target,)})
    settings = project.settings.model_copy(update={"clients": (client,)})
    return replace(project, settings=settings)


def _parts(views: Sequence[tuple[ClientView, bool]]) -> tuple[Part, ...]:
    mornings: dict[str, list[Morning]] = {"": []}
    labels: dict[str, str] = {"": ""}
    for view, is_known in views:
        for e in verdicts_of([view]):
            mornings.setdefault(e.segment, []).append(_morning(e, is_known))
            labels[e.segment] = e.segment_label
    order = sorted(mornings, key=lambda segment: (segment != "", labels[segment], segment))
    return tuple(Part(one, labels[one], tuple(mornings[one])) for one in order)


def _morning(e: Evaluation, is_known: bool) -> Morning:
    value = e.adjusted_value if e.adjusted_value is not None else e.value
    return Morning(e.as_of, e.status, e.reason, value, e.probability, is_known)


def messages_of(views: Sequence[ClientView], target_id: str) -> Iterator[Message]:
    """The digests that a daily route of this target alone would have been sent."""
    hearing = Hearing(Route(name="preview"), frozenset({target_id}))
    state: State = {}
    last_on: date | None = None
    for view in views:
        told = advance(view, hearing, state, last_on)
        if told is None:
            continue
        state, last_on = told.state, view.as_of
        if told.digest is not None:
            yield Message(
                view.as_of,
                tuple(
                    (item.evaluation.segment_label or "total", item.evaluation.status)
                    for item in told.digest.changed
                ),
            )


# --- what is known now, made as young as it was -----------------------------------------------


def aged(project: Project, read: Figures, as_of: date) -> Figures:
    """The figures of now as they would have been read on an earlier morning.

    The late side of each day is taken back to the share that was in at the age
    which the day then had; days too young for a curve stay as they are, they
    count as unknown.
    """
    cubes = {}
    for (slug, name), cube in read.cubes.items():
        late = project.kpis[name].late
        own = {
            account: one
            for (client, account), one in (read.arrivals[late] if late else {}).items()
            if client == slug
        }
        cubes[slug, name] = _aged_cube(cube, project.kpis[name], own, as_of)
    arrivals = {
        late: {key: _aged_arrival(one, as_of) for key, one in found.items()}
        for late, found in read.arrivals.items()
    }
    return Figures(cubes, arrivals)


def _aged_cube(cube: KpiCube, kpi: Kpi, arriving: Mapping[str, Arrival], as_of: date) -> KpiCube:
    if kpi.late is None or not arriving:
        return cube
    ages = _ages(cube.first_day, cube.days, as_of)
    factors = {account: _factor(one, cube.first_day, ages) for account, one in arriving.items()}
    if "account_id" in cube.columns:
        whole = np.ones(cube.days)
        of_name = [factors.get(name or "", whole) for name in cube.columns["account_id"].names]
        factor = np.array(of_name).reshape(-1, cube.days)[cube.columns["account_id"].codes]
    else:  # the KPI does not tell the accounts apart: each counts by what it brought in
        weights = [max(float(np.nansum(one.reads.value)), 0.0) + 1e-9 for one in arriving.values()]
        factor = np.average(np.array(list(factors.values())), axis=0, weights=weights)[None, :]
    if kpi.late.side == "numerator":
        return replace(cube, numerator=cube.numerator * factor)
    if cube.denominator is None:
        return cube
    return replace(cube, denominator=cube.denominator * factor)


def _factor(arrival: Arrival, first_day: date, ages: IntArray) -> FloatArray:
    """Per day what was in at an age, of what is in now; 1 where either is not known."""
    if arrival.curve is None:
        return np.ones(len(ages))
    then, _ = arrival.curve.at(np.minimum(ages, arrival.curve.final_age))
    now_in, _ = arrival.curve.at(arrival.ages(first_day, len(ages)))
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = then / now_in
    known = np.isfinite(factor)
    return np.where(known, np.minimum(factor, 1.0), 1.0)


def _aged_arrival(arrival: Arrival, as_of: date) -> Arrival:
    days = max((as_of - arrival.since).days, 0)
    ordinals = arrival.since.toordinal() + np.arange(days)
    # what the account brought in weighs it among the others
    brought = max(float(np.nansum(arrival.reads.value)), 0.0)
    values = np.full(days, brought / max(days, 1))
    return replace(arrival, reads=Reads(ordinals, _ages(arrival.since, days, as_of), values))


def _ages(first_day: date, days: int, as_of: date) -> IntArray:
    """The age of each day on a morning; −1 for days that have not been."""
    ages = (as_of - first_day).days - np.arange(days)
    return np.where(ages > 0, ages, -1)
