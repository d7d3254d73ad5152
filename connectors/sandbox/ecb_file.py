"""The European Central Bank's file of exchange rates, as it is on a day of the sandbox.

The days that the package has are the ECB's own. The sandbox's days go on after
them: those rates are **invented**, a seeded walk from the last real one, and
never leave the sandbox. Koers itself ships and makes up none of them.
"""

from __future__ import annotations

import csv
import io
import random
import zipfile
from datetime import date, timedelta
from functools import lru_cache

from connectors.ecb import EMBEDDED

# about what the larger currencies move in a day
DAILY_MOVE = 0.003


@lru_cache(maxsize=8)
def packed(as_of: date) -> bytes:
    """The zip as it is in the morning of a day: up to the business day before it."""
    with zipfile.ZipFile(EMBEDDED) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    heading, *known = list(csv.reader(io.StringIO(text)))
    lines = [line for line in known if date.fromisoformat(line[0]) < as_of]
    last = known[0]
    walk = random.Random(last[0])  # the same rates on every day that is asked for them
    day = date.fromisoformat(last[0]) + timedelta(days=1)
    while day < as_of:
        if day.weekday() < 5:
            last = [day.isoformat(), *(_moved(rate, walk) for rate in last[1:])]
            lines.insert(0, last)
        day += timedelta(days=1)
    told = io.StringIO()
    csv.writer(told, lineterminator="\n").writerows([heading, *lines])
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("eurofxref-hist.csv"), told.getvalue())
    return whole.getvalue()


def _moved(rate: str, walk: random.Random) -> str:
    """The rate of the next day; a currency without one goes on without."""
    if rate in ("", "N/A"):
        return rate
    return f"{float(rate) * (1 + walk.gauss(0, DAILY_MOVE)):.6g}"
