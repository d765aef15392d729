"""What all detectors on features promise: scikit-learn's contract, checks, edges."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from calibration.ood import DETECTORS, ViM, _detector, auroc
from tests.calibration.ood.examples import blobs

NAMES = sorted(DETECTORS)


def fitted(name, features, labels=None, num_classes=3):
    """A detector, fitted with logits that are large and affine where it needs them."""
    detector = DETECTORS[name].detector()
    assert DETECTORS[name].needs_logits == isinstance(detector, ViM)
    if not DETECTORS[name].needs_logits:
        return detector.fit(features, labels)
    weight = np.random.default_rng(9).normal(size=(features.shape[1], num_classes))
    logits = features @ weight
    return detector.fit(features, logits=logits + 1 - min(logits.min(), 0))


@pytest.mark.parametrize("name", NAMES)
def test_far_examples_are_told(name):
    features, labels = blobs()
    inside, _ = blobs(seed=0, num_examples=203)
    outside = -3 * inside + np.random.default_rng(1).normal(0, 20, inside.shape)
    detector = fitted(name, features, labels)
    scores = detector.score(inside[200:]), detector.score(outside)
    assert scores[1].shape == (203,)
    assert auroc(*scores) > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_the_contract_of_scikit_learn(name):
    kind = DETECTORS[name].detector
    detector = clone(kind())
    assert detector.get_params() == kind().get_params()
    with pytest.raises(NotFittedError):
        detector.score(np.zeros((2, 5)))
    features, labels = blobs()
    learned = fitted(name, features, labels)
    assert learned.n_features_in_ == 5
    assert isinstance(learned, kind)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_data_give_the_same_scores(name):
    features, labels = blobs()
    first, second = (fitted(name, features, labels).score(features) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", NAMES)
def test_blocks_do_not_change_the_scores(name, monkeypatch):
    features, labels = blobs()
    detector = fitted(name, features, labels)
    whole = detector.score(features)
    monkeypatch.setattr(_detector, "BLOCK", 7)
    np.testing.assert_allclose(detector.score(features), whole, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_scores_follow_the_rows(name):
    features, labels = blobs()
    detector = fitted(name, features, labels)
    np.testing.assert_allclose(
        detector.score(features[::-1]), detector.score(features)[::-1], atol=1e-7
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "case",
    [
        "fewer examples than features",
        "one example",
        "one of each class",
        "constant features",
        "all constant",
        "all zero",
        "one feature",
        "float32",
    ],
)
def test_poor_data_still_give_finite_scores(name, case):
    features, labels = blobs(60, 5)
    probes = np.random.default_rng(3).normal(0, 9, (40, 5))
    if case == "fewer examples than features":
        features, labels = blobs(8, 30)
        probes = np.random.default_rng(3).normal(0, 9, (40, 30))
    elif case == "one example":
        features, labels = features[:1], labels[:1]
    elif case == "one of each class":
        features, labels = features[:3], labels[:3]
    elif case == "constant features":
        features[:, :2] = 0.1
    elif case == "all constant":
        features[:] = 0.1
    elif case == "all zero":
        features[:] = 0
    elif case == "one feature":
        features, probes = features[:, :1], probes[:, :1]
    elif case == "float32":
        features, probes = features.astype(np.float32), probes.astype(np.float32)
    scores = fitted(name, features, labels).score(probes)
    assert scores.dtype == np.float64
    assert np.all(np.isfinite(scores))
    assert np.abs(scores).max() < 1e13


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([1.0, 2.0], r"features must be non-empty, \[N, D\], got shape \(2,\)"),
        (np.zeros((0, 5)), r"features must be non-empty, \[N, D\], got shape \(0, 5\)"),
        (np.zeros((2, 5), dtype=int), "features must be floating point, got dtype int"),
        ([[0.0] * 5, [0.0, np.nan, 0, 0, 0]], r"finite, got nan at features\[1, 1\]"),
        (np.zeros((2, 4)), r"features must be \[N, 5\] as in fit, got shape \(2, 4\)"),
    ],
)
def test_wrong_features_are_refused(name, features, message):
    detector = fitted(name, *blobs())
    with pytest.raises(ValueError, match=message):
        detector.score(features)
    if np.shape(features) != (2, 4):
        extra = {"logits": [[1.0], [2.0]]} if name == "vim" else {"labels": [0, 1]}
        with pytest.raises(ValueError, match=message):
            detector.fit(features, **extra)


@pytest.mark.parametrize("name", ["mahalanobis", "nearest_neighbours", "vim"])
def test_detectors_end_a_pipeline(name):
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(60, 4)), rng.integers(3, size=60)
    detector = DETECTORS[name].detector()
    extra = {}
    if DETECTORS[name].needs_logits:
        extra = {f"{name}__logits": features @ rng.normal(size=(4, 3)) + 3}
    line = Pipeline([("scale", StandardScaler()), (name, detector)])
    assert line.fit(features, labels, **extra).score(features).shape == (60,)
    assert line.score(features, labels).shape == (60,)


def test_logits_are_not_taken_for_labels():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 4))
    logits = features @ rng.normal(size=(4, 3)) + 3
    detector = DETECTORS["vim"].detector().fit(features, logits=logits)
    with pytest.raises(ValueError, match="logits must be given by name"):
        detector.score(features, logits)


def test_masked_and_enormous_features_are_refused():
    features = np.ones((4, 2))
    masked = np.ma.MaskedArray(features, np.eye(4, 2, dtype=bool))
    detector = DETECTORS["mahalanobis"].detector()
    with pytest.raises(ValueError, match="features must not be masked"):
        detector.fit(masked, [0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"at most 1e\+100 in size, got 1e\+200"):
        detector.fit(features * 1e200, [0, 1, 0, 1])
