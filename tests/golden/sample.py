"""One fixed client as a report sees it: the demo's story in small, with hostile names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from random import Random
from typing import Literal

from flows.alerts.digest import Digest, DigestItem
from flows.kpis import Kpi, Late
from flows.report.model import ClientView, SourceState, TargetView
from flows.settings import Agreed, Client, Goal, Measure, Period, Step, Target
from flows.targets.evaluation import DaySums, Freshness, Series
from flows.targets.judge import evaluate

AS_OF = date(2026, 11, 20)
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


def view(
    target: Target,
    kpi: Kpi,
    total: Series,
    parts: tuple[Series, ...] = (),
    *,
    freshness: Freshness | None = None,
    history: tuple[tuple[date, str], ...] = (),
) -> TargetView:
    fresh = freshness or Freshness(AS_OF - timedelta(days=1), AS_OF - timedelta(days=1))
    told = evaluate(target, kpi, "fietsgoed", total, parts, fresh, AS_OF, KNOWN_AT, 30)
    return TargetView(target, kpi, told[0], tuple(told[1:]), total, parts, history)


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
    return view(
        target,
        CTR,
        series("", "", lambda d: 11000, climbing),
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
    return view(
        target,
        ROAS,
        added(list(parts)),
        parts,
        history=((date(2026, 10, 9), "on_track"), (date(2026, 10, 24), "off_track")),
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
    return view(
        target,
        CAC,
        Series.of_days("", "", days, ("EUR",)),
        freshness=Freshness(
            AS_OF - timedelta(days=1), AS_OF - timedelta(days=1), missing_days=LOST_DAYS
        ),
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
    yesterday = AS_OF - timedelta(days=1)
    return view(
        target,
        ORGANIC,
        series("", "", lambda d: 560 + (d - FIRST).days * 0.9, None, without=LOST_DAYS),
        freshness=Freshness(yesterday, yesterday, missing_days=LOST_DAYS),
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
    return view(
        target,
        ORGANIC_CTR,
        Series.of_days("", "", ()),
        freshness=Freshness(
            None,
            AS_OF - timedelta(days=3),
            problems=("sc-domain:fietsgoed.example: deze gebruiker mag de site niet lezen",),
        ),
    )


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
    return view(target, COST, series("", "kosten", lambda d: 815, None, currency="EUR"))


def sources() -> tuple[SourceState, ...]:
    yesterday = AS_OF - timedelta(days=1)
    return (
        SourceState(
            "google_ads", "1111111111", "Fietsgoed NL", "EUR", yesterday, yesterday, KNOWN_AT
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
