"""Tests of `ui/views/run/severity.py`."""

import numpy as np
import plotly.graph_objects as go
import pytest

from calibration import shift_summary, shift_table
from tests.ui.painting import painted
from ui.views.run.severity import (
    MEASURED,
    kinds_figure,
    severity_alt,
    severity_figure,
)

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.integers(0, 3, 60)


def rows(*kinds, levels=range(1, 6)):
    made = lambda: GENERATOR.dirichlet(np.ones(3), 60)  # noqa: E731
    return shift_table(made(), {(k, n): made() for k in kinds for n in levels}, LABELS)


ROWS = rows("fog", "snow", "rotation")


@pytest.mark.parametrize("name", MEASURED)
def test_the_mean_and_band_are_the_summary_s_with_rotation_apart(name):
    built = severity_figure(ROWS, name)
    go.Figure(painted(built))
    drawn = {trace["name"]: trace for trace in built["data"]}
    spreads = [getattr(row, name) for row in shift_summary(ROWS)]
    assert drawn["Mean over kinds"]["y"] == [each.mean for each in spreads]
    assert drawn["Least to most"]["y"] == [each.largest for each in spreads]
    assert drawn["Least"]["y"] == [each.smallest for each in spreads]
    turned = [float(getattr(r, name)) for r in ROWS if r.kind in ("clean", "rotation")]
    assert drawn["Rotation"]["y"] == turned
    assert drawn["Rotation"]["x"] == [0, 1, 2, 3, 4, 5]
    assert not drawn["Fog"]["showlegend"]


def test_rotation_alone_is_the_mean():
    built = severity_figure(rows("rotation"), "accuracy")
    assert [t["name"] for t in built["data"]] == [
        "Least", "Least to most", "Mean over kinds",
    ]  # fmt: skip


def test_the_map_has_a_cell_for_each_kind_and_severity():
    found = rows("fog", levels=(1, 3)) + rows("snow", levels=(3,))[1:]
    built = kinds_figure(found, "ece")
    go.Figure(painted(built))
    (heat,) = built["data"]
    assert (heat["x"], heat["y"]) == ([1, 3], ["Snow", "Fog"])  # drawn upwards
    assert heat["z"][0][0] is None
    assert heat["text"][0][0] == ""
    assert heat["z"][1] == [float(row.ece) for row in found if row.kind == "fog"]
    assert "95 % interval" in heat["customdata"][1][0]


def test_deeper_is_worse():
    assert kinds_figure(ROWS, "accuracy")["data"][0]["reversescale"]
    assert not kinds_figure(ROWS, "ece")["data"][0]["reversescale"]


def test_the_alternative_text_tells_both_ends():
    last = shift_summary(ROWS)[-1].accuracy.mean
    told = severity_alt(ROWS, "accuracy")
    assert f"on average {100 * last:.1f} % at 5." in told
