"""Where VOGN ends, against answers that are known or found by other means.

Every case trains many replicas at once: the rows of a linear layer, which see the same
data and share nothing else, since q is diagonal and noise and labels are drawn for each
alone. So the average of their ends has an error that the replicas themselves tell:
their spread over the root of their number. Means and precisions must lie within six of
these errors and a share for what is left of three biases:

    start      curvature_decay^NUM_STEPS = 1e-4 of it is left
    mean       it moves about with a variance of lr / 2 = 0.2 % of the posterior's at
               the last lr, which widens the weights at which h is taken
    curvature  it moves about by 5 to 10 %, together with the gradients that it divides,
               and E[1 / P] exceeds 1 / E[P] by the square of that

The last two, at most 1 % together in the variance of the weights, matter where h
depends on the weights. `BIAS` allows 1 % in the precision, and a hundredth of a
posterior deviation in the mean; with other seeds up to 0.8 % were seen.
"""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.helpers.closed_form import (
    best_gaussian,
    integrate_gaussian,
    solve_fixed_point,
)
from vogn_app import VOGN
from vogn_app.likelihoods import Bernoulli, Gaussian

REPLICAS, NUM_STEPS, BIAS, ERRORS = 1000, 600, 0.01, 6
FIRST_LR, LAST_LR = 0.4, 0.004
NOISE_VARIANCE, PRIOR = 0.25, 1.5
TEMPERATURES = pytest.mark.parametrize("tau", [0.1, 1.0, 3.0])


def train(num_inputs, num_data, loss_of, tau, curvature, likelihood):
    """Means and precisions [REPLICAS, num_inputs] at the end."""
    model = nn.Linear(num_inputs, REPLICAS, bias=False)
    nn.init.zeros_(model.weight)
    optimizer = VOGN(
        model, num_data=num_data, lr=FIRST_LR, curvature_decay=0.985, damping=0.0,
        initial_curvature=2.0, prior_precision=PRIOR, temperature=tau,
        curvature=curvature, likelihood=likelihood,
    )  # fmt: skip
    for step in range(NUM_STEPS):
        share = step / (NUM_STEPS - 1)
        optimizer.param_groups[0]["lr"] = FIRST_LR * (LAST_LR / FIRST_LR) ** share
        with optimizer.sampled_params(train=True):
            loss_of(model).backward()
        optimizer.step()
    return model.weight.detach(), optimizer.posterior_precision()["weight"]


def assert_there(means, precisions, mean, precision):
    """The averages over replicas are the answer, up to errors that are small."""
    deviation = precision**-0.5
    for got, truth, unit in (
        (means, mean, deviation),
        (precisions, precision, precision),
    ):
        error = got.std(0) / math.sqrt(REPLICAS) / unit
        assert error.max() < BIAS / 2  # else the test could not tell much
        off = (got.mean(0) - truth).abs() / unit
        assert (off < BIAS + ERRORS * error).all(), f"{off} with errors of {error}"


# --- linear regression ------------------------------------------------------------


def regression(num_inputs, num=10):
    """Correlated inputs, and targets whose errors grow with the first of them."""
    x = torch.randn(num, num_inputs)
    x[:, 1:] += 0.5 * x[:, :1]
    errors = 0.8 * x[:, 0] * torch.randn(num)
    return x, x @ torch.linspace(1, -1, num_inputs) + errors


def squared_error(model, x, y):
    """Loss of every replica: the sum over their outputs."""
    errors = (model(x) - y[:, None]).square().sum(1).mean()
    return errors / (2 * NOISE_VARIANCE)


def exact_posterior(x, y, tau):
    """Mean and precision matrix of the tempered posterior."""
    precision = x.T @ x / (NOISE_VARIANCE * tau) + PRIOR * torch.eye(x.shape[1])
    return torch.linalg.solve(precision, x.T @ y / (NOISE_VARIANCE * tau)), precision


def self_consistent_precision(x, y, mean, tau):
    """The P with P = N E_q[mean_i g_i^2] / tau + delta; g_i = x_i (x_i w - y_i) / s."""

    def improve(precision):
        squares = (x @ mean - y).square() + x.square() @ (1 / precision)  # E of errors'
        total = x.square().T @ squares / NOISE_VARIANCE**2
        return precision + 0.3 * (total / tau + PRIOR - precision)

    return solve_fixed_point(improve, torch.full_like(mean, 10.0))


@TEMPERATURES
@pytest.mark.parametrize("num_inputs", [1, 3])
def test_fisher_curvature_ends_at_the_best_gaussian_of_a_regression(num_inputs, tau):
    """The best diagonal q has the exact mean and the diagonal of the exact precision.

    Neither label noise nor the moving mean biases anything here: h does not depend on
    the weights, and g is linear in them.
    """
    x, y = regression(num_inputs)
    mean, precision = exact_posterior(x, y, tau)
    got = train(
        num_inputs, len(x), lambda model: squared_error(model, x, y), tau, "fisher",
        Gaussian(NOISE_VARIANCE),
    )  # fmt: skip
    assert_there(*got, mean, precision.diagonal())


@TEMPERATURES
@pytest.mark.parametrize("num_inputs", [1, 3])
def test_empirical_curvature_ends_where_it_agrees_with_itself(num_inputs, tau):
    x, y = regression(num_inputs)
    mean, matrix = exact_posterior(x, y, tau)  # g is linear, so the mean is the same
    precision = self_consistent_precision(x, y, mean, tau)
    got = train(
        num_inputs, len(x), lambda model: squared_error(model, x, y), tau, "empirical",
        "categorical",
    )  # fmt: skip
    assert_there(*got, mean, precision)
    # The residuals show: it is not the best Gaussian.
    assert (precision / matrix.diagonal() - 1).abs().max() > 0.05


# --- logistic regression ----------------------------------------------------------


class Replicated:
    """Yes or no for every replica, their losses added instead of averaged."""

    draw = Bernoulli().draw

    def loss(self, outputs, labels):
        return yes_or_no(outputs, labels)


def yes_or_no(outputs, labels):
    loss = F.binary_cross_entropy_with_logits(outputs, labels, reduction="sum")
    return loss / len(outputs)


def classification():
    x = torch.linspace(-2, 2, 12)[:, None]
    return x, (x[:, 0] + 0.8 * torch.sin(9 * x[:, 0]) > -0.3).double()


def solve_logistic(x, y, tau, squares):
    """The mean and precision at which E_q[g] and E_q[h] agree with q.

    Args:
        x: Inputs [N, 1].
        y: Labels [N].
        tau: Temperature.
        squares: h as a function of probabilities [W, N] and labels, before x^2.

    Returns:
        Two numbers.
    """
    num = len(x)

    def expected(function, q):
        def of(w):
            return function((w[:, None] * x[:, 0]).sigmoid()).mean(1)

        return integrate_gaussian(of, q[0], 1 / q[1]).item()

    def improve(q):
        g = expected(lambda p: (p - y) * x[:, 0], q)
        h = expected(lambda p: squares(p, y) * x[:, 0].square(), q)
        target = num * h / tau + PRIOR
        mean = q[0] - 0.3 * (num * g / tau + PRIOR * q[0]) / target
        return mean, q[1] + 0.3 * (target - q[1])

    return solve_fixed_point(improve, (0.5, 5.0), steps=150)


SQUARES = {
    "fisher": lambda p, y: p * (1 - p),
    "empirical": lambda p, y: (p - y).square(),
}


@TEMPERATURES
@pytest.mark.parametrize("curvature", SQUARES)
def test_logistic_regression_ends_where_quadrature_says(curvature, tau):
    x, y = classification()
    mean, precision = solve_logistic(x, y, tau, SQUARES[curvature])
    labels = y[:, None].expand(-1, REPLICAS)
    means, precisions = train(
        1, len(x), lambda model: yes_or_no(model(x), labels), tau, curvature,
        Replicated(),
    )  # fmt: skip
    assert_there(means, precisions, torch.tensor([mean]), torch.tensor([precision]))


@TEMPERATURES
def test_fisher_curvatures_end_is_the_best_gaussian_of_a_logistic_regression(tau):
    """The objective itself, minimised without gradients of the loss or squares."""
    x, y = classification()

    def loss(w):
        logits = w[:, None] * x[:, 0]
        return F.binary_cross_entropy_with_logits(
            logits, y.expand_as(logits), reduction="none"
        ).mean(1)

    best = best_gaussian(loss, len(x), PRIOR, tau, (0.5, 5.0))
    assert solve_logistic(x, y, tau, SQUARES["fisher"]) == pytest.approx(best, rel=1e-6)
    other = solve_logistic(x, y, tau, SQUARES["empirical"])
    assert other[1] != pytest.approx(best[1], rel=0.05)
