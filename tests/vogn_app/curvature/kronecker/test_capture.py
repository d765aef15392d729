"""Statistics of whole models: every layer type, errors, life and death."""

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.curvature.kronecker.reference import (
    all_close,
    armed,
    captured,
    close,
    factors,
    means,
    pair,
    seen,
)
from vogn_app.curvature.kronecker.capture import FactorCapture

N = 5
SHARINGS = pytest.mark.parametrize("sharing", ["expand", "reduce"])


class Alone(nn.Module):
    """A layer, and a head that is nonlinear in what it gives."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        y = self.layer(x).flatten(1)
        return torch.stack((y.sin().sum(1), y.square().sum(1)), 1)


def loss(output):
    return (output.sin() + output.square()).sum(1).mean()


def images(channels, *places):
    return torch.randn(N, channels, *places)


LAYERS = {
    "linear": (lambda: nn.Linear(3, 4), lambda: torch.randn(N, 3)),
    "linear, no bias": (lambda: nn.Linear(3, 4, bias=False), lambda: torch.randn(N, 3)),
    "linear, tokens": (lambda: nn.Linear(3, 4), lambda: torch.randn(N, 6, 3)),
    "linear, 4 dims": (lambda: nn.Linear(3, 2), lambda: torch.randn(N, 2, 3, 3)),
    "conv1d": (lambda: nn.Conv1d(2, 3, 3, 2, 1), lambda: images(2, 7)),
    "conv1d, one example more": (lambda: nn.Conv1d(2, 3, 1), lambda: images(2, 7)),
    "conv2d": (lambda: nn.Conv2d(2, 3, 3, padding=1), lambda: images(2, 5, 4)),
    "conv2d, no bias": (
        lambda: nn.Conv2d(2, 3, (3, 2), bias=False), lambda: images(2, 5, 4),
    ),
    "conv2d, 1x1": (lambda: nn.Conv2d(4, 3, 1, stride=2), lambda: images(4, 5, 4)),
    "conv2d, groups": (
        lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2), lambda: images(4, 5, 4),
    ),
    "conv2d, depthwise": (
        lambda: nn.Conv2d(3, 6, 2, groups=3), lambda: images(3, 4, 4),
    ),
    "conv2d, dilated, same": (
        lambda: nn.Conv2d(2, 3, (2, 3), padding="same", dilation=2),
        lambda: images(2, 5, 6),
    ),
    "conv2d, reflect": (
        lambda: nn.Conv2d(2, 3, 3, padding=(2, 1), padding_mode="reflect"),
        lambda: images(2, 5, 4),
    ),
    "conv2d, circular, strided": (
        lambda: nn.Conv2d(2, 3, 3, 2, padding=1, padding_mode="circular"),
        lambda: images(2, 6, 4),
    ),
    "conv1d, replicate": (
        lambda: nn.Conv1d(2, 3, 3, padding=2, padding_mode="replicate"),
        lambda: images(2, 6),
    ),
    "conv3d": (
        lambda: nn.Conv3d(2, 4, (2, 1, 2), (1, 2, 1), (1, 0, 1), groups=2),
        lambda: images(2, 3, 4, 3),
    ),
    "embedding": (lambda: nn.Embedding(6, 3), lambda: torch.randint(6, (N, 4))),
    "embedding, one token": (
        lambda: nn.Embedding(6, 3), lambda: torch.randint(6, (N,)),
    ),
    "embedding, of bounded norm": (
        lambda: nn.Embedding(6, 3, max_norm=0.5), lambda: torch.randint(6, (N, 4)),
    ),
    "embedding, padded": (
        lambda: nn.Embedding(6, 3, padding_idx=2), lambda: torch.randint(6, (N, 4)),
    ),
}  # fmt: skip


def dense(x, key):
    """Counts of an embedding as the matrix of which they are the diagonal."""
    return torch.diag_embed(x) if x.ndim == 2 else x


@SHARINGS
@pytest.mark.parametrize("name", LAYERS)
def test_both_factors_of_every_layer(name, sharing):
    make, draw = LAYERS[name]
    layer = make()
    model, x = Alone(layer), draw()

    def run():
        loss(model(x)).backward()

    expected = factors(layer, seen(layer, run), N, sharing)
    got = captured(model, run, sharing=sharing)
    a, g = (dense(got["layer", side], side) for side in ("inputs", "outputs"))
    if isinstance(layer, nn.Embedding):  # of reduced rows the diagonal alone
        expected = torch.diag_embed(expected[0].diagonal(0, 1, 2)), expected[1]
    close((a, g), expected)


@pytest.mark.parametrize("trainable", ["weight", "bias"])
@pytest.mark.parametrize("name", ["linear, tokens", "conv2d, groups"])
def test_one_parameter_alone_has_its_own_factors(name, trainable):
    make, draw = LAYERS[name]
    layer = make()
    model, x = Alone(layer), draw().requires_grad_()
    for local, parameter in layer.named_parameters():
        parameter.requires_grad_(local == trainable)

    def run():
        loss(model(x)).backward()

    expected = factors(layer, seen(layer, run), N, wanted=(trainable,))
    all_close(captured(model, run), pair("layer", *expected))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.head = nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.inner(self.inner(x).tanh()).tanh())


def test_calls_of_one_layer_are_positions():
    model, x = Twice(), torch.randn(N, 3)

    def run():
        loss(model(x)).backward()

    calls = seen(model.inner, run)
    assert len(calls) == 2
    got = captured(model, run)
    a, g = factors(model.inner, calls, N)
    close(got["inner", "inputs"], a)
    close(got["inner", "outputs"], g)


# --- errors, life and death --------------------------------------------------------


def network():
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.GroupNorm(1, 3), nn.ReLU(inplace=True),
        nn.Flatten(), nn.Linear(48, 4), nn.LayerNorm(4), nn.Linear(4, 3),
    )  # fmt: skip


def data(num=6):
    return torch.randn(num, 2, 4, 4), torch.randint(3, (num,))


def test_layers_that_run_without_the_model_are_an_error():
    model, (x, y) = network(), data()
    capture = armed(model)
    F.cross_entropy(model.forward(x), y).backward()
    with pytest.raises(RuntimeError, match=r"^the model that the optimizer was given"):
        capture.gather()
    capture.close()


def test_nothing_is_watched_that_is_not_due():
    model, (x, y) = network(), data()
    capture = FactorCapture(model, dict(model.named_parameters()))
    capture.arm({
        "0": frozenset({"inputs"}),
        "4": frozenset({"outputs"}),
        "6": frozenset(),
    })
    hooks = {i: len(m._forward_hooks) for i, m in enumerate(model)}
    assert hooks == {0: 1, 1: 0, 2: 0, 3: 0, 4: 1, 5: 0, 6: 0}
    F.cross_entropy(model(x), y).backward()
    gathered = capture.gather()
    assert set(gathered.moments) == {("0", "inputs"), ("4", "outputs")}
    assert gathered.num_examples == 6
    capture.arm({})
    assert not any(m._forward_hooks for m in model)
    F.cross_entropy(model(x), y).backward()
    gathered = capture.gather()
    assert gathered.moments == {}
    assert gathered.num_examples == 6


def test_closing_takes_everything_off():
    model = nn.Sequential(nn.MultiheadAttention(4, 2), nn.Linear(4, 2))
    before = {m: set(vars(m)) for m in model.modules()}
    capture = armed(model)
    capture.close()
    assert {m: set(vars(m)) for m in model.modules()} == before
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_a_capture_dies_without_the_garbage_collector():
    model, (x, y) = network(), data()
    capture = armed(model)
    F.cross_entropy(model(x), y).backward()
    capture.close()
    gc.collect()
    gc.disable()
    try:
        gone, owned = weakref.ref(capture), weakref.ref(model[0].weight)
        del capture, model
        assert gone() is None
        assert owned() is None
    finally:
        gc.enable()


def test_activations_die_with_the_graph():
    model, (x, y) = network(), data()
    found = []
    model[4].register_forward_hook(lambda m, a, o: found.append(weakref.ref(o)))
    capture = armed(model)
    value = F.cross_entropy(model(x), y)
    value.backward()
    assert found[0]() is None
    del value
    assert means(capture.gather())
    capture.close()
