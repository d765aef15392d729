"""Labels drawn from the model, and gone through: statistics, seeds, likelihoods."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.natural import close, gradients_of, natural_of
from vogn_app import Gaussian, KroneckerPreconditioner

N = 7


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))


def stepped(model, x, made):
    """The statistics of another step, without any movement."""
    model.zero_grad()
    model(x).sum().backward()
    made.natural_gradients()
    return {key: m.matrix()[0] for key, m in made.factors().items()}


@pytest.mark.parametrize("likelihood", ["categorical", "bernoulli", Gaussian(0.5)])
def test_drawn_labels_have_the_exact_statistics_as_their_mean(likelihood):
    model = network()
    x = torch.randn(4, 3)
    settings = {"factor_decay": 0.0, "factor_interval": 1, "likelihood": likelihood}
    drawn = KroneckerPreconditioner(model, curvature="fisher", **settings)
    exact = KroneckerPreconditioner(model, curvature="exact", **settings)
    every = [stepped(model, x, drawn) for _ in range(150)]
    expected = stepped(model, x, exact)
    for key, truth in expected.items():
        draws = torch.stack([each[key] for each in every])
        if key[1] == "inputs":
            close(draws, truth.expand_as(draws))
            continue
        # The error of the mean has the variance of a draw over their number.
        deviation = draws.std(0).square().sum().sqrt() / len(every) ** 0.5
        error = (draws.mean(0) - truth).norm()
        assert error < 4 * deviation
        assert deviation < 0.3 * truth.norm()


def test_labels_follow_from_the_seed_and_the_step():
    model = network()
    x = torch.randn(4, 3)

    def draws(seed):
        made = KroneckerPreconditioner(
            model, curvature="fisher", factor_decay=0.0, factor_interval=1, seed=seed
        )
        return [stepped(model, x, made)["2", "outputs"] for _ in range(3)]

    state = torch.get_rng_state()
    first, again, other = draws(0), draws(0), draws(1)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    different = [*first, *other]
    assert len({tuple(g.flatten().tolist()) for g in different}) == 6


def test_the_gradient_is_that_of_the_data_whatever_labels_are_drawn():
    model, x, y = network(), torch.randn(N, 3), torch.randint(3, (N,))
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    run()
    expected = gradients_of(model)
    for curvature in ("empirical", "fisher", "exact"):
        _, gradients, _ = natural_of(model, run, curvature=curvature)
        close(gradients, expected)


class OwnLikelihood:
    def draw(self, outputs, generator):
        return outputs.argmax(1)

    def loss(self, outputs, labels):
        return F.cross_entropy(outputs, labels)


def test_a_likelihood_of_one_s_own_can_be_drawn_from_but_not_gone_through():
    model, x = nn.Linear(3, 3), torch.randn(N, 3)
    labels = model(x).argmax(1)
    options = {"factor_interval": 1, "factor_decay": 0.0}
    drawn = KroneckerPreconditioner(
        model, curvature="fisher", likelihood=OwnLikelihood(), **options
    )
    run = lambda: F.cross_entropy(model(x), labels).backward()  # noqa: E731
    *_, empirical = natural_of(model, run)
    got = stepped(model, x, drawn)
    close(got, {k: m.matrix()[0] for k, m in empirical.factors().items()})
    with pytest.raises(ValueError, match=r"^likelihood must have the method square_r"):
        KroneckerPreconditioner(model, curvature="exact", likelihood=OwnLikelihood())
