"""Noise from generators of its own."""

import copy
import math
import re

import pytest
import torch

from vogn_app.optim.noise import NoiseSource


def test_shapes_types_and_order_are_those_of_the_tensors():
    like = [
        torch.zeros(2, 3),
        torch.zeros(4, dtype=torch.float32),
        torch.zeros(()),
        torch.zeros(0, 5),
    ]
    noise = NoiseSource(0).normals(like)
    assert [(n.shape, n.dtype) for n in noise] == [(t.shape, t.dtype) for t in like]


def test_no_tensors_give_no_noise():
    assert NoiseSource(0).normals([]) == []


def test_every_number_is_standard_normal_and_drawn_afresh():
    """N = 40,000: mean and variance deviate by 1 / sqrt(n) and sqrt(2 / n)."""
    source, like = NoiseSource(0), [torch.zeros(100, 100), torch.zeros(10_000)]
    drawn = torch.cat([x.flatten() for _ in range(2) for x in source.normals(like)])
    assert abs(drawn.mean()) < 5 / math.sqrt(40_000)
    assert abs(drawn.var() - 1) < 5 * math.sqrt(2 / 40_000)
    assert len(drawn.unique()) == len(drawn)


def test_a_seed_reproduces_and_torchs_generator_is_left_alone():
    like, state = [torch.zeros(5)], torch.get_rng_state()
    first, again, other = (NoiseSource(s).normals(like)[0] for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


def test_a_restored_source_goes_on_where_the_other_was():
    source, like = NoiseSource(1), [torch.zeros(5)]
    source.normals(like)
    state = source.state_dict()
    expected = source.normals(like)[0]
    restored = NoiseSource(2)
    restored.normals(like)  # a generator that exists already
    restored.load_state_dict(state)
    assert torch.equal(restored.normals(like)[0], expected)


def test_a_copy_goes_on_where_the_other_was_and_alone():
    source, like = NoiseSource(1), [torch.zeros(5)]
    source.normals(like)
    twin = copy.deepcopy(source)
    assert torch.equal(twin.normals(like)[0], source.normals(like)[0])
    twin.normals(like)
    assert not torch.equal(twin.normals(like)[0], source.normals(like)[0])


def test_a_state_of_a_device_that_is_not_here_waits_and_is_saved_again():
    state = {"cuda:7": torch.zeros(16, dtype=torch.uint8)}
    source = NoiseSource(0)
    source.load_state_dict(state)
    source.normals([torch.zeros(2)])
    saved = source.state_dict()
    assert set(saved) == {"cuda:7", "cpu"}
    assert torch.equal(saved["cuda:7"], state["cuda:7"])


@pytest.mark.parametrize("seed", [-1, 2**63, 1.0, True, None])
def test_a_wrong_seed_is_an_error(seed):
    text = f"seed must be a whole number in [0, 2^63), got {seed!r}."
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        NoiseSource(seed)
