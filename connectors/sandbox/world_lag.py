"""How long after its click a conversion came, in the buckets that Google Ads tells."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np

from connectors.sandbox.world_days import Floats, Ints

# what the rows of the facts are split by, beside day, campaign, device and network
Split = Literal["", "action", "lag"]

_ENDS = """
    ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE TEN ELEVEN TWELVE THIRTEEN FOURTEEN TWENTY_ONE
    THIRTY FORTY_FIVE SIXTY NINETY
"""
# a bucket begins where the one before it ends
BUCKETS = (
    "LESS_THAN_ONE_DAY",
    *(f"{first}_TO_{last}_DAYS" for first, last in pairwise(_ENDS.split())),
)
_STARTS = np.array([*range(15), 21, 30, 45, 60], np.float64)
# Spreads the digits of an hour, so that the click's hour is another number, always the same.
_SPREAD = 9973.0


def lag_buckets(delay: Ints, hour: Floats) -> Ints:
    """The position in `BUCKETS` of conversions some days after the day of the click.

    ``hour`` is that of the conversion, as a fraction of its day. The click was at
    any moment of its own day; before the conversion, where that is the same day.
    """
    clicked = (hour * _SPREAD) % 1.0
    lag = np.where(delay == 0, hour * clicked, delay + hour - clicked)
    return np.searchsorted(_STARTS, lag, side="right") - 1
