"""Statistics and inverses of every block fit what is sent of them."""

import pytest
import torch

from tests.vogn_app.curvature.kronecker.reference import armed
from tests.vogn_app.integration.test_kfac_ddp import batch, network
from vogn_app.curvature.kronecker.inverses import DenseInverse, ThinInverse
from vogn_app.curvature.kronecker.operators import apply, dampings_of, invert
from vogn_app.distributed import Layout
from vogn_app.optim.division import Elsewhere
from vogn_app.optim.entries import (
    entry_of,
    inverse_entries,
    inverse_from,
    moment_of,
    tensors_of,
)

SHAPES = pytest.mark.parametrize("shape", ["kronecker", "diagonal", "layer", "full"])


def measured(shape):
    """Blocks of embedding, linear maps, convolutions and norms, and statistics."""
    model = network()
    x, _ = batch(0)
    capture = armed(model, shape=shape)
    model(x).square().sum(1).mean().backward()
    moments = capture.gather().moments
    capture.close()
    return capture.blocks, moments


@SHAPES
def test_statistics_have_the_shape_that_is_sent(shape):
    blocks, moments = measured(shape)
    assert set(moments) == {(b.name, s) for b in blocks.values() for s in b.sides}
    for (name, side), moment in moments.items():
        entry = entry_of(blocks[name], side)
        value = moment.matrix() if entry.symmetric else moment.value
        assert tuple(value.shape) == entry.shape
        layout = Layout([entry])
        (sent,) = layout.unpack(layout.pack([value], value.new_empty(layout.size)))
        got = moment_of(blocks[name], side, sent)
        assert got.form == ("diagonal" if moment.form == "diagonal" else "matrix")
        torch.testing.assert_close(got.value, value, rtol=1e-15, atol=0)


@SHAPES
@pytest.mark.parametrize("inversion", ["cholesky", "eigen"])
def test_inverses_do_the_same_after_they_were_sent(shape, inversion):
    blocks, moments = measured(shape)
    dampings = {}
    for block in blocks.values():
        each = dampings_of(block, moments, 0.1, inversion)
        dampings |= {(block.name, side): value for side, value in each.items()}
    made = invert(list(moments), moments, dampings, inversion)
    for name, block in blocks.items():
        own, sent = {}, {}
        for side in block.sides:
            own[side] = made[name, side]
            layout = Layout(inverse_entries(block, side, inversion))
            tensors = tensors_of(own[side])
            flat = layout.pack(tensors, tensors[0].new_empty(layout.size))
            rest = iter(layout.unpack(flat))
            sent[side] = inverse_from(block, side, inversion, rest)
            thin = isinstance(own[side], ThinInverse)
            assert type(sent[side]) is (DenseInverse if thin else type(own[side]))
            assert next(rest, None) is None
        matrix, damping = torch.randn(block.matrix_shape), dampings[name, side]
        expected = apply(block, matrix, own, damping)
        got = apply(block, matrix, sent, damping)
        torch.testing.assert_close(got, expected, rtol=1e-13, atol=1e-14)


def test_an_inverse_that_is_elsewhere_is_never_applied():
    with pytest.raises(AssertionError, match="another rank"):
        Elsewhere().apply(torch.ones(2))
