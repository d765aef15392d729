"""Attention as the linear maps it is, in whole encoder layers too; its copies."""

import copy
import gc
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.curvature.kronecker.reference import (
    all_close,
    armed,
    captured,
    close,
)
from vogn_app import KroneckerPreconditioner

N, T, E = 4, 3, 6


def loss(output):
    return (output.sin() + output.square()).flatten(1).sum(1).mean()


class Separate(nn.Module):
    """Attention of separate linear layers, from the weights of torch's own."""

    def __init__(self, like):
        super().__init__()
        size, self.heads = like.embed_dim, like.num_heads
        self.first = like.batch_first
        self.keys, self.values = like.bias_k, like.bias_v
        weights = like.in_proj_weight.chunk(3) if like._qkv_same_embed_dim else (
            like.q_proj_weight, like.k_proj_weight, like.v_proj_weight
        )  # fmt: skip
        biases = 3 * [None]
        if like.in_proj_bias is not None:
            biases = like.in_proj_bias.chunk(3)
        maps = [linear(w, b) for w, b in zip(weights, biases, strict=True)]
        self.q, self.k, self.v = maps
        self.out = linear(like.out_proj.weight, like.out_proj.bias)
        assert self.out.in_features == size

    def forward(self, query, key, value):
        if not self.first:
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        q, k, v = self.q(query), self.k(key), self.v(value)
        if self.keys is not None:
            k = torch.cat((k, self.keys.detach().expand(len(k), -1, -1)), 1)
            v = torch.cat((v, self.values.detach().expand(len(v), -1, -1)), 1)
        q, k, v = (x.unflatten(2, (self.heads, -1)).transpose(1, 2) for x in (q, k, v))
        mixed = F.scaled_dot_product_attention(q, k, v)
        output = self.out(mixed.transpose(1, 2).flatten(2))
        return output if self.first else output.transpose(0, 1)


def linear(weight, bias):
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
    layer.weight.data = weight.detach().clone()
    if bias is not None:
        layer.bias.data = bias.detach().clone()
    return layer


ATTENTION = {
    "packed": {},
    "batch first": {"batch_first": True},
    "no bias": {"bias": False},
    "kdim and vdim": {"kdim": 5, "vdim": 4, "batch_first": True},
    "bias of keys and values": {"add_bias_kv": True},
}


class Attending(nn.Module):
    """Gives the examples first, whatever its attention does."""

    def __init__(self, attention, shared, first):
        super().__init__()
        self.attention, self.shared, self.first = attention, shared, first

    def forward(self, query, key, value):
        if not self.first:
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        inputs = (query,) * 3 if self.shared else (query, key, value)
        output = self.attention(*inputs)
        output = output[0] if isinstance(output, tuple) else output
        return output if self.first else output.transpose(0, 1)


@pytest.mark.parametrize("sharing", ["expand", "reduce"])
@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        (name, inputs)
        for name, options in ATTENTION.items()
        for inputs in (("cross",) if "kdim" in options else ("self", "cross", "memory"))
    ],
)
def test_attention_is_its_linear_maps(name, inputs, sharing):
    options = ATTENTION[name]
    attention, first = nn.MultiheadAttention(E, 2, **options), "batch_first" in options
    nn.init.normal_(attention.out_proj.weight)
    x = torch.randn(N, T, E)
    other = torch.randn(N, 5, options.get("kdim", E))
    third = other if inputs == "memory" else torch.randn(N, 5, options.get("vdim", E))
    ours = Attending(attention, inputs == "self", first)
    theirs = Attending(Separate(attention), inputs == "self", first)
    close(theirs(x, other, third), ours(x, other, third))
    got = captured(
        ours, lambda: loss(ours(x, other, third)).backward(), sharing=sharing
    )
    run = lambda: loss(theirs(x, other, third)).backward()  # noqa: E731
    expected = captured(theirs, run, sharing=sharing)
    all_close(got, expected)
    assert len(got) == 8


@pytest.mark.parametrize(
    "trainable", ["in_proj_bias", "out_proj.bias", "in_proj_weight"]
)
def test_attention_of_which_only_a_part_is_trained(trainable):
    attention = nn.MultiheadAttention(E, 2, batch_first=True)
    nn.init.normal_(attention.in_proj_bias)
    separate = Separate(attention)
    for name, parameter in attention.named_parameters():
        parameter.requires_grad_(name == trainable)
    end = "weight" if trainable.endswith("weight") else "bias"
    for name, parameter in separate.named_parameters():
        inside = name.startswith("out.") == trainable.startswith("out")
        parameter.requires_grad_(name.endswith(end) and inside)
    ours, theirs = (Attending(each, True, True) for each in (attention, separate))
    x = torch.randn(N, T, E)
    got = captured(ours, lambda: loss(ours(x, x, x)).backward())
    all_close(got, captured(theirs, lambda: loss(theirs(x, x, x)).backward()))
    assert len(got) == (2 if inside_out(trainable) else 6)


def inside_out(name):
    return name.startswith("out_proj")


def test_attention_by_example_is_its_linear_maps_by_example():
    attention = nn.MultiheadAttention(E, 2, batch_first=True)
    separate = Separate(attention)
    ours, theirs = (Attending(each, True, True) for each in (attention, separate))
    x = torch.randn(N, T, E)
    got = captured(ours, lambda: loss(ours(x, x, x)).backward(), shape="diagonal")
    ((_, values),) = got.items()
    run = lambda: loss(theirs(x, x, x)).backward()  # noqa: E731
    parts = captured(theirs, run, shape="diagonal")
    each = [
        parts[f"attention.{role}", "diagonal"][0] for role in ("q", "k", "v", "out")
    ]
    sizes = [E * E, E]
    weights, biases = zip(*(part.split(sizes) for part in each), strict=True)
    joined = [*weights[:3], *biases[:3], weights[3], biases[3]]
    close(values[0], torch.cat(joined))


class Encoder(nn.Module):
    def __init__(self, first, norm_first=False):
        super().__init__()
        self.first = first
        self.inner = nn.TransformerEncoderLayer(
            E, 2, 5, dropout=0.0, batch_first=first, norm_first=norm_first
        )

    def forward(self, x):
        x = x if self.first else x.transpose(0, 1)
        x = self.inner(x)
        return x if self.first else x.transpose(0, 1)


@pytest.mark.parametrize("sharing", ["expand", "reduce"])
@pytest.mark.parametrize("norm_first", [False, True])
def test_an_encoder_layer_is_the_same_with_sequences_first(norm_first, sharing):
    one, other = Encoder(True, norm_first), Encoder(False, norm_first)
    other.load_state_dict(one.state_dict())
    x = torch.randn(N, T, E)
    got = captured(other, lambda: loss(other(x)).backward(), sharing=sharing)
    expected = captured(one, lambda: loss(one(x)).backward(), sharing=sharing)
    all_close(got, expected)
    assert len(got) == 2 * (4 + 2) + 2


def test_an_encoder_layer_in_eval_mode_gives_the_same_and_leaves_no_trace():
    model, x = Encoder(True).eval(), torch.randn(N, T, E)
    with torch.no_grad():
        expected = model(x)  # by the fast path
    capture = armed(model)
    with torch.no_grad():
        close(model(x), expected)
    assert capture.gather().moments == {}
    loss(model(x)).backward()  # eval mode, yet trained on
    assert len(capture.gather().moments) == 14
    capture.close()
    with torch.no_grad():
        assert torch.equal(model(x), expected)


def attentive():
    return Attending(nn.MultiheadAttention(E, 2, batch_first=True), True, True)


def reloaded(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), reloaded]
)
def test_a_copied_model_is_plain_and_can_be_watched_itself(copied):
    model, x = attentive(), torch.randn(N, T, E)
    expected = captured(model, lambda: loss(model(x, x, x)).backward())
    capture = armed(model)
    other = copied(model)
    close(other(x, x, x), model(x, x, x))
    loss(other(x, x, x)).backward()
    assert capture.gather().moments == {}
    all_close(captured(other, lambda: loss(other(x, x, x)).backward()), expected)
    assert "forward" not in vars(other.attention)
    again = copied(model)  # and watched before it ever ran
    all_close(captured(again, lambda: loss(again(x, x, x)).backward()), expected)
    capture.close()


def test_attention_with_a_forward_of_its_own_is_left_alone():
    model, x = attentive(), torch.randn(N, T, E)
    plain = model.attention.forward
    vars(model.attention)["forward"] = lambda *args, **kwargs: plain(*args, **kwargs)
    assert captured(model, lambda: loss(model(x, x, x)).backward()) == {}
    assert "forward" in vars(model.attention)


@pytest.mark.parametrize("shape", ["kronecker", "full"])
def test_two_who_watch_one_attention_see_the_same(shape):
    """As a notebook's second `optimizer = KFAC(model)` does at first."""
    model = nn.MultiheadAttention(4, 2, batch_first=True)
    x = torch.randn(3, 5, 4)

    def natural(*preconditioners):
        model.zero_grad()
        model(x, x, x)[0].square().sum(1).mean().backward()
        return [each.natural_gradients() for each in preconditioners]

    make = lambda: KroneckerPreconditioner(model, damping=0.1, shape=shape)  # noqa: E731
    (alone,) = natural(make())
    gc.collect()
    first, second = natural(make(), make())
    for name, truth in alone.items():
        torch.testing.assert_close(first[name], truth)
        torch.testing.assert_close(second[name], truth)
