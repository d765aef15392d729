"""Compiled models: their blocks run as the model was written, and are exact."""

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.exactness import (
    assert_close,
    assert_exact,
    capture_of,
    default_loss,
    record,
    truth,
)
from vogn_app import VOGN

BACKENDS = pytest.mark.parametrize("backend", ["eager", "aot_eager"])


def network():
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.GroupNorm(1, 3), nn.ReLU(inplace=True),
        nn.Flatten(), nn.Linear(12, 3),
    )  # fmt: skip


@BACKENDS
def test_a_compiled_model_is_exact_also_after_it_ran_compiled(backend):
    model, x = network(), torch.randn(5, 2, 4, 4)
    compiled = torch.compile(model, backend=backend)
    with torch.no_grad():
        compiled(x)
    capture = assert_exact(compiled, x)
    assert set(capture.coverage()) == {f"_orig_mod.{n}" for n in model.state_dict()}
    with torch.no_grad():
        assert torch.allclose(compiled(x), model(x))


@BACKENDS
def test_a_model_compiled_after_the_optimizer_was_made_is_exact(backend):
    model, x = network(), torch.randn(5, 2, 4, 4)
    capture = capture_of(model)
    compiled = torch.compile(model, backend=backend)
    compiled(x).sum().backward()
    for _ in range(2):
        got, _ = record(capture, compiled, (x,))
        assert_close(got, truth(model, (x,)))


def test_a_model_compiled_in_place_is_exact():
    model, x = network(), torch.randn(5, 2, 4, 4)
    model.compile(backend="aot_eager")
    model(x)
    assert_exact(model, x)


def test_a_compiled_model_trains_as_the_plain_one():
    x, y = torch.randn(6, 2, 4, 4), torch.randint(3, (6,))
    torch.manual_seed(1)
    plain = network()
    wrapped = network()
    wrapped.load_state_dict(plain.state_dict())
    compiled = torch.compile(wrapped, backend="aot_eager")
    for model in (plain, compiled):
        optimizer = VOGN(model, num_data=60, curvature_interval=2)
        for _ in range(4):
            with optimizer.sampled_params(train=True):
                nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            with optimizer.sampled_params(), torch.no_grad():
                model(x)
    assert_close(dict(wrapped.named_parameters()), dict(plain.named_parameters()))


def test_a_compiled_layer_inside_a_model_is_exact():
    inner = torch.compile(nn.Linear(3, 3), backend="aot_eager")
    model, x = nn.Sequential(inner, nn.Tanh(), nn.Linear(3, 2)), torch.randn(5, 3)
    inner(x)
    got, _ = record(capture_of(model), model, (x,))
    assert_close(got, truth(model, (x,), default_loss))
