"""Noise from generators of its own."""

import copy
import math
import re

import pytest
import torch

from vogn_app.optim.noise import LABELS, WEIGHTS, NoiseSource, hashed


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


def test_within_a_draw_numbers_go_on_and_the_next_draw_has_others():
    source, like = NoiseSource(1), [torch.zeros(5)]
    source.begin_training()
    first, second = source.normals(like)[0], source.normals(like)[0]
    source.begin_training()
    third = source.normals(like)[0]
    assert not torch.equal(first, second)
    assert not torch.equal(first, third)
    assert not torch.equal(second, third)


def taken(source, begin):
    """What a draw consists of: normals, the kernels' keys, labels."""
    begin()
    normals = source.normals([torch.zeros(5)])[0].tolist()
    labels = torch.rand(3, generator=source.labels(torch.device("cpu"))).tolist()
    return (*normals, source.key(), source.key(), *labels)


def test_a_restored_source_goes_on_where_the_other_was():
    source, restored = NoiseSource(1), NoiseSource(2)
    taken(source, source.begin_training)
    taken(source, source.begin_prediction)
    taken(restored, restored.begin_training)
    restored.load_state_dict(source.state_dict())
    for name in ("begin_training", "begin_prediction", "begin_training"):
        expected = taken(source, getattr(source, name))
        assert taken(restored, getattr(restored, name)) == expected


def test_a_copy_goes_on_where_the_other_was_and_alone():
    source = NoiseSource(1)
    taken(source, source.begin_training)
    twin = copy.deepcopy(source)
    expected = taken(source, source.begin_training)
    assert taken(twin, twin.begin_training) == expected
    taken(twin, twin.begin_training)
    later = taken(source, source.begin_training)
    assert taken(twin, twin.begin_training) != later


def test_draws_to_predict_with_do_not_change_those_to_train_with():
    source, other = NoiseSource(1), NoiseSource(1)
    predicted = taken(source, source.begin_prediction)
    trained = taken(source, source.begin_training)
    assert trained == taken(other, other.begin_training)
    assert len({*predicted, *trained}) == len(predicted) + len(trained)


@pytest.mark.parametrize("num_ranks", [2, 3])
def test_ranks_share_the_draws_of_one_process(num_ranks):
    alone = NoiseSource(1)
    expected = [taken(alone, alone.begin_training) for _ in range(2 * num_ranks)]
    ranks = [NoiseSource(1) for _ in range(num_ranks)]
    got = [
        taken(source, lambda r=rank, s=source: s.begin_training(r, num_ranks))
        for _ in range(2)
        for rank, source in enumerate(ranks)
    ]
    assert got == expected
    assert all(source.state_dict() == alone.state_dict() for source in ranks)


def test_labels_do_not_follow_the_weights():
    source = NoiseSource(1)
    source.begin_training()
    normals = source.normals([torch.zeros(1000)])[0]
    labels = torch.randn(1000, generator=source.labels(torch.device("cpu")))
    correlation = torch.corrcoef(torch.stack([normals, labels]))[0, 1]
    assert abs(correlation) < 5 / math.sqrt(1000)


@pytest.mark.parametrize("purpose", [WEIGHTS, LABELS])
def test_noise_is_that_of_the_order_of_devices_and_not_of_their_numbers(purpose):
    """Rank r is on device r; a run may resume on another than it began on."""
    seeds = []
    for numbers in [(0, 1), (1, 0), (3, 2)]:
        source = NoiseSource(1)
        source.begin_at(2)
        devices = [torch.device("cpu", number) for number in numbers]
        seeds.append([source._generator(d, purpose).initial_seed() for d in devices])
    assert seeds[0] == seeds[1] == seeds[2]
    assert seeds[0][0] != seeds[0][1]  # on two at once it is not the same


def test_the_hash_depends_on_every_bit_and_on_the_order():
    numbers = {hashed(*x) for x in [(0,), (1,), (0, 0), (0, 1), (1, 0), (2**63 - 1,)]}
    single = {hashed(7, 1 << bit) for bit in range(63)}
    assert len(numbers) == 6
    assert len(single) == 63
    assert all(0 <= number < 2**63 for number in numbers | single)


@pytest.mark.parametrize("seed", [-1, 2**63, 1.0, True, None])
def test_a_wrong_seed_is_an_error(seed):
    text = f"seed must be a whole number in [0, 2^63), got {seed!r}."
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        NoiseSource(seed)
