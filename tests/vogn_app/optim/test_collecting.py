"""Tests of what optimizers share whose posterior is put together on the way."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.networks import assert_bitwise, batch, network, weights
from vogn_app.optim.collecting import CollectingOptimizer, sgd_step


class Counting(CollectingOptimizer):
    """SGD that collects the numbers of its steps."""

    method = "Counting"
    _copied = (*CollectingOptimizer._copied, "seen")

    def __init__(self, model, params=None, num_steps=10, **settings):
        self.seen = []
        defaults = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0, **settings}
        super().__init__(model, params, defaults, num_steps=num_steps)

    def _update(self):
        for group in self.param_groups:
            sgd_step(group, self.state)

    def _collect(self):
        self.seen.append(self.steps_done)

    def _check_group(self, group):
        if group["lr"] < 0:
            raise ValueError("lr must not be negative.")

    has_posterior = property(lambda self: bool(self.seen))

    def posterior(self):
        raise NotImplementedError


def backward(model, data, scale=1.0):
    x, y = data
    (F.cross_entropy(model(x), y) * scale).backward()


def test_a_closure_gives_its_loss_and_every_step_is_collected():
    model, data = network(), batch()
    optimizer = Counting(model)

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(data[0]), data[1])
        loss.backward()
        return loss

    expected = F.cross_entropy(model(data[0]), data[1])
    assert torch.equal(optimizer.step(closure), expected)
    assert optimizer.step() is None
    assert optimizer.seen == [1, 2]


@pytest.mark.parametrize("nesterov", [False, True])
def test_steps_are_those_of_sgd(nesterov):
    ours, data = network(), [batch() for _ in range(4)]
    theirs = copy.deepcopy(ours)
    optimizers = [
        Counting(ours, nesterov=nesterov),
        torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9, nesterov=nesterov),
    ]
    for each in data:
        for model, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            backward(model, each)
            optimizer.step()
    assert_bitwise(weights(ours), weights(theirs))


def test_groups_take_settings_of_their_own_and_frozen_parameters_are_left_out():
    model = network()
    model[0].bias.requires_grad_(False)
    optimizer = Counting(model)
    assert optimizer.param_groups[0]["param_names"] == [
        "0.weight", "2.weight", "2.bias",
    ]  # fmt: skip
    groups = [
        {"params": model[0].parameters(), "lr": torch.tensor(0.5)},
        {"params": model[2].weight},
    ]
    optimizer = Counting(model, groups)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1]
    assert isinstance(optimizer.param_groups[0]["lr"], float)


def test_a_group_may_be_empty():
    model = network()
    groups = [{"params": list(model.parameters())}, {"params": []}]
    optimizer = Counting(model, groups)
    assert optimizer.param_groups[1]["param_names"] == []
    backward(model, batch())
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer.steps_done == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_steps": 0}, r"num_steps must be a whole number >= 1, got 0\."),
        ({"lr": -1.0}, "lr must not be negative"),
        (
            {"params": [nn.Parameter(torch.zeros(3))]},
            r"params must be parameters of the model, got one that is not, of shape "
            r"\(3,\)\.",
        ),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Counting(network(), **arguments)


def test_complex_parameters_are_refused():
    model = nn.Module()
    model.turn = nn.Parameter(torch.zeros(2, dtype=torch.complex64))
    with pytest.raises(ValueError, match=r"must be real, got turn of torch.complex64"):
        Counting(model)


def test_a_scaled_loss_gives_the_same_step_and_overflow_none():
    ours, data = network(), batch()
    plain, before = copy.deepcopy(ours), weights(ours)
    optimizer, other = Counting(ours), Counting(plain)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    x, y = data
    scaler.scale(F.cross_entropy(ours(x) * torch.inf, y)).backward()
    scaler.step(optimizer)
    scaler.update()
    assert_bitwise(weights(ours), before)
    assert scaler.get_scale() == 512.0
    optimizer.zero_grad()
    scaler.scale(F.cross_entropy(ours(x), y)).backward()
    scaler.step(optimizer)
    backward(plain, data)
    other.step()
    assert_bitwise(weights(ours), weights(plain))
    # A schedule went on at the overflow too, and so did the count.
    assert optimizer.seen == [1, 2]


def test_gradients_that_were_unscaled_to_be_clipped_are_left_at_that():
    model, data = network(), batch()
    plain = copy.deepcopy(model)
    optimizer, other = Counting(model), Counting(plain)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaler.scale(F.cross_entropy(model(data[0]), data[1])).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    backward(plain, data)
    other.step()
    assert_bitwise(weights(model), weights(plain))


def test_a_copy_of_model_and_optimizer_goes_its_own_way():
    model, data = network(), batch()
    optimizer = Counting(model)
    backward(model, data)
    optimizer.step()
    other_model, other = copy.deepcopy((model, optimizer))
    before = weights(model)
    other.step()
    assert_bitwise(weights(model), before)
    assert other.network is other_model
    assert (optimizer.steps_done, other.steps_done) == (1, 2)


def test_a_loaded_state_goes_on_and_shares_nothing():
    one, data = network(), [batch() for _ in range(4)]
    first = Counting(one)
    backward(one, data[0])
    first.step()
    other = copy.deepcopy(one)
    second = Counting(other)
    second.load_state_dict(first.state_dict())
    for optimizer, model in ((first, one), (second, other)):
        optimizer.zero_grad()
        backward(model, data[1])
        optimizer.step()
    assert_bitwise(weights(one), weights(other))
    assert second.steps_done == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "SWAG"}, "state_dict must be of a Counting, got one of a SWAG"),
        ({"num_steps": 11}, "num_steps must be 10 in the state to load, got 11"),
        ({"steps_done": None}, "state_dict must be of a Counting, got one without"),
        ({"lr": None}, "groups of the state to load must have lr"),
    ],
)
def test_states_of_others_are_refused_and_nothing_changes(change, message):
    optimizer = Counting(network())
    state = copy.deepcopy(Counting(network()).state_dict())
    for name, value in change.items():
        if name == "lr":
            del state["param_groups"][0]["lr"]
        elif value is None:
            del state[name]
        else:
            state[name] = value
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(state)
    assert optimizer.steps_done == 0


def test_a_state_of_other_parameters_is_refused():
    model = network()
    optimizer = Counting(model, [model[0].weight])
    with pytest.raises(ValueError, match="must hold 1 parameters, got 4"):
        optimizer.load_state_dict(Counting(network()).state_dict())
    with pytest.raises(ValueError, match="groups of the state to load must hold"):
        optimizer.load_state_dict(Counting(model, [model[0].bias]).state_dict())
