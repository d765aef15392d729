"""Normalisation layers against a loop over examples."""

import pytest
import torch
from torch import nn

from tests.helpers.closed_form import batch_norm_contributions, contributions_alone
from tests.vogn_app.curvature.exactness import assert_close
from tests.vogn_app.curvature.rules.exact import (
    assert_exact,
    assert_gradients,
    assert_sums,
    contributions,
    of_parameters,
    output_gradient,
    randomised,
)
from vogn_app.curvature.rules import rule, rule_for

ALONE = {
    "layer norm": (lambda: nn.LayerNorm(4), (5, 4)),
    "layer norm, tokens": (lambda: nn.LayerNorm(4), (5, 6, 4)),
    "layer norm, two dimensions": (lambda: nn.LayerNorm((3, 4)), (5, 3, 4)),
    "layer norm, both": (lambda: nn.LayerNorm((3, 4)), (5, 2, 6, 3, 4)),
    "layer norm, no bias": (lambda: nn.LayerNorm(4, bias=False), (5, 6, 4)),
    "layer norm, no tokens": (lambda: nn.LayerNorm(4), (5, 0, 4)),
    "layer norm, long": (lambda: nn.LayerNorm(37, eps=0.1), (3, 5, 37)),
    "rms norm": (lambda: nn.RMSNorm(4), (5, 4)),
    "rms norm, tokens": (lambda: nn.RMSNorm(4, eps=0.1), (5, 6, 4)),
    "rms norm, both": (lambda: nn.RMSNorm((3, 4)), (5, 2, 6, 3, 4)),
    "group norm": (lambda: nn.GroupNorm(2, 6), (5, 6, 3, 4)),
    "group norm, flat": (lambda: nn.GroupNorm(2, 6), (5, 6)),
    "group norm, sequences": (lambda: nn.GroupNorm(3, 6, eps=0.1), (5, 6, 4)),
    "group norm, a channel a group": (lambda: nn.GroupNorm(6, 6), (5, 6, 3, 4)),
    "group norm, one group": (lambda: nn.GroupNorm(1, 6), (5, 6, 3, 4)),
    "instance norm 1d": (lambda: nn.InstanceNorm1d(4, affine=True), (5, 4, 6)),
    "instance norm 2d": (lambda: nn.InstanceNorm2d(4, affine=True), (5, 4, 3, 2)),
    "instance norm 3d": (lambda: nn.InstanceNorm3d(4, affine=True), (5, 4, 3, 2, 2)),
    "instance norm, eval": (
        lambda: nn.InstanceNorm1d(4, affine=True).eval(),
        (5, 4, 6),
    ),
    "instance norm, tracking": (
        lambda: nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
        (5, 4, 3, 2),
    ),
    "instance norm, running": (
        lambda: nn.InstanceNorm2d(4, affine=True, track_running_stats=True).eval(),
        (5, 4, 3, 2),
    ),
    "batch norm 1d, eval": (lambda: nn.BatchNorm1d(4).eval(), (5, 4)),
    "batch norm 1d, eval, long": (lambda: nn.BatchNorm1d(4).eval(), (5, 4, 3)),
    "batch norm 2d, eval": (lambda: nn.BatchNorm2d(4).eval(), (5, 4, 3, 2)),
    "batch norm 3d, eval": (lambda: nn.BatchNorm3d(4).eval(), (5, 4, 3, 2, 2)),
    "sync batch norm, eval": (lambda: nn.SyncBatchNorm(4).eval(), (5, 4, 3, 2)),
}

pytestmark = pytest.mark.usefixtures("kernels_and_none")


@pytest.mark.parametrize("case", ALONE)
def test_layers_that_treat_examples_alone_are_exact(case):
    build, shape = ALONE[case]
    assert_exact(build(), torch.randn(shape))


@pytest.mark.parametrize("case", ["layer norm, tokens", "group norm", "rms norm"])
def test_one_example_and_small_chunks_give_the_same(case, monkeypatch):
    build, shape = ALONE[case]
    assert_exact(build(), torch.randn(1, *shape[1:]))
    monkeypatch.setattr(rule, "CHUNK_ELEMENTS", 9)
    assert_exact(build(), torch.randn(shape))


@pytest.mark.parametrize("case", ALONE)
def test_no_examples_give_zeros(case):
    build, shape = ALONE[case]
    module, x = build(), torch.zeros(0, *shape[1:])
    g = x.clone()  # without a forward pass: torch refuses some of them
    nothing = {k: torch.zeros(0, *v.shape) for k, v in module.named_parameters()}
    assert_close(contributions(module, x, g), nothing)
    assert_sums(module, x, g, nothing)


@pytest.mark.parametrize("case", ["layer norm, both", "group norm", "rms norm, tokens"])
def test_expanded_and_transposed_tensors_give_the_same(case):
    build, shape = ALONE[case]
    x = torch.randn(shape)
    assert_exact(build(), x, torch.randn(()).expand(shape))
    assert_exact(build(), x, torch.randn(shape[::-1]).permute(*range(x.ndim)[::-1]))
    assert_exact(build(), torch.randn(shape[::-1]).permute(*range(x.ndim)[::-1]))


def test_channels_last_gives_the_same():
    x = torch.randn(5, 6, 3, 4).to(memory_format=torch.channels_last)
    for module in (nn.GroupNorm(2, 6), nn.InstanceNorm2d(6, affine=True)):
        assert_exact(module, x)
    g = torch.randn_like(x)
    expected = batch_norm_contributions(x, g, eps=1e-5)
    assert_close(contributions(nn.BatchNorm2d(6), x, g), expected)


BATCH_NORMS = {
    "1d": (nn.BatchNorm1d, (6, 3)),
    "1d, long": (nn.BatchNorm1d, (6, 3, 4)),
    "2d": (nn.BatchNorm2d, (6, 3, 4, 2)),
    "3d": (nn.BatchNorm3d, (6, 3, 2, 2, 2)),
    "one example": (nn.BatchNorm1d, (1, 3, 4)),
}


@pytest.mark.parametrize("case", BATCH_NORMS)
def test_batch_norm_in_train_mode_takes_the_batch_statistics_as_fixed(case):
    kind, shape = BATCH_NORMS[case]
    module, x, g = randomised(kind(3, eps=0.01)), torch.randn(shape), torch.randn(shape)
    expected = batch_norm_contributions(x, g, eps=0.01)
    assert_close(contributions(module, x, g), expected)
    assert_sums(module, x, g, expected)


@pytest.mark.parametrize("case", BATCH_NORMS)
def test_batch_norm_contributions_sum_to_the_gradient(case):
    kind, shape = BATCH_NORMS[case]
    module = randomised(kind(3))
    assert_gradients(module, torch.randn(shape), torch.randn(shape))


def test_batch_norm_statistics_are_left_alone():
    module, x = randomised(nn.BatchNorm1d(3)), torch.randn(6, 3)
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    contributions(module, x, torch.randn(6, 3))
    for name, buffer in module.named_buffers():
        assert torch.equal(buffer, before[name]), name


def test_batch_norm_is_not_chunked_since_statistics_are_the_batchs(monkeypatch):
    monkeypatch.setattr(rule, "CHUNK_ELEMENTS", 1)
    module, x, g = nn.BatchNorm1d(3), torch.randn(6, 3), torch.randn(6, 3)
    expected = batch_norm_contributions(x, g, eps=module.eps)
    assert_close(contributions(module, x, g), expected)
    assert_sums(module, x, g, expected)


def test_batch_norm_without_running_statistics_uses_those_of_the_batch_in_eval_too():
    module = nn.BatchNorm1d(3, track_running_stats=False).eval()
    x, g = torch.randn(6, 3), torch.randn(6, 3)
    expected = batch_norm_contributions(x, g, eps=module.eps)
    assert_close(contributions(module, x, g), expected)


def test_synchronised_batch_norm_is_refused_where_statistics_are_others_too(
    monkeypatch,
):
    module, x = nn.SyncBatchNorm(3), torch.zeros(6, 3)
    accepts = rule_for(module).accepts
    assert accepts(module, x)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda group: 2)
    assert not accepts(module, x)
    assert accepts(module.eval(), x)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda group: 1)
    assert accepts(module.train(), x)


NORMS = {
    "layer norm": (lambda: nn.LayerNorm(64), (8, 10, 64)),
    "group norm": (lambda: nn.GroupNorm(2, 8), (8, 8, 40)),
    "instance norm": (lambda: nn.InstanceNorm1d(8, affine=True), (8, 8, 80)),
    "batch norm": (lambda: nn.BatchNorm1d(8), (8, 8, 40)),
}


@pytest.mark.parametrize("case", NORMS)
def test_single_precision_keeps_its_digits_where_the_mean_is_large(case):
    build, shape = NORMS[case]
    module = build()
    x, g = (torch.randn(shape) + 300).float().double(), torch.randn(shape)
    truth = contributions(module, x, g)
    found = contributions(module, x.float(), g.float())
    # The mean itself is rounded to 300 eps, and that error is common to all positions.
    assert_close({k: v.double() for k, v in found.items()}, truth, relative=1e-4)


@pytest.mark.parametrize(("build", "shape"), [*ALONE.values(), *NORMS.values()])
def test_a_scale_of_zero_is_no_obstacle(build, shape):
    module, x = build(), torch.randn(shape)
    g = output_gradient(module, x)
    expected = contributions(module, x, g)
    nn.init.zeros_(module.weight)
    assert_close(contributions(module, x, g), expected)


def test_contributions_are_the_callers_own():
    module, x, g = nn.LayerNorm(4), torch.randn(5, 4), torch.randn(5, 4)
    before = g.clone()
    for rows in of_parameters(module, contributions(module, x, g)).values():
        rows.zero_()
    assert torch.equal(g, before)


def test_inputs_without_examples_are_not_accepted():
    for module, shape in (
        (nn.LayerNorm((3, 4)), (3, 4)),
        (nn.RMSNorm(4), (4,)),
        (nn.GroupNorm(2, 6), (6,)),
        (nn.InstanceNorm2d(4, affine=True), (4, 3, 2)),
        (nn.BatchNorm1d(4), (4,)),
    ):
        accepts = rule_for(module).accepts
        assert accepts(module, torch.zeros(2, *shape))
        assert not accepts(module, torch.zeros(shape))


def test_the_loop_agrees_with_the_formula_of_fixed_statistics():
    module = nn.BatchNorm1d(3, eps=0.01).eval()
    x, g = torch.randn(6, 3), torch.randn(6, 3)
    module.running_mean.copy_(x.mean(0))
    module.running_var.copy_(x.var(0, correction=0))
    alone = contributions_alone(module, x, g)
    assert_close(batch_norm_contributions(x, g, eps=0.01), alone)
