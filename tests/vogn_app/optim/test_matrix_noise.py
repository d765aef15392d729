"""Noise of an optimizer's blocks: which weights, when it is renewed, in which type."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.networks import batch, network, normed
from tests.vogn_app.posterior.matrix_examples import Zoo, tokens
from vogn_app.curvature.kronecker.blocks import INPUTS, OUTPUTS
from vogn_app.optim.blockwise import BlockPreconditioner
from vogn_app.optim.matrix_noise import MatrixNoise
from vogn_app.optim.noise import NoiseSource


def measured(model, *inputs, silent_norms=True, **settings):
    """Noise of a model, after one step's statistics."""
    blocks = BlockPreconditioner(model, **settings)
    noise = MatrixNoise(model, blocks, silent_norms=silent_norms)
    measure(model, blocks, *inputs)
    return noise, blocks


def measure(model, blocks, x, y):
    with blocks.block(0):
        F.cross_entropy(model(x), y).backward()
    blocks.keep(together=False, scale=None)
    blocks.natural({}, {})


def names_of(noise, model):
    named = {id(p): name for name, p in model.named_parameters()}
    return {named[id(p)] for p in noise.draw(NoiseSource(0), 1.0)}


def test_before_a_block_was_measured_nothing_is_drawn():
    model = network()
    blocks = BlockPreconditioner(model)
    noise = MatrixNoise(model, blocks, silent_norms=True)
    assert noise.draw(NoiseSource(0), 1.0) == {}
    assert noise.blocks(1.0) == []
    assert noise.mean_deviation(1.0) == 0


@pytest.mark.filterwarnings("ignore:scale .* have no curvature")
@pytest.mark.parametrize("silent", [True, False])
@pytest.mark.parametrize("inversion", ["cholesky", "eigen"])
def test_every_weight_of_every_kind_of_block_is_drawn(silent, inversion):
    model = Zoo()
    y = torch.randint(2, (5,))
    noise, _ = measured(
        model, tokens(), y, silent_norms=silent, factor_decay=0.0, inversion=inversion
    )
    norms = {"channels.weight", "channels.bias"}
    every = {name for name, _ in model.named_parameters()} - {"scale"}
    expected = every - norms if silent else every
    assert names_of(noise, model) == noise.names == expected
    shifts = noise.draw(NoiseSource(0), 0.01)
    for parameter, shift in shifts.items():
        assert shift.shape == parameter.shape
        assert shift.ne(0).all()
    parts = [p.name for b in noise.blocks(0.01) for p in b.layout.parts.values()]
    assert set(parts) == expected
    assert {b.joint for b in noise.blocks(0.01) if len(b.layout.sides) == 2} == {
        inversion == "eigen"
    }


def test_the_scale_is_that_of_the_covariance():
    noise, _ = measured(network(), *batch())
    one, four = (noise.draw(NoiseSource(3), scale) for scale in (1.0, 4.0))
    for parameter, shift in one.items():
        torch.testing.assert_close(four[parameter], 2 * shift)
    torch.testing.assert_close(noise.mean_deviation(4.0), 2 * noise.mean_deviation(1.0))


def test_roots_are_renewed_with_the_inverses_and_not_before():
    model, (x, y) = network(), batch()
    noise, blocks = measured(model, x, y, factor_interval=2)
    noise.draw(NoiseSource(0), 1.0)
    first = {name: known[1] for name, known in noise._known.items()}
    measure(model, blocks, x, y)  # no refresh
    noise.draw(NoiseSource(0), 1.0)
    assert all(noise._known[name][1] is each for name, each in first.items())
    measure(model, blocks, 2 * x, y)
    noise.draw(NoiseSource(0), 1.0)
    assert not any(noise._known[name][1] is each for name, each in first.items())


def test_a_block_without_a_root_keeps_its_last():
    model, (x, y) = network(), batch()
    noise, blocks = measured(model, x, y, factor_interval=1)
    before = noise.draw(NoiseSource(0), 1.0)
    factors = blocks._state.factors
    for side in (INPUTS, OUTPUTS):
        factors.dampings["0", side] = torch.tensor([-1e9])
    again = noise.draw(NoiseSource(0), 1.0)
    assert all(torch.equal(again[p], shift) for p, shift in before.items())


def test_autocast_does_not_reach_into_a_draw():
    model, (x, y) = network().float(), batch()
    noise, _ = measured(model, x.float(), y)
    with torch.autocast("cpu", torch.bfloat16):
        inside = noise.draw(NoiseSource(0), 1.0)
    noise._known.clear()
    outside = noise.draw(NoiseSource(0), 1.0)
    for parameter, shift in outside.items():
        assert torch.equal(inside[parameter], shift)


def test_what_was_found_in_inference_mode_serves_outside():
    model, (x, y) = network(), batch()
    noise, _ = measured(model, x, y)
    with torch.inference_mode():
        noise.draw(NoiseSource(0), 1.0)
    shifts = noise.draw(NoiseSource(0), 1.0)
    assert not any(shift.is_inference() for shift in shifts.values())


def test_half_precision_weights_have_noise_in_single():
    model, (x, y) = network().bfloat16(), batch()
    noise, _ = measured(model, x.bfloat16(), y)
    shifts = noise.draw(NoiseSource(0), 1.0)
    assert {shift.dtype for shift in shifts.values()} == {torch.float32}


def test_names_are_those_within_wrappers():
    inner = normed()
    wrapped = nn.DataParallel(copy.deepcopy(inner))
    wrapped.module[0] = torch.compile(wrapped.module[0], backend="eager")
    blocks = BlockPreconditioner(wrapped)
    noise = MatrixNoise(wrapped, blocks, silent_norms=True)
    names = {p.name for each in noise.layouts.values() for p in each.parts.values()}
    assert names == {"0.weight", "0.bias", "2.weight", "2.bias"}
