"""Optimizers at drawn weights: what subclasses are given, closures, and hooks."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.networks import (
    DETERMINISTIC,
    assert_bitwise,
    assert_same,
    batch,
    block,
    gathered,
    loop,
    network,
    weights,
)
from vogn_app import VOGN
from vogn_app.optim.sampled import SampledOptimizer

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


# --- closures and hooks -----------------------------------------------------------


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


def test_torchs_step_hooks_run():
    optimizer, seen = VOGN(network(), num_data=20), []
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))
    block(optimizer, *batch())
    optimizer.step()
    assert seen == ["before", "after"]
