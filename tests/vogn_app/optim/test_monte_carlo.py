"""Tests of what SGLD and SGHMC share: cycles, noise, ranks, states."""

import copy
import io

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from tests.vogn_app.optim.networks import assert_bitwise, batch, normed, weights
from vogn_app.optim.cyclic import kept_steps
from vogn_app.optim.monte_carlo import prior_share
from vogn_app.optim.sghmc import SGHMC
from vogn_app.optim.sgld import SGLD

EVERY = pytest.mark.parametrize("kind", [SGLD, SGHMC])
PLAN = {"num_data": 60, "num_steps": 8, "cycles": 2, "num_kept": 3, "exploration": 0.5}


def train(model, optimizer, schedule, data):
    for x, y in data:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        schedule.step()


def built(kind, model, **settings):
    optimizer = kind(model, **PLAN | settings)
    return optimizer, LambdaLR(optimizer, optimizer.lr_factor)


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@EVERY
def test_noise_waits_for_the_exploration_of_each_cycle(kind):
    noisy, silent = normed(), None
    silent = copy.deepcopy(noisy)
    optimizers = [built(kind, noisy), built(kind, silent, temperature=0.0)]
    same = []
    for each in [batch() for _ in range(8)]:
        silent.load_state_dict(noisy.state_dict())
        for p, q in zip(noisy.parameters(), silent.parameters(), strict=True):
            optimizers[1][0].state[q] = copy.deepcopy(optimizers[0][0].state[p])
        for model, (optimizer, schedule) in zip(
            (noisy, silent), optimizers, strict=True
        ):
            train(model, optimizer, schedule, [each])
        same.append(torch.equal(noisy[0].weight, silent[0].weight))
    assert same == [True, True, False, False] * 2


@EVERY
def test_the_posterior_has_what_was_kept_and_says_where_from(kind):
    model, data = normed(), [batch() for _ in range(10)]
    optimizer, schedule = built(kind, model, temperature=0.5)
    seen = {}
    for step, each in enumerate(data, start=1):
        train(model, optimizer, schedule, [each])
        seen[step] = weights(model)
    posterior = optimizer.posterior()
    kept = kept_steps(8, 2, 3, 0.5)
    assert len(kept) == len(posterior.components) == 3
    for index, step in enumerate(kept):
        with posterior.sampled(model, index=index):
            assert_bitwise(weights(model), seen[step])
    assert posterior.metadata == {
        "method": kind.__name__, "num_steps": 10, "num_kept": 3, "num_data": 60,
        "augmentation_factor": 1.0, "prior_precision": 0.05, "temperature": 0.5,
    }  # fmt: skip


@EVERY
def test_after_the_last_step_the_rate_is_that_of_the_end_and_nothing_is_kept(kind):
    model = normed()
    optimizer, schedule = built(kind, model)
    train(model, optimizer, schedule, [batch() for _ in range(8)])
    assert optimizer.param_groups[0]["lr"] == 0.0
    train(model, optimizer, schedule, [batch() for _ in range(4)])
    assert len(optimizer.kept) == 3
    constant = kind(model, **PLAN, annealed=False)
    assert {constant.lr_factor(step) for step in (0, 3, 7, 8, 100)} == {1.0}


@EVERY
@pytest.mark.parametrize("steps", [3, 4, 5])  # before, right at, after a kept one
def test_a_resumed_chain_is_the_uninterrupted_one_bit_for_bit(kind, steps):
    data = [batch() for _ in range(8)]
    whole, second = normed(), normed()
    first = copy.deepcopy(whole)
    expected, schedule = built(kind, whole, seed=3)
    train(whole, expected, schedule, data)
    optimizer, schedule = built(kind, first, seed=3)
    train(first, optimizer, schedule, data[:steps])
    parts = (first, optimizer, schedule)
    states = through_a_file([part.state_dict() for part in parts])
    resumed, schedule = built(kind, second)  # the seed is the saved one
    for part, state in zip((second, resumed, schedule), states, strict=True):
        part.load_state_dict(state)
    train(second, resumed, schedule, data[steps:])
    assert_bitwise(weights(second), weights(whole))
    for ours, theirs in zip(resumed.kept, expected.kept, strict=True):
        assert_bitwise(ours["parameters"], theirs["parameters"])


@EVERY
def test_copies_of_model_and_optimizer_go_the_same_way(kind):
    model, data = normed(), [batch() for _ in range(8)]
    optimizer, schedule = built(kind, model, seed=2)
    train(model, optimizer, schedule, data[:5])
    other, copied = copy.deepcopy((model, optimizer))
    train(model, optimizer, LambdaLR(optimizer, optimizer.lr_factor), data[5:])
    train(other, copied, LambdaLR(copied, copied.lr_factor), data[5:])
    assert_bitwise(weights(other), weights(model))
    assert len(copied.kept) == len(optimizer.kept) == 3


@EVERY
def test_torchs_own_generator_is_left_alone(kind):
    model = normed()
    optimizer, schedule = built(kind, model, exploration=0.0)
    data = [batch()]
    before = torch.get_rng_state()
    train(model, optimizer, schedule, data)
    assert torch.equal(torch.get_rng_state(), before)


@EVERY
def test_parameters_without_a_gradient_stand_still(kind):
    model = normed()
    model[0].bias.requires_grad_(False)
    optimizer = kind(model, **PLAN | {"exploration": 0.0}, params=model.parameters())
    before = weights(model)
    model[2](torch.randn(5, 4)).square().mean().backward()
    optimizer.step()
    after = weights(model)
    changed = {k for k in after if not torch.equal(after[k], before[k])}
    assert changed == {"2.weight", "2.bias"}


@EVERY
def test_groups_have_noise_of_their_own(kind):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    groups = [{"params": layer.weight} for layer in model]
    optimizer = kind(model, **PLAN | {"exploration": 0.0}, params=groups)
    for layer in model:
        layer.weight.data.zero_()
        layer.weight.grad = torch.zeros(3, 3)
    optimizer.step()
    numbers = torch.stack([layer.weight.detach() for layer in model]).flatten()
    assert len(numbers.unique()) == 18


@EVERY
def test_types_may_be_mixed(kind):
    model = nn.Sequential(nn.Linear(3, 4).float(), nn.Linear(4, 2).bfloat16())
    optimizer = kind(model, **PLAN | {"exploration": 0.0, "lr": 0.5})
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    before = weights(model)
    optimizer.step()
    optimizer.step()
    for name, value in weights(model).items():
        assert value.dtype == before[name].dtype
        assert (value < before[name]).float().mean() > 0.5  # downhill, for the most


@EVERY
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_data": 0}, "num_data must be a whole number >= 1, got 0"),
        ({"num_steps": 0}, "num_steps must be a whole number >= 1, got 0"),
        ({"cycles": 0}, "cycles must be a whole number >= 1, got 0"),
        ({"num_kept": 0}, "num_kept must be a whole number >= 1, got 0"),
        ({"exploration": 1.0}, r"exploration must be a finite number in \[0, 1\), got"),
        ({"annealed": "yes"}, "annealed must be True or False, got 'yes'"),
        ({"lr": -1.0}, r"lr must be a finite number in \[0, inf\), got -1"),
        ({"temperature": -1.0}, r"temperature must be a finite number in \[0, inf"),
        ({"prior_precision": -1.0}, "prior_precision must be a finite number"),
        ({"augmentation_factor": 0.0}, "augmentation_factor must be a finite number"),
        ({"seed": -1}, "seed must be a whole number"),
    ],
)
def test_wrong_arguments_are_named(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(normed(), **PLAN | arguments)


@EVERY
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_data": 61}, "num_data must be 60 in the state to load, got 61"),
        ({"cycles": 3}, "cycles must be 2 in the state to load, got 3"),
        ({"exploration": 0.1}, "exploration must be 0.5 in the state to load, got 0.1"),
    ],
)
def test_a_state_of_another_plan_is_refused(kind, change, message):
    state = kind(normed(), **PLAN | change).state_dict()
    with pytest.raises(ValueError, match=message):
        kind(normed(), **PLAN).load_state_dict(state)


def test_the_prior_follows_the_data_by_default():
    for num_data in (60, 60_000):
        group = SGLD(normed(), **PLAN | {"num_data": num_data}).param_groups[0]
        assert prior_share(group) == pytest.approx(1 / 1200)


@EVERY
def test_ranks_with_the_same_gradients_stay_the_same(kind):
    # DistributedDataParallel averages gradients; what else a rank drew has no part.
    chains = []
    for rank in range(2):
        torch.manual_seed(0)
        model, data = normed(), [batch() for _ in range(8)]
        optimizer, schedule = built(kind, model, exploration=0.0)
        torch.manual_seed(rank)
        train(model, optimizer, schedule, data)
        chains.append(optimizer.kept)
    for ours, theirs in zip(*chains, strict=True):
        assert_bitwise(ours["parameters"], theirs["parameters"])
