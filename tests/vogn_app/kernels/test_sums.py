"""Sums in C equal those in torch, for all remainders and any number of threads."""

import pytest
import torch

from vogn_app.kernels import sums
from vogn_app.kernels.build import STRIP
from vogn_app.kernels.sums import (
    channel_sums,
    row_sums,
    token_norm_sums,
    token_sums,
)

pytestmark = pytest.mark.usefixtures("native")

TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-12}
SIZES = [1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 100]

both_types = pytest.mark.parametrize("dtype", TOLERANCES, ids=["float32", "float64"])


def normal(*shape, dtype):
    return torch.randn(shape, dtype=torch.float64).to(dtype)


def assert_close(found, expected):
    """Relative to the largest number: terms of a sum may cancel."""
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        if one.numel():
            error = (one.double() - other.double()).abs().max()
            assert error <= TOLERANCES[one.dtype] * other.double().abs().max()


def expected_token_sums(x, g):
    contributions = torch.bmm(g.double().mT, x.double())
    return contributions.sum(0), contributions.square().sum(0)


@both_types
@pytest.mark.parametrize("outputs", SIZES)
@pytest.mark.parametrize("inputs", SIZES)
def test_token_sums_of_all_remainders(inputs, outputs, dtype):
    x, g = normal(3, 5, inputs, dtype=dtype), normal(3, 5, outputs, dtype=dtype)
    assert_close(token_sums(x, g), expected_token_sums(x, g))


@both_types
@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((1, 1, 1, 1), id="one of each"),
        pytest.param((64, 1, 20, 10), id="one token"),
        pytest.param((100, 7, 20, 10), id="two groups, the last smaller"),
        pytest.param((3, 600, 20, 10), id="an example longer than a group"),
        pytest.param((1, 2000, 300, 10), id="least panels at a time"),
        pytest.param((2, 256, 700, 9), id="several blocks of panels"),
        pytest.param((4, 2, 1000, 21), id="packed outputs"),
    ],
)
def test_token_sums_of_long_and_wide_layers(shape, dtype):
    num, tokens, inputs, outputs = shape
    x, g = (
        normal(num, tokens, inputs, dtype=dtype),
        normal(num, tokens, outputs, dtype=dtype),
    )
    assert_close(token_sums(x, g), expected_token_sums(x, g))


@both_types
@pytest.mark.parametrize(
    "shape", [(0, 5, 3, 4), (2, 0, 3, 4), (2, 5, 0, 4), (2, 5, 3, 0)]
)
def test_token_sums_of_nothing_are_zero(shape, dtype):
    num, tokens, inputs, outputs = shape
    x, g = (
        normal(num, tokens, inputs, dtype=dtype),
        normal(num, tokens, outputs, dtype=dtype),
    )
    for result in token_sums(x, g):
        assert torch.equal(result, torch.zeros(outputs, inputs, dtype=dtype))


def test_token_sums_without_memory_are_an_error(monkeypatch):
    monkeypatch.setattr(sums, "function", lambda *_: lambda *_: -1)
    with pytest.raises(MemoryError, match="token_sums found no memory to work in"):
        token_sums(torch.ones(1, 1, 1), torch.ones(1, 1, 1))


@both_types
@pytest.mark.parametrize("columns", [*SIZES, STRIP - 1, STRIP, 2 * STRIP + 5])
@pytest.mark.parametrize("num", [1, 2, 3, 4, 5, 16, 33])
def test_row_sums(num, columns, dtype):
    c = normal(num, columns, dtype=dtype)
    assert_close(row_sums(c), (c.double().sum(0), c.double().square().sum(0)))


def expected_channel_sums(x, g, mean, scale):
    x, g, mean, scale = (t.double() for t in (x, g, mean, scale))
    normalised = (x - mean[..., None]) * scale[..., None]
    return (normalised * g).sum(2), g.sum(2)


@both_types
@pytest.mark.parametrize("own", [False, True], ids=["of channels", "of examples"])
@pytest.mark.parametrize("positions", [*SIZES, 49, 64, 65, 200])
@pytest.mark.parametrize("channels", [1, 3, 16])
def test_channel_sums(channels, positions, own, dtype):
    x = normal(2, channels, positions, dtype=dtype)
    g = normal(2, channels, positions, dtype=dtype)
    shape = (2, channels) if own else (channels,)
    mean, scale = normal(*shape, dtype=dtype), normal(*shape, dtype=dtype)
    found = channel_sums(x, g, mean, scale)
    assert_close(found, expected_channel_sums(x, g, mean, scale))


def expected_token_norm_sums(x, g, mean, scale):
    x, g, mean, scale = (t.double() for t in (x, g, mean, scale))
    normalised = (x - mean[..., None]) * scale[..., None]
    return (normalised * g).sum(1), g.sum(1)


@both_types
@pytest.mark.parametrize("features", [*SIZES, 2 * STRIP + 5])
@pytest.mark.parametrize("tokens", [1, 2, 17])
def test_token_norm_sums(tokens, features, dtype):
    x = normal(2, tokens, features, dtype=dtype)
    g = normal(2, tokens, features, dtype=dtype)
    mean, scale = normal(2, tokens, dtype=dtype), normal(2, tokens, dtype=dtype)
    found = token_norm_sums(x, g, mean, scale)
    assert_close(found, expected_token_norm_sums(x, g, mean, scale))


@both_types
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_rows_of_nothing_sum_to_zero(shape, dtype):
    for result in row_sums(torch.ones(shape, dtype=dtype)):
        assert torch.equal(result, torch.zeros(shape[1], dtype=dtype))


@both_types
@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 0, 3), (2, 3, 0)])
def test_norm_sums_of_nothing_are_zero(shape, dtype):
    x = g = torch.ones(shape, dtype=dtype)
    pair, channels = (
        torch.ones(shape[:2], dtype=dtype),
        torch.ones(shape[1], dtype=dtype),
    )
    found = (*channel_sums(x, g, channels, channels), *channel_sums(x, g, pair, pair))
    for result in found:
        assert torch.equal(result, torch.zeros(shape[:2], dtype=dtype))
    for result in token_norm_sums(x, g, pair, pair):
        assert torch.equal(result, torch.zeros(shape[0], shape[2], dtype=dtype))


@both_types
def test_the_number_of_threads_does_not_matter(dtype, many_parts):
    x, g = normal(9, 7, 300, dtype=dtype), normal(9, 7, 300, dtype=dtype)
    pair = normal(9, 7, dtype=dtype)
    c = normal(9, 5 * STRIP + 3, dtype=dtype)

    def everything():
        return [
            *token_sums(x, g[..., :77].contiguous()),
            *row_sums(c),
            *channel_sums(x, g, pair[0].contiguous(), pair[1].contiguous()),
            *token_norm_sums(x, g, pair, pair),
        ]

    expected = everything()
    for num in (2, 3, 7):
        many_parts(num)
        for one, other in zip(everything(), expected, strict=True):
            assert torch.equal(one, other)


def test_wrong_shapes_are_caught_before_memory_is_read():
    x, g, mean = torch.ones(2, 3, 4), torch.ones(2, 3, 5), torch.ones(3)
    with pytest.raises(AssertionError):
        token_sums(x, g[:1].contiguous())
    with pytest.raises(AssertionError):
        channel_sums(x, g, mean, mean)
    with pytest.raises(AssertionError):
        channel_sums(x, x, mean[:2].contiguous(), mean)
    with pytest.raises(AssertionError):
        token_norm_sums(x, x, mean, mean)


def test_inputs_are_left_alone():
    x, g = torch.randn(2, 3, 4), torch.randn(2, 3, 5)
    kept = x.clone(), g.clone()
    token_sums(x, g)
    row_sums(x[0])
    token_norm_sums(x, x, g[..., 0].contiguous(), g[..., 1].contiguous())
    assert torch.equal(x, kept[0])
    assert torch.equal(g, kept[1])
