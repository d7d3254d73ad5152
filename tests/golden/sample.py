"""One fixed client as a report sees it: the demo's story in small, with hostile names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from random import Random
from typing import Any, Literal

import numpy as np

from flows.alerts.digest import Digest, DigestItem
from flows.kpis import Kpi, Late
from flows.report.ad_figure import AdFigure, AgencyFigures
from flows.report.model import ClientView, Covered, GoalChange, Noticed, SourceState, TargetView
from flows.settings import Agreed, Client, Goal, Measure, Period, Step, Target
from flows.targets.evaluation import DaySums, Evaluation, Series, Status
from flows.targets.explain import Effect, Explanation
from flows.targets.path import sums_between, value_of

AS_OF = date(2026, 11, 20)
YESTERDAY = date(2026, 11, 19)
KNOWN_AT = datetime(2026, 11, 20, 5, 2, tzinfo=UTC)
FIRST = date(2026, 7, 1)
Q4 = Period(start=date(2026, 10, 1), end=date(2027, 1, 1), said="2026-Q4")

EVIL = '<script>alert("koers")</script>'
FORMULA = '=HYPERLINK("https://evil.example","klik")'
PAGING = "<!channel> *Sale* & \u202emore\u202c 🚲"
LONG = "Merk – " + "zeer lange naam " * 700  # over 10,000 characters

CTR = Kpi(
    name="ctr",
    unit="rate",
    better="higher",
    is_sum=False,
    has_currency=False,
    dimensions=("source", "account_id", "channel_type", "campaign_id", "campaign_name"),
    sources=("google_ads",),
    late=None,
    label={"en": "Click-through rate (CTR)", "nl": "Doorklikratio (CTR)"},
    explained={
        "en": "How often people click when they see an ad: 10,000 impressions and 500 clicks are"
        " a CTR of 5%.",
        "nl": "Hoe vaak mensen klikken als ze een advertentie zien: 10.000 vertoningen en 500"
        " klikken zijn een CTR van 5%.",
    },
    numerator={"en": "clicks", "nl": "klikken"},
    denominator={"en": "impressions", "nl": "vertoningen"},
)
ROAS = Kpi(
    name="roas",
    unit="ratio",
    better="higher",
    is_sum=False,
    has_currency=True,
    dimensions=("source", "account_id", "channel_type", "campaign_id", "campaign_name"),
    sources=("google_ads",),
    late=Late("numerator", "google_ads__campaign_day", "conversions_value"),
    label={"en": "Return on ad spend (ROAS)", "nl": "Advertentierendement (ROAS)"},
    explained={
        "en": "What every euro of advertising brings in: a cost of €1,000 and a conversion value"
        " of €5,000 are a ROAS of 5.",
        "nl": "Wat elke euro aan advertenties oplevert: € 1.000 kosten en € 5.000 conversiewaarde"
        " zijn een ROAS van 5.",
    },
    numerator={"en": "conversion value", "nl": "conversiewaarde"},
    denominator={"en": "cost", "nl": "kosten"},
)
CAC = Kpi(
    name="cac",
    unit="money",
    better="lower",
    is_sum=False,
    has_currency=True,
    dimensions=(),
    sources=("google_ads", "ga4"),
    late=Late("denominator", "ga4__channel_day", "first_time_purchasers"),
    label={"en": "Customer acquisition cost (CAC)", "nl": "Kosten per nieuwe klant (CAC)"},
    explained={
        "en": "What it costs in ads to win one new customer.",
        "nl": "Wat het aan advertenties kost om één nieuwe klant te winnen.",
    },
    numerator={"en": "cost of all paid media", "nl": "kosten van alle advertenties"},
    denominator={"en": "new customers", "nl": "nieuwe klanten"},
)
ORGANIC = Kpi(
    name="organic_sessions",
    unit="count",
    better="higher",
    is_sum=True,
    has_currency=False,
    dimensions=("source", "account_id", "channel_group"),
    sources=("ga4",),
    late=None,
    label={"en": "Organic sessions", "nl": "Organische sessies"},
    explained={
        "en": "How many visits came from unpaid results of search engines.",
        "nl": "Hoeveel bezoeken uit onbetaalde resultaten van zoekmachines kwamen.",
    },
    numerator={"en": "organic sessions", "nl": "organische sessies"},
    denominator=None,
)
ORGANIC_CTR = replace(
    CTR,
    name="organic_ctr",
    sources=("search_console",),
    label={"en": "Organic click-through rate", "nl": "Organische doorklikratio"},
)
COST = Kpi(
    name="cost",
    unit="money",
    better="lower",
    is_sum=True,
    has_currency=True,
    dimensions=("source", "account_id", "channel_type", "campaign_id", "campaign_name"),
    sources=("google_ads",),
    late=None,
    label={"en": "Ad cost", "nl": "Advertentiekosten"},
    explained={
        "en": "All that was spent on ads, added up over the days.",
        "nl": "Alles wat aan advertenties is uitgegeven, opgeteld over de dagen.",
    },
    numerator={"en": "cost", "nl": "kosten"},
    denominator=None,
)

# Nobody shops for bicycles on a Saturday evening; Mondays are busy.
WEEKDAYS = (1.12, 1.06, 1.03, 1.0, 0.96, 0.86, 0.97)
LOST_DAYS = tuple(date(2026, 10, 19) + timedelta(days=i) for i in range(7))


def series(
    segment: str,
    label: str,
    volume: Callable[[date], float],
    ratio: Callable[[date], float] | None,
    *,
    currency: str | None = None,
    without: tuple[date, ...] = (),
    last: date = AS_OF - timedelta(days=1),
) -> Series:
    """Days of a made-up account; the same for the same segment and label."""
    random = Random(f"{segment}|{label}"[:60])
    days = []
    day = FIRST
    while day <= last:
        base = volume(day) * WEEKDAYS[day.weekday()] * (0.94 + 0.12 * random.random())
        noise = 0.9 + 0.2 * random.random()
        if day not in without:
            if ratio is None:
                days.append(DaySums(day, float(round(base)), None))
            else:
                bottom = float(round(base, 2))
                days.append(DaySums(day, round(bottom * ratio(day) * noise, 2), bottom))
        day += timedelta(days=1)
    return Series.of_days(segment, label, days, (currency,) if currency else ())


def added(parts: list[Series], label: str = "") -> Series:
    """The total of some segments, day by day."""
    by_day: dict[date, list[DaySums]] = {}
    for part in parts:
        for one in part.days:
            by_day.setdefault(one.date_day, []).append(one)
    days = [
        DaySums(
            day,
            sum(o.numerator or 0.0 for o in ones),
            sum(o.denominator or 0.0 for o in ones),
        )
        for day, ones in sorted(by_day.items())
    ]
    return Series.of_days("", label, days, parts[0].currencies)


def arriving(day: date) -> float:
    """The share of a day's conversions that has come in by AS_OF."""
    age = (AS_OF - day).days
    return 1.0 if age > 14 else 0.55 + 0.45 * min(age, 14) / 14


def judged(
    target: Target,
    kpi: Kpi,
    total: Series,
    status: Status,
    reason: str,
    first: date,
    *,
    goal: float | None,
    end: date = date(2027, 1, 1),
    **told: Any,
) -> Evaluation:
    """An evaluation over ``first`` up to AS_OF: sums from the series, the verdict by hand.

    How a verdict comes about is the engine's; here it only has to be told.
    """
    numerator, denominator = sums_between(total, first, YESTERDAY, kpi)
    value = value_of(numerator, denominator, kpi)
    return Evaluation(
        client="fietsgoed",
        target_id=target.id,
        segment=total.segment,
        segment_label=total.label,
        as_of=AS_OF,
        known_at=KNOWN_AT,
        status=status,
        reason=reason,
        goal=goal,
        value=value,
        numerator=numerator,
        denominator=denominator,
        currency_code="EUR" if kpi.has_currency else None,
        measured_from=first,
        measured_through=YESTERDAY,
        period_end=end,
        **{"expected": goal, "period_start": min(first, date(2026, 10, 1)), **told},
    )


def completed_series(one: Series) -> Series:
    """With what is known of how late its conversions are."""
    share = np.array([arriving(one.day_at(i)) for i in range(len(one))])
    return replace(one, completeness=share, completeness_error=0.02 * (1 - share))


def ctr_view() -> TargetView:
    def climbing(day: date) -> float:
        start, end = date(2026, 10, 1), date(2026, 12, 31)
        share = max(0.0, (day - start).days / (end - start).days)
        return 0.0304 + 0.0285 * share

    target = Target(
        id="google-ads-ctr",
        specific="De CTR van onze Google Ads-zoekcampagnes verhogen",
        kpi="ctr",
        where={"source": ("google_ads",), "channel_type": ("SEARCH",)},
        goal=Goal(kind="from_to", from_=0.03, to=0.05),
        period=Period(start=date(2026, 10, 1), end=date(2027, 1, 1), said="3 months"),
        measure=Measure(window_days=28, min_denominator=5000),
        agreed=Agreed(
            owner="sanne@example.nl",
            by=("sanne@example.nl", "tom@example.nl"),
            on=date(2026, 9, 24),
        ),
        realistic_because="de nieuwe advertentieteksten in de proef van augustus +40% gaven",
        plan=(
            Step(
                do="De responsive search ads herschrijven",
                owner="tom@example.nl",
                due=date(2026, 10, 15),
                done=date(2026, 10, 13),
            ),
            Step(
                do="Wekelijks negatieve zoekwoorden toevoegen",
                owner="sanne@example.nl",
                due=date(2026, 12, 31),
            ),
        ),
        notify=("growth",),
    )
    total = series("", "", lambda d: 11000, climbing)
    first = date(2026, 10, 23)
    return TargetView(
        target,
        CTR,
        judged(
            target,
            CTR,
            total,
            "on_track",
            "on_path",
            first,
            goal=0.05,
            expected=0.0393,
            value_low=0.0387,
            value_high=0.0439,
            projected=0.0508,
            projected_low=0.0489,
            projected_high=0.0527,
            probability=0.72,
            required=0.05,
            details={"standing": "on", "season": "last_year", "window_days": 28, "from": 0.03},
        ),
        (),
        total,
        findings=(
            Noticed("realism_ambitious", {"usual_low": 0.029, "usual_high": 0.036}),
            Noticed(
                "baseline_differs",
                {
                    "said": 0.03,
                    "measured": 0.0334,
                    "first": "2026-09-03",
                    "last": "2026-09-30",
                },
            ),
        ),
        goal_changes=(
            GoalChange(
                date(2026, 10, 19),
                was=Goal(kind="from_to", from_=0.03, to=0.06),
                now=target.goal,
                others=("where",),
            ),
        ),
        history=(
            (date(2026, 10, 2), "too_early"),
            (date(2026, 10, 9), "at_risk"),
            (date(2026, 10, 10), "at_risk"),
            (date(2026, 10, 26), "on_track"),
            (date(2026, 11, 19), "on_track"),
        ),
    )


def roas_view() -> TargetView:
    def falling(day: date) -> float:
        return (4.7 if day < date(2026, 10, 12) else 2.2) * arriving(day)

    def steady(level: float) -> Callable[[date], float]:
        return lambda day: level * arriving(day)

    parts = (
        series("7001", "Shopping – E-bikes", lambda d: 420, falling, currency="EUR"),
        series("7002", EVIL, lambda d: 160, steady(4.9), currency="EUR"),
        series("7003", FORMULA, lambda d: 95, steady(4.5), currency="EUR"),
        series(
            "7004",
            "Shopping – 'Kids' & \"Bakfietsen\" 🚲",
            lambda d: 130,
            steady(4.4),
            currency="EUR",
        ),
    )
    target = Target(
        id="shopping-roas-q4",
        specific="Een ROAS van minstens 4 op alle Google Shopping-campagnes",
        kpi="roas",
        where={"source": ("google_ads",), "channel_type": ("SHOPPING",)},
        for_each="campaign",
        goal=Goal(kind="at_least", at_least=4),
        period=Q4,
        measure=Measure(completeness="learned"),
        agreed=Agreed(owner="tom@example.nl", on=date(2026, 9, 24)),
        plan=(
            Step(
                do="De feed naar marge splitsen",
                owner="tom@example.nl",
                due=date(2026, 10, 20),
            ),
            Step(do="Biedingen per marge instellen", owner="eva@example.nl"),
        ),
    )
    arrived = tuple(completed_series(part) for part in parts)
    total = completed_series(added(list(parts)))
    # (status, adjusted, required, projected, odds): with 94% of the value in, what the days
    # that are left have to come to, and where it ends when they go on as they did
    told: dict[str, tuple[Status, float, float, tuple[float, float, float], float]] = {
        "7001": ("off_track", 2.7726, 5.46, (2.55, 2.31, 2.81), 0.01),
        "7002": ("on_track", 4.8255, 3.02, (4.83, 4.52, 5.14), 0.97),
        "7003": ("on_track", 4.4881, 3.42, (4.48, 4.17, 4.81), 0.93),
        "7004": ("on_track", 4.3877, 3.54, (4.38, 4.02, 4.75), 0.88),
        "": ("off_track", 3.6416, 4.43, (3.55, 3.33, 3.79), 0.01),
    }

    def verdict(one: Series) -> Evaluation:
        status, value, required, (end, low, high), odds = told[one.segment]
        standing = "off" if status == "off_track" else "on"
        details: dict[str, str | int | float] = {"standing": standing, "season": "last_year"}
        if one.segment == "":
            details |= {"judged": 4, "segments": 4, "failing": 1, "off": 1, "near": 0}
        return judged(
            target,
            ROAS,
            one,
            status,
            "segments_failing" if one.segment == "" else f"{standing}_level",
            date(2026, 10, 1),
            goal=4.0,
            adjusted_value=value,
            completeness=0.94,
            value_low=value - 0.15,
            value_high=value + 0.15,
            projected=end,
            projected_low=low,
            projected_high=high,
            probability=odds,
            required=required,
            details=details,
        )

    return TargetView(
        target,
        ROAS,
        verdict(total),
        tuple(verdict(part) for part in sorted(arrived, key=lambda part: part.label)),
        total,
        arrived,
        history=((date(2026, 10, 9), "on_track"), (date(2026, 10, 24), "off_track")),
        causes=(roas_causes(),),
    )


def roas_causes() -> Explanation:
    """What became of a ROAS of 4.65: the e-bikes lost almost all of it.

    Shares of cost: e-bikes 52% before and after, so all of theirs is rate.
    """

    def effect(
        part: str, label: str, before: float, after: float, was: float, now: float, **told: Any
    ) -> Effect:
        middle = (4.65 + 3.64) / 2
        rate = (was + now) / 2 * (after - before)
        mix = (now - was) * ((after + before) / 2 - middle)
        total = rate + mix
        return Effect(
            part, label, rate, mix, total, total / (3.64 - 4.65), before, after, was, now, **told
        )

    effects = (
        effect(
            "7001", "Shopping – E-bikes", 4.66, 2.77, 0.52, 0.523, p_value=1e-6, is_claimed=True
        ),
        effect("7002", EVIL, 4.93, 4.83, 0.20, 0.198, p_value=0.4),
        effect("7003", FORMULA, 4.46, 4.49, 0.117, 0.117, p_value=0.8),
        effect(
            "7004", "Shopping – 'Kids' & \"Bakfietsen\" 🚲", 4.40, 4.39, 0.163, 0.162, p_value=0.9
        ),
    )
    return Explanation(
        dimension="campaign_id",
        is_sum=False,
        is_per_day=False,
        before_days=(date(2026, 9, 3), date(2026, 9, 30)),
        after_days=(date(2026, 10, 1), YESTERDAY),
        before_value=4.65,
        after_value=3.64,
        change=3.64 - 4.65,
        effects=effects,
        residual=0.0,
        direction=-1,
    )


def cac_view() -> TargetView:
    target = Target(
        id="cac-per-month",
        specific="Elke maand hoogstens 38 euro per nieuwe klant",
        kpi="cac",
        goal=Goal(kind="at_most", at_most=38, currency="EUR"),
        period=Period(every="month", end=date(2027, 1, 1), said="every month"),
        agreed=Agreed(owner="eva.de.vries@example.nl", by=("lead@example.nl",)),
        plan=(
            Step(
                do="Budget naar merkcampagnes schuiven",
                owner="tom@example.nl",
                due=date(2026, 11, 24),
            ),
        ),
    )
    random = Random("cac")
    days = []
    for i in range((AS_OF - FIRST).days):
        day = FIRST + timedelta(days=i)
        if day in LOST_DAYS:
            continue
        customers = float(round((14 + 4 * random.random()) * (0.8 + 0.2 * arriving(day))))
        level = 36 if day < date(2026, 9, 20) else 44
        days.append(
            DaySums(day, round(customers * level * (0.92 + 0.16 * random.random()), 2), customers)
        )
    total = Series.of_days("", "", days, ("EUR",))
    return TargetView(
        target,
        CAC,
        judged(
            target,
            CAC,
            total,
            "off_track",
            "off_level",
            date(2026, 11, 1),
            goal=38.0,
            end=date(2026, 12, 1),
            period_start=date(2026, 11, 1),
            adjusted_value=43.05,  # over 1–13 November
            projected=43.4,
            projected_low=39.2,
            projected_high=48.4,
            probability=0.05,
            required=34.2,
            details={
                "standing": "off",
                "season": "unknown",
                "settled_through": "2026-11-13",
                "settled_expected": 38.0,
            },
        ),
        (),
        total,
        history=((date(2026, 11, 2), "too_early"), (date(2026, 11, 14), "off_track")),
    )


def organic_view() -> TargetView:
    target = Target(
        id="organic-q4",
        specific="60.000 organische sessies in het vierde kwartaal",
        kpi="organic_sessions",
        goal=Goal(kind="at_least", at_least=60000),
        period=Q4,
        agreed=Agreed(owner="eva@example.nl", on=date(2026, 9, 24)),
        plan=(Step(do="Twaalf gidsen publiceren", owner="eva@example.nl", due=date(2026, 12, 15)),),
    )
    total = series("", "", lambda d: 560 + (d - FIRST).days * 0.9, None, without=LOST_DAYS)
    return TargetView(
        target,
        ORGANIC,
        judged(
            target,
            ORGANIC,
            total,
            "on_track",
            "on_pace",
            date(2026, 10, 1),
            goal=60000.0,
            expected=60000 * 50 / 92,
            days_missing=7,
            projected=60900.0,
            projected_low=57200.0,
            projected_high=64800.0,
            probability=0.61,
            required=635.0,
            # on track still, but yesterday's odds were the first below 60%
            details={
                "standing": "on",
                "season": "last_year",
                "missing": 7,
                "days": 50,
                "candidate": "at_risk",
                "candidate_days": 1,
            },
        ),
        (),
        total,
        history=((date(2026, 10, 8), "on_track"),),
    )


def no_data_view() -> TargetView:
    target = Target(
        id="organic-ctr",
        specific=f"De organische CTR vasthouden {EVIL}",
        kpi="organic_ctr",
        goal=Goal(kind="maintain", maintain=0.024, within=0.1),
        period=Q4,
        agreed=Agreed(owner="sanne@example.nl"),
    )
    empty = Series.of_days("", "", ())
    problem = "sc-domain:fietsgoed.example: deze gebruiker mag de site niet lezen"
    told = Evaluation(
        "fietsgoed",
        target.id,
        "",
        "",
        AS_OF,
        KNOWN_AT,
        "no_data",
        "account_failed",
        0.024,
        period_start=date(2026, 10, 1),
        period_end=date(2027, 1, 1),
        details={"problem": problem, "low": 0.0216, "high": 0.0264},
    )
    return TargetView(target, ORGANIC_CTR, told, (), empty)


def cost_view() -> TargetView:
    target = Target(
        id="spend-guardrail",
        specific="De weekkosten blijven binnen de marge",
        kpi="cost",
        goal=Goal(kind="between", between=(5200, 6400)),
        period=Period(rolling_days=7, said="rolling 7d"),
        agreed=Agreed(owner="tom@example.nl"),
        plan=(Step(do="Dagbudgetten bijstellen", owner="tom@example.nl", due=AS_OF),),
    )
    total = series("", "", lambda d: 815, None, currency="EUR")
    return TargetView(
        target,
        COST,
        judged(
            target,
            COST,
            total,
            "on_track",
            "in_band",
            date(2026, 11, 13),
            goal=None,
            end=AS_OF,
            period_start=date(2026, 11, 13),
            details={"standing": "on", "low": 5200.0, "high": 6400.0},
        ),
        (),
        total,
    )


def sources() -> tuple[SourceState, ...]:
    yesterday = YESTERDAY
    return (
        SourceState(
            "google_ads",
            "1111111111",
            "Fietsgoed NL",
            "EUR",
            yesterday,
            yesterday,
            KNOWN_AT,
            covered=(
                Covered("hour_day", "clicks", 1.0),
                Covered("keyword_day", "clicks", 0.637),
                Covered("search_term_day", "clicks", 0.712),
            ),
        ),
        SourceState(
            "google_ads",
            "2222222222",
            PAGING,
            "GBP",
            AS_OF - timedelta(days=4),
            yesterday,
            KNOWN_AT - timedelta(days=3),
            problem="Quota exceeded (RESOURCE_EXHAUSTED) [request 4f3a-77]; try again in 2 hours",
        ),
        SourceState(
            "ga4",
            "311111111",
            LONG,
            "EUR",
            yesterday,
            yesterday,
            KNOWN_AT,
            missing_days=LOST_DAYS,
            notes=("De laatste 2 dagen zijn nog voorlopig.", "Thresholding was applied."),
        ),
        SourceState(
            "search_console",
            "sc-domain:fietsgoed.example",
            "",
            None,
            None,
            AS_OF - timedelta(days=3),
            None,
            problem="User does not have sufficient permission (forbidden)",
            covered=(Covered("query_day", "clicks", 0.62), Covered("page_day", "clicks", 0.998)),
        ),
    )


def client(locale: Literal["nl", "en"]) -> Client:
    return Client(slug="fietsgoed", name="Fietsgoed", locale=locale)


@cache
def client_view(locale: Literal["nl", "en"] = "nl") -> ClientView:
    return ClientView(
        client=client(locale),
        as_of=AS_OF,
        generated_at=KNOWN_AT,
        targets=(
            ctr_view(),
            roas_view(),
            cac_view(),
            organic_view(),
            no_data_view(),
            cost_view(),
        ),
        sources=sources(),
        checks=(f"marts.paid_media_day: 1 dag wijkt af van de ruwe tabel {EVIL}",),
    )


def agency_figures(*views: ClientView) -> AgencyFigures:
    """The ads of some clients in euros, with all that can be said beside a figure."""
    slugs = list(dict.fromkeys(view.client.slug for view in views))
    accounts = tuple(state for view in views for state in view.sources)[:2]
    last = YESTERDAY, YESTERDAY - timedelta(days=1)
    told = [
        AdFigure(slugs[0], "google_ads", "EUR", 8120.0, 31_668.0, 0.88, ("GBP",), {}, 3, accounts),
        *(
            AdFigure(slug, "google_ads", "SEK", 9000.0, 18_000.0, without_rate={"SEK": last})
            for slug in slugs[1:]
        ),
    ]
    return AgencyFigures(ROAS, "EUR", YESTERDAY - timedelta(days=27), YESTERDAY, tuple(told))


@cache
def digest(locale: Literal["nl", "en"] = "nl", *, is_first: bool = False) -> Digest:
    told = client_view(locale)
    ctr, roas, cac, organic, no_data, cost = told.targets

    def item(one: TargetView, was: str | None) -> DigestItem:
        return DigestItem(one, one.total, was)  # type: ignore[arg-type]

    every = (
        item(roas, None if is_first else "on_track"),
        item(no_data, None if is_first else "on_track"),
        item(ctr, None if is_first else "at_risk"),
        item(cac, None if is_first else "off_track"),
        item(organic, None if is_first else "on_track"),
        item(cost, None if is_first else "on_track"),
    )
    return Digest(
        key="3b1f0c",
        client=told.client,
        route="growth",
        locale=locale,
        as_of=AS_OF,
        is_first=is_first,
        changed=every if is_first else every[:3],
        unchanged=() if is_first else every[3:],
        sources=told.sources,
        report_link="https://koers.example/report/fietsgoed.html",
    )
