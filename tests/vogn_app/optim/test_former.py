"""The posterior of a former task as the prior: `VOGN.set_prior`."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.networks import (
    assert_bitwise,
    batch,
    block,
    network,
    normed,
    weights,
)
from vogn_app import VOGN, GaussianPosterior
from vogn_app.optim import diagonal
from vogn_app.optim.former import pull_and_weights, with_prior

BOTH = pytest.mark.usefixtures("kernels_and_none")


def former(model, **named):
    """A posterior with a mean and a precision of its own for every weight."""
    mean = {n: torch.randn_like(p) for n, p in model.named_parameters()}
    precision = {n: 1 + 9 * torch.rand_like(p) for n, p in model.named_parameters()}
    buffers = {n: b.clone() for n, b in model.named_buffers()}
    posterior = {
        "mean": mean, "precision": precision, "buffers": buffers,
        "prior_precision": dict.fromkeys(mean, 1.0), **named,
    }  # fmt: skip
    posterior["prior_precision"] = dict.fromkeys(posterior["precision"], 1.0)
    return GaussianPosterior(**posterior)


# --- equations --------------------------------------------------------------------


class OneWeight(nn.Module):
    """Gives w * x, so that the gradient of its mean is the mean of x."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.linear.weight, 0.7)

    def forward(self, x):
        return self.linear(x)


@BOTH
@pytest.mark.parametrize("tau", [0.1, 1.0, 3.0])
def test_three_steps_follow_the_equations(tau):
    model, n, gamma, beta, decay, lr = OneWeight(), 40, 0.2, 0.8, 0.7, 0.05
    optimizer = VOGN(
        model, num_data=n, lr=lr, momentum=beta, curvature_decay=decay,
        initial_curvature=0.5, temperature=tau, damping=gamma, prior_precision=3.0,
    )  # fmt: skip
    centre, known = -0.4, 11.0
    optimizer.set_prior(
        former(
            model, mean={"linear.weight": torch.tensor([[centre]])},
            precision={"linear.weight": torch.tensor([[known]])},
        )
    )  # fmt: skip
    mu, s, m = 0.7, 0.5, 0.0
    for step in range(1, 4):
        precision = (n * (s + gamma) + tau * known) / tau
        (got,) = optimizer.posterior_precision().values()
        assert got.item() == pytest.approx(precision, rel=1e-12)
        with optimizer.sampled_params():  # the draws have that precision too
            off = model.linear.weight.item() - mu
        assert 0 < abs(off) * math.sqrt(precision) < 6
        x = torch.randn(5, 1)
        with optimizer.sampled_params(train=True):
            model(x).mean().backward()
        optimizer.step()
        pull = tau * known / n
        m = beta * m + (1 - beta) * (x.mean().item() + pull * (mu - centre))
        s = decay * s + (1 - decay) * x.square().mean().item()
        mu -= lr * m / (1 - beta**step) / (s + gamma + pull)
        assert model.linear.weight.item() == pytest.approx(mu, rel=1e-12)


@BOTH
@pytest.mark.parametrize("settings", [{}, {"damping": 0.3, "temperature": 0.2}])
def test_the_isotropic_prior_is_a_special_case(settings):
    torch.manual_seed(1)
    isotropic, model = network(), network()
    model.load_state_dict(isotropic.state_dict())
    delta, data = 7.0, [batch() for _ in range(5)]
    ours = VOGN(isotropic, num_data=20, prior_precision=delta, lr=0.1, **settings)
    theirs = VOGN(model, num_data=20, prior_precision=0.5, lr=0.1, **settings)
    zeros = {n: torch.zeros_like(p) for n, p in model.named_parameters()}
    deltas = {n: torch.full_like(p, delta) for n, p in model.named_parameters()}
    theirs.set_prior(former(model, mean=zeros, precision=deltas))
    for x, y in data:
        block(ours, x, y)
        block(theirs, x, y)
        ours.step()
        theirs.step()
    for name, weight in weights(isotropic).items():
        torch.testing.assert_close(weights(model)[name], weight, rtol=1e-9, atol=1e-12)
    found = theirs.posterior_precision()
    for name, precision in ours.posterior_precision().items():
        torch.testing.assert_close(found[name], precision, rtol=1e-9, atol=0)


def test_the_parts_of_the_equations():
    curvature, precision = torch.rand(4), torch.rand(4)
    torch.testing.assert_close(
        5.0 * with_prior(curvature, precision, 5.0), 5.0 * curvature + precision
    )
    mean, centre = torch.rand(4), torch.rand(4)
    (pull,), (weight,) = pull_and_weights([mean], [(centre, precision)], 0.3)
    torch.testing.assert_close(weight, 0.3 * precision)
    torch.testing.assert_close(pull, 0.3 * precision * (mean - centre))


# --- known answers: linear regression in two halves -------------------------------

VARIANCE, DELTA = 0.25, 1.5


class Signs:
    """Gaussian likelihood whose drawn labels are one deviation off: x^2 is exact."""

    def draw(self, outputs, generator):
        signs = torch.rand(outputs.shape, generator=generator) < 0.5
        return outputs + math.sqrt(VARIANCE) * torch.where(signs, 1.0, -1.0)

    def loss(self, outputs, labels):
        return (outputs - labels).square().sum() / (2 * VARIANCE * len(outputs))


def half(rows, weight):
    """Inputs of which each has one feature that is not 0: a diagonal design."""
    features = torch.arange(rows) % weight.numel()
    x = F.one_hot(features, weight.numel()) * (0.5 + torch.rand(rows, 1))
    return x, x @ weight + VARIANCE**0.5 * torch.randn(rows)


def learn(model, x, y, prior=None, steps=80, **settings):
    settings = {"lr": 0.5, "curvature_decay": 0.5, **settings}
    optimizer = VOGN(
        model, num_data=len(x), initial_curvature=1.0, momentum=0.0, damping=0.0,
        prior_precision=DELTA, curvature="fisher", likelihood=Signs(), **settings,
    )  # fmt: skip
    optimizer.set_prior(prior)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = settings["lr"] * 0.98 ** max(0, step - 80)
        with optimizer.sampled_params(train=True):
            errors = (model(x) - y[:, None]).square().sum(1).mean()
            (errors / (2 * VARIANCE)).backward()
        optimizer.step()
    return optimizer


def joint(halves):
    """Mean and precision of the posterior of all data at once."""
    x, y = (torch.cat(parts) for parts in zip(*halves, strict=True))
    precision = x.square().sum(0) / VARIANCE + DELTA
    return x.T @ y / VARIANCE / precision, precision


@pytest.mark.parametrize("sampled", [True, False])
def test_two_halves_of_a_regression_give_the_posterior_of_the_whole(
    monkeypatch, sampled
):
    """At the mean, without the noise of draws: exact to rounding."""
    monkeypatch.setattr(diagonal, "perturb", lambda *_: lambda: None)
    halves = [half(12, torch.tensor([1.0, -2.0, 0.5])) for _ in range(2)]
    model = nn.Linear(3, 1, bias=False)
    first = learn(model, *halves[0]).posterior()
    (mean, precision), alone = joint(halves), joint(halves[:1])
    torch.testing.assert_close(
        first.precision["weight"][0], alone[1], rtol=1e-9, atol=0
    )
    second = learn(model, *halves[1], prior=first, sampled=sampled)
    torch.testing.assert_close(model.weight[0], mean, rtol=1e-9, atol=1e-12)
    if sampled:
        found = second.posterior().precision["weight"][0]
        torch.testing.assert_close(found, precision, rtol=1e-9, atol=0)
    else:
        assert second.posterior().precision == {}


def test_two_halves_with_the_noise_of_draws():
    """Replicas, the rows of a layer, end around the answer: within six errors."""
    replicas, halves = 400, [half(9, torch.tensor([1.0, -2.0])) for _ in range(2)]
    model = nn.Linear(2, replicas, bias=False)
    prior = learn(model, *halves[0], steps=240, lr=0.2).posterior()
    second = learn(model, *halves[1], prior=prior, steps=240, lr=0.2)
    mean, precision = joint(halves)
    found = second.posterior_precision()["weight"]
    # Signs make squares exact, whatever the draw.
    torch.testing.assert_close(found, precision.expand_as(found), rtol=1e-9, atol=0)
    error = model.weight.std(0) / math.sqrt(replicas)
    assert ((model.weight.mean(0) - mean).abs() < 6 * error).all()
    assert (6 * error * precision.sqrt() < 0.1).all()  # a tenth of a deviation


# --- what a posterior says of it --------------------------------------------------


def test_the_posterior_claims_no_isotropic_prior():
    model = network()
    optimizer = VOGN(model, num_data=20, prior_precision=3.0)
    assert "prior" not in optimizer.posterior().metadata
    optimizer.set_prior(former(model))
    posterior = optimizer.posterior()
    assert set(posterior.prior_precision.values()) == {0.0}
    assert posterior.metadata["prior"] == "a former posterior"
    assert {row.kl for row in posterior.summary()} == {None}
    with pytest.raises(ValueError, match="prior_precision must be > 0 for a KL"):
        posterior.kl_divergence()
    optimizer.set_prior(None)
    assert set(optimizer.posterior().prior_precision.values()) == {3.0}


def test_what_the_posterior_has_no_precision_of_keeps_its_prior():
    model = normed()
    optimizer = VOGN(model, num_data=20, prior_precision=3.0)
    prior = former(model)
    del prior.precision["0.weight"], prior.prior_precision["0.weight"]
    optimizer.set_prior(prior)
    priors = optimizer.posterior().prior_precision
    assert priors["0.weight"] == 3.0
    assert priors["2.weight"] == 0.0
    known = optimizer.posterior_precision()["0.weight"]
    curvature = optimizer.state[model[0].weight]["curvature"]
    scale = 20 * (curvature + optimizer.param_groups[0]["damping"])
    torch.testing.assert_close(known, scale + 3.0)
    block(optimizer, *batch())
    optimizer.step()


@pytest.mark.parametrize("batch_norm", ["deterministic", "sampled"])
def test_batch_norm_without_a_prior_takes_none(batch_norm):
    """A posterior may have a precision of it: of an optimizer that sampled it."""
    model = normed()
    optimizer = VOGN(model, num_data=20, batch_norm=batch_norm)
    optimizer.set_prior(former(model))
    held = ["prior_mean" in optimizer.state[p] for p in model[1].parameters()]
    assert held == [batch_norm == "sampled"] * 2
    assert "prior_mean" in optimizer.state[model[0].weight]


def test_it_is_a_copy():
    model = network()
    prior = former(model)
    before = {n: t.clone() for n, t in prior.mean.items()}
    optimizer = VOGN(model, num_data=20)
    optimizer.set_prior(prior)
    for tensor in prior.precision.values():
        tensor.zero_()
    assert optimizer.state[model[0].weight]["prior_precision"].min() >= 1
    block(optimizer, *batch())
    optimizer.step()
    assert_bitwise(prior.mean, before)


# --- states, copies, groups -------------------------------------------------------


@BOTH
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_saving_and_loading_half_way_changes_nothing(tmp_path, dtype):
    data = [(x.to(dtype), y) for x, y in (batch() for _ in range(4))]
    straight = network().to(dtype)
    broken, resumed = copy.deepcopy(straight), network().to(dtype)
    prior = former(network())

    def train(optimizer, batches):
        for x, y in batches:
            block(optimizer, x, y)
            optimizer.step()

    ours, first = (VOGN(m, num_data=20, seed=3) for m in (straight, broken))
    for optimizer in (ours, first):
        optimizer.set_prior(prior)
    train(ours, data)
    train(first, data[:2])
    torch.save([broken.state_dict(), first.state_dict()], tmp_path / "state.pt")
    second = VOGN(resumed, num_data=20, seed=4)
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    for each, state in zip((resumed, second), saved, strict=True):
        each.load_state_dict(state)
    train(second, data[2:])
    assert_bitwise(weights(resumed), weights(straight))
    assert_bitwise(second.posterior_precision(), ours.posterior_precision())


def test_a_copy_has_the_prior_and_goes_its_own_way():
    model, data = network(), batch()
    optimizer = VOGN(model, num_data=20)
    optimizer.set_prior(former(model))
    twin, copied = copy.deepcopy((model, optimizer))
    for each in (optimizer, copied):
        block(each, *data)
        each.step()
    assert_bitwise(weights(twin), weights(model))
    optimizer.set_prior(None)
    assert "prior_mean" in copied.state[twin[0].weight]


def test_groups_that_are_added_have_the_isotropic_prior():
    model = network()
    optimizer = VOGN(model, num_data=20, params=model[0].parameters())
    prior = former(model)
    optimizer.set_prior(prior)
    optimizer.add_param_group({"params": model[2].parameters(), "prior_precision": 2.0})
    assert optimizer.posterior().prior_precision["2.weight"] == 2.0
    assert optimizer.posterior().prior_precision["0.weight"] == 0.0
    optimizer.set_prior(prior)
    assert optimizer.posterior().prior_precision["2.weight"] == 0.0


def test_names_are_those_within_wrappers():
    model = network()
    optimizer = VOGN(nn.DataParallel(model), num_data=20)
    prior = former(model)
    optimizer.set_prior(prior)
    held = optimizer.state[model[0].weight]["prior_mean"]
    assert torch.equal(held, prior.mean["0.weight"])


@pytest.mark.parametrize("given", [True, False])
def test_ranks_compare_their_states_anew(given):
    """Others may have been given another prior, or none."""
    model = network()
    optimizer = VOGN(model, num_data=20)
    optimizer._alike = True  # as after a block with others
    optimizer.set_prior(former(model) if given else None)
    assert not optimizer._alike


# --- mistakes ---------------------------------------------------------------------


def test_a_prior_that_does_not_fit_is_refused():
    model = network()
    optimizer = VOGN(model, num_data=20)
    for prior, told in (
        ({}, "posterior must be a GaussianPosterior, got dict."),
        (former(normed()), "posterior must name parameters of the model, got 1.weight"),
        (former(nn.Linear(3, 4)), "posterior must name parameters of the model"),
        (
            former(nn.Sequential(nn.Linear(3, 5))),
            r"posterior must have 0.weight of shape \(4, 3\), got \(5, 3\).",
        ),
    ):
        with pytest.raises(ValueError, match=told):
            optimizer.set_prior(prior)
    assert not optimizer.state
    with (
        optimizer.sampled_params(),
        pytest.raises(RuntimeError, match="set_prior must be called outside"),
    ):
        optimizer.set_prior(None)


def test_a_state_of_another_shape_is_refused():
    model = network()
    optimizer = VOGN(model, num_data=20)
    optimizer.set_prior(former(model))
    state = copy.deepcopy(optimizer.state_dict())
    state["state"][0]["prior_mean"] = torch.zeros(2)
    with pytest.raises(ValueError, match="prior_mean must have shape"):
        optimizer.load_state_dict(state)
