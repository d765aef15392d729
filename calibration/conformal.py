"""Conformal sets: sets of classes that hold the true one as often as promised.

`fit` gives every calibration example (n of them, used for nothing else: not training,
not choosing a model, not recalibration) a *score* that is larger the worse its true
class fits, and keeps the ``ceil((n + 1) (1 - alpha))``-th smallest as `quantile_`. The
set of a new example is every class whose score is at most that. If the new example is
exchangeable with the n, the set holds its true class with a probability of at least
``1 - alpha``, and below ``1 - alpha + 1 / (n + 1)`` where no two scores are equal, both
on average over calibration sets; no more is promised about any one class or group.

Where ``ceil((n + 1) (1 - alpha)) > n`` no calibration score is large enough, and
`quantile_` is the largest possible score: all sets hold all classes.

*Scores* of class y, with p its probability, ``before`` the sum of those ranked before
it (the more probable, and of equals those of smaller index) and u uniform in 0..1:

- THR: ``1 - p``. Sadinle, Lei and Wasserman (2019), JASA 114:223, arXiv:1609.00451.
- APS: ``before + u p``. Romano, Sesia and Candes (2020), arXiv:2006.02544.
- RAPS: ``before + u p + penalty max(0, rank - k_reg)``, rank from 1. Angelopoulos et
  al. (2021), arXiv:2009.14193.

A random u is a hash of the example's probabilities and the seed. An example has the
same set in any order and batch, and since scores depend on nothing but the example, the
promise holds for every seed by itself; numbers drawn from a fixed seed would favour or
harm all who leave it as it is. (Equal rows have equal u, which makes ties.) Without
randomisation u is 1, in `fit` as in `predict`. (The published code of RAPS then still
fits with a random u, and adds the class that passes the quantile: it covers more than
promised.)

Sets can be empty: with THR, and with a random u, where no class reaches the quantile.
They are kept as the papers have them, for the promise counts on them, and
`evaluate_sets` says how many there are.
"""

from abc import ABC, abstractmethod
from fractions import Fraction
from math import ceil
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._checks import (
    check_at_least_one,
    check_between,
    check_seed,
    is_number,
    is_whole,
    predictive,
    predictive_and_labels,
)
from calibration.prediction_sets import ConformalReport, SizeStratum, evaluate_sets

__all__ = [
    "ConformalAPS",
    "ConformalPredictor",
    "ConformalRAPS",
    "ConformalReport",
    "ConformalTHR",
    "SizeStratum",
    "evaluate_sets",
]


class ConformalPredictor(ABC):
    """Sets of classes from probabilities; subclasses say what the score is.

    Args:
        alpha: Promised share of sets without the true class, strictly between 0 and 1.

    Attributes:
        quantile_: Largest score of a class that belongs to a set.
        num_fit_: Number of calibration examples n.
        num_classes_: Number of classes C.
    """

    quantile_: float
    num_fit_: int
    num_classes_: int

    def __init__(self, alpha: float = 0.1) -> None:
        self.alpha = check_between(alpha, "alpha")

    def fit(self, probabilities: ArrayLike, labels: ArrayLike) -> Self:
        """Learn the quantile from calibration examples.

        Args:
            probabilities: Class probabilities, ``[N, C]``, or ``[S, N, C]`` for the
                posterior predictive of S samples.
            labels: True classes, integers in 0..C-1, ``[N]``.

        Returns:
            This object.
        """
        mean, labels = predictive_and_labels(probabilities, labels)
        # Scores of all classes, by the very arithmetic of `predict`: a rounding in
        # another place would shut out classes that tie with the quantile.
        scores = self._scores(mean)[np.arange(len(labels)), labels]
        self.num_fit_, self.num_classes_ = mean.shape
        rank = _quantile_rank(len(scores), self.alpha)
        if rank > len(scores):
            self.quantile_ = float(1 + self._penalties(self.num_classes_)[-1])
        else:
            self.quantile_ = float(np.partition(scores, rank - 1)[rank - 1])
        return self

    def predict(self, probabilities: ArrayLike) -> NDArray[np.bool_]:
        """Return which classes belong to the set of each example.

        Args:
            probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.

        Returns:
            Whether each class belongs, ``[N, C]``.

        Raises:
            NotFittedError: If `fit` was not called.
            ValueError: If there are other than the C classes of `fit`.
        """
        if not hasattr(self, "quantile_"):
            # Imported here, as nothing else of the module needs scikit-learn.
            from sklearn.exceptions import NotFittedError

            raise NotFittedError(f"Call fit before predict of {type(self).__name__}.")
        mean = predictive(probabilities)
        if mean.shape[1] != self.num_classes_:
            raise ValueError(
                f"probabilities must have the {self.num_classes_} classes of fit, "
                f"got {mean.shape[1]}."
            )
        sets: NDArray[np.bool_] = self._scores(mean) <= self.quantile_
        return sets

    @abstractmethod
    def _scores(self, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        """Score of every class, ``[N, C]``."""

    def _penalties(self, num_classes: int) -> NDArray[np.float64]:
        """What is added to a score, in 0..1 without, at each rank, ``[C]``."""
        return np.zeros(num_classes)


class ConformalTHR(ConformalPredictor):
    """Sets of the classes above one threshold of probability: the smallest on average.

    Args:
        alpha: Promised share of sets without the true class, strictly between 0 and 1.
    """

    def _scores(self, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1 - mean


class ConformalAPS(ConformalPredictor):
    """Adaptive sets: the most probable classes up to one total of probability.

    Sets grow with the example's difficulty, and are larger than those of `ConformalTHR`
    on average.

    Args:
        alpha: Promised share of sets without the true class, strictly between 0 and 1.
        randomized: Whether the last class is left out at random, for a coverage of
            exactly the promise; without, sets are larger.
        seed: Of the random numbers, at least 0.
    """

    def __init__(
        self, alpha: float = 0.1, *, randomized: bool = True, seed: int = 0
    ) -> None:
        super().__init__(alpha)
        self.randomized = randomized
        self.seed = check_seed(seed)

    def _scores(self, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        order = np.argsort(-mean, axis=1, kind="stable")
        ranked = np.take_along_axis(mean, order, axis=1)
        # A sum may round to above 1, which the largest score must be.
        totals = np.minimum(ranked.cumsum(axis=1), 1.0)
        if self.randomized:
            totals -= _uniforms(mean, self.seed)[:, None] * ranked
        totals += self._penalties(mean.shape[1])
        scores: NDArray[np.float64] = np.empty_like(totals)
        np.put_along_axis(scores, order, totals, axis=1)
        return scores


class ConformalRAPS(ConformalAPS):
    """Regularised adaptive sets: as APS, but far-fetched classes cost extra.

    Args:
        alpha: Promised share of sets without the true class, strictly between 0 and 1.
        penalty: Added to the score for each rank beyond `k_reg`, at least 0.
        k_reg: Number of most probable classes without a penalty, at least 0; from C
            on the sets are those of `ConformalAPS`.
        randomized: Whether the last class is left out at random; see `ConformalAPS`.
        seed: Of the random numbers.
    """

    def __init__(
        self,
        alpha: float = 0.1,
        penalty: float = 0.01,
        k_reg: int = 5,
        *,
        randomized: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(alpha, randomized=randomized, seed=seed)
        if not is_number(penalty) or not 0 <= penalty < np.inf:
            raise ValueError(f"penalty must be finite and at least 0, got {penalty!r}.")
        self.penalty = float(penalty)
        self.k_reg = (
            0 if is_whole(k_reg) and k_reg == 0 else check_at_least_one(k_reg, "k_reg")
        )

    def _penalties(self, num_classes: int) -> NDArray[np.float64]:
        beyond = np.arange(1, num_classes + 1) - self.k_reg
        return self.penalty * np.maximum(beyond, 0)


def _quantile_rank(count: int, alpha: float) -> int:
    """Which of the sorted scores is the quantile, from 1; count + 1 if none is."""
    # The fraction that alpha is written as: 10 * (1 - 0.7) in floats is above 3, and
    # would ask for one score more.
    return ceil((count + 1) * (1 - Fraction(repr(alpha))))


def _uniforms(mean: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """A number in [0, 1) for each row, the same for equal rows and seeds, ``[N]``."""
    keys = np.random.default_rng(seed).integers(2**64, size=mean.shape[1], dtype="u8")
    # Sums modulo 2**64 of well-mixed bits of every entry.
    bits = _mixed(np.ascontiguousarray(mean).view(np.uint64) ^ keys).sum(axis=1)
    return (_mixed(bits) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014), in place."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits ^= bits >> np.uint64(shift)
        bits *= np.uint64(factor)
    bits ^= bits >> np.uint64(31)
    return bits
