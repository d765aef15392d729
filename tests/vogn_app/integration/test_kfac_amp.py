"""K-FAC with autocast and loss scales: statistics and steps are those without."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.natural import close, natural_of, parameters_of
from vogn_app import KFAC, KroneckerPreconditioner

# Half precisions keep 8 (bfloat16) or 11 bits; a sum of products loses a few of them.
TOLERANCE = {torch.bfloat16: 0.05, torch.float16: 0.01}
SCALE = 2.0**12  # a power of two is exact
SETTINGS = {"damping": 0.05, "factor_interval": 2}


@pytest.fixture(autouse=True)
def single_precision():
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(torch.float64)


def network():
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.GroupNorm(1, 4), nn.ReLU(inplace=True), nn.Flatten(2),
        nn.Linear(4, 5), nn.LayerNorm(5), nn.Flatten(), nn.Linear(20, 3),
    )  # fmt: skip


def batch():
    return torch.randn(6, 2, 4, 4), torch.randint(3, (6,))


def factors_of(preconditioner):
    return {
        key: m.value if m.form == "diagonal" else m.matrix()
        for key, m in preconditioner.factors().items()
    }


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("curvature", ["empirical", "exact"])
def test_statistics_under_autocast_are_those_of_full_precision(dtype, curvature):
    model, (x, y) = network(), batch()
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    *_, plain = natural_of(model, run, curvature=curvature)

    def lowered():
        with torch.autocast("cpu", dtype=dtype):
            loss = F.cross_entropy(model(x), y)
        loss.backward()

    natural, _, made = natural_of(model, lowered, curvature=curvature)
    got = factors_of(made)
    for key, expected in factors_of(plain).items():
        assert got[key].dtype == torch.float32
        error = (got[key] - expected).norm() / expected.norm()
        assert error < TOLERANCE[dtype], key
    assert {p.dtype for p in natural.values()} == {torch.float32}


@pytest.mark.parametrize("shape", ["kronecker", "diagonal", "layer"])
def test_a_model_of_half_precision_has_statistics_of_single(shape):
    model, (x, y) = network(), batch()
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    *_, plain = natural_of(model, run, shape=shape)
    model.bfloat16()
    run = lambda: F.cross_entropy(model(x.bfloat16()).float(), y).backward()  # noqa: E731
    natural, _, made = natural_of(model, run, shape=shape)
    got = factors_of(made)
    for key, expected in factors_of(plain).items():
        assert got[key].dtype == torch.float32
        assert (got[key] - expected).norm() < 0.1 * expected.norm(), key
    assert {p.dtype for p in natural.values()} == {torch.bfloat16}
    KFAC(model, 0.1).step()


def twins():
    one, other = network(), network()
    other.load_state_dict(one.state_dict())
    return one, other


def trained(model, scaler=None, *, unscale=False, steps=4, **options):
    torch.manual_seed(3)
    optimizer = KFAC(model, 0.1, **SETTINGS, **options)
    if unscale:
        optimizer.loss_scale = scaler
    for _ in range(steps):
        x, y = batch()
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        if scaler is None:
            loss.backward()
            optimizer.step()
            continue
        scaler.scale(loss).backward()
        if unscale:
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    return optimizer


@pytest.mark.parametrize(
    "options", [{}, {"kl_clip": 1e-4}, {"weight_decay": 0.1}, {"curvature": "fisher"}]
)
@pytest.mark.parametrize("unscale", [False, True])
def test_training_with_a_loss_scale_is_training_without(unscale, options):
    plain, scaled = twins()
    trained(plain, **options)
    scaler = torch.amp.GradScaler("cpu", init_scale=SCALE)
    trained(scaled, scaler, unscale=unscale, **options)
    close(parameters_of(scaled), parameters_of(plain), rtol=1e-4, atol=1e-6)


def test_a_scaler_that_is_off_changes_nothing():
    plain, other = twins()
    trained(plain)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    trained(other, scaler, unscale=True)
    close(parameters_of(other), parameters_of(plain), rtol=0, atol=0)


def test_the_preconditioner_alone_is_told_the_scale():
    ours, theirs = twins()
    trained(theirs, momentum=0.0, kl_clip=None)
    torch.manual_seed(3)
    scaler = torch.amp.GradScaler("cpu", init_scale=SCALE)
    sgd = torch.optim.SGD(ours.parameters(), 0.1)
    preconditioner = KroneckerPreconditioner(ours, **SETTINGS)
    for _ in range(4):
        x, y = batch()
        sgd.zero_grad()
        scaler.scale(F.cross_entropy(ours(x), y)).backward()
        scaler.unscale_(sgd)
        preconditioner.step(scaler)
        scaler.step(sgd)
        scaler.update()
    close(parameters_of(ours), parameters_of(theirs), rtol=1e-4, atol=1e-6)


def test_unscaling_without_telling_the_scale_is_an_error():
    model = network()
    scaler = torch.amp.GradScaler("cpu", init_scale=SCALE)
    optimizer = KFAC(model, 0.1, **SETTINGS)
    x, y = batch()
    scaler.scale(F.cross_entropy(model(x), y)).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match=r"^loss_scale must be set on the optimizer"):
        scaler.step(optimizer)


def test_a_step_that_overflowed_changes_nothing():
    model = network()
    scaler = torch.amp.GradScaler("cpu", init_scale=SCALE)
    optimizer = trained(model, scaler, steps=3)
    before, state = parameters_of(model), str(optimizer.state_dict())
    x, y = batch()
    optimizer.zero_grad()
    scaler.scale(F.cross_entropy(model(x), y) * float("inf")).backward()
    scaler.step(optimizer)
    scaler.update()
    close(parameters_of(model), before, rtol=0, atol=0)
    assert str(optimizer.state_dict()) == state
    assert scaler.get_scale() < SCALE
    optimizer.zero_grad()
    scaler.scale(F.cross_entropy(model(x), y)).backward()
    scaler.step(optimizer)
    assert optimizer.preconditioner.num_steps == 4
    assert all(p.isfinite().all() for p in model.parameters())
