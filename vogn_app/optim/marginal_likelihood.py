"""Laplace's approximation of the marginal likelihood, and the prior that maximises it.

Papers: MacKay (1992), "A Practical Bayesian Framework for Backpropagation Networks";
Daxberger et al. (2021), "Laplace Redux", arXiv:2106.14806, section 3.

Symbols:
    D       data                             w     weights; P of them
    L       log p(D | w) at the mode         S     |w|^2 at the mode
    lambda  eigenvalues of minus the second derivative of log p(D | w), P of them, >= 0
    delta   precision of the prior N(0, I / delta)
    gamma   sum_i lambda_i / (lambda_i + delta), weights that the data determine

    log p(D) = L - (delta / 2) S + (P / 2) log delta - 1/2 sum_i log(lambda_i + delta)

With l = log delta its first and second derivatives are

    (gamma - delta S) / 2    and    -(sum_i lambda_i delta / (lambda_i + delta)^2 +
                                      delta S) / 2,

of which the second is negative: there is one maximum, where delta = gamma / S, which is
MacKay's fixed point. His iteration may creep or overshoot; here Newton's method in l is
used, kept within a bracket that shrinks around the root, so that it cannot fail.

Where several blocks have a prior precision each, all sums fall apart into theirs, and
each is found by itself.
"""

from math import exp, log

import torch
from torch import Tensor

from .._checks import check_number, check_positive

# A mode of zeros has its best prior at infinity, data that say nothing at zero.
MINIMUM, MAXIMUM = 1e-6, 1e9
_ITERATIONS = 200  # of which halving alone would need 60 for all digits
_CLOSE = 1e-14  # relative change of delta that ends the search


def log_marginal_likelihood(
    log_likelihood: float,
    square_norm: float,
    eigenvalues: Tensor,
    prior_precision: float,
) -> float:
    """Laplace's approximation of log p(D), exact where log p(D | w) is quadratic.

    Args:
        log_likelihood: L.
        square_norm: S >= 0.
        eigenvalues: lambda >= 0 [P].
        prior_precision: delta > 0.

    Returns:
        log p(D) in nats.

    Raises:
        ValueError: If delta is not > 0.
    """
    delta = check_positive("prior_precision", prior_precision)
    return log_likelihood - occam(square_norm, eigenvalues, delta)


def occam(square_norm: float, eigenvalues: Tensor, prior_precision: float) -> float:
    """What the marginal likelihood takes off the likelihood: L - log p(D).

    Args:
        square_norm: S.
        eigenvalues: lambda [P].
        prior_precision: delta.

    Returns:
        (delta S + sum_i log(1 + lambda_i / delta)) / 2, >= 0.
    """
    determinant = float(torch.log1p(eigenvalues.double() / prior_precision).sum())
    return (prior_precision * square_norm + determinant) / 2


def best_prior_precision(
    square_norm: float,
    eigenvalues: Tensor,
    *,
    minimum: float = MINIMUM,
    maximum: float = MAXIMUM,
) -> float:
    """The prior precision that maximises `log_marginal_likelihood`.

    Args:
        square_norm: S >= 0.
        eigenvalues: lambda >= 0 [P].
        minimum: Smallest precision to give, > 0.
        maximum: Largest.

    Returns:
        delta, the only maximum, or the bound that is nearest to it.

    Raises:
        ValueError: If an argument is out of range.
    """
    total = check_number("square_norm", square_norm, minimum=0)
    low = log(check_positive("minimum", minimum))
    high = log(check_number("maximum", maximum, minimum=minimum))
    values = eigenvalues.double()
    if _derivatives(total, values, low)[0] <= 0:
        return minimum
    if _derivatives(total, values, high)[0] >= 0:
        return maximum
    place = (low + high) / 2
    for _ in range(_ITERATIONS):
        slope, bend = _derivatives(total, values, place)
        low, high = (place, high) if slope > 0 else (low, place)
        newton = place - slope / bend if bend < 0 else low
        after = newton if low < newton < high else (low + high) / 2
        if abs(after - place) <= _CLOSE:
            return exp(after)
        place = after
    return exp(place)


def determined(eigenvalues: Tensor, prior_precision: float) -> float:
    """gamma, the number of weights that the data determine, in [0, P]."""
    values = eigenvalues.double()
    return float((values / (values + prior_precision)).sum())


def _derivatives(
    square_norm: float, eigenvalues: Tensor, log_precision: float
) -> tuple[float, float]:
    """Twice the first and second derivative with respect to log delta."""
    delta = exp(log_precision)
    shares = eigenvalues / (eigenvalues + delta)
    sums = torch.stack((shares.sum(), (shares * (1 - shares)).sum())).tolist()
    pull = delta * square_norm
    return sums[0] - pull, -(sums[1] + pull)
