"""Layer rules against a loop over examples."""

import pytest
import torch
from torch import nn

from tests.helpers.closed_form import batch_norm_contributions, contributions_alone
from tests.vogn_app.curvature.exactness import assert_close
from vogn_app.curvature import per_example
from vogn_app.curvature.per_example import (
    RULES,
    contribution_chunks,
    linear_squares,
    rule_for,
)

LAYERS = {
    "linear": (lambda: nn.Linear(4, 3), (5, 4)),
    "linear, no bias": (lambda: nn.Linear(4, 3, bias=False), (5, 4)),
    "linear, tokens": (lambda: nn.Linear(4, 3), (5, 6, 4)),
    "linear, tokens in a grid": (lambda: nn.Linear(4, 3), (5, 2, 3, 4)),
    "linear, no tokens": (lambda: nn.Linear(4, 3), (5, 0, 4)),
    "conv": (lambda: nn.Conv2d(3, 4, 3), (5, 3, 7, 6)),
    "conv, no bias": (lambda: nn.Conv2d(3, 4, 3, bias=False), (5, 3, 7, 6)),
    "conv, 1x1": (lambda: nn.Conv2d(3, 4, 1), (5, 3, 4, 5)),
    "conv, stride": (lambda: nn.Conv2d(3, 4, 3, stride=2), (5, 3, 8, 9)),
    "conv, two strides": (lambda: nn.Conv2d(3, 4, 3, stride=(2, 3)), (5, 3, 8, 9)),
    "conv, unused rim": (lambda: nn.Conv2d(3, 4, 2, stride=3), (5, 3, 7, 7)),
    "conv, padding": (lambda: nn.Conv2d(3, 4, 3, padding=1), (5, 3, 5, 6)),
    "conv, two paddings": (lambda: nn.Conv2d(3, 4, 3, padding=(2, 1)), (5, 3, 5, 6)),
    "conv, same": (lambda: nn.Conv2d(3, 4, 3, padding="same"), (5, 3, 5, 6)),
    "conv, same, even": (lambda: nn.Conv2d(3, 4, (4, 2), padding="same"), (5, 3, 5, 6)),
    "conv, valid": (lambda: nn.Conv2d(3, 4, 3, padding="valid"), (5, 3, 5, 6)),
    "conv, dilation": (lambda: nn.Conv2d(3, 4, 3, dilation=(2, 1)), (5, 3, 8, 7)),
    "conv, groups": (lambda: nn.Conv2d(4, 6, 3, groups=2), (5, 4, 5, 6)),
    "conv, depthwise": (lambda: nn.Conv2d(4, 4, 3, groups=4, padding=1), (5, 4, 5, 6)),
    "conv, multiplier": (lambda: nn.Conv2d(4, 8, 3, groups=4), (5, 4, 5, 6)),
    "conv, all at once": (
        lambda: nn.Conv2d(
            4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2
        ),
        (5, 4, 9, 8),
    ),
    "layer norm": (lambda: nn.LayerNorm(4), (5, 4)),
    "layer norm, tokens": (lambda: nn.LayerNorm(4), (5, 6, 4)),
    "layer norm, two dimensions": (lambda: nn.LayerNorm((3, 4)), (5, 3, 4)),
    "layer norm, both": (lambda: nn.LayerNorm((3, 4)), (5, 2, 6, 3, 4)),
    "layer norm, no bias": (lambda: nn.LayerNorm(4, bias=False), (5, 6, 4)),
    "group norm": (lambda: nn.GroupNorm(2, 6), (5, 6, 3, 4)),
    "group norm, flat": (lambda: nn.GroupNorm(2, 6), (5, 6)),
    "group norm, sequences": (lambda: nn.GroupNorm(3, 6, eps=0.1), (5, 6, 4)),
    "group norm, a channel a group": (lambda: nn.GroupNorm(6, 6), (5, 6, 3, 4)),
    "batch norm 1d, eval": (lambda: nn.BatchNorm1d(4).eval(), (5, 4)),
    "batch norm 1d, eval, long": (lambda: nn.BatchNorm1d(4).eval(), (5, 4, 3)),
    "batch norm 2d, eval": (lambda: nn.BatchNorm2d(4).eval(), (5, 4, 3, 2)),
    "batch norm 3d, eval": (lambda: nn.BatchNorm3d(4).eval(), (5, 4, 3, 2, 2)),
    **{
        f"conv, {mode}": (
            lambda mode=mode: nn.Conv2d(3, 4, 3, padding=(1, 2), padding_mode=mode),
            (5, 3, 6, 5),
        )
        for mode in ("reflect", "circular", "replicate")
    },
    "conv, circular same": (
        lambda: nn.Conv2d(3, 4, (2, 3), padding="same", padding_mode="circular"),
        (5, 3, 6, 5),
    ),
}


def randomised(module):
    """The module with parameters and statistics that are nothing special."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
        for name, buffer in module.named_buffers():
            if name.startswith("running"):
                buffer.uniform_(0.5, 2)
    return module


def output_gradient(module, x):
    with torch.no_grad():
        return torch.randn_like(module(x))


def contributions(module, x, g):
    parts = list(contribution_chunks(rule_for(module), module, x, g))
    names = [name for name, _ in module.named_parameters()]
    return {name: torch.cat([part[name] for part in parts]) for name in names}


# torch's own remark on even kernels, from the forward pass.
EVEN_KERNELS = "ignore:Using padding='same' with even kernel:UserWarning"


@pytest.mark.filterwarnings(EVEN_KERNELS)
@pytest.mark.parametrize("case", LAYERS)
def test_a_rule_gives_each_examples_gradient(case):
    build, shape = LAYERS[case]
    module = randomised(build())
    x = torch.randn(shape)
    g = output_gradient(module, x)
    got = contributions(module, x, g)
    assert_close(got, contributions_alone(module, x, g))


@pytest.mark.parametrize("case", ["linear, tokens", "conv, groups", "layer norm, both"])
@pytest.mark.parametrize("elements", [1, 25])
def test_small_chunks_give_the_same(case, elements, monkeypatch):
    build, shape = LAYERS[case]
    module, x = randomised(build()), torch.randn(shape)
    g = output_gradient(module, x)
    monkeypatch.setattr(per_example, "CHUNK_ELEMENTS", elements)
    parts = list(contribution_chunks(rule_for(module), module, x, g))
    assert len(parts) > 1
    assert_close(contributions(module, x, g), contributions_alone(module, x, g))


def test_channels_last_and_other_strides_give_the_same():
    module = randomised(nn.Conv2d(4, 6, 3, groups=2))
    x = torch.randn(5, 4, 6, 7).to(memory_format=torch.channels_last)
    g = output_gradient(module, x).transpose(2, 3).contiguous().transpose(2, 3)
    assert not x.is_contiguous()
    assert not g.is_contiguous()
    assert_close(contributions(module, x, g), contributions_alone(module, x, g))


def test_squares_of_outer_products_need_no_outer_products():
    x, g = torch.randn(6, 4), torch.randn(6, 3)
    expected = {"weight": torch.zeros(3, 4), "bias": torch.zeros(3)}
    for n in range(6):
        expected["weight"] += torch.outer(g[n], x[n]) ** 2
        expected["bias"] += g[n] ** 2
    assert_close(linear_squares(x, g), expected)


BATCH_NORMS = {
    "1d": (nn.BatchNorm1d, (6, 3)),
    "1d, long": (nn.BatchNorm1d, (6, 3, 4)),
    "2d": (nn.BatchNorm2d, (6, 3, 4, 2)),
    "3d": (nn.BatchNorm3d, (6, 3, 2, 2, 2)),
}


@pytest.mark.parametrize("case", BATCH_NORMS)
def test_batch_norm_in_train_mode_takes_the_batch_statistics_as_fixed(case):
    kind, shape = BATCH_NORMS[case]
    module, x, g = randomised(kind(3, eps=0.01)), torch.randn(shape), torch.randn(shape)
    expected = batch_norm_contributions(x, g, eps=0.01)
    assert_close(contributions(module, x, g), expected)


@pytest.mark.parametrize("case", BATCH_NORMS)
def test_batch_norm_contributions_sum_to_the_gradient(case):
    kind, shape = BATCH_NORMS[case]
    module, x, g = randomised(kind(3)), torch.randn(shape), torch.randn(shape)
    module(x).backward(g)
    summed = {k: v.sum(0) for k, v in contributions(module, x, g).items()}
    assert_close(summed, {"weight": module.weight.grad, "bias": module.bias.grad})


def test_batch_norm_never_divides_by_a_scale_of_zero():
    module, x, g = nn.BatchNorm2d(3), torch.randn(6, 3, 4, 2), torch.randn(6, 3, 4, 2)
    nn.init.zeros_(module.weight)
    expected = batch_norm_contributions(x, g, eps=module.eps)
    assert_close(contributions(module, x, g), expected)


def test_batch_norm_without_running_statistics_uses_those_of_the_batch_in_eval_too():
    module = nn.BatchNorm1d(3, track_running_stats=False).eval()
    x, g = torch.randn(6, 3), torch.randn(6, 3)
    expected = batch_norm_contributions(x, g, eps=module.eps)
    assert_close(contributions(module, x, g), expected)


def test_batch_norm_statistics_are_left_alone():
    module, x = randomised(nn.BatchNorm1d(3)), torch.randn(6, 3)
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    contributions(module, x, torch.randn(6, 3))
    for name, buffer in module.named_buffers():
        assert torch.equal(buffer, before[name]), name


def test_batch_norm_is_not_chunked_since_statistics_are_the_batchs(monkeypatch):
    monkeypatch.setattr(per_example, "CHUNK_ELEMENTS", 1)
    module, x, g = nn.BatchNorm1d(3), torch.randn(6, 3), torch.randn(6, 3)
    expected = batch_norm_contributions(x, g, eps=module.eps)
    assert_close(contributions(module, x, g), expected)


def test_a_subclass_has_no_rule_since_its_forward_may_differ():
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    assert rule_for(Doubled(2, 3)) is None
    assert rule_for(nn.Linear(2, 3)) is RULES[nn.Linear]


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Linear(4, 3), (4,)),
        (nn.Conv2d(3, 4, 3), (3, 7, 7)),
        (nn.LayerNorm((3, 4)), (3, 4)),
        (nn.GroupNorm(2, 6), (6,)),
    ],
)
def test_an_input_without_examples_is_not_accepted(module, shape):
    rule = rule_for(module)
    assert not rule.accepts(module, torch.zeros(shape))
    assert rule.accepts(module, torch.zeros(2, *shape))
