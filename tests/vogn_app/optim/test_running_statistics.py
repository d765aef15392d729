"""Tests of BatchNorm's statistics for the weights that a model has."""

import copy

import pytest
import torch
from torch import nn

from vogn_app.optim.running_statistics import renew_running_statistics
from vogn_app.posterior import GaussianPosterior


def network():
    return nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2)
    )


def expected(model, batches):
    """Means and variances of the first layer's outputs, averaged over examples."""
    outputs = [model[0](x).detach() for x in batches]
    shares = torch.tensor([len(x) for x in batches]) / sum(map(len, batches))
    means = torch.stack([each.mean(0) for each in outputs])
    variances = torch.stack([each.var(0) for each in outputs])
    return shares @ means, shares @ variances


def test_they_are_averages_over_examples_whatever_was_there_before():
    model, batches = network(), [torch.randn(n, 3) for n in (5, 2, 9)]
    model[1].running_mean += 7
    model[1].num_batches_tracked += 100
    renew_running_statistics(model, [(x, None) for x in batches])
    mean, variance = expected(model, batches)
    torch.testing.assert_close(model[1].running_mean, mean)
    torch.testing.assert_close(model[1].running_var, variance)
    assert model[1].num_batches_tracked == 3
    assert model[1].momentum == 0.1


def test_of_one_batch_they_are_its_own_so_that_both_modes_agree():
    model, x = network(), torch.randn(50, 3)
    del model[2]
    model.train()
    in_training = model(x)
    renew_running_statistics(model, [x])
    unbiased = model[1].running_var
    unbiased *= 49 / 50
    torch.testing.assert_close(model.eval()(x), in_training)


def test_modes_stay_and_nothing_is_drawn():
    model, x = network(), torch.randn(4, 3)
    model[2].eval()
    before = torch.get_rng_state()
    renew_running_statistics(model, [x])
    assert torch.equal(torch.get_rng_state(), before)
    assert [m.training for m in model] == [True, True, False, True]


def test_single_examples_are_left_out():
    model = network()
    alone, beside = copy.deepcopy(model), copy.deepcopy(model)
    x = torch.randn(6, 3)
    renew_running_statistics(alone, [x])
    renew_running_statistics(beside, [torch.randn(1, 3), x, torch.randn(1, 3)])
    assert torch.equal(alone[1].running_var, beside[1].running_var)


def test_without_running_statistics_no_batch_is_asked_for():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=False))

    def batches():
        raise AssertionError
        yield

    renew_running_statistics(model, batches())


def test_without_batches_the_old_ones_stay():
    model = network()
    model[1].running_mean += 7
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="batches must hold one of at least 2 exam"):
        renew_running_statistics(model, [torch.randn(1, 3)])
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_after_an_exception_everything_is_as_it_was():
    model = network().eval()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        renew_running_statistics(model, [torch.randn(4, 3), torch.randn(4, 5)])
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    assert not any(m.training for m in model.modules())
    assert model[1].momentum == 0.1


def test_a_draw_can_have_statistics_of_its_own():
    model, x = network(), torch.randn(20, 3)
    posterior = GaussianPosterior.from_model(
        model,
        {"0.weight": torch.ones(4, 3)},
        prior_precision={"0.weight": 1.0},
    )
    with posterior.sampled(model, index=3):
        renew_running_statistics(model, [x])
        mean, _ = expected(model, [x])
        torch.testing.assert_close(model[1].running_mean, mean)
    assert torch.equal(model[1].running_mean, torch.zeros(4))
