"""Tests of `ui/views/run/maps.py`."""

import plotly.graph_objects as go
import pytest

from tests.ui.painting import painted
from ui.views.run.maps import (
    ALEATORIC,
    decision_figure,
    heights,
    map_alt,
    uncertainty_figure,
)

AREA = {
    "x": [0.0, 1.0],
    "y": [0.0, 1.0],
    "probability": [[[0.9, 0.2], [0.8, 0.5]], [[0.1, 0.8], [0.2, 0.5]]],
    "entropy": [[0.1, 0.2], [0.3, 0.69]],
    "mutual_information": [[0.0, 0.0], [0.1, 0.2]],
    "points": {"inputs": [[0.1, 0.2], [0.9, 0.8]], "labels": [0, 1]},
}
NAMES = ["upper", "lower"]


def test_each_place_belongs_to_its_most_probable_class():
    first, second = decision_figure(AREA, NAMES)["data"][:2]
    assert first["z"] == [[0.9, None], [0.8, 0.5]]
    assert second["z"] == [[None, 0.8], [None, 0.5]]


def test_two_classes_have_one_boundary_at_equal_probability():
    drawn = decision_figure(AREA, NAMES)["data"]
    contours = [trace for trace in drawn if trace["type"] == "contour"]
    assert len(contours) == 1
    assert contours[0]["z"][1][1] == 0.0
    assert contours[0]["z"][0][0] == pytest.approx(0.8)


def test_three_classes_have_a_boundary_each():
    third = [[0.0, 0.0], [0.0, 0.0]]
    area = AREA | {"probability": [*AREA["probability"], third]}
    drawn = decision_figure(area, [*NAMES, "third"])["data"]
    assert sum(trace["type"] == "contour" for trace in drawn) == 3


def test_training_points_are_drawn_by_class():
    drawn = decision_figure(AREA, NAMES)["data"]
    points = {t["name"]: (t["x"], t["y"]) for t in drawn if t["type"] == "scatter"}
    assert points == {"upper": ([0.1], [0.2]), "lower": ([0.9], [0.8])}


@pytest.mark.parametrize("key", ["entropy", "mutual_information"])
def test_plotly_accepts_the_maps(key):
    built = uncertainty_figure(AREA, key, NAMES)
    assert built["data"][0]["z"] == AREA[key]
    go.Figure(painted(built))
    go.Figure(painted(decision_figure(AREA, NAMES)))


def test_the_alternative_text_tells_the_range():
    told = map_alt("Entropy", AREA, "entropy")
    assert told.endswith("from 0.100 to 0.690 nats, with the training points.")
    without = map_alt("Entropy", AREA, "entropy", points=False)
    assert without.endswith("from 0.100 to 0.690 nats.")


def test_the_aleatoric_part_is_what_the_samples_do_not_dispute():
    assert heights(AREA, ALEATORIC) == pytest.approx([
        pytest.approx([0.1, 0.2]),
        pytest.approx([0.2, 0.49]),
    ])
    rounded = AREA | {"mutual_information": [[0.11, 0.0], [0.0, 0.0]]}
    assert heights(rounded, ALEATORIC)[0][0] == 0.0
    built = uncertainty_figure(AREA, ALEATORIC, NAMES, largest=0.69)
    assert built["data"][0]["zmax"] == 0.69


def test_points_can_be_left_out():
    for built in (
        decision_figure(AREA, NAMES, points=False),
        uncertainty_figure(AREA, "entropy", NAMES, points=False),
    ):
        assert "scatter" not in {trace["type"] for trace in built["data"]}


def test_names_are_text():
    drawn = decision_figure(AREA, ["<b>upper</b>", "lower"])["data"]
    assert "&lt;b&gt;upper&lt;/b&gt;" in {trace.get("name") for trace in drawn}
    assert "<b>" not in str(drawn)
