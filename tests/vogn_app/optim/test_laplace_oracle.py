"""The same posterior precision and marginal likelihood as `laplace-torch` has."""

import warnings

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tests.vogn_app.optim.noisy import dense_precision
from vogn_app import Gaussian, Laplace

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what it imports
    peer = pytest.importorskip("laplace", exc_type=ImportError)

STRUCTURES = {"kronecker": "kron", "diagonal": "diag", "full": "full"}
DELTA = 0.7


def network(outputs, bias):
    return nn.Sequential(
        nn.Linear(3, 4, bias=bias), nn.Tanh(), nn.Linear(4, outputs, bias=bias)
    )


def theirs(model, data, likelihood, subset, structure, **settings):
    loader = DataLoader(TensorDataset(*data), batch_size=len(data[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = peer.Laplace(
            model, likelihood, subset_of_weights=subset,
            hessian_structure=STRUCTURES[structure], prior_precision=DELTA, **settings,
        )  # fmt: skip
        found.fit(loader)
    return found


def ours(model, data, subset, structure, **settings):
    found = Laplace(
        model, num_data=len(data[0]), subset=subset, structure=structure,
        prior_choice="fixed", prior_precision=DELTA, **settings,
    )  # fmt: skip
    found.finish(lambda: [data])
    return found


def check_evidence(mine, other):
    for delta in (3.0, DELTA):  # theirs keeps the last
        wanted = other.log_marginal_likelihood(prior_precision=torch.tensor(delta))
        assert mine.log_marginal_likelihood(delta) == pytest.approx(
            float(wanted), rel=1e-10
        )


# They take weight and bias of a Kronecker layer for independent; ours are one block.
@pytest.mark.parametrize(
    ("subset", "structure", "bias"),
    [
        ("all", "diagonal", True),
        ("last_layer", "diagonal", True),
        ("last_layer", "full", True),
        ("all", "kronecker", False),
        ("last_layer", "kronecker", False),
    ],
)
def test_classification(subset, structure, bias):
    model = network(3, bias)
    data = torch.randn(20, 3), torch.randint(3, (20,))
    mine = ours(model, data, subset, structure)
    other = theirs(model, data, "classification", subset, structure)
    check_evidence(mine, other)
    posterior, wanted = mine.posterior(), other.posterior_precision
    if structure == "diagonal":
        found = torch.cat([p.flatten() for p in posterior.precision.values()])
        torch.testing.assert_close(found, wanted)
    elif subset == "last_layer":
        found = dense_precision(posterior)
        # Their weights come first and then the biases; our bias is the last column, or
        # with "full" in their order too.
        wanted = wanted.to_matrix() if structure == "kronecker" else wanted
        torch.testing.assert_close(found, wanted)
    else:
        covariance = wanted.to_matrix().inverse().diagonal()
        variances = posterior.marginals().precision.values()
        found = torch.cat([1 / p.flatten() for p in variances])
        torch.testing.assert_close(found, covariance)


@pytest.mark.parametrize("structure", ["kronecker", "diagonal", "full"])
def test_regression(structure):
    model, variance = network(2, bias=False), 0.4
    data = torch.randn(20, 3), torch.randn(20, 2)
    likelihood = Gaussian(variance)
    mine = ours(model, data, "last_layer", structure, likelihood=likelihood)
    other = theirs(
        model, data, "regression", "last_layer", structure, sigma_noise=variance**0.5
    )
    check_evidence(mine, other)


def test_a_cold_posterior_of_classes():
    model = network(3, bias=True)
    data = torch.randn(20, 3), torch.randint(3, (20,))
    mine = ours(model, data, "last_layer", "full", temperature=0.2)
    other = theirs(model, data, "classification", "last_layer", "full", temperature=0.2)
    check_evidence(mine, other)
    torch.testing.assert_close(
        dense_precision(mine.posterior()), other.posterior_precision
    )
