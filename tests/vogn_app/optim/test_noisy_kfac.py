"""Noisy K-FAC: its steps by hand, its arguments, and what it learns."""

import copy
import doctest

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.networks import assert_same, batch, block, network, weights
from tests.vogn_app.optim.noisy import SILENT, dense_precision, flat, train
from vogn_app import KFAC, NoisyKFAC
from vogn_app.optim import noisy_kfac


def test_the_example_runs():
    torch.set_default_dtype(torch.float32)
    names = {"torch": torch, "nn": nn, "NoisyKFAC": NoisyKFAC}
    results = doctest.testmod(noisy_kfac, extraglobs=names)
    assert results.attempted
    assert not results.failed


# --- steps ------------------------------------------------------------------------


def test_the_step_is_that_of_the_docstring():
    """By hand from dense inverses: momentum on C (g + tau delta mu / N) N / tau."""
    model, (x, y) = nn.Linear(3, 2), batch()
    optimizer = NoisyKFAC(
        model, num_data=20, lr=0.2, momentum=0.8, prior_precision=4.0, temperature=0.5,
        damping=0.03, augmentation_factor=2.0, factor_interval=1, kl_clip=None,
    )  # fmt: skip
    expected, velocity = flat(weights(model)), torch.zeros(8)
    for _ in range(3):
        block(optimizer, x, y)
        gradient = flat({n: p.grad for n, p in model.named_parameters()})
        optimizer.step()
        precision = dense_precision(optimizer.posterior()) * 0.5 / 40
        total = gradient + 0.5 * 4.0 / 40 * expected
        velocity = 0.8 * velocity + torch.linalg.solve(precision, total)
        expected = expected - 0.2 * velocity
        optimizer.zero_grad()
    torch.testing.assert_close(flat(weights(model)), expected, rtol=1e-9, atol=1e-12)


def test_gradients_and_statistics_are_averaged_over_draws():
    model, (x, y) = network(), batch()
    optimizer = NoisyKFAC(model, num_data=20, factor_decay=0.0)
    train(optimizer, 10)
    twin, gradients, moments = network(), [], []
    for _ in range(3):
        with optimizer.sampled_params(train=True):
            twin.load_state_dict(model.state_dict())
            F.cross_entropy(model(x), y).backward()
        reference = KFAC(twin, factor_decay=0.0)
        twin.zero_grad()
        F.cross_entropy(twin(x), y).backward()
        gradients.append({n: p.grad.clone() for n, p in twin.named_parameters()})
        reference.step()
        factors = reference.preconditioner.factors()
        moments.append({key: moment.matrix() for key, moment in factors.items()})
    got = {n: p.grad for n, p in model.named_parameters()}
    assert_same(got, {n: sum(g[n] for g in gradients) / 3 for n in got})
    optimizer.step()
    got = {k: m.matrix() for k, m in optimizer.preconditioner.factors().items()}
    assert_same(got, {key: sum(m[key] for m in moments) / 3 for key in got})


def test_a_closure_runs_for_every_draw():
    (x, y), seen = batch(), []
    model = network()
    optimizer = NoisyKFAC(model, num_data=20, num_samples=3)
    train(optimizer, 1)

    def closure():
        optimizer.zero_grad()
        seen.append(weights(model)["0.weight"])
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    before = weights(model)["0.weight"]
    loss = optimizer.step(closure)
    assert len(seen) == 3
    assert not any(
        torch.equal(a, b) for a in seen for b in [before, *seen] if a is not b
    )
    assert loss.ndim == 0
    assert optimizer.num_steps == 2


def test_settings_may_change_between_steps():
    optimizer = NoisyKFAC(network(), num_data=20, factor_interval=1, damping=0.1)
    train(optimizer, 1)
    deviation = optimizer.mean_deviation()
    optimizer.temperature = 0.25
    torch.testing.assert_close(optimizer.mean_deviation(), deviation / 2)
    optimizer.damping = 1e6
    train(optimizer, 1)
    assert optimizer.figures()["damping"] > 1e6
    expected = (0.25 / 20 / 1e6) ** 0.5
    assert optimizer.mean_deviation() == pytest.approx(expected, rel=1e-2)


def test_the_clip_bounds_the_change_of_the_outputs():
    """Lr^2 d^T F d, with F damped, which for d = F^-1 g is lr^2 <d, g>."""
    model, (x, y) = network(), batch()
    settings = {"lr": 0.5, "momentum": 0.0, "damping": 0.01, **SILENT}
    steps = {}
    for bound in (None, 1e-4, 1e4):
        twin = copy.deepcopy(model)
        optimizer = NoisyKFAC(twin, num_data=20, kl_clip=bound, **settings)
        block(optimizer, x, y)
        gradients = {n: p.grad.clone() for n, p in twin.named_parameters()}
        before = weights(twin)
        optimizer.step()
        steps[bound] = {n: before[n] - w for n, w in weights(twin).items()}
    change = sum((steps[None][n] * g).sum() for n, g in gradients.items()) * 0.5
    assert change > 1e-4
    factor = (1e-4 / change).sqrt()
    assert_same(
        steps[1e-4], {n: step * factor for n, step in steps[None].items()}, 1e-9
    )
    assert_same(steps[1e4], steps[None])


# --- arguments --------------------------------------------------------------------

BAD = {
    "num_data": 0,
    "lr": -0.1,
    "momentum": 1.0,
    "prior_precision": -1.0,
    "temperature": 0.0,
    "damping": -0.1,
    "augmentation_factor": 0.0,
    "factor_decay": 1.0,
    "factor_interval": 0,
    "kl_clip": 0.0,
    "inversion": "ekfac",
    "shape": "round",
    "curvature": "hessian",
    "num_samples": 0,
    "loss_reduction": "none",
    "batch_norm": "other",
    "seed": -1,
}


@pytest.mark.parametrize("name", BAD)
def test_settings_out_of_range_are_named(name):
    with pytest.raises(ValueError, match=f"^{name} must be"):
        NoisyKFAC(network(), **{"num_data": 10, name: BAD[name]})


def test_neither_prior_nor_damping_is_an_error():
    with pytest.raises(
        ValueError, match="damping must be > 0 when prior_precision is 0"
    ):
        NoisyKFAC(network(), num_data=10, prior_precision=0.0, damping=0.0)


def test_groups_have_their_own_rates_and_none_is_added_later():
    model, (x, y) = network(), batch()
    groups = [
        {"params": model[0].parameters(), "lr": 0.0},
        {"params": model[2].parameters()},
    ]
    optimizer = NoisyKFAC(model, num_data=20, lr=0.1, params=groups)
    before = weights(model)
    block(optimizer, x, y)
    optimizer.step()
    after = weights(model)
    assert torch.equal(after["0.weight"], before["0.weight"])
    assert not torch.equal(after["2.weight"], before["2.weight"])
    with pytest.raises(ValueError, match=r"^params must all be given"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))]})
    with pytest.raises(ValueError, match=r"^params must be parameters of the model"):
        NoisyKFAC(model, num_data=20, params=nn.Linear(2, 2).parameters())


# --- learning ---------------------------------------------------------------------


def blobs(num, flipped):
    """Three clouds in the plane; a share of the labels is of another cloud."""
    y = torch.randint(3, (num,))
    centres = torch.tensor([[0.0, 1.0], [0.9, -0.5], [-0.9, -0.5]])
    x = centres[y] + 0.45 * torch.randn(num, 2)
    wrong = torch.rand(num) < flipped
    return x, torch.where(wrong, torch.randint(3, (num,)), y), y


@pytest.mark.parametrize("inversion", ["cholesky", "eigen"])
def test_noisy_labels_are_learned_and_draws_predict_better_than_the_mean(inversion):
    x, y, _ = blobs(120, 0.3)
    test_x, test_y, clean = blobs(2000, 0.3)
    model = nn.Sequential(nn.Linear(2, 50), nn.Tanh(), nn.Linear(50, 3))
    optimizer = NoisyKFAC(
        model, num_data=120, lr=0.02, prior_precision=0.1, damping=0.02,
        factor_interval=5, inversion=inversion,
    )  # fmt: skip
    for step in range(300):
        optimizer.param_groups[0]["lr"] = 0.02 * (1 - step / 300)
        rows = torch.arange(40) + 40 * (step % 3)
        optimizer.zero_grad()
        block(optimizer, x[rows], y[rows])
        optimizer.step()
    average = optimizer.posterior().predict_proba(model, test_x, 64)
    with torch.no_grad():
        at_mean = F.cross_entropy(model(test_x), test_y).item()
    assert F.nll_loss(average.log(), test_y).item() <= at_mean
    assert (average.argmax(1) == clean).double().mean() > 0.85
