"""Every sentence that Koers says to a reader, in English and Dutch.

A phrase is a text with `{placeholders}`, or a pair (one, more) of which ``n``
picks. Reasons are looked up by ``Evaluation.reason``; their figures come from
the evaluation and its ``details``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Literal

from flows.kpis import Kpi
from flows.report import formats, problems
from flows.report.formats import Language
from flows.report.model import Covered, Noticed, TargetView
from flows.settings import Goal, Period, Target
from flows.targets.evaluation import Evaluation, Series
from flows.targets.path import sums_between, window_start

Phrase = str | tuple[str, str]
Tone = Literal["good", "warn", "bad", "unknown", "waiting"]

STATUS: dict[str, dict[str, str]] = {
    "not_started": {"en": "not started", "nl": "nog niet begonnen"},
    "too_early": {"en": "too early to say", "nl": "nog te vroeg"},
    "insufficient_data": {"en": "too little data", "nl": "te weinig data"},
    "no_data": {"en": "no data", "nl": "geen data"},
    "stale": {"en": "data is late", "nl": "data loopt achter"},
    "on_track": {"en": "on track", "nl": "op koers"},
    "at_risk": {"en": "at risk", "nl": "in gevaar"},
    "off_track": {"en": "off track", "nl": "uit koers"},
    "achieved": {"en": "achieved", "nl": "gehaald"},
    "missed": {"en": "missed", "nl": "niet gehaald"},
    "provisional": {"en": "provisional", "nl": "voorlopig"},
}

# One shape each, so that colour is never the only difference.
SYMBOL: dict[str, str] = {
    "not_started": "○",
    "too_early": "◔",
    "insufficient_data": "≈",
    "no_data": "?",
    "stale": "…",
    "on_track": "✓",
    "at_risk": "▲",
    "off_track": "✕",
    "achieved": "★",
    "missed": "■",
    "provisional": "◐",
}

TONE: dict[str, Tone] = {
    "not_started": "waiting",
    "too_early": "waiting",
    "insufficient_data": "unknown",
    "no_data": "unknown",
    "stale": "unknown",
    "on_track": "good",
    "at_risk": "warn",
    "off_track": "bad",
    "achieved": "good",
    "missed": "bad",
    "provisional": "waiting",
}

# Of goals that are not on course, or of which that is not known.
TROUBLED: tuple[Tone, ...] = ("bad", "warn", "unknown")

# What wants attention comes first wherever statuses are listed.
URGENCY: dict[str, int] = {
    status: place
    for place, status in enumerate(
        (
            "missed",
            "off_track",
            "at_risk",
            "no_data",
            "stale",
            "insufficient_data",
            "provisional",
            "too_early",
            "not_started",
            "on_track",
            "achieved",
        )
    )
}

REASON: dict[str, dict[str, Phrase]] = {
    "not_started": {
        "en": "The period starts on {start}.",
        "nl": "De periode begint op {start}.",
    },
    "too_early": {
        "en": (
            "There is {days_told} of data; a fair verdict takes {needed}.",
            "There are {days_told} of data; a fair verdict takes {needed}.",
        ),
        "nl": (
            "Er is data van {days_told}; voor een eerlijk oordeel zijn er {needed} nodig.",
            "Er is data van {days_told}; voor een eerlijk oordeel zijn er {needed} nodig.",
        ),
    },
    "below_minimum": {
        "en": "Only {denominator} {volume}, where a verdict takes at least {minimum}.",
        "nl": "Nog maar {denominator} {volume}; voor een oordeel is minstens {minimum} nodig.",
    },
    "below_minimum_events": {
        "en": "Only {numerator} {events}, where a verdict takes at least {minimum}.",
        "nl": "Nog maar {numerator} {events}; voor een oordeel is minstens {minimum} nodig.",
    },
    "nothing_loaded": {
        "en": "None of the days measured has been loaded yet.",
        "nl": "Van de gemeten dagen is nog niets binnen.",
    },
    "nothing_matches": {
        "en": "No data matches this target: nothing in its scope had any activity.",
        "nl": "Er is geen data die bij dit doel past: binnen de afbakening gebeurde niets.",
    },
    "mixed_currencies": {
        "en": "The amounts are in several currencies ({currencies}), and without an exchange rate"
        " for each day they cannot be added up.",
        "nl": "De bedragen zijn in verschillende valuta ({currencies}), en zonder wisselkoers voor"
        " elke dag zijn ze niet op te tellen.",
    },
    "not_finite": {
        "en": "There is nothing to divide by yet, so {kpi} has no value.",
        "nl": "Er valt nog niets te delen, dus {kpi} heeft geen waarde.",
    },
    "account_failed": {
        "en": "An account could not be read, so the figure would not be complete: {problem}",
        "nl": "Een account was niet te lezen, dus het cijfer zou niet compleet zijn: {problem}",
    },
    "too_many_missing": {
        "en": (
            "{missing} of {days} days is missing; that is too many for a verdict.",
            "{missing} of {days} days are missing; that is too many for a verdict.",
        ),
        "nl": (
            "Er ontbreekt {missing} van de {days} dagen; dat is te veel voor een oordeel.",
            "Er ontbreken {missing} van de {days} dagen; dat is te veel voor een oordeel.",
        ),
    },
    "stale": {
        "en": "The data runs through {through}; by now it should have come to {expected}.",
        "nl": "De data loopt tot en met {through}; dat had inmiddels {expected} moeten zijn.",
    },
    "on_level": {
        "en": "{kpi} {stands} {value}; {goal} was agreed.",
        "nl": "{kpi} {stands} {value}; afgesproken is {goal}.",
    },
    "near_level": {
        "en": "{kpi} {stands} {value}, a whisker from the {goal} that was agreed.",
        "nl": "{kpi} {stands} {value}, op het randje van de afgesproken {goal}.",
    },
    "off_level": {
        "en": "{kpi} {stands} {value}, where {goal} was agreed.",
        "nl": "{kpi} {stands} {value}, waar {goal} is afgesproken.",
    },
    "on_path": {
        "en": "{kpi} {stands} {value}; on the way {path} it should be {expected} by now.",
        "nl": "{kpi} {stands} {value}; op weg {path} hoort dat nu {expected} te zijn.",
    },
    "near_path": {
        "en": "{kpi} {stands} {value}, close to the {expected} due by now on the way {path}.",
        "nl": "{kpi} {stands} {value}, dicht bij de {expected} die er nu hoort te zijn ({path}).",
    },
    "off_path": {
        "en": "{kpi} {stands} {value}, while it should be {expected} by now on the way {path}.",
        "nl": "{kpi} {stands} {value}, terwijl dat op weg {path} nu {expected} hoort te zijn.",
    },
    "on_pace": {
        "en": "{value} so far; on the way to {goal} it should be {expected} by now.",
        "nl": "{value} tot nu toe; op weg naar {goal} hoort dat nu {expected} te zijn.",
    },
    "near_pace": {
        "en": "{value} so far, close to the {expected} due by now on the way to {goal}.",
        "nl": "{value} tot nu toe, dicht bij de {expected} die er op weg naar {goal} nu hoort te"
        " zijn.",
    },
    "off_pace": {
        "en": "{value} so far, while it should be {expected} by now on the way to {goal}.",
        "nl": "{value} tot nu toe, terwijl dat op weg naar {goal} nu {expected} hoort te zijn.",
    },
    "in_band": {
        "en": "{kpi} {stands} {value}, inside the range agreed: {goal}.",
        "nl": "{kpi} {stands} {value}, binnen de afgesproken marge: {goal}.",
    },
    "near_band": {
        "en": "{kpi} {stands} {value}, at the edge of the range agreed: {goal}.",
        "nl": "{kpi} {stands} {value}, op de rand van de afgesproken marge: {goal}.",
    },
    "out_of_band": {
        "en": "{kpi} {stands} {value}, outside the range agreed: {goal}.",
        "nl": "{kpi} {stands} {value}, buiten de afgesproken marge: {goal}.",
    },
    "segments_failing": {
        "en": (
            "{failing} of {judged} {parts} misses the goal ({goal}).",
            "{failing} of {judged} {parts} miss the goal ({goal}).",
        ),
        "nl": (
            "{failing} van de {judged} {parts} haalt het doel niet ({goal}).",
            "{failing} van de {judged} {parts} halen het doel niet ({goal}).",
        ),
    },
    "segments_fine": {
        "en": (
            "The one {part} with enough data meets the goal ({goal}).",
            "All {judged} {parts} meet the goal ({goal}).",
        ),
        "nl": (
            "Eén {part} heeft genoeg data, en die haalt het doel ({goal}).",
            "Alle {judged} {parts} halen het doel ({goal}).",
        ),
    },
    "segments_unknown": {
        "en": "None of the {parts} has enough data for a verdict.",
        "nl": "Geen van de {parts} heeft genoeg data voor een oordeel.",
    },
    "goal_met": {
        "en": "The period is over: {kpi} {came_to} {value}, where {goal} was agreed.",
        "nl": "De periode is voorbij: {kpi} {came_to} {value}, waar {goal} was afgesproken.",
    },
    "goal_missed": {
        "en": "The period is over: {kpi} {came_to} {value}, where {goal} was agreed.",
        "nl": "De periode is voorbij: {kpi} {came_to} {value}, waar {goal} was afgesproken.",
    },
    "still_arriving": {
        "en": (
            "The period is over and {kpi} {stands} {value}, but conversions keep arriving"
            " until {until}."
        ),
        "nl": (
            "De periode is voorbij en {kpi} {stands} {value}, maar er komen nog conversies"
            " binnen tot {until}."
        ),
    },
}

VERBS: dict[str, dict[str, Phrase]] = {
    "stands": {"en": ("is", "are"), "nl": ("staat op", "staan op")},
    "came_to": {"en": "came to", "nl": ("kwam uit op", "kwamen uit op")},
}

# What the goal held against its data shows; codes as in flows/data_findings.py. Figures named
# in _VALUES are in the unit of the KPI.
FINDING: dict[str, dict[str, Phrase]] = {
    "realism_comfortable": {
        "en": "Going by the account’s own past this goal is comfortable: such a period usually"
        " comes to between {usual_low} and {usual_high}.",
        "nl": "Gemeten naar het eigen verleden is dit doel ruim haalbaar: zo’n periode komt meestal"
        " uit tussen {usual_low} en {usual_high}.",
    },
    "realism_ambitious": {
        "en": "Going by the account’s own past this goal is ambitious: such a period usually comes"
        " to between {usual_low} and {usual_high}.",
        "nl": "Gemeten naar het eigen verleden is dit doel ambitieus: zo’n periode komt meestal uit"
        " tussen {usual_low} en {usual_high}.",
    },
    "realism_stretch": {
        "en": "Going by the account’s own past this goal is a stretch: such a period usually comes"
        " to between {usual_low} and {usual_high}.",
        "nl": "Gemeten naar het eigen verleden is dit doel erg hoog gegrepen: zo’n periode komt"
        " meestal uit tussen {usual_low} en {usual_high}.",
    },
    "realism_without_precedent": {
        "en": "The account has never come near this goal before: such a period usually comes to"
        " between {usual_low} and {usual_high}.",
        "nl": "Dit doel is zonder voorbeeld in het eigen verleden: zo’n periode komt meestal uit"
        " tussen {usual_low} en {usual_high}.",
    },
    "realism_unknown": {
        "en": "There is too little history to say how realistic this goal is: {lacking} more days"
        " of figures are needed.",
        "nl": "Er is te weinig verleden om te zeggen hoe haalbaar dit doel is: daarvoor is nog"
        " {lacking} dagen aan cijfers nodig.",
    },
    "baseline_differs": {
        "en": "The goal starts from {said}; over {span} it was {measured}.",
        "nl": "Het doel begint bij {said}; over {span} was het {measured}.",
    },
    "no_last_year": {
        "en": "There is too little of last year to follow, so the path is a straight line.",
        "nl": "Van vorig jaar is te weinig bekend om te volgen: het pad is een rechte lijn.",
    },
    "step_not_agreed": {
        "en": "A step of the plan is {owner}’s, who is not among those who agreed to the goal.",
        "nl": "Een stap van het plan is van {owner}, die niet hoort bij wie het doel afspraken.",
    },
    "nothing_matches": {
        "en": "No data has “{value}” as its {key}: what the goal is limited to does not exist.",
        "nl": "Geen enkele data heeft ‘{value}’ als {key}: waartoe het doel beperkt is, bestaat"
        " niet.",
    },
    "nothing_matches_together": {
        "en": "Each limit of the goal exists, but no data meets all of them at once.",
        "nl": "Elke afbakening van het doel bestaat, maar geen data voldoet aan alle tegelijk.",
    },
    "no_kpi_data": {
        "en": "There is no data yet for {kpi}.",
        "nl": "Er is nog geen data voor {kpi}.",
    },
}
_VALUES = ("usual_low", "usual_high", "base", "said", "measured", "goal")

GOAL: dict[str, dict[str, str]] = {
    "at_least": {"en": "at least {a}", "nl": "minstens {a}"},
    "at_most": {"en": "at most {a}", "nl": "hoogstens {a}"},
    "from_to": {"en": "from {a} to {b}", "nl": "van {a} naar {b}"},
    "between": {"en": "between {a} and {b}", "nl": "tussen {a} en {b}"},
    "maintain": {"en": "hold {a} (±{b})", "nl": "{a} vasthouden (±{b})"},
    "maintained": {"en": "{a} (±{b})", "nl": "{a} (±{b})"},  # within a sentence of its own
}

# The dimensions that a target can be split by: (one, more).
SEGMENT: dict[str, dict[str, tuple[str, str]]] = {
    "campaign_id": {"en": ("campaign", "campaigns"), "nl": ("campagne", "campagnes")},
    "account_id": {"en": ("account", "accounts"), "nl": ("account", "accounts")},
    "source": {"en": ("source", "sources"), "nl": ("bron", "bronnen")},
    "channel_type": {
        "en": ("campaign type", "campaign types"),
        "nl": ("campagnesoort", "campagnesoorten"),
    },
    "channel_group": {"en": ("channel", "channels"), "nl": ("kanaal", "kanalen")},
    "device": {"en": ("device", "devices"), "nl": ("apparaat", "apparaten")},
    "network": {"en": ("network", "networks"), "nl": ("netwerk", "netwerken")},
    "": {"en": ("part", "parts"), "nl": ("onderdeel", "onderdelen")},
}

SOURCE: dict[str, str] = {
    "google_ads": "Google Ads",
    "ga4": "Google Analytics 4",
    "search_console": "Search Console",
}

TEXT: dict[str, dict[str, Phrase]] = {
    # --- the report: top
    "report_title": {"en": "{client}: goals as of {day}", "nl": "{client}: doelen op {day}"},
    "report_kicker": {"en": "Goals and where they stand", "nl": "Doelen en waar ze staan"},
    "as_of": {"en": "As of {day}", "nl": "Stand van {day}"},
    "skip": {"en": "Straight to the goals", "nl": "Meteen naar de doelen"},
    "headline_all": {
        "en": ("The goal is on course.", "All {n} goals are on course."),
        "nl": ("Het doel ligt op koers.", "Alle {n} doelen liggen op koers."),
    },
    "headline_some": {
        "en": ("1 of {total} goals is on course.", "{n} of {total} goals are on course."),
        "nl": (
            "1 van de {total} doelen ligt op koers.",
            "{n} van de {total} doelen liggen op koers.",
        ),
    },
    "headline_none": {"en": "No goal is on course yet.", "nl": "Er ligt nog geen doel op koers."},
    "headline_empty": {
        "en": "No goals have been agreed yet.",
        "nl": "Er zijn nog geen doelen afgesproken.",
    },
    "count_good": {"en": "on course", "nl": "op koers"},
    "count_warn": {"en": "at risk", "nl": "in gevaar"},
    "count_bad": {"en": "off course", "nl": "uit koers"},
    "count_unknown": {"en": "unknown", "nl": "onbekend"},
    "count_waiting": {"en": "still waiting", "nl": "nog even wachten"},
    "data_through": {"en": "Data through {day}", "nl": "Data tot en met {day}"},
    "accounts_behind": {
        "en": ("1 account is behind", "{n} accounts are behind"),
        "nl": ("1 account loopt achter", "{n} accounts lopen achter"),
    },
    # --- the table of goals
    "goals": {"en": "The goals at a glance", "nl": "De doelen in één oogopslag"},
    "col_goal_name": {"en": "Goal", "nl": "Doel"},
    "col_status": {"en": "Status", "nl": "Status"},
    "col_value": {"en": "Now", "nl": "Nu"},
    "col_goal": {"en": "Agreed", "nl": "Afgesproken"},
    "col_expected": {"en": "Due by now", "nl": "Hoort nu te zijn"},
    "col_period": {"en": "Period", "nl": "Periode"},
    "col_owner": {"en": "Owner", "nl": "Eigenaar"},
    # --- gap, what it takes from here, odds, outlook
    "maybe_chance": {
        "en": "That can still be chance.",
        "nl": "Dat kan nog toeval zijn.",
    },
    "points": {"en": "percentage points", "nl": "procentpunt"},
    "gap_is": {"en": "The gap{there} is {gap}.", "nl": "Het verschil is{there} {gap}."},
    "need_ratio": {
        "en": (
            "What is left is 1 day: it has to come to {bound}{there}.",
            "The remaining {n} days have to come to {bound}{there}.",
        ),
        "nl": (
            "Er rest 1 dag: die moet{there} op {bound} uitkomen.",
            "De resterende {n} dagen moeten{there} samen op {bound} uitkomen.",
        ),
    },
    "enough_ratio": {
        "en": (
            "With {bound}{there} on the last day it is made.",
            "With {bound}{there} over the remaining {n} days it is made.",
        ),
        "nl": (
            "Met {bound} op de laatste dag is het{there} gehaald.",
            "Met {bound} over de resterende {n} dagen is het{there} gehaald.",
        ),
    },
    "need_window": {
        "en": "What counts in the end is the last {n} days: they have to come to {bound}{there}.",
        "nl": "Aan het eind tellen de laatste {n} dagen: die moeten{there} op {bound} uitkomen.",
    },
    "need_count": {
        "en": "From here it takes {needed} a day{there}; so far it has been {now} on average.",
        "nl": "Er zijn{there} nog {needed} per dag nodig; tot nu toe zijn het er gemiddeld {now}.",
    },
    "need_money": {
        "en": "From here it takes {needed} a day{there}; so far it has been {now} on average.",
        "nl": "Er is{there} nog {needed} per dag nodig; tot nu toe is het gemiddeld {now}.",
    },
    "enough_count": {
        "en": "From here {needed} a day{there} are enough; so far it has been {now} on average.",
        "nl": "Vanaf nu zijn {needed} per dag{there} genoeg; tot nu toe zijn het er gemiddeld"
        " {now}.",
    },
    "enough_money": {
        "en": "From here {needed} a day{there} is enough; so far it has been {now} on average.",
        "nl": "Vanaf nu is {needed} per dag{there} genoeg; tot nu toe is het gemiddeld {now}.",
    },
    "room_count": {
        "en": "That leaves room for {needed} a day{there}; so far it has been {now} on average.",
        "nl": "Er is{there} nog ruimte voor {needed} per dag; tot nu toe zijn het er gemiddeld"
        " {now}.",
    },
    "room_money": {
        "en": "That leaves room for {needed} a day{there}; so far it has been {now} on average.",
        "nl": "Er is{there} nog ruimte voor {needed} per dag; tot nu toe is het gemiddeld {now}.",
    },
    "already_made": {
        "en": "The amount agreed has already been reached{there}.",
        "nl": "Het afgesproken aantal is{there} al bereikt.",
    },
    "already_made_money": {
        "en": "The amount agreed has already been reached{there}.",
        "nl": "Het afgesproken bedrag is{there} al bereikt.",
    },
    "already_over": {
        "en": "The limit has already been passed{there}.",
        "nl": "De grens is{there} al gepasseerd.",
    },
    "at_least_of": {"en": "{a_kpi} of at least {value}", "nl": "{a_kpi} van minstens {value}"},
    "at_most_of": {"en": "{a_kpi} of at most {value}", "nl": "{a_kpi} van hoogstens {value}"},
    "there": {"en": " there", "nl": " daar"},
    "odds": {
        "en": "The odds of making it{there} are {odds}: {word}{but}.",
        "nl": "De kans om het{there} te halen is {odds}: {word}{but}.",
    },
    "odds_under": {
        "en": "The odds of staying under it{there} are {odds}: {word}{but}.",
        "nl": "De kans om er{there} onder te blijven is {odds}: {word}{but}.",
    },
    "odds_within": {
        "en": "The odds of ending within it{there} are {odds}: {word}{but}.",
        "nl": "De kans om er{there} binnen te eindigen is {odds}: {word}{but}.",
    },
    "odds_over": {
        "en": "The odds that it turns out to be made{there} once everything is in are {odds}:"
        " {word}{but}.",
        "nl": "De kans dat het{there} gehaald blijkt als alles binnen is, is {odds}: {word}{but}.",
    },
    "least_certain": {
        "en": "Least certain is {name}: {odds}, {word}.",
        "nl": "Het minst zeker is {name}: {odds}, {word}.",
    },
    "odds_short": {"en": "odds {odds}", "nl": "kans {odds}"},
    "odds_about": {"en": "about {share}", "nl": "ongeveer {share}"},
    "odds_less": {"en": "less than {share}", "nl": "minder dan {share}"},
    "odds_more": {"en": "more than {share}", "nl": "meer dan {share}"},
    "very_unlikely": {"en": "very unlikely", "nl": "heel onwaarschijnlijk"},
    "unlikely": {"en": "unlikely", "nl": "onwaarschijnlijk"},
    "rather_not": {"en": "less likely than not", "nl": "eerder niet dan wel"},
    "either_way": {"en": "it can go either way", "nl": "het kan beide kanten op"},
    "rather_yes": {"en": "more likely than not", "nl": "eerder wel dan niet"},
    "likely": {"en": "likely", "nl": "waarschijnlijk"},
    "very_likely": {"en": "very likely", "nl": "heel waarschijnlijk"},
    # where odds and today's value point to different sides
    "but_near_low": {
        "en": ", although it is still slightly too low now",
        "nl": ", al ligt het nu nog iets te laag",
    },
    "but_off_low": {
        "en": ", although it is still too low now",
        "nl": ", al ligt het nu nog te laag",
    },
    "but_near_high": {
        "en": ", although it is still slightly too high now",
        "nl": ", al ligt het nu nog iets te hoog",
    },
    "but_off_high": {
        "en": ", although it is still too high now",
        "nl": ", al ligt het nu nog te hoog",
    },
    "but_near_behind": {
        "en": ", although it is still slightly behind now",
        "nl": ", al loopt het nu nog iets achter",
    },
    "but_off_behind": {
        "en": ", although it is still behind now",
        "nl": ", al loopt het nu nog achter",
    },
    "but_near_fast": {
        "en": ", although it is still going slightly too fast now",
        "nl": ", al gaat het nu nog iets te hard",
    },
    "but_off_fast": {
        "en": ", although it is still going too fast now",
        "nl": ", al gaat het nu nog te hard",
    },
    "but_good": {"en": ", even though it is good now", "nl": ", ook al is het nu goed"},
    "outlook": {
        "en": "It will probably end between {low} and {high}, most likely at {value}.",
        "nl": "De eindstand ligt vermoedelijk tussen {low} en {high}, het"
        " waarschijnlijkst op {value}.",
    },
    "outlook_known": {
        "en": "It will end at about {value}.",
        "nl": "De eindstand wordt ongeveer {value}.",
    },
    "season_unknown": {
        "en": "What the season does is not counted in: there is no last year to learn it from.",
        "nl": "Wat het seizoen doet zit hier niet in: er is nog geen vorig jaar om het van te"
        " leren.",
    },
    "season_unknown_all": {
        "en": "Where there is no last year yet, what the season does is not in the odds.",
        "nl": "Waar nog geen vorig jaar bekend is, zit het seizoen niet in de kansen.",
    },
    "season_last_year": {
        "en": "What the season does is taken from last year.",
        "nl": "Wat het seizoen doet is van vorig jaar overgenomen.",
    },
    "turning": {"en": "turning “{status}”", "nl": "wordt bijna ‘{status}’"},
    "pending": {
        "en": (
            "One more day like this and it becomes “{status}”.",
            "{n} more days like this and it becomes “{status}”.",
        ),
        "nl": (
            "Nog één dag zo en het wordt ‘{status}’.",
            "Nog {n} dagen zo en het wordt ‘{status}’.",
        ),
    },
    "days_needed": {
        "en": (
            "At this pace there is enough after one more day.",
            "At this pace there is enough after about {n} more days.",
        ),
        "nl": (
            "In dit tempo is er na nog één dag genoeg.",
            "In dit tempo is er na nog ongeveer {n} dagen genoeg.",
        ),
    },
    "days_needed_late": {
        "en": "At this pace there will not be enough before the deadline.",
        "nl": "In dit tempo is er voor de deadline niet genoeg.",
    },
    # --- how complete the figure is
    "adjusted_note": {
        "en": "Of the {late} of these days about {share} is in; the figure counts on the rest"
        " (without it: {raw}).",
        "nl": "Van de {late} over deze dagen is ongeveer {share} binnen; het cijfer rekent op de"
        " rest (zonder die correctie: {raw}).",
    },
    "share_in": {
        "en": "about {share} of the {late} is in",
        "nl": "van de {late} is ongeveer {share} binnen",
    },
    "young_left_out": {
        "en": "The youngest days do not count yet, because conversions of those days are still"
        " arriving (with them: {raw}).",
        "nl": "De jongste dagen tellen nog niet mee, want daarvan komen er nog conversies binnen"
        " (mét die dagen: {raw}).",
    },
    "all_together": {"en": "all together {value}", "nl": "alles samen {value}"},
    "col_odds": {"en": "Odds", "nl": "Kans"},
    "col_end": {"en": "Expected in the end", "nl": "Verwacht aan het eind"},
    "between_values": {"en": "between {low} and {high}", "nl": "tussen {low} en {high}"},
    "value_range": {
        "en": "margin of chance {low}\u00a0to\u00a0{high}",
        "nl": "toevalsmarge {low}\u00a0tot\u00a0{high}",
    },
    # --- causes
    "causes": {"en": "What caused it", "nl": "Waardoor het komt"},
    "causes_good": {"en": "What moved it", "nl": "Wat het bewoog"},
    "causes_compared": {
        "en": "{before} compared with {after}",
        "nl": "{before} vergeleken met {after}",
    },
    "col_effect": {"en": "Effect", "nl": "Effect"},
    "col_how": {"en": "Mainly through", "nl": "Vooral door"},
    "col_own": {"en": "Own value", "nl": "Eigen waarde"},
    "col_weight": {"en": "Share of {volume}", "nl": "Aandeel in de {volume}"},
    "col_part": {"en": "Share", "nl": "Aandeel"},
    "not_claimed": {
        "en": "Grey: no larger than days differ by chance.",
        "nl": "Grijs: niet groter dan dagen toevallig verschillen.",
    },
    # --- the goal held against its data, and its earlier versions
    "findings": {"en": "The goal held against the data", "nl": "Het doel naast de data gelegd"},
    "goal_changes": {"en": "The goal was changed", "nl": "Het doel is bijgesteld"},
    "goal_changed": {
        "en": "{day}: the goal was “{was}” and became “{now}”.",
        "nl": "{day}: het doel was ‘{was}’ en werd ‘{now}’.",
    },
    "period_changed": {
        "en": "{day}: the period was {was} and became {now}.",
        "nl": "{day}: de periode was {was} en werd {now}.",
    },
    "other_changed": {
        "en": ("{day}: also changed: {told}.", "{day}: also changed: {told}."),
        "nl": ("{day}: ook veranderd: {told}.", "{day}: ook veranderd: {told}."),
    },
    "changed_where": {"en": "what is counted", "nl": "wat er meetelt"},
    "changed_kpi": {"en": "the figure that is judged", "nl": "het cijfer dat telt"},
    "changed_measure": {"en": "how it is measured", "nl": "hoe er gemeten wordt"},
    "changed_for_each": {"en": "what it is judged by", "nl": "waarnaar het is uitgesplitst"},
    "changed_tuning": {"en": "when it counts as on track", "nl": "wanneer het op koers heet"},
    "changed_path": {"en": "the way there", "nl": "de weg erheen"},
    # --- how to read the report
    "reading": {"en": "How to read this", "nl": "Hoe je dit leest"},
    "reading_odds": {
        "en": "Odds tell how often a goal like this is made when things go on as they did lately."
        " They are rounded to tens: nobody knows them more precisely.",
        "nl": "De kans zegt hoe vaak zo’n doel gehaald wordt als het verder gaat zoals de laatste"
        " tijd. Ze is afgerond op tientallen: preciezer weet niemand het.",
    },
    "reading_range": {
        "en": "“Between” means: four times out of five it ends there. The lighter fan in a chart"
        " is that range, the thin line in it what is most likely.",
        "nl": "‘Tussen’ wil zeggen: vier van de vijf keer komt het daar uit. De lichte waaier in"
        " een grafiek is die marge, de dunne lijn erin wat het waarschijnlijkst is.",
    },
    "reading_young": {
        "en": "Conversions of recent days keep arriving. How many usually follow is learned from"
        " earlier days and counted in.",
        "nl": "Van de laatste dagen komen er nog conversies binnen. Hoeveel er meestal nog volgen"
        " is van eerdere dagen geleerd en meegerekend.",
    },
    # --- one goal
    "measured": {"en": "Measured over", "nl": "Gemeten over"},
    "built_from": {"en": "Worked out from", "nl": "Berekend uit"},
    "per": {"en": "{numerator} over {denominator}", "nl": "{numerator} gedeeld door {denominator}"},
    "restated_note": {
        "en": "The figures of recent days may still change: conversions keep arriving.",
        "nl": "De cijfers van de laatste dagen kunnen nog veranderen: er komen nog conversies bij.",
    },
    "converted_note": {
        "en": "Amounts in {currencies} were converted into {currency}, each day at that day's rate"
        " of the European Central Bank.",
        "nl": "Bedragen in {currencies} zijn omgerekend naar {currency}, elke dag tegen de koers"
        " van die dag van de Europese Centrale Bank.",
    },
    "missing_note": {
        "en": ("1 day of the period has no data.", "{n} days of the period have no data."),
        "nl": (
            "Van 1 dag in de periode is er geen data.",
            "Van {n} dagen in de periode is er geen data.",
        ),
    },
    "filled": {
        "en": (
            "With the missing day filled in: about {filled}.",
            "With the {n} missing days filled in: about {filled}.",
        ),
        "nl": (
            "Met de ontbrekende dag naar rato erbij: ongeveer {filled}.",
            "Met de {n} ontbrekende dagen naar rato erbij: ongeveer {filled}.",
        ),
    },
    "rolling": {
        "en": ("the last day", "the last {n} days"),
        "nl": ("de laatste dag", "de laatste {n} dagen"),
    },
    "deadline_left": {
        "en": ("1 day to go", "{n} days to go"),
        "nl": ("nog 1 dag", "nog {n} dagen"),
    },
    "deadline_over": {"en": "period over", "nl": "periode voorbij"},
    "why_realistic": {
        "en": "Why it is realistic: {because}",
        "nl": "Waarom het haalbaar is: {because}",
    },
    "agreed_label": {"en": "Agreed", "nl": "Afgesproken"},
    "agreed_by_on": {"en": "agreed by {names} on {day}", "nl": "afgesproken door {names} op {day}"},
    "agreed_on": {"en": "agreed on {day}", "nl": "afgesproken op {day}"},
    "agreed_by": {"en": "agreed by {names}", "nl": "afgesproken door {names}"},
    "and": {"en": "and", "nl": "en"},
    "history": {"en": "How it went", "nl": "Hoe het ging"},
    "since": {"en": "since {day}", "nl": "sinds {day}"},
    "from_through": {"en": "{first} – {last}", "nl": "{first} – {last}"},
    # --- segments
    "segments": {"en": "By {segment}", "nl": "Per {segment}"},
    "segments_more": {
        "en": ("and 1 more {segment}: {told}", "and {n} more {segments}: {told}"),
        "nl": ("en nog 1 {segment}: {told}", "en nog {n} {segments}: {told}"),
    },
    "segment_count": {"en": "{n} {status}", "nl": "{n} {status}"},
    "share": {"en": "{share} of {volume}", "nl": "{share} van de {volume}"},
    "trend": {"en": "Trend", "nl": "Verloop"},
    "guilty": {
        "en": "{name} weighs heaviest: {value}, on {share} of {volume}.",
        "nl": "{name} weegt het zwaarst: {value}, bij {share} van de {volume}.",
    },
    "guilty_plain": {
        "en": "{name} weighs heaviest: {value}.",
        "nl": "{name} weegt het zwaarst: {value}.",
    },
    # --- the plan
    "plan": {"en": "The plan", "nl": "Het plan"},
    "no_plan": {"en": "No steps have been agreed.", "nl": "Er zijn geen stappen afgesproken."},
    "due": {"en": "by {day}", "nl": "uiterlijk {day}"},
    "done_on": {"en": "done on {day}", "nl": "gedaan op {day}"},
    "overdue": {
        "en": ("1 day overdue", "{n} days overdue"),
        "nl": ("1 dag te laat", "{n} dagen te laat"),
    },
    "due_today": {"en": "due today", "nl": "moet vandaag klaar"},
    "due_in": {"en": ("due tomorrow", "in {n} days"), "nl": ("morgen klaar", "over {n} dagen")},
    "no_due": {"en": "no date agreed", "nl": "geen datum afgesproken"},
    # --- charts
    "chart_title": {"en": "{kpi}, {window}", "nl": "{kpi}, {window}"},
    "legend_period": {
        "en": "since the start of the period",
        "nl": "sinds het begin van de periode",
    },
    "legend_trailing": {"en": ("per day", "over {n} days"), "nl": ("per dag", "over {n} dagen")},
    "legend_cumulative": {"en": "adding up", "nl": "opgeteld"},
    "legend_goal": {"en": "agreed", "nl": "afgesproken"},
    "legend_path": {"en": "path agreed", "nl": "afgesproken pad"},
    "legend_pace": {"en": "way to the goal", "nl": "weg naar het doel"},
    "legend_band": {"en": "range agreed", "nl": "afgesproken marge"},
    "legend_young": {"en": "still provisional", "nl": "nog voorlopig"},
    "legend_missing": {"en": "no data", "nl": "geen data"},
    "legend_fan": {"en": "expected, with its 80% range", "nl": "verwacht, met 80%-marge"},
    "legend_adjusted": {"en": "with what still has to arrive", "nl": "met wat nog binnenkomt"},
    "chart_described": {
        "en": (
            "Line chart of {kpi} from {first} through {last}. It ends at {value}; agreed is {goal}."
        ),
        "nl": (
            "Lijngrafiek van {kpi} van {first} tot en met {last}. De lijn eindigt op {value};"
            " afgesproken is {goal}."
        ),
    },
    "chart_fan_described": {
        "en": "By {day} it is expected at {value}, between {low} and {high}.",
        "nl": "Op {day} wordt {value} verwacht, tussen {low} en {high}.",
    },
    # --- where the data stands
    "sources": {"en": "Where the data stands", "nl": "Hoe de data ervoor staat"},
    "sources_lead": {
        "en": "A goal is only judged on data that is complete. Late or missing data is never"
        " counted as a success or a failure.",
        "nl": "Een doel wordt alleen beoordeeld op data die compleet is. Late of ontbrekende data"
        " telt nooit als gehaald of gemist.",
    },
    "no_sources": {
        "en": "No data source is connected yet.",
        "nl": "Er is nog geen bron gekoppeld.",
    },
    "col_account": {"en": "Account", "nl": "Account"},
    "col_through": {"en": "Data through", "nl": "Data tot en met"},
    "col_expected_through": {"en": "Expected through", "nl": "Verwacht tot en met"},
    "col_missing": {"en": "Missing days", "nl": "Ontbrekende dagen"},
    "col_notes": {"en": "Notes", "nl": "Bijzonderheden"},
    "up_to_date": {"en": "up to date", "nl": "actueel"},
    "behind": {
        "en": ("1 day behind", "{n} days behind"),
        "nl": ("1 dag achter", "{n} dagen achter"),
    },
    "never_loaded": {"en": "never loaded", "nl": "nog nooit geladen"},
    "failed": {"en": "could not be read", "nl": "niet te lezen"},
    "days_missing": {
        "en": ("1 day missing", "{n} days missing"),
        "nl": ("1 dag ontbreekt", "{n} dagen ontbreken"),
    },
    "none": {"en": "none", "nl": "geen"},
    "loaded_at": {"en": "loaded {moment}", "nl": "geladen {moment}"},
    # what a vendor says of its own data; keys as in readings._notes
    "note_sampled": {
        "en": "Google Analytics worked out part of this from a sample.",
        "nl": "Google Analytics heeft dit deels uit een steekproef berekend.",
    },
    "note_thresholded": {
        "en": "Google Analytics may withhold small groups of users for privacy.",
        "nl": "Google Analytics kan kleine groepen gebruikers weglaten om hun privacy.",
    },
    "note_other_row": {
        "en": "Google Analytics put part of the rows together under “(other)”.",
        "nl": "Google Analytics heeft een deel van de rijen samengevoegd onder ‘(other)’.",
    },
    "note_provisional": {
        "en": "The latest days are provisional.",
        "nl": "De laatste dagen zijn voorlopig.",
    },
    "note_row_limit": {
        "en": "Part of the rows is missing: the platform gives only so many.",
        "nl": "Een deel van de rijen ontbreekt: het platform geeft er niet meer.",
    },
    # what the finer tables hold of an account; the rest is in the totals alone
    "queries_withheld": {
        "en": "In the last four weeks {share} of the clicks came from searches so rare that"
        " Google does not tell them.",
        "nl": "De laatste vier weken kwam {share} van de klikken van zoekopdrachten die Google"
        " niet noemt omdat te weinig mensen ze doen.",
    },
    "coverage": {
        "en": "Of the {measure} of the last four weeks the finer tables hold a part: {parts}."
        " Totals are complete.",
        "nl": "Van de {measure} van de laatste vier weken bevatten de fijnere tabellen een deel:"
        " {parts}. De totalen zijn compleet.",
    },
    "measure_clicks": {"en": "clicks", "nl": "klikken"},
    "measure_sessions": {"en": "sessions", "nl": "sessies"},
    "measure_revenue": {"en": "revenue", "nl": "omzet"},
    "checks": {"en": "Data checks that fail", "nl": "Datacontroles die niet slagen"},
    "footer": {
        "en": "Made by Koers on {moment} ({zone}).",
        "nl": "Gemaakt door Koers op {moment} ({zone}).",
    },
    "footer_brand": {
        "en": "Made by {brand} on {moment} ({zone}).",
        "nl": "Gemaakt door {brand} op {moment} ({zone}).",
    },
    # --- the figures that every report has
    "figures": {"en": "The figures of four weeks", "nl": "De cijfers van vier weken"},
    "figures_lead": {
        "en": "Everything together, whatever the goals are about: the last 28 days{through}, beside"
        " the 28 before.",
        "nl": "Alles bij elkaar, los van waar de doelen over gaan: de laatste 28 dagen{through},"
        " naast de 28 dagen ervoor.",
    },
    "col_figure": {"en": "Figure", "nl": "Cijfer"},
    "col_28": {"en": "Last 28 days", "nl": "Laatste 28 dagen"},
    "col_28_before": {"en": "28 before", "nl": "28 ervoor"},
    "col_change": {"en": "Difference", "nl": "Verschil"},
    "figure_through": {"en": "through {day}", "nl": "tot en met {day}"},
    "figure_share": {
        "en": "about {share} of the {late} is in; the rest is counted in",
        "nl": "van de {late} is ongeveer {share} binnen; de rest is meegerekend",
    },
    "figure_missing": {
        "en": ("1 day is missing", "{n} days are missing"),
        "nl": ("1 dag ontbreekt", "{n} dagen ontbreken"),
    },
    "figure_missing_before": {
        "en": ("1 of the days before is missing", "{n} of the days before are missing"),
        "nl": ("van de dagen ervoor ontbreekt er 1", "van de dagen ervoor ontbreken er {n}"),
    },
    "figure_apart": {"en": "{kpi}, in {currency}", "nl": "{kpi}, in {currency}"},
    "figure_converted": {
        "en": "{foreign} converted into {currency} at each day's rate",
        "nl": "{foreign} omgerekend naar {currency} tegen de koers van de dag",
    },
    "figure_restated": {
        "en": "the latest days are provisional",
        "nl": "de laatste dagen zijn voorlopig",
    },
    "why_not_connected": {
        "en": "{sources} is not connected.",
        "nl": "{sources} is niet gekoppeld.",
    },
    "why_no_data": {
        "en": "There is no data of the last four weeks.",
        "nl": "Er is geen data van de laatste vier weken.",
    },
    "why_mixed_currencies": {
        "en": "The amounts are in several currencies and cannot be added up.",
        "nl": "De bedragen zijn in verschillende valuta en niet op te tellen.",
    },
    "why_nothing_to_divide": {
        "en": "There was nothing to divide by.",
        "nl": "Er viel niets te delen.",
    },
    "same": {"en": "the same", "nl": "gelijk"},
    "newly": {"en": "from zero", "nl": "vanaf nul"},
    # --- what can be unfolded
    "more_causes": {
        "en": ("One more comparison", "More comparisons"),
        "nl": ("Nog een vergelijking", "Meer vergelijkingen"),
    },
    "effects_by": {
        "en": "What each {segment} did",
        "nl": "Wat elke {segment} deed",
    },
    "effects_by_neuter": {
        "en": "What each {segment} did",
        "nl": "Wat elk {segment} deed",
    },
    "about": {"en": "About this goal and its data", "nl": "Over dit doel en de data"},
    "muted": {
        "en": "No messages are sent about this goal through {day}",
        "nl": "Over dit doel gaan geen berichten uit tot en met {day}",
    },
    "strip_day": {"en": "{status}: {when}", "nl": "{status}: {when}"},
    # --- the overview of the agency
    "ads": {"en": "The ads of four weeks", "nl": "De advertenties van vier weken"},
    "ads_lead": {
        "en": "{days}, each client in its own currency.",
        "nl": "{days}, elke klant in de eigen valuta.",
    },
    "ads_lead_in": {
        "en": "{days}, in {currency}.",
        "nl": "{days}, in {currency}.",
    },
    "ads_rates": {
        "en": "Other currencies are converted at the European Central Bank’s rate of each day, or"
        " of the last business day before it.",
        "nl": "Andere valuta zijn omgerekend tegen de koers van de Europese Centrale Bank van elke"
        " dag, of van de laatste werkdag ervoor.",
    },
    "ads_platform": {
        "en": "The conversion value is what the ad platform attributes to its ads.",
        "nl": "De conversiewaarde is wat het advertentieplatform aan de advertenties toeschrijft.",
    },
    "ads_no_rate": {
        "en": "not converted: there is no rate from {foreign} to {currency} for {days}",
        "nl": "niet omgerekend: er is geen koers van {foreign} naar {currency} voor {days}",
    },
    "ads_absent": {
        "en": "nothing of {accounts} is in",
        "nl": "van {accounts} is niets binnen",
    },
    "ads_total": {"en": "Total", "nl": "Totaal"},
    "ads_without": {"en": "Without {clients}.", "nl": "Zonder {clients}."},
    "ads_no_total": {
        "en": "There is no total: what {clients} spent cannot be converted into {currency} for"
        " want of a rate.",
        "nl": "Er is geen totaal: wat {clients} uitgaf is bij gebrek aan een koers niet om te"
        " rekenen naar {currency}.",
    },
    "ads_no_currency": {
        "en": "There is no total: the clients count in {currencies}. With `currency` koers.yaml"
        " says what the agency counts in.",
        "nl": "Er is geen totaal: de klanten rekenen in {currencies}. Met `currency` zegt"
        " koers.yaml waarin het bureau rekent.",
    },
    "col_cost": {"en": "Cost", "nl": "Kosten"},
    "col_conversion_value": {"en": "Conversion value", "nl": "Conversiewaarde"},
    "col_roas": {"en": "ROAS", "nl": "ROAS"},
    "overview_title": {"en": "All clients, as of {day}", "nl": "Alle klanten op {day}"},
    "overview": {"en": "All clients", "nl": "Alle klanten"},
    "overview_kicker": {
        "en": "Where everybody’s goals stand",
        "nl": "Hoe ieders doelen ervoor staan",
    },
    "overview_head": {
        "en": (
            "1 of {total} goals needs attention.",
            "{n} of {total} goals need attention.",
        ),
        "nl": (
            "1 van de {total} doelen vraagt aandacht.",
            "{n} van de {total} doelen vragen aandacht.",
        ),
    },
    "overview_fine": {
        "en": ("The only goal is fine.", "None of the {n} goals needs attention."),
        "nl": ("Het ene doel vraagt geen aandacht.", "Geen van de {n} doelen vraagt aandacht."),
    },
    "attention": {"en": "What needs attention first", "nl": "Wat eerst aandacht vraagt"},
    "attention_more": {
        "en": (
            "1 more goal needs attention: see its client’s page.",
            "{n} more goals need attention: see their clients’ pages.",
        ),
        "nl": (
            "Nog 1 doel vraagt aandacht: zie de pagina van de klant.",
            "Nog {n} doelen vragen aandacht: zie de pagina’s van de klanten.",
        ),
    },
    "clients": {"en": "The clients", "nl": "De klanten"},
    "col_client": {"en": "Client", "nl": "Klant"},
    "col_goals": {"en": "Goals", "nl": "Doelen"},
    "col_next": {"en": "Next step", "nl": "Volgende stap"},
    "col_data": {"en": "Data", "nl": "Data"},
    "late_data": {
        "en": "Where data is late or missing",
        "nl": "Waar data achterloopt of ontbreekt",
    },
    "late_none": {"en": "All data is in.", "nl": "Alle data is binnen."},
    "no_step": {"en": "no step left", "nl": "geen stap meer open"},
    "accounts_troubled": {
        "en": ("1 account wants attention", "{n} accounts want attention"),
        "nl": ("1 account vraagt aandacht", "{n} accounts vragen aandacht"),
    },
    "no_sources_short": {"en": "no source", "nl": "geen bron"},
    "steps_overdue": {
        "en": ("1 step overdue", "{n} steps overdue"),
        "nl": ("1 stap te laat", "{n} stappen te laat"),
    },
    # --- digest
    "subject_first": {
        "en": ("{client}: one goal, as of {day}", "{client}: {n} goals, as of {day}"),
        "nl": ("{client}: één doel, stand van {day}", "{client}: {n} doelen, stand van {day}"),
    },
    # the status first: a goal may be any sentence, and a phone shows forty signs
    "subject_one": {"en": "{client}: {status} – {target}", "nl": "{client}: {status} – {target}"},
    "subject_more": {"en": "{client}: {told}", "nl": "{client}: {told}"},
    "subject_unchanged": {
        "en": "{client}: nothing has changed, as of {day}",
        "nl": "{client}: niets veranderd, stand van {day}",
    },
    # on top of the first message of a thread, once there are others
    "thread_since": {
        "en": "Below is the first message of this month; what came after it is in the thread.",
        "nl": "Hieronder staat het eerste bericht van deze maand; wat daarna kwam, staat in de"
        " thread.",
    },
    "and_others": {
        "en": ("one other", "{n} others"),
        "nl": ("één ander", "{n} andere"),
    },
    "week": {"en": "week {n}", "nl": "week {n}"},
    "subject_summary": {
        "en": "{client}, {period}: {told}",
        "nl": "{client}, {period}: {told}",
    },
    "subject_summary_unchanged": {
        "en": "{client}, {period}: nothing has changed – {told}",
        "nl": "{client}, {period}: niets veranderd – {told}",
    },
    "hello_summary": {
        "en": "The summary of {period}.",
        "nl": "De samenvatting van {period}.",
    },
    "hello_changed_since": {
        "en": (
            "One goal changed status since {day}.",
            "{n} goals changed status since {day}.",
        ),
        "nl": (
            "Eén doel kreeg sinds {day} een andere status.",
            "{n} doelen kregen sinds {day} een andere status.",
        ),
    },
    "hello_unchanged_since": {
        "en": "No goal changed status since {day}.",
        "nl": "Geen enkel doel kreeg sinds {day} een andere status.",
    },
    "hello_first": {
        "en": "This is the first message about {client}. Here is how every goal stands; from now"
        " on you only hear what changes.",
        "nl": "Dit is het eerste bericht over {client}. Zo staan alle doelen ervoor; vanaf nu hoor"
        " je alleen wat er verandert.",
    },
    "hello_changed": {
        "en": ("One goal changed status.", "{n} goals changed status."),
        "nl": ("Eén doel kreeg een andere status.", "{n} doelen kregen een andere status."),
    },
    "hello_unchanged": {
        "en": "No goal changed status.",
        "nl": "Geen enkel doel kreeg een andere status.",
    },
    "hello_still": {
        "en": ("One goal is still off track.", "{n} goals are still off track."),
        "nl": ("Eén doel is nog steeds uit koers.", "{n} doelen zijn nog steeds uit koers."),
    },
    "hello_also_still": {
        "en": ("Another is still off track.", "{n} others are still off track."),
        "nl": ("Een ander is nog steeds uit koers.", "{n} andere zijn nog steeds uit koers."),
    },
    "hello_escalated": {
        "en": (
            "One goal stays off track, and those who work on it have known for a while.",
            "{n} goals stay off track, and those who work on them have known for a while.",
        ),
        "nl": (
            "Eén doel blijft uit koers, en wie eraan werkt weet dat al een tijd.",
            "{n} doelen blijven uit koers, en wie eraan werkt weet dat al een tijd.",
        ),
    },
    "hello_edited": {
        "en": ("One goal was changed.", "{n} goals were changed."),
        "nl": ("Eén doel is bijgesteld.", "{n} doelen zijn bijgesteld."),
    },
    "hello_closed": {
        "en": ("One goal ended without a verdict.", "{n} goals ended without a verdict."),
        "nl": ("Eén doel eindigde zonder oordeel.", "{n} doelen eindigden zonder oordeel."),
    },
    "hello_stale": {
        "en": (
            "The data of {accounts} is not coming in. Until it does, one goal is not judged:"
            " {goals}.",
            "The data of {accounts} is not coming in. Until it does, {n} goals are not judged:"
            " {goals}.",
        ),
        "nl": (
            "De data van {accounts} komt niet binnen. Zolang dat duurt, is er geen oordeel over"
            " één doel: {goals}.",
            "De data van {accounts} komt niet binnen. Zolang dat duurt, is er geen oordeel over"
            " {n} doelen: {goals}.",
        ),
    },
    "hello_holes": {
        "en": (
            "Too many days of {accounts} are missing to judge one goal: {goals}.",
            "Too many days of {accounts} are missing to judge {n} goals: {goals}.",
        ),
        "nl": (
            "Er ontbreken te veel dagen van {accounts} voor een oordeel over één doel: {goals}.",
            "Er ontbreken te veel dagen van {accounts} voor een oordeel over {n} doelen: {goals}.",
        ),
    },
    "hello_data_enough": {
        "en": "There is enough data of {accounts} again to judge by; some days stay missing.",
        "nl": "Er is weer genoeg data van {accounts} voor een oordeel; sommige dagen blijven"
        " ontbreken.",
    },
    "hello_no_scope": {
        "en": "There is no data to judge {goals} by.",
        "nl": "Er is geen data om {goals} mee te beoordelen.",
    },
    "hello_data_back": {
        "en": "The data of {accounts} is in again.",
        "nl": "De data van {accounts} is er weer.",
    },
    "hello_scope_back": {
        "en": "There is data again to judge {goals} by.",
        "nl": "Er is weer data om {goals} mee te beoordelen.",
    },
    "subject_still": {
        "en": "{client}: still off track – {target}",
        "nl": "{client}: nog steeds uit koers – {target}",
    },
    "subject_closed": {
        "en": "{client}: ended without a verdict – {target}",
        "nl": "{client}: zonder oordeel geëindigd – {target}",
    },
    "subject_edited": {
        "en": "{client}: goal changed – {target}",
        "nl": "{client}: doel bijgesteld – {target}",
    },
    "subject_stale": {
        "en": "{client}: no data from {accounts}",
        "nl": "{client}: geen data van {accounts}",
    },
    "subject_holes": {
        "en": "{client}: too many days of {accounts} are missing",
        "nl": "{client}: er ontbreken te veel dagen van {accounts}",
    },
    "subject_data_enough": {
        "en": "{client}: there is enough data again",
        "nl": "{client}: er is weer genoeg data",
    },
    "subject_no_scope": {
        "en": "{client}: no data to judge {goals} by",
        "nl": "{client}: geen data om {goals} mee te beoordelen",
    },
    "subject_scope_back": {
        "en": "{client}: there is data again to judge {goals} by",
        "nl": "{client}: er is weer data om {goals} mee te beoordelen",
    },
    "subject_data_back": {
        "en": "{client}: the data is in again",
        "nl": "{client}: de data is er weer",
    },
    "first_verdict": {"en": "the first verdict", "nl": "het eerste oordeel"},
    "still_for": {
        "en": ("unchanged since {day}, yesterday", "unchanged for {n} days, since {day}"),
        "nl": ("onveranderd sinds {day}, gisteren", "al {n} dagen onveranderd, sinds {day}"),
    },
    "off_once_more": {
        "en": "once more, since {day}; last told on {told}",
        "nl": "opnieuw, sinds {day}; het laatst gemeld op {told}",
    },
    "escalated": {
        "en": ("for one day; first told on {told}", "for {n} days; first told on {told}"),
        "nl": (
            "al één dag; voor het eerst gemeld op {told}",
            "al {n} dagen; voor het eerst gemeld op {told}",
        ),
    },
    "closed_unjudged": {
        "en": "over, and no verdict will come any more",
        "nl": "voorbij, en een oordeel komt er niet meer",
    },
    "goal_edited": {"en": "the goal was changed", "nl": "het doel is bijgesteld"},
    # what a status is called when it is over, where its own word does not go with `was`
    "was_stale": {"en": "waiting for late data", "nl": "in afwachting van late data"},
    "was_no_data": {"en": "without data", "nl": "zonder data"},
    "was": {"en": "was {status}", "nl": "was {status}"},
    "was_since": {"en": "was {status} since {day}", "nl": "was {status} sinds {day}"},
    "is_new": {"en": "new", "nl": "nieuw"},
    "recovered": {"en": "recovered", "nl": "hersteld"},
    "line_value": {"en": "{value} now · agreed: {goal}", "nl": "nu {value} · afgesproken: {goal}"},
    "line_expected": {
        "en": "due by now {expected}",
        "nl": "hoort nu {expected} te zijn",
    },
    "line_gap": {"en": "gap {gap}", "nl": "verschil {gap}"},
    "line_volume": {"en": "from {volume}", "nl": "uit {volume}"},
    "line_through": {"en": "through {day}", "nl": "tot en met {day}"},
    "next_step": {"en": "Next step: {do}", "nl": "Volgende stap: {do}"},
    "others": {"en": "Unchanged", "nl": "Niet veranderd"},
    "data_problems": {"en": "Data that needs attention", "nl": "Data die aandacht vraagt"},
    "data_fine": {
        "en": "All data is in, through {day}.",
        "nl": "Alle data is binnen, tot en met {day}.",
    },
    "open_report": {"en": "Open the report", "nl": "Open het rapport"},
    "report_at": {"en": "The report: {link}", "nl": "Het rapport: {link}"},
    "left_out": {
        "en": ("1 more goal is in the report.", "{n} more goals are in the report."),
        "nl": ("Nog 1 doel staat in het rapport.", "Nog {n} doelen staan in het rapport."),
    },
    "left_out_sources": {
        "en": ("and 1 more account", "and {n} more accounts"),
        "nl": ("en nog 1 account", "en nog {n} accounts"),
    },
    "no_more_mail": {"en": "To get no more of these:", "nl": "Geen berichten meer?"},
    "mail_footer": {
        "en": "You get this because the route “{route}” of {client} points to you. Sent by Koers.",
        "nl": "Je krijgt dit omdat de route “{route}” van {client} naar jou wijst. Verstuurd door"
        " Koers.",
    },
    "mail_footer_brand": {
        "en": "You get this because the route “{route}” of {client} points to you. Sent by"
        " {brand}.",
        "nl": "Je krijgt dit omdat de route “{route}” van {client} naar jou wijst. Verstuurd door"
        " {brand}.",
    },
    # --- relative days and counting
    "today": {"en": "today", "nl": "vandaag"},
    "yesterday": {"en": "yesterday", "nl": "gisteren"},
    "tomorrow": {"en": "tomorrow", "nl": "morgen"},
    "days_ago": {"en": ("1 day ago", "{n} days ago"), "nl": ("1 dag geleden", "{n} dagen geleden")},
    "in_days": {"en": ("in 1 day", "in {n} days"), "nl": ("over 1 dag", "over {n} dagen")},
    "days": {"en": ("1 day", "{n} days"), "nl": ("1 dag", "{n} dagen")},
    "unit_rate": {"en": "percentage", "nl": "percentage"},
    "unit_ratio": {"en": "ratio", "nl": "verhouding"},
    "unit_money": {"en": "amount in {currency}", "nl": "bedrag in {currency}"},
    "unit_count": {"en": "number", "nl": "aantal"},
}


# what a table has a row for; those of which a part is missing are told with what they hold
GRAIN: dict[str, dict[Language, str]] = {
    "ad_group_day": {"en": "ad groups", "nl": "advertentiegroepen"},
    "ad_day": {"en": "ads", "nl": "advertenties"},
    "keyword_day": {"en": "keywords", "nl": "zoekwoorden"},
    "search_term_day": {"en": "search terms", "nl": "zoektermen"},
    "campaign_search_term_day": {
        "en": "search terms with Performance Max",
        "nl": "zoektermen met Performance Max",
    },
    "shopping_product_day": {"en": "products", "nl": "producten"},
    "geographic_day": {"en": "countries", "nl": "landen"},
    "hour_day": {"en": "hours", "nl": "uren"},
    "landing_page_day": {"en": "landing pages", "nl": "landingspagina’s"},
    "asset_group_day": {"en": "asset groups", "nl": "assetgroepen"},
    "asset_group_product_group_day": {
        "en": "product groups of Performance Max",
        "nl": "productgroepen van Performance Max",
    },
    "campaign_day": {"en": "sources and campaigns", "nl": "bronnen en campagnes"},
    "device_day": {"en": "devices", "nl": "apparaten"},
    "country_day": {"en": "countries", "nl": "landen"},
    "new_vs_returning_day": {"en": "new or returning", "nl": "nieuw of terugkerend"},
    "item_day": {"en": "items", "nl": "artikelen"},
    "page_day": {"en": "pages", "nl": "pagina’s"},
    "page_query_day": {"en": "pages by search", "nl": "pagina’s per zoekopdracht"},
}
# from here on a table holds all of its account, but for days that changed between two reads
_WHOLE = 0.995


def pick(phrase: Phrase, n: float | None = None) -> str:
    """The one or the more of a phrase; without a count the more."""
    if isinstance(phrase, str):
        return phrase
    return phrase[0] if n == 1 else phrase[1]


def say(key: str, language: Language, **values: object) -> str:
    """A phrase of TEXT with its placeholders filled; ``n`` also picks one or more."""
    n = values.get("n")
    told = pick(TEXT[key][language], n if isinstance(n, int | float) else None)
    if isinstance(n, int | float):
        values["n"] = formats.number(float(n), language)
    return told.format(**values)


def note(key: str, language: Language) -> str:
    """What a vendor says of its own data, in words; an unknown key as it is."""
    return say(f"note_{key}", language) if f"note_{key}" in TEXT else key


def coverage(covered: Sequence[Covered], language: Language) -> list[str]:
    """A sentence per measure on the tables that hold noticeably less than the account."""
    told = []
    partly: dict[str, list[str]] = {}
    for one in covered:
        if one.share >= _WHOLE:
            continue
        share = formats.percentage(max(one.share, 0.0), language, digits=0)
        if one.grain == "query_day":
            withheld = formats.percentage(1 - max(one.share, 0.0), language, digits=0)
            told.append(capital(say("queries_withheld", language, share=withheld)))
        else:
            name = GRAIN.get(one.grain, {}).get(language, one.grain)
            partly.setdefault(one.measure, []).append(f"{name} {share}")
    for measure, parts in partly.items():
        what = say(f"measure_{measure}", language)
        told.append(say("coverage", language, measure=what, parts=listing(parts, language)))
    return told


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def status(value: str, language: Language) -> str:
    return STATUS[value][language]


def status_before(value: str, language: Language) -> str:
    """A status that is over, as it follows `was`."""
    key = f"was_{value}"
    return say(key, language) if key in TEXT else status(value, language)


def source(value: str) -> str:
    return SOURCE.get(value, value.replace("_", " ").title())


def segment_word(target: Target, language: Language, *, n: int = 2) -> str:
    one, more = SEGMENT.get(dimension(target), SEGMENT[""])[language]
    return one if n == 1 else more


def dimension(target: Target) -> str:
    """The column that ``for_each`` means."""
    return "campaign_id" if target.for_each == "campaign" else (target.for_each or "")


def kpi_short(kpi: Kpi, language: Language) -> str:
    """The abbreviation that a label carries in brackets (`CTR`), or else the label."""
    label = kpi_label(kpi, language)
    found = re.search(r"\(([A-Z]{2,6})\)$", label)
    return found.group(1) if found else label


def kpi_inside(kpi: Kpi, language: Language) -> str:
    """The same in the middle of a sentence: `organic sessions`, but `CTR`."""
    told = kpi_short(kpi, language)
    return told[:1].lower() + told[1:] if told[1:2].islower() else told


def is_plural(kpi: Kpi, language: Language) -> bool:
    """Whether a sentence about the KPI takes the plural: sessions are, kosten staan."""
    words = kpi_short(kpi, language).lower().split()
    return kpi.unit == "count" or (
        language == "nl" and any(w.endswith("kosten") for w in words[:1])
    )


def a_kpi(kpi: Kpi, language: Language) -> str:
    """With its article: `a ROAS`, `een doorklikratio`; what is plural has none."""
    told = kpi_inside(kpi, language)
    if is_plural(kpi, language):
        return told
    is_vowel = told[:1].lower() in "aeiou" and not told[1:2].isupper()
    return f"een {told}" if language == "nl" else f"{'an' if is_vowel else 'a'} {told}"


def kpi_label(kpi: Kpi, language: Language) -> str:
    return kpi.label.get(language) or kpi.label.get("en") or kpi.name


def goal(
    target_goal: Goal,
    kpi: Kpi,
    language: Language,
    currency: str | None,
    *,
    bare: bool = False,
    inside: bool = False,
) -> str:
    """`at least 4`, `from 3% to 5%`.

    ``bare`` leaves out the ± of a goal to hold; ``inside`` a sentence it is no verb.
    """

    def told(value: float | None) -> str:
        return formats.quantity(
            value, kpi.unit, language, target_goal.currency or currency, is_goal=True
        )

    one, other = {
        "at_least": (target_goal.at_least, None),
        "at_most": (target_goal.at_most, None),
        "from_to": (target_goal.from_, target_goal.to),
        "between": target_goal.between or (None, None),
        "maintain": (target_goal.maintain, None),
    }[target_goal.kind]
    b = (
        formats.percentage(target_goal.within or 0.0, language, digits=1, fixed=False)
        if target_goal.kind == "maintain"
        else told(other)
    )
    if target_goal.kind == "maintain" and (bare or not target_goal.within):
        return told(one)
    key = "maintained" if inside and target_goal.kind == "maintain" else target_goal.kind
    return GOAL[key][language].format(a=told(one), b=b)


def rests_on_settled(evaluation: Evaluation) -> bool:
    """Whether the verdict leaves out the youngest days; at the very end every day counts."""
    return (
        evaluation.adjusted_value is not None
        and evaluation.completeness is None
        and "settled_through" in evaluation.details
        and evaluation.status not in ("achieved", "missed")
    )


def rests_on_learned(evaluation: Evaluation) -> bool:
    """Whether the verdict counts on conversions that have yet to arrive."""
    share = evaluation.completeness
    return (
        evaluation.adjusted_value is not None
        and share is not None
        and 0 <= share <= 1
        and evaluation.status not in ("achieved", "missed")
    )


def judged(evaluation: Evaluation) -> float | None:
    """The value that the status rests on."""
    is_adjusted = rests_on_settled(evaluation) or rests_on_learned(evaluation)
    return evaluation.adjusted_value if is_adjusted else evaluation.value


def due(evaluation: Evaluation) -> float | None:
    """What the goal asked for on the last day that was judged."""
    settled = evaluation.details.get("settled_expected")
    if rests_on_settled(evaluation) and isinstance(settled, int | float):
        return float(settled)
    return evaluation.expected


def value(evaluation: Evaluation, kpi: Kpi, language: Language, currency: str | None) -> str:
    """The value judged, told apart from what was agreed and expected."""
    return formats.value_apart_from(
        judged(evaluation),
        (evaluation.goal, due(evaluation)),
        kpi,
        language,
        evaluation.currency_code or currency,
    )


def expected(evaluation: Evaluation, kpi: Kpi, language: Language, currency: str | None) -> str:
    money, asked = evaluation.currency_code or currency, due(evaluation)
    if asked is None:
        return formats.NOTHING
    if asked == evaluation.goal:
        return formats.quantity(asked, kpi.unit, language, money, is_goal=True)
    return formats.value_apart_from(
        float(round(asked)) if kpi.is_sum and abs(asked) >= 100 else asked,
        (judged(evaluation), evaluation.goal),
        kpi,
        language,
        money,
    )


def denominator(
    target: Target, evaluation: Evaluation, kpi: Kpi, series: Series | None
) -> float | None:
    """Σdenominator over the days that the verdict rests on."""
    window = judged_window(target, evaluation)
    if series is None or window is None or not rests_on_settled(evaluation):
        return evaluation.denominator
    return sums_between(series, *window, kpi)[1]


def volume(
    target: Target,
    evaluation: Evaluation,
    kpi: Kpi,
    language: Language,
    series: Series | None = None,
) -> str:
    """How much data the value rests on: `412,300 impressions`; empty for a sum."""
    amount = denominator(target, evaluation, kpi, series)
    if amount is None or kpi.denominator is None:
        return ""
    return amount_of(amount, kpi.denominator, is_money(kpi)[1], evaluation.currency_code, language)


def is_money(kpi: Kpi) -> tuple[bool, bool]:
    """Whether numerator and denominator are money: both of a ROAS, only the cost of a CAC."""
    return kpi.has_currency, kpi.has_currency and kpi.unit == "ratio"


def amount_of(
    amount: float, noun: Mapping[str, str], money: bool, currency: str | None, language: Language
) -> str:
    """`412,300 impressions`, `€ 1.234 kosten`; empty for money of no single currency."""
    if money and not currency:
        return ""
    told = (
        formats.money(amount, currency or "", language, digits=0)
        if money
        else formats.quantity(float(round(amount)), "count", language)
    )
    return f"{told} {noun.get(language) or noun.get('en', '')}".strip()


def built_from(
    target: Target, evaluation: Evaluation, kpi: Kpi, language: Language, series: Series
) -> str:
    """`12,263 clicks ÷ 307,160 impressions`, over the days judged; empty for a sum."""
    window = judged_window(target, evaluation)
    if kpi.denominator is None or window is None:
        return ""
    top, bottom = sums_between(series, *window, kpi)
    if top is None or bottom is None:
        return ""
    above, below = is_money(kpi)
    parts = (
        amount_of(top, kpi.numerator, above, evaluation.currency_code, language),
        amount_of(bottom, kpi.denominator, below, evaluation.currency_code, language),
    )
    return " ÷ ".join(parts) if all(parts) else ""


def reason(
    evaluation: Evaluation,
    target: Target,
    kpi: Kpi,
    language: Language,
    currency: str | None,
) -> str:
    """Why the status is what it is, in one sentence for people.

    A key that this version does not know is told as the status itself, so that
    a newer evaluation in the database never breaks a report.
    """
    if evaluation.reason not in REASON:
        return capital(status(evaluation.status, language)) + "."
    details = evaluation.details
    key = evaluation.reason
    if key == "below_minimum" and "numerator" in details:
        key = "below_minimum_events"
    counted = {
        "too_early": details.get("days"),
        "too_many_missing": details.get("missing"),
        "segments_failing": details.get("failing"),
        "segments_fine": details.get("judged"),
    }.get(evaluation.reason)
    n = counted if isinstance(counted, int | float) else None
    phrase = pick(REASON[key][language], n)
    money = evaluation.currency_code or currency
    bare_goal = goal(target.goal, kpi, language, money, inside=True)
    # a count stands at the head of a pace sentence and needs its noun
    told_value = value(evaluation, kpi, language, currency)
    if evaluation.reason.endswith("_pace") and kpi.unit == "count":
        told_value += " " + kpi.numerator.get(language, kpi.numerator.get("en", ""))
    goal_end = (
        formats.quantity(
            evaluation.goal, kpi.unit, language, evaluation.currency_code or currency, is_goal=True
        )
        if evaluation.reason.endswith("_pace")
        else bare_goal
    )
    values: dict[str, str] = {
        "kpi": kpi_inside(kpi, language),
        "stands": pick(VERBS["stands"][language], 2 if is_plural(kpi, language) else 1),
        "came_to": pick(VERBS["came_to"][language], 2 if is_plural(kpi, language) else 1),
        "value": told_value,
        "goal": goal_end,
        "expected": expected(evaluation, kpi, language, currency),
        "path": bare_goal,
        "part": segment_word(target, language, n=1),
        "parts": segment_word(target, language),
        "volume": (kpi.denominator or kpi.numerator).get(language, ""),
    }
    values["events"] = kpi.numerator.get(language, "")
    for name, detail in details.items():
        values[name] = _detail(name, detail, language)
    if key == "below_minimum" and is_money(kpi)[1] and evaluation.currency_code:
        for name in ("denominator", "minimum"):
            amount = details.get(name)
            if isinstance(amount, int | float):
                values[name] = formats.money(amount, evaluation.currency_code, language, digits=0)
    if "said" in details:  # the account apart from its problem; older verdicts have them in one
        told = f"{values['account']}: {problems.in_words(str(details['said']), language)}"
        if others := details.get("others"):
            told += f" ({say('left_out_sources', language, n=others)})"
        values["problem"] = ended(told)
    if "days" in details:
        values["days_told"] = say("days", language, n=details["days"])
    told = capital(phrase.format_map(_Forgiving(values)))
    if evaluation.reason == "below_minimum" and (longer := how_much_longer(evaluation, language)):
        told += " " + longer
    filled = filled_sum(evaluation, kpi)
    if filled is not None and evaluation.reason.endswith("_pace"):
        amount = formats.quantity(
            float(f"{filled:.3g}"), kpi.unit, language, evaluation.currency_code or currency
        )
        told += " " + say("filled", language, n=evaluation.days_missing, filled=amount)
    return told


def how_much_longer(evaluation: Evaluation, language: Language) -> str:
    """When there will be enough for a verdict; empty when that is not known."""
    days = evaluation.details.get("days_needed")
    if not isinstance(days, int | float) or not math.isfinite(days) or days < 1:
        return ""
    n = math.ceil(days)
    end = evaluation.period_end
    if end is not None and n > (end - evaluation.as_of).days:
        return say("days_needed_late", language)
    return say("days_needed", language, n=n)


def filled_sum(evaluation: Evaluation, kpi: Kpi) -> float | None:
    """A sum with its missing days filled in pro rata, as the verdict does; None when none miss."""
    days, missing = evaluation.details.get("days"), evaluation.days_missing
    value = judged(evaluation)
    if not kpi.is_sum or not missing or value is None or not isinstance(days, int | float):
        return None
    return value * days / (days - missing) if days > missing else None


def finding(
    told: Noticed, view: TargetView | None, language: Language, currency: str | None
) -> str:
    """What the goal held against its data shows, in a sentence; empty for an unknown code."""
    if told.code not in FINDING:
        return ""
    values: dict[str, str] = {}
    if view is not None:
        values["kpi"] = kpi_inside(view.kpi, language)
    for name, detail in told.details.items():
        if view is not None and name in _VALUES and isinstance(detail, int | float):
            money = view.total.currency_code or currency
            values[name] = formats.quantity(
                detail, view.kpi.unit, language, money, is_goal=name in ("said", "goal")
            )
        else:
            is_person = name == "owner" and isinstance(detail, str)
            values[name] = person(str(detail)) if is_person else _detail(name, detail, language)
    first, last = told.details.get("first"), told.details.get("last")
    if isinstance(first, str) and isinstance(last, str):
        days = date.fromisoformat(first), date.fromisoformat(last)
        values["span"] = formats.span(*days, language)
    n = told.details.get("n")
    phrase = pick(FINDING[told.code][language], n if isinstance(n, int | float) else None)
    sentence = capital(phrase.format_map(_Forgiving(values)))
    # of a goal for each segment it is about the hardest of them
    return f"{values['segment']}: {sentence}" if "segment" in values else sentence


class _Forgiving(dict[str, str]):
    """A figure that an evaluation does not carry shows as a dash instead of an error."""

    def __missing__(self, key: str) -> str:
        return formats.NOTHING


def _detail(key: str, detail: str | int | float, language: Language) -> str:
    if isinstance(detail, str):
        try:
            return formats.day(date.fromisoformat(detail), language)
        except ValueError:
            return (
                ended(problems.in_words(detail, language))
                if key == "problem"
                else (formats.name(detail, 200))
            )
    return formats.quantity(float(detail), "count", language)


def ended(told: str) -> str:
    """A sentence with its full stop, if it has none."""
    return told if told.endswith((".", "…", "!", "?")) else f"{told}."


def relative_day(day: date, as_of: date, language: Language) -> str:
    """`yesterday`, `in 3 days`; seen from the day of the report."""
    distance = (day - as_of).days
    near = {-1: "yesterday", 0: "today", 1: "tomorrow"}.get(distance)
    if near:
        return say(near, language)
    return say("in_days" if distance > 0 else "days_ago", language, n=abs(distance))


def period(target: Target, evaluation: Evaluation, language: Language) -> str:
    if target.period.rolling_days:
        return say("rolling", language, n=target.period.rolling_days)
    start = evaluation.period_start or target.period.start
    end = evaluation.period_end or target.period.end
    if start is None or end is None:
        return formats.name(target.period.said)
    return formats.span(start, end - timedelta(days=1), language)


def period_told(said: Period, language: Language) -> str:
    """A period as it was agreed: by its days where those are fixed."""
    if said.rolling_days:
        return say("rolling", language, n=said.rolling_days)
    if said.start is not None and said.end is not None:
        return formats.span(said.start, said.end - timedelta(days=1), language)
    return formats.name(said.said)


def changed_key(key: str, language: Language) -> str:
    """What a key of a target is about; an unknown one as it is written."""
    return say(f"changed_{key}", language) if f"changed_{key}" in TEXT else formats.name(key)


def judged_window(target: Target, evaluation: Evaluation) -> tuple[date, date] | None:
    """First and last day that the verdict rests on, both included."""
    first, last = evaluation.measured_from, evaluation.measured_through
    if first is None or last is None:
        return None
    if not rests_on_settled(evaluation):
        return first, last
    last = date.fromisoformat(str(evaluation.details["settled_through"]))
    if target.period.rolling_days:
        return last - timedelta(days=target.period.rolling_days - 1), last
    if evaluation.period_start is None or evaluation.period_end is None:
        return first, last
    return window_start(target, evaluation.period_start, evaluation.period_end, last), last


def measured(target: Target, evaluation: Evaluation, language: Language) -> str:
    window = judged_window(target, evaluation)
    return formats.span(*window, language) if window and window[0] <= window[1] else ""


def listing(names: list[str], language: Language) -> str:
    """`Sanne, Tom and Eva`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {say('and', language)} {names[-1]}"


_PARTICLES = {"de", "den", "der", "van", "ten", "ter", "te", "het", "von"}


def person(address: str) -> str:
    """`Tom` for `tom@example.nl`: readers know one another by name."""
    local = address.split("@")[0] if "@" in address else address
    parts = [p for p in local.replace("_", ".").split(".") if p]
    told = " ".join(p if p in _PARTICLES else p[:1].upper() + p[1:] for p in parts)
    if "@" not in address:
        told = address
    return formats.name(told or address, 60)
