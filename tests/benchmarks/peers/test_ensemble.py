"""benchmarks/peers/ensemble.py."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.peers.ensemble import ensemble, member_seeds
from benchmarks.peers.training import product_method
from benchmarks.trials import Trial, scores
from calibration import negative_log_likelihood
from tests.benchmarks.examples import MOONS, moons


def test_no_two_ensembles_share_a_member():
    seeds = [seed for ensemble in range(3) for seed in member_seeds(ensemble)]
    assert seeds == list(range(15))


def test_the_probabilities_of_five_adamw_networks_are_averaged():
    problem, training = moons()
    predictions = ensemble(problem, training)
    (probabilities,) = predictions.probabilities
    members = [
        product_method(problem, replace(training, seed=seed), "adamw").probabilities[0]
        for seed in range(5, 10)
    ]
    np.testing.assert_array_equal(probabilities, members)
    labels = problem.data.test.labels
    row = scores(Trial(MOONS, "ensemble", 1), problem, predictions)
    expected = negative_log_likelihood(np.mean(members, axis=0), labels)
    assert row["nll"] == pytest.approx(expected)
    assert row["nll"] < np.mean([negative_log_likelihood(m, labels) for m in members])
    assert predictions.settings["members"] == 5
