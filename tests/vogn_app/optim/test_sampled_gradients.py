"""What blocks gather: exact gradients and squares, however a batch is split."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.helpers.closed_form import example_gradients
from tests.vogn_app.optim.networks import (
    DETERMINISTIC,
    assert_same,
    batch,
    block,
    gathered,
    loop,
    network,
    weights,
)
from vogn_app import VOGN


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


# --- parts of a batch -------------------------------------------------------------


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


# --- gradients between blocks -----------------------------------------------------


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


# --- losses -----------------------------------------------------------------------

LOSSES = {
    "regression": (nn.Linear(3, 2), lambda z: F.mse_loss(z, torch.ones_like(z))),
    "binary": (
        nn.Sequential(nn.Linear(3, 1), nn.Flatten(0)),
        lambda z: F.binary_cross_entropy_with_logits(z, torch.ones_like(z)),
    ),
    "multi-label": (
        nn.Linear(3, 4),
        lambda z: F.multilabel_soft_margin_loss(z, torch.eye(4)[: len(z)]),
    ),
    "segmentation": (
        nn.Sequential(nn.Unflatten(1, (1, 1, 3)), nn.Conv2d(1, 3, 1)),
        lambda z: F.cross_entropy(z, torch.ones(len(z), 1, 3, dtype=torch.long)),
    ),
    "sequence": (
        nn.Sequential(nn.Unflatten(1, (3, 1)), nn.Linear(1, 5)),
        lambda z: F.cross_entropy(
            z.transpose(1, 2), torch.tensor([[1, 2, 3]]).expand(len(z), 3)
        ),
    ),
}


@pytest.mark.parametrize("kind", LOSSES)
def test_any_loss_that_is_a_mean_over_examples_gives_exact_squares(kind):
    made, loss = LOSSES[kind]
    model, x = made.double(), torch.randn(4, 3)
    optimizer = VOGN(model, num_data=10, sampled=False)
    with optimizer.sampled_params(train=True):
        loss(model(x)).backward()
    gradients, squares = gathered(optimizer)
    rows = []
    for i in range(4):
        outputs = model(x)  # targets may depend on the place in the batch
        lone = [z.detach().clone() for z in outputs]
        lone[i] = outputs[i]
        rows.append(torch.autograd.grad(loss(torch.stack(lone)), model.parameters()))
    for index, name in enumerate(dict(model.named_parameters())):
        each = torch.stack([row[index] for row in rows]) * 4
        torch.testing.assert_close(gradients[name], each.mean(0))
        torch.testing.assert_close(squares[name], each.square().mean(0))
