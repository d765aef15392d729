"""Tests of `trainers/study_picture.py`."""

import pytest

from calibration.report.chart import Band
from calibration.report.chart import Line as Stroke
from tests.trainers.test_against import config
from tests.trainers.test_study_findings import a_line
from trainers.against import Measured, lines
from trainers.studies import STUDIES
from trainers.study_picture import chart_of, document, is_log, numbers

COLD = STUDIES["cold_posterior"]
NLLS = {0.01: 0.3, 0.1: 0.35, 1.0: 0.5}


def with_level():
    adamw = [
        Measured(config(optimizer="adamw", seed=seed), {"nll": 0.7 + 0.1 * seed})
        for seed in (0, 1)
    ]
    return [a_line(NLLS), *lines(adamw, "temperature")]


def strokes(chart, place=0):
    return {m.name: m for m in chart.panels[place].marks if isinstance(m, Stroke)}


def test_the_panels_are_nll_ece_and_accuracy_on_one_axis():
    chart = chart_of(with_level(), "temperature", COLD)
    assert [panel.y.title for panel in chart.panels] == ["NLL", "ECE", "Accuracy"]
    assert [panel.y.percent for panel in chart.panels] == [False, True, True]
    assert chart.x.log
    assert chart.x.ticks == {0.01: "0.01", 0.1: "0.1", 1.0: "1"}


def test_lines_bands_levels_and_marks_are_those_of_the_runs():
    lines_ = with_level()
    chart = chart_of(lines_, "temperature", COLD)
    found = strokes(chart)
    means = [place.over_seeds("nll").mean for place in lines_[0].places]
    assert [*found["VOGN"].x] == [0.01, 0.1, 1.0]
    assert [*found["VOGN"].y] == means
    at_mean = [place.over_seeds("nll", at_mean=True).mean for place in lines_[0].places]
    assert [*found["VOGN, at the posterior mean"].y] == at_mean
    assert [*found["AdamW"].x] == [0.01, 1.0]
    assert [*found["AdamW"].y] == pytest.approx([0.75, 0.75])
    assert ([*found["best mean"].x], [*found["best mean"].y]) == ([0.01], [means[0]])
    assert [*found["Bayes: 1"].x] == [1.0, 1.0]
    own, other = (m for m in chart.panels[0].marks if isinstance(m, Band))
    deviation = lines_[0].places[0].over_seeds("nll").deviation
    assert own.high[0] == pytest.approx(means[0] + deviation)
    assert own.low[0] == pytest.approx(means[0] - deviation)
    assert [*other.x] == [0.01, 1.0]


def test_single_seeds_have_no_band_and_other_settings_no_reference():
    line = a_line({0.1: 0.4, 0.2: 0.3}, axis="lr", seeds=1)
    chart = chart_of([line], "lr", None)
    assert not any(isinstance(m, Band) for m in chart.panels[0].marks)
    assert set(strokes(chart)) == {"VOGN", "VOGN, at the posterior mean", "best mean"}
    assert not chart.x.log


def test_an_axis_is_logarithmic_where_values_are_far_apart_and_none_is_zero():
    assert is_log([0.1, 1.0])
    assert not is_log([0.0, 1.0])
    assert not is_log([1.0, 9.0])


def test_the_page_says_what_was_asked_and_what_came_of_it():
    page = document("Title", "24 runs", with_level(), "temperature", COLD)
    verdict, picture, table = page.sections
    assert verdict.blocks[0].items[0].startswith("NLL: the best of 2 colder, 0.01")
    assert picture.blocks[0].items[0].alt.startswith("NLL: the best of 2 colder")
    assert page.facts[0].text == COLD.summary
    assert table.blocks[0].rows
    assert document("T", "", [a_line(NLLS)], "temperature", None).facts == []


def test_the_table_marks_the_best_mean_of_a_line():
    content = numbers(with_level(), "temperature")
    assert [column.text for column in content.columns][:3] == [
        "Line", "temperature", "Seeds",
    ]  # fmt: skip
    first, *_, last = content.rows
    assert [cell.text for cell in first][:3] == ["VOGN", "0.01", "3"]
    assert first[3].strong
    assert first[3].text.startswith("0.3100 ± ")
    assert not any(row[3].strong for row in content.rows[1:])
    assert [cell.text for cell in last] == [
        "AdamW", "-", "2", "0.7500 ± 0.0707", "-", "-",
    ]  # fmt: skip
