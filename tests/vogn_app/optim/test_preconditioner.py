"""The preconditioner's behaviour: invariances, schedules, clipping, faults, state."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.natural import (
    DAMPING,
    Prefixed,
    backward,
    close,
    convolutional,
    gradients_of,
    images,
    natural_of,
)
from vogn_app import KroneckerPreconditioner

SHAPES = pytest.mark.parametrize("shape", ["kronecker", "layer", "full", "diagonal"])


def linear():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))


def rows(num=6):
    return torch.randn(num, 3), torch.randint(3, (num,))


def made(model, **options):
    settings = {"damping": DAMPING, "factor_decay": 0.0, "factor_interval": 1}
    return KroneckerPreconditioner(model, **settings | options)


# --- invariances -------------------------------------------------------------------


@SHAPES
@pytest.mark.parametrize("labels", ["empirical", "exact"])
def test_duplicates_permutations_and_parts_of_the_batch_change_nothing(shape, labels):
    model, (x, y) = convolutional(), images()
    options = {"shape": shape, "curvature": labels}

    def natural(at, sizes=None):
        def run():
            for part in at.split(sizes or len(at)):
                share = len(part) / len(at)
                (F.cross_entropy(model(x[part]), y[part]) * share).backward()

        return natural_of(model, run, **options)[0]

    expected = natural(torch.arange(6))
    close(natural(torch.arange(6).repeat(3)), expected)
    close(natural(torch.randperm(6)), expected)
    close(natural(torch.arange(6), [2, 2, 2]), expected)
    close(natural(torch.arange(6), [1, 5]), expected)


@SHAPES
@pytest.mark.parametrize("labels", ["empirical", "exact"])
def test_a_sum_of_losses_is_told_by_its_reduction(shape, labels):
    model, (x, y) = convolutional(), images()
    options = {"shape": shape, "curvature": labels}
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    expected, *_ = natural_of(model, run, **options)

    def summed():
        for part in torch.arange(6).split([2, 4]):
            F.cross_entropy(model(x[part]), y[part], reduction="sum").backward()

    got, *_ = natural_of(model, summed, loss_reduction="sum", **options)
    close(got, expected)


@pytest.mark.parametrize("labels", ["empirical", "exact"])
@pytest.mark.parametrize("unscaled", [False, True])
def test_the_scale_of_a_loss_is_undone(unscaled, labels):
    model, (x, y) = convolutional(), images()
    options = {"curvature": labels}
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    expected, *_ = natural_of(model, run, **options)
    preconditioner = made(model, **options)
    backward(model, x, y, factor=1024.0)
    if unscaled:
        for p in model.parameters():
            p.grad.div_(1024.0)
    preconditioner.step(loss_scale=1024.0)
    carried = 1.0 if unscaled else 1024.0
    close({k: g / carried for k, g in gradients_of(model).items()}, expected)


def test_what_stands_in_the_gradients_is_preconditioned():
    model, (x, y) = linear(), rows()
    preconditioner = made(model)
    backward(model, x, y)
    nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
    clipped = gradients_of(model)
    expected = preconditioner.precondition(clipped)
    close(expected, clipped)  # nothing is known before the first step
    natural = preconditioner.natural_gradients()
    close(natural, preconditioner.precondition(clipped))
    close(gradients_of(model), clipped, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("penalty", [1e-2, 1e-5])
def test_penalties_on_weights_are_in_the_natural_gradient(penalty, dtype):
    """Also where the batch has so few rows that these are preconditioned."""
    torch.set_default_dtype(dtype)
    model = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64))
    preconditioner = made(model, factor_interval=2, factor_decay=0.9)
    for _ in range(4):
        x, y = torch.randn(4, 64), torch.randint(64, (4,))
        model.zero_grad()
        size = sum(p.square().sum() for p in model.parameters())
        (F.cross_entropy(model(x), y) + penalty * size).backward()
        gradients = gradients_of(model)
        natural = preconditioner.natural_gradients()
        expected = preconditioner.precondition(gradients)
        for name, truth in expected.items():
            assert (natural[name] - truth).norm() < 1e-4 * truth.norm(), name


def test_few_rows_give_the_natural_gradient_of_the_whole_one():
    model = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64))
    preconditioner = made(model, factor_interval=2, factor_decay=0.9)
    for _ in range(4):
        backward(model, torch.randn(4, 64), torch.randint(64, (4,)))
        natural = preconditioner.natural_gradients()
        close(natural, preconditioner.precondition(gradients_of(model)))


# --- coverage ----------------------------------------------------------------------


def test_parameters_without_a_block_are_named_with_their_share_and_left_alone():
    model = Prefixed()
    with pytest.warns(
        UserWarning, match=r"^token \(21\.1% of the parameters\)"
    ) as seen:
        preconditioner = made(model)
    assert len(seen) == 1
    assert seen[0].filename == __file__
    kinds = {"token": "", "head.weight": "kronecker (linear)"}
    assert preconditioner.coverage() == kinds | {"head.bias": kinds["head.weight"]}
    backward(model, torch.randn(6, 4), torch.randint(3, (6,)))
    before = gradients_of(model)
    natural = preconditioner.natural_gradients()
    assert torch.equal(natural["token"], before["token"])
    assert natural["token"] is not model.token.grad
    assert not torch.equal(natural["head.weight"], before["head.weight"])


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.head, self.other = nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.head(x)


@SHAPES
def test_an_unused_layer_has_no_gradient_and_harms_no_other(shape):
    model, (x, y) = Unused(), rows()
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    natural, _, preconditioner = natural_of(model, run, shape=shape)
    assert set(natural) == {"head.weight", "head.bias"}
    alone = nn.Sequential(model.head)
    run = lambda: F.cross_entropy(alone(x), y).backward()  # noqa: E731
    expected, *_ = natural_of(alone, run, shape=shape)
    close(natural["head.weight"], expected["0.weight"])
    if shape != "full":
        assert {block for block, _ in preconditioner.factors()} == {"head"}


def test_chosen_parameters_alone_are_preconditioned():
    model, (x, y) = linear(), rows()
    preconditioner = made(model, params=model[2].parameters())
    backward(model, x, y)
    assert set(preconditioner.natural_gradients()) == {"2.weight", "2.bias"}
    other = nn.Linear(2, 2)
    with pytest.raises(
        ValueError, match=r"^params must be parameters of the model, go"
    ):
        made(model, params=other.parameters())


def test_a_vector_may_lack_parameters_which_count_as_zero():
    model, (x, y) = linear(), rows()
    *_, preconditioner = natural_of(model, lambda: backward(model, x, y))
    weight = torch.randn_like(model[0].weight)
    whole = {"0.weight": weight, "0.bias": torch.zeros(4)}
    got = preconditioner.precondition({"0.weight": weight})
    assert set(got) == {"0.weight"}
    close(got["0.weight"], preconditioner.precondition(whole)["0.weight"])


def test_a_vector_of_attention_may_hold_a_part_of_its_parameters():
    model = nn.MultiheadAttention(4, 2, batch_first=True)
    x = torch.randn(5, 3, 4)
    run = lambda: model(x, x, x)[0].square().sum((1, 2)).mean().backward()  # noqa: E731
    natural, gradients, preconditioner = natural_of(model, run)
    close(preconditioner.precondition(gradients), natural)
    before = gradients["in_proj_bias"].clone()
    alone = preconditioner.precondition({"in_proj_bias": gradients["in_proj_bias"]})
    assert torch.equal(gradients["in_proj_bias"], before)
    zeros = torch.zeros_like(gradients["in_proj_weight"])
    both = preconditioner.precondition({
        "in_proj_bias": before,
        "in_proj_weight": zeros,
    })
    close(alone["in_proj_bias"], both["in_proj_bias"])
