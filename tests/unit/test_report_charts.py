"""Charts: what is drawn, that gaps stay gaps, and that no name can break out."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import date, timedelta
from xml.etree import ElementTree

import numpy as np
import pytest

from flows.kpis import Late
from flows.report import charts
from flows.report.charts import ChartData
from flows.report.model import TargetView
from flows.settings import Goal
from flows.targets.evaluation import DaySums, Series
from tests.golden import sample
from tests.golden.sample import AS_OF, EVIL


def data_of(view: TargetView) -> ChartData:
    data = charts.chart_data(view, AS_OF, sample.sources())
    assert data is not None
    return data


def test_a_sum_adds_up_beside_its_even_pace() -> None:
    view = sample.organic_view()
    days = [DaySums(date(2026, 10, 1) + timedelta(days=i), 100.0, None) for i in range(50)]
    data = data_of(replace(view, series=Series.of_days("", "", days)))
    assert data.kind == "cumulative"
    by_day = {point.day: point.value for point in data.main}
    assert by_day[date(2026, 10, 1)] == 100.0
    assert by_day[date(2026, 11, 19)] == 5000.0
    assert data.paths[0][-1] == (date(2026, 12, 31), 60000.0)


def test_a_sum_between_two_amounts_has_two_paces() -> None:
    view = sample.organic_view()
    details: dict[str, str | int | float] = {"low": 46000.0, "high": 92000.0}
    goal = Goal(kind="between", between=(46000, 92000))
    between = replace(
        view,
        target=view.target.model_copy(update={"goal": goal}),
        total=replace(view.total, details=details),
    )
    low, high = data_of(between).paths
    assert low[0] == (date(2026, 10, 1), 500.0)  # 46,000 over 92 days
    assert high[-1] == (date(2026, 12, 31), 92000.0)
    assert charts.chart_svg(between, AS_OF, (), "nl") is not None


def test_the_pace_is_drawn_as_it_is_judged() -> None:
    # the first of 92 days weighs nine times as much as each of the other 91
    shape = np.ones(92)
    shape[0] = 9.0
    view = replace(sample.organic_view(), shape=shape)
    assert data_of(view).paths[0][0] == (date(2026, 10, 1), 5400.0)  # 9% of 60,000
    assert data_of(view).paths[0][-1] == (date(2026, 12, 31), 60000.0)
    # weights of other days are not for this line
    other = replace(view, shape=np.ones(31))
    assert data_of(other).paths == data_of(replace(view, shape=None)).paths


def test_a_line_never_bridges_missing_days() -> None:
    data = data_of(sample.cac_view())
    assert data.missing == ((date(2026, 10, 19), date(2026, 10, 25)),)
    line = data.context
    assert not [point for point in line if point.day in sample.LOST_DAYS]
    before = next(point for point in line if point.day == date(2026, 10, 18))
    after = next(point for point in line if point.day == date(2026, 10, 26))
    assert before.run != after.run


def test_days_that_are_left_out_are_drawn_as_provisional() -> None:
    data = data_of(sample.cac_view())  # nothing is known of how late: judged up to 13 November
    young = {point.day for point in data.main if point.is_young}
    assert young == {date(2026, 11, day) for day in range(14, 20)}
    assert not data.is_learned


def test_days_that_are_completed_are_drawn_as_provisional_while_they_are() -> None:
    """The sample's days are 97% in at an age of 13.1 days: 7 November is the first that is not."""
    data = data_of(sample.roas_view())
    young = {point.day for point in data.main if point.is_young}
    assert young == {date(2026, 11, day) for day in range(7, 20)}


def test_the_line_ends_where_the_table_says() -> None:
    learned, settled = sample.roas_view(), sample.cac_view()
    last = data_of(learned).main[-1]
    assert last.value == pytest.approx(learned.total.adjusted_value, rel=1e-4)
    last = [point for point in data_of(settled).main if not point.is_young][-1]
    assert last.value == pytest.approx(settled.total.adjusted_value, rel=1e-3)


def test_a_ratio_is_drawn_with_what_still_has_to_arrive() -> None:
    """Value 50 of cost 20, all in; value 20 of cost 20, half in: 50 ÷ 20, then 70 ÷ (20 + 10)."""
    days = [DaySums(date(2026, 11, 18), 50.0, 20.0), DaySums(date(2026, 11, 19), 20.0, 20.0)]
    view = sample.roas_view()
    series = replace(Series.of_days("", "", days, ("EUR",)), completeness=np.array([1.0, 0.5]))
    drawn = charts.arrived(series, view.total, view.kpi)
    assert drawn.denominator is not None
    assert drawn.denominator.tolist() == [20.0, 10.0]
    assert drawn.numerator.tolist() == [50.0, 20.0]
    late = replace(view.kpi, late=Late("denominator", "ga4__channel_day", "purchasers"))
    drawn = charts.arrived(series, view.total, late)
    assert drawn.numerator.tolist() == [50.0, 10.0]
    assert charts.arrived(series, replace(view.total, status="missed"), view.kpi) is series


def test_the_fan_opens_from_today_and_ends_at_the_projection() -> None:
    view = sample.roas_view()
    fan = data_of(view).fan
    total = view.total
    assert (fan[0].day, fan[-1].day) == (date(2026, 11, 19), date(2026, 12, 31))
    assert fan[0].low == fan[0].value == fan[0].high == pytest.approx(3.6416, rel=1e-4)
    ends = (fan[-1].low, fan[-1].value, fan[-1].high)
    assert ends == pytest.approx((total.projected_low, total.projected, total.projected_high))
    widths = [point.high - point.low for point in fan]
    assert widths == sorted(widths)


def test_a_ratio_so_far_moves_as_the_days_ahead_outweigh_those_behind() -> None:
    """50 days behind, 42 ahead; after 25 of them: (25 ÷ 75) ÷ (42 ÷ 92) = 0.7302 of the way."""
    fan = data_of(sample.roas_view()).fan
    start, end = fan[0].value, fan[-1].value
    assert (fan[25].value - start) / (end - start) == pytest.approx(0.7302, abs=1e-4)


def test_a_trailing_window_opens_as_a_level_that_wanders() -> None:
    """Half way, at 21 of 42 days: √½ of the range at the end, on half of the way."""
    fan = data_of(sample.ctr_view()).fan
    assert len(fan) == 43
    assert fan[21].value == pytest.approx((fan[0].value + fan[42].value) / 2)
    spread, widest = fan[21].high - fan[21].value, fan[42].high - fan[42].value
    assert spread / widest == pytest.approx(math.sqrt(0.5))


def test_there_is_no_fan_without_a_projection_or_a_deadline() -> None:
    view = sample.ctr_view()
    assert data_of(replace(view, total=replace(view.total, projected_low=None))).fan == ()
    assert data_of(replace(view, total=replace(view.total, projected=math.inf))).fan == ()
    assert data_of(sample.cost_view()).fan == ()


def test_the_projection_is_in_the_words_of_a_picture_too() -> None:
    view = sample.ctr_view()
    told = charts.describe(data_of(view), view, "en").replace("\xa0", " ")
    assert told.endswith("By 31 December 2026 it is expected at 5.1%, between 4.9% and 5.3%.")
    roles = [role for role, _ in charts.legend(data_of(view), view, "en")]
    assert "fan" in roles


def test_nothing_is_drawn_without_data() -> None:
    view = sample.no_data_view()
    assert charts.chart_data(view, AS_OF, ()) is None
    assert charts.chart_svg(view, AS_OF, (), "nl") is None
    assert charts.chart_png(view, AS_OF, (), "nl") is None


def test_the_picture_is_named_and_comes_out_the_same_twice() -> None:
    view = sample.ctr_view()
    one, two = (
        charts.chart_svg(view, AS_OF, sample.sources(), "nl", scope="ctr") for _ in range(2)
    )
    assert one == two
    assert one is not None
    root = ElementTree.fromstring(one)
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text == "Doorklikratio (CTR)"
    assert root.get("aria-labelledby") == "ctr-title ctr-desc"


def test_ids_are_unique_when_charts_share_a_page() -> None:
    view = sample.ctr_view()
    drawn = "".join(
        charts.chart_svg(view, AS_OF, (), "nl", scope=scope) or "" for scope in ("a", "b")
    )
    ids = re.findall(r'\bid="([^"]+)"', drawn)
    assert len(ids) == len(set(ids))
    for used in re.findall(r"url\(#([^)]+)\)", drawn):
        assert used in ids


def test_a_hostile_kpi_name_stays_text_in_the_picture() -> None:
    view = sample.ctr_view()
    hostile = replace(view, kpi=replace(view.kpi, label={"nl": EVIL, "en": EVIL}))
    drawn = charts.chart_svg(hostile, AS_OF, (), "nl") or ""
    assert "<script" not in drawn
    ElementTree.fromstring(drawn)


def test_axes_are_written_in_the_readers_notation() -> None:
    drawn = charts.chart_svg(sample.cac_view(), AS_OF, sample.sources(), "nl") or ""
    assert ">€\xa045<" in drawn
    assert "okt<" in drawn
    assert "4.0%" in (charts.chart_svg(sample.ctr_view(), AS_OF, (), "en") or "")


def test_the_picture_for_mail_is_a_png_twice_as_fine() -> None:
    picture = charts.chart_png(sample.ctr_view(), AS_OF, (), "en") or b""
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(picture[16:20]) == 2 * charts.png_width()


def test_a_single_day_of_data_can_be_drawn() -> None:
    view = sample.ctr_view()
    one_day = replace(
        view, series=Series.of_days("", "", [DaySums(date(2026, 11, 19), 30.0, 1000.0)])
    )
    assert charts.chart_svg(one_day, AS_OF, (), "nl") is not None


def test_a_range_far_wider_than_all_that_happened_does_not_press_the_line_flat() -> None:
    """CTR from 3% to the projection's 5.08%: a bound of 60% may add 1.5 times that, to 8.2%."""
    view = sample.ctr_view()
    wide = replace(view, total=replace(view.total, projected_low=-0.5, projected_high=0.6))
    drawn = charts.chart_svg(wide, AS_OF, (), "en") or ""
    labels = [float(told) for told in re.findall(r">(-?[\d.]+)%<", drawn)]
    assert 6 <= max(labels) <= 9
    assert min(labels) >= -1
