"""The detector that adds a logit for what no class explains: ViM.

*Paper*: Wang et al. (2022), arXiv:2203.10807, section 4 (virtual-logit matching).

*Symbols* (features x, ``logits = x W + b``)::

    o = -pinv(W^T) b              origin: the shortest x of which all logits are 0
    P                             leading eigenvectors of (X - o)^T (X - o)
    r(x) = |(I - P P^T) (x - o)|  residual
    alpha = mean max_c logit_c / mean r    over the training data
    score = alpha r(x) - log sum_c exp(logit_c(x))

The score is the log of the odds of the virtual logit ``alpha r`` against the others, so
it orders examples as the paper's probability does, and does not saturate at 1.

*Departures*: W and b are recovered from features and logits by least squares, which is
exact where the last layer is linear in the features. P never takes up all directions in
which the training data varies, as no residual would be left to match alpha with.
"""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._checks import check_at_least_one
from calibration.ood._detector import Array, Detector, check_features
from calibration.ood.scores import energy_score

# Largest error of the recovered map, as a share of the logits' spread. Half-precision
# features err by about 1e-3; logits of another layer, or averaged over networks with
# other weights, by far more.
FIT_TOLERANCE = 0.05


class ViM(Detector):
    """How much of the features no class explains, against how strong the logits are.

    Args:
        dimension: Of the principal subspace, at least 1. None takes the paper's: 1000
            of 2048 features or more, 512 of 768 or more, else half of them.

    Attributes:
        weight_: W, ``[D, C]``.
        bias_: b, ``[C]``.
        fit_residual_: Root mean square error of the recovered logits, as a share of
            the logits' standard deviation.
        origin_: o, ``[D]``.
        dimension_: Dimension used: smaller than asked for where the training data
            varies in no more directions, so that at least one is left.
        principal_: P, orthonormal columns, ``[D, dimension_]``.
        alpha_: Scale of the residual; 0 where training data has none, and the score is
            then the energy.
    """

    def __init__(self, dimension: int | None = None) -> None:
        self.dimension = dimension

    def fit(
        self,
        features: ArrayLike,
        labels: ArrayLike | None = None,  # noqa: ARG002 - scikit-learn's contract
        *,
        logits: ArrayLike,
    ) -> Self:
        """Learn the origin, the subspace and the scale.

        Args:
            features: Of in-distribution training examples, ``[N, D]``: what the last
                linear layer takes in.
            labels: Not needed, and not looked at.
            logits: What that layer gives out for them, ``[N, C]``.

        Returns:
            This object.

        Raises:
            ValueError: If the data or the dimension is invalid, if the logits are no
                affine function of the features, or if the largest ones are not above
                zero on average, so that no scale matches them.
        """
        array = check_features(features).astype(np.float64)
        outputs = check_features(logits, "logits").astype(np.float64)
        wanted = _dimension(self.dimension, array.shape[1])
        self.weight_, self.bias_, self.fit_residual_ = _affine_map(array, outputs)
        self.origin_ = -np.linalg.pinv(self.weight_.T) @ self.bias_
        self.principal_ = _principal(array - self.origin_, wanted)
        self.dimension_ = self.principal_.shape[1]
        self.n_features_in_ = array.shape[1]
        self.alpha_ = _scale(outputs, self._residual(array))
        return self

    def score(
        self,
        features: ArrayLike,
        labels: ArrayLike | None = None,
        *,
        logits: ArrayLike | None = None,
    ) -> NDArray[np.float64]:
        """Return the virtual logit less the energy's log-sum of the others.

        Args:
            features: Of the examples to judge, ``[N, D]``.
            labels: Not needed; scikit-learn's pipelines pass them.
            logits: Their logits, ``[N, C]``; without them the recovered map gives
                them, which is the same unless there were fewer training examples than
                features.

        Returns:
            Scores of either sign, larger meaning more OOD, ``[N]``.

        Raises:
            ValueError: If the features or logits are invalid.
            NotFittedError: If nothing was fitted.
        """
        if labels is not None and np.ndim(labels) == 2:
            raise ValueError("logits must be given by name, got them as labels.")
        residual = self._scores(features, self._residual)
        if logits is None:
            return self.alpha_ * residual + self._scores(features, self._energy)
        outputs = check_features(logits, "logits").astype(np.float64)
        if outputs.shape != (len(residual), len(self.bias_)):
            raise ValueError(
                f"logits must be [N, C] = {(len(residual), len(self.bias_))}, "
                f"got shape {outputs.shape}."
            )
        return self.alpha_ * residual + energy_score(outputs)

    def _residual(self, features: Array) -> Array:
        centred = features - self.origin_
        rest = centred - centred @ self.principal_ @ self.principal_.T
        lengths: Array = np.linalg.norm(rest, axis=1)
        return lengths

    def _energy(self, features: Array) -> Array:
        return energy_score(features @ self.weight_ + self.bias_)


def _dimension(dimension: int | None, num_features: int) -> int:
    if dimension is not None:
        return check_at_least_one(dimension, "dimension")
    for least, dimension_of_paper in ((2048, 1000), (768, 512)):
        if num_features >= least:
            return dimension_of_paper
    return num_features // 2


def _affine_map(features: Array, logits: Array) -> tuple[Array, Array, float]:
    """W, b with ``features W + b`` the logits, and how far it is from them."""
    if len(logits) != len(features):
        raise ValueError(
            f"logits must have one row for each of {len(features)} examples, "
            f"got {len(logits)}."
        )
    # Centred, features and logits need no column for the bias, and W is the smallest
    # that fits where several do.
    mean, target = features.mean(axis=0), logits.mean(axis=0)
    weight = np.linalg.lstsq(features - mean, logits - target, rcond=None)[0]
    bias = target - mean @ weight
    error = np.linalg.norm(features @ weight + bias - logits)
    spread = np.linalg.norm(logits - target)
    # Logits that are all the same are met up to rounding, and have no spread.
    rounding = 1e-9 * np.linalg.norm(logits)
    residual = 0.0 if error <= rounding else float(error / max(spread, rounding))
    if residual > FIT_TOLERANCE:
        raise ValueError(
            "logits must be an affine function of the features, got an error of "
            f"{residual:.3g} of their spread. Features must be those that the last "
            "linear layer takes in, of the same network and examples."
        )
    return weight, bias, residual


def _principal(centred: Array, dimension: int) -> Array:
    moments, directions = np.linalg.eigh(centred.T @ centred)
    rank = int((moments > 1e-12 * max(moments[-1], 0.0)).sum())
    kept = max(min(dimension, rank - 1), 0)
    leading: Array = directions[:, ::-1][:, :kept]
    return leading


def _scale(logits: Array, residual: Array) -> float:
    largest, length = float(logits.max(axis=1).mean()), float(residual.mean())
    if length == 0:
        return 0.0
    if largest <= 0:
        raise ValueError(
            "logits must have largest entries above 0 on average, to match the "
            f"residual with, got {largest:.3g}. Were log-probabilities passed?"
        )
    return largest / length
