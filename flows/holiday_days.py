"""Public holidays by country, known offline.

Only days that a country's law makes free. The days that matter to shops, such as
Black Friday, differ per shop and year: last year's own figures know those.
"""

from __future__ import annotations

from datetime import date
from functools import cache


def holiday_days(country: str | None, first: date, last: date) -> frozenset[date]:
    """The public holidays of a country from ``first`` to ``last``, both included.

    ``country`` is an ISO 3166 code (`NL`); None has no holidays. Holidays of one
    region of the country are left out: an account's figures come from all of it.

    Raises ValueError for a country that is not known.
    """
    if country is None:
        return frozenset()
    return frozenset(
        day
        for year in range(first.year, last.year + 1)
        for day in _of_year(country, year)
        if first <= day <= last
    )


@cache
def _of_year(country: str, year: int) -> frozenset[date]:
    # a fifth of a second to import, so only where days are judged
    import holidays

    try:
        return frozenset(holidays.country_holidays(country, years=year))
    except NotImplementedError as e:
        raise ValueError(f"no public holidays are known of {country!r}") from e
