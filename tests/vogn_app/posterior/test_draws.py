"""Draws: their distribution, and that each depends on its key alone."""

import math
import re

import pytest
import torch

from vogn_app.posterior.draws import Sampler, draw_keys, wide_dtype

SIZES = {"b": (40,), "a": (5, 7), "scalar": (), "empty": (0, 3)}


def sampler(dtype=torch.float64, order=tuple(SIZES)):
    generator = torch.Generator().manual_seed(2)
    mean = {n: torch.randn(s, generator=generator) for n, s in SIZES.items()}
    precision = {n: 1 + torch.rand(s, generator=generator) for n, s in SIZES.items()}
    return Sampler(
        {n: mean[n].to(dtype) for n in order},
        {n: precision[n].to(dtype) for n in order},
    )


def test_whitened_draws_are_standard_normal_and_independent():
    num_draws, size = 2000, 50
    mean, precision = torch.randn(size), 1 + 99 * torch.rand(size)
    draws = Sampler({"w": mean}, {"w": precision})(draw_keys(num_draws, 3))["w"]
    z = (draws - mean) * precision.sqrt()
    # Sums of squares of n normals have mean n and deviation sqrt(2 n): at five
    # deviations a right sampler fails for one seed in a million.
    count = z.numel()
    assert abs(z.square().sum() - count) < 5 * math.sqrt(2 * count)
    assert abs(z.sum()) < 5 * math.sqrt(count)
    # Correlations of elements, and of successive draws, have deviation 1 / sqrt(n).
    off = (z.T @ z / num_draws - torch.eye(size)).tril(-1)
    pairs = size * (size - 1) / 2
    assert abs(off.square().sum() * num_draws - pairs) < 5 * math.sqrt(2 * pairs)
    neighbours = (z[1:] * z[:-1]).sum() / math.sqrt(z[1:].numel())
    assert abs(neighbours) < 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_draws_do_not_depend_on_how_many_are_asked_for_at_once(dtype):
    draw, keys = sampler(dtype), draw_keys(7, seed=5)
    together = draw(keys)
    for index, key in enumerate(keys):
        alone = draw([key])
        for name, tensor in together.items():
            assert tensor.shape == (7, *SIZES[name])
            assert tensor.dtype == dtype
            assert torch.equal(tensor[index], alone[name][0])


def test_draws_do_not_depend_on_the_order_of_names():
    keys = draw_keys(2)
    forward, backward = sampler()(keys), sampler(order=tuple(SIZES)[::-1])(keys)
    for name, tensor in forward.items():
        assert torch.equal(tensor, backward[name])


def test_half_precision_is_the_rounded_draw_of_single_precision():
    mean, precision = torch.ones(100).bfloat16(), torch.full((100,), 7.0).bfloat16()
    keys = draw_keys(3)
    half = Sampler({"w": mean}, {"w": precision})(keys)["w"]
    single = Sampler({"w": mean.float()}, {"w": precision.float()})(keys)["w"]
    assert torch.equal(half, single.bfloat16())


def test_keys_of_a_seed_are_the_same_however_many():
    assert draw_keys(10, seed=4)[:3] == draw_keys(3, seed=4)
    assert draw_keys(3) == draw_keys(3, seed=0) != draw_keys(3, seed=1)
    assert len(set(draw_keys(1000))) == 1000


def test_a_generator_goes_on_where_it_was():
    generator = torch.Generator().manual_seed(4)
    assert draw_keys(2, generator=generator) == draw_keys(5, seed=4)[:2]
    assert draw_keys(3, generator=generator) == draw_keys(5, seed=4)[2:]


@pytest.mark.parametrize("seed", [-1, 2**63, 1.0, True, "0"])
def test_what_is_no_seed_is_an_error(seed):
    text = f"seed must be a whole number in [0, 2^63), got {seed!r}."
    with pytest.raises(ValueError, match=re.escape(text)):
        draw_keys(1, seed=seed)


def test_seed_and_generator_together_are_an_error():
    with pytest.raises(ValueError, match=r"^seed must be None beside a generator, got"):
        draw_keys(1, 0, torch.Generator())


def test_without_sampled_parameters_there_is_nothing_to_draw():
    assert Sampler({}, {})(draw_keys(2)) == {}


def test_the_wide_type_is_at_least_single_precision():
    half, double = torch.zeros(1).half(), torch.zeros(1).double()
    assert wide_dtype(half) == torch.float32
    assert wide_dtype(half, double) == torch.float64
