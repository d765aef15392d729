"""Windows against what autograd says that a weight meets."""

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.kronecker.convolutions import (
    CONVOLUTIONS,
    convolution,
    rows_by_autograd,
)
from tests.vogn_app.curvature.rules.exact import EVEN_KERNELS
from vogn_app.curvature.kronecker import windows
from vogn_app.curvature.kronecker.windows import (
    positions_of,
    summed_windows,
    window_products,
    window_rows,
)
from vogn_app.curvature.rules.convolution import kernel_of

pytestmark = pytest.mark.filterwarnings(EVEN_KERNELS)


def expected_windows(module, x):
    """[N, B, T, n] without the 1 of the bias."""
    return rows_by_autograd(module, x)[..., :-1]


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_positions_are_those_of_the_output(case):
    module, x = convolution(case)
    assert positions_of(kernel_of(module), x) == module(x).shape[2:]


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_windows_are_what_the_weight_meets(case):
    module, x = convolution(case)
    found = window_rows(kernel_of(module), x)
    expected = expected_windows(module, x).transpose(0, 1).flatten(1, 2)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_sums_are_over_positions(case):
    module, x = convolution(case)
    found = summed_windows(kernel_of(module), x)
    expected = expected_windows(module, x).sum(2).transpose(0, 1)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("elements", [1, 2000, 2**18])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_products_are_over_all_windows(case, elements, monkeypatch):
    monkeypatch.setattr(windows, "fast_elements", lambda x: elements)
    module, x = convolution(case)
    x = torch.cat([x] * 3) + torch.randn(())
    found = window_products(kernel_of(module), x)
    rows = expected_windows(module, x)
    torch.testing.assert_close(found, torch.einsum("nbti,nbtj->bij", rows, rows))
    assert torch.equal(found, found.mT)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.randn(1, 2, 1, 5).expand(4, 2, 3, 5),
        lambda: torch.randn(5, 3, 2, 4).permute(3, 2, 1, 0),
        lambda: torch.randn(4, 2, 3, 5).to(memory_format=torch.channels_last),
    ],
    ids=["expanded", "transposed", "channels last"],
)
def test_how_an_input_lies_in_memory_changes_nothing(make):
    kernel, x = kernel_of(nn.Conv2d(2, 3, 3, padding=(0, 1))), make()
    found, expected = window_rows(kernel, x), window_rows(kernel, x.contiguous())
    assert torch.equal(found, expected)


def test_no_examples_have_no_windows():
    kernel, x = kernel_of(nn.Conv2d(2, 3, 3, padding=1)), torch.randn(0, 2, 4, 4)
    assert window_rows(kernel, x).shape == (1, 0, 18)
    assert summed_windows(kernel, x).shape == (1, 0, 18)
    assert torch.equal(window_products(kernel, x), torch.zeros(1, 18, 18))
