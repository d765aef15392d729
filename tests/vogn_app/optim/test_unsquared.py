"""Optimizers without squares: what tells them the number of examples."""

import pytest
from torch.nn import functional as F

from tests.vogn_app.optim.networks import batch, network
from vogn_app import IVON, NoisyKFAC, Vadam

CLASSES = pytest.mark.parametrize("cls", [IVON, Vadam, NoisyKFAC])


@CLASSES
def test_layers_called_alone_are_an_error(cls):
    model, (x, y) = network(), batch()
    optimizer = cls(model, num_data=20)
    with (
        pytest.raises(RuntimeError, match=r"^the model that the optimizer was given"),
        optimizer.sampled_params(train=True),
    ):
        F.cross_entropy(model[2](model[0](x)), y).backward()


@CLASSES
def test_a_block_takes_no_squares(cls):
    model, (x, y) = network(), batch()
    optimizer = cls(model, num_data=20)
    with (
        optimizer._recording(None) as recording,
        optimizer.sampled_params(),
    ):
        F.cross_entropy(model(x), y).backward()
    assert recording.squares.num_examples == len(x)
    assert not recording.squares.sums


@CLASSES
def test_a_block_without_a_backward_pass_is_no_error(cls):
    model, (x, _) = network(), batch()
    optimizer = cls(model, num_data=20)
    with optimizer.sampled_params(train=True):
        model(x)
    assert all(p.grad is None for p in model.parameters())
