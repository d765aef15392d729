"""Layers that see tokens, windows, examples alone or nothing at all."""

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.kronecker.reference import (
    all_close,
    captured,
    factors,
    pair,
    seen,
)
from vogn_app.curvature.kronecker.watching import kept

N, T, E = 4, 3, 6


def loss(output):
    return (output.sin() + output.square()).flatten(1).sum(1).mean()


class Tokens(nn.Module):
    """Layers of tokens that see sequences first, or windows in place of examples."""

    def __init__(self, way):
        super().__init__()
        # As many features as examples.
        self.way, self.linear, self.norm = way, nn.Linear(N, N), nn.LayerNorm(N)

    def forward(self, x):
        if self.way == "sequences first":
            return self.norm(self.linear(x.transpose(0, 1))).transpose(0, 1)
        if self.way == "flat":
            return self.norm(self.linear(x.flatten(0, 1))).unflatten(0, x.shape[:2])
        return self.norm(self.linear(x))


@pytest.mark.parametrize("sharing", ["expand", "reduce"])
@pytest.mark.parametrize("way", ["sequences first", "flat"])
def test_examples_are_found_in_other_dimensions(way, sharing):
    plain, other = Tokens("plain"), Tokens(way)
    other.load_state_dict(plain.state_dict())
    x = torch.randn(N, T, N)
    expected = captured(plain, lambda: loss(plain(x)).backward(), sharing=sharing)
    got = captured(other, lambda: loss(other(x)).backward(), sharing=sharing)
    all_close(got, expected)


class OneByOne(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return torch.stack([self.layer(each) for each in x])


@pytest.mark.parametrize(
    ("layer", "shape"), [(nn.Linear, (3,)), (lambda i, o: nn.Conv1d(i, o, 2), (3, 5))]
)
def test_a_layer_that_sees_examples_alone_has_the_batch_s_factors(layer, shape):
    module, x = layer(3, 4), torch.randn(N, *shape)
    one_by_one = OneByOne(module)
    got = captured(one_by_one, lambda: loss(one_by_one(x)).backward())
    whole = nn.Sequential(module)
    expected = captured(whole, lambda: loss(whole(x)).backward())
    all_close(got, {("layer", side): value for (_, side), value in expected.items()})


class Routed(nn.Module):
    """Experts, of which one gets no examples."""

    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList([nn.Linear(3, 2), nn.Linear(3, 2)])
        self.recurrent = nn.GRU(3, 2)

    def forward(self, x):
        nothing = self.experts[1](x[:0]).sum()
        return self.experts[0](x) + nothing


def test_a_layer_without_examples_says_nothing():
    model, x = Routed(), torch.randn(N, 3)
    got = captured(model, lambda: loss(model(x)).backward())
    expected = factors(
        model.experts[0], seen(model.experts[0], lambda: loss(model(x)).backward()), N
    )
    all_close(got, pair("experts.0", *expected))


class Residual(nn.Module):
    """Changes the input of a layer in place, which needs it no longer."""

    def __init__(self):
        super().__init__()
        self.stem, self.layer = nn.Linear(3, 4), nn.Linear(4, 4)

    def forward(self, x):
        h = self.stem(x).clone()
        y = self.layer(h)
        h += y
        return h


def test_the_input_of_a_layer_with_a_trained_bias_alone_may_be_changed():
    model, x = Residual(), torch.randn(N, 3)
    model.layer.weight.requires_grad_(False)
    got = captured(model, lambda: loss(model(x)).backward())
    assert torch.equal(got["layer", "inputs"], torch.ones(1, 1, 1))
    assert got["layer", "outputs"].shape == (1, 4, 4)


def test_of_a_bias_alone_the_shape_of_the_input_is_kept():
    x = torch.randn(5, 4)
    assert kept(x, {"weight": "w", "bias": "b"}) is x
    of_bias = kept(x, {"bias": "b"})
    assert of_bias.shape == x.shape
    assert of_bias.untyped_storage().nbytes() == 8
