"""Draws from matrix Gaussians: their covariance, and what they depend on."""

import math

import pytest
import torch
from torch import nn

from vogn_app.posterior.draws import draw_keys
from vogn_app.posterior.matrix_blocks import covariances_by_block
from vogn_app.posterior.matrix_draws import MatrixSampler

from .examples import assert_same
from .matrix_examples import SCALE, Zoo, blocks_of

pytestmark = pytest.mark.filterwarnings("ignore:scale .* have no curvature")
NUM_DRAWS = 4000


def sampler_of(model, dtype=None, order=1, **settings):
    model = model if dtype is None else model.to(dtype)
    blocks = blocks_of(model, **settings)[::order]
    names = {part.name for b in blocks for part in b.layout.parts.values()}
    means = {n: p.detach() for n, p in model.named_parameters() if n in names}
    wide = torch.promote_types(next(iter(means.values())).dtype, torch.float32)
    return MatrixSampler(means, blocks, covariances_by_block(blocks, wide)), means


def dense_covariance(block):
    """Of a linear layer's weight and bias as one matrix [out, in + 1], row by row."""
    a, g = (block.factors[side].moment_mean.matrix()[0] for side in block.layout.sides)
    d, e = (block.factors[side].damping for side in block.layout.sides)
    if block.joint:
        whole = torch.kron(g, a)
        return SCALE * (whole + d * torch.eye(len(whole))).inverse()
    a, g = a + d * torch.eye(len(a)), g + e * torch.eye(len(g))
    return SCALE * torch.kron(g.inverse(), a.inverse())


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("form", ["matrix", "rows"])
def test_draws_have_the_stated_mean_and_covariance(joint, form):
    """Whitened by the stated covariance they are standard normal.

    Of S draws the mean of each of n numbers has deviation 1 / sqrt(S), a second moment
    off the diagonal 1 / sqrt(S) and on it sqrt(2 / S). With n (n + 3) / 2 = 90 such
    figures one passes 5.5 of its deviations by chance once in 3e5 seeds.
    """
    model = nn.Linear(3, 3)
    sampler, means = sampler_of(model, joint=joint, form=form)
    (block,) = blocks_of(model, joint=joint, form=form)
    draws = sampler(draw_keys(NUM_DRAWS, 1))
    off = {name: draws[name] - mean for name, mean in means.items()}
    rows = torch.cat((off["weight"], off["bias"].unsqueeze(2)), 2).flatten(1)
    triangle = torch.linalg.cholesky(dense_covariance(block))
    z = torch.linalg.solve_triangular(triangle, rows.T, upper=False)
    n = len(z)
    assert n == 12
    assert z.mean(1).abs().max() < 5.5 / math.sqrt(NUM_DRAWS)
    error = z @ z.T / NUM_DRAWS - torch.eye(n)
    assert error.diagonal().abs().max() < 5.5 * math.sqrt(2 / NUM_DRAWS)
    assert error.fill_diagonal_(0).abs().max() < 5.5 / math.sqrt(NUM_DRAWS)


def test_every_parameter_moves_in_every_block():
    sampler, means = sampler_of(Zoo())
    draws = sampler(draw_keys(2, 0))
    assert draws.keys() == means.keys()
    for name, mean in means.items():
        assert draws[name].shape == (2, *mean.shape)
        assert not (draws[name] == mean).any()


def test_a_draw_depends_on_its_key_alone():
    sampler, _ = sampler_of(Zoo())
    many = sampler(draw_keys(4, 3))
    few = sampler(draw_keys(4, 3)[2:3])
    assert_same(few, {name: draws[2:3] for name, draws in many.items()})


def test_a_draw_does_not_depend_on_the_order_of_blocks():
    keys, model = draw_keys(2, 5), Zoo()
    one, other = sampler_of(model)[0], sampler_of(model, order=-1)[0]
    assert_same(one(keys), other(keys))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_rounds_the_sum_alone(dtype):
    torch.manual_seed(3)
    half, means = sampler_of(nn.Linear(30, 20), dtype)
    single, _ = sampler_of(nn.Linear(30, 20), torch.float32)
    for name, mean in means.items():
        single._mean[name].copy_(mean)
    keys = draw_keys(3, 1)
    halves, singles = half(keys), single(keys)
    for name in means:
        assert halves[name].dtype == dtype
        assert torch.equal(halves[name], singles[name].to(dtype))


def test_autocast_does_not_reach_into_a_draw():
    sampler, _ = sampler_of(nn.Linear(30, 20), torch.float32)
    keys = draw_keys(1, 1)
    expected = sampler(keys)
    with torch.autocast("cpu", torch.bfloat16):
        assert_same(sampler(keys), expected)


def test_nothing_sampled_draws_nothing():
    assert MatrixSampler({}, [], {})(draw_keys(2)) == {}


def test_the_global_generator_is_left_alone():
    sampler, _ = sampler_of(nn.Linear(3, 2))
    before = torch.get_rng_state()
    sampler(draw_keys(2))
    assert torch.equal(torch.get_rng_state(), before)
