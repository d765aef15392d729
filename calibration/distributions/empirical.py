"""A distribution that is known by draws alone.

*Papers*: Hyndman and Fan (1996), Am. Stat. 50:361, definition 6 (quantiles); Gneiting
and Raftery (2007), JASA 102:359, eq. 21 (the CRPS); Ferro (2014), QJRMS 140:1917 (what
few draws do to it).
"""

from typing import final

import numpy as np
from numpy.typing import ArrayLike

from calibration.distributions.base import (
    Floats,
    PredictiveDistribution,
    check_numbers,
    parts,
)


@final
class Empirical(PredictiveDistribution):
    """S draws from the predictive distribution of each example.

    One more draw falls between two neighbours of the S with probability 1/(S + 1), and
    as often below the smallest and above the largest. Quantiles follow that, so that a
    right model's intervals cover what they promise whatever S is; levels closer to 0 or
    1 than 1/(S + 1) end at the outermost draw. `cdf` is the inverse: 0 below all draws,
    1 above all, the middle one of equals.

    `crps` is that of the step function of the draws, E|X - y| - E|X - X'|/2 over all
    S^2 pairs, as other libraries have it: it grows with fewer draws, by E|X - X'|/(2S)
    on average. Compare models by it at the same S. There is no density: asking for one
    is an error.

    Args:
        draws: Values of the target, noise included, ``[S, N]``.

    Raises:
        ValueError: If the shape is another, or a number is not finite.
    """

    def __init__(self, draws: ArrayLike) -> None:
        self._draws = check_numbers(draws, 2, "draws")
        self.num_samples, self.num_examples = self._draws.shape

    def _mean(self) -> Floats:
        mean: Floats = self._draws.mean(axis=0, dtype=np.float64)
        return mean

    def _deviation(self) -> Floats:
        deviation: Floats = self._draws.std(axis=0, dtype=np.float64)
        return deviation

    def _log_density(self, targets: Floats) -> Floats:  # noqa: ARG002
        raise ValueError(
            "distribution must have a density, got draws (Empirical), which have none. "
            "Use crps, or each sample's mean and deviation as GaussianMixture."
        )

    def _cdf(self, targets: Floats) -> Floats:
        ranks = np.empty(self.num_examples)
        for part in parts(self.num_examples, self.num_samples):
            ranks[part] = _ranks(self._block(part), targets[part])
        probability: Floats = ranks / (self.num_samples + 1)
        return probability

    def _quantile(self, level: float) -> Floats:
        values = np.empty(self.num_examples)
        for part in parts(self.num_examples, self.num_samples):
            block = self._block(part).T
            values[part] = np.quantile(block, level, axis=1, method="weibull")
        return values

    def _crps(self, targets: Floats) -> Floats:
        scores = np.empty(self.num_examples)
        # In order, the k-th is the larger of k - 1 pairs and the smaller of S - k.
        weights = np.arange(1 - self.num_samples, self.num_samples, 2.0)
        for part in parts(self.num_examples, self.num_samples):
            errors = np.sort(self._block(part).T - targets[part, None], axis=1)
            half_spread = errors @ weights / self.num_samples**2
            scores[part] = np.abs(errors).mean(axis=1) - half_spread
        return np.maximum(scores, 0.0)

    def _block(self, part: slice) -> Floats:
        """Draws of a part of the examples, in float64."""
        return self._draws[:, part].astype(np.float64)


def _ranks(draws: Floats, targets: Floats) -> Floats:
    """Where targets stand among draws: at the k-th k, above it more, up to k + 1.

    Below all draws it is 0, above all S + 1, at equal draws the middle one of theirs.
    """
    below, upto = (draws < targets).sum(axis=0), (draws <= targets).sum(axis=0)
    before = np.where(draws < targets, draws, -np.inf).max(axis=0)
    after = np.where(draws > targets, draws, np.inf).min(axis=0)
    ranks = np.where(upto == 0, 0.0, len(draws) + 1.0)
    inside = (upto > 0) & (below < len(draws))
    # Where a draw equals the target, both sides are at hand, and the ratio unused.
    with np.errstate(invalid="ignore"):
        between = below + (targets - before) / (after - before)
    ties = (below + 1 + upto) / 2
    return np.where(inside, np.where(upto > below, ties, between), ranks)
