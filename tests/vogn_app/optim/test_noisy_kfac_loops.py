"""Noisy K-FAC in loops of all kinds: split batches, scaled losses, no blocks."""

import copy
import math

import pytest
import torch
from torch.nn import functional as F

from tests.vogn_app.optim.networks import (
    assert_bitwise,
    assert_same,
    batch,
    block,
    network,
    weights,
)
from tests.vogn_app.optim.noisy import SILENT
from vogn_app import KFAC, NoisyKFAC

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


# --- loss scales ------------------------------------------------------------------


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


# --- loops without blocks ---------------------------------------------------------


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
