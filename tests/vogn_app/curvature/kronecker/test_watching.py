"""Attention and recurrent layers as linear maps; inputs of every shape; copies."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_sequence

from tests.vogn_app.curvature.kronecker.reference import (
    all_close,
    armed,
    captured,
    close,
    factors,
    pair,
    seen,
    trained,
)
from vogn_app.curvature.kronecker.watching import kept

N, T, E = 4, 3, 6


def loss(output):
    return (output.sin() + output.square()).flatten(1).sum(1).mean()


# --- attention ---------------------------------------------------------------------


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
@pytest.mark.parametrize("inputs", ["self", "cross", "memory"])
@pytest.mark.parametrize("name", ATTENTION)
def test_attention_is_its_linear_maps(name, inputs, sharing):
    options = ATTENTION[name]
    if "kdim" in options and inputs != "cross":
        pytest.skip("inputs of several sizes")
    attention, first = nn.MultiheadAttention(E, 2, **options), "batch_first" in options
    nn.init.normal_(attention.out_proj.weight)
    x = torch.randn(N, T, E)
    other = torch.randn(N, 5, options.get("kdim", E))
    third = other if inputs == "memory" else torch.randn(N, 5, options.get("vdim", E))
    ours = Attending(attention, inputs == "self", first)
    theirs = Attending(Separate(attention), inputs == "self", first)
    close(theirs(x, other, third), ours(x, other, third))
    got = captured(ours, lambda: loss(ours(x, other, third)).backward(), sharing=sharing)
    run = lambda: loss(theirs(x, other, third)).backward()  # noqa: E731
    expected = captured(theirs, run, sharing=sharing)
    all_close(got, expected)
    assert len(got) == 8


@pytest.mark.parametrize("trainable", ["in_proj_bias", "out_proj.bias", "in_proj_weight"])
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
    each = [parts[f"attention.{role}", "diagonal"][0] for role in ("q", "k", "v", "out")]
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


# --- recurrent layers --------------------------------------------------------------

LENGTHS = [4, 2, 5, 1]


class Steps(nn.Module):
    """A recurrent layer of linear modules, one example and one step at a time."""

    def __init__(self, like):
        super().__init__()
        self.like, self.maps = like, nn.ModuleDict()
        for name, parameter in like.named_parameters():
            if name.startswith("weight_"):
                end = name.removeprefix("weight_")
                bias = getattr(like, f"bias_{end}", None)
                self.maps[end] = linear(parameter, bias)

    def forward(self, sequences):
        size = self.like.proj_size or self.like.hidden_size
        for number in range(self.like.num_layers):
            ends = [f"l{number}", f"l{number}_reverse"]
            directions = [e for e in ends if f"ih_{e}" in self.maps]
            sequences = [
                torch.cat([self.run(end, x, size) for end in directions], 1)
                for x in sequences
            ]
        return sequences

    def run(self, end, x, size):
        backward, h = end.endswith("_reverse"), torch.zeros(1, size)
        c = torch.zeros(1, self.like.hidden_size)
        outputs = []
        for row in (x.flip(0) if backward else x).unsqueeze(1):
            u, v = self.maps[f"ih_{end}"](row), self.maps[f"hh_{end}"](h)
            if self.like.mode == "LSTM":
                i, f, g, o = (u + v).chunk(4, 1)
                c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                h = o.sigmoid() * c.tanh()
            else:
                (ur, uz, un), (vr, vz, vn) = u.chunk(3, 1), v.chunk(3, 1)
                z, n = (uz + vz).sigmoid(), (un + (ur + vr).sigmoid() * vn).tanh()
                h = (1 - z) * n + z * h
            h = self.maps[f"hr_{end}"](h) if f"hr_{end}" in self.maps else h
            outputs.append(h)
        steps = torch.cat(outputs)
        return steps.flip(0) if backward else steps


class Recurrent(nn.Module):
    """A layer over packed sequences; the last step's loss counts more."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, lengths):
        each = [row[:n] for row, n in zip(x, lengths, strict=True)]
        if isinstance(self.layer, Steps):
            outputs = self.layer(each)
        elif len(set(lengths)) == 1:
            outputs = self.layer(x if self.layer.batch_first else x.transpose(0, 1))[0]
            outputs = outputs if self.layer.batch_first else outputs.transpose(0, 1)
        else:
            packed, _ = self.layer(pack_sequence(each, enforce_sorted=False))
            padded, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
            outputs = [row[:n] for row, n in zip(padded, lengths, strict=True)]
        return torch.stack([y.sum(0) + y[-1].square() for y in outputs])


RECURRENT = {
    "lstm": lambda: nn.LSTM(3, 4, batch_first=True),
    "lstm, deep, both ways": lambda: nn.LSTM(3, 2, 2, bidirectional=True),
    "lstm, projected": lambda: nn.LSTM(3, 4, proj_size=2, bidirectional=True),
    "lstm, no bias": lambda: nn.LSTM(3, 4, 2, bias=False),
    "gru": lambda: nn.GRU(3, 4),
    "gru, deep, both ways": lambda: nn.GRU(3, 2, 2, bidirectional=True),
}


@pytest.mark.parametrize("lengths", [LENGTHS, [3] * N])
@pytest.mark.parametrize("name", RECURRENT)
def test_a_recurrent_layer_is_its_maps_at_every_step(name, lengths):
    layer = RECURRENT[name]()
    ours, theirs = Recurrent(layer), Recurrent(Steps(layer))
    x = torch.randn(N, max(lengths), 3)
    close(theirs(x, lengths), ours(x, lengths))
    got = captured(ours, lambda: loss(ours(x, lengths)).backward())
    expected = captured(theirs, lambda: loss(theirs(x, lengths)).backward())
    expected = {(k.replace("maps.", ""), side): v for (k, side), v in expected.items()}
    all_close(got, expected)


def test_a_gradient_with_respect_to_a_recurrent_output_leaves_no_trace():
    layer, x = nn.LSTM(3, 4, batch_first=True), torch.randn(N, 5, 3)
    model = Recurrent(layer)
    capture = armed(model)
    outputs = []
    layer.register_forward_hook(lambda m, a, o: outputs.append(o[0]))
    value = loss(model(x, [5] * N))
    torch.autograd.grad(value, outputs[0], retain_graph=True)
    assert capture.gather().moments == {}
    value.backward()
    assert len(capture.gather().moments) == 4


# --- inputs of every shape ---------------------------------------------------------


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


# --- copies ------------------------------------------------------------------------


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


def test_attention_with_a_forward_of_its_own_is_left_alone():
    model, x = attentive(), torch.randn(N, T, E)
    plain = model.attention.forward
    vars(model.attention)["forward"] = lambda *args, **kwargs: plain(*args, **kwargs)
    assert captured(model, lambda: loss(model(x, x, x)).backward()) == {}
    assert "forward" in vars(model.attention)
