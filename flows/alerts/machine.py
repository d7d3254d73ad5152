"""What a route is told of a morning, given what it was told before: pure, over plain values.

A target's total, a segment of it and an account whose data fails are each a
`Subject`; what a route was told of one is a `Known`. `advance` compares both with
the verdicts of a morning and gives the digest, if there is anything to tell, and
what the route knows afterwards. Statuses are already confirmed over days by the
judge, so nothing waits here for a second look.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import NamedTuple

from flows.alerts.digest import Cadence, DataNews, Digest, DigestItem, Kind, key_of
from flows.report.model import ClientView, SourceState, TargetView
from flows.settings import TOLD_UNASKED, Client, Mute, Route, Target
from flows.targets.evaluation import Evaluation, Status

# Without data there is no verdict: what was told stays, and the data's owner hears of it.
FROZEN: frozenset[Status] = frozenset({"stale", "no_data"})
_NO_VERDICT: frozenset[Status] = FROZEN | {"not_started", "too_early", "insufficient_data"}
_TROUBLE: frozenset[Status] = frozenset({"at_risk", "off_track", "missed"})
_GOOD: frozenset[Status] = frozenset({"on_track", "achieved"})
_FINAL: frozenset[Status] = frozenset({"missed", "achieved"})
# A period that is over for this long and has no verdict will not get one: conversions come in
# for 30 days at most in the sources' default settings, and two weeks mend most accounts.
CLOSED_AFTER = timedelta(days=45)
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Subject(NamedTuple):
    """What a route can be told of.

    ``segment`` is '' for a target's total. ``occurrence`` is the first day of the
    month (week, …) of a repeating target, None for the others. Of data the target
    is '' and the segment names the account, see `Trouble`.
    """

    target_id: str
    segment: str = ""
    occurrence: date | None = None


@dataclass(frozen=True)
class Known:
    """What a route was told of a subject.

    ``said_on`` is the morning of the last message that told it, ``trouble_on`` that
    of the first one that told of the present spell of being off track (None: it
    is in none, or it got better in between). ``version`` is the wording of the
    goal that was told of.
    """

    status: Status
    said_on: date
    trouble_on: date | None = None
    version: str = ""


State = Mapping[Subject, Known]


@dataclass(frozen=True)
class Hearing:
    """What one route is to hear of one client.

    ``targets`` go to it; of ``escalated`` it hears only when they stay off track,
    with the morning on which others were first told so, where they were.
    ``has_data`` says that it hears of data that holds up its targets;
    ``asked_for_data`` that it was named for that, and hears of all of it.
    """

    route: Route
    targets: frozenset[str] = frozenset()
    escalated: Mapping[str, date | None] = field(default_factory=dict)
    has_data: bool = False
    asked_for_data: bool = False


@dataclass(frozen=True)
class Advance:
    """The message of a morning, if there is one, and what the route knows after it."""

    digest: Digest | None
    state: State


# --- who hears what ---------------------------------------------------------------------------


def hearings(client: Client) -> dict[str, Hearing]:
    """By name every route that can hear anything of a client, without who told whom."""
    found: dict[str, Hearing] = {}

    def of(name: str) -> Hearing:
        return found.get(name) or Hearing(client.routes[name])

    for name, ids in routed_targets(client).items():
        found[name] = replace(of(name), targets=ids)
    for target in client.targets:
        escalation = target.escalate
        if escalation is None or escalation.to not in client.routes:
            continue
        hearing = of(escalation.to)
        if target.id not in hearing.targets:
            told = {**hearing.escalated, target.id: None}
            found[escalation.to] = replace(hearing, escalated=told)
    for name in client.notify_data or tuple(routed_targets(client)):
        if name in client.routes:
            found[name] = replace(of(name), has_data=True, asked_for_data=bool(client.notify_data))
    return found


def routed_targets(client: Client) -> dict[str, frozenset[str]]:
    """Route name → ids of the targets that it is told of: the target's `notify`, else the client's.

    A route with `owners` hears of theirs alone. Routes that nothing goes to are left out.
    """
    routed: dict[str, set[str]] = {}
    for target in client.targets:
        for name in client.notified(target):
            route = client.routes.get(name)
            if route is None or not route.owners or target.agreed.owner in route.owners:
                routed.setdefault(name, set()).add(target.id)
    return {name: frozenset(ids) for name, ids in routed.items()}


def kinds_for(route: Route, target: Target) -> frozenset[str]:
    """The kinds of news that a route hears of a target: what both say, else either, else usual."""
    if route.only and target.tell:
        return frozenset(route.only) & frozenset(target.tell)
    return frozenset(route.only or target.tell or TOLD_UNASKED)


def is_quiet(route: Route, day: date, holidays: Collection[date]) -> bool:
    return _WEEKDAYS[day.weekday()] in route.quiet or (
        "holidays" in route.quiet and day in holidays
    )


def is_due(cadence: Cadence, last_on: date | None, as_of: date) -> bool:
    """Whether a message may go out: daily always, else once a week or month began since the last.

    So one that a quiet day or a machine that was off held back comes on the next day.
    """
    if cadence == "daily" or last_on is None:
        return True
    begun = as_of.replace(day=1) if cadence == "monthly" else None
    return last_on < (begun or as_of - timedelta(days=as_of.weekday()))


# --- one morning ------------------------------------------------------------------------------


def advance(
    view: ClientView,
    hearing: Hearing,
    state: State,
    last_on: date | None,
    holidays: Collection[date] = (),
    report_link: str | None = None,
) -> Advance | None:
    """What a route is told of a morning, or None when the morning is none for this route.

    That is a day before ``last_on``, the newest that it was told of, a quiet day,
    or one between two summaries: what happened then is told later. An `Advance`
    without a digest is a morning on which there was nothing to tell.
    """
    route, as_of = hearing.route, view.as_of
    if last_on is not None and as_of < last_on:
        return None
    if is_quiet(route, as_of, holidays) or not is_due(route.digest, last_on, as_of):
        return None
    morning = _Morning(view, hearing, state, last_on, route.digest != "daily")
    changed, unchanged, data = morning.tell()
    is_first = bool(hearing.targets) and not any(
        subject.target_id in hearing.targets for subject in state
    )
    # a summary comes also when nothing changed; every other message needs news
    if not changed and not data and not (morning.is_summary and unchanged and last_on != as_of):
        return Advance(None, morning.after)
    cadence = "daily" if is_first else route.digest
    digest = Digest(
        key=key_of(view, route.name, changed, data, cadence),
        client=view.client,
        route=route.name,
        locale=route.locale or view.client.locale,
        as_of=as_of,
        is_first=is_first,
        changed=tuple(changed),
        unchanged=tuple(unchanged),
        sources=view.sources,
        report_link=report_link,
        cadence=cadence,
        last_on=last_on,
        data=tuple(data),
    )
    return Advance(digest, morning.after)


def told_trouble(states: Mapping[str, State], client: Client) -> dict[str, date]:
    """By target id the morning on which the first of its routes was told that it is off track.

    Only where that is still the last word. ``states`` is by route.
    """
    found: dict[str, date] = {}
    for name, ids in routed_targets(client).items():
        # of a repeating target only the occurrence that runs; a state is in order of days
        last = {s.target_id: known for s, known in ordered(states.get(name, {})) if not s.segment}
        for target_id in ids & last.keys():
            told_on = last[target_id].trouble_on
            if told_on is not None:
                found[target_id] = min(found.get(target_id, told_on), told_on)
    return found


def ordered(state: State) -> list[tuple[Subject, Known]]:
    """By target and segment, the oldest occurrence first."""
    return sorted(
        state.items(), key=lambda one: (one[0].target_id, one[0].segment, str(one[0].occurrence))
    )


def news_of(
    total: Evaluation, target: Target, hearing: Hearing, known: Known | None, is_summary: bool
) -> Kind | None:
    """Why a route is told of a target's total today, if it is."""
    route, as_of = hearing.route, total.as_of
    kinds = kinds_for(route, target)
    if known is None:
        # a route that asked for some news does not want to hear of every new target
        return "new" if not route.only or total.status in kinds or is_summary else None
    is_edited = bool(known.version) and total.target_version not in ("", known.version)
    if is_edited and ("edited" in kinds or is_summary):
        return "edited"
    if is_summary:
        return None if total.status == known.status else _kind(known.status, total.status)[0]
    if total.status in FROZEN:
        return None
    if total.status != known.status:
        return next((k for k in _kind(known.status, total.status) if k in kinds), None)
    repeat = route.repeat_every_days or target.repeat_every_days
    is_old = as_of - known.said_on >= timedelta(days=repeat)
    return "again" if total.status == "off_track" and is_old and "off_track" in kinds else None


def _kind(was: Status, status: Status) -> tuple[Kind, ...]:
    """What the step from one status to another is called, the most telling first."""
    found: list[Kind] = []
    if status in ("off_track", "at_risk", "missed", "achieved", "provisional"):
        found.append(status)
    if was in _NO_VERDICT and status in ("on_track", "at_risk", "off_track"):
        found.append("judged")
    if status == "on_track" and was in _TROUBLE:
        found.append("recovered")
    return tuple(found) or ("changed",)


@dataclass
class _Morning:
    """One route's morning; ``after`` becomes what it knows at the end of it."""

    view: ClientView
    hearing: Hearing
    before: State
    last_on: date | None
    is_summary: bool
    after: dict[Subject, Known] = field(default_factory=dict)

    @property
    def as_of(self) -> date:
        return self.view.as_of

    def tell(self) -> tuple[list[DigestItem], list[DigestItem], list[DataNews]]:
        changed: list[DigestItem] = []
        unchanged: list[DigestItem] = []
        for one in self.view.targets:
            if one.target.id in self.hearing.targets:
                found = list(self.target(one))
                changed += found
                if not any(item.evaluation is one.total for item in found):
                    known = self.total_known(_subject(one, one.total))
                    unchanged.append(self.unchanged(one, known))
            elif one.target.id in self.hearing.escalated:
                changed += self.escalated(one)
        data = list(self.data()) if self.hearing.has_data else []
        return changed, unchanged, data

    def unchanged(self, one: TargetView, known: Known | None) -> DigestItem:
        """A goal that is in the message for completeness; ``was`` is what it is."""
        said_on = known.said_on if known else None
        total = one.total
        return DigestItem(one, total, total.status, "changed", since_of(one), said_on)

    # --- a target -----------------------------------------------------------------------

    def target(self, one: TargetView) -> Iterator[DigestItem]:
        if one.muted is not None:  # nothing is told, so nothing more is known
            self.keep(one.target.id)
            return
        yield from self.finals(one)
        total = one.total
        subject = _subject(one, total)
        known = self.total_known(subject)
        if known is None and self.is_next_occurrence(subject):
            # a month that begins is no news; its first verdict is
            known = Known("too_early", self.as_of, None, total.target_version)
        kind = news_of(total, one.target, self.hearing, known, self.is_summary)
        if kind is None and known is not None and self.is_closed(total):
            kind = "closed"
        if kind == "again" and known is not None and was_better(one, known.said_on):
            kind = "back"
        self.after[subject] = self.known(total, known, kind)
        if kind is not None:
            was = None if known is None else known.status
            said_on = None if known is None else known.said_on
            yield DigestItem(one, total, was, kind, since_of(one), said_on)
        yield from self.segments(one, kind)

    def total_known(self, subject: Subject) -> Known | None:
        """What was told of a total; of a target that only now repeats, or no longer does, too."""
        found = self.before.get(subject)
        if found is None:
            others = [
                known
                for other, known in ordered(self.before)
                if other.target_id == subject.target_id
                and not other.segment
                and (other.occurrence is None or subject.occurrence is None)
            ]
            found = others[-1] if others else None
        return found

    def known(self, total: Evaluation, known: Known | None, kind: Kind | None) -> Known:
        """What the route knows of a total after this morning."""
        status, is_off = total.status, total.status == "off_track"
        if known is None or kind is not None or self.is_summary:
            # the goal of a target without data may have moved; what was said of it stays
            keeps = known is not None and status in FROZEN and not self.is_summary
            told = known.status if keeps and known is not None else status
            before = known.trouble_on if known is not None else None
            trouble = before or self.as_of if is_off else before if status in FROZEN else None
            said_on = self.as_of if kind is not None or known is None else known.said_on
            return Known(told, said_on, trouble, total.target_version)
        trouble = known.trouble_on if is_off or status in FROZEN else None
        return replace(known, trouble_on=trouble, version=total.target_version or known.version)

    def is_next_occurrence(self, subject: Subject) -> bool:
        """Whether the route knows an earlier month of the same target."""
        return subject.occurrence is not None and any(
            other.target_id == subject.target_id
            and not other.segment
            and other.occurrence is not None
            and other.occurrence < subject.occurrence
            for other in self.before
        )

    def is_closed(self, total: Evaluation) -> bool:
        """Whether a period that is over without a verdict is given up this morning."""
        if total.status not in _NO_VERDICT or total.period_end is None:
            return False
        given_up = total.period_end + CLOSED_AFTER
        return self.last_on is not None and self.last_on < given_up <= self.as_of

    def finals(self, one: TargetView) -> Iterator[DigestItem]:
        """How earlier occurrences of a repeating target ended, once it is final.

        They are told of only when the route knew the occurrence while it ran.
        """
        current = _occurrence(one, one.total)
        closing = {e.period_start: e for e in one.closing}
        for subject, known in ordered(self.before):
            start = subject.occurrence
            if subject.target_id != one.target.id or start in (None, current) or subject.segment:
                continue
            ended = closing.get(start)
            if ended is None:
                self.after[subject] = known
                continue
            kinds = kinds_for(self.hearing.route, one.target)
            is_over = ended.period_end is not None and self.as_of >= ended.period_end + CLOSED_AFTER
            kind: Kind | None = None
            if ended.status == "missed" or ended.status == "achieved":
                kind = ended.status
            elif is_over:
                kind = "closed"
            else:
                self.after[subject] = known
                continue
            if kind in kinds or kind == "closed" or self.is_summary:
                # its own figures alone: causes and steps are of the month that runs
                alone = replace(
                    one, total=ended, segments=(), segment_series=(), history=(),
                    causes=(), findings=(), goal_changes=(), shape=None,
                )  # fmt: skip
                yield DigestItem(alone, ended, known.status, kind, None, known.said_on)

    def keep(self, target_id: str) -> None:
        self.after |= {s: known for s, known in self.before.items() if s.target_id == target_id}

    # --- segments -----------------------------------------------------------------------

    def segments(self, one: TargetView, of_total: Kind | None) -> Iterator[DigestItem]:
        """Segments that began to fail beyond chance, or recovered; only those are remembered.

        A total that is told of says itself how many fail and which is worst; one that
        is about to follow them is waited for, so that there is one message and not two.
        """
        kinds = kinds_for(self.hearing.route, one.target)
        is_silent = of_total is not None
        follows = one.total.details.get("candidate")
        for part in one.segments:
            subject = _subject(one, part)
            known = self.before.get(subject)
            if follows == part.status and (known is None) == (part.status == "off_track"):
                if known is not None:
                    self.after[subject] = known
                continue
            if part.status == "off_track" and part.details.get("claimed") and known is None:
                self.after[subject] = Known("off_track", self.as_of, self.as_of)
                if not is_silent and "off_track" in kinds:
                    yield DigestItem(one, part, None, "off_track")
            elif known is not None and part.status in _GOOD and one.total.status not in FROZEN:
                if not is_silent and part.status == "on_track" and "recovered" in kinds:
                    yield DigestItem(one, part, known.status, "recovered", None, known.said_on)
            elif known is not None and part.status not in _FINAL:
                self.after[subject] = known
        there = {part.segment for part in one.segments}
        for subject, known in self.before.items():
            # one that has no rows for a while, or data that is late
            if (
                subject.target_id == one.target.id
                and subject.segment
                and subject.segment not in there
                and subject.occurrence == _occurrence(one, one.total)
                and one.total.status not in _FINAL
            ):
                self.after[subject] = known

    # --- somebody else ------------------------------------------------------------------

    def escalated(self, one: TargetView) -> Iterator[DigestItem]:
        """What stayed off track for days after others were told, and how that went on."""
        if one.muted is not None:
            self.keep(one.target.id)
            return
        total, target = one.total, one.target
        subject = _subject(one, total)
        known = self.before.get(subject)
        yield from self.finals(one)
        first_told = self.hearing.escalated[target.id]
        if known is None:
            waits = timedelta(days=target.escalate.after_days if target.escalate else 0)
            if (
                total.status == "off_track"
                and first_told is not None
                and self.as_of - first_told >= waits
            ):
                self.after[subject] = Known(
                    "off_track", self.as_of, self.as_of, total.target_version
                )
                yield DigestItem(one, total, None, "escalated", since_of(one), first_told)
            return
        repeat = self.hearing.route.repeat_every_days or target.repeat_every_days
        if total.status == "off_track" and self.as_of - known.said_on >= timedelta(days=repeat):
            kind: Kind = "back" if was_better(one, known.said_on) else "again"
            self.after[subject] = replace(known, said_on=self.as_of)
            yield DigestItem(one, total, known.status, kind, since_of(one), known.said_on)
        elif total.status in _GOOD | _FINAL:  # solved, or over: the route is done with it
            kind = _kind(known.status, total.status)[0]
            yield DigestItem(one, total, known.status, kind, since_of(one), known.said_on)
        else:
            self.after[subject] = known

    # --- data ---------------------------------------------------------------------------

    def data(self) -> Iterator[DataNews]:
        """Accounts that hold up a target, each told once, and those that came back."""
        tells = self.hearing.asked_for_data or "stale" in (self.hearing.route.only or TOLD_UNASKED)
        found = troubles(self.view)
        for name, trouble in found.items():
            subject = Subject("", name)
            known = self.before.get(subject)
            is_ours = self.hearing.asked_for_data or not self.hearing.targets.isdisjoint(
                trouble.target_ids
            )
            if not is_ours:
                continue
            if known is None and tells:
                yield DataNews("stale", trouble.account, trouble.target_ids, trouble.reason)
            self.after[subject] = known or Known("stale", self.as_of, self.as_of)
        accounts = {account_name(state): state for state in self.view.sources}
        totals = {one.target.id: one for one in self.view.targets}
        for subject, known in self.before.items():
            name = subject.segment
            if subject.target_id or name in found:
                continue
            if name in accounts:
                if not is_in_order(accounts[name]):
                    self.after[subject] = known  # it holds up nothing for the moment
                elif tells:
                    ids = tuple(
                        one.target.id
                        for one in self.view.targets
                        if accounts[name] in accounts_of(one, self.view)
                    )
                    yield DataNews("recovered", accounts[name], ids)
            elif (target_id := name.removeprefix("target/")) in totals and tells:
                yield DataNews("recovered", None, (target_id,))


# --- data that is late ------------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """An account, or the scope of one target, of which there is no data to judge by."""

    account: SourceState | None
    target_ids: tuple[str, ...]
    reason: str


def troubles(view: ClientView) -> dict[str, Trouble]:
    """What holds up targets that are not muted: by account, or by target where none is to blame."""
    found: dict[str, Trouble] = {}
    for one in view.targets:
        if one.total.status not in FROZEN or one.muted is not None:
            continue
        own = accounts_of(one, view)
        if one.total.reason == "too_many_missing":
            # days before the first that was ever loaded are in no account's list
            blamed = [state for state in own if state.missing_days] or own[: len(own) == 1]
        elif one.total.reason in ("stale", "account_failed", "nothing_loaded"):
            blamed = [state for state in own if not is_in_order(state)]
        else:
            blamed = []
        names: dict[str, SourceState | None] = {account_name(state): state for state in blamed}
        for name, state in (names or {f"target/{one.target.id}": None}).items():
            before = found.get(name)
            ids = (*(before.target_ids if before else ()), one.target.id)
            found[name] = Trouble(state, ids, before.reason if before else one.total.reason)
    return found


def accounts_of(one: TargetView, view: ClientView) -> list[SourceState]:
    """The accounts that a target rests on."""
    sources = one.target.where.get("source", one.kpi.sources)
    accounts = one.target.where.get("account_id")
    return [
        state
        for state in view.sources
        if state.source in sources
        and state.source in one.kpi.sources
        and (accounts is None or state.account_id in accounts)
    ]


def account_name(state: SourceState) -> str:
    return f"{state.source}/{state.account_id}"


def is_in_order(state: SourceState) -> bool:
    return (
        state.problem is None
        and state.through is not None
        and state.through >= state.expected_through
    )


# --- the past of a target ---------------------------------------------------------------------


def since_of(one: TargetView) -> date | None:
    """The first morning of the total's present status, days without data left out of account."""
    first = one.total.as_of
    for day, status in reversed(one.history):
        if status in FROZEN and one.total.status not in FROZEN:
            continue
        if status != one.total.status:
            break
        first = day
    return first


def was_better(one: TargetView, since: date) -> bool:
    """Whether the total had another verdict on a morning after ``since``."""
    return any(
        day > since and status != one.total.status and status not in _NO_VERDICT
        for day, status in one.history
    )


def mute_of(target: Target, snoozed: Mute | None, as_of: date) -> Mute | None:
    """The mute that holds on a morning: of the file or of the command line, the longest."""
    holding = [m for m in (target.mute, snoozed) if m is not None and as_of < m.until]
    return max(holding, key=lambda mute: mute.until, default=None)


def _occurrence(one: TargetView, evaluation: Evaluation) -> date | None:
    return evaluation.period_start if one.target.period.every else None


def _subject(one: TargetView, evaluation: Evaluation) -> Subject:
    return Subject(one.target.id, evaluation.segment, _occurrence(one, evaluation))
