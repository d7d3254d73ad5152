"""The keys of koers.yaml and clients/<slug>.yaml as people write them.

The reader takes from here which keys exist and which are required; the JSON
Schemas for editors are generated from here. What the values mean is checked
where they are read (flows/config_reader.py), because that needs line numbers,
the KPI catalogue and words that help.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

SOURCES = ("google_ads", "ga4", "search_console")

Text = Annotated[str, Field(min_length=1)]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", examples=["2026-10-01"])]
Color = Annotated[str, Field(pattern=r"^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$", examples=["#00aa55"])]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", examples=["sanne@example.nl"])]
Secret = Annotated[
    str, Field(pattern=r"^(env|file|keyring|prefect):.+$", examples=["env:KOERS_SECRET"])
]
TextOrSecret = Annotated[str, Field(min_length=1, examples=["env:KOERS_SECRET"])]
Number = Annotated[float, Field(ge=0)]
Amount = (
    Number
    | Annotated[
        str,
        Field(
            pattern=r"^(([A-Za-z]{3}|[€$£]) ?)?[0-9]+(\.[0-9]+)? ?(%|[A-Za-z]{3}|[€$£])?$",
            examples=["3%", "45 EUR"],
        ),
    ]
)
Fraction = Number | Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)? ?%$", examples=["10%"])]
Days = Annotated[str, Field(pattern=r"^[1-9][0-9]* ?[A-Za-z]+$", examples=["28d"])]
Duration = Annotated[str, Field(pattern=r"^[1-9][0-9]* ?[A-Za-z]+$", examples=["3 months"])]
AccountId = (
    Annotated[int, Field(ge=1)]
    | Annotated[str, Field(pattern=r"^\d{3}-?\d{3}-?\d{4}$", examples=["123-456-7890"])]
)
Property = Annotated[int, Field(ge=1)] | Annotated[str, Field(pattern=r"^(properties/)?\d+$")]
Site = Annotated[str, Field(pattern=r"^(sc-domain:.+|https?://.+/)$")]
Steps = Annotated[
    dict[Day, Amount],
    Field(min_length=1, json_schema_extra={"additionalProperties": False}),
]
Locale = Literal["nl", "en"]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$", examples=["EUR"])]
Digest = Literal["daily", "weekly", "monthly"]
News = Literal[
    "off_track", "at_risk", "missed", "achieved", "recovered", "judged", "edited", "stale",
    "provisional",
]  # fmt: skip
# the tables of each source, named by their grain; a test holds them to connectors/tables.py
AdsTable = Literal[
    "default", "all", "account", "conversion_action", "account_day", "campaign_day",
    "conversion_action_day", "conversion_lag_day", "campaign", "ad_group", "budget",
    "campaign_label", "ad_group_label", "change_event", "all_conversions_day", "ad_group_day",
    "ad_day", "keyword_day", "search_term_day", "campaign_search_term_day", "shopping_product_day",
    "geographic_day", "hour_day", "landing_page_day", "asset_group_day",
    "asset_group_product_group_day", "impression_share_day",
]  # fmt: skip
Ga4Table = Literal[
    "default", "all", "channel_day", "campaign_day", "key_event_day", "device_day",
    "country_day", "landing_page_day", "new_vs_returning_day", "event_day", "item_day",
    "users_week", "users_month",
]  # fmt: skip
SearchConsoleTable = Literal[
    "default", "all", "site_day", "query_day", "page_day", "device_day", "country_day",
    "page_query_day", "discover_day", "news_day", "search_appearance_day",
]  # fmt: skip
SearchType = Literal["web", "image", "video", "news", "discover", "googleNews"]
# the name of a report becomes that of a table
ReportName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=40)]
Filters = dict[Text, list[Text] | Text]
Quiet = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holidays"]


class Shape(BaseModel):
    # never used to validate: the reader and the JSON Schemas need the fields alone
    model_config = ConfigDict(extra="forbid", defer_build=True)


# --- koers.yaml -------------------------------------------------------------------------------


class Schedule(Shape):
    """When the daily run starts."""

    cron: Text = Field("0 6 * * *", description="Five fields: minute hour day month weekday")
    timezone: Text = Field("Europe/Amsterdam", description="IANA name of the time zone")


class Source(Shape):
    """How to reach one platform. ga4 and search_console take what they lack from google_ads."""

    client_id: TextOrSecret | None = Field(None, description="OAuth client id")
    client_secret: Secret | None = Field(None, description="OAuth client secret: env:NAME")
    refresh_token: Secret | None = Field(None, description="OAuth refresh token: env:NAME")
    json_key_file_path: TextOrSecret | None = Field(
        None, description="A service account's key file, instead of the three keys above"
    )
    token_uri: Text | None = Field(None, description="OAuth token endpoint, if not Google's own")
    auth_uri: Text | None = Field(None, description="Where a user signs in, if not at Google's own")
    endpoint: Text | None = Field(
        None, description="host:port for gRPC, a URL for REST; only for a proxy or the sandbox"
    )
    ca_file: Text | None = Field(None, description="A private certificate authority (PEM file)")
    restatement_days: int | None = Field(
        None, ge=1, le=400, description="How many days back every run reads again"
    )
    timeout_seconds: Number | None = Field(None, description="How long one request may take")


class GoogleAds(Source):
    """How to reach Google Ads."""

    developer_token: Secret | None = Field(
        None, description="Developer token, for those who have one: env:NAME"
    )
    login_customer_id: AccountId | None = Field(
        None, description="Manager account that gives access; a client's own wins"
    )


class Ga4(Source):
    """How to reach Google Analytics 4."""

    developer_token: Secret | None = Field(None, description="Not used by GA4")
    login_customer_id: AccountId | None = Field(None, description="Not used by GA4")
    transport: Literal["grpc", "rest"] = Field("grpc", description="Protocol to the API")
    admin_endpoint: Text | None = Field(
        None, description="A URL: where the list of properties is read; only for the sandbox"
    )


class SearchConsole(Source):
    """How to reach Google Search Console."""

    developer_token: Secret | None = Field(None, description="Not used by Search Console")
    login_customer_id: AccountId | None = Field(None, description="Not used by Search Console")
    data_state: Literal["final", "all"] = Field(
        "final", description="`all` also reads the provisional last days and marks them so"
    )


class Ecb(Shape):
    """Where exchange rates are read, when a client has amounts in several currencies."""

    refresh: bool = Field(
        True, description="false: never ask the ECB; the rates that ship with Koers alone"
    )
    endpoint: Text | None = Field(
        None, description="A URL; only for a mirror of the ECB's file or the sandbox"
    )
    ca_file: Text | None = Field(None, description="A private certificate authority (PEM file)")
    timeout_seconds: Number | None = Field(None, description="How long the file may take, up to 30")


class Sources(Shape):
    """The platforms that are read."""

    google_ads: GoogleAds | None = None
    ga4: Ga4 | None = None
    search_console: SearchConsole | None = None
    ecb: Ecb | None = None


class SlackBot(Shape):
    """A Slack app's bot: its messages make a thread a week, and charts come with them."""

    token: Secret = Field(description="Bot token (xoxb-…): env:NAME")
    channel: Annotated[str, Field(pattern=r"^[CGD][A-Z0-9]{2,}$", examples=["C0123ABCD"])] = Field(
        description="The channel's id: in Slack, at the bottom of the channel's details"
    )
    endpoint: Text | None = Field(None, description="A URL; only for a proxy or the sandbox")


class Route(Shape):
    """Where a digest goes: a Slack channel, a list of e-mail addresses, or both."""

    slack: Secret | SlackBot | None = Field(
        None, description="Incoming webhook: env:NAME; or a bot: {token: env:NAME, channel: C0123}"
    )
    email: list[Email] | Email | None = Field(None, description="Addresses")
    locale: Locale | None = Field(None, description="Language; without it, the client's")
    digest: Digest | None = Field(
        None,
        description="daily: when something changed; weekly: every Monday; monthly: on the first "
        "working day; without it, daily",
    )
    fallback: Text | None = Field(
        None, description="Route that gets what cannot be sent here; without it, koers.yaml's"
    )
    unsubscribe: Annotated[str, Field(pattern=r"^(mailto:|https://).+$")] | None = Field(
        None, description="Where a reader asks for no more mail: mailto:ADDRESS or https://…"
    )
    only: list[News] | News | None = Field(
        None, description="Only this kind of news; without it, what the targets tell"
    )
    owners: list[Email] | Email | None = Field(
        None, description="Only targets of these owners; without it, all that go here"
    )
    quiet: list[Quiet] | Quiet | None = Field(
        None, description="Days without messages; what happened is told on the next other day"
    )
    repeat_every: Days | None = Field(
        None, description="What stays off track is told again; without it, as the target says"
    )


class Smtp(Shape):
    """The mail server. TLS and a login are required anywhere but on 127.0.0.1."""

    host: Text = Field(description="Name of the mail server")
    port: int = Field(587, ge=1, le=65535, description="587 for STARTTLS, 465 for TLS")
    username: TextOrSecret | None = Field(None, description="Login name")
    password: Secret | None = Field(None, description="env:NAME or file:PATH")
    starttls: bool = Field(True, description="Encrypt after connecting")
    ca_file: Text | None = Field(None, description="A private certificate authority (PEM file)")
    from_: Text = Field(alias="from", description="Sender, such as Koers <koers@example.nl>")


class AdsReport(Shape):
    """A table of your own: whatever a query of Google Ads selects."""

    source: Literal["google_ads"] = Field(description="Which platform is asked")
    query: Text = Field(
        description="GAQL: SELECT … FROM … WHERE segments.date BETWEEN {start} AND {end}; without "
        "days it is a table of the present",
    )


class Ga4Report(Shape):
    """A table of your own: dimensions and metrics of GA4, by day."""

    source: Literal["ga4"] = Field(description="Which platform is asked")
    dimensions: list[Text] | Text | None = Field(
        None, description="Names of the Data API, such as pageTitle; the date comes by itself"
    )
    metrics: list[Text] | Text = Field(description="Names of the Data API, such as sessions")
    filter: Filters | None = Field(
        None, description="Only rows with these values: {deviceCategory: [mobile, tablet]}"
    )


class SearchConsoleReport(Shape):
    """A table of your own: clicks and impressions by dimensions of Search Console, by day."""

    source: Literal["search_console"] = Field(description="Which platform is asked")
    dimensions: list[Text] | Text | None = Field(
        None, description="query, page, country, device; the date comes by itself"
    )
    type: SearchType = Field("web", description="Which search is meant")
    filter: Filters | None = Field(None, description="Only rows with this value: {device: MOBILE}")


class Tuning(Shape):
    """When a target counts as on track, and how long before its status changes."""

    on_track_from: Fraction | None = Field(
        None, description="On track with at least this chance of making it; without it, 70%"
    )
    off_track_below: Fraction | None = Field(
        None, description="Off track with less chance than this; without it, 30%"
    )
    confirm_days: int | None = Field(
        None,
        ge=1,
        le=14,
        description="Days in a row that show a new status before it counts; without it, 2",
    )


class Brand(Shape):
    """How the agency shows itself in reports and mail."""

    name: Text | None = Field(None, description="The agency's name")
    logo: Text | None = Field(None, description="A small .png or .svg; it goes into every page")
    color: Color | None = Field(None, description="Of links, buttons and the line on top")
    accent: Color | None = Field(None, description="Of the end of that line")


class KoersFile(Shape):
    """What holds for all clients."""

    version: Literal[1] = Field(description="Version of this format")
    warehouse: Text = Field("data/koers.duckdb", description="The DuckDB database file")
    landing: Text = Field("landing", description="Folder for what was read, as Parquet")
    landing_retention: Days = Field(
        "90 days", description="After this long, old landing files are folded into one"
    )
    report_dir: Text = Field("report", description="Folder for the reports")
    report_url: Annotated[str, Field(pattern=r"^https?://.+$")] | None = Field(
        None,
        description="Where people find that folder in a browser; messages link to it",
        examples=["https://reports.example.nl/koers"],
    )
    report_keep: Days = Field("90 days", description="How long the dated copies of reports stay")
    locale: Locale = Field("nl", description="Language of the overview of all clients")
    currency: Currency | None = Field(
        None,
        description="What the overview adds clients up in; without it, what all clients count in",
    )
    brand: Brand | None = Field(None, description="Name, logo and colours of the agency")
    schedule: Schedule | None = None
    sources: Sources | None = None
    routes: dict[str, Route] | None = Field(None, description="Where digests go, by name")
    fallback: Text | None = Field(
        None, description="Route that gets what cannot be sent over the one it was meant for"
    )
    tuning: Tuning | None = Field(None, description="For all clients that say nothing else")
    reports: dict[ReportName, AdsReport | Ga4Report | SearchConsoleReport] | None = Field(
        None, description="Tables of your own, by name; a client asks for them with `reports`"
    )
    sql: Text | None = Field(
        None, description="Folder with SQL models of your own, laid out as sql/ of Koers"
    )
    smtp: Smtp | None = None


# --- clients/<slug>.yaml ----------------------------------------------------------------------


class AdsAccounts(Shape):
    """The client's Google Ads accounts: listed, or all under a manager account."""

    login_customer_id: AccountId | None = Field(None, description="Manager account")
    customer_ids: list[AccountId] | None = Field(None, description="The accounts")
    discover: bool | None = Field(None, description="true: every account under the manager")
    tables: list[AdsTable] | AdsTable | None = Field(
        None, description="Tables to read besides the default ones; `all`: every table"
    )
    reports: list[ReportName] | ReportName | None = Field(
        None, description="Reports of koers.yaml to read as well"
    )
    since: Day | None = Field(None, description="First day to load of this source")


class Ga4Properties(Shape):
    """The client's GA4 properties."""

    property_ids: list[Property] = Field(description="Numbers from Admin › Property details")
    tables: list[Ga4Table] | Ga4Table | None = Field(
        None, description="Tables to read besides the default ones; `all`: every table"
    )
    reports: list[ReportName] | ReportName | None = Field(
        None, description="Reports of koers.yaml to read as well"
    )
    since: Day | None = Field(None, description="First day to load of this source")


class Sites(Shape):
    """The client's Search Console properties."""

    sites: list[Site] = Field(description="sc-domain:example.nl or https://www.example.nl/")
    tables: list[SearchConsoleTable] | SearchConsoleTable | None = Field(
        None, description="Tables to read besides the default ones; `all`: every table"
    )
    reports: list[ReportName] | ReportName | None = Field(
        None, description="Reports of koers.yaml to read as well"
    )
    since: Day | None = Field(None, description="First day to load of this source")


class ClientSources(Shape):
    """Which accounts are this client's."""

    google_ads: AdsAccounts | None = None
    ga4: Ga4Properties | None = None
    search_console: Sites | None = None


class AtLeast(Shape):
    """Reach this level or more."""

    at_least: Amount = Field(description="3% for a rate, 4 for a ratio, 45 EUR, 120000")


class AtMost(Shape):
    """Stay at this level or below."""

    at_most: Amount = Field(description="3% for a rate, 4 for a ratio, 45 EUR, 120000")


class FromTo(Shape):
    """Go from where we stand to where we want to be by the end of the period."""

    from_: Amount = Field(alias="from", description="The value at the start")
    to: Amount = Field(description="The value at the end of the period")
    path: Literal["linear", "last_year"] | None = Field(
        None,
        description="How it gets there: in a straight line, or as last year's volume came in; "
        "without it, linear",
    )
    steps: Steps | None = Field(
        None,
        description="How it gets there: the value to be measured by the end of a day, such as "
        "{2026-10-31: 3.5%, 2026-11-30: 4.2%}",
    )


class Between(Shape):
    """Stay within two values, both included."""

    between: Annotated[list[Amount], Field(min_length=2, max_length=2)] = Field(
        description="[lowest, highest]"
    )


class Maintain(Shape):
    """Hold a level."""

    maintain: Amount = Field(description="The level")
    within: Fraction = Field(description="How far it may move, as a part of the level: 10%")


class Lasting(Shape):
    """A start and how long."""

    start: Day = Field(description="First day")
    for_: Duration = Field(alias="for", description="3 months, 12 weeks, 90 days, 1 year")


class FromUntil(Shape):
    """A first and a last day."""

    start: Day = Field(description="First day")
    end: Day = Field(description="Last day (included)")


class Every(Shape):
    """Judged anew every week, month, quarter or year."""

    every: Literal["week", "month", "quarter", "year"] = Field(description="How often")
    end: Day = Field(description="Last day (included)")
    start: Day | None = Field(None, description="First day, if not at once")


class Rolling(Shape):
    """A guardrail over the last days; it has no end."""

    rolling: Days = Field(description="How many days, such as 7d")


PeriodName = Annotated[
    str, Field(pattern=r"^\d{4}(-([Qq][1-4]|0[1-9]|1[0-2]))?$", examples=["2026-Q4", "2026-10"])
]
Year = Annotated[int, Field(ge=2000, le=2100)]


class Measure(Shape):
    """How the value is measured."""

    window: Days | None = Field(None, description="Over the last days only, such as 28d")
    min_denominator: Number | None = Field(None, description="With less there is no verdict")
    min_numerator: Number | None = Field(None, description="With less there is no verdict")
    completeness: Literal["raw", "learned"] | None = Field(
        None, description="learned: account for conversions that are still to come"
    )


class Agreed(Shape):
    """Acceptable: who answers for it and who agreed."""

    owner: Email = Field(description="Who answers for this target")
    by: list[Email] | Email | None = Field(None, description="Who agreed")
    on: Day | None = Field(None, description="When")


class Realistic(Shape):
    """Realistic: asked for when the past says it is without precedent."""

    because: Text = Field(description="Why it can be done")


class Step(Shape):
    """One thing that will be done."""

    do: Text = Field(description="What")
    owner: Email = Field(description="Who does it")
    due: Day | None = Field(None, description="When it is done at the latest")
    done: Day | None = Field(None, description="The day it was done")


class Mute(Shape):
    """Nothing is told of the target for a while; what changed meanwhile is told at its end."""

    until: Day = Field(description="The first day on which it is told of again")
    because: Text | None = Field(None, description="Why")


class Escalate(Shape):
    """Who else hears of a target that stays off track."""

    to: Text = Field(description="A route")
    after: Days = Field(description="This long after it was told that it is off track: 14d")


class Target(Shape):
    """One SMART goal: specific, measurable, acceptable, realistic, time-bound."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")] = Field(
        description="A name in kebab-case; changing it starts a new history"
    )
    specific: Text = Field(description="The goal in a sentence, as the client would say it")
    kpi: Text = Field(description="What is measured: a file in sql/kpis/")
    where: dict[str, Any] | None = Field(
        None, description="Only this part: dimension: value or [values]"
    )
    for_each: Text | None = Field(
        None, description="Every one must pass, such as campaign; without it, the total"
    )
    goal: AtLeast | AtMost | FromTo | Between | Maintain
    period: PeriodName | Year | Lasting | FromUntil | Every | Rolling = Field(
        description="2026-Q4, 2026-10, 2026, or a mapping"
    )
    measure: Measure | None = None
    tuning: Tuning | None = Field(None, description="Without it, the client's")
    agreed: Agreed
    realistic: Realistic | None = None
    plan: list[Step] | None = Field(
        None, description="What will be done; required, except for a rolling guardrail"
    )
    notify: list[str] | str | None = Field(None, description="Routes; without it, the client's")
    tell: list[News] | News | None = Field(None, description="Without it, the client's")
    repeat_every: Days | None = Field(None, description="Without it, the client's")
    escalate: Escalate | None = Field(None, description="Without it, the client's")
    mute: Mute | None = None


class ClientFile(Shape):
    """One client: accounts, routes and targets. The file's name is the client's slug."""

    name: Text = Field(description="The client's name")
    timezone: Text = Field("Europe/Amsterdam", description="IANA name of the time zone")
    currency: Currency = Field("EUR", description="ISO 4217")
    locale: Locale = Field("nl", description="Language of report and digests")
    conversion: Text = Field(
        "purchases", description="What counts as a conversion: purchases or a GA4 key event"
    )
    holidays: Annotated[str, Field(pattern="^([A-Z]{2}|none)$", examples=["NL"])] | None = Field(
        None,
        description="Country of the public holidays (ISO 3166) or none; without it, the time "
        "zone's in Europe, else none",
    )
    since: Day | None = Field(None, description="First day to load")
    sources: ClientSources
    routes: dict[str, Route] | None = Field(None, description="Routes of this client only")
    notify: list[str] | str | None = Field(None, description="Routes that get the digest")
    notify_data: list[str] | str | None = Field(
        None, description="Routes that hear of data that is late or missing; without it, `notify`"
    )
    tell: list[News] | News | None = Field(
        None,
        description="The kinds of news that are told; without it, all but at_risk and provisional",
    )
    repeat_every: Days | None = Field(
        None, description="What stays off track is told again after this long; without it, 7d"
    )
    escalate: Escalate | None = None
    tuning: Tuning | None = Field(None, description="For targets that say nothing else")
    targets: list[Target] | None = Field(None, description="The goals")


GOALS: tuple[type[Shape], ...] = (AtLeast, AtMost, FromTo, Between, Maintain)
PERIODS: tuple[type[Shape], ...] = (Lasting, FromUntil, Every, Rolling)
SOURCE_SHAPES: dict[str, type[Shape]] = {
    "google_ads": GoogleAds,
    "ga4": Ga4,
    "search_console": SearchConsole,
    "ecb": Ecb,
}
CLIENT_SOURCE_SHAPES: dict[str, type[Shape]] = {
    "google_ads": AdsAccounts,
    "ga4": Ga4Properties,
    "search_console": Sites,
}
REPORT_SHAPES: dict[str, type[Shape]] = {
    "google_ads": AdsReport,
    "ga4": Ga4Report,
    "search_console": SearchConsoleReport,
}
LOCALES: tuple[str, ...] = get_args(Locale)
DIGESTS: tuple[str, ...] = get_args(Digest)
NEWS: tuple[str, ...] = get_args(News)
QUIET: tuple[str, ...] = get_args(Quiet)
SEARCH_TYPES: tuple[str, ...] = get_args(SearchType)
TABLES: dict[str, tuple[str, ...]] = {
    "google_ads": get_args(AdsTable),
    "ga4": get_args(Ga4Table),
    "search_console": get_args(SearchConsoleTable),
}


def keys(*shapes: type[Shape]) -> tuple[str, ...]:
    """The keys that these shapes have, as written in YAML, in order."""
    found = [f.alias or n for shape in shapes for n, f in shape.model_fields.items()]
    return tuple(dict.fromkeys(found))


def required_keys(shape: type[Shape]) -> tuple[str, ...]:
    return tuple(f.alias or n for n, f in shape.model_fields.items() if f.is_required())
