"""ViM by the formulas of the paper, the recovery of the last layer, and its edges."""

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from calibration.ood import ViM, energy_score
from calibration.ood.vim import _dimension
from tests.calibration.ood.examples import blobs


def linear_layer(features, num_classes=4, seed=3):
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(features.shape[1], num_classes))
    bias = rng.normal(5, 1, num_classes)
    return weight, bias, features @ weight + bias


def by_the_paper(features, weight, bias, logits, probes, dimension):
    """The residual and alpha, with null space and origin from SVDs."""
    origin = -np.linalg.pinv(weight.T) @ bias
    directions = np.linalg.svd(features - origin)[2]
    null_space = directions[dimension:].T
    alpha = (
        logits.max(axis=1).mean()
        / np.linalg.norm((features - origin) @ null_space, axis=1).mean()
    )
    virtual = alpha * np.linalg.norm((probes - origin) @ null_space, axis=1)
    return alpha, virtual, probes @ weight + bias


@pytest.mark.parametrize("dimension", [1, 4, 6])
def test_scores_equal_the_formulas(dimension):
    features, _ = blobs(dimension=7)
    weight, bias, logits = linear_layer(features)
    probes = np.random.default_rng(4).normal(0, 5, (30, 7))
    detector = ViM(dimension).fit(features, logits=logits)
    alpha, virtual, probe_logits = by_the_paper(
        features, weight, bias, logits, probes, dimension
    )
    assert detector.alpha_ == pytest.approx(alpha)
    scores = detector.score(probes)
    np.testing.assert_allclose(scores, virtual - logsumexp(probe_logits, axis=1))
    # The paper's probability of the virtual class orders examples alike.
    virtual_class = softmax(np.column_stack([virtual, probe_logits]), axis=1)[:, 0]
    np.testing.assert_allclose(virtual_class, 1 / (1 + np.exp(-scores)))


def test_the_last_layer_is_recovered():
    features, _ = blobs(dimension=7)
    weight, bias, logits = linear_layer(features)
    detector = ViM().fit(features, logits=logits)
    np.testing.assert_allclose(detector.weight_, weight, atol=1e-9)
    np.testing.assert_allclose(detector.bias_, bias, atol=1e-9)
    assert detector.fit_residual_ < 1e-12
    np.testing.assert_allclose(detector.origin_ @ weight + bias, 0, atol=1e-9)
    assert detector.dimension_ == 3


def test_logits_can_be_given_where_too_few_examples_recover_them():
    features, _ = blobs(10, dimension=30)
    weight, bias, logits = linear_layer(features)
    probes = np.random.default_rng(4).normal(0, 5, (30, 30))
    detector = ViM(5).fit(features, logits=logits)
    given = detector.score(probes, logits=probes @ weight + bias)
    assert not np.allclose(given, detector.score(probes))
    np.testing.assert_allclose(
        detector.score(features, logits=logits), detector.score(features)
    )
    wrong = np.zeros((30, 3))
    with pytest.raises(ValueError, match=r"logits must be \[N, C\] = \(30, 4\), got"):
        detector.score(probes, logits=wrong)


def test_the_dimension_leaves_a_residual():
    features, _ = blobs(10, dimension=30)
    _, _, logits = linear_layer(features)
    detector = ViM(25).fit(features, logits=logits)
    # Ten examples, seen from the origin, span ten directions.
    assert detector.dimension_ == 9
    assert detector.alpha_ > 0


@pytest.mark.parametrize(
    ("num_features", "dimension"), [(10, 5), (767, 383), (768, 512), (2048, 1000)]
)
def test_the_dimension_of_the_paper(num_features, dimension):
    assert _dimension(None, num_features) == dimension


def test_features_that_never_vary_leave_the_energy():
    detector = ViM().fit(np.zeros((5, 3)), logits=np.full((5, 2), 2.0))
    assert detector.alpha_ == 0
    np.testing.assert_allclose(
        detector.score(np.ones((2, 3))), energy_score([[2.0] * 2] * 2)
    )


def test_features_of_another_layer_are_refused():
    features, _ = blobs()
    _, _, logits = linear_layer(np.tanh(features))
    with pytest.raises(ValueError, match="logits must be an affine function of"):
        ViM().fit(features, logits=logits)


def test_half_precision_is_good_enough():
    features, _ = blobs()
    _, _, logits = linear_layer(features)
    detector = ViM().fit(features.astype(np.float16), logits=logits.astype(np.float16))
    assert 0 < detector.fit_residual_ < 0.005


def test_other_wrong_arguments_are_refused():
    features, _ = blobs()
    _, _, logits = linear_layer(features)
    with pytest.raises(ValueError, match="one row for each of 200 examples, got 199"):
        ViM().fit(features, logits=logits[1:])
    with pytest.raises(ValueError, match="largest entries above 0 on average"):
        ViM().fit(features, logits=logits - 1000)
    with pytest.raises(ValueError, match="dimension must be an integer of at least 1"):
        ViM(0).fit(features, logits=logits)
