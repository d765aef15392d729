"""KL and ELBO against torch.distributions and exact Bayesian linear regression."""

import math
import re

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal
from torch.distributions import kl_divergence as torch_kl

from vogn_app.posterior import elbo, kl_divergence


def gaussian(mean, precision):
    return Independent(Normal(mean, precision.rsqrt()), mean.ndim)


def test_kl_equals_torch_distributions():
    mean, prior_mean = torch.randn(3, 4), torch.randn(3, 4)
    precision, prior = torch.rand(3, 4) + 0.1, torch.rand(3, 4) + 0.1
    expected = torch_kl(gaussian(mean, precision), gaussian(prior_mean, prior))
    got = kl_divergence(mean, precision, prior_mean, prior)
    torch.testing.assert_close(got, expected)


def test_kl_takes_numbers_for_the_prior():
    mean, precision = torch.randn(5), torch.rand(5) + 0.1
    expected = kl_divergence(mean, precision, torch.full((5,), 0.5), torch.tensor(3.0))
    assert kl_divergence(mean, precision, 0.5, 3.0) == expected


def test_kl_of_a_distribution_with_itself_is_zero():
    mean, precision = torch.randn(5), torch.rand(5) + 0.1
    assert kl_divergence(mean, precision, mean, precision) == 0


def test_kl_of_almost_equal_distributions_keeps_its_digits():
    ratio = 1 + 2.0**-30  # to second order the KL is (ratio - 1)^2 / 4
    got = kl_divergence(torch.zeros(1), torch.ones(1), 0.0, ratio)
    assert got.item() == pytest.approx(2.0**-62, rel=1e-6)


def test_kl_of_precisions_far_apart_is_finite():
    got = kl_divergence(torch.zeros(1), torch.full((1,), 1e10), 0.0, 1e-10)
    assert got.item() == pytest.approx((20 * math.log(10) - 1) / 2)


def test_kl_sums_half_precision_in_double():
    mean = torch.randn(100_000).to(torch.bfloat16)
    precision = (torch.rand(100_000) + 1).to(torch.bfloat16)
    got = kl_divergence(mean, precision, 0.0, 1.0)
    assert got.dtype == torch.float64
    assert got == kl_divergence(mean.double(), precision.double(), 0.0, 1.0)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
@pytest.mark.parametrize("name", ["precision", "prior_precision"])
def test_kl_names_a_precision_that_is_not_positive(name, value):
    wrong = {"precision": torch.ones(2), "prior_precision": torch.ones(2)}
    wrong[name] = torch.tensor([1.0, value])
    with pytest.raises(ValueError, match=rf"^{name} must be > 0, got {value:g}\.$"):
        kl_divergence(torch.zeros(2), prior_mean=0.0, **wrong)


def test_kl_names_shapes_that_do_not_fit():
    text = "precision must have the shape of mean, (2,), got (3,)."
    with pytest.raises(ValueError, match=re.escape(text)):
        kl_divergence(torch.zeros(2), torch.ones(3), 0.0, 1.0)
    text = "prior_mean must be a number or broadcastable to (2,), got shape (3,)."
    with pytest.raises(ValueError, match=re.escape(text)):
        kl_divergence(torch.zeros(2), torch.ones(2), torch.zeros(3), 1.0)


def expected_loss(x, y, mean, precision, variance):
    """Mean over examples of E_q[-log N(y | x w, variance)], exact."""
    fit = -Normal(x @ mean, math.sqrt(variance)).log_prob(y)
    return (fit + (x**2 / precision).sum(1) / (2 * variance)).mean()


def test_elbo_of_linear_regression_equals_torch_distributions():
    x, y, variance, delta, tau = torch.randn(20, 3), torch.randn(20), 0.7, 2.0, 0.3
    mean, precision = torch.randn(3), torch.rand(3) + 0.5
    likelihood = Normal(x @ mean, math.sqrt(variance)).log_prob(y).sum()
    likelihood -= (x**2 / precision).sum() / (2 * variance)
    prior = gaussian(torch.zeros(3), torch.full((3,), delta))
    expected = likelihood - tau * torch_kl(gaussian(mean, precision), prior)
    loss = expected_loss(x, y, mean, precision, variance)
    kl = kl_divergence(mean, precision, 0.0, delta)
    torch.testing.assert_close(elbo(loss, 20, kl, tau), expected)


def test_elbo_at_the_exact_posterior_is_the_log_marginal_likelihood():
    x, y, variance, delta = torch.randn(20, 1), torch.randn(20), 0.7, 2.0
    precision = (x**2).sum(0) / variance + delta
    mean = x.T @ y / variance / precision
    covariance = variance * torch.eye(20) + x @ x.T / delta
    evidence = MultivariateNormal(torch.zeros(20), covariance).log_prob(y)

    def bound(mean, precision):
        loss = expected_loss(x, y, mean, precision, variance)
        return elbo(loss, 20, kl_divergence(mean, precision, 0.0, delta))

    torch.testing.assert_close(bound(mean, precision), evidence)
    assert bound(mean + 0.1, precision) < evidence
    assert bound(mean, 1.1 * precision) < evidence


@pytest.mark.parametrize("name", ["num_data", "temperature"])
def test_elbo_names_what_is_out_of_range(name):
    arguments = {"num_data": 10, "temperature": 1.0, name: 0}
    text = f"{name} must be a finite number in (0, inf), got 0."
    with pytest.raises(ValueError, match=re.escape(text)):
        elbo(1.0, kl=1.0, **arguments)
