"""Tests of `ui/components/against_figures.py`."""

import pytest

from tests.trainers.test_study_findings import a_line
from tests.trainers.test_study_picture import COLD, NLLS, with_level
from ui.components.against_figures import MOST, against_figure, key_of, told, values_of


def named(figure):
    return {trace.get("name"): trace for trace in figure["data"]}


def test_means_bands_and_levels_are_those_of_the_runs():
    lines = with_level()
    drawn = against_figure(lines, "temperature", "nll", COLD)
    found = named(drawn)
    means = [place.over_seeds("nll").mean for place in lines[0].places]
    assert (found["VOGN"]["x"], found["VOGN"]["y"]) == ([0.01, 0.1, 1.0], means)
    assert found["VOGN"]["text"][0].startswith("0.3100 ± ")
    assert found["VOGN"]["text"][0].endswith(", n = 3")
    assert found["AdamW"]["x"] == [0.01, 1.0]
    assert found["AdamW"]["y"] == pytest.approx([0.75, 0.75])
    assert found["best mean"]["x"] == [0.01]
    deviation = lines[0].places[0].over_seeds("nll").deviation
    band = next(trace for trace in drawn["data"] if trace.get("fill"))
    assert band["y"][0] == pytest.approx(means[0] + deviation)
    assert band["y"][-1] == pytest.approx(means[0] - deviation)


def test_the_axis_has_the_values_that_were_run_and_the_reference():
    layout = against_figure(with_level(), "temperature", "nll", COLD)["layout"]
    assert layout["xaxis"]["type"] == "log"
    assert layout["xaxis"]["ticktext"] == ["0.01", "0.1", "1"]
    assert layout["xaxis"]["title"]["text"] == "Temperature"
    (reference,) = layout["shapes"]
    assert reference["x0"] == reference["x1"] == 1.0
    other = against_figure([a_line({0.1: 1.0, 0.2: 2.0}, "lr")], "lr", "nll")
    assert "type" not in other["layout"]["xaxis"]
    assert not other["layout"]["shapes"]


def test_shares_are_read_in_per_cent():
    layout = against_figure(with_level(), "temperature", "accuracy", COLD)["layout"]
    assert (
        layout["yaxis"]["tickformat"].endswith("%")
        or "p" in (layout["yaxis"]["tickformat"])
    )


def test_numbers_at_the_mean_are_drawn_where_wanted():
    line = a_line(NLLS)
    assert "VOGN at the mean" not in named(against_figure([line], "temperature", "nll"))
    drawn = against_figure([line], "temperature", "nll", at_mean=True)
    expected = [place.over_seeds("nll", at_mean=True).mean for place in line.places]
    assert named(drawn)["VOGN at the mean"]["y"] == expected


def test_what_no_run_has_is_not_drawn():
    assert against_figure([a_line(NLLS)], "temperature", "ece")["data"] == []
    assert told([a_line(NLLS)], "temperature", "ece").endswith("Temperature: .")


def test_the_sentence_has_the_numbers_of_the_ends_and_the_best():
    assert told(with_level(), "temperature", "nll") == (
        "Negative log-likelihood against Temperature: VOGN from 0.3100 at 0.01 to "
        "0.5100 at 1, best at 0.01; AdamW 0.7500 throughout."
    )


def test_lines_beyond_the_last_colour_are_left_out():
    lines = [a_line(NLLS)] * (MOST + 2)
    assert len(key_of(lines)) == MOST
    assert values_of(lines) == [0.01, 0.1, 1.0]
    assert len({(mark.color, mark.dash, mark.symbol) for mark in key_of(lines)}) == MOST
    level = key_of(with_level())[1]
    assert (level.dash, level.symbol) == ("dash", "")
