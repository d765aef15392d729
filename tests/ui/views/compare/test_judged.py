"""Tests of `ui/views/compare/judged.py`."""

import numpy as np
import pytest

import calibration
from tests.ui import fakes
from tests.ui.views.compare.examples import OOD, labels_of, probabilities, run_of
from trainers.runs import RunError
from ui.components.predictions import part
from ui.views.compare import judged
from ui.views.compare.judged import ALL_KINDS, DOUBT, ENTROPY, INFORMATION


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
    curve = calibration.risk_coverage_curve(*given)
    area = calibration.area_under_risk_coverage(*given)
    assert float(found.measures["aurc"]) == pytest.approx(float(area), abs=1e-9)
    assert found.measures["aurc"].low == pytest.approx(area.low, abs=1e-9)
    assert found.risk[-1] == pytest.approx(curve.risk[-1])
    expected = np.interp(found.coverage, curve.coverage, curve.risk)
    assert found.risk == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("score", [ENTROPY, INFORMATION, DOUBT])
def test_detection_is_calibrations(root, score):
    run = run_of(root, "a")
    found = judged.detection(run, OOD, score)
    inside, outside = part(run), part(run, f"ood_{OOD}")
    columns = {
        ENTROPY: (inside.total, outside.total),
        INFORMATION: (inside.mutual_information, outside.mutual_information),
        DOUBT: (1 - inside.confidence, 1 - outside.confidence),
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
        judged.detection(run, OOD, INFORMATION)
    assert judged.ood_sets(run) == [OOD]


def test_a_damaged_file_has_no_sets_and_is_told(root):
    run = run_of(root, "a")
    run.predictions.write_bytes(b"PK\x03\x04 and no more")
    assert judged.ood_sets(run) == []
    with pytest.raises(RunError):
        judged.diagram(run, 15, "width")


def test_shift_is_calibrations(root):
    run = run_of(root, "a")
    with pytest.raises(RunError, match="not measured"):
        judged.shift(run)
    fakes.write_shift(run)
    found = judged.shift(run)
    with np.load(run.shift) as arrays:
        shifted = {
            (kind, level): arrays[f"{kind}_{level}"]
            for kind in ("fog", "rotation")
            for level in range(1, 6)
        }
        rows = calibration.shift_table(arrays["clean"], shifted, arrays["labels"])
    by_place = {(row.kind, row.severity): row for row in rows}
    assert found["fog"]["accuracy"][0] == float(by_place["clean", 0].accuracy)
    assert found["fog"]["nll"][3] == float(by_place["fog", 3].nll)
    assert found["rotation"]["ece"][5] == float(by_place["rotation", 5].ece)
    # A mean over kinds leaves rotation to itself.
    assert found[ALL_KINDS]["nll"][3] == pytest.approx(found["fog"]["nll"][3])
