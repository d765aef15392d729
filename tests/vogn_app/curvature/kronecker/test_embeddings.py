"""Embeddings against one-hot rows."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vogn_app.curvature.kronecker import embeddings

WEIGHT = frozenset({"weight"})


def one_hot_rows(module, x):
    """[N, T, V], zero where the row of padding is looked up."""
    rows = F.one_hot(x.reshape(len(x), -1), module.num_embeddings).to(torch.float64)
    rows[x.reshape(len(x), -1) == module.padding_idx] = 0
    return rows


@pytest.mark.parametrize("padding", [None, 0, 3])
@pytest.mark.parametrize("shape", [(6,), (4, 5), (3, 2, 4), (4, 1)])
def test_moments_are_those_of_one_hot_rows(padding, shape):
    module, x = nn.Embedding(7, 3, padding_idx=padding), torch.randint(0, 7, shape)
    rows = one_hot_rows(module, x)
    expand = embeddings.inputs(module, x, WEIGHT, "expand")
    assert (expand.form, expand.count, expand.size) == ("diagonal", x.numel(), 7)
    expected = torch.einsum("nti,ntj->ij", rows, rows)
    torch.testing.assert_close(expand.matrix()[0], expected)
    reduce = embeddings.inputs(module, x, WEIGHT, "reduce")
    assert (reduce.form, reduce.count) == ("diagonal", len(x))
    means = rows.mean(1)
    torch.testing.assert_close(reduce.value[0], means.square().sum(0))


@pytest.mark.parametrize("sharing", ["expand", "reduce"])
@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 0)])
def test_no_lookups_are_a_moment_of_nothing(sharing, shape):
    x = torch.zeros(shape, dtype=torch.long)
    moment = embeddings.inputs(nn.Embedding(5, 2), x, WEIGHT, sharing)
    assert torch.equal(moment.value, torch.zeros(1, 5))


def test_moments_of_half_precision_tables_are_single():
    module, x = nn.Embedding(5, 2).bfloat16(), torch.tensor([0] * 300)
    moment = embeddings.inputs(module, x, WEIGHT, "expand")
    assert moment.value.dtype == torch.float32
    assert moment.value.tolist() == [[300, 0, 0, 0, 0]]


def test_contributions_to_the_row_of_padding_are_not_seen():
    module, x = nn.Embedding(4, 2, padding_idx=1), torch.tensor([[0, 1], [1, 3]])
    c = torch.randn(2, 2, 2)
    found = embeddings.seen(module, x, c)
    assert torch.equal(found[0, 0], c[0, 0])
    assert torch.equal(found[1, 1], c[1, 1])
    assert not found[0, 1].any()
    assert not found[1, 0].any()
    assert embeddings.seen(nn.Embedding(4, 2), x, c) is c


@pytest.mark.parametrize("leading", [(), (2, 3)])
def test_the_matrix_is_the_table_transposed(leading):
    module, table = nn.Embedding(5, 2), torch.randn(*leading, 5, 2)
    matrix = embeddings.to_matrix(module, {"weight": table})
    assert matrix.shape[len(leading) :] == embeddings.sizes(module, WEIGHT)
    assert torch.equal(matrix.squeeze(-3).mT, table)
    back = embeddings.from_matrix(module, matrix, WEIGHT)
    assert torch.equal(back["weight"], table)
