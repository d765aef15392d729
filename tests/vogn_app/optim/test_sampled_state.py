"""States and copies of optimizers at drawn weights: both go on to the same results."""

import copy
import pickle

import pytest
import torch
from torch.nn import functional as F

from tests.vogn_app.optim.networks import (
    assert_bitwise,
    batch,
    block,
    network,
    normed,
    weights,
)
from vogn_app import VOGN

BOTH = pytest.mark.usefixtures("kernels_and_none")

# --- states -----------------------------------------------------------------------


def train(optimizer, scheduler, data):
    for x, y in data:
        for _ in range(2):
            block(optimizer, x, y)
        optimizer.step()
        scheduler.step()


def started(model):
    optimizer = VOGN(model, num_data=20, seed=3)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 0.9**t)


@BOTH
def test_saving_and_loading_half_way_changes_nothing(tmp_path):
    data = [batch() for _ in range(6)]
    straight = normed()
    broken = copy.deepcopy(straight)
    train(*started(straight), data)
    optimizer, scheduler = started(broken)
    train(optimizer, scheduler, data[:3])
    torch.save(
        [broken.state_dict(), optimizer.state_dict(), scheduler.state_dict()],
        tmp_path / "state.pt",
    )
    resumed = normed()
    optimizer, scheduler = started(resumed)
    with optimizer.sampled_params():  # a generator that has moved on
        pass
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    for each, state in zip((resumed, optimizer, scheduler), saved, strict=True):
        each.load_state_dict(state)
    train(optimizer, scheduler, data[3:])
    assert_bitwise(weights(resumed), weights(straight))


def test_loading_drops_what_was_gathered():
    optimizer = VOGN(network(), num_data=20)
    state = optimizer.state_dict()
    block(optimizer, *batch())
    optimizer.load_state_dict(state)
    with pytest.raises(RuntimeError, match="step must follow a backward pass"):
        optimizer.step()


def test_a_state_with_other_groups_is_rejected():
    model = network()
    state = VOGN(model, num_data=20, params=model[0].parameters()).state_dict()
    with pytest.raises(ValueError, match="groups of the state to load must hold"):
        VOGN(model, num_data=20).load_state_dict(state)


@pytest.mark.parametrize("key", ["state", "param_groups", "noise", "num_steps"])
def test_a_state_that_is_not_whole_is_rejected(key):
    model = network()
    state = VOGN(model, num_data=20, seed=3).state_dict()
    del state[key]
    with pytest.raises(ValueError, match=f"must be of a VOGN, got none of {key}."):
        VOGN(model, num_data=20).load_state_dict(state)


# --- copies -----------------------------------------------------------------------


@BOTH
def test_a_copy_of_model_and_optimizer_goes_its_own_way():
    model, (x, y) = normed(), batch()
    optimizer = VOGN(model, num_data=20)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 0.9**t)
    train(optimizer, scheduler, [(x, y)])
    block(optimizer, x, y)  # not copied: neither are gradients
    twin, copied = copy.deepcopy((model, optimizer))
    optimizer.zero_grad()
    with pytest.raises(RuntimeError, match="step must follow a backward pass"):
        copied.step()
    before = weights(model)
    block(copied, x, y)
    copied.step()
    assert_bitwise(weights(model), before)
    assert not torch.equal(twin[0].weight, model[0].weight)
    block(optimizer, x, y)
    optimizer.step()
    assert_bitwise(weights(twin), weights(model))  # the same noise too
    assert copied.model is twin


def train_by_closure(optimizer, data):
    for x, y in data:

        def closure(x=x, y=y):
            loss = F.cross_entropy(optimizer.model(x), y)
            loss.backward()
            return loss

        optimizer.step(closure)


def cloned_by_pickle(pair):
    return pickle.loads(pickle.dumps(pair))


@BOTH
@pytest.mark.parametrize("clone", [copy.deepcopy, cloned_by_pickle])
def test_a_clone_trains_alone_to_identical_results(clone):
    data, model = [batch() for _ in range(4)], normed()
    optimizer = VOGN(model, num_data=20, num_samples=2, curvature_interval=2)
    train_by_closure(optimizer, data[:1])
    twin, copied = clone((model, optimizer))
    for each in (optimizer, copied):  # one after the other: neither sees the other
        train_by_closure(each, data[1:])
    assert copied.model is twin
    assert_bitwise(weights(twin), weights(model))
    assert copied.num_steps == 4
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert ours is not theirs
        for key in ("curvature", "momentum_buffer"):
            assert torch.equal(optimizer.state[ours][key], copied.state[theirs][key])


def test_a_copy_of_the_optimizer_alone_has_a_model_of_its_own():
    model = network()
    optimizer = VOGN(model, num_data=20)
    copied = copy.deepcopy(optimizer)
    before = weights(model)
    block(copied, *batch())
    copied.step()
    assert_bitwise(weights(model), before)
    assert not torch.equal(copied.model[0].weight, model[0].weight)


def test_a_copy_made_inside_a_block_is_not_inside():
    optimizer = VOGN(network(), num_data=20)
    with optimizer.sampled_params():
        copied = copy.deepcopy(optimizer)
    block(copied, *batch())
    copied.step()
