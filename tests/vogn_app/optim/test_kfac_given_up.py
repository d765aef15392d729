"""Batches that are given up: `zero_grad` drops what they have said."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.natural import close, convolutional, images, parameters_of
from vogn_app import KFAC, SPNGD

MAKERS = {
    "kfac": lambda model: KFAC(model, 0.05, factor_interval=2),
    "spngd": lambda model: SPNGD(model, 0.05),
    "ekfac": lambda model: KFAC(model, 0.05, factor_interval=2, inversion="ekfac"),
    "fisher": lambda model: KFAC(model, 0.05, factor_interval=2, curvature="exact"),
    "layer": lambda model: KFAC(model, 0.05, factor_interval=2, shape="layer"),
}


def before_forward(optimizer, model, x, y, keep):
    optimizer.zero_grad(set_to_none=not keep)
    F.cross_entropy(model(x), y).backward()


def before_backward(optimizer, model, x, y, keep):
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad(set_to_none=not keep)
    loss.backward()


def outcome(make, passes, given_up, keep):
    torch.manual_seed(1)
    model = convolutional()
    optimizer = make(model)
    batches = [(images(5), images()) for _ in range(4)]
    for other, batch in batches:
        if given_up:
            passes(optimizer, model, *other, keep)
        passes(optimizer, model, *batch, keep)
        optimizer.step()
    return parameters_of(model)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("passes", [before_forward, before_backward])
@pytest.mark.parametrize("name", MAKERS)
def test_a_batch_that_was_given_up_leaves_no_trace(name, passes, keep):
    make = MAKERS[name]
    expected = outcome(make, passes, False, keep)
    close(outcome(make, passes, True, keep), expected, rtol=1e-7)


def test_a_backward_pass_that_failed_leaves_no_trace():
    expected = outcome(MAKERS["kfac"], before_forward, False, True)

    def failing(optimizer, model, x, y, keep):
        if len(x) == 5:
            optimizer.zero_grad(set_to_none=False)
            handle = model[4].register_forward_hook(
                lambda m, a, out: out.register_hook(lambda g: 1 / 0) and None
            )
            with pytest.raises(ZeroDivisionError):
                F.cross_entropy(model(x), y).backward()
            handle.remove()
            return
        before_forward(optimizer, model, x, y, keep)

    close(outcome(MAKERS["kfac"], failing, True, True), expected, rtol=1e-7)


def test_gradients_of_a_step_are_kept_until_they_are_cleared():
    """Micro-batches add up; `zero_grad` after a step finds nothing to drop."""
    model, (x, y) = nn.Sequential(nn.Flatten(), nn.Linear(32, 3)), images()
    optimizer = KFAC(model, 0.05, factor_interval=1)
    for part in (slice(0, 2), slice(2, 6)):
        (F.cross_entropy(model(x[part]), y[part], reduction="sum") / 6).backward()
    assert optimizer.preconditioner._capture.gather().num_examples == 6
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)
    assert all(not p.grad.any() for p in model.parameters())
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())
