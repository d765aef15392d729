"""Nothing of K-FAC outlives it: hooks, statistics, the model's memory."""

import gc
import weakref

import pytest
import torch
from torch import nn

from tests.vogn_app.optim.natural import close, convolutional, images, train
from vogn_app import KFAC

SETTINGS = {"damping": 0.05, "factor_interval": 2, "factor_decay": 0.8}


@pytest.fixture
def no_collector():
    """Only reference counts free anything."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def attentive():
    return nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)


@pytest.mark.parametrize(
    "options", [{}, {"curvature": "exact", "likelihood": "gaussian"}]
)
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_an_optimizer_dies_with_its_last_reference(steps, options, no_collector):
    model = attentive()
    kfac = KFAC(model, 0.1, **SETTINGS, **options)
    for _ in range(steps):
        kfac.zero_grad()
        model(torch.randn(3, 2, 4)).square().sum((1, 2)).mean().backward()
        kfac.step()
    gone = [weakref.ref(kfac), weakref.ref(kfac.preconditioner)]
    gone += [weakref.ref(kfac.preconditioner._capture)]
    inverses = kfac.preconditioner._state.inverses.values()
    gone += [weakref.ref(each) for each in inverses]
    del kfac, inverses
    each = None
    assert [ref() for ref in gone] == [None] * len(gone)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert "forward" not in vars(model.self_attn)
    parameter = weakref.ref(model.linear1.weight)
    del model, each
    assert parameter() is None


def test_a_new_optimizer_on_the_same_model_begins_afresh():
    model = convolutional()
    train(KFAC(model, 0.1, **SETTINGS), model, [images() for _ in range(3)])
    other = convolutional()
    other.load_state_dict(model.state_dict())
    batches = [images() for _ in range(3)]
    expected = train(KFAC(other, 0.1, **SETTINGS), other, batches)
    got = train(KFAC(model, 0.1, **SETTINGS), model, batches)
    for mine, truth in zip(got, expected, strict=True):
        close(mine, truth, rtol=0, atol=0)
