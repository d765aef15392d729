"""Layers that are called once for all examples count as called for each of them."""

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.autograd.graph import get_gradient_edge
from torch.utils.checkpoint import checkpoint

from tests.helpers.closed_form import example_gradients
from tests.vogn_app.curvature.kronecker.reference import all_close, armed, captured
from vogn_app.curvature.broadcast import Consumers
from vogn_app.curvature.kronecker.spreading import explains, find_spread
from vogn_app.likelihoods import Gaussian

T, D = 6, 4


def loss(output):
    return (output.sin() + output.square()).flatten(1).sum(1)


def gaussian(output, num):
    return Gaussian().square_roots(output.detach())


class Positions(nn.Module):
    """Adds to every example what layers make of its positions."""

    def __init__(self, way):
        super().__init__()
        self.way, self.stem = way, nn.Linear(3, D)
        self.table, self.linear = nn.Embedding(T, D), nn.Linear(2, D)
        self.norm, self.scale = nn.LayerNorm(D), nn.Conv1d(2, D, 1)
        self.head = nn.Linear(D, 2)

    def forward(self, x):
        h = self.stem(x).tanh()
        return self.head((h + self.positions(x)).tanh()) * self.factors(x)

    def positions(self, x):
        indices, places = torch.arange(T), torch.linspace(0, 1, 2 * T).view(T, 2).to(x)
        if self.way != "vector":
            indices, places = indices[None], places[None]
        if self.way == "each":
            indices = indices.expand(len(x), T)
            places = places.expand(len(x), T, 2)
        found = self.norm(self.table(indices)) + self.linear(places).sin()
        return found * 2 + self.norm(found)

    def factors(self, x):
        image = torch.ones(1, 2, T).to(x)
        if self.way == "each":
            image = image.expand(len(x), 2, T)
        # Of T places and two outputs.
        return self.scale(image)[:, :2].mT


def pair_of(way):
    each, once = Positions("each"), Positions(way)
    once.load_state_dict(each.state_dict())
    return each, once


@pytest.mark.parametrize("num", [1, 3, T, T + 1, 2 * T])
@pytest.mark.parametrize("way", ["once", "vector"])
@pytest.mark.parametrize(
    "options",
    [{}, {"sharing": "reduce"}, {"shape": "layer"}, {"shape": "diagonal"},
     {"passes": gaussian}],
)  # fmt: skip
def test_what_is_called_once_counts_as_called_for_each_example(options, way, num):
    each, once = pair_of(way)
    x = torch.randn(num, T, 3)
    expected = captured(each, lambda: loss(each(x)).mean().backward(), **options)
    got = captured(once, lambda: loss(once(x)).mean().backward(), **options)
    all_close(got, expected)


@pytest.mark.parametrize("way", ["once", "vector"])
def test_gradients_by_example_are_those_of_each_alone(way):
    model, x = Positions(way), torch.randn(5, T, 3)
    each = example_gradients(model, lambda i: loss(model(x[i : i + 1])).sum(), len(x))
    run = lambda: loss(model(x)).mean().backward()  # noqa: E731
    got = captured(model, run, shape="full")["model", "gradients"]
    rows = torch.cat([g.flatten(1) for g in each.values()], 1)
    torch.testing.assert_close(got[0].trace(), rows.square().sum() / 5)
    same = torch.linalg.eigvalsh(got[0])[-5:], torch.linalg.eigvalsh(rows @ rows.T / 5)
    torch.testing.assert_close(*same)


def test_parts_of_a_batch_are_the_batch():
    each, once = pair_of("once")
    x = torch.randn(7, T, 3)

    def parts():
        for part in x.split([3, 1, 3]):
            (loss(once(part)).sum() / 7).backward()

    expected = captured(each, lambda: loss(each(x)).mean().backward())
    all_close(captured(once, parts), expected)


def test_gradients_for_the_caller_leave_no_trace():
    each, once = pair_of("once")
    x = torch.randn(5, T, 3)

    def run():
        value = loss(once(x)).mean()
        torch.autograd.grad(value, once.head.bias, retain_graph=True)
        torch.autograd.grad(value, list(once.parameters()), retain_graph=True)
        value.backward()

    expected = captured(each, lambda: loss(each(x)).mean().backward())
    all_close(captured(once, run), expected)


class Checkpointed(Positions):
    """Runs in parts or as a whole again during backward."""

    reentrant, whole = None, False

    def positions(self, x):
        if self.whole or self.reentrant is None:
            return super().positions(x)
        return checkpoint(super().positions, x, use_reentrant=self.reentrant)

    def forward(self, x):
        if not self.whole:
            return super().forward(x)
        return checkpoint(super().forward, x, use_reentrant=False)


@pytest.mark.parametrize("shape", ["kronecker", "diagonal"])
@pytest.mark.parametrize("passes", [None, gaussian])
def test_in_checkpoints_it_is_right_or_left_out(passes, shape):
    each, once = Checkpointed("each"), Checkpointed("once")
    once.load_state_dict(each.state_dict())
    x = torch.randn(5, T, 3, requires_grad=True)
    options = {"shape": shape, "passes": passes}
    expected = captured(each, lambda: loss(each(x)).mean().backward(), **options)
    left_out = []
    for once.reentrant, once.whole in ((False, False), (True, False), (None, True)):
        got = captured(once, lambda: loss(once(x)).mean().backward(), **options)
        left_out.append({block for block, _ in set(expected) - set(got)})
        all_close(got, {key: expected[key] for key in got})
    # What is only known while backward runs is not looked for; nor is what cannot be
    # had from the checkpoint twice.
    unknown = {"table", "linear", "norm"}
    assert left_out[:2] == [set(), unknown]
    assert left_out[2] <= {"scale"}


class Elsewhere(nn.Module):
    """What is called once meets the examples in a way that nobody knows."""

    def __init__(self, shape):
        super().__init__()
        self.stem, self.shape = nn.Linear(3, D), shape
        self.table, self.cell = nn.Linear(2, D), nn.PReLU(T)
        self.aside = None

    def forward(self, x):
        table = self.table(torch.ones(*self.shape, 2))
        if self.aside is not None:
            self.aside = table.sum()
            return self.stem(x) + table
        table = table.flatten() @ torch.ones(table.numel(), D)
        return self.stem(x).mm(torch.diag(table))


@pytest.mark.parametrize("shape", ["kronecker", "layer", "diagonal", "full"])
@pytest.mark.parametrize("rows", [(1,), (1, T), (T,)])
def test_what_cannot_be_had_is_left_out(rows, shape):
    model, x = Elsewhere(rows), torch.randn(4, 3)
    got = captured(model, lambda: loss(model(x)).mean().backward(), shape=shape)
    kept = {} if shape == "full" else {"stem"}
    assert {block for block, _ in got} == set(kept)


@pytest.mark.parametrize("num", [4, T])
def test_a_use_that_does_not_meet_the_examples_shows(num):
    model, x = Elsewhere((T, 1)), torch.randn(num, 3)
    model.shape, model.aside = (1,), 0.0

    def run():
        (loss(model(x)).mean() + model.aside).backward()

    assert {block for block, _ in captured(model, run)} == {"stem"}


class Unknown(nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = nn.PReLU(T)

    def forward(self, x):
        return x * self.slope(torch.randn(1, T))


def test_a_layer_that_would_have_to_run_again_is_left_out():
    model = Unknown()
    run = lambda: loss(model(torch.randn(4, T))).mean().backward()  # noqa: E731
    assert captured(model, run) == {}


def test_activations_die_once_the_next_step_is_watched():
    model, x = Positions("once"), torch.randn(5, T, 3)
    found = []
    model.stem.register_forward_hook(lambda m, a, o: found.append(weakref.ref(o)))
    capture = armed(model)
    gc.disable()
    try:
        model(x)
        capture.arm({})
        assert found[0]() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_in_lower_precision_they_are_the_same_but_for_rounding(dtype):
    each, once = (model.float() for model in pair_of("once"))
    x = torch.randn(5, T, 3, dtype=torch.float32)

    def run(model):
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16):
            value = loss(model(x)).mean()
        value.backward()

    expected = captured(each, lambda: run(each))
    got = captured(once, lambda: run(once))
    assert set(got) == set(expected)
    for key, truth in expected.items():
        assert (got[key] - truth).norm() <= 0.05 * truth.norm()


def test_every_use_must_meet_the_examples():
    weight, x = torch.randn(1, D, requires_grad=True), torch.randn(3, D)
    start = weight.sin()
    met = (start.exp() + x).sum(1)
    meetings, above = find_spread(get_gradient_edge(start), Consumers([met]), 3)
    assert [m.node.name() for m in meetings] == ["AddBackward0"]
    assert len(above) == 2
    both = [met, start.cos().sum(1)]
    assert find_spread(get_gradient_edge(start), Consumers(both), 3) == ([], set())
    value = (start.sum() * x).sum(1)  # might be a mean over examples
    assert find_spread(get_gradient_edge(start), Consumers([value]), 3) == ([], set())


def test_parts_explain_a_gradient_if_they_add_up_to_it():
    one, other = torch.randn(2, 5, 3)
    assert torch.equal(explains([one], one.sum(0)), one)
    torch.testing.assert_close(
        explains([one, other], (one + other).sum(0)), one + other
    )
    assert explains([one], (one + other).sum(0)) is None
    assert explains([one, None], one.sum(0)) is None
    assert explains([], one.sum(0)) is None
