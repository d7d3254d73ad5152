"""What it takes from here, the odds and where it will end: a sentence each.

All of it is plain text for people; a figure that an evaluation does not carry
leaves its sentence out. Odds are told in tens and in words, never finer: the
calibration does not bear more.
"""

from __future__ import annotations

from math import floor, isclose, isfinite

from flows.kpis import Kpi
from flows.report import formats, words
from flows.report.formats import Language
from flows.settings import Target
from flows.targets.evaluation import Evaluation
from flows.targets.periods import ONE_DAY

# Beyond these, odds are told as less or more than: the tails of a forecast are its weakest part.
LEAST_ODDS, MOST_ODDS = 0.1, 0.9
# Up to which odds a word holds, the bound itself not included. The bounds at 0.3 and 0.7 are
# those of the statuses, so that word and status agree.
_ODDS_WORDS = (
    (0.1, "very_unlikely"),
    (0.3, "unlikely"),
    (0.45, "rather_not"),
    (0.55, "either_way"),
    (0.7, "rather_yes"),
    (0.9, "likely"),
    (1.01, "very_likely"),
)
# Between these, odds point to neither side.
_ODDS_AGAINST, _ODDS_FOR = 0.45, 0.55
# Less than this still to arrive changes no figure that is shown.
_WORTH_TELLING = 0.005
_FINAL = ("achieved", "missed")
_JUDGED = ("on_track", "at_risk", "off_track", "provisional")


def has_odds(evaluation: Evaluation, target: Target) -> bool:
    """Whether there are odds to tell: of a goal with a deadline that is still open."""
    odds = evaluation.probability
    is_open = evaluation.status in _JUDGED and target.period.rolling_days is None
    return is_open and odds is not None and 0 <= odds <= 1


def odds_size(odds: float, language: Language) -> str:
    """`about 30%`, `less than 10%`."""

    def share(value: float) -> str:
        return formats.percentage(value, language, digits=0)

    if odds < LEAST_ODDS:
        return words.say("odds_less", language, share=share(LEAST_ODDS))
    if odds > MOST_ODDS:
        return words.say("odds_more", language, share=share(MOST_ODDS))
    return words.say("odds_about", language, share=share(floor(odds * 10 + 0.5) / 10))


def odds_word(odds: float, language: Language) -> str:
    """`unlikely`, `more likely than not`."""
    key = next(key for bound, key in _ODDS_WORDS if odds < bound)
    return words.say(key, language)


def odds_short(evaluation: Evaluation, target: Target, language: Language) -> str:
    """`odds about 30%`, for a table; empty when there are none."""
    odds = evaluation.probability
    if odds is None or not has_odds(evaluation, target):
        return ""
    return words.say("odds_short", language, odds=odds_size(odds, language))


def odds_sentence(
    evaluation: Evaluation, target: Target, kpi: Kpi, language: Language, *, there: bool = False
) -> str:
    """`The odds of making it are about 30%: unlikely.`

    Where the odds and today's value point to different sides, a clause joins
    them. ``there`` is for a segment that was named just before.
    """
    odds = evaluation.probability
    if odds is None or not has_odds(evaluation, target):
        return ""
    key = {"at_most": "odds_under", "between": "odds_within", "maintain": "odds_within"}.get(
        target.goal.kind, "odds"
    )
    if evaluation.status == "provisional":
        key = "odds_over"
    return words.say(
        key,
        language,
        odds=odds_size(odds, language),
        word=odds_word(odds, language),
        but=_but(evaluation, kpi, odds, language),
        there=words.say("there", language) if there else "",
    )


def maybe_chance(evaluation: Evaluation, language: Language) -> str:
    """That what looks bad may still be chance, where the verdict is mild for that reason."""
    if evaluation.status != "at_risk":
        return ""
    is_split = evaluation.reason == "segments_failing"
    unclaimed = is_split and evaluation.details.get("claimed") == 0
    unsure = not is_split and evaluation.probability is None and _standing(evaluation) == "off"
    return words.say("maybe_chance", language) if unclaimed or unsure else ""


def least_certain(evaluation: Evaluation, name: str, language: Language) -> str:
    """`Least certain is Kids: about 70%, likely.`"""
    odds = evaluation.probability
    if odds is None or not 0 <= odds <= 1:
        return ""
    return words.say(
        "least_certain",
        language,
        name=name,
        odds=odds_size(odds, language),
        word=odds_word(odds, language),
    )


def pending(evaluation: Evaluation, target: Target, language: Language) -> str:
    """`One more day like this and it becomes “at risk”.`: a status that waits to be confirmed."""
    if (waits := _waiting(evaluation, target)) is None:
        return ""
    status, left = waits
    return words.say("pending", language, n=left, status=words.status(status, language))


def turning(evaluation: Evaluation, target: Target, language: Language) -> str:
    """`turning “at risk”`: the same where there is no room for a sentence."""
    if (waits := _waiting(evaluation, target)) is None:
        return ""
    return words.say("turning", language, status=words.status(waits[0], language))


def _waiting(evaluation: Evaluation, target: Target) -> tuple[str, int] | None:
    """The status that waits to be confirmed, and how many days more it takes."""
    candidate = evaluation.details.get("candidate")
    if not isinstance(candidate, str) or candidate not in words.STATUS:
        return None
    left = target.tuning.confirm_days - int(evaluation.details.get("candidate_days", 1))
    return None if candidate == evaluation.status or left < 1 else (candidate, left)


def ending(
    evaluation: Evaluation, target: Target, kpi: Kpi, language: Language, currency: str | None
) -> str:
    """`It will probably end between 3.4 and 4.1, most likely at 3.7.`"""
    value, low, high = projected(evaluation, target, kpi, language, currency)
    if not value:
        return ""
    if not low or low == high:
        return words.say("outlook_known", language, value=value)
    return words.say("outlook", language, value=value, low=low, high=high)


def projected(
    evaluation: Evaluation, target: Target, kpi: Kpi, language: Language, currency: str | None
) -> tuple[str, str, str]:
    """Most likely end value and the bounds of its 80% range; empty where not known."""
    ends = (evaluation.projected, evaluation.projected_low, evaluation.projected_high)
    if evaluation.status not in _JUDGED or target.period.rolling_days is not None:
        return "", "", ""
    value, low, high = ends
    if value is None or not isfinite(value):
        return "", "", ""
    money = evaluation.currency_code or currency
    if low is None or high is None or not (isfinite(low) and isfinite(high)):
        return _alike((value,), evaluation.goal, kpi, language, money)[0], "", ""
    told = _alike((value, low, high), evaluation.goal, kpi, language, money)
    return told[0], told[1], told[2]


def needed(
    evaluation: Evaluation,
    target: Target,
    kpi: Kpi,
    language: Language,
    currency: str | None,
    *,
    there: bool = False,
) -> str:
    """What the days that are left have to come to, or what will do; empty when not known."""
    if evaluation.status not in _JUDGED or evaluation.status == "provisional":
        return ""
    n = days_left(evaluation)
    if n < 1 or target.period.rolling_days is not None:
        return ""
    where = words.say("there", language) if there else ""
    money = evaluation.currency_code or target.goal.currency or currency
    is_capped = _is_capped(target)
    value = words.judged(evaluation)
    goal = evaluation.goal
    if kpi.is_sum and is_capped and value is not None and goal is not None and value > goal:
        return words.say("already_over", language, there=where)
    asked = evaluation.required
    if asked is None or not isfinite(asked):
        return ""
    kind = "money" if kpi.unit == "money" else "count"
    if kpi.is_sum:
        if asked <= 0 and not is_capped:
            key = "already_made_money" if kind == "money" else "already_made"
            return words.say(key, language, there=where)
        pace = pace_so_far(evaluation, kpi)
        if pace is None:
            return ""
        key = "room" if is_capped else "enough" if pace >= asked else "need"
        told = _a_day(asked, kpi, language, money)
        if kind == "count":
            told += f" {kpi.numerator.get(language, '')}"
        return words.say(
            f"{key}_{kind}",
            language,
            needed=told,
            now=_a_day(pace, kpi, language, money),
            there=where,
        )
    if asked <= 0 or value is None:
        return ""
    bound = words.say(
        "at_most_of" if is_capped else "at_least_of",
        language,
        a_kpi=words.a_kpi(kpi, language),
        value=formats.quantity(asked, kpi.unit, language, money, is_goal=True)
        if goal is not None and isclose(asked, goal, rel_tol=1e-6)
        else formats.value_apart_from(asked, (value, goal), kpi, language, money),
    )
    window = evaluation.details.get("window_days")
    if isinstance(window, int | float) and window < n:
        # only the last window of the period counts in the end, and it still lies ahead
        return words.say("need_window", language, n=int(window), bound=bound, there=where)
    is_enough = asked >= value if is_capped else asked <= value
    key = "enough_ratio" if is_enough else "need_ratio"
    return words.say(key, language, n=n, bound=bound, there=where)


def days_left(evaluation: Evaluation) -> int:
    """The days of the period that are not in yet."""
    if evaluation.period_end is None:
        return 0
    through = evaluation.measured_through or evaluation.as_of - ONE_DAY
    return (evaluation.period_end - through).days - 1


def pace_so_far(evaluation: Evaluation, kpi: Kpi) -> float | None:
    """A sum per day that is in: of days that are missing nothing is known."""
    first, last = evaluation.measured_from, evaluation.measured_through
    value = words.judged(evaluation)
    if not kpi.is_sum or first is None or last is None or value is None:
        return None
    days = (last - first).days + 1 - evaluation.days_missing
    return value / days if days > 0 else None


def season(evaluation: Evaluation, language: Language) -> str:
    """Whether the season is in the projection, where there is one."""
    if evaluation.projected is None:
        return ""
    told = evaluation.details.get("season")
    key = {"unknown": "season_unknown", "last_year": "season_last_year"}.get(str(told))
    return words.say(key, language) if key else ""


def completeness(evaluation: Evaluation, kpi: Kpi, language: Language, currency: str | None) -> str:
    """How much was adjusted for what is still arriving; empty where it changes nothing."""
    if evaluation.value is None or kpi.late is None:
        return ""
    raw = formats.value_apart_from(
        evaluation.value,
        (words.judged(evaluation),),
        kpi,
        language,
        evaluation.currency_code or currency,
    )
    if words.rests_on_settled(evaluation):
        return words.say("young_left_out", language, raw=raw)
    share = evaluation.completeness
    if not words.rests_on_learned(evaluation) or share is None or share > 1 - _WORTH_TELLING:
        return ""
    return words.say(
        "adjusted_note", language, late=_late(kpi, language), share=_in(share, language), raw=raw
    )


def late_share(evaluation: Evaluation, kpi: Kpi, language: Language) -> str:
    """`86% of the conversion value is in`; empty where nothing is adjusted."""
    share = evaluation.completeness
    if not words.rests_on_learned(evaluation) or share is None or kpi.late is None:
        return ""
    if share > 1 - _WORTH_TELLING:
        return ""
    return words.say("share_in", language, late=_late(kpi, language), share=_in(share, language))


def _late(kpi: Kpi, language: Language) -> str:
    """The side that keeps arriving, in words."""
    assert kpi.late is not None
    noun = kpi.numerator if kpi.late.side == "numerator" else kpi.denominator or {}
    return noun.get(language, "")


def _in(share: float, language: Language) -> str:
    # 99.6% is not "100%" when the rest is being told of
    return formats.percentage(share, language, digits=1 if share >= 0.985 else 0)


def _is_capped(target: Target) -> bool:
    """Whether lower is what was agreed."""
    goal = target.goal
    falls = goal.kind == "from_to" and (goal.to or 0.0) < (goal.from_ or 0.0)
    return goal.kind == "at_most" or falls


def _a_day(amount: float, kpi: Kpi, language: Language, currency: str | None) -> str:
    """An amount a day, as precisely as it is known: three figures, and no tenth of a click."""
    size = float(f"{max(amount, 0.0):.3g}")
    if kpi.unit == "count" and size >= 10:
        size = float(round(size))
    return formats.quantity(size, kpi.unit, language, currency)


def _alike(
    ends: tuple[float, ...], goal: float | None, kpi: Kpi, language: Language, money: str | None
) -> tuple[str, ...]:
    """Values at the deadline, all with as many digits as keep them apart, also from the goal.

    Sums are rounded to three figures, as nobody knows them to the piece.
    """
    if kpi.is_sum:
        ends = tuple(float(f"{end:.3g}") if abs(end) >= 100 else end for end in ends)
    apart = set(ends) | ({goal} if goal is not None and isfinite(goal) else set())
    for extra in (0, 1, 2):

        def written(value: float, extra: int = extra) -> str:
            return formats.quantity(value, kpi.unit, language, money, extra_digits=extra)

        if len({written(value) for value in apart}) == len(apart):
            return tuple(written(end) for end in ends)
    return tuple(formats.quantity(end, kpi.unit, language, money) for end in ends)


def _standing(evaluation: Evaluation) -> str:
    """`on`, `near` or `off`: the value against what is asked by now."""
    told = evaluation.details.get("standing")
    if told in ("on", "near", "off"):
        return str(told)
    start = evaluation.reason.partition("_")[0]
    return {"on": "on", "in": "on", "near": "near", "off": "off", "out": "off"}.get(start, "")


def _but(evaluation: Evaluation, kpi: Kpi, odds: float, language: Language) -> str:
    """The clause that joins odds and a value that point to different sides."""
    standing = _standing(evaluation)
    if odds < _ODDS_AGAINST and standing == "on":
        return words.say("but_good", language)
    value = words.judged(evaluation)
    if odds < _ODDS_FOR or standing not in ("near", "off") or value is None:
        return ""
    low, high = evaluation.details.get("low"), evaluation.details.get("high")
    asked = words.due(evaluation)
    is_pace = evaluation.reason.endswith("_pace")
    if isinstance(low, int | float) and isinstance(high, int | float) and not is_pace:
        is_low = value < low
    elif asked is not None:
        is_low = (words.filled_sum(evaluation, kpi) or value) < asked
    else:
        return ""
    side = ("behind" if is_low else "fast") if is_pace else ("low" if is_low else "high")
    return words.say(f"but_{standing}_{side}", language)
