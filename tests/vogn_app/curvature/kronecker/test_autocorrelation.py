"""Products from autocorrelations against products of windows."""

import random

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.kronecker.convolutions import CONVOLUTIONS, convolution
from tests.vogn_app.curvature.rules.exact import EVEN_KERNELS
from vogn_app.curvature.kronecker import autocorrelation
from vogn_app.curvature.kronecker.autocorrelation import (
    autocorrelation_products,
    prefers_autocorrelation,
)
from vogn_app.curvature.kronecker.windows import positions_of, window_rows
from vogn_app.curvature.rules.convolution import kernel_of

pytestmark = pytest.mark.filterwarnings(EVEN_KERNELS)
SINGLE_STEPS = [
    case for case, (make, _) in CONVOLUTIONS.items() if set(make().stride) == {1}
]


@pytest.fixture(params=["lags", "windows", "cheaper"])
def way_of_rims(request, monkeypatch):
    """How problems of fewer dimensions are solved."""
    if request.param != "cheaper":
        monkeypatch.setattr(
            autocorrelation,
            "prefers_windows",
            lambda problem: request.param == "windows" or not problem.axes,
        )


def assert_same_products(kernel, x):
    rows = window_rows(kernel, x)
    expected, found = rows.mT @ rows, autocorrelation_products(kernel, x)
    # Far padded, a kernel may see nothing but zeros.
    largest = expected.norm() if expected.any() else x.square().sum()
    assert (found - expected).norm() <= 1e-12 * largest
    single = autocorrelation_products(kernel, x.float())
    assert single.dtype == torch.float32
    assert (single - expected).norm() <= 1e-5 * largest
    for each in (found, single):
        assert torch.equal(each, each.mT)


@pytest.mark.parametrize("case", SINGLE_STEPS)
@pytest.mark.usefixtures("way_of_rims")
def test_products_are_those_of_all_windows(case):
    module, x = convolution(case)
    assert_same_products(kernel_of(module), x)


def random_convolution(draw):
    dimensions = draw.choice([1, 2, 2, 3])
    groups, channels = draw.choice([1, 1, 2, 3]), draw.choice([1, 2, 3])
    module = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimensions - 1](
        groups * channels,
        groups * 2,
        tuple(draw.choice([1, 2, 3, 5][: 5 - dimensions]) for _ in range(dimensions)),
        padding=draw.choice(["same", "valid", 0, 1, 2, 3]),
        dilation=tuple(draw.choice([1, 2, 3]) for _ in range(dimensions)),
        groups=groups,
    )
    places = [draw.randint(1, 9) for _ in range(dimensions)]
    return module, torch.randn(draw.choice([1, 2, 5]), groups * channels, *places)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.usefixtures("way_of_rims")
def test_products_of_random_convolutions_are_those_of_all_windows(seed):
    draw, tried = random.Random(seed), 0
    while tried < 3:
        module, x = random_convolution(draw)
        if min(positions_of(kernel_of(module), x)) >= 1:
            assert_same_products(kernel_of(module), x)
            tried += 1


@pytest.mark.parametrize("elements", [1, 500])
def test_small_pieces_give_the_same(elements, monkeypatch):
    monkeypatch.setattr(autocorrelation, "fast_elements", lambda x: elements)
    for case in ("2d", "2d, groups", "3d"):
        module, x = convolution(case)
        assert_same_products(kernel_of(module), x)


def test_single_precision_keeps_its_digits_far_from_zero():
    module = nn.Conv2d(16, 4, 3, padding=1)
    assert_same_products(kernel_of(module), torch.randn(8, 16, 12, 12) + 30)


def test_a_bright_rim_that_few_windows_see_costs_no_digits():
    x = torch.randn(4, 3, 8, 8)
    x[..., 0], x[..., 0, :] = 1e3, 1e3
    assert_same_products(kernel_of(nn.Conv2d(3, 4, 3)), x)


def test_the_input_stays_what_it_is():
    x = torch.randn(3, 2, 5, 5)
    kept = x.clone()
    autocorrelation_products(kernel_of(nn.Conv2d(2, 3, 3)), x)
    assert torch.equal(x, kept)


def test_it_is_preferred_for_single_steps_of_wide_layers_alone():
    x = torch.randn(64, 16, 32, 32)

    def preferred(x=x, **settings):
        kernel = kernel_of(nn.Conv2d(16, 16, 3, **settings))
        return prefers_autocorrelation(kernel, x)

    assert preferred(padding=1)
    assert preferred(padding=1, padding_mode="circular")
    assert not preferred(stride=2)
    assert not preferred(x=x[:0])
    assert not preferred(x=x[:1, :, :3, :3])
    assert not preferred(x=x.to("meta"))
