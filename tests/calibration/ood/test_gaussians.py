"""Mahalanobis distances against scikit-learn and by loop, and shrinkage."""

import numpy as np
import pytest
from sklearn.covariance import EmpiricalCovariance, ledoit_wolf

from calibration.ood import Mahalanobis, RelativeMahalanobis, auroc
from tests.calibration.ood.examples import blobs


def by_scikit_learn(features, labels, probes):
    """The distance to the nearest class, and to all data, with no shrinkage."""
    means = np.stack([features[labels == c].mean(axis=0) for c in np.unique(labels)])
    inner = EmpiricalCovariance(assume_centered=True).fit(features - means[labels])
    nearest = np.min([inner.mahalanobis(probes - mean) for mean in means], axis=0)
    return nearest, EmpiricalCovariance().fit(features).mahalanobis(probes)


def test_distances_equal_scikit_learn():
    features, labels = blobs()
    probes = np.random.default_rng(5).normal(0, 9, (50, 5))
    nearest, background = by_scikit_learn(features, labels, probes)
    plain = Mahalanobis(shrinkage=0).fit(features, labels)
    np.testing.assert_allclose(plain.score(probes), nearest)
    relative = RelativeMahalanobis(shrinkage=0).fit(features, labels)
    np.testing.assert_allclose(relative.score(probes), nearest - background)
    np.testing.assert_allclose(relative.mean_, features.mean(axis=0))


def test_by_hand():
    # Within classes the variances are 1 and 4, without covariance.
    features = np.array([[1.0, 2], [-1, 2], [1, -2], [-1, -2]])
    features = np.concatenate([features, features + [100, 0]])
    detector = Mahalanobis(shrinkage=0).fit(features, np.repeat([0, 7], 4))
    assert detector.classes_.tolist() == [0, 7]
    np.testing.assert_allclose(detector.means_, [[0, 0], [100, 0]])
    np.testing.assert_allclose(detector.covariance_, np.diag([1, 4]))
    scores = detector.score(np.array([[0.0, 0], [3, 0], [100, 4], [102, 2]]))
    np.testing.assert_allclose(scores, [0, 9, 4, 5], atol=1e-9)


def test_shrinkage_is_that_of_ledoit_and_wolf():
    features, labels = blobs(30)
    detector = Mahalanobis().fit(features, labels)
    residuals = features - detector.means_[labels]
    covariance, share = ledoit_wolf(residuals, assume_centered=True)
    np.testing.assert_allclose(detector.covariance_, covariance)
    assert detector.shrinkage_ == pytest.approx(share)
    assert 0 < share < 1
    whole = detector.whitening_ @ detector.whitening_.T
    np.testing.assert_allclose(whole @ covariance, np.eye(5), atol=1e-9)


def test_full_shrinkage_leaves_the_euclidean_distance():
    features, labels = blobs()
    detector = Mahalanobis(shrinkage=1.0).fit(features, labels)
    gaps = features[:, None] - detector.means_
    nearest = (gaps**2).sum(axis=-1).min(axis=1)
    scores = detector.score(features)
    np.testing.assert_allclose(scores / scores[0], nearest / nearest[0])


def test_invariant_under_linear_maps_without_shrinkage():
    features, labels = blobs()
    mixing = np.random.default_rng(2).normal(size=(5, 5))
    mapped = features @ mixing + 3
    plain, moved = (
        Mahalanobis(0.0).fit(x, labels).score(x) for x in (features, mapped)
    )
    np.testing.assert_allclose(plain, moved)


def test_scores_of_training_data_average_the_number_of_features():
    """Exactly so for the distance to the own class, which is the nearest: trace(I)."""
    features, labels = blobs(apart=60)
    scores = Mahalanobis(0.0).fit(features, labels).score(features)
    assert scores.mean() == pytest.approx(5)


@pytest.mark.parametrize("kind", [Mahalanobis, RelativeMahalanobis])
def test_a_direction_never_seen_in_training_counts(kind):
    """Features of which the last is constant, and OOD examples that differ there only.

    A pseudo-inverse would give them the scores of their twins.
    """
    features, labels = blobs(100)
    features[:, -1] = 2.0
    out = features.copy()
    out[:, -1] = 2.5
    detector = kind(shrinkage=0.0).fit(features, labels)
    assert auroc(detector.score(features), detector.score(out)) == 1
    few = kind().fit(features[:4], labels[:4])
    assert np.all(few.score(out[:4]) != few.score(features[:4]))


def test_what_all_data_share_is_taken_off():
    """The same far shift of a feature that varies between examples, not classes.

    Both distances grow by the same, so that the relative one stays put.
    """
    rng = np.random.default_rng(0)
    labels = np.arange(4000) % 2
    features = rng.normal(size=(4000, 2))
    features[:, 1] += 10 * labels
    probe = np.array([[0.0, 0.0], [30.0, 0.0]])
    plain = Mahalanobis(0.0).fit(features, labels).score(probe)
    relative = RelativeMahalanobis(0.0).fit(features, labels).score(probe)
    assert plain[1] - plain[0] > 700
    assert abs(relative[1] - relative[0]) < 70


@pytest.mark.parametrize("shrinkage", [-0.1, 1.1, np.nan])
def test_a_wrong_shrinkage_is_refused(shrinkage):
    with pytest.raises(ValueError, match=r"shrinkage must be None or in 0\.\.1, got"):
        Mahalanobis(shrinkage).fit(*blobs())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1], "labels must have one entry for each of 3"),
        ([0.0, 1.0, 0.0], "labels must be integers"),
        ([0, -1, 0], "got -1 at"),
        ([[0, 1, 0]], r"labels must be class indices of shape \[N\]"),
        ([], "labels must have one entry for each of 3"),
    ],
)
def test_wrong_labels_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        Mahalanobis().fit(np.eye(3), labels)
