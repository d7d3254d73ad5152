"""Goals held against the data: is the start right, can it be done, is there anything to measure?

`koers validate --data` tells it with the line to change; the report shows it in
the reader's language (flows/report/words.py, by the same codes). The codes and
figures are worked out here from plain values; only `read_findings` reads the
warehouse, in the copy for readers, and nothing asks the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from flows.kpis import Kpi
from flows.literals import listed, nearest, quoted
from flows.settings import Client, Target
from flows.targets.cube import KpiCube
from flows.targets.evaluation import Freshness, Series
from flows.targets.intervals import value_interval
from flows.targets.measured import Days, days_of
from flows.targets.path import LAST_YEAR, default_window_days, pace_shape
from flows.targets.periods import ONE_DAY, period_of
from flows.targets.realism import BASELINE_TOLERANCE, Realism, judge_realism, measure_baseline
from flows.yaml_loader import Finding, Node, load_yaml

if TYPE_CHECKING:
    from flows.project import Project

Code = Literal[
    "baseline_differs",
    "no_last_year",
    "realism_comfortable",
    "realism_ambitious",
    "realism_stretch",
    "realism_without_precedent",
    "realism_unknown",
    "nothing_matches",
    "nothing_matches_together",
    "no_kpi_data",
    "step_overdue",
    "step_not_agreed",
    "deadline_past",
]
Severity = Literal["warning", "note"]
Details = dict[str, str | int | float]

# Of figures that still grow, and of which nobody knows how fast, the last week is left out.
SETTLED_AFTER_DAYS = 7
# A segment that had nothing for so long before the period is no part of the goal.
SEGMENT_DAYS = 28
# Three years: what came of goals of a year can be seen twice.
HISTORY_DAYS = 3 * 366


@dataclass(frozen=True)
class DataFinding:
    """What the data shows of a target. A ``note`` is told, a ``warning`` asks for something.

    ``details`` are figures in the unit of the KPI, chances as fractions, days as
    ISO dates. ``place`` is the key it is about, below the target: `goal.from`,
    `plan[0].due`.
    """

    code: Code
    severity: Severity
    client: str
    target_id: str
    place: str
    details: Details = field(default_factory=dict)


def data_findings(
    client: Client,
    target: Target,
    kpi: Kpi,
    cube: KpiCube,
    freshness: Freshness,
    as_of: date,
    total: Series | None = None,
    segments: Sequence[Series] | None = None,
) -> list[DataFinding]:
    """What the figures up to the eve of ``as_of`` show of a target.

    ``cube`` holds the figures of the target's KPI and client, from well before
    the period. ``total`` and ``segments`` are the target's series where they are
    at hand, with how complete their days are; without them they are taken from
    the cube. Of a target whose deadline is past nothing but that is told.
    """
    deadline = target.period.deadline
    if deadline is not None and deadline < as_of:
        past: Details = {"deadline": deadline.isoformat(), "n": (as_of - deadline).days}
        return [DataFinding("deadline_past", "warning", client.slug, target.id, "period", past)]
    series = total if total is not None else cube.series(target.where)
    found = _scope_findings(target, kpi, cube, series, freshness)
    if not found:
        parts: Sequence[Series] = ()
        if target.for_each:
            start, _ = period_of(target.period, as_of)
            recent = min(start, as_of) - timedelta(days=SEGMENT_DAYS)
            parts = (
                segments
                if segments is not None
                else cube.segments(target.where, target.for_each, since=recent)
            )
        found = _figure_findings(target, kpi, series, parts, freshness, as_of)
    found += _plan_findings(target, as_of)
    return [
        DataFinding(code, severity, client.slug, target.id, place, details)
        for code, severity, place, details in found
    ]


_Found = list[tuple[Code, Severity, str, Details]]


# --- the scope --------------------------------------------------------------------------------


def _scope_findings(
    target: Target, kpi: Kpi, cube: KpiCube, series: Series, freshness: Freshness
) -> _Found:
    """Filters that match nothing, or why there is nothing to measure at all.

    That an account in scope could not be read is told with the verdict: that it
    has no rows then says nothing of the filter.
    """
    unread = freshness.through is None and bool(freshness.problems)
    is_told = bool(series.known(kpi.is_sum).any())
    if not is_told and not (cube.cells and cube.series({}).known(kpi.is_sum).any()):
        return [("no_kpi_data", "warning", "kpi", {"kpi_name": kpi.name})]
    found: _Found = []
    for dimension, wanted in target.where.items():
        names = {name for name in cube.columns[dimension].names if name}
        for value in wanted:
            if value not in names and not (unread and dimension == "account_id"):
                details: Details = {"key": dimension, "value": value}
                near = _near(value, sorted(names))
                if near:
                    details["near"] = near
                else:
                    details["known"] = listed([quoted(name, 40) for name in sorted(names)], 5)
                found.append(("nothing_matches", "warning", f"where.{dimension}", details))
    if found or is_told or unread:
        return found
    if not cube.mask(target.where).any():
        scope = " and ".join(f"{key} {listed(values)}" for key, values in target.where.items())
        return [("nothing_matches_together", "warning", "where", {"scope": scope})]
    return [("no_kpi_data", "warning", "kpi", {"kpi_name": kpi.name})]


def _near(value: str, names: Sequence[str]) -> str | None:
    """The name that was probably meant: alike, or the value is part of it."""
    parts = (name for name in names if value.lower() in name.lower())
    return nearest(value, names) or next(parts, None)


# --- the goal ---------------------------------------------------------------------------------


def _figure_findings(
    target: Target,
    kpi: Kpi,
    total: Series,
    segments: Sequence[Series],
    freshness: Freshness,
    as_of: date,
) -> _Found:
    if len(total.currencies) > 1:
        return []  # what cannot be added up cannot be compared either
    found: _Found = []
    start, end = period_of(target.period, as_of)
    if target.goal.path == "last_year" and pace_shape(target, kpi, total, start, end) is None:
        told_days: Details = {
            "first": (start - LAST_YEAR).isoformat(),
            "last": (end - LAST_YEAR - ONE_DAY).isoformat(),
        }
        found.append(("no_last_year", "warning", "goal.path", told_days))
    if not target.for_each:
        found += _baseline_findings(target, kpi, total, freshness, as_of)
    judged = [(one, _realism(target, kpi, one, freshness, as_of)) for one in segments or [total]]
    known = [(one, told) for one, told in judged if told is not None]
    if not known:
        return found
    # every segment must pass: the goal is as hard as the hardest of them
    hardest, told = min(known, key=lambda pair: 2.0 if pair[1].chance is None else pair[1].chance)
    details: Details = {"windows": round(told.windows, 1)}
    if hardest.segment:
        details["segment"] = hardest.label
    if told.base_from is not None and told.base_through is not None and told.base is not None:
        details["base"] = told.base
        details["first"] = told.base_from.isoformat()
        details["last"] = told.base_through.isoformat()
    if told.chance is None or told.usual_low is None or told.usual_high is None:
        if told.days_lacking:
            details["lacking"] = told.days_lacking
            return [*found, ("realism_unknown", "note", "goal", details)]
        return found
    details |= {
        "chance": told.chance,
        "usual_low": told.usual_low,
        "usual_high": told.usual_high,
    }
    asks = told.verdict == "without_precedent" and target.realistic_because is None
    code: Code = {
        "comfortable": "realism_comfortable",
        "ambitious": "realism_ambitious",
        "stretch": "realism_stretch",
        "without_precedent": "realism_without_precedent",
    }[told.verdict]  # type: ignore[assignment]
    return [*found, (code, "warning" if asks else "note", "goal", details)]


def _days(
    target: Target, kpi: Kpi, series: Series, freshness: Freshness, as_of: date
) -> Days | None:
    """The days before the period that have settled, or can be completed."""
    start, _ = period_of(target.period, as_of)
    through = min(min(start, as_of) - ONE_DAY, freshness.through or as_of - ONE_DAY)
    if kpi.late is not None and series.completeness is None:
        through = min(through, as_of - ONE_DAY - timedelta(days=SETTLED_AFTER_DAYS))
    return days_of(series, kpi, freshness, through, adjust=kpi.late is not None)


def _baseline_findings(
    target: Target, kpi: Kpi, series: Series, freshness: Freshness, as_of: date
) -> _Found:
    """The `from` of a goal beside what was measured before the period."""
    said = target.goal.from_
    days = _days(target, kpi, series, freshness, as_of)
    if target.goal.kind != "from_to" or said is None or days is None:
        return []
    start, end = period_of(target.period, as_of)
    window = default_window_days(target, start, end) or (end - start).days
    told = measure_baseline(
        days.first_day,
        days.numerator,
        days.denominator,
        start=start,
        window_days=window,
        completeness=days.completeness,
    )
    least = target.measure.min_denominator
    if told is None or (least is not None and (told.denominator or least) < least):
        return []
    if abs(said - told.value) <= BASELINE_TOLERANCE * told.value * (1 + 1e-9):
        return []
    if not kpi.is_sum:
        # of a small account ten percent may be chance
        stop = (told.last - days.first_day).days + 1
        interval = value_interval(
            "rate" if kpi.unit == "rate" else "ratio",
            days.numerator[:stop],
            None if days.denominator is None else days.denominator[:stop],
            window,
            completeness=None if days.completeness is None else days.completeness[:stop],
        )
        if interval is not None and interval.low <= said <= interval.high:
            return []
    details: Details = {
        "said": said,
        "measured": told.value,
        "first": told.first.isoformat(),
        "last": told.last.isoformat(),
    }
    return [("baseline_differs", "warning", "goal.from", details)]


def _realism(
    target: Target, kpi: Kpi, series: Series, freshness: Freshness, as_of: date
) -> Realism | None:
    days = _days(target, kpi, series, freshness, as_of)
    if days is None or len(series.currencies) > 1:
        return None
    start, end = period_of(target.period, as_of)
    low, high = target.goal.bounds
    return judge_realism(
        days.first_day,
        days.numerator,
        days.denominator,
        start=start,
        end=end,
        low=low,
        high=high,
        window_days=default_window_days(target, start, end),
        completeness=days.completeness,
    )


# --- the plan ---------------------------------------------------------------------------------


def _plan_findings(target: Target, as_of: date) -> _Found:
    found: _Found = []
    agreed = {address.casefold() for address in (target.agreed.owner, *target.agreed.by)}
    for i, step in enumerate(target.plan):
        if step.done is not None:
            continue
        if step.due is not None and step.due < as_of:
            late: Details = {
                "do": step.do,
                "owner": step.owner,
                "due": step.due.isoformat(),
                "n": (as_of - step.due).days,
            }
            found.append(("step_overdue", "warning", f"plan[{i}].due", late))
        if step.owner.casefold() not in agreed:
            unowned: Details = {"do": step.do, "owner": step.owner}
            found.append(("step_not_agreed", "warning", f"plan[{i}].owner", unowned))
    return found


# --- in words, with file and line -------------------------------------------------------------


def told_where(
    found: Iterable[DataFinding], clients: Iterable[Client], kpis: Mapping[str, Kpi]
) -> list[Finding]:
    """The findings as `koers validate` tells them: file:line: place: what; what to do."""
    targets = {
        (client.slug, target.id): (client, target)
        for client in clients
        for target in client.targets
    }
    trees: dict[str, Node | None] = {}
    told: list[Finding] = []
    for one in found:
        client, target = targets[one.client, one.target_id]
        if target.file not in trees:
            trees[target.file] = load_yaml(Path(target.file)).root
        line, place = _line_of(trees[target.file], target, one)
        problem, expected = _in_words(one, target, kpis[target.kpi], client)
        told.append(Finding(target.file, line, place, problem, expected, one.severity))
    return told


def _line_of(root: Node | None, target: Target, one: DataFinding) -> tuple[int, str]:
    """The line and the whole place of what a finding is about; the target's where it is gone."""
    listed_ = root.get("targets") if root else None
    items = listed_.value if listed_ and isinstance(listed_.value, list) else []
    for i, node in enumerate(items):
        written = node.get("id")
        if written is None or written.text != target.id:
            continue
        line, at = node.line, node
        for part in one.place.replace("[", ".").replace("]", "").split("."):
            child = at.value[int(part)] if isinstance(at.value, list) else at.get(part)
            if child is None:
                break
            at, line = child, child.key_line
        if isinstance(at.value, list):  # a list of values to filter by
            line = next((v.line for v in at.value if v.text == one.details.get("value")), line)
        return line, f"targets[{i}] ({target.id}).{one.place}"
    return target.line, f"{target.id}.{one.place}"


def _in_words(one: DataFinding, target: Target, kpi: Kpi, client: Client) -> tuple[str, str]:
    """What is wrong or worth knowing, and what is expected."""
    from flows.report.formats import quantity  # words of numbers: slow to import

    told = one.details

    def figure(name: str) -> str:
        value = told[name]
        assert isinstance(value, int | float)
        return quantity(value, kpi.unit, "en", client.currency).replace("\N{NO-BREAK SPACE}", " ")

    days = f"{told.get('first')}..{told.get('last')}"
    of = f" of {quoted(told['segment'])}" if "segment" in told else ""
    match one.code:
        case "baseline_differs":
            return (
                f"the goal starts from {figure('said')}, but {figure('measured')} was measured "
                f"over {days}",
                "expected a start within 10% of it, or another measure: window",
            )
        case "no_last_year":
            return (
                f"there is too little of {days} to go by, so the path is a straight line",
                "load those days with koers backfill, or write path: linear",
            )
        case "realism_unknown":
            return (
                f"too little history{of} to say how realistic it is: "
                f"{told['lacking']} days of figures more are needed",
                "load them with koers backfill",
            )
        case "no_kpi_data":
            return f"there is no data of {kpi.name} for this client", _without_data(target, client)
        case "nothing_matches":
            expected = (
                f'did you mean "{told["near"]}"?'
                if "near" in told
                else f"expected {told.get('known') or 'nothing: it is always empty'}"
            )
            return f"no data has {told['key']} {quoted(told['value'])}", expected
        case "nothing_matches_together":
            return f"no data has {told['scope']} at once", "widen one of them"
        case "step_overdue":
            return (
                f"{quoted(told['do'])} was due on {told['due']}",
                f"write done: with the day, or agree on another day with {told['owner']}",
            )
        case "step_not_agreed":
            return (
                f"{told['owner']} did not agree to this target",
                "add the address to agreed.by, or have somebody do it who did",
            )
        case "deadline_past":
            return f"the deadline {told['deadline']} is past", "agree on a new target, or remove it"
        case _:
            pass
    chance = told["chance"]
    assert isinstance(chance, int | float)
    name = {
        "realism_comfortable": "comfortable",
        "realism_ambitious": "ambitious",
        "realism_stretch": "a stretch",
    }.get(one.code, "without precedent")
    usual = (
        f"{name} by the account's own past{of}: four in five such periods come to "
        f"{figure('usual_low')} to {figure('usual_high')}, "
        f"and {_odds(chance)} would make the goal"
    )
    if one.severity == "note":
        return usual, ""
    return usual, "say why it can be done with realistic: {because: …}, or agree on another goal"


def _odds(chance: float) -> str:
    """A chance in tens: more would be pretended."""
    tens = round(chance * 10)
    return "hardly any" if tens < 1 else "nearly all" if tens > 9 else f"{tens} in 10"


def _without_data(target: Target, client: Client) -> str:
    source = (
        f"; it counts {client.conversion} as the conversion" if "conversion" in target.kpi else ""
    )
    return f"load it with koers run or koers backfill, and see koers status for what failed{source}"


# --- from the warehouse -----------------------------------------------------------------------


def read_findings(
    project: Project, slugs: Sequence[str], as_of: date
) -> tuple[list[DataFinding], tuple[str, str] | None]:
    """The findings of every target of these clients; or what is lacking and what to do.

    Reads the copy for readers that the last run left, and changes nothing.
    """
    import duckdb

    from flows import readings

    if not project.warehouse.exists and not project.warehouse.published.exists():
        return [], ("there is no data yet", "run `koers run` or `koers backfill` first")
    found: dict[tuple[str, str], list[DataFinding]] = {}
    clients = [project.client(slug) for slug in slugs]
    first, last = as_of - timedelta(days=HISTORY_DAYS), as_of - ONE_DAY
    with project.warehouse.read() as connection:
        states = {one.slug: readings.source_states(connection, one, as_of) for one in clients}
        for name in sorted({target.kpi for one in clients for target in one.targets}):
            kpi = project.kpis[name]
            owners = [one for one in clients if any(t.kpi == name for t in one.targets)]
            try:
                cubes = readings.read_kpi(
                    connection, [one.slug for one in owners], kpi, first, last
                )
            except duckdb.CatalogException:
                return [], ("nothing has been built yet", "run `koers build` first")
            for client in owners:
                for target in client.targets:
                    if target.kpi == name:
                        fresh = readings.freshness_of(target, kpi, states[client.slug], as_of)
                        found[client.slug, target.id] = data_findings(
                            client, target, kpi, cubes[client.slug, name], fresh, as_of
                        )
    ordered = [found[client.slug, target.id] for client in clients for target in client.targets]
    return [one for some in ordered for one in some], None
