"""Noisy K-FAC: its posterior against dense ones, its steps against K-FAC's."""

# ruff: noqa: PT012 - what raises is the block with its statements

import copy
import doctest
import io
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.networks import (
    assert_bitwise,
    assert_same,
    batch,
    network,
    normed,
    weights,
)
from vogn_app import KFAC, VOGN, NoisyKFAC
from vogn_app.likelihoods import Gaussian
from vogn_app.optim import noisy_kfac

TEMPERATURES = pytest.mark.parametrize("tau", [0.1, 1.0, 3.0])
SILENT = {"temperature": 1e-30, "prior_precision": 0.0}  # no noise to see


def block(optimizer, x, y, reduction="mean", scale=None):
    with optimizer.sampled_params(train=True, loss_scale=scale):
        loss = F.cross_entropy(optimizer.model(x), y, reduction=reduction)
        (loss * (scale or 1)).backward()


def train(optimizer, num_steps=4, num_blocks=1, first=0):
    """Steps on batches that their number gives."""
    for step in range(first, first + num_steps):
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(6, 3, generator=generator)
        y = torch.randint(2, (6,), generator=generator)
        optimizer.zero_grad()
        for _ in range(num_blocks):
            block(optimizer, x, y)
        optimizer.step()


def flat(values):
    """Weight and bias of a linear layer as a matrix, row by row."""
    return torch.cat((values["weight"], values["bias"].unsqueeze(-1)), -1).flatten(-2)


def test_the_example_runs():
    torch.set_default_dtype(torch.float32)
    names = {"torch": torch, "nn": nn, "NoisyKFAC": NoisyKFAC}
    results = doctest.testmod(noisy_kfac, extraglobs=names)
    assert results.attempted
    assert not results.failed


# --- the posterior of a linear model ----------------------------------------------

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


def dense_precision(posterior):
    """C^-1 of a linear layer, from the draws' linear map."""
    (covariance,) = posterior._covariances.values()
    (each,) = posterior.blocks
    n = math.prod(each.layout.shape)
    noise = torch.eye(n).view(n, *each.layout.shape)
    root = covariance.draw(noise).reshape(n, n)
    return (each.scale * root.T @ root).inverse()


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


# --- draws in training ------------------------------------------------------------


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


def test_the_first_step_is_taken_at_the_mean_and_the_next_is_not():
    optimizer = NoisyKFAC(network(), num_data=20)
    before = weights(optimizer.model)
    with optimizer.sampled_params():
        assert_bitwise(weights(optimizer.model), before)
    train(optimizer, 1)
    before = weights(optimizer.model)
    with optimizer.sampled_params():
        for name, value in optimizer.model.state_dict().items():
            assert not (value == before[name]).any(), name
    assert_bitwise(weights(optimizer.model), before)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("when", [True, False], ids=["train", "predict"])
def test_after_an_exception_everything_is_as_before(when, error):
    model, (x, y) = network(), batch()
    optimizer, twin = (
        NoisyKFAC(m, num_data=3) for m in (model, copy.deepcopy(model))
    )  # fmt: skip
    for each in (optimizer, twin):
        train(each, 2)
        block(each, x, y)
    before = weights(model)
    gradients = {n: p.grad.clone() for n, p in model.named_parameters()}
    with pytest.raises(error), optimizer.sampled_params(train=when):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        raise error
    assert_bitwise(weights(model), before)
    assert_bitwise({n: p.grad for n, p in model.named_parameters()}, gradients)
    optimizer.step()
    twin.step()
    assert_bitwise(weights(model), weights(twin.model))


def test_what_must_be_outside_a_block_is_an_error_inside():
    optimizer = NoisyKFAC(network(), num_data=3)
    with optimizer.sampled_params(train=True):
        with pytest.raises(RuntimeError, match="must not be nested"):
            optimizer.sampled_params().__enter__()
        with pytest.raises(RuntimeError, match="step must be called outside"):
            optimizer.step()
        with pytest.raises(RuntimeError, match="posterior must be called outside"):
            optimizer.posterior()
    with pytest.raises(RuntimeError, match="step must follow a backward pass"):
        optimizer.step()


def test_the_global_generator_is_left_alone():
    optimizer = NoisyKFAC(network(), num_data=3, curvature="fisher")
    before = torch.get_rng_state()
    train(optimizer, 2)
    optimizer.posterior().sample()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("kind", ["deterministic", "sampled"])
def test_batch_norm_has_noise_and_prior_only_if_wanted(kind):
    model = normed()
    optimizer = NoisyKFAC(model, num_data=20, batch_norm=kind, prior_precision=3.0)
    train(optimizer, 2)
    posterior = optimizer.posterior()
    assert ("1.weight" in posterior.sampled_names) is (kind == "sampled")
    assert posterior.prior_precision.keys() == set(posterior.sampled_names)
    before = weights(model)
    with optimizer.sampled_params():
        moved = not torch.equal(model[1].bias, before["1.bias"])
        assert moved is (kind == "sampled")
        assert not torch.equal(model[0].bias, before["0.bias"])


class Scaled(nn.Module):
    """With a parameter that no layer owns."""

    def __init__(self):
        super().__init__()
        self.layer, self.scale = nn.Linear(3, 2), nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        return self.scale * self.layer(x)


def test_a_parameter_without_a_block_is_trained_without_noise_and_prior():
    model = Scaled()
    with pytest.warns(UserWarning, match="scale .* have no curvature"):
        optimizer = NoisyKFAC(model, num_data=20, lr=0.1, momentum=0.0, kl_clip=None)
    train(optimizer, 1)
    x, y = batch()
    optimizer.zero_grad()
    block(optimizer, x, y)
    before, gradient = model.scale.item(), model.scale.grad.item()
    with optimizer.sampled_params():
        assert model.scale == before
        assert model.layer.bias.detach().ne(0).all()
    optimizer.step()
    assert model.scale.item() == pytest.approx(before - 0.1 * gradient)
    assert "scale" not in optimizer.posterior().sampled_names


def test_the_mean_deviation_is_that_of_the_posterior():
    optimizer = NoisyKFAC(network(), num_data=20, temperature=0.3)
    assert optimizer.mean_deviation() == 0
    train(optimizer, 2)
    marginals = optimizer.posterior().marginals().precision.values()
    expected = torch.cat([p.rsqrt().flatten() for p in marginals]).mean()
    torch.testing.assert_close(optimizer.mean_deviation(), expected)


# --- steps ------------------------------------------------------------------------

SPLITS = pytest.mark.parametrize("sizes", [[6], [3, 3], [1, 5], [2, 3, 1]])


@SPLITS
@pytest.mark.parametrize("curvature", ["empirical", "exact"])
def test_without_noise_it_is_kfac_however_a_batch_is_split(sizes, curvature):
    model, (x, y) = network(), batch()
    twin, parts = copy.deepcopy(model), (x.split(sizes), y.split(sizes))
    settings = {
        "lr": 0.1, "damping": 0.05, "factor_interval": 2, "factor_decay": 0.9,
        "kl_clip": None, "curvature": curvature,
    }  # fmt: skip
    noisy = NoisyKFAC(model, num_data=20, **SILENT, **settings)
    kfac = KFAC(twin, **settings)
    for _ in range(5):
        noisy.zero_grad()
        for part_x, part_y in zip(*parts, strict=True):
            block(noisy, part_x, part_y)
        noisy.step()
        kfac.zero_grad()
        F.cross_entropy(twin(x), y).backward()
        kfac.step()
    assert_same(weights(model), weights(twin), rtol=1e-9)


@SPLITS
@pytest.mark.parametrize("way", ["sum", "scale", "scaler", "unscaled"])
def test_neither_reduction_nor_scale_of_the_loss_matters(way, sizes):
    model, (x, y) = network(), batch()
    twin = copy.deepcopy(model)
    plain = NoisyKFAC(twin, num_data=20, lr=0.1)
    reduction = "sum" if way == "sum" else "mean"
    other = NoisyKFAC(model, num_data=20, lr=0.1, loss_reduction=reduction)
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    told = {"sum": None, "scale": 64.0, "scaler": None, "unscaled": scaler}[way]
    for _ in range(3):
        plain.zero_grad()
        other.zero_grad()
        for part_x, part_y in zip(x.split(sizes), y.split(sizes), strict=True):
            block(plain, part_x, part_y)
            with other.sampled_params(train=True, loss_scale=told):
                loss = F.cross_entropy(model(part_x), part_y, reduction=reduction)
                scaled = scaler.scale(loss) if "scale" in way or told else loss
                scaled.backward()
        plain.step()
        finish(other, scaler, way)
    assert_same(weights(model), weights(twin), rtol=1e-9)


def finish(optimizer, scaler, way):
    if way == "scaler":
        scaler.step(optimizer)
        scaler.update()
    elif way == "unscaled":
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    else:
        if way == "scale":
            for p in optimizer.model.parameters():
                p.grad.div_(64.0)
        optimizer.step()


def test_a_scale_that_nobody_told_is_an_error():
    model, (x, y) = network(), batch()
    optimizer, scaler = NoisyKFAC(model, num_data=20), torch.amp.GradScaler("cpu")
    with optimizer.sampled_params(train=True):
        scaler.scale(F.cross_entropy(model(x), y)).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="loss_scale must be given"):
        scaler.step(optimizer)


def test_an_overflow_skips_the_step_and_what_it_gathered():
    model, (x, y) = network(), batch()
    optimizer, scaler = NoisyKFAC(model, num_data=20), torch.amp.GradScaler("cpu")
    before = weights(model)
    with optimizer.sampled_params(train=True):
        scaler.scale(F.cross_entropy(model(x) * math.inf, y)).backward()
    scaler.step(optimizer)
    assert_bitwise(weights(model), before)
    assert not optimizer.preconditioner.needs_scale
    assert optimizer.num_steps == 0


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


def test_plain_loops_make_blocks_by_themselves():
    (x, y), model = batch(), network()
    twin = copy.deepcopy(model)
    explicit = NoisyKFAC(twin, num_data=20)
    automatic = NoisyKFAC(model, num_data=20, automatic=True)
    for _ in range(3):
        automatic.zero_grad()
        F.cross_entropy(model(x), y).backward()
        automatic.step()
        explicit.zero_grad()
        block(explicit, x, y)
        explicit.step()
    assert_bitwise(weights(model), weights(twin))


def test_micro_batches_of_a_plain_loop_add_up():
    (x, y), model = batch(), network()
    twin = copy.deepcopy(model)
    settings = {"num_data": 20, "automatic": True, "damping": 0.1, **SILENT}
    whole, parts = NoisyKFAC(twin, **settings), NoisyKFAC(model, **settings)
    for _ in range(3):
        whole.zero_grad()
        F.cross_entropy(twin(x), y).backward()
        whole.step()
        parts.zero_grad()
        for part in (slice(0, 2), slice(2, 6)):
            loss = F.cross_entropy(model(x[part]), y[part], reduction="sum")
            (loss / 6).backward()
        parts.step()
    assert_same(weights(model), weights(twin), rtol=1e-9)


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


# --- states and copies ------------------------------------------------------------

SETTINGS = {"num_data": 20, "lr": 0.05, "factor_interval": 3, "damping": 0.1}


def saved(optimizer):
    """Model and optimizer through a file that holds no code."""
    file = io.BytesIO()
    torch.save((optimizer.model.state_dict(), optimizer.state_dict()), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("curvature", ["empirical", "fisher"])
@pytest.mark.parametrize("inversion", ["cholesky", "eigen"])
@pytest.mark.parametrize("stop", [1, 4])
def test_a_run_goes_on_bit_for_bit(curvature, inversion, stop):
    settings = {**SETTINGS, "curvature": curvature, "inversion": inversion}
    through = NoisyKFAC(network(), **settings)
    train(through, stop, num_blocks=2)
    model_state, state = saved(through)
    model = network()
    model.load_state_dict(model_state)
    resumed = NoisyKFAC(model, **settings)
    resumed.load_state_dict(state)
    ours, theirs = resumed.posterior(), through.posterior()
    assert_bitwise(ours.sample(2), theirs.sample(2))
    for each in (through, resumed):
        train(each, 5, num_blocks=2, first=stop)
    assert_bitwise(weights(resumed.model), weights(through.model))
    assert_bitwise(resumed.posterior().sample(), through.posterior().sample())


def test_a_copy_goes_on_bit_for_bit_and_alone():
    optimizer = NoisyKFAC(network(), **SETTINGS)
    train(optimizer, 2)
    model, twin = copy.deepcopy((optimizer.model, optimizer))
    assert twin.model is model
    train(twin, 3, first=2)
    between = weights(optimizer.model)
    train(optimizer, 3, first=2)
    assert_bitwise(weights(model), weights(optimizer.model))
    assert not torch.equal(between["0.weight"], weights(model)["0.weight"])


def test_a_posterior_is_left_alone_by_later_steps():
    optimizer = NoisyKFAC(network(), **SETTINGS)
    train(optimizer, 2)
    posterior = optimizer.posterior()
    before = posterior.sample(2)
    train(optimizer, 4)
    assert_bitwise(copy.copy(posterior).sample(2), before)
    assert posterior.metadata["method"] == "NoisyKFAC"
    assert posterior.metadata["num_steps"] == 2


def test_states_of_others_are_refused():
    optimizer = NoisyKFAC(network(), num_data=20)
    other = VOGN(network(), num_data=20)
    with pytest.raises(ValueError, match=r"^state_dict must be of a NoisyKFAC"):
        optimizer.load_state_dict(other.state_dict())
    other = NoisyKFAC(network(), num_data=21)
    with pytest.raises(ValueError, match=r"^num_data must be 20 in the state"):
        optimizer.load_state_dict(other.state_dict())
    other = NoisyKFAC(
        nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2)), num_data=20
    )
    x = torch.randn(6, 4)
    block(other, x, torch.randint(2, (6,)))
    other.step()
    with pytest.raises(ValueError, match=r"^momentum_buffer must have shape \(4, 3\)"):
        optimizer.load_state_dict(other.state_dict())


OTHERS = {
    "KFAC": (KFAC, r"state_dict must be of a NoisyKFAC, got one of a KFAC\."),
    "shape": (
        lambda model: NoisyKFAC(model, num_data=20, shape="diagonal"),
        "state must be of a preconditioner of the same model and shape",
    ),
    "groups": (
        lambda model: NoisyKFAC(
            model, num_data=20, params=[{"params": [p]} for p in model.parameters()]
        ),
        "groups of the state to load must hold 4 parameters, got 1, 1, 1, 1",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_state_that_is_refused_changes_nothing(name):
    make, message = OTHERS[name]
    optimizer, other = NoisyKFAC(network(), **SETTINGS), make(network())
    train(optimizer, 2)
    if name == "KFAC":
        F.cross_entropy(other.model(torch.randn(6, 3)), torch.ones(6).long()).backward()
        other.step()
    else:
        train(other, 1)
    twin = NoisyKFAC(network(), **SETTINGS)
    twin.model.load_state_dict(optimizer.model.state_dict())
    twin.load_state_dict(saved(optimizer)[1])
    with pytest.raises(ValueError, match=f"^{message}"):
        optimizer.load_state_dict(other.state_dict())
    for each in (optimizer, twin):
        train(each, 5, first=2)
    assert_bitwise(weights(optimizer.model), weights(twin.model))
    with pytest.raises(ValueError, match=r"^state_dict must be of a VOGN, got one of "):
        VOGN(network(), num_data=20).load_state_dict(optimizer.state_dict())


@pytest.mark.parametrize("pair", [("cholesky", "eigen"), ("eigen", "cholesky")])
def test_the_posterior_of_another_inversion_is_that_of_the_same_statistics(pair):
    made = [NoisyKFAC(network(), **SETTINGS, inversion=each) for each in pair]
    made[1].model.load_state_dict(made[0].model.state_dict())
    posteriors = []
    for optimizer in made:
        train(optimizer, 1)  # at the mean: there is no noise before the first step
        posteriors.append(optimizer.posterior())
    loaded = NoisyKFAC(network(), **SETTINGS, inversion=pair[1])
    loaded.model.load_state_dict(made[1].model.state_dict())
    loaded.load_state_dict(saved(made[0])[1])
    got, expected = loaded.posterior(), posteriors[1]
    assert_same(got.marginals().precision, expected.marginals().precision)


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


def test_layers_that_run_without_the_model_are_an_error():
    model, (x, y) = network(), batch()
    optimizer = NoisyKFAC(model, num_data=20)
    with (
        pytest.raises(RuntimeError, match="must itself be called"),
        optimizer.sampled_params(train=True),
    ):
        F.cross_entropy(model[2](model[1](model[0](x))), y).backward()


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
