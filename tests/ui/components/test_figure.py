"""Tests of `ui/components/figure.py`."""

import plotly.graph_objects as go

from tests.ui.painting import painted
from ui.components.figure import axis, figure, line


def test_a_figure_is_one_that_plotly_accepts():
    built = figure(
        [line("a", [0, 1], [1.0, None], "@1"), line("b", [0], [2.0], "@2/0.5")],
        x=axis("Step"),
        y=axis(),
    )
    shown = go.Figure(painted(built))  # refuses unknown properties
    assert shown.layout.showlegend
    assert shown.layout.xaxis.title.text == "Step"
    assert shown.data[0].y == (1.0, None)


def test_a_single_name_needs_no_legend():
    built = figure([line("a", [0], [1.0], "@1")], x=axis(), y=axis())
    assert not built["layout"]["showlegend"]


def test_dots_are_drawn_on_request():
    assert line("a", [0], [1.0], "@1", markers=True)["mode"] == "lines+markers"
    assert line("a", [0], [1.0], "@1")["mode"] == "lines"
