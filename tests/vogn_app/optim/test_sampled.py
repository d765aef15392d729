"""Blocks at drawn weights, steps, closures, copies and states of any such optimizer."""

# ruff: noqa: PT012, SIM117 - what raises is the block with its statements

import copy
import math
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.helpers.closed_form import example_gradients
from tests.vogn_app.optim.networks import (
    DETERMINISTIC,
    assert_bitwise,
    assert_same,
    batch,
    block,
    gathered,
    loop,
    network,
    normed,
    weights,
)
from vogn_app import VOGN, UnsupportedLayerError
from vogn_app.optim.sampled import SampledOptimizer

BOTH = pytest.mark.usefixtures("kernels_and_none")

# --- blocks -----------------------------------------------------------------------


def test_a_step_has_the_exact_gradient_and_squares_of_the_drawn_weights():
    model, twin, (x, y) = network(), network(), batch()
    optimizer = VOGN(model, num_data=100)
    with optimizer.sampled_params(train=True):
        twin.load_state_dict(model.state_dict())
        F.cross_entropy(model(x), y).backward()
    expected = loop(twin, x, y)
    for got, truth in zip(gathered(optimizer), expected, strict=True):
        assert_same(got, truth)


def test_samples_are_averaged_after_squaring():
    model, twin, (x, y) = network(), network(), batch()
    optimizer = VOGN(model, num_data=20)
    expected = []
    for _ in range(3):
        with optimizer.sampled_params(train=True):
            twin.load_state_dict(model.state_dict())
            F.cross_entropy(model(x), y).backward()
        expected.append(loop(twin, x, y))
    gradients, squares = gathered(optimizer)
    names = [name for name, _ in model.named_parameters()]
    assert_same(gradients, {k: sum(g[k] for g, _ in expected) / 3 for k in names})
    assert_same(squares, {k: sum(h[k] for _, h in expected) / 3 for k in names})


@pytest.mark.parametrize("sizes", [[6], [3, 3], [1, 5], [2, 3, 1], [1] * 6])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_splitting_a_batch_over_blocks_changes_nothing(sizes, reduction):
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=20, loss_reduction=reduction, **DETERMINISTIC)
    for part_x, part_y in zip(x.split(sizes), y.split(sizes), strict=True):
        block(optimizer, part_x, part_y, reduction)
    for got, truth in zip(gathered(optimizer), loop(model, x, y), strict=True):
        assert_same(got, truth)


def test_splitting_a_batch_within_a_block_changes_nothing():
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=20, **DETERMINISTIC)
    with optimizer.sampled_params(train=True):
        for part in (slice(0, 4), slice(4, 6)):
            loss = F.cross_entropy(model(x[part]), y[part], reduction="sum")
            (loss / len(x)).backward()
    for got, truth in zip(gathered(optimizer), loop(model, x, y), strict=True):
        assert_same(got, truth)


@pytest.mark.parametrize("where", ["blocks", "batch"])
def test_duplicating_a_batch_changes_nothing(where):
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=20, **DETERMINISTIC)
    if where == "batch":
        block(optimizer, torch.cat([x, x]), torch.cat([y, y]))
    else:
        block(optimizer, x, y)
        block(optimizer, x, y)
    for got, truth in zip(gathered(optimizer), loop(model, x, y), strict=True):
        assert_same(got, truth)


def test_a_part_of_the_model_used_in_some_blocks_only_counts_by_its_examples():
    class Optional(nn.Module):
        def __init__(self):
            super().__init__()
            self.always, self.sometimes = nn.Linear(3, 2), nn.Linear(3, 2)

        def forward(self, x, both):
            return self.always(x) + (self.sometimes(x) if both else 0)

    x, used = torch.randn(6, 3), slice(1, 4)
    for order in ([(0, 1), (1, 4), (4, 6)], [(1, 4), (0, 1), (4, 6)]):
        model = Optional()
        optimizer = VOGN(model, num_data=20, **DETERMINISTIC)
        for a, b in order:
            with optimizer.sampled_params(train=True):
                model(x[a:b], both=(a, b) == (1, 4)).square().sum(1).mean().backward()
        rows = example_gradients(
            model,
            lambda i, model=model: (
                model(x[i : i + 1], used.start <= i < used.stop).square().sum()
            ),
            6,
        )
        gradients, squares = gathered(optimizer)
        assert_same(gradients, {k: v.mean(0) for k, v in rows.items()})
        assert_same(squares, {k: v.square().mean(0) for k, v in rows.items()})


@BOTH
def test_the_mean_is_back_bit_for_bit():
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=3)
    before = weights(model)
    with optimizer.sampled_params():
        for name, value in model.state_dict().items():
            assert not torch.equal(value, before[name]), name
    assert_bitwise(weights(model), before)
    block(optimizer, x, y)
    assert_bitwise(weights(model), before)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("train", [True, False])
def test_after_an_exception_everything_is_as_before(train, error):
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=3)
    block(optimizer, x, y)
    mean, waiting = weights(model), copy.deepcopy(gathered(optimizer))
    with pytest.raises(error), optimizer.sampled_params(train=train):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        raise error
    assert_bitwise(weights(model), mean)
    for got, truth in zip(gathered(optimizer), waiting, strict=True):
        assert_bitwise(got, truth)
    assert not any(module._forward_hooks for module in model.modules())
    optimizer.step()


def test_after_an_unsupported_layer_everything_is_as_before():
    class Centred(nn.Module):
        def __init__(self):
            super().__init__()
            self.matrix = nn.Parameter(torch.eye(3))

        def forward(self, x):
            return (x @ self.matrix).softmax(0)

    model = nn.Sequential(nn.Linear(3, 3), Centred())
    optimizer = VOGN(model, num_data=3)
    before = weights(model)
    with (
        pytest.warns(UserWarning, match="mixes the examples"),
        pytest.raises(UnsupportedLayerError, match=r"1\.matrix"),
    ):
        with optimizer.sampled_params(train=True):
            model(torch.randn(5, 3)).square().mean().backward()
    assert_bitwise(weights(model), before)
    assert all(p.grad is None for p in model.parameters())
    with pytest.raises(RuntimeError, match="step must follow a backward pass"):
        optimizer.step()


def test_blocks_must_not_be_nested():
    optimizer = VOGN(network(), num_data=3)
    with (
        optimizer.sampled_params(),
        pytest.raises(RuntimeError, match=r"^sampled_params must not be nested\.$"),
        optimizer.sampled_params(),
    ):
        pass
    with optimizer.sampled_params():
        pass


def test_a_step_inside_a_block_is_an_error():
    optimizer = VOGN(network(), num_data=3)
    with (
        optimizer.sampled_params(train=True),
        pytest.raises(
            RuntimeError, match=r"^step must be called outside sampled_params\.$"
        ),
    ):
        optimizer.step()


def no_blocks(optimizer):
    pass


def prediction_only(optimizer):
    with optimizer.sampled_params():
        F.cross_entropy(optimizer.model(batch()[0]), batch()[1]).backward()


def without_backward(optimizer):
    with optimizer.sampled_params(train=True):
        optimizer.model(batch()[0])


def stepped_already(optimizer):
    block(optimizer, *batch())
    optimizer.step()


def cleared(optimizer):
    block(optimizer, *batch())
    optimizer.zero_grad()


@pytest.mark.parametrize(
    "before", [no_blocks, prediction_only, without_backward, stepped_already, cleared]
)
def test_a_step_with_nothing_gathered_is_an_error(before):
    optimizer = VOGN(network(), num_data=3)
    before(optimizer)
    mean = weights(optimizer.model)
    with pytest.raises(RuntimeError) as caught:
        optimizer.step()
    assert str(caught.value) == (
        "step must follow a backward pass inside sampled_params(train=True), got none."
    )
    assert_bitwise(weights(optimizer.model), mean)


def test_a_step_without_the_gradients_is_an_error():
    optimizer = VOGN(network(), num_data=3)
    block(optimizer, *batch())
    optimizer.model.zero_grad()
    with pytest.raises(RuntimeError) as caught:
        optimizer.step()
    assert str(caught.value) == (
        "gradients must be kept between sampled_params(train=True) and step, got "
        "parameters whose .grad was removed."
    )


def test_gradients_of_before_do_not_leak_into_a_block():
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=20, **DETERMINISTIC)
    for p in model.parameters():
        p.grad = torch.full_like(p, math.inf)
    block(optimizer, x, y)
    for got, truth in zip(gathered(optimizer), loop(model, x, y), strict=True):
        assert_same(got, truth)
    optimizer.step()
    block(optimizer, x, y)  # without zero_grad
    for got, truth in zip(gathered(optimizer), loop(model, x, y), strict=True):
        assert_same(got, truth)


def test_a_prediction_block_between_training_blocks_changes_nothing():
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=20, **DETERMINISTIC)
    block(optimizer, x[:2], y[:2])
    with optimizer.sampled_params(), torch.no_grad():
        model(x)
    with optimizer.sampled_params(train=True), torch.no_grad():
        model(x)
    block(optimizer, x[2:], y[2:])
    for got, truth in zip(gathered(optimizer), loop(model, x, y), strict=True):
        assert_same(got, truth)


def test_zero_grad_inside_a_block_keeps_what_earlier_blocks_gathered():
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=20, **DETERMINISTIC)
    for part in (slice(0, 2), slice(2, 6)):
        with optimizer.sampled_params(train=True):
            optimizer.zero_grad(set_to_none=part.start == 0)
            F.cross_entropy(model(x[part]), y[part]).backward()
    for got, truth in zip(gathered(optimizer), loop(model, x, y), strict=True):
        assert_same(got, truth)


def test_clipping_between_block_and_step_takes_effect():
    x, y = batch()
    moves = []
    for limit in (math.inf, 1e-3):
        torch.manual_seed(1)
        model = network()
        optimizer = VOGN(model, num_data=20, momentum=0.0, prior_precision=0.0)
        before = weights(model)
        block(optimizer, x, y)
        norm = nn.utils.clip_grad_norm_(model.parameters(), limit)
        optimizer.step()
        moves.append(model[0].weight.detach() - before["0.weight"])
    torch.testing.assert_close(moves[1], moves[0] * (1e-3 / (norm + 1e-6)))


def test_gradients_removed_between_blocks_are_an_error():
    """Two equal blocks would otherwise give half of their gradient."""
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=20, **DETERMINISTIC)
    block(optimizer, x, y)
    model.zero_grad()
    with pytest.raises(RuntimeError, match=r"^gradients must be kept between"):
        block(optimizer, x, y)
        optimizer.step()


@BOTH
def test_predictions_in_inference_mode_before_the_first_step_do_no_harm():
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=20)
    with torch.inference_mode(), optimizer.sampled_params():
        model(x)
    state = optimizer.state[model[0].weight]
    assert not state["curvature"].is_inference()
    block(optimizer, x, y)
    optimizer.step()


# --- subclasses -------------------------------------------------------------------


class Shifted(SampledOptimizer):
    """Draws every weight one higher, and keeps what its updates were given."""

    def __init__(self, model, **options):
        self.updates = []
        standard = {"num_samples": 1, "loss_reduction": "mean", "seed": 0}
        own = {**standard, "curvature_interval": 1, **options}
        super().__init__(model, None, {}, **own)

    def _shift(self, by):
        with torch.no_grad():
            for p in self._parameters():
                p.add_(by)

    def _perturb(self):
        self._shift(1)
        return lambda: self._shift(-1)

    def _update(self, squares):
        self.updates.append(squares)


def one_weight():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 2.0)
    return model


def test_gradients_and_squares_are_those_at_the_subclass_own_draw():
    """At w = 3 the gradient of (w x)^2 / 2 is 3 x^2: 3 and 12."""
    model = one_weight()
    optimizer = Shifted(model)
    with optimizer.sampled_params(train=True):
        assert model.weight.item() == 3
        (model(torch.tensor([[1.0], [2.0]])).square() / 2).mean().backward()
    assert model.weight.item() == 2
    assert optimizer.step() is None
    assert model.weight.grad.item() == pytest.approx((3 + 12) / 2, rel=1e-14)
    ((parameter, squares),) = optimizer.updates[0].items()
    assert parameter is model.weight
    assert squares.item() == pytest.approx((9 + 144) / 2, rel=1e-14)


def test_updates_between_refreshes_have_no_squares():
    model = one_weight()
    optimizer = Shifted(model, curvature_interval=3)
    for _ in range(5):
        with optimizer.sampled_params(train=True):
            model(torch.ones(2, 1)).mean().backward()
        optimizer.step()
    assert [squares is None for squares in optimizer.updates] == [
        False, True, True, False, True,
    ]  # fmt: skip
    assert optimizer.num_steps == 5


def test_the_mean_is_back_before_the_update_and_a_failing_update_is_no_step():
    class Failing(Shifted):
        def _update(self, squares):
            assert self.model.weight.item() == 2
            raise KeyboardInterrupt

    model = one_weight()
    optimizer = Failing(model)
    with optimizer.sampled_params(train=True):
        model(torch.ones(2, 1)).mean().backward()
    with pytest.raises(KeyboardInterrupt):
        optimizer.step()
    assert optimizer.num_steps == 0


# --- closures ---------------------------------------------------------------------


def test_a_closure_runs_once_a_sample_and_equals_as_many_blocks():
    x, y = batch()
    models = [network() for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    with_closure, with_blocks = (
        VOGN(model, num_data=20, num_samples=3, seed=4) for model in models
    )
    for _ in range(2):

        def closure():
            with_closure.zero_grad()
            loss = F.cross_entropy(models[0](x), y)
            loss.backward()
            return loss

        loss = with_closure.step(closure)
        losses = [block(with_blocks, x, y) for _ in range(3)]
        with_blocks.step()
        assert not loss.requires_grad
        torch.testing.assert_close(loss, torch.stack(losses).mean())
    assert_bitwise(weights(models[0]), weights(models[1]))


def test_a_closure_starts_afresh_and_works_under_no_grad():
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=20, **DETERMINISTIC)
    block(optimizer, 10 * x, 1 - y)  # forgotten

    def closure():
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    _, squares = loop(model, x, y)
    with torch.no_grad():
        optimizer._run_closure(closure)
    assert_same(gathered(optimizer)[1], squares)
    optimizer.step(closure)


# --- states and copies ------------------------------------------------------------


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


@pytest.mark.parametrize("key", ["state", "param_groups", "noise", "num_steps"])
def test_a_state_that_is_not_whole_is_rejected(key):
    model = network()
    state = VOGN(model, num_data=20, seed=3).state_dict()
    del state[key]
    with pytest.raises(ValueError, match=f"must be of a VOGN, got none of {key}."):
        VOGN(model, num_data=20).load_state_dict(state)


def test_torchs_step_hooks_run():
    optimizer, seen = VOGN(network(), num_data=20), []
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))
    block(optimizer, *batch())
    optimizer.step()
    assert seen == ["before", "after"]
