"""Tests of `ui/views/compare/judged.py`."""

import numpy as np
import pytest

import calibration
from tests.ui import fakes
from tests.ui.views.compare.examples import OOD, labels_of, probabilities, run_of
from trainers.runs import RunError
from ui.components.predictions import part
from ui.views.compare import judged


@pytest.mark.parametrize("scheme", ["width", "mass"])
def test_the_diagram_is_calibrations(root, scheme):
    run = run_of(root, "a")
    found = judged.diagram(run, 12, scheme)
    expected = calibration.reliability_diagram(
        probabilities(run), labels_of(run), 12, scheme
    )
    assert found.count.tolist() == expected.count.tolist()
    assert found.accuracy == pytest.approx(expected.accuracy)
    assert found.accuracy_low == pytest.approx(expected.accuracy_low)


def test_risk_and_its_areas_are_calibrations(root):
    run = run_of(root, "a")
    found = judged.selective(run)
    given = probabilities(run), labels_of(run)
    other = judged.selective(run, "entropy").measures["aurc"]
    by_entropy = calibration.area_under_risk_coverage(*given, part(run).total)
    assert float(other) == pytest.approx(float(by_entropy), abs=1e-9)
    curve = calibration.risk_coverage_curve(*given)
    area = calibration.area_under_risk_coverage(*given)
    assert float(found.measures["aurc"]) == pytest.approx(float(area), abs=1e-9)
    assert found.measures["aurc"].low == pytest.approx(area.low, abs=1e-9)
    assert found.risk[-1] == pytest.approx(curve.risk[-1])
    expected = np.interp(found.coverage, curve.coverage, curve.risk)
    assert found.risk == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("score", ["entropy", "mutual_information"])
def test_detection_is_calibrations(root, score):
    run = run_of(root, "a")
    found = judged.detection(run, OOD, score)
    inside, outside = part(run), part(run, f"ood_{OOD}")
    columns = {
        "entropy": (inside.total, outside.total),
        "mutual_information": (inside.mutual_information, outside.mutual_information),
    }[score]
    area = calibration.auroc(*columns)
    assert float(found.measures["auroc"]) == pytest.approx(float(area))
    assert found.measures["auroc"].low == pytest.approx(area.low)
    assert np.trapezoid(found.true_positives, found.false_positives) == pytest.approx(
        float(area), abs=0.01
    )
    assert found.true_positives[-1] == 1
    assert (np.diff(found.true_positives) >= 0).all()
    assert found.count == 100


def test_one_set_of_weights_has_no_mutual_information(root):
    run = run_of(root, "a", optimizer="adamw")
    with pytest.raises(RunError, match="no mutual information"):
        judged.detection(run, OOD, "mutual_information")
    assert judged.ood_sets(run) == [OOD]


def test_any_score_that_one_of_the_runs_has_is_offered(root):
    both = run_of(root, "a"), run_of(root, "b", optimizer="adamw")
    assert "mutual_information" not in judged.offered(both[1:], OOD)
    everything = fakes.write_run(root, "c", evaluated=True)
    names = list(judged.offered([*both, everything], OOD))
    assert names == list(judged.offered([everything], OOD))
    assert {"energy", "mahalanobis"} <= {*names}
    found = judged.detection(everything, OOD, "nearest_neighbours")
    assert 0 < float(found.measures["auroc"]) <= 1
    with pytest.raises(RunError, match="logits"):
        judged.detection(both[0], OOD, "energy")


def test_a_damaged_file_has_no_sets_and_is_told(root):
    run = run_of(root, "a")
    run.predictions.write_bytes(b"PK\x03\x04 and no more")
    assert judged.ood_sets(run) == []
    with pytest.raises(RunError):
        judged.diagram(run, 15, "width")
