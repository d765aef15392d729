"""Sums over examples by native kernels and by torch."""

import pytest
import torch

from tests.vogn_app.curvature.exactness import assert_close
from vogn_app.curvature.rules import reductions
from vogn_app.curvature.rules.reductions import Total

pytestmark = pytest.mark.usefixtures("kernels_and_none")


def close(got, expected, relative=1e-10):
    assert_close(dict(enumerate(got)), dict(enumerate(expected)), relative)


def both(rows):
    return rows.sum(0), rows.square().sum(0)


@pytest.mark.parametrize("sizes", [[3], [1], [1, 1, 1], [2, 1, 3], [0, 2], [2, 0]])
def test_a_total_is_that_of_all_chunks(sizes):
    chunks = [torch.randn(size, 4, 3) for size in sizes]
    expected = both(torch.cat(chunks))
    total = Total()
    for chunk in chunks:
        total.add(chunk.clone())
    close((total.summed, total.squares), expected)


def test_a_total_takes_sums_too():
    chunks = torch.randn(2, 4, 5)
    total = Total()
    for chunk in chunks:
        total.add_sums(both(chunk))
    close((total.summed, total.squares), both(chunks.flatten(0, 1)))


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (7, 4, 5), (2, 1000), (300, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_are_summed(shape, dtype):
    rows = torch.randn(shape, dtype=dtype)
    relative = 1e-5 if dtype == torch.float32 else 1e-10
    close(reductions.row_sums(rows.clone()), both(rows), relative)
    close(reductions.row_sums(rows.mT.clone().mT), both(rows), relative)


@pytest.mark.parametrize("shape", [(5, 1, 4, 3), (5, 2, 4, 3), (3, 40, 17, 9)])
@pytest.mark.parametrize("elements", [1, 30, 2**18])
def test_token_sums_are_those_of_products(shape, elements, monkeypatch):
    monkeypatch.setattr(reductions, "CACHED_ELEMENTS", elements)
    num, tokens, inputs, outputs = shape
    x, g = torch.randn(num, tokens, inputs), torch.randn(num, tokens, outputs)
    rows = torch.stack([b.T @ a for a, b in zip(x, g, strict=True)])
    close(reductions.token_sums(x, g), both(rows))
    close(reductions.token_sums(x.mT.contiguous().mT, g.mT.contiguous().mT), both(rows))


def test_empty_token_sums_are_zero():
    for num, tokens in ((0, 4), (4, 0), (0, 1)):
        x, g = torch.randn(num, tokens, 3), torch.randn(num, tokens, 2)
        close(reductions.token_sums(x, g), (torch.zeros(2, 3), torch.zeros(2, 3)))


@pytest.mark.parametrize("statistics", [(4,), (5, 4)])
def test_channel_sums_follow_their_formula(statistics):
    x, g = torch.randn(5, 4, 6), torch.randn(5, 4, 6)
    mean, scale = torch.randn(statistics), torch.rand(statistics)
    weight = ((x - mean[..., None]) * scale[..., None] * g).sum(2)
    close(reductions.channel_sums(x, g, mean, scale), (weight, g.sum(2)))
    last = x.mT.contiguous().mT
    close(reductions.channel_sums(last, g, mean, scale), (weight, g.sum(2)))


def test_token_norm_sums_follow_their_formula():
    x, g = torch.randn(5, 6, 4), torch.randn(5, 6, 4)
    mean, scale = torch.randn(5, 6), torch.rand(5, 6)
    weight = ((x - mean[..., None]) * scale[..., None] * g).sum(1)
    close(reductions.token_norm_sums(x, g, mean, scale), (weight, g.sum(1)))
    last = x.mT.contiguous().mT
    close(reductions.token_norm_sums(last, g, mean, scale), (weight, g.sum(1)))


def test_inputs_are_left_alone():
    x, g = torch.randn(5, 6, 4), torch.randn(5, 6, 4)
    kept = x.clone(), g.clone()
    mean, scale = torch.randn(5, 6), torch.rand(5, 6)
    reductions.token_sums(x, g)
    reductions.channel_sums(x, g, mean, scale)
    reductions.token_norm_sums(x, g, mean, scale)
    assert torch.equal(x, kept[0])
    assert torch.equal(g, kept[1])
