"""Tests of `ui/views/run/layers.py`."""

import plotly.graph_objects as go
import pytest

from tests.ui import fakes
from tests.ui.painting import painted
from ui.components.series import MAX_POINTS
from ui.views.run.layer_measures import MEASURES
from ui.views.run.layers import NUM_COLORS, by_layer, over_time, thinned_epochs

DEVIATION, SIGNAL, EFFECTIVE, KL = MEASURES
LAYERS = fakes.layers()


def layer(name, **values):
    return {"name": name, "num_parameters": 10, "deviation": 0.5} | values


def epochs_of(num_epochs, num_layers=2):
    layers = [layer(f"l{k}", deviation=0.1 * (k + 1)) for k in range(num_layers)]
    return [(float(epoch), layers) for epoch in range(1, num_epochs + 1)]


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.key)
def test_every_picture_is_one_that_plotly_accepts(measure):
    go.Figure(painted(by_layer(LAYERS, measure)[0]))
    for epochs in (epochs_of(3), epochs_of(3, 12), [(1.0, LAYERS)]):
        go.Figure(painted(over_time(epochs, measure)[0]))


def test_bars_stand_in_the_order_of_the_model_with_their_values():
    figure, alt = by_layer(LAYERS, DEVIATION)
    (trace,) = figure["data"]
    assert trace["type"] == "bar"
    assert trace["x"] == [0.02, 0.04]
    assert trace["y"] == ["layer 0", "&lt;b&gt;2&lt;/b&gt;"]
    assert figure["layout"]["yaxis"]["autorange"] == "reversed"
    assert "smallest 0.02 in layer 0, largest 0.04 in <b>2</b>" in alt


def test_shares_are_told_as_percentages():
    assert "20.0 %" in by_layer(LAYERS, EFFECTIVE)[1]


def test_far_apart_values_are_dots_on_a_log_axis():
    figure, _ = by_layer([layer("a", deviation=1e-4), layer("b")], DEVIATION)
    assert figure["data"][0]["type"] == "scatter"
    assert figure["layout"]["xaxis"]["type"] == "log"
    zero, _ = by_layer([layer("a", deviation=0.0), layer("b")], DEVIATION)
    assert zero["data"][0]["type"] == "bar"


def test_a_share_never_needs_a_log_axis():
    layers = [
        layer("a", effective_parameters=0.001),
        layer("b", effective_parameters=9),
    ]
    assert by_layer(layers, EFFECTIVE)[0]["data"][0]["type"] == "bar"


def test_what_no_layer_knows_is_said():
    layers = [layer("a", kl=None), layer("b", kl=None)]
    assert "not known" in by_layer(layers, KL)[1]


def test_equal_and_long_names_stay_apart():
    names = ["a", "a", "a", "x" * 90 + ".weight", "<i>", "'%{x}\""]
    (trace,) = by_layer([layer(name) for name in names], DEVIATION)[0]["data"]
    assert len(set(trace["y"])) == 6
    assert trace["y"][3].endswith(".weight")
    assert len(trace["y"][3]) < 40
    assert trace["y"][4:] == ["&lt;i&gt;", "'% {x}\""]  # Plotly knows no &quot;
    unnamed, alt = by_layer([layer("")], DEVIATION)
    assert unnamed["data"][0]["y"] == ["the model itself"]
    assert "the model itself" in alt


def test_few_layers_are_lines_over_epochs_and_many_are_a_map():
    lines, alt = over_time(epochs_of(3, NUM_COLORS), DEVIATION)
    assert len(lines["data"]) == NUM_COLORS
    assert lines["data"][0]["x"] == [1.0, 2.0, 3.0]
    assert alt.startswith("Deviation of 8 layers over 3 epochs; now smallest 0.1 in l0")
    (shown,) = over_time(epochs_of(3, NUM_COLORS + 1), DEVIATION)[0]["data"]
    assert shown["type"] == "heatmap"
    assert (len(shown["z"]), len(shown["z"][0])) == (NUM_COLORS + 1, 3)
    assert shown["customdata"][1][0] == "0.2"


def test_a_map_of_far_apart_values_shows_their_exponents():
    layers = [layer(f"l{k}", deviation=10.0**-k) for k in range(NUM_COLORS + 1)]
    (shown,) = over_time([(1.0, layers)], DEVIATION)[0]["data"]
    assert shown["z"][3] == [pytest.approx(-3.0)]
    assert shown["colorbar"]["tickprefix"] == "10<sup>"


def test_a_layer_that_came_later_or_went_leaves_a_gap():
    epochs = [(1.0, [layer("a")]), (2.0, [layer("b"), layer("a", deviation=None)])]
    figure, _ = over_time(epochs, DEVIATION)
    assert [trace["y"] for trace in figure["data"]] == [[None, 0.5], [0.5, None]]


@pytest.mark.parametrize("num_layers", [2, 9, 300, 5000])
def test_long_trainings_are_thinned_to_what_a_chart_holds(num_layers):
    kept = thinned_epochs(epochs_of(3000, num_layers))
    assert kept[-1][0] == 3000.0
    assert len(kept) >= 2
    cells = len(kept) * (num_layers if num_layers > NUM_COLORS else 1)
    assert cells <= max(MAX_POINTS, 2 * num_layers)
    assert thinned_epochs(epochs_of(3)) == epochs_of(3)
    assert thinned_epochs([]) == []
