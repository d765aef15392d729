"""What every recalibration shares: scikit-learn's contract, checks and logits.

A recalibration is a map from probabilities to probabilities, fitted on examples that
the model was not trained on (the validation set) and used on others. Samples of a
posterior are averaged first: what is recalibrated is the posterior predictive.

Recalibrations of two families share a base. Those that work on logits take the log of
the normalised probabilities, which are the model's logits up to a constant a row that
softmax undoes. Those of one class at a time (`OneVsRest`) ask for each class how often
it is the true one, given its probability, and divide the C answers by their sum.
"""

from abc import abstractmethod
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import ThreadpoolController

from calibration._checks import check_labels, predictive

Array = NDArray[np.float64]

# A probability of exactly 0 has no logarithm, and is taken for this one: the smallest
# that float32 holds with all its digits, so that few rows of a softmax reach it. Its
# logit is -87.3.
FLOOR = float(np.finfo(np.float32).tiny)

# Entries of an array that are worked on at a time, so that they stay in the cache.
BLOCK_SIZE = 1 << 17


class Recalibration(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A map from probabilities to better ones; learned values end in ``_``.

    Attributes:
        num_classes_: C of the fitting data.
        num_parameters_: How many numbers were learned.
    """

    num_classes_: int
    num_parameters_: int

    def fit(self, probabilities: ArrayLike, labels: ArrayLike) -> Self:
        """Learn the map.

        Args:
            probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
            labels: True classes, integers in 0..C-1, ``[N]``.

        Returns:
            This object.

        Raises:
            ValueError: If the data or a parameter of the constructor is invalid.
        """
        scores = _normalised(probabilities)
        classes = check_labels(labels, *scores.shape)
        self.num_parameters_ = self._fit(scores, classes)
        self.num_classes_ = scores.shape[1]
        return self

    def transform(self, probabilities: ArrayLike) -> Array:
        """Recalibrate.

        Args:
            probabilities: Class probabilities of the same C classes, ``[N, C]`` or
                ``[S, N, C]``.

        Returns:
            Probabilities in float64 whose rows sum to one, ``[N, C]``.

        Raises:
            ValueError: If the probabilities are invalid or of other classes.
            NotFittedError: If nothing was fitted.
        """
        check_is_fitted(self)
        scores = _normalised(probabilities)
        if scores.shape[1] != self.num_classes_:
            raise ValueError(
                f"probabilities must have the {self.num_classes_} classes of the "
                f"fitting data, got {scores.shape[1]}."
            )
        return self._transform(scores)

    def fit_transform(self, probabilities: ArrayLike, labels: ArrayLike) -> Array:
        """Learn the map and recalibrate the same examples; see `fit`, `transform`.

        What comes back is too good to be judged: the map has seen the labels.
        """
        return self.fit(probabilities, labels).transform(probabilities)

    def obstacle(self, num_examples: int, num_classes: int) -> str | None:
        """Say why the map should not be fitted to data of some size.

        Args:
            num_examples: N.
            num_classes: C.

        Returns:
            The reason, or None where there is none.
        """
        needed = self._needed_examples(num_classes)
        if num_examples >= needed:
            return None
        return f"needs at least {needed} examples, got {num_examples}"

    def _needed_examples(self, num_classes: int) -> int:  # noqa: ARG002
        """By default one."""
        return 1

    @abstractmethod
    def _fit(self, scores: Array, labels: NDArray[np.intp]) -> int:
        """Learn from normalised ``[N, C]``; return how many numbers were learned."""

    @abstractmethod
    def _transform(self, scores: Array) -> Array:
        """Recalibrate normalised ``[N, C]``."""


class Identity(Recalibration):
    """No recalibration: the baseline that the others have to beat."""

    def _fit(self, scores: Array, labels: NDArray[np.intp]) -> int:  # noqa: ARG002
        return 0

    def _transform(self, scores: Array) -> Array:
        return scores


class OneVsRest(Recalibration):
    """A map for each class by itself, after which rows are divided by their sum.

    A row in which every class gets 0 keeps its uncalibrated probabilities.
    """

    def _needed_examples(self, num_classes: int) -> int:
        return 2 * num_classes

    @abstractmethod
    def _map(self, index: int, scores: Array) -> Array:
        """Recalibrate the probabilities ``[N]`` of the class of an index."""

    def _transform(self, scores: Array) -> Array:
        rates = np.empty_like(scores)
        for index in range(scores.shape[1]):
            rates[:, index] = self._map(index, scores[:, index])
        total = rates.sum(axis=1, keepdims=True)
        empty = total[:, 0] == 0
        rates[empty], total[empty] = scores[empty], 1.0
        rates /= total
        return rates


def logits_of(scores: Array) -> Array:
    """Log-probabilities ``[N, C]``, which serve as logits, at least ``log(FLOOR)``."""
    clipped = np.maximum(scores, FLOOR)
    logits: Array = np.log(clipped, out=clipped)
    return logits


def softmax(logits: Array) -> Array:
    """Turn logits ``[N, C]`` into probabilities, in their own memory."""
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def minimise(
    objective: Callable[[Array], tuple[float, Array]],
    start: Array,
    low: Array,
    high: Array,
) -> Array:
    """Find the minimum of a convex function within bounds, by L-BFGS.

    Args:
        objective: Maps values ``[P]`` to a loss and its derivatives ``[P]``.
        start: Where to begin, within the bounds, ``[P]``.
        low: Smallest values, ``[P]``.
        high: Largest values, ``[P]``.

    Returns:
        The best values found in 200 iterations, ``[P]``.
    """
    options = {"maxiter": 200, "maxcor": 20, "ftol": 1e-9, "gtol": 1e-6}
    bounds = np.stack([low, high], axis=1)
    # Products this small take longer on several threads than on one, and many times
    # longer where other processes keep the processor busy.
    with _thread_pools().limit(limits=1, user_api="blas"):
        found = minimize(
            objective,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options=options,
        )
    values: Array = found.x
    return values


@lru_cache(maxsize=1)
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()


def check_not_negative(value: Any, name: str) -> float:
    """Return a strength as a float if it is a finite number of at least zero.

    Args:
        value: The strength.
        name: What to call it in an error.

    Returns:
        The same number.

    Raises:
        ValueError: If it is negative, infinite or no number.
    """
    if not isinstance(value, int | float | np.number) or not 0 <= value < np.inf:
        raise ValueError(f"{name} must be a finite number >= 0, got {value!r}.")
    return float(value)


def _normalised(probabilities: ArrayLike) -> Array:
    """The predictive with rows that sum to one as closely as float64 allows."""
    scores = predictive(probabilities)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores
