"""How the tests compare recorded squares with a loop over examples."""

import torch
from torch import nn

from tests.helpers.closed_form import example_gradients
from vogn_app.curvature import SquareCapture

RELATIVE = 1e-10  # float64, sums of a few hundred terms


def capture_of(model):
    """A capture of all parameters that train."""
    wanted = {k: p for k, p in model.named_parameters() if p.requires_grad}
    return SquareCapture(model, wanted)


def assert_close(got, expected, relative=RELATIVE):
    """Same names, and tensors that differ by rounding only."""
    assert set(got) == set(expected)
    for name, truth in expected.items():
        assert got[name].shape == truth.shape, name
        error, scale = (got[name] - truth).norm(), truth.norm()
        assert error <= relative * scale, f"{name}: {error:.2g} of {scale:.2g}"


def default_loss(output, i):
    """A loss that is nonlinear in each example's output."""
    return output.sin().sum() + output.square().sum()


def first_examples(inputs, i):
    """Example i alone of every input tensor."""
    return tuple(x[i : i + 1] for x in inputs)


def record(capture, model, inputs, loss=default_loss, reduction="mean", clear=True):
    """Squares of one block with one batch, in the scale of the sum of losses."""
    num = len(inputs[0])
    if clear:
        model.zero_grad()
    with capture.recording() as recording:
        output = model(*inputs)
        total = sum(loss(output[i : i + 1], i) for i in range(num))
        (total / num if reduction == "mean" else total).backward()
    scale = num**2 if reduction == "mean" else 1
    return {k: v * scale for k, v in recording.squares.sums.items()}, recording


def truth(model, inputs, loss=default_loss):
    """Sum over examples of squared gradients, by a loop over examples."""
    rows = example_gradients(
        model, lambda i: loss(model(*first_examples(inputs, i)), i), len(inputs[0])
    )
    return {name: row.square().sum(0) for name, row in rows.items()}


def assert_exact(model, *inputs, loss=default_loss, steps=2, capture=None):
    """Record twice, verified and then not, and compare with the loop."""
    capture = capture or capture_of(model)
    expected = truth(model, inputs, loss)
    for reduction in ("mean", "sum")[:steps]:
        got, recording = record(capture, model, inputs, loss, reduction)
        assert recording.squares.num_examples == len(inputs[0])
        unused = expected.keys() - got.keys()
        assert not any(expected[name].any() for name in unused)
        assert_close(got, {name: expected[name] for name in got})
    return capture


class Folded(nn.Module):
    """Sees its windows folded into the examples dimension."""

    def __init__(self, windows=3):
        super().__init__()
        self.windows, self.inner, self.head = windows, nn.Linear(4, 3), nn.Linear(3, 2)

    def forward(self, x):
        folded = self.inner(x.reshape(-1, 4)).tanh()
        return self.head(folded.reshape(len(x), self.windows, 3).sum(1))


class Positions(nn.Module):
    """Tokens with a learned position, looked up without the examples dimension."""

    def __init__(self, length=5):
        super().__init__()
        self.token, self.position = nn.Embedding(7, 4), nn.Embedding(length, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, tokens):
        places = torch.arange(tokens.shape[1])
        return self.head((self.token(tokens) + self.position(places)).tanh().mean(1))


def small_conv():
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.GroupNorm(1, 3), nn.ReLU(inplace=True),
        nn.Conv2d(3, 4, 2, stride=2), nn.Flatten(), nn.Linear(16, 3),
    )  # fmt: skip


class Pair(nn.Module):
    """Bare parameter and layer."""

    def __init__(self, between=lambda x: x):
        super().__init__()
        self.scale, self.layer = nn.Parameter(torch.randn(3)), nn.Linear(3, 2)
        self.between = between

    def forward(self, x):
        return self.layer(self.between(x * self.scale))


class Projected(nn.Module):
    """A bare matrix, whose squares need a second run of the whole model."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.matrix, self.head = nn.Parameter(torch.randn(3, 4)), nn.Linear(4, 2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return self.head(self.dropout(x @ self.matrix).tanh())


class TinyViT(nn.Module):
    """Patches, class token, position embedding, a block, a head."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.patches = nn.Conv2d(2, 4, 2, stride=2)
        self.token = nn.Parameter(torch.randn(1, 1, 4))
        self.positions = nn.Parameter(torch.randn(1, 5, 4))
        self.block = nn.TransformerEncoderLayer(
            4, 2, 8, dropout=dropout, batch_first=True, norm_first=True
        )
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1)
        return self.head(self.block(tokens + self.positions)[:, 0])
