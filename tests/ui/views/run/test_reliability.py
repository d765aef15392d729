"""Tests of `ui/views/run/reliability.py`."""

import numpy as np
import plotly.graph_objects as go
import pytest

from calibration.reliability import diagram
from tests.ui.painting import painted
from ui.views.run.reliability import reliability_alt, reliability_figure

GENERATOR = np.random.default_rng(0)
CONFIDENCE = GENERATOR.uniform(0.4, 1, 1200)
RIGHT = GENERATOR.uniform(size=1200) < CONFIDENCE**2
BINS = diagram(CONFIDENCE, RIGHT, 10)
SHARPER = diagram(CONFIDENCE**2, RIGHT, 10)
MASS = diagram(1 - (1 - CONFIDENCE) ** 4, RIGHT, 20, "mass")


def traces(*diagrams, **options):
    named = {f"run {k}": each for k, each in enumerate(diagrams)}
    return reliability_figure(named, **options)["data"]


def named(*diagrams, **options):
    return {trace["name"]: trace for trace in traces(*diagrams, **options)}


@pytest.mark.parametrize("diagrams", [[BINS], [BINS, SHARPER], [MASS], [MASS, BINS]])
@pytest.mark.parametrize("log", [False, True])
def test_plotly_accepts_the_diagram(diagrams, log):
    named = {f"run {k}": each for k, each in enumerate(diagrams)}
    shown = reliability_figure(named, log=log)
    drawn = go.Figure(painted(shown))
    assert drawn.layout.xaxis.anchor == "y2"  # one axis for both panels
    assert (drawn.layout.yaxis2.type == "log") == log


def test_accuracy_carries_its_interval():
    drawn = named(BINS)["Accuracy, 95 % interval"]
    assert drawn["x"] == BINS.confidence.tolist()
    y = np.array(drawn["y"])
    np.testing.assert_allclose(y + drawn["error_y"]["array"], BINS.accuracy_high)
    np.testing.assert_allclose(y - drawn["error_y"]["arrayminus"], BINS.accuracy_low)


def test_the_outcome_is_named():
    shown = reliability_figure({"a": BINS}, "Probability of owl", "Share that is owl")
    assert shown["layout"]["yaxis"]["title"]["text"] == "Share that is owl"
    drawn = next(each for each in shown["data"] if "error_y" in each)
    assert drawn["name"] == "Share that is owl, 95 % interval"
    assert "Accuracy" not in str(shown)


def test_counts_stand_below_with_their_numbers():
    drawn = named(BINS)["Examples"]
    assert (drawn["yaxis"], sum(drawn["y"])) == ("y2", 1200)
    assert drawn["text"] == [str(count) for count in BINS.count]


def test_numbers_that_would_run_into_each_other_are_left_to_the_pointer():
    drawn = named(MASS)["Examples"]
    assert set(drawn["text"]) == {""}
    assert all(f"{count} examples" in told for count, told
               in zip(MASS.count, drawn["hovertext"], strict=True))  # fmt: skip


def test_gaps_reach_from_confidence_to_accuracy():
    drawn = named(BINS)["Gap to confidence"]
    np.testing.assert_allclose(np.add(drawn["base"], drawn["y"]), BINS.accuracy)


def test_two_diagrams_stand_over_each_other_without_gaps():
    drawn = named(BINS, SHARPER)
    assert "Gap to confidence" not in drawn
    assert drawn["run 0"]["x"] == BINS.confidence.tolist()
    assert drawn["run 1"]["x"] == SHARPER.confidence.tolist()
    assert drawn["run 0"]["marker"]["color"] != drawn["run 1"]["marker"]["color"]


def test_points_say_which_diagram_and_bin_they_are():
    clickable = [t for t in traces(BINS, SHARPER) if "customdata" in t]
    assert len(clickable) == 4  # dots and bars of either
    for trace in clickable:
        assert [place[1] for place in trace["customdata"]] == list(
            range(len(trace["x"]))
        )
    assert [trace["customdata"][0][0] for trace in clickable] == [0, 1, 0, 1]


@pytest.mark.parametrize("bins", [BINS, MASS])
def test_the_axis_starts_near_the_first_examples(bins):
    layout = reliability_figure({"a": bins})["layout"]
    start = layout["xaxis"]["range"][0]
    assert 0 <= start <= bins.confidence[0]
    assert bins.confidence[0] - start < 0.2


def test_the_alternative_text_counts():
    told = reliability_alt({"before": BINS})
    assert f"before: 1,200 examples in {len(BINS.count)} bins" in told
    assert f"{100 * BINS.ece:.2f} % on average; 100 % of the examples" in told
