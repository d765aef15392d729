"""Windows and padding of a correlation; the ways are tested with the layers."""

import pytest
import torch
from torch.nn import functional as F

from vogn_app.curvature.rules import correlation
from vogn_app.curvature.rules.correlation import Kernel


def kernel(padding=(0, 0, 0, 0), mode="constant", **options):
    options = {"stride": (1, 1), "dilation": (1, 1), "groups": 1, **options}
    return Kernel(torch.Size((4, 3, 2, 3)), padding=padding, mode=mode, **options)


def test_windows_are_those_of_unfold():
    x = torch.randn(2, 3, 7, 9)
    slides = kernel(stride=(2, 1), dilation=(1, 2))
    windows = slides.windows(x, torch.Size((3, 5)))
    expected = F.unfold(x, (2, 3), (1, 2), 0, (2, 1))
    assert torch.equal(windows.reshape(2, 18, 15), expected)


def test_windows_of_part_of_a_tensor_stay_within_it():
    x = torch.randn(4, 5, 7, 9)
    part = x[1:3, 2:, 1:6, 2:8]
    windows = kernel().windows(part, torch.Size((4, 4)))
    expected = F.unfold(part, (2, 3))
    assert torch.equal(windows.reshape(2, 18, 16), expected)


@pytest.mark.parametrize(
    ("padding", "mode", "plain"),
    [
        ((2, 2, 1, 1), "constant", (1, 2)),
        ((0, 0, 0, 0), "constant", (0, 0)),
        ((2, 1, 1, 1), "constant", None),
        ((-1, -1, 1, 1), "constant", None),
        ((2, 2, 1, 1), "circular", None),
    ],
)
def test_plain_padding_is_what_a_convolution_can_express(padding, mode, plain):
    assert kernel(padding, mode).plain_padding == plain


def test_padding_is_that_of_torch():
    x = torch.randn(2, 3, 4, 5)
    assert kernel().padded(x) is x
    padded = kernel((1, 2, 0, -1), "constant").padded(x)
    assert torch.equal(padded, F.pad(x, (1, 2, 0, -1)))


def test_much_padding_gives_the_same_by_swapping(monkeypatch):
    slides = Kernel(torch.Size((4, 1, 3, 3)), (1, 1), (1, 1), 4, (1, 1, 1, 1))
    signal, at = torch.randn(5, 4, 6, 7), torch.randn(5, 4, 6, 7)
    expected = correlation.by_columns(slides, signal, at)
    assert torch.allclose(correlation.by_swapping(slides, signal, at), expected)
    monkeypatch.setattr(correlation, "FAST_PADDING", 0)
    assert torch.allclose(correlation.by_swapping(slides, signal, at), expected)
