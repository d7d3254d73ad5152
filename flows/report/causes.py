"""Why a KPI changed, in words: the few parts that did it, and what the others did together.

Plain text: names are cleaned and cut here, escaping is the medium's task. Only
what is distinguishable from chance is told as a cause; otherwise the sentence
says that nothing stands out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import fsum
from typing import Literal

from flows.kpis import Kpi
from flows.report import formats, words
from flows.report.formats import Language
from flows.report.words import Phrase, pick
from flows.targets.explain import Effect, Explanation

# Three causes are read and remembered; the others are told together.
MOST_CAUSES = 3
MOST_ROWS = 8
NAME_LIMIT = 60
# Beside the largest effect, one of less than a twentieth of it is not worth a sentence.
WORTH_TELLING = 0.05
NO_DIFFERENCE = 0.01

How = Literal["rate", "mix", "new", "vanished", "sum", "rest"]


@dataclass(frozen=True)
class CauseRow:
    """One line of a table of causes; all but ``size`` is text for people, not escaped.

    ``effect`` is signed, in the unit of the KPI. ``before`` and ``after`` are
    the part's own value; the weights its share of the denominator (of the sum
    for a KPI that is one). ``size`` is the effect as a fraction of the largest,
    -1..1, for a bar. ``helps`` says that it moves the KPI the good way.
    """

    name: str
    how: How
    how_told: str
    effect: str
    share: str
    before: str
    after: str
    weight_before: str
    weight_after: str
    size: float
    helps: bool
    is_claimed: bool


# What a part did to the whole. {x} is an amount with its unit, {kpi} the KPI with its article.
DID: dict[str, dict[str, str]] = {
    "loses": {"en": "costs {x}", "nl": "kost {x}"},
    "wins": {"en": "adds {x}", "nl": "levert {x} op"},
    "raises": {"en": "makes {kpi} {x} higher", "nl": "maakt {kpi} {x} hoger"},
    "lowers": {"en": "makes {kpi} {x} lower", "nl": "maakt {kpi} {x} lager"},
    # after a sentence that has already named the KPI
    "raises_it": {"en": "raises the average by {x}", "nl": "verhoogt het gemiddelde met {x}"},
    "lowers_it": {"en": "lowers the average by {x}", "nl": "verlaagt het gemiddelde met {x}"},
}

# The part's own value, before and after: by KPI, '' for those that are not known here.
OWN: dict[str, dict[str, tuple[str, str]]] = {  # (it fell, it rose)
    "roas": {
        "en": ("its return fell from {a} to {b}", "its return rose from {a} to {b}"),
        "nl": (
            "het rendement zakte er van {a} naar {b}",
            "het rendement steeg er van {a} naar {b}",
        ),
    },
    "ctr": {
        "en": (
            "its click-through rate fell from {a} to {b}",
            "its click-through rate rose from {a} to {b}",
        ),
        "nl": (
            "de doorklikratio zakte er van {a} naar {b}",
            "de doorklikratio steeg er van {a} naar {b}",
        ),
    },
    "cpc": {
        "en": ("a click there went from {a} to {b}", "a click there went from {a} to {b}"),
        "nl": ("een klik ging er van {a} naar {b}", "een klik ging er van {a} naar {b}"),
    },
    "cost_per_conversion": {
        "en": (
            "a conversion there went from {a} to {b}",
            "a conversion there went from {a} to {b}",
        ),
        "nl": ("een conversie ging er van {a} naar {b}", "een conversie ging er van {a} naar {b}"),
    },
    "ads_conversion_rate": {
        "en": (
            "its conversion rate fell from {a} to {b}",
            "its conversion rate rose from {a} to {b}",
        ),
        "nl": (
            "de conversieratio zakte er van {a} naar {b}",
            "de conversieratio steeg er van {a} naar {b}",
        ),
    },
    "": {
        "en": ("it fell there from {a} to {b}", "it rose there from {a} to {b}"),
        "nl": ("daar zakte het van {a} naar {b}", "daar steeg het van {a} naar {b}"),
    },
}
OWN["conversion_rate"] = OWN["ads_conversion_rate"]

# What a part's own value is called where the KPI's label tells more than a part needs.
NOUN: dict[str, dict[str, str]] = {
    "conversion_rate": {"en": "conversion rate", "nl": "conversieratio"},
    "ads_conversion_rate": {"en": "conversion rate", "nl": "conversieratio"},
}

TEXT: dict[str, dict[str, Phrase]] = {
    "rate": {"en": "{name} {did}: {own}.", "nl": "{name} {did}: {own}."},
    "plain": {"en": "{name} {did}.", "nl": "{name} {did}."},
    # --- the denominator moved between parts; {a} and {b} are the part's share of it
    "more_budget_worse": {
        "en": "More of the budget went to {name} ({a} → {b}), which returns less: that {did}.",
        "nl": "Meer budget ging naar {name} (van {a} naar {b}), dat minder oplevert: dat {did}.",
    },
    "more_budget_better": {
        "en": "More of the budget went to {name} ({a} → {b}), which returns more: that {did}.",
        "nl": "Meer budget ging naar {name} (van {a} naar {b}), dat meer oplevert: dat {did}.",
    },
    "less_budget_worse": {
        "en": "Less of the budget went to {name} ({a} → {b}), which returns less: that {did}.",
        "nl": "Minder budget ging naar {name} (van {a} naar {b}), dat minder oplevert: dat {did}.",
    },
    "less_budget_better": {
        "en": "Less of the budget went to {name} ({a} → {b}), which returns more: that {did}.",
        "nl": "Minder budget ging naar {name} (van {a} naar {b}), dat meer oplevert: dat {did}.",
    },
    "mix_below": {
        "en": (
            "{name} went from {a} to {b} of the {volume}, and its {noun} of {value} is below "
            "average: that {did}."
        ),
        "nl": (
            "{name} ging van {a} naar {b} van de {volume} en zit met {own_kpi} van {value} onder "
            "het gemiddelde: dat {did}."
        ),
    },
    "mix_above": {
        "en": (
            "{name} went from {a} to {b} of the {volume}, and its {noun} of {value} is above "
            "average: that {did}."
        ),
        "nl": (
            "{name} ging van {a} naar {b} van de {volume} en zit met {own_kpi} van {value} boven "
            "het gemiddelde: dat {did}."
        ),
    },
    "new": {
        "en": "{name} is new, {b} of the {volume} with {own_kpi} of {value}: that {did}.",
        "nl": (
            "{name} is nieuw, goed voor {b} van de {volume} met {own_kpi} van {value}: dat {did}."
        ),
    },
    "vanished": {
        "en": (
            "{name} is no longer there ({a} of the {volume}, with {own_kpi} of {value}): "
            "that {did}."
        ),
        "nl": (
            "{name} is er niet meer bij (goed voor {a} van de {volume}, met {own_kpi} van "
            "{value}): dat {did}."
        ),
    },
    # --- sums; {x} is an amount, {than} what it is compared with
    "sum_less": {
        "en": "{name} came out {x} lower than {than}.",
        "nl": "{name} kwam {x} lager uit dan {than}.",
    },
    "sum_more": {
        "en": "{name} came out {x} higher than {than}.",
        "nl": "{name} kwam {x} hoger uit dan {than}.",
    },
    "sum_new": {
        "en": "{name} is new and accounts for {x}.",
        "nl": "{name} is nieuw en goed voor {x}.",
    },
    "sum_vanished": {
        "en": "{name} is no longer there: that takes away {x}.",
        "nl": "{name} is er niet meer bij: dat scheelt {x}.",
    },
    "per_day": {"en": "{x} a day", "nl": "{x} per dag"},
    # --- what it is compared with, after "than" or "dan"
    "than_week": {"en": "the week before", "nl": "de week ervoor"},
    "than_weeks": {"en": "in the {weeks} weeks before", "nl": "in de {weeks} weken ervoor"},
    "than_week_to": {"en": "in the week to {day}", "nl": "in de week tot en met {day}"},
    "than_weeks_to": {
        "en": "in the {weeks} weeks to {day}",
        "nl": "in de {weeks} weken tot en met {day}",
    },
    "than_span": {"en": "over {span}", "nl": "over {span}"},
    "than_last_year": {
        "en": "on the same days of last year",
        "nl": "in dezelfde dagen van vorig jaar",
    },
    # --- opening
    "fell": {
        "en": "{kpi} came out {x} lower than {than}: from {a} to {b}.",
        "nl": "{kpi} {came} {x} lager uit dan {than}: van {a} naar {b}.",
    },
    "rose": {
        "en": "{kpi} came out {x} higher than {than}: from {a} to {b}.",
        "nl": "{kpi} {came} {x} hoger uit dan {than}: van {a} naar {b}.",
    },
    "same": {
        "en": "{kpi} came out the same as {than}: {b}.",
        "nl": "{kpi} {came} net zo uit als {than}: {b}.",
    },
    # --- the others
    "others": {
        "en": ("The other {part}: {x}.", "The other {n} {parts} together: {x}."),
        "nl": ("{The} andere {part}: {x}.", "De andere {n} {parts} samen: {x}."),
    },
    "others_nothing": {
        "en": (
            "The other {part} made no difference.",
            "The other {n} {parts} together made no difference.",
        ),
        "nl": (
            "{The} andere {part} maakte geen verschil.",
            "De andere {n} {parts} maakten samen geen verschil.",
        ),
    },
    "none": {
        "en": (
            "No single {part} stands out: what they did differs no more than days differ by chance."
        ),
        "nl": (
            "Geen enkel{e} {part} springt eruit: de verschillen zijn niet groter dan die van dag "
            "tot dag."
        ),
    },
    # all that stands out worked the other way than the whole
    "none_fell": {
        "en": "No single {part} explains the fall.",
        "nl": "Geen enkel{e} {part} verklaart op zichzelf de daling.",
    },
    "none_rose": {
        "en": "No single {part} explains the rise.",
        "nl": "Geen enkel{e} {part} verklaart op zichzelf de stijging.",
    },
    "inside": {
        "en": "Within {outer} it is above all {name}: {own}.",
        "nl": "Binnen {outer} ligt dat vooral aan {name}: {own}.",
    },
    # --- tables
    "how_rate": {"en": "own result", "nl": "eigen resultaat"},
    "how_mix": {"en": "share", "nl": "aandeel"},
    "how_new": {"en": "new", "nl": "nieuw"},
    "how_vanished": {"en": "gone", "nl": "weg"},
    "how_sum": {"en": "", "nl": ""},
    "how_rest": {"en": "together", "nl": "samen"},
    "others_name": {
        "en": ("1 other {part}", "{n} other {parts}"),
        "nl": ("1 andere {part}", "{n} andere {parts}"),
    },
}

# The platforms' own words for things that have a name in every language.
VALUE: dict[str, dict[str, dict[str, str]]] = {
    "device": {
        "MOBILE": {"en": "mobile", "nl": "mobiel"},
        "DESKTOP": {"en": "desktop", "nl": "desktop"},
        "TABLET": {"en": "tablet", "nl": "tablet"},
        "CONNECTED_TV": {"en": "connected TV", "nl": "tv"},
        "OTHER": {"en": "other devices", "nl": "overige apparaten"},
    },
    "channel_type": {
        "PERFORMANCE_MAX": {"en": "Performance Max", "nl": "Performance Max"},
        "DEMAND_GEN": {"en": "Demand Gen", "nl": "Demand Gen"},
    },
    "network": {
        "CONTENT": {"en": "the Display Network", "nl": "het Display-netwerk"},
        "SEARCH": {"en": "Google Search", "nl": "Google Zoeken"},
        "SEARCH_PARTNERS": {"en": "search partners", "nl": "zoekpartners"},
    },
}


def sentences(
    explanation: Explanation | None, kpi: Kpi, language: Language, currency: str | None
) -> list[str]:
    """The causes, at most three, and then what the other parts did together.

    Empty when there is nothing to explain; one sentence saying so when no part
    stands out from chance.
    """
    if explanation is None or len(explanation.effects) < 2:
        return []
    told = causes(explanation)
    if not told:
        return [_none("none", explanation, language)]
    teller = _Teller(explanation, kpi, language, currency)
    lines = []
    if all(effect.total * explanation.change < 0 for effect in told):
        key = "none_fell" if explanation.change < 0 else "none_rose"
        lines.append(_none(key, explanation, language))
    for effect in told:
        lines.append(teller.sentence(effect))
        if effect is explanation.effects[0] and (inner := teller.inside(effect)):
            lines.append(inner)
    if rest := teller.others([e for e in explanation.effects if e not in told]):
        lines.append(rest)
    return lines


def opening(explanation: Explanation, kpi: Kpi, language: Language, currency: str | None) -> str:
    """What the whole did between the two stretches, in one sentence."""
    return _Teller(explanation, kpi, language, currency).opening()


def rows(
    explanation: Explanation | None,
    kpi: Kpi,
    language: Language,
    currency: str | None,
    most: int = MOST_ROWS,
) -> list[CauseRow]:
    """The largest effects for a table, the claimed and the others, and a last row for the rest."""
    if explanation is None:
        return []
    teller = _Teller(explanation, kpi, language, currency)
    shown, rest = explanation.effects[:most], explanation.effects[most:]
    if len(rest) == 1:  # a row for one other is that other
        shown, rest = explanation.effects, ()
    largest = max((abs(e.total) for e in explanation.effects), default=0.0)
    found = [teller.row(effect, largest) for effect in shown]
    if rest:
        found.append(teller.rest_row(rest, largest))
    return found


def causes(explanation: Explanation) -> tuple[Effect, ...]:
    """The effects that are told: claimed, at most three, none far smaller than the largest."""
    largest = max((abs(e.total) for e in explanation.claimed), default=0.0)
    worth = [e for e in explanation.claimed if abs(e.total) >= WORTH_TELLING * largest]
    return tuple(worth[:MOST_CAUSES])


def how(effect: Effect, is_sum: bool) -> How:
    """What kind of effect it mainly is."""
    if effect.is_new or effect.is_vanished:
        return "new" if effect.is_new else "vanished"
    if is_sum:
        return "sum"
    return "rate" if abs(effect.rate) >= abs(effect.mix) else "mix"


def is_neuter(dimension: str) -> bool:
    """Whether the word for a part takes "het" and "elk" in Dutch."""
    return dimension in _NEUTER_PARTS


def part_name(label: str, dimension: str, language: Language, limit: int = NAME_LIMIT) -> str:
    """A part as people call it: `mobiel` for MOBILE; somebody's own name only cleaned and cut."""
    known = VALUE.get(dimension, {}).get(label)
    if known is not None:
        return known[language]
    if dimension == "source":
        return formats.name(words.source(label), limit)
    if dimension in VALUE and label.isupper():
        label = label.replace("_", " ").capitalize()
    return formats.name(label, limit)


@dataclass(frozen=True)
class _Teller:
    explanation: Explanation
    kpi: Kpi
    language: Language
    currency: str | None

    # --- sentences

    def opening(self) -> str:
        whole = self.explanation
        shown = formats.pair(
            whole.before_value, whole.after_value, self.kpi.unit, self.language, self.currency
        )
        before, after = shown.before, shown.after
        points = f"{formats.NBSP}{_POINTS[self.language]}" if self.kpi.unit == "rate" else ""
        key = "same" if before == after else "fell" if whole.change < 0 else "rose"
        return self.say(
            key,
            kpi=words.capital(self.the_kpi),
            came=pick(("kwam", "kwamen"), 2 if words.is_plural(self.kpi, self.language) else 1),
            x=self.per_day(shown.size + points),
            than=self.than,
            a=before,
            b=after,
        )

    def sentence(self, effect: Effect) -> str:
        told = self._sum(effect) if self.explanation.is_sum else self._ratio(effect)
        # a word of ours begins a sentence with a capital, a name stays as somebody wrote it
        is_ours = effect.label in VALUE.get(self.explanation.dimension, {})
        return words.capital(told) if is_ours else told

    def _sum(self, effect: Effect) -> str:
        kind = how(effect, True)
        key = f"sum_{kind}" if kind != "sum" else "sum_less" if effect.total < 0 else "sum_more"
        return self.say(
            key, name=self.name(effect), x=self.sum_amount(effect.total), than=self.than
        )

    def _ratio(self, effect: Effect) -> str:
        kind = how(effect, False)
        own = effect.after if effect.after is not None else effect.before
        values = {
            "name": self.name(effect),
            "did": self.did(effect.total, is_named=kind != "rate" and own is not None),
            "volume": (self.kpi.denominator or {}).get(self.language, ""),
            "a": self.share(effect.weight_before),
            "b": self.share(effect.weight_after),
            "value": self.value(own),
            "own_kpi": self.own_kpi,
            "noun": self.noun,
        }
        if kind == "rate" and effect.before is not None and effect.after is not None:
            return self.say("rate", **values, own=self.own(effect.before, effect.after))
        if own is None or kind == "rate":
            return self.say("plain", **values)
        if kind in ("new", "vanished"):
            return self.say(kind, **values)
        is_above = self.is_above(effect)
        if words.is_money(self.kpi)[1] and self.kpi.better == "higher":
            more = "more" if effect.weight_after > effect.weight_before else "less"
            return self.say(f"{more}_budget_{'better' if is_above else 'worse'}", **values)
        return self.say("mix_above" if is_above else "mix_below", **values)

    def inside(self, effect: Effect) -> str:
        """What within the first cause's part it comes from; empty when that is not clear."""
        inner = self.explanation.inside
        if inner is None:
            return ""
        found = causes(inner)
        if not found or found[0] is not inner.effects[0] or how(found[0], inner.is_sum) != "rate":
            return ""
        first = found[0]
        if first.before is None or first.after is None:
            return ""
        return self.say(
            "inside",
            outer=self.name(effect),
            name=part_name(first.label, inner.dimension, self.language),
            own=self.own(first.before, first.after),
        )

    def others(self, rest: list[Effect]) -> str:
        if not rest:
            return ""
        total = fsum(effect.total for effect in rest)
        largest = max(abs(effect.total) for effect in self.explanation.effects)
        return self.say(
            "others" if abs(total) >= NO_DIFFERENCE * largest else "others_nothing",
            len(rest),
            part=_part(self.explanation, self.language, 1),
            parts=_part(self.explanation, self.language, 2),
            The="Het" if self.explanation.dimension in _NEUTER_PARTS else "De",
            x=self.per_day(self.signed(total)),
        )

    # --- rows

    def row(self, effect: Effect, largest: float) -> CauseRow:
        kind = how(effect, self.explanation.is_sum)
        before, after = self.values(effect.before, effect.after)
        return CauseRow(
            name=self.name(effect),
            how=kind,
            how_told=self.say(f"how_{kind}"),
            effect=self.signed(effect.total),
            share=self.share_of_change(effect.share_of_change),
            before=before,
            after=after,
            weight_before=self.share(effect.weight_before),
            weight_after=self.share(effect.weight_after),
            size=effect.total / largest if largest else 0.0,
            helps=self.helps(effect.total),
            is_claimed=effect.is_claimed,
        )

    def rest_row(self, rest: tuple[Effect, ...], largest: float) -> CauseRow:
        total = fsum(effect.total for effect in rest)
        shares = [e.share_of_change for e in rest if e.share_of_change is not None]
        return CauseRow(
            name=self.say(
                "others_name",
                len(rest),
                part=_part(self.explanation, self.language, 1),
                parts=_part(self.explanation, self.language, 2),
            ),
            how="rest",
            how_told=self.say("how_rest"),
            effect=self.signed(total),
            share=self.share_of_change(fsum(shares) if shares else None),
            before="",
            after="",
            weight_before=self.share(fsum(e.weight_before for e in rest)),
            weight_after=self.share(fsum(e.weight_after for e in rest)),
            size=max(-1.0, min(1.0, total / largest)) if largest else 0.0,
            helps=self.helps(total),
            is_claimed=False,
        )

    # --- pieces

    def say(self, key: str, n: int | None = None, /, **values: str) -> str:
        return _say(key, self.language, n, **values)

    def name(self, effect: Effect) -> str:
        return part_name(effect.label, self.explanation.dimension, self.language)

    def helps(self, total: float) -> bool:
        return total > 0 if self.kpi.better == "higher" else total < 0

    def is_above(self, effect: Effect) -> bool:
        """Whether a part's own value is above that of the whole, halfway between the stretches."""
        known = [v for v in (effect.before, effect.after) if v is not None]
        whole = (self.explanation.before_value + self.explanation.after_value) / 2
        return fsum(known) / len(known) > whole

    def did(self, total: float, *, is_named: bool) -> str:
        if self.kpi.better == "higher":
            return DID["wins" if total > 0 else "loses"][self.language].format(
                x=self.amount_of_kpi(total)
            )
        key = ("raises" if total > 0 else "lowers") + ("_it" if is_named else "")
        return DID[key][self.language].format(kpi=self.the_kpi, x=self.amount(total))

    def own(self, before: float, after: float) -> str:
        a, b = self.values(before, after)
        fell, rose = OWN.get(self.kpi.name, OWN[""])[self.language]
        return (fell if after < before else rose).format(a=a, b=b)

    @property
    def the_kpi(self) -> str:
        told = words.kpi_inside(self.kpi, self.language)
        if self.language == "nl":
            return f"{_article(told)} {told}"
        return told if self.kpi.is_sum or _is_short(told) else f"the {told}"

    @property
    def noun(self) -> str:
        known = NOUN.get(self.kpi.name)
        return words.kpi_inside(self.kpi, self.language) if known is None else known[self.language]

    @property
    def own_kpi(self) -> str:
        if words.is_plural(self.kpi, self.language):
            return self.noun
        vowel = self.noun[:1].lower() in "aeiou" and not _is_short(self.noun)
        return (
            f"{'an' if vowel else 'a'} {self.noun}" if self.language == "en" else f"een {self.noun}"
        )

    @property
    def than(self) -> str:
        whole = self.explanation
        if whole.compared == "last_year":
            return self.say("than_last_year")
        first, last = whole.before_days
        days = (last - first).days + 1
        if days % 7:
            return self.say("than_span", span=formats.span(first, last, self.language))
        key = "than_week" if days == 7 else "than_weeks"
        if last + timedelta(days=1) != whole.after_days[0]:
            key += "_to"
        n = days // 7
        told = _WEEKS[self.language].get(n, formats.number(n, self.language))
        return self.say(key, weeks=told, day=formats.day(last, self.language))

    def value(self, value: float | None) -> str:
        return formats.quantity(value, self.kpi.unit, self.language, self.currency)

    def values(self, before: float | None, after: float | None) -> tuple[str, str]:
        """Two values with enough digits that they do not read as the same."""
        one = formats.value_apart_from(before, (after,), self.kpi, self.language, self.currency)
        other = formats.value_apart_from(after, (before,), self.kpi, self.language, self.currency)
        return one, other

    def amount(self, difference: float) -> str:
        """A difference without its sign: `0,42`, `0,3 procentpunt`, `€ 0,12`, `1.240`."""
        size, unit = abs(difference), self.kpi.unit
        if unit == "rate":
            points = formats.number(size * 100, self.language, digits=_digits(size * 100))
            return f"{points}{formats.NBSP}{_POINTS[self.language]}"
        if unit == "ratio":
            return formats.number(size, self.language, digits=_digits(size))
        if unit == "money":
            if self.currency is None:
                return formats.number(size, self.language, digits=_digits(size))
            digits = 0 if size >= 100 or (self.kpi.is_sum and size >= 10) else _digits(size)
            return formats.money(size, self.currency, self.language, digits=min(max(digits, 0), 3))
        return formats.quantity(
            float(round(size)) if size >= 10 else size, unit, self.language, self.currency
        )

    def amount_of_kpi(self, difference: float) -> str:
        """With the KPI where it has a short name: `0,42 punt ROAS`, `0.42 of ROAS`."""
        told, kpi = self.amount(difference), words.kpi_inside(self.kpi, self.language)
        if self.kpi.unit == "ratio" and self.language == "nl":
            told += f"{formats.NBSP}punt"
        if not _is_short(kpi):
            return told
        return f"{told} of {kpi}" if self.language == "en" else f"{told} {kpi}"

    def sum_amount(self, difference: float) -> str:
        """`1.240 sessies`, `€ 310`; per day where the stretches differ in length."""
        told = self.amount(difference)
        if self.kpi.unit == "count":
            told += f" {self.kpi.numerator.get(self.language, '')}"
        return self.per_day(told)

    def per_day(self, told: str) -> str:
        return self.say("per_day", x=told) if self.explanation.is_per_day else told

    def signed(self, difference: float) -> str:
        told = self.amount(difference)
        if not any(sign in "123456789" for sign in told):
            return told  # a zero has no sign
        return f"{'+' if difference > 0 else '−'}{told}"

    def share(self, weight: float) -> str:
        digits = 1 if 0 < weight < 0.1 else 0
        return formats.percentage(weight, self.language, digits=digits, fixed=False)

    def share_of_change(self, share: float | None) -> str:
        if share is None:
            return formats.NOTHING
        return formats.percentage(share, self.language, digits=0)


# The parts that take "het" in Dutch.
_NEUTER_PARTS = {"account_id", "channel_group", "device", "network", ""}
_WEEKS: dict[Language, dict[int, str]] = {
    "en": {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight"},
    "nl": {2: "twee", 3: "drie", 4: "vier", 5: "vijf", 6: "zes", 7: "zeven", 8: "acht"},
}
_POINTS = {"en": "percentage points", "nl": "procentpunt"}
# Dutch nouns for a KPI that are neuter; abbreviations and most others take "de".
_NEUTER = ("aantal", "percentage", "rendement", "verkeer", "budget", "aandeel", "bedrag")


def _article(told: str) -> str:
    return "het" if told.lower().split()[0].endswith(_NEUTER) else "de"


def _is_short(told: str) -> bool:
    """Whether it is an abbreviation, such as ROAS."""
    return told.isupper() and " " not in told


def _digits(size: float) -> int:
    """So many that two or three figures say something."""
    if size >= 10:
        return 1
    return 2 if size >= 0.01 or size == 0 else 3


def _part(explanation: Explanation, language: Language, n: int) -> str:
    one, more = words.SEGMENT.get(explanation.dimension, words.SEGMENT[""])[language]
    return one if n == 1 else more


def _none(key: str, explanation: Explanation, language: Language) -> str:
    e = "" if explanation.dimension in _NEUTER_PARTS else "e"
    return _say(key, language, part=_part(explanation, language, 1), e=e)


def _say(key: str, language: Language, n: int | None = None, **values: str) -> str:
    if n is not None:
        values["n"] = formats.number(float(n), language)
    return pick(TEXT[key][language], n).format(**values)
