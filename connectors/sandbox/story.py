"""What is planted in the sandbox's world: accounts, campaigns and what happens to them.

Numbers here are plans: :mod:`connectors.sandbox.world` draws days, clicks and
orders around them and holds the planned ratios exactly where a target needs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

FIRST_DAY = date(2025, 7, 1)
LAST_DAY = date(2026, 12, 31)

# Search CTR of Fietsgoed: 3.0% until the day before, then up; level a little above 5%
# early in December, so that 28 days ending on 31 December reach 5%.
CTR_RISES_FROM = date(2026, 10, 1)
CTR_LEVEL_FROM = date(2026, 12, 4)
CTR_BEFORE, CTR_AFTER = 0.030, 0.0512

E_BIKES_FALL_ON = date(2026, 10, 12)
RENAMED_ON = date(2026, 11, 10)
REMOVED_ON = date(2026, 8, 31)
LOST_WEEK = (date(2026, 10, 19), date(2026, 10, 25))  # both ends included
LOST_WEEK_ACCOUNT, LOST_WEEK_PROPERTY = "3333333333", "322222222"

Channel = Literal["SEARCH", "SHOPPING", "PERFORMANCE_MAX", "DISPLAY", "VIDEO"]
Shop = Literal["bicycles", "flowers"]


@dataclass(frozen=True)
class AdAccount:
    """One Google Ads customer; ``manager_id`` is its parent, None at the top.

    ``refuses`` marks an account that exists and yet may not be read.
    """

    customer_id: str
    name: str
    currency_code: str
    time_zone: str
    status: str = "ENABLED"
    is_manager: bool = False
    manager_id: str | None = None
    refuses: bool = False


@dataclass(frozen=True)
class Ga4Property:
    """One GA4 property; ``ad_accounts`` are the linked Google Ads customers."""

    property_id: str
    name: str
    currency_code: str
    time_zone: str
    shop: Shop
    site_url: str
    ad_accounts: tuple[str, ...]
    key_events: tuple[str, ...]


@dataclass(frozen=True)
class Site:
    """One Search Console property, by its exact address."""

    site_url: str
    home: str
    shop: Shop
    permission_level: str = "siteFullUser"


AD_ACCOUNTS: tuple[AdAccount, ...] = (
    AdAccount(
        "1000000001", "Noorderlicht Online Marketing", "EUR", "Europe/Amsterdam", is_manager=True
    ),
    AdAccount(
        "1000000002",
        "Fietsgoed (manager)",
        "EUR",
        "Europe/Amsterdam",
        is_manager=True,
        manager_id="1000000001",
    ),
    AdAccount("1111111111", "Fietsgoed NL", "EUR", "Europe/Amsterdam", manager_id="1000000002"),
    AdAccount("2222222222", "Fietsgoed UK", "GBP", "Europe/London", manager_id="1000000002"),
    AdAccount(
        "5555555555",
        "Fietsgoed (oud)",
        "EUR",
        "Europe/Amsterdam",
        status="CANCELED",
        manager_id="1000000002",
    ),
    AdAccount(
        "4444444444",
        "Fietsgoed België",
        "EUR",
        "Europe/Brussels",
        manager_id="1000000002",
        refuses=True,
    ),
    AdAccount("3333333333", "Tulp & Thee", "EUR", "Europe/Amsterdam", manager_id="1000000001"),
)

SITES: tuple[Site, ...] = (
    Site("sc-domain:fietsgoed.example", "https://www.fietsgoed.example/", "bicycles"),
    Site("https://www.tulpenthee.example/", "https://www.tulpenthee.example/", "flowers"),
)

GA4_PROPERTIES: tuple[Ga4Property, ...] = (
    Ga4Property(
        "311111111",
        "Fietsgoed",
        "EUR",
        "Europe/Amsterdam",
        "bicycles",
        SITES[0].site_url,
        ("1111111111", "2222222222"),
        ("purchase", "newsletter_signup", "proefrit_aanvraag"),
    ),
    Ga4Property(
        "322222222",
        "Tulp & Thee",
        "EUR",
        "Europe/Amsterdam",
        "flowers",
        SITES[1].site_url,
        ("3333333333",),
        ("purchase", "newsletter_signup"),
    ),
)

EUR_PER: Mapping[str, float] = {"EUR": 1.0, "GBP": 1.15}


@dataclass(frozen=True)
class Campaign:
    """A campaign's plan, per day and in the account's currency.

    ``ctr`` of a SEARCH campaign in an account whose joint CTR is planned is a
    weight, elsewhere the rate itself. ``roas`` is settled conversion value per
    cost, ``roas_from`` replaces it from a day on; ``basket`` is the mean order.
    ``start`` and ``end`` are the first and last day with traffic.
    """

    id: int
    name: str
    channel: Channel
    impressions: float
    ctr: float
    cpc: float
    roas: float
    basket: float
    delay: float = 6.0  # mean days of the orders that do not follow the click at once
    start: date | None = None
    end: date | None = None
    status_after_end: Literal["PAUSED", "REMOVED"] = "PAUSED"
    renamed: tuple[date, str] | None = None
    roas_from: tuple[date, float] | None = None


CAMPAIGNS: Mapping[str, tuple[Campaign, ...]] = {
    "1111111111": (
        Campaign(20000001, "Search – Merknaam Fietsgoed", "SEARCH", 1500, 3.6, 0.28, 11.0, 240),
        Campaign(20000002, "Search – Stadsfietsen", "SEARCH", 4000, 0.75, 0.72, 4.1, 420),
        Campaign(20000003, "Search – E-bikes 🚲⚡", "SEARCH", 4600, 0.70, 1.05, 4.2, 900, 8.0),
        Campaign(20000004, 'Search – "Beste koop" fietsen', "SEARCH", 2300, 0.80, 0.64, 3.8, 380),
        Campaign(20000005, '<script>alert("koers")</script>', "SEARCH", 900, 0.70, 0.55, 3.1, 260),
        Campaign(
            20000006,
            "Search – Kinderfietsen",
            "SEARCH",
            1900,
            0.85,
            0.48,
            4.4,
            230,
            renamed=(RENAMED_ON, "Search – Kinderfietsen & loopfietsen"),
        ),
        Campaign(
            20000007,
            "Search – Zomeractie 2026",
            "SEARCH",
            1600,
            0.90,
            0.60,
            3.6,
            120,
            start=date(2026, 5, 15),
            end=date(2026, 8, 30),
            status_after_end="REMOVED",
        ),
        Campaign(
            20000008,
            "Search – Black Friday 2026",
            "SEARCH",
            1400,
            1.10,
            0.66,
            4.8,
            320,
            start=date(2026, 11, 16),
            end=date(2026, 11, 30),
        ),
        Campaign(
            20000011,
            "Shopping – E-bikes",
            "SHOPPING",
            42000,
            0.0105,
            0.76,
            4.4,
            620,
            7.0,
            roas_from=(E_BIKES_FALL_ON, 2.2),
        ),
        Campaign(20000012, "Shopping – Stadsfietsen", "SHOPPING", 17000, 0.0110, 0.58, 4.7, 310),
        Campaign(20000013, "Shopping – Kinderfietsen", "SHOPPING", 12500, 0.0125, 0.52, 4.8, 190),
        Campaign(20000014, "Shopping – Accessoires", "SHOPPING", 18000, 0.0115, 0.40, 4.9, 75),
        Campaign(
            20000021, "PMax – Alle producten", "PERFORMANCE_MAX", 30000, 0.0120, 0.62, 4.0, 280
        ),
        Campaign(20000031, "Display – Remarketing", "DISPLAY", 26000, 0.0042, 0.27, 2.4, 160),
        Campaign(
            20000032,
            '=HYPERLINK("https://evil.example","klik")',
            "DISPLAY",
            15000,
            0.0030,
            0.31,
            1.4,
            150,
        ),
        Campaign(
            20000033,
            "Display – Prospecting voorjaar",
            "DISPLAY",
            21000,
            0.0035,
            0.33,
            0.9,
            170,
            start=date(2026, 2, 1),
            end=date(2026, 6, 30),
        ),
        Campaign(20000041, "Video – Merkfilm", "VIDEO", 19000, 0.0022, 0.85, 0.8, 260),
    ),
    "2222222222": (
        Campaign(20100001, "Search – Brand UK", "SEARCH", 420, 3.2, 0.26, 9.0, 230),
        Campaign(20100002, "Search – City bikes", "SEARCH", 1500, 0.80, 0.70, 3.6, 360),
        Campaign(20100003, "Search – Folding bikes", "SEARCH", 1100, 0.75, 0.74, 3.5, 390),
        Campaign(20100021, "PMax – UK range", "PERFORMANCE_MAX", 11000, 0.0115, 0.60, 3.4, 260),
        Campaign(20100031, "Display – Remarketing UK", "DISPLAY", 9000, 0.0040, 0.28, 1.9, 150),
    ),
    "3333333333": (
        Campaign(20200001, "Search – Merknaam Tulp & Thee", "SEARCH", 900, 0.16, 0.22, 8.5, 44),
        Campaign(20200002, "Search – Bloemen bezorgen", "SEARCH", 5200, 0.052, 0.78, 2.1, 39),
        Campaign(20200003, "Search – Losse thee", "SEARCH", 2100, 0.046, 0.42, 2.6, 33),
        Campaign(20200011, "Shopping – Bloemen", "SHOPPING", 16000, 0.0105, 0.52, 2.7, 38),
        Campaign(20200012, "Shopping – Thee & servies", "SHOPPING", 11000, 0.0110, 0.38, 3.0, 36),
        Campaign(20200021, "PMax – Boeketten", "PERFORMANCE_MAX", 21000, 0.0115, 0.55, 2.4, 40),
        Campaign(20200031, "Display – Remarketing", "DISPLAY", 14000, 0.0040, 0.24, 1.8, 36),
        Campaign(20200041, "Video – Zo bind je een boeket", "VIDEO", 9000, 0.0020, 0.70, 0.6, 38),
    ),
}

# In these accounts the Search campaigns together follow the planned CTR.
JOINT_CTR_ACCOUNTS = frozenset({"1111111111", "2222222222"})

BIDDING: Mapping[Channel, str] = {
    "SEARCH": "MAXIMIZE_CONVERSION_VALUE",
    "SHOPPING": "TARGET_ROAS",
    "PERFORMANCE_MAX": "MAXIMIZE_CONVERSION_VALUE",
    "DISPLAY": "MAXIMIZE_CONVERSIONS",
    "VIDEO": "MANUAL_CPV",
}

# (device, network): share of the channel's impressions and CTR against the channel's mean
SEGMENTS: Mapping[Channel, tuple[tuple[str, str, float, float], ...]] = {
    "SEARCH": (
        ("MOBILE", "SEARCH", 0.58, 1.06),
        ("DESKTOP", "SEARCH", 0.29, 1.02),
        ("TABLET", "SEARCH", 0.05, 0.90),
        ("MOBILE", "SEARCH_PARTNERS", 0.05, 0.55),
        ("DESKTOP", "SEARCH_PARTNERS", 0.0295, 0.50),
        ("OTHER", "SEARCH", 0.0005, 0.30),
    ),
    "SHOPPING": (
        ("MOBILE", "SEARCH", 0.62, 1.00),
        ("DESKTOP", "SEARCH", 0.28, 1.08),
        ("TABLET", "SEARCH", 0.05, 0.92),
        ("MOBILE", "SEARCH_PARTNERS", 0.03, 0.70),
        ("DESKTOP", "SEARCH_PARTNERS", 0.01996, 0.70),
        ("OTHER", "SEARCH", 0.00004, 0.30),
    ),
    "PERFORMANCE_MAX": (
        ("MOBILE", "SEARCH", 0.30, 1.60),
        ("DESKTOP", "SEARCH", 0.12, 1.70),
        ("TABLET", "SEARCH", 0.03, 1.20),
        ("MOBILE", "CONTENT", 0.27, 0.45),
        ("MOBILE", "YOUTUBE", 0.22, 0.35),
        ("CONNECTED_TV", "YOUTUBE", 0.05996, 0.02),
        ("OTHER", "CONTENT", 0.00004, 0.30),
    ),
    "DISPLAY": (
        ("MOBILE", "CONTENT", 0.70, 1.05),
        ("DESKTOP", "CONTENT", 0.24, 0.90),
        ("TABLET", "CONTENT", 0.05996, 0.95),
        ("OTHER", "CONTENT", 0.00004, 0.30),
    ),
    "VIDEO": (
        ("MOBILE", "YOUTUBE", 0.55, 1.20),
        ("DESKTOP", "YOUTUBE", 0.18, 1.10),
        ("TABLET", "YOUTUBE", 0.06, 1.00),
        ("CONNECTED_TV", "YOUTUBE", 0.20996, 0.05),
        ("OTHER", "YOUTUBE", 0.00004, 0.30),
    ),
}


@dataclass(frozen=True)
class ConversionAction:
    """What counts as a conversion; ``primary`` ones make up ``metrics.conversions``."""

    id: int
    name: str
    category: str
    type: str
    primary: bool
    click_through_lookback_window_days: int
    view_through_lookback_window_days: int
    counting_type: str
    status: str = "ENABLED"
    default_value: float = 0.0


CONVERSION_ACTIONS: Mapping[str, tuple[ConversionAction, ...]] = {
    customer_id: (
        ConversionAction(first, "Aankoop", "PURCHASE", "WEBPAGE", True, 30, 1, "MANY_PER_CLICK"),
        ConversionAction(
            first + 1,
            "Nieuwsbrief",
            "SUBMIT_LEAD_FORM",
            "WEBPAGE",
            True,
            7,
            1,
            "ONE_PER_CLICK",
            default_value=2.0,
        ),
        ConversionAction(
            first + 2, "In winkelwagen", "ADD_TO_CART", "WEBPAGE", False, 30, 1, "MANY_PER_CLICK"
        ),
    )
    for customer_id, first in (
        ("1111111111", 710000001),
        ("2222222222", 720000001),
        ("3333333333", 730000001),
    )
}

# cost of all ads per first-time purchaser of Tulp & Thee, from each day on (EUR)
CAC_FROM: tuple[tuple[date, float], ...] = (
    (FIRST_DAY, 35.0),
    (date(2026, 9, 1), 36.5),
    (date(2026, 10, 1), 40.0),
    (date(2026, 11, 1), 45.0),
    (date(2026, 12, 1), 43.0),
)
CAC_PROPERTY = "322222222"


@dataclass(frozen=True)
class Searches:
    """A site's organic search: ``clicks`` a day at the start, ``growth`` by the end."""

    clicks: float
    growth: float
    pages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # page → queries
    brand: tuple[str, ...] = ()


SEARCHES: Mapping[str, Searches] = {
    "sc-domain:fietsgoed.example": Searches(
        470,
        1.74,
        {
            "": ("fietsgoed", "fietsgoed winkel", "fiets goed", "fietsgoed openingstijden"),
            "stadsfietsen/": (
                "stadsfiets",
                "stadsfiets dames",
                "stadsfiets heren",
                "goedkope stadsfiets",
                "omafiets",
                "transportfiets",
                "stadsfiets 7 versnellingen",
                "fiets met krat",
            ),
            "e-bikes/": (
                "elektrische fiets",
                "e-bike",
                "e-bike dames",
                "elektrische fiets middenmotor",
                "beste e-bike 2026",
                "e-bike aanbieding",
                "elektrische fiets heren",
                "e-bike accu 625wh",
                "lichte e-bike",
            ),
            "kinderfietsen/": (
                "kinderfiets",
                "kinderfiets 16 inch",
                "kinderfiets 20 inch",
                "loopfiets",
                "meisjesfiets",
                "jongensfiets 24 inch",
                "kinderfiets sinterklaas",
            ),
            "accessoires/": (
                "fietstas",
                "fietsslot art 2",
                "fietshelm",
                "fietsverlichting usb",
                "fietspomp",
                "bakfiets regentent",
                "fietszadel gel",
            ),
            "bakfietsen/": ("bakfiets", "elektrische bakfiets", "bakfiets tweewieler"),
            "blog/framemaat-berekenen/": (
                "framemaat berekenen",
                "welke framemaat fiets",
                "framemaat kinderfiets",
                "framemaat tabel",
            ),
            "blog/fietsband-plakken/": (
                "fietsband plakken",
                "band plakken fiets",
                "binnenband vervangen",
            ),
            "service/": ("fietsenmaker utrecht", "fiets onderhoud", "fietsreparatie aan huis"),
            "lease/": ("fiets lease", "lease e-bike werkgever", "fietsplan 2026"),
        },
        ("fietsgoed", "fietsgoed winkel", "fiets goed", "fietsgoed openingstijden"),
    ),
    "https://www.tulpenthee.example/": Searches(
        310,
        1.22,
        {
            "": ("tulp en thee", "tulp & thee", "tulpenthee"),
            "bloemen-bezorgen/": (
                "bloemen bezorgen",
                "boeket bezorgen",
                "bloemen laten bezorgen vandaag",
                "bloemen versturen",
                "rozen bezorgen",
            ),
            "boeketten/": (
                "boeket",
                "tulpen kopen",
                "veldboeket",
                "droogbloemen boeket",
                "herfstboeket",
            ),
            "thee/": (
                "losse thee",
                "thee cadeau",
                "groene thee los",
                "theepakket",
                "rooibos thee",
                "kerstthee",
            ),
            "servies/": ("theeservies", "theepot glas", "thee zeefje"),
            "blog/tulpen-langer-mooi/": (
                "tulpen langer mooi",
                "tulpen hangen slap",
                "muntje in tulpen",
            ),
            "moederdag/": ("moederdag bloemen", "moederdag cadeau"),
            "valentijn/": ("valentijn rozen", "valentijn bloemen"),
        },
        ("tulp en thee", "tulp & thee", "tulpenthee"),
    ),
}
