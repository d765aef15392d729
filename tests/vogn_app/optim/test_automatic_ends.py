"""How automatic blocks end: the mean is back, and nothing is kept."""

import copy
import gc
import pickle
import weakref

import pytest
import torch
from torch.nn import functional as F

from tests.vogn_app.optim.networks import assert_bitwise, batch, network, weights
from tests.vogn_app.optim.test_automatic import plain_step, state
from vogn_app import VOGN


@pytest.fixture
def automatic():
    return VOGN(network(), num_data=60, automatic=True)


def test_the_model_has_its_mean_once_the_graph_is_gone(automatic):
    x, y = batch()
    before = weights(automatic.model)
    loss = F.cross_entropy(automatic.model(x), y)
    assert not torch.equal(automatic.model[0].weight, before["0.weight"])
    del loss
    assert_bitwise(weights(automatic.model), before)


@pytest.mark.parametrize(
    "ask",
    [
        lambda optimizer, x: optimizer.model.state_dict(),
        lambda optimizer, x: optimizer.model[0].state_dict(),
        lambda optimizer, x: torch.no_grad()(optimizer.model.eval())(x),
        lambda optimizer, x: optimizer.sampled_params().__enter__(),
        lambda optimizer, x: optimizer.step(lambda: None),
    ],
)
def test_whoever_asks_for_the_mean_gets_it_and_a_late_backward_fails(ask, automatic):
    model, (x, y) = automatic.model, batch()
    before = {k: v.clone() for k, v in model.named_parameters()}
    expected = copy.deepcopy(model)(x)
    loss = F.cross_entropy(model(x), y)
    got = ask(automatic, x)
    if isinstance(got, torch.Tensor):
        assert torch.equal(got, expected)
    elif isinstance(got, dict):
        assert all(
            any(torch.equal(v, w) for w in before.values()) for v in got.values()
        )
    with pytest.raises(RuntimeError, match=r"^backward must run once for each forward"):
        loss.backward()


@pytest.mark.parametrize("where", ["forward", "backward", "interrupt"])
def test_a_pass_that_fails_leaves_the_mean_and_nothing_gathered(where, automatic):
    model, (x, y) = automatic.model, batch()
    before = {k: v.clone() for k, v in model.named_parameters()}
    error = KeyboardInterrupt if where == "interrupt" else ZeroDivisionError

    def fail(*args):
        raise error

    watch = model[0].weight.register_hook if where == "backward" else None
    handle = (watch or model[1].register_forward_hook)(fail)
    with pytest.raises(error):
        F.cross_entropy(model(x), y).backward()
    handle.remove()
    automatic.zero_grad()
    assert_bitwise(dict(model.named_parameters()), before)
    with pytest.raises(RuntimeError, match=r"^step must follow a backward pass of the"):
        automatic.step()
    plain_step(automatic, x, y)


def test_forward_passes_to_evaluate_open_no_block(automatic):
    model, (x, _) = automatic.model, batch()
    with torch.no_grad():
        first = model(x)
        assert torch.equal(model(x), first)
    model.eval()
    assert torch.equal(model(x), first)
    assert automatic.state_dict()["noise"]["training_draws"] == 0


def test_a_forward_pass_without_gradients_joins_the_open_block(automatic):
    model, (x, y) = automatic.model, batch()
    output = model(x)
    with torch.no_grad():
        assert torch.equal(model(x), output)
    F.cross_entropy(output, y).backward()
    automatic.step()


def test_a_second_backward_is_an_error(automatic):
    x, y = batch()
    loss = F.cross_entropy(automatic.model(x), y)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="add losses up, or run the model again"):
        loss.backward()
    automatic.step()


def test_copies_have_their_own_blocks(automatic):
    x, y = batch()
    model, copied = copy.deepcopy((automatic.model, automatic))
    before = weights(automatic.model)
    plain_step(copied, x, y)
    assert copied.model is model
    assert_bitwise(weights(automatic.model), before)
    plain_step(automatic, x, y)
    assert_bitwise(state(copied), state(automatic))
    alone = pickle.loads(pickle.dumps(automatic.model))
    alone(x).sum().backward()
    assert automatic._gathered.num_examples == 0


def test_model_and_optimizer_die_and_a_model_alone_is_plain_again():
    optimizer = VOGN(network(), num_data=60, automatic=True)
    plain_step(optimizer, *batch())
    model, gone = optimizer.model, weakref.ref(optimizer)
    del optimizer
    gc.collect()
    assert gone() is None
    for module in model.modules():
        hooks = (module._forward_hooks, module._forward_pre_hooks)
        assert not any((*hooks, module._state_dict_pre_hooks))
    optimizer = VOGN(model, num_data=60, automatic=True)
    output = model(batch()[0])  # a block is open
    references = [weakref.ref(each) for each in (model, optimizer)]
    del model, optimizer, output, module, hooks
    gc.collect()
    assert [reference() for reference in references] == [None, None]
