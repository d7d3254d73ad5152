"""The charts of a digest, drawn once for every channel that shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flows.alerts.digest import Digest
from flows.report import charts, digest_lines

# Mailboxes have little patience for attachments, and readers for a row of pictures.
MOST_CHARTS = 8


@dataclass(frozen=True)
class DigestChart:
    """The picture of one goal; ``alt`` tells it, ``legend`` is (role, words), see `charts`."""

    png: bytes
    alt: str
    legend: tuple[tuple[str, str], ...]


# by place in `digest_lines.ordered(digest.changed)`
DigestCharts = Mapping[int, DigestChart]


def draw_charts(digest: Digest) -> DigestCharts:
    """The charts of the first eight goals that are news; a segment has none."""
    drawn: dict[int, DigestChart] = {}
    for place, item in enumerate(digest_lines.ordered(digest.changed)):
        if len(drawn) == MOST_CHARTS:
            break
        view, language = item.view, digest.locale
        if item.evaluation.segment:
            continue
        data = charts.chart_data(view, digest.as_of, digest.sources)
        png = charts.chart_png(view, digest.as_of, digest.sources, language) if data else None
        if data is not None and png is not None:
            legend = tuple(charts.legend(data, view, language))
            drawn[place] = DigestChart(png, charts.describe(data, view, language), legend)
    return drawn
