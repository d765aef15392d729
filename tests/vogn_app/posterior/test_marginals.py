"""The diagonal Gaussian of another posterior."""

import pytest
import torch

from vogn_app.posterior import LowRankPosterior
from vogn_app.posterior.marginals import marginals_of

from .examples import assert_same, convnet, posterior_of
from .mixture_examples import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_means_buffers_and_variances_are_the_same(kind):
    posterior = KINDS[kind](convnet)
    marginals = marginals_of(posterior)
    assert_same(marginals.mean, posterior.mean)
    assert_same(marginals.buffers, posterior.buffers)
    assert marginals.metadata == posterior.metadata
    variances = posterior.variances()
    for name, variance in marginals.variances().items():
        # Batch norms begin with the same weights everywhere; and none are lost.
        torch.testing.assert_close(variance, variances.pop(name))
    assert not any(variance.any() for variance in variances.values())


def test_those_of_a_gaussian_are_itself():
    posterior = posterior_of(convnet())
    marginals = marginals_of(posterior)
    assert marginals.prior_precision == posterior.prior_precision
    for name, precision in posterior.precision.items():
        torch.testing.assert_close(marginals.precision[name], precision)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_precision_is_infinite(dtype):
    variance = torch.tensor([0.0, 1.0, 1e-40], dtype=dtype)
    posterior = LowRankPosterior(
        mean={"a": torch.zeros(3, dtype=dtype), "b": torch.zeros(3, dtype=dtype)},
        variance={"a": variance, "b": torch.zeros_like(variance)},
    )
    precision = marginals_of(posterior).precision
    assert list(precision) == ["a"]
    assert precision["a"].isfinite().all()
    assert precision["a"][1] == 1
