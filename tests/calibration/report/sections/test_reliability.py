"""Tests of the reliability diagrams."""

import pytest

from calibration.report.chart import Bars, Line
from calibration.report.data import Bin
from calibration.report.document import Figures
from calibration.report.sections.reliability import (
    confidence_axis,
    reliability,
    start_of,
    told,
)
from tests.calibration.report.sections.test_context import context


def made_bin(lower, count, confidence, accuracy):
    return Bin(
        lower=lower,
        upper=lower + 0.1,
        count=count,
        confidence=confidence,
        accuracy=accuracy,
        accuracy_low=accuracy - 0.01,
        accuracy_high=accuracy + 0.01,
    )


BINS = [made_bin(0.5, 1, 0.55, 0.95), made_bin(0.8, 99, 0.85, 0.8)]


def figures(section):
    return [b.items for b in section.blocks if isinstance(b, Figures)]


def test_a_diagram_is_told_by_the_bin_that_matters_not_by_one_example():
    assert told("VOGN", BINS) == (
        "VOGN: 100 predictions in 2 bins, 99 % of them in bins whose confidence is "
        "above the interval of their accuracy. The bin that matters most holds 99 at "
        "85.0 % mean confidence and is 5.0 points overconfident."
    )
    assert told("VOGN", []) == "VOGN: no bin holds an example."


def test_a_gap_within_its_interval_may_be_chance():
    said = told("VOGN", [made_bin(0.8, 99, 0.805, 0.8)])
    assert "0 % of them in bins whose confidence is above" in said
    assert said.endswith("is 0.5 points overconfident, which may be chance.")


def test_the_axis_starts_where_the_bins_do():
    assert start_of([BINS, []]) == 0.5
    assert start_of([]) == 0
    axis = confidence_axis(0.5)
    assert (axis.low, axis.high) == pytest.approx((0.49, 1.01))


def test_a_diagram_has_gaps_intervals_and_counts():
    model = context(1).models[0]
    ((figure,), _) = figures(reliability(context(1)))
    upper, lower = figure.chart.panels
    _, gaps, line = upper.marks
    (counts,) = lower.marks
    bins = model.reliability.equal_width
    assert isinstance(gaps, Bars)
    assert isinstance(line, Line)
    assert gaps.bases[3] + gaps.heights[3] == pytest.approx(bins[3].accuracy)
    assert list(line.low) == [item.accuracy_low for item in bins]
    assert sum(counts.heights) == model.num_examples


def test_each_model_has_a_diagram_and_all_share_the_others():
    diagrams, others = figures(reliability(context(4)))
    assert [figure.title for figure in diagrams] == ["VOGN", "AdamW", "K-FAC", "IVON"]
    assert [figure.title for figure in others] == [
        "Bins of equally many examples",
        "Every class's probability",
    ]
    assert len(others[0].chart.panels[0].marks) == 5


def test_error_bars_are_drawn_where_they_can_be_told_apart():
    def bars(models):
        _, others = figures(reliability(context(models)))
        return bool(others[0].chart.panels[0].marks[-1].low)

    assert bars(3)
    assert not bars(4)
