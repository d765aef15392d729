"""Noisy K-FAC on linear models: its posterior, mean and draws against exact ones."""

import math

import pytest
import torch
from torch import nn

from tests.vogn_app.optim.networks import weights
from tests.vogn_app.optim.noisy import dense_precision, flat
from vogn_app import NoisyKFAC
from vogn_app.likelihoods import Gaussian

TEMPERATURES = pytest.mark.parametrize("tau", [0.1, 1.0, 3.0])

NOISE_VARIANCE, PRIOR, NUM = 0.25, 1.5, 12


def regression():
    x = torch.randn(NUM, 2)
    x[:, 1] += 0.5 * x[:, 0]
    return x, x @ torch.tensor([[1.0, -1.0], [0.5, 2.0]]) + torch.randn(NUM, 2)


def exact_posterior(x, y, tau, prior):
    """Mean and precision of a regression's tempered posterior, [out * (in + 1)]."""
    a = torch.cat((x, torch.ones(len(x), 1)), 1)
    precision = torch.kron(torch.eye(2), a.T @ a) / (NOISE_VARIANCE * tau)
    precision = precision + prior * torch.eye(6)
    evidence = (y.T @ a).flatten() / (NOISE_VARIANCE * tau)
    return torch.linalg.solve(precision, evidence), precision


def fit(x, y, tau, prior, num_steps, **settings):
    """A linear layer after steps of 1, 1/2, 1/3, ..."""
    model = nn.Linear(2, 2)
    optimizer = NoisyKFAC(
        model, num_data=len(x), momentum=0.0, prior_precision=prior, temperature=tau,
        curvature="exact", likelihood=Gaussian(NOISE_VARIANCE), kl_clip=None,
        **settings,
    )  # fmt: skip
    for step in range(num_steps):
        optimizer.param_groups[0]["lr"] = 1 / (step + 1)
        with optimizer.sampled_params(train=True):
            errors = (model(x) - y).square().sum(1).mean()
            (errors / (2 * NOISE_VARIANCE)).backward()
        optimizer.step()
    return model, optimizer


@TEMPERATURES
def test_the_exact_form_is_the_tempered_posterior(tau):
    """The Fisher matrix of a linear model is A x I / s: nothing is left out."""
    x, y = regression()
    _, precision = exact_posterior(x, y, tau, PRIOR)
    _, optimizer = fit(x, y, tau, PRIOR, 1, damping=0.0, inversion="eigen")
    got = dense_precision(optimizer.posterior())
    torch.testing.assert_close(got, precision, rtol=1e-9, atol=1e-9)


@TEMPERATURES
def test_the_matrix_gaussian_is_the_tempered_posterior_under_a_flat_prior(tau):
    x, y = regression()
    _, precision = exact_posterior(x, y, tau, 0.0)
    _, optimizer = fit(x, y, tau, 0.0, 1, damping=1e-16)
    got = dense_precision(optimizer.posterior())
    torch.testing.assert_close(got, precision, rtol=1e-6, atol=1e-6)


@TEMPERATURES
def test_the_matrix_gaussian_is_narrower_by_what_the_docstring_says(tau):
    x, y = regression()
    _, precision = exact_posterior(x, y, tau, PRIOR)
    _, optimizer = fit(x, y, tau, PRIOR, 1, damping=0.02)
    precision += NUM * 0.02 / tau * torch.eye(6)
    a = torch.cat((x, torch.ones(NUM, 1)), 1)
    a, g = a.T @ a / NUM, torch.eye(2) / NOISE_VARIANCE
    r = math.sqrt(0.02 + tau * PRIOR / NUM)
    pi = math.sqrt(a.trace() / 3 / (g.trace() / 2))
    extra = torch.kron(torch.eye(2), a) / pi + pi * torch.kron(g, torch.eye(3))
    got = dense_precision(optimizer.posterior())
    expected = precision + NUM / tau * r * extra
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)
    assert torch.linalg.eigvalsh(got - precision).min() > 0


FORMS = {
    "eigen": (PRIOR, {"damping": 0.0, "inversion": "eigen"}),
    "cholesky": (0.0, {"damping": 1e-16}),
}


@TEMPERATURES
@pytest.mark.parametrize("form", FORMS)
def test_the_mean_ends_at_the_posterior_mean(form, tau):
    """With C^-1 = N L / tau the error after T steps is that of an average.

    At w = mu + xi the step is mu - mu* + L^-1 F xi, and with rates 1 / t the error of
    the T-th mean is the mean of T - 1 draws of -L^-1 F xi (the first has none), each
    of covariance at most C. In units of C every coordinate has a deviation of at most
    1 / sqrt(T); six pass 5 of them by chance once in 3e5 seeds.
    """
    num_steps, (x, y), (prior, settings) = 400, regression(), FORMS[form]
    mean, precision = exact_posterior(x, y, tau, prior)
    model, _ = fit(x, y, tau, prior, num_steps, **settings)
    off = flat(weights(model)) - mean
    units = torch.linalg.cholesky(precision).T @ off
    assert units.abs().max() < 5 / math.sqrt(num_steps)
    assert units.abs().max() > 0


def test_without_noise_a_linear_model_is_solved_in_one_step():
    x, y = regression()
    mean, _ = exact_posterior(x, y, 1.0, PRIOR)
    model, _ = fit(x, y, 1.0, PRIOR, 1, damping=0.0, inversion="eigen")
    torch.testing.assert_close(flat(weights(model)), mean)


@pytest.mark.parametrize("inversion", ["cholesky", "eigen"])
def test_training_draws_have_the_covariance_of_the_posterior(inversion):
    """Whitened draws are standard normal; bounds as for `matrix_draws`.

    Of S draws of n = 6 numbers a mean has deviation 1 / sqrt(S), a second moment off
    the diagonal too, and on it sqrt(2 / S); 27 figures pass 5.5 of these by chance once
    in 1e6 seeds.
    """
    num_draws, (x, y) = 2000, regression()
    model, optimizer = fit(x, y, 0.5, PRIOR, 1, damping=0.01, inversion=inversion)
    mean, rows = flat(weights(model)), []
    for _ in range(num_draws):
        with optimizer.sampled_params():
            rows.append(flat(weights(model)) - mean)
    triangle = torch.linalg.cholesky(dense_precision(optimizer.posterior()))
    z = torch.stack(rows) @ triangle
    assert z.mean(0).abs().max() < 5.5 / math.sqrt(num_draws)
    error = z.T @ z / num_draws - torch.eye(6)
    assert error.diagonal().abs().max() < 5.5 * math.sqrt(2 / num_draws)
    assert error.fill_diagonal_(0).abs().max() < 5.5 / math.sqrt(num_draws)
