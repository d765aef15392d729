"""Recurrent layers as the linear maps they are at every step."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from tests.vogn_app.curvature.kronecker.reference import (
    all_close,
    armed,
    captured,
    close,
)

N, T, E = 4, 3, 6


def loss(output):
    return (output.sin() + output.square()).flatten(1).sum(1).mean()


def linear(weight, bias):
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
    layer.weight.data = weight.detach().clone()
    if bias is not None:
        layer.bias.data = bias.detach().clone()
    return layer


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
    capture.close()
