"""Statistics of whole models: every layer type, and passes that leave no trace."""

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
    "conv2d, depthwise": (lambda: nn.Conv2d(3, 6, 2, groups=3), lambda: images(3, 4, 4)),
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
    "embedding, one token": (lambda: nn.Embedding(6, 3), lambda: torch.randint(6, (N,))),
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


# --- what leaves the statistics as they are ----------------------------------------


def network():
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.GroupNorm(1, 3), nn.ReLU(inplace=True),
        nn.Flatten(), nn.Linear(48, 4), nn.LayerNorm(4), nn.Linear(4, 3),
    )  # fmt: skip


def data(num=6):
    return torch.randn(num, 2, 4, 4), torch.randint(3, (num,))


@SHARINGS
def test_duplicates_and_permutations_of_the_batch_change_nothing(sharing):
    model, (x, y) = network(), data()

    def statistics(at):
        run = lambda: F.cross_entropy(model(x[at]), y[at]).backward()  # noqa: E731
        return captured(model, run, sharing=sharing)

    expected = statistics(torch.arange(6))
    all_close(statistics(torch.arange(6).repeat(3)), expected)
    all_close(statistics(torch.randperm(6)), expected)


@pytest.mark.parametrize("sizes", [[3, 3], [2, 2, 2], [4, 1, 1]])
def test_parts_of_a_batch_are_the_batch(sizes):
    model, (x, y) = network(), data()

    def parts():
        for xs, ys in zip(x.split(sizes), y.split(sizes), strict=True):
            (F.cross_entropy(model(xs), ys) * len(ys) / 6).backward()

    expected = captured(model, lambda: F.cross_entropy(model(x), y).backward())
    all_close(captured(model, parts), expected)


def validate(model, x, y):
    model.eval()
    with torch.no_grad():
        model(x)
    model(x)  # with a graph that nobody uses
    model.train()


def attack(model, x, y):
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(model(x), y), x)
    assert gradient.any()


def attack_by_backward(model, x, y):
    x = x.clone().requires_grad_()
    F.cross_entropy(model(x), y).backward(inputs=[x])
    assert x.grad.any()


def look_at_gradients(model, x, y):
    torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters()))


def functional(model, x, y):
    fresh = {k: p.detach().clone().requires_grad_() for k, p in model.named_parameters()}
    F.cross_entropy(torch.func.functional_call(model, fresh, x), y).backward()


def transformed(model, x, y):
    fresh = {k: p.detach() for k, p in model.named_parameters()}
    call = lambda w: F.cross_entropy(torch.func.functional_call(model, w, x), y)  # noqa: E731
    torch.func.grad(call)(fresh)


@pytest.mark.parametrize(
    "other",
    [validate, attack, attack_by_backward, look_at_gradients, functional, transformed],
)
@pytest.mark.parametrize("first", [True, False])
def test_other_passes_leave_no_trace(other, first):
    model, (x, y), more = network(), data(), data(4)

    def both():
        for step in (other, None) if first else (None, other):
            if step is None:
                F.cross_entropy(model(x), y).backward()
            else:
                step(model, *more)

    expected = captured(model, lambda: F.cross_entropy(model(x), y).backward())
    all_close(captured(model, both), expected)


class Failing(torch.autograd.Function):
    fails = True

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        if Failing.fails:
            raise ArithmeticError("out of memory, say")
        return gradient


def test_a_backward_pass_that_failed_leaves_no_trace():
    model, (x, y), (other, labels) = network(), data(), data(4)
    model.insert(4, Lambda(Failing.apply))

    def run():
        Failing.fails = True
        with pytest.raises(ArithmeticError):
            F.cross_entropy(model(other), labels).backward()
        model.zero_grad()
        Failing.fails = False
        F.cross_entropy(model(x), y).backward()

    Failing.fails = False
    expected = captured(model, lambda: F.cross_entropy(model(x), y).backward())
    all_close(captured(model, run), expected)


class Lambda(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def test_gradients_that_are_given_up_take_their_statistics_along():
    model, (x, y), (other, labels) = network(), data(), data(4)

    def run():
        F.cross_entropy(model(other), labels).backward()  # as SAM does to perturb
        model.zero_grad()
        F.cross_entropy(model(x), y).backward()

    expected = captured(model, lambda: F.cross_entropy(model(x), y).backward())
    all_close(captured(model, run), expected)


def test_gradients_cleared_between_forward_and_backward_lose_nothing():
    model, (x, y) = network(), data()

    def run():
        output = model(x)
        model.zero_grad()
        F.cross_entropy(output, y).backward()

    expected = captured(model, lambda: F.cross_entropy(model(x), y).backward())
    all_close(captured(model, run), expected)


def test_a_penalty_on_gradients_is_captured_by_the_pass_that_accumulates():
    first = nn.Linear(3, 4)
    model, (_, y) = nn.Sequential(first, nn.Tanh(), nn.Linear(4, 3)), data()
    x = torch.randn(6, 3).requires_grad_()
    outputs = []
    first.register_forward_hook(lambda m, a, o: outputs.append(o))

    def penalised():
        value = F.cross_entropy(model(x), y)
        (slope,) = torch.autograd.grad(value, x, create_graph=True)
        return value + slope.square().sum()

    (gradient,) = torch.autograd.grad(penalised(), outputs[-1])
    got = captured(model, lambda: penalised().backward())
    expected = factors(first, [(x.detach(), gradient)], 6)
    close((got["0", "inputs"], got["0", "outputs"]), expected)


def test_two_backward_passes_through_a_graph_count_its_examples_once():
    model, (x, y) = nn.Sequential(nn.Flatten(), nn.Linear(32, 3)), data()

    def run():
        output = model(x)
        F.cross_entropy(output, y).backward(retain_graph=True)
        output.square().sum(1).mean().backward()

    capture = armed(model)
    run()
    assert capture.gather().num_examples == 6


# --- errors, life and death --------------------------------------------------------


def test_layers_that_run_without_the_model_are_an_error():
    model, (x, y) = network(), data()
    capture = armed(model)
    F.cross_entropy(model.forward(x), y).backward()
    with pytest.raises(RuntimeError, match=r"^the model that the optimizer was given"):
        capture.gather()


def test_nothing_is_watched_that_is_not_due():
    model, (x, y) = network(), data()
    capture = FactorCapture(model, dict(model.named_parameters()))
    capture.arm({"0": frozenset({"inputs"}), "4": frozenset({"outputs"}), "6": frozenset()})
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
