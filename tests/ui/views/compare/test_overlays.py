"""Tests of `ui/views/compare/overlays.py`."""

import numpy as np
import pytest
from plotly.graph_objects import Figure

from calibration import reliability_diagram
from tests.ui import fakes
from tests.ui.painting import painted
from tests.ui.views.compare.examples import OOD, entries_of, run_of
from ui.views.compare import judged, overlays
from ui.views.compare.measured import gathered
from ui.views.compare.overlays import GAP, bins_of
from ui.views.compare.severities import shift


@pytest.fixture
def entries(two_families, root):
    single = run_of(root, "single", optimizer="sgd", sharp=2.5)
    return entries_of(*two_families["vogn"], single)


def found_of(entries, compute):
    return gathered(entries, compute)[0]


def test_the_bins_of_a_run_are_those_of_its_diagram(root):
    diagram = judged.diagram(run_of(root, "a"), 15, "width")
    bins = bins_of([diagram], "width")
    for name in ("confidence", "accuracy", "accuracy_low", "accuracy_high"):
        assert bins[name] == pytest.approx(getattr(diagram, name))
    assert bins["share"].sum() == pytest.approx(1)


@pytest.mark.parametrize("scheme", ["width", "mass"])
def test_the_bins_of_a_family_are_means_over_seeds(two_families, scheme):
    diagrams = [judged.diagram(run, 10, scheme) for run in two_families["vogn"]]
    bins = bins_of(diagrams, scheme)
    # The last bin is held by all.
    last = [each.accuracy[-1] for each in diagrams]
    assert bins["accuracy"][-1] == pytest.approx(np.mean(last))
    high = min(1.0, np.mean(last) + np.std(last, ddof=1))
    assert bins["accuracy_high"][-1] == pytest.approx(high)
    assert (bins["accuracy_low"] >= 0).all()


def test_bins_go_together_by_their_edges():
    rows = [np.array([[0.9, 0.1]]), np.array([[0.55, 0.45]])]
    diagrams = [reliability_diagram(each, [0], 10) for each in rows]
    bins = bins_of(diagrams, "width")
    assert bins["confidence"] == pytest.approx([0.55, 0.9])
    assert bins["accuracy_low"] == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("view", overlays.VIEWS)
def test_reliability_has_a_line_and_a_share_an_entry(entries, view):
    found = found_of(entries, lambda run: judged.diagram(run, 15, "width"))
    drawn = overlays.reliability(found, "width", view)
    ideal, accuracies, shares, *_ = drawn["data"]
    bins = bins_of(found[0][1], "width")
    expected = bins["accuracy"] - (bins["confidence"] if view == GAP else 0)
    assert accuracies["y"] == pytest.approx(expected)
    assert shares["y"] == pytest.approx(bins["share"])
    assert ideal["y"][0] == (0 if view == GAP else ideal["x"][0])
    assert len(drawn["data"]) == 5
    Figure(painted(drawn))
    assert overlays.reliability_alt(found).startswith("Reliability of 2 entries. ECE:")


def test_risk_falls_on_a_grid_that_all_share(entries):
    found = found_of(entries, judged.selective)
    band, mean, single = overlays.risk(found)["data"]
    risks = [each.risk for each in found[0][1]]
    assert mean["y"] == pytest.approx(np.mean(risks, axis=0))
    assert single["y"] == pytest.approx(found[1][1][0].risk)
    assert band["fill"] == "toself"
    assert "AURC): VOGN " in overlays.risk_alt(found)
    Figure(painted(overlays.risk(found)))


def test_roc_of_a_family_is_the_mean_of_its_curves(entries):
    found = found_of(entries, lambda run: judged.detection(run, OOD, "entropy"))
    chance, _, mean, _ = overlays.roc(found)["data"]
    rates = [each.true_positives for each in found[0][1]]
    assert mean["y"] == pytest.approx(np.mean(rates, axis=0))
    assert chance["x"] == [0, 1]
    assert "AUROC: VOGN " in overlays.roc_alt(found, "patches")
    Figure(painted(overlays.roc(found)))


def test_shift_is_drawn_by_severity(entries):
    for entry in entries:
        for view in entry.views:
            fakes.write_shift(view.run)
    found = found_of(entries, shift)
    for measure in ("accuracy", "nll", "ece"):
        drawn, told = overlays.shifted(found, ["fog"], measure)
        single = drawn["data"][-1]
        table = found[1][1][0].table["fog"][measure]
        assert single["x"] == [0, 1, 2, 3, 4, 5]
        assert single["y"] == pytest.approx([table[k] for k in range(6)])
        assert "VOGN" in told
        Figure(painted(drawn))
