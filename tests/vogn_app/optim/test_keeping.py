"""Tests of optimizers that keep the weights they come by."""

import copy
import io

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.networks import assert_bitwise, batch, normed, weights
from vogn_app.optim.collecting import sgd_step
from vogn_app.optim.keeping import KeepingOptimizer


class Keeping(KeepingOptimizer):
    """SGD that keeps the weights after its second and fifth step."""

    method = "Keeping"

    def __init__(self, model, params=None, keep_after=(2, 5)):
        defaults = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0}
        super().__init__(model, params, defaults, num_steps=5, keep_after=keep_after)

    def _update(self):
        for group in self.param_groups:
            sgd_step(group, self.state)


def train(model, optimizer, data):
    for x, y in data:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def test_the_posterior_is_the_networks_that_were_kept_with_their_running_statistics():
    model, data, seen = normed(), [batch() for _ in range(6)], []
    optimizer = Keeping(model)
    for each in data:
        train(model, optimizer, [each])
        seen.append(copy.deepcopy(model))
    posterior = optimizer.posterior()
    assert posterior.num_draws(32) == 2
    for index, kept in enumerate((seen[1], seen[4])):
        with posterior.sampled(model, index=index):
            assert_bitwise(weights(model), weights(kept))
    x = data[0][0]
    expected = torch.stack([each.eval()(x).softmax(-1) for each in (seen[1], seen[4])])
    got = posterior.predict_proba(model, x, 2, average=False)
    torch.testing.assert_close(got, expected)
    assert posterior.metadata == {"method": "Keeping", "num_steps": 6, "num_kept": 2}


def test_before_anything_is_kept_there_is_no_posterior():
    model = normed()
    optimizer = Keeping(model)
    assert not optimizer.has_posterior
    with pytest.raises(RuntimeError, match=r"must be called after 2 steps, .* got 0\."):
        optimizer.posterior()
    train(model, optimizer, [batch(), batch()])
    assert optimizer.has_posterior


def test_a_posterior_is_a_copy():
    model = normed()
    optimizer = Keeping(model)
    train(model, optimizer, [batch(), batch()])
    posterior = optimizer.posterior()
    before = copy.deepcopy(posterior.components[0].mean)
    train(model, optimizer, [batch(), batch(), batch()])
    for tensors in optimizer.kept[0].values():
        for tensor in tensors.values():
            tensor.zero_()
    assert_bitwise(posterior.components[0].mean, before)


def test_what_is_not_trained_is_not_kept():
    model = normed()
    optimizer = Keeping(model, [model[2].weight])
    train(model, optimizer, [batch(), batch()])
    assert list(optimizer.kept[0]["parameters"]) == ["2.weight"]
    (component,) = optimizer.posterior().components
    assert torch.equal(component.mean["0.weight"], model[0].weight)


def test_parameters_added_later_count_as_kept_as_they_are():
    model = normed()
    first = model[0].weight.detach().clone()
    optimizer = Keeping(model, model[2].parameters())
    train(model, optimizer, [batch(), batch()])
    optimizer.add_param_group({"params": model[0].parameters()})
    train(model, optimizer, [batch(), batch(), batch()])
    old, new = optimizer.posterior().components
    assert torch.equal(old.mean["0.weight"], first)
    assert torch.equal(new.mean["0.weight"], model[0].weight)


def test_a_wrapped_model_gives_plain_names():
    model = nn.DataParallel(normed())
    optimizer = Keeping(model)
    train(model.module, optimizer, [batch(), batch()])
    assert "0.weight" in optimizer.kept[0]["parameters"]
    assert "1.running_mean" in optimizer.posterior().components[0].buffers


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(steps):
    data = [batch() for _ in range(6)]
    whole = normed()
    first, second = copy.deepcopy(whole), normed()
    expected, optimizer, resumed = map(Keeping, (whole, first, second))
    train(whole, expected, data)
    train(first, optimizer, data[:steps])
    state = through_a_file([first.state_dict(), optimizer.state_dict()])
    second.load_state_dict(state[0])
    resumed.load_state_dict(state[1])
    train(second, resumed, data[steps:])
    assert_bitwise(weights(second), weights(whole))
    assert len(resumed.kept) == len(expected.kept) == 2
    for ours, theirs in zip(resumed.kept, expected.kept, strict=True):
        for kind in ("parameters", "buffers"):
            assert_bitwise(ours[kind], theirs[kind])


def test_a_state_is_left_alone_by_later_steps():
    model = normed()
    optimizer = Keeping(model, model[2].parameters())
    train(model, optimizer, [batch(), batch()])
    state = optimizer.state_dict()
    optimizer.add_param_group({"params": model[0].parameters()})
    train(model, optimizer, [batch(), batch(), batch()])
    assert len(state["kept"]) == 1
    assert list(state["kept"][0]["parameters"]) == ["2.weight", "2.bias"]


def test_kept_weights_of_another_network_are_refused():
    model = normed()
    optimizer = Keeping(model)
    train(model, optimizer, [batch(), batch()])
    state = optimizer.state_dict()
    state["kept"][0]["parameters"]["2.bias"] = torch.zeros(5)
    with pytest.raises(ValueError, match=r"must have shape \(2,\) for 2\.bias, got"):
        Keeping(normed()).load_state_dict(state)
    state = optimizer.state_dict()
    del state["kept"][0]["buffers"]["1.running_var"]
    with pytest.raises(ValueError, match=r"got a difference in 1\.running_var\."):
        Keeping(normed()).load_state_dict(state)
