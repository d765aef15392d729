"""Autocast and loss scales: squares equal those of full precision."""

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.exactness import assert_close, capture_of, truth
from vogn_app import VOGN

# Half precisions keep 8 (bfloat16) or 11 bits; a sum of products loses a few of them.
TOLERANCE = {torch.bfloat16: 0.05, torch.float16: 0.01}
DTYPES = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
SCALE = 2.0**12


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


def losses(output):
    return (output.float().sin() + output.float().square()).sum(1)


@DTYPES
@pytest.mark.parametrize("scale", [1.0, SCALE])
def test_squares_under_autocast_are_those_of_full_precision(dtype, scale):
    model, x = network(), torch.randn(6, 2, 4, 4)
    expected = truth(model, (x,), lambda out, _i: losses(out).sum())
    capture = capture_of(model)
    for _ in range(2):
        model.zero_grad()
        with capture.recording() as recording:
            with torch.autocast("cpu", dtype=dtype):
                output = model(x)
            (losses(output).sum() * scale).backward()
        got = {k: v / scale**2 for k, v in recording.squares.sums.items()}
        assert_close(got, expected, relative=TOLERANCE[dtype])


def batch():
    return torch.randn(6, 2, 4, 4), torch.randint(3, (6,))


def trained(model, scaler=None, *, unscale=False, steps=3):
    """Train with or without a loss scale, with the same draws."""
    torch.manual_seed(3)
    optimizer = VOGN(model, num_data=60)
    for _ in range(steps):
        x, y = batch()
        told = scaler if unscale else None
        with optimizer.sampled_params(train=True, loss_scale=told):
            loss = nn.functional.cross_entropy(model(x), y)
            (loss if scaler is None else scaler.scale(loss)).backward()
        if scaler is None:
            optimizer.step()
            continue
        if unscale:
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    return optimizer


def state_of(optimizer, model):
    return {
        f"{name}.{key}": optimizer.state[p][key]
        for name, p in model.named_parameters()
        for key in ("momentum_buffer", "curvature")
    } | dict(model.named_parameters())


@pytest.mark.parametrize("unscale", [False, True])
def test_training_with_a_loss_scale_is_training_without(unscale):
    plain, scaled = network(), network()
    scaled.load_state_dict(plain.state_dict())
    expected = state_of(trained(plain), plain)
    scaler = torch.amp.GradScaler("cpu", init_scale=SCALE)  # a power of two is exact
    got = state_of(trained(scaled, scaler, unscale=unscale), scaled)
    assert_close(got, expected, relative=1e-5)


def test_unscaling_without_telling_the_block_is_an_error():
    model = network()
    scaler = torch.amp.GradScaler("cpu", init_scale=SCALE)
    optimizer = VOGN(model, num_data=60)
    x, y = batch()
    with optimizer.sampled_params(train=True):
        scaler.scale(nn.functional.cross_entropy(model(x), y)).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(
        RuntimeError, match=r"^loss_scale must be given to sampled_para"
    ):
        scaler.step(optimizer)


def test_a_step_that_overflowed_changes_nothing():
    model = network()
    scaler = torch.amp.GradScaler("cpu", init_scale=SCALE)
    optimizer = VOGN(model, num_data=60)
    x, y = batch()
    for factor in (1.0, float("inf")):
        before = {k: v.clone() for k, v in model.state_dict().items()}
        curvature = {p: s["curvature"].clone() for p, s in optimizer.state.items()}
        with optimizer.sampled_params(train=True):
            loss = nn.functional.cross_entropy(model(x), y) * factor
            scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(
        torch.equal(optimizer.state[p]["curvature"], c) for p, c in curvature.items()
    )
    assert scaler.get_scale() < SCALE
    assert optimizer.num_steps == 1


def test_blocks_told_and_not_told_of_the_scale_do_not_mix():
    model = network()
    optimizer = VOGN(model, num_data=60)
    x, y = batch()
    with optimizer.sampled_params(train=True, loss_scale=2.0):
        (nn.functional.cross_entropy(model(x), y) * 2).backward()
    with (
        pytest.raises(RuntimeError, match=r"^loss_scale must be given to all blocks"),
        optimizer.sampled_params(train=True),
    ):
        nn.functional.cross_entropy(model(x), y).backward()
