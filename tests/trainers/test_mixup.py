"""Tests of running mixup."""

import numpy as np
import pytest
import torch

from trainers.mixup import RunningMixup

CLASSES = 5


def batch(size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(size, 2, 3, generator=generator)
    return inputs, torch.randint(CLASSES, (size,), generator=generator)


def mixer(alpha=0.4, seed=0):
    return RunningMixup(alpha, CLASSES, seed)


def one_hot(labels):
    return torch.eye(CLASSES)[labels]


def test_the_first_batch_is_not_mixed():
    inputs, labels = batch(8)
    mixed, targets = mixer().mix(inputs, labels, 0)
    assert torch.equal(mixed, inputs)
    assert torch.equal(targets, one_hot(labels))


def test_every_batch_is_mixed_with_the_mixed_one_before():
    mixup, before = mixer(), None
    for step in range(4):
        inputs, labels = batch(8, step)
        mixed, targets = mixup.mix(inputs, labels, step)
        if before is not None:
            share = torch.from_numpy(mixup.shares(8, step)).float()
            expected = (
                share[:, None, None] * inputs + (1 - share)[:, None, None] * before[0]
            )
            torch.testing.assert_close(mixed, expected)
            expected = (
                share[:, None] * one_hot(labels) + (1 - share)[:, None] * before[1]
            )
            torch.testing.assert_close(targets, expected)
            assert not torch.equal(mixed, inputs)
        before = mixed, targets


def test_the_mass_of_the_labels_is_one_and_most_of_it_the_example_s_own():
    mixup = mixer(alpha=1.0)
    for step in range(60):
        inputs, labels = batch(16, step)
        _, targets = mixup.mix(inputs, labels, step)
    torch.testing.assert_close(targets.sum(1), torch.ones(16))
    assert (targets >= 0).all()
    own = targets.gather(1, labels[:, None])
    assert (own >= 0.5).all()
    assert ((targets > 1e-3).sum(1) > 2).any()  # of more than two batches


def test_the_callers_batch_is_left_alone():
    mixup = mixer()
    for step in range(3):
        inputs, labels = batch(6, step)
        kept = inputs.clone()
        mixup.mix(inputs, labels, step)
        assert torch.equal(inputs, kept)


@pytest.mark.parametrize("alpha", [0.01, 0.4, 1.0, 3.0])
def test_lambda_is_the_larger_part_of_a_beta_draw(alpha):
    shares = mixer(alpha).shares(40_000, 7)
    assert shares.min() >= 0.5
    assert shares.max() <= 1.0
    # Half of the draws of a symmetric distribution lie beyond its middle.
    drawn = np.random.default_rng(1).beta(alpha, alpha, 40_000)
    expected = np.maximum(drawn, 1 - drawn)
    for quantile in (0.1, 0.5, 0.9):
        found = np.quantile(shares, quantile)
        assert found == pytest.approx(np.quantile(expected, quantile), abs=0.01)


def test_lambda_of_alpha_one_is_uniform():
    shares = mixer(1.0).shares(50_000, 0)
    assert shares.mean() == pytest.approx(0.75, abs=0.003)
    assert shares.var() == pytest.approx(0.5**2 / 12, abs=0.001)


def test_lambda_depends_on_seed_and_step_alone():
    torch.manual_seed(0)
    first = mixer().shares(9, 3)
    np.random.default_rng(5).random()
    torch.rand(3)
    assert np.array_equal(mixer().shares(9, 3), first)
    assert not np.array_equal(mixer().shares(9, 4), first)
    assert not np.array_equal(mixer(seed=1).shares(9, 3), first)


def test_the_global_generators_are_left_alone():
    state = torch.get_rng_state()
    mixup = mixer()
    mixup.mix(*batch(4), 0)
    mixup.mix(*batch(4, 1), 1)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_smaller_batch_takes_the_first_rows_and_leaves_the_others():
    mixup = mixer()
    (first, labels), (last, few), (later, others) = batch(6), batch(2, 1), batch(6, 2)
    mixup.mix(first, labels, 0)
    mixed, targets = mixup.mix(last, few, 1)
    assert (mixed.shape, targets.shape) == ((2, 2, 3), (2, CLASSES))
    share = torch.from_numpy(mixup.shares(2, 1)).float()[:, None, None]
    torch.testing.assert_close(mixed, share * last + (1 - share) * first[:2])
    whole, _ = mixup.mix(later, others, 2)
    share = torch.from_numpy(mixup.shares(6, 2)).float()[:, None, None]
    partners = torch.cat([mixed, first[2:]])
    torch.testing.assert_close(whole, share * later + (1 - share) * partners)


def test_a_larger_batch_leaves_rows_without_a_partner_as_they_are():
    mixup = mixer()
    mixup.mix(*batch(2), 0)
    inputs, labels = batch(5, 1)
    mixed, targets = mixup.mix(inputs, labels, 1)
    assert torch.equal(mixed[2:], inputs[2:])
    assert torch.equal(targets[2:], one_hot(labels)[2:])
    assert not torch.equal(mixed[:2], inputs[:2])


def test_the_state_is_all_that_the_next_batch_needs():
    mixup = mixer()
    assert mixup.state_dict() == {}
    for step in range(3):
        mixup.mix(*batch(6 - step, step), step)
    other = mixer()
    other.load_state_dict(mixup.state_dict())
    for found, expected in zip(
        other.mix(*batch(6, 3), 3), mixup.mix(*batch(6, 3), 3), strict=True
    ):
        assert torch.equal(found, expected)
    other.load_state_dict({})
    assert torch.equal(other.mix(*batch(6, 4), 4)[0], batch(6, 4)[0])
