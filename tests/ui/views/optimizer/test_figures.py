"""Tests of the figures of what was measured."""

import pytest

from tests.ui.views.optimizer.rows import write
from ui.views.optimizer.figures import cost_figure, steps_figure
from ui.views.optimizer.measured import large_batch, step_costs


@pytest.fixture
def results(tmp_path):
    return write(tmp_path / "results")


def test_costs_are_dots_with_their_middle_half(results):
    drawn = cost_figure(step_costs("vogn", results)[0])
    names = [trace["name"] for trace in drawn["data"]]
    assert names == ["VOGN", "VOGN, curvature_interval=10"]
    ours = drawn["data"][0]
    assert ours["x"] == [1.35, 1.2]
    assert ours["y"] == ["MLP, batch 128", "ResNet-20, batch 64"]
    assert ours["error_x"]["array"] == pytest.approx([0.2, 0.2])
    assert ours["error_x"]["arrayminus"] == pytest.approx([0.1, 0.1])
    assert drawn["layout"]["shapes"][0]["x0"] == 1
    low, high = drawn["layout"]["xaxis"]["range"]
    assert low == 0
    assert high > 1.55


def test_one_repeat_has_no_spread(results):
    ours = cost_figure(step_costs("sp_ngd", results)[0])["data"][0]
    assert ours["error_x"]["array"] == [0.0]


def test_steps_have_the_chosen_one_on_top_and_named_first(results):
    drawn = steps_figure(large_batch(0.88, results), "kfac")
    *others, ours = drawn["data"]
    assert ours["name"] == "K-FAC"
    assert ours["line"]["color"] == "@1"
    assert ours["legendrank"] < others[0]["legendrank"]
    assert ours["x"] == [256.0, 4096.0]
    assert ours["y"] == [118, 32]
    assert others[0]["y"] == [944, None]  # a gap where it was not reached
    assert others[0]["line"]["color"] != "@1"
    assert drawn["layout"]["xaxis"]["ticktext"] == ["256", "4,096"]
