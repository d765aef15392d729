"""The marginal likelihood against exact answers and grids, and where it is largest."""

import math

import pytest
import torch

from vogn_app.optim.marginal_likelihood import (
    MAXIMUM,
    MINIMUM,
    best_prior_precision,
    determined,
    log_marginal_likelihood,
)


def regression(num=12, size=4, variance=0.3):
    """Inputs and targets of a linear regression, and the variance of its noise."""
    x = torch.randn(num, size)
    y = x @ torch.randn(size) + math.sqrt(variance) * torch.randn(num)
    return x, y, variance


def exact_evidence(x, y, variance, delta):
    """Log density of y ~ N(0, variance I + x x^T / delta)."""
    covariance = variance * torch.eye(len(y)) + x @ x.T / delta
    normal = torch.distributions.MultivariateNormal(torch.zeros(len(y)), covariance)
    return float(normal.log_prob(y))


def laplace_evidence(x, y, variance, delta):
    curvature = x.T @ x / variance
    size = curvature.shape[0]
    mode = torch.linalg.solve(curvature + delta * torch.eye(size), x.T @ y / variance)
    errors = y - x @ mode
    likelihood = -errors.square().sum() / (2 * variance)
    likelihood -= len(y) * math.log(2 * math.pi * variance) / 2
    values = torch.linalg.eigvalsh(curvature)
    return mode, values, float(likelihood)


@pytest.mark.parametrize("delta", [1e-3, 0.7, 40.0])
def test_it_is_exact_for_bayesian_linear_regression(delta):
    data = regression()
    mode, values, likelihood = laplace_evidence(*data, delta)
    found = log_marginal_likelihood(
        likelihood, float(mode.square().sum()), values, delta
    )
    assert found == pytest.approx(exact_evidence(*data, delta), rel=1e-10)


def test_alternating_with_the_mode_ends_where_the_evidence_is_largest():
    """The fixed point in delta and mode is a root of the exact evidence's slope."""
    data, delta = regression(), 1.0
    for _ in range(200):
        mode, values, _ = laplace_evidence(*data, delta)
        delta = best_prior_precision(float(mode.square().sum()), values)
    best = exact_evidence(*data, delta)
    around = [exact_evidence(*data, delta * f) for f in (0.5, 0.99, 1.01, 2.0)]
    assert all(best > other for other in around)
    step = 1e-4
    slope = exact_evidence(*data, delta * (1 + step))
    slope -= exact_evidence(*data, delta * (1 - step))
    assert abs(slope) < 1e-8


@pytest.mark.parametrize("seed", range(5))
def test_the_maximum_is_that_of_a_grid_and_mackays_fixed_point(seed):
    torch.manual_seed(seed)
    values = torch.rand(40) ** 8 * 10.0 ** torch.randint(-3, 7, ()).item()
    squares = 10.0 ** torch.randint(-4, 3, ()).item()
    best = best_prior_precision(squares, values)

    def height(delta):
        return log_marginal_likelihood(0.0, squares, values, delta)

    grid = torch.logspace(math.log10(MINIMUM), math.log10(MAXIMUM), 3001).tolist()
    assert height(best) >= max(map(height, grid))
    assert best == pytest.approx(determined(values, best) / squares, rel=1e-10)


def test_what_data_or_weights_do_not_bound_stays_within_limits():
    assert best_prior_precision(1.0, torch.zeros(3)) == MINIMUM
    assert best_prior_precision(0.0, torch.ones(3)) == MAXIMUM
    assert best_prior_precision(1.0, torch.ones(3), maximum=1e-2) == 1e-2
    assert best_prior_precision(1.0, 9 * torch.ones(3), minimum=50.0) == 50.0


def test_numbers_out_of_range_are_refused():
    values = torch.ones(2)
    with pytest.raises(ValueError, match=r"prior_precision must be .* got 0"):
        log_marginal_likelihood(0.0, 1.0, values, 0.0)
    with pytest.raises(ValueError, match=r"square_norm must be .* got -1"):
        best_prior_precision(-1.0, values)
    with pytest.raises(ValueError, match=r"maximum must be .*\[2, inf\), got 1"):
        best_prior_precision(1.0, values, minimum=2.0, maximum=1.0)
