"""Layers that cannot have curvature are named before anything is trained."""

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.kronecker.reference import trained
from vogn_app.curvature.kronecker.layout import blocks_of, find_watched


def covered(model):
    blocks = blocks_of(find_watched(model, trained(model)))
    return {part.name for block in blocks.values() for part in block.parts.values()}


@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
def test_a_sparse_table_is_an_error(kind):
    model = nn.ModuleDict({"table": kind(5, 2, sparse=True), "head": nn.Linear(2, 2)})
    message = rf"^sparse must be False in {kind.__name__} layers, got True in 'table'\."
    with pytest.raises(ValueError, match=message):
        covered(model)
    model["table"].requires_grad_(False)
    assert covered(model) == {"head.weight", "head.bias"}


def test_a_lazy_layer_must_have_been_called():
    model = nn.Sequential(nn.LazyLinear(2), nn.Linear(2, 2))
    message = "lazy layers must be initialised by one forward pass first, got 0.weight"
    with pytest.raises(ValueError, match=message):
        covered(model)
    model(torch.randn(1, 3))
    assert covered(model) == {"0.weight", "0.bias", "1.weight", "1.bias"}


def test_what_depends_on_the_whole_batch_or_on_chance_has_no_block():
    model = nn.ModuleDict({
        "table": nn.Embedding(2, 2, scale_grad_by_freq=True), "head": nn.Linear(2, 2),
        "dropped": nn.GRU(2, 2, 2, dropout=0.5), "kept": nn.Linear(2, 2),
    })  # fmt: skip
    model["head"].weight = model["table"].weight
    assert covered(model) == {"head.bias", "kept.weight", "kept.bias"}
