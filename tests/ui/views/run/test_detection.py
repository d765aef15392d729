"""Tests of `ui/views/run/detection.py`."""

import numpy as np
import pytest

from calibration import Estimate, auroc, fpr_at_recall, wilson_interval
from calibration.report.measuring.ood import ood_sets
from tests.ui import fakes
from trainers.report import run_predictions
from trainers.runs import read_json
from ui.components.scores import offered
from ui.views.run.detection import MAX_POINTS, detected

OUT = "photo-patches"


@pytest.fixture
def run(root):
    return fakes.write_run(root, "a", evaluated=True)


def test_every_score_of_the_report_is_offered_with_its_numbers(run):
    (given,) = run_predictions([run])
    ((section,), _, _) = ood_sets(given)
    titles = offered(run, OUT)
    assert titles.pop("vim") == "ViM"  # for which the logits here are of no use
    assert list(titles.items()) == [(row.name, row.title) for row in section.scores]
    assert len(titles) == 9
    for row in section.scores:
        found = detected(run, OUT, row.name).detection
        for name in ("auroc", "aupr_in", "aupr_out", "fpr95", "detection_error"):
            mine, reported = getattr(found, name), getattr(row, name)
            assert float(mine) == pytest.approx(float(reported), abs=1e-9)
            assert (mine.low, mine.high) == pytest.approx((reported.low, reported.high))


def test_entropy_is_that_of_the_evaluation(run):
    found = read_json(run.evaluation)["ood"][OUT]
    mine = detected(run, OUT, "entropy")
    assert float(mine.detection.auroc) == pytest.approx(found["auroc"], abs=1e-9)
    assert float(mine.detection.fpr95) == pytest.approx(found["fpr95"], abs=1e-9)


@pytest.mark.parametrize("score", ["entropy", "energy", "nearest_neighbours"])
def test_the_threshold_of_95_percent_gives_fpr95(run, score):
    found = detected(run, OUT, score)
    flagged = found.at(found.threshold_of_recall(0.95))
    assert flagged.num_caught == 475  # of 500
    assert float(flagged.alarms) == pytest.approx(float(found.detection.fpr95))


@pytest.mark.parametrize("recall", [0.005, 0.3, 0.55, 0.999, 1.0])
def test_other_recalls_are_the_library_s(run, recall):
    found = detected(run, OUT, "entropy")
    flagged = found.at(found.threshold_of_recall(recall))
    expected = fpr_at_recall(found.inside, found.outside, recall)
    assert float(flagged.alarms) == pytest.approx(float(expected))
    assert flagged.recall >= recall


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.5, 1.0])
def test_false_alarms_are_at_most_as_asked_and_the_most_of_those(run, share):
    found = detected(run, OUT, "entropy")
    flagged = found.at(found.threshold_of_alarms(share))
    assert flagged.num_alarms == int(share * 360)


def test_counts_of_a_threshold_by_hand(run):
    found = detected(run, OUT, "entropy")
    threshold = float(np.median(found.outside))
    flagged = found.at(threshold)
    caught, alarms = (
        (found.outside >= threshold).sum(),
        (found.inside >= threshold).sum(),
    )
    assert (flagged.num_caught, flagged.num_alarms) == (caught, alarms)
    assert float(flagged.precision) == pytest.approx(caught / (caught + alarms))
    low, high = wilson_interval(alarms, 360)
    assert isinstance(flagged.alarms, Estimate)
    assert (flagged.alarms.low, flagged.alarms.high) == pytest.approx((low, high))
    nothing = found.at(99.0)
    assert (nothing.num_caught, nothing.precision) == (0, None)


def test_curves_are_short_and_pass_the_point(run):
    found = detected(run, OUT, "entropy")
    curve = found.roc
    assert len(curve.threshold) <= MAX_POINTS <= 2000
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(float(auroc(found.inside, found.outside)), abs=1e-3)
    assert found.histogram.in_distribution.sum() == 360


def test_it_is_computed_once(run):
    assert detected(run, OUT, "entropy") is detected(run, OUT, "entropy")
