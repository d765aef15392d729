"""Tests of the picture."""

import pytest

from calibration.report.colors import LIGHT
from tests.trainers.tuning.examples import asked
from tests.trainers.tuning.test_charts import PLAYED, SOME
from tests.trainers.tuning.test_outcome import WHOLE
from trainers.tuning.charts import BEST
from trainers.tuning.outcome import Played
from trainers.tuning.picture import draw, write_picture

ASKED = asked("sgd", epochs=9, factor=3)


@pytest.fixture(scope="module")
def figure():
    drawn = draw(ASKED, [WHOLE[0], PLAYED, Played(PLAYED.stage, [])])
    drawn.canvas.draw()
    return drawn


def test_a_row_a_stage_with_its_charts_side_by_side(figure):
    assert len(figure.axes) == 2 + 3
    rows = sorted({round(axes.get_position().y0, 3) for axes in figure.axes})
    assert len(rows) == 2
    for axes in figure.axes:
        place = axes.get_position()
        assert 0 < place.x0 < place.x1 < 1
        assert 0 < place.y0 < place.y1 < 1


def test_every_trial_is_in_every_chart(figure):
    for axes in figure.axes[3:]:
        drawn = [line for line in axes.lines if line.get_marker() not in ("", "None")]
        drawn = [line for line in drawn if len(line.get_xdata())]  # legends have none
        assert sum(len(line.get_xdata()) for line in drawn) == len(SOME)
        stars = [line for line in drawn if line.get_color() == LIGHT[BEST[0]]]
        assert [line.get_markersize() for line in stars] == [8]


def test_axes_are_logarithmic_and_hold_the_points(figure):
    curves, rate, momentum = figure.axes[2:]
    assert {axes.get_yscale() for axes in figure.axes} == {"log"}
    assert rate.get_xscale() == curves.get_xscale() == "log"
    assert momentum.get_xscale() == "linear"
    for axes in figure.axes:
        low, high = axes.get_ylim()
        heights = [y for line in axes.lines for y in line.get_ydata()]
        assert low < min(heights) <= max(heights) < high
        assert high / low < 10 * max(heights) / min(heights)
        assert len(axes.get_yticks()) >= 2


def test_the_legend_has_points_before_lines(figure):
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels[:3] == ["9 epochs", "3 epochs", "1 epoch"]
    assert set(labels[-2:]) == {"halving", "best of AdamW"}


def test_the_file_is_a_picture(tmp_path):
    write_picture(tmp_path / "tried.png", ASKED, [PLAYED])
    assert (tmp_path / "tried.png").read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.iterdir())) == 1
