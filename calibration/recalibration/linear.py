"""Vector and matrix scaling: a linear map of the logits.

*Papers*: Guo et al. (2017), arXiv:1706.04599, section 4.2: ``softmax(W z + b)``, with W
diagonal for vector scaling. Kull et al. (2019), arXiv:1910.12656, section 4: ODIR, the
off-diagonal and intercept regularisation. What is minimised is::

    mean NLL + off_diagonal * mean_{i != j} W_ij^2 + intercept * mean_j b_j^2

Logits here are log-probabilities, and so matrix scaling is also Kull et al.'s Dirichlet
calibration in its linear form.

*Strengths*: ODIR's are of a size that no one value suits, as N examples have to pay for
C (C - 1) entries; Kull et al. search a grid. The default is that of a Gaussian prior
instead, which is the same thing measured in the unit of the parameters: an entry off
the diagonal is 0 give or take 0.1, a shift 0 give or take 1 nat. It fades as N grows,
and keeps a class that no label names from being ruled out.

*Fit*: convex; L-BFGS with exact gradients from the identity map, whose penalty is 0, so
that the fitted map is never worse than none on the fitting data. Deterministic.

*Departures*: entries of W and b stay within `LIMIT`, as without it they grow for ever
where the fitting data can be told apart without error. Guo et al. regularise neither.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from calibration.recalibration.base import (
    BLOCK_SIZE,
    Array,
    Recalibration,
    check_not_negative,
    logits_of,
    minimise,
    softmax,
)

LIMIT = 20.0  # as sharp as the lowest temperature, 1 / 20
OFF_DIAGONAL_DEVIATION = 0.1
INTERCEPT_DEVIATION = 1.0

MAX_CLASSES = 100  # of a matrix: 101 classes would be 10,302 parameters


class VectorScaling(Recalibration):
    """Scale and shift the logit of each class.

    Args:
        intercept: Strength of the pull of the shifts towards 0, at least 0; None for
            that of the prior (see the module).

    Attributes:
        scale_: Factor of each logit, within +-`LIMIT`, ``[C]``.
        bias_: What is then added, in nats, within +-`LIMIT`, ``[C]``.
    """

    scale_: Array
    bias_: Array

    def __init__(self, intercept: float | None = None) -> None:
        self.intercept = intercept

    def _needed_examples(self, num_classes: int) -> int:
        return 2 * num_classes

    def _fit(self, scores: Array, labels: NDArray[np.intp]) -> int:
        start = np.ones(scores.shape[1])
        pulls = _odir(len(scores), start, None, self.intercept)
        self.scale_, self.bias_ = _fit_linear(scores, labels, start, pulls)
        return self.scale_.size + self.bias_.size

    def _transform(self, scores: Array) -> Array:
        logits = logits_of(scores)
        logits *= self.scale_
        logits += self.bias_
        return softmax(logits)


class MatrixScaling(Recalibration):
    """Mix the logits of all classes by a matrix, and shift them.

    Args:
        off_diagonal: Strength of the pull of the matrix's off-diagonal entries towards
            0 (lambda of Kull et al.), at least 0; None for that of the prior.
        intercept: Strength of the pull of the shifts towards 0 (mu), at least 0; None
            for that of the prior (see the module).

    Attributes:
        matrix_: W, a row for each output, entries within +-`LIMIT`, ``[C, C]``.
        bias_: b, in nats, within +-`LIMIT`, ``[C]``.
    """

    matrix_: Array
    bias_: Array

    def __init__(
        self, off_diagonal: float | None = None, intercept: float | None = None
    ) -> None:
        self.off_diagonal = off_diagonal
        self.intercept = intercept

    def obstacle(self, num_examples: int, num_classes: int) -> str | None:
        """Say why not to fit: too few examples, or more than `MAX_CLASSES` classes."""
        if num_classes > MAX_CLASSES:
            return f"takes at most {MAX_CLASSES} classes, got {num_classes}"
        return super().obstacle(num_examples, num_classes)

    def _needed_examples(self, num_classes: int) -> int:
        return num_classes * (num_classes + 1)

    def _fit(self, scores: Array, labels: NDArray[np.intp]) -> int:
        start = np.eye(scores.shape[1])
        pulls = _odir(len(scores), start, self.off_diagonal, self.intercept)
        self.matrix_, self.bias_ = _fit_linear(scores, labels, start, pulls)
        return self.matrix_.size + self.bias_.size

    def _transform(self, scores: Array) -> Array:
        logits = logits_of(scores) @ self.matrix_.T
        logits += self.bias_
        return softmax(logits)


def _fit_linear(
    scores: Array, labels: NDArray[np.intp], start: Array, pulls: tuple[Array, float]
) -> tuple[Array, Array]:
    """Weights, a matrix or its diagonal as `start` is, and bias of least loss."""
    num_classes = scores.shape[1]
    logits = np.ascontiguousarray(logits_of(scores).T)
    likelihood = _likelihood(logits, labels, start.ndim == 1)
    pull = np.concatenate([pulls[0].ravel(), np.full(num_classes, pulls[1])])
    # In units in which each value bends the loss about as much, which saves iterations.
    bend = np.append(np.full(start.size, max(1.0, logits.var())), np.ones(num_classes))
    units = 1 / np.sqrt(bend + 2 * pull)

    def split(values: Array) -> tuple[Array, Array]:
        return values[:-num_classes].reshape(start.shape), values[-num_classes:]

    def objective(scaled: Array) -> tuple[float, Array]:
        values = units * scaled
        loss, weight_slope, bias_slope = likelihood(*split(values))
        slope = np.concatenate([weight_slope.ravel(), bias_slope]) + 2 * pull * values
        return loss + float(pull @ values**2), units * slope

    first = np.append(start.ravel(), np.zeros(num_classes)) / units
    return split(units * minimise(objective, first, -LIMIT / units, LIMIT / units))


def _odir(
    count: int, start: Array, off_diagonal: float | None, intercept: float | None
) -> tuple[Array, float]:
    """What the mean loss of N examples charges for the square of each parameter.

    Returns:
        Charges for the weights, of the shape of `start`, and for an entry of the bias.
    """
    num_classes = len(start)
    num_entries = max(1, num_classes * (num_classes - 1))
    entry_pull = (
        _prior_pull(count, OFF_DIAGONAL_DEVIATION)
        if off_diagonal is None
        else check_not_negative(off_diagonal, "off_diagonal") / num_entries
    )
    shift_pull = (
        _prior_pull(count, INTERCEPT_DEVIATION)
        if intercept is None
        else check_not_negative(intercept, "intercept") / num_classes
    )
    # The start is 1 on the diagonal, which is left alone, and 0 off it.
    return entry_pull * (1 - start), shift_pull


def _prior_pull(count: int, deviation: float) -> float:
    """The charge that is a Gaussian prior of some deviation around 0."""
    return 1 / (2 * count * deviation**2)


# Maps weights and bias to a loss and its two derivatives.
_Likelihood = Callable[[Array, Array], tuple[float, Array, Array]]


def _likelihood(logits: Array, labels: NDArray[np.intp], diagonal: bool) -> _Likelihood:
    """Mean NLL of what becomes of logits ``[C, N]``.

    It is the mean log-sum-exp less the mean output of the true class, which is linear
    in the parameters: its coefficients are found once.
    """
    num_classes, count = logits.shape
    columns = max(1, BLOCK_SIZE // num_classes)
    blocks = [logits[:, i : i + columns] for i in range(0, count, columns)]
    shares = np.bincount(labels, minlength=num_classes) / count
    rows = [logits[:, labels == k].sum(axis=1) for k in range(num_classes)]
    moments = np.stack(rows) / count
    if diagonal:
        moments = np.diag(moments)

    def likelihood(weights: Array, bias: Array) -> tuple[float, Array, Array]:
        loss, weight_slope, bias_slope = 0.0, 0 * weights, 0 * bias
        for block in blocks:
            part, outputs = _partition(_linear(weights, block, bias))
            loss += part
            weight_slope += _weight_slope(weights, block, outputs)
            bias_slope += outputs.sum(axis=1)
        truth = float((weights * moments).sum() + bias @ shares)
        return (
            loss / count - truth,
            weight_slope / count - moments,
            bias_slope / count - shares,
        )

    return likelihood


def _linear(weights: Array, logits: Array, bias: Array) -> Array:
    mixed = weights @ logits if weights.ndim == 2 else weights[:, None] * logits
    mixed += bias[:, None]
    return mixed


def _weight_slope(weights: Array, logits: Array, outputs: Array) -> Array:
    if weights.ndim == 2:
        return outputs @ logits.T
    slope: Array = np.einsum("kn,kn->k", outputs, logits)
    return slope


def _partition(logits: Array) -> tuple[float, Array]:
    """Summed log-sum-exp of ``[C, n]`` logits, and probabilities in their memory."""
    top = logits.max(axis=0)
    logits -= top
    np.exp(logits, out=logits)
    total = logits.sum(axis=0)
    logits /= total
    return float(np.log(total).sum() + top.sum()), logits
