"""The detector that asks how far the training examples are: nearest neighbours.

*Paper*: Sun et al. (2022), arXiv:2204.06507, section 3: features are scaled to length
one, and the score is the distance to the k-th nearest training example.
"""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.neighbors import NearestNeighbors

from calibration._checks import check_at_least_one
from calibration.ood._detector import Array, Detector, check_features


class NearestNeighbours(Detector):
    """Distance to the k-th nearest training example, all features of length one.

    Args:
        k: Which neighbour, at least 1; with fewer training examples the farthest is
            taken, which ``k_`` tells. The paper has 50 for CIFAR-10 and 1,000 for
            ImageNet.

    Attributes:
        k_: The neighbour that is used, the smaller of k and N.
        index_: The fitted `sklearn.neighbors.NearestNeighbors`.
    """

    _largest = np.inf  # only directions count

    def __init__(self, k: int = 50) -> None:
        self.k = k

    def fit(
        self,
        features: ArrayLike,
        labels: ArrayLike | None = None,  # noqa: ARG002 - scikit-learn's contract
    ) -> Self:
        """Keep the training examples.

        Args:
            features: Of in-distribution training examples, ``[N, D]``.
            labels: Not needed, and not looked at.

        Returns:
            This object.

        Raises:
            ValueError: If the features or k are invalid.
        """
        check_at_least_one(self.k, "k")
        array = check_features(features, largest=self._largest)
        self.k_ = min(self.k, len(array))
        self.index_ = NearestNeighbors(n_neighbors=self.k_)
        self.index_.fit(_of_length_one(array.astype(np.float64)))
        self.n_features_in_ = array.shape[1]
        return self

    def score(
        self,
        features: ArrayLike,
        labels: ArrayLike | None = None,  # noqa: ARG002 - scikit-learn's contract
    ) -> NDArray[np.float64]:
        """Return the distance to the k-th nearest training example.

        A training example is its own nearest neighbour, so judge only others.

        Args:
            features: Of the examples to judge, ``[N, D]``.
            labels: Not needed, and not looked at.

        Returns:
            Scores in 0..2, larger meaning more OOD, ``[N]``.

        Raises:
            ValueError: If the features are invalid.
            NotFittedError: If nothing was fitted.
        """
        return self._scores(features, self._distances)

    def _distances(self, features: Array) -> Array:
        distances: Array = self.index_.kneighbors(_of_length_one(features))[0]
        return distances[:, -1]


def _of_length_one(features: Array) -> Array:
    # Scaled by the largest entry first, squares can neither overflow nor vanish.
    largest = np.abs(features).max(axis=1, keepdims=True)
    scaled = features / np.where(largest > 0, largest, 1)
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    unit: Array = scaled / np.where(lengths > 0, lengths, 1)  # all zeros stay so
    return unit
