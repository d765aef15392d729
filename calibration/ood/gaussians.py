"""Detectors that hold the features for Gaussian: Mahalanobis, plain and relative.

*Papers*: Lee et al. (2018), arXiv:1807.03888, eqs. 1-2 (class means, shared
covariance); Ren et al. (2021), arXiv:2106.09022, eqs. 2-3 (less the distance to one
Gaussian of all classes); Ledoit and Wolf (2004), J. Multivariate Anal. 88:365
(shrinkage).

*Symbols*: class means mu_c, shared covariance ``Sigma = mean_i (x_i - mu_y)(x_i -
mu_y)^T`` (divided by N), background mean mu_0 and covariance Sigma_0 of all examples::

    d_c(x) = (x - mu_c)^T Sigma^-1 (x - mu_c)
    Mahalanobis  min_c d_c(x)          RelativeMahalanobis  min_c d_c(x) - d_0(x)

*Departures*: the covariance is shrunk towards a multiple of the identity, by Ledoit and
Wolf's share unless told otherwise, since with fewer examples than features it has no
inverse, and a pseudo-inverse would overlook every direction in which the training
features never varied, where OOD examples are often easiest to see. For the same reason
variances are not taken to be below 1e-9 of the largest. Where nothing varies at all
(each class one example, say) the distance is Euclidean.
"""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.covariance import ledoit_wolf_shrinkage

from calibration._checks import as_array, check_labels
from calibration.ood._detector import Array, Detector, check_features

SMALLEST_VARIANCE = 1e-9  # as a share of the largest

# Of equal numbers the computed variance is not quite 0, as a share of their square; two
# that differ in float32 vary by 1e-15 at least.
_ROUNDING = 1e-18


class Mahalanobis(Detector):
    """Squared Mahalanobis distance to the nearest class mean.

    Args:
        shrinkage: How far to shrink the covariance towards ``trace/D * identity``, in
            0..1; None takes the share of Ledoit and Wolf, which tends to 0 as examples
            become many.

    Attributes:
        classes_: Labels, ascending, ``[C]``.
        means_: Mean of each class, ``[C, D]``.
        covariance_: Covariance within classes, shrunk, ``[D, D]``.
        shrinkage_: The share that was used.
        whitening_: W with ``W W^T`` the inverse of the covariance, ``[D, D]``.
    """

    def __init__(self, shrinkage: float | None = None) -> None:
        self.shrinkage = shrinkage

    def fit(self, features: ArrayLike, labels: ArrayLike) -> Self:
        """Learn the means and the covariance.

        Args:
            features: Of in-distribution training examples, ``[N, D]``.
            labels: Their classes, integers from 0; any may be missing or single,
                ``[N]``.

        Returns:
            This object.

        Raises:
            ValueError: If the data or the shrinkage is invalid.
        """
        array = check_features(features).astype(np.float64)
        self.classes_, members = _classes(labels, len(array))
        self.means_ = _class_means(array, members, len(self.classes_))
        self.covariance_, self.shrinkage_ = _covariance(
            array - self.means_[members], self.shrinkage
        )
        self.whitening_ = _whitening(self.covariance_, array)
        self.n_features_in_ = array.shape[1]
        return self

    def score(
        self,
        features: ArrayLike,
        labels: ArrayLike | None = None,  # noqa: ARG002 - scikit-learn's contract
    ) -> NDArray[np.float64]:
        """Return the squared distance to the nearest class.

        Args:
            features: Of the examples to judge, ``[N, D]``.
            labels: Not needed, and not looked at.

        Returns:
            Scores of at least 0, larger meaning more OOD; about D on training data.

        Raises:
            ValueError: If the features are invalid.
            NotFittedError: If nothing was fitted.
        """
        return self._scores(features, self._distances)

    def _distances(self, features: Array) -> Array:
        distances = _squared_distances(features, self.means_, self.whitening_)
        nearest: Array = distances.min(axis=1)
        return nearest


class RelativeMahalanobis(Mahalanobis):
    """Mahalanobis distance to the nearest class, less that to all data as one.

    What a feature varies by in all data alike says little of any class, and is taken
    off; it helps with near sets and depends less on D.

    Args:
        shrinkage: As for `Mahalanobis`, for both covariances.

    Attributes:
        mean_: Mean of all examples, ``[D]``.
        background_covariance_: Covariance of all examples, shrunk, ``[D, D]``.
        background_whitening_: As ``whitening_``, of the background, ``[D, D]``.
    """

    def fit(self, features: ArrayLike, labels: ArrayLike) -> Self:
        """Learn the means and both covariances; see `Mahalanobis.fit`."""
        super().fit(features, labels)
        array = check_features(features).astype(np.float64)
        self.mean_ = array.mean(axis=0)
        self.background_covariance_, _ = _covariance(array - self.mean_, self.shrinkage)
        self.background_whitening_ = _whitening(self.background_covariance_, array)
        return self

    def score(
        self,
        features: ArrayLike,
        labels: ArrayLike | None = None,  # noqa: ARG002 - scikit-learn's contract
    ) -> NDArray[np.float64]:
        """Return the relative distance, of either sign; see `Mahalanobis.score`."""
        return self._scores(
            features, lambda block: self._distances(block) - self._background(block)
        )

    def _background(self, features: Array) -> Array:
        means = self.mean_[None]
        return _squared_distances(features, means, self.background_whitening_)[:, 0]


def _classes(
    labels: ArrayLike, num_examples: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    array = as_array(labels, "labels")
    whole = array.dtype.kind in "iu" and array.size > 0
    num_classes = max(int(array.max()), 0) + 1 if whole else 1
    checked = check_labels(array, num_examples, num_classes)
    classes, members = np.unique(checked, return_inverse=True)
    return classes, members


def _class_means(features: Array, members: NDArray[np.intp], num_classes: int) -> Array:
    # Classes are sorted together, so that each is one run of rows to add up.
    order = np.argsort(members, kind="stable")
    counts = np.bincount(members, minlength=num_classes)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    sums: Array = np.add.reduceat(features[order], starts, axis=0)
    return sums / counts[:, None]


def _covariance(residuals: Array, shrinkage: float | None) -> tuple[Array, float]:
    """The covariance of residuals whose mean is zero, shrunk, and by which share."""
    if shrinkage is None:
        # One example has no spread, and scikit-learn warns of it.
        alone = len(residuals) == 1
        share = 0.0 if alone else ledoit_wolf_shrinkage(residuals, assume_centered=True)
    elif 0 <= shrinkage <= 1:
        share = shrinkage
    else:
        raise ValueError(f"shrinkage must be None or in 0..1, got {shrinkage}.")
    covariance = residuals.T @ residuals / len(residuals)
    dimension = len(covariance)
    identity = np.trace(covariance) / dimension * np.eye(dimension)
    return (1 - share) * covariance + share * identity, float(share)


def _whitening(covariance: Array, features: Array) -> Array:
    """A matrix W with ``W W^T`` the inverse, variances floored."""
    variances, directions = np.linalg.eigh(covariance)
    largest = variances[-1]
    if largest <= _ROUNDING * np.square(features).max():
        return np.eye(len(covariance))
    floored = np.maximum(variances, SMALLEST_VARIANCE * largest)
    whitening: Array = directions / np.sqrt(floored)
    return whitening


def _squared_distances(features: Array, means: Array, whitening: Array) -> Array:
    """Squared lengths of ``(x - mu) W``, ``[N, C]``."""
    # Taken from their middle, points and means are short, and squares cancel less.
    middle = means.mean(axis=0)
    points, centres = (features - middle) @ whitening, (means - middle) @ whitening
    lengths = (points**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1)
    squares: Array = np.maximum(lengths - 2 * points @ centres.T, 0.0)
    return squares
