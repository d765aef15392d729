"""Where layers have the examples: by the shapes of inputs, and what these are from."""

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.kronecker.reference import captured, close, factors, seen
from vogn_app.curvature.kronecker.present import LayerCall

N, T, E = 4, 3, 6


def loss(output):
    return (output.sin() + output.square()).flatten(1).sum(1).mean()


def placed(shape, num, tokens, **options):
    """The shapes of input and gradient once the examples are first."""
    x, g = torch.zeros(shape), torch.zeros(*shape, 2)
    call = LayerCall(nn.Identity(), x.shape, tokens, num_examples=num, **options)
    found = call.examples_first(x, g)
    return found and tuple(found[0].shape)


@pytest.mark.parametrize(
    ("shape", "num", "tokens", "expected"),
    [
        ((4, 3), 4, 1, (4, 3)),
        ((4, 3), None, 1, (4, 3)),
        ((3, 4, 2), 4, 2, (4, 3, 2)),
        ((4, 4, 2), 4, 2, (4, 4, 2)),
        ((8, 3), 4, 1, (4, 2, 3)),
        ((8, 3, 5, 5), 4, 0, (8, 3, 5, 5)),
        ((3, 2), 1, 1, (1, 3, 2)),
        ((1, 2), 4, 1, None),
        ((3, 2), 4, 1, None),
        ((1, 3, 5, 5), 4, 0, None),
        ((3, 2), 0, 1, None),
    ],
)
def test_examples_come_first(shape, num, tokens, expected):
    assert placed(shape, num, tokens) == expected


def test_some_examples_stay_as_they_are():
    assert placed((3, 2), 4, 1, is_part=True) == (3, 2)


def test_a_vector_of_indices_is_not_of_several_examples_tokens():
    for num, expected in ((4, None), (8, (8,)), (1, (1, 8))):
        x, g = torch.zeros(8, dtype=torch.long), torch.zeros(8, 2)
        call = LayerCall(nn.Identity(), x.shape, 1, num_examples=num)
        found = call.examples_first(x, g)
        assert (found and tuple(found[0].shape)) == expected


class Experts(nn.Module):
    """Two layers after one another see some of the tokens."""

    def __init__(self):
        super().__init__()
        self.stem, self.head = nn.Linear(3, E), nn.Linear(E, E)
        self.first, self.second = nn.Linear(E, E), nn.Linear(E, E)
        self.norm = nn.LayerNorm(E)

    def forward(self, x):
        h = self.stem(x).tanh().flatten(0, 1)
        mine = torch.arange(len(h)) % 2 == 0
        mine[0] = False  # of 12 tokens 5
        own = self.norm(self.second(self.first(h[mine]).tanh()))
        h = h.index_put((mine,), own)
        return self.head(h).unflatten(0, x.shape[:2])


def test_a_layer_that_sees_some_tokens_has_their_factors():
    model, x = Experts(), torch.randn(N, T, 3)
    run = lambda: loss(model(x)).backward()  # noqa: E731
    got = captured(model, run)
    for name in ("first", "second"):
        layer = model.get_submodule(name)
        ((inputs, g),) = seen(layer, run)
        assert len(inputs) == 5
        a, c = factors(layer, [(inputs, g)], N)
        close(got[name, "inputs"], a)
        close(got[name, "outputs"], c)
    # Whose tokens they are is not known.
    assert ("norm", "unit") not in got


class Mixed(nn.Module):
    """A layer whose one call is for all examples, in a way that nobody knows."""

    def __init__(self):
        super().__init__()
        self.stem, self.layer = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x):
        h = self.layer(self.stem(x))
        return h @ torch.diag(self.layer(torch.ones(3)))


def test_a_layer_with_a_call_that_says_nothing_is_not_measured():
    model, x = Mixed(), torch.randn(N, 3)
    got = captured(model, lambda: loss(model(x)).backward())
    assert {block for block, _ in got} == {"stem"}


class Alone(nn.Module):
    """Layers that do not take what has no examples dimension."""

    def __init__(self):
        super().__init__()
        self.norm, self.table = nn.LayerNorm(3), nn.Embedding(5, 3)
        self.stem = nn.Linear(3, 3)

    def forward(self, x):
        scalar = self.table(torch.tensor(2))
        return self.stem(x) * self.norm(scalar) + self.norm(x)


def test_a_layer_with_a_call_without_examples_is_not_measured():
    model, x = Alone(), torch.randn(N, 3)
    got = captured(model, lambda: loss(model(x)).backward())
    assert {block for block, _ in got} == {"stem"}
