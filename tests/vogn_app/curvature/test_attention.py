"""Attention with its projections recorded, against a loop over examples."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.curvature.exactness import assert_exact
from vogn_app.curvature.attention import attention_with

N, T, S, E = 4, 5, 3, 8
SHAPES = {"packed": {}, "separate": {"kdim": 6, "vdim": 4}, "no bias": {"bias": False}}


class Attending(nn.Module):
    """Attention between two linear layers, over itself or another sequence."""

    def __init__(self, kind="self", batch_first=True, weights=True, **options):
        super().__init__()
        self.attention = nn.MultiheadAttention(E, 2, batch_first=batch_first, **options)
        self.stem, self.head = nn.Linear(E, E), nn.Linear(E, 2)
        self.kind, self.batch_first, self.weights = kind, batch_first, weights
        self.kdim, self.vdim = options.get("kdim", E), options.get("vdim", E)

    def forward(self, x, **masks):
        q = self.stem(x)
        k = {"self": q, "cross": q[:, :S].sin(), "values": q[:, :S].sin()}[self.kind]
        v = k if self.kind != "values" else k.exp()
        if self.kdim != E:
            k, v = k[..., : self.kdim], v[..., : self.vdim]
        if not self.batch_first:
            q, k, v = (y.transpose(0, 1) for y in (q, k, v))
        y, weights = self.attention(q, k, v, need_weights=self.weights, **masks)
        if not self.batch_first:
            y = y.transpose(0, 1)
        extra = 0 if weights is None else weights.square().sum((1, 2))[:, None]
        return self.head(y.tanh().mean(1)) + extra


@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kind", ["self", "cross", "values"])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_exact(shape, kind, batch_first, weights):
    model = Attending(kind, batch_first, weights, **SHAPES[shape])
    capture = assert_exact(model, torch.randn(N, T, E))
    assert set(capture.coverage().values()) == {"linear", "multihead_attention"}


@pytest.mark.parametrize("length", [N - 1, N, N + 1])
def test_it_is_exact_also_where_tokens_are_as_many_as_examples(length):
    assert_exact(Attending(batch_first=False), torch.randn(N, length, E))


def test_masks_are_respected():
    class Masked(Attending):
        def forward(self, x):
            causal = torch.ones(T, T, dtype=torch.bool).triu(1)
            padding = torch.zeros(len(x), T, dtype=torch.bool)
            padding[:, -1] = x[:, 0, 0] > 0
            return super().forward(x, attn_mask=causal, key_padding_mask=padding)

    assert_exact(Masked(), torch.randn(N, T, E))


def test_frozen_projections_get_nothing_and_the_others_stay_exact():
    model = Attending()
    model.attention.in_proj_weight.requires_grad_(False)
    model.attention.out_proj.bias.requires_grad_(False)
    capture = assert_exact(model, torch.randn(N, T, E))
    assert "attention.in_proj_weight" not in capture.coverage()


class Twice(Attending):
    """Attends to what it gave; on itself both times, or once on the first input."""

    mixed = False

    def forward(self, x):
        q = self.stem(x)
        y = self.attention(q, q, q)[0].tanh()
        other = q if self.mixed else y
        return self.head(self.attention(y, other, other)[0].mean(1))


def test_attention_called_twice_has_its_cross_terms():
    capture = assert_exact(Twice(), torch.randn(N, T, E))
    assert set(capture.coverage().values()) == {"linear", "multihead_attention"}


def test_attention_called_in_two_ways_is_exact_also_when_that_begins_later():
    model, x = Twice(), torch.randn(N, T, E)
    capture = assert_exact(model, x)
    model.mixed = True
    names = r"attention\.in_proj_weight, attention\.in_proj_bias"
    with pytest.warns(UserWarning, match=f"squared gradients of {names} need a second"):
        assert_exact(model, x, capture=capture)


@pytest.mark.parametrize("option", ["add_bias_kv", "add_zero_attn"])
def test_further_options_are_exact(option):
    assert_exact(Attending(**{option: True}), torch.randn(N, T, E))


def test_attention_within_an_encoder_is_exact():
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.TransformerEncoderLayer(E, 2, 12, 0.0, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

        def forward(self, x):
            return self.encoder(x).mean(1)

    capture = assert_exact(Encoder(), torch.randn(N, T, E))
    assert set(capture.coverage().values()) == {
        "linear", "layer_norm", "multihead_attention",
    }  # fmt: skip


@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_copy_of_torchs_function_computes_the_same(dropout, weights):
    module = nn.MultiheadAttention(E, 2, dropout, batch_first=True)
    x = torch.randn(N, T, E)
    torch.manual_seed(1)
    expected = module(x, x, x, need_weights=weights)
    torch.manual_seed(1)
    got = attention_with(F.linear, module, x, x, x, need_weights=weights)
    assert torch.equal(got[0], expected[0])
    assert weights == (got[1] is not None)
    if weights:
        assert torch.equal(got[1], expected[1])
