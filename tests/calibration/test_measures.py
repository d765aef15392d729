"""All measures at once are the single ones."""

import numpy as np
import pytest

from calibration import calibration_errors as errors
from calibration import metrics
from calibration.estimate import Estimate
from calibration.measures import HEADLINE, headline, mean_uncertainty, measure
from calibration.uncertainty import decompose
from tests.calibration.examples import random_labels, random_probabilities

SAMPLES, LABELS = random_probabilities(4, 200, 5), random_labels(200, 5)
FOUND = measure(SAMPLES, LABELS, num_bins=10)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accuracy", metrics.accuracy(SAMPLES, LABELS)),
        ("nll", metrics.negative_log_likelihood(SAMPLES, LABELS)),
        ("brier", metrics.brier_score(SAMPLES, LABELS)),
        ("ece", errors.expected_calibration_error(SAMPLES, LABELS, 10)),
        ("mce", errors.maximum_calibration_error(SAMPLES, LABELS, 10)),
        ("kernel_ce", errors.kernel_calibration_error(SAMPLES, LABELS)),
        ("overconfidence", errors.overconfidence(SAMPLES, LABELS)),
        ("mutual_information", decompose(SAMPLES).mutual_information.mean()),
    ],
)
def test_each_is_the_single_measure(name, value):
    assert FOUND[name] == pytest.approx(value, rel=1e-12)


def test_each_has_an_interval_around_it_and_all_examples():
    for estimate in FOUND.values():
        assert isinstance(estimate, Estimate)
        assert estimate.low <= estimate <= estimate.high
        assert estimate.count == 200
        assert np.isfinite([estimate.low, estimate.high]).all()


def test_the_headline_is_part_of_all():
    found = headline(SAMPLES, LABELS, 10)
    assert tuple(found) == HEADLINE
    for name, estimate in found.items():
        assert FOUND[name].as_dict() == estimate.as_dict()


def test_clusters_widen_the_intervals():
    """Five copies of each example are known to be copies only by their cluster."""
    copies, labels = SAMPLES.repeat(5, axis=1), LABELS.repeat(5)
    apart = measure(copies, labels)
    together = measure(copies, labels, groups=np.arange(200).repeat(5))
    for name, estimate in together.items():
        naive = apart[name]
        assert estimate == pytest.approx(naive, abs=1e-9)
        if name not in {"mce", "adaptive_ece", "debiased_ece"}:
            assert estimate.high - estimate.low > 1.2 * (naive.high - naive.low)


def test_a_single_model_has_no_epistemic_uncertainty():
    found = mean_uncertainty(SAMPLES[0])
    assert found["mutual_information"] == 0
    assert found["variation_ratio"] == 0
    assert found["predictive_entropy"] == found["expected_entropy"]
