"""The Laplace optimizer: AdamW, then a posterior; arguments, states, exact answers."""

import copy
import doctest
import io
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.helpers.closed_form import example_gradients
from tests.vogn_app.optim.networks import assert_bitwise, batch, normed, weights
from tests.vogn_app.optim.noisy import dense_precision, flat
from vogn_app import Gaussian, GaussianPosterior, Laplace, MatrixGaussianPosterior
from vogn_app.optim import laplace


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def train(optimizer, num_steps=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(num_steps):
        x = torch.randn(6, 3, generator=generator)
        y = torch.randint(2, (6,), generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(optimizer.network(x), y).backward()
        optimizer.step()


def fitted(model=None, num=6, **settings):
    """A Laplace optimizer that was finished on one batch."""
    model = network() if model is None else model
    optimizer = Laplace(model, num_data=num, **settings)
    data = batch(num)
    optimizer.finish(lambda: [data])
    return optimizer, data


def saved(state):
    """A state as it is after a file."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def test_the_example_runs():
    torch.set_default_dtype(torch.float32)
    names = {"torch": torch, "nn": nn, "Laplace": Laplace}
    results = doctest.testmod(laplace, extraglobs=names)
    assert results.attempted
    assert not results.failed


def test_training_is_that_of_adamw():
    model = network()
    twin = copy.deepcopy(model)
    settings = {"lr": 0.01, "betas": (0.8, 0.99), "weight_decay": 0.1}
    train(Laplace(model, num_data=6, **settings))
    other = torch.optim.AdamW(twin.parameters(), **settings)
    other.network = twin
    train(other)
    assert_bitwise(weights(model), weights(twin))


# --- exact answers ----------------------------------------------------------------


@pytest.mark.parametrize("tau", [0.1, 1.0, 3.0])
def test_linear_regression_has_its_exact_tempered_posterior_and_evidence(tau):
    """With structure "full": mean aside, which training finds, all in closed form."""
    variance, delta = 0.3, 0.8
    x = torch.randn(12, 3)
    y = x @ torch.randn(3, 1) + variance**0.5 * torch.randn(12, 1)
    precision = x.T @ x / variance / tau + delta * torch.eye(3)
    model = nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        best = torch.linalg.solve(precision, x.T @ y / variance / tau)
        model.weight.copy_(best.T)
    optimizer = Laplace(
        model, num_data=12, structure="full", prior_choice="fixed",
        prior_precision=delta, likelihood=Gaussian(variance), temperature=tau,
    )  # fmt: skip
    optimizer.finish(lambda: [(x[:5], y[:5]), (x[5:], y[5:])])
    torch.testing.assert_close(dense_precision(optimizer.posterior()), precision)
    # The likelihood to the power 1 / tau is a normal one of variance tau * variance,
    # but for its constant.
    covariance = tau * variance * torch.eye(12) + x @ x.T / delta
    normal = torch.distributions.MultivariateNormal(torch.zeros(12), covariance)
    constant = 6 * (
        math.log(2 * math.pi * tau * variance) - math.log(2 * math.pi * variance) / tau
    )
    expected = float(normal.log_prob(y[:, 0])) + constant
    assert optimizer.log_marginal_likelihood() == pytest.approx(expected, rel=1e-10)


def test_draws_of_the_last_layer_are_those_of_the_linearised_network():
    optimizer, (x, _) = fitted(structure="full")
    model, posterior = optimizer.network, optimizer.posterior()
    drawn = posterior.sample(5, seed=3)
    outputs = posterior.predict(model, x, 5, seed=3)
    rows = example_gradients(model, lambda i: model(x).flatten()[i], 12)
    expected = model(x).detach().flatten().expand(5, 12).clone()
    for name, mean in model.named_parameters():
        shifts = (drawn[name] - mean.detach()).flatten(1)
        expected += shifts @ rows[name].flatten(1).T
    torch.testing.assert_close(outputs, expected.view(5, 6, 2))


def test_kronecker_is_the_exact_inverse_of_the_product_and_the_prior():
    optimizer, (x, _) = fitted(
        nn.Linear(3, 2), prior_choice="fixed", prior_precision=0.7
    )
    rows = torch.cat((x, torch.ones(6, 1)), 1)
    p = optimizer.network(x).softmax(1).detach()
    outputs = (torch.diag_embed(p) - p.unsqueeze(2) * p.unsqueeze(1)).mean(0)
    curvature = torch.kron(outputs, rows.T @ rows / 6)
    expected = 6 * curvature + 0.7 * torch.eye(8)
    torch.testing.assert_close(dense_precision(optimizer.posterior()), expected)


def test_num_data_and_temperature_weigh_the_data():
    model = network()
    torch.manual_seed(1)
    data = batch()
    found = {}
    for num, tau in ((6, 1.0), (60, 10.0), (60, 1.0)):
        optimizer = Laplace(
            model,
            num_data=num,
            structure="diagonal",
            prior_choice="fixed",
            temperature=tau,
        )
        optimizer.finish(lambda: [data])
        found[num, tau] = optimizer.posterior().precision["2.weight"]
    torch.testing.assert_close(found[6, 1.0], found[60, 10.0])
    torch.testing.assert_close(found[60, 1.0] - 1, 10 * (found[6, 1.0] - 1))


# --- the prior --------------------------------------------------------------------


@pytest.mark.parametrize("structure", ["kronecker", "diagonal", "full"])
def test_the_prior_maximises_the_marginal_likelihood(structure):
    optimizer, _ = fitted(structure=structure)
    (delta,) = optimizer.prior_precisions.values()
    best = optimizer.log_marginal_likelihood()
    assert best == pytest.approx(optimizer.log_marginal_likelihood(delta), rel=1e-12)
    for factor in (0.5, 0.99, 1.01, 2.0):
        assert best > optimizer.log_marginal_likelihood(delta * factor)
    posterior = optimizer.posterior()
    assert posterior.prior_precision == {"2.weight": delta, "2.bias": delta}
    squares = sum(
        float(p.detach().square().sum()) for p in optimizer.network[2].parameters()
    )  # MacKay's fixed point
    effective = sum(posterior.effective_parameters().values())
    assert effective == pytest.approx(delta * squares, rel=1e-6)


def test_layers_may_have_priors_of_their_own():
    model, data, found = network(), batch(), []
    for choice in ("marginal_likelihood", "layerwise"):
        optimizer = Laplace(model, num_data=6, subset="all", prior_choice=choice)
        optimizer.finish(lambda: [data])
        found.append(optimizer)
    one, each = (optimizer.prior_precisions for optimizer in found)
    assert one["0"] == one["2"]
    assert each["0"] != each["2"]
    heights = [optimizer.log_marginal_likelihood() for optimizer in found]
    assert heights[1] > heights[0]
    priors = found[1].posterior().prior_precision
    assert priors == {f"{n}.{k}": each[n] for n in "02" for k in ("weight", "bias")}


# --- the posterior ----------------------------------------------------------------


def test_what_is_outside_the_subset_has_no_noise():
    optimizer, (x, _) = fitted()
    posterior = optimizer.posterior()
    assert isinstance(posterior, MatrixGaussianPosterior)
    assert [*posterior.sampled_names] == ["2.weight", "2.bias"]
    draws = posterior.sample(2)
    assert torch.equal(draws["0.weight"][0], optimizer.network[0].weight)
    assert not torch.equal(draws["2.weight"][0], draws["2.weight"][1])
    assert posterior.metadata["method"] == "Laplace"
    assert posterior.predict_proba(optimizer.network, x).shape == (6, 2)


def test_a_diagonal_posterior_is_a_gaussian_one():
    optimizer, _ = fitted(structure="diagonal", subset="all")
    posterior = optimizer.posterior()
    assert isinstance(posterior, GaussianPosterior)
    assert set(posterior.precision) == set(dict(optimizer.network.named_parameters()))
    assert optimizer.coverage() == dict.fromkeys(posterior.precision, "diagonal")


def test_batch_norm_runs_on_its_statistics_and_has_no_noise():
    model = normed()
    model(torch.randn(8, 3))
    optimizer, _ = fitted(model, subset="all")
    assert set(optimizer.posterior().sampled_names) == {
        "0.weight", "0.bias", "2.weight", "2.bias"
    }  # fmt: skip
    assert torch.equal(
        optimizer.posterior().buffers["1.running_mean"], model[1].running_mean
    )


def test_a_compiled_model_goes_by_plain_names():
    model = network()
    wrapped = torch.compile(model, backend="eager")
    for structure in ("kronecker", "diagonal"):
        optimizer, _ = fitted(wrapped, structure=structure)
        names = [*optimizer.posterior().prior_precision]
        assert names == ["2.weight", "2.bias"]


def test_finish_is_once_until_the_next_step():
    calls = []
    optimizer = Laplace(network(), num_data=6)

    def batches():
        calls.append(1)
        return [batch()]

    assert not optimizer.has_posterior
    optimizer.finish(batches)
    optimizer.finish(batches)
    assert optimizer.has_posterior
    assert len(calls) == 1
    train(optimizer, 1)
    assert not optimizer.has_posterior
    optimizer.finish(batches)
    assert len(calls) == 2


def test_there_is_nothing_before_finish():
    optimizer = Laplace(network(), num_data=6)
    text = r"finish must be called on the training data .* got no call\."
    for ask in (
        optimizer.posterior,
        optimizer.log_marginal_likelihood,
        lambda: optimizer.prior_precisions,
    ):
        with pytest.raises(RuntimeError, match=text):
            ask()


def test_what_has_run_away_is_refused_and_nothing_is_kept():
    model = network()
    with torch.no_grad():
        model[2].weight.fill_(float("nan"))
    optimizer = Laplace(model, num_data=6)
    with pytest.raises(RuntimeError, match="finite losses and curvature"):
        optimizer.finish(lambda: [batch()])
    assert not optimizer.has_posterior


# --- states and arguments ---------------------------------------------------------


@pytest.mark.parametrize("structure", ["kronecker", "diagonal", "full"])
def test_a_finished_state_gives_the_same_posterior(structure):
    optimizer, _ = fitted(structure=structure, subset="last_layer")
    model = network()
    model.load_state_dict(optimizer.network.state_dict())
    twin = Laplace(model, num_data=6, structure=structure)
    twin.load_state_dict(saved(optimizer.state_dict()))
    assert twin.has_posterior
    assert twin.prior_precisions == optimizer.prior_precisions
    assert twin.log_marginal_likelihood() == optimizer.log_marginal_likelihood()
    draws = [o.posterior().sample(3) for o in (optimizer, twin)]
    assert_bitwise(*draws)
    twin.finish(lambda: pytest.fail("it was finished"))


def test_a_resumed_training_is_the_same_bit_for_bit():
    model = network()
    optimizer = Laplace(model, num_data=6)
    train(optimizer, 2)
    twin = copy.deepcopy(model)
    resumed = Laplace(twin, num_data=6)
    resumed.load_state_dict(saved(optimizer.state_dict()))
    assert not resumed.has_posterior
    for each in (optimizer, resumed):
        train(each, 2, seed=1)
        torch.manual_seed(2)
        data = batch()
        each.finish(lambda data=data: [data])
    assert_bitwise(weights(model), weights(twin))
    assert_bitwise(optimizer.posterior().sample(2), resumed.posterior().sample(2))


def test_what_was_not_measured_yet_may_be_with_other_settings():
    optimizer = Laplace(network(), num_data=6)
    train(optimizer, 1)
    twin = Laplace(network(), num_data=6, temperature=0.5, structure="full")
    twin.load_state_dict(saved(optimizer.state_dict()))
    assert not twin.has_posterior


def test_states_of_others_are_refused_and_change_nothing():
    optimizer, _ = fitted()
    before = optimizer.prior_precisions
    good = optimizer.state_dict()
    adamw = torch.optim.AdamW(network().parameters()).state_dict()
    whole = fitted(structure="full")[0].state_dict()
    wider = Laplace(
        nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)), num_data=6
    )
    train(wider, 1)
    for state, text in (
        (adamw, r"state_dict must be of a Laplace, got one without method"),
        ({**good, "method": "VOGN"}, r"must be of a Laplace, got one of a VOGN\."),
        ({**good, "num_data": 7}, r"num_data must be 6 in the state to load, got 7\."),
        (whole, r"structure must be 'kronecker' in the state to load, got 'full'\."),
        (
            {**good, "factors": whole["factors"]},
            r"factors must be of the same model, subset and structure .*gradients",
        ),
        (
            fitted(temperature=0.5)[0].state_dict(),
            r"temperature must be 1\.0 in the state to load, got 0\.5\.",
        ),
        (
            fitted(prior_choice="fixed")[0].state_dict(),
            r"prior_choice must be 'marginal_likelihood' in the .* got 'fixed'\.",
        ),
        (
            {**good, "prior_precisions": {"0": 1.0}},
            r"prior_precisions must be of 2 in the state to load, got those of 0\.",
        ),
        (wider.state_dict(), r"exp_avg must have shape \(4, 3\) in the state to load"),
        (
            Laplace(nn.Linear(3, 2), num_data=6).state_dict(),
            r"groups of the state to load must hold 4 parameters, got 2\.",
        ),
    ):
        with pytest.raises(ValueError, match=text):
            optimizer.load_state_dict(state)
        assert optimizer.prior_precisions == before


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"num_data": 0}, r"num_data must be a whole number >= 1, got 0\."),
        ({"lr": -1.0}, r"lr must be a finite number in \[0, inf\), got -1\.0\."),
        ({"weight_decay": -1.0}, r"weight_decay must be .* got -1\.0\."),
        ({"prior_precision": 0.0}, r"prior_precision must be .*\(0, inf\), got 0\.0\."),
        ({"temperature": 0.0}, r"temperature must be .*\(0, inf\), got 0\.0\."),
        (
            {"prior_choice": "flat"},
            r"prior_choice must be one of marginal_likelihood, l",
        ),
        ({"structure": "low"}, r"structure must be one of kronecker, diagonal, full"),
        (
            {"curvature": "hessian"},
            r"curvature must be one of empirical, fisher, exact",
        ),
        ({"sharing": "some"}, r"sharing must be one of expand, reduce, got 'some'\."),
        ({"likelihood": "poisson"}, r"likelihood must be one of categorical"),
        ({"subset": "head"}, r"subset must be all, last_layer or the name of a module"),
        ({"subset": "all", "structure": "full"}, r"got 'full' for 2 layers\."),
        ({"seed": -1}, r"seed must be a whole number in .* got -1\."),
        ({"params": [nn.Parameter(torch.ones(2))]}, r"params must be parameters of"),
    ],
)
def test_wrong_arguments_are_named(settings, text):
    with pytest.raises(ValueError, match=text):
        Laplace(network(), **{"num_data": 6, **settings})


def test_groups_come_at_the_start_and_it_is_not_copied_alone():
    model = network()
    groups = [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[2].weight}]
    optimizer = Laplace(model, num_data=6, params=groups)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 1e-3]
    assert optimizer.param_groups[1]["param_names"] == ["2.weight"]
    optimizer.finish(lambda: [batch()])
    assert [*optimizer.posterior().sampled_names] == ["2.weight"]
    with pytest.raises(ValueError, match="params must all be given when"):
        optimizer.add_param_group({"params": model[2].bias})
    with pytest.raises(TypeError, match="Laplace cannot be copied or pickled"):
        copy.deepcopy(optimizer)


def test_named_parameters_and_empty_groups_are_taken():
    model = network()
    optimizer = Laplace(model, num_data=6, params=model.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == [*weights(model)]
    groups = [{"params": model.named_parameters()}, {"params": []}]
    optimizer = Laplace(model, num_data=6, params=groups)
    train(optimizer, 1)
    optimizer.load_state_dict(saved(optimizer.state_dict()))
    assert optimizer.param_groups[1]["param_names"] == []


def test_frozen_parameters_that_are_given_have_noise():
    model = network().requires_grad_(False)
    optimizer, _ = fitted(model, params=model.parameters())
    assert [*optimizer.posterior().sampled_names] == ["2.weight", "2.bias"]
    assert not any(p.requires_grad for p in model.parameters())


def test_hooks_are_called_once_a_step_and_still_after_loading():
    torch.optim.AdamW(network().parameters())  # torch then has wrapped AdamW.step
    optimizer, (x, y) = fitted()
    optimizer.load_state_dict(saved(optimizer.state_dict()))
    assert optimizer.has_posterior
    calls = []
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    F.cross_entropy(optimizer.network(x), y).backward()
    optimizer.step()
    assert calls == ["before", "after"]
    assert not optimizer.has_posterior


def test_a_closure_gives_its_loss():
    optimizer, (x, y) = Laplace(network(), num_data=6), batch()

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(optimizer.network(x), y)
        loss.backward()
        return loss

    assert optimizer.step(closure).item() > optimizer.step(closure).item()
    assert optimizer.step() is None


def test_flat_weights_are_the_mean():
    optimizer, _ = fitted(nn.Linear(3, 2))
    mean = optimizer.posterior().mean
    torch.testing.assert_close(flat(mean), flat(weights(optimizer.network)))
