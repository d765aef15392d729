"""Tests of `ui/views/compare/lines.py`."""

import json

import numpy as np
import pytest
from plotly.graph_objects import Figure

from tests.ui.painting import painted
from tests.ui.views.compare.examples import entries_of, run_of
from ui.components import reading
from ui.components.axes import EPOCH, TIME, Axes
from ui.components.series import MAX_POINTS
from ui.views.compare import lines
from ui.views.compare.lines import KNOWN, available, panel, uneven
from ui.views.compare.logged import log_of


def logged(*runs, by_seeds=True):
    return [
        (entry, [log_of(reading.metrics(view.run)) for view in entry.views])
        for entry in entries_of(*runs, by_seeds=by_seeds)
    ]


def test_a_family_is_the_mean_of_its_runs(two_families):
    runs = two_families["vogn"]
    drawn = panel(KNOWN["validation_nll"], logged(*runs), Axes())
    band, line = drawn.figure["data"]
    values = np.array([
        [row["validation_nll"] for row in log.rows if "validation_nll" in row]
        for _, several in logged(*runs)
        for log in several
    ])  # fmt: skip
    assert line["y"] == pytest.approx(values.mean(0))
    low = values.mean(0) - values.std(0, ddof=1)
    assert band["y"][len(line["y"]) :] == pytest.approx(low[::-1])
    assert line["x"] == [100, 200, 300, 400, 500]
    assert f"VOGN {values.mean(0)[-1]:.3g} on average of 3" in drawn.alt
    Figure(painted(drawn.figure))


def test_runs_alone_are_lines_of_their_own(two_families):
    runs = two_families["vogn"]
    drawn = panel(KNOWN["train_loss"], logged(*runs, by_seeds=False), Axes())
    assert [trace["name"] for trace in drawn.figure["data"]] == [
        "VOGN, seed 0", "VOGN, seed 1", "VOGN, seed 2",
    ]  # fmt: skip
    assert len({trace["line"]["dash"] for trace in drawn.figure["data"]}) == 3


def test_the_runs_of_a_family_are_drawn_on_demand(two_families):
    given = logged(*two_families["vogn"])
    plainly = panel(KNOWN["train_loss"], given, Axes()).figure["data"]
    each = panel(KNOWN["train_loss"], given, Axes(), each_run=True).figure["data"]
    assert (len(plainly), len(each)) == (2, 5)


@pytest.mark.parametrize("kind", [EPOCH, TIME])
def test_other_axes(two_families, kind):
    axes = Axes(kind, log_x=True, log_y=True, longest=10)
    drawn = panel(KNOWN["validation_nll"], logged(*two_families["adamw"]), axes)
    line = drawn.figure["data"][-1]
    assert (line["x"][0], line["x"][-1]) == (
        pytest.approx((1, 5) if kind == EPOCH else (2, 10))
    )
    assert drawn.figure["layout"]["yaxis"]["type"] == "log"
    Figure(painted(drawn.figure))


def test_times_of_a_clock_are_written_as_the_axis_takes_them(two_families):
    given = logged(*two_families["vogn"])
    traces = panel(KNOWN["validation_nll"], given, Axes(TIME, longest=10)).figure[
        "data"
    ]
    assert traces[-1]["x"][0] == "1970-01-01 00:00:02.000"
    assert traces[-1]["x"][-1] == "1970-01-01 00:00:10.000"
    assert all(isinstance(x, str) for trace in traces for x in trace["x"])


def test_smoothing_leaves_what_is_logged_by_epoch(two_families):
    given = logged(two_families["vogn"][0])
    rough, smooth = (Axes(smoothing=share) for share in (0.0, 0.2))
    for key, changes in (
        ("train_loss", True),
        ("validation_nll", False),
        ("lr", False),
    ):
        one, other = (panel(KNOWN[key], given, axes) for axes in (rough, smooth))
        assert "newest values" in one.alt
        assert ("newest smoothed values" in other.alt) == changes
        assert (one.figure["data"][0]["y"] != other.figure["data"][0]["y"]) == changes


def test_what_nobody_logged_has_no_panel(root):
    given = logged(run_of(root, "a", optimizer="adamw", evaluated=False))
    assert panel(KNOWN["posterior_deviation"], given, Axes()) is None


def test_any_logged_number_is_a_metric(root):
    run = run_of(root, "a", optimizer="sp_ngd", evaluated=False)
    with run.metrics.open("a") as file:
        row = {"kind": "step", "step": 501, "my_<b>": 3, "words": "no", "on": True}
        file.write(json.dumps(row) + "\n")
    found = available([log_of(reading.metrics(run))])
    assert next(iter(found)) == "validation_nll"
    assert {"train_loss", "damping", "my_<b>"} <= set(found)
    assert not {"words", "on", "step", "seconds", "posterior"} & set(found)
    assert found["my_<b>"].kind == lines.STEPS
    assert available([log_of([])]) == {}


def test_no_trace_is_too_long_and_uneven_families_are_noticed(root):
    run = run_of(root, "a", evaluated=False)
    rows = [
        {"kind": "step", "step": k, "train_loss": float(k % 7)} for k in range(50_000)
    ]
    (entry,) = entries_of(run)
    drawn = panel(KNOWN["train_loss"], [(entry, [log_of(rows)])], Axes())
    assert len(drawn.figure["data"][0]["x"]) <= MAX_POINTS
    assert uneven([log_of(rows), log_of(rows[:9])])
    assert not uneven([log_of(rows)] * 2)
