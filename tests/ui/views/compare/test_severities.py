"""Tests of `ui/views/compare/severities.py`."""

import numpy as np
import pytest

import calibration
from tests.ui import fakes
from tests.ui.views.compare.examples import run_of
from trainers.runs import RunError
from ui.views.compare.severities import alike, kinds_of, shift


def changed(run, *left_out, **arrays):
    with np.load(run.shift) as file:
        content = {k: v for k, v in file.items() if not k.startswith(left_out or "-")}
    np.savez(run.shift, **(content | arrays))


@pytest.fixture
def run(root):
    run = run_of(root, "a", evaluated=False)
    fakes.write_shift(run, ("fog", "rotation", "snow"))
    return run


def test_shift_is_calibrations(run, root):
    with pytest.raises(RunError, match="not measured"):
        shift(run_of(root, "b", evaluated=False))
    found = shift(run)
    kinds = ("fog", "rotation", "snow")
    with np.load(run.shift) as arrays:
        shifted = {
            (kind, level): arrays[f"{kind}_{level}"]
            for kind in kinds
            for level in range(1, 6)
        }
        rows = calibration.shift_table(arrays["clean"], shifted, arrays["labels"])
    by_place = {(row.kind, row.severity): row for row in rows}
    assert found.table["fog"]["accuracy"][0] == float(by_place["clean", 0].accuracy)
    assert found.table["fog"]["nll"][3] == float(by_place["fog", 3].nll)
    assert found.table["rotation"]["ece"][5] == float(by_place["rotation", 5].ece)
    assert len(found) == 120
    expected = calibration.shift_summary(rows)  # which leaves rotation to itself
    means = found.mean(["fog", "snow"], "nll")
    assert [means[row.severity] for row in expected] == pytest.approx([
        row.nll.mean for row in expected
    ])


def test_a_mean_is_over_the_severities_that_all_kinds_have(run):
    changed(run, "snow_5")
    assert list(shift(run).mean(["fog", "snow"], "nll")) == [0, 1, 2, 3, 4]


def test_other_images_are_refused(run, root):
    other = run_of(root, "b", evaluated=False)
    fakes.write_shift(other, ("fog", "rotation", "snow"))
    reference = shift(run)
    assert len(alike(other, reference, ["fog"])) == 120
    changed(other, indices=np.arange(120) + 1)
    with pytest.raises(RunError, match="on other test images, 120 of them"):
        alike(other, reference)
    changed(other, indices=np.arange(120), labels=(reference.labels + 1) % 10)
    with pytest.raises(RunError, match="on other test images"):
        alike(other, reference)


def test_kinds_that_not_all_have_are_told(run, root):
    other = run_of(root, "b", evaluated=False)
    fakes.write_shift(other, ("fog", "rotation"))
    assert kinds_of([shift(run), shift(other)]) == (
        ["snow", "fog", "rotation"], ["fog", "rotation"],
    )  # fmt: skip
    with pytest.raises(RunError, match="snow was not measured"):
        alike(other, shift(run), ["snow"])
    changed(other, "fog", "rotation")
    with pytest.raises(RunError, match="no corrupted predictions"):
        shift(other)
