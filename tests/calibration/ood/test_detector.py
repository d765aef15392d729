"""What all detectors ask of features, and that they work in blocks."""

import numpy as np
import pytest

from calibration.ood import _detector
from calibration.ood._detector import LARGEST, check_features
from calibration.ood.features import Mahalanobis

FEATURES = np.random.default_rng(0).normal(size=(60, 4))
LABELS = np.arange(60) % 3


@pytest.mark.parametrize(
    ("features", "text"),
    [
        (FEATURES[0], r"\[N, D\], got shape \(4,\)"),
        (FEATURES[:0], "non-empty"),
        (FEATURES.astype(int), "floating point, got dtype int"),
        (np.where(FEATURES > 2, np.nan, FEATURES), r"finite, got nan at mine\["),
        (np.full((2, 2), 10 * LARGEST), "at most 1e.100 in size"),
    ],
)
def test_bad_features_are_refused(features, text):
    with pytest.raises(ValueError, match=text):
        check_features(features, "mine")


def test_valid_features_are_not_copied():
    assert check_features(FEATURES) is FEATURES


def test_blocks_change_nothing(monkeypatch):
    detector = Mahalanobis().fit(FEATURES, LABELS)
    whole = detector.score(FEATURES)
    monkeypatch.setattr(_detector, "BLOCK", 7)
    assert np.allclose(detector.score(FEATURES), whole, rtol=1e-12)


def test_features_of_another_width_are_refused():
    detector = Mahalanobis().fit(FEATURES, LABELS)
    with pytest.raises(ValueError, match=r"\[N, 4\] as in fit, got shape \(60, 3\)"):
        detector.score(FEATURES[:, :3])
