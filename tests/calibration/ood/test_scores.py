"""Scores by hand and against scipy; their direction, edges and checks."""

import math

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from calibration import decompose, entropy
from calibration.ood import (
    SCORES,
    all_scores,
    energy_score,
    entropy_score,
    expected_entropy_score,
    max_logit_score,
    max_probability_score,
    mutual_information_score,
)
from tests.calibration.examples import random_probabilities

LOGIT_SCORES = [energy_score, max_logit_score]
FUNCTIONS = {
    "entropy": entropy_score,
    "max_probability": max_probability_score,
    "mutual_information": mutual_information_score,
    "expected_entropy": expected_entropy_score,
    "energy": energy_score,
    "max_logit": max_logit_score,
}


def random_logits(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 3, shape)


def test_max_probability_is_of_the_mean_over_samples():
    scores = max_probability_score([[[0.9, 0.1], [0.5, 0.5]], [[0.3, 0.7], [1.0, 0.0]]])
    assert scores == pytest.approx([0.4, 0.25])


@pytest.mark.parametrize("shape", [(30, 4), (5, 30, 4)])
def test_scores_of_probabilities_are_those_of_uncertainty(shape):
    probabilities = random_probabilities(*shape)
    parts = decompose(probabilities)
    for score, expected in [
        (entropy_score, parts.total),
        (expected_entropy_score, parts.expected),
        (mutual_information_score, parts.mutual_information),
    ]:
        np.testing.assert_array_equal(score(probabilities), expected)
    mean = probabilities if len(shape) == 2 else probabilities.mean(axis=0)
    np.testing.assert_allclose(entropy_score(probabilities), entropy(mean))


@pytest.mark.parametrize("temperature", [0.01, 1, 1.0, 7.5, 1e6])
def test_energy_equals_scipy(temperature):
    logits = random_logits(40, 6)
    expected = -temperature * logsumexp(logits / temperature, axis=1)
    np.testing.assert_allclose(energy_score(logits, temperature), expected)


def test_energy_by_hand():
    assert energy_score([[0.0, 0.0]]) == pytest.approx([-math.log(2)])
    assert energy_score([[1.0]]).tolist() == [-1.0]


@pytest.mark.parametrize("score", LOGIT_SCORES)
def test_samples_are_scored_one_by_one_and_averaged(score):
    samples = random_logits(4, 9, 3)
    expected = np.mean([score(sample) for sample in samples], axis=0)
    np.testing.assert_allclose(score(samples), expected)
    assert not np.allclose(score(samples), score(samples.mean(axis=0)))


def test_max_logit_by_hand_and_as_the_limit_of_the_energy():
    assert max_logit_score([[1.0, 3.0], [-2.0, -5.0]]).tolist() == [-3.0, 2.0]
    logits = random_logits(20, 5)
    np.testing.assert_allclose(energy_score(logits, 1e-9), max_logit_score(logits))


def test_a_shift_of_the_logits_moves_energies_though_not_probabilities():
    logits = random_logits(10, 4)
    np.testing.assert_allclose(energy_score(logits + 5), energy_score(logits) - 5)
    np.testing.assert_allclose(softmax(logits + 5, axis=1), softmax(logits, axis=1))


@pytest.mark.parametrize("temperature", [1.0, 1e-300])
def test_extreme_logits_overflow_nothing(temperature):
    logits = np.array([[1e308, -1e308], [-1e308, -1e308], [800.0, -800.0]])
    energies = energy_score(logits, temperature)
    assert energies == pytest.approx([-1e308, 1e308, -800.0])


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_logits_of_low_precision_are_scored_in_double(dtype):
    logits = random_logits(50, 4).astype(dtype)
    for score in LOGIT_SCORES:
        assert score(logits).dtype == np.float64
        np.testing.assert_array_equal(score(logits), score(logits.astype(np.float64)))


@pytest.mark.parametrize("name", SCORES)
def test_every_score_is_larger_for_the_less_certain_example(name):
    """Three samples agree on a class, are all unsure, or each sure of another class."""
    certain, unsure = [9.0, 0.0, 0.0], [0.1, 0.0, 0.0]
    logits = np.array([[certain, unsure, np.roll(certain, s)] for s in range(3)])
    argument = logits if SCORES[name].needs == "logits" else softmax(logits, axis=-1)
    agreed, open_to_all, disputed = FUNCTIONS[name](argument)
    if name == "mutual_information":
        assert agreed < 1e-12
        assert open_to_all < 1e-12
        assert disputed > 1
    else:
        assert open_to_all > agreed + 0.6


def test_the_catalogue_tells_what_each_score_needs():
    assert {score.needs for score in SCORES.values()} == {
        "probabilities",
        "samples",
        "logits",
    }
    titles = [score.title for score in SCORES.values()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("score", LOGIT_SCORES)
@pytest.mark.parametrize(
    ("logits", "message"),
    [
        ([0.0, 1.0], r"logits must be non-empty, \[N, C\] or .* got shape \(2,\)"),
        (np.zeros((0, 3)), r"logits must be non-empty.* got shape \(0, 3\)"),
        ([[1, 2]], "logits must be floating point, got dtype int64"),
        ([[0.0, np.nan]], r"logits must be finite, got nan at logits\[0, 1\]"),
        ([[[0.0], [-np.inf]]], r"must be finite, got -inf at logits\[0, 1, 0\].*log-p"),
    ],
)
def test_wrong_logits_are_refused(score, logits, message):
    with pytest.raises(ValueError, match=message):
        score(logits)


@pytest.mark.parametrize("temperature", [0, -1.0, np.inf, np.nan])
def test_a_wrong_temperature_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature must be above 0 and finite, got"):
        energy_score([[0.0, 1.0]], temperature)


def test_scores_of_probabilities_refuse_logits():
    for score in (max_probability_score, entropy_score, mutual_information_score):
        with pytest.raises(ValueError, match="Were logits passed by mistake"):
            score([[3.0, -1.0]])


def test_all_scores_are_those_of_the_catalogue():
    samples = random_probabilities(4, 20, 3)
    logits = np.log(samples)
    scores = all_scores(samples, logits)
    assert list(scores) == list(SCORES)
    for name, function in FUNCTIONS.items():
        argument = logits if SCORES[name].needs == "logits" else samples
        np.testing.assert_array_equal(scores[name], function(argument))


@pytest.mark.parametrize("leading", [(), (1,)])
def test_a_single_model_has_no_scores_of_samples(leading):
    probabilities = random_probabilities(*leading, 20, 3)
    assert list(all_scores(probabilities)) == ["entropy", "max_probability"]
    with_logits = all_scores(probabilities, np.log(probabilities[..., :, :]))
    assert list(with_logits) == ["entropy", "max_probability", "energy", "max_logit"]


def test_logits_of_one_model_go_with_samples_but_other_shapes_do_not():
    samples = random_probabilities(4, 20, 3)
    assert len(all_scores(samples, np.log(samples[0]))) == len(SCORES)
    with pytest.raises(ValueError, match=r"logits must have N, C = \(20, 3\)"):
        all_scores(samples, np.zeros((20, 4)))
