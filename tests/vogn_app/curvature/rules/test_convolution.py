"""Convolutions, in every way they can be had, against a loop over examples."""

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.exactness import assert_close
from tests.vogn_app.curvature.rules.exact import (
    EVEN_KERNELS,
    assert_exact,
    assert_sums,
    contributions,
    output_gradient,
    randomised,
    sums,
)
from vogn_app.curvature.rules import reductions, rule, rule_for, ways
from vogn_app.curvature.rules.ways import Way

Conv1d, Conv2d, Conv3d = nn.Conv1d, nn.Conv2d, nn.Conv3d
Up1d, Up2d, Up3d = nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d

LAYERS = {
    "plain": (lambda: Conv2d(3, 4, 3), (5, 3, 7, 6)),
    "no bias": (lambda: Conv2d(3, 4, 3, bias=False), (5, 3, 7, 6)),
    "1x1": (lambda: Conv2d(3, 4, 1), (5, 3, 4, 5)),
    "1x1, stride": (lambda: Conv2d(3, 4, 1, stride=2), (5, 3, 4, 5)),
    "1x1, padding": (lambda: Conv2d(3, 4, 1, padding=1), (5, 3, 4, 5)),
    "one position": (lambda: Conv2d(3, 4, (4, 5)), (5, 3, 4, 5)),
    "stride": (lambda: Conv2d(3, 4, 3, stride=2), (5, 3, 8, 9)),
    "two strides": (lambda: Conv2d(3, 4, 3, stride=(2, 3)), (5, 3, 8, 9)),
    "unused rim": (lambda: Conv2d(3, 4, 2, stride=3), (5, 3, 7, 7)),
    "padding": (lambda: Conv2d(3, 4, 3, padding=1), (5, 3, 5, 6)),
    "two paddings": (lambda: Conv2d(3, 4, 3, padding=(2, 1)), (5, 3, 5, 6)),
    "same": (lambda: Conv2d(3, 4, 3, padding="same"), (5, 3, 5, 6)),
    "same, even": (lambda: Conv2d(3, 4, (4, 2), padding="same"), (5, 3, 5, 6)),
    "valid": (lambda: Conv2d(3, 4, 3, padding="valid"), (5, 3, 5, 6)),
    "dilation": (lambda: Conv2d(3, 4, 3, dilation=(2, 1)), (5, 3, 8, 7)),
    "groups": (lambda: Conv2d(4, 6, 3, groups=2), (5, 4, 5, 6)),
    "all at once": (
        lambda: Conv2d(
            4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2
        ),
        (5, 4, 9, 8),
    ),
    "1d": (lambda: Conv1d(3, 4, 3, padding=1), (5, 3, 9)),
    "1d, all at once": (
        lambda: Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2),
        (5, 4, 11),
    ),
    "3d": (lambda: Conv3d(2, 3, (3, 1, 2), padding=(1, 0, 1)), (3, 2, 4, 3, 5)),
    "3d, all at once": (
        lambda: Conv3d(4, 2, 2, stride=(1, 2, 1), dilation=(2, 1, 1), groups=2),
        (3, 4, 4, 5, 3),
    ),
    **{
        f"{kind.__name__}, {mode}": (
            lambda kind=kind, mode=mode: kind(3, 4, 3, padding=2, padding_mode=mode),
            (3, 3, 5, 4, 3)[: kind(1, 1, 1).weight.ndim],
        )
        for mode in ("reflect", "circular", "replicate")
        for kind in (Conv1d, Conv2d, Conv3d)
    },
    "circular same": (
        lambda: Conv2d(3, 4, (2, 3), padding="same", padding_mode="circular"),
        (5, 3, 6, 5),
    ),
    "transposed": (lambda: Up2d(3, 4, 3), (5, 3, 4, 5)),
    "transposed, 1x1": (lambda: Up2d(3, 4, 1), (5, 3, 4, 5)),
    "transposed, stride": (lambda: Up2d(3, 4, 2, stride=2), (5, 3, 4, 5)),
    "transposed, gaps": (lambda: Up2d(3, 4, 2, stride=3), (5, 3, 4, 5)),
    "transposed, padding": (lambda: Up2d(3, 4, 3, padding=(2, 1)), (5, 3, 4, 5)),
    "transposed, output padding": (
        lambda: Up2d(3, 4, 3, stride=2, padding=1, output_padding=1),
        (5, 3, 4, 5),
    ),
    "transposed, much output padding": (
        lambda: Up2d(3, 4, 3, dilation=3, output_padding=(2, 1)),
        (5, 3, 4, 5),
    ),
    "transposed, all at once": (
        lambda: Up2d(
            4,
            6,
            (3, 2),
            (2, 3),
            (1, 2),
            output_padding=(1, 0),
            groups=2,
            dilation=(2, 1),
        ),
        (5, 4, 3, 4),
    ),
    "transposed 1d": (
        lambda: Up1d(3, 4, 4, stride=2, padding=1, output_padding=1, bias=False),
        (5, 3, 6),
    ),
    "transposed 3d": (
        lambda: Up3d(2, 4, 2, stride=(1, 2, 1), groups=2, output_padding=(0, 1, 0)),
        (3, 2, 3, 2, 4),
    ),
}
DEPTHWISE = {
    "depthwise": (lambda: Conv2d(4, 4, 3, groups=4, padding=1), (5, 4, 5, 6)),
    "depthwise, multiplier": (lambda: Conv2d(4, 8, 3, groups=4), (5, 4, 5, 6)),
    "depthwise, stride": (
        lambda: Conv2d(4, 8, 3, stride=(3, 2), groups=4, padding=1),
        (5, 4, 7, 8),
    ),
    "depthwise, dilation": (
        lambda: Conv2d(4, 4, (3, 2), stride=2, dilation=(2, 3), groups=4, padding=1),
        (5, 4, 7, 8),
    ),
    "depthwise 1d": (lambda: Conv1d(4, 4, 5, groups=4, padding=2), (5, 4, 9)),
    "depthwise 3d": (lambda: Conv3d(3, 3, 2, groups=3), (3, 3, 3, 4, 3)),
    "depthwise, same, circular": (
        lambda: Conv2d(3, 3, 3, groups=3, padding="same", padding_mode="circular"),
        (5, 3, 5, 4),
    ),
    "one channel": (lambda: Conv2d(1, 4, 3), (5, 1, 5, 6)),
    "depthwise, transposed": (
        lambda: Up2d(3, 3, 3, 2, 1, output_padding=1, groups=3),
        (5, 3, 3, 4),
    ),
    "one channel, transposed": (lambda: Up2d(4, 1, 3, stride=2), (5, 4, 3, 4)),
}
ALL = {**LAYERS, **DEPTHWISE}
FORCED = [
    *((case, way) for case in ALL for way in Way if way is not Way.SWAPPED),
    *((case, Way.SWAPPED) for case in DEPTHWISE),
]

pytestmark = [
    pytest.mark.filterwarnings(EVEN_KERNELS),
    pytest.mark.usefixtures("kernels_and_none"),
]


def always(monkeypatch, way):
    monkeypatch.setattr(ways, "chosen_way", lambda *args: way)


@pytest.mark.parametrize("case", ALL)
def test_convolutions_are_exact(case):
    build, shape = ALL[case]
    assert_exact(build(), torch.randn(shape))


@pytest.mark.parametrize(("case", "way"), FORCED)
def test_every_way_is_exact(case, way, monkeypatch):
    always(monkeypatch, way)
    build, shape = ALL[case]
    assert_exact(build(), torch.randn(shape))


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("elements", [1, 60])
def test_one_example_and_small_pieces_give_the_same(way, elements, monkeypatch):
    always(monkeypatch, way)
    build, shape = ALL["depthwise, multiplier"]
    assert_exact(build(), torch.randn(1, *shape[1:]))
    monkeypatch.setattr(ways, "_examples", lambda *args: 2)
    monkeypatch.setattr(rule, "CHUNK_ELEMENTS", elements)
    monkeypatch.setattr(reductions, "CACHED_ELEMENTS", elements)
    assert_exact(build(), torch.randn(shape))


@pytest.mark.parametrize("way", Way)
def test_other_strides_give_the_same(way, monkeypatch):
    always(monkeypatch, way)
    module = Conv2d(4, 8, 3, groups=4, padding=1)
    x = torch.randn(5, 4, 6, 7)
    last = x.to(memory_format=torch.channels_last)
    assert not last.is_contiguous()
    g = torch.randn(5, 8, 6, 7)
    assert_exact(module, last, g.to(memory_format=torch.channels_last))
    assert_exact(module, last, g.mT.contiguous().mT)
    assert_exact(module, x.mT.contiguous().mT, g[:, :, :1, :1].expand(g.shape))
    assert_exact(module, x, torch.randn(()).expand(g.shape))
    assert_exact(module, torch.randn(9, 6, 8, 9)[2:7, 1:5, 1:7, 1:8], g)


@pytest.mark.parametrize("case", ["plain", "1x1", "transposed", "depthwise", "3d"])
def test_no_examples_give_zeros(case):
    build, shape = ALL[case]
    module, x = randomised(build()), torch.zeros(0, *shape[1:])
    g = output_gradient(module, x)
    nothing = {k: torch.zeros(0, *v.shape) for k, v in module.named_parameters()}
    assert_close(contributions(module, x, g), nothing)
    assert_sums(module, x, g, nothing)
    assert rule_for(module).input_gradient(module, x, g, module.weight).shape == x.shape


def test_a_size_chosen_in_the_call_is_seen_in_the_output():
    module = randomised(Up2d(3, 4, 3, stride=2))
    x = torch.randn(5, 3, 4, 5)
    output = module(x.requires_grad_(), output_size=(10, 12))
    g = torch.randn_like(output)
    output.backward(g)
    summed, _ = sums(module, x.detach(), g)
    assert_close(summed, {name: p.grad for name, p in module.named_parameters()})
    found = rule_for(module).input_gradient(module, x.detach(), g, module.weight)
    assert_close({"x": found}, {"x": x.grad})


CHOSEN = {
    Way.SWAPPED: (lambda: Conv2d(8, 8, 3, groups=8, padding=1), (4, 8, 9, 9)),
    Way.GROUPED: (lambda: Conv2d(8, 16, 3, padding=1), (4, 8, 12, 12)),
    Way.COLUMNS: (lambda: Conv2d(3, 8, 3), (4, 3, 20, 20)),
    Way.TOKENS: (lambda: Conv2d(3, 8, 3), (4, 3, 6, 6)),
}


@pytest.mark.parametrize("way", Way)
def test_single_precision_is_as_exact_as_it_can_be(way):
    build, shape = CHOSEN[way]
    module, x = randomised(build()), torch.randn(shape)
    g = output_gradient(module, x)
    truth = contributions(module, x, g)
    found = contributions(module.float(), x.float(), g.float())
    assert_close({k: v.double() for k, v in found.items()}, truth, relative=1e-5)
    for power, found in enumerate(sums(module, x.float(), g.float()), 1):
        expected = {k: v.pow(power).sum(0) for k, v in truth.items()}
        doubles = {k: v.double() for k, v in found.items()}
        assert_close(doubles, expected, relative=1e-5)


@pytest.mark.parametrize("kind", [Conv1d, Conv2d, Conv3d, Up1d, Up2d, Up3d])
def test_inputs_without_examples_are_not_accepted(kind):
    module = kind(3, 4, 1)
    shape = (2, 3, 5, 5, 5)[: module.weight.ndim]
    accepts = rule_for(module).accepts
    assert accepts(module, torch.zeros(shape))
    assert not accepts(module, torch.zeros(shape[1:]))
