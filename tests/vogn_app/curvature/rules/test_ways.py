"""Which way is chosen, and that pieces stay small."""

import pytest
import torch
from torch import nn

from vogn_app import kernels
from vogn_app.curvature.rules import ways
from vogn_app.curvature.rules.convolution import _correlation
from vogn_app.curvature.rules.ways import Way

SINGLE = {"dtype": torch.float32}
CHOICES = {
    "depthwise": (nn.Conv2d(96, 96, 7, padding=3, groups=96), (8, 96, 9, 9), "swapped"),
    "one channel": (nn.Conv2d(1, 6, 5), (8, 1, 12, 12), "swapped"),
    "many filters": (nn.Conv2d(1, 32, 5), (8, 1, 32, 32), "columns"),
    "small weight": (nn.Conv2d(16, 16, 3), (8, 16, 32, 32), "grouped"),
    "many groups": (nn.Conv2d(64, 64, 3, groups=8), (8, 64, 6, 6), "grouped"),
    "odd channels": (nn.Conv2d(3, 16, 3), (8, 3, 32, 32), "columns"),
    "pointwise": (nn.Conv2d(64, 64, 1), (8, 64, 16, 16), "columns"),
    "pointwise, few places": (nn.Conv2d(64, 64, 1), (8, 64, 4, 4), "tokens"),
    "large weight": (nn.Conv2d(64, 256, 3), (2, 64, 6, 6), "tokens"),
    "transposed": (nn.ConvTranspose2d(64, 256, 3), (2, 64, 6, 6), "tokens"),
}


def correlation(case, **options):
    module, shape, _ = CHOICES[case]
    x = torch.zeros(shape, **SINGLE).to(**options)
    g = torch.zeros_like(module.float()(x.float())).to(**options)
    return _correlation(module, x, g)


@pytest.fixture(autouse=True)
def with_kernels(monkeypatch):
    monkeypatch.setattr(kernels, "supports", lambda *tensors: True)


@pytest.mark.parametrize("case", CHOICES)
def test_shapes_choose_the_way(case):
    assert ways.chosen_way(*correlation(case)).value == CHOICES[case][2]


@pytest.mark.parametrize("case", CHOICES)
def test_without_native_code_there_are_columns(case, monkeypatch):
    monkeypatch.setattr(kernels, "supports", lambda *tensors: False)
    for options in ({"dtype": torch.float64}, {"device": "meta"}):
        assert ways.chosen_way(*correlation(case, **options)) is Way.COLUMNS


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("case", CHOICES)
def test_pieces_are_small_but_never_empty(case, way):
    kernel, signal, at = correlation(case)
    size = ways._examples(way, kernel, signal, at)
    places = signal.shape[2:].numel()
    windows = kernel.shape[1:].numel() * kernel.groups * at.shape[2:].numel()
    elements = {
        Way.GROUPED: kernel.shape.numel(),
        Way.SWAPPED: kernel.shape[0] * places,
        Way.COLUMNS: max(kernel.shape.numel(), windows),
        Way.TOKENS: windows,
    }
    assert size * elements[way] <= max(2**20, 4 * kernel.shape.numel())
    parts = list(ways._parts(way, kernel, signal, at))
    assert sum(len(part) for part, _ in parts) == len(signal)


def test_the_choice_is_the_same_for_any_batch_but_an_empty_one():
    for case, (module, shape, _) in CHOICES.items():
        kernel, signal, at = correlation(case)
        one = ways.chosen_way(kernel, signal[:1], at[:1])
        assert one is ways.chosen_way(kernel, signal, at), (module, shape)
