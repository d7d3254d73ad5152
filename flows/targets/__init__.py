"""Judging SMART targets: pure functions over plain values, no database and no clock."""

from flows.targets.judge import evaluate
from flows.targets.path import (
    cumulative_values,
    default_window_days,
    path_points,
    trailing_values,
)
from flows.targets.periods import period_of

__all__ = [
    "cumulative_values",
    "default_window_days",
    "evaluate",
    "path_points",
    "period_of",
    "trailing_values",
]
