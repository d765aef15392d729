"""Statistics of blocks: their scales, their averages, and what is watched."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.networks import batch, network
from vogn_app import KroneckerPreconditioner
from vogn_app.curvature.kronecker.blocks import INPUTS, OUTPUTS
from vogn_app.curvature.kronecker.capture import Gathered
from vogn_app.curvature.kronecker.eigen import Eigenbasis
from vogn_app.curvature.kronecker.moments import Moment
from vogn_app.optim.blockwise import BlockPreconditioner, BlockSums, rescaled

A, G = ("b", INPUTS), ("b", OUTPUTS)


def gathered(rows, c, plain=False):
    """A block with inputs `rows` and contributions `c`."""
    moments = {A: Moment.of_rows(rows), G: Moment.of_rows(c)}
    return Gathered(moments, len(rows), plain)


def examples(num):
    """Inputs, and gradients of examples' own losses."""
    return torch.randn(num, 2), torch.randn(num, 2)


def assert_sums(sums, every):
    got = sums.gathered()
    assert got.plain
    assert got.num_examples == sum(len(a) for a, _ in every)
    for key, i in ((A, 0), (G, 1)):
        rows = torch.cat([each[i] for each in every])
        torch.testing.assert_close(got.moments[key].matrix()[0], rows.T @ rows)


def test_inputs_are_not_rescaled():
    moments = gathered(*examples(3)).moments
    twice = rescaled(moments, 4.0)
    assert twice[A] is moments[A]
    torch.testing.assert_close(twice[G].matrix(), 4 * moments[G].matrix())


@pytest.mark.parametrize("scale", [None, 8.0])
@pytest.mark.parametrize("way", ["mean", "sum", "together", "plain"])
def test_sums_are_of_examples_own_losses_whatever_the_loss(way, scale):
    every, sums = [examples(3), examples(5)], BlockSums()
    for a, g in every:
        share = {"mean": len(a), "together": 8}.get(way, 1)
        c = g / share * (1.0 if scale is None or way == "plain" else scale)
        block = gathered(a, c, plain=way == "plain")
        together = way == "together"
        sums.add(block, mean=way != "sum", together=together, scale=scale)
    assert_sums(sums, every)


def test_a_scale_can_be_undone_later():
    every, sums = [examples(3), examples(5)], BlockSums()
    for a, g in every:
        sums.add(gathered(a, 8 * g / len(a)), mean=True, together=False, scale=None)
    assert not sums.plain
    sums.unscale(torch.tensor(8.0))
    assert_sums(sums, every)
    sums.unscale(torch.tensor(8.0))  # once is enough
    assert_sums(sums, every)


def test_blocks_whose_scale_is_known_are_not_unscaled():
    sums, (a, g) = BlockSums(), examples(3)
    sums.add(gathered(a, 8 * g / 3), mean=True, together=False, scale=8.0)
    assert sums.plain
    sums.unscale(torch.tensor(2.0))
    assert_sums(sums, [(a, g)])


def run(model, x, y):
    F.cross_entropy(model(x), y).backward()


def made(**settings):
    model = network()
    return model, BlockPreconditioner(model, factor_decay=0.0, **settings)


def test_blocks_alone_are_watched():
    (x, y), (model, blocks) = batch(), made()
    run(model, x, y)  # before any
    with blocks.block(0):
        run(model, x, y)
    blocks.keep(together=False, scale=None)
    run(model, x, y)  # after it
    assert not any(module._forward_hooks for module in (model[0], model[2]))
    gradients = {n: p.grad for n, p in model.named_parameters()}
    blocks.natural(gradients, dict.fromkeys(gradients, 0.1))
    twin = network()
    twin.load_state_dict(model.state_dict())
    plain = KroneckerPreconditioner(twin, factor_decay=0.0)
    run(twin, x, y)
    plain.natural_gradients()
    for key, moment in plain.factors().items():
        found = blocks.behind_inverses[key]
        torch.testing.assert_close(found.moment_mean.matrix(), moment.matrix())
        assert (found.damping > 0).all()


def test_a_block_that_fails_or_is_skipped_leaves_nothing():
    (x, y), (model, blocks) = batch(), made()

    def fail():
        with blocks.block(0):
            run(model, x, y)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not any(module._forward_hooks for module in (model[0], model[2]))
    assert not blocks.needs_scale
    with blocks.block(1):
        run(model, x, y)
    blocks.keep(together=False, scale=None)
    assert blocks.needs_scale
    blocks.skip()
    assert not blocks.needs_scale
    blocks.natural({}, {})
    assert blocks.behind_inverses == {}


def outputs_of(model, blocks, x, y, number):
    """G of the last layer, at labels that go with a draw of the weights."""
    with blocks.block(number):
        run(model, x, y)
    blocks.keep(together=False, scale=None)
    matrix = blocks._sums.gathered().moments["2", OUTPUTS].matrix()
    blocks.skip()
    return matrix


def test_labels_follow_the_number_of_the_draw():
    (x, y), (model, blocks) = batch(40), made(curvature="fisher")
    first, second, again = (outputs_of(model, blocks, x, y, i) for i in (4, 5, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("inversion", ["cholesky", "eigen"])
def test_eigenbases_are_there_where_they_are_used(inversion):
    (x, y), (model, blocks) = batch(), made(inversion=inversion)
    assert blocks.eigenbases("0") is None
    with blocks.block(0):
        run(model, x, y)
    blocks.keep(together=False, scale=None)
    blocks.natural({}, {})
    found = blocks.eigenbases("0")
    if inversion == "cholesky":
        assert found is None
        return
    inputs, outputs = found
    assert isinstance(inputs, Eigenbasis)
    assert (inputs.values.shape, outputs.values.shape) == ((1, 4), (1, 4))


def test_gradients_that_are_given_are_preconditioned_and_left_alone():
    (x, y), model = batch(), nn.Linear(3, 2)
    blocks = BlockPreconditioner(model, factor_decay=0.0, damping=0.1)
    with blocks.block(0):
        run(model, x, y)
    blocks.keep(together=False, scale=None)
    given = {n: torch.randn_like(p) for n, p in model.named_parameters()}
    before = {n: g.clone() for n, g in given.items()}
    natural = blocks.natural(given, dict.fromkeys(given, 0.1))
    expected = blocks.precondition(given)
    for name, value in before.items():
        assert torch.equal(given[name], value)
        torch.testing.assert_close(natural[name], expected[name])
