"""Tests of SWAG: SGD's steps, exact moments, a schedule of its own, an end."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from tests.vogn_app.optim.networks import (
    assert_bitwise,
    batch,
    network,
    normed,
    weights,
)
from vogn_app.optim.swag import SWAG


def train(model, optimizer, data, after=lambda: None):
    for x, y in data:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        after()


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


# --- steps ------------------------------------------------------------------------


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_steps_are_those_of_sgd(momentum):
    ours, theirs, data = network(), network(), [batch() for _ in range(5)]
    theirs.load_state_dict(ours.state_dict())
    settings = {"lr": 0.1, "momentum": momentum, "weight_decay": 0.01}
    train(ours, SWAG(ours, num_steps=5, **settings), data)
    train(theirs, torch.optim.SGD(theirs.parameters(), **settings), data)
    assert_bitwise(weights(ours), weights(theirs))


def test_groups_have_settings_of_their_own():
    model = network()
    groups = [{"params": [model[0].weight], "lr": 0.0}, {"params": [model[2].weight]}]
    optimizer, before = SWAG(model, num_steps=4, params=groups), weights(model)
    train(model, optimizer, [batch() for _ in range(4)])
    changed = {n for n, v in weights(model).items() if not torch.equal(v, before[n])}
    assert changed == {"2.weight"}
    assert set(optimizer.posterior().variance) == {"0.weight", "2.weight"}


def test_a_closure_gives_its_loss():
    model, (x, y) = network(), batch()
    optimizer = SWAG(model, num_steps=2)

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    before = F.cross_entropy(model(x), y)
    torch.testing.assert_close(optimizer.step(closure), before)


@pytest.mark.parametrize(("start", "num_steps"), [(0.75, 40), (0.5, 10), (0.2, 100)])
def test_the_rate_falls_in_a_line_to_a_constant(start, num_steps):
    optimizer = SWAG(network(), num_steps=num_steps, start=start, tail_lr=0.2)
    tail = start * num_steps
    factors = [optimizer.lr_factor(step) for step in range(num_steps + 1)]
    assert all(f == 1 for step, f in enumerate(factors) if step <= tail / 2)
    assert all(f == 0.2 for step, f in enumerate(factors) if step >= tail)
    assert factors == sorted(factors, reverse=True)


def test_without_a_start_the_rate_is_that_of_the_tail():
    assert SWAG(network(), num_steps=9, start=0.0).lr_factor(0) == 0.2


# --- what is collected ------------------------------------------------------------


def test_moments_are_those_of_the_weights_after_the_collected_steps():
    model, passed = network(), []
    optimizer = SWAG(
        model, num_steps=24, start=0.5, interval=3, max_rank=3, lr=0.3, tail_lr=1.0
    )
    train(model, optimizer, [batch() for _ in range(24)],
          after=lambda: passed.append(flat(model)))  # fmt: skip
    taken = torch.stack([passed[step - 1] for step in (15, 18, 21, 24)])
    posterior = optimizer.posterior()
    mean, variance = (
        torch.cat([each[n].flatten() for n, _ in model.named_parameters()])
        for each in (posterior.mean, posterior.variance)
    )
    torch.testing.assert_close(mean, taken.mean(0))
    torch.testing.assert_close(variance, taken.var(0, correction=0))
    rows = torch.cat(
        [posterior.deviations[n].flatten(1) for n, _ in model.named_parameters()], 1
    )
    expected = [taken[i] - taken[: i + 1].mean(0) for i in (3, 1, 2)]  # a ring
    torch.testing.assert_close(rows, torch.stack(expected))
    assert posterior.metadata == {"method": "SWAG", "num_collected": 4}


@pytest.mark.parametrize("num_steps", [2, 3, 7, 14, 80, 81, 200, 1001])
@pytest.mark.parametrize("start", [0.0, 0.75, 0.99])
def test_of_their_own_accord_about_max_rank_are_collected(num_steps, start):
    model = nn.Linear(1, 1)
    optimizer = SWAG(model, num_steps=num_steps, start=start)
    for _ in range(num_steps - 1):
        optimizer.step()
    before = optimizer.num_collected
    optimizer.step()
    assert optimizer.num_collected == before + 1  # the last weights are always one
    tail = max(2, num_steps - int(start * num_steps))
    assert min(tail, 20) <= optimizer.num_collected <= 40


def test_there_is_room_for_as_many_deviations_as_are_planned():
    for settings, room in (({}, 2), ({"start": 0.0}, 8), ({"max_rank": 2}, 2)):
        model = nn.Linear(1, 1)
        optimizer = SWAG(model, num_steps=8, **settings)
        for _ in range(11):  # more than planned
            optimizer.step()
        assert len(optimizer.state_dict()["deviations"]["weight"]) == room
        assert len(optimizer.posterior().deviations["weight"]) == room


def test_averages_of_half_precision_are_wide():
    model = network().bfloat16()
    optimizer = SWAG(model, num_steps=2)
    for _ in range(2):
        optimizer.step()
    posterior = optimizer.posterior()
    assert posterior.mean["0.weight"].dtype == torch.bfloat16
    assert posterior.variance["0.weight"].dtype == torch.float32


def test_what_is_not_trained_has_no_noise():
    model = network()
    model[0].requires_grad_(False)
    optimizer = SWAG(model, num_steps=4)
    train(model, optimizer, [batch() for _ in range(4)])
    posterior = optimizer.posterior()
    assert set(posterior.variance) == {"2.weight", "2.bias"}
    assert torch.equal(posterior.mean["0.weight"], model[0].weight)


def test_a_posterior_is_there_after_two_and_is_a_copy():
    model = network()
    optimizer = SWAG(model, num_steps=4, start=0.0, interval=1)
    for told in (False, False):
        assert optimizer.has_posterior == told
        with pytest.raises(RuntimeError, match="from step 1 on, got"):
            optimizer.posterior()
        train(model, optimizer, [batch()])
    posterior = optimizer.posterior()
    kept = copy.deepcopy((posterior.mean, posterior.variance, posterior.deviations))
    train(model, optimizer, [batch()])
    for before, after in zip(
        kept, (posterior.mean, posterior.variance, posterior.deviations), strict=True
    ):
        assert_bitwise(after, before)


def test_the_scale_is_that_of_the_draws():
    model, data = network(), [batch() for _ in range(4)]
    optimizer, other = (SWAG(model, num_steps=4, scale=0.5) for _ in range(2))
    train(model, optimizer, data)
    assert optimizer.posterior().scale == 0.5
    optimizer.finish(lambda: data)
    other.load_state_dict(optimizer.state_dict())
    assert optimizer.posterior().scale == other.posterior().scale == 0.5


# --- the end ----------------------------------------------------------------------


def test_at_the_end_the_model_has_the_averages_with_statistics_of_theirs():
    model, data = normed(), [batch() for _ in range(6)]
    optimizer = SWAG(model, num_steps=6, start=0.0, lr=0.5)
    train(model, optimizer, data)
    mean = optimizer.posterior().mean
    optimizer.finish(lambda: data)
    for name, p in model.named_parameters():
        assert torch.equal(p, mean[name])
    outputs = torch.cat([model[0](x) for x, _ in data]).detach()
    torch.testing.assert_close(model[1].running_mean, outputs.mean(0))
    posterior = optimizer.posterior()
    assert torch.equal(posterior.buffers["1.running_mean"], model[1].running_mean)
    assert model.training


def test_it_ends_once_until_a_further_step():
    model, data, calls = normed(), [batch() for _ in range(2)], []
    optimizer = SWAG(model, num_steps=2)

    def batches():
        calls.append(1)
        return data

    train(model, optimizer, data)
    optimizer.finish(batches)
    optimizer.finish(batches)
    other = SWAG(model, num_steps=2)
    other.load_state_dict(optimizer.state_dict())
    other.finish(batches)
    assert len(calls) == 1
    train(model, optimizer, [batch()])
    optimizer.finish(batches)
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("extra", "error"), [(KeyboardInterrupt, KeyboardInterrupt), (None, ValueError)]
)
def test_an_end_that_fails_changes_nothing(extra, error):
    def batches():
        yield torch.randn(1, 3) if extra is None else torch.randn(5, 3)
        if extra is not None:
            raise extra

    model, data = normed(), [batch() for _ in range(4)]
    optimizer = SWAG(model, num_steps=4, lr=0.5)
    train(model, optimizer, data)
    before = weights(model)
    with pytest.raises(error):
        optimizer.finish(batches)
    assert_bitwise(weights(model), before)
    optimizer.finish(lambda: data)
    assert torch.equal(model[0].weight, optimizer.posterior().mean["0.weight"])
    assert not torch.equal(model[0].weight, before["0.weight"])


def test_before_a_collection_there_is_no_end():
    model, data = normed(), [batch() for _ in range(4)]
    optimizer, before = SWAG(model, num_steps=4), weights(model)
    optimizer.finish(lambda: data)
    assert_bitwise(weights(model), before)
    assert not optimizer.state_dict()["finished"]


# --- states -----------------------------------------------------------------------


def started(model):
    optimizer = SWAG(model, num_steps=12, start=0.25, max_rank=4, lr=0.3)
    return optimizer, LambdaLR(optimizer, optimizer.lr_factor)


@pytest.mark.parametrize("at", [2, 7, 12])
def test_saving_and_loading_half_way_changes_nothing(at, tmp_path):
    data = [batch() for _ in range(12)]
    straight, broken, resumed = normed(), normed(), normed()
    broken.load_state_dict(straight.state_dict())
    whole, schedule = started(straight)
    train(straight, whole, data, schedule.step)
    parts = started(broken)
    train(broken, parts[0], data[:at], parts[1].step)
    states = [broken.state_dict(), *(part.state_dict() for part in parts)]
    torch.save(states, tmp_path / "state.pt")
    optimizer, schedule = started(resumed)
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    for each, state in zip((resumed, optimizer, schedule), saved, strict=True):
        each.load_state_dict(state)
    train(resumed, optimizer, data[at:], schedule.step)
    for each in (whole, optimizer):
        each.finish(lambda: data)
    assert_bitwise(weights(resumed), weights(straight))
    ours, theirs = optimizer.posterior(), whole.posterior()
    for name in ("mean", "variance", "deviations", "buffers"):
        assert_bitwise(getattr(ours, name), getattr(theirs, name))


def test_copies_go_on_by_themselves():
    model = network()
    optimizer = SWAG(model, num_steps=6, start=0.0)
    train(model, optimizer, [batch() for _ in range(3)])
    other, copied = copy.deepcopy((model, optimizer))
    data = [batch() for _ in range(3)]
    train(other, copied, data)
    assert optimizer.num_collected == 3
    train(model, optimizer, data)
    assert_bitwise(weights(other), weights(model))
    assert_bitwise(copied.posterior().variance, optimizer.posterior().variance)


def test_states_that_do_not_fit_are_refused():
    model = network()
    optimizer = SWAG(model, num_steps=4, momentum=0.0)
    train(model, optimizer, [batch() for _ in range(4)])
    state = optimizer.state_dict()
    wider = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    with pytest.raises(
        ValueError, match=r"means of the state .* 0.weight of shape \(5"
    ):
        SWAG(wider, num_steps=4).load_state_dict(state)
    early = SWAG(model, num_steps=40)
    train(model, early, [batch()])  # nothing is collected yet
    with pytest.raises(ValueError, match=r"momentum_buffer must have shape \(5, 3\)"):
        SWAG(wider, num_steps=40).load_state_dict(early.state_dict())
    with pytest.raises(ValueError, match="max_rank must be 7 in the state to load"):
        SWAG(model, num_steps=4, max_rank=7).load_state_dict(state)
    sgd = torch.optim.SGD(model.parameters()).state_dict()
    with pytest.raises(ValueError, match="state_dict must be of a SWAG"):
        optimizer.load_state_dict(sgd)
    assert optimizer.num_collected == 2


# --- arguments --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"num_steps": 1}, "num_steps must be a whole number >= 2, got 1"),
        ({"start": 1.0}, r"start must be a finite number in \[0, 1\), got 1.0"),
        ({"max_rank": 1}, "max_rank must be a whole number >= 2, got 1"),
        ({"interval": 0}, "interval must be a whole number >= 1, got 0"),
        ({"interval": "often"}, "interval must be a whole number >= 1 or 'auto'"),
        ({"interval": 5}, "interval must be < 5, the number of steps after start"),
        ({"scale": 0}, r"scale must be a finite number in \(0, inf\), got 0"),
        ({"tail_lr": 1.5}, r"tail_lr must be a finite number in \(0, 1\], got 1.5"),
        ({"lr": -1}, r"lr must be a finite number in \[0, inf\), got -1"),
        ({"momentum": 1}, r"momentum must be a finite number in \[0, 1\), got 1"),
        ({"params": [nn.Parameter(torch.ones(3))]}, r"one that is not, of shape \(3"),
    ],
)
def test_wrong_arguments_are_told(settings, told):
    with pytest.raises(ValueError, match=told):
        SWAG(network(), **{"num_steps": 20, **settings})


def test_groups_come_before_collections():
    model = network()
    optimizer = SWAG(model, num_steps=2, params=[model[0].weight])
    optimizer.step()
    with pytest.raises(ValueError, match="param_group must be added before weights"):
        optimizer.add_param_group({"params": [model[2].weight]})
