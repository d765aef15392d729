"""Tests of `ui/views/run/maps.py`."""

import plotly.graph_objects as go
import pytest

from tests.ui.painting import painted
from ui.views.run.maps import decision_figure, map_alt, uncertainty_figure

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
    assert "from 0.100 to 0.690 nats" in map_alt("Entropy", AREA, "entropy")
